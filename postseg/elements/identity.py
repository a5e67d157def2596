"""Ids of cells, as label values, from the index of shapes and the rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from anndata import AnnData

_FAR = 2.0**53
_NO_CELL = ("", "0", "-1", "UNASSIGNED", "NONE")
_TELLS_NONE = (
    "no table tells the label of each: it needs a column of obs, {key!r}, and the label values as "
    "its instance ids, where it annotates the labels, or in a column {labels!r}"
)


class CellNames(NamedTuple):
    """What text means that names cells.

    Attributes
    ----------
    label : Series of int or None
        Label values by name; None: text is label values.
    why : str
        Why there are none.
    """

    label: pd.Series | None = None
    why: str = "nothing tells which label that is"

    def values(self, names: Sequence[str], column: str, unknown: int) -> NDArray[np.int64]:
        """Label values of names: 0 of what stands for no cell, `unknown` of no known one.

        Raises
        ------
        ValueError
            When nothing tells what they mean.
        """
        index = pd.Index(np.array(names, dtype=object))
        none = index.isin(_NO_CELL)
        if self.label is not None:
            place = self.label.index.get_indexer(index)
            values = np.append(self.label.to_numpy(dtype=np.int64), unknown)[place]
        else:
            numbers = pd.to_numeric(index.to_series(), errors="coerce").to_numpy(dtype=float)
            wrong = ~none & ~((np.abs(numbers) < _FAR) & (numbers == np.round(numbers)))
            if wrong.any():
                raise ValueError(
                    f"the column {column!r} of the points has {names[int(wrong.argmax())]!r}, "
                    f"which is no label value, and {self.why}."
                )
            values = np.where(none, 0, numbers).astype(np.int64)
        return np.where(none, 0, values)


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


def cell_names(
    obs: pd.DataFrame, attributes: Mapping[str, Any], labels: str, cell_key: str
) -> pd.Series:
    """Label values by the names that points have for cells, as a table tells them.

    Names stand in the column `cell_key`, or are the instance ids. Label values are the instance
    ids of a table that annotates the labels, else they stand in a column that has the labels' name,
    as in tables that spatialdata-io makes of Xenium, which may annotate circles.

    Parameters
    ----------
    obs : DataFrame
        Rows of the table.
    attributes : mapping
        What it annotates.
    labels : str
        Name of the labels.
    cell_key : str
        The column of the points that names cells.

    Raises
    ------
    ValueError
        When it does not tell them; the message says why, for `CellNames.why`.
    """
    region, key = attributes["region_key"], attributes["instance_key"]
    annotating = (obs[region].astype(str) == labels).to_numpy()
    if annotating.any():
        obs, column = obs[annotating], key
    else:
        column = labels
    names = cell_key if cell_key in obs else key
    if column not in obs or names == column:
        raise ValueError(_TELLS_NONE.format(key=cell_key, labels=labels))
    values = as_ids(obs[column], f"column {column!r} of the table")
    series = pd.Series(values, pd.Index(obs[names].astype(str), dtype=object))
    twice = series.index[series.index.duplicated()]
    if len(twice):
        raise ValueError(f"the table has {twice[0]!r} in several rows of its column {names!r}")
    return series


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
