"""Charts on axes that are given: a metric's histogram, survivors against a threshold."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg._support.words import brief, fixed, in_percent, name_of
from postseg.filtering import criteria
from postseg.filtering.config import FilterConfig
from postseg.filtering.metrics import METRIC
from postseg.filtering.sweep import Sweep
from postseg.show.palette import KEPT, PLAIN, styles_of

try:
    from matplotlib import rc_context

    # no pyplot: figures work headless and in threads, and leave a user's own figures alone
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure as Figure
    from matplotlib.ticker import FuncFormatter
    from matplotlib.ticker import MaxNLocator as MaxNLocator
except ImportError as error:
    raise ImportError(
        'Pictures need matplotlib, which is not installed: pip install "postseg[plot]"'
    ) from error

DPI = 150
INK, FAINT, SHADE = "#2b2d31", "#71757c", "#eceae2"
COUNTED = "#aa3377"  # of transcripts, told from ink by colour-blind readers too
SMALL, NORMAL, LARGE = 7.5, 9, 11  # points

_ON_DARK = {INK: "#e9eaec", FAINT: "#a3a8b0", SHADE: "#34332d", COUNTED: "#ee99bb"}
_TOO_DARK = ("#332288", "#117733")  # for a dark page, without an edge
_HATCHES = ("", "////", "----", "xxxx")  # the patterns of `styles`
_BINS = 40
_ROOM = 1.5  # times as far from the middle as 98 in 100 values: the axis
_DASHED = (0, (4, 2))


def value_of(metric: str, value: float) -> str:
    """Write a value of a metric: areas exactly, others to four digits after the point."""
    if metric in METRIC and METRIC[metric].whole:
        return fixed(value, 0 if value == round(value) else 1)
    return fixed(value, 4, commas=False)


def metrics_in_use(config: FilterConfig) -> list[str]:
    """The metrics that a threshold in force looks at, in the order of the tests."""
    used = (test for test in criteria.TESTS if getattr(config, test.threshold) is not None)
    return list(dict.fromkeys(test.metric for test in used))


def draw_histogram(axes: Axes, metric: str, regions: pd.DataFrame, config: FilterConfig) -> None:
    """Draw kept and, stacked on them, rejected regions by a metric, with its thresholds.

    Values far outside are counted in the first or last bin; the range that is typical of cells, as
    `FilterConfig` describes it, is shaded.
    """
    values = regions[metric].to_numpy(dtype=float)
    reasons = regions["reason"].to_numpy(dtype=object)
    thresholds = _thresholds(metric, regions, config)
    edges = bins_of(metric, regions, config)
    axes.set_xlim(edges[0], edges[-1])
    typical = METRIC[metric].typical
    if typical is not None:
        axes.axvspan(*typical, color=SHADE, linewidth=0, zorder=0, label="typical")

    bottom = np.zeros(edges.size - 1)
    looks = {"": (KEPT, PLAIN), **styles_of(reasons)}
    for reason, (colour, pattern) in looks.items():
        chosen = values[(reasons == reason) & np.isfinite(values)]
        counts, _ = np.histogram(chosen.clip(edges[0], edges[-1]), edges)
        axes.stairs(
            bottom + counts,
            edges,
            baseline=bottom,
            fill=True,
            facecolor=f"#{colour}",
            hatch=_HATCHES[pattern],
            edgecolor="white",
            linewidth=0,
            zorder=2,
            label=reason or "kept",
        )
        bottom = bottom + counts
    _mark_thresholds(axes, sorted(thresholds, key=lambda item: item[1]))
    below, above = int((values < edges[0]).sum()), int((values > edges[-1]).sum())
    for n, text, at in ((below, f"← {below:,} beyond", 0), (above, f"{above:,} beyond →", 1)):
        if n:
            axes.annotate(
                text,
                (at, 1),
                (2 - 4 * at, -2),
                xycoords="axes fraction",
                textcoords="offset points",
                ha="right" if at else "left",
                va="top",
                fontsize=SMALL,
                color=FAINT,
            )
    axes.set_ylim(0, 1.05 * max(1, bottom.max()))
    _style(axes)
    notes = [METRIC[metric].unit, "" if typical is None else "shaded: typical of cells"]
    note = f" ({'; '.join(filter(None, notes))})" if any(notes) else ""
    axes.set_xlabel(f"{name_of(metric)}{note}", fontsize=NORMAL, color=INK)
    axes.set_ylabel("regions", fontsize=SMALL, color=FAINT)


def bins_of(metric: str, regions: pd.DataFrame, config: FilterConfig) -> NDArray[np.float64]:
    """The edges of a histogram's bins, in which its thresholds have room."""
    values = regions[metric].to_numpy(dtype=float)
    thresholds = [value for _, value in _thresholds(metric, regions, config)]
    return edges_of(values, thresholds, METRIC[metric].whole)


