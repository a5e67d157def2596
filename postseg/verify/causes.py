"""Tell why polygons and labels disagree, where the pattern gives it away."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg._support.words import listing
from postseg.verify.grid import Grid

MAX_SHIFT = 0.25  # pixels; a shift common to many cells
_MOST = 0.6  # of the cells that disagree show a pattern
_CLOSE = 0.02  # how near to a plain map the entries of a fitted one are
_NAMED = 5
_PLAIN_MAPS = {
    "mirrored vertically: y points up in one element, down in the other": ((1, 0), (0, -1)),
    "mirrored horizontally": ((-1, 0), (0, 1)),
    "turned by 180 degrees": ((-1, 0), (0, -1)),
    "transposed: x and y are exchanged": ((0, 1), (1, 0)),
    "turned by 90 degrees": ((0, -1), (1, 0)),
    "turned by -90 degrees": ((0, 1), (-1, 0)),
    "transposed and turned by 180 degrees": ((0, -1), (-1, 0)),
}


def median_offset(compared: pd.DataFrame) -> NDArray[np.float64]:
    """Median of (x, y) from the centroid of a label to that of its polygon; 0 without cells."""
    polygons, labels = _centroids(compared)
    return np.median(polygons - labels, axis=0) if len(labels) else np.zeros(2)


def max_shift(compared: pd.DataFrame, grid: Grid) -> float:
    """Largest median offset that is right; a few cells may have one by the cut corners alone."""
    n_cells = compared["label_x"].count()
    return max(MAX_SHIFT, grid.side / 4 / np.sqrt(max(1, n_cells))) + grid.rounding


def are_shifted(compared: pd.DataFrame, grid: Grid) -> bool:
    """Whether most polygons are off their labels by the same vector."""
    polygons, labels = _centroids(compared)
    shift = median_offset(compared)
    far = np.hypot(*shift) > max_shift(compared, grid)
    return bool(far) and _fits(polygons - shift, labels)


def _centroids(compared: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of polygons and their labels, where there are both, and whole if any are."""
    both = compared.dropna(subset=["x", "label_x"])
    if "beyond" in both and not both["beyond"].all():
        both = both[~both["beyond"]]
    return both[["x", "y"]].to_numpy(), both[["label_x", "label_y"]].to_numpy()


def of_ids(compared: pd.DataFrame, misplaced: pd.Series) -> list[str]:
    """Recognise polygons that have the ids of others.

    Parameters
    ----------
    compared : DataFrame
        From `compare.compare`.
    misplaced : Series of bool
        Which polygons lie elsewhere than their label, or have none.
    """
    ids = compared.index.to_series()
    on = compared["lies_on"]
    wrong = misplaced & (on > 0) & (on != ids)
    step = (on - ids)[wrong].mode()
    if not len(step):
        return []
    shifted = wrong & (on - ids == step[0])
    if shifted.sum() > 2 and shifted.sum() >= _MOST * misplaced.sum():
        by = f"{abs(step[0]):,} {'higher' if step[0] > 0 else 'lower'}"
        return [
            f"Ids are shifted by {abs(step[0])}: from {ids[shifted].min()} on, {shifted.sum():,} "
            f"polygons lie on the label whose id is {by}."
        ]
    partner = on[wrong].map(on.where(wrong))
    swapped = sorted({tuple(sorted((i, on[i]))) for i in partner.index[partner == partner.index]})
    if 2 * len(swapped) >= _MOST * misplaced.sum():
        return [f"Ids are swapped: {listing((f'{i} and {j}' for i, j in swapped), _NAMED)}."]
    return []


def of_other_ids(compared: pd.DataFrame, misplaced: pd.Series) -> list[str]:
    """Where nothing else explains it: most misplaced polygons fit a label with another id."""
    on = compared["lies_on"]
    wrong = misplaced & (on > 0) & (on != compared.index)
    if wrong.sum() < _MOST * misplaced.sum():
        return []
    return [f"{wrong.sum():,} polygons lie on a label with another id, without a pattern."]


def of_mirrors(compared: pd.DataFrame) -> list[str]:
    """Recognise polygons that are mirrored or turned as a whole, and perhaps shifted too."""
    polygons, labels = _centroids(compared)
    for name, linear in _PLAIN_MAPS.items():
        turned = polygons @ np.transpose(linear)
        if len(labels) > 2 and _fits(turned + np.median(labels - turned, axis=0), labels):
            return [f"The polygons are {name}."]
    return []


