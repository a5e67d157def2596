"""Where tiles lie: plans, what they leave out, and origins that are none."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postseg import plan_tiles
from postseg.tiles.plan import check_origin, check_plan, gaps
from postseg.tiles.tile import Rectangle


def covered(rectangles, shape):
    """How many rectangles cover each pixel."""
    found = np.zeros(shape, int)
    for top, left, bottom, right in rectangles:
        found[top:bottom, left:right] += 1
    return found


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.data(),
)
def test_a_plan_covers_the_slide_with_tiles_of_one_size_that_overlap_enough(shape, size, data):
    overlap = data.draw(st.integers(0, min(size) - 1))
    plan = plan_tiles(shape, size, overlap)
    assert covered(plan, shape).min() > 0
    assert len(set(plan)) == len(plan)
    sizes = {(bottom - top, right - left) for top, left, bottom, right in plan}
    assert sizes == {tuple(np.minimum(size, shape))}
    for axis in (0, 1):
        starts = sorted({one[axis] for one in plan})
        assert all(b - a <= size[axis] - overlap for a, b in itertools.pairwise(starts))


def test_a_plan_of_square_tiles():
    assert plan_tiles((4, 9), 4, 1) == [(0, 0, 4, 4), (0, 3, 4, 7), (0, 5, 4, 9)]


@pytest.mark.parametrize(("size", "overlap"), [(8, 8), (8, -1), (0, 0), (8.0, 1), ((8, 8, 8), 1)])
def test_a_plan_that_cannot_be(size, overlap):
    with pytest.raises(ValueError, match=r"overlap is|size is"):
        plan_tiles((20, 20), size, overlap)


rectangles = st.builds(
    lambda top, left, height, width: Rectangle(top, left, top + height, left + width),
    *(st.integers(low, 12) for low in (0, 0, 1, 1)),
)


@given(st.lists(rectangles, max_size=6))
def test_gaps_are_what_no_tile_covers_each_pixel_once(tiles):
    shape = (24, 26)
    left_out = covered(gaps(tiles, shape), shape)
    assert np.array_equal(left_out, covered(tiles, shape) == 0)


def test_a_plan_with_a_gap_is_refused_with_tile_and_place():
    with pytest.raises(ValueError, match=r"gap.*rows 5:10, columns 6:10 next to the tile at rows"):
        check_plan([(0, 0, 5, 10), (5, 0, 10, 6)], (10, 10))
    with pytest.raises(ValueError, match=r"no tile covers rows 0:10, columns 0:10\. Add"):
        check_plan([], (10, 10))


def test_a_plan_may_name_a_tile_twice():
    assert check_plan([(0, 0, 4, 4), np.array([0, 0, 4, 4])], (4, 4)) == [(0, 0, 4, 4)]


@pytest.mark.parametrize("tile", [(0, 0, 4), (0, 0, 4.0, 4), "abcd", 7, (0, 0, 5, 4), (2, 0, 2, 4)])
def test_a_plan_of_what_are_no_tiles(tile):
    with pytest.raises(ValueError, match=r"the plan has the tile|leaves the slide|no pixels"):
        check_plan([tile], (4, 4))


@pytest.mark.parametrize("origin", [(0.5, 1), (0.0, 1), ("0", 1), (1,), 7, None, (np.nan, 0)])
def test_an_origin_is_two_whole_numbers(origin):
    with pytest.raises(ValueError, match=r"the tile at .*whole first row and column"):
        check_origin(origin)


def test_an_origin_that_the_factor_does_not_divide():
    assert check_origin((8, np.int64(12)), 4) == (2, 3)
    with pytest.raises(ValueError, match=r"row 8, column 10 .*4 times smaller: 10 is no multiple"):
        check_origin((8, 10), 4)