def edges_of(
    values: NDArray[np.float64], thresholds: list[float], whole: bool
) -> NDArray[np.float64]:
    """The edges of bins for these values, undefined ones left out, and thresholds on them."""
    values = values[np.isfinite(values)]
    low, high = _limits(values, thresholds)
    return _bins(low, high, values.size, whole)


def _thresholds(metric: str, regions: pd.DataFrame, config: FilterConfig) -> set[tuple[str, float]]:
    """Those in force that look at a metric, and what they came to."""
    return {
        (test.threshold, value)
        for test in criteria.TESTS
        if test.metric == metric
        and (value := criteria.resolve(test, config, regions)) is not None
        and value >= 0  # the mean less some standard deviations may be below all areas
    }


def _limits(values: NDArray[np.float64], thresholds: list[float]) -> tuple[float, float]:
    if not values.size:
        values = np.array([0.0, *thresholds] if thresholds else [0.0, 1.0])
    low, high = values.min(), values.max()
    near_low, middle, near_high = np.quantile(values, (0.01, 0.5, 0.99))
    # a few giants, or one far threshold, must not press all others into a corner
    thresholds = [value for value in thresholds if value <= 2 * near_high]
    low = max(low, middle - _ROOM * (middle - near_low))
    high = min(high, middle + _ROOM * (near_high - middle))
    low, high = min([low, *thresholds]), max([high, *thresholds])
    if low < 0.1 * high:  # hardly wider, and the axis begins where all metrics do
        low = min(0.0, values.min())
    room = 0.03 * (high - low) or 0.05 * abs(high) or 0.5
    lowest = 0 if values.min() >= 0 else -np.inf
    return max(lowest, low - room), high + room


def _bins(low: float, high: float, n: int, whole: bool) -> NDArray[np.float64]:
    n_bins = int(np.clip(2 * n**0.5, 10, _BINS))
    if not whole:
        return np.linspace(low, high, n_bins + 1)
    # bins that hold equally many whole numbers
    width = max(1, np.ceil((high - low) / n_bins))
    first = np.floor(low)
    return np.asarray(first - 0.5 + width * np.arange(np.ceil((high - first) / width) + 1))


def _mark_thresholds(axes: Axes, thresholds: list[tuple[str, float]]) -> None:
    """A line for each, and its name and value above it."""
    left, right = axes.get_xlim()
    box = axes.get_window_extent()
    to_points = 72 / axes.figure.dpi
    texts = []
    for name, value in thresholds:
        # one far away would press all regions into one bin
        arrow = "" if left <= value <= right else " →"
        if not arrow:
            axes.axvline(value, color=INK, linewidth=1, linestyle=_DASHED, zorder=3, label=name)
        texts.append(
            axes.annotate(
                f"{name} {brief(value)}{arrow}",
                (0, 1),
                (0, 2),
                xycoords="axes fraction",
                textcoords="offset points",
                va="bottom",
                fontsize=SMALL,
                color=INK,
            )
        )
    widths = [text.get_window_extent().width + 8 for text in texts]
    n_lines = next(n for n in (1, 2, 3) if n == 3 or _longest(widths, n) <= box.width)
    for line in range(n_lines):  # each near its line, in order, and within the axes
        end, room = 0.0, sum(widths[line::n_lines])
        for k in range(line, len(texts), n_lines):
            room -= widths[k]
            at = (min(thresholds[k][1], right) - left) / (right - left) * box.width
            end = max(end, min(at - widths[k] / 2, box.width - room - widths[k]))
            texts[k].set_position((end * to_points, 2 + 10 * line))
            end += widths[k]


def _longest(widths: list[float], n_lines: int) -> float:
    return max((sum(widths[line::n_lines]) for line in range(n_lines)), default=0)


