"""Read a figure: its texts, its pixels, and whether anything lies on anything else."""

from itertools import combinations, product

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg


def rendered(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def texts(figure):
    """What stands beside the axes: title, legend, headings, captions."""
    return [text.get_text() for text in figure.texts]


def charts(figure):
    """The axes with a curve or bars, by the first words of their x label."""
    labels = {axes.get_xlabel().split(" (")[0]: axes for axes in figure.axes}
    labels.pop("", None)
    return labels


def crops(figure):
    """The thumbnails of cells, by region number, from left to right and down."""
    labels = {axes.get_label(): axes for axes in figure.axes}
    return {int(k.split()[1]): axes for k, axes in labels.items() if k.startswith("region ")}


def lines(axes):
    """Where the vertical lines are, by label."""
    return {line.get_label(): line.get_xdata()[0] for line in axes.lines if line.get_ls() == "--"}


def faults(figure):
    """What is cut by the edge of a figure, or lies on what it should not."""
    FigureCanvasAgg(figure).draw()
    words = [(f"{text.get_text()!r}", None, _box(text)) for text in figure.texts]
    for axes in figure.axes:
        words += [(f"{text.get_text()!r}", axes, _box(text)) for text in _around(axes)]
    boxes = [(f"axes {k}", axes, _box(axes)) for k, axes in enumerate(figure.axes)]
    width, height = figure.bbox.size
    found = [
        f"{name} is cut: {box.round(1).tolist()} of {width:.0f} x {height:.0f}"
        for name, _, box in [*words, *boxes]
        if box[:2].min() < -0.5 or box[2] > width + 0.5 or box[3] > height + 0.5
    ]
    pairs = [*combinations(words, 2), *combinations(boxes, 2)]
    pairs += [(word, box) for word, box in product(words, boxes) if word[1] is not box[1]]
    return found + [f"{one} lies on {other}" for (one, _, a), (other, _, b) in pairs if _meet(a, b)]


def _around(axes):
    """The texts of axes that are drawn."""
    found = [*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label]
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        room = 1e-9 * (high - low)
        ticks = [t for t in axis.get_major_ticks() if low - room <= t.get_loc() <= high + room]
        found += [axis.get_offset_text(), *(label for t in ticks for label in (t.label1, t.label2))]
    return [text for text in found if text.get_visible() and text.get_text()]


def _box(artist):
    return artist.get_window_extent().extents


def _meet(a, b):
    return (np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).min() > 0.5
