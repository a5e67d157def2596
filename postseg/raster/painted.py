"""Label images that are not in memory, dask arrays, painted from runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
from dask.array.core import normalize_chunks
from dask.delayed import Delayed, delayed
from dask.highlevelgraph import HighLevelGraph
from dask.layers import ArraySliceDep
from numpy.typing import DTypeLike, NDArray

from postseg._kernels import runs as kernels
from postseg.raster.nearest import Shape, first_showing, shown

if TYPE_CHECKING:
    from postseg.raster.runs import Runs

Chunks = tuple[tuple[int, ...], tuple[int, ...]]
Place = tuple[slice, slice]  # rows and columns

CHUNK = 2048  # pixels a side: 16 MB of int32
_PAINTED = "postseg-painted"


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


def paint_chunks(runs: Runs, value: NDArray[Any], chunks: Chunks) -> da.Array:
    """Paint an image of the values' type lazily: each chunk from its own part of the runs."""
    arrays = delayed((*runs[:3], value), pure=False, traverse=False)
    return _painting(arrays, runs.shape, runs.shape, chunks, _PAINTED, value.dtype)


def paint_labels(runs: Runs) -> da.Array:
    """Paint the labels, int32 if they fit, in chunks as Zarr wants them."""
    fits = runs.label.max(initial=0) <= np.iinfo(np.int32).max
    value = runs.label.astype(np.int32 if fits else np.int64)
    rows, columns = normalize_chunks(CHUNK, runs.shape)
    return paint_chunks(runs, value, (rows, columns))


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
    return _painting(arrays, whole, shape, chunks, "postseg-resized", np.int32)


def _painting(
    arrays: Delayed, whole: Shape, shape: Shape, chunks: Chunks, token: str, dtype: DTypeLike
) -> da.Array:
    task = partial(_paint_chunk, whole=whole, shape=shape)
    return by_place(task, arrays, chunks, dtype, token)


def _paint_chunk(
    arrays: tuple[NDArray[Any], ...], place: Place, whole: Shape, shape: Shape
) -> NDArray[Any]:
    (top, bottom), (left, right) = ((part.start, part.stop) for part in place)
    row, start, stop, value = arrays
    image = np.zeros((bottom - top, right - left), value.dtype)
    if not image.size:
        return image
    rows = shown(np.arange(top, bottom), whole[0], shape[0]).astype(row.dtype)  # else row is cast
    first, last = np.searchsorted(row, rows), np.searchsorted(row, rows, "right")
    from_column, to_column = shown(np.array([left, right - 1]), whole[1], shape[1])
    columns = first_showing(np.arange(from_column, to_column + 2), whole[1], shape[1])
    columns = np.clip(columns - left, 0, right - left)
    kernels.paint_window(first, last, start, stop, value, from_column, columns, image)
    return image
