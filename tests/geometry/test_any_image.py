"""Both outlines that lose nothing, whatever the label image."""

import pytest
import shapely
from geometry.agreement import assert_outlined, assert_scaled
from geometry.examples import both, examples
from geometry.patterns import all_saddles, draw_pattern
from hypothesis import given
from hypothesis import strategies as st
from strategies import label_images

from postseg import masks_to_polygons


@both
@pytest.mark.parametrize("around", [0, 9])
def test_every_kind_of_saddle(outline, around):
    assert_outlined(all_saddles(around), outline, labels={1, 2})


@both
@given(label_images(16))
@examples
def test_painted_and_noisy_images_of_any_type(outline, masks):
    assert_outlined(masks, outline)


@both
@given(st.integers(0, 2**32 - 1))
@examples
def test_patterns(outline, seed):
    assert_outlined(draw_pattern(seed), outline)


@both
@given(st.integers(0, 2**32 - 1), st.sampled_from([(1, 1), (4, 4), (0.3, 1.7)]), st.booleans())
@examples
def test_scaled_and_mirrored(outline, seed, scale, mirrored):
    assert_scaled(draw_pattern(seed), outline, scale, mirrored)


@both
@given(st.integers(0, 2**32 - 1))
@examples
def test_without_background_the_cells_fill_the_image(outline, seed):
    masks = draw_pattern(seed) + 1
    polygons = masks_to_polygons(masks, outline=outline)
    height, width = masks.shape
    whole = shapely.box(-0.5, -0.5, width - 0.5, height - 0.5)
    assert shapely.coverage_union_all(polygons).equals(whole)
    assert sum(polygon.area for polygon in polygons) == masks.size
