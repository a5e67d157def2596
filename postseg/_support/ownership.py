"""The mark on stores that postseg wrote, by which everything else in a store is told from it."""

import json
import os
import stat
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from postseg import __version__

KEY = "postseg"  # of the attributes of the root
_ROOT = "zarr.json"
KINDS = ("images", "labels", "points", "shapes", "tables")  # SpatialData's groups
_LITTER = (".DS_Store", "Thumbs.db")  # left behind by looking at a folder
_BLOCK = 1 << 20


def mark(store: Path) -> None:
    """Sign a store that is complete: which elements are in it, and a checksum of each.

    It is an attribute of the root, which SpatialData keeps when it writes its own metadata anew.
    """
    root = json.loads((store / _ROOT).read_text(encoding="utf-8"))
    elements = {name: _checksum(path) for name, path in _elements(store)}
    root.setdefault("attributes", {})[KEY] = {"version": __version__, "elements": elements}
    (store / _ROOT).write_bytes(json.dumps(root, indent=2).encode())


def extend(attributes: dict[str, Any], store: Path, new: Path, names: Iterable[str]) -> None:
    """Sign what is about to be moved from one store into another, if that one bears the mark.

    Parameters
    ----------
    attributes : dict
        Of the root of the other store; changed.
    store, new : Path
        The other store, and the one with what is moved.
    names : iterable of str
        What is moved, ``labels/cells``. What of it takes the place of something that is not ours
        is not signed.
    """
    written = _written(attributes)
    if written is None:
        return
    for name in names:
        if not (store / name).exists() or written.get(name) == _checksum(store / name):
            written[name] = _checksum(new / name)


def not_ours(store: Path) -> list[str]:
    """Name what in a store postseg did not write, or what was changed since; empty if nothing.

    Only a store that is, byte for byte, what postseg wrote or a part of it is wholly ours: a
    table that somebody annotated is their work too.
    """
    attributes = _attributes(store)
    written = _written(attributes)
    if written is None:
        return _but_metadata([name for name, _ in _elements(store)]) or [store.name]
    found = [f"attribute {name!r}" for name in attributes if name not in (KEY, "spatialdata_attrs")]
    for name, path in _elements(store):
        if name not in written:
            found.append(name)
        elif _checksum(path) != written[name]:
            found.append(f"{name} (changed since)")
    return _but_metadata(found) or found


def _attributes(store: Path) -> dict[str, Any]:
    """Attributes of the root; none where it is of Zarr format 2, which postseg does not write."""
    try:
        attributes = json.loads((store / _ROOT).read_text(encoding="utf-8"))["attributes"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}
    return attributes if isinstance(attributes, dict) else {}


def _written(attributes: dict[str, Any]) -> dict[str, Any] | None:
    """The checksums of the mark, by name; None where there is no mark."""
    ours = attributes.get(KEY)
    written = ours.get("elements") if isinstance(ours, dict) else None
    return written if isinstance(written, dict) else None


def _elements(store: Path) -> Iterator[tuple[str, Path]]:
    """Whatever is in a store, by name: ``labels/cells``, or what lies beside such."""
    for path in _listing(store):
        if path.name in KINDS and path.is_dir() and not path.is_symlink():
            yield from ((f"{path.name}/{element.name}", element) for element in _listing(path))
        elif path.name != _ROOT:
            yield path.name, path


def _listing(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name not in _LITTER)


def _but_metadata(names: list[str]) -> list[str]:
    """The names that say something, not ``images/zarr.json`` or ``.zgroup``."""
    parts = [(name, name.split("/")[-1]) for name in names]
    return [name for name, last in parts if last != _ROOT and not last.startswith(".z")]


def _checksum(element: Path) -> int:
    """Of names and contents; -1 where there is more than files and folders."""
    checksum = 0
    for path in _files(element):
        if not stat.S_ISREG(path.lstat().st_mode):
            return -1
        checksum = zlib.crc32(os.fsencode(path.relative_to(element).as_posix()), checksum)
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                checksum = zlib.crc32(block, checksum)
    return checksum


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir() and not path.is_symlink():
        for inner in _listing(path):
            yield from _files(inner)
    else:
        yield path
