"""The shapes of a pyramid's levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from postseg.raster.nearest import Shape

_LARGE = 4096  # pixels a side: from there on viewers want smaller levels
_COARSEST = 2048  # pixels a side that they draw at once: one chunk of the labels


def pyramid_shapes(shape: Shape, scale_factors: Sequence[int]) -> list[Shape]:
    """Shapes of the levels, the full one first, each so many times smaller than the one before.

    Rounded down, as SpatialData's are.

    Raises
    ------
    TypeError, ValueError
        For factors that are no whole numbers from 1, or leave a level without pixels.
    """
    shapes = [shape]
    for factor in map(_check_factor, scale_factors):
        height, width = shapes[-1]
        if factor > min(height, width) > 0:
            raise ValueError(
                f"scale_factors is {list(scale_factors)}, but the factor {factor} leaves no pixel "
                f"of a level of {height} x {width}; leave it out."
            )
        shapes.append((height // factor, width // factor))
    return shapes


def default_factors(shape: Shape) -> list[int]:
    """Scale factors for labels of a shape: none up to 4096 pixels a side, else as many as help."""
    factors: list[int] = []
    while max(shape) > (_COARSEST if factors else _LARGE) and min(shape) > 1:
        factors.append(2)
        shape = shape[0] // 2, shape[1] // 2
    return factors


def _check_factor(factor: Any) -> int:
    try:
        whole = int(factor)
    except (TypeError, ValueError, OverflowError):
        whole = 0
    if isinstance(factor, bool | str) or whole != factor or whole < 1:
        raise ValueError(
            f"scale_factors has the factor {factor!r}; each is a whole number from 1, by which a "
            "level is smaller than the one before, e.g. [2, 2, 2]."
        )
    return whole
