"""Verify that points lie in the cells that they name, and that the table counts just these.

- Every point is looked up in the labels, through each coordinate system that the two share but
  "mirrored", which is another in each tile: by the transformations as they stand. What it names is
  to be what it lies in, or 0 in none. Within `_EDGE` of an edge the pixel beyond will do, too:
  where a point is, several multiplications may round in several ways.
- A table by postseg is to have in X what the points of each cell that they name count to, by the
  rules that it tells itself, and its ledger is to add up: points by kind, those in cells, and those
  that are not finite. What was rejected, and why, labels do not tell.
- Points of others name cells by a column of their own, whatever their quality: vendors do not ask
  it there. Those off the labels are not judged: labels may be a part of what the points are of.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
from numpy.typing import NDArray

from postseg._support.words import listing, name_of, out_of, quoted
from postseg.elements.audit import KEY
from postseg.elements.identity import CellNames
from postseg.geometry.placement import (
    GLOBAL,
    MIRRORED,
    Matrix,
    area_scale,
    scaling,
    transform,
    translation,
)
from postseg.raster.runs import Runs
from postseg.transcripts.columns import Columns
from postseg.transcripts.counted import Counted
from postseg.transcripts.counting import (
    Counts,
    Task,
    add,
    count_found,
    in_one_pass,
    names_of,
    numbers_of,
)
from postseg.transcripts.kinds import INVALID, KINDS
from postseg.transcripts.labelled import LABEL
from postseg.transcripts.ledger import IN_CELLS
from postseg.transcripts.lookup import Extent, Lookup
from postseg.transcripts.sources import Source, open_source, tables

if TYPE_CHECKING:
    import dask.dataframe as dd
    from anndata import AnnData

_EDGE = 1e-6  # pixels
_SAME = 1e-7  # pixels; maps that differ by less are the same
_CURED = 0.1  # of the points that disagree may do so still when a shift cures them
_ROWS = 2**15  # of X that are compared at a time
_NAMED = 8  # points, entries of X and of the ledger
_UNKNOWN = -2  # a cell that nothing knows; no label is negative
_LARGEST = 2**26  # pixels a side of an image that labels may stand for
_AROUND = [(x, y) for x in (1, 0, -1) for y in (1, 0, -1) if x or y]


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


class _Task(NamedTuple):
    """What is looked for in each part of the points.

    Attributes
    ----------
    lookup : Lookup
        The labels, as regions in the order of their values.
    label : (n_labels + 3,) int64
        The values, and 0 of `Lookup.ends`.
    maps : (n_maps, 3, 3) array
        From points to pixels of the lookup.
    cell_key : str
        The column of the cells that points name.
    names : CellNames
        What text in it means.
    is_ours : bool
        Whether it has values of the labels, and all points do.
    columns, min_qv : Columns or None, float or None
        By which they are counted; None where they are not.
    cells : (n_cells,) int64
        Values that points may name, in ascending order.
    """

    lookup: Lookup
    label: NDArray[np.int64]
    maps: NDArray[np.float64]
    cell_key: str
    names: CellNames
    is_ours: bool
    columns: Columns | None
    min_qv: float | None
    cells: NDArray[np.int64]

    @property
    def read(self) -> list[str]:
        """The columns that are read."""
        counted = [] if self.columns is None else self.columns.names
        return list(dict.fromkeys(["x", "y", self.cell_key, *counted]))


class _Seen(NamedTuple):
    """What was seen of some points.

    Attributes
    ----------
    n : int
        How many there are.
    judged, differing : (n_maps,) int64
        How many of them, by each map.
    n_differing : int
        By any.
    first : list of dict
        Of those: row, cell that the point names, and the label that it lies in.
    cells : (n,) int64
        That they name or lie in.
    counts : Counts or None
        By cell that they name and name of gene; after the cells, those of no such cell.
    """

    n: int
    judged: NDArray[np.int64]
    differing: NDArray[np.int64]
    n_differing: int
    first: list[dict[str, Any]]
    cells: NDArray[np.int64]
    counts: Counts | None


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
    packed = {} if table is None else table.uns.get(KEY, {})
    counted = packed.get("transcripts", {}) if cell_key is None else {}
    columns, min_qv = _counted_by(counted.get("settings", {}))
    _check_columns([*map(str, points.columns)], cell_key, columns)
    maps = _to_pixels(points, of_labels)
    shape = runs.shape
    if cell_key is None:
        shape = _looked_up_at(packed, runs.shape, next(iter(maps.values())))
    enlarged = scaling(shape[1] / max(1, runs.shape[1]), shape[0] / max(1, runs.shape[0]))
    labels, place = np.unique(runs.label, return_inverse=True)
    lookup = Lookup.of(runs._replace(label=place.astype(np.int32) + 1), labels.size, shape)
    groups = _grouped(maps, runs.shape)
    cells = labels if rows is None else np.union1d(labels, rows["id"].to_numpy())
    task = _Task(
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
    source = open_source(points[task.read])
    seen = in_one_pass(source, task.read, task, _look_part, _add, "Looking up points")
    if seen is None:
        seen = _look(source.schema.empty_table(), task)
    looked_up: dict[str, Any] = {
        "points": seen.n,
        "judged": int(seen.judged.min()),
        "disagreeing": seen.n_differing,
        "systems": {
            name: int(n) for group, n in zip(groups, seen.differing, strict=True) for name in group
        },
        "first": seen.first,
    }
    counts, miscounted = _compare_counts(source, task, seen, table, rows, counted)
    well = not (seen.n_differing or counts["x_differing"] or counts["ledger_ok"] is False)
    return Points(
        {"ok": well, **looked_up, **counts},
        np.union1d(seen.cells, miscounted),
        _causes(source, task, seen, groups) if seen.n_differing else [],
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


def _to_pixels(points: dd.DataFrame, of_labels: Mapping[str, Matrix]) -> dict[str, Matrix]:
    """From points to pixels of the labels, through each system that they share but "mirrored"."""
    from postseg.elements.points import systems_of

    of_points = systems_of(points)
    shared = [name for name in of_points if name in of_labels and name != MIRRORED]
    shared.sort(key=lambda name: (name != GLOBAL, name))
    if not shared:
        raise ValueError(
            "points and labels have no coordinate system in common: the labels are in "
            f"{', '.join(sorted(of_labels))}, the points in {', '.join(sorted(of_points))}. "
            "Register both in one with spatialdata.transformations.set_transformation()."
        )
    for name in shared:
        if not area_scale(of_labels[name]):
            raise ValueError(f"the transformation of the labels to {name!r} is not invertible.")
    return {name: np.linalg.inv(of_labels[name]) @ of_points[name] for name in shared}


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
        if np.abs(image - np.round(image)).max() > _EDGE:
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


def _look_part(part: Any, task: _Task) -> _Seen:
    """Look at the points of a part, some at a time."""
    seen: _Seen | None = None
    for table in tables(part, task.read):
        found = _look(table, task)
        seen = found if seen is None else _add(seen, found)
    assert seen is not None  # a frame is a table, without rows or with some
    return seen


def _look(table: pa.Table, task: _Task) -> _Seen:
    """Look at points of an Arrow table."""
    x, y = (numbers_of(table, name) for name in ("x", "y"))
    said = _cells_of(table, task)
    differs = np.zeros(x.size, bool)
    here = np.zeros(x.size, np.int64)
    judged, differing = [], []
    for matrix in task.maps:
        found, _ = task.lookup.find(x, y, matrix)
        label = task.label[found]
        within = np.full(x.size, True) if task.is_ours else found <= task.lookup.n_regions
        at = np.flatnonzero(within & (label != said))
        for step in np.multiply(_AROUND, _EDGE):
            if at.size:
                beyond, _ = task.lookup.find(x[at], y[at], translation(*step) @ matrix)
                at = at[task.label[beyond] != said[at]]
        new = at[~differs[at]]
        here[new], differs[at] = label[new], True
        judged.append(int(within.sum()))
        differing.append(at.size)
    bad = np.flatnonzero(differs)
    column = table.column(task.cell_key)
    first = [
        {"row": int(i), "cell": _plain(column[i].as_py()), "in_labels": int(here[i])}
        for i in bad[:_NAMED]
    ]
    cells = np.unique(np.concatenate([said[bad], here[bad]]))
    counts = None
    if task.columns is not None:
        place = _places(x, y, said, task.cells)
        n = task.cells.size + 1
        counts = count_found(table, place, Extent(), n, task.columns, task.min_qv)
    return _Seen(
        x.size, np.array(judged), np.array(differing), bad.size, first, cells[cells > 0], counts
    )


def _places(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    said: NDArray[np.int64],
    cells: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Which cell each point is of: after all cells, others, none, and what is not finite."""
    n = cells.size
    place = np.searchsorted(cells, said)
    known = np.append(cells, 0)[place] == said
    place[~known] = n
    place[said == 0] = n + 1
    place[~(np.isfinite(x) & np.isfinite(y))] = n + 3
    return place


