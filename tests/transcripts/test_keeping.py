"""What becomes of counts afterwards: other thresholds, other filters, other settings."""

import numpy as np
import pandas as pd
import pytest
from drawing import OFF, squares
from transcripts import xenium
from transcripts.agreement import assert_agree, expect, same_counts, settings_of
from transcripts.counted import Source

from postseg import PostSegmentation

SETTINGS = {"label_name": "cells", "verbose": False}


@pytest.fixture(scope="module")
def slide():
    return xenium.make(n=4000)


@pytest.fixture
def source(slide):
    return Source(slide.points)


@pytest.fixture
def post(slide, source):
    post = PostSegmentation(slide.masks, **SETTINGS)
    post.process_points(source.frame, pixel_size=0.2125)
    return post


def oracle(slide):
    return slide.points.rename(columns={"feature_name": "gene"})


# ---- other thresholds


def test_points_are_read_in_one_pass(post, source):
    assert sorted(source.reads) == [0, 1, 2, 3]


def test_a_refilter_equals_a_fresh_run_and_reads_no_point(post, source, slide):
    source.reads.clear()
    loose = {"min_area": None, "min_absolute_area": 20, "max_convexity_deficit": None}
    post.refilter(**loose)
    post.process_table()
    assert source.reads == []
    fresh = PostSegmentation(slide.masks, filter_config=loose, **SETTINGS)
    fresh.process_points(slide.points, pixel_size=0.2125)
    assert fresh.filter_report.passed > 50
    same_counts(post, fresh)
    assert_agree(fresh, expect(fresh, slide.masks, oracle(slide)))


def test_a_sweep_reads_no_point_and_tells_the_share_in_cells(post, source, slide):
    source.reads.clear()
    values = [0.05, 0.2, None]
    table = post.threshold_sweep("max_convexity_deficit", values)
    assert source.reads == []
    for value, (_, row) in zip(values, table.iterrows(), strict=True):
        fresh = PostSegmentation(slide.masks, **SETTINGS)
        fresh.filter_config = {"max_convexity_deficit": value}
        fresh.process_points(slide.points, pixel_size=0.2125, keep_points=False)
        expected = expect(fresh, slide.masks, oracle(slide))
        assert expected.n_transcripts > expected.X.sum()
        assert row["transcripts"] == expected.X.sum()
        assert row["transcript_share"] == expected.X.sum() / expected.n_transcripts


def test_the_filter_run_again_reads_no_point(post, source):
    before = post.table.X.toarray()
    source.reads.clear()
    post.filter_config = {"max_area": int(post.table.obs["area"].median())}
    post.process_masks_to_shapes()
    post.process_table()
    assert source.reads == []
    assert post.table.shape[0] == post.filter_report.passed
    assert post.table.X.sum() < before.sum()
    assert "transcript_counts" in post.regions


@pytest.mark.parametrize("annotates", ["labels", "shapes"])
def test_process_table_keeps_the_counts(post, source, slide, annotates):
    source.reads.clear()
    post.process_table(annotates)
    assert source.reads == []
    assert_agree(post, expect(post, slide.masks, oracle(slide)))


def test_a_minimum_of_transcripts_is_one_line(slide, source):
    class AtLeast(PostSegmentation):
        least = 0

        def rejections(self, regions):
            failed = super().rejections(regions)
            if "transcript_counts" in regions:
                failed["few_transcripts"] = regions["transcript_counts"] < self.least
            return failed

    post = AtLeast(slide.masks, **SETTINGS)
    post.process_points(source.frame, pixel_size=0.2125)
    counts = post.regions["transcript_counts"]
    source.reads.clear()
    post.least = int(counts[post.regions["label"] > 0].median())
    post.refilter()
    post.process_table()
    assert source.reads == []
    few = post.regions["reason"] == "few_transcripts"
    assert few.sum() == post.filter_report.rejected["few_transcripts"] > 5
    assert (post.regions.loc[few, "transcript_counts"] < post.least).all()
    assert (post.regions.loc[post.regions["label"] > 0, "transcript_counts"] >= post.least).all()
    assert post.transcripts.loc["rejected_few_transcripts", "gene"] == counts[few].sum()
    assert_agree(post, expect(post, slide.masks, oracle(slide)))


# ---- a filter of a subclass's own


class EvenOnly(PostSegmentation):
    def filter_cell_by_regionprops(self, seg_masks):
        masks = np.asarray(seg_masks)
        return np.where(masks % 2 == 0, masks, 0)


