"""Runs of tiles: clipped, measured, compared, joined and sorted.

Runs are as in `runs`. What lies where they overlap, `placing` decides.
"""

import numpy as np

from postseg._kernels import compiled, kernel
from postseg._kernels.runs import connect, root_of
from postseg._kernels.search import first_stopping_after


@kernel
def clip(row, start, stop, owner, top, left, bottom, right):
    """Row, start, stop and owner of the runs in a rectangle, cut at its sides."""
    last = first_stopping_after(row, 0, row.size, bottom - 1)
    found = np.empty((4, 1024), np.int32)
    n = 0
    i = first_stopping_after(row, 0, row.size, top - 1)
    while i < last:
        end = first_stopping_after(row, i, last, row[i])
        j = first_stopping_after(stop, i, end, left)
        while j < end and start[j] < right:
            if n == found.shape[1]:
                found = _twice(found)
            found[0, n] = row[j]
            found[1, n] = max(start[j], left)
            found[2, n] = min(stop[j], right)
            found[3, n] = owner[j]
            n += 1
            j += 1
        i = end
    return found[0, :n], found[1, :n], found[2, :n], found[3, :n]


@compiled
def _twice(found):
    """The same (k, n) with space for as many again."""
    more = np.empty((found.shape[0], 2 * found.shape[1]), found.dtype)
    for part in range(found.shape[0]):
        for i in range(found.shape[1]):
            more[part, i] = found[part, i]
    return more


@kernel
def count_rows(row, number, owner, top, counts):
    """Count in `counts`, by row from `top` on, the runs whose number has an owner, not -1."""
    for i in range(row.size):
        if owner[number[i]] >= 0:
            counts[row[i] - top] += 1


@kernel
def scatter(row, start, stop, number, owner, top, places, out):
    """Write those runs, and their owners, to `out` (4, n): of each row from its place on."""
    for i in range(row.size):
        its = owner[number[i]]
        if its >= 0:
            k = places[row[i] - top]
            places[row[i] - top] += 1
            out[0, k], out[1, k], out[2, k], out[3, k] = row[i], start[i], stop[i], its


@kernel
def settle(first, last, offsets, out):
    """Sort the runs of rows ``first:last``, which are nearly sorted, by their start."""
    for t in range(first, last):
        for i in range(offsets[t] + 1, offsets[t + 1]):
            start, stop, owner = out[1, i], out[2, i], out[3, i]
            k = i
            while k > offsets[t] and out[1, k - 1] > start:
                out[1, k], out[2, k], out[3, k] = out[1, k - 1], out[2, k - 1], out[3, k - 1]
                k -= 1
            out[1, k], out[2, k], out[3, k] = start, stop, owner


@kernel
def compare(one, other, whole, area, alike_enough):
    """Compare the pieces of two tiles where both see them.

    Parts of a piece there are its 8-connected components, numbered in raster order.

    Parameters
    ----------
    one, other : (row, start, stop, owner)
        Of each tile, the runs in the zone with the pieces, from 0, that they are of.
    whole, area : two arrays
        Of all pieces of each tile.
    alike_enough : float
        The least J of a link.

    Returns
    -------
    owner, other owner, pixels : (n,) int64
        A row for each two parts that share pixels.
    alike : (n,) float
        J where the two are each other's best; of equal ones that of the first part. Else 0.
    """
    number, n_parts = connect(*one)
    other_number, n_other_parts = connect(*other)
    size, piece = _sizes(one, number, n_parts)
    other_size, other_piece = _sizes(other, other_number, n_other_parts)
    # what runs share, in raster order
    shared = np.empty((3, number.size + other_number.size), np.int64)  # part, other part, pixels
    m = 0
    i = j = 0
    while i < number.size and j < other_number.size:
        rows = one[0][i] - other[0][j]
        n = min(one[2][i], other[2][j]) - max(one[1][i], other[1][j])
        if rows == 0 and n > 0:
            shared[0, m], shared[1, m], shared[2, m] = number[i] - 1, other_number[j] - 1, n
            m += 1
        if rows < 0 or (rows == 0 and one[2][i] < other[2][j]):
            i += 1
        else:
            j += 1
    # and what parts do
    order = _by(shared[0], _by(shared[1], np.arange(m), n_other_parts), n_parts)
    found = np.empty((3, m), np.int64)
    m = 0
    for k in order:
        u, v, n = shared[0, k], shared[1, k], shared[2, k]
        if m == 0 or found[0, m - 1] != u or found[1, m - 1] != v:
            found[0, m], found[1, m], found[2, m] = u, v, 0
            m += 1
        found[2, m - 1] += n
    owner, other_owner = np.empty(m, np.int64), np.empty(m, np.int64)
    alike = np.empty(m)
    for k in range(m):
        u, v, n = found[0, k], found[1, k], found[2, k]
        a, b = piece[u], other_piece[v]
        # a whole cell is compared with all of the other piece, a cut one with what both tiles see
        of_a = area[0][a] if whole[1][b] else size[u]
        of_b = area[1][b] if whole[0][a] else other_size[v]
        owner[k], other_owner[k], alike[k] = a, b, n / (of_a + of_b - n)
    link_best(found[0, :m], found[1, :m], alike, n_parts, n_other_parts, alike_enough)
    return owner, other_owner, found[2, :m].copy(), alike


@compiled
def _by(key, order, n):
    """Sort an order of things by their keys 0..n - 1; what is equal stays as it is."""
    place = np.zeros(n + 1, np.int64)
    for i in order:
        place[key[i] + 1] += 1
    for k in range(n):
        place[k + 1] += place[k]
    found = np.empty_like(order)
    for i in order:
        found[place[key[i]]] = i
        place[key[i]] += 1
    return found


