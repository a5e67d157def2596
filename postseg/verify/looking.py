"""Look points up in labels, part by part: which of them lie elsewhere than in the cell they name.

Within `_EDGE` of an edge the pixel beyond will do, too: where a point is, several multiplications
may round in several ways.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from postseg.elements.identity import CellNames
from postseg.geometry.placement import translation
from postseg.transcripts.columns import Columns
from postseg.transcripts.counting import (
    Counts,
    add,
    count_found,
    in_one_pass,
    names_of,
    numbers_of,
)
from postseg.transcripts.lookup import Extent, Lookup
from postseg.transcripts.sources import Source, tables

NAMED = 8  # points, entries of X and of the ledger
AROUND = [(x, y) for x in (1, 0, -1) for y in (1, 0, -1) if x or y]  # steps to the pixels around
_EDGE = 1e-6  # pixels
_UNKNOWN = -2  # a cell that nothing knows; no label is negative


class Search(NamedTuple):
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


class Seen(NamedTuple):
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


def look_up(source: Source, search: Search, doing: str) -> Seen:
    """Look all points up in one pass, which is shown as `doing`."""
    seen = in_one_pass(source, search.read, search, _look_part, _add, doing)
    return _look(source.schema.empty_table(), search) if seen is None else seen


def _look_part(part: Any, search: Search) -> Seen:
    """Look at the points of a part, some at a time."""
    seen: Seen | None = None
    for table in tables(part, search.read):
        found = _look(table, search)
        seen = found if seen is None else _add(seen, found)
    assert seen is not None  # a frame is a table, without rows or with some
    return seen


def _look(table: pa.Table, search: Search) -> Seen:
    """Look at points of an Arrow table."""
    x, y = (numbers_of(table, name) for name in ("x", "y"))
    said = _cells_of(table, search)
    differs = np.zeros(x.size, bool)
    here = np.zeros(x.size, np.int64)
    judged, differing = [], []
    for matrix in search.maps:
        found, _ = search.lookup.find(x, y, matrix)
        label = search.label[found]
        within = np.full(x.size, True) if search.is_ours else found <= search.lookup.n_regions
        at = np.flatnonzero(within & (label != said))
        for step in np.multiply(AROUND, _EDGE):
            if at.size:
                beyond, _ = search.lookup.find(x[at], y[at], translation(*step) @ matrix)
                at = at[search.label[beyond] != said[at]]
        new = at[~differs[at]]
        here[new], differs[at] = label[new], True
        judged.append(int(within.sum()))
        differing.append(at.size)
    bad = np.flatnonzero(differs)
    column = table.column(search.cell_key)
    first = [
        {"row": int(i), "cell": plain(column[i].as_py()), "in_labels": int(here[i])}
        for i in bad[:NAMED]
    ]
    cells = np.unique(np.concatenate([said[bad], here[bad]]))
    counts = None
    if search.columns is not None:
        place = _places(x, y, said, search.cells)
        n = search.cells.size + 1
        counts = count_found(table, place, Extent(), n, search.columns, search.min_qv)
    return Seen(
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


def _cells_of(table: pa.Table, search: Search) -> NDArray[np.int64]:
    """The values of the cells that points name, 0 of none."""
    column = table.column(search.cell_key)
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        if not _is_text(kind):
            column = pc.cast(column, kind)
    if pa.types.is_integer(kind):
        said = pc.fill_null(pc.cast(column, pa.int64(), safe=False), 0).to_numpy()
    elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = np.nan_to_num(numbers_of(table, search.cell_key), nan=0, posinf=-2, neginf=-2)
        whole = (np.round(numbers) == numbers) & (np.abs(numbers) < 2**53)
        said = np.where(whole, numbers, _UNKNOWN).astype(np.int64)
    elif _is_text(kind) or pa.types.is_null(kind):
        code, names = names_of(table, search.cell_key)
        values = np.append(search.names.values(names, search.cell_key, _UNKNOWN), 0)
        return values[code]
    else:
        raise ValueError(
            f"the column {search.cell_key!r} of the points is {kind}; ids of cells are whole "
            "numbers or text."
        )
    return np.asarray(said if search.is_ours else np.where(said == -1, 0, said), dtype=np.int64)


def _is_text(kind: pa.DataType) -> bool:
    tests = ("string", "large_string", "string_view", "binary", "large_binary")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def plain(value: Any) -> Any:
    """A value of a column, fit for JSON."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, int | float | str) else str(value)


def _add(one: Seen, other: Seen) -> Seen:
    """What was seen of the points of both."""
    later = [{**row, "row": row["row"] + one.n} for row in other.first]
    counts = None
    if one.counts is not None and other.counts is not None:
        counts = add(one.counts, other.counts)
    return Seen(
        one.n + other.n,
        one.judged + other.judged,
        one.differing + other.differing,
        one.n_differing + other.n_differing,
        (one.first + later)[:NAMED],
        np.union1d(one.cells, other.cells),
        counts,
    )
