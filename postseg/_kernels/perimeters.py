"""Boundary pixels of regions by the kind of step they make, for the perimeter.

A border pixel has a 4-neighbour outside its region. Its code follows from how many border
pixels lie beside it (``o``, sharing an edge) and at its corners (``x``)::

    x o x
    o P o        code = 1 + 2 * (number of o) + 10 * (number of x)
    x o x

The codes, and the weight of each, are those of ``skimage.measure.perimeter`` (Benkrid and
Crookes' estimator): 1 for a straight step, sqrt(2) for a diagonal one, and half of either for a
bend. Codes without a weight (isolated pixels, ends, crossings) are not counted.
"""

import numpy as np

from postseg._kernels import compiled, kernel

CODES = np.array([5, 7, 13, 15, 17, 21, 23, 25, 27, 33])
_COLUMN = np.full(50, -1)
_COLUMN[CODES] = np.arange(CODES.size)


@compiled
def _border_columns(start, stop, above, above_end, here, here_end, below, below_end, out):
    """Columns of one row's border pixels, ascending, into `out`; returns how many.

    The row's runs are ``here:here_end``, those of its neighbours ``above:above_end`` and
    ``below:below_end``: a pixel is inside where all three rows cover it and it ends no run.
    """
    n = 0
    for i in range(here, here_end):
        last = stop[i] - 1
        out[n] = start[i]
        n += 1
        c = start[i] + 1
        while c < last:
            while above < above_end and stop[above] <= c:
                above += 1
            while below < below_end and stop[below] <= c:
                below += 1
            covered = above < above_end and below < below_end
            if covered and start[above] <= c and start[below] <= c:
                c = min(stop[above], stop[below], last)
            else:
                out[n] = c
                n += 1
                c += 1
        if last > start[i]:
            out[n] = last
            n += 1
    return n


@compiled
def _near(columns, n, i, c):
    """How many of `columns` equal `c`, and how many lie one off; the search begins at `i`."""
    while i < n and columns[i] < c - 1:
        i += 1
    beside = 0
    corner = 0
    j = i
    while j < n and columns[j] <= c + 1:
        if columns[j] == c:
            beside += 1
        else:
            corner += 1
        j += 1
    return i, beside, corner


@kernel
def perimeters(first, last, offsets, row, start, stop, bbox, steps):
    """Count border pixels by code: adds to rows ``first:last`` of `steps` (n, 10), see `CODES`."""
    width = np.int64(0)
    for k in range(first, last):
        width = max(width, bbox[k, 3] - bbox[k, 1])
    columns = np.empty((3, width), np.int32)
    count = np.zeros(3, np.int64)
    for k in range(first, last):
        end = offsets[k + 1]
        # runs of three successive rows; the border of row t sits in columns[t % 3]
        above = above_end = here = here_end = below = offsets[k]
        below_end = below
        while below_end < end and row[below_end] == row[below]:
            below_end += 1
        count[:] = 0
        height = bbox[k, 2] - bbox[k, 0]
        for t in range(height + 1):
            above, above_end = here, here_end
            here, here_end = below, below_end
            below = here_end
            below_end = below
            while below_end < end and row[below_end] == row[below]:
                below_end += 1
            ahead = t % 3
            count[ahead] = _border_columns(
                start, stop, above, above_end, here, here_end, below, below_end, columns[ahead]
            )
            if t == 0:
                continue
            # row t - 1 has both its neighbours now
            middle = (t + 2) % 3
            behind = (t + 1) % 3
            up = 0
            down = 0
            line = columns[middle]
            for i in range(count[middle]):
                c = line[i]
                up, beside, corner = _near(columns[behind], count[behind], up, c)
                down, more_beside, more_corner = _near(columns[ahead], count[ahead], down, c)
                beside += more_beside
                corner += more_corner
                beside += i > 0 and line[i - 1] == c - 1
                beside += i + 1 < count[middle] and line[i + 1] == c + 1
                kind = _COLUMN[1 + 2 * beside + 10 * corner]
                if kind >= 0:
                    steps[k, kind] += 1
