"""Whatever the label image: equal to the oracle, and indifferent to what must not matter."""

import warnings

import numpy as np
import pytest
import reference
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sampling import share
from skimage.measure import find_contours
from strategies import canvases, encodings, label_images, thresholds

from postseg import (
    FilterConfig,
    PostSegmentation,
    filter_cell_by_regionprops,
    masks_to_polygons,
    measure_regions,
)

ALL_OFF = {"min_area": None, "min_absolute_area": None, "max_convexity_deficit": None}
EXACT = ["source_label", "area", "area_convex", "min_row", "min_col", "max_row", "max_col"]
# Eccentricity near 0 is the square root of rounding noise.
TOLERANCES = {
    "eccentricity": 1e-7,
    "perimeter": 1e-9,
    "solidity": 1e-9,
    "extent": 1e-9,
    "compactness": 1e-9,
    "convexity_deficit": 1e-9,
    "perimeter_area_ratio": 1e-9,
    "centroid_row": 1e-9,
    "centroid_col": 1e-9,
}
SYMMETRIES = {
    "transposed": (np.transpose, lambda xy, _: xy[:, ::-1]),
    "upside down": (np.flipud, lambda xy, shape: xy * (1, -1) + (0, shape[0] - 1)),
    "left to right": (np.fliplr, lambda xy, shape: xy * (-1, 1) + (shape[1] - 1, 0)),
}


def examples(count):
    """Time limits off: the first example compiles the kernels, and machines are shared."""
    return settings(
        max_examples=share(count), deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )


