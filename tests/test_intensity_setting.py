"""The setting `intensity_image`: a filter by signal, where it is told, and what it drops."""

import pickle
import warnings

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import tifffile
import xarray as xr
from click.testing import CliRunner
from drawing import OFF, squares
from numpy.testing import assert_allclose
from spatialdata import SpatialData
from spatialdata.models import Image2DModel
from tampering import tissue

from postseg import PostSegmentation, measure_regions
from postseg.cli.main import main
from postseg.elements.audit import unpack
from postseg.filtering.intensities import STATISTICS, intensities_in
from postseg.restoring import Restored, _all_regions, restore

MASKS = tissue()
LABELS = np.unique(MASKS)[1:]

pytestmark = pytest.mark.filterwarnings("ignore:zarr v3 autosharding")  # of anndata, on writing


def signal(seed=0, factor=1):
    """Every cell has its own brightness, from 0 to 1, with noise."""
    chance = np.random.default_rng(seed)
    of = chance.permutation(np.linspace(0, 1, LABELS.max() + 1))
    large = np.kron(of[MASKS], np.ones((factor, factor)))
    return large + chance.normal(0, 0.01, large.shape)


SIGNAL = signal()


class Bright(PostSegmentation):
    """A filter by signal in one line."""

    def rejections(self, regions):
        return super().rejections(regions).assign(dark=regions["intensity_mean"] < 0.5)


def made(image=SIGNAL, kind=PostSegmentation, masks=MASKS, factor=4, **settings):
    settings = {"filter_config": OFF, "verbose": False, "intensity_image": image, **settings}
    return kind(masks, factor, "cells", **settings)


def dark(image=SIGNAL):
    return (measure_regions(MASKS, image)["intensity_mean"] < 0.5).to_numpy()


# ---- what it tells


def test_regions_have_what_is_measured():
    post = made()
    post.refilter()
    right = measure_regions(MASKS, SIGNAL)
    pd.testing.assert_frame_equal(post.regions[right.columns], right)
    assert intensities_in(post.regions) == [*STATISTICS]


def test_without_an_image_there_are_no_such_columns():
    post = made(None)
    post.refilter()
    assert intensities_in(post.regions) == []


@pytest.mark.parametrize("lazy", [False, True])
def test_masks_may_be_smaller_than_the_image(lazy):
    image = signal(factor=4)
    post = made(da.from_array(image, chunks=64) if lazy else image)
    post.refilter()
    right = measure_regions(np.kron(MASKS, np.ones((4, 4), int)), image)
    pd.testing.assert_frame_equal(post.regions[[*STATISTICS]], right[[*STATISTICS]])


def test_the_table_has_them_of_survivors():
    post = made(kind=Bright)
    post.process_masks_to_shapes()
    obs = post.process_table().obs
    kept = post.regions[post.regions["label"] > 0]
    np.testing.assert_array_equal(obs[[*STATISTICS]], kept[[*STATISTICS]])
    assert 0 < len(obs) < len(post.regions)
    assert obs["intensity_mean"].min() >= 0.5


def test_so_have_exports_and_napari(tmp_path):
    post = made(kind=Bright)
    post.export(tmp_path / "cells.csv")
    found = pd.read_csv(tmp_path / "cells.csv", index_col="region")
    pd.testing.assert_frame_equal(found[[*STATISTICS]], post.regions[[*STATISTICS]])
    for layer, kept in zip(post.to_napari()[:2], (True, False), strict=True):
        right = post.regions.loc[(post.regions["label"] > 0) == kept, "intensity_max"]
        assert sorted(layer[1]["features"]["intensity_max"]) == sorted(right)


# ---- a filter by signal


def test_it_rejects_by_signal_and_a_second_run_is_the_same():
    post = made(kind=Bright)
    first, *_ = post.process_masks_to_shapes()
    assert (post.regions["reason"] == "dark").tolist() == dark().tolist()
    second, *_ = post.process_masks_to_shapes()
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, post.refilter())
    assert post.filter_report.rejected["dark"] == dark().sum()


def test_other_thresholds_are_tried_with_it():
    post = made(kind=Bright)
    post.process_masks_to_shapes()
    found = post.threshold_sweep("min_absolute_area", [None, 120])
    large = measure_regions(MASKS)["area"] >= 120
    assert found["kept"].tolist() == [(~dark()).sum(), (~dark() & large).sum()]
    post.refilter(min_absolute_area=120)
    assert (post.regions["label"] > 0).tolist() == (~dark() & large).tolist()


def test_the_image_is_read_once():
    read = []

    def block(block_id):
        read.append(block_id)
        return SIGNAL

    lazy = da.map_blocks(block, chunks=((100,), (120,)), dtype=float, meta=np.empty((0, 0)))
    post = made(lazy, Bright)
    assert read == []
    post.process_masks_to_shapes()
    post.process_table()
    post.refilter(min_absolute_area=120)
    post.threshold_sweep("min_absolute_area", [50])
    post.process_masks_to_shapes()
    assert read == [(0, 0)]


