"""The steps of `PostSegmentation`: what each returns, sets and prints."""

import doctest

import dask.array as da
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from drawing import OFF, draw, squares
from numpy.testing import assert_array_equal
from shapely import Polygon
from spatialdata.models import ShapesModel

import postseg.processor
from postseg import FilterConfig, PostSegmentation, filter_cell_by_regionprops, masks_to_polygons
from postseg.geometry.outlines import mirror_y0

RESULTS = ["gdf_polygons", "shapes_model", "labels_model", "filter_report", "regions"]
# Areas of 16, 64 and 81: the first is debris.
MASKS = squares(4, 8, 9)


@pytest.fixture
def post():
    return PostSegmentation(MASKS, 4, "cells", verbose=False)


# ---- before any step


def test_the_defaults():
    post = PostSegmentation()
    assert post.masks is None
    assert post.factor_rescale == 1
    assert post.label_name == "labels"
    assert post.filter_config == FilterConfig()
    assert post.verbose is True
    assert post.save_debug is False


def test_results_are_none_until_their_step_has_run(post):
    assert [getattr(post, name) for name in RESULTS] == [None] * 5


def test_the_filter_sets_report_and_regions_only(post):
    post.filter_cell_by_regionprops(MASKS)
    assert post.filter_report.passed == 2
    assert len(post.regions) == 3
    assert [getattr(post, name) for name in RESULTS[:3]] == [None] * 3
    assert post.masks is MASKS


def test_the_labels_step_sets_the_labels_only(post):
    _, labels = post.process_labels()
    assert post.labels_model is labels
    assert [getattr(post, name) for name in RESULTS if name != "labels_model"] == [None] * 4


