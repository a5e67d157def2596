"""Points are looked up and counted as the oracle does it, whatever they and the masks are."""

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from drawing import OFF
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sampling import share
from spatialdata.models import Image2DModel, Labels2DModel, PointsModel
from spatialdata.transformations import Affine
from transcripts import xenium
from transcripts.agreement import assert_agree, expect, quietly, settings_of
from transcripts.situations import situations

from postseg import PostSegmentation
from postseg.raster.images import encode


def examples(count):
    """Time limits off: the first example compiles the kernels, and machines are shared."""
    return settings(
        max_examples=share(count), deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )


def made(masks, **others):
    return PostSegmentation(masks, label_name="cells", verbose=False, **others)


# ---- whatever the points and the masks


@examples(90)
@given(drawn=situations(), data=st.data())
def test_points_anywhere_equal_the_oracle(drawn, data):
    masks, how, place, points, matrix = drawn
    post = made(masks, **how)
    try:
        post.process_masks_to_shapes()
    except RuntimeError:
        assume(False)  # no cell is left
    chosen = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "min_qv": st.sampled_from([None, 20, 4.0]),
                "genes": st.sampled_from([["B"], ["NEGR1", "C", "A"], ["A", "of no point"]]),
            },
        )
    )
    quietly(post.process_points, points, **place, **chosen)
    assert_allclose(settings_of(post)["to_pixels"], matrix, rtol=1e-12, atol=1e-9)
    assert_agree(post, expect(post, masks, points, **chosen))


@pytest.mark.parametrize("factor", [0, 1, 2, 3, 7])
def test_an_edge_belongs_to_the_pixel_on_its_larger_side(factor):
    masks = np.array([[1, 2], [3, 4]])
    f = max(1, factor)
    post = made(masks, factor_rescale=factor, filter_config=OFF)
    just = np.nextafter(f, 0.0)
    places = [
        (0.0, 0.0, 1),
        (-0.0, -0.0, 1),
        (just, just, 1),
        (f, just, 2),
        (just, f, 3),
        (f, f, 4),
        (np.nextafter(2 * f, 0), f, 4),
        (2 * f, f, 0),
        (f, 2 * f, 0),
        (-5e-324, 0, 0),
    ]
    x, y, labels = zip(*places, strict=True)
    points = pd.DataFrame({"x": x, "y": y, "gene": "A"}).astype({"x": float, "y": float})
    model, _ = post.process_points(points)
    assert model.compute()["label"].tolist() == [*labels]
    assert_array_equal(settings_of(post)["to_pixels"], np.eye(3))


def test_a_whole_origin_loses_no_digit():
    post = made(np.array([[1, 2]]), factor_rescale=4, origin=(3, 5), filter_config=OFF)
    x = [20.0, np.nextafter(20, 0), 24.0, np.nextafter(24, 0)]
    model, _ = post.process_points(pd.DataFrame({"x": x, "y": 12.0, "gene": "A"}))
    assert model.compute()["label"].tolist() == [1, 0, 2, 1]
    assert_array_equal(settings_of(post)["to_pixels"], [[1, 0, -20], [0, 1, -12], [0, 0, 1]])


def test_coordinates_of_single_precision_are_taken_as_they_are():
    post = made(np.array([[1, 2]]), filter_config=OFF)
    points = pd.DataFrame({"x": np.array([0.3, 0.2125], "f4"), "y": np.array([0.1] * 2, "f4")})
    points = points.assign(gene="A")
    post.process_points(points, pixel_size=0.2125)
    assert_agree(post, expect(post, post.input_masks, points))


# ---- a slide like those of Xenium


@pytest.fixture(scope="module")
def slide():
    return xenium.make(n=6000)


def as_oracle(slide, categories=True):
    """The points under the names that the oracle knows."""
    points = slide.points.rename(columns={"feature_name": "gene"})
    return points if categories else points.astype({"gene": object})


SOURCES = {
    "element": None,
    "pandas": lambda slide, _: slide.frame,
    "categories": lambda slide, _: slide.points,
    "bytes": lambda slide, _: slide.frame_of_bytes,
    "dask": lambda slide, _: dd.from_pandas(slide.frame, npartitions=4, sort=False),
    "arrow": lambda slide, _: pa.Table.from_pandas(slide.frame),
    "arrow dictionary": lambda slide, _: pa.Table.from_pandas(slide.points),
    "parquet": lambda slide, path: slide.write_parquet(path / "transcripts.parquet"),
    "text of the path": lambda slide, path: str(slide.write_parquet(path / "points.parquet")),
    "folder": lambda slide, path: (slide.write_parquet(path / "part.0.parquet"), path)[1],
    "dataset": lambda slide, path: ds.dataset(slide.write_parquet(path / "transcripts.parquet")),
    "csv": lambda slide, path: (
        slide.frame.to_csv(path / "transcripts.csv", index=False),
        path / "transcripts.csv",
    )[1],
}
CATEGORIES = ("element", "categories", "arrow dictionary")


