"""What users pass as masks, checked and read as plain blocks of whole rows."""

from __future__ import annotations

import sys
from os import PathLike
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import dask.array as da
    from PIL import Image
    from xarray import DataArray, DataTree

LabelImage: TypeAlias = "NDArray[Any] | da.Array"

MAX_LABEL = 2**63 - 1
MAX_SIDE = 2**31 - 1
_FILLED_LAZILY = "dask.array.ma.filled(masks, 0)"
_BLOCK_BYTES = 1 << 21  # small enough to stay in cache while a block is checked and encoded


def as_label_image(masks: Any) -> LabelImage:
    """Return `masks` as a 2-D array of an integer, boolean or float dtype, without a copy.

    What is lazy (dask, Zarr, xarray of dask) becomes a dask array and is not read. Values are
    looked at by `as_block` only.

    Parameters
    ----------
    masks : (H, W) array_like
        NumPy array (any memory or byte order, memmap), xarray ``DataArray`` or ``DataTree``
        (its first scale), dask or Zarr array, grey Pillow image, nested lists, or what paints
        itself as one by ``label_image()``, as `Runs` and `Slide` do. Singleton dimensions in front
        or at the end are dropped.

    Raises
    ------
    TypeError
        For object, complex, text and masked arrays, and anything that is no array.
    ValueError
        For arrays that are not 2-D, of 2^31 rows or columns or more, dask arrays whose chunk sizes
        are unknown, and pictures in colour.
    """
    if isinstance(masks, str | PathLike):
        raise TypeError(
            f"masks is the path {str(masks)!r}; read it first, e.g. with "
            "postseg.files.read.read_label_image()."
        )
    pillow = sys.modules.get("PIL.Image")
    if pillow is not None and isinstance(masks, pillow.Image):
        check_picture("masks", masks)
    _refuse_containers(masks)
    paint = getattr(masks, "label_image", None)
    if callable(paint):
        masks = paint()
    try:
        image = _array(without_xarray(masks))
    except ValueError as error:  # nested lists of unequal lengths
        raise ValueError(f"masks cannot be made into a 2-D array: {error}.") from error
    if image.dtype.kind not in "biuf":
        raise TypeError(
            f"masks has dtype {image.dtype}; a label image holds integers: 0 for background, one "
            "number per cell. Convert it with masks.astype(int) if that is what it holds."
        )
    shape = image.shape
    if np.isnan(shape).any():
        raise ValueError(
            f"masks is a dask array of unknown shape {shape}; call masks.compute_chunk_sizes() "
            "first."
        )
    while image.ndim > 2 and 1 in (image.shape[0], image.shape[-1]):
        image = image[0] if image.shape[0] == 1 else image[..., 0]
    if image.ndim != 2:
        raise ValueError(
            f"masks has shape {shape}; postseg takes 2-D label images only. Pass one plane at a "
            "time, e.g. masks[0]."
        )
    if max(shape) > MAX_SIDE:
        raise ValueError(
            f"masks has shape {shape}; postseg counts no more than 2^31 - 1 rows or columns. Cut "
            "it into tiles."
        )
    return image


def _refuse_containers(masks: Any) -> None:
    """Tell which part of what holds masks among other things is to be passed."""
    spatialdata = sys.modules.get("spatialdata")
    if spatialdata is not None and isinstance(masks, spatialdata.SpatialData):
        names = list(masks.labels)
        which = f"one of its labels elements, {', '.join(map(repr, names))}: " if names else ""
        example = f"sdata[{names[0]!r}]" if names else "a label image; it has no labels element"
        raise TypeError(f"masks is a whole SpatialData object; pass {which}{example}.")
    if isinstance(masks, np.ndarray) and masks.dtype == object and masks.ndim == 0:
        masks = masks.item()  # as NumPy loads a dictionary
    if isinstance(masks, dict):
        advice = "pass the label image in it"
        if "masks" in masks:
            advice = 'of Cellpose\'s _seg.npy pass its "masks": np.load(path, allow_pickle=True)'
            advice += '.item()["masks"]'
        raise TypeError(f"masks is a dictionary of {', '.join(map(repr, masks))}; {advice}.")
    if isinstance(masks, tuple) and len(masks) > 2 and getattr(masks[0], "ndim", 0) == 2:
        first, *others = (getattr(part, "shape", type(part).__name__) for part in masks)
        if any(other != first for other in others):  # no stack of planes
            raise TypeError(
                f"masks is a tuple of {len(masks)} things; of what Cellpose's eval() returns, "
                "(masks, flows, styles), pass the first: masks[0]."
            )


def check_picture(what: object, picture: Image.Image) -> None:
    """Refuse a Pillow image that is no label image; `what` it is is for the error.

    Raises
    ------
    ValueError
        For colours, and several images in one.
    """
    if picture.mode not in ("1", "L", "I", "F") and not picture.mode.startswith("I;16"):
        refuse_colour(what, {"P": "palette"}.get(picture.mode, picture.mode))
    if (count := getattr(picture, "n_frames", 1)) > 1:
        raise ValueError(
            f"{what} has {count} images, but a label image is 2-D only. Choose one of them."
        )


def refuse_colour(what: object, kind: str) -> NoReturn:
    """Raise the error that colours are no labels."""
    raise ValueError(
        f"{what} is a colour picture ({kind}), not a label image: colours are no labels. "
        "Export the labels themselves, as 16-bit or 32-bit grey TIFF or as .npy."
    )


