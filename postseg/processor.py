"""`PostSegmentation`: the masks of one tile or slide, and the steps that refine them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg._support.threads import limited
from postseg.filtering import criteria
from postseg.filtering import run
from postseg.geometry import outlines
from postseg.geometry.placement import Matrix, labels_systems, matrix_of, shapes_systems
from postseg.handover import HandOver
from postseg.raster.images import encode, last_row
from postseg.raster.label_image import LabelImage, as_label_image, is_lazy
from postseg.raster.runs import Runs
from postseg.review import Review

if TYPE_CHECKING:
    import geopandas as gpd
    import shapely
    import xarray as xr


class PostSegmentation(Review, HandOver):
    """Refine a label image and turn it into SpatialData elements that agree with each other.

    Parameters
    ----------
    masks : (H, W) array_like, optional
        Label image of a tile or slide: 0 is background, every other value a cell. Any integer,
        boolean or whole-number float dtype; xarray and nested lists too. May be assigned later.
    factor_rescale : int
        How many times smaller the masks are than the microscope image; 0 or 1: not at all.
    label_name : str
        Name of the labels element.
    shape_name : str, optional
        Name of the shapes element; default ``<label_name>_shapes``.
    origin : (float, float)
        Row and column of the tile's first pixel in its slide, in mask pixels: where the tile lies
        in the coordinate system ``"image"``.
    filter_config : FilterConfig or mapping, optional
        Thresholds of the filter; default ``FilterConfig()``.
    verbose : bool
        Print the report of each filter run.
    save_debug : bool or path
        Write a picture of survivors and rejected regions: True writes ``cleaned_mask.png``
        in the working directory. Needs the extra ``plot``.
    n_jobs : int, optional
        Threads to use; -1 for all CPUs. Default: the environment variable ``POSTSEG_N_JOBS``,
        else the CPUs that this process may use. Results do not depend on it.
    progress : bool
        Show a progress bar on stderr.

    Attributes
    ----------
    gdf_polygons : GeoDataFrame or None
        Columns ``cell_id`` (``cell_1``, ...) and ``geometry``, indexed by label value.
    shapes_model : GeoDataFrame or None
        The same as a SpatialData shapes element, with ``region`` instead of ``cell_id``.
    labels_model : DataArray or None
        The masks at full resolution, lazily enlarged, as a SpatialData labels element.
    filter_report : FilterReport or None
        Counts, statistics and thresholds of the last filter run.
    regions : DataFrame or None
        One row per region that the last filter run found: metrics, ``label`` (0 = rejected)
        and ``reason``.

    Raises
    ------
    TypeError, ValueError
        For masks that are no 2-D label image, and impossible settings; at assignment too.

    Examples
    --------
    >>> post = PostSegmentation(masks, factor_rescale=4, label_name="cells")  # doctest: +SKIP
    >>> masks, gdf_polygons, shapes_model = post.process_masks_to_shapes()  # doctest: +SKIP
    >>> masks, labels_model = post.process_labels()  # doctest: +SKIP

    A subclass adds a reason of its own by a column; the report shows it by itself:

    >>> class NoGiants(PostSegmentation):
    ...     def rejections(self, regions):
    ...         failed = super().rejections(regions)
    ...         failed["giant"] = regions["area"] > 10 * regions["area"].median()
    ...         return failed
    """

    # ---- the steps

    def process_masks_to_shapes(
        self,
    ) -> tuple[LabelImage, gpd.GeoDataFrame, gpd.GeoDataFrame]:
        """Filter the masks, outline the survivors, scale, mirror and shift the outlines.

        It starts from the masks as they were assigned, so that running it again gives the same
        result.

        Returns
        -------
        masks : (H, W) array
            Survivors, renumbered 1..n; now `self.masks`.
        gdf_polygons, shapes_model : GeoDataFrame
            See the attributes. Full-resolution pixels; y points up and starts at 0.

        Raises
        ------
        RuntimeError
            Without masks, and when no region survives. After an error the object is as before.
        """
        from postseg.elements import build

        with self._step() as input_masks:
            self._hold(last=None, filter_report=None, regions=None)
            masks = self._filter(input_masks)
            runs, made_by = self._trace_back(masks)
            if not runs.label.size:
                raise RuntimeError(self._why_empty())
            labels, geometry, shift = self._outline(masks, runs)
            self._set_masks(masks, runs, made_by, shift)
            systems = shapes_systems(*self._placing())
            gdf_polygons = outlines.to_geodataframe(geometry, labels, "cell_id")
            shapes_model = build.shapes_element(
                outlines.to_geodataframe(geometry, labels, "region"), systems
            )
            self._hold(gdf_polygons=gdf_polygons, shapes_model=shapes_model)
            return masks, gdf_polygons, shapes_model

    def process_labels(
        self, scale_factors: Sequence[int] | None = None
    ) -> tuple[LabelImage, xr.DataArray | xr.DataTree]:
        """Enlarge the masks as they stand to full resolution, lazily.

        Parameters
        ----------
        scale_factors : sequence of int, optional
            Build the pyramid that viewers want, e.g. ``[2, 2, 2]``: each level so many times
            smaller than the one before.

        Returns
        -------
        masks : (H, W) array
            `self.masks`, not enlarged.
        labels_model : DataArray or DataTree
            int32, dims (y, x), every mask pixel a block of `factor_rescale` x `factor_rescale`.
            Dask-backed: nothing is computed before it is asked for.

        Raises
        ------
        RuntimeError
            Without masks.
        ValueError
            When a label exceeds int32, as the ids of unfiltered masks may; of lazy masks when they
            are computed.
        """
        from postseg.elements import build
        from postseg.raster.enlarge import enlarge_lazily

        with self._step():
            masks = self._masks_now()
            enlarged = enlarge_lazily(masks, self.factor_rescale)
            systems = labels_systems(*self._placing())
            labels_model = build.labels_element(enlarged, self.label_name, systems, scale_factors)
            self._hold(labels_model=labels_model)
            return masks, labels_model

    def filter_cell_by_regionprops(self, seg_masks: Any, **thresholds: Any) -> LabelImage:
        """Keep the regions that pass `rejections`; sets `filter_report` and `regions`.

        Parameters
        ----------
        seg_masks : (H, W) array_like
            Label image; never modified.
        **thresholds
            Fields of `FilterConfig` that take precedence over `filter_config` in this call.

        Returns
        -------
        (H, W) int32 array
            See `postseg.filter_cell_by_regionprops`.
        """
        config = self.filter_config.replace(**thresholds)
        with self._turn.lock, limited(self.n_jobs):
            measured = self._measure(seg_masks)
            with self._in_force(measured.image, config):
                filtered = run.apply_filter(measured, config, self.rejections, self.save_debug)
            self._announce(filtered, warn=not self._turn.in_step)  # a step says so in its own way
            return filtered.masks

    # ---- the hooks

    def rejections(self, regions: pd.DataFrame) -> pd.DataFrame:
        """Tell which regions fail which test; override it to add or change a reason.

        Parameters
        ----------
        regions : DataFrame
            All regions, as from `measure_regions`.

        Returns
        -------
        DataFrame of bool
            The same index, one column per reason, in the order in which they are reported.
        """
        return criteria.rejections(regions, self.filter_config)

    @staticmethod
    def masks_to_polygons(seg_masks: Any, factor_rescale: int) -> list[shapely.Polygon]:
        """Outline every cell: see `postseg.masks_to_polygons`."""
        return outlines.masks_to_polygons(seg_masks, factor_rescale)

    @staticmethod
    def mirror_y0(geom: Any) -> Any:
        """Mirror (x, y) -> (x, -y) a Polygon or an array of them; return the rest unchanged."""
        return outlines.mirror_y0(geom)

    # ---- how

    def _filter(self, input_masks: LabelImage) -> LabelImage:
        """What the filter makes of the input masks, the filter of a subclass's own too."""
        masks = as_label_image(self.filter_cell_by_regionprops(input_masks))
        if masks.shape != input_masks.shape:
            raise ValueError(
                f"filter_cell_by_regionprops() returned masks of shape {masks.shape} for masks of "
                f"shape {input_masks.shape}; cells must stay where they are."
            )
        return masks

    def _trace_back(self, masks: LabelImage) -> tuple[Runs, run.Filtered | None]:
        """The runs of filtered masks, and the filter run that made exactly them, if one did."""
        last = self._held.last
        if last is None:
            return encode(masks), None
        made = last.runs.without_background()
        if self._filters_by_rejections() or _is_painted(masks, last.masks):
            return made, last
        runs = encode(masks)
        return runs, last if runs.same(made) else None

    def _outline(
        self, masks: LabelImage, runs: Runs
    ) -> tuple[NDArray[np.int64], NDArray[np.object_], float]:
        """Label values, their polygons (scaled, mirrored, shifted to y = 0), and the shift."""
        hooks = (self.masks_to_polygons, self.mirror_y0)
        if hooks == (PostSegmentation.masks_to_polygons, PostSegmentation.mirror_y0):
            return outlines.outline_polygons(runs, self.factor_rescale, mirrored=True)
        labels = np.unique(runs.label)
        unplaced = self.masks_to_polygons(masks, self.factor_rescale)
        outlines = outlines.as_geometry(unplaced, labels, "masks_to_polygons")
        mirrored = outlines.as_geometry(map(self.mirror_y0, outlines), labels, "mirror_y0")
        return labels, *outlines.shift_to_y0(mirrored)

    def _filters_by_rejections(self) -> bool:
        """Whether the filter is ours, so that it does what `rejections` tells and no more."""
        own = PostSegmentation.filter_cell_by_regionprops
        return type(self).filter_cell_by_regionprops is own

    def _rejects_by_thresholds(self) -> bool:
        """Whether `rejections` is ours, so that it does what thresholds tell and no more."""
        return getattr(self.rejections, "__func__", None) is PostSegmentation.rejections

    def _masks_now(self) -> LabelImage:
        masks = self.masks
        assert masks is not None  # a step has begun
        return masks

    def _placing(self) -> tuple[int, float, tuple[float, float], Matrix]:
        """Factor, shift, origin and mirroring of the masks as they stand."""
        mirror, shift, runs = matrix_of(self.mirror_y0), self._held.shift, self._held.runs
        if shift is None and self.mirror_y0 == PostSegmentation.mirror_y0:
            last = last_row(self._masks_now()) if runs is None else runs.last_row
            shift = outlines.mirror_shift(last, self.factor_rescale)
        elif shift is None:
            runs = encode(self._masks_now()) if runs is None else runs
            shift = outlines.shift_of(runs, self.factor_rescale, mirror)
        self._hold(shift=shift)
        return self.factor_rescale, shift, self.origin, mirror

    def _announce(self, filtered: run.Filtered, warn: bool) -> None:
        """Tell of a filter run, and hold it; a warning may be an error, so that comes before."""
        if self.verbose:
            print(filtered.report)
        if warn and not filtered.report.passed:
            warnings.warn(run.why_nothing_passed(filtered.report), stacklevel=3)
        # a copy, since who edits it must not edit the audit
        regions = filtered.regions.copy()
        self._hold(last=filtered, filter_report=filtered.report, regions=regions)

    def _why_empty(self) -> str:
        last = self._held.last
        if last is not None and not last.report.passed:
            why = run.why_nothing_passed(last.report)
            return f"{why} To look at them, run refilter() and plot_filter()."
        return "No cell is left: filter_cell_by_regionprops() returned masks without any."


def _is_painted(masks: LabelImage, painted: LabelImage) -> bool:
    """Whether these are lazy masks as they were painted, so that they need not be read.

    A dask array changes its name with its content, an array in memory does not tell.
    """
    return is_lazy(masks) and is_lazy(painted) and masks.name == painted.name
