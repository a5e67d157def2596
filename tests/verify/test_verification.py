"""Verification: what agrees is found to agree, whoever made it, and what is not is named."""

import json

import anndata as ad
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import spatialdata as sd
from drawing import draw
from sampling import some
from spatialdata.models import Labels2DModel, ShapesModel
from spatialdata.transformations import (
    Identity,
    Scale,
    Sequence,
    Translation,
    get_transformation,
    set_transformation,
)
from tampering import FACTOR, other, processed, replaced, swapped, tissue, without

from postseg import PostSegmentation
from postseg.verify.verification import verify_elements, verify_store

XY = ("x", "y")
EVERY = set(range(1, 21))


@pytest.fixture(scope="module")
def good():
    """Labels, shapes and table; not to be changed."""
    post = processed(tissue(), origin=(101, -33))
    return post.labels_model, post.shapes_model, post.table


def test_text_of_a_problem_names_the_other_label(good):
    labels, shapes, table = good
    found = verify_elements(labels, swapped(shapes, 4, 9), table)
    assert found.cells.loc[4, "problem"] == "misplaced (on label 9)"
    assert found.cells.loc[1, "problem"] == ""


def test_missing_label(good):
    labels, shapes, table = good
    found = verify_elements(without(labels, 11), shapes, table)
    assert found.summary["problems"] == {"not in the labels": {"count": 1, "ids": [11]}}
    assert not found.cells.loc[11, "in_labels"]
    assert found.cells.loc[11, ["in_shapes", "in_table"]].all()
    assert found.cells.loc[11, "pixels"] == 0


def test_table(good):
    labels, shapes, table = good
    found = verify_elements(labels, shapes, table[table.obs["label"] != 13].copy())
    assert found.summary["problems"] == {"not in the table": {"count": 1, "ids": [13]}}
    late = table.copy()
    late.obs["label"] += 1
    found = verify_elements(labels, shapes, late)
    assert set(found.summary["problems"]) == {
        "no polygon",
        "not in the labels",
        "not in the table",
        "table lies elsewhere",
    }
    assert found.summary["causes"] == [
        "The table's ids are the labels' ids +1, counted from another start."
    ]
    twice = table.copy()
    twice.obs.loc["cell_5", "label"] = 4
    found = verify_elements(labels, shapes, twice)
    assert found.summary["problems"] == {
        "not in the table": {"count": 1, "ids": [5]},
        "several table rows": {"count": 1, "ids": [4]},
        "table lies elsewhere": {"count": 1, "ids": [4]},
    }
    empty = verify_elements(labels, shapes, table[:0].copy())
    assert empty.summary["problems"]["not in the table"]["count"] == 20
    del late.uns["spatialdata_attrs"]
    with pytest.raises(ValueError, match="does not say what it annotates"):
        verify_elements(labels, shapes, late)


# ---- where the table says that the cells are


def with_points(table, xy, ours=True):
    """The same table with other coordinates, and perhaps without the mark of postseg's own."""
    changed = table.copy()
    changed.obsm["spatial"] = xy
    if not ours:
        del changed.uns["postseg"]
    return changed


def pixels_of(labels, table):
    """Centroids (x, y) of a table's cells in pixels of the labels."""
    rows, columns = np.indices(labels.shape)
    image = labels.to_numpy()
    return np.array(
        [(columns[image == i].mean(), rows[image == i].mean()) for i in table.obs["label"]]
    ) + 0.5  # fmt: skip


def test_points_of_the_table_are_those_of_the_labels(good):
    found = verify_elements(*good)
    assert found.cells["table_offset"].max() < 1e-9
    assert found.summary["table_system"] == "global"
    bare = good[2].copy()
    del bare.obsm["spatial"]
    found = verify_elements(*good[:2], bare)
    assert found.ok
    assert found.summary["table_system"] is None
    assert found.cells["table_offset"].isna().all()


@pytest.mark.parametrize("shift", [(0.6, 0), (0, -5), (300, 400)])
def test_a_table_that_is_shifted(good, shift):
    labels, shapes, table = good
    found = verify_elements(labels, shapes, with_points(table, table.obsm["spatial"] + shift))
    assert found.summary["problems"]["table lies elsewhere"]["count"] == 20
    assert found.cells["table_offset"].to_numpy() == pytest.approx(np.hypot(*shift))
    text = f"The table's points lie ({shift[0]:+.2f}, {shift[1]:+.2f}) px (x, y) off their labels."
    assert found.summary["causes"] == [text]
    assert found.summary["systems"]["global"]["max_offset"] < 0.5


