import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawing import squares
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from postseg import PostSegmentation
from postseg.pictures import STYLES, filter_picture
from postseg.plotting import draw_filter, save_debug_image

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Make pictures of 400 pixels, for speed, and for little room."""
    monkeypatch.setattr("postseg.pictures._LONG_SIDE", 400)


def table(reasons):
    index = pd.RangeIndex(1, len(reasons) + 1, name="region")
    return pd.DataFrame({"reason": np.array(reasons, dtype=object)}, index=index)


def strips(n, shape=(60, 80)):
    """n vertical strips, some of which touch."""
    image = np.zeros(shape, np.int32)
    image[:] = np.arange(shape[1]) * n // shape[1] + 1
    image[:, 5::11] = 0
    return image


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def title(figure):
    return figure.axes[0].get_title(loc="left")


def rendered(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


MIXED = ["", "high_convexity_deficit", "", "tiny_artifacts", "own_reason", "", "tiny_artifacts"]


# ---- numbers


def test_legend_counts_as_the_table_does_kept_first_then_in_the_order_of_the_tests():
    figure = draw_filter(strips(7), table(MIXED))
    assert legend(figure) == [
        "Kept: 3 (42.9%)",
        "Tiny Artifacts: 2 (28.6%)",
        "High Convexity Deficit: 1 (14.3%)",
        "Own Reason: 1 (14.3%)",
    ]
    assert title(figure) == "3 of 7 regions passed (42.9%)"


def test_legend_and_title_are_those_of_the_report():
    masks = squares(*range(2, 30), *[12] * 40)
    post = PostSegmentation(masks, filter_config={"max_area": 400}, verbose=False)
    post.filter_cell_by_regionprops(masks)
    figure = draw_filter(masks, post.regions)
    report = str(post.filter_report)
    assert title(figure) in report
    assert len(legend(figure)) == 4
    assert all(f"\n  {line}" in report for line in legend(figure)[1:])


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
    figure = draw_filter(strips(4) if reasons else np.zeros((30, 40), int), table(reasons))
    assert legend(figure) == expected
    rendered(figure)


def test_an_image_without_pixels():
    assert title(draw_filter(np.zeros((0, 7), int), table([]))) == "0 of 0 regions passed"


# ---- layout


def test_the_picture_is_rendered_pixel_for_pixel(monkeypatch):
    monkeypatch.setattr("postseg.pictures._LONG_SIDE", 1800)
    region_image = strips(7)
    figure = draw_filter(region_image, table(MIXED))
    pixels = filter_picture(region_image, MIXED).pixels
    page = rendered(figure)
    left, bottom, right, top = figure.axes[0].get_window_extent().extents.round().astype(int)
    shown = page[len(page) - top : len(page) - bottom, left:right]
    assert shown.shape == pixels.shape
    frame = slice(3, -3)
    np.testing.assert_array_equal(shown[frame, frame], pixels[frame, frame])


def test_legend_swatches_look_like_the_picture():
    figure = draw_filter(strips(7), table(MIXED))
    page = rendered(figure)
    swatches = filter_picture(strips(7), MIXED).swatches.values()
    for handle, swatch in zip(figure.legends[0].legend_handles, swatches, strict=True):
        left, bottom, right, top = handle.get_window_extent().extents.astype(int)
        shown = page[len(page) - top : len(page) - bottom, left:right].reshape(-1, 3)
        assert set(map(tuple, swatch.reshape(-1, 3).tolist())) <= set(map(tuple, shown.tolist()))


@pytest.mark.parametrize("reasons", [[""], ["", *STYLES, "a_long_name_made_up_by_a_subclass"]])
@pytest.mark.parametrize("shape", [(1, 3000), (3000, 1), (30, 400), (400, 30), (1, 1), (700, 1100)])
def test_nothing_overlaps_or_is_cut(shape, reasons):
    region_image = np.zeros(shape, int)
    region_image.flat[: len(reasons)] = np.arange(1, len(reasons) + 1)[: region_image.size]
    with rc_context({"figure.constrained_layout.use": True}):
        figure = draw_filter(region_image, table(reasons))
        rendered(figure)
    axes = figure.axes[0]
    picture, around = axes.get_window_extent(), axes.get_tightbbox()
    key = figure.legends[0].get_window_extent()
    for part in (picture, around, key):
        assert figure.bbox.count_contains(part.corners()) == 4
    ticks = [axis.get_tightbbox() for axis in (axes.xaxis, axes.yaxis)]
    heading = axes.title.get_window_extent()
    for part in (picture, heading, *filter(None, ticks)):
        assert not key.overlaps(part)
    for axis in (axes.xaxis, axes.yaxis):
        labels = [label.get_window_extent() for label in axis.get_ticklabels()]
        shown = [label for label in labels if around.overlaps(label)]
        assert not any(a.overlaps(b) for a, b in pairwise(shown))


def test_the_legend_of_a_wide_picture_has_the_columns_that_fit_below_it(monkeypatch):
    monkeypatch.setattr("postseg.pictures._LONG_SIDE", 1800)
    figure = draw_filter(np.ones((20, 90), int), table(["", *STYLES]))
    picture, key = figure.axes[0].get_window_extent(), figure.legends[0].get_window_extent()
    assert key.y1 < picture.y0
    assert 0.6 * picture.width < key.width <= picture.width


def test_the_axes_count_mask_pixels_from_the_top():
    region_image = np.zeros((40, 60), int)
    region_image[30:, :20] = 1
    with rc_context({"image.origin": "lower"}):
        figure = draw_filter(region_image, table(["tiny_artifacts"]))
    axes = figure.axes[0]
    assert (*axes.get_xlim(), *axes.get_ylim()) == (-0.5, 59.5, 39.5, -0.5)
    at = axes.transData.transform((10, 35)).round().astype(int)
    page = rendered(figure)
    assert page[len(page) - at[1], at[0]].tolist() == [0x33, 0x22, 0x88]


# ---- manners


def test_pyplot_is_not_touched(tmp_path):
    code = """
