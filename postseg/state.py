"""`State`: what a `PostSegmentation` holds, checked on entry and never left half changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Self, TypeVar, overload

import pandas as pd

from postseg._support.checks import check_factor, check_name, check_names, check_origin
from postseg._support.progress import bar, shown_by
from postseg._support.threads import check_n_jobs, limited
from postseg.filtering.config import FilterConfig, check_config, suggestion
from postseg.filtering.metrics import measure_regions
from postseg.filtering.report import FilterReport
from postseg.filtering.run import DebugImage, Filtered, Measured
from postseg.filtering import run
from postseg.raster.label_image import LabelImage, as_label_image, check_values, read_only
from postseg.raster.runs import Runs

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr
    from anndata import AnnData

    from postseg.geometry.placement import Matrix

T = TypeVar("T")

_ELEMENTS = ("gdf_polygons", "shapes_model", "labels_model", "table")
_SETTINGS = (  # keywords of the constructor
    *("masks", "factor_rescale", "label_name", "shape_name", "origin", "filter_config"),
    *("verbose", "save_debug", "n_jobs", "progress"),
)


class Held(NamedTuple):
    """All that a `PostSegmentation` holds beside its settings; replaced whole, never changed.

    Attributes
    ----------
    input : (H, W) array or None
        The masks as they were assigned, not to be written to: what the filter reads.
    measured : Measured or None
        The same, read once. What is edited in the array afterwards is not seen.
    masks : (H, W) array or None
        The masks as they stand.
    runs : Runs or None
        The same as runs, once a filter made them.
    made_by : Filtered or None
        The filter run that made them; None where they are as assigned, or of a subclass's filter.
    audit : DataFrame or None
        Their audit table, once a filter made them.
    shift : float or None
        What is added to y after mirroring them, once it is known.
    gdf_polygons, shapes_model, labels_model, table
        What was made of them.
    last : Filtered or None
        The last filter run, of these masks or of any other image.
    filter_report, regions
        What is handed out of it: the table as a copy, whose edits do not reach the audit.
    """

    input: LabelImage | None = None
    measured: Measured | None = None
    masks: LabelImage | None = None
    runs: Runs | None = None
    made_by: Filtered | None = None
    audit: pd.DataFrame | None = None
    shift: float | None = None
    gdf_polygons: gpd.GeoDataFrame | None = None
    shapes_model: gpd.GeoDataFrame | None = None
    labels_model: xr.DataArray | xr.DataTree | None = None
    table: AnnData | None = None
    last: Filtered | None = None
    filter_report: FilterReport | None = None
    regions: pd.DataFrame | None = None


class _Turn:
    """Whose turn it is: an object does one step at a time, whatever thread asks for it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.in_step = False
        self.under_test: LabelImage | None = None  # while `rejections` is asked


class Setting(Generic[T]):
    """An attribute that is checked when it is assigned, and drops the results it outdates."""

    def __init__(self, check: Callable[[Any], T], default: Any, doc: str, drops: bool = False):
        self._check, self._default, self._drops = check, check(default), drops
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._slot = f"_{name}"

    @overload
    def __get__(self, post: None, owner: type) -> Self: ...
    @overload
    def __get__(self, post: State, owner: type) -> T: ...
    def __get__(self, post: State | None, owner: type) -> Self | T:
        # from the class where nothing was assigned: as in a subclass that forgot our __init__
        return self if post is None else vars(post).get(self._slot, self._default)

    def __set__(self, post: State, value: Any) -> None:
        with post._turn.lock:
            vars(post)[self._slot] = self._check(value)
            if self._drops:
                post._forget_elements()


class Result(Generic[T]):
    """An attribute that a step sets; part of `Held`, so that an error takes it back."""

    def __init__(self, doc: str):
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, post: None, owner: type) -> Self: ...
    @overload
    def __get__(self, post: State, owner: type) -> T | None: ...
    def __get__(self, post: State | None, owner: type) -> Self | T | None:
        return self if post is None else getattr(post._held, self._name)

    def __set__(self, post: State, value: T | None) -> None:
        post._hold(**{self._name: value})


