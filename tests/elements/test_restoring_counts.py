"""A store that has counts of transcripts, and nuclei, restores them: what thresholds would cost."""

from shutil import copytree

import numpy as np
import pandas as pd
import pytest
import zarr
from drawing import OFF
from tampering import tissue

from postseg import PostSegmentation
from postseg.restoring import restore

SMALL = {**OFF, "min_absolute_area": 120, "max_eccentricity": 0.7}
PLACE = "tables/cells_table"

pytestmark = pytest.mark.filterwarnings("ignore:zarr v3 autosharding")  # of anndata, on writing


class Counting(PostSegmentation):
    """A minimum of transcripts, of which a store has the outcome."""

    def rejections(self, regions):
        return super().rejections(regions).assign(few=regions["transcript_counts"] < 25)


def points(n=4000):
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "x": rng.uniform(-20, 500, n),
            "y": rng.uniform(-20, 420, n),
            "gene": rng.choice(["A", "B", "NegControlProbe_1"], n, p=[0.6, 0.3, 0.1]),
            "qv": rng.uniform(15, 40, n),
        }
    )


def nuclei():
    """Of two cells in three, and not quite in their places."""
    cells = tissue()
    return np.roll(np.where(cells % 3, cells, 0), 3, axis=1)


def written(path, kind):
    post = kind(tissue(), 4, "cells", filter_config=SMALL, verbose=False)
    post.match(nuclei())
    post.process_points(points(), keep_points=False)
    post.write(path)
    return post


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store, to be read only, and what wrote it."""
    path = tmp_path_factory.mktemp("counts") / "s.zarr"
    return path, written(path, PostSegmentation)


@pytest.fixture
def copy(store, tmp_path):
    copytree(store[0], tmp_path / "s.zarr")
    return tmp_path / "s.zarr"


def assert_same(restored, post):
    pd.testing.assert_frame_equal(restored.regions, post.regions)
    assert str(restored.filter_report) == str(post.filter_report)
    assert restored.filter_report.transcripts == post.filter_report.transcripts


def test_counts_come_back(store):
    path, post = store
    restored = restore(path)
    assert_same(restored, post)
    found = restored.filter_report.transcripts
    assert 0 < found.in_cells < found.in_regions < found.total
    genes = post.transcripts["gene"]
    assert found.in_cells == genes["in_cells"]
    assert found.total == genes.sum() - genes["outside"]
    assert genes["outside"] > 0
    assert restored._measure_input().n_transcripts == found.total
    assert restored._measure_input().table["transcript_counts"].dtype == np.int64


def test_nuclei_come_back(store):
    path, post = store
    regions = restore(path)._measure_input().table
    columns = ["n_nuclei", "nucleus_label", "nucleus_share"]
    pd.testing.assert_frame_equal(regions[columns], post.regions[columns])
    assert regions["n_nuclei"].tolist() != [1] * 20
    assert (post.regions["label"] == 0).any()


def test_so_do_those_that_other_thresholds_would_have(store):
    path, post = store
    restored = restore(path)
    tried = [0.5, 0.8, None]
    sweep = post.threshold_sweep("max_eccentricity", tried)
    assert sweep["transcript_share"].is_monotonic_increasing
    pd.testing.assert_frame_equal(
        restored.threshold_sweep("max_eccentricity", tried).map(str), sweep.map(str)
    )
    restored.refilter(max_eccentricity=0.8)
    found = restored.filter_report.transcripts
    assert found.in_cells == sweep["transcripts"].loc[0.8]
    assert found.share == sweep["transcript_share"].loc[0.8]


def test_a_subclass_that_asked_for_counts(tmp_path):
    post = written(tmp_path / "s.zarr", Counting)
    assert post.filter_report.rejected["few"] > 0
    restored = restore(tmp_path / "s.zarr")
    assert_same(restored, post)
    assert restored.as_stored == ("few",)


def test_without_a_ledger_there_are_no_counts(copy, store):
    del zarr.open_group(copy / PLACE, use_consolidated=False)["uns/postseg/transcripts"]
    restored = restore(copy)
    assert restored.filter_report.transcripts is None
    assert restored._measure_input().n_transcripts is None
    assert "transcript_counts" not in restored.regions
    assert restored.masks.max() == store[1].masks.max()


def test_counts_that_are_not_those_of_the_ledger_are_refused(copy):
    array = zarr.open_group(copy / PLACE, mode="r+", use_consolidated=False)["obs"]
    array["transcript_counts"][...] = array["transcript_counts"][...] + 1
    with pytest.raises(ValueError, match=r"the cells have now \d+ transcripts, but in the ledger"):
        restore(copy)


def test_a_damaged_ledger(copy):
    del zarr.open_group(copy / PLACE, use_consolidated=False)["uns/postseg/transcripts/ledger"]
    with pytest.raises(OSError, match=r"s\.zarr cannot be read: .*ledger"):
        restore(copy)
