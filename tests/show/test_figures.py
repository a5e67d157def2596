"""The figure of a filter run: its counts, its layout, its manners."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from drawing import OFF, squares
from figures import charts, faults, lines, rendered, texts
from matplotlib import rc_context
from page_samples import ALL_ON, cells, filtered
from PIL import Image

from postseg import FilterConfig, PostSegmentation
from postseg.filtering.run import measure_masks
from postseg.show.figures import draw_filter, save_debug_image
from postseg.show.palette import STYLES
from postseg.show.pictures import filter_picture, set_scene, whole

NAME = "a_name_of_a_subclass"
MIXED = ["", "high_convexity_deficit", "", "tiny_artifacts", "own_reason", "", "tiny_artifacts"]
NO_CHARTS = FilterConfig(**OFF)
DEFAULT = dict(FilterConfig())
pytestmark = [
    pytest.mark.filterwarnings("ignore:None of the"),
    pytest.mark.filterwarnings("ignore:The masks hold no cells"),
]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Make pictures of 400 pixels, for speed, and for little room."""
    monkeypatch.setattr("postseg.show.pictures._LONG_SIDE", 400)


def strips(n, shape=(60, 80)):
    """n vertical strips, some of which touch."""
    image = np.zeros(shape, np.int32)
    image[:] = np.arange(shape[1]) * n // shape[1] + 1
    image[:, 0] = 0
    return image


def judged(image, reasons):
    """Runs and table of an image whose regions went for these reasons."""
    measured = measure_masks(image)
    reason = np.array(reasons, dtype=object)
    label = np.where(reason == "", np.arange(1, len(reasons) + 1), 0)
    return measured.runs, measured.table.assign(label=label, reason=reason)


def drawn(image, reasons, tissue=None, **thresholds):
    runs, regions = judged(image, reasons)
    config = FilterConfig(**{**OFF, **thresholds})
    return draw_filter(set_scene(runs, regions, tissue), regions, config)


def legend(figure):
    return texts(figure)[1 : 1 + len(swatches(figure))]


def swatches(figure):
    """The axes of the legend: those without ticks and labels."""
    return [axes for axes in figure.axes[1:] if axes.images and not axes.get_xticks().size]


class OwnReason(PostSegmentation):
    def rejections(self, regions):
        return super().rejections(regions).assign(**{NAME: regions["area"] == 132})


# ---- numbers


def test_legend_counts_as_the_table_does_kept_first_then_in_the_order_of_the_tests():
    figure = drawn(strips(7), MIXED)
    assert legend(figure) == [
        "Kept: 3 (42.9%)",
        "Tiny Artifacts: 2 (28.6%)",
        "High Convexity Deficit: 1 (14.3%)",
        "Own Reason: 1 (14.3%)",
    ]
    assert texts(figure)[0] == "3 of 7 regions passed (42.9%)"


@pytest.mark.parametrize(
    ("cls", "thresholds"),
    [(PostSegmentation, {"max_area": 121, "min_area": 30}), (OwnReason, {"max_eccentricity": 0.5})],
)
def test_legend_and_title_are_those_of_the_report(cls, thresholds):
    post = filtered(cells(60), cls, **thresholds)
    figure = post.plot_filter()
    report = str(post.filter_report)
    assert texts(figure)[0] in report
    expected = [line for line in report.splitlines() if line.startswith("  ") and "%)" in line]
    assert [f"  {line}" for line in legend(figure)[1:]] == expected
    counts = post.regions["reason"].value_counts()
    told = [int(line.split(": ")[1].split(" (")[0]) for line in legend(figure)]
    assert told == [counts.get("", 0), *(n for n in post.filter_report.rejected.values() if n)]


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ([""] * 4, ["Kept: 4 (100.0%)"]),
        (["too_large"] * 4, ["Kept: 0 (0.0%)", "Too Large: 4 (100.0%)"]),
        ([], ["Kept: 0"]),
    ],
    ids=["nothing rejected", "everything rejected", "no regions"],
)
def test_one_sided_results(reasons, expected):
    figure = drawn(strips(4) if reasons else np.zeros((30, 40), int), reasons)
    assert legend(figure) == expected
    assert faults(figure) == []


