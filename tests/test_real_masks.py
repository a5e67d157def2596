"""Equal to the oracle on stained tissue, and on the label images of the folder POSTSEG_MASKS."""

import os
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import reference
from geometry import agreement, exact
from numpy.testing import assert_allclose, assert_array_equal
from sampling import ALL, pairs
from scipy.ndimage import distance_transform_edt
from skimage.color import rgb2hed
from skimage.data import immunohistochemistry
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_otsu
from skimage.segmentation import watershed

from postseg import FilterConfig, PostSegmentation, masks_to_polygons, measure_regions

CONFIGS = Path(__file__).parents[1] / "configs"
FOLDER = os.environ.get("POSTSEG_MASKS")
FILES = sorted(Path(FOLDER).glob("*.npz")) if FOLDER else []


def stained_nuclei():
    """Nuclei of a haematoxylin-stained tissue section, by threshold and watershed."""
    stain = gaussian(rgb2hed(immunohistochemistry())[..., 0], 1)
    nuclei = stain > threshold_otsu(stain)
    distance = distance_transform_edt(nuclei)
    seeds = np.zeros(nuclei.shape, int)
    peaks = peak_local_max(distance, min_distance=5, labels=nuclei.astype(int))
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-distance, seeds, mask=nuclei)


class Measured(NamedTuple):
    masks: np.ndarray
    expected: pd.DataFrame


def image_name(path):
    return path.stem if path else "immunohistochemistry"


@pytest.fixture(scope="module", params=[None, *FILES], ids=image_name)
def masks(request):
    return np.load(request.param)["labels"] if request.param else stained_nuclei()


@pytest.fixture(scope="module")
def tissue(masks):
    """A label image and its metrics by the oracle, which takes its time: once an image.

    So does the oracle of the regions, of which all the others make use.
    """
    regions = reference.regions
    found = regions(masks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "regions", lambda of: found if of is masks else regions(of))
        yield Measured(masks, reference.metrics(masks))


def same_rings(polygons, rings):
    """Whether rings have the same vertices in the same cyclic order, from any start, either way."""
    for polygon, ring in zip(polygons, rings, strict=True):
        here, there = np.asarray(polygon.exterior.coords)[:-1], ring[:-1]
        if here.shape != there.shape:
            return False
        start = np.flatnonzero((here == there[0]).all(axis=1))
        if start.size != 1:
            return False
        here = np.roll(here, -start[0], axis=0)
        if not ((here == there).all() or (np.roll(here[::-1], 1, axis=0) == there).all()):
            return False
    return True


def test_there_are_enough_cells_to_mean_something(tissue):
    assert len(tissue.expected) > 200


