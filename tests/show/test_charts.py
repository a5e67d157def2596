"""The charts: what their bars, lines and colours say."""

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from drawing import OFF
from figures import charts, faults, lines, rendered
from matplotlib.colors import to_hex
from matplotlib.patches import StepPatch
from page_samples import ALL_ON, filtered

from postseg import FilterConfig, PostSegmentation
from postseg.filtering.config import THRESHOLDS
from postseg.filtering.criteria import TESTS
from postseg.filtering.metrics import METRIC
from postseg.filtering.sweep import Sweep
from postseg.show.charts import (
    FAINT,
    INK,
    draw_histogram,
    draw_survivors,
    metrics_in_use,
    name_of,
    to_svg,
    value_of,
)
from postseg.show.palette import KEPT, STYLES, styles_of
from postseg.show.sheet import GAP, TICKS, Sheet

REASONS = [*STYLES]
TYPICAL = {name: metric.typical for name, metric in METRIC.items() if metric.typical}


def chart(draw, *args):
    """The axes of one chart, and its figure."""
    sheet = Sheet()
    axes = sheet.add_axes(2 * TICKS, 3 * GAP, 480, 170)
    draw(axes, *args)
    return axes, sheet.finish()


def histogram(metric, regions, **thresholds):
    config = FilterConfig(**(thresholds or {**ALL_ON, "max_area": 300}))
    return chart(draw_histogram, metric, regions, config)[0]


def table(values, metric="solidity", reasons=("",)):
    rows = np.resize(np.array(reasons, dtype=object), len(values))
    areas = np.asarray(values) if metric == "area" else np.full(len(values), 100)
    return pd.DataFrame({"area": areas, metric: values, "reason": rows})


def bars(axes):
    """Height of each bar, by reason, and the edges."""
    heights = {}
    for patch in stacked(axes):
        top, edges, bottom = patch.get_data()
        heights[patch.get_label()] = top - bottom
    return heights, edges


def stacked(axes):
    return [patch for patch in axes.patches if isinstance(patch, StepPatch)]


class OwnReason(PostSegmentation):
    def rejections(self, regions):
        return super().rejections(regions).assign(own=regions["area"] == 132)


# ---- histograms: counts


METRICS = [*dict.fromkeys(test.metric for test in TESTS)]


@pytest.fixture(scope="module")
def regions():
    return filtered(cls=OwnReason).regions


@pytest.mark.parametrize("metric", METRICS)
def test_bars_count_the_regions_of_each_reason(metric, regions):
    heights, edges = bars(histogram(metric, regions))
    assert np.isfinite(edges).all()
    finite = regions[np.isfinite(regions[metric])]
    expected = finite["reason"].replace("", "kept").value_counts().to_dict()
    assert {reason: height.sum() for reason, height in heights.items()} == expected
    assert len(expected) > 3


def test_bars_stand_on_each_other_kept_below(regions):
    axes = histogram("area", regions)
    assert stacked(axes)[0].get_label() == "kept"
    bottom = 0
    for patch in stacked(axes):
        top, _, baseline = patch.get_data()
        np.testing.assert_array_equal(baseline, bottom)
        bottom = top
    assert axes.get_ylim()[0] == 0
    assert bottom.max() < axes.get_ylim()[1]


def test_areas_have_bins_of_whole_pixels():
    values = np.random.default_rng(0).integers(3, 400, 3000)
    _, edges = bars(histogram("area", table(values, "area")))
    assert ((edges - 0.5) % 1 == 0).all()
    assert len(set(np.diff(edges))) == 1


def test_far_values_are_counted_in_the_last_bin():
    values = np.append(np.full(500, 50) + np.arange(500) % 30, [100_000, 200_000])
    heights, edges = bars(histogram("area", table(values, "area"), min_area=None))
    assert edges[-1] < 1000
    assert heights["kept"].sum() == 502
    assert heights["kept"][-1] == 2


