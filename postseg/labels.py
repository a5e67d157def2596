"""Enlarge a label image to full resolution, lazily."""

from __future__ import annotations

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from postseg.label_image import LabelImage

_CHUNK = 4096  # full-resolution pixels a side: 64 MB of int32
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
    if masks.size and not np.can_cast(masks.dtype, np.int32) and (highest := masks.max()) > _MAX_ID:
        raise ValueError(
            f"masks has the label {highest}, which does not fit the int32 of a labels element; "
            "filter first (process_masks_to_shapes), which renumbers the cells."
        )
    factor = max(1, factor)
    # name=False: no hash of the whole array
    image = da.from_array(masks, chunks=max(1, _CHUNK // factor), name=False)
    chunks = tuple(tuple(factor * n for n in sizes) for sizes in image.chunks)
    return image.map_blocks(enlarge, factor, dtype=np.int32, chunks=chunks)


def enlarge(block: NDArray[np.generic], factor: int) -> NDArray[np.int32]:
    """Enlarge one chunk."""
    return block.astype(np.int32, copy=False).repeat(factor, axis=0).repeat(factor, axis=1)
