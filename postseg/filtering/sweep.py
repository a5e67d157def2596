"""What one threshold decides: which values are worth trying, and what they would have done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg._support.words import in_percent
from postseg.filtering import criteria
from postseg.filtering.config import THRESHOLDS, FilterConfig, limits
from postseg.filtering.run import Measured

_STEPS = 80


class Sweep(NamedTuple):
    """Survivors against the values of one threshold.

    Attributes
    ----------
    field : str
        The threshold.
    value : (n_values,) array
        Its values in ascending order; of an area in mask pixels, whatever the rule.
    kept : (n_values,) array of int
        How many regions each would keep.
    today : float or None
        The value in force, None where the test is off.
    kept_today : int
        How many regions are kept now.
    level : (n_regions,) array
        See `criteria.levels`.
    decided : (n_regions,) array of bool
        Regions that other tests reject anyway, or the border policy keeps.
    transcripts : (n_values,) array or None
        The part of all transcripts, from 0 to 1, that would lie in cells with each value, once
        points were counted.
    transcripts_today : float or None
        The part that lies in cells now.
    cost : float or None
        The part that lies in regions that this threshold alone rejects.
    """

    field: str
    value: NDArray[np.float64]
    kept: NDArray[np.int64]
    today: float | None
    kept_today: int
    level: NDArray[np.float64]
    decided: NDArray[np.bool_]
    transcripts: NDArray[np.float64] | None = None
    transcripts_today: float | None = None
    cost: float | None = None

    @property
    def unit(self) -> str:
        """What its values are: a metric, or ``"standard deviations"``."""
        test = criteria.test_of(self.field)
        return "standard deviations" if test.kind == "deviations" else test.metric

    @property
    def note(self) -> str:
        """What one should know before one sets it, or nothing."""
        notes = []
        if self.today is not None and not self._decides_now():
            notes.append("It rejects nothing that other tests keep.")
        elif self.today is not None and self.cost is not None:
            notes.append(
                f"It costs {in_percent(self.cost)} of the transcripts: those in regions that it "
                "alone rejects."
            )
        if criteria.test_of(self.field).kind == "rule":
            notes.append(
                "As a setting, a number from 0 to 100 is a percentile of the areas; a floor of 100 "
                "pixels or less has its unit: '80 px'."
            )
        return " ".join(notes)

    def _decides_now(self) -> bool:
        sign = 1 if criteria.test_of(self.field).bound == "min" else -1
        return bool((sign * (self.level - (self.today or 0)) < 0)[~self.decided].any())


def swept(config: FilterConfig) -> list[str]:
    """The thresholds in force that are one number, so that there are others to try."""
    tests = map(criteria.test_of, THRESHOLDS)
    return [
        test.threshold
        for test in tests
        if criteria.is_on(test, config) and not _has_two_bounds(test, config)
    ]


def _has_two_bounds(test: criteria.Test, config: FilterConfig) -> bool:
    return test.kind == "deviations" and isinstance(getattr(config, test.threshold), str)


def sweep(
    field: str,
    measured: Measured,
    config: FilterConfig,
    failed: pd.DataFrame,
    count_kept: Callable[[Sequence[Any]], NDArray[np.int64]],
) -> Sweep:
    """Find out what other values of a threshold would do.

    Parameters
    ----------
    field : str
        The threshold.
    measured : Measured
        The regions.
    config : FilterConfig
        Thresholds in force.
    failed : DataFrame of bool
        Which regions fail which test with them.
    count_kept : callable
        Tells how much of `Measured.amounts` each value of the threshold would keep.

    Raises
    ------
    ValueError
        When there is no such threshold, or it is not one number.
    """
    test = criteria.test_of(field)
    if _has_two_bounds(test, config):
        raise ValueError(
            f"{field} is {getattr(config, field)!r}, two bounds, and has no range of numbers: try "
            f"other bounds with threshold_sweep({field!r}, [...])."
        )
    regions, total = measured.table, measured.n_transcripts
    level = criteria.levels(field, regions)
    today = getattr(config, field)
    if test.kind != "deviations":
        today = criteria.resolve(test, config, regions)
    tried = _values(test, level, today, config) if len(regions) else []
    value = np.array(tried, dtype=float)
    if test.kind == "rule":
        value = np.array(criteria.resolve_all(test, tried, regions), dtype=float)
    others = failed.drop(columns=test.reason, errors="ignore").to_numpy(dtype=bool).any(axis=1)
    rejected = failed.to_numpy(dtype=bool).any(axis=1)
    kept, amounts = count_kept(tried), measured.amounts
    kept_today, lost = (amounts[of].sum(axis=0) for of in (~rejected, rejected & ~others))
    return Sweep(
        field=field,
        value=value,
        kept=kept[:, 0],
        today=today,
        kept_today=int(kept_today[0]),
        level=level,
        decided=others | criteria.is_spared(regions, config),
        transcripts=None if total is None else kept[:, 1] / (total or 1),
        transcripts_today=None if total is None else int(kept_today[1]) / (total or 1),
        cost=None if total is None else int(lost[1]) / (total or 1),
    )


def _values(
    test: criteria.Test, level: NDArray[np.float64], today: float | None, config: FilterConfig
) -> list[float]:
    """Values that the threshold may have, over the range of the cells."""
    if test.kind == "rule":  # smaller numbers of pixels can be had as percentiles only
        return [*map(float, range(101))]
    finite = level[np.isfinite(level)]
    low, high = np.quantile(finite, (0.002, 0.998)) if finite.size else (0.0, 1.0)
    marks = [low, high] if today is None else [low, high, today]
    room = 0.1 * (max(marks) - min(marks)) or 0.1 * abs(max(marks)) or 0.1
    values = np.linspace(max(0, min(marks) - room), max(marks) + room, _STEPS)
    values = values.clip(max=limits(test.threshold).get("le", np.inf))
    values = np.unique(values if today is None else np.append(values, today))
    return [value for value in values.tolist() if _is_possible(test.threshold, value, config)]


def _is_possible(field: str, value: float, config: FilterConfig) -> bool:
    try:
        config.replace(**{field: value})
    except ValueError:
        return False
    return True
