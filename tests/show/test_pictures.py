import tracemalloc

import numpy as np
import pandas as pd
import pytest
from drawing import square_as_runs
from skimage.color import rgb2lab

from postseg.raster.images import encode
from postseg.show import pictures
from postseg.show.palette import BEYOND, KEPT, OTHER, PALE, PLAIN, STYLES
from postseg.show.pictures import crop_picture, filter_picture, frame, set_scene, square, whole
from postseg.show.view import Axis, View


def rgb(colour):
    return np.array([*bytes.fromhex(colour)]) / 255


def scene_of(region_image, reasons, image=None):
    regions = pd.DataFrame({"reason": np.array(reasons, dtype=object)})
    return set_scene(encode(np.asarray(region_image)), regions, image)


def paint(region_image, reasons, image=None):
    """Paint all of an image with RGB from 0 to 1."""
    picture = filter_picture(scene_of(region_image, reasons, image), whole(region_image.shape))
    return picture.pixels / 255, {name: look / 255 for name, look in picture.swatches.items()}


def crop(region_image, reasons, number, side, image=None):
    """Paint the surroundings of a region with RGB from 0 to 1."""
    rows, cols = np.nonzero(region_image == number)
    box = rows.min(), cols.min(), rows.max() + 1, cols.max() + 1
    return crop_picture(scene_of(region_image, reasons, image), number, box, side) / 255


def blocks(rows, columns, side):
    """Touching squares, numbered in raster order."""
    return np.arange(1, rows * columns + 1).reshape(rows, columns).repeat(side, 0).repeat(side, 1)


def is_colour(pixels, colour):
    """Which pixels have exactly the colour, a hex string or RGB."""
    colour = rgb(colour) if isinstance(colour, str) else colour
    return np.isclose(pixels, colour, atol=0.003).all(axis=-1)


def has(pixels, colour):
    return bool(is_colour(pixels, colour).any())


def extent(found):
    """First and last row, first and last column of what was found."""
    return [int(f(places)) for places in np.nonzero(found) for f in (np.min, np.max)]


@pytest.fixture
def small(monkeypatch):
    """Make pictures of 400 pixels, for speed."""
    monkeypatch.setattr(pictures, "_LONG_SIDE", 400)


# ---- colours


def test_rejected_regions_are_filled_with_the_colour_of_their_reason(small):
    reasons = ["", *STYLES]
    pixels, swatches = paint(blocks(1, len(reasons), 28), reasons)
    assert list(swatches) == reasons
    for k, (reason, (colour, pattern)) in enumerate(STYLES.items(), start=1):
        inside = pixels[4:24, 28 * k + 4 : 28 * k + 24]
        assert has(inside, colour), reason
        assert has(inside, 0.25 * rgb(colour) + 0.75) == (pattern != PLAIN), reason
        assert has(swatches[reason], colour), reason
    assert any(is_colour(pixels[4:24, 4:24], pale).all() for pale in PALE)
    assert all(has(swatches[""], pale) for pale in PALE[:3])


def test_survivors_that_touch_have_different_colours(small):
    centres = paint(blocks(20, 20, 20), [""] * 400)[0][10::20, 10::20]
    assert centres.shape == (20, 20, 3)
    assert (centres[1:] != centres[:-1]).any(axis=2).all()
    assert (centres[:, 1:] != centres[:, :-1]).any(axis=2).all()


