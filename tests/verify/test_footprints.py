"""Pixels of labels and polygons as runs, against dense arrays."""

from itertools import pairwise

import numpy as np
import pytest
import shapely
from drawing import draw
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal
from scipy.ndimage import binary_fill_holes

from postseg.geometry.placement import translation
from postseg.raster.images import encode
from postseg.verify import footprints

images = arrays(
    np.int32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 3)
)
MARGIN = 20
quick = settings(deadline=None, max_examples=60)


def dense(cells, shape):
    """One boolean image per cell, with a margin on all sides."""
    images = np.zeros((cells.label.size, shape[0] + 2 * MARGIN, shape[1] + 2 * MARGIN), bool)
    for cell, row, start, stop in zip(cells.owner, cells.row, cells.start, cells.stop, strict=True):
        images[cell, row + MARGIN, start + MARGIN : stop + MARGIN] = True
    return images


def drawn(*polygons, matrix=None):
    """Pixels of polygons with the ids 1, 2, ... as a dense array, without a margin."""
    ids = np.arange(1, len(polygons) + 1)
    rows = np.full(ids.size, -10), np.full(ids.size, 30)
    matrix = np.eye(3) if matrix is None else matrix
    cells = footprints.of_polygons(ids, np.array(polygons), matrix, *rows)
    return dense(cells, (10, 10))[:, MARGIN : MARGIN + 10, MARGIN : MARGIN + 10].astype(int)


@quick
@given(images)
def test_labels_are_filled_and_measured_like_dense_images(image):
    runs = encode(image)
    own = footprints.of_labels(runs)
    filled = footprints.fill_holes(own)
    inner = np.s_[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    masks = np.array([image == label for label in own.label], bool)
    masks = masks.reshape(-1, *image.shape)
    full = np.array([binary_fill_holes(mask) for mask in masks], bool).reshape(masks.shape)
    assert own.label.tolist() == sorted(set(image.ravel().tolist()) - {0})
    assert_array_equal(dense(own, image.shape)[inner], masks)
    assert_array_equal(dense(filled, image.shape)[inner], full)
    assert_array_equal(filled.areas(), full.sum(axis=(1, 2)))
    assert_array_equal(footprints.shared_pixels(filled, own), masks.sum(axis=(1, 2)))
    twice = full.sum(axis=0) > 1
    assert_array_equal(footprints.covered_pixels(filled), (full & twice).sum(axis=(1, 2)))
    padded = dense(filled, image.shape).astype(int)
    edges = sum(abs(np.diff(padded, axis=axis)).sum(axis=(1, 2)) for axis in (1, 2))
    assert_array_equal(footprints.pixel_edges(filled), edges)
    for mask, (x, y) in zip(full, filled.centroids(), strict=True):
        assert (y, x) == pytest.approx(np.argwhere(mask).mean(axis=0) + 0.5)


@quick
@given(images)
def test_corners_at_which_labels_cross(image):
    runs = encode(image)
    ids = footprints.of_labels(runs).label
    a, b, c, d = image[:-1, :-1], image[:-1, 1:], image[1:, :-1], image[1:, 1:]
    crosses = (a == d) & (b == c) & (a != b) & (a > 0) & (b > 0)
    expected = [(crosses & ((a == label) | (b == label))).sum() for label in ids]
    assert footprints.corner_crossings(runs, ids).tolist() == expected


@quick
@given(images)
def test_label_under_a_point(image):
    y, x = np.mgrid[-1 : image.shape[0] + 1, -1 : image.shape[1] + 1]
    points = np.column_stack([x.ravel() + 0.3, y.ravel() + 0.9])
    labels = footprints.label_at(encode(image), points)
    assert_array_equal(labels, np.pad(image, 1).ravel())
    assert footprints.label_at(encode(image), np.full((1, 2), np.nan)).tolist() == [0]


@quick
@given(st.lists(st.tuples(*[st.integers(-40, 80)] * 2), min_size=3, max_size=8))
def test_polygons_have_the_pixels_whose_centres_are_inside(corners):
    polygon = shapely.Polygon(np.array(corners) / 5 + 0.013)
    y, x = np.mgrid[:10, :10] + 0.5
    crossings = np.zeros((10, 10), int)
    for (x0, y0), (x1, y1) in pairwise(polygon.exterior.coords):
        if y0 != y1:
            at = x0 + (y - y0) * (x1 - x0) / (y1 - y0)
            assume(np.abs(at - x).min() > 1e-5)  # or rounding would decide
            crossings += (min(y0, y1) <= y) & (y < max(y0, y1)) & (at <= x)
    assert_array_equal(drawn(polygon)[0], crossings % 2)


def test_holes_and_parts():
    ring = shapely.box(0, 0, 5, 5) - shapely.box(1, 1, 4, 4)
    both = shapely.MultiPolygon([ring, shapely.box(2, 2, 3, 3)])
    expected = draw("11111..... 1...1..... 1.1.1..... 1...1..... 11111.....")
    assert_array_equal(drawn(both)[0, :5], expected)


def test_polygons_that_tile_share_no_pixel_and_leave_none():
    """A centre on an edge goes to the larger x, also when rounding puts the edge beside it."""
    corners = [(0, 0), (8, 0), (8, 8), (0, 8), (0, 0)]
    for error in (0, 1e-9, -1e-9):
        middle = (4 + error, 4 - error)
        parts = [shapely.Polygon([*side, middle]) for side in pairwise(corners)]
        pixels = drawn(*parts)
        assert_array_equal(pixels.sum(axis=0)[:8, :8], 1)
        assert pixels.sum(axis=(1, 2)).tolist() == [16, 20, 16, 12]


def test_polygons_of_one_id_make_one_cell():
    pair = np.array([shapely.box(0, 0, 1, 1), shapely.box(2, 0, 4, 1)])
    cells = footprints.of_polygons(
        np.array([7, 7]), pair, translation(1, 0), np.array([0]), np.array([9])
    )
    assert (cells.label.tolist(), cells.areas().tolist()) == ([7], [3])
    assert cells.start.tolist() == [1, 3]


def test_rows_outside_the_window_are_not_drawn():
    far = np.array([shapely.box(0, -1e12, 1e12, 1e12)])
    cells = footprints.of_polygons(np.array([1]), far, np.eye(3), np.array([2]), np.array([4]))
    assert cells.row.tolist() == [2, 3]
    assert cells.stop.min() > 1e8


def test_batches_change_nothing(monkeypatch):
    boxes = [shapely.box(i, i, i + 2, i + 3) for i in range(7)]
    whole = drawn(*boxes)
    monkeypatch.setattr(footprints, "_BATCH", 6)
    assert_array_equal(drawn(*boxes), whole)
