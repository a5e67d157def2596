"""`FilterReport`: what the filter found, kept and rejected, to read or to process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from postseg._support.words import (
    WIDTH,
    exact,
    fixed,
    human,
    out_of,
    percent,
    preformatted,
    rounded,
    wrapped,
)
from postseg.filtering.config import FilterConfig
from postseg.filtering.metrics import METRIC, METRICS, Metric

_COLUMN = 10
_STATISTICS = ("min", "max", "mean", "median", "std")


@dataclass(frozen=True)
class FilterReport:
    """Outcome of one filter run; ``str()`` gives the text, `to_dict` plain data.

    Attributes
    ----------
    total, passed : int
        Regions found, and regions kept.
    rejected : Mapping of str to int
        Regions counted once each under the first test they failed; the counts and `passed` add
        up to `total`.
    config : FilterConfig
        Thresholds in force.
    min_area : float or None
        What `config.min_area` came to, in mask pixels.
    min_area_rule : str
        By which rule.
    statistics_all, statistics_passed : DataFrame
        One row per metric: min, max, mean, median, population std, and for some two quantiles.
        Lengths and areas in mask pixels.
    """

    total: int
    passed: int
    rejected: Mapping[str, int]
    config: FilterConfig
    min_area: float | None
    min_area_rule: str
    statistics_all: pd.DataFrame
    statistics_passed: pd.DataFrame

    @property
    def percent_passed(self) -> float:
        """Share of the regions that passed, in percent; 0 where there were none."""
        return 100 * self.passed / self.total if self.total else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data.

        Returns
        -------
        dict
            Numbers, strings and dicts, fit for JSON: counts, thresholds, and by ``metrics`` the
            statistics. Undefined values are None.
        """
        return {
            "total": self.total,
            "passed": self.passed,
            "percent_passed": self.percent_passed,
            "rejected": dict(self.rejected),
            "thresholds": self.config.model_dump(),
            "min_area_pixels": self.min_area,
            "min_area_rule": self.min_area_rule,
            "metrics": {
                "all": _plain(self.statistics_all),
                "passed": _plain(self.statistics_passed),
            },
        }

    def _repr_html_(self) -> str:
        return preformatted(str(self))

    def __str__(self) -> str:
        heading = f"Cell filter: {out_of(self.passed, self.total)} passed"
        lines = [f"{heading} ({self.percent_passed:.1f}%)", "=" * WIDTH]
        if self.total:
            lines += ["", f"All regions ({self.total:,})", *_table(self.statistics_all)]
        lines += ["", "Thresholds", *self._thresholds()]
        if self.passed:
            lines += ["", f"Passed ({self.passed:,})", *_table(self.statistics_passed)]
        lines += ["", f"Rejected ({self.total - self.passed:,})", *self._breakdown()]
        return "\n".join(lines)

    def _thresholds(self) -> list[str]:
        lines = []
        for name, value in self.config:
            if name == "min_area" and self.min_area is not None:
                lines.append(f"  {name:<24}{exact(self.min_area):>10}  {self.min_area_rule}")
            elif value is not None:
                lines.append(f"  {name:<24}{value if name == 'min_area' else exact(value):>10}")
        off = ", ".join(name for name, value in self.config if value is None)
        return lines + wrapped(off, indent=" " * 7, first="  off: ")

    def _breakdown(self) -> list[str]:
        lines = [
            f"  {human(reason)}: {count:,}{percent(count, self.total)}"
            for reason, count in self.rejected.items()
            if count
        ]
        return lines or ["  none"]


def statistics(regions: pd.DataFrame) -> pd.DataFrame:
    """Describe each metric over `regions`, NaN values left out: see `FilterReport`."""
    rows = {}
    for metric in METRICS:
        values = regions[metric].to_numpy(dtype=float)
        values = values[np.isfinite(values)]
        row = dict.fromkeys(_STATISTICS, np.nan)
        if values.size:
            found = (values.min(), values.max(), values.mean(), np.median(values), values.std())
            row = dict(zip(_STATISTICS, map(float, found), strict=True))
            for q in METRIC[metric].quantiles:
                row[_quantile(q)] = float(np.quantile(values, q))
        rows[metric] = row
    quantiles = sorted({q for metric in METRIC.values() for q in metric.quantiles})
    columns = [*_STATISTICS, *map(_quantile, quantiles)]
    return pd.DataFrame.from_dict(rows, orient="index").reindex(columns=columns)


def _quantile(q: float) -> str:
    """Name of its column."""
    return f"q{100 * q:.0f}"


def _plain(table: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    return {
        metric: {
            name: None if np.isnan(row[name]) else float(row[name])
            for name in [*_STATISTICS, *map(_quantile, METRIC[metric].quantiles)]
        }
        for metric, row in ((str(metric), row) for metric, row in table.iterrows())
    }


def _table(table: pd.DataFrame) -> list[str]:
    lines = [f"  {'':<20}" + "".join(f"{name:>{_COLUMN}}" for name in _STATISTICS) + "  quantiles"]
    for name, row in table.iterrows():
        metric = METRIC[str(name)]
        numbers = "".join(f"{_format(metric, row[key]):>{_COLUMN}}" for key in _STATISTICS)
        quantiles = ", ".join(
            f"{100 * q:.0f}% {_format(metric, row[_quantile(q)])}" for q in metric.quantiles
        )
        lines.append(f"  {metric.name:<20}{numbers}  {quantiles}".rstrip())
    return lines


def _format(metric: Metric, value: float) -> str:
    text = fixed(value, metric.digits, commas=bool(metric.unit))
    return text if len(text) < _COLUMN - 1 else rounded(value)
