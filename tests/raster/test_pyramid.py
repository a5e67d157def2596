"""The levels of a pyramid: as SpatialData makes them, and as many as viewers want."""

import dask.array as da
import numpy as np
import pytest
from spatialdata.models import Labels2DModel

from postseg.raster.pyramid import default_factors, pyramid_shapes


@pytest.mark.parametrize("shape", [(64, 64), (37, 101), (12, 500), (7, 8)])
@pytest.mark.parametrize("factors", [[], [2], [2, 3], [3, 2], [1, 5], (np.int64(2), 2.0)])
def test_shapes_are_those_of_spatialdata(shape, factors):
    image = da.zeros(shape, dtype=np.int32)
    whole = [int(factor) for factor in factors]
    tree = Labels2DModel.parse(image, dims=("y", "x"), scale_factors=whole)
    expected = [scale["image"].shape for scale in tree.values()]
    assert pyramid_shapes(shape, factors) == expected


@pytest.mark.parametrize("factor", [0, -2, 1.5, "2", True, None, {"y": 2, "x": 1}, np.nan, np.inf])
def test_a_factor_that_is_no_whole_number_from_1_is_named(factor):
    with pytest.raises(ValueError, match=r"scale_factors has the factor .*whole number from 1"):
        pyramid_shapes((64, 64), [2, factor])


def test_a_level_without_pixels_is_an_error():
    assert pyramid_shapes((4, 9), [2, 2]) == [(4, 9), (2, 4), (1, 2)]
    with pytest.raises(ValueError, match=r"is \[2, 2, 2\].* factor 2 leaves no pixel .*1 x 2"):
        pyramid_shapes((4, 9), [2, 2, 2])


@pytest.mark.parametrize(
    ("shape", "n_factors"),
    [
        ((4096, 4096), 0),
        ((100, 4096), 0),
        ((100, 4097), 1),  # 2048.5 is rounded down
        ((32768, 32768), 4),
        ((66_211, 47_002), 6),
        ((3, 100_000), 1),  # one more has no rows
        ((1, 100_000), 0),
        ((0, 0), 0),
        ((0, 9000), 0),
    ],
)
def test_large_labels_get_levels_down_to_2048_pixels_a_side(shape, n_factors):
    factors = default_factors(shape)
    assert factors == [2] * n_factors
    coarsest = pyramid_shapes(shape, factors)[-1]
    assert max(coarsest) <= 2048 or min(coarsest) == 1 or not n_factors
