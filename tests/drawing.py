"""Label images and runs that a reader can check by eye."""

import numpy as np

from postseg.raster.runs import Runs

OFF = {"min_area": None, "min_absolute_area": None, "max_convexity_deficit": None}


def draw(picture):
    """Make the label image that a picture shows: a digit per pixel, a dot for background."""
    return np.array([[0 if c == "." else int(c) for c in row] for row in picture.split()])


def squares(*sides):
    """Set squares side by side, labels 1, 2, ... from the left, one pixel of gap around each."""
    image = np.zeros((max(sides) + 2, sum(sides) + len(sides) + 1), int)
    left = 1
    for label, side in enumerate(sides, start=1):
        image[1 : side + 1, left : left + side] = label
        left += side + 1
    return image


def square_as_runs(side, at=0):
    """Make the runs of one square without its image, which may be larger than memory."""
    rows = np.arange(at, at + side, dtype=np.int32)
    start = np.full(side, at, np.int32)
    return Runs(rows, start, start + np.int32(side), np.ones(side, np.int64), (at + side,) * 2)


def ragged(side):
    """A grid of `side` x `side` regions, nearly all of their own size and shape."""
    random, pitch = np.random.default_rng(0), 8
    size = random.integers(pitch - 2, pitch, (2, side, side, 1, 1))  # wide enough to be seen
    row, col = np.mgrid[:pitch, :pitch]
    grid = (row < size[0]) & (col < size[1]) & (random.random((side, side, pitch, pitch)) < 0.93)
    masks = np.arange(1, side**2 + 1).reshape(side, side, 1, 1) * grid
    return masks.transpose(0, 2, 1, 3).reshape(side * pitch, side * pitch)
