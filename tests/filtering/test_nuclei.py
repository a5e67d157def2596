"""Nuclei and the cells that they lie in: equal to a dense cross table, and seen by the filter."""

import os
import pickle
from copy import deepcopy
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from drawing import OFF, draw, squares
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling import share
from skimage.measure import label
from spatialdata.models import Labels2DModel
from strategies import canvases, encodings, noise, paintings

from postseg import PostSegmentation, Slide
from postseg.filtering.nuclei import COLUMNS, match_nuclei, tally
from postseg.raster.images import encode
from postseg.raster.runs import components

FOLDER = os.environ.get("POSTSEG_MASKS")
FILES = sorted(Path(FOLDER).glob("*.npz")) if FOLDER else []
QUIET = {"verbose": False, "filter_config": OFF}


def oracle(masks, nuclei):
    """What `match` returns and the columns of the regions, by a table of all nuclei x regions."""
    regions = label(masks, connectivity=2)
    height = max(masks.shape[0], nuclei.shape[0])
    regions, pixels = (
        image.repeat(height // image.shape[0], 0).repeat(height // image.shape[0], 1)
        for image in (regions, nuclei)
    )
    n = int(regions.max(initial=0))
    ids, index = np.unique(pixels, return_inverse=True)
    cell = index.ravel() * (n + 1) + regions.ravel()
    table = np.bincount(cell, minlength=ids.size * (n + 1)).reshape(ids.size, n + 1)
    rows, of_region = [], [[] for _ in range(n + 1)]
    for its, line in zip(ids.tolist(), table.tolist(), strict=True):
        if its == 0:
            continue
        most = max(line)
        at = next((at for at in range(1, n + 1) if line[at] == most), 0)
        rows.append((its, int((nuclei == its).sum()), at, most / sum(line)))
        of_region[at].append((-most, its, most / sum(line)))
    found = [(len(some), *(min(some)[1:] if some else (0, 0.0))) for some in of_region[1:]]
    columns = ["nucleus_label", "area", "region", "share"]
    of_nuclei = pd.DataFrame(rows, columns=columns).astype(
        {"nucleus_label": np.int64, "area": np.int64, "region": np.int64, "share": float}
    )
    index = pd.RangeIndex(1, n + 1, name="region")
    of_regions = pd.DataFrame(found, columns=[*COLUMNS], index=index).astype(
        dict(zip(COLUMNS, (np.int64, np.int64, float), strict=True))
    )
    return of_regions, of_nuclei.set_index("nucleus_label")


def matched(masks, nuclei):
    runs = encode(masks)
    regions, number = components(runs)
    return match_nuclei(runs._replace(label=number), regions.label.size, encode(nuclei))


def assert_matched(masks, nuclei):
    for found, expected in zip(matched(masks, nuclei), oracle(masks, nuclei), strict=True):
        pd.testing.assert_frame_equal(found, expected, check_exact=True)


# ---- equal to a dense cross table


@st.composite
def pairs_of_images(draw):
    """Masks and nuclei, of one size or one of the two a few times larger."""
    masks = draw(canvases(12))
    nuclei = draw(st.one_of(paintings(masks.shape), noise(masks.shape)))
    times, larger = draw(st.integers(1, 3)), draw(st.sampled_from(["masks", "nuclei"]))
    size = (times * masks.shape[0], times * masks.shape[1])
    finer = draw(st.one_of(paintings(size), noise(size)))
    ids = draw(encodings(np.arange(5)[None], ["u1", "i4", "i8"]))[0]
    masks, nuclei = (masks, finer) if larger == "nuclei" else (finer, nuclei)
    return masks, ids[nuclei]


@settings(deadline=None, max_examples=share(60))
@given(pairs_of_images())
def test_any_images(images):
    assert_matched(*images)


def shifted(masks, by):
    """Nuclei that reach over the sides of their cells: the inner part of each, moved."""
    inner = masks.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            inner[np.roll(masks, step, axis) != masks] = 0
    return np.roll(inner, by, (0, 1))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("by", [(0, 0), (4, -5)])
def test_real_masks(path, by):
    masks = np.load(path)["labels"][:400, :400]
    nuclei = shifted(masks, by)
    assert_matched(masks, nuclei)
    found = matched(masks, nuclei).of_regions
    assert (found["n_nuclei"] == 1).sum() > 10
    if any(by):
        assert (found["n_nuclei"] > 1).any()


def test_threads_do_not_change_it(monkeypatch):
    masks = np.kron(np.random.default_rng(2).integers(0, 90, (60, 40)), np.ones((3, 3), int))
    nuclei = np.roll(masks, 1, 1)[::-1]
    one = matched(masks, nuclei)
    monkeypatch.setattr("postseg._support.threads._WORTH_A_THREAD", 1)
    monkeypatch.setenv("POSTSEG_N_JOBS", "3")
    for found, expected in zip(matched(masks, nuclei), one, strict=True):
        pd.testing.assert_frame_equal(found, expected)
    assert_matched(masks, nuclei)


# ---- ties, by eye


@pytest.mark.parametrize(
    ("masks", "nuclei", "region", "nucleus_share"),
    [
        ("1122", "7777", 1, 0.5),  # the region with the smaller number
        ("2211", "7777", 1, 0.5),  # which is not the smaller label
        (".111", "7777", 1, 0.75),
        ("..11", "7777", 1, 0.5),  # the region, not the background
        ("...1", "7777", 0, 0.75),  # most of it is in the background
        ("1..2", "7777", 0, 0.5),  # in one place, against two regions together
        ("1.23", "77.7", 1, 1 / 3),  # of three that tie, one is the background
        ("1.11", "7777", 2, 0.5),  # a label in parts is two regions
        ("1122", "7.77", 2, 2 / 3),  # a nucleus in parts is one
        ("1111", "....", None, None),
        ("....", "7777", 0, 1.0),
    ],
)
def test_the_region_of_a_nucleus(masks, nuclei, region, nucleus_share):
    found = matched(draw(masks), draw(nuclei)).of_nuclei
    if region is None:
        assert found.empty
        return
    assert found.index.tolist() == [7]
    assert found.loc[7].tolist() == [(draw(nuclei) > 0).sum(), region, nucleus_share]


@pytest.mark.parametrize(
    ("nuclei", "n_nuclei", "its", "nucleus_share"),
    [
        ("7.8...", 2, 7, 1.0),  # the smaller label
        ("8.7...", 2, 7, 1.0),
        ("7.88..", 2, 8, 1.0),  # more pixels
        ("7888..", 2, 8, 1.0),
        ("7...88", 1, 7, 1.0),  # the other one's most is elsewhere
        (".77888", 1, 7, 1.0),
        ("8.7777", 2, 7, 0.5),  # the most pixels in it, whatever lies outside
        ("....77", 0, 0, 0.0),
        ("...777", 0, 0, 0.0),  # a part of one that is not its own
        ("......", 0, 0, 0.0),
    ],
)
def test_the_nucleus_of_a_region(nuclei, n_nuclei, its, nucleus_share):
    found = matched(draw("1111.."), draw(nuclei)).of_regions
    assert found.loc[1].tolist() == [n_nuclei, its, nucleus_share]


@pytest.mark.parametrize(("shape", "other"), [((0, 0), (0, 0)), ((0, 4), (0, 4)), ((3, 4), (6, 8))])
def test_images_without_any(shape, other):
    found = matched(np.zeros(shape, int), np.zeros(other, int))
    assert found.of_nuclei.empty
    assert found.of_regions.empty
    assert [*found.of_regions] == [*COLUMNS]
    assert [*found.of_nuclei] == ["area", "region", "share"]


# ---- what is taken


@pytest.fixture
def masks():
    return squares(8, 9, 10)


@pytest.fixture
def nuclei(masks):
    """One in the first cell, two in the second, none in the third, one in no cell."""
    nuclei = np.zeros(masks.shape, np.uint16)
    nuclei[2:5, 2:5], nuclei[2:5, 11:13], nuclei[6:8, 9:14], nuclei[11] = 4, 9, 2, 7
    return nuclei


N_NUCLEI = [1, 2, 0]


def of_store(image):
    return Labels2DModel.parse(image.astype(np.int32), dims=("y", "x"))


def as_tiles(image):
    slide = Slide(image.shape, ids="shared")
    slide.add(image[:, :14], (0, 0))
    slide.add(image[:, 14:], (0, 14))
    return slide


@pytest.mark.parametrize(
    "kind",
    [
        np.asarray,
        np.ndarray.tolist,
        np.ndarray.astype,
        of_store,
        lambda image: da.from_array(image, chunks=5),
        lambda image: of_store(np.kron(image, np.ones((2, 2), int))),
        lambda image: encode(image.astype(np.int64)),
        as_tiles,
    ],
    ids=["array", "lists", "float", "element", "dask", "twice as large", "runs", "slide"],
)
def test_nuclei_are_what_masks_are(masks, nuclei, kind):
    given = kind(nuclei, float) if kind is np.ndarray.astype else kind(nuclei)
    post = PostSegmentation(masks, **QUIET)
    found = post.match(given)
    post.process_masks_to_shapes()
    assert post.regions["n_nuclei"].tolist() == N_NUCLEI
    assert found["region"].sort_values().tolist() == [0, 1, 2, 2]
    assert found["area"].sum() in ((nuclei > 0).sum(), 4 * (nuclei > 0).sum())


def test_of_slides(masks, nuclei):
    post = PostSegmentation(as_tiles(masks), **QUIET)
    post.match(nuclei)
    post.process_masks_to_shapes()
    assert post.regions["n_nuclei"].tolist() == N_NUCLEI
    assert "tile" in post.regions


def test_lazy_ones_are_read_once(masks, nuclei):
    read = []

    def look(block):
        read.append(block.shape)
        return block

    lazy = da.from_array(nuclei, chunks=nuclei.shape).map_blocks(look, meta=nuclei[:0, :0])
    post = PostSegmentation(masks, **QUIET)
    post.match(lazy)
    post.process_masks_to_shapes()
    post.refilter(max_area=90)
    post.process_masks_to_shapes()
    assert read == [nuclei.shape]


@pytest.mark.parametrize(
    ("masks", "nuclei"), [((0, 4), (0, 2)), ((3, 0), (6, 0)), ((0, 0), (0, 0))]
)
def test_where_there_is_no_pixel_nothing_is_found(masks, nuclei):
    post = PostSegmentation(np.zeros(masks, int), **QUIET)
    assert post.match(np.zeros(nuclei, int)).empty


def test_whatever_error_lazy_nuclei_raise_is_told():
    def fail(block):
        raise UnicodeDecodeError("ascii", b"n", 0, 1, "no nuclei")

    lazy = da.zeros((4, 4), dtype=int).map_blocks(fail, meta=np.empty((0, 0), int))
    with pytest.raises(ValueError, match=r"nuclei: .*no nuclei"):
        PostSegmentation(np.ones((4, 4), int), **QUIET).match(lazy)


@pytest.mark.parametrize(
    ("shape", "error"),
    [
        ((12, 30), "they have 12 x 30 pixels, and the masks 12 x 31"),
        ((24, 31), "24 x 31 pixels"),
        ((24, 93), "24 x 93 pixels"),
        ((12, 31, 3), r"\(12, 31, 3\)"),
        ((6, 15), "a whole number of times larger or smaller"),
    ],
)
def test_other_sizes_are_refused(masks, shape, error):
    assert masks.shape == (12, 31)
    post = PostSegmentation(masks, **QUIET)
    before = post._held
    with pytest.raises(ValueError, match=rf"^nuclei: .*{error}"):
        post.match(np.ones(shape, int))
    assert post._held is before


@pytest.mark.parametrize(
    ("kind", "error", "text"),
    [
        (lambda image: image > 0, ValueError, "boolean.*number them first"),
        (lambda image: da.from_array(image > 0), ValueError, "boolean.*number them first"),
        (lambda image: -image.astype(int), ValueError, "negative label -9 at row 2, column 11"),
        (lambda image: image + 0.5, ValueError, "0.5"),
        (lambda image: image.astype(object), TypeError, "object"),
        (lambda image: "nuclei.npy", TypeError, "path"),
    ],
)
def test_what_is_no_label_image_is_refused(masks, nuclei, kind, error, text):
    with pytest.raises(error, match=rf"^nuclei: (?!masks).*{text}"):
        PostSegmentation(masks, **QUIET).match(kind(nuclei))


def test_masks_come_first(nuclei):
    with pytest.raises(RuntimeError, match="no masks yet"):
        PostSegmentation().match(nuclei)


# ---- what the filter sees, and how long


class WithNucleus(PostSegmentation):
    """Cells without a nucleus, and with two, are no cells."""

    def rejections(self, regions):
        failed = super().rejections(regions)
        failed["no_nucleus"] = regions["n_nuclei"] == 0
        failed["two_nuclei"] = regions["n_nuclei"] > 1
        return failed


REASONS = ["", "two_nuclei", "no_nucleus"]


def test_a_cell_without_a_nucleus_is_one_line(masks, nuclei):
    post = WithNucleus(masks, **QUIET)
    post.match(nuclei)
    post.process_masks_to_shapes()
    assert post.regions["reason"].tolist() == REASONS
    assert post.filter_report.rejected["no_nucleus"] == 1
    assert post.masks.max() == 1
    table = post.process_table()
    assert table.obs[[*COLUMNS]].iloc[0].tolist() == [1, 4, 1.0]
    rejected = table.uns["postseg"]["rejected"]
    assert rejected[[*COLUMNS]].to_numpy().tolist() == [[2, 2, 0.8], [0, 0, 0.0]]


def test_a_second_run_and_other_thresholds_see_the_same(masks, nuclei):
    post = WithNucleus(masks, **QUIET)
    post.match(nuclei)
    post.process_masks_to_shapes()
    first = post.regions
    post.process_masks_to_shapes()
    pd.testing.assert_frame_equal(post.regions, first)
    assert post.threshold_sweep("max_area", [63, None])["kept"].tolist() == [0, 1]
    post.refilter(max_area=90)
    assert post.regions["reason"].tolist() == ["", "two_nuclei", "too_large"]
    assert post.regions["n_nuclei"].tolist() == N_NUCLEI


def test_a_filter_run_before_is_told_of_them_afterwards(masks, nuclei):
    post = PostSegmentation(masks, **QUIET)
    post.process_masks_to_shapes()
    post.process_table()
    shapes, decisions = post.shapes_model, post.regions[["label", "reason"]]
    found = post.match(nuclei)
    fresh = PostSegmentation(masks, **QUIET)
    pd.testing.assert_frame_equal(found, fresh.match(nuclei))
    fresh.process_masks_to_shapes()
    pd.testing.assert_frame_equal(post.regions, fresh.regions)
    pd.testing.assert_frame_equal(post.regions[["label", "reason"]], decisions)
    assert post.shapes_model is shapes
    assert post.table is None  # it had no such columns
    assert post.process_table().obs["n_nuclei"].tolist() == N_NUCLEI


def test_columns_stand_before_the_label(masks, nuclei):
    post = PostSegmentation(masks, **QUIET)
    post.match(nuclei)
    for step in (post.process_masks_to_shapes, lambda: post.match(nuclei)):
        step()
        columns = post.regions.columns.tolist()
        assert columns[columns.index("label") - 3 :][:3] == [*COLUMNS]
        assert columns.count("n_nuclei") == 1
    kinds = post.regions[[*COLUMNS]].dtypes.tolist()
    assert kinds == [np.int64, np.int64, np.float64]


def test_other_nuclei_replace_those_before(masks, nuclei):
    post = PostSegmentation(masks, **QUIET)
    post.match(nuclei)
    post.process_masks_to_shapes()
    post.match(np.where(nuclei == 4, nuclei, 0))
    assert post.regions["n_nuclei"].tolist() == [1, 0, 0]
    post.refilter()
    assert post.regions["n_nuclei"].tolist() == [1, 0, 0]


def test_new_masks_drop_them(masks, nuclei):
    post = PostSegmentation(masks, **QUIET)
    post.match(nuclei)
    post.masks = masks
    post.process_masks_to_shapes()
    assert "n_nuclei" not in post.regions
    assert "n_nuclei" not in post.process_table().obs


@pytest.mark.parametrize(("name", "value"), [("origin", (0, 1)), ("factor_rescale", 2)])
def test_they_stay_when_the_masks_are_placed_elsewhere(masks, nuclei, name, value):
    post = PostSegmentation(masks, **QUIET)
    post.match(nuclei)
    setattr(post, name, value)
    post.process_masks_to_shapes()
    assert post.process_table().obs["n_nuclei"].tolist() == N_NUCLEI


@pytest.mark.parametrize("first", ["points", "nuclei"])
def test_transcripts_and_nuclei_go_together(masks, nuclei, first):
    points = pd.DataFrame({"x": [3.5, 12.5, 13.5], "y": 3.5, "gene": "A"})
    post = PostSegmentation(masks, **QUIET)
    if first == "nuclei":
        post.match(nuclei)
    post.process_points(points)
    if first == "points":
        post.match(nuclei)
    assert post.filter_report.transcripts.in_cells == 3
    for _ in range(2):
        assert post.regions["n_nuclei"].tolist() == N_NUCLEI
        assert post.regions["transcript_counts"].tolist() == [1, 2, 0]
        obs = post.process_table().obs
        assert obs[["n_nuclei", "transcript_counts"]].to_numpy().tolist() == [
            [1, 1],
            [2, 2],
            [0, 0],
        ]
        post.refilter()
    post.origin = (1, 1)  # so that points lie elsewhere
    assert "transcript_counts" not in post.regions
    assert post.regions["n_nuclei"].tolist() == N_NUCLEI


@pytest.mark.parametrize("filtered", [False, True])
def test_intensities_and_nuclei_go_together(masks, nuclei, filtered):
    class Dim(PostSegmentation):
        def rejections(self, regions):
            return super().rejections(regions).assign(dim=regions["intensity_mean"] < 1)

    post = Dim(masks, intensity_image=np.minimum(masks, 2) - 1.0, **QUIET)
    if filtered:
        post.process_masks_to_shapes()
    post.match(nuclei)
    for step in (post.process_masks_to_shapes, post.refilter, lambda: None):
        step()
        assert post.regions["n_nuclei"].tolist() == N_NUCLEI
        assert post.regions["intensity_mean"].tolist() == [0, 1, 1]
        assert post.regions["reason"].tolist() == ["dim", "", ""]
        assert post.process_table().obs["n_nuclei"].tolist() == N_NUCLEI[1:]
    post.intensity_image = None
    assert post.regions["n_nuclei"].tolist() == N_NUCLEI
    assert "intensity_mean" not in post.regions


@pytest.mark.parametrize("name", COLUMNS)
def test_rejections_that_ask_for_them_before_say_what_to_call(masks, name):
    class Asking(PostSegmentation):
        def rejections(self, regions):
            return super().rejections(regions).assign(none=regions[name] == 0)

    post = Asking(masks, **QUIET)
    for step in (post.process_masks_to_shapes, post.refilter):
        with pytest.raises(RuntimeError, match=rf"'{name}'\].*call match\(nuclei\) first"):
            step()


def test_an_error_of_a_hook_leaves_the_nuclei(masks, nuclei):
    post = WithNucleus(masks, **QUIET)
    post.match(nuclei)
    post.process_masks_to_shapes()
    before = post.regions
    with pytest.raises(ValueError, match="nuclei"):
        post.match(nuclei[1:])
    assert post.regions is before
    post.refilter()
    assert post.regions["reason"].tolist() == REASONS


@pytest.mark.parametrize("copied", [deepcopy, lambda post: pickle.loads(pickle.dumps(post))])
def test_copies_know_them(masks, nuclei, copied):
    post = WithNucleus(masks, **QUIET)
    post.match(nuclei)
    other = copied(post)
    other.process_masks_to_shapes()
    assert other.regions["reason"].tolist() == REASONS


def test_what_is_handed_out_is_a_copy(masks, nuclei):
    post = PostSegmentation(masks, **QUIET)
    found = post.match(nuclei)
    found["region"] = 1
    assert post._held.measured.nuclei["region"].tolist() == [2, 1, 0, 2]


def test_the_tally_counts_cells_only(masks, nuclei):
    post = PostSegmentation(masks, **QUIET)
    found = post.match(nuclei)
    post.process_masks_to_shapes()
    told = tally(post.regions, len(found))
    assert str(told) == "nuclei: 3 of 4 in cells; 1 cell without, 1 with two or more"
    post.refilter(min_absolute_area=70)
    assert tally(post.regions, len(found)) == (4, 2, 1, 1)


# ---- a filter of a subclass's own


class OddOnly(PostSegmentation):
    def filter_cell_by_regionprops(self, seg_masks):
        masks = np.asarray(seg_masks)
        return np.where(masks % 2 == 1, masks, 0)


@pytest.mark.parametrize("filtered", [False, True])
def test_with_a_filter_of_its_own_they_lie_in_the_masks(masks, nuclei, filtered):
    post = OddOnly(masks, **QUIET)
    if filtered:
        post.process_masks_to_shapes()
    found = post.match(nuclei)
    assert found["region"].to_dict() == {2: 0, 4: 1, 7: 0, 9: 0}
    for _ in range(2):
        assert post.process_table().obs["n_nuclei"].tolist() == [1, 0]
        post.process_masks_to_shapes()


@pytest.mark.parametrize("filtered", [False, True])
def test_a_filter_that_edits_masks_first_sees_those_of_what_it_edited(masks, nuclei, filtered):
    class Edited(WithNucleus):
        def filter_cell_by_regionprops(self, seg_masks, **thresholds):
            edited = np.where(nuclei == 2, 0, seg_masks)  # and what was of the second nucleus
            return super().filter_cell_by_regionprops(edited, **thresholds)

        def rejections(self, regions):
            if not filtered:
                return super().rejections(regions)
            return PostSegmentation.rejections(self, regions)

    post = Edited(masks, **QUIET)
    if filtered:
        post.process_masks_to_shapes()
    found = post.match(nuclei)
    assert found["region"].to_dict() == {2: 0, 4: 1, 7: 0, 9: 2}
    for _ in range(2):
        assert post.regions["n_nuclei"].tolist() == [1, 1, 0]
        assert post.process_table().obs["n_nuclei"].tolist() == [1, 1, 0][: 3 if filtered else 2]
        post.process_masks_to_shapes()
