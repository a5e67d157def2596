"""Read a microscope image, to draw on or to measure intensities in."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from postseg._support.reading import reading
from postseg.files.whole_files import check_png, check_whole, first_series
from postseg.show.view import COLOURS, channels_last

_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npy")


def read_tissue(path: Path) -> NDArray[np.generic]:
    """Read a grey or RGB image, colours last.

    Parameters
    ----------
    path : Path
        A ``.png``, ``.jpg``, ``.tif`` (its first series, finest level) or ``.npy`` file.

    Raises
    ------
    OSError
        The file is missing or damaged.
    ValueError
        It has another suffix, or is no 2-D image.
    """
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise ValueError(
            f"{path} has the suffix {suffix!r}; a microscope image is read from: "
            f"{', '.join(_SUFFIXES)}."
        )
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    with reading(path):
        image = _read(path, suffix)
    image = channels_last(image)
    if image.ndim != 2 and (image.ndim != 3 or image.shape[2] not in COLOURS):
        raise ValueError(
            f"{path} has the shape {image.shape}, which is neither a grey nor an RGB image. Save "
            "one channel, or three, of one plane."
        )
    return image


def read_channels(path: Path) -> NDArray[np.generic]:
    """Read the same, colours first."""
    image = read_tissue(path)
    return image if image.ndim == 2 else np.moveaxis(image, -1, 0)


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
