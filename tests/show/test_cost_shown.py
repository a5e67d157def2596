"""What a threshold costs in transcripts, in figures and on the page."""

import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from counted import counted
from figures import charts, faults, texts
from page_samples import audit, cells, filtered, page_of, read, text

from postseg.filtering.sweep import Sweep
from postseg.show import figures, galleries
from postseg.show.charts import COUNTED, INK, draw_survivors, to_svg
from postseg.show.page.pictures import illustrate
from postseg.show.pictures import set_scene
from postseg.show.sheet import GAP, TICKS, Sheet


@pytest.fixture(scope="module")
def post():
    return counted(filtered(cells(60)))


@pytest.fixture(scope="module")
def tree(post):
    return read(page_of(post))


def survivors(today=40.0, share=0.625, shares=(0, 0.25, 0.625, 0.75)):
    value, kept = np.array([10.0, 20, 40, 80]), np.array([0, 3, 7, 9])
    level, decided = np.arange(12.0), np.zeros(12, bool)
    return Sweep("max_area", value, kept, today, 7, level, decided, np.array(shares), share, 0.125)


def chart(sweep, width=480):
    sheet = Sheet()
    axes = sheet.add_axes(2 * TICKS, 3 * GAP, width, 247)  # that of a page
    draw_survivors(axes, sweep)
    return axes, sheet.finish()


# ---- the chart


def test_a_second_line_is_the_share_all_regions_being_as_high_as_all_transcripts():
    axes, figure = chart(survivors())
    (line,) = (line for line in axes.lines if line.get_label() == "transcripts in cells")
    np.testing.assert_array_equal(line.get_ydata(), 12 * np.array([0, 0.25, 0.625, 0.75]))
    (right,) = axes.child_axes
    figure.draw_without_rendering()
    assert right.get_ylabel() == "transcripts in cells"
    assert [label.get_text() for label in right.get_yticklabels()] == [
        *("0%", "25%", "50%", "75%", "100%")
    ]
    heights = axes.transData.transform([(10, 12), (10, 0)])[:, 1]
    np.testing.assert_allclose(right.transData.transform([(0, 1), (0, 0)])[:, 1], heights)
    assert axes.get_ylim()[1] > 12
    assert line.get_color() == right.yaxis.label.get_color() == COUNTED != INK


def test_todays_share_is_marked():
    axes, _ = chart(survivors())
    marks = [line.get_xydata().tolist() for line in axes.lines if line.get_marker() in ("o", "D")]
    assert marks == [[[40, 7]], [[40, 7.5]]]
    assert [text.get_text() for text in axes.texts] == ["now 40: 7 kept", "62.5% of transcripts"]


def test_an_off_threshold_has_a_line_and_no_mark():
    axes, _ = chart(survivors(today=None))
    assert [line.get_label() for line in axes.lines] == ["kept", "transcripts in cells"]
    assert len(axes.texts) == 0


@pytest.mark.parametrize("width", [400, 1532])
@pytest.mark.parametrize("today", [None, 0.5, 45, 46, 3000])
def test_nothing_lies_on_anything_and_the_right_axis_is_in_the_figure(today, width):
    axes, figure = chart(survivors(today, share=1.0, shares=(0, 0.5, 1, 1)), width)
    assert faults(figure) == []
    (right,) = axes.child_axes
    assert axes.bbox.x1 < right.get_tightbbox().x1 < figure.bbox.x1
    top = axes.transData.transform((0, 12))[1]  # of the lines
    for label in axes.texts:
        box = label.get_window_extent()
        assert top < box.y0
        assert axes.bbox.x0 <= box.x0 < box.x1 <= axes.bbox.x1


def test_a_sweep_of_no_regions():
    nothing = np.zeros(0)
    kinds = nothing.astype(int), nothing.astype(bool)
    empty = Sweep("max_area", nothing, kinds[0], 5.0, 0, nothing, kinds[1], nothing, 0.0, 0.0)
    _, figure = chart(empty)
    assert faults(figure) == []


def test_without_counts_there_is_one_line_and_one_axis():
    axes, _ = chart(survivors()._replace(transcripts=None, transcripts_today=None, cost=None))
    assert [line.get_label() for line in axes.lines if line.get_ls() == "-"] == ["kept"]
    assert axes.child_axes == []
    assert axes.get_ylim()[1] == pytest.approx(1.15 * 12)


def contrast(one, other):
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_its_colour_is_legible_in_light_and_dark():
    svg = to_svg(chart(survivors())[1]).decode()
    ET.fromstring(svg)  # well formed
    (dark,) = set(re.findall(rf'"fill: {COUNTED}"\]\{{fill:(#\w+)', svg))
    assert f'[style*="stroke: {COUNTED}"]{{stroke:{dark}' in svg
    assert min(contrast(COUNTED, "#fffefb"), contrast(dark, "#1c2024")) > 4.5
    assert min(contrast(COUNTED, "#ffffff"), contrast(COUNTED, INK)) > 2


# ---- figures


