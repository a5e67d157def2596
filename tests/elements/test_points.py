"""Points elements: lazy, of their own places, and in stores what they are in memory."""

import os
import warnings

import dask.dataframe as dd
import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
import spatialdata as sd
from adding import assert_same_files, write_store
from dask.dataframe.utils import clear_known_categories
from pandas.testing import assert_frame_equal
from scipy.sparse import csr_matrix
from spatialdata.models import PointsModel
from spatialdata.transformations import (
    Affine,
    Identity,
    MapAxis,
    Scale,
    Sequence,
    Translation,
    get_transformation,
    set_transformation,
)
from trees import snapshot

from postseg._support import ownership
from postseg._support.progress import shown_by
from postseg.elements import build
from postseg.elements.adding import add_elements, add_to_store
from postseg.elements.points import feature_key_of, is_points, points_element, systems_of
from postseg.elements.store import read_points

pytestmark = pytest.mark.filterwarnings("ignore:zarr v3 autosharding")  # anndata, of tables

SYSTEMS = {"global": np.array([[0.5, 0, 3], [0, 0.5, -2], [0, 0, 1]]), "image": np.eye(3)}
XYZ = ("x", "y", "z")
ROWS = 200


def part(number, genes=lambda number: [f"gene {number} {i}" for i in range(150)]):
    """One of other genes than the others have, more than fit into 8 bits, and one of none."""
    rng = np.random.default_rng(number)
    rows = ROWS if number != 2 else 0
    genes = pd.Index(genes(number))
    return pd.DataFrame(
        {
            "x": rng.random(rows, dtype=np.float32),
            "y": rng.random(rows),
            "z": rng.random(rows),
            "gene": pd.Categorical.from_codes(rng.integers(-1, len(genes), rows), genes),
            "cell_id": np.array([None if number == 0 else "aa-1"] * rows, object),
            "overlaps": rng.random(rows) < 0.5,
            "label": rng.integers(0, 9, rows, dtype=np.int32),
            "region": rng.integers(0, 9, rows, dtype=np.int32),
        },
        index=rng.permutation(rows) + 1000 * number,
    )


def frame(n=4, make=part, **how):
    """Unknown categories, as of all files that dask reads."""
    meta = clear_known_categories(part(2, **how))
    return dd.from_map(lambda number: make(number, **how), range(n), meta=meta)


def never(number):
    raise AssertionError("something was computed")


def stored(path, points):
    build.write_store(path, {}, {}, points={"points": points})
    return sd.read_zarr(path)["points"]


def assert_same_points(found, expected):
    """But for categories, which each partition has of its own, and how text is stored."""
    found, expected = found.compute(), expected.compute()
    assert found.dtypes.drop(["gene", "cell_id"]).equals(expected.dtypes.drop(["gene", "cell_id"]))
    assert isinstance(found["gene"].dtype, pd.CategoricalDtype)
    for each in (found, expected):
        each["cell_id"] = each["cell_id"].astype(object).where(each["cell_id"].notna(), None)
        each["gene"] = each["gene"].astype(object).where(each["gene"].notna(), None)
    assert_frame_equal(found, expected)


# ---- what they say


def test_nothing_is_computed_and_the_source_stays():
    source = frame(make=never)
    source.attrs["transform"] = {"old": Identity()}
    source.attrs["spatialdata_attrs"] = {"feature_key": "old", "instance_key": "cell_id"}
    inside = source.map_partitions(lambda rows: rows, meta=source._meta)  # attrs go along
    assert inside.attrs["transform"] is source.attrs["transform"]
    element = points_element(inside, SYSTEMS, "gene")

    assert is_points(element)
    PointsModel().validate(element)
    assert get_transformation(element, get_all=True).keys() == SYSTEMS.keys()
    assert element.attrs["spatialdata_attrs"] == {"feature_key": "gene"}
    assert feature_key_of(element) == "gene"
    assert list(element.columns) == list(source.columns)
    assert element.npartitions == 4
    assert str(sd.SpatialData(points={"points": element}))
    set_transformation(element, Identity(), "new")
    for each in (source, inside):
        assert each.attrs["transform"] == {"old": Identity()}
        assert each.attrs["spatialdata_attrs"] == {"feature_key": "old", "instance_key": "cell_id"}


