"""`State`: what a `PostSegmentation` holds, checked on entry and never left half changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from postseg.config import FilterConfig, check_config
from postseg.filtering import DebugImage, Filtered, Measured
from postseg.label_image import LabelImage, as_label_image, check_values, is_lazy
from postseg.metrics import measure_regions
from postseg.parallel import check_n_jobs, limited
from postseg.progress import bar, shown_by
from postseg.report import FilterReport
from postseg.settings import check_factor, check_name, check_origin

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr
    from anndata import AnnData

    from postseg.coordinates import Matrix


class State:
    """Masks, settings and results; a result never outlives the masks that it describes."""

    if TYPE_CHECKING:  # what `PostSegmentation` adds, and its other parts call

        def process_masks_to_shapes(self) -> tuple[Any, Any, Any]: ...  # noqa: D102

        def process_labels(self) -> tuple[Any, Any]: ...  # noqa: D102

        def rejections(self, regions: pd.DataFrame) -> pd.DataFrame: ...  # noqa: D102

        def filter_cell_by_regionprops(self, seg_masks: Any) -> Any: ...  # noqa: D102

        def _announce(self, filtered: Filtered) -> None: ...

        def _filters_by_rejections(self) -> bool: ...

        def _placing(self) -> tuple[int, float, tuple[float, float], Matrix]: ...

    def __init__(
        self,
        masks: Any = None,
        factor_rescale: int = 1,
        label_name: str = "labels",
        *,
        shape_name: str | None = None,
        origin: tuple[float, float] = (0, 0),
        filter_config: FilterConfig | Mapping[str, Any] | None = None,
        verbose: bool = True,
        save_debug: DebugImage = False,
        n_jobs: int | None = None,
        progress: bool = False,
    ) -> None:
        self.masks = masks
        self.factor_rescale = factor_rescale
        self.label_name = label_name
        self.shape_name = shape_name
        self.origin = origin
        self.filter_config = filter_config
        self.verbose = verbose
        self.save_debug = save_debug
        self.n_jobs = check_n_jobs(n_jobs, "n_jobs")
        self.progress = progress
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
        self.labels_model: xr.DataArray | xr.DataTree | None = None
        self.table: AnnData | None = None
        self.filter_report: FilterReport | None = None
        self.regions: pd.DataFrame | None = None
        self._audit: pd.DataFrame | None = None  # the table of the masks as they stand
        self._measured: Measured | None = None  # of the masks as assigned
        self._cleaned: Filtered | None = None  # of the last filter run
        self._shift: float | None = None  # of y after mirroring, for the masks as they stand

    @property
    def factor_rescale(self) -> int:
        """How many times smaller the masks are than the image."""
        return self._factor_rescale

    @factor_rescale.setter
    def factor_rescale(self, factor: int) -> None:
        self._factor_rescale = check_factor(factor)
        self._forget_elements()

    @property
    def label_name(self) -> str:
        """Name of the labels element."""
        return self._label_name

    @label_name.setter
    def label_name(self, name: str) -> None:
        self._label_name = check_name(name, "label_name")
        self.labels_model = self.table = None

    @property
    def shape_name(self) -> str:
        """Name of the shapes element; `label_name` with ``_shapes`` where none was given."""
        return self._shape_name or f"{self.label_name}_shapes"

    @shape_name.setter
    def shape_name(self, name: str | None) -> None:
        if name is not None and check_name(name, "shape_name").lower() == self.label_name.lower():
            raise ValueError(f"shape_name is {name!r}, the name of the labels; give another.")
        self._shape_name = name
        self.table = None

    @property
    def origin(self) -> tuple[float, float]:
        """Row and column of the tile's first pixel in its slide, in mask pixels."""
        return self._origin

    @origin.setter
    def origin(self, origin: tuple[float, float]) -> None:
        self._origin = check_origin(origin)
        self._forget_elements()

    @property
    def filter_config(self) -> FilterConfig:
        """Thresholds; during a filter run, the ones in force."""
        return self._filter_config

    @filter_config.setter
    def filter_config(self, config: FilterConfig | Mapping[str, Any] | None) -> None:
        self._filter_config = check_config(config)

    def _set_masks(
        self, masks: LabelImage, audit: pd.DataFrame | None, shift: float | None
    ) -> None:
        """Put filtered masks in place, and drop results that no longer match them.

        Without an `audit`, as from a filter of a subclass's own, the masks are measured.
        """
        if shift is None or shift != self._shift or not _same(masks, self._masks):
            self._forget_elements()
        self.table = None  # its rows carry the thresholds too
        self._masks = masks
        self._shift = shift
        if audit is None:
            audit = measure_regions(masks)
            audit["label"] = audit["source_label"]
        self._audit = audit

    def _forget_elements(self) -> None:
        self.gdf_polygons = self.shapes_model = self.labels_model = self.table = None
        self._shift = None

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
            with limited(self.n_jobs), self._progress_bar(before["_in_step"]):
                yield self._input_masks
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise
        self._in_step = before["_in_step"]

    @contextmanager
    def _progress_bar(self, in_step: bool) -> Iterator[None]:
        if not self.progress or in_step:
            yield
            return
        with bar() as show, shown_by(show):
            yield

    @contextmanager
    def _in_force(self, thresholds: Mapping[str, Any]) -> Iterator[FilterConfig]:
        """Let keyword thresholds take the place of the configured ones for one call."""
        configured = self._filter_config
        self._filter_config = configured.replace(**thresholds)
        try:
            with limited(self.n_jobs):
                yield self._filter_config
        finally:
            self._filter_config = configured


def _same(masks: LabelImage, others: LabelImage | None) -> bool:
    if is_lazy(masks) or is_lazy(others):
        return False  # not worth reading them
    return np.array_equal(masks, others)  # type: ignore[arg-type]
