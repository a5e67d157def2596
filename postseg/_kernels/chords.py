"""Simplify borders: few chords through the narrow band around the edges of pixels.

A ring is a closed walk over lattice points, given by its *vertices*: where it turns, and the nodes
on its way, see `junctions`. It is cut into *arcs* at its nodes. *Candidates* for the ends of chords
are the middles of the first and of the last edge of each straight stretch of an arc, and the nodes
at its ends. Each edge has a *gate*, the unit segment that crosses it at right angles in its middle,
and a chord passes each edge that it skips through the edge's gate.

Why nothing can cross: the unit squares around the lattice points tile the plane, and gates are
their sides. A chord enters and leaves squares by gates only, in the order of the arc, and ends lie
on gates; so an arc has one straight piece in the square of each of its lattice points, and arcs
that have no lattice point in common share no square. All arcs at a node begin in the middle of its
square and leave by different sides. At a joined saddle the two passes stay on either side of the
diagonal that is joined. The centres of pixels are the corners of squares, which nothing reaches: a
gate is used up to 0.49 from its middle. So each pixel is still within its own ring.

The gates within a stretch are passed with those at its ends, between which a chord is straight.

Whoever lies beside an arc simplifies it alike: all go through it in one direction, and what they
reckon with are whole numbers.
"""

import numpy as np

from postseg._kernels import borrowing, compiled, inlined

EIGHTHS = 8  # of a pixel: the unit of vertices
_HALF = EIGHTHS // 2  # of a candidate's coordinates, which are in halves of a pixel
_MOST = 3  # eighths that an end of chords may lie off the middle of its gate
_REACH = 1024  # candidates that a chord may pass
_MANY = 2**31 - 1
_NONE = -1
_N_BITS = 63  # of an int64, but for its sign
_WIDE = 1e9
# What of a gate is used, 0.49 to either side, in halves of a pixel. The rest is far more than what
# floats lose and far less than what tells two chords between candidates apart.
_USED = 0.98 + 2e-9
# the same in units of a two-hundredth of a pixel, where eighths are whole numbers too
_FINE, _USED_FINE = 25, 98

# Rows of an arc's table, (N_ROWS, n) int64, one column per candidate:
# - where it is, in halves of a pixel;
_X, _Y = 0, 1
# - the direction of its gate, to the left of the way with y upwards; 0 of a node;
_GX, _GY = 2, 3
# - which edge of the arc it is the middle of, from 1;
_EDGE = 4
# - sums over the middles of all edges before, of x, y, xx, xy and yy from the first candidate on;
_SX, _SY, _SXX, _SXY, _SYY = 5, 6, 7, 8, 9
# - twice the area between the arc up to it and the first candidate, in square eighths of a pixel;
_AREA = 10
# - the fewest chords from it to the end, and the candidate that the last chord to it comes from;
_LEFT, _BEFORE = 11, 12
# - scratch;
_LIST = 13
# - where it is, with the other sign;
_MINUS_X, _MINUS_Y = 14, 15
# - the next candidates on those to the end, bit 0 is the one after it; 0 if bits may not suffice.
_NEXT = 16
_N_ROWS = 17

# What a chord needs that goes so far `along` an edge and passes a gate, at 4 * along + how the gate
# lies: -1 or 1 across the edge, 0 in its direction. 1 / along, the same to the nearer and to the
# farther end of what is used of the gate, and how far these are off its middle, across.
_N_NEAR = 512
_GATES = np.zeros((4 * _N_NEAR, 4))
for _across in (-1, 0, 1):
    _off, _ahead = (_USED, 0.0) if _across else (0.0, _USED)
    for _column, _used in enumerate((0.0, -_ahead, _ahead)):
        _GATES[4 + _across :: 4, _column][: _N_NEAR - 1] = 1 / (np.arange(1, _N_NEAR) + _used)
    _GATES[4 + _across :: 4, 3] = _off


@compiled
def new_arc(n_vertices):
    """Room for the arcs of a ring of so many vertices, and for sums of squared distances."""
    return np.empty((_N_ROWS, 2 * n_vertices + 2), np.int64), np.empty(2 * n_vertices + 2)


@borrowing
def simplify_ring(n, vertices, at_node, arc, off, out):
    """Write the vertices of a simplified ring into `out` (2 n, 2), in eighths of a pixel.

    The ring has `n` vertices, lattice points (x, y). Returns how many were written.
    """
    first = 0
    while first < n and not at_node[first]:
        first += 1
    if first == n:
        return _closed(n, vertices, arc, off, out)
    size = 0
    begin = first
    while True:
        n_stretches = 1
        while not at_node[(begin + n_stretches) % n]:
            n_stretches += 1
        size += _open(begin, n_stretches, n, vertices, arc, off, out[size:])
        begin = (begin + n_stretches) % n
        if begin == first:
            return size


