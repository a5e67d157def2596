"""A label image as runs: reading, grouping and painting."""

import numpy as np
import pytest
from drawing import draw, square_as_runs
from numpy.testing import assert_array_equal
from skimage.measure import label

from postseg.raster.images import encode, paint
from postseg.raster.label_image import rows_per_block
from postseg.raster.runs import components


def test_a_run_is_a_maximal_stretch_of_one_label():
    runs = encode(draw("22.3 .... 4111"))
    assert runs.row.tolist() == [0, 0, 2, 2]
    assert runs.start.tolist() == [0, 3, 0, 1]
    assert runs.stop.tolist() == [2, 4, 1, 4]
    assert runs.label.tolist() == [2, 3, 4, 1]
    assert runs.shape == (3, 4)


def test_a_run_ends_with_its_row():
    assert encode(np.ones((2, 3), bool)).stop.tolist() == [3, 3]


@pytest.mark.parametrize("dtype", [bool, "u1", ">i2", "f4", "i8"])
def test_runs_have_the_same_types_whatever_the_image(dtype):
    runs = encode(np.ones((2, 2), dtype))
    assert [part.dtype for part in runs[:4]] == ["i4", "i4", "i4", "i8"]


def test_an_image_of_many_blocks_is_read_whole_and_in_order():
    image = np.zeros((3000, 1024), np.int64)
    assert rows_per_block(image) < 1000
    image[::2, 5] = np.arange(1, 1501)
    runs = encode(image)
    assert_array_equal(runs.row, np.arange(0, 3000, 2))
    assert_array_equal(runs.label, np.arange(1, 1501))


def test_a_cell_across_blocks_is_one_region():
    image = np.ones((3000, 1024), np.int64)
    assert components(encode(image)).regions.label.tolist() == [1]


def test_a_corner_joins_two_pixels():
    assert components(encode(draw("1. .1"))).number.tolist() == [1, 1]
    assert components(encode(draw(".1 1."))).number.tolist() == [1, 1]


def test_an_empty_row_parts_two_cells():
    assert components(encode(draw("1 . 1"))).number.tolist() == [1, 2]


def test_touching_labels_stay_apart():
    assert components(encode(draw("12 21"))).number.tolist() == [1, 2, 2, 1]


def test_branches_that_meet_below_are_one_region_numbered_by_the_first():
    regions, number = components(encode(draw("1.2.1 1.2.1 11111")))
    assert number.tolist() == [1, 2, 1, 1, 2, 1, 1]
    assert regions.label.tolist() == [1, 2]


def test_runs_are_grouped_by_region_in_raster_order():
    regions, _ = components(encode(draw("1.2 1.2 112")))
    assert regions.offsets.tolist() == [0, 3, 6]
    assert regions.row.tolist() == [0, 1, 2, 0, 1, 2]
    assert regions.start.tolist() == [0, 0, 0, 2, 2, 2]
    assert regions.stop.tolist() == [1, 1, 2, 3, 3, 3]


@pytest.mark.parametrize("density", [0.2, 0.5, 0.8])
def test_regions_are_numbered_as_by_scikit_image(density):
    chance = np.random.default_rng(7)
    image = (chance.random((300, 200)) < density) * chance.integers(1, 4, (300, 200))
    runs = encode(image)
    assert_array_equal(paint(runs, components(runs).number), label(image, connectivity=2))


def test_painting_the_labels_gives_the_image_back():
    image = draw("..1 22. .3.")
    runs = encode(image)
    painted = paint(runs, runs.label)
    assert painted.dtype == np.int32
    assert_array_equal(painted, image)


def test_painting_0_leaves_background():
    runs = encode(draw("1.2"))
    assert paint(runs, np.array([0, 7])).tolist() == [[0, 0, 7]]


def test_a_square_too_large_for_memory_is_one_region():
    regions, _ = components(square_as_runs(200_000))
    assert regions.label.tolist() == [1]
    assert regions.offsets.tolist() == [0, 200_000]
