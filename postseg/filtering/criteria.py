"""The twelve tests of the filter and its border policy: which regions fail, and by how much."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg.filtering import quantities
from postseg.filtering.config import THRESHOLDS, FilterConfig, rules, suggestion

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
    kind : {"value", "area", "rule", "deviations", "policy"}
        What the config has: a value of the metric; an area, see `resolve_area`; the same, but a
        number up to 100 is a percentile; a number of population standard deviations from the mean,
        or both bounds; or a word, which looks at no metric.
    """

    reason: str
    metric: str
    bound: Literal["min", "max"]
    threshold: str
    family: Family
    pattern: Pattern
    kind: Literal["value", "area", "rule", "deviations", "policy"] = "value"


# Looked for before all others, so that what the border left of a cell is not taken for debris.
BORDER = Test("cut_by_border", "", "max", "border", "debris", "lines", kind="policy")

# In the order in which a rejected region's first reason is looked for. `area_outliers` has two
# bounds, both from `area_std_filter`.
TESTS = (
    Test("tiny_artifacts", "area", "min", "min_absolute_area", "debris", "plain", kind="area"),
    Test("too_small", "area", "min", "min_area", "size", "plain", kind="rule"),
    Test("too_large", "area", "max", "max_area", "size", "diagonal", kind="area"),
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


class AreaRule(NamedTuple):
    """How an area threshold becomes pixels: what it is of all areas and a number, and its name."""

    of: Callable[[NDArray[Any], float], Any]
    name: str


_PIXELS = AreaRule(lambda areas, pixels: pixels, "pixels")
_PERCENTILE = AreaRule(np.percentile, "percentile {:g} of the areas")
_WORDS = {
    "median": AreaRule(lambda areas, _: np.median(areas), "the median area"),
    "median_div2": AreaRule(lambda areas, _: np.median(areas) / 2, "half the median area"),
}
_BY_UNIT = {quantities.PIXELS: _PIXELS, quantities.PERCENT: _PERCENTILE}  # none is in um^2 by now


class Area(NamedTuple):
    """What an area threshold came to.

    Attributes
    ----------
    pixels : float or None
        Mask pixels; None where the test is off.
    rule : str
        By which rule: ``"pixels"``, ``"the median area"``, ...
    """

    pixels: float | None
    rule: str

    @property
    def is_stated(self) -> bool:
        """Whether somebody stated it, in pixels or um^2, whatever the areas of the regions are."""
        return self.rule == _PIXELS.name


def resolve_area(test: Test, setting: float | str | None, areas: NDArray[Any]) -> Area:
    """Turn an area threshold into mask pixels; one in um^2 is none of those in force.

    The distribution is that of all regions.
    """
    if setting is None:
        return Area(None, "off")
    rule, number = _rule_of(test, setting)
    if rule is not _PIXELS and not areas.size:
        return Area(None, "no regions")
    return Area(float(rule.of(areas, number)), rule.name.format(number))


def _rule_of(test: Test, setting: float | str) -> tuple[AreaRule, float]:
    quantity = quantities.read(setting, low_is_percentile=test.kind == "rule")
    if quantity is None:
        return _WORDS[str(setting)], 0
    return _BY_UNIT[quantity.unit], float(quantity.number)


def absolute(config: FilterConfig, regions: pd.DataFrame) -> dict[str, str]:
    """The thresholds that follow from the areas of all regions, as numbers of pixels, by field.

    In the words of `FilterConfig`, and to the bit: they decide of each of these regions alike.
    """
    found = {
        field: str(quantities.of_pixels(area.pixels))
        for field, area in area_thresholds(config, regions).items()
        if area.pixels is not None and not area.is_stated
    }
    pairs: dict[str, list[quantities.Quantity]] = {}
    for test in TESTS:
        if test.kind == "deviations" and not isinstance(getattr(config, test.threshold), str):
            bound = resolve(test, config, regions)
            if bound is not None:
                pairs.setdefault(test.threshold, []).append(quantities.of_pixels(bound))
    return found | {field: str(quantities.Bounds(*pair)) for field, pair in pairs.items()}


def area_thresholds(config: FilterConfig, regions: pd.DataFrame) -> dict[str, Area]:
    """What each area threshold came to, by its field."""
    areas = regions["area"].to_numpy()
    return {
        test.threshold: resolve_area(test, getattr(config, test.threshold), areas)
        for test in TESTS
        if test.kind in ("area", "rule")
    }


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
        A row per region and a column per reason of `TESTS`, in their order: how far the metric
        is inside its threshold, in the metric's unit; negative = failed, which a region that the
        border policy keeps may have. NaN where the test is off or the metric undefined.
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
        As `margins`, after a column for the border policy: True where the region is rejected.
    """
    # not from `margins`: most tests are off, and a sweep asks many times
    found = {test.reason: np.zeros(len(regions), bool) for test in (BORDER, *TESTS)}
    spared = is_spared(regions, config)
    for test in TESTS:
        margin = _margin(test, regions, config)
        if margin is not None:
            found[test.reason] = found[test.reason] | ((margin < 0) & ~spared)
    if is_on(BORDER, config):
        found[BORDER.reason] = is_cut(regions)
    return pd.DataFrame(found, index=regions.index)


def passes(tests: Iterable[Test], regions: pd.DataFrame, config: FilterConfig) -> NDArray[np.bool_]:
    """Which regions pass all of some tests and the border policy."""
    passed = np.ones(len(regions), bool)
    for test in tests:
        margin = _margin(test, regions, config)
        if margin is not None:
            passed &= ~(margin < 0)
    if is_on(BORDER, config):
        passed &= ~is_cut(regions)
    return passed | is_spared(regions, config)


def is_cut(regions: pd.DataFrame) -> NDArray[np.bool_]:
    """Which regions the edge of the slide cuts, or a gap between its tiles where it was tiled."""
    cut = regions["touches_border"].to_numpy(dtype=bool)
    return cut | regions["cut"].to_numpy(dtype=bool) if "cut" in regions else cut


def is_spared(regions: pd.DataFrame, config: FilterConfig) -> NDArray[np.bool_]:
    """Which regions the border policy keeps, whatever their shape and size."""
    return is_cut(regions) if config.border == "keep" else np.zeros(len(regions), bool)


def is_on(test: Test, config: FilterConfig) -> bool:
    """Whether a test may reject anything."""
    setting = getattr(config, test.threshold)
    return bool(setting == "drop" if test.kind == "policy" else setting is not None)


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
    if test.kind in ("area", "rule"):
        rules = [None if setting is None else _rule_of(test, setting) for setting in settings]
        if values.size and all(found is not None and found[0] is _PERCENTILE for found in rules):
            return np.percentile(values, [found[1] for found in rules if found]).tolist()
        return [resolve_area(test, setting, values).pixels for setting in settings]
    if test.kind == "deviations":
        mean, deviation = None, 0.0
        if values.size and set(settings) != {None}:
            mean, deviation = float(values.mean()), float(values.std())

        def bound(setting: float | str | None) -> float | None:
            if isinstance(setting, str):
                low, high = quantities.parse_bounds(setting)
                return float((high if test.bound == "max" else low).number)
            if setting is None or mean is None:
                return None
            return mean + setting * (deviation if test.bound == "max" else -deviation)

        return [bound(setting) for setting in settings]
    return list(settings)


def test_of(field: str) -> Test:
    """The test that a threshold belongs to.

    Raises
    ------
    ValueError
        When there is no such threshold, or it is a policy.
    """
    if field == BORDER.threshold:
        raise ValueError(
            f"{field} is a policy, and has no range of numbers: try its words with "
            f"threshold_sweep({field!r}, {rules(field)})."
        )
    for test in TESTS:
        if test.threshold == field:
            # two bounds of one width: a region is kept up to a distance from the mean
            return test._replace(bound="max") if test.kind == "deviations" else test
    raise ValueError(f"There is no threshold {field!r}{suggestion(field, THRESHOLDS)}")


def tests_of(reason: str) -> list[Test]:
    """The tests that reject for a reason: one, two for ``area_outliers``, none of a subclass's."""
    return [test for test in (BORDER, *TESTS) if test.reason == reason]


def levels(field: str, regions: pd.DataFrame) -> NDArray[np.float64]:
    """The value of a threshold at which each region passes or fails its test.

    In the unit of the threshold, areas in mask pixels: a region passes up to there.
    """
    test = test_of(field)
    values = regions[test.metric].to_numpy(dtype=float)
    if test.kind != "deviations" or not values.size:
        return values
    return np.asarray(np.abs(values - values.mean()) / (values.std() or 1))
