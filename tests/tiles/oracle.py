"""The slow, obvious way: rules 1 to 12 of the merge of tiles, on dense arrays, by scikit-image.

Nothing here imports postseg, so an agreement of the two is evidence. Depths, scores and shares are
compared as fractions, so that no tie depends on rounding. A rectangle is (r0, c0, r1, c1), half
open.
"""

from collections import Counter, defaultdict
from fractions import Fraction
from itertools import combinations
from math import inf
from typing import NamedTuple

import numpy as np
from skimage.measure import label

LINK = Fraction(1, 4)  # of the score of rule 4


class Piece(NamedTuple):
    tile: int  # in sorted order
    label: int
    pixels: np.ndarray  # (n, 2) rows and columns on the slide, in raster order
    whole: bool
    key: tuple  # smaller is better: rule 8


class Tiles(NamedTuple):
    """The sorted tiles, and their pieces: `images` hold the position in `pieces`, from 1."""

    rectangles: list
    images: list
    pieces: list
    shape: tuple
    rim: int


class Merged(NamedTuple):
    image: np.ndarray
    sources: (
        list  # of each cell: (tile in sorted order, label) of each piece, the best by rule 8 first
    )
    roles: list  # of each cell: single, whole, joined or trimmed
    counts: Counter


def connected(image):
    """8-connected components of equal nonzero value, numbered in raster order of first pixel."""
    ids, positions = np.unique(np.append(image.ravel(), 0), return_inverse=True)
    positions[positions == np.searchsorted(ids, 0)] = -1
    return label(positions[:-1].reshape(image.shape), background=-1, connectivity=2)


def window(image, rectangle, inner):
    """The part of an image that lies at `rectangle` which lies in `inner`."""
    (r0, c0, _, _), (top, left, bottom, right) = rectangle, inner
    return image[top - r0 : bottom - r0, left - c0 : right - c0]


def common(one, other):
    """Where two rectangles meet; empty (or less than that) where they do not."""
    return (*map(max, one[:2], other[:2]), *map(min, one[2:], other[2:]))


def meet(one, other):
    r0, c0, r1, c1 = common(one, other)
    return r0 < r1 and c0 < c1


def contains(rectangle, inner):
    return common(rectangle, inner) == inner


def box(pixels):
    return (*pixels.min(axis=0).tolist(), *(pixels.max(axis=0) + 1).tolist())


def internal(rectangle, shape):
    """Whether each side (top, left, bottom, right) lies inside the slide."""
    r0, c0, r1, c1 = rectangle
    return r0 > 0, c0 > 0, r1 < shape[0], c1 < shape[1]


def distances(rectangle, inner):
    """From each side of a rectangle inwards to the same side of `inner`."""
    signs = (1, 1, -1, -1)
    return [
        sign * (there - here) for sign, here, there in zip(signs, rectangle, inner, strict=True)
    ]


def is_whole(bounds, rectangle, shape, rim):
    sides = zip(distances(rectangle, bounds), internal(rectangle, shape), strict=True)
    return all(distance > rim for distance, inside in sides if inside)


def centroid(pixels):
    """Of pixel centres, on the grid of pixel corners, where the rectangles are."""
    return tuple(Fraction(int(total), len(pixels)) + Fraction(1, 2) for total in pixels.sum(axis=0))


def depth(place, rectangle, shape):
    sides = zip(distances(rectangle, place * 2), internal(rectangle, shape), strict=True)
    return min((distance for distance, inside in sides if inside), default=inf)


def read(tiles, origins, shape, rim):
    """Rule 1, and the pieces of the terms."""
    arrived = {}
    for tile, (row, column) in zip(map(np.asarray, tiles), origins, strict=True):
        if int(row) != row or int(column) != column:
            raise ValueError(f"origin {row, column} is not of integers")
        rectangle = (int(row), int(column), int(row) + tile.shape[0], int(column) + tile.shape[1])
        if not contains((0, 0, *shape), rectangle):
            raise ValueError(f"{rectangle} leaves the slide")
        if not np.array_equal(arrived.setdefault(rectangle, tile), tile):
            raise ValueError(f"two contents of {rectangle}")
    rectangles, pieces, images = sorted(arrived), [], []
    for position, rectangle in enumerate(rectangles):
        parts = connected(arrived[rectangle])
        images.append(np.where(parts, parts + len(pieces), 0))
        where = np.argwhere(parts)
        numbers = parts[tuple(where.T)]
        inside = np.split(
            where[np.argsort(numbers, kind="stable")], np.cumsum(np.bincount(numbers)[1:])
        )
        for part in inside[:-1]:
            pixels, value = part + rectangle[:2], arrived[rectangle][tuple(part[0])]
            below = depth(centroid(pixels), rectangle, shape)
            whole = is_whole(box(pixels), rectangle, shape, rim)
            key = (-below, -len(pixels), *pixels[0].tolist(), rectangle)
            pieces.append(Piece(position, int(value), pixels, whole, key))
    return Tiles(rectangles, images, pieces, tuple(shape), rim)


