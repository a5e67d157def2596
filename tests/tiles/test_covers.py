"""One label image, cut into tiles and merged, is that image again: by the rules and by the code."""

import os

import numpy as np
import pytest
from drawing import OFF
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from reference import regions
from strategies import canvases
from test_real_masks import FILES, stained_nuclei
from tiles import oracle
from tiles.covers import covers, cut, renumbered, shares_tile

from postseg import PostSegmentation, Slide
from postseg.raster.images import encode
from postseg.tiles.slide import merge_tiles

# small images have tiles without a cell at any seam
pytestmark = pytest.mark.filterwarnings("ignore:No tile has a cell within")
EXAMPLES = int(os.environ.get("POSTSEG_EXAMPLES", 60))
properties = settings(
    deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow]
)
REAL = [stained_nuclei(), *(np.load(path)["labels"] for path in FILES)]


def by_postseg(*args, **kwargs):
    """The image, of runs that are those of an image: sorted, disjoint and as long as can be."""
    runs = merge_tiles(*args, **kwargs)
    image = np.zeros(runs.shape, np.int64)
    for row, start, stop, label in zip(*runs[:4], strict=True):
        image[row, start:stop] = label
    assert runs.same(encode(image))
    return image


def by_the_oracle(*args, **kwargs):
    return oracle.merge(*args, **kwargs).image


@st.composite
def windows(draw):
    """A part of a real mask."""
    image = REAL[draw(st.integers(0, len(REAL) - 1))]
    height, width = draw(st.integers(30, 200)), draw(st.integers(30, 200))
    row = draw(st.integers(0, image.shape[0] - height))
    column = draw(st.integers(0, image.shape[1] - width))
    return image[row : row + height, column : column + width]


images = st.one_of(canvases(40), windows())
both = pytest.mark.parametrize("merge", [by_the_oracle, by_postseg])


@both
@given(data=st.data(), image=images)
@properties
def test_windows_of_one_image_give_it_back_with_its_labels(merge, data, image):
    tiles, origins = cut(image, data.draw(covers(image.shape)))
    assert_array_equal(merge(tiles, origins, image.shape, ids="shared"), image)


@both
@given(data=st.data(), image=images)
@properties
def test_tiles_that_number_for_themselves_give_the_regions_back(merge, data, image):
    overlaps = st.one_of(st.integers(1, 3), st.integers(0, 80))
    rectangles = data.draw(covers(image.shape, overlaps))
    assume(shares_tile(image, rectangles))
    tiles, origins = cut(image, rectangles)
    tiles = data.draw(renumbered(tiles))
    merged = merge(tiles, origins, image.shape, rim=data.draw(st.integers(0, 2)))
    assert_array_equal(merged, regions(image)[0])


@given(data=st.data(), image=images, ids=st.sampled_from(["local", "shared"]))
@properties
def test_polygons_and_audit_are_those_of_the_image_to_the_bit(data, image, ids):
    rectangles = data.draw(covers(image.shape))
    tiles, origins = cut(image, rectangles)
    if ids == "local":
        assume(shares_tile(image, rectangles))
        tiles, image = data.draw(renumbered(tiles)), regions(image)[0]
    assume(image.any())
    slide = Slide(image.shape, ids=ids)
    for tile, origin in zip(tiles, origins, strict=True):
        slide.add(tile, origin)
    merged, plain = (
        PostSegmentation(masks, 2, filter_config=OFF, verbose=False) for masks in (slide, image)
    )
    for post in (merged, plain):
        post.process_masks_to_shapes()
    assert_array_equal(np.asarray(merged.masks), plain.masks)
    assert merged.gdf_polygons.to_wkb().equals(plain.gdf_polygons.to_wkb())
    assert merged.regions[plain.regions.columns].equals(plain.regions)


@given(data=st.data(), image=images)
@properties
def test_grids_and_bricks_that_overlap_share_every_pair(data, image):
    assert shares_tile(image, data.draw(covers(image.shape, st.integers(1, 80))))


@pytest.mark.parametrize(
    ("image", "rectangles", "shared"),
    [
        ([[1, 1]], [(0, 0, 1, 1), (0, 1, 1, 2)], False),
        ([[1, 1]], [(0, 0, 1, 1), (0, 1, 1, 2), (0, 0, 1, 2)], True),
        ([[1, 2]], [(0, 0, 1, 1), (0, 1, 1, 2)], False),
        ([[1, 0, 2]], [(0, 0, 1, 1), (0, 1, 1, 3)], True),
        ([[1, 0], [0, 1]], [(0, 0, 1, 2), (1, 0, 2, 2)], False),
        ([[0, 1], [1, 0]], [(0, 0, 1, 2), (1, 0, 2, 2)], False),
        ([[1, 0], [0, 2]], [(0, 0, 1, 2), (1, 0, 2, 2)], True),
    ],
)
def test_sharing_a_tile_by_hand(image, rectangles, shared):
    assert shares_tile(np.array(image), rectangles) == shared
