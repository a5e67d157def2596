"""`PostSegmentation` shows what it did, and is the same afterwards."""

import subprocess
import sys
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from drawing import OFF, squares
from figures import charts, crops, lines, rendered, texts
from page_samples import ALL_ON, cells, filtered, read, text
from PIL import Image

from postseg import PostSegmentation

ROOT = Path(__file__).parents[2]
PLOTS = {
    "plot_filter": (),
    "plot_sweep": ("max_convexity_deficit",),
    "plot_cells": ("too_small", 4),
}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr("postseg.show.pictures._LONG_SIDE", 400)
    monkeypatch.setattr("postseg.filtering.sweep._STEPS", 8)


# ---- when there is nothing to show


@pytest.fixture(params=[*PLOTS, "write_report"])
def show(request, tmp_path):
    """Call a method that shows."""
    args = PLOTS.get(request.param, (tmp_path / "report.html",))
    return lambda post, image=None: getattr(post, request.param)(*args, image=image)


@pytest.mark.parametrize("masks", [None, cells(30)], ids=["no masks", "no run"])
def test_before_a_filter_run_the_step_is_named(masks, show, tmp_path):
    with pytest.raises(RuntimeError, match=r"no filter run.*process_masks_to_shapes\(\)"):
        show(PostSegmentation(masks))
    assert [*tmp_path.iterdir()] == []


def test_assigning_masks_ends_the_run(show):
    post = filtered(cells(30))
    post.masks = cells(20)
    with pytest.raises(RuntimeError, match="no filter run"):
        show(post)


class OwnFilter(PostSegmentation):
    def filter_cell_by_regionprops(self, seg_masks):
        return super().filter_cell_by_regionprops(seg_masks)


def test_a_filter_that_goes_on_from_ours_is_shown():
    post = PostSegmentation(cells(30), verbose=False)
    own = OwnFilter(cells(30), verbose=False)
    for each in (post, own):
        each.process_masks_to_shapes()
    for name, args in {"plot_filter": (), "plot_sweep": ("max_area",)}.items():
        assert texts(getattr(own, name)(*args)) == texts(getattr(post, name)(*args))


def test_an_image_that_does_not_fit_is_named(show, tmp_path):
    with pytest.raises(ValueError, match=r"\(7, 9\).*80 x 200"):
        show(filtered(cells(30)), np.zeros((7, 9)))
    assert [*tmp_path.iterdir()] == []


def test_a_filter_of_ones_own_cannot_be_shown(tmp_path):
    class Keeps(PostSegmentation):
        def filter_cell_by_regionprops(self, seg_masks):
            return np.array(seg_masks)

    post = Keeps(cells(30))
    post.process_masks_to_shapes()
    for show in (
        post.plot_filter,
        lambda: post.plot_sweep("max_area"),
        lambda: post.plot_cells("too_small"),
        lambda: post.write_report(tmp_path / "report.html"),
    ):
        with pytest.raises(RuntimeError, match=r"Keeps overrides .*override rejections\(\)"):
            show()
    assert [*tmp_path.iterdir()] == []


# ---- what is shown


def test_the_last_run_is_shown():
    post = filtered(cells(30))
    before = texts(post.plot_filter())[0]
    post.refilter(max_area=121)
    assert texts(post.plot_filter())[0] in str(post.filter_report)
    assert texts(post.plot_filter())[0] != before


def test_a_mask_read_block_by_block_is_shown_alike():
    masks = cells(30)
    for name, args in PLOTS.items():
        post, lazy = filtered(masks), filtered(da.from_array(masks, chunks=(33, 50)))
        figure, expected = getattr(lazy, name)(*args), getattr(post, name)(*args)
        np.testing.assert_array_equal(rendered(figure), rendered(expected))


def with_tissue(post, image):
    figure = post.plot_cells("too_small", 1, image)
    return next(iter(crops(figure).values())).images[0].get_array()


def test_images_of_any_kind_show_the_same_tissue():
    post = filtered(cells(30))
    rgb = np.random.default_rng(0).integers(0, 255, (240, 600, 3)).astype(np.uint8)
    expected = with_tissue(post, rgb)
    channels_first = xr.DataArray(np.moveaxis(rgb, -1, 0), dims=("c", "y", "x"))
    for image in (da.from_array(rgb, chunks=(50, 70, 3)), channels_first, channels_first.chunk()):
        np.testing.assert_array_equal(with_tissue(post, image), expected)
    assert (with_tissue(post, None) != expected).any()


def test_the_object_is_unchanged(show):
    post = PostSegmentation(da.from_array(cells(30), chunks=60), verbose=False)
    post.process_masks_to_shapes()
    post.process_labels()
    before = {name: id(value) for name, value in vars(post).items()}
    regions = post.regions.copy()
    show(post)
    assert {name: id(value) for name, value in vars(post).items()} == before
    assert post.regions.equals(regions)


