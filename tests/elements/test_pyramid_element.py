"""Pyramids of labels: built by hand, and in everything what SpatialData itself would have made."""

import copy
import pickle

import numpy as np
import pytest
import spatialdata as sd
import xarray as xr
from numpy.testing import assert_array_equal
from spatialdata.models import Labels2DModel
from spatialdata.transformations import get_transformation

from postseg.elements.build import labels_element, write_store
from postseg.geometry.placement import Systems
from postseg.raster.enlarge import resize_lazily
from postseg.raster.pyramid import pyramid_shapes

SYSTEMS = Systems(
    np.array([[2.0, 0, 5], [0, -2, 7], [0, 0, 1]]), np.array([[1.0, 0, 30], [0, 1, 40], [0, 0, 1]])
)
MASKS = np.kron(np.arange(12).reshape(3, 4), np.ones((7, 9), int)).astype(np.int32)
SHAPE = 42, 72
FACTORS = [[], [2], [2, 3], [4, 1, 2]]


def made(factors, chunks=None):
    levels = resize_lazily(MASKS, pyramid_shapes(SHAPE, factors))
    levels = [level if chunks is None else level.rechunk(chunks) for level in levels]
    return labels_element(levels, "cells", SYSTEMS)


def of_spatialdata(factors):
    """The same by SpatialData, whose levels have other pixels at the edges of cells."""
    mine = made([])
    return Labels2DModel.parse(
        mine.data,
        dims=("y", "x"),
        transformations=get_transformation(mine, get_all=True),
        scale_factors=factors or None,
    )


def scales(element):
    if isinstance(element, xr.DataArray):
        return [element]
    assert [*element] == [f"scale{i}" for i in range(len(element))]
    assert all([*scale] == ["image"] and scale.attrs == {} for scale in element.values())
    assert element.attrs == {}
    return [scale["image"] for scale in element.values()]


@pytest.mark.parametrize("factors", FACTORS)
def test_the_structure_is_that_of_spatialdata(factors):
    mine, theirs = made(factors), of_spatialdata(factors)
    Labels2DModel().validate(mine)
    assert type(mine) is type(theirs)
    assert mine.name == "cells"
    for one, other in zip(scales(mine), scales(theirs), strict=True):
        assert one.dims == other.dims == ("y", "x")
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        assert {*one.coords} == {*other.coords}
        for axis in one.coords:
            xr.testing.assert_identical(one.coords[axis], other.coords[axis])
        assert one.attrs == other.attrs


@pytest.mark.parametrize("factors", FACTORS)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda tree: pickle.loads(pickle.dumps(tree))])
def test_it_can_be_copied(factors, copied):
    element = made(factors)
    again = copied(element)
    assert again.name == element.name
    for one, other in zip(scales(again), scales(element), strict=True):
        xr.testing.assert_identical(one, other)


@pytest.mark.parametrize("factors", FACTORS)
def test_spatialdata_works_with_it_as_with_its_own(factors):
    box = {"min_coordinate": [35, 45], "max_coordinate": [60, 70], "axes": ("x", "y")}
    mine, theirs = made(factors), of_spatialdata(factors)
    centroids = [sd.get_centroids(one).compute() for one in (mine, theirs)]
    assert_array_equal(*centroids)
    for system in ("global", "image"):
        extents = [sd.get_extent(one, coordinate_system=system) for one in (mine, theirs)]
        assert extents[0] == extents[1]
        moved = [sd.transform(one, to_coordinate_system=system) for one in (mine, theirs)]
        assert_array_equal(*(scales(one)[0] for one in moved))
    cut = [
        sd.bounding_box_query(one, **box, target_coordinate_system="image")
        for one in (mine, theirs)
    ]
    assert scales(cut[0])[0].size > 0
    for one, other in zip(*map(scales, cut), strict=True):
        assert one.shape == other.shape
        assert one.attrs == other.attrs
    assert_array_equal(*(scales(one)[0] for one in cut))


# ---- in a store


@pytest.mark.parametrize("factors", FACTORS)
def test_a_store_gives_it_back(factors, tmp_path):
    element = made(factors, chunks=(16, 30))
    write_store(tmp_path / "s.zarr", {"cells": element}, {})
    again = sd.read_zarr(tmp_path / "s.zarr")["cells"]
    Labels2DModel().validate(again)
    assert type(again) is type(element)
    for one, other in zip(scales(again), scales(element), strict=True):
        assert one.dtype == np.int32
        assert one.chunks == other.chunks
        assert_array_equal(one, other)
        for axis in one.coords:
            assert_array_equal(one.coords[axis], other.coords[axis])
        for name, transformation in one.attrs["transform"].items():
            matrix = transformation.to_affine_matrix(("x", "y"), ("x", "y"))
            expected = other.attrs["transform"][name].to_affine_matrix(("x", "y"), ("x", "y"))
            assert_array_equal(matrix, expected)
