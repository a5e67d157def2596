"""The twelve tests of the filter: what each compares, and which regions fail it, by how much."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg.filtering.config import FilterConfig, suggestion

Family = Literal["debris", "size", "elongation", "solidity", "boundary"]
Pattern = Literal["plain", "diagonal", "lines"]


class Test(NamedTuple):
    """A region is rejected for `reason` when `metric` is beyond the config's `threshold`.

    A test is a row here, and a field of `FilterConfig` that says what it is for. Reasons of one
    colour in pictures are a family, told apart by patterns.

    Attributes
    ----------
    reason : str
        As in reports.
    metric : str
        As in `metrics.METRIC`.
    bound : {"min", "max"}
        Whether regions below or above the threshold are rejected.
    threshold : str
        A field of `FilterConfig`.
    family, pattern : str
        Its look, which no other reason has.
    kind : {"value", "rule", "deviations"}
        What the config has: a value of the metric; a rule that finds one, see `resolve_min_area`;
        or a number of population standard deviations from the mean.
    """

    reason: str
    metric: str
    bound: Literal["min", "max"]
    threshold: str
    family: Family
    pattern: Pattern
    kind: Literal["value", "rule", "deviations"] = "value"


# In the order in which a rejected region's first reason is looked for. `area_outliers` has two
# bounds, both from `area_std_filter`.
TESTS = (
    Test("tiny_artifacts", "area", "min", "min_absolute_area", "debris", "plain"),
    Test("too_small", "area", "min", "min_area", "size", "plain", kind="rule"),
    Test("too_large", "area", "max", "max_area", "size", "diagonal"),
    Test(
        "area_outliers", "area", "min", "area_std_filter", "debris", "diagonal", kind="deviations"
    ),
    Test(
        "area_outliers", "area", "max", "area_std_filter", "debris", "diagonal", kind="deviations"
    ),
    Test("too_eccentric", "eccentricity", "max", "max_eccentricity", "elongation", "plain"),
    Test("too_convex", "solidity", "max", "max_solidity", "solidity", "lines"),
    Test("too_concave", "solidity", "min", "min_solidity", "solidity", "diagonal"),
    Test("too_sparse", "extent", "min", "min_extent", "elongation", "diagonal"),
    Test("too_rectangular", "extent", "max", "max_extent", "elongation", "lines"),
    Test("low_compactness", "compactness", "min", "min_compactness", "boundary", "plain"),
    Test(
        "high_convexity_deficit",
        "convexity_deficit",
        "max",
        "max_convexity_deficit",
        "solidity",
        "plain",
    ),
    Test(
        "irregular_perimeter",
        "perimeter_area_ratio",
        "max",
        "max_perimeter_area_ratio",
        "boundary",
        "diagonal",
    ),
)


def resolve_min_area(min_area: str | float | None, areas: NDArray[Any]) -> tuple[float | None, str]:
    """Turn the `min_area` setting into mask pixels, and say by which rule.

    The distribution is that of all regions. A number up to 100 is a percentile of it.
    """
    if min_area is None:
        return None, "off"
    if not isinstance(min_area, str) and not _is_percentile(min_area):
        return min_area, "pixels"
    if not areas.size:
        return None, "no regions"
    if min_area == "median":
        return float(np.median(areas)), "the median area"
    if min_area == "median_div2":
        return float(np.median(areas) / 2), "half the median area"
    percent = float(min_area)
    return float(np.percentile(areas, percent)), f"percentile {percent:g} of the areas"


def _is_percentile(min_area: Any) -> bool:
    return min_area is not None and not isinstance(min_area, str) and min_area <= 100


def margins(regions: pd.DataFrame, config: FilterConfig) -> pd.DataFrame:
    """Tell by how much every region passes or fails every test.

    Parameters
    ----------
    regions : DataFrame
        As from `measure_regions`; all regions, since some thresholds follow their distribution.
    config : FilterConfig
        Thresholds.

    Returns
    -------
    DataFrame of float
        A row per region and a column per reason, in the order of the tests: how far the metric
        is inside its threshold, in the metric's unit; negative = failed. NaN where the test is
        off or the metric undefined.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for test in TESTS:
        margin = _margin(test, regions, config)
        if margin is None:
            margin = np.full(len(regions), np.nan)
        found[test.reason] = np.minimum(margin, found.get(test.reason, np.inf))
    return pd.DataFrame(found, index=regions.index)


def rejections(regions: pd.DataFrame, config: FilterConfig) -> pd.DataFrame:
    """Apply every test to every region.

    Returns
    -------
    DataFrame of bool
        As `margins`: True where the region fails the test.
    """
    # not from `margins`: most tests are off, and a sweep asks many times
    found = {test.reason: np.zeros(len(regions), bool) for test in TESTS}
    for test in TESTS:
        margin = _margin(test, regions, config)
        if margin is not None:
            found[test.reason] = found[test.reason] | (margin < 0)
    return pd.DataFrame(found, index=regions.index)


def passes(tests: Iterable[Test], regions: pd.DataFrame, config: FilterConfig) -> NDArray[np.bool_]:
    """Which regions pass all of some tests."""
    passed = np.ones(len(regions), bool)
    for test in tests:
        margin = _margin(test, regions, config)
        if margin is not None:
            passed &= ~(margin < 0)
    return passed


def _margin(test: Test, regions: pd.DataFrame, config: FilterConfig) -> NDArray[np.float64] | None:
    """How far inside the threshold of one test each region is, or None when it is off."""
    threshold = resolve(test, config, regions)
    if threshold is None:
        return None
    values = regions[test.metric].to_numpy(dtype=float)
    return values - threshold if test.bound == "min" else threshold - values


def resolve(test: Test, config: FilterConfig, regions: pd.DataFrame) -> float | None:
    """The number that the metric is compared with, or None when the test is off."""
    return resolve_all(test, [getattr(config, test.threshold)], regions)[0]


def resolve_all(test: Test, settings: Sequence[Any], regions: pd.DataFrame) -> list[float | None]:
    """The same for many settings of its threshold, in less time than one by one."""
    values = regions[test.metric].to_numpy()
    if test.kind == "rule":
        if values.size and all(map(_is_percentile, settings)):
            return np.percentile(values, settings).tolist()
        return [resolve_min_area(setting, values)[0] for setting in settings]
    if test.kind == "deviations":
        if not values.size or set(settings) == {None}:
            return [None] * len(settings)
        mean, deviation = values.mean(), values.std() * (1 if test.bound == "max" else -1)
        return [None if n is None else float(mean + n * deviation) for n in settings]
    return list(settings)


def test_of(field: str) -> Test:
    """The test that a threshold belongs to.

    Raises
    ------
    ValueError
        When there is no such threshold.
    """
    for test in TESTS:
        if test.threshold == field:
            # two bounds of one width: a region is kept up to a distance from the mean
            return test._replace(bound="max") if test.kind == "deviations" else test
    raise ValueError(
        f"There is no threshold {field!r}{suggestion(field, FilterConfig.model_fields)}"
    )


def tests_of(reason: str) -> list[Test]:
    """The tests that reject for a reason: one, two for ``area_outliers``, none of a subclass's."""
    return [test for test in TESTS if test.reason == reason]


def levels(field: str, regions: pd.DataFrame) -> NDArray[np.float64]:
    """The value of a threshold at which each region passes or fails its test.

    In the unit of the threshold, areas in mask pixels: a region passes up to there.
    """
    test = test_of(field)
    values = regions[test.metric].to_numpy(dtype=float)
    if test.kind != "deviations" or not values.size:
        return values
    return np.asarray(np.abs(values - values.mean()) / (values.std() or 1))
