"""Whether outlines are what "pixels" and "simplified" must be, whatever the label image.

Everything raises AssertionError that names the label where it can.
"""

from collections import defaultdict

import numpy as np
import rasterio.features
import shapely
from numpy.testing import assert_array_equal

from postseg import masks_to_polygons
from postseg.geometry.outlines import outline_polygons
from postseg.raster.images import encode

from . import exact


def as_array(polygons):
    """Polygons in an array, which NumPy does not try to look into."""
    array = np.empty(len(polygons), object)
    array[:] = polygons
    return array


def draw_back(polygons, shape):
    """Which polygon, from 1, holds the centre of each pixel; 0 for none, never two."""
    image = np.zeros(shape, np.int64)
    for k, polygon in enumerate(polygons, start=1):
        left, top, right, bottom = polygon.bounds
        assert min(left, top) >= -0.5, f"polygon {k} leaves the image"
        assert right <= shape[1] - 0.5, f"polygon {k} leaves the image"
        assert bottom <= shape[0] - 0.5, f"polygon {k} leaves the image"
        rows, columns = np.mgrid[
            int(top + 0.5) : int(bottom + 0.5) + 1, int(left + 0.5) : int(right + 0.5) + 1
        ]
        shapely.prepare(polygon)
        held = shapely.contains_xy(polygon, columns, rows)
        assert not image[rows[held], columns[held]].any(), f"polygon {k} covers others' pixels"
        image[rows[held], columns[held]] = k
    return image


def assert_lossless(masks, polygons):
    """Valid, without overlaps or other neighbours' vertices, and exact when drawn back."""
    labels, image = exact.numbered(masks)
    geometry = as_array(polygons)
    assert len(labels) == len(geometry)
    for label, why in zip(labels, shapely.is_valid_reason(geometry), strict=True):
        assert why == "Valid Geometry", f"label {label}: {why}"
    assert shapely.coverage_is_valid(geometry)
    assert_array_equal(draw_back(polygons, image.shape), image)


def corners(ring):
    """A ring's vertices where it turns, in one order, from wherever and whichever way it runs."""
    x, y = np.asarray(ring.coords)[:-1].T
    before, after = np.roll((x, y), 1, axis=1), np.roll((x, y), -1, axis=1)
    turns = (x - before[0]) * (after[1] - y) != (y - before[1]) * (after[0] - x)
    return shapely.normalize(shapely.LinearRing(np.column_stack([x, y])[turns])).wkb


def rings_by_rasterio(masks):
    """Corners of the rings of the 4-connected parts: by label a sorted list, exterior first."""
    labels, image = exact.numbered(masks)
    found = defaultdict(list)
    for shape, number in rasterio.features.shapes(
        image.astype(np.int32), mask=image > 0, connectivity=4
    ):
        polygon = shapely.transform(shapely.geometry.shape(shape), lambda xy: xy - 0.5)
        found[labels[int(number) - 1]].append(rings_of(polygon))
    return {label: sorted(parts) for label, parts in found.items()}


def rings_of(polygon):
    return [corners(polygon.exterior), *sorted(corners(hole) for hole in polygon.interiors)]


def assert_pixels(masks, polygons, by_oracle=True):
    """The outline "pixels", by rasterio's rings and, if wanted, by the oracle's vertices."""
    assert_lossless(masks, polygons)
    labels, image = exact.numbered(masks)
    rings = rings_by_rasterio(masks)
    expected = exact.pixel_polygons(masks) if by_oracle else {}
    areas = np.bincount(image.ravel(), minlength=len(labels) + 1)[1:]
    for label, polygon, area in zip(labels, polygons, areas, strict=True):
        assert polygon.area == area, f"label {label} has the area {polygon.area}, not {area}"
        parts = sorted(rings_of(part) for part in shapely.get_parts(polygon))
        assert parts == rings[label], f"label {label} has other rings than rasterio's"
        assert polygon.geom_type == ("Polygon" if len(parts) == 1 else "MultiPolygon")
        if by_oracle:
            same = polygon.normalize() == expected[label].normalize()
            assert same, f"label {label} is {polygon}, not {expected[label]}"


def assert_simplified(masks, polygons, labels=None):
    """The outline "simplified": in each ring any of the oracle's best choices of chords.

    The oracle is asked about all labels, or a few.
    """
    assert_lossless(masks, polygons)
    every, image = exact.numbered(masks)
    junctions, pixels = exact.find_junctions(image, join=True), exact.find_pixels(image)
    for number, (label, polygon) in enumerate(zip(every, polygons, strict=True), start=1):
        if labels is None or label in labels:
            parts = exact.simplify_label(pixels[number], number, junctions)
            best = exact.is_best_polygon(parts, polygon)
            assert best, f"label {label} is {polygon}, not {exact.best_polygon(parts)}"


def assert_outlined(masks, outline, labels=None):
    """Outline a label image, in either way that loses nothing, and look at all of it."""
    polygons = masks_to_polygons(masks, outline=outline)
    if outline == "pixels":
        assert_pixels(masks, polygons)
    else:
        assert_simplified(masks, polygons, labels)
    return polygons


def assert_scaled(masks, outline, scale, mirrored):
    """The same vertices, multiplied; upside down, from the lowest row with a cell."""
    runs = encode(masks)
    labels, geometry, shift = outline_polygons(runs, scale, outline=outline, mirrored=mirrored)
    assert labels.tolist() == sorted({*masks[masks > 0].tolist()})
    down, across = scale
    lowest = runs.row.max(initial=-1)
    assert shift == (down * (lowest + 0.5) if mirrored and len(labels) else 0)
    plain = as_array(masks_to_polygons(masks, outline=outline))
    expected = shapely.transform(
        plain, lambda xy: xy * (across, -down if mirrored else down) + (0, shift)
    )
    assert shapely.equals_exact(shapely.normalize(geometry), shapely.normalize(expected)).all()
    assert shapely.is_valid(geometry).all()
    assert shapely.coverage_is_valid(geometry)
