"""Affine maps are applied in one place, and as shapely applies them."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import affinity

import postseg
from postseg.geometry.placement import (
    Reference,
    area_scale,
    heights,
    place,
    transform,
    translation,
)

ROOT = Path(postseg.__file__).parent
numbers = st.floats(-1e6, 1e6)
matrices = st.lists(numbers, min_size=6, max_size=6).map(
    lambda six: np.vstack([np.reshape(six, (2, 3)), (0, 0, 1)])
)


@given(matrices, st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5))
def test_points_go_where_shapely_takes_them(matrix, points):
    (a, b, x), (c, d, y), _ = matrix.tolist()
    expected = affinity.affine_transform(shapely.MultiPoint(points), [a, b, c, d, x, y])
    found = transform(np.array(points), matrix)
    np.testing.assert_array_equal(found, shapely.get_coordinates(expected))


@given(matrices, st.tuples(numbers, numbers, numbers, numbers))
def test_heights_are_those_of_the_four_corners(matrix, box):
    left, low, right, high = box
    corners = [(x, y) for x in (left, right) for y in (low, high)]
    expected = transform(np.array(corners), matrix)[:, 1]
    np.testing.assert_array_equal(heights(matrix, *box), expected)
    columns = heights(matrix, *np.transpose([box, box]))
    np.testing.assert_array_equal(columns, np.transpose([expected, expected]))


def test_areas_are_scaled_by_the_linear_part():
    assert area_scale(np.array([[0, 2, 9], [3, 0, 9], [0, 0, 1.0]])) == pytest.approx(6)


def test_no_other_module_takes_a_matrix_to_pieces():
    own = {path.stem for path in ROOT.rglob("*.py") if "[:2, :2]" in path.read_text("utf-8")}
    assert len(own) == 1, own


# ---- where masks lie


def test_without_a_reference_global_is_the_image():
    placed = place((30, 40), factor=4, origin=(5, 2))
    assert placed.shape == (120, 160)
    assert placed.scale == (4, 4)
    assert list(placed.systems) == ["global", "image", "mirrored"]
    np.testing.assert_array_equal(placed.systems["global"], translation(8, 20))
    np.testing.assert_array_equal(placed.systems["image"], translation(8, 20))
    np.testing.assert_array_equal(placed.shape_systems["mirrored"], np.eye(3))


def invertible(angle, shear, across, down, x, y):
    """A map that turns, shears, stretches, perhaps mirrors, and moves."""
    turned = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix = np.eye(3)
    matrix[:2, :2] = turned @ np.array([[across, shear], [0, down * np.sign(angle or 1)]])
    matrix[:2, 2] = x, y
    return matrix


@given(
    st.tuples(*[st.integers(1, 60)] * 2),
    st.tuples(*[st.floats(1, 9)] * 2),
    st.one_of(st.none(), st.tuples(*[st.integers(-50, 50)] * 2)),
    st.sampled_from([None, "reference", "own"]),
    st.builds(
        invertible, *[st.floats(-4, 4)] * 2, *[st.floats(0.1, 50)] * 2, *[st.floats(-1e5, 1e5)] * 2
    ),
    st.floats(-100, 100),
)
def test_labels_masks_and_polygons_meet_in_every_system(
    masks, scale, origin, kind, to_slide, shift
):
    shape = tuple(int(n * s) for n, s in zip(masks, scale, strict=True))
    given_shape = {"image_shape": shape}
    if kind:
        slide = shape if origin is None else (10**6, 10**6)
        given_shape[kind] = Reference(slide, {"global": to_slide, "his": to_slide})
        origin = origin and (abs(origin[0]), abs(origin[1]))
    placed = place(masks, origin=origin, pixel_size=0.5, **given_shape)._replace(shift=shift)
    down, across = np.divide(shape, masks)
    point = np.array([[masks[1] / 3, masks[0] / 7]])  # of mask pixels, counted from their corners
    full = point * (across, down)
    # the polygon's coordinates count from pixel centres, are enlarged, mirrored and shifted
    raw = (point - 0.5) * (across, -down) + (0, shift)
    names = set(placed.systems)
    expected = {"global", "image", "mirrored", "microns"} | ({"his"} if kind else set())
    assert names == expected == set(placed.shape_systems) == set(placed.mask_systems)
    for name in names:
        by_labels = transform(full, placed.systems[name])
        size = np.abs(placed.systems[name]).max() * 1e3 + 1
        for found in (
            transform(point, placed.mask_systems[name]),
            transform(raw, placed.shape_systems[name]),
        ):
            np.testing.assert_allclose(found, by_labels, rtol=1e-6, atol=1e-9 * size)
    in_slide = full + np.multiply((across, down), (origin or (0, 0))[::-1])
    np.testing.assert_allclose(transform(full, placed.systems["image"]), in_slide)
    np.testing.assert_allclose(transform(full, placed.systems["microns"]), 0.5 * in_slide)
    if kind:
        of_element = in_slide if kind == "reference" else point
        expected = transform(of_element, to_slide)
        size = np.abs(to_slide).max() * 1e3
        found = transform(full, placed.systems["his"])
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9 * size)


def test_a_reference_knows_better_than_we_do_but_for_the_raw_frame():
    systems = {name: translation(3, 4) for name in ("image", "microns", "mirrored")}
    placed = place((5, 5), own=Reference((5, 5), systems), pixel_size=2)
    for name in ("global", "image", "microns"):
        np.testing.assert_array_equal(placed.systems[name], translation(3, 4))
    assert not np.array_equal(placed.systems["mirrored"], translation(3, 4))


@pytest.mark.parametrize(
    ("settings", "area"),
    [
        ({}, 1),
        ({"factor": 4}, 16),
        ({"image_shape": (7, 11)}, Fraction(77, 15)),
        ({"own": Reference((3, 5), {"image": np.diag([4.0, 4, 1])})}, 16),
        (
            {"factor": 2, "own": Reference((3, 5), {"image": np.diag([-0.1, 3, 1])})},
            Fraction(-0.1) * -3,
        ),
    ],
)
def test_the_area_of_a_mask_pixel_is_exact(settings, area):
    assert place((3, 5), **settings).mask_pixel_area == area


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_shape": (29, 90)}, "the masks, 30 x 40, are larger than the image, 29 x 90"),
        ({"image_shape": (90, 39)}, "larger than the image"),
        ({"reference": Reference((20, 20), {})}, "larger than the reference, 20 x 20"),
        ({"factor": 4, "image_shape": (124, 160)}, "about 120 x 160, but is 124 x 160"),
        ({"factor": 4, "image_shape": (116, 160)}, "the image should be about 120 x 160"),
        ({"factor": 4, "reference": Reference((500, 500), {})}, "give the origin of a tile"),
        (
            {"factor": 4, "origin": (0, 90), "reference": Reference((500, 500), {})},
            "columns 360 to 520 .* reference has 500",
        ),
    ],
)
def test_what_does_not_fit_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        place((30, 40), **settings)


@pytest.mark.parametrize("shape", [(120, 160), (123, 157), (117, 163)])
def test_a_factor_may_be_off_by_less_than_a_mask_pixel(shape):
    placed = place((30, 40), factor=4, image_shape=shape)
    assert placed.scale == (shape[0] / 30, shape[1] / 40)
