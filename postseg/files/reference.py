"""The image that masks are of, as a command line names it: an element of a store, or a file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from postseg._support.atomic import is_store
from postseg._support.reading import reading

if TYPE_CHECKING:
    import xarray as xr

_KINDS = ("images", "labels")  # folders of a store


def file_of(reference: str, source: Path, kinds: Collection[str] = _KINDS) -> Path:
    """The file or store that a reference is read from; `source` is what the masks are from.

    `kinds` are the folders of a store that it may be in.
    """
    path = Path(reference)
    if path.parent.name in kinds and is_store(path.parents[1]):
        return path.parents[1]
    return source if not path.exists() and is_store(source) else path


def read_reference(reference: str, source: Path) -> xr.DataArray | xr.DataTree:
    """Open the element whose pixels are those of the microscope image.

    Parameters
    ----------
    reference : str
        The name of an image or labels element of the store `source`; the path of one of another
        store, such as ``slide.zarr/images/he``; or a TIFF file, which tells the shape only: masks
        that are an element keep their place, pixels of others are those of ``"global"``.
    source : Path
        What the masks are read from.

    Raises
    ------
    OSError
        There is no such file, or it is damaged.
    ValueError
        There is no such element, or the file is no TIFF.
    """
    from postseg.elements import build, store

    path = file_of(reference, source)
    if is_store(path):
        return store.read_raster(path, Path(reference).name)
    if not path.exists():
        raise FileNotFoundError(
            f"{reference} does not exist. Give an image or labels element of the store that the "
            "masks are from, SLIDE.zarr/images/NAME of another, or a TIFF file."
        )
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"{reference} is neither an element of a store nor a TIFF file.")
    return build.blank(_shape_of(path))


def _shape_of(path: Path) -> tuple[int, int]:
    """Rows and columns of the first image of a TIFF file, at full resolution."""
    import tifffile

    with reading(path), tifffile.TiffFile(path) as tiff:
        series = tiff.series[0].levels[0]
        sizes = dict(zip(series.axes, series.shape, strict=True))
        return int(sizes["Y"]), int(sizes["X"])
