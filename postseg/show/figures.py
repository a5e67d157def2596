"""The figure of a filter run: what it kept, what it rejected, and why."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from postseg._support.atomic import check_target, replacing
from postseg._support.words import human, in_percent, out_of, percent
from postseg.filtering.config import FilterConfig
from postseg.filtering.metrics import METRIC
from postseg.filtering.report import Transcripts
from postseg.raster.runs import Runs
from postseg.show.bins import Colour, check_colour
from postseg.show.charts import DPI, FAINT, NORMAL, SMALL, Figure, draw_histogram, metrics_in_use
from postseg.show.maps import (
    add_key,
    add_map,
    heading_of,
    height_of_key,
    mark_places,
    width_of_key,
)
from postseg.show.overview import see_all
from postseg.show.pictures import Scene, set_scene
from postseg.show.sheet import GAP, TICKS, Sheet

_COLUMN = 480  # width of histograms
_HISTOGRAM = 170  # height
_LINE = 30  # of a legend
_TYPICAL = "Shaded: typical of cells, as FilterConfig describes them"
_PNG = b"\x89PNG\r\n\x1a\n"  # how such a file begins


def save_debug_image(
    path: str | PathLike[str],
    runs: Runs,
    regions: pd.DataFrame,
    config: FilterConfig,
    image: Any = None,
    transcripts: Transcripts | None = None,
    colour: Colour = "share",
) -> None:
    """Save the figure of `draw_filter` as PNG, replacing an earlier one once it is complete.

    Parameters
    ----------
    path : str or path
        The file, in an existing folder.
    runs, regions, image
        See `pictures.set_scene`.
    config, transcripts, colour
        See `draw_filter`.

    Raises
    ------
    OSError
        The folder is missing or not writable, or there is a file that is no PNG.
    ValueError
        The arrays do not fit together, or there is no such `colour`.
    """
    check_colour(colour)
    path = Path(path)
    check_target(path, overwrite=True)
    _check_picture(path)
    figure = draw_filter(set_scene(runs, regions, image), regions, config, transcripts, colour)
    with replacing(path, overwrite=True) as part:
        figure.savefig(part, format="png", dpi=DPI)


def _check_picture(path: Path) -> None:
    """Refuse to replace what is no picture, since nobody has said that it may be replaced."""
    if path.exists():
        with path.open("rb") as file:
            if file.read(len(_PNG)) != _PNG:
                raise FileExistsError(
                    f"{path} exists and is no PNG, so it is never replaced. Choose another name."
                )


def draw_filter(
    scene: Scene,
    regions: pd.DataFrame,
    config: FilterConfig,
    transcripts: Transcripts | None = None,
    colour: Colour = "share",
) -> Figure:
    """Draw which regions the filter kept, which it rejected, and why.

    The mask with a legend, closer looks where the mask is large, and a histogram of each metric
    that has a threshold. The axes of the picture count mask pixels.

    Parameters
    ----------
    scene : Scene
        What there is to see.
    regions : DataFrame
        The audit table.
    config : FilterConfig
        Thresholds in force.
    transcripts : Transcripts, optional
        Where they lie; their share in cells stands in the title.
    colour : {"share", "reason"}
        What the map shows where regions are too small for it, see `overview.see_all`.

    Returns
    -------
    matplotlib.figure.Figure
        A figure that pyplot does not know of: save it, or show it as the value of a notebook cell.
    """
    view, picture, bins, places = see_all(scene, regions, colour)
    height, width = picture.pixels.shape[:2]
    total, passed = len(regions), int((regions["reason"] == "").sum())
    sheet = Sheet()
    left = GAP + TICKS
    title = f"{out_of(passed, total)} passed{percent(passed, total)}"
    if transcripts is not None:
        title += f", {in_percent(transcripts.share)} of the transcripts in cells"
    top = sheet.add_title(left, GAP, title)
    axes = add_map(sheet, picture.pixels, view, left, top)

    counts = {reason: int((regions["reason"] == reason).sum()) for reason in picture.swatches}
    key = [
        f"{human(reason) if reason else 'Kept'}: {count:,}{percent(count, total)}"
        for reason, count in counts.items()
    ]
    key += [
        f"{human(entry.name)}: {entry.n:,}" + (f" ({entry.note})" if entry.note else "")
        for entry in picture.seams
    ]
    swatches = [*picture.swatches.values(), *(entry.swatch for entry in picture.seams)]
    indent = picture.swatches[""].shape[1] + GAP // 2
    longest = indent + max(sheet.width_of(text, NORMAL) for text in key)
    longest = max(longest, sheet.width_of(_TYPICAL, SMALL))
    metrics = metrics_in_use(config)
    typical = any(METRIC[metric].typical for metric in metrics)
    heights: list[float] = [_LINE * (len(key) + typical) + GAP]
    if bins is not None:
        longest = max(longest, width_of_key(sheet, bins, colour))
        heights[0] += height_of_key(bins, colour)
    heights += [len(place.picture.pixels) + TICKS + GAP for place in places]
    charts = []
    for metric in metrics:
        charts.append(chart := sheet.add_axes(0, 0, _COLUMN, _HISTOGRAM))
        draw_histogram(chart, metric, regions, config)
    # the thresholds stand above it
    above = [sheet.reach(chart).above for chart in charts]
    heights += [GAP + room + _HISTOGRAM + TICKS for room in above]
    pitch = max(_COLUMN, longest) + TICKS + 2 * GAP
    spots = _flow(heights, left, top, width, height, pitch)

    key_left, key_top = spots.pop(0)
    if bins is not None:
        key_top = add_key(sheet, bins, colour, key_left, key_top)
    for swatch, text in zip(swatches, key, strict=True):
        sheet.add_thumbnail(swatch, key_left, key_top, swatch.shape[1], swatch.shape[0])
        sheet.add_text(key_left + indent, key_top, text, NORMAL)
        key_top += _LINE
    if typical:
        sheet.add_text(key_left, key_top, _TYPICAL, SMALL, FAINT)
    mark_places(axes, view, places)
    for number, place in enumerate(places, start=1):
        at_left, at_top = spots.pop(0)
        one = "The framed part, closer"
        heading = heading_of(place, number) if len(places) > 1 else one
        sheet.add_text(at_left, at_top, heading, SMALL, FAINT)
        add_map(sheet, place.picture.pixels, place.view, at_left, at_top + GAP)
    for chart, room, (at_left, at_top) in zip(charts, above, spots, strict=True):
        sheet.move(chart, at_left, at_top + GAP + room)
    return sheet.finish()


def _flow(
    heights: list[float], left: float, top: float, width: float, height: float, pitch: int
) -> list[tuple[float, float]]:
    """Places for the parts around the map: in columns beside it, or below one that is wide."""
    if width > 1.6 * height:
        n = max(1, int(width // pitch))
        ends = [top + height + TICKS] * n
        places = []
        for part in heights:
            column = int(np.argmin(ends))
            places.append((left + column * pitch, ends[column]))
            ends[column] += part
        return places
    longest = max(1.15 * height, 900, sum(heights[:2]))  # a long legend does not stand alone
    column_left, at, places = left + width + GAP + TICKS, top, []
    for part in heights:
        if at + part > top + longest and at > top:
            column_left, at = column_left + pitch, top
        places.append((column_left, at))
        at += part
    return places
