import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postseg import FilterConfig, FilterReport
from postseg.filtering.criteria import TESTS
from postseg.show.selection import (
    BOX,
    certain_share,
    check_gallery,
    choose_detail,
    choose_galleries,
    choose_gallery,
    choose_strip,
    choose_worst,
    crop_side,
)

properties = settings(deadline=None, max_examples=60)


def audit(margins, reason="too_small", other=""):
    """Regions 1, 2, ... with these margins of one reason, for which the negative ones went."""
    margins = np.asarray(margins, dtype=float)
    regions = pd.DataFrame(index=pd.RangeIndex(1, margins.size + 1, name="region"))
    regions["reason"] = np.where(margins < 0, reason, other).astype(object)
    regions["label"] = np.where(regions["reason"] == "", 1, 0)
    regions[f"margin_{reason}"] = margins
    return regions


def report_of(**rejected):
    """A report of a run with the default thresholds, by which so many went."""
    counts = {test.reason: 0 for test in TESTS} | rejected
    table = pd.DataFrame()
    return FilterReport(9, 9, counts, FilterConfig(), FilterConfig(), {}, {}, table, table)


def shuffled(*values):
    return np.random.default_rng(0).permutation(np.concatenate(values))


def margins_of(regions, numbers, reason="too_small"):
    return regions.loc[numbers, f"margin_{reason}"].tolist()


# ---- galleries


def test_a_gallery_goes_from_barely_to_clearly_rejected_and_from_nearly_to_safely_kept():
    regions = audit(shuffled(np.arange(-300.0, 0), np.arange(100.0)))
    rejected, nearly = (
        margins_of(regions, part)
        for part in choose_gallery(regions, FilterConfig(), "too_small", 24)
    )
    assert nearly == [*range(8)]  # a third of them, the nearest
    assert len(rejected) == 16
    assert (rejected[0], rejected[-1]) == (-1, -300)
    steps = -np.diff(rejected)
    assert steps.min() >= 19
    assert steps.max() <= 21


@pytest.mark.parametrize(
    ("n_rejected", "n_kept", "shown"),
    [
        (100, 100, (16, 8)),
        (14, 100, (14, 10)),
        (10, 100, (10, 12)),
        (3, 100, (3, 12)),
        (0, 100, (0, 24)),
        (100, 5, (19, 5)),
        (100, 0, (24, 0)),
        (2, 1, (2, 1)),
        (0, 0, (0, 0)),
    ],
)
def test_few_rejected_regions_leave_room_for_kept_ones_but_no_more_than_half(
    n_rejected, n_kept, shown
):
    regions = audit(np.arange(-n_rejected, n_kept))
    gallery = choose_gallery(regions, FilterConfig(), "too_small", 24)
    assert tuple(map(len, gallery)) == shown
    assert (regions.loc[gallery.rejected, "reason"] == "too_small").all()
    assert (regions.loc[gallery.nearly, "reason"] == "").all()


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_a_gallery_is_never_larger_than_asked_for(n):
    gallery = choose_gallery(audit(np.arange(-50, 50)), FilterConfig(), "too_small", n)
    assert sum(map(len, gallery)) == n
    assert gallery.rejected[0] == 50  # the one that failed barely


def test_only_kept_regions_with_a_metric_are_nearly_rejected():
    regions = audit([-1, 0.5, 3, np.nan, 2, 1])
    regions.loc[2, ["reason", "label"]] = "tiny_artifacts", 0
    assert choose_gallery(regions, FilterConfig(), "too_small", 10).nearly.tolist() == [6, 5, 3]


def test_regions_of_one_margin_come_in_the_order_of_their_numbers():
    gallery = choose_gallery(audit([-1] * 40 + [1] * 40), FilterConfig(), "too_small", 80)
    assert gallery.rejected.tolist() == [*range(1, 41)]
    assert gallery.nearly.tolist() == [*range(41, 81)]


def test_a_reason_of_a_subclass_has_no_margin_and_is_spread_over_the_mask():
    regions = audit(np.arange(100), "too_small", "giant")
    gallery = choose_gallery(regions, FilterConfig(), "giant", 10)
    assert gallery.rejected.tolist() == [1, 12, 23, 34, 45, 56, 67, 78, 89, 100]
    assert gallery.nearly.tolist() == []


