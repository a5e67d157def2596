"""The filter as a function, and the picture of a filter run that its callers may ask for."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from functools import wraps
from os import PathLike
from typing import Any, Literal, ParamSpec, TypeVar

from postseg._support.checks import check_pixel_size
from postseg.filtering import criteria, quantities
from postseg.filtering.config import FilterConfig, suggestion
from postseg.filtering.run import FilterRun, apply_filter, measure_masks, why_nothing_passed
from postseg.raster.label_image import LabelImage

P = ParamSpec("P")
T = TypeVar("T")
DebugImage = bool | str | PathLike[str] | None  # whether to save it, or where


def save_picture(
    filtered: FilterRun, where: DebugImage, colour: Literal["share", "reason"] = "share"
) -> None:
    """Save what was kept and what was not, as ``cleaned_mask.png`` where True does not say."""
    if where is None or where is False:
        return
    from postseg.show.figures import save_debug_image

    path = "cleaned_mask.png" if where is True else where
    report = filtered.report
    save_debug_image(
        path,
        filtered.measured.runs,
        filtered.regions,
        report.config,
        transcripts=report.transcripts,
        colour=colour,
    )


def _with_suggestions(function: Callable[P, T]) -> Callable[P, T]:
    """The same function, which answers a misspelt keyword with the nearest."""
    known = inspect.signature(function).parameters

    @wraps(function)
    def call(*arguments: P.args, **keywords: P.kwargs) -> T:
        for name in keywords:
            if name not in known:
                raise TypeError(
                    f"{function.__name__}() has no parameter {name!r}{suggestion(name, known)}"
                )
        return function(*arguments, **keywords)

    return call


@_with_suggestions
def filter_cell_by_regionprops(
    seg_masks: Any,
    max_eccentricity: float | None = None,
    min_area: str | float | None = "median_div2",
    min_absolute_area: str | float | None = 50,
    max_area: str | float | None = None,
    min_solidity: float | None = None,
    max_solidity: float | None = None,
    min_extent: float | None = None,
    max_extent: float | None = None,
    min_compactness: float | None = None,
    max_convexity_deficit: float | None = 0.20,
    max_perimeter_area_ratio: float | None = None,
    area_std_filter: str | float | None = None,
    save_debug: DebugImage = False,
    verbose: bool = True,
    *,
    border: Literal["judge", "keep", "drop"] = "judge",
    pixel_size: float | None = None,
) -> LabelImage:
    """Keep the regions of a label image that look like cells, renumbered 1..n.

    A region is an 8-connected component of one label. It is kept when it passes every test;
    bounds are inclusive and ``None`` switches a test off. Areas are in mask pixels, or text with
    a unit: ``"20 um2"``, ``"80 px"``, or ``"10 %"``, a percentile of the areas of all regions.

    Parameters
    ----------
    seg_masks : (H, W) array_like
        Label image: 0 is background, every other value a cell. Never modified.
    max_eccentricity : float from 0 to 1, optional
        Reject more elongated cells; 0 is a circle, 1 a line. Typical cells: up to 0.95.
    min_area : {"median", "median_div2"} or float from 0 or text with a unit, default "median_div2"
        Reject smaller cells: 'median', 'median_div2' (half the median), a number from 0 to 100 =
        that PERCENTILE of the areas, a larger number = pixels. A floor of 100 pixels or less has
        its unit: '80 px'.
    min_absolute_area : float from 0 or text with a unit, default 50
        Reject debris: fewer pixels than this, whatever the other cells are.
    max_area : float from 0 or text with a unit, optional
        Reject larger cells, in pixels.
    min_solidity : float from 0 to 1, optional
        Reject concave cells, by area / area of the convex hull. Typical cells: 0.7 to 0.9.
    max_solidity : float from 0 to 1, optional
        Reject cells that are too convex. Above 0.98: suspiciously smooth.
    min_extent : float from 0 to 1, optional
        Reject cells that fill little of their bounding box. Below 0.3: thin.
    max_extent : float from 0 to 1, optional
        Reject rectangular cells, by area / area of the bounding box. Typical cells: 0.5 to 0.8.
    min_compactness : float from 0 to 1, optional
        Reject irregular cells, by 4 pi area / perimeter^2. Typical: 0.6 to 0.8; below 0.5
        irregular.
    max_convexity_deficit : float from 0 to 1, default 0.2
        Reject half-moons, by 1 - solidity. Normal cells: 0.05 to 0.15; half-moons above 0.20.
    max_perimeter_area_ratio : float from 0, optional
        Reject ragged cells, by perimeter / sqrt(area). Typical: 3.5 to 5.0; fragmented above 6.0.
    area_std_filter : float above 0 or text with a unit, optional
        Reject areas further from the mean than this many population standard deviations, or beyond
        two bounds in pixels: '20 to 300 px'.
    save_debug : bool or path
        Write a picture of survivors and rejected regions: True writes ``cleaned_mask.png``
        here. Needs the extra ``plot``.
    verbose : bool
        Print the `FilterReport`.
    border : {"judge", "keep", "drop"}, default "judge"
        What becomes of cells that the edge of the slide or a gap between tiles cuts: 'judge' them
        as all others, 'keep' them whatever their shape and size, or 'drop' them.
    pixel_size : float, optional
        Side of a mask pixel in um, for thresholds in um2.

    Returns
    -------
    (H, W) int32 array
        Survivors renumbered in raster order of their first pixel. All zeros, with a warning,
        when nothing survives. A lazy dask array where `seg_masks` is one.

    Raises
    ------
    TypeError, ValueError
        For masks that are no 2-D label image, and for impossible thresholds.
    """
    stated = FilterConfig(
        max_eccentricity=max_eccentricity,
        min_area=min_area,
        min_absolute_area=min_absolute_area,
        max_area=max_area,
        min_solidity=min_solidity,
        max_solidity=max_solidity,
        min_extent=min_extent,
        max_extent=max_extent,
        min_compactness=min_compactness,
        max_convexity_deficit=max_convexity_deficit,
        max_perimeter_area_ratio=max_perimeter_area_ratio,
        area_std_filter=area_std_filter,
        border=border,
    )
    config = stated.in_pixels(quantities.pixel_area(check_pixel_size(pixel_size)))
    filtered = apply_filter(
        measure_masks(seg_masks),
        config,
        stated,
        lambda regions: criteria.rejections(regions, config),
    )
    save_picture(filtered, save_debug)
    if verbose:
        print(filtered.report)
    if not filtered.report.passed:
        warnings.warn(why_nothing_passed(filtered.report), stacklevel=3)
    for note in filtered.report.notes:
        warnings.warn(note, stacklevel=3)
    return filtered.masks
