"""Whatever happened to a file, reading it is an array or an error that the commands catch.

The environment variable ``POSTSEG_FUZZ`` multiplies the number of cases.
"""

import io
import os
import sys
from pathlib import Path
from shutil import copytree

import dask.array as da
import numpy as np
import pytest
import tifffile
from drawing import OFF
from PIL import Image
from tampering import tissue

from postseg import FilterConfig, PostSegmentation
from postseg.files.read import read_label_image
from postseg.restoring import restore
from postseg.verify.verification import verify_store

# as users have it: a library's warning does not stop it on its way to something worse
pytestmark = pytest.mark.filterwarnings("ignore")

FACTOR = int(os.environ.get("POSTSEG_FUZZ", "1"))
EXPECTED = (OSError, ValueError, MemoryError)
LARGE = 512 << 10  # KB: what no small file may take
MASKS = np.kron(np.random.default_rng(0).integers(0, 500, (16, 16)), np.ones((8, 8), int))


def file_of(write):
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def tiff(**kwargs):
    return file_of(lambda file: tifffile.imwrite(file, MASKS.astype(np.uint16), **kwargs))


def pyramid(file):
    with tifffile.TiffWriter(file, ome=True) as writer:
        writer.write(MASKS.astype(np.uint16), subifds=1, tile=(32, 32))
        writer.write(MASKS[::2, ::2].astype(np.uint16), subfiletype=1, tile=(32, 32))


def png(dtype):
    return file_of(lambda file: Image.fromarray(MASKS.astype(dtype)).save(file, "png"))


def npy(array):
    return file_of(lambda file: np.save(file, array, allow_pickle=True))


FILES = {
    ".npy": [npy(MASKS), npy(np.asfortranarray(MASKS.astype(">i4"))), npy({"masks": MASKS})],
    ".npz": [
        file_of(lambda file: np.savez(file, masks=MASKS)),
        file_of(lambda file: np.savez_compressed(file, image=MASKS, labels=MASKS)),
    ],
    ".tif": [
        tiff(),
        tiff(imagej=True),
        tiff(bigtiff=True, tile=(32, 32)),
        tiff(compression="zlib", rowsperstrip=16),
        tiff(compression="zlib", tile=(32, 32), predictor=True, byteorder=">"),
        file_of(pyramid),
    ],
    ".png": [png(bool), png(np.uint8), png(np.uint16)],
}
CONFIGS = {
    ".json": [FilterConfig().model_dump_json(indent=n).encode() for n in (None, 2)],
    ".toml": [
        b'min_area = "auto"\nmax_area = 2000.5  # pixels\n\nmax_eccentricity = "none"\n',
        b'"min_area" = 1_000\nmin_solidity = 5e-1\n',
    ],
}


def damaged(content, rng):
    """A copy with a few bits or bytes changed, cut out, or all behind a place missing."""
    content = bytearray(content)
    near = int(rng.choice([64, 600, len(content)]))  # headers matter most,
    places = rng.integers(0, min(near, len(content)), rng.integers(1, 4))
    if rng.random() < 0.3:
        places = len(content) - 1 - places  # or directories at the end
    how = rng.choice(["bits", "bytes", "cut", "end"])
    for place in places.tolist():
        size = int(rng.integers(1, 9))
        if how == "bits":
            content[place] ^= 1 << rng.integers(8)
        elif how == "bytes":
            fill = (b"\xff" * size, bytes(size), rng.bytes(size))[rng.integers(3)]
            content[place : place + size] = fill[: len(content) - place]
    if how == "cut":
        del content[places[0] : places[0] + int(rng.integers(1, 40))]
    elif how == "end":
        del content[places[0] :]
    return bytes(content)


def peak():
    """Memory that this process has needed so far, in KB; 0 where that is not known."""
    if sys.platform != "linux":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def survives(read, case):
    """Read; whether it worked. Fail where it does not, but not in a way that is expected."""
    before = peak()
    try:
        outcome = read()
    except EXPECTED:
        outcome = None
    except BaseException as error:
        pytest.fail(f"case {case}: {error!r}")
    assert peak() - before < LARGE, f"case {case} takes too much memory"
    return outcome is not None


