"""The pixels of the labels of a store, read through Zarr itself once their metadata are checked."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from postseg._support.reading import choose, reading
from postseg._support.safe_zarr import checked, open_root
from postseg.raster.label_image import LabelImage

if TYPE_CHECKING:
    import dask.array as da

_IN_MEMORY = 1 << 30  # bytes: larger images of a store are read block by block
_CHUNKS = 1 << 24  # more of them no one can work with, and even listing them fills the memory


def read_labels_element(path: str | Path, element: str | None = None) -> LabelImage:
    """Read the finest scale of a labels element of a SpatialData store.

    Parameters
    ----------
    path : str or Path
        The store.
    element : str, optional
        Name of the element; may be left out when there is only one.

    Returns
    -------
    numpy.ndarray or dask.array.Array
        The labels as stored; lazy where they are larger than 1 GB. Chunks without a file are
        background: so Zarr stores empty ones.

    Raises
    ------
    OSError
        The store or the element is damaged.
    ValueError
        There is no such element, there are several, or it is encoded in a way that can run code.
    """
    path = Path(path)
    return read_pixels(path, open_labels(path, *find_labels(path, element)))


def find_labels(path: Path, element: str | None) -> tuple[Any, str]:
    """Open a store, and choose one of its labels elements: the root group, and the name."""
    import zarr

    # zarr itself, not spatialdata.read_zarr: that opens every other element too, and logs warnings
    with reading(path):
        root = open_root(path)
        group: Any = root.get("labels")
        names = sorted(group.group_keys()) if isinstance(group, zarr.Group) else []
    return root, choose(path, "labels element", names, element)


def open_labels(path: Path, root: Any, name: str) -> Any:
    """The Zarr array of the finest scale of a labels element, checked; nothing is read of it."""
    with reading(path):
        # OME-Zarr 0.5 keeps its metadata under "ome", earlier versions at the top
        attributes = root[f"labels/{name}"].attrs
        scales = attributes.get("ome", attributes)["multiscales"][0]["datasets"]
        stored = checked(root, f"labels/{name}/{scales[0]['path']}")
        kind, spans = stored.dtype.kind, zip(stored.shape, stored.chunks, strict=True)
        if math.prod(-(-length // step) for length, step in spans) > _CHUNKS:
            raise OSError(
                f"the labels {name!r} declare the shape {stored.shape} in chunks of {stored.chunks}"
            )
    if kind not in "biuf":
        raise ValueError(
            f"the labels {name!r} of {path} have the dtype {stored.dtype}: no numbers."
        )
    return stored


def read_pixels(path: Path, stored: Any) -> LabelImage:
    """Read an array of a store, lazily if it is large."""
    if stored.nbytes > _IN_MEMORY:
        return lazy_pixels(path, stored)
    with reading(path):
        return np.asarray(stored[...])


def lazy_pixels(path: Path, stored: Any) -> da.Array:
    """A dask array of an array of a store; what is damaged is an OSError when it is computed."""
    import dask.array as da

    return da.from_array(_Pixels(path, stored), chunks=stored.chunks, asarray=True)


class _Pixels:
    """An array of a store that names the store in errors."""

    def __init__(self, path: Path, stored: Any):
        self.path, self.stored = path, stored
        self.shape, self.dtype, self.ndim = stored.shape, stored.dtype, stored.ndim

    def __getitem__(self, place: Any) -> np.ndarray:
        with reading(self.path):
            return np.asarray(self.stored[place])
