"""`Counted`: the points of regions, whatever the filter decides on these."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from postseg.filtering.run import TRANSCRIPTS
from postseg.raster.runs import Runs
from postseg.transcripts.counting import LOW_QUALITY, Counts, Task
from postseg.transcripts.kinds import (
    CONTROL,
    CONTROLS,
    GENE,
    KINDS,
    NO_GENE,
    OTHER_CONTROL,
    OTHER_GENE,
    class_of,
)
from postseg.transcripts.kinds import LOW_QUALITY as OF_LOW_QUALITY
from postseg.transcripts.sources import Source


class Cells(NamedTuple):
    """Cells x genes.

    Attributes
    ----------
    X : (n_cells, n_genes) int32 CSR
        Points of kind gene, sorted and without explicit zeros.
    obs : dict of str to (n_cells,) int64
        Columns for the cells.
    var : (n_genes,) DataFrame
        Indexed by gene: ``transcript_counts``, wherever they lie, ``in_cells`` and ``n_cells``.
    """

    X: sp.csr_matrix
    obs: dict[str, NDArray[np.int64]]
    var: pd.DataFrame


class Counted(NamedTuple):
    """Points, looked up among regions and counted.

    Attributes
    ----------
    source : Source
        What was read.
    task : Task
        How it was looked up.
    counts : Counts
        By region and name.
    genes : tuple of str or None
        The panel.
    controls : mapping of str to str
        Patterns of the names of controls, by class.
    system : str or None
        The coordinate system that points were placed by, of an element.
    keep_points : bool
        Whether they are handed over, too.
    by_kind : (n_regions + 3, n_kinds) int64
        Points by kind: of each region, in none, off the masks, not finite.
    """

    source: Source
    task: Task
    counts: Counts
    genes: tuple[str, ...] | None
    controls: Mapping[str, str]
    system: str | None
    keep_points: bool
    by_kind: NDArray[np.int64] = np.empty((0, len(KINDS)), np.int64)

    def summed_up(self) -> Counted:
        """The same with `by_kind`."""
        kinds = [OF_LOW_QUALITY, NO_GENE, *(kind for kind, _ in self._kinds())]
        by_kind = _summed(self.counts.table, [KINDS.index(kind) for kind in kinds], len(KINDS))
        return self._replace(by_kind=by_kind)

    def __deepcopy__(self, memo: Any) -> Counted:
        return self  # it never changes, and dask's frames cannot be copied deeply

    @property
    def runs(self) -> Runs:
        """What they were looked up in, with region numbers as labels."""
        return self.task.lookup.runs

    def of_regions(self) -> tuple[NDArray[np.int64], int]:
        """Points of kind gene: of each region, (n_regions,), and in all of the image."""
        counts = self.by_kind[:, KINDS.index(GENE)]
        return counts[:-3], int(counts[:-2].sum())

    def is_of(self, runs: Runs) -> bool:
        """Whether points were looked up in these runs of regions."""
        return self.runs.row is runs.row or self.runs.same(runs)

    def cells(self, label: NDArray[np.int64], cells: NDArray[np.int64]) -> Cells:
        """Sum up regions by cell.

        Parameters
        ----------
        label : (n_regions,) array of int
            The cell that each region is of, 0 of none; several may be of one.
        cells : (n_cells,) array of int
            The labels of the cells, in ascending order.
        """
        table = self._by_cell(label, cells)

        kinds = self._kinds()
        genes = self._columns()
        at = {name: i for i, name in enumerate(genes)}
        names = (feature.name for feature in self.counts.features)
        pairs = zip(names, kinds, strict=True)
        gene = [-1, -1, *(at.get(name, -1) if kind == GENE else -1 for name, (kind, _) in pairs)]
        matrix = _chosen(table, gene, len(genes))

        groups = [*CONTROLS, *{OTHER_CONTROL for _, group in kinds if group == OTHER_CONTROL}]
        group = [-1, -1, *(groups.index(group) if group else -1 for _, group in kinds)]
        controls = _summed(table, group, len(groups))
        counts = _ravel(matrix.sum(axis=1, dtype=np.int64))
        finite = _ravel(self.counts.table[:-1].sum(axis=0, dtype=np.int64))
        return Cells(
            matrix,
            {
                TRANSCRIPTS: counts,
                **{f"{name}_counts": controls[:, i] for i, name in enumerate(groups)},
                "total_counts": counts + controls.sum(axis=1),
                "n_genes": np.diff(matrix.indptr).astype(np.int64),
                "low_quality_counts": _summed(table, _only(LOW_QUALITY, len(gene)), 1)[:, 0],
            },
            pd.DataFrame(
                {
                    TRANSCRIPTS: finite @ _indicator(gene, len(genes), np.int64),
                    "in_cells": _ravel(matrix.sum(axis=0, dtype=np.int64)),
                    "n_cells": np.bincount(matrix.indices, minlength=len(genes)),
                },
                index=pd.Index(genes, dtype=object),
            ),
        )

    def _by_cell(self, label: NDArray[np.int64], cells: NDArray[np.int64]) -> sp.csr_matrix:
        """The rows of the table by cell, summed up where several regions are of one."""
        table = self.counts.table
        region = np.flatnonzero(label > 0)
        if region.size == cells.size:
            return table[region[np.argsort(label[region])]]
        cell = np.searchsorted(cells, label[region])
        of_cell = (np.ones(region.size, np.int32), (cell, region))
        return sp.csr_matrix(of_cell, shape=(cells.size, table.shape[0])) @ table

    def settings(self, element: str) -> dict[str, Any]:
        """How the points were counted, as a table keeps it.

        Parameters
        ----------
        element : str
            Name of the points element, where points are kept.
        """
        columns, system = self.task.columns, self.system
        some: dict[str, Any] = {
            "element": element if self.keep_points else None,
            "qv_key": columns.qv,
            "min_qv": self.task.min_qv if columns.qv is not None else None,
            "is_gene": columns.is_gene,
            "genes": None if self.genes is None else np.array(self.genes, dtype=object),
            "coordinate_system": system,
        }
        return {
            "points": self.source.text,
            "gene_key": columns.gene,
            "x": columns.x,
            "y": columns.y,
            "controls": json.dumps(dict(self.controls)),
            "to_pixels": self.task.matrix,
            # absent where not known or not used: a store has no None
            **{name: value for name, value in some.items() if value is not None},
        }

    def _kinds(self) -> list[tuple[str, str]]:
        """Kind of each feature, and of a control which class it is of."""
        panel = None if self.genes is None else frozenset(self.genes)
        kinds = []
        for name, is_gene in self.counts.features:
            group = class_of(name, self.controls)
            if is_gene is False or (is_gene is None and group):
                kinds.append((CONTROL, group or OTHER_CONTROL))
            else:
                kinds.append((GENE if panel is None or name in panel else OTHER_GENE, ""))
        return kinds

    def _columns(self) -> list[str]:
        """The genes that have a column, in order."""
        if self.genes is not None:
            return [*self.genes]
        counts = _ravel(self.counts.table.sum(axis=0, dtype=np.int64))[2:]
        names = [feature.name for feature in self.counts.features]
        seen = {name for name, count in zip(names, counts, strict=True) if count}
        features = zip(names, counts, self._kinds(), strict=True)
        # a name that points say are controls is no gene; one that no point has is by its pattern
        return sorted(
            {name for name, n, (kind, _) in features if kind == GENE and (n or name not in seen)}
        )


def _summed(table: sp.csr_matrix, group: Sequence[int], n_groups: int) -> NDArray[np.int64]:
    """Columns summed up by group, -1 being none: (n_rows, n_groups)."""
    return np.asarray((table @ _indicator(group, n_groups, np.int64)).toarray())


def _chosen(table: sp.csr_matrix, place: Sequence[int], n_columns: int) -> sp.csr_matrix:
    """Columns moved to other places, -1 being none, and summed up where several have one."""
    column = np.asarray(place, dtype=np.int32)[table.indices]
    kept = column >= 0
    before = np.zeros(kept.size + 1, table.indptr.dtype)
    np.cumsum(kept, out=before[1:])
    chosen = sp.csr_matrix(
        (table.data[kept], column[kept], before[table.indptr]), shape=(table.shape[0], n_columns)
    )
    chosen.sum_duplicates()  # which sorts, but where they are sorted already, as is usual
    return chosen


def _indicator(group: Sequence[int], n_groups: int, dtype: Any) -> sp.csr_matrix:
    """What sums up columns by group when it is multiplied with."""
    groups = np.asarray(group, dtype=np.int64)
    column = np.flatnonzero(groups >= 0)
    ones = np.ones(column.size, dtype)
    return sp.csr_matrix((ones, (column, groups[column])), shape=(groups.size, n_groups))


def _only(column: int, n_columns: int) -> list[int]:
    return [0 if i == column else -1 for i in range(n_columns)]


def _ravel(matrix: Any) -> NDArray[np.int64]:
    return np.asarray(matrix).ravel()
