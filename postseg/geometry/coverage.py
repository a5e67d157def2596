"""Outlines along the edges of pixels, and simplified ones: neighbours share their borders."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from postseg._kernels import junctions, rings
from postseg._kernels import runs as run_kernels
from postseg._support.threads import in_batches, spread
from postseg.raster.grouped import Grouped
from postseg.raster.runs import Runs

_BATCH = 1 << 17  # runs to outline at a time


def outline(
    runs: Runs, frame: rings.Frame, *, simplify: bool
) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """Outline every label with its holes; a multipolygon where it has several parts.

    No two overlap, and where two labels meet, their outlines have the same vertices: a coverage,
    as `shapely.coverage_is_valid` has it.

    Parameters
    ----------
    runs : Runs
        A label image.
    frame : Frame
        Where the outlines are to lie.
    simplify : bool
        False: the edges of pixels, and so parts that are connected by edges. True: few chords
        within half a pixel of these, between which all pixel centres stay where they were;
        diagonal pixels of a label are connected, where no smaller label crosses them.

    Returns
    -------
    labels : (n,) int64 array
        Label values, ascending.
    geometry : (n,) object array
        A polygon or multipolygon for each.
    """
    runs = runs._replace(label=runs.label.astype(np.int64, copy=False))
    meeting = _find_junctions(runs, simplify)
    parts = _find_parts(runs, meeting)

    def build(first: int, last: int) -> NDArray[np.object_]:
        coords, *offsets = rings.outline_parts(first, last, *parts, meeting, simplify, frame)
        return shapely.from_ragged_array(shapely.GeometryType.POLYGON, coords, tuple(offsets))

    batches = in_batches(build, parts.offsets, _BATCH, "Outlining")
    by_label = np.argsort(parts.label, kind="stable")
    polygons = np.concatenate([np.empty(0, dtype=object), *batches])[by_label]
    labels, first, n_parts = np.unique(parts.label[by_label], return_index=True, return_counts=True)
    geometry = polygons[first]
    several = n_parts > 1
    if several.any():
        of_label = np.repeat(several.cumsum() - 1, n_parts)
        chosen = np.repeat(several, n_parts)
        geometry[several] = shapely.multipolygons(polygons[chosen], indices=of_label[chosen])
    return labels, geometry


def _find_junctions(runs: Runs, join: bool) -> junctions.Junctions:
    height, _ = runs.shape
    rows = np.searchsorted(runs.row, np.arange(height + 1))

    def find(first: int, last: int) -> tuple[NDArray[np.int64], ...]:
        return junctions.find_junctions(*(first, last, runs.shape, rows, *runs[1:4], join))

    # a lattice row costs what the rows on its sides have, and a little
    work = np.arange(height + 2) + np.concatenate(([0], rows)) + np.append(rows, rows[-1])
    parts = spread(find, work, "Finding junctions")
    counts, x, winner = (np.concatenate(part) for part in zip(*parts, strict=True))
    return junctions.Junctions(np.concatenate(([0], np.cumsum(counts))), x, winner)


def _find_parts(runs: Runs, meeting: junctions.Junctions) -> Grouped:
    """The parts of the labels, in raster order: so their runs are close to each other."""
    number, n_parts = rings.find_parts(*runs[:4], meeting)
    order, offsets = run_kernels.group(number, n_parts)
    row, start, stop = (part[order] for part in runs[:3])
    return Grouped(offsets, row, start, stop, runs.label[order[offsets[:-1]]])