def test_most_of_the_axis_is_for_most_of_the_values():
    random = np.random.default_rng(0)
    values = np.append(random.uniform(0.4, 0.6, 2000), [0.001, 0.002, *[0.95] * 5])
    axes = histogram("extent", table(values, "extent"), **OFF, max_extent=0.6)
    near = np.quantile(values, (0.01, 0.99))
    assert np.ptp(axes.get_xlim()) < 1.7 * np.ptp(near)
    assert [text.get_text() for text in axes.texts[-2:]] == ["← 2 beyond", "5 beyond →"]
    assert bars(axes)[0]["kept"].sum() == 2007


def test_a_threshold_far_from_all_values_leaves_no_half_of_the_axis_empty():
    values = np.arange(500, 1000)
    axes = histogram("area", table(values, "area"), **OFF | {"max_area": 2500})
    assert axes.get_xlim()[1] < 1100
    assert [text.get_text() for text in axes.texts] == ["max_area 2,500 →"]


@pytest.mark.parametrize("values", [[], [np.nan] * 3, [0.5], [0.0, 0.0], [0.0, np.nan, 1.0]])
@pytest.mark.parametrize("metric", ["solidity", "area"])
def test_few_or_undefined_values(metric, values):
    if metric == "area":
        values = np.nan_to_num(np.array(values), nan=7)
    config = FilterConfig(min_solidity=0.4)
    axes, figure = chart(draw_histogram, metric, table(values, metric), config)
    assert sum(bars(axes)[0]["kept"]) == np.isfinite(values).sum()
    assert faults(figure) == []


# ---- histograms: colours


@pytest.mark.parametrize("reasons", [["", *REASONS], ["", "own", "another", *REASONS]])
def test_bars_have_the_colour_and_pattern_of_their_reason(reasons):
    axes = histogram("solidity", table(np.linspace(0, 1, 40), reasons=reasons))
    patches = {patch.get_label(): patch for patch in stacked(axes)}
    assert to_hex(patches.pop("kept").get_facecolor())[1:].upper() == KEPT
    assert [*patches] == [*styles_of(reasons)]
    looks = set()
    for reason, (colour, pattern) in styles_of(reasons).items():
        patch = patches[reason]
        assert to_hex(patch.get_facecolor())[1:].upper() == colour
        assert bool(patch.get_hatch()) == bool(pattern)
        assert to_hex(patch.get_edgecolor()) == "#ffffff"  # of the hatch
        looks.add((colour, patch.get_hatch()))
    assert len(looks) == len(reasons) - 1


def test_a_hatch_lets_white_through():
    def coloured(reason):
        page = rendered(histogram("solidity", table([0.5] * 9, reasons=[reason])).figure)
        return (np.abs(page.astype(int) - [0xEE, 0x33, 0x77]).max(axis=-1) < 40).sum()

    assert 500 < coloured("too_concave") < 0.9 * coloured("high_convexity_deficit")


# ---- histograms: thresholds and typical values


def positions(axes):
    """All threshold lines with their labels, in ascending order."""
    found = [(x, line.get_label()) for line in axes.lines for x in line.get_xdata()[:1]]
    return sorted(found)


@pytest.mark.parametrize(
    ("min_area", "pixels"), [("median", 60), ("median_div2", 30), (25, 35), (101, 101)]
)
def test_min_area_is_drawn_at_the_pixels_it_comes_to(min_area, pixels):
    regions = table([10, 60, 110], "area")
    axes = histogram("area", regions, min_area=min_area, min_absolute_area=None)
    assert positions(axes) == [(pixels, "min_area")]
    assert [text.get_text() for text in axes.texts] == [f"min_area {pixels}"]


def test_the_standard_deviations_are_two_lines():
    areas = np.array([90, 95, 100, 105, 110])
    only = {"min_area": None, "min_absolute_area": None}
    lower, upper = (areas.mean() + sign * 2 * areas.std() for sign in (-1, 1))
    axes = histogram("area", table(areas, "area"), **only, area_std_filter=2)
    assert [label for _, label in positions(axes)] == ["area_std_filter"] * 2
    assert [x for x, _ in positions(axes)] == pytest.approx([lower, upper])


def test_no_line_lies_below_zero():
    only = {"min_area": None, "min_absolute_area": None}
    axes = histogram("area", table([1, 1, 1, 200], "area"), **only, area_std_filter=3)
    assert [label for _, label in positions(axes)] == ["area_std_filter"]
    assert axes.get_xlim()[0] >= -0.5


