"""What may be passed as masks, and what is refused and how."""

from io import BytesIO

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from drawing import OFF, draw
from numpy.testing import assert_array_equal
from PIL import Image
from spatialdata import SpatialData

from postseg import PostSegmentation, filter_cell_by_regionprops, masks_to_polygons, measure_regions
from postseg.elements.build import labels_element

# Not square and not symmetric, so that a transposed or mirrored reading shows.
IMAGE = draw("""
    .....2
    .111..
    .111..
    3.....
    33....
""")
FOUND = draw("""
    .....1
    .222..
    .222..
    3.....
    33....
""")
TYPES = [kind + size for kind in "iu" for size in "1248"]
ENTRANCES = {
    "filter": lambda masks: filter_cell_by_regionprops(masks, verbose=False),
    "measure": measure_regions,
    "polygons": masks_to_polygons,
    "construction": PostSegmentation,
    "assignment": lambda masks: setattr(PostSegmentation(), "masks", masks),
}


def found_in(masks):
    """The regions of masks, by the filter with every test off."""
    return filter_cell_by_regionprops(masks, **OFF, verbose=False)


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def tree(image):
    scales = {"scale0": image, "scale1": image[::2, ::2]}
    return xr.DataTree.from_dict(
        {name: xr.Dataset({"image": (("y", "x"), values)}) for name, values in scales.items()}
    )


def picture(mode):
    """As a Pillow image."""
    dtype = {"L": np.uint8, "I": np.int32, "F": np.float32, "I;16": "<u2", "I;16B": ">u2"}[mode]
    image = Image.fromarray(IMAGE.astype(dtype))
    assert image.mode == mode
    return image


