"""Outlines that were drawn from mask pixels exactly, and what they are to be beside drawn back.

- Edges of "pixels" run along those of mask pixels, from corner to corner. Vertices of "simplified"
  are corners, or lie on the line that crosses the side of a mask pixel in its middle, nearer to it
  than the centres of pixels. An outline that was moved by a part of a pixel, or changed by another
  program, may still have the same pixels, but not such vertices.
- Together they are a coverage: where two cells meet, both have the same edges. What
  `shapely.coverage_is_valid` finds are overlaps and edges that run along each other with other
  vertices. A gap it takes for background. So each edge with another cell beyond, by the labels,
  is to be one of that cell, too. Where the masks are known that alone tells a coverage, of cells
  that have just their pixels; shapely is asked as well, but not where one cell has so many
  neighbours or holes that its time, which grows with their square, would be minutes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from postseg._support.threads import in_batches
from postseg.geometry.placement import Matrix, transform
from postseg.raster.runs import Runs
from postseg.verify.compare import Polygons
from postseg.verify.masks import Masks

EXACT = ("pixels", "simplified")
_BATCH = 1 << 18  # vertices to look at at a time
_ON = 1e-6  # mask pixels: more than transformations take a vertex off its place by rounding
_FINE = 256  # parts of a mask pixel: all coordinates are whole numbers of them
_HALF = _FINE // 2
_MOST = 5e7  # comparisons that shapely is left to make: some seconds
_ORDINARY = 1e4  # for one cell
_FURTHEST = 1 << 30  # of these parts


def look(
    polygons: Polygons, outline: str, runs: Runs, masks: Masks | None, to_pixels: Matrix
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find what is not exact, in the polygons' own coordinates and on the masks.

    Returns
    -------
    off_edges : (n,) array
        Ids of outlines that are off the edges of mask pixels: none where the masks are not known.
    torn : (n,) array
        Ids of cells with an overlap between them and another or, where the masks are known, a gap.
    """
    if not polygons.id.size:
        return polygons.id, polygons.id
    off, parted, pairs = np.zeros(polygons.id.size, bool), polygons.id[:0], None
    if masks is not None:
        off, parted, pairs = _edges(polygons, outline, runs, masks, to_pixels)
    if pairs is None or off.any() or parted.size or _comparisons(polygons, pairs) < _MOST:
        whole = np.where(polygons.valid, polygons.geometry, shapely.Polygon())
        overlaps = ~shapely.is_empty(shapely.coverage_invalid_edges(whole))
        parted = np.union1d(parted, polygons.id[overlaps])
    return polygons.id[off], parted


def _comparisons(polygons: Polygons, pairs: NDArray[np.int64]) -> float:
    """How many shapely makes, about, for cells of which it makes many.

    It compares each cell's vertices with all its neighbours, and its rings with each other.

    `pairs` are the ids of cells that have an edge in common.
    """
    n_neighbours = np.zeros(polygons.id.size)
    pairs = np.unique(pairs, axis=0)
    ids, counts = np.unique(pairs, return_counts=True)
    n_neighbours[np.isin(polygons.id, ids)] = counts[np.isin(ids, polygons.id)]
    rings = np.zeros(polygons.id.size)
    parts, of = shapely.get_parts(polygons.geometry, return_index=True)
    np.add.at(rings, of, 1 + shapely.get_num_interior_rings(parts))
    vertices = shapely.get_num_coordinates(polygons.geometry)
    comparisons = vertices * n_neighbours + rings**2
    return float(comparisons[comparisons > _ORDINARY].sum())


