"""Other values of one threshold, tried on measured regions: which of them each would keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg.filtering import criteria
from postseg.filtering.config import FilterConfig
from postseg.filtering.run import Measured


class Trials(NamedTuple):
    """What is tried on which regions, and how.

    Attributes
    ----------
    measured : Measured
        The regions.
    config : FilterConfig
        Thresholds as stated; all but the one that is tried stay.
    in_force : callable
        The thresholds in force for others that were stated.
    keeps : callable
        Tells which regions pass with thresholds in force, whatever `rejections` is.
    by_thresholds : bool
        Whether it does what thresholds tell and no more, so that it need not be asked.
    """

    measured: Measured
    config: FilterConfig
    in_force: Callable[[FilterConfig], FilterConfig]
    keeps: Callable[[FilterConfig], NDArray[np.bool_]]
    by_thresholds: bool

    def masks(self, field: str, values: Sequence[Any]) -> Iterator[NDArray[np.bool_]]:
        """Of each value of a threshold: which regions it keeps."""
        found = self._window(field, values)
        if found is not None:
            return found.masks()
        return map(self.keeps, self._tried(field, values))

    def sums(self, field: str, values: Sequence[Any]) -> NDArray[np.int64]:
        """Of each value: how much it keeps of `Measured.amounts`, (n_values, n_amounts)."""
        amounts = self.measured.amounts
        found = self._window(field, values)
        if found is not None:
            return found.sums(amounts)
        sums = [amounts[kept].sum(axis=0) for kept in self.masks(field, values)]
        return np.array(sums, dtype=np.int64).reshape(-1, amounts.shape[1])

    def table(self, field: str, values: Sequence[Any]) -> Swept:
        """What each value keeps, and which regions flip by it: see `threshold_sweep`."""
        measured, amounts = self.measured, self.measured.amounts
        kept_now = self.keeps(self.in_force(self.config))
        number = measured.table.index.to_numpy()
        names = ["kept", "transcripts"][: amounts.shape[1]]
        rows = [
            {
                "value": value,
                **dict(zip(names, amounts[kept].sum(axis=0).tolist(), strict=True)),
                "rejected": int(kept.size - kept.sum()),
                "gained": number[kept & ~kept_now],
                "lost": number[~kept & kept_now],
            }
            for value, kept in zip(values, self.masks(field, values), strict=True)
        ]
        columns = ["value", "kept", "rejected", "gained", "lost", *names[1:]]
        found = pd.DataFrame(rows, columns=columns)
        if measured.n_transcripts is not None:
            found["transcript_share"] = found["transcripts"] / (measured.n_transcripts or 1)
        if any(isinstance(value, str) for value in values):
            found["value"] = pd.Series(values, dtype=object)  # in a text column None would be NaN
        return Swept(found.set_index("value"))

    def _window(self, field: str, values: Sequence[Any]) -> Window | None:
        """What values keep, or None where only `rejections` can tell."""
        if not self.by_thresholds or field == criteria.BORDER.threshold:
            return None
        settings = [getattr(one, field) for one in self._tried(field, values)]
        return window(field, settings, self.measured.table, self.in_force(self.config))

    def _tried(self, field: str, values: Sequence[Any]) -> Iterator[FilterConfig]:
        """The thresholds in force with each value."""
        return (self.in_force(self.config.replace(**{field: value})) for value in values)


class Swept(pd.DataFrame):
    """A table of what values of a threshold keep, printed with all its columns.

    Lists of regions are printed as how many they are.
    """

    def __repr__(self) -> str:
        lists = {name: len for name in ("gained", "lost") if name in self}
        return pd.DataFrame(self).to_string(formatters=lists)


class Window(NamedTuple):
    """What settings of one threshold keep, the others being as they are.

    Attributes
    ----------
    candidate : (n_regions,) array of bool
        Regions that no other test rejects.
    value : (n_regions,) array
        The metric that the threshold bounds; NaN is never rejected.
    low, high : (n_settings,) arrays
        The smallest and the largest value that each setting keeps.
    """

    candidate: NDArray[np.bool_]
    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def masks(self) -> Iterator[NDArray[np.bool_]]:
        """Of each setting: which regions it keeps."""
        for low, high in zip(self.low, self.high, strict=True):
            yield self.candidate & ~((self.value < low) | (self.value > high))

    def sums(self, amounts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add up what each setting keeps, found by a search among sorted values.

        Parameters
        ----------
        amounts : (n_regions, n_amounts) array
            What there is of each region.

        Returns
        -------
        (n_settings, n_amounts) array
            What there is of those that are kept.
        """
        undefined = np.isnan(self.value)
        always = amounts[self.candidate & undefined].sum(axis=0)
        at = np.flatnonzero(self.candidate & ~undefined)
        at = at[np.argsort(self.value[at])]
        ordered = self.value[at]
        below = np.vstack([np.zeros_like(always), amounts[at].cumsum(axis=0)])
        first = np.searchsorted(ordered, self.low, side="left")
        last = np.searchsorted(ordered, self.high, side="right")
        return always + below[np.maximum(first, last)] - below[first]


def window(
    field: str, settings: Sequence[Any], regions: pd.DataFrame, config: FilterConfig
) -> Window:
    """Find out what settings of a threshold keep, by our own tests.

    Parameters
    ----------
    field : str
        The threshold.
    settings : sequence
        As `FilterConfig` has them.
    regions : DataFrame
        As from `measure_regions`.
    config : FilterConfig
        The other thresholds.
    """
    low, high = np.full(len(settings), -np.inf), np.full(len(settings), np.inf)
    value = np.full(len(regions), np.nan)
    for test in (test for test in criteria.TESTS if test.threshold == field):
        value = regions[test.metric].to_numpy(dtype=float)  # one threshold bounds one metric
        bound = np.array(criteria.resolve_all(test, settings, regions), dtype=float)
        if test.bound == "min":
            low = np.where(np.isnan(bound), low, bound)  # NaN: off
        else:
            high = np.where(np.isnan(bound), high, bound)
    value = np.where(criteria.is_spared(regions, config), np.nan, value)
    others = [test for test in criteria.TESTS if test.threshold != field]
    return Window(criteria.passes(others, regions, config), value, low, high)