def test_save_debug_writes_the_same_figure(tmp_path):
    path = tmp_path / "debug.png"
    post = PostSegmentation(cells(30), verbose=False, save_debug=path)
    post.process_masks_to_shapes()
    page = rendered(post.plot_filter())
    np.testing.assert_array_equal(np.asarray(Image.open(path).convert("RGB")), page)
    assert [file.name for file in tmp_path.iterdir()] == ["debug.png"]


def test_a_sweep_is_of_the_run_that_is_shown():
    post = PostSegmentation(cells(), verbose=False)
    post.filter_cell_by_regionprops(cells(), max_area=121)
    assert lines(charts(post.plot_sweep("max_area"))["max area"]) == {"today": 121}


def test_title_and_mark_agree_after_a_new_config():
    post = filtered(cells())
    post.filter_config = {"max_area": 121}
    figure = post.plot_sweep("max_convexity_deficit")
    passed = post.filter_report.passed
    assert f"{passed} of 150" in texts(figure)[0]
    assert charts(figure)["max convexity deficit"].texts[0].get_text().endswith(f" {passed} kept")


def test_a_run_on_masks_that_were_never_assigned():
    post = PostSegmentation(verbose=False)
    post.filter_cell_by_regionprops(squares(10, 12, 14))
    assert texts(post.plot_sweep("max_convexity_deficit"))[0].endswith("of 3 regions kept now")


# ---- without a display, and without matplotlib


def run(code, *args):
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, args)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


SHOW_ALL = """
import sys, numpy as np
{before}
from postseg import PostSegmentation
post = PostSegmentation(np.kron(np.eye(4, dtype=int), np.ones((9, 9), int)), verbose=False)
post.filter_cell_by_regionprops(post.masks)
for call in (
    lambda: post.plot_filter(),
    lambda: post.plot_sweep("max_area"),
    lambda: post.plot_cells("too_small"),
    lambda: post.write_report(sys.argv[1]),
    lambda: setattr(post, "save_debug", sys.argv[2]) or post.refilter(),
):
    {call}
"""


def test_pyplot_is_not_touched_and_no_window_opened(tmp_path):
    code = SHOW_ALL.format(before="", call="call()")
    code += 'print("matplotlib.figure" in sys.modules, "matplotlib.pyplot" in sys.modules)'
    assert run(code, tmp_path / "a.html", tmp_path / "a.png").split() == ["True", "False"]
    assert {file.name for file in tmp_path.iterdir()} == {"a.html", "a.png"}


def test_without_matplotlib_the_error_names_the_extra(tmp_path):
    call = """
    try:
        call()
    except ImportError as error:
        print(error)
"""
    code = SHOW_ALL.format(before="sys.modules['matplotlib'] = None", call=call)
    lines = run(code, tmp_path / "a.html", tmp_path / "a.png").splitlines()
    assert len(lines) == 5
    assert all('pip install "postseg[plot]"' in line for line in lines)
    assert [*tmp_path.iterdir()] == []


# ---- the page


def test_the_page_tells_the_counts_of_the_report(tmp_path):
    path = tmp_path / "report.html"
    post = filtered(cells(60))
    post.write_report(path, title="Tissue", source="cells.npy")
    page = text(read(path.read_text(encoding="utf-8")))
    report = post.filter_report
    for count in (report.passed, report.total, *filter(None, report.rejected.values())):
        assert str(count) in page
    assert "Tissue" in page
    assert "cells.npy" in page
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_an_existing_page_is_replaced_only_when_asked_to(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("mine")
    post = filtered(squares(12, 13, 2), **OFF)
    with pytest.raises(FileExistsError, match="overwrite"):
        post.write_report(path)
    assert path.read_text() == "mine"
    post.write_report(path, overwrite=True)
    assert path.stat().st_size > 10_000


def test_a_failure_leaves_the_earlier_page_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("mine")

    def fail(self, *args, **kwargs):
        self.write_bytes(b"half")
        raise OSError("full")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OSError, match="full"):
        filtered(squares(12, 13, 2)).write_report(path, overwrite=True)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"mine"]


def test_the_page_of_55_000_rejected_regions_stays_small(tmp_path, monkeypatch):
    monkeypatch.setattr("postseg.show.pictures._LONG_SIDE", 1350)
    monkeypatch.setattr("postseg.filtering.sweep._STEPS", 2)
    n, side = 235, 8
    height, width = (
        np.random.default_rng(0)
        .integers(1, side, (2, n, n))
        .repeat(side, axis=1)
        .repeat(side, axis=2)
    )
    row, col = np.indices(height.shape)
    filled = (row % side < height) & (col % side < width)
    masks = np.where(filled, row // side * n + col // side + 1, 0)
    post = PostSegmentation(masks, filter_config=ALL_ON, verbose=False)
    with pytest.warns(UserWarning, match="None of the 55,225"):
        post.filter_cell_by_regionprops(masks)
    post.write_report(tmp_path / "report.html")
    assert 500_000 < (tmp_path / "report.html").stat().st_size < 5_000_000
