"""Pyramids of labels: built by hand, and in everything what SpatialData itself would have made."""

import copy
import json
import pickle

import dask.array as da
import numpy as np
import pytest
import spatialdata as sd
import xarray as xr
from numpy.testing import assert_array_equal
from spatialdata.models import Labels2DModel
from spatialdata.transformations import get_transformation

from postseg._support.progress import shown_by
from postseg.elements.build import labels_element, write_store
from postseg.elements.writing import write_elements
from postseg.raster.enlarge import resize_lazily
from postseg.raster.pyramid import pyramid_shapes

SYSTEMS = {
    "global": np.array([[2.0, 0, 5], [0, -2, 7], [0, 0, 1]]),
    "image": np.array([[1.0, 0, 30], [0, 1, 40], [0, 0, 1]]),
}
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


@pytest.mark.parametrize("factors", FACTORS)
def test_its_metadata_are_those_that_spatialdata_writes(factors, tmp_path):
    element = made(factors)
    sdata = sd.SpatialData(labels={"cells": element}, attrs={"from": "a scanner"})
    sdata.write(tmp_path / "theirs.zarr", update_sdata_path=False)
    write_elements(sdata, tmp_path / "mine.zarr")
    assert sdata["cells"] is element
    assert sdata.path is None

    def metadata(store):
        files = (tmp_path / store).rglob("zarr.json")
        return {str(f.relative_to(tmp_path / store)): json.loads(f.read_text()) for f in files}

    mine, theirs = metadata("mine.zarr"), metadata("theirs.zarr")
    ome = theirs["labels/cells/zarr.json"]["attributes"]["ome"]
    ome.setdefault("image-label", {"version": "0.5"})  # SpatialData 0.7 forgets it of pyramids
    assert mine == theirs


@pytest.mark.parametrize("factors", [[], [2]])
def test_writing_computes_every_chunk_once_and_stores_none_without_cells(factors, tmp_path):
    computed = []

    def note(block, block_info=None):
        computed.append((block_info[0]["shape"], block_info[0]["chunk-location"]))
        return block

    image = np.zeros((40, 60), np.int32)
    image[:10, :10] = 3
    levels = [
        da.from_array(image[::step, ::step], chunks=10).map_blocks(
            note, meta=np.empty((0, 0), np.int32)
        )
        for step in np.cumprod([1, *factors])
    ]
    write_store(tmp_path / "s.zarr", {"cells": labels_element(levels, "cells")}, {})
    assert len(computed) == len(set(computed)) == sum(level.npartitions for level in levels)
    for i in range(len(levels)):
        folder = tmp_path / f"s.zarr/labels/cells/s{i}"
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert sorted(path.relative_to(folder).as_posix() for path in files) == [
            "c/0/0",
            "zarr.json",
        ]
    assert_array_equal(scales(sd.read_zarr(tmp_path / "s.zarr")["cells"])[0], image)


@pytest.mark.parametrize("factors", [[], [2]])
def test_progress_counts_the_chunks_of_all_levels(factors, tmp_path):
    shown = []
    with shown_by(lambda text, part: shown.append((text, part))):
        write_store(tmp_path / "s.zarr", {"cells": made(factors, chunks=(21, 36))}, {})
    total = 5 if factors else 4
    assert shown == [("Writing", pytest.approx(i / total)) for i in range(total + 1)]
