"""Pixels in the convex hull of a region's pixel diamonds, counted exactly.

The diamond of a pixel has its corners half way to the four neighbours. In doubled
coordinates every corner is an integer, and only the leftmost and rightmost pixel of each row
can carry the hull::

    doubled row 2r - 1        .  2c  .
    doubled row 2r          2c-1  .  2c+1
    doubled row 2r + 1        .  2c  .

The left side of the hull is the lower convex envelope of x over the doubled rows; the right
side is the same thing of -x. Pixel centres on the hull's border count, as in
``skimage.morphology.convex_hull_image``.
"""

import numpy as np

from postseg._kernels import compiled, kernel


@compiled
def _envelope_columns(x, height, chain, column):
    """``column[r] = ceil(envelope(x)(doubled row of r) / 2)`` for pixel rows 0..height-1.

    `x` holds 2 * height + 1 values, doubled row -1 first. `chain` is scratch of that length.
    """
    n = 0
    for i in range(2 * height + 1):
        while n >= 2:
            a, b = chain[n - 2], chain[n - 1]
            if (x[b] - x[a]) * (i - a) < (x[i] - x[a]) * (b - a):
                break
            n -= 1
        chain[n] = i
        n += 1
    j = 0
    for r in range(height):
        i = 2 * r + 1
        while chain[j + 1] < i:
            j += 1
        a, b = chain[j], chain[j + 1]
        span = b - a
        column[r] = -((-(x[a] * span + (x[b] - x[a]) * (i - a))) // (2 * span))


@kernel
def convex_areas(first, last, offsets, row, start, stop, bbox, area_convex):
    """Fill ``first:last`` of `area_convex` (n,) int64, the pixels in each region's hull."""
    tallest = np.int64(0)
    for k in range(first, last):
        tallest = max(tallest, bbox[k, 2] - bbox[k, 0])
    left = np.empty(2 * tallest + 1, np.int64)
    right = np.empty(2 * tallest + 1, np.int64)
    chain = np.empty(2 * tallest + 1, np.int64)
    left_column = np.empty(tallest, np.int64)
    right_column = np.empty(tallest, np.int64)
    for k in range(first, last):
        top, origin = bbox[k, 0], bbox[k, 1]
        height = bbox[k, 2] - top
        left[: 2 * height + 1] = 2 * (bbox[k, 3] - origin)
        right[: 2 * height + 1] = 0
        for i in range(offsets[k], offsets[k + 1]):
            t = 2 * (row[i] - top) + 1
            a = 2 * (start[i] - origin)
            b = -2 * (stop[i] - 1 - origin)
            left[t - 1] = min(left[t - 1], a)
            left[t] = min(left[t], a - 1)
            left[t + 1] = min(left[t + 1], a)
            right[t - 1] = min(right[t - 1], b)
            right[t] = min(right[t], b - 1)
            right[t + 1] = min(right[t + 1], b)
        _envelope_columns(left, height, chain, left_column)
        _envelope_columns(right, height, chain, right_column)
        n = np.int64(0)
        for r in range(height):
            n += 1 - right_column[r] - left_column[r]
        area_convex[k] = n
