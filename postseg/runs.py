"""`Runs`: a label image as horizontal runs, which is all that postseg works on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from postseg._kernels import runs as kernels
from postseg.label_image import LabelImage, read_rows, rows_per_block
from postseg.parallel import in_threads, spread


class Runs(NamedTuple):
    """Maximal horizontal stretches of one nonzero label, in raster order.

    Attributes
    ----------
    row, start, stop : (n_runs,) int32
        The pixels ``image[row, start:stop]``.
    label : (n_runs,) int64
        Their value.
    shape : tuple of int
        Rows and columns of the image.
    """

    row: NDArray[np.int32]
    start: NDArray[np.int32]
    stop: NDArray[np.int32]
    label: NDArray[np.int64]
    shape: tuple[int, int]


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


def encode(image: LabelImage) -> Runs:
    """Read a label image once, block by block, into runs."""
    height, width = image.shape
    step = rows_per_block(image)

    def encode_rows(first: int, last: int) -> tuple[NDArray[Any], ...]:
        return kernels.encode(read_rows(image, first, last), first)

    ranges = [(first, min(first + step, height)) for first in range(0, height, step)]
    parts = in_threads(encode_rows, ranges or [(0, 0)])
    row, start, stop, label = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Runs(row, start, stop, label, (height, width))


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


def paint(runs: Runs, value: NDArray[Any], dtype: DTypeLike = np.int32) -> NDArray[Any]:
    """Paint an image: `value` (n_runs,) on the pixels of each run, 0 elsewhere."""
    image = np.zeros(runs.shape, dtype)
    value = value.astype(dtype, copy=False)

    def paint_runs(first: int, last: int) -> None:
        kernels.paint(first, last, runs.row, runs.start, runs.stop, value, image)

    spread(paint_runs, np.arange(runs.row.size + 1))
    return image