def test_an_unknown_reason_is_named_with_all_that_there_are():
    with pytest.raises(ValueError, match="no reason 'to_small'") as raised:
        check_gallery(report_of(giant=1), "to_small", 24)
    names = str(raised.value).partition("one of: ")[2].rstrip(".").split(", ")
    assert {"tiny_artifacts", "irregular_perimeter", "giant"} <= {*names}
    assert "" not in names
    assert len(names) == 13


def test_a_test_that_is_off_is_named_with_its_threshold():
    with pytest.raises(ValueError, match=r"too_large: its threshold max_area is off \(None\)"):
        check_gallery(report_of(), "too_large", 24)
    check_gallery(report_of(too_large=1), "too_large", 24)  # rejected by a subclass


def test_the_reason_of_kept_regions_is_none():
    with pytest.raises(ValueError, match="no reason ''"):
        check_gallery(report_of(), "", 24)


@pytest.mark.parametrize("n", [-1, 0, 2.5, "a", None, True])
def test_n_must_be_a_number_of_cells(n):
    with pytest.raises((TypeError, ValueError), match=rf"n is {n!r};"):
        check_gallery(report_of(), "too_small", n)


def test_a_test_that_is_off_by_now_shows_what_it_rejected():
    regions = audit([-1, 1]).assign(margin_too_small=np.nan)
    assert choose_gallery(regions, FilterConfig(), "too_small", 24).rejected.tolist() == [1]


def test_galleries_shown_together_have_each_kept_region_once_under_its_nearest_in_turn():
    regions = audit([*np.arange(-20.0, 0), *np.arange(20.0)])
    # by the second reason regions 21, 22, ... are the nearest too, and one of the others is not
    regions["margin_too_large"] = np.where(regions.index > 20, regions.index / 2, np.nan)
    pair = ["too_small", "too_large"]
    galleries = choose_galleries(regions, FilterConfig(), pair, 12)
    nearly = [galleries[reason].nearly.tolist() for reason in pair]
    assert nearly[0] == [21, 23, 25, 27]  # a third, as if it were alone
    assert nearly[1] == [22, 24, 26, *range(28, 37)]  # nothing was rejected for it
    assert galleries["too_small"].rejected.size == 8
    alone = choose_gallery(regions, FilterConfig(), "too_small", 12)
    assert alone.nearly.tolist() == [21, 22, 23, 24]
    np.testing.assert_array_equal(alone.rejected, galleries["too_small"].rejected)


def test_kept_regions_that_run_out_leave_room_for_rejected_ones():
    regions = audit([*np.arange(-20.0, 0), 1, 2])
    regions["margin_too_large"] = regions["margin_too_small"]
    regions.loc[1:10, "reason"] = "too_large"
    galleries = choose_galleries(regions, FilterConfig(), ["too_small", "too_large"], 9)
    assert [part.nearly.tolist() for part in galleries.values()] == [[21], [22]]
    assert [part.rejected.size for part in galleries.values()] == [8, 8]


# ---- strips

UNDECIDED = np.zeros(100, bool)


def levels_of(level, numbers):
    return level[numbers - 1].tolist()


@pytest.mark.parametrize("bound", ["min", "max"])
def test_a_strip_goes_from_clearly_in_to_clearly_out(bound):
    sign = 1 if bound == "min" else -1
    level = sign * shuffled(np.arange(100.0))
    shown = levels_of(sign * level, choose_strip(level, bound, sign * 50, UNDECIDED, 10))
    assert [shown[k] for k in (0, 4, 5, 9)] == [59, 50, 49, 40]  # 50 passes
    np.testing.assert_allclose(shown, [59, 57, 54, 52, 50, 49, 47, 44, 42, 40], atol=1)


def test_a_strip_shows_the_tenth_of_the_regions_that_is_nearest():
    level = shuffled(np.arange(2000.0))
    shown = levels_of(level, choose_strip(level, "min", 1000, np.zeros(2000, bool), 12))
    assert (shown[0], shown[-1]) == (1199, 800)
    assert np.ptp(np.diff(shown[:6])) <= 1


