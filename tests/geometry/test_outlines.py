"""Outlines of shapes whose every vertex can be told by hand."""

import numpy as np
import pytest
import shapely
from drawing import draw, square_as_runs
from shapely import Point, Polygon
from skimage.measure import find_contours

from postseg import masks_to_polygons
from postseg.geometry.outlines import outline_polygons


def outline(picture, factor=1):
    """The polygon of the only label in a picture."""
    (polygon,) = masks_to_polygons(draw(picture), factor)
    return polygon


def assert_ring(polygon, *vertices):
    """The polygon has these vertices in this order, from wherever and whichever way it runs."""
    assert shapely.normalize(polygon) == shapely.normalize(Polygon(vertices)), polygon


# ---- one cell


def test_a_pixel_is_a_diamond():
    assert_ring(outline("... .1. ..."), (1, 0.5), (1.5, 1), (1, 1.5), (0.5, 1))


def test_a_square_has_two_vertices_per_corner():
    assert_ring(
        outline(".... .11. .11. ...."),
        *[(1, 0.5), (2, 0.5), (2.5, 1), (2.5, 2)],
        *[(2, 2.5), (1, 2.5), (0.5, 2), (0.5, 1)],
    )


def test_x_is_the_column_and_y_the_row():
    assert outline("...... ....1. ......").centroid == Point(4, 1)


def test_vertices_are_those_of_find_contours_for_a_cell_off_the_border():
    image = draw("........ ..111... .11.11.. .1111... ...1.... ........")
    (contour,) = (c for c in find_contours(image, 0.5) if len(c) > 6)
    (polygon,) = masks_to_polygons(image)
    np.testing.assert_array_equal(polygon.exterior.coords, contour[:, ::-1])


def test_a_pixel_that_fills_the_image_is_a_diamond():
    assert_ring(outline("1"), (0, -0.5), (0.5, 0), (0, 0.5), (-0.5, 0))


def test_a_corner_cell_keeps_its_area():
    """As large as the same cell away from the border: 4 pixels less four corner triangles."""
    for picture in ("11. 11. ...", ".11 .11 ...", "... 11. 11.", "... .11 .11"):
        assert outline(picture).area == outline(".... .11. .11. ....").area == 3.5


def test_the_border_is_closed_half_a_pixel_outside():
    assert outline("11. 11. ...").bounds == (-0.5, -0.5, 1.5, 1.5)
    assert outline("... .11 .11").bounds == (0.5, 0.5, 2.5, 2.5)


@pytest.mark.parametrize(
    ("picture", "bounds"),
    [
        ("... 111 ...", (-0.5, 0.5, 2.5, 1.5)),
        (".1. .1. .1.", (0.5, -0.5, 1.5, 2.5)),
        ("111 111 111", (-0.5, -0.5, 2.5, 2.5)),
    ],
)
def test_a_band_across_the_image_has_an_outline(picture, bounds):
    polygon = outline(picture)
    assert polygon.bounds == bounds
    assert polygon.area == picture.count("1") - 0.5


def test_a_diagonal_link_holds_the_parts_together():
    assert_ring(
        outline(".... .1.. ..1. ...."),
        *[(1, 0.5), (1.5, 1), (2, 1.5), (2.5, 2)],
        *[(2, 2.5), (1.5, 2), (1, 1.5), (0.5, 1)],
    )


def test_the_other_diagonal_link_too():
    assert_ring(
        outline(".... ..1. .1.. ...."),
        *[(2, 0.5), (2.5, 1), (2, 1.5), (1.5, 2)],
        *[(1, 2.5), (0.5, 2), (1, 1.5), (1.5, 1)],
    )


def test_a_hole_is_not_cut_out():
    ring = outline("..... .111. .1.1. .111. .....")
    assert ring == outline("..... .111. .111. .111. .....")
    assert len(ring.interiors) == 0


def test_a_hole_with_a_longer_edge_than_the_outside_is_still_a_hole():
    """A 9 x 9 frame around a comb: the inner contour has more vertices than the outer one."""
    image = np.ones((9, 9), int)
    image[1, 1:8] = 0
    image[1:8, 1:8:2] = 0
    inner, outer = sorted((len(c) for c in find_contours(np.pad(image, 1), 0.5)), reverse=True)
    assert inner > outer
    assert masks_to_polygons(image)[0].bounds == (-0.5, -0.5, 8.5, 8.5)


