"""What the page needs to count regions anew where they are too small to be seen one by one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg.show.bins import Bins, bin_numbers
from postseg.show.maps import each_of
from postseg.show.overview import is_inside
from postseg.show.page.pictures import encoded
from postseg.show.page.render import data_uri
from postseg.show.paint import LEAST, STRIPE, Pixels, strength_of
from postseg.show.palette import SHARES, Style
from postseg.show.pictures import Scene, canvas_of_bins, swatches_of_bins
from postseg.show.view import View


def bins_of_page(
    scene: Scene, bins: Bins, styles: dict[str, Style]
) -> tuple[dict[str, Any], dict[str, Pixels]]:
    """What `paint_bins` knows of a picture beside the regions of each bin, and its swatches.

    Parameters
    ----------
    scene : Scene
        What there is to see.
    bins : Bins
        Of the run.
    styles : dict
        Of all reasons.
    """
    height, width = (axis.n * axis.repeat for axis in bins.view)
    canvas = canvas_of_bins(scene, bins.view)
    ground = (255 * canvas).round().astype(np.uint8)
    head = {
        "height": height,
        "width": width,
        "rows": bins.view.rows._asdict(),
        "cols": bins.view.cols._asdict(),
        "side": bins.side,
        "shape": bins.regions.shape,
        "each": each_of(bins),
        "reasons": [*styles],  # of several that are as common the first
        "shares": SHARES,
        "least": LEAST,
        "stripe": STRIPE,
        "tissue": None if scene.tissue is None else data_uri(encoded(ground, photo=True)),
    }
    return head, swatches_of_bins(scene, canvas, styles)


def arrays_of_page(
    regions: pd.DataFrame, bins: Bins, closer: Iterable[View]
) -> dict[str, NDArray[Any]]:
    """By name: the bin of each region, and which have their middle in each closer look.

    And how opaque a bin is by how many regions it holds.
    """
    arrays: dict[str, NDArray[Any]] = {
        "bin": bin_numbers(regions, bins.view, bins.side).astype(np.int32),
        "strength": strength_of(np.arange(bins.regions.max(initial=1) + 1), bins.usual),
    }
    for k, view in enumerate(closer):
        arrays[f"inside_{k}"] = np.flatnonzero(is_inside(regions, view)).astype(np.int32)
    return arrays