def _cells_of(table: pa.Table, task: _Task) -> NDArray[np.int64]:
    """The values of the cells that points name, 0 of none."""
    column = table.column(task.cell_key)
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        if not _is_text(kind):
            column = pc.cast(column, kind)
    if pa.types.is_integer(kind):
        said = pc.fill_null(pc.cast(column, pa.int64(), safe=False), 0).to_numpy()
    elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = np.nan_to_num(numbers_of(table, task.cell_key), nan=0, posinf=-2, neginf=-2)
        whole = (np.round(numbers) == numbers) & (np.abs(numbers) < 2**53)
        said = np.where(whole, numbers, _UNKNOWN).astype(np.int64)
    elif _is_text(kind) or pa.types.is_null(kind):
        code, names = names_of(table, task.cell_key)
        values = np.append(task.names.values(names, task.cell_key, _UNKNOWN), 0)
        return values[code]
    else:
        raise ValueError(
            f"the column {task.cell_key!r} of the points is {kind}; ids of cells are whole numbers "
            "or text."
        )
    return np.asarray(said if task.is_ours else np.where(said == -1, 0, said), dtype=np.int64)


def _is_text(kind: pa.DataType) -> bool:
    tests = ("string", "large_string", "string_view", "binary", "large_binary")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def _plain(value: Any) -> Any:
    """A value of a column, fit for JSON."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, int | float | str) else str(value)


def _add(one: _Seen, other: _Seen) -> _Seen:
    """What was seen of the points of both."""
    later = [{**row, "row": row["row"] + one.n} for row in other.first]
    counts = None
    if one.counts is not None and other.counts is not None:
        counts = add(one.counts, other.counts)
    return _Seen(
        one.n + other.n,
        one.judged + other.judged,
        one.differing + other.differing,
        one.n_differing + other.n_differing,
        (one.first + later)[:_NAMED],
        np.union1d(one.cells, other.cells),
        counts,
    )


# ---- the table


def _compare_counts(
    source: Source,
    task: _Task,
    seen: _Seen,
    table: AnnData | None,
    rows: pd.DataFrame | None,
    packed: Mapping[str, Any],
) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Compare a table's X and its ledger with what points count to; and which cells differ."""
    found: dict[str, Any] = {"x_differing": None, "x_first": [], "ledger_ok": None, "ledger": []}
    if task.columns is None or seen.counts is None or table is None or rows is None:
        return found, np.empty(0, np.int64)
    settings = packed["settings"]
    genes = settings.get("genes")
    counted = Counted(
        source,
        Task(task.lookup, task.maps[0], task.columns, task.min_qv),
        seen.counts,
        None if genes is None else tuple(map(str, genes)),
        json.loads(str(settings["controls"])),
        None,
        True,
    )
    x, cells = _compare_matrix(counted, task.cells, table, rows["id"].to_numpy())
    ledger = _compare_ledger(counted.summed_up().by_kind, packed.get("ledger"))
    return {**found, **x, "ledger_ok": not ledger, "ledger": ledger[:_NAMED]}, cells


