"""Outlines that a subclass draws or mirrors in its own way: checked, stretched and shifted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from postseg._support.checks import Outline
from postseg.geometry import outlines
from postseg.geometry.placement import Placement
from postseg.raster.label_image import LabelImage
from postseg.raster.runs import Runs

Outlined = tuple[NDArray[np.int64], NDArray[np.object_], float]  # see `outlines.outline_polygons`
Mirror = Callable[[Any], Any]


def drawn_by(
    masks_to_polygons: Callable[[Any, int], Any],
    mirror: Mirror,
    masks: LabelImage,
    runs: Runs,
    factor: int,
    scale: tuple[float, float],
) -> Outlined:
    """What hooks make of masks: drawn by one, mirrored by the other.

    Parameters
    ----------
    masks_to_polygons, mirror : callable
        The hooks; the first knows one whole number for both axes.
    masks : (H, W) array
        Label image.
    runs : Runs
        The same.
    factor : int
        As it was set: what the hook enlarges by, where that is the scale.
    scale : (float, float)
        Of rows and columns.
    """
    labels = np.unique(runs.label)
    factor = factor if scale == (factor or 1,) * 2 else 1
    drawn = _as_geometry(masks_to_polygons(masks, factor), labels, "masks_to_polygons")
    drawn = _stretch(drawn, scale[0] / (factor or 1), scale[1] / (factor or 1))
    mirrored = _as_geometry(map(mirror, drawn), labels, "mirror_y0")
    shift = max(0.0, -shapely.bounds(mirrored)[:, 1].min())
    return labels, _shift_y(mirrored, shift), shift


def mirrored_by(mirror: Mirror, runs: Runs, placement: Placement, outline: Outline) -> Outlined:
    """Our outlines, mirrored by a hook; `placement` knows the same as a matrix."""
    labels, drawn, _ = outlines.outline_polygons(runs, placement.scale, outline=outline)
    mirrored = _as_geometry(map(mirror, drawn), labels, "mirror_y0")
    shift = outlines.shift_of(runs, placement)
    return labels, _shift_y(mirrored, shift), shift


def _as_geometry(drawn: Any, labels: NDArray[np.int64], hook: str) -> NDArray[np.object_]:
    """Put what an overridden `hook` made of `labels` into an array.

    Raises
    ------
    TypeError, ValueError
        When it is not one geometry per label.
    """
    if not isinstance(drawn, Iterable):
        raise TypeError(f"{hook}() returned {drawn!r:.100}; it must return one polygon per label.")
    geometry = np.fromiter(drawn, dtype=object)
    if geometry.size != labels.size:
        raise ValueError(
            f"{hook}() returned {geometry.size:,} polygons for {labels.size:,} "
            "labels; it must return one per label, in ascending order of the labels."
        )
    wrong = ~shapely.is_geometry(geometry)
    if wrong.any():
        raise TypeError(
            f"{hook}() returned {geometry[wrong][0]!r:.100} for the label {labels[wrong][0]}; it "
            "must return a polygon."
        )
    return geometry


def _stretch(geometry: NDArray[np.object_], down: float, across: float) -> NDArray[np.object_]:
    """Multiply coordinates, about (0, 0)."""
    if down == across == 1:
        return geometry
    return np.asarray(
        shapely.transform(geometry, lambda coords: np.multiply(coords, (across, down)))
    )


def _shift_y(geometry: NDArray[np.object_], shift: float) -> NDArray[np.object_]:
    """Add to y."""
    return np.asarray(shapely.transform(geometry, lambda coords: np.add(coords, (0, shift))))
