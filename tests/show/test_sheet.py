"""A figure laid out in pixels: everything is where it was put, and nothing is cut."""

import io

import numpy as np
import pytest
from figures import faults, rendered
from matplotlib import rc_context
from PIL import Image

from postseg.show.charts import DPI, LARGE
from postseg.show.sheet import GAP, TICKS, Sheet


def place(figure, artist):
    """Left, top, right and bottom in pixels from the top left corner."""
    left, bottom, right, top = artist.get_window_extent().extents
    height = figure.bbox.height
    return left, height - top, right, height - bottom


def noise(height, width):
    return np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8)


def test_axes_are_where_they_were_put():
    sheet = Sheet()
    boxes = [(100, 50, 300, 120), (500, 50, 40, 700), (100, 400, 1, 1)]
    axes = [sheet.add_axes(*box) for box in boxes]
    figure = sheet.finish()
    for one, (left, top, width, height) in zip(axes, boxes, strict=True):
        np.testing.assert_allclose(
            place(figure, one), (left, top, left + width, top + height), atol=1e-6
        )


def test_a_picture_is_shown_pixel_for_pixel():
    sheet = Sheet()
    pixels = noise(70, 110)
    sheet.add_thumbnail(pixels, 31, 17, 110, 70)
    sheet.add_axes(200, 10, 50, 50).set_xlabel("gjpq")
    page = rendered(sheet.finish())
    inside = slice(3, -3)  # within the frame
    np.testing.assert_array_equal(page[17:87, 31:141][inside, inside], pixels[inside, inside])


def test_a_thumbnail_fills_its_box_and_has_no_ticks():
    sheet = Sheet()
    axes = sheet.add_thumbnail(np.full((3, 5, 3), 7, np.uint8), 20, 30, 60, 60)
    page = rendered(sheet.finish())
    assert (page[33:87, 23:77] == 7).all()
    assert (page[:28] == 255).all()
    assert [*axes.get_xticks(), *axes.get_yticks()] == []


def test_text_begins_at_its_corner_and_tells_its_size():
    sheet = Sheet()
    width, height = sheet.add_text(40, 60, "Two words\nand two")
    figure = sheet.finish()
    left, top, right, bottom = place(figure, figure.texts[0])
    assert (left, top) == (pytest.approx(40, abs=1), pytest.approx(60, abs=1))
    assert (right - left, bottom - top) == pytest.approx((width, height), abs=1)


def test_what_follows_a_title_does_not_touch_it():
    for note in ("", "a note, gjpq"):
        sheet = Sheet()
        top = sheet.add_title(10, 20, "Title, gjpq", note)
        assert isinstance(top, int)
        sheet.add_text(10, top, "X")
        figure = sheet.finish()
        assert faults(figure) == []
        ends = [place(figure, text)[3] for text in figure.texts[:-1]]
        assert top - GAP < max(ends) < top
    assert figure.texts[0].get_fontsize() == LARGE > figure.texts[1].get_fontsize()


def test_the_figure_ends_a_gap_after_the_last_part():
    sheet = Sheet()
    sheet.add_axes(50, 40, 200, 100).set(xticks=[], yticks=[])
    figure = sheet.finish()
    width, height = figure.get_size_inches() * DPI
    assert (width, height) == (pytest.approx(250 + GAP, abs=2), pytest.approx(140 + GAP, abs=2))


def test_labels_that_stick_out_are_not_cut():
    sheet = Sheet()
    sheet.add_text(TICKS, 10, "far to the right " * 10)
    axes = sheet.add_axes(TICKS, 60, 100, 80)
    axes.set(xlim=(0, 1), xticks=[0, 1], xticklabels=["", "a tick label that is very long"])
    axes.set_xlabel("three\nlines\nhere")
    assert faults(sheet.finish()) == []


def test_later_parts_move_no_earlier_ones():
    sheet = Sheet()
    first = sheet.add_axes(TICKS, GAP, 100, 80)
    alone = place(sheet.finish(), first)
    sheet.add_axes(2000, 1000, 30, 30)
    np.testing.assert_allclose(place(sheet.finish(), first), alone, atol=1e-6)


@pytest.mark.parametrize("engine", ["figure.constrained_layout.use", "figure.autolayout"])
def test_a_layout_of_the_users_does_not_move_anything(engine):
    with rc_context({engine: True}):
        sheet = Sheet()
        axes = sheet.add_axes(100, 50, 300, 120)
        figure = sheet.finish()
        rendered(figure)
    assert place(figure, axes)[:2] == pytest.approx((100, 50))


def test_a_notebook_shows_it_by_itself():
    sheet = Sheet()
    sheet.add_thumbnail(noise(40, 60), 10, 10, 60, 40)
    figure = sheet.finish()
    with Image.open(io.BytesIO(figure._repr_png_())) as shown:
        np.testing.assert_array_equal(np.asarray(shown.convert("RGB")), rendered(figure))


def test_trimmed_a_sheet_has_no_room_beside_its_margin():
    def inked(**how):
        sheet = Sheet()
        sheet.add_axes(300, 200, 100, 80).set_xlabel("below")
        page = rendered(sheet.finish(**how))
        row, col = np.nonzero((page < 200).any(axis=2))
        return row.min(), col.min(), *(np.array(page.shape[:2]) - [row.max(), col.max()])

    assert max(inked(trimmed=True)) < GAP
    assert min(inked()[:2]) > 150
