"""Where the regions of a merged slide came from, as columns of their audit table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from postseg.raster.runs import Runs
from postseg.tiles.merged import Merged, cut_by_gaps
from postseg.tiles.plan import gaps

COLUMNS = ("tile", "tile_label", "n_tiles", "role", "cut")


def with_sources(regions: pd.DataFrame, runs: Runs, merged: Merged) -> pd.DataFrame:
    """Add where each region came from.

    Parameters
    ----------
    regions : DataFrame
        As from `measure_regions`, of the merged slide.
    runs : Runs
        Theirs, with region numbers for labels.
    merged : Merged
        The slide.

    Returns
    -------
    DataFrame
        The same with ``tile`` and ``tile_label``, the label there: of the tile whose cell it is,
        or that has the most of it; ``n_tiles`` that saw it; ``role``, see `Slide.sources`; and
        ``cut``, whether a gap between tiles cuts it.
    """
    sources = merged.in_words()
    first = sources.drop_duplicates("cell").set_index("cell")
    first["n_tiles"] = sources.groupby("cell")["tile"].nunique()
    found = first.reindex(regions["source_label"]).set_index(regions.index)
    cut = cut_by_gaps(runs, runs.label, gaps(merged.rectangles, runs.shape))
    found["cut"] = np.isin(regions.index, cut)
    return regions.join(found[list(COLUMNS)])
