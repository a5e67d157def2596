"""The outline "simplified": as few chords as draw the same pixels, the same for both neighbours."""

from itertools import pairwise

import numpy as np
import pytest
import shapely
from drawing import draw, square_as_runs
from geometry import exact
from geometry.agreement import (
    as_array,
    assert_lossless,
    assert_outlined,
    assert_simplified,
)
from geometry.examples import examples
from geometry.patterns import draw_pattern
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import label as connected
from tissue import tissue

from postseg import masks_to_polygons
from postseg.geometry.outlines import outline_polygons
from postseg.raster.images import encode


def outline(picture, factor=1):
    return masks_to_polygons(draw(picture), factor, outline="simplified")


def assert_ring(ring, *vertices):
    """The ring has these vertices in this order, from wherever and whichever way it runs."""
    expected = shapely.LinearRing(vertices).normalize()
    assert shapely.LinearRing(ring).normalize().equals_exact(expected, 0), ring


# ---- by hand


def test_a_pixel_is_a_kite_of_nearly_its_area():
    """From the middle of its upper edge, which stays; the other ends move for the area."""
    (pixel,) = outline("... .1. ...")
    assert_ring(pixel.exterior, (1, 0.5), (1.875, 1), (1, 1.75), (0.25, 1))
    assert pixel.area == 1 + 1 / 64


def test_x_is_the_column_and_y_the_row():
    (polygon,) = outline("...... ....1. ......")
    assert polygon.contains(shapely.Point(4, 1))


def test_an_image_of_one_label_is_a_rectangle():
    for picture in ("1", "111", "1 1 1", "1111 1111"):
        (polygon,) = outline(picture)
        rows, columns = draw(picture).shape
        assert polygon.equals(shapely.box(-0.5, -0.5, columns - 0.5, rows - 0.5))
        assert len(polygon.exterior.coords) == 5


def test_labels_meet_at_the_border_in_a_vertex_of_both():
    left, right = outline("12 12")
    assert_ring(left.exterior, (-0.5, -0.5), (0.5, -0.5), (0.5, 1.5), (-0.5, 1.5))
    assert_ring(right.exterior, (0.5, -0.5), (1.5, -0.5), (1.5, 1.5), (0.5, 1.5))


def test_three_labels_meet_in_a_vertex_of_all():
    for polygon in outline("1122 1122 3333 3333"):
        assert (1.5, 1.5) in polygon.exterior.coords


def test_a_slope_is_one_chord_between_its_ends_at_the_border():
    upper, lower = outline("111111 221111 222211 222222")
    shared = shapely.line_merge(upper.intersection(lower))
    line = shapely.LineString([(-0.5, 0.5), (1, 0.5), (4, 2.5), (5.5, 2.5)])
    assert shared.normalize().equals_exact(line.normalize(), 0)
    assert upper.area + lower.area == 24


def test_a_joined_diagonal_is_one_polygon():
    (polygon,) = outline(".... .1.. ..1. ....")
    assert polygon.geom_type == "Polygon"


def test_of_two_diagonals_the_smaller_label_is_joined():
    joined, cut = outline("...... .1122. .1122. .2211. .2211. ......")
    assert (joined.geom_type, cut.geom_type) == ("Polygon", "MultiPolygon")
    assert [part.area for part in cut.geoms] == [cut.area / 2] * 2


def test_the_background_is_never_joined():
    """Holes that meet by a corner stay two, and so does what is around a cell."""
    (polygon,) = outline("11111 1.111 11.11 11111 11111")
    assert len(polygon.interiors) == 2


def test_a_hole_is_kept():
    (frame,) = outline("111 1.1 111")
    (hole,) = frame.interiors
    assert_ring(hole, (1, 0.5), (1.875, 1), (1, 1.75), (0.25, 1))


def test_a_cell_in_a_hole_shares_its_ring():
    ring, core = outline("11111 12221 12221 12221 11111")
    assert_ring(ring.interiors[0], *core.exterior.coords[:-1])


def test_parts_are_kept_with_their_holes():
    (parts,) = outline("111.111 1.1.1.1 111.111")
    assert [len(part.interiors) for part in parts.geoms] == [1, 1]


