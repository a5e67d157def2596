"""Layers for napari lie where they should over an image, and tell what was rejected."""

import sys
from itertools import chain

import dask.array as da
import geopandas as gpd
import numpy as np
import pytest
import shapely
from drawing import OFF, draw
from skimage.measure import label
from tampering import tissue

from postseg import PostSegmentation
from postseg.show.napari import outlines

SMALL = {**OFF, "min_absolute_area": 120, "max_eccentricity": 0.7}
PLACES = pytest.mark.parametrize(
    ("factor", "origin"), [(0, (0, 0)), (1, (7, 3)), (4, (0, 0)), (4, (3, 10.5))]
)


def processed(masks=None, factor=4, kind=PostSegmentation, **kwargs):
    masks = tissue() if masks is None else masks
    return kind(masks, factor, "cells", filter_config=SMALL, verbose=False, **kwargs)


def as_polygons(rings):
    return [shapely.Polygon(ring[:, ::-1]) for ring in rings]


def test_names_and_types_without_napari():
    layers = processed().to_napari()
    assert [(kwargs["name"], kind) for _, kwargs, kind in layers] == [
        ("cells", "labels"),
        ("cells_rejected", "labels"),
        ("cells_shapes", "shapes"),
    ]
    assert all(kwargs.get("visible", True) for _, kwargs, _ in layers)
    assert "napari" not in sys.modules


@PLACES
def test_labels_lie_over_the_image(factor, origin):
    post = processed(factor=factor, origin=origin)
    survivors, rejected, _ = post.to_napari()
    f = factor or 1
    slide = np.pad(  # an image layer: pixel j is centred at j
        np.kron(tissue(), np.ones((f, f), int)), [(int(f * start), 0) for start in origin]
    )
    row, col = np.nonzero(slide)
    number = np.zeros(slide.shape, int)
    for data, kwargs, _ in (survivors, rejected):
        assert kwargs["scale"] == (f, f)
        at = [
            np.round((world - move) / scale).astype(int)
            for world, move, scale in zip(
                (row, col), kwargs["translate"], kwargs["scale"], strict=True
            )
        ]
        number[row, col] += np.where(data[tuple(at)] > 0, tissue()[tuple(at)], 0)
        # and in the middle of its f x f pixels
        inside = (np.array([row, col]).T - kwargs["translate"]) / f
        assert np.abs(inside - np.round(inside)).max() == (f - 1) / 2 / f
    np.testing.assert_array_equal(number, slide)


@PLACES
def test_outlines_lie_over_the_labels(factor, origin):
    (data, placed, _), _, (rings, kwargs, _) = processed(factor=factor, origin=origin).to_napari()
    f = factor or 1
    row, col = (
        index * scale + move
        for index, scale, move in zip(
            np.indices(data.shape), placed["scale"], placed["translate"], strict=True
        )
    )
    assert kwargs["features"]["label"].tolist() == list(range(1, data.max() + 1))
    for cell, polygon in enumerate(as_polygons(rings), start=1):
        # the outline holds the centres of the cell's pixels, and reaches to their far edges
        inside = shapely.contains_xy(polygon, col, row)
        np.testing.assert_array_equal(inside, data == cell)
        rows, cols = row[inside], col[inside]
        expected = cols.min() - f / 2, rows.min() - f / 2, cols.max() + f / 2, rows.max() + f / 2
        np.testing.assert_allclose(polygon.bounds, expected, atol=1e-9)


def test_rings_are_open_and_edges_only():
    post = processed()
    *_, (rings, kwargs, _) = post.to_napari()
    assert len(rings) == len(post.shapes_model)
    for ring, polygon in zip(rings, post.shapes_model.geometry, strict=True):
        assert ring.shape == (len(polygon.exterior.coords) - 1, 2)  # napari closes them
        assert (ring[0] != ring[-1]).any()
    assert kwargs["shape_type"] == "polygon"
    assert kwargs["face_color"] == "transparent"


