"""The pictures of the report page: what the figures show, in parts that the page lays out."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from PIL import Image

from postseg._support.words import brief, human, in_percent, name_of, out_of
from postseg.filtering import criteria
from postseg.filtering.report import FilterReport
from postseg.filtering.sweep import Sweep
from postseg.show.bins import Bins
from postseg.show.charts import draw_histogram, draw_survivors, metrics_in_use, to_svg, value_of
from postseg.show.galleries import rule_of
from postseg.show.maps import add_key, describe, heading_of
from postseg.show.overview import Overview, see_all
from postseg.show.page.render import (
    Crop,
    GalleryPictures,
    Picture,
    Pictures,
    PlacePicture,
    SeamPictures,
    SweepPictures,
)
from postseg.show.paint import Pixels
from postseg.show.pictures import Scene, crop_picture, frame
from postseg.show.selection import (
    BOX,
    Gallery,
    Numbers,
    choose_galleries,
    choose_strip,
    crop_side,
)
from postseg.show.sheet import GAP, TICKS, Sheet
from postseg.show.view import View

_CELLS = 18  # of a gallery
_STRIP = 10  # of a sweep
_CROP = 112  # CSS pixels a side
_CHART_WIDTH, _CHART_HEIGHT = 400, 190  # pixels of a figure: narrow, for phones
_CSS_PIXELS = 96  # an inch


def illustrate(
    scene: Scene, regions: pd.DataFrame, report: FilterReport, sweeps: Iterable[Sweep]
) -> Pictures:
    """Draw what a page shows of a filter run.

    Parameters
    ----------
    scene : Scene
        What there is to see.
    regions : DataFrame
        The audit table.
    report : FilterReport
        Of the same run.
    sweeps : iterable of Sweep
        One for each threshold to be shown.
    """
    seams = None if scene.seams is None else _seams(scene, regions)
    scene = scene._replace(seams=None)
    seen = see_all(scene, regions)
    n_kept = out_of(report.passed, report.total)
    overview, detail = _overview(scene, seen, f"The label image: {n_kept} kept")
    places, scale = [], None
    if seen.bins is not None:
        overview = overview._replace(alt=f"{overview.alt}. {describe(seen.bins, 'share')[0]}")
        places = [*_places(scene, seen)]
        scale = _scale(seen.bins)
    reasons = [reason for reason, count in report.rejected.items() if count]
    galleries = choose_galleries(regions, report.config, reasons, _CELLS)
    histograms = []
    for metric in metrics_in_use(report.config):
        sheet = Sheet()
        draw_histogram(
            sheet.add_axes(TICKS, 3 * GAP, _CHART_WIDTH, _CHART_HEIGHT),
            metric,
            regions,
            report.config,
        )
        alt = f"Histogram of the {name_of(metric)}, kept and rejected regions stacked"
        histograms.append((metric, _chart(sheet, alt)))
    return Pictures(
        overview=overview,
        detail=None if places else detail,
        swatches={reason: _png(swatch) for reason, swatch in seen.picture.swatches.items()},
        histograms=histograms,
        sweeps=[_sweep(scene, regions, sweep) for sweep in sweeps],
        galleries=[
            _gallery(scene, regions, report, reason, gallery)
            for reason, gallery in galleries.items()
        ],
        seams=seams,
        places=places,
        scale=scale,
    )


def _overview(scene: Scene, seen: Overview, alt: str) -> tuple[Picture, Picture | None]:
    """The label image with a frame, and a part of it closer where it is large and not counted."""
    pixels = seen.picture.pixels
    for place in seen.places:
        pixels = frame(pixels, seen.view, place.view)
    detail = None
    if len(seen.places) == 1:
        place = seen.places[0]
        alt_of_detail = f"A closer look at the frame: {where(place.view)}"
        detail = _picture(scene, place.picture.pixels, alt_of_detail)
    return _picture(scene, pixels, alt), detail


def _places(scene: Scene, seen: Overview) -> Iterator[PlacePicture]:
    """The closer looks of what was counted."""
    for number, place in enumerate(seen.places, start=1):
        alt = f"{heading_of(place, number)}: {where(place.view)}"
        top, left = (
            100 * (part.first + part.length / 2 - whole.first) / whole.length
            for part, whole in zip(place.view, seen.view, strict=True)
        )
        yield PlacePicture(_picture(scene, place.picture.pixels, alt), left, top)


def where(view: View) -> str:
    """The part that a view shows: ``rows 0 to 480, columns 960 to 1,440``."""
    ends = (f"{axis.first:,} to {axis.first + axis.length:,}" for axis in view)
    return "rows {}, columns {}".format(*ends)


def _scale(bins: Bins) -> Picture:
    sheet = Sheet()
    add_key(sheet, bins, "share", 0, 0)
    return _chart(sheet, "Which colour is which share: the darker, the more was rejected")


def _seams(scene: Scene, regions: pd.DataFrame) -> SeamPictures:
    seen = see_all(scene, regions)
    entries = seen.picture.seams
    counts = ", ".join(f"{entry.n:,} {entry.name}" for entry in entries)
    alt = f"The label image and what the merge did: {counts}"
    overview, detail = _overview(scene, seen, alt)
    return SeamPictures(overview, detail, [(_png(entry.swatch), entry) for entry in entries])


def _sweep(scene: Scene, regions: pd.DataFrame, sweep: Sweep) -> SweepPictures:
    bound = criteria.test_of(sweep.field).bound
    numbers = choose_strip(sweep.level, bound, sweep.today, sweep.decided, _STRIP)
    sheet = Sheet()
    draw_survivors(sheet.add_axes(TICKS, GAP, _CHART_WIDTH, 1.3 * _CHART_HEIGHT), sweep)
    value = "off" if sweep.today is None else brief(sweep.today)
    alt = f"Regions kept against {name_of(sweep.field)}, now {value}: {sweep.kept_today:,}"
    if sweep.transcripts_today is not None:
        alt += f", with {in_percent(sweep.transcripts_today)} of the transcripts"
    crops = _crops(scene, regions, numbers, sweep.level[numbers - 1], sweep.unit)
    return SweepPictures(sweep.field, value, sweep.note, _chart(sheet, alt), crops)


def _gallery(
    scene: Scene, regions: pd.DataFrame, report: FilterReport, reason: str, gallery: Gallery
) -> GalleryPictures:
    tests = criteria.tests_of(reason)
    metric = tests[0].metric if tests else ""
    rejected, nearly = (
        _crops(scene, regions, part, regions.loc[part, metric] if metric else None, metric)
        for part in gallery
    )
    return GalleryPictures(reason, rejected, nearly, rule_of(tests, regions, report.config))


def _crops(
    scene: Scene,
    regions: pd.DataFrame,
    numbers: Numbers,
    values: Iterable[float] | None,
    metric: str,
) -> list[Crop]:
    side = crop_side(regions, numbers)
    rows = regions.loc[numbers, [*BOX, "label", "reason"]].itertuples()
    texts = [""] * len(numbers) if values is None else [value_of(metric, v) for v in values]
    crops = []
    for (number, *box, label, reason), text in zip(rows, texts, strict=True):
        pixels = crop_picture(scene, number, tuple(box), side)
        what = "kept" if label else human(reason).lower()
        alt = f"Region {number}, {what}"
        crops.append(Crop(_picture(scene, pixels, alt, _CROP), text, number, bool(label)))
    return crops


def _picture(scene: Scene, pixels: Pixels, alt: str, side: int = 0) -> Picture:
    data = encoded(pixels, photo=scene.tissue is not None)
    height, width = pixels.shape[:2]
    return Picture(data, alt, side or width, side or height)


def encoded(pixels: Pixels, photo: bool = False) -> bytes:
    """As a file: a photograph as JPEG, all else as PNG."""
    return _jpeg(pixels) if photo else _png(pixels)


def _chart(sheet: Sheet, alt: str) -> Picture:
    figure = sheet.finish(trimmed=True)
    width, height = np.ceil(figure.get_size_inches() * _CSS_PIXELS).astype(int).tolist()
    return Picture(to_svg(figure), alt, width, height)


def _png(pixels: Pixels) -> bytes:
    """PNG, with a palette where there are few colours, as in most of the pictures."""
    written = io.BytesIO()
    image = Image.fromarray(pixels)
    few = image.quantize(256, dither=Image.Dither.NONE)
    exact = np.array_equal(np.asarray(few.convert("RGB")), pixels)
    (few if exact else image).save(written, "PNG", optimize=True)
    return written.getvalue()


def _jpeg(pixels: Pixels) -> bytes:
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "JPEG", quality=82, subsampling=0)
    return written.getvalue()