def test_rows_of_a_table_that_are_swapped_or_gaps_are_named(good):
    labels, shapes, table = good
    xy = table.obsm["spatial"].copy()
    xy[[3, 8]] = xy[[8, 3]]
    xy[15], xy[16, 1], xy[17] = np.nan, np.inf, 1e308
    for ours in (True, False):
        found = verify_elements(labels, shapes, with_points(table, xy, ours))
        assert found.summary["problems"] == {
            "table lies elsewhere": {"count": 5, "ids": [4, 9, 16, 17, 18]}
        }
        assert not found.ok
        assert found.cells.loc[16:18, "table_offset"].isna().all()
        assert found.cells.loc[[4, 9], "table_offset"].min() > 5
        json.dumps(found.to_dict(), allow_nan=False)


def test_a_table_of_our_own_that_is_not_in_global(good):
    labels, shapes, table = good
    mirrored = get_transformation(labels, "mirrored").to_affine_matrix(XY, XY)
    xy = pixels_of(labels, table) @ mirrored[:2, :2].T + mirrored[:2, 2]
    assert not verify_elements(labels, shapes, with_points(table, xy)).ok
    found = verify_elements(labels, shapes, with_points(table, xy, ours=False))
    assert found.ok
    assert found.summary["table_system"] == "mirrored"
    # without "global" there is nothing that it must be in
    in_image = {"image": get_transformation(labels, "image")}
    labels = Labels2DModel.parse(labels.data, dims=("y", "x"), transformations=in_image)
    found = verify_elements(labels, shapes, table)
    assert found.ok
    assert found.summary["table_system"] == "image"


def test_a_table_of_others_may_be_in_any_system_and_its_points_anywhere_on_the_cell(good):
    labels, shapes, table = good
    pixels = pixels_of(labels, table)
    to_image = get_transformation(labels, "image").to_affine_matrix(XY, XY)
    um = Sequence([get_transformation(shapes, "image"), Scale([0.2125, 0.2125], XY)])
    to_um = um.to_affine_matrix(XY, XY)
    in_um = other(shapes, shapely.transform(
        shapes.geometry.array, lambda xy: xy @ to_um[:2, :2].T + to_um[:2, 2]
    ), image=Scale([1 / 0.2125, 1 / 0.2125], XY))  # fmt: skip
    del in_um.attrs["transform"]["global"], in_um.attrs["transform"]["mirrored"]
    in_image = pixels @ to_image[:2, :2].T + to_image[:2, 2]
    for xy, system in (
        (table.obsm["spatial"], "global"),
        (in_image, "global"),
        (pixels, "pixels of the labels"),
        (pixels - 0.5, "pixels of the labels"),
        (np.add(pixels, (5, -5)), "pixels of the labels"),
        (0.2125 * in_image, "coordinates of the shapes"),
        (np.column_stack([in_image, np.arange(20)]), "global"),
    ):
        found = verify_elements(labels, in_um, with_points(table, xy, ours=False))
        assert found.ok, system
        assert found.summary["table_system"] == system
    for xy in (1e4 * pixels, pixels[::-1], np.zeros((20, 2)), np.full((20, 2), np.nan)):
        found = verify_elements(labels, in_um, with_points(table, xy, ours=False))
        assert found.ok
        assert found.summary["table_system"] == "unknown"
        assert "obsm['spatial'] of the table fits no coordinate system" in str(found)
        assert found.cells["table_offset"].isna().all()
    for xy in (np.zeros((20, 1)), np.array([["a", "b"]] * 20)):
        found = verify_elements(labels, in_um, with_points(table, xy, ours=False))
        assert found.ok
        assert found.summary["table_system"] is None


def test_one_row_of_several_lies_elsewhere(good):
    """A table may annotate both elements: each of its rows must lie on its cell."""
    labels, shapes, table = good
    both = ad.concat([table, table], uns_merge="same", index_unique="-")
    both.obs["region"] = pd.Categorical(["a"] * 20 + ["b"] * 20)
    assert verify_elements(labels, shapes, both).ok
    both.obsm["spatial"][26] += 40
    found = verify_elements(labels, shapes, both)
    assert found.summary["problems"] == {"table lies elsewhere": {"count": 1, "ids": [7]}}
    assert found.cells.loc[7, "table_offset"] > 40


