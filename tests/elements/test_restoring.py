"""A store restores the filter run that made it, and refuses when its parts do not fit any more."""

from functools import cache
from shutil import copytree, rmtree

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import zarr
from anndata.io import write_elem
from drawing import OFF
from sampling import some
from skimage.data import immunohistochemistry
from tampering import tissue

from postseg import PostSegmentation, processor
from postseg.demo import segment_nuclei
from postseg.restoring import restore

SMALL = {**OFF, "min_absolute_area": 120, "max_eccentricity": 0.7}

pytestmark = pytest.mark.filterwarnings("ignore:zarr v3 autosharding")  # of anndata, on writing


class Strict(PostSegmentation):
    """Reasons of its own before and after the known ones."""

    def rejections(self, regions):
        failed = super().rejections(regions)
        failed.insert(0, "giant", regions["area"] > 2 * regions["area"].median())
        failed["on_the_left"] = regions["centroid_col"] < 20
        return failed


def made(masks=None, factor=4, name="cells", kind=PostSegmentation, **kwargs):
    masks = tissue() if masks is None else masks
    return kind(masks, factor, name, **{"filter_config": SMALL, "verbose": False, **kwargs})


def written(path, *args, **kwargs):
    post = made(*args, **kwargs)
    post.write(path)
    return post


@pytest.fixture(scope="module")
def store_of(tmp_path_factory):
    """The store of a class, to be read only, and what wrote it: once, for it takes a second."""

    @cache
    def store(kind, factor=4):
        path = tmp_path_factory.mktemp(kind.__name__) / "s.zarr"
        return path, written(path, factor=factor, kind=kind)

    return store


@pytest.fixture
def store(store_of):
    return store_of(Strict)


def assert_same(restored, post):
    pd.testing.assert_frame_equal(restored.regions, post.regions)
    np.testing.assert_array_equal(restored.masks, post.masks)
    assert restored.filter_config == post.filter_config
    assert restored.factor_rescale == post.factor_rescale
    assert restored.label_name == post.label_name


# ---- round trips


def test_real_tissue_with_reasons_of_ones_own(tmp_path, capsys):
    nuclei = segment_nuclei(immunohistochemistry())
    post = written(tmp_path / "s.zarr", nuclei, kind=Strict, filter_config=None)
    assert {"giant", "on_the_left", "high_convexity_deficit"} <= set(post.regions["reason"])
    restored = restore(tmp_path / "s.zarr")
    assert_same(restored, post)
    assert capsys.readouterr().out == ""
    assert dict(restored.filter_report.rejected) == dict(post.filter_report.rejected)
    # from the restored masks it is all the same again
    _, _, shapes = restored.process_masks_to_shapes()
    assert_same(restored, post)
    assert shapes.geometry.geom_equals(post.shapes_model.geometry).all()


# each of the kinds, borders and slides with one of the others; POSTSEG_EXAMPLES asks for all
BORDERS = [
    (PostSegmentation, "keep", True),
    (PostSegmentation, "keep", False),
    (Strict, "drop", True),
    (Strict, "drop", False),
    (PostSegmentation, "drop", False),
    (Strict, "keep", True),
    (PostSegmentation, "drop", True),
    (Strict, "keep", False),
]


@pytest.mark.parametrize(("kind", "border", "tiled"), some(BORDERS, 2))
def test_a_border_policy(tmp_path, kind, border, tiled):
    image, config = tissue()[14:, 14:], {**SMALL, "border": border}
    post = kind(image, 4, "cells", filter_config=config, verbose=False)
    if tiled:  # the slide has a column more
        measured = post._measure(post.input_masks)
        cut = np.arange(len(measured.table)) % 4 == 1
        post._hold(measured=measured._replace(table=measured.table.assign(cut=cut)))
    post.write(tmp_path / "s.zarr")
    kept = post.regions[post.regions["label"] > 0]
    spared = (kept.filter(like="margin_") < 0).any(axis=None)
    assert (spared, post.filter_report.rejected["cut_by_border"] > 0) == (
        border == "keep",
        border == "drop",
    )
    restored = restore(tmp_path / "s.zarr")
    assert_same(restored, post)
    assert ("cut" in restored.regions) == tiled
    assert str(restored.filter_report) == str(post.filter_report)
    if kind is PostSegmentation:
        assert restored.as_stored == ()
        others = ["judge", "keep", "drop"]
        expected = post.threshold_sweep("border", others)
        pd.testing.assert_frame_equal(
            restored.threshold_sweep("border", others).map(str), expected.map(str)
        )


