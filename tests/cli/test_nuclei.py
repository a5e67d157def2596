"""``postseg run --nuclei``: columns of the audit, and a line of the summary."""

import json

import numpy as np
import pandas as pd
import pytest
import spatialdata as sd
from click.testing import CliRunner
from light import light  # noqa: F401
from spatialdata.models import Labels2DModel

from postseg.cli.main import main

pytestmark = pytest.mark.filterwarnings("ignore:zarr v3 autosharding")
MASKS = np.zeros((20, 40), np.int32)
MASKS[2:12, 2:12], MASKS[2:12, 15:25], MASKS[2:12, 28:38], MASKS[16:18, 1:4] = 4, 7, 8, 9
NUCLEI = np.zeros_like(MASKS)
NUCLEI[4:8, 4:8], NUCLEI[3:5, 16:19], NUCLEI[6:9, 16:19], NUCLEI[16:18, 1:3] = 1, 2, 3, 4
NUCLEI[14:15, 30:36] = 5
LINE = "nuclei: 3 of 5 in cells; 1 cell without, 1 with two or more\n"
FILTER = ["--min-area", "none"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("nuclei") / "slide.zarr"
    images = {"cells": MASKS, "dapi": NUCLEI}
    labels = {name: Labels2DModel.parse(image, dims=("y", "x")) for name, image in images.items()}
    sd.SpatialData(labels=labels).write(path)
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("m.npy", MASKS)
    np.save("n.npy", NUCLEI)


def invoke(*args, command="run", code=0):
    result = CliRunner().invoke(main, [command, *map(str, args), *FILTER])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


def test_cells_are_told_of_their_nuclei():
    output = invoke("m.npy", "--nuclei", "n.npy", "-o", "a.csv", "--report", "r.json")
    assert f"\n{LINE}\nWrote 3 of 4 regions" in output
    audit = pd.read_csv("a.csv", index_col="region")
    assert audit["n_nuclei"].tolist() == [1, 2, 0, 1]
    assert audit["nucleus_label"].tolist() == [1, 3, 0, 4]
    assert audit["nucleus_share"].tolist() == [1, 1, 0, 1]
    with open("r.json") as file:
        found = json.load(file)["nuclei"]
    assert found == {"total": 5, "in_cells": 3, "cells_without": 1, "cells_with_several": 1}


def test_without_them_nothing_is_said():
    assert "nuclei" not in invoke("m.npy", "-o", "a.csv", "--report", "r.json")
    assert "n_nuclei" not in pd.read_csv("a.csv")
    with open("r.json") as file:
        assert "nuclei" not in json.load(file)


def test_quiet_is_quiet():
    assert invoke("m.npy", "--nuclei", "n.npy", "-o", "a.csv", "--quiet") == ""


def test_they_may_be_an_element(store):
    for masks in (["m.npy", "--nuclei", store / "labels" / "dapi"], [store, "--nuclei", "dapi"]):
        element = [] if masks[0] == "m.npy" else ["--element", "cells"]
        assert LINE in invoke(*masks, *element, "-o", "a.csv", "--overwrite")


def test_they_may_be_larger_and_in_an_archive():
    np.savez("n.npz", labels=np.kron(NUCLEI, np.ones((2, 2), int)))
    assert LINE in invoke("m.npy", "--nuclei", "n.npz", "-o", "a.csv")


def test_of_merged_tiles():
    np.save("tile_r0_c0.npy", MASKS[:, :30])
    np.save("tile_r0_c14.npy", MASKS[:, 14:])
    tiles = ["tile_r0_c0.npy", "tile_r0_c14.npy", "--shape", 20, 40]
    assert LINE in invoke(*tiles, "--nuclei", "n.npy", "-o", "a.csv", command="merge")


def test_what_is_not_there_or_does_not_fit(store):
    assert "o.npy does not exist" in invoke("m.npy", "--nuclei", "o.npy", "-o", "a.csv", code=1)
    np.save("o.npy", NUCLEI[:10])
    error = invoke("m.npy", "--nuclei", "o.npy", "-o", "a.csv", code=1)
    assert "they have 10 x 40 pixels, and the masks 20 x 40" in error
    assert "dapi" in invoke(store, "--element", "cells", "--nuclei", "he", "-o", "a.csv", code=1)


def test_an_output_never_takes_their_place():
    NUCLEI.tofile("n.csv")
    error = invoke("m.npy", "--nuclei", "n.csv", "-o", "n.csv", "--overwrite", code=1)
    assert "n.csv is or overlaps n.csv, which this run uses" in error
