"""SpatialData elements: build, write and read them. No module outside imports spatialdata.

The import takes seconds, so other modules import this one inside the function that needs it.
"""

import logging
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
from spatialdata.models import ShapesModel, TableModel
from spatialdata.transformations import Affine, Identity, get_transformation, set_transformation

from postseg._support import ownership
from postseg._support.atomic import replacing
from postseg._support.reading import reading
from postseg._support.safe_zarr import check_folder
from postseg._support.words import listing
from postseg.elements.writing import write_elements
from postseg.geometry.placement import GLOBAL, IMAGE, Matrix, Reference, area_scale, translation
from postseg.raster.label_image import LabelImage, finest

if TYPE_CHECKING:
    import dask.dataframe as dd
    import geopandas as gpd
    from scipy.sparse import csr_matrix


_TRANSFORM = "transform"  # of attrs, where spatialdata keeps the transformations of an element
_ROUNDING = 1e-3  # pixels
_ALONE: Mapping[str, Matrix] = {GLOBAL: np.eye(3)}


def shapes_element(
    gdf: "gpd.GeoDataFrame", systems: Mapping[str, Matrix] = _ALONE
) -> "gpd.GeoDataFrame":
    """Wrap polygons as a SpatialData shapes element.

    Parameters
    ----------
    gdf : geopandas.GeoDataFrame
        One polygon per row, the index being the cell labels.
    systems : mapping of str to (3, 3) array
        Its maps to the coordinate systems, by name.

    Returns
    -------
    geopandas.GeoDataFrame
        The element.
    """
    # a copy, because parsing writes the transformation into the attrs of its argument
    return ShapesModel.parse(gdf.copy(), transformations=transformations(systems))


def labels_element(
    levels: Sequence["da.Array"], name: str, systems: Mapping[str, Matrix] = _ALONE
) -> "xr.DataArray | xr.DataTree":
    """Wrap a label image, or a pyramid of it, as a SpatialData labels element.

    Parameters
    ----------
    levels : sequence of dask.array.Array, shape (rows, columns)
        Integer labels, 0 is background: the image, and smaller ones of it, each smaller than the
        one before. They stay lazy.
    name : str
        Name of the element.
    systems : mapping of str to (3, 3) array
        The maps of the first level to the coordinate systems, by name.

    Returns
    -------
    xarray.DataArray or xarray.DataTree
        The element, with dims ``("y", "x")``; a tree where there are several levels.
    """
    whole = levels[0].shape
    images = [_with_centres(level, whole) for level in levels]
    element: xr.DataArray | xr.DataTree
    if len(images) == 1:
        element = images[0].rename(name)
    else:
        # by hand, since Labels2DModel.parse computes each level from the one above
        scales = {f"scale{i}": image.to_dataset() for i, image in enumerate(images)}
        element = xr.DataTree.from_dict(scales, name=name)
    set_transformation(element, transformations(systems), set_all=True)
    return element


def _with_centres(level: "da.Array", whole: tuple[int, int]) -> xr.DataArray:
    """A level of a pyramid, with the centres of its pixels in those of the first level."""
    centres = {}
    for axis, n, size in zip(("y", "x"), level.shape, whole, strict=True):
        if n:
            centres[axis] = np.linspace(0, size, n, endpoint=False) + size / n / 2
    return xr.DataArray(level, centres, dims=("y", "x"), name="image")


