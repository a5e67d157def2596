"""What a merge of tiles did, on pictures and on the page."""

import pickle

import numpy as np
import pytest
from drawing import OFF
from figures import faults, texts
from page_samples import page_of, pictures_of, read, text

from postseg import PostSegmentation
from postseg.raster.grouped import Grouped
from postseg.restoring import restore
from postseg.show.figures import _flow
from postseg.show.page.pictures import illustrate
from postseg.show.pictures import filter_picture, set_scene, square, whole
from postseg.show.seams import MARKS, find_seams, legend_of
from postseg.show.selection import choose_detail
from postseg.tiles.merged import ROLES
from postseg.tiles.slide import Slide

pytestmark = pytest.mark.filterwarnings("ignore:.*cut by gaps between tiles")
TIMES = 4  # pixels of the picture to one of the mask
TILES = [(0, 0, 40, 30), (0, 30, 40, 60), (0, 50, 40, 80)]  # side by side, overlapping, then a gap
CELLS = {  # by tile, as rows and columns of the slide: what becomes of it
    0: [(4, 10, 24, 30, "joined")],
    1: [(4, 10, 30, 36, "joined"), (20, 30, 44, 56, ""), (32, 38, 42, 58, "")],
    2: [
        (6, 10, 51, 54, "disowned"),
        (20, 30, 54, 66, "trimmed"),
        (33, 37, 52, 56, "beaten"),
        (4, 12, 72, 80, "cut"),
    ],
}
BOXES = {  # of what is drawn
    "joined": (4, 10, 24, 36),
    "trimmed": (20, 30, 56, 66),
    "beaten": (33, 37, 52, 56),
    "disowned": (6, 10, 51, 54),
    "cut": (4, 12, 72, 80),
}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr("postseg.show.pictures._LONG_SIDE", 400)


def slide_of(tiles=TILES, cells=CELLS, shape=(40, 100), **settings):
    slide = Slide(shape, **settings)
    for number, (top, left, bottom, right) in enumerate(tiles):
        tile = np.zeros(shape, int)
        for label, (first, last, begin, end, _) in enumerate(cells[number], start=1):
            tile[first:last, begin:end] = label
        slide.add(tile[top:bottom, left:right], (top, left))
    return slide


def run_of(masks, **thresholds):
    post = PostSegmentation(masks, filter_config={**OFF, **thresholds}, verbose=False)
    post.filter_cell_by_regionprops(post.masks)
    return post


@pytest.fixture(scope="module")
def slide():
    return slide_of()


@pytest.fixture(scope="module")
def post(slide):
    return run_of(slide, max_area=110)  # one of those that others are trimmed by goes


@pytest.fixture(scope="module")
def scene(post):
    run = post._held.last
    scene = set_scene(run.measured.runs, run.regions)
    return scene._replace(seams=find_seams(scene.runs, run.regions, post._held.tiles))


@pytest.fixture
def pixels(scene):
    return filter_picture(scene, whole(scene.runs.shape)).pixels


def colour(name):
    return [*bytes.fromhex(MARKS[name].colour)]


def inked(pixels, name):
    return (pixels == colour(name)).all(axis=-1)


# ---- what is marked


def test_what_became_of_each_cell_is_marked(scene, slide):
    found = {}
    for name, regions in scene.seams.marked.items():
        ((left, top),), ((right, bottom),) = regions.boxes()
        found[name] = (top, bottom, left, right)
    assert found == BOXES
    assert slide.report[2:] == (1, 1, 1, 1, 1, 0, 1)


def test_of_windows_of_one_image_the_cells_that_several_see_are_joined():
    cells = {0: [(4, 10, 24, 30, "")], 1: [(4, 10, 30, 36, "")], 2: []}
    post = run_of(slide_of(cells=cells, ids="shared"))
    assert texts(post.plot_filter(seams=True))[1:5] == ["Kept: 1 (100.0%)", "Tiles: 3", "Joined: 1"]


# ---- what is drawn


@pytest.mark.parametrize("name", MARKS)
def test_a_line_runs_around_what_is_marked_and_nowhere_else(pixels, name):
    row, col = np.nonzero(inked(pixels, name))
    alike = [BOXES[other] for other in BOXES if MARKS[other].colour == MARKS[name].colour]
    near = np.zeros(row.size, bool)
    for box in alike:
        first, last, begin, end = np.multiply(box, TIMES)
        inside = (row >= first - 2) & (row < last + 2) & (col >= begin - 2) & (col < end + 2)
        within = (row >= first + 2) & (row < last - 2) & (col >= begin + 2) & (col < end - 2)
        near |= inside & ~within
    assert near.all()
    # one pixel on each side of the edge, on a band of white that is one wider
    top, bottom, left, _ = np.multiply(BOXES[name], TIMES)
    edge = pixels[top + 4 : bottom - 4, left - 2 : left + 2]
    solid = inked(edge, name)
    assert (solid[:, 1] == solid[:, 2]).all()
    assert (edge[~solid] == 255).all()
    assert solid[:, 1].all() == (MARKS[name].dash[1] == 0)
    assert solid[:, 1].mean() > 0.2


