"""Write a SpatialData object to a new store, its labels in about the time that Zarr takes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import xarray as xr
import zarr
from dask.base import compute
from spatialdata import SpatialData
from spatialdata.config import settings

from postseg._support.progress import of_dask
from postseg.elements import parquet, point_files

_OME_ZARR = "0.5"  # the version that SpatialData writes


def write_elements(sdata: SpatialData, path: Path) -> None:
    """Write all elements to a store that does not exist yet: as ``sdata.write(path)``, but leaner.

    Labels of one scale are handed over as a multiscale element of one, which is the same in a
    store. Of a single array, ome-zarr 0.21 looks for all values that it has, which takes several
    times as long as to write them. Of many shapes SpatialData writes the first only, with all that
    is to be said of the element; then their file is written anew, see `parquet`. So it is with
    points, of which SpatialData writes none, see `point_files`.

    Parameters
    ----------
    sdata : SpatialData
        The elements. It is not changed.
    path : Path
        The store.
    """
    labels = {name: _as_tree(element) for name, element in sdata.labels.items()}
    many = {name: shapes for name, shapes in sdata.shapes.items() if len(shapes) > parquet.ROWS}
    if settings.shapes_geometry_encoding != "WKB":
        many = {}
    others = {name: element for kind, name, element in sdata.gen_elements() if kind != "labels"}
    others |= {name: shapes.iloc[:1] for name, shapes in many.items()}
    others |= {name: point_files.empty(points) for name, points in sdata.points.items()}
    trees = SpatialData.init_from_elements({**labels, **others}, attrs=sdata.attrs)
    parts = [
        part
        for name, points in sdata.points.items()
        for part in point_files.parts(points, path / "points" / name / point_files.FILES)
    ]
    n_tasks = sum(map(_n_chunks, labels.values())) + len(parts)
    with of_dask("Writing", n_tasks, ("store-map", point_files.TASK)):
        trees.write(path, update_sdata_path=False)
        compute(parts)
    for name in labels:
        _call_labels(zarr.open_group(path / "labels" / name, use_consolidated=False))
    for name, shapes in many.items():
        parquet.write_parquet(path / "shapes" / name / "shapes.parquet", shapes)


def _as_tree(labels: xr.DataArray | xr.DataTree) -> xr.DataTree:
    if isinstance(labels, xr.DataTree):
        return labels
    return xr.DataTree.from_dict({"scale0": labels.rename("image").to_dataset()})


def _n_chunks(labels: xr.DataTree) -> int:
    return sum(math.prod(map(len, scale.dataset.chunksizes.values())) for scale in labels.leaves)


def _call_labels(group: zarr.Group) -> None:
    """Say that an image is labels, which SpatialData 0.7 forgets of multiscale ones."""
    metadata: Any = group.attrs["ome"]
    if "image-label" not in metadata:
        group.attrs["ome"] = {**metadata, "image-label": {"version": _OME_ZARR}}
