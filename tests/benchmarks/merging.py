"""Merge tiles of 2048 x 2048 that overlap by 64: a program. Tiles a side, and how often, a folder.

Every tile is of its own run of a model: the tissue of one is moved by a pixel or two against that
of its neighbours, so that no cell in an overlap is the same in both. The peer is reading the
tiles, which costs what their pixels do: merging is to cost no more.
"""

import resource
import shutil
import sys
import time
from pathlib import Path

import numpy as np
from tissue import tissue

from postseg import Slide, plan_tiles
from postseg.raster.images import encode

SIDE, OVERLAP, THERE = 2048, 64, 3


def image(size, seed=0):
    """Tissue of some size, as one picture: the margin is what tiles are moved by."""
    return tissue(size + 2 * THERE, seed)


def seen(whole, plan, rng):
    """What each tile sees."""
    for top, left, bottom, right in plan:
        dy, dx = rng.integers(0, 2 * THERE, 2)
        yield np.ascontiguousarray(whole[top + dy : bottom + dy, left + dx : right + dx])


def in_memory():
    """16 tiles: seconds to encode and to merge them, the better of three."""
    size = 4 * SIDE - 3 * OVERLAP
    plan = plan_tiles((size, size), SIDE, OVERLAP)
    tiles = list(seen(image(size), plan, np.random.default_rng(0)))
    slide = Slide((size, size), plan=plan)
    for tile, (top, left, *_) in zip(tiles, plan, strict=True):
        slide.add(tile, (top, left))
    found = []
    for _ in range(4):  # the first one compiles
        start = time.perf_counter()
        pieces = sum(np.unique(tile).size - 1 for tile in tiles) if not found else pieces
        encoding = time.perf_counter()
        for tile in tiles:
            encode(tile)
        merging = time.perf_counter()
        slide.merge()
        found.append((merging - encoding, time.perf_counter() - merging))
    encoding, merging = np.min(found[1:], axis=0)
    print(
        f"{len(tiles)} tiles, {pieces:,} pieces: encode {encoding:.3f} s, merge {merging:.3f} s, "
        f"{merging / encoding:.2f} x; {slide.report}"
    )


def from_store(side, folder):
    """`side` x `side` tiles, each a copy of one of four; seconds and peak of merging the store."""
    size = side * (SIDE - OVERLAP) + OVERLAP
    plan = plan_tiles((size, size), SIDE, OVERLAP)
    path = Path(folder) / f"{len(plan)}.tiles"
    if not path.exists():
        fill(path, size, plan)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    slide = Slide((size, size), plan=plan, store=path)
    start = time.perf_counter()
    slide.merge()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{len(plan)} tiles: {seconds:.1f} s, peak {peak / 2**20:.2f} GB, "
        f"{before / 2**20:.2f} GB before; {slide.report}"
    )


def fill(path, size, plan):
    """Whole tissue would not fit in memory: bands of it are made, one row of tiles at a time."""
    rng = np.random.default_rng(0)
    slide = Slide((size, size), plan=plan, store=path)
    quarter = image(SIDE * 2, seed=1)
    for top, left, *_ in plan:
        # the same tissue everywhere by its place in the slide, with a period
        rows = (np.arange(top, top + SIDE) + rng.integers(0, THERE)) % quarter.shape[0]
        columns = (np.arange(left, left + SIDE) + rng.integers(0, THERE)) % quarter.shape[1]
        slide.add(quarter[np.ix_(rows, columns)], (top, left))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        in_memory()
    else:
        from_store(int(sys.argv[1]), sys.argv[2])
        if "--keep" not in sys.argv:
            shutil.rmtree(Path(sys.argv[2]) / f"{int(sys.argv[1]) ** 2}.tiles")