import sys, numpy as np, pandas as pd
from postseg.plotting import save_debug_image
save_debug_image(sys.argv[1], np.ones((5, 5), int), pd.DataFrame({"reason": ["too_small"]}))
sys.exit("matplotlib.pyplot" in sys.modules)
"""
    command = [sys.executable, "-c", code, tmp_path / "filter.png"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def test_figures_are_drawn_in_threads():
    region_image = strips(7)

    def draw(_):
        return rendered(draw_filter(region_image, table(MIXED))).tobytes()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(draw, range(8)))) == 1


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "postseg.plotting")
    with pytest.raises(ImportError, match=r'pip install "postseg\[plot\]"'):
        import postseg.plotting  # noqa: F401


@pytest.mark.parametrize(
    ("region_image", "image", "message"),
    [
        (np.ones((2, 2, 2), int), None, r"2-D.*\(2, 2, 2\)"),
        (np.full((2, 2), 9), None, "holds region 9, but the table has 7 rows"),
        (strips(7), np.zeros((60, 81)), r"\(60, 81\).*60 x 80"),
        (strips(7), np.zeros((120, 80)), r"\(120, 80\).*60 x 80"),
        (strips(7), np.zeros((3, 60, 80)), r"\(3, 60, 80\).*colours last"),
        (strips(7), np.zeros((60, 80, 2)), r"\(60, 80, 2\)"),
        (strips(7), 5, r"\(\)"),
        (strips(7), np.zeros((0, 0)), r"\(0, 0\)"),
    ],
)
def test_arrays_that_do_not_fit(region_image, image, message):
    with pytest.raises(ValueError, match=message):
        draw_filter(region_image, table(MIXED), image)


# ---- the file


def test_the_file_holds_the_figure(tmp_path):
    path = tmp_path / "filter.png"
    path.write_bytes(b"an earlier picture")
    save_debug_image(path, strips(7), table(MIXED), np.zeros((60, 80), np.uint8))
    page = rendered(draw_filter(strips(7), table(MIXED), np.zeros((60, 80), np.uint8)))
    np.testing.assert_array_equal(np.asarray(Image.open(path).convert("RGB")), page)
    assert [file.name for file in tmp_path.iterdir()] == ["filter.png"]


def test_a_missing_folder_is_named_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr("postseg.plotting.draw_filter", lambda *_: pytest.fail("work was done"))
    with pytest.raises(FileNotFoundError, match=r"create the folder .*nowhere first"):
        save_debug_image(str(tmp_path / "nowhere" / "a.png"), strips(7), table(MIXED))


def test_a_failure_leaves_the_earlier_picture_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "filter.png"
    path.write_bytes(b"an earlier picture")

    def fail(self, part, **kwargs):
        part.write_bytes(b"half")
        raise OSError("full")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    with pytest.raises(OSError, match="full"):
        save_debug_image(path, strips(7), table(MIXED))
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"an earlier picture"]
