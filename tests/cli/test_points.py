"""``postseg run --points``: transcripts are counted, and what cannot be is refused early."""

import json
import os

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import spatialdata as sd
from adding import assert_same_files
from click.testing import CliRunner
from light import light  # noqa: F401
from spatialdata.models import Labels2DModel, PointsModel
from spatialdata.transformations import Identity, Scale
from trees import snapshot

from postseg._support.progress import shown_by
from postseg.cli.main import main
from postseg.files.panel import read_panel

pytestmark = pytest.mark.filterwarnings("ignore:zarr v3 autosharding")
SIZE = 0.25  # um, exact
MASKS = np.zeros((20, 30), np.int32)
MASKS[2:12, 2:12], MASKS[2:12, 15:25], MASKS[16:18, 1:4] = 4, 7, 9  # the last one is too small
# x, y in pixels, name, quality: 3 of genes in cell 1, 1 in cell 2, 1 in debris, 1 in none
POINTS = pd.DataFrame(
    [
        *((2, 2, "ACTB", 40), (11.5, 11.5, "ACTB", 20), (5, 5, "NANOG", 30), (5, 5, "ACTB", 19)),
        *((15, 2, "CD3E", 40), (16, 3, "BLANK_0001", 40), (2, 16.5, "ACTB", 40), (29, 19, "X", 40)),
    ],
    columns=["x", "y", "feature_name", "qv"],
)
FILTER = ["--min-area", "none", "--quiet"]


def in_um(points=POINTS, **names):
    names = {"x": "x_location", "y": "y_location"} | names
    scaled = points.assign(x=points["x"] * SIZE, y=points["y"] * SIZE)
    return scaled.rename(columns=names)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("m.npy", MASKS)
    POINTS.to_csv("px.csv", index=False)
    in_um().to_parquet("um.parquet")
    return tmp_path


@pytest.fixture
def slide():
    """A store with the masks in pixels and the points in um."""
    labels = Labels2DModel.parse(MASKS, dims=("y", "x"), transformations={"global": Identity()})
    place = {"global": Scale([1 / SIZE] * 2, axes=("x", "y")), "other": Identity()}
    points = in_um(x="x", y="y").astype({"feature_name": "category"})
    points = PointsModel.parse(
        dd.from_pandas(points, npartitions=2),
        feature_key="feature_name",
        transformations=place,
    )
    store = sd.SpatialData(labels={"nuclei": labels}, points={"rna": points})
    store.write("slide.zarr")
    return "slide.zarr"


def invoke(*args, command="run", code=0):
    result = CliRunner().invoke(main, [command, *map(str, args)])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


def counts(*args, masks="m.npy", command="run"):
    """Transcripts by region, of a run that writes the audit."""
    invoke(masks, "-o", "a.csv", "--overwrite", *FILTER, *args, command=command)
    return pd.read_csv("a.csv")["transcript_counts"].tolist()


def error(*args, code=1, masks="m.npy"):
    """The one line in which a run ended, before masks were read."""
    before = sorted(os.listdir())
    *_, line = invoke(masks, "-o", "e.csv", *FILTER, *args, code=code).splitlines()
    assert line.startswith("Error: ")
    assert sorted(os.listdir()) == before
    return line


def test_a_file_in_pixels_or_um():
    assert counts("--points", "px.csv") == [3, 1, 1]
    assert counts("--points", "um.parquet", "--pixel-size", SIZE) == [3, 1, 1]
    POINTS.to_csv("px.csv.gz", index=False)
    px = ["--points", "px.csv.gz", "--points-in", "px", "--pixel-size", SIZE]
    assert counts(*px, "--min-absolute-area", "1 um2") == [3, 1, 1]
    os.mkdir("parts")
    for i in range(2):
        in_um(POINTS[i::2]).to_parquet(f"parts/part.{i}.parquet")
    um = ["--points", "parts", "--points-in", "um", "--pixel-size", SIZE]
    assert counts(*um) == [3, 1, 1]


def test_columns_that_are_pixels_by_name():
    names = {"x": "x_global_px", "y": "y_global_px", "feature_name": "target"}
    POINTS.rename(columns=names).to_csv("tx.csv", index=False)
    assert counts("--points", "tx.csv", "--pixel-size", SIZE) == [3, 1, 1]
    in_um(**names).to_csv("tx.csv", index=False)
    assert counts("--points", "tx.csv", "--pixel-size", SIZE, "--points-in", "um") == [3, 1, 1]


def test_columns_and_quality_that_are_named():
    POINTS.assign(u=POINTS["x"], gene=POINTS["feature_name"], x=0).to_csv("tx.csv", index=False)
    named = ["--points", "tx.csv", "--xy", "u", "y", "--gene-key", "feature_name"]
    assert counts(*named) == [3, 1, 1]
    assert counts(*named, "--min-qv", "none") == [4, 1, 1]
    assert counts(*named, "--min-qv", 35) == [1, 1, 1]


