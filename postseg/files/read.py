"""Read a label image from the file formats that segmentation tools write."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from postseg._support.atomic import is_store
from postseg._support.reading import ACCEPTED, choose, reading
from postseg.elements.pixels import read_labels_element
from postseg.files.whole_files import check_png, check_whole, first_series
from postseg.raster.label_image import LabelImage, check_picture, refuse_colour
from postseg.tiles.store import is_stored


def read_label_image(
    path: str | Path, *, element: str | None = None, allow_pickle: bool = False
) -> LabelImage:
    """Read a label image from a file or a SpatialData store.

    Parameters
    ----------
    path : str or Path
        A ``.npy`` (opened as a read-only memory map), ``.npz``, ``.tif``, ``.tiff`` or grey
        ``.png`` file, or a SpatialData ``.zarr`` store.
    element : str, optional
        Name of the labels element of a store (its finest scale is read) or of the array of an
        ``.npz``. Needed when there are several.
    allow_pickle : bool, default False
        Read pickled NumPy files, such as the ``_seg.npy`` of Cellpose. Unpickling runs code from
        the file: allow it only for files that you trust.

    Returns
    -------
    numpy.ndarray or dask.array.Array
        The array as stored, lazy for a large one of a store; its values are not checked here. It
        does not tell where it lies: of a store, take ``spatialdata.read_zarr(path)[element]`` for
        the masks, and the cells will lie where these do.
        A chunk that a store has no file of is background; strips or tiles that a TIFF lacks, and
        rows that a PNG lacks, are errors.

    Raises
    ------
    OSError
        The file is missing, a folder, unreadable or damaged.
    ValueError
        The file is no label image, which array is meant is not clear, or reading it runs code.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist. {ACCEPTED}")
    if is_store(path):
        return read_labels_element(path, element)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder and not a Zarr store. {ACCEPTED}")
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise ValueError(f"{path} has the suffix {suffix!r}, which is not read. {ACCEPTED}")
    if element is not None and suffix != ".npz":
        raise ValueError(
            f"{path} holds one image, so there is no element {element!r} to choose. "
            "Leave the element out: it is for .npz files and .zarr stores."
        )
    return _READERS[suffix](path, element, allow_pickle)


def read_masks(path: Path, *, element: str | None = None, allow_pickle: bool = False) -> Any:
    """As `read_label_image`, but a labels element of a store comes with its place."""
    if not is_store(path):
        return read_label_image(path, element=element, allow_pickle=allow_pickle)
    from postseg.elements.store import read_labels

    return read_labels(path, element)


def _read_npy(path: Path, element: None, allow_pickle: bool) -> np.ndarray:
    with reading(path), path.open("rb") as file:
        pickled = _npy_header(file)[1].hasobject
    if not pickled:
        with reading(path):
            image: np.ndarray = np.load(path, mmap_mode="r")
        return image
    _refuse_pickle(path, allow_pickle)
    with reading(path):
        content = np.load(path, allow_pickle=True)
    content = content.item() if content.ndim == 0 else content
    if isinstance(content, dict):
        if "masks" not in content:
            raise ValueError(
                f"{path} has no entry 'masks'. It has: {', '.join(map(str, content))}."
            )
        content = content["masks"]
    return np.asarray(content)


def _read_npz(path: Path, element: str | None, allow_pickle: bool) -> np.ndarray:
    if is_stored(path):
        raise ValueError(
            f"{path} is one of the tiles that a Slide stored, and they are merged first: postseg "
            f"merge {path.parent}, or Slide.open({str(path.parent)!r})."
        )
    # opened here, because numpy leaves a damaged archive open
    with reading(path), path.open("rb") as raw, np.load(raw) as archive:
        headers = {}
        for name in archive.files:
            with archive.zip.open(f"{name}.npy") as file:
                headers[name] = _npy_header(file)
    names = list(headers)
    if element is None and len(names) > 1:
        usual = [name for name in names if name in ("labels", "masks")]
        flat = [name for name in names if len(headers[name][0]) == 2]
        names = next((found for found in (usual, flat) if len(found) == 1), names)
    name = choose(path, "array", names, element)
    shape, dtype = headers[name]
    if dtype.hasobject:
        _refuse_pickle(path, allow_pickle)
    with (
        reading(path),
        path.open("rb") as raw,
        np.load(raw) as archive,
        archive.zip.open(f"{name}.npy") as file,
    ):
        held = archive.zip.getinfo(f"{name}.npy").file_size
        if not dtype.hasobject and math.prod(shape) * dtype.itemsize > held:
            raise OSError(f"{name} declares more pixels than its {held:,} bytes can be")
        image: np.ndarray = np.lib.format.read_array(file, allow_pickle=allow_pickle)
        if file.read(1):  # at the end the checksum is compared, too
            raise OSError(f"{name} holds more than the pixels that it declares")
    return image


def _npy_header(file: BinaryIO | Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of an array on disk, without reading or unpickling it."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read = np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _refuse_pickle(path: Path, allow_pickle: bool) -> None:
    if not allow_pickle:
        raise ValueError(
            f"{path} is pickled, and reading it runs code from the file. "
            "If you trust where it comes from, allow it with allow_pickle (--allow-pickle)."
        )


def _read_tiff(path: Path, element: None, allow_pickle: bool) -> np.ndarray:
    import tifffile

    with reading(path), tifffile.TiffFile(path) as tiff:
        # the first series at full resolution: the reduced levels of a pyramid belong to it
        shape = first_series(tiff).shape
        photometric = tiff.pages.first.photometric
        count = len(tiff.series)
    grey = tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE
    # ImageJ stores 8-bit label images with a colour table: the values are still the labels
    if photometric not in (*grey, tifffile.PHOTOMETRIC.PALETTE):
        refuse_colour(path, getattr(photometric, "name", str(photometric)))
    if count > 1 or sum(length > 1 for length in shape) > 2:
        pages = f"{count} images" if count > 1 else f"the shape {' x '.join(map(str, shape))}"
        raise ValueError(f"{path} has {pages}, but a label image is 2-D only. Save one plane.")
    with reading(path):
        with tifffile.TiffFile(path) as tiff:
            check_whole(first_series(tiff).levels[0])
        image: np.ndarray = tifffile.imread(path, series=0, level=0)
        if image.size != math.prod(shape):  # of a type that tifffile does not know
            raise OSError(f"the shape {shape} is declared, but {image.shape} is there")
    return image


def _read_png(path: Path, element: None, allow_pickle: bool) -> np.ndarray:
    from PIL.PngImagePlugin import PngImageFile

    with reading(path):
        check_png(path)
        picture = PngImageFile(path)  # not Image.open: it refuses images of the size of a slide
    with picture:
        check_picture(path, picture)
        with reading(path):
            return np.asarray(picture)


_Reader: TypeAlias = Callable[[Path, Any, bool], np.ndarray]
_READERS: dict[str, _Reader] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".tif": _read_tiff,
    ".tiff": _read_tiff,
    ".png": _read_png,
}
