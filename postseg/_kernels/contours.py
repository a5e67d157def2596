"""Outer outlines of regions: marching squares at level 0.5, walked along the runs.

A vertex sits in the middle of each edge between a pixel of the region and a 4-neighbour
outside. Seen with rows going down, the walk keeps the region on its right: up a run's left
side, right along its top, down a right side, left along a bottom::

            top of the run below ->
    up the  +-----------------+  down the right side: vertex (row, stop - 0.5)
    left    |  region         |
    side    +-----------------+
            <- bottom

Every run has two sides, LEFT and RIGHT, and from each side exactly one other side follows
after a stretch of horizontal edges. Where only a corner joins two pixels of the region, the
walk crosses over to the other pixel: regions are 8-connected (`fully_connected="high"`).
"""

import numpy as np

from postseg._kernels import borrowing, kernel
from postseg._kernels.search import first_stopping_after

LEFT, RIGHT = 0, 1


@borrowing
def _follow(run, side, row, start, stop, top, rows):
    """The side after (run, side), with the horizontal edges from column `a` to `b` between.

    ``rows[t + 1]`` is the first run of the region's row t, counted from its `top`. The edges
    lie below the run's row on a RIGHT side, above it on a LEFT side; they are passed from `a`
    towards `b`, half open at the larger column whichever way that is.
    """
    t = row[run] - top
    if side == RIGHT:
        e = stop[run]
        low, high = rows[t + 2], rows[t + 3]
        j = first_stopping_after(stop, low, high, e)
        if j < high and start[j] <= e:  # along the top of j, up the next run of this row?
            if run + 1 < low and start[run + 1] <= stop[j]:
                return run + 1, LEFT, e, start[run + 1]
            return j, RIGHT, e, stop[j]
        if j > low and stop[j - 1] >= start[run]:  # back along the bottom, down the run below
            return j - 1, RIGHT, e, stop[j - 1]
        return run, LEFT, e, start[run]
    s = start[run]
    low, high = rows[t], rows[t + 1]
    j = first_stopping_after(stop, low, high, s - 1)
    if j < high and start[j] < s:  # along the bottom of j, down the previous run of this row?
        if run - 1 >= high and stop[run - 1] >= start[j]:
            return run - 1, RIGHT, s, stop[run - 1]
        return j, LEFT, s, start[j]
    if j < high and start[j] <= stop[run]:
        return j, LEFT, s, start[j]
    return run, RIGHT, s, stop[run]


@borrowing
def row_starts(k, offsets, row, rows):
    """First run of each row of region k, with an empty row before and after: see `_follow`."""
    begin, end = offsets[k], offsets[k + 1]
    rows[0] = begin
    t = 1
    for i in range(begin, end):
        if i == begin or row[i] != row[i - 1]:
            rows[t] = i
            t += 1
    rows[t] = end
    rows[t + 1] = end


@borrowing
def tallest(first, last, offsets, row):
    height = 0
    for k in range(first, last):
        height = max(height, row[offsets[k + 1] - 1] - row[offsets[k]] + 1)
    return height


@kernel
def outline_lengths(first, last, offsets, row, start, stop, length):
    """Fill ``first:last`` of `length` (n,) int64: pixel edges on each region's outer outline."""
    rows = np.empty(tallest(first, last, offsets, row) + 3, np.int64)
    for k in range(first, last):
        row_starts(k, offsets, row, rows)
        top = row[offsets[k]]
        end = offsets[k + 1] - 1
        run, side, n = end, RIGHT, 0
        while True:
            run, side, a, b = _follow(run, side, row, start, stop, top, rows)
            n += 1 + abs(b - a)
            if run == end and side == RIGHT:
                break
        length[k] = n


@kernel
def trace(first, last, offsets, row, start, stop, bounds, x_scale, y_scale, y_shift, coords):
    """Write the closed outline of region k into ``coords[bounds[k]:bounds[k + 1]]``.

    A vertex is (x, y) = (x_scale * column, y_scale * row + y_shift). The outline begins below
    the region's last pixel, where ``skimage.measure.find_contours`` begins: unscaled, the two
    give the same array.
    """
    rows = np.empty(tallest(first, last, offsets, row) + 3, np.int64)
    for k in range(first, last):
        row_starts(k, offsets, row, rows)
        top = row[offsets[k]]
        end = offsets[k + 1] - 1
        run, side, n = end, RIGHT, bounds[k]
        while True:
            y = y_scale * (row[run] + (0.5 if side == RIGHT else -0.5)) + y_shift
            run, side, a, b = _follow(run, side, row, start, stop, top, rows)
            # rightwards a, ..., b - 1; leftwards a - 1, ..., b
            step = 1 if b > a else -1
            c = a if b > a else a - 1
            for _ in range(abs(b - a)):
                coords[n, 0] = x_scale * c
                coords[n, 1] = y
                c += step
                n += 1
            coords[n, 0] = x_scale * ((start[run] if side == LEFT else stop[run]) - 0.5)
            coords[n, 1] = y_scale * row[run] + y_shift
            n += 1
            if run == end and side == RIGHT:
                break
        coords[n] = coords[bounds[k]]
