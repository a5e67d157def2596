"""`PostSegmentation`: the masks of one tile or slide, and the steps that refine them."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from fractions import Fraction
from os import PathLike
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg._support.atomic import check_target, replacing
from postseg._support.checks import (
    SETTINGS,
    Outline,
    check_factor,
    check_image_shape,
    check_name,
    check_names,
    check_origin,
    check_outline,
    check_pixel_size,
)
from postseg._support.progress import bar, shown_by
from postseg._support.threads import check_n_jobs, limited
from postseg._support.words import preformatted
from postseg.elements.table import INSTANCE_KEY, cell_rows, centroids
from postseg.filtering import criteria, quantities
from postseg.filtering.config import FilterConfig, check_config, suggestion
from postseg.filtering.intensities import (
    intensities_in,
    with_intensities,
    without_intensities,
)
from postseg.filtering.metrics import with_microns
from postseg.filtering.nuclei import match_nuclei, read_nuclei
from postseg.filtering.report import FilterReport
from postseg.filtering.run import (
    TRANSCRIPTS,
    FilterRun,
    Measured,
    apply_filter,
    find_failures,
    measure_masks,
    tell,
    why_nothing_passed,
    with_nuclei,
    with_transcripts,
)
from postseg.filtering.sweep import Sweep, Swept, Window, sweep, swept, window
from postseg.functions import DebugImage, save_picture
from postseg.geometry import outlines
from postseg.geometry.placement import (
    GLOBAL,
    IMAGE,
    MICRONS,
    Placement,
    Reference,
    check_mirror,
    known_place,
    matrix_of,
    place,
    same_place,
)
from postseg.raster.images import encode, last_row
from postseg.raster.intensity_image import as_intensity_image, check_intensity_image
from postseg.raster.label_image import (
    LabelImage,
    as_label_image,
    check_values,
    is_lazy,
    read_only,
)
from postseg.raster.runs import Runs, components
from postseg.raster.sources import files_behind
from postseg.results import MADE, Held, Turn
from postseg.tiles.audit import with_sources
from postseg.tiles.merged import Merged
from postseg.tiles.slide import Slide
from postseg.transcripts.kinds import CONTROLS, Controls

if TYPE_CHECKING:
    import dask.dataframe as dd
    import geopandas as gpd
    import shapely
    import xarray as xr
    from anndata import AnnData
    from matplotlib.figure import Figure
    from spatialdata import SpatialData

    from postseg.show.pictures import Scene
    from postseg.transcripts.counted import Counted
    from postseg.verify.verification import Verification

T = TypeVar("T")
Elements = tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]


class Setting(Generic[T]):
    """An attribute that is checked when it is assigned, and drops the results it outdates.

    `outdates` is the name of the method that drops them.
    """

    def __init__(self, check: Callable[[Any], T], default: Any, doc: str, outdates: str = ""):
        self._check, self._default, self._outdates = check, check(default), outdates
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._slot = f"_{name}"

    @overload
    def __get__(self, post: None, owner: type) -> Self: ...
    @overload
    def __get__(self, post: PostSegmentation, owner: type) -> T: ...
    def __get__(self, post: PostSegmentation | None, owner: type) -> Self | T:
        # from the class where nothing was assigned: as in a subclass that forgot our __init__
        return self if post is None else vars(post).get(self._slot, self._default)

    def __set__(self, post: PostSegmentation, value: Any) -> None:
        with post._turn.lock:
            vars(post)[self._slot] = self._check(value)
            if self._outdates:
                getattr(post, self._outdates)()


class Result(Generic[T]):
    """An attribute that a step sets; part of `Held`, so that an error takes it back."""

    def __init__(self, doc: str):
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, post: None, owner: type) -> Self: ...
    @overload
    def __get__(self, post: PostSegmentation, owner: type) -> T | None: ...
    def __get__(self, post: PostSegmentation | None, owner: type) -> Self | T | None:
        return self if post is None else getattr(post._held, self._name)

    def __set__(self, post: PostSegmentation, value: T | None) -> None:
        post._hold(**{self._name: value})


class PostSegmentation:
    """Refine a label image and turn it into SpatialData elements that agree with each other.

    Parameters
    ----------
    masks : (H, W) array_like, optional
        Label image of a tile or slide: 0 is background, every other value a cell. Any integer,
        boolean or whole-number float dtype; xarray and nested lists too. May be assigned later.
        A SpatialData labels element tells where it lies: cells then lie there too. A `Slide` is
        merged, `Runs` are painted lazily; `regions` then tells which tile each cell is of.
    factor_rescale : int
        How many times smaller the masks are than the microscope image; 0 or 1: not at all.
    label_name : str
        Name of the labels element.
    shape_name : str, optional
        Name of the shapes element; default ``<label_name>_shapes``.
    origin : (float, float), optional
        Row and column of the tile's first pixel in its slide, in mask pixels: where the tile lies
        in the coordinate system ``"image"``. Default: the masks are of the whole image.
    image_shape : (int, int), optional
        Rows and columns at full resolution, which the masks are stretched over: as of masks made
        at ``int(H / f)`` by ``int(W / f)``. The scale is then (H / h, W / w) instead of the
        factor. Not for masks of ``image[::f, ::f]``, whose pixels are the factor apart.
        Default: that of the `reference`, but of tiles, with an `origin`, by the factor.
    pixel_size : float, optional
        Side of a full-resolution pixel in um: adds the coordinate system ``"microns"``. With it
        thresholds may be in um2, and `regions` and the table tell areas in them.
    reference : DataArray or DataTree, optional
        SpatialData image or labels element whose pixels are the full-resolution ones, as the
        microscope image: cells lie in its coordinate systems too. Default: that of the masks.
    intensity_image : array, DataArray or DataTree, optional
        (H, W) or (C, H, W), of the size of the masks or an integer multiple of it: of every region
        `regions` and the table then tell ``intensity_mean``, ``_std``, ``_min`` and ``_max``,
        and `rejections` see them, see `measure_regions`. Read by the filter, once.
    outline : {"contour", "pixels", "simplified"}
        What polygons are. ``"contour"``: the outer ring half way between pixels, without holes.
        ``"pixels"``: the edges of the pixels, with all holes and parts, exactly of their area.
        ``"simplified"``: few vertices, and still every pixel in its cell, with holes and parts.
        Of the last two neighbours share their edges, without gap or overlap, and a cell may be a
        MultiPolygon.
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
    debug_colour : {"share", "reason"}
        What the picture of `save_debug` shows of a slide, as `colour` of `plot_filter` does.
    regions : DataFrame or None
        One row per region that the last filter run found: metrics, ``area_um2`` where the pixel
        size was known, intensities where there is an `intensity_image`, ``transcript_counts``
        once points were counted, the columns of `match`, ``label`` (0 = rejected) and ``reason``.
    points_model : dask DataFrame or None
        The points of `process_points`, lazily, with ``label`` and ``region``: a SpatialData
        element. It follows the masks, as `transcripts` does.
    transcripts : DataFrame or None
        Where all of these points are: in cells, in regions rejected for each reason, in the
        background, outside, or nowhere; by kind.

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

    # Values at class level serve subclasses that set attributes and never call our __init__.
    _held = Held()
    _label_name = "labels"
    _shape_name: str | None = None
    _filter_config = FilterConfig()
    _reference: Any = None
    verbose: bool = True
    save_debug: DebugImage = False
    debug_colour: Literal["share", "reason"] = "share"
    progress: bool = False

    factor_rescale = Setting(
        check_factor, 1, "How many times smaller the masks are than the image.", "_forget_place"
    )
    origin = Setting(
        check_origin,
        None,
        "Row and column of the tile's first pixel in its slide, in mask pixels.",
        "_forget_place",
    )
    image_shape = Setting(
        check_image_shape, None, "Rows and columns at full resolution.", "_forget_place"
    )
    pixel_size = Setting(
        check_pixel_size,
        None,
        "Side of a full-resolution pixel in um, or None where it is not known.",
        "_forget_microns",
    )
    intensity_image = Setting[Any](
        check_intensity_image,
        None,
        "The image whose intensities are measured: (H, W) or (C, H, W).",
        "_forget_intensities",
    )
    outline = Setting[Outline](
        check_outline, "contour", "What polygons are, one of `OUTLINES`.", "_forget_elements"
    )
    n_jobs = Setting(
        lambda n_jobs: check_n_jobs(n_jobs, "n_jobs"), None, "Threads to use; -1 for all CPUs."
    )

    gdf_polygons = Result["gpd.GeoDataFrame"]("Polygons by label, with ``cell_id``.")
    shapes_model = Result["gpd.GeoDataFrame"]("The SpatialData shapes element.")
    labels_model = Result["xr.DataArray | xr.DataTree"]("The SpatialData labels element.")
    table = Result["AnnData"]("The table of `process_table`.")
    filter_report = Result[FilterReport]("Outcome of the last filter run.")
    regions = Result[pd.DataFrame](
        "Audit table of the last filter run: a copy, to be sorted and added to at will."
    )

    def __init__(
        self,
        masks: Any = None,
        factor_rescale: int = 1,
        label_name: str = "labels",
        *,
        shape_name: str | None = None,
        origin: tuple[float, float] | None = None,
        image_shape: tuple[int, int] | None = None,
        pixel_size: float | None = None,
        reference: xr.DataArray | xr.DataTree | None = None,
        intensity_image: Any = None,
        outline: Outline = "contour",
        filter_config: FilterConfig | Mapping[str, Any] | None = None,
        verbose: bool = True,
        save_debug: DebugImage = False,
        n_jobs: int | None = None,
        progress: bool = False,
        **others: Any,
    ) -> None:
        following = type(self).__mro__[type(self).__mro__.index(PostSegmentation) + 1]
        if others and following is object:
            name, value = next(iter(others.items()))
            hint = suggestion(name, SETTINGS)
            if name in FilterConfig.model_fields:
                hint = f": it is a threshold, give filter_config={{{name!r}: {value!r:.40}}}."
            raise TypeError(f"{type(self).__name__} has no setting {name!r}{hint}")
        super().__init__(**others)  # the next class of a subclass with several bases
        self.masks = masks
        self.factor_rescale = factor_rescale
        self.label_name = label_name
        self.shape_name = shape_name
        self.origin = origin
        self.image_shape = image_shape
        self.pixel_size = pixel_size
        self.reference = reference
        self.intensity_image = intensity_image
        self.outline = outline
        self.filter_config = filter_config
        self.verbose = verbose
        self.save_debug = save_debug
        self.n_jobs = n_jobs
        self.progress = progress

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name != "_own_turn"}
        # made anew when it is asked for: dask's frames cannot be copied deeply
        return {**state, "_held": self._held._replace(points_model=None)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self._held.input is not None:
            self._hold(input=read_only(self._held.input))  # which copies forget

    def __repr__(self) -> str:
        heading = f"{type(self).__name__} {self.label_name!r}, factor {self.factor_rescale}"
        heading += "" if self.outline == "contour" else f", {self.outline} outlines"
        return "\n  ".join([heading, *str(self._held).splitlines()])

    def _repr_html_(self) -> str:
        return preformatted(repr(self))

    # ---- what it holds

    @property
    def masks(self) -> LabelImage | None:
        """The label image as it stands: as assigned, or the survivors once the filter has run.

        It is read once, by the first step that needs it: to have an edit in place seen, assign
        the array again.
        """
        return self._held.masks

    @masks.setter
    def masks(self, masks: Any) -> None:
        if masks is None:
            held = Held()
        else:
            own, tiles = _place_of(masks), None
            if isinstance(masks, Slide):
                masks = masks.merged()
            if isinstance(masks, Merged):
                tiles, masks = masks, masks.runs
            masks = as_label_image(masks)
            check_values(masks)
            held = Held(read_only(masks), own, tiles=tiles, masks=masks)
        with self._turn.lock:
            self._held = held

    @property
    def input_masks(self) -> LabelImage | None:
        """The label image that the filter reads, read-only: as it was assigned to `masks`.

        In `rejections` it is the image that is being filtered, the one whose regions are asked
        about, whereas `masks` may be the survivors of the last run.
        """
        under_test = self._turn.under_test
        return self._held.input if under_test is None else under_test

    @property
    def label_name(self) -> str:
        """Name of the labels element."""
        return self._label_name

    @label_name.setter
    def label_name(self, name: str) -> None:
        check_name(name, "label_name")
        check_names(name, self._shape_name)
        with self._turn.lock:
            self._label_name = name
            self._hold(labels_model=None, table=None)

    @property
    def shape_name(self) -> str:
        """Name of the shapes element; `label_name` with ``_shapes`` where none was given."""
        return self._shape_name or f"{self.label_name}_shapes"

    @shape_name.setter
    def shape_name(self, name: str | None) -> None:
        if name is not None:
            check_name(name, "shape_name")
            check_names(self.label_name, name)
        with self._turn.lock:
            self._shape_name = name
            self._hold(table=None)

    @property
    def reference(self) -> xr.DataArray | xr.DataTree | None:
        """The element whose pixels are the full-resolution ones, and in whose systems cells lie."""
        return self._reference

    @reference.setter
    def reference(self, element: xr.DataArray | xr.DataTree | None) -> None:
        if element is not None and _place_of(element) is None:
            raise TypeError(
                f"reference is {type(element).__name__}; give an image or labels element of a "
                "SpatialData object, e.g. sdata['image']."
            )
        with self._turn.lock:
            self._reference = element
            self._forget_place()

    @property
    def lies_in_global(self) -> bool:
        """Whether `reference` or masks tell where ``"global"`` is; else the image is put there."""
        known = known_place(_place_of(self.reference), self._held.own)
        return known is not None and GLOBAL in known.systems

    @property
    def element_names(self) -> tuple[str, ...]:
        """Names of the labels element, the shapes element, the table and, if any, the points."""
        names = (self.label_name, self.shape_name, f"{self.label_name}_table")
        counted = self._held.counted
        kept = counted is not None and counted.keep_points
        return (*names, self._points_name) if kept else names

    @property
    def points_model(self) -> dd.DataFrame | None:
        """Points with the label and region that each lies in: the SpatialData points element."""
        with self._turn.lock:
            counted, audit = self._held.counted, self._held.audit
            if counted is None or audit is None or not counted.keep_points:
                return None
            if self._held.points_model is None:
                from postseg.transcripts.labelled import make_points

                made = make_points(counted, audit["label"].to_numpy(), self._placement())
                self._hold(points_model=made)
            return self._held.points_model

    @property
    def transcripts(self) -> pd.DataFrame | None:
        """The ledger of `process_points`: int64, one row per place, one column per kind."""
        with self._turn.lock:
            counted, audit = self._held.counted, self._held.audit
            if counted is None or audit is None:
                return None
            return self._ledger(counted).copy()

    @property
    def filter_config(self) -> FilterConfig:
        """Thresholds as stated; during a filter run, the ones in force, areas in pixels."""
        return self._filter_config

    @filter_config.setter
    def filter_config(self, config: FilterConfig | Mapping[str, Any] | None) -> None:
        checked = check_config(config)
        with self._turn.lock:
            self._filter_config = checked

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
        TypeError, ValueError
            When a hook returns what it must not, or cannot go with the `outline`; the message
            names the hook.
        """
        from postseg.elements import build

        with self._step() as input_masks:
            scale = self._frame().scale  # before the work: it may be refused
            self._check_hooks()
            self._hold(last=None, filter_report=None, regions=None)
            masks = self._filter(input_masks)
            runs, made_by = self._trace_back(masks)
            if not runs.label.size:
                raise RuntimeError(self._why_empty())
            labels, geometry, shift = self._outlines(masks, runs, scale)
            self._set_masks(masks, runs, made_by, shift)
            systems = self._placement().shape_systems
            gdf_polygons = outlines.to_geodataframe(geometry, labels, "cell_id")
            shapes_model = build.shapes_element(
                outlines.to_geodataframe(geometry, labels, "region"), systems
            )
            self._hold(gdf_polygons=gdf_polygons, shapes_model=shapes_model)
            return masks, gdf_polygons, shapes_model

    def process_labels(
        self, scale_factors: Sequence[int] | None = None, *, enlarge: bool = True
    ) -> tuple[LabelImage, xr.DataArray | xr.DataTree]:
        """Enlarge the masks as they stand to full resolution, lazily.

        Parameters
        ----------
        scale_factors : sequence of int, optional
            Build the pyramid that viewers want, e.g. ``[2, 2, 2]``: each level so many times
            smaller than the one before, and made of the masks themselves. Default: none yet, but
            `write`, `add_to` and `to_spatialdata` hand over one for more than 4096 pixels a side;
            ``[]``: none there either.
        enlarge : bool
            False: keep the resolution of the masks, and let a transformation enlarge them. They
            lie at the same place with fewer pixels.

        Returns
        -------
        masks : (H, W) array
            `self.masks`, not enlarged.
        labels_model : DataArray or DataTree
            int32, dims (y, x), of the target shape: every pixel has the label of the mask pixel
            that its middle lies in. Dask-backed: nothing is computed before it is asked for.

        Raises
        ------
        RuntimeError
            Without masks.
        ValueError
            When a label exceeds int32, as the ids of unfiltered masks may; of lazy masks when they
            are computed.
        """
        from postseg.elements import build
        from postseg.raster.enlarge import resize_lazily
        from postseg.raster.pyramid import pyramid_shapes

        with self._step():
            masks = self._masks_now()
            placement = self._placement()
            shape, systems = placement.shape, placement.systems
            if not enlarge:
                shape, systems = placement.mask_shape, placement.mask_systems
            levels = resize_lazily(masks, pyramid_shapes(shape, scale_factors or ()))
            labels_model = build.labels_element(levels, self.label_name, systems)
            # nobody chose its levels, so that it may be given some where it is handed over
            plain = levels[0].name if scale_factors is None else None
            self._hold(labels_model=labels_model, plain_labels=plain)
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
            See `postseg.filter_cell_by_regionprops`: survivors, renumbered 1..n. All zeros, with a
            warning, when nothing survives.

        Raises
        ------
        TypeError, ValueError
            For an image that is no 2-D label image, impossible thresholds, and what `rejections`
            must not return.
        """
        stated = self.filter_config.replace(**thresholds)
        with self._turn.lock, limited(self.n_jobs):
            config = self._in_pixels(stated)
            measured = self._measure(seg_masks)
            with self._in_force(measured.image, config):
                filtered = apply_filter(measured, config, stated, self.rejections)
            self._announce(filtered, warn=not self._turn.in_step)  # a step says so in its own way
            return filtered.masks

    def process_table(self, annotates: Literal["labels", "shapes"] = "shapes") -> AnnData:
        """Make the table of the cells, one row per label, to be joined with an element.

        Parameters
        ----------
        annotates : {"shapes", "labels"}
            Whether it annotates the element `shape_name` or `label_name`.

        Returns
        -------
        AnnData
            n_cells x 0, or by genes once `process_points` counted them. ``obs`` has the survivors'
            rows of `regions`, ``obs["label"]`` is the instance id, ``obsm["spatial"]`` the
            centroids as (x, y) in the coordinate system ``"global"``, ``obsm["spatial_um"]`` in
            ``"microns"`` where the pixel size is known. ``uns["postseg"]`` tells where
            the cells lie and what their outlines are, and keeps the audit of the rejected regions,
            unless a subclass filters in its own way: see `postseg.elements.audit`.

        Raises
        ------
        RuntimeError
            Before `process_masks_to_shapes` has run, and where no cell is left.
        ValueError
            When `annotates` is neither.
        """
        if annotates not in ("labels", "shapes"):
            raise ValueError(f"annotates is {annotates!r}; choose 'labels' or 'shapes'.")
        from postseg.elements import audit, build

        with self._step():
            cells = cell_rows(self._audit())
            if cells.empty:
                raise RuntimeError(
                    "No cell is left in the masks, and SpatialData has no table without rows: "
                    "loosen the thresholds, or leave the table out."
                )
            placement = self._placement()
            name = self.label_name if annotates == "labels" else self.shape_name
            about = audit.describe(self.factor_rescale, placement, self.outline)
            made_by = self._held.made_by
            if made_by is not None:
                config = self._restorable(made_by.report)
                about |= audit.pack(
                    made_by._replace(regions=self._audit()), self.label_name, config
                )
            obsm, X, var = centroids(cells, placement), None, None
            counted = self._held.counted
            if counted is not None:
                from postseg.transcripts.ledger import pack

                of_region = self._audit()["label"].to_numpy()
                X, obs, var = counted.cells(of_region, cells[INSTANCE_KEY].to_numpy())
                cells = cells.assign(**obs)
                packed = pack(counted, self._ledger(counted), self._points_name)
                about["transcripts"] = packed
            uns = {audit.KEY: about}
            table = build.table_element(cells, obsm, name, INSTANCE_KEY, uns, X, var)
            self._hold(table=table)
            return table

    def process_points(
        self,
        points: Any,
        gene_key: str | None = None,
        *,
        xy: tuple[str, str] | None = None,
        pixel_size: float | None = None,
        to_image: Any = None,
        coordinate_system: str | None = None,
        min_qv: float | None = 20,
        qv_key: str = "qv",
        genes: Iterable[str] | None = None,
        controls: Controls = CONTROLS,
        keep_points: bool = True,
    ) -> tuple[dd.DataFrame | None, AnnData]:
        """Count transcripts by cell, exactly, by the pixel that each lies in: cells x genes.

        They are looked up once, in all regions, so that `refilter` and `threshold_sweep` know what
        other thresholds cost in transcripts. Masks that were not filtered yet are filtered by
        `process_masks_to_shapes`, whose `rejections` see the counts; where they were, call
        `refilter` for `rejections` that ask for counts.

        Parameters
        ----------
        points : points element, DataFrame, Table, Dataset or path
            One row per transcript: a SpatialData element, a pandas or dask frame, a pyarrow Table
            or Dataset, or a Parquet or CSV file, or a folder of Parquet files. `points_model` reads
            it again: a frame must not be changed in place afterwards.
        gene_key : str, optional
            Column of names of genes. Default: the element's feature key, else the one of
            ``feature_name``, ``gene`` and ``target`` that is there.
        xy : (str, str), optional
            Columns of coordinates. Default: ``x, y`` of an element; of plain points the pair that
            is there of ``x_location, y_location`` and ``global_x, global_y``, which are in um,
            and ``x_global_px, y_global_px``, in pixels; else ``x, y``.
        pixel_size : float, optional
            Of plain points in um: the side of a full-resolution pixel (Xenium: 0.2125). Default:
            that of the object, where the names of the columns say um.
        to_image : (3, 3) array_like, optional
            From (x, y, 1) to full-resolution pixels of the image, y down, instead. Default:
            points are in these; an element lies where its transformation tells.
        coordinate_system : str, optional
            By which an element is placed, where it shares several with the masks that disagree.
        min_qv : float, optional
            Points of less quality do not count; None: all do.
        qv_key : str
            Column of the quality; all points count if there is no ``qv``.
        genes : iterable of str, optional
            The columns of the table, in this order. Default: the names, or categories, that are
            no controls, sorted.
        controls : mapping, str or iterable of str, optional
            Regular expressions of how names of controls begin, by class of control as in
            `postseg.transcripts.kinds.CONTROLS`, or not classed. Where the points have a column
            ``is_gene``, that decides.
        keep_points : bool
            Hand the points over, too: `points_model`, and an element of `to_spatialdata`.

        Returns
        -------
        points_model : dask DataFrame or None
            See the attribute; None without `keep_points`.
        table : AnnData
            That of `process_table`, with counts.

        Raises
        ------
        TypeError, ValueError, OSError
            For points that cannot be read or counted, and when all lie outside of the masks.
        RuntimeError
            Without masks, when no region survives, and when points were lost on the way. After an
            error, or an interruption, the object is as before.
        """
        from postseg.transcripts.count_points import count_points
        from postseg.transcripts.ledger import ledger_text

        with self._step():
            if self._held.audit is None:
                self._check_hooks()  # it will be outlined
            runs, n_regions = self._regions_now()
            counted = count_points(
                points,
                runs,
                n_regions,
                self._frame(),
                gene_key=gene_key,
                xy=xy,
                pixel_size=pixel_size,
                to_image=to_image,
                coordinate_system=coordinate_system,
                min_qv=min_qv,
                qv_key=qv_key,
                genes=genes,
                controls=controls,
                keep_points=keep_points,
                is_tile=self.origin is not None,
            )
            self._tell_counts(counted)
            if self._held.audit is None:
                self.process_masks_to_shapes()
            table = self.process_table()
            if self.verbose:
                cells = self._held.runs
                assert cells is not None  # the filter has run
                covered = cells.area / max(1, runs.shape[0] * runs.shape[1])
                print(f"\n{ledger_text(self._ledger(counted), covered)}")
            return self.points_model, table

    def match(self, nuclei: Any) -> pd.DataFrame:
        """Tell which nuclei lie in which cell: of all regions, rejected ones too.

        A nucleus belongs to the region that has most of its pixels, of equal ones to the first. It
        belongs to none if more of them lie in no region at all. Columns of `regions`, and of the
        table of the cells, tell then:

        =================  ====================================================================
        ``n_nuclei``       how many belong to the region
        ``nucleus_label``  the one of them with most pixels in it, of equal ones the smallest
                           label; 0 where there is none
        ``nucleus_share``  share of that nucleus that lies in the region, from 0 to 1; 0 where
                           there is none
        =================  ====================================================================

        `rejections` sees them in filter runs from then on, `refilter` and `threshold_sweep` too;
        those before stay as they were decided. The nuclei go when other `masks` are assigned.

        Parameters
        ----------
        nuclei : (H, W) array_like
            Label image of the same place, of whatever `masks` takes: 0 is background, every other
            value a nucleus, with all its parts. Of the size of the masks, or a whole number of
            times larger or smaller. They are laid over the masks pixel by pixel, whatever systems
            an element lies in. Lazy ones are read once, block by block.

        Returns
        -------
        DataFrame
            One row per nucleus, indexed by ``nucleus_label``: its ``area`` in pixels of `nuclei`,
            the ``region`` that it belongs to, 0 for none, and the ``share`` of it that lies there.

        Raises
        ------
        TypeError, ValueError
            For what is no 2-D label image, boolean, or of another size. After an error the object
            is as before.
        RuntimeError
            Without masks.

        Examples
        --------
        >>> class WithNucleus(PostSegmentation):
        ...     def rejections(self, regions):
        ...         return super().rejections(regions).assign(no_nucleus=regions["n_nuclei"] == 0)
        >>> post = WithNucleus(masks)  # doctest: +SKIP
        >>> found = post.match(nuclei)  # doctest: +SKIP
        >>> post.process_masks_to_shapes()  # doctest: +SKIP
        """
        with self._step():
            runs = read_nuclei(nuclei, self._masks_now().shape)
            for measured in self._all_measured():
                if measured.runs.shape == self._masks_now().shape:
                    self._tell(measured, with_nuclei(measured, runs))
            self._hold(nuclei=runs, table=None)  # what is measured from now on is told, too
            if self._filters_by_rejections():
                found = self._measure_input().nuclei
            else:
                found = self._match_own(runs)
            assert found is not None  # it was told
            return found.copy()

    # ---- other thresholds

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
        TypeError, ValueError
            For impossible thresholds, and what `rejections` must not return. After an error the
            object is as before.
        """
        with self._step():
            measured = self._measure_input()
            base = self.filter_config if config is None else check_config(config)
            stated = base.replace(**thresholds)
            with self._in_force(measured.image, self._in_pixels(stated)) as in_force:
                filtered = apply_filter(measured, in_force, stated, self.rejections)
            self._announce(filtered, warn=True)
            self._set_masks(
                filtered.masks, filtered.runs.without_background(), filtered, shift=None
            )
            self.filter_config = stated
        return filtered.masks

    def threshold_sweep(self, field: str, values: Iterable[Any]) -> pd.DataFrame:
        """Tell what other values of one threshold would keep; changes nothing.

        Parameters
        ----------
        field : str
            A field of `FilterConfig`; the others stay as they are in `filter_config`.
        values : iterable
            Values to try, as in `FilterConfig`.

        Returns
        -------
        DataFrame
            Indexed by ``value``: regions ``kept`` and ``rejected``, and the region numbers that
            flip against `filter_config`: ``gained`` (kept now, by that value) and ``lost``. Once
            points were counted, ``transcripts`` in the regions kept, too, and their share of all
            in the image, ``transcript_share``, from 0 to 1.

        Raises
        ------
        RuntimeError
            Without masks, and where a subclass overrides `filter_cell_by_regionprops`.
        TypeError, ValueError
            When there is no such field, for an impossible value, and for what `rejections` must not
            return.
        """
        with self._step():
            measured, config, values = self._measure_input(), self.filter_config, list(values)
            kept_now = self._keeps(measured, self._in_pixels(config))
            kept_then = self._kept(measured, config, field, values)
            number, amounts = measured.table.index.to_numpy(), measured.amounts
            names = ["kept", "transcripts"][: amounts.shape[1]]
            rows = [
                {
                    "value": value,
                    **dict(zip(names, amounts[kept].sum(axis=0).tolist(), strict=True)),
                    "rejected": int(kept.size - kept.sum()),
                    "gained": number[kept & ~kept_now],
                    "lost": number[~kept & kept_now],
                }
                for value, kept in zip(values, kept_then, strict=True)
            ]
        columns = ["value", "kept", "rejected", "gained", "lost", *names[1:]]
        found = pd.DataFrame(rows, columns=columns)
        if measured.n_transcripts is not None:
            found["transcript_share"] = found["transcripts"] / (measured.n_transcripts or 1)
        if any(isinstance(value, str) for value in values):
            found["value"] = pd.Series(values, dtype=object)  # in a text column None would be NaN
        return Swept(found.set_index("value"))

    # ---- handing over

    def to_spatialdata(self) -> SpatialData:
        """Put labels, shapes and table, made where they are not yet, into a SpatialData object.

        Returns
        -------
        SpatialData
            Elements `label_name`, `shape_name` and ``<label_name>_table``, which annotates the
            shapes, in the coordinate systems of `postseg.geometry.placement`. Labels of more than
            4096 pixels a side have a pyramid, if `process_labels` was not told another.

        Raises
        ------
        RuntimeError
            Without masks, and where no cell is left.
        """
        from postseg.elements import build

        return build.spatialdata(*self._handed_over())

    def add_to(self, sdata: SpatialData) -> SpatialData:
        """Add labels, shapes and table to a SpatialData object, all or none, and return it.

        To its store too, where it is backed by one: so that after a failure, be it of the machine,
        the store is as it was. What is in it is not touched.

        Parameters
        ----------
        sdata : SpatialData
            Is changed.

        Returns
        -------
        SpatialData
            The same object.

        Raises
        ------
        ValueError
            When it has an element of one of the names, or its store cannot be added to.
        OSError
            When its store is gone, or cannot be written to.
        RuntimeError
            Without masks, and where no cell is left.
        """
        from postseg.elements import adding, build

        adding.check_addable(sdata, self.element_names)
        if not self.lies_in_global:
            note = build.unrelated(sdata)
            if note:
                warnings.warn(note, stacklevel=2)
        adding.add_elements(sdata, *self._handed_over())
        return sdata

    def write(self, path: str | PathLike[str], overwrite: bool = False) -> None:
        """Write labels, shapes and table as a SpatialData store, completely or not at all.

        Parameters
        ----------
        path : path
            The store, by custom ``<name>.zarr``.
        overwrite : bool
            Replace an existing store, once the new one is complete, if everything in it is as
            postseg wrote it. Other stores are never replaced: `add_to` adds to them.

        Raises
        ------
        OSError
            When the path exists, or cannot be written to.
        ValueError
            When the masks are read from there.
        """
        from postseg.elements import build

        check_target(path, overwrite, store=True, inputs=self._sources())
        labels, shapes, tables, points = self._handed_over()
        build.write_store(path, labels, shapes, tables, points, overwrite=overwrite)

    def export(self, path: str | PathLike[str], overwrite: bool = False) -> None:
        """Write the cells in the format that the end of the file's name stands for.

        Completely or not at all; what is missing is made first by its step.

        Parameters
        ----------
        path : path
            A name that ends in

            - ``.zarr``: the store of `write`;
            - ``.geojson``: polygons for QuPath and Xenium Ranger, ``properties.label`` = label:
              outer rings, of a cell in parts the largest; a warning tells how many lost something;
            - ``.parquet`` or ``.geoparquet``: polygons with the survivors' rows of `regions`, as
              GeoParquet for ``geopandas.read_parquet``, indexed by label;
            - ``regions.parquet``, such as ``cells.regions.parquet``, or ``.csv``: the audit table,
              all of `regions`, for ``pandas.read_parquet`` or ``read_csv(path,
              index_col="region")``, where the empty reason of a survivor is NaN;
            - ``.tif`` or ``.tiff``: the label image at full resolution, uint32, a tiled BigTIFF.

            Polygons are in the coordinate system ``"image"``: full-resolution pixels, y down, the
            tile at its `origin`. The label image is the tile's own.
        overwrite : bool
            Replace an existing output, once the new one is complete; a store as `write` does.

        Raises
        ------
        ValueError
            When the name ends in none of these, or the masks are read from there.
        OSError
            When the path exists, or cannot be written to.
        RuntimeError
            Without masks, and where no cell is left.
        """
        from postseg.files import export
        from postseg.raster.enlarge import resize_lazily

        if export.FORMATS[export.format_of(path)].write is None:
            self.write(path, overwrite)
            return
        check_target(path, overwrite, inputs=self._sources())
        with self._step():
            self._elements()
            placement = self._placement()
            cells = export.Cells(
                labels=resize_lazily(self._masks_now(), [placement.shape])[0],
                shapes=self.shapes_model,
                to_image=placement.shape_systems[IMAGE],
                regions=self._audit(),
                tile=f"{self.label_name} at {placement.origin}",
            )
            export.export(path, cells, overwrite)

    def verify(self) -> Verification:
        """Check that labels, shapes, table and points, made where not yet, agree cell by cell.

        Returns
        -------
        Verification
            See `postseg.verify.verification.verify_elements`; offsets in pixels of the labels.

        Raises
        ------
        RuntimeError
            Without masks, and where no cell is left.
        """
        from postseg.verify.verification import verify_elements

        with self._step():
            made = self._elements()
            return verify_elements(*(one for elements in made for one in elements.values()))

    def to_napari(self) -> list[tuple[Any, dict[str, Any], str]]:
        """Make layers for napari, made where they are not yet, in pixels of the microscope image.

        They lie over an image layer of the slide without a scale; napari is not needed for it.

        Returns
        -------
        list of (data, kwargs, type)
            For ``viewer.add_layer(napari.layers.Layer.create(*layer))``:

            - labels `label_name`: the masks as they stand, with the survivors' metrics;
            - labels ``<label_name>_rejected``: the rejected regions, numbered as in `regions`,
              with reason and metrics; not where a subclass filters in its own way;
            - shapes `shape_name`: the outlines.

        Raises
        ------
        RuntimeError
            Without masks, and where no cell is left.
        """
        from postseg.show import napari

        with self._step():
            self._elements()
            placement = self._placement()
            place = napari.placing(placement)
            made = [napari.survivors(self._masks_now(), self._audit(), self.label_name, place)]
            made_by = self._held.made_by
            if made_by is not None:
                made.append(napari.rejected(made_by, f"{self.label_name}_rejected", place))
            to_image = placement.shape_systems[IMAGE]
            made.append(napari.outlines(self.shapes_model, to_image, self.shape_name))
            return made

    # ---- showing what was filtered, and why; figures need the extra ``plot``

    def plot_filter(
        self,
        image: Any = None,
        seams: bool = False,
        colour: Literal["share", "reason"] = "share",
    ) -> Figure:
        """Draw the mask with rejected regions filled by reason, and a histogram per metric in use.

        Of a slide whose regions are too small to be seen one by one the map shows, per bin, the
        share that was rejected; a bin is the paler, the fewer regions it holds.

        Parameters
        ----------
        image : (m H, m W) or (m H, m W, 3) array_like, optional
            The microscope image, grey or RGB, m times as large as the masks; dask and xarray too.
            Survivors are outlined on it.
        seams : bool
            Show too what a `Slide` did where its tiles meet: their sides, cells that were joined,
            trimmed or cut, and what was left out.
        colour : {"share", "reason"}
            Of such bins: the share, or the reason for which most of them were rejected.

        Returns
        -------
        matplotlib.figure.Figure
            Of a large mask with a closer look at one place, of bins at the three worst.

        Raises
        ------
        RuntimeError
            Before a filter run.
        ValueError
            When the image does not fit the masks; for `seams` of masks that are no `Slide`; for
            another `colour`.
        """
        from postseg.show import bins, figures

        bins.check_colour(colour)
        run, scene = self._scene(image, seams)
        report = run.report
        return figures.draw_filter(scene, run.regions, report.config, report.transcripts, colour)

    def plot_sweep(self, field: str, image: Any = None) -> Figure:
        """Draw the survivors against a threshold, and the cells that flip near it.

        Parameters
        ----------
        field : str
            A field of `FilterConfig`; the others stay as they are.
        image : array_like, optional
            As for `plot_filter`.

        Returns
        -------
        matplotlib.figure.Figure
            Regions kept against the threshold, areas in mask pixels.

        Raises
        ------
        ValueError
            When there is no such field, or it is not one number, and when the image does not fit.
        RuntimeError
            Before a filter run.
        """
        from postseg.show import galleries

        run, scene = self._scene(image)
        return galleries.draw_sweep(scene, run.regions, self._sweep(run, field))

    def plot_cells(self, reason: str, n: int = 24, image: Any = None) -> Figure:
        """Draw a gallery of cells that were rejected for one reason, and of kept ones next to go.

        Parameters
        ----------
        reason : str
            As in `regions`.
        n : int
            How many cells at most.
        image : array_like, optional
            As for `plot_filter`.

        Returns
        -------
        matplotlib.figure.Figure
            Each cell with its region number and the value that it was judged by.

        Raises
        ------
        ValueError
            When there is no such reason or its test is off, and when the image does not fit.
        TypeError
            When `n` is no whole number.
        RuntimeError
            Before a filter run.
        """
        from postseg.show import galleries

        run, scene = self._scene(image)
        return galleries.draw_cells(scene, run.regions, run.report, reason, n)

    def write_report(
        self,
        path: str | PathLike[str],
        image: Any = None,
        *,
        title: str | None = None,
        source: str = "",
        overwrite: bool = False,
        seams: bool = False,
    ) -> None:
        """Write all of it as one page for a browser: pictures, thresholds to be moved, tables.

        The page holds the metrics of all regions, up to 1,000,000, and filters anew by itself as
        `refilter` does.

        Parameters
        ----------
        path : path
            The file, by custom ``<name>.html``. It needs no other file and no network.
        image : array_like, optional
            As for `plot_filter`.
        title : str, optional
            Heading; default `label_name`.
        source : str
            Where the label image came from.
        overwrite : bool
            Replace an existing file, once the new one is complete.
        seams : bool
            As for `plot_filter`: in a section of its own.

        Raises
        ------
        OSError
            When the path exists, or cannot be written to.
        RuntimeError
            Before a filter run.
        ValueError
            When the image does not fit the masks, or one of them is read from there; for `seams`
            of masks that are no `Slide`.
        """
        check_target(path, overwrite, inputs=self._sources(image))
        from postseg.show.page import pictures, render

        run, scene = self._scene(image, seams)
        sweeps = (self._sweep(run, field) for field in swept(run.report.config))
        shown = pictures.illustrate(scene, run.regions, run.report, sweeps)
        text = render.render(
            run.report,
            run.regions,
            shown,
            live=self._to_be_moved(run, scene),
            title=title or self.label_name,
            source=source,
            made=datetime.now(),
            outline=self.outline,
        )
        with replacing(path, overwrite) as part:
            part.write_text(text, encoding="utf-8")

    # ---- the hooks

    def rejections(self, regions: pd.DataFrame) -> pd.DataFrame:
        """Tell which regions fail which test; override it to add or change a reason.

        Parameters
        ----------
        regions : DataFrame
            All regions, as from `measure_regions`: lengths in mask pixels. A copy.

        Returns
        -------
        DataFrame of bool
            The same index, one column per reason, in the order in which they are reported.
        """
        return criteria.rejections(regions, self.filter_config)

    @staticmethod
    def masks_to_polygons(
        seg_masks: Any, factor_rescale: int
    ) -> list[shapely.Polygon | shapely.MultiPolygon]:
        """Outline every cell: a hook, by default `postseg.masks_to_polygons`.

        One of a subclass's own is for `outline` "contour" only.

        Parameters
        ----------
        seg_masks : (H, W) array
            Label image.
        factor_rescale : int
            Coordinates are multiplied by it, about (0, 0); 0 means as they are.

        Returns
        -------
        list of Polygon
            One per label, in ascending order of the labels: (x, y) in pixels of the enlarged
            image, y down.
        """
        return outlines.masks_to_polygons(seg_masks, factor_rescale)

    @staticmethod
    def mirror_y0(geom: Any) -> Any:
        """Mirror polygons at the x axis, (x, y) -> (x, -y): a hook.

        Parameters
        ----------
        geom : Polygon or MultiPolygon, or array of geometries
            What `masks_to_polygons` returned, or an outline of another kind.

        Returns
        -------
        Polygon or MultiPolygon or array
            Mirrored, holes too; geometries of any other type unchanged.
        """
        return outlines.mirror_y0(geom)

    # ---- how

    @property
    def _turn(self) -> Turn:
        turn: Turn = vars(self).setdefault("_own_turn", Turn())
        return turn

    def _hold(self, **parts: Any) -> None:
        with self._turn.lock:
            self._held = self._held._replace(**parts)

    def _forget_elements(self) -> None:
        self._hold(shift=None, **dict.fromkeys(MADE))

    def _forget_place(self) -> None:
        """Forget what was made of masks that lie elsewhere now, and which points lay in them."""
        self._forget_elements()
        if self._held.counted is not None:
            self._tell_counts(None)

    def _forget_microns(self) -> None:
        """Forget what was made with another pixel size."""
        counted = self._held.counted
        if counted is not None and counted.system == MICRONS:
            self._forget_place()
        self._forget_elements()

    def _look_at_reference(self) -> None:
        """Forget what was made where a reference lay before its transformations were changed."""
        now = _place_of(self.reference)
        if not same_place(now, self._held.seen):
            self._forget_place()
            self._hold(seen=now)

    @contextmanager
    def _step(self) -> Iterator[LabelImage]:
        """Yield the input masks; after an error, hold what was held before."""
        with self._turn.lock:
            if not self._turn.in_step:
                self._look_at_reference()
            before, in_step = self._held, self._turn.in_step
            if before.input is None:
                raise RuntimeError(
                    "There are no masks yet: assign the label image first, post.masks = "
                    "label_image."
                )
            self._turn.in_step = True
            try:
                with limited(self.n_jobs), self._progress_bar(in_step):
                    yield before.input
            except BaseException:
                self._held = before
                raise
            finally:
                self._turn.in_step = in_step

    @contextmanager
    def _progress_bar(self, in_step: bool) -> Iterator[None]:
        if not self.progress or in_step:
            yield
            return
        with bar() as show, shown_by(show):
            yield

    @contextmanager
    def _in_force(self, image: LabelImage, config: FilterConfig) -> Iterator[FilterConfig]:
        """Let `rejections` see these thresholds and this image, for one call."""
        with self._turn.lock, limited(self.n_jobs):
            turn = self._turn
            before = self._filter_config, turn.under_test
            self._filter_config, turn.under_test = config, image
            try:
                yield config
            finally:
                self._filter_config, turn.under_test = before

    def _set_masks(
        self, masks: LabelImage, runs: Runs, made_by: FilterRun | None, shift: float | None
    ) -> None:
        """Put filtered masks in place, and drop results that no longer match them.

        Masks that no filter run is known to have made, as from a filter of a subclass's own, are
        measured.
        """
        held = self._held
        if shift is None or shift != held.shift or held.runs is None or not runs.same(held.runs):
            self._forget_elements()
        counted = self._counted_still(made_by, runs)
        if made_by is not None:
            audit = made_by.regions
        elif counted is not None and held.audit is not None:
            audit = held.audit
        else:
            audit = self._with_nuclei(measure_masks(masks)).table
            audit["label"] = audit["source_label"]
        self._hold(masks=masks, runs=runs, made_by=made_by, audit=audit, shift=shift)
        # the rows of the table carry the thresholds too, and the ledger the reasons
        self._hold(counted=counted, table=None, points_model=None, transcripts=None)

    @property
    def _points_name(self) -> str:
        """Name of the points element."""
        return f"{self.label_name}_transcripts"

    def _regions_now(self) -> tuple[Runs, int]:
        """All regions that points are looked up in: runs with their numbers, and how many.

        Of a filter of a subclass's own they are the masks as they stand, unless it tells more.
        """
        if self._filters_by_rejections():
            measured = self._measure_input()
            return measured.runs, len(measured.table)
        if self._held.audit is None:
            self.process_masks_to_shapes()
        made_by, runs = self._held.made_by, self._held.runs
        if made_by is not None:
            return made_by.measured.runs, len(made_by.measured.table)
        assert runs is not None  # as there is an audit
        regions, number = components(runs)
        return runs._replace(label=number), regions.label.size

    def _tell_counts(self, counted: Counted | None) -> None:
        """Hold counts of points, and tell the regions that were measured of theirs, or of none."""
        held = self._held
        known = counted or held.counted
        assert known is not None
        counts, total = (None, None) if counted is None else counted.of_regions()
        found: dict[str, Any] = dict.fromkeys(("table", "points_model", "transcripts"))
        of = [held.measured, held.made_by and held.made_by.measured]
        measured = next((m for m in of if m is not None and known.is_of(m.runs)), None)
        if measured is None:  # the masks of a filter of a subclass's own
            assert held.audit is not None
            audit = held.audit.drop(columns=TRANSCRIPTS, errors="ignore")
            found["audit"] = audit if counts is None else audit.assign(**{TRANSCRIPTS: counts})
        else:
            self._tell(measured, with_transcripts(measured, counts, total))
        self._hold(counted=counted, **found)

    def _tell(self, measured: Measured, told: Measured) -> None:
        """Hold what measured regions were told since, and all that was made of them with it."""
        held = self._held
        last, made_by = (
            run if run is None or run.measured is not measured else tell(run, told)
            for run in (held.last, held.made_by)
        )
        found: dict[str, Any] = {"last": last}
        found["made_by"] = last if held.made_by is held.last else made_by
        if held.measured is measured:
            found["measured"] = told
        if last is not None and last is not held.last:
            regions = with_microns(last.regions.copy(), self._pixel_area())
            found |= {"filter_report": last.report, "regions": regions}
        if made_by is not None:
            found["audit"] = made_by.regions
        self._hold(**found)

    def _ledger(self, counted: Counted) -> pd.DataFrame:
        """Where all points are, worked out once for masks as they stand."""
        held = self._held
        if held.transcripts is None:
            from postseg.transcripts.ledger import make_ledger

            assert held.audit is not None  # the regions are told of counts after a filter only
            by = None if held.made_by is None else held.made_by.report
            self._hold(transcripts=make_ledger(counted, held.audit, by))
        ledger = self._held.transcripts
        assert ledger is not None
        return ledger

    def _counted_still(self, made_by: FilterRun | None, runs: Runs) -> Counted | None:
        """The counts of points, where they are of the regions that masks are made of now."""
        held, counted = self._held, self._held.counted
        if counted is None or made_by is not None:
            return counted if made_by and counted and counted.is_of(made_by.measured.runs) else None
        same = held.made_by is None and held.runs is not None and runs.same(held.runs)
        return counted if same else None

    def _measure(self, seg_masks: Any) -> Measured:
        """Read and measure a label image; the input masks once only."""
        held = self._held
        if held.measured is not None and seg_masks is held.input:
            return self._with_intensities(held.measured)
        masks = as_label_image(seg_masks)
        if self.intensity_image is not None:
            as_intensity_image(self.intensity_image).factor(masks.shape)  # before the work
        measured = self._with_nuclei(measure_masks(masks))
        if seg_masks is held.input:
            if held.tiles is not None:
                table = with_sources(measured.table, measured.runs, held.tiles)
                measured = measured._replace(table=table)
            self._hold(measured=measured)
        return self._with_intensities(measured)

    def _with_intensities(self, measured: Measured) -> Measured:
        """Tell measured regions of their intensities, where there are any and they do not know."""
        if self.intensity_image is None or intensities_in(measured.table):
            return measured
        image = as_intensity_image(self.intensity_image)
        table = with_intensities(measured.table, measured.runs, image)
        told = measured._replace(table=table)
        self._tell(measured, told)
        return told

    def _forget_intensities(self) -> None:
        """Forget those of the image before; what was decided by them stays, as thresholds do."""
        held = self._held
        runs = [run for run in (held.last, held.made_by) if run is not None]
        for measured in (held.measured, *(run.measured for run in runs)):
            if measured is not None and intensities_in(measured.table):
                plain = without_intensities(measured.table)
                self._tell(measured, measured._replace(table=plain))
        audit = self._held.audit
        if audit is not None:  # of masks that a filter of a subclass's own made
            audit = without_intensities(audit)
        self._hold(audit=audit, table=None)

    def _with_nuclei(self, measured: Measured) -> Measured:
        """Tell measured regions of the nuclei that were matched, if masks of this size were."""
        found, masks = self._held.nuclei, self._held.masks
        if found is None or masks is None or measured.runs.shape != masks.shape:
            return measured
        return with_nuclei(measured, found)

    def _all_measured(self) -> list[Measured]:
        """The input masks, where they were measured, and what the filter runs are of."""
        held = self._held
        found = [held.measured, *(run and run.measured for run in (held.last, held.made_by))]
        return [*{id(measured): measured for measured in found if measured is not None}.values()]

    def _match_own(self, runs: Runs) -> pd.DataFrame | None:
        """Tell the regions of a filter of a subclass's own of nuclei, and return these."""
        regions, n_regions = self._regions_now()
        if self._held.made_by is not None:
            return self._held.made_by.measured.nuclei
        audit = self._held.audit
        assert audit is not None  # it has filtered
        matched = match_nuclei(regions, n_regions, runs)
        self._hold(audit=matched.tell(audit))
        return matched.of_nuclei

    def _kept(
        self, measured: Measured, config: FilterConfig, field: str, values: Sequence[Any]
    ) -> Iterator[NDArray[np.bool_]]:
        """Which of measured regions pass with each value of one threshold."""
        found = self._window(measured, config, field, values)
        if found is not None:
            return found.masks()
        tried = (config.replace(**{field: value}) for value in values)
        return (self._keeps(measured, self._in_pixels(one)) for one in tried)

    def _count_kept(
        self, measured: Measured, config: FilterConfig, field: str, values: Sequence[Any]
    ) -> NDArray[np.int64]:
        """How many of them, and how many transcripts in them where those are known: `amounts`."""
        amounts = measured.amounts
        found = self._window(measured, config, field, values)
        if found is not None:
            return found.sums(amounts)
        kept = self._kept(measured, config, field, values)
        sums = [amounts[mask].sum(axis=0) for mask in kept]
        return np.array(sums, dtype=np.int64).reshape(-1, amounts.shape[1])

    def _window(
        self, measured: Measured, config: FilterConfig, field: str, values: Sequence[Any]
    ) -> Window | None:
        """What values of one threshold keep, or None where only `rejections` can tell."""
        if not self._rejects_by_thresholds() or field == criteria.BORDER.threshold:
            return None
        tried = (config.replace(**{field: value}) for value in values)
        settings = [getattr(self._in_pixels(one), field) for one in tried]
        return window(field, settings, measured.table, self._in_pixels(config))

    def _keeps(self, measured: Measured, config: FilterConfig) -> NDArray[np.bool_]:
        """Which of measured regions pass with other thresholds in force."""
        with self._in_force(measured.image, config):
            failed = find_failures(measured.table, self.rejections)
        return np.asarray(~failed.to_numpy(dtype=bool).any(axis=1))

    def _measure_input(self) -> Measured:
        """The masks as assigned, measured once."""
        if not self._filters_by_rejections():
            raise RuntimeError(
                f"{type(self).__name__} overrides filter_cell_by_regionprops(), so its thresholds "
                "cannot be tried on measured regions; override rejections() instead."
            )
        return self._measure(self._held.input)

    def _scene(self, image: Any, seams: bool = False) -> tuple[FilterRun, Scene]:
        """The last filter run, and what pictures of it show."""
        from postseg.show.pictures import set_scene
        from postseg.show.seams import find_seams

        run, tiles = self._last_run(), self._held.tiles
        scene = set_scene(run.measured.runs, run.regions, image)
        if not seams:
            return run, scene
        if tiles is None or run.measured is not self._held.measured:
            raise ValueError(
                "seams=True, but the masks that were filtered are no Slide, so their tiles are not "
                "known: assign a Slide to masks and run process_masks_to_shapes(), or leave seams "
                "out. A store and merged runs keep no tiles."
            )
        return run, scene._replace(seams=find_seams(run.measured.runs, run.regions, tiles))

    def _last_run(self) -> FilterRun:
        if self._held.last is not None:
            return self._held.last
        if not self._filters_by_rejections():
            raise RuntimeError(
                f"{type(self).__name__} overrides filter_cell_by_regionprops(), so which regions "
                "it rejected is not known; override rejections() instead."
            )
        raise RuntimeError(
            "There is no filter run to show yet: run process_masks_to_shapes() or refilter() first."
        )

    def _sweep(self, run: FilterRun, field: str) -> Sweep:
        """What other values of a threshold would have done in a filter run."""
        measured, config = run.measured, run.report.config

        def count_kept(values: Sequence[Any]) -> NDArray[np.int64]:
            return self._count_kept(measured, config, field, values)

        with self._in_force(measured.image, config):
            failed = find_failures(measured.table, self.rejections)
        return sweep(field, measured, config, failed, count_kept)

    def _to_be_moved(self, run: FilterRun, scene: Scene) -> str:
        """What a page needs to filter anew by itself."""
        from postseg.show.page.live import pack_live

        config = run.report.config
        with self._in_force(run.measured.image, config):
            failed = find_failures(run.measured.table, self.rejections)
        return pack_live(scene, run.regions, failed, run.report, self._pixel_area())

    def _pixel_area(self) -> Fraction | None:
        """The area of a mask pixel in um^2, None where it is not known."""
        if self.pixel_size is None:
            return None
        if self._held.masks is None:  # as where the filter is given an image of its own
            return quantities.pixel_area(self.pixel_size, max(1, self.factor_rescale) ** 2)
        return quantities.pixel_area(self.pixel_size, self._frame().mask_pixel_area)

    def _in_pixels(self, stated: FilterConfig) -> FilterConfig:
        """The thresholds in force for these that were stated."""
        return stated.in_pixels(self._pixel_area())

    def _restorable(self, report: FilterReport) -> FilterConfig:
        """The thresholds of a run as stated, or in pixels where a pixel had another size then."""
        try:
            same = self._in_pixels(report.stated) == report.config
        except ValueError:  # without a size now, or with one that no cell could pass at
            same = False
        return report.stated if same else report.config

    def _audit(self) -> pd.DataFrame:
        """The audit table of the masks as they stand."""
        if self._held.audit is None:
            raise RuntimeError(
                "There is no filtered table yet: run process_masks_to_shapes() or refilter() first."
            )
        if self._held.made_by is not None:
            self._with_intensities(self._held.made_by.measured)  # of an image since the filter run
        elif self.intensity_image is not None and not intensities_in(self._held.audit):
            image = as_intensity_image(self.intensity_image)
            self._hold(audit=with_intensities(self._held.audit, self._regions_now()[0], image))
        return with_microns(self._held.audit, self._pixel_area())

    def _elements(self) -> Elements:
        """Labels, shapes, tables and points by name, made where they are not yet."""
        with self._step():
            if self.shapes_model is None:
                self.process_masks_to_shapes()
            if self.labels_model is None:
                self.process_labels()
            if self.table is None:
                self.process_table()
        made = (self.labels_model, self.shapes_model, self.table)
        labels, shapes, tables = (
            {name: element} for name, element in zip(self.element_names, made, strict=False)
        )
        points = {} if self.points_model is None else {self._points_name: self.points_model}
        return labels, shapes, tables, points

    def _handed_over(self) -> Elements:
        """`_elements`, large labels with a pyramid if nobody chose its levels."""
        from postseg.elements import build
        from postseg.raster.enlarge import resize_lazily
        from postseg.raster.pyramid import default_factors, pyramid_shapes

        labels, shapes, tables, points = self._elements()
        ((name, element),) = labels.items()
        pixels = getattr(element, "data", None)
        if is_lazy(pixels) and pixels.name == self._held.plain_labels:
            smaller = pyramid_shapes(pixels.shape, default_factors(pixels.shape))[1:]
            levels = [pixels, *resize_lazily(self._masks_now(), smaller)]
            labels = {name: build.labels_element(levels, name, build.maps_to_systems(element))}
        return labels, shapes, tables, points

    def _filter(self, input_masks: LabelImage) -> LabelImage:
        """What the filter makes of the input masks, the filter of a subclass's own too."""
        masks = as_label_image(self.filter_cell_by_regionprops(input_masks))
        if masks.shape != input_masks.shape:
            raise ValueError(
                f"filter_cell_by_regionprops() returned masks of shape {masks.shape} for masks of "
                f"shape {input_masks.shape}; cells must stay where they are."
            )
        return masks

    def _trace_back(self, masks: LabelImage) -> tuple[Runs, FilterRun | None]:
        """The runs of filtered masks, and the filter run that made exactly them, if one did."""
        last = self._held.last
        if last is None:
            return encode(masks), None
        made = last.runs.without_background()
        if self._filters_by_rejections() or _is_painted(masks, last.masks):
            return made, last
        runs = encode(masks)
        return runs, last if runs.same(made) else None

    def _check_hooks(self) -> None:
        """Refuse, before any work, an outline that a hook would not make, or not mirror."""
        if self.outline == "contour":
            return
        if self.masks_to_polygons != PostSegmentation.masks_to_polygons:
            raise ValueError(
                f"outline is {self.outline!r}, but {type(self).__name__} overrides "
                "masks_to_polygons(), which makes outlines of its own: set outline='contour', with "
                "which it is used, or do not override it."
            )
        if self.mirror_y0 != PostSegmentation.mirror_y0:
            check_mirror(self.mirror_y0, self.outline)

    def _outlines(
        self, masks: LabelImage, runs: Runs, scale: tuple[float, float]
    ) -> tuple[NDArray[np.int64], NDArray[np.object_], float]:
        """Label values, their polygons (scaled, mirrored, shifted to y = 0), and the shift."""
        hooks = (self.masks_to_polygons, self.mirror_y0)
        if hooks == (PostSegmentation.masks_to_polygons, PostSegmentation.mirror_y0):
            return outlines.outline_polygons(runs, scale, outline=self.outline, mirrored=True)
        if self.outline != "contour":
            labels, traced, _ = outlines.outline_polygons(runs, scale, outline=self.outline)
            mirrored = outlines.as_geometry(map(self.mirror_y0, traced), labels, "mirror_y0")
            mirror = matrix_of(self.mirror_y0)
            shift = outlines.shift_of(runs, self._frame()._replace(mirror=mirror))
            return labels, outlines.shift_y(mirrored, shift), shift
        labels = np.unique(runs.label)
        # the hook knows one whole number for both axes
        factor = self.factor_rescale if scale == (self.factor_rescale or 1,) * 2 else 1
        unplaced = self.masks_to_polygons(masks, factor)
        traced = outlines.as_geometry(unplaced, labels, "masks_to_polygons")
        traced = outlines.stretch(traced, scale[0] / (factor or 1), scale[1] / (factor or 1))
        mirrored = outlines.as_geometry(map(self.mirror_y0, traced), labels, "mirror_y0")
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

    def _sources(self, *others: Any) -> list[str]:
        """The files that masks, reference, intensities and points are read from, and of others."""
        counted = self._held.counted
        points = () if counted is None else (counted.source.files, counted.source.frame)
        images = (self.input_masks, self.masks, self.reference, self.intensity_image)
        return files_behind(*images, *points, *others)

    def _frame(self) -> Placement:
        """Where the masks lie, before they are mirrored: known before any work."""
        own, reference = self._held.own, _place_of(self.reference)
        return place(
            self._masks_now().shape,
            factor=self.factor_rescale,
            image_shape=self.image_shape,
            origin=self.origin,
            reference=reference,
            own=own,
            pixel_size=self.pixel_size,
        )

    def _placement(self) -> Placement:
        """Where the masks as they stand lie, and all that is made of them."""
        placement = self._frame()._replace(mirror=matrix_of(self.mirror_y0))
        shift, runs = self._held.shift, self._held.runs
        if shift is None and self.mirror_y0 == PostSegmentation.mirror_y0:
            last = last_row(self._masks_now()) if runs is None else runs.last_row
            shift = outlines.mirror_shift(last, placement.scale[0])
        elif shift is None:
            runs = encode(self._masks_now()) if runs is None else runs
            shift = outlines.shift_of(runs, placement)
        self._hold(shift=shift)
        return placement._replace(shift=shift)

    def _announce(self, filtered: FilterRun, warn: bool) -> None:
        """Tell of a filter run, and hold it; a warning may be an error, so that comes before."""
        save_picture(filtered, self.save_debug, self.debug_colour)
        if self.verbose:
            print(filtered.report)
        if warn and not filtered.report.passed:
            warnings.warn(why_nothing_passed(filtered.report), stacklevel=3)
        for note in filtered.report.notes:
            warnings.warn(note, stacklevel=3)
        # a copy, since who edits it must not edit the audit
        regions = with_microns(filtered.regions.copy(), self._pixel_area())
        self._hold(last=filtered, filter_report=filtered.report, regions=regions)

    def _why_empty(self) -> str:
        last = self._held.last
        if last is not None and not last.report.passed:
            why = why_nothing_passed(last.report)
            return f"{why} To look at them, run refilter() and plot_filter()."
        return "No cell is left: filter_cell_by_regionprops() returned masks without any."


def _is_painted(masks: LabelImage, painted: LabelImage) -> bool:
    """Whether these are lazy masks as they were painted, so that they need not be read.

    A dask array changes its name with its content, an array in memory does not tell.
    """
    return is_lazy(masks) and is_lazy(painted) and masks.name == painted.name


def _place_of(element: Any) -> Reference | None:
    """Where a SpatialData element lies; None of what is none."""
    if "spatialdata" not in sys.modules:  # whoever has one has imported it
        return None
    from postseg.elements import build

    return build.reference_of(element)
