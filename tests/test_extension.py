"""How other people build on postseg: a reason of their own, and a larger class around it."""

import numpy as np
import pandas as pd
import pytest
from drawing import draw, squares

from postseg import PostSegmentation

# Areas of 4 (debris), 64, 64, 64 and 900 (a giant).
TISSUE = squares(2, 8, 8, 8, 30)


class NoGiants(PostSegmentation):
    """The example of the class's documentation."""

    def rejections(self, regions):
        failed = super().rejections(regions)
        failed["giant"] = regions["area"] > 10 * regions["area"].median()
        return failed


# ---- a reason of one's own


def test_a_new_column_is_a_new_reason_in_the_report():
    post = NoGiants(TISSUE, verbose=False)
    post.process_masks_to_shapes()
    assert post.filter_report.rejected["giant"] == 1
    assert list(post.filter_report.rejected)[-1] == "giant"
    assert "Giant: 1 (20.0%)" in str(post.filter_report)
    assert post.regions["reason"].tolist() == ["tiny_artifacts", "", "", "", "giant"]


def test_a_new_reason_takes_effect_in_the_step():
    masks, gdf, _ = NoGiants(TISSUE, verbose=False).process_masks_to_shapes()
    assert masks.max() == len(gdf) == 3


def test_a_new_reason_counts_only_regions_that_passed_all_other_tests():
    post = NoGiants(TISSUE, filter_config={"max_area": 500}, verbose=False)
    post.process_masks_to_shapes()
    assert post.filter_report.rejected["too_large"] == 1
    assert post.filter_report.rejected["giant"] == 0


def test_counts_add_up_with_a_new_reason():
    post = NoGiants(TISSUE, verbose=False)
    post.process_masks_to_shapes()
    assert post.filter_report.passed + sum(post.filter_report.rejected.values()) == 5


def test_a_new_reason_that_rejects_the_last_cell_is_named_in_the_error():
    class Nobody(PostSegmentation):
        def rejections(self, regions):
            failed = super().rejections(regions)
            failed["not_today"] = True
            return failed

    with pytest.raises(RuntimeError, match="Not Today 4"):
        Nobody(TISSUE, verbose=False).process_masks_to_shapes()


def test_a_reason_may_be_taken_away():
    class KeepDebris(PostSegmentation):
        def rejections(self, regions):
            return super().rejections(regions).drop(columns=["tiny_artifacts", "too_small"])

    post = KeepDebris(TISSUE, verbose=False)
    assert post.process_masks_to_shapes()[0].max() == 5
    assert "tiny_artifacts" not in post.filter_report.rejected


def test_reasons_may_be_put_before_the_others():
    class BorderFirst(PostSegmentation):
        def rejections(self, regions):
            failed = super().rejections(regions)
            failed.insert(0, "at_the_border", regions["touches_border"])
            return failed

    post = BorderFirst(draw("1.. ... ..."), verbose=False)
    with pytest.warns(UserWarning, match="At The Border 1"):
        post.filter_cell_by_regionprops(post.masks)
    assert post.regions["reason"].tolist() == ["at_the_border"]


def test_a_hook_sees_the_thresholds_in_force():
    seen = []

    class Curious(PostSegmentation):
        def rejections(self, regions):
            seen.append(self.filter_config.max_area)
            return super().rejections(regions)

    post = Curious(filter_config={"max_area": 500}, verbose=False)
    post.filter_cell_by_regionprops(TISSUE)
    post.filter_cell_by_regionprops(TISSUE, max_area=99)
    assert seen == [500, 99]


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (lambda regions: None, ["rejections()", "DataFrame", "None"]),
        (lambda regions: regions["area"] > 5, ["rejections()", "DataFrame"]),
        (lambda regions: (regions[["area"]] > 5).to_numpy(), ["rejections()", "DataFrame"]),
        (lambda regions: (regions[["area"]] > 5).iloc[1:], ["one row per region"]),
        (lambda regions: (regions[["area"]] > 5).reset_index(), ["index"]),
        (lambda regions: regions[["area"]], ["'area'", "int64", "boolean"]),
        (lambda regions: pd.DataFrame({"why": ""}, regions.index), ["'why'", "boolean"]),
        (
            lambda regions: pd.DataFrame({"odd": pd.array([None] * 5, "boolean")}, regions.index),
            ["'odd'"],
        ),
    ],
)
def test_a_hook_that_returns_something_else_is_told_what_is_wrong(returned, words):
    class Wrong(PostSegmentation):
        def rejections(self, regions):
            return returned(regions)

    with pytest.raises((TypeError, ValueError)) as raised:
        Wrong(TISSUE, verbose=False).process_masks_to_shapes()
    assert [word for word in words if word not in str(raised.value)] == []


# ---- a larger class


class Segmenter(PostSegmentation):
    """Runs its model first: masks come after construction."""

    def __init__(self, image, **settings):
        super().__init__(**settings)
        self.image = image

    def run(self):
        self.masks = (self.image > 0.5).astype(np.uint8)
        self.process_masks_to_shapes()
        self.process_labels()
        return self


def test_a_larger_class_assigns_masks_when_it_has_them():
    image = np.where(squares(8, 9) > 0, 0.9, 0.1)
    segmenter = Segmenter(image, factor_rescale=2, label_name="nuclei", verbose=False).run()
    assert segmenter.shapes_model.index.tolist() == [1, 2]
    assert segmenter.labels_model.name == "nuclei"
    assert segmenter.labels_model.shape == (22, 40)


def test_one_object_serves_tile_after_tile():
    segmenter = Segmenter(None, verbose=False)
    for sides in [(8,), (8, 9), (9, 9, 9)]:
        segmenter.image = squares(*sides) > 0
        assert len(segmenter.run().gdf_polygons) == len(sides)


def test_a_larger_class_that_delegates_keeps_results_apart():
    tiles = [PostSegmentation(squares(*sides), verbose=False) for sides in [(8,), (8, 9)]]
    assert [len(tile.process_masks_to_shapes()[1]) for tile in tiles] == [1, 2]
    assert len(tiles[0].gdf_polygons) == 1