def is_lazy(image: Any) -> TypeGuard[da.Array]:
    """Whether it is a dask array; whoever has one has imported dask."""
    dask_array = sys.modules.get("dask.array")
    return dask_array is not None and isinstance(image, dask_array.Array)


def are_lazily_same(one: LabelImage, other: LabelImage) -> bool:
    """Whether lazy images are known to be the same, so that they need not be read.

    A dask array changes its name with its content, an array in memory does not tell.
    """
    return is_lazy(one) and is_lazy(other) and one.name == other.name


def _refuse_masked(array: Any, filled: str) -> None:
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(
            f"masks is a masked array; say what its hidden pixels are, e.g. {filled} for "
            "background."
        )


def _array(masks: Any) -> LabelImage:
    if is_lazy(masks):
        _refuse_masked(masks._meta, _FILLED_LAZILY)
        return masks
    _refuse_masked(masks, "masks.filled(0)")
    zarr = sys.modules.get("zarr")
    if zarr is not None and isinstance(masks, zarr.Array):
        import dask.array as da

        return da.from_array(masks, chunks=masks.chunks)
    return np.asarray(masks)


def without_xarray(masks: Any) -> Any:
    """The array in an xarray object, (y, x) last; anything else as it is."""
    xarray = sys.modules.get("xarray")  # whoever passes an xarray object has imported it
    if xarray is None:
        return masks
    if isinstance(masks, xarray.DataTree):
        masks = finest(masks)
        if masks is None:
            raise ValueError("masks is a DataTree without any image in it.")
    if isinstance(masks, xarray.DataArray):
        if {"y", "x"} <= set(masks.dims):
            masks = masks.transpose(..., "y", "x")
        return masks.data
    return masks


def finest(tree: DataTree) -> DataArray | None:
    """The first scale of a pyramid; None where there is none."""
    scales = (node.dataset.data_vars.values() for node in tree.subtree if node.dataset.data_vars)
    return next(iter(next(scales, ())), None)


def read_only(image: LabelImage) -> LabelImage:
    """The same image, not to be written to; what is lazy never is."""
    if is_lazy(image):
        return image
    view = np.asarray(image).view()
    view.flags.writeable = False
    return view


def rows_per_block(image: LabelImage) -> int:
    """How many rows to read at a time."""
    return int(max(1, _BLOCK_BYTES // max(1, image.itemsize * image.shape[1])))


def as_block(block: NDArray[Any], first_row: int, first_col: int = 0) -> NDArray[Any]:
    """Return part of a label image as a read-only, C-ordered, native unsigned array, checked.

    Unsigned and read-only whatever came in, so that one compiled encoder per item size serves
    every dtype. Its place in the image is for the errors.

    Raises
    ------
    ValueError
        Naming the value and its place, for negative labels, labels above 2^63 - 1, and floats
        that are not finite integers.
    TypeError
        For a masked array, as a chunk may be of what dask took for a plain one.
    """
    _refuse_masked(block, _FILLED_LAZILY)
    place = first_row, first_col
    kind = block.dtype.kind
    if kind == "f":
        block = _whole_numbers(block, place)
    elif block.size and kind == "i" and (lowest := block.min()) < 0:
        raise ValueError(
            f"masks has the negative label {lowest} at {place_of(block == lowest, place)}; labels "
            "are 0 (background) or positive. Set such pixels to 0 if they mean background."
        )
    elif block.size and block.dtype.itemsize == 8 and kind == "u":
        highest = block.max()
        if highest > MAX_LABEL:
            raise ValueError(
                f"masks has the label {highest} at {place_of(block == highest, place)}, above the "
                f"largest, 2^63 - 1; renumber the cells first."
            )
    block = np.ascontiguousarray(block, dtype=block.dtype.newbyteorder("="))
    unsigned = block.view(f"u{block.dtype.itemsize}")
    unsigned.flags.writeable = False
    return unsigned


def _whole_numbers(block: NDArray[Any], place: tuple[int, int]) -> NDArray[np.int64]:
    if block.dtype.itemsize < 8:
        block = block.astype(np.float64)  # half floats cannot even hold the bound
    with np.errstate(invalid="ignore"):
        wrong = ~((block >= 0) & (block < 2.0**63) & (block == np.floor(block)))
    if wrong.any():
        value = block[wrong][0]
        raise ValueError(
            f"masks has dtype {block.dtype} and the value {value} at {place_of(wrong, place)}; "
            "labels are whole numbers from 0 to 2^63 - 1. Is this a probability or distance map "
            "instead of the label image?"
        )
    return block.astype(np.int64)


def place_of(wrong: NDArray[np.bool_], origin: tuple[int, int]) -> str:
    """Say where the first such pixel is, of a block at `origin`."""
    row, col = np.argwhere(wrong)[0] + origin
    return f"row {row}, column {col}"


def check_values(image: LabelImage) -> None:
    """Read all of `image` once, for its errors only; a lazy one is checked when it is read."""
    if is_lazy(image) or (image.dtype.kind in "bu" and image.dtype.itemsize < 8):
        return  # such a dtype cannot hold a wrong value
    step = rows_per_block(image)
    for first in range(0, image.shape[0], step):
        as_block(image[first : first + step], first)
