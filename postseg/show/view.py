"""What lies at the pixels of a picture: region numbers, straight from runs, and tissue.

No label image is painted for it, so a slide costs no more memory than its picture.
"""

from __future__ import annotations

from itertools import product
from math import ceil
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from postseg._kernels import runs as kernels
from postseg.raster.label_image import is_lazy, without_xarray
from postseg.raster.runs import Runs

_SMALLEST = 16  # a region that must be seen and covers fewer pixels of the picture is enlarged
_WIDER = 2  # pixels on all sides, at most
COLOURS = (1, 3, 4)  # channels of a grey, an RGB and an RGBA image
_FINEST = 4  # samples of the microscope image a pixel of the picture, along each axis

Floats = NDArray[np.float32]


class Axis(NamedTuple):
    """Which rows, or columns, of the mask a picture shows: every `take`-th, `repeat` times.

    One of the two is 1. `first` may be negative, and the end beyond the mask.
    """

    first: int
    length: int
    take: int
    repeat: int

    @property
    def n(self) -> int:
        """How many of them are taken."""
        return ceil(self.length / self.take)

    @property
    def offset(self) -> int:
        """The one that is taken of the first `take`: the middle, if the last `take` have it too."""
        return min(self.take // 2, (self.length - 1) % self.take)


class View(NamedTuple):
    """The part of the mask that a picture shows."""

    rows: Axis
    cols: Axis


class Tissue(NamedTuple):
    """A microscope image, and the values that are shown as black and white.

    Attributes
    ----------
    image : (H', W') or (H', W', C) array
        NumPy or dask.
    scale : (float, float)
        How many times larger than the mask, down and across.
    low, high : float
        Values shown as black and as white.
    """

    image: Any
    scale: tuple[float, float]
    low: float
    high: float


def sample_regions(runs: Runs, view: View, seen: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Region numbers at the pixels of a picture.

    Parameters
    ----------
    runs : Runs
        With region numbers as label.
    view : View
        What is shown.
    seen : (n + 1,) array of bool
        Whether the region must be seen, by number; 0 is background. Such a one is not lost
        between the pixels that are taken while there is room near it, and drawn larger than it
        is where it would be tiny.
    """
    inside = slice(*np.searchsorted(runs.row, _span(view.rows)))
    row, start, stop = (part[inside] for part in runs[:3])
    number = runs.label[inside].astype(np.int32, copy=False)
    # what is taken lies at 0, 1, 2, ... from here on
    at, place = row - (view.rows.first + view.rows.offset), view.cols.first + view.cols.offset
    taken = at % view.rows.take == 0
    shown = np.zeros((view.rows.n, view.cols.n), np.int32)
    _paint(
        shown,
        at[taken] // view.rows.take,
        -((place - start[taken]) // view.cols.take),
        -((place - stop[taken]) // view.cols.take),
        number[taken],
    )

    small = _small(shown, seen, view.rows.repeat * view.cols.repeat)
    few = seen[number] & (stop > view.cols.first) & (start < view.cols.first + view.cols.length)
    to_row = (row[few] - view.rows.first) // view.rows.take
    to_col = (start[few].clip(view.cols.first) - view.cols.first) // view.cols.take
    to_end = (stop[few] - 1 - view.cols.first) // view.cols.take + 1
    tiny = small[number[few]]
    if tiny.any():
        _paint(shown, to_row[tiny], to_col[tiny], to_end[tiny], number[few][tiny])
        _move_apart(shown, to_row, to_col, number[few], seen)
    shown = shown.repeat(view.rows.repeat, axis=0).repeat(view.cols.repeat, axis=1)
    for _ in range(_WIDER if tiny.any() else 0):
        _thicken(shown, _small(shown, seen), seen)
    return shown


def _small(shown: NDArray[np.int32], seen: NDArray[np.bool_], repeat: int = 1) -> NDArray[np.bool_]:
    """Regions that must be seen and are not large enough for it."""
    return np.asarray(seen & (np.bincount(shown.ravel(), minlength=seen.size) * repeat < _SMALLEST))


def _span(axis: Axis) -> tuple[int, int]:
    return axis.first, axis.first + axis.length


def _paint(
    image: NDArray[np.int32],
    row: NDArray[Any],
    start: NDArray[Any],
    stop: NDArray[Any],
    number: NDArray[np.int32],
) -> None:
    # the compiled kernel is that of `images.paint`, so that no other is compiled
    row, start, stop = (part.astype(np.int32, copy=False) for part in (row, start, stop))
    kernels.paint(0, row.size, row, start, stop, number, 0, 0, image)


def _move_apart(
    shown: NDArray[np.int32],
    row: NDArray[Any],
    col: NDArray[Any],
    number: NDArray[np.int32],
    seen: NDArray[np.bool_],
) -> None:
    """Give each region that others cover the nearest pixel that is free or can be spared."""
    for down, right in sorted(
        product((-1, 0, 1), repeat=2), key=lambda step: abs(step[0]) + abs(step[1])
    ):
        pixels = np.bincount(shown.ravel(), minlength=seen.size)
        lost = np.flatnonzero((seen & (pixels == 0))[number])
        if not lost.size:
            return
        to_row = (row[lost] + down).clip(0, shown.shape[0] - 1)
        place = to_row * shown.shape[1] + (col[lost] + right).clip(0, shown.shape[1] - 1)
        owner = shown.ravel()[place]
        # one pixel for each, and from each not more than one at a time
        giver = np.where(seen[owner], -owner, place)
        spare = np.flatnonzero(~seen[owner] | (pixels[owner] > 1))
        for key in (number[lost], giver):
            spare = spare[np.unique(key[spare], return_index=True)[1]]
        shown.ravel()[place[spare]] = number[lost[spare]]


def _thicken(shown: NDArray[np.int32], small: NDArray[np.bool_], seen: NDArray[np.bool_]) -> None:
    """Draw the small regions a pixel larger on all sides, over no other that must be seen."""
    row, col = np.nonzero(small[shown])
    number = shown[row, col]
    for down, right in product((-1, 0, 1), repeat=2):
        to_row = (row + down).clip(0, shown.shape[0] - 1)
        to_col = (col + right).clip(0, shown.shape[1] - 1)
        free = ~seen[shown[to_row, to_col]]
        shown[to_row[free], to_col[free]] = number[free]


def as_tissue(image: Any, shape: tuple[int, int], view: View) -> Tissue:
    """Check that an image fits a mask of that shape, and find its black and white in a view.

    Raises
    ------
    TypeError, ValueError
        When it is a path, or does not fit.
    """
    if isinstance(image, str | PathLike):
        raise TypeError(
            f"image is the path {str(image)!r}; read it first, e.g. with skimage.io.imread()."
        )
    plain = without_xarray(image)
    dims = getattr(image, "dims", None)  # a tuple for a DataArray, not for a DataTree
    named = not isinstance(dims, tuple) or {"y", "x"} <= set(dims)
    if plain is not image and plain.ndim == 3 and named:
        plain = np.moveaxis(plain, 0, -1)  # (y, x) are last now, the channels first
    image = plain if hasattr(plain, "ndim") else np.asarray(plain)
    image = channels_last(image)
    rows, columns = shape
    times = round(image.shape[0] / max(1, rows)) if image.ndim > 1 else 0
    # masks made at int(H / times) are a little less than that much smaller
    off = np.abs(np.subtract(image.shape[:2], np.multiply(shape, times))) if times else [np.inf]
    if max(off) >= max(1, times) or (image.ndim != 2 and image.shape[2:] not in ((1,), (3,), (4,))):
        raise ValueError(
            f"The image has the shape {image.shape}, but must be grey or RGB (colours last) and "
            f"{rows} x {columns} pixels, like the masks, or an integer multiple of that, to a "
            "pixel of the masks. Of an image with other channels pass one, e.g. image[0], or "
            "three, as colours."
        )
    scale = image.shape[0] / max(1, rows), image.shape[1] / max(1, columns)
    tissue = Tissue(image, scale, 0, 255)
    if image.dtype == np.uint8 and image.shape[2:] in ((3,), (4,)):
        return tissue
    values = _sample(tissue, view)
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, (1, 99.8)) if values.size else (0, 1)  # it is often dim
    return tissue._replace(low=float(low), high=float(high))


def channels_last(image: Any) -> Any:
    """An image whose channels come first, if they do, the other way round."""
    if image.ndim == 3 and image.shape[0] in COLOURS and image.shape[2] not in COLOURS:
        return np.moveaxis(image, 0, -1)
    return image


def sample_tissue(tissue: Tissue, view: View) -> Floats:
    """RGB from 0 to 1 at the pixels of a picture, each the mean of up to 4 x 4 of the image."""
    mean = _sample(tissue, view)
    scaled = ((mean - tissue.low) / max(tissue.high - tissue.low, 1e-12)).clip(0, 1)
    scaled[~np.isfinite(mean)] = 0
    return np.broadcast_to(scaled, (*mean.shape[:2], 3)).astype(np.float32)


def _sample(tissue: Tissue, view: View) -> Floats:
    spread = max(axis.take / axis.repeat for axis in view)
    finest = min(_FINEST, ceil(max(tissue.scale) * spread))
    lengths = tissue.image.shape[:2]
    row, col = (
        _places(axis, scale, finest).clip(0, length - 1)
        for axis, scale, length in zip(view, tissue.scale, lengths, strict=True)
    )
    if is_lazy(tissue.image):
        samples = np.asarray(tissue.image[row][:, col], dtype=np.float32)
    else:
        samples = tissue.image[np.ix_(row, col)].astype(np.float32)
    blocks = samples.reshape(row.size // finest, finest, col.size // finest, finest, -1)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32)[..., :3])


def _places(axis: Axis, scale: float, finest: int) -> NDArray[np.int64]:
    """Rows or columns of the image, `finest` of them for each pixel of the picture."""
    place = (np.arange(axis.n * axis.repeat * finest) + 0.5) / finest
    index: NDArray[np.int64] = np.floor((place * axis.take / axis.repeat + axis.first) * scale)
    return index.astype(np.int64)
