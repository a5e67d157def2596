"""Galleries and strips: which cells are shown, in which order, with which numbers."""

import re

import numpy as np
import pytest
from drawing import OFF, squares
from figures import charts, crops, faults, lines, rendered, texts
from page_samples import cells, filtered

from postseg import PostSegmentation
from postseg.filtering.criteria import BORDER, TESTS, levels

pytestmark = [
    pytest.mark.filterwarnings("ignore:None of the"),
    pytest.mark.filterwarnings("ignore:The masks hold no cells"),
]
# 40 squares of 4 to 43 pixels a side; those below 10 x 10 and above 35 x 35 are rejected.
SIDES = np.random.default_rng(0).permutation(np.arange(4, 44))
LIMITS = {**OFF, "min_absolute_area": 100, "max_area": 35**2}


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr("postseg.filtering.sweep._STEPS", 12)


class OwnReason(PostSegmentation):
    def rejections(self, regions):
        return super().rejections(regions).assign(own_reason=regions["area"] == 132)


@pytest.fixture(scope="module")
def by_size():
    return filtered(squares(*SIDES), **LIMITS)


def captions(figure):
    """What is written below each crop, by region number."""
    numbered = re.compile(r"region ([\d,]+)").fullmatch
    found = {}
    for before, text in zip(["", *texts(figure)], texts(figure), strict=False):
        if match := numbered(text):
            found[int(match[1].replace(",", ""))] = before
    return found


def as_text(values):
    return [f"{value:,.0f}" for value in values]


def areas(post, numbers):
    return post.regions.loc[[*numbers], "area"].tolist()


# ---- galleries


def test_the_title_tells_count_and_percent_of_the_report():
    post = filtered(cls=OwnReason)
    for reason, count in post.filter_report.rejected.items():
        if not count:
            continue
        title = texts(post.plot_cells(reason, 1))[0]
        line = next(line for line in str(post.filter_report).splitlines() if title[:8] in line)
        assert line.strip() == title.replace(" of 150 regions", "")
        assert count == (post.regions["reason"] == reason).sum()


def test_rejected_cells_come_from_barely_to_clearly_and_kept_ones_next_to_go_first(by_size):
    figure = by_size.plot_cells("tiny_artifacts", 10)
    shown = areas(by_size, crops(figure))
    assert shown == [81, 64, 49, 36, 25, 16, 100, 121, 144, 169]
    headings = [text for text in texts(figure) if re.match("Rejected|Kept", text)]
    assert headings == [
        "Rejected (all), from barely to clearly",
        "Kept, the nearest first",
    ]


def test_a_maximum_is_approached_from_above(by_size, too_large):
    shown = areas(by_size, crops(too_large))
    sides = [*range(36, 44), *range(35, 31, -1)]
    assert shown == [side**2 for side in sides]


@pytest.fixture(scope="module")
def too_large(by_size):
    return by_size.plot_cells("too_large", 12)


def test_values_and_numbers_stand_below_the_crops(by_size, too_large):
    figure = too_large
    below = captions(figure)
    assert [*below] == [*crops(figure)]
    assert [*below.values()] == as_text(areas(by_size, below))
    for number, axes in crops(figure).items():
        label = next(text for text in figure.texts if text.get_text() == f"region {number}")
        box, crop = label.get_window_extent(), axes.get_window_extent()
        assert box.x0 == pytest.approx(crop.x0, abs=1)
        assert 0 < crop.y0 - box.y1 < 40


def test_the_rule_is_told(by_size):
    assert texts(by_size.plot_cells("tiny_artifacts", 1))[1].startswith(
        "area below 100 mask pixels"
    )
    post = filtered(area_std_filter=1)
    mean, std = post.regions["area"].mean(), post.regions["area"].std(ddof=0)
    below, above = re.findall(r"[\d.]+", texts(post.plot_cells("area_outliers", 1))[1])
    assert (float(below), float(above)) == pytest.approx((mean - std, mean + std), rel=1e-5)


@pytest.mark.parametrize(("n", "rejected", "kept"), [(1, 1, 0), (4, 3, 1), (9, 6, 3), (15, 8, 7)])
def test_no_more_than_n_cells_are_shown(by_size, n, rejected, kept):
    figure = by_size.plot_cells("too_large", n)
    reasons = by_size.regions.loc[[*crops(figure)], "reason"].value_counts()
    assert (reasons["too_large"], reasons.get("", 0), len(reasons)) == (
        rejected,
        kept,
        1 + (kept > 0),
    )
    shown = "all" if rejected == 8 else f"{rejected} of 8"
    assert f"Rejected ({shown}), from barely to clearly" in texts(figure)


