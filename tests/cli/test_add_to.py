"""``postseg run STORE.zarr --add-to``: the survivors go into the store that they came from."""

import os
import re
import shutil

import numpy as np
import pytest
from adding import assert_same_files, names_in, write_store
from click.testing import CliRunner
from drawing import squares
from light import light  # noqa: F401 - of all tests here
from spatialdata import SpatialData
from spatialdata._io.format import SpatialDataContainerFormatV01
from spatialdata.models import Labels2DModel
from trees import snapshot

from postseg.cli.main import main

# anndata, when the tests themselves write a table
pytestmark = pytest.mark.filterwarnings("ignore:zarr v3 autosharding")

OLD = ["he", "nuclei", "nuclei_shapes", "nuclei_table", "transcripts"]
NEW = ["labels", "labels_shapes", "labels_table"]


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The store of a user in the working directory, with cells to filter."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("adding.pixels", lambda: squares(12, 13, 2).astype(np.int32))
    write_store(tmp_path / "user.zarr")
    return tmp_path / "user.zarr"


def invoke(*args):
    return CliRunner().invoke(main, ["run", *args])


def test_the_survivors_are_added(store):
    before = snapshot(store)
    result = invoke("user.zarr", "--element", "nuclei", "--add-to")
    assert result.exit_code == 0, result.output
    *_, closing, line = result.stdout.splitlines()
    assert closing.startswith("Wrote 2 of 3 regions in ")
    assert line == "  user.zarr: added labels, labels_shapes, labels_table"
    assert_same_files(before, snapshot(store))
    assert names_in(store) == sorted([*OLD, *NEW])
    assert os.listdir() == ["user.zarr"]
    names = ["--labels", "labels", "--shapes", "labels_shapes"]
    assert CliRunner().invoke(main, ["verify", "user.zarr", *names]).exit_code == 0


def test_other_outputs_are_written_too(store):
    args = ["--element", "nuclei", "--add-to", "-o", "cells.csv", "--label-name", "cells"]
    result = invoke("user.zarr", *args)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-2:] == [
        "  cells.csv: audit table as CSV",
        "  user.zarr: added cells, cells_shapes, cells_table",
    ]
    assert sorted(os.listdir()) == ["cells.csv", "user.zarr"]


def is_taken(store):
    assert invoke("user.zarr", "--element", "nuclei", "--add-to", "--quiet").exit_code == 0
    return 1, r"'labels' in labels already; choose another label_name \(--label-name\)"


def is_of_format_2(store):
    shutil.rmtree(store)
    labels = {"nuclei": Labels2DModel.parse(squares(12, 13), dims=("y", "x"))}
    SpatialData(labels=labels).write(store, sdata_formats=SpatialDataContainerFormatV01())
    return 1, "is of Zarr format 2"


def is_no_store(store):
    shutil.rmtree(store)
    np.save("user.npy", squares(12, 13))
    os.rename("user.npy", "user.zarr")
    return 2, r"'--add-to': user\.zarr is no store, and only to .* Write a new one with -o\."


def is_missing(store):
    shutil.rmtree(store)
    return 1, "is no folder on this machine"


def may_not_be_written(store):
    os.access = lambda _, mode: not mode & os.W_OK  # chmod does not stop root
    return 1, "no permission to write"


@pytest.mark.parametrize(
    "prepare", [is_taken, is_of_format_2, is_no_store, is_missing, may_not_be_written]
)
def test_refused_before_the_filter_runs(store, monkeypatch, prepare):
    monkeypatch.setattr(os, "access", os.access)  # put back in the end
    code, expected = prepare(store)
    before = snapshot(store.parent)
    read = "postseg.files.read.read_label_image"
    monkeypatch.setattr(read, lambda *_, **__: pytest.fail("work was done"))
    result = invoke("user.zarr", "--element", "nuclei", "--add-to")
    assert result.exit_code == code
    assert re.search(expected, result.stderr.splitlines()[-1])
    assert snapshot(store.parent) == before


@pytest.mark.parametrize("output", ["user.zarr", "user.zarr/cells.csv"])
def test_no_output_lies_in_the_store(store, output):
    before = snapshot(store.parent)
    result = invoke("user.zarr", "--element", "nuclei", "--add-to", "--overwrite", "-o", output)
    assert "is or overlaps user.zarr, which this run uses" in result.stderr
    assert snapshot(store.parent) == before


def test_without_any_output(store):
    result = invoke("user.zarr")
    assert result.exit_code == 2
    assert "Missing option '-o' / '--output'. Or add to a store with --add-to." in result.stderr
