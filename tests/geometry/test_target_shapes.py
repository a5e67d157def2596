"""Masks made at int(H / f): labels have the shape of the image, and polygons lie on them."""

import os

import numpy as np
import pytest
import spatialdata as sd
from reference import resize_exactly
from spatialdata.transformations import get_transformation

from postseg import PostSegmentation

N = int(os.environ.get("POSTSEG_EXAMPLES", 12))  # 600 in full
XY = ("x", "y")


def boxes(labels):
    """First and last corner, as x and y, of every label's pixels."""
    found = {}
    for value in np.unique(labels[labels > 0]):
        rows, columns = np.nonzero(labels == value)
        found[value] = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    return found


def cells(shape, random):
    """Cells on a grid that fills the masks to their last row and column."""
    rows, columns = (np.arange(n) // 7 for n in shape)
    image = 1 + rows[:, None] * (columns[-1] + 1) + columns
    gaps = (np.arange(shape[0])[:, None] % 7 == 3) & (random.random(shape) < 0.4)
    return np.where(gaps, 0, image)


@pytest.mark.parametrize("seed", range(N))
def test_labels_follow_the_rule_and_polygons_lie_on_them(seed):
    random = np.random.default_rng(seed)
    factor = random.choice([1.3, 2, 2.5, 3, 4, 7])
    image = tuple(int(side) for side in random.integers(15, 260, 2))
    small = tuple(max(1, int(side / factor)) for side in image)
    masks = cells(small, random)
    post = PostSegmentation(
        masks,
        int(factor) if factor == int(factor) else 1,
        image_shape=image,
        filter_config=dict.fromkeys(
            ["min_area", "min_absolute_area", "max_convexity_deficit"], None
        ),
        verbose=False,
    )
    post.process_masks_to_shapes()
    _, labels = post.process_labels()
    pixels = labels.to_numpy()
    np.testing.assert_array_equal(pixels, resize_exactly(post.masks, image))
    drawn = sd.transform(post.shapes_model, to_coordinate_system="image")
    expected = boxes(pixels)
    for label, polygon in drawn.geometry.items():
        # the largest part of a cell stands for it
        if (post.regions["label"] == label).sum() == 1 and label in expected:
            off = np.abs(np.subtract(polygon.bounds, expected[label]))
            assert off.max() <= 0.51, (image, small, label)
    np.testing.assert_array_equal(
        get_transformation(labels, "image").to_affine_matrix(XY, XY), np.eye(3)
    )
    assert post.verify().summary["systems"]["image"]["max_offset"] < 1 + max(factor, 2) / 4
