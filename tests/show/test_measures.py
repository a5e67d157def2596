"""Signals and nuclei in the report page: which of them, and what it tells of them."""

import json

import numpy as np
import pandas as pd
import pytest
from page_samples import cells, filtered, packed_of, page_of, read, text, unpack
from xarray import DataArray

from postseg import PostSegmentation
from postseg.show.page.measures import bounds_of, facts_of, field_of, measures_in


def table(n=50, channels=("DNA", "CD45"), **columns):
    random = np.random.default_rng(1)
    data = {"area": np.full(n, 9), "label": 1}
    for channel in channels:
        for k, statistic in enumerate(("mean", "std", "min", "max")):
            values = random.random(n) if k < 2 else random.integers(0, 99, n).astype(float)
            data[f"intensity_{statistic}_{channel}".removesuffix("_")] = values
    return pd.DataFrame(data | columns, index=pd.RangeIndex(1, n + 1, name="region"))


def names(found):
    return [measure.column for measure in found]


def test_nuclei_come_first_then_the_means_of_all_channels():
    regions = table(n_nuclei=1, nucleus_label=5, nucleus_share=0.5)
    found, left_out = measures_in(regions)
    signals = [
        f"intensity_{name}_{channel}"
        for name in ("mean", "std", "max", "min")
        for channel in ("DNA", "CD45")
    ]
    assert names(found) == ["n_nuclei", "nucleus_share", *signals]
    assert left_out == []
    assert measures_in(table(channels=()))[0] == []


def test_they_are_called_as_people_call_them():
    found = {one.column: one for one in measures_in(table(channels=("", "CD45_2"), n_nuclei=2))[0]}
    assert found["intensity_mean"].title == "Mean intensity"
    assert found["intensity_max_CD45_2"].title == "Highest intensity, CD45_2"
    assert [found[name].whole for name in ("n_nuclei", "intensity_max", "intensity_mean")] == [
        True,
        True,
        False,
    ]
    low, high = bounds_of(found["intensity_mean"], ["low_intensity_mean"])
    assert (low["reason"], high["reason"]) == ("low_intensity_mean_too", "high_intensity_mean")
    assert (low["title"], high["text"]) == ("Low mean intensity", "high mean intensity")
    assert field_of(low)["text"] == "Regions below are rejected."
    assert field_of(bounds_of(found["n_nuclei"], [])[0])["limits"] == {"ge": 0}


@pytest.mark.parametrize(("n", "expected"), [(50, 40), (50_000, 20), (2_000_000, 3)])
def test_a_page_has_room_for_so_many(monkeypatch, n, expected):
    channels = [f"c{k}" for k in range(30)]
    regions = table(4, channels)
    monkeypatch.setattr(pd.DataFrame, "__len__", lambda _: n)
    found, left_out = measures_in(regions)
    assert len(found) == expected
    assert names(found)[:3] == ["intensity_mean_c0", "intensity_mean_c1", "intensity_mean_c2"]
    assert sorted(names(found) + left_out) == sorted(regions.columns[2:])


@pytest.mark.parametrize(
    "values",
    [
        [-5.0, -1, -3, 2],
        [np.nan, 1, 2, 3],
        [np.nan] * 4,
        [np.inf, 1, 2, -np.inf],
        [7.0] * 4,
        [-1e300, 1e300, 0, 0],
    ],
)
def test_bins_hold_values_of_any_kind(values):
    (measure,) = measures_in(table(4, (), intensity_mean=values))[0]
    edges = facts_of(measure)["edges"]
    json.dumps(edges, allow_nan=False)
    finite = [value for value in values if np.isfinite(value)]
    assert edges == sorted(set(edges))
    assert not finite or (edges[0] <= min(finite) and max(finite) <= edges[-1])


@pytest.mark.parametrize(
    "values",
    [
        [-1.7e308, 1.7e308, 0, 1],
        [1.79e308] * 4,
        [1e17, 1e17 + 16, 1e17 + 32, 1e17],
        [k * 5e-324 for k in range(1, 400)],
    ],
)
def test_values_that_no_axis_tells_apart_are_left_out(values):
    regions = table(len(values), (), intensity_mean=values)
    assert measures_in(regions) == ([], ["intensity_mean"])


@pytest.fixture(scope="module")
def post():
    masks = cells(60)
    image = np.arange(masks.size, dtype=np.uint16).reshape(masks.shape)
    post = PostSegmentation(masks, intensity_image=image, verbose=False)
    post.filter_cell_by_regionprops(post.masks)
    post.match(np.where(masks % 3, masks, 0))
    return post


def test_the_pack_holds_them_to_the_bit(post):
    head, columns = unpack(packed_of(post))
    for name in ("n_nuclei", "nucleus_share", "intensity_mean", "intensity_min"):
        np.testing.assert_array_equal(columns[name], post.regions[name])
    assert columns["intensity_min"].dtype == np.int32
    assert [test["reason"] for test in head["tests"]][-2:] == [
        "low_intensity_min",
        "high_intensity_min",
    ]
    assert len({reason["name"] for reason in head["reasons"]}) == len(head["reasons"])


class Dim(PostSegmentation):
    def rejections(self, regions):
        return super().rejections(regions).assign(low_intensity_mean_a=False)


def test_no_reason_has_the_name_of_another():
    masks = cells(60)
    image = DataArray(np.stack([masks] * 2), dims=("c", "y", "x"), coords={"c": ["a", "a_too"]})
    post = Dim(masks, intensity_image=image, verbose=False)
    post.filter_cell_by_regionprops(post.masks)
    head, _ = unpack(packed_of(post))
    reasons = [reason["name"] for reason in head["reasons"]]
    assert "low_intensity_mean_a_too" in reasons
    assert len({*reasons}) == len(reasons)
    measured = [test["reason"] for test in head["tests"] if test.get("measured")]
    assert len({*measured}) == len(measured)


def test_the_table_of_rejected_regions_has_them(post):
    heads = [
        (head.get("data-key"), text(head), head.get("data-whole"))
        for head in read(page_of(post)).findall(".//th[@data-key]")
    ]
    assert ("n_nuclei", "Nuclei", "") in heads
    assert ("intensity_mean", "Mean intensity", None) in heads
    keys = [key for key, *_ in heads]
    assert keys.index("perimeter_area_ratio") < keys.index("n_nuclei") < keys.index("margin")
    plain = [head.get("data-key") for head in read(page_of(filtered())).findall(".//th[@data-key]")]
    assert not [key for key in plain if "intensity" in key or "nucle" in key]
