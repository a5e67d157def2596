"""Label images that are not in memory, dask arrays, read into runs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dask.array as da
import numpy as np
from dask.base import compute_as_if_collection
from dask.delayed import Delayed
from numpy.typing import NDArray

from postseg._kernels import runs as run_kernels
from postseg._support.progress import of_dask
from postseg._support.threads import n_threads
from postseg.raster.nearest import Shape
from postseg.raster.painted import Place, by_place, runs_behind
from postseg.raster.runs import Runs, encode_block


def encode_chunks(image: da.Array) -> Runs:
    """Encode every chunk where dask computes it, and join the runs at the chunk borders.

    Of an image that is painted from runs they are those.
    """
    behind = runs_behind(image)
    if behind is not None:
        return _unpainted(behind, image.shape)
    found = compute_parts(plan(image), "Reading")
    bands = list(reversed(found))  # rows of chunks
    del found
    n_runs = sum(len(part[0]) for band in bands for part in band)
    joined: list[NDArray[Any]] = [
        np.empty(n_runs, dtype) for dtype in (np.int32, np.int32, np.int32, np.int64)
    ]
    n = 0
    while bands:  # each let go as it is copied, so that a slide's runs are not held twice
        band = _join_band(bands.pop())
        for whole, part in zip(joined, band, strict=True):
            whole[n : n + part.size] = part
        n += band[0].size
    row, start, stop, label = (whole[:n] for whole in joined)
    return Runs(row, start, stop, label, image.shape)


def compute_parts(parts: da.Array, text: str) -> Any:
    """Compute an array whose chunks are no arrays: lists of them, of lists, one for each axis.

    `text` says what is being done, for the progress bar.
    """
    # a pool of our own: dask's would be the parent's, without threads, in a forked process
    pool = ThreadPoolExecutor(n_threads(), thread_name_prefix="postseg")
    with pool, of_dask(text, parts.npartitions, parts.name):
        return compute_as_if_collection(da.Array, parts.dask, parts.__dask_keys__(), pool=pool)


def plan(image: da.Array) -> da.Array:
    """One `encode_block` for each chunk, in one layer of a graph that holds no pixels.

    The chunks of what is returned are no arrays but tuples of them.
    """
    return by_place(_encode_chunk, image, image.chunks, object, "postseg-encoded")


def _encode_chunk(block: NDArray[Any], place: Place) -> tuple[NDArray[Any], ...]:
    rows, columns = check_shape(block, place)
    return encode_block(block, rows.start, columns.start)


def check_shape(block: NDArray[Any], place: Place) -> Place:
    """Return where a chunk lies, or raise an error when it does not fill that place.

    Raises
    ------
    ValueError
        As for what ``da.map_blocks`` made of a function that changes shapes and does not say so.
    """
    rows, columns = place
    expected = (rows.stop - rows.start, columns.stop - columns.start)
    if block.shape != expected:
        raise ValueError(
            f"masks has a chunk of shape {block.shape} at row {rows.start}, column "
            f"{columns.start}, where dask was told {expected}; give map_blocks() the chunks that "
            "its function makes."
        )
    return place


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


def _unpainted(arrays: Delayed, shape: Shape) -> Runs:
    """The runs behind an image, but for those that paint nothing."""
    # where they are: no scheduler is to send them anywhere
    row, start, stop, value = arrays.compute(scheduler="synchronous")
    shown = value != 0
    parts = (value[shown].astype(np.int64), row[shown], start[shown], stop[shown])
    label, row, start, stop, _ = run_kernels.unite(*parts)
    return Runs(row, start, stop, label, shape)
