"""Every mistake with points is told in words, before any point is read, and changes nothing."""

import re

import numpy as np
import pandas as pd
import pytest
from drawing import OFF, squares
from spatialdata.models import PointsModel
from spatialdata.transformations import Affine, Identity, Scale, set_transformation
from transcripts import xenium
from transcripts.agreement import settings_of
from transcripts.counted import Source

from postseg import PostSegmentation

MASKS = squares(8, 9)  # 11 x 20
POINTS = pd.DataFrame(
    {"x": [3.5, 12.5, 13.5, 4.5], "y": 3.5, "gene": ["A", "A", "B", "B"], "qv": 30.0}
)


@pytest.fixture
def post():
    post = PostSegmentation(MASKS, label_name="cells", verbose=False, filter_config=OFF)
    post.process_masks_to_shapes()
    return post


def assert_refused(post, source, error, words, *args, **chosen):
    """An error with all of the words; the object holds the very same things as before."""
    before = vars(post).copy()
    with pytest.raises(error) as raised:
        post.process_points(source, *args, **chosen)
    text = str(raised.value)
    assert [word for word in words if word not in text] == [], text
    assert re.search(r"[.)?]$", text), text
    assert [name for name, value in vars(post).items() if value is not before[name]] == []


MISTAKES = {
    "no column of genes": (
        POINTS.rename(columns={"gene": "name"}),
        {},
        ["gene_key", "feature_name", "gene", "target", "x, y, name, qv"],
    ),
    "two columns of genes": (
        POINTS.assign(feature_name="A"),
        {},
        ["gene_key", "feature_name", "gene"],
    ),
    "an unknown gene_key": (POINTS, {"gene_key": "gen"}, ["gene_key", "'gen'", "x, y, gene, qv"]),
    "no coordinates": (
        POINTS.rename(columns={"x": "lat", "y": "long"}),
        {},
        ["xy", "x_location", "global_x", "lat, long, gene, qv"],
    ),
    "half a pair": (POINTS.rename(columns={"y": "y_location"}), {}, ["xy", "x, y_location"]),
    "an unknown column of coordinates": (
        POINTS,
        {"xy": ("x", "v")},
        ["'v'", "x, y, gene, qv"],
    ),
    "x is text": (POINTS.astype({"x": str}), {}, ["'x'", "numeric"]),
    "y is text": (POINTS.astype({"y": str}), {}, ["'y'", "numeric"]),
    "x is boolean": (POINTS.astype({"x": bool}), {}, ["'x'", "numeric"]),
    "genes are numbers": (POINTS.assign(gene=1.5), {}, ["'gene'", "gene_key"]),
    "an unknown column of qualities": (POINTS, {"qv_key": "q"}, ["qv_key", "'q'"]),
    "qualities are text": (POINTS.assign(qv="high"), {}, ["'qv'", "numeric"]),
    "a column label": (POINTS.assign(label=1), {}, ["'label'"]),
    "a column region": (POINTS.assign(region=1), {}, ["'region'"]),
    "a singular matrix": (
        POINTS,
        {"to_image": [[1, 2, 0], [2, 4, 0], [0, 0, 1]]},
        ["to_image", "singular"],
    ),
    "a matrix with NaN": (POINTS, {"to_image": np.full((3, 3), np.nan)}, ["to_image", "nan"]),
    "a matrix of another shape": (POINTS, {"to_image": np.eye(2)}, ["to_image", "3"]),
    "a matrix that is not affine": (
        POINTS,
        {"to_image": [[1, 0, 0], [0, 1, 0], [0.1, 0, 1]]},
        ["to_image", "0, 0, 1"],
    ),
    "a matrix and a size": (
        POINTS,
        {"to_image": np.eye(3), "pixel_size": 0.2125},
        ["to_image", "pixel_size"],
    ),
    "a size of 0": (POINTS, {"pixel_size": 0}, ["pixel_size", "0", "0.2125"]),
    "a size below 0": (POINTS, {"pixel_size": -1.0}, ["pixel_size", "-1.0"]),
    "a system for plain data": (
        POINTS,
        {"coordinate_system": "global"},
        ["coordinate_system", "'global'"],
    ),
    "genes twice": (POINTS, {"genes": ["A", "B", "A"]}, ["genes", "'A'"]),
    "genes as one text": (POINTS, {"genes": "A"}, ["genes", "'A'", "list"]),
    "a control among the genes": (
        POINTS,
        {"genes": ["A", "BLANK_1"]},
        ["genes", "'BLANK_1'", "controls"],
    ),
    "an impossible pattern": (POINTS, {"controls": "(A"}, ["controls", "(A"]),
    "is_gene is text": (POINTS.assign(is_gene="yes"), {}, ["'is_gene'"]),
    "no points": (POINTS.iloc[:0], {}, ["no points"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_before_points_are_read(post, mistake):
    points, chosen, words = MISTAKES[mistake]
    source = Source(points, partitions=2 if len(points) else 1)
    assert_refused(post, source.frame, (ValueError, TypeError), words, **chosen)
    if len(points):
        assert source.reads == []
    assert_refused(post, points, (ValueError, TypeError), words, **chosen)


@pytest.mark.parametrize("mistake", ["no column of genes", "no coordinates", "no points"])
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_so_it_is_of_files(post, mistake, suffix, tmp_path):
    points, chosen, words = MISTAKES[mistake]
    path = tmp_path / f"points.{suffix}"
    points.to_parquet(path) if suffix == "parquet" else points.to_csv(path, index=False)
    assert_refused(post, path, (ValueError, TypeError), words, **chosen)


def test_text_among_the_numbers_of_a_csv_file_is_named(post, tmp_path):
    path = tmp_path / "points.csv"
    POINTS.assign(x=["3.5", "left", "1", "2"]).to_csv(path, index=False)
    assert_refused(post, path, (ValueError, OSError), ["points.csv", "left"])


def test_a_path_that_is_not_there_is_named(post, tmp_path):
    assert_refused(post, tmp_path / "no.parquet", OSError, ["no.parquet"])


def test_a_file_of_another_kind_is_named(post, tmp_path):
    (tmp_path / "points.xlsx").write_text("x")
    assert_refused(
        post, tmp_path / "points.xlsx", (ValueError, OSError), ["points.xlsx", "Parquet", "CSV"]
    )


@pytest.mark.parametrize("points", [None, 5, [1, 2], np.zeros((3, 2))], ids=repr)
def test_what_are_no_points_is_named(post, points):
    assert_refused(post, points, TypeError, [type(points).__name__, "Parquet"])


def test_without_masks_it_says_so():
    with pytest.raises(RuntimeError, match="no masks yet"):
        PostSegmentation(verbose=False).process_points(POINTS)


def test_where_no_cell_is_left_it_says_so():
    post = PostSegmentation(squares(2), verbose=False)
    with pytest.raises(RuntimeError, match="None of the 1 regions passed"):
        post.process_points(POINTS.assign(x=1.5, y=1.5))
    assert post.transcripts is post.table is post.filter_report is None


# ---- coordinate systems


@pytest.fixture(scope="module")
def sdata():
    return xenium.make((60, 80), 6, 300).spatialdata()


def of(sdata):
    post = PostSegmentation(sdata["cell_labels"], label_name="cells", verbose=False)
    post.filter_config = OFF
    post.process_masks_to_shapes()
    return post


def test_an_unknown_system_is_named_with_those_there_are(sdata):
    post = of(sdata)
    chosen = {"coordinate_system": "globl"}
    assert_refused(post, sdata["transcripts"], ValueError, ["'globl'", "global"], **chosen)


def test_without_a_system_in_common_both_sides_are_listed(sdata):
    elsewhere = PointsModel.parse(
        sdata["transcripts"].compute(),
        feature_key="feature_name",
        transformations={"elsewhere": Identity()},
    )
    words = ["coordinate system", "elsewhere", "global"]
    assert_refused(of(sdata), elsewhere, ValueError, words)


def test_of_several_systems_that_disagree_one_is_asked_for():
    both = xenium.make((60, 80), 6, 300).spatialdata()
    set_transformation(both["cell_labels"], Scale([0.2125, 0.2125], ("x", "y")), "um")
    set_transformation(both["transcripts"], Identity(), "um")
    post = of(both)
    post.process_points(both["transcripts"])  # they agree
    whole = post.table.X.toarray()
    set_transformation(both["transcripts"], Scale([0.5, 0.5], ("x", "y")), "um")
    words = ["coordinate_system", "global", "um"]
    assert_refused(post, both["transcripts"], ValueError, words)
    post.process_points(both["transcripts"], coordinate_system="global")
    np.testing.assert_array_equal(post.table.X.toarray(), whole)
    post.process_points(both["transcripts"], coordinate_system="um")
    assert settings_of(post)["coordinate_system"] == "um"
    assert settings_of(post)["to_pixels"][0, 0] == pytest.approx(0.5 / 0.2125)


@pytest.mark.parametrize("chosen", [{}, {"coordinate_system": "global"}], ids=str)
def test_points_that_are_flattened_to_a_line_are_refused(sdata, chosen):
    line = Affine([[1, 0, 0], [1, 0, 0], [0, 0, 1]], ("x", "y"), ("x", "y"))
    flat = PointsModel.parse(
        sdata["transcripts"].compute(), feature_key="feature_name", transformations={"global": line}
    )
    assert_refused(of(sdata), flat, ValueError, ["'global'", "inverted"], **chosen)


def test_an_element_is_not_scaled_by_a_pixel_size(sdata):
    words = ["pixel_size is 0.5", "transformation", "leave pixel_size out"]
    assert_refused(of(sdata), sdata["transcripts"], ValueError, words, pixel_size=0.5)


def test_a_matrix_comes_before_what_an_element_tells(sdata):
    post = of(sdata)
    post.process_points(sdata["transcripts"], to_image=np.diag([2.0, 2, 1]))
    np.testing.assert_array_equal(settings_of(post)["to_pixels"], np.diag([2, 2, 1]))
    assert "coordinate_system" not in settings_of(post)


# ---- points that lie elsewhere


def test_when_all_lie_outside_both_extents_are_told(post):
    points = POINTS.assign(x=POINTS["x"] + 500)
    words = ["outside", "503.5", "513.5", "20", "11"]
    assert_refused(post, points, ValueError, words)


def test_micrometres_taken_for_pixels_are_found_out():
    post = PostSegmentation(MASKS, verbose=False, filter_config=OFF, origin=(1000, 1000))
    post.process_masks_to_shapes()
    points = POINTS.assign(x=(POINTS["x"] + 1000) * 0.2125, y=(POINTS["y"] + 1000) * 0.2125)
    assert_refused(post, points, ValueError, ["outside", "pass pixel_size=0.2125"])
    post.process_points(points, pixel_size=0.2125)


def test_points_without_any_place_are_told(post):
    assert_refused(post, POINTS.assign(x=np.nan), ValueError, ["finite", "x and y"])


def test_that_is_not_said_where_it_does_not_help(post):
    with pytest.raises(ValueError, match="outside") as raised:
        post.process_points(POINTS.assign(x=-5.0))
    assert "0.2125" not in str(raised.value)


@pytest.mark.parametrize(("n_outside", "warns"), [(2, False), (3, True)])
def test_more_than_half_outside_is_a_warning(post, recwarn, n_outside, warns):
    points = POINTS.copy()
    points.loc[: n_outside - 1, "x"] = 900.0
    if warns:
        with pytest.warns(UserWarning, match="3 of 4|75") as caught:
            post.process_points(points)
        assert "outside" in str(caught[0].message)
    else:
        post.process_points(points)
        assert [str(one.message) for one in recwarn if "outside" in str(one.message)] == []
    assert post.transcripts.loc["outside"].sum() == n_outside


def test_a_warning_that_is_an_error_leaves_the_object_as_it_was(post):
    points = POINTS.assign(x=[3.5, 900, 900, 900])
    assert_refused(post, points, UserWarning, ["outside"])  # warnings are errors in tests


# ---- trouble on the way


@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), OSError("the disk is gone")], ids=repr)
@pytest.mark.parametrize("filtered", [True, False])
def test_an_interrupted_run_leaves_the_object_as_it_was(trouble, filtered):
    post = PostSegmentation(MASKS, label_name="cells", verbose=False, filter_config=OFF)
    if filtered:
        post.process_points(POINTS)
    before = vars(post).copy()
    source = Source(pd.concat([POINTS] * 4), trouble=trouble)
    with pytest.raises(type(trouble)):
        post.process_points(source.frame)
    assert source.reads
    assert [name for name, value in vars(post).items() if value is not before[name]] == []
    assert (post.transcripts is None) != filtered


