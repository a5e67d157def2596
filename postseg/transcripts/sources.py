"""Where transcripts come from: frames, Arrow tables and files, as parts that are read one by one.

A part is a pandas frame, an Arrow table or a fragment of a file, or what dask makes one of.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import dask.dataframe as dd
import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
from dask.delayed import Delayed, delayed

from postseg._support.reading import reading
from postseg.elements import points as elements
from postseg.geometry.placement import Matrix
from postseg.transcripts.columns import GENE_KEYS, IS_GENE, NUMBERS

ROWS = 2**20  # of a part; more where a row group has
_LOOK = 1000  # rows that tell what objects are
_CSV = re.compile(r"\.csv(\.gz)?$", re.IGNORECASE)
_ROW_NUMBER = "__null_dask_index__"  # a column of files that dask wrote, as SpatialData's are
_DAMAGED = "It may be damaged, or have changed."
_GIVE = (
    "Give a SpatialData points element, a pandas or dask frame, a pyarrow Table or Dataset, or the "
    "path of a Parquet or CSV file."
)


class Source(NamedTuple):
    """Transcripts, before any is read.

    Attributes
    ----------
    text : str
        What they are, for people.
    schema : pyarrow.Schema
        Columns and their types.
    parts : list
        In order; together all rows. Of a dask frame only how many there are.
    frame : dask DataFrame or None
        What came as one.
    feature_key : str or None
        The column of genes that an element names.
    systems : mapping of str to (3, 3) array, or None
        From (x, y) to its coordinate systems, of an element.
    n_rows : int or None
        How many there are, where that is known without reading.
    files : list of str
        What is read from.
    """

    text: str
    schema: pa.Schema
    parts: list[Any]
    frame: dd.DataFrame | None = None
    feature_key: str | None = None
    systems: Mapping[str, Matrix] | None = None
    n_rows: int | None = None
    files: tuple[str, ...] = ()


def open_source(
    points: Any, numbers: Iterable[str] = NUMBERS, texts: Iterable[str] = GENE_KEYS
) -> Source:
    """Open transcripts: nothing is read but names and types of columns.

    Parameters
    ----------
    points
        See `PostSegmentation.process_points`.
    numbers, texts : iterable of str
        Columns that are such, if they are there: a CSV file does not tell.

    Raises
    ------
    TypeError
        For what is none.
    OSError
        When a file is missing, damaged, or neither Parquet nor CSV.
    """
    parts: list[Any]
    if isinstance(points, str | os.PathLike):
        # points are read again when they are asked for, wherever the process is then
        return _of_path(Path(points).absolute(), numbers, texts)
    if isinstance(points, pd.DataFrame):
        if isinstance(points, gpd.GeoDataFrame):
            raise TypeError(
                "points is a GeoDataFrame; give its coordinates as columns: pd.DataFrame(points"
                ".drop(columns='geometry')).assign(x=points.geometry.x, y=points.geometry.y)."
            )
        bare = points.copy(deep=False)
        bare.attrs = {}  # an element's are no JSON, which pyarrow would make of them
        bare.index = pd.RangeIndex(len(bare))  # others may be no column of a file
        bare.columns = [str(name) for name in bare.columns]
        frame, parts = None, [bare.iloc[i : i + ROWS] for i in range(0, len(bare), ROWS)]
        n_rows: int | None = len(bare)
        meta, text = bare.iloc[:_LOOK], "a pandas frame"
    elif isinstance(points, dd.DataFrame):
        frame, parts, n_rows = points, [*range(points.npartitions)], None
        meta, text = points._meta, "a dask frame"
    elif isinstance(points, ds.Dataset) and not isinstance(points, ds.InMemoryDataset):
        return _of_dataset(points, "a pyarrow Dataset")
    elif isinstance(points, pa.Table | pa.RecordBatch | ds.InMemoryDataset):
        if isinstance(points, pa.RecordBatch):
            points = pa.Table.from_batches([points])
        table = points if isinstance(points, pa.Table) else points.to_table()
        parts = [
            _Part(table.slice(i, ROWS), table.schema, i) for i in range(0, table.num_rows, ROWS)
        ]
        return Source("a pyarrow Table", table.schema, parts, n_rows=table.num_rows)
    else:
        raise TypeError(f"points is {type(points).__name__}. {_GIVE}")
    systems = key = None
    if elements.is_points(points):
        text, systems = "a points element", elements.systems_of(points)
        key = elements.feature_key_of(points)
    return Source(text, _schema_of(meta), parts, frame, key, systems, n_rows)


def _schema_of(meta: pd.DataFrame) -> pa.Schema:
    """Types of columns of a frame; null of objects that nothing is known of, as in no rows."""
    fields = []
    for at, name in enumerate(meta.columns):
        column = meta.iloc[:, at]
        try:
            kind = pa.array(column, from_pandas=True).type
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
            kind = pa.null()
        fields.append(pa.field(str(name), kind))
    return pa.schema(fields)


def _of_path(path: Path, numbers: Iterable[str], texts: Iterable[str]) -> Source:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; give a file of transcripts.")
    with reading(path, "Give a Parquet file, a folder of such, or a CSV file of transcripts."):
        if _CSV.search(path.name):
            names = ds.dataset(path, format="csv").schema.names
            kinds = {name: pa.string() for name in names}  # the first rows do not tell of others
            kinds |= {name: pa.float64() for name in numbers if name in names}
            kinds |= {IS_GENE: pa.bool_()} if IS_GENE in names else {}
            options = pa.csv.ConvertOptions(
                column_types=kinds, strings_can_be_null=True, null_values=[""]
            )
            dataset = ds.dataset(path, format=ds.CsvFileFormat(convert_options=options))
        else:
            dataset = ds.dataset(path, format="parquet")
            coded = [key for key in texts if _is_text(dataset.schema, key)]
            layout = ds.ParquetFileFormat(dictionary_columns=coded)  # so that names are read once
            dataset = ds.dataset(path, format=layout)
        return _of_dataset(dataset, str(path))


def check_parts(source: Source, columns: list[str]) -> None:
    """Refuse files of which one has not all the columns that are needed.

    Raises
    ------
    ValueError
        It names the file.
    """
    for path, part in {_path_of(part.data): part for part in _files(source)}.items():
        known = {*part.data.physical_schema.names}
        known |= {*ds.get_partition_keys(part.data.partition_expression)}
        missing = [name for name in columns if name not in known]
        if missing:
            raise ValueError(
                f"{path} has no column {missing[0]!r}, which other files beside it have: leave the "
                "file out, or write it anew."
            )


def _files(source: Source) -> list[_Part]:
    return [
        part
        for part in source.parts
        if isinstance(part, _Part) and isinstance(part.data, ds.FileFragment)
    ]


def _is_text(schema: pa.Schema, name: str) -> bool:
    at = schema.get_field_index(name)
    if at < 0:
        return False
    kind = schema.field(at).type
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def _of_dataset(dataset: ds.Dataset, text: str) -> Source:
    """Its fragments in the order of their names, numbers in them as such; cut by row groups."""
    try:
        fragments = [*dataset.get_fragments()]
    except ValueError as error:
        raise ValueError(f"the Dataset has no files: {error} Give it as .to_table().") from error
    fragments = sorted(fragments, key=lambda part: _natural(_path_of(part)))
    parts: list[_Part] = []
    n_rows: int | None = 0
    for fragment in fragments:
        if n_rows is None or not isinstance(fragment, ds.ParquetFileFragment):
            parts.append(_Part(fragment, dataset.schema, n_rows or 0))
            n_rows = None
            continue
        for part, n in _by_row_groups(fragment):
            parts.append(_Part(part, dataset.schema, n_rows))
            n_rows += n
    files = tuple(map(_path_of, fragments))
    return Source(text, dataset.schema, parts, n_rows=n_rows if fragments else 0, files=files)


def _by_row_groups(
    fragment: ds.ParquetFileFragment,
) -> Iterator[tuple[ds.ParquetFileFragment, int]]:
    """Parts of a file of up to `ROWS` rows, more where a row group has, and their rows.

    A part does not tell: the `count_rows` of each is that of the file, once pyarrow has read that.
    """
    ids: list[int] = []
    n_rows = 0
    for group in fragment.row_groups:
        if ids and n_rows + group.num_rows > ROWS:
            yield fragment.subset(row_group_ids=ids), n_rows
            ids, n_rows = [], 0
        ids.append(group.id)
        n_rows += group.num_rows
    if ids:
        yield fragment.subset(row_group_ids=ids), n_rows


def _path_of(fragment: Any) -> str:
    return str(getattr(fragment, "path", ""))


def _natural(text: str) -> list[tuple[int, str]]:
    """A key to sort by, with part.2 before part.10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def parts_with(source: Source, columns: list[str]) -> list[Any]:
    """The parts, of a dask frame such that it need not read other columns."""
    return source.parts if source.frame is None else source.frame[columns].to_delayed()


