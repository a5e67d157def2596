"""Write the cells for other programs: one writer per format, chosen by the end of a file's name.

Polygons are written in the coordinate system ``"image"``: full-resolution pixels, y down, the
tile at its origin. Their id is everywhere the label value.
"""

from __future__ import annotations

import re
import uuid
import warnings
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from postseg._support.atomic import replacing
from postseg._support.words import counted

if TYPE_CHECKING:
    import dask.array as da
    import geopandas as gpd
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from postseg.geometry.placement import Matrix

FORMULA = re.compile(r"^[=+\-@\t\r]")  # how it begins; show/page/templates/report.js has the same
_FEATURES = 10_000  # written at a time
_ROUNDING = 1e-9  # of areas, relative


class Cells(NamedTuple):
    """What there is to write.

    Attributes
    ----------
    labels : dask.array.Array, shape (rows, columns)
        Label image at full resolution, lazy.
    shapes : GeoDataFrame
        The shapes element: one Polygon or MultiPolygon per cell, indexed by label.
    to_image : (3, 3) array
        Its map to the coordinate system ``"image"``.
    regions : DataFrame
        The audit table: every region that was found, rejected or not, indexed by ``region``.
    tile : str
        Tells this tile from others.
    """

    labels: da.Array
    shapes: gpd.GeoDataFrame
    to_image: Matrix
    regions: pd.DataFrame
    tile: str


def format_of(path: str | PathLike[str]) -> str:
    """Find the format that the end of a file's name stands for.

    Returns
    -------
    str
        A key of `FORMATS`.

    Raises
    ------
    ValueError
        When it stands for none.
    """
    name = Path(path).name.lower()
    # the longest first: a name in regions.parquet ends in .parquet too
    for ending in sorted(FORMATS, key=len, reverse=True):
        if name.endswith(ending):
            return ending
    known = ", ".join(f"{ending} ({form.text})" for ending, form in FORMATS.items())
    raise ValueError(f"{path} has no suffix that postseg writes. Choose one of: {known}.")


def export(path: str | PathLike[str], cells: Cells, overwrite: bool = False) -> None:
    """Write the file, completely or not at all.

    Parameters
    ----------
    path : path
        Its name ends as one of `FORMATS` other than ``.zarr``.
    cells : Cells
        What to write.
    overwrite : bool
        Replace an existing file, once the new one is complete.

    Raises
    ------
    OSError
        The path exists, its folder is missing or not writable, or the disk is full.
    """
    write = FORMATS[format_of(path)].write
    assert write is not None  # as the docstring asks for
    with replacing(path, overwrite) as part:
        write(part, cells)


def _write_geojson(path: Path, cells: Cells) -> None:
    """One feature per cell, in a file that QuPath and Xenium Ranger read alike.

    - QuPath (``PathObjectTypeAdapters`` of its source): ``properties.objectType`` "cell" makes a
      feature a cell, ``properties.name`` names it, and an ``id`` is kept if it is a UUID.
      Coordinates are pixels of the full image, y down.
    - Xenium Ranger ("Segmentation inputs" in its manual): a ``FeatureCollection`` with ids like
      QuPath's, of which it takes features with ``objectType`` "cell" only, and of those the
      ``geometry`` as the cell, and as the nucleus too where there is no ``nucleusGeometry``.
    - Space Ranger (``FeatureCollectionGeoJson`` of its source) refuses a collection that has
      members such as ``name`` or ``crs``, which GDAL writes. So there are none.

    An id is a UUID, the same in every run, whose last 12 digits are the label: its other digits
    differ from tile to tile, so that QuPath can hold the tiles of a slide together.
    ``properties.label`` has the label as a number.

    A cell is a ``Polygon`` of one ring: what the manual of Xenium Ranger shows, which tells of
    neither holes nor parts.
    """
    import shapely

    tile_digits = str(uuid.uuid5(uuid.NAMESPACE_OID, f"postseg {cells.tile}"))[:24]
    labels = cells.shapes.index.to_numpy()
    geometry, n_lossy = _outer_rings(_geometry_in_image(cells))
    if n_lossy:
        warnings.warn(
            f"{counted(n_lossy, 'cell')} lost holes or parts: in GeoJSON a cell is one outer ring, "
            "that of its largest part. GeoParquet and a SpatialData store keep all.",
            stacklevel=4,  # export, PostSegmentation.export
        )
    with path.open("w", encoding="utf-8") as file:
        file.write('{"type":"FeatureCollection","features":[')
        for first in range(0, labels.size, _FEATURES):
            some = slice(first, first + _FEATURES)
            features = [
                f'{{"type":"Feature","id":"{tile_digits}{label:012d}","geometry":{polygon},'
                f'"properties":{{"objectType":"cell","name":"cell_{label}","label":{label}}}}}'
                for label, polygon in zip(
                    labels[some].tolist(), shapely.to_geojson(geometry[some]), strict=True
                )
            ]
            file.write(",\n" if first else "\n")
            file.write(",\n".join(features))
        file.write("\n]}\n")


