"""Which values of a threshold are tried, and what is told beside their counts."""

import numpy as np
import pandas as pd
import pytest
from drawing import OFF, squares
from figures import charts
from hypothesis import given, settings
from hypothesis import strategies as st
from page_samples import ALL_ON, cells, filtered
from sampling import share
from strategies import canvases, thresholds

from postseg import FilterConfig, PostSegmentation, measure_regions, processor
from postseg.filtering import criteria
from postseg.filtering.config import THRESHOLDS
from postseg.filtering.criteria import rejections
from postseg.filtering.metrics import METRICS
from postseg.filtering.run import Measured
from postseg.filtering.sweep import sweep
from postseg.filtering.trials import Window, window

FIELDS = [*THRESHOLDS]
TABLE = measure_regions(cells(60))


def no_count(values):
    return np.zeros((len(values), 1), int)


def swept(field, table=TABLE, count_kept=no_count, **thresholds):
    config = FilterConfig(**thresholds)
    measured = Measured(None, table, None)
    return sweep(field, measured, config, rejections(table, config), count_kept)


@pytest.mark.parametrize("thresholds", [{}, OFF, ALL_ON], ids=["default", "off", "all on"])
@pytest.mark.parametrize("field", FIELDS)
def test_every_value_is_allowed_and_they_ascend(field, thresholds):
    result = swept(field, **thresholds)
    assert result.field == field
    assert result.value.size == result.kept.size > 10
    assert (np.diff(result.value) >= 0).all()
    if field != "min_area":  # whose values are percentiles, in pixels
        config = FilterConfig(**thresholds)
        assert all(config.replace(**{field: value}) for value in result.value)


@pytest.mark.parametrize("field", FIELDS)
def test_each_value_is_tried_and_its_count_stays_beside_it(field):
    tried = []

    def count_kept(values):
        tried.extend(values)
        return np.arange(len(values))[:, None]

    result = swept(field, count_kept=count_kept)
    np.testing.assert_array_equal(result.kept, np.arange(len(tried)))
    if field == "min_area":
        assert tried == [*range(101)]
    else:
        np.testing.assert_array_equal(result.value, tried)


def test_min_area_is_swept_in_pixels_over_its_percentiles():
    result = swept("min_area")
    np.testing.assert_array_equal(result.value, np.percentile(TABLE["area"], range(101)))
    assert result.today == TABLE["area"].median() / 2


@pytest.mark.parametrize("field", FIELDS)
def test_todays_value_is_among_them(field):
    config = FilterConfig(**ALL_ON).replace(max_solidity=1, max_extent=1, max_eccentricity=0.99)
    result = swept(field, **dict(config))
    kept = (~rejections(TABLE, config).any(axis=1)).sum()
    assert result.kept_today == kept > 0
    assert result.today == getattr(config, field)
    assert result.today in result.value or field == "min_area"


@pytest.mark.parametrize("field", FIELDS)
def test_an_off_threshold_has_no_value_today(field):
    result = swept(field, **OFF)
    assert result.today is None
    assert result.kept_today == len(TABLE)
    assert not result.decided.any()


def test_the_values_span_the_cells_and_today():
    far = swept("max_area", max_area=5000).value
    assert far[0] < TABLE["area"].min() + 1
    assert far[-1] > 5000
    near = swept("max_area").value
    assert TABLE["area"].max() < near[-1] < 200


@pytest.mark.parametrize(
    ("fixed", "field"),
    [
        ({"min_solidity": 0.9}, "max_solidity"),
        ({"max_solidity": 0.8}, "min_solidity"),
        ({"min_extent": 0.9}, "max_extent"),
        ({"max_extent": 0.8}, "min_extent"),
        ({"min_area": 121}, "max_area"),
    ],
)
def test_a_sweep_stays_on_its_side_of_the_other_bound(fixed, field):
    (bound,) = fixed.values()
    value = swept(field, **fixed).value
    assert value.size > 3
    assert (value >= bound).all() if field.startswith("max") else (value <= bound).all()


def test_regions_that_other_tests_reject_are_decided():
    result = swept("max_convexity_deficit")
    failed = rejections(TABLE, FilterConfig(max_convexity_deficit=None)).any(axis=1)
    np.testing.assert_array_equal(result.decided, failed)
    assert 0 < failed.sum() < len(TABLE)
    np.testing.assert_array_equal(result.level, TABLE["convexity_deficit"])


