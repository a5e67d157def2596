"""Intensities are those of scikit-image, whatever the dtype, the chunks, the threads."""

import os
import weakref
from fractions import Fraction
from itertools import product
from math import sqrt
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from drawing import draw
from sampling import some
from skimage.measure import label, regionprops_table
from spatialdata import SpatialData

from postseg import measure_regions
from postseg._support.threads import limited
from postseg.filtering.intensities import STATISTICS, intensities_in

DTYPES = [
    "?",
    "u1",
    "u2",
    "u4",
    "u8",
    "i1",
    "i2",
    "i4",
    "i8",
    "f2",
    "f4",
    "f8",
    ">u2",
    ">i8",
    ">f4",
]
SHAPE = (530, 600)  # of more than one tile


def cells(shape=SHAPE, seed=0):
    """Cells of all sizes down to a pixel, in parts, touching each other and the borders."""
    chance = np.random.default_rng(seed)
    masks = np.kron(chance.integers(0, 3, (9, 7)), np.ones((64, 90), int))[: shape[0], : shape[1]]
    masks[10:30, 10:30] = chance.integers(0, 4, (20, 20))  # of a few pixels
    masks[:, 300:302] = 9  # through all rows
    masks[-1, -1] = 5
    return masks


MASKS = cells()


def image_of(dtype, shape=SHAPE, seed=1):
    """All values that a dtype has, about."""
    chance, dtype = np.random.default_rng(seed), np.dtype(dtype)
    if dtype.kind == "b":
        return chance.random(shape) < 0.4
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        plain = chance.integers(info.min, info.max, shape, dtype.newbyteorder("="), endpoint=True)
        return plain.astype(dtype)
    return (chance.standard_normal(shape) * 100).astype(dtype)


def exact_type(image):
    """What scikit-image computes exactly: it sums floats of less bits in these."""
    return image.astype("f8") if image.dtype.kind == "f" else image


def expected(masks, image, factor=1):
    large = np.kron(masks, np.ones((factor, factor), masks.dtype))
    numbers = np.kron(label(masks, connectivity=2), np.ones((factor, factor), int))
    assert large.shape == image.shape[:2]
    with np.errstate(all="ignore"):
        found = regionprops_table(numbers, exact_type(image), properties=STATISTICS)
    return pd.DataFrame(found)


def assert_equal(found, right, suffix=""):
    ours = found[[f"{name}{suffix}" for name in STATISTICS]].to_numpy()
    theirs = right[[*STATISTICS]].to_numpy(dtype=float)
    np.testing.assert_array_equal(ours[:, 2:], theirs[:, 2:])
    finite = np.isfinite(theirs[:, 2:]).all(axis=1)
    np.testing.assert_array_equal(ours[~finite], theirs[~finite])
    # a mean near 0 of values far from it is rounded by both, to so much of the values
    size = np.abs(theirs[finite, 2:]).max(axis=1, initial=0)[:, None]
    allowed = np.maximum(1e-9 * np.abs(theirs[finite, :2]), 1e-13 * size)
    assert (np.abs(ours[finite, :2] - theirs[finite, :2]) <= allowed).all()


# ---- against scikit-image


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(dtype):
    image = image_of(dtype)
    found = measure_regions(MASKS, image)
    assert len(found) > 90
    assert_equal(found, expected(MASKS, image))


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_pixel_of_the_mask_covers_many_of_the_image(factor):
    masks = cells((200, 230))
    image = image_of("u2", (200 * factor, 230 * factor))
    assert_equal(measure_regions(masks, image), expected(masks, image, factor))


def test_offsets_do_not_cost_digits():
    chance = np.random.default_rng(0)
    spread = chance.integers(0, 5, SHAPE)
    expected_std = measure_regions(MASKS, spread)["intensity_std"]
    for image in (
        (60_000 + spread).astype("u2"),
        (2**31 - 9 + spread).astype("i4"),
        (2**53 - 9 + spread).astype("f8"),
        (2**62 + spread).astype("i8"),
        (spread - 2**62).astype("i8"),
        np.uint64(2**64 - 9) + spread.astype("u8"),
    ):
        found = measure_regions(MASKS, image)
        np.testing.assert_allclose(found["intensity_std"], expected_std, rtol=1e-9)
        assert (found["intensity_min"] == image.min().astype(float)).any()


