"""Where two tiles meet: which of their pieces share pixels, and which are of one cell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from postseg._kernels import runs as runs_kernels
from postseg._kernels import tiles as kernels
from postseg._support.threads import in_threads
from postseg.raster.runs import encode_block
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
    parts_of = [slice(*ends) for ends in pairwise(pieces.offsets.tolist())]
    offsets, around = cover.neighbours()

    def compare(a: int, b: int) -> Contacts:
        zone = _common(cover.rectangles[a], cover.rectangles[b])
        area = pieces.area[parts_of[a]], pieces.area[parts_of[b]]
        if (zone[:2] < zone[2:]).all():
            runs = [kernels.clip(*tiles[t][1:4], numbers[t], *zone) for t in (a, b)]
            for t, (*_, owner) in zip((a, b), runs, strict=True):
                shared[parts_of[t]][owner] = True
            whole = pieces.whole[parts_of[a]], pieces.whole[parts_of[b]]
        else:
            near_a, near_b = (around[offsets[t] : offsets[t + 1]].tolist() for t in (a, b))
            others = cover.rectangles[sorted({*near_a} & {*near_b} - {a, b})]
            runs = [_along_seam(tiles[t], numbers[t], zone, others) for t in (a, b)]
            # all are cut there: what both tiles see of them are lengths
            whole = np.zeros(area[0].size, bool), np.zeros(area[1].size, bool)
        one, other, n, alike = kernels.compare(*runs, whole, area, _ALIKE)
        if not (zone[:2] < zone[2:]).all():
            n[:] = 0
        return Contacts(pieces.offsets[a] + one, pieces.offsets[b] + other, n, alike)

    parts = in_threads(compare, cover.pairs, "Comparing tiles")
    empty = np.empty(0, np.int64)
    none = Contacts(empty, empty, empty, empty.astype(float))
    one, other, pixels, alike = map(np.concatenate, zip(none, *parts, strict=True))
    return Contacts(one, other, pixels, alike), shared


def _common(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rectangle that two have in common; without area where they only touch."""
    return np.concatenate([np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])])


def _along_seam(
    tile: Tile, number: NDArray[np.int32], seam: NDArray[np.int64], others: NDArray[np.int64]
) -> tuple[NDArray[np.int32], ...]:
    """Runs, all in one row, of a tile's pixels along a seam, and the pieces that they are of.

    The pixels are the last ones before the seam or the first ones behind it. Where one of the
    `others` sees both, there are none.
    """
    across = int(seam[1] == seam[3])  # the axis: 0 where one tile lies above the other
    along = 1 - across
    box = seam.copy()
    if tile.rectangle[across] == seam[across]:
        box[across + 2] += 1
    else:
        box[across] -= 1
    line = np.zeros(np.maximum(box[2:] - box[:2], 0), np.int32)
    row, start, stop, owner = kernels.clip(*tile[1:4], number, *box)
    runs_kernels.paint(0, row.size, row, start, stop, owner + 1, box[0], box[1], line)
    line = line.reshape(1, -1)
    for other in others:
        if other[across] < seam[across] < other[across + 2]:
            first, last = np.maximum(other[[along, along + 2]] - seam[along], 0)
            line[:, first:last] = 0
    row, start, stop, owner = encode_block(line, 0, 0)
    return row, start, stop, owner.astype(np.int32) - 1
