"""The outline "pixels": the edges of the pixels, neighbours with the same vertices."""

import numpy as np
import pytest
import shapely
from drawing import draw, square_as_runs
from geometry.agreement import assert_outlined, assert_pixels

from postseg import masks_to_polygons
from postseg.geometry.outlines import outline_polygons
from postseg.raster.images import encode


def outline(picture, factor=1):
    return masks_to_polygons(draw(picture), factor, outline="pixels")


def assert_polygon(polygon, exterior, *holes):
    """The polygon has these rings, from wherever and whichever way they run."""
    expected = shapely.Polygon(exterior, holes)
    assert polygon.normalize().equals_exact(expected.normalize(), 0), polygon


# ---- by hand


def test_a_pixel_is_a_square():
    (pixel,) = outline("... .1. ...")
    assert_polygon(pixel, [(0.5, 0.5), (1.5, 0.5), (1.5, 1.5), (0.5, 1.5)])


def test_x_is_the_column_and_y_the_row():
    (polygon,) = outline("...... ....1. ......")
    assert polygon.centroid == shapely.Point(4, 1)


def test_straight_stretches_have_no_vertices():
    (polygon,) = outline("...... .1111. .1111. .11... ......")
    assert len(polygon.exterior.coords) - 1 == 6


def test_a_neighbour_that_ends_half_way_leaves_a_vertex_in_the_middle_of_a_side():
    large, upper, lower = outline("112 112 113 113")
    assert_polygon(large, [(-0.5, -0.5), (1.5, -0.5), (1.5, 1.5), (1.5, 3.5), (-0.5, 3.5)])
    assert large.intersection(upper).length == large.intersection(lower).length == 2


def test_the_background_that_begins_at_a_side_leaves_one_too():
    large, _ = outline("112 112 11. 11.")
    assert (1.5, 1.5) in large.exterior.coords


def test_so_does_a_cell_that_ends_at_the_border_of_the_image():
    """Of the cell itself: outside of the image is a label of its own."""
    (polygon,) = outline("11. 11. 1..")
    assert len(polygon.exterior.coords) - 1 == 6
    left, right = outline("12")
    assert left.intersection(right).length == 1


def test_a_hole_is_cut_out():
    (frame,) = outline("..... .111. .1.1. .111. .....")
    square = [(0.5, 0.5), (3.5, 0.5), (3.5, 3.5), (0.5, 3.5)]
    assert_polygon(frame, square, [(1.5, 1.5), (2.5, 1.5), (2.5, 2.5), (1.5, 2.5)])


def test_pixels_that_meet_by_a_corner_are_parts():
    (parts,) = outline(".... .1.. ..1. ....")
    assert parts.geom_type == "MultiPolygon"
    assert [part.area for part in parts.geoms] == [1, 1]


def test_holes_that_meet_by_a_corner_are_two():
    (polygon,) = outline("1111 1.11 11.1 1111")
    assert len(polygon.interiors) == 2
    assert polygon.is_valid


def test_a_bay_that_opens_by_a_corner_only_is_a_hole():
    (polygon,) = outline("1111 1.11 11.. 11..")
    assert polygon.geom_type == "Polygon"
    assert [hole.length for hole in polygon.interiors] == [4]


def test_a_hole_belongs_to_the_part_around_it():
    (parts,) = outline("111.... 1.1.111 111.1.1 ....111")
    assert [len(part.interiors) for part in parts.geoms] == [1, 1]
    assert parts.area == 16


def test_cells_nested_in_rings_have_holes_of_their_size():
    polygons = outline("11111 12221 12321 12221 11111")
    assert [polygon.area for polygon in polygons] == [16, 8, 1]
    assert shapely.union_all(polygons).equals(shapely.box(-0.5, -0.5, 4.5, 4.5))


def test_one_geometry_per_label_in_ascending_order():
    polygons = outline("9.2 ... 7.4")
    assert [polygon.centroid.coords[0] for polygon in polygons] == [(2, 0), (2, 2), (0, 2), (0, 0)]
    runs = encode(draw("9.2 ... 7.4"))
    assert outline_polygons(runs, (1, 1), outline="pixels")[0].tolist() == [2, 4, 7, 9]


def test_a_factor_scales_about_the_origin():
    (polygon,) = outline("... .1. ...", 4)
    assert_polygon(polygon, [(2, 2), (6, 2), (6, 6), (2, 6)])


def test_no_cells_have_no_outlines():
    assert outline("... ...") == []


def test_a_square_that_fills_a_slide_has_four_corners():
    side = 30_000
    _, (polygon,), _ = outline_polygons(square_as_runs(side, at=10), (4, 4), outline="pixels")
    assert len(polygon.exterior.coords) == 5
    assert polygon.area == 16 * side**2


def test_a_checkerboard_is_its_squares():
    image = np.indices((30, 41)).sum(axis=0) % 2 + 1
    for polygon, n in zip(assert_outlined(image, "pixels"), (615, 615), strict=True):
        assert len(polygon.geoms) == n


# ---- these tests can fail


@pytest.mark.parametrize(
    "spoil",
    [
        lambda polygons: [shapely.Polygon(polygons[0].exterior), *polygons[1:]],
        lambda polygons: [*polygons[:2], polygons[2].geoms[0]],
        lambda polygons: [polygons[0].simplify(0), *polygons[1:]],
        lambda polygons: [polygons[1], polygons[0], polygons[2]],
        lambda polygons: [polygons[0].buffer(0.1), *polygons[1:]],
        lambda polygons: masks_to_polygons(draw("1112 1.12 1115 55.5")),
    ],
    ids=["no hole", "one part", "no node", "other order", "larger", "contours"],
)
def test_what_is_wrong_is_seen(spoil):
    masks = draw("1112 1.12 1115 55.5")
    polygons = masks_to_polygons(masks, outline="pixels")
    assert_pixels(masks, polygons)
    with pytest.raises(AssertionError):
        assert_pixels(masks, spoil(polygons))
