"""Enlarge a label image to full resolution, lazily."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from dask.array.core import normalize_chunks
from dask.delayed import delayed
from numpy.typing import NDArray

from postseg.raster.chunked import Place, by_place, check_shape, is_painted
from postseg.raster.label_image import LabelImage, as_block, is_lazy, place_of, rows_per_block

_CHUNK = 2048  # full-resolution pixels a side: 16 MB of int32
_MAX_ID = np.iinfo(np.int32).max


def enlarge_lazily(masks: LabelImage, factor: int) -> da.Array:
    """Turn every pixel into a block of `factor` x `factor` pixels (0 or 1: as it is), as int32.

    Nearest neighbour, the values of ``skimage.transform.resize(order=0)``. Nothing is computed
    before a chunk is asked for, and only its part of `masks` is read then.

    Raises
    ------
    ValueError
        When a label exceeds int32. Of lazy masks, when the chunk is computed, as for all that is
        no label: see `as_block`.
    """
    factor = max(1, factor)
    if is_lazy(masks):
        ids = masks if is_painted(masks) else by_place(_ids, masks, masks.chunks, np.int32)
    else:  # not da.from_array(masks), which copies an array in memory
        if not np.can_cast(masks.dtype, np.int32):
            step = rows_per_block(masks)
            for first in range(0, masks.shape[0], step):
                _check_ids(masks[first : first + step], first, 0)
        window = normalize_chunks(max(1, _CHUNK // factor), masks.shape)
        source = delayed(masks, pure=False, traverse=False)
        ids = by_place(_window, source, window, np.int32)
    chunks = tuple(tuple(factor * n for n in sizes) for sizes in ids.chunks)
    return da.map_blocks(enlarge, ids, factor, dtype=np.int32, chunks=chunks)


def _window(masks: NDArray[Any], place: Place) -> NDArray[np.int32]:
    """One chunk of an array in memory, which is checked."""
    return masks[place].astype(np.int32, copy=False)


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


def enlarge(block: NDArray[np.int32], factor: int) -> NDArray[np.int32]:
    """Enlarge one chunk."""
    if factor == 1:
        return block  # as it is often: no copy
    return block.repeat(factor, axis=0).repeat(factor, axis=1)
