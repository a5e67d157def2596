"""The masks that labels show, as a table by postseg tells of them.

Labels are the masks, or an enlarged image of them, stretched perhaps, see `postseg.raster.nearest`;
or what somebody cut out of one of the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from postseg.geometry.placement import Matrix, scaling, transform, translation
from postseg.raster.grouped import Grouped
from postseg.raster.nearest import Shape, first_showing, shown
from postseg.raster.runs import Runs
from postseg.verify import footprints

_SAME = 1e-6  # of entries of a map that are the same, and of pixels that are whole


class Masks(NamedTuple):
    """Masks, and where labels lie in the image that shows them.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns of the masks.
    image : (int, int)
        Those of the image.
    first : (int, int)
        Row and column of the image that the labels begin at.
    """

    shape: Shape
    image: Shape
    first: tuple[int, int] = (0, 0)

    @property
    def sides(self) -> tuple[float, float]:
        """Pixels of the labels per mask pixel, down and across."""
        return self.image[0] / self.shape[0], self.image[1] / self.shape[1]

    @property
    def of_labels(self) -> Matrix:
        """From pixels of the labels to mask pixels."""
        down, across = self.sides
        return scaling(1 / across, 1 / down) @ translation(self.first[1], self.first[0])

    def draw(
        self,
        ids: NDArray[np.int64],
        geometry: NDArray[np.object_],
        to_pixels: Matrix,
        low: NDArray[np.int64],
        high: NDArray[np.int64],
        shape: Shape,
    ) -> Grouped:
        """As `footprints.of_polygons`, but a pixel of the labels is what its mask pixel is.

        That is what labels are, of so many rows and columns: the mask pixels whose centres lie in a
        polygon, enlarged. A polygon that reaches into a mask pixel may have all of its rows.
        """
        (n, _), (m, _), (first, _) = self.shape, self.image, self.first
        rows = shown(low + first, n, m), shown(high - 1 + first, n, m) + 1
        rows = rows[0], np.maximum(*rows)
        drawn = footprints.of_polygons(ids, geometry, self.of_labels @ to_pixels, *rows)
        owner, row = drawn.owner, drawn.row.astype(np.int64)
        top, bottom = (self._first_showing(part, 0).clip(0, shape[0]) for part in (row, row + 1))
        height = bottom - top
        # all runs that an owner has in a row, as often as it is shown
        begin = np.flatnonzero(np.diff(owner, prepend=-1) | np.diff(row, prepend=0))
        n_runs = np.diff(begin, append=row.size)
        total = n_runs * height[begin]
        within = np.arange(total.sum()) - np.repeat(np.cumsum(total) - total, total)
        line, which = np.divmod(within, np.repeat(n_runs, total))
        run = np.repeat(begin, total) + which
        start, stop = (
            self._first_showing(part, 1).clip(0, shape[1])[run]
            for part in (drawn.start, drawn.stop)
        )
        some = start < stop
        n_of_owner = np.bincount(owner[run[some]], minlength=drawn.label.size)
        return Grouped(
            np.concatenate(([0], np.cumsum(n_of_owner))),
            (np.repeat(top[begin], total) + line)[some].astype(np.int32),
            start[some].astype(np.int32),
            stop[some].astype(np.int32),
            drawn.label,
        )

    def _first_showing(self, pixels: NDArray[Any], axis: int) -> NDArray[np.int64]:
        """The first pixels of the labels that show these of the masks."""
        n, m, first = self.shape[axis], self.image[axis], self.first[axis]
        return first_showing(pixels.astype(np.int64), n, m) - first

    def labels_at(self, runs: Runs, pixels: NDArray[np.int64]) -> NDArray[np.int64]:
        """The label of each mask pixel, given as column and row; 0 of none and off the labels."""
        # in the middle of a mask pixel is a pixel that shows it
        middle = [shown(pixels[:, i], self.image[1 - i], self.shape[1 - i]) for i in (0, 1)]
        return footprints.label_at(runs, np.column_stack(middle) - self.first[::-1] + 0.5)


def masks_told(packed: Mapping[str, Any]) -> Masks | None:
    """The masks and the image at full resolution, where ``uns["postseg"]`` tells their shapes.

    None where there is no pixel, and of masks larger than the image, which postseg refuses.
    """
    if not {"mask_shape", "image_shape"} <= set(packed):
        return None
    (h, w), (height, width) = (map(int, packed[key]) for key in ("mask_shape", "image_shape"))
    return Masks((h, w), (height, width)) if 0 < h <= height and 0 < w <= width else None


def find_masks(told: Masks, shape: Shape, to_pixels: Matrix) -> Masks | None:
    """Which image the labels are of, that at full resolution or the masks, and which part of it.

    Parameters
    ----------
    told : Masks
        Those of the table.
    shape : (int, int)
        Rows and columns of the labels.
    to_pixels : (3, 3) array
        From polygons to pixels of the labels. Where labels were cropped, it tells by how much: the
        polygons are in pixels at full resolution, and y points up from the lowest row with a cell.

    Returns
    -------
    Masks or None
        None of cropped labels whose polygons are in other coordinates.
    """
    if shape == told.image:
        return told
    masks = Masks(told.shape, told.shape)
    found = (_cropped(told, image, shape, to_pixels) for image in (told, masks))
    return next((one for one in found if one), masks if shape == masks.image else None)


def _cropped(told: Masks, image: Masks, shape: Shape, to_pixels: Matrix) -> Masks | None:
    """The part of an image that labels are, if the map to them is one from polygons to it."""
    (down, across), per_pixel = image.sides, np.divide(image.sides, told.sides)
    origin, *steps = transform(np.array([(0, 0), (1, 0), (0, 1)]), to_pixels)
    if np.abs(steps - origin - np.diag((per_pixel[1], -per_pixel[0]))).max() > _SAME:
        return None
    column = np.array([across / 2 - origin[0]])
    # any last row will do: those that give a whole number show mask pixels in the same way
    row = down * np.arange(1, told.shape[0] + 1) - origin[1]
    first = []
    for axis, found in enumerate((row, column)):
        whole = np.round(found)
        fits = (np.abs(found - whole) < _SAME) & (whole >= 0)
        fits &= whole + shape[axis] <= image.image[axis]
        if not fits.any():
            return None
        first.append(int(whole[fits][0]))
    return image._replace(first=(first[0], first[1]))
