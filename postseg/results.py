"""The values that a `PostSegmentation` holds: replaced whole, never changed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from postseg._support.words import human, out_of, wrapped
from postseg.filtering.report import FilterReport
from postseg.filtering.run import FilterRun, Measured, tell
from postseg.geometry.placement import Reference
from postseg.raster.label_image import LabelImage, is_lazy
from postseg.raster.runs import Runs
from postseg.tiles.merged import Merged

if TYPE_CHECKING:
    import dask.dataframe as dd
    import geopandas as gpd
    import xarray as xr
    from anndata import AnnData

    from postseg.transcripts.counted import Counted

# of the masks as they stand
MADE = ("gdf_polygons", "shapes_model", "labels_model", "table", "points_model", "transcripts")


class Held(NamedTuple):
    """All that a `PostSegmentation` holds beside its settings; replaced whole, never changed.

    Attributes
    ----------
    input : (H, W) array or None
        The masks as they were assigned, not to be written to: what the filter reads.
    own : Reference or None
        Where they lie, of masks that are a SpatialData element.
    seen : Reference or None
        Where the `reference` lay when the last step began: its transformations may be changed.
    tiles : Merged or None
        What they were merged of, of masks that are a `Slide`.
    measured : Measured or None
        The input, read once. What is edited in the array afterwards is not seen.
    masks : (H, W) array or None
        The masks as they stand.
    runs : Runs or None
        The same as runs, once a filter made them.
    made_by : FilterRun or None
        The filter run that made them; None where they are as assigned, or of a subclass's filter.
    audit : DataFrame or None
        Their audit table, once a filter made them.
    shift : float or None
        What is added to y after mirroring them, once it is known.
    nuclei : Runs or None
        Nuclei, which regions are told of when they are measured.
    counted : Counted or None
        Points that were looked up in the regions of masks, whatever became of these.
    gdf_polygons, shapes_model, labels_model, table, points_model, transcripts
        What was made of them.
    plain_labels : str or None
        The name of the labels' dask array, where they were made without a word on a pyramid.
    last : FilterRun or None
        The last filter run, of these masks or of any other image.
    filter_report, regions
        What is handed out of it: the table as a copy, whose edits do not reach the audit.
    """

    input: LabelImage | None = None
    own: Reference | None = None
    seen: Reference | None = None
    tiles: Merged | None = None
    measured: Measured | None = None
    masks: LabelImage | None = None
    runs: Runs | None = None
    made_by: FilterRun | None = None
    audit: pd.DataFrame | None = None
    shift: float | None = None
    nuclei: Runs | None = None
    counted: Counted | None = None
    gdf_polygons: gpd.GeoDataFrame | None = None
    shapes_model: gpd.GeoDataFrame | None = None
    labels_model: xr.DataArray | xr.DataTree | None = None
    table: AnnData | None = None
    points_model: dd.DataFrame | None = None
    transcripts: pd.DataFrame | None = None
    plain_labels: str | None = None
    last: FilterRun | None = None
    filter_report: FilterReport | None = None
    regions: pd.DataFrame | None = None

    @property
    def all_measured(self) -> list[Measured]:
        """The input masks, where they were measured, and what the filter runs are of."""
        of_runs = (run and run.measured for run in (self.last, self.made_by))
        found = [one for one in (self.measured, *of_runs) if one is not None]
        return [*{id(one): one for one in found}.values()]

    def told(self, measured: Measured, told: Measured) -> Held:
        """The same with what measured regions were told since: in what was made of them, too."""
        last, made_by = (
            run if run is None or run.measured is not measured else tell(run, told)
            for run in (self.last, self.made_by)
        )
        return self._replace(
            measured=told if self.measured is measured else self.measured,
            last=last,
            made_by=last if self.made_by is self.last else made_by,
            audit=self.audit if made_by is None else made_by.regions,
        )

    def counted_still(self, made_by: FilterRun | None, runs: Runs) -> Counted | None:
        """The counts of points, if they are of the regions that masks are about to be made of."""
        counted = self.counted
        if counted is None:
            return None
        if made_by is not None:
            return counted if counted.is_of(made_by.measured.runs) else None
        same = self.made_by is None and self.runs is not None and runs.same(self.runs)
        return counted if same else None

    def __str__(self) -> str:
        """What the masks are, which steps have run, and what was rejected: a line each."""
        if self.masks is None:
            return "no masks yet"
        height, width = self.masks.shape
        kind = "dask array" if is_lazy(self.masks) else "array"
        state = "as assigned" if self.runs is None else "filtered"
        lines = [f"masks: {height} x {width} {self.masks.dtype} {kind}, {state}"]
        made = [name for name in MADE if getattr(self, name) is not None]
        lines.append(f"made: {', '.join(made) or 'nothing yet'}")
        report = self.filter_report
        if report is not None:
            lines.append(f"passed: {out_of(report.passed, report.total)}")
            counts = [f"{human(why)} {n:,}" for why, n in report.rejected.items() if n]
            lines += wrapped(", ".join(counts) or "none", " " * 10, "rejected: ")
        return "\n".join(lines)


class Turn:
    """Whose turn it is: an object does one step at a time, whatever thread asks for it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.in_step = False
        self.under_test: LabelImage | None = None  # while `rejections` is asked
