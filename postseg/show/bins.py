"""Regions counted per bin of a mask: what a picture shows of those that are too small for it."""

from __future__ import annotations

from math import ceil
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg.show.view import Axis, View

Colour = Literal["share", "reason"]

_ACROSS = 6  # typical regions to a bin, along a side
_SIDES = 5, 18  # pixels of the picture that a bin has a side, at least and at most


class Bins(NamedTuple):
    """How many regions lie in each bin of a mask, by their centroids.

    Attributes
    ----------
    view : View
        What the bins cover, the last ones not always to their ends.
    side : int
        Of a bin, in pixels of the picture of that view.
    counts : (rows, cols, 1 + n) array of int
        The kept ones, then those that were rejected for each of n reasons.
    """

    view: View
    side: int
    counts: NDArray[np.int64]

    @property
    def regions(self) -> NDArray[np.int64]:
        """All regions of each bin."""
        return np.asarray(self.counts.sum(axis=2))

    @property
    def rejected(self) -> NDArray[np.int64]:
        """Those that were rejected, for whatever reason."""
        return np.asarray(self.counts[..., 1:].sum(axis=2))

    @property
    def commonest(self) -> NDArray[np.int64]:
        """The reason for which most went, from 1, of several the first; 0 where none went."""
        if self.counts.shape[2] == 1:
            return np.zeros(self.counts.shape[:2], np.int64)
        first = 1 + self.counts[..., 1:].argmax(axis=2)
        return np.where(self.rejected > 0, first, 0)

    @property
    def usual(self) -> float:
        """How many regions a bin holds that holds any: the median."""
        regions = self.regions
        return float(np.median(regions[regions > 0])) if regions.any() else 1.0

    @property
    def size(self) -> tuple[float, float]:
        """Rows and columns of the mask to a bin."""
        rows, cols = (self.side * axis.take / axis.repeat for axis in self.view)
        return rows, cols


def check_colour(colour: Any) -> None:
    """Check what a map of bins is to show.

    Raises
    ------
    ValueError
        When it is none of `Colour`.
    """
    known = get_args(Colour)
    if not isinstance(colour, str) or colour not in known:
        raise ValueError(
            f"colour is {colour!r:.100}; give one of: {', '.join(map(repr, known))}. It is what "
            "the map of a slide shows whose regions are too small to be seen one by one."
        )


def count_bins(regions: pd.DataFrame, look: NDArray[np.int64], view: View, width: float) -> Bins:
    """Count regions per bin, each once, in bins of about 36 typical ones that lie side by side.

    Parameters
    ----------
    regions : DataFrame
        The audit table.
    look : (n + 1,) array of int
        As of `Scene`: 0 for kept ones, else the number of the reason; by region number.
    view : View
        Of the whole mask.
    width : float
        How wide a typical region is in a picture of it.
    """
    side = int(np.clip(ceil(_ACROSS * width), *_SIDES))
    rows, cols = shape_of(view, side)
    n = int(look.max(initial=0)) + 1
    place = bin_numbers(regions, view, side) * n + look[1:]
    counts = np.bincount(place, minlength=rows * cols * n).reshape(rows, cols, n)
    return Bins(view, side, counts.astype(np.int64))


def shape_of(view: View, side: int) -> tuple[int, int]:
    """How many rows and columns of bins there are, the last ones not always whole."""
    rows, cols = (ceil(axis.n * axis.repeat / side) for axis in view)
    return rows, cols


def bin_numbers(regions: pd.DataFrame, view: View, side: int) -> NDArray[np.int64]:
    """The bin that the centroid of each region lies in, counted row by row."""
    row, col = (
        _bin_of(regions[name].to_numpy(), axis, side)
        for name, axis in zip(("centroid_row", "centroid_col"), view, strict=True)
    )
    return row * shape_of(view, side)[1] + col


def _bin_of(centroid: NDArray[np.float64], axis: Axis, side: int) -> NDArray[np.int64]:
    at = (centroid + 0.5 - axis.first) * axis.repeat / (axis.take * side)
    return at.astype(np.int64).clip(0, ceil(axis.n * axis.repeat / side) - 1)