@pytest.mark.parametrize(
    ("names", "tolerance"),
    [
        (["source_label", "area", "area_convex", "touches_border"], 0),
        (["min_row", "min_col", "max_row", "max_col"], 0),
        (["perimeter", "solidity", "extent", "centroid_row", "centroid_col"], 1e-9),
        (["compactness", "convexity_deficit", "perimeter_area_ratio"], 1e-9),
        (["eccentricity"], 1e-7),
    ],
)
def test_metrics_equal_the_oracle(tissue, names, tolerance):
    found = measure_regions(tissue.masks)
    assert found.index.equals(tissue.expected.index)
    for name in names:
        assert_allclose(found[name], tissue.expected[name], rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("name", ["default", "strict", "permissive", "area"])
def test_each_shipped_config_filters_like_the_oracle(tissue, name):
    config = FilterConfig.from_file(CONFIGS / f"{name}.toml")
    post = PostSegmentation(filter_config=config, verbose=False)
    survivors = post.filter_cell_by_regionprops(tissue.masks)
    expected, rejected = reference.filter(tissue.masks, tissue.expected, **config.model_dump())
    assert_array_equal(survivors, expected)
    assert post.filter_report.to_dict()["rejected"] == rejected


@pytest.mark.parametrize(("size", "factor"), pairs([0.2125, 0.5, 1.0], [1, 4]))
def test_thresholds_in_um2_filter_like_the_oracle_in_pixels(tissue, factor, size):
    low, high = np.percentile(tissue.expected["area"], (20, 80), method="lower").tolist()
    pixels = {"min_absolute_area": low, "min_area": None, "max_area": high}
    um2 = {name: f"{pixels[name] * (size * factor) ** 2!r} um2" for name in pixels if pixels[name]}
    post = PostSegmentation(factor_rescale=factor, pixel_size=size, verbose=False)
    survivors = post.filter_cell_by_regionprops(tissue.masks, min_area=None, **um2)
    expected, _ = reference.filter(tissue.masks, tissue.expected, **pixels)
    assert_array_equal(survivors, expected)


def test_every_label_has_the_outline_of_the_oracle(tissue):
    polygons = masks_to_polygons(tissue.masks, 4)
    assert all(polygon.is_valid for polygon in polygons)
    assert same_rings(polygons, reference.outlines(tissue.masks, 4).values())


def test_pixel_outlines_equal_rasterios_and_the_oracle(masks):
    """The oracle, which takes its time, where all examples are asked for."""
    polygons = masks_to_polygons(masks, outline="pixels")
    agreement.assert_pixels(masks, polygons, by_oracle=ALL)


def test_simplified_outlines_lose_nothing_and_equal_the_oracle(masks):
    """The oracle, which takes its time, is asked about a few labels, or many."""
    labels, image = exact.numbered(masks)
    small = [
        label for label, n in zip(labels, np.bincount(image.ravel())[1:], strict=True) if n < 10_000
    ]
    agreement.assert_outlined(masks, "simplified", small[:: len(small) // (200 if ALL else 9)])


def test_shapes_and_labels_of_the_survivors_equal_the_oracle(tissue):
    post = PostSegmentation(tissue.masks, 3, verbose=False)
    cleaned, _, shapes = post.process_masks_to_shapes()
    expected, _ = reference.filter(tissue.masks, tissue.expected)
    assert_array_equal(cleaned, expected)
    rings = reference.shapes(expected, 3)
    assert shapes.index.tolist() == list(rings)
    assert same_rings(shapes.geometry, rings.values())
    _, labels = post.process_labels()
    assert_array_equal(labels.to_numpy(), reference.enlarge(expected, 3))


# ---- tile by tile


def whole_cells(post, place, shape):
    """The reason of each region that no inner side of its tile cuts, by what it is and where."""
    found = post.regions
    (top, left), (height, width) = place, post.input_masks.shape
    cut = (
        ((found["min_row"] == 0) & (top > 0))
        | ((found["min_col"] == 0) & (left > 0))
        | ((found["max_row"] == height) & (top + height < shape[0]))
        | ((found["max_col"] == width) & (left + width < shape[1]))
    )
    found = found[~cut].assign(
        centroid_row=(found["centroid_row"] + top).round(6),
        centroid_col=(found["centroid_col"] + left).round(6),
    )
    keys = ["source_label", "area", "centroid_row", "centroid_col"]
    found = found.set_index(keys)
    assert found.index.is_unique
    return found["reason"]


def cut_in_tiles(masks, n=4 if ALL else 2):
    rows, columns = (np.linspace(0, length, n + 1).astype(int) for length in masks.shape)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            yield (top, left), masks[top:bottom, left:right]


@pytest.mark.filterwarnings("ignore::UserWarning")  # as of tiles without a cell that passes
def test_frozen_thresholds_decide_tile_by_tile_as_on_the_slide(masks, tmp_path):
    """Of whole cells, and for the same reasons; as they were stated they decide otherwise."""
    slide = PostSegmentation(masks, pixel_size=0.5, verbose=False)
    tiles = {
        place: PostSegmentation(tile, pixel_size=0.5, verbose=False)
        for place, tile in cut_in_tiles(masks)
    }
    compared, unlike = 0, {}
    for k, config in enumerate(
        [
            {},
            {"min_area": 10},
            {"area_std_filter": 2},
            {"min_area": "median", "max_eccentricity": 0.9},
            {"min_area": "20 um2", "max_area": "150 um2"},
            {"min_absolute_area": "15 %", "min_area": None, "max_area": "90 %"},
            {"min_area": 33.3, "area_std_filter": 1.37, "min_absolute_area": None},
        ]
    ):
        slide.refilter(FilterConfig(**config))
        expected = whole_cells(slide, (0, 0), masks.shape)
        slide.filter_report.frozen().to_file(tmp_path / f"{k}.json")
        frozen = FilterConfig.from_file(tmp_path / f"{k}.json")
        for place, tile in tiles.items():
            tile.refilter(frozen)
            found = whole_cells(tile, place, masks.shape)
            pd.testing.assert_series_equal(found, expected.loc[found.index])
            compared += len(found)
            tile.refilter(FilterConfig(**config))
            found = whole_cells(tile, place, masks.shape)
            unlike[k] = unlike.get(k, 0) + (found != expected.loc[found.index]).sum()
    assert compared > 7 * 150
    assert sum(unlike.values()) > 0
    assert unlike[4] == 0  # areas in um2 do not follow from those of all regions