@borrowing
def _open(begin, n_stretches, n, vertices, arc, off, out):
    """Write the vertices of an arc that begins at the node `begin`, but for its last."""
    end = (begin + n_stretches) % n
    # one direction for whoever lies beside it: from the end that comes first in raster order,
    # of a loop on one node towards the neighbour that does
    one, other = begin, end
    if begin == end:
        one, other = (begin + 1) % n, (end + n - 1) % n
    ahead = _comes_first(vertices, one, other)
    start, finish, step = (begin, end, 1) if ahead else (end, begin, n - 1)
    _enter_node(arc, 0, vertices, start)
    last = _enter_stretches(arc, 1, start, step, n_stretches, n, vertices)
    _enter_node(arc, last, vertices, finish)
    return _add_chords(arc, off, last, ahead, False, out)


@borrowing
def _closed(n, vertices, arc, off, out):
    """Write the vertices of a ring without nodes.

    All go round it eastwards from its first lattice point in raster order, from the middle of the
    edge there.
    """
    start = 0
    for i in range(1, n):
        if _comes_first(vertices, i, start):
            start = i
    ahead = vertices[(start + 1) % n, 0] > vertices[start, 0]
    last = _enter_stretches(arc, 0, start, 1 if ahead else n - 1, n, n, vertices)
    _place(arc, last, arc[_X, 0], arc[_Y, 0])
    arc[_GX, last], arc[_GY, last] = arc[_GX, 0], arc[_GY, 0]
    return _add_chords(arc, off, last, ahead, True, out)


@borrowing
def _comes_first(vertices, i, j):
    """Whether vertex i comes before j in raster order."""
    if vertices[i, 1] == vertices[j, 1]:
        return vertices[i, 0] < vertices[j, 0]
    return vertices[i, 1] < vertices[j, 1]


@borrowing
def _enter_node(arc, at, vertices, i):
    _place(arc, at, 2 * vertices[i, 0], 2 * vertices[i, 1])
    arc[_GX, at], arc[_GY, at] = 0, 0


@inlined
def _place(arc, at, x, y):
    arc[_X, at], arc[_Y, at], arc[_MINUS_X, at], arc[_MINUS_Y, at] = x, y, -x, -y


@borrowing
def _enter_stretches(arc, at, start, step, n_stretches, n, vertices):
    """Enter the candidates on stretches from place `at` on; returns the next place.

    With the sums of that place too, which is a candidate without an edge of its own.
    """
    x0, y0 = 2 * vertices[start, 0], 2 * vertices[start, 1]
    if at == 0:  # the first candidate is the middle of the first edge
        x0 += np.sign(vertices[(start + step) % n, 0] - vertices[start, 0])
        y0 += np.sign(vertices[(start + step) % n, 1] - vertices[start, 1])
    else:
        arc[_EDGE, 0], arc[_AREA, 0] = 0, 0
        arc[_SX, 0], arc[_SY, 0], arc[_SXX, 0], arc[_SXY, 0], arc[_SYY, 0] = 0, 0, 0, 0, 0
    n_edges, area = 0, 0
    sx, sy, sxx, sxy, syy = 0, 0, 0, 0, 0
    here = start
    for _ in range(n_stretches):
        there = here + step
        if there >= n:  # % takes longer
            there -= n
        x, y = 2 * vertices[here, 0] - x0, 2 * vertices[here, 1] - y0
        to_x, to_y = 2 * vertices[there, 0] - x0, 2 * vertices[there, 1] - y0
        length = (abs(to_x - x) + abs(to_y - y)) // 2
        dx, dy = np.sign(to_x - x), np.sign(to_y - y)
        for place in range(min(length, 2)):
            first = place == 0
            u, v = (x + dx, y + dy) if first else (to_x - dx, to_y - dy)
            before = 0 if first else length - 1
            _place(arc, at, x0 + u, y0 + v)
            arc[_GX, at], arc[_GY, at] = -dy, dx
            arc[_EDGE, at] = n_edges + before + 1
            # the middles before lie evenly about their own middle
            middle_x, middle_y = x + before * dx, y + before * dy
            spread = before * (before * before - 1) // 3
            arc[_SX, at] = sx + before * middle_x
            arc[_SY, at] = sy + before * middle_y
            arc[_SXX, at] = sxx + before * middle_x * middle_x + spread * dx * dx
            arc[_SXY, at] = sxy + before * middle_x * middle_y
            arc[_SYY, at] = syy + before * middle_y * middle_y + spread * dy * dy
            arc[_AREA, at] = area + _HALF * _HALF * (x * v - y * u)
            at += 1
        middle_x, middle_y = x + length * dx, y + length * dy
        spread = length * (length * length - 1) // 3
        sx += length * middle_x
        sy += length * middle_y
        sxx += length * middle_x * middle_x + spread * dx * dx
        sxy += length * middle_x * middle_y
        syy += length * middle_y * middle_y + spread * dy * dy
        area += _HALF * _HALF * (x * to_y - y * to_x)
        n_edges += length
        here = there
    arc[_EDGE, at], arc[_AREA, at] = n_edges + 1, area
    arc[_SX, at], arc[_SY, at], arc[_SXX, at], arc[_SXY, at], arc[_SYY, at] = sx, sy, sxx, sxy, syy
    return at


