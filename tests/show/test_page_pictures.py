"""The pictures of the report page agree with the run that they show."""

import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from drawing import OFF
from figures import faults
from page_samples import cells, filtered
from PIL import Image
from slides import slide

from postseg import PostSegmentation
from postseg.filtering.sweep import Sweep
from postseg.show.charts import draw_survivors, value_of
from postseg.show.page.pictures import illustrate
from postseg.show.pictures import set_scene
from postseg.show.sheet import GAP, TICKS, Sheet

pytestmark = [
    pytest.mark.filterwarnings("ignore:None of the"),
    pytest.mark.filterwarnings("ignore:The masks hold no cells"),
]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr("postseg.show.pictures._LONG_SIDE", 400)


class OwnReason(PostSegmentation):
    def rejections(self, regions):
        return super().rejections(regions).assign(own_reason=regions["area"] == 132)


def sweep_of(post, field="max_convexity_deficit", today=0.2):
    value, kept = np.array([0.1, 0.2, 0.4]), np.array([1, post.filter_report.passed, 3])
    level = post.regions["convexity_deficit"].to_numpy()
    decided = (~post.regions["reason"].isin(["", "high_convexity_deficit"])).to_numpy()
    return Sweep(field, value, kept, today, post.filter_report.passed, level, decided)


def pictures_of(post, image=None, sweeps=()):
    scene = set_scene(post._held.last.measured.runs, post.regions, image)
    return illustrate(scene, post.regions, post.filter_report, sweeps)


@pytest.fixture(scope="module")
def post():
    return filtered(cells(60), OwnReason)


@pytest.fixture(scope="module")
def shown(post):
    return pictures_of(post, sweeps=[sweep_of(post)])


def every_picture(pictures):
    groups = [*pictures.sweeps, *pictures.galleries]
    crops = [crop for part in groups for name in part._fields for crop in as_crops(part, name)]
    charts = [picture for _, picture in pictures.histograms]
    charts += [sweep.chart for sweep in pictures.sweeps]
    plain = [pictures.overview, *([pictures.detail] if pictures.detail else [])]
    return plain, charts, crops


def as_crops(part, name):
    value = getattr(part, name)
    return value if isinstance(value, list) else []


def test_there_is_a_gallery_for_each_reason_that_occurred(post, shown):
    occurred = [reason for reason, n in post.filter_report.rejected.items() if n]
    assert [gallery.reason for gallery in shown.galleries] == occurred
    assert [*shown.swatches] == ["", *occurred]
    assert "own_reason" in occurred
    for gallery in shown.galleries:
        numbers = [crop.region for crop in gallery.rejected]
        assert set(post.regions.loc[numbers, "reason"]) == {gallery.reason}
        assert all(crop.kept for crop in gallery.nearly)
        assert (post.regions.loc[[crop.region for crop in gallery.nearly], "label"] > 0).all()


def test_each_kept_region_is_under_one_reason(shown):
    nearly = [crop.region for gallery in shown.galleries for crop in gallery.nearly]
    assert len(nearly) == len({*nearly}) > 15


def test_a_crop_carries_the_value_of_its_region(post, shown):
    metric = {"tiny_artifacts": "area", "too_small": "area"}
    for gallery in shown.galleries:
        for crop in (*gallery.rejected, *gallery.nearly):
            name = metric.get(gallery.reason, "convexity_deficit")
            value = value_of(name, post.regions.loc[crop.region, name])
            assert crop.value == ("" if gallery.reason == "own_reason" else value)
            assert crop.picture.alt.startswith(f"Region {crop.region}, ")


def test_there_is_a_histogram_for_each_metric_in_use(shown):
    assert [metric for metric, _ in shown.histograms] == ["area", "convexity_deficit"]
    assert "convexity deficit" in shown.histograms[1][1].alt


def test_a_sweep_tells_todays_value_and_what_it_keeps(post, shown):
    (sweep,) = shown.sweeps
    assert (sweep.field, sweep.value) == ("max_convexity_deficit", "0.2")
    assert sweep.chart.alt.endswith(f"now 0.2: {post.filter_report.passed}")
    kept = [crop.kept for crop in sweep.crops]
    assert kept == sorted(kept, reverse=True)
    assert len(set(kept)) == 2


def test_a_threshold_that_is_off_says_so(post):
    (sweep,) = pictures_of(post, sweeps=[sweep_of(post, today=None)]).sweeps
    assert sweep.value == "off"
    assert " off: " in sweep.chart.alt


def test_the_overview_tells_the_counts_of_the_report(post, shown):
    report = post.filter_report
    assert f"{report.passed} of {report.total} regions kept" in shown.overview.alt


