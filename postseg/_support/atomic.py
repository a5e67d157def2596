"""Write outputs completely or not at all."""

import ctypes
import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from postseg._support import ownership, scratch

_AT_FDCWD = -100  # from <fcntl.h>: names are relative to the working directory
_RENAME_EXCHANGE = 2  # from <stdio.h>
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_SHOWN = 5  # names in an error


def is_store(path: Path) -> bool:
    """Whether a folder is the root of a Zarr store (format 2 or 3)."""
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


def check_target(
    path: str | os.PathLike[str],
    overwrite: bool = False,
    *,
    store: bool = False,
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Refuse a place that cannot be written to, before any work is done.

    What killed processes left beside it is cleared first.

    Parameters
    ----------
    path : str or Path
        Where a file or a Zarr store is to be written.
    overwrite : bool, default False
        Whether an existing file may be replaced, or a Zarr store in which everything is by
        postseg. Other stores and folders never are.
    store : bool, default False
        Whether a Zarr store is to be written, and no file.
    inputs : iterable of str or Path
        What is read or written besides.

    Raises
    ------
    ValueError
        The path is or contains one of the inputs, or lies in a Zarr store.
    OSError
        The path exists, or its folder is missing or not writable.
    """
    target = _resolve(path)
    _check_name(path, target)
    scratch.clear(target.parent)
    for other in inputs:
        if _overlap(target, _resolve(other)):
            raise ValueError(
                f"{path} is or overlaps {other}, which this run uses. Choose another name."
            )
    check_outside_of_stores(path)
    _check_existing(path, target, overwrite, store)
    folder = target.parent
    if not folder.exists():
        raise FileNotFoundError(f"{path} cannot be written: create the folder {folder} first.")
    if not folder.is_dir():
        raise NotADirectoryError(f"{path} cannot be written: {folder} is not a folder.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{path} cannot be written: no permission to write in {folder}.")


def check_outside_of_stores(path: str | os.PathLike[str]) -> None:
    """Refuse a place in a Zarr store, whose content is no other program's business.

    Raises
    ------
    ValueError
        The path lies in a Zarr store.
    """
    for folder in _resolve(path).parents:
        if is_store(folder):
            raise ValueError(f"{path} lies in the Zarr store {folder}. Choose another place.")


def _check_name(path: str | os.PathLike[str], target: Path) -> None:
    try:
        longest = os.pathconf(target.parent, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):
        longest = 255
    length = len(os.fsencode(target.name))
    if length > longest:
        raise OSError(
            f"{path} cannot be written: its name has {length} bytes, and {longest} are possible. "
            "Choose a shorter one."
        )


def _check_existing(
    path: str | os.PathLike[str], target: Path, overwrite: bool, store: bool
) -> None:
    if target.is_dir() and not store:
        raise IsADirectoryError(f"{path} is a folder. Choose another name.")
    if target.is_dir() and not is_store(target):
        raise FileExistsError(
            f"{path} is a folder and not a Zarr store, so it is never replaced. "
            "Choose another name."
        )
    if not target.exists():
        return
    if not target.is_dir() and (store or not target.is_file()):
        kind = "file" if target.is_file() else "device"
        raise FileExistsError(f"{path} is a {kind}. Choose another name.")
    if not overwrite:
        raise _taken(path)
    lost = ownership.not_ours(target) if store else []
    if lost:
        listing = ", ".join(lost[:_SHOWN])
        if len(lost) > _SHOWN:
            listing += f" and {len(lost) - _SHOWN:,} more"
        raise FileExistsError(
            f"{path} is not replaced, because that would lose what is not by postseg: {listing}. "
            "Choose another name, add to it with add_to(), or delete it yourself first."
        )


def _taken(path: str | os.PathLike[str]) -> FileExistsError:
    return FileExistsError(
        f"{path} exists. Choose another name, or replace it with overwrite (--overwrite)."
    )


def _overlap(target: Path, other: Path) -> bool:
    """Whether the one is or contains the other; new things in a folder are no matter."""
    if target == other or target in other.parents or (other in target.parents and is_store(other)):
        return True
    return target.exists() and other.exists() and target.samefile(other)  # in another case


@contextmanager
def replacing(
    path: str | os.PathLike[str], overwrite: bool = False, *, store: bool = False
) -> Iterator[Path]:
    """Write a file or a Zarr store beside its final name, and rename it once it is complete.

    Of several that write one new file at the same time, one has the name and the others an error.

    Parameters
    ----------
    path : str or Path
        The final name.
    overwrite, store : bool, default False
        As in `check_target`. What is replaced stays until the new one is complete.

    Yields
    ------
    Path
        The path to write to. It is removed when the block fails or is interrupted.

    Raises
    ------
    OSError
        The path exists, its folder is missing or not writable, or the disk is full.
    """
    check_target(path, overwrite, store=store)
    target = _resolve(path)
    with ExitStack() as made:
        with naming(path):
            part = made.enter_context(scratch.beside(target, "partial")) / target.name
            yield part
        _check_existing(path, target, overwrite, store)  # it may have appeared or changed meanwhile
        with naming(path):
            moved = _move(part, target, overwrite)
        if not moved:
            raise _taken(path)


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let errors name the output, and not an unfinished part of it or nothing at all.

    Parameters
    ----------
    path : str or Path
        The output.

    Raises
    ------
    OSError
        What the block raises, said of the output.
    """
    try:
        yield
    except OSError as error:
        named = error.filename is not None and not scratch.holds(str(error.filename))
        if named and error.errno not in _NO_SPACE:
            raise  # it is of another file
        reason = (error.strerror or str(error) or type(error).__name__).rstrip(".")
        advice = " Check the space and the rights in its folder." if error.errno else ""
        raise OSError(f"{path} cannot be written: {reason}.{advice}") from error


def _move(part: Path, target: Path, overwrite: bool) -> bool:
    """Give the output its name; False where a file has it by now that is not to be replaced."""
    if not overwrite and not part.is_dir():
        return _claim(part, target)
    if not (overwrite and part.is_dir() and target.is_dir()):
        part.replace(target)  # of folders, none but an empty one gives way to that
    elif not _exchange(part, target):
        # from there it goes back if there is no new one in the end
        with scratch.beside(target, "old") as aside:
            target.rename(aside / target.name)
            part.rename(target)
    return True


def _claim(part: Path, target: Path) -> bool:
    """Give a file a name that no other has; to look and then to rename would be two steps."""
    try:
        os.link(part, target)
    except FileExistsError:
        # a network file system may have done it, lost the answer, and asked again
        return target.exists() and part.samefile(target)
    except OSError:  # a file system without a second name for a file, or not in another folder
        part.replace(target)
    return True


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
