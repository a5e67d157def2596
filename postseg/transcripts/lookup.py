"""Which region a point lies in, exactly, by the runs of the masks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from postseg._kernels import points as kernels
from postseg.geometry.placement import Matrix
from postseg.raster.nearest import shown
from postseg.raster.runs import Runs

_SHIFT = 5  # blocks of 32 columns
_ENTRIES = 2**20  # of an index, or two for each run where that is more


class Extent(NamedTuple):
    """Where finite points lie, in full-resolution pixels of the masks: the least and the largest.

    Infinite of no points.
    """

    left: float = np.inf
    top: float = np.inf
    right: float = -np.inf
    bottom: float = -np.inf

    def union(self, other: Extent) -> Extent:
        """The extent of both."""
        low = (min(pair) for pair in zip(self[:2], other[:2], strict=True))
        high = (max(pair) for pair in zip(self[2:], other[2:], strict=True))
        return Extent(*low, *high)


class Lookup(NamedTuple):
    """The runs of masks, and an index of them.

    Attributes
    ----------
    runs : Runs
        With the region number, from 1, as label.
    n_regions : int
        How many there are.
    rows : (height,) int32
        Which row of the masks each full-resolution row shows.
    columns : (width,) int32
        The same of columns.
    first : array of int32
        See `kernels.index`.
    shift : int
        A block of it has ``2 ** shift`` columns.
    """

    runs: Runs
    n_regions: int
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    first: NDArray[np.int32]
    shift: int

    @classmethod
    def of(cls, runs: Runs, n_regions: int, shape: tuple[int, int]) -> Lookup:
        """Index runs of masks that are shown at this full-resolution shape."""
        height, width = runs.shape
        rows, columns = (
            shown(np.arange(length), n, length).astype(np.int32)
            for length, n in zip(shape, runs.shape, strict=True)
        )
        shift = _SHIFT
        while height * _blocks(width, shift) > max(_ENTRIES, 2 * runs.row.size) and shift < 31:
            shift += 1
        runs = runs._replace(label=runs.label.astype(np.int32, copy=False))
        first = kernels.index(runs.row, runs.stop, height, _blocks(width, shift), shift)
        return cls(runs, n_regions, rows, columns, first, shift)

    @property
    def ends(self) -> tuple[int, int, int]:
        """What `find` has for points in no region, off the masks, and not finite."""
        return self.n_regions, self.n_regions + 1, self.n_regions + 2

    def find(
        self, x: NDArray[np.float64], y: NDArray[np.float64], matrix: Matrix
    ) -> tuple[NDArray[np.int32], Extent]:
        """Find out which region each point lies in.

        Parameters
        ----------
        x, y : (n_points,) float64
            The points.
        matrix : (3, 3) array
            From them to full-resolution pixels of the masks, pixel i being [i, i + 1).

        Returns
        -------
        found : (n_points,) int32
            Region number - 1, or one of `ends`.
        extent : Extent
            Of all that are finite.
        """
        found = np.empty(x.size, np.int32)
        extent = kernels.look_up(
            np.ascontiguousarray(x),
            np.ascontiguousarray(y),
            np.ascontiguousarray(matrix, dtype=np.float64),
            self.rows,
            self.columns,
            self.first,
            _blocks(self.runs.shape[1], self.shift),
            self.shift,
            self.runs.start,
            self.runs.stop,
            self.runs.label,
            np.array(self.ends, dtype=np.int32),
            found,
        )
        return found, Extent(*extent)


def _blocks(width: int, shift: int) -> int:
    """How many blocks a row has; one even where it has no pixels."""
    return max(1, -(-width >> shift))