def test_one_geometry_per_label_in_ascending_order():
    runs = encode(draw("9.2 ... 7.4"))
    labels, polygons, _ = outline_polygons(runs, (1, 1), outline="simplified")
    assert labels.tolist() == [2, 4, 7, 9]
    corners = [(2, 0), (2, 2), (0, 2), (0, 0)]
    assert all(map(shapely.contains_xy, polygons, *zip(*corners, strict=True)))


def test_no_cells_have_no_outlines():
    assert outline("... ...") == []


def test_a_square_that_fills_a_slide_has_four_sides_and_a_blunt_corner():
    """Off the border, where it begins: at the others are corners of the image, or other nodes."""
    side = 30_000
    _, (polygon,), _ = outline_polygons(square_as_runs(side, at=10), (4, 4), outline="simplified")
    first, last = 4 * 9.5, 4 * (side + 9.5)
    assert_ring(
        polygon.exterior,
        *[(first + 2, first), (last, first), (last, last), (first, last), (first, first + 2)],
    )


@pytest.mark.parametrize("n", [1000, 1100, 5000])
def test_a_straight_side_is_one_chord_however_long(n):
    upper, lower = masks_to_polygons(np.repeat([[1], [2]], n, axis=1), outline="simplified")
    assert_ring(upper.exterior, (-0.5, -0.5), (n - 0.5, -0.5), (n - 0.5, 0.5), (-0.5, 0.5))
    assert_ring(lower.exterior, (-0.5, 0.5), (n - 0.5, 0.5), (n - 0.5, 1.5), (-0.5, 1.5))


@pytest.mark.parametrize("slope", [1, 0.5, 0.3])
def test_neighbours_share_the_chords_of_a_long_slope(slope):
    """Of more than a thousand edges."""
    y, x = np.indices((1500, 1500), np.int32)
    polygons = masks_to_polygons(1 + (y > 1 + slope * x), outline="simplified")
    assert shapely.coverage_is_valid(polygons)
    assert sum(polygon.area for polygon in polygons) == 1500**2
    assert all(len(polygon.exterior.coords) < 20 for polygon in polygons)


def test_a_slope_that_sees_more_candidates_than_an_integer_has_bits():
    y, x = np.indices((60, 60))
    assert_outlined(1 + (y > 3 + 0.7 * x), "simplified", labels={1})


def test_a_long_diagonal_stays_one_polygon():
    for way in (1, -1):
        (polygon,) = masks_to_polygons(np.eye(400, dtype=bool)[:, ::way], outline="simplified")
        assert polygon.geom_type == "Polygon"
        assert polygon.is_valid
        assert len(polygon.exterior.coords) < 12


def test_a_tissue_has_few_vertices_and_keeps_its_areas():
    masks = tissue(512)
    polygons = as_array(assert_outlined(masks, "simplified", labels={5, 50, 100, 150}))
    labels, image = exact.numbered(masks)
    change = shapely.area(polygons) / np.bincount(image.ravel())[1:] - 1
    assert shapely.get_num_coordinates(polygons).sum() < 25 * len(labels)
    assert abs(change.mean()) < 0.001
    assert abs(change).max() < 0.1


# ---- whatever the label image


