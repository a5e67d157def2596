"""Maps on a sheet: pictures whose axes count mask pixels, the places marked on them, their keys."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np

from postseg._support.words import fixed, in_percent, percent
from postseg.show.bins import Bins, Colour
from postseg.show.charts import FAINT, INK, NORMAL, SMALL, Axes
from postseg.show.overview import Place
from postseg.show.paint import Pixels, paint_scale
from postseg.show.sheet import GAP, Sheet
from postseg.show.view import Axis, View

_TICKS_APART = 90  # pixels, at least
_BETWEEN = 14  # labels
_BEYOND = 16  # pixels that a label may reach beyond the axes
_LINE = 24  # of small text
_MARK = 36  # pixels that the number of a place takes
_SCALE = 300, 48  # pixels, across and down


def add_map(sheet: Sheet, pixels: Pixels, view: View, left: float, top: float) -> Axes:
    """Add a picture of a mask whose axes count mask pixels."""
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
    columns = ticks(cols, width, lambda at: sheet.width_of(f"{at:,}", SMALL))
    axes.set_xticks(columns, [f"{at:,}" for at in columns])
    high = sheet.height_of("0", SMALL)
    lines = ticks(rows, height, lambda _: high)
    axes.set_yticks(lines, [f"{at:,}" for at in lines])
    for spine in axes.spines.values():
        spine.set(color=FAINT, linewidth=0.5)
    return axes


def ticks(axis: Axis, pixels: int, room_of: Callable[[int], float]) -> list[int]:
    """Choose round rows or columns whose labels have room along an axis; one at least.

    Parameters
    ----------
    axis : Axis
        What is shown.
    pixels : int
        How long it is.
    room_of : callable
        How long the label of a row or column is along it.
    """
    first, end = axis.first, axis.first + axis.length
    scale = pixels / axis.length
    apart = max(_TICKS_APART, room_of(end) + _BETWEEN)
    few: list[int] = []
    for step in (times * 10**power for power in range(len(str(end)) + 1) for times in (1, 2, 5)):
        found = range(ceil(first / step) * step, end, step)
        if len(found) * apart > pixels + apart:
            continue
        fit = []
        for at in found:
            middle, half = (at + 0.5 - first) * scale, room_of(at) / 2
            if middle - half >= -_BEYOND and middle + half <= pixels + _BEYOND:
                fit.append(at)
        if fit and (step * scale >= apart or len(fit) == 1):
            return fit
        few = fit[len(fit) // 2 :][:1] or few
    return few or [first + axis.length // 2]


def mark_places(axes: Axes, view: View, places: list[Place]) -> None:
    """Frame on the map of a view what closer looks show, numbered where there are some.

    Visible on light and on dark tissue.
    """
    for number, place in enumerate(places, start=1):
        rows, cols = place.view
        x = np.array([0, 1, 1, 0, 0]) * cols.length + cols.first - 0.5
        y = np.array([0, 0, 1, 1, 0]) * rows.length + rows.first - 0.5
        axes.plot(x, y, color="white", linewidth=3, scalex=False, scaley=False)
        axes.plot(x, y, color=INK, linewidth=1.2, scalex=False, scaley=False, label="closer look")
        if len(places) == 1:
            continue
        # on the side where there is room
        down, right = (axis.repeat / axis.take for axis in view)
        if (rows.first - view.rows.first) * down > _MARK:
            at, offset, across, along = (x.mean(), y[0]), (0, 4), "center", "bottom"
        elif (view.rows.length - rows.first - rows.length) * down > _MARK:
            at, offset, across, along = (x.mean(), y[2]), (0, -4), "center", "top"
        elif (cols.first - view.cols.first) * right > _MARK:
            at, offset, across, along = (x[0], y.mean()), (-4, 0), "right", "center"
        else:
            at, offset, across, along = (x[1], y.mean()), (4, 0), "left", "center"
        axes.annotate(
            str(number),
            at,
            offset,
            textcoords="offset points",
            ha=across,
            va=along,
            fontsize=NORMAL,
            color="white",
            bbox={"boxstyle": "circle,pad=0.2", "facecolor": INK, "edgecolor": "white"},
        )


def heading_of(place: Place, number: int) -> str:
    """What stands above the closer look that has this number."""
    share = percent(place.rejected, place.regions)
    return f"{number}: {place.rejected:,} of {place.regions:,} regions rejected{share}"


def each_of(bins: Bins) -> str:
    """What a colour of a map of bins is of: ``per bin of 70 x 70 pixels``."""
    down, right = (fixed(size, 0) if size >= 10 else f"{size:.3g}" for size in bins.size)
    return f"per bin of {down} x {right} pixels"


def describe(bins: Bins, colour: Colour) -> list[str]:
    """What a map of bins shows, in lines."""
    each = each_of(bins)
    regions, rejected = int(bins.regions.sum()), int(bins.rejected.sum())
    if colour == "share":
        return [f"Share rejected {each}; of all {in_percent(rejected / regions)}"]
    return [
        f"The reason for which most went {each}: the bolder,",
        "the larger the share rejected; the paler, the fewer regions",
    ]


def add_key(sheet: Sheet, bins: Bins, colour: Colour, left: float, top: float) -> float:
    """Add what a map of bins shows; returns where the next part may begin."""
    for line in describe(bins, colour):
        sheet.add_text(left, top, line, SMALL, FAINT)
        top += _LINE
    if colour == "reason":
        return top + GAP / 3
    width, height = _SCALE
    most = int(bins.regions.max())
    values = [f"{most:,}", "1"] if most > 1 else ["1"]
    indent = max(sheet.width_of(value, SMALL) for value in values) + 8
    axes = sheet.add_thumbnail(paint_scale(bins, height, width), left + indent, top, width, height)
    axes.tick_params(labelsize=SMALL, colors=FAINT, width=0.5, length=2, pad=3)
    axes.tick_params(top=False, labeltop=False, right=False, labelright=False)
    axes.set_xticks([0, (width - 1) / 2, width - 1], ["0%", "50%", "100%"])
    axes.set_yticks([0, height - 1][-len(values) :], values)
    labels = axes.get_yticklabels()
    labels[0].set_verticalalignment("top")
    labels[-1].set_verticalalignment("bottom")
    overall = bins.rejected.sum() / bins.regions.sum() * (width - 1)
    axes.axvline(overall, color="white", linewidth=2.5)
    axes.axvline(overall, color=INK, linewidth=1, label="all regions")
    sheet.add_text(left + indent + width + 2 * GAP / 3, top + 2, "regions", SMALL, FAINT)
    sheet.add_text(left + indent + width + 2 * GAP / 3, top + 2 + _LINE, "per bin", SMALL, FAINT)
    return top + height + 2 * GAP


def width_of_key(sheet: Sheet, bins: Bins, colour: Colour) -> int:
    """How wide it is."""
    widest = max(sheet.width_of(line, SMALL) for line in describe(bins, colour))
    scale = _SCALE[0] + sum(sheet.width_of(text, SMALL) for text in ("100,000", "per bin")) + GAP
    return max(widest, scale if colour == "share" else 0)


def height_of_key(bins: Bins, colour: Colour) -> float:
    """How high it is."""
    lines = _LINE * len(describe(bins, colour))
    return lines + (_SCALE[1] + 2 * GAP if colour == "share" else GAP / 3)