ACCEPTED = {
    **{f"dtype {order}{name}": IMAGE.astype(order + name) for order in "<>" for name in TYPES},
    **{f"dtype {name}": IMAGE.astype(name) for name in ["f2", "f4", "f8", ">f8", "g"]},
    "Fortran order": np.asfortranarray(IMAGE),
    "strides": np.kron(IMAGE, np.ones((2, 3), int))[::2, ::3],
    "negative strides": IMAGE[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": read_only(IMAGE),
    "read-only floats": read_only(IMAGE.astype(float)),
    "nested lists": IMAGE.tolist(),
    "dask": da.from_array(IMAGE, chunks=2),
    "(1, H, W)": IMAGE[None],
    "(H, W, 1)": IMAGE[..., None],
    "(1, 1, H, W, 1)": IMAGE[None, None, ..., None],
    "DataArray": xr.DataArray(IMAGE, dims=("y", "x")),
    "DataArray of dask": xr.DataArray(da.from_array(IMAGE, chunks=2), dims=("y", "x")),
    "DataArray (x, y)": xr.DataArray(IMAGE.T, dims=("x", "y")),
    "DataArray (c, y, x)": xr.DataArray(IMAGE[None], dims=("c", "y", "x")),
    "DataArray (y, x, c)": xr.DataArray(IMAGE[..., None], dims=("y", "x", "c")),
    "DataArray, other dims": xr.DataArray(IMAGE, dims=("row", "column")),
    "DataTree": tree(IMAGE),
    **{f"Pillow {mode}": picture(mode) for mode in ["L", "I", "F", "I;16", "I;16B"]},
}


@pytest.mark.parametrize("masks", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(masks):
    found = found_in(masks)
    assert found.dtype == np.int32
    assert_array_equal(found, FOUND)


def test_the_scale_node_of_a_multiscale_is_accepted():
    assert_array_equal(found_in(tree(IMAGE)["scale1"]), draw("... .1. 2.."))


def test_boolean_masks_are_split_into_their_components():
    assert_array_equal(found_in(IMAGE > 0), draw(".....1 .222.. .222.. 2..... 22...."))


def test_a_memmap_is_accepted(tmp_path):
    np.save(tmp_path / "masks.npy", IMAGE)
    assert_array_equal(found_in(np.load(tmp_path / "masks.npy", mmap_mode="r")), FOUND)


@pytest.mark.parametrize("dtype", ["i4", ">u2", "f8", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_input_is_never_modified(dtype, order):
    masks = np.array(IMAGE, dtype=dtype, order=order)
    before = masks.copy()
    post = PostSegmentation(masks, 2, filter_config=OFF, verbose=False)
    post.process_masks_to_shapes()
    post.process_labels()[1].compute()
    masks_to_polygons(masks)
    measure_regions(masks)
    assert_array_equal(masks, before)
    assert masks.flags.writeable


@pytest.mark.parametrize("shape", [(1, 1, 5), (5, 1, 1), (1, 5, 1), (1, 1, 1)])
def test_singleton_dimensions_go_also_from_images_one_pixel_wide(shape):
    found = found_in(np.ones(shape, int))
    assert found.ndim == 2
    assert found.size == found.sum() == np.prod(shape)


@pytest.mark.parametrize(("shape", "squeezed"), [((1, 1, 5), (1, 5)), ((5, 1, 1), (5, 1))])
def test_the_height_or_width_of_1_stays(shape, squeezed):
    assert found_in(np.ones(shape, int)).shape == squeezed


@pytest.mark.parametrize("dtype", ["i8", "u8", ">u8"])
def test_sparse_ids_are_exact(dtype):
    ids = [2**63 - 1, 2**63 - 2, 2**53 + 1]
    masks = np.array([ids], dtype)
    assert measure_regions(masks)["source_label"].tolist() == ids
    assert [polygon.centroid.x for polygon in masks_to_polygons(masks)] == [2, 1, 0]


def test_ids_that_differ_by_2_to_32_are_two_cells():
    assert_array_equal(found_in(np.array([[1, 1 + 2**32]])), [[1, 2]])


def at(row, column, value, dtype=None):
    """An image of zeros with one bad pixel, large enough to be read in several blocks."""
    masks = np.zeros((1200, 1024), dtype)
    masks[row, column] = value
    return masks


def masked_in_xarray():
    """As from an xarray that does not fill what is hidden with NaN."""
    masks = xr.DataArray(da.zeros(IMAGE.shape, int), dims=("y", "x"))
    masks.variable._data = da.ma.masked_equal(da.from_array(IMAGE, chunks=2), 2)
    return masks


def pictures():
    """Three pictures in one file."""
    file = BytesIO()
    Image.fromarray(IMAGE.astype(np.uint8)).save(
        file, "TIFF", save_all=True, append_images=[Image.new("L", (6, 5))] * 2
    )
    return Image.open(file)


SLIDE = SpatialData(
    labels={name: labels_element([da.zeros((4, 5), dtype=int)], name) for name in ("cells", "more")}
)
REFUSED = {
    "fraction": (np.array([[0, 1.5]]), ValueError, ["1.5", "row 0, column 1", "whole numbers"]),
    "NaN": (at(1100, 7, np.nan, float), ValueError, ["nan", "row 1100, column 7"]),
    "inf": (np.array([[0, 1], [np.inf, 0]]), ValueError, ["inf", "row 1, column 0"]),
    "float below 0": (np.array([[0, -1.0]]), ValueError, ["-1.0", "row 0, column 1"]),
    "float 2^63": (np.array([[0, 2.0**63]]), ValueError, ["9.2", "row 0, column 1", "2^63 - 1"]),
    "negative": (at(1100, 7, -3, "i4"), ValueError, ["-3", "row 1100, column 7", "to 0"]),
    "negative >i2": (np.array([[0, -3]], ">i2"), ValueError, ["-3", "row 0, column 1"]),
    "above 2^63 - 1": (
        at(1100, 7, 2**63, "u8"),
        ValueError,
        ["9223372036854775808", "row 1100, column 7", "renumber"],
    ),
    "above 2^64": ([[2**64]], TypeError, ["object"]),
    "object": (IMAGE.astype(object), TypeError, ["object", "astype"]),
    "complex": (IMAGE.astype(complex), TypeError, ["complex128", "astype"]),
    "text": (IMAGE.astype(str), TypeError, ["<U", "astype"]),
    "dates": (IMAGE.astype("m8[s]"), TypeError, ["timedelta64[s]", "integers"]),
    "masked array": (np.ma.masked_equal(IMAGE, 2), TypeError, ["masked array", "filled(0)"]),
    "dask of masked": (
        da.from_array(np.ma.masked_equal(IMAGE, 2), chunks=2),
        TypeError,
        ["masked array", "dask.array.ma.filled(masks, 0)"],
    ),
    "DataArray of dask of masked": (masked_in_xarray(), TypeError, ["masked array"]),
    "unknown chunk sizes": (
        da.from_array(IMAGE, chunks=2)[da.from_array(IMAGE.any(axis=1), chunks=2)],
        ValueError,
        ["(nan, 6)", "masks.compute_chunk_sizes()"],
    ),
    "wider than int32": (
        np.broadcast_to(np.uint8(1), (1, 2**31)),
        ValueError,
        ["(1, 2147483648)", "2^31 - 1", "tiles"],
    ),
    "a path": ("masks.npy", TypeError, ["'masks.npy'", "read_label_image"]),
    "RGB": (np.zeros((4, 5, 3), int), ValueError, ["(4, 5, 3)", "2-D", "masks[0]"]),
    "stack": (np.zeros((2, 4, 5), int), ValueError, ["(2, 4, 5)", "2-D"]),
    "two channels": (
        xr.DataArray(np.zeros((2, 4, 5), int), dims=("c", "y", "x")),
        ValueError,
        ["(2, 4, 5)", "2-D"],
    ),
    "1-D": (np.arange(5), ValueError, ["(5,)", "2-D"]),
    "0-D": (np.array(5), ValueError, ["()", "2-D"]),
    "ragged lists": ([[1, 2], [3]], ValueError, ["2-D array"]),
    "picture in colour": (Image.new("RGB", (5, 4)), ValueError, ["colour picture (RGB)", "16-bit"]),
    "picture with a palette": (Image.new("P", (5, 4)), ValueError, ["colour picture (palette)"]),
    "several pictures": (pictures(), ValueError, ["masks has 3 images", "2-D", "Choose one"]),
    "what Cellpose returns": (
        (IMAGE, [np.zeros((*IMAGE.shape, 3))], np.zeros(256)),
        TypeError,
        ["a tuple of 3", "(masks, flows, styles)", "masks[0]"],
    ),
    "a dictionary": ({"mask": IMAGE, "ids": 3}, TypeError, ["'mask', 'ids'", "in it"]),
    "Cellpose's _seg.npy": (
        np.array({"masks": IMAGE, "outlines": IMAGE}),
        TypeError,
        ["_seg.npy", '.item()["masks"]'],
    ),
    "a SpatialData object": (
        SLIDE,
        TypeError,
        ["SpatialData", "'cells', 'more'", "sdata['cells']"],
    ),
    "one without labels": (SpatialData(), TypeError, ["SpatialData", "no labels element"]),
    "empty tree": (xr.DataTree(), ValueError, ["DataTree", "without any image"]),
}


@pytest.mark.parametrize("entrance", ENTRANCES.values(), ids=ENTRANCES)
@pytest.mark.parametrize(("masks", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_refused_with_a_message_that_helps(entrance, masks, error, words):
    with pytest.raises(error) as raised:
        entrance(masks)
    assert raised.type is error
    assert [word for word in words if word not in str(raised.value)] == []


def test_chunk_sizes_once_computed_are_known():
    some = da.from_array(IMAGE, chunks=2)[da.from_array(IMAGE.any(axis=1), chunks=2)]
    assert_array_equal(found_in(some.compute_chunk_sizes()), FOUND)


def test_a_chunk_that_turns_out_masked_is_refused_when_it_is_read():
    meta = np.empty((0, 0), int)
    masks = da.from_array(IMAGE, chunks=2).map_blocks(np.ma.masked_equal, 2, meta=meta)
    with pytest.raises(TypeError, match="masked array"):
        measure_regions(masks)


EMPTY = {
    "no cells": np.zeros((4, 5), np.uint16),
    "no pixels": np.zeros((0, 0), int),
    "no rows": np.zeros((0, 5), bool),
    "no columns": np.zeros((4, 0), float),
}


@pytest.mark.parametrize("masks", EMPTY.values(), ids=EMPTY)
class TestEmpty:
    def test_the_filter_warns_and_gives_zeros(self, masks):
        with pytest.warns(UserWarning, match="no cells"):
            found = filter_cell_by_regionprops(masks, verbose=False)
        assert found.dtype == np.int32
        assert_array_equal(found, np.zeros(masks.shape))

    def test_there_is_nothing_to_measure(self, masks):
        table = measure_regions(masks)
        assert len(table) == 0
        assert table.columns.equals(measure_regions(IMAGE).columns)
        assert table.dtypes.equals(measure_regions(IMAGE).dtypes)

    def test_there_are_no_polygons(self, masks):
        assert masks_to_polygons(masks) == []

    def test_shapes_are_a_runtime_error(self, masks):
        post = PostSegmentation(masks, verbose=False)
        with pytest.raises(RuntimeError, match="no cells"):
            post.process_masks_to_shapes()

    def test_labels_are_zeros(self, masks):
        same, labels = PostSegmentation(masks, 3).process_labels()
        assert same is masks
        assert labels.dtype == np.int32
        assert_array_equal(labels, np.zeros((3 * masks.shape[0], 3 * masks.shape[1])))
