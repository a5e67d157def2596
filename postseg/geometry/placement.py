"""Where the cells lie: the maps from labels and polygons to every coordinate system.

Frames, of (x, y) each, in which pixel i spans [i, i + 1] as in SpatialData:

- *mask pixels*;
- *full-resolution pixels*: those times the scale, which is the factor or, with a target shape,
  (H / h, W / w) per axis. Those of the masks only; a tile begins at (0, 0);
- *raw polygons*: pixel centres times the scale, mirrored, shifted, see
  `outlines.outline_polygons`. With the scale (sy, sx) and the shift S, the point (x, y) of a
  polygon lies at the full-resolution pixel u = x + sx / 2, v = S - y + sy / 2.

Coordinate systems:

- ``"global"``: where the rest of the user's data lies, by the reference; without one ``"image"``;
- ``"image"``: full-resolution pixels of the microscope image, y down, a tile at its origin;
- ``"mirrored"``: the raw polygons, y up;
- ``"microns"``: the pixel size times ``"image"``, where it is known;
- others: those of the reference. Its own ``"image"`` and ``"microns"``, as of masks that postseg
  wrote before, come first; ``"mirrored"`` is never its own, for each tile has another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

Matrix = NDArray[np.float64]  # (3, 3), of homogeneous (x, y, 1) columns

GLOBAL, IMAGE, MIRRORED, MICRONS = "global", "image", "mirrored", "microns"
_PROBE = np.array([[0, 0], [1, 0], [2, 3], [0, 1], [0, 0]], dtype=float)
_ROUNDING = 1e-12  # of the largest coordinate
_FLAT = 1e9  # times as long as wide


class Reference(NamedTuple):
    """An element whose place is known.

    Attributes
    ----------
    shape : (int, int)
        Its rows and columns.
    systems : mapping of str to (3, 3) array
        From its pixels to its coordinate systems; empty where only its shape is known.
    """

    shape: tuple[int, int]
    systems: Mapping[str, Matrix]


def known_place(reference: Reference | None, own: Reference | None) -> Reference | None:
    """Which of the two tells where masks lie: the reference, unless it has a shape only."""
    return reference if reference is not None and reference.systems else own


def same_place(one: Reference | None, other: Reference | None) -> bool:
    """Whether two references put masks at the same place."""
    if one is None or other is None:
        return one is other
    return (
        one.shape == other.shape
        and one.systems.keys() == other.systems.keys()
        and all(np.array_equal(one.systems[name], other.systems[name]) for name in one.systems)
    )


class Placement(NamedTuple):
    """Where masks, and all that is made of them, lie; see the module for frames and systems.

    Attributes
    ----------
    mask_shape, shape : (int, int)
        Rows and columns of the masks, and at full resolution.
    scale : (float, float)
        Full-resolution pixels per mask pixel, down and across.
    origin : (float, float)
        Row and column of the first mask pixel in its slide, in mask pixels.
    reference : mapping of str to (3, 3) array
        From full-resolution pixels to the coordinate systems of the reference; empty without.
    pixel_size : float or None
        Micrometres per pixel of ``"image"``.
    mirror : (3, 3) array
        What `mirror_y0` does to a polygon.
    shift : float
        What is added to y after it.
    """

    mask_shape: tuple[int, int]
    shape: tuple[int, int]
    scale: tuple[float, float]
    origin: tuple[float, float]
    reference: Mapping[str, Matrix]
    pixel_size: float | None = None
    mirror: Matrix = np.diag([1.0, -1.0, 1.0])
    shift: float = 0.0

    @property
    def to_image(self) -> Matrix:
        """From full-resolution pixels to ``"image"``."""
        if IMAGE in self.reference:
            return self.reference[IMAGE]
        return translation(self.scale[1] * self.origin[1], self.scale[0] * self.origin[0])

    @property
    def to_raw(self) -> Matrix:
        """From full-resolution pixels to raw polygons."""
        to_centres = translation(-self.scale[1] / 2, -self.scale[0] / 2)
        return translation(0, self.shift) @ self.mirror @ to_centres

    @property
    def of_masks(self) -> Matrix:
        """From mask pixels to full-resolution pixels."""
        return scaling(self.scale[1], self.scale[0])

    @property
    def systems(self) -> dict[str, Matrix]:
        """From full-resolution pixels to every coordinate system: the maps of the labels."""
        found = {GLOBAL: self.to_image, IMAGE: self.to_image, MIRRORED: self.to_raw}
        if self.pixel_size is not None:
            found[MICRONS] = scaling(self.pixel_size, self.pixel_size) @ self.to_image
        return found | {name: m for name, m in self.reference.items() if name != MIRRORED}

    @property
    def mask_systems(self) -> dict[str, Matrix]:
        """From mask pixels to every coordinate system: the maps of labels not enlarged."""
        return {name: matrix @ self.of_masks for name, matrix in self.systems.items()}

    @property
    def shape_systems(self) -> dict[str, Matrix]:
        """From raw polygons to every coordinate system, such that labels and shapes meet."""
        from_raw = np.linalg.inv(self.to_raw)
        found = {name: matrix @ from_raw for name, matrix in self.systems.items()}
        return found | {MIRRORED: np.eye(3)}

    @property
    def mask_pixel_area(self) -> Fraction:
        """Pixels of ``"image"`` per mask pixel, exactly."""
        area = Fraction(1)
        for length, n in zip(self.shape, self.mask_shape, strict=True):
            area *= Fraction(length, n) if n else 1
        if IMAGE in self.reference:
            (a, b), (c, d) = ([Fraction(x) for x in row[:2]] for row in self.to_image[:2].tolist())
            area *= abs(a * d - b * c)
        return area


def place(
    mask_shape: tuple[int, int],
    *,
    factor: int = 1,
    image_shape: tuple[int, int] | None = None,
    origin: tuple[float, float] | None = None,
    reference: Reference | None = None,
    own: Reference | None = None,
    pixel_size: float | None = None,
) -> Placement:
    """Work out where masks lie, before any is mirrored.

    Parameters
    ----------
    mask_shape : (int, int)
        Rows and columns of the masks.
    factor : int
        How many times smaller they are than the image; 0 or 1: as large as the target shape tells.
    image_shape : (int, int), optional
        Target shape; default that of the reference, or by the factor.
    origin : (float, float), optional
        Row and column of a tile in its slide, in mask pixels; None of masks of the whole image.
    reference : Reference, optional
        Of the microscope image, at full resolution.
    own : Reference, optional
        Of the masks themselves: where there is no other.
    pixel_size : float, optional
        Micrometres per full-resolution pixel.

    Returns
    -------
    Placement
        Without mirroring and shift.

    Raises
    ------
    ValueError
        When target shape, factor and reference do not fit the masks.
    """
    shape = image_shape
    if reference is not None and origin is None:
        if shape not in (None, reference.shape):
            given, there = (f"{rows} x {columns}" for rows, columns in (shape, reference.shape))
            raise ValueError(
                f"image_shape is {given}, but the reference {there} (rows x columns), and masks of "
                "the whole image are stretched over it. Leave image_shape out, or give the origin "
                "of a tile."
            )
        shape = reference.shape
    if shape is None:
        shape = (mask_shape[0] * max(1, factor), mask_shape[1] * max(1, factor))
    else:
        _check_shape(mask_shape, shape, factor, "image_shape" if image_shape else "reference")
    whole = float(max(1, factor))
    sy, sx = (length / n if n else whole for length, n in zip(shape, mask_shape, strict=True))
    row, column = origin or (0.0, 0.0)
    known, to_known = known_place(reference, own), translation(sx * column, sy * row)
    if known is own:
        to_known = scaling(1 / sx, 1 / sy)
    systems = {name: matrix @ to_known for name, matrix in known.systems.items()} if known else {}
    found = Placement(mask_shape, shape, (sy, sx), (row, column), systems, pixel_size)
    if reference is not None and origin is not None:
        _check_within(found, reference.shape)
    return found


def _check_shape(
    mask_shape: tuple[int, int], shape: tuple[int, int], factor: int, setting: str
) -> None:
    kind = "the image" if setting == "image_shape" else "the reference"
    masks, image = (f"{rows} x {columns}" for rows, columns in (mask_shape, shape))
    if any(length < n for length, n in zip(shape, mask_shape, strict=True)):
        raise ValueError(
            f"the masks, {masks}, are larger than {kind}, {image} (rows x columns). Give the shape "
            "at full resolution, or masks of this image."
        )
    if 0 in mask_shape and mask_shape != shape:
        raise ValueError(f"the masks, {masks}, have no pixels to enlarge to {image}.")
    off = [abs(length - factor * n) for length, n in zip(shape, mask_shape, strict=True)]
    if factor > 1 and max(off) >= factor:
        raise ValueError(
            f"factor_rescale is {factor} and the masks are {masks}, so {kind} should be about "
            f"{factor * mask_shape[0]} x {factor * mask_shape[1]}, but is {image}. Leave the "
            "factor out to stretch the masks over all of it, or give the origin of a tile."
        )


def _check_within(placement: Placement, slide: tuple[int, int]) -> None:
    """Refuse a tile that does not lie in the reference, be it by a mask pixel that is cut."""
    for axis, name in enumerate(("rows", "columns")):
        scale = placement.scale[axis]
        first = scale * placement.origin[axis]
        last = first + placement.shape[axis]
        if first <= -scale or last >= slide[axis] + scale:
            raise ValueError(
                f"the tile has the {name} {first:g} to {last:g} of full-resolution pixels, but the "
                f"reference has {slide[axis]}. origin is in mask pixels; is factor_rescale right?"
            )


def transform(xy: NDArray[np.float64], matrix: Matrix) -> NDArray[np.float64]:
    """Apply an affine map to points, (n, 2): the same on every machine, unlike a dot product."""
    x, y = xy.T
    return np.column_stack([a * x + b * y + c for a, b, c in matrix[:2]])


def area_scale(matrix: Matrix) -> float:
    """How many times larger a map makes areas."""
    (a, b), (c, d) = matrix[:2, :2]
    return float(abs(a * d - b * c))


def translation(x: float, y: float) -> Matrix:
    """Move by (x, y)."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=float)