def test_parts_of_a_label_have_their_own():
    masks = squares(8, 8)
    masks[masks > 0] = 1
    image = np.where(np.arange(masks.shape[1]) < masks.shape[1] // 2, 0, 1) * np.ones(masks.shape)
    post = made(image, Bright, masks)
    post.refilter()
    assert post.regions["reason"].tolist() == ["dark", ""]


def test_several_channels():
    coords = {"c": ["DAPI", "CD3"]}
    image = xr.DataArray(np.stack([SIGNAL, 1 - SIGNAL]), dims=("c", "y", "x"), coords=coords)

    class ByChannel(PostSegmentation):
        def rejections(self, regions):
            return super().rejections(regions).assign(dark=regions["intensity_mean_CD3"] < 0.5)

    post = made(image, ByChannel)
    post.refilter()
    right = measure_regions(MASKS, 1 - SIGNAL)["intensity_mean"] < 0.5
    assert (post.regions["reason"] == "dark").tolist() == right.tolist()
    with pytest.raises(RuntimeError, match=r"there are: intensity_mean_DAPI, .*intensity_max_CD3"):
        made(image, Bright).refilter()


def test_without_an_image_it_is_said_what_is_missing():
    with pytest.raises(RuntimeError, match=r"regions\['intensity_mean'\], but .* intensity_image"):
        made(None, Bright).process_masks_to_shapes()


def test_counts_of_transcripts_go_with_it():
    points = pd.DataFrame({"x": [40.0, 100.0, 200.0] * 9, "y": [50.0] * 27, "gene": "A"})
    post = made(kind=Bright)
    post.process_points(points)
    columns = post.regions.columns.tolist()
    assert columns.index("intensity_max") < columns.index("transcript_counts")
    post.intensity_image = signal(1)
    assert "transcript_counts" in post.regions
    assert post.transcripts is not None
    post.refilter()
    assert post.regions.columns.tolist() == columns


# ---- what assignment drops


def test_another_image_drops_intensities_and_the_table_and_nothing_else():
    post = made(kind=Bright)
    post.process_masks_to_shapes()
    post.process_labels()
    post.process_table()
    kept = ("masks", "gdf_polygons", "shapes_model", "labels_model", "filter_report")
    before = {name: getattr(post, name) for name in kept}
    old = post.regions
    post.intensity_image = other = signal(1)
    assert post.table is None
    assert intensities_in(post.regions) == []
    pd.testing.assert_frame_equal(post.regions, old.drop(columns=[*STATISTICS]))
    assert all(
        getattr(post, name) is value for name, value in before.items() if name != "filter_report"
    )
    assert str(post.filter_report) == str(before["filter_report"])
    post.refilter()
    assert (post.regions["reason"] == "dark").tolist() == dark(other).tolist() != dark().tolist()


def test_the_table_tells_of_an_image_that_was_assigned_after_the_filter():
    post = made(None)
    post.process_masks_to_shapes()
    post.process_table()
    post.intensity_image = SIGNAL
    obs = post.to_spatialdata()["cells_table"].obs
    right = measure_regions(MASKS, SIGNAL)[[*STATISTICS]]
    np.testing.assert_array_equal(obs[[*STATISTICS]], right)
    pd.testing.assert_frame_equal(post.regions[[*STATISTICS]], right)
    post.intensity_image = None
    assert intensities_in(post.process_table().obs) == intensities_in(post.regions) == []


def test_other_masks_are_measured_anew():
    post = made()
    post.refilter()
    post.masks = MASKS[::-1]
    post.refilter()
    right = measure_regions(MASKS[::-1], SIGNAL)
    pd.testing.assert_frame_equal(post.regions[right.columns], right)


def test_a_filter_of_a_subclass_has_them_in_its_table():
    class Own(PostSegmentation):
        def filter_cell_by_regionprops(self, seg_masks):
            return np.where(seg_masks > 5, seg_masks, 0)

    post = made(kind=Own)
    post.process_masks_to_shapes()
    obs = post.process_table().obs
    right = measure_regions(np.where(MASKS > 5, MASKS, 0), SIGNAL).set_index("source_label")
    np.testing.assert_array_equal(obs[[*STATISTICS]], right.loc[obs["label"], [*STATISTICS]])
    post.intensity_image = None
    assert intensities_in(post.process_table().obs) == []


def test_an_image_of_another_size_is_refused_before_the_work_and_nothing_is_lost():
    post = made()
    post.process_masks_to_shapes()
    regions = post.regions
    post.intensity_image = SIGNAL[:50]
    with pytest.raises(ValueError, match="50 x 120 pixels, which does not fit masks of 100 x 120"):
        post.refilter()
    post.intensity_image = SIGNAL
    post.refilter()
    pd.testing.assert_frame_equal(post.regions, regions)


def test_what_is_no_image_is_refused_at_assignment():
    post = made()
    with pytest.raises(TypeError, match="complex"):
        post.intensity_image = SIGNAL.astype(complex)
    assert post.intensity_image is SIGNAL
    with pytest.raises(TypeError, match="did you mean 'intensity_image'"):
        PostSegmentation(MASKS, intensity_images=SIGNAL)


def test_an_output_does_not_take_its_place(tmp_path):
    path = tmp_path / "image.csv"
    SIGNAL.tofile(path)
    post = made(np.memmap(path, float, "r", shape=SIGNAL.shape))
    with pytest.raises(ValueError, match=r"image\.csv, which this run uses"):
        post.export(path, overwrite=True)


def test_copies_have_it():
    post = made(kind=Bright)
    post.process_masks_to_shapes()
    copy = pickle.loads(pickle.dumps(post))
    pd.testing.assert_frame_equal(copy.regions, post.regions)
    np.testing.assert_array_equal(copy.refilter(), post.masks)


# ---- a store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with channels, and what wrote it."""
    path = tmp_path_factory.mktemp("intensities") / "s.zarr"
    coords = {"c": ["a/b", "c"]}
    image = xr.DataArray(np.stack([SIGNAL, SIGNAL**2]), dims=("c", "y", "x"), coords=coords)

    class ByChannel(PostSegmentation):
        def rejections(self, regions):
            return super().rejections(regions).assign(dark=regions["intensity_mean_a_b"] < 0.5)

    post = made(image, ByChannel)
    post.write(path)
    return path, post


def test_a_store_gives_them_back(store):
    path, post = store
    restored = restore(path)
    pd.testing.assert_frame_equal(restored.regions, post.regions)
    assert restored.as_stored == ("dark",)
    assert len(intensities_in(restored.regions)) == 8
    pd.testing.assert_frame_equal(restored.process_table().obs, post.table.obs)


def test_a_restored_object_may_have_another_image(store):
    restored = restore(store[0], intensity_image=SIGNAL)
    pd.testing.assert_frame_equal(
        restored.regions[[*STATISTICS]], measure_regions(MASKS, SIGNAL)[[*STATISTICS]]
    )
    restored.intensity_image = None
    restored.refilter()
    assert intensities_in(restored.regions) == []


def test_many_channels_are_restored_without_a_warning():
    post = made(np.stack([SIGNAL] * 30))
    post.process_masks_to_shapes()
    table = post.process_table()
    audit = unpack(table.uns["postseg"])
    columns = table.obs.drop(columns="region").to_dict(orient="list")
    restored = Restored(verbose=False, filter_config=audit.config)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.PerformanceWarning)
        restored.fill(post.masks, audit, _all_regions(columns, audit))
    pd.testing.assert_frame_equal(restored.regions, post.regions)


