"""``postseg verify``: stores by postseg and by others, the exit code, and every failure a line."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import spatialdata as sd
from click.testing import CliRunner
from light import light, light_tables  # noqa: F401 - of all tests here, not of the stores shared
from sampling import pairs
from scipy.sparse import csr_matrix
from spatialdata.models import Labels2DModel, ShapesModel, TableModel
from tampering import other, processed, tissue
from trees import snapshot

from postseg import PostSegmentation
from postseg.cli.main import main
from postseg.elements.store import read_elements
from postseg.verify.verification import verify_store

FOLDER = os.environ.get("POSTSEG_MASKS")
FILES = sorted(Path(FOLDER).glob("*.npz")) if FOLDER else []

# anndata, when the tests themselves write a store
pytestmark = pytest.mark.filterwarnings("ignore:zarr v3 autosharding")


ANNOTATED = {"one": "shapes", "two": "labels"}  # by tables


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Some stores: good; shifted, without a table; several; and two incomplete ones."""
    folder = tmp_path_factory.mktemp("stores")
    post = processed(tissue(), 2, origin=(5, 7))
    post.write(folder / "good.zarr")
    labels = Labels2DModel.parse(tissue().astype(np.int32), dims=("y", "x"), scale_factors=[2])
    shapes = sd.to_polygons(labels)
    with pytest.MonkeyPatch.context() as patch:
        light_tables(patch)
        tables = {name: post.process_table(of) for name, of in ANNOTATED.items()}
    write = {
        "shifted": {"a": labels, "b": shapes},
        "several": {
            "cells": post.labels_model,
            "cells_shapes": post.shapes_model,
            "few": other(post.shapes_model.drop([4, 17])),
            "circles": ShapesModel.parse(np.ones((2, 2)), geometry=0, radius=1),
            **tables,
            "unrelated": TableModel.parse(post.table[:3].copy().to_memory()),
        },
        "labels": {"a": labels},
        "shapes": {"b": shapes},
    }
    unrelated = write["several"]["unrelated"]
    del unrelated.uns["spatialdata_attrs"]
    for name, elements in write.items():
        sd.SpatialData.init_from_elements(elements).write(folder / f"{name}.zarr")
    return folder


@pytest.fixture(autouse=True)
def here(stores, monkeypatch):
    monkeypatch.chdir(stores)


