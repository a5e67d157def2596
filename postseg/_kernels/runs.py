"""Runs of a label image: encode, connect, group by region, paint, unite.

A run is a maximal horizontal stretch of one nonzero label, half open::

    column   0 1 2 3 4 5 6
    row 4    . 7 7 7 . 2 2      runs (4, 1, 4, 7) and (4, 5, 7, 2)

Runs are kept in raster order, so those of one row are neighbours and sorted by column.
Two runs in successive rows touch (8-connectivity) when ``a.start <= b.stop`` and
``b.start <= a.stop``: with half-open ends, equality is contact by a corner.
"""

import numpy as np

from postseg._kernels import compiled, kernel
from postseg._kernels.junctions import joined_at
from postseg._kernels.search import first_stopping_after


@kernel
def encode(block, first_row, first_col):
    """Runs of `block`, an (h, w) C-ordered unsigned array at that place in the image.

    Returns row, start, stop (int32) and label (int64), each (n_runs,).
    """
    height, width = block.shape
    n_runs = 0
    for r in range(height):
        line = block[r]
        n_runs += width > 0 and line[0] != 0
        for c in range(1, width):
            n_runs += (line[c] != line[c - 1]) & (line[c] != 0)
    row = np.empty(n_runs, np.int32)
    start = np.empty(n_runs, np.int32)
    stop = np.empty(n_runs, np.int32)
    label = np.empty(n_runs, np.int64)
    i = 0
    for r in range(height):
        line = block[r]
        c = 0
        while c < width:
            value = line[c]
            first = c
            c += 1
            while c < width and line[c] == value:
                c += 1
            if value != 0:
                row[i] = first_row + r
                start[i] = first_col + first
                stop[i] = first_col + c
                label[i] = value
                i += 1
    return row, start, stop, label


@compiled
def root_of(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def components(row, start, stop, label):
    """Region number 1..n of each run (int32), and n; regions in order of their first pixel.

    The root of a tree is always its first run, so numbering the roots as they come up in
    raster order is the numbering of ``skimage.measure.label``.
    """
    return connect(row, start, stop, label)


@compiled
def connect(row, start, stop, label, junctions=None):
    """`components`, for kernels; with `junctions`, runs touch by edges and at saddles of theirs."""
    n_runs = row.size
    parent = np.empty(n_runs, np.int32)
    for i in range(n_runs):
        parent[i] = i
    above = 0  # first run of the row above that may still touch the present run
    row_begin = 0
    for i in range(n_runs):
        if i > 0 and row[i] != row[i - 1]:
            above = row_begin if row[i - 1] == row[i] - 1 else i
            row_begin = i
        while above < row_begin and stop[above] < start[i]:
            above += 1
        j = above
        while j < row_begin and start[j] <= stop[i]:
            touch = label[j] == label[i]
            if junctions is not None and touch and (start[j] == stop[i] or stop[j] == start[i]):
                corner = max(start[i], start[j])
                touch = joined_at(junctions, row[i], corner) == label[i]
            if touch:
                a = root_of(parent, i)
                b = root_of(parent, j)
                if a < b:
                    parent[b] = a
                else:
                    parent[a] = b
            j += 1
    region = np.empty(n_runs, np.int32)
    n_regions = 0
    for i in range(n_runs):
        root = root_of(parent, i)
        if root == i:
            n_regions += 1
            region[i] = n_regions
        else:
            region[i] = region[root]
    return region, n_regions


@kernel
def group(region, n_regions):
    """Stable order of the runs by region, and where each region begins: (n_regions + 1,)."""
    offsets = np.zeros(n_regions + 1, np.int64)
    for i in range(region.size):
        offsets[region[i]] += 1
    for k in range(n_regions):
        offsets[k + 1] += offsets[k]
    fill = offsets[:-1].copy()
    order = np.empty(region.size, np.int32)
    for i in range(region.size):
        k = region[i] - 1
        order[fill[k]] = i
        fill[k] += 1
    return order, offsets


@kernel
def paint(first, last, row, start, stop, value, top, left, out):
    """Write `value` of the runs ``first:last`` into `out`; a value of 0 leaves it as it is.

    `out` is the window of the image that begins at row `top`, column `left`. Its rows hold the
    runs; columns are clipped.
    """
    width = out.shape[1]
    for i in range(first, last):
        if value[i] != 0:
            begin = max(start[i] - left, 0)
            end = min(stop[i] - left, width)
            if begin < end:
                out[row[i] - top, begin:end] = value[i]


@kernel
def paint_window(first, last, start, stop, value, left, columns, out):
    """Write `value` of runs into `out`, a window of the image, of its size or resized.

    Row r of it shows the runs ``first[r]:last[r]``, of which only those within are visited. Their
    pixels from the column `left` on are shown by ``columns[0]:columns[1]`` of it, ...
    """
    end = left + columns.size - 1
    for r in range(out.shape[0]):
        if r > 0 and first[r] == first[r - 1] and last[r] == last[r - 1]:
            out[r] = out[r - 1]
            continue
        i = first_stopping_after(stop, first[r], last[r], left)
        while i < last[r] and start[i] < end:
            if value[i] != 0:
                begin, until = max(start[i], left) - left, min(stop[i], end) - left
                out[r, columns[begin] : columns[until]] = value[i]
            i += 1


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