@pytest.mark.parametrize("source", SOURCES)
def test_a_slide_like_xeniums_equals_the_oracle(source, slide, tmp_path):
    if source == "element":
        sdata = slide.spatialdata()
        post = made(sdata["cell_labels"])
        points, table = post.process_points(sdata["transcripts"])
    else:
        post = made(slide.masks)
        points, table = post.process_points(SOURCES[source](slide, tmp_path), pixel_size=0.2125)
    assert points is post.points_model
    assert table is post.table
    assert {"tiny_artifacts", "too_small", "high_convexity_deficit"} <= set(post.regions["reason"])
    expected = expect(post, slide.masks, as_oracle(slide, source in CATEGORIES))
    assert (expected.ledger.sum(axis=1)[["background", "outside", "invalid"]] > 0).all()
    assert_agree(post, expected)
    found = points.compute()
    assert_array_equal(found[["x", "y"]], slide.points[["x", "y"]])
    ids = found["transcript_id"].astype("int64")  # of a CSV file what is not asked for stays text
    assert ids.tolist() == slide.points["transcript_id"].tolist()
    assert found.dtypes.equals(points.dtypes)
    assert [
        text or None
        for text in found["feature_name"].astype(object).where(found["feature_name"].notna(), None)
    ] == slide.frame["feature_name"].tolist()
    assert {"NANOG", "NEGR1"} <= set(table.var_names)
    assert ("ZZZ3" in table.var_names) == (source in CATEGORIES)


def test_points_keep_their_rows_and_columns(slide):
    post = made(slide.masks)
    model, _ = post.process_points(dd.from_pandas(slide.points, npartitions=3), pixel_size=0.2125)
    found = model.compute()
    assert [*found.columns] == [*slide.points.columns, "label", "region"]
    assert found["transcript_id"].tolist() == slide.points["transcript_id"].tolist()
    assert_array_equal(found[["x", "y"]], slide.points[["x", "y"]])


def test_points_of_xeniums_columns_become_x_and_y(slide):
    post = made(slide.masks)
    model, _ = post.process_points(slide.frame, pixel_size=0.2125)
    assert_array_equal(model.compute()[["x", "y"]], slide.points[["x", "y"]])
    assert settings_of(post)["x"] == "x_location"
    assert settings_of(post)["y"] == "y_location"


def test_parts_without_a_point_are_parts(slide):
    parts = [slide.frame.iloc[rows] for rows in (slice(0), slice(5), slice(5, 5), slice(5, None))]
    post = made(slide.masks)
    post.process_points(dd.from_map(lambda i: parts[i], range(4), meta=parts[0]), pixel_size=0.2125)
    assert_agree(post, expect(post, slide.masks, as_oracle(slide, categories=False)))


@pytest.mark.parametrize("kind", ["lazy", "runs", "one thread"])
def test_masks_of_any_kind_give_the_same(kind, slide):
    masks = da.from_array(slide.masks, chunks=(70, 90)) if kind == "lazy" else slide.masks
    masks = encode(masks) if kind == "runs" else masks
    post = made(masks, n_jobs=1 if kind == "one thread" else 2)
    points = dd.from_pandas(slide.points, npartitions=5, sort=False)
    post.process_points(points, pixel_size=0.2125)
    assert_agree(post, expect(post, slide.masks, as_oracle(slide)))


def test_without_points_to_keep_the_counts_are_the_same(slide):
    post = made(slide.masks)
    model, _ = post.process_points(slide.points, pixel_size=0.2125, keep_points=False)
    assert model is post.points_model is None
    assert_agree(post, expect(post, slide.masks, as_oracle(slide)))


# ---- where elements lie

XY = ("x", "y")
TURNED = np.array([[0.8, -0.6, 300.25], [0.6, 0.8, -70.5], [0, 0, 1]])


def placed(points, matrix):
    """A points element that lies in "global" where the matrix puts it."""
    return PointsModel.parse(
        dd.from_pandas(points, npartitions=2, sort=False),
        feature_key="feature_name",
        transformations={"global": Affine(matrix, input_axes=XY, output_axes=XY)},
    )