def verify(*args):
    result = CliRunner().invoke(main, ["verify", *map(str, args)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_a_good_store():
    result = verify("good.zarr")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Verification: all agree" in result.stdout
    assert "20 in the labels, 20 in the shapes, 20 in the table" in result.stdout
    quiet = verify("good.zarr", "--quiet")
    assert (quiet.exit_code, quiet.output) == (0, "")


def test_a_store_that_disagrees(tmp_path):
    result = verify("shifted.zarr", "--json", tmp_path / "v.json")
    assert result.exit_code == 1
    assert "lie (-0.50, -0.50) px (x, y) off their labels, half a pixel" in result.stdout
    assert result.stderr == ""
    data = json.loads((tmp_path / "v.json").read_text())
    assert data["ok"] is False
    assert data["problems"]["misplaced"]["count"] == 20
    assert [cell["id"] for cell in data["disagreeing"]] == list(range(1, 21))
    assert data["disagreeing"][0]["problem"] == "misplaced"
    assert data["disagreeing"][0]["in_table"] is None
    again = verify("shifted.zarr", "--json", tmp_path / "v.json", "--quiet")
    assert again.exit_code == 1
    assert "v.json exists" in again.stderr
    assert verify("good.zarr", "--json", tmp_path / "v.json", "--overwrite").exit_code == 0
    assert json.loads((tmp_path / "v.json").read_text())["disagreeing"] == []


def test_elements_by_name():
    assert verify("several.zarr", "--shapes", "cells_shapes", "--table", "two").exit_code == 0
    assert verify("several.zarr", "--shapes", "cells_shapes", "--table", "one").exit_code == 0
    few = verify("several.zarr", "--shapes", "few", "--labels", "cells")
    assert few.exit_code == 1
    assert "no polygon                    2  ids 4, 17" in few.stdout


def test_only_what_is_needed_of_a_table_is_read():
    table = read_elements("good.zarr").table
    assert sorted(table.obs) == ["label", "region"]
    assert list(table.obsm) == ["spatial"]
    assert sorted(table.uns) == ["postseg", "spatialdata_attrs"]
    told = {"label_name", "mask_shape", "image_shape", "outline"}
    assert {*table.uns["postseg"]} == told
    assert read_elements("shifted.zarr").table is None


@pytest.mark.parametrize("kind", ["frame", "sparse", "one column"])
def test_points_of_a_stored_table_may_be_of_any_kind(tmp_path, kind):
    post = processed(tissue())
    xy = post.table.obsm["spatial"]
    post.table.obsm["spatial"] = {
        "frame": pd.DataFrame(xy, post.table.obs_names, columns=["x", "y"]),
        "sparse": csr_matrix(xy),
        "one column": xy[:, :1],
    }[kind]
    post.write(tmp_path / "s.zarr")
    found = verify_store(tmp_path / "s.zarr")
    assert found.ok
    assert found.summary["table_system"] == (None if kind == "one column" else "global")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["none.zarr"], "none.zarr does not exist; give a SpatialData store (.zarr)."),
        (["."], ". is not a Zarr store; give a SpatialData store (.zarr)."),
        (["labels.zarr"], "labels.zarr must have one shapes element, but has 0: none."),
        (["shapes.zarr"], "shapes.zarr must have one labels element, but has 0: none."),
        (
            ["several.zarr"],
            "several.zarr must have one shapes element, but has 3: cells_shapes, circles, few. "
            "Choose one with shapes (--shapes).",
        ),
        (
            ["several.zarr", "--shapes", "cells_shapes"],
            "several.zarr must have one table that annotates the labels or the shapes, but has 2: "
            "one, two. Choose one with table (--table).",
        ),
        (
            ["several.zarr", "--shapes", "nuclei"],
            "several.zarr: no shapes element is called 'nuclei'. It has: cells_shapes, circles, "
            "few.",
        ),
        (
            ["several.zarr", "--shapes", "few", "--table", "unrelated"],
            "several.zarr: no table that annotates the labels or the shapes is called 'unrelated'. "
            "It has: two.",
        ),
        (
            ["several.zarr", "--shapes", "circles", "--table", "two"],
            "the shapes have 2 geometries of type Point; only polygons and multipolygons can be "
            "verified. Circles are points with a radius: spatialdata.to_polygons() makes polygons "
            "of them.",
        ),
    ],
)
def test_failures_are_one_line(args, message):
    result = verify(*args)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == f"Error: {message}\n"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            "good.zarr",
            "good.zarr is or overlaps good.zarr, which this run uses. Choose",
        ),
        (
            "good.zarr/zarr.json",
            "good.zarr/zarr.json is or overlaps good.zarr, which this",
        ),
        ("good.zarr/v.json", "good.zarr/v.json is or overlaps good.zarr, which this run uses."),
        ("link.zarr/v.json", "link.zarr/v.json is or overlaps good.zarr, which this run uses."),
        ("labels.zarr/labels/a/zarr.json", "labels.zarr/labels/a/zarr.json lies in the Zarr store"),
        ("labels.zarr", "labels.zarr is a folder. Choose another name."),
    ],
)
def test_findings_go_into_no_store(monkeypatch, output, message):
    monkeypatch.setattr(
        "postseg.verify.verification.verify_store", lambda *_: pytest.fail("was read")
    )
    Path("link.zarr").unlink(missing_ok=True)
    Path("link.zarr").symlink_to("good.zarr")
    before = snapshot(Path())
    result = verify("good.zarr", "--json", output, "--overwrite")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {message}")
    assert result.stderr.count("\n") == 1
    assert snapshot(Path()) == before


def test_a_damaged_store(tmp_path):
    PostSegmentation(tissue(), verbose=False).write(tmp_path / "s.zarr")
    (tmp_path / "s.zarr/shapes/labels_shapes/shapes.parquet").write_text("?")
    result = verify(tmp_path / "s.zarr")
    assert result.exit_code == 1
    assert "s.zarr cannot be read" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("path", "factor"), pairs(FILES, [1, 2, 4]), ids=lambda value: getattr(value, "stem", None)
)
def test_stores_of_real_masks(tmp_path, path, factor):
    masks = np.load(path)["labels"]
    post = PostSegmentation(masks, factor, "cells", origin=(1237, -45), verbose=False)
    post.write(tmp_path / "s.zarr")
    found = verify_store(tmp_path / "s.zarr")
    assert found.ok, str(found)
    for numbers in found.summary["systems"].values():
        assert numbers["max_offset"] < 0.1
        assert numbers["mean_offset"] < 0.011
        assert numbers["min_iou"] > 0.9
    assert list(found.summary["systems"]) == ["global", "image", "mirrored"]
