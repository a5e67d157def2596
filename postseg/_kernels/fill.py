"""Pixels of polygons, and the holes of cells, as runs.

A pixel (row, col) spans ``[col, col + 1]`` in x and ``[row, row + 1]`` in y. It belongs to a
polygon when its centre does, by the even-odd rule, so that holes are left out. A centre on an
edge belongs to the side of larger x or y, so polygons that tile the plane share no pixel::

    y = row + 0.5   .   .   x---.---.---.---x   .     the edges of a polygon cross the centre line
                            start           stop      of a row an even number of times

Cells are runs grouped by cell, each cell's in raster order: cell k owns the runs
``offsets[k]:offsets[k + 1]``. Nothing here is shared with `contours`, which it is to check.
"""

import numpy as np

from postseg._kernels import compiled, kernel
from postseg._kernels.runs import root_of

TIE = 1e-6  # pixels: further than rounding in a transformation takes a vertex off a centre
FAR = 1 << 29  # columns beyond are cut there, so that runs and their lengths fit int32


@compiled
def _first_centre(x):
    """First pixel whose centre is not before the coordinate `x`."""
    x -= 0.5
    nearest = np.rint(x)
    return nearest if abs(x - nearest) < TIE else np.ceil(x)


@compiled
def _rows_crossed(y, other_y, low, high):
    """Rows of ``low:high`` whose centre line an edge between two heights crosses, half open."""
    first = _first_centre(min(y, other_y))
    last = _first_centre(max(y, other_y))
    return int(min(max(first, low), high)), int(min(max(last, low), high))


@kernel
def count_crossings(xy, rings, cells, low, high):
    """How often each cell crosses the centre lines of its rows: (n,) int64.

    Cell k has the closed rings ``cells[k]:cells[k + 1]``, ring r the vertices
    ``xy[rings[r]:rings[r + 1]]``, and the rows ``low[k]:high[k]`` are looked at.
    """
    count = np.zeros(cells.size - 1, np.int64)
    for k in range(count.size):
        for r in range(cells[k], cells[k + 1]):
            for i in range(rings[r], rings[r + 1] - 1):
                begin, end = _rows_crossed(xy[i, 1], xy[i + 1, 1], low[k], high[k])
                count[k] += end - begin
    return count


@kernel
def fill(xy, rings, cells, low, high, offsets):
    """Runs of cells, those of cell k from ``offsets[k]`` on: half as many as crossings.

    Returns row, start, stop; runs without a centre in them are there too, with stop == start.
    """
    row = np.empty(offsets[-1], np.int32)
    start = np.empty(offsets[-1], np.int32)
    stop = np.empty(offsets[-1], np.int32)
    for k in range(offsets.size - 1):
        crossings = np.empty(2 * (offsets[k + 1] - offsets[k]), np.int64)
        n = 0
        for r in range(cells[k], cells[k + 1]):
            for i in range(rings[r], rings[r + 1] - 1):
                x, y, next_x, next_y = xy[i, 0], xy[i, 1], xy[i + 1, 0], xy[i + 1, 1]
                begin, end = _rows_crossed(y, next_y, low[k], high[k])
                for t in range(begin, end):
                    column = _first_centre(x + (t + 0.5 - y) * (next_x - x) / (next_y - y))
                    # row and column in one number, to be sorted by both
                    crossings[n] = (t << 32) + int(min(max(column, -FAR), FAR)) + FAR
                    n += 1
        crossings.sort()
        for j in range(0, n, 2):
            i = offsets[k] + j // 2
            row[i] = crossings[j] >> 32
            start[i] = (crossings[j] & 0xFFFFFFFF) - FAR
            stop[i] = (crossings[j + 1] & 0xFFFFFFFF) - FAR
    return row, start, stop


@compiled
def _open_to(a, b, begin, end, start, stop):
    """Whether a column of ``a:b`` lies outside all that a row's runs ``begin:end`` span."""
    return begin == end or a < start[begin] or b > stop[end - 1]


@kernel
def find_holes(first, last, offsets, row, start, stop, after_hole):
    """Mark in `after_hole` (n_runs,) bool the runs of a cell with a hole of it on their left.

    A hole is a 4-connected piece of the cell's outside that does not reach beyond the cell. A
    gap is what lies between two runs of a row; gaps of successive rows that share a column
    join, and a gap next to a row that does not span it is open.
    """
    longest = 0
    for k in range(first, last):
        longest = max(longest, offsets[k + 1] - offsets[k])
    # by run, for the gap on its left; 0, which has none, stands for the outside
    parent = np.empty(longest, np.int64)
    for k in range(first, last):
        base, end = offsets[k], offsets[k + 1]
        for i in range(end - base):
            parent[i] = i
        above = base
        here = base
        while here < end:
            here_end = here
            while here_end < end and row[here_end] == row[here]:
                here_end += 1
            below_end = here_end
            while below_end < end and row[below_end] == row[here] + 1:
                below_end += 1
            if above < here and row[above] != row[here] - 1:
                above = here
            j = above + 1
            for i in range(here + 1, here_end):
                a, b = stop[i - 1], start[i]
                if _open_to(a, b, above, here, start, stop) or _open_to(
                    a, b, here_end, below_end, start, stop
                ):
                    parent[root_of(parent, i - base)] = 0
                while j < here and start[j] <= a:
                    j += 1
                while j < here and stop[j - 1] < b:
                    one, other = root_of(parent, i - base), root_of(parent, j - base)
                    parent[max(one, other)] = min(one, other)
                    if start[j] >= b:  # the gap above may go on to the next gap of this row
                        break
                    j += 1
            above = here
            here = here_end
        after_hole[base] = False
        for i in range(base + 1, end):
            after_hole[i] = row[i] == row[i - 1] and root_of(parent, i - base) != 0
