"""What is set on `PostSegmentation` is checked, at construction and at assignment."""

import numpy as np
import pytest
from drawing import OFF, squares

from postseg import FilterConfig, PostSegmentation

NO_NAMES = ["", "my cells", "cells/1", "..", "__cells", "cells!"]
BAD = [
    *(
        ("factor_rescale", value, ValueError)
        for value in (-1, 1.5, np.nan, np.inf, np.float32(0.5))
    ),
    *(("factor_rescale", value, TypeError) for value in ("4", True, np.bool_(True), None)),
    *(("label_name", value, ValueError) for value in NO_NAMES),
    *(("label_name", value, TypeError) for value in (None, 5)),
    *(("masks", value, ValueError) for value in (np.array([[1.5]]), np.zeros((3, 3, 3), int))),
    ("masks", "masks.npy", TypeError),
    ("filter_config", {"max_ecentricity": 0.9}, ValueError),
    *(("filter_config", value, TypeError) for value in ("strict.toml", 5)),
]


@pytest.mark.parametrize(("name", "value", "error"), BAD)
class TestSetting:
    def test_a_bad_value_is_refused_at_construction(self, name, value, error):
        with pytest.raises(error):
            PostSegmentation(**{name: value})

    def test_a_bad_value_is_refused_at_assignment_and_the_old_one_stays(self, name, value, error):
        post = PostSegmentation(squares(8), 4, "cells", filter_config=OFF, verbose=False)
        post.process_masks_to_shapes()
        post.process_labels()
        before = vars(post).copy()
        with pytest.raises(error):
            setattr(post, name, value)
        assert [key for key, held in vars(post).items() if held is not before[key]] == []


@pytest.mark.parametrize("name", ["cells", "Cells_1", "a-b.c", "zellen_ä", "1"])
def test_names_that_spatialdata_takes_are_accepted(name):
    assert PostSegmentation(squares(8), label_name=name).process_labels()[1].name == name


@pytest.mark.parametrize("factor", [0, 1, 4, 4.0, np.int16(4), np.float32(4)])
def test_the_factor_becomes_an_integer(factor):
    stored = PostSegmentation(factor_rescale=factor).factor_rescale
    assert type(stored) is int
    assert stored == factor


def test_thresholds_may_be_a_config_a_mapping_or_nothing():
    config = FilterConfig(max_area=70)
    assert PostSegmentation(filter_config=config).filter_config is config
    assert PostSegmentation(filter_config={"max_area": 70}).filter_config == config
    assert PostSegmentation(filter_config=None).filter_config == FilterConfig()
