"""Runs of tiles: clipped, intersected, united, placed over one another.

Runs are as in `runs`. Shapes are runs grouped by shape, each one's in raster order: shape k has
the runs ``offsets[k]:offsets[k + 1]``. Nothing here knows what a tile or a cell is.
"""

import numpy as np

from postseg._kernels import compiled, kernel
from postseg._kernels.runs import connect, root_of

KEPT, TRIMMED, BEATEN = 0, 1, 2  # what `place` makes of a shape


@kernel
def clip(row, start, stop, owner, top, left, bottom, right):
    """Row, start, stop and owner of the runs in a rectangle, cut at its sides."""
    first, last = np.searchsorted(row, top), np.searchsorted(row, bottom)
    n = 0
    for i in range(first, last):
        n += start[i] < right and stop[i] > left
    rows, starts, stops = np.empty((3, n), np.int32)
    owners = np.empty(n, np.int32)
    n = 0
    for i in range(first, last):
        if start[i] < right and stop[i] > left:
            rows[n] = row[i]
            starts[n] = max(start[i], left)
            stops[n] = min(stop[i], right)
            owners[n] = owner[i]
            n += 1
    return rows, starts, stops, owners


@kernel
def intersect(row, start, stop, other_row, other_start, other_stop):
    """What two images have in common: the runs i and j of each that share n pixels, (3, m)."""
    found = np.empty((3, row.size + other_row.size), np.int64)
    m = 0
    i = j = 0
    while i < row.size and j < other_row.size:
        if row[i] == other_row[j]:
            n = min(stop[i], other_stop[j]) - max(start[i], other_start[j])
            if n > 0:
                found[0, m] = i
                found[1, m] = j
                found[2, m] = n
                m += 1
        if (row[i], stop[i]) < (other_row[j], other_stop[j]):
            i += 1
        else:
            j += 1
    return found[:, :m]


@kernel
def extents(row, start, stop, number, n):
    """Measure n pieces, of runs numbered from 1.

    Returns
    -------
    area : (n,) int64
    box : (n, 4) int64
        First row and column, and the ones after the last.
    twice : (n, 2) int64
        Twice the sums of the rows and columns of pixel centres, which lie at halves.
    first : (n, 2) int64
        Row and column of the first pixel.
    """
    area = np.zeros(n, np.int64)
    box = np.zeros((n, 4), np.int64)
    twice = np.zeros((n, 2), np.int64)
    first = np.zeros((n, 2), np.int64)
    for i in range(row.size):
        k = number[i] - 1
        length = np.int64(stop[i]) - start[i]
        if area[k] == 0:
            first[k, 0] = box[k, 0] = row[i]
            first[k, 1] = box[k, 1] = start[i]
        area[k] += length
        box[k, 1] = min(box[k, 1], start[i])
        box[k, 2] = row[i] + 1
        box[k, 3] = max(box[k, 3], stop[i])
        twice[k, 0] += length * (2 * np.int64(row[i]) + 1)
        twice[k, 1] += length * (np.int64(start[i]) + stop[i])
    return area, box, twice, first


@kernel
def owners(tile, area, twice, rectangles, internal, offsets, around):
    """Which tile sees the centroid of each piece from deepest within, (n,) int64.

    Tile t and those that may see its pieces are ``around[offsets[t]:offsets[t + 1]]``, ascending:
    of equal ones the first counts. `internal` (n_tiles, 4) tells which sides of the `rectangles`
    are, depths are the distances to those.
    """
    found = np.empty(tile.size, np.int64)
    for k in range(tile.size):
        n = 2 * area[k]  # depths are compared as whole numbers, in units of 1 / n
        deepest = np.int64(-1)
        for i in range(offsets[tile[k]], offsets[tile[k] + 1]):
            depth = np.int64(1) << 62
            inside = True
            for axis in range(2):
                before = twice[k, axis] - n * rectangles[around[i], axis]
                behind = n * rectangles[around[i], axis + 2] - twice[k, axis]
                inside &= before >= 0 and behind > 0
                if internal[around[i], axis]:
                    depth = min(depth, before)
                if internal[around[i], axis + 2]:
                    depth = min(depth, behind)
            if inside and depth > deepest:
                deepest = depth
                found[k] = around[i]
    return found


@kernel
def join(one, other, tile, whole):
    """Join pieces by links, first come first served; returns the root of each, and what failed.

    A link fails, (n_links,) bool, that would put a whole piece together with another piece of its
    tile.
    """
    n = tile.size
    parent = np.arange(n)
    following = np.full(n, -1)  # the members of a group, from its root on
    last = np.arange(n)
    refused = np.zeros(one.size, np.bool_)
    for i in range(one.size):
        a = root_of(parent, one[i])
        b = root_of(parent, other[i])
        if a == b:
            continue
        x = a
        while x >= 0 and not refused[i]:
            y = b
            while y >= 0:
                if tile[x] == tile[y] and (whole[x] or whole[y]):
                    refused[i] = True
                    break
                y = following[y]
            x = following[x]
        if not refused[i]:
            parent[b] = a
            following[last[a]] = b
            last[a] = last[b]
    for i in range(n):
        parent[i] = root_of(parent, i)
    return parent, refused


