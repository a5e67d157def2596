"""Where tiles lie: checked, planned as a grid, and what they leave out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postseg._support.checks import check_factor
from postseg.raster.label_image import MAX_SIDE
from postseg.tiles.tile import Rectangle


def plan_tiles(
    shape: tuple[int, int], size: int | tuple[int, int], overlap: int = 0
) -> list[Rectangle]:
    """Cover a slide with a grid of tiles.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the slide, in mask pixels.
    size : int or (int, int)
        Rows and columns of a tile. Those at the end are moved in to keep it, so that they overlap
        more; where the slide is smaller, they are as large as the slide.
    overlap : int
        How many rows and columns neighbours share at least. Models that run tile by tile agree
        best where it is a cell's diameter or more.

    Returns
    -------
    list of Rectangle
        (top, left, bottom, right), half open.

    Raises
    ------
    ValueError
        When the numbers are not whole, or the overlap is not smaller than the tile.
    """
    height, width = check_slide_shape(shape)
    try:
        sizes = _pair(size if isinstance(size, Iterable) else (size, size))
        overlap = index(overlap)
    except (TypeError, ValueError):
        sizes = (0, 0)
    if min(sizes) < 1:
        raise ValueError(
            f"size is {size!r} and overlap {overlap!r}; give rows and columns of a tile and of "
            "what tiles share, as whole numbers of mask pixels, e.g. size=2048, overlap=64."
        )
    if not 0 <= overlap < min(sizes):
        raise ValueError(
            f"overlap is {overlap!r}, tiles have {min(sizes)} pixels a side: it must be from 0 to "
            f"{min(sizes) - 1}."
        )
    rows, columns = (
        _starts(length, part, part - overlap)
        for length, part in zip((height, width), sizes, strict=True)
    )
    return [
        Rectangle(top, left, min(top + sizes[0], height), min(left + sizes[1], width))
        for top in rows
        for left in columns
    ]


def _starts(length: int, size: int, step: int) -> list[int]:
    last = max(length - size, 0)
    return [*range(0, last, step), last]


def check_slide_shape(shape: Any) -> tuple[int, int]:
    """Return rows and columns of a slide, two whole numbers above 0.

    Raises
    ------
    ValueError
        For anything else.
    """
    try:
        rows, columns = _pair(shape)
        right = min(rows, columns) > 0 and max(rows, columns) <= MAX_SIDE
    except (TypeError, ValueError):
        right = False
    if not right:
        raise ValueError(
            f"shape is {shape!r}; give rows and columns of the slide in mask pixels, e.g. "
            "(20000, 30000). It must be the real one: sides of tiles that lie on it are not seams."
        )
    return rows, columns


def check_origin(origin: Any, factor: Any = 1) -> tuple[int, int]:
    """Return the first row and column of a tile in mask pixels, two whole numbers.

    Parameters
    ----------
    origin
        In pixels `factor` times smaller than those of the masks; 0 is 1.

    Raises
    ------
    TypeError, ValueError
        For anything else, and where the factor does not divide it.
    """
    factor = check_factor(factor) or 1
    try:
        row, column = _pair(origin)
    except (TypeError, ValueError):
        raise ValueError(
            f"the tile at {_plain(origin)} has no whole first row and column: give them as "
            "integers, in mask pixels. A tile of a model lies on whole pixels of the slide."
        ) from None
    off = [value for value in (row, column) if value % factor]
    if off:
        raise ValueError(
            f"the tile at row {row}, column {column} of the image does not begin at a pixel of "
            f"masks that are {factor} times smaller: {off[0]} is no multiple of {factor}. Cut the "
            f"image at multiples of {factor}."
        )
    return row // factor, column // factor


def _plain(origin: Any) -> str:
    """An origin as it was meant, without the types of NumPy."""
    try:
        return f"({', '.join(str(value) for value in origin)})"
    except TypeError:
        return repr(origin)


def check_inside(rectangle: Rectangle, shape: tuple[int, int]) -> Rectangle:
    """Return a rectangle that lies in the slide and is not empty.

    Raises
    ------
    ValueError
        When it is not.
    """
    top, left, bottom, right = rectangle
    if top >= bottom or left >= right:
        raise ValueError(f"the tile at row {top}, column {left} has no pixels ({rectangle}).")
    if top < 0 or left < 0 or bottom > shape[0] or right > shape[1]:
        raise ValueError(
            f"the tile at row {top}, column {left} ({rectangle}) leaves the slide of {shape[0]} x "
            f"{shape[1]} mask pixels. Is its origin (row, column), in mask pixels? Else crop what "
            "pads it, or give the slide's real shape."
        )
    return rectangle


def check_plan(plan: Iterable[Sequence[int]], shape: tuple[int, int]) -> list[Rectangle]:
    """Return a plan as rectangles in the slide, each once, that leave nothing of it out.

    Raises
    ------
    ValueError
        When they are not; names the tile and the place.
    """
    if not isinstance(plan, Iterable):
        raise ValueError(f"plan is {plan!r:.100}; give a list of tiles, such as from plan_tiles().")
    found: dict[Rectangle, None] = {}
    for one in plan:
        try:
            rectangle = Rectangle(*map(index, one))
        except TypeError:
            raise ValueError(
                f"the plan has the tile {one!r:.100}; give (first row, first column, last row + 1, "
                "last column + 1) in mask pixels, e.g. (0, 0, 2048, 2048)."
            ) from None
        found[check_inside(rectangle, shape)] = None
    rectangles = list(found)
    missing = gaps(rectangles, shape)
    if missing:
        first = missing[0]
        beside = min(rectangles, key=lambda tile: _distance(tile, first), default=None)
        near = f" next to the tile at {beside}" if beside else ""
        raise ValueError(
            f"the plan has a gap: no tile covers {first}{near}. Add tiles, or leave the plan out "
            "if that place is left out on purpose."
        )
    return rectangles


def _distance(one: Rectangle, other: Rectangle) -> int:
    rows = max(one.top - other.bottom, other.top - one.bottom, 0)
    return rows + max(one.left - other.right, other.left - one.right, 0)


def gaps(rectangles: Sequence[Rectangle], shape: tuple[int, int]) -> list[Rectangle]:
    """What rectangles leave out of a slide, as rectangles that do not overlap, by row."""
    found = []
    edges = sorted({0, shape[0], *(edge for tile in rectangles for edge in (tile[0], tile[2]))})
    starting = sorted(rectangles)
    here: list[Rectangle] = []
    for top, bottom in pairwise(edges):
        here = [tile for tile in here if tile.bottom > top]
        while starting and starting[0].top <= top:
            here.append(starting.pop(0))
        column = 0
        for tile in sorted(here, key=lambda tile: tile.left):
            if tile.left > column:
                found.append(Rectangle(top, column, bottom, tile.left))
            column = max(column, tile.right)
        if column < shape[1]:
            found.append(Rectangle(top, column, bottom, shape[1]))
    return _stacked(found)


def _stacked(parts: list[Rectangle]) -> list[Rectangle]:
    """The same with those of the same columns, one right below the other, as one."""
    found: list[Rectangle] = []
    open_ones: dict[tuple[int, int, int], int] = {}
    for part in parts:
        at = open_ones.pop((part.top, part.left, part.right), None)
        if at is None:
            at = len(found)
            found.append(part)
        else:
            found[at] = found[at]._replace(bottom=part.bottom)
        open_ones[part.bottom, part.left, part.right] = at
    return found


def _pair(values: Any) -> tuple[int, int]:
    """Two whole numbers, of any type that stands for nothing else."""
    one, other = map(index, values)
    return one, other


def internal_sides(rectangles: Sequence[Rectangle], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Which sides of tiles are not on the slide's edge, (n, 4) as top, left, bottom, right."""
    sides = np.array(rectangles, np.int64).reshape(-1, 4)
    return sides != np.array([0, 0, *shape])
