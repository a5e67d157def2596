"""The report: text to tune thresholds by, and plain data."""

import json

import numpy as np
import pandas as pd
import pytest
from drawing import OFF, squares

from postseg import FilterConfig, FilterReport, PostSegmentation, filter_cell_by_regionprops
from postseg.filtering.criteria import Area
from postseg.filtering.metrics import METRICS
from postseg.filtering.report import statistics

# Areas 4, 9, 16, 25 and 36: the first is tiny, the last too large.
TINY = """\
Cell filter: 3 of 5 regions passed (60.0%)

All regions (5)
 min max mean median std quantiles
 area 4.0 36.0 18.0 16.0 11.4
 eccentricity 0.000 0.000 0.000 0.000 0.000
 perimeter 4.0 20.0 12.0 12.0 5.7
 solidity 1.000 1.000 1.000 1.000 0.000
 extent 1.000 1.000 1.000 1.000 0.000
 compactness 1.131 3.142 1.733 1.396 0.737 10% 1.169, 25% 1.227
 convexity_deficit 0.000 0.000 0.000 0.000 0.000 75% 0.000, 90% 0.000
 perimeter_area_ratio 2.000 3.333 2.840 3.000 0.476 75% 3.200, 90% 3.280

Thresholds
 min_area 8 half the median area
 min_absolute_area 5
 max_area 30
 max_convexity_deficit 0.2
 border judge
 off: max_eccentricity, min_solidity, max_solidity, min_extent, max_extent, min_compactness,
 max_perimeter_area_ratio, area_std_filter

Passed (3)
 min max mean median std quantiles
 area 9.0 25.0 16.7 16.0 6.5
 eccentricity 0.000 0.000 0.000 0.000 0.000
 perimeter 8.0 16.0 12.0 12.0 3.3
 solidity 1.000 1.000 1.000 1.000 0.000
 extent 1.000 1.000 1.000 1.000 0.000
 compactness 1.227 1.767 1.464 1.396 0.226 10% 1.261, 25% 1.312
 convexity_deficit 0.000 0.000 0.000 0.000 0.000 75% 0.000, 90% 0.000
 perimeter_area_ratio 2.667 3.200 2.956 3.000 0.220 75% 3.100, 90% 3.160

Rejected (2)
 Tiny Artifacts: 1 (20.0%)
 Too Large: 1 (20.0%)
"""


def report_on(image, **thresholds):
    post = PostSegmentation(filter_config=thresholds, verbose=False)
    post.filter_cell_by_regionprops(image)
    return post.filter_report


@pytest.fixture
def tiny():
    return report_on(squares(2, 3, 4, 5, 6), min_absolute_area=5, max_area=30)


def words(text):
    """The lines without their alignment and rules, which a change of layout may move."""
    lines = [line for line in text.splitlines() if set(line) - set("=- ") or not line]
    return "\n".join((" " * line.startswith(" ")) + " ".join(line.split()) for line in lines)


def test_the_text(tiny):
    assert words(str(tiny)) == TINY.rstrip()


def test_columns_are_aligned(tiny):
    lines = str(tiny).splitlines()
    header = next(line for line in lines if "median" in line and "std" in line)
    for metric in METRICS:
        row = next(line for line in lines if line.strip().startswith(f"{metric} "))
        for name in ("min", "max", "mean", "median", "std"):
            end = header.index(f" {name} ") + len(name) + 1
            assert row[end - 1].isdigit()
            assert row[end : end + 1] in ("", " ")


def huge():
    """Regions as large as slides, with ragged outlines, and as many of them as int32 can number."""
    generator = np.random.default_rng(0)
    values = {metric: generator.random(50) for metric in METRICS}
    values["area"] = values["area"] * 9e10
    values["perimeter"] = values["perimeter"] * 9e10
    values["perimeter_area_ratio"] = values["perimeter_area_ratio"] * 3e5
    table = statistics(pd.DataFrame(values))
    config = FilterConfig(min_area=123_456_789.5, max_area=9e15 + 1, min_solidity=1 / 3)
    return FilterReport(
        total=2**31 - 1,
        passed=2**30,
        rejected={"a_reason_of_a_subclass_with_a_long_name": 2**30 - 1},
        config=config,
        stated=config,
        areas={
            "min_absolute_area": Area(50, "pixels"),
            "min_area": Area(123_456_789.5, "pixels"),
            "max_area": Area(9e15 + 1, "pixels"),
        },
        absolute={},
        statistics_all=table,
        statistics_passed=table,
    )


