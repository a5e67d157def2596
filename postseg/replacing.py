"""Write outputs completely or not at all."""

import atexit
import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_AT_FDCWD = -100  # from <fcntl.h>: names are relative to the working directory
_RENAME_EXCHANGE = 2  # from <stdio.h>


def is_store(path: Path) -> bool:
    """Whether a folder is the root of a Zarr store (format 2 or 3)."""
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


def check_target(path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Refuse a place that cannot be written to, before any work is done.

    Parameters
    ----------
    path : str or Path
        Where a file or a Zarr store is to be written.
    overwrite : bool, default False
        Whether an existing file or Zarr store may be replaced. Other folders never are.

    Raises
    ------
    OSError
        The path exists, or its folder is missing or not writable.
    """
    target = _resolve(path)
    if target.is_dir() and not is_store(target):
        raise FileExistsError(
            f"{path} is a folder and not a Zarr store, so it is never replaced. "
            "Choose another name."
        )
    if target.exists() and not overwrite:
        raise FileExistsError(
            f"{path} exists. Choose another name, or replace it with overwrite (--overwrite)."
        )
    folder = target.parent
    if not folder.exists():
        raise FileNotFoundError(f"{path} cannot be written: create the folder {folder} first.")
    if not folder.is_dir():
        raise NotADirectoryError(f"{path} cannot be written: {folder} is not a folder.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{path} cannot be written: no permission to write in {folder}.")


@contextmanager
def replacing(path: str | os.PathLike[str], overwrite: bool = False) -> Iterator[Path]:
    """Write a file or a Zarr store beside its final name, and rename it once it is complete.

    Parameters
    ----------
    path : str or Path
        The final name.
    overwrite : bool, default False
        As in `check_target`. What is replaced stays until the new one is complete.

    Yields
    ------
    Path
        The path to write to. It is removed when the block fails or is interrupted.

    Raises
    ------
    OSError
        The path exists, or its folder is missing or not writable.
    """
    check_target(path, overwrite)
    target = _resolve(path)
    folder = _folder_beside(target, "partial")
    try:
        part = folder / target.name
        yield part
        check_target(path, overwrite)  # it may have appeared meanwhile
        _move(part, target)
    except BaseException:
        # threads that are still writing may bring it back, so it is removed at exit once more
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move(part: Path, target: Path) -> None:
    if not (part.is_dir() and target.is_dir()):
        part.replace(target)
        return
    if _exchange(part, target):
        return  # the old one is in the place of the part now, which is removed
    # otherwise move the old one aside, and back if that is interrupted
    aside = _folder_beside(target, "old")
    old = aside / target.name
    try:
        target.rename(old)
        part.rename(target)
    finally:
        if not target.exists():
            old.rename(target)
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step, so that there is no moment without either; Linux can."""
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    names = os.fsencode(one), os.fsencode(other)
    return bool(renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)


def _resolve(path: str | os.PathLike[str]) -> Path:
    """Follow links, so that what a link points to is replaced, not the link."""
    return Path(os.path.realpath(path))


def _folder_beside(target: Path, what: str) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=f"{target.name}.{what}-", dir=target.parent))
    except OSError as error:
        raise type(error)(f"{target} cannot be written: {error.strerror}.") from error
