"""`WhatIf`: other thresholds tried on regions that were measured once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg.filtering.config import FilterConfig, check_config
from postseg.filtering import run
from postseg.raster.label_image import LabelImage
from postseg.state import State
from postseg.filtering.sweep import Window, window


class WhatIf(State):
    """The part of `PostSegmentation` that filters again."""

    def refilter(
        self,
        config: FilterConfig | Mapping[str, Any] | None = None,
        /,
        **thresholds: Any,
    ) -> LabelImage:
        """Filter again with other thresholds, without reading or measuring the image again.

        The thresholds become `filter_config`; `masks`, `filter_report` and `regions` follow, and
        shapes, labels and table, which showed other masks, are made anew by their steps.

        Parameters
        ----------
        config : FilterConfig or mapping, optional
            Thresholds to start from; default `filter_config`.
        **thresholds
            Single fields that take precedence.

        Returns
        -------
        (H, W) int32 array
            Survivors, renumbered 1..n; now `self.masks`. All zeros, with a warning, when nothing
            survives.

        Raises
        ------
        RuntimeError
            Without masks, and where a subclass overrides `filter_cell_by_regionprops`.
        """
        with self._step():
            measured = self._measure_input()
            base = self.filter_config if config is None else check_config(config)
            with self._in_force(measured.image, base.replace(**thresholds)) as in_force:
                filtered = run.apply_filter(measured, in_force, self.rejections, self.save_debug)
            self._announce(filtered, warn=True)
            self._set_masks(
                filtered.masks, filtered.runs.without_background(), filtered, shift=None
            )
            self.filter_config = in_force
        return filtered.masks

    def threshold_sweep(self, field: str, values: Iterable[Any]) -> pd.DataFrame:
        """Tell what other values of one threshold would keep; changes nothing.

        Parameters
        ----------
        field : str
            A field of `FilterConfig`; the others stay as they are in `filter_config`.
        values : iterable
            Values to try.

        Returns
        -------
        DataFrame
            Indexed by ``value``: regions ``kept`` and ``rejected``, and the region numbers that
            flip against `filter_config`: ``gained`` (kept now, by that value) and ``lost``.
        """
        with self._step():
            measured, config, values = self._measure_input(), self.filter_config, list(values)
            kept_now = self._keeps(measured, config)
            kept_then = self._kept(measured, config, field, values)
            number = measured.table.index.to_numpy()
            rows = [
                {
                    "value": value,
                    "kept": int(kept.sum()),
                    "rejected": int(kept.size - kept.sum()),
                    "gained": number[kept & ~kept_now],
                    "lost": number[~kept & kept_now],
                }
                for value, kept in zip(values, kept_then, strict=True)
            ]
        columns = ["value", "kept", "rejected", "gained", "lost"]
        return pd.DataFrame(rows, columns=columns).set_index("value")

    def _kept(
        self, measured: run.Measured, config: FilterConfig, field: str, values: Sequence[Any]
    ) -> Iterator[NDArray[np.bool_]]:
        """Which of measured regions pass with each value of one threshold."""
        found = self._window(measured, config, field, values)
        if found is not None:
            return found.masks()
        return (self._keeps(measured, config.replace(**{field: value})) for value in values)

    def _count_kept(
        self, measured: run.Measured, config: FilterConfig, field: str, values: Sequence[Any]
    ) -> NDArray[np.int64]:
        """How many of them."""
        found = self._window(measured, config, field, values)
        if found is not None:
            return found.counts()
        kept = self._kept(measured, config, field, values)
        return np.array([mask.sum() for mask in kept], dtype=np.int64)

    def _window(
        self, measured: run.Measured, config: FilterConfig, field: str, values: Sequence[Any]
    ) -> Window | None:
        """What values of one threshold keep, or None where only `rejections` can tell."""
        if not self._rejects_by_thresholds():
            return None
        settings = [getattr(config.replace(**{field: value}), field) for value in values]
        return window(field, settings, measured.table, config)

    def _keeps(self, measured: run.Measured, config: FilterConfig) -> NDArray[np.bool_]:
        """Which of measured regions pass with other thresholds."""
        with self._in_force(measured.image, config):
            failed = run.find_failures(measured.table, self.rejections)
        return np.asarray(~failed.to_numpy(dtype=bool).any(axis=1))

    def _measure_input(self) -> run.Measured:
        """The masks as assigned, measured once."""
        if not self._filters_by_rejections():
            raise RuntimeError(
                f"{type(self).__name__} overrides filter_cell_by_regionprops(), so its thresholds "
                "cannot be tried on measured regions; override rejections() instead."
            )
        return self._measure(self._held.input)
