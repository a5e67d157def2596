"""Points among runs: which run the pixel that a point lies in belongs to.

An index tells for each row, and each block of columns, where to begin to look. From there it is
a run or two: a block of 32 columns has few.
"""

import numpy as np

from postseg._kernels import kernel

BAND = 5  # of 32 rows


@kernel
def index(row, stop, height, n_blocks, shift):
    """Where the runs of each block begin: (height * n_blocks + 1,) int32.

    Block b of a row begins with the column ``b << shift``. At ``r * n_blocks + b`` stands the first
    run of row r that stops beyond that, or the first of the rows below.
    """
    first = np.empty(height * n_blocks + 1, np.int32)
    i = 0
    for r in range(height):
        end = i
        while end < row.size and row[end] == r:
            end += 1
        for b in range(n_blocks):
            while i < end and stop[i] <= b << shift:
                i += 1
            first[r * n_blocks + b] = i
        i = end
    first[height * n_blocks] = row.size
    return first


@kernel
def look_up(x, y, matrix, rows, columns, first, n_blocks, shift, start, stop, owner, ends, found):
    """Write whose run each point lies in to `found`, and return the extent of the finite ones.

    `matrix` takes (x, y) to full-resolution pixels, of which pixel i spans [i, i + 1) and shows
    ``rows[i]`` or ``columns[i]`` of the masks. `owner` is whose each run is, from 1, and in
    `found` from 0; `ends` stands for no run, for outside, and for what is not finite. The extent
    is the least u and v, and the largest, in full-resolution pixels.

    Points are looked up band by band of rows, whose part of index and runs fits in the cache: that
    is three times faster where they come in no order, and no slower where they do.
    """
    u_of_x, u_of_y, u_of_1 = matrix[0, 0], matrix[0, 1], matrix[0, 2]
    v_of_x, v_of_y, v_of_1 = matrix[1, 0], matrix[1, 1], matrix[1, 2]
    nothing, outside, invalid = ends[0], ends[1], ends[2]
    width, height = columns.size, rows.size
    left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
    inside = np.empty((x.size, 2), np.int32)  # row and column in the masks; row -1 of others
    n_bands = ((first.size - 1) // n_blocks >> BAND) + 1
    after = np.zeros(n_bands + 1, np.int64)  # where its points begin, then where they end
    for i in range(x.size):
        inside[i, 0] = -1
        if not (np.isfinite(x[i]) and np.isfinite(y[i])):
            found[i] = invalid
            continue
        u = u_of_x * x[i] + u_of_y * y[i] + u_of_1
        v = v_of_x * x[i] + v_of_y * y[i] + v_of_1
        left, right = min(left, u), max(right, u)
        top, bottom = min(top, v), max(bottom, v)
        if not (u >= 0 and u < width and v >= 0 and v < height):
            found[i] = outside
            continue
        row = rows[int(v)]
        inside[i, 0], inside[i, 1] = row, columns[int(u)]
        after[(row >> BAND) + 1] += 1
    for band in range(n_bands):
        after[band + 1] += after[band]
    points = np.empty((after[n_bands], 3), np.int32)  # number, row and column, by band
    for i in range(x.size):
        row = inside[i, 0]
        if row >= 0:
            k = after[row >> BAND]
            after[row >> BAND] += 1
            points[k, 0], points[k, 1], points[k, 2] = i, row, inside[i, 1]
    for k in range(points.shape[0]):
        i, row, column = points[k, 0], points[k, 1], points[k, 2]
        place = row * n_blocks
        end = first[place + n_blocks]
        j = first[place + (column >> shift)]
        while j < end and stop[j] <= column:
            j += 1
        found[i] = owner[j] - 1 if j < end and start[j] <= column else nothing
    return left, top, right, bottom
