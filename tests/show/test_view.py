"""Pictures' pixels: equal to the painted region image and the whole microscope image, sampled."""

import tracemalloc
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from drawing import square_as_runs
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import canvases

from postseg.raster.images import encode
from postseg.show.view import Axis, View, as_tissue, sample_regions, sample_tissue

NONE = np.zeros(5, bool)  # of the labels 0 to 4 that strategies draw
properties = settings(deadline=None, max_examples=60)


def views(zooms):
    sides = st.tuples(st.integers(-30, 30), st.integers(1, 40), zooms)
    axes = sides.map(lambda side: Axis(*side[:2], *side[2]))
    return st.builds(View, axes, axes)


repeats = st.tuples(st.just(1), st.integers(1, 4))
takes = st.tuples(st.integers(1, 9), st.just(1))


def all_of(shape, take=1):
    return View(*(Axis(0, length, take, 1) for length in shape))


def sampled(image, view, beyond="constant"):
    """The pixels of an image that a view takes, the obvious way; `numpy.pad` knows the others."""
    rows, cols = (axis.first + axis.offset + axis.take * np.arange(axis.n) for axis in view)
    margin = 1 + max(0, *-rows, *-cols, *(rows - image.shape[0]), *(cols - image.shape[1]))
    taken = np.pad(image, margin, beyond)[np.ix_(rows + margin, cols + margin)]
    return np.kron(taken, np.ones((view.rows.repeat, view.cols.repeat), int))


# ---- region numbers


@properties
@given(canvases(), views(repeats | takes))
def test_a_view_is_that_of_the_painted_region_image(image, view):
    shown = sample_regions(encode(image), view, NONE)
    assert shown.dtype == np.int32
    np.testing.assert_array_equal(shown, sampled(image, view))


@pytest.mark.parametrize(
    ("length", "take", "taken"),
    [(9, 3, [1, 4, 7]), (10, 3, [0, 3, 6, 9]), (11, 3, [1, 4, 7, 10]), (2, 5, [1]), (1, 4, [0])],
)
def test_the_middle_of_each_block_is_taken_if_the_last_one_has_it_too(length, take, taken):
    axis = Axis(100, length, take, 1)
    assert [axis.offset + take * k for k in range(axis.n)] == taken


def test_a_picture_without_runs_is_empty():
    none = encode(np.zeros((3, 4), int))
    assert not sample_regions(none, all_of((3, 4)), np.zeros(1, bool)).any()


def grown(image, by):
    """Where a mask is after it has grown by so many pixels on all sides."""
    padded = np.pad(image, by)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * by + 1,) * 2)
    return windows.any(axis=(2, 3))


@properties
@given(canvases(), views(repeats), st.lists(st.booleans(), min_size=4, max_size=4))
def test_regions_that_must_be_seen_cover_no_other_and_grow_only_where_they_are_small(
    image, view, must
):
    seen = np.array([False, *must])
    before = sampled(image, view)
    shown = sample_regions(encode(image), view, seen)
    important = seen[before]
    np.testing.assert_array_equal(shown[important], before[important])
    sizes = np.bincount(before.ravel(), minlength=5)
    for number in np.unique(shown[shown != before]):
        assert seen[number]
        assert 0 < sizes[number] < 16
        assert grown(before == number, 2)[shown == number].all()


def test_a_single_pixel_grows_by_two_on_all_sides_over_all_but_its_like():
    image = np.full((20, 6), 3)
    image[3, 2], image[:, 4] = 1, 2
    shown = sample_regions(encode(image), all_of(image.shape), np.array([0, 1, 1, 0], bool))
    image[1:6, :4] = 1
    np.testing.assert_array_equal(shown, image)


