"""Pixels of the pictures of the filter: survivors pale or outlined, rejected regions bold.

Colour names the family of a reason (size, elongation, solidity, boundary), a pattern tells the
reasons of one family apart. The five bold colours are among Paul Tol's for colour-blind readers;
they differ in lightness too, for greyscale, and all are darker than the pale ones.
"""

from itertools import cycle, product
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

_INDIGO, _TEAL, _GREEN, _MAGENTA, _YELLOW = "332288", "44AA99", "117733", "EE3377", "DDAA33"
_PLAIN, _DIAGONAL, _LINES, _CHECKS = range(4)
STYLES = {
    "tiny_artifacts": (_INDIGO, _PLAIN),
    "too_small": (_YELLOW, _PLAIN),
    "too_large": (_YELLOW, _DIAGONAL),
    "area_outliers": (_INDIGO, _DIAGONAL),
    "too_eccentric": (_GREEN, _PLAIN),
    "too_convex": (_MAGENTA, _LINES),
    "too_concave": (_MAGENTA, _DIAGONAL),
    "too_sparse": (_GREEN, _DIAGONAL),
    "too_rectangular": (_GREEN, _LINES),
    "low_compactness": (_TEAL, _PLAIN),
    "high_convexity_deficit": (_MAGENTA, _PLAIN),
    "irregular_perimeter": (_TEAL, _DIAGONAL),
}
_SPARE_STYLES = [  # for the reasons of subclasses
    style
    for style in product((_YELLOW, _TEAL, _INDIGO, _GREEN, _MAGENTA), (_LINES, _CHECKS))
    if style not in STYLES.values()
]
_PALE = ["BBCCEE", "CCEEFF", "CCDDAA", "FFCCCC", "DDDDDD"]

_LONG_SIDE = 1800  # pixels of the picture
_SHORT_SIDE = 48  # a thinner image is stretched, or a single row of pixels could not be seen
_SMALLEST = 6  # a rejected region that would cover fewer pixels of the picture is enlarged
_CROWDED = 10  # when regions are narrower, outlines would hide the image

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Zooms = list[tuple[int, int]]


class FilterPicture(NamedTuple):
    """A picture as 8-bit RGB, and how "" (kept) and each reason look in it."""

    pixels: Pixels
    swatches: dict[str, Pixels]


class _Inks(NamedTuple):
    """Looks by number: 0 background, then one per pale colour, then one per reason."""

    colour: Floats  # (n, 3)
    opacity: Floats  # (n,)
    pattern: NDArray[np.int64]  # (n,)
    edge_colour: Floats  # (n, 3)
    edge_opacity: Floats  # (n,)
    line: int  # width of the edges
    stripe: int  # and of the patterns' stripes


def filter_picture(
    region_image: NDArray[Any], reasons: ArrayLike, image: NDArray[Any] | None = None
) -> FilterPicture:
    """Paint the survivors and the rejected regions of a label image.

    Of a large image every n-th pixel is shown, a small one is enlarged; rejected regions too
    small to be seen are painted larger than they are.

    Parameters
    ----------
    region_image : (H, W) array of int
        Number of the region at each pixel, 0 is background.
    reasons : (n,) array_like of str
        Why each region was rejected, "" if it was kept.
    image : (m H, m W) or (m H, m W, 3) array, optional
        The microscope image to paint on: survivors are outlined, rejected regions tinted.

    Returns
    -------
    FilterPicture
    """
    reasons = np.asarray(reasons, dtype=object)
    styles = _styles(reasons)
    rejected = np.append(0, pd.Categorical(reasons, categories=["", *styles]).codes)

    zooms = [_zoom(length, max(region_image.shape)) for length in region_image.shape]
    shown = _sample_regions(region_image, zooms, rejected > 0)
    canvas = np.ones((1, 1, 3), np.float32)
    if image is not None:
        canvas = _sample_image(image, region_image.shape, zooms)
        # faded towards its ground, so that what is drawn on it stands out
        canvas += np.float32(0.3) * (canvas.mean().round() - canvas)
    inks = _inks([*styles.values()], canvas, shown, outlined=image is not None)

    ink = np.where(rejected > 0, len(_PALE) + rejected, 1 + _tones(shown, rejected.size))
    ink[0] = 0
    pixels = _paint(shown, ink[shown], inks, canvas)
    # touching rejected regions of one colour need a seam, or they look like one
    bold = np.where(rejected[shown] > 0, shown, rejected.size)
    pixels[_edges(bold, 1) & (bold < rejected.size)] = 255

    looks = {"": [1, 2, 3] if image is None else [1]}
    looks |= {reason: [len(_PALE) + k] for k, reason in enumerate(styles, 1)}
    swatches = {name: _swatch(look, inks, canvas) for name, look in looks.items()}
    return FilterPicture(pixels, swatches)