@kernel
def unite(owner, row, start, stop):
    """Unite runs of one owner that overlap or touch.

    Runs come sorted, by row and start or by owner before that. Returns owner, row, start, stop of
    what they make, and the first run that begins within one of another owner in its row, or -1.
    """
    n = 0
    clash = -1
    owners = np.empty_like(owner)
    rows, starts, stops = np.empty_like(row), np.empty_like(start), np.empty_like(stop)
    for i in range(row.size):
        if n > 0 and rows[n - 1] == row[i] and start[i] <= stops[n - 1]:
            if owners[n - 1] == owner[i]:
                stops[n - 1] = max(stops[n - 1], stop[i])
                continue
            if clash < 0 and start[i] < stops[n - 1]:
                clash = i
        owners[n] = owner[i]
        rows[n] = row[i]
        starts[n] = start[i]
        stops[n] = stop[i]
        n += 1
    return owners[:n], rows[:n], starts[:n], stops[:n], clash


@compiled
def _without(runs, others):
    """The first runs (3, n) without the pixels of the others (3, m)."""
    left = np.empty((3, runs.shape[1] + others.shape[1]), np.int32)
    n = 0
    j = 0
    for i in range(runs.shape[1]):
        row, start, stop = runs[0, i], runs[1, i], runs[2, i]
        while j < others.shape[1] and (others[0, j], others[2, j]) <= (row, start):
            j += 1
        k = j  # the next run of ours may meet the same one
        while k < others.shape[1] and others[0, k] == row and others[1, k] < stop:
            if start < others[1, k]:
                left[0, n], left[1, n], left[2, n] = row, start, others[1, k]
                n += 1
            start = max(start, others[2, k])
            k += 1
        if start < stop:
            left[0, n], left[1, n], left[2, n] = row, start, stop
            n += 1
    return left[:, :n]


@compiled
def _pixels(runs):
    n = np.int64(0)
    for i in range(runs.shape[1]):
        n += runs[2, i] - runs[1, i]
    return n


@compiled
def _largest(runs):
    """The largest 8-connected part of some runs (3, n), of equal ones the first, and its pixels."""
    number, n_parts = connect(runs[0], runs[1], runs[2], np.zeros(runs.shape[1], np.int32))
    size = np.zeros(n_parts + 1, np.int64)
    for i in range(runs.shape[1]):
        size[number[i]] += runs[2, i] - runs[1, i]
    best = np.argmax(size)
    return runs[:, number == best], size[best]


@kernel
def place(offsets, runs, before, better):
    """Place shapes one after another, each without the pixels of better ones that were placed.

    What is left of a shape is its largest 8-connected part, or nothing where that is less than
    half of it.

    Parameters
    ----------
    offsets : (n + 1,) int64
    runs : (3, n_runs) int32
        Row, start and stop.
    before : (n + 1,) int64
    better : array of int64
        Shape k may share pixels with ``better[before[k]:before[k + 1]]``, all smaller than k.

    Returns
    -------
    offsets, runs
        What is left.
    outcome : (n,) int8
        `KEPT`, `TRIMMED` or `BEATEN`.
    """
    n = offsets.size - 1
    outcome = np.zeros(n, np.int8)
    placed = np.zeros(n + 1, np.int64)
    left = np.empty((3, runs.shape[1] + 16), np.int32)
    for k in range(n):
        shape = runs[:, offsets[k] : offsets[k + 1]].copy()
        area = _pixels(shape)
        rest = shape
        for i in range(before[k], before[k + 1]):
            j = better[i]
            rest = _without(rest, left[:, placed[j] : placed[j + 1]])
        if _pixels(rest) < area:
            part, size = _largest(rest)
            outcome[k] = TRIMMED if 2 * size >= area else BEATEN
            rest = part if 2 * size >= area else part[:, :0].copy()
        end = placed[k] + rest.shape[1]
        if end > left.shape[1]:
            more = np.empty((3, 2 * end), np.int32)
            more[:, : placed[k]] = left[:, : placed[k]]
            left = more
        left[:, placed[k] : end] = rest
        placed[k + 1] = end
    return placed, left[:, : placed[n]], outcome


@kernel
def renumber(owner, n):
    """Number owners 0..n - 1 by their first run: of each owner (0: it has none), and of the runs.

    Both int32, numbers from 1.
    """
    number = np.zeros(n, np.int32)
    of_runs = np.empty(owner.size, np.int32)
    found = 0
    for i in range(owner.size):
        if number[owner[i]] == 0:
            found += 1
            number[owner[i]] = found
        of_runs[i] = number[owner[i]]
    return number, of_runs
