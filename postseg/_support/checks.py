"""The other settings of a `PostSegmentation`, checked on entry: factor, origin, size, names."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np

Outline = Literal["contour", "pixels", "simplified"]
OUTLINES: tuple[Outline, ...] = get_args(Outline)
SETTINGS = (  # keywords of the constructor
    *("masks", "factor_rescale", "label_name", "shape_name"),
    *("origin", "image_shape", "pixel_size", "reference", "intensity_image", "outline"),
    *("filter_config", "verbose", "save_debug", "n_jobs", "progress"),
)
_LONGEST_NAME = 255 - len("_transcripts")  # bytes: what file systems take, less what we append


def check_factor(factor: Any) -> int:
    """Return the enlargement factor as an int, 0 meaning none.

    Raises
    ------
    TypeError
        For anything but a number.
    ValueError
        For negative and fractional numbers and NaN.
    """
    hint = "give a whole number, e.g. 4 when the masks are 4 times smaller than the image"
    if isinstance(factor, np.generic):
        factor = factor.item()
    if isinstance(factor, bool) or not isinstance(factor, int | float):
        raise TypeError(f"factor_rescale is {factor!r}, a {type(factor).__name__}; {hint}.")
    if isinstance(factor, float) and not (math.isfinite(factor) and factor.is_integer()):
        raise ValueError(f"factor_rescale is {factor!r}; {hint}.")
    if factor < 0:
        raise ValueError(f"factor_rescale is {factor!r}, below 0; {hint}.")
    return int(factor)


def check_origin(origin: Any) -> tuple[float, float] | None:
    """Return (row, column) of a tile in its slide, two finite numbers; None as it is.

    Raises
    ------
    ValueError
        For anything else.
    """
    if origin is None:
        return None
    try:
        row, column = (float(value) for value in origin)
    except (TypeError, ValueError):
        row = column = math.nan
    if not (math.isfinite(row) and math.isfinite(column)):
        raise ValueError(
            f"origin is {origin!r}; give the tile's first row and column in the slide, in mask "
            "pixels, e.g. (0, 512)."
        )
    return row, column


def check_image_shape(shape: Any) -> tuple[int, int] | None:
    """Return (rows, columns) of an image, two whole numbers above 0; None as it is.

    Raises
    ------
    ValueError
        For anything else.
    """
    if shape is None:
        return None
    try:
        rows, columns = (int(length) for length in shape)
        right = (rows, columns) == tuple(shape) and min(rows, columns) > 0
    except (TypeError, ValueError, OverflowError):
        right = False
    if not right:
        raise ValueError(
            f"image_shape is {shape!r}; give rows and columns of the microscope image, e.g. "
            "image.shape[:2] of (rows, columns, colours)."
        )
    return rows, columns


def check_outline(outline: Any) -> Outline:
    """Return the kind of outlines, one of `OUTLINES`.

    Raises
    ------
    ValueError
        For anything else.
    """
    if not (isinstance(outline, str) and outline in OUTLINES):
        *others, last = (repr(kind) for kind in OUTLINES)
        raise ValueError(f"outline is {outline!r:.60}; give {', '.join(others)} or {last}.")
    return outline


def check_pixel_size(size: Any) -> float | None:
    """Return the size of a pixel in um as a float, None where it is not known.

    Raises
    ------
    TypeError
        For anything but a number.
    ValueError
        For 0, negative and infinite numbers and NaN.
    """
    hint = "give the side of a pixel in um, e.g. 0.2125, or None where it is not known"
    if isinstance(size, np.generic):
        size = size.item()
    if size is None:
        return None
    if isinstance(size, bool) or not isinstance(size, int | float):
        raise TypeError(f"pixel_size is {size!r:.60}, a {type(size).__name__}; {hint}.")
    try:
        value = float(size)
    except OverflowError:
        value = math.inf
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"pixel_size is {size!r:.60}; {hint}.")
    return value


def check_name(name: Any, parameter: str) -> str:
    """Return `name` if a SpatialData store can hold an element of that name.

    Most of the rule is SpatialData's; it is kept here too so that a bad name is refused before
    the work rather than when the result is written. Names that begin with a dot it writes, but
    does not read back, and ``zarr.json`` is a file of the store. The elements that are named after
    the labels, ``<name>_shapes``, ``<name>_table`` and ``<name>_transcripts``, must have good
    names too.

    Raises
    ------
    TypeError
        When it is no string.
    ValueError
        When it is empty, too long, or one that a store cannot hold.
    """
    if not isinstance(name, str):
        raise TypeError(f"{parameter} is {name!r}, a {type(name).__name__}; give a string.")
    allowed = all(character.isalnum() or character in "_-." for character in name)
    reserved = name.startswith((".", "__")) or name == "_" or name.lower() == "zarr.json"
    if not name or not allowed or reserved or len(name.encode()) > _LONGEST_NAME:
        raise ValueError(
            f"{parameter} is {name!r:.60}; a SpatialData store takes letters, digits, '_', '-' and "
            f"'.', from 1 to {_LONGEST_NAME} bytes, not starting with '.' or '__', and neither '_' "
            "nor 'zarr.json'."
        )
    return name


def check_names(label_name: str, shape_name: str | None) -> None:
    """Check that labels, shapes, table and transcripts have different names; case does not count.

    Parameters
    ----------
    label_name : str
        Of the labels; the table is ``<label_name>_table``, and so on.
    shape_name : str or None
        Of the shapes; None stands for ``<label_name>_shapes``, which never clashes.

    Raises
    ------
    ValueError
        When two are the same.
    """
    others = {
        "the labels": label_name,
        "the table": f"{label_name}_table",
        "the transcripts": f"{label_name}_transcripts",
    }
    for whose, name in others.items():
        if shape_name is not None and shape_name.lower() == name.lower():
            raise ValueError(f"shape_name is {shape_name!r}, the name of {whose}; give another.")