class State:
    """Masks, settings and results; a result never outlives the masks that it describes."""

    if TYPE_CHECKING:  # what `PostSegmentation` adds, and its other parts call

        def process_masks_to_shapes(self) -> tuple[Any, Any, Any]: ...  # noqa: D102

        def process_labels(self) -> tuple[Any, Any]: ...  # noqa: D102

        def rejections(self, regions: pd.DataFrame) -> pd.DataFrame: ...  # noqa: D102

        def filter_cell_by_regionprops(self, seg_masks: Any) -> Any: ...  # noqa: D102

        def _announce(self, filtered: Filtered, warn: bool) -> None: ...

        def _filters_by_rejections(self) -> bool: ...

        def _rejects_by_thresholds(self) -> bool: ...

        def _masks_now(self) -> LabelImage: ...

        def _placing(self) -> tuple[int, float, tuple[float, float], Matrix]: ...

    # Values at class level serve subclasses that set attributes and never call our __init__.
    _held = Held()
    _label_name = "labels"
    _shape_name: str | None = None
    _filter_config = FilterConfig()
    verbose: bool = True
    save_debug: DebugImage = False
    progress: bool = False

    factor_rescale = Setting(
        check_factor, 1, "How many times smaller the masks are than the image.", drops=True
    )
    origin = Setting(
        check_origin,
        (0, 0),
        "Row and column of the tile's first pixel in its slide, in mask pixels.",
        drops=True,
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
        origin: tuple[float, float] = (0, 0),
        filter_config: FilterConfig | Mapping[str, Any] | None = None,
        verbose: bool = True,
        save_debug: DebugImage = False,
        n_jobs: int | None = None,
        progress: bool = False,
        **others: Any,
    ) -> None:
        following = type(self).__mro__[type(self).__mro__.index(State) + 1]
        if others and following is object:
            name = next(iter(others))
            raise TypeError(
                f"{type(self).__name__} has no setting {name!r}{suggestion(name, _SETTINGS)}"
            )
        super().__init__(**others)  # the next class of a subclass with several bases
        self.masks = masks
        self.factor_rescale = factor_rescale
        self.label_name = label_name
        self.shape_name = shape_name
        self.origin = origin
        self.filter_config = filter_config
        self.verbose = verbose
        self.save_debug = save_debug
        self.n_jobs = n_jobs
        self.progress = progress

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_own_turn"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self._held.input is not None:
            self._hold(input=read_only(self._held.input))  # which copies forget

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
            masks = as_label_image(masks)
            check_values(masks)
            held = Held(read_only(masks), masks=masks)
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
    def filter_config(self) -> FilterConfig:
        """Thresholds; during a filter run, the ones in force."""
        return self._filter_config

    @filter_config.setter
    def filter_config(self, config: FilterConfig | Mapping[str, Any] | None) -> None:
        checked = check_config(config)
        with self._turn.lock:
            self._filter_config = checked

    @property
    def _turn(self) -> _Turn:
        turn: _Turn = vars(self).setdefault("_own_turn", _Turn())
        return turn

    def _hold(self, **parts: Any) -> None:
        with self._turn.lock:
            self._held = self._held._replace(**parts)

    def _forget_elements(self) -> None:
        self._hold(shift=None, **dict.fromkeys(_ELEMENTS))

    def _set_masks(
        self, masks: LabelImage, runs: Runs, made_by: Filtered | None, shift: float | None
    ) -> None:
        """Put filtered masks in place, and drop results that no longer match them.

        Masks that no filter run is known to have made, as from a filter of a subclass's own, are
        measured.
        """
        held = self._held
        if shift is None or shift != held.shift or held.runs is None or not runs.same(held.runs):
            self._forget_elements()
        if made_by is not None:
            audit = made_by.regions
        else:
            audit = measure_regions(masks)
            audit["label"] = audit["source_label"]
        # the rows of the table carry the thresholds too
        self._hold(masks=masks, runs=runs, made_by=made_by, audit=audit, shift=shift, table=None)

    def _measure(self, seg_masks: Any) -> Measured:
        """Read and measure a label image; the input masks once only."""
        held = self._held
        if held.measured is not None and seg_masks is held.input:
            return held.measured
        measured = run.measure_masks(seg_masks)
        if seg_masks is held.input:
            self._hold(measured=measured)
        return measured

    @contextmanager
    def _step(self) -> Iterator[LabelImage]:
        """Yield the input masks; after an error, hold what was held before."""
        with self._turn.lock:
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