def test_with_a_filter_of_its_own_points_are_looked_up_in_the_masks(slide):
    post = EvenOnly(slide.masks, **SETTINGS)
    post.process_points(slide.points, pixel_size=0.2125)
    assert [*post.transcripts.index] == ["in_cells", "background_or_rejected", "outside", "invalid"]
    expected = expect(post, slide.masks, oracle(slide), own_filter=True)
    assert_agree(post, expected, own_filter=True)
    assert settings_of(post)["looked_up_in"] == "masks"


def test_counts_stay_when_such_a_filter_makes_the_same_masks_again(slide, source):
    post = EvenOnly(slide.masks, **SETTINGS)
    post.process_points(source.frame, pixel_size=0.2125)
    table, ledger = post.table.X.toarray(), post.transcripts
    source.reads.clear()
    post.process_masks_to_shapes()
    assert post.transcripts.equals(ledger)
    np.testing.assert_array_equal(post.process_table().X.toarray(), table)
    assert source.reads == []


def test_a_label_in_two_parts_is_one_cell_of_such_a_filter():
    masks = np.array([[2, 0, 2, 4]])
    post = EvenOnly(masks, **SETTINGS)
    x = [0.5, 2.5, 2.5, 3.5, 1.5]
    post.process_points(pd.DataFrame({"x": x, "y": 0.5, "gene": "A"}))
    assert post.table.obs["label"].tolist() == [2, 4]
    assert post.table.X.toarray().tolist() == [[3], [1]]
    assert post.points_model.compute()["label"].tolist() == [2, 2, 2, 4, 0]


def test_a_filter_that_edits_masks_first_tells_the_reasons(slide):
    class Without(PostSegmentation):
        def filter_cell_by_regionprops(self, seg_masks, **thresholds):
            return super().filter_cell_by_regionprops(edited, **thresholds)

    edited = np.where(slide.masks % 3 == 0, 0, slide.masks)
    post = Without(slide.masks, **SETTINGS)
    post.process_points(slide.points, pixel_size=0.2125)
    assert post.transcripts.loc["rejected_too_small", "gene"] > 0
    assert_agree(post, expect(post, edited, oracle(slide)))


# ---- how long counts live


def small():
    masks = squares(8, 9)
    post = PostSegmentation(masks, label_name="cells", verbose=False, filter_config=OFF)
    points = pd.DataFrame({"x": [3.5, 12.5, 13.5, 0.5], "y": 3.5, "gene": "A"})
    post.process_points(points)
    return post


def test_counts_go_with_the_masks():
    post = small()
    post.masks = squares(8, 9)
    assert post.transcripts is post.points_model is post.table is None
    post.process_masks_to_shapes()
    assert "transcript_counts" not in post.regions
    assert post.process_table().shape[1] == 0


@pytest.mark.parametrize(
    ("name", "value"), [("origin", (0, 1)), ("factor_rescale", 2), ("image_shape", (22, 38))]
)
def test_counts_go_with_the_place_that_they_were_made_at(name, value):
    post = small()
    setattr(post, name, value)
    assert post.transcripts is post.points_model is post.table is None
    post.process_masks_to_shapes()
    assert post.process_table().shape[1] == 0
    assert "transcript_counts" not in post.regions


def test_counts_stay_when_only_a_name_changes():
    post = small()
    ledger = post.transcripts
    post.label_name = "nuclei"
    assert post.table is None
    assert post.transcripts.equals(ledger)
    table = post.process_table()
    assert table.X.toarray().tolist() == [[1], [2]]
    assert settings_of(post)["element"] == "nuclei_transcripts"


def test_points_and_ledger_follow_other_thresholds():
    post = small()
    assert post.points_model.compute()["label"].tolist() == [1, 2, 2, 0]
    post.refilter(min_absolute_area=70)
    assert post.table is None
    assert post.points_model.compute()["label"].tolist() == [0, 1, 1, 0]
    assert post.points_model.compute()["region"].tolist() == [1, 2, 2, 0]
    assert post.transcripts.loc["in_cells", "gene"] == 2
    assert post.transcripts.loc["rejected_tiny_artifacts", "gene"] == 1
    assert post.process_table().X.toarray().tolist() == [[2]]


def test_other_points_replace_those_before():
    post = small()
    post.process_points(pd.DataFrame({"x": [3.5], "y": 3.5, "gene": "B"}))
    assert post.table.X.toarray().tolist() == [[1], [0]]
    assert post.regions["transcript_counts"].tolist() == [1, 0]
