"""SpatialData elements: what is written is what `spatialdata.read_zarr` gives back."""

import os
import subprocess
import sys
import time

import dask.array as da
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import spatialdata as sd
from pandas.testing import assert_index_equal
from sampling import some
from spatialdata.models import Labels2DModel, ShapesModel
from spatialdata.transformations import Identity, get_transformation

from postseg.elements.build import labels_element, shapes_element, write_store
from postseg.elements.pixels import read_labels_element
from postseg.files.read import read_label_image


@pytest.fixture
def image():
    return np.kron(np.array([[0, 1, 2], [3, 0, 0]]), np.ones((10, 10))).astype(np.int32)


@pytest.fixture
def labels(image):
    return labels_element([da.from_array(image, chunks=16)], "cells")


@pytest.fixture
def polygons():
    boxes = [shapely.box(10, 0, 20, 10), shapely.box(20, 0, 30, 10), shapely.box(0, 10, 10, 20)]
    names = [f"cell_{label}" for label in (1, 2, 3)]
    return gpd.GeoDataFrame({"region": names, "geometry": boxes}, index=[1, 2, 3])


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_shapes_element_leaves_its_argument_alone(polygons):
    before = polygons.copy()
    element = shapes_element(polygons)
    ShapesModel().validate(element)
    assert get_transformation(element) == Identity()
    assert polygons.attrs == {}
    pd.testing.assert_frame_equal(polygons, before)
    pd.testing.assert_frame_equal(pd.DataFrame(element), pd.DataFrame(before))


def test_labels_element_is_lazy():
    def explode(block):
        raise AssertionError("computed")

    lazy = da.map_blocks(explode, da.zeros((20, 30), np.int32), dtype=np.int32)
    element = labels_element([lazy], "cells")
    Labels2DModel().validate(element)
    assert element.name == "cells"
    assert element.dims == ("y", "x")
    assert element.shape == (20, 30)
    assert get_transformation(element) == Identity()


def test_store_reads_back(tmp_path, image, labels, polygons):
    write_store(tmp_path / "s.zarr", {"cells": labels}, {"cells_shapes": shapes_element(polygons)})
    sdata = sd.read_zarr(tmp_path / "s.zarr")
    np.testing.assert_array_equal(sdata.labels["cells"], image)
    assert_index_equal(sdata.shapes["cells_shapes"].index, polygons.index)
    assert sdata.shapes["cells_shapes"].geometry.geom_equals(polygons.geometry).all()
    assert list(sdata.shapes["cells_shapes"]["region"]) == ["cell_1", "cell_2", "cell_3"]
    assert names(tmp_path) == ["s.zarr"]


def test_existing_store_is_refused_untouched(tmp_path, labels, polygons):
    (tmp_path / "s.zarr").mkdir()
    (tmp_path / "s.zarr" / "zarr.json").write_text("old")
    with pytest.raises(FileExistsError, match=r"s.zarr exists"):
        write_store(tmp_path / "s.zarr", {"cells": labels}, {})
    assert names(tmp_path / "s.zarr") == ["zarr.json"]


def test_overwrite(tmp_path, labels, polygons):
    write_store(tmp_path / "s.zarr", {"old": labels}, {"old_shapes": shapes_element(polygons)})
    write_store(tmp_path / "s.zarr", {"cells": labels}, {}, overwrite=True)
    assert [name for _, name, _ in sd.read_zarr(tmp_path / "s.zarr").gen_elements()] == ["cells"]


@pytest.mark.parametrize("exception", [OSError, KeyboardInterrupt])
def test_failure_while_writing_leaves_the_old_store(tmp_path, labels, monkeypatch, exception):
    write_store(tmp_path / "s.zarr", {"old": labels}, {})

    def fail(*args, **kwargs):
        raise exception("No space left")

    monkeypatch.setattr(sd.SpatialData, "write_consolidated_metadata", fail)
    with pytest.raises(exception, match="No space left"):
        write_store(tmp_path / "s.zarr", {"cells": labels}, {}, overwrite=True)
    assert [name for _, name, _ in sd.read_zarr(tmp_path / "s.zarr").gen_elements()] == ["old"]
    assert names(tmp_path) == ["s.zarr"]


def write_with_spatialdata(path, **labels):
    elements = {name: Labels2DModel.parse(image, **kw) for name, (image, kw) in labels.items()}
    sd.SpatialData(labels=elements).write(path)


