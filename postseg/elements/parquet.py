"""Polygons as GeoParquet, written a batch of rows at a time: their WKB is as large as they are."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from postseg._support.progress import counter
from postseg._support.threads import n_threads

if TYPE_CHECKING:
    import geopandas as gpd

ROWS = 1 << 14  # of a batch, which is a row group of the file


def write_parquet(path: Path, polygons: gpd.GeoDataFrame) -> None:
    """Write what ``polygons.to_parquet(path)`` would, but in memory that follows a batch.

    Parameters
    ----------
    path : Path
        The file.
    polygons : GeoDataFrame
        With an index of labels. Its attrs are left out.
    """
    plain = polygons.copy(deep=False)
    plain.attrs = {}
    if len(plain) <= ROWS:
        plain.to_parquet(path, index=True)
        return
    starts, threads = range(0, len(plain), ROWS), n_threads()
    done = counter("Writing polygons", len(starts))

    def convert(first: int) -> pa.Table:
        return pa.table(plain.iloc[first : first + ROWS].to_arrow(index=True))

    with (
        pq.ParquetWriter(path, _schema(plain), compression="snappy") as writer,
        ThreadPoolExecutor(threads, thread_name_prefix="postseg") as pool,
    ):
        for i in range(0, len(starts), threads):  # no more of them at a time than are converted
            for table in pool.map(convert, starts[i : i + threads]):
                writer.write_table(table)
                done(1)


def _schema(polygons: gpd.GeoDataFrame) -> pa.Schema:
    """That of geopandas, which writes one of what it is given: so of some, and told of all."""
    written = io.BytesIO()
    polygons.iloc[:1].to_parquet(written, index=True)
    schema = pq.read_schema(written)
    about = json.loads(schema.metadata[b"geo"])
    geometry = about["columns"][about["primary_column"]]
    geometry["bbox"] = polygons.total_bounds.tolist()
    geometry["geometry_types"] = sorted(polygons.geom_type.unique())
    return schema.with_metadata({**schema.metadata, b"geo": json.dumps(about).encode()})
