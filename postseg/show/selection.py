"""Which few of many cells to show, and where to look closer."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg.filtering import criteria
from postseg.filtering.config import FilterConfig, suggestion
from postseg.filtering.report import FilterReport

BOX = ["min_row", "min_col", "max_row", "max_col"]

_NEAR = 0.1  # of the cells: those are near a threshold
_CELLS_ACROSS = 10  # of a closer look
_MANY = 10  # regions: enough to tell a share

Numbers = NDArray[np.int64]


class Gallery(NamedTuple):
    """Region numbers: rejected for one reason, and kept but next to go."""

    rejected: Numbers
    nearly: Numbers


def check_gallery(report: FilterReport, reason: str, n: int) -> None:
    """Check that a gallery can be asked for.

    Raises
    ------
    TypeError, ValueError
        When `n` is no number of cells, there is no such reason, or its test is off and rejected
        nothing.
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer):
        raise TypeError(f"n is {n!r}; give a whole number of cells to show, 1 or more.")
    if n < 1:
        raise ValueError(f"n is {n!r}; give a number of cells to show, 1 or more.")
    if not isinstance(reason, str):
        raise TypeError(f"reason is {reason!r:.100}; give one of: {', '.join(report.rejected)}.")
    if reason not in report.rejected:
        raise ValueError(f"There is no reason {reason!r}{suggestion(reason, report.rejected)}")
    tests = criteria.tests_of(reason)
    if tests and not report.rejected[reason] and not criteria.is_on(tests[0], report.config):
        setting = getattr(report.config, field := tests[0].threshold)
        state = "off (None)" if setting is None else repr(setting)
        raise ValueError(
            f"No region is {reason}: its threshold {field} is {state}. "
            "Choose a reason whose test is on."
        )


def choose_gallery(regions: pd.DataFrame, config: FilterConfig, reason: str, n: int) -> Gallery:
    """Choose up to `n` regions rejected for a reason, or nearly so, each in order of its margin.

    Both start at the threshold. The rejected ones are spread over all of them, the kept ones are
    the nearest: a third of `n`, more where fewer were rejected, half of it at most, unless none
    were.
    """
    return choose_galleries(regions, config, [reason], n)[reason]


