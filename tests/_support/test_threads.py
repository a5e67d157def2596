"""Tiles at once, on threads and in forked processes, give what they give one after another."""

import multiprocessing
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
import shapely

from postseg import PostSegmentation, masks_to_polygons, measure_regions
from postseg._support import threads as parallel

TILES = range(8)


def tile(seed):
    """Overlapping boxes of many labels: a tile with cells of all kinds of outline."""
    chance = np.random.default_rng(seed)
    image = np.zeros((600, 500), np.int32)
    for label in range(1, 400):
        row, column = chance.integers(0, 580), chance.integers(0, 480)
        height, width = chance.integers(3, 40, 2)
        image[row : row + height, column : column + width] = label
    return image


def results(seed):
    """All that the three steps give for a tile, as bytes that can be compared."""
    post = PostSegmentation(tile(seed), 2, verbose=False)
    masks, gdf, _ = post.process_masks_to_shapes()
    # dask's threads are not ours: they outlive their call, and a fork does not inherit them
    labels = post.process_labels()[1].data.compute(scheduler="synchronous")
    polygons = b"".join(shapely.to_wkb(gdf.geometry.to_numpy()))
    metrics = measure_regions(tile(seed)).to_numpy(float).tobytes()
    return masks.tobytes(), polygons, labels.tobytes(), metrics


@pytest.fixture(scope="module")
def one_after_another():
    return [results(seed) for seed in TILES]


@pytest.fixture
def small_work_is_shared(monkeypatch):
    monkeypatch.setattr(parallel, "_WORTH_A_THREAD", 10)


def test_eight_threads_give_what_one_gives(one_after_another, small_work_is_shared):
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(results, TILES)) == one_after_another


def test_one_image_may_be_read_by_eight_threads(small_work_is_shared):
    image = tile(0)
    with ThreadPoolExecutor(8) as pool:
        tables = list(pool.map(measure_regions, [image] * 8))
    assert all(table.equals(tables[0]) for table in tables)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_forked_processes_give_what_the_parent_gave(one_after_another, small_work_is_shared):
    """After the parent has used its threads: a pool that lived on would hang the children."""
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map_async(results, TILES).get(timeout=60) == one_after_another


def polygons_of_dask_masks(seed):
    polygons = masks_to_polygons(da.from_array(tile(seed), chunks=250))
    return b"".join(shapely.to_wkb(polygons))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_forked_processes_read_dask_masks_after_the_parent_did():
    expected = [polygons_of_dask_masks(seed) for seed in (0, 1)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map_async(polygons_of_dask_masks, (0, 1)).get(timeout=30) == expected


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_results_do_not_depend_on_the_number_of_threads(
    threads, one_after_another, small_work_is_shared, monkeypatch
):
    monkeypatch.setattr(parallel, "n_threads", lambda: threads)
    assert results(3) == one_after_another[3]


def test_threads_are_used_where_work_is_large(small_work_is_shared, monkeypatch):
    monkeypatch.setattr(parallel, "n_threads", lambda: 4)
    asked = []
    monkeypatch.setattr(
        parallel, "ThreadPoolExecutor", lambda n, **_: asked.append(n) or ThreadPoolExecutor(n)
    )
    masks_to_polygons(tile(0))
    assert asked
    assert set(asked) <= {2, 3, 4}


def test_no_thread_outlives_a_call(small_work_is_shared, monkeypatch):
    monkeypatch.setattr(parallel, "n_threads", lambda: 4)
    measure_regions(tile(0))
    assert [t.name for t in threading.enumerate() if t.name.startswith("postseg")] == []


def test_an_error_in_a_thread_reaches_the_caller(small_work_is_shared, monkeypatch):
    monkeypatch.setattr(parallel, "n_threads", lambda: 4)
    image = np.zeros((3000, 1024), np.int64)
    image[2900, 5] = -4
    with pytest.raises(ValueError, match="-4 at row 2900, column 5"):
        measure_regions(image)


# ---- sharing of work


def ranges(work, threads, monkeypatch):
    monkeypatch.setattr(parallel, "n_threads", lambda: threads)
    return parallel.spread(lambda first, last: (first, last), np.array(work))


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize(
    "work",
    [
        range(0, 10_001, 10),
        [0, 0, 0, 5, 5, 100_000, 100_000],
        [7, 100_000],
        [0, 40_000, 40_001, 40_002],
        [0, 0, 0],
    ],
)
def test_every_item_is_in_one_range_and_in_order(work, threads, monkeypatch, small_work_is_shared):
    found = ranges(work, threads, monkeypatch)
    assert [i for first, last in found for i in range(first, last)] == [*range(len(work) - 1)]


@pytest.mark.parametrize("batch", [1, 4, 1000])
@pytest.mark.parametrize("work", [[0], [0, 0, 0], [3, 3, 8, 9, 9, 30, 30], range(0, 50, 5)])
def test_every_item_is_in_one_batch_and_in_order(work, batch):
    found = parallel.in_batches(lambda first, last: (first, last), np.array(work), batch)
    assert [i for first, last in found for i in range(first, last)] == [*range(len(work) - 1)]


def test_batches_are_of_about_their_work():
    found = parallel.in_batches(lambda first, last: last - first, np.arange(1001), 100)
    assert len(found) == 11
    assert max(found) <= 100


def test_no_items_are_no_ranges(monkeypatch):
    assert ranges([0], 8, monkeypatch) == []


def test_little_work_stays_on_one_thread(monkeypatch):
    assert ranges(range(100), 8, monkeypatch) == [(0, 99)]


def test_large_work_is_shared_out_evenly(monkeypatch):
    sizes = [last - first for first, last in ranges(range(1_000_001), 4, monkeypatch)]
    assert len(sizes) >= 4
    assert max(sizes) - min(sizes) <= 1


# ---- dask workers


def test_all_cpus_are_used_outside_a_dask_worker(monkeypatch):
    def get_worker():
        raise ValueError("No worker found")

    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda pid: range(6), raising=False)
    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(get_worker=get_worker))
    assert parallel.n_threads() == 6


def test_one_thread_is_used_inside_a_dask_worker(monkeypatch):
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda pid: range(6), raising=False)
    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(get_worker=object))
    assert parallel.n_threads() == 1


def test_cpus_are_counted_where_their_affinity_is_unknown(monkeypatch):
    monkeypatch.delattr(parallel.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(parallel.os, "cpu_count", lambda: 3)
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "distributed")
    assert parallel.n_threads() == 3