def scaling(x: float, y: float) -> Matrix:
    """Make larger, about (0, 0)."""
    return np.diag([x, y, 1.0])


def is_upright(matrix: Matrix) -> bool:
    """Whether a map neither turns nor shears, so that a scale and a translation tell it."""
    return bool(matrix[0, 1] == 0 and matrix[1, 0] == 0 and np.diag(matrix).min() > 0)


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


def check_mirror(mirror: Callable[[Any], Any], outline: str) -> None:
    """Refuse a ``mirror_y0`` that leaves out holes or parts, or puts them elsewhere.

    Raises
    ------
    ValueError
        When it does not do to them what `matrix_of` finds that it does to polygons.
    """
    matrix = matrix_of(mirror)
    holed = shapely.box(0, 0, 9, 8).difference(shapely.box(2, 3, 5, 7))
    for geom in (holed, shapely.MultiPolygon([holed, shapely.Polygon(_PROBE + 20)])):
        made, wanted = mirror(geom), shapely.transform(geom, lambda xy: transform(xy, matrix))
        tolerance = _ROUNDING * np.abs(shapely.get_coordinates(wanted)).max()
        if not (shapely.is_geometry(made) and shapely.equals_exact(made, wanted, tolerance)):
            raise ValueError(
                f"outline is {outline!r}, which keeps holes and parts, and mirror_y0() must do to "
                f"them what it does to other polygons; of {geom.wkt} it made {made!s:.200}. Use "
                "shapely.affinity, or shapely.transform, or set outline='contour'."
            )


def _listing(points: NDArray[np.float64]) -> str:
    """The corners of the first polygon."""
    return ", ".join(f"({x:.4g}, {y:.4g})" for x, y in points[:4])


def heights(matrix: Matrix, left: Any, low: Any, right: Any, high: Any) -> NDArray[np.float64]:
    """The y of the four corners of boxes after a map, (4, n); (4,) of one box."""
    y_of_x, y_of_y, y = matrix[1]
    return np.array([y_of_x * x + y_of_y * end + y for x in (left, right) for end in (low, high)])
