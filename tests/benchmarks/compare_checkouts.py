"""Do two checkouts of postseg give the same, to the bit, and how fast is each?

    python tests/benchmarks/compare_checkouts.py OLD NEW [--data FOLDER]
    python tests/benchmarks/compare_checkouts.py OLD NEW --time

The first compares what they make of real masks, of the demo's tissue and of a dask version of each,
with every configuration of `configs/`, at full resolution and at a quarter; it exits with 1 where
they differ. The second compares their CPU time. Each checkout runs in processes of its own, by its
public names only, and nothing is written into it.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FACTORS = (1, 4)
CHUNKS = (300, 411)  # of the dask versions; they divide no side


# ---- in a process that imports one of the checkouts


def facts_of_checkout(data: str) -> dict[str, dict[str, str]]:
    """What this checkout makes of every case: case -> name of an output -> what it is."""
    import dask.array as da
    import numpy as np
    from skimage.data import immunohistochemistry

    from postseg import FilterConfig
    from postseg.demo import segment_nuclei

    images = {"demo": segment_nuclei(immunohistochemistry())}
    for path in sorted(Path(data).glob("*.npz")):
        images[path.stem] = np.load(path)["labels"]
    facts = {}
    for name, image in images.items():
        kinds = {"numpy": image, "dask": da.from_array(image, chunks=CHUNKS)}
        for kind, masks in kinds.items():
            facts[f"{name}, {kind}, unfiltered"] = dict(_unfiltered(masks))
            for path in sorted((ROOT / "configs").glob("*.toml")):
                config = FilterConfig.from_file(path)
                for factor in FACTORS:
                    case = f"{name}, {kind}, {path.stem}, factor {factor}"
                    facts[case] = dict(_filtered(masks, config, factor))
        print(name, file=sys.stderr)
    return facts


def _unfiltered(masks) -> Iterator[tuple[str, str]]:
    import numpy as np

    from postseg import PostSegmentation, masks_to_polygons, measure_regions

    yield from _table("measure_regions", measure_regions(masks))
    yield "masks_to_polygons", _geometry(masks_to_polygons(masks, 2))
    post = PostSegmentation(masks, factor_rescale=2, verbose=False)
    yield "labels of unfiltered masks", _array(np.asarray(post.process_labels()[1]))


def _filtered(masks, config, factor) -> Iterator[tuple[str, str]]:
    import numpy as np
    from spatialdata.transformations import get_transformation

    from postseg import PostSegmentation

    post = PostSegmentation(
        masks, factor, "cells", origin=(7, 512), filter_config=config, verbose=False
    )
    try:
        cleaned, gdf_polygons, shapes_model = post.process_masks_to_shapes()
    except RuntimeError as error:
        yield "error", str(error)
        return
    _, labels_model = post.process_labels()
    table = post.process_table()
    yield "masks", f"{type(cleaned).__name__} {_array(np.asarray(cleaned))}"
    yield from _table("regions", post.regions)
    yield "report text", str(post.filter_report)
    for name, shapes in {"gdf_polygons": gdf_polygons, "shapes_model": shapes_model}.items():
        yield f"{name} geometry", _geometry(shapes.geometry)
        yield from _table(name, shapes.drop(columns="geometry"))
    yield "labels_model", f"{labels_model.name} {labels_model.dims}"
    yield "labels_model values", _array(np.asarray(labels_model))
    for name, element in {"shapes_model": shapes_model, "labels_model": labels_model}.items():
        for system, transformation in get_transformation(element, get_all=True).items():
            matrix = transformation.to_affine_matrix(("x", "y"), ("x", "y"))
            yield f"{name} in {system!r}", _array(matrix)
    yield from _table("table obs", table.obs)
    for name, values in table.obsm.items():
        yield f"table obsm[{name!r}]", _array(values)
    yield "verify", str(post.verify())
    values = [0.05, 0.1, 0.15, 0.2, None]
    yield from _table("sweep", post.threshold_sweep("max_convexity_deficit", values))
    if factor == 1:
        yield "report page", _page(post)
    post.refilter(max_convexity_deficit=0.15)
    yield "refilter: masks", _array(np.asarray(post.masks))
    yield from _table("refilter: regions", post.regions)


def _table(name, table) -> Iterator[tuple[str, str]]:
    """The columns of a table: their order, and each one's dtype and content."""
    import numpy as np

    yield f"{name} columns", repr(list(table.columns))
    columns = {"index": table.index, **{repr(column): table[column] for column in table.columns}}
    for heading, column in columns.items():
        values = column.to_numpy()
        if values.dtype.kind in "biuf":
            content = values.tobytes()
        else:  # by value: text, categories, arrays of region numbers
            content = repr([np.asarray(value).tolist() for value in values]).encode()
        yield f"{name}[{heading}]", f"{column.dtype} {len(values)} {_hash(content)}"