@pytest.mark.parametrize(
    "report",
    [
        report_on(squares(8, 9)),
        report_on(squares(8, 9), **OFF, max_eccentricity=1 / 3, min_extent=2 / 3),
        huge(),
    ],
    ids=["plain", "thirds", "huge"],
)
def test_no_line_is_longer_than_100_columns(report):
    assert [line for line in str(report).splitlines() if len(line) > 100] == []


def test_numbers_in_huge_columns_stay_apart():
    row = next(line for line in str(huge()).splitlines() if line.strip().startswith("area"))
    assert len(row.split()) == 6


def test_the_breakdown_reads_as_in_the_description():
    report = FilterReport(
        total=366,
        passed=321,
        rejected={"too_small": 0, "high_convexity_deficit": 45},
        config=FilterConfig(),
        stated=FilterConfig(),
        areas={"min_area": Area(50, "half the median area")},
        absolute={"min_area": "50 px"},
        statistics_all=statistics(pd.DataFrame(columns=METRICS)),
        statistics_passed=statistics(pd.DataFrame(columns=METRICS)),
    )
    assert "High Convexity Deficit: 45 (12.3%)" in str(report)
    assert "Too Small" not in str(report)


def test_every_region_is_counted_once(tiny):
    assert (tiny.total, tiny.passed) == (5, 3)
    assert {reason: count for reason, count in tiny.rejected.items() if count} == {
        "tiny_artifacts": 1,
        "too_large": 1,
    }
    assert tiny.passed + sum(tiny.rejected.values()) == tiny.total
    assert tiny.percent_passed == 60


def test_tests_that_rejected_nothing_are_counted_as_0(tiny):
    assert len(tiny.rejected) == 13
    assert tiny.rejected["too_eccentric"] == 0


def test_min_area_is_reported_in_pixels_with_its_rule(tiny):
    assert tiny.min_area == 8
    assert tiny.min_area_rule == "half the median area"


def test_the_dictionary(tiny):
    data = tiny.to_dict()
    assert data["total"] == 5
    assert data["passed"] == 3
    assert data["percent_passed"] == 60
    assert data["rejected"]["tiny_artifacts"] == data["rejected"]["too_large"] == 1
    assert data["thresholds"]["max_area"] == 30
    assert data["min_area_pixels"] == 8
    area = {"min": 4, "max": 36, "mean": 18, "median": 16, "std": pytest.approx(130.8**0.5)}
    assert data["metrics"]["all"]["area"] == area
    assert data["metrics"]["passed"]["area"]["mean"] == pytest.approx(50 / 3)


def test_the_quantiles_that_help_to_set_a_threshold(tiny):
    found = {
        metric: [name for name in values if name.startswith("q")]
        for metric, values in tiny.to_dict()["metrics"]["all"].items()
    }
    assert {metric: names for metric, names in found.items() if names} == {
        "compactness": ["q10", "q25"],
        "convexity_deficit": ["q75", "q90"],
        "perimeter_area_ratio": ["q75", "q90"],
    }
    # ratios 2, 8/3, 3, 3.2 and 10/3
    ratio = tiny.to_dict()["metrics"]["all"]["perimeter_area_ratio"]
    assert ratio["q75"] == pytest.approx(3.2)
    assert ratio["q90"] == pytest.approx(3.2 + 0.6 * (10 / 3 - 3.2))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("image", [squares(1), squares(9), np.zeros((3, 3), int)])
def test_the_dictionary_is_strict_json_also_where_metrics_are_undefined(image):
    data = report_on(image).to_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("image", "heading"),
    [
        (squares(1), "0 of 1 regions passed (0.0%)"),
        (np.zeros((3, 3), int), "0 of 0 regions passed (0.0%)"),
    ],
)
def test_a_report_of_nothing_can_be_read(image, heading):
    text = str(report_on(image))
    assert heading in text
    assert "nan" not in text


def test_an_undefined_compactness_is_left_out_of_its_statistics():
    compactness = report_on(squares(1, 9), **OFF).to_dict()["metrics"]["all"]["compactness"]
    assert compactness["min"] == compactness["max"] == pytest.approx(4 * np.pi * 81 / 32**2)


# ---- areas with units


