"""Verification of points: each lies in the cell that it names, and the table counts just these."""

import json

import anndata as ad
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import spatialdata as sd
import zarr
from click.testing import CliRunner
from drawing import OFF
from spatialdata.models import Labels2DModel, ShapesModel, TableModel
from spatialdata.transformations import Affine, Sequence, Translation, set_transformation
from tampering import tissue, without

from postseg import PostSegmentation
from postseg.cli.main import main
from postseg.elements.identity import CellNames, cell_names
from postseg.elements.points import points_element
from postseg.transcripts import sources
from postseg.verify import looking, recount
from postseg.verify import points as module
from postseg.verify.verification import verify_elements, verify_store

# anndata, when the tests themselves write a store
pytestmark = pytest.mark.filterwarnings("ignore:zarr v3 autosharding")
GENES = ["ACTB", "CD3E", "NANOG", "NegControlProbe_1", "BLANK_2", None]
AGREE = {
    **{"ok": True, "points": 4000, "judged": 4000, "disagreeing": 0, "first": []},
    **{"x_differing": 0, "x_first": [], "ledger_ok": True, "ledger": []},
}


def transcripts(shape, n=4000):
    """Points in pixels: in and around an image, of genes and controls, some without a place."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.uniform(-9, shape[1] + 9, n)})
    frame["y"] = rng.uniform(-9, shape[0] + 9, n)
    frame["gene"] = np.array(GENES, dtype=object)[rng.integers(0, len(GENES), n)]
    frame["qv"] = rng.uniform(10, 40, n).astype(np.float32)
    frame.loc[[5, 77], "x"] = np.nan
    return frame


def counted(factor=4, enlarge=True, cls=PostSegmentation, n_parts=3, **settings):
    post = cls(tissue(), factor, "cells", verbose=False, **settings)
    post.filter_config = {**OFF, "max_area": 160}
    post.process_masks_to_shapes()
    post.process_labels(enlarge=enlarge)
    frame = post._frame()
    points = dd.from_pandas(transcripts(frame.shape), npartitions=n_parts)
    post.process_points(points, to_image=frame.to_image, genes=["NANOG", "ACTB", "LOST"])
    return post


@pytest.fixture(scope="module")
def good():
    """Labels, shapes, table and points; not to be changed."""
    post = counted(origin=(101, -33))
    ledger = post.transcripts.sum(axis=1)
    assert ledger[ledger > 0].size >= 5  # in cells, a reason, background, outside, invalid
    return post.labels_model, post.shapes_model, post.table, post.points_model


def with_points(points, change):
    """Points with other rows."""
    changed = points.map_partitions(change, meta=points._meta)
    changed.attrs.update(points.attrs)
    return changed


def moved(points, **systems):
    """The same points with other transformations."""
    again = points.copy()
    again.attrs.update({"transform": {**points.attrs["transform"], **systems}})
    return again


def by_hand(labels, points):
    """The labels that points of a tile lie in, pixel by pixel."""
    to_pixels = np.linalg.inv(labels.attrs["transform"]["image"].matrix)
    matrix = to_pixels @ points.attrs["transform"]["image"].matrix
    rows = points.compute()
    u, v = (rows[["x", "y"]].to_numpy() @ matrix[:2, :2].T + matrix[:2, 2]).T
    height, width = labels.shape
    within = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    found = np.zeros(len(rows), int)
    found[within] = labels.to_numpy()[v[within].astype(int), u[within].astype(int)]
    return rows, found


def test_points_of_our_own_agree(good):
    found = verify_elements(*good)
    systems = {"global": 0, "image": 0}
    assert found.ok
    assert found.summary["points"] == {**AGREE, "systems": systems}
    text = (
        "Points: 4,000 of 4,000 points agree with the labels (100%)\n"
        "X is what they count to, and the ledger adds up"
    )
    assert str(found).endswith(text)
    rows, label = by_hand(good[0], good[3])
    assert (rows["label"] == label).all()
    assert (label > 0).sum() > 500


def test_of_the_class_and_without_points(good):
    post = counted(1, n_parts=1)
    assert post.verify().summary["points"] == {**AGREE, "systems": {"global": 0, "image": 0}}
    assert post.verify().ok
    assert verify_elements(*good[:3], good[3].compute()).summary["points"]["ok"]  # of pandas
    found = verify_elements(*good[:3])
    assert found.ok
    assert found.summary["points"] is None
    assert "Points" not in str(found)
    with pytest.raises(ValueError, match="neither shapes nor points"):
        verify_elements(good[0])


@pytest.mark.parametrize("rows", [2**20, 100])
def test_a_label_that_changed(good, monkeypatch, rows):
    monkeypatch.setattr(sources, "ROWS", rows)
    labels, shapes, table, points = good
    label = int(table.obs["label"].iloc[4])
    found = verify_elements(without(labels, label), shapes, table, points)
    bad = np.flatnonzero(points["label"].compute() == label)
    assert bad.size > 8
    assert found.summary["points"] == {
        **AGREE,
        "ok": False,
        "disagreeing": bad.size,
        "systems": {"global": bad.size, "image": bad.size},
        "first": [{"row": int(row), "cell": label, "in_labels": 0} for row in bad[:8]],
    }
    assert found.summary["problems"] == {
        "not in the labels": {"count": 1, "ids": [label]},
        "transcripts differ": {"count": 1, "ids": [label]},
    }
    assert found.cells.loc[label, "problem"] == "not in the labels; transcripts differ"
    assert f"row {bad[0]:,} names {label}, the labels 0; " in str(found)
    assert str(found).endswith(f"ids {label}")
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_point_that_names_another_cell(good):
    labels, shapes, table, points = good
    one, other, *_ = (int(label) for label in table.obs["label"])

    def rename(part):
        wrong = (part["label"] == one) & (np.cumsum(part["label"] == one) == 1)
        return part.assign(label=part["label"].mask(wrong, other).astype(np.int32))

    found = verify_elements(labels, shapes, table, with_points(points, rename))
    assert found.summary["points"]["disagreeing"] == 3  # of as many partitions
    assert found.summary["problems"]["transcripts differ"] == {
        "count": 2,
        "ids": sorted([one, other]),
    }
    assert not found.summary["points"]["ok"]


def test_points_that_name_a_cell_that_is_none(good):
    labels, shapes, table, points = good
    label = int(table.obs["label"].iloc[0])

    def rename(part):
        return part.assign(label=part["label"].replace({label: 999}))

    found = verify_elements(labels, shapes, table, with_points(points, rename))
    summary = found.summary["points"]
    assert summary["disagreeing"] == (points["label"].compute() == label).sum()
    assert summary["x_first"][0]["recounted"] == 0
    assert summary["ledger_ok"]  # which does not tell of single cells
    assert 999 not in found.cells.index


# ---- transformations


def test_points_a_pixel_off_in_one_system(good):
    labels, shapes, table, points = good
    there = points.attrs["transform"]["image"].matrix.copy()
    there[0, 2] -= 1
    points = moved(points, image=Affine(there, ("x", "y"), ("x", "y")))
    found = verify_elements(labels, shapes, table, points)
    rows, label = by_hand(labels, points)
    n = int((rows["label"] != label).sum())
    assert n > 30
    assert found.summary["points"]["systems"] == {"global": 0, "image": n}
    assert found.summary["points"]["disagreeing"] == n
    assert found.summary["causes"] == [
        "In 'image', shifting the points by (+1, 0) pixels (x, y) makes 100% of them agree, now "
        f"{np.floor((4000 - n) / 4) / 10:.1f}%: points or labels lie a pixel off, as labels do "
        "after bounding_box_query of spatialdata 0.8."
    ]
    assert f"points that disagree in 'global': 0, 'image': {n:,}" in str(found)


@pytest.mark.parametrize("step", [(1, 0), (0, -1), (-1, 1), (3, 0)])
def test_the_shift_that_cures_is_named(good, step):
    labels, shapes, table, points = good
    systems = {
        name: Sequence([transformation, Translation([*step], ("x", "y"))])
        for name, transformation in points.attrs["transform"].items()
    }
    found = verify_elements(labels, shapes, table, moved(points, **systems))
    x, y = ("0" if not part else f"{-part:+d}" for part in step)
    if step == (3, 0):
        assert found.summary["causes"] == []
    else:
        (text,) = found.summary["causes"]
        assert text.startswith(f"Shifting the points by ({x}, {y}) pixels (x, y) makes ")
        assert ("bounding_box_query" in text) == (max(step) <= 0)


def test_points_on_edges_may_be_rounded_to_either_side(good, monkeypatch):
    labels = good[0]
    x, y = (part.ravel() + 0.0 for part in np.meshgrid(np.arange(0, 480, 4), np.arange(0, 400, 4)))
    image = labels.to_numpy()
    frame = pd.DataFrame({"x": x * 0.2125, "y": y * 0.2125, "gene": "ACTB"})
    frame["label"] = image[y.astype(int), x.astype(int)]
    # a map that rounds, as of micrometres to pixels and back
    back = Affine(
        labels.attrs["transform"]["global"].matrix @ np.diag([1 / 0.2125, 1 / 0.2125, 1]),
        ("x", "y"),
        ("x", "y"),
    )
    element = points_element(dd.from_pandas(frame, npartitions=1), {"global": np.eye(3)}, "gene")
    element.attrs["transform"] = {"global": back}
    assert verify_elements(labels, None, None, element).ok
    monkeypatch.setattr(looking, "_EDGE", 0.0)
    assert verify_elements(labels, None, None, element).summary["points"]["disagreeing"] > 10


class OwnFilter(PostSegmentation):
    """Whose filter leaves no audit."""

    def filter_cell_by_regionprops(self, seg_masks, **thresholds):
        return np.where(np.asarray(seg_masks) % 3 == 0, 0, seg_masks)


@pytest.mark.parametrize("cls", [PostSegmentation, OwnFilter])
@pytest.mark.parametrize(
    "settings",
    [
        {"factor": 4, "origin": (7, 9)},
        {"factor": 1, "image_shape": (431, 259)},
        {"factor": 1, "image_shape": (431, 259), "enlarge": True},
    ],
)
def test_labels_that_are_masks_or_were_stretched(cls, settings, monkeypatch):
    post = counted(**{"enlarge": False, **settings}, cls=cls)
    made = (post.labels_model, post.table, post.points_model)
    found = verify_elements(made[0], None, *made[1:])
    assert found.summary["points"] == {**AGREE, "systems": {"global": 0, "image": 0}}
    assert found.ok
    if settings == {"factor": 1, "image_shape": (431, 259)}:
        monkeypatch.setattr(module, "_looked_up_at", lambda packed, shape, matrix: shape)
        assert not verify_elements(made[0], None, *made[1:]).ok


# ---- the table


def test_x_that_was_changed(good):
    labels, shapes, table, points = good
    changed = table.copy()
    right = table.X.toarray()
    matrix = right.copy()
    matrix[2, 1] += 3
    matrix[4, 0] = 0
    changed.X = sp.csr_matrix(matrix)
    found = verify_elements(labels, shapes, changed, points)
    ids = table.obs["label"].tolist()
    summary = found.summary["points"]
    assert summary["x_differing"] == 2
    assert summary["x_first"] == [
        {"cell": ids[2], "gene": "ACTB", "in_table": right[2, 1] + 3.0, "recounted": right[2, 1]},
        {"cell": ids[4], "gene": "NANOG", "in_table": 0.0, "recounted": right[4, 0]},
    ]
    assert right[4, 0] > 0
    assert not summary["disagreeing"]
    assert summary["ledger_ok"]
    assert found.summary["problems"] == {
        "transcripts differ": {"count": 2, "ids": sorted([ids[2], ids[4]])}
    }
    assert not found.ok
    text = f"2 entries of X differ: cell {ids[2]}, ACTB: {right[2, 1] + 3}, recounted {right[2, 1]}"
    assert text in str(found)
    assert str(found).count("the ledger adds up") == 1
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize("rows", [2**15, 2])
def test_x_with_other_genes_types_and_rows(good, monkeypatch, rows):
    monkeypatch.setattr(recount, "_ROWS", rows)
    labels, shapes, table, points = good
    dense = table[::-1, ["LOST", "ACTB", "NANOG"]].copy()
    dense.X = dense.X.toarray().astype(np.float32)
    assert verify_elements(labels, shapes, dense, points).ok
    without_gene = table[:, ["LOST", "NANOG"]].copy()
    found = verify_elements(labels, shapes, without_gene, points).summary["points"]
    counts = table[:, "ACTB"].X.toarray().ravel()
    assert found["x_differing"] == (counts > 0).sum()
    assert {(row["gene"], row["in_table"]) for row in found["x_first"]} == {("ACTB", 0.0)}
    renamed = table.copy()
    renamed.var_names = ["NANOG", "OTHER", "LOST"]
    found = verify_elements(labels, shapes, renamed, points).summary["points"]
    assert found["x_differing"] == 2 * (counts > 0).sum()
    dense.X[0, 0] = np.nan
    found = verify_elements(labels, shapes, dense, points)
    assert found.summary["points"]["x_first"][0]["in_table"] is None
    assert "LOST: no number" in str(found)
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_ledger_that_was_changed(good):
    labels, shapes, table, points = good
    for place, kind, wrong in (
        ("in_cells", "control", {("in_cells", "control"), ("all", "control")}),
        ("background", "gene", {("all", "gene")}),
        ("invalid", "invalid", {("invalid", "invalid"), ("all", "invalid")}),
    ):
        changed = table.copy()
        ledger = changed.uns["postseg"]["transcripts"]["ledger"].copy()
        before = int(ledger.loc[ledger["place"] == place, kind].iloc[0])
        ledger.loc[ledger["place"] == place, kind] += 1
        changed.uns["postseg"]["transcripts"]["ledger"] = ledger
        found = verify_elements(labels, shapes, changed, points)
        summary = found.summary["points"]
        assert {(row["place"], row["kind"]) for row in summary["ledger"]} == wrong
        assert summary["ledger_ok"] is False
        assert not summary["x_differing"]
        assert not found.ok
        assert (found.cells["problem"] == "").all()
        assert str(found).startswith("Verification: the transcripts disagree\n")
        if place == "in_cells":
            text = f"the ledger differs: in cells, control: {before + 1:,}, recounted {before:,}"
            assert text in str(found)
    del changed.uns["postseg"]["transcripts"]["ledger"]
    assert verify_elements(labels, shapes, changed, points).summary["points"]["ledger_ok"] is False


# ---- points of others


def of_others(good, cells, **transformations):
    """The same points as somebody else's, with a column ``cell_id``."""
    frame = good[3].compute()[["x", "y", "gene"]].assign(cell_id=cells)
    frame.attrs = {}
    element = points_element(dd.from_pandas(frame, npartitions=2), {"global": np.eye(3)}, "gene")
    known = transformations or {"global": good[3].attrs["transform"]["global"]}
    element.attrs.update({"transform": known})
    return element