@pytest.mark.parametrize("suffix", FILES)
def test_images(tmp_path, suffix):
    path = tmp_path / f"m{suffix}"
    worked = 0
    for case in range(600 * FACTOR):
        rng = np.random.default_rng([1, case])
        path.write_bytes(damaged(FILES[suffix][case % len(FILES[suffix])], rng))
        worked += survives(lambda: np.asarray(read_label_image(path)), case)
    assert 0 < worked < 600 * FACTOR


@pytest.mark.parametrize("suffix", [".npz", ".png"])
def test_formats_with_checksums_are_never_read_wrong(tmp_path, suffix):
    path = tmp_path / f"m{suffix}"
    for case in range(200 * FACTOR):
        whole = FILES[suffix][case % len(FILES[suffix])]
        path.write_bytes(whole)
        expected = read_label_image(path)
        path.write_bytes(damaged(whole, np.random.default_rng([2, case])))
        try:
            image = read_label_image(path)
        except EXPECTED:
            continue
        np.testing.assert_array_equal(image, expected, err_msg=f"case {case}")


@pytest.mark.parametrize("suffix", CONFIGS)
def test_thresholds(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    for case in range(500 * FACTOR):
        rng = np.random.default_rng([3, case])
        path.write_bytes(damaged(CONFIGS[suffix][case % 2], rng))
        survives(lambda: FilterConfig.from_file(path), case)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store of many chunks, and the masks before the filter."""
    path = tmp_path_factory.mktemp("store") / "s.zarr"
    masks = da.from_array(tissue(), chunks=(50, 60))
    thresholds = {**OFF, "min_absolute_area": 120}
    post = PostSegmentation(masks, 2, "cells", filter_config=thresholds, verbose=False)
    post.write(path)
    return path, post.masks.compute()


def damage(path, part, rng):
    """Damage, empty or remove one or two files of a part of a store; return them as they were."""
    files = sorted(file for file in (path / part).rglob("*") if file.is_file())
    if rng.random() < 0.5:
        files = [file for file in files if file.name == "zarr.json"]
    before = {}
    for file in rng.choice(files, rng.integers(1, 3), replace=False).tolist():
        before[file] = content = file.read_bytes()
        how = rng.random()
        if how < 0.2:
            file.unlink()
        else:
            file.write_bytes(damaged(content, rng) if content and how < 0.9 else b"")
    return before


@pytest.mark.parametrize(
    ("read", "part", "cases"),
    [
        (lambda path: np.asarray(read_label_image(path)), "labels", 100),
        (restore, "", 15),
        (verify_store, "", 10),
    ],
    ids=["read_label_image", "restore", "verify"],
)
def test_stores(tmp_path, store, read, part, cases):
    path = Path(tmp_path, "s.zarr")
    copytree(store[0], path)
    for case in range(cases * FACTOR):
        before = damage(path, part, np.random.default_rng([4, case]))
        survives(lambda: read(path), f"{case} {list(before)}")
        for file, content in before.items():
            file.write_bytes(content)
    assert survives(lambda: read(path), "of the store as it was")


@pytest.mark.parametrize("part", ["labels/cells", "tables/cells_table/obs"])
def test_a_store_is_restored_as_it_was_or_not(tmp_path, store, part):
    path = Path(tmp_path, "s.zarr")
    copytree(store[0], path)
    files = sorted(file for file in (path / part).rglob("c/**/*") if file.is_file())
    for file in files[: 16 * FACTOR]:
        content = file.read_bytes()
        file.unlink()
        try:
            restored = restore(path)
        except EXPECTED:
            restored = None
        if restored is not None:
            np.testing.assert_array_equal(restored.masks, store[1], err_msg=str(file))
        file.write_bytes(content)