def test_a_column_of_that_name_that_a_user_added_is_no_matter(tmp_path):
    post = written(tmp_path / "s.zarr", filter_config={**SMALL, "border": "keep"})
    obs = zarr.open_group(tmp_path / "s.zarr" / "tables" / "cells_table" / "obs")
    write_elem(obs, "cut", np.ones(post.filter_report.passed, bool))
    assert_same(restore(tmp_path / "s.zarr"), post)


def test_other_thresholds_can_be_tried(store):
    path, post = store
    restored = restore(path)
    sweep = post.threshold_sweep("max_eccentricity", [0.6, 0.8])
    assert sweep["kept"].nunique() == 2
    pd.testing.assert_frame_equal(
        restored.threshold_sweep("max_eccentricity", [0.6, 0.8]).map(str), sweep.map(str)
    )


@pytest.mark.parametrize(("kind", "times"), [(PostSegmentation, 1), (Strict, 3)])
def test_each_value_is_filtered_by_only_where_a_subclass_had_reasons(
    store_of, monkeypatch, kind, times
):
    path, post = store_of(kind)
    restored, calls = restore(path), []
    original = processor.find_failures
    monkeypatch.setattr(processor, "find_failures", lambda *a: calls.append(1) or original(*a))
    sweep = restored.threshold_sweep("max_eccentricity", [0.6, 0.8])
    assert len(calls) == times  # the one is by today's thresholds
    expected = post.threshold_sweep("max_eccentricity", [0.6, 0.8])
    pd.testing.assert_frame_equal(sweep.map(str), expected.map(str))


def test_stored_reasons_are_not_those_of_other_masks(store):
    restored = restore(store[0])
    restored.refilter(OFF)
    assert restored.filter_report.rejected["on_the_left"] > 0
    restored.masks = tissue()[::-1]
    restored.refilter(OFF)
    assert "on_the_left" not in restored.filter_report.rejected
    assert restored.filter_report.passed == len(restored.regions) == 20


def test_every_pixel_comes_back_with_its_label(tmp_path):
    masks = tissue() * 2**40  # no image of int32 can hold them
    post = written(tmp_path / "s.zarr", masks, factor=0)
    restored = restore(tmp_path / "s.zarr")
    assert_same(restored, post)
    everything = restored.refilter({**OFF, "min_absolute_area": 1})
    label = np.concatenate(([0], restored.regions["source_label"]))
    np.testing.assert_array_equal(label[everything], masks)
    np.testing.assert_array_equal(restored.process_masks_to_shapes()[0], everything)


def test_lazy_masks_stay_lazy(tmp_path, monkeypatch):
    post = written(tmp_path / "s.zarr", da.from_array(tissue(), chunks=(40, 50)), kind=Strict)
    in_memory = restore(tmp_path / "s.zarr")
    assert isinstance(in_memory.masks, np.ndarray)
    assert_same(in_memory, post)
    monkeypatch.setattr("postseg.elements.pixels._IN_MEMORY", 0)
    lazy = restore(tmp_path / "s.zarr")
    assert isinstance(lazy.masks, da.Array)
    assert_same(lazy, post)


def test_settings_are_passed_on(store, capsys):
    restored = restore(store[0], verbose=True, n_jobs=1, shape_name="outlines")
    assert restored.shape_name == "outlines"
    assert "Tiny Artifacts" in capsys.readouterr().out


