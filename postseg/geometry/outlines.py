"""Outline regions: from runs to shapely polygons, scaled, mirrored and shifted.

The only place where (row, column) becomes (x, y).
"""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from postseg._kernels.rings import Frame
from postseg._support.checks import Outline, check_factor, check_outline
from postseg.geometry import contours, coverage
from postseg.geometry.placement import Placement, heights
from postseg.raster.images import encode
from postseg.raster.label_image import as_label_image
from postseg.raster.runs import Runs

_POLYGONS = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


def outline_polygons(
    runs: Runs,
    scale: tuple[float, float],
    *,
    outline: Outline = "contour",
    mirrored: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.object_], float]:
    """Outline every label, see `masks_to_polygons`.

    Vertices are (x, y) = (column, row), pixel centres at integers, times `scale`, which is of
    (rows, columns). `mirrored` makes of y what `mirror_y0` would, and shifts it by the lowest row
    that is outlined: it points up, from the lower edge of that row.

    Returns
    -------
    labels : (n,) int64 array
        Label values, ascending.
    geometry : (n,) object array
        A polygon for each or, but for contours, a multipolygon.
    shift : float
        What was added to y after mirroring.
    """
    down, across = map(float, scale)

    def frame(last_row: int | None) -> Frame:
        if mirrored:
            return Frame(across, -down, mirror_shift(last_row, down))
        return Frame(across, down, 0.0)

    if outline == "contour":
        rings = contours.find_rings(runs)
        lying = frame(rings.last_row)
        return rings.regions.label, contours.polygons_of(rings, lying), lying.y_shift
    lying = frame(runs.last_row)
    return *coverage.outline(runs, lying, simplify=outline == "simplified"), lying.y_shift


def masks_to_polygons(
    seg_masks: Any, factor_rescale: int = 1, *, outline: Outline = "contour"
) -> list[shapely.Polygon | shapely.MultiPolygon]:
    """Outline every cell of a label image.

    Parameters
    ----------
    seg_masks : (H, W) array_like
        Label image: 0 is background, every other value a cell.
    factor_rescale : int
        Coordinates are multiplied by it, about (0, 0); 0 means as they are.
    outline : {"contour", "pixels", "simplified"}
        What they are:

        - ``"contour"``: marching squares at level 0.5. Vertices lie half way between a pixel of
          the cell and its 4-neighbour outside, exactly those of ``skimage.measure.find_contours``
          for a cell off the image border and in one 4-connected piece. Holes are not cut out.
        - ``"pixels"``: the edges of the pixels, with holes; a MultiPolygon of parts that are not
          4-connected. Areas are those of the pixels, exactly.
        - ``"simplified"``: chords along these edges, never as far as the centre of a pixel, so
          that drawn again they are the same pixels. With holes; parts that meet by a corner are
          joined, but where others meet there, too: then those of the smaller label are.

        Of the last two neighbours share their edges: a coverage, without gap or overlap.

    Returns
    -------
    list of Polygon or MultiPolygon
        One per label, in ascending order of the labels, as (x, y) = (column, row) with pixel
        centres at integers.

    Raises
    ------
    TypeError, ValueError
        When `seg_masks` is not a 2-D label image, `factor_rescale` not a whole number >= 0, and
        `outline` none of these.
    """
    kind = check_outline(outline)
    factor = check_factor(factor_rescale) or 1
    runs = encode(as_label_image(seg_masks))
    _, geometry, _ = outline_polygons(runs, (factor, factor), outline=kind)
    return geometry.tolist()


def mirror_y0(geom: Any) -> Any:
    """Mirror polygons at the x axis: (x, y) -> (x, -y), holes too.

    Parameters
    ----------
    geom : Polygon or MultiPolygon, or array of geometries
        An array is mirrored in one vectorised call.

    Returns
    -------
    Polygon or MultiPolygon or array
        Geometries of any other type come back unchanged.
    """
    if isinstance(geom, shapely.Polygon | shapely.MultiPolygon):
        return shapely.transform(geom, _negate_y)
    if not isinstance(geom, np.ndarray):
        return geom
    polygons = np.isin(shapely.get_type_id(geom), _POLYGONS)
    if polygons.all():
        return shapely.transform(geom, _negate_y)
    mirrored = geom.copy()
    mirrored[polygons] = shapely.transform(geom[polygons], _negate_y)
    return mirrored


def _negate_y(coords: NDArray[np.float64]) -> NDArray[np.float64]:
    return coords * (1, -1)


def mirror_shift(last_row: int | None, down: float) -> float:
    """The shift after `mirror_y0`, by the lowest row with a cell and the scale of rows."""
    return 0.0 if last_row is None else down * (last_row + 0.5)


def shift_of(runs: Runs, placement: Placement) -> float:
    """The shift to y = 0 of the outlines of `runs` after any mirroring, if they reach below it."""
    if not runs.row.size:
        return 0.0
    down, across = placement.scale
    left, right = across * (runs.start.min() - 0.5), across * (runs.stop.max() - 0.5)
    top, bottom = down * (runs.row.min() - 0.5), down * (runs.row.max() + 0.5)
    return max(0.0, -float(heights(placement.mirror, left, top, right, bottom).min()))


def to_geodataframe(
    geometry: NDArray[np.object_], labels: NDArray[np.int64], name: str
) -> gpd.GeoDataFrame:
    """Table of polygons: columns `name` (``cell_<label>``) and ``geometry``, index = labels."""
    names = [f"cell_{label}" for label in labels.tolist()]
    # of one type, whatever the labels came from
    index = labels.astype(np.int64, copy=False)
    return gpd.GeoDataFrame({name: names, "geometry": geometry}, index=index)
