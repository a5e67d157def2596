"""Write labels with postseg and with Zarr alone; a program: a name of `CASES`, a folder.

Zarr alone: `zarr.create_array` with chunks and codec of what postseg wrote, and two threads that
store chunks which are there already, so that nothing is painted in the time that counts.
"""

import shutil
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask
import numpy as np
import zarr
from dask.array.core import slices_from_chunks
from tissue import tissue

from postseg.elements.build import labels_element, write_store
from postseg.geometry.placement import scaling
from postseg.raster.enlarge import resize_lazily
from postseg.raster.images import paint
from postseg.raster.pyramid import default_factors, pyramid_shapes
from postseg.raster.runs import Runs

THREADS = 2
ROUNDS = 2  # the better one counts
AT_ONCE = 16  # chunks that wait to be stored
SLIDE = 66_211, 47_002
PITCH = 72  # pixels from nucleus to nucleus: about 600,000 on the slide


def nuclei(shape, seed=0):
    """Runs of discs, jittered on a grid, in bands that do not overlap."""
    rng = np.random.default_rng(seed)
    columns = np.arange(PITCH // 2, shape[1] - PITCH // 2, PITCH)
    bands, label = [], 0
    for top in range(PITCH // 2, shape[0] - PITCH // 2, PITCH):
        x = columns + rng.integers(-18, 19, columns.size)
        y = top + rng.integers(-18, 19, columns.size)
        radius = rng.integers(10, 17, columns.size)
        dy = np.arange(-16, 17)[:, None]
        inside = np.abs(dy) <= radius
        half = np.sqrt(np.maximum(radius**2 - dy**2, 0)).astype(int)
        numbers = np.broadcast_to(label + 1 + np.arange(columns.size), inside.shape)
        band = np.stack([y + dy, x - half, x + half + 1, numbers])[:, inside]
        bands.append(band[:, np.lexsort(band[1::-1])].astype(np.int32))
        label += columns.size
    return np.concatenate(bands, axis=1), label


def peak():
    """Of memory, in MB; the ru_maxrss of a new process is that of the one that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def seconds(task, *arguments):
    before = time.perf_counter()
    task(*arguments)
    return time.perf_counter() - before


def write(path, levels, systems):
    shutil.rmtree(path, ignore_errors=True)
    write_store(path, {"cells": labels_element(levels, "cells", systems)}, {})


def store_alone(path, levels, like):
    """Seconds that Zarr takes for the same arrays."""
    taken = 0.0
    for i, level in enumerate(levels):
        written = zarr.open_array(like / f"labels/cells/s{i}")
        assert written.chunks == level.chunksize
        shutil.rmtree(path, ignore_errors=True)
        array = zarr.create_array(
            path,
            shape=written.shape,
            dtype=written.dtype,
            chunks=written.chunks,
            shards=written.shards,
            compressors=written.compressors,
        )
        places = slices_from_chunks(level.chunks)
        for first in range(0, len(places), AT_ONCE):
            some = places[first : first + AT_ONCE]
            ready = dask.compute(*(level[place] for place in some))
            with ThreadPoolExecutor(THREADS) as pool:
                before = time.perf_counter()
                done = [*pool.map(array.__setitem__, some, ready)]
                taken += time.perf_counter() - before
                assert len(done) == len(some)
    return taken


ALONE = {"global": np.eye(3)}


def compare(masks, shapes, folder, before):
    levels = resize_lazily(masks, shapes)
    store = folder / "labels.zarr"
    write(folder / "first.zarr", resize_lazily(np.eye(99, dtype=np.int32), [(99, 99)]), ALONE)
    ours = [seconds(write, store, levels, ALONE) for _ in range(ROUNDS)]
    most = peak()
    alone = [store_alone(folder / "alone.zarr", levels, store) for _ in range(ROUNDS)]
    print(
        f"{shapes[0][0]:,} x {shapes[0][1]:,}, {len(shapes)} levels: "
        f"postseg {min(ours):.2f} s, Zarr alone {min(alone):.2f} s, "
        f"{min(ours) / min(alone):.1f} times; peak {most:.0f} MB, "
        f"{most - before:.0f} MB more than before"
    )


def enlarged(folder, n_factors):
    masks = np.load(folder / "tissue.npy")
    shapes = pyramid_shapes((32768, 32768), [2] * n_factors)
    compare(masks, shapes, folder, peak())


def slide(folder, factors):
    arrays = np.load(folder / "nuclei.npy")
    runs = Runs(*arrays, SLIDE)
    chunks = tuple(tuple(np.diff([*range(0, side, 4096), side]).tolist()) for side in SLIDE)
    masks = paint(runs, runs.label, chunks)
    compare(masks, pyramid_shapes(SLIDE, factors), folder, peak())


def not_enlarged(folder, pyramid):
    """Labels at the masks' own resolution, with a Scale, beside enlarged ones."""
    masks = np.load(folder / "tissue.npy")
    taken = []
    for factor in (4, 1):
        systems = {"global": scaling(4 / factor, 4 / factor)}
        shape = factor * masks.shape[0], factor * masks.shape[1]
        levels = resize_lazily(masks, pyramid_shapes(shape, default_factors(shape) * pyramid))
        write(folder / "labels.zarr", levels, systems)
        taken.append(
            min(seconds(write, folder / "labels.zarr", levels, systems) for _ in range(ROUNDS))
        )
    print(
        f"masks of 8,192 x 8,192, factor 4: enlarged {taken[0]:.2f} s, with a Scale "
        f"{taken[1]:.2f} s, {taken[0] / taken[1]:.1f} times faster"
    )


CASES = {
    "one level": lambda folder: enlarged(folder, 0),
    "five levels": lambda folder: enlarged(folder, 4),
    "slide": lambda folder: slide(folder, []),
    "slide with its levels": lambda folder: slide(folder, default_factors(SLIDE)),
    "not enlarged": lambda folder: not_enlarged(folder, False),
    "not enlarged, with levels": lambda folder: not_enlarged(folder, True),
}


def prepare(folder):
    """What the cases read, made before: making it takes more memory than they."""
    np.save(folder / "tissue.npy", tissue(8192))
    np.save(folder / "nuclei.npy", nuclei(SLIDE)[0])


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    CASES[sys.argv[1]](Path(sys.argv[2]))
