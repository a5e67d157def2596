"""The outlines "pixels" and "simplified" by their definitions, one lattice point after another.

Nothing here imports postseg, so an agreement of the two is evidence. Points are (y, x) in half
pixels from the image's upper left corner: corners of pixels have two even numbers, midpoints of
pixel edges one odd, pixel centres two. All arithmetic is in whole numbers and fractions.
"""

from collections import defaultdict
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import shapely

OUTSIDE = -1
TOLERANCE = Fraction(49, 100)  # of a pixel: how far from the midpoint of an edge a chord may pass
REACH = 1024  # edges: how far along an arc a chord may go


class Junctions(NamedTuple):
    """Corners of pixels where labels meet."""

    nodes: set  # three or more edges, and the corners of the image
    joined: dict  # saddles, which are no nodes: which label is joined there


class Ring(NamedTuple):
    """A closed way along pixel edges, the region on its right as seen with rows down."""

    corners: list  # one an edge, not closed
    pixel: tuple  # one on the right of it

    @property
    def area(self):
        """In quarters of a pixel, negative for a hole."""
        closed = [*self.corners, self.corners[0]]
        return sum(y1 * x0 - y0 * x1 for (y0, x0), (y1, x1) in pairwise(closed)) // 2


class Arc(NamedTuple):
    """Part of a ring between two nodes, or a ring without any, and its best chords."""

    candidates: list  # in the direction in which both neighbours simplify it
    backwards: bool  # whether the ring runs against that
    chords: int
    cost: Fraction  # squared half pixels
    n_best: int  # how many choices are equally good
    best: list  # one of them: which candidates


def numbered(masks):
    """Labels, ascending, and the image of their positions from 1; 0 stays 0."""
    with_zero = np.concatenate([np.zeros(1, masks.dtype), masks.ravel()])
    labels, position = np.unique(with_zero, return_inverse=True)
    return labels[1:].tolist(), position[1:].reshape(masks.shape)


def find_pixels(image):
    """Rows and columns of the pixels of each label, by its position."""
    order = np.argsort(image, axis=None, kind="stable")
    first = np.searchsorted(image.ravel()[order], np.arange(1, image.max(initial=0) + 1))
    pixels = np.column_stack(np.unravel_index(order, image.shape))
    return dict(enumerate(np.split(pixels, first)[1:], start=1))


def find_junctions(image, join):
    """Look at every two by two pixels; `join` tells whether saddles are joined."""
    height, width = image.shape
    nodes = {(0, 0), (0, 2 * width), (2 * height, 0), (2 * height, 2 * width)}
    joined = {}
    rows = np.pad(image, 1, constant_values=OUTSIDE).tolist()
    for y, (above, below) in enumerate(pairwise(rows)):
        for x in range(width + 1):
            a, b, c, d = above[x], above[x + 1], below[x], below[x + 1]
            edges = (a != b) + (b != d) + (d != c) + (c != a)
            diagonal = [one for one, other in [(a, d), (b, c)] if one == other > 0]
            if join and edges == 4 and diagonal:
                joined[2 * y, 2 * x] = min(diagonal)
            elif edges >= 3:
                nodes.add((2 * y, 2 * x))
    return Junctions(nodes, joined)


def find_parts(pixels, crossed):
    """Which connected part each pixel of a label is in: by sides, and by the corners crossed."""
    part = {}
    for first in sorted(pixels):
        waiting = [first] if first not in part else []
        while waiting:
            r, c = waiting.pop()
            if (r, c) in part:
                continue
            part[r, c] = first
            near = [(r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)]
            for dr in (-1, 1):
                for dc in (-1, 1):
                    if (2 * r + 1 + dr, 2 * c + 1 + dc) in crossed:
                        near.append((r + dr, c + dc))
            waiting += [pixel for pixel in near if pixel in pixels]
    return part


def find_rings(pixels, crossed):
    """Walk along the edges of a label's pixels, over a corner only where it is crossed."""
    leaving = defaultdict(dict)  # by corner and pixel: the next corner
    for r, c in sorted(pixels):
        north_west, north_east = (2 * r, 2 * c), (2 * r, 2 * c + 2)
        south_west, south_east = (2 * r + 2, 2 * c), (2 * r + 2, 2 * c + 2)
        for beside, start, end in [
            ((r - 1, c), north_west, north_east),
            ((r, c + 1), north_east, south_east),
            ((r + 1, c), south_east, south_west),
            ((r, c - 1), south_west, north_west),
        ]:
            if beside not in pixels:
                leaving[start][r, c] = end
    walked = set()
    for first in sorted((corner, pixel) for corner in leaving for pixel in leaving[corner]):
        if first in walked:
            continue
        (corner, pixel), steps = first, []
        while not steps or (corner, pixel) != first:
            steps.append((corner, pixel))
            corner = leaving[corner][pixel]
            ways = set(leaving[corner])
            if len(ways) == 2:  # its own two pixels are diagonal here
                ways = ways - {pixel} if corner in crossed else {pixel}
            (pixel,) = ways
        walked.update(steps)
        yield steps