def _outer_rings(geometry: NDArray[np.object_]) -> tuple[NDArray[np.object_], int]:
    """The outer ring of each cell's largest part, the first of equals; how many lost something."""
    import numpy as np
    import shapely

    is_one = shapely.get_type_id(geometry) == shapely.GeometryType.POLYGON
    other = np.flatnonzero(~is_one | (shapely.get_num_interior_rings(geometry) > 0))
    if not other.size:
        return geometry, 0
    parts, cell = shapely.get_parts(geometry[other], return_index=True)
    area = shapely.area(parts)
    largest = np.zeros(other.size)
    np.maximum.at(largest, cell, area)
    # parts of as many pixels may differ by the rounding of where they lie
    candidate = np.flatnonzero(area >= largest[cell] * (1 - _ROUNDING))
    cells, first = np.unique(cell[candidate], return_index=True)
    chosen = parts[candidate[first]]
    lossy = (np.bincount(cell)[cells] > 1) | (shapely.get_num_interior_rings(chosen) > 0)
    rings = geometry.copy()
    rings[other[cells]] = shapely.polygons(shapely.get_exterior_ring(chosen))
    return rings, int(lossy.sum())


def _write_geoparquet(path: Path, cells: Cells) -> None:
    """Polygons with the audit rows of the survivors."""
    import geopandas as gpd

    from postseg.elements.parquet import write_parquet
    from postseg.elements.table import INSTANCE_KEY, cell_rows

    columns = {"region": cells.shapes["region"].to_numpy(), "geometry": _geometry_in_image(cells)}
    polygons = gpd.GeoDataFrame(columns, index=cells.shapes.index.rename(INSTANCE_KEY))
    rows = cell_rows(cells.regions).set_index(INSTANCE_KEY)
    write_parquet(path, polygons.join(rows))


def _geometry_in_image(cells: Cells) -> NDArray[np.object_]:
    import shapely

    from postseg.geometry.placement import transform

    shapes = cells.shapes.geometry.to_numpy()
    return shapely.transform(shapes, lambda xy: transform(xy, cells.to_image))


def _write_regions_parquet(path: Path, cells: Cells) -> None:
    # index=True: as a column of the file, for readers that do not know pandas
    cells.regions.to_parquet(path, engine="pyarrow", index=True)


def _write_regions_csv(path: Path, cells: Cells) -> None:
    regions = cells.regions.rename(columns=_plain)
    for name in regions.select_dtypes(exclude=["number", "bool"]):
        regions[name] = regions[name].map(_plain)
    # the name may be a link to one that pandas would take for a compressed file
    regions.to_csv(path, compression=None)


def _plain(value: Any) -> Any:
    """With an apostrophe before text that a spreadsheet would take for a formula."""
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def _write_tiff(path: Path, cells: Cells) -> None:
    from postseg.files.tiff import write_label_image

    write_label_image(path, cells.labels)


class Format(NamedTuple):
    """What the end of a file's name stands for: for people, and who writes it."""

    text: str
    write: Callable[[Path, Cells], None] | None


FORMATS = {
    # not a file: `PostSegmentation.write`
    ".zarr": Format("SpatialData store of labels, shapes and table", None),
    ".geojson": Format("polygons for QuPath and Xenium Ranger", _write_geojson),
    ".parquet": Format("polygons as GeoParquet", _write_geoparquet),
    ".geoparquet": Format("polygons as GeoParquet", _write_geoparquet),
    "regions.parquet": Format("audit table as Parquet", _write_regions_parquet),
    ".csv": Format("audit table as CSV", _write_regions_csv),
    ".tif": Format("label image as BigTIFF", _write_tiff),
    ".tiff": Format("label image as BigTIFF", _write_tiff),
}
