"""Contours: the outer outline of each region, through the middles of the sides of pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from postseg._kernels import contours
from postseg._kernels.rings import Frame
from postseg._support.threads import in_batches, spread
from postseg.raster.grouped import Grouped
from postseg.raster.runs import Runs, components

_BATCH = 1 << 20  # vertices to trace and build at a time: 16 MB


class Rings(NamedTuple):
    """Outlines still to be traced: of each region one, and where each ring will begin."""

    regions: Grouped
    offsets: NDArray[np.int64]

    @property
    def last_row(self) -> int | None:
        """The lowest row that one goes around, or None."""
        return int(self.regions.row.max()) if self.regions.row.size else None

    def trace(self, first: int, last: int, frame: Frame) -> NDArray[np.float64]:
        """Vertices of the rings ``first:last``."""
        regions, bounds = self.regions, self.offsets[first : last + 1] - self.offsets[first]
        coords = np.empty((bounds[-1], 2))
        contours.trace(
            0,
            last - first,
            regions.offsets[first : last + 1],
            *(regions.row, regions.start, regions.stop),
            bounds,
            *frame,
            coords,
        )
        return coords


def find_rings(runs: Runs) -> Rings:
    """Choose one region for each label: of its parts the one with the longest outline.

    In pixel edges; the first of equals. Labels are ascending.
    """
    regions = components(runs).regions
    length = _outline_lengths(regions)
    order = np.lexsort((-length, regions.label))
    _, position = np.unique(regions.label[order], return_index=True)
    chosen = order[position]
    if not np.array_equal(chosen, np.arange(length.size)):
        regions = regions.take(chosen)
    return Rings(regions, np.concatenate(([0], np.cumsum(length[chosen] + 1))))


def polygons_of(rings: Rings, frame: Frame) -> NDArray[np.object_]:
    """Outline regions by their marching-squares contours at level 0.5: a polygon for each.

    They are those of ``find_contours(np.pad(region, 1), 0.5, fully_connected="high")``: outer
    outlines, without holes, closed at the image border too.
    """

    def build(first: int, last: int) -> NDArray[np.object_]:
        bounds = rings.offsets[first : last + 1] - rings.offsets[first]
        one_ring_each = np.arange(last - first + 1)
        return shapely.from_ragged_array(
            shapely.GeometryType.POLYGON, rings.trace(first, last, frame), (bounds, one_ring_each)
        )

    batches = in_batches(build, rings.offsets, _BATCH, "Outlining")
    return np.concatenate([np.empty(0, dtype=object), *batches])


def outline_rings(regions: Grouped) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Outline connected regions as `polygons_of` does; they may share pixels.

    Returns
    -------
    offsets : (n + 1,) int64 array
        Ring k, which is closed, has the vertices ``offsets[k]:offsets[k + 1]``.
    vertices : (n_vertices, 2) array
        As (x, y), pixel centres at integers.
    """
    offsets = np.concatenate(([0], np.cumsum(_outline_lengths(regions) + 1)))
    return offsets, Rings(regions, offsets).trace(0, regions.label.size, Frame(1.0, 1.0, 0.0))


def _outline_lengths(regions: Grouped) -> NDArray[np.int64]:
    length = np.empty(regions.label.size, np.int64)

    def measure_range(first: int, last: int) -> None:
        contours.outline_lengths(first, last, *regions[:4], length)

    spread(measure_range, regions.offsets, "Measuring outlines")
    return length
