"""The twelve tests, one at a time: what each compares, and on which side a tie falls."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawing import OFF, draw, squares
from editing import run_edited

from postseg import FilterConfig, filter_cell_by_regionprops, measure_regions
from postseg.filtering import criteria
from postseg.filtering.config import THRESHOLDS
from postseg.filtering.criteria import BORDER, TESTS, levels, rejections, resolve_area
from postseg.filtering.metrics import METRIC, METRICS

README = Path(__file__).parents[2] / "README.md"
TYPICAL = {name: metric.typical for name, metric in METRIC.items() if metric.typical}
RANGE_FREE = {"min_absolute_area", "max_area", "max_perimeter_area_ratio", "area_std_filter"}
REASONS = [
    "cut_by_border",
    "tiny_artifacts",
    "too_small",
    "too_large",
    "area_outliers",
    "too_eccentric",
    "too_convex",
    "too_concave",
    "too_sparse",
    "too_rectangular",
    "low_compactness",
    "high_convexity_deficit",
    "irregular_perimeter",
]
# Solidity, extent and compactness below 1, eccentricity above 0, area above 100.
CELL = np.kron(draw("1.. 1.1 111"), np.ones((8, 5), int))
SIDES = {
    "tiny_artifacts": ("min_absolute_area", "area", "min"),
    "too_small": ("min_area", "area", "min"),
    "too_large": ("max_area", "area", "max"),
    "too_eccentric": ("max_eccentricity", "eccentricity", "max"),
    "too_convex": ("max_solidity", "solidity", "max"),
    "too_concave": ("min_solidity", "solidity", "min"),
    "too_sparse": ("min_extent", "extent", "min"),
    "too_rectangular": ("max_extent", "extent", "max"),
    "low_compactness": ("min_compactness", "compactness", "min"),
    "high_convexity_deficit": ("max_convexity_deficit", "convexity_deficit", "max"),
    "irregular_perimeter": ("max_perimeter_area_ratio", "perimeter_area_ratio", "max"),
}


def alone(**thresholds):
    """A config with every test off but these."""
    return FilterConfig(**{**OFF, **thresholds})


def failed(table, **thresholds):
    """The reasons for which the only region of a table is rejected."""
    (row,) = rejections(table, alone(**thresholds)).to_dict("records")
    return [reason for reason, rejected in row.items() if rejected]


def kept(image, **thresholds):
    """The labels that survive with every test off but these."""
    found = filter_cell_by_regionprops(image, **{**OFF, **thresholds}, verbose=False)
    return sorted(set(image[found > 0].tolist()))


@pytest.mark.parametrize(("reason", "test"), SIDES.items(), ids=SIDES)
class TestOneThreshold:
    def test_a_value_at_the_threshold_passes(self, reason, test):
        threshold, metric, _ = test
        table = measure_regions(CELL)
        assert failed(table, **{threshold: table[metric].item()}) == []

    def test_a_value_just_beyond_is_rejected_for_this_reason_only(self, reason, test):
        threshold, metric, side = test
        table = measure_regions(CELL)
        beyond = np.nextafter(table[metric].item(), np.inf if side == "min" else 0)
        assert failed(table, **{threshold: beyond}) == [reason]


def test_none_switches_a_test_off_however_extreme_the_region():
    table = measure_regions(CELL)
    for extreme in (-np.inf, np.inf):
        worst = table.assign(**dict.fromkeys(METRICS, extreme))
        assert failed(worst) == []


def test_an_undefined_metric_rejects_nothing():
    undefined = measure_regions(CELL).assign(**dict.fromkeys(METRICS[1:], np.nan))
    largest = [name for name, _, side in SIDES.values() if side == "max" and name != "max_area"]
    assert failed(undefined, **dict.fromkeys(largest, 0)) == []
    assert failed(undefined, min_solidity=1, min_extent=1, min_compactness=1) == []


def test_the_reasons_come_in_the_order_of_the_tests():
    assert rejections(measure_regions(CELL), FilterConfig()).columns.tolist() == REASONS


def test_there_is_a_boolean_row_per_region():
    table = measure_regions(squares(2, 3))
    found = rejections(table, FilterConfig())
    pd.testing.assert_index_equal(found.index, table.index)
    assert set(found.dtypes) == {np.dtype(bool)}


def test_all_failed_tests_are_told_not_only_the_first():
    found = failed(measure_regions(CELL), max_area=1, max_extent=0.1, min_solidity=1)
    assert found == ["too_large", "too_concave", "too_rectangular"]


# ---- the area tests, on areas of 4, 9, 16 and 25 pixels: mean 13.5


def test_the_areas_to_test_with():
    assert measure_regions(squares(2, 3, 4, 5))["area"].tolist() == [4, 9, 16, 25]


@pytest.mark.parametrize(
    ("min_area", "labels"),
    [
        ("median", [3, 4]),  # of an even count: 12.5
        ("median_div2", [2, 3, 4]),  # 6.25
        (0, [1, 2, 3, 4]),  # percentile 0 is the smallest area
        (50, [3, 4]),
        (100, [4]),  # percentile 100 is the largest
        (25, [2, 3, 4]),  # 7.75, by linear interpolation
        (None, [1, 2, 3, 4]),
    ],
)
def test_min_area_is_a_rule_or_a_percentile(min_area, labels):
    assert kept(squares(2, 3, 4, 5), min_area=min_area) == labels


def test_min_area_above_100_is_pixels():
    image = squares(11, 12)
    assert kept(image, min_area=100.5) == [1, 2]
    assert kept(image, min_area=121) == [1, 2]
    assert kept(image, min_area=121.5) == [2]


def test_min_area_of_100_is_still_a_percentile():
    assert kept(squares(11, 12), min_area=100) == [2]


@pytest.mark.parametrize(
    ("min_area", "resolved", "rule"),
    [
        (None, None, "off"),
        ("median", 12.5, "the median area"),
        ("median_div2", 6.25, "half the median area"),
        (25, 7.75, "percentile 25 of the areas"),
        (100, 25, "percentile 100 of the areas"),
        (100.5, 100.5, "pixels"),
    ],
)
def test_min_area_resolves_to_pixels_by_a_named_rule(min_area, resolved, rule):
    test = criteria.test_of("min_area")
    assert resolve_area(test, min_area, np.array([25, 9, 4, 16])) == (resolved, rule)


@pytest.mark.parametrize("min_area", ["median", "median_div2", 25])
def test_min_area_resolves_to_nothing_without_regions(min_area):
    assert resolve_area(criteria.test_of("min_area"), min_area, np.array([], int))[0] is None


def test_the_distribution_is_that_of_all_regions():
    """Without the two that are tiny the median would be 20.5, and no area of 16 would pass."""
    assert kept(squares(2, 3, 4, 5), min_area="median", min_absolute_area=10) == [3, 4]


def test_outliers_are_beyond_the_population_deviations():
    """Areas of 4 and 16: mean 10, population deviation 6; the sample's would be 8.5."""
    assert kept(squares(2, 4), area_std_filter=1) == [1, 2]
    with pytest.warns(UserWarning, match="Area Outliers 2"):
        assert kept(squares(2, 4), area_std_filter=0.99) == []


