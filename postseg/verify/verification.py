"""Verify that labels, shapes, table and points of a SpatialData store show the same cells."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from postseg.elements.audit import KEY
from postseg.elements.identity import CellNames, as_ids, as_points, table_ids
from postseg.geometry.placement import Matrix, area_scale
from postseg.raster.images import encode
from postseg.raster.label_image import as_label_image
from postseg.verify import causes, compare, exact, judge
from postseg.verify.grid import Grid, find_grid, grid_of
from postseg.verify.masks import Masks, find_masks, masks_told
from postseg.verify.outcome import STATISTICS, UNKNOWN, Verification
from postseg.verify.systems import global_first, maps_to_pixels

if TYPE_CHECKING:
    import dask.dataframe as dd
    import geopandas as gpd
    import xarray as xr
    from anndata import AnnData

    from postseg.verify.points import Points

_NAMED = 8  # ids per kind of problem
_COLUMNS = ["in_labels", "in_shapes", "in_table", "pixels", "iou", "centroid_offset", "valid"]
_COLUMNS += ["overlap", "table_offset", "problem"]


def verify_elements(
    labels: xr.DataArray | xr.DataTree,
    shapes: gpd.GeoDataFrame | None = None,
    table: AnnData | None = None,
    points: dd.DataFrame | None = None,
    cell_key: str | None = None,
    names: CellNames | None = None,
) -> Verification:
    """Check that labels, shapes, table and points show the same cells, whoever made them.

    The polygons are taken to the pixels of the labels (the finest scale; pixel i spans
    [i, i + 1]) through every coordinate system that the two have in common, drawn, and compared
    with the label of the same id. Outlines that the table says are exact are drawn on the masks,
    which the labels enlarge, and are to be so. See `postseg.verify.judge` for what counts as
    equal, and `postseg.verify.points` for points.

    Parameters
    ----------
    labels : DataArray or DataTree
        A SpatialData labels element; read block by block.
    shapes : GeoDataFrame, optional
        A SpatialData shapes element of polygons and multipolygons, indexed by label value. May be
        left out with points.
    table : AnnData, optional
        A SpatialData table whose rows annotate one of them, or each. Its ``obsm["spatial"]``, if
        any, must lie on the labels. Where it is by postseg and counted the points, X must be what
        they count to.
    points : dask DataFrame, optional
        A SpatialData points element; read part by part.
    cell_key : str, optional
        The column of the points that tells which cell each lies in, of points that are not by
        postseg: label values as numbers or text, or other text that `names` explains. No cell is
        0, -1, empty or null, ``"UNASSIGNED"`` or ``"NONE"``.
    names : CellNames, optional
        From text in that column to label values.

    Returns
    -------
    Verification
        What was found, per cell and in all.

    Raises
    ------
    ValueError
        For circles and other shapes that are no polygons, ids that are no label values, points
        without the column, and elements without a common coordinate system.
    """
    if shapes is None and points is None:
        raise ValueError("there are neither shapes nor points to be compared with the labels.")
    maps = {"": np.eye(3)} if shapes is None else _to_pixels(labels, shapes)
    to_pixels = next(iter(maps.values()))
    cells = compare.label_cells(encode(as_label_image(labels)))
    polygons = compare.read_polygons(
        as_ids(pd.RangeIndex(0) if shapes is None else shapes.index, "index of the shapes"),
        np.asarray([] if shapes is None else shapes.geometry, dtype=object),
    )
    rows = None if table is None else table_ids(table)
    outline, told = _told_of_outlines(table)
    coverage = shapes is not None and outline in exact.EXACT
    masks = find_masks(told, cells.runs.shape, to_pixels) if coverage and told else None
    compared = compare.compare_systems(cells, polygons, maps, masks)
    torn = np.empty(0, np.int64)
    if coverage:
        off_edges, torn = exact.look(polygons, str(outline), cells.runs, masks, to_pixels)
        for result in compared.values():
            result["off_edges"] = np.isin(result.index, off_edges)
    grid = _grid(cells, polygons, to_pixels, masks, told, coverage)
    allowed = judge.limits(cells, grid, compared, coverage, masks is not None)
    system, placed = _place_rows(table, rows, cells, labels, maps, allowed.table_offset)
    per_cell = judge.gather(cells, polygons, rows, compared, placed, allowed, torn)
    problems = judge.find_problems(per_cell, allowed)
    reasons = judge.find_causes(per_cell, problems, allowed, compared, placed)
    if shapes is None:
        problems = problems.drop(columns="no polygon")
        per_cell["in_shapes"] = pd.Series(pd.NA, per_cell.index, dtype="boolean")
    looked_up = _look_up(points, labels, cells, table, rows, cell_key, names)
    if looked_up is not None:
        problems["transcripts differ"] = np.isin(problems.index, looked_up.cells)
        reasons += looked_up.causes
    text = judge.describe(problems, per_cell["lies_on"])
    agree = len(compared) == 1 and not problems.to_numpy().any()
    shown = {} if shapes is None else compared
    summary = {
        "ok": agree and (looked_up is None or looked_up.summary["ok"]),
        "cells": len(per_cell),
        "in_labels": int(per_cell["in_labels"].sum()),
        "in_shapes": None if shapes is None else int(per_cell["in_shapes"].sum()),
        "in_table": None if table is None else int(per_cell["in_table"].sum()),
        "table_system": system,
        "outline": outline,
        "exact": allowed.exact,
        "mask_pixel": grid.side,
        "max_offset": allowed.offset,
        "systems": {name: _statistics(shown[names]) for names in shown for name in names},
        "points": None if looked_up is None else looked_up.summary,
        "problems": {
            kind: {"count": int(bad.sum()), "ids": bad.index[bad][:_NAMED].tolist()}
            for kind, bad in problems.items()
            if bad.any()
        },
        "causes": reasons,
    }
    return Verification(per_cell.assign(problem=text)[_COLUMNS], summary)


def verify_store(
    path: str | PathLike[str],
    labels: str | None = None,
    shapes: str | None = None,
    table: str | None = None,
    points: str | None = None,
    cell_key: str | None = None,
) -> Verification:
    """Verify elements of a SpatialData store: see `verify_elements`.

    Parameters
    ----------
    path : path
        The store.
    labels, shapes, table : str, optional
        Names of elements; needed where there are several. The table is the one that annotates
        the labels or the shapes, if any. With `points` or `cell_key`, no shapes are needed, and
        they are left out where there are several or circles.
    points : str, optional
        Name of points. Default: those that postseg made of the labels, if any.
    cell_key : str, optional
        Their column that tells which cell each lies in, of points that are not by postseg, as
        ``cell_id``: label values, or names of cells of which a table tells the label values. That
        is `table` or the only one that can: it has these names in a column of that name, or as
        instance ids, and label values as instance ids where it annotates the labels, else in a
        column with the labels' name (spatialdata-io's, of Xenium: ``cell_labels``).

    Returns
    -------
    Verification
        What was found.

    Raises
    ------
    OSError
        When there is no such store, or it is damaged.
    ValueError
        When it is not clear which elements are meant, and as by `verify_elements`.
    """
    from pyarrow import ArrowException

    from postseg.elements.store import read_elements

    try:
        return verify_elements(*read_elements(path, labels, shapes, table, points, cell_key))
    except ArrowException as error:  # of points, which are read late
        raise OSError(f"{path} cannot be read: {str(error).strip('.')}.") from error


def _look_up(
    points: dd.DataFrame | None,
    labels: Any,
    cells: compare.LabelCells,
    table: AnnData | None,
    rows: pd.DataFrame | None,
    cell_key: str | None,
    names: CellNames | None,
) -> Points | None:
    """Compare points, if any, with labels and table."""
    if points is None:
        return None
    from postseg.elements import build
    from postseg.verify.points import verify_points

    of_labels = build.maps_to_systems(labels)
    return verify_points(points, of_labels, cells.runs, table, rows, cell_key, names)


def _statistics(result: pd.DataFrame) -> dict[str, Any]:
    both = result.dropna(subset="label_x")
    iou, offset = both["iou"], both["centroid_offset"]
    numbers = (iou.mean(), iou.min(), offset.mean(), offset.max())
    return {
        "compared": len(both),
        **{
            name: None if np.isnan(number) else float(number)
            for name, number in zip(STATISTICS, numbers, strict=True)
        },
        "median_offset": causes.median_offset(result).tolist(),
    }


def _place_rows(
    table: AnnData | None,
    rows: pd.DataFrame | None,
    cells: compare.LabelCells,
    labels: Any,
    maps: Mapping[str, Matrix],
    allowed: float,
) -> tuple[str | None, pd.DataFrame | None]:
    """Compare where a table's rows lie with the labels, see `judging`: in which system, and how."""
    from postseg.elements import build

    points = None if table is None else as_points(table.obsm.get("spatial"))
    if table is None or rows is None or points is None:
        return None, None
    of_labels = build.maps_to_systems(labels)
    # of a subclass's own filter the table tells less, and may be of a part of each cell only
    ours = "label_name" in table.uns.get(KEY, {}) and "global" in of_labels
    systems = ["global"] if ours else sorted(of_labels, key=global_first)
    to_pixels: dict[str, Any] = {
        name: np.linalg.inv(of_labels[name]) for name in systems if area_scale(of_labels[name])
    }
    if not ours:
        to_pixels["pixels of the labels"] = np.eye(3)
        to_pixels["coordinates of the shapes"] = next(iter(maps.values()))
    ids = rows["id"].to_numpy()
    found = compare.compare_points(cells, ids, points, to_pixels, allowed, exact=ours)
    return found or (UNKNOWN, None)


def _told_of_outlines(table: AnnData | None) -> tuple[str | None, Masks | None]:
    """How the outlines were drawn, and of which masks, where a table by postseg tells it."""
    packed = {} if table is None else table.uns.get(KEY, {})
    return (str(packed["outline"]) if "outline" in packed else None), masks_told(packed)


def _grid(
    cells: compare.LabelCells,
    polygons: compare.Polygons,
    to_pixels: Matrix,
    masks: Masks | None,
    told: Masks | None,
    coverage: bool,
) -> Grid:
    """How mask pixels lie in the labels: known where the masks are, else by what the cells show."""
    if masks is not None:
        return grid_of(*masks.sides)
    if coverage and told:  # of which the corners are not cut, which tells how large a pixel is
        return grid_of(*told.sides)
    whole = told is not None and told.image == cells.runs.shape
    return find_grid(cells, polygons, to_pixels, told.sides if told and whole else None)


def _to_pixels(labels: Any, shapes: Any) -> dict[str, Matrix]:
    """From shapes to pixels of the labels, through each system that they share."""
    from postseg.elements import build

    of_labels, of_shapes = map(build.maps_to_systems, (labels, shapes))
    return maps_to_pixels(of_labels, of_shapes, "shapes")
