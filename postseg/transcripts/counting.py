"""Count points by region and name, part by part, in one pass.

Every point that is read is counted once, in one sparse table: its rows are the regions and, after
them, no region, off the masks, and not finite; its columns are `LOW_QUALITY`, `NO_GENE` and the
names that were seen. All that is to be known follows from it, and its sum is the points read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
from dask.delayed import delayed
from numpy.typing import NDArray

from postseg._support.progress import of_dask
from postseg._support.threads import n_threads
from postseg.geometry.placement import Matrix
from postseg.transcripts.columns import Columns
from postseg.transcripts.lookup import Extent, Lookup
from postseg.transcripts.sources import Source, parts_with, tables

T = TypeVar("T")

LOW_QUALITY, NO_GENE = 0, 1  # columns of the table before those of names


class Feature(NamedTuple):
    """A name that points have.

    Attributes
    ----------
    name : str
        As it was read.
    is_gene : bool or None
        What the points say of it themselves.
    """

    name: str
    is_gene: bool | None = None


class Task(NamedTuple):
    """How points are looked up and counted.

    Attributes
    ----------
    lookup : Lookup
        In what.
    matrix : (3, 3) array
        From (x, y) to full-resolution pixels of the masks.
    columns : Columns
        Where place, name and quality are.
    min_qv : float or None
        The least quality that counts.
    """

    lookup: Lookup
    matrix: Matrix
    columns: Columns
    min_qv: float | None


class Counts(NamedTuple):
    """Points, counted.

    Attributes
    ----------
    features : tuple of Feature
        Names that were seen, or may be.
    table : (n_regions + 3, 2 + n_features) int32 CSR
        See the module.
    n_read : int
        Points that were read.
    extent : Extent
        Where they lie.
    """

    features: tuple[Feature, ...]
    table: sp.csr_matrix
    n_read: int
    extent: Extent


def count(source: Source, task: Task) -> Counts:
    """Look up all points, once, and count them.

    On threads, or on the cluster of an active ``distributed.Client``, to which the runs are sent
    once and from which sparse counts come back.

    Raises
    ------
    RuntimeError
        When a point that was read was not counted, or fewer were read than there are.
    """
    columns, text = task.columns.names, "Counting transcripts"
    counts = in_one_pass(source, columns, task, _count_part, add, text)
    if counts is None:
        return count_table(pa.table({name: [] for name in task.columns.names}), task)
    pa.default_memory_pool().release_unused()  # what it keeps of reading, for tables to be made
    known = source.n_rows
    if counts.table.sum(dtype=np.int64) != counts.n_read or known not in (None, counts.n_read):
        raise RuntimeError(
            f"{counts.n_read:,} of {known if known is not None else counts.n_read:,} points were "
            f"read and {counts.table.sum(dtype=np.int64):,} counted: did the file change meanwhile?"
        )
    return counts


def in_one_pass(
    source: Source,
    columns: list[str],
    task: NamedTuple,
    of_part: Callable[[Any, Any], T],
    add: Callable[[T, T], T],
    text: str,
) -> T | None:
    """What ``of_part(part, task)`` finds in each part, added up in their order; None of no parts.

    On threads, or on the cluster of an active client, to which the task is sent once. `text` says
    what is done, for the progress bar.
    """
    shared = _share(task)
    parts = [delayed(of_part, pure=False)(part, shared) for part in parts_with(source, columns)]
    n_parts = len(parts)
    while len(parts) > 1:  # as a tree, so that few tables are held at a time
        pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
        parts = [delayed(add, pure=False)(*pair) if pair[1:] else pair[0] for pair in pairs]
    if not parts:
        return None
    # a pool of our own, see `raster.chunked`
    pool = ThreadPoolExecutor(n_threads(), thread_name_prefix="postseg")
    with pool, of_dask(text, n_parts, of_part.__name__):
        found: T = parts[0].compute(pool=pool)
    return found


def _share(task: NamedTuple) -> Any:
    """A task for the parts of a graph to have in common; it is sent to a cluster once."""
    if "distributed" in sys.modules:
        from distributed import default_client

        try:
            return default_client().scatter([task], broadcast=True)[0]
        except ValueError:  # there is none
            pass
    return delayed(task, pure=False, traverse=False)


def _count_part(part: Any, task: Task) -> Counts:
    """Count the points of a part."""
    counts: Counts | None = None
    for table in tables(part, task.columns.names):
        found = count_table(table, task)
        counts = found if counts is None else add(counts, found)
    if counts is None:
        counts = count_table(pa.table({name: [] for name in task.columns.names}), task)
    return counts


def count_table(table: pa.Table, task: Task) -> Counts:
    """Count the points of an Arrow table."""
    x, y = (numbers_of(table, name) for name in (task.columns.x, task.columns.y))
    found, extent = task.lookup.find(x, y, task.matrix)
    return count_found(table, found, extent, task.lookup.n_regions, task.columns, task.min_qv)


def count_found(
    table: pa.Table,
    found: NDArray[np.integer[Any]],
    extent: Extent,
    n_regions: int,
    columns: Columns,
    min_qv: float | None,
) -> Counts:
    """Count points of which is known where they are: a region from 0, or one of `Lookup.ends`."""
    code, names = names_of(table, columns.gene)
    features = tuple(map(Feature, names))
    if columns.is_gene is not None:
        flag = flags_of(table, columns.is_gene)
        features = tuple(Feature(name, kind) for kind in (None, False, True) for name in names)
        code = np.where(code < 0, code, code + len(names) * (flag + 1))
    column = code + 2
    column[code < 0] = NO_GENE
    if columns.qv is not None and min_qv is not None:
        column[~(numbers_of(table, columns.qv) >= min_qv)] = LOW_QUALITY  # of NaN too
    shape = (n_regions + 3, 2 + len(features))
    ones = np.ones(found.size, np.int32)
    counted = sp.coo_matrix((ones, (found, column)), shape=shape).tocsr()
    return Counts(features, counted, found.size, extent)


def numbers_of(table: pa.Table, name: str) -> NDArray[np.float64]:
    """A column as float64, null being NaN."""
    column = table.column(name)
    if not pa.types.is_float64(column.type):
        column = pc.cast(column, pa.float64(), safe=False)
    return np.asarray(column.to_numpy(), dtype=np.float64)


def flags_of(table: pa.Table, name: str) -> NDArray[np.int32]:
    """A column of truth values: 0 or 1, and -1 where nothing is said."""
    column = table.column(name)
    if not pa.types.is_boolean(column.type):
        try:
            column = pc.cast(column, pa.bool_())
        except pa.ArrowInvalid as error:
            raise ValueError(f"the column {name!r} of the points is not true or false.") from error
    codes = pc.fill_null(pc.cast(column, pa.int8()), -1)
    return codes.to_numpy().astype(np.int32)


def names_of(table: pa.Table, name: str) -> tuple[NDArray[np.int32], list[str]]:
    """A column of text as codes, -1 of null and of empty text, and what they stand for, sorted.

    So the tables of parts with the same names have the same columns, and are added as they are.
    """
    column = table.column(name)
    if pa.types.is_null(column.type):
        return np.full(table.num_rows, -1, np.int32), []
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    if not column.num_chunks:  # of no rows
        return np.empty(0, np.int32), []
    coded = column.unify_dictionaries().combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.chunk(0)
    indices = pc.cast(coded.indices, pa.int32())  # some libraries' are unsigned, without a -1
    code = pc.fill_null(indices, -1).to_numpy(zero_copy_only=False)
    names = [as_text(value) for value in coded.dictionary.to_pylist()]
    known = sorted({*filter(None, names)})
    if known == names:
        return code, known
    at = {text: i for i, text in enumerate(known)}
    again = np.array([*(at.get(text, -1) for text in names), -1], dtype=np.int32)
    return again[code], known


def as_text(value: Any) -> str:
    """A name, which Xenium wrote as bytes once; empty of null."""
    if isinstance(value, bytes):
        return value.decode()
    return "" if value is None else str(value)


def add(one: Counts, other: Counts) -> Counts:
    """Counts of the points of both."""
    features = one.features
    if other.features == features:
        table = one.table + other.table
    else:
        features = tuple(dict.fromkeys((*one.features, *other.features)))
        at = {feature: i for i, feature in enumerate(features)}
        table = _placed(one, at) + _placed(other, at)
    n_read = one.n_read + other.n_read
    return Counts(features, table, n_read, one.extent.union(other.extent))


def _placed(counts: Counts, at: Mapping[Feature, int]) -> sp.csr_matrix:
    """The table with the columns of names where others have them."""
    table = counts.table
    column = np.array([LOW_QUALITY, NO_GENE, *(2 + at[name] for name in counts.features)])
    placed = sp.csr_matrix(
        (table.data, column.astype(np.int32)[table.indices], table.indptr),
        shape=(table.shape[0], 2 + len(at)),
    )
    placed.sort_indices()
    return placed