def test_many_cells_fill_rows(by_size):
    figure = by_size.plot_cells("tiny_artifacts", 200)
    assert len(crops(figure)) == 6 + 26  # those that are too large are neither
    assert len({round(axes.get_window_extent().y0) for axes in crops(figure).values()}) == 4
    assert faults(figure) == []


def test_a_reason_of_a_subclass_has_no_values():
    post = filtered(cls=OwnReason)
    figure = post.plot_cells("own_reason", 6)
    count = post.filter_report.rejected["own_reason"]
    assert texts(figure)[0].startswith(f"Own Reason: {count} of 150 regions")
    assert set(areas(post, crops(figure))) == {132}
    assert len(crops(figure)) == 6
    assert f"Rejected (6 of {count})" in texts(figure)
    assert faults(figure) == []


def test_a_reason_that_rejected_nothing_shows_the_next_ones():
    post = filtered(squares(12, 13, 14))
    figure = post.plot_cells("too_small", 2)
    assert texts(figure)[0] == "Too Small: 0 of 3 regions (0.0%)"
    assert [*crops(figure)] == [1, 2]


def test_without_regions_it_is_said():
    figure = filtered(np.zeros((9, 9), int)).plot_cells("too_small")
    assert texts(figure)[0] == "Too Small: 0 of 0 regions"
    assert "No region was rejected for it." in texts(figure)
    assert faults(figure) == []


def test_an_unknown_reason_names_the_known_ones():
    post = filtered(cls=OwnReason)
    known = ", ".join([*dict.fromkeys(test.reason for test in (BORDER, *TESTS)), "own_reason"])
    message = rf"no reason 'to_small': did you mean 'too_small'\? Choose one of: {known}\."
    with pytest.raises(ValueError, match=message):
        post.plot_cells("to_small")
    with pytest.raises(ValueError, match="did you mean 'own_reason'"):
        post.plot_cells("Own Reason")  # as it stands in the pictures
    with pytest.raises(TypeError, match=r"reason is array\((.|\n)*give one of: cut"):
        post.plot_cells(np.zeros((2, 2)))


def test_a_reason_whose_test_is_off_names_the_threshold():
    with pytest.raises(ValueError, match=r"too_large: its threshold max_area is off \(None\)"):
        filtered().plot_cells("too_large")


