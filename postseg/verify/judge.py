"""Judge compared cells: which of them disagree, and how.

What is right, in pixels of the labels, with f the side of a mask pixel (1 unless the labels are
an enlarged image):

- The centroids of a polygon and of its label's pixels differ by at most 0.5, or f / 4 if that is
  more. The outlines of `polygons` run through the middles of pixel sides and so cut the corners
  of mask pixels. That moves a centroid by up to 0.05 f on real masks, 0.13 f in noise, and by
  nearly f / 4 for a comb with long teeth. Half a mask pixel is found; so is a shift that most
  of n cells have in common, from 0.25 on, or from f / 4 / sqrt(n) if that is more. A single
  polygon that covers just the pixels of its label is in place, however its centroid is weighted:
  of a part of one pixel an outline keeps half the area.
- Where masks were stretched over labels by no whole number, a pixel of these may be off by half a
  pixel along an axis, and all of a cell may be: that much more is allowed, of the IoU too, all
  along the outline.
- The IoU is at least 1 - p f / a, for a cell of a pixels with an outline of p pixel edges: what
  an outline one mask pixel off on all sides gives. 0.5 is enough, however: a lone mask pixel is
  outlined by a diamond of half its area, and no other cell loses as large a part.
- A polygon may reach beyond the labels by 0.5. Where it does so by more, as those of cropped labels
  do, that is a problem of its own: otherwise, what of it lies within is judged.
- A cell shares at most p / 2 pixels with others, which allows for simplified outlines, beyond
  those that it shares by design: all of a cell that it encloses, and f * f / 2 where it crosses
  another cell at a corner.
- Of outlines that a table by postseg says are "pixels" or "simplified" all is demanded that they
  were made for. Drawn on the masks, of which labels are an enlarged image, a polygon has just the
  cell's own pixels, not those of its holes: the IoU is 1, and wherever its centroid is, it is in
  place. What it is beside, see `exact`: it lies on edges of mask pixels, or its vertices on lines
  across their middles, and cells that meet have the same edges there, so that no gap and no overlap
  is between them. Of labels that were cropped, what lies within is judged so.
  Where polygons are in coordinates of others that do not tell what the labels were cut from, the
  masks are not known: they may be off by twice as much as contours, and are to be a coverage.
- A table by postseg (with ``uns["postseg"]``) has in ``obsm["spatial"]`` the centroids of the
  labels' pixels in ``"global"``, which no outline moves: 0.5 is allowed. Nothing defines what that
  of other tables is: the centroid of a nucleus, perhaps, in micrometres. So it may be in any system
  of the labels, in their pixels or in coordinates of the shapes, whichever fits most rows, and a
  point may lie anywhere in the bounding box of its label. Where none fits half of the rows, the
  points are in a system that the store does not tell, and are not judged.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg._support.words import quoted
from postseg.verify import causes
from postseg.verify.compare import Compared, LabelCells, Polygons
from postseg.verify.grid import Grid

MAX_OFFSET = 0.5
MIN_IOU = 0.5


class Limits(NamedTuple):
    """What is right for each label: see the module.

    Attributes
    ----------
    grid : Grid
        Of the mask pixels.
    offset, table_offset : float
        Largest, of polygons and of rows of a table.
    shifted : bool
        Whether most polygons are off by the same vector.
    iou, overlap : Series
        Smallest and largest, by label.
    coverage : bool
        Whether polygons are to be one, so that no gap may be between neighbours.
    exact : bool
        Whether each is to have just the pixels of its label, too.
    """

    grid: Grid
    offset: float
    table_offset: float
    shifted: bool
    iou: pd.Series
    overlap: pd.Series
    coverage: bool
    exact: bool


def limits(
    cells: LabelCells, grid: Grid, compared: Compared, coverage: bool, exact: bool
) -> Limits:
    """Work out what is right; see `Limits` for what is told already."""
    f = grid.side
    index = pd.Index(cells.own.label, name="id")
    edges_per_pixel = cells.edges / cells.filled.areas()
    iou = np.maximum(MIN_IOU, 1 - edges_per_pixel * f)
    if coverage:
        iou = 1 - 2 * edges_per_pixel * f
    iou = np.maximum(0, iou - edges_per_pixel * grid.rounding)
    overlap = cells.enclosed + cells.crossings * f * f / 2 + cells.edges / 2
    if exact:
        iou, overlap = np.ones(iou.size), np.zeros(iou.size)
    offset = max(MAX_OFFSET, f / 2 if coverage else f / 4) + grid.rounding
    # simplified ones may all be off to one side, where they are few, and have just their pixels
    judged = [r for r in compared.values() if not coverage or (exact and _fits(r).mean() < 0.5)]
    shifts = [causes.max_shift(r, grid) for r in judged if causes.are_shifted(r, grid)]
    offset = min([offset, *shifts])
    return Limits(
        grid,
        offset,
        MAX_OFFSET + grid.rounding,
        bool(shifts),
        pd.Series(iou, index),
        pd.Series(overlap, index),
        coverage,
        exact,
    )


def _fits(compared: pd.DataFrame) -> pd.Series:
    """Which polygons have just the pixels of their label: these are in place."""
    return (compared["iou"] == 1) & ~compared["off_edges"]


def gather(
    cells: LabelCells,
    polygons: Polygons,
    rows: pd.DataFrame | None,
    compared: Compared,
    points: pd.DataFrame | None,
    allowed: Limits,
    torn: NDArray[np.int64],
) -> pd.DataFrame:
    """One row per id, as `Verification.cells`, without ``problem`` and with some counts more.

    `rows` are those of the table, with the columns ``region`` and ``id``; `points` where they lie,
    from `compare.compare_points`, where that is known; `torn` the cells that
    `exact.look` found to be so. Where coordinate systems disagree, a cell is taken where it is
    furthest off.
    """
    known = [cells.own.label, polygons.id] + ([] if rows is None else [rows["id"].to_numpy()])
    ids = np.unique(np.concatenate(known))
    index = pd.Index(ids, name="id")
    worst = pd.concat(compared.values())
    worst = worst.sort_values("centroid_offset", na_position="first", kind="stable")
    worst = worst[~worst.index.duplicated(keep="last")].reindex(index)
    pixels = pd.Series(cells.own.areas(), cells.own.label).reindex(index)
    valid = pd.Series(polygons.valid).groupby(polygons.id).all().reindex(index, fill_value=False)
    in_table = pd.Series(pd.NA, index, dtype="boolean")
    n_rows = pd.Series(0, index)
    if rows is not None:
        # a table may annotate both the labels and the shapes: a cell is to be in each part
        per_region = pd.crosstab(rows["id"], rows["region"]).reindex(index, fill_value=0)
        in_table = (per_region.min(axis=1) > 0).astype("boolean")
        n_rows = per_region.max(axis=1)
    offset = pd.Series(dtype=float) if points is None else points["offset"]
    return pd.DataFrame(
        {
            "in_labels": np.isin(ids, cells.own.label),
            "in_shapes": np.isin(ids, polygons.id),
            "in_table": in_table,
            "pixels": pixels.fillna(0).astype(np.int64),
            "iou": worst["iou"],
            "centroid_offset": worst["centroid_offset"],
            "valid": valid,
            "overlap": worst["overlap"].fillna(0).astype(np.int64),
            "lies_on": worst["lies_on"].fillna(0).astype(np.int64),
            "beyond": worst["beyond"].eq(True),
            "off_edges": worst["off_edges"].eq(True),
            "torn": np.isin(ids, torn),
            "n_polygons": pd.Series(polygons.id).value_counts().reindex(index, fill_value=0),
            "n_rows": n_rows,
            "table_offset": offset.groupby(level=0).max().reindex(index),
            "row_elsewhere": np.isin(ids, offset.index[~(offset <= allowed.table_offset)]),
        },
        index=index,
    )


def find_problems(per_cell: pd.DataFrame, allowed: Limits) -> pd.DataFrame:
    """Tell which cells have which problem: bool, one column per kind."""
    misplaced = per_cell["centroid_offset"] > allowed.offset
    misplaced &= ~_fits(per_cell) | allowed.shifted
    known = per_cell["in_labels"] & per_cell["in_shapes"]
    beyond = known & per_cell["beyond"] & ~misplaced
    thin = per_cell["iou"] < allowed.iou.reindex(per_cell.index)
    shared = per_cell["overlap"] > allowed.overlap.reindex(per_cell.index)
    apart = "gap or overlap" if allowed.coverage else "overlap"
    return pd.DataFrame(
        {
            "no polygon": ~per_cell["in_shapes"],
            "not in the labels": ~per_cell["in_labels"],
            "not in the table": ~per_cell["in_table"].fillna(True).astype(bool),
            "several polygons": per_cell["n_polygons"] > 1,
            "several table rows": per_cell["n_rows"] > 1,
            "invalid polygon": per_cell["in_shapes"] & ~per_cell["valid"],
            "misplaced": misplaced,
            "beyond the labels": beyond,
            "different outline": known & thin & ~misplaced,
            "off the pixel edges": known & per_cell["off_edges"] & ~thin & ~misplaced,
            # of a label that was cut nothing tells where the whole cell's centroid was
            "table lies elsewhere": per_cell["row_elsewhere"] & ~beyond,
            apart: known & (shared | per_cell["torn"]),
        }
    )


def describe(problems: pd.DataFrame, lies_on: pd.Series) -> pd.Series:
    """One text per cell, empty where all is well; it names another label a polygon lies on."""
    elsewhere = problems["misplaced"] | problems["not in the labels"]
    elsewhere &= (lies_on > 0) & (lies_on != lies_on.index)
    bad = problems[problems.any(axis=1)]
    kinds = np.array(problems.columns, dtype=object)
    texts = [
        "; ".join(kinds[row]) + (f" (on label {lies_on[cell]})" if elsewhere[cell] else "")
        for cell, row in zip(bad.index, bad.to_numpy(), strict=True)
    ]
    return pd.Series(texts, bad.index, dtype=object).reindex(problems.index, fill_value="")


def find_causes(
    per_cell: pd.DataFrame,
    problems: pd.DataFrame,
    allowed: Limits,
    compared: Compared,
    points: pd.DataFrame | None,
) -> list[str]:
    """Sentences on why they disagree, where a pattern gives it away."""
    found = []
    if len(compared) > 1:
        groups = " and ".join(map(quoted, compared))
        found.append(f"The coordinate systems {groups} put the polygons at different places.")
    for names, result in compared.items():
        misplaced = ~(result["centroid_offset"] <= allowed.offset)
        if allowed.exact:
            misplaced &= ~_fits(result)
        most = misplaced.mean() > 0.5
        # mirrors first: in an even tissue they make it look as if ids were swapped
        texts = causes.of_mirrors(result) if most else []
        texts = texts or (causes.of_ids(result, misplaced) if misplaced.any() else [])
        if most and not texts:
            texts = causes.of_places(result, allowed.grid)
            texts = texts or causes.of_other_ids(result, misplaced)
        if not texts and (result["iou"] < allowed.iou.reindex(result.index)).mean() > 0.5:
            texts = causes.of_sizes(result)
        found += [f"In {quoted(names)}: {text}" if len(compared) > 1 else text for text in texts]
    found += causes.of_cropping(problems["beyond the labels"])
    if points is not None and per_cell["row_elsewhere"].any():
        found += causes.of_points(points, allowed.grid)
    tabled = per_cell["in_table"].fillna(False).astype(bool)
    return found + causes.of_table(
        per_cell.index[tabled].to_numpy(), per_cell.index[per_cell["in_labels"]].to_numpy()
    )
