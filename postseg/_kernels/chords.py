"""Simplify borders: few chords through the narrow band around the edges of pixels.

A ring is a closed walk over lattice points. It is cut into *arcs* at its nodes, see `junctions`.
Of an arc the middles of its edges, and the nodes at its ends, are *candidates*: chords lead from
one to another. Each edge has a *gate*, the unit segment that crosses it at right angles in its
middle, and a chord passes each edge that it skips through the edge's gate.

Why nothing can cross: the unit squares around the lattice points tile the plane, and gates are
their sides. A chord enters and leaves squares by gates only, in the order of the arc, and vertices
lie on gates; so an arc has one straight piece in the square of each of its lattice points, and
arcs that have no lattice point in common share no square. All arcs at a node begin in the middle
of its square and leave by different sides. At a joined saddle the two passes stay on either side
of the diagonal that is joined. The centres of pixels are the corners of squares, which nothing
reaches: a gate is used up to 0.49 from its middle. So each pixel is still within its own ring.

Whoever lies beside an arc simplifies it alike: all go through it in one direction, and coordinates
are whole numbers, in halves of a pixel.
"""

from postseg._kernels import compiled

_REACH = 1024  # edges that a chord may pass
_UNIT, _GATE = 50, 49  # of half a pixel, and of the usable half of a gate: hundredths of a pixel
_MANY = 2**31 - 1
# rows of the work table: of each candidate x, y, the direction of its gate, sums up to it over
# x, y, xx, xy, yy, chords that lead there at least, and the candidate before
_X, _Y, _GX, _GY, _SX, _SY, _SXX, _SXY, _SYY, _COUNT, _BACK = range(11)
N_ROWS = 11


@compiled
def corners(n, points, at_node, halves):
    """Write where the ring of `n` lattice points turns, and its nodes; returns how many.

    `points` are (x, y), `halves` the same in halves of a pixel.
    """
    size = 0
    before = n - 1
    for i in range(n):
        after = i + 1 if i + 1 < n else 0
        turns = (
            points[after, 0] - points[i, 0] != points[i, 0] - points[before, 0]
            or points[after, 1] - points[i, 1] != points[i, 1] - points[before, 1]
        )
        if turns or at_node[i]:
            halves[size, 0] = 2 * points[i, 0]
            halves[size, 1] = 2 * points[i, 1]
            size += 1
        before = i
    return size


@compiled
def simplified(n, points, at_node, work, cost, halves):
    """Write the vertices of the ring of `n` lattice points, simplified; returns how many.

    `points` are (x, y), `halves` in halves of a pixel; `work` (N_ROWS, n + 2) int64 and `cost`
    (n + 2,) float64 are written to.
    """
    first = 0
    while first < n and not at_node[first]:
        first += 1
    if first == n:
        return _closed(n, points, work, cost, halves)
    size = 0
    begin = first
    while True:
        n_edges = 1
        while not at_node[(begin + n_edges) % n]:
            n_edges += 1
        size = _arc(begin, n_edges, n, points, work, cost, halves, size)
        begin = (begin + n_edges) % n
        if begin == first:
            return size


@compiled
def _arc(begin, n_edges, n, points, work, cost, halves, size):
    """Add the vertices of an arc that begins at the node `begin`, but for its last."""
    end = (begin + n_edges) % n
    # one direction for whoever lies beside it: from the end that comes first in raster order,
    # of a loop towards the neighbour of its node that does
    one, other = begin, end
    if begin == end:
        one, other = (begin + 1) % n, (end + n - 1) % n
    ahead = points[one, 1] < points[other, 1] or (
        points[one, 1] == points[other, 1] and points[one, 0] < points[other, 0]
    )
    start, step = (begin, 1) if ahead else (end, n - 1)
    work[_X, 0], work[_Y, 0] = 2 * points[start, 0], 2 * points[start, 1]
    last = _middles(start, step, n_edges, n, points, work, 1)
    final = end if ahead else begin
    work[_X, last], work[_Y, last] = 2 * points[final, 0], 2 * points[final, 1]
    return _add_chords(last, ahead, work, cost, halves, size)


@compiled
def _closed(n, points, work, cost, halves):
    """Write the vertices of a ring without nodes.

    All go round it eastwards from its first lattice point in raster order, from the middle of the
    edge there.
    """
    start = 0
    for i in range(n):
        if points[i, 1] < points[start, 1] or (
            points[i, 1] == points[start, 1] and points[i, 0] < points[start, 0]
        ):
            start = i
    ahead = points[(start + 1) % n, 0] > points[start, 0]
    last = _middles(start, 1 if ahead else n - 1, n, n, points, work, 0)
    work[_X, last], work[_Y, last] = work[_X, 0], work[_Y, 0]
    return _add_chords(last, ahead, work, cost, halves, 0)


