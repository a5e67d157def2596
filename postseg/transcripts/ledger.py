"""Where every point that was read went: places by kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from postseg._support.words import WIDTH, name_of, percent
from postseg.transcripts.kinds import GENE, INVALID, KINDS

if TYPE_CHECKING:
    from postseg.filtering.report import FilterReport
    from postseg.transcripts.counted import Counted

IN_CELLS, BACKGROUND, OUTSIDE = "in_cells", "background", "outside"
UNKNOWN = "background_or_rejected"  # of masks that a subclass filtered in its own way
_REJECTED = "rejected_"


def make_ledger(
    counted: Counted, regions: pd.DataFrame, report: FilterReport | None
) -> pd.DataFrame:
    """Tell where all points that were read are.

    Parameters
    ----------
    counted : Counted
        By region.
    regions : DataFrame
        With the ``label`` of each, 0 of none, and the ``reason`` of those.
    report : FilterReport or None
        Of the filter run; None where a subclass filtered in its own way, whose reasons are not
        known.

    Returns
    -------
    DataFrame
        int64, index ``place``, columns ``kind``.

    Raises
    ------
    RuntimeError
        When they are not all.
    """
    by_kind = counted.by_kind
    of_region, (nothing, outside, invalid) = by_kind[:-3], by_kind[-3:]
    kept = regions["label"].to_numpy() > 0
    rows = {IN_CELLS: of_region[kept].sum(axis=0)}
    if report is None:
        rows[UNKNOWN] = nothing + of_region[~kept].sum(axis=0)
    else:
        reason = regions["reason"].to_numpy()
        for name in report.rejected:
            rows[f"{_REJECTED}{name}"] = of_region[~kept & (reason == name)].sum(axis=0)
        rows[BACKGROUND] = nothing
    rows[OUTSIDE] = outside
    rows[INVALID] = np.where(np.array(KINDS) == INVALID, invalid.sum(), 0)
    ledger = pd.DataFrame.from_dict(rows, orient="index", columns=[*KINDS]).astype(np.int64)
    total, n_read = int(ledger.to_numpy().sum()), counted.counts.n_read
    if total != n_read:
        raise RuntimeError(f"{n_read:,} points were read, but the ledger has {total:,}.")
    return ledger.rename_axis(index="place", columns="kind")


def pack(counted: Counted, ledger: pd.DataFrame, element: str) -> dict[str, Any]:
    """Make of ledger and settings what a store can hold; `element` is the name of the points."""
    places = ledger.reset_index().rename_axis(columns=None).astype({"place": object})
    looked_up_in = "masks" if UNKNOWN in ledger.index else "regions"
    settings = {**counted.settings(element), "looked_up_in": looked_up_in}
    return {"ledger": places, "settings": settings}


def n_within(ledger: pd.DataFrame) -> int:
    """Transcripts of genes within the image."""
    return int(ledger[GENE].drop([OUTSIDE, INVALID]).sum())


def ledger_text(ledger: pd.DataFrame, covered: float) -> str:
    """Tell it to people: places and kinds that have points.

    Parameters
    ----------
    ledger : DataFrame
        See `make_ledger`.
    covered : float
        The part of the image that is cells, which so much of points at wrong places would be in.
    """
    total, within = int(ledger.to_numpy().sum()), n_within(ledger)
    in_cells = int(ledger[GENE].loc[IN_CELLS])
    share = percent(in_cells, within).strip(" ()") or "0"
    shown = ledger.loc[:, (ledger != 0).any()]
    shown = shown[(shown != 0).any(axis=1) | (shown.index == IN_CELLS)]
    shown = shown.assign(all=shown.sum(axis=1))
    if len(shown) > 1:
        shown.loc["all"] = shown.sum()
    table = {
        _in_words(str(place)): [f"{count:,}" for count in row] for place, row in shown.iterrows()
    }
    table = {"": [name_of(str(kind)) for kind in shown.columns], **table}
    widths = [max(map(len, column)) for column in zip(*table.values(), strict=True)]
    margin = max(map(len, table))
    lines = [
        f"Transcripts: {total:,} read. Of {within:,} of genes on the image {share} lie in cells, "
        f"which are {100 * covered:.1f}% of it",
        "=" * WIDTH,
    ]
    for place, row in table.items():
        cells = (f"{cell:>{width + 3}}" for cell, width in zip(row, widths, strict=True))
        lines.append(f"{place:<{margin}}{''.join(cells)}")
    return "\n".join(lines)


def _in_words(place: str) -> str:
    if place.startswith(_REJECTED):
        return f"rejected: {name_of(place.removeprefix(_REJECTED))}"
    return name_of(place)
