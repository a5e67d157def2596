"""Where polygons and pixels lie: the maps between an element and the two coordinate systems.

A pixel i of the enlarged labels spans [i, i + 1], as in SpatialData. The polygons are those of
`outlines.outline_polygons`: pixel centres times the factor, mirrored, shifted. So with the factor f
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


_PROBE = np.array([[0, 0], [1, 0], [2, 3], [0, 1], [0, 0]], dtype=float)
_ROUNDING = 1e-12  # of the largest coordinate
_FLAT = 1e9  # times as long as wide

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


def transform(xy: NDArray[np.float64], matrix: Matrix) -> NDArray[np.float64]:
    """Apply an affine map to points, (n, 2): the same on every machine, unlike a dot product."""
    x, y = xy.T
    return np.column_stack([a * x + b * y + c for a, b, c in matrix[:2]])


def area_scale(matrix: Matrix) -> float:
    """How many times larger a map makes areas."""
    return float(abs(np.linalg.det(matrix[:2, :2])))


def translation(x: float, y: float) -> Matrix:
    """Move by (x, y)."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=float)


def matrix_of(mirror: Callable[[Any], Any]) -> Matrix:
    """Return the affine map that a ``mirror_y0`` applies, found by mirroring two polygons.

    They have a corner more than determines a map, and no two corners alike, so that a reversed
    ring or another first vertex is found out; and lie apart, so that a map of each polygon's own
    is, as of `shapely.affinity.scale` without an origin.

    Raises
    ------
    ValueError
        When it is no such map, or not invertible, or changes the number or order of vertices.
    """
    given = np.concatenate([_PROBE, np.add(_PROBE, (20, 10))])
    made = [mirror(shapely.Polygon(ring)) for ring in np.split(given, 2)]
    found = shapely.get_coordinates([geom for geom in made if isinstance(geom, shapely.Geometry)])
    if found.shape == given.shape and np.isfinite(found).all():
        at_0, at_x, _, at_y = found[:4]
        matrix = np.eye(3)
        matrix[:2] = np.column_stack([at_x - at_0, at_y - at_0, at_0])
        close = np.abs(found - transform(given, matrix)).max() <= _ROUNDING * np.abs(found).max()
        if close and np.linalg.cond(matrix[:2, :2]) < _FLAT:
            return matrix
    raise ValueError(
        "mirror_y0() must apply one invertible affine map to all polygons and keep the number and "
        f"order of their vertices, so that labels can follow; of {_listing(given)} it made "
        f"{_listing(found) or 'no polygons'}."
    )


def _listing(points: NDArray[np.float64]) -> str:
    """The corners of the first polygon."""
    return ", ".join(f"({x:.4g}, {y:.4g})" for x, y in points[:4])


def heights(matrix: Matrix, left: Any, low: Any, right: Any, high: Any) -> NDArray[np.float64]:
    """The y of the four corners of boxes after a map, (4, n); (4,) of one box."""
    y_of_x, y_of_y, y = matrix[1]
    return np.array([y_of_x * x + y_of_y * end + y for x in (left, right) for end in (low, high)])
