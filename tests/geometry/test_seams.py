"""Tiles outlined one by one, put side by side: nothing between them, nothing on both sides."""

from itertools import product

import numpy as np
import pytest
import shapely
from geometry.agreement import as_array, draw_back
from geometry.examples import both, examples
from geometry.patterns import draw_pattern
from hypothesis import given
from hypothesis import strategies as st

from postseg import masks_to_polygons


def cut(masks, rows, columns):
    """Tiles between these rows and columns, by where they begin."""
    tops, lefts = sorted({0, *rows}), sorted({0, *columns})
    for (top, bottom), (left, right) in product(
        zip(tops, [*tops[1:], masks.shape[0]], strict=True),
        zip(lefts, [*lefts[1:], masks.shape[1]], strict=True),
    ):
        yield (top, left), masks[top:bottom, left:right]


def outline_tiles(masks, rows, columns, outline):
    """Labels and polygons of all tiles, in the coordinates of the whole image, and the tiles."""
    labels, polygons, boxes = [], [], []
    for (top, left), tile in cut(masks, rows, columns):
        found = as_array(masks_to_polygons(tile, outline=outline))
        moved = shapely.transform(found, lambda xy, at=(left, top): xy + at)
        height, width = tile.shape
        box = shapely.box(left, top, left + width, top + height)
        boxes += [shapely.transform(box, lambda xy: xy - 0.5)] * len(found)
        labels += np.unique(tile[tile > 0]).tolist()
        polygons += list(moved)
    return np.array(labels, int), as_array(polygons), as_array(boxes)


@st.composite
def cut_images(draw, background=True):
    masks = draw_pattern(draw(st.integers(0, 2**32 - 1))) + (not background)
    seams = [
        draw(st.sets(st.integers(1, n - 1), max_size=2)) if n > 1 else set() for n in masks.shape
    ]
    return masks, *seams


@both
@given(cut_images())
@examples
def test_tiles_draw_the_whole_image_and_stay_in_their_places(outline, drawn):
    masks, rows, columns = drawn
    labels, polygons, boxes = outline_tiles(masks, rows, columns, outline)
    assert shapely.covers(boxes, polygons).all()
    found = draw_back(polygons, masks.shape)
    np.testing.assert_array_equal(np.append(0, labels)[found], masks)


@both
@given(cut_images())
@examples
def test_pieces_lie_against_a_seam_with_all_their_pixels(outline, drawn):
    """So a cut cell meets its other half, and a neighbour across the seam, without a gap."""
    masks, rows, columns = drawn
    labels, polygons, _ = outline_tiles(masks, rows, columns, outline)
    for seam in columns:
        assert_sides(labels, polygons, masks, seam)
    turned = shapely.transform(polygons, lambda xy: xy[:, ::-1])
    for seam in rows:
        assert_sides(labels, turned, masks.T, seam)


def assert_sides(labels, polygons, masks, column):
    """Polygons touch the line before a column along the sides of their label's pixels."""
    x = column - 0.5
    line = shapely.LineString([(x, -0.5), (x, masks.shape[0] - 0.5)])
    lies_after = shapely.bounds(polygons)[:, 0] == x
    for after, pixels in enumerate((masks[:, column - 1], masks[:, column])):
        for label in {*pixels.tolist()} - {0}:
            touching = shapely.intersection(
                polygons[(labels == label) & (lies_after == after)], line
            )
            sides = [
                shapely.LineString([(x, row - 0.5), (x, row + 0.5)])
                for row in np.flatnonzero(pixels == label)
            ]
            assert shapely.union_all(touching).length == len(sides)
            assert shapely.covers(shapely.union_all(touching), sides).all()


@both
@given(cut_images(background=False))
@examples
def test_without_background_tiles_fill_the_image(outline, drawn):
    """Pieces of a label are put together by a union; its area is that of all of them."""
    masks, rows, columns = drawn
    labels, polygons, _ = outline_tiles(masks, rows, columns, outline)
    height, width = masks.shape
    whole = shapely.box(-0.5, -0.5, width - 0.5, height - 0.5)
    assert shapely.area(polygons).sum() == masks.size
    assert shapely.union_all(polygons).equals(whole)
    for label in np.unique(labels):
        pieces = polygons[labels == label]
        together = shapely.union_all(pieces)
        assert together.is_valid
        assert together.area == pytest.approx(shapely.area(pieces).sum(), rel=1e-12)


@both
def test_a_seam_leaves_the_vertices_of_its_own_side_only(outline):
    """Where labels change on one side: tiles side by side have T-junctions there, and no gap."""
    masks = np.array([[1, 1, 2, 2], [1, 1, 2, 2], [1, 1, 3, 3], [1, 1, 3, 3]])
    _, (left, upper, lower), _ = outline_tiles(masks, [], [2], outline)
    assert (1.5, 1.5) not in left.exterior.coords
    assert (1.5, 1.5) in upper.exterior.coords
    assert (1.5, 1.5) in lower.exterior.coords
    assert shapely.union_all([left, upper, lower]).equals(shapely.box(-0.5, -0.5, 3.5, 3.5))
