"""Ids of cells, as label values, from the index of shapes and the rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from anndata import AnnData

_FAR = 2.0**53


def as_ids(values: Any, where: str) -> NDArray[np.int64]:
    """Label values, from any kind of number or text; `where` they stand is for the error.

    Raises
    ------
    ValueError
        When one is no whole number.
    """
    values = pd.Series(values)
    if pd.api.types.is_integer_dtype(values) and not values.hasnans:
        return values.to_numpy(dtype=np.int64)
    numbers = pd.to_numeric(values.astype(object), errors="coerce").to_numpy(dtype=float)
    wrong = ~(np.abs(numbers) < 2**53) | (numbers != np.round(numbers))
    if wrong.any():
        value = values.iloc[int(wrong.argmax())]
        raise ValueError(
            f"the {where} holds the id {value}, which is no label value; index cells by the "
            "values that they have in the labels."
        )
    return numbers.astype(np.int64)


def table_ids(table: AnnData) -> pd.DataFrame:
    """Region and instance id of each row: columns ``region`` and ``id``.

    Raises
    ------
    ValueError
        When the table annotates nothing, or ids are no label values.
    """
    attributes = table.uns.get("spatialdata_attrs")
    if attributes is None:
        raise ValueError(
            "the table does not say what it annotates; make it with spatialdata's TableModel."
        )
    region, key = attributes["region_key"], attributes["instance_key"]
    ids = as_ids(table.obs[key], f"column {key!r} of the table")
    return pd.DataFrame({"region": table.obs[region].astype(str).to_numpy(), "id": ids})


def as_points(coordinates: Any) -> NDArray[np.float64] | None:
    """Where the rows of a table lie, (n, 2) as x, y, from its ``obsm["spatial"]``.

    Columns beyond the first two are left out, and what is no place or beyond all images is NaN.
    None for what are no coordinates.
    """
    if hasattr(coordinates, "toarray"):  # of a sparse matrix
        coordinates = coordinates.toarray()
    coordinates = np.asarray(coordinates)
    if coordinates.dtype.kind not in "iuf" or coordinates.ndim != 2 or coordinates.shape[1] < 2:
        return None
    points = coordinates[:, :2].astype(np.float64)
    return np.where(np.abs(points) < _FAR, points, np.nan)
