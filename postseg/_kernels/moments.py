"""Area, bounding box and second moments of regions, from their runs.

Sums are taken about the centre of the region's own bounding box, in integers, so that they
stay small and exact: a label that fills a slide neither overflows nor loses digits. Runs that
reach more than 2^20 pixels from that centre are summed as floats, to some 15 digits, so that
there is no bound but that of int32: 2^31 - 1 rows and columns.
"""

import numpy as np

from postseg._kernels import compiled, kernel

# An int64 sum is emptied into a float beyond this; one run adds no more than 2^61.
_SPILL = 2**61
# Further from the centre than this, the squares of a run may exceed that.
_FAR = 2**20


@compiled
def _squares_below(m):
    """0^2 + 1^2 + ... + (m - 1)^2; as a polynomial it serves negative m too."""
    return (m - 1) * m * (2 * m - 1) // 6


@kernel
def moments(first, last, offsets, row, start, stop, area, bbox, centroid, inertia):
    """Fill rows ``first:last`` of the outputs, one per region.

    `area` (n,) int64; `bbox` (n, 4) int64: min row, min column, and the half-open maxima;
    `centroid` (n, 2) float64: row, column; `inertia` (n, 3) float64: the second central
    moments row-row, row-column, column-column, per pixel.
    """
    for k in range(first, last):
        begin, end = offsets[k], offsets[k + 1]
        top, bottom = np.int64(row[begin]), np.int64(row[end - 1])
        left, right = np.int64(start[begin]), np.int64(stop[begin])
        for i in range(begin, end):
            left = min(left, start[i])
            right = max(right, stop[i])
        middle_row = (top + bottom) // 2
        middle_col = (left + right) // 2

        n = np.int64(0)
        sum_r = np.int64(0)
        sum_c = np.int64(0)
        sum_rr = np.int64(0)
        sum_rc = np.int64(0)
        sum_cc = np.int64(0)
        big_r = 0.0
        big_c = 0.0
        big_rr = 0.0
        big_rc = 0.0
        big_cc = 0.0
        for i in range(begin, end):
            r = row[i] - middle_row
            a = start[i] - middle_col
            b = stop[i] - middle_col
            length = b - a
            columns = (a + b - 1) * length // 2
            n += length
            sum_r += r * length
            sum_c += columns
            if abs(sum_r) > _SPILL or abs(sum_c) > _SPILL:
                big_r += sum_r
                big_c += sum_c
                sum_r = 0
                sum_c = 0
            if max(abs(r), abs(a), abs(b)) > _FAR:
                big_rr += float(r) * r * length
                big_rc += float(r) * columns
                big_cc += length * (((a + b - 1) / 2) ** 2 + (float(length) * length - 1) / 12)
                continue
            sum_rr += r * r * length
            sum_rc += r * columns
            sum_cc += _squares_below(b) - _squares_below(a)
            if sum_rr > _SPILL or sum_cc > _SPILL or abs(sum_rc) > _SPILL:
                big_rr += sum_rr
                big_rc += sum_rc
                big_cc += sum_cc
                sum_rr = 0
                sum_rc = 0
                sum_cc = 0

        mean_r = (big_r + sum_r) / n
        mean_c = (big_c + sum_c) / n
        area[k] = n
        bbox[k, 0] = top
        bbox[k, 1] = left
        bbox[k, 2] = bottom + 1
        bbox[k, 3] = right
        centroid[k, 0] = middle_row + mean_r
        centroid[k, 1] = middle_col + mean_c
        inertia[k, 0] = (big_rr + sum_rr) / n - mean_r * mean_r
        inertia[k, 1] = (big_rc + sum_rc) / n - mean_r * mean_c
        inertia[k, 2] = (big_cc + sum_cc) / n - mean_c * mean_c
