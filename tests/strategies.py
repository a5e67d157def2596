"""Hypothesis strategies: label images as segmentation models and users really leave them."""

import numpy as np
from hypothesis import strategies as st

UNSIGNED = ["u1", "u2", "u4", "u8", ">u2", ">u4", ">u8"]
SIGNED = ["i1", "i2", "i4", "i8", ">i2", ">i4", ">i8"]
DTYPES = ["?", *UNSIGNED, *SIGNED]
TOOLS = ["disc", "box", "frame", "ring", "diagonal", "checkers", "row", "column", "pixel"]


@st.composite
def sizes(draw, max_side):
    """Mostly squarish, but strips one pixel wide too: (height, width)."""
    side = st.one_of(st.integers(1, max_side), st.integers(max_side // 2, max_side))
    return draw(side), draw(side)


@st.composite
def noise(draw, shape):
    """Dense noise: one- and two-pixel cells, fragments, diagonal links, holes.

    From a seed, since drawn pixel by pixel nearly all images come out nearly uniform.
    """
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cells = chance.random(shape) < draw(st.sampled_from([0.5, 0.2, 0.8, 1]))
    return cells * chance.integers(1, draw(st.integers(1, 4)), shape, np.uint8, endpoint=True)


def stroke(tool, rows, columns, centre, radius):
    """Where a tool paints: coordinates relative to its centre decide."""
    dy, dx = rows - centre[0], columns - centre[1]
    reach = np.maximum(abs(dy), abs(dx))
    return {
        "disc": dy**2 + dx**2 <= radius**2,
        "ring": abs(np.hypot(dy, dx) - radius) <= 0.6,
        "box": reach <= radius,
        "frame": reach == radius,
        "diagonal": (abs(dy) == abs(dx)) & (reach <= radius),
        "checkers": ((dy + dx) % 2 == 0) & (reach <= radius),
        "row": (dy == 0) & (abs(dx) <= radius),
        "column": (dx == 0) & (abs(dy) <= radius),
        "pixel": reach == 0,
    }[tool]


@st.composite
def paintings(draw, shape):
    """Strokes over one another, 0 erasing: blobs with holes, nested rings, cells cut in parts."""
    height, width = shape
    canvas = np.zeros(shape, np.uint8)
    rows, columns = np.ogrid[:height, :width]
    strokes = st.tuples(
        st.sampled_from(TOOLS),
        st.tuples(st.integers(0, height - 1), st.integers(0, width - 1)),
        st.integers(1, max(height, width) // 2 + 1),
        st.sampled_from([1, 2, 3, 4, 0]),
    )
    for tool, centre, radius, value in draw(st.lists(strokes, min_size=1, max_size=12)):
        canvas[stroke(tool, rows, columns, centre, radius)] = value
    return canvas


@st.composite
def canvases(draw, max_side=24):
    """Label images with the labels 0 to 4: half paintings, half noise."""
    shape = draw(sizes(max_side))
    return draw(st.one_of(paintings(shape), noise(shape)))


@st.composite
def memory_layouts(draw, image):
    """Return the same values with another memory order, stride or write permission."""
    layout = draw(st.sampled_from(["C", "F", "strided", "backwards"]))
    if layout == "F":
        image = np.asfortranarray(image)
    elif layout == "strided":
        # Whoever reads the memory in between finds cells.
        image = np.repeat(np.repeat(image, 2, axis=0), 3, axis=1)
        image[1::2], image[:, 1::3] = 1, 1
        image = image[::2, ::3]
    elif layout == "backwards":
        image = np.ascontiguousarray(image[::-1, ::-1])[::-1, ::-1]
    image.flags.writeable = draw(st.booleans())
    return image


@st.composite
def encodings(draw, canvas, dtypes=DTYPES, monotonic=False):
    """Return a canvas with other ids, in any dtype that has room for them, in any layout.

    `monotonic` keeps the order of the ids; a boolean image keeps only which pixels are cells.
    """
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    if dtype.kind == "b":
        return draw(memory_layouts(canvas > 0))
    largest = min(np.iinfo(dtype).max, 2**63 - 1)
    ids = st.one_of(st.integers(1, 9), st.integers(1, largest))
    drawn = draw(st.lists(ids, min_size=4, max_size=4, unique=True))
    table = np.array([0, *(sorted(drawn) if monotonic else drawn)], dtype)
    return draw(memory_layouts(table[canvas]))


@st.composite
def label_images(draw, max_side=24):
    """Any 2-D label image that postseg must accept."""
    return draw(encodings(draw(canvases(max_side))))


@st.composite
def thresholds(draw, found):
    """A border policy and up to four thresholds, many that tie exactly with a measured value.

    A metric with a square root of rounding noise (eccentricity) or a sum of irrational steps (those
    of the perimeter) is exact but for the last digits: no bound is drawn that near to its values.
    """

    def tying(metric, otherwise):
        values = sorted(set(found[metric]))
        return st.one_of(st.sampled_from(values), otherwise) if values else otherwise

    def apart(metric, largest):
        values = found[metric].dropna().to_numpy()
        bounds = st.floats(0.01, largest)
        return bounds.filter(lambda bound: (np.abs(values - bound) > 1e-6).all())

    ratio, pixels = st.floats(0, 1), st.integers(0, 60)
    bounds = {
        "max_eccentricity": apart("eccentricity", 0.99),
        "min_area": st.one_of(
            st.sampled_from(["median", "median_div2"]), st.floats(0, 100), st.integers(0, 200)
        ),
        "min_absolute_area": tying("area", pixels),
        "max_area": tying("area", pixels),
        "min_solidity": tying("solidity", ratio),
        "max_solidity": tying("solidity", ratio),
        "min_extent": tying("extent", ratio),
        "max_extent": tying("extent", ratio),
        "min_compactness": apart("compactness", 1),
        "max_convexity_deficit": tying("convexity_deficit", ratio),
        "max_perimeter_area_ratio": apart("perimeter_area_ratio", 9),
        "area_std_filter": st.floats(0.1, 3),
    }
    in_force = draw(st.sets(st.sampled_from(sorted(bounds)), min_size=1, max_size=4))
    drawn = {name: draw(bounds[name]) if name in in_force else None for name in bounds}
    for low, high in [
        ("min_absolute_area", "max_area"),
        ("min_solidity", "max_solidity"),
        ("min_extent", "max_extent"),
    ]:
        if None not in (drawn[low], drawn[high]):
            drawn[low], drawn[high] = sorted([drawn[low], drawn[high]])
    if isinstance(drawn["min_area"], int) and drawn["min_area"] > 100:
        drawn["max_area"] = None
    return drawn | {"border": draw(st.sampled_from(["judge", "keep", "drop"]))}
