"""A step of one's own takes effect in the others, also with arrays that know nothing of runs."""

import dask.array as da
import numpy as np
import pytest
from drawing import OFF, draw, squares
from numpy.testing import assert_array_equal
from shapely import Polygon, affinity, box

from postseg import PostSegmentation

# Areas of 4 (debris), 64, 64, 64 and 900.
TISSUE = squares(2, 8, 8, 8, 30)


# ---- a filter of one's own: array in, array out


class Own(PostSegmentation):
    """Keeps every cell and its number."""

    def filter_cell_by_regionprops(self, seg_masks):
        return np.array(seg_masks)


def test_labels_that_are_not_consecutive_stay_index_and_names():
    _, gdf, shapes = Own(draw("7..7 .... 3...").tolist(), 2).process_masks_to_shapes()
    assert gdf.index.tolist() == shapes.index.tolist() == [3, 7]
    assert gdf["cell_id"].tolist() == shapes["region"].tolist() == ["cell_3", "cell_7"]


@pytest.fixture
def sparse():
    return np.array([[2**40, 0, 5], [0, 0, 0], [9, 9, 0]])


def test_any_ids_do(sparse):
    masks, gdf, shapes = Own(sparse).process_masks_to_shapes()
    assert gdf.index.tolist() == [5, 9, 2**40]
    assert shapes["region"].tolist() == ["cell_5", "cell_9", f"cell_{2**40}"]
    assert_array_equal(masks, sparse)


def test_polygons_belong_to_their_labels(sparse):
    gdf = Own(sparse).process_masks_to_shapes()[1]
    assert [polygon.centroid.x for polygon in gdf.geometry] == [2, 0.5, 0]


def test_an_array_of_another_kind_may_come_out():
    class Foreign(PostSegmentation):
        def filter_cell_by_regionprops(self, seg_masks):
            return np.asfortranarray(seg_masks, dtype=">f8")

    post = Foreign(squares(3, 4), filter_config=OFF)
    assert len(post.process_masks_to_shapes()[1]) == 2
    assert_array_equal(post.process_labels()[1], squares(3, 4))


def test_a_filter_of_ones_own_makes_no_report():
    post = Own(squares(3, 4))
    post.process_masks_to_shapes()
    assert post.filter_report is None
    assert post.regions is None


def test_a_filter_of_ones_own_that_leaves_nothing_is_an_error():
    class Nothing(PostSegmentation):
        def filter_cell_by_regionprops(self, seg_masks):
            return np.zeros_like(seg_masks)

    post = Nothing(squares(3))
    with pytest.raises(RuntimeError, match="No cell is left"):
        post.process_masks_to_shapes()
    assert_array_equal(post.masks, squares(3))


def test_a_filter_of_ones_own_that_returns_nothing_is_an_error():
    class Forgetful(PostSegmentation):
        def filter_cell_by_regionprops(self, seg_masks):
            super().filter_cell_by_regionprops(seg_masks)

    with pytest.raises(TypeError, match="object"):
        Forgetful(TISSUE, verbose=False).process_masks_to_shapes()


def test_a_filter_may_go_on_from_the_built_in_one():
    class Second(PostSegmentation):
        def filter_cell_by_regionprops(self, seg_masks):
            found = super().filter_cell_by_regionprops(seg_masks)
            found[found == 1] = 0
            return found

    gdf = Second(TISSUE, verbose=False).process_masks_to_shapes()[1]
    assert gdf.index.tolist() == [2, 3, 4]


# ---- outlines of one's own


@pytest.mark.parametrize("in_place", [True, False])
def test_a_cell_that_a_filter_removes_afterwards_leaves_the_table_too(in_place):
    class WithoutTheFirst(PostSegmentation):
        def filter_cell_by_regionprops(self, seg_masks):
            masks = super().filter_cell_by_regionprops(seg_masks)
            masks = masks if in_place else masks.copy()
            masks[masks == 1] = 0
            return masks

    post = WithoutTheFirst(TISSUE, filter_config=OFF, verbose=False)
    post.process_masks_to_shapes()
    table = post.process_table()
    assert table.obs["label"].tolist() == post.shapes_model.index.tolist() == [2, 3, 4, 5]
    assert table.obs["area"].tolist() == [64, 64, 64, 900]
    assert post.verify().ok


def test_a_filter_that_only_sets_a_threshold_keeps_its_audit():
    class Small(PostSegmentation):
        def filter_cell_by_regionprops(self, seg_masks):
            return super().filter_cell_by_regionprops(seg_masks, max_area=100)

    post = Small(TISSUE, filter_config=OFF, verbose=False)
    post.process_masks_to_shapes()
    obs = post.process_table().obs
    assert obs["area"].tolist() == [4, 64, 64, 64]
    assert (obs["margin_too_large"] == 100 - obs["area"]).all()


def test_an_outline_of_ones_own_is_used():
    class Boxes(PostSegmentation):
        def masks_to_polygons(self, seg_masks, factor_rescale):
            return [box(0, 0, label * factor_rescale, 1) for label in (1, 2)]

    gdf = Boxes(squares(8, 9), 4, verbose=False).process_masks_to_shapes()[1]
    assert [polygon.bounds for polygon in gdf.geometry] == [(0, 0, 4, 1), (0, 0, 8, 1)]


