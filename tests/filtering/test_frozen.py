"""Frozen thresholds: of any part of the regions they decide as on all of them."""

import sys

import numpy as np
import pandas as pd
import pytest
from drawing import OFF, squares
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sampling import share
from strategies import canvases, thresholds

from postseg import FilterConfig, PostSegmentation, filter_cell_by_regionprops, measure_regions
from postseg.filtering import quantities
from postseg.filtering.criteria import absolute, margins, rejections
from postseg.show.page.data import reason_rows

SIDES = squares(2, 3, 4, 5, 12)  # areas 4, 9, 16, 25, 144


def report_on(image, pixel_size=None, **config):
    post = PostSegmentation(image, pixel_size=pixel_size, filter_config=config, verbose=False)
    post.refilter()
    return post.filter_report


def frozen(image=SIDES, **thresholds):
    return report_on(image, **{**OFF, **thresholds}).frozen()


@pytest.mark.parametrize(
    ("field", "relative", "fixed"),
    [
        ("min_area", "median", "16 px"),
        ("min_area", "median_div2", "8 px"),
        ("min_area", 30, "10.4 px"),
        ("min_area", "30 %", "10.4 px"),
        ("min_absolute_area", "10 %", "6 px"),
        ("max_area", "90 %", "96.4 px"),
        # mean 39.6, standard deviation 52.655...
        ("area_std_filter", 1.25, f"0 to {39.6 + 1.25 * float(np.std([4, 9, 16, 25, 144]))!r} px"),
        ("area_std_filter", 1e308, f"0 to {sys.float_info.max!r} px"),
    ],
)
def test_what_followed_from_the_areas_is_a_number_of_pixels(field, relative, fixed):
    assert frozen(**{field: relative}) == FilterConfig(**{**OFF, field: fixed})


@pytest.mark.parametrize(
    "thresholds",
    [
        {"min_area": "8 px", "min_absolute_area": 8, "max_area": "120 px"},
        {"area_std_filter": "3.5 to 30 px", "max_eccentricity": 0.5, "border": "drop"},
    ],
)
def test_the_others_stay(thresholds):
    assert frozen(**thresholds) == FilterConfig(**{**OFF, **thresholds})
    large = {"min_area": 101, "max_area": 1000}
    assert frozen(squares(11, 12), **large) == FilterConfig(**{**OFF, **large})


def test_um2_are_pixels_of_the_run():
    found = report_on(SIDES, pixel_size=0.5, **{**OFF, "max_area": "20 um2"}).frozen()
    assert found == FilterConfig(**{**OFF, "max_area": "80 px"})


def test_without_regions_nothing_is_known_of_their_areas():
    config = FilterConfig(area_std_filter=2, max_area="10 %", min_absolute_area="3 px")
    table = measure_regions(np.zeros((3, 3), int))
    assert absolute(config, table) == {}


def test_what_no_region_could_pass_is_an_error_and_plain_data_all_the_same():
    with pytest.warns(UserWarning, match="None of the 5"):
        report = report_on(SIDES, **{**OFF, "min_area": "median", "max_area": "10 px"})
    with pytest.raises(ValueError, match=r"min_area \(16 px\) is above max_area \(10 px\)"):
        report.frozen()
    assert report.to_dict()["thresholds_frozen"]["min_area"] == "16 px"


def test_the_plain_data_carry_them():
    report = report_on(SIDES, min_absolute_area=1, min_area="median", area_std_filter=1)
    told = report.to_dict()["thresholds_frozen"]
    assert FilterConfig(**told) == report.frozen() != report.config
    assert [*told] == [*FilterConfig.model_fields]


@pytest.mark.parametrize("name", ["a.json", "a.TOML"])
def test_they_go_through_a_file(tmp_path, name):
    config = frozen(min_area=33, area_std_filter=1.7, max_eccentricity=1 / 3, border="keep")
    config.to_file(tmp_path / name)
    assert FilterConfig.from_file(tmp_path / name) == config
    with pytest.raises(FileExistsError, match="overwrite"):
        config.to_file(tmp_path / name)
    FilterConfig().to_file(tmp_path / name, overwrite=True)
    assert FilterConfig.from_file(tmp_path / name) == FilterConfig()


def test_they_are_written_to_no_other_file(tmp_path):
    with pytest.raises(ValueError, match=r"a\.yaml: .*\.toml or \.json"):
        FilterConfig().to_file(tmp_path / "a.yaml")
    assert [*tmp_path.iterdir()] == []


