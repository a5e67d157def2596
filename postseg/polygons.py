"""Outline regions: from runs to shapely polygons, scaled, mirrored and shifted.

The only place where (row, column) becomes (x, y).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from postseg._kernels import contours
from postseg.config import check_factor
from postseg.label_image import as_label_image
from postseg.parallel import spread
from postseg.runs import Regions, Runs, components, encode


class Outlines(NamedTuple):
    """Closed rings of many cells as one ragged array.

    Attributes
    ----------
    label : (n,) int64
        Label values, ascending: one ring for each.
    coords : (n_vertices, 2) float64
        (x, y), see `trace_outlines`.
    offsets : (n + 1,) int64
        Ring k is ``coords[offsets[k]:offsets[k + 1]]``; its last vertex is its first.
    """

    label: NDArray[np.int64]
    coords: NDArray[np.float64]
    offsets: NDArray[np.int64]


def trace_outlines(runs: Runs, factor: int = 1, *, mirrored: bool = False) -> Outlines:
    """Outline every label by the marching-squares contour of its region at level 0.5.

    The rings are those of ``find_contours(np.pad(region, 1), 0.5, fully_connected="high")``:
    outer outlines, without holes, closed at the image border too. Where a label has several
    parts, the one with the longest outline (in pixel edges; the first of equals) stands for it.

    Vertices are (x, y) = (column, row), pixel centres at integers, times `factor` (0: as they
    are). `mirrored` makes of y what `mirror_y0` and `shift_to_y0` would: it points up, from 0.
    """
    scale = factor or 1
    regions = components(runs)
    length = np.empty(regions.source_label.size, np.int64)

    def measure_range(first: int, last: int) -> None:
        contours.outline_lengths(first, last, *regions[:4], length)

    spread(measure_range, regions.offsets)

    order = np.lexsort((-length, regions.source_label))
    label, position = np.unique(regions.source_label[order], return_index=True)
    chosen = order[position]
    if not np.array_equal(chosen, np.arange(length.size)):
        regions = _take(regions, chosen)
    offsets = np.concatenate(([0], np.cumsum(length[chosen] + 1)))
    coords = np.empty((offsets[-1], 2))
    bottom = regions.row.max(initial=0) + 0.5
    placing = (scale, -scale, scale * bottom) if mirrored else (scale, scale, 0)

    def trace_range(first: int, last: int) -> None:
        contours.trace(first, last, *regions[:4], offsets, *map(float, placing), coords)

    spread(trace_range, regions.offsets)
    return Outlines(label, coords, offsets)


def _take(regions: Regions, chosen: NDArray[np.int64]) -> Regions:
    """The regions at the positions `chosen`, in that order; without their `number`."""
    n_runs = np.diff(regions.offsets)[chosen]
    offsets = np.concatenate(([0], np.cumsum(n_runs)))
    runs = np.arange(offsets[-1]) + np.repeat(regions.offsets[chosen] - offsets[:-1], n_runs)
    return Regions(
        offsets,
        regions.row[runs],
        regions.start[runs],
        regions.stop[runs],
        regions.source_label[chosen],
        np.empty(0, np.int32),
    )


def to_polygons(outlines: Outlines) -> NDArray[np.object_]:
    """Build one shapely ``Polygon`` per ring: an object array (n,)."""
    one_ring_each = np.arange(outlines.label.size + 1)
    return shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, outlines.coords, (outlines.offsets, one_ring_each)
    )


def masks_to_polygons(seg_masks: Any, factor_rescale: int = 1) -> list[shapely.Polygon]:
    """Outline every cell of a label image.

    Parameters
    ----------
    seg_masks : (H, W) array_like
        Label image: 0 is background, every other value a cell.
    factor_rescale : int
        Coordinates are multiplied by it, about (0, 0); 0 means as they are.

    Returns
    -------
    list of Polygon
        One per label, in ascending order of the labels. Vertices lie half way between a pixel
        of the cell and its 4-neighbour outside, as (x, y) = (column, row) with pixel centres
        at integers: marching squares at level 0.5, exactly the vertices of
        ``skimage.measure.find_contours`` for a cell off the image border and in one
        4-connected piece. Holes are not cut out.

    Raises
    ------
    TypeError, ValueError
        When `seg_masks` is not a 2-D label image, `factor_rescale` not a whole number >= 0.
    """
    factor = check_factor(factor_rescale)
    outlines = trace_outlines(encode(as_label_image(seg_masks)), factor)
    return to_polygons(outlines).tolist()


def as_geometry(
    outlines: Iterable[shapely.Geometry], labels: NDArray[np.int64]
) -> NDArray[np.object_]:
    """Put the polygons of `labels` into an array.

    Raises
    ------
    ValueError
        When their number is another, as an override of ``masks_to_polygons`` may return.
    """
    geometry = np.fromiter(outlines, dtype=object)
    if geometry.size != labels.size:
        raise ValueError(
            f"masks_to_polygons() returned {geometry.size:,} polygons for {labels.size:,} "
            "labels; it must return one per label, in ascending order of the labels."
        )
    return geometry


def mirror_y0(geom: Any) -> Any:
    """Mirror polygons at the x axis: (x, y) -> (x, -y), holes too.

    Parameters
    ----------
    geom : Polygon, or array of geometries
        An array is mirrored in one vectorised call.

    Returns
    -------
    Polygon or array
        Geometries of any other type come back unchanged.
    """
    if isinstance(geom, shapely.Polygon):
        return shapely.transform(geom, _negate_y)
    if not isinstance(geom, np.ndarray):
        return geom
    polygons = shapely.get_type_id(geom) == shapely.GeometryType.POLYGON
    if polygons.all():
        return shapely.transform(geom, _negate_y)
    mirrored = geom.copy()
    mirrored[polygons] = shapely.transform(geom[polygons], _negate_y)
    return mirrored


def _negate_y(coords: NDArray[np.float64]) -> NDArray[np.float64]:
    return coords * (1, -1)


def shift_to_y0(geometry: NDArray[np.object_]) -> NDArray[np.object_]:
    """Shift all geometries together so that their lowest y, if below 0, is 0."""
    lowest = shapely.bounds(geometry)[:, 1].min()
    if lowest >= 0:
        return geometry
    return shapely.transform(geometry, lambda coords: coords - (0, lowest))


def to_geodataframe(
    geometry: NDArray[np.object_], labels: NDArray[np.int64], name: str
) -> gpd.GeoDataFrame:
    """Table of polygons: columns `name` (``cell_<label>``) and ``geometry``, index = labels."""
    names = [f"cell_{label}" for label in labels.tolist()]
    return gpd.GeoDataFrame({name: names, "geometry": geometry}, index=labels)
