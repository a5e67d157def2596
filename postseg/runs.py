"""`Runs`: a label image as horizontal runs, which is all that postseg works on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from postseg._kernels import runs as kernels
from postseg.label_image import as_block


class Runs(NamedTuple):
    """Maximal horizontal stretches of one nonzero label, in raster order.

    Attributes
    ----------
    row, start, stop : (n_runs,) int32
        The pixels ``image[row, start:stop]``.
    label : (n_runs,) int64
        Their value; int32 will do where it is a region number.
    shape : tuple of int
        Rows and columns of the image.
    """

    row: NDArray[np.int32]
    start: NDArray[np.int32]
    stop: NDArray[np.int32]
    label: NDArray[np.integer[Any]]
    shape: tuple[int, int]

    def without_background(self) -> Runs:
        """The runs whose label is not 0."""
        kept = self.label > 0
        row, start, stop = (part[kept] for part in self[:3])
        return Runs(row, start, stop, self.label[kept], self.shape)

    @property
    def last_row(self) -> int | None:
        """The lowest row with a run, or None."""
        return int(self.row[-1]) if self.row.size else None

    def same(self, other: Runs) -> bool:
        """Whether both are runs of one and the same image."""
        pairs = zip(self[:4], other[:4], strict=True)
        return self.shape == other.shape and all(np.array_equal(*pair) for pair in pairs)


class Regions(NamedTuple):
    """Runs grouped by region, each region's in raster order.

    Attributes
    ----------
    offsets : (n + 1,) int64
        Region number k + 1 owns the runs ``offsets[k]:offsets[k + 1]``.
    row, start, stop : (n_runs,) int32
        As in `Runs`.
    source_label : (n,) int64
        The label that each region has in the image.
    number : (n_runs,) int32
        Region number, from 1, of each run in raster order: of the `Runs`, not of `row` here.
    """

    offsets: NDArray[np.int64]
    row: NDArray[np.int32]
    start: NDArray[np.int32]
    stop: NDArray[np.int32]
    source_label: NDArray[np.int64]
    number: NDArray[np.int32]


def encode_block(block: NDArray[Any], first_row: int, first_col: int) -> tuple[NDArray[Any], ...]:
    """Row, start, stop and label of the runs in one block at that place in the image."""
    return kernels.encode(as_block(block, first_row, first_col), first_row, first_col)


def components(runs: Runs) -> Regions:
    """Number the 8-connected regions of equal label, in raster order of their first pixel.

    The order is that of ``skimage.measure.label(connectivity=2)``.
    """
    number, n_regions = kernels.components(runs.row, runs.start, runs.stop, runs.label)
    order, offsets = kernels.group(number, n_regions)
    first = order[offsets[:-1]]
    return Regions(
        offsets,
        runs.row[order],
        runs.start[order],
        runs.stop[order],
        runs.label[first],
        number,
    )
