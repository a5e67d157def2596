"""The image that masks are of: an element of a store, or a file that tells its shape."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from postseg._support.reading import reading
from postseg.files.named import Named

if TYPE_CHECKING:
    import xarray as xr


def read_reference(reference: Named) -> xr.DataArray | xr.DataTree:
    """Open the element whose pixels are those of the microscope image.

    Parameters
    ----------
    reference : Named
        An image or labels element, or a TIFF file, which tells the shape only: masks that are an
        element keep their place, pixels of others are those of ``"global"``.

    Raises
    ------
    OSError
        There is no such file, or it is damaged.
    ValueError
        There is no such element, or the file is no TIFF.
    """
    from postseg.elements import build, store

    if reference.element is not None:
        return store.read_raster(reference.path, reference.element, reference.kinds)
    reference.check_exists("a TIFF file")
    if reference.path.suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"{reference} is neither an element of a store nor a TIFF file.")
    return build.blank(_shape_of(reference.path))


def _shape_of(path: Path) -> tuple[int, int]:
    """Rows and columns of the first image of a TIFF file, at full resolution."""
    import tifffile

    with reading(path), tifffile.TiffFile(path) as tiff:
        series = tiff.series[0].levels[0]
        sizes = dict(zip(series.axes, series.shape, strict=True))
        return int(sizes["Y"]), int(sizes["X"])
