"""The filter: which regions are cells, by twelve tests of their shape, and why the others went."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd

from postseg._support.words import human
from postseg.filtering import criteria
from postseg.filtering.config import FilterConfig
from postseg.filtering.metrics import measure
from postseg.filtering.report import FilterReport, statistics
from postseg.raster.images import encode, paint
from postseg.raster.label_image import LabelImage, as_label_image, is_lazy, read_only
from postseg.raster.runs import Runs, components

DebugImage = bool | str | os.PathLike[str] | None


class Measured(NamedTuple):
    """A label image as the filter needs it, read and measured once.

    Attributes
    ----------
    runs : Runs
        With the region number, from 1, as label.
    table : DataFrame
        As from `measure_regions`.
    image : (H, W) array
        What was read, not to be written to.
    """

    runs: Runs
    table: pd.DataFrame
    image: LabelImage

    @property
    def chunks(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """Those of the image, where it is lazy."""
        return cast("Any", self.image.chunks) if is_lazy(self.image) else None


class FilterRun(NamedTuple):
    """What the filter makes of a label image.

    Attributes
    ----------
    measured : Measured
        What it was made of.
    masks : (H, W) int32
        Survivors renumbered 1..n in region order, 0 elsewhere; a dask array for a lazy input.
    runs : Runs
        The same as runs, those of rejected regions with the label 0.
    regions : DataFrame
        The audit table: `measure_regions` and, for each region, its new ``label`` (0 =
        rejected), the first ``reason`` it was rejected for ("" = kept), and for every test the
        ``margin_<reason>`` to its threshold, see `criteria.margins`.
    report : FilterReport
        Counts, statistics and thresholds.
    """

    measured: Measured
    masks: LabelImage
    runs: Runs
    regions: pd.DataFrame
    report: FilterReport


def measure_masks(seg_masks: Any) -> Measured:
    """Read and measure a label image."""
    image = as_label_image(seg_masks)
    runs = encode(image)
    regions, number = components(runs)
    table = measure(regions, runs.shape)
    return Measured(runs._replace(label=number), table, read_only(image))


def apply_filter(
    measured: Measured,
    config: FilterConfig,
    find_rejections: Callable[[pd.DataFrame], pd.DataFrame],
    save_debug: DebugImage = False,
) -> FilterRun:
    """Reject some of the measured regions, renumber and paint the others.

    `find_rejections` maps the table of all regions to one boolean column per reason.
    """
    runs, table = measured.runs, measured.table
    failed = find_failures(table, find_rejections)
    rejected = failed.to_numpy(dtype=bool)
    kept = ~rejected.any(axis=1)
    label = np.where(kept, kept.cumsum(), 0).astype(np.int32)
    # kept regions fall through to the last, empty reason
    first = np.column_stack([rejected, kept]).argmax(axis=1)
    reason = np.array([*failed.columns, ""], dtype=object)[first]
    regions = table.assign(label=label, reason=reason)
    regions = regions.join(criteria.margins(table, config).add_prefix("margin_"))

    if save_debug is not None and save_debug is not False:
        from postseg.show.figures import save_debug_image

        path = "cleaned_mask.png" if save_debug is True else save_debug
        save_debug_image(path, runs, regions, config)
    value = label[runs.label - 1]
    masks = paint(runs, value, measured.chunks)
    report = _report(regions, failed, config)
    return FilterRun(measured, masks, runs._replace(label=value), regions, report)


def find_failures(
    regions: pd.DataFrame, find_rejections: Callable[[pd.DataFrame], pd.DataFrame]
) -> pd.DataFrame:
    """What a `rejections` hook returns, or an error that says what is wrong with it."""
    failed = find_rejections(regions.copy())  # what a hook writes into it stays with the hook
    if not isinstance(failed, pd.DataFrame) or not failed.index.equals(regions.index):
        raise TypeError(
            "rejections() must return a DataFrame with one row per region, with the index of the "
            f"table it was given, and one boolean column per reason; it returned {failed!r:.200}"
        )
    if not failed.columns.is_unique:
        twice = failed.columns[failed.columns.duplicated()][0]
        raise ValueError(f"rejections() returned the column {twice!r} twice; a reason has one.")
    for reason, dtype in failed.dtypes.items():
        if not isinstance(reason, str) or not reason:
            raise TypeError(
                f"rejections() returned the column {reason!r}; name it by the reason, a text."
            )
        if dtype.kind != "b" or failed[reason].isna().any():
            raise TypeError(
                f"rejections() returned {reason!r} with dtype {dtype}; a reason is a boolean "
                "column without gaps: True where the region is rejected."
            )
    return failed


def _report(regions: pd.DataFrame, failed: pd.DataFrame, config: FilterConfig) -> FilterReport:
    survivors = regions[regions["label"] > 0]
    counts = regions["reason"].value_counts()
    min_area, rule = criteria.resolve_min_area(config.min_area, regions["area"].to_numpy())
    return FilterReport(
        total=len(regions),
        passed=len(survivors),
        rejected={str(reason): int(counts.get(reason, 0)) for reason in failed.columns},
        config=config,
        min_area=min_area,
        min_area_rule=rule,
        statistics_all=statistics(regions),
        statistics_passed=statistics(survivors),
    )


def why_nothing_passed(report: FilterReport) -> str:
    """One sentence: how many regions there were and which tests rejected most of them."""
    if not report.total:
        return "The masks hold no cells: every pixel is 0."
    worst = sorted(report.rejected.items(), key=lambda item: -item[1])[:3]
    tests = ", ".join(
        f"{human(reason)} {count:,} ({_threshold_of(reason)})" for reason, count in worst if count
    )
    advice = "Loosen these thresholds; None switches one off."
    if report.total > 100 and report.to_dict()["metrics"]["all"]["area"]["median"] < 3:
        advice = "Most are of 1 or 2 pixels: is this the microscope image, not the label image?"
    return (
        f"None of the {report.total:,} regions passed the filter. Most were rejected by: {tests}. "
        f"{advice}"
    )


def _threshold_of(reason: str) -> str:
    tests = criteria.tests_of(reason)
    return tests[0].threshold if tests else "a test of a subclass"


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
        measure_masks(seg_masks),
        config,
        lambda regions: criteria.rejections(regions, config),
        save_debug,
    )
    if verbose:
        print(filtered.report)
    if not filtered.report.passed:
        warnings.warn(why_nothing_passed(filtered.report), stacklevel=2)
    return filtered.masks