def test_points_of_others_with_label_values(good):
    labels = good[0]
    rows, _ = by_hand(labels, good[3])
    label = rows["label"].to_numpy()
    outside = int((~np.isfinite(rows[["x", "y"]]).all(axis=1)).sum()) + int(
        ((rows["x"] < 0) | (rows["x"] >= 480) | (rows["y"] < 0) | (rows["y"] >= 400)).sum()
    )
    none = np.where(label, label, -1)
    text = label.astype(str).astype(object)
    text[label == 0] = np.array(["", "0", "-1", "UNASSIGNED", "NONE", None], dtype=object)[
        np.arange((label == 0).sum()) % 6
    ]
    for cells in (
        none,
        label.astype(np.uint16),
        np.where(label, label, np.nan),
        pd.array(none, dtype="Int64"),
        text,
        pd.Categorical(text),
        pd.Categorical(none),
    ):
        cells = pd.Series(cells, rows.index)
        found = verify_elements(labels, None, None, of_others(good, cells), "cell_id")
        summary = found.summary["points"]
        assert found.ok
        assert summary["judged"] == 4000 - outside
        assert summary["x_differing"] is None
        assert summary["ledger_ok"] is None
    text = str(found)
    assert "Cells: " in text
    assert "no shapes; no table\n\nPoints: " in text
    assert text.endswith(f"(100%); {outside:,} off the labels are not judged")
    # off the labels a point may name any cell, and on them only its own
    far = label.copy()
    far[rows["x"] < 0] = 3
    assert verify_elements(labels, None, None, of_others(good, far), "cell_id").ok
    half = np.where(label, label + 0.5, 0)
    found = verify_elements(labels, None, None, of_others(good, half), "cell_id")
    assert found.summary["points"]["disagreeing"] == (label > 0).sum()
    assert found.summary["in_shapes"] is None
    assert found.cells["in_shapes"].isna().all()
    assert "no polygon" not in found.summary["problems"]
    json.dumps(found.to_dict(), allow_nan=False)