def test_the_maps_are_those_that_were_given():
    found = systems_of(points_element(frame(make=never), SYSTEMS, "gene"))
    assert found.keys() == SYSTEMS.keys()
    for name, matrix in SYSTEMS.items():
        np.testing.assert_array_equal(found[name], matrix)


@pytest.mark.parametrize("missing", ["x", "y", "gene"])
def test_a_column_is_missing(missing):
    with pytest.raises(ValueError, match=f"no column '{missing}'. They have: .*'region'"):
        points_element(frame(make=never).drop(columns=missing), SYSTEMS, "gene")


@pytest.mark.parametrize(
    ("transformation", "scale", "shift"),
    [
        (Identity(), 1, 0),
        (Scale([4.5, 4.5, 1], XYZ), 4.5, 0),  # Xenium's
        (Sequence([Scale([2, 2], ("x", "y")), Translation([3, 3, 9], XYZ)]), 2, 3),
        (Affine(np.diag([2.0, 2, 7, 1]), XYZ, XYZ), 2, 0),
        (Affine(np.diag([2.0, 2, 1]), ("x", "y"), ("x", "y")), 2, 0),
    ],
)
@pytest.mark.parametrize("computed", [False, True])
def test_places_in_the_plane(transformation, scale, shift, computed):
    points = frame(1)
    points.attrs["transform"] = {"image": transformation}
    points = points.compute() if computed else points
    assert is_points(points)
    assert feature_key_of(points) is None
    expected = [[scale, 0, shift], [0, scale, shift], [0, 0, 1]]
    np.testing.assert_array_equal(systems_of(points)["image"], expected)


