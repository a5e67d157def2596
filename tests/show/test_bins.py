"""Regions counted per bin: the share that a reader sees is the share that was counted."""

from fractions import Fraction
from math import ceil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_samples import cells, filtered
from skimage.color import rgb2lab

from postseg.show import overview
from postseg.show.bins import Bins, check_colour, count_bins
from postseg.show.overview import see_all
from postseg.show.paint import paint_bins, paint_scale
from postseg.show.palette import DIAGONAL, OTHER, PLAIN, SHARES
from postseg.show.pictures import bins_picture, set_scene, whole
from postseg.show.view import Axis, View

WHITE = np.ones((1, 1, 3), np.float32)
STYLES = [("DDAA33", PLAIN), ("EE3377", DIAGONAL)]


def table(rows, cols, reasons=""):
    regions = pd.DataFrame({"centroid_row": rows, "centroid_col": cols}, dtype=float)
    regions["reason"] = pd.Series(reasons, index=regions.index, dtype=object)
    return regions


def bins_of(counts, side=4):
    """Bins of kept ones and of two reasons: (rows, cols, 3)."""
    counts = np.array(counts)
    rows, cols = (Axis(0, n * side * 10, 10, 1) for n in counts.shape[:2])
    return Bins(View(rows, cols), side, counts)


def painted(counts, colour="share"):
    """The colours in the middle of bins, from 0 to 1."""
    pixels = paint_bins(bins_of(counts), colour, STYLES, WHITE) / 255
    return pixels[2::4, 2::4]


def scene_of(post):
    return set_scene(post._held.last.measured.runs, post.regions)


@pytest.fixture
def counted(monkeypatch):
    """As if 150 cells were too small to be seen."""
    monkeypatch.setattr(overview, "_SEEN_FROM", 10_000)
    monkeypatch.setattr("postseg.show.bins._SIDES", (45, 45))
    monkeypatch.setattr("postseg.show.pictures._LONG_SIDE", 400)
    return filtered(cells(150), max_area=143)


# ---- counts


def test_the_shares_weighted_by_regions_are_those_of_the_report(counted):
    report, bins = counted.filter_report, see_all(scene_of(counted), counted.regions).bins
    regions, rejected = bins.regions.ravel().tolist(), bins.rejected.ravel().tolist()
    shares = [(Fraction(gone, n), n) for gone, n in zip(rejected, regions, strict=True) if n]
    assert len({share for share, _ in shares}) > 5
    mean = sum(share * n for share, n in shares) / sum(regions)
    assert mean == Fraction(report.total - report.passed, report.total)
    assert sum(regions) == report.total
    by_reason = bins.counts.sum(axis=(0, 1)).tolist()
    assert by_reason == [report.passed, *(n for n in report.rejected.values() if n)]


@given(
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(0, 2)), max_size=30),
    st.floats(0.01, 3),
)
def test_each_region_is_counted_once_in_the_bin_of_its_centroid(height, width, found, across):
    rows, cols, look = np.array(found).reshape(-1, 3).T
    regions = table(rows * (height - 1), cols * (width - 1))
    view = whole((height, width))
    bins = count_bins(regions, np.append(0, look).astype(int), view, across)
    assert bins.counts.sum() == len(regions)
    assert bins.counts[..., 1:].sum() == (look > 0).sum()
    assert [ceil(axis.n * axis.repeat / bins.side) for axis in view] == [*bins.regions.shape]
    edge = np.array(bins.size)
    for i, j in np.argwhere(bins.regions):
        first = edge * [i, j]
        middles = regions[["centroid_row", "centroid_col"]].to_numpy() + 0.5
        inside = (middles >= first - 1e-6) & (middles <= first + edge + 1e-6)
        assert bins.regions[i, j] <= inside.all(axis=1).sum()


