"""What the tiles of a store say of their slide, for those who were not told."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from postseg._support.reading import reading

if TYPE_CHECKING:
    from postseg.tiles.slide import Ids


class Settings(NamedTuple):
    """What all tiles of a store have in common; see `Slide`."""

    shape: tuple[int, int]
    ids: Ids
    rim: int


def settings_of(folder: Path) -> Settings:
    """Read what the tiles of a store were added with, of the first one that can be read.

    `TileStore` checks that all of them have it.

    Raises
    ------
    ValueError
        There are no tiles in it.
    OSError
        None of them can be read. Names one.
    """
    files = sorted(folder.glob("r*_c*_*x*.npz"))
    if not files:
        raise ValueError(
            f"{folder} is no folder of tiles that a Slide stored. Give the tiles themselves, such "
            f"as {folder / '*.npy'}."
        )
    damaged = None
    for file in files:
        try:
            with reading(file, "If it is damaged, delete it and add this tile again."):
                with file.open("rb") as raw, zipfile.ZipFile(raw) as archive:
                    header = json.loads(archive.read("postseg.json"))
                rows, columns = header["shape"]
                return Settings((rows, columns), header["ids"], header["rim"])
        except OSError as error:
            damaged = damaged or error
    assert damaged is not None  # there are files
    raise damaged