def xenium(good):
    """Elements as spatialdata-io makes them of Xenium, but for labels that are a pixel off."""
    element, _, table, points = good
    labels = table.obs["label"].to_numpy().astype(np.int64)
    names = pd.Series([f"{'abcdefghij'[label % 10] * 8}-1{label}" for label in labels], labels)
    cells = points.compute()["label"].map(names).fillna("UNASSIGNED")
    image = Labels2DModel.parse(element.to_numpy(), dims=("y", "x"))
    place = Sequence([element.attrs["transform"]["global"], Translation([1, 1], ("x", "y"))])
    set_transformation(image, place)
    circles = ShapesModel.parse(
        table.obsm["spatial"], geometry=0, radius=1, index=pd.Index(names.to_numpy())
    )
    obs = pd.DataFrame({"cell_id": names.to_numpy(), "cell_labels": labels})
    obs.index = obs.index.astype(str)
    obs["region"] = pd.Categorical(["cell_circles"] * len(obs))
    about = {"region": "cell_circles", "region_key": "region", "instance_key": "cell_id"}
    return {
        "cell_labels": image,
        "cell_circles": circles,
        "transcripts": of_others(good, cells),
        "table": TableModel.parse(ad.AnnData(obs=obs), **about),
    }


def invoke(*args):
    return CliRunner().invoke(main, ["verify", *map(str, args)])