@pytest.mark.parametrize("factor", [1, 3])
def test_masks_that_are_an_element_meet_the_points_in_its_system(factor, slide):
    labels = Labels2DModel.parse(
        slide.masks,
        dims=("y", "x"),
        transformations={"global": Affine(TURNED, input_axes=XY, output_axes=XY)},
    )
    post = made(labels, factor_rescale=factor)
    to_global = TURNED @ np.diag([xenium.UM, xenium.UM, 1])
    points = slide.points.iloc[100:].reset_index(drop=True)
    points = points[np.isfinite(points[["x", "y"]]).all(axis=1)]
    middles = points.assign(x=points["x"] + 1e-6, y=points["y"] + 1e-6)  # off the edges
    post.process_points(placed(middles, to_global))
    matrix = np.diag([factor * xenium.UM] * 2 + [1])
    middles = middles.rename(columns={"feature_name": "gene"})
    assert_agree(post, expect(post, slide.masks, middles, matrix=matrix))
    assert settings_of(post)["coordinate_system"] == "global"


@pytest.mark.parametrize("origin", [None, (10, 20.5)], ids=["whole", "tile"])
def test_masks_with_a_reference_meet_the_points_in_its_system(origin, slide):
    height, width = slide.masks.shape
    more = 0 if origin is None else 40
    image = Image2DModel.parse(
        np.zeros((1, 2 * (height + more), 2 * (width + more)), np.uint8),
        dims=("c", "y", "x"),
        transformations={"global": Affine(TURNED, input_axes=XY, output_axes=XY)},
    )
    post = made(slide.masks, factor_rescale=2, reference=image, origin=origin)
    points = slide.points[np.isfinite(slide.points[["x", "y"]]).all(axis=1)]
    points = points.assign(x=points["x"] + 1e-6, y=points["y"] + 1e-6)
    post.process_points(placed(points, TURNED @ np.diag([4, 4, 1])), genes=["VIM"])
    matrix = np.diag([4.0, 4, 1])
    if origin is not None:
        matrix[:2, 2] = -2 * origin[1], -2 * origin[0]
    points = points.rename(columns={"feature_name": "gene"})
    assert_agree(post, expect(post, slide.masks, points, matrix=matrix, genes=["VIM"]))


# ---- which points count


@pytest.mark.parametrize(
    "chosen",
    [
        {"genes": ["VIM", "NANOG", "of no point", "ACTA2"]},
        {"genes": np.array(["VIM"])},
        {"genes": ["VIM", "BLANK_0006"], "controls": None},
        {"min_qv": None},
        {"min_qv": 30.5},
        {"controls": None},
        {"controls": {"genomic_control": "NEGR1|Intergenic_"}},
    ],
    ids=str,
)
def test_what_counts_is_chosen(chosen, slide):
    post = made(slide.masks)
    post.process_points(slide.points, pixel_size=0.2125, **chosen)
    asked = dict(chosen)
    if "genes" in asked:
        asked["genes"] = list(asked["genes"])
        assert post.table.var_names.tolist() == asked["genes"]
    if "controls" in asked:
        asked["controls"] = asked["controls"] or {}
    assert_agree(post, expect(post, slide.masks, as_oracle(slide), **asked))


def test_when_no_point_counts_that_is_told(slide):
    post = made(slide.masks)
    with pytest.warns(UserWarning, match=r"no transcript .* low quality [\d,]+.*min_qv=1000000000"):
        post.process_points(slide.points, pixel_size=0.2125, min_qv=1e9)
    assert_agree(post, expect(post, slide.masks, as_oracle(slide), min_qv=1e9))


@pytest.mark.parametrize("controls", ["VIM", ["VIM"], ["VI", "NegC"]], ids=str)
def test_controls_of_ones_own_pattern_are_other_controls(controls, slide):
    post = made(slide.masks)
    post.process_points(slide.points, pixel_size=0.2125, controls=controls)
    patterns = [controls] if isinstance(controls, str) else controls
    own = {"other_control": "|".join(patterns)}
    expected = expect(post, slide.masks, as_oracle(slide), controls=own)
    assert post.table.obs["other_control_counts"].sum() > 0
    assert_agree(post, expected)


def test_without_a_column_of_qualities_none_is_low(slide):
    post = made(slide.masks)
    points = slide.points.drop(columns="qv")
    post.process_points(points, pixel_size=0.2125)
    assert not post.transcripts["low_quality"].any()
    assert_agree(post, expect(post, slide.masks, as_oracle(slide).drop(columns="qv")))


def test_qualities_may_have_another_name_and_nulls(slide):
    post = made(slide.masks)
    points = slide.points.rename(columns={"qv": "q"})
    points["q"] = points["q"].astype("Float64")
    post.process_points(pa.Table.from_pandas(points), pixel_size=0.2125, qv_key="q")
    assert_agree(post, expect(post, slide.masks, as_oracle(slide)))


