"""Intensities of regions in an image: scikit-image's definitions, from runs, tile by tile."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise, product
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg._kernels import intensities as kernels
from postseg._kernels.runs import group
from postseg._support.threads import spread
from postseg.raster.intensity_image import IntensityImage
from postseg.raster.label_image import is_lazy
from postseg.raster.runs import Runs

STATISTICS = ("intensity_mean", "intensity_std", "intensity_min", "intensity_max")

# Pixels a side. In a tile sums are taken in raster order, and the tiles of a region are put
# together in theirs, so that results know nothing of chunks and threads. A square of 16 bits
# summed over one fits int64 and float64 exactly.
_TILE = 512
_SIGN = np.uint64(1 << 63)
_AS_IT_IS = tuple(map(np.dtype, ("u1", "u2", "u8", "f4", "f8")))  # that kernels are compiled for

Tile: TypeAlias = "tuple[int, int, int, int]"  # first row and column, and the ones after the last


class _Covered(NamedTuple):
    """What of an image regions cover, as the kernel wants it."""

    factor: int
    first: NDArray[np.int64]
    start: NDArray[np.int32]
    stop: NDArray[np.int32]
    number: NDArray[np.int32]


class _Part(NamedTuple):
    """What a kernel found in a tile of a channel."""

    channel: int
    tile: Tile
    found: tuple[NDArray[Any], ...]


def intensities_in(table: pd.DataFrame) -> list[str]:
    """The columns of intensities in a table of regions."""
    return [name for name in table.columns if str(name).startswith(STATISTICS)]


def with_intensities(table: pd.DataFrame, runs: Runs, image: IntensityImage) -> pd.DataFrame:
    """Add columns of intensities after what was measured of the shape of regions.

    Parameters
    ----------
    table : DataFrame
        One row per region, as from `measure_regions`.
    runs : Runs
        Of the regions, with their numbers as label.
    image : IntensityImage
        Of the size of the masks or an integer multiple of it.

    Raises
    ------
    ValueError
        When it does not fit.
    """
    shapes = table.columns.tolist().index("touches_border") + 1
    found = measure_intensities(runs, len(table), image).set_index(table.index)
    return pd.concat([table.iloc[:, :shapes], found, table.iloc[:, shapes:]], axis=1)


def without_intensities(table: pd.DataFrame) -> pd.DataFrame:
    """The same table where there are none."""
    names = intensities_in(table)
    return table.drop(columns=names) if names else table


def measure_intensities(runs: Runs, n_regions: int, image: IntensityImage) -> pd.DataFrame:
    """Measure the n regions of runs: a row for each, float64 columns `STATISTICS` per channel.

    Every pixel of the image is read once, a lazy image chunk by chunk.
    """
    factor = image.factor(runs.shape)
    rows = np.arange(runs.shape[0] + 1, dtype=runs.row.dtype)  # of another one, row is cast
    number = runs.label.astype(np.int32, copy=False)
    first = np.searchsorted(runs.row, rows)
    covered = _Covered(factor, first, runs.start, runs.stop, number)
    if is_lazy(image.pixels):
        parts = _of_chunks(image.pixels, covered)
    else:
        parts = _of_array(np.asarray(image.pixels), covered)
    found: dict[str, NDArray[np.float64]] = {}
    for channel, name in enumerate(image.channels):
        ours = [part for part in parts if part.channel == channel]
        suffix = f"_{name}" if name else ""
        columns = _together(ours, n_regions, image.pixels.dtype)
        found |= {f"{what}{suffix}": values for what, values in columns.items()}
    return pd.DataFrame(found)


def _of_array(pixels: NDArray[Any], covered: _Covered) -> list[_Part]:
    height, width = pixels.shape[1:]
    tiles = [*_tiles(0, 0, height, width)]
    sizes = [(bottom - top) * (right - left) for top, left, bottom, right in tiles]
    work = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64))) * len(pixels) // 64

    def measure_range(first: int, last: int) -> list[_Part]:
        return [*_measure(pixels, (0, 0, 0), tiles[first:last], covered)]

    ranges = spread(measure_range, work, "Measuring intensities")
    return [part for parts in ranges for part in parts]


def _of_chunks(pixels: Any, covered: _Covered) -> list[_Part]:
    """The same of a dask array, whose chunks are made to hold whole tiles if they do not."""
    import dask.array as da
    from dask.delayed import delayed
    from dask.layers import ArraySliceDep

    from postseg.raster.chunked import compute_parts

    channels, *sides = pixels.chunks
    # not by a shuffle through disks, as dask may do where there are workers
    pixels = pixels.rechunk((channels, *map(_whole_tiles, sides)), method="tasks")
    plan = da.blockwise(
        partial(_measure_chunk, dtype=pixels.dtype),
        "cij",
        pixels,
        "cij",
        ArraySliceDep(pixels.chunks),
        "cij",
        delayed(tuple(covered), pure=False, traverse=False),
        None,
        meta=np.empty((0, 0, 0), object),
        token="postseg-intensities",
        align_arrays=False,
    )
    nested = compute_parts(plan, "Measuring intensities")
    parts = [part for of_channels in nested for row in of_channels for c in row for part in c]
    return sorted(parts, key=lambda part: part.tile[:2])


def _measure_chunk(
    block: NDArray[Any],
    place: tuple[slice, slice, slice],
    covered: tuple[Any, ...],
    dtype: np.dtype[Any],
) -> list[_Part]:
    expected = tuple(part.stop - part.start for part in place)
    if isinstance(block, np.ma.MaskedArray):
        raise TypeError(
            "intensity_image has a masked chunk; say what its hidden pixels are, e.g. "
            "dask.array.ma.filled(image, 0)."
        )
    if block.shape != expected or not np.can_cast(block.dtype, dtype):
        raise ValueError(
            f"intensity_image has a chunk of {block.dtype} and shape {block.shape} at channel, "
            f"row and column {tuple(part.start for part in place)}, where dask was told {dtype} "
            f"and {expected}; give map_blocks() the dtype and chunks that its function makes."
        )
    _, rows, columns = place
    tiles = _tiles(rows.start, columns.start, rows.stop, columns.stop)
    origin = tuple(part.start for part in place)
    return [*_measure(np.asarray(block, dtype), origin, [*tiles], _Covered(*covered))]


def _measure(
    pixels: NDArray[Any], origin: tuple[int, ...], tiles: list[Tile], covered: _Covered
) -> Iterator[_Part]:
    """What lies in tiles of an array whose first pixel has that channel, row and column."""
    for tile, channel in product(tiles, range(len(pixels))):
        plane, place = pixels[channel], origin[1:]
        if plane.dtype not in _AS_IT_IS or not (plane.flags.c_contiguous and plane.flags.aligned):
            window = (slice(*ends) for ends in np.subtract(tile, place * 2).reshape(2, 2).T)
            plane, place = _compiled(plane[tuple(window)]), tile[:2]
        plane = plane.view()
        plane.flags.writeable = False  # whatever came in, so that one compiled kernel serves
        yield _Part(channel + origin[0], tile, kernels.of_tile(plane, *place, tile, *covered))


def _compiled(part: NDArray[Any]) -> NDArray[Any]:
    """Copy pixels to a type that kernels are compiled for: the same values, in the same order."""
    kind, size = part.dtype.kind, part.dtype.itemsize
    if kind == "i" and size == 8:
        return np.ascontiguousarray(part, np.int64).view(np.uint64) ^ _SIGN
    if kind == "b" or (kind == "u" and size != 4):
        return np.ascontiguousarray(part, f"u{size}")
    return np.ascontiguousarray(part, "f4" if kind == "f" and size < 8 else "f8")


def _as_float(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[np.float64]:
    """Values of `_compiled`, of what had that type before."""
    if dtype.kind == "i" and dtype.itemsize == 8:
        values = (values ^ _SIGN).view(np.int64)
    return values.astype(np.float64)


def _together(
    parts: list[_Part], n_regions: int, dtype: np.dtype[Any]
) -> dict[str, NDArray[np.float64]]:
    """The columns of a channel, from what its tiles hold, in the order of these."""
    if not n_regions:
        return {name: np.empty(0) for name in STATISTICS}
    number, *columns = (
        np.concatenate(of) for of in zip(*(part.found for part in parts), strict=True)
    )
    order, offsets = group(number, n_regions)
    base, above, variance, low, high = kernels.together(offsets, *(one[order] for one in columns))
    base, low, high = (_as_float(values, dtype) for values in (base, low, high))
    finite = np.isfinite(low) & np.isfinite(high)
    with np.errstate(invalid="ignore"):
        mean = np.where(finite, base + above, low + high)  # infinite, or NaN
        std = np.where(finite, np.sqrt(variance), np.nan)
    high[np.isnan(low)] = np.nan
    return dict(zip(STATISTICS, (mean, std, low, high), strict=True))


def _tiles(top: int, left: int, bottom: int, right: int) -> Iterator[Tile]:
    """Tiles that make up a part of an image, whose first row and column are those of one."""
    for row, column in product(range(top, bottom, _TILE), range(left, right, _TILE)):
        yield row, column, min(row + _TILE, bottom), min(column + _TILE, right)


def _whole_tiles(chunks: tuple[int, ...]) -> tuple[int, ...]:
    """Lengths of chunks that are about those, and end with a tile."""
    ends = np.cumsum((0, *chunks))
    ends[1:-1] -= ends[1:-1] % _TILE
    return tuple(int(end - begin) for begin, end in pairwise(np.unique(ends))) or (0,)
