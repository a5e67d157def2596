"""A store and GeoParquet keep holes and parts of outlines, and what kind they are."""

from shutil import copytree

import geopandas as gpd
import numpy as np
import pytest
import shapely
import spatialdata as sd
import zarr
from anndata.io import write_elem
from drawing import OFF, draw

from postseg import PostSegmentation
from postseg.elements import parquet
from postseg.restoring import restore

pytestmark = pytest.mark.filterwarnings("ignore:zarr v3 autosharding")  # of anndata, on writing

MASKS = draw("11111...222 1...1...222 1...1.22... 11111.22... ........... .....34.... .....43....")
AUDIT = "tables/cells_table/uns/postseg"


def outlined(outline):
    return PostSegmentation(MASKS, 4, "cells", outline=outline, filter_config=OFF, verbose=False)


def assert_kept(geometry, post):
    geometry, expected = (np.array(some) for some in (geometry, post.shapes_model.geometry))
    assert shapely.equals_identical(geometry, expected).all()
    assert set(shapely.get_type_id(geometry)) == {3, 6}
    assert shapely.get_num_interior_rings(geometry).any()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store, to be read only, and what wrote it."""
    path, post = tmp_path_factory.mktemp("store") / "s.zarr", outlined("pixels")
    post.write(path)
    return path, post


def test_a_store_keeps_them(store):
    path, post = store
    sdata = sd.read_zarr(path)
    assert_kept(sdata["cells_shapes"].geometry, post)
    assert str(sdata["cells_table"].uns["postseg"]["outline"]) == "pixels"


def test_what_a_store_restores_outlines_as_before(store):
    path, post = store
    restored = restore(path)
    assert restored.outline == "pixels"
    assert_kept(restored.process_masks_to_shapes()[2].geometry, post)
    assert restore(path, outline="contour").outline == "contour"


@pytest.mark.parametrize(("stored", "found"), [(None, "contour"), ("smooth", None)])
def test_a_store_of_an_older_or_a_newer_version(store, tmp_path, stored, found):
    copytree(store[0], tmp_path / "s.zarr")
    audit = zarr.open_group(tmp_path / "s.zarr" / AUDIT)
    del audit["outline"]
    if stored:
        write_elem(audit, "outline", stored)
    if found:
        assert restore(tmp_path / "s.zarr").outline == found
    else:
        with pytest.raises(OSError, match=r"s\.zarr cannot be read: outline is 'smooth'; give "):
            restore(tmp_path / "s.zarr")


@pytest.mark.parametrize("outline", ["pixels", "simplified"])
@pytest.mark.parametrize("rows", [1 << 13, 3], ids=["at once", "in batches"])
def test_geoparquet_keeps_them(tmp_path, outline, rows, monkeypatch):
    monkeypatch.setattr(parquet, "ROWS", rows)
    post = outlined(outline)
    post.export(tmp_path / "c.parquet")
    cells = gpd.read_parquet(tmp_path / "c.parquet")
    to_image = sd.transform(post.shapes_model, to_coordinate_system="image")
    assert shapely.equals_identical(cells.geometry.array, to_image.geometry.array).all()
    assert set(cells.geom_type) == {"Polygon", "MultiPolygon"}
    assert cells.geometry[1].interiors


def test_they_are_added_to_a_slide_of_the_users_own(store):
    sdata = sd.SpatialData()
    store[1].add_to(sdata)
    assert_kept(sdata["cells_shapes"].geometry, store[1])
