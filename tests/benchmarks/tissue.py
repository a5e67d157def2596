"""A synthetic tissue of any size: jittered Voronoi cells with gaps between them."""

import numpy as np

PITCH = 35  # pixels from cell to cell; with the gaps, cells are some 30 pixels wide
GAP = 4.0


def tissue(size: int, seed: int = 0) -> np.ndarray:
    """An int32 label image of `size` x `size` pixels, ids 1..n in random order.

    Every pixel belongs to the nearest of a grid of jittered seeds, or to the gap where the
    second nearest is hardly further.
    """
    rng = np.random.default_rng(seed)
    n = -(-size // PITCH)
    jitter = rng.uniform(-0.35, 0.35, (2, n + 2, n + 2)) * PITCH
    grid = np.arange(-1, n + 1)
    seed_row = (grid[:, None] + 0.5) * PITCH + jitter[0]
    seed_col = (grid[None, :] + 0.5) * PITCH + jitter[1]
    ids = np.zeros((n + 2, n + 2), np.int32)
    ids[1:-1, 1:-1] = 1 + rng.permutation(n * n).reshape(n, n)
    labels = np.empty((size, size), np.int32)
    cols = np.arange(size)
    j = cols // PITCH + 1
    for first in range(0, size, 256):
        rows = np.arange(first, min(size, first + 256))
        i = rows // PITCH + 1
        nearest = np.full((rows.size, size), np.inf, np.float32)
        second = nearest.copy()
        block = np.zeros((rows.size, size), np.int32)
        for di in (-1, 0, 1):
            for dj in (-1, 0, 1):
                at = np.ix_(np.clip(i + di, 0, n + 1), np.clip(j + dj, 0, n + 1))
                distance = np.hypot(
                    (rows[:, None] - seed_row[at]).astype(np.float32),
                    (cols[None, :] - seed_col[at]).astype(np.float32),
                )
                closer = distance < nearest
                second = np.where(closer, nearest, np.minimum(second, distance))
                nearest = np.where(closer, distance, nearest)
                block = np.where(closer, ids[at], block)
        block[second - nearest < GAP] = 0
        labels[rows] = block
    return labels
