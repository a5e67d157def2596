"""Layers for napari, as its layer data tuples: (data, keyword arguments, type).

Their world is an image layer at full resolution: its pixel j spans [j - 0.5, j + 0.5], whereas in
the coordinate system ``"image"`` it spans [j, j + 1].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

from postseg.elements.table import INSTANCE_KEY, cell_rows
from postseg.filtering.intensities import intensities_in
from postseg.filtering.metrics import METRICS
from postseg.geometry.placement import (
    IMAGE,
    Matrix,
    Placement,
    is_upright,
    transform,
    translation,
)
from postseg.raster.images import paint
from postseg.raster.label_image import LabelImage

if TYPE_CHECKING:
    import geopandas as gpd

    from postseg.filtering.run import FilterRun

Layer = tuple[Any, dict[str, Any], str]
_TO_PIXEL_CENTRES = 0.5
_EDGE = "cyan"  # seen on dark fluorescence and on pink tissue


def placing(placement: Placement) -> dict[str, Any]:
    """Where a layer of mask pixels lies: scale and translate or, if it is turned, affine."""
    # napari's pixel i has its centre at i, and (row, column)
    centres = translation(_TO_PIXEL_CENTRES, _TO_PIXEL_CENTRES)
    to_image = np.linalg.inv(centres) @ placement.mask_systems[IMAGE] @ centres
    rows_first = to_image[[1, 0, 2]][:, [1, 0, 2]]
    if not is_upright(rows_first):
        return {"affine": rows_first}
    return {"scale": tuple(np.diag(rows_first)[:2]), "translate": tuple(rows_first[:2, 2])}


def survivors(masks: LabelImage, regions: pd.DataFrame, name: str, place: dict[str, Any]) -> Layer:
    """Labels: the filtered masks; `regions` is their audit table."""
    # in the order that napari shows: first what a cell is, then what it measures
    columns = {INSTANCE_KEY: "index", "region_number": "region", "source_label": "source_label"}
    features = cell_rows(regions)[[*columns, *METRICS, *intensities_in(regions)]].rename(
        columns=columns
    )
    kwargs = {"name": name, **place, "features": features.reset_index(drop=True)}
    return masks.astype(np.int32), kwargs, "labels"  # a copy: napari lets users paint in it


def rejected(filtered: FilterRun, name: str, place: dict[str, Any]) -> Layer:
    """Labels: the regions that a filter run rejected, by region number."""
    runs, chunks = filtered.measured.runs, filtered.measured.chunks
    gone = filtered.regions["label"].to_numpy() == 0
    image = paint(runs, np.where(gone[runs.label - 1], runs.label, 0), chunks)
    columns = ["reason", "source_label", *METRICS, *intensities_in(filtered.regions)]
    features = filtered.regions.loc[gone, columns]
    kwargs = {"name": name, **place, "features": features.rename_axis("index").reset_index()}
    return image, kwargs, "labels"


def outlines(shapes: gpd.GeoDataFrame, to_image: Matrix, name: str) -> Layer:
    """Shapes: the outer rings, as arrays of (row, column); `to_image` is the element's map."""
    # a subclass may outline a cell by several polygons
    parts, cell = shapely.get_parts(shapes.geometry.to_numpy(), return_index=True)
    xy, part = shapely.get_coordinates(shapely.get_exterior_ring(parts), return_index=True)
    ends = np.append(part[1:] != part[:-1], True)  # napari closes rings by itself
    row_col = transform(xy, to_image)[:, ::-1] - _TO_PIXEL_CENTRES
    n_before = np.cumsum(np.bincount(part[~ends]))
    rings = np.split(row_col[~ends], n_before[:-1])
    kwargs = {
        "name": name,
        "shape_type": "polygon",
        "face_color": "transparent",
        "edge_color": _EDGE,
        "edge_width": 1,
        "features": pd.DataFrame({"label": shapes.index.to_numpy()[cell]}),
    }
    return rings, kwargs, "shapes"
