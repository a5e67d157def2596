"""Where transcripts lie on the masks: one matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from postseg._support.checks import check_pixel_size
from postseg._support.words import brief
from postseg.geometry.placement import GLOBAL, MIRRORED, Matrix, Placement, area_scale, scaling
from postseg.transcripts.lookup import Extent

_PIXEL_SIZES = {"Xenium": 0.2125, "CosMx": 0.12028, "MERSCOPE": 0.108}  # um
_CLOSE = 0.1  # of the side of the masks, that points may leave empty or lie beyond


def to_pixels(
    placement: Placement,
    systems: Mapping[str, Matrix] | None,
    pixel_size: float | None,
    to_image: Any,
    coordinate_system: str | None,
) -> tuple[Matrix, str | None]:
    """Find the map from points to full-resolution pixels of the masks.

    Parameters
    ----------
    placement : Placement
        Where the masks lie.
    systems : mapping of str to (3, 3) array, or None
        From the points to their coordinate systems; None of plain data.
    pixel_size, to_image, coordinate_system
        See `PostSegmentation.process_points`.

    Returns
    -------
    matrix : (3, 3) array
        The map.
    system : str or None
        The coordinate system that it goes by, of an element.

    Raises
    ------
    TypeError, ValueError
        When it is not clear, or impossible.
    """
    if pixel_size is not None and to_image is not None:
        raise ValueError("pixel_size and to_image both tell where points lie: give one of them.")
    if coordinate_system is not None and (pixel_size is not None or to_image is not None):
        raise ValueError(
            f"coordinate_system is {coordinate_system!r}, but pixel_size or to_image tell already "
            "where points lie: leave one of them out."
        )
    if systems is not None and pixel_size is not None:
        raise ValueError(
            f"pixel_size is {pixel_size!r}, but the points are a SpatialData element, which lies "
            "where its transformation tells: leave pixel_size out, or give to_image=."
        )
    image: Matrix = np.asarray(np.linalg.inv(placement.to_image), dtype=np.float64)
    size = check_pixel_size(pixel_size)
    if size is not None:
        return image @ scaling(1 / size, 1 / size), None
    if to_image is not None:
        return image @ _checked(to_image), None
    if systems is None:
        if coordinate_system is not None:
            raise ValueError(
                f"coordinate_system is {coordinate_system!r}, but the points are no SpatialData "
                "element, so they are in none: give pixel_size or to_image, or an element."
            )
        return image, None
    system = _choose(placement, systems, coordinate_system)
    return np.linalg.inv(placement.systems[system]) @ systems[system], system


def _choose(
    placement: Placement, systems: Mapping[str, Matrix], coordinate_system: str | None
) -> str:
    """A coordinate system that masks and points share."""
    known = [name for name in placement.systems if name != MIRRORED]  # each tile has another
    there = f"The points are in {', '.join(systems) or 'none'}, the masks in {', '.join(known)}."
    shared = sorted((name for name in known if name in systems), key=lambda n: (n != GLOBAL, n))
    if coordinate_system is not None:
        if coordinate_system not in shared:
            raise ValueError(
                f"coordinate_system is {coordinate_system!r}, which points and masks do not share. "
                f"{there}"
            )
        shared = [coordinate_system]
    if not shared:
        raise ValueError(
            f"points and masks share no coordinate system. {there} Give the masks a reference= "
            "of the same SpatialData object, or place the points by pixel_size= or to_image=."
        )
    for name in shared:
        if not area_scale(systems[name]):
            raise ValueError(f"the transformation of the points to {name!r} cannot be inverted.")
    maps = [np.linalg.inv(placement.systems[name]) @ systems[name] for name in shared]
    if not all(np.allclose(one, maps[0], rtol=1e-9, atol=1e-6) for one in maps):
        raise ValueError(
            f"the coordinate systems {', '.join(shared)} put the points at different places of the "
            "masks: name the right one by coordinate_system."
        )
    return shared[0]


def _checked(to_image: Any) -> Matrix:
    try:
        matrix = np.array(to_image, dtype=np.float64)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    if matrix.shape != (3, 3) or not np.array_equal(matrix[2], [0, 0, 1]):
        raise ValueError(
            f"to_image is {to_image!r:.80}; give a 3 x 3 matrix that takes (x, y, 1) to pixels of "
            "the image, its last row being 0, 0, 1."
        )
    if not np.isfinite(matrix).all() or not area_scale(matrix):
        raise ValueError(f"to_image is {matrix.tolist()}, which is singular: it has no inverse.")
    return matrix


def where_they_lie(
    extent: Extent, placement: Placement, pixel_size: float | None, in_pixels: bool
) -> str:
    """Say where points lie that should lie on the masks, and what would put them there.

    Parameters
    ----------
    extent : Extent
        Of the points, in full-resolution pixels of the masks.
    placement : Placement
        Where the masks lie.
    pixel_size : float or None
        In um; by what the points were divided, if they were.
    in_pixels : bool
        Whether plain points were taken for pixels, and nothing was said of them.
    """
    box = _in_image(extent, placement)
    masks = _in_image(Extent(0, 0, placement.shape[1], placement.shape[0]), placement)
    if not np.isfinite(box).all():
        return "None has finite coordinates: are x and y the columns of places?"
    text = f"In pixels of the image the points span {_span(box)}, and the masks {_span(masks)}."
    if pixel_size is not None:
        back = Extent(*(value * pixel_size for value in box))
        if _fits(back, masks):
            text += " Are they in pixels? Then leave pixel_size out (--points-in px)."
        return text
    if not in_pixels:
        return f"{text} If the masks are of a part of the slide, is their origin= right?"
    sizes = {"": placement.pixel_size} if placement.pixel_size else _PIXEL_SIZES
    for machine, size in sizes.items():
        if _fits(Extent(*(value / size for value in box)), masks):
            return f"{text} {_advice(machine, size)}"
    return text


def maybe_in_microns(extent: Extent, placement: Placement) -> str:
    """A warning of points that were taken for pixels and lie in a corner; empty of others.

    As many micrometres are fewer pixels than there are: such points lie on the masks, all of them
    at the wrong places. Where the pixel size is known, all in the corner that they would be in is
    enough; else they are to fill it, for some machine's.
    """
    box = _in_image(extent, placement)
    masks = _in_image(Extent(0, 0, placement.shape[1], placement.shape[0]), placement)
    room = [_CLOSE * side for side in _sides(masks)]
    known = placement.pixel_size
    for machine, size in ({"": known} if known else _PIXEL_SIZES).items():
        over = [
            (end / size - whole) / r for end, whole, r in zip(box, masks, room * 2, strict=True)
        ]
        within = min(over[:2]) > -1 and max(over[2:]) < 1
        if size < 1 / 2 and within and (known or (max(over[:2]) < 1 and min(over[2:]) > -1)):
            return (
                f"the points span {_span(box)}, a corner of the masks, {_span(masks)}. "
                f"{_advice(machine, size)}"
            )
    return ""


def _advice(machine: str, size: float) -> str:
    unit = f"um, as those of {machine}" if machine else "um"
    return f"If they are in {unit}, pass pixel_size={size:g} (--pixel-size {size:g})."


def _sides(box: Extent) -> tuple[float, float]:
    return box.right - box.left, box.bottom - box.top


def _in_image(box: Extent, placement: Placement) -> Extent:
    """The extent of a box, in pixels of ``"image"``."""
    if not np.isfinite(box).all():
        return box
    corners = np.array([[x, y, 1] for x in (box.left, box.right) for y in (box.top, box.bottom)])
    x, y, _ = placement.to_image @ corners.T
    return Extent(x.min(), y.min(), x.max(), y.max())


def _fits(box: Extent, masks: Extent) -> bool:
    """Whether the middle of one box lies in the other, and they are of about one size."""
    inside = [
        masks[i] <= (box[i] + box[i + 2]) / 2 <= masks[i + 2]
        or box[i] <= (masks[i] + masks[i + 2]) / 2 <= box[i + 2]
        for i in (0, 1)
    ]
    return all(inside)


def _span(box: Extent) -> str:
    left, top, right, bottom = map(brief, box)
    return f"x {left} to {right}, y {top} to {bottom}"
