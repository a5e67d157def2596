"""The pictures of the report page: what the figures show, in parts that the page lays out."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
import pandas as pd
from PIL import Image

from postseg._support.words import brief, human, in_percent, name_of, out_of
from postseg.filtering import criteria
from postseg.filtering.report import FilterReport
from postseg.filtering.sweep import Sweep
from postseg.show.charts import draw_histogram, draw_survivors, metrics_in_use, to_svg, value_of
from postseg.show.figures import closer_look
from postseg.show.galleries import rule_of
from postseg.show.page.render import (
    Crop,
    GalleryPictures,
    Picture,
    Pictures,
    SeamPictures,
    SweepPictures,
)
from postseg.show.paint import Pixels
from postseg.show.pictures import FilterPicture, Scene, crop_picture, filter_picture, frame, whole
from postseg.show.selection import BOX, Numbers, choose_gallery, choose_strip, crop_side
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
    overview, detail, shown = _overview(
        scene, regions, f"The label image: {out_of(report.passed, report.total)} kept"
    )
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
        detail=detail,
        swatches={reason: _png(swatch) for reason, swatch in shown.swatches.items()},
        histograms=histograms,
        sweeps=[_sweep(scene, regions, sweep) for sweep in sweeps],
        galleries=[
            _gallery(scene, regions, report, reason)
            for reason, count in report.rejected.items()
            if count
        ],
        seams=seams,
    )


def views_of(scene: Scene, regions: pd.DataFrame) -> list[View]:
    """What the page shows of the label image: all of it, and a part where it is large."""
    view = whole(scene.runs.shape)
    closer = closer_look(regions, view, scene.seams)
    return [view] if closer is None else [view, closer]


def _overview(
    scene: Scene, regions: pd.DataFrame, alt: str
) -> tuple[Picture, Picture | None, FilterPicture]:
    """The label image, a part of it closer where it is large, and the first as it was painted."""
    view, *closer_looks = views_of(scene, regions)
    shown = filter_picture(scene, view)
    if not closer_looks:
        return _picture(scene, shown.pixels, alt), None, shown
    (closer,) = closer_looks
    ends = (f"{axis.first:,} to {axis.first + axis.length:,}" for axis in closer)
    place = "A closer look at the frame: rows {}, columns {}".format(*ends)
    detail = _picture(scene, filter_picture(scene, closer).pixels, place)
    return _picture(scene, frame(shown.pixels, view, closer), alt), detail, shown


def _seams(scene: Scene, regions: pd.DataFrame) -> SeamPictures:
    overview, detail, shown = _overview(scene, regions, "")
    counts = ", ".join(f"{entry.n:,} {entry.name}" for entry in shown.seams)
    return SeamPictures(
        overview._replace(alt=f"The label image and what the merge did: {counts}"),
        detail,
        [(_png(entry.swatch), entry) for entry in shown.seams],
    )


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
    scene: Scene, regions: pd.DataFrame, report: FilterReport, reason: str
) -> GalleryPictures:
    numbers = choose_gallery(regions, report.config, reason, _CELLS)
    tests = criteria.tests_of(reason)
    metric = tests[0].metric if tests else ""
    rejected, nearly = (
        _crops(scene, regions, part, regions.loc[part, metric] if metric else None, metric)
        for part in numbers
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
    figure = sheet.finish()
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
