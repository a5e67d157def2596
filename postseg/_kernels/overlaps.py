"""Pixels that cells, as runs, have in common; runs as in `fill`."""

import numpy as np

from postseg._kernels import kernel


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