def of_places(compared: pd.DataFrame, grid: Grid) -> list[str]:
    """Recognise polygons that are shifted or scaled as a whole, or mapped in another affine way.

    Parameters
    ----------
    compared : DataFrame
        From `compare.compare`.
    grid : Grid
        Of the mask pixels.
    """
    if are_shifted(compared, grid):
        return [_describe_shift("polygons", median_offset(compared), grid.side)]
    polygons, labels = _centroids(compared)
    matrix = _fit(polygons, labels)
    if matrix is None or not _fits(polygons @ matrix[:2] + matrix[2], labels):
        return []
    fitted = matrix[:2].T
    scale = np.sqrt(abs(np.linalg.det(fitted)))
    if np.allclose(fitted, scale * np.eye(2), rtol=0, atol=_CLOSE * scale):
        return [
            f"The polygons are {1 / scale:.4g} times as large as the labels: a transformation "
            "lacks a factor or a pixel size."
        ]
    (a, b), (c, d) = fitted
    x, y = matrix[2]
    return [
        f"An affine map takes the polygons to the labels: x' = {a:.4g} x {b:+.4g} y {x:+.4g}, "
        f"y' = {c:.4g} x {d:+.4g} y {y:+.4g}."
    ]


def of_cropping(beyond: pd.Series) -> list[str]:
    """Recognise labels that were cropped, unlike the polygons."""
    if not beyond.any():
        return []
    return [
        f"{beyond.sum():,} polygons reach beyond the labels and fit them within: the labels were "
        "cropped, it seems, and the polygons were not."
    ]


def of_sizes(compared: pd.DataFrame) -> list[str]:
    """Recognise polygons that outline another part of the cells."""
    size = compared["size"].median()
    if not size or 0.8 < size < 1.25:  # none: most polygons cannot be drawn
        return []
    return [
        f"The polygons have {size:.2f} times the pixels of their labels (median): do both show "
        "the same, or one nuclei and the other cells?"
    ]


def of_table(table_ids: NDArray[np.int64], label_ids: NDArray[np.int64]) -> list[str]:
    """Recognise instance ids counted from another start than the labels."""
    if table_ids.size != label_ids.size or not label_ids.size:
        return []
    step = np.unique(table_ids - label_ids)
    if step.size > 1 or step[0] == 0:
        return []
    return [f"The table's ids are the labels' ids {step[0]:+d}, counted from another start."]


def of_points(points: pd.DataFrame, grid: Grid) -> list[str]:
    """Recognise a table whose points are shifted as a whole; `points` as `compared` otherwise."""
    if not are_shifted(points, grid):
        return []
    return [_describe_shift("table's points", median_offset(points), grid.side)]


def _describe_shift(what: str, shift: NDArray[np.float64], mask_pixel: float) -> str:
    text = f"The {what} lie ({shift[0]:+.2f}, {shift[1]:+.2f}) px (x, y) off their labels"
    for unit, name in ((1, "pixel"), (mask_pixel, f"mask pixel (one is {mask_pixel:.4g} px)")):
        halves = np.abs(shift) / unit
        if np.allclose(halves[halves > _CLOSE], 0.5, rtol=0, atol=0.05):
            return (
                f"{text}, half a {name}: one of the two counts from pixel centres, where "
                "SpatialData's pixel i spans [i, i + 1]."
            )
    return f"{text}."


def _fit(points: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The affine map (3, 2) that takes most points near their targets, if they determine one."""
    if len(points) < 10:  # any three would fit
        return None
    design = np.column_stack([points, np.ones(len(points))])
    used = np.ones(len(points), bool)
    for _ in range(10):  # again with the better half only, so that some strays do no harm
        matrix, _, rank, _ = np.linalg.lstsq(design[used], targets[used], rcond=None)
        if rank < 3:
            return None
        distance = np.linalg.norm(design @ matrix - targets, axis=1)
        used = distance <= np.median(distance)
    return np.asarray(matrix)


def _fits(points: NDArray[np.float64], targets: NDArray[np.float64]) -> bool:
    """Whether most points are near their targets."""
    return bool(np.quantile(np.linalg.norm(points - targets, axis=1), _MOST) <= 2 * MAX_SHIFT)
