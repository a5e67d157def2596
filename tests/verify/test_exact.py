"""Outlines that are to be exact: what is so agrees, and what is not is named."""

import json

import geopandas as gpd
import numpy as np
import pytest
import shapely
from click.testing import CliRunner
from drawing import draw
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sampling import share
from shapely.affinity import translate
from spatialdata.models import Labels2DModel, ShapesModel
from spatialdata.transformations import (
    Affine,
    Sequence,
    Translation,
    get_transformation,
    set_transformation,
)
from tampering import moved, other, processed, replaced, swapped

from postseg.cli.main import main
from postseg.geometry.outlines import outline_polygons
from postseg.geometry.placement import translation
from postseg.raster.images import encode
from postseg.raster.nearest import shown
from postseg.verify import exact
from postseg.verify.compare import compare, label_cells, read_polygons
from postseg.verify.exact import look
from postseg.verify.masks import Masks, find_masks
from postseg.verify.verification import verify_elements

XY = ("x", "y")
KINDS = ["pixels", "simplified"]
ALONE, RING, CROSSING, PARTS, INNER, LEFT, RIGHT = EVERY = range(1, 8)
DEMAND = "each is to have just its label's pixels, without a gap between neighbours."
# a cell alone, a ring around another one, one that parts another where they cross, and two that
# meet along stairs
MASKS = draw(
    """
    ......................
    .111...2222222..33.44.
    .1111..2222222..33444.
    .11111.22...22..44333.
    ..1111.22.5.22..44333.
    ...11..22.5522..4.....
    .......22...22........
    .......2222222........
    ...........2..........
    ......................
    .6666666.777777777....
    .6666666677777777777..
    .6666667777777777777..
    .666666677777777777...
    .6666777777777777.....
    .6666777777777777.....
    ......................
    """
)
PLACES = {
    "as they are": {"factor": 1},
    "enlarged": {"factor": 4},
    "stretched": {"factor": 1, "image_shape": (40, 31)},
    "of a tile": {"factor": 3, "origin": (101, -33)},
}


def made(kind, masks=MASKS, enlarge=True, factor=4, **place):
    """Labels, shapes and table of which the table tells how the outlines were drawn."""
    post = processed(masks, factor, outline=kind, **place)
    post.process_labels(enlarge=enlarge)
    return post.labels_model, post.shapes_model, post.table


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def good(kind):
    """Not to be changed."""
    return made(kind)


def problems(found):
    """By cell, where there are some."""
    texts = found.cells["problem"]
    return texts[texts != ""].to_dict()


@pytest.mark.parametrize("enlarge", [True, False])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_all_agree_wherever_they_lie(kind, place, enlarge):
    labels, shapes, table = made(kind, enlarge=enlarge, **place)
    found = verify_elements(labels, shapes, table)
    assert found.ok, str(found)
    assert (found.summary["outline"], found.summary["exact"]) == (kind, True)
    assert (found.cells["iou"] == 1).all()
    assert (found.cells["overlap"] == 0).all()
    sides = np.divide(labels.shape, MASKS.shape)
    assert found.summary["mask_pixel"] == sides.max()
    assert f"\nOutlines: {kind}; {DEMAND}" in str(found)
    assert shapes.geom_type[PARTS] == "MultiPolygon"
    assert len(shapes.geometry[RING].interiors) == 1
    json.dumps(found.to_dict(), allow_nan=False)


def test_it_is_on_the_masks_that_they_are_compared():
    """Simplified ones do not give back enlarged labels, but the masks."""
    labels, shapes, table = made("simplified")
    assert verify_elements(labels, shapes, table).cells["iou"].min() == 1
    assert verify_elements(labels, shapes).cells["iou"].max() < 1


@pytest.mark.parametrize("linear", [((0.5, 0), (0, 0.5)), ((0, -0.2125), (0.2125, 0))])
def test_in_coordinates_of_others(good, linear):
    labels, shapes, table = good
    to_um = np.eye(3)
    to_um[:2, :2], to_um[:2, 2] = linear, (1e5, -77)
    in_um = other(
        shapes, shapely.transform(shapes.geometry.array, lambda xy: xy @ np.transpose(linear))
    )
    back = np.linalg.inv(np.array([[*linear[0], 0], [*linear[1], 0], [0, 0, 1]]))
    old = get_transformation(shapes, get_all=True)
    for name, map_to in old.items():
        set_transformation(in_um, Sequence([Affine(back, XY, XY), map_to]), name)
    found = verify_elements(labels, in_um, table)
    assert found.ok, str(found)
    assert found.summary["exact"]


def part_lost(shape):
    return max(shape.geoms, key=shapely.area)


