"""What a verification found: by cell, in all, and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from postseg._support.words import WIDTH, fixed, out_of, preformatted, rounded, wrapped
from postseg.verify.exact import EXACT

UNKNOWN = "unknown"  # the system of a table that fits none
STATISTICS = ("mean_iou", "min_iou", "mean_offset", "max_offset")  # of a coordinate system


@dataclass(frozen=True, eq=False)
class Verification:
    """Outcome of `verification.verify_elements`; ``str()`` gives a report.

    Attributes
    ----------
    cells : DataFrame
        One row per id in labels, shapes or table, index ``id``:

        - ``in_labels``, ``in_shapes``, ``in_table`` (<NA> where there are no shapes, no table);
        - ``pixels`` of the label;
        - ``iou``: pixels in label and polygon / pixels in either; a label with holes is taken
          with or without them, whichever fits the polygon better, but for "pixels" and
          "simplified" outlines, which have the holes too;
        - ``centroid_offset`` between polygon and label, in pixels of the labels;
        - ``valid``: whether the polygon is;
        - ``overlap``: pixels that other cells' polygons have too. Cells that a ring-shaped cell
          encloses lie within its outline by design, and are no problem;
        - ``table_offset``: how far the table's ``obsm["spatial"]`` is off the label, in pixels:
          off its centroid in a table by postseg, off its bounding box in others; NaN without;
        - ``problem``: what is wrong, empty where all is well; "transcripts differ" where a point
          names the cell but lies in another or the other way round, or where X of the table is
          not what the points count to. Of a polygon that reaches "beyond
          the labels", the other columns tell of what lies within.

        Where several coordinate systems disagree, a cell is judged in its worst.
    summary : dict
        Plain numbers, strings, lists and dicts, fit for JSON. ``outline`` is how the outlines were
        drawn, as the table tells: None without. Those of "pixels" and "simplified" are to redraw
        just the labels' pixels and to leave no gap, see `postseg.verify.judge`; ``exact`` tells
        whether that was demanded. ``table_system`` is the coordinate
        system that the table's ``obsm["spatial"]`` is in: None where the table has none,
        ``"unknown"`` where it fits none and was not judged. ``points`` is None without points,
        else a dict:

        - ``ok``: whether all is well;
        - ``points`` that were read, and how many of them are ``judged``: of points by others,
          those within the labels;
        - ``disagreeing``: those that do not lie in the cell that they name, and how many do not
          in each of ``systems``; ``first`` names some: ``row``, ``cell``, ``in_labels``;
        - ``x_differing``: entries of X that a recount does not give; ``x_first`` names some:
          ``cell``, ``gene``, ``in_table``, ``recounted``;
        - ``ledger_ok``, and what differs in the ``ledger``: ``place``, ``kind``, ``in_ledger``,
          ``recounted``. None, as `x_differing`, where the table did not count these points.
    """

    cells: pd.DataFrame
    summary: dict[str, Any]

    @property
    def ok(self) -> bool:
        """Whether all agree."""
        return bool(self.summary["ok"])

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain data.

        Returns
        -------
        dict
            `summary`, and as ``disagreeing`` the rows of `cells` with a problem; fit for JSON.
        """
        bad = self.cells[self.cells["problem"] != ""].reset_index()
        bad = bad.astype(object).where(bad.notna(), None)
        return {**self.summary, "disagreeing": bad.to_dict("records")}

    def _repr_html_(self) -> str:
        return preformatted(str(self))

    def __str__(self) -> str:
        summary = self.summary
        counts = {name: summary[f"in_{name}"] for name in ("labels", "shapes", "table")}
        bad = int((self.cells["problem"] != "").sum())
        verdict = f"problems in {out_of(bad, len(self.cells), 'cells')}"
        if not bad:
            apart = "transcripts" if self._points_differ else "coordinate systems"
            verdict = "all agree" if self.ok else f"the {apart} disagree"
        listing = [f"{n:,} in the {name}" for name, n in counts.items() if n is not None]
        without = [f"no {name}" for name, n in counts.items() if n is None]
        lines = [
            f"Verification: {verdict}",
            "=" * WIDTH,
            "; ".join([f"Cells: {', '.join(listing)}", *without]),
            "",
        ]
        if summary["systems"]:
            lines += self._offsets()
        lines += self._demanded()
        if summary["table_system"] == UNKNOWN:
            lines.append(
                "obsm['spatial'] of the table fits no coordinate system; it is not judged."
            )
        if summary["points"] is not None:
            from postseg.verify.points import in_words

            lines += [""] if lines[-1] else []
            lines += [line for text in in_words(summary["points"]) for line in wrapped(text, "  ")]
        lines += [""] if summary["problems"] else []
        for kind, found in summary["problems"].items():
            ids = ", ".join(map(str, found["ids"]))
            more = ", ..." if found["count"] > len(found["ids"]) else ""
            lines.append(f"{kind:<23}{found['count']:>8,}  ids {ids}{more}")
        if summary["causes"]:
            lines += ["", *(line for text in summary["causes"] for line in wrapped(text, "  "))]
        return "\n".join(lines).rstrip()

    @property
    def _points_differ(self) -> bool:
        points = self.summary["points"]
        return points is not None and not points["ok"]

    def _demanded(self) -> list[str]:
        """What outlines are to be, of those that are more than contours."""
        outline = self.summary["outline"]
        if self.summary["in_shapes"] is None or outline in (None, "contour"):
            return []
        if outline not in EXACT:
            return [f"Outlines {outline!r} are not known here: compared roughly, as contours."]
        if self.summary["exact"]:
            demand = "each is to have just its label's pixels, without a gap between neighbours"
        else:
            demand = "compared roughly, for nothing tells where the labels were cut from"
        return [f"Outlines: {outline}; {demand}."]

    def _offsets(self) -> list[str]:
        """A table of the coordinate systems."""
        lines = [
            f"{'coordinate system':<23}{'cells':>8}{'mean IoU':>11}{'min IoU':>10}"
            f"{'mean offset':>14}{'max offset':>12}{'median (x, y)':>21}",
        ]
        for name, row in self.summary["systems"].items():
            numbers = "".join(
                f"{_format(row[key], 3):>{width}}"
                for key, width in zip(STATISTICS, (11, 10, 14, 12), strict=True)
            )
            median = "({}, {})".format(*(_format(part, 2) for part in row["median_offset"]))
            lines.append(f"{name:<23.22}{row['compared']:>8,}{numbers}{median:>21}")
        text = "Offsets in pixels of the labels"
        if not self.summary["exact"]:  # else it is by their pixels that polygons are in place
            text += f"; up to {self.summary['max_offset']:.3g} is right"
        return [*lines, f"{text}."]


def _format(number: float | None, digits: int) -> str:
    if number is not None and abs(number) >= 1e4:
        return rounded(number)
    return fixed(number, digits, commas=False)
