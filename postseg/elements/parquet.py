"""Polygons as GeoParquet, written a batch of rows at a time: their WKB is as large as they are."""

from __future__ import annotations

import io
import json
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from postseg._support.progress import counter

if TYPE_CHECKING:
    import geopandas as gpd

ROWS = 1 << 13  # of a batch, which is a row group of the file
_ONE_RING = b"\x01\x03\0\0\0\x01\0\0\0"  # little endian, a polygon, of one ring
_POINT = 16  # bytes


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
    schema, starts = _schema(plain), range(0, len(plain), ROWS)
    done = counter("Writing polygons", len(starts))
    with (
        pq.ParquetWriter(path, schema, compression="snappy") as writer,
        ThreadPoolExecutor(1, thread_name_prefix="postseg") as pool,
    ):
        written: Future[Any] = pool.submit(int)  # nothing yet
        for first in starts:  # each is made while the one before is compressed
            table = _as_table(plain.iloc[first : first + ROWS], schema)
            written.result()
            written = pool.submit(writer.write_table, table)
            done(1)
        written.result()


def _schema(polygons: gpd.GeoDataFrame) -> pa.Schema:
    """That of geopandas, which tells what it writes: of one, and what it would tell of all."""
    first = io.BytesIO()
    polygons.iloc[:1].to_parquet(first, index=True)
    schema = pq.read_schema(first)
    about = json.loads(schema.metadata[b"geo"])
    geometry = about["columns"][about["primary_column"]]
    geometry["bbox"] = polygons.total_bounds.tolist()
    geometry["geometry_types"] = sorted(polygons.geom_type.dropna().unique())
    return schema.with_metadata({**schema.metadata, b"geo": json.dumps(about).encode()})


def _as_table(polygons: gpd.GeoDataFrame, schema: pa.Schema) -> pa.Table:
    name = polygons.geometry.name
    place = schema.get_field_index(name)
    others = pd.DataFrame(polygons.drop(columns=name))
    table = pa.Table.from_pandas(others, schema.remove(place), preserve_index=True)
    return table.add_column(place, schema.field(place), _as_wkb(polygons.geometry.to_numpy()))


def _as_wkb(geometry: NDArray[np.object_]) -> pa.Array:
    """Geometries as WKB; rings alone, as cells are, without a Python object for each.

    shapely makes one that is as large as the polygon, in five times the time.
    """
    kind = shapely.get_type_id(geometry)
    plain = (kind == shapely.GeometryType.POLYGON) & (shapely.get_num_interior_rings(geometry) == 0)
    if not plain.all() or shapely.is_empty(geometry).any() or shapely.has_z(geometry).any():
        return pa.array(shapely.to_wkb(geometry, flavor="iso"), pa.binary())
    _, xy, (ends, _) = shapely.to_ragged_array(geometry)
    coordinates = memoryview(np.ascontiguousarray(xy, "<f8").tobytes())
    sizes = np.diff(ends)
    parts = []
    for first, last in pairwise(ends.tolist()):
        parts.append(_ONE_RING + (last - first).to_bytes(4, "little"))
        parts.append(coordinates[_POINT * first : _POINT * last])
    length = len(_ONE_RING) + 4 + _POINT * sizes
    offsets = np.concatenate(([0], np.cumsum(length))).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(parts))]
    return pa.Array.from_buffers(pa.binary(), len(sizes), buffers)