def split_rings(steps):
    """Cut a ring in simple ones where it passes a corner twice."""
    open_, at = [], {}
    for corner, pixel in steps:
        if corner in at:
            k = at[corner]
            yield open_[k:]
            for gone, _ in open_[k:]:
                del at[gone]
            del open_[k:]
        at[corner] = len(open_)
        open_.append((corner, pixel))
    yield open_


class Region(NamedTuple):
    """A connected part of a label."""

    exterior: Ring
    holes: list


def find_regions(pixels, number, junctions, split):
    """The parts of a label in raster order, with their rings."""
    pixels = {tuple(pixel) for pixel in pixels.tolist()}
    crossed = {corner for corner, winner in junctions.joined.items() if winner == number}
    part = find_parts(pixels, crossed)
    rings = defaultdict(list)
    for whole in find_rings(pixels, crossed):
        for steps in split_rings(whole) if split else [whole]:
            ring = Ring([corner for corner, _ in steps], steps[0][1])
            rings[part[ring.pixel]].append(ring)
    for _, found in sorted(rings.items()):
        (exterior,) = (ring for ring in found if ring.area > 0)
        yield Region(exterior, [ring for ring in found if ring.area < 0])


def as_polygon(regions, vertices_of):
    """One geometry, (x, y) with pixel centres at whole numbers, of the rings' vertices."""

    def coordinates(ring):
        return [((x - 1) / 2, (y - 1) / 2) for y, x in vertices_of(ring)]

    polygons = [
        shapely.Polygon(coordinates(region.exterior), [coordinates(hole) for hole in region.holes])
        for region in regions
    ]
    return polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)


# ---- pixels


def pixel_polygons(masks):
    """The outline "pixels" of every label, ascending: corners, and nodes on straight stretches."""
    labels, image = numbered(masks)
    junctions, pixels = find_junctions(image, join=False), find_pixels(image)

    def vertices(ring):
        corners = ring.corners
        for k, (y, x) in enumerate(corners):
            (y0, x0), (y1, x1) = corners[k - 1], corners[(k + 1) % len(corners)]
            turns = (y - y0, x - x0) != (y1 - y, x1 - x)
            if turns or (y, x) in junctions.nodes:
                yield y, x

    return {
        label: as_polygon(find_regions(pixels[number], number, junctions, split=True), vertices)
        for number, label in enumerate(labels, start=1)
    }


# ---- simplified


def find_arcs(ring, nodes, from_corner=False):
    """Cut a ring at its nodes: candidates in the direction of simplifying, and if that is against.

    A ring without nodes begins at the midpoint of the edge eastwards from its topmost corner, the
    leftmost of such; `from_corner`, at that corner.
    """
    corners = ring.corners
    at = [k for k, corner in enumerate(corners) if corner in nodes]
    if at:
        for k, end in pairwise([*at, at[0] + len(corners)]):
            path = [corners[i % len(corners)] for i in range(k, end + 1)]
            first, last = path[0], path[-1]
            backwards = path[1] > path[-2] if first == last else first > last
            path = path[::-1] if backwards else path
            yield [path[0], *midpoints(path), path[-1]], backwards
    else:
        k = corners.index(min(corners))
        path = [*corners[k:], *corners[: k + 1]]
        backwards = path[1][0] != path[0][0]  # an edge downwards
        path = path[::-1] if backwards else path
        found = midpoints(path)
        yield [path[0], *found, path[0]] if from_corner else [*found, found[0]], backwards


