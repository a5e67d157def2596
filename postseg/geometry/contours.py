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


class _Rings(NamedTuple):
    """Outlines still to be traced: of each region one, and where each ring will begin."""

    regions: Grouped
    offsets: NDArray[np.int64]
    frame: Frame

    def trace(self, first: int, last: int) -> NDArray[np.float64]:
        """Vertices of the rings ``first:last``."""
        regions, bounds = self.regions, self.offsets[first : last + 1] - self.offsets[first]
        coords = np.empty((bounds[-1], 2))
        contours.trace(
            0,
            last - first,
            regions.offsets[first : last + 1],
            *(regions.row, regions.start, regions.stop),
            bounds,
            *self.frame,
            coords,
        )
        return coords


def contours_of(runs: Runs, frame: Frame) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """Outline every label by the marching-squares contour of its region at level 0.5.

    The rings are those of ``find_contours(np.pad(region, 1), 0.5, fully_connected="high")``:
    outer outlines, without holes, closed at the image border too. Where a label has several
    parts, the one with the longest outline (in pixel edges; the first of equals) stands for it.

    Returns
    -------
    labels : (n,) int64 array
        Label values, ascending.
    polygons : (n,) object array
        One for each.
    """
    regions = components(runs).regions
    length = _outline_lengths(regions)
    order = np.lexsort((-length, regions.label))
    _, position = np.unique(regions.label[order], return_index=True)
    chosen = order[position]
    if not np.array_equal(chosen, np.arange(length.size)):
        regions = regions.take(chosen)
    offsets = np.concatenate(([0], np.cumsum(length[chosen] + 1)))
    rings = _Rings(regions, offsets, frame)

    def build(first: int, last: int) -> NDArray[np.object_]:
        bounds = rings.offsets[first : last + 1] - rings.offsets[first]
        one_ring_each = np.arange(last - first + 1)
        return shapely.from_ragged_array(
            shapely.GeometryType.POLYGON, rings.trace(first, last), (bounds, one_ring_each)
        )

    batches = in_batches(build, offsets, _BATCH, "Outlining")
    return regions.label, np.concatenate([np.empty(0, dtype=object), *batches])


def outline_rings(regions: Grouped) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Outline connected regions as `contours_of` does; they may share pixels.

    Returns
    -------
    offsets : (n + 1,) int64 array
        Ring k, which is closed, has the vertices ``offsets[k]:offsets[k + 1]``.
    vertices : (n_vertices, 2) array
        As (x, y), pixel centres at integers.
    """
    offsets = np.concatenate(([0], np.cumsum(_outline_lengths(regions) + 1)))
    return offsets, _Rings(regions, offsets, Frame(1.0, 1.0, 0.0)).trace(0, regions.label.size)


def _outline_lengths(regions: Grouped) -> NDArray[np.int64]:
    length = np.empty(regions.label.size, np.int64)

    def measure_range(first: int, last: int) -> None:
        contours.outline_lengths(first, last, *regions[:4], length)

    spread(measure_range, regions.offsets, "Measuring outlines")
    return length