def test_pictures_have_the_size_that_they_tell_and_charts_too(shown):
    plain, charts, crops = every_picture(shown)
    assert len(charts) == 3
    assert len(crops) > 30
    for picture in plain:
        assert Image.open(io.BytesIO(picture.data)).size == (picture.width, picture.height)
    for crop in crops:
        width, height = Image.open(io.BytesIO(crop.picture.data)).size
        assert width == height >= 100
        assert crop.picture.width == crop.picture.height
    for chart in charts:
        box = ET.fromstring(chart.data).get("viewBox").split()
        assert float(box[2]) / float(box[3]) == pytest.approx(chart.width / chart.height, rel=0.02)
    every = [*plain, *charts, *(crop.picture for crop in crops)]
    assert all(re.match(r"[A-Z]\w", picture.alt) for picture in every)


def test_swatches_are_in_the_picture(shown):
    def colours(data):
        counts = Image.open(io.BytesIO(data)).convert("RGB").getcolors()
        return {colour for _, colour in counts}

    whole = colours(shown.overview.data)
    for data in shown.swatches.values():
        assert colours(data) <= whole


def test_tissue_is_stored_as_photographs_are(post):
    image = np.random.default_rng(0).integers(0, 255, (*post.masks.shape, 3)).astype(np.uint8)
    plain, _, crops = every_picture(pictures_of(post, image))
    kinds = {Image.open(io.BytesIO(p.data)).format for p in plain}
    kinds |= {Image.open(io.BytesIO(crop.picture.data)).format for crop in crops}
    assert kinds == {"JPEG"}


def test_a_large_mask_has_a_closer_look_and_says_where():
    masks = np.kron(np.arange(1, 6401).reshape(80, 80), np.pad(np.ones((8, 8), int), 1))
    detail = pictures_of(filtered(masks, **OFF)).detail
    match = re.search(r"rows (\d+) to (\d+), columns (\d+) to (\d+)", detail.alt)
    first_row, last_row, first_col, last_col = map(int, match.groups())
    assert last_row - first_row == last_col - first_col == 96
    assert (detail.width, detail.height) == (480, 480)


def test_a_small_mask_has_none(shown):
    assert shown.detail is None
    assert (shown.places, shown.scale) == ([], None)


def test_a_slide_shows_shares_with_their_scale_and_the_worst_places(monkeypatch):
    monkeypatch.setattr("postseg.show.overview._APART", 60)
    runs, table = slide((4000, 2800), pitch=20)
    report = filtered(cells(10)).filter_report
    report = replace(report, rejected=dict.fromkeys(report.rejected, 0))
    shown = illustrate(set_scene(runs, table), table, report, [])
    share = f"of all {100 * (table['reason'] != '').mean():.1f}%"
    assert shown.overview.alt.endswith(share)
    assert shown.detail is None
    box = ET.fromstring(shown.scale.data).get("viewBox").split()
    assert float(box[2]) / float(box[3]) == pytest.approx(
        shown.scale.width / shown.scale.height, rel=0.02
    )
    assert [place.picture.alt[:2] for place in shown.places] == ["1:", "2:", "3:"]
    overview = np.asarray(Image.open(io.BytesIO(shown.overview.data)).convert("RGB"))
    for place in shown.places:
        match = re.search(
            r": rows ([\d,]+) to ([\d,]+), columns ([\d,]+) to ([\d,]+)$", place.picture.alt
        )
        top, bottom, left, right = (int(end.replace(",", "")) for end in match.groups())
        assert place.top == pytest.approx(100 * (top + bottom) / 2 / 4000)
        assert place.left == pytest.approx(100 * (left + right) / 2 / 2800)
        row, col = top // 10, left // 10  # the frame is drawn there
        assert (overview[row - 1 : row + 3, col - 1 : col + 3] == 40).all(axis=2).any()


@pytest.mark.parametrize("masks", [np.zeros((5, 6), int), np.zeros((0, 4), int)])
def test_without_regions_there_is_a_picture_and_no_gallery(masks):
    pictures = pictures_of(filtered(masks))
    assert pictures.galleries == []
    assert [*pictures.swatches] == [""]
    assert "0 of 0 regions" in pictures.overview.alt


def test_charts_have_room_for_large_counts():
    n = np.zeros(300_000)
    sweep = Sweep("max_area", np.array([1.0, 9]), np.array([5, 300_000]), 5.0, 7, n, n.astype(bool))
    sheet = Sheet()
    draw_survivors(sheet.add_axes(TICKS, GAP, 400, 247), sweep)
    assert faults(sheet.finish()) == []