def test_a_store_of_others(good, tmp_path):
    """Names of cells as text, a table of circles, no polygons, and labels a pixel off."""
    elements = xenium(good)
    path = tmp_path / "xenium.zarr"
    sd.SpatialData.init_from_elements(elements).write(path)
    found = verify_store(path, cell_key="cell_id")
    text = str(found)
    (cause,) = found.summary["causes"]
    summary = found.summary["points"]
    share = np.floor(1000 - 1000 * summary["disagreeing"] / summary["judged"]) / 10
    assert cause == (
        "Shifting the points by (+1, +1) pixels (x, y) makes 100% of them agree, now "
        f"{share:.1f}%: points or labels lie a pixel off, as labels do after bounding_box_query "
        "of spatialdata 0.8."
    )
    names = elements["table"].obs["cell_id"].tolist()
    assert {row["cell"] for row in summary["first"]} <= {*names, "UNASSIGNED"}
    assert found.cells["in_table"].isna().all()

    result = invoke(path, "--points", "transcripts", "--cell-key", "cell_id", "--table", "table")
    assert (result.exit_code, result.stdout.rstrip()) == (1, text)
    for args, message in {
        ("--points", "nothing"): "no points element is called 'nothing'. It has: transcripts.",
        ("--points", "transcripts"): "no column 'label', so they are not by postseg: name the",
        ("--cell-key", "cell"): "cell_key is 'cell', and the points have no such column. They",
        ("--cell-key", "cell_id", "--table", "no"): "no table is called 'no'. It has: table.",
        (): "the index of the shapes holds the id",
    }.items():
        result = invoke(path, *args)
        assert result.exit_code == 1
        assert message in result.stderr
        assert result.stderr.count("\n") == 1

    root = zarr.open_group(path / "tables" / "table" / "obs", use_consolidated=False)
    del root["cell_labels"]
    result = invoke(path, "--cell-key", "cell_id")
    assert result.exit_code == 1
    assert (
        "which is no label value, and no table tells the label of each: it needs" in result.stderr
    )
    assert result.stderr.count("\n") == 1