def table_element(
    obs: "pd.DataFrame",
    obsm: Mapping[str, NDArray[np.float64]],
    region: str,
    instance_key: str,
    uns: Mapping[str, Any] | None = None,
    X: "csr_matrix | None" = None,
    var: "pd.DataFrame | None" = None,
) -> AnnData:
    """Build a table that annotates one element.

    Parameters
    ----------
    obs : DataFrame
        One row per cell.
    obsm : mapping of str to (n_cells, 2) array
        Centroids, see `table.centroids`.
    region : str
        Name of the element.
    instance_key : str
        Column of `obs` that holds the element's ids.
    uns : mapping, optional
        What else the table holds.
    X : csr_matrix, shape (n_cells, n_genes), optional
        Counts; it is not copied.
    var : DataFrame, optional
        One row per gene, with `X`.

    Returns
    -------
    AnnData
        n_cells x n_genes; n_cells x 0 without `X`.
    """
    obs = obs.assign(region=pd.Categorical([region] * len(obs)))
    # parsed without the other columns, all of which it would count the values of
    keys = obs[["region", instance_key]]
    table = AnnData(X, obs=keys, var=var, obsm=dict(obsm), uns=dict(uns or {}))
    parsed = TableModel.parse(table, region=region, region_key="region", instance_key=instance_key)
    parsed.obs = obs
    return parsed


def spatialdata(
    labels: Mapping[str, Any],
    shapes: Mapping[str, Any],
    tables: Mapping[str, Any],
    points: Mapping[str, Any] = {},
) -> SpatialData:
    """Put elements together."""
    return SpatialData(
        labels=dict(labels), shapes=dict(shapes), tables=dict(tables), points=dict(points)
    )


def transformations(
    systems: Mapping[str, Matrix], axes: tuple[str, ...] = ("x", "y")
) -> dict[str, Identity | Affine]:
    """SpatialData's objects for `systems`; a third axis stays as it is."""
    found: dict[str, Identity | Affine] = {}
    for name, matrix in systems.items():
        whole = np.eye(len(axes) + 1)
        whole[np.ix_([0, 1, -1], [0, 1, -1])] = matrix
        same = np.array_equal(matrix, np.eye(3))
        found[name] = Identity() if same else Affine(whole, input_axes=axes, output_axes=axes)
    return found


def write_store(
    path: str | PathLike[str],
    labels: Mapping[str, "xr.DataArray | xr.DataTree"],
    shapes: Mapping[str, "gpd.GeoDataFrame"],
    tables: Mapping[str, AnnData] | None = None,
    points: Mapping[str, "dd.DataFrame"] = {},
    *,
    overwrite: bool = False,
) -> None:
    """Write elements to a new SpatialData store, completely or not at all.

    Parameters
    ----------
    path : str or Path
        The store, by custom ``<name>.zarr``.
    labels, shapes, tables, points : mapping of str to element
        The elements by name.
    overwrite : bool, default False
        Replace an existing store in which everything is by postseg, once the new one is complete.

    Raises
    ------
    OSError
        The path exists, its folder is missing or not writable, or the disk is full.
    """
    with replacing(path, overwrite, store=True) as part:
        write_new(part, labels, shapes, tables or {}, points)


def write_new(
    path: Path,
    labels: Mapping[str, "xr.DataArray | xr.DataTree"],
    shapes: Mapping[str, "gpd.GeoDataFrame"],
    tables: Mapping[str, AnnData],
    points: Mapping[str, "dd.DataFrame"] = {},
) -> None:
    """Write elements to a store that nobody looks at before it is complete, and sign it."""
    with warnings.catch_warnings():
        # anndata announces its next default at every table
        warnings.filterwarnings("ignore", "zarr v3 autosharding")
        write_elements(spatialdata(labels, shapes, tables, points), path)
    ownership.mark(path)


def reference_of(element: Any) -> Reference | None:
    """Where an image or labels element lies; None for what is no such element.

    Raises
    ------
    ValueError
        When one of its transformations is no affine map of the plane that can be inverted, and for
        an element that was sliced with a step.
    """
    image = finest(element) if isinstance(element, xr.DataTree) else element
    if not isinstance(image, xr.DataArray) or not {"y", "x"} <= set(image.dims):
        return None
    if not isinstance(image.attrs.get(_TRANSFORM), dict):  # other libraries have such, too
        return None
    try:
        systems = maps_to_systems(image)
    except (ValueError, NotImplementedError) as error:
        raise ValueError(f"the element's transformations are not affine: {error}") from error
    for name, matrix in systems.items():
        if not np.isfinite(matrix).all() or not area_scale(matrix):
            raise ValueError(f"the element's transformation to {name!r} cannot be inverted.")
    begin = translation(_first_pixel(image, "x"), _first_pixel(image, "y"))
    systems = {name: matrix @ begin for name, matrix in systems.items()}
    return Reference((image.sizes["y"], image.sizes["x"]), systems)


