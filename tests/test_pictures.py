import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from postseg import pictures
from postseg.criteria import TESTS
from postseg.pictures import STYLES, filter_picture


def rgb(colour):
    return np.array([*bytes.fromhex(colour)]) / 255


def paint(region_image, reasons, image=None):
    """Paint with RGB from 0 to 1."""
    pixels, swatches = filter_picture(region_image, reasons, image)
    return pixels / 255, {name: swatch / 255 for name, swatch in swatches.items()}


def blocks(rows, columns, side):
    """Touching squares, numbered in raster order."""
    return np.kron(
        np.arange(1, rows * columns + 1).reshape(rows, columns), np.ones((side, side), int)
    )


def has(pixels, colour):
    """Whether a pixel has exactly the colour, a hex string or RGB."""
    colour = rgb(colour) if isinstance(colour, str) else colour
    return bool(np.isclose(pixels, colour, atol=0.002).all(axis=-1).any())


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


# ---- colours


def test_every_test_of_the_filter_has_a_look_of_its_own():
    assert list(STYLES) == list(dict.fromkeys(test.reason for test in TESTS))
    assert len(set(STYLES.values())) == len(STYLES)


def test_colours_are_told_apart_by_everybody_and_in_greyscale():
    bold = np.array([rgb(colour) for colour in sorted({colour for colour, _ in STYLES.values()})])
    pale = np.array([rgb(colour) for colour in pictures._PALE])
    pairs = np.triu_indices(len(bold), 1)
    for seen in as_seen_by(bold):
        lab = rgb2lab(seen)
        assert deltaE_ciede2000(lab[pairs[0]], lab[pairs[1]]).min() > 14
    lightness = rgb2lab(bold)[:, 0]
    assert np.diff(np.sort(lightness)).min() > 8
    assert rgb2lab(pale)[:, 0].min() > lightness.max() + 8


def test_rejected_regions_are_filled_with_the_colour_of_their_reason():
    reasons = ["", *STYLES]
    region_image = blocks(1, len(reasons), 24)
    pixels, swatches = paint(region_image, reasons)
    assert list(swatches) == reasons
    zoom = pixels.shape[1] // region_image.shape[1]
    for k, (reason, (colour, pattern)) in enumerate(STYLES.items(), start=1):
        inside = pixels[4 * zoom : 20 * zoom, (24 * k + 4) * zoom : (24 * k + 20) * zoom]
        assert has(inside, colour), reason
        assert has(inside, 0.25 * rgb(colour) + 0.75) == (pattern != pictures._PLAIN), reason
        assert has(swatches[reason], colour), reason
    survivor = pixels[4 * zoom : 20 * zoom, 4 * zoom : 20 * zoom]
    assert any(has(survivor, pale) for pale in pictures._PALE)


def test_patterns_of_one_colour_differ():
    reasons = ["too_convex", "too_concave", "high_convexity_deficit"]
    looks = paint(blocks(1, 3, 20), reasons)[1]
    assert len({looks[reason].tobytes() for reason in reasons}) == 3


def test_reasons_of_subclasses_look_unlike_all_others():
    reasons = [*STYLES, *(f"own_{k}" for k in range(8))]
    looks = paint(blocks(1, len(reasons), 20), reasons)[1]
    assert list(looks) == ["", *reasons]
    assert len({look.tobytes() for look in looks.values()}) == 1 + len(reasons)


def test_survivors_that_touch_have_different_colours():
    numbers = np.random.default_rng(1).permutation(900) + 1
    region_image = np.kron(numbers.reshape(30, 30), np.ones((8, 8), int))
    pixels = paint(region_image, [""] * 900)[0]
    zoom = pixels.shape[0] // 240
    centres = pixels[4 * zoom :: 8 * zoom, 4 * zoom :: 8 * zoom]
    assert centres.shape == (30, 30, 3)
    assert (centres[1:] != centres[:-1]).any(axis=2).all()
    assert (centres[:, 1:] != centres[:, :-1]).any(axis=2).all()


