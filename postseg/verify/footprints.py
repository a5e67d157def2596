"""The pixels of cells, of labels and of polygons, and what they have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from postseg._kernels import fill, overlaps
from postseg._kernels import runs as run_kernels
from postseg._support.threads import in_batches, spread
from postseg.geometry.placement import Matrix, transform
from postseg.raster.grouped import Grouped
from postseg.raster.runs import Runs, components

_BATCH = 1 << 19  # vertices to draw at a time: 8 MB


def of_labels(runs: Runs) -> Grouped:
    """The pixels of each label, all its parts together."""
    regions, number = components(runs)
    label, cell_of_region = np.unique(regions.label, return_inverse=True)
    cell = cell_of_region[number - 1].astype(np.int32) + 1
    order, offsets = run_kernels.group(cell, label.size)
    row, start, stop = (part[order] for part in runs[:3])
    return Grouped(offsets, row, start, stop, label)


def fill_holes(cells: Grouped) -> Grouped:
    """The cells and their holes: what of the outside a cell encloses, whatever is there."""
    after_hole = np.zeros(cells.row.size, np.bool_)

    def mark(first: int, last: int) -> None:
        fill.find_holes(first, last, *cells[:4], after_hole)

    spread(mark, cells.offsets)
    if not after_hole.any():
        return cells
    last_piece = np.concatenate((~after_hole[1:], [True]))
    n_pieces = np.concatenate(([0], np.cumsum(~after_hole)))
    return Grouped(
        n_pieces[cells.offsets],
        cells.row[~after_hole],
        cells.start[~after_hole],
        cells.stop[last_piece],
        cells.label,
    )


def of_polygons(
    ids: NDArray[np.int64],
    geometry: NDArray[np.object_],
    to_pixels: Matrix,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
) -> Grouped:
    """The pixels whose centres lie in polygons or multipolygons.

    Parameters
    ----------
    ids, geometry : (n_polygons,) arrays
        Sorted by id; polygons of one id make one cell.
    to_pixels : (3, 3) array
        Map from polygon to pixel coordinates.
    low, high : (n,) arrays
        Rows of each cell to look at, ``low:high``.
    """
    cell_ids, bounds = np.unique(ids, return_index=True)
    bounds = np.append(bounds, ids.size)

    def draw(first: int, last: int) -> tuple[NDArray[Any], ...]:
        """Runs of the cells ``first:last``, and how many of them each has."""
        polygons = geometry[bounds[first] : bounds[last]]
        parts, polygon = shapely.get_parts(polygons, return_index=True)
        rings, part = shapely.get_rings(parts, return_index=True)
        xy, ring = shapely.get_coordinates(rings, return_index=True)
        ring_bounds = np.searchsorted(ring, np.arange(len(rings) + 1))
        cells = np.searchsorted(polygon[part], bounds[first : last + 1] - bounds[first])
        drawing = transform(xy, to_pixels), ring_bounds, cells, low[first:last], high[first:last]
        offsets = np.concatenate(([0], np.cumsum(fill.count_crossings(*drawing) // 2)))
        row, start, stop = fill.fill(*drawing, offsets)
        some = start < stop  # the others have no pixel centre in them
        n_before = np.concatenate(([0], np.cumsum(some)))
        return row[some], start[some], stop[some], np.diff(n_before[offsets])

    # batch by batch, so that the vertices of a slide need not all be held
    vertices = np.concatenate(([0], np.cumsum(shapely.get_num_coordinates(geometry))))[bounds]
    parts = in_batches(draw, vertices, _BATCH, "Drawing polygons") or [draw(0, 0)]
    row, start, stop, n_runs = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Grouped(np.concatenate(([0], np.cumsum(n_runs))), row, start, stop, cell_ids)


def shared_pixels(cells: Grouped, others: Grouped) -> NDArray[np.int64]:
    """Pixels that a cell has in both; the two list the same cells."""
    shared = np.zeros(cells.label.size, np.int64)

    def count_range(first: int, last: int) -> None:
        overlaps.count_shared(first, last, *cells[:4], others.offsets, others[1:4], shared)

    spread(count_range, cells.offsets)
    return shared


def pixel_edges(cells: Grouped) -> NDArray[np.int64]:
    """Length of the border of each cell, in pixel edges."""
    edges = np.zeros(cells.label.size, np.int64)

    def count_range(first: int, last: int) -> None:
        overlaps.count_edges(first, last, *cells[:4], edges)

    spread(count_range, cells.offsets)
    return edges


def covered_pixels(cells: Grouped) -> NDArray[np.int64]:
    """Pixels of each cell that other cells have too."""
    if not cells.row.size:
        return np.zeros(cells.label.size, np.int64)
    top = cells.row.min()
    order, offsets = run_kernels.group(cells.row - top + 1, int(np.ptp(cells.row)) + 1)
    start, stop, cell = cells.start[order], cells.stop[order], cells.owner[order]

    def count_range(first: int, last: int) -> NDArray[np.int64]:
        covered = np.zeros(cells.label.size, np.int64)
        overlaps.count_covered(first, last, offsets, start, stop, cell, covered)
        return covered

    return np.sum(spread(count_range, offsets), axis=0)


def corner_crossings(runs: Runs, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each label crosses another one at a corner, as in ``1 2 / 2 1``."""
    key = runs.row.astype(np.int64) * runs.shape[1] + runs.start
    meets = (runs.stop[:-1] == runs.start[1:]) & (runs.row[:-1] == runs.row[1:])
    place, left, right = key[1:][meets], runs.label[:-1][meets], runs.label[1:][meets]
    below = np.searchsorted(place, place + runs.shape[1])
    above = np.flatnonzero(below < place.size)
    below = below[above]
    crosses = place[below] == place[above] + runs.shape[1]
    crosses &= (left[below] == right[above]) & (right[below] == left[above])
    crossing = np.concatenate([left[above[crosses]], right[above[crosses]]])
    return np.bincount(np.searchsorted(ids, crossing), minlength=ids.size)


def label_at(runs: Runs, xy: NDArray[np.float64]) -> NDArray[np.int64]:
    """The label on which each point lies, 0 for none."""
    width = max(1, runs.shape[1])
    place = np.floor(np.nan_to_num(xy, nan=-1.0)).clip(-1, 2**31).astype(np.int64)
    col, row = place.T
    key = runs.row.astype(np.int64) * width + runs.start
    i = np.searchsorted(key, row * width + col, side="right") - 1
    inside = (col >= 0) & (col < width) & (i >= 0)
    i = i.clip(0)
    if not runs.row.size:
        return np.zeros(len(xy), np.int64)
    inside &= (runs.row[i] == row) & (col < runs.stop[i])
    return np.where(inside, runs.label[i], 0)