@pytest.mark.parametrize(
    ("metric", "thresholds", "expected"),
    [
        (
            "solidity",
            {"min_solidity": 0.7, "max_solidity": 0.98},
            [(0.7, "min_solidity"), (0.98, "max_solidity")],
        ),
        (
            "area",
            {"min_absolute_area": 9, "max_area": 290},
            [(9, "min_absolute_area"), (50, "min_area"), (290, "max_area")],
        ),
    ],
)
def test_thresholds_are_lines_with_their_values_above(metric, thresholds, expected):
    values = np.linspace(20, 180, 9) if metric == "area" else np.linspace(0.3, 0.9, 20)
    regions = table(values, metric)
    axes = histogram(metric, regions, **thresholds)
    assert positions(axes) == expected
    assert [text.get_text() for text in axes.texts] == [f"{b} {value:g}" for value, b in expected]
    low, high = axes.get_xlim()
    assert all(low <= value <= high for value, _ in expected)


def test_a_threshold_far_beyond_all_regions_is_told_and_does_not_press_them_together():
    axes = histogram("area", table([90, 100, 110], "area"), max_area=20_000)
    assert {label for _, label in positions(axes)} == {"min_absolute_area", "min_area"}
    assert "max_area 20,000 →" in [text.get_text() for text in axes.texts]
    assert axes.get_xlim()[1] < 150


@pytest.mark.parametrize("metric", METRICS)
def test_the_typical_range_is_shaded_and_said_so(metric, regions):
    axes = histogram(metric, regions)
    shades = [patch for patch in axes.patches if patch.get_label() == "typical"]
    assert axes.get_xlabel().startswith(name_of(metric))
    assert ("typical" in axes.get_xlabel()) == (metric in TYPICAL) == bool(shades)
    for shade in shades:
        across = shade.get_path().vertices @ np.diag([1, 0])
        corners = shade.get_patch_transform().transform(across)[:, 0]
        assert (corners.min(), corners.max()) == pytest.approx(TYPICAL[metric])


def test_metrics_are_in_use_when_a_threshold_is():
    assert metrics_in_use(FilterConfig()) == ["area", "convexity_deficit"]
    assert metrics_in_use(FilterConfig(**dict.fromkeys(THRESHOLDS), border="drop")) == []
    assert metrics_in_use(FilterConfig(**ALL_ON)) == [
        *("area", "eccentricity", "solidity", "extent"),
        *("compactness", "convexity_deficit", "perimeter_area_ratio"),
    ]
    assert metrics_in_use(FilterConfig(min_solidity=0.0))[1] == "solidity"


@pytest.mark.filterwarnings("ignore:The masks hold")
def test_without_regions_there_are_no_lines_that_follow_them():
    nothing = np.zeros((9, 9), int)
    assert lines(charts(filtered(nothing, min_absolute_area=None).plot_filter())["area"]) == {}
    deviations = filtered(nothing, area_std_filter=2.5).plot_filter()
    assert lines(charts(deviations)["area"]) == {"min_absolute_area": 50}


def test_what_lies_beyond_the_axis_is_counted():
    axes = histogram("area", table([*range(90, 111)] * 20 + [5000, 6000], "area"), max_area=120)
    assert axes.texts[-1].get_text() == "2 beyond →"
    assert axes.get_xlim()[1] < 500
    assert "beyond" not in histogram("area", table([90, 100], "area")).texts[-1].get_text()


# ---- survivors


def survivors(today=40.0, field="max_area", kept_today=7):
    value = np.array([10.0, 20, 40, 80])
    kept = np.array([0, 3, 7, 9])
    level = np.arange(12.0)
    return Sweep(field, value, kept, today, kept_today, level, np.zeros(12, bool))


def test_the_curve_is_the_sweep():
    axes, figure = chart(draw_survivors, survivors())
    curve = next(line for line in axes.lines if line.get_label() == "kept")
    np.testing.assert_array_equal(curve.get_xydata(), [[10, 0], [20, 3], [40, 7], [80, 9]])
    assert axes.get_xlim() == (10, 80)
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim()[1] > 12
    assert faults(figure) == []