@pytest.mark.parametrize("factor", some([3, 1], 1))
def test_a_filter_of_a_subclass_that_moves_the_cells_after_ours(tmp_path, factor):
    """Whose audit is kept for it: the masks have moved, the table has not."""
    post = processed(tissue(), factor)
    xy = post.table.obsm["spatial"] + (5 * factor, 0)
    table = with_points(post.table, xy)
    assert verify_elements(post.labels_model, post.shapes_model, post.table).ok
    post.table = table
    post.write(tmp_path / "s.zarr")
    found = verify_store(tmp_path / "s.zarr")
    assert found.summary["problems"]["table lies elsewhere"]["count"] == 20
    assert f"({5 * factor:+.2f}, +0.00) px" in found.summary["causes"][0]


def test_agreement(good):
    found = verify_elements(*good)
    assert found.ok
    assert found.summary["problems"] == {}
    assert found.summary["causes"] == []
    assert (found.cells["problem"] == "").all()
    assert found.cells.index.tolist() == sorted(EVERY)
    assert found.cells[["in_labels", "in_shapes", "in_table", "valid"]].all(axis=None)
    assert list(found.summary["systems"]) == ["global", "image", "mirrored"]
    assert found.summary["mask_pixel"] == FACTOR
    image = good[0].to_numpy()
    assert found.cells["pixels"].tolist() == np.bincount(image.ravel())[1:].tolist()
    assert "all agree" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["disagreeing"] == []


def test_without_a_table(good):
    labels, shapes, _ = good
    found = verify_elements(labels, shapes)
    assert found.ok
    assert found.cells["in_table"].isna().all()
    assert found.summary["in_table"] is None
    assert "no table" in str(found)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 16])
@pytest.mark.parametrize("picture", [
    "1", "1. .1", "11 .1", "1.1 .1. 1.1", "12 21", "12. 21. ..3",
    "11111 12221 12321 12221 11111", "111 1.1 111", "1111. 1..1. 1.2.1 1..1. 1111.",
    "1.1.1.1 1.1.1.1 1111111", "123 456 789",
])  # fmt: skip
def test_cells_of_any_size_and_shape_agree(picture, factor):
    """Single pixels, diagonals, crossings, rings, nested cells, combs."""
    found = processed(draw(picture), factor, origin=(-7, 3)).verify()
    assert found.ok, str(found)
    assert found.cells["iou"].min() >= 0.5
    if factor == 1:
        assert (found.cells["iou"] == 1).all()


def test_enclosed_cells_are_no_problem_and_their_overlap_is_told():
    image = draw("11111 1...1 1.2.1 1...1 11111").repeat(3, 0).repeat(3, 1)
    found = processed(image, 1).verify()
    assert found.ok
    assert found.cells["overlap"].tolist() == [9, 9]


def ring(*corners):
    with np.errstate(invalid="ignore"):  # of coordinates that are no numbers
        return shapely.Polygon(corners)


NO_POLYGONS = {
    "none": None,
    "empty": shapely.Polygon(),
    "empty multipolygon": shapely.MultiPolygon(),
    "multipolygon of nothing": shapely.MultiPolygon([shapely.Polygon()]),
    "infinite": ring((0, 0), (9, 0), (9, np.inf)),
    "not a number": ring((0, 0), (9, np.nan), (9, 9)),
    "partly infinite": shapely.MultiPolygon(
        [ring((0, 0), (4, 0), (4, 4)), ring((9, 9), (15, 9), (15, np.inf))]
    ),
}


def with_geometry(shapes, replaced):
    """Shapes with other geometries, by label, which SpatialData need not accept."""
    changed = shapes.copy()
    geometry = np.array(shapes.geometry, dtype=object)
    geometry[[shapes.index.get_loc(label) for label in replaced]] = [*replaced.values()]
    changed.geometry = gpd.GeoSeries(geometry, shapes.index)
    return changed


