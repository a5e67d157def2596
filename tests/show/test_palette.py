import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from postseg.filtering.criteria import BORDER, TESTS
from postseg.show.palette import BEYOND, KEPT, OTHER, PALE, SHARES, STYLES, styles_of


def rgb(*colours):
    return np.array([[*bytes.fromhex(colour)] for colour in colours]) / 255


def as_seen_by(colours):
    """sRGB as people without red, green or blue cones see it (Machado et al. 2009, severity 1)."""
    matrices = np.array(
        [
            np.eye(3),
            [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ],
            [
                [0.367322, 0.860646, -0.227968],
                [0.280085, 0.672501, 0.047413],
                [-0.011820, 0.042940, 0.968881],
            ],
            [
                [1.255528, -0.076749, -0.178779],
                [-0.078411, 0.930809, 0.147602],
                [0.004733, 0.691367, 0.303900],
            ],
        ]
    )
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    seen = (linear @ matrices.transpose(0, 2, 1)).clip(0, 1)
    return np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)


BOLD = sorted({colour for colour, _ in STYLES.values()})


def test_every_test_of_the_filter_has_a_look_of_its_own():
    assert list(STYLES) == list(dict.fromkeys(test.reason for test in (BORDER, *TESTS)))
    assert len(set(STYLES.values())) == len(STYLES)


def test_colours_of_a_histogram_are_told_apart_by_everybody():
    colours = rgb(*BOLD, KEPT)
    first, second = np.triu_indices(len(colours), 1)
    for seen in as_seen_by(colours):
        lab = rgb2lab(seen)
        assert deltaE_ciede2000(lab[first], lab[second]).min() > 14


def test_colours_of_a_histogram_are_told_apart_in_greyscale():
    lightness = np.sort(rgb2lab(rgb(*BOLD, KEPT))[:, 0])
    assert np.diff(lightness).min() > 8


@pytest.mark.parametrize("quiet", [*PALE, OTHER, BEYOND])
def test_what_is_not_rejected_is_lighter_than_all_that_is(quiet):
    assert rgb2lab(rgb(quiet))[0, 0] > rgb2lab(rgb(*BOLD))[:, 0].max() + 8


def test_the_colours_of_shares_are_ever_darker_to_everybody():
    for seen in as_seen_by(rgb(*SHARES)):
        assert np.diff(rgb2lab(seen)[:, 0]).max() < -5


def test_a_pale_colour_of_a_share_is_none_of_a_lower_one():
    """Many of a low share are told from few of a high one, which are as light."""
    shares = rgb(*SHARES)
    few = 1 + 0.35 * (shares[4:] - 1)
    for seen, pale in zip(as_seen_by(shares[:3]), as_seen_by(few), strict=True):
        low, high = rgb2lab(seen)[:, None], rgb2lab(pale)[None]
        assert deltaE_ciede2000(low, high).min() > 7  # three times what is just seen


def test_a_crop_tells_other_regions_from_background_and_from_what_is_beyond_the_mask():
    lightness = rgb2lab(rgb(OTHER, BEYOND, "FFFFFF"))[:, 0]
    assert np.diff(lightness).min() > 2.5


def test_reasons_that_occur_come_in_the_order_of_the_tests_whatever_that_of_the_table():
    reasons = ["high_convexity_deficit", "", "too_small", "", "too_small", "tiny_artifacts"]
    expected = ["tiny_artifacts", "too_small", "high_convexity_deficit"]
    assert styles_of(reasons) == {reason: STYLES[reason] for reason in expected}
    assert list(styles_of(reasons)) == expected
    assert styles_of([]) == styles_of([""]) == {}


def test_reasons_of_subclasses_come_last_and_look_unlike_all_others():
    own = [f"own_{k}" for k in range(7)]
    styles = styles_of([*own[::-1], "", *STYLES])
    assert list(styles) == [*STYLES, *own]
    assert len(set(styles.values())) == len(styles)


def test_no_reason_is_left_without_a_look_however_many_there_are():
    own = [f"own_{k:02}" for k in range(30)]
    assert list(styles_of(own)) == own
