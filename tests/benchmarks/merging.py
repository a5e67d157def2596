"""Merge tiles of 2048 x 2048 that overlap by 64: a program.

Without arguments 16 tiles in memory; with rows and columns of tiles, and a folder, those of a store
that is made there.

Every tile is of its own run of a model: the tissue of one is moved by a pixel or two against that
of its neighbours, so that no cell in an overlap is the same in both. The peer is reading the
tiles, which costs what their pixels do: merging is to cost no more.
"""

import shutil
import subprocess
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
    pieces = sum(np.unique(tile).size - 1 for tile in tiles)
    found = []
    for _ in range(6):  # the first one compiles
        before = time.perf_counter()
        for tile in tiles:
            encode(tile)
        between = time.perf_counter()
        slide.merge()
        found.append((between - before, time.perf_counter() - between))
    encoding, merging = np.min(found[1:], axis=0)
    print(
        f"{len(tiles)} tiles, {pieces:,} pieces: encode {encoding:.3f} s, merge {merging:.3f} s, "
        f"{merging / encoding:.2f} x; {slide.report}"
    )


def with_giants(size):
    """Two tiles with a label for background, each of which meets all cells of the other."""
    rows, columns = np.indices((size, size))
    slide = Slide((size, size))
    for shift, first, last in ((0, 0, size * 9 // 10), (1, size // 10, size)):
        cells = ((rows + shift) % 12 >= 2) & ((columns + shift) % 12 >= 2)
        image = np.where(cells, rows // 12 * (size // 12 + 1) + columns // 12 + 2, 1)
        slide.add(image[first:last], (first, 0))
    slide.merge()
    before = time.perf_counter()
    slide.merge()
    print(f"giants, {size} x {size}: {time.perf_counter() - before:.2f} s; {slide.report}")


def from_store(rows, columns, folder):
    """Seconds and peak of merging a store of so many tiles, in a process of its own."""
    shape = [n * (SIDE - OVERLAP) + OVERLAP for n in (rows, columns)]
    plan = plan_tiles(shape, SIDE, OVERLAP)
    path = Path(folder) / f"{rows}x{columns}.tiles"
    path.parent.mkdir(exist_ok=True)
    fill(path, shape, plan)
    code = f"""
import resource, time
from postseg import Slide
start = time.perf_counter()
slide = Slide({shape}, store={str(path)!r})
slide.merge()
seconds, cpu = time.perf_counter() - start, time.process_time()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(f"{len(plan)} tiles: {{seconds:.1f}} s, {{cpu:.1f}} s of CPU, peak {{peak:.2f}} GB")
print(slide.report)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    shutil.rmtree(path)


def fill(path, shape, plan):
    """Tissue of a few tiles is repeated over the slide, which would not fit in memory."""
    rng = np.random.default_rng(0)
    slide = Slide(shape, plan=plan, store=path)
    period = image(SIDE * 2, seed=1)
    for top, left, *_ in plan:
        rows = (np.arange(top, top + SIDE) + rng.integers(0, THERE)) % period.shape[0]
        columns = (np.arange(left, left + SIDE) + rng.integers(0, THERE)) % period.shape[1]
        slide.add(period[np.ix_(rows, columns)], (top, left))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        in_memory()
        with_giants(1024)
        with_giants(2048)
    else:
        from_store(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
