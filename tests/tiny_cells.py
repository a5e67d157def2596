"""Cells that are too small to be seen one by one in a picture of them all, if that is small."""

from contextlib import contextmanager

import numpy as np
import pytest

from postseg.show import overview, pictures


def tiny_cells(rows=120, cols=90, pitch=10):
    """Ragged ones side by side, in two places most of them split or narrow."""
    random = np.random.default_rng(1)
    i, j = np.mgrid[:rows, :cols]
    near = np.hypot(i - 0.3 * rows, j - 0.7 * cols) < 14
    near |= np.hypot(i - 0.8 * rows, j - 0.2 * cols) < 11
    size = random.integers(pitch - 4, pitch, (2, rows, cols))
    narrow = near & (random.random((rows, cols)) < 0.6)
    size[1][narrow] = random.integers(2, 5, narrow.sum())
    row, col = np.mgrid[:pitch, :pitch]
    grid = (row < size[0, ..., None, None]) & (col < size[1, ..., None, None])
    ragged = np.where(near, 0.75, 0.97)[..., None, None]
    grid &= random.random(grid.shape) < ragged
    grid &= (random.random((rows, cols)) < 0.9)[..., None, None]
    masks = np.arange(1, rows * cols + 1).reshape(rows, cols, 1, 1) * grid
    return masks.transpose(0, 2, 1, 3).reshape(rows * pitch, cols * pitch)


@contextmanager
def small_picture():
    """Pictures of masks are no larger than 300 pixels, and places nearer to each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "_LONG_SIDE", 300)
        patch.setattr(overview, "_APART", 60)
        yield
