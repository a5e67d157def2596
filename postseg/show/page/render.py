"""The report page: one HTML file that shows a filter run, and needs nothing beside it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import pandas as pd

from postseg import __version__
from postseg._support.checks import Outline
from postseg._support.words import exact, fixed, heading, human
from postseg.filtering.config import config_toml
from postseg.filtering.metrics import METRIC
from postseg.filtering.report import FilterReport
from postseg.filtering.run import why_nothing_passed
from postseg.show.page.data import audit_columns, columns_of, pack, reason_rows
from postseg.show.seams import Entry

try:
    from jinja2 import Environment, StrictUndefined, Template
except ImportError as error:
    raise ImportError(
        'The report page needs Jinja2, which is not installed: pip install "postseg[plot]"'
    ) from error

_TEMPLATES = files("postseg.show.page") / "templates"
# in the order in which they use each other
_LIVE_SCRIPTS = (
    *("decide.js", "unpack.js", "choice.js", "stripes.js", "stage.js", "picture.js", "bins.js"),
    *("places.js", "chart.js", "sight.js", "control.js", "thresholds.js", "outcomes.js"),
    *("cells.js", "rejected.js", "live.js"),
)
MOST_MOVED = 1_000_000  # regions: of more the page would be too large, and moves too slow
_KINDS = {b"\x89PNG": "png", b"\xff\xd8": "jpeg"}
_STATISTICS = ("min", "median", "mean", "max", "std")


class Picture(NamedTuple):
    """A picture for the page.

    Attributes
    ----------
    data : bytes
        A PNG or JPEG, or an SVG; one that heeds ``prefers-color-scheme`` follows the page's scheme.
    alt : str
        What it shows, for those who cannot see it.
    width, height : int
        The size to show it at where there is room, in CSS pixels.
    """

    data: bytes
    alt: str
    width: int
    height: int


class Crop(NamedTuple):
    """One region cut out, with the value that it was judged by, as text."""

    picture: Picture
    value: str
    region: int
    kept: bool


class SweepPictures(NamedTuple):
    """How the number of survivors follows one threshold, and the cells that flip near it.

    Attributes
    ----------
    field : str
        Of `FilterConfig`.
    value : str
        In force, "off" if there is none.
    note : str
        What one should know of it, or nothing.
    chart : Picture
        Survivors against the threshold.
    crops : list of Crop
        From clearly in to clearly out.
    """

    field: str
    value: str
    note: str
    chart: Picture
    crops: list[Crop]


class GalleryPictures(NamedTuple):
    """Regions rejected for one reason, and those kept that came nearest to it."""

    reason: str
    rejected: list[Crop]
    nearly: list[Crop]
    note: str


class PlacePicture(NamedTuple):
    """A closer look, and where its middle lies on the overview, in percent of width and height."""

    picture: Picture
    left: float
    top: float


class SeamPictures(NamedTuple):
    """What a merge of tiles did.

    Attributes
    ----------
    overview : Picture
        The label image with the sides of tiles, and lines around what the merge changed.
    detail : Picture or None
        A part of it at full resolution.
    legend : list of (bytes, Entry)
        Samples as PNG, and what they are.
    """

    overview: Picture
    detail: Picture | None
    legend: list[tuple[bytes, Entry]]


class Pictures(NamedTuple):
    """All pictures of a page.

    Attributes
    ----------
    overview : Picture
        The label image, rejected regions filled by reason.
    detail : Picture or None
        A part of it at full resolution.
    swatches : dict of str to bytes
        For "" (kept) and each reason, how it looks in the overview, as PNG.
    histograms : list of (str, Picture)
        By metric.
    sweeps : list of SweepPictures
    galleries : list of GalleryPictures
    seams : SeamPictures or None
        Where they are asked for.
    places : list of PlacePicture
        In place of `detail`, where the overview shows what was counted: the worst first.
    scale : Picture or None
        Which colour is which share then.
    """

    overview: Picture
    detail: Picture | None
    swatches: dict[str, bytes]
    histograms: list[tuple[str, Picture]]
    sweeps: list[SweepPictures]
    galleries: list[GalleryPictures]
    seams: SeamPictures | None = None
    places: Sequence[PlacePicture] = ()
    scale: Picture | None = None


@cache
def _template() -> Template:
    """Compiled once, which takes as long as a chart."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"data_uri": data_uri, "number": _number}
    environment.filters |= {"exact": exact, "heading": heading, "human": human}
    return environment.from_string(_text("report.html"))


def render(
    report: FilterReport,
    regions: pd.DataFrame,
    pictures: Pictures,
    *,
    title: str,
    source: str,
    made: datetime,
    outline: Outline = "contour",
    live: str = "",
) -> str:
    """Write the page: readable without a network, in light and dark, on a desk and on a phone.

    Parameters
    ----------
    report : FilterReport
        What the filter found.
    regions : DataFrame
        The audit table of the same run, see `PostSegmentation.regions`.
    pictures : Pictures
        To show.
    title, source : str
        Heading of the page, and where the label image came from.
    made : datetime
        When.
    outline : {"contour", "pixels", "simplified"}
        Of the cells, for who wants to have them again; no picture is drawn from it.
    live : str
        As from `live.pack_live`, for thresholds that can be moved in the page; may be left out.

    Returns
    -------
    str
        An HTML document, to be saved as UTF-8.

    Raises
    ------
    ValueError
        When report and table are not of the same run.
    """
    rejected = regions[regions["label"] == 0]
    if (len(regions), len(rejected)) != (report.total, report.total - report.passed):
        raise ValueError(
            f"The report tells of {report.total} regions with {report.total - report.passed} "
            f"rejected, the table of {len(regions)} with {len(rejected)}: pass those of one run."
        )
    found = set(rejected["reason"].astype(str))
    reasons = sorted(found, key=lambda reason: (human(reason), reason))
    columns = columns_of(regions)
    style = _text("report.css")
    scripts = ("shared.js", "words.js", *(_LIVE_SCRIPTS if live else ()), "report.js")
    script = "".join(map(_text, scripts))
    page = _template().render(
        style=style,
        script=script,
        # only this script may run, whatever might get into the page
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        title=title,
        source=source,
        made=made,
        made_text=f"{made.day} {made:%B %Y, %H:%M}",
        version=__version__,
        report=report,
        warnings=report.notes if report.passed else [why_nothing_passed(report)],
        rows=[*reason_rows(report, pictures.swatches)],
        off=[name for name, value in report.config if value is None],
        pictures=pictures,
        definitions={name: metric.definition for name, metric in METRIC.items()},
        statistics=_STATISTICS,
        config=config_toml(report.stated),
        outline=outline,
        needs_pixel_size=report.stated != report.config,
        columns=columns,
        reasons=reasons,
        counts=rejected["reason"].astype(str).value_counts(),
        data="" if live else pack(audit_columns(rejected, reasons, columns)),
        live=live,
        most_moved=MOST_MOVED,
    )
    return page.encode(errors="replace").decode()  # a file's name need not be text


def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _number(value: float, metric: str) -> str:
    """Format a statistic; nothing where there is none."""
    return fixed(value, METRIC[metric].digits, missing="")


def data_uri(data: bytes) -> str:
    """A picture as the page holds it."""
    kind = next((kind for start, kind in _KINDS.items() if data.startswith(start)), "svg+xml")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
