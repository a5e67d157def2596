"""The points themselves, lazily: each with the label and the region that it lies in."""

from __future__ import annotations

from typing import NamedTuple

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
from dask.delayed import delayed
from numpy.typing import NDArray

from postseg.elements.points import points_element
from postseg.geometry.placement import Placement
from postseg.transcripts.columns import Z
from postseg.transcripts.counted import Counted
from postseg.transcripts.counting import Task, as_text, numbers_of
from postseg.transcripts.sources import Source, as_frame, each_part, empty_part

LABEL, REGION = "label", "region"
_TAKEN = ("int32", "int64", "float32", "float64")  # by SpatialData, of coordinates


class _Labelling(NamedTuple):
    """What every part of the points needs."""

    task: Task
    label: NDArray[np.int32]  # of each region, and 0 of what lies in none
    names: dict[str, str]  # of columns that change
    genes: pd.CategoricalDtype | None  # None: as they come


def check_frame(source: Source, x: str, y: str) -> None:
    """Refuse points that cannot be handed over with labels, before any is read.

    Raises
    ------
    ValueError
        When a column has a name that is needed for another.
    """
    for name in (LABEL, REGION):
        if name in source.schema.names:
            raise ValueError(
                f"the points have a column {name!r} already, which the points element needs for "
                "the cell that each lies in: rename it, or give keep_points=False "
                "(--no-points)."
            )
    renamed = _renamed(source, x, y)
    for name, new in renamed.items():
        if new in source.schema.names and new not in renamed:
            raise ValueError(
                f"the points have a column {new!r}, which is to be the name of {name!r} in the "
                "points element: rename it, or give keep_points=False (--no-points)."
            )


def make_points(counted: Counted, label: NDArray[np.int64], placement: Placement) -> dd.DataFrame:
    """Give every point the label and the number of its region; nothing is read.

    Parameters
    ----------
    counted : Counted
        The points.
    label : (n_regions,) array of int
        The cell that each region is of, 0 of none.
    placement : Placement
        Where the masks lie.

    Returns
    -------
    dask DataFrame
        A SpatialData points element: the same rows in their order, with coordinates called ``x``
        and ``y``, and ``label`` and ``region``, int32, 0 of none.
    """
    source, columns = counted.source, counted.task.columns
    genes = None
    if not isinstance(empty_part(source), pd.DataFrame):  # text, or codes that differ by part
        names = sorted({feature.name for feature in counted.counts.features})
        genes = pd.CategoricalDtype(pd.Index(names, dtype=object))
    how = _Labelling(
        counted.task,
        np.concatenate([label, [0, 0, 0]]).astype(np.int32),
        _renamed(source, columns.x, columns.y),
        genes,
    )
    meta = _label_part(empty_part(source), how)
    frame = each_part(source, _label_part, delayed(how, pure=False, traverse=False), meta)
    own = source.systems or {}
    systems = {name: matrix @ counted.task.matrix for name, matrix in placement.systems.items()}
    if counted.system is not None:  # without what inverting it and back would round
        systems[counted.system] = own[counted.system]
    return points_element(frame, {**own, **systems}, columns.gene)


def _renamed(source: Source, x: str, y: str) -> dict[str, str]:
    """New names of columns: x and y are of the slide, not of a field of view."""
    there = source.schema.names
    names = {axis: f"{axis}_local" for axis in ("x", "y") if axis in there}
    names |= {x: "x", y: "y"}
    if x != "x" and "z" not in there:
        names |= {z: "z" for z in Z if z in there}
    return {name: new for name, new in names.items() if name != new}


def _label_part(part: object, how: _Labelling) -> pd.DataFrame:
    frame, task = as_frame(part), how.task
    columns, n_regions = task.columns, task.lookup.n_regions
    both = frame[[columns.x, columns.y]]
    both.attrs = {}  # see `sources.tables`
    table = pa.Table.from_pandas(both, preserve_index=False)
    place = {name: numbers_of(table, name) for name in (columns.x, columns.y)}
    found, _ = task.lookup.find(place[columns.x], place[columns.y], task.matrix)
    frame = frame.assign(
        **{name: values for name, values in place.items() if str(frame[name].dtype) not in _TAKEN}
    ).rename(columns=how.names)
    if how.genes is not None:
        names = frame[columns.gene]
        if isinstance(names.dtype, pd.CategoricalDtype):
            names = names.cat.rename_categories(as_text)
        else:
            names = names.map(as_text, na_action="ignore")
        frame[columns.gene] = names.astype(how.genes)
    region = np.where(found < n_regions, found + 1, 0).astype(np.int32)
    return frame.assign(**{LABEL: how.label[found], REGION: region})
