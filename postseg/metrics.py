"""Measure the regions of a label image: scikit-image's definitions, from runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg._kernels import hulls, moments, perimeters
from postseg.images import encode
from postseg.label_image import as_label_image
from postseg.parallel import spread
from postseg.runs import Regions, components

METRICS = (
    "area",
    "eccentricity",
    "perimeter",
    "solidity",
    "extent",
    "compactness",
    "convexity_deficit",
    "perimeter_area_ratio",
)

# Weight of each code of a border pixel (see _kernels/perimeters.py); 0 for the others.
_STEP_WEIGHTS = np.zeros(50)
_STEP_WEIGHTS[[5, 7, 15, 17, 25, 27]] = 1
_STEP_WEIGHTS[[21, 33]] = np.sqrt(2)
_STEP_WEIGHTS[[13, 23]] = (1 + np.sqrt(2)) / 2


def measure_regions(label_image: Any) -> pd.DataFrame:
    """Measure every region of a label image.

    A region is an 8-connected component of one nonzero label; regions are numbered 1..n in
    raster order of their first pixel, as by ``skimage.measure.label``.

    Parameters
    ----------
    label_image : (H, W) array_like
        0 is background, every other value a cell. Read, never modified.

    Returns
    -------
    DataFrame
        Indexed by ``region``. Lengths are in mask pixels, areas in mask pixels squared:

        ==========================  =======================================================
        source_label                the region's value in `label_image`
        area, area_convex           pixels of the region, and of its convex hull
        eccentricity                of the ellipse with the same second moments; 0 = circle
        perimeter                   ``skimage.measure.perimeter(neighborhood=4)``
        solidity                    area / area_convex
        extent                      area / area of the bounding box
        compactness                 4 pi area / perimeter^2 (Polsby-Popper); NaN without one
        convexity_deficit           1 - solidity
        perimeter_area_ratio        perimeter / sqrt(area)
        min_row, min_col            bounding box, half open, as in ``regionprops.bbox``
        max_row, max_col
        centroid_row, centroid_col  mean pixel position
        touches_border              whether a pixel lies on the image border
        ==========================  =======================================================

    Raises
    ------
    TypeError, ValueError
        When `label_image` is not a 2-D label image; see `PostSegmentation.masks`.
    """
    runs = encode(as_label_image(label_image))
    return measure(components(runs), runs.shape)


def measure(regions: Regions, shape: tuple[int, int]) -> pd.DataFrame:
    """Measure grouped runs: the table that `measure_regions` returns."""
    n = regions.source_label.size
    area = np.empty(n, np.int64)
    area_convex = np.empty(n, np.int64)
    bbox = np.empty((n, 4), np.int64)
    centroid = np.empty((n, 2))
    inertia = np.empty((n, 3))
    steps = np.zeros((n, perimeters.CODES.size), np.int32)
    runs = regions[:4]  # offsets, row, start, stop

    def measure_range(first: int, last: int) -> None:
        moments.moments(first, last, *runs, area, bbox, centroid, inertia)
        perimeters.perimeters(first, last, *runs, bbox, steps)
        hulls.convex_areas(first, last, *runs, bbox, area_convex)

    spread(measure_range, regions.offsets, "Measuring")

    perimeter = _perimeter(steps)
    solidity = area / area_convex
    min_row, min_col, max_row, max_col = bbox.T
    touches_border = (min_row == 0) | (min_col == 0) | (max_row == shape[0]) | (max_col == shape[1])
    return pd.DataFrame(
        {
            "source_label": regions.source_label,
            "area": area,
            "area_convex": area_convex,
            "eccentricity": _eccentricity(inertia),
            "perimeter": perimeter,
            "solidity": solidity,
            "extent": area / ((max_row - min_row) * (max_col - min_col)),
            "compactness": _compactness(area, perimeter),
            "convexity_deficit": 1 - solidity,
            "perimeter_area_ratio": perimeter / np.sqrt(area),
            "min_row": min_row,
            "min_col": min_col,
            "max_row": max_row,
            "max_col": max_col,
            "centroid_row": centroid[:, 0],
            "centroid_col": centroid[:, 1],
            "touches_border": touches_border,
        },
        index=pd.RangeIndex(1, n + 1, name="region"),
    )


def _perimeter(steps: NDArray[np.int32]) -> NDArray[np.float64]:
    """Weigh the steps by the dot product that scikit-image takes, so that every bit agrees.

    A value that ties with a threshold must fall on the same side; so the terms are summed in
    the same order, by the same routine, over the same histogram of 50 codes.
    """
    perimeter = np.empty(len(steps))
    for first in range(0, len(steps), 8192):
        part = steps[first : first + 8192]
        histogram = np.zeros((len(part), _STEP_WEIGHTS.size))
        histogram[:, perimeters.CODES] = part
        perimeter[first : first + 8192] = (histogram[:, None] @ _STEP_WEIGHTS[:, None])[:, 0, 0]
    return perimeter


def _eccentricity(inertia: NDArray[np.float64]) -> NDArray[np.float64]:
    """sqrt(1 - l2 / l1) of the inertia tensor's eigenvalues, l1 - l2 taken without cancellation."""
    rr, rc, cc = inertia.T
    half_gap = np.hypot((rr - cc) / 2, rc)
    largest = (rr + cc) / 2 + half_gap
    ratio = np.divide(2 * half_gap, largest, out=np.zeros_like(largest), where=largest > 0)
    return np.sqrt(np.minimum(ratio, 1))


def _compactness(area: NDArray[np.int64], perimeter: NDArray[np.float64]) -> NDArray[np.float64]:
    undefined = np.full(area.shape, np.nan)
    return np.divide(4 * np.pi * area, perimeter**2, out=undefined, where=perimeter > 0)
