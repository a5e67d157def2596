"""How other people build on postseg: a reason of their own, and a larger class around it."""

import numpy as np
import pandas as pd
import pytest
from drawing import draw, squares
from scipy import ndimage as ndi

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


def test_a_reason_that_is_returned_twice_is_an_error():
    class Twice(PostSegmentation):
        def rejections(self, regions):
            failed = super().rejections(regions)
            return pd.concat([failed, failed[["too_small"]]], axis=1)

    with pytest.raises(ValueError, match="'too_small' twice"):
        Twice(TISSUE, verbose=False).process_masks_to_shapes()


# ---- a filter by signal


class Bright(PostSegmentation):
    """The example of the documents: a minimum of signal, whichever image is filtered."""

    def __init__(self, masks, signal, **settings):
        super().__init__(masks, **settings)
        self.signal = signal

    def rejections(self, regions):
        failed = super().rejections(regions)
        mean = ndi.mean(self.signal, labels=self.input_masks, index=regions["source_label"])
        failed["dark"] = mean < 0.5
        return failed


@pytest.fixture
def bright():
    """Debris first, so that labels change; then dark cells of odd label, bright ones of even."""
    masks = squares(2, 8, 9, 10, 11)
    return Bright(masks, (masks % 2 == 0).astype(float), verbose=False)


def test_a_hook_sees_the_image_that_is_filtered_on_a_second_run_too(bright):
    for run in (
        bright.process_masks_to_shapes,
        bright.process_masks_to_shapes,
        bright.refilter,
        lambda: bright.threshold_sweep("max_area", [None]),
    ):
        run()
        assert bright.regions["reason"].tolist() == ["tiny_artifacts", "", "dark", "", "dark"]


def test_a_hook_sees_another_image_while_that_is_filtered(bright):
    bright.process_masks_to_shapes()
    other = bright.input_masks[::-1].copy()
    bright.signal = bright.signal[::-1]
    bright.filter_cell_by_regionprops(other)
    kept = bright.regions[bright.regions["label"] > 0]
    assert sorted(kept["source_label"]) == [2, 4]
    figure = bright.plot_sweep("max_area")  # of the run that is shown
    assert figure is not None
    assert bright.input_masks is not other


def test_a_sweep_kept_what_the_hook_keeps(bright):
    bright.process_masks_to_shapes()
    assert bright.threshold_sweep("max_area", [None, 70])["kept"].tolist() == [2, 1]


def test_the_image_that_a_hook_sees_cannot_be_written_to(bright):
    with pytest.raises(ValueError, match="read-only"):
        bright.input_masks[0, 0] = 1
    bright.signal[0, 0] = 1  # whereas the user's own arrays still can


# ---- a class that is built in its own way


class NoInit(PostSegmentation):
    """Assigns one by one, and never calls our `__init__`."""

    def __init__(self, masks):
        self.masks = masks
        self.factor_rescale = 2
        self.label_name = "nuclei"
        self.gdf_polygons = None
        self.shapes_model = None
        self.labels_model = None


class OnlyMasks(PostSegmentation):
    def __init__(self, masks):
        self.masks = masks


def test_a_class_that_forgets_our_init_works(capsys):
    post = NoInit(TISSUE)
    assert post.process_masks_to_shapes()[0].max() == 4
    assert post.process_labels()[1].name == "nuclei"
    assert post.verify().ok
    assert "4 of 5 regions passed" in capsys.readouterr().out


def test_settings_that_were_never_assigned_have_their_defaults():
    post, plain = OnlyMasks(TISSUE), PostSegmentation(TISSUE)
    names = ["factor_rescale", "label_name", "shape_name", "origin", "filter_config"]
    names += ["verbose", "save_debug", "n_jobs", "progress"]
    assert {n: getattr(post, n) for n in names} == {n: getattr(plain, n) for n in names}
    with pytest.raises(RuntimeError, match="no masks yet"):
        PostSegmentation.__new__(PostSegmentation).process_labels()


class Other:
    """Another base, which takes its own keyword and hands on the rest."""

    def __init__(self, *args, model="nuclei", **others):
        super().__init__(*args, **others)
        self.model = model


class OursFirst(PostSegmentation, Other):
    pass


class OursLast(Other, PostSegmentation):
    pass


@pytest.mark.parametrize("kind", [OursFirst, OursLast])
def test_it_can_be_one_of_several_bases_in_any_order(kind):
    post = kind(TISSUE, factor_rescale=2, model="cyto3", verbose=False)
    assert post.model == "cyto3"
    assert post.factor_rescale == 2
    assert post.process_masks_to_shapes()[0].max() == 4


@pytest.mark.parametrize("kind", [PostSegmentation, OursLast])
def test_a_misspelt_setting_is_refused_with_what_was_meant(kind):
    with pytest.raises(TypeError, match="no setting 'lable_name': did you mean 'label_name'"):
        kind(TISSUE, lable_name="cells")


def test_a_threshold_among_the_settings_is_told_where_it_belongs():
    with pytest.raises(TypeError, match=r"give filter_config=\{'max_area': 500\}"):
        PostSegmentation(max_area=500)