@compiled
def _middles(start, step, n_edges, n, points, work, at):
    """Enter the middles of edges as candidates from `at` on; returns the next place."""
    here = start
    for _ in range(n_edges):
        there = (here + step) % n
        work[_X, at] = points[here, 0] + points[there, 0]
        work[_Y, at] = points[here, 1] + points[there, 1]
        work[_GX, at] = points[here, 1] - points[there, 1]
        work[_GY, at] = points[there, 0] - points[here, 0]
        here = there
        at += 1
    return at


@compiled
def _add_chords(last, ahead, work, cost, halves, size):
    """Add the vertices that lead from candidate 0 to `last`, but for the one that ends the arc."""
    _find_chords(last, work, cost)
    n_chords = work[_COUNT, last]
    at = last
    for k in range(n_chords + 1):  # backwards
        place = n_chords - k if ahead else k
        if place < n_chords:
            halves[size + place, 0] = work[_X, at]
            halves[size + place, 1] = work[_Y, at]
        at = work[_BACK, at]
    return size + n_chords


@compiled
def _find_chords(last, work, cost):
    """Find the way from candidate 0 to `last` with the fewest chords.

    Of those ways, the one with the least sum of squared distances of the middles that its chords
    pass. From each candidate, a wedge of directions tells which others can be reached.
    """
    x, y, gx, gy = work[_X], work[_Y], work[_GX], work[_GY]
    sx, sy, sxx, sxy, syy = work[_SX], work[_SY], work[_SXX], work[_SXY], work[_SYY]
    count, back = work[_COUNT], work[_BACK]
    # from the first candidate, so that sums stay small
    x0, y0 = x[0], y[0]
    sx[0], sy[0], sxx[0], sxy[0], syy[0] = 0, 0, 0, 0, 0
    count[0], back[0], cost[0] = 0, 0, 0.0
    for j in range(1, last + 1):
        u, v = x[j] - x0, y[j] - y0
        sx[j], sy[j] = sx[j - 1] + u, sy[j - 1] + v
        sxx[j], sxy[j], syy[j] = sxx[j - 1] + u * u, sxy[j - 1] + u * v, syy[j - 1] + v * v
        count[j] = _MANY
    for i in range(last):
        chords = count[i] + 1
        j = i + 1
        u, v = x[j] - x[i], y[j] - y[i]
        if chords < count[j] or (chords == count[j] and cost[i] < cost[j]):
            count[j], back[j], cost[j] = chords, i, cost[i]
        # the wedge is from the direction (low_u, low_v) to (high_u, high_v)
        low_u, low_v = _UNIT * u - _GATE * gx[j], _UNIT * v - _GATE * gy[j]
        high_u, high_v = _UNIT * u + _GATE * gx[j], _UNIT * v + _GATE * gy[j]
        for j in range(i + 2, min(last, i + _REACH) + 1):
            u, v = x[j] - x[i], y[j] - y[i]
            if chords <= count[j] and low_u * v - low_v * u >= 0 and u * high_v - v * high_u >= 0:
                a, b, m = x[i] - x0, y[i] - y0, j - 1 - i
                tx, ty = sx[j - 1] - sx[i], sy[j - 1] - sy[i]
                xx = sxx[j - 1] - sxx[i] - 2 * a * tx + m * a * a
                yy = syy[j - 1] - syy[i] - 2 * b * ty + m * b * b
                xy = sxy[j - 1] - sxy[i] - a * ty - b * tx + m * a * b
                off = cost[i] + (u * u * yy - 2 * u * v * xy + v * v * xx) / (u * u + v * v)
                if chords < count[j] or off < cost[j]:
                    count[j], back[j], cost[j] = chords, i, off
            to_low_u, to_low_v = _UNIT * u - _GATE * gx[j], _UNIT * v - _GATE * gy[j]
            to_high_u, to_high_v = _UNIT * u + _GATE * gx[j], _UNIT * v + _GATE * gy[j]
            if (
                low_u * to_high_v - low_v * to_high_u < 0
                or to_low_u * high_v - to_low_v * high_u < 0
            ):
                break
            if low_u * to_low_v - low_v * to_low_u > 0:
                low_u, low_v = to_low_u, to_low_v
            if to_high_u * high_v - to_high_v * high_u > 0:
                high_u, high_v = to_high_u, to_high_v