def test_touching_rejected_regions_are_set_apart_by_a_white_seam():
    pixels = paint(blocks(1, 2, 20), ["too_small"] * 2)[0]
    white = (pixels[5:-5, 5:-5] == 1).all(axis=2)
    assert extent(white) == [0, len(white) - 1, *[pixels.shape[1] // 2 - 5] * 2]


def test_in_a_crowd_survivors_are_nearly_grey_and_rejected_regions_are_not(small):
    reasons = [*[""] * 25, "too_small", *[""] * 2474]
    pixels, swatches = paint(blocks(50, 50, 16), reasons)  # every second pixel is shown
    assert np.hypot(*np.moveaxis(rgb2lab(pixels[:, :200])[..., 1:], -1, 0)).max() < 10
    assert is_colour(pixels[2:6, 202:206], STYLES["too_small"][0]).all()
    assert has(pixels[:, :200], swatches[""][10, 10])


# ---- size


def dark(pixels):
    return rgb2lab(pixels)[..., 0] < 40


@pytest.mark.parametrize("shape", [(4001, 3999), (9000, 40), (3, 7000)])
def test_no_rejected_region_is_lost_in_a_large_image(shape):
    rows, columns = (np.arange(length // 2 % 40, length, 40) for length in shape)
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    row, col = np.random.default_rng(0).permutation(places)[:150].T
    region_image = np.ones(shape, np.int32)
    region_image[: shape[0] // 2] = 0
    region_image[row, col] = np.arange(2, 152)
    pixels = paint(region_image, ["", *["tiny_artifacts"] * 150])[0]
    assert 675 <= max(pixels.shape) <= 1350
    assert min(pixels.shape[:2]) >= 48
    down, right = pixels.shape[0] / shape[0], pixels.shape[1] / shape[1]
    assert dark(pixels[(row * down).astype(int), (col * right).astype(int)]).all()
    assert dark(pixels).sum() >= 16 * 150


def test_a_slide_needs_no_image_of_its_size():
    runs = square_as_runs(30_000, at=1000)
    tracemalloc.start()
    scene = set_scene(runs, pd.DataFrame({"reason": ["too_large"]}))
    overview = filter_picture(scene, whole(runs.shape)).pixels
    cropped = crop_picture(scene, 1, (1000, 1000, 31_000, 31_000), 50)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400e6  # that image has 3.8 GB
    for pixels in (overview, cropped):
        assert has(pixels[len(pixels) // 2] / 255, STYLES["too_large"][0])


def test_a_small_image_is_enlarged_by_whole_pixels():
    assert paint(blocks(2, 3, 7), ["", "too_small"] * 3)[0].shape == (14 * 64, 21 * 64, 3)
    corners = paint(np.eye(2, dtype=int), ["too_small"])[0]
    assert (corners[:675, 675:] == 1).all()
    assert has(corners[:675, :675], STYLES["too_small"][0])


@pytest.mark.parametrize("shape", [(1, 1), (0, 0), (0, 7), (7, 0), (30, 30)])
@pytest.mark.parametrize("times", [None, 1, 4])
def test_masks_with_one_pixel_or_no_region(shape, times, small):
    reasons = ["too_small"] if shape == (1, 1) else []
    image = None if times is None else np.full((shape[0] * times, shape[1] * times), 9)
    scene = scene_of(np.ones(shape, int) * len(reasons), reasons, image)
    pixels, swatches, _ = filter_picture(scene, whole(scene.runs.shape))
    assert list(swatches) == ["", *reasons]
    assert 390 <= len(pixels) == pixels.shape[1] <= 400
    assert (pixels == pixels[0, 0]).all()


@pytest.mark.parametrize(("side", "size"), [(30, 150), (40, 120), (400, 134), (1, 150)])
def test_a_square_is_enlarged_or_thinned_by_whole_numbers(side, size):
    view = square(-3, 5, side)
    assert [axis.n * axis.repeat for axis in view] == [size, size]
    assert [(axis.first, axis.length) for axis in view] == [(-3, side), (5, side)]


def test_a_closer_look_shows_its_part_of_the_mask():
    scene = scene_of(blocks(1, 2, 300), ["too_small", "too_eccentric"])  # a seam at column 300
    pixels = filter_picture(scene, square(100, 260, 60, 480)).pixels / 255
    assert extent((pixels == 1).all(axis=2)) == [0, 479, 320, 320]


def test_a_region_that_the_table_does_not_have_is_refused():
    with pytest.raises(ValueError, match="holds region 3, but the table has 2 rows"):
        scene_of([[1, 2, 0, 3, 2]], ["", ""])


# ---- on a microscope image


@pytest.mark.parametrize("ground", [30, 220])
def test_survivors_are_outlined_and_rejected_regions_tinted(ground, small):
    image = np.full((100, 100, 3), ground, np.uint8)
    faded = 0.7 * ground / 255 + 0.3 * (ground > 127)
    region_image = np.pad(np.ones((60, 60), int), 20)
    kept, rejected = (paint(region_image, [reason], image)[0] for reason in ("", "too_small"))
    for clear in (kept[5, 5], rejected[5, 5], kept[200, 200]):
        np.testing.assert_allclose(clear, faded, atol=0.002)
    opacity = (rejected[200, 200] - faded) / (rgb(STYLES["too_small"][0]) - faded)
    np.testing.assert_allclose(opacity, opacity[0], atol=0.03)
    assert 0.6 < opacity[0] < 0.9
    outline = np.abs(kept - faded).max(axis=2) > 0.3
    assert 3 <= outline[200].sum() <= 8  # two crossings of a thin line
    assert (kept[outline].mean() < 0.5) == (ground > 127)


@pytest.mark.parametrize("times", [1, 4])
def test_the_image_lies_where_it_belongs_with_one_contrast_in_pictures_and_crops(times, small):
    values = np.array([[0, 100], [2000, 4000]], np.uint16)
    image = values.repeat(50 * times, 0).repeat(50 * times, 1)
    region_image = np.pad(np.ones((10, 10), int), ((10, 80), (70, 20)))
    cropped = crop(region_image, [""], 1, 30, image)
    np.testing.assert_allclose(cropped[[5, 5, -5], [5, -5, 5]], 100 / 4000, atol=0.003)
    closer = filter_picture(scene_of(region_image, [""], image), square(60, 60, 30)).pixels
    assert (closer == 255).all()
    overview = paint(region_image, [""], image)[0][..., 0]
    np.testing.assert_allclose(overview[5::390, 5::390], 0.7 * values / 4000, atol=0.003)


# ---- crops


@pytest.mark.parametrize(("reason", "look"), [("", (KEPT, PLAIN)), *STYLES.items()])
def test_a_crop_shows_its_region_in_colour_in_the_middle_and_the_others_in_grey(reason, look):
    pixels = crop(blocks(5, 5, 12), ["too_small"] * 12 + [reason] + [""] * 12, 13, 30)
    assert extent(np.ptp(pixels, axis=2) > 0.01) == [45, 104, 45, 104]
    assert has(pixels[46:104, 46:104], look[0])
    assert has(pixels[46:104, 46:104], 0.25 * rgb(look[0]) + 0.75) == (look[1] != PLAIN)
    assert is_colour(pixels[1:44, 46:104], OTHER).mean() > 0.9


def test_what_is_beyond_the_mask_is_told_from_background():
    region_image = np.pad(np.ones((4, 4), int), ((8, 8), (2, 2)))
    for image in (None, np.full((20, 8), 9)):  # columns -6 to 13 are shown, by seven pixels each
        beyond = is_colour(crop(region_image, [""], 1, 20, image), BEYOND)
        assert (beyond == beyond[0]).all()
        assert np.flatnonzero(~beyond[0]).tolist() == [*range(42, 98)]


def test_a_region_larger_than_the_crop_is_shown_whole():
    region_image = np.pad(np.ones((60, 10), int), ((5, 25), (40, 40)))
    pixels = crop(region_image, ["too_eccentric"], 1, 12)
    assert len(pixels) == 66 * 2
    assert extent(np.ptp(pixels, axis=2) > 0.1) == [6, 125, 56, 75]


def test_a_tiny_region_is_seen_in_a_crop_of_large_ones():
    region_image = np.ones((900, 900), int)
    region_image[451, 449] = 2
    found = dark(crop(region_image, ["", "tiny_artifacts"], 2, 700))
    assert 16 <= found.sum() <= 25
    assert found[68:73, 68:73].all()


@pytest.mark.parametrize("reason", ["", "too_large"])
def test_on_tissue_a_region_has_a_line_in_its_colour_and_a_white_one_around(reason):
    image = np.full((60, 60, 3), 90, np.uint8)
    pixels = crop(blocks(3, 3, 20), ["giant"] * 4 + [reason] + [""] * 4, 5, 50, image)
    colour = rgb(STYLES["too_large"][0]) if reason else np.zeros(3)
    expected = np.full((150, 150, 3), 90 / 255)
    for first, last, ink in ((43, 107, 1), (45, 105, colour), (47, 103, 90 / 255)):
        expected[first:last, first:last] = ink
    expected[[[43], [44], [105], [106]], [43, 44, 105, 106]] = 90 / 255  # corners are left out
    np.testing.assert_allclose(pixels, expected, atol=0.003)


def test_a_frame_marks_what_another_view_shows():
    pixels = np.full((30, 40, 3), 128, np.uint8)  # of every second pixel of a mask of 60 x 80
    view = View(Axis(0, 60, 2, 1), Axis(0, 80, 2, 1))
    marked = frame(pixels, view, View(Axis(10, 24, 1, 3), Axis(20, 30, 1, 3)))
    dark = (marked == 40).all(axis=2)
    assert dark.any(axis=1).nonzero()[0].tolist() == [*range(5, 17)]
    assert dark.any(axis=0).nonzero()[0].tolist() == [*range(10, 25)]
    np.testing.assert_array_equal(marked[9:13, 14:21], pixels[9:13, 14:21])
    np.testing.assert_array_equal(marked[:5], pixels[:5])
    assert (pixels == 128).all()