@pytest.mark.parametrize(
    ("transformation", "why"),
    [
        (Affine([[1, 0, 0.5, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], XYZ, XYZ), "depend on"),
        (MapAxis({"x": "z", "z": "x", "y": "y"}), "depend on"),
        (Affine(np.eye(4)[[2, 1, 0, 3]], XYZ, XYZ), "depend on"),
    ],
)
def test_no_places_in_the_plane(transformation, why):
    points = frame(make=never)
    points.attrs["transform"] = {"tilted": transformation}
    with pytest.raises(ValueError, match=f"transformation to 'tilted' makes x and y {why} z"):
        systems_of(points)


def test_what_is_no_points_element():
    table = part(0)
    square = gpd.GeoDataFrame({"x": [1], "y": [1]}, geometry=[shapely.box(0, 0, 1, 1)])
    square.attrs["transform"] = {"global": Identity()}
    for other in (None, "points", table, frame(make=never), square, {"transform": {}}, np.eye(3)):
        assert not is_points(other)
    table.attrs["transform"] = {"global": Identity()}
    assert is_points(table)
    assert not is_points(table.drop(columns="x"))


# ---- in stores

GENES = {
    "text": lambda number: [f"gene {number} {i}" for i in range(150)],
    "few": lambda number: ["one", "two"],
    "strings": lambda number: pd.Index([f"{number} {i}" for i in range(150)], dtype="string"),
    "numbers": lambda number: np.arange(150) + number,
}


@pytest.mark.parametrize("genes", GENES)
def test_written_in_one_pass_and_read_back(tmp_path, genes):
    made = []

    def counted(number, **how):
        made.append(number)
        return part(number, **how)

    how = {"genes": GENES[genes]}
    points = points_element(frame(12, counted, **how), SYSTEMS, "gene")
    found = stored(tmp_path / "s.zarr", points)
    assert sorted(made) == list(range(12))
    assert not points["gene"].cat.known  # SpatialData would have changed it
    assert_same_points(found, frame(12, **how))
    assert {file.name for file in (tmp_path / "s.zarr/points/points/points.parquet").iterdir()} == {
        f"part.{i}.parquet" for i in range(12)
    }
    assert found.attrs["spatialdata_attrs"] == {"feature_key": "gene"}
    for name, matrix in systems_of(found).items():
        np.testing.assert_array_equal(matrix, SYSTEMS[name])
    assert systems_of(found).keys() == SYSTEMS.keys()


def test_a_partition_without_any_gene_is_of_text_like_the_others(tmp_path):
    genes = {0: [], 1: ["one"], 2: ["one"]}
    stored(tmp_path / "s.zarr", points_element(frame(3, genes=genes.get), SYSTEMS, "gene"))
    files = (tmp_path / "s.zarr/points/points/points.parquet").iterdir()
    assert {pq.read_schema(file).field("gene").type for file in files} == {
        pa.dictionary(pa.int32(), pa.string())
    }


def test_known_categories_and_their_order_stay(tmp_path):
    rows = part(0).assign(gene=pd.Categorical(["b", "a"] * 100, ["c", "b", "a"], ordered=True))
    rows.attrs["transform"] = {"old": Identity()}  # which no file can hold
    found = stored(
        tmp_path / "s.zarr", points_element(dd.from_pandas(rows, sort=False), SYSTEMS, "gene")
    )
    assert_same_points(found, dd.from_pandas(rows, sort=False))
    assert found.compute()["gene"].dtype == rows["gene"].dtype


def test_the_files_say_what_those_of_spatialdata_say(tmp_path):
    """But for the name of an index without one."""
    points = points_element(frame(2).rename_axis(index="number"), SYSTEMS, "gene")
    stored(tmp_path / "ours.zarr", points)
    with warnings.catch_warnings(action="ignore"):
        sd.SpatialData(points={"points": points}).write(tmp_path / "theirs.zarr")
    ours, theirs = (snapshot(tmp_path / f"{whose}.zarr") for whose in ("ours", "theirs"))
    assert ours.keys() == theirs.keys()
    document = "points/points/zarr.json"
    assert ours[document] == theirs[document]
    for number in range(2):
        file = f"points/points/points.parquet/part.{number}.parquet"
        found, expected = (
            pd.read_parquet(tmp_path / f"{whose}.zarr" / file) for whose in ("ours", "theirs")
        )
        assert_frame_equal(found, expected, check_dtype=False, check_categorical=False)


@pytest.mark.parametrize("read", [False, True])
def test_spatialdata_works_with_them(tmp_path, read):
    # one partition: of several that were read, SpatialData 0.7 transforms y in another order
    element = points_element(frame(1), SYSTEMS, "gene")
    element = stored(tmp_path / "s.zarr", element) if read else element
    rows = element.compute()
    assert is_points(rows)
    moved = sd.transform(element, to_coordinate_system="global").compute()
    np.testing.assert_allclose(moved["x"], rows["x"] * 0.5 + 3, rtol=1e-6)
    np.testing.assert_allclose(moved["y"], rows["y"] * 0.5 - 2, rtol=1e-6)
    box = {"min_coordinate": [3.1, -1.8], "max_coordinate": [3.3, -1.6]}
    within = sd.bounding_box_query(
        element, axes=("x", "y"), **box, target_coordinate_system="global"
    )
    inside = moved["x"].between(3.1, 3.3) & moved["y"].between(-1.8, -1.6)
    assert 0 < inside.sum() == len(within)
    assert feature_key_of(within) == "gene"
    again = stored(tmp_path / "again.zarr", element)
    assert_same_points(again, element)


def test_a_store_may_be_added_to_while_its_points_are_read(tmp_path):
    write_store(tmp_path / "user.zarr")
    before = snapshot(tmp_path / "user.zarr")
    with warnings.catch_warnings(action="ignore"):
        sdata = sd.read_zarr(tmp_path / "user.zarr")
    points = sdata["transcripts"].assign(gene="ACTB", label=np.int32(3))
    add_elements(sdata, {}, {}, {}, {"cells_transcripts": points_element(points, SYSTEMS, "gene")})
    assert_same_files(before, snapshot(tmp_path / "user.zarr"))
    found = read_points(tmp_path / "user.zarr", "cells_transcripts").compute()
    assert found["x"].tolist() == [1, 2]
    assert found["label"].tolist() == [3, 3]
    assert found["label"].dtype == np.int32
    assert is_points(sdata["cells_transcripts"])
    assert feature_key_of(sdata["transcripts"]) is None
    with pytest.raises(ValueError, match="an element 'cells_transcripts' already"):
        add_elements(sdata, {}, {}, {}, {"Cells_transcripts": points})
    with pytest.raises(ValueError, match="an element 'transcripts' in points already"):
        add_to_store(tmp_path / "user.zarr", {}, {}, {}, {"Transcripts": points})


def test_a_failure_leaves_nothing(tmp_path):
    write_store(tmp_path / "user.zarr", kinds=("images",))
    before = snapshot(tmp_path)
    points = {"new": points_element(frame(make=never), SYSTEMS, "gene")}
    with pytest.raises(AssertionError, match="something was computed"):
        add_to_store(tmp_path / "user.zarr", {}, {}, {}, points)
    with pytest.raises(AssertionError, match="something was computed"):
        build.write_store(tmp_path / "new.zarr", {}, {}, points=points)
    assert snapshot(tmp_path) == before
    assert os.listdir(tmp_path) == ["user.zarr"]


def test_progress_counts_the_partitions(tmp_path):
    shown = []
    with shown_by(lambda text, done: shown.append((text, done))):
        stored(tmp_path / "s.zarr", points_element(frame(), SYSTEMS, "gene"))
    assert shown == [("Writing", i / 4) for i in range(5)]


def test_a_store_with_points_is_ours_until_they_are_changed(tmp_path):
    path = tmp_path / "s.zarr"
    stored(path, points_element(frame(), SYSTEMS, "gene"))
    assert ownership.not_ours(path) == []
    (path / "points/points/points.parquet/part.1.parquet").unlink()
    assert ownership.not_ours(path) == ["points/points (changed since)"]


# ---- reading


def test_points_of_a_store_by_name(tmp_path):
    write_store(tmp_path / "user.zarr")
    with warnings.catch_warnings(action="ignore"):
        found = read_points(tmp_path / "user.zarr", "transcripts")
    assert is_points(found)
    with pytest.raises(ValueError, match=r"no points element 'he'\. It has: transcripts\."):
        read_points(tmp_path / "user.zarr", "he")
    write_store(tmp_path / "none.zarr", kinds=("images",))
    with pytest.raises(ValueError, match=r"no points element 'transcripts'\. It has: none\."):
        read_points(tmp_path / "none.zarr", "transcripts")


def no_rows(element):
    for file in (element / "points.parquet").iterdir():
        file.write_bytes(b"no parquet")


def no_place(element):
    (element / "zarr.json").write_text("{")


@pytest.mark.filterwarnings("ignore:Object at")
@pytest.mark.parametrize("damage", [no_rows, no_place])
def test_damaged_points(tmp_path, damage):
    write_store(tmp_path / "user.zarr")
    damage(tmp_path / "user.zarr" / "points" / "transcripts")
    with pytest.raises(OSError, match=r"user\.zarr cannot be read: "):
        read_points(tmp_path / "user.zarr", "transcripts")
    with pytest.raises(OSError, match=r"none\.zarr cannot be read: "):
        read_points(tmp_path / "none.zarr", "transcripts")


# ---- the table that is made of them


def test_counts_and_how_they_were_made(tmp_path):
    obs = pd.DataFrame({"label": np.array([3, 5], np.int32)}, index=["cell_3", "cell_5"])
    counts = csr_matrix(np.array([[1, 0, 2], [0, 0, 0]], np.int32))
    var = pd.DataFrame({"in_cells": [1, 0, 2], "n_cells": [1, 0, 1]}, index=["A", "B", "C"])
    ledger = pd.DataFrame({"place": ["in_cells", "outside"], "gene": [3, 1], "control": [0, 2]})
    settings = {
        "points": "transcripts.parquet",
        "min_qv": 20.0,
        "genes": np.array(["A", "B", "C"]),
        "to_pixels": np.diag([4.5, 4.5, 1]),
    }
    uns = {"postseg": {"transcripts": {"ledger": ledger, "settings": settings}}}
    table = build.table_element(obs, {}, "cells", "label", uns, counts, var)
    assert table.X is counts
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The table is annotating")
        build.write_store(tmp_path / "s.zarr", {}, {}, {"table": table})
        found = sd.read_zarr(tmp_path / "s.zarr")["table"]
    assert found.X.dtype == np.int32
    assert found.X.format == "csr"
    np.testing.assert_array_equal(found.X.toarray(), counts.toarray())
    assert_frame_equal(found.var, var, check_index_type=False, check_column_type=False)
    assert list(found.obs_names) == ["cell_3", "cell_5"]
    about = found.uns["postseg"]["transcripts"]
    pd.testing.assert_frame_equal(
        about["ledger"].astype({"place": object}),
        ledger.astype({"place": object}),
        check_column_type=False,
    )
    assert about["settings"].keys() == settings.keys()
    assert about["settings"]["points"] == "transcripts.parquet"
    assert about["settings"]["min_qv"] == 20
    assert about["settings"]["genes"].tolist() == ["A", "B", "C"]
    np.testing.assert_array_equal(about["settings"]["to_pixels"], settings["to_pixels"])
