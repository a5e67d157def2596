"""The other settings of a `PostSegmentation`, checked on entry: factor, origin, names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


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


def check_origin(origin: Any) -> tuple[float, float]:
    """Return (row, column) of a tile in its slide, two finite numbers.

    Raises
    ------
    ValueError
        For anything else.
    """
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


def check_name(name: Any, parameter: str) -> str:
    """Return `name` if SpatialData takes it as the name of an element.

    The rule is SpatialData's; it is kept here too so that a bad name is refused before the work
    rather than when the result is written.

    Raises
    ------
    TypeError
        When it is no string.
    ValueError
        When it is empty or has characters that SpatialData refuses.
    """
    if not isinstance(name, str):
        raise TypeError(f"{parameter} is {name!r}, a {type(name).__name__}; give a string.")
    allowed = all(character.isalnum() or character in "_-." for character in name)
    if not name or not allowed or name in (".", "..") or name.startswith("__"):
        raise ValueError(
            f"{parameter} is {name!r}; SpatialData takes letters, digits, '_', '-' and '.', at "
            "least one, not starting with '__'."
        )
    return name
