"""Where polygons and pixels lie: the maps between an element and the two coordinate systems.

A pixel i of the enlarged labels spans [i, i + 1], as in SpatialData. The polygons are those of
`polygons.outline_polygons`: pixel centres times the factor, mirrored, shifted. So with the factor f
(1 where it is 0) and the shift S, the point (x, y) of a polygon lies at u = x + f / 2,
v = S - y + f / 2 of the labels. The systems are

- ``"global"``: the polygons as they are, y up;
- ``"image"``: full-resolution pixels of the microscope image, y down, tiles at their origin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

Matrix = NDArray[np.float64]  # (3, 3), of homogeneous (x, y, 1) columns


class Systems(NamedTuple):
    """The map of one element to each coordinate system."""

    to_global: Matrix
    to_image: Matrix


IDENTITY = Systems(np.eye(3), np.eye(3))


def labels_systems(
    factor: int, shift: float, origin: tuple[float, float], mirror: Matrix
) -> Systems:
    """Maps of the enlarged labels, see the module; `origin` is (row, column) in mask pixels."""
    f = factor or 1
    to_global = translation(0, shift) @ mirror @ translation(-f / 2, -f / 2)
    return Systems(to_global, translation(f * origin[1], f * origin[0]))


def shapes_systems(
    factor: int, shift: float, origin: tuple[float, float], mirror: Matrix
) -> Systems:
    """Maps of the polygons: such that both elements meet in both systems."""
    labels = labels_systems(factor, shift, origin, mirror)
    return Systems(np.eye(3), labels.to_image @ np.linalg.inv(labels.to_global))


def translation(x: float, y: float) -> Matrix:
    """Move by (x, y)."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=float)


def matrix_of(mirror: Callable[[Any], Any]) -> Matrix:
    """Return the affine map that a ``mirror_y0`` applies, found by mirroring a triangle.

    Raises
    ------
    ValueError
        When what it makes of the triangle is no triangle: it is not an affine map then.
    """
    corners = np.array([[0, 0], [1, 0], [0, 1], [0, 0]])
    mirrored = shapely.get_coordinates(mirror(shapely.Polygon(corners)))
    if mirrored.shape != corners.shape:
        raise ValueError(
            "mirror_y0() must move the vertices of a polygon and keep their number and order, so "
            f"that labels can follow; of a triangle it made {len(mirrored)} points."
        )
    at_0, at_x, at_y = mirrored[:3]
    matrix = np.eye(3)
    matrix[:2] = np.column_stack([at_x - at_0, at_y - at_0, at_0])
    return matrix


def lowest_y(mirror: Matrix, left: float, top: float, right: float, bottom: float) -> float:
    """Lowest y of a box after `mirror`."""
    x, y = np.meshgrid([left, right], [top, bottom])
    corners = np.stack([x.ravel(), y.ravel(), np.ones(4)])
    return float((mirror @ corners)[1].min())
