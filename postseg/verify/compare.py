"""Compare the polygons of cells with their label pixels, in the pixel grid of the labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from postseg._support.threads import spread
from postseg.geometry.placement import Matrix, area_scale, heights, transform
from postseg.raster.grouped import Grouped
from postseg.raster.runs import Runs
from postseg.verify import footprints
from postseg.verify.masks import Masks

_AREAL = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)
_FAR = 2.0**40  # pixels: no row is looked for beyond
_BEYOND = 0.5  # pixels of a polygon that may lie outside of the image
_LOW = 64  # rows, of which any polygon may have as many, though all labels are cut to less
_SAME = 1e-3  # pixels; maps that differ by less are the same

Compared = dict[tuple[str, ...], pd.DataFrame]  # by the names of coordinate systems that agree


class LabelCells(NamedTuple):
    """The cells of a label image.

    Attributes
    ----------
    runs : Runs
        The image.
    own, filled : Grouped
        The pixels of each label, and with its holes filled.
    edges : (n,) int64
        Length of each outline in pixel edges, around the filled pixels.
    enclosed : (n,) int64
        Filled pixels that other cells have too: those of a cell inside a ring, and the ring's.
    crossings : (n,) int64
        Corners at which a cell crosses another one.
    """

    runs: Runs
    own: Grouped
    filled: Grouped
    edges: NDArray[np.int64]
    enclosed: NDArray[np.int64]
    crossings: NDArray[np.int64]


class Polygons(NamedTuple):
    """Polygons and multipolygons, sorted by id; those that cannot be drawn are made empty."""

    id: NDArray[np.int64]
    geometry: NDArray[np.object_]
    valid: NDArray[np.bool_]
    centroid: NDArray[np.float64]
    area: NDArray[np.float64]


def label_cells(runs: Runs) -> LabelCells:
    """Gather the cells of a label image."""
    own = footprints.of_labels(runs)
    filled = footprints.fill_holes(own)
    return LabelCells(
        runs,
        own,
        filled,
        footprints.pixel_edges(filled),
        footprints.covered_pixels(filled),
        footprints.corner_crossings(runs, own.label),
    )


def read_polygons(ids: NDArray[np.int64], geometry: NDArray[np.object_]) -> Polygons:
    """Sort polygons by id and look at their validity.

    Raises
    ------
    ValueError
        When some are no polygons.
    """
    kind = shapely.get_type_id(geometry)
    wrong = ~np.isin(kind, (shapely.GeometryType.MISSING, *_AREAL))
    if wrong.any():
        names = ", ".join(sorted({shape.geom_type for shape in geometry[wrong]}))
        raise ValueError(
            f"the shapes have {wrong.sum():,} geometries of type {names}; only polygons and "
            "multipolygons can be verified. Circles are points with a radius: "
            "spatialdata.to_polygons() makes polygons of them."
        )
    order = np.argsort(ids, kind="stable")
    geometry = geometry[order]

    def measure(first: int, last: int) -> tuple[NDArray[Any], ...]:
        part = geometry[first:last]
        with np.errstate(invalid="ignore"):  # of coordinates that are no numbers
            middle, area, valid = (
                f(part) for f in (shapely.centroid, shapely.area, shapely.is_valid)
            )
        xy, place = shapely.get_coordinates(middle, return_index=True)  # none of empty ones
        centroid = np.full((part.size, 2), np.nan)
        centroid[place] = xy
        return valid, centroid, area

    vertices = np.concatenate(([0], np.cumsum(shapely.get_num_coordinates(geometry))))
    parts = spread(measure, vertices, "Checking polygons") or [measure(0, 0)]
    valid, centroid, area = (np.concatenate(part) for part in zip(*parts, strict=True))
    drawable = ~(shapely.is_missing(geometry) | shapely.is_empty(geometry))
    for place in np.flatnonzero(drawable & ~valid):
        drawable[place] = np.isfinite(shapely.get_coordinates(geometry[place])).all()
    geometry = np.where(drawable, geometry, shapely.Polygon())
    centroid[~drawable], area[~drawable] = np.nan, 0
    return Polygons(ids[order], geometry, valid & drawable, centroid, area)


def compare_systems(
    cells: LabelCells,
    polygons: Polygons,
    maps: Mapping[str, Matrix],
    masks: Masks | None = None,
) -> Compared:
    """`compare` through each coordinate system; those that agree share one result."""
    geometry = np.append(polygons.geometry, shapely.Polygon())  # there may be none
    left, bottom, right, top = np.nan_to_num(shapely.total_bounds(geometry))
    corners = np.array([(left, bottom), (right, bottom), (left, top)])
    groups: list[list[str]] = []
    for name, matrix in maps.items():
        for group in groups:
            moved = transform(corners, matrix - maps[group[0]])
            if np.abs(moved).max() <= _SAME:
                group.append(name)
                break
        else:
            groups.append([name])
    return {tuple(group): compare(cells, polygons, maps[group[0]], masks) for group in groups}


def compare(
    cells: LabelCells, polygons: Polygons, to_pixels: Matrix, masks: Masks | None = None
) -> pd.DataFrame:
    """Compare each polygon with the label of its id.

    A cell with holes is compared with its filled pixels or, where the polygon fits those
    better, with the pixels that it has. Of a polygon that reaches beyond the labels, as those of
    cropped labels do, what lies within is compared.

    Parameters
    ----------
    cells, polygons
        What to compare.
    to_pixels : (3, 3) array
        Map from polygon coordinates to pixels of the labels; pixel i spans [i, i + 1].
    masks : Masks, optional
        Where polygons were made to have just the mask pixels of a cell: they are drawn on these,
        and a cell is compared with its own pixels only.

    Returns
    -------
    DataFrame
        Indexed by the polygons' ids. ``iou``; ``x, y`` and ``label_x, label_y``: centroids of
        polygon and label pixels; ``overlap``: pixels that other cells' polygons have too;
        ``lies_on``: label under the polygon's centroid; ``size``: pixels of the polygon / of
        the filled label; ``beyond``: whether the polygon reaches beyond the labels;
        ``off_edges``: False, see `exact`; ``centroid_offset``. NaN for an id that is no label.
    """
    ids, first = np.unique(polygons.id, return_index=True)
    area = polygons.area * area_scale(to_pixels)
    lowest, highest = _extents(polygons, to_pixels)
    if ids.size:
        area = np.add.reduceat(area, first)
        lowest = np.minimum.reduceat(lowest, first)
        highest = np.maximum.reduceat(highest, first)
    size = np.array(cells.runs.shape[::-1])
    beyond = np.any((lowest < -_BEYOND) | (highest > size + _BEYOND), axis=1)
    touching = np.all((highest > 0) & (lowest < size), axis=1)
    low, high = (part[:, 1].astype(np.int64) for part in (np.floor(lowest), np.ceil(highest)))
    # simplified outlines reach up to half a mask pixel beyond the cell's
    margin = 0 if masks is None else int(np.ceil(masks.sides[0]))
    window, cropped = _windows(cells, ids, low, high, beyond & touching, margin)
    drawing = *polygons[:2], to_pixels, *window
    if masks is None:
        drawn = footprints.of_polygons(*drawing)
    else:
        drawn = masks.draw(*drawing, cells.runs.shape)
    drawn = drawn.cut(size[0], cropped)
    cut = ((window[0] > low) | (window[1] < high)) & ~cropped
    pixels = np.where(cut, area, drawn.areas())
    centroid = transform(polygons.centroid[first], to_pixels)
    cropped &= pixels > 0
    centroid[cropped] = drawn.centroids()[cropped]
    result = pd.DataFrame(
        {
            "iou": np.nan,
            "x": centroid[:, 0],
            "y": centroid[:, 1],
            "label_x": np.nan,
            "label_y": np.nan,
            "overlap": footprints.covered_pixels(drawn),
            "lies_on": footprints.label_at(cells.runs, centroid),
            "size": np.nan,
            "beyond": beyond,
            "off_edges": False,
        },
        index=pd.Index(ids, name="id"),
    )
    _, here, there = np.intersect1d(ids, cells.own.label, assume_unique=True, return_indices=True)
    drawn, pixels = drawn.take(here), pixels[here]
    filled, own = (
        _fit(drawn, pixels, version.take(there)) for version in (cells.filled, cells.own)
    )
    better = own if masks else np.where(own[:, :1] > filled[:, :1], own, filled)
    result.iloc[here, [0, 3, 4]] = better
    result.iloc[here, 7] = pixels / cells.filled.areas()[there]
    offset = result[["x", "y"]].to_numpy() - result[["label_x", "label_y"]].to_numpy()
    return result.assign(centroid_offset=np.hypot(*offset.T))


def compare_points(
    cells: LabelCells,
    ids: NDArray[np.int64],
    points: NDArray[np.float64],
    maps: Mapping[str, Matrix],
    allowed: float,
    exact: bool,
) -> tuple[str, pd.DataFrame] | None:
    """Compare where the rows of a table lie with their labels.

    Parameters
    ----------
    cells : LabelCells
        The labels.
    ids : (n_rows,) array
        The label of each row.
    points : (n_rows, 2) array
        Where it lies, as x, y.
    maps : mapping of str to (3, 3) array
        From each coordinate system that the points may be in to pixels of the labels; that which
        fits most rows is taken.
    allowed : float
        How far a point may be off, in pixels.
    exact : bool
        Whether points are centroids of the labels' pixels, or may be anywhere on the cell: in its
        bounding box.

    Returns
    -------
    str, DataFrame
        The system, and a row per row of the table that has a label, indexed by ``id``: ``x, y``
        in pixels, ``label_x, label_y`` as from `compare`, and ``offset`` of the point; None
        where no system fits half of the rows, so that the points may mean anything, unless exact.
    """
    place = np.searchsorted(cells.own.label, ids).clip(0, max(0, cells.own.label.size - 1))
    known = np.isin(ids, cells.own.label)
    place, index = place[known], pd.Index(ids[known], name="id")
    centroid = cells.own.centroids()[place]
    low, high = (centroid, centroid) if exact else (box[place] for box in cells.own.boxes())
    best: tuple[str, pd.DataFrame] | None = None
    most = -1 if exact else (len(index) - 1) / 2
    for name, to_pixels in maps.items():
        xy = transform(points[known], to_pixels)
        offset = np.hypot(*np.maximum(0, np.maximum(low - xy, xy - high)).T)
        n_fitting = (offset <= allowed).sum()
        if n_fitting > most:
            columns = {"x": xy[:, 0], "y": xy[:, 1], "offset": offset}
            columns |= {"label_x": centroid[:, 0], "label_y": centroid[:, 1]}
            best, most = (name, pd.DataFrame(columns, index)), n_fitting
    return best


def _fit(drawn: Grouped, pixels: NDArray[Any], label: Grouped) -> NDArray[np.float64]:
    """IoU and centroid (x, y) of the labels: (n, 3)."""
    shared = footprints.shared_pixels(drawn, label)
    iou = shared / (pixels + label.areas() - shared)
    return np.column_stack([iou, label.centroids()])


def _extents(
    polygons: Polygons, to_pixels: Matrix
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest (x, y) that each polygon may reach, (n, 2) each."""
    left, bottom, right, top = np.nan_to_num(shapely.bounds(polygons.geometry)).T
    across = to_pixels[[1, 0, 2]]
    at = [heights(matrix, left, bottom, right, top) for matrix in (across, to_pixels)]
    corners = np.stack(at, axis=-1).clip(-_FAR, _FAR)
    return corners.min(axis=0), corners.max(axis=0)


def _windows(
    cells: LabelCells,
    ids: NDArray[np.int64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    beyond: NDArray[np.bool_],
    margin: int,
) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]:
    """Rows to draw: of polygons out of all proportion, those at their label only.

    That is as far off it as it is high, and `margin` more.

    Otherwise micrometres taken for pixels could make more runs than memory holds. Of polygons that
    reach beyond the image, it is all rows in it; and tell of which that is so.
    """
    top, bottom = cells.own.row_ranges()
    tallest = int((bottom - top).max(initial=1))
    known = np.isin(ids, cells.own.label)
    place = np.searchsorted(cells.own.label, ids[known])
    height = (bottom - top)[place] + margin
    inside = low.clip(0, cells.runs.shape[0]), high.clip(0, cells.runs.shape[0])
    first, last = inside[0].copy(), np.minimum(inside[1], inside[0] + 3 * tallest)
    first[known] = np.maximum(low[known], top[place] - height)
    last[known] = np.minimum(high[known], bottom[place] + height)
    cropped = beyond & known & (inside[1] - inside[0] <= max(_LOW, 3 * tallest))
    first, last = (np.where(cropped, *pair) for pair in zip(inside, (first, last), strict=True))
    return (first, np.maximum(first, last)), cropped
