"""The setting `outline`: what it drops, which hooks it goes with, and where its polygons lie."""

import numpy as np
import pandas as pd
import pytest
import shapely
from drawing import OFF, draw
from shapely import affinity
from tampering import tissue

from postseg import FilterConfig, PostSegmentation
from postseg._support.checks import OUTLINES
from postseg.elements.build import maps_to_systems

# 1 has a hole, the parts of 2 meet by a corner, those of 3 and 4 by one and the same
MASKS = draw("""
    11111...222
    1...1...222
    1...1.22...
    1...1.22...
    11111......
    .....34....
    .....43....""")
AREAS = [16, 10, 2, 2]
LOSSLESS = pytest.mark.parametrize("outline", ["pixels", "simplified"])


def made(masks=MASKS, factor=4, kind=PostSegmentation, **settings):
    return kind(masks, factor, "cells", **{"filter_config": OFF, "verbose": False, **settings})


def outlined(*args, **settings):
    return made(*args, **settings).process_masks_to_shapes()[1].geometry


def assert_identical(geometry, expected):
    geometry, expected = (np.array(some, dtype=object) for some in (geometry, expected))
    assert shapely.equals_identical(geometry, expected).all()


# ---- what it is


def test_contours_are_what_one_gets_without_asking():
    assert made().outline == PostSegmentation.__new__(PostSegmentation).outline == "contour"
    geometry = outlined()
    assert_identical(geometry, outlined(outline="contour"))
    assert set(geometry.geom_type) == {"Polygon"}
    assert not shapely.get_num_interior_rings(geometry.array).any()


def test_pixels_keep_areas_holes_and_parts():
    geometry = outlined(outline="pixels")
    assert (geometry.area / 16).tolist() == AREAS
    assert geometry.geom_type.tolist() == ["Polygon", *["MultiPolygon"] * 3]
    assert shapely.get_num_interior_rings(geometry[1]) == 1


def test_simplified_joins_what_meets_by_a_corner_and_keeps_holes():
    geometry = outlined(outline="simplified")
    assert geometry.geom_type.tolist() == [*["Polygon"] * 3, "MultiPolygon"]  # 3 has the corner
    assert shapely.get_num_interior_rings(geometry[1]) == 1


@LOSSLESS
def test_neighbours_share_their_edges(outline):
    geometry = outlined(outline=outline)
    assert shapely.coverage_is_valid(geometry.array)
    assert not shapely.coverage_is_valid(outlined(outline="contour").array)  # the corner of 3 and 4


@pytest.mark.parametrize("outline", OUTLINES)
def test_all_that_is_made_agrees(outline):
    post = made(tissue(), 3, origin=(5, 7), outline=outline)
    assert post.verify().ok
    sdata = post.to_spatialdata()
    assert sdata["cells_shapes"].geometry.tolist() == post.gdf_polygons.geometry.tolist()


@pytest.mark.parametrize("wrong", ["contours", "Pixels", "", None, 1])
def test_what_it_is_not_is_refused_at_once(wrong):
    with pytest.raises(ValueError, match=r"outline is .*'pixels'"):
        made(outline=wrong)
    post = made()
    post.process_masks_to_shapes()
    with pytest.raises(ValueError, match=r"outline is .*'pixels'"):
        post.outline = wrong
    assert post.outline == "contour"
    assert post.shapes_model is not None


def test_a_misspelling_is_answered_with_it():
    with pytest.raises(TypeError, match="no setting 'outlines': did you mean 'outline'"):
        made(outlines="pixels")


def test_among_the_thresholds_it_is_told_where_it_belongs(tmp_path):
    hint = r"unknown threshold 'outline': it is a setting, PostSegmentation\(outline=...\)"
    (tmp_path / "c.toml").write_text('outline = "pixels"')
    for misplace in (
        lambda: FilterConfig(outline="pixels"),
        lambda: PostSegmentation(filter_config={"outline": "pixels"}),
        lambda: FilterConfig.from_file(tmp_path / "c.toml"),
        lambda: made().refilter(outline="pixels"),
    ):
        with pytest.raises(ValueError, match=hint):
            misplace()


@LOSSLESS
def test_the_page_is_told_of_it(outline, tmp_path, monkeypatch):
    told = {}
    monkeypatch.setattr("postseg.show.page.pictures.illustrate", lambda *_: None)
    monkeypatch.setattr("postseg.show.page.render.render", lambda *_, **how: told.update(how) or "")
    post = made(outline=outline)
    post.refilter()
    post.write_report(tmp_path / "page.html")
    assert told["outline"] == outline


# ---- what it drops


def test_assigning_it_drops_the_elements_and_keeps_the_filter_run():
    post = made()
    post.to_spatialdata()
    kept = ["masks", "filter_report", "regions"]
    before = [getattr(post, name) for name in kept]
    post.outline = "pixels"
    for name in ("gdf_polygons", "shapes_model", "labels_model", "table"):
        assert getattr(post, name) is None
    assert all(getattr(post, name) is was for name, was in zip(kept, before, strict=True))
    assert post.process_table().uns["postseg"]["outline"] == "pixels"
    assert_identical(post.process_masks_to_shapes()[1].geometry, outlined(outline="pixels"))