def _compare_matrix(
    counted: Counted, known: NDArray[np.int64], table: AnnData, ids: NDArray[np.int64]
) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Compare X, row by row and gene by gene; and which cells differ."""
    cells = np.unique(ids)
    of_region = np.where(np.isin(known, cells), known, 0)
    right = counted.cells(np.append(of_region, 0), cells)
    names = [*map(str, table.var_names)]
    at = {name: i for i, name in reversed([*enumerate(names)])}
    genes = [*map(str, right.var.index)]
    names += [gene for gene in genes if gene not in at]
    at |= {gene: i for i, gene in enumerate(names) if gene not in at}
    column = np.array([at[gene] for gene in genes], dtype=np.int64)
    there = sp.csr_matrix(table.X if table.X is not None else table.shape)
    row = np.searchsorted(cells, ids)
    first: list[dict[str, Any]] = []
    n_wrong, bad = 0, []
    for start in range(0, ids.size, _ROWS):  # what differs is few, what is compared is not
        some = slice(start, start + _ROWS)
        own = _with_columns(there[some], np.arange(there.shape[1]), len(names))
        wide = _with_columns(right.X[row[some]], column, len(names))
        off = sp.coo_matrix(own - wide)
        wrong = np.flatnonzero(off.data)  # of NaN too
        wrong = wrong[np.lexsort([off.col[wrong], off.row[wrong]])]
        n_wrong += wrong.size
        bad.append(ids[some][off.row[wrong]])
        first += [
            {
                "cell": int(ids[some][off.row[i]]),
                "gene": names[off.col[i]],
                "in_table": _plain(float(own[off.row[i], off.col[i]])),
                "recounted": int(wide[off.row[i], off.col[i]]),
            }
            for i in wrong[: _NAMED - len(first)]
        ]
    differing = np.unique(np.concatenate([np.empty(0, np.int64), *bad]))
    return {"x_differing": n_wrong, "x_first": first}, differing


def _with_columns(matrix: sp.csr_matrix, column: NDArray[np.int64], width: int) -> sp.csr_matrix:
    """A matrix with its columns at other places, as float64."""
    data = matrix.data.astype(np.float64)
    shape = (matrix.shape[0], width)
    return sp.csr_matrix((data, column[matrix.indices], matrix.indptr), shape=shape)


def _compare_ledger(by_kind: NDArray[np.int64], packed: Any) -> list[dict[str, Any]]:
    """What in a ledger differs from what points tell."""
    ledger = pd.DataFrame() if packed is None else packed
    if "place" not in ledger:
        ledger = pd.DataFrame({"place": []})
    ledger = ledger.set_index("place").reindex(columns=[*KINDS]).fillna(0)
    *_, invalid = by_kind
    known = {
        IN_CELLS: by_kind[:-3].sum(axis=0),
        INVALID: np.where(np.array(KINDS) == INVALID, invalid.sum(), 0),
    }
    known["all"] = by_kind[:-1].sum(axis=0) + known[INVALID]
    told = {
        place: ledger[ledger.index == place].sum() if place != "all" else ledger.sum()
        for place in known
    }
    return [
        {"place": place, "kind": kind, "in_ledger": int(told[place][kind]), "recounted": int(n)}
        for place, numbers in known.items()
        for kind, n in zip(KINDS, numbers, strict=True)
        if int(told[place][kind]) != n
    ]


# ---- why, and in words


def _causes(source: Source, task: _Task, seen: _Seen, groups: Sequence[list[str]]) -> list[str]:
    """Recognise labels that lie a pixel off: shift the points by one, to each side."""
    bad = np.flatnonzero(seen.differing)
    found = []
    for i in bad[:1] if bad.size == len(groups) else bad:
        maps = np.array([translation(*step) @ task.maps[i] for step in _AROUND])
        shifted = task._replace(maps=maps, columns=None)
        again = in_one_pass(source, task.read, shifted, _look_part, _add, "Shifting points")
        assert again is not None  # there are points that disagree
        best = int(np.argmin(again.differing / np.maximum(1, again.judged)))
        if again.differing[best] > _CURED * seen.differing[i] or not again.judged[best]:
            continue
        x, y = _AROUND[best]
        after = _share(again.judged[best] - again.differing[best], again.judged[best])
        now = _share(seen.judged[i] - seen.differing[i], seen.judged[i])
        text = (
            f"shifting the points by ({_signed(x)}, {_signed(y)}) pixels (x, y) makes {after} of "
            f"them agree, now {now}: points or labels lie a pixel off"
        )
        if min(x, y) >= 0:  # there the translation is too large
            text += ", as labels do after bounding_box_query of spatialdata 0.8"
        text = f"in {quoted(groups[i])}, {text}." if len(groups) > 1 else f"{text}."
        found.append(text[0].upper() + text[1:])
    return found


def _signed(step: int) -> str:
    return f"{step:+d}" if step else "0"


def _share(part: int, whole: int) -> str:
    """A share in percent, rounded down: all is only what is all."""
    return "100%" if part == whole else f"{math.floor(1000 * int(part) / int(whole)) / 10:.1f}%"


def in_words(found: Mapping[str, Any]) -> list[str]:
    """Tell a summary of points to people, as lines to be wrapped."""
    agreeing = found["judged"] - found["disagreeing"]
    share = f" ({_share(agreeing, found['judged'])})" if found["judged"] else ""
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
        lines.append(f"the ledger differs: {listing(entries, _NAMED)}")
    if found["x_differing"] == 0 and found["ledger_ok"]:
        lines.append("X is what they count to, and the ledger adds up")
    elif found["x_differing"] == 0:
        lines.append("X is what they count to")
    elif found["ledger_ok"]:
        lines.append("the ledger adds up")
    return lines


def _with_more(text: str, total: int, named: Sequence[Any]) -> str:
    return f"{text}; ..." if total > len(named) else text