AREA = st.one_of(st.floats(0, 100).map("{!r} %".format), st.none())
FOLLOWING = st.fixed_dictionaries(
    {
        "min_area": st.one_of(AREA, st.floats(0, 100), st.sampled_from(["median", "median_div2"])),
        "min_absolute_area": AREA,
        "max_area": AREA,
        "area_std_filter": st.one_of(
            st.floats(0, 3, exclude_min=True), st.sampled_from([1, 1e-9, 1e308]), st.none()
        ),
    }
)


@settings(deadline=None, max_examples=share(200))
@given(canvases(16), st.data())
def test_any_part_of_the_regions_is_decided_as_on_all_of_them(canvas, data):
    table = measure_regions(canvas)
    config = FilterConfig(**data.draw(thresholds(table)) | data.draw(FOLLOWING))
    failed = rejections(table, config)
    try:
        fixed = config.replace(**absolute(config, table))
    except ValueError:
        assert failed[["too_small", "too_large"]].any(axis=1).all() or config.border != "judge"
        assume(False)
    for text in (fixed.model_dump_json(), fixed.model_dump_json(indent=2)):
        assert FilterConfig.model_validate_json(text) == fixed
    chance = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    part = chance.random(len(table)) < 0.5
    pd.testing.assert_frame_equal(rejections(table[part], fixed), failed[part])
    again = rejections(table, fixed)
    pd.testing.assert_frame_equal(again, failed)


@settings(deadline=None, max_examples=share(300))
@given(st.floats(0, allow_infinity=False))
def test_any_float_is_read_as_it_was_written(area):
    quantity = quantities.of_pixels(area)
    assert float(quantities.parse(str(quantity)).number) == area
    bounds = quantities.Bounds(quantity, quantity)
    assert quantities.parse_bounds(str(bounds)) == bounds


# ---- two bounds in the place of standard deviations


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("9 to 25 px", "9 to 25 px"),
        (" 9px to 25.50 px ", "9 to 25.50 px"),
        ("0 to 1e3px", "0 to 1e3 px"),
        ("7 to 7 px", "7 to 7 px"),
        ("none", None),
    ],
)
def test_bounds_are_written_in_one_way(given, stored):
    assert FilterConfig(area_std_filter=given).area_std_filter == stored


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("9 to 25", "neither a number nor two bounds in px, as in '20 to 300 px'"),
        ("2.5", "neither a number nor two bounds in px"),
        ("9 to 25 um2", "neither a number nor two bounds in px"),
        ("25 to 9 px", "the larger bound first"),
        ("-1 to 9 px", "below 0"),
        ("1 to inf px", "not finite"),
        ("median", "neither a number nor two bounds in px"),
    ],
)
def test_what_are_no_bounds_is_refused(text, message):
    with pytest.raises(ValueError, match=f"(?s)area_std_filter.*{message}"):
        FilterConfig(area_std_filter=text)


def test_bounds_are_inclusive():
    found = filter_cell_by_regionprops(
        SIDES, **{**OFF, "area_std_filter": "9 to 25 px"}, verbose=False
    )
    assert np.unique(SIDES[found > 0]).tolist() == [2, 3, 4]


def test_margins_to_bounds_are_those_to_the_nearer():
    config = FilterConfig(**{**OFF, "area_std_filter": "9 to 25 px"})
    found = margins(measure_regions(SIDES), config)["area_outliers"]
    assert found.tolist() == [-5, 0, 7, 0, -119]


def test_the_page_and_the_report_tell_bounds():
    report = report_on(SIDES, **{**OFF, "area_std_filter": "9 to 25 px"})
    assert "  area_std_filter         9 to 25 px" in str(report)
    rules = {row.name: row.rule for row in reason_rows(report, {})}
    assert rules["Area Outliers"] == "area from 9.0 to 25.0 px"


def test_bounds_are_no_number_to_vary(tmp_path):
    post = PostSegmentation(
        SIDES, filter_config={**OFF, "area_std_filter": "9 to 25 px"}, verbose=False
    )
    post.refilter()
    with pytest.raises(ValueError, match=r"area_std_filter is '9 to 25 px', two bounds"):
        post.plot_sweep("area_std_filter")
    swept = post.threshold_sweep("area_std_filter", ["9 to 16 px", 1.5, None])
    assert swept["kept"].tolist() == [2, 4, 5]
    assert swept["lost"].iloc[0].tolist() == [4]
    assert post.plot_cells("area_outliers").axes
    post.write_report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "area_std_filter = &#34;9 to 25 px&#34;" in page
    assert 'id="sweeps"' not in page
