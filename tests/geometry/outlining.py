"""Outline many label images in the ways that lose nothing, and count what is not as it must be.

``python -m tests.geometry.outlining [IMAGES] [--folder FOLDER]`` compares the outlines of random
label images, and of those of a folder (``*.npz`` with "labels"), with rasterio's rings and the
oracle's, draws them back, and tells vertices and areas of all three outlines, on a synthetic tissue
too.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import shapely

from postseg import masks_to_polygons
from tests.benchmarks.tissue import tissue

from . import exact
from .agreement import assert_outlined
from .patterns import draw_pattern

LARGE = 10_000  # pixels: of larger labels the oracle is not asked which chords are best


def areas_of(masks):
    """Labels, and their numbers of pixels."""
    labels, image = exact.numbered(masks)
    return labels, np.bincount(image.ravel(), minlength=len(labels) + 1)[1:]


def failures(masks, name):
    """How many of the two outlines are wrong, each told with its image."""
    labels, n_pixels = areas_of(masks)
    small = {label for label, n in zip(labels, n_pixels, strict=True) if n < LARGE}
    wrong = 0
    for outline in ("pixels", "simplified"):
        try:
            assert_outlined(masks, outline, small)
        except AssertionError as error:
            wrong += 1
            print(f"{name}, {outline}: {error!s:.500}", flush=True)
    return wrong


def describe(masks, name):
    """Print the vertices a cell, and how areas change, of all outlines."""
    _, n_pixels = areas_of(masks)
    for outline in ("contour", "pixels", "simplified"):
        began = time.process_time()
        polygons = masks_to_polygons(masks, outline=outline)
        spent = time.process_time() - began
        change = shapely.area(polygons) / n_pixels - 1
        n_vertices = shapely.get_num_coordinates(polygons).mean()
        print(
            f"{name}, {outline}: {len(polygons):,} cells, {n_vertices:.1f} vertices a cell, area "
            f"{change.mean():+.3%} in the mean, {abs(change).max():.2%} at worst, in all "
            f"{shapely.area(polygons).sum() / n_pixels.sum() - 1:+.3%}, "
            f"{1e6 * spent / len(polygons):.1f} us a cell"
        )


def main(arguments=None):
    """Compare, print, and return how many outlines are wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="?", type=int, default=3000, help="random ones")
    parser.add_argument("--folder", type=Path, default=Path("/work/shared/data"))
    parser.add_argument("--first", type=int, default=0, help="number of the first random one")
    chosen = parser.parse_args(arguments)
    total = 0
    for seed in range(chosen.first, chosen.first + chosen.images):
        total += failures(draw_pattern(seed, largest=(16, 24, 48)[seed % 3]), f"pattern {seed}")
    print(f"{chosen.images:,} random images: {total} failures", flush=True)
    for path in sorted(chosen.folder.glob("*.npz")):
        masks = np.load(path)["labels"]
        found = failures(masks, path.stem)
        total += found
        print(f"{path.stem}: {found} failures", flush=True)
        describe(masks, path.stem)
    describe(tissue(2048), "tissue")
    print(f"{total} failures")
    return total


if __name__ == "__main__":
    sys.exit(main() > 0)
