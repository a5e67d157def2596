"""Mirroring: y upside down, of polygons only, one or many."""

import numpy as np
import pytest
import shapely
from drawing import OFF, squares
from shapely import LinearRing, LineString, MultiPolygon, Point, Polygon, affinity

from postseg import PostSegmentation
from postseg.geometry.outlines import mirror_y0
from postseg.geometry.placement import check_mirror, matrix_of

HOLED = Polygon([(0, 0), (4, 0), (4, 4), (0, 4)], [[(1, 1), (1, 2), (2, 2), (2, 1)]])


def test_mirroring_turns_y_upside_down():
    polygon = Polygon([(0, 0), (3, 0), (3, 2)])
    assert mirror_y0(polygon) == Polygon([(0, 0), (3, 0), (3, -2)])
    assert polygon == Polygon([(0, 0), (3, 0), (3, 2)])


def test_holes_are_mirrored_too():
    mirrored = mirror_y0(HOLED)
    assert list(mirrored.interiors[0].coords) == [(1, -1), (1, -2), (2, -2), (2, -1), (1, -1)]


@pytest.mark.parametrize(
    "geom",
    [
        Point(1, 2),
        LineString([(0, 0), (1, 2)]),
        LinearRing([(0, 0), (3, 0), (3, 2)]),
        None,
    ],
)
def test_other_geometries_come_back_unchanged(geom):
    assert mirror_y0(geom) is geom


def test_all_parts_are_mirrored():
    parts = MultiPolygon([Polygon([(0, 0), (3, 0), (3, 2)]), HOLED])
    assert mirror_y0(parts) == MultiPolygon([Polygon([(0, 0), (3, 0), (3, -2)]), mirror_y0(HOLED)])


def test_an_array_is_mirrored_at_once_and_only_its_polygons():
    polygon, point, parts = Polygon([(0, 0), (3, 0), (3, 2)]), Point(1, 2), MultiPolygon([HOLED])
    given = np.array([polygon, point, parts, polygon], dtype=object)
    mirrored = mirror_y0(given)
    assert mirrored.tolist() == [mirror_y0(polygon), point, mirror_y0(parts), mirror_y0(polygon)]
    assert given.tolist() == [polygon, point, parts, polygon]


def test_an_empty_array_is_mirrored():
    assert mirror_y0(np.array([], dtype=object)).size == 0


# ---- of one's own: labels must be able to follow


@pytest.mark.parametrize(
    "matrix",
    [
        [1, 0, 0, -1, 0, 0],
        [1, 0, 0, 1, 0, 0],
        [0, -1, 1, 0, 3e6, -2e6],
        [1e-3, 0, 0, -1e-3, 0.1, 5],
        [-0.6, 0.8, 0.8, 0.6, 1 / 3, 1e9],
        [1, 5, 0, -1, 0, 0],
    ],
)
def test_the_map_of_any_invertible_affine_mirror_is_found(matrix):
    a, b, d, e, x, y = matrix
    found = matrix_of(lambda geom: affinity.affine_transform(geom, matrix))
    np.testing.assert_allclose(found, [[a, b, x], [d, e, y], [0, 0, 1]], rtol=1e-6, atol=1e-6)


def flipped(geom):
    return affinity.scale(geom, 1, -1, origin=(0, 0))


UNFIT = {
    "reversed": lambda geom: flipped(geom).reverse(),
    "oriented": lambda geom: shapely.geometry.polygon.orient(flipped(geom)),
    "normalised": lambda geom: shapely.normalize(flipped(geom)),
    "about its own middle": lambda geom: affinity.scale(geom, 1, -1),
    "about its first corner": lambda geom: affinity.scale(geom, 1, -1, 1, geom.exterior.coords[0]),
    "bent": lambda geom: shapely.transform(geom, lambda xy: xy * np.abs(xy) * (1, -1)),
    "flat": lambda geom: affinity.scale(geom, 1, 0, origin=(0, 0)),
    "on a line": lambda geom: affinity.affine_transform(geom, [0.1, 0.3, 0.2, 0.6, 5, 7]),
    "to a point": lambda geom: affinity.scale(geom, 0, 0, origin=(0, 0)),
    "nowhere": lambda geom: shapely.transform(geom, lambda xy: xy + np.inf),
    "fewer vertices": lambda geom: shapely.Polygon(geom.exterior.coords[:3]),
    "nothing": lambda geom: None,
    "empty": lambda geom: Polygon(),
    "text": lambda geom: geom.wkt,
}


@pytest.mark.parametrize("unfit", UNFIT.values(), ids=UNFIT)
def test_a_mirror_that_labels_cannot_follow_is_refused(unfit):
    with pytest.raises(ValueError, match=r"mirror_y0\(\) must .* affine map .* order") as error:
        matrix_of(unfit)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("name", ["reversed", "flat", "about its own middle"])
def test_such_a_mirror_fails_the_step_and_leaves_the_object_as_it_was(name):
    class Own(PostSegmentation):
        mirror_y0 = staticmethod(UNFIT[name])

    post = Own(squares(8, 9, 12), 2, filter_config=OFF, verbose=False)
    for step in (post.process_masks_to_shapes, post.process_labels):
        with pytest.raises(ValueError, match="mirror_y0"):
            step()
    assert post.shapes_model is None
    assert post.labels_model is None


# ---- of outlines with holes and parts


@pytest.mark.parametrize("matrix", [[1, 0, 0, -1, 0, 0], [-0.6, 0.8, 0.8, 0.6, 1 / 3, 1e9]])
def test_a_mirror_that_keeps_holes_and_parts_is_accepted(matrix):
    check_mirror(lambda geom: affinity.affine_transform(geom, matrix), "pixels")


LOSING = {
    "polygons only": lambda geom: flipped(geom) if isinstance(geom, Polygon) else geom,
    "rings only": lambda geom: (
        Polygon(flipped(geom).exterior) if isinstance(geom, Polygon) else flipped(geom)
    ),
    "the first part": lambda geom: flipped(geom.geoms[0] if hasattr(geom, "geoms") else geom),
    "no parts": lambda geom: flipped(geom) if isinstance(geom, Polygon) else None,
}


@pytest.mark.parametrize("losing", LOSING.values(), ids=LOSING)
def test_a_mirror_that_leaves_out_holes_or_parts_is_refused(losing):
    matrix_of(losing)  # with outlines of one ring it is as good as any
    with pytest.raises(
        ValueError, match=r"outline is 'pixels', .*mirror_y0\(\).* it made "
    ) as error:
        check_mirror(losing, "pixels")
    assert len(str(error.value)) < 700
