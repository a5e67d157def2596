"""Runs by their owners."""

import numpy as np
from drawing import draw
from numpy.testing import assert_array_equal

from postseg.raster.images import encode
from postseg.raster.runs import components

IMAGE = draw("11.2 1.22 ..22 3...")


def test_regions_know_their_areas_centroids_and_rows():
    regions, _ = components(encode(IMAGE))
    assert regions.label.tolist() == [1, 2, 3]
    assert regions.areas().tolist() == [3, 5, 1]
    expected = [np.argwhere(label == IMAGE).mean(axis=0)[::-1] + 0.5 for label in (1, 2, 3)]
    np.testing.assert_allclose(regions.centroids(), expected)
    first, end = regions.row_ranges()
    assert (first.tolist(), end.tolist()) == ([0, 0, 3], [2, 3, 4])


def test_every_run_has_its_owner():
    regions, number = components(encode(IMAGE))
    assert regions.owner.tolist() == sorted(number - 1)


def test_some_are_taken_in_another_order():
    regions, _ = components(encode(IMAGE))
    taken = regions.take(np.array([2, 0]))
    assert taken.label.tolist() == [3, 1]
    assert taken.areas().tolist() == [1, 3]
    assert taken.row.tolist() == [3, 0, 1]
    assert taken.offsets.tolist() == [0, 1, 3]
    assert [part.dtype for part in taken] == [part.dtype for part in regions]


def test_none_are_taken():
    taken = components(encode(IMAGE)).regions.take(np.zeros(0, int))
    assert_array_equal(taken.offsets, [0])
    assert taken.areas().size == len(taken.centroids()) == 0