def _array(values) -> str:
    return f"{values.dtype} {values.shape} {_hash(values.tobytes())}"


def _geometry(shapes) -> str:
    import numpy as np
    import shapely

    wkb = shapely.to_wkb(np.asarray(shapes, dtype=object))
    return f"{len(wkb)} {_hash(b'|'.join(wkb))}"


def _page(post) -> str:
    """The report page without the time and the version that it names."""
    import matplotlib

    import postseg

    matplotlib.rcParams["svg.hashsalt"] = "the same ids in both"
    with tempfile.TemporaryDirectory() as folder:
        post.write_report(Path(folder) / "page.html", source="masks")
        text = (Path(folder) / "page.html").read_text(encoding="utf-8")
    text = re.sub(r"<time .*?</time>", "", text).replace(f"postseg {postseg.__version__}", "")
    return f"{len(text)} {_hash(text.encode())}"


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def seconds_of_checkout(masks: str) -> dict[str, float]:
    """CPU seconds that each step takes, those of all threads together."""
    import numpy as np
    from tissue import tissue

    import postseg

    image, small = np.load(masks), tissue(256)
    _steps(postseg, small)  # kernels are compiled, modules imported
    return _steps(postseg, image)


def _steps(postseg, masks) -> dict[str, float]:
    import numpy as np

    post = postseg.PostSegmentation(masks, factor_rescale=2, verbose=False)
    deficits = np.linspace(0.05, 0.3, 80)
    steps = {
        "filter_cell_by_regionprops": lambda: postseg.filter_cell_by_regionprops(
            masks, verbose=False
        ),
        "masks_to_polygons": lambda: postseg.masks_to_polygons(masks, 1),
        "process_masks_to_shapes": post.process_masks_to_shapes,
        "process_labels, factor 2, computed": lambda: post.process_labels()[1].max().compute(),
        "process_table": post.process_table,
        "threshold_sweep, 80 values": lambda: post.threshold_sweep(
            "max_convexity_deficit", deficits
        ),
        "refilter": lambda: post.refilter(max_convexity_deficit=0.15),
    }
    return {name: _cpu_seconds(step) for name, step in steps.items()}


def import_of_checkout() -> dict[str, float]:
    """CPU seconds of the import alone."""
    return {"import postseg": _cpu_seconds(lambda: __import__("postseg"))}


def _cpu_seconds(step) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


def answer(checkout: str, path: str, function, *arguments: str) -> None:
    """Write what a function says of a checkout, once it is certain that it is of this one."""
    warnings.simplefilter("ignore")
    answered = function(*arguments)
    import postseg

    where = Path(postseg.__file__).resolve().parents[1]
    if where != Path(checkout):
        sys.exit(f"postseg was imported from {where}, not from {checkout}")
    Path(path).write_text(json.dumps(answered), encoding="utf-8")


# ---- in the process that compares


class Checkout:
    """A checkout that is asked in new processes, with caches of its own in `folder`."""

    def __init__(self, root: Path, folder: Path):
        self.root, self.folder = root.resolve(), folder
        if not (self.root / "postseg" / "__init__.py").is_file():
            sys.exit(f"{root} is no checkout of postseg: it has no postseg/__init__.py")
        folder.mkdir()

    def ask(self, function, *arguments) -> dict:
        """What one of the functions above says there."""
        path = self.folder / "answer.json"
        given = ", ".join(map(repr, map(str, [self.root, path])))
        rest = "".join(f", {str(argument)!r}" for argument in arguments)
        name = function.__name__
        code = f"import compare_checkouts as here; here.answer({given}, here.{name}{rest})"
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(self.root), str(HERE)]),
            "PYTHONPYCACHEPREFIX": str(self.folder / "bytecode"),
            "NUMBA_CACHE_DIR": str(self.folder / "kernels"),
        }
        subprocess.run([sys.executable, "-c", code], env=environment, cwd=self.folder, check=True)
        return json.loads(path.read_text(encoding="utf-8"))


