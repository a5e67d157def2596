"""The pieces of tiles: what each tile sees of cells, and how well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from postseg._kernels import tiles as kernels
from postseg._support.threads import in_threads
from postseg.tiles.plan import internal_sides
from postseg.tiles.tile import Rectangle, Tile

FAR = 1 << 31  # pixels: more than a slide has


class Cover(NamedTuple):
    """How n tiles lie.

    Attributes
    ----------
    rectangles : (n, 4) int64
        Top, left, bottom, right.
    internal : (n, 4) bool
        Which of these sides are not on the slide's edge.
    pairs : list of (int, int)
        Tiles that overlap or touch, the smaller first.
    shape : (int, int)
        Of the slide.
    """

    rectangles: NDArray[np.int64]
    internal: NDArray[np.bool_]
    pairs: list[tuple[int, int]]
    shape: tuple[int, int]

    def neighbours(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Each tile and those of its pairs, ascending, as offsets and one list of all."""
        n = len(self.rectangles)
        one, other = np.array(self.pairs, np.int64).reshape(-1, 2).T
        tile = np.concatenate([np.arange(n), one, other])
        near = np.concatenate([np.arange(n), other, one])
        order = np.lexsort((near, tile))
        offsets = np.searchsorted(tile[order], np.arange(n + 1))
        return offsets, near[order]


def cover(rectangles: Sequence[Rectangle], shape: tuple[int, int]) -> Cover:
    """Tell which sides of sorted tiles are internal, and which tiles meet."""
    sides = np.array(rectangles, np.int64).reshape(-1, 4)
    boxes = shapely.box(sides[:, 1], sides[:, 0], sides[:, 3], sides[:, 2])
    one, other = shapely.STRtree(boxes).query(boxes, predicate="intersects")
    met = sorted(zip(one[one < other].tolist(), other[one < other].tolist(), strict=True))
    return Cover(sides, internal_sides(rectangles, shape), met, shape)


class Pieces(NamedTuple):
    """The 8-connected parts of labels in tiles, those of each tile together, in raster order.

    Attributes
    ----------
    offsets : (n_tiles + 1,) int64
        Tile t has the pieces ``offsets[t]:offsets[t + 1]``.
    tile : (n,) int64
    label : (n,) int64
        In its tile.
    area, box, twice, first
        As from `postseg._kernels.tiles.pieces`, in pixels of the slide.
    room : (n,) int64
        Pixels between it and the nearest internal side of its tile; `FAR` where there is none.
    whole : (n,) bool
        Whether they are more than the rim.
    depth : (n,) float
        Distance of its centroid to the nearest of them.
    """

    offsets: NDArray[np.int64]
    tile: NDArray[np.int64]
    label: NDArray[np.int64]
    area: NDArray[np.int64]
    box: NDArray[np.int64]
    twice: NDArray[np.int64]
    first: NDArray[np.int64]
    room: NDArray[np.int64]
    whole: NDArray[np.bool_]
    depth: NDArray[np.float64]

    def rank(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """The place of each of the `chosen` among them, the best first.

        The deepest is the best, then the largest, the first in raster order, and of the first tile.
        """
        keys = (
            self.tile[chosen],
            self.first[chosen, 1],
            self.first[chosen, 0],
            -self.area[chosen],
            -self.depth[chosen],
        )
        rank = np.empty(chosen.size, np.int64)
        rank[np.lexsort(keys)] = np.arange(chosen.size)
        return rank


def find_pieces(
    tiles: Sequence[Tile], cover: Cover, rim: int
) -> tuple[Pieces, list[NDArray[np.int32]]]:
    """Measure the pieces of sorted tiles; and which one, from 0 in its tile, each run is of."""

    def look(t: int, _: int) -> tuple[NDArray[Any], ...]:
        of_tile = cover.rectangles[t], cover.internal[t], FAR
        found: tuple[NDArray[Any], ...] = kernels.pieces(*tiles[t][1:], *of_tile)
        return found

    parts = in_threads(look, [(t, t + 1) for t in range(len(tiles))], "Looking at tiles")
    numbers, *columns = zip(*parts, strict=True)
    offsets = np.concatenate(([0], np.cumsum([labels.size for labels in columns[0]])))
    tile = np.repeat(np.arange(len(tiles)), np.diff(offsets))
    label, area, box, twice, first, free, depth = map(np.concatenate, columns)
    found = Pieces(offsets, tile, label, area, box, twice, first, free, free > rim, depth)
    return found, list(numbers)


def room(
    box: NDArray[np.int64], sides: NDArray[np.int64], internal: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Pixels between boxes, (n, 4), and the nearest internal side of tiles; `FAR` without one."""
    between = (box - sides) * [1, 1, -1, -1]
    return np.where(internal, between, FAR).min(axis=1)
