"""Find the labels, shapes and table of a SpatialData store that belong together."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
import zarr
from anndata import AnnData
from anndata.io import read_elem

from postseg._support.atomic import is_store
from postseg._support.reading import choose, reading
from postseg._support.safe_zarr import checked, open_root
from postseg.elements.audit import KEY
from postseg.elements.identity import as_points
from postseg.elements.pixels import find_labels, lazy_pixels, open_labels, read_pixels

if TYPE_CHECKING:
    import dask.dataframe as dd
    import geopandas as gpd
    import xarray as xr

_ATTRIBUTES = "spatialdata_attrs"  # of a table: what it annotates; of a root: that it is one
_POINTS = "obsm/spatial"
_ANNOTATING = "table that annotates the labels or the shapes"


class Stored(NamedTuple):
    """Elements of one store; no table where none annotates the others."""

    labels: xr.DataArray
    shapes: gpd.GeoDataFrame
    table: AnnData | None


def read_elements(
    path: str | PathLike[str],
    labels: str | None = None,
    shapes: str | None = None,
    table: str | None = None,
) -> Stored:
    """Read elements by name, or the only ones; the labels lazily, of the table ids and places only.

    Parameters
    ----------
    path : path
        The store.
    labels, shapes : str, optional
        Names; may be left out where there is one only.
    table : str, optional
        Name; may be left out where one table only annotates the labels or the shapes.

    Raises
    ------
    OSError
        The store is missing or damaged.
    ValueError
        An element is missing, or it is not clear which one is meant.
    """
    from postseg.elements import build

    path = Path(path)
    if not is_store(path):
        what = "is not a Zarr store" if path.exists() else "does not exist"
        raise FileNotFoundError(f"{path} {what}; give a SpatialData store (.zarr).")
    with reading(path):
        root = open_root(path)
        names = {kind: _names(root, kind) for kind in ("labels", "shapes", "tables")}
    labels = choose(path, "labels element", names["labels"], labels, "labels")
    shapes = choose(path, "shapes element", names["shapes"], shapes, "shapes")
    with reading(path):
        rows = {n: _annotations(root, f"tables/{n}", {labels, shapes}) for n in names["tables"]}
    annotating = [name for name in rows if rows[name] is not None]
    if annotating or table is not None:
        table = choose(path, _ANNOTATING, annotating, table, "table")
    stored = open_labels(path, root, labels)
    sdata = build.open_store(path)
    with reading(path):  # spatialdata does not check what it reads
        image = build.with_pixels(sdata.labels[labels], lazy_pixels(path, stored))
    return Stored(image, sdata.shapes[shapes], rows[table] if table else None)


def read_labels(path: str | PathLike[str], element: str | None = None) -> Any:
    """Read the finest scale of a labels element with its place, as `pixels.read_labels_element`.

    Returns
    -------
    DataArray or array
        The element; of a Zarr store that is none of SpatialData, pixels without a place.

    Raises
    ------
    OSError
        The store or the element is damaged.
    ValueError
        As by `pixels.read_labels_element`.
    """
    from postseg.elements import build

    path = Path(path)
    root, name = find_labels(path, element)
    pixels = read_pixels(path, open_labels(path, root, name))
    if _ATTRIBUTES not in root.attrs:
        return pixels
    labels = build.open_store(path, ("labels",)).labels[name]
    return build.with_pixels(labels, pixels)


def read_raster(path: str | PathLike[str], name: str) -> xr.DataArray | xr.DataTree:
    """Open an image or labels element of a store by name, lazily.

    Raises
    ------
    OSError
        The store is damaged.
    ValueError
        There is no such element.
    """
    from postseg.elements import build

    sdata = build.open_store(path, ("images", "labels"))
    return _named(path, "image or labels", {**sdata.images, **sdata.labels}, name)


def read_points(path: str | PathLike[str], name: str) -> dd.DataFrame:
    """Open a points element of a store by name, lazily.

    Raises
    ------
    OSError
        The store is damaged.
    ValueError
        There is no such element.
    """
    from postseg.elements import build

    return _named(path, "points", build.open_store(path, ("points",)).points, name)


def _named(path: str | PathLike[str], kind: str, known: Mapping[str, Any], name: str) -> Any:
    """The element of that name."""
    if name not in known:
        listing = ", ".join(known) or "none"
        raise ValueError(f"{path} has no {kind} element {name!r}. It has: {listing}.")
    return known[name]


def _names(root: zarr.Group, kind: str) -> list[str]:
    group = root.get(kind)
    return sorted(group.group_keys()) if isinstance(group, zarr.Group) else []


def _annotations(root: zarr.Group, table: str, names: set[str]) -> AnnData | None:
    """The rows of a table that annotate one of the elements, and where these lie.

    Without the rest, which may be large; of an audit of postseg only the shapes in it.
    """
    if root.get(f"{table}/uns/{_ATTRIBUTES}") is None:
        return None
    attributes = read_elem(checked(root, f"{table}/uns/{_ATTRIBUTES}"))
    keys = attributes["region_key"], attributes["instance_key"]
    obs = pd.DataFrame({key: read_elem(checked(root, f"{table}/obs/{key}")) for key in keys})
    chosen = obs[keys[0]].isin(names).to_numpy()
    obs = obs[chosen]
    obs.index = obs.index.astype(str)
    points = None
    if root.get(f"{table}/{_POINTS}") is not None:
        points = as_points(read_elem(checked(root, f"{table}/{_POINTS}")))
    obsm = {} if points is None else {"spatial": points[chosen]}
    uns = {_ATTRIBUTES: attributes}
    if root.get(f"{table}/uns/{KEY}") is not None:
        shapes = (f"{table}/uns/{KEY}/{key}" for key in ("mask_shape", "image_shape"))
        found = {place.rpartition("/")[2]: place for place in shapes if root.get(place) is not None}
        uns[KEY] = {key: read_elem(checked(root, place)) for key, place in found.items()}
    return AnnData(obs=obs, obsm=obsm, uns=uns) if len(obs) else None
