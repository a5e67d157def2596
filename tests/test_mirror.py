"""Mirroring: y upside down, of polygons only, one or many."""

import numpy as np
import pytest
from shapely import LinearRing, LineString, MultiPolygon, Point, Polygon

from postseg.polygons import mirror_y0


def test_mirroring_turns_y_upside_down():
    polygon = Polygon([(0, 0), (3, 0), (3, 2)])
    assert mirror_y0(polygon) == Polygon([(0, 0), (3, 0), (3, -2)])
    assert polygon == Polygon([(0, 0), (3, 0), (3, 2)])


def test_holes_are_mirrored_too():
    hole = [(1, 1), (1, 2), (2, 2), (2, 1)]
    mirrored = mirror_y0(Polygon([(0, 0), (4, 0), (4, 4), (0, 4)], [hole]))
    assert list(mirrored.interiors[0].coords) == [(1, -1), (1, -2), (2, -2), (2, -1), (1, -1)]


@pytest.mark.parametrize(
    "geom",
    [
        MultiPolygon([Polygon([(0, 0), (3, 0), (3, 2)])]),
        Point(1, 2),
        LineString([(0, 0), (1, 2)]),
        LinearRing([(0, 0), (3, 0), (3, 2)]),
        None,
    ],
)
def test_other_geometries_come_back_unchanged(geom):
    assert mirror_y0(geom) is geom


def test_an_array_is_mirrored_at_once_and_only_its_polygons():
    polygon, point = Polygon([(0, 0), (3, 0), (3, 2)]), Point(1, 2)
    given = np.array([polygon, point, polygon], dtype=object)
    mirrored = mirror_y0(given)
    assert mirrored.tolist() == [mirror_y0(polygon), point, mirror_y0(polygon)]
    assert given.tolist() == [polygon, point, polygon]


def test_an_empty_array_is_mirrored():
    assert mirror_y0(np.array([], dtype=object)).size == 0
