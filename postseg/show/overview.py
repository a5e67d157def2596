"""The overview of a filter run, and the parts of it that are to be shown closer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg.show.bins import Bins, Colour, count_bins
from postseg.show.pictures import FilterPicture, Scene, bins_picture, filter_picture, square, whole
from postseg.show.selection import choose_detail, choose_worst
from postseg.show.view import View

_CLOSER = 480  # pixels a side of a closer look, at most
_SEEN_FROM = 3  # pixels: narrower regions are counted, not shown
_DETAIL_BELOW = 14  # pixels: narrower regions need a closer look
_WORST = 3  # closer looks, where regions are counted
_APART = 150  # pixels between their middles, so that the marks on the overview are


class Place(NamedTuple):
    """A closer look: what it shows, its picture, and how many regions have their middle there."""

    view: View
    picture: FilterPicture
    regions: int
    rejected: int


class Overview(NamedTuple):
    """All of a mask.

    Attributes
    ----------
    view : View
        Of the whole mask.
    picture : FilterPicture
        Of it.
    bins : Bins or None
        What it shows, where regions are too small to be seen one by one.
    places : list of Place
        Closer looks: none where all is seen well; of bins the worst places first.
    """

    view: View
    picture: FilterPicture
    bins: Bins | None
    places: list[Place]


def see_all(scene: Scene, regions: pd.DataFrame, colour: Colour = "share") -> Overview:
    """Paint a mask, or, where its regions are too small, what was counted, with closer looks.

    Parameters
    ----------
    scene : Scene
        What there is to see.
    regions : DataFrame
        The audit table.
    colour : {"share", "reason"}
        What bins show: the share that was rejected, or the commonest reason.
    """
    seen = views_of(scene, regions)
    if seen:
        view, *closer = seen
        places = [_look(scene, regions, place) for place in closer]
        return Overview(view, filter_picture(scene, view), None, places)
    bins, closer = count_all(scene, regions)
    picture = bins_picture(scene, bins, colour)
    places = [_look(scene, regions, place) for place in closer]
    if places:
        picture = picture._replace(swatches=places[0].picture.swatches)
    return Overview(bins.view, picture, bins, places)


def views_of(scene: Scene, regions: pd.DataFrame) -> list[View]:
    """All of a mask, and a part of it where it is large; nothing where regions are counted."""
    view = whole(scene.runs.shape)
    width = _width(regions, view)
    if len(regions) and width < _SEEN_FROM:
        return []
    return [view, *_closer(scene, regions, view, width)]


def count_all(scene: Scene, regions: pd.DataFrame) -> tuple[Bins, list[View]]:
    """What was counted of a mask whose regions are too small, and its worst places."""
    view = whole(scene.runs.shape)
    bins = count_bins(regions, scene.look, view, _width(regions, view))
    return bins, _worst(scene, regions, view)


def is_inside(regions: pd.DataFrame, view: View) -> NDArray[np.bool_]:
    """Which regions have their middle in the part that a view shows."""
    inside = np.ones(len(regions), bool)
    for name, axis in zip(("centroid_row", "centroid_col"), view, strict=True):
        at = regions[name].to_numpy() + 0.5 - axis.first
        inside &= (at >= 0) & (at < axis.length)
    return inside


def _width(regions: pd.DataFrame, view: View) -> float:
    """How wide a typical region is in a picture."""
    down, right = (axis.repeat / axis.take for axis in view)
    return float(np.median(regions["area"]) * down * right) ** 0.5 if len(regions) else 0.0


def _closer(scene: Scene, regions: pd.DataFrame, view: View, width: float) -> list[View]:
    """One part where regions are too small in the view of all of it; of seams, where most are."""
    if not len(regions) or (view.rows.take == 1 and width >= _DETAIL_BELOW):
        return []
    shape = view.rows.length, view.cols.length
    marked = None if scene.seams is None else scene.seams.places()
    return _squares([choose_detail(regions, shape, marked)], shape)


def _worst(scene: Scene, regions: pd.DataFrame, view: View) -> list[View]:
    if scene.seams is not None:
        return _closer(scene, regions, view, 0)
    shape = view.rows.length, view.cols.length
    apart = _APART * max(axis.take / axis.repeat for axis in view)
    found = choose_worst(regions, shape, _WORST, apart) or [choose_detail(regions, shape)]
    return _squares(found, shape)


def _squares(found: list[tuple[int, int, int]], shape: tuple[int, int]) -> list[View]:
    """Their views; none of a mask that is hardly larger."""
    return [square(*place, _CLOSER) for place in found if 2 * place[2] <= min(shape)]


def _look(scene: Scene, regions: pd.DataFrame, view: View) -> Place:
    inside = is_inside(regions, view)
    rejected = scene.look[1:][inside] > 0
    return Place(view, filter_picture(scene, view), int(inside.sum()), int(rejected.sum()))
