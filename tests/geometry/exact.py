"""The outlines "pixels" and "simplified" by their definitions, one lattice point after another.

Nothing here imports postseg, so an agreement of the two is evidence. Points are (y, x) in half
pixels from the image's upper left corner: corners of pixels have two even numbers, midpoints of
pixel edges one odd, pixel centres two. Ends of chords that have moved are in eighths of a pixel.
All arithmetic is in whole numbers and fractions.
"""

import math
from collections import defaultdict
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import shapely

OUTSIDE = -1
TOLERANCE = Fraction(49, 100)  # of a pixel: how far from the midpoint of an edge a chord may pass
FARTHEST = 3  # eighths of a pixel: how far from the midpoint of an edge a chord may end


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

    points: list  # in the direction in which both neighbours simplify it: ends and midpoints
    backwards: bool  # whether the ring runs against that
    chords: int
    cost: Fraction  # squared eighths of pixels
    n_best: int  # how many choices are equally good
    best: list  # one of them: which points


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


def find_arcs(ring, nodes):
    """Cut a ring at its nodes: ends and midpoints in the direction of simplifying, and which it is.

    A ring without nodes begins, and ends, at the midpoint of the edge that leaves its topmost
    corner, the leftmost of such, eastwards.
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
        found = midpoints(path[::-1] if backwards else path)
        yield [*found, found[0]], backwards


def midpoints(path):
    return [((y0 + y1) // 2, (x0 + x1) // 2) for (y0, x0), (y1, x1) in pairwise(path)]


def is_along_x(point):
    """Whether the edge of a midpoint is, so that its gate stands along y."""
    return point[1] % 2 == 1


def find_candidates(points):
    """Both ends, and the first and the last midpoint of every straight stretch."""

    def is_straight(k):
        """Whether the midpoints before and after one are along the same line."""
        around = points[k - 1 : k + 2]
        return any(len({point[axis] for point in around}) == 1 for axis in (0, 1)) and all(
            is_along_x(point) or is_along_x(point[::-1]) for point in around
        )

    last = len(points) - 1
    return [0, *(k for k in range(1, last) if not is_straight(k)), last]


def chord_cost(points, i, j, start=None, end=None):
    """Squared distances of the midpoints passed by the chord from i to j; None if it may not.

    It must cross the gate of each of these midpoints, across the edge, not far from the midpoint.
    It may start and end elsewhere than at i and j: given in eighths of a pixel.
    """
    start, end = start or eighths(points[i]), end or eighths(points[j])
    dy, dx = end[0] - start[0], end[1] - start[1]
    passed = np.array(points[i + 1 : j], np.int64).reshape(-1, 2)
    py, px = (4 * passed - start).T
    along_x = is_along_x(passed.T)
    cross = dx * py - dy * px
    run = np.where(along_x, abs(dx), abs(dy))
    there = np.where(along_x, px * np.sign(dx), py * np.sign(dy))
    near = abs(cross) * TOLERANCE.denominator <= 8 * run * TOLERANCE.numerator
    if not ((run > 0) & (there >= 0) & (there <= run) & near).all():
        return None
    squared = dy * dy + dx * dx
    return Fraction(int((cross**2).sum()), squared) if squared else None


def eighths(point):
    return 4 * point[0], 4 * point[1]


def simplify(points, backwards=False, prune=True):
    """The fewest chords, then the least cost, and how many choices are as good.

    `prune`: a chord crosses gates east or west, north or south, and never turns back.
    """
    array = np.array(points)
    walked = np.append(0, abs(np.diff(array, axis=0)).sum(axis=1).cumsum()).tolist()
    candidates, last = find_candidates(points), len(points) - 1
    best, count, before = {0: (0, Fraction(0))}, {0: 1}, {}
    for a, i in enumerate(candidates):
        for j in candidates[a + 1 :]:
            (y0, x0), (y1, x1) = points[i], points[j]
            turned = abs(y1 - y0) + abs(x1 - x0) != walked[j] - walked[i]
            if prune and turned:
                break
            cost = chord_cost(points, i, j)
            if cost is None:
                continue
            found = best[i][0] + 1, best[i][1] + cost
            if j not in best or found < best[j]:
                best[j], count[j], before[j] = found, count[i], i
            elif found == best[j]:
                count[j] += count[i]
    chosen = [last]
    while chosen[-1]:
        chosen.append(before[chosen[-1]])
    return Arc(points, backwards, *best[last], count[last], chosen[::-1])


def cross(a, b):
    return a[1] * b[0] - a[0] * b[1]


def area_along(points, end):
    """Twice the area between the origin and the edges from the first point to another."""
    way = [points[0]]
    for here, there in pairwise(points[: end + 1]):
        # between midpoints of edges across each other is the corner where they meet
        turn = here[0] != there[0] and here[1] != there[1]
        way += [(here[0], there[1]) if is_along_x(here) else (there[0], here[1])] if turn else []
        way.append(there)
    return sum(16 * cross(a, b) for a, b in pairwise(way))


def moves(points, chosen, ends):
    """Where the next end of a chord moves to along its gate, in eighths: what is right.

    Those before it have moved: `ends`, in eighths. The area up to the end after it, which is at
    its midpoint, shall be that along the edges; half way between two numbers either is right.
    Nearer to the midpoint where a chord would not pass its gates.
    """
    k = len(ends)
    i, here, j = chosen[k - 1 : k + 2]
    middle, after = eighths(points[here]), eighths(points[j])
    area = sum(cross(a, b) for a, b in pairwise([*ends, middle, after]))
    chords = (i, here, ends[-1]), (here, j, after)
    return moves_of_area(points, chords, area_along(points, j) - area)


def last_moves(points, chosen, ends):
    """The same of the end at which a ring without nodes begins, once all others have moved."""
    last = len(points) - 1
    area = sum(cross(a, b) for a, b in pairwise([*ends, ends[0]]))
    chords = (chosen[-2], last, ends[-1]), (0, chosen[1], ends[1])
    return moves_of_area(points, chords, area_along(points, last) - area)


def moves_of_area(points, chords, missing):
    """Of the end between two chords, each given by its two points and where its other end is."""
    (i, here, start), (begin, j, after) = chords
    middle = eighths(points[here])
    gate = (1, 0) if is_along_x(points[here]) else (0, 1)
    rate = cross(gate, (after[0] - start[0], after[1] - start[1]))
    wanted = Fraction(missing, rate) if rate else Fraction(0)
    wanted = max(Fraction(-FARTHEST), min(Fraction(FARTHEST), wanted))
    found = set()
    for move in {math.ceil(wanted - Fraction(1, 2)), math.floor(wanted + Fraction(1, 2))}:
        while True:
            end = middle[0] + move * gate[0], middle[1] + move * gate[1]
            to_it = chord_cost(points, i, here, start, end)
            if None not in (to_it, chord_cost(points, begin, j, end, after)):
                break
            move -= 1 if move > 0 else -1
        found.add(end)
    return found


def is_ring(points):
    """Whether an arc is a ring without nodes, which begins in the middle of an edge."""
    return points[0] == points[-1] and (is_along_x(points[0]) or is_along_x(points[0][::-1]))


def move_ends(points, chosen):
    """The ends of the chords, in eighths of a pixel."""
    ends = [eighths(points[0])]
    while len(ends) < len(chosen) - 1:
        ends.append(min(moves(points, chosen, ends)))
    if is_ring(points):
        ends[0] = min(last_moves(points, chosen, ends))
        return [*ends, ends[0]]
    return [*ends, eighths(points[-1])]


class Simplified(NamedTuple):
    """Every ring's arcs, in the order of the ring."""

    exterior: list
    holes: list