def test_only_labels_element_is_read(tmp_path, image):
    write_with_spatialdata(tmp_path / "s.zarr", nuclei=(image, {"dims": ("y", "x")}))
    for read in (read_labels_element, read_label_image):
        result = read(tmp_path / "s.zarr")
        np.testing.assert_array_equal(result, image)
        assert isinstance(result, np.ndarray)


def test_element_is_chosen_by_name(tmp_path, image):
    dims = {"dims": ("y", "x")}
    path = tmp_path / "s.zarr"
    write_with_spatialdata(path, nuclei=(image, dims), cells=(image * 2, dims))
    np.testing.assert_array_equal(read_label_image(path, element="cells"), image * 2)
    with pytest.raises(ValueError, match=r"has 2: cells, nuclei. Choose one with .*--element"):
        read_label_image(path)
    with pytest.raises(
        ValueError, match=r"no labels element is called 'tissue'. It has: cells, nuclei\."
    ):
        read_label_image(path, element="tissue")


def test_finest_scale_is_read(tmp_path, image):
    dims = {"dims": ("y", "x"), "scale_factors": [2, 2]}
    write_with_spatialdata(tmp_path / "s.zarr", nuclei=(image, dims))
    np.testing.assert_array_equal(read_label_image(tmp_path / "s.zarr"), image)


def test_store_in_zarr_format_2(tmp_path, image):
    from spatialdata._io.format import SpatialDataContainerFormatV01

    sdata = sd.SpatialData(labels={"nuclei": Labels2DModel.parse(image, dims=("y", "x"))})
    sdata.write(tmp_path / "s.zarr", sdata_formats=SpatialDataContainerFormatV01())
    assert (tmp_path / "s.zarr" / ".zgroup").exists()
    np.testing.assert_array_equal(read_label_image(tmp_path / "s.zarr"), image)


def test_store_without_labels(tmp_path, polygons):
    write_store(tmp_path / "s.zarr", {}, {"cells_shapes": shapes_element(polygons)})
    with pytest.raises(ValueError, match="must have one labels element, but has 0: none"):
        read_label_image(tmp_path / "s.zarr")


@pytest.mark.parametrize("broken", ["zarr.json", "labels/nuclei/zarr.json"])
def test_damaged_store(tmp_path, image, broken):
    write_with_spatialdata(tmp_path / "s.zarr", nuclei=(image, {"dims": ("y", "x")}))
    (tmp_path / "s.zarr" / broken).write_text("{")
    with pytest.raises(OSError, match=r"s.zarr cannot be read"):
        read_label_image(tmp_path / "s.zarr")


def test_labels_without_metadata(tmp_path, image):
    path = tmp_path / "s.zarr"
    write_with_spatialdata(path, nuclei=(image, {"dims": ("y", "x")}))
    (path / "labels/nuclei/zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    with pytest.raises(OSError, match=r"s.zarr cannot be read: .*multiscales"):
        read_label_image(path)


KILLED = """
import time
from pathlib import Path
import dask.array as da
import geopandas, spatialdata
from postseg.elements.build import labels_element, shapes_element, write_store

def block(*args, **kwargs):
    Path("reached").touch()
    time.sleep(600)

{place} = block
polygon = geopandas.GeoSeries.from_wkt(["POLYGON ((0 0, 1 0, 1 1, 0 0))"])
shapes = shapes_element(geopandas.GeoDataFrame(geometry=polygon))
labels = labels_element([da.ones((8, 8), dtype="int32")], "new")
write_store("s.zarr", {{"new": labels}}, {{"new_shapes": shapes}}, overwrite=True)
"""


@pytest.mark.parametrize(
    ("place", "before"),
    some(
        [
            ("spatialdata.SpatialData.write_consolidated_metadata", False),  # all is written
            ("geopandas.GeoDataFrame.to_parquet", True),  # the labels are, as in test_scratch
        ],
        1,
    ),
)
def test_killed_while_writing(tmp_path, labels, place, before):
    if before:
        write_store(tmp_path / "s.zarr", {"old": labels}, {})
    script = KILLED.format(place=place)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, env=env)
    while not (tmp_path / "reached").exists():
        assert process.poll() is None, "the process ended before the write"
        time.sleep(0.05)
    process.kill()
    process.wait()
    [partial] = tmp_path.glob("s.zarr.partial-*/s.zarr")
    assert (partial / "labels/new").exists()
    assert (tmp_path / "s.zarr").exists() == before
    if before:
        sdata = sd.read_zarr(tmp_path / "s.zarr")
        assert [name for _, name, _ in sdata.gen_elements()] == ["old"]
        np.testing.assert_array_equal(sdata.labels["old"], labels)
