"""Label images that are not in memory: dask arrays read into runs, and painted from them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import dask.array as da
import numpy as np
from dask.base import compute_as_if_collection
from dask.delayed import Delayed, delayed
from dask.highlevelgraph import HighLevelGraph
from dask.layers import ArraySliceDep
from numpy.typing import DTypeLike, NDArray

from postseg._kernels import runs as kernels
from postseg._support.progress import of_dask
from postseg._support.threads import n_threads
from postseg.raster.nearest import Shape, first_showing, shown
from postseg.raster.runs import Runs, encode_block

Chunks = tuple[tuple[int, ...], tuple[int, ...]]
Place = tuple[slice, slice]  # rows and columns

_PAINTED = "postseg-painted"


def encode_chunks(image: da.Array) -> Runs:
    """Encode every chunk where dask computes it, and join the runs at the chunk borders."""
    parts = plan(image)
    # a pool of our own: dask's would be the parent's, without threads, in a forked process
    pool = ThreadPoolExecutor(n_threads(), thread_name_prefix="postseg")
    with pool, of_dask("Reading", parts.npartitions, parts.name):
        found = compute_as_if_collection(da.Array, parts.dask, parts.__dask_keys__(), pool=pool)
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


def by_place(
    task: Callable[[Any, Place], Any],
    source: Any,
    chunks: Chunks,
    dtype: DTypeLike,
    token: str | None = None,
    made: Chunks | None = None,
) -> da.Array:
    """Call ``task(chunk, place)`` for each chunk, with its place in the whole.

    As ``da.map_blocks`` does with `block_info`, but without a dict for each chunk. A `source` that
    is no dask array, but delayed, is handed to every call as a whole. The chunks that the task
    makes are of the same sizes, if not as `made` says.
    """
    axes = "ij" if isinstance(source, da.Array) else None
    places = ArraySliceDep(chunks)
    meta = np.empty((0, 0), dtype)
    options: dict[str, Any] = {"meta": meta, "token": token, "align_arrays": False}
    if made is not None:
        options["adjust_chunks"] = dict(zip("ij", made, strict=True))
    return da.blockwise(task, "ij", source, axes, places, "ij", **options)


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
    """Paint an image lazily: each chunk from its own part of the runs."""
    arrays = delayed((*runs[:3], value), pure=False, traverse=False)
    return _painting(arrays, runs.shape, runs.shape, chunks, _PAINTED)


def runs_behind(image: da.Array) -> Delayed | None:
    """What an image of `paint_chunks` is painted from; None of any other, and where it is computed.

    An image that was changed is another one: dask's names change with the content.
    """
    if not image.name.startswith(f"{_PAINTED}-"):
        return None
    for key in image.dask.dependencies[image.name]:  # one, or none where it is computed
        return Delayed(key, HighLevelGraph({key: image.dask.layers[key]}, {key: set()}))
    return None


def repaint(arrays: Delayed, whole: Shape, shape: Shape, chunks: Chunks) -> da.Array:
    """Paint an image of the shape `whole` at another one, from what is behind it."""
    return _painting(arrays, whole, shape, chunks, "postseg-resized")


def _painting(arrays: Delayed, whole: Shape, shape: Shape, chunks: Chunks, token: str) -> da.Array:
    task = partial(_paint_chunk, whole=whole, shape=shape)
    return by_place(task, arrays, chunks, np.int32, token)


def _paint_chunk(
    arrays: tuple[NDArray[np.int32], ...], place: Place, whole: Shape, shape: Shape
) -> NDArray[np.int32]:
    (top, bottom), (left, right) = ((part.start, part.stop) for part in place)
    image = np.zeros((bottom - top, right - left), np.int32)
    if not image.size:
        return image
    row, start, stop, value = arrays
    rows = shown(np.arange(top, bottom), whole[0], shape[0]).astype(row.dtype)  # else row is cast
    first, last = np.searchsorted(row, rows), np.searchsorted(row, rows, "right")
    from_column, to_column = shown(np.array([left, right - 1]), whole[1], shape[1])
    columns = first_showing(np.arange(from_column, to_column + 2), whole[1], shape[1])
    columns = np.clip(columns - left, 0, right - left)
    kernels.paint_window(first, last, start, stop, value, from_column, columns, image)
    return image
