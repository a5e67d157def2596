"""A table carries the audit of its filter run: what was rejected, where, by which thresholds."""

import json

import numpy as np
import pandas as pd
import pytest
from anndata.io import read_elem, write_elem
from drawing import OFF, draw
from tampering import tissue
from zarr import open_group
from zarr.storage import MemoryStore

import postseg
from postseg import FilterConfig, PostSegmentation
from postseg._support.checks import OUTLINES
from postseg.elements.audit import KEY, unpack

SMALL = {**OFF, "min_absolute_area": 120, "max_eccentricity": 0.7}

pytestmark = pytest.mark.filterwarnings("ignore:zarr v3 autosharding")  # of anndata, on writing


def through_zarr(uns):
    root = open_group(MemoryStore(), mode="w")
    write_elem(root, "uns", uns)
    return read_elem(root["uns"])


@pytest.fixture
def post():
    post = PostSegmentation(tissue(), 4, "cells", filter_config=SMALL, verbose=False)
    post.process_masks_to_shapes()
    return post


def test_it_names_what_it_belongs_to(post):
    packed = through_zarr(post.process_table().uns)[KEY]
    assert str(packed["version"]) == postseg.__version__
    assert json.loads(str(packed["thresholds"]))["min_absolute_area"] == 120
    audit = unpack(packed)
    assert (audit.label_name, audit.factor_rescale) == ("cells", 4)
    assert audit.config == FilterConfig(**SMALL)


def test_the_rows_of_the_rejected_regions_come_back(post):
    audit = unpack(through_zarr(post.process_table().uns)[KEY])
    expected = post.regions[post.regions["label"] == 0]
    assert set(expected["reason"]) == {"tiny_artifacts", "too_eccentric"}
    pd.testing.assert_frame_equal(
        audit.rejected, expected, check_dtype=False, check_index_type=False
    )
    assert audit.rejected["area"].dtype == np.int64
    assert audit.rejected["touches_border"].dtype == bool


def test_their_pixels_come_back():
    picture = """
        11.2.
        11.22
        .....
        333.4"""
    post = PostSegmentation(draw(picture), 1, filter_config={**OFF, "min_area": 101}, verbose=False)
    post.refilter(**{**OFF, "min_absolute_area": 3, "max_area": 3})  # 1 and 4 are rejected
    audit = unpack(through_zarr(post.process_table().uns)[KEY])
    assert audit.rejected["reason"].to_dict() == {1: "too_large", 4: "tiny_artifacts"}
    assert audit.rejected_runs.dtype == np.int32
    assert audit.rejected_runs.tolist() == [[1, 0, 0, 2], [1, 1, 0, 2], [4, 3, 4, 5]]


@pytest.mark.parametrize("thresholds", [OFF, {"min_area": 12.5, "max_solidity": 1 / 3}])
def test_thresholds_come_back_to_the_bit(thresholds):
    post = PostSegmentation(tissue(), verbose=False, filter_config=OFF)
    post.process_masks_to_shapes()
    packed = post.process_table().uns[KEY]
    config = FilterConfig(**thresholds)
    packed["thresholds"] = config.model_dump_json()
    assert unpack(through_zarr(packed)).config == config


def test_nothing_rejected():
    post = PostSegmentation(tissue(), verbose=False, filter_config=OFF)
    post.process_masks_to_shapes()
    audit = unpack(through_zarr(post.process_table().uns)[KEY])
    assert audit.rejected.empty
    assert list(audit.rejected) == list(post.regions)
    assert audit.rejected_runs.shape == (0, 4)


def test_it_follows_the_masks_and_their_name(post):
    before = unpack(post.process_table().uns[KEY])
    post.refilter(**OFF, max_eccentricity=None)
    post.label_name = "nuclei"
    after = unpack(post.process_table().uns[KEY])
    assert len(before.rejected) > len(after.rejected) == 0
    assert after.label_name == "nuclei"


def test_a_filter_of_other_masks_leaves_the_audit_of_these(post):
    expected = post.process_table().uns[KEY]
    post.filter_cell_by_regionprops(tissue()[:50])
    found = post.process_table().uns[KEY]
    assert found.keys() == expected.keys()
    np.testing.assert_array_equal(found["rejected_runs"], expected["rejected_runs"])
    assert found["rejected"].equals(expected["rejected"])


def test_a_filter_of_ones_own_leaves_no_audit_but_what_tells_of_outlines():
    class Fewer(PostSegmentation):
        def filter_cell_by_regionprops(self, seg_masks, **thresholds):
            masks = super().filter_cell_by_regionprops(seg_masks, **thresholds)
            return np.where(masks == 1, 0, masks)

    post = Fewer(tissue(), verbose=False, filter_config=SMALL)
    post.process_masks_to_shapes()
    table = post.process_table()
    assert {"outline", "mask_shape", "image_shape"} < set(table.uns[KEY])
    assert not {"rejected", "thresholds", "label_name"} & set(table.uns[KEY])
    assert "spatialdata_attrs" in table.uns


# ---- areas with units


def test_thresholds_in_um2_come_back_with_the_pixel_size():
    thresholds = {**OFF, "min_absolute_area": "120.0 um2"}
    post = PostSegmentation(tissue(), 4, pixel_size=0.25, filter_config=thresholds, verbose=False)
    post.process_masks_to_shapes()
    audit = unpack(through_zarr(post.process_table().uns)[KEY])
    assert audit.pixel_size == 0.25
    assert audit.config == FilterConfig(**thresholds)
    rejected = post.regions[post.regions["label"] == 0]
    np.testing.assert_array_equal(audit.rejected["area_um2"], rejected["area_um2"])
    assert 0 < len(rejected) < len(post.regions)


def test_without_a_pixel_size_there_is_no_key_and_old_audits_are_read(post):
    packed = post.process_table().uns[KEY]
    assert "pixel_size" not in packed
    assert unpack(through_zarr(packed)).pixel_size is None


@pytest.mark.parametrize("change", [{"pixel_size": 0.5}, {"pixel_size": None}, {"factor": 2}])
def test_of_another_pixel_size_since_the_thresholds_are_kept_in_pixels(change):
    thresholds = {**OFF, "min_absolute_area": "120 um2"}
    post = PostSegmentation(tissue(), 4, pixel_size=0.25, filter_config=thresholds, verbose=False)
    post.process_masks_to_shapes()
    if "factor" in change:
        post.factor_rescale = change["factor"]
    else:
        post.pixel_size = change["pixel_size"]
    audit = unpack(post.process_table().uns[KEY])
    assert audit.pixel_size == post.pixel_size
    assert audit.config == FilterConfig(**{**thresholds, "min_absolute_area": "120 px"})
    assert list(audit.rejected).count("area_um2") == (post.pixel_size is not None)


# ---- what the polygons are


@pytest.mark.parametrize("outline", OUTLINES)
def test_the_outline_comes_back(post, outline):
    post.outline = outline
    packed = through_zarr(post.process_table().uns)[KEY]
    assert str(packed["outline"]) == unpack(packed).outline == outline
    assert {"mask_shape", "image_shape"} <= packed.keys()


def test_older_audits_are_of_contours_and_unknown_ones_are_refused(post):
    post.outline = "pixels"
    packed = post.process_table().uns[KEY]
    packed["outline"] = "smooth"
    with pytest.raises(ValueError, match=r"outline is 'smooth'; give 'contour', 'pixels' or"):
        unpack(through_zarr(packed))
    del packed["outline"]
    assert unpack(through_zarr(packed)).outline == "contour"
