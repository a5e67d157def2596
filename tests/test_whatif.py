"""Other thresholds are tried on regions that were measured once."""

import numpy as np
import pytest
from skimage.data import immunohistochemistry

from postseg import PostSegmentation, processor
from postseg.demo import segment_nuclei


@pytest.fixture
def post():
    post = PostSegmentation(segment_nuclei(immunohistochemistry()), verbose=False)
    post.process_masks_to_shapes()
    post.process_labels()
    return post


def fresh(post, **thresholds):
    other = PostSegmentation(
        segment_nuclei(immunohistochemistry()), filter_config=thresholds, verbose=False
    )
    other.process_masks_to_shapes()
    return other


def test_refilter_equals_a_new_run(post, monkeypatch):
    monkeypatch.setattr(processor, "measure_masks", lambda _: pytest.fail("measured again"))
    masks = post.refilter(max_eccentricity=0.8, min_area=None)
    monkeypatch.undo()
    expected = fresh(post, max_eccentricity=0.8, min_area=None)
    np.testing.assert_array_equal(masks, expected.masks)
    assert masks is post.masks
    assert post.regions.equals(expected.regions)
    assert str(post.filter_report) == str(expected.filter_report)
    assert post.filter_config == expected.filter_config


def test_results_of_other_masks_are_gone_after_refilter(post):
    post.refilter(max_eccentricity=0.8)
    assert post.shapes_model is post.gdf_polygons is post.labels_model is post.table is None
    _, _, shapes = post.process_masks_to_shapes()
    assert len(shapes) == post.filter_report.passed == post.masks.max()


def test_refilter_takes_a_config_and_single_fields(post):
    post.refilter({"max_area": 400}, min_area=None)
    assert repr(post.filter_config) == "FilterConfig(min_area=None, max_area=400)"


def test_a_bad_threshold_leaves_the_object_as_it_was(post):
    before = dict(vars(post))
    with pytest.raises(ValueError, match="did you mean 'max_area'"):
        post.refilter(max_aera=3)
    assert vars(post) == before


def test_refilter_warns_when_nothing_survives(post):
    with pytest.warns(UserWarning, match="None of the 344 regions passed"):
        masks = post.refilter(min_absolute_area=1e6)
    assert not masks.any()


def test_sweep_counts_and_names_the_cells_that_flip(post):
    kept_now = post.regions.label > 0
    before = dict(vars(post))
    table = post.threshold_sweep("max_convexity_deficit", [0.05, 0.2, None])
    assert all(vars(post)[name] is value for name, value in before.items())
    assert table.kept.tolist()[1] == kept_now.sum()
    assert (table.kept + table.rejected == len(post.regions)).all()
    for value, row in zip([0.05, 0.2, None], table.itertuples(), strict=True):
        kept = fresh(post, max_convexity_deficit=value).regions.label > 0
        assert row.kept == kept.sum()
        assert row.gained.tolist() == kept.index[kept & ~kept_now].tolist()
        assert row.lost.tolist() == kept.index[~kept & kept_now].tolist()


def test_margins_say_by_how_much(post):
    audit = post.regions
    small = audit[audit.reason == "too_small"]
    limit = post.filter_report.min_area
    np.testing.assert_allclose(small.margin_too_small, small.area - limit)
    assert (audit.filter(like="margin_").lt(0).any(axis=1) == (audit.label == 0)).all()
    assert audit.margin_too_eccentric.isna().all()


def test_a_filter_of_a_subclass_cannot_be_tried_on_measured_regions():
    class Own(PostSegmentation):
        def filter_cell_by_regionprops(self, seg_masks):
            return seg_masks

    own = Own(np.ones((9, 9), int), verbose=False)
    own.process_masks_to_shapes()
    assert own.process_table().obs["label"].tolist() == [1]
    with pytest.raises(RuntimeError, match="Own overrides filter_cell_by_regionprops"):
        own.refilter()
