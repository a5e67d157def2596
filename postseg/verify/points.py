"""Verify that points lie in the cells that they name, and that the table counts just these.

- Every point is looked up in the labels, through each coordinate system that the two share but
  "mirrored", which is another in each tile: by the transformations as they stand. What it names is
  to be what it lies in, or 0 in none. On an edge the pixel beyond will do, too, see `looking`.
- A table by postseg is to have in X what the points of each cell that they name count to, by the
  rules that it tells itself, and its ledger is to add up: points by kind, those in cells, and those
  that are not finite. What was rejected, and why, labels do not tell.
- Points of others name cells by a column of their own, whatever their quality: vendors do not ask
  it there. Those off the labels are not judged: labels may be a part of what the points are of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg._support.words import floored, listing, name_of, out_of
from postseg.elements.audit import KEY
from postseg.elements.identity import CellNames
from postseg.geometry.placement import MIRRORED, Matrix, area_scale, scaling, transform
from postseg.raster.runs import Runs
from postseg.transcripts.columns import Columns
from postseg.transcripts.labelled import LABEL
from postseg.transcripts.lookup import Lookup
from postseg.transcripts.sources import open_source
from postseg.verify.looking import NAMED, Search, look_up
from postseg.verify.recount import compare_counts
from postseg.verify.shift import find_shift
from postseg.verify.systems import maps_to_pixels

if TYPE_CHECKING:
    import dask.dataframe as dd
    from anndata import AnnData

_WHOLE = 1e-6  # pixels; what is as near to a whole number is one
_SAME = 1e-7  # pixels; maps that differ by less are the same
_LARGEST = 2**26  # pixels a side of an image that labels may stand for


class Points(NamedTuple):
    """What is found of points.

    Attributes
    ----------
    summary : dict
        See `Verification.summary`.
    cells : (n,) int64
        Labels of cells whose points differ.
    causes : list of str
        Sentences on why.
    """

    summary: dict[str, Any]
    cells: NDArray[np.int64]
    causes: list[str]


def verify_points(
    points: dd.DataFrame,
    of_labels: Mapping[str, Matrix],
    runs: Runs,
    table: AnnData | None,
    rows: pd.DataFrame | None,
    cell_key: str | None,
    names: CellNames | None,
) -> Points:
    """Compare points with labels, and with a table that counted them.

    Parameters
    ----------
    points : dask DataFrame
        A SpatialData points element.
    of_labels : mapping of str to (3, 3) array
        From pixels of the labels to their coordinate systems.
    runs : Runs
        The labels.
    table : AnnData or None
        The table.
    rows : DataFrame or None
        Its rows, from `table_ids`.
    cell_key : str or None
        The column of the points that tells the cell of each, of points by others; None: they are
        by postseg.
    names : CellNames or None
        What text in that column means.

    Raises
    ------
    ValueError
        When a column is missing, or points name cells in a way that nothing explains, and when
        points and labels share no coordinate system.
    """
    from postseg.elements.points import systems_of

    packed = {} if table is None else table.uns.get(KEY, {})
    counted = packed.get("transcripts", {}) if cell_key is None else {}
    columns, min_qv = _counted_by(counted.get("settings", {}))
    _check_columns([*map(str, points.columns)], cell_key, columns)
    maps = maps_to_pixels(of_labels, systems_of(points), "points", unused=MIRRORED)
    shape = runs.shape
    if cell_key is None:
        shape = _looked_up_at(packed, runs.shape, next(iter(maps.values())))
    enlarged = scaling(shape[1] / max(1, runs.shape[1]), shape[0] / max(1, runs.shape[0]))
    labels, place = np.unique(runs.label, return_inverse=True)
    lookup = Lookup.of(runs._replace(label=place.astype(np.int32) + 1), labels.size, shape)
    groups = _grouped(maps, runs.shape)
    cells = labels if rows is None else np.union1d(labels, rows["id"].to_numpy())
    search = Search(
        lookup,
        np.concatenate([labels, [0, 0, 0]]).astype(np.int64),
        np.array([enlarged @ maps[group[0]] for group in groups]),
        cell_key or LABEL,
        names or CellNames(),
        cell_key is None,
        columns,
        min_qv,
        cells.astype(np.int64),
    )
    source = open_source(points[search.read])
    seen = look_up(source, search, "Looking up points")
    looked_up: dict[str, Any] = {
        "points": seen.n,
        "judged": int(seen.judged.min()),
        "disagreeing": seen.n_differing,
        "systems": {
            name: int(n) for group, n in zip(groups, seen.differing, strict=True) for name in group
        },
        "first": seen.first,
    }
    counts, miscounted = compare_counts(source, search, seen, table, rows, counted)
    well = not (seen.n_differing or counts["x_differing"] or counts["ledger_ok"] is False)
    return Points(
        {"ok": well, **looked_up, **counts},
        np.union1d(seen.cells, miscounted),
        find_shift(source, search, seen, groups) if seen.n_differing else [],
    )


def _counted_by(settings: Mapping[str, Any]) -> tuple[Columns | None, float | None]:
    """By which columns, and which quality, a table counted points; None where it tells none."""
    if "gene_key" not in settings:
        return None, None
    qv, is_gene = (str(settings[key]) if key in settings else None for key in ("qv_key", "is_gene"))
    least = settings.get("min_qv")
    columns = Columns("x", "y", str(settings["gene_key"]), qv, is_gene)
    return columns, None if least is None else float(least)


def _check_columns(known: list[str], cell_key: str | None, columns: Columns | None) -> None:
    there = f"They have the columns {', '.join(known)}."
    if cell_key is None and LABEL not in known:
        raise ValueError(
            f"the points have no column {LABEL!r}, so they are not by postseg: name the column "
            f"that tells which cell each is in by cell_key (--cell-key), as cell_id. {there}"
        )
    if cell_key is not None and cell_key not in known:
        raise ValueError(f"cell_key is {cell_key!r}, and the points have no such column. {there}")
    for name in () if columns is None else columns.names:
        if name not in known:
            raise ValueError(
                f"the table says that points were counted by their column {name!r}, and there is "
                f"no such. {there}"
            )


def _looked_up_at(
    packed: Mapping[str, Any], shape: tuple[int, int], to_pixels: Matrix
) -> tuple[int, int]:
    """Rows and columns of the pixels that points were looked up in, of labels of this shape.

    It is another where the labels are masks that were not enlarged. As many pixels of the image
    show each of them where one is a whole number of those, but only then.
    """
    image: Any = packed.get("image_shape")
    if image is not None:
        if tuple(map(int, packed["mask_shape"])) != shape:
            return shape
    elif "to_pixels" in packed.get("transcripts", {}).get("settings", {}):
        # only how large a pixel was is taken of it, not where any lies
        matrix = np.asarray(packed["transcripts"]["settings"]["to_pixels"], dtype=float)
        image = np.multiply(shape, [_length(matrix[i]) / _length(to_pixels[i]) for i in (1, 0)])
        if np.abs(image - np.round(image)).max() > _WHOLE:
            return shape
        image = np.round(image)
    if image is None or not 0 < min(image) <= max(image) <= _LARGEST:
        return shape
    rows, columns = map(int, image)
    if rows % max(1, shape[0]) == 0 and columns % max(1, shape[1]) == 0:
        return shape
    return rows, columns


def _length(row: NDArray[np.float64]) -> float:
    """How many pixels a step of one makes."""
    return math.hypot(row[0], row[1]) or math.nan


def _grouped(maps: Mapping[str, Matrix], shape: tuple[int, int]) -> list[list[str]]:
    """Names of systems, by what they put at the same pixels."""
    height, width = shape
    corners = np.array([(0, 0), (width, 0), (0, height), (width, height)], dtype=float)
    groups: list[list[str]] = []
    for name, matrix in maps.items():
        for group in groups:
            first = maps[group[0]]
            if area_scale(first):
                back = transform(corners, matrix @ np.linalg.inv(first))
                if np.abs(back - corners).max() <= _SAME:
                    group.append(name)
                    break
        else:
            groups.append([name])
    return groups


def in_words(found: Mapping[str, Any]) -> list[str]:
    """Tell a summary of points to people, as lines to be wrapped."""
    agreeing = found["judged"] - found["disagreeing"]
    share = f" ({floored(agreeing, found['judged'])})" if found["judged"] else ""
    lines = [f"Points: {out_of(agreeing, found['judged'], 'points')} agree with the labels{share}"]
    if found["points"] > found["judged"]:
        lines[0] += f"; {found['points'] - found['judged']:,} off the labels are not judged"
    if found["disagreeing"]:
        if len(found["systems"]) > 1:
            off = (f"{name!r}: {n:,}" for name, n in found["systems"].items())
            lines.append(f"points that disagree in {', '.join(off)}")
        rows = (
            f"row {row['row']:,} names {row['cell']!r}, the labels {row['in_labels']}"
            for row in found["first"]
        )
        lines.append(_with_more("; ".join(rows), found["disagreeing"], found["first"]))
    if found["x_differing"]:
        entries = (
            f"cell {entry['cell']}, {entry['gene']}: {entry['in_table']:g}, "
            f"recounted {entry['recounted']}"
            if entry["in_table"] is not None
            else f"cell {entry['cell']}, {entry['gene']}: no number"
            for entry in found["x_first"]
        )
        text = f"{found['x_differing']:,} entries of X differ: {'; '.join(entries)}"
        lines.append(_with_more(text, found["x_differing"], found["x_first"]))
    if found["ledger_ok"] is False:
        entries = (
            f"{name_of(entry['place'])}, {name_of(entry['kind'])}: {entry['in_ledger']:,}, "
            f"recounted {entry['recounted']:,}"
            for entry in found["ledger"]
        )
        lines.append(f"the ledger differs: {listing(entries, NAMED)}")
    if found["x_differing"] == 0 and found["ledger_ok"]:
        lines.append("X is what they count to, and the ledger adds up")
    elif found["x_differing"] == 0:
        lines.append("X is what they count to")
    elif found["ledger_ok"]:
        lines.append("the ledger adds up")
    return lines


def _with_more(text: str, total: int, named: Sequence[Any]) -> str:
    return f"{text}; ..." if total > len(named) else text