def test_several_polygons_of_one_cell():
    parts = shapely.MultiPolygon([shapely.box(0, 0, 2, 1), shapely.box(5, 0, 6, 3)])
    ring = shapely.box(0, 5, 9, 9).difference(shapely.box(2, 6, 3, 7))
    shapes = gpd.GeoDataFrame(geometry=[parts, ring], index=[4, 7])
    rings, kwargs, _ = outlines(shapes, np.eye(3), "shapes")
    assert kwargs["features"]["label"].tolist() == [4, 4, 7]
    assert [polygon.bounds for polygon in as_polygons(rings)] == [
        (-0.5, -0.5, 1.5, 0.5),
        (4.5, -0.5, 5.5, 2.5),
        (-0.5, 4.5, 8.5, 8.5),
    ]


@pytest.mark.parametrize("outline", ["pixels", "simplified"])
def test_outlines_with_holes_and_parts_are_the_outer_rings_of_all_parts(outline):
    masks = np.kron(draw("1114.. 1.1.32 111.23"), np.ones((3, 3), int))
    post = PostSegmentation(masks, 4, outline=outline, filter_config=OFF, verbose=False)
    *_, (rings, kwargs, _) = post.to_napari()
    parts = [
        [label] * shapely.get_num_geometries(geom)
        for label, geom in post.shapes_model.geometry.items()
    ]
    assert kwargs["features"]["label"].tolist() == [*chain(*parts)]
    assert max(map(len, parts)) > 1
    assert post.shapes_model.geometry[1].interiors
    hole = shapely.box(14, 14, 20, 20)
    assert as_polygons(rings)[0].contains(hole)


def test_survivors_are_described():
    post = processed()
    (data, kwargs, _), *_ = post.to_napari()
    np.testing.assert_array_equal(data, post.masks)
    features = kwargs["features"]
    assert features["index"].tolist() == list(range(1, data.max() + 1))
    regions = post.regions.loc[features["region"]]
    assert regions["label"].tolist() == features["index"].tolist()
    assert regions["area"].tolist() == features["area"].tolist()
    assert features["area"].tolist() == np.bincount(data.ravel())[1:].tolist()


def test_rejected_regions_are_described():
    post = processed()
    _, (data, kwargs, _), _ = post.to_napari()
    regions = post.regions
    number = label(tissue(), connectivity=2)
    gone = regions.index[regions["label"] == 0]
    assert 0 < gone.size < len(regions)
    np.testing.assert_array_equal(data, np.where(np.isin(number, gone), number, 0))
    features = kwargs["features"]
    assert features["index"].tolist() == gone.tolist()
    for column in ("reason", "source_label", "area", "eccentricity", "solidity"):
        assert features[column].tolist() == regions.loc[gone, column].tolist()


def test_nothing_rejected():
    post = processed()
    post.refilter(OFF)
    _, (data, kwargs, _), _ = post.to_napari()
    assert not data.any()
    assert data.shape == tissue().shape
    assert kwargs["features"].empty


def test_a_filter_of_ones_own_has_no_rejected_layer():
    class Own(PostSegmentation):
        def filter_cell_by_regionprops(self, seg_masks, **thresholds):
            return np.where(seg_masks % 2, 0, seg_masks).astype(float)

    layers = processed(kind=Own).to_napari()
    assert [kwargs["name"] for _, kwargs, _ in layers] == ["cells", "cells_shapes"]
    assert layers[0][0].dtype == np.int32  # napari takes no fractions for labels
    assert layers[0][1]["features"]["index"].tolist() == np.unique(layers[0][0])[1:].tolist()


def test_lazy_masks_stay_lazy():
    lazy = processed(da.from_array(tissue(), chunks=(40, 50))).to_napari()
    for (data, kwargs, _), (expected, same, _) in zip(
        lazy[:2], processed().to_napari()[:2], strict=True
    ):
        assert isinstance(data, da.Array)
        np.testing.assert_array_equal(data, expected)
        assert kwargs["features"].equals(same["features"])


def test_painting_in_a_layer_leaves_the_masks():
    post = processed()
    (data, *_), *_ = post.to_napari()
    before = post.masks.copy()
    data[:] = 7
    np.testing.assert_array_equal(post.masks, before)
