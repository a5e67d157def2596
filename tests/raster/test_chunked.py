"""Label images that are not in memory give what those in memory give, to the bit."""

import os
import pickle
import signal

import dask.array as da
import numpy as np
import pytest
import reference
import xarray as xr
import zarr
from dask.callbacks import Callback
from dask.highlevelgraph import HighLevelGraph
from distributed import Client, LocalCluster
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from spatialdata import read_zarr

from postseg import PostSegmentation, filter_cell_by_regionprops, measure_regions
from postseg._support import threads as parallel
from postseg._support.progress import shown_by
from postseg.elements.build import write_store
from postseg.raster.chunked import plan
from postseg.raster.images import encode, last_row, paint

LOOSE = {"min_absolute_area": 5, "min_area": None}


def rough_tissue(seed=0, shape=(70, 90)):
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.random(shape), 2)
    bands = np.digitize(field, np.quantile(field, [0.4, 0.6, 0.8]))
    return (bands * rng.choice([1, 7, 2**40])).astype(np.int64)


def results(masks, **settings):
    post = PostSegmentation(masks, 2, filter_config=LOOSE, verbose=False, **settings)
    cleaned, _, shapes = post.process_masks_to_shapes()
    _, labels = post.process_labels()
    return np.asarray(cleaned), post.regions, shapes, labels.values, str(post.filter_report)


def assert_same(one, other):
    np.testing.assert_array_equal(one[0], other[0])
    assert one[1].equals(other[1])
    assert one[2].equals(other[2])
    np.testing.assert_array_equal(one[3], other[3])
    assert one[4] == other[4]


def sizes(total):
    """Ways to cut `total` into chunks."""
    cuts = st.lists(st.integers(1, total - 1), unique=True, max_size=6).map(sorted)
    return cuts.map(lambda cut: tuple(np.diff([0, *cut, total]).tolist()))


IMAGE = rough_tissue()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=sizes(70), cols=sizes(90))
def test_any_chunking_gives_the_result_in_memory(rows, cols):
    assert_same(results(IMAGE), results(da.from_array(IMAGE, chunks=(rows, cols))))


@pytest.mark.parametrize("wrap", ["zarr", "DataArray", "3-D", "big-endian", "float"])
def test_lazy_inputs_are_read_lazily(wrap, tmp_path):
    lazy = da.from_array(IMAGE, chunks=(32, 40))
    if wrap == "zarr":
        masks = zarr.create_array(tmp_path / "z", shape=IMAGE.shape, chunks=(32, 40), dtype="i8")
        masks[:] = IMAGE
    elif wrap == "DataArray":
        masks = xr.DataArray(lazy.T, dims=("x", "y"))
    elif wrap == "3-D":
        masks = lazy[None]
    else:
        masks = lazy.astype(">i8" if wrap == "big-endian" else float)
    post = PostSegmentation(masks, verbose=False)
    assert isinstance(post.masks, da.Array)
    assert_same(results(IMAGE), results(masks))


def test_masks_keep_the_chunks_of_the_input():
    lazy = da.from_array(IMAGE, chunks=(32, 40))
    post = PostSegmentation(lazy, filter_config=LOOSE, verbose=False)
    masks, _, _ = post.process_masks_to_shapes()
    assert masks.chunks == ((32, 32, 6), (40, 40, 10))
    assert masks.dtype == np.int32


def test_the_image_is_read_once():
    reads = []

    def read(block, block_info=None):
        if block.size:
            reads.append(block_info[0]["chunk-location"])
        return block

    counted = da.map_blocks(read, da.from_array(IMAGE, chunks=32), meta=np.empty((0, 0), int))
    post = PostSegmentation(counted, filter_config=LOOSE, verbose=False)
    post.process_masks_to_shapes()
    post.process_labels()[1].compute()
    post.refilter(min_absolute_area=20)
    assert sorted(reads) == sorted(set(reads))


