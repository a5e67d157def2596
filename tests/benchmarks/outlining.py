"""Outline cells in every way, and simplify them as GEOS does: a program.

    python tests/benchmarks/outlining.py [side]
    python tests/benchmarks/outlining.py --slide

On the tissue of `tissue.py`, 8192 pixels a side by default, of which three tables are printed:

- CPU time in one process with one thread, from the image to polygons. All ways take turns, and
  the median is told. So are vertices a cell, by how much areas are off those of the pixels, and in
  how many pixels an image that GDAL draws of the polygons differs. The peers: `coverage_simplify`
  of GEOS, which gets the polygons along pixel edges made; GDAL's own pixel edges, by rasterio, as
  dicts and as shapely polygons. Asked for: pixels at most 1.6 x contour, simplified at most 2.6 x,
  and a tenth of `coverage_simplify` at most.
- Memory of the polygons: what a process of its own grew by, what of that is coordinates, and
  what the process had at most, all in MB.
- Files of the cells that the filter keeps. Asked for: simplified at least 3.5 x smaller than
  contour.

With ``--slide``, CPU time and memory alone, of 876,000 cells on a slide of 32,760 pixels a side:
tissue of a quarter of that, 16 times over, as runs. Asked for: simplified under 1 GB.
"""

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ["POSTSEG_N_JOBS"] = "1"

import numpy as np
import rasterio.features
import shapely
from rasterio.transform import Affine
from tissue import PITCH, tissue

from postseg import PostSegmentation, masks_to_polygons
from postseg._support.checks import OUTLINES
from postseg.geometry.outlines import outline_polygons
from postseg.raster.images import encode
from postseg.raster.runs import Runs

ROUNDS, PEERS_ROUNDS = 5, 3
TOLERANCE = 1.0  # pixels, of coverage_simplify
TIMES, PERIOD = 4, 234 * PITCH  # the slide's tissue a side, and whole cells of it
FORMATS = {"GeoParquet": "cells.parquet", "GeoJSON": "cells.geojson"}
PIXELS = Affine.translation(-0.5, -0.5)  # pixel centres at whole numbers


# ---- CPU time


def gdal(masks):
    """Rings along the pixel edges of 4-connected parts, as dicts."""
    return list(rasterio.features.shapes(masks, mask=masks > 0, connectivity=4, transform=PIXELS))


def gdal_polygons(masks):
    return [shapely.geometry.shape(ring) for ring, _ in gdal(masks)]


def cpu(way):
    """CPU seconds of one call, and what it gives."""
    gc.collect()
    before = time.process_time()
    made = way()
    return time.process_time() - before, made