@pytest.mark.parametrize("label", [1, 7, 20])
@pytest.mark.parametrize("geometry", NO_POLYGONS.values(), ids=NO_POLYGONS)
def test_a_polygon_that_cannot_be_drawn_is_an_invalid_polygon(good, geometry, label):
    labels, shapes, table = good
    found = verify_elements(labels, with_geometry(shapes, {label: geometry}), table)
    assert found.cells.loc[label, "problem"] == "invalid polygon; different outline"
    assert (found.cells["problem"] != "").sum() == 1
    assert found.cells.loc[label, "iou"] == 0
    assert np.isnan(found.cells.loc[label, "centroid_offset"])
    assert found.summary["causes"] == []
    assert "invalid polygon" in str(found)


@pytest.mark.parametrize("batch", [16, 1 << 19])
@pytest.mark.parametrize("last", [1, 4, 20])
def test_many_polygons_that_cannot_be_drawn(good, last, batch, monkeypatch):
    """The first, all, or all but the first, of all kinds."""
    monkeypatch.setattr("postseg.verify.footprints._BATCH", batch)
    labels, shapes, table = good
    kinds = [*NO_POLYGONS.values()] * 3
    for bad in (range(1, last + 1), range(21 - last, 21)):
        replaced = dict(zip(bad, kinds, strict=False))
        found = verify_elements(labels, with_geometry(shapes, replaced), table)
        problem = found.cells["problem"]
        assert problem.index[problem != ""].tolist() == [*bad]
        assert set(problem[problem != ""]) == {"invalid polygon; different outline"}
        assert found.summary["causes"] == []
        assert "invalid polygon" in str(found)


def test_no_polygons_at_all(good):
    labels, shapes, table = good
    found = verify_elements(labels, shapes[:0], table)
    assert set(found.cells["problem"]) == {"no polygon"}
    assert found.summary["problems"]["no polygon"]["count"] == 20
    assert found.summary["causes"] == []
    assert "no polygon" in str(found)
    nothing = labels.copy(data=labels.data * 0)
    assert verify_elements(nothing, shapes[:0], table[:0].copy()).ok


def test_a_second_polygon_of_a_cell_that_cannot_be_drawn(good):
    labels, shapes, table = good
    twice = with_geometry(shapes, {19: shapely.Polygon()})
    twice.index = np.where(twice.index == 19, 20, twice.index)
    found = verify_elements(labels, twice, table)
    assert found.summary["problems"] == {
        "no polygon": {"count": 1, "ids": [19]},
        "several polygons": {"count": 1, "ids": [20]},
        "invalid polygon": {"count": 1, "ids": [20]},
    }


def test_overlapping_cells(good):
    labels, shapes, table = good
    wide = replaced(shapes, 5, lambda polygon: polygon.buffer(55))
    found = verify_elements(labels, wide, table)
    overlapping = found.cells.index[found.cells["problem"].str.contains("overlap")]
    assert 5 in overlapping
    assert len(overlapping) > 1
    assert (found.cells.loc[overlapping, "overlap"] > 0).all()
    drawn = found.cells["overlap"]
    assert drawn[5] >= drawn.drop(5).max()


def test_touching_cells_do_not_overlap():
    found = processed(draw("1122 1122 3344 3344").repeat(9, 0).repeat(9, 1), 3).verify()
    assert (found.cells["overlap"] == 0).all()


def test_systems_that_disagree(good):
    labels, shapes, table = good
    to_image = get_transformation(shapes, "image")
    far = other(shapes, image=Sequence([to_image, Translation([12, 0], XY)]))
    found = verify_elements(labels, far, table)
    assert not found.ok
    assert found.summary["systems"]["global"]["max_offset"] < 0.5
    assert found.summary["systems"]["image"]["median_offset"] == pytest.approx([12, 0], abs=0.1)
    assert (found.cells["centroid_offset"] > 11).all()
    first, second = found.summary["causes"]
    assert "'global', 'mirrored' and 'image' put the polygons at different places" in first
    assert second.startswith("In 'image': The polygons lie (+12.00, +0.00) px")
    near = other(shapes, image=Sequence([to_image, Translation([0.01, 0], XY)]))
    found = verify_elements(labels, near, table)
    assert not found.ok
    assert "the coordinate systems disagree" in str(found)


