"""Time by the number of chunks, against what dask takes to sum them; see the README."""

import dask.array as da
import numpy as np
import pytest

from postseg.raster.images import encode, paint
from postseg.raster.runs import Runs

SIDES = (64, 128, 256)  # chunks a side: up to 65,536


def read(image):
    assert encode(image).shape == image.shape


def paint_runs(image):
    """One run in each row of chunks, all along it."""
    row = np.arange(0, image.shape[0], 64, dtype=np.int32)
    stop = np.full(row.size, image.shape[1], np.int32)
    runs = Runs(row, np.zeros_like(row), stop, np.ones(row.size, np.int32), image.shape)
    painted = paint(runs, runs.label, image.chunks)
    assert painted.sum().compute() == row.size * image.shape[1]


def dask_sum(image):
    assert image.sum().compute() == 0


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("task", [dask_sum, read, paint_runs])
def test_chunks(benchmark, task, side):
    image = da.zeros((64 * side, 64 * side), np.int32, chunks=64)
    task(da.zeros((64, 64), np.int32, chunks=32))  # compiled
    benchmark.group = f"4 {side**2:,} empty chunks of 64 x 64"
    benchmark.pedantic(task, (image,), rounds=1)
