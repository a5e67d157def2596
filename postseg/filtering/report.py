"""`FilterReport`: what the filter found, kept and rejected, to read or to process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from postseg._support.words import (
    WIDTH,
    about,
    exact,
    fixed,
    human,
    in_percent,
    out_of,
    percent,
    preformatted,
    rounded,
    wrapped,
)
from postseg.filtering import quantities
from postseg.filtering.config import FilterConfig
from postseg.filtering.criteria import Area
from postseg.filtering.metrics import METRIC, METRICS, Metric

_COLUMN = 10
_STATISTICS = ("min", "max", "mean", "median", "std")


class Transcripts(NamedTuple):
    """Where the transcripts in the image lie: points of a gene, of good quality.

    Attributes
    ----------
    in_cells : int
        In regions that passed.
    in_regions : int
        In any region.
    total : int
        In the image, whether in a region or in the background.
    rejected : Mapping of str to int
        In regions that were rejected, by the reason; with `in_cells` they add up to `in_regions`.
    """

    in_cells: int
    in_regions: int
    total: int
    rejected: Mapping[str, int]

    @property
    def share(self) -> float:
        """The part of all that lies in cells, from 0 to 1; 0 where there were none."""
        return self.in_cells / (self.total or 1)

    def __str__(self) -> str:
        return f"{in_percent(self.share)} ({self.in_cells:,} of {self.total:,})"


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
        Thresholds in force: none is in um^2.
    stated : FilterConfig
        The same as they were stated.
    areas : Mapping of str to Area
        What each area threshold came to, in mask pixels, and by which rule.
    absolute : Mapping of str to str
        Those of the thresholds that followed from the areas of all regions, in mask pixels, as
        `FilterConfig` takes them.
    statistics_all, statistics_passed : DataFrame
        One row per metric: min, max, mean, median, population std, and for some two quantiles.
        Lengths and areas in mask pixels.
    transcripts : Transcripts or None
        Where the transcripts lie, once points were counted.
    """

    total: int
    passed: int
    rejected: Mapping[str, int]
    config: FilterConfig
    stated: FilterConfig
    areas: Mapping[str, Area]
    absolute: Mapping[str, str]
    statistics_all: pd.DataFrame
    statistics_passed: pd.DataFrame
    transcripts: Transcripts | None = None

    @property
    def percent_passed(self) -> float:
        """Share of the regions that passed, in percent; 0 where there were none."""
        return 100 * self.passed / self.total if self.total else 0.0

    @property
    def min_area(self) -> float | None:
        """What `config.min_area` came to, in mask pixels."""
        return self.areas["min_area"].pixels

    @property
    def min_area_rule(self) -> str:
        """By which rule."""
        return self.areas["min_area"].rule

    @property
    def notes(self) -> list[str]:
        """What one should know: of each floor that somebody set above the median of all areas.

        Not of percentiles and of words, which tell where in the distribution they lie, and nothing
        where no region passed, which says more.
        """
        if not self.passed:
            return []
        median: Any = self.statistics_all.loc["area", "median"]
        spares = self.config.border == "keep"
        effect = (
            "at least half of them are below it" if spares else "it rejects at least half of them"
        )
        floors = ((name, area) for name, area in self.areas.items() if name.startswith("min_"))
        return [
            f"{name} is {self.in_words(name)}, above the median area of all {self.total:,} "
            f"regions, {about(median)} px: {effect}. If these are cells, "
            f'set it lower, e.g. to "{exact(median // 2)} px", or to None.'
            for name, area in floors
            if area.is_stated and area.pixels is not None and area.pixels > median
        ]

    def frozen(self) -> FilterConfig:
        """Return thresholds that no longer follow from the areas of all regions.

        Regions of a part of the same masks, as of one tile, are decided with them as here, for the
        same reasons. Where there were no regions, there is nothing that thresholds could follow
        from, and they stay as they are.

        Returns
        -------
        FilterConfig
            Thresholds in force, with areas in mask pixels; see `FilterConfig.to_file`.

        Raises
        ------
        ValueError
            When no region could pass: the smallest area came to more than the largest one.
        """
        return self.config.replace(**self.absolute)

    def in_words(self, field: str) -> str:
        """An area threshold as it was stated, and what that came to: ``20 um² = 27.7 px``.

        Parameters
        ----------
        field : str
            Of `FilterConfig`.

        Returns
        -------
        str
            Pixels alone where it was stated in them; ``off`` where it is not in force.
        """
        area = self.areas[field]
        if area.pixels is None:
            return area.rule
        microns = _in_microns(getattr(self.stated, field))
        return f"{microns} = {about(area.pixels)} px" if microns else f"{exact(area.pixels)} px"

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data.

        Returns
        -------
        dict
            Numbers, strings, lists and dicts, fit for JSON: counts, thresholds as stated, areas
            among them in mask pixels too, all as in `frozen`, notes, by ``metrics`` the statistics,
            and by ``transcripts`` where they lie, with their ``share`` in cells, from 0 to 1.
            Undefined values are None.
        """
        return {
            "total": self.total,
            "passed": self.passed,
            "percent_passed": self.percent_passed,
            "rejected": dict(self.rejected),
            "thresholds": self.stated.model_dump(),
            "thresholds_pixels": {name: area.pixels for name, area in self.areas.items()},
            # not by frozen(): of a run that no region could pass it is an error
            "thresholds_frozen": self.config.model_dump() | dict(self.absolute),
            "min_area_pixels": self.min_area,
            "min_area_rule": self.min_area_rule,
            "notes": self.notes,
            "metrics": {
                "all": _plain(self.statistics_all),
                "passed": _plain(self.statistics_passed),
            },
            "transcripts": self._transcripts(),
        }

    def _transcripts(self) -> dict[str, Any] | None:
        found = self.transcripts
        if found is None:
            return None
        return {**found._asdict(), "rejected": dict(found.rejected), "share": found.share}

    def _repr_html_(self) -> str:
        return preformatted(str(self))

    def __str__(self) -> str:
        heading = f"Cell filter: {out_of(self.passed, self.total)} passed"
        lines = [f"{heading} ({self.percent_passed:.1f}%)"]
        if self.transcripts is not None:
            lines.append(f"Transcripts in cells: {self.transcripts}")
        lines.append("=" * WIDTH)
        if self.total:
            lines += ["", f"All regions ({self.total:,})", *_table(self.statistics_all)]
        lines += ["", "Thresholds", *self._thresholds()]
        if self.passed:
            lines += ["", f"Passed ({self.passed:,})", *_table(self.statistics_passed)]
        lines += ["", f"Rejected ({self.total - self.passed:,})", *self._breakdown()]
        return "\n".join(lines)

    def _thresholds(self) -> list[str]:
        lines = [
            f"  {name:<24}{self._threshold(name, value)}"
            for name, value in self.stated
            if value is not None
        ]
        off = ", ".join(name for name, value in self.stated if value is None)
        lines += wrapped(off, indent=" " * 7, first="  off: ")
        for note in self.notes:
            lines += ["", *wrapped(note, indent="  ", first="  ")]
        return lines

    def _threshold(self, name: str, value: float | str) -> str:
        """Value, right-aligned, and what it came to, or by which rule."""
        area = self.areas.get(name)
        if area is None or area.pixels is None:
            return f"{value if isinstance(value, str) else exact(value):>10}"
        microns = _in_microns(value)
        if microns:
            return f"{microns:>10} = {about(area.pixels)} px"
        # of min_area a number alone could be a percentile
        rule = "" if area.is_stated and name != "min_area" else f"  {area.rule}"
        return f"{exact(area.pixels):>10}{rule}"

    def _breakdown(self) -> list[str]:
        lines = [
            f"  {human(reason)}: {count:,}{percent(count, self.total)}{self._cost(reason)}"
            for reason, count in self.rejected.items()
            if count
        ]
        return lines or ["  none"]

    def _cost(self, reason: str) -> str:
        """What a reason cost in transcripts."""
        found = self.transcripts
        if found is None or not found.total:
            return ""
        return f", {in_percent(found.rejected.get(reason, 0) / found.total)} of the transcripts"


def _in_microns(setting: float | str) -> str:
    """A threshold in um^2 as people read it; nothing for any other."""
    quantity = quantities.read(setting)
    if quantity is None or quantity.unit != quantities.MICRONS:
        return ""
    return f"{quantity.number} {quantities.UNITS[quantity.unit]}"


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
            of = METRIC[metric].quantiles
            row |= zip(map(_quantile, of), np.quantile(values, of).tolist(), strict=True)
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