@pytest.mark.parametrize(("bound", "today"), [("min", 95), ("min", 3), ("max", 95), ("max", 3)])
def test_where_one_side_has_few_the_other_has_more(bound, today):
    level = shuffled(np.arange(100.0))
    numbers = choose_strip(level, bound, today, UNDECIDED, 12)
    passes = level >= today if bound == "min" else level <= today
    assert len(numbers) == 12
    few = min(passes.sum(), (~passes).sum())
    assert sorted([passes[numbers - 1].sum(), (~passes[numbers - 1]).sum()]) == [few, 12 - few]


@pytest.mark.parametrize(("bound", "first", "last"), [("min", 9, 0), ("max", 90, 99)])
def test_a_threshold_that_is_off_shows_what_it_would_reject_first(bound, first, last):
    level = shuffled(np.arange(100.0))
    numbers = choose_strip(level, bound, None, UNDECIDED, 6)
    shown = levels_of(level, numbers)
    assert (shown[0], shown[-1]) == (first, last)
    assert shown == sorted(shown, reverse=bound == "min")
    assert len(shown) == 6


def test_only_regions_that_the_threshold_decides_on_are_shown():
    level = np.array([1.0, np.nan, 3, 4, np.inf, 6])
    decided = np.array([False, False, True, False, False, False])
    for today in (3.5, None):
        numbers = choose_strip(level, "min", today, decided, 10)
        assert numbers.tolist() == [6, 4, 1]


@properties
@given(
    st.lists(st.sampled_from([*map(float, range(12)), np.nan]), max_size=60),
    st.sampled_from(["min", "max"]),
    st.none() | st.floats(-1, 13),
    st.integers(1, 12),
    st.randoms(use_true_random=False),
)
def test_a_strip_has_as_many_as_there_are_each_once_in_order(values, bound, today, n, random):
    level = np.array(values, dtype=float)
    decided = np.array([random.random() < 0.3 for _ in values], dtype=bool)
    numbers = choose_strip(level, bound, today, decided, n)
    candidates = 1 + np.flatnonzero(~np.isnan(level) & ~decided)
    assert {*numbers.tolist()} <= {*candidates.tolist()}
    assert len({*numbers.tolist()}) == len(numbers) == min(n, len(candidates))
    inwards = levels_of(level if bound == "min" else -level, numbers)
    assert inwards == sorted(inwards, reverse=True)


# ---- where to look


def boxes(extents, rows=0, cols=0, reasons=""):
    regions = pd.DataFrame(0, columns=BOX, index=pd.RangeIndex(1, len(extents) + 1))
    regions["max_row"] = np.asarray(extents, int)
    regions["max_col"] = regions["max_row"] // 2
    regions["centroid_row"], regions["centroid_col"] = np.double(rows), np.double(cols)
    regions["reason"] = pd.Series(reasons, index=regions.index, dtype=object)
    return regions


@pytest.mark.parametrize(
    ("extents", "shown", "side"),
    [
        ([20] * 9, [1, 2], 32),  # room around a typical cell
        ([20] * 9 + [100], [10], 125),  # a giant fits in
        ([20] * 9 + [100], [1, 10, 2], 32),  # but does not set the scale for others
        ([100] * 9 + [2], [10], 160),  # a fragment beside a cell
        ([1], [1], 12),
        ([5, 5], [], 12),
        ([], [], 12),
    ],
)
def test_crops_show_typical_cells_with_something_around_them(extents, shown, side):
    assert crop_side(boxes(extents), np.array(shown, dtype=int)) == side


def test_the_closer_look_is_where_most_reasons_are():
    reasons = ["", "", "too_small", "too_small", "", "too_small", "giant"]
    rows, cols = [5, 5, 5, 6, 70, 80, 90], [5, 5, 5, 6, 40, 50, 60]
    found = choose_detail(boxes([2] * 7, rows, cols, reasons), (96, 96))
    assert found == (64, 32, 32)


def test_where_all_is_alike_the_closer_look_is_in_the_middle():
    rows, cols = np.indices((9, 7)).reshape(2, -1) * 32 + 16
    assert choose_detail(boxes([2] * 63, rows, cols), (9 * 32, 7 * 32)) == (4 * 32, 3 * 32, 32)


def test_the_closer_look_is_about_ten_cells_wide():
    regions = boxes([20] * 5, 100, 100)
    assert choose_detail(regions, (2000, 2000))[2] == 240
    assert choose_detail(regions, (150, 2000))[2] == 150