@borrowing
def _add_chords(arc, off, last, ahead, is_ring, out):
    """Write the ends of the chords from candidate 0 to `last`, but for the one at the arc's end.

    They move along their gates so that the area is kept, one after the other, and at the end that
    at which a ring without nodes begins.
    """
    _find_chords(arc, off, last)
    n = arc[_LEFT, 0]
    ends = arc[_LIST]
    at = last
    for k in range(n, -1, -1):
        ends[k] = at
        out[k, 0], out[k, 1] = _HALF * arc[_X, at], _HALF * arc[_Y, at]
        at = arc[_BEFORE, at]
    # twice the area up to an end, with the first one, where it was
    x0, y0 = out[0, 0], out[0, 1]
    area = 0.0
    for k in range(1, n):
        wanted = arc[_AREA, ends[k + 1]] - area
        wanted -= _turn(out[k - 1, 0] - x0, out[k - 1, 1] - y0, out[k, 0] - x0, out[k, 1] - y0)
        wanted -= _turn(out[k, 0] - x0, out[k, 1] - y0, out[k + 1, 0] - x0, out[k + 1, 1] - y0)
        _move(arc, out, ends, k - 1, k, k + 1, wanted)
        area += _turn(out[k - 1, 0] - x0, out[k - 1, 1] - y0, out[k, 0] - x0, out[k, 1] - y0)
    if is_ring:
        ends[n] = last  # for the gates before it, as the end of the last chord
        _move(arc, out, ends, n - 1, n, 1, arc[_AREA, last] - area)
        out[0, 0], out[0, 1] = out[n, 0], out[n, 1]
    if not ahead:
        for k in range((n + 1) // 2):
            for i in range(2):
                out[k, i], out[n - k, i] = out[n - k, i], out[k, i]
    return n


@borrowing
def _turn(x, y, to_x, to_y):
    """Twice the area of the triangle between (0, 0) and two points, with its sign."""
    return x * to_y - y * to_x


@borrowing
def _find_chords(arc, off, last):
    """Find the way from candidate 0 to `last` with the fewest chords.

    Of those ways, the one with the least sum of squared distances of the middles that its chords
    pass. How few chords lead from each candidate to the end is found first, and with which next
    candidates, so that distances are summed on such ways only.
    """
    left, before, ways, seen = arc[_LEFT], arc[_BEFORE], arc[_NEXT], arc[_LIST]
    left[last], before[last] = 0, _NONE
    for i in range(last - 1, -1, -1):
        n_seen = _look(arc, i, last, seen)
        fewest, bits = _MANY, 0
        for k in range(n_seen):
            j = seen[k]
            bits = (bits if left[j] >= fewest else 0) | ((left[j] <= fewest) << (j - i - 1 & 63))
            fewest = min(fewest, left[j])
        left[i], before[i] = fewest + 1, _NONE
        ways[i] = bits if seen[n_seen - 1] - i <= _N_BITS else 0
    before[0], off[0] = 0, 0.0
    for i in range(last):
        if before[i] == _NONE:
            continue
        n_seen = _unpack(ways[i], i, seen) if ways[i] != 0 else _look(arc, i, last, seen)
        n_left, off_i = left[i] - 1, off[i]
        for k in range(n_seen):
            j = seen[k]
            if left[j] == n_left and (before[j] == _NONE or off_i < off[j]):
                total = off_i + _squares(arc, i, j)
                if before[j] == _NONE or total < off[j]:
                    before[j], off[j] = i, total


@inlined
def _unpack(bits, i, seen):
    """List the candidates after `i` whose bits are set; returns how many."""
    n_seen = 0
    while bits != 0:
        i += 1
        seen[n_seen] = i
        n_seen += bits & 1
        bits >>= 1
    return n_seen


@inlined
def _look(arc, i, last, seen):
    """List the candidates after `i` that a chord from it leads to; returns how many.

    The chord goes `along` so much and `across` so much of the edge after it; across / along of
    those that pass all gates so far is from `low` to `high`.
    """
    # the edge after it, which the next candidate is in the middle or, of a node, at the end of
    is_node = arc[_GX, i + 1] == 0 and arc[_GY, i + 1] == 0
    if arc[_GX, i if is_node else i + 1] == 0:
        main, other, gate = _X if arc[_X, i + 1] > arc[_X, i] else _MINUS_X, _Y, _GY
    else:
        main, other, gate = _Y if arc[_Y, i + 1] > arc[_Y, i] else _MINUS_Y, _X, _GX
    a_i, b_i = arc[main, i], arc[other, i]
    low, high = -_WIDE, _WIDE
    n_seen = 0
    for at in range(i + 1, min(last, i + _REACH) + 1):
        j = np.uint64(at)  # no index from the end, which takes longer
        along = arc[main, j] - a_i
        across = float(arc[other, j] - b_i)
        if 0 < along < _N_NEAR:
            lying = np.uint64(4 * along + arc[gate, j])
            inverse, nearer = _GATES[lying, 0], _GATES[lying, 1]
            farther, aside = _GATES[lying, 2], _GATES[lying, 3]
        elif along <= 0:
            break
        else:
            ahead, aside = (_USED, 0.0) if arc[gate, j] == 0 else (0.0, _USED)
            inverse, nearer, farther = 1 / along, 1 / (along - ahead), 1 / (along + ahead)
        slope = across * inverse
        seen[n_seen] = at
        n_seen += (low <= slope) & (slope <= high)
        one, two = (across - aside) * nearer, (across + aside) * farther
        low, high = max(low, min(one, two)), min(high, max(one, two))
        if low > high:
            break
    return n_seen


@borrowing
def _squares(arc, i, j):
    """Sum of the squared distances of the middles between two candidates to the chord."""
    x, y = arc[_X, i] - arc[_X, 0], arc[_Y, i] - arc[_Y, 0]
    n = arc[_EDGE, j] - arc[_EDGE, i] - 1
    if n == 0:
        return 0.0
    own = 1 if arc[_EDGE, i] > 0 else 0  # a node is no middle
    u, v = float(arc[_X, j] - arc[_X, i]), float(arc[_Y, j] - arc[_Y, i])
    sx, sy = arc[_SX, j] - arc[_SX, i] - own * x, arc[_SY, j] - arc[_SY, i] - own * y
    xx = arc[_SXX, j] - arc[_SXX, i] - own * x * x - x * (2 * sx - n * x)
    xy = arc[_SXY, j] - arc[_SXY, i] - own * x * y - x * sy - y * (sx - n * x)
    yy = arc[_SYY, j] - arc[_SYY, i] - own * y * y - y * (2 * sy - n * y)
    return (u * (u * yy - 2 * v * xy) + v * v * xx) / (u * u + v * v)


@borrowing
def _move(arc, out, ends, before, k, after, wanted):
    """Move the end k of two chords, from the end `before` and to `after`, along its gate.

    By whole eighths, so that twice the area gains what is `wanted`, as nearly as can be with both
    chords passing their gates; what is left over is wanted of the next end.
    """
    gx, gy = arc[_GX, ends[k]], arc[_GY, ends[k]]
    gain = _turn(gx, gy, out[after, 0] - out[before, 0], out[after, 1] - out[before, 1])
    if gain == 0:
        return
    eighths = min(int(np.floor(abs(wanted / gain) + 0.5)), _MOST)
    sign = 1 if wanted * gain > 0 else -1
    x, y = out[k, 0], out[k, 1]
    # of a ring's first end, which is its last: the gates after it are those after candidate 0
    own = ends[k] if after > k else 0
    while eighths > 0:
        out[k, 0], out[k, 1] = x + sign * eighths * gx, y + sign * eighths * gy
        if _passes(arc, out, before, k, ends[before], ends[k]) and _passes(
            arc, out, k, after, own, ends[after]
        ):
            return
        eighths -= 1
    out[k, 0], out[k, 1] = x, y


@borrowing
def _passes(arc, out, k, to, before, after):
    """Whether the chord between two ends passes the gates between two candidates."""
    u, v = out[to, 0] - out[k, 0], out[to, 1] - out[k, 1]
    for c in range(before + 1, after):
        gate_x, gate_y = (
            _FINE * (_HALF * arc[_X, c] - out[k, 0]),
            _FINE * (_HALF * arc[_Y, c] - out[k, 1]),
        )
        # the chord goes ahead through the gate, and has an end of it on either side
        ahead = _USED_FINE * _turn(u, v, arc[_GX, c], arc[_GY, c])
        if ahead <= 0 or abs(_turn(u, v, gate_x, gate_y)) > ahead:
            return False
    return True