def test_a_sweep_says_what_it_costs(post):
    run, scene = post._scene(None)
    sweep = post._sweep(run, "max_convexity_deficit")
    alone = (post.regions.filter(like="margin_") < 0).sum(axis=1) == 1
    alone &= post.regions["margin_high_convexity_deficit"] < 0
    lost = post.regions["transcript_counts"][alone].sum()
    total = post.filter_report.transcripts.total
    assert sweep.cost == lost / total > 0.05
    figure = galleries.draw_sweep(scene, run.regions, sweep)
    title, note = texts(figure)[:2]
    share = f"{100 * post.filter_report.transcripts.share:.1f}%"
    assert title.endswith(f"regions kept now, {share} of the transcripts in cells")
    assert note == (
        f"It costs {100 * lost / total:.1f}% of the transcripts: those in regions that it alone "
        "rejects."
    )
    assert charts(figure)["max convexity deficit"].child_axes
    assert faults(figure) == []


def test_a_threshold_that_rejects_nothing_alone_costs_nothing(post):
    sweep = post._sweep(post._last_run(), "min_absolute_area")
    assert sweep.cost == 0
    assert sweep.note == "It rejects nothing that other tests keep."


def test_the_picture_of_the_filter_tells_the_share(post):
    run, scene = post._scene(None)
    report = run.report
    title = texts(figures.draw_filter(scene, run.regions, report.config))[0]
    with_share = figures.draw_filter(scene, run.regions, report.config, report.transcripts)
    share = f"{100 * report.transcripts.share:.1f}%"
    assert texts(with_share)[0] == f"{title}, {share} of the transcripts in cells"
    assert faults(with_share) == []


def test_so_does_the_debug_picture(tmp_path, monkeypatch):
    found = []
    original = figures.draw_filter
    monkeypatch.setattr(figures, "draw_filter", lambda *a: found.append(a[3]) or original(*a))
    post = filtered(cells(30))
    post.save_debug = tmp_path / "debug.png"
    counted(post)
    assert found == [post.filter_report.transcripts]
    assert found[0] is not None


# ---- the page


def test_the_share_is_the_second_answer(post, tree):
    found = post.filter_report.transcripts
    (answer,) = tree.iterfind(".//p[@class='answer second']")
    assert text(answer) == (
        f"{100 * found.share:.1f}% of the transcripts in cells {found.in_cells:,} of "
        f"{found.total:,}"
    )
    bars = tree.iterfind(".//header/div/i")
    report = post.filter_report
    assert [bar.get("style") for bar in bars] == [
        f"width:{report.percent_passed:.1f}%",
        f"width:{100 * found.share:.1f}%",
    ]


def test_each_reason_has_its_share_and_they_add_up(post, tree):
    found = post.filter_report.transcripts
    rows = [
        [text(cell) for cell in row]
        for part in ("tbody", "tfoot")
        for row in tree.iterfind(f".//table[@class='reasons']/{part}/tr")
    ]
    assert [text(cell) for cell in tree.find(".//table[@class='reasons']/thead/tr")] == [
        *("Outcome", "Regions", "Share", "Transcripts")
    ]
    shares = [float(row[3].rstrip("%")) for row in rows]
    assert shares[0] == pytest.approx(100 * found.share, abs=0.05)
    costs = [100 * n / found.total for n in found.rejected.values() if n]
    assert sorted(shares[1:-1]) == pytest.approx(sorted(costs), abs=0.06)
    assert shares[-1] == pytest.approx(100 * found.in_regions / found.total, abs=0.05)


def test_every_rejected_region_tells_its_count(post, tree):
    columns = audit(tree)["columns"]
    rejected = post.regions[post.regions["label"] == 0]
    assert columns["transcript_counts"] == rejected["transcript_counts"].tolist()
    assert [*columns][:4] == ["region", "source_label", "reason", "transcript_counts"]
    heads = [head.get("data-key") for head in tree.iterfind(".//table[@class='audit']//th")]
    assert heads == [*columns]
    json.dumps(columns)  # plain numbers


def test_the_page_asks_what_a_threshold_costs(tree):
    (lead,) = tree.iterfind(".//section[@id='sweeps']/p")
    assert text(lead).endswith("what this threshold costs in transcripts.")


def test_a_sweep_on_the_page_has_both_lines_and_says_both_numbers(post):
    sweep = post._sweep(post._last_run(), "max_convexity_deficit")
    scene = set_scene(post._last_run().measured.runs, post.regions, None)
    (shown,) = illustrate(scene, post.regions, post.filter_report, [sweep]).sweeps
    report = post.filter_report
    share = f"{100 * report.transcripts.share:.1f}%"
    assert shown.chart.alt.endswith(f": {report.passed}, with {share} of the transcripts")
    assert shown.note.startswith("It costs ")
    assert COUNTED.encode() in shown.chart.data


def test_a_page_without_counts_speaks_of_none():
    page = page_of(filtered(cells(60)))
    said = re.sub(r"<(style|script)[ >].*?</\1>", "", page, flags=re.DOTALL)
    assert "ranscript" not in said
    assert "transcript_counts" not in audit(read(page))["columns"]
