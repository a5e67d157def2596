"""Borders of parts of a label, along the edges of pixels.

A *part* is connected by edges and by the saddles that its label won, see `junctions`. The walk
along its border keeps the part on its right, seen with rows going down, and passes from side to
side of the runs as in `contours`: up a run's left side, right along its top, down a right side,
left along a bottom. Where two pixels of the part meet at a corner only, it crosses over to the
other one at a saddle that the label won, and nowhere else.

A walk that comes back to a node has closed a loop, which is a ring of its own: one ring that
touches itself is not valid.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from postseg._kernels import borrowing, compiled, inlined, kernel
from postseg._kernels.chords import EIGHTHS, new_arc, simplify_ring
from postseg._kernels.contours import LEFT, RIGHT, row_starts, tallest
from postseg._kernels.junctions import NODE, joined_at
from postseg._kernels.runs import connect
from postseg._kernels.search import first_stopping_after

_NOT = -1


class Frame(NamedTuple):
    """Where outlines lie: (x, y) = (x_scale * column, y_scale * row + y_shift).

    Pixel centres are at whole columns and rows.
    """

    x_scale: float
    y_scale: float
    y_shift: float


class _Rings(NamedTuple):
    """Rings so far: vertices, and where each ring ends, from 0."""

    coords: NDArray[np.float64]
    ends: NDArray[np.int64]


@kernel
def find_parts(row, start, stop, label, junctions):
    """Number of each run's part, from 1 (int32), and how many parts there are.

    Parts are connected by edges and by the saddles that their label won.
    """
    return connect(row, start, stop, label, junctions)


@kernel
def outline_parts(first, last, offsets, row, start, stop, label, junctions, simplify, frame):
    """Outline the parts ``first:last``, simplified if `simplify`, else along the edges of pixels.

    Returns the vertices (n, 2) as `frame` tells, where each ring begins in them, and each part in
    the rings, both with the end. Rings are closed. The first of a part is its outside, the others
    are its holes.
    """
    rows = np.empty(tallest(first, last, offsets, row) + 3, np.int64)
    # the walk so far: where it turns, and nodes
    vertices, at_node = np.empty((256, 2), np.int64), np.empty(256, np.bool_)
    room = new_arc(256)
    # of a part's runs: right sides that a walk passed, and where it was at a node that it will
    # pass again, see `_follow`
    most = 0
    for k in range(first, last):
        most = max(most, offsets[k + 1] - offsets[k])
    visited, passed = np.empty(most, np.bool_), np.empty(2 * most, np.int64)
    rings = _Rings(np.empty((1024, 2)), np.zeros(16, np.int64))
    n_rings = 0
    parts = np.zeros(last - first + 1, np.int64)
    for k in range(first, last):
        row_starts(k, offsets, row, rows)
        begin, end = offsets[k], offsets[k + 1]
        visited[: end - begin] = False
        passed[: 2 * (end - begin)] = _NOT
        for i in range(begin, end):
            if visited[i - begin]:
                continue
            run, side, n = i, RIGHT, 0
            at_start = True
            while at_start or run != i or side != RIGHT:
                at_start = False
                y = row[run]
                if side == RIGHT:
                    visited[run - begin] = True
                    y += 1
                run, side, a, b, node_a, node_b = _follow(
                    run, side, label[k], row, start, stop, row[begin], rows, junctions
                )
                j, j_end = junctions.offsets[y], junctions.offsets[y + 1]
                j = first_stopping_after(junctions.x, j, j_end, min(a, b) - 1)
                j_end = first_stopping_after(junctions.x, j, j_end, max(a, b))
                if n + j_end - j + 2 > at_node.size:
                    vertices, at_node = _larger(vertices, at_node, n + j_end - j + 2)
                    room = new_arc(at_node.size)
                n_before = n
                n = _add_vertices(vertices, at_node, n, a, b, y, j, j_end, junctions)
                for node in (node_a, node_b):
                    if node == _NOT:
                        continue
                    here = n_before if node == node_a else n - 1
                    there = passed[node - 2 * begin]
                    if there == _NOT:
                        passed[node - 2 * begin] = here
                        continue
                    loop = vertices[there:here], at_node[there:here]
                    rings = _with_ring(*loop, room, simplify, frame, rings, n_rings)
                    n_rings += 1
                    for t in range(n - here):
                        vertices[there + t] = vertices[here + t]
                        at_node[there + t] = at_node[here + t]
                    n -= here - there
            loop = vertices[:n], at_node[:n]
            rings = _with_ring(*loop, room, simplify, frame, rings, n_rings)
            n_rings += 1
            if i == begin:  # loops that were closed on the way round its outside are holes
                _put_first(parts[k - first], n_rings, rings)
        parts[k - first + 1] = n_rings
    return rings.coords[: rings.ends[n_rings]], rings.ends[: n_rings + 1], parts


@inlined
def _add_vertices(vertices, at_node, n, a, b, y, first, end, junctions):
    """Add to `n` vertices those from (a, y) to (b, y): turns at both if they differ, and nodes.

    The junctions on the way are ``first:end``. Returns how many vertices there are now.
    """
    n_before = n
    if a != b:
        vertices[n, 0], vertices[n, 1], at_node[n] = a, y, False
        n += 1
    for t in range(end - first):
        j = first + t if a <= b else end - 1 - t
        if junctions.winner[j] != NODE:
            continue
        if n == n_before or vertices[n - 1, 0] != junctions.x[j]:
            vertices[n, 0], vertices[n, 1] = junctions.x[j], y
            n += 1
        at_node[n - 1] = True
    if a != b and vertices[n - 1, 0] != b:
        vertices[n, 0], vertices[n, 1], at_node[n] = b, y, False
        n += 1
    return n


@inlined
def _follow(run, side, own, row, start, stop, top, rows, junctions):
    """The side after (run, side), and the horizontal edges from column `a` to `b` between.

    As `contours._follow`, but that only saddles that the label `own` won are crossed. And for each
    end of the edges that is a node at which the part meets itself, 2 * the run above it + the side
    of that run, else `_NOT`.
    """
    t = row[run] - top
    node_a, node_b = _NOT, _NOT
    if side == RIGHT:
        y, e = row[run] + 1, stop[run]
        low, high = rows[t + 2], rows[t + 3]
        j = first_stopping_after(stop, low, high, e)
        along = j < high and start[j] <= e
        if along and start[j] == e:
            along, node_a = _crosses(junctions, y, e, own, 2 * run + RIGHT)
        if along:  # the top of j, then up the next run of this row?
            b = stop[j]
            up = run + 1 < low and start[run + 1] <= b
            if up and start[run + 1] == b:
                up, node_b = _crosses(junctions, y, b, own, 2 * (run + 1) + LEFT)
            if up:
                return run + 1, LEFT, e, start[run + 1], node_a, node_b
            return j, RIGHT, e, b, node_a, node_b
        # back along the bottom, then down the run below?
        b = start[run]
        down = j > low and stop[j - 1] >= b
        if down and stop[j - 1] == b:
            down, node_b = _crosses(junctions, y, b, own, 2 * run + LEFT)
        if down:
            return j - 1, RIGHT, e, stop[j - 1], node_a, node_b
        return run, LEFT, e, b, node_a, node_b
    y, s = row[run], start[run]
    low, high = rows[t], rows[t + 1]
    j = first_stopping_after(stop, low, high, s - 1)
    along = j < high and start[j] < s
    if along and stop[j] == s:
        along, node_a = _crosses(junctions, y, s, own, 2 * j + RIGHT)
        if not along:
            j += 1
    if along:  # the bottom of j, then down the previous run of this row?
        b = start[j]
        down = run - 1 >= high and stop[run - 1] >= b
        if down and stop[run - 1] == b:
            down, node_b = _crosses(junctions, y, b, own, 2 * j + LEFT)
        if down:
            return run - 1, RIGHT, s, stop[run - 1], node_a, node_b
        return j, LEFT, s, b, node_a, node_b
    # along the top, then up the run above?
    b = stop[run]
    up = j < high and start[j] <= b
    if up and start[j] == b:
        up, node_b = _crosses(junctions, y, b, own, 2 * j + LEFT)
    if up:
        return j, LEFT, s, start[j], node_a, node_b
    return run, RIGHT, s, b, node_a, node_b


@borrowing
def _crosses(junctions, y, x, own, node):
    """Whether a walk crosses where its part meets itself at a corner; if it is a node, which."""
    joined = joined_at(junctions, y, x)
    return joined == own, node if joined == NODE else _NOT


@compiled
def _larger(vertices, at_node, needed):
    """Room for twice what is `needed`, with what is there."""
    n = at_node.size
    more, more_at_node = np.empty((2 * needed, 2), np.int64), np.empty(2 * needed, np.bool_)
    more[:n], more_at_node[:n] = vertices, at_node
    return more, more_at_node


@compiled
def _with_ring(vertices, at_node, room, simplify, frame, rings, n_rings):
    """Rings, with that of these lattice points after them."""
    n = at_node.size
    coords, ends = rings.coords, rings.ends
    if n_rings + 2 > ends.size:
        ends = np.empty(2 * rings.ends.size, np.int64)
        ends[: n_rings + 1] = rings.ends[: n_rings + 1]
    used = ends[n_rings]
    if used + 2 * n + 1 > len(coords):
        coords = np.empty((2 * (used + 2 * n + 1), 2))
        coords[:used] = rings.coords[:used]
    ring = coords[used:]
    unit = 1.0
    if simplify:
        n = simplify_ring(n, vertices, at_node, *room, ring)
        unit = 1 / EIGHTHS
    else:
        ring[:n] = vertices
    for i in range(n):
        ring[i, 0] = frame.x_scale * (unit * ring[i, 0] - 0.5)
        ring[i, 1] = frame.y_scale * (unit * ring[i, 1] - 0.5) + frame.y_shift
    ring[n] = ring[0]
    ends[n_rings + 1] = used + n + 1
    return _Rings(coords, ends)


@compiled
def _put_first(first, end, rings):
    """Make the last of the rings ``first:end`` the first of them."""
    if end - first == 1:
        return
    ends = rings.ends
    size = ends[end] - ends[end - 1]
    moved = np.concatenate(
        (rings.coords[ends[end - 1] : ends[end]], rings.coords[ends[first] : ends[end - 1]])
    )
    rings.coords[ends[first] : ends[end]] = moved
    for k in range(end - 1, first, -1):
        ends[k] = ends[k - 1] + size
