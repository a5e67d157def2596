"""Shapes placed over one another, so that no two share a pixel.

Runs are as in `runs`. Shapes are runs grouped by shape, each one's in raster order: shape k has
the runs ``offsets[k]:offsets[k + 1]``. Nothing here knows what a tile or a cell is.
"""

import numpy as np

from postseg._kernels import compiled, kernel
from postseg._kernels.runs import connect
from postseg._kernels.search import first_stopping_after

KEPT, TRIMMED, BEATEN = 0, 1, 2  # what `place` makes of a shape


@compiled
def _without(runs, others):
    """The first runs (3, n) without the pixels of the others (3, m)."""
    left = np.empty((3, runs.shape[1] + others.shape[1]), np.int32)
    n = 0
    j = 0
    for i in range(runs.shape[1]):
        row, start, stop = runs[0, i], runs[1, i], runs[2, i]
        while j < others.shape[1] and (
            others[0, j] < row or (others[0, j] == row and others[2, j] <= start)
        ):
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
    return _some(left, 0, n)


@compiled
def _within(runs, offsets, chosen, top, bottom):
    """Runs of the chosen shapes, which share no pixel, in rows `top` to `bottom`, in order."""
    first = np.empty(chosen.size, np.int64)
    last = np.empty(chosen.size, np.int64)
    n = 0
    for i in range(chosen.size):
        low, high = offsets[chosen[i]], offsets[chosen[i] + 1]
        first[i] = first_stopping_after(runs[0], low, high, top - 1)
        last[i] = first_stopping_after(runs[0], first[i], high, bottom)
        n += last[i] - first[i]
    found = np.empty((3, n), np.int32)
    n = 0
    for i in range(chosen.size):
        for j in range(first[i], last[i]):
            for part in range(3):
                found[part, n] = runs[part, j]
            n += 1
    return _in_order(found)


@compiled
def _in_order(runs):
    """Runs (3, n) sorted by row and start: merged, from pairs on, to ever longer stretches."""
    other = np.empty_like(runs)
    n = runs.shape[1]
    length = 1
    while length < n:
        for low in range(0, n, 2 * length):
            middle, high = min(low + length, n), min(low + 2 * length, n)
            i, j = low, middle
            for k in range(low, high):
                take = i < middle and (
                    j >= high
                    or runs[0, i] < runs[0, j]
                    or (runs[0, i] == runs[0, j] and runs[1, i] <= runs[1, j])
                )
                at = i if take else j
                i, j = (i + 1, j) if take else (i, j + 1)
                for part in range(3):
                    other[part, k] = runs[part, at]
        runs, other = other, runs
        length *= 2
    return runs


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
    best = 0
    for k in range(1, n_parts + 1):
        if size[k] > size[best]:
            best = k
    part = np.empty_like(runs)
    n = 0
    for i in range(runs.shape[1]):
        if number[i] == best:
            part[0, n], part[1, n], part[2, n] = runs[0, i], runs[1, i], runs[2, i]
            n += 1
    return part, n, size[best]


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
        rest = _some(runs, offsets[k], offsets[k + 1])
        area = _pixels(rest)
        if before[k] < before[k + 1]:
            rivals = better[before[k] : before[k + 1]]
            rest = _without(rest, _within(left, placed, rivals, rest[0, 0], rest[0, -1]))
        n_runs = rest.shape[1]
        if _pixels(rest) < area:
            rest, n_runs, size = _largest(rest)
            outcome[k] = TRIMMED if 2 * size >= area else BEATEN
            n_runs = n_runs if 2 * size >= area else 0
        end = placed[k] + n_runs
        if end > left.shape[1]:
            left = _some(left, 0, placed[k], 2 * end)
        for i in range(n_runs):
            for part in range(3):
                left[part, placed[k] + i] = rest[part, i]
        placed[k + 1] = end
    return placed, _some(left, 0, placed[n]), outcome


@compiled
def _some(runs, first, last, space=0):
    """A copy of the runs ``first:last`` (3, n), with space for so many at least."""
    found = np.empty((3, max(space, last - first)), np.int32)
    for i in range(first, last):
        for part in range(3):
            found[part, i - first] = runs[part, i]
    return found