def _styles(reasons: NDArray[np.object_]) -> dict[str, tuple[str, int]]:
    """Colour and pattern of each reason that occurs, in the order of the tests."""
    present = set(reasons)
    spare = sorted(present - STYLES.keys() - {""})
    known = {reason: style for reason, style in STYLES.items() if reason in present}
    return known | dict(zip(spare, cycle(_SPARE_STYLES), strict=False))


def _zoom(length: int, longest: int) -> tuple[int, int]:
    """Of `length` pixels take every n-th, and repeat it m times: (n, m), one of them being 1."""
    take, repeat = ceil(longest / _LONG_SIDE), max(1, _LONG_SIDE // longest)
    if ceil(length / take) * repeat < _SHORT_SIDE:
        return max(1, length // _SHORT_SIDE), ceil(_SHORT_SIDE / length)
    return take, repeat


def _sample(
    length: int, zoom: tuple[int, int], at: float = 0.5, times: int = 1
) -> NDArray[np.int64]:
    """Index of the pixel to show at each place, in an image `times` as large."""
    take, repeat = zoom
    place = np.arange(ceil(length / take) * repeat) + at
    index: NDArray[np.int64] = (place * (times * take) / repeat).astype(np.int64)
    return index.clip(max=times * length - 1)


def _sample_regions(
    numbers: NDArray[Any], zooms: Zooms, rejected: NDArray[np.bool_]
) -> NDArray[Any]:
    """Take the nearest pixels, but lose no rejected region between them."""
    (take_row, repeat_row), (take_col, repeat_col) = zooms
    samples = (_sample(n, (take, 1)) for n, (take, _) in zip(numbers.shape, zooms, strict=True))
    shown = numbers[np.ix_(*samples)]
    places = np.bincount(shown.ravel(), minlength=rejected.size) * repeat_row * repeat_col
    small = rejected & (places < _SMALLEST)
    if small.any():
        row, col = np.nonzero(small[numbers])
        shown[row // take_row, col // take_col] = numbers[row, col]
    shown = shown.repeat(repeat_row, axis=0).repeat(repeat_col, axis=1)
    row, col = np.nonzero(small[shown])
    number = shown[row, col]
    for down, right in product((-1, 0, 1), repeat=2):
        to_row = (row + down).clip(0, shown.shape[0] - 1)
        to_col = (col + right).clip(0, shown.shape[1] - 1)
        free = ~rejected[shown[to_row, to_col]]  # never over another rejected region
        shown[to_row[free], to_col[free]] = number[free]
    return shown


def _sample_image(image: NDArray[Any], shape: tuple[int, ...], zooms: Zooms) -> Floats:
    """Take the mean of up to 4 x 4 pixels at each place, as RGB from 0 to 1."""
    times = image.shape[0] // shape[0]
    finest = min(4, ceil(max(times * take / repeat for take, repeat in zooms)))
    total: Any = 0
    for at in product((np.arange(finest) + 0.5) / finest, repeat=2):
        row, col = (_sample(*axis, times) for axis in zip(shape, zooms, at, strict=True))
        total = total + image[np.ix_(row, col)].astype(np.float32)
    mean = total.reshape(*total.shape[:2], -1)[..., :3] / finest**2
    mean[~np.isfinite(mean)] = 0
    stretch = image.dtype != np.uint8 or mean.shape[2] == 1  # fluorescence is often dim
    low, high = np.percentile(mean, (1, 99.8)) if stretch else (0, 255)
    scaled = ((mean - low) / max(high - low, 1e-12)).clip(0, 1)
    return np.broadcast_to(scaled, (*mean.shape[:2], 3)).astype(np.float32)


def _tones(shown: NDArray[Any], n: int) -> NDArray[np.int64]:
    """Choose a pale colour for each of `n` regions, different ones for regions that touch."""
    tones = np.arange(n) % len(_PALE)
    sides = ((shown[:, 1:], shown[:, :-1]), (shown[1:], shown[:-1]))
    touching = [(a != b) & (a > 0) & (b > 0) for a, b in sides]
    pairs = [a[at].astype(np.int64) * n + b[at] for (a, b), at in zip(sides, touching, strict=True)]
    first, second = np.divmod(np.unique(np.concatenate(pairs)), n)
    random = np.random.default_rng(0)
    for _ in range(100):  # a few rounds settle real tissue
        clash = second[tones[first] == tones[second]]
        if not clash.size:
            break
        tones[clash] = random.integers(len(_PALE), size=clash.size)
    return tones


def _inks(
    styles: list[tuple[str, int]], canvas: Floats, shown: NDArray[Any], outlined: bool
) -> _Inks:
    sizes = np.bincount(shown.ravel())[1:]
    width = float(np.median(sizes[sizes > 0])) ** 0.5 if sizes.any() else 0.0
    faint = 0.3 if width < _CROWDED else 0.8
    looks = [(colour, _PLAIN) for colour in ("FFFFFF", *_PALE)] + styles
    colour = np.array([[*bytes.fromhex(c)] for c, _ in looks]) / 255
    kept = np.arange(len(looks)) <= len(_PALE)
    opacity, edge_colour = np.ones(len(looks)), 0.7 * colour
    if outlined:
        light = canvas.mean() > 0.5
        opacity = np.where(kept, 0, 1 if width < _CROWDED else 0.65)
        edge_colour = 0.5 * colour + (0 if light else 0.5)
        edge_colour[kept] = 0.2 if light else 0.9
    return _Inks(
        colour.astype(np.float32),
        opacity.astype(np.float32),
        np.array([pattern for _, pattern in looks]),
        edge_colour.astype(np.float32),
        np.where(kept, faint, 1).astype(np.float32),
        line=int(np.clip(width / 14, 1, 3)),
        stripe=int(np.clip(width / 9, 3, 5)),
    )


def _edges(shown: NDArray[Any], line: int) -> NDArray[np.bool_]:
    """Mark the pixels near a lower number: one line around a region, one between two."""
    edges = np.zeros(shown.shape, bool)
    for step in range(1, line + 1):
        edges[:, step:] |= shown[:, :-step] < shown[:, step:]
        edges[:, :-step] |= shown[:, step:] < shown[:, :-step]
        edges[step:] |= shown[:-step] < shown[step:]
        edges[:-step] |= shown[step:] < shown[:-step]
    return edges


def _paint(shown: NDArray[Any], ink: NDArray[np.int64], inks: _Inks, canvas: Floats) -> Pixels:
    """Lay the inks on a canvas, which is one colour or an image of the same size."""
    row, col = np.ogrid[: ink.shape[0], : ink.shape[1]]
    lines, bars, diagonals = row // inks.stripe, col // inks.stripe, (row + col) // inks.stripe
    patterns = [np.zeros_like(ink), diagonals % 2, lines % 2, (lines + bars) % 2]
    light = np.choose(inks.pattern[ink], patterns)[..., None].astype(np.float32)
    colour = inks.colour[ink]
    colour += np.float32(0.75) * light * (1 - colour)
    pixels = canvas + inks.opacity[ink][..., None] * (colour - canvas)
    edges = _edges(shown, inks.line)
    at = ink[edges]
    pixels[edges] += inks.edge_opacity[at][:, None] * (inks.edge_colour[at] - pixels[edges])
    return (255 * pixels).round().astype(np.uint8)


def _swatch(look: list[int], inks: _Inks, canvas: Floats) -> Pixels:
    ink = np.pad(np.repeat([look], 42 // len(look), axis=1).repeat(14, axis=0), 3)
    return _paint(ink, ink, inks, canvas.mean(axis=(0, 1)))