def test_labels_follow_where_the_outlines_are_shifted_otherwise():
    """Of a filter of one's own: the lowest part of the label has no contour."""

    class Own(PostSegmentation):
        def filter_cell_by_regionprops(self, seg_masks):
            return np.array(seg_masks)

        def mirror_y0(self, geom):
            return affinity.scale(geom, 1, -1, origin=(0, 0))

    post = made(draw("111 111 ... 1.."), kind=Own)
    for outline, shift in {"contour": 1.5, "pixels": 3.5, "simplified": 3.5}.items():
        post.outline = outline
        post.process_masks_to_shapes()
        assert post.shapes_model.total_bounds[1] == 0
        to_raw = maps_to_systems(post.process_labels()[1])["mirrored"]
        np.testing.assert_array_equal(to_raw @ (2, 2, 1), (0, 4 * shift, 1))


# ---- hooks


class OwnOutlines(PostSegmentation):
    def masks_to_polygons(self, seg_masks, factor_rescale):
        return super().masks_to_polygons(seg_masks, factor_rescale)


def test_outlines_of_ones_own_are_contours():
    assert_identical(outlined(kind=OwnOutlines), outlined())


def counted(post):
    post.process_points(pd.DataFrame({"x": [2.0], "y": [2.0], "gene": ["A"]}))


@LOSSLESS
@pytest.mark.parametrize("step", [lambda post: post.process_masks_to_shapes(), counted])
def test_outlines_of_ones_own_and_others_exclude_each_other_before_any_work(
    outline, step, monkeypatch
):
    class Watching(OwnOutlines):
        def rejections(self, regions):
            pytest.fail("the filter ran")

    place = "postseg.transcripts.count_points.count_points"
    monkeypatch.setattr(place, lambda *_, **__: pytest.fail("points were counted"))
    post = made(kind=Watching, outline=outline)
    before = vars(post).copy()
    told = rf"outline is '{outline}', but Watching overrides masks_to_polygons\(\).*outline='cont"
    with pytest.raises(ValueError, match=told):
        step(post)
    assert vars(post) == before


def test_of_an_instance_too():
    post = made(outline="pixels")
    post.masks_to_polygons = lambda masks, factor: []
    with pytest.raises(ValueError, match=r"overrides masks_to_polygons\(\)"):
        post.export("never.geojson")


class Mirroring(PostSegmentation):
    """What ours does, by another function; and notes what it is given."""

    def mirror_y0(self, geom):
        vars(self).setdefault("seen", []).append(geom)
        return affinity.scale(geom, 1, -1, origin=(0, 0))


@pytest.mark.parametrize("outline", OUTLINES)
@pytest.mark.parametrize("masks", [MASKS, tissue()], ids=["drawn", "tissue"])
def test_a_mirror_of_ones_own_gets_whole_outlines_and_the_same_place(outline, masks):
    own, ours = made(masks, kind=Mirroring, outline=outline), made(masks, outline=outline)
    geometry = own.process_masks_to_shapes()[1].geometry
    expected = ours.process_masks_to_shapes()[1].geometry
    assert_identical(geometry, expected)
    assert own._placement().shift == ours._placement().shift
    assert set(expected.geom_type) <= {geom.geom_type for geom in own.seen}


@LOSSLESS
@pytest.mark.parametrize("masks", [draw("..... .111. 11111 .111. ..... ....."), tissue()])
def test_the_shift_is_that_of_the_lowest_row(outline, masks):
    last = np.flatnonzero(masks.any(axis=1))[-1]
    for kind in (PostSegmentation, Mirroring):
        post = made(masks, 3, kind=kind, outline=outline)
        labels_first = post._placement().shift
        post.process_masks_to_shapes()
        assert post._placement().shift == labels_first == 3 * (last + 0.5)


@LOSSLESS
def test_nor_is_it_that_of_polygons_that_end_above(outline, monkeypatch):
    trace = "postseg.geometry.outlines.outline_polygons"
    high = np.array([shapely.box(0, 0, 1, 1)] * 4)
    monkeypatch.setattr(trace, lambda *_, **__: (np.arange(1, 5), high, None))
    post = made(kind=Mirroring, outline=outline)
    bounds = post.process_masks_to_shapes()[1].total_bounds
    assert post._placement().shift == 4 * 6.5
    assert bounds.tolist() == [0, 4 * 6.5 - 1, 1, 4 * 6.5]


@LOSSLESS
@pytest.mark.parametrize("matrix", [[1, 0, 0, 1, 0, 0], [0, -2, 2, 0, 3, 5], [-1, 0, 0, 1, 9, 0]])
def test_labels_and_table_follow_any_mirror(outline, matrix):
    class Turned(PostSegmentation):
        def mirror_y0(self, geom):
            return affinity.affine_transform(geom, matrix)

    post = made(tissue(), 2, kind=Turned, outline=outline)
    assert post.process_masks_to_shapes()[1].total_bounds[1] >= 0
    assert post.verify().ok


@LOSSLESS
def test_a_mirror_that_leaves_out_parts_is_refused_before_any_work(outline):
    class Old(PostSegmentation):
        def mirror_y0(self, geom):
            return (
                affinity.scale(geom, 1, -1, origin=(0, 0)) if geom.geom_type == "Polygon" else geom
            )

        def rejections(self, regions):
            if self.outline != "contour":
                pytest.fail("the filter ran")
            return super().rejections(regions)

    post = made(kind=Old, outline=outline)
    with pytest.raises(ValueError, match=r"mirror_y0\(\) must do to them .*outline='contour'"):
        post.process_masks_to_shapes()
    post.outline = "contour"
    assert len(post.process_masks_to_shapes()[1]) == 4
