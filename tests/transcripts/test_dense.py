"""A look-up in the whole label image finds the same, for more points than the oracle can take."""

import pytest
from transcripts import dense


@pytest.mark.parametrize("factor", [1, 3])
def test_many_points_equal_a_look_up_in_the_label_image(factor):
    masks = dense.synthetic(256)
    points = dense.random_points([side * factor for side in masks.shape], 100_000)
    assert not any(dense.differences(masks, points, factor).values())
