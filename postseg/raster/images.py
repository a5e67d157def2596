"""Between images and runs: read a label image into runs, paint runs into an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from postseg._kernels import runs as kernels
from postseg._support.threads import in_threads, spread
from postseg.raster.label_image import LabelImage, is_lazy, rows_per_block
from postseg.raster.runs import Runs, encode_block


def encode(image: LabelImage) -> Runs:
    """Read a label image once, block by block, into runs.

    A dask array is read by dask's scheduler, so that of an active ``distributed.Client`` if there
    is one: blocks are encoded where they are, and only runs travel.
    """
    if is_lazy(image):
        from postseg.raster.chunked import encode_chunks

        return encode_chunks(image)
    height, width = image.shape
    step = rows_per_block(image)

    def encode_rows(first: int, last: int) -> tuple[NDArray[Any], ...]:
        return encode_block(image[first:last], first, 0)

    ranges = [(first, min(first + step, height)) for first in range(0, height, step)]
    parts = in_threads(encode_rows, ranges or [(0, 0)], "Reading")
    row, start, stop, label = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Runs(row, start, stop, label, (height, width))


def last_row(image: LabelImage) -> int | None:
    """The lowest row that is not all background, or None; read from below."""
    step = max(1, *image.chunks[0]) if is_lazy(image) else rows_per_block(image)
    last = image.shape[0]
    while last > 0:
        first = max(0, last - step)
        rows = np.flatnonzero(np.asarray((image[first:last] != 0).any(axis=1)))
        if rows.size:
            return first + int(rows[-1])
        last = first
        if is_lazy(image):
            step *= 2  # each look takes dask time for all chunks of the image: few of them
    return None


def paint(
    runs: Runs,
    value: NDArray[Any],
    chunks: tuple[tuple[int, ...], tuple[int, ...]] | None = None,
) -> LabelImage:
    """Paint an int32 image: `value` (n_runs,) on the pixels of each run, 0 elsewhere.

    With `chunks` it is a dask array, painted chunk by chunk when it is asked for.
    """
    value = value.astype(np.int32, copy=False)
    if chunks is not None:
        from postseg.raster.painted import paint_chunks

        return paint_chunks(runs, value, chunks)
    image = np.zeros(runs.shape, np.int32)

    def paint_runs(first: int, last: int) -> None:
        kernels.paint(first, last, *runs[:3], value, 0, 0, image)

    spread(paint_runs, np.arange(runs.row.size + 1), "Painting")
    return image
