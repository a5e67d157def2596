"""A store of a user, and elements to be added to it."""

import atexit
import os
import shutil
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path

import dask.dataframe as dd
import geopandas as gpd
import numpy as np
import pandas as pd
import spatialdata as sd
from anndata import AnnData
from shapely import box
from spatialdata.models import (
    Image2DModel,
    Labels2DModel,
    PointsModel,
    ShapesModel,
    TableModel,
)

from postseg.elements.points import points_element

NAMES = ["new", "new_shapes", "new_table", "new_transcripts"]


def pixels(value=1):
    return np.full((8, 8), value, np.int32)


def elements(name="new"):
    """Labels, shapes, tables and points of one cell."""
    labels = {name: Labels2DModel.parse(pixels(), dims=("y", "x"))}
    squares = gpd.GeoDataFrame(geometry=[box(0, 0, 8, 8)], index=[1])
    shapes = {f"{name}_shapes": ShapesModel.parse(squares)}
    obs = pd.DataFrame({"label": [1], "region": pd.Categorical([f"{name}_shapes"])}, index=["1"])
    table = TableModel.parse(
        AnnData(obs=obs), region=f"{name}_shapes", region_key="region", instance_key="label"
    )
    places = dd.from_pandas(pd.DataFrame({"x": [1.0], "y": [2.0], "gene": ["ACTB"]}))
    points = points_element(places, {"global": np.eye(3)}, "gene")
    return labels, shapes, {f"{name}_table": table}, {f"{name}_transcripts": points}


def write_store(path, consolidated=True, kinds=("images", "labels", "points", "shapes", "tables")):
    """Write what a user may have, with SpatialData alone: once, and then copies of it."""
    shutil.copytree(_written(consolidated, tuple(kinds), pixels), path)


@cache
def _written(consolidated, kinds, _pixels):
    """The one to copy; a test may have put another function in the place of `pixels`."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "user.zarr"
    labels, shapes, tables, _ = elements("nuclei")
    with warnings.catch_warnings(action="ignore"):  # of pandas 3.1 and anndata
        places = pd.DataFrame({"x": [1.0, 2.0], "y": [3.0, 4.0]})
        image = Image2DModel.parse(np.ones((1, 8, 8), np.uint8), dims=("c", "y", "x"))
        made = {
            "images": {"he": image},
            "labels": labels,
            "points": {"transcripts": PointsModel.parse(places)},
            "shapes": shapes,
            "tables": tables,
        }
        store = sd.SpatialData(**{kind: made[kind] for kind in kinds})
        store.write(path, consolidate_metadata=consolidated)
    return path


def opened(path):
    with warnings.catch_warnings(action="ignore"):  # spatialdata uses what pandas 3.1 deprecates
        return sd.read_zarr(path)


def names_in(path):
    return sorted(name for _, name, _ in opened(path).gen_elements())


def assert_same_files(before, after):
    """All that was in a store is in it still, but for the two documents that list what is."""
    lists = {"zarr.json", "labels/zarr.json"}
    assert {name: after.get(name, "gone") for name in before.keys() - lists} == {
        name: before[name] for name in before.keys() - lists
    }


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