@pytest.mark.parametrize(
    ("kind", "categories"), [("bool", True), ("boolean", True), ("bool", False), ("uint8", False)]
)
def test_a_column_is_gene_decides_what_is_a_control(kind, categories, slide):
    names = slide.points["feature_name"]
    no_genes = ["VIM", "NegControlProbe_00042", "FalseCode7"]
    is_gene = pd.Series(~names.isin(no_genes).to_numpy()).astype(kind)
    if kind == "boolean":
        is_gene[::3] = pd.NA  # which decides nothing, so that patterns do
    points = slide.points if categories else slide.frame
    post = made(slide.masks)
    post.process_points(points.assign(is_gene=is_gene), pixel_size=0.2125)
    expected = expect(post, slide.masks, as_oracle(slide, categories).assign(is_gene=is_gene))
    assert {"BLANK_0006", "SystemControl12"} <= set(expected.var.index)
    assert not {"NegControlProbe_00042", "FalseCode7"} & set(expected.var.index)
    assert expected.obs["other_control_counts"].sum() > 0
    assert_agree(post, expected)


def test_cells_without_a_transcript_are_in_the_table():
    masks = np.array([[1, 0, 2, 0, 3]])
    post = made(masks, filter_config=OFF)
    post.process_points(pd.DataFrame({"x": [2.5, 2.5], "y": 0.5, "gene": ["B", "A"]}))
    assert post.table.X.toarray().tolist() == [[0, 0], [1, 1], [0, 0]]
    assert post.table.obs["n_genes"].tolist() == [0, 2, 0]


# ---- parts of a slide


@examples(18)
@given(seed=st.integers(0, 2**32 - 1), factor=st.integers(1, 3), data=st.data())
def test_disjoint_tiles_add_up_to_the_whole(seed, factor, data):
    chance = np.random.default_rng(seed)
    masks = chance.integers(0, 3, data.draw(st.tuples(*[st.integers(4, 12)] * 2)))
    cut = [data.draw(st.integers(1, side - 1)) for side in masks.shape]
    tiles = [
        (slice(*rows), slice(*columns))
        for rows in ((0, cut[0]), (cut[0], masks.shape[0]))
        for columns in ((0, cut[1]), (cut[1], masks.shape[1]))
    ]
    assume(all(masks[tile].any() for tile in tiles))
    whole_points = pd.DataFrame(
        {
            "x": chance.uniform(-1, masks.shape[1] * factor + 1, 300).round(1),
            "y": chance.uniform(-1, masks.shape[0] * factor + 1, 300).round(1),
            "gene": pd.Categorical(chance.choice(["A", "B", "BLANK_1"], 300)),
        }
    )
    # one in each tile
    whole_points.loc[[0, 1, 2, 3], "x"] = [(t[1].start + 0.5) * factor for t in tiles]
    whole_points.loc[[0, 1, 2, 3], "y"] = [(t[0].start + 0.5) * factor for t in tiles]

    def counted(part, origin):
        post = made(part, factor_rescale=factor, origin=origin, filter_config=OFF)
        quietly(post.process_points, whole_points, keep_points=False)
        return post

    whole = counted(masks, None)
    parts = [counted(masks[tile], (tile[0].start, tile[1].start)) for tile in tiles]
    assert_array_equal(sum(part.table.X.sum(axis=0) for part in parts), whole.table.X.sum(axis=0))
    inside = sum(part.transcripts.drop(["outside", "invalid"]) for part in parts)
    assert inside.equals(whole.transcripts.drop(["outside", "invalid"]))
    for part in parts:
        assert part.transcripts.sum().equals(whole.transcripts.sum())
        assert part.table.var["transcript_counts"].equals(whole.table.var["transcript_counts"])


# ---- the slide itself


def test_the_slide_is_the_same_for_the_same_seed_and_has_every_kind_of_name(slide, tmp_path):
    again = xenium.make(n=6000)
    assert_array_equal(again.masks, slide.masks)
    assert again.points.equals(slide.points)
    assert not xenium.make(n=6000, seed=1).points.equals(slide.points)
    seen = set(slide.points["feature_name"].dropna())
    assert seen == set(xenium.PANEL) - set(xenium.UNUSED)
    file = pq.ParquetFile(slide.write_parquet(tmp_path / "transcripts.parquet"))
    assert file.num_row_groups == 7
    assert isinstance(slide.frame_of_bytes["feature_name"].dropna().iloc[0], bytes)
