"""`Slide`: the label images of tiles, as they arrive, and the slide that they make."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from postseg._support.threads import in_threads
from postseg._support.words import counted
from postseg.raster.images import encode
from postseg.raster.label_image import as_label_image
from postseg.raster.runs import Runs
from postseg.tiles.merged import Merged, MergeReport
from postseg.tiles.merging import merge
from postseg.tiles.plan import check_inside, check_origin, check_plan, check_slide_shape, gaps
from postseg.tiles.store import TileStore, settings_of
from postseg.tiles.tile import Rectangle, Tile
from postseg.tiles.undecided import count_undecided

if TYPE_CHECKING:
    import dask.array as da

_MANY = 10  # cells: fewer in several parts may be so
Ids = Literal["local", "shared"]


class Slide:
    """A slide that was segmented tile by tile: one cell where tiles saw one, whatever their order.

    Tiles may overlap as they like, or not at all. Where two of them saw a cell, it is one cell of
    the slide, whole where a tile has it whole; the rules are in ``.github/docs/tiles.md``.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the slide, in mask pixels. It must be the real one: a side of a tile
        that lies on the slide's edge is no seam.
    store : path, optional
        A folder that keeps the tiles, one file each, made where it is missing. Several processes
        may add to it at once, on several machines; a crash loses the tile under way and nothing
        else. Default: memory.
    plan : sequence of (int, int, int, int), optional
        First row, first column, last row + 1 and last column + 1 of every tile to come, such as
        from `plan_tiles`. It leaves nothing of the slide out.
    ids : {"local", "shared"}
        ``"local"``: every tile numbers its own cells, as a model does. ``"shared"``: the tiles are
        windows of one label image, an id means the same cell everywhere.
    rim : int
        Mask pixels along the sides of a tile where the model finds nothing: a cell that comes as
        near to a seam counts as cut by it.

    Attributes
    ----------
    report : MergeReport or None
        What the last merge did: counts.
    sources : DataFrame or None
        Of the last merge: which label of which tile each cell is made of.

    Raises
    ------
    ValueError
        For a shape, plan, rim or ids that are none, and for a store of another slide.
    OSError
        When there cannot be such a store.

    Examples
    --------
    >>> slide = Slide((4096, 4096), store="run.tiles")  # doctest: +SKIP
    >>> slide.add(model(image[:2048, :2048]), origin=(0, 0))  # doctest: +SKIP
    >>> post = PostSegmentation(slide, factor_rescale=4, label_name="cells")  # doctest: +SKIP
    """

    report: MergeReport | None = None

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        store: str | PathLike[str] | None = None,
        plan: Iterable[Sequence[int]] | None = None,
        ids: Ids = "local",
        rim: int = 0,
    ) -> None:
        self.shape = check_slide_shape(shape)
        if ids not in ("local", "shared"):
            raise ValueError(
                f"ids is {ids!r}; choose 'local' where every tile numbers its own cells, 'shared' "
                "where the tiles are windows of one label image."
            )
        self.ids = ids
        if not isinstance(rim, int | np.integer) or isinstance(rim, bool) or rim < 0:
            raise ValueError(
                f"rim is {rim!r}; give a whole number of mask pixels, 0 where the model segments "
                "up to the sides of a tile."
            )
        self.rim = int(rim)
        self.plan = None if plan is None else check_plan(plan, self.shape)
        self._planned = frozenset(self.plan or ())
        self._kept: dict[Rectangle, Tile] = {}
        self._lock = threading.Lock()
        self._store: TileStore | None = None
        self._merged: Merged | None = None
        if store is not None:
            self._store = TileStore(store, self.shape, self.ids, self.rim)
            for rectangle in self.tiles if self.plan is not None else ():
                self._check_planned(rectangle, f"{store} has the tile at")

    @classmethod
    def open(
        cls, store: str | PathLike[str], *, plan: Iterable[Sequence[int]] | None = None
    ) -> Self:
        """Open a store of tiles with the shape, ids and rim that they were added with.

        Parameters
        ----------
        store : path
            The folder.
        plan : sequence of (int, int, int, int), optional
            As for `Slide`; it is not in the store.

        Returns
        -------
        Slide
            With the tiles that are there.

        Raises
        ------
        ValueError
            When there are no tiles in it, or some that are not of the plan.
        OSError
            When it is no folder, or none of its files can be read.
        """
        known: Any = settings_of(store)
        return cls(known.shape, store=store, plan=plan, ids=known.ids, rim=known.rim)

    def __repr__(self) -> str:
        here = len(self.tiles)
        count = counted(here, "tile") if self.plan is None else f"{here} of {len(self.plan)} tiles"
        place = "memory" if self._store is None else self._store.folder.name
        height, width = self.shape
        return f"Slide {height} x {width}: {count} in {place}, ids {self.ids}, rim {self.rim}"

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name != "_lock"}
        return {**state, "_kept": dict(self._kept)}  # a copy has its own

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock())

    @property
    def tiles(self) -> list[Rectangle]:
        """The tiles that have arrived, in raster order; those of other processes too."""
        return sorted(self._kept) if self._store is None else self._store.rectangles()

    @property
    def missing(self) -> list[Rectangle]:
        """The tiles of the plan that have not arrived, in its order; none without a plan."""
        here = set(self.tiles)
        return [rectangle for rectangle in self.plan or () if rectangle not in here]

    @property
    def undecided(self) -> int:
        """How many cells another tile may still change: without a plan, all that seams cut.

        Found anew each time, at the cost of a merge.
        """
        missing = None if self.plan is None else self.missing
        return count_undecided(self._read(), self.shape, self.ids, self.rim, missing)

    @property
    def sources(self) -> Any:
        """One row per label of a tile that is part of a cell; None before the first merge.

        Columns ``cell`` (its label in the slide), ``tile`` (``r<row>_c<column>_<rows>x<columns>``),
        ``tile_label`` and ``role``: whether the cell is of a ``"single"`` tile, the ``"whole"`` of
        which others saw parts, ``"joined"`` of parts, or was ``"trimmed"``.
        """
        return None if self._merged is None else self._merged.in_words()

    def add(
        self,
        tile: Any,
        origin: tuple[int, int],
        *,
        factor: int = 1,
        overwrite: bool = False,
    ) -> Rectangle:
        """Add the label image of a tile; the same one again changes nothing.

        Parameters
        ----------
        tile : (h, w) array_like
            Label image, as for `PostSegmentation.masks`: 0 is background. Read, never modified.
        origin : (int, int)
            Row and column of its first pixel in the slide, in mask pixels.
        factor : int
            Where the origin is in pixels of the microscope image, how many times smaller the masks
            are. It must divide the origin, or the pixels of the tile would not be the slide's.
        overwrite : bool
            Replace a tile of other content at this place.

        Returns
        -------
        Rectangle
            Where it lies.

        Raises
        ------
        TypeError, ValueError
            When it is no label image, does not lie in the slide or not on whole pixels, is not of
            the plan, or when a tile of other content is in memory there. Names the tile.
        OSError
            When the store cannot be written to, or has another tile there (FileExistsError).
        """
        top, left = check_origin(origin, factor)
        try:
            image = as_label_image(tile)
            runs = encode(image)
        except (TypeError, ValueError) as error:
            raise type(error)(f"the tile at row {top}, column {left}: {error}") from error
        height, width = image.shape
        rectangle = check_inside(Rectangle(top, left, top + height, left + width), self.shape)
        self._check_planned(rectangle)
        row, start, stop = (
            part + np.int32(first) for part, first in zip(runs[:3], (top, left, left), strict=True)
        )
        new = Tile(rectangle, row, start, stop, runs.label.astype(np.int64))
        if self._store is not None:
            self._store.add(new, overwrite=overwrite)
            return rectangle
        with self._lock:
            old = self._kept.get(rectangle)
            if old is not None and not overwrite and old.digest != new.digest:
                raise ValueError(
                    f"the tile at {rectangle} has been added with other content. Replace it with "
                    "overwrite=True."
                )
            self._kept[rectangle] = new
        return rectangle

    def merge(self, *, partial: bool = False) -> Runs:
        """Merge the tiles that are here to one label image, as runs.

        Parameters
        ----------
        partial : bool
            Merge what is here although tiles of the plan are missing.

        Returns
        -------
        Runs
            Cells numbered 1..n in raster order of their first pixel; with shared ids, their ids.
            ``label_image()`` paints them. For masks take the slide itself, or `merged`, which tell
            where cells came from.

        Raises
        ------
        ValueError
            When there are no tiles, or some of the plan are missing, or two tiles with shared ids
            claim one pixel for different cells. Names tile and place.
        OSError
            When a file of the store is damaged.
        """
        return self.merged(partial=partial).runs

    def merged(self, *, partial: bool = False) -> Merged:
        """The same with all that is known of it, for masks: sources, counts, what was left out.

        See `merge` for parameters and errors.
        """
        missing = [] if partial else self.missing
        if missing:
            raise ValueError(
                f"{len(missing):,} of the {len(self.plan or ()):,} tiles of the plan are missing, "
                f"the first at {missing[0]}. Add them, or take what is here: merged(partial=True)."
            )
        here = self._read()
        if not here:
            raise ValueError("There are no tiles to merge yet: add() them first.")
        found = merge(here, self.shape, self.ids, self.rim)
        for note in () if partial else self._notes(found):
            warnings.warn(note, stacklevel=3)
        self._merged, self.report = found, found.report
        return found

    def label_image(self) -> da.Array:
        """Merge the tiles and paint them lazily; see `Runs.label_image` and `merge`."""
        return self.merge().label_image()

    def _read(self) -> list[Tile]:
        if self._store is None:
            with self._lock:
                return list(self._kept.values())
        here, read = self.tiles, self._store.read
        ranges = [(i, i + 1) for i in range(len(here))]
        return in_threads(lambda i, _: read(here[i]), ranges, "Reading tiles")

    def _notes(self, found: Merged) -> Iterator[str]:
        """What one should know of a merge."""
        empty = found.empty_rim
        if empty > self.rim:
            yield (
                f"No tile has a cell within {counted(empty, 'pixel')} of a seam. If the model "
                f"leaves the rim of its tiles empty, give rim={empty}: cells that end there are "
                "cut. If it drops cells that its tile cuts, tiles must overlap by more than a cell."
            )
        if found.scattered >= _MANY and 2 * found.scattered > found.report.joined:
            yield (
                f"{found.scattered:,} of the {found.report.joined:,} cells in several tiles are in "
                "parts that do not touch. Where every tile numbers its own cells, give ids='local'."
            )
        if found.report.cut:
            first = gaps(found.rectangles, self.shape)[0]
            yield (
                f"{counted(found.report.cut, 'cell')} cut by gaps between tiles, the first gap at "
                f"{first}. Add the tiles that are missing; where they are left out on purpose, "
                "border= says what becomes of such cells."
            )

    def _check_planned(self, rectangle: Rectangle, what: str = "the tile at") -> None:
        if self.plan is not None and rectangle not in self._planned:
            near = min(self.plan, key=lambda tile: sum(abs(np.subtract(tile, rectangle))))
            raise ValueError(
                f"{what} {rectangle}, which is not in the plan; the one most like it is at {near}."
            )


def merge_tiles(
    tiles: Iterable[Any],
    origins: Iterable[tuple[int, int]],
    shape: tuple[int, int],
    ids: Ids = "local",
    rim: int = 0,
) -> Runs:
    """Merge the label images of tiles to that of the slide, in one call.

    Parameters
    ----------
    tiles : iterable of (h, w) array_like
        Label images.
    origins : iterable of (int, int)
        Row and column of the first pixel of each, in mask pixels.
    shape, ids, rim
        As for `Slide`.

    Returns
    -------
    Runs
        See `Slide.merge`.

    Raises
    ------
    TypeError, ValueError
        As `Slide`, and when there are not as many origins as tiles.
    """
    slide = Slide(shape, ids=ids, rim=rim)
    tiles, origins = list(tiles), list(origins)
    if len(tiles) != len(origins):
        raise ValueError(
            f"there are {len(tiles)} tiles and {len(origins)} origins; give each tile its place."
        )
    for tile, origin in zip(tiles, origins, strict=True):
        slide.add(tile, origin)
    return slide.merge()
