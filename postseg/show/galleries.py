"""Figures that show cells one by one: those that a threshold decides on, those of one reason."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from postseg._support.words import brief, human, in_percent, name_of, out_of, percent
from postseg.filtering import criteria
from postseg.filtering.config import FilterConfig
from postseg.filtering.metrics import METRIC
from postseg.filtering.report import FilterReport
from postseg.filtering.sweep import Sweep
from postseg.show.charts import FAINT, NORMAL, SMALL, Figure, draw_survivors, value_of
from postseg.show.pictures import Scene, crop_picture
from postseg.show.selection import (
    BOX,
    Numbers,
    check_gallery,
    choose_gallery,
    choose_strip,
    crop_side,
)
from postseg.show.sheet import GAP, TICKS, Sheet

_CHART = 340  # height
_THUMBNAIL = 120
_ACROSS = 12  # thumbnails in a row


def draw_sweep(scene: Scene, regions: pd.DataFrame, sweep: Sweep) -> Figure:
    """Draw the survivors against a threshold, and the cells that flip near it.

    Parameters
    ----------
    scene, regions
        As for `draw_filter`.
    sweep : Sweep
        What other values would do.
    """
    test = criteria.test_of(sweep.field)
    numbers = choose_strip(sweep.level, test.bound, sweep.today, sweep.decided, _ACROSS)
    kept = int((regions["reason"] == "").sum())
    sheet = Sheet()
    left = GAP + TICKS
    pitch = _THUMBNAIL + GAP // 3
    title = f"{name_of(sweep.field)}: {out_of(kept, len(regions))} kept now"
    if sweep.transcripts_today is not None:
        title += f", {in_percent(sweep.transcripts_today)} of the transcripts in cells"
    top = sheet.add_title(left, GAP, title, sweep.note)
    width = _ACROSS * pitch + GAP
    draw_survivors(sheet.add_axes(left, top, width, _CHART), sweep)
    top += _CHART + TICKS + GAP
    is_kept = (regions.loc[numbers, "label"] > 0).to_numpy()
    values = [value_of(sweep.unit, value) for value in sweep.level[numbers - 1]]
    groups = {
        "Kept, from clearly to just": numbers[is_kept],
        "Rejected by this threshold, from just to clearly": numbers[~is_kept],
    }
    if sweep.today is None:
        groups = {"Off now. If it were on, these would go, the last one first": numbers}
    side, captions = crop_side(regions, numbers), dict(zip(numbers.tolist(), values, strict=True))
    for heading, group in groups.items():
        if len(group):
            heading_width, _ = sheet.add_text(left, top, heading, SMALL, FAINT)
            _add_crops(sheet, scene, regions, group, captions, side, left, top + GAP)
            left += max(len(group) * pitch, heading_width) + GAP
    if not numbers.size:
        sheet.add_text(left, top, "Other tests reject all regions: it decides on none.", NORMAL)
    return sheet.finish()


def draw_cells(
    scene: Scene, regions: pd.DataFrame, report: FilterReport, reason: str, n: int
) -> Figure:
    """Draw a gallery of cells that were rejected for one reason, or nearly so.

    Parameters
    ----------
    scene, regions
        As for `draw_filter`.
    report : FilterReport
        Of the same run.
    reason : str
        Why they went.
    n : int
        How many at most.

    Raises
    ------
    TypeError, ValueError
        When there is no such reason, its test is off, or `n` is no number of cells.
    """
    check_gallery(report, reason, n)
    gallery = choose_gallery(regions, report.config, reason, n)
    tests = criteria.tests_of(reason)
    count = int((regions["reason"] == reason).sum())
    title = f"{human(reason)}: {out_of(count, len(regions))}{percent(count, len(regions))}"
    sheet = Sheet()
    top: float = sheet.add_title(GAP, GAP, title, rule_of(tests, regions, report.config))
    both = np.concatenate(gallery)
    if not both.size:
        sheet.add_text(GAP, top, "No region was rejected for it.", NORMAL)
        return sheet.finish()
    side = crop_side(regions, both)
    captions: dict[int, str] = {}
    metric = tests[0].metric if tests else ""
    if metric:
        texts = [value_of(metric, value) for value in regions.loc[both, metric]]
        captions = dict(zip(both.tolist(), texts, strict=True))
    barely = ", from barely to clearly" if metric else ""
    shown = f"{len(gallery.rejected):,} of {count:,}" if len(gallery.rejected) < count else "all"
    for heading, numbers in {
        f"Rejected ({shown}){barely}": gallery.rejected,
        "Kept, the nearest first": gallery.nearly,
    }.items():
        if numbers.size:
            sheet.add_text(GAP, top, heading, NORMAL)
            top = _add_crops(sheet, scene, regions, numbers, captions, side, GAP, top + 1.5 * GAP)
    return sheet.finish()


def rule_of(tests: Sequence[criteria.Test], regions: pd.DataFrame, config: FilterConfig) -> str:
    """What was tested, in words."""
    if not tests:
        return "A test of a subclass"
    metric = tests[0].metric
    if tests[0].kind == "policy":
        return "Cut by the edge of the slide, or by a gap between tiles"
    words = {"min": "below", "max": "above"}
    bounds = [(test, criteria.resolve(test, config, regions)) for test in tests]
    parts = [f"{words[t.bound]} {brief(v)}" for t, v in bounds if v is not None]
    if not parts:
        setting = getattr(config, tests[0].threshold)
        return f"{tests[0].threshold} is {'off (None)' if setting is None else setting}"
    rule = " ".join(filter(None, [name_of(metric), " or ".join(parts), METRIC[metric].unit]))
    return f"{rule}; the number is its {name_of(metric)}"


def _add_crops(
    sheet: Sheet,
    scene: Scene,
    regions: pd.DataFrame,
    numbers: Numbers,
    captions: dict[int, str],
    side: int,
    left: float,
    top: float,
) -> float:
    """Add thumbnails in rows; returns where the next part may begin."""
    pitch, line = _THUMBNAIL + GAP // 3, 24
    boxes = regions.loc[numbers, BOX].to_numpy().tolist()
    for k, (number, box) in enumerate(zip(numbers.tolist(), boxes, strict=True)):
        at_left, at_top = left + k % _ACROSS * pitch, top + k // _ACROSS * (pitch + 2 * line)
        pixels = crop_picture(scene, number, tuple(box), side)
        axes = sheet.add_thumbnail(pixels, at_left, at_top, _THUMBNAIL, _THUMBNAIL)
        axes.set_label(f"region {number}")
        below = at_top + _THUMBNAIL + 6
        if number in captions:
            sheet.add_text(at_left, below, captions[number], SMALL)
            below += line
        sheet.add_text(at_left, below, f"region {number:,}", SMALL - 1.5, FAINT)
    return top + -(-len(numbers) // _ACROSS) * (pitch + 2 * line) + GAP
