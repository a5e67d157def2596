"""Add elements to somebody's SpatialData object, and to the store behind it: all or none."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postseg._support import moving, scratch
from postseg._support.atomic import check_outside_of_stores, is_store, naming
from postseg._support.consolidated import ROOT, summary
from postseg._support.ownership import KINDS

if TYPE_CHECKING:
    import dask.dataframe as dd
    import geopandas as gpd
    import xarray as xr
    from anndata import AnnData
    from spatialdata import SpatialData

_OURS = ("labels", "shapes", "tables", "points")  # those that are added to
_ANOTHER = "choose another label_name (--label-name), or delete that element first."


def check_addable(sdata: SpatialData, names: Iterable[str]) -> None:
    """Refuse an object that elements of these names cannot be added to, before any work is done.

    Parameters
    ----------
    sdata : SpatialData
        The object; where it is backed, its store is checked too.
    names : iterable of str
        Of the elements.

    Raises
    ------
    ValueError
        When a name is taken, be it in another case or by an element of another kind.
    ValueError, OSError
        As by `check_store`.
    """
    names = list(names)
    taken = {name.lower(): name for _, name, _ in sdata.gen_elements()}
    for name in names:
        if name.lower() in taken:
            raise ValueError(
                f"the SpatialData object has an element {taken[name.lower()]!r} already; {_ANOTHER}"
            )
    if sdata.path is not None:
        check_store(sdata.path, names)


def check_store(path: str | PathLike[str], names: Iterable[str]) -> Path:
    """Refuse a store that elements of these names cannot be added to.

    What killed processes left of adding to it is taken back first.

    Parameters
    ----------
    path : str or Path
        The store.
    names : iterable of str
        Of the elements.

    Returns
    -------
    Path
        The store, without links.

    Raises
    ------
    ValueError
        It is no SpatialData store or one of Zarr format 2, lies in another store, or has one of
        the names, be it in another case or by an element of another kind.
    OSError
        It does not exist, is damaged, or cannot be written to.
    """
    store = Path(os.path.realpath(path))
    if not store.is_dir():
        raise FileNotFoundError(
            f"{path} is no folder on this machine, so nothing can be added to it. Write a new "
            "store instead, or one on this machine."
        )
    scratch.clear(store.parent)
    check_outside_of_stores(store)
    root = _root(path, store)
    _check_rights(path, store)
    taken = {name.lower(): (kind, name) for kind, name in _taken(store, root)}
    for name in names:
        kind, known = taken.get(name.lower(), (None, None))
        if kind is None:
            continue
        listed = summary(root)
        if listed is None or f"{kind}/{known}" in listed:
            raise ValueError(f"{path} has an element {known!r} in {kind} already; {_ANOTHER}")
        raise ValueError(
            f"{path} has {kind}/{known} on disk, which is none of its elements, as something "
            "unfinished leaves it. Look at it and remove it, or choose another label_name "
            "(--label-name)."
        )
    return store


def _root(path: str | PathLike[str], store: Path) -> dict[str, Any]:
    """The document of the root of a SpatialData store of the format that is written today."""
    if is_store(store) and not (store / ROOT).is_file():
        raise ValueError(
            f"{path} is of Zarr format 2, and SpatialData writes format 3: the two cannot be in "
            f"one store. Write it anew, spatialdata.read_zarr({str(path)!r}).write('new.zarr'), "
            "and add to that one."
        )
    try:
        root = json.loads((store / ROOT).read_bytes())
        known = summary(root) or {}
        ours = "spatialdata_attrs" in root["attributes"] and root["node_type"] == "group"
        ours = ours and isinstance(known, dict)
    except FileNotFoundError:
        ours = False
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OSError(f"{path} cannot be read: its {ROOT} is damaged ({error}).") from error
    if not ours:
        raise ValueError(
            f"{path} is no SpatialData store, so no elements are added to it. Give one that "
            "spatialdata.SpatialData.write wrote."
        )
    return root


def _check_rights(path: str | PathLike[str], store: Path) -> None:
    """Refuse a store that elements cannot be moved into from beside it."""
    present = [store / kind for kind in _OURS if os.path.lexists(store / kind)]
    for group in present:
        if not (group / ROOT).is_file():
            raise ValueError(
                f"{path} has {group.name} on disk, which is no group of Zarr, so nothing is added "
                "to it. Look at it and remove it first."
            )
    for folder in (store.parent, store, *present):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(f"nothing is added to {path}: no permission to write in {folder}")
    for file in (store / ROOT, *(group / ROOT for group in present)):
        if not os.access(file, os.W_OK):
            raise PermissionError(f"nothing is added to {path}: no permission to write {file}")
    device = store.parent.stat().st_dev
    for folder in (store, *present):
        if folder.stat().st_dev != device:
            raise ValueError(
                f"nothing is added to {path}: {folder} is on another file system than "
                f"{store.parent}, where elements are written first. Copy the store to a folder "
                "on one file system, and add to the copy."
            )


def _taken(store: Path, root: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Kind and name of all elements, those that the root names and those that lie there."""
    for key in summary(root) or ():
        kind, _, name = key.partition("/")
        if kind in KINDS and name and "/" not in name:
            yield kind, name
    for kind in KINDS:
        if (store / kind).is_dir():
            yield from ((kind, name) for name in os.listdir(store / kind) if name != ROOT)


def add_to_store(
    path: str | PathLike[str],
    labels: Mapping[str, xr.DataArray | xr.DataTree],
    shapes: Mapping[str, gpd.GeoDataFrame],
    tables: Mapping[str, AnnData],
    points: Mapping[str, dd.DataFrame] = {},
) -> None:
    """Add elements to somebody's SpatialData store, completely or not at all.

    They are written beside it and then moved in, by `postseg._support.moving`: readers see all of
    them or none, and so they do after this process was killed. The store's other elements are not
    touched.

    Parameters
    ----------
    path : str or Path
        The store.
    labels, shapes, tables, points : mapping of str to element
        The elements by name.

    Raises
    ------
    ValueError, OSError
        As by `check_store`, and when the disk is full.
    """
    from postseg.elements import build

    made = dict(zip(_OURS, (labels, shapes, tables, points), strict=True))
    elements = [f"{kind}/{name}" for kind in _OURS for name in made[kind]]
    names = [*labels, *shapes, *tables, *points]
    store = check_store(path, names)
    with ExitStack() as held:
        with naming(path):
            aside = held.enter_context(scratch.beside(store, "partial"))
            build.write_new(aside / moving.NEW, labels, shapes, tables, points)
            moving.flush(aside)
            held.enter_context(moving.locked(store))
        check_store(path, names)  # others may have added to it meanwhile
        with naming(path):
            moving.move_in(aside, store, elements)


def add_elements(
    sdata: SpatialData,
    labels: Mapping[str, xr.DataArray | xr.DataTree],
    shapes: Mapping[str, gpd.GeoDataFrame],
    tables: Mapping[str, AnnData],
    points: Mapping[str, dd.DataFrame] = {},
) -> None:
    """Add elements to somebody's SpatialData object, all or none; to its store first.

    Parameters
    ----------
    sdata : SpatialData
        Is changed.
    labels, shapes, tables, points : mapping of str to element
        The elements by name.

    Raises
    ------
    ValueError, OSError
        As by `check_addable`, and when the disk is full.
    """
    check_addable(sdata, [*labels, *shapes, *tables, *points])
    if sdata.path is not None:
        add_to_store(sdata.path, labels, shapes, tables, points)
    for name, element in {**labels, **shapes, **tables, **points}.items():
        sdata[name] = element