def compare_times(masks):
    areas = np.bincount(masks.ravel())
    cells = np.flatnonzero(areas[1:]) + 1
    areas = areas[cells]
    pixels = np.array(masks_to_polygons(masks, outline="pixels"), dtype=object)
    for outline in OUTLINES:  # the first time compiles
        masks_to_polygons(masks[:256, :256], outline=outline)

    def outlined(outline):
        return lambda: masks_to_polygons(masks, outline=outline)

    ways = {outline: (outlined(outline), ROUNDS) for outline in OUTLINES} | {
        "coverage_simplify": (lambda: shapely.coverage_simplify(pixels, TOLERANCE), PEERS_ROUNDS),
        "GDAL, dicts": (lambda: gdal(masks), PEERS_ROUNDS),
        "GDAL, shapely": (lambda: gdal_polygons(masks), PEERS_ROUNDS),
    }
    seconds, rest = {name: [] for name in ways}, {}
    for turn in range(ROUNDS):
        for name, (way, rounds) in ways.items():
            if turn < rounds:
                used, made = cpu(way)
                seconds[name].append(used)
                if name not in rest:
                    one_each = "GDAL" not in name
                    rest[name] = describe(made, masks, cells, areas) if one_each else "| |"
                del made
    median = {name: np.median(found) for name, found in seconds.items()}

    size = " x ".join(map(str, masks.shape))
    versions = f"GEOS {shapely.geos_version_string}, GDAL {rasterio.__gdal_version__}"
    print(f"{size} pixels, {cells.size:,} cells; shapely {shapely.__version__}, {versions}\n")
    print("| way | CPU s | us a cell | beside contour | vertices | area | pixels that differ |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, used in median.items():
        print(
            f"| {name} | {used:.3f} | {used / cells.size * 1e6:.1f} | "
            f"{used / median['contour']:.2f} x | {rest[name]} |"
        )
    simplified = median["simplified"]
    print(f"\ncoverage_simplify / simplified: {median['coverage_simplify'] / simplified:.1f} x")


def describe(polygons, masks, cells, areas):
    """Vertices a cell, areas beside those of the pixels (mean, and worst), pixels that differ."""
    geometry = np.array(polygons, dtype=object)
    vertices = shapely.get_num_coordinates(geometry).sum() / cells.size
    off = 100 * (shapely.area(geometry) / areas - 1)
    drawn = rasterio.features.rasterize(
        zip(geometry, cells.tolist(), strict=True), masks.shape, transform=PIXELS, dtype=np.int32
    )
    differ = np.count_nonzero(drawn != masks)
    return f"{vertices:.1f} | {off.mean():+.3f} %, {off[np.abs(off).argmax()]:+.1f} % | {differ:,}"


# ---- memory


def memory(line):
    """MB of this process: VmRSS now, once what was freed is given back, or VmHWM at most."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{line}:")[1].split()[0]) / 1024


def repeated(runs, times):
    """Runs of an image that lies `times` by `times` over, every cell with an id of its own."""
    height, width = runs.shape
    n_labels = int(runs.label.max())
    band = [
        np.concatenate([part + j * more for j in range(times)])
        for part, more in zip(runs[:4], (0, width, width, n_labels), strict=True)
    ]
    order = np.argsort(band[0], kind="stable")  # by rows, in each from left to right
    band = [part[order] for part in band]
    slide = (
        np.concatenate([part + i * more for i in range(times)])
        for part, more in zip(band, (height, 0, 0, times * n_labels), strict=True)
    )
    return Runs(*slide, (times * height, times * width))


def measure(outline, path, times):
    """Print cells, CPU seconds, and MB: held by the polygons, their coordinates', the peak."""
    outline_polygons(encode(tissue(256)), (1, 1), outline=outline)
    with np.load(path) as file:
        runs = Runs(*(file[name] for name in Runs._fields[:4]), tuple(file["shape"].tolist()))
    if times > 1:
        runs = repeated(runs, times)
    before = memory("VmRSS")
    used, (labels, geometry, _) = cpu(lambda: outline_polygons(runs, (1, 1), outline=outline))
    held = memory("VmRSS") - before - labels.nbytes / 2**20
    coordinates = 16 * shapely.get_num_coordinates(geometry).sum() / 2**20
    print(json.dumps([labels.size, used, held, coordinates, memory("VmHWM")]))


def compare_memory(folder, runs, times):
    """Measure in fresh processes."""
    path = folder / "runs.npz"
    np.savez(path, **runs._asdict())
    print("\n| way | cells | CPU s from runs | MB held | bytes a cell | coordinates | peak |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for outline in OUTLINES:
        command = [sys.executable, __file__, "--measure", outline, str(path), str(times)]
        here = str(Path(__file__).parents[2])
        paths = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": paths},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        n_cells, used, held, coordinates, peak = json.loads(done.stdout)
        print(
            f"| {outline} | {n_cells:,} | {used:.2f} | {held:,.0f} | "
            f"{held * 2**20 / n_cells:,.0f} | {coordinates:,.0f} | {peak:,.0f} |",
            flush=True,
        )


# ---- files


def compare_files(folder, masks):
    size = {name: {} for name in FORMATS}
    for outline in OUTLINES:
        post = PostSegmentation(masks, outline=outline, verbose=False)
        post.process_masks_to_shapes()
        for name, file in FORMATS.items():
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", ".* lost holes or parts")
                post.export(folder / file)
            size[name][outline] = (folder / file).stat().st_size
            (folder / file).unlink()
    print(f"\n| MB | {' | '.join(OUTLINES)} | contour / simplified |")
    print("| --- " * (2 + len(OUTLINES)) + "|")
    for name, sizes in size.items():
        all_sizes = " | ".join(f"{n / 1e6:.1f}" for n in sizes.values())
        print(f"| {name} | {all_sizes} | {sizes['contour'] / sizes['simplified']:.2f} x |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("side", type=int, nargs="?", default=8192, help="pixels; 8192")
    parser.add_argument("--slide", action="store_true", help="memory of 876,000 cells alone")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure is not None:
        outline, path, times = given.measure
        measure(outline, path, int(times))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.slide:
            compare_memory(folder, encode(tissue(PERIOD)), TIMES)
            return
        masks = tissue(given.side)
        compare_times(masks)
        compare_memory(folder, encode(masks), 1)
        compare_files(folder, masks)


if __name__ == "__main__":
    main()
