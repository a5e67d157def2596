"""The table of the cells: one row per label, from the audit table."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg.geometry.placement import GLOBAL, MICRONS, Placement, transform

INSTANCE_KEY = "label"


def cell_rows(regions: pd.DataFrame) -> pd.DataFrame:
    """Rows of the regions that have a label, by label; index ``cell_<label>``.

    Where a label has several regions, as in masks that a subclass filtered in its own way, the
    largest stands for it.
    """
    cells = regions[regions["label"] > 0].rename_axis("region_number").reset_index()
    cells = cells.sort_values("area", kind="stable").drop_duplicates(INSTANCE_KEY, keep="last")
    cells = cells.sort_values(INSTANCE_KEY)
    cells.index = pd.Index([f"cell_{label}" for label in cells[INSTANCE_KEY]])
    return cells


def centroids(cells: pd.DataFrame, placement: Placement) -> dict[str, NDArray[np.float64]]:
    """Where the cells lie, as ``obsm``: centroids, (n_cells, 2) as x, y.

    ``"spatial"`` in the coordinate system ``"global"``, ``"spatial_um"`` in ``"microns"``, where
    there is that.
    """
    pixels = cells[["centroid_col", "centroid_row"]].to_numpy() + 0.5
    maps = placement.mask_systems
    keys = {"spatial": GLOBAL, "spatial_um": MICRONS}
    return {key: transform(pixels, maps[name]) for key, name in keys.items() if name in maps}
