"""The metrics of shapes that can be measured by hand."""

import re
from fractions import Fraction

import numpy as np
import pytest
from drawing import draw, square_as_runs
from editing import run_edited
from numpy.testing import assert_allclose, assert_array_equal

from postseg import measure_regions
from postseg._kernels.moments import moments
from postseg.filtering.metrics import METRIC, METRICS, measure
from postseg.raster.runs import Runs, components

COLUMNS = [
    "source_label",
    "area",
    "area_convex",
    "eccentricity",
    "perimeter",
    "solidity",
    "extent",
    "compactness",
    "convexity_deficit",
    "perimeter_area_ratio",
    "min_row",
    "min_col",
    "max_row",
    "max_col",
    "centroid_row",
    "centroid_col",
    "touches_border",
]
ROOT2 = 2**0.5

# name: picture, area, convex area, perimeter, eccentricity, extent
SHAPES = {
    "pixel": ("... .1. ...", 1, 1, 0, 0, 1),
    "square": ("111 111 111", 9, 9, 8, 0, 1),
    # variances 8 / 12 and 24 / 12
    "rectangle": ("11111 11111 11111", 15, 15, 12, (2 / 3) ** 0.5, 1),
    # the ends of a line have no weight
    "row": ("1111", 4, 4, 2, 1, 1),
    "column": ("1 1 1 1", 4, 4, 2, 1, 1),
    "diagonal": ("1... .1.. ..1. ...1", 4, 4, 2 * ROOT2, 1, 1 / 4),
    # the four arms, linked by diagonals; the middle is no border pixel
    "plus": (".1. 111 .1.", 5, 5, 4 * ROOT2, 0, 5 / 9),
    # the hull's border runs through the centres of no further pixel: a triangle of 15
    "corner": ("1.... 1.... 1.... 1.... 11111", 9, 15, 7, None, 9 / 25),
    # the hole has a perimeter too: 12 on the outside, 4 diagonal steps within
    "ring": ("111 1.1 111", 8, 9, 8, 0, 8 / 9),
}


@pytest.mark.parametrize(
    ("picture", "area", "area_convex", "perimeter", "eccentricity", "extent"),
    SHAPES.values(),
    ids=SHAPES,
)
def test_shape(picture, area, area_convex, perimeter, eccentricity, extent):
    (found,) = measure_regions(draw(picture)).to_dict("records")
    assert found["area"] == area
    assert found["area_convex"] == area_convex
    assert found["perimeter"] == pytest.approx(perimeter, abs=1e-12)
    if eccentricity is not None:
        assert found["eccentricity"] == pytest.approx(eccentricity, abs=1e-12)
    assert found["extent"] == extent


def test_the_derived_metrics_follow_their_formulas():
    (found,) = measure_regions(draw("1.... 1.... 1.... 1.... 11111")).to_dict("records")
    assert found["solidity"] == 9 / 15
    assert found["convexity_deficit"] == 1 - 9 / 15
    assert found["perimeter_area_ratio"] == 7 / 3
    assert found["compactness"] == 4 * np.pi * 9 / 7**2


def test_compactness_is_undefined_without_a_perimeter():
    (found,) = measure_regions(np.ones((1, 1), int)).to_dict("records")
    assert np.isnan(found["compactness"])
    assert found["perimeter_area_ratio"] == 0


def test_the_table_has_one_row_per_region_from_1():
    table = measure_regions(draw("5.3 ... 3.5"))
    assert table.index.tolist() == [1, 2, 3, 4]
    assert table.index.name == "region"
    assert table["source_label"].tolist() == [5, 3, 3, 5]


def test_the_columns():
    assert measure_regions(draw("1")).columns.tolist() == COLUMNS


def test_the_bounding_box_is_half_open():
    table = measure_regions(draw("..... .11.. .111. ....."))
    assert table[["min_row", "min_col", "max_row", "max_col"]].to_numpy().tolist() == [[1, 1, 3, 4]]