CHANGES = {
    "moved": (ALONE, lambda p: translate(p, 0.3)),
    "by a program": (ALONE, lambda p: p.simplify(6)),
    "rounded off": (ALONE, lambda p: p.buffer(0.1)),
    "a hole lost": (RING, lambda p: shapely.Polygon(p.exterior)),
    "a part lost": (PARTS, part_lost),
}


@pytest.mark.parametrize(("cell", "change"), CHANGES.values(), ids=CHANGES)
def test_an_outline_that_was_changed_is_named(good, cell, change):
    labels, shapes, table = good
    found = verify_elements(labels, replaced(shapes, cell, change), table)
    assert not found.ok
    told = problems(found)
    beside = {RING: INNER, PARTS: CROSSING}
    neighbours = {beside[cell]: "gap or overlap"} if cell in beside else {}
    assert {**told, cell: ""} == {**neighbours, cell: ""}
    kinds = {"off the pixel edges", "different outline", "misplaced"}
    assert len(kinds & {*told[cell].split("; ")}) == 1


def test_a_part_of_a_pixel_that_is_off_is_seen_by_the_vertices(good, kind):
    """A twelfth of a mask pixel: the same pixels, or but a few less."""
    labels, shapes, table = good
    found = verify_elements(labels, replaced(shapes, *CHANGES["moved"]), table)
    assert found.cells.loc[ALONE, "iou"] == 1
    assert problems(found) == {ALONE: "off the pixel edges"}
    everywhere = verify_elements(labels, moved(shapes, lambda xy: np.add(xy, (0.3, 0))), table)
    assert {*problems(everywhere)} == {*EVERY}
    # what a polygon of "pixels" had as a corner, a simplified one could not have as a cut
    cut = made("pixels")
    diagonal = made("simplified")[1].geometry[ALONE]
    found = verify_elements(cut[0], replaced(cut[1], ALONE, lambda _: diagonal), cut[2])
    assert problems(found) == {ALONE: "off the pixel edges"}


@pytest.mark.parametrize("by", [0.004, -0.004])
def test_a_sliver_between_two_cells_is_named(good, by):
    """A gap or an overlap: both cells are named, and which of them is off."""
    labels, shapes, table = good
    x = shapes.geometry[RIGHT].bounds[0]

    def pull(polygon):  # all that is left of the middle
        return shapely.transform(polygon, lambda xy: xy + (by, 0) * (xy < x + 20))

    found = verify_elements(labels, replaced(shapes, RIGHT, pull), table)
    assert problems(found) == {
        LEFT: "gap or overlap",
        RIGHT: "off the pixel edges; gap or overlap",
    }


def test_a_gap_that_a_coverage_may_have_is_named():
    """One of two cells cuts the corner of the other: each on its own is as it should be."""
    image = np.full((8, 8), 2)
    image[:5, :5] = 1
    labels = Labels2DModel.parse(image, dims=XY[::-1])
    corner = shapely.Polygon([(4.5, 5), (5, 4.5), (5, 5)])
    inner, outer = shapely.box(0, 0, 5, 5), shapely.box(0, 0, 8, 8) - shapely.box(0, 0, 5, 5)
    table = made("simplified", image)[2]
    del table.obsm["spatial"]  # in other pixels
    packed = {"outline": "simplified", "mask_shape": image.shape, "image_shape": image.shape}
    pair = [inner, outer]
    for geometry, gap in ((pair, False), ([inner - corner, outer.union(corner)], False),
                          ([inner - corner, shapely.segmentize(outer, 0.5)], True)):  # fmt: skip
        if gap:  # with the vertices of the other, but for the corner
            geometry[0] = shapely.segmentize(inner, 0.5) - corner
        assert shapely.coverage_is_valid(geometry)
        shapes = ShapesModel.parse(gpd.GeoDataFrame(geometry=geometry, index=[1, 2]))
        table.uns["postseg"] = packed
        found = verify_elements(labels, shapes, table)
        assert (found.cells["iou"] == 1).all()
        expected = dict.fromkeys((1, 2), "gap or overlap") if gap else {}
        assert problems(found) == expected


@pytest.mark.parametrize("gone", [(ALONE,), EVERY], ids=["one", "all"])
def test_outlines_that_are_empty_are_named(good, gone):
    labels, shapes, table = good
    geometry = np.array(shapes.geometry)
    geometry[shapes.index.isin(gone)] = shapely.Polygon()
    found = verify_elements(labels, other(shapes, geometry), table)
    named = {cell for cell, text in problems(found).items() if "invalid polygon" in text}
    assert named == set(gone)