def test_an_image_without_pixels():
    assert texts(drawn(np.zeros((0, 7), int), []))[0] == "0 of 0 regions passed"


def test_there_is_a_histogram_for_each_metric_in_use_and_no_other():
    assert [*charts(drawn(strips(3), [""] * 3))] == []
    assert [*charts(drawn(strips(3), [""] * 3, **ALL_ON))] == [
        *("area", "eccentricity", "solidity", "extent"),
        *("compactness", "convexity deficit", "perimeter area ratio"),
    ]


def test_threshold_lines_are_those_of_the_run():
    post = filtered(min_absolute_area=None, max_convexity_deficit=0.3)
    found = {metric: lines(axes) for metric, axes in charts(post.plot_filter()).items()}
    assert found == {
        "area": {"min_area": post.filter_report.min_area},
        "convexity deficit": {"max_convexity_deficit": 0.3},
    }


# ---- layout


def test_the_picture_is_rendered_pixel_for_pixel():
    runs, regions = judged(strips(7), MIXED)
    scene = set_scene(runs, regions)
    figure = draw_filter(scene, regions, NO_CHARTS)
    pixels = filter_picture(scene, whole(runs.shape)).pixels
    page = rendered(figure)
    left, bottom, right, top = figure.axes[0].get_window_extent().extents.round().astype(int)
    shown = page[len(page) - top : len(page) - bottom, left:right]
    assert shown.shape == pixels.shape
    frame = slice(3, -3)
    np.testing.assert_array_equal(shown[frame, frame], pixels[frame, frame])


def test_legend_swatches_look_like_the_picture_and_stand_before_their_texts():
    runs, regions = judged(strips(7), MIXED)
    scene = set_scene(runs, regions)
    figure = draw_filter(scene, regions, NO_CHARTS)
    page = rendered(figure)
    expected = filter_picture(scene, whole(runs.shape)).swatches.values()
    for axes, swatch, text in zip(swatches(figure), expected, figure.texts[1:], strict=False):
        box = axes.get_window_extent()
        left, bottom, right, top = box.extents.round().astype(int)
        shown = page[len(page) - top : len(page) - bottom, left:right]
        np.testing.assert_array_equal(shown[2:-2, 2:-2], swatch[2:-2, 2:-2])
        beside = text.get_window_extent()
        assert 0 < beside.x0 - box.x1 < 30
        assert beside.y0 - 3 < (box.y0 + box.y1) / 2 < beside.y1 + 3


MANY = {**ALL_ON, "max_area": 220, "area_std_filter": None}


