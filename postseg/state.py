"""`State`: what a `PostSegmentation` holds, checked on entry and never left half changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pandas as pd

from postseg.config import FilterConfig, check_config, check_factor, check_name
from postseg.filtering import DebugImage
from postseg.label_image import LabelImage, as_label_image, check_values
from postseg.report import FilterReport

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr


class State:
    """Masks, settings and results; a result never outlives the masks that it describes."""

    def __init__(
        self,
        masks: Any = None,
        factor_rescale: int = 1,
        label_name: str = "labels",
        *,
        filter_config: FilterConfig | Mapping[str, Any] | None = None,
        verbose: bool = True,
        save_debug: DebugImage = False,
    ) -> None:
        self.masks = masks
        self.factor_rescale = factor_rescale
        self.label_name = label_name
        self.filter_config = filter_config
        self.verbose = verbose
        self.save_debug = save_debug
        self._in_step = False

    @property
    def masks(self) -> LabelImage | None:
        """The label image as it stands: as assigned, or the survivors once the filter has run."""
        return self._masks

    @masks.setter
    def masks(self, masks: Any) -> None:
        if masks is not None:
            masks = as_label_image(masks)
            check_values(masks)
        self._masks = masks
        self._input_masks = masks  # what the filter reads, however often it runs
        self.gdf_polygons: gpd.GeoDataFrame | None = None
        self.shapes_model: gpd.GeoDataFrame | None = None
        self.labels_model: xr.DataArray | None = None
        self.filter_report: FilterReport | None = None
        self.regions: pd.DataFrame | None = None

    @property
    def factor_rescale(self) -> int:
        """How many times smaller the masks are than the image."""
        return self._factor_rescale

    @factor_rescale.setter
    def factor_rescale(self, factor: int) -> None:
        self._factor_rescale = check_factor(factor)
        self.gdf_polygons = self.shapes_model = self.labels_model = None

    @property
    def label_name(self) -> str:
        """Name of the labels element."""
        return self._label_name

    @label_name.setter
    def label_name(self, name: str) -> None:
        self._label_name = check_name(name, "label_name")
        self.labels_model = None

    @property
    def filter_config(self) -> FilterConfig:
        """Thresholds; during a filter run, the ones in force."""
        return self._filter_config

    @filter_config.setter
    def filter_config(self, config: FilterConfig | Mapping[str, Any] | None) -> None:
        self._filter_config = check_config(config)

    @contextmanager
    def _step(self) -> Iterator[LabelImage]:
        """Yield the input masks; after an error, leave the object as it was."""
        if self._input_masks is None:
            raise RuntimeError(
                "There are no masks yet: assign the label image first, post.masks = label_image."
            )
        before = vars(self).copy()
        self._in_step = True
        try:
            yield self._input_masks
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise
        self._in_step = before["_in_step"]

    @contextmanager
    def _in_force(self, thresholds: Mapping[str, Any]) -> Iterator[FilterConfig]:
        """Let keyword thresholds take the place of the configured ones for one call."""
        configured = self._filter_config
        self._filter_config = configured.replace(**thresholds)
        try:
            yield self._filter_config
        finally:
            self._filter_config = configured
