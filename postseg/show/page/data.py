"""What the report page tells in tables: the reasons, and every rejected region."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg._support.words import exact, fixed, heading, human, name_of
from postseg.filtering.criteria import is_on, tests_of
from postseg.filtering.metrics import METRIC
from postseg.filtering.quantities import parse_bounds
from postseg.filtering.report import FilterReport
from postseg.filtering.run import TRANSCRIPTS
from postseg.show.page.measures import measures_in


class Column(NamedTuple):
    """A column of the table of rejected regions: its heading, and whether it counts something."""

    heading: str
    whole: bool = False


class ReasonRow(NamedTuple):
    """A line of the table of reasons, which is the legend of the overview too.

    Shares are in percent: of all regions, and of all transcripts where they were counted.
    """

    name: str
    rule: str
    swatch: bytes | None
    regions: int
    percent: float
    transcripts: float | None


def reason_rows(report: FilterReport, swatches: dict[str, bytes]) -> Iterator[ReasonRow]:
    """Kept regions, then each reason that occurs or whose test is on, in the order of the tests."""
    total = report.total or 1
    spared = "or cut by the border, whatever its shape and size"
    rule = spared if report.config.border == "keep" else ""
    kept, lost = _shares(report)
    yield ReasonRow("Kept", rule, swatches.get(""), report.passed, report.percent_passed, kept)
    for reason, count in report.rejected.items():
        rule = rule_text(reason, report)
        if count or rule:
            share, swatch = 100 * count / total, swatches.get(reason)
            yield ReasonRow(human(reason), rule, swatch, count, share, lost.get(reason))


def _shares(report: FilterReport) -> tuple[float | None, dict[str, float]]:
    """The transcripts in cells, and in what each reason rejected, in percent of all."""
    found = report.transcripts
    if found is None:
        return None, {}
    total = found.total or 1
    return 100 * found.share, {why: 100 * n / total for why, n in found.rejected.items()}


def rule_text(reason: str, report: FilterReport) -> str:
    """Say what a region must be like to pass the test; nothing when it is off."""
    tests = tests_of(reason)
    if not tests:
        return "a test of your own"
    test = tests[0]
    metric = name_of(test.metric)
    value: Any = getattr(report.config, test.threshold)
    if not is_on(test, report.config):
        return ""
    if test.kind == "policy":
        return "cut neither by the edge of the slide nor by a gap between tiles"
    if test.kind == "deviations":
        spread = ""
        if isinstance(value, str):
            low, high = (float(bound.number) for bound in parse_bounds(value))
        else:
            all_ = report.statistics_all.loc[test.metric]
            low, high = all_["mean"] - value * all_["std"], all_["mean"] + value * all_["std"]
            spread = f", mean ± {exact(value)} standard deviations"
        bounds = f"{metric} ≤ {fixed(high, 1)}"
        if low > 0:
            bounds = f"{metric} from {fixed(low, 1)} to {fixed(high, 1)}"
        return f"{bounds} px{spread}"
    sign = "≥" if test.bound == "min" else "≤"
    area = report.areas.get(test.threshold)
    if area is None:
        unit = " px" if METRIC[test.metric].unit else ""
        return f"{metric} {sign} {exact(value)}{unit}"
    if area.pixels is None:
        return f"{metric} {sign} {value}"
    rule = "" if area.is_stated else f", {area.rule}"
    return f"{metric} {sign} {report.in_words(test.threshold)}{rule}"


def columns_of(regions: pd.DataFrame) -> dict[str, Column]:
    """What the table of rejected regions tells: transcripts, signals and nuclei where there are."""
    counted = {TRANSCRIPTS: Column("Transcripts", whole=True)} if TRANSCRIPTS in regions else {}
    metrics = {name: Column(heading(name), metric.whole) for name, metric in METRIC.items()}
    measures = {one.column: Column(one.title, one.whole) for one in measures_in(regions)[0]}
    return {
        "region": Column("Region"),
        "source_label": Column("Input label"),
        "reason": Column("Reason"),
        **counted,
        **metrics,
        **measures,
        "margin": Column("Margin"),
        "centroid_row": Column("Row"),
        "centroid_col": Column("Column"),
    }


def audit_columns(
    rejected: pd.DataFrame, reasons: list[str], columns: dict[str, Column]
) -> dict[str, Any]:
    """The table of rejected regions, as of `columns_of`; a reason is its number in `reasons`."""
    reason = rejected["reason"].astype(str)
    margin = np.full(len(rejected), np.nan)
    for name in reasons:
        if f"margin_{name}" in rejected:
            margin = np.where(reason == name, rejected[f"margin_{name}"], margin)
    label = rejected["source_label"].to_numpy()
    place = rejected[["centroid_row", "centroid_col"]].to_numpy().round(1)
    told: dict[str, Any] = {
        "region": rejected.index.tolist(),
        # numbers of JavaScript are exact up to 2^53 only
        "source_label": (label.astype(str) if (label > 2**53).any() else label).tolist(),
        "reason": pd.Categorical(reason, categories=reasons).codes.tolist(),
        "margin": _rounded(margin),
        "centroid_row": place[:, 0].tolist(),
        "centroid_col": place[:, 1].tolist(),
    }
    names = [human(name) for name in reasons]
    for name, column in columns.items():
        if name not in told:
            values = rejected[name].to_numpy()
            told[name] = values.tolist() if column.whole else _rounded(values)
    return {"reasons": reasons, "names": names, "columns": {name: told[name] for name in columns}}


def _rounded(values: NDArray[np.float64]) -> list[float | None]:
    """Round to 4 significant digits, but never before the decimal point."""
    size = np.abs(np.where(np.isfinite(values) & (values != 0), values, 1))
    scale = 10.0 ** (3 - np.floor(np.log10(size))).clip(0, 300)
    rounded = (np.round(values * scale) / scale).tolist()
    return [value if isfinite(value) else None for value in rounded]


def pack(data: dict[str, Any]) -> str:
    """Compress as small as text can be in a page, the same bytes for the same data."""
    text = json.dumps(data, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