def compare_facts(old: Checkout, new: Checkout, data: Path) -> int:
    """Print a line for every case in which they differ, and how many do."""
    if not any(data.glob("*.npz")):
        sys.exit(f"{data.resolve()} holds no masks (*.npz); name the folder with --data")
    with ThreadPoolExecutor(2) as pool:  # each waits for a process
        told = [*pool.map(lambda of: of.ask(facts_of_checkout, data.resolve()), (old, new))]
    differing = 0
    for case in {**told[0], **told[1]}:
        before, after = (facts.get(case, {}) for facts in told)
        names = [n for n in {**before, **after} if before.get(n) != after.get(n)]
        if names:
            differing += 1
            print(f"{case}: {', '.join(n + _change(before.get(n), after.get(n)) for n in names)}")
    outputs = sum(map(len, told[1].values()))
    print(f"{differing} of {len(told[1])} cases differ; {outputs:,} outputs were compared")
    return int(differing > 0)


def _change(before: str | None, after: str | None) -> str:
    """How dtype, shape or number changed; nothing where it is the content that did."""
    kinds = [text and text.rpartition(" ")[0] for text in (before, after)]
    if kinds[0] == kinds[1] or any(kind and len(kind) > 40 for kind in kinds):
        return ""
    return f" ({kinds[0]} -> {kinds[1]})"


def compare_times(old: Checkout, new: Checkout, size: int, rounds: int) -> int:
    """Print the medians over rounds in which the two take turns."""
    import numpy as np
    from tissue import tissue

    masks = old.folder / "tissue.npy"
    np.save(masks, tissue(size))
    small = old.folder / "small.npy"
    np.save(small, tissue(64))
    for checkout in (old, new):  # fills the caches
        checkout.ask(seconds_of_checkout, small)
        checkout.ask(import_of_checkout)
    taken: dict[Checkout, list[dict[str, float]]] = {old: [], new: []}
    for number in range(rounds):
        for checkout in (old, new) if number % 2 else (new, old):
            seconds = checkout.ask(seconds_of_checkout, masks)
            taken[checkout].append({**seconds, **checkout.ask(import_of_checkout)})
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    print(f"CPU seconds at {size} x {size}, medians of {rounds} rounds")
    print(f"{'':<36}{'old':>9}{'new':>9}{'new/old':>9}  (each round)")
    for step in taken[new][0]:
        before, after = ([of[step] for of in taken[checkout]] for checkout in (old, new))
        ratios = [b / a for a, b in zip(before, after, strict=True)]
        each = " ".join(f"{ratio:.2f}" for ratio in ratios)
        print(
            f"{step:<36}{median(before):>9.3f}{median(after):>9.3f}{median(ratios):>9.2f}  ({each})"
        )
    return 0


def main() -> int:
    """Compare as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path, help="the checkout that is right")
    parser.add_argument("new", type=Path, help="the checkout that is to equal it")
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("POSTSEG_MASKS", ROOT.parent / "shared" / "data"),
        help="folder of label images (npz, key labels); default: POSTSEG_MASKS, or %(default)s",
    )
    parser.add_argument("--time", action="store_true", help="compare CPU times, not outputs")
    parser.add_argument("--size", type=int, default=8192, help="side of the timed tissue")
    parser.add_argument("--rounds", type=int, default=5, help="of timing")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        old = Checkout(given.old, Path(folder) / "old")
        new = Checkout(given.new, Path(folder) / "new")
        if given.time:
            return compare_times(old, new, given.size, given.rounds)
        return compare_facts(old, new, given.data)


if __name__ == "__main__":
    sys.exit(main())