def test_touching_rejected_regions_are_set_apart_by_a_white_seam():
    pixels = paint(blocks(1, 2, 20), ["too_small"] * 2)[0]
    middle = pixels[pixels.shape[0] // 2]
    white = np.flatnonzero((middle == 1).all(axis=1))
    assert white.tolist() == [pixels.shape[1] // 2]


# ---- size


def dark(pixels):
    return rgb2lab(pixels)[..., 0] < 40


@pytest.mark.parametrize("shape", [(4001, 3999), (9000, 40), (3, 7000)])
def test_no_rejected_region_is_lost_in_a_large_image(shape):
    rows, columns = (np.arange(length // 2 % 40, length, 40) for length in shape)
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    row, col = np.random.default_rng(0).permutation(places)[:150].T
    region_image = np.ones(shape, np.int32)
    region_image[row, col] = np.arange(2, 152)
    region_image.flags.writeable = False
    pixels = paint(region_image, ["", *["tiny_artifacts"] * 150])[0]
    assert max(pixels.shape) <= 1800
    assert min(pixels.shape[:2]) >= 48
    down, right = pixels.shape[0] / shape[0], pixels.shape[1] / shape[1]
    assert dark(pixels[(row * down).astype(int), (col * right).astype(int)]).all()
    assert dark(pixels).sum() >= 6 * 150


def test_a_thin_line_between_the_samples_is_shown_at_its_whole_length():
    region_image = np.zeros((4000, 4000), np.int32)
    region_image[500:3500, 3] = 1  # columns 1, 4, 7, ... are shown
    pixels = paint(region_image, ["tiny_artifacts"])[0]
    assert dark(pixels).any(axis=1).sum() == pytest.approx(1000, abs=3)


def test_enlarged_regions_cover_no_other_rejected_region():
    region_image = np.zeros((900, 900), np.int32)
    region_image[400, 400:405] = np.arange(1, 6)
    reasons = ["too_small", "tiny_artifacts", "too_eccentric", "low_compactness", "too_small"]
    pixels = paint(region_image, reasons)[0]
    expected = np.array([rgb(STYLES[reason][0]) for reason in reasons])
    for row in (800, 801):
        np.testing.assert_allclose(pixels[row, 801:811:2], expected, atol=0.002)


def test_a_small_image_is_enlarged_by_whole_pixels():
    pixels = paint(blocks(2, 3, 7), ["", "too_small"] * 3)[0]
    assert pixels.shape == (14 * 85, 21 * 85, 3)
    corners = paint(np.eye(2, dtype=int), ["too_small"])[0]
    assert (corners[:900, 900:] == 1).all()
    assert has(corners[:900, :900], STYLES["too_small"][0])


# ---- on a microscope image


@pytest.fixture
def small(monkeypatch):
    """Make pictures of 400 pixels, for speed."""
    monkeypatch.setattr(pictures, "_LONG_SIDE", 400)


def disc_on(image, reason):
    rows, columns = np.ogrid[:100, :100]
    disc = ((rows - 50) ** 2 + (columns - 50) ** 2 < 900).astype(int)
    return paint(disc, [reason], image)[0]


@pytest.mark.parametrize("ground", [30, 220])
def test_survivors_are_outlined_and_rejected_regions_tinted(ground, small):
    image = np.full((100, 100, 3), ground, np.uint8)
    faded = 0.7 * ground / 255 + 0.3 * (ground > 127)
    kept, rejected = disc_on(image, ""), disc_on(image, "too_small")
    centre, corner = (200, 200), (5, 5)
    for pixels in (kept, rejected):
        np.testing.assert_allclose(pixels[corner], faded, atol=0.002)
    np.testing.assert_allclose(kept[centre], faded, atol=0.002)
    colour = rgb(STYLES["too_small"][0])
    np.testing.assert_allclose(rejected[centre], 0.65 * colour + 0.35 * faded, atol=0.002)
    outline = np.abs(kept - faded).max(axis=2) > 0.3
    assert 3 <= outline[200].sum() <= 8  # two crossings of a thin line
    assert (kept[outline].mean() < 0.5) == (ground > 127)


def test_a_larger_image_is_shown_where_it_belongs(small):
    image = np.zeros((400, 400), np.uint16)
    image[160:180, 200:240] = 60_000
    pixels = disc_on(image, "")
    zoom = len(pixels) / 400
    bright = np.argwhere(pixels[140:260, 140:260, 0] > 0.6) + 140
    np.testing.assert_array_equal(bright.min(axis=0), (160 * zoom, 200 * zoom))
    np.testing.assert_array_equal(bright.max(axis=0) + 1, (180 * zoom, 240 * zoom))


def test_an_image_with_more_pixels_than_the_picture_is_averaged(small):
    image = np.indices((800, 800, 3)).sum(axis=0) % 2 * np.uint8(255)
    np.testing.assert_allclose(disc_on(image.astype(np.uint8), "")[:80], 0.35, atol=0.002)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((100, 100), bool),
        np.where(np.eye(100), np.nan, np.inf),
        np.full((200, 200, 3), 7.5),
        np.random.default_rng(0).random((100, 100, 4)),
        np.random.default_rng(0).integers(0, 4000, (100, 100, 1), np.uint16),
    ],
    ids=["bool", "NaN", "constant", "RGBA", "one channel"],
)
def test_images_of_any_kind_become_rgb(image, small):
    pixels = disc_on(image, "too_small")
    assert pixels.shape == (400, 400, 3)
    assert pixels.min() >= 0
    assert pixels.max() <= 1


def test_dim_fluorescence_is_stretched(small):
    image = np.random.default_rng(0).integers(100, 200, (100, 100)).astype(np.uint16)
    assert disc_on(image, "").std() > 0.1


def test_in_a_crowd_outlines_are_faint_and_fills_opaque():
    region_image = np.zeros((1800, 1800), int)
    region_image[:800, :800] = blocks(100, 100, 8)
    reasons = ["too_small" if k % 100 == 0 else "" for k in range(10_000)]
    pixels = paint(region_image, reasons, np.full((1800, 1800, 3), 40, np.uint8))[0]
    assert has(pixels[:8, :8], STYLES["too_small"][0])
    assert pixels[100:700, 100:700].max() < 0.45
