"""Transcripts as a command line names them: an element of a store, or a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from postseg._support.atomic import is_store
from postseg._support.reading import reading
from postseg.files.reference import file_of

if TYPE_CHECKING:
    import dask.dataframe as dd

_KINDS = ("points",)  # folders of a store


def file_of_points(points: str, source: Path) -> Path:
    """The file or store that points are read from; `source` is what the masks are from."""
    return file_of(points, source, _KINDS)


def find_points(points: str, source: Path) -> Path | dd.DataFrame:
    """Open a points element, or find the file of points.

    Parameters
    ----------
    points : str
        The name of a points element of the store `source`; the path of one of another store, such
        as ``slide.zarr/points/transcripts``; or a Parquet file, a folder of such, or a CSV file.
    source : Path
        What the masks are read from.

    Raises
    ------
    OSError
        There is no such file, or the store is damaged.
    ValueError
        There is no such element.
    """
    path = file_of_points(points, source)
    if is_store(path):
        from postseg.elements import store

        return store.read_points(path, Path(points).name)
    if not path.exists():
        raise FileNotFoundError(
            f"{points} does not exist. Give a points element of the store that the masks are from, "
            "SLIDE.zarr/points/NAME of another, or a Parquet or CSV file."
        )
    return path


def read_matrix(path: Path) -> NDArray[np.float64]:
    """Read a matrix of numbers, between which are blanks or commas.

    Raises
    ------
    OSError
        It is missing, or no such.
    """
    with reading(path, "Give a text file of 3 rows with 3 numbers each."):
        text = path.read_text(encoding="utf-8").replace(",", " ")
        return np.loadtxt(text.splitlines(), ndmin=2)