def test_a_store_of_our_own(tmp_path):
    path = tmp_path / "cells.zarr"
    post = counted(2)
    post.write(path)
    found = verify_store(path)
    assert found.summary["points"] == {**AGREE, "systems": {"global": 0, "image": 0}}
    assert found.ok
    assert verify_store(path, points="cells_transcripts").summary == found.summary
    assert invoke(path).exit_code == 0

    X = zarr.open_group(path / "tables" / "cells_table" / "X", use_consolidated=False)
    X["data"][3] += 1
    found = verify_store(path)
    assert found.summary["points"]["x_differing"] == 1
    assert not found.summary["points"]["disagreeing"]
    # the points are found by their name where no table tells of them
    del zarr.open_group(path / "tables", use_consolidated=False)["cells_table"]
    found = verify_store(path)
    assert found.ok
    assert found.summary["points"]["points"] == 4000
    assert found.summary["points"]["x_differing"] is None
    (path / "points" / "cells_transcripts" / "points.parquet" / "part.1.parquet").write_bytes(b"x")
    result = invoke(path)
    assert result.exit_code == 1
    assert "cells.zarr cannot be read: " in result.stderr
    assert result.stderr.count("\n") == 1


def test_names_of_cells():
    obs = pd.DataFrame({"cell_id": ["a-1", "b-1"], "nuclei": [7, 3], "region": ["nuclei"] * 2})
    about = {"region_key": "region", "instance_key": "nuclei"}
    for labels, key, change in (
        ("nuclei", "cell_id", {}),  # of a table that annotates the labels
        ("nuclei", "cell_id", {"region": "circles"}),  # of another with a column of their name
    ):
        told = cell_names(obs.assign(**change), about, labels, key)
        assert told.to_dict() == {"a-1": 7, "b-1": 3}
    circles = {"region_key": "region", "instance_key": "cell_id"}
    rows = obs.assign(region="circles")
    told = cell_names(rows, circles, "nuclei", "cell")  # which are called so in the points only
    assert told.to_dict() == {"a-1": 7, "b-1": 3}
    names = CellNames(told)
    assert names.values(["b-1", "NONE", "c-1", "a-1"], "cell", -2).tolist() == [3, 0, -2, 7]
    assert CellNames().values(["12", "UNASSIGNED", "3.0"], "cell", -2).tolist() == [12, 0, 3]
    with pytest.raises(ValueError, match="column 'cell' of the points has 'x', which is no label"):
        CellNames().values(["1", "x"], "cell", -2)
    with pytest.raises(ValueError, match="no table tells the label of each"):
        cell_names(rows, circles, "cells", "cell_id")
    with pytest.raises(ValueError, match="no table tells the label of each"):
        cell_names(obs, about, "nuclei", "cell")  # of which only label values are known
    with pytest.raises(ValueError, match="has 'a-1' in several rows of its column 'cell_id'"):
        cell_names(pd.concat([obs, obs]), about, "nuclei", "cell_id")
    with pytest.raises(ValueError, match="holds the id a-1, which is no label value"):
        cell_names(obs, {**about, "instance_key": "cell_id"}, "nuclei", "nuclei")


def test_points_that_cannot_be_compared(good):
    labels, shapes, table, points = good
    elsewhere = of_others(good, 1, mirrored=points.attrs["transform"]["mirrored"])
    with pytest.raises(ValueError, match="labels and points have no coordinate system in common"):
        verify_elements(labels, shapes, table, elsewhere, "cell_id")
    with pytest.raises(ValueError, match="column 'cell_id' of the points is bool; ids of cells"):
        verify_elements(labels, None, None, of_others(good, True), "cell_id")
    with pytest.raises(ValueError, match="counted by their column 'qv', and there is no such"):
        verify_elements(labels, shapes, table, points.drop(columns="qv"))
