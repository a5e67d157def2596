"""Maps on a sheet: their ticks, and what is marked on them."""

from itertools import product

import numpy as np
import pytest
from figures import faults
from hypothesis import given
from hypothesis import strategies as st
from sampling import ALL

from postseg.show.maps import _BETWEEN, _BEYOND, add_map, ticks
from postseg.show.sheet import GAP, TICKS, Sheet
from postseg.show.view import Axis, View


def room_of(at):
    return 10 * len(f"{at:,}")


@given(
    st.integers(0, 10_000_000),
    st.integers(1, 200_000),
    st.integers(48, 1400),
    st.booleans(),
)
def test_labels_of_ticks_have_room(first, length, pixels, down):
    label = (lambda at: 16) if down else room_of
    found = ticks(Axis(first, length, 1, 1), pixels, label)
    assert found == sorted({*found})
    assert all(first <= at < first + length for at in found)
    middle = [(at + 0.5 - first) * pixels / length for at in found]
    half = [label(at) / 2 for at in found]
    for k in range(1, len(found)):
        assert middle[k] - half[k] >= middle[k - 1] + half[k - 1] + _BETWEEN - 1e-6
    if len(found) > 1:
        assert middle[0] - half[0] >= -_BEYOND
        assert middle[-1] + half[-1] <= pixels + _BEYOND
        steps = set(np.diff(found).tolist())
        assert len(steps) == 1
        assert str(steps.pop()).rstrip("0") in ("1", "2", "5")


@pytest.mark.parametrize(
    ("first", "length", "pixels", "expected"),
    [
        (0, 47_002, 940, [*range(0, 47_002, 5000)]),
        (24_000, 240, 480, [*range(24_050, 24_240, 50)]),
        (0, 30, 1350, [*range(0, 30, 2)]),
        (65_999, 3, 48, [66_000]),
        (101, 3, 60, [102]),
    ],
)
def test_ticks_are_round_numbers(first, length, pixels, expected):
    found = ticks(Axis(first, length, 1, 1), pixels, room_of)
    assert found[0] in expected
    assert {*found} <= {*expected}


SIZES = [(240, 240), (48, 400), (400, 48), (160, 100), (60, 60), (480, 480), (1350, 950)]
ORIGINS = [0, 7, 995, 9_990, 24_000, 65_535, 99_999, 123_456, 999_990, 1_234_567]
TIMES = [1, 7, 50]
# few by default: each origin once, and the small sizes
CASES = [*product(ORIGINS, SIZES, TIMES)]
if not ALL:
    CASES = [(origin, SIZES[k % 5], TIMES[k % 3]) for k, origin in enumerate(ORIGINS)]


@pytest.mark.parametrize(("origin", "size", "times"), CASES)
def test_no_label_lies_on_another_whatever_the_origin_and_the_size(origin, size, times):
    height, width = size
    sheet = Sheet()
    for k in range(2):  # side by side, as in figures
        rows = Axis(origin + 13 * times, height * times, times, 1)
        cols = Axis(origin + k * 50, width * times, times, 1)
        left = GAP + TICKS + k * (width + TICKS + 2 * GAP)
        add_map(sheet, np.full((height, width, 3), 200, np.uint8), View(rows, cols), left, GAP)
    figure = sheet.finish()
    assert faults(figure) == []
    assert all(axes.get_xticks().size and axes.get_yticks().size for axes in figure.axes)


def test_the_last_row_and_the_first_column_do_not_meet_in_the_corner():
    sheet = Sheet()
    view = View(
        Axis(1000, 1001, 1, 1), Axis(0, 1001, 1, 1)
    )  # row 2,000 is the last, column 0 first
    axes = add_map(sheet, np.full((400, 400, 3), 200, np.uint8), view, GAP + TICKS, GAP)
    assert axes.get_xticks()[0] == 0
    assert faults(sheet.finish()) == []