def test_functions_take_lazy_images():
    lazy = da.from_array(IMAGE, chunks=33)
    cleaned = filter_cell_by_regionprops(lazy, verbose=False, **LOOSE)
    assert isinstance(cleaned, da.Array)
    expected = filter_cell_by_regionprops(IMAGE, verbose=False, **LOOSE)
    np.testing.assert_array_equal(cleaned, expected)
    assert measure_regions(lazy).equals(measure_regions(IMAGE))


def test_a_bad_value_is_named_with_its_place_in_the_whole_image():
    image = IMAGE.copy()
    image[40, 77] = -3
    with pytest.raises(ValueError, match=r"-3 at row 40, column 77"):
        PostSegmentation(da.from_array(image, chunks=32)).process_masks_to_shapes()


def test_empty_lazy_images():
    zeros = da.zeros((40, 40), chunks=20, dtype=np.int32)
    with pytest.warns(UserWarning, match="no cells"):
        assert not filter_cell_by_regionprops(zeros, verbose=False).any().compute()
    with pytest.raises(RuntimeError, match="no cells"):
        PostSegmentation(zeros, verbose=False).process_masks_to_shapes()
    assert encode(da.zeros((0, 0))).row.size == 0


@pytest.mark.parametrize("n_jobs", [1, 2, 8])
def test_results_do_not_depend_on_the_number_of_threads(n_jobs, monkeypatch):
    monkeypatch.setattr(parallel, "_WORTH_A_THREAD", 10)
    assert_same(results(IMAGE), results(IMAGE, n_jobs=n_jobs))
    assert_same(results(IMAGE), results(da.from_array(IMAGE, chunks=16), n_jobs=n_jobs))


def test_n_jobs_and_the_environment_set_the_number_of_threads(monkeypatch):
    monkeypatch.setenv(parallel.ENVIRONMENT, "3")
    assert parallel.n_threads() == 3
    with parallel.limited(5):
        assert parallel.n_threads() == 5
    with parallel.limited(-1):
        assert parallel.n_threads() == parallel.cpus()
    monkeypatch.setenv(parallel.ENVIRONMENT, "")  # as a shell leaves what it unsets
    assert parallel.n_threads() == parallel.cpus()
    monkeypatch.setenv(parallel.ENVIRONMENT, "many")
    with pytest.raises(ValueError, match="POSTSEG_N_JOBS is 'many'"):
        parallel.n_threads()
    with pytest.raises(ValueError, match="n_jobs is 0"):
        PostSegmentation(n_jobs=0)


def test_the_graph_holds_no_image(tmp_path):
    stored = zarr.create_array(tmp_path / "z", shape=(4096, 4096), chunks=(512, 512), dtype="i4")
    graph = plan(da.from_array(stored, chunks=512)).dask
    assert len(pickle.dumps(graph)) < 10_000
    assert len(pickle.dumps(dict(graph))) < 50_000  # task by task


def work_of(task, monkeypatch):
    """Graphs that dask puts together for `task`, and the tasks that it runs."""
    graphs, tasks = [], []
    join = HighLevelGraph.from_collections
    with monkeypatch.context() as patch, Callback(pretask=lambda *of: tasks.append(of[0])):
        patch.setattr(
            HighLevelGraph,
            "from_collections",
            lambda *of, **by: graphs.append(of) or join(*of, **by),
        )
        task()
    return len(graphs), len(tasks)


def test_one_graph_and_one_task_a_chunk(monkeypatch):
    """Graphs joined one by one take time by the square of their number."""
    image = da.ones((64, 64), int, chunks=4)
    graphs, tasks = work_of(lambda: encode(image), monkeypatch)
    assert graphs < 10
    assert tasks <= 256 + 1
    runs = encode(image)
    painted = []
    graphs, tasks = work_of(
        lambda: painted.append(paint(runs, runs.label, image.chunks).persist()), monkeypatch
    )
    assert graphs < 10
    assert tasks <= 256 + 1  # and the runs
    np.testing.assert_array_equal(painted[0], image)


