"""Points as SpatialData elements: make them, and tell what they say of themselves.

Nothing here looks at a point: rows stay what they are, lazy and in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from postseg.geometry.placement import Matrix

if TYPE_CHECKING:
    import dask.dataframe as dd

_TRANSFORM = "transform"  # of attrs: the transformations
_ABOUT = "spatialdata_attrs"  # of attrs: which columns are what
_FEATURE_KEY = "feature_key"
_AXES = ("x", "y", "z")


def points_element(
    frame: dd.DataFrame, systems: Mapping[str, Matrix], feature_key: str
) -> dd.DataFrame:
    """Wrap points as a SpatialData points element.

    Parameters
    ----------
    frame : dask.dataframe.DataFrame
        One row per point, with the columns ``x`` and ``y``. It stays lazy, and neither it nor an
        element that it was made from is changed.
    systems : mapping of str to (3, 3) array
        Its maps of (x, y) to the coordinate systems, by name. A column ``z`` stays as it is.
    feature_key : str
        The column with the genes.

    Returns
    -------
    dask.dataframe.DataFrame
        The element: the same rows, index and columns.

    Raises
    ------
    ValueError
        A column is missing, or ``x`` or ``y`` are no numbers of a kind that SpatialData takes.
    """
    from spatialdata.models import PointsModel

    from postseg.elements import build

    missing = [name for name in ("x", "y", feature_key) if name not in frame.columns]
    if missing:
        raise ValueError(f"points have no column {missing[0]!r}. They have: {[*frame.columns]}.")
    # by hand, since PointsModel.parse computes: the order of the index, and categories
    element = frame.copy()  # with attrs of its own, and in them those of what it was made from
    # of all axes that there are: by maps of x and y alone, spatialdata 0.8 finds too few points
    # with a z in a box
    axes = tuple(axis for axis in _AXES if axis in frame.columns)
    element.attrs[_TRANSFORM] = build.transformations(systems, axes)
    element.attrs[_ABOUT] = {_FEATURE_KEY: feature_key}
    PointsModel().validate(element)
    return element


def is_points(element: Any) -> bool:
    """Whether something is a points element of SpatialData, lazy or, as pandas frame, computed."""
    import dask.dataframe as dd
    import geopandas as gpd

    frame = isinstance(element, dd.DataFrame | pd.DataFrame)
    if not frame or isinstance(element, gpd.GeoDataFrame):
        return False
    # of dask frames, SpatialData alone makes attrs
    known = getattr(element, "attrs", {}).get(_TRANSFORM)
    return isinstance(known, Mapping) and {"x", "y"} <= set(element.columns)


def systems_of(element: dd.DataFrame | pd.DataFrame) -> dict[str, Matrix]:
    """Affine maps of (x, y), (3, 3) each, from points to their coordinate systems, by name.

    Of transformations of (x, y, z), which Xenium's are, what they do with z is left out.

    Raises
    ------
    ValueError
        When one is not affine, or has x and y depend on z.
    """
    systems = {}
    for name, transformation in element.attrs[_TRANSFORM].items():
        try:
            matrix = np.asarray(transformation.to_affine_matrix(_AXES, _AXES), dtype=np.float64)
        except (ValueError, NotImplementedError) as error:
            raise ValueError(
                f"the points' transformation to {name!r} is not affine: {error}"
            ) from error
        if matrix[:2, 2].any():
            raise ValueError(
                f"the points' transformation to {name!r} makes x and y depend on z, so they have "
                "no place in an image. Give points in two dimensions, with a transformation of x "
                "and y."
            )
        systems[name] = matrix[np.ix_([0, 1, 3], [0, 1, 3])]
    return systems


def feature_key_of(element: dd.DataFrame | pd.DataFrame) -> str | None:
    """The column with the genes, if the points name one."""
    about = element.attrs.get(_ABOUT)
    return about.get(_FEATURE_KEY) if isinstance(about, Mapping) else None