def quietly(function, *args, **kwargs):
    """Call without the warning that nothing survives, the one warning that may come."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return function(*args, **kwargs)


def vertices(ring):
    """A closed ring of distinct vertices in one order, from wherever and whichever way it runs."""
    ring = np.asarray(ring, float)
    assert_array_equal(ring[0], ring[-1])
    start = np.lexsort(ring[:-1].T[::-1])[0]
    forward = np.roll(ring[:-1], -start, axis=0).tolist()
    return min(forward, [forward[0], *forward[:0:-1]])


def outlines(polygons):
    """The vertices of polygons without holes."""
    assert all(polygon.is_valid and not polygon.interiors for polygon in polygons)
    return [vertices(polygon.exterior.coords) for polygon in polygons]


def everything(masks, factor=1):
    """A PostSegmentation that rejects nothing."""
    config = FilterConfig(**ALL_OFF)
    return PostSegmentation(masks, factor, filter_config=config, verbose=False)


def keep_all(masks):
    return quietly(filter_cell_by_regionprops, masks, **ALL_OFF, verbose=False)


@examples(150)
@given(masks=label_images())
def test_every_metric_equals_the_oracle(masks):
    found, expected = measure_regions(masks), reference.metrics(masks)
    assert found.index.equals(expected.index)
    assert found.index.name == "region"
    assert found["area"].dtype.kind == found["area_convex"].dtype.kind == "i"
    for name in EXACT:
        assert found[name].tolist() == expected[name].tolist(), name
    for name, tolerance in TOLERANCES.items():
        assert_allclose(found[name], expected[name], rtol=0, atol=tolerance, err_msg=name)
    assert found["touches_border"].tolist() == expected["touches_border"].tolist()


@examples(300)
@given(data=st.data(), masks=label_images(16))
def test_the_filter_equals_the_oracle(data, masks):
    measured = reference.metrics(masks)
    limits = data.draw(thresholds(measured))
    expected, rejected = reference.filter(masks, measured, **limits)
    post = PostSegmentation(verbose=False)
    survivors = quietly(post.filter_cell_by_regionprops, masks, **limits)
    assert survivors.dtype == np.int32
    assert_array_equal(survivors, expected)
    assert [*post.filter_report.to_dict()["rejected"].items()] == [*rejected.items()]
    assert sum(rejected.values()) + survivors.max() == len(post.regions)
    reasons = post.regions["reason"]
    assert {reason: (reasons == reason).sum() for reason in rejected} == rejected
    assert post.regions.loc[reasons == "", "label"].tolist() == [*range(1, survivors.max() + 1)]
    again = quietly(filter_cell_by_regionprops, masks, **limits, verbose=False)
    assert_array_equal(again, survivors)


@examples(100)
@given(masks=label_images(), config=st.builds(FilterConfig, min_absolute_area=st.integers(0, 9)))
def test_survivors_are_whole_regions_of_the_input(masks, config):
    survivors = quietly(
        PostSegmentation(filter_config=config, verbose=False).filter_cell_by_regionprops, masks
    )
    regions, _ = reference.regions(masks)
    pairs = np.unique(np.stack([survivors[survivors > 0], regions[survivors > 0]]), axis=1)
    assert pairs[0].tolist() == [*range(1, survivors.max() + 1)]
    assert (np.diff(pairs[1]) > 0).all()
    assert np.isin(regions, pairs[1]).sum() == (survivors > 0).sum()


@examples(200)
@given(masks=label_images(), factor=st.integers(0, 5))
def test_outlines_are_those_of_the_oracle_one_per_label_in_label_order(masks, factor):
    polygons = masks_to_polygons(masks, factor)
    expected = reference.outlines(masks, factor)
    assert outlines(polygons) == [vertices(ring) for ring in expected.values()]


@examples(150)
@given(canvas=canvases(20))
def test_a_plain_cell_has_the_vertices_of_find_contours(canvas):
    """Plain: of one part, off the border, without a link by a diagonal alone."""
    canvas = np.pad(canvas, 1)
    _, source_labels = reference.regions(canvas)
    labels = np.unique(source_labels)
    plain = 0
    for label, outline in zip(labels, outlines(masks_to_polygons(canvas, 1)), strict=True):
        cell = canvas == label
        corners = cell[:-1, :-1], cell[1:, 1:], cell[:-1, 1:], cell[1:, :-1]
        diagonal = (
            (corners[0] == corners[1]) & (corners[2] == corners[3]) & (corners[0] != corners[2])
        )
        if (source_labels == label).sum() == 1 and not diagonal.any():
            contours = find_contours(cell.astype(float), 0.5)
            assert outline == vertices(contours[0][:, ::-1])
            plain += 1
    assume(plain)


@examples(100)
@given(masks=label_images(), factor=st.integers(0, 4))
def test_shapes_are_mirrored_on_0_and_named_by_their_label(masks, factor):
    post = everything(masks, factor)
    survivors = keep_all(masks)
    if not survivors.any():
        with pytest.raises(RuntimeError):
            quietly(post.process_masks_to_shapes)
        return
    cleaned, gdf, model = post.process_masks_to_shapes()
    assert_array_equal(cleaned, survivors)
    expected = reference.shapes(survivors, factor)
    assert outlines(model.geometry) == [vertices(ring) for ring in expected.values()]
    assert model.index.tolist() == gdf.index.tolist() == list(expected)
    names = [f"cell_{label}" for label in expected]
    assert model["region"].tolist() == gdf["cell_id"].tolist() == names
    assert gdf.geometry.geom_equals_exact(model.geometry, 0).all()


@examples(100)
@given(masks=label_images(12), factor=st.integers(0, 5))
def test_labels_are_enlarged_like_the_oracle(masks, factor):
    post = everything(masks, factor)
    if int(masks.max()) > np.iinfo(np.int32).max:
        with pytest.raises(ValueError, match="filter"):
            post.process_labels()
        quietly(post.filter_cell_by_regionprops, masks)
        post = everything(keep_all(masks), factor)
    kept, model = post.process_labels()
    assert model.dims == ("y", "x")
    assert model.dtype == np.int32
    assert_array_equal(model.to_numpy(), reference.enlarge(np.asarray(kept), factor))
    assert_array_equal(kept, post.masks)


@examples(100)
@given(data=st.data(), canvas=canvases(16))
def test_ids_dtype_and_memory_order_do_not_matter(data, canvas):
    masks = data.draw(encodings(canvas))
    if masks.dtype == bool:
        canvas = (canvas > 0).astype(np.int32)
    plain, found = measure_regions(canvas), measure_regions(masks)
    assert found.drop(columns="source_label").equals(plain.drop(columns="source_label"))
    assert_array_equal(keep_all(masks), keep_all(canvas))


@examples(100)
@given(data=st.data(), canvas=canvases(16))
def test_ids_in_the_same_order_give_the_same_polygons(data, canvas):
    masks = data.draw(encodings(canvas, monotonic=True))
    if masks.dtype == bool:
        canvas = (canvas > 0).astype(np.int32)
    assert outlines(masks_to_polygons(masks, 2)) == outlines(masks_to_polygons(canvas, 2))


@pytest.mark.parametrize("symmetry", SYMMETRIES)
@examples(60)
@given(masks=label_images(20))
def test_turned_cells_have_turned_outlines_and_the_same_metrics(symmetry, masks):
    turn, turn_xy = SYMMETRIES[symmetry]
    before, after = measure_regions(masks), measure_regions(turn(masks))
    for name in ["source_label", "area", "area_convex"]:
        assert sorted(before[name]) == sorted(after[name])
    for name in ["eccentricity", "perimeter", "solidity", "extent"]:
        assert_allclose(np.sort(after[name]), np.sort(before[name]), rtol=0, atol=1e-7)
    cells = keep_all(masks)
    expected = [
        turn_xy(np.array(ring), masks.shape) for ring in outlines(masks_to_polygons(cells, 1))
    ]
    turned = outlines(masks_to_polygons(turn(cells), 1))
    assert sorted(turned) == sorted(vertices([*ring, ring[0]]) for ring in expected)


@examples(60)
@given(masks=label_images(16))
def test_the_masks_given_are_never_modified(masks):
    before, writeable = masks.copy(), masks.flags.writeable
    measure_regions(masks)
    keep_all(masks)
    masks_to_polygons(masks, 3)
    post = everything(masks, 2)
    quietly(post.filter_cell_by_regionprops, masks)
    if masks.any():
        post.process_masks_to_shapes()
        post.process_labels()[1].compute()
    assert_array_equal(masks, before)
    assert masks.flags.writeable == writeable
