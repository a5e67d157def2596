"""Count transcripts by cell from a Parquet file, in every way that people do: a program.

    python tests/benchmarks/counting.py [--size 8192] [--points 10000000]
    python tests/benchmarks/counting.py --batches [--points 100000000]

The tissue of `tissue.py` is filtered, and points of 500 genes and 20 controls lie on it, with the
columns of Xenium, in um, in row groups of a million: in tile order, as a machine writes them, and
in random order. Each way gets what it needs but the points (filtered masks, polygons in um, a
dense label image), counts a hundredth of the points, so that all is imported and compiled, and
then all of them: its CPU time is that of all threads, its memory what it grew by meanwhile. It
does so in a process of its own, the short ones several times, of which the median is told.

All count the points of genes with a quality of 20 or more, in the cells that postseg keeps:

- postseg: `process_points`;
- reading: the four columns that are needed, and no more (of ``--batches`` by row group);
- dense: the points are looked up in a label image, and summed up by scipy;
- sopa: its `count_transcripts`, where it is installed: 2.2.11 was, beside the versions of
  spatialdata, dask and NumPy that postseg was run with;
- spatialdata: `aggregate` of the points by shapes;
- sjoin: geopandas' `sjoin`, and pandas' `crosstab`.

The last three take outlines, so that they count other points: how many is told, too.
With ``--batches`` it is postseg and reading alone.
"""

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp
from tissue import tissue

PIXEL_SIZE = 0.2125  # um
LEAST = 20.0  # quality
ROW_GROUP = 1_000_000
TILES = 16  # a side, of the machine
COLUMNS = ["x_location", "y_location", "feature_name", "qv"]
GENES = [f"Gene{i}" for i in range(500)]
CONTROLS = [f"{kind}_{i:05}" for kind in ("NegControlProbe", "BLANK") for i in range(10)]
ORDERS = ("tile", "random")


# ---- what is counted