# ---- columns that say what they are


VENDOR = pd.DataFrame({"gene": ["A"] * 4, "a": [1.0, 3, 5, 7], "b": [2.0] * 4})
FIELD = VENDOR.assign(x=0.5, y=0.5)  # within a field of view, as MERSCOPE's files have beside


def placed(points, **how):
    post = PostSegmentation(np.ones((4, 8), int), filter_config=OFF, verbose=False)
    post.pixel_size = how.pop("known", None)
    points_model, _ = post.process_points(points, **how)
    return points_model.compute()


@pytest.mark.parametrize(
    ("names", "how", "inside"),
    [
        (("x_location", "y_location"), {"pixel_size": 2}, 4),
        (("x_location", "y_location"), {"known": 2}, 4),
        (("global_x", "global_y"), {"to_image": np.diag([2, 1, 1])}, 2),
        (("x_global_px", "y_global_px"), {"known": 0.5}, 4),
        (("x_location", "y_location"), {"known": 0.5, "xy": ("x_location", "y_location")}, 4),
    ],
)
def test_names_of_coordinates_tell_their_unit(names, how, inside):
    points = FIELD.rename(columns=dict(zip("ab", names, strict=True)))
    found = placed(points, **how)
    assert (found["label"] > 0).sum() == inside
    assert found["x"].tolist() == VENDOR["a"].tolist()
    assert found["x_local"].eq(0.5).all()


