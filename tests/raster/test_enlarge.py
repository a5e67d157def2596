"""Labels at full resolution: nearest neighbour, int32, and nothing computed before it is asked."""

import tracemalloc

import dask.array as da
import numpy as np
import pytest
import reference
from dask.array.core import normalize_chunks
from dask.highlevelgraph import HighLevelGraph
from drawing import OFF, draw
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sampling import share
from skimage.transform import resize
from spatialdata.models import Labels2DModel
from spatialdata.transformations import get_transformation
from strategies import canvases, encodings

from postseg import PostSegmentation
from postseg.raster.enlarge import resize_lazily
from postseg.raster.images import encode, paint
from postseg.raster.runs import Runs


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


def test_a_block_may_lie_across_chunks():
    masks = np.random.default_rng(0).integers(0, 9, (3000, 10))
    labels = enlarged(masks, 3)
    assert labels.data.chunks == ((2048, 2048, 2048, 2048, 808), (30,))
    assert_array_equal(labels, masks.repeat(3, axis=0).repeat(3, axis=1))


@pytest.mark.parametrize(
    ("chunks", "shape", "expected"),
    [
        ((512, 512), (32768, 32768), (2048, 2048)),
        ((512, 512), (8192, 8192), (512, 512)),
        ((512, 512), (1000, 999), (512, 512)),
        ((4096, 300), (8192, 8192), (2048, 300)),
        ((5000, 5000), (9001, 8193), (2048, 2048)),
        (((1000, 7192), (8000, 192)), (8192, 8192), (2048, 2048)),
        (((100, 500, 7592), 8192), (4096, 4096), (2048, 2048)),
    ],
)
def test_chunks_are_of_one_size_but_the_last(chunks, shape, expected):
    lazy = da.zeros((8192, 8192), dtype=np.int32, chunks=chunks)
    assert resize_lazily(lazy, [shape])[0].chunks == normalize_chunks(expected, shape)


def chunkings(length):
    cuts = st.sets(st.integers(1, max(1, length - 1)), max_size=4).map(sorted)
    return cuts.map(lambda cut: tuple(np.diff([0, *cut, length]).tolist()) if length > 1 else (1,))


@settings(max_examples=share(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), kind=st.sampled_from(["in memory", "lazy", "painted", "computed"]))
def test_any_shape_from_masks_of_any_kind_is_that_of_the_oracle(data, kind):
    dtypes = ["?", "u1", "i1", "u2", ">u2", "i4", ">i4"]
    image = data.draw(encodings(data.draw(canvases(14)), dtypes))
    if data.draw(st.booleans()) and image.max() < 100:
        image = image.astype(data.draw(st.sampled_from(["u4", ">i8", "u8", "f4"])))
    masks = image
    if kind != "in memory":
        chunks = tuple(data.draw(chunkings(length)) for length in image.shape)
        masks = da.from_array(image, chunks=chunks)
    if kind in ("painted", "computed"):
        runs = encode(image)
        masks = paint(runs, runs.label, chunks)
    if kind == "computed":
        masks = masks.persist(scheduler="synchronous")
    shapes = data.draw(st.lists(st.tuples(*[st.integers(1, 40)] * 2), min_size=1, max_size=3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("postseg.raster.enlarge.CHUNK", data.draw(st.integers(1, 45)))
        levels = resize_lazily(masks, shapes)
    for level, shape in zip(levels, shapes, strict=True):
        assert level.shape == shape
        assert level.dtype == np.int32
        assert all(len({*sizes[:-1]} | {max(sizes)}) == 1 for sizes in level.chunks)
        found = level.compute(scheduler="synchronous")
        assert found.dtype == np.int32
        assert_array_equal(found, reference.resize_exactly(image, shape))


@pytest.mark.parametrize("lazy", [False, True])
def test_levels_of_a_pyramid_come_from_the_masks(lazy):
    masks = np.arange(1, 36 * 37 + 1).reshape(36, 37)
    post = PostSegmentation(da.from_array(masks, chunks=10) if lazy else masks, 2)
    pyramid = post.process_labels(scale_factors=[2, 3])[1]
    levels = [pyramid[f"scale{i}"]["image"].values for i in range(3)]
    for level, shape in zip(levels, [(72, 74), (36, 37), (12, 12)], strict=True):
        assert_array_equal(level, reference.resize_exactly(masks, shape))
    factors = PostSegmentation(masks).process_labels(scale_factors=[2, 2])[1]
    from_above = reference.resize_exactly(factors["scale1"]["image"].values, (9, 9))
    assert (factors["scale2"]["image"].values != from_above).any()  # it would be another one


def test_a_coarse_level_has_not_all_masks_in_memory():
    zeros = da.zeros((4096, 4096), dtype=np.int32, chunks=256).map_blocks(np.array)
    runs = Runs(*np.zeros((3, 1), np.int32), np.ones(1, np.int32), zeros.shape)
    for masks in (zeros, paint(runs, runs.label, zeros.chunks)):
        level = resize_lazily(masks, [(64, 64)])[0]
        level.compute(scheduler="synchronous")  # what is compiled and imported is not counted
        tracemalloc.start()
        level.compute(scheduler="synchronous")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 3e6  # of 64


def test_all_levels_read_lazy_masks_once():
    read = []

    def note(block, block_info=None):
        read.append(block_info[0]["chunk-location"])
        return block

    masks = da.ones((64, 64), int, chunks=16).map_blocks(note, meta=np.empty((0, 0), int))
    levels = resize_lazily(masks, [(128, 128), (64, 64), (10, 10)])
    assert read == []
    da.compute(levels, scheduler="synchronous")
    assert sorted(read) == [(i, j) for i in range(4) for j in range(4)]


def test_masks_in_memory_are_in_the_graphs_of_all_levels_once():
    masks = np.ones((512, 512), np.int32)
    levels = resize_lazily(masks, [(2048, 2048), (1024, 1024), (100, 100)])
    graph = HighLevelGraph.merge(*(level.dask for level in levels))
    chunks = sum(level.npartitions for level in levels)
    assert len(dict(graph)) == chunks + 1  # on a cluster each further one would travel


def test_what_is_painted_is_painted_at_once_in_full_resolution():
    """No chunk of the masks is made on the way."""
    runs = encode(draw("112 .32"))
    painted = paint(runs, runs.label, ((1, 1), (1, 2)))
    (labels,) = resize_lazily(painted, [(4, 6)])
    assert len(dict(labels.dask)) <= 2  # the runs, and one chunk
    assert_array_equal(labels, draw("111122 111122 ..3322 ..3322"))


@pytest.mark.parametrize("lazy", [False, True])
def test_an_image_without_pixels_stays_one(lazy):
    masks = np.zeros((0, 5), np.int32)
    (level,) = resize_lazily(da.from_array(masks) if lazy else masks, [(0, 15)])
    assert level.dtype == level.compute().dtype == np.int32
    assert level.compute().shape == (0, 15)


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
