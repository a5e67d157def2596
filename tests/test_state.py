"""What `PostSegmentation` holds: when a step runs again, and after an error."""

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from drawing import OFF, squares
from geopandas.testing import assert_geodataframe_equal
from numpy.testing import assert_array_equal

from postseg import FilterConfig, PostSegmentation
from postseg._support.threads import n_threads
from postseg.verify import verification

RESULTS = ["gdf_polygons", "shapes_model", "labels_model", "filter_report", "regions"]
# Areas of 16, 64 and 81: the first is debris.
MASKS = squares(4, 8, 9)


@pytest.fixture
def post():
    return PostSegmentation(MASKS, 4, "cells", verbose=False)


def held(post):
    """All that the object holds, to compare with later."""
    return vars(post).copy()


def assert_holds(post, before):
    """The object holds the very same things, not equal ones only."""
    assert vars(post).keys() == before.keys()
    assert [name for name, value in vars(post).items() if value is not before[name]] == []


# ---- a step run again


def test_a_step_run_again_gives_the_same(post):
    masks, gdf, shapes = post.process_masks_to_shapes()
    again = post.process_masks_to_shapes()
    assert_array_equal(again[0], masks)
    assert_geodataframe_equal(again[1], gdf)
    assert_geodataframe_equal(again[2], shapes)
    assert post.filter_report.total == 3


def test_thresholds_that_follow_the_distribution_do_not_creep_up(post):
    """Filtering the survivors again would raise the median each time."""
    post.filter_config = {**OFF, "min_area": "median"}
    for _ in range(3):
        post.process_masks_to_shapes()
    assert post.filter_report.min_area == 64
    assert post.filter_report.passed == 2


def test_a_step_run_again_after_looser_thresholds_starts_from_the_input(post):
    post.process_masks_to_shapes()
    post.filter_config = OFF
    assert_array_equal(post.process_masks_to_shapes()[0], MASKS)


def test_assigning_masks_starts_afresh(post):
    post.process_masks_to_shapes()
    post.process_labels()
    other = squares(8)
    post.masks = other
    assert post.masks is other
    assert [getattr(post, name) for name in RESULTS] == [None] * 5
    assert len(post.process_masks_to_shapes()[1]) == 1


def test_assigning_the_filtered_masks_makes_them_the_input(post):
    post.masks = post.process_masks_to_shapes()[0]
    post.process_masks_to_shapes()
    assert post.filter_report.total == 2


def test_masks_may_be_taken_away(post):
    post.process_masks_to_shapes()
    post.masks = None
    assert post.masks is None
    with pytest.raises(RuntimeError, match="no masks yet"):
        post.process_labels()


def test_labels_made_before_the_filter_are_gone_after_it(post):
    post.process_labels()
    post.process_masks_to_shapes()
    assert post.labels_model is None


def test_labels_made_after_the_filter_show_the_survivors(post):
    post.process_masks_to_shapes()
    assert post.process_labels()[1].to_numpy().max() == 2


def test_labels_stay_when_the_filter_run_again_changes_nothing(post):
    post.process_masks_to_shapes()
    labels = post.process_labels()[1]
    post.process_masks_to_shapes()
    assert post.labels_model is labels


def test_labels_go_when_other_thresholds_change_the_masks(post):
    post.process_masks_to_shapes()
    post.process_labels()
    post.filter_config = OFF
    post.process_masks_to_shapes()
    assert post.labels_model is None


def test_shapes_stay_when_labels_are_made(post):
    _, gdf, shapes = post.process_masks_to_shapes()
    post.process_labels()
    assert post.gdf_polygons is gdf
    assert post.shapes_model is shapes


def test_elements_at_another_factor_are_gone(post):
    post.process_masks_to_shapes()
    post.process_labels()
    post.factor_rescale = 2
    assert post.gdf_polygons is post.shapes_model is post.labels_model is None
    assert post.process_masks_to_shapes()[1].total_bounds.tolist() == [11, 0, 47, 18]


@pytest.fixture(scope="module")
def placed():
    """All is made, with every setting that elements depend on."""
    where = {"origin": (0, 5), "pixel_size": 0.5, "image_shape": (44, 100), "outline": "pixels"}
    post = PostSegmentation(MASKS, 4, "cells", shape_name="outlines", verbose=False, **where)
    post.to_spatialdata()
    return post


SAME = {
    "factor_rescale": 4.0,
    "label_name": "cells",
    "shape_name": "outlines",
    "origin": [np.float32(0), 5],
    "image_shape": np.array([44, 100]),
    "pixel_size": np.float64(0.5),
    "outline": "pixels",
}
OTHER = {
    "factor_rescale": 2,
    "label_name": "nuclei",
    "shape_name": None,
    "origin": None,
    "image_shape": (45, 100),
    "pixel_size": 0.25,
    "outline": "contour",
}