@pytest.mark.parametrize(
    ("names", "how", "message"),
    [
        (("x_location", "y_location"), {}, "in um by their names: pass pixel_size="),
        (("global_x", "global_y"), {}, "in um by their names"),
        (("x_global_px", "y_global_px"), {"pixel_size": 0.5}, "in pixels by their names"),
    ],
)
def test_a_unit_that_is_not_known_or_contradicts_names_is_asked_for(names, how, message):
    points = VENDOR.rename(columns=dict(zip("ab", names, strict=True)))
    with pytest.raises(ValueError, match=message):
        placed(points, **how)


def test_of_two_pairs_of_coordinates_one_is_asked_for():
    points = VENDOR.assign(global_x=1.0, global_y=1.0, x_global_px=1.0, y_global_px=1.0)
    with pytest.raises(ValueError, match="global_x/global_y and x_global_px/y_global_px: choose"):
        placed(points)


def test_the_middle_of_a_slide_in_um_is_told_where_the_size_is_known():
    points = pd.DataFrame({"gene": "A", "x": np.linspace(0.1, 1, 9), "y": 0.2})
    with pytest.warns(UserWarning, match="a corner of the masks.*pass pixel_size=0.25"):
        placed(points, known=0.25)


def test_files_of_which_one_lacks_a_column_are_refused(tmp_path):
    VENDOR.rename(columns={"a": "x", "b": "y"}).to_parquet(tmp_path / "1.parquet")
    VENDOR.rename(columns={"a": "x"}).to_parquet(tmp_path / "2.parquet")
    with pytest.raises(ValueError, match=r"2\.parquet has no column 'y'"):
        placed(tmp_path)


def test_ids_in_a_csv_may_be_numbers_at_first(tmp_path):
    points = pd.DataFrame({"x": 1, "y": 1, "gene": "A", "cell_id": ["1", "UNASSIGNED"]})
    points = points.loc[[0] * 200_000 + [1]]
    points.to_csv(tmp_path / "points.csv", index=False)
    assert placed(tmp_path / "points.csv")["cell_id"].tolist() == points["cell_id"].tolist()


def test_any_index_of_a_frame_will_do(tmp_path):
    points = VENDOR.rename(columns={"a": "x", "b": "y"})
    points.index = pd.MultiIndex.from_product([["l"], range(4)], names=["x", "label"])
    assert placed(points).index.tolist() == [0, 1, 2, 3]


def test_shapes_are_no_points():
    import geopandas as gpd

    with pytest.raises(TypeError, match="GeoDataFrame; give its coordinates as columns"):
        placed(gpd.GeoDataFrame({"gene": ["A"]}, geometry=gpd.points_from_xy([1], [1])))
