"""Paint region numbers as RGB: colours, patterns and edges on white or on a microscope image."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from postseg.show.palette import PALE, PLAIN, Style
from postseg.show.view import Floats

Pixels = NDArray[np.uint8]

_CROWDED = 10  # when regions are narrower, outlines and tones of survivors would hide the rest
_QUIET = 0.88  # lightness of survivors then


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
    row, col = np.ogrid[: ink.shape[0], : ink.shape[1]]
    lines, bars, diagonals = row // inks.stripe, col // inks.stripe, (row + col) // inks.stripe
    patterns = [np.zeros_like(ink), diagonals % 2, lines % 2, (lines + bars) % 2]
    light = np.choose(inks.pattern[ink], patterns)[..., None].astype(np.float32)
    colour = inks.colour[ink]
    colour += np.float32(0.75) * light * (1 - colour)
    pixels = canvas + inks.opacity[ink][..., None] * (colour - canvas)
    edges = edges_of(shown, inks.line)
    at = ink[edges]
    pixels[edges] += inks.edge_opacity[at][:, None] * (inks.edge_colour[at] - pixels[edges])
    return (255 * pixels).round().astype(np.uint8)


def paint_swatch(look: list[int], inks: Inks, canvas: Floats) -> Pixels:
    """Paint a sample of looks, side by side, for a legend."""
    ink = np.pad(np.repeat([look], 42 // len(look), axis=1).repeat(14, axis=0), 3)
    return paint_inks(ink, ink, inks, canvas.mean(axis=(0, 1)))