def test_dots_are_shorter_than_dashes(pixels):
    share = {}
    for name in ("joined", "disowned", "cut"):
        top, bottom, left, _ = np.multiply(BOXES[name], TIMES)
        share[name] = inked(pixels[top + 4 : bottom - 4, left - 1], name).mean()
    assert share["cut"] < share["disowned"] < share["joined"] == 1


def test_dashes_begin_anew_for_each_cell(scene):
    rows, starts = np.arange(4, 11, dtype=np.int32), np.array([5, 17, 66], np.int32)
    pieces = Grouped(
        np.arange(4) * 7, np.tile(rows, 3), *(starts.repeat(7) + d for d in (0, 9)), np.ones(3, int)
    )
    seams = scene.seams._replace(marked={"disowned": pieces})
    found = inked(filter_picture(scene._replace(seams=seams), whole((40, 100))).pixels, "disowned")
    first, *others = (found[:, TIMES * (x - 1) : TIMES * (x + 10)] for x in starts)
    assert first.sum() > 40
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_what_several_tiles_cover_is_tinted_and_what_none_covers_is_grey(pixels):
    column = 15 * TIMES  # a row without cells
    shade = pixels[column, [10 * TIMES, 55 * TIMES, 90 * TIMES]].astype(int)
    assert shade[0].tolist() == [255, 255, 255]
    assert len({*shade[1]}) == 3
    assert shade[1].min() > 200
    assert len({*shade[2]}) == 1
    assert shade[2].max() < 200


def test_the_sides_of_tiles_within_the_slide_are_thin_lines(pixels):
    dark = (pixels == 60).all(axis=-1)
    columns = np.flatnonzero(dark.any(axis=0))
    assert columns.tolist() == [side * TIMES for side in (30, 50, 60, 80)]
    assert dark[:, columns].mean() > 0.4  # dashes, where no line of a cell lies on them


def test_fills_of_reasons_keep_their_colour(post, scene, pixels):
    plain = filter_picture(scene._replace(seams=None), whole(scene.runs.shape)).pixels
    assert post.regions["reason"].to_numpy().tolist().count("too_large") == 1
    inside = slice(23 * TIMES, 27 * TIMES), slice(52 * TIMES, 53 * TIMES)
    assert (plain[inside] != 255).any()
    np.testing.assert_array_equal(pixels[inside], plain[inside])


def test_a_part_shows_the_lines_that_the_whole_shows(scene, pixels):
    part = filter_picture(scene, square(2, 48, 20, 20 * TIMES)).pixels
    crop = pixels[2 * TIMES : 22 * TIMES, 48 * TIMES : 68 * TIMES]
    for name in MARKS:
        np.testing.assert_array_equal(inked(part, name), inked(crop, name))
    assert inked(part, "disowned").any()


def test_without_seams_the_picture_is_that_of_the_masks(post, slide):
    merged = run_of(slide.merge(), max_area=110)
    for figure in (post.plot_filter(), post.plot_filter(seams=False)):
        np.testing.assert_array_equal(
            figure.axes[0].images[0].get_array(),
            merged.plot_filter().axes[0].images[0].get_array(),
        )


def test_tissue_is_tinted_below_the_lines(post):
    figure = post.plot_filter(np.full((40, 100), 90, np.uint8), seams=True)
    shown = figure.axes[0].images[0].get_array()
    assert inked(shown, "joined").sum() > 200
    assert faults(figure) == []


# ---- the legend


def test_the_legend_counts_as_the_merge_did(post, slide):
    figure = post.plot_filter(seams=True)
    counts = [f"{name.title()}: {getattr(slide.report, name)}" for name in MARKS]
    assert texts(figure)[1:9] == [
        *("Kept: 4 (80.0%)", "Too Large: 1 (20.0%)", "Tiles: 3"),
        *counts,
    ]
    assert faults(figure) == []


def test_samples_look_as_what_is_drawn(scene):
    entries = legend_of(scene.seams, np.ones(3, np.float32), 20)
    assert [entry.name for entry in entries] == ["tiles", *MARKS]
    share = {entry.name: inked(entry.swatch, entry.name).sum() for entry in entries[1:]}
    assert share["joined"] == share["trimmed"] > share["disowned"] > share["cut"] > 0
    assert entries[0].meaning.endswith("several cover is tinted, what none covers is grey")
    assert len(np.unique(entries[0].swatch[2])) > 3


def test_a_cell_that_was_joined_and_then_trimmed_counts_as_both(scene):
    merged = scene.seams.merged
    role = merged.sources["role"].replace(ROLES.index("joined"), ROLES.index("trimmed"))
    seams = scene.seams._replace(merged=merged._replace(sources=merged.sources.assign(role=role)))
    notes = {entry.name: entry.note for entry in legend_of(seams, np.ones(3, np.float32), 20)}
    assert notes == dict.fromkeys(["tiles", *MARKS], "") | {"joined": "1 trimmed too"}


