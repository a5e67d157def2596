"""SpatialData elements: build, write and read them. The only module that imports spatialdata.

The import takes seconds, so other modules import this one inside the function that needs it.
"""

import logging
import math
import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr
from anndata import AnnData
from numpy.typing import NDArray
from spatialdata import SpatialData, read_zarr
from spatialdata.models import Labels2DModel, ShapesModel, TableModel
from spatialdata.transformations import Affine, Identity, get_transformation, set_transformation

from postseg._support import ownership
from postseg._support.atomic import replacing
from postseg._support.progress import of_dask
from postseg._support.reading import reading
from postseg._support.safe_zarr import check_folder
from postseg.geometry.placement import IDENTITY, Systems

if TYPE_CHECKING:
    import geopandas as gpd


def shapes_element(gdf: "gpd.GeoDataFrame", systems: Systems = IDENTITY) -> "gpd.GeoDataFrame":
    """Wrap polygons as a SpatialData shapes element.

    Parameters
    ----------
    gdf : geopandas.GeoDataFrame
        One polygon per row, the index being the cell labels.
    systems : Systems
        Its maps to the coordinate systems.

    Returns
    -------
    geopandas.GeoDataFrame
        The element.
    """
    # a copy, because parsing writes the transformation into the attrs of its argument
    return ShapesModel.parse(gdf.copy(), transformations=_transformations(systems))


def labels_element(
    image: "da.Array",
    name: str,
    systems: Systems = IDENTITY,
    scale_factors: Sequence[int] | None = None,
) -> "xr.DataArray | xr.DataTree":
    """Wrap a label image as a SpatialData labels element.

    Parameters
    ----------
    image : dask.array.Array, shape (rows, columns)
        Integer labels, 0 is background. Stays lazy.
    name : str
        Name of the element.
    systems : Systems
        Its maps to the coordinate systems.
    scale_factors : sequence of int, optional
        Build a pyramid: each level so many times smaller than the one before.

    Returns
    -------
    xarray.DataArray or xarray.DataTree
        The element, with dims ``("y", "x")``; a tree where there are scale factors.
    """
    if 0 in image.shape:  # spatialdata cannot parse an image without pixels
        empty = xr.DataArray(image, dims=("y", "x"), name=name)
        set_transformation(empty, _transformations(systems), set_all=True)
        return empty
    element = Labels2DModel.parse(
        image,
        dims=("y", "x"),
        transformations=_transformations(systems),
        scale_factors=scale_factors,
    )
    element.name = name
    return element


def table_element(
    obs: "pd.DataFrame",
    xy: NDArray[np.float64],
    region: str,
    instance_key: str,
    uns: Mapping[str, Any] | None = None,
) -> AnnData:
    """Build a table without variables that annotates one element.

    Parameters
    ----------
    obs : DataFrame
        One row per cell.
    xy : (n_cells, 2) array
        Centroids, kept in ``obsm["spatial"]``.
    region : str
        Name of the element.
    instance_key : str
        Column of `obs` that holds the element's ids.
    uns : mapping, optional
        What else the table holds.

    Returns
    -------
    AnnData
        n_cells x 0.
    """
    obs = obs.assign(region=pd.Categorical([region] * len(obs)))
    table = AnnData(obs=obs, obsm={"spatial": xy}, uns=dict(uns or {}))
    return TableModel.parse(table, region=region, region_key="region", instance_key=instance_key)


def spatialdata(
    labels: Mapping[str, Any], shapes: Mapping[str, Any], tables: Mapping[str, Any]
) -> SpatialData:
    """Put elements together."""
    return SpatialData(labels=dict(labels), shapes=dict(shapes), tables=dict(tables))


def _transformations(systems: Systems) -> dict[str, Identity | Affine]:
    """SpatialData's objects for `systems`."""
    axes = ("x", "y")
    return {
        name: Identity()
        if np.array_equal(matrix, np.eye(3))
        else Affine(matrix, input_axes=axes, output_axes=axes)
        for name, matrix in (("global", systems.to_global), ("image", systems.to_image))
    }


def write_store(
    path: str | PathLike[str],
    labels: Mapping[str, "xr.DataArray | xr.DataTree"],
    shapes: Mapping[str, "gpd.GeoDataFrame"],
    tables: Mapping[str, AnnData] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write elements to a new SpatialData store, completely or not at all.

    Parameters
    ----------
    path : str or Path
        The store, by custom ``<name>.zarr``.
    labels, shapes, tables : mapping of str to element
        The elements by name.
    overwrite : bool, default False
        Replace an existing store in which everything is by postseg, once the new one is complete.

    Raises
    ------
    OSError
        The path exists, its folder is missing or not writable, or the disk is full.
    """
    with replacing(path, overwrite, store=True) as part:
        write_new(part, labels, shapes, tables or {})


def write_new(
    path: Path,
    labels: Mapping[str, "xr.DataArray | xr.DataTree"],
    shapes: Mapping[str, "gpd.GeoDataFrame"],
    tables: Mapping[str, AnnData],
) -> None:
    """Write elements to a store that nobody looks at before it is complete, and sign it."""
    sdata = spatialdata(labels, shapes, tables)
    with (
        of_dask("Writing", sum(map(_n_chunks, labels.values())), "store-map"),
        warnings.catch_warnings(),
    ):
        # anndata announces its next default at every table
        warnings.filterwarnings("ignore", "zarr v3 autosharding")
        sdata.write(path, update_sdata_path=False)
    ownership.mark(path)


def _n_chunks(labels: "xr.DataArray | xr.DataTree") -> int:
    scales = [labels] if isinstance(labels, xr.DataArray) else labels.leaves
    return sum(math.prod(map(len, scale.chunksizes.values())) for scale in scales)


def maps_to_systems(element: Any) -> dict[str, NDArray[np.float64]]:
    """Affine maps of (x, y), (3, 3) each, from an element to its coordinate systems, by name."""
    axes = ("x", "y")
    transformations = get_transformation(element, get_all=True)
    return {name: t.to_affine_matrix(axes, axes) for name, t in transformations.items()}


def open_store(path: str | PathLike[str]) -> SpatialData:
    """Open the labels, lazily, and the shapes of a store."""
    log = logging.getLogger("ome_zarr")  # it warns of labels without an image
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with reading(Path(path)):
            check_folder(Path(path) / "shapes")  # those of the first format are read at once
            return read_zarr(path, selection=("labels", "shapes"))
    finally:
        log.setLevel(level)


def with_pixels(labels: "xr.DataArray | xr.DataTree", pixels: da.Array) -> xr.DataArray:
    """The finest scale of a labels element, with other pixels."""
    if isinstance(labels, xr.DataTree):
        labels = next(iter(labels["scale0"].data_vars.values()))
    return labels.copy(data=pixels)
