"""Paint region numbers as RGB: colours, patterns and edges on white or on a microscope image."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from postseg.show.bins import Bins, Colour
from postseg.show.palette import OTHER, PALE, PLAIN, SHARES, Style
from postseg.show.view import Floats

Pixels = NDArray[np.uint8]

_CROWDED = 10  # when regions are narrower, outlines and tones of survivors would hide the rest
_QUIET = 0.88  # lightness of survivors then
_FAINTEST = 0.25  # of a bin that holds hardly any region
LEAST = 0.2  # of the colour of a reason, where hardly any region was rejected
STRIPE = 3  # pixels: width of the stripes of bins


class Inks(NamedTuple):
    """Looks by number: 0 background, then one per pale colour, then one per reason."""

    colour: Floats  # (n, 3)
    opacity: Floats  # (n,)
    pattern: NDArray[np.int64]  # (n,)
    edge_colour: Floats  # (n, 3)
    edge_opacity: Floats  # (n,)
    line: int  # width of the edges
    stripe: int  # and of the patterns' stripes


def width_of_regions(shown: NDArray[Any]) -> float:
    """How wide a typical region is in a picture of region numbers."""
    sizes = np.bincount(shown.ravel())[1:]
    return float(np.median(sizes[sizes > 0])) ** 0.5 if sizes.any() else 0.0


def choose_inks(styles: list[Style], canvas: Floats, width: float, outlined: bool) -> Inks:
    """Choose inks that suit a picture: its canvas, and the width that regions have in it."""
    faint = 0.3 if width < _CROWDED else 0.8
    looks = [(colour, PLAIN) for colour in ("FFFFFF", *PALE)] + styles
    colour = np.array([[*bytes.fromhex(c)] for c, _ in looks]) / 255
    kept = np.arange(len(looks)) <= len(PALE)
    if width < _CROWDED:
        colour[1 : len(PALE) + 1] = 0.3 * colour[1 : len(PALE) + 1] + 0.7 * _QUIET
    opacity, edge_colour = np.ones(len(looks)), 0.7 * colour
    if outlined:
        light = canvas.mean() > 0.5
        opacity = np.where(kept, 0, 1 if width < _CROWDED else 0.8)
        edge_colour = 0.5 * colour + (0 if light else 0.5)
        edge_colour[kept] = 0.2 if light else 0.9
    return Inks(
        colour.astype(np.float32),
        opacity.astype(np.float32),
        np.array([pattern for _, pattern in looks]),
        edge_colour.astype(np.float32),
        np.where(kept, faint, 1).astype(np.float32),
        line=int(np.clip(width / 14, 1, 3)),
        stripe=int(np.clip(width / 9, 3, 5)),
    )


def edges_of(shown: NDArray[Any], line: int) -> NDArray[np.bool_]:
    """Mark the pixels near a lower number: one line around a region, one between two."""
    edges = np.zeros(shown.shape, bool)
    for step in range(1, line + 1):
        edges[:, step:] |= shown[:, :-step] < shown[:, step:]
        edges[:, :-step] |= shown[:, step:] < shown[:, :-step]
        edges[step:] |= shown[:-step] < shown[step:]
        edges[:-step] |= shown[step:] < shown[:-step]
    return edges


def paint_inks(shown: NDArray[Any], ink: NDArray[np.int64], inks: Inks, canvas: Floats) -> Pixels:
    """Lay the inks on a canvas, which is one colour or an image of the same size."""
    colour = _patterned(inks.colour[ink], inks.pattern[ink], inks.stripe)
    pixels = canvas + inks.opacity[ink][..., None] * (colour - canvas)
    edges = edges_of(shown, inks.line)
    at = ink[edges]
    pixels[edges] += inks.edge_opacity[at][:, None] * (inks.edge_colour[at] - pixels[edges])
    return (255 * pixels).round().astype(np.uint8)


def _patterned(colour: Floats, pattern: NDArray[np.int64], stripe: int) -> Floats:
    """Colours of pixels with the light stripes of their patterns."""
    row, col = np.ogrid[: pattern.shape[0], : pattern.shape[1]]
    lines, bars, diagonals = row // stripe, col // stripe, (row + col) // stripe
    patterns = [np.zeros_like(pattern), diagonals % 2, lines % 2, (lines + bars) % 2]
    light = np.choose(pattern, patterns)[..., None].astype(np.float32)
    return np.asarray(colour + np.float32(0.75) * light * (1 - colour))


def paint_swatch(look: list[int], inks: Inks, canvas: Floats) -> Pixels:
    """Paint a sample of looks, side by side, for a legend."""
    ink = np.pad(np.repeat([look], 42 // len(look), axis=1).repeat(14, axis=0), 3)
    return paint_inks(ink, ink, inks, canvas.mean(axis=(0, 1)))


def paint_bins(bins: Bins, colour: Colour, styles: list[Style], canvas: Floats) -> Pixels:
    """Lay bins on a canvas: the share that was rejected, or the colour of the commonest reason.

    That colour is the bolder, the larger the share. A bin is the paler, the fewer regions it
    holds; one without any is the canvas.
    """
    height, width = (axis.n * axis.repeat for axis in bins.view)

    def spread(values: NDArray[Any]) -> NDArray[Any]:
        larger = values.repeat(bins.side, axis=0).repeat(bins.side, axis=1)
        return larger[:height, :width]

    regions = bins.regions
    share = bins.rejected / np.maximum(regions, 1)
    if colour == "share":
        ink = spread(_colour_of(share))
    else:
        kept, *bold = (
            np.array([*bytes.fromhex(c)]) / 255 for c in (OTHER, *(c for c, _ in styles))
        )
        commonest = spread(bins.commonest)
        pattern = np.array([PLAIN, *(pattern for _, pattern in styles)])
        ink = _patterned(np.array([kept, *bold], np.float32)[commonest], pattern[commonest], STRIPE)
        amount = np.where(share > 0, LEAST + (1 - LEAST) * share, 0)
        ink = kept + spread(amount)[..., None] * (ink - kept)
    pixels = canvas + spread(strength_of(regions, bins.usual))[..., None] * (ink - canvas)
    return np.asarray((255 * pixels).round().astype(np.uint8))


def paint_scale(bins: Bins, height: int, width: int) -> Pixels:
    """The key of `paint_bins`: shares from left to right, from one region to most, upwards."""
    share, n = np.linspace(0, 1, width), np.linspace(bins.regions.max(initial=1), 1, height)
    strength = strength_of(n, bins.usual)[:, None, None]
    return np.asarray((255 * (1 + strength * (_colour_of(share) - 1))).round().astype(np.uint8))


def _colour_of(share: NDArray[np.float64]) -> NDArray[np.float64]:
    stops = np.array([[*bytes.fromhex(colour)] for colour in SHARES]) / 255
    at = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(share, at, channel) for channel in stops.T], axis=-1)


def strength_of(regions: NDArray[Any], usual: float) -> NDArray[np.float64]:
    """How opaque a bin is that holds so many regions: the more, the more."""
    full = regions / (regions + usual / 3)
    return np.asarray(np.where(regions > 0, _FAINTEST + (1 - _FAINTEST) * full, 0))
