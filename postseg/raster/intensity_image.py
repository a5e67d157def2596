"""What users pass as an intensity image, checked: channels first, and their names."""

from __future__ import annotations

import sys
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from postseg._support.words import quoted
from postseg.raster.label_image import LabelImage, finest, is_lazy
from postseg.raster.nearest import Shape

if TYPE_CHECKING:
    from xarray import DataArray

_AXES = ("y", "x")
_CHANNELS = "c"  # the axis of channels of a SpatialData image
_PASS = "pass the image in it, as an array"


class IntensityImage(NamedTuple):
    """An image whose pixels the regions of masks cover.

    Attributes
    ----------
    pixels : (C, H, W) array
        NumPy or dask, of a boolean, integer or float dtype of 64 bits at most.
    channels : tuple of str
        What tells the columns of each channel apart; ``("",)`` where there is nothing to.
    """

    pixels: LabelImage
    channels: tuple[str, ...]

    def factor(self, shape: Shape) -> int:
        """How many of its pixels, along each axis, are a pixel of masks of that shape.

        Raises
        ------
        ValueError
            When they are no whole number of pixels.
        """
        n_channels, *found = self.pixels.shape
        factor = _times(found, shape)
        if factor:
            return factor
        height, width = shape
        of = f"{found[0]} x {found[1]}" + (f" in {n_channels} channels" if n_channels > 1 else "")
        hint = f"Give {height} x {width}, or an integer multiple of both"
        if _times([n_channels, found[0]], shape):
            of = " x ".join(map(str, self.pixels.shape))
            hint = "Its channels come last: move them first, e.g. np.moveaxis(image, -1, 0)"
        raise ValueError(
            f"intensity_image has {of} pixels, which does not fit masks of {height} x {width}. "
            f"{hint}."
        )


def _times(lengths: list[int], shape: Shape) -> int:
    """How many times the shape these lengths are, 0 where they are no whole number of times."""
    factor = max(found // max(1, length) for found, length in zip(lengths, shape, strict=True)) or 1
    same = [factor * length for length in shape] == lengths
    return factor if same else 0


def as_intensity_image(image: Any) -> IntensityImage:
    """Check an image and find its channels; no pixel is read.

    Parameters
    ----------
    image : (H, W) or (C, H, W) array_like
        NumPy, dask or Zarr array, ``DataArray`` with the axes in any order or ``DataTree`` (its
        finest scale), such as an image of a SpatialData object.

    Raises
    ------
    TypeError
        For paths, what holds images among other things, masked arrays, and dtypes that are no
        boolean, integer or float of 64 bits.
    ValueError
        For other numbers of axes, no channel, dask arrays of unknown shape, and channels
        whose columns would have one name.
    """
    if isinstance(image, str | PathLike):
        raise TypeError(
            f"intensity_image is the path {str(image)!r}; read it first, e.g. with "
            "tifffile.imread()."
        )
    names: list[Any] | None = None
    xarray = sys.modules.get("xarray")  # whoever passes an xarray object has imported it
    if xarray is not None and isinstance(image, xarray.DataTree):
        tree, image = image, finest(image)
        if image is None:
            raise ValueError(f"intensity_image is a DataTree without any image: {tree!r:.60}")
    if xarray is not None and isinstance(image, xarray.DataArray):
        image, names = _plain(image)
    pixels = _array(image)
    while pixels.ndim > 3 and pixels.shape[0] == 1:
        pixels = pixels[0]
    shape = pixels.shape
    if pixels.ndim not in (2, 3):
        raise ValueError(
            f"intensity_image has the shape {shape}; give (rows, columns), or (channels, rows, "
            "columns)."
        )
    if pixels.ndim == 3 and not shape[0]:
        raise ValueError(f"intensity_image has the shape {shape}: there is no channel in it.")
    if np.isnan(shape).any():
        raise ValueError(
            f"intensity_image is a dask array of unknown shape {shape}; call its "
            "compute_chunk_sizes() first."
        )
    if pixels.ndim == 2 and is_lazy(pixels):
        import dask.array as da

        # not by an index, of which dask would make two tasks more for every chunk
        meta = np.empty((0, 0, 0), pixels.dtype)
        pixels = da.map_blocks(np.expand_dims, pixels, 0, new_axis=0, meta=meta)
    elif pixels.ndim == 2:
        pixels = pixels[None]
    return IntensityImage(pixels, _column_names(names, pixels.shape[0]))


def check_intensity_image(image: Any) -> Any:
    """Return an image as it was given, if it can be one; see `as_intensity_image`."""
    if image is not None:
        as_intensity_image(image)
    return image


def _plain(image: DataArray) -> tuple[Any, list[Any] | None]:
    """The array in it, channels first, and what these are called there."""
    if set(_AXES) <= set(image.dims):
        image = image.transpose(..., *_AXES)
    axis = image.dims[-3] if image.ndim > 2 else _CHANNELS
    names = np.atleast_1d(image.coords[axis].values).tolist() if axis in image.coords else None
    return image.data, names


def _array(image: Any) -> LabelImage:
    zarr = sys.modules.get("zarr")
    if zarr is not None and isinstance(image, zarr.Array):
        import dask.array as da

        image = da.from_array(image, chunks=image.chunks)
    if isinstance(image._meta if is_lazy(image) else image, np.ma.MaskedArray):
        raise TypeError(
            "intensity_image is a masked array; say what its hidden pixels are, e.g. with "
            "filled(0)."
        )
    try:
        pixels = image if is_lazy(image) else np.asarray(image)
    except TypeError as error:  # of xarray datasets
        raise TypeError(f"intensity_image is {type(image).__name__}: {_PASS}.") from error
    except ValueError as error:  # nested lists of unequal lengths
        raise ValueError(f"intensity_image cannot be made into an array: {error}.") from error
    if isinstance(pixels, np.ndarray) and pixels.dtype == object and not pixels.ndim:
        # NumPy's way to hold what is no array
        raise TypeError(f"intensity_image is {type(pixels.item()).__name__}: {_PASS}.")
    if pixels.dtype.kind not in "biuf" or pixels.dtype.itemsize > 8:
        hint = "take its np.abs() or .real" if pixels.dtype.kind == "c" else "convert it"
        raise TypeError(
            f"intensity_image has dtype {pixels.dtype}; it must be boolean, whole numbers or "
            f"floats, of 64 bits at most: {hint} first."
        )
    return pixels


def _column_names(names: list[Any] | None, n: int) -> tuple[str, ...]:
    """What is added to the name of a column for each channel.

    A number is no name where there is one channel only. Characters that the columns of a
    SpatialData table must not have become "_", and two of them must not differ by case only.
    """
    if n == 1 and not (names and isinstance(names[0], str)):
        return ("",)
    given = [str(name) for name in names or range(n)]
    found = ["".join(c if c.isalnum() or c in "_-." else "_" for c in name) for name in given]
    first: dict[str, str] = {}
    for name, column in zip(given, found, strict=True):
        if column.lower() in first:
            twice = quoted([first[column.lower()], name])
            raise ValueError(
                f"intensity_image has the channels {twice}, whose columns would have one name, "
                f"intensity_mean_{column}: in tables only letters, digits, '_', '-' and '.' tell "
                "them apart, and not their case. Rename them, e.g. with "
                "image.assign_coords(c=[...])."
            )
        first[column.lower()] = name
    return tuple(found)