def seam(one, other):
    """The pixels of two abutting tiles that face each other, or nothing: rule 6."""
    r0, c0, r1, c1 = common(one, other)
    if r0 == r1:
        before, after = [(r0 - 1, c) for c in range(c0, c1)], [(r0, c) for c in range(c0, c1)]
        return (before, after) if one[2] == r0 else (after, before)
    if c0 == c1:
        before, after = [(r, c0 - 1) for r in range(r0, r1)], [(r, c0) for r in range(r0, r1)]
        return (before, after) if one[3] == c0 else (after, before)
    return [], []


def facing(tiles, a, b):
    """The pieces of two tiles, pixel against pixel: in their zone (rule 3), or along their seam."""
    one, other = tiles.rectangles[a], tiles.rectangles[b]
    if meet(one, other):
        zone = common(one, other)
        return window(tiles.images[a], one, zone), window(tiles.images[b], other, zone)

    def seen_by_a_third(*pixels):
        return any(
            all(r0 <= r < r1 and c0 <= c < c1 for r, c in pixels)
            for r0, c0, r1, c1 in tiles.rectangles
        )

    lines = [], []
    for here, there in zip(*seam(one, other), strict=True):
        excluded = seen_by_a_third(here, there)
        for line, position, pixel in zip(lines, (a, b), (here, there), strict=True):
            r0, c0, _, _ = tiles.rectangles[position]
            line.append(0 if excluded else tiles.images[position][pixel[0] - r0, pixel[1] - c0])
    return np.array([lines[0]], int), np.array([lines[1]], int)


def links(tiles):
    """Rules 3 to 6: (J, a, b) of two pieces, as often as zone components of theirs are linked."""
    found = []
    for a, b in combinations(range(len(tiles.images)), 2):
        faces = facing(tiles, a, b)
        # (zone component, its piece) on either side, at every pixel
        sides = [
            list(zip(connected(face).ravel().tolist(), (face.ravel() - 1).tolist(), strict=True))
            for face in faces
        ]
        size = [Counter(side) for side in sides]
        scores = {}
        for (u, v), n in Counter(zip(*sides, strict=True)).items():
            if u[0] and v[0]:
                one, other = tiles.pieces[u[1]], tiles.pieces[v[1]]
                da = len(one.pixels) if other.whole else size[0][u]
                db = len(other.pixels) if one.whole else size[1][v]
                scores[u, v] = Fraction(n, da + db - n)
        best = {}, {}
        # falling J, of equals the first component: the first that is met is the best
        for u, v in sorted(scores, key=lambda pair: (-scores[pair], pair)):
            best[0].setdefault(u, v)
            best[1].setdefault(v, u)
        found += [
            (scores[u, v], u[1], v[1])
            for u, v in best[0].items()
            if best[1][v] == u and scores[u, v] >= LINK
        ]
    return found


def groups(tiles, found):
    """Rule 7: lists of pieces, the best by rule 8 first, and how many unions were refused."""
    keys = [piece.key for piece in tiles.pieces]
    group = {i: [i] for i in range(len(keys))}  # of each piece; one list is shared by its members
    refused = 0
    for _, a, b in sorted(
        found, key=lambda link: (-link[0], *sorted([keys[link[1]], keys[link[2]]]))
    ):
        if group[a] is group[b]:
            continue
        union = group[a] + group[b]
        of_tile = Counter(tiles.pieces[i].tile for i in union)
        if any(tiles.pieces[i].whole and of_tile[tiles.pieces[i].tile] > 1 for i in union):
            refused += 1
            continue
        group.update(dict.fromkeys(union, union))
    unique = {id(members): members for members in group.values()}
    return [
        sorted((tiles.pieces[i] for i in members), key=lambda piece: (not piece.whole, piece.key))
        for members in unique.values()
    ], refused