def test_any_units_and_any_shared_system_will_do(good):
    labels, shapes, _ = good
    microns = Scale([0.2125, 0.2125], XY)
    labels = Labels2DModel.parse(labels.data, dims=("y", "x"), transformations={"um": microns})
    to_pixels = get_transformation(good[1], "image").to_affine_matrix(XY, XY)
    to_pixels = Translation(-4 * np.array([-33, 101]), XY).to_affine_matrix(XY, XY) @ to_pixels
    on_pixels = shapely.transform(
        shapes.geometry.array, lambda xy: xy @ to_pixels[:2, :2].T + to_pixels[:2, 2]
    )
    um = ShapesModel.parse(
        gpd.GeoDataFrame(
            geometry=shapely.transform(on_pixels, lambda xy: 0.2125 * xy), index=shapes.index
        ),
        transformations={"um": Identity(), "other": Identity()},
    )
    found = verify_elements(labels, um)
    assert found.ok
    assert list(found.summary["systems"]) == ["um"]
    assert found.summary["mask_pixel"] == FACTOR
    with pytest.raises(
        ValueError, match=r"no coordinate system in common: .* um, .* global, image"
    ):
        verify_elements(labels, shapes)


@pytest.mark.parametrize("scale_factors", [None, [2, 2]])
def test_polygons_of_spatialdata(scale_factors):
    """It takes whole numbers for pixel centres, and holes for parts of their own."""
    image = tissue()
    image[40:42, 36:38] = 0
    labels = Labels2DModel.parse(image, dims=("y", "x"), chunks=37, scale_factors=scale_factors)
    shapes = sd.to_polygons(labels)
    found = verify_elements(labels, shapes)
    assert "(-0.50, -0.50) px (x, y) off their labels, half a pixel" in found.summary["causes"][0]
    set_transformation(shapes, Translation([0.5, 0.5], XY))
    found = verify_elements(labels, shapes)
    assert (found.cells["iou"] == 1).all()
    holed = found.cells.index[~found.cells["valid"]]
    assert len(holed) <= 1
    assert set(found.cells.index[found.cells["problem"] != ""]) == set(holed)


def test_a_polygon_with_just_the_pixels_of_its_label_is_in_place():
    """Though a part of one pixel, outlined, has half a pixel's weight in the centroid."""
    image = np.zeros((5, 90), np.int32)
    image[1:4, 1:4] = image[2, 88] = 1
    image[:, 20:23], image[:, 30:39] = 2, 3
    parts = [shapely.box(1, 1, 4, 4), shapely.Point(88.5, 2.5).buffer(0.5, quad_segs=1)]
    polygons = [shapely.MultiPolygon(parts), shapely.box(20, 0, 23, 5), shapely.box(30, 0, 39, 5)]
    shapes = gpd.GeoDataFrame(geometry=polygons, index=[1, 2, 3])
    labels = Labels2DModel.parse(image, dims=("y", "x"))
    found = verify_elements(labels, ShapesModel.parse(shapes))
    assert found.cells.loc[1, "iou"] == 1
    assert found.cells.loc[1, "centroid_offset"] > 2
    assert found.summary["problems"] == {}


def test_cells_with_their_holes_cut_out_agree_too():
    image = draw("1111111 1111111 11...11 11...11 1111111 1111111")
    labels = Labels2DModel.parse(image.astype(np.int32), dims=("y", "x"))
    ring = shapely.box(0, 0, 7, 6) - shapely.box(2, 2, 5, 4)
    for polygon in (ring, shapely.box(0, 0, 7, 6)):
        shapes = ShapesModel.parse(gpd.GeoDataFrame(geometry=[polygon], index=[1]))
        found = verify_elements(labels, shapes)
        assert found.ok
        assert found.cells.loc[1, "iou"] == 1
        assert found.cells.loc[1, "centroid_offset"] == 0
    half = shapely.box(0, 0, 7, 6) - shapely.box(0, 0, 5, 4)
    shapes = ShapesModel.parse(gpd.GeoDataFrame(geometry=[half], index=[1]))
    assert not verify_elements(labels, shapes).ok


