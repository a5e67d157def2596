"""A synthetic slide as runs and their table, without its image: octagonal cells in a tissue."""

from itertools import pairwise

import numpy as np
import pandas as pd

from postseg.raster.runs import Runs

_CORNER = 6  # pixels that are missing at the corners of a cell


def slide(shape=(66_211, 47_002), pitch=60, seed=0):
    """Make runs with region numbers as label, and their table, filtered, of about a quarter gone.

    Cells lie in a grid, in an ellipse that covers most of the slide. Most that are rejected lie in
    two places, where nearly all are; elsewhere one in eight goes.
    """
    random = np.random.default_rng(seed)
    rows, cols = (length // pitch for length in shape)
    i, j = np.indices((rows, cols)).reshape(2, -1)
    down, right = 2 * (i + 0.5) / rows - 1, 2 * (j + 0.5) / cols - 1
    ripple = 0.08 * np.sin(9 * down) * np.cos(7 * right)
    inside = np.hypot(down, right) + ripple < 0.98
    i, j, down, right = i[inside], j[inside], down[inside], right[inside]
    n = i.size

    near = np.maximum(
        np.exp(-((down + 0.35) ** 2 + (right - 0.3) ** 2) / 0.05),
        np.exp(-((down - 0.5) ** 2 / 0.01 + (right + 0.2) ** 2 / 0.15)),
    )
    fate = random.random(n)
    gone = fate < 0.125 + 0.8 * near
    folded = gone & (random.random(n) < 0.15 + 0.7 * (near > 0.3))
    small = gone & ~folded
    side = random.integers(pitch // 2, pitch - pitch // 8, n)
    side[small] = random.integers(pitch // 5, pitch // 3 + 1, small.sum())
    top, left = i * pitch, j * pitch + random.integers(0, pitch - side)
    corner = np.minimum(_CORNER, side // 3)

    parts = []
    numbers = np.arange(1, n + 1)
    ends = np.searchsorted(i, np.arange(rows + 1))
    for first, last in pairwise(ends):
        here = slice(first, last)
        dr = np.arange(side[here].max(initial=0))[:, None]
        cut = np.maximum(corner[here] - np.minimum(dr, side[here] - 1 - dr), 0)
        drawn = dr < side[here]
        row = np.broadcast_to(top[here] + dr, drawn.shape)
        start, stop = left[here] + cut, left[here] + side[here] - cut
        number = np.broadcast_to(numbers[here], drawn.shape)
        parts.append([part[drawn].astype(np.int32) for part in (row, start, stop, number)])
    row, start, stop, number = map(np.concatenate, zip(*parts, strict=True))

    reason = np.select([small, folded], ["too_small", "high_convexity_deficit"], "").astype(object)
    area = side**2 - 2 * corner * (corner + 1)
    convexity = np.where(folded, random.uniform(0.2, 0.5, n), random.beta(2, 20, n).clip(0, 0.2))
    table = pd.DataFrame(
        {
            "label": np.where(gone, 0, numbers),
            "reason": reason,
            "area": area,
            "convexity_deficit": convexity,
            "min_row": top,
            "min_col": left,
            "max_row": top + side,
            "max_col": left + side,
            "centroid_row": top + (side - 1) / 2,
            "centroid_col": left + (side - 1) / 2,
        },
        index=pd.RangeIndex(1, n + 1, name="region"),
    )
    return Runs(row, start, stop, number, shape), table
