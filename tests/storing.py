"""Small tiles of plain NumPy, so that processes which add them start soon."""

import os
import sys

import numpy as np

from postseg.tiles.tile import Rectangle, Tile

SHAPE = (128, 128)
SIDE = 16


def tile(top=0, left=0, seed=0, label=None, side=SIDE):
    """One run in each row."""
    chance = np.random.default_rng([top, left, seed])
    row = np.arange(top, top + side, dtype=np.int32)
    start = (left + chance.integers(0, side // 2, side)).astype(np.int32)
    stop = (start + chance.integers(1, side // 2, side)).astype(np.int32)
    labels = chance.integers(1, 200, side) if label is None else np.full(side, label)
    place = Rectangle(top, left, top + side, left + side)
    return Tile(place, row, start, stop, labels.astype(np.int64))


def tiles():
    """All of the slide, 64."""
    return [tile(i, j) for i in range(0, SHAPE[0], SIDE) for j in range(0, SHAPE[1], SIDE)]


def environment():
    """For a process that imports what this one can."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