@pytest.mark.parametrize(
    ("shape", "thresholds"),
    [
        ((1, 4), DEFAULT),
        ((1, 3000), DEFAULT),
        ((3000, 1), DEFAULT),
        ((1, 1), {}),
        ((30, 400), MANY),
    ],
)
def test_nothing_overlaps_or_is_cut(shape, thresholds):
    image = np.zeros(shape, int)
    image.flat[::2] = np.arange(image.size // 2 + image.size % 2) % 50 + 1
    reasons = np.resize([*STYLES, "", NAME], len(measure_masks(image).table))
    assert faults(drawn(image, reasons, **thresholds)) == []


@pytest.mark.parametrize(
    "masks",
    [np.tile(cells(20), (1, 5)), np.tile(cells(20), (6, 1)), squares(*range(2, 30), *[12] * 40)],
    ids=["wide", "tall", "squares"],
)
def test_cells_are_laid_out_without_overlaps(masks, monkeypatch):
    monkeypatch.setattr("postseg.show.pictures._LONG_SIDE", 1350)
    assert faults(filtered(masks, OwnReason, max_area=400).plot_filter()) == []


def test_counts_in_the_hundred_thousands_have_room():
    runs, regions = judged(strips(2), ["", "too_large"])
    many = regions.loc[np.repeat([1, 2], 150_000)].reset_index(drop=True)
    figure = draw_filter(set_scene(runs, many), many, FilterConfig())
    assert legend(figure) == ["Kept: 150,000 (50.0%)", "Too Large: 150,000 (50.0%)"]
    assert faults(figure) == []


def test_the_axes_count_mask_pixels_from_the_top():
    image = np.zeros((40, 60), int)
    image[30:, :20] = 1
    with rc_context({"image.origin": "lower"}):
        figure = drawn(image, ["tiny_artifacts"])
    axes = figure.axes[0]
    assert (*axes.get_xlim(), *axes.get_ylim()) == (-0.5, 59.5, 39.5, -0.5)
    at = axes.transData.transform((10, 35)).round().astype(int)
    page = rendered(figure)
    assert page[len(page) - at[1], at[0]].tolist() == [0x33, 0x22, 0x88]


@pytest.mark.filterwarnings("ignore:None of the", "ignore:The masks hold")
@pytest.mark.parametrize(
    "masks",
    [cells(), np.arange(3000)[None] // 7 + 1, np.zeros((30, 40), int)],
    ids=["cells", "a row", "no regions"],
)
def test_nothing_overlaps_with_all_thresholds_at_once(masks):
    assert faults(filtered(masks, **ALL_ON).plot_filter()) == []


class LongReason(PostSegmentation):
    def rejections(self, regions):
        failed = super().rejections(regions)
        return failed.assign(a_long_name_that_was_made_up_by_a_subclass=regions["area"] == 132)


def test_a_long_reason_below_a_wide_picture():
    wide = np.tile(cells(30), (1, 7))[:, :1300]
    assert faults(filtered(wide, LongReason).plot_filter()) == []


@pytest.mark.parametrize("name", ["$\\frac$", "cost_$x$"])
def test_a_reason_is_not_mathematics(name):
    class Costly(PostSegmentation):
        def rejections(self, regions):
            return super().rejections(regions).assign(**{name: regions["area"] == 132})

    figure = filtered(cells(30), Costly).plot_filter()
    rendered(figure)
    assert any("$" in text for text in texts(figure))


@pytest.mark.parametrize(
    "settings",
    [
        {"xtick.top": True, "xtick.labeltop": True},
        {"axes.labelpad": 40},
        {"ytick.major.pad": 30},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_nothing_overlaps_whatever_the_user_set(settings):
    with rc_context(settings):
        assert faults(filtered(cells(30)).plot_filter()) == []


# ---- the closer look


def closer(figure):
    """The axes of the closer look, and the frame that shows where it is."""
    (frame,) = [line for line in figure.axes[0].lines if line.get_label() == "closer look"]
    maps = [axes for axes in figure.axes[1:] if axes.images and axes.get_xticks().size]
    return maps[0], frame


def test_a_large_mask_is_shown_closer_where_the_frame_is():
    masks = np.kron(np.arange(1, 6401).reshape(80, 80), np.pad(np.ones((8, 8), int), 1))
    reasons = ["too_small" if k % 80 == 40 else "" for k in range(6400)]
    figure = drawn(masks, reasons)
    axes, frame = closer(figure)
    assert "The framed part, closer" in texts(figure)
    assert (frame.get_xdata().min(), frame.get_xdata().max()) == pytest.approx(axes.get_xlim())
    assert (frame.get_ydata().max(), frame.get_ydata().min()) == pytest.approx(axes.get_ylim())
    x, y = (int(np.mean(limits) // 10 * 10) + 4 for limits in (axes.get_xlim(), axes.get_ylim()))
    page = rendered(figure)
    for column in (x, 404):
        at = axes.transData.transform((column, y)).round().astype(int)
        bold = page[len(page) - at[1], at[0]].tolist() == [0xDD, 0xAA, 0x33]
        assert bold == (column == 404)
    assert faults(figure) == []


@pytest.mark.parametrize("masks", [strips(4), np.zeros((900, 900), int)], ids=["few", "none"])
def test_a_mask_that_is_seen_well_has_no_closer_look(masks):
    figure = drawn(masks, [""] * int(masks.max()))
    assert not any(text.startswith("Closer") for text in texts(figure))
    assert figure.axes[0].lines[:] == []


# ---- manners


@pytest.mark.parametrize(
    "settings",
    [
        {"axes.grid": True, "figure.constrained_layout.use": True, "figure.dpi": 40},
        {"font.size": 30, "xtick.labelsize": 40, "lines.linestyle": "none", "axes.xmargin": 0.4},
        {"axes.facecolor": "black", "figure.facecolor": "black", "text.color": "white"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_a_users_settings_neither_break_nor_blacken_a_figure(settings):
    with rc_context(settings):
        figure = drawn(strips(7), MIXED, **DEFAULT)
        assert faults(figure) == []
        page = rendered(figure)
    assert (page[:10] == 255).all()
    assert [*lines(charts(figure)["area"])] == ["min_absolute_area", "min_area"]


def test_figures_are_drawn_in_threads():
    def draw(_):
        return rendered(drawn(strips(7), MIXED, min_solidity=0.9)).tobytes()

    with ThreadPoolExecutor(3) as pool:
        assert len({*pool.map(draw, range(3))}) == 1


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((60, 81)), r"\(60, 81\).*60 x 80"),
        (np.zeros((2, 60, 80)), r"\(2, 60, 80\).*colours last"),
    ],
)
def test_images_that_do_not_fit(image, message):
    with pytest.raises(ValueError, match=message):
        drawn(strips(7), MIXED, tissue=image)


def test_a_table_that_does_not_fit():
    runs, regions = judged(strips(7), MIXED)
    with pytest.raises(ValueError, match="holds region 7, but the table has 5 rows"):
        set_scene(runs, regions.head(5))


# ---- the file

EARLIER = b"\x89PNG\r\n\x1a\n, an earlier picture"


def test_the_file_holds_the_figure(tmp_path):
    path = tmp_path / "filter.png"
    path.write_bytes(EARLIER)
    tissue = np.zeros((60, 80), np.uint8)
    save_debug_image(path, *judged(strips(7), MIXED), NO_CHARTS, tissue)
    page = rendered(drawn(strips(7), MIXED, tissue=tissue))
    np.testing.assert_array_equal(np.asarray(Image.open(path).convert("RGB")), page)
    assert [file.name for file in tmp_path.iterdir()] == ["filter.png"]


def test_what_is_no_picture_is_never_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr("postseg.show.figures.draw_filter", lambda *_: pytest.fail("work was done"))
    np.save(tmp_path / "masks.npy", strips(7))
    before = (tmp_path / "masks.npy").read_bytes()
    with pytest.raises(FileExistsError, match=r"masks\.npy exists and is no PNG.*another name"):
        save_debug_image(tmp_path / "masks.npy", *judged(strips(7), MIXED), NO_CHARTS)
    assert (tmp_path / "masks.npy").read_bytes() == before


def test_a_missing_folder_is_named_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr("postseg.show.figures.draw_filter", lambda *_: pytest.fail("work was done"))
    path = str(tmp_path / "nowhere" / "a.png")
    with pytest.raises(FileNotFoundError, match=r"create the folder .*nowhere first"):
        save_debug_image(path, *judged(strips(7), MIXED), NO_CHARTS)


def test_a_failure_leaves_the_earlier_picture_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "filter.png"
    path.write_bytes(EARLIER)

    def fail(self, part, **kwargs):
        part.write_bytes(b"half")
        raise OSError("full")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    with pytest.raises(OSError, match="full"):
        save_debug_image(path, *judged(strips(7), MIXED), NO_CHARTS)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [EARLIER]