def test_todays_value_is_marked_at_what_is_kept_now():
    axes, _ = chart(draw_survivors, survivors())
    assert lines(axes) == {"today": 40}
    marks = [line.get_xydata().tolist() for line in axes.lines if line.get_marker() == "o"]
    assert marks == [[[40, 7]]]
    assert [text.get_text() for text in axes.texts] == ["now 40: 7 kept"]


def test_an_off_threshold_has_no_mark():
    axes, _ = chart(draw_survivors, survivors(today=None))
    assert lines(axes) == {}
    assert len(axes.texts) == 0
    assert [line.get_label() for line in axes.lines] == ["kept"]


@pytest.mark.parametrize("today", [0.5, 45, 46, 3000])
def test_todays_text_stays_within_the_chart(today):
    axes, figure = chart(draw_survivors, survivors(today=today))
    text, inside = axes.texts[0].get_window_extent(), axes.get_window_extent()
    assert inside.x0 <= text.x0
    assert text.x1 <= inside.x1
    assert axes.get_xlim()[0] <= today <= axes.get_xlim()[1]
    assert faults(figure) == []


@pytest.mark.parametrize(
    ("field", "label"),
    [
        ("max_area", "max area (mask pixels)"),
        ("area_std_filter", "area std filter (standard deviations)"),
        ("min_solidity", "min solidity"),
    ],
)
def test_the_unit_is_named(field, label):
    assert chart(draw_survivors, survivors(field=field))[0].get_xlabel() == label


@pytest.mark.parametrize("today", [None, 5.0])
def test_a_sweep_without_values(today):
    nothing = np.zeros(0)
    empty = Sweep("max_area", nothing, nothing.astype(int), today, 0, nothing, nothing.astype(bool))
    axes, figure = chart(draw_survivors, empty)
    assert lines(axes) == ({} if today is None else {"today": 5})
    assert faults(figure) == []


# ---- words


def test_values_as_text():
    assert value_of("area", 1234.0) == "1,234"
    assert value_of("area", 92.5) == "92.5"
    assert value_of("solidity", 2 / 3) == "0.6667"


def test_counts_have_thousands_separators():
    axes = histogram("solidity", table(np.full(60_000, 0.5)))
    rendered(axes.figure)
    assert "60,000" in [label.get_text() for label in axes.get_yticklabels()]


# ---- SVG


@pytest.fixture(scope="module")
def svg(regions):
    return to_svg(chart(draw_histogram, "solidity", regions, FilterConfig(min_solidity=0.7))[1])


def styles(element):
    """All that style attributes say within an element: (property, value)."""
    declared = ";".join(part.get("style", "") for part in element.iter()).split(";")
    pairs = (item.split(":") for item in declared if item.strip())
    return {(name.strip(), value.strip()) for name, value in pairs}


def in_the_dark(svg):
    style = next(part for part in ET.fromstring(svg).iter() if "dark" in (part.text or ""))
    assert style.text.startswith("@media (prefers-color-scheme: dark){")
    return style.text


def test_the_svg_is_well_formed_and_tells_no_date(svg):
    root = ET.fromstring(svg)
    assert root.tag.endswith("}svg")
    assert b"<dc:date>" not in svg
    assert b"http://www.w3.org/1999/xhtml" not in svg


def test_all_text_and_lines_have_a_colour_for_the_dark(svg):
    rules = in_the_dark(svg)
    texts = [part for part in ET.fromstring(svg).iter() if part.get("id", "").startswith("text_")]
    assert len(texts) > 8
    for text in texts:
        fills = {value for name, value in styles(text) if name == "fill"}
        assert fills
        assert fills <= {INK, FAINT}
    for name, value in styles(ET.fromstring(svg)):
        if value in (INK, FAINT):
            assert f'[style*="{name}: {value}"]{{{name}:#' in rules


def test_the_ground_of_the_svg_is_the_pages(svg):
    root = ET.fromstring(svg)
    patch = next(part for part in root.iter() if part.get("id") == "patch_1")
    assert ("fill", "none") in styles(patch) or ("opacity", "0") in styles(patch)
