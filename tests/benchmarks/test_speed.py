"""Speed and memory against the peers; see `.github/docs/speed.md` for the command."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import peers
import pytest
from tissue import tissue

from postseg import (
    PostSegmentation,
    filter_cell_by_regionprops,
    masks_to_polygons,
    measure_regions,
)
from postseg.filtering.intensities import measure_intensities
from postseg.filtering.run import measure_masks
from postseg.raster.intensity_image import as_intensity_image

HERE = Path(__file__).parent
SIZES = (1024, 2048, 4096, 8192)


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    PostSegmentation(tissue(256), verbose=False).process_masks_to_shapes()


# real label images too, where `POSTSEG_MASKS` names a folder of them
FOLDER = os.environ.get("POSTSEG_MASKS")
REAL = sorted(Path(FOLDER).glob("*.npz")) if FOLDER else []


@pytest.fixture(scope="module", params=[*SIZES, *REAL], ids=lambda of: getattr(of, "stem", of))
def masks(request):
    if isinstance(request.param, int):
        return tissue(request.param)
    return np.load(request.param)["labels"].astype(np.int32)


def compare(benchmark, group, masks, ours, peer, largest=8192):
    """Time `peer` once, or postseg five times."""
    benchmark.group = f"{group}, {masks.shape[0]} x {masks.shape[1]}"
    if masks.shape[0] > largest:
        pytest.skip("takes too long at this size")
    benchmark.pedantic(peer, (masks,), rounds=5 if peer in (ours, np.copy) else 1)


def ours_filter(masks):
    return filter_cell_by_regionprops(masks, verbose=False)


def ours_polygons(masks):
    return masks_to_polygons(masks, 1)


def ours_shapes(masks):
    return PostSegmentation(masks, verbose=False).process_masks_to_shapes()


@pytest.mark.parametrize("peer", [ours_filter, peers.scikit_image_table])
def test_filter(benchmark, masks, peer):
    compare(benchmark, "1 filter", masks, ours_filter, peer)


@pytest.mark.parametrize(
    "peer",
    [
        ours_polygons,
        peers.rasterio_polygons,
        peers.opencv_polygons,
        peers.spatialdata_polygons,
    ],
)
def test_polygons(benchmark, masks, peer):
    compare(benchmark, "2 polygons", masks, ours_polygons, peer)


@pytest.mark.parametrize("peer", [ours_shapes, np.copy, peers.reference_shapes])
def test_masks_to_shapes(benchmark, masks, peer):
    largest = 4096 if peer is peers.reference_shapes else 8192
    compare(benchmark, "3 masks to shapes", masks, ours_shapes, peer, largest)


def ours_intensities(measured, image):
    """Of regions that are measured already, as the filter has them: what the image costs."""
    return measure_intensities(measured.runs, len(measured.table), as_intensity_image(image))


def ours_from_labels(masks, image):
    """Their shapes measured too."""
    return measure_regions(masks, image)


@pytest.mark.parametrize("dtype", ["u2", "f4"])
@pytest.mark.parametrize(
    "peer", [ours_intensities, ours_from_labels, peers.scikit_image_intensities]
)
def test_intensities(benchmark, masks, peer, dtype):
    chance = np.random.default_rng(0)
    image = chance.integers(0, 2**16, masks.shape, np.uint16).astype(dtype)
    of = measure_masks(masks) if peer is ours_intensities else masks
    benchmark.group = f"4 intensities, {masks.shape[0]} x {masks.shape[1]}, {dtype}"
    rounds = 1 if peer is peers.scikit_image_intensities else 5
    benchmark.pedantic(peer, (of, image), rounds=rounds, warmup_rounds=rounds // 5)


MEMORY = """
import resource, sys
sys.path.insert(0, {here!r})
import numpy as np, peers, test_speed, spatialdata
masks = np.load({path!r})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{code}
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.parametrize(
    "code",
    [
        "test_speed.ours_shapes(masks)",
        "peers.scikit_image_table(masks)",
        "peers.rasterio_polygons(masks)",
        "peers.spatialdata_polygons(masks)",
    ],
)
def test_peak_memory(code, capsys, tmp_path):
    # from a file: making the tissue takes more memory than any step on it
    path = tmp_path / "tissue.npy"
    np.save(path, tissue(4096))
    script = MEMORY.format(here=str(HERE), path=str(path), code=code)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    with capsys.disabled():
        print(f"\npeak RSS above the 4096 x 4096 image: {float(done.stdout):6.0f} MB  {code}")
