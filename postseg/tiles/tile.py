"""`Tile`: the label image of a part of the slide, as runs in the slide's own pixels."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Rectangle(NamedTuple):
    """Where a tile lies, in mask pixels of the slide, half open; equal to the plain tuple."""

    top: int
    left: int
    bottom: int
    right: int

    def __str__(self) -> str:
        return f"rows {self.top}:{self.bottom}, columns {self.left}:{self.right}"

    @property
    def name(self) -> str:
        """What tables and files call it."""
        return f"r{self.top}_c{self.left}_{self.bottom - self.top}x{self.right - self.left}"


class Tile(NamedTuple):
    """One tile.

    Attributes
    ----------
    rectangle : Rectangle
        Its place.
    row, start, stop : (n_runs,) int32
        The pixels ``[row, start:stop]`` of the slide, in raster order.
    label : (n_runs,) int64
        As the tile numbers its cells.
    """

    rectangle: Rectangle
    row: NDArray[np.int32]
    start: NDArray[np.int32]
    stop: NDArray[np.int32]
    label: NDArray[np.int64]

    @property
    def digest(self) -> str:
        """SHA-256 of the content: two tiles of one rectangle and digest are the same."""
        found = hashlib.sha256()
        kinds: tuple[Any, ...] = ("<i4", "<i4", "<i4", "<i8")
        for part, kind in zip(self[1:], kinds, strict=True):
            found.update(np.ascontiguousarray(part, kind).tobytes())
        return found.hexdigest()