def test_the_commonest_reason_is_the_first_of_those_that_tie():
    counts = [[[5, 0, 0], [9, 1, 0], [0, 2, 2], [0, 1, 7], [0, 0, 0]]]
    assert bins_of(counts).commonest.tolist() == [[0, 1, 1, 2, 0]]
    assert bins_of([[[3]]]).commonest.tolist() == [[0]]  # nothing was rejected


def test_an_unknown_colour_is_named_with_those_that_there_are(counted):
    for colour in ("shares", None, ["share"]):
        with pytest.raises(ValueError, match=r"colour is .*; give one of: 'share', 'reason'"):
            check_colour(colour)
    with pytest.raises(ValueError, match=r"colour is 'red'; give one of"):
        counted.plot_filter(colour="red")


# ---- colours


def hue(pixels):
    """Direction and length from white."""
    off = 1 - pixels
    length = np.linalg.norm(off, axis=-1, keepdims=True)
    return off / length, length[..., 0]


def test_a_bin_is_background_where_empty_and_the_paler_the_fewer_regions_it_holds():
    n = np.arange(0, 41, 4)
    pixels = painted([np.stack([n - n // 4, n // 4, 0 * n], axis=-1)])[0]  # a quarter of each
    assert (pixels[0] == 1).all()
    direction, strength = hue(pixels[1:])
    assert (np.diff(strength) > 0.004).all()
    assert np.ptp(direction, axis=0).max() < 0.03  # one colour, by which share is told
    assert strength[0] > 0.3 * strength[-1]


def test_the_colour_tells_the_share_whatever_the_reasons_are():
    pixels = painted([[[20 - n, n // 2, n - n // 2] for n in range(21)]])[0]
    lightness = rgb2lab(pixels[None])[0, :, 0]
    assert (np.diff(lightness) < -1).all()
    stops = np.array([[*bytes.fromhex(SHARES[k])] for k in (0, 3, -1)]) / 255
    expected = hue(stops)[0]
    np.testing.assert_allclose(hue(pixels[[0, 10, 20]])[0], expected, atol=0.02)


def test_the_scale_has_the_colours_of_the_bins():
    bins = bins_of([[[20 - n, n, 0] for n in range(0, 21, 2)]])
    scale = paint_scale(bins, 20, 101)
    assert scale.shape == (20, 101, 3)
    row = paint_bins(bins, "share", STYLES, WHITE)[2, 2::4]
    np.testing.assert_array_equal(scale[0, ::10], row)  # all hold 20, the most
    assert (scale[-1].astype(int).sum(axis=1) > scale[0].astype(int).sum(axis=1)).all()


def test_the_colour_of_the_commonest_reason_is_the_bolder_the_more_were_rejected():
    counts = [[[20, 0, 0], [18, 2, 0], [10, 10, 0], [0, 20, 0], [0, 9, 11]]]
    pixels = painted(counts, "reason")[0]
    yellow = np.array([*bytes.fromhex(STYLES[0][0])]) / 255
    grey = np.array([*bytes.fromhex(OTHER)]) / 255
    np.testing.assert_allclose(hue(pixels[0])[0], hue(grey)[0], atol=0.02)
    np.testing.assert_allclose(hue(pixels[3])[0], hue(yellow)[0], atol=0.02)
    assert (np.diff(pixels[:4, 2]) < -0.05).all()  # ever less blue
    assert pixels[4, 1] < pixels[4, 2]  # magenta


def test_a_dark_image_is_shown_light_and_grey_behind_the_bins(counted):
    seen = see_all(scene_of(counted), counted.regions)
    blank = seen.bins._replace(counts=0 * seen.bins.counts)
    for ground in (20, 235):
        image = np.full((*counted.masks.shape, 3), ground, np.uint8)
        image[::2] = 128, 100, 128
        scene = set_scene(counted._held.last.measured.runs, counted.regions, image)
        pixels = bins_picture(scene, blank, "share").pixels
        assert pixels.min() > 150
        assert (np.ptp(pixels.astype(int), axis=2) <= 1).all()
        assert np.ptp(pixels) > 20
