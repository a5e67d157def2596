"""From points as a user gives them to `Counted`; what is wrong with them is said early."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from postseg._support.words import listing, out_of
from postseg.geometry.placement import Placement
from postseg.raster.runs import Runs
from postseg.transcripts import counting
from postseg.transcripts.columns import (
    GENE_KEYS,
    NUMBERS,
    check_genes,
    check_min_qv,
    choose_columns,
)
from postseg.transcripts.counted import Counted
from postseg.transcripts.kinds import Controls, check_controls, class_of
from postseg.transcripts.labelled import check_frame
from postseg.transcripts.lookup import Lookup
from postseg.transcripts.place import maybe_in_microns, to_pixels, where_they_lie
from postseg.transcripts.sources import open_source


def count_points(
    points: Any,
    runs: Runs,
    n_regions: int,
    placement: Placement,
    *,
    gene_key: str | None,
    xy: Iterable[str] | None,
    pixel_size: float | None,
    to_image: Any,
    coordinate_system: str | None,
    min_qv: float | None,
    qv_key: str,
    genes: Iterable[str] | None,
    controls: Controls,
    keep_points: bool,
    is_tile: bool,
) -> Counted:
    """Look up points among regions, and count them.

    Parameters
    ----------
    points
        And all that is not told here: see `PostSegmentation.process_points`.
    runs : Runs
        The masks, with region numbers as labels.
    n_regions : int
        How many regions there are.
    placement : Placement
        Where the masks lie.
    is_tile : bool
        Whether they are a part of what the points are of, so that most may lie outside.

    Raises
    ------
    TypeError, ValueError, OSError
        For points that cannot be counted; the message says what is wrong with them.
    RuntimeError
        When points were lost on the way.
    """
    least, panel = check_min_qv(min_qv), check_genes(genes)
    patterns = check_controls(controls)
    pair = None if xy is None else (xy,) if isinstance(xy, str) else tuple(xy)
    source = open_source(
        points,
        numbers=(*NUMBERS, qv_key, *(pair or ())),
        texts=(*GENE_KEYS, *([gene_key] if gene_key is not None else [])),
    )
    columns = choose_columns(
        source.schema, gene_key, source.feature_key, pair, None if least is None else qv_key
    )
    matrix, system = to_pixels(placement, source.systems, pixel_size, to_image, coordinate_system)
    if panel is not None and columns.is_gene is None:
        _check_panel(panel, patterns)
    if keep_points:
        check_frame(source, columns.x, columns.y)
    if source.n_rows == 0 or not source.parts:
        raise ValueError(f"there are no points in {source.text}.")

    lookup = Lookup.of(runs, n_regions, placement.shape)
    task = counting.Task(lookup, matrix, columns, least)
    counts = counting.count(source, task)
    if not counts.n_read:
        raise ValueError(f"there are no points in {source.text}.")
    outside = int(counts.table[n_regions + 1].sum())
    inside = int(counts.table[: n_regions + 1].sum())
    if not inside:
        where = where_they_lie(counts.extent, placement, pixel_size)
        raise ValueError(f"every point lies outside of the masks. {where}")
    if outside > inside and not is_tile:
        where = where_they_lie(counts.extent, placement, pixel_size)
        share = out_of(outside, outside + inside, "points")
        warnings.warn(f"{share} lie outside of the masks. {where}", stacklevel=3)
    elif system is None and pixel_size is None and to_image is None and not is_tile:
        note = maybe_in_microns(counts.extent, placement)
        if note:
            warnings.warn(note, stacklevel=3)
    counted = Counted(source, task, counts, panel, patterns, system, bool(keep_points))
    if panel is not None and not {*panel} & {feature.name for feature in counts.features}:
        seen = listing((feature.name for feature in counts.features), 5) or "none"
        warnings.warn(
            f"none of the {len(panel):,} names in genes is in the column {columns.gene!r} of the "
            f"points, whose names are {seen}: every column of the table is 0.",
            stacklevel=3,
        )
    return counted


def _check_panel(panel: Iterable[str], patterns: dict[str, str]) -> None:
    """Refuse a panel with a gene that would be taken for a control."""
    taken = [name for name in panel if class_of(name, patterns)]
    if taken:
        raise ValueError(
            f"genes has {', '.join(map(repr, taken[:5]))}, which the patterns in controls= take "
            "for controls, and these are not counted as genes: leave it out of genes, or give "
            "other controls (None: there are none)."
        )