def test_a_hole_reached_by_a_diagonal_only_stays_a_hole():
    """The region's own diagonal link closes the way out."""
    assert outline("111 1.1 11.").area == outline("111 111 11.").area


def test_a_bay_is_cut_out():
    assert outline("111 1.. 111").area < outline("111 1.1 111").area


@pytest.mark.parametrize(
    "picture",
    [
        "1",
        "1111",
        "1 1 1",
        "1.1 .1. 1.1",
        "1.1.1 .1.1. 1.1.1",
        "111 1.1 111",
        "11111 1...1 1.1.1 1...1 11111",
        ".1.1. 11.11 ..1.. 11.11 .1.1.",
        "1..1. .11.. 1..1.",
    ],
)
def test_the_outline_of_one_region_is_one_valid_ring(picture):
    polygon = outline(picture)
    assert polygon.is_valid
    assert polygon.area > 0
    assert polygon.exterior.coords[0] == polygon.exterior.coords[-1]


# ---- several cells


def test_one_polygon_per_label_in_label_order():
    polygons = masks_to_polygons(draw("9.2 ... 7.4"))
    assert type(polygons) is list
    assert [polygon.centroid.coords[0] for polygon in polygons] == [(2, 0), (2, 2), (0, 2), (0, 0)]


def test_a_cell_in_a_ring_has_a_polygon_of_its_own():
    ring, core = masks_to_polygons(draw("11111 1...1 1.2.1 1...1 11111"))
    assert ring.bounds == (-0.5, -0.5, 4.5, 4.5)
    assert core.bounds == (1.5, 1.5, 2.5, 2.5)


def test_cells_nested_in_touching_rings_have_a_polygon_each():
    polygons = masks_to_polygons(draw("11111 12221 12321 12221 11111"))
    assert [polygon.area for polygon in polygons] == [24.5, 8.5, 0.5]


def test_touching_cells_do_not_overlap():
    left, right = masks_to_polygons(draw("1122 1122"))
    assert left.intersection(right).area == 0


def test_the_part_with_the_longest_outline_stands_for_a_label_in_parts():
    """A line of five pixels has a longer outline than a square of four."""
    (polygon,) = masks_to_polygons(draw("11....... 11..11111 ........."))
    assert polygon.bounds == (3.5, 0.5, 8.5, 1.5)


def test_the_first_of_equal_parts_stands_for_a_label():
    (polygon,) = masks_to_polygons(draw("..1 ... 1.."))
    assert polygon.centroid == Point(2, 0)


# ---- scale


@pytest.mark.parametrize("factor", [0, 1, np.int64(1), 1.0])
def test_the_factors_0_and_1_leave_the_coordinates_alone(factor):
    assert outline("... .1. ...", factor) == outline("... .1. ...")


def test_a_factor_scales_about_the_origin():
    assert_ring(outline("... .1. ...", 2), (2, 1), (3, 2), (2, 3), (1, 2))


def test_a_factor_scales_the_part_outside_the_image_too():
    assert outline("11. 11. ...", 4).bounds == (-2, -2, 6, 6)


@pytest.mark.parametrize(
    ("factor", "error"),
    [
        (-1, ValueError),
        (1.5, ValueError),
        (np.nan, ValueError),
        ("2", TypeError),
        (True, TypeError),
    ],
)
def test_an_impossible_factor_is_refused(factor, error):
    with pytest.raises(error, match=r"factor_rescale is .*whole number"):
        masks_to_polygons(draw("1"), factor)


# ---- far


def test_the_outline_of_a_square_that_fills_a_slide():
    side = 30_000
    _, (polygon,), _ = outline_polygons(square_as_runs(side, at=10), (4, 4))
    assert len(polygon.exterior.coords) == 4 * side + 1
    assert polygon.bounds == (4 * 9.5, 4 * 9.5, 4 * (side + 9.5), 4 * (side + 9.5))
    assert polygon.area == 16 * (side**2 - 0.5)
    assert polygon.is_valid


@pytest.mark.parametrize("way", [1, -1])
def test_the_outline_of_a_long_diagonal_is_one_valid_ring(way):
    n = 1000
    (polygon,) = masks_to_polygons(np.eye(n, dtype=bool)[:, ::way])
    assert len(polygon.exterior.coords) == 4 * n + 1
    assert polygon.is_valid
    assert polygon.area == n * 0.5 + (n - 1) * 0.5