def test_whole_numbers_of_64_bits_are_summed_as_such():
    masks = cells((40, 40))
    for dtype in ("i8", "u8"):
        image = image_of(dtype, masks.shape)
        found = measure_regions(masks, image)
        numbers = label(masks, connectivity=2)
        for region in some(found.index, 9):
            values = [Fraction(int(value)) for value in image[numbers == region]]
            mean = sum(values) / len(values)
            around = sum((value - mean) ** 2 for value in values) / len(values)
            largest = float(max(map(abs, values)))
            row = found.loc[region]
            assert row["intensity_mean"] == pytest.approx(float(mean), rel=0, abs=1e-13 * largest)
            assert row["intensity_std"] == pytest.approx(sqrt(around), rel=1e-12, abs=0)


def test_nan_and_infinity_are_as_in_scikit_image():
    masks = draw("1.2.3.4.5.6  1.2.3.4.5.6")
    nan, inf = np.nan, np.inf
    image = np.full(masks.shape, 7.0)
    image[:, ::2] = [[1, nan, inf, -inf, inf, nan], [2, 1, 3, 4, -inf, inf]]
    found = measure_regions(masks, image)
    assert_equal(found, expected(masks, image))
    assert found["intensity_mean"].isna().tolist() == [False, True, False, False, True, True]
    assert found["intensity_min"].isna().tolist() == [False, True, False, False, False, True]
    assert found["intensity_max"].tolist()[2:5] == [inf, 4, inf]
    assert found["intensity_std"].notna().sum() == 1


def test_nan_in_one_of_many_tiles_is_enough():
    masks = np.ones((1100, 600), np.uint8)
    for row in (0, 600, 1099):
        image = np.zeros(masks.shape)
        image[row, 300] = np.nan
        assert measure_regions(masks, image)[[*STATISTICS]].isna().all(axis=None)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("length", [1, 2, 3, 6])
def test_whatever_the_place_of_what_is_no_number(dtype, length):
    places = [*product((1, -2, np.nan, np.inf, -np.inf), repeat=length)]
    places = some(places, 400)
    image = np.array(places, dtype)
    masks = np.arange(len(places))[:, None] % 2 + np.ones_like(image, int)
    assert_equal(measure_regions(masks, image), expected(masks, image))


def test_what_is_constant_does_not_deviate():
    found = measure_regions(MASKS, np.full(SHAPE, 0.1))
    assert (found["intensity_std"] == 0).all()
    assert (found["intensity_mean"] == 0.1).all()


FOLDER = os.environ.get("POSTSEG_MASKS")
REAL = sorted(Path(FOLDER).glob("*.npz")) if FOLDER else []


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_real_masks(path, dtype):
    masks = np.load(path)["labels"]
    image = image_of(dtype, masks.shape)
    right = expected(masks, image)
    assert_equal(measure_regions(masks, image), right)
    lazy = da.from_array(image, chunks=(700, 333))
    pd.testing.assert_frame_equal(measure_regions(masks, image), measure_regions(masks, lazy))


# ---- chunks, threads, memory layout


@pytest.mark.parametrize("chunks", [(530, 600), (512, 512), (100, 257), (1, 600), (500, 7), 199])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_chunks_do_not_change_a_bit(chunks, dtype):
    image = image_of(dtype)
    lazy = da.from_array(image, chunks=chunks)
    pd.testing.assert_frame_equal(
        measure_regions(MASKS, lazy), measure_regions(MASKS, image), check_exact=True
    )


def test_neither_do_threads():
    masks, image = np.tile(MASKS, (3, 3)), image_of("f4", (1590, 1800))
    found = []
    for n_jobs in (1, 2, 5):
        with limited(n_jobs):
            found.append(measure_regions(masks, image))
    pd.testing.assert_frame_equal(found[0], found[1], check_exact=True)
    pd.testing.assert_frame_equal(found[0], found[2], check_exact=True)