def test_what_did_not_happen_is_not_in_the_legend():
    post = run_of(slide_of([(0, 0, 40, 100)], {0: [(4, 10, 24, 36, "")]}))
    figure = post.plot_filter(seams=True)
    assert texts(figure)[1:] == ["Kept: 1 (100.0%)", "Tiles: 1"]


# ---- a closer look


def test_seams_are_drawn_on_bins_too(post, monkeypatch):
    monkeypatch.setattr("postseg.show.overview._SEEN_FROM", 10_000)
    figure = post.plot_filter(seams=True)
    assert "Joined: 1" in texts(figure)
    assert faults(figure) == []
    shown = np.asarray(figure.axes[0].images[0].get_array())
    assert inked(shown, "joined").any()
    without = np.asarray(post.plot_filter().axes[0].images[0].get_array())
    assert not inked(without, "joined").any()


def test_a_long_legend_does_not_leave_the_closer_look_to_the_next_column():
    legend, closer, histogram = _flow([324, 612, 300], 0, 0, 750, 750, 600)
    assert legend[0] == closer[0] < histogram[0]


def test_the_closer_look_is_where_most_happened(scene, post):
    marked = scene.seams.places()
    row, col, side = choose_detail(post.regions, (4000, 10000), marked)
    inside = marked.query(f"{row} <= centroid_row < {row + side}")
    inside = inside.query(f"{col} <= centroid_col < {col + side}")
    assert inside["reason"].nunique() >= 3
    far = marked.assign(centroid_row=marked["centroid_row"] + 3000)
    assert choose_detail(post.regions, (4000, 10000), far)[0] > 2900


# ---- masks without tiles


def of_another_image(slide):
    post = run_of(slide)
    post.filter_cell_by_regionprops(np.ones((9, 9), int))
    return post


@pytest.mark.parametrize(
    "make",
    [
        lambda _: run_of(np.ones((20, 20), int)),
        lambda slide: run_of(slide.merge()),
        of_another_image,
    ],
    ids=["array", "runs", "the last run is of another image"],
)
def test_masks_that_are_no_slide_have_no_seams(make, slide, tmp_path):
    post = make(slide)
    with pytest.raises(ValueError, match=r"seams=True.* assign a Slide to masks"):
        post.plot_filter(seams=True)
    with pytest.raises(ValueError, match=r"seams=True.* assign a Slide to masks"):
        post.write_report(tmp_path / "page.html", seams=True)
    assert [*tmp_path.iterdir()] == []


def test_a_store_keeps_no_tiles(slide, tmp_path):
    post = PostSegmentation(slide, filter_config=OFF, verbose=False)
    post.process_masks_to_shapes()
    post.process_labels()
    post.write(tmp_path / "cells.zarr")
    with pytest.raises(ValueError, match=r"seams=True.* assign a Slide to masks"):
        restore(tmp_path / "cells.zarr").plot_filter(seams=True)


def test_a_copy_has_its_tiles(post):
    again = pickle.loads(pickle.dumps(post))
    assert texts(again.plot_filter(seams=True)) == texts(post.plot_filter(seams=True))
    again.refilter(max_area=100)
    assert "Joined: 1" in texts(again.plot_filter(seams=True))


# ---- the page


@pytest.fixture
def shown(scene, post):
    return illustrate(scene, post.regions, post.filter_report, [])


def test_the_page_has_a_section_with_picture_and_counts(post, shown, slide):
    tree = read(page_of(post, pictures=shown))
    section = tree.find(".//section[@id='seams']")
    assert tree.find(".//nav//a[@href='#seams']") is not None
    rows = [[text(cell) for cell in row] for row in section.iterfind(".//tbody/tr")]
    assert [row[1] for row in rows] == ["3", *(str(getattr(slide.report, n)) for n in MARKS)]
    assert [row[0] for row in rows[1:]] == [
        f"{name.title()}{mark.meaning}" for name, mark in MARKS.items()
    ]
    (picture,) = section.iterfind(".//figure//img")
    assert picture.get("alt").endswith("3 tiles, 1 joined, 1 trimmed, 1 beaten, 1 disowned, 1 cut")


def test_the_first_picture_of_the_page_shows_reasons_alone(scene, post, shown):
    plain = illustrate(scene._replace(seams=None), post.regions, post.filter_report, [])
    assert plain.overview == shown.overview != shown.seams.overview
    assert plain.seams is None
    page = read(page_of(post, pictures=plain))
    assert page.find(".//section[@id='seams']") is None
    assert page.find(".//nav//a[@href='#seams']") is None
    assert pictures_of(post).seams is None


def test_write_report_shows_seams_where_they_are_asked_for(post, tmp_path):
    for name, seams in (("with.html", True), ("without.html", False)):
        post.write_report(tmp_path / name, seams=seams)
        assert ('id="seams"' in (tmp_path / name).read_text("utf-8")) == seams
