"""From points as a user gives them to `Counted`; what is wrong with them is said early."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

from postseg._support.words import listing, name_of, out_of
from postseg.geometry.placement import Placement
from postseg.raster.runs import Runs
from postseg.transcripts import counting
from postseg.transcripts.columns import (
    GENE_KEYS,
    NUMBERS,
    QV,
    Columns,
    check_genes,
    check_min_qv,
    choose_columns,
    size_by_names,
)
from postseg.transcripts.counted import Counted
from postseg.transcripts.kinds import CONTROLS, KINDS, Controls, check_controls, class_of
from postseg.transcripts.labelled import check_frame
from postseg.transcripts.lookup import Lookup
from postseg.transcripts.place import maybe_in_microns, to_pixels, where_they_lie
from postseg.transcripts.sources import Source, check_parts, open_source


class Opened(NamedTuple):
    """Points before any is read, and how they are to be counted.

    Attributes
    ----------
    source : Source
        The points.
    columns : Columns
        Where place, name and quality are.
    min_qv : float or None
        The least quality that counts.
    genes : tuple of str or None
        The columns of the table.
    controls : dict of str to str
        Patterns of names by class of control.
    """

    source: Source
    columns: Columns
    min_qv: float | None
    genes: tuple[str, ...] | None
    controls: dict[str, str]


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
    source, columns, least, panel, patterns = open_points(
        points,
        gene_key=gene_key,
        xy=xy,
        min_qv=min_qv,
        qv_key=qv_key,
        genes=genes,
        controls=controls,
        keep_points=keep_points,
    )
    if source.systems is None and xy is None and to_image is None:
        pixel_size = size_by_names(columns, pixel_size, placement.pixel_size)
    matrix, system = to_pixels(placement, source.systems, pixel_size, to_image, coordinate_system)
    lookup = Lookup.of(runs, n_regions, placement.shape)
    task = counting.Task(lookup, matrix, columns, least)
    counts = counting.count(source, task)
    if not counts.n_read:
        raise ValueError(f"there are no points in {source.text}.")
    outside = int(counts.table[n_regions + 1].sum())
    inside = int(counts.table[: n_regions + 1].sum())
    in_pixels = system is None and pixel_size is None and to_image is None
    if not inside:
        where = where_they_lie(counts.extent, placement, pixel_size, in_pixels)
        raise ValueError(f"every point lies outside of the masks. {where}")
    if outside > inside and not is_tile:
        where = where_they_lie(counts.extent, placement, pixel_size, in_pixels)
        share = out_of(outside, outside + inside, "points")
        warnings.warn(f"{share} lie outside of the masks. {where}", stacklevel=3)
    elif in_pixels and not is_tile:
        note = maybe_in_microns(counts.extent, placement)
        if note:
            warnings.warn(note, stacklevel=3)
    counted = Counted(source, task, counts, panel, patterns, system, bool(keep_points))
    counted = counted.summed_up()
    if panel is not None and not {*panel} & {feature.name for feature in counts.features}:
        seen = listing((feature.name for feature in counts.features), 5) or "none"
        warnings.warn(
            f"none of the {len(panel):,} names in genes is in the column {columns.gene!r} of the "
            f"points, whose names are {seen}: every column of the table is 0.",
            stacklevel=3,
        )
    elif not counted.of_regions()[1]:
        by_kind = dict(zip(KINDS, counted.by_kind.sum(axis=0).tolist(), strict=True))
        kinds = ", ".join(f"{name_of(kind)} {n:,}" for kind, n in by_kind.items() if n)
        warnings.warn(
            f"no transcript of a gene lies on the masks. By kind the points are: {kinds}. Is "
            f"min_qv={min_qv} too much, or the column of genes another than {columns.gene!r}?",
            stacklevel=3,
        )
    return counted


def open_points(
    points: Any,
    *,
    gene_key: str | None,
    xy: Iterable[str] | None,
    min_qv: float | None,
    genes: Iterable[str] | None,
    keep_points: bool,
    qv_key: str = QV,
    controls: Controls = CONTROLS,
) -> Opened:
    """Open points and check all that is known of them without masks; none is read.

    Parameters and errors are those of `count_points`.
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
        source.schema,
        gene_key,
        source.feature_key,
        pair,
        None if least is None else qv_key,
        is_element=source.systems is not None,
    )
    check_parts(source, columns.names)
    if panel is not None and columns.is_gene is None:
        _check_panel(panel, patterns)
    if keep_points:
        check_frame(source, columns.x, columns.y)
    if source.n_rows == 0 or not source.parts:
        raise ValueError(f"there are no points in {source.text}.")
    return Opened(source, columns, least, panel, patterns)


def _check_panel(panel: Iterable[str], patterns: dict[str, str]) -> None:
    """Refuse a panel with a gene that would be taken for a control."""
    taken = [name for name in panel if class_of(name, patterns)]
    if taken:
        raise ValueError(
            f"genes has {', '.join(map(repr, taken[:5]))}, which the patterns in controls= take "
            "for controls, and these are not counted as genes: leave it out of genes, or give "
            "other controls (None: there are none)."
        )