def test_layout_in_memory_does_not_matter(tmp_path):
    image = image_of("u2")
    right = measure_regions(MASKS, image)
    np.save(tmp_path / "i.npy", image)
    stored = zarr.create_array(tmp_path / "z", shape=SHAPE, chunks=(90, 200), dtype="u2")
    stored[:] = image
    shifted = np.empty(image.nbytes + 1, np.uint8)[1:].view("u2").reshape(SHAPE)
    shifted[:] = image
    for same in (
        np.asfortranarray(image),
        np.repeat(image, 2, axis=1)[:, ::2],
        image[::-1, ::-1].copy()[::-1, ::-1],
        np.load(tmp_path / "i.npy", mmap_mode="r"),
        shifted,
        stored,
        xr.DataArray(image.T, dims=("x", "y")),
        image[None, None],
        image.tolist(),
    ):
        pd.testing.assert_frame_equal(measure_regions(MASKS, same), right)


@pytest.mark.parametrize("chunks", [(1, 512, 512), (2, 100, 130)])
def test_blocks_are_read_once(chunks):
    read = []

    def block(block_info):
        place = block_info[None]["array-location"]
        read.append(tuple(map(tuple, place)))
        return image[tuple(slice(*ends) for ends in place)]

    image = image_of("u2", (4, *SHAPE))
    sizes = da.core.normalize_chunks(chunks, image.shape)
    lazy = da.map_blocks(block, chunks=sizes, dtype="u2", meta=np.empty((0, 0, 0), "u2"))
    found = measure_regions(MASKS, lazy)
    assert len(read) == len(set(read)) == np.prod([len(axis) for axis in sizes])
    pd.testing.assert_frame_equal(found, measure_regions(MASKS, image), check_exact=True)


def test_few_blocks_are_held_at_a_time():
    held, most = {}, []

    class Block(np.ndarray):  # which can be referred to weakly
        pass

    def block(block_id):
        made = np.zeros((512, 512), "u2").view(Block)
        held[block_id] = weakref.ref(made, lambda _: held.pop(block_id))
        most.append(len(held))
        return made

    lazy = da.map_blocks(
        block, chunks=((512,) * 12, (512,) * 12), dtype="u2", meta=np.empty((0, 0), "u2")
    )
    with limited(2):
        measure_regions(np.ones((6144, 6144), np.uint8), lazy)
    assert len(most) == 144
    assert max(most) <= 4


# ---- channels


def test_one_channel_without_a_name_has_no_suffix():
    image = image_of("u1")
    for same in (
        image,
        image[None],
        xr.DataArray(image[None], dims=("c", "y", "x"), coords={"c": [0]}),
    ):
        assert intensities_in(measure_regions(MASKS, same)) == [*STATISTICS]


def test_channels_have_numbers():
    image = image_of("u1", (3, *SHAPE))
    found = measure_regions(MASKS, image)
    assert intensities_in(found) == [f"{name}_{c}" for c in range(3) for name in STATISTICS]
    for c in range(3):
        assert_equal(found, expected(MASKS, image[c]), f"_{c}")


@pytest.mark.parametrize("lazy", [False, True])
def test_channels_have_the_names_of_xarray(lazy):
    image = image_of("f4", (2, *SHAPE))
    pixels = da.from_array(image, chunks=(1, 300, 300)) if lazy else image
    element = xr.DataArray(pixels, dims=("c", "y", "x"), coords={"c": ["DAPI", "CD3/CD4 (a)"]})
    for same in (element, element.transpose("y", "x", "c")):
        found = measure_regions(MASKS, same)
        assert_equal(found, expected(MASKS, image[0]), "_DAPI")
        assert_equal(found, expected(MASKS, image[1]), "_CD3_CD4__a_")
    for one in (element.sel(c="DAPI"), element.sel(c=["DAPI"])):
        found = measure_regions(MASKS, one)
        assert intensities_in(found) == [f"{name}_DAPI" for name in STATISTICS]


def test_of_a_pyramid_the_finest_scale_counts():
    from spatialdata.models import Image2DModel

    image = image_of("u2", (2, *SHAPE))
    element = Image2DModel.parse(image, c_coords=["a", "b"], scale_factors=[2, 2])
    found = measure_regions(MASKS, element)
    assert_equal(found, expected(MASKS, image[1]), "_b")


def test_columns_follow_those_of_shapes():
    found = measure_regions(MASKS, image_of("u1"))
    plain = measure_regions(MASKS)
    assert found.columns.tolist() == [*plain.columns, *STATISTICS]
    pd.testing.assert_frame_equal(found[plain.columns], plain)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (4, 4)])