def test_edges_that_lost_a_vertex_are_no_coverage():
    """As by a program that drops what lies on a straight line: the same polygon, to look at."""
    labels, shapes, table = made("pixels", draw("1112 1112 1113 1113"))
    bare = replaced(shapes, 1, lambda polygon: polygon.simplify(0))
    assert bare.geometry[1].equals(shapes.geometry[1])
    assert problems(verify_elements(labels, bare, table)) == dict.fromkeys(
        (1, 2, 3), "gap or overlap"
    )


def test_ids_that_are_swapped(good):
    labels, shapes, table = good
    found = verify_elements(labels, swapped(shapes, ALONE, RIGHT), table)
    told = problems(found)
    assert told[ALONE].startswith("misplaced")
    assert told[ALONE].endswith(f"(on label {RIGHT})")
    assert told[RIGHT].endswith(f"(on label {ALONE})")
    assert found.summary["causes"] == [f"Ids are swapped: {ALONE} and {RIGHT}."]


def test_a_part_of_the_shapes_is_no_gap(good):
    labels, shapes, table = good
    found = verify_elements(labels, shapes.drop([RIGHT, RING]), table)
    assert problems(found) == dict.fromkeys((RING, RIGHT), "no polygon")


def test_polygons_that_cannot_be_drawn(good):
    labels, shapes, table = good
    changed = shapes.copy()
    geometry = np.array(shapes.geometry)
    with np.errstate(invalid="ignore"):
        nowhere = shapely.Polygon([(0, 0), (9, np.nan), (9, 9)])
    geometry[:3] = nowhere, None, shapely.MultiPolygon()
    changed.geometry = gpd.GeoSeries(geometry, shapes.index)
    found = verify_elements(labels, changed, table)
    assert problems(found) == dict.fromkeys((1, 2, 3), "invalid polygon; different outline")
    assert found.summary["exact"]
    none = verify_elements(labels, shapes[:0], table)
    assert problems(none) == dict.fromkeys(EVERY, "no polygon")


# ---- labels that were cropped


def cropped(labels, top, bottom, left, right):
    """A part of labels, where it was, as SpatialData's queries leave it."""
    systems = get_transformation(labels, get_all=True)
    shift = Translation([left, top], XY)
    part = labels.data[top:bottom, left:right]
    systems = {name: Sequence([shift, map_to]) for name, map_to in systems.items()}
    return Labels2DModel.parse(part, dims=XY[::-1], transformations=systems)


CROPS = {
    "between mask pixels": ({"factor": 4}, (13, 60, 5, 75)),
    "as large as the masks": ({"factor": 4}, (26, 26 + MASKS.shape[0], 27, 27 + MASKS.shape[1])),
    "stretched": ({"factor": 1, "image_shape": (40, 31)}, (3, 36, 5, 28)),
    "of the masks": ({"factor": 4, "enlarge": False}, (3, 14, 2, 18)),
}


@pytest.mark.parametrize(("place", "window"), CROPS.values(), ids=CROPS)
def test_what_is_left_of_cropped_labels_is_judged_exactly(kind, place, window):
    labels, shapes, table = made(kind, **place)
    part = cropped(labels, *window)
    left = np.unique(part.to_numpy())[1:]
    known = table[table.obs["label"].isin(left)].copy()
    found = verify_elements(part, shapes.loc[left], known)
    assert found.summary["exact"]
    assert (found.cells["iou"] == 1).all()
    assert {*problems(found).values()} == {"beyond the labels"}
    cell = next((i for i in left if i not in problems(found)), left[0])
    changed = replaced(shapes.loc[left], cell, lambda p: p.buffer(0.05))
    assert "off the pixel edges" in verify_elements(part, changed, known).cells["problem"][cell]


def test_cropped_labels_and_polygons_in_coordinates_that_do_not_tell_from_where(good, kind):
    labels, shapes, table = good
    part = cropped(labels, 13, 60, 5, 75)
    half = other(shapes, shapely.transform(shapes.geometry.array, lambda xy: xy / 2))
    for name, map_to in get_transformation(shapes, get_all=True).items():
        double = Affine(np.diag([2, 2, 1]), XY, XY)
        set_transformation(half, Sequence([double, map_to]), name)
    found = verify_elements(part, half, table)
    assert (found.summary["outline"], found.summary["exact"]) == (kind, False)
    assert {*problems(found).values()} == {"beyond the labels"}
    assert "compared roughly, for nothing tells where the labels were cut from." in str(found)
    overlapping = replaced(half, LEFT, lambda p: p.buffer(0.01))
    assert "gap or overlap" in problems(verify_elements(part, overlapping, table))[RIGHT]


# ---- stores that tell nothing of it


