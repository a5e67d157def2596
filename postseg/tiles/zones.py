"""Where two tiles meet: which of their pieces share pixels, and which are of one cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from postseg._kernels import runs as runs_kernels
from postseg._kernels import tiles as kernels
from postseg._support.threads import in_threads
from postseg.tiles.pieces import Cover, Pieces
from postseg.tiles.tile import Tile

_ALIKE = 0.25  # the least J of a link


class Contacts(NamedTuple):
    """Pairs of pieces of different tiles, in no order that matters.

    Attributes
    ----------
    one, other : (n,) int64
        Pieces; that of the smaller tile first.
    pixels : (n,) int64
        How many they share; 0 of those that touch across a seam.
    alike : (n,) float
        J of those that are linked, else 0.
    """

    one: NDArray[np.int64]
    other: NDArray[np.int64]
    pixels: NDArray[np.int64]
    alike: NDArray[np.float64]


def find_contacts(
    tiles: Sequence[Tile], numbers: Sequence[NDArray[np.int32]], cover: Cover, pieces: Pieces
) -> tuple[Contacts, NDArray[np.bool_]]:
    """Compare all pairs of tiles; and which pieces lie in a zone that another tile sees too."""
    shared = np.zeros(pieces.tile.size, bool)
    offsets, around = cover.neighbours()

    def compare(a: int, b: int) -> Contacts:
        box = _common(cover.rectangles[a], cover.rectangles[b])
        if (box[:2] < box[2:]).all():
            zone = [_clip(tiles[t], numbers[t], box) for t in (a, b)]
            for t, (*_, owner) in zip((a, b), zone, strict=True):
                shared[pieces.offsets[t] + owner] = True
            return _overlapping(zone, pieces, (a, b))
        near_a, near_b = (around[offsets[t] : offsets[t + 1]].tolist() for t in (a, b))
        others = cover.rectangles[sorted({*near_a} & {*near_b} - {a, b})]
        return _abutting(
            *(_line(tiles[t], pieces.offsets[t] + numbers[t], box, others) for t in (a, b))
        )

    parts = in_threads(compare, cover.pairs, "Comparing tiles")
    empty = np.empty(0, np.int64)
    none = Contacts(empty, empty, empty, empty.astype(float))
    one, other, pixels, alike = map(np.concatenate, zip(none, *parts, strict=True))
    return Contacts(one, other, pixels, alike), shared


def _common(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rectangle that two have in common; without area where they only touch."""
    return np.concatenate([np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])])


def _clip(
    tile: Tile, number: NDArray[np.int32], box: NDArray[np.int64]
) -> tuple[NDArray[np.int32], ...]:
    found: tuple[NDArray[np.int32], ...] = kernels.clip(*tile[1:4], number, *box)
    return found


class _Side(NamedTuple):
    """The parts of one tile's pieces in a zone: its piece and size, each (n,)."""

    piece: NDArray[np.int64]
    size: NDArray[np.int64]


def _overlapping(
    zone: Sequence[tuple[NDArray[np.int32], ...]], pieces: Pieces, tiles: tuple[int, int]
) -> Contacts:
    """Of two tiles that overlap: parts are 8-connected components in the zone."""
    numbers, sides = [], []
    for (row, start, stop, owner), t in zip(zone, tiles, strict=True):
        number, n = runs_kernels.components(row, start, stop, owner)
        piece = np.empty(n, np.int64)
        piece[number - 1] = pieces.offsets[t] + owner
        size = np.bincount(number - 1, stop - start, n).astype(np.int64)
        numbers.append(number - 1)
        sides.append(_Side(piece, size))
    i, j, n = kernels.intersect(*zone[0][:3], *zone[1][:3])
    u, v, n = _summed(numbers[0][i], numbers[1][j], n, sides)
    a, b = sides[0].piece[u], sides[1].piece[v]
    # a whole cell is compared with all of the other piece, a cut one with what both tiles see
    of_a = np.where(pieces.whole[b], pieces.area[a], sides[0].size[u])
    of_b = np.where(pieces.whole[a], pieces.area[b], sides[1].size[v])
    return Contacts(a, b, n, _links(u, v, n / (of_a + of_b - n)))


def _line(
    tile: Tile, piece: NDArray[np.int64], seam: NDArray[np.int64], others: NDArray[np.int64]
) -> NDArray[np.int32]:
    """The pixels of a tile along a seam without width, as pieces from 1; 0 where others see both.

    Both are the last pixels before the seam and the first ones behind it.
    """
    across = int(seam[1] == seam[3])  # the axis: 0 where one tile lies above the other
    along = 1 - across
    box = seam.copy()
    if tile.rectangle[across] == seam[across]:
        box[across + 2] += 1
    else:
        box[across] -= 1
    line = np.zeros(np.maximum(box[2:] - box[:2], 0), np.int32)
    row, start, stop, owner = kernels.clip(*tile[1:4], piece.astype(np.int32), *box)
    runs_kernels.paint(0, row.size, row, start, stop, owner + 1, box[0], box[1], line)
    for other in others:
        if other[across] < seam[across] < other[across + 2]:
            first, last = np.maximum(other[[along, along + 2]] - seam[along], 0)
            line.ravel()[first:last] = 0
    return line.ravel()


def _abutting(one: NDArray[np.int32], other: NDArray[np.int32]) -> Contacts:
    """Of two tiles side by side: parts are stretches of pieces along the seam."""
    stretches, sides = [], []
    for line in (one, other):
        begins = (np.diff(line, prepend=0) != 0) & (line > 0)
        stretch = np.cumsum(begins) - 1
        piece = line[begins].astype(np.int64) - 1
        sides.append(_Side(piece, np.bincount(stretch[line > 0], minlength=piece.size)))
        stretches.append(stretch)
    both = (one > 0) & (other > 0)
    u, v, n = _summed(stretches[0][both], stretches[1][both], np.ones(both.sum(), np.int64), sides)
    alike = _links(u, v, n / (sides[0].size[u] + sides[1].size[v] - n))
    return Contacts(sides[0].piece[u], sides[1].piece[v], np.zeros_like(n), alike)


def _summed(
    u: NDArray[np.integer], v: NDArray[np.integer], n: NDArray[np.int64], sides: Sequence[_Side]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Sum what each pair of parts shares; pairs ascending."""
    m = max(1, sides[1].size.size)
    pair, which = np.unique(u.astype(np.int64) * m + v, return_inverse=True)
    return pair // m, pair % m, np.bincount(which, n, pair.size).astype(np.int64)


def _links(
    u: NDArray[np.int64], v: NDArray[np.int64], alike: NDArray[np.float64]
) -> NDArray[np.float64]:
    """J of the pairs that are each other's best, else 0; of equal ones the first part counts."""
    best = np.ones(u.size, bool)
    for part, other in ((u, v), (v, u)):
        order = np.lexsort((other, -alike, part))
        first = np.ones(u.size, bool)
        first[1:] = np.diff(part[order]) != 0
        best[order] &= first
    return np.where(best & (alike >= _ALIKE), alike, 0)
