"""Labels at full resolution: nearest neighbour, int32, and nothing computed before it is asked."""

import tracemalloc

import dask.array as da
import numpy as np
import pytest
from drawing import OFF, draw
from numpy.testing import assert_array_equal
from skimage.transform import resize
from spatialdata.models import Labels2DModel
from spatialdata.transformations import get_transformation

from postseg import PostSegmentation


def enlarged(masks, factor):
    return PostSegmentation(masks, factor).process_labels()[1]


def test_every_pixel_becomes_a_block():
    assert_array_equal(enlarged(draw("12 .3"), 2), draw("1122 1122 ..33 ..33"))


@pytest.mark.parametrize("factor", [0, 1])
def test_the_factors_0_and_1_keep_the_size(factor):
    assert_array_equal(enlarged(draw("12 .3"), factor), draw("12 .3"))


@pytest.mark.parametrize("factor", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", ["u1", ">i2", "i8", "f4"])
def test_values_are_those_of_resize(factor, dtype):
    masks = np.random.default_rng(0).integers(0, 100, (23, 37)).astype(dtype)
    shape = (23 * factor, 37 * factor)
    resized = resize(masks.astype(float), shape, order=0, preserve_range=True, anti_aliasing=False)
    assert_array_equal(enlarged(masks, factor), resized)


def test_boolean_masks_become_0_and_1():
    labels = enlarged(np.array([[True, False]]), 2)
    assert_array_equal(labels, draw("11.. 11.."))


def test_the_element_is_a_labels_model():
    labels = enlarged(draw("12 .3 3."), 4)
    Labels2DModel().validate(labels)
    assert labels.dims == ("y", "x")
    assert labels.shape == (12, 8)
    assert labels.dtype == np.int32
    assert isinstance(labels.data, da.Array)
    assert "global" in get_transformation(labels, get_all=True)


def test_the_element_has_the_name_given():
    assert PostSegmentation(draw("1"), label_name="cells").process_labels()[1].name == "cells"
    assert PostSegmentation(draw("1")).process_labels()[1].name == "labels"


def test_the_masks_returned_are_the_masks_not_enlarged():
    masks = draw("12 .3")
    post = PostSegmentation(masks, 3)
    returned, labels = post.process_labels()
    assert returned is masks
    assert post.labels_model is labels


def test_chunks_are_whole_blocks_of_pixels():
    masks = np.random.default_rng(0).integers(0, 9, (3000, 10))
    labels = enlarged(masks, 3)
    assert len(labels.data.chunks[0]) > 1
    assert sum(labels.data.chunks[0]) == 9000
    assert all(size % 3 == 0 for sizes in labels.data.chunks for size in sizes)
    assert_array_equal(labels, masks.repeat(3, axis=0).repeat(3, axis=1))


@pytest.mark.parametrize("factor", [1, 7, 100])
def test_a_chunk_is_at_most_2048_pixels_wide(factor):
    labels = enlarged(np.broadcast_to(np.uint16(1), (5000, 3)), factor)
    assert 2048 - factor < max(labels.data.chunks[0]) <= 2048


def memory_to_build(masks, factor):
    """Labels of masks, and the bytes that building them took at most."""
    post = PostSegmentation(masks, factor)
    enlarged(draw("1"), factor)  # what is imported once is not counted
    tracemalloc.start()
    labels = post.process_labels()[1]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return labels, peak


@pytest.mark.parametrize("factor", [1, 8])
def test_building_labels_takes_no_memory_for_their_pixels(factor):
    """A broadcast array has 10,000 x 10,000 pixels but one value: who copies it, shows."""
    masks = np.broadcast_to(np.uint8(7), (10_000, 10_000))
    labels, peak = memory_to_build(masks, factor)
    assert labels.shape == (10_000 * factor, 10_000 * factor)
    assert peak < 20e6
    assert labels[-1, -1].compute() == 7


def test_building_labels_does_not_read_a_memmap_into_memory(tmp_path):
    np.save(tmp_path / "masks.npy", np.ones((5000, 5000), np.uint8))
    masks = np.load(tmp_path / "masks.npy", mmap_mode="r")
    labels, peak = memory_to_build(masks, 2)
    assert peak < 10e6
    assert labels[:10, :10].sum().compute() == 100


@pytest.mark.parametrize("dtype", ["u4", "i8", ">u8", "f8"])
def test_an_id_beyond_int32_asks_for_the_filter_which_renumbers(dtype):
    post = PostSegmentation(np.array([[5, 2**31]], dtype), filter_config=OFF, verbose=False)
    with pytest.raises(ValueError, match=r"2147483648.*int32.*filter"):
        post.process_labels()
    assert post.labels_model is None
    post.process_masks_to_shapes()
    assert post.process_labels()[1].values.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("value", "dtype", "words"),
    [
        (np.nan, "f8", "value nan at row 5, column 7"),
        (1.5, "f4", "value 1.5 at row 5, column 7"),
        (-3, "i4", "negative label -3 at row 5, column 7"),
        (2**31, "i8", "label 2147483648 at row 5, column 7.*int32.*filter"),
        (2**31, "u4", "label 2147483648 at row 5, column 7.*int32.*filter"),
        (2.0**31, "f8", "label 2147483648 at row 5, column 7.*int32.*filter"),
        (2**63, "u8", "label 9223372036854775808 at row 5, column 7"),
    ],
)
@pytest.mark.parametrize("factor", [1, 3])
def test_a_value_that_is_no_id_in_lazy_masks_is_an_error_where_it_is_computed(
    value, dtype, words, factor
):
    masks = np.zeros((9, 10), dtype)
    masks[5, 7] = value
    labels = enlarged(da.from_array(masks, chunks=(2, 4)), factor)
    assert not labels[: 4 * factor].values.any()  # what has not that pixel
    with pytest.raises(ValueError, match=words):
        labels.compute()


def test_labels_of_lazy_masks_read_nothing_but_the_last_rows():
    read = []

    def note(block, block_info=None):
        read.append(block_info[0]["chunk-location"][0])
        return block

    meta = np.empty((0, 0), np.int64)
    masks = da.ones((80, 4), int, chunks=(10, 4)).map_blocks(note, meta=meta)
    labels = enlarged(masks, 2)
    assert set(read) == {7}
    assert labels.values.all()


def test_what_the_filter_painted_is_not_checked_again(monkeypatch):
    lazy = da.from_array(draw("..4 9.. 99."), chunks=2)
    post = PostSegmentation(lazy, 2, filter_config=OFF, verbose=False)
    post.process_masks_to_shapes()
    labels = post.process_labels()[1]
    monkeypatch.setattr("postseg.raster.enlarge.as_block", None)
    assert_array_equal(labels, draw("....11 ....11 22.... 22.... 2222.. 2222.."))


def test_the_largest_id_of_int32_fits():
    assert enlarged(np.array([[2**31 - 1]]), 1).values.tolist() == [[2**31 - 1]]


def test_labels_agree_with_the_shapes_after_the_filter():
    post = PostSegmentation(draw("..4 9.. 99."), 2, filter_config=OFF, verbose=False)
    masks, _, shapes = post.process_masks_to_shapes()
    returned, labels = post.process_labels()
    assert returned is masks
    assert sorted(set(labels.values.ravel().tolist()) - {0}) == shapes.index.tolist() == [1, 2]
    assert_array_equal(labels, draw("....11 ....11 22.... 22.... 2222.. 2222.."))