def write_points(path, size, n_points, order, seed=0):
    """Points of a slide of `size` pixels, a few of them beyond its edges."""
    names = pa.array([*GENES, *CONTROLS])
    rng = np.random.default_rng(seed)
    share = np.r_[rng.lognormal(0, 1, len(GENES)), np.full(len(CONTROLS), 0.05)]
    share /= share.sum()
    writer = None
    for first in range(0, n_points, ROW_GROUP):
        n = min(ROW_GROUP, n_points - first)
        place = rng.random((2, n))
        if order == "tile":
            tile = (first + np.arange(n)) * TILES**2 // n_points
            place = (place + np.divmod(tile, TILES)) / TILES
        y, x = (place * 1.01 - 0.005) * size * PIXEL_SIZE
        qv = np.where(rng.random(n) < 0.6, 40, rng.random(n) * 40)
        gene = rng.choice(len(names), n, p=share).astype(np.int16)
        table = pa.table(
            {
                "overlaps_nucleus": rng.integers(0, 2, n, np.uint8),
                "feature_name": pa.DictionaryArray.from_arrays(gene, names).cast(pa.string()),
                "x_location": x.astype(np.float32),
                "y_location": y.astype(np.float32),
                "z_location": (rng.random(n) * 20).astype(np.float32),
                "qv": qv.astype(np.float32),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=ROW_GROUP)
    writer.close()


def write_slide(folder, size):
    """Masks, those of the cells that postseg keeps, and their outlines in um."""
    import spatialdata as sd
    from spatialdata.transformations import remove_transformation

    from postseg import PostSegmentation

    masks = tissue(size)
    np.save(folder / "masks.npy", masks)
    post = PostSegmentation(masks, verbose=False)
    post.process_masks_to_shapes()
    np.save(folder / "cells.npy", post.masks)
    shapes = sd.transform(post.shapes_model, to_coordinate_system="global")
    remove_transformation(shapes, remove_all=True)
    shapes.geometry = shapes.geometry.scale(PIXEL_SIZE, PIXEL_SIZE, origin=(0, 0))
    shapes.to_parquet(folder / "shapes.parquet")
    return len(shapes)


# ---- the ways: each gets ready, and returns what counts the points of a file


def by_postseg(folder):
    from postseg import PostSegmentation

    post = PostSegmentation(np.load(folder / "masks.npy"), verbose=False)
    post.process_masks_to_shapes()

    def count(path):
        _, table = post.process_points(path, pixel_size=PIXEL_SIZE)
        return table.X, table.var_names

    return count


def by_reading(folder):
    def count(path):
        if "batches" in path.stem:
            with pq.ParquetFile(path) as file:
                for i in range(file.num_row_groups):
                    file.read_row_group(i, columns=COLUMNS)
        else:
            pq.read_table(path, columns=COLUMNS)

    return count


def by_dense(folder):
    cells = np.load(folder / "cells.npy")
    n_cells = int(cells.max())

    def count(path):
        table = pq.read_table(path, columns=COLUMNS, read_dictionary=["feature_name"])
        x, y, _, qv = (table[name] for name in COLUMNS)
        u, v = (a.to_numpy().astype(np.float64) * (1 / PIXEL_SIZE) for a in (x, y))
        inside = (u >= 0) & (u < cells.shape[1]) & (v >= 0) & (v < cells.shape[0])
        keep = np.flatnonzero(inside & (qv.to_numpy() >= LEAST))
        cell = cells[v[keep].astype(np.int64), u[keep].astype(np.int64)]
        names = table["feature_name"].unify_dictionaries().combine_chunks()
        gene = names.indices.to_numpy()[keep][cell > 0]
        cell = cell[cell > 0] - 1
        shape = (n_cells, len(names.dictionary))
        counts = sp.coo_matrix((np.ones(cell.size, np.int32), (cell, gene)), shape=shape).tocsr()
        return counts, names.dictionary.to_pylist()

    return count


def _dask_points(path):
    """The points as spatialdata-io has them, of good quality."""
    import dask.dataframe as dd
    from spatialdata.models import PointsModel

    points = dd.read_parquet(path, columns=COLUMNS, split_row_groups=True)
    return PointsModel.parse(
        points[points["qv"] >= LEAST],
        coordinates={"x": "x_location", "y": "y_location"},
        feature_key="feature_name",
    )


def _shapes(folder):
    import geopandas as gpd
    from spatialdata.models import ShapesModel

    return ShapesModel.parse(gpd.read_parquet(folder / "shapes.parquet"))


def by_sopa(folder):
    import sopa
    import spatialdata as sd

    shapes = _shapes(folder)

    def count(path):
        slide = sd.SpatialData(points={"points": _dask_points(path)}, shapes={"cells": shapes})
        table = sopa.aggregation.count_transcripts(
            slide, "feature_name", shapes_key="cells", points_key="points"
        )
        return table.X, table.var_names

    return count


def by_spatialdata(folder):
    import spatialdata as sd

    shapes = _shapes(folder)

    def count(path):
        points = _dask_points(path)
        points["feature_name"] = points["feature_name"].astype("category").cat.as_known()
        slide = sd.aggregate(
            values=points, by=shapes, value_key="feature_name", agg_func="count", deepcopy=False
        )
        (table,) = slide.tables.values()
        return table.X, table.var_names

    return count


def by_sjoin(folder):
    import geopandas as gpd
    import pandas as pd

    shapes = _shapes(folder)

    def count(path):
        points = pq.read_table(path, columns=COLUMNS, read_dictionary=["feature_name"]).to_pandas()
        points = points[points["qv"] >= LEAST]
        points = gpd.GeoDataFrame(
            points["feature_name"],
            geometry=gpd.points_from_xy(points["x_location"], points["y_location"]),
        )
        joined = points.sjoin(shapes[["geometry"]], predicate="intersects")
        (cell,) = (name for name in joined if name not in ("feature_name", "geometry"))
        counts = pd.crosstab(joined[cell], joined["feature_name"])
        counts = counts.reindex(shapes.index, fill_value=0)
        return sp.csr_matrix(counts.to_numpy()), counts.columns

    return count


WAYS = {  # and how often they are run
    "postseg": (by_postseg, 3),
    "reading": (by_reading, 3),
    "dense": (by_dense, 3),
    "sopa": (by_sopa, 1),
    "spatialdata": (by_spatialdata, 1),
    "sjoin": (by_sjoin, 1),
}


# ---- measuring


def cpu():
    """CPU seconds of this process, of all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def memory(line):
    """MB of this process: VmRSS now, or VmHWM at most."""
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{line}:")[1].split()[0]) / 1024


def measure(name, folder, path):
    """Count in one way; print CPU seconds, and MB that it grew by and was at most."""
    count = WAYS[name][0](folder)
    count(path.with_suffix(".few"))
    before = memory("VmHWM")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak
    ready, start = memory("VmRSS"), cpu()
    result = count(path)
    seconds, peak = cpu() - start, memory("VmHWM")
    if result is not None:
        save(folder / f"{name}.npz", *result)
    print(json.dumps([seconds, peak - ready, max(before, peak)]))


def save(path, counts, names):
    """Cells x genes, in the order of `GENES`."""
    at = {str(name): i for i, name in enumerate(names)}
    sp.save_npz(path, sp.csc_matrix(counts)[:, [at[gene] for gene in GENES]].tocsr())


def run(name, folder, path, times):
    """Measure in fresh processes; the medians, or None where it is not installed."""
    found = []
    for _ in range(times):
        command = [sys.executable, __file__, "--way", name, str(folder), str(path)]
        here = str(Path(__file__).parents[2])
        paths = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": paths, "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
        )
        if f"No module named '{name}'" in done.stderr:
            return None
        if done.returncode:
            raise RuntimeError(f"{name} failed:\n{done.stderr}")
        found.append(json.loads(done.stdout.splitlines()[-1]))
    return np.median(found, axis=0)


def difference(folder, name):
    """Share of the entries, and of the transcripts, that are not as postseg has them."""
    ours, theirs = (sp.load_npz(folder / f"{way}.npz") for way in ("postseg", name))
    apart = abs(ours - theirs)
    apart.eliminate_zeros()
    entries = (ours + theirs).nnz
    return f"{apart.nnz:,} of {entries:,}, {apart.sum() / ours.sum():.2%} of the transcripts"


def compare(folder, size, n_points, ways, orders, batches):
    """Run all ways, and print a table."""
    n_cells = write_slide(folder, size)
    print(f"{size} x {size}, {n_cells:,} cells, {n_points:,} points")
    print("| way | order | CPU s | ns a point | ratio | grew by, MB | at most, MB | differs |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for order in orders:
        path = folder / ("batches.parquet" if batches else "points.parquet")
        write_points(path, size, n_points, order)
        write_points(path.with_suffix(".few"), size, max(1, n_points // 100), order)
        ours = None
        for name in ways:
            if order != orders[0] and name not in ("postseg", "reading", "dense"):
                continue  # the slow ones once
            found = run(name, folder, path, 1 if batches else WAYS[name][1])
            if found is None:
                print(f"| {name} | {order} | not installed |", flush=True)
                continue
            seconds, grown, most = found
            ours = ours or seconds
            differs = "" if name in ("postseg", "reading") else difference(folder, name)
            print(
                f"| {name} | {order} | {seconds:.2f} | {seconds / n_points * 1e9:.0f} | "
                f"{seconds / ours:.2f} | {grown:.0f} | {most:.0f} | {differs} |",
                flush=True,
            )
        path.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=8192, help="pixels a side")
    parser.add_argument("--points", type=int, help="how many; 10 million, of batches 100")
    parser.add_argument("--batches", action="store_true", help="postseg and reading alone")
    parser.add_argument("--only", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--orders", nargs="+", choices=ORDERS, default=list(ORDERS))
    parser.add_argument("--way", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way is not None:
        name, folder, path = given.way
        measure(name, Path(folder), Path(path))
        return
    n_points = given.points or (100_000_000 if given.batches else 10_000_000)
    ways = ["postseg", "reading"] if given.batches else given.only
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
        compare(Path(folder), given.size, n_points, ways, given.orders, given.batches)


if __name__ == "__main__":
    main()