def test_the_centroid_is_the_mean_pixel():
    table = measure_regions(draw("..... .11.. .111. ....."))
    assert table["centroid_row"].item() == pytest.approx(8 / 5)
    assert table["centroid_col"].item() == pytest.approx(9 / 5)


def test_the_border_is_all_four_sides():
    table = measure_regions(draw("..1.. ..... 2.3.4 ..... ..5.."))
    assert table["touches_border"].tolist() == [True, True, False, True, True]


def test_a_neighbour_does_not_change_the_metrics():
    alone = measure_regions(draw("....... .111... .111... ......."))
    beside = measure_regions(draw("2222222 2111322 2111322 2222222"))
    metrics = COLUMNS[1:]
    assert_array_equal(beside[beside["source_label"] == 1][metrics], alone[metrics])


@pytest.mark.parametrize("at", [0, 11, 2_000_000])
def test_a_square_that_fills_a_slide_does_not_overflow(at):
    runs = square_as_runs(30_000, at)
    (found,) = measure(components(runs).regions, runs.shape).to_dict("records")
    assert found["area"] == found["area_convex"] == 900_000_000
    assert found["eccentricity"] == 0
    assert found["perimeter"] == 4 * 29_999
    assert found["centroid_row"] == found["centroid_col"] == at + 14_999.5
    assert found["extent"] == found["solidity"] == 1


def test_a_square_whose_moments_exceed_64_bits():
    side = 200_000
    runs = square_as_runs(side)
    (found,) = measure(components(runs).regions, runs.shape).to_dict("records")
    assert found["area"] == found["area_convex"] == side**2
    assert found["eccentricity"] < 1e-7
    assert found["perimeter"] == 4 * (side - 1)


def test_a_rectangle_whose_moments_exceed_64_bits():
    """Twice as high as wide: the variances are in the ratio of (h^2 - 1) to (w^2 - 1)."""
    height, width = 400_000, 200_000
    rows = np.arange(height, dtype=np.int32)
    start = np.zeros(height, np.int32)
    runs = Runs(rows, start, start + np.int32(width), np.ones(height, np.int64), (height, width))
    eccentricity = measure(components(runs).regions, runs.shape)["eccentricity"].item()
    assert_allclose(eccentricity, (1 - (width**2 - 1) / (height**2 - 1)) ** 0.5, rtol=1e-12)


@pytest.mark.parametrize("way", [1, -1])
def test_a_diagonal_line_of_100000_pixels(way):
    n = 100_000
    rows = np.arange(n, dtype=np.int32)
    start = rows[::way].copy()
    runs = Runs(rows, start, start + np.int32(1), np.ones(n, np.int64), (n, n))
    (found,) = measure(components(runs).regions, runs.shape).to_dict("records")
    assert found["area"] == found["area_convex"] == n
    assert found["eccentricity"] == 1
    assert found["perimeter"] == pytest.approx((n - 2) * ROOT2)
    assert found["extent"] == 1 / n


