"""The filter: which regions are cells, by twelve tests of their shape, and why the others went."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg._support.words import human, listing
from postseg.filtering import criteria, nuclei
from postseg.filtering.config import FilterConfig
from postseg.filtering.intensities import STATISTICS, intensities_in
from postseg.filtering.metrics import measure
from postseg.filtering.report import FilterReport, Transcripts, statistics
from postseg.raster.images import encode, paint
from postseg.raster.label_image import LabelImage, as_label_image, is_lazy, read_only
from postseg.raster.runs import Runs, components

TRANSCRIPTS = "transcript_counts"  # of regions, once points were counted


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
    n_transcripts : int or None
        Transcripts in the image, whether in a region or in the background, once points were
        counted. Then `table` has them by region, as int64 ``transcript_counts``.
    nuclei : DataFrame or None
        The nuclei that were matched, see `nuclei.Matched`; `table` has `nuclei.COLUMNS` then.
    """

    runs: Runs
    table: pd.DataFrame
    image: LabelImage
    n_transcripts: int | None = None
    nuclei: pd.DataFrame | None = None

    @property
    def chunks(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """Those of the image, where it is lazy."""
        return cast("Any", self.image.chunks) if is_lazy(self.image) else None

    @property
    def amounts(self) -> NDArray[np.int64]:
        """What is counted of what is kept, (n_regions, 1 or 2): regions, and known transcripts."""
        one = np.ones(len(self.table), np.int64)
        if self.n_transcripts is None:
            return one[:, None]
        return np.column_stack([one, self.table[TRANSCRIPTS]])


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
    stated: FilterConfig,
    find_rejections: Callable[[pd.DataFrame], pd.DataFrame],
) -> FilterRun:
    """Reject some of the measured regions, renumber and paint the others.

    Parameters
    ----------
    measured : Measured
        What to filter.
    config, stated : FilterConfig
        Thresholds in force, and as they were stated.
    find_rejections : callable
        Maps the table of all regions to one boolean column per reason.
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
    value = label[runs.label - 1]
    masks = paint(runs, value, measured.chunks)
    report = _report(regions, failed, config, stated, measured.n_transcripts)
    return FilterRun(measured, masks, runs._replace(label=value), regions, report)


def with_transcripts(
    measured: Measured, counts: NDArray[np.int64] | None, n_transcripts: int | None
) -> Measured:
    """Tell measured regions of their transcripts, or take back what was told.

    Parameters
    ----------
    measured : Measured
        The regions.
    counts : (n_regions,) array or None
        Of each region.
    n_transcripts : int or None
        See `Measured`.
    """
    table = measured.table.drop(columns=TRANSCRIPTS, errors="ignore")
    if counts is not None:
        table[TRANSCRIPTS] = counts
    return measured._replace(table=table, n_transcripts=n_transcripts)


def with_nuclei(measured: Measured, found: Runs) -> Measured:
    """Tell measured regions of their nuclei, given as runs: see `match_nuclei`."""
    matched = nuclei.match_nuclei(measured.runs, len(measured.table), found)
    return measured._replace(table=matched.tell(measured.table), nuclei=matched.of_nuclei)


def tell(filtered: FilterRun, measured: Measured) -> FilterRun:
    """A filter run with what its regions were told since they were filtered: its decisions stay."""
    regions = measured.table.join(filtered.regions.loc[:, "label":])
    found = _transcripts(regions, filtered.report.rejected, measured.n_transcripts)
    report = replace(filtered.report, transcripts=found)
    return filtered._replace(measured=measured, regions=regions, report=report)


def find_failures(
    regions: pd.DataFrame, find_rejections: Callable[[pd.DataFrame], pd.DataFrame]
) -> pd.DataFrame:
    """What a `rejections` hook returns, or an error that says what is wrong with it."""
    try:
        failed = find_rejections(regions.copy())  # what a hook writes into it stays with the hook
    except KeyError as error:
        why = _why_missing(error.args[0], regions) if error.args else ""
        if not why:
            raise
        raise RuntimeError(
            f"rejections() asks for regions[{error.args[0]!r}], but {why}"
        ) from error
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


def _why_missing(column: Any, regions: pd.DataFrame) -> str:
    """Why a table of regions lacks a column that it may have."""
    if not isinstance(column, str) or column in regions:
        return ""
    if column == TRANSCRIPTS:
        return (
            "no points were counted, or not since the masks were placed elsewhere: call "
            "process_points() first."
        )
    if column in nuclei.COLUMNS:
        return "no nuclei were matched: call match(nuclei) first."
    if column.startswith(STATISTICS):
        known = intensities_in(regions)
        if not known:
            return "there is no intensity_image: set it first, post.intensity_image = image."
        return f"of the channels of intensity_image there are: {listing(known, 8)}."
    return ""


def _report(
    regions: pd.DataFrame,
    failed: pd.DataFrame,
    config: FilterConfig,
    stated: FilterConfig,
    n_transcripts: int | None,
) -> FilterReport:
    survivors = regions[regions["label"] > 0]
    counts = regions["reason"].value_counts()
    return FilterReport(
        total=len(regions),
        passed=len(survivors),
        rejected={str(reason): int(counts.get(reason, 0)) for reason in failed.columns},
        config=config,
        stated=stated,
        areas=criteria.area_thresholds(config, regions),
        absolute=criteria.absolute(config, regions),
        statistics_all=statistics(regions),
        statistics_passed=statistics(survivors),
        transcripts=_transcripts(regions, failed.columns, n_transcripts),
    )


def _transcripts(
    regions: pd.DataFrame, reasons: Iterable[str], total: int | None
) -> Transcripts | None:
    if total is None:
        return None
    counts = regions[TRANSCRIPTS]
    by_reason = counts.groupby(regions["reason"].to_numpy()).sum()
    return Transcripts(
        in_cells=int(by_reason.get("", 0)),
        in_regions=int(counts.sum()),
        total=total,
        rejected={str(reason): int(by_reason.get(reason, 0)) for reason in reasons},
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