@pytest.mark.parametrize("setting", SAME)
def test_a_setting_that_stays_drops_nothing(placed, setting):
    before = placed._held
    setattr(placed, setting, SAME[setting])
    setattr(placed, setting, getattr(placed, setting))
    assert placed._held is before
    assert placed.table is not None


@pytest.mark.parametrize("setting", OTHER)
def test_a_setting_that_changes_drops_the_table(placed, setting):
    post = copy.copy(placed)
    setattr(post, setting, OTHER[setting])
    assert post.table is None
    assert placed.table is not None


def test_the_name_of_shapes_may_be_spelt_out(post):
    post.process_masks_to_shapes()
    table = post.process_table()
    post.shape_name = "cells_shapes"
    assert post.table is table
    post.label_name = "nuclei"
    assert (post.shape_name, post.table) == ("cells_shapes", None)


def test_an_image_of_intensities_counts_as_another_each_time():
    """It may have been edited."""
    image = MASKS.astype(float)
    post = PostSegmentation(MASKS, intensity_image=image, filter_config=OFF, verbose=False)
    post.process_masks_to_shapes()
    before = post.process_table().obs["intensity_mean"].to_numpy()
    image *= 2
    post.intensity_image = image
    assert post.table is None
    assert_array_equal(post.process_table().obs["intensity_mean"], 2 * before)


def test_who_edits_the_result_does_not_edit_the_input():
    image = squares(4, 8)
    before = image.copy()
    post = PostSegmentation(image, verbose=False)
    masks = post.process_masks_to_shapes()[0]
    masks[:] = 7
    assert_array_equal(image, before)
    assert_array_equal(post.process_masks_to_shapes()[0], np.maximum(before - 1, 0))


# ---- errors


class Failing(PostSegmentation):
    """Fails in one of the hooks, once it is told to."""

    fail_in = None

    def _maybe(self, hook):
        if self.fail_in == hook:
            raise KeyError(hook)

    def filter_cell_by_regionprops(self, seg_masks, **thresholds):
        found = super().filter_cell_by_regionprops(seg_masks, **thresholds)
        self._maybe("filter")
        return found

    def rejections(self, regions):
        self._maybe("rejections")
        return super().rejections(regions)

    def masks_to_polygons(self, seg_masks, factor_rescale):
        self._maybe("outlines")
        return super().masks_to_polygons(seg_masks, factor_rescale)

    def mirror_y0(self, geom):
        self._maybe("mirror")
        return super().mirror_y0(geom)


@pytest.mark.parametrize("hook", ["filter", "rejections", "outlines", "mirror"])
@pytest.mark.parametrize("ran", [False, True], ids=["fresh", "ran before"])
def test_an_error_in_a_hook_leaves_the_object_as_it_was(hook, ran):
    post = Failing(MASKS, 4, filter_config=OFF, verbose=False)
    if ran:
        post.process_masks_to_shapes()
        post.process_labels()
        post.filter_config = FilterConfig()
    post.fail_in = hook
    before = held(post)
    with pytest.raises(KeyError, match=hook):
        post.process_masks_to_shapes()
    assert_holds(post, before)
    post.fail_in = None
    assert post.process_masks_to_shapes()[0].max() == (2 if ran else 3)


@pytest.mark.parametrize("ran", [False, True], ids=["fresh", "ran before"])
def test_no_survivors_are_an_error_that_leaves_the_object_as_it_was(post, ran):
    if ran:
        post.process_masks_to_shapes()
        post.process_labels()
    post.filter_config = {"min_absolute_area": 70, "max_area": 75}
    before = held(post)
    with pytest.raises(RuntimeError) as raised:
        post.process_masks_to_shapes()
    assert "None of the 3 regions" in str(raised.value)
    assert "Tiny Artifacts 2 (min_absolute_area)" in str(raised.value)
    assert "Too Large 1 (max_area)" in str(raised.value)
    assert_holds(post, before)


def test_an_error_in_the_labels_step_leaves_the_object_as_it_was():
    post = PostSegmentation(np.array([[2**40, 1]]), filter_config=OFF, verbose=False)
    before = held(post)
    with pytest.raises(ValueError, match="int32"):
        post.process_labels()
    assert_holds(post, before)


def test_an_error_in_the_filter_leaves_report_and_thresholds_as_they_were():
    post = Failing(verbose=False)
    post.filter_cell_by_regionprops(MASKS)
    post.fail_in = "rejections"
    before = held(post)
    with pytest.raises(KeyError):
        post.filter_cell_by_regionprops(MASKS, max_area=70)
    assert_holds(post, before)


@pytest.mark.filterwarnings("error:None of the")
@pytest.mark.parametrize("run", ["refilter", "filter_cell_by_regionprops"])
def test_a_warning_that_is_an_error_leaves_the_object_as_it_was(post, run):
    post.process_masks_to_shapes()
    before = held(post)
    with pytest.raises(UserWarning, match="None of the 3 regions"):
        getattr(post, run)(*([MASKS] if run != "refilter" else []), min_absolute_area=1e6)
    assert_holds(post, before)


