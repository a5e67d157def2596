"""Points as Parquet, one file for each partition, in one pass over them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    import dask.dataframe as dd
    from dask.delayed import Delayed

FILES = "points.parquet"  # in the folder of an element
TASK = "_write_points"  # by which the names of the tasks begin that write a file


def empty(points: dd.DataFrame) -> dd.DataFrame:
    """A points element without a point, but with all that is to be said of these."""
    import dask.dataframe as dd

    meta = points._meta.iloc[:0]
    meta.attrs = {}
    element = dd.from_pandas(meta, npartitions=1)
    element.attrs.update(points.attrs)
    return element


def parts(points: dd.DataFrame, folder: Path) -> list[Delayed]:
    """Tasks that write the partitions to ``part.<number>.parquet`` in a folder that is there.

    SpatialData's own files are the same, but first it computes the categories that dask does not
    know of, which are those of whatever was read from a file, and all else that the points are
    made of with them. Here each file has its own, with numbers that are wide enough for all.
    """
    from dask.delayed import delayed

    meta = points._meta.iloc[:0]
    meta.attrs = {}
    schema = pa.Schema.from_pandas(meta, preserve_index=True).remove_metadata()
    return [
        delayed(_write_points)(part, schema, folder / f"part.{i}.parquet")
        for i, part in enumerate(points.to_delayed())
    ]


def _write_points(part: pd.DataFrame, schema: pa.Schema, path: Path) -> None:
    part = part.copy(deep=False)
    part.attrs = {}  # pyarrow writes them too, but knows no transformations
    for i, field in enumerate(schema):
        if pa.types.is_dictionary(field.type):
            column = part[field.name].cat
            values = _type_of(column.categories)
            schema = schema.set(
                i, field.with_type(pa.dictionary(pa.int32(), values, column.ordered))
            )
        elif pa.types.is_null(field.type):
            schema = schema.set(i, field.with_type(pa.string()))  # as dask says of objects
    table = pa.Table.from_pandas(part, schema, preserve_index=True, nthreads=1)
    pq.write_table(table, path, compression="snappy")


def _type_of(categories: pd.Index) -> pa.DataType:
    """One of all partitions: a pandas index of text may be of several types, and so one of none."""
    found = pa.Array.from_pandas(categories).type
    text = pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_null(found)
    return pa.string() if text else found