@given(st.integers(0, 2**32 - 1))
@examples
def test_a_region_has_one_polygon_unless_a_smaller_label_cuts_it(seed):
    masks = draw_pattern(seed)
    _, image = exact.numbered(masks)
    joined = exact.find_junctions(image, join=True).joined
    lost = set()
    for y, x in joined:
        square = image[y // 2 - 1 : y // 2 + 1, x // 2 - 1 : x // 2 + 1]
        lost |= {*square.ravel().tolist()} - {joined[y, x]}
    polygons = masks_to_polygons(masks, outline="simplified")
    for number, polygon in enumerate(polygons, start=1):
        n_regions = connected(image == number, connectivity=2).max()
        n_parts = len(shapely.get_parts(polygon))
        assert n_parts >= n_regions
        assert number in lost or n_parts == n_regions


# ---- these tests can fail


PICTURE = "1111122 1111222 1..1233 1..1233 1111333 4443333 4444433"


def move_a_vertex(polygons):
    """Of both neighbours, so that they still fit."""
    (x, y) = next(
        vertex
        for vertex in polygons[1].exterior.coords
        if sum(vertex in polygon.exterior.coords for polygon in polygons) == 2
    )

    def moved(coords):
        return np.where((coords == (x, y)).all(axis=1, keepdims=True), coords + 0.05, coords)

    return list(shapely.transform(as_array(polygons), moved))


def add_a_vertex(polygons):
    """In the middle of a hole's side."""
    (ring,) = polygons[0].interiors
    middle = shapely.Point(ring.coords[0]), shapely.Point(ring.coords[1])
    between = shapely.LineString(middle).interpolate(0.5, normalized=True)
    hole = [ring.coords[0], between.coords[0], *ring.coords[1:]]
    return [shapely.Polygon(polygons[0].exterior, [hole]), *polygons[1:]]


@pytest.mark.parametrize(
    "spoil",
    [
        move_a_vertex,
        add_a_vertex,
        lambda polygons: [shapely.Polygon(polygons[0].exterior), *polygons[1:]],
        lambda polygons: [polygons[1], polygons[0], *polygons[2:]],
        lambda polygons: masks_to_polygons(draw(PICTURE), outline="pixels"),
        lambda polygons: masks_to_polygons(draw(PICTURE)),
    ],
    ids=["moved", "vertex", "no hole", "other order", "pixels", "contours"],
)
def test_what_is_wrong_is_seen(spoil):
    masks = draw(PICTURE)
    polygons = masks_to_polygons(masks, outline="simplified")
    assert_simplified(masks, polygons)
    with pytest.raises(AssertionError):
        assert_simplified(masks, spoil(polygons))


@pytest.mark.parametrize("simplify", [shapely.simplify, shapely.coverage_simplify])
def test_simplifying_by_distance_alone_moves_pixels(simplify):
    """Which is why there are rules of our own."""
    masks = tissue(150)
    polygons = as_array(masks_to_polygons(masks, outline="pixels"))
    with pytest.raises(AssertionError):
        assert_lossless(masks, simplify(polygons, 1.0))


# ---- the oracle itself


def test_the_oracle_needs_no_rule_against_turning_back():
    """It is a shortcut: chords that turn back cross no gates in order."""
    for seed in range(30):
        labels, image = exact.numbered(draw_pattern(seed, 12))
        junctions, pixels = exact.find_junctions(image, join=True), exact.find_pixels(image)
        for number in range(1, len(labels) + 1):
            for part in exact.simplify_label(pixels[number], number, junctions):
                for arc in part.exterior:
                    assert exact.simplify(arc.points, arc.backwards, prune=False) == arc


def test_the_best_chords_by_trying_all():
    """Of a ring of seven pixels, by every choice of ends."""
    _, image = exact.numbered(draw("..... .11.. .111. ..11. ....."))
    junctions = exact.find_junctions(image, join=True)
    (part,) = exact.simplify_label(exact.find_pixels(image)[1], 1, junctions)
    (arc,) = part.exterior
    first, *inner, last = exact.find_candidates(arc.points)
    found = []
    for choice in range(2 ** len(inner)):
        chosen = [first, *(k for b, k in enumerate(inner) if choice >> b & 1), last]
        costs = [exact.chord_cost(arc.points, i, j) for i, j in pairwise(chosen)]
        if None not in costs:
            found.append((len(costs), sum(costs)))
    assert min(found) == (arc.chords, arc.cost)
    assert found.count(min(found)) == arc.n_best


def test_the_candidates_of_the_oracle_are_where_borders_turn():
    _, image = exact.numbered(draw("...... .1111. .1111. .1111. ......"))
    junctions = exact.find_junctions(image, join=True)
    (part,) = exact.simplify_label(exact.find_pixels(image)[1], 1, junctions)
    (arc,) = part.exterior
    found = [arc.points[k] for k in exact.find_candidates(arc.points)]
    top, right, bottom, left = (
        [(2, 3), (2, 9)],
        [(3, 10), (7, 10)],
        [(8, 9), (8, 3)],
        [(7, 2), (3, 2)],
    )
    assert found == [*top, *right, *bottom, *left, (2, 3)]
    assert exact.area_along(arc.points, len(arc.points) - 1) == 2 * 64 * 12