def um2_report(**thresholds):
    post = PostSegmentation(pixel_size=0.2125, factor_rescale=4, verbose=False)
    post.filter_cell_by_regionprops(squares(3, 6, 7, 8, 40), **{**OFF, **thresholds})
    return post.filter_report


def test_a_threshold_in_um2_is_told_in_pixels_too():
    report = um2_report(min_absolute_area="20 um2", min_area="40 px", max_area="75 %")
    assert "\n  min_absolute_area           20 um² = 27.7 px\n" in str(report)
    assert "\n  min_area                        40  pixels\n" in str(report)
    assert "\n  max_area                        64  percentile 75 of the areas\n" in str(report)
    data = json.loads(json.dumps(report.to_dict()))
    assert data["thresholds"]["min_absolute_area"] == "20 um2"
    pixels = {"min_absolute_area": pytest.approx(20 / 0.85**2), "min_area": 40, "max_area": 64}
    assert data["thresholds_pixels"] == pixels


@pytest.mark.parametrize(
    ("text", "words"),
    [("57.8 um2", "57.8 um² = 80 px"), ("0.02 um2", "0.02 um² = 0.0277 px")],
)
def test_what_it_came_to_is_rounded_for_reading(text, words):
    report = um2_report(max_area="4e3 um2", min_absolute_area=text)
    assert f"{words}\n" in str(report)
    assert report.in_words("max_area") == "4e3 um² = 5,536.3 px"
    assert report.in_words("min_area") == "off"


def test_a_percentile_without_regions_stays_as_it_is_stated():
    post = PostSegmentation(verbose=False)
    with pytest.warns(UserWarning, match="no cells"):
        post.filter_cell_by_regionprops(np.zeros((3, 3), int), max_area="75 %")
    assert "\n  max_area                      75 %\n" in str(post.filter_report)
    assert post.filter_report.in_words("max_area") == "no regions"


# ---- a floor above the median

SMALL = squares(3, 3, 4, 4, 4, 8)  # areas 9, 9, 16, 16, 16, 64: the median is 16
ABOVE = "above the median area of all 6 regions, 16 px"


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ({"min_absolute_area": 50}, rf"^min_absolute_area is 50 px, {ABOVE}: .*\"8 px\", or to No"),
        ({"min_area": "16.5 px"}, rf"^min_area is 16.5 px, {ABOVE}"),
        ({"min_absolute_area": "20 um2"}, rf"^min_absolute_area is 20 um² = 20 px, {ABOVE}"),
    ],
)
def test_a_floor_above_the_median_is_said(thresholds, message):
    post = PostSegmentation(SMALL, pixel_size=1, verbose=False)
    thresholds = {**OFF, **thresholds}
    for step in (
        lambda: post.filter_cell_by_regionprops(SMALL, **thresholds),
        lambda: post.refilter(**thresholds),
        post.process_masks_to_shapes,
        lambda: filter_cell_by_regionprops(SMALL, **thresholds, verbose=False, pixel_size=1),
    ):
        with pytest.warns(UserWarning, match=message) as caught:
            step()
        # not what spatialdata's import says, where this test is the first to do so
        assert len([one for one in caught if one.category is UserWarning]) == 1
    (note,) = post.filter_report.notes
    assert note in " ".join(str(post.filter_report).split())
    assert max(map(len, str(post.filter_report).splitlines())) <= 100
    assert post.filter_report.to_dict()["notes"] == [note]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "thresholds",
    [
        {"min_absolute_area": 16},
        {"min_area": "median"},
        {"min_area": 90},
        {"min_absolute_area": "90 %"},
        {"max_area": 63},
    ],
)
def test_other_thresholds_are_meant(thresholds):
    post = PostSegmentation(SMALL, verbose=False, filter_config={**OFF, **thresholds})
    post.refilter()
    assert post.filter_report.notes == []


@pytest.mark.filterwarnings("error")
def test_sweeps_say_nothing():
    post = PostSegmentation(SMALL, verbose=False, filter_config=OFF)
    post.refilter()
    post.threshold_sweep("min_absolute_area", [50])
    post.plot_sweep("min_absolute_area")


def test_that_nothing_passed_stands_alone():
    post = PostSegmentation(SMALL, verbose=False, filter_config={**OFF, "min_absolute_area": 65})
    with pytest.warns(UserWarning, match="None of the 6 regions passed") as caught:
        post.refilter()
    assert len(caught) == 1
    assert "median area" not in str(post.filter_report)
