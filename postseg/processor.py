"""`PostSegmentation`: the masks of one tile or slide, and the steps that refine them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg import criteria, filtering, polygons
from postseg.label_image import LabelImage, as_label_image
from postseg.runs import Runs, encode
from postseg.state import State

if TYPE_CHECKING:
    import geopandas as gpd
    import shapely
    import xarray as xr


class PostSegmentation(State):
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
    filter_config : FilterConfig or mapping, optional
        Thresholds of the filter; default ``FilterConfig()``.
    verbose : bool
        Print the report of each filter run.
    save_debug : bool or path
        Write a picture of survivors and rejected regions: True writes ``cleaned_mask.png``
        in the working directory. Needs the extra ``plot``.

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
    ) -> tuple[NDArray[Any], gpd.GeoDataFrame, gpd.GeoDataFrame]:
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
        with self._step() as input_masks:
            masks = as_label_image(self.filter_cell_by_regionprops(input_masks))
            runs = encode(masks)
            if not runs.label.size:
                raise RuntimeError(self._why_empty())
            labels, geometry = self._outline(masks, runs)
            self._set_shapes(masks, labels, geometry)
            return masks, self.gdf_polygons, self.shapes_model

    def process_labels(self) -> tuple[NDArray[Any], xr.DataArray]:
        """Enlarge the masks as they stand to full resolution, lazily.

        Returns
        -------
        masks : (H, W) array
            `self.masks`, not enlarged.
        labels_model : DataArray
            int32, dims (y, x), every mask pixel a block of `factor_rescale` x `factor_rescale`.
            Dask-backed: nothing is computed before it is asked for.

        Raises
        ------
        RuntimeError
            Without masks.
        ValueError
            When a label exceeds int32, as the ids of unfiltered masks may.
        """
        from postseg.elements import labels_element
        from postseg.labels import enlarge_lazily

        with self._step():
            masks = self._masks
            self.labels_model = labels_element(
                enlarge_lazily(masks, self.factor_rescale), self.label_name
            )
            return masks, self.labels_model

    def filter_cell_by_regionprops(self, seg_masks: Any, **thresholds: Any) -> NDArray[np.int32]:
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
        with self._in_force(thresholds) as config:
            filtered = filtering.apply_filter(seg_masks, config, self.rejections, self.save_debug)
        if self.verbose:
            print(filtered.report)
        if not filtered.report.passed and not self._in_step:  # a step raises an error instead
            warnings.warn(filtering.why_nothing_passed(filtered.report), stacklevel=2)
        self.filter_report = filtered.report
        self.regions = filtered.regions
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
        return polygons.masks_to_polygons(seg_masks, factor_rescale)

    @staticmethod
    def mirror_y0(geom: Any) -> Any:
        """Mirror (x, y) -> (x, -y) a Polygon or an array of them; return the rest unchanged."""
        return polygons.mirror_y0(geom)

    # ---- how

    def _outline(
        self, masks: LabelImage, runs: Runs
    ) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
        """Label values and their polygons: scaled, mirrored, shifted to y = 0."""
        hooks = (self.masks_to_polygons, self.mirror_y0)
        if hooks == (PostSegmentation.masks_to_polygons, PostSegmentation.mirror_y0):
            outlines = polygons.trace_outlines(runs, self.factor_rescale, mirrored=True)
            return outlines.label, polygons.to_polygons(outlines)
        labels = np.unique(runs.label)
        unplaced = self.masks_to_polygons(masks, self.factor_rescale)
        geometry = polygons.as_geometry(map(self.mirror_y0, unplaced), labels)
        return labels, polygons.shift_to_y0(geometry)

    def _set_shapes(
        self, masks: LabelImage, labels: NDArray[np.int64], geometry: NDArray[np.object_]
    ) -> None:
        from postseg.elements import shapes_element

        if self.labels_model is not None and not np.array_equal(masks, self._masks):
            self.labels_model = None  # they show other masks
        self._masks = masks
        self.gdf_polygons = polygons.to_geodataframe(geometry, labels, "cell_id")
        self.shapes_model = shapes_element(polygons.to_geodataframe(geometry, labels, "region"))

    def _why_empty(self) -> str:
        if self.filter_report is not None and not self.filter_report.passed:
            return filtering.why_nothing_passed(self.filter_report)
        return "No cell is left: filter_cell_by_regionprops() returned masks without any."