# ---- the command line


@pytest.mark.parametrize("command", ["run", "merge"])
def test_the_commands_measure_an_image(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("t_r0_c0.npy", MASKS)
    np.save("image.npy", np.stack([SIGNAL] * 3, axis=-1))
    where = ["--shape", *map(str, MASKS.shape)] if command == "merge" else []
    args = [command, "t_r0_c0.npy", *where, "-o", "c.csv", "--intensity", "image.npy"]
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 0, result.output
    found = pd.read_csv("c.csv", index_col="region")
    right = measure_regions(MASKS, SIGNAL)["intensity_std"]
    for channel in range(3):
        np.testing.assert_allclose(found[f"intensity_std_{channel}"], right, rtol=1e-12)
    refused = CliRunner().invoke(main, [*args, "-o", "image.npy", "--overwrite"])
    assert refused.exit_code != 0
    assert np.load("image.npy").shape == (*MASKS.shape, 3)


def test_the_command_measures_all_channels_of_an_element_and_of_a_tiff(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 255, (5, *MASKS.shape), np.uint8)
    names = ["DAPI", "CD3", "CD8", "CD4", "PanCK"]
    sdata = SpatialData(images={"he": Image2DModel.parse(pixels, ("c", "y", "x"), c_coords=names)})
    sdata.write("slide.zarr")
    np.save("m.npy", MASKS)
    tifffile.imwrite("he.tif", pixels, photometric="minisblack")
    for image, suffixes in (("slide.zarr/images/he", names), ("he.tif", map(str, range(5)))):
        args = ["run", "m.npy", "-o", "c.csv", "--intensity", image, "--overwrite", "--quiet"]
        result = CliRunner().invoke(main, args)
        assert result.exit_code == 0, result.output
        found = pd.read_csv("c.csv")
        expected = measure_regions(MASKS, pixels)
        for k, suffix in enumerate(suffixes):
            assert_allclose(found[f"intensity_mean_{suffix}"], expected[f"intensity_mean_{k}"])