def test_a_test_that_a_subclass_dropped_decides_nothing():
    config = FilterConfig()
    failed = rejections(TABLE, config).drop(columns="too_small")
    measured = Measured(None, TABLE, None)
    result = sweep("min_area", measured, config, failed, lambda values: np.c_[values].astype(int))
    np.testing.assert_array_equal(result.decided, failed.any(axis=1))


@pytest.mark.parametrize("field", FIELDS)
def test_without_regions_there_is_nothing_to_try(field):
    result = swept(field, measure_regions(np.zeros((5, 5), int)))
    assert [result.value.size, result.kept.size, result.kept_today, result.level.size] == [0] * 4


@pytest.mark.parametrize("field", FIELDS)
def test_equal_regions_can_be_swept(field):
    result = swept(field, measure_regions(squares(12, 12, 12)), **OFF)
    assert np.isfinite(result.level).all()
    assert result.value.size > 3


def test_an_unknown_threshold_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match=r"no threshold 'max_are'.*min_area.*max_area"):
        swept("max_are")


def test_the_end_of_a_ratio_is_tried():
    post = filtered(squares(12, 13, 14), min_solidity=1.0)  # so that 1 is all there is
    (line,) = [
        line
        for line in charts(post.plot_sweep("max_solidity"))["max solidity"].lines
        if line.get_label() == "kept"
    ]
    assert line.get_xdata().tolist() == [1]


def test_what_one_should_know_of_a_threshold():
    post = filtered(squares(5, 8, 12, 12, 12))  # tiny, below half the median, cells
    notes = {
        field: post._sweep(post._last_run(), field).note
        for field in ("min_area", "min_absolute_area", "max_eccentricity")
    }
    assert notes["min_area"].startswith("As a setting, a number from 0 to 100 is a percentile")
    assert notes["min_absolute_area"] == "It rejects nothing that other tests keep."
    assert notes["max_eccentricity"] == ""  # off


# ---- counting by a search instead of filtering


class Filtering(PostSegmentation):
    """Its rejections are ours, but nobody can know that: each value is filtered by."""

    def rejections(self, regions):
        return super().rejections(regions)


RATIO = st.one_of(st.floats(0, 1), st.none())
PIXELS = st.one_of(st.integers(0, 60), st.floats(0, 60), st.none())
SETTINGS = dict.fromkeys(FIELDS, RATIO) | {
    "min_area": st.one_of(PIXELS, st.integers(0, 200), st.sampled_from(["median", "median_div2"])),
    "min_absolute_area": PIXELS,
    "max_area": PIXELS,
    "max_perimeter_area_ratio": PIXELS,
    "area_std_filter": st.one_of(st.floats(0.01, 4), st.none()),
}


def ties(field, table, config):
    """Values at which some regions are just kept or just rejected."""
    level = criteria.levels(field, table)
    exact = [value for value in level[np.isfinite(level)].tolist() if value > 0]
    near = [np.nextafter(value, to) for value in exact[:2] for to in (0, np.inf)]
    return [value for value in exact[:6] + near if is_possible(field, value, config)]


def is_possible(field, value, config):
    try:
        return bool(config.replace(**{field: value}))
    except ValueError:
        return False


@settings(deadline=None, max_examples=share(80))
@given(canvases(16), st.data())
def test_a_search_finds_what_filtering_keeps(canvas, data):
    table = measure_regions(canvas)
    config = FilterConfig(**data.draw(thresholds(table)))
    field = data.draw(st.sampled_from(FIELDS))
    drawn = data.draw(st.lists(SETTINGS[field], max_size=4))
    tried = [value for value in drawn if is_possible(field, value, config)]
    tried += ties(field, table, config)
    one, other = (
        cls(canvas, filter_config=config, verbose=False) for cls in (PostSegmentation, Filtering)
    )
    found, expected = (post.threshold_sweep(field, tried) for post in (one, other))
    assert found[["kept", "rejected"]].equals(expected[["kept", "rejected"]])
    for column in ("gained", "lost"):
        pairs = zip(found[column], expected[column], strict=True)
        assert all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)
    measured = one._measure(canvas)
    counted = one._trials(measured, config).sums(field, tried)
    assert counted.shape == (len(tried), 1)
    assert counted[:, 0].tolist() == expected["kept"].tolist()