@pytest.mark.parametrize("lazy", [False, True])
def test_without_regions_there_are_columns_without_rows(shape, lazy):
    image = np.zeros((2, *shape), "u2")
    found = measure_regions(np.zeros(shape, int), da.from_array(image) if lazy else image)
    assert found.shape[0] == 0
    assert len(intensities_in(found)) == 8


# ---- what cannot be


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((531, 600), r"Give 530 x 600, or an integer multiple of both"),
        ((1060, 600), "integer multiple"),
        ((265, 300), "integer multiple"),
        ((3, 600, 530), "integer multiple"),
        ((530, 600, 3), r"channels come last: move them first, e.g. np.moveaxis\(image, -1, 0\)"),
        ((1060, 1200, 4), "channels come last"),
    ],
)
def test_what_does_not_fit_is_refused_with_both_shapes(shape, hint):
    with pytest.raises(ValueError, match=hint) as error:
        measure_regions(MASKS, np.zeros(shape, "u1"))
    assert "530 x 600" in str(error.value)
    assert " x ".join(map(str, shape[-2:] if "multiple" in hint else shape)) in str(error.value)


@pytest.mark.parametrize(
    ("image", "error", "text"),
    [
        ("image.tif", TypeError, "path 'image.tif'; read it first"),
        (np.zeros(SHAPE, complex), TypeError, r"dtype complex128.*take its np.abs\(\) or .real"),
        (np.zeros(SHAPE, object), TypeError, "dtype object"),
        (np.zeros(SHAPE, "U1"), TypeError, "dtype <U1"),
        (np.zeros(SHAPE, np.longdouble), TypeError, "64 bits at most"),
        (np.ma.masked_array(np.zeros(SHAPE)), TypeError, "masked array"),
        (da.ma.masked_array(np.zeros(SHAPE)), TypeError, "masked array"),
        ([[1, 2], [3]], ValueError, "cannot be made into an array"),
        (np.zeros(5), ValueError, r"shape \(5,\); give \(rows, columns\)"),
        (np.zeros((2, 2, *SHAPE)), ValueError, "shape"),
        (xr.DataTree(), ValueError, "DataTree without any image"),
        (np.zeros((0, *SHAPE)), ValueError, r"shape \(0, 530, 600\): there is no channel in it"),
        ({"image": np.zeros(SHAPE)}, TypeError, "intensity_image is dict: pass the image in it"),
        (SpatialData(), TypeError, "intensity_image is SpatialData: pass the image in it"),
        (xr.Dataset(), TypeError, "intensity_image is Dataset: pass the image in it"),
    ],
)
def test_what_is_no_image_is_refused(image, error, text):
    with pytest.raises(error, match=text):
        measure_regions(MASKS, image)


@pytest.mark.parametrize("names", [["a", "a"], ["CD3", "cd3"], ["a/b", "a b"], [1, "1"]])
def test_channels_of_one_name_are_refused(names):
    coords = {"c": np.array(names, dtype=object)}
    image = xr.DataArray(np.zeros((2, *SHAPE), "u1"), dims=("c", "y", "x"), coords=coords)
    with pytest.raises(ValueError, match="whose columns would have one name, intensity_mean_") as e:
        measure_regions(MASKS, image)
    assert all(repr(str(name)) in str(e.value) for name in names)


def test_unknown_shapes_are_refused():
    image = da.from_array(np.zeros(SHAPE))
    with pytest.raises(ValueError, match="unknown shape"):
        measure_regions(MASKS, image[image[:, 0] >= 0])


@pytest.mark.parametrize("what", ["shape", "dtype", "mask"])
def test_chunks_that_are_not_what_dask_was_told_are_refused(what):
    made = {
        "shape": lambda block: block[1:],
        "dtype": lambda block: block + 0.5,
        "mask": np.ma.masked_array,
    }[what]
    lazy = da.zeros(SHAPE, chunks=512, dtype="u2").map_blocks(
        made, dtype="u2", meta=np.empty((0, 0), "u2")
    )
    with pytest.raises((TypeError, ValueError), match=r"intensity_image has a (masked )?chunk"):
        measure_regions(MASKS, lazy)
