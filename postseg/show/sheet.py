"""`Sheet`: a figure laid out in pixels from its top left corner, so that nothing overlaps."""

from __future__ import annotations

import io
from math import ceil
from typing import Any

import numpy as np

from postseg.show.charts import DPI, FAINT, INK, LARGE, SMALL, Axes, Figure
from postseg.show.paint import Pixels

GAP = 24  # around and between parts
TICKS = 84  # left of axes and below them, for their labels


class NotebookFigure(Figure):
    """A figure that any notebook shows as the value of a cell, without pyplot."""

    def _repr_png_(self) -> bytes:
        written = io.BytesIO()
        self.savefig(written, format="png")
        return written.getvalue()


class Sheet:
    """A figure that grows with what is put on it.

    Attributes
    ----------
    figure : Figure
        Complete after `finish`.
    """

    def __init__(self) -> None:
        self.figure = NotebookFigure(dpi=DPI, facecolor="white")
        self.figure.set_layout_engine("none")  # whatever the user's settings are
        self._boxes: list[tuple[Axes, tuple[float, ...]]] = []
        self._artists: list[tuple[Any, float, float]] = []

    def add_axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes whose inside is this box."""
        # far from the figure's edges, so that what is around the axes can be measured
        self.figure.set_size_inches(3 * width / DPI, 3 * height / DPI)
        axes = self.figure.add_axes((1 / 3, 1 / 3, 1 / 3, 1 / 3))
        axes.set_facecolor("none")
        self._boxes.append((axes, (left, top, width, height)))
        return axes

    def add_thumbnail(
        self, pixels: Pixels, left: float, top: float, width: float, height: float
    ) -> Axes:
        """Axes that show a picture in this box, without ticks."""
        axes = self.add_axes(left, top, width, height)
        axes.imshow(pixels, origin="upper", aspect="auto", interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set(color=FAINT, linewidth=0.5)
        return axes

    def add_text(
        self, left: float, top: float, text: str, size: float = SMALL, colour: str = INK
    ) -> tuple[int, int]:
        """Text whose top left corner is there; returns its width and height."""
        artist = self.figure.text(
            0, 0, text, fontsize=size, color=colour, va="top", transform=self.figure.dpi_scale_trans
        )
        artist.set_parse_math(False)  # names of reasons are not mathematics
        self._artists.append((artist, left, top))
        extent = artist.get_window_extent()
        return ceil(extent.width), ceil(extent.height)

    def width_of(self, text: str, size: float) -> int:
        """How wide a text will be."""
        artist = self.figure.text(0, 0, text, fontsize=size, parse_math=False)
        width = ceil(artist.get_window_extent().width)
        artist.remove()
        return width

    def add_title(self, left: float, top: float, text: str, note: str = "") -> int:
        """A line in large type, and one in small type; returns where the next part may begin."""
        top += self.add_text(left, top, text, LARGE)[1] + GAP // 3
        if note:
            top += self.add_text(left, top, note, SMALL, FAINT)[1] + GAP // 3
        return ceil(top + GAP / 3)

    def finish(self) -> Figure:
        """Give the figure its size, and everything its place."""
        starts, ends = [float(GAP)], []
        for axes, box in self._boxes:
            start, *end = self._reach(axes, box)
            starts.append(start)
            ends.append(end)
        for artist, left, top in self._artists:
            extent = artist.get_window_extent()
            ends.append([left + extent.width, top + extent.height])
        shift = max(0, ceil(GAP / 3 - min(starts)))  # of all, where numbers are long
        width, height = np.ceil(np.max(ends, axis=0)) + GAP + (shift, 0)
        self.figure.set_size_inches(width / DPI, height / DPI)
        for axes, (left, top, inner_width, inner_height) in self._boxes:
            # a hair less: of 300.00000000000006 pixels matplotlib before 3.11 makes 301
            inner = (inner_width - 1e-6, inner_height - 1e-6)
            box = (left + shift, height - top - inner_height, *inner)
            axes.set_position(np.divide(box, (width, height, width, height)))  # type: ignore[arg-type]
        for artist, left, top in self._artists:
            artist.set_position(((left + shift) / DPI, (height - top) / DPI))
        return self.figure

    def _reach(self, axes: Axes, box: tuple[float, ...]) -> tuple[float, float, float]:
        """Where axes, with labels, begin on the left, and end on the right and below."""
        left, top, width, height = box
        self.figure.set_size_inches(3 * width / DPI, 3 * height / DPI)
        axes.set_position((1 / 3, 1 / 3, 1 / 3, 1 / 3))
        inner, outer = axes.get_window_extent(), axes.get_tightbbox() or axes.bbox
        return (
            left + outer.x0 - inner.x0,
            left + width + outer.x1 - inner.x1,
            top + height + inner.y0 - outer.y0,
        )
