"""`Runs`: a label image as horizontal runs, which is all that postseg works on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from postseg._kernels import runs as kernels
from postseg.raster.grouped import Grouped
from postseg.raster.label_image import MAX_LABEL, as_block

if TYPE_CHECKING:
    import dask.array as da


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

    def __repr__(self) -> str:
        return f"{self.row.size:,} runs of a label image of {self.shape[0]} x {self.shape[1]}"

    def without_background(self) -> Runs:
        """The runs whose label is not 0."""
        kept = self.label > 0
        row, start, stop = (part[kept] for part in self[:3])
        return Runs(row, start, stop, self.label[kept], self.shape)

    def label_image(self) -> da.Array:
        """Paint them lazily, as a dask array: what takes masks takes it, and reads no pixel of it.

        Returns
        -------
        (H, W) int32 or int64 array
            In chunks of 2048 pixels a side; int64 only where a label does not fit int32.

        Raises
        ------
        ValueError
            When they are not in raster order, share pixels or leave the image; names the run.
        """
        from postseg.raster.painted import paint_labels

        return paint_labels(checked(self))

    @property
    def area(self) -> int:
        """How many pixels they are."""
        return int((self.stop - self.start).sum(dtype=np.int64))

    @property
    def last_row(self) -> int | None:
        """The lowest row with a run, or None."""
        return int(self.row[-1]) if self.row.size else None

    def same(self, other: Runs) -> bool:
        """Whether both are runs of one and the same image."""
        pairs = zip(self[:4], other[:4], strict=True)
        return self.shape == other.shape and all(np.array_equal(*pair) for pair in pairs)


def checked(runs: Runs) -> Runs:
    """Return runs that somebody made, or raise an error for what is no label image.

    Raises
    ------
    ValueError
        See `Runs.label_image`.
    """
    row, start, stop, label = (np.asarray(part) for part in runs[:4])
    kinds = {part.dtype.kind for part in (row, start, stop, label) if part.size}
    if kinds - {"i", "u"} or len({part.shape for part in (row, start, stop, label)}) > 1:
        raise ValueError(
            "masks are Runs whose row, start, stop and label are not all whole numbers, as many of "
            "each: see postseg.raster.runs.Runs."
        )
    height, width = runs.shape
    wrong = (row < 0) | (row >= height) | (start < 0) | (start >= stop) | (stop > width)
    wrong |= (label < 0) | (label > MAX_LABEL)
    same_row = row[1:] == row[:-1]
    wrong[1:] |= (row[1:] < row[:-1]) | (same_row & (start[1:] < stop[:-1]))
    if wrong.any():
        at = int(wrong.argmax())
        raise ValueError(
            f"run {at} of the masks, row {row[at]}, columns {start[at]}:{stop[at]}, label "
            f"{label[at]}, is not in raster order, shares pixels with the one before, leaves the "
            f"image of {height} x {width}, or has no label from 0 to 2^63 - 1."
        )
    return Runs(
        row.astype(np.int32, copy=False),
        start.astype(np.int32, copy=False),
        stop.astype(np.int32, copy=False),
        label.astype(np.int64, copy=False),
        (int(height), int(width)),
    )


class Components(NamedTuple):
    """The regions of an image.

    Attributes
    ----------
    regions : Grouped
        Their runs, by region number - 1, with the label that each has in the image.
    number : (n_runs,) int32
        Region number, from 1, of each of the image's `Runs`.
    """

    regions: Grouped
    number: NDArray[np.int32]


def encode_block(block: NDArray[Any], first_row: int, first_col: int) -> tuple[NDArray[Any], ...]:
    """Row, start, stop and label of the runs in one block at that place in the image."""
    return kernels.encode(as_block(block, first_row, first_col), first_row, first_col)


def components(runs: Runs) -> Components:
    """Number the 8-connected regions of equal label, in raster order of their first pixel.

    The order is that of ``skimage.measure.label(connectivity=2)``.
    """
    number, n_regions = kernels.components(runs.row, runs.start, runs.stop, runs.label)
    order, offsets = kernels.group(number, n_regions)
    row, start, stop = (part[order] for part in runs[:3])
    label = runs.label[order[offsets[:-1]]]
    return Components(Grouped(offsets, row, start, stop, label), number)
