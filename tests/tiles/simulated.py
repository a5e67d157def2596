"""Independent runs of a model over tiles, simulated, and what a merge makes of them.

``python -m tests.tiles.simulated [FOLDER]`` prints F1 at IoU 0.5 near seams, by overlap in cell
diameters, of postseg and of its peers: the mean over the label images of the folder (default:
POSTSEG_MASKS) and a dense one that is drawn.

How the rates were found: those of whole cells so that one run, untiled, has an F1 of 0.93 to 0.94;
those of cut cells so that the peers come near to their columns in an earlier trial of the rules
(on average within 0.03). Both before postseg's row was looked at, and not touched since.
"""

import os
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from skimage.measure import label

from postseg.raster.images import paint
from postseg.tiles.slide import merge_tiles

from .peers import PEERS, overlaps, place

OVERLAPS = (0, 0.5, 1, 2, 3)  # in cell diameters

# Shares of cells, and lengths in cell diameters.
MISSED = 0.025
FALSE = 0.025
SPLIT = 0.025
JOINED = 0.02  # of pairs that touch
DEFORMED = 0.06
# At a tile's border the more, the less of a cell is visible.
MISSED_CUT = 0.3
SPLIT_CUT = 0.13
JOINED_CUT = 0.13
DEFORMED_CUT = 0.09


def diameter(truth):
    areas = np.bincount(truth.ravel())[1:]
    return 2 * np.sqrt(np.median(areas[areas > 0]) / np.pi)


def voronoi(shape=(700, 700), cells=2200, seed=0):
    """A dense tissue: the nearest of points that keep off each other, a thin gap here and there."""
    chance = np.random.default_rng(seed)
    points = chance.random((4 * cells, 2)) * shape
    pairs = cKDTree(points).query_pairs(
        0.7 * np.sqrt(np.prod(shape) / cells), output_type="ndarray"
    )
    kept = np.ones(len(points), bool)
    for a, b in pairs[np.lexsort(pairs.T[::-1])]:
        kept[b] &= not kept[a]
    distance, nearest = cKDTree(points[kept]).query(np.argwhere(np.ones(shape)), k=2)
    inside = distance[:, 1] - distance[:, 0] > 1
    return np.where(inside, nearest[:, 0] + 1, 0).reshape(shape)


def grid(shape, tiles, overlap):
    """Rectangles of a grid of cores, each grown by half of the overlap towards its neighbours."""
    lines = [
        np.linspace(0, side, n + 1).round().astype(int)
        for side, n in zip(shape, tiles, strict=True)
    ]
    before, after = overlap // 2, overlap - overlap // 2
    ranges = [
        [(max(a - before, 0), min(b + after, line[-1])) for a, b in pairwise(line)]
        for line in lines
    ]
    return [(int(r0), int(c0), int(r1), int(c1)) for r0, r1 in ranges[0] for c0, c1 in ranges[1]]


def near_seams(rectangles, shape, reach):
    """Where tiles overlap or meet, and as far as `reach` from there."""
    count = np.zeros(shape, int)
    for r0, c0, r1, c1 in rectangles:
        near_by = (
            slice(max(r0 - reach, 0), r1 + reach) if r0 else slice(0, r1 + reach),
            slice(max(c0 - reach, 0), c1 + reach) if c0 else slice(0, c1 + reach),
        )
        count[near_by] += 1
    return count > 1


def inwards(shape, sides):
    """Of each pixel the distance to the nearest of a tile's sides that are internal."""
    rows, columns = np.arange(shape[0])[:, None] + 0.5, np.arange(shape[1]) + 0.5
    distance = np.full(shape, np.inf)
    for inside, along in zip(
        sides, (rows, columns, shape[0] - rows, shape[1] - columns), strict=True
    ):
        if inside:
            distance = np.minimum(distance, along)
    return distance


def touching(cells):
    """Pairs of labels with a common side, once each."""
    pairs = [
        np.stack(overlaps(one, other)[:2])
        for one, other in [(cells[:-1], cells[1:]), (cells[:, :-1], cells[:, 1:])]
    ]
    pairs = np.sort(np.concatenate(pairs, axis=1), axis=0)
    return np.unique(pairs[:, pairs[0] != pairs[1]], axis=1)