def disowned(tiles, piece):
    """Rule 9, of a piece that is alone."""
    place, bounds = centroid(piece.pixels), box(piece.pixels)
    covering = [
        (-depth(place, (r0, c0, r1, c1), tiles.shape), (r0, c0, r1, c1), position)
        for position, (r0, c0, r1, c1) in enumerate(tiles.rectangles)
        if r0 <= place[0] < r1 and c0 <= place[1] < c1
    ]
    _, rectangle, owner = min(covering)
    if owner == piece.tile or not contains(rectangle, bounds):
        return False
    if not is_whole(bounds, rectangle, tiles.shape, tiles.rim):
        return False
    seen = tiles.images[owner][tuple((piece.pixels - rectangle[:2]).T)] > 0
    return 2 * int(seen.sum()) < len(piece.pixels)


def largest(pixels):
    """The pixels of the largest 8-connected part, the first in raster order of equals."""
    corner = pixels.min(axis=0)
    canvas = np.zeros(np.ptp(pixels, axis=0) + 1, int)
    canvas[tuple((pixels - corner).T)] = 1
    parts = connected(canvas)
    return np.argwhere(parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])) + corner


def merge_shared(tiles, origins, shape):
    """Rule 2."""
    image = np.zeros(shape, np.int64)
    for tile, (row, column) in zip(map(np.asarray, tiles), origins, strict=True):
        place = image[row : row + tile.shape[0], column : column + tile.shape[1]]
        if ((place > 0) & (tile > 0) & (place != tile)).any():
            raise ValueError("two labels on one pixel")
        place[tile > 0] = tile[tile > 0]
    return image


def merge(tiles, origins, shape, ids="local", rim=0):
    """The slide, with the sources of its cells; of shared ids the image alone."""
    arrived = read(tiles, origins, shape, rim)
    if ids == "shared":
        return Merged(merge_shared(tiles, origins, shape), [], [], Counter())
    found = links(arrived)
    united, refused = groups(arrived, found)
    kept = [group for group in united if len(group) > 1 or not disowned(arrived, group[0])]
    counts = Counter(links=len(found) - refused, refused=refused, disowned=len(united) - len(kept))

    def rank(group):
        return not group[0].whole, len({piece.tile for piece in group}) < 2, group[0].key

    placed, cells = np.zeros(shape, int), []
    for group in sorted(kept, key=rank):
        whole = group[0] if group[0].whole else None
        role = "single" if len(group) == 1 else "whole" if whole else "joined"
        # rule 8; unique sorts the pixels of a union in raster order
        pixels = whole.pixels if whole else np.unique([p for g in group for p in g.pixels], axis=0)
        free = pixels[placed[tuple(pixels.T)] == 0]
        rest = largest(free) if len(free) else free
        if 2 * len(rest) < len(pixels):
            counts["beaten"] += 1
            continue
        counts["joined"] += role == "joined"
        if len(rest) < len(pixels):
            counts["trimmed"] += 1
            role = "trimmed"
        cells.append((group, role))
        placed[tuple(rest.T)] = len(cells)
    present, first = np.unique(placed, return_index=True)
    order = present[np.argsort(first)]
    order = order[order > 0]
    number = np.zeros(len(cells) + 1, np.int64)
    number[order] = np.arange(1, len(cells) + 1)
    chosen = [cells[i - 1] for i in order]
    sources = [[(piece.tile, piece.label) for piece in group] for group, _ in chosen]
    return Merged(number[placed], sources, [role for _, role in chosen], counts)


def undecided(tiles, origins, shape, plan=None, rim=0):
    """Rule 12: the groups that tiles to come may change, as the sources of `merge` have them.

    Without a plan any cut piece may be changed, and what is connected with it through it.
    """
    arrived = read(tiles, origins, shape, rim)
    missing = set(plan or ()) - set(arrived.rectangles)
    reached = set()
    for i, piece in enumerate(arrived.pieces):
        r0, c0, r1, c1 = box(piece.pixels)
        grown = r0 - 1, c0 - 1, r1 + 1, c1 + 1
        if any(meet(grown, tile) for tile in missing) if plan is not None else not piece.whole:
            reached.add(i)
    beside, on_pixel, found = defaultdict(set), defaultdict(set), links(arrived)
    for _, a, b in found:
        beside[a].add(b)
        beside[b].add(a)
    for i, piece in enumerate(arrived.pieces):
        for pixel in map(tuple, piece.pixels.tolist()):
            on_pixel[pixel].add(i)
    for together in on_pixel.values():
        for i in together:
            beside[i] |= together
    waiting = list(reached)
    while waiting:
        new = beside[waiting.pop()] - reached
        reached |= new
        waiting += new
    keys = {arrived.pieces[i].key for i in reached}
    return [
        [(piece.tile, piece.label) for piece in group]
        for group in groups(arrived, found)[0]
        if any(piece.key in keys for piece in group)
    ]
