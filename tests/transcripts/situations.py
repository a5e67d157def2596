"""Hypothesis strategies: masks, a place for them, and points that lie where it is hard to tell."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from strategies import label_images

# a name each of: genes, one that only looks like a control, controls, none
NAMES = ("A", "B", "NEGR1", "NegControlProbe_1", "BLANK_1", "Intergenic_Region_9", "", None)
CHANCES = (0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05)
ODD = (
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    1e-12,
    -1e-12,
    1e300,
    -1e300,
    *map(float, ("nan", "inf", "-inf")),
)


class Situation(NamedTuple):
    """Masks, what `PostSegmentation` and `process_points` are given, points, and the matrix."""

    masks: np.ndarray
    settings: dict
    place: dict
    points: pd.DataFrame
    matrix: np.ndarray


@st.composite
def origins(draw):
    """No tile, or one at a whole, a fractional or a negative origin."""
    numbers = st.one_of(st.integers(-40, 4000), st.floats(-40, 4000))
    return draw(st.one_of(st.none(), st.tuples(numbers, numbers)))


@st.composite
def matrices(draw):
    """An affine map that turns, shears, mirrors and moves, and is far from singular."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    turn = random.uniform(0, 2 * np.pi)
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.eye(3)
    sheared = [[random.uniform(0.2, 5), random.uniform(-1, 1)], [0, random.uniform(0.2, 5)]]
    matrix[:2, :2] = np.array([[cos, -sin], [sin, cos]]) @ sheared
    if random.random() < 0.3:
        matrix[:2, :2] = matrix[1::-1, :2]
    matrix[:2, 2] = random.uniform(-500, 500, 2)
    return matrix


@st.composite
def situations(draw):
    """Masks of any dtype and layout, each with a place of its own, and some hundred points."""
    masks = draw(label_images(16))
    settings = {"origin": draw(origins())}
    if draw(st.booleans()):
        settings["factor_rescale"] = draw(st.integers(0, 7))
        shape = tuple(side * max(1, settings["factor_rescale"]) for side in masks.shape)
    else:
        shape = tuple(side + draw(st.integers(0, 3 * side)) for side in masks.shape)
        settings["image_shape"] = shape
    settings["filter_config"] = {
        "min_area": None,
        "max_convexity_deficit": None,
        "min_absolute_area": draw(st.integers(1, 4)),
        "border": draw(st.sampled_from(["judge", "judge", "keep", "drop"])),
    }
    place, to_image = draw(places())
    row, column = settings["origin"] or (0, 0)
    sy, sx = (length / n for length, n in zip(shape, masks.shape, strict=True))
    tile = np.array([[1, 0, sx * column], [0, 1, sy * row], [0, 0, 1]], float)
    matrix = np.linalg.inv(tile) @ to_image
    return Situation(masks, settings, place, draw(frames(shape, masks.shape, matrix)), matrix)


@st.composite
def places(draw):
    """How points lie in the image: keywords of `process_points`, and the matrix that they mean."""
    how = draw(st.sampled_from(["pixels", "pixel_size", "to_image"]))
    if how == "pixels":
        return {}, np.eye(3)
    if how == "pixel_size":
        size = draw(st.sampled_from([0.2125, 0.5, 1 / 3, 2.0]))
        return {"pixel_size": size}, np.diag([1 / size, 1 / size, 1])
    matrix = draw(matrices())
    return {"to_image": matrix}, matrix


@st.composite
def frames(draw, shape, mask_shape, matrix):
    """Points in and about a tile: anywhere, on edges of pixels, a last digit beside them, nowhere.

    One lies in the middle of the tile, so that never all lie outside.
    """
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = 80
    sides = []
    for length, pixels in zip(shape[::-1], mask_shape[::-1], strict=True):
        anywhere = random.uniform(-1, length + 1, n)
        edges = np.append(np.arange(-1, length + 2), np.arange(pixels + 1) * (length / pixels))
        on_edges = random.choice(edges, n)
        beside = np.nextafter(on_edges, random.choice([-np.inf, np.inf], n))
        sides.append(np.choose(random.integers(0, 3, n), [anywhere, on_edges, beside]))
    sides = np.array(sides)
    sides[:, 0] = shape[1] / 2, shape[0] / 2
    x, y, _ = np.linalg.inv(matrix) @ np.vstack([sides, np.ones(n)])
    odd = st.tuples(st.sampled_from(ODD), st.sampled_from([*ODD, 0.5, 1.0]), st.booleans())
    for i, (one, other, swapped) in enumerate(draw(st.lists(odd, max_size=12)), start=1):
        x[i], y[i] = (other, one) if swapped else (one, other)
    points = pd.DataFrame({"x": x, "y": y})
    names = pd.Series(np.array(NAMES, object)[random.choice(len(NAMES), n, p=CHANCES)])
    points["gene"] = names.astype("category") if draw(st.booleans()) else names
    if draw(st.booleans()):
        points["qv"] = random.choice([40.0, 20.0, np.nextafter(20, 0), 3.0, np.nan], n)
    return points
