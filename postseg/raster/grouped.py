"""`Grouped`: runs by the region, label or polygon that they belong to."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Grouped(NamedTuple):
    """Runs of n owners, those of each together and in raster order.

    A pixel (row, col) spans [col, col + 1] in x and [row, row + 1] in y.

    Attributes
    ----------
    offsets : (n + 1,) int64
        Owner k has the runs ``offsets[k]:offsets[k + 1]``.
    row, start, stop : (n_runs,) int32
        The pixels ``[row, start:stop]``.
    label : (n,) int64
        Of each owner. Several regions may have one.
    """

    offsets: NDArray[np.int64]
    row: NDArray[np.int32]
    start: NDArray[np.int32]
    stop: NDArray[np.int32]
    label: NDArray[np.int64]

    @property
    def owner(self) -> NDArray[np.int64]:
        """Whom each run belongs to, from 0: (n_runs,)."""
        return np.repeat(np.arange(self.label.size), np.diff(self.offsets))

    def areas(self) -> NDArray[np.int64]:
        """Pixels of each owner."""
        before = np.concatenate(([0], np.cumsum(self.stop - self.start, dtype=np.int64)))
        return np.diff(before[self.offsets])

    def centroids(self) -> NDArray[np.float64]:
        """Mean of the pixel centres of each, (n, 2) as x, y; NaN for an owner without pixels."""
        length = (self.stop - self.start).astype(float)
        x, y = (self.start + self.stop) / 2, self.row + 0.5
        sums = [np.bincount(self.owner, length * part, self.label.size) for part in (x, y)]
        with np.errstate(invalid="ignore"):
            return np.stack(sums, axis=1) / self.areas()[:, None]

    def row_ranges(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First row and last row + 1 of each; none may be empty."""
        rows = self.row.astype(np.int64)
        return rows[self.offsets[:-1]], rows[self.offsets[1:] - 1] + 1

    def boxes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First and last corner of each cell's bounding box, (n, 2) each as x, y."""
        (top, bottom), first = self.row_ranges(), self.offsets[:-1]
        if not first.size:
            return np.empty((0, 2), np.int64), np.empty((0, 2), np.int64)
        left, right = np.minimum.reduceat(self.start, first), np.maximum.reduceat(self.stop, first)
        return np.column_stack([left, top]), np.column_stack([right, bottom])

    def cut(self, width: int, chosen: NDArray[np.bool_]) -> Grouped:
        """Without the pixels of the `chosen` owners that lie off the columns ``0:width``."""
        inside = [np.clip(part, 0, width) for part in (self.start, self.stop)]
        chosen_runs = chosen[self.owner]
        start, stop = (
            np.where(chosen_runs, new, old)
            for new, old in zip(inside, (self.start, self.stop), strict=True)
        )
        some = start < stop
        n_before = np.concatenate(([0], np.cumsum(some)))
        return Grouped(n_before[self.offsets], self.row[some], start[some], stop[some], self.label)

    def take(self, chosen: NDArray[np.integer[Any]]) -> Grouped:
        """The owners at the positions `chosen`, in that order."""
        n_runs = np.diff(self.offsets)[chosen]
        offsets = np.concatenate(([0], np.cumsum(n_runs)))
        runs = np.arange(offsets[-1]) + np.repeat(self.offsets[chosen] - offsets[:-1], n_runs)
        row, start, stop = (part[runs] for part in self[1:4])
        return Grouped(offsets, row, start, stop, self.label[chosen])
