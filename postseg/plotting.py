"""Figures: the picture of the filter with its title and legend, and the file it is saved to."""

from math import ceil
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from postseg.pictures import Pixels, filter_picture
from postseg.replacing import check_target, replacing
from postseg.report import human

try:
    # no pyplot: figures work headless and in threads, and leave a user's own figures alone
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import BboxImage
    from matplotlib.legend import Legend
    from matplotlib.legend_handler import HandlerBase
    from matplotlib.patches import Patch
    from matplotlib.ticker import MaxNLocator
    from matplotlib.transforms import Bbox, Transform, TransformedBbox
except ImportError as error:
    raise ImportError(
        'Pictures need matplotlib, which is not installed: pip install "postseg[plot]"'
    ) from error

_DPI = 200
_GAP = 24  # around and between the parts of a figure, in pixels


def save_debug_image(
    path: str | PathLike[str],
    region_image: ArrayLike,
    regions: pd.DataFrame,
    image: ArrayLike | None = None,
) -> None:
    """Save the picture of `draw_filter` as PNG, replacing an earlier one once it is complete.

    Parameters
    ----------
    path : str or path
        The file, in an existing folder.
    region_image, regions, image
        As for `draw_filter`.

    Raises
    ------
    OSError
        The folder is missing or not writable.
    ValueError
        The arrays do not fit together.
    """
    path = Path(path)
    check_target(path, overwrite=True)
    figure = draw_filter(region_image, regions, image)
    with replacing(path, overwrite=True) as part:
        figure.savefig(part, format="png", dpi=_DPI)


def draw_filter(
    region_image: ArrayLike, regions: pd.DataFrame, image: ArrayLike | None = None
) -> Figure:
    """Draw which regions the filter kept, which it rejected, and why.

    Of a large image every n-th pixel is shown, a small one is enlarged; rejected regions too
    small to be seen are drawn larger than they are. The axes count mask pixels.

    Parameters
    ----------
    region_image : (H, W) array_like of int
        Number of the region at each pixel, 0 is background.
    regions : DataFrame
        All regions in the order of their numbers, with the column ``reason``: the first test that
        a region failed, ``""`` if it was kept.
    image : (m H, m W) or (m H, m W, 3) array_like, optional
        The microscope image, grey or RGB, m times as large, m being an integer. With it,
        survivors are outlined and rejected regions are tinted.

    Returns
    -------
    matplotlib.figure.Figure
        A figure that pyplot does not know of: save it, or show it as the value of a notebook cell.

    Raises
    ------
    ValueError
        The arrays do not fit together.
    """
    numbers, tissue = _check(region_image, regions, image)
    pixels, swatches = filter_picture(numbers, regions["reason"], tissue)
    counts = regions["reason"].value_counts()
    total, passed = len(regions), int(counts.get("", 0))

    figure = Figure(dpi=_DPI)
    figure.set_layout_engine("none")  # whatever the user's settings are
    axes = figure.add_axes((0.25, 0.25, 0.5, 0.5))
    rows, columns = numbers.shape
    extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
    axes.imshow(pixels, extent=extent, origin="upper", aspect="auto", interpolation="nearest")
    axes.tick_params(labelsize=7, colors="0.4", width=0.5, length=2)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(
            MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
        )
    for spine in axes.spines.values():
        spine.set(color="0.7", linewidth=0.5)
    title = f"{passed:,} of {total:,} regions passed{_percent(passed, total)}"
    axes.set_title(title, loc="left", fontsize=11)
    names = [human(reason) if reason else "Kept" for reason in swatches]
    found = [int(counts.get(reason, 0)) for reason in swatches]
    labels = [f"{name}: {n:,}{_percent(n, total)}" for name, n in zip(names, found, strict=True)]
    _lay_out(figure, axes, pixels.shape[1::-1], labels, [*swatches.values()])
    return figure


