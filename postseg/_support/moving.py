"""Move new elements into somebody's Zarr store, all in one step as its readers see it.

Readers list a store by the summary in its root (see `consolidated`), so that folders which were
moved in are not seen before the root is replaced by one that names them: that one rename adds
them all. A root without a summary gets one for the time of the move.

A journal beside the new elements tells what is moved where. Whoever finds it, once the process is
gone, takes back what the root does not name.
"""

import copy
import errno
import json
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from postseg._support import ownership
from postseg._support.consolidated import (
    ROOT,
    document_of,
    documents,
    encoded,
    summary,
    with_labels,
    with_summary,
)

try:
    import fcntl
except ImportError:  # Windows: nobody waits there for anybody else
    fcntl = None  # type: ignore[assignment]

NEW = "new"  # the store of the new elements, in the folder that is given as `aside`
_OLD = "old"  # documents of the store as they were
_FROZEN = "frozen.json"  # its root with a summary, where it had none
_JOURNAL = ".postseg-journal"

_turn = threading.RLock()
_ours: set[Path] = set()  # stores that this process has locked


@contextmanager
def locked(store: Path, wait: bool = True) -> Iterator[None]:
    """Keep other processes from moving anything into a store; again in the block: nothing new.

    The lock is on the folder itself, and goes with the process. A file system that has no such
    locks gives none.

    Raises
    ------
    BlockingIOError
        Another process has it, and it is not to be waited for.
    """
    with _turn:
        if store in _ours or fcntl is None:
            yield
            return
        lock = os.open(store, os.O_RDONLY)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise
            except OSError:
                pass
            _ours.add(store)
            yield
        finally:
            _ours.discard(store)
            os.close(lock)


def move_in(aside: Path, store: Path, names: Iterable[str]) -> None:
    """Move elements into a locked store that has none of these names, all or none.

    Of what was there, the root is replaced, and the document of ``labels`` where that lists the
    labels; on failure they are as before, to the byte.

    Parameters
    ----------
    aside : Path
        A folder on the same file system, with a store of the new elements in `NEW`.
    store : Path
        Where they are to go.
    names : iterable of str
        What is to be moved: ``labels/cells``.
    """
    try:
        _move_in(aside, store, list(names))
    finally:
        settle(aside)


def _move_in(aside: Path, store: Path, names: list[str]) -> None:
    new = aside / NEW
    kinds = sorted({name.partition("/")[0] for name in names})
    made = [kind for kind in kinds if not (store / kind).exists()]
    replaced = [] if "labels" in made else _list_labels(new, store, names)
    before = (store / ROOT).read_bytes()
    root = json.loads(before)
    frozen = None if summary(root) is not None else encoded(with_summary(root, documents(store)))

    after = _with_elements(root, new, store, names, made, replaced)

    for document in (ROOT, *replaced):
        _write((store / document).read_bytes(), aside / _OLD / document)
    if frozen is not None:
        _write(frozen, aside / _FROZEN)
    journal = {
        "store": store.name,
        "elements": {name: _identity(new / name) for name in names},
        "made": made,
        "replaced": replaced,
    }
    _put(json.dumps(journal).encode(), aside / _JOURNAL, aside)

    if frozen is not None:
        _put(frozen, store / ROOT, aside)
    for kind in made:
        os.mkdir(store / kind)
        _put((new / kind / ROOT).read_bytes(), store / kind / ROOT, aside)
    for document in replaced:
        _put((new / document).read_bytes(), store / document, aside)
    for name in names:
        os.rename(new / name, store / name)
    for kind in kinds:
        sync(store / kind)
    _put(before if after == root else encoded(after), store / ROOT, aside)


def _list_labels(new: Path, store: Path, names: list[str]) -> list[str]:
    """Let the document of the new labels list those of the store too, if it is to take its place.

    Returns
    -------
    list of str
        The documents that change.
    """
    document = f"labels/{ROOT}"
    labels = [name.partition("/")[2] for name in names if name.startswith("labels/")]
    if not labels:
        return []
    old = json.loads((store / document).read_bytes())
    listing = with_labels(old, labels)
    if listing == old:
        return []
    _write(encoded(listing), new / document)
    return [document]


