"""Nuclei, labels of another image, and the region that each of them lies in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg._kernels import overlaps
from postseg._kernels import runs as kernels
from postseg._support.threads import spread
from postseg._support.words import counted
from postseg.raster.images import encode
from postseg.raster.label_image import as_label_image
from postseg.raster.runs import Runs

N_NUCLEI = "n_nuclei"
COLUMNS = (N_NUCLEI, "nucleus_label", "nucleus_share")


class Matched(NamedTuple):
    """What `postseg.PostSegmentation.match` tells of regions and of nuclei.

    Attributes
    ----------
    of_regions : DataFrame
        By region: `COLUMNS`.
    of_nuclei : DataFrame
        By ``nucleus_label``: ``area``, ``region`` and ``share``.
    """

    of_regions: pd.DataFrame
    of_nuclei: pd.DataFrame

    def tell(self, regions: pd.DataFrame) -> pd.DataFrame:
        """A table of these regions with `COLUMNS`, in place of those that it may have."""
        return regions.drop(columns=[*COLUMNS], errors="ignore").join(self.of_regions)


class Tally(NamedTuple):
    """How many nuclei lie in cells, and how many cells have how many."""

    total: int
    in_cells: int
    cells_without: int
    cells_with_several: int

    def __str__(self) -> str:
        return (
            f"nuclei: {self.in_cells:,} of {self.total:,} in cells; "
            f"{counted(self.cells_without, 'cell')} without, "
            f"{self.cells_with_several:,} with two or more"
        )


def tally(regions: pd.DataFrame, total: int) -> Tally:
    """Count the nuclei of cells, that is of regions that were kept, of so many in the image."""
    count = regions.loc[regions["label"] > 0, N_NUCLEI]
    return Tally(total, int(count.sum()), int((count == 0).sum()), int((count > 1).sum()))


def read_nuclei(nuclei: Any, shape: tuple[int, int]) -> Runs:
    """Read a label image of nuclei, to be matched with masks of that shape.

    Raises
    ------
    TypeError, ValueError
        For what is no 2-D label image, or of another size.
    """
    try:
        image = as_label_image(nuclei)
        _steps(image.shape, shape)  # before the work
        if image.dtype == bool:
            raise ValueError(
                "they are boolean, and all would be one nucleus: number them first, e.g. with "
                "skimage.measure.label(nuclei)."
            )
        return encode(image)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError  # not all take a text
        text = str(error)
        if text.startswith("masks "):  # as a label image is mostly called
            text = f"the label image{text.removeprefix('masks')}"
        raise kind(f"nuclei: {text}") from error


def match_nuclei(regions: Runs, n_regions: int, nuclei: Runs) -> Matched:
    """Tell which nuclei lie in which region.

    Parameters
    ----------
    regions : Runs
        With the region numbers 1..n_regions for labels.
    n_regions : int
    nuclei : Runs
        Of an image of the same size, or a whole number of times larger or smaller.

    Raises
    ------
    ValueError
        When the sizes are others.
    """
    fine, other_fine = _steps(nuclei.shape, regions.shape)
    number, label = pd.factorize(nuclei.label, sort=True)
    order, offsets = kernels.group((number + 1).astype(np.int32), label.size)
    row, start, stop = (part[order] for part in nuclei[:3])
    owner = regions.label.astype(np.int32, copy=False)
    rows = np.searchsorted(regions.row, np.arange(regions.shape[0] + 1))
    region, shared = np.empty(label.size, np.int64), np.empty(label.size, np.int64)

    def match_range(first: int, last: int) -> None:
        overlaps.best_of_others(
            first,
            last,
            (offsets, row, start, stop),
            fine,
            (rows, regions.start, regions.stop, owner),
            other_fine,
            n_regions,
            region,
            shared,
        )

    spread(match_range, offsets, "Matching nuclei")
    before = np.concatenate(([0], np.cumsum(stop - start, dtype=np.int64)))
    area = np.diff(before[offsets])
    share = shared / (area * fine**2)
    of_nuclei = pd.DataFrame(
        {"area": area, "region": region, "share": share},
        index=pd.Index(label.astype(np.int64), name="nucleus_label"),
    )
    return Matched(_by_region(of_nuclei, shared, n_regions), of_nuclei)


def _by_region(nuclei: pd.DataFrame, shared: NDArray[np.int64], n_regions: int) -> pd.DataFrame:
    region = nuclei["region"].to_numpy()
    # the last of each region is the one with most pixels there, of equal ones the first
    order = np.lexsort((-nuclei.index.to_numpy(), shared, region))
    label, share = np.zeros(n_regions + 1, np.int64), np.zeros(n_regions + 1)
    label[region[order]] = nuclei.index.to_numpy()[order]
    share[region[order]] = nuclei["share"].to_numpy()[order]
    count = np.bincount(region, minlength=n_regions + 1).astype(np.int64)
    return pd.DataFrame(
        {name: part[1:] for name, part in zip(COLUMNS, (count, label, share), strict=True)},
        index=pd.RangeIndex(1, n_regions + 1, name="region"),
    )


def _steps(nuclei: tuple[int, int], masks: tuple[int, int]) -> tuple[int, int]:
    """How many pixels of the finer image the side of a pixel of nuclei is, and one of masks."""
    for one, other in ((nuclei, masks), (masks, nuclei)):
        times = max(1, *(its // max(1, ours) for its, ours in zip(other, one, strict=True)))
        if other == (times * one[0], times * one[1]):
            return (times, 1) if one is nuclei else (1, times)
    raise ValueError(
        f"they have {nuclei[0]} x {nuclei[1]} pixels, and the masks {masks[0]} x {masks[1]}: give "
        "an image of the size of the masks, or a whole number of times larger or smaller, of the "
        "same place."
    )