def exact_moments(row, start, stop):
    """Area, centroid and central moments of runs of one region, in whole numbers and fractions."""
    runs = [(int(r), int(a), int(b)) for r, a, b in zip(row, start, stop, strict=True)]

    def squares(m):
        return (m - 1) * m * (2 * m - 1) // 6

    n = sum(b - a for _, a, b in runs)
    r = Fraction(sum(r * (b - a) for r, a, b in runs), n)
    c = Fraction(sum((a + b - 1) * (b - a) // 2 for _, a, b in runs), n)
    rr = Fraction(sum(r * r * (b - a) for r, a, b in runs), n) - r * r
    rc = Fraction(sum(r * ((a + b - 1) * (b - a) // 2) for r, a, b in runs), n) - r * c
    cc = Fraction(sum(squares(b) - squares(a) for _, a, b in runs), n) - c * c
    return n, [float(r), float(c)], [float(rr), float(rc), float(cc)]


WIDEST = 2**31 - 1
WIDE = {
    "4 million columns": ([0, 1], [0, 0], [4_000_000, 4_000_000]),
    "half of it far off": ([0, 1, 2], [0, 7, 9_000_000], [5_000_000, 9_999_999, 10_000_000]),
    "all columns of int32": ([0, 1, 2], [0, 5, 2**30], [WIDEST, WIDEST, WIDEST]),
    "16 rows, to the right": (range(16), [0, *[2**30] * 15], [WIDEST] * 16),
    "wide and high": ([0, *range(1, 4_000_001)], [0] * 4_000_001, [WIDEST, *[3] * 4_000_000]),
    "all rows of int32": ([0, WIDEST - 1], [0, 0], [WIDEST, WIDEST]),
}


@pytest.mark.parametrize(("row", "start", "stop"), WIDE.values(), ids=WIDE)
def test_moments_of_what_is_wider_than_64_bits_can_sum(row, start, stop):
    row, start, stop = (np.array(part, np.int32) for part in (row, start, stop))
    area, bbox = np.empty(1, np.int64), np.empty((1, 4), np.int64)
    centroid, inertia = np.empty((1, 2)), np.empty((1, 3))
    moments(0, 1, np.array([0, row.size]), row, start, stop, area, bbox, centroid, inertia)
    n, centre, second = exact_moments(row, start, stop)
    assert area.item() == n
    assert_allclose(centroid[0], centre, rtol=1e-12)
    assert_allclose(inertia[0], second, rtol=1e-9, atol=1e-12 * max(second))


@pytest.mark.parametrize("width", [3_000_000, 3_400_000, 5_000_000])
def test_a_wide_line_is_no_circle(width):
    image = np.broadcast_to(np.uint8(1), (1, width))
    assert measure_regions(image)["eccentricity"].item() == 1


# ---- the table of metrics


def test_every_column_is_told_in_the_docstring_in_its_order():
    told = re.findall(r"^ +((?:\w+, )*\w+)(?:  |$)", measure_regions.__doc__, re.MULTILINE)
    names = [name for line in told for name in line.split(", ")]
    assert [name for name in names if name in COLUMNS] == COLUMNS


def test_every_metric_is_defined_by_one_row_and_measured_by_it():
    table = measure_regions(draw("11.2 1.22 ..22"))
    assert [name for name in table if name in METRIC] == [*METRICS]
    for name, metric in METRIC.items():
        assert metric.name == name
        assert metric.definition
        assert metric.whole == (table[name].dtype.kind == "i")
        assert bool(metric.unit) == (metric.digits == 1)


def test_a_new_metric_is_one_row(tmp_path):
    """All that shows metrics is asked for it."""
    row = '    Metric("boxiness", "longer side / shorter side", _boxiness, quantiles=(0.4,)),\n'
    kernel = """
def _boxiness(shapes: Shapes) -> NDArray[np.float64]:
    sides = shapes.bbox[:, 2:] - shapes.bbox[:, :2]
    return sides.max(axis=1) / sides.min(axis=1)


_TABLE = (
"""
    script = """
image = np.kron(np.diag(range(1, 5)), np.ones((9, 18), int))
image[-1, 0] = 9
post = postseg.PostSegmentation()
post.filter_cell_by_regionprops(image)
print(post.regions["boxiness"].tolist())
print(post.filter_report.to_dict()["metrics"]["passed"]["boxiness"])
post.write_report("page.html")
"""
    printed = run_edited(tmp_path, {"metrics.py": {"_TABLE = (\n": kernel + row}}, script)
    *report, values, statistics = printed.splitlines()
    line = next(line for line in report if line.strip().startswith("boxiness"))
    assert line.split()[1:] == ["1.000", "2.000", "1.800", "2.000", "0.400", "40%", "2.000"]
    assert values == "[2.0, 2.0, 2.0, 2.0, 1.0]"
    assert "'q40': 2.0" in statistics
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Boxiness<small>longer side / shorter side" in page
    assert 'data-key="boxiness"' in page