# ---- which element, which table


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A store with two labels elements and four tables, and what made it."""
    cells = PostSegmentation(tissue(), 4, "cells", filter_config=SMALL, verbose=False)
    cells.process_masks_to_shapes()
    cells.process_labels(scale_factors=[2])
    nuclei = PostSegmentation(tissue()[:60], 1, "nuclei", filter_config=OFF, verbose=False)
    sdata = nuclei.add_to(cells.to_spatialdata())
    sdata["a_part"] = sdata["cells_table"][:3].copy()
    sdata["renamed"] = sdata["nuclei_table"]
    del sdata["nuclei_table"]
    path = tmp_path_factory.mktemp("crowded") / "s.zarr"
    sdata.write(path)
    return path, cells, nuclei


def test_the_own_table_of_a_pyramid_comes_before_copies(crowded):
    path, cells, _ = crowded
    assert_same(restore(path, "cells"), cells)


def test_a_renamed_table_is_found_and_nothing_rejected(crowded):
    path, _, nuclei = crowded
    assert nuclei.regions["label"].all()
    assert_same(restore(path, "nuclei"), nuclei)


def test_an_element_is_chosen_by_name(crowded):
    with pytest.raises(ValueError, match="has 2: cells, nuclei"):
        restore(crowded[0])
    with pytest.raises(ValueError, match="no labels element is called 'tissue'"):
        restore(crowded[0], "tissue")


@pytest.mark.parametrize("uns", [None, "of another tool", {"version": 1}])
def test_a_table_of_another_tool(tmp_path, store, uns):
    copytree(store[0], tmp_path / "s.zarr")
    table = zarr.open_group(tmp_path / "s.zarr/tables/cells_table", use_consolidated=False)
    del table["uns/postseg"]
    if uns is not None:
        write_elem(table["uns"], "postseg", uns)
    assert restore(tmp_path / "s.zarr") is None


def test_no_table(tmp_path, store):
    copytree(store[0], tmp_path / "s.zarr")
    rmtree(tmp_path / "s.zarr/tables")
    assert restore(tmp_path / "s.zarr") is None


def test_a_damaged_audit(tmp_path, store):
    copytree(store[0], tmp_path / "s.zarr")
    rmtree(tmp_path / "s.zarr/tables/cells_table/uns/postseg/rejected_runs")
    with pytest.raises(OSError, match=r"s\.zarr cannot be read: .*rejected_runs"):
        restore(tmp_path / "s.zarr")


def test_no_store(tmp_path):
    with pytest.raises(OSError, match=r"none\.zarr cannot be read"):
        restore(tmp_path / "none.zarr")


# ---- labels, table and audit that do not match


def edit(path, name, function):
    root = zarr.open_group(path, mode="r+", use_consolidated=False)
    if name == "labels":
        group = root["labels/cells"]
        name = f"labels/cells/{group.attrs['ome']['multiscales'][0]['datasets'][0]['path']}"
    array = root[name]
    changed = function(array[...])
    if changed.shape != array.shape:
        array.resize(changed.shape)
    array[...] = changed


def with_new_cell(image):
    image[:4, :4] = 99
    return image


def without_cell(image):
    image[image == 3] = 0
    return image


def halved(image):
    rows = np.flatnonzero((image == 3).any(axis=1))
    middle = rows[rows.size // 2] // 4 * 4
    image[middle : middle + 4][image[middle : middle + 4] == 3] = 0
    return image


def eroded(image):
    rows = np.flatnonzero((image == 3).any(axis=1))
    image[rows[-1] - 15 :][image[rows[-1] - 15 :] == 3] = 0
    return image


def flooded(image):
    image[image == 0] = 3
    return image


def swapped(values):
    return np.where(values == 1, 2, np.where(values == 2, 1, values))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"labels": with_new_cell}, "the label 99 has no row in the table"),
        ({"labels": without_cell}, r"region \d+ is missing from the labels"),
        ({"labels": halved}, r"region \d+ is missing from the labels or in pieces"),
        ({"labels": eroded}, r"region \d+ \(label 3\) has now the area \d+, but in the audit \d+"),
        ({"labels": flooded}, r"region \d+ \(.*\) and region \d+ \(.*\) overlap in row \d"),
        ({"labels": lambda image: image[:200]}, r"they have 200 x \d+ pixels, but in the audit"),
        ({"tables/cells_table/obs/label": lambda ids: ids.clip(2)}, "has the label 2 twice"),
        (
            {"tables/cells_table/obs/region_number": lambda ids: ids.clip(ids[0], ids[-2])},
            "missing from the table or twice",
        ),
        (
            {"labels": swapped, "tables/cells_table/obs/label": swapped},
            r"\(label 2\) has now the label 1, but in the audit 2",
        ),
    ],
    ids=lambda value: None if isinstance(value, str) else "-".join(value),
)
def test_a_mismatch_is_named(tmp_path, store, changes, complaint):
    copytree(store[0], tmp_path / "s.zarr")
    for name, function in changes.items():
        edit(tmp_path / "s.zarr", name, function)
    with pytest.raises(ValueError, match=complaint) as error:
        restore(tmp_path / "s.zarr")
    assert "s.zarr do not match the audit" in str(error.value)
    assert "postseg verify" in str(error.value)


# ---- tests that a subclass changed cannot be replayed: what is stored is shown


class Wider(PostSegmentation):
    """Also by tests that are off."""

    def rejections(self, regions):
        failed = super().rejections(regions)
        failed["too_concave"] |= regions["centroid_row"] < 30
        failed["too_large"] |= regions["area"] > 190
        return failed


class Narrower(PostSegmentation):
    def rejections(self, regions):
        failed = super().rejections(regions)
        failed.loc[regions["centroid_col"] > 60, ["tiny_artifacts", "too_eccentric"]] = False
        return failed


class Another(Strict):
    """Reasons in another order, some without ours, some of its own."""

    def rejections(self, regions):
        failed = super().rejections(regions)
        failed["too_eccentric"] ^= regions["centroid_col"] > 60
        return failed[failed.columns[::-1]].drop(columns="too_small")


KINDS = {
    Wider: {"too_concave", "too_large"},
    Narrower: {"tiny_artifacts", "too_eccentric"},
    Another: {"tiny_artifacts", "too_eccentric", "on_the_left"},
}


@pytest.mark.parametrize(
    ("kind", "factor"), some([(kind, factor) for kind in KINDS for factor in (4, 1)], 2)
)
def test_a_changed_test_is_shown_as_it_is_stored(tmp_path, store_of, kind, factor):
    path, post = store_of(kind, factor)
    restored = restore(path)
    assert_same(restored, post)
    assert set(restored.as_stored) == KINDS[kind]
    counts = {reason: n for reason, n in post.filter_report.rejected.items() if n}
    assert {reason: n for reason, n in restored.filter_report.rejected.items() if n} == counts
    # written from there, it is the same store again
    restored.write(tmp_path / "again.zarr")
    assert_same(restore(tmp_path / "again.zarr"), post)


@pytest.mark.parametrize("kind", some([Wider, Narrower], 1))
def test_a_changed_test_holds_for_other_thresholds_too(store_of, kind):
    post, restored = made(kind=kind), restore(store_of(kind)[0])
    for thresholds in ({"max_eccentricity": 0.8}, {"min_extent": 0.78}):
        np.testing.assert_array_equal(restored.refilter(**thresholds), post.refilter(**thresholds))
        assert 0 < restored.filter_report.passed < 20


def test_without_changed_tests_nothing_is_as_stored(store_of):
    assert set(restore(store_of(Strict)[0]).as_stored) == {"on_the_left"}
    assert restore(store_of(PostSegmentation)[0]).as_stored == ()


def test_what_is_stored_is_not_of_other_masks(store_of):
    restored = restore(store_of(Wider)[0])
    restored.masks = tissue()[::-1]
    restored.refilter(OFF)
    assert restored.filter_report.passed == 20


@pytest.mark.parametrize("kind", some([Wider, PostSegmentation], 1))
def test_labels_that_lost_a_pixel_row_do_not_match_whoever_filtered(tmp_path, kind):
    """Though every test would still say what is stored."""
    written(
        tmp_path / "s.zarr", kind=kind, factor=1, filter_config={**OFF, "max_eccentricity": 0.8}
    )

    def shaved(image):
        label = image.max()
        row = np.flatnonzero((image == label).any(axis=1))[-1]
        image[row][image[row] == label] = 0
        return image

    edit(tmp_path / "s.zarr", "labels", shaved)
    with pytest.raises(ValueError, match=r"\(label \d+\) has now the area \d+, but in the audit"):
        restore(tmp_path / "s.zarr")


# ---- damage


@pytest.fixture(scope="module")
def chunked(tmp_path_factory):
    """A store of many chunks, some of them empty and left out, and what wrote it."""
    masks = np.zeros((200, 240), int)
    masks[60:160, 80:200] = tissue()
    path = tmp_path_factory.mktemp("chunked") / "s.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("postseg.raster.enlarge.CHUNK", 80)
        post = written(path, da.from_array(masks, chunks=(40, 40)), factor=2)
    return path, post


def chunks(path):
    return sorted(file for file in (path / "labels/cells").glob("*/c/*/*") if file.is_file())


def test_chunks_that_are_empty_have_no_file(chunked):
    path, post = chunked
    assert 5 < len(chunks(path)) < 20
    np.testing.assert_array_equal(restore(path).masks, post.masks)


@pytest.mark.parametrize("in_memory", [1 << 30, 0], ids=["in memory", "lazy"])
def test_a_missing_chunk_is_named(tmp_path, chunked, monkeypatch, in_memory):
    monkeypatch.setattr("postseg.elements.pixels._IN_MEMORY", in_memory)
    path = copytree(chunked[0], tmp_path / "s.zarr")
    for chunk in chunks(path):
        content = chunk.read_bytes()
        chunk.unlink()
        with pytest.raises(OSError, match=f"^{chunk} is missing, and with it pixels of cells"):
            restore(path)
        chunk.write_bytes(content)


def test_a_part_of_a_cell_is_missed_whatever_test_it_passes(tmp_path, monkeypatch):
    monkeypatch.setattr("postseg.raster.enlarge.CHUNK", 25)
    masks = np.ones((40, 50), int)
    path = tmp_path / "s.zarr"
    PostSegmentation(
        da.from_array(masks, chunks=(40, 25)), 0, "cells", filter_config=OFF, verbose=False
    ).write(path)
    chunk = chunks(path)[1]
    chunk.unlink()
    with pytest.raises(OSError, match=f"^{chunk} is missing"):
        restore(path)


def test_an_area_that_changed_is_no_match(tmp_path):
    def without_a_pixel(image):
        image.flat[np.flatnonzero(image == 3)[0]] = 0
        return image

    written(tmp_path / "s.zarr", factor=0, filter_config=OFF)
    edit(tmp_path / "s.zarr", "labels", without_a_pixel)
    with pytest.raises(ValueError, match=r"\(label 3\) has now the area \d+, but in the audit \d+"):
        restore(tmp_path / "s.zarr")


@pytest.mark.parametrize("in_memory", [1 << 30, 0], ids=["in memory", "lazy"])
def test_a_damaged_chunk_is_an_error_that_names_the_store(
    tmp_path, chunked, monkeypatch, in_memory
):
    monkeypatch.setattr("postseg.elements.pixels._IN_MEMORY", in_memory)
    copytree(chunked[0], tmp_path / "s.zarr")
    chunk = chunks(tmp_path / "s.zarr")[0]
    chunk.write_bytes(chunk.read_bytes()[:-5])
    with pytest.raises(OSError, match=r"s\.zarr cannot be read"):
        restore(tmp_path / "s.zarr")


# ---- areas with units


def test_thresholds_in_um2_are_restored(tmp_path):
    thresholds = {**OFF, "min_absolute_area": "120.0 um2", "max_area": "90 %"}
    post = written(tmp_path / "s.zarr", pixel_size=0.25, filter_config=thresholds)
    restored = restore(tmp_path / "s.zarr")
    assert_same(restored, post)
    assert restored.pixel_size == 0.25
    passed = restored.filter_report.passed
    restored.refilter(min_absolute_area="150 um2")
    post.refilter(min_absolute_area="150 um2")
    np.testing.assert_array_equal(restored.masks, post.masks)
    assert 0 < restored.filter_report.passed < passed < len(post.regions)


def test_another_pixel_size_filters_anew_before_it_is_written(tmp_path):
    thresholds = {**OFF, "min_absolute_area": "120 um2"}
    post = made(pixel_size=0.25, filter_config=thresholds)
    post.to_spatialdata()
    passed = post.filter_report.passed
    post.pixel_size = 0.24
    post.write(tmp_path / "s.zarr")
    assert 0 < post.filter_report.passed < passed
    assert_same(restore(tmp_path / "s.zarr"), post)


def test_what_a_subclass_changed_is_restored_with_um2_too(tmp_path):
    thresholds = {**OFF, "min_absolute_area": "120 um2"}
    post = written(tmp_path / "s.zarr", kind=Strict, pixel_size=0.25, filter_config=thresholds)
    restored = restore(tmp_path / "s.zarr")
    assert_same(restored, post)


@pytest.mark.parametrize(
    ("factor", "place", "enlarge"),
    some(
        [
            (factor, place, enlarge)
            for factor, place in (
                (1, {"image_shape": (333, 487)}),
                (4, {"origin": (7, 30)}),
                (3, {"image_shape": (302, 358)}),
            )
            for enlarge in (True, False)
        ],
        3,
    ),
)
def test_masks_of_any_scale_come_back(tmp_path, factor, place, enlarge):
    masks = tissue()
    post = PostSegmentation(masks, factor, "cells", filter_config=SMALL, verbose=False, **place)
    post.process_masks_to_shapes()
    post.process_labels(enlarge=enlarge)
    post.write(tmp_path / "s.zarr")
    restored = restore(tmp_path / "s.zarr")
    assert_same(restored, post)
    assert restored.origin == place.get("origin", (0, 0))
    again, first = (one.to_spatialdata()["cells"].shape for one in (restored, post))
    assert again == (post._placement().shape if not enlarge else first)
