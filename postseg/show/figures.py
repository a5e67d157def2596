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
from postseg.filtering.report import Transcripts
from postseg.raster.runs import Runs
from postseg.show.charts import (
    DPI,
    FAINT,
    INK,
    NORMAL,
    SMALL,
    Axes,
    Figure,
    MaxNLocator,
    draw_histogram,
    metrics_in_use,
)
from postseg.show.paint import Pixels
from postseg.show.pictures import Scene, filter_picture, set_scene, square, whole
from postseg.show.seams import Seams
from postseg.show.selection import choose_detail
from postseg.show.sheet import GAP, TICKS, Sheet
from postseg.show.view import View

COLUMN = 480  # width of histograms and of the closer look
_HISTOGRAM = 170  # height
_LINE = 30  # of a legend
_PNG = b"\x89PNG\r\n\x1a\n"  # how such a file begins
_DETAIL_BELOW = 14  # pixels: narrower regions need the closer look


def save_debug_image(
    path: str | PathLike[str],
    runs: Runs,
    regions: pd.DataFrame,
    config: FilterConfig,
    image: Any = None,
    transcripts: Transcripts | None = None,
) -> None:
    """Save the figure of `draw_filter` as PNG, replacing an earlier one once it is complete.

    Parameters
    ----------
    path : str or path
        The file, in an existing folder.
    runs, regions, image
        See `pictures.set_scene`.
    config, transcripts
        See `draw_filter`.

    Raises
    ------
    OSError
        The folder is missing or not writable, or there is a file that is no PNG.
    ValueError
        The arrays do not fit together.
    """
    path = Path(path)
    check_target(path, overwrite=True)
    _check_picture(path)
    figure = draw_filter(set_scene(runs, regions, image), regions, config, transcripts)
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
) -> Figure:
    """Draw which regions the filter kept, which it rejected, and why.

    The mask with a legend, a closer look where the mask is large, and a histogram of each metric
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

    Returns
    -------
    matplotlib.figure.Figure
        A figure that pyplot does not know of: save it, or show it as the value of a notebook cell.
    """
    view = whole(scene.runs.shape)
    picture = filter_picture(scene, view)
    height, width = picture.pixels.shape[:2]
    total, passed = len(regions), int((regions["reason"] == "").sum())
    sheet = Sheet()
    left = GAP + TICKS
    title = f"{out_of(passed, total)} passed{percent(passed, total)}"
    if transcripts is not None:
        title += f", {in_percent(transcripts.share)} of the transcripts in cells"
    top = sheet.add_title(left, GAP, title)
    axes = _add_map(sheet, picture.pixels, view, left, top)

    metrics = metrics_in_use(config)
    closer = closer_look(regions, view, scene.seams)
    detail = None if closer is None else filter_picture(scene, closer).pixels
    heights = [_LINE * (len(picture.swatches) + len(picture.seams)) + GAP]
    heights += [] if detail is None else [len(detail) + TICKS + 2 * GAP]
    heights += [3 * GAP + _HISTOGRAM + TICKS] * len(metrics)
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
    pitch = max(COLUMN + TICKS, longest) + 2 * GAP
    places = _flow(heights, left, top, width, height, pitch)

    key_left, key_top = places.pop(0)
    for swatch, text in zip(swatches, key, strict=True):
        sheet.add_thumbnail(swatch, key_left, key_top, swatch.shape[1], swatch.shape[0])
        sheet.add_text(key_left + indent, key_top, text, NORMAL)
        key_top += _LINE
    if closer is not None and detail is not None:
        at_left, at_top = places.pop(0)
        sheet.add_text(at_left, at_top, "The framed part, closer", SMALL, FAINT)
        _add_map(sheet, detail, closer, at_left, at_top + GAP)
        _frame(axes, closer)
    for metric, (at_left, at_top) in zip(metrics, places, strict=True):
        # the thresholds stand above it
        chart = sheet.add_axes(at_left, at_top + 3 * GAP, COLUMN, _HISTOGRAM)
        draw_histogram(chart, metric, regions, config)
    return sheet.finish()


def closer_look(regions: pd.DataFrame, view: View, seams: Seams | None = None) -> View | None:
    """A part of a mask to be shown too, where regions are too small in the view of all of it.

    Of `seams` a part where a merge did much.
    """
    rows, cols = view
    if not len(regions):
        return None
    width = np.median(regions["area"]) ** 0.5
    if rows.take == 1 and width * rows.repeat >= _DETAIL_BELOW:
        return None
    marked = None if seams is None else seams.places()
    first_row, first_col, side = choose_detail(regions, (rows.length, cols.length), marked)
    if 2 * side > min(rows.length, cols.length):
        return None
    return square(first_row, first_col, side, COLUMN)


def _add_map(sheet: Sheet, pixels: Pixels, view: View, left: float, top: float) -> Axes:
    height, width = pixels.shape[:2]
    axes = sheet.add_axes(left, top, width, height)
    rows, cols = view
    extent = (
        cols.first - 0.5,
        cols.first + cols.length - 0.5,
        rows.first + rows.length - 0.5,
        rows.first - 0.5,
    )
    axes.imshow(pixels, extent=extent, origin="upper", aspect="auto", interpolation="nearest")
    axes.tick_params(labelsize=SMALL, colors=FAINT, width=0.5, length=2, pad=3)
    axes.tick_params(top=False, labeltop=False, right=False, labelright=False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(
            MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
        )
    for spine in axes.spines.values():
        spine.set(color=FAINT, linewidth=0.5)
    return axes


def _frame(axes: Axes, view: View) -> None:
    """Show on a map what the closer look shows; visible on light and on dark tissue."""
    rows, cols = view
    x = np.array([0, 1, 1, 0, 0]) * cols.length + cols.first - 0.5
    y = np.array([0, 0, 1, 1, 0]) * rows.length + rows.first - 0.5
    axes.plot(x, y, color="white", linewidth=3, scalex=False, scaley=False)
    axes.plot(x, y, color=INK, linewidth=1.2, scalex=False, scaley=False, label="closer look")


def _flow(
    heights: list[int], left: float, top: float, width: float, height: float, pitch: int
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