def _with_elements(
    root: dict[str, Any],
    new: Path,
    store: Path,
    names: list[str],
    made: list[str],
    replaced: list[str],
) -> dict[str, Any]:
    """The root that names the new elements too; what it says of the others stays as it is."""
    root = copy.deepcopy(root)
    added = [*names, *(f"{kind}/{ROOT}" for kind in made), *replaced]
    ownership.extend(root.get("attributes") or {}, store, new, added)
    known = summary(root)
    if known is None:
        return root
    found = documents(new)
    for name in names:
        kind, _, element = name.partition("/")
        if kind not in known:
            known[kind] = found[kind] if kind in made else document_of(store / kind)
        if kind == "labels":
            known[kind] = with_labels(known[kind], [element])
        known |= {key: found[key] for key in found if f"{key}/".startswith(f"{name}/")}
    return with_summary(root, known)


def settle(aside: Path) -> None:
    """Take back a move that did not come to its end, and forget it.

    Only what the journal names is touched, and of that what the root of the store does not name.

    Raises
    ------
    OSError
        It could not be taken back, or the store is in use: then the journal stays.
    """
    journal = _journal(aside)
    if journal is None:
        return
    store = aside.parent / journal["store"]
    if (store / ROOT).is_file():
        with locked(store, wait=False):
            _take_back(aside, store, journal)
    (aside / _JOURNAL).unlink()


@contextmanager
def turn(aside: Path) -> Iterator[None]:
    """Lock the store that a folder has a journal of, if it has one.

    Raises
    ------
    OSError
        The store is in use.
    """
    journal = _journal(aside)
    store = aside.parent / journal["store"] if journal else None
    if store is None or not store.is_dir():
        yield
        return
    with locked(store, wait=False):
        yield


def _journal(aside: Path) -> dict[str, Any] | None:
    """What is or was being moved; None where nothing is."""
    try:
        return json.loads((aside / _JOURNAL).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _take_back(aside: Path, store: Path, journal: dict[str, Any]) -> None:
    root = (store / ROOT).read_bytes()
    try:
        named = summary(json.loads(root))
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise OSError(errno.EIO, "the root cannot be read", str(store)) from error
    if named is None:  # all that is there belongs to the store
        return
    new = aside / NEW
    for name, identity in journal["elements"].items():
        if name not in named and _identity(store / name) == identity:
            os.rename(store / name, new / name)
    if named.keys().isdisjoint(journal["elements"]):
        for document in journal["replaced"]:
            if _content(store / document) == _content(new / document):
                _put((aside / _OLD / document).read_bytes(), store / document, aside)
    for kind in journal["made"]:
        if kind not in named:
            _remove_empty(store / kind)
    if root == _content(aside / _FROZEN):
        _put((aside / _OLD / ROOT).read_bytes(), store / ROOT, aside)


def _remove_empty(group: Path) -> None:
    """Remove a group without members."""
    with suppress(FileNotFoundError):
        if set(os.listdir(group)) <= {ROOT}:
            (group / ROOT).unlink(missing_ok=True)
            os.rmdir(group)


def _identity(path: Path) -> int | None:
    """What a folder keeps when it is moved; None where there is none."""
    try:
        return path.lstat().st_ino
    except FileNotFoundError:
        return None


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write(content: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    sync(path)


def _put(content: bytes, target: Path, aside: Path) -> None:
    """Write a file in one step, with the rights of the one whose place it takes."""
    part = aside / "part"
    _write(content, part)
    with suppress(FileNotFoundError):
        shutil.copymode(target, part)
    os.replace(part, target)
    sync(target.parent)


def flush(folder: Path) -> None:
    """Bring all files of a folder to the disk: before a root names them, against power cuts."""
    for parent, _, files in os.walk(folder):
        for name in files:
            sync(Path(parent, name))
        sync(Path(parent))


def sync(path: Path) -> None:
    """Bring one file or folder to the disk, where the file system can."""
    if fcntl is None and path.is_dir():  # Windows opens no folders
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # not every file system can
            raise
    finally:
        os.close(handle)
