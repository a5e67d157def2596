"""Folders beside an output for what is not complete yet, and what killed processes left of them.

A folder is held by a lock on a file in it, which the system gives up with the process, however
that ends. Whoever gets the lock may clear the folder.
"""

import atexit
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from postseg._support import moving

try:
    import fcntl
except ImportError:  # Windows: nothing is held there, and so nothing cleared
    fcntl = None  # type: ignore[assignment]

_LOCK = ".postseg-lock"
_NAME = re.compile(r"\.(partial|old)-[a-z0-9_]{8}$")  # as `tempfile` ends names
_OLD = re.compile(r"\.old-[a-z0-9_]{8}$")
_SHORT = 100  # bytes of a name, so that there is space for the rest

# of this process: some network file systems would give it its own locks once more
_held: set[Path] = set()


@contextmanager
def beside(target: Path, what: str) -> Iterator[Path]:
    """Make a folder beside `target` for the time of the block.

    Parameters
    ----------
    target : Path
        The output, without links.
    what : {"partial", "old"}
        What will be in it: the new output, or the old one moved aside, by the name of the output.

    Yields
    ------
    Path
        The folder.

    Raises
    ------
    OSError
        When there cannot be one.
    """
    name = os.fsencode(target.name)[:_SHORT].decode(errors="ignore")
    folder = Path(tempfile.mkdtemp(prefix=f"{name}.{what}-", dir=target.parent))
    _held.add(folder)
    lock = None
    try:
        lock = _hold(folder)
        yield folder
    except BaseException:
        if what == "partial":
            # threads that are still writing may bring it back, so once more at exit
            atexit.register(_dispose_of, folder)
        raise
    finally:
        try:
            _dispose_of(folder)
        finally:  # when that is interrupted, the next run clears the rest
            _held.discard(folder)
            if lock is not None:
                _let_go(folder, lock)


def holds(path: str) -> bool:
    """Whether a path is such a folder or leads into one."""
    return any(map(_NAME.search, Path(path).parts))


def clear(folder: Path) -> None:
    """Remove what killed processes left in `folder`; an old output without a new one goes back.

    Elements that they were moving into a store are taken back from it. What may be in use, or is
    not known to be ours, stays.
    """
    with suppress(OSError):
        for name in filter(_NAME.search, os.listdir(folder)):
            if folder / name not in _held and not (folder / name).is_symlink():
                _clear(folder / name)


def _clear(left: Path) -> None:
    # the store first, as whoever is moving elements into it has that and then clears
    with suppress(OSError), moving.turn(left):
        lock = os.open(left / _LOCK, os.O_RDWR)
        try:
            # the owner is written once the lock is held; what another machine left may be in use
            # there, since not every network file system shows its locks here
            if _locked(lock) and os.read(lock, 1000) == _owner():
                _dispose_of(left)
        finally:
            _let_go(left, lock)


def _dispose_of(folder: Path) -> None:
    """Remove a folder, but first put an old output back where there is no new one.

    And take back what was being moved from it into a store.
    """
    with suppress(OSError):  # then all of it stays
        moving.settle(folder)
        if _OLD.search(folder.name):
            for old in folder.iterdir():
                target = folder.parent / old.name
                if old.name != _LOCK and not os.path.lexists(target):
                    old.rename(target)
        for path in folder.iterdir():  # the lock last: without it nobody would clear the rest
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _LOCK:
                path.unlink()
        shutil.rmtree(folder, ignore_errors=True)


def _hold(folder: Path) -> int:
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    if _locked(lock):
        with suppress(OSError):
            os.write(lock, _owner())
    return lock


def _locked(lock: int) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # it is in use, or the file system has no locks
        return False
    return True


def _let_go(folder: Path, lock: int) -> None:
    """Close the lock; a network file system keeps its file, and so the folder, until then."""
    os.close(lock)
    with suppress(OSError):  # it is gone, or in use
        folder.rmdir()


def _owner() -> bytes:
    return f"postseg on {platform.node()}".encode()
