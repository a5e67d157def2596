"""Many random points against the obvious way for large numbers: a look-up in the whole label image.

``python -m tests.transcripts.dense [FOLDER] [-n POINTS]`` compares ten million points on each label
image of a folder (``*.npz`` with "labels"), and on a synthetic one, and tells what differs.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from skimage.measure import label

from postseg import PostSegmentation

GENES = [f"gene{i:03d}" for i in range(300)]
CONTROL = "NegControlProbe_1"


def synthetic(side=2048):
    """Squares, of which some are too small, with holes and gaps, in no order of their ids."""
    chance = np.random.default_rng(0)
    n = side // 16
    ids = chance.permutation(np.arange(1, n * n + 1)).reshape(n, n)
    within = np.abs(np.arange(16) - 7.5)
    radius = np.repeat(np.repeat(chance.choice([7.0, 6.0, 2.0], (n, n)), 16, 0), 16, 1)
    distance = np.tile(np.maximum(within[:, None], within), (n, n))
    return np.where(
        (distance <= radius) & (distance > 0.6), np.repeat(np.repeat(ids, 16, 0), 16, 1), 0
    )


def random_points(shape, n, seed=0):
    """Points all over an image and a little beyond; every tenth on a corner of pixels."""
    chance = np.random.default_rng(seed)
    x, y = (chance.uniform(-0.02, 1.02, n) * side for side in shape[::-1])
    x[::10], y[::10] = x[::10].round(), y[::10].round()
    names = pd.Categorical.from_codes(chance.integers(0, 301, n), [*GENES, CONTROL])
    qv = chance.choice(np.array([10, 20, 40], "f4"), n)
    return pd.DataFrame({"x": x, "y": y, "feature_name": names, "qv": qv})


def differences(masks, points, factor):
    """How many numbers of postseg's are not those of a look-up in the label image, by what.

    Points are in full-resolution pixels.
    """
    post = PostSegmentation(masks, factor, verbose=False)
    model, table = post.process_points(points)
    found = model[["label", "region"]].compute()

    regions = label(masks, connectivity=2)
    enlarged = np.repeat(np.repeat(regions, max(1, factor), 0), max(1, factor), 1)
    x, y = points["x"].to_numpy(), points["y"].to_numpy()
    inside = (x >= 0) & (x < enlarged.shape[1]) & (y >= 0) & (y < enlarged.shape[0])
    region = np.zeros(len(points), np.int64)
    region[inside] = enlarged[y[inside].astype(int), x[inside].astype(int)]
    label_of = np.append(0, post.regions["label"].to_numpy())
    cell = label_of[region]

    good = points["qv"].to_numpy() >= 20
    gene = points["feature_name"].cat.codes.to_numpy()
    counted = good & (gene < len(GENES))
    in_cell = counted & (cell > 0)
    shape = label_of.max(), len(GENES)
    ones = np.ones(in_cell.sum(), np.int64)
    X = coo_matrix((ones, (cell[in_cell] - 1, gene[in_cell])), shape).tocsr()
    per_region = np.zeros(label_of.size, np.int64)
    np.add.at(per_region, region[counted], 1)
    kind = np.select([~good, gene == len(GENES)], ["low_quality", "control"], "gene")
    reason = np.append("", post.regions["reason"].to_numpy(str))
    place = np.select(
        [~inside, region == 0, cell > 0],
        ["outside", "background", "in_cells"],
        np.char.add("rejected_", reason[region]),
    )
    ledger = pd.crosstab(place, kind)
    ledger = ledger.reindex(index=post.transcripts.index, columns=post.transcripts.columns)
    return {
        "label": int((found["label"].to_numpy() != cell).sum()),
        "region": int((found["region"].to_numpy() != region).sum()),
        "X": int((table.X != X).nnz),
        "regions": int((post.regions["transcript_counts"].to_numpy() != per_region[1:]).sum()),
        "ledger": int((post.transcripts != ledger.fillna(0)).to_numpy().sum()),
        "total": abs(int(post.transcripts.to_numpy().sum()) - len(points)),
    }


def main(arguments=None):
    """Compare, print, and return how many numbers differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("/work/shared/data"))
    parser.add_argument("-n", type=int, default=10_000_000, help="points on each label image")
    chosen = parser.parse_args(arguments)
    images = {path.stem: path for path in sorted(chosen.folder.glob("*.npz"))}
    total = 0
    for i, name in enumerate([*images, "synthetic"]):
        masks = np.load(images[name])["labels"] if name in images else synthetic()
        factor = (4, 1, 3, 2)[i % 4]
        points = random_points([side * factor for side in masks.shape], chosen.n, seed=i)
        began = time.process_time()
        found = differences(masks, points, factor)
        spent = time.process_time() - began
        total += sum(found.values())
        print(f"{name}, factor {factor}, {chosen.n:,} points: {found}, {spent:.1f} s", flush=True)
    print(f"{total} differences")
    return total


if __name__ == "__main__":
    warnings.simplefilter("error", RuntimeWarning)
    sys.exit(main() > 0)
