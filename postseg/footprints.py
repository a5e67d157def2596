"""`Footprints`: the pixels of many cells, as runs cell by cell; of labels and of polygons."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from postseg._kernels import fill, sharing
from postseg._kernels import runs as run_kernels
from postseg.coordinates import Matrix, transform
from postseg.parallel import in_threads, spread
from postseg.runs import Runs, components

_BATCH = 1 << 19  # vertices to draw at a time: 8 MB


class Footprints(NamedTuple):
    """Pixels of n cells; a pixel (row, col) spans [col, col + 1] in x, [row, row + 1] in y.

    Attributes
    ----------
    id : (n,) int64
        Ascending.
    offsets : (n + 1,) int64
        Cell k owns the runs ``offsets[k]:offsets[k + 1]``, which are in raster order.
    row, start, stop : (n_runs,) int32
        The pixels ``[row, start:stop]``.
    """

    id: NDArray[np.int64]
    offsets: NDArray[np.int64]
    row: NDArray[np.int32]
    start: NDArray[np.int32]
    stop: NDArray[np.int32]

    @property
    def cell(self) -> NDArray[np.int64]:
        """Which cell each run belongs to: (n_runs,)."""
        return np.repeat(np.arange(self.id.size), np.diff(self.offsets))

    def areas(self) -> NDArray[np.int64]:
        """Pixels per cell."""
        before = np.concatenate(([0], np.cumsum(self.stop - self.start, dtype=np.int64)))
        return np.diff(before[self.offsets])

    def centroids(self) -> NDArray[np.float64]:
        """Mean of the pixel centres per cell, (n, 2) as x, y; NaN for a cell without pixels."""
        length = (self.stop - self.start).astype(float)
        x, y = (self.start + self.stop) / 2, self.row + 0.5
        sums = [np.bincount(self.cell, length * part, self.id.size) for part in (x, y)]
        with np.errstate(invalid="ignore"):
            return np.stack(sums, axis=1) / self.areas()[:, None]

    def row_ranges(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First row and last row + 1 of each cell; no cell may be empty."""
        rows = self.row.astype(np.int64)
        return rows[self.offsets[:-1]], rows[self.offsets[1:] - 1] + 1

    def boxes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First and last corner of each cell's bounding box, (n, 2) each as x, y."""
        (top, bottom), first = self.row_ranges(), self.offsets[:-1]
        if not first.size:
            return np.empty((0, 2), np.int64), np.empty((0, 2), np.int64)
        left, right = np.minimum.reduceat(self.start, first), np.maximum.reduceat(self.stop, first)
        return np.column_stack([left, top]), np.column_stack([right, bottom])

    def take(self, chosen: NDArray[np.int64]) -> Footprints:
        """The cells at the positions `chosen`, in that order."""
        n_runs = np.diff(self.offsets)[chosen]
        offsets = np.concatenate(([0], np.cumsum(n_runs)))
        runs = np.arange(offsets[-1]) + np.repeat(self.offsets[chosen] - offsets[:-1], n_runs)
        return Footprints(self.id[chosen], offsets, *(part[runs] for part in self[2:]))


def of_labels(runs: Runs) -> Footprints:
    """The pixels of each label, all its parts together."""
    regions = components(runs)
    label, cell_of_region = np.unique(regions.source_label, return_inverse=True)
    cell = cell_of_region[regions.number - 1].astype(np.int32) + 1
    order, offsets = run_kernels.group(cell, label.size)
    return Footprints(label, offsets, *(part[order] for part in runs[:3]))


def fill_holes(cells: Footprints) -> Footprints:
    """The cells and their holes: what of the outside a cell encloses, whatever is there."""
    after_hole = np.zeros(cells.row.size, np.bool_)

    def mark(first: int, last: int) -> None:
        fill.find_holes(first, last, *cells[1:], after_hole)

    spread(mark, cells.offsets)
    if not after_hole.any():
        return cells
    last_piece = np.concatenate((~after_hole[1:], [True]))
    n_pieces = np.concatenate(([0], np.cumsum(~after_hole)))
    return Footprints(
        cells.id,
        n_pieces[cells.offsets],
        cells.row[~after_hole],
        cells.start[~after_hole],
        cells.stop[last_piece],
    )


def of_polygons(
    ids: NDArray[np.int64],
    geometry: NDArray[np.object_],
    to_pixels: Matrix,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
) -> Footprints:
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
    shares = np.linspace(0, vertices[-1], 2 + vertices[-1] // _BATCH)
    inner = np.searchsorted(vertices, shares[1:-1])
    ends = np.unique([0, *inner, cell_ids.size]).tolist()  # cells without vertices too
    parts = in_threads(draw, list(pairwise(ends)) or [(0, 0)], "Drawing polygons")
    row, start, stop, n_runs = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Footprints(cell_ids, np.concatenate(([0], np.cumsum(n_runs))), row, start, stop)


def shared_pixels(cells: Footprints, others: Footprints) -> NDArray[np.int64]:
    """Pixels that a cell has in both; the two list the same cells."""
    shared = np.zeros(cells.id.size, np.int64)

    def count_range(first: int, last: int) -> None:
        sharing.count_shared(first, last, *cells[1:], others.offsets, others[2:], shared)

    spread(count_range, cells.offsets)
    return shared


def pixel_edges(cells: Footprints) -> NDArray[np.int64]:
    """Length of the border of each cell, in pixel edges."""
    edges = np.zeros(cells.id.size, np.int64)

    def count_range(first: int, last: int) -> None:
        sharing.count_edges(first, last, *cells[1:], edges)

    spread(count_range, cells.offsets)
    return edges


def covered_pixels(cells: Footprints) -> NDArray[np.int64]:
    """Pixels of each cell that other cells have too."""
    if not cells.row.size:
        return np.zeros(cells.id.size, np.int64)
    top = cells.row.min()
    order, offsets = run_kernels.group(cells.row - top + 1, int(np.ptp(cells.row)) + 1)
    start, stop, cell = cells.start[order], cells.stop[order], cells.cell[order]

    def count_range(first: int, last: int) -> NDArray[np.int64]:
        covered = np.zeros(cells.id.size, np.int64)
        sharing.count_covered(first, last, offsets, start, stop, cell, covered)
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