def choose_galleries(
    regions: pd.DataFrame, config: FilterConfig, reasons: Sequence[str], n: int
) -> dict[str, Gallery]:
    """The same for several reasons that are shown together, each kept region under one of them.

    In turn each reason gets the nearest that no other has yet.
    """
    rejected, nearest, wanted = {}, {}, {}
    for reason in reasons:
        gone = regions.index[regions["reason"] == reason].to_numpy()
        kept = gone[:0]
        # of a subclass, or of a policy: how near the others are is not known
        if f"margin_{reason}" in regions:
            margin = regions[f"margin_{reason}"]
            # those that the border policy keeps are not next to go, whatever their margin
            may_go = (regions["label"] > 0) & ~criteria.is_spared(regions, config)
            kept = margin[may_go].dropna().sort_values(kind="stable").index.to_numpy()
            gone = margin[gone].sort_values(ascending=False, kind="stable").index.to_numpy()
        few = max(n // 3, n - gone.size)
        rejected[reason], nearest[reason] = gone, kept
        wanted[reason] = min(few, n // 2 if gone.size else n)
    nearly = _share_out(nearest, wanted)
    return {
        reason: Gallery(_spread(gone, n - nearly[reason].size), nearly[reason])
        for reason, gone in rejected.items()
    }


def _share_out(nearest: dict[str, Numbers], wanted: dict[str, int]) -> dict[str, Numbers]:
    """To each in turn the first of its own that is left, until each has as many as it wants."""
    taken: set[int] = set()
    found: dict[str, list[int]] = {reason: [] for reason in nearest}
    waiting = {reason: iter(numbers.tolist()) for reason, numbers in nearest.items()}
    while waiting:
        for reason, numbers in [*waiting.items()]:
            left = (number for number in numbers if number not in taken)
            number = next(left, None) if len(found[reason]) < wanted[reason] else None
            if number is None:
                del waiting[reason]
            else:
                taken.add(number)
                found[reason].append(number)
    return {reason: np.array(numbers, np.int64) for reason, numbers in found.items()}


def choose_strip(
    level: NDArray[np.float64],
    bound: str,
    today: float | None,
    decided: NDArray[np.bool_],
    n: int,
) -> Numbers:
    """Choose `n` regions that a threshold decides on, from clearly in to clearly out.

    Parameters
    ----------
    level : (n_regions,) array
        See `criteria.levels`.
    bound : {"min", "max"}
        Whether regions below or above the threshold go.
    today : float or None
        The threshold; None: off, and those that it would reject first are shown.
    decided : (n_regions,) array of bool
        Regions that other tests reject anyway.
    n : int
        How many, half of them on each side where there are enough.

    Returns
    -------
    array of int
        Region numbers, from 1.
    """
    candidate = np.flatnonzero(np.isfinite(level) & ~decided)
    sign = 1 if bound == "min" else -1
    if today is None:
        order = candidate[np.argsort(sign * level[candidate], kind="stable")]
        return _spread(order[: _near(candidate, n)], n)[::-1] + 1
    margin = sign * (level[candidate] - today)
    order = np.argsort(np.abs(margin), kind="stable")
    inside, outside = (candidate[order[side[order]]] for side in (margin >= 0, margin < 0))
    n_in = min(inside.size, max(n // 2, n - outside.size))
    n_out = min(outside.size, n - n_in)
    near = _near(candidate, n)
    shown = [_spread(inside[:near], n_in)[::-1], _spread(outside[:near], n_out)]
    return np.concatenate(shown) + 1


def _near(candidate: Numbers, n: int) -> int:
    return max(n, round(_NEAR * candidate.size))


def _spread(numbers: NDArray[Any], n: int) -> Numbers:
    """At most `n` of them, evenly, the first and the last among them."""
    if numbers.size <= n:
        return numbers
    return np.asarray(numbers[np.linspace(0, numbers.size - 1, n).round().astype(int)])


def crop_side(regions: pd.DataFrame, numbers: Numbers) -> int:
    """Mask pixels a side that show typical ones of these regions with something around them."""
    typical = _extent(regions)
    shown = _extent(regions.loc[numbers])
    return ceil(max(1.6 * np.median(typical), 1.25 * np.median(shown), 12))


def _extent(regions: pd.DataFrame) -> NDArray[np.float64]:
    """The longer side of each bounding box."""
    top, left, bottom, right = regions[BOX].to_numpy(dtype=float).T
    extent = np.maximum(bottom - top, right - left)
    return extent if extent.size else np.ones(1)


def choose_detail(
    regions: pd.DataFrame, shape: tuple[int, int], marked: pd.DataFrame | None = None
) -> tuple[int, int, int]:
    """Choose a square for a closer look: first row, first column and side, in mask pixels.

    About ten cells across, where most reasons are to be seen, near the middle of the mask; or
    where most is `marked`, of as many kinds as can be, that in its middle.

    Parameters
    ----------
    regions : DataFrame
        The audit table.
    shape : (int, int)
        Of the mask.
    marked : DataFrame, optional
        What is of interest beside reasons, with columns ``centroid_row``, ``centroid_col`` and
        ``reason``, which is its kind.
    """
    side = _closer_side(regions, shape)
    rows, cols = (ceil(length / side) for length in shape)
    seen = regions if marked is None else marked
    tile = _tile_of(seen, side, rows, cols)
    by_tile = pd.Series(seen["reason"].to_numpy()).groupby(tile)
    kinds = by_tile.nunique().astype(float)
    if marked is not None:
        kinds += by_tile.size() / (len(marked) + 1)
    best = kinds.index[kinds == kinds.max()].to_numpy() if len(kinds) else np.zeros(1, int)
    off_middle = np.hypot(best // cols - (rows - 1) / 2, best % cols - (cols - 1) / 2)
    chosen = int(best[off_middle.argmin()])
    first_row, first_col = chosen // cols * side, chosen % cols * side
    if marked is not None:
        middle = seen.loc[tile == chosen, ["centroid_row", "centroid_col"]].median()
        first_row, first_col = (middle.to_numpy() - side / 2).astype(int).clip(0).tolist()
    # the last ones end where the mask does
    return min(first_row, shape[0] - side), min(first_col, shape[1] - side), side


def choose_worst(
    regions: pd.DataFrame, shape: tuple[int, int], n: int, apart: float
) -> list[tuple[int, int, int]]:
    """Choose up to `n` squares for closer looks where most were rejected, the worst one first.

    Most of many: what counts is the share that is certain, given how many regions there are, and
    where there are less than ten, and half as many as usual, nothing is. So a single one never
    comes before others. Of places that are alike those in the middle.

    Parameters
    ----------
    regions : DataFrame
        The audit table.
    shape : (int, int)
        Of the mask.
    n : int
        How many; fewer where nothing was rejected elsewhere.
    apart : float
        How far their middles are from each other, at least, down or across.

    Returns
    -------
    list of (int, int, int)
        As from `choose_detail`.
    """
    side = _closer_side(regions, shape)
    rows, cols = (ceil(length / side) for length in shape)
    tile = _tile_of(regions, side, rows, cols)
    gone = (regions["reason"] != "").to_numpy()
    total, rejected = (np.bincount(part, minlength=rows * cols) for part in (tile, tile[gone]))
    certain = certain_share(rejected, total)
    usual = np.median(total[total > 0]) if total.any() else 0
    certain[total < min(_MANY, usual / 2)] = 0
    row, col = (
        np.minimum(at * side, length - side)
        for at, length in zip(divmod(np.arange(rows * cols), cols), shape, strict=True)
    )
    off_middle = np.hypot(row + (side - shape[0]) / 2, col + (side - shape[1]) / 2)
    found: list[tuple[int, int, int]] = []
    while len(found) < n and certain.max(initial=0) > 0:
        best = np.flatnonzero(certain == certain.max())
        chosen = best[off_middle[best].argmin()]
        found.append((int(row[chosen]), int(col[chosen]), side))
        certain[np.maximum(abs(row - row[chosen]), abs(col - col[chosen])) < apart] = 0
    return found


def certain_share(some: Numbers, of: Numbers) -> NDArray[np.float64]:
    """The share that some of so many are at least, with 97.7 % certainty (Wilson 1927)."""
    n = np.maximum(of, 1)
    share, z = some / n, 2.0
    middle = share + z**2 / (2 * n)
    room = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.where(some > 0, (middle - room) / (1 + z**2 / n), 0)


def _closer_side(regions: pd.DataFrame, shape: tuple[int, int]) -> int:
    """Mask pixels a side of a closer look: about ten typical cells across."""
    return int(min(*shape, max(32, _CELLS_ACROSS * 1.2 * np.median(_extent(regions)))))


def _tile_of(seen: pd.DataFrame, side: int, rows: int, cols: int) -> Numbers:
    """Which of `rows` x `cols` squares each centroid lies in, counted row by row."""
    row = (seen["centroid_row"].to_numpy() // side).astype(int).clip(0, rows - 1)
    col = (seen["centroid_col"].to_numpy() // side).astype(int).clip(0, cols - 1)
    return np.asarray(row * cols + col)