def test_merge_counts_them_too():
    np.save("t_r0_c0.npy", MASKS[:, :8])
    np.save("t_r0_c8.npy", MASKS[:, 8:])
    tiles = ["t_r0_c8.npy", "--shape", 20, 30, "--points", "px.csv"]
    assert sorted(counts(*tiles, masks="t_r0_c0.npy", command="merge")) == [1, 1, 3]


@pytest.mark.parametrize("text", ["ACTB\n\n CD3E \n", "id,Gene\n1,ACTB\n2,CD3E\n"])
def test_a_panel(text, folder):
    (folder / "panel.csv").write_text(text, encoding="utf-8-sig")
    assert counts("--points", "px.csv", "--genes", "panel.csv") == [2, 1, 1]


def test_what_is_told():
    heard = {}
    with shown_by(heard.__setitem__):
        text = invoke("m.npy", "-o", "a.geojson", *FILTER[:2], "--points", "px.csv",
                      *("--report", "r.json"))  # fmt: skip
    assert text.count("Cell filter: 2 of 3 regions passed") == 1
    assert "Transcripts: 8 read. Of 6 of genes on the image 66.7% lie in cells" in text
    assert heard["Counting transcripts"] == 1
    with open("r.json") as file:
        report = json.load(file)
    assert report["transcripts"]["in_cells"] == 4
    ledger = report["transcripts_ledger"]
    found = {place: {kind: n for kind, n in row.items() if n} for place, row in ledger.items()}
    assert {place: row for place, row in found.items() if row} == {
        "in_cells": {"gene": 4, "control": 1, "low_quality": 1},
        "rejected_tiny_artifacts": {"gene": 1},
        "background": {"gene": 1},
    }


def test_the_report_without_points_is_as_before():
    invoke("m.npy", "-o", "a.csv", *FILTER, "--report", "r.json")
    with open("r.json") as file:
        report = json.load(file)
    assert report["transcripts"] is None
    assert "transcripts_ledger" not in report
    assert "transcript_counts" not in pd.read_csv("a.csv")


def test_an_element_is_counted_and_added_with_labels(slide, folder):
    # the name, from the store that labels are read from, and added to it
    before = snapshot(folder / "slide.zarr")
    text = invoke(
        *("slide.zarr", "--add-to", "--points", "rna", "--coordinate-system", "global"),
        *FILTER[:2],
    )
    names = ["labels", "labels_shapes", "labels_table", "labels_transcripts"]
    assert text.splitlines()[-1] == f"  slide.zarr: added {', '.join(names)}"
    assert_same_files(before, snapshot(folder / "slide.zarr"))
    made = sd.read_zarr("slide.zarr")["labels_transcripts"].compute()
    assert made["label"].tolist() == [1, 1, 1, 1, 2, 2, 0, 0]
    assert made["region"].tolist() == [1, 1, 1, 1, 2, 2, 3, 0]
    assert counts("--points", "slide.zarr/points/rna") == [3, 1, 1]  # of another store
    # who adds again is told of the points' name too
    element = ["--element", "nuclei", "--add-to", "--points", "rna", "--label-name"]
    os.mkdir("slide.zarr/points/b_transcripts")
    assert "b_transcripts on disk" in error(*element, "b", masks="slide.zarr")
    lines = {
        "leave --points-in out": ["rna", "--points-in", "um", "--pixel-size", SIZE],
        "not in the coordinate system 'no'. It is in: global, other": [
            *("rna", "--coordinate-system", "no")
        ],
        "no points element 'no'. It has: ": ["no"],
        "slide.zarr has no points element 'x'": ["slide.zarr/points/x"],
    }
    for text, options in lines.items():
        code = 2 if "--" in "".join(map(str, options)) else 1
        where = ["--element", "nuclei", "--points", *options]
        assert text in error(*where, masks="slide.zarr", code=code)
    output = invoke("m.npy", "-o", "slide.zarr", "--points", "slide.zarr/points/rna", code=1)
    assert "slide.zarr is or overlaps slide.zarr, which this run uses" in output