def test_outliers_are_too_small_or_too_large():
    """Areas 9, 9, 9, 9, 9, 1 and 64: mean 15.71, deviation 19.87."""
    assert kept(squares(3, 3, 3, 3, 3, 1, 8), area_std_filter=2) == [1, 2, 3, 4, 5, 6]
    assert kept(squares(5, 5, 5, 5, 5, 1), area_std_filter=2) == [1, 2, 3, 4, 5]


def test_regions_of_one_label_are_judged_one_by_one():
    assert kept(draw("11.1 11.. ...2"), min_absolute_area=2) == [1]


# ---- what is told of the tests


@pytest.mark.parametrize("metric", TYPICAL)
def test_typical_values_are_those_of_the_config_and_of_the_readme(metric):
    """Both tell a range as "0.7 to 0.9", or only "up to 0.95"."""
    rows = [line for line in README.read_text(encoding="utf-8").splitlines() if line.count("|") > 3]
    fields = [test.threshold for test in TESTS if test.metric == metric]
    told = [FilterConfig.model_fields[field].description for field in fields]
    told += [row for row in rows for field in fields if f"`{field}`" in row]
    ranges = [
        (float(low or 0), float(high))
        for text in told
        for low, high in re.findall(r"(?:([\d.]*\d)|[Uu]p) to ([\d.]*\d)", text)
    ]
    assert set(ranges) == {TYPICAL[metric]}
    assert len(ranges) == 2  # one in each


