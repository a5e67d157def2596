"""`Slide`: tiles as they arrive, what is missing and undecided, and what users make of it."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from drawing import OFF, draw
from numpy.testing import assert_array_equal

from postseg import PostSegmentation, Slide, merge_tiles, plan_tiles
from postseg.raster.images import paint

SEEN = draw(
    """
    11...22
    11...22
    .......
    3333333
    .......
    44...55
    44...55
    """
)


def image_of(runs):
    return paint(runs, runs.label)


def slide_of(image, plan, **settings):
    slide = Slide(image.shape, plan=plan, **settings)
    for top, left, bottom, right in slide.plan:
        slide.add(image[top:bottom, left:right], (top, left))
    return slide


HALVES = [(0, 0, 7, 4), (0, 3, 7, 7)]


def test_a_cell_that_a_seam_cuts_is_one_cell():
    slide = slide_of(SEEN, HALVES)
    assert_array_equal(image_of(slide.merge()), SEEN)
    assert slide.report.joined == 1
    assert slide.report.cells == 5


def test_one_call():
    tiles = [SEEN[:, :4], SEEN[:, 3:]]
    assert_array_equal(image_of(merge_tiles(tiles, [(0, 0), (0, 3)], SEEN.shape)), SEEN)
    with pytest.raises(ValueError, match="2 tiles and 1 origins"):
        merge_tiles(tiles, [(0, 0)], SEEN.shape)


def test_tiles_that_do_not_overlap_are_joined_along_the_seam():
    image = image_of(merge_tiles([SEEN[:, :4], SEEN[:, 4:]], [(0, 0), (0, 4)], SEEN.shape))
    assert_array_equal(image, SEEN)


def test_ids_that_are_shared_stay():
    ids = SEEN.astype(np.int64) * 10**12
    runs = slide_of(ids, HALVES, ids="shared").merge()
    assert_array_equal(np.asarray(runs.label_image()), ids)


def test_a_single_tile_is_the_slide():
    assert_array_equal(image_of(merge_tiles([SEEN], [(0, 0)], SEEN.shape)), SEEN)
    assert not merge_tiles([SEEN * 0], [(0, 0)], SEEN.shape).row.size


def test_what_is_missing_is_left_of_the_plan_in_its_order():
    slide = Slide(SEEN.shape, plan=HALVES[::-1])
    assert slide.missing == HALVES[::-1]
    slide.add(SEEN[:, :4], (0, 0))
    assert slide.missing == [HALVES[1]]
    assert slide.tiles == [HALVES[0]]
    with pytest.raises(ValueError, match=r"1 of the 2 tiles .* rows 0:7, columns 3:7.*partial"):
        slide.merge()
    half = image_of(slide.merge(partial=True))
    assert_array_equal(half > 0, np.isin(SEEN, (1, 3, 4)) & (np.arange(7) < 4))


def test_cells_are_undecided_where_a_tile_of_the_plan_may_change_them():
    slide = Slide(SEEN.shape, plan=HALVES)
    assert slide.undecided == 0
    slide.add(SEEN[:, :4], (0, 0))
    assert slide.undecided == 1  # 3: the others keep off what is to come
    slide.add(SEEN[:, 3:], (0, 3))
    assert slide.undecided == 0


def test_without_a_plan_all_that_is_cut_is_undecided():
    slide = Slide(SEEN.shape)
    slide.add(SEEN[:, :4], (0, 0))
    assert slide.missing == []
    assert slide.undecided == 1
    slide.add(SEEN[:, 3:], (0, 3))
    assert slide.undecided == 1
    shared = Slide(SEEN.shape, ids="shared")
    shared.add(SEEN[:, :4], (0, 0))
    assert shared.undecided == 1


def test_what_is_undecided_spreads_through_shared_pixels():
    image = draw("111111111")
    plan = [(0, 0, 1, 4), (0, 2, 1, 7), (0, 6, 1, 9)]
    slide = Slide(image.shape, plan=plan)
    slide.add(image[:, :4], (0, 0))
    slide.add(image[:, 2:7], (0, 2))
    assert slide.undecided == 1
    assert slide.merge(partial=True).row.size == 1


def test_the_same_tile_again_changes_nothing_and_another_one_is_refused():
    slide = Slide(SEEN.shape)
    assert slide.add(SEEN[:, :4], (0, 0)) == (0, 0, 7, 4)
    slide.add(SEEN[:, :4].astype(np.int64), [0, 0])
    with pytest.raises(ValueError, match=r"rows 0:7, columns 0:4 .*other content.*overwrite=True"):
        slide.add(SEEN[:, :4] * 0, (0, 0))
    slide.add(SEEN[:, :4] * 0, (0, 0), overwrite=True)
    assert not slide.merge().row.size


@pytest.mark.parametrize(
    ("tile", "origin", "error"),
    [
        (SEEN, (1, 0), r"row 1, column 0 .*leaves the slide of 7 x 7"),
        (SEEN, (-1, 0), r"row -1, column 0 .*leaves the slide"),
        (SEEN, (0.0, 0), r"the tile at \(0.0, 0\)"),
        (SEEN[:0], (0, 0), "no pixels"),
        (-SEEN.astype(int), (0, 0), "the tile at row 0, column 0: masks has the negative label"),
        (SEEN + 0.5, (0, 0), "the tile at row 0, column 0: masks has dtype float64"),
        (np.stack([SEEN, SEEN]), (0, 0), "the tile at row 0, column 0: .*2-D"),
    ],
)
def test_a_tile_that_is_none(tile, origin, error):
    slide = Slide(SEEN.shape)
    with pytest.raises(ValueError, match=error):
        slide.add(tile, origin)
    assert slide.tiles == []


def test_an_origin_in_the_image_is_divided_by_the_factor():
    slide = Slide(SEEN.shape)
    assert slide.add(SEEN[:, 3:], (0, 12), factor=4) == (0, 3, 7, 7)
    with pytest.raises(ValueError, match="11 is no multiple of 4"):
        slide.add(SEEN[:, 3:], (0, 11), factor=4)


def test_a_tile_that_is_not_planned():
    slide = Slide(SEEN.shape, plan=HALVES)
    with pytest.raises(ValueError, match=r"columns 0:5, which is not in the plan.*columns 0:4"):
        slide.add(SEEN[:, :5], (0, 0))


def test_shared_ids_that_contradict_each_other_name_tiles_and_place():
    slide = Slide(SEEN.shape, ids="shared")
    slide.add(SEEN[:, :4], (0, 0))
    slide.add(np.where(SEEN == 3, 9, SEEN)[:, 3:], (0, 3))
    with pytest.raises(
        ValueError,
        match=r"row 3, column 3 .*label 3 in the tile at rows 0:7, columns 0:4, and 9 in the tile "
        "at rows 0:7, columns 3:7",
    ):
        slide.merge()


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"shape": (0, 5)}, "shape is"),
        ({"shape": (5.0, 5)}, "shape is"),
        ({"shape": 5}, "shape is"),
        ({"shape": (2**31, 5)}, "shape is"),
        ({"ids": "global"}, "'local'.*'shared'"),
        ({"rim": -1}, "rim is"),
        ({"rim": 1.0}, "rim is"),
        ({"rim": True}, "rim is"),
    ],
)
def test_settings_that_are_none(settings, error):
    with pytest.raises(ValueError, match=error):
        Slide(**{"shape": (5, 5), **settings})


@pytest.mark.parametrize("factor", [2.5, -4, "4", None, np.nan])
def test_a_factor_that_is_none(factor):
    slide = Slide(SEEN.shape)
    with pytest.raises((TypeError, ValueError), match="factor_rescale is"):
        slide.add(SEEN, (0, 0), factor=factor)
    assert slide.tiles == []


def test_a_factor_of_another_type(tmp_path):
    slide = Slide(SEEN.shape, store=tmp_path / "a.tiles")
    slide.add(SEEN[:, 3:], (0, 6), factor=2.0)
    slide.add(SEEN[:, :4], (0, np.int64(0)), factor=0)
    assert slide.tiles == HALVES


def test_a_store_stays_where_it_was_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    slide = Slide(SEEN.shape, store="a.tiles")
    (tmp_path / "sub" / "a.tiles").mkdir(parents=True)
    monkeypatch.chdir("sub")
    slide.add(SEEN, (0, 0))
    assert len(list((tmp_path / "a.tiles").iterdir())) == 1
    assert not list((tmp_path / "sub" / "a.tiles").iterdir())


def test_a_seam_that_a_tile_to_come_sees_decides_nothing_yet():
    """It may be seen there that the better one of two is none, and the other is joined then."""
    plan = [(0, 0, 10, 20), (10, 0, 20, 20), (5, 0, 15, 7)]
    above, below, between = (np.zeros(shape, int) for shape in ((10, 20), (10, 20), (10, 7)))
    above[8:, :6], above[8:, 8:11] = 1, 2
    below[:2, :11] = 1
    between[3:5, :6], between[5:7] = 1, 1
    slide = Slide((20, 20), plan=plan)
    slide.add(above, (0, 0))
    slide.add(below, (10, 0))
    assert slide.merge(partial=True).label.max() == 2
    assert slide.undecided == 2
    slide.add(between, (5, 0))
    assert slide.merge().label.max() == 1


def test_shared_ids_that_are_not_shared_are_told():
    image = np.zeros((80, 40), int)
    for i in range(10):
        image[8 * i : 8 * i + 4, 4:8], image[8 * i : 8 * i + 4, 24:28] = i + 1, 10 - i
    slide = Slide(image.shape, ids="shared")
    slide.add(image[:, :20], (0, 0))
    slide.add(image[:, 20:], (0, 20))
    with pytest.warns(UserWarning, match=r"10 of the 10 cells in several tiles .* ids='local'"):
        slide.merge()


def test_a_shared_cell_is_of_the_tile_with_most_of_it():
    slide = Slide(SEEN.shape, ids="shared")
    slide.add(SEEN[:, :3], (0, 0))
    slide.add(SEEN[:, 2:], (0, 2))
    slide.merge()
    assert slide.sources.query("cell == 3")["tile"].tolist() == ["r0_c2_7x5", "r0_c0_7x3"]


def test_a_few_cells_far_from_seams_are_no_rim():
    image = np.zeros((200, 200), int)
    image[40:50, 40:50] = 1
    slide = Slide(image.shape)
    slide.add(image[:, :100], (0, 0))
    slide.add(image[:, 100:], (0, 100))
    slide.merge()  # without a warning, which would be an error here


def test_a_part_of_the_plan_may_be_looked_at():
    slide = Slide(SEEN.shape, plan=HALVES)
    slide.add(SEEN[:, :4], (0, 0))
    with pytest.raises(ValueError, match="partial=True"):
        PostSegmentation(slide)
    post = PostSegmentation(slide.merged(partial=True), filter_config=OFF, verbose=False)
    post.refilter()
    assert post.regions["cut"].tolist() == [False, True, False]


def test_a_copy_has_tiles_of_its_own():
    slide = Slide(SEEN.shape)
    other = copy.copy(slide)
    other.add(SEEN, (0, 0))
    assert slide.tiles == []


def test_a_plan_that_is_no_list():
    with pytest.raises(ValueError, match="plan is 5; give a list of tiles"):
        Slide(SEEN.shape, plan=5)


def test_nothing_to_merge():
    with pytest.raises(ValueError, match="no tiles"):
        Slide((5, 5)).merge()


def test_a_model_that_leaves_the_rim_empty_is_told():
    image = draw("..11111..")
    tiles = [draw("..11."), draw(".111..")]  # the model saw no more at columns 4 and 3
    slide = Slide(image.shape)
    slide.add(tiles[0], (0, 0))
    slide.add(tiles[1], (0, 3))
    with pytest.warns(UserWarning, match=r"within 1 pixel of a seam.*rim=1"):
        slide.merge()
    told = Slide(image.shape, rim=1)
    told.add(tiles[0], (0, 0))
    told.add(tiles[1], (0, 3))
    told.merge()  # without a warning, which would be an error here


def test_cells_that_gaps_cut_are_told_and_flagged():
    slide = Slide(SEEN.shape)
    slide.add(SEEN[:, :4], (0, 0))
    with pytest.warns(UserWarning, match=r"1 cell cut by gaps.*rows 0:7, columns 4:7"):
        slide.merge()
    assert slide.report.cut == 1
    with pytest.warns(UserWarning, match="cut by gaps"):
        post = PostSegmentation(slide, filter_config=OFF, verbose=False)
    post.process_masks_to_shapes()
    assert post.regions["cut"].tolist() == [False, True, False]
    with pytest.warns(UserWarning, match=r"Cut By Border 3 \(border\)"):
        post.refilter(border="drop")
    assert post.regions["reason"].tolist() == ["cut_by_border"] * 3  # the others by the edge


def test_masks_may_be_a_slide():
    slide = slide_of(SEEN, HALVES)
    post = PostSegmentation(slide, 2, "cells", filter_config=OFF, verbose=False)
    plain = PostSegmentation(SEEN, 2, "cells", filter_config=OFF, verbose=False)
    for each in (post, plain):
        each.process_masks_to_shapes()
        each.process_labels()
    assert_array_equal(np.asarray(post.masks), plain.masks)
    assert post.gdf_polygons.equals(plain.gdf_polygons)
    assert_array_equal(np.asarray(post.labels_model.data), np.asarray(plain.labels_model.data))
    assert post.regions[plain.regions.columns].equals(plain.regions)


def test_the_audit_tells_where_cells_came_from():
    post = PostSegmentation(slide_of(SEEN, HALVES), filter_config=OFF, verbose=False)
    post.process_masks_to_shapes()
    left, right = "r0_c0_7x4", "r0_c3_7x4"
    assert post.regions["tile"].tolist() == [left, right, left, left, right]
    assert post.regions["tile_label"].tolist() == [1, 2, 3, 4, 5]
    assert post.regions["n_tiles"].tolist() == [1, 1, 2, 1, 1]
    assert post.regions["role"].tolist() == ["single", "single", "joined", "single", "single"]
    assert not post.regions["cut"].any()


def test_sources_have_a_row_for_each_piece_of_a_cell():
    slide = slide_of(SEEN, HALVES)
    assert slide.sources is None
    slide.merge()
    third = slide.sources.query("cell == 3")
    assert third["tile"].tolist() == ["r0_c0_7x4", "r0_c3_7x4"]
    assert third["tile_label"].tolist() == [3, 3]
    assert slide.sources.groupby("cell").size().tolist() == [1, 1, 2, 1, 1]


def test_a_slide_that_grows_after_it_was_assigned_is_assigned_again():
    slide = Slide(SEEN.shape)
    slide.add(SEEN[:, :3], (0, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        post = PostSegmentation(slide, filter_config=OFF, verbose=False)
    slide.add(SEEN[:, 2:], (0, 2))
    assert np.asarray(post.masks)[:, 4:].max() == 0
    post.masks = slide
    assert_array_equal(np.asarray(post.masks), SEEN)


def test_a_slide_that_is_not_complete_is_no_mask_and_what_was_held_stays():
    post = PostSegmentation(SEEN, filter_config=OFF, verbose=False)
    with pytest.raises(ValueError, match="2 of the 2 tiles"):
        post.masks = Slide(SEEN.shape, plan=HALVES)
    assert_array_equal(post.masks, SEEN)


def test_a_slide_tells_what_it_is_and_can_be_pickled():
    slide = slide_of(SEEN, HALVES, rim=0)
    assert repr(slide) == "Slide 7 x 7: 2 of 2 tiles in memory, ids local, rim 0"
    again = pickle.loads(pickle.dumps(slide))
    assert again.merge().same(slide.merge())


def test_other_functions_take_a_slide_too():
    from postseg import masks_to_polygons, measure_regions

    slide = slide_of(SEEN, HALVES)
    assert measure_regions(slide).equals(measure_regions(SEEN))
    assert len(masks_to_polygons(slide, 1)) == 5


def test_a_plan_of_a_grid():
    plan = plan_tiles(SEEN.shape, 4, 1)
    assert len(plan) == 4
    assert_array_equal(image_of(slide_of(SEEN, plan).merge()), SEEN)


def test_a_store_is_opened_as_it_was_made(tmp_path):
    slide = slide_of(SEEN, HALVES, store=tmp_path / "a.tiles", ids="shared", rim=1)
    again = Slide.open(tmp_path / "a.tiles", plan=HALVES)
    assert repr(again) == repr(slide)
    assert again.merge().same(slide.merge())
    with pytest.raises(ValueError, match="no tiles that a Slide stored"):
        Slide.open(tmp_path)
    with pytest.raises(ValueError, match="not in the plan"):
        Slide.open(tmp_path / "a.tiles", plan=[(0, 0, 7, 7)])
    with pytest.raises(FileExistsError, match="holds another tile of rows 0:7, columns 0:4"):
        again.add(SEEN[:, :4] * 0, (0, 0))
