"""The pixels of the masks, in the pixels of labels that may be an enlarged image of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from postseg.geometry.placement import Matrix, area_scale
from postseg.verify.compare import LabelCells, Polygons

_LEAST_PITCH = 1.5  # pixels; what is less has no effect on the limits
_FEW = 32  # ends, which most numbers of mask pixels fail already
_BY_CHANCE = 1e-6
_ROUGHLY = (0.25, 4.0)  # times as large


class Grid(NamedTuple):
    """How mask pixels lie in those of the labels.

    Attributes
    ----------
    side : float
        Of a mask pixel, in pixels; 1 where nothing tells. Of those that are no squares, the longer.
    rounding : float
        By how much the pixels of a label may all be off: 0 of a whole number of pixels each, else
        half a pixel along each axis that was stretched.
    """

    side: float
    rounding: float


def find_grid(
    cells: LabelCells,
    polygons: Polygons,
    to_pixels: Matrix,
    told: tuple[float, float] | None = None,
) -> Grid:
    """Find it, by the cells; what a table tells of a mask pixel's sides is for stretched ones.

    Labels and polygons must agree on it: every cell begins and ends between two mask pixels, and a
    closed outline cuts four corners more than it fills, an eighth of a mask pixel each.
    """
    shape, own = cells.runs.shape, cells.own
    if told is not None and (known := grid_of(*told)).rounding:
        return known
    if not own.label.size:
        return Grid(1, 0)
    area = polygons.area * area_scale(to_pixels)
    _, here, there = np.intersect1d(polygons.id, own.label, return_indices=True)
    lost = np.median(cells.filled.areas()[there] - area[here]) if here.size else 0.0
    f = round(float(np.sqrt(max(0.0, 2 * lost))))
    ends = np.concatenate(own.row_ranges()), np.concatenate([own.start, own.stop])
    if f > 1 and np.gcd.reduce(np.concatenate(ends)) % f == 0:
        return Grid(f, 0)
    down, across = _pitch(ends[0], shape[0]), _pitch(ends[1], shape[1])
    if not _ROUGHLY[0] < 2 * lost / (down * across) < _ROUGHLY[1]:
        return Grid(1, 0)
    return grid_of(down, across)


def grid_of(down: float, across: float) -> Grid:
    """Of mask pixels with these sides."""
    side = max(down, across)
    stretched = (down != round(down)) + (across != round(across))  # axes
    return Grid(int(side) if side == round(side) else side, float(np.sqrt(stretched / 4)))


def _pitch(ends: NDArray[np.integer[Any]], length: int) -> float:
    """Pixels per mask pixel along one axis: the largest that makes all ends such between two.

    1 where so few ends would fit others by chance.
    """
    ends = np.unique(ends)
    ends = ends[(ends > 0) & (ends < length)].astype(np.int64)
    counts = np.arange(1, 1 + int(length / _LEAST_PITCH))  # of mask pixels
    for some in (ends[:_FEW], ends):
        before = (2 * some - 1) * counts[:, None] // (2 * length)
        after = (2 * some + 1) * counts[:, None] // (2 * length)
        counts = counts[(before != after).all(axis=1)]
        if not counts.size or not some.size:
            return 1
    pitch = length / int(counts[0])
    by_chance = np.log(length) - ends.size * np.log(pitch)
    return pitch if by_chance < np.log(_BY_CHANCE) else 1
