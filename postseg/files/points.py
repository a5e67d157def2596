"""Transcripts, an element of a store or a file, and the matrix that places them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from postseg._support.reading import reading
from postseg.files.named import Named

if TYPE_CHECKING:
    import dask.dataframe as dd


def find_points(points: Named) -> Path | dd.DataFrame:
    """Open a points element, or find the file of points.

    Parameters
    ----------
    points : Named
        A points element, or a Parquet file, a folder of such, or a CSV file.

    Raises
    ------
    OSError
        There is no such file, or the store is damaged.
    ValueError
        There is no such element.
    """
    if points.element is not None:
        from postseg.elements import store

        return store.read_points(points.path, points.element)
    points.check_exists("a Parquet or CSV file")
    return points.path


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
