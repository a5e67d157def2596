"""Hypothesis strategies: covers of a slide by tiles, and tiles that know nothing of each other."""

import numpy as np
from hypothesis import strategies as st
from strategies import noise, paintings


def cuts(length, side, overlap, shift=0):
    """Intervals of one side and overlap that cover 0 to length, the first begins at -shift."""
    starts = range(-shift, length - overlap if length > overlap else 1, side - overlap)
    clipped = [(max(start, 0), min(start + side, length)) for start in starts]
    return list(dict.fromkeys((low, high) for low, high in clipped if low < high))


@st.composite
def grids(draw, shape, overlaps, smallest):
    """A grid, or bricks: each row of tiles begins elsewhere. About 50 tiles at most."""
    overlap = draw(overlaps)
    steps = [max(smallest, -(-length // 6)) for length in shape]
    height, width = (
        overlap + draw(st.integers(step, max(step, length)))
        for step, length in zip(steps, shape, strict=True)
    )
    bricks = draw(st.booleans())
    return [
        (r0, c0, r1, c1)
        for r0, r1 in cuts(shape[0], height, overlap, draw(st.integers(0, height - overlap - 1)))
        for c0, c1 in cuts(
            shape[1],
            width,
            overlap,
            draw(st.integers(0, width - overlap - 1)) if bricks else 0,
        )
    ]


@st.composite
def inside(draw, rectangle):
    """A rectangle in another, which may be all of it."""
    r0, c0, r1, c1 = rectangle
    top, left = draw(st.integers(r0, r1 - 1)), draw(st.integers(c0, c1 - 1))
    return top, left, draw(st.integers(top + 1, r1)), draw(st.integers(left + 1, c1))


@st.composite
def covers(draw, shape, overlaps=None, smallest=3):
    """Rectangles that cover a slide, in any order: grids and bricks, some with redundant tiles.

    Those lie anywhere (two grids over one another are one case of it), or within a tile.
    """
    if overlaps is None:
        overlaps = st.one_of(st.integers(0, 3), st.integers(0, 80))
    rectangles = draw(grids(shape, overlaps, smallest))
    more = draw(st.sampled_from(["none", "within", "anywhere", "grid"]))
    if more == "within":
        for _ in range(draw(st.integers(1, 3))):
            rectangles.append(draw(inside(draw(st.sampled_from(rectangles)))))
    elif more == "anywhere":
        rectangles += draw(st.lists(inside((0, 0, *shape)), min_size=1, max_size=4))
    elif more == "grid":
        rectangles += draw(grids(shape, overlaps, smallest))
    return draw(st.permutations(list(dict.fromkeys(rectangles))))


def shares_tile(image, rectangles):
    """Whether every two adjacent pixels of cells lie together in some tile.

    Adjacent is with corners within a region, by a side between two regions: a seam that no third
    tile sees is where cells are joined by what touches (rule 6), be they one region or two.
    """
    for height, width in [(1, 2), (2, 1), (2, 2)]:
        rows, columns = image.shape[0] - height + 1, image.shape[1] - width + 1
        together = np.zeros((max(rows, 0), max(columns, 0)), bool)
        for r0, c0, r1, c1 in rectangles:
            together[r0 : max(r1 - height + 1, r0), c0 : max(c1 - width + 1, c0)] = True

        def corner(row, column, rows=rows, columns=columns):
            return image[row : row + rows, column : column + columns]

        first, last = corner(0, 0), corner(height - 1, width - 1)
        if height + width == 3:
            needed = (first > 0) & (last > 0)
        else:
            down, up = corner(1, 0), corner(0, 1)
            needed = ((first > 0) & (first == last)) | ((down > 0) & (down == up))
        if (needed & ~together).any():
            return False
    return True


def cut(image, rectangles):
    """The tiles of one image, and their origins."""
    return [image[r0:r1, c0:c1] for r0, c0, r1, c1 in rectangles], [r[:2] for r in rectangles]


@st.composite
def renumbered(draw, tiles):
    """The same tiles, each with labels of its own."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    other = []
    for tile in tiles:
        ids = np.append(0, 1 + chance.permutation(int(tile.max()) + 9))
        other.append(ids[tile])
    return other


@st.composite
def perturbed(draw, tile):
    """Another opinion of a tile: moved, with pixels missed and invented, two labels made one."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    moves = draw(st.tuples(st.integers(-2, 2), st.integers(-2, 2)))
    padded = np.pad(tile, 2, mode="edge")
    moved = padded[2 + moves[0] :, 2 + moves[1] :][: tile.shape[0], : tile.shape[1]].copy()
    share = draw(st.sampled_from([0, 0.02, 0.2]))
    moved[chance.random(tile.shape) < share] = 0
    new = chance.random(tile.shape) < share
    moved[new] = chance.integers(1, 5, new.sum())
    if draw(st.booleans()):
        one, other = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
        moved[moved == one] = other
    return moved


@st.composite
def independent(draw):
    """2 to 6 tiles of a small slide, each another run of a model: tiles, origins and shape."""
    shape = draw(st.tuples(st.integers(1, 40), st.integers(4, 40)))
    overlaps = st.integers(0, 15)
    rectangles = draw(
        st.one_of(
            covers(shape, overlaps, smallest=8),
            st.lists(inside((0, 0, *shape)), min_size=2, max_size=6, unique=True),
        )
    )[:6]
    if len(rectangles) < 2:
        rectangles = [*rectangles, *draw(st.lists(inside((0, 0, *shape)), min_size=1, max_size=2))]
        rectangles = list(dict.fromkeys(rectangles))
    truth = draw(st.one_of(paintings(shape), noise(shape)))
    tiles, origins = cut(truth, rectangles)
    own = st.sampled_from(["same", "perturbed", "perturbed", "canvas"])
    drawn = []
    for tile in tiles:
        kind = draw(own)
        if kind == "perturbed":
            tile = draw(perturbed(tile))
        elif kind == "canvas":
            tile = draw(st.one_of(paintings(tile.shape), noise(tile.shape)))
        drawn.append(tile)
    return draw(renumbered(drawn)), origins, shape