def test_a_crop_shows_the_region_in_the_middle(by_size, too_large):
    page = rendered(too_large)
    for number, axes in crops(too_large).items():
        left, bottom, right, top = axes.get_window_extent().extents.astype(int)
        crop = page[len(page) - top : len(page) - bottom, left:right].astype(int)
        middle = crop[len(crop) // 2 - 12 : len(crop) // 2 + 12, 48:72]
        rejected = by_size.regions.loc[number, "reason"] == "too_large"
        yellow = (np.abs(middle - [0xDD, 0xAA, 0x33]).max(axis=2) < 3).mean()
        blue = (np.abs(middle - [0x99, 0xBB, 0xDD]).max(axis=2) < 60).mean()
        assert (yellow > 0.3, blue > 0.9) == (rejected, not rejected)


class WithGiants(PostSegmentation):
    """One reason rejects nothing, another one adds to a test of ours."""

    def rejections(self, regions):
        failed = super().rejections(regions)
        failed["too_large"] |= regions["area"] == 144
        return failed.assign(giant=regions["area"] > 1e6)


def test_a_reason_of_a_subclass_that_rejected_nothing():
    shown = texts(filtered(cells(30), WithGiants).plot_cells("giant"))
    assert shown[0].startswith("Giant: 0 of 30 regions")
    assert "No region was rejected for it." in shown


def test_a_rule_without_a_bound_is_a_sentence():
    shown = texts(filtered(cells(), WithGiants).plot_cells("too_large", 2))
    assert shown[1] == "max_area is off (None)"


# ---- sweeps


@pytest.fixture(scope="module")
def max_area(by_size):
    return by_size.plot_sweep("max_area")


@pytest.mark.parametrize(
    "field", ["min_area", "min_absolute_area", "max_solidity", "area_std_filter"]
)
def test_the_curve_is_that_of_threshold_sweep(field):
    post = filtered(cells(30), area_std_filter=1.5)
    figure = post.plot_sweep(field)
    (axes,) = charts(figure).values()
    curve = next(line for line in axes.lines if line.get_label() == "kept")
    value, kept = curve.get_data()
    if field == "min_area":
        value = np.arange(101.0)
    some = np.linspace(0, value.size - 1, 7).round().astype(int)
    expected = post.threshold_sweep(field, value[some].tolist())["kept"]
    assert kept[some].tolist() == expected.tolist()
    assert texts(figure)[0].endswith(f": {post.filter_report.passed} of 30 regions kept now")


def test_todays_mark_stands_on_the_curve(max_area):
    (axes,) = charts(max_area).values()
    assert lines(axes) == {"today": 35**2}
    assert [text.get_text() for text in axes.texts] == ["now 1,225: 26 kept"]
    curve = next(line for line in axes.lines if line.get_label() == "kept")
    assert [35**2, 26] in curve.get_xydata().tolist()


def test_min_area_today_is_in_pixels():
    post = filtered()
    (axes,) = charts(post.plot_sweep("min_area")).values()
    assert lines(axes) == {"today": post.filter_report.min_area}


def test_the_strip_goes_from_clearly_in_to_clearly_out(by_size, max_area):
    figure = max_area
    # near are the 12 of either side that no other test decides on
    assert areas(by_size, crops(figure)) == [s**2 for s in (24, 26, 28, 31, 33, 35)] + [
        s**2 for s in (36, 37, 39, 40, 42, 43)
    ]
    assert [*captions(figure).values()] == as_text(areas(by_size, crops(figure)))
    headings = [text for text in texts(figure) if re.match("Rejected|Kept", text)]
    assert headings == [
        "Kept, from clearly to just",
        "Rejected by this threshold, from just to clearly",
    ]


def test_the_strip_is_one_row_below_its_headings(by_size, max_area):
    rendered(max_area)
    boxes = {number: axes.get_window_extent() for number, axes in crops(max_area).items()}
    assert len({round(box.y0) for box in boxes.values()}) == 1
    assert (np.diff([box.x0 for box in boxes.values()]) > 100).all()
    heading = next(text for text in max_area.texts if text.get_text().startswith("Rejected"))
    for number, box in boxes.items():
        beside = box.x0 < heading.get_window_extent().x0 - 1
        assert beside == (by_size.regions.loc[number, "label"] > 0)
    assert faults(max_area) == []


def test_cells_that_other_tests_reject_are_not_in_the_strip():
    post = filtered()
    shown = post.regions.loc[[*crops(post.plot_sweep("max_convexity_deficit"))]]
    assert set(shown["reason"]) == {"", "high_convexity_deficit"}


@pytest.mark.parametrize(("field", "last"), [("max_area", 43**2), ("min_absolute_area", 16)])
def test_an_off_threshold_shows_what_would_go_first(field, last):
    post = filtered(squares(*SIDES), **OFF)
    figure = post.plot_sweep(field)
    shown = areas(post, crops(figure))
    assert len(shown) == 12
    assert shown[-1] == last
    assert shown == sorted(shown, reverse=last == 16)
    (axes,) = charts(figure).values()
    assert lines(axes) == {}
    assert any(text.startswith("Off now.") for text in texts(figure))


def test_standard_deviations_decide_the_strip():
    post = filtered(squares(*SIDES), **{**OFF, "area_std_filter": 1.2})
    numbers = np.array([*crops(post.plot_sweep("area_std_filter"))])
    level = levels("area_std_filter", post.regions)[numbers - 1]
    kept = (post.regions.loc[numbers, "label"] > 0).to_numpy()
    np.testing.assert_array_equal(level <= 1.2, kept)
    assert (np.diff(level) >= 0).all()
    assert 0 < kept.sum() < 12


@pytest.mark.parametrize("masks", [np.zeros((5, 6), int), np.array([[1, 1, 0, 2]])])
@pytest.mark.parametrize("field", ["min_area", "max_extent", "area_std_filter"])
def test_sweeps_of_next_to_nothing(masks, field):
    assert faults(filtered(masks).plot_sweep(field)) == []


def test_headings_of_short_strips_do_not_meet():
    assert faults(filtered(squares(20, 9)).plot_sweep("min_area")) == []


def test_deviations_are_told_to_four_digits():
    post = filtered(squares(*range(4, 44)), **{**OFF, "area_std_filter": 1.2})
    figure = post.plot_sweep("area_std_filter")
    shown = texts(figure)
    below = [shown[shown.index(f"region {number}") - 1] for number in crops(figure)]
    expected = levels("area_std_filter", post.regions)[np.array([*crops(figure)]) - 1]
    assert below == [f"{level:.4f}" for level in expected]


def test_a_threshold_that_decides_on_nothing_says_so():
    with pytest.warns(UserWarning, match="None of the 30"):
        post = filtered(cells(30), min_absolute_area=1e6)
    assert texts(post.plot_sweep("max_eccentricity"))[-1].startswith("Other tests reject all")
