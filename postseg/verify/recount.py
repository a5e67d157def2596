"""Count anew, of the cells that points name, what a table by postseg counted: X and ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from postseg.transcripts.counted import Counted
from postseg.transcripts.counting import Task
from postseg.transcripts.kinds import INVALID, KINDS
from postseg.transcripts.ledger import IN_CELLS
from postseg.transcripts.sources import Source
from postseg.verify.looking import NAMED, Search, Seen, plain

if TYPE_CHECKING:
    from anndata import AnnData

_ROWS = 2**15  # of X that are compared at a time


def compare_counts(
    source: Source,
    search: Search,
    seen: Seen,
    table: AnnData | None,
    rows: pd.DataFrame | None,
    packed: Mapping[str, Any],
) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Compare a table's X and its ledger with what points count to; and which cells differ."""
    found: dict[str, Any] = {"x_differing": None, "x_first": [], "ledger_ok": None, "ledger": []}
    if search.columns is None or seen.counts is None or table is None or rows is None:
        return found, np.empty(0, np.int64)
    settings = packed["settings"]
    genes = settings.get("genes")
    counted = Counted(
        source,
        Task(search.lookup, search.maps[0], search.columns, search.min_qv),
        seen.counts,
        None if genes is None else tuple(map(str, genes)),
        json.loads(str(settings["controls"])),
        None,
        True,
    )
    x, cells = _compare_matrix(counted, search.cells, table, rows["id"].to_numpy())
    ledger = _compare_ledger(counted.summed_up().by_kind, packed.get("ledger"))
    return {**found, **x, "ledger_ok": not ledger, "ledger": ledger[:NAMED]}, cells


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
                "in_table": plain(float(own[off.row[i], off.col[i]])),
                "recounted": int(wide[off.row[i], off.col[i]]),
            }
            for i in wrong[: NAMED - len(first)]
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