@properties
@given(st.data(), st.integers(2, 30))
def test_no_region_is_lost_between_the_pixels_that_are_taken(data, take):
    pitch = 4 * take  # so far apart that each may be drawn where it is
    places = [data.draw(st.integers(0, pitch - 1 - take)) for _ in range(8)]
    image = np.zeros((2 * pitch, 2 * pitch), int)
    for k in range(4):
        row, col = k // 2 * pitch + places[2 * k], k % 2 * pitch + places[2 * k + 1]
        image[row, col] = k + 1
    shown = sample_regions(encode(image), all_of(image.shape, take), np.arange(5) > 0)
    for number in range(1, 5):
        assert shown[tuple(np.argwhere(image == number)[0] // take)] == number
        assert (shown == number).sum() >= 4


@pytest.mark.parametrize(("length", "size"), [(1, 9), (15, 32), (16, 16)])
def test_a_region_grows_until_it_has_sixteen_pixels_or_two_more_on_all_sides(length, size):
    image = np.zeros((20, 20), int)
    image[0, :length] = 1
    assert sample_regions(encode(image), all_of(image.shape), np.arange(2) > 0).sum() == size


def test_a_thin_line_between_the_samples_is_seen_at_its_whole_length():
    image = np.zeros((401, 401), int)
    image[50:350, 3] = 1  # columns 1, 4, 7, ... are taken
    shown = sample_regions(encode(image), all_of(image.shape, 3), np.array([False, True]))
    assert np.unique(np.nonzero(shown)[0]).tolist() == [*range(50 // 3, 350 // 3 + 1)]


def test_a_slide_costs_no_more_memory_than_its_picture():
    runs = square_as_runs(30_000, at=1000)
    view = all_of(runs.shape, take=50)
    tracemalloc.start()
    shown = sample_regions(runs, view, np.array([False, True]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6
    assert shown[20:, 20:].all()
    assert shown.sum() == 600**2


@pytest.mark.parametrize(("first", "take"), [(np.s_[0, 0], 4), (np.s_[0], 3)])
def test_regions_that_share_pixels_of_the_picture_move_apart(first, take):
    image = np.zeros((12, 60), int)
    image[first], image[1] = 1, 2
    shown = sample_regions(encode(image), all_of(image.shape, take), np.arange(3) > 0)
    assert set(np.unique(shown)) >= {1, 2}


# ---- tissue


def as_blocks(image, times):
    """Means of the blocks of times x times pixels, with a colour axis."""
    rows, cols = (length // times for length in image.shape[:2])
    blocks = image.reshape(rows, times, cols, times, -1).astype(float)
    return blocks.mean(axis=(1, 3))


def stretched(image, times):
    """All of an image, its darkest percent black and the brightest few white."""
    mean = as_blocks(image, times)[..., :3]
    known = np.isfinite(mean)
    low, high = np.percentile(mean[known], (1, 99.8))
    scaled = np.where(known, ((mean - low) / (high - low)).clip(0, 1), 0)
    return np.broadcast_to(scaled, (*mean.shape[:2], 3))


def random(shape, dtype):
    return np.random.default_rng(0).integers(0, 250, shape).astype(dtype)


SHAPE = (6, 9)


def show_all(image):
    return sample_tissue(as_tissue(image, SHAPE, all_of(SHAPE)), all_of(SHAPE))


@pytest.mark.parametrize("times", [1, 4])
@pytest.mark.parametrize(
    ("channels", "dtype"),
    [((), np.uint8), ((1,), np.uint16), ((3,), np.uint16), ((4,), float), ((), bool)],
)
def test_images_become_rgb_stretched_to_their_values(channels, dtype, times):
    image = random((6 * times, 9 * times, *channels), dtype)
    np.testing.assert_allclose(show_all(image), stretched(image, times), atol=1e-5)


@pytest.mark.parametrize("times", [1, 4])
@pytest.mark.parametrize("channels", [3, 4])
def test_colours_of_8_bit_rgb_are_left_as_they_are(channels, times):
    image = random((6 * times, 9 * times, channels), np.uint8) // 3
    np.testing.assert_allclose(show_all(image), as_blocks(image, times)[..., :3] / 255, atol=1e-5)


def test_pixels_without_a_value_are_black():
    image = random(SHAPE, float)
    image[0, :2] = np.nan, np.inf
    assert (show_all(image)[0, :2] == 0).all()
    np.testing.assert_allclose(show_all(image), stretched(image, 1), atol=1e-5)


def test_an_image_of_one_value_is_shown_without_a_warning():
    assert (show_all(np.full(SHAPE, 7.5)) == 0).all()


@pytest.mark.parametrize("times", [1, 4])
def test_the_container_does_not_matter(times):
    image = random((6 * times, 9 * times, 3), np.uint16)
    channels_first = xr.DataArray(np.moveaxis(image, -1, 0), dims=("c", "y", "x"))
    scales = {"scale0": channels_first, "scale1": channels_first[:, ::2, ::2]}
    containers = [
        image.tolist(),
        da.from_array(image, chunks=(5, 4, 2)),
        xr.DataArray(image, dims=("y", "x", "c")),
        channels_first.chunk(4),
        xr.DataTree.from_dict({name: xr.Dataset({"image": a}) for name, a in scales.items()}),
    ]
    for container in containers:
        np.testing.assert_array_equal(show_all(container), show_all(image))
    grey = xr.DataArray(da.from_array(image[..., 0]), dims=("y", "x"))
    np.testing.assert_array_equal(show_all(grey), show_all(image[..., 0]))


@properties
@given(views(repeats), st.sampled_from([1, 2, 4]))
def test_tissue_lies_where_its_regions_are(view, times):
    image = np.kron(random(SHAPE, np.uint8) + 1, np.ones((times, times), np.uint8))
    tissue = as_tissue(np.dstack([image] * 3), SHAPE, all_of(SHAPE))
    expected = sampled(image[::times, ::times].astype(int), view, "edge")
    np.testing.assert_allclose(sample_tissue(tissue, view)[..., 0] * 255, expected, atol=0.01)


@pytest.mark.parametrize(("take", "step"), [(2, 1), (4, 1), (8, 2)])
def test_a_pixel_is_the_mean_of_up_to_four_by_four(take, step):
    image = random((16, 24, 3), np.uint8)
    tissue = as_tissue(image, (16, 24), all_of((16, 24)))
    expected = as_blocks(image[step // 2 :: step, step // 2 :: step], take // step) / 255
    np.testing.assert_allclose(sample_tissue(tissue, all_of((16, 24), take)), expected, atol=1e-5)


def test_contrast_is_the_same_in_a_part_and_in_the_whole():
    image = np.add.outer(np.arange(40), np.arange(60)).astype(np.uint16)
    tissue = as_tissue(image, image.shape, all_of(image.shape))
    part = View(Axis(5, 10, 1, 1), Axis(50, 10, 1, 1))
    all_shown = sample_tissue(tissue, all_of(image.shape))
    np.testing.assert_array_equal(sample_tissue(tissue, part), all_shown[5:15, 50:60])
    assert all_shown.min() == 0
    assert all_shown.max() == 1


@pytest.mark.parametrize(
    "shape",
    [(6,), (5, 9), (3, 6), (12, 9), (14, 18), (6, 9, 2), (6, 9, 5), (5, 6, 9), (6, 9, 3, 1), ()],
)
def test_an_image_that_does_not_fit_is_refused_with_both_shapes(shape):
    with pytest.raises(ValueError, match="6 x 9 pixels") as raised:
        as_tissue(np.zeros(shape), SHAPE, all_of(SHAPE))
    assert str(shape) in str(raised.value)


def test_channels_may_come_first():
    image = random((6, 9, 3), np.uint8)
    np.testing.assert_array_equal(show_all(np.moveaxis(image, -1, 0)), show_all(image))


@pytest.mark.parametrize("path", ["tissue.png", Path("tissue.png")])
def test_a_path_is_not_an_image(path):
    with pytest.raises(TypeError, match=r"image is the path 'tissue.png'; read it first"):
        show_all(path)


def test_an_image_may_be_larger_by_a_little_more_than_a_whole_number():
    """As of masks made at int(H / 4): each mask pixel shows what lies under it."""
    shape, view = (25, 30), all_of((25, 30))
    image = np.zeros((103, 121, 3), np.uint8)
    image[-4:, -4:] = 200
    shown = sample_tissue(as_tissue(image, shape, view), view)
    bright = shown[..., 0] > 0.5
    assert np.argwhere(bright).tolist() == [[24, 29]]
    for wrong in ((104, 121), (103, 124), (96, 120)):
        with pytest.raises(ValueError, match="to a pixel of the masks"):
            as_tissue(np.zeros(wrong, np.uint8), shape, view)
