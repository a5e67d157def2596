"""Write a lazy label image as a tiled BigTIFF, in memory that its size does not change."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from numpy.typing import NDArray

from postseg._support.progress import counter
from postseg._support.threads import n_threads

if TYPE_CHECKING:
    import dask.array as da

_TILE = 512  # pixels a side
_BLOCK = 4096  # pixels a side of what a thread compresses at a time, as the chunks of the labels
_LEVEL = 3  # of zlib: at most half the time of its default, for files of 2 to 9 % of the raw size


def write_label_image(path: Path, labels: da.Array) -> None:
    """Write labels as unsigned 32-bit integers, which Xenium Ranger wants.

    Readers need no more than zlib for it: tifffile, scikit-image, Pillow, QuPath and others.

    Parameters
    ----------
    path : path
        The file.
    labels : dask.array.Array, shape (rows, columns)
        Labels of any integer dtype, computed block by block.
    """
    with tifffile.TiffWriter(path, bigtiff=True, byteorder="<") as tiff:
        tiff.write(
            _compressed_tiles(labels),
            shape=labels.shape,
            dtype="<u4",
            tile=(_TILE, _TILE),
            compression="zlib",
            photometric="minisblack",
            metadata=None,
        )


def _compressed_tiles(labels: da.Array) -> Iterator[bytes]:
    """Tiles in raster order. Only compressed ones are kept, so that the width costs no memory."""
    height, width = labels.shape
    tops, lefts = range(0, height, _BLOCK), range(0, width, _BLOCK)
    done = counter("Writing the label image", len(tops) * len(lefts))

    def compress(top: int, left: int) -> list[list[bytes]]:
        block = labels[top : top + _BLOCK, left : left + _BLOCK]
        tiles = _compress_block(block.compute(scheduler="synchronous"))
        done(1)
        return tiles

    with ThreadPoolExecutor(n_threads(), thread_name_prefix="postseg") as pool:
        for top in tops:
            for rows in zip(*pool.map(compress, repeat(top), lefts), strict=True):
                yield from chain(*rows)


def _compress_block(block: NDArray[np.integer]) -> list[list[bytes]]:
    """Rows of tiles, zeros beyond the image."""
    tiles = []
    for top in range(0, block.shape[0], _TILE):
        row = []
        for left in range(0, block.shape[1], _TILE):
            content = block[top : top + _TILE, left : left + _TILE]
            tile = np.zeros((_TILE, _TILE), "<u4")
            tile[: content.shape[0], : content.shape[1]] = content
            row.append(zlib.compress(tile.tobytes(), _LEVEL))
        tiles.append(row)
    return tiles