@pytest.mark.parametrize("field", FIELDS)
def test_metrics_that_are_undefined_are_kept_by_a_search_too(field):
    config = FilterConfig(**OFF)
    table = TABLE.copy()
    table[METRICS[1]] = table[METRICS[1]].where(table.index % 3 > 0)
    table["compactness"] = table["compactness"].where(table.index % 3 > 0)
    values = [value for value in (0.3, 0.9, 50, None) if is_possible(field, value, config)]
    found = window(field, values, table, config)
    expected = [
        ~rejections(table, config.replace(**{field: value})).any(axis=1) for value in values
    ]
    np.testing.assert_array_equal([*found.masks()], expected)
    amounts = np.column_stack([np.ones(len(table), int), table["area"]])
    np.testing.assert_array_equal(found.sums(amounts), np.array(expected) @ amounts)


def test_bounds_that_exclude_each_other_keep_none_but_the_undefined():
    low, high = np.array([5.0, -np.inf]), np.array([3.0, 4])
    found = Window(np.array([True] * 3), np.array([4.0, np.nan, 2]), low, high)
    assert found.sums(np.array([[1, 10], [1, 20], [1, 40]])).tolist() == [[1, 20], [3, 70]]


def test_nothing_is_filtered_to_count_but_once(monkeypatch):
    post = filtered(cells(60))
    calls = []
    find_failures = processor.find_failures
    monkeypatch.setattr(
        processor, "find_failures", lambda *args: calls.append(1) or find_failures(*args)
    )
    post.plot_sweep("max_area")
    assert len(calls) == 1
    post.threshold_sweep("max_area", range(100, 200))
    assert len(calls) == 2


@pytest.mark.parametrize("place", ["class", "object"])
def test_rejections_of_ones_own_are_asked_for_every_value(place):
    def odd(regions):
        return pd.DataFrame({"odd": regions["area"] % 2 > 0})

    cls = type("Odd", (PostSegmentation,), {"rejections": lambda self, regions: odd(regions)})
    post = (cls if place == "class" else PostSegmentation)(cells(60), verbose=False)
    if place == "object":
        post.rejections = odd
    post.refilter()
    n_even = int((post.regions["area"] % 2 == 0).sum())
    assert 0 < n_even < len(post.regions)
    assert post.threshold_sweep("max_area", [0, 500])["kept"].tolist() == [n_even, n_even]
    assert set(post._sweep(post._last_run(), "max_area").kept) == {n_even}


def test_one_threshold_bounds_one_metric():
    metrics = {test.threshold: test.metric for test in criteria.TESTS}
    assert all(metrics[test.threshold] == test.metric for test in criteria.TESTS)


@pytest.mark.parametrize("values", [["many"], [10, -1], [np.nan]])
def test_an_impossible_value_is_refused(values):
    post = filtered(cells(30))
    with pytest.raises(ValueError, match="max_area"):
        post.threshold_sweep("max_area", values)


def test_words_and_numpy_numbers_are_tried_as_they_are_set():
    post = filtered(cells(60))
    tried = ["median", np.int64(30), None, "none", np.float32(101)]
    found = post.threshold_sweep("min_area", tried)
    assert found.index.tolist() == tried
    expected = []
    for value in tried:
        post.refilter(min_area=value)
        expected.append(post.filter_report.passed)
    assert found["kept"].tolist() == expected


def test_a_table_is_printed_with_all_columns_whatever_its_lists():
    post = PostSegmentation(squares(*range(3, 60)), verbose=False)
    found = post.threshold_sweep("max_area", [100, 2000])
    assert found.loc[100, "lost"].size > 20
    with pd.option_context("display.width", 20, "display.max_columns", 2):
        head, _, *rows = repr(found).splitlines()
    assert head.split() == ["kept", "rejected", "gained", "lost"]
    assert rows[0].split() == ["100", *map(str, found.loc[100, ["kept", "rejected"]]), "0",
                               str(found.loc[100, "lost"].size)]  # fmt: skip
    assert type(found[["kept"]]) is type(found.head()) is pd.DataFrame