class _Part(NamedTuple):
    """A part of a file or of an Arrow table.

    Attributes
    ----------
    data : Fragment or Table
        Its rows.
    schema : Schema
        The columns of the whole.
    first : int
        How many rows come before it, if that is known.
    """

    data: ds.Fragment | pa.Table
    schema: pa.Schema
    first: int

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Some columns, as they are read."""
        if isinstance(self.data, pa.Table):
            return iter(self.data.select(columns).to_batches())
        scanner = self.data.scanner(
            self.schema, columns=columns, batch_size=ROWS, use_threads=False, batch_readahead=1
        )
        return iter(scanner.to_batches())

    def table(self) -> pa.Table:
        """All of it."""
        if isinstance(self.data, pa.Table):
            return self.data
        return self.data.to_table(schema=self.schema, use_threads=False)


def tables(part: Any, columns: list[str]) -> Iterator[pa.Table]:
    """Read some columns of a part, as tables of up to `ROWS` rows."""
    if isinstance(part, pd.DataFrame):
        frame = part[columns]
        frame.attrs = {}  # pyarrow would write an element's transformations, and cannot
        for i in range(0, max(1, len(frame)), ROWS):  # of no rows too: it may have categories
            yield pa.Table.from_pandas(frame.iloc[i : i + ROWS], preserve_index=False)
        return
    with reading(Path(_path_of(part.data)), _DAMAGED):
        waiting: list[pa.RecordBatch] = []
        for batch in part.batches(columns):
            if waiting and sum(one.num_rows for one in (*waiting, batch)) > ROWS:
                yield pa.Table.from_batches(waiting)
                waiting = []
            waiting.append(batch)
        if waiting:
            yield pa.Table.from_batches(waiting)


def as_frame(part: Any) -> pd.DataFrame:
    """Read all columns of a part; its rows have the numbers that they have in the whole."""
    if isinstance(part, pd.DataFrame):
        return part
    with reading(Path(_path_of(part.data)), _DAMAGED):
        table = part.table()
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    frame = frame.drop(columns=_ROW_NUMBER, errors="ignore")  # dask would not write it again
    frame.index = pd.RangeIndex(part.first, part.first + len(frame))
    return frame


def empty_part(source: Source) -> pd.DataFrame | _Part:
    """A part without rows, of the kind that the others are."""
    if source.frame is not None:
        return source.frame._meta
    if source.parts and isinstance(source.parts[0], pd.DataFrame):
        return source.parts[0].iloc[:0]
    return _Part(source.schema.empty_table(), source.schema, 0)


def each_part(
    source: Source, task: Callable[..., pd.DataFrame], shared: Delayed, meta: pd.DataFrame
) -> dd.DataFrame:
    """Make a lazy frame of ``task(part, shared)`` of each part."""
    if source.frame is not None:
        return source.frame.map_partitions(task, shared, meta=meta)
    parts = [delayed(task, pure=False)(part, shared) for part in source.parts]
    return dd.from_delayed(parts, meta=meta, verify_meta=False)
