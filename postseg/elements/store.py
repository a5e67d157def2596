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
from pandas.api.types import is_numeric_dtype

from postseg._support.atomic import is_store
from postseg._support.reading import choose, reading
from postseg._support.safe_zarr import checked, open_root
from postseg.elements.audit import KEY
from postseg.elements.identity import CellNames, as_points, cell_names
from postseg.elements.pixels import find_labels, lazy_pixels, open_labels, read_pixels

if TYPE_CHECKING:
    import dask.dataframe as dd
    import geopandas as gpd
    import xarray as xr

_ATTRIBUTES = "spatialdata_attrs"  # of a table: what it annotates; of a root: that it is one
_POINTS = "obsm/spatial"
_COUNTS = f"uns/{KEY}/transcripts"
_TOLD = ("label_name", "mask_shape", "image_shape", "outline")  # to who verifies
_OURS = ("x", "y", "label", "region")  # columns of points by postseg
_ANNOTATING = "table that annotates the labels or the shapes"


class Stored(NamedTuple):
    """Elements of one store that belong together.

    Attributes
    ----------
    labels : DataArray
        Lazy.
    shapes : GeoDataFrame or None
        None only where points were asked for.
    table : AnnData or None
        Ids and places, and what it counts of the points; None where none annotates the others.
    points : dask DataFrame or None
        Points by postseg that belong to the labels, or those that were asked for.
    cell_key : str or None
        Their column that names cells, as it was asked for.
    names : CellNames or None
        What text in it means.
    """

    labels: xr.DataArray
    shapes: gpd.GeoDataFrame | None
    table: AnnData | None
    points: dd.DataFrame | None = None
    cell_key: str | None = None
    names: CellNames | None = None