def _percent(count: int, total: int) -> str:
    return f" ({100 * count / total:.1f}%)" if total else ""


def _check(
    region_image: ArrayLike, regions: pd.DataFrame, image: ArrayLike | None
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    numbers = np.asarray(region_image)
    if numbers.ndim != 2:
        raise ValueError(f"region_image must be 2-D, but has the shape {numbers.shape}.")
    if numbers.size == 0:
        return np.zeros((1, 1), np.int32), None
    if numbers.max() > len(regions):
        raise ValueError(
            f"region_image holds region {numbers.max()}, but the table has {len(regions)} rows: "
            "pass the table of all regions, kept and rejected."
        )
    if image is None:
        return numbers, None
    tissue = np.asarray(image)
    rows, columns = numbers.shape
    times = tissue.shape[0] // rows if tissue.ndim else 0
    fits = times > 0 and tissue.shape[:2] == (times * rows, times * columns)
    if not fits or tissue.shape[2:] not in ((), (1,), (3,), (4,)):
        raise ValueError(
            f"The image has the shape {tissue.shape}, but must be grey or RGB (colours last) and "
            f"{rows} x {columns} pixels, like the masks, or an integer multiple of that."
        )
    return numbers, tissue


class _Swatch(HandlerBase):
    """A legend entry that looks as in the picture, pattern and all."""

    def __init__(self, pixels: Pixels) -> None:
        super().__init__()
        self.pixels = pixels

    def create_artists(
        self,
        legend: Legend,
        orig_handle: Any,
        xdescent: float,
        ydescent: float,
        width: float,
        height: float,
        fontsize: float,
        trans: Transform,
    ) -> list[BboxImage]:
        """Fill the box that the legend gives."""
        box = TransformedBbox(Bbox.from_bounds(-xdescent, -ydescent, width, height), trans)
        image = BboxImage(box, interpolation="nearest", origin="upper")
        image.set_data(self.pixels)
        return [image]


def _lay_out(
    figure: Figure, axes: Axes, size: tuple[int, ...], labels: list[str], swatches: list[Pixels]
) -> None:
    """Give the picture its own pixels exactly, and title, ticks and legend the room they need."""
    width, height = size
    # the axes have the middle half of this, which leaves room to measure what is around them
    figure.set_size_inches(2 * width / _DPI, 2 * height / _DPI)
    inner, outer = axes.get_window_extent(), axes.get_tightbbox() or Bbox.null()
    left, below = ceil(inner.x0 - outer.x0) + _GAP, ceil(inner.y0 - outer.y0) + _GAP
    above, beside = outer.y1 - inner.y1 + _GAP, max(0, outer.x1 - inner.x1) + _GAP

    wide = width > 1.6 * height
    legend, legend_width, legend_height = None, 0.0, 0.0
    for columns in range(len(swatches) if wide else 1, 0, -1):
        if legend is not None:
            legend.remove()
        handles = [Patch() for _ in swatches]
        legend = figure.legend(
            handles,
            labels,
            handler_map=dict(zip(handles, map(_Swatch, swatches), strict=True)),
            ncols=columns,
            loc="upper left",
            borderaxespad=0,
            borderpad=0,
            frameon=False,
            fontsize=9,
        )
        legend_width, legend_height = np.ceil(legend.get_window_extent().size)
        if legend_width <= width:
            break

    if wide:
        beside = max(beside, legend_width - width + _GAP)
        below += legend_height + _GAP
        legend_at = left, legend_height + _GAP
    else:
        beside = max(beside, legend_width + 2 * _GAP)
        below = max(below, legend_height - height + _GAP)
        legend_at = left + width + _GAP, below + height
    full = np.ceil([left + width + beside, below + height + above])
    figure.set_size_inches(*full / _DPI)
    axes.set_position((left / full[0], below / full[1], width / full[0], height / full[1]))
    if legend is not None:
        legend.set_bbox_to_anchor(legend_at / full, figure.transFigure)
