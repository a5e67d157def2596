"""Label images painted from runs, and runs read back from them without a look at pixels."""

import numpy as np
import pytest
from drawing import draw
from numpy.testing import assert_array_equal

from postseg import PostSegmentation, measure_regions
from postseg.raster import painted
from postseg.raster.enlarge import resize_lazily
from postseg.raster.images import encode
from postseg.raster.runs import Runs

IMAGE = draw("22.3 .... 4111")


def runs(*four, shape=(3, 4)):
    row, start, stop, label = zip(*four, strict=True)
    return Runs(np.array(row), np.array(start), np.array(stop), np.array(label), shape)


def test_runs_paint_themselves():
    image = encode(IMAGE).label_image()
    assert image.dtype == np.int32
    assert_array_equal(np.asarray(image), IMAGE)


def test_large_labels_are_painted_and_too_large_for_a_labels_element():
    large = IMAGE.astype(np.int64) * 2**40
    image = encode(large).label_image()
    assert_array_equal(np.asarray(image), large)
    assert_array_equal(encode(image).label, encode(large).label)
    with pytest.raises(ValueError, match="does not fit the int32"):
        np.asarray(resize_lazily(image, [(6, 8)])[0])


def test_what_is_painted_is_read_as_the_runs_that_it_is(monkeypatch):
    image = encode(IMAGE).label_image()
    monkeypatch.setattr(painted, "_paint_chunk", None)  # would be called for pixels
    assert encode(image).same(encode(IMAGE))


def test_an_image_that_was_changed_is_read():
    image = encode(IMAGE).label_image()
    assert encode(image + 1).same(encode(IMAGE + 1))
    assert encode(image.persist()).same(encode(IMAGE))


def test_runs_of_users_are_made_maximal():
    image = runs((0, 0, 1, 2), (0, 1, 2, 2), (0, 3, 4, 3), (2, 0, 1, 4), (2, 1, 4, 1))
    assert encode(image.label_image()).same(encode(IMAGE))
    assert measure_regions(image).equals(measure_regions(IMAGE))
    assert PostSegmentation(image).masks.shape == (3, 4)


def test_runs_of_other_types_are_refused():
    right = encode(IMAGE)
    for wrong in (right.row.astype(float), right.row[1:], np.array(["0"] * 4)):
        with pytest.raises(ValueError, match="not all whole numbers, as many of each"):
            right._replace(row=wrong).label_image()
    large = right._replace(label=np.full(4, 2**64 - 1, np.uint64))
    with pytest.raises(ValueError, match=r"run 0 .* no label from 0 to"):
        large.label_image()


@pytest.mark.parametrize(
    "wrong",
    [
        [(1, 0, 2, 1), (0, 0, 2, 1)],
        [(0, 2, 3, 1), (0, 0, 2, 1)],
        [(0, 0, 2, 1), (0, 1, 3, 2)],
        [(0, 0, 5, 1)],
        [(0, -1, 2, 1)],
        [(3, 0, 2, 1)],
        [(0, 2, 2, 1)],
        [(0, 0, 2, -1)],
    ],
)
def test_runs_that_are_no_label_image_are_named(wrong):
    with pytest.raises(ValueError, match=rf"run {len(wrong) - 1} of the masks, row {wrong[-1][0]}"):
        runs(*wrong).label_image()