@properties
@given(
    st.integers(1, 300), st.integers(1, 300), st.lists(st.integers(1, 30), max_size=20), st.data()
)
def test_the_closer_look_is_inside_the_mask_and_always_the_same(rows, cols, extents, data):
    def drawn(values):
        return [data.draw(values) for _ in extents]

    places = (drawn(st.sampled_from([0, n // 2, n - 1])) for n in (rows, cols))
    regions = boxes(extents, *places, drawn(st.sampled_from(["", "too_small", "giant"])))
    row, col, side = choose_detail(regions, (rows, cols))
    assert side >= 1
    assert 0 <= row <= rows - side
    assert 0 <= col <= cols - side
    assert choose_detail(regions.copy(), (rows, cols)) == (row, col, side)
    if extents:
        row, col, same = choose_detail(regions, (rows, cols), regions)
        assert same == side
        assert 0 <= row <= rows - side
        assert 0 <= col <= cols - side


def test_a_closer_look_shows_the_regions_beyond_the_last_whole_tile():
    regions = pd.DataFrame(
        {"centroid_row": [80.0, 80, 40], "centroid_col": [80.0, 80, 10]},
        index=pd.RangeIndex(1, 4, name="region"),
    )
    regions = regions.assign(reason=["too_small", "too_large", ""])
    regions[BOX] = [0, 0, 2, 2]
    assert choose_detail(regions, (95, 95)) == (63, 63, 32)


# ---- the worst places


def places(*squares, side=32):
    """Regions in squares that are 10 apart: (row, column, kept, rejected) of each."""
    rows, cols, reasons = [], [], []
    for row, col, kept, rejected in squares:
        n = kept + rejected
        rows += [10 * side * row + 5] * n
        cols += [10 * side * col + 5] * n
        reasons += [""] * kept + ["too_small"] * rejected
    return boxes([2] * len(rows), rows, cols, reasons)


def test_the_worst_place_is_first_and_a_single_region_never_wins():
    regions = places((0, 0, 0, 1), (0, 1, 10, 50), (0, 2, 60, 0), (1, 0, 2, 58), (1, 1, 50, 10))
    found = choose_worst(regions, (960, 960), 3, 100)
    assert found == [(320, 0, 32), (0, 320, 32), (320, 320, 32)]
    assert choose_worst(regions, (960, 960), 9, 100) == found  # and no other
    few = places((0, 0, 0, 1), (1, 1, 1, 1), (1, 2, 1, 0))  # as many as elsewhere
    assert len(choose_worst(few, (960, 960), 9, 100)) == 2


def test_places_are_apart_and_inside_the_mask():
    random = np.random.default_rng(0)
    rows, cols = random.uniform(0, (899, 1499), (800, 2)).T
    regions = boxes([2] * 800, rows, cols, random.choice(["", "too_small"], 800))
    found = choose_worst(regions, (900, 1500), 5, 200)
    assert len(found) == 5
    assert found == choose_worst(regions.copy(), (900, 1500), 5, 200)
    for k, (row, col, side) in enumerate(found):
        assert 0 <= row <= 900 - side
        assert 0 <= col <= 1500 - side
        assert all(max(abs(row - r), abs(col - c)) >= 200 for r, c, _ in found[:k])


def test_of_places_that_are_alike_the_one_in_the_middle_is_first():
    regions = places(*((k, k, 3, 4) for k in range(3)))
    assert choose_worst(regions, (672, 672), 1, 0) == [(320, 320, 32)]


def test_where_nothing_was_rejected_there_is_no_worst_place():
    assert choose_worst(places((0, 0, 5, 0)), (90, 90), 3, 0) == []
    assert choose_worst(boxes([]), (90, 90), 3, 0) == []


def test_the_certain_share_is_below_the_share_and_nears_it_with_numbers():
    some, of = np.array([0, 1, 5, 50, 5000, 0]), np.array([0, 1, 10, 100, 10_000, 7])
    found = certain_share(some, of)
    assert found[0] == found[-1] == 0
    assert found[1] == pytest.approx(0.2)
    assert (np.diff(found[2:5]) > 0).all()
    assert 0.48 < found[4] < 0.5