def test_metrics_without_a_typical_range_are_told_none():
    fields = [test.threshold for test in TESTS if test.metric not in TYPICAL]
    assert set(fields) == {"min_absolute_area", "min_area", "max_area", "area_std_filter"}
    told = "".join(FilterConfig.model_fields[field].description for field in fields)
    assert not re.search(r"[Tt]ypical|[Nn]ormal", told)


@pytest.mark.parametrize("field", THRESHOLDS)
def test_every_threshold_has_its_test(field):
    found = criteria.test_of(field)
    assert found.threshold == field
    side = "max" if field == "area_std_filter" else field[:3]
    assert found.bound == side
    assert found._replace(bound="min") in [test._replace(bound="min") for test in TESTS]


@pytest.mark.parametrize("field", ["area", "max_are", "", "too_small"])
def test_an_unknown_threshold_is_an_error_that_names_the_known_ones(field):
    known = ", ".join(THRESHOLDS)
    with pytest.raises(ValueError, match=f"no threshold '{field}'[.:].* Choose one of: {known}."):
        criteria.test_of(field)


@pytest.mark.parametrize("field", sorted({*THRESHOLDS} - {"min_area"}))
def test_a_region_passes_with_the_threshold_at_its_level_and_not_beyond(field):
    table = measure_regions(np.hstack([np.pad(CELL, ((0, 6), (1, 1))), squares(11, 13, 5, 28)]))
    found = levels(field, table)
    toward = -np.inf if criteria.test_of(field).bound == "max" else np.inf
    for k, level in enumerate(found):
        beyond = level * (1 + 1e-9 * np.sign(toward))
        for value, fails in ((level * (1 - 1e-9 * np.sign(toward)), False), (beyond, True)):
            if value > 0 and (value <= 1 or field in RANGE_FREE):
                assert rejections(table, alone(**{field: value})).any(axis=1).iloc[k] == fails


def test_levels_of_equal_areas_are_0_deviations():
    assert levels("area_std_filter", measure_regions(squares(5, 5))).tolist() == [0, 0]
    assert levels("area_std_filter", measure_regions(np.zeros((2, 2), int))).tolist() == []


# ---- the table of tests

ROW = '    Test("too_long", "perimeter", "max", "max_perimeter", "size", "lines"),\n'
FIELD = """\
    max_perimeter: Amount = Field(default=None, description="Reject cells with long outlines.")
"""
SCRIPT = """
from postseg.show import palette
from postseg.cli.main import run
image = np.kron(np.diag(range(1, 5)), np.ones((9, 18), int))
image[:9, 40:] = 7
post = postseg.PostSegmentation(image, filter_config={"max_perimeter": 50})
post.refilter()
print(post.regions["reason"].tolist(), post.regions["margin_too_long"].tolist())
print(post.threshold_sweep("max_perimeter", [38, None])["kept"].tolist())
print(palette.STYLES["too_long"] == (palette.STYLES["too_small"][0], palette.LINES))
print(post.plot_sweep("max_perimeter").axes[0].get_xlabel())
post.plot_cells("too_long").savefig("cells.png")
post.write_report("page.html")
print("HELP", run.get_help(run.make_context("run", ["in.npy", "-o", "out.csv"])))
"""


def test_a_new_test_is_a_row_and_a_field(tmp_path):
    edits = {"criteria.py": {"TESTS = (\n": "TESTS = (\n" + ROW}}
    place = "    area_std_filter: Outliers"
    edits["config.py"] = {place: FIELD + place}
    printed, _, told = run_edited(tmp_path, edits, SCRIPT).partition("HELP")
    *report, reasons, sweep, look, label = printed.splitlines()
    assert "  max_perimeter                   50" in report
    assert "  Too Long: 1 (20.0%)" in report
    assert reasons == "['', 'too_long', '', '', ''] [0.0, -28.0, 0.0, 0.0, 0.0]"
    assert (sweep, look, label) == ("[0, 5]", "True", "max perimeter (mask pixels)")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for text in ("perimeter ≤ 50 px", "Histogram of the perimeter", "max_perimeter = 50"):
        assert text in page
    assert (tmp_path / "cells.png").stat().st_size > 1000
    assert "--max-perimeter NUMBER Reject cells with long outlines." in " ".join(told.split())


def test_every_test_looks_at_a_metric_and_has_a_field():
    assert {test.metric for test in TESTS} <= set(METRICS)
    assert {test.threshold for test in TESTS} == set(THRESHOLDS)
    assert {*THRESHOLDS, BORDER.threshold} == set(FilterConfig.model_fields)