def test_what_a_hook_stores_outlives_an_error():
    class Remembering(Failing):
        def rejections(self, regions):
            self.seen = len(regions)
            return super().rejections(regions)

    post = Remembering(MASKS, verbose=False)
    post.fail_in = "outlines"
    with pytest.raises(KeyError):
        post.process_masks_to_shapes()
    assert post.seen == 3


def test_no_table_of_no_cells(post):
    with pytest.warns(UserWarning, match="None of the 3 regions"):
        post.refilter(min_absolute_area=1e6)
    with pytest.raises(RuntimeError, match="No cell is left in the masks"):
        post.process_table()


# ---- edits of what was given and of what was handed out


def test_refilter_and_the_step_see_the_masks_alike_after_an_edit_in_place():
    image = squares(4, 8, 9)
    post = PostSegmentation(image, filter_config=OFF, verbose=False)
    post.process_masks_to_shapes()
    image[image == 3] = 0
    refiltered = post.refilter().copy()
    assert_array_equal(post.process_masks_to_shapes()[0], refiltered)
    post.masks = image
    assert post.process_masks_to_shapes()[0].max() == post.refilter().max() == 2


def test_an_edit_of_the_regions_does_not_reach_the_audit(post):
    post.process_masks_to_shapes()
    expected = post.process_table().obs.copy()
    post.regions["source_label"] = post.regions["source_label"].to_numpy()[::-1]
    post.regions["note"] = "mine"
    post.regions["area"] = 0
    assert post.process_table().obs.equals(expected)
    assert post.regions["note"].tolist() == ["mine"] * 3
    assert post.verify().ok


def test_a_hook_that_edits_the_regions_does_not_reach_the_audit():
    class Sorting(PostSegmentation):
        def masks_to_polygons(self, seg_masks, factor_rescale):
            self.regions["source_label"] = self.regions["source_label"].to_numpy()[::-1]
            self.regions["centroid_row"] = 0.0
            return super().masks_to_polygons(seg_masks, factor_rescale)

    post = Sorting(MASKS, verbose=False)
    post.process_masks_to_shapes()
    plain = PostSegmentation(MASKS, verbose=False)
    plain.process_masks_to_shapes()
    assert post.process_table().obs.equals(plain.process_table().obs)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda post: pickle.loads(pickle.dumps(post))])
@pytest.mark.parametrize("ran", [False, True])
def test_a_copy_works_on_its_own(post, copied, ran):
    if ran:
        post.process_masks_to_shapes()
    other = copied(post)
    post.masks = None
    other.process_masks_to_shapes()
    assert other.verify().ok
    assert other.refilter(**OFF).max() == 3
    assert not other.input_masks.flags.writeable


# ---- one object, many threads


def test_an_object_does_one_step_at_a_time(post):
    """Each thread asks for its own thresholds, and must get their result."""
    limits = [None, 20, 70, 100]
    expected = dict(zip(limits, [3, 1, 2, 3], strict=True))

    def ask(i):
        limit = limits[i % len(limits)]
        found = post.filter_cell_by_regionprops(MASKS, **{**OFF, "max_area": limit})
        if i % 5 == 0:
            post.process_masks_to_shapes()
        if i % 7 == 0:
            post.origin = (0, i)
        if i % 3 == 0:
            post.process_labels()
        return found.max() == expected[limit]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(200)))
    assert post.filter_config == FilterConfig()
    post.process_masks_to_shapes()
    assert post.verify().ok


def test_a_setting_waits_for_the_step_under_way():
    class Slow(PostSegmentation):
        def masks_to_polygons(self, seg_masks, factor_rescale):
            started.set()
            assert not assigned.wait(0.2)
            return super().masks_to_polygons(seg_masks, factor_rescale)

    started, assigned = threading.Event(), threading.Event()
    post = Slow(MASKS, 4, verbose=False)

    def assign():
        started.wait()
        post.factor_rescale = 2
        assigned.set()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(assign)
        shapes = post.process_masks_to_shapes()[2]
    assert shapes.total_bounds[2] == 4 * 23.5
    assert assigned.is_set()
    assert post.shapes_model is None


def test_n_jobs_is_checked_at_assignment(post):
    for wrong in (-5, 0, "abc", 1.5):
        with pytest.raises(ValueError, match="n_jobs is"):
            post.n_jobs = wrong
    post.n_jobs = 2
    assert post.n_jobs == 2


def test_verify_uses_n_jobs_threads(post, monkeypatch):
    post.n_jobs = 3
    seen = []
    verify = verification.verify_elements
    monkeypatch.setattr(
        verification, "verify_elements", lambda *all: seen.append(n_threads()) or verify(*all)
    )
    post.verify()
    assert seen == [3]
