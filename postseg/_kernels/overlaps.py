"""Pixels that cells, as runs, have in common; runs as in `fill`."""

import numpy as np

from postseg._kernels import kernel
from postseg._kernels.search import first_stopping_after


@kernel
def count_shared(first, last, offsets, row, start, stop, others, other_runs, shared):
    """Fill ``first:last`` of `shared` (n,) int64: pixels of cell k in one and in the other set.

    The other set has the offsets `others` and the (row, start, stop) `other_runs`.
    """
    other_row, other_start, other_stop = other_runs
    for k in range(first, last):
        n = 0
        i, j = offsets[k], others[k]
        while i < offsets[k + 1] and j < others[k + 1]:
            if row[i] == other_row[j]:
                n += max(0, min(stop[i], other_stop[j]) - max(start[i], other_start[j]))
            if (row[i], stop[i]) < (other_row[j], other_stop[j]):
                i += 1
            else:
                j += 1
        shared[k] = n


@kernel
def count_edges(first, last, offsets, row, start, stop, edges):
    """Fill ``first:last`` of `edges` (n,) int64: pixel edges between cell k and its outside."""
    for k in range(first, last):
        n = 0
        above = offsets[k]
        for i in range(offsets[k], offsets[k + 1]):
            n += 2 + 2 * (stop[i] - start[i])
            while above < i and (row[above], stop[above]) <= (row[i] - 1, start[i]):
                above += 1
            j = above
            while j < i and row[j] == row[i] - 1 and start[j] < stop[i]:
                n -= 2 * (min(stop[i], stop[j]) - max(start[i], start[j]))
                j += 1
        edges[k] = n


@kernel
def count_covered(first, last, offsets, start, stop, cell, covered):
    """Add to `covered` (n,) int64 the pixels of each cell that another cell has too.

    Here ``offsets[t]:offsets[t + 1]`` are the runs of row t, in any order, of the cells `cell`.
    """
    for t in range(first, last):
        base, end = offsets[t], offsets[t + 1]
        starts = np.sort(start[base:end])
        stops = np.sort(stop[base:end])
        n = end - base
        # pixels covered at least twice, before each place where a run starts
        place = np.empty(2 * n + 1, np.int64)
        before = np.empty(2 * n + 1, np.int64)
        place[0] = -(1 << 40)
        before[0] = 0
        m = 0
        i = 0
        j = 0
        while j < n:
            x = stops[j]
            depth = i - j
            if i < n and starts[i] < x:
                x = starts[i]
                i += 1
            else:
                j += 1
            before[m + 1] = before[m] + (x - place[m] if depth > 1 else 0)
            place[m + 1] = x
            m += 1
        if before[m] == 0:
            continue
        for r in range(base, end):
            a = np.searchsorted(place, start[r])
            b = np.searchsorted(place, stop[r])
            covered[cell[r]] += before[b] - before[a]


@kernel
def best_of_others(first, last, cells, fine, others, other_fine, n_others, best, shared):
    """Fill ``first:last`` of `best` and `shared` (n,) int64: which other has most of each cell.

    Parameters
    ----------
    first, last : int
    cells : (offsets, row, start, stop)
        Of each cell, in any order.
    fine, other_fine : int
        How many pixels of the finer image a side of one of theirs is: one of the two is 1.
    others : (offsets, start, stop, number)
        Here ``offsets[t]:offsets[t + 1]`` are the runs of row t, in ascending order; `number` tells
        whose each is, from 1 to `n_others`.
    n_others : int
    best
        The number of the other with most pixels of the cell, of equal ones the smallest; 0 where
        more pixels are of none.
    shared
        How many pixels of the finer image that are.
    """
    offsets, row, start, stop = cells
    rows, other_start, other_stop, number = others
    pixels = np.zeros(n_others + 1, np.int64)  # of the cell at hand, by number
    met = np.empty(n_others, np.int64)  # numbers whose `pixels` are not 0
    for k in range(first, last):
        n = 0
        left = np.int64(0)
        for i in range(offsets[k], offsets[k + 1]):
            top = np.int64(row[i]) * fine
            begin, end = np.int64(start[i]) * fine, np.int64(stop[i]) * fine
            left += (end - begin) * fine
            for t in range(top, top + fine):
                until = rows[t // other_fine + 1]
                j = first_stopping_after(
                    other_stop, rows[t // other_fine], until, begin // other_fine
                )
                while j < until and np.int64(other_start[j]) * other_fine < end:
                    low = max(begin, np.int64(other_start[j]) * other_fine)
                    length = min(end, np.int64(other_stop[j]) * other_fine) - low
                    if pixels[number[j]] == 0:
                        met[n] = number[j]
                        n += 1
                    pixels[number[j]] += length
                    left -= length
                    j += 1
        best[k], shared[k] = 0, 0
        for m in range(n):
            its = met[m]
            if pixels[its] > shared[k] or (pixels[its] == shared[k] and its < best[k]):
                best[k], shared[k] = its, pixels[its]
            pixels[its] = 0
        if left > shared[k]:
            best[k], shared[k] = 0, left