def read_elements(
    path: str | PathLike[str],
    labels: str | None = None,
    shapes: str | None = None,
    table: str | None = None,
    points: str | None = None,
    cell_key: str | None = None,
) -> Stored:
    """Read elements by name, or the only ones; the labels lazily, of the table what is needed.

    Parameters
    ----------
    path : path
        The store.
    labels, shapes : str, optional
        Names; may be left out where there is one only. With points that are asked for, there may
        be no shapes: they are left out where there are none, several or circles.
    table : str, optional
        Name; may be left out where one table only annotates the labels or the shapes.
    points, cell_key : str, optional
        Name of points, and of their column that names cells. Where neither is given, they are
        those that postseg made of the labels, if any; with `cell_key`, the only ones.

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
        kinds = ("labels", "shapes", "tables", "points")
        names = {kind: _names(root, kind) for kind in kinds}
    asked = points is not None or cell_key is not None
    labels = choose(path, "labels element", names["labels"], labels, "labels")
    if not asked or shapes is not None:
        wanted = [choose(path, "shapes element", names["shapes"], shapes, "shapes")]
    else:
        wanted = _only_polygons(path, names["shapes"])
    with reading(path):
        rows = {n: _annotations(root, f"tables/{n}", {labels, *wanted}) for n in names["tables"]}
    annotating = [name for name in rows if rows[name] is not None]
    named = table  # which may annotate other elements, and tell names of cells only
    if asked and table is not None and table not in annotating:
        choose(path, "table", names["tables"], table, "table")
        table = None
    elif annotating or table is not None:
        table = choose(path, _ANNOTATING, annotating, table, "table")
    if asked:
        points = choose(path, "points element", names["points"], points, "points")
    else:
        with reading(path):
            points = _own_points(root, table, labels)
        points = points if points in names["points"] else None
    stored = open_labels(path, root, labels)
    some = {"labels": True, "shapes": bool(wanted), "points": points is not None}
    sdata = build.open_store(path, tuple(kind for kind in some if some[kind]))
    with reading(path):  # spatialdata does not check what it reads
        image = build.with_pixels(sdata.labels[labels], lazy_pixels(path, stored))
    outlines = sdata.shapes[wanted[0]] if wanted else None
    annotations = rows[table] if table else None
    element = sdata.points[points] if points else None
    if not asked and element is not None and not {*_OURS} <= {*element.columns}:
        element = None
    if element is None:
        return Stored(image, outlines, annotations)
    if table and cell_key is None:
        with reading(path):
            annotations = _with_counts(root, f"tables/{table}", {labels, *wanted}, str(points))
    known = None
    if cell_key in element.columns and not is_numeric_dtype(element.dtypes[cell_key]):
        telling = names["tables"] if named is None else [named]
        with reading(path):
            known = _cell_names(root, telling, labels, str(cell_key))
    return Stored(image, outlines, annotations, element, cell_key, known)


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


def read_raster(
    path: str | PathLike[str], name: str, kinds: tuple[str, ...] = ("images", "labels")
) -> xr.DataArray | xr.DataTree:
    """Open an image or labels element of a store by name, lazily; or of these `kinds` only.

    Raises
    ------
    OSError
        The store is damaged.
    ValueError
        There is no such element.
    """
    from postseg.elements import build

    sdata = build.open_store(path, kinds)
    found = {key: element for kind in kinds for key, element in getattr(sdata, kind).items()}
    what = " or ".join({"images": "image"}.get(kind, kind) for kind in kinds)
    return _named(path, what, found, name)


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
        file = ", nor is there such a file" if Path(name).suffix else ""
        raise ValueError(f"{path} has no {kind} element {name!r}{file}. It has: {listing}.")
    return known[name]


def _names(root: zarr.Group, kind: str) -> list[str]:
    group = root.get(kind)
    return sorted(group.group_keys()) if isinstance(group, zarr.Group) else []


def _only_polygons(path: Path, names: list[str]) -> list[str]:
    """The name of the only shapes, unless they are circles."""
    from postseg.elements import build

    circles = len(names) == 1 and "radius" in build.open_store(path, ("shapes",)).shapes[names[0]]
    return names if len(names) == 1 and not circles else []


def _own_points(root: zarr.Group, table: str | None, labels: str) -> str:
    """The name that points by postseg have, where there are some of these labels."""
    place = f"tables/{table}/{_COUNTS}/settings/element"
    if table is not None and root.get(place) is not None:
        return str(read_elem(checked(root, place)))
    return f"{labels}_transcripts"


def _with_counts(root: zarr.Group, table: str, names: set[str], points: str) -> AnnData | None:
    """`_annotations` with X, and how it was counted, where it was of these points."""
    place = f"{table}/{_COUNTS}"
    if root.get(f"{place}/settings/element") is None:
        return _annotations(root, table, names)
    packed = read_elem(checked(root, place))
    if str(packed["settings"]["element"]) != points:
        return _annotations(root, table, names)
    return _annotations(root, table, names, packed)


def _cell_names(root: zarr.Group, tables: list[str], labels: str, cell_key: str) -> CellNames:
    """What names of cells mean, as the only table tells that tells it."""
    known: dict[str, pd.Series] = {}
    why = CellNames(None).why
    for name in tables:
        place = f"tables/{name}"
        if root.get(f"{place}/uns/{_ATTRIBUTES}") is None:
            continue
        attributes = read_elem(checked(root, f"{place}/uns/{_ATTRIBUTES}"))
        keys = {attributes["region_key"], attributes["instance_key"], cell_key, labels}
        there = [key for key in keys if root.get(f"{place}/obs/{key}") is not None]
        obs = pd.DataFrame({key: read_elem(checked(root, f"{place}/obs/{key}")) for key in there})
        try:
            known[name] = cell_names(obs, attributes, labels, cell_key)
        except ValueError as error:
            why = str(error)
    if len(known) > 1:
        one = ", ".join(known)
        return CellNames(None, f"several tables tell its label, {one}: name one by table (--table)")
    return CellNames(next(iter(known.values()), None), why)


def _annotations(
    root: zarr.Group, table: str, names: set[str], counts: Any = None
) -> AnnData | None:
    """The rows of a table that annotate one of the elements, and where these lie.

    Without the rest, which may be large; of an audit of postseg only what tells of the masks and
    their outlines. With X and its genes, where it is told how that was counted.
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
        told = (f"{table}/uns/{KEY}/{key}" for key in _TOLD)
        found = {place.rpartition("/")[2]: place for place in told if root.get(place) is not None}
        uns[KEY] = {key: read_elem(checked(root, place)) for key, place in found.items()}
    if not len(obs):
        return None
    if counts is None:
        return AnnData(obs=obs, obsm=obsm, uns=uns)
    uns.setdefault(KEY, {})["transcripts"] = counts
    X, var = (read_elem(checked(root, f"{table}/{part}")) for part in ("X", "var"))
    return AnnData(X if chosen.all() else X[chosen], obs=obs, var=var, obsm=obsm, uns=uns)