def _edges(
    polygons: Polygons, outline: str, runs: Runs, masks: Masks, to_pixels: Matrix
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Which polygons are off the edges of mask pixels; ids of cells that a gap parts; and pairs.

    These are the ids of cells that have an edge in common, by the labels, (n, 2).
    """
    to_masks = masks.of_labels @ to_pixels
    off = np.zeros(polygons.id.size, bool)

    def look_at(first: int, last: int) -> tuple[NDArray[np.int64], ...]:
        parts, polygon = shapely.get_parts(polygons.geometry[first:last], return_index=True)
        rings, part = shapely.get_rings(parts, return_index=True)
        xy, ring = shapely.get_coordinates(rings, return_index=True)
        fine = _FINE * transform(xy, to_masks)
        places = np.round(fine.clip(-_FURTHEST, _FURTHEST))
        astray = np.abs(fine - places).max(axis=1, initial=0) > _FINE * _ON
        places = places.astype(np.int64)
        good = (places % _FINE == 0).all(axis=1)
        if outline != "pixels":
            good |= (places % _FINE == _HALF).sum(axis=1) == 1
        astray |= ~good
        edge = np.flatnonzero(ring[:-1] == ring[1:])
        here, there = places[edge], places[edge + 1]
        aslant = np.zeros(edge.size, bool)
        if outline == "pixels":
            aslant = (here != there).all(axis=1)
        owner = first + polygon[part[ring]]
        off[owner[astray]] = True
        off[owner[edge[aslant]]] = True
        on = ~(astray[edge] | astray[edge + 1] | aslant)
        return _towards_others(polygons.id[owner[edge[on]]], here[on], there[on], runs, masks)

    vertices = np.concatenate(([0], np.cumsum(shapely.get_num_coordinates(polygons.geometry))))
    batches = in_batches(look_at, vertices, _BATCH, "Comparing edges")
    own, beyond, low, high = (np.concatenate(part) for part in zip(*batches, strict=True))
    # others have no polygon, which is told: the shapes may be a part of what the labels are of
    both = np.isin(beyond, polygons.id[~shapely.is_empty(polygons.geometry)])
    own, beyond, low, high = (part[both] for part in (own, beyond, low, high))
    return off, _unmatched(own, beyond, low, high), np.sort(np.stack([own, beyond], axis=1))


def _towards_others(
    own: NDArray[np.int64],
    here: NDArray[np.int64],
    there: NDArray[np.int64],
    runs: Runs,
    masks: Masks,
) -> tuple[NDArray[np.int64], ...]:
    """Edges with another cell beyond: own id, that cell's, and the ends as numbers.

    Edges are from `here` to `there`, in parts of a mask pixel. An edge separates two cells all
    along, so one side of a pixel that it runs along tells them: that which it begins beside or,
    from a corner, the one that it leaves nearest to. It begins at the same end for both cells, or
    one of them might look off the labels.
    """
    ends = [end[:, 1] * 2 * _FURTHEST + end[:, 0] for end in (here, there)]
    turned = (ends[0] > ends[1])[:, None]
    here, there = np.where(turned, there, here), np.where(turned, here, there)
    way = there - here
    along = np.abs(way) == np.abs(way).max(axis=1, keepdims=True, initial=0)
    in_middle = here % _FINE == _HALF
    from_corner = ~in_middle.any(axis=1, keepdims=True)
    # the middle of that side, in halves of a mask pixel
    middle = np.where(in_middle, here // _HALF, 2 * ((here + _HALF) // _FINE))
    middle += np.where(from_corner & along, np.sign(way), 0)
    across = 1 - middle % 2  # to the centres of the two pixels beside
    one, other = (
        masks.labels_at(runs, (middle + step * across - 1) // 2).astype(np.int64)
        for step in (-1, 1)
    )
    beyond = np.where(one == own, other, np.where(other == own, one, 0))
    beyond[beyond == own] = 0
    chosen = beyond > 0
    low, high = np.minimum(*ends), np.maximum(*ends)
    return own[chosen], beyond[chosen], low[chosen], high[chosen]


def _unmatched(
    own: NDArray[np.int64], beyond: NDArray[Any], low: NDArray[np.int64], high: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Ids of the cells on both sides of edges that only one of the two has."""
    pair = np.minimum(own, beyond), np.maximum(own, beyond)
    order = np.lexsort((own, *pair, high, low))
    parts = (low, high, *pair)
    same = np.logical_and.reduce([part[order][1:] == part[order][:-1] for part in parts])
    same &= own[order][1:] != own[order][:-1]
    matched = np.zeros(own.size, bool)
    matched[order[1:][same]] = True
    matched[order[:-1][same]] = True
    return np.unique(np.concatenate([own[~matched], beyond[~matched]]))