def test_the_outlines_get_the_filtered_masks_and_the_factor():
    class Watching(PostSegmentation):
        def masks_to_polygons(self, seg_masks, factor_rescale):
            assert seg_masks.max() == 4
            assert factor_rescale == 3
            return super().masks_to_polygons(seg_masks, factor_rescale)

    plain = PostSegmentation(TISSUE, 3, verbose=False).process_masks_to_shapes()[1]
    watched = Watching(TISSUE, 3, verbose=False).process_masks_to_shapes()[1]
    assert [p.normalize() for p in watched.geometry] == [p.normalize() for p in plain.geometry]


def test_too_few_outlines_are_an_error_not_a_shift_of_names():
    class Losing(PostSegmentation):
        def masks_to_polygons(self, seg_masks, factor_rescale):
            return super().masks_to_polygons(seg_masks, factor_rescale)[1:]

    post = Losing(TISSUE, verbose=False)
    with pytest.raises(ValueError, match="3 polygons for 4 labels"):
        post.process_masks_to_shapes()
    assert post.gdf_polygons is None


# ---- mirroring of one's own


def test_mirroring_of_ones_own_gets_one_polygon_at_a_time():
    seen = []

    class Turned(PostSegmentation):
        def mirror_y0(self, geom):
            seen.append(type(geom))
            return affinity.scale(geom, -1, 1, origin=(0, 0))

    gdf = Turned(squares(8, 9), verbose=False).process_masks_to_shapes()[1]
    assert set(seen) == {Polygon}
    # columns 1 to 8 and 10 to 18; rows from 1, not mirrored and not below 0: not shifted
    assert gdf.total_bounds.tolist() == [-18.5, 0.5, -0.5, 9.5]


def test_mirroring_may_be_switched_off():
    class Upright(PostSegmentation):
        @staticmethod
        def mirror_y0(geom):
            return geom

    gdf = Upright(draw("..1 ... ..."), filter_config=OFF, verbose=False).process_masks_to_shapes()[
        1
    ]
    assert gdf.total_bounds.tolist() == [1.5, 0, 2.5, 1]


# ---- whether masks are those of the filter run is decided by their runs


def rolled(masks):
    """All cells five columns to the right: the same labels, of the same areas, elsewhere."""
    return np.roll(masks, 5, axis=1)


def swapped(masks):
    """Two cells of one area under each other's label."""
    return np.choose(masks, [0, 1, 3, 2, 4, 5])


@pytest.mark.parametrize("change", [rolled, swapped])
@pytest.mark.parametrize("lazy", [False, True])
def test_the_table_describes_masks_that_a_filter_changed_without_changing_areas(change, lazy):
    class Changed(PostSegmentation):
        def filter_cell_by_regionprops(self, seg_masks):
            masks = change(np.asarray(super().filter_cell_by_regionprops(seg_masks)))
            return da.from_array(masks, chunks=20) if lazy else masks

    image = np.pad(TISSUE, ((0, 0), (0, 5)))
    post = Changed(da.from_array(image, chunks=20) if lazy else image, filter_config=OFF)
    post.verbose = False
    masks = np.asarray(post.process_masks_to_shapes()[0])
    obs = post.process_table().obs
    for label, row, column in zip(
        obs["label"], obs["centroid_row"], obs["centroid_col"], strict=True
    ):
        assert (row, column) == tuple(np.argwhere(masks == label).mean(axis=0))
    assert "rejected" not in post.table.uns["postseg"]


def test_a_run_that_bypasses_the_built_in_filter_is_not_shown_as_the_one_before():
    class Sometimes(PostSegmentation):
        bypass = False

        def filter_cell_by_regionprops(self, seg_masks):
            if self.bypass:
                return np.array(seg_masks)
            return super().filter_cell_by_regionprops(seg_masks)

    post = Sometimes(TISSUE, verbose=False)
    post.process_masks_to_shapes()
    post.bypass = True
    post.process_masks_to_shapes()
    with pytest.raises(RuntimeError, match=r"overrides filter_cell_by_regionprops\(\)"):
        post.plot_filter()


def test_masks_of_another_shape_are_an_error():
    class Cropping(PostSegmentation):
        def filter_cell_by_regionprops(self, seg_masks):
            return super().filter_cell_by_regionprops(seg_masks)[:-1]

    height, width = TISSUE.shape
    expected = rf"shape \({height - 1}, {width}\) for masks of shape \({height}, {width}\)"
    with pytest.raises(ValueError, match=expected):
        Cropping(TISSUE, verbose=False).process_masks_to_shapes()


@pytest.mark.parametrize(
    ("outlines", "words"),
    [(None, r"masks_to_polygons\(\) returned None"), ([box(0, 0, 1, 1), None], "None for the lab")],
)
def test_outlines_that_are_none_are_an_error(outlines, words):
    class Forgetful(PostSegmentation):
        def masks_to_polygons(self, seg_masks, factor_rescale):
            return outlines

    with pytest.raises(TypeError, match=words):
        Forgetful(squares(8, 9), verbose=False).process_masks_to_shapes()


def test_a_mirror_that_returns_nothing_is_an_error():
    class Forgetful(PostSegmentation):
        def mirror_y0(self, geom):
            super().mirror_y0(geom)

    with pytest.raises(TypeError, match=r"mirror_y0\(\) returned None for the label 1"):
        Forgetful(squares(8, 9), verbose=False).process_masks_to_shapes()