def run(truth, rectangle, chance, size):
    """The segmentation of one tile, as another run of a model would have it."""
    sides = [
        rectangle[0] > 0,
        rectangle[1] > 0,
        rectangle[2] < truth.shape[0],
        rectangle[3] < truth.shape[1],
    ]
    cells = truth[place(rectangle)]
    n = int(truth.max()) + 1
    visible = np.bincount(cells.ravel(), minlength=n) / np.maximum(
        np.bincount(truth.ravel(), minlength=n), 1
    )
    hidden = 1 - visible
    # two that touch become one
    a, b = touching(cells)
    joined = chance.random(len(a)) < JOINED + JOINED_CUT * np.maximum(hidden[a], hidden[b])
    name = np.arange(2 * n)
    name[b[joined]] = a[joined]
    # one becomes two, along a line near its middle
    rows, columns = np.nonzero(cells)
    labels = cells[rows, columns]
    area = np.maximum(np.bincount(labels, minlength=n), 1)
    angle = chance.random(n) * np.pi
    split = chance.random(n) < SPLIT + SPLIT_CUT * hidden
    aside = np.cos(angle)[labels] * (rows - (np.bincount(labels, rows, n) / area)[labels])
    aside += np.sin(angle)[labels] * (columns - (np.bincount(labels, columns, n) / area)[labels])
    names = name[labels]
    names[split[labels] & (aside > 0.1 * size * chance.normal(size=n)[labels])] += n
    missed = chance.random(2 * n) < np.tile(MISSED + MISSED_CUT * hidden**2, 2)
    names[missed[names]] = 0
    found = np.zeros_like(cells, dtype=np.int64)
    found[rows, columns] = names
    # cells that are not there, on the background
    centres = chance.random((chance.poisson(FALSE * len(np.unique(labels))), 2)) * found.shape
    grid_rows, grid_columns = np.ogrid[: found.shape[0], : found.shape[1]]
    for i, (row, column) in enumerate(centres):
        y, x = (size / 2) * chance.uniform(0.6, 1.1, 2)
        blob = ((grid_rows - row) / y) ** 2 + ((grid_columns - column) / x) ** 2 < 1
        found[blob & (found == 0)] = 2 * n + i
    # every boundary elsewhere, smoothly
    sigma = size / 4
    strength = DEFORMED + DEFORMED_CUT * np.exp(-inwards(found.shape, sides) / (size / 2))
    moved = []
    for along, length in zip((grid_rows, grid_columns), found.shape, strict=True):
        field = gaussian_filter(chance.normal(size=found.shape), sigma, mode="nearest")
        field *= 2 * np.sqrt(np.pi) * sigma * size * strength
        moved.append(np.clip(np.rint(along + field), 0, length - 1).astype(int))
    found = label(found[tuple(moved)], connectivity=2)
    # crumbs go, as models have it
    small = np.bincount(found.ravel()) < 0.05 * size**2
    found[small[found]] = 0
    return numbered(found)


def numbered(image):
    """The same cells with the labels 1, 2, ..."""
    present = np.bincount(image.ravel()) > 0
    present[0] = False
    return np.where(present, present.cumsum(), 0)[image]


def centres(image):
    """The pixel nearest the centroid of each label from 1 on."""
    rows, columns = np.nonzero(image)
    labels = image[rows, columns]
    area = np.bincount(labels)
    return tuple(
        (np.bincount(labels, along) / np.maximum(area, 1)).round().astype(int)[1:]
        for along in (rows, columns)
    )


def f1(truth, merged, near):
    """F1 at IoU above 0.5 of the cells that have their centroid in `near`."""
    truth, merged = numbered(truth), numbered(merged)
    sizes = [np.bincount(image.ravel()) for image in (truth, merged)]
    a, b, n = overlaps(truth, merged)
    same = 2 * n > sizes[0][a] + sizes[1][b] - n
    close = [near[centres(image)] for image in (truth, merged)]
    hits = [close[0][a[same] - 1].sum(), close[1][b[same] - 1].sum()]
    return sum(hits) / max(sum(inside.sum() for inside in close), 1)


def by_postseg(tiles, rectangles, shape):
    runs = merge_tiles(tiles, [rectangle[:2] for rectangle in rectangles], shape)
    return paint(runs, runs.label)


MERGES = PEERS | {"postseg": by_postseg}


def truths(folder):
    """The label images of a folder, their debris and giants left out, and a dense one."""
    found = {path.stem: np.load(path)["labels"] for path in sorted(Path(folder).glob("*.npz"))}
    for name, image in found.items():
        cells = label(image, connectivity=2)
        areas = np.bincount(cells.ravel())
        cells[((areas < 20) | (areas > 5000))[cells]] = 0
        found[name] = numbered(cells)
    return found | {"voronoi": voronoi()}


def runs(truth, rectangles, seed):
    """A run of the model on each tile."""
    size = diameter(truth)
    return [
        run(truth, rectangle, np.random.default_rng([seed, i]), size)
        for i, rectangle in enumerate(rectangles)
    ]


def scores(truth, merges, overlap, tiles=(4, 4), seed=0):
    """F1 of each merge, by name, and of one run that knows no tiles."""
    size = diameter(truth)
    rectangles = grid(truth.shape, tiles, round(overlap * size))
    near = near_seams(rectangles, truth.shape, round(size))
    images = runs(truth, rectangles, seed)
    found = {
        name: f1(truth, merge(images, rectangles, truth.shape), near)
        for name, merge in merges.items()
    }
    whole = (0, 0, *truth.shape)
    return found | {"one run, untiled": f1(truth, runs(truth, [whole], seed + 1)[0], near)}


def main(folder):
    by_truth = [
        [scores(truth, MERGES, overlap) for overlap in OVERLAPS]
        for truth in truths(folder).values()
    ]
    for name in by_truth[0][0]:
        row = [np.mean([found[i][name] for found in by_truth]) for i in range(len(OVERLAPS))]
        print(f"{name:28}", *(f"{value:.3f}" for value in row))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.environ["POSTSEG_MASKS"])