def _first_pixel(image: xr.DataArray, axis: str) -> float:
    """Where ``element[100:200]`` begins in its element, whose transformations it has unchanged.

    By the centres of its pixels, which SpatialData counts from 0 at every scale.
    """
    if axis not in image.coords or image.sizes[axis] < 2:
        return 0.0
    centres = np.asarray(image.coords[axis], dtype=float)
    side = (centres[-1] - centres[0]) / (centres.size - 1)
    if side > 0 and np.ptp(centres - side * np.arange(centres.size)) < _ROUNDING * side:
        first = float(centres[0] / side - 0.5)
        if abs(first - round(first)) < _ROUNDING:
            return float(round(first))
    raise ValueError(
        f"the element was sliced along {axis}, not just cropped, and its transformations tell "
        "where all of it lies. Give its pixels as a plain array, element.data, with a reference= "
        "and factor_rescale=."
    )


def blank(shape: tuple[int, int]) -> "xr.DataArray | xr.DataTree":
    """An image element without content or place: a reference that tells a shape only."""
    return labels_element([da.zeros(shape, dtype=np.uint8)], "blank", {})


def only_in_global(sdata: SpatialData) -> list[str]:
    """Names of the elements in ``"global"`` that do not say where they lie in ``"image"``."""
    systems = {
        name: get_transformation(element, get_all=True)
        for kind, name, element in sdata.gen_elements()
        if kind != "tables"
    }
    return [name for name, known in systems.items() if GLOBAL in known and IMAGE not in known]


def unrelated(sdata: SpatialData) -> str:
    """A warning, where masks that no one knows the place of are put beside elements; else empty."""
    names = only_in_global(sdata)
    if not names:
        return ""
    rasters = [name for name in names if name in {**sdata.images, **sdata.labels}]
    example = [*rasters, "image"][0]
    return (
        f"the SpatialData object has {listing(map(repr, names), 3)} in the coordinate system "
        "'global', and nothing tells how the masks lie to them: the cells are put at the pixels of "
        "the masks, enlarged. Pass reference=, the image of the object that the masks are of, e.g. "
        f"reference=sdata[{example!r}] (--reference {example}), or take a labels element that is "
        "in 'global' for the masks."
    )


def maps_to_systems(element: Any) -> dict[str, Matrix]:
    """Affine maps of (x, y), (3, 3) each, from an element to its coordinate systems, by name."""
    axes = ("x", "y")
    transformations = get_transformation(element, get_all=True)
    return {name: t.to_affine_matrix(axes, axes) for name, t in transformations.items()}


def open_store(
    path: str | PathLike[str], kinds: tuple[str, ...] = ("labels", "shapes")
) -> SpatialData:
    """Open the elements of some kinds of a store; pixels lazily."""
    log = logging.getLogger("ome_zarr")  # it warns of labels without an image
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with reading(Path(path)):
            if "shapes" in kinds:
                check_folder(Path(path) / "shapes")  # those of the first format are read at once
            return read_zarr(path, selection=kinds)
    finally:
        log.setLevel(level)


def with_pixels(labels: "xr.DataArray | xr.DataTree", pixels: LabelImage) -> xr.DataArray:
    """The finest scale of a labels element, with other pixels."""
    image = finest(labels) if isinstance(labels, xr.DataTree) else labels
    assert image is not None  # SpatialData reads no element without one
    return image.copy(data=pixels)
