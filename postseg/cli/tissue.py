"""Read a microscope image, to draw on or to measure intensities in."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postseg._support.reading import reading
from postseg.files.named import Named
from postseg.files.whole_files import check_png, check_whole, first_series
from postseg.show.view import COLOURS, channels_last

_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npy")


def read_tissue(image: Named) -> Any:
    """Read a grey or RGB image, colours last, or open an image element of a store.

    Parameters
    ----------
    image : Named
        An image element, or a ``.png``, ``.jpg``, ``.tif`` (its first series, finest level) or
        ``.npy`` file.

    Returns
    -------
    array, DataArray or DataTree
        What `show.view.as_tissue` takes.

    Raises
    ------
    OSError
        The file is missing or damaged.
    ValueError
        It has another suffix, is no 2-D image, or there is no such element.
    """
    opened = _open(image)
    if not isinstance(opened, np.ndarray):
        return opened
    tissue = channels_last(opened)
    if tissue.ndim != 2 and (tissue.ndim != 3 or tissue.shape[2] not in COLOURS):
        raise ValueError(
            f"{image} has the shape {tissue.shape}, which is neither a grey nor an RGB image. Save "
            "one channel, or three, of one plane."
        )
    return tissue


def read_channels(image: Named) -> Any:
    """Read or open the same, or an image of any number of channels; channels come first."""
    opened = _open(image)
    if isinstance(opened, np.ndarray) and opened.ndim == 3 and opened.shape[2] in COLOURS:
        return opened if opened.shape[0] in COLOURS else np.moveaxis(opened, -1, 0)
    return opened


def _open(image: Named) -> Any:
    path, suffix = image.path, image.path.suffix.lower()
    if image.element is not None:
        from postseg.elements.store import read_raster

        return read_raster(path, image.element, image.kinds)
    if suffix not in _SUFFIXES:
        raise ValueError(
            f"{path} has the suffix {suffix!r}; a microscope image is read from: "
            f"{', '.join(_SUFFIXES)}, or an image element of a .zarr store."
        )
    image.check_exists(f"a file of {', '.join(_SUFFIXES)}")
    with reading(path):
        return _read(path, suffix)


def _read(path: Path, suffix: str) -> NDArray[np.generic]:
    if suffix == ".npy":
        image: NDArray[np.generic] = np.load(path, mmap_mode="r")
        return image
    if suffix in (".tif", ".tiff"):
        import tifffile

        with tifffile.TiffFile(path) as tiff:
            check_whole(first_series(tiff).levels[0])
        return np.asarray(tifffile.imread(path, series=0, level=0))
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile

    if suffix == ".png":
        check_png(path)
    # not Image.open: it refuses or warns about images of the size of a slide
    with (PngImageFile if suffix == ".png" else JpegImageFile)(path) as picture:
        grey = picture.mode in ("1", "L", "I", "I;16", "F")
        return np.asarray(picture if grey else picture.convert("RGB"))
