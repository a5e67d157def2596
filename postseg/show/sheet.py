"""`Sheet`: a figure laid out in pixels from its top left corner, so that nothing overlaps."""

from __future__ import annotations

import io
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from postseg.show.charts import DPI, FAINT, INK, LARGE, SMALL, Axes, Figure
from postseg.show.paint import Pixels

GAP = 24  # around and between parts
TICKS = 84  # left of axes and below them, for their labels


class Reach(NamedTuple):
    """How far what is around axes, such as their labels, reaches beyond their inside."""

    left: float
    right: float
    above: float
    below: float


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
        self._boxes: dict[Axes, tuple[float, float, float, float]] = {}
        self._artists: list[tuple[Any, float, float]] = []

    def add_axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes whose inside is this box."""
        # far from the figure's edges, so that what is around the axes can be measured
        self.figure.set_size_inches(3 * width / DPI, 3 * height / DPI)
        axes = self.figure.add_axes((1 / 3, 1 / 3, 1 / 3, 1 / 3))
        axes.set_facecolor("none")
        self._boxes[axes] = left, top, width, height
        return axes

    def move(self, axes: Axes, left: float, top: float) -> None:
        """Give axes another place."""
        self._boxes[axes] = left, top, *self._boxes[axes][2:]

    def reach(self, axes: Axes) -> Reach:
        """How much room there must be around axes."""
        _, _, width, height = self._boxes[axes]
        self.figure.set_size_inches(3 * width / DPI, 3 * height / DPI)
        axes.set_position((1 / 3, 1 / 3, 1 / 3, 1 / 3))
        inner, outer = axes.get_window_extent(), axes.get_tightbbox() or axes.bbox
        return Reach(
            inner.x0 - outer.x0, outer.x1 - inner.x1, outer.y1 - inner.y1, inner.y0 - outer.y0
        )

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
        return ceil(self._extent_of(text, size)[0])

    def height_of(self, text: str, size: float) -> int:
        """How high it will be."""
        return ceil(self._extent_of(text, size)[1])

    def _extent_of(self, text: str, size: float) -> tuple[float, float]:
        artist = self.figure.text(0, 0, text, fontsize=size, parse_math=False)
        extent = artist.get_window_extent()
        artist.remove()
        return extent.width, extent.height

    def add_title(self, left: float, top: float, text: str, note: str = "") -> int:
        """A line in large type, and one in small type; returns where the next part may begin."""
        top += self.add_text(left, top, text, LARGE)[1] + GAP // 3
        if note:
            top += self.add_text(left, top, note, SMALL, FAINT)[1] + GAP // 3
        return ceil(top + GAP / 3)

    def finish(self, trimmed: bool = False) -> Figure:
        """Give the figure its size, and everything its place.

        Parameters
        ----------
        trimmed : bool
            Leave no more room around all of it than its margin.
        """
        starts, ends = [], []
        for axes, (left, top, width, height) in self._boxes.items():
            reach = self.reach(axes)
            starts.append([left - reach.left, top - reach.above])
            ends.append([left + width + reach.right, top + height + reach.below])
        for artist, left, top in self._artists:
            extent = artist.get_window_extent()
            starts.append([left, top])
            ends.append([left + extent.width, top + extent.height])
        shift = np.ceil(GAP / 3 - np.min(starts, axis=0))
        if not trimmed:  # but for long numbers on the left, which would be cut
            shift = np.array([max(0, shift[0]), 0])
        margin = GAP / 3 if trimmed else GAP
        full_width, full_height = np.ceil(np.max(ends, axis=0) + margin) + shift
        self.figure.set_size_inches(full_width / DPI, full_height / DPI)
        for axes, (left, top, width, height) in self._boxes.items():
            # a hair less: of 300.00000000000006 pixels matplotlib before 3.11 makes 301
            from_below = full_height - shift[1] - top - height
            box = (left + shift[0], from_below, width - 1e-6, height - 1e-6)
            full = (full_width, full_height, full_width, full_height)
            axes.set_position(np.divide(box, full))  # type: ignore[arg-type]
        for artist, left, top in self._artists:
            artist.set_position(((left + shift[0]) / DPI, (full_height - shift[1] - top) / DPI))
        return self.figure