def draw_survivors(axes: Axes, sweep: Sweep) -> None:
    """Draw how many regions each value of a threshold keeps, today's value marked.

    The share of transcripts in cells is a second line, where it is known.
    """
    total = max(1, sweep.level.size)
    axes.fill_between(sweep.value, sweep.kept, color=f"#{KEPT}", alpha=0.45, linewidth=0, zorder=1)
    axes.plot(sweep.value, sweep.kept, color=INK, linewidth=1.2, zorder=2, label="kept")
    ends = [*sweep.value[:1], *sweep.value[-1:], *([] if sweep.today is None else [sweep.today])]
    if ends:
        axes.set_xlim(min(ends), max(ends) if max(ends) > min(ends) else min(ends) + 1)
    axes.set_ylim(0, (1.15 if sweep.transcripts is None else 1.25) * total)
    if sweep.today is not None:
        axes.axvline(sweep.today, color=INK, linewidth=1, linestyle=_DASHED, label="today")
        text = f"now {brief(sweep.today)}: {sweep.kept_today:,} kept"
        _mark_today(axes, sweep.today, sweep.kept_today, text, INK, "o", line=0)
    _style(axes)
    unit = METRIC[sweep.unit].unit if sweep.unit in METRIC else sweep.unit
    note = f" ({unit})" if unit else ""
    axes.set_xlabel(f"{name_of(sweep.field)}{note}", fontsize=NORMAL, color=INK)
    axes.set_ylabel("regions kept", fontsize=SMALL, color=FAINT)
    if sweep.transcripts is not None and sweep.transcripts_today is not None:
        _draw_transcripts(axes, sweep, sweep.transcripts, sweep.transcripts_today, total)


def _mark_today(
    axes: Axes, today: float, height: float, text: str, colour: str, marker: str, line: int
) -> None:
    """A mark on a curve, and what it is in a line of text at the top."""
    axes.plot([today], [height], marker, color=colour, markersize=4, zorder=4)
    to_left = today > sum(axes.get_xlim()) / 2
    axes.annotate(
        text,
        (today, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-3 if to_left else 3, -2 - 10 * line),
        textcoords="offset points",
        ha="right" if to_left else "left",
        va="top",
        fontsize=SMALL,
        color=colour,
    )


def _draw_transcripts(
    axes: Axes, sweep: Sweep, share: NDArray[np.float64], today: float, total: int
) -> None:
    """Add the share of transcripts in cells; of `total` regions all are as high as all of them."""
    axes.plot(
        sweep.value,
        total * share,
        color=COUNTED,
        linewidth=1.6,
        zorder=3,
        label="transcripts in cells",
    )
    if sweep.today is not None:
        text = f"{in_percent(today)} of transcripts"
        _mark_today(axes, sweep.today, total * today, text, COUNTED, "D", line=1)
    right = axes.secondary_yaxis(
        "right",
        functions=(lambda count: np.divide(count, total), lambda part: np.multiply(part, total)),
    )
    right.set_yticks([0, 0.25, 0.5, 0.75, 1])
    right.yaxis.set_major_formatter(FuncFormatter(lambda part, _: f"{part:.0%}"))
    right.tick_params(labelsize=SMALL, colors=COUNTED, width=0.5, length=2, pad=3)
    right.spines["right"].set(color=COUNTED, linewidth=0.5)
    right.set_ylabel("transcripts in cells", fontsize=SMALL, color=COUNTED, labelpad=4)


def _style(axes: Axes) -> None:
    axes.set_facecolor("none")
    axes.tick_params(labelsize=SMALL, colors=FAINT, width=0.5, length=2, pad=3)
    axes.tick_params(top=False, labeltop=False, right=False, labelright=False)
    axes.xaxis.labelpad = axes.yaxis.labelpad = 4
    axes.grid(visible=False)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set(color=FAINT, linewidth=0.5)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: brief(value)))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: fixed(count, 0)))


def to_svg(figure: Figure) -> bytes:
    """Write a figure of these charts as SVG that follows the reader's light or dark scheme."""
    written = io.BytesIO()
    metadata: dict[str, Any] = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    # ids that follow the content, and not a random number: the same page twice is the same file
    with rc_context({"svg.hashsalt": "postseg"}):
        figure.savefig(written, format="svg", transparent=True, metadata=metadata)
    rules = "".join(
        f'[style*="{what}: {light}"]{{{what}:{dark} !important}}'
        for light, dark in _ON_DARK.items()
        for what in ("fill", "stroke")
    )
    edge = f"stroke:{_ON_DARK[FAINT]} !important;stroke-width:.4px !important"
    rules += "".join(f'[style*="fill: {colour}"]{{{edge}}}' for colour in _TOO_DARK)
    style = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>".encode()
    head, tag, rest = written.getvalue().partition(b"<defs>")
    return head + style + tag + rest