def test_contours_are_judged_as_before():
    post = processed(MASKS)
    elements = post.labels_model, post.shapes_model
    before = post.table.copy()
    before.uns["postseg"].pop("outline", None)
    after = post.table.copy()
    after.uns["postseg"]["outline"] = "contour"
    old, new = (verify_elements(*elements, table) for table in (before, after))
    assert old.ok
    assert str(old) == str(new)
    assert "Outlines:" not in str(old)
    assert old.cells.equals(new.cells)
    assert (old.summary["outline"], new.summary["outline"]) == (None, "contour")
    assert {**old.summary, "outline": 0} == {**new.summary, "outline": 0}
    claimed = post.table.copy()
    claimed.uns["postseg"]["outline"] = "pixels"
    found = verify_elements(*elements, claimed)
    assert {*problems(found)} == {*EVERY}


def test_the_command_reads_it_from_a_store(tmp_path):
    post = processed(MASKS)
    _, shapes, table = made("simplified")
    post.shapes_model = replaced(shapes, ALONE, lambda polygon: polygon.buffer(0.1))
    post.table = table
    post.write(tmp_path / "cells.zarr")
    ran = CliRunner().invoke(main, ["verify", str(tmp_path / "cells.zarr"), "--quiet", "--json",
                                    str(tmp_path / "found.json")])  # fmt: skip
    assert ran.exit_code == 1
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["outline"], found["exact"]) == ("simplified", True)
    assert found["problems"] == {"off the pixel edges": {"count": 1, "ids": [ALONE]}}


# ---- all masks, and all labels that show them


images = arrays(
    np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 3)
)


@settings(deadline=None, max_examples=share(150))
@given(images, st.data())
def test_any_masks_and_any_part_of_their_labels(masks, data):
    """Stretched to any shape, and cut anywhere: nothing is found wrong."""
    assume(masks.any())
    kind = data.draw(st.sampled_from(KINDS))
    shape = tuple(data.draw(st.integers(n, 3 * n + 2)) for n in masks.shape)
    first = tuple(data.draw(st.integers(0, m - 1)) for m in shape)
    rows, columns = (
        shown(np.arange(begin, m), n, m)
        for begin, n, m in zip(first, masks.shape, shape, strict=True)
    )
    runs = encode(masks)
    scale = np.divide(shape, masks.shape)
    ids, geometry, shift = outline_polygons(runs, tuple(scale), outline=kind, mirrored=True)
    to_pixels = translation(-first[1], -first[0]) @ np.linalg.inv(to_raw(scale, shift))
    labels = encode(masks[np.ix_(rows, columns)])
    told = Masks(masks.shape, shape)
    found = find_masks(told, labels.shape, to_pixels)
    assert found.shape == masks.shape
    cells, polygons = label_cells(labels), read_polygons(ids, geometry)
    compared = compare(cells, polygons, to_pixels, found)
    assert (compared["iou"].reindex(cells.own.label) == 1).all()
    assert (compared["overlap"] == 0).all()
    off_edges, torn = look(polygons, kind, labels, found, to_pixels)
    assert (off_edges.size, torn.size) == (0, 0)


def to_raw(scale, shift):
    """From pixels to polygons, as `Placement.to_raw`."""
    centres = translation(-scale[1] / 2, -scale[0] / 2)
    return translation(0, shift) @ np.diag([1, -1, 1]) @ centres


def test_a_cell_with_thousands_of_neighbours_is_no_matter_of_minutes(monkeypatch):
    """Shapely would look through all of its vertices for each; it is asked where it is quick."""
    n = 30
    numbers = np.kron(np.arange(2, n * n + 2).reshape(n, n), np.ones((5, 5), int))
    inner = np.tile(np.pad(np.ones((2, 3), bool), ((2, 1), (1, 1))), (n, n))
    masks = np.where(inner, numbers, 1).astype(np.int32)
    labels, polygons, _ = outline_polygons(encode(masks), (1, 1), outline="pixels")
    given = (
        read_polygons(labels, polygons),
        "pixels",
        encode(masks),
        Masks(masks.shape, masks.shape),
    )
    to_pixels = translation(0.5, 0.5)
    asked = []
    real = shapely.coverage_invalid_edges
    monkeypatch.setattr(
        shapely, "coverage_invalid_edges", lambda all_: asked.append(1) or real(all_)
    )
    for most, times in ((1e9, 1), (1e4, 0)):
        monkeypatch.setattr(exact, "_MOST", most)
        asked.clear()
        assert [found.size for found in look(*given, to_pixels)] == [0, 0]
        assert len(asked) == times
    polygons[5] = polygons[5].buffer(0.5)  # beyond its hole
    given = read_polygons(labels, polygons), *given[1:]
    assert labels[5] in look(*given, to_pixels)[1]
