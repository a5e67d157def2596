"""The oracle itself, against numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
import reference

ALL_OFF = {"min_area": None, "min_absolute_area": None, "max_convexity_deficit": None}
CORNER = np.array([[7, 0, 7], [7, 7, 0], [0, 0, 0]])


def square(side):
    return np.pad(np.full((side, side), 5), 1)


def test_regions_are_8_connected_numbered_in_raster_order_and_know_their_label():
    largest = 2**63 - 1
    masks = np.array([[0, 3, 0, 9], [9, 0, 3, 0], [9, 0, 0, largest]], np.uint64)
    image, source_labels = reference.regions(masks)
    assert image.tolist() == [[0, 1, 0, 2], [3, 0, 1, 0], [3, 0, 0, 4]]
    assert source_labels.tolist() == [3, 9, 9, largest]


def test_metrics_of_a_square():
    found = reference.metrics(square(4)).loc[1]
    assert found["source_label"] == 5
    assert (found["area"], found["area_convex"], found["perimeter"]) == (16, 16, 12)
    assert (found["solidity"], found["extent"], found["convexity_deficit"]) == (1, 1, 0)
    assert found["eccentricity"] == pytest.approx(0, abs=1e-7)
    assert found["compactness"] == pytest.approx(16 * np.pi * 4 / 144)
    assert found["perimeter_area_ratio"] == 3
    assert found["min_row":"max_col"].tolist() == [1, 1, 5, 5]
    assert (found["centroid_row"], found["centroid_col"]) == (2.5, 2.5)
    assert not found["touches_border"]


def test_metrics_of_an_l_of_three_pixels_and_a_pixel_linked_by_a_diagonal():
    found = reference.metrics(CORNER).loc[1]
    # The hull of the diamonds spans (0, 2) and (1, 1), and so the pixel between them, (0, 1).
    assert (found["area"], found["area_convex"], found["extent"]) == (4, 5, 4 / 6)
    assert found["solidity"] == 0.8
    assert found["touches_border"]


def test_a_metric_that_is_undefined_is_nan_and_rejects_nothing():
    found = reference.metrics(np.array([[1]]))
    assert np.isnan(found["compactness"].item())
    assert not reference.failures(found, min_compactness=1, **ALL_OFF).any(axis=None)


def test_eccentricity_is_0_of_a_pixel_and_1_of_a_line():
    found = reference.metrics(np.array([[1, 0, 0], [0, 0, 2], [0, 0, 2]]))
    assert found["eccentricity"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("min_area", "pixels"), [(None, None), ("median", 4), ("median_div2", 2), (25, 3), (101, 101)]
)
def test_min_area_is_a_median_a_percentile_or_pixels(min_area, pixels):
    assert reference.smallest_area(np.array([1, 3, 4, 5, 100]), min_area) == pixels


def test_filter_keeps_what_meets_its_bounds_and_counts_the_first_reason():
    masks = np.array([[1, 1, 1, 0, 2, 2, 0, 3], [0, 0, 0, 0, 2, 2, 0, 0]])
    survivors, rejected = reference.filter(
        masks, **ALL_OFF | {"min_absolute_area": 3, "min_area": 3.5, "max_eccentricity": 0.5}
    )
    assert survivors.tolist() == [[0, 0, 0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 0, 0]]
    assert {reason: n for reason, n in rejected.items() if n} == {
        "tiny_artifacts": 1,
        "too_eccentric": 1,
    }


def test_area_outliers_lie_beyond_the_population_deviation_of_all_regions():
    # Areas 1, 1 and 4: mean 2, population deviation sqrt(2), sample deviation sqrt(3).
    masks = np.array([[1, 0, 2, 2], [0, 0, 2, 2], [3, 0, 0, 0]])
    found = reference.metrics(masks)
    failed = reference.failures(found, **ALL_OFF | {"area_std_filter": 1.2})
    assert failed["area_outliers"].tolist() == [False, True, False]
    assert failed.to_numpy().sum() == 1


def test_the_outline_of_a_corner_pixel_closes_beyond_the_image():
    ring = reference.outlines(np.array([[4, 0], [0, 0]]))[4]
    assert sorted(map(tuple, ring[1:])) == [(-0.5, 0), (0, -0.5), (0, 0.5), (0.5, 0)]
    assert ring[0].tolist() == ring[-1].tolist()


def test_the_outline_crosses_a_diagonal_link_and_goes_round_a_hole():
    linked = reference.outlines(np.eye(2, dtype=int), 2)[1]
    assert len(linked) == 9
    assert linked.max(axis=0).tolist() == [3, 3]
    ring = np.pad(np.ones((3, 3), int), 1)
    ring[2, 2] = 0
    assert len(reference.outlines(ring)[1]) == 13


def test_of_several_parts_the_one_with_most_pixel_edges_is_outlined_or_the_first_of_equals():
    # 12 edges of three diagonal pixels against 10 of two by three, though those are the longer way.
    masks = np.zeros((8, 4), int)
    masks[0:2, 1:4] = masks[[4, 5, 6], [0, 1, 2]] = 6
    ring = reference.outlines(masks)[6]
    assert (len(ring), ring[:, 1].min()) == (13, 3.5)
    masks[6, 2] = 0
    assert reference.outlines(masks)[6][:, 1].min() == -0.5
    equals = reference.outlines(np.array([[6, 6, 0, 6], [0, 0, 0, 6]]))[6]
    assert equals[:, 0].max() == 1.5


def test_shapes_are_mirrored_and_rest_on_0():
    rings = reference.shapes(np.array([[8, 0], [0, 0], [2, 0]]), 10)
    assert list(rings) == [2, 8]
    assert rings[2][:, 1].min() == 0
    assert rings[8].min(axis=0).tolist() == [-5, 20]


def test_enlarging_repeats_every_pixel_and_keeps_large_ids():
    largest = 2**63 - 1
    enlarged = reference.enlarge(np.array([[1, largest]]), 3)
    assert enlarged.tolist() == [[1, 1, 1, largest, largest, largest]] * 3
    assert reference.enlarge(np.array([[1, 2]]), 0).tolist() == [[1, 2]]


# ---- points


def test_a_point_lies_in_the_pixel_on_the_larger_side_of_an_edge():
    x, y = [0.0, -0.0, 1.999, 2.0, 4.0, -1e-300], [0.0, -0.0, 0, 1.999, 0, 0]
    found = reference.find_pixels(x, y, np.eye(3), (1, 2), (2, 4))
    assert found == [(0, 0), (0, 0), (0, 0), (0, 1), None, None]


def test_a_point_without_a_place_is_outside():
    odd = [np.nan, np.inf, -np.inf, 1e308]
    turned = np.array([[1e10, -1e10, 0], [1, 1, 0], [0, 0, 1]])
    assert reference.find_pixels(odd, [0.5] * 4, np.eye(3), (2, 2), (2, 2)) == [None] * 4
    assert reference.find_pixels([1e308], [1e308], turned, (2, 2), (2, 2)) == [None]  # inf - inf


def test_where_pixels_are_no_whole_factor_smaller_the_middle_of_each_decides():
    # 3 stretched over 7: middles at 0.5 ... 6.5 times 3 / 7
    x = np.arange(7) + 0.99
    found = reference.find_pixels(x, x * 0, np.eye(3), (1, 3), (1, 7))
    assert [column for _, column in found] == [0, 0, 1, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("point", "kind"),
    [
        ((np.nan, 0, "A", 5), "invalid"),
        ((0, -np.inf, "A"), "invalid"),
        ((0, 0, None, 5), "low_quality"),
        ((0, 0, "A", 20), "gene"),
        ((0, 0, "A", np.nan), "low_quality"),
        ((0, 0, ""), "no_gene"),
        ((0, 0, "BLANK_1"), "control"),
        ((0, 0, "BLANK1"), "other_gene"),
    ],
    ids=str,
)
def test_the_first_kind_that_applies(point, kind):
    assert reference.kind_of(*point, genes=["A", "BLANK_1"]) == kind


def test_a_column_decides_what_is_a_control():
    assert reference.control_class("BLANK_1") == "unassigned_codeword"
    assert reference.control_class("BLANK_1", is_gene=True) is None
    assert reference.control_class("BLANK_1", is_gene=False) == "unassigned_codeword"
    assert reference.control_class("A", is_gene=False) == "other_control"


def test_points_are_counted_by_cell_gene_and_place():
    masks = np.array([[7, 7, 0, 9]])
    decided = pd.DataFrame({"label": [0, 1], "reason": ["streak", ""]}, index=[1, 2])
    x = [0.5, 3.5, 3.5, 3.5, 3.5, 2.5, -1, np.nan]
    genes = ["A", "B", "B", "A", "NegPrb1", "A", "A", "A"]
    points = pd.DataFrame({"x": x, "y": 0.5, "gene": genes, "qv": [40] * 3 + [5] + [40] * 4})
    found = reference.count_points(masks, decided, ["streak"], points)
    assert found.X.tolist() == [[0, 2]]
    counts = {"transcript_counts": 2, "control_probe_counts": 1, "total_counts": 3, "n_genes": 1}
    assert {name: found.obs.loc[1, name] for name in counts} == counts
    assert found.obs.loc[1, "low_quality_counts"] == 1
    assert found.var.loc["A"].tolist() == [3, 0, 0]
    assert found.var.loc["B"].tolist() == [2, 2, 1]
    assert found.label.tolist() == [0, 1, 1, 1, 1, 0, 0, 0]
    assert found.region.tolist() == [1, 2, 2, 2, 2, 0, 0, 0]
    assert (found.in_regions.tolist(), found.n_transcripts) == ([1, 2], 4)
    rows = found.ledger.to_dict("index").items()
    filled = {(place, kind): n for place, row in rows for kind, n in row.items() if n}
    assert filled == {
        ("in_cells", "gene"): 2,
        ("in_cells", "control"): 1,
        ("in_cells", "low_quality"): 1,
        ("rejected_streak", "gene"): 1,
        ("background", "gene"): 1,
        ("outside", "gene"): 1,
        ("invalid", "invalid"): 1,
    }
