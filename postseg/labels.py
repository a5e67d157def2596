"""Enlarge a label image to full resolution, lazily."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from dask.array.core import normalize_chunks
from dask.delayed import delayed
from numpy.typing import NDArray

from postseg.label_image import LabelImage, is_lazy

_CHUNK = 2048  # full-resolution pixels a side: 16 MB of int32
_MAX_ID = np.iinfo(np.int32).max


def enlarge_lazily(masks: LabelImage, factor: int) -> da.Array:
    """Turn every pixel into a block of `factor` x `factor` pixels (0 or 1: as it is), as int32.

    Nearest neighbour, the values of ``skimage.transform.resize(order=0)``. Nothing is computed
    before a chunk is asked for, and only its part of `masks` is read then.

    Raises
    ------
    ValueError
        When a label exceeds int32.
    """
    fits = np.can_cast(masks.dtype, np.int32) or not masks.size
    if not fits and (highest := np.asarray(masks.max())) > _MAX_ID:
        raise ValueError(
            f"masks has the label {highest}, which does not fit the int32 of a labels element; "
            "filter first (process_masks_to_shapes), which renumbers the cells."
        )
    factor = max(1, factor)
    if is_lazy(masks):
        image = masks
    else:  # not da.from_array(masks), which copies an array in memory
        window = normalize_chunks(max(1, _CHUNK // factor), masks.shape)
        source = delayed(masks, pure=False, traverse=False)
        image = da.map_blocks(_window, source, dtype=masks.dtype, chunks=window, meta=masks[:0, :0])
    chunks = tuple(tuple(factor * n for n in sizes) for sizes in image.chunks)
    return da.map_blocks(enlarge, image, factor, dtype=np.int32, chunks=chunks)


def _window(masks: NDArray[Any], block_info: Any) -> NDArray[Any]:
    """One chunk of an array in memory."""
    (top, bottom), (left, right) = block_info[None]["array-location"]
    return masks[top:bottom, left:right]


def enlarge(block: NDArray[Any], factor: int) -> NDArray[np.int32]:
    """Enlarge one chunk."""
    block = block.astype(np.int32, copy=False)
    if factor == 1:
        return block  # as it is often: no copy
    return block.repeat(factor, axis=0).repeat(factor, axis=1)