def test_the_shapes_step_sets_all_but_the_labels(post):
    masks, gdf, shapes = post.process_masks_to_shapes()
    assert post.masks is masks
    assert post.gdf_polygons is gdf
    assert post.shapes_model is shapes
    assert post.labels_model is None
    assert post.filter_report.total == 3
    assert post.regions["label"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("step", ["process_masks_to_shapes", "process_labels"])
def test_a_step_without_masks_says_so(step):
    with pytest.raises(RuntimeError, match="no masks yet"):
        getattr(PostSegmentation(), step)()


def test_masks_may_be_assigned_after_construction():
    post = PostSegmentation(factor_rescale=4, verbose=False)
    post.masks = MASKS.tolist()
    assert len(post.process_masks_to_shapes()[1]) == 2


# ---- the shapes


def test_masks_are_the_survivors_renumbered(post):
    masks, _, _ = post.process_masks_to_shapes()
    assert masks.dtype == np.int32
    assert_array_equal(masks, np.maximum(MASKS - 1, 0))


def test_index_and_names_are_the_labels(post):
    _, gdf, shapes = post.process_masks_to_shapes()
    assert gdf.columns.tolist() == ["cell_id", "geometry"]
    assert shapes.columns.tolist() == ["region", "geometry"]
    assert gdf["cell_id"].tolist() == shapes["region"].tolist() == ["cell_1", "cell_2"]
    assert gdf.index.tolist() == shapes.index.tolist() == [1, 2]


def test_shapes_model_is_a_shapes_element(post):
    shapes = post.process_masks_to_shapes()[2]
    assert isinstance(shapes, gpd.GeoDataFrame)
    ShapesModel().validate(shapes)


def test_the_two_frames_have_the_same_polygons(post):
    _, gdf, shapes = post.process_masks_to_shapes()
    assert gdf.geometry.tolist() == shapes.geometry.tolist()


def test_y_is_mirrored_and_starts_at_0():
    """The upper cell of the image has the larger y, and the lowest edge is at y = 0."""
    post = PostSegmentation(draw("1.. ... ..2 ..."), filter_config=OFF, verbose=False)
    upper, lower = post.process_masks_to_shapes()[1].geometry
    assert lower.normalize() == Polygon([(2, 0), (2.5, 0.5), (2, 1), (1.5, 0.5)]).normalize()
    assert upper.bounds == (-0.5, 2, 0.5, 3)


def test_polygons_are_at_full_resolution(post):
    bounds = post.process_masks_to_shapes()[1].total_bounds
    # columns 6 to 23, 9 rows
    assert bounds.tolist() == [4 * 5.5, 0, 4 * 23.5, 4 * 9]


@pytest.mark.parametrize("factor", [0, 1])
def test_the_factors_0_and_1_leave_shapes_in_mask_pixels(factor):
    post = PostSegmentation(MASKS, factor, verbose=False)
    assert post.process_masks_to_shapes()[1].total_bounds.tolist() == [5.5, 0, 23.5, 9]


@pytest.mark.parametrize(
    "picture",
    [
        *("111 111 111", "... 111 ...", "11. 11. ...", "111 1.1 111"),
        *("1", "1111", "1 1 1", "1.. .1. ..1"),
    ],
)
def test_no_cell_is_too_odd_for_a_valid_polygon(picture):
    post = PostSegmentation(draw(picture), filter_config=OFF, verbose=False)
    (polygon,) = post.process_masks_to_shapes()[1].geometry
    assert polygon.is_valid
    assert polygon.bounds[1] == 0


# ---- the filter as a method


def test_the_method_filters_as_the_function_does(post):
    assert_array_equal(
        post.filter_cell_by_regionprops(MASKS), filter_cell_by_regionprops(MASKS, verbose=False)
    )


def test_keyword_thresholds_take_precedence_in_this_call_only(post):
    post.filter_config = FilterConfig(max_area=70)
    found = post.filter_cell_by_regionprops(MASKS, min_absolute_area=None, min_area=None)
    assert_array_equal(found, np.where(MASKS == 3, 0, MASKS))
    assert post.filter_report.config == FilterConfig(
        max_area=70, min_absolute_area=None, min_area=None
    )
    assert post.filter_config == FilterConfig(max_area=70)
    assert post.filter_cell_by_regionprops(MASKS).max() == 1


def test_a_misspelt_keyword_threshold_is_refused(post):
    with pytest.raises(ValueError, match="did you mean 'max_area'"):
        post.filter_cell_by_regionprops(MASKS, max_aera=70)


def test_the_filter_needs_no_masks_of_its_own():
    post = PostSegmentation(verbose=False)
    assert post.filter_cell_by_regionprops(MASKS).max() == 2
    assert post.masks is None


def test_the_report_of_a_step_is_printed_once(capsys):
    PostSegmentation(MASKS).process_masks_to_shapes()
    assert capsys.readouterr().out.count("2 of 3 regions passed") == 1


def test_nothing_is_printed_when_not_verbose(post, capsys):
    post.process_masks_to_shapes()
    post.process_labels()
    assert capsys.readouterr() == ("", "")


def test_save_debug_writes_to_the_path_given(tmp_path):
    post = PostSegmentation(MASKS, save_debug=tmp_path / "tile_1.png", verbose=False)
    post.process_masks_to_shapes()
    assert [path.name for path in tmp_path.iterdir()] == ["tile_1.png"]


def test_the_regions_are_a_table_by_region(post):
    post.process_masks_to_shapes()
    assert post.regions.index.tolist() == [1, 2, 3]
    assert post.regions["source_label"].tolist() == [1, 2, 3]
    assert post.regions["reason"].tolist() == ["tiny_artifacts", "", ""]
    pd.testing.assert_series_equal(
        post.regions["area"], pd.Series([16, 64, 81], post.regions.index, name="area")
    )


def test_outlines_and_mirror_are_static_methods():
    assert PostSegmentation.masks_to_polygons(draw("1"), 2) == masks_to_polygons(draw("1"), 2)
    polygon = Polygon([(0, 0), (3, 0), (3, 2)])
    assert PostSegmentation.mirror_y0(polygon) == mirror_y0(polygon)


def test_the_docstring_examples_hold():
    results = doctest.testmod(postseg.processor)
    assert results.attempted > 0
    assert results.failed == 0


def test_the_error_says_how_to_look_at_what_was_rejected():
    post = PostSegmentation(draw("11. 11."), verbose=False)
    with pytest.raises(RuntimeError, match=r"run refilter\(\) and plot_filter\(\)"):
        post.process_masks_to_shapes()
    with pytest.warns(UserWarning, match="None of the 1 regions"):
        post.refilter()
    assert post.plot_filter().texts[0].get_text() == "0 of 1 regions passed (0.0%)"
    assert post.filter_report.total == 1


@pytest.mark.parametrize("lazy", [False, True])
def test_the_index_of_polygons_is_of_one_type(lazy):
    image = da.from_array(MASKS.astype(np.uint8)) if lazy else MASKS.astype(np.uint8)
    _, gdf, shapes = PostSegmentation(image, verbose=False).process_masks_to_shapes()
    assert gdf.index.dtype == shapes.index.dtype == np.int64