def test_ids_as_text(good):
    labels, shapes, table = good
    assert verify_elements(labels, other(shapes, index=shapes.index.astype(str)), table).ok
    with pytest.raises(ValueError, match="holds the id cell_1, which is no label value"):
        verify_elements(labels, other(shapes, index=[f"cell_{i}" for i in shapes.index]))
    with pytest.raises(ValueError, match=r"holds the id 0\.5, which is no label value"):
        verify_elements(labels, other(shapes, index=shapes.index / 2))


def test_circles_are_refused(good):
    circles = ShapesModel.parse(np.ones((3, 2)), geometry=0, radius=1, index=[1, 2, 3])
    with pytest.raises(ValueError, match=r"3 geometries of type Point; .*to_polygons\(\)"):
        verify_elements(good[0], circles)


def test_of_the_class():
    post = PostSegmentation(tissue(), 2, verbose=False)
    assert post.verify().ok  # with its steps not run yet
    post.process_labels(scale_factors=[2])
    assert post.verify().ok
    post.shapes_model = post.shapes_model.drop(3)
    assert post.verify().summary["problems"] == {"no polygon": {"count": 1, "ids": [3]}}


# ---- labels that were cropped, and labels that were stretched


@pytest.fixture(scope="module")
def cropped(good):
    """A box of labels, shapes and table, as SpatialData cuts it out; its corners in pixels."""
    labels, shapes, table = good
    sdata = sd.SpatialData(
        labels={"cells": labels}, shapes={"cells_shapes": shapes}, tables={"table": table}
    )
    corner = get_transformation(labels, "image").to_affine_matrix(XY, XY)[:2, 2]
    low, high = np.add(corner, (70, 60)), np.add(corner, (330, 290))
    found = sdata.query.bounding_box(XY, low, high, target_coordinate_system="image")
    return found["cells"], found["cells_shapes"], found["table"], labels.to_numpy()


def test_polygons_that_reach_beyond_cropped_labels_have_a_line_of_their_own(cropped):
    labels, shapes, table, whole = cropped
    pixels = np.bincount(whole.ravel(), minlength=21)
    left = np.bincount(labels.to_numpy().ravel(), minlength=21)
    cut = [i for i in sorted(shapes.index) if 0 < left[i] < pixels[i]]
    gone = [i for i in shapes.index if not left[i]]
    assert 3 < len(cut) < len(shapes) - 3
    found = verify_elements(labels, shapes, table)
    problems = found.summary["problems"]
    expected = {"beyond the labels", "not in the labels"} if gone else {"beyond the labels"}
    assert set(problems) == expected
    assert found.cells.index[found.cells["problem"] == "beyond the labels"].tolist() == cut
    assert f"{len(cut)} polygons reach beyond the labels and fit them within" in str(found)
    assert found.summary["systems"]["image"]["max_offset"] < 0.5


def test_what_lies_within_cropped_labels_is_still_judged(cropped):
    labels, shapes, table, _ = cropped
    far = other(shapes, shapes.geometry.translate(4, 0))
    assert far.shape == shapes.shape
    found = verify_elements(labels, far, table)
    assert found.summary["problems"]["misplaced"]["count"] > len(shapes) / 2
    assert any("(+4.00, +0.00) px" in text for text in found.summary["causes"])


@pytest.mark.parametrize("shape", [(407, 481), (330, 613), (250, 161)])
def test_the_mask_pixel_of_stretched_labels_is_found(shape):
    masks = tissue()[::2, ::3]
    assert masks.shape[0] < shape[0]
    post = processed(masks, 1, image_shape=shape)
    found = post.verify()
    assert found.ok
    sides = np.divide(shape, masks.shape)
    expected = sides.max() if sides.min() >= 1.5 else 1
    assert found.summary["mask_pixel"] == pytest.approx(expected)


@pytest.mark.parametrize("side", [1, 2, 3])
@pytest.mark.parametrize("shape", [(43, 29), (57, 31), (131, 78), (60, 131)])
def test_small_cells_of_stretched_masks_agree(side, shape):
    """Of a mask pixel of 1.6 pixels, the labels have one or two: half of a polygon and more."""
    masks = np.kron(np.arange(1, 82).reshape(9, 9), np.pad(np.ones((side, side)), (0, 1)))
    masks = masks[:27, :19].astype(int)
    config = {"min_absolute_area": 0, "min_area": None}
    post = PostSegmentation(masks, image_shape=shape, filter_config=config, verbose=False)
    found = post.verify()
    assert found.ok, found
