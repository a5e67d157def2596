"""`TileStore`: tiles on disk, one file each, to which many processes may add at once."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from postseg._support.atomic import check_outside_of_stores, is_store, replacing
from postseg._support.moving import sync
from postseg._support.reading import reading
from postseg.tiles.tile import Rectangle, Tile

_VERSION = 1  # of the files
_HEADER = "postseg.json"
_ARRAYS = ("row", "start", "stop", "label")
_NUMBER = "(0|[1-9][0-9]*)"
_NAME = re.compile(f"r{_NUMBER}_c{_NUMBER}_{_NUMBER}x{_NUMBER}[.]npz")


class TileStore:
    """A folder with one file per tile, and nothing else that would have to agree with them.

    Processes and threads, on several machines too, may add to it and read from it at once. A file
    is complete or not there. Files of other names are left alone.

    Parameters
    ----------
    folder : str or Path
        Is made where it is missing; its parent must be there.
    shape : tuple of int
        Rows and columns of the slide.
    ids : str
        What labels mean from tile to tile.
    rim : int
        Width of the border of a tile that is not to be trusted.

    Raises
    ------
    OSError
        It is no folder, or cannot be made.
    ValueError
        It is or lies in a Zarr store, or it holds tiles of another shape, ids or rim. One tile is
        looked at; `read` looks at each.
    """

    def __init__(
        self, folder: str | os.PathLike[str], shape: tuple[int, int], ids: str, rim: int
    ) -> None:
        self.folder = Path(os.path.abspath(folder))  # wherever the process goes
        self._settings = {"shape": [*map(int, shape)], "ids": ids, "rim": int(rim)}
        if is_store(self.folder):
            raise ValueError(f"{folder} is a Zarr store. Choose another folder for the tiles.")
        check_outside_of_stores(folder)
        try:
            self.folder.mkdir(exist_ok=True)
        except FileNotFoundError:
            raise FileNotFoundError(
                f"{folder} cannot be made: create the folder {self.folder.parent} first."
            ) from None
        except FileExistsError:
            kind = "a link to nowhere" if self.folder.is_symlink() else "not a folder"
            raise NotADirectoryError(
                f"{folder} is {kind}. Choose another name for the folder of the tiles."
            ) from None
        with suppress(OSError):  # what is damaged is for `read` to tell
            for rectangle, header in _headers(self.folder):
                self._check_settings(rectangle, header)
                break

    def rectangles(self) -> list[Rectangle]:
        """Where the tiles lie that are there now, by the names of their files; sorted."""
        return _rectangles(self.folder)

    def add(self, tile: Tile, *, overwrite: bool = False) -> bool:
        """Write a tile, completely or not at all.

        Of several that add the same one at once, one writes it. Of different ones for the same
        rectangle one is written, and the others are refused.

        Parameters
        ----------
        tile : Tile
            The tile.
        overwrite : bool, default False
            Whether it may take the place of another one, or of a file that cannot be read.

        Returns
        -------
        bool
            False where this tile was there already: then nothing is written.

        Raises
        ------
        FileExistsError
            There is another one, which is not to be replaced.
        OSError
            There is a file that cannot be read, or none can be written.
        ValueError
            There is one of another shape, ids or rim.
        """
        if self._holds(tile, overwrite):
            return False
        try:
            with replacing(self._path(tile.rectangle), overwrite) as part:
                self._write(part, tile)
        except FileExistsError:  # since we looked
            if not self._holds(tile, overwrite):
                raise
            return False
        return True

    def read(self, rectangle: Rectangle) -> Tile:
        """Read a tile, and check that it is what was added.

        Raises
        ------
        OSError
            It is missing, damaged or not by postseg.
        ValueError
            It is of another shape, ids or rim.
        """
        with _opened(self._path(rectangle), rectangle) as (archive, header):
            place = Rectangle(*header["rectangle"])
            if place != rectangle:
                raise OSError(f"it is the tile of {place}")
            row, start, stop = (_array(archive, name, np.int32) for name in _ARRAYS[:3])
            tile = Tile(place, row, start, stop, _array(archive, "label", np.int64))
            if tile.digest != header["digest"]:
                raise OSError("its runs are not those that were added")
        self._check_settings(rectangle, header)
        return tile

    def _path(self, rectangle: Rectangle) -> Path:
        return _path(self.folder, rectangle)

    def _holds(self, tile: Tile, overwrite: bool) -> bool:
        """Whether this tile is there; any other content is an error, unless it may go."""
        try:
            same = self.read(tile.rectangle).digest == tile.digest
        except FileNotFoundError:
            return False
        except (OSError, ValueError):
            if overwrite:
                return False
            raise
        if not (same or overwrite):
            raise FileExistsError(
                f"{self._path(tile.rectangle)} holds another tile of {tile.rectangle}. Keep that, "
                "or replace it with overwrite=True."
            )
        return same

    def _write(self, path: Path, tile: Tile) -> None:
        header = {
            "version": _VERSION,
            "rectangle": [*map(int, tile.rectangle)],
            **self._settings,
            "digest": tile.digest,
        }
        # not deflated: a tile of 2048 x 2048 with 82,000 runs would be 220 KB instead of 660, and
        # take 7 ms more to write and 3 to read, at the fastest level
        with zipfile.ZipFile(path, "w") as archive:
            with archive.open(_HEADER, "w") as file:
                file.write(json.dumps(header).encode())
            for name in _ARRAYS:
                part = getattr(tile, name)
                smallest = np.min_scalar_type(part.max(initial=0))
                with archive.open(f"{name}.npy", "w") as file:
                    np.lib.format.write_array(file, part.astype(smallest), allow_pickle=False)
        sync(path)  # a cut of the power would leave its name, and nothing or zeros in it

    def _check_settings(self, rectangle: Rectangle, header: dict[str, Any]) -> None:
        wrong = [name for name, value in self._settings.items() if header[name] != value]
        if wrong:
            stored, asked = (
                ", ".join(f"{name} {values[name]!r}" for name in wrong)
                for values in (header, self._settings)
            )
            raise ValueError(
                f"{self._path(rectangle)} was added with {stored}, and not with {asked}. Open the "
                "store with what its tiles have, or choose another folder."
            )


class Settings(NamedTuple):
    """What all tiles of a store have in common; see `TileStore`."""

    shape: tuple[int, int]
    ids: str
    rim: int


def settings_of(folder: str | os.PathLike[str]) -> Settings:
    """Tell what the tiles of a store were added with, by the first one that can be read.

    Raises
    ------
    ValueError
        There are no tiles in it.
    OSError
        It is no folder, or none of them can be read.
    """
    for _, header in _headers(Path(folder)):
        rows, columns = header["shape"]
        return Settings((rows, columns), header["ids"], header["rim"])
    raise ValueError(
        f"{folder} holds no tiles that a Slide stored. Is it another folder, or one of label "
        f"images, {Path(folder) / '*.npy'}?"
    )


def is_stored(path: Path) -> bool:
    """Whether a file has the name of a tile in a store."""
    return _NAME.fullmatch(path.name) is not None


def _rectangles(folder: Path) -> list[Rectangle]:
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(
            f"there is no folder of tiles {folder}. Was it moved, or is it another one?"
        ) from None
    found = filter(None, map(_NAME.fullmatch, names))
    numbers = (map(int, match.groups()) for match in found)
    return sorted(Rectangle(row, col, row + m, col + n) for row, col, m, n in numbers)


def _headers(folder: Path) -> Iterator[tuple[Rectangle, dict[str, Any]]]:
    """What tiles say of themselves, damaged ones left out; the error of one if all are."""
    damaged, readable = None, False
    for rectangle in _rectangles(folder):
        try:
            with _opened(_path(folder, rectangle), rectangle) as (_, header):
                pass
        except OSError as error:
            damaged = damaged or error
            continue
        readable = True
        yield rectangle, header
    if damaged and not readable:
        raise damaged


def _path(folder: Path, rectangle: Rectangle) -> Path:
    return folder / f"{rectangle.name}.npz"


@contextmanager
def _opened(path: Path, rectangle: Rectangle) -> Iterator[tuple[zipfile.ZipFile, dict[str, Any]]]:
    """The file of a tile, and its header; errors in the block are told as of the file."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path} does not exist. Add the tile of {rectangle} first."
        ) from None
    except IsADirectoryError:
        raise IsADirectoryError(
            f"{path} is a folder, and not the tile of {rectangle}. Move it elsewhere."
        ) from None
    advice = f"If it is damaged, delete it and add the tile of {rectangle} again."
    # opened here, because zipfile leaves a damaged one open
    with file, reading(path, advice), zipfile.ZipFile(file) as archive:
        yield archive, _header(archive)


def _header(archive: zipfile.ZipFile) -> dict[str, Any]:
    if _HEADER not in archive.namelist():
        raise OSError("it is not a tile that postseg wrote")
    header: dict[str, Any] = json.loads(archive.read(_HEADER))
    missing = {"version", "rectangle", "shape", "ids", "rim", "digest"} - set(header)
    if missing:
        raise OSError(f"it does not tell its {min(missing)}")
    if header["version"] != _VERSION:
        raise OSError(
            f"it is in version {header['version']} of the format, and this postseg reads "
            f"{_VERSION}; use the postseg that wrote it"
        )
    return header


def _array(archive: zipfile.ZipFile, name: str, kind: type[Any]) -> NDArray[Any]:
    # all of it at once, so that its checksum is compared before anything believes it
    content = io.BytesIO(archive.read(f"{name}.npy"))
    return np.lib.format.read_array(content, allow_pickle=False).astype(kind)
