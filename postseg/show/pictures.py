"""Pictures of a filter run: survivors pale or outlined, rejected regions bold."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg.raster.runs import Runs
from postseg.show.bins import Bins, Colour
from postseg.show.paint import (
    Inks,
    Pixels,
    choose_inks,
    edges_of,
    paint_bins,
    paint_inks,
    paint_swatch,
    width_of_regions,
)
from postseg.show.palette import BEYOND, KEPT, OTHER, PALE, PLAIN, Style, styles_of
from postseg.show.seams import Entry, Seams, draw_seams, legend_of
from postseg.show.view import (
    Axis,
    Floats,
    Tissue,
    View,
    as_tissue,
    sample_regions,
    sample_tissue,
)

_LONG_SIDE = 1350  # pixels of the picture
_CROP_SIDE = 150  # of the picture of a cell, at most
_BEHIND = 0.35  # of the greys of a microscope image
_SPACIOUS = 40  # pixels: how wide regions are about in a closer look
_SHORT_SIDE = 48  # a thinner image is stretched, or a single row of pixels could not be seen


class Scene(NamedTuple):
    """All that pictures of one filter run show.

    Attributes
    ----------
    runs : Runs
        With region numbers as label.
    look : (n + 1,) array of int
        Of each region by number: 0 for background and kept ones, else k for the k-th style.
    styles : dict
        Colour and pattern of each reason that occurs, in the order of the tests.
    tissue : Tissue or None
        The microscope image to paint on.
    seams : Seams or None
        What a merge of tiles did, to be marked on pictures of the mask.
    """

    runs: Runs
    look: NDArray[np.int64]
    styles: dict[str, Style]
    tissue: Tissue | None
    seams: Seams | None = None


class FilterPicture(NamedTuple):
    """A picture as 8-bit RGB, how "" (kept) and each reason look in it, and what else is drawn."""

    pixels: Pixels
    swatches: dict[str, Pixels]
    seams: list[Entry]


class Layers(NamedTuple):
    """What a picture is made of before it is decided which regions are rejected.

    Attributes
    ----------
    shown : (h, w) array of int
        Region numbers.
    tones : (n + 1,) array of int
        Which of the pale colours each region has while it is kept, by number.
    reasons : list of str
        In the order of their inks.
    inks : Inks
        Background, pale colours, reasons.
    swatches : dict
        As of a `FilterPicture`, of all reasons.
    tissue : (h, w, 3) array of uint8 or None
        What it is painted on, if not on white.
    """

    shown: NDArray[np.int32]
    tones: NDArray[np.int64]
    reasons: list[str]
    inks: Inks
    swatches: dict[str, Pixels]
    tissue: Pixels | None


def set_scene(runs: Runs, regions: pd.DataFrame, image: Any = None) -> Scene:
    """Gather what pictures of a filter run show.

    Parameters
    ----------
    runs : Runs
        The label image, with region numbers as label.
    regions : DataFrame
        All regions in the order of their numbers, with the column ``reason``: the first test that
        a region failed, ``""`` if it was kept.
    image : (m H, m W) or (m H, m W, 3) array, optional
        The microscope image to paint on, grey or RGB, m times as large, to a pixel of the masks;
        xarray and dask too.

    Raises
    ------
    ValueError
        When they do not fit together.
    """
    highest = int(runs.label.max()) if runs.label.size else 0
    if highest > len(regions):
        raise ValueError(
            f"The image holds region {highest}, but the table has {len(regions)} rows: "
            "pass the table of all regions, kept and rejected."
        )
    reasons = regions["reason"].to_numpy(dtype=object)
    styles = styles_of(reasons)
    look = np.append(0, pd.Categorical(reasons, categories=["", *styles]).codes).astype(np.int64)
    if 0 in runs.shape:
        return Scene(runs._replace(shape=(1, 1)), look, styles, None)
    tissue = None if image is None else as_tissue(image, runs.shape, whole(runs.shape))
    return Scene(runs, look, styles, tissue)


def whole(shape: tuple[int, int]) -> View:
    """The view of all of a mask: of a large one every n-th pixel, a small one is enlarged."""
    rows, cols = (_fitted(length, max(shape)) for length in shape)
    return View(rows, cols)


def filter_picture(scene: Scene, view: View) -> FilterPicture:
    """Paint the survivors and the rejected regions of a label image.

    Rejected regions too small to be seen are painted larger than they are. On a microscope image
    survivors are outlined and rejected regions are tinted.
    """
    rejected = scene.look > 0
    shown = sample_regions(scene.runs, view, rejected)
    canvas = _canvas(scene, view)
    width, outlined = width_of_regions(shown), scene.tissue is not None
    inks = choose_inks([*scene.styles.values()], canvas, width, outlined)

    ink = np.where(rejected, len(PALE) + scene.look, 1 + _tones(shown, rejected.size))
    ink[0] = 0
    pixels = paint_inks(shown, ink[shown], inks, canvas)
    # touching rejected regions of one colour need a seam, or they look like one
    bold = np.where(rejected[shown], shown, rejected.size)
    pixels[edges_of(bold, 1) & (bold < rejected.size)] = 255
    seams = []
    if scene.seams is not None:
        draw_seams(pixels, scene.seams, view, ~rejected[shown], width)
        seams = legend_of(scene.seams, canvas.mean(axis=(0, 1)), width)

    return FilterPicture(pixels, _swatches(scene.styles, inks, canvas, outlined), seams)


def layers_of(scene: Scene, view: View, styles: dict[str, Style]) -> Layers:
    """What the same picture is made of, whichever regions are rejected, for the reasons of styles.

    All regions too small to be seen are drawn larger, since any may be rejected.
    """
    seen = np.arange(scene.look.size) > 0
    shown = sample_regions(scene.runs, view, seen)
    canvas, outlined = _canvas(scene, view), scene.tissue is not None
    inks = choose_inks([*styles.values()], canvas, width_of_regions(shown), outlined)
    swatches = _swatches(styles, inks, canvas, outlined)
    tissue = (255 * canvas).round().astype(np.uint8) if outlined else None
    return Layers(shown, _tones(shown, seen.size), [*styles], inks, swatches, tissue)


def _canvas(scene: Scene, view: View) -> Floats:
    """What a picture is painted on: white, or the microscope image."""
    if scene.tissue is None:
        return np.ones((1, 1, 3), np.float32)
    canvas = sample_tissue(scene.tissue, view)
    # faded towards its ground, so that what is drawn on it stands out
    canvas += np.float32(0.3) * (canvas.mean().round() - canvas)
    return canvas


def _swatches(
    styles: Iterable[str], inks: Inks, canvas: Floats, outlined: bool
) -> dict[str, Pixels]:
    """How "" (kept) and each reason look."""
    looks = {"": [1] if outlined else [1, 2, 3]}
    looks |= {reason: [len(PALE) + k] for k, reason in enumerate(styles, 1)}
    swatches = {name: paint_swatch(look, inks, canvas) for name, look in looks.items()}
    if outlined:  # the other half as in the charts
        half = swatches[""].shape[1] // 2
        swatches[""][3:-3, half:-3] = [*bytes.fromhex(KEPT)]
    return swatches


def bins_picture(scene: Scene, bins: Bins, colour: Colour) -> FilterPicture:
    """Paint how many regions of each bin were rejected, where they are too small to be seen.

    The swatches are those of closer looks. Of a microscope image the greys are faint behind it,
    those of a dark one inverted, as the colours are made for a light ground.
    """
    canvas = canvas_of_bins(scene, bins.view)
    pixels = paint_bins(bins, colour, [*scene.styles.values()], canvas)
    seams = []
    if scene.seams is not None:
        width = 1.0  # lines as thin as can be
        empty = (bins.regions == 0).repeat(bins.side, axis=0).repeat(bins.side, axis=1)
        draw_seams(pixels, scene.seams, bins.view, empty[: len(pixels), : pixels.shape[1]], width)
        seams = legend_of(scene.seams, canvas.mean(axis=(0, 1)), width)
    return FilterPicture(pixels, swatches_of_bins(scene, canvas, scene.styles), seams)


def canvas_of_bins(scene: Scene, view: View) -> Floats:
    """What bins are painted on: white, or the greys of the microscope image."""
    if scene.tissue is None:
        return np.ones((1, 1, 3), np.float32)
    grey = sample_tissue(scene.tissue, view).mean(axis=2, keepdims=True)
    grey = 1 - grey if grey.mean() < 0.5 else grey
    return np.repeat(1 - np.float32(_BEHIND) * (1 - grey), 3, axis=2)


def swatches_of_bins(scene: Scene, canvas: Floats, styles: dict[str, Style]) -> dict[str, Pixels]:
    """How "" (kept) and each reason of styles look in closer looks, were there any."""
    outlined = scene.tissue is not None
    ground = canvas.mean(axis=(0, 1), keepdims=True)
    inks = choose_inks([*styles.values()], ground, _SPACIOUS, outlined)
    return _swatches(styles, inks, ground, outlined)


def crop_picture(scene: Scene, number: int, box: tuple[int, int, int, int], side: int) -> Pixels:
    """Paint one region in the middle of its surroundings.

    Parameters
    ----------
    scene : Scene
        What there is.
    number : int
        Of the region.
    box : (int, int, int, int)
        First row and column of its bounding box, and the ones after the last.
    side : int
        Mask pixels a side, more for a larger region: it is shown whole.

    Returns
    -------
    (k, k, 3) array of uint8
        The region has the colour of its reason, or, kept, of the survivors; the others are grey.
        On a microscope image it is outlined and they are not.
    """
    top, left, bottom, right = box
    side = max(side, ceil(1.1 * max(bottom - top, right - left)))
    view = square((top + bottom) // 2 - side // 2, (left + right) // 2 - side // 2, side)
    of_interest = np.zeros(scene.look.size, bool)
    of_interest[number] = True
    shown = sample_regions(scene.runs, view, of_interest)
    colour, pattern = [(KEPT, PLAIN), *scene.styles.values()][scene.look[number]]
    rgb = np.array([[*bytes.fromhex(c)] for c in ("FFFFFF", OTHER, colour, BEYOND)]) / 255
    inks = Inks(
        rgb.astype(np.float32),
        np.ones(4, np.float32),
        np.array([PLAIN, PLAIN, pattern, PLAIN]),
        (0.7 * rgb).astype(np.float32),
        np.array([0, 0.3, 1, 0], np.float32),
        line=1,
        stripe=5,
    )
    beyond = _beyond(scene.runs.shape, view)
    ink = np.where(shown == number, 2, np.where(beyond, 3, shown > 0)).astype(np.int64)
    if scene.tissue is None:
        # as if it had the highest number, so that its edge is drawn all around
        shown = np.where(shown == number, scene.look.size, shown)
        return paint_inks(shown, ink, inks, np.ones((1, 1, 3), np.float32))
    pixels = (255 * sample_tissue(scene.tissue, view)).round().astype(np.uint8)
    pixels[beyond] = 255 * rgb[3]
    line = max(2, view.rows.repeat // 2)
    around = edges_of(np.where(ink == 2, 0, 1), line)
    pixels[around] = 255
    pixels[edges_of(np.where(ink == 2, 1, 0), line)] = 255 * rgb[2] if scene.look[number] else 0
    return pixels


def _beyond(shape: tuple[int, int], view: View) -> NDArray[np.bool_]:
    """Which pixels of a picture are not of the mask."""
    row, col = (
        np.arange(axis.n * axis.repeat) * axis.take // axis.repeat + axis.first + axis.offset
        for axis in view
    )
    inside = [(at >= 0) & (at < length) for at, length in zip((row, col), shape, strict=True)]
    return ~np.logical_and.outer(*inside)


def frame(pixels: Pixels, view: View, part: View) -> Pixels:
    """Mark on a picture the part that another view shows; visible on light and on dark."""
    inside = np.zeros(pixels.shape[:2], np.int64)
    inside[
        tuple(
            slice(*((np.array([0, b.length]) + b.first - a.first) * a.repeat // a.take).tolist())
            for a, b in zip(view, part, strict=True)
        )
    ] = 1
    marked = pixels.copy()
    marked[edges_of(inside, 4)] = 255
    marked[edges_of(inside, 2)] = 40
    return marked


def square(first_row: int, first_col: int, side: int, pixels: int = 0) -> View:
    """The view of a square of mask pixels, as large as a crop or as many `pixels` at most."""
    pixels = pixels or _CROP_SIDE
    take, repeat = ceil(side / pixels), max(1, pixels // side)
    return View(Axis(first_row, side, take, repeat), Axis(first_col, side, take, repeat))


def _fitted(length: int, longest: int) -> Axis:
    take, repeat = ceil(longest / _LONG_SIDE), max(1, _LONG_SIDE // longest)
    if ceil(length / take) * repeat < _SHORT_SIDE:
        take, repeat = max(1, length // _SHORT_SIDE), ceil(_SHORT_SIDE / length)
    return Axis(0, length, take, repeat)


def _tones(shown: NDArray[Any], n: int) -> NDArray[np.int64]:
    """Choose a pale colour for each of `n` regions, different ones for regions that touch."""
    tones = np.arange(n) % len(PALE)
    sides = ((shown[:, 1:], shown[:, :-1]), (shown[1:], shown[:-1]))
    touching = [(a != b) & (a > 0) & (b > 0) for a, b in sides]
    pairs = [a[at].astype(np.int64) * n + b[at] for (a, b), at in zip(sides, touching, strict=True)]
    first, second = np.divmod(np.unique(np.concatenate(pairs)), n)
    random = np.random.default_rng(0)
    for _ in range(100):  # a few rounds settle real tissue
        clash = second[tones[first] == tones[second]]
        if not clash.size:
            break
        tones[clash] = random.integers(len(PALE), size=clash.size)
    return tones
