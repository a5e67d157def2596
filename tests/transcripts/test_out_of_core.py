"""Points that are read part by part, on threads or on a cluster, are counted as those in memory."""

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from distributed import Client, LocalCluster
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal

from postseg import PostSegmentation
from postseg.raster.images import encode
from postseg.transcripts import counting, sources
from postseg.transcripts.columns import Columns
from postseg.transcripts.lookup import Lookup

SIDE, N = 120, 5000
PARTS = 7
LOOSE = {"min_absolute_area": 5, "min_area": None}


def masks():
    rows, columns = np.indices((SIDE, SIDE))
    cells = (rows % 12 >= 2) & (columns % 12 >= 2)
    return np.where(cells, rows // 12 * 10 + columns // 12 + 1, 0).astype(np.int32)


def some_points():
    """Each part has other names, in another order."""
    rng = np.random.default_rng(0)
    names = np.array([*(f"Gene{i}" for i in range(8)), "BLANK_1"])
    part = np.arange(N) * PARTS // N
    return pd.DataFrame(
        {
            "x": rng.uniform(-3, SIDE + 3, N),
            "y": rng.uniform(-3, SIDE + 3, N),
            "gene": names[(rng.integers(0, 5, N) + 3 * part) % len(names)],
            "qv": rng.choice([10.0, 30.0, np.nan], N),
            "id": np.arange(N),
        }
    )


POINTS = some_points()


def counted(points, **settings):
    post = PostSegmentation(masks(), filter_config=LOOSE, verbose=False)
    post.process_points(points, **settings)
    return post


@pytest.fixture(scope="module")
def expected():
    return counted(POINTS)


@pytest.fixture
def path(tmp_path):
    """A file of seven row groups, each a part."""
    path = tmp_path / "points.parquet"
    pq.write_table(
        pa.Table.from_pandas(POINTS, preserve_index=False), path, row_group_size=-(-N // PARTS)
    )
    return path


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(sources, "ROWS", N // PARTS + 1)


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        silence_logs=50,
    ) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with Client(cluster) as client:
        yield client


def assert_same(post, expected):
    """Table, ledger and labels of the points, to the bit."""
    one, other = post.table, expected.table
    for name in ("data", "indices", "indptr"):
        assert_array_equal(getattr(one.X, name), getattr(other.X, name), strict=True)
    assert_frame_equal(one.obs, other.obs)
    assert_frame_equal(one.var, other.var)
    assert_frame_equal(post.transcripts, expected.transcripts)
    columns = ["x", "y", "id", "label", "region"]
    points = (of.points_model[columns].compute().reset_index(drop=True) for of in (post, expected))
    assert_frame_equal(*points)


def read_parts(monkeypatch):
    """How many rows were read of each part, from now on."""
    read = []
    tables = counting.tables

    def listen(part, columns):
        for table in tables(part, columns):
            read.append(table.num_rows)
            yield table

    monkeypatch.setattr(counting, "tables", listen)
    return read


def test_row_groups_are_read_once_and_in_parts(monkeypatch, path, expected):
    source = sources.open_source(path)
    assert len(source.parts) == PARTS
    assert source.n_rows == N  # of the file, not of the file for each part
    assert [part.first for part in source.parts] == [i * -(-N // PARTS) for i in range(PARTS)]
    read = read_parts(monkeypatch)
    post = counted(path)
    assert sorted(read) == sorted(part.data.to_table().num_rows for part in source.parts)
    assert_same(post, expected)


def test_no_part_has_more_rows_than_it_may_where_row_groups_have_less(monkeypatch, path):
    monkeypatch.setattr(sources, "ROWS", 5 * -(-N // PARTS) // 2)  # of which two fit
    read = read_parts(monkeypatch)
    counted(path)
    assert len(read) == 4
    assert max(read) <= sources.ROWS


def test_a_large_partition_is_counted_piece_by_piece(monkeypatch, expected):
    read = read_parts(monkeypatch)
    post = counted(dd.from_pandas(POINTS, npartitions=1))
    assert len(read) == PARTS
    assert sum(read) == N
    assert_same(post, expected)


def test_each_partition_is_read_once(expected):
    read = []

    def listen(part, partition_info=None):
        if partition_info is not None:
            read.append(partition_info["number"])
        return part

    frame = dd.from_pandas(POINTS, npartitions=PARTS)
    post = counted(frame.map_partitions(listen, meta=frame._meta))
    assert sorted(read) == [*range(PARTS)]
    assert_same(post, expected)


def test_a_lazy_frame_of_a_file_on_threads(path, expected):
    assert_same(counted(dd.read_parquet(path, split_row_groups=True)), expected)


cluster_warnings = pytest.mark.filterwarnings("ignore::ResourceWarning")


@cluster_warnings
@pytest.mark.parametrize("lazy", [False, True], ids=["path", "frame"])
def test_a_cluster_counts_the_same_and_sends_counts_alone(
    monkeypatch, client, path, expected, lazy
):
    came = []
    gather = Client.gather

    def listen(self, *args, **kwargs):
        came.append(gather(self, *args, **kwargs))
        return came[-1]

    monkeypatch.setattr(Client, "gather", listen)
    post = counted(dd.read_parquet(path, split_row_groups=True) if lazy else path)
    ((counts,),) = came  # the sum of all, once
    assert isinstance(counts, counting.Counts)
    assert_same(post, expected)


@cluster_warnings
def test_runs_are_sent_to_a_cluster_once(client, path):
    """In the graph they would be too large for it, which is a warning, and that an error here."""
    checks = (np.indices((1300, 1300)).sum(axis=0) % 2).astype(np.int32)
    lookup = Lookup.of(encode(checks).without_background(), 1, checks.shape)
    assert lookup.runs.row.size * 16 > 10**7
    task = counting.Task(lookup, np.eye(3), Columns("x", "y", "gene", "qv", None), 20.0)
    counts = counting.count(sources.open_source(path), task)
    inside = POINTS[(POINTS["qv"] >= 20) & (POINTS[["x", "y"]] >= 0).all(axis=1)]
    pixel = inside[["x", "y"]].to_numpy().astype(int)
    assert counts.table[0, 2:].sum() == (pixel.sum(axis=1) % 2).sum()