def test_the_last_row_is_found_in_few_steps(monkeypatch):
    """And no more is read than twice what lies below it."""
    image = np.zeros((256, 4), int)
    image[100] = 1
    read = []

    def note(block, block_info=None):
        read.append(block_info[0]["chunk-location"][0])
        return block

    lazy = da.from_array(image, chunks=4).map_blocks(note, meta=np.empty((0, 0), int))
    steps = []
    compute = da.Array.__array__
    monkeypatch.setattr(
        da.Array, "__array__", lambda *of, **by: steps.append(1) or compute(*of, **by)
    )
    assert last_row(lazy) == 100
    assert len(steps) == 6  # 1 + 2 + 4 + 8 + 16 + 32 chunks of rows
    assert sorted(read) == [*range(1, 64)]
    assert last_row(da.zeros((10, 10), chunks=1)) is None


def test_progress_counts_the_chunks():
    shown = []
    with shown_by(lambda text, part: shown.append((text, part))):
        encode(da.from_array(IMAGE, chunks=(35, 30)))
    assert shown == [("Reading", pytest.approx(i / 6)) for i in range(7)]


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


cluster_warnings = pytest.mark.filterwarnings("ignore::ResourceWarning")


@cluster_warnings
def test_a_cluster_gives_the_result_in_memory(client):
    assert_same(results(IMAGE), results(da.from_array(IMAGE, chunks=(32, 40))))


@cluster_warnings
@pytest.mark.parametrize("filtered", [True, False])
def test_labels_of_masks_on_a_cluster_are_written(client, tmp_path, filtered):
    post = PostSegmentation(
        da.from_array(IMAGE % 100, chunks=(32, 40)).persist(),
        2,
        filter_config=LOOSE,
        verbose=False,
    )
    if filtered:
        post.process_masks_to_shapes()
    _, labels = post.process_labels(scale_factors=[2, 2])
    write_store(tmp_path / "s.zarr", {"cells": labels}, {})
    again = read_zarr(tmp_path / "s.zarr")["cells"]
    expected = np.asarray(post.masks)
    for i, factor in enumerate([2, 1, 0.5]):
        shape = [int(factor * side) for side in IMAGE.shape]
        level = reference.resize_exactly(expected, shape)
        np.testing.assert_array_equal(again[f"scale{i}"]["image"], level)


@cluster_warnings
def test_on_a_worker_one_thread_is_used(client):
    assert client.submit(parallel.n_threads, pure=False).result() == 1


@cluster_warnings
def test_many_slides_over_one_client(client):
    def count_cells(seed):
        post = PostSegmentation(rough_tissue(seed), filter_config=LOOSE, verbose=False)
        return len(post.process_masks_to_shapes()[2])

    counts = client.gather(client.map(count_cells, range(4)))
    assert counts == [count_cells(seed) for seed in range(4)]


def _die_once(block, marker):
    if not os.path.exists(marker):
        with open(marker, "w"):
            pass
        os.kill(os.getpid(), signal.SIGKILL)
    return block


@cluster_warnings
def test_a_killed_worker_does_not_change_the_result(client, tmp_path):
    lazy = da.from_array(IMAGE, chunks=(32, 40))
    # meta, or dask would try the function here, in this very process
    meta = np.empty((0, 0), IMAGE.dtype)
    deadly = lazy.map_blocks(_die_once, str(tmp_path / "died"), meta=meta)
    assert_same(results(IMAGE), results(deadly))
    assert (tmp_path / "died").exists()


@pytest.mark.parametrize("step", ["process_masks_to_shapes", "process_labels"])
def test_chunks_of_another_shape_than_dask_was_told_are_an_error(step):
    undeclared = da.from_array(IMAGE, chunks=35).map_blocks(
        lambda block: block[:-1], dtype=IMAGE.dtype, meta=np.empty((0, 0), IMAGE.dtype)
    )
    post = PostSegmentation(undeclared, filter_config=LOOSE, verbose=False)
    with pytest.raises(ValueError, match=r"shape \(34, \d+\) at row \d+, .*told \(35, \d+\)"):
        getattr(post, step)()[1].data.compute()
