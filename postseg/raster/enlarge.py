"""Resize a label image to full resolution and to the levels of a pyramid, lazily."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import dask.array as da
import numpy as np
from dask.array.core import normalize_chunks
from dask.delayed import delayed
from numpy.typing import NDArray

from postseg.raster.chunked import check_shape
from postseg.raster.label_image import LabelImage, as_block, is_lazy, place_of, rows_per_block
from postseg.raster.nearest import Shape, first_showing, shown
from postseg.raster.painted import CHUNK, Chunks, Place, by_place, repaint, runs_behind

_MAX_ID = np.iinfo(np.int32).max


def resize_lazily(masks: LabelImage, shapes: Sequence[Shape]) -> list[da.Array]:
    """Resize `masks` to each of `shapes`, all straight from the masks, as int32.

    Nearest neighbour, see `nearest`. Nothing is computed before a chunk is asked for, and only its
    part of `masks` is read then. All chunks but the last are of one size, as Zarr wants them: 2048
    pixels a side, less where those of lazy masks are smaller.

    Raises
    ------
    ValueError
        When a label exceeds int32. Of lazy masks, when the chunk is computed, as for all that is
        no label: see `as_block`.
    """
    if is_lazy(masks):
        runs = runs_behind(masks)
        if runs is not None and masks.dtype == np.int32:
            return [repaint(runs, masks.shape, shape, _chunks(shape)) for shape in shapes]
        ids = by_place(_ids, masks, masks.chunks, np.int32)
        return [_resize_chunks(ids, shape) for shape in shapes]
    if not np.can_cast(masks.dtype, np.int32):
        step = rows_per_block(masks)
        for first in range(0, masks.shape[0], step):
            _check_ids(masks[first : first + step], first, 0)
    # one for all shapes, and not da.from_array(masks), which copies an array in memory
    source = delayed(masks, pure=False, traverse=False)
    return [
        by_place(partial(_resize_part, shape=shape), source, _chunks(shape), np.int32)
        for shape in shapes
    ]


def _chunks(shape: Shape) -> Chunks:
    rows, columns = normalize_chunks(CHUNK, shape)
    return rows, columns


def _resize_chunks(ids: da.Array, shape: Shape) -> da.Array:
    """Resize what is lazy: chunk by chunk, and only then put together to squares.

    So a level of a pyramid never has all of its masks in memory, only what it shows of them.
    """
    if 0 in shape:
        return da.zeros(shape, dtype=np.int32)
    rows, columns = map(_plan, ids.chunks, shape)
    cut = rows.cut, columns.cut
    if cut != ids.chunks:
        ids = ids.rechunk(cut, method="tasks")
    task = partial(_resize_chunk, whole=ids.shape, shape=shape)
    parts = by_place(task, ids, cut, np.int32, made=(rows.made, columns.made))
    squares = normalize_chunks((rows.square, columns.square), shape)
    return parts if parts.chunks == squares else parts.rechunk(squares, method="tasks")


class _Plan(NamedTuple):
    """Sizes along one side: of chunks of the masks, of what each becomes, and of the squares."""

    cut: tuple[int, ...]
    made: tuple[int, ...]
    square: int


def _plan(sizes: tuple[int, ...], m: int) -> _Plan:
    n = sum(sizes)
    step = max(1, CHUNK * n // m)  # large chunks are cut before they are enlarged
    cut = tuple(min(step, size - first) for size in sizes for first in range(0, size, step))
    made = np.diff(first_showing(np.cumsum([0, *cut]), n, m)).tolist()
    return _Plan(cut, tuple(made), min(CHUNK, -(-max(sizes) * max(n, m) // n)))


def _resize_chunk(
    block: NDArray[np.int32], place: Place, whole: Shape, shape: Shape
) -> NDArray[np.int32]:
    """What one chunk becomes; where it lies in the masks, as a `whole`."""
    rows, columns = (
        shown(np.arange(*first_showing(np.array([part.start, part.stop]), n, m)), n, m) - part.start
        for part, n, m in zip(place, whole, shape, strict=True)
    )
    return _take(block, rows, columns)


def _resize_part(masks: NDArray[Any], place: Place, shape: Shape) -> NDArray[np.int32]:
    """One chunk of what masks in memory, which are checked, become."""
    rows, columns = (
        shown(np.arange(part.start, part.stop), n, m)
        for part, n, m in zip(place, masks.shape, shape, strict=True)
    )
    return _take(masks, rows, columns)


def _take(
    block: NDArray[Any], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.int32]:
    """The pixels at the crossings of ascending rows and columns."""
    if not rows.size or not columns.size:
        return np.zeros((rows.size, columns.size), np.int32)
    window = block[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if window.shape == (rows.size, columns.size):  # as it is, which is often: no copy
        return window.astype(np.int32, copy=False)
    if window.size > rows.size * columns.size:  # of a coarse level: all of the masks
        return block[np.ix_(rows, columns)].astype(np.int32, copy=False)
    window = window.astype(np.int32, copy=False).take(columns - columns[0], axis=1)
    return window.take(rows - rows[0], axis=0)


def _ids(block: NDArray[Any], place: Place) -> NDArray[np.int32]:
    """One chunk of lazy masks, which nobody has looked at."""
    rows, columns = check_shape(block, place)
    return _check_ids(block, rows.start, columns.start).astype(np.int32, copy=False)


def _check_ids(block: NDArray[Any], first_row: int, first_col: int) -> NDArray[Any]:
    """Return a block as `as_block` does, or raise an error for a label beyond int32."""
    fits = np.can_cast(block.dtype, np.int32)
    block = as_block(block, first_row, first_col)
    if not fits and block.size and (highest := block.max()) > _MAX_ID:
        place = place_of(block == highest, (first_row, first_col))
        raise ValueError(
            f"masks has the label {highest} at {place}, which does not fit the int32 of a labels "
            "element; filter first (process_masks_to_shapes), which renumbers the cells."
        )
    return block