def test_a_new_store_with_and_without_points(monkeypatch):
    options = ["--points", "px.csv", *FILTER[:2]]
    text = invoke("m.npy", "-o", "c.zarr", *options)
    line = "SpatialData store of labels, shapes and table, with labels_transcripts"
    assert text.splitlines()[-1] == f"  c.zarr: {line}"
    assert sorted(os.listdir("c.zarr/points")) == ["labels_transcripts", "zarr.json"]
    seen = []

    def write(post, path, overwrite):
        seen.append((post.points_model, post.element_names))

    monkeypatch.setattr("postseg.processor.PostSegmentation.export", write)
    text = invoke("m.npy", "-o", "d.zarr", *options, "--no-points")
    assert text.splitlines()[-1] == "  d.zarr: SpatialData store of labels, shapes and table"
    invoke("m.npy", "-o", "d.csv", *options)
    POINTS.assign(label=1).to_csv("px.csv", index=False)
    invoke("m.npy", "-o", "d.csv", *options)  # nothing needs a column of that name
    assert seen == [(None, ("labels", "labels_shapes", "labels_table"))] * 3
    assert "--no-points" in invoke("m.npy", "-o", "d.zarr", *options, code=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--min-qv", "20"], "--min-qv needs --points."),
        (["--no-points"], "--no-points needs --points."),
        (["--genes", "no.csv"], "--genes needs --points."),
        (["--xy", "x", "y"], "--xy needs --points."),
        (["--gene-key", "gene"], "--gene-key needs --points."),
        (["--points-in", "px"], "--points-in needs --points."),
        (["--coordinate-system", "global"], "--coordinate-system needs --points."),
        (["--points", "um.parquet", "--points-in", "um"], "--points-in um needs --pixel-size."),
        (["--points", "px.csv", "--coordinate-system", "global"], "px.csv is a file: it lies"),
        (["--points", "px.csv", "--min-qv", "low"], "'low' is neither a number nor 'none'"),
    ],
)
def test_options_that_do_not_fit(options, message):
    assert message in error(*options, code=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["no.parquet"], "no.parquet does not exist. Give a points element of the store"),
        (["m.npy"], "m.npy cannot be read: "),
        (["px.csv", "--gene-key", "gen"], "gene_key is 'gen', and there is no such column."),
        (["px.csv", "--xy", "x", "z"], "xy has 'z', and there is no such column."),
        (["px.csv", "--min-qv", "nan"], "min_qv is NaN"),
        (["px.csv", "--genes", "no.csv"], "no.csv does not exist. Give a text file"),
        (["px.csv", "--genes", "blank.csv"], "genes has 'BLANK_0001', which the patterns"),
    ],
)
def test_points_that_cannot_be_counted_are_refused_before_masks_are_read(
    options, message, folder, monkeypatch
):
    (folder / "blank.csv").write_text("ACTB\nBLANK_0001\n")
    monkeypatch.setattr("postseg.files.read.read_masks", None)
    assert message in error("--points", *options)


def test_points_at_the_wrong_place():
    assert "leave pixel_size out (--points-in px)" in error(
        "--points", "px.csv", "--pixel-size", 0.01
    )


def test_no_output_takes_the_place_of_points_or_panel(folder):
    (folder / "panel.csv").write_text("ACTB\n")
    for output in ("px.csv", "panel.csv"):
        before = (folder / output).read_bytes()
        options = ["--points", "px.csv", "--genes", "panel.csv", "--overwrite"]
        text = invoke("m.npy", "-o", output, *options, code=1)
        assert f"{output} is or overlaps {output}, which this run uses" in text
        assert (folder / output).read_bytes() == before


def panel(text, folder, name="panel.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return read_panel(folder / name)


def test_panels(folder):
    assert panel("B\nA", folder) == ["B", "A"]
    assert panel("gene\nB\nA\n", folder, "p.txt") == ["B", "A"]
    assert panel('name,feature_name\n1,"B"\n2, A \n', folder) == ["B", "A"]  # the first of ours
    assert panel("Name\tEnsembl_ID\nA\tENSG1\n", folder, "p.tsv") == ["A"]
    assert panel("count;Genes\n1;A\n", folder) == ["A"]
    with pytest.warns(UserWarning, match=r"none of the columns .* its first, 'symbol'\."):
        assert panel("symbol,count\nA,1\n", folder) == ["A"]
    kinds = {"A": "gene", "B": "negative_control_probe", "C": "gene"}
    types = [{"descriptor": kind, "data": {"name": name}} for name, kind in kinds.items()]
    targets = {"payload": {"targets": [{"type": kind} for kind in types]}}
    assert panel(json.dumps(targets), folder, "gene_panel.json") == ["A", "C"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.csv", "A\nB\nA\nB\n", r"p\.csv has 'A', 'B' twice; name a gene once"),
        ("p.csv", "\n\n", r"p\.csv has no gene\. Give a text file"),
        ("p.csv", "gene\n", r"p\.csv has no gene\."),
        ("p.csv", "id,gene\n1,A\n2\n", r"p\.csv, line 3: it has no gene; add it"),
        ("p.json", "{}", r"p\.json cannot be read: .*gene_panel\.json"),
        ("p.json", '{"payload": {"targets": []}}', r"p\.json has no gene\."),
    ],
)
def test_panels_that_are_none(name, text, message, folder):
    with pytest.raises((OSError, ValueError), match=message):
        panel(text, folder, name)


def test_a_matrix_places_points():
    points = POINTS.rename(columns={"x": "global_x", "y": "global_y"}).assign(x=0.5, y=0.5)
    points["global_x"] -= 100
    points.to_csv("tx.csv", index=False)
    np.savetxt("matrix.csv", [[1, 0, 100], [0, 1, 0], [0, 0, 1]])
    matrix = ("--points", "tx.csv", "--to-image", "matrix.csv")
    assert counts(*matrix) == [3, 1, 1]
    assert "both tell" in error(*matrix, "--points-in", "px", code=2)
    np.savetxt("matrix.csv", [[1, 0, 100], [0, 0, 1]], delimiter=",")
    assert "give a 3 x 3 matrix" in error(*matrix)