@compiled
def _sizes(runs, number, n_parts):
    """Pixels and owner of each part."""
    size, owner = np.zeros(n_parts, np.int64), np.zeros(n_parts, np.int64)
    for i in range(number.size):
        size[number[i] - 1] += runs[2][i] - runs[1][i]
        owner[number[i] - 1] = runs[3][i]
    return size, owner


@compiled
def link_best(u, v, alike, n_u, n_v, alike_enough):
    """Set `alike` of parts that are not each other's best to 0; of equal ones the first is best."""
    best = _best(u, v, alike, n_u)
    other_best = _best(v, u, alike, n_v)
    for k in range(u.size):
        if best[u[k]] != k or other_best[v[k]] != k or alike[k] < alike_enough:
            alike[k] = 0


@compiled
def _best(part, other, alike, n):
    """Of each part 0..n - 1 the pair with the most alike one, of equal ones the first."""
    best = np.full(n, -1)
    for k in range(part.size):
        b = best[part[k]]
        if b < 0 or alike[k] > alike[b] or (alike[k] == alike[b] and other[k] < other[b]):
            best[part[k]] = k
    return best


@kernel
def pieces(row, start, stop, label, sides, internal, far):
    """Find and measure the n 8-connected pieces of labels in a tile.

    Parameters
    ----------
    row, start, stop, label : (n_runs,) arrays
    sides, internal : (4,) arrays
        Top, left, bottom and right of the tile, and which of them are not on the slide's edge.
    far : int
        Stands for the distance to a side where there is none.

    Returns
    -------
    number : (n_runs,) int32
        Of each run, from 0, in raster order of first pixels.
    label, area : (n,) int64
    box : (n, 4) int64
        First row and column, and the ones after the last.
    twice : (n, 2) int64
        Twice the sums of the rows and columns of pixel centres, which lie at halves.
    first : (n, 2) int64
        Row and column of the first pixel.
    room : (n,) int64
        Pixels between the box and the nearest internal side.
    depth : (n,) float
        Distance of the centroid to it; infinite where there is none.
    """
    number, n = connect(row, start, stop, label)
    of_piece = np.zeros(n, np.int64)
    area = np.zeros(n, np.int64)
    box = np.zeros((n, 4), np.int64)
    twice = np.zeros((n, 2), np.int64)
    first = np.zeros((n, 2), np.int64)
    for i in range(row.size):
        number[i] -= 1
        k = number[i]
        length = np.int64(stop[i]) - start[i]
        if area[k] == 0:
            of_piece[k] = label[i]
            first[k, 0] = box[k, 0] = row[i]
            first[k, 1] = box[k, 1] = start[i]
        area[k] += length
        box[k, 1] = min(box[k, 1], start[i])
        box[k, 2] = row[i] + 1
        box[k, 3] = max(box[k, 3], stop[i])
        twice[k, 0] += length * (2 * np.int64(row[i]) + 1)
        twice[k, 1] += length * (np.int64(start[i]) + stop[i])
    room, depth = np.full(n, far, np.int64), np.full(n, np.inf)
    for k in range(n):
        for side in range(4):
            if internal[side]:
                sign = 1 if side < 2 else -1
                room[k] = min(room[k], sign * (box[k, side] - sides[side]))
                # whole numbers until the last step: equal depths stay equal
                inside = sign * (twice[k, side % 2] - 2 * area[k] * sides[side])
                depth[k] = min(depth[k], inside / (2 * area[k]))
    return number, of_piece, area, box, twice, first, room, depth


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
    # the members of each group, and those of them that are whole, as lists
    following, last = np.full(n, -1), np.arange(n)
    next_whole, first_whole, last_whole = np.full(n, -1), np.full(n, -1), np.full(n, -1)
    for i in range(n):
        if whole[i]:
            first_whole[i] = last_whole[i] = i
    refused = np.zeros(one.size, np.bool_)
    for i in range(one.size):
        a = root_of(parent, one[i])
        b = root_of(parent, other[i])
        if a == b:
            continue
        refused[i] = _meet(first_whole[a], next_whole, b, following, tile) or _meet(
            first_whole[b], next_whole, a, following, tile
        )
        if not refused[i]:
            parent[b] = a
            following[last[a]] = b
            last[a] = last[b]
            if first_whole[a] < 0:
                first_whole[a] = first_whole[b]
            else:
                next_whole[last_whole[a]] = first_whole[b]
            if first_whole[b] >= 0:
                last_whole[a] = last_whole[b]
    for i in range(n):
        parent[i] = root_of(parent, i)
    return parent, refused


@compiled
def _meet(one, after, other, after_other, tile):
    """Whether two lists, each from a piece on, have pieces of one tile."""
    while one >= 0:
        y = other
        while y >= 0:
            if tile[one] == tile[y]:
                return True
            y = after_other[y]
        one = after[one]
    return False


@kernel
def renumber(owner, n):
    """Number owners 0..n - 1 from 1 on, as they come up: of runs (int64), and of each owner.

    The number of an owner (int32) without a run is 0.
    """
    number = np.zeros(n, np.int32)
    of_runs = np.empty(owner.size, np.int64)
    found = 0
    for i in range(owner.size):
        if number[owner[i]] == 0:
            found += 1
            number[owner[i]] = found
        of_runs[i] = number[owner[i]]
    return of_runs, number
