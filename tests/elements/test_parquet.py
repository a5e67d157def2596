"""Polygons in batches are the file that geopandas writes at once."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import shapely
import spatialdata as sd
from drawing import OFF
from tampering import tissue

from postseg import PostSegmentation
from postseg.elements import parquet

SQUARE = shapely.box(0, 0, 4, 5)
KINDS = {
    "polygons": [SQUARE, shapely.Point(9, 9).buffer(3), shapely.Polygon([(0, 0), (1, 0), (0, 7)])],
    "a hole": [SQUARE, SQUARE.difference(shapely.box(1, 1, 2, 2)), SQUARE],
    "several parts": [SQUARE, shapely.MultiPolygon([SQUARE, shapely.box(9, 9, 12, 11)]), SQUARE],
    "none and empty": [SQUARE, None, shapely.Polygon()],
}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(parquet, "ROWS", 2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("index", [None, "label"])
def test_the_file_is_that_of_geopandas(tmp_path, kind, index):
    geometry = KINDS[kind] * 3
    numbers = pd.Index(np.arange(len(geometry)) * 7 + 1, name=index)
    columns = {"region": [f"cell_{i}" for i in numbers], "area": np.arange(len(geometry)) / 3}
    given = gpd.GeoDataFrame({**columns, "geometry": geometry}, index=numbers)
    given.attrs = {"transform": object()}
    parquet.write_parquet(tmp_path / "ours.parquet", given)
    assert given.attrs
    given.attrs = {}
    given.to_parquet(tmp_path / "theirs.parquet", index=True)
    ours, theirs = (gpd.read_parquet(tmp_path / f"{whose}.parquet") for whose in ("ours", "theirs"))
    pd.testing.assert_frame_equal(pd.DataFrame(ours), pd.DataFrame(theirs))
    files = [pq.ParquetFile(tmp_path / f"{whose}.parquet") for whose in ("ours", "theirs")]
    assert files[0].schema_arrow.equals(files[1].schema_arrow, check_metadata=False)
    told, expected = (file.schema_arrow.metadata for file in files)
    assert told == expected
    assert files[0].num_row_groups == -(-len(geometry) // 2)


def test_a_store_holds_all_of_many_shapes(tmp_path):
    post = PostSegmentation(tissue(), 2, "cells", filter_config=OFF, verbose=False)
    post.write(tmp_path / "s.zarr")
    assert pq.ParquetFile(tmp_path / "s.zarr/shapes/cells_shapes/shapes.parquet").num_row_groups > 1
    shapes = sd.read_zarr(tmp_path / "s.zarr")["cells_shapes"]
    assert len(shapes) == 20
    assert shapes.geometry.geom_equals_exact(post.shapes_model.geometry, 0).all()
    assert shapes.index.equals(post.shapes_model.index)
    for system in ("global", "image", "mirrored"):
        expected = sd.get_extent(post.shapes_model, coordinate_system=system)
        assert sd.get_extent(shapes, coordinate_system=system) == expected
    post.export(tmp_path / "cells.parquet")
    assert len(gpd.read_parquet(tmp_path / "cells.parquet")) == 20
