"""The filter as a function, and the picture of a filter run that its callers may ask for."""

from __future__ import annotations

import warnings
from os import PathLike
from typing import Any

from postseg.filtering import criteria
from postseg.filtering.config import FilterConfig
from postseg.filtering.run import FilterRun, apply_filter, measure_masks, why_nothing_passed
from postseg.raster.label_image import LabelImage

DebugImage = bool | str | PathLike[str] | None  # whether to save it, or where


def save_picture(filtered: FilterRun, where: DebugImage) -> None:
    """Save what was kept and what was not, as ``cleaned_mask.png`` where True does not say."""
    if where is None or where is False:
        return
    from postseg.show.figures import save_debug_image

    path = "cleaned_mask.png" if where is True else where
    save_debug_image(path, filtered.measured.runs, filtered.regions, filtered.report.config)


def filter_cell_by_regionprops(
    seg_masks: Any,
    max_eccentricity: float | None = None,
    min_area: str | float | None = "median_div2",
    min_absolute_area: float | None = 50,
    max_area: float | None = None,
    min_solidity: float | None = None,
    max_solidity: float | None = None,
    min_extent: float | None = None,
    max_extent: float | None = None,
    min_compactness: float | None = None,
    max_convexity_deficit: float | None = 0.20,
    max_perimeter_area_ratio: float | None = None,
    area_std_filter: float | None = None,
    save_debug: DebugImage = False,
    verbose: bool = True,
) -> LabelImage:
    """Keep the regions of a label image that look like cells, renumbered 1..n.

    A region is an 8-connected component of one label. It is kept when it passes every test;
    bounds are inclusive and ``None`` switches a test off. What each threshold is for, and
    typical values, stand in `FilterConfig`.

    Parameters
    ----------
    seg_masks : (H, W) array_like
        Label image: 0 is background, every other value a cell. Never modified.
    max_eccentricity, min_solidity, max_solidity, min_extent, max_extent, min_compactness, \
max_convexity_deficit : float, optional
        Bounds of ratios, from 0 to 1.
    min_area : {"median", "median_div2"} or float, optional
        The median area of all regions or half of it; a number from 0 to 100 is a *percentile*
        of the areas, a larger one mask pixels. For a floor below 100 pixels use
        `min_absolute_area`.
    min_absolute_area, max_area : float, optional
        In mask pixels.
    max_perimeter_area_ratio : float, optional
        Bound of perimeter / sqrt(area).
    area_std_filter : float, optional
        Reject areas further from the mean than this many population standard deviations.
    save_debug : bool or path
        Write a picture of survivors and rejected regions: True writes ``cleaned_mask.png``
        here. Needs the extra ``plot``.
    verbose : bool
        Print the `FilterReport`.

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
    config = FilterConfig(
        max_eccentricity=max_eccentricity,
        min_area=min_area,  # type: ignore[arg-type]
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
    )
    filtered = apply_filter(
        measure_masks(seg_masks), config, lambda regions: criteria.rejections(regions, config)
    )
    save_picture(filtered, save_debug)
    if verbose:
        print(filtered.report)
    if not filtered.report.passed:
        warnings.warn(why_nothing_passed(filtered.report), stacklevel=2)
    return filtered.masks
