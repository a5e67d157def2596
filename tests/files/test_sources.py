"""No output takes the place of what lazy masks are read from."""

import dask
import dask.array as da
import numpy as np
import pytest
import spatialdata as sd
import tifffile
import xarray as xr
import zarr
from drawing import OFF, squares
from light import light_tables
from sampling import some
from spatialdata.models import Labels2DModel
from trees import snapshot

from postseg import PostSegmentation
from postseg.raster.sources import files_behind

MASKS = squares(12, 13, 2).astype(np.int32)


@pytest.fixture(autouse=True)
def light(monkeypatch):
    """What a table holds is no matter here."""
    light_tables(monkeypatch)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def from_spatialdata(path):
    labels = Labels2DModel.parse(MASKS, dims=("y", "x"))
    sd.SpatialData(labels={"cells": labels}).write(path)
    return sd.read_zarr(path)["cells"]


def from_pyramid(path):
    labels = Labels2DModel.parse(MASKS, dims=("y", "x"), scale_factors=[2])
    sd.SpatialData(labels={"cells": labels}).write(path)
    return sd.read_zarr(path)["cells"]


def from_postseg(path):
    PostSegmentation(MASKS, label_name="cells", filter_config=OFF, verbose=False).write(path)
    return sd.read_zarr(path)["cells"]


def from_zarr(path):
    return da.from_zarr(array(path).store)


def from_open_array(path):
    return array(path)


def from_array_in_a_group(path):
    stored = zarr.open_group(path, mode="w").create_array("cells", data=MASKS)
    return da.from_array(stored)


def from_xarray(path):
    xr.Dataset({"cells": (("y", "x"), MASKS)}).to_zarr(path, consolidated=False)
    return xr.open_zarr(path, consolidated=False)["cells"]


def after_work(path):
    return (da.from_array(array(path))[1:].rechunk((5, 7)) * 2).map_blocks(lambda block: block + 0)


def from_tasks(path):
    array(path)
    read = dask.delayed(lambda name: zarr.open_array(name, mode="r")[...])(str(path))
    return da.from_delayed(read, MASKS.shape, np.int32)


def from_closure(path):
    array(path)
    read = dask.delayed(lambda: zarr.open_array(path, mode="r")[...])()
    return da.from_delayed(read, MASKS.shape, np.int32)


def array(path):
    return zarr.create_array(path, data=MASKS, chunks=(8, 8))


STORES = [
    from_spatialdata,
    from_pyramid,
    from_postseg,
    from_zarr,
    from_open_array,
    from_array_in_a_group,
    from_xarray,
    after_work,
    from_tasks,
    from_closure,
]
stores = pytest.mark.parametrize("lazy", STORES)


@stores
def test_a_store_that_masks_are_read_from(folder, monkeypatch, lazy):
    post = PostSegmentation(lazy(folder / "s.zarr"), filter_config=OFF, verbose=False)
    (folder / "link.zarr").symlink_to("s.zarr")
    (folder / "s.zarr" / "cells").mkdir(exist_ok=True)
    before = snapshot(folder)
    step = "process_masks_to_shapes"
    monkeypatch.setattr(PostSegmentation, step, lambda _: pytest.fail("work was done"))
    for write in (post.write, post.export, post.write_report):
        for name in ("s.zarr", "link.zarr", "s.zarr/new.zarr", "s.zarr/cells/x.zarr"):
            refused = rf"{name} (is or overlaps|lies in the Zarr store) .*s\.zarr"
            with pytest.raises(ValueError, match=refused):
                write(name, overwrite=True)
    assert snapshot(folder) == before


def test_a_store_of_the_image(folder):
    post = PostSegmentation(MASKS, label_name="cells", filter_config=OFF, verbose=False)
    post.write("tissue.zarr")
    tissue = sd.read_zarr("tissue.zarr")["cells"]
    with pytest.raises(ValueError, match=r"tissue\.zarr is or overlaps"):
        post.write_report("tissue.zarr", tissue, overwrite=True)


@pytest.mark.parametrize("view", [np.asarray, lambda image: image[1:].T[2:], xr.DataArray])
def test_a_memory_map(folder, view):
    np.save("m.npy", MASKS)
    image = view(np.load("m.npy", mmap_mode="r"))
    assert files_behind(image) == [str(folder / "m.npy")]
    post = PostSegmentation(image, filter_config=OFF, verbose=False)
    post.refilter()
    before = snapshot(folder)
    with pytest.raises(ValueError, match=r"m\.npy is or overlaps .*m\.npy"):
        post.write_report("m.npy", overwrite=True)
    assert snapshot(folder) == before


def test_a_file_that_tasks_read(folder):
    tifffile.imwrite("m.tif", MASKS)
    lazy = da.from_delayed(dask.delayed(tifffile.imread)("m.tif"), MASKS.shape, np.int32)
    post = PostSegmentation(lazy, filter_config=OFF, verbose=False)
    before = snapshot(folder)
    with pytest.raises(ValueError, match=r"m\.tif is or overlaps m\.tif"):
        post.export("m.tif", overwrite=True)
    assert snapshot(folder) == before


@pytest.mark.parametrize("lazy", some(STORES, 3))
def test_other_places_are_free(folder, lazy):
    masks = lazy(folder / "s.zarr")
    post = PostSegmentation(masks, filter_config=OFF, verbose=False)
    post.write("t.zarr")
    post.export("s.csv")
    post.write("t.zarr", overwrite=True)
    expected = PostSegmentation(np.asarray(post.masks), filter_config=OFF, verbose=False)
    expected.process_masks_to_shapes()
    np.testing.assert_array_equal(sd.read_zarr("t.zarr")["labels"], expected.masks)


def test_nothing_is_computed_and_what_is_in_memory_has_no_files():
    def explode(block):
        raise AssertionError("computed")

    lazy = da.map_blocks(explode, da.zeros((20, 30), np.int32), dtype=np.int32)
    for image in (lazy, MASKS, MASKS.tolist(), None, xr.DataArray(MASKS), da.from_array(MASKS)):
        assert [file for file in files_behind(image) if "zarr" in file or "npy" in file] == []