def simplify_label(pixels, number, junctions):
    """The parts of a label, each ring a list of arcs with their best chords."""

    def arcs(ring):
        return [simplify(*arc) for arc in find_arcs(ring, junctions.nodes)]

    return [
        Simplified(arcs(region.exterior), [arcs(hole) for hole in region.holes])
        for region in find_regions(pixels, number, junctions, split=False)
    ]


def in_ring(arcs, points_of):
    """Points of a ring's arcs in the order of the ring, not closed."""
    found = []
    for arc in arcs:
        points = points_of(arc)
        found += (points[::-1] if arc.backwards else points)[:-1]
    return found


def best_polygon(parts):
    """One of the best geometries of a label's parts."""

    def vertices(arcs):
        return [(y / 4, x / 4) for y, x in in_ring(arcs, lambda arc: move_ends(arc[0], arc.best))]

    return as_polygon([Region(*part) for part in parts], vertices)


def simplified_polygons(masks):
    """The outline "simplified" of every label, one of the best where several are as good."""
    labels, image = numbered(masks)
    junctions, pixels = find_junctions(image, join=True), find_pixels(image)
    return {
        label: best_polygon(simplify_label(pixels[number], number, junctions))
        for number, label in enumerate(labels, start=1)
    }


def unmoved(vertex):
    """The node or the midpoint that a vertex, in eighths of a pixel, is at or has moved from."""
    y, x = vertex
    if y % 8 == 4:
        return y // 4, 2 * round(x / 8)
    return 2 * round(y / 8), (x // 4 if x % 8 == 4 else 2 * round(x / 8))


def is_best(arcs, vertices):
    """Whether these vertices of a ring, from any start and either way, are a best choice.

    Of each arc: as many chords as can be and no more, all allowed, and the least cost exactly;
    then the moves of their ends.
    """
    order = {point: k for k, point in enumerate(in_ring(arcs, lambda arc: arc.points))}
    vertex_at = {order.get(unmoved(vertex)): vertex for vertex in vertices}
    if len(vertex_at) < len(vertices) or None in vertex_at or 0 not in vertex_at:
        return False
    places = [order[unmoved(vertex)] for vertex in vertices]
    k = places.index(0)
    places = [*places[k:], *places[:k]]
    if len(places) > 2 and places[1] > places[-1]:
        places = [0, *places[:0:-1]]
    places.append(len(order))
    vertex_at[len(order)] = vertex_at[0]
    if any(there <= here for here, there in pairwise(places)):
        return False
    begin = 0
    for arc in arcs:
        last = len(arc.points) - 1
        chosen = [place - begin for place in places if begin <= place <= begin + last]
        ends = [vertex_at[begin + k] for k in chosen]
        begin += last
        if arc.backwards:
            chosen, ends = [last - k for k in reversed(chosen)], ends[::-1]
        if not is_best_arc(arc, chosen, ends):
            return False
    return True


def is_best_arc(arc, chosen, ends):
    """Whether chords between these points, and with these ends, are a best choice."""
    points = arc.points
    if chosen[0] != 0 or chosen[-1] != len(points) - 1 or len(chosen) != arc.chords + 1:
        return False
    if not {*chosen} <= {*find_candidates(points)}:
        return False
    costs = [chord_cost(points, i, j) for i, j in pairwise(chosen)]
    if None in costs or sum(costs) != arc.cost:
        return False
    first, *inner, last = ends
    moved = [eighths(points[0]), *inner]
    if is_ring(points):
        if first != last or first not in last_moves(points, chosen, moved):
            return False
    elif (first, last) != (moved[0], eighths(points[-1])):
        return False
    return all(moved[k] in moves(points, chosen, moved[:k]) for k in range(1, len(moved)))


def is_best_polygon(parts, polygon):
    """Whether a geometry consists of such rings, one for each ring of a label's parts."""
    polygons = shapely.get_parts(polygon)
    if len(polygons) != len(parts) or (polygon.geom_type == "Polygon") != (len(parts) == 1):
        return False

    def vertices(ring):
        return [(8 * y + 4, 8 * x + 4) for x, y in ring.coords[:-1]]

    waiting = list(polygons)
    for part in parts:
        for k, candidate in enumerate(waiting):
            rings = [vertices(ring) for ring in (candidate.exterior, *candidate.interiors)]
            if any(number % 1 for ring in rings for vertex in ring for number in vertex):
                return False
            exterior, *holes = [[(int(y), int(x)) for y, x in ring] for ring in rings]
            if (
                len(holes) == len(part.holes)
                and is_best(part.exterior, exterior)
                and all(any(is_best(arcs, hole) for hole in holes) for arcs in part.holes)
            ):
                waiting.pop(k)
                break
        else:
            return False
    return True
