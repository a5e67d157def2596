"""What was measured of regions besides their shapes, as the page has it: signals and nuclei."""

from __future__ import annotations

from collections.abc import Container
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg.filtering.intensities import STATISTICS, intensities_in
from postseg.filtering.nuclei import COLUMNS, N_NUCLEI
from postseg.show.charts import edges_of

_SHARE = COLUMNS[-1]
_NUCLEI = {
    N_NUCLEI: ("Nuclei", "nuclei that lie in the region with their largest share"),
    _SHARE: ("Share of the nucleus", "of the region's largest nucleus, what lies in it"),
}
_LIMITS: dict[str, dict[str, float]] = {N_NUCLEI: {"ge": 0}, _SHARE: {"ge": 0, "le": 1}}
_STATISTICS = {
    "intensity_mean": ("Mean intensity", "mean of the image over the region"),
    "intensity_std": ("Spread of intensity", "standard deviation of the image over the region"),
    "intensity_min": ("Lowest intensity", "least value of the image in the region"),
    "intensity_max": ("Highest intensity", "greatest value of the image in the region"),
}
# An image may have forty channels, with four columns each: a page holds so many values more, those
# of the first columns at least, and a reader looks at so many columns.
_VALUES, _LEAST, _MOST = 1_000_000, 3, 40
_EXACT = 2.0**53  # below, every whole number is a float
_APART = 1e-15  # of a number, to the next one that a page writes differently


class Measure(NamedTuple):
    """A column of the table of regions that no field of `FilterConfig` bounds.

    Attributes
    ----------
    column : str
        Its name.
    title, definition : str
        What it is, for people.
    whole : bool
        Whether its values are whole numbers.
    edges : array of float
        Of the bins of its histogram.
    """

    column: str
    title: str
    definition: str
    whole: bool
    edges: NDArray[np.float64]


def measures_in(regions: pd.DataFrame) -> tuple[list[Measure], list[str]]:
    """Those of a table that a page has room for, and the names of the other columns.

    Nuclei come first, then the means of all channels, then their other statistics.
    """
    signals = sorted(intensities_in(regions), key=lambda name: _order(_statistic_of(name)))
    known = [name for name in _NUCLEI if name in regions] + signals
    most = min(max(_VALUES // max(1, len(regions)), _LEAST), _MOST)
    measures = (measure for name in known if (measure := _measure(name, regions)) is not None)
    found = [*islice(measures, most)]  # of no more than these the bins are found
    shown = {measure.column for measure in found}
    return found, [name for name in known if name not in shown]


def bounds_of(measure: Measure, taken: Container[str]) -> list[dict[str, Any]]:
    """The two that bound a measure, with names of reasons that no other has.

    They are those of a subclass that the page shows, so that the border policy spares no region.
    """
    tests = []
    for bound, side in (("min", "low"), ("max", "high")):
        reason = f"{side}_{measure.column}"
        while reason in taken:
            reason += "_too"
        test = {"reason": reason, "metric": measure.column, "bound": bound, "kind": "value"}
        told = {
            "threshold": f"{bound}_{measure.column}",
            "title": f"{side.title()} {_within(measure)}",
            "text": f"{side} {_within(measure)}",
        }
        tests.append({**test, **told, "measured": True})
    return tests


def field_of(test: dict[str, Any]) -> dict[str, Any]:
    """What a page tells of its threshold, as of a field of `FilterConfig`."""
    side = "below" if test["bound"] == "min" else "above"
    text = f"Regions {side} are rejected."
    limits = _LIMITS.get(test["metric"], {})
    kind = {"measured": True, "limits": limits, "words": [], "takes_units": False}
    return {**kind, "setting": None, "text": text}


def facts_of(measure: Measure) -> dict[str, Any]:
    """What a page tells of a measure, as of a metric."""
    return {
        "title": measure.title,
        "name": _within(measure),
        "definition": measure.definition,
        "unit": "",
        "whole": measure.whole,
        "typical": None,
        "edges": measure.edges.tolist(),
        "measured": True,
    }


def _within(measure: Measure) -> str:
    """Its title within a sentence."""
    return measure.title[0].lower() + measure.title[1:]


def _statistic_of(column: str) -> str:
    """Which of `STATISTICS` a column of intensities holds."""
    return next(name for name in STATISTICS if column.startswith(name))


def _order(statistic: str) -> int:
    return ("intensity_mean", "intensity_std", "intensity_max", "intensity_min").index(statistic)


def _measure(column: str, regions: pd.DataFrame) -> Measure | None:
    values = regions[column].to_numpy(dtype=float)
    whole = bool((values == np.rint(values)).all() and (np.abs(values) < _EXACT).all())
    with np.errstate(over="ignore", invalid="ignore"):
        edges = edges_of(values, [], whole)
        width = np.diff(edges).min()
    if not width > max(_APART * np.abs(edges).max(), np.finfo(float).tiny):
        return None  # as far apart, or as near, as numbers can be: no axis tells them apart
    if column in _NUCLEI:
        return Measure(column, *_NUCLEI[column], whole and column == N_NUCLEI, edges)
    title, definition = _STATISTICS[_statistic_of(column)]
    channel = column.removeprefix(_statistic_of(column)).removeprefix("_")
    return Measure(column, f"{title}{channel and f', {channel}'}", definition, whole, edges)
