"""The audit of a filter run as a table carries it: what was rejected, where, by which thresholds.

The survivors are in the labels and in the rows of the table; with this, nothing of the filter's
input is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg import __version__
from postseg._support.checks import Outline, check_outline
from postseg.filtering.config import FilterConfig

if TYPE_CHECKING:
    from postseg.filtering.run import FilterRun
    from postseg.geometry.placement import Placement

T = TypeVar("T")
KEY = "postseg"  # of the table's uns


class Audit(NamedTuple):
    """An audit, read back.

    Attributes
    ----------
    label_name : str
        Name of the labels element that holds the survivors.
    factor_rescale : int
        How many times smaller the masks were said to be than the image.
    mask_shape, image_shape : (int, int) or None
        Rows and columns of the masks, and at full resolution; None of older stores, where the
        factor tells.
    origin : (float, float) or None
        Row and column of the masks in their slide, in mask pixels.
    pixel_size : float or None
        Of a full-resolution pixel, in um; None where it was not known.
    outline : {"contour", "pixels", "simplified"}
        What the polygons are; "contour" of older stores, which knew no other.
    config : FilterConfig
        Thresholds, as they were stated.
    rejected : DataFrame
        The rows of the audit table of the regions that were rejected, indexed by ``region``.
    rejected_runs : (n_runs, 4) int32
        Their pixels, in raster order: region, row, start, stop, see `postseg.raster.runs.Runs`.
    """

    label_name: str
    factor_rescale: int
    mask_shape: tuple[int, int] | None
    image_shape: tuple[int, int] | None
    origin: tuple[float, float] | None
    pixel_size: float | None
    outline: Outline
    config: FilterConfig
    rejected: pd.DataFrame
    rejected_runs: NDArray[np.int32]


def describe(factor: int, placement: Placement, outline: Outline) -> dict[str, Any]:
    """Make of where cells lie, and of what their polygons are, what a store can hold.

    Parameters
    ----------
    factor
        See `Audit`.
    placement : Placement
        Where the masks lie.
    outline : {"contour", "pixels", "simplified"}
        What the polygons are.
    """
    return {
        "version": __version__,
        "factor_rescale": factor,
        "mask_shape": np.array(placement.mask_shape),
        "image_shape": np.array(placement.shape),
        "origin": np.array(placement.origin),
        # absent where not known: a store has no None
        **({} if placement.pixel_size is None else {"pixel_size": placement.pixel_size}),
        "outline": outline,
    }


def pack(filtered: FilterRun, label_name: str, config: FilterConfig) -> dict[str, Any]:
    """Make of a filter run what a store can hold beside that.

    Parameters
    ----------
    filtered : FilterRun
        What it found.
    label_name
        See `Audit`.
    config : FilterConfig
        Thresholds that come to those of the run where the masks lie.
    """
    runs, regions = filtered.measured.runs, filtered.regions
    rejected = regions["label"].to_numpy() == 0
    of_rejected = rejected[runs.label - 1]
    columns = (runs.label, runs.row, runs.start, runs.stop)
    return {
        "label_name": label_name,
        "thresholds": config.model_dump_json(),
        # plain text in any pandas: not every reader of a store knows its newer text columns
        "rejected": regions[rejected].reset_index().astype({"reason": object}),
        "rejected_runs": np.column_stack([part[of_rejected] for part in columns]).astype(np.int32),
    }


def unpack(packed: Mapping[str, Any]) -> Audit:
    """Read what `describe` and `pack` made, after its way through a store.

    Raises
    ------
    KeyError, ValueError
        When it is not what they make.
    """
    size = packed.get("pixel_size")
    return Audit(
        str(packed["label_name"]),
        int(packed["factor_rescale"]),
        _pair(packed.get("mask_shape"), int),
        _pair(packed.get("image_shape"), int),
        _pair(packed.get("origin"), float),
        None if size is None else float(size),
        check_outline(str(packed.get("outline", "contour"))),
        FilterConfig.model_validate_json(str(packed["thresholds"])),
        packed["rejected"].set_index("region"),
        np.asarray(packed["rejected_runs"], dtype=np.int32).reshape(-1, 4),
    )


def _pair(values: Any, kind: type[T]) -> tuple[T, T] | None:
    if values is None:
        return None
    one, other = (kind(value) for value in values)  # type: ignore[call-arg]
    return one, other
