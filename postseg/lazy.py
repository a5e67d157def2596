"""Label images that are not in memory: dask arrays read into runs, and painted from them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dask.array as da
import numpy as np
from dask.base import compute
from dask.delayed import delayed
from numpy.typing import NDArray

from postseg._kernels import runs as kernels
from postseg.parallel import n_threads
from postseg.progress import of_dask
from postseg.runs import Runs, encode_block

Chunks = tuple[tuple[int, ...], tuple[int, ...]]


def encode_chunks(image: da.Array) -> Runs:
    """Encode every chunk where dask computes it, and join the runs at the chunk borders."""
    parts = plan(image)
    # a pool of our own: dask's would be the parent's, without threads, in a forked process
    pool = ThreadPoolExecutor(n_threads(), thread_name_prefix="postseg")
    with pool, of_dask("Reading", image.npartitions, "encode_block"):
        (bands,) = compute(parts, pool=pool)
    n_runs = sum(len(part[0]) for band in bands for part in band)
    joined: list[NDArray[Any]] = [
        np.empty(n_runs, dtype) for dtype in (np.int32, np.int32, np.int32, np.int64)
    ]
    n = 0
    while bands:  # each let go as it is copied, so that a slide's runs are not held twice
        band = _join_band(bands.pop(0))
        for whole, part in zip(joined, band, strict=True):
            whole[n : n + part.size] = part
        n += band[0].size
    row, start, stop, label = (whole[:n] for whole in joined)
    return Runs(row, start, stop, label, image.shape)


def plan(image: da.Array) -> list[list[Any]]:
    """One delayed `encode_block` per chunk, by rows of chunks: no task holds any pixels."""
    tops, lefts = (np.cumsum([0, *sizes[:-1]]).tolist() for sizes in image.chunks)
    encode = delayed(encode_block, pure=False, nout=4)
    blocks = image.to_delayed()
    return [
        [encode(blocks[i, j], top, left) for j, left in enumerate(lefts)]
        for i, top in enumerate(tops)
    ]


def _join_band(parts: list[tuple[NDArray[Any], ...]]) -> tuple[NDArray[Any], ...]:
    """Runs of a row of chunks in raster order, those that a chunk border cut made whole."""
    if len(parts) == 1:
        return parts[0]
    row, start, stop, label = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(row, kind="stable")  # each part is sorted, and the parts by column
    row, start, stop, label = row[order], start[order], stop[order], label[order]
    cut = (row[1:] == row[:-1]) & (start[1:] == stop[:-1]) & (label[1:] == label[:-1])
    first = np.concatenate(([True], ~cut))[: row.size]
    last = np.concatenate((~cut, [True]))[: row.size]
    return row[first], start[first], stop[last], label[first]


def paint_chunks(runs: Runs, value: NDArray[np.int32], chunks: Chunks) -> da.Array:
    """Paint an image lazily: each chunk from the runs of its rows."""
    arrays = delayed((*runs[:3], value), pure=False, traverse=False)
    return da.map_blocks(
        _paint_chunk, arrays, dtype=np.int32, chunks=chunks, meta=np.empty((0, 0), np.int32)
    )


def _paint_chunk(arrays: tuple[NDArray[np.int32], ...], block_info: Any) -> NDArray[np.int32]:
    (top, bottom), (left, right) = block_info[None]["array-location"]
    row, start, stop, value = arrays
    first, last = np.searchsorted(row, (top, bottom))
    image = np.zeros((bottom - top, right - left), np.int32)
    kernels.paint(first, last, row, start, stop, value, top, left, image)
    return image
