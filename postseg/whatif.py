"""`WhatIf`: other thresholds tried on regions that were measured once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg.filtering.config import FilterConfig, check_config
from postseg.filtering import run
from postseg.raster.label_image import LabelImage
from postseg.state import State


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
            measured = self._measure_input()

            kept_now = self._keeps(measured, self.filter_config)
            number = measured.table.index.to_numpy()
            rows = []
            for value in values:
                kept = self._keeps(measured, self.filter_config.replace(**{field: value}))
                rows.append(
                    {
                        "value": value,
                        "kept": int(kept.sum()),
                        "rejected": int((~kept).sum()),
                        "gained": number[kept & ~kept_now],
                        "lost": number[~kept & kept_now],
                    }
                )
        columns = ["value", "kept", "rejected", "gained", "lost"]
        return pd.DataFrame(rows, columns=columns).set_index("value")

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
