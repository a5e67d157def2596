"""What is set on `PostSegmentation` is checked, at construction and at assignment."""

import warnings

import numpy as np
import pytest
import spatialdata as sd
from drawing import OFF, squares
from light import light_tables
from sampling import some

from postseg import FilterConfig, PostSegmentation
from postseg._support.checks import check_names

NO_NAMES = ["", "my cells", "cells/1", "..", "__cells", "cells!"]
# what starts with a dot is written, but not read back; "_" makes "__table"; the last are too long
NO_NAMES += ["...", "._", ".cells", ".zgroup", ".ZATTRS", "zarr.json", "Zarr.JSON", "_"]
NO_NAMES += ["a" * 244, "ä" * 122]
BAD = [
    *(
        ("factor_rescale", value, ValueError)
        for value in (-1, 1.5, np.nan, np.inf, np.float32(0.5))
    ),
    *(("factor_rescale", value, TypeError) for value in ("4", True, np.bool_(True), None)),
    *(("pixel_size", value, ValueError) for value in (0, -1, np.nan, np.inf, 10**400)),
    *(("pixel_size", value, TypeError) for value in ("0.5", True, np.bool_(True), [0.5])),
    *(("label_name", value, ValueError) for value in NO_NAMES),
    *(("label_name", value, TypeError) for value in (None, 5)),
    *(("shape_name", value, ValueError) for value in NO_NAMES),
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


@pytest.mark.parametrize("size", [0.2125, np.float64(0.2125), np.float32(0.5), 1, np.int8(2), None])
def test_a_pixel_size_becomes_a_plain_float(size):
    found = PostSegmentation(pixel_size=size).pixel_size
    assert found == size
    assert found is None or type(found) is float


@pytest.mark.parametrize("size", [0, "0.5"])
def test_what_is_no_pixel_size_is_answered_with_what_to_give(size):
    message = f"pixel_size is {size!r}.*; give the side of a pixel in um, e.g. 0.2125, or None"
    with pytest.raises((TypeError, ValueError), match=message):
        PostSegmentation(pixel_size=size)


@pytest.mark.parametrize("name", ["cells", "Cells_1", "a-b.c", "zellen_ä", "1", "a..", "_a", "-"])
def test_names_that_spatialdata_takes_are_accepted(name):
    assert PostSegmentation(squares(8), label_name=name).process_labels()[1].name == name


@pytest.mark.parametrize("name", some(["a" * 243, "a.", "-_", "ZARR", "zgroup", "ä" * 121], 2))
def test_names_that_are_accepted_are_written_and_read_back(tmp_path, monkeypatch, name):
    light_tables(monkeypatch)
    post = PostSegmentation(squares(8), 1, name, filter_config=OFF, verbose=False)
    post.write(tmp_path / "s.zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = sd.read_zarr(tmp_path / "s.zarr")
    assert list(found.labels) == [name]
    assert list(found.shapes) == [f"{name}_shapes"]
    assert list(found.tables) == [f"{name}_table"]


@pytest.mark.parametrize(
    ("label", "shape", "whose"),
    [
        ("cells", "cells", "the labels"),
        ("cells", "CELLS", "the labels"),
        ("Zellen_Ä", "zellen_ä", "the labels"),
        ("cells", "cells_table", "the table"),
        ("Cells", "cELLS_Table", "the table"),
        ("cells", "Cells_transcripts", "the transcripts"),
    ],
)
def test_names_that_clash(label, shape, whose):
    with pytest.raises(ValueError, match=f"shape_name is '{shape}', the name of {whose}; give an"):
        check_names(label, shape)


@pytest.mark.parametrize(
    "shape", [None, "cells_shapes", "table", "cells_tables", "transcripts", "cell"]
)
def test_names_that_do_not_clash(shape):
    check_names("cells", shape)


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


@pytest.mark.parametrize("shapes", ["cells", "Cells", "cells_table", "CELLS_TABLE"])
def test_clashes_of_names_are_refused_whichever_is_assigned_last(shapes):
    with pytest.raises(ValueError, match="give another"):
        PostSegmentation(label_name="cells", shape_name=shapes)
    post = PostSegmentation(label_name="cells")
    with pytest.raises(ValueError, match="give another"):
        post.shape_name = shapes
    assert post.shape_name == "cells_shapes"
    post = PostSegmentation(shape_name=shapes)
    with pytest.raises(ValueError, match="give another"):
        post.label_name = "cells"
    assert post.label_name == "labels"
