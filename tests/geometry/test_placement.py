"""Affine maps are applied in one place, and as shapely applies them."""

from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import affinity

import postseg
from postseg.geometry.placement import area_scale, heights, transform

ROOT = Path(postseg.__file__).parent
numbers = st.floats(-1e6, 1e6)
matrices = st.lists(numbers, min_size=6, max_size=6).map(
    lambda six: np.vstack([np.reshape(six, (2, 3)), (0, 0, 1)])
)


@given(matrices, st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5))
def test_points_go_where_shapely_takes_them(matrix, points):
    (a, b, x), (c, d, y), _ = matrix.tolist()
    expected = affinity.affine_transform(shapely.MultiPoint(points), [a, b, c, d, x, y])
    found = transform(np.array(points), matrix)
    np.testing.assert_array_equal(found, shapely.get_coordinates(expected))


@given(matrices, st.tuples(numbers, numbers, numbers, numbers))
def test_heights_are_those_of_the_four_corners(matrix, box):
    left, low, right, high = box
    corners = [(x, y) for x in (left, right) for y in (low, high)]
    expected = transform(np.array(corners), matrix)[:, 1]
    np.testing.assert_array_equal(heights(matrix, *box), expected)
    columns = heights(matrix, *np.transpose([box, box]))
    np.testing.assert_array_equal(columns, np.transpose([expected, expected]))


def test_areas_are_scaled_by_the_linear_part():
    assert area_scale(np.array([[0, 2, 9], [3, 0, 9], [0, 0, 1.0]])) == pytest.approx(6)


def test_no_other_module_takes_a_matrix_to_pieces():
    own = {path.stem for path in ROOT.rglob("*.py") if "[:2, :2]" in path.read_text("utf-8")}
    assert len(own) == 1, own
