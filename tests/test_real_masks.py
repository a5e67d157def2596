"""Equal to the oracle on stained tissue, and on the label images of the folder POSTSEG_MASKS."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
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
def tissue(request):
    """A label image and its metrics by the oracle, which takes its time: once an image."""
    masks = np.load(request.param)["labels"] if request.param else stained_nuclei()
    return Measured(masks, reference.metrics(masks))


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


@pytest.mark.parametrize("size", [0.2125, 0.5, 1.0])
@pytest.mark.parametrize("factor", [1, 4])
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
