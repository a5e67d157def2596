"""What pixels of an image the runs of each region cover: mean, deviation, least and largest.

A tile is a part of the image. In it sums are taken about the first pixel of the region, in raster
order, and the tiles of a region are put together in theirs, in two passes: so no digits are lost
where values are large and near to each other, and every bit is the same whoever reads which tile.

Pixels are unsigned or floats. A mask pixel covers `factor` x `factor` pixels of the image.
"""

import numpy as np
from numba import types
from numba.extending import overload

from postseg._kernels import compiled, kernel
from postseg._kernels.search import first_stopping_after


@compiled
def _apart(value, base):
    """Value - base as a float; of 64 bits exactly that, rounded once."""
    return np.float64(value - base) if value >= base else -np.float64(base - value)


def _above(value, base):
    """Value - base: exact of up to 16 bits, whose sums over a tile fit int64; else a float."""


@overload(_above, inline="always")
def _typed(value, base):
    if isinstance(value, types.Float):
        return lambda value, base: np.float64(value) - np.float64(base)
    if value.bitwidth <= 16:
        return lambda value, base: np.int64(value) - np.int64(base)
    return lambda value, base: _apart(value, base)


def _add_up(part, base, least, largest):
    """Sums of pixels above the base and of their squares, least and largest with those before."""


@overload(_add_up, inline="always")
def _added_up(part, base, least, largest):
    return _add_up_floats if isinstance(base, types.Float) else _add_up_whole


def _add_up_whole(part, base, least, largest):
    total = squares = _above(base, base)  # 0 of the type of sums
    for x in range(part.size):
        value = part[x]
        above = _above(value, base)
        total += above
        squares += above * above
        least = min(least, value)
        largest = max(largest, value)
    return total, squares, least, largest


def _add_up_floats(part, base, least, largest):
    """By twos, in sums of their own: each addition waits for the one before in its sum."""
    total = others = squares = of_others = 0.0
    origin = np.float64(base)
    x, step, end = np.uint64(0), np.uint64(1), np.uint64(part.size)
    if end & step:
        one = part[x]
        above = one - origin
        total += above
        squares += above * above
        least = one if one < least else least
        largest = one if one > largest else largest
        x = step
    while x < end:
        one, other = part[x], part[x + step]
        above, beside = one - origin, other - origin
        total += above
        others += beside
        squares += above * above
        of_others += beside * beside
        low = one if one < other else other
        high = one if one > other else other
        least = low if low < least else least
        largest = high if high > largest else largest
        x += np.uint64(2)
    total += others
    if total != total:  # of infinite pixels, or NaN, which is never less
        for i in range(part.size):
            if part[i] != part[i]:
                least = part[i]
    return total, squares + of_others, least, largest


@kernel
def of_tile(pixels, top, left, tile, factor, first, start, stop, number):
    """Measure the part of each region in a tile of the image: ``[top, left, bottom, right]``.

    `pixels`, C-ordered, begins at (`top`, `left`) of the image and holds the tile. Row r of the
    masks has the runs ``first[r]:first[r + 1]``, of the regions `number`. Returns, of
    the m regions in the tile: number, pixels, base (the first one), mean above the base, sum of
    squares about the mean, least and largest, (m,) each. Where a pixel is NaN, the least is.
    """
    top_row, end_row = tile[0] // factor, (tile[2] - 1) // factor + 1
    left_column, right_column = tile[1] // factor, (tile[3] - 1) // factor + 1
    begin = np.empty(end_row - top_row, np.int64)
    lowest, highest = np.int64(number.size), np.int64(-1)
    for r in range(top_row, end_row):
        i = first_stopping_after(stop, first[r], first[r + 1], left_column)
        begin[r - top_row] = i
        while i < first[r + 1] and start[i] < right_column:
            lowest, highest = min(lowest, number[i]), max(highest, number[i])
            i += 1
    place = np.zeros(max(0, highest - lowest + 1), np.uint32)  # of regions here: 1, 2, ...
    m = 0
    for r in range(top_row, end_row):
        i = begin[r - top_row]
        while i < first[r + 1] and start[i] < right_column:
            if place[number[i] - lowest] == 0:
                m += 1
                place[number[i] - lowest] = m
            i += 1

    name = np.empty(m, np.int32)
    count = np.zeros(m, np.int64)
    mean = np.zeros(m)
    squares = np.zeros(m)
    base = np.empty(m, pixels.dtype)
    low = np.empty(m, pixels.dtype)
    high = np.empty(m, pixels.dtype)
    for y in range(tile[0], tile[2]):
        r = y // factor
        line = pixels[y - top]
        i = begin[r - top_row]
        while i < first[r + 1] and start[i] < right_column:
            a = max(start[i] * factor, tile[1]) - left
            b = min(stop[i] * factor, tile[3]) - left
            j = place[number[i] - lowest] - np.uint32(1)
            if count[j] == 0:
                name[j] = number[i]
                base[j] = low[j] = high[j] = line[a]
            total, squared, least, largest = _add_up(line[a:b], base[j], low[j], high[j])
            count[j] += b - a
            mean[j] += total
            squares[j] += squared
            low[j], high[j] = least, largest
            i += 1
    for j in range(m):
        total = mean[j]
        mean[j] = total / count[j]
        squares[j] -= total * mean[j]
    return name, count, base, mean, squares, low, high


@kernel
def together(offsets, count, base, mean, squares, low, high):
    """Put the tiles ``offsets[k]:offsets[k + 1]`` of region k together.

    Returns, of the n regions: base, mean above it, population variance, least and largest, (n,)
    each.
    """
    n = offsets.size - 1
    origins = np.empty(n, base.dtype)
    centres = np.empty(n)
    variance = np.empty(n)
    least = np.empty(n, low.dtype)
    largest = np.empty(n, high.dtype)
    for k in range(n):
        begin, end = offsets[k], offsets[k + 1]
        origin, lowest, highest = base[begin], low[begin], high[begin]
        pixels, total = 0, 0.0
        for i in range(begin, end):
            pixels += count[i]
            total += count[i] * (_above(base[i], origin) + mean[i])
            if low[i] < lowest or low[i] != low[i]:
                lowest = low[i]
            if high[i] > highest:
                highest = high[i]
        centre = total / pixels
        around = 0.0
        for i in range(begin, end):
            apart = _above(base[i], origin) + mean[i] - centre
            around += squares[i] + count[i] * apart * apart
        origins[k], centres[k] = origin, centre
        variance[k] = max(around, 0.0) / pixels
        least[k], largest[k] = lowest, highest
    return origins, centres, variance, least, largest
