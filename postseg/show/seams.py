"""What a merge of tiles did, marked on pictures: sides of tiles, and outlines of what it changed.

Lines, since fills tell reasons: solid around cells, dashed around what was left out, dotted where a
gap cuts a cell. Each lies on a white band, so that it is seen on any fill and any tissue. Blue and
vermilion are told apart by the colour-blind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg.geometry.contours import outline_rings
from postseg.raster.grouped import Grouped
from postseg.raster.runs import Runs
from postseg.show.paint import Pixels
from postseg.show.view import Axis, Floats, View
from postseg.tiles.merged import FATES, ROLES, Merged
from postseg.tiles.plan import gaps

_BLUE, _VERMILION, _BLACK = "0055AA", "D55E00", "000000"
_SOLID, _DASHED, _DOTTED = (1, 0), (3, 2.5), (1, 2.5)  # drawn and left out, in widths of the line
_SIDE, _SIDE_DASH = 60, (6, 3)  # grey of a tile's sides, and its dashes in pixels
_SHARED, _UNCOVERED = ((172, 160, 140), 0.3), ((120, 120, 120), 0.5)  # tints, and how much of them
_CROWDED, _SPACIOUS = 6, 40  # widths of regions for a thin and for a thick line


class Mark(NamedTuple):
    """How something that a merge did is drawn, and what it is.

    Attributes
    ----------
    colour : str
        As six hexadecimal digits.
    dash : (float, float)
        How much is drawn and left out by turns, in widths of the line.
    meaning : str
        For a legend.
    """

    colour: str
    dash: tuple[float, float]
    meaning: str


MARKS = {  # by the names of a `MergeReport`; the later ones are drawn over the earlier ones
    "joined": Mark(_BLUE, _SOLID, "cells put together of parts, since no tile has them whole"),
    "trimmed": Mark(_VERMILION, _SOLID, "cells that lost pixels to a better one"),
    "beaten": Mark(_VERMILION, _DASHED, "left out, since better cells took most of their pixels"),
    "disowned": Mark(
        _BLACK, _DASHED, "left out, since the tile that sees the place best does not have them"
    ),
    "cut": Mark(_BLACK, _DOTTED, "cells that a gap between tiles cuts"),
}


class Entry(NamedTuple):
    """A line of a legend: a sample, a name, how many there are, a note on that, what it means."""

    swatch: Pixels
    name: str
    n: int
    note: str
    meaning: str


class Seams(NamedTuple):
    """What pictures show of a merge.

    Attributes
    ----------
    merged : Merged
        The merge.
    marked : dict of str to Grouped
        What has each of the `MARKS`; those that nothing has are left out.
    """

    merged: Merged
    marked: dict[str, Grouped]

    def places(self) -> pd.DataFrame | None:
        """Where what is marked lies, as `choose_detail` takes it; None where nothing is."""
        if not self.marked:
            return None
        x, y = np.concatenate([regions.centroids() for regions in self.marked.values()]).T
        kinds = np.repeat([*self.marked], [regions.label.size for regions in self.marked.values()])
        return pd.DataFrame({"centroid_row": y, "centroid_col": x, "reason": kinds})


def find_seams(runs: Runs, regions: pd.DataFrame, merged: Merged) -> Seams:
    """Gather what a merge did.

    Parameters
    ----------
    runs : Runs
        The slide, with region numbers as label.
    regions : DataFrame
        All regions in the order of their numbers, with the columns of `tiles.audit`.
    merged : Merged
        The same slide.
    """
    out = merged.left_out
    marked = {}
    for name in MARKS:
        if name in FATES:
            marked[name] = out.take(np.flatnonzero(out.label == FATES.index(name)))
        else:
            has = regions["cut"] if name == "cut" else regions["role"] == name
            marked[name] = _grouped(runs, np.append(False, has.to_numpy(dtype=bool)))
    return Seams(merged, {name: found for name, found in marked.items() if found.label.size})


def _grouped(runs: Runs, chosen: NDArray[np.bool_]) -> Grouped:
    """The regions whose numbers are chosen."""
    at = np.flatnonzero(chosen[runs.label])
    at = at[np.argsort(runs.label[at], kind="stable")]
    number, first = np.unique(runs.label[at], return_index=True)
    row, start, stop = (part[at] for part in runs[:3])
    return Grouped(np.append(first, at.size), row, start, stop, number.astype(np.int64))


def draw_seams(
    pixels: Pixels, seams: Seams, view: View, quiet: NDArray[np.bool_], width: float
) -> None:
    """Draw them on a picture.

    Parameters
    ----------
    pixels : (h, w, 3) array of uint8
        To draw on.
    seams : Seams
        What there is.
    view : View
        What the picture shows.
    quiet : (h, w) array of bool
        Where it may be tinted: not on what has the colour of a reason.
    width : float
        How wide a typical region is in it.
    """
    rectangles = np.array(seams.merged.rectangles, np.int64).reshape(-1, 4)
    _draw_tiles(pixels, rectangles, view, quiet)
    _draw_outlines(pixels, seams.marked, view, width)


def legend_of(seams: Seams, ground: Floats, width: float) -> list[Entry]:
    """Tell what is drawn, on a plain `ground`, and how many cells, pieces and tiles it is.

    A cell that was joined and then trimmed counts as both, and is drawn as trimmed.
    """
    merged, report = seams.merged, seams.merged.report
    uncovered = gaps(merged.rectangles, merged.runs.shape)
    n_covered = np.prod(merged.runs.shape) - _area(uncovered)
    meaning = "their sides are lines"
    sample = [(-1, -1, 21, 24), (-1, 24, 21, 49)]  # two tiles side by side
    if _area(merged.rectangles) > n_covered:
        meaning += ", what several cover is tinted"
        sample = [(-1, -1, 21, 30), (-1, 12, 21, 49)]
    if uncovered:
        meaning += ", what none covers is grey"
        sample[1] = (*sample[1][:3], 38)
    swatch = _swatch(ground)
    _draw_tiles(swatch, np.array(sample), _SWATCH, np.ones(swatch.shape[:2], bool))
    entries = [Entry(swatch, "tiles", report.tiles, "", meaning)]
    for name in MARKS:
        n = getattr(report, name)
        if not n:
            continue
        swatch = _swatch(ground)
        _draw_outlines(swatch, {name: _SAMPLE}, _SWATCH, width)
        also = n - _n_with_role(merged, name) if name == "joined" else 0
        note = f"{also:,} trimmed too" if also else ""
        entries.append(Entry(swatch, name, n, note, MARKS[name].meaning))
    return entries


def _n_with_role(merged: Merged, role: str) -> int:
    sources = merged.sources
    return int(sources.loc[sources["role"] == ROLES.index(role), "cell"].nunique())


def _area(rectangles: Iterable[Sequence[int]]) -> int:
    return sum((bottom - top) * (right - left) for top, left, bottom, right in rectangles)


# of a legend: as large as the samples of reasons, with one region that has round corners
_SWATCH = View(Axis(0, 20, 1, 1), Axis(0, 48, 1, 1))
_ROUND = np.array([3, 1, 0, 0, 0, 0, 0, 0, 1, 3], np.int32)
_SAMPLE = Grouped(
    np.array([0, _ROUND.size]),
    np.arange(5, 5 + _ROUND.size, dtype=np.int32),
    7 + _ROUND,
    41 - _ROUND,
    np.ones(1, np.int64),
)


def _swatch(ground: Floats) -> Pixels:
    size = (_SWATCH.rows.length, _SWATCH.cols.length, 3)
    return np.broadcast_to(255 * ground, size).round().astype(np.uint8)


def _draw_tiles(
    pixels: Pixels, rectangles: NDArray[np.int64], view: View, quiet: NDArray[np.bool_]
) -> None:
    """Tint what several tiles cover and what none does, and draw the sides within the picture."""
    height, width = pixels.shape[:2]
    rows, cols = _places(rectangles[:, ::2], view.rows), _places(rectangles[:, 1::2], view.cols)
    (top, bottom), (left, right) = rows.clip(0, height).T, cols.clip(0, width).T
    # how many tiles cover each pixel: steps at their corners, summed up
    steps = np.zeros((height + 1, width + 1), np.int32)
    np.add.at(steps, (top, left), 1)
    np.add.at(steps, (bottom, right), 1)
    np.add.at(steps, (top, right), -1)
    np.add.at(steps, (bottom, left), -1)
    n_tiles = steps.cumsum(axis=0).cumsum(axis=1)[:-1, :-1]
    for where, (tint, share) in ((n_tiles > 1, _SHARED), (n_tiles == 0, _UNCOVERED)):
        where &= quiet
        pixels[where] = (pixels[where] * (1 - share) + np.multiply(tint, share)).round()

    sides = np.zeros((height, width), bool)
    for first, last, begin, end in zip(top, bottom, left, right, strict=True):
        # not at the edge, which is that of the slide or of the picture
        sides[[row for row in (first, last) if 0 < row < height], begin:end] = True
        sides[first:last, [col for col in (begin, end) if 0 < col < width]] = True
    row, col = np.nonzero(sides)
    on, off = _SIDE_DASH
    pixels[row, col] = np.where((row + col) % (on + off) < on, _SIDE, 255)[:, None]


def _places(edges: NDArray[np.int64], axis: Axis) -> NDArray[np.int64]:
    """Which pixels of a picture begin at edges between pixels of the mask, or hold them."""
    return (edges - axis.first) * axis.repeat // axis.take


def _draw_outlines(pixels: Pixels, marked: dict[str, Grouped], view: View, width: float) -> None:
    """Draw lines around what is marked, all on white bands."""
    line = 1 if width < _CROWDED else 2 if width < _SPACIOUS else 3
    paths = {name: _path(_near(regions, view), view) for name, regions in marked.items()}
    for points, _ in paths.values():
        _stroke(pixels, points, line + 2, "FFFFFF")
    for name, (points, along) in paths.items():
        on, off = MARKS[name].dash
        drawn = along % (line * (on + off)) < line * on
        _stroke(pixels, points[drawn], line, MARKS[name].colour)


def _near(regions: Grouped, view: View) -> Grouped:
    """Those whose boxes meet the view."""
    low, high = regions.boxes()
    first = np.array([view.cols.first, view.rows.first])
    size = np.array([view.cols.length, view.rows.length])
    return regions.take(np.flatnonzero(((low <= first + size) & (high >= first)).all(axis=1)))


def _path(regions: Grouped, view: View) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Points along outlines, as row and column in a picture, and how far each is from the first."""
    offsets, vertices = outline_rings(regions)
    scale = np.array([axis.repeat / axis.take for axis in (view.cols, view.rows)])
    vertices = (vertices + 0.5 - [view.cols.first, view.rows.first]) * scale
    # the last vertex of a ring is its first, from which no step goes on
    last = np.zeros(len(vertices), bool)
    last[offsets[1:] - 1] = True
    steps = np.diff(vertices, axis=0, append=0)
    length = np.hypot(*steps.T)
    before = np.cumsum(length) - length
    before -= np.repeat(before[offsets[:-1]], np.diff(offsets))
    finer = ceil(2 * scale.max())  # points to a step, so that no pixel is passed over
    share = np.arange(finer) / finer
    points = vertices[~last, ::-1, None] + steps[~last, ::-1, None] * share
    along = before[~last, None] + length[~last, None] * share
    # rounded, as what is left of other rings' lengths must not shift a dash
    return np.floor(points).astype(np.int64).swapaxes(1, 2).reshape(-1, 2), along.ravel().round(6)


def _stroke(pixels: Pixels, points: NDArray[np.int64], width: int, colour: str) -> None:
    """Paint squares around points, which may lie off the picture."""
    size = np.array(pixels.shape[:2])
    points = points[((points >= -width) & (points < size + width)).all(axis=1)]
    room = 2 * width
    drawn = np.zeros(size + 2 * room, bool)
    row, col = (points + room - width // 2).T
    for down in range(width):
        for right in range(width):
            drawn[row + down, col + right] = True
    pixels[drawn[room:-room, room:-room]] = [*bytes.fromhex(colour)]