def midpoints(path):
    return [((y0 + y1) // 2, (x0 + x1) // 2) for (y0, x0), (y1, x1) in pairwise(path)]


def chord_cost(points, i, j):
    """Squared distances of the midpoints passed by the chord from i to j; None if it may not.

    It must cross the gate of each of these midpoints, across the edge, not far from the midpoint.
    """
    dy, dx = points[j] - points[i]
    py, px = (points[i + 1 : j] - points[i]).T
    along_x = px + points[i, 1] & 1 == 1  # the edge; the gate stands along y
    cross = dx * py - dy * px
    run = np.where(along_x, abs(dx), abs(dy))
    there = np.where(along_x, px * np.sign(dx), py * np.sign(dy))
    near = abs(cross) * TOLERANCE.denominator <= 2 * run * TOLERANCE.numerator
    if not ((run > 0) & (there >= 0) & (there <= run) & near).all():
        return None
    squared = int(dy * dy + dx * dx)
    return Fraction(int((cross**2).sum()), squared) if squared else None


def simplify(candidates, backwards=False, prune=True):
    """The fewest chords, then the least cost, and how many choices are as good.

    `prune`: a chord crosses gates east or west, north or south, and never turns back.
    """
    points = np.array(candidates)
    walked = np.append(0, abs(np.diff(points, axis=0)).sum(axis=1).cumsum())
    last = len(points) - 1
    best = [(0, Fraction(0))] + [None] * last
    count, before = [1] + [0] * last, [0] * (last + 1)
    for i in range(last):
        for j in range(i + 1, min(last, i + REACH) + 1):
            if prune and abs(points[j] - points[i]).sum() != walked[j] - walked[i]:
                break
            cost = chord_cost(points, i, j)
            if cost is None:
                continue
            found = best[i][0] + 1, best[i][1] + cost
            if best[j] is None or found < best[j]:
                best[j], count[j], before[j] = found, count[i], i
            elif found == best[j]:
                count[j] += count[i]
    chosen = [last]
    while chosen[-1]:
        chosen.append(before[chosen[-1]])
    return Arc(candidates, backwards, *best[last], count[last], chosen[::-1])


class Simplified(NamedTuple):
    """Every ring's arcs, in the order of the ring."""

    exterior: list
    holes: list


def simplify_label(pixels, number, junctions, from_corner=False):
    """The parts of a label, each ring a list of arcs with their best chords."""

    def arcs(ring):
        return [simplify(*arc) for arc in find_arcs(ring, junctions.nodes, from_corner)]

    return [
        Simplified(arcs(region.exterior), [arcs(hole) for hole in region.holes])
        for region in find_regions(pixels, number, junctions, split=False)
    ]


def ring_vertices(arcs, chosen_only=False):
    """A ring of arcs, not closed: all candidates, or those of the best chords."""
    found = []
    for arc in arcs:
        chosen = [arc.candidates[k] for k in arc.best] if chosen_only else arc.candidates
        found += (chosen[::-1] if arc.backwards else chosen)[:-1]
    return found


def best_polygon(parts):
    """One of the best geometries of a label's parts."""
    return as_polygon([Region(*part) for part in parts], lambda arcs: ring_vertices(arcs, True))


def simplified_polygons(masks, from_corner=False):
    """The outline "simplified" of every label, one of the best where several are as good."""
    labels, image = numbered(masks)
    junctions, pixels = find_junctions(image, join=True), find_pixels(image)
    return {
        label: best_polygon(simplify_label(pixels[number], number, junctions, from_corner))
        for number, label in enumerate(labels, start=1)
    }


def is_best(arcs, vertices):
    """Whether these vertices of a ring, from any start and either way, are a best choice.

    Of each arc: as many chords as can be and no more, all allowed, and the least cost exactly.
    """
    order = {candidate: k for k, candidate in enumerate(ring_vertices(arcs))}
    if not {*vertices} <= order.keys() or len({*vertices}) < len(vertices):
        return False
    places = [order[vertex] for vertex in vertices]
    if 0 not in places:
        return False
    k = places.index(0)
    places = [*places[k:], *places[:k]]
    if len(places) > 2 and places[1] > places[-1]:
        places = [0, *places[:0:-1]]
    places.append(len(order))
    if any(there <= here for here, there in pairwise(places)):
        return False
    begin = 0
    for arc in arcs:
        last = len(arc.candidates) - 1
        chosen = [place - begin for place in places if begin <= place <= begin + last]
        begin += last
        if chosen[0] != 0 or chosen[-1] != last or len(chosen) != arc.chords + 1:
            return False
        if arc.backwards:
            chosen = [last - k for k in reversed(chosen)]
        points = np.array(arc.candidates)
        costs = [chord_cost(points, i, j) for i, j in pairwise(chosen)]
        if None in costs or sum(costs) != arc.cost:
            return False
    return True


def is_best_polygon(parts, polygon):
    """Whether a geometry consists of such rings, one for each ring of a label's parts."""
    polygons = shapely.get_parts(polygon)
    if len(polygons) != len(parts) or (polygon.geom_type == "Polygon") != (len(parts) == 1):
        return False

    def vertices(ring):
        return [(2 * y + 1, 2 * x + 1) for x, y in ring.coords[:-1]]

    waiting = list(polygons)
    for part in parts:
        for k, candidate in enumerate(waiting):
            holes = [vertices(hole) for hole in candidate.interiors]
            if (
                len(holes) == len(part.holes)
                and is_best(part.exterior, vertices(candidate.exterior))
                and all(any(is_best(arcs, hole) for hole in holes) for arcs in part.holes)
            ):
                waiting.pop(k)
                break
        else:
            return False
    return True
