"""Measure the regions of a label image: scikit-image's definitions, from runs."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg._kernels import hulls, moments, perimeters
from postseg._support.threads import spread
from postseg.filtering.intensities import with_intensities
from postseg.raster.grouped import Grouped
from postseg.raster.images import encode
from postseg.raster.intensity_image import as_intensity_image
from postseg.raster.label_image import as_label_image
from postseg.raster.runs import components

PIXELS = "mask pixels"


class Shapes(NamedTuple):
    """What the kernels measure of n regions, for metrics to be made of.

    Attributes
    ----------
    area, area_convex : (n,) int64
        Pixels, and those of the convex hull.
    bbox : (n, 4) int64
        First row and column, and the ones after the last.
    inertia : (n, 3) array
        The tensor's rows x rows, rows x columns, columns x columns.
    perimeter : (n,) array
        As scikit-image's.
    """

    area: NDArray[np.int64]
    area_convex: NDArray[np.int64]
    bbox: NDArray[np.int64]
    inertia: NDArray[np.float64]
    perimeter: NDArray[np.float64]


class Metric(NamedTuple):
    """One measure of the shape of a region: a column of the table.

    Attributes
    ----------
    name : str
        Of the column.
    definition : str
        What it is, for people.
    of : callable
        Its values.
    unit : str
        `PIXELS` of lengths and areas, nothing of ratios.
    digits : int
        How many are told after the point.
    whole : bool
        Whether its values are whole numbers.
    typical : (float, float) or None
        What cells usually measure, as the descriptions of `FilterConfig` tell.
    quantiles : tuple of float
        Those that help to set a threshold, told with its statistics.
    """

    name: str
    definition: str
    of: Callable[[Shapes], NDArray[Any]]
    unit: str = ""
    digits: int = 3
    whole: bool = False
    typical: tuple[float, float] | None = None
    quantiles: tuple[float, ...] = ()


_TABLE = (
    Metric(
        "area", "pixels of the label image", lambda s: s.area, unit=PIXELS, digits=1, whole=True
    ),
    Metric(
        "eccentricity", "0 is a circle, 1 a line", lambda s: _eccentricity(s), typical=(0.0, 0.95)
    ),
    Metric(
        "perimeter",
        "length of the boundary, in pixels",
        lambda s: s.perimeter,
        unit=PIXELS,
        digits=1,
    ),
    Metric(
        "solidity",
        "share of its convex hull that a region fills",
        lambda s: s.area / s.area_convex,
        typical=(0.7, 0.9),
    ),
    Metric(
        "extent",
        "share of its bounding box that a region fills",
        lambda s: s.area / np.prod(s.bbox[:, 2:] - s.bbox[:, :2], axis=1),
        typical=(0.5, 0.8),
    ),
    Metric(
        "compactness",
        "4π area / perimeter², about 1 for a disc, less for ragged outlines",
        lambda s: _compactness(s),
        typical=(0.6, 0.8),
        quantiles=(0.10, 0.25),
    ),
    Metric(
        "convexity_deficit",
        "share of its convex hull that is missing: notches, half-moons",
        lambda s: 1 - s.area / s.area_convex,
        typical=(0.05, 0.15),
        quantiles=(0.75, 0.90),
    ),
    Metric(
        "perimeter_area_ratio",
        "perimeter / √area, about 3.5 for a disc",
        lambda s: s.perimeter / np.sqrt(s.area),
        typical=(3.5, 5.0),
        quantiles=(0.75, 0.90),
    ),
)
METRIC = {metric.name: metric for metric in _TABLE}
METRICS = tuple(METRIC)

# Weight of each code of a border pixel (see _kernels/perimeters.py); 0 for the others.
_STEP_WEIGHTS = np.zeros(50)
_STEP_WEIGHTS[[5, 7, 15, 17, 25, 27]] = 1
_STEP_WEIGHTS[[21, 33]] = np.sqrt(2)
_STEP_WEIGHTS[[13, 23]] = (1 + np.sqrt(2)) / 2


def measure_regions(label_image: Any, intensity_image: Any = None) -> pd.DataFrame:
    """Measure every region of a label image, and its intensities in another image.

    A region is an 8-connected component of one nonzero label; regions are numbered 1..n in
    raster order of their first pixel, as by ``skimage.measure.label``.

    Parameters
    ----------
    label_image : (H, W) array_like
        0 is background, every other value a cell. Read, never modified.
    intensity_image : (m H, m W) or (C, m H, m W) array_like, optional
        An image m times as large as the label image, m a whole number from 1, of which a pixel of
        a region covers m x m pixels. NumPy, dask (read chunk by chunk, once) and xarray, such as
        an image of a SpatialData object, of which the finest scale counts.

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
        intensity_mean              mean of the pixels of `intensity_image` in the region,
        intensity_std               their population standard deviation,
        intensity_min               the least, and
        intensity_max               the largest of them
        ==========================  =======================================================

        Intensities are as in ``skimage.measure.regionprops``, float64 whatever the image is: whole
        numbers beyond 2^53 are rounded. Where a pixel is NaN all four are. With several channels
        the columns are ``intensity_mean_<channel>`` and so on, by the names that an xarray image
        has, else 0, 1, ...; of a single channel if it is called by a text. In the names
        characters other than letters, digits, "-" and "." become "_", as stores want it.

    Raises
    ------
    TypeError, ValueError
        When `label_image` is not a 2-D label image, see `PostSegmentation.masks`; and for an
        `intensity_image` that does not fit it, is complex, or has two channels of one name.
    """
    masks = as_label_image(label_image)
    image = None if intensity_image is None else as_intensity_image(intensity_image)
    if image is not None:
        image.factor(masks.shape)  # before the work: it may be refused
    runs = encode(masks)
    regions, number = components(runs)
    table = measure(regions, runs.shape)
    return table if image is None else with_intensities(table, runs._replace(label=number), image)


def measure(regions: Grouped, shape: tuple[int, int]) -> pd.DataFrame:
    """Measure regions given as runs: the table that `measure_regions` returns."""
    n = regions.label.size
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

    shapes = Shapes(area, area_convex, bbox, inertia, _perimeter(steps))
    min_row, min_col, max_row, max_col = bbox.T
    touches_border = (min_row == 0) | (min_col == 0) | (max_row == shape[0]) | (max_col == shape[1])
    return pd.DataFrame(
        {
            "source_label": regions.label,
            "area": area,
            "area_convex": area_convex,
            **{metric.name: metric.of(shapes) for metric in _TABLE},  # area stays first
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


def with_microns(regions: pd.DataFrame, pixel_area: Fraction | None) -> pd.DataFrame:
    """The same with a column ``area_um2``, where the area of a mask pixel is known, in um^2."""
    if pixel_area is None:
        return regions
    found = regions.copy()
    place = found.columns.tolist().index("area") + 1
    found.insert(place, "area_um2", found["area"].to_numpy() * float(pixel_area))
    return found


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


def _eccentricity(shapes: Shapes) -> NDArray[np.float64]:
    """sqrt(1 - l2 / l1) of the inertia tensor's eigenvalues, l1 - l2 taken without cancellation."""
    rr, rc, cc = shapes.inertia.T
    half_gap = np.hypot((rr - cc) / 2, rc)
    largest = (rr + cc) / 2 + half_gap
    ratio = np.divide(2 * half_gap, largest, out=np.zeros_like(largest), where=largest > 0)
    return np.sqrt(np.minimum(ratio, 1))


def _compactness(shapes: Shapes) -> NDArray[np.float64]:
    area, perimeter = shapes.area, shapes.perimeter
    undefined = np.full(area.shape, np.nan)
    return np.divide(4 * np.pi * area, perimeter**2, out=undefined, where=perimeter > 0)
