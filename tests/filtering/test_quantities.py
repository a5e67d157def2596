"""Area thresholds with a unit: how they are written, what they come to, what they decide."""

import json
import tomllib
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from drawing import OFF, squares
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import canvases

from postseg import FilterConfig, PostSegmentation, filter_cell_by_regionprops, measure_regions
from postseg.filtering import criteria, quantities
from postseg.filtering.config import takes_units
from postseg.show.page.render import config_toml

FIELDS = ["min_area", "min_absolute_area", "max_area"]
SIZES = [0.2125, 0.5, 1]


def in_um2(pixels, size, factor=1):
    """The area of so many mask pixels, as a decimal number without any rounding."""
    area = pixels * (Fraction(str(size)) * factor) ** 2
    digits = f"{int(area * 10**12):013d}"  # sizes have four digits at most, their squares eight
    return f"{digits[:-12]}.{digits[-12:]} um2"


def in_um2_as_printed(pixels, size, factor=1):
    """The same as Python prints it, which may be off in the last digit."""
    return f"{pixels * (size * factor) ** 2!r} um2"


# ---- as text


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    ("given", "stored"),
    [
        *((text, "20 um2") for text in ("20 um2", "20um2", "20 um^2", "20 um²", " 20\tum2 ")),
        *((f"20 {micro}m{two}", "20 um2") for micro in "\u00b5\u03bc" for two in ("2", "²", "^2")),
        ("20\u00a0µm²", "20 um2"),
        ("20.50 um2", "20.50 um2"),
        (".5um2", ".5 um2"),
        ("1e3 px", "1e3 px"),
        (np.str_("80px"), "80 px"),
        ("10%", "10 %"),
        ("100 %", "100 %"),
        ("0 um2", "0 um2"),
    ],
)
def test_a_quantity_is_stored_in_one_way_with_its_number_as_written(field, given, stored):
    config = FilterConfig(**{field: given})
    assert getattr(config, field) == stored
    assert config == FilterConfig(**{field: stored}) == FilterConfig().replace(**{field: given})


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("20 um", r"'20 um' has the unit 'um'; units are um2, px or %"),
        ("20 mm2", r"has the unit 'mm2'; units are um2, px or %"),
        ("20 um3", r"has the unit 'um3'"),
        ("1e9999 px", r"has the unit 'e9999 px'"),
        ("20", r"'20' has no unit; units are um2, px or %"),
        ("-3 px", r"'-3 px' is below 0"),
        ("-0.001 um2", r"is below 0"),
        ("nan um2", r"'nan um2' is not finite"),
        ("inf px", r"'inf px' is not finite"),
        ("1e999 um2", r"'1e999 um2' is not finite"),
        ("100.1 %", r"'100.1 %' is no percentile; give one from 0 % to 100 %"),
    ],
)
def test_a_bad_quantity_is_refused_by_field_value_and_what_there_is(field, text, message):
    with pytest.raises(ValueError, match=rf"(?s){field}.*{message}") as error:
        FilterConfig(**{field: text})
    assert str(error.value).count(f"{field}: ") == 1


def test_a_number_of_endless_digits_is_refused():
    with pytest.raises(ValueError, match="is no number with a unit") as error:
        FilterConfig(max_area="9" * 10**5 + " px")
    assert len(str(error.value)) < 250


def test_words_and_numbers_keep_their_meaning():
    assert [name for name in FilterConfig.model_fields if takes_units(name)] == FIELDS
    assert FilterConfig(min_area="median_div2").min_area == "median_div2"
    with pytest.raises(ValueError, match="'many' is no number with a unit"):
        FilterConfig(max_area="many")
    with pytest.raises(ValueError, match="max_perimeter_area_ratio"):
        FilterConfig(max_perimeter_area_ratio="5 px")


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("text", ["20.50 µm²", "0.1px", "10 %", "1e2 um2"])
def test_it_comes_back_from_toml_and_json(tmp_path, field, text):
    config = FilterConfig(**{field: text})
    assert FilterConfig.model_validate_json(config.model_dump_json()) == config
    assert FilterConfig(**tomllib.loads(config_toml(config))) == config
    for name, written in (
        ("a.toml", f'{field} = "{text}"'),
        ("b.toml", config_toml(config)),
        ("a.json", json.dumps({field: text})),
        ("b.json", config.model_dump_json()),
    ):
        (tmp_path / name).write_text(written, encoding="utf-8")
        assert FilterConfig.from_file(tmp_path / name) == config
    assert FilterConfig.from_file(tmp_path / "a.toml").model_dump() == config.model_dump()


@pytest.mark.parametrize(
    ("low", "high"),
    [("90 px", "80 px"), ("90 um2", "80.5 um2"), ("90 px", 80), (101, "100.5 px")],
)
def test_a_minimum_above_a_maximum_of_its_unit_is_refused(low, high):
    with pytest.raises(ValueError, match=rf"min_area \({low}\) is above max_area \({high}\)"):
        FilterConfig(min_area=low, max_area=high)


@pytest.mark.parametrize(
    ("low", "high"),
    [("90 um2", "80 px"), ("90 px", "80 um2"), ("90 %", "10 %"), (90, "80 px"), ("80 px", 80)],
)
def test_other_units_are_not_compared_and_equal_areas_are_no_error(low, high):
    assert FilterConfig(min_area=low, max_area=high).model_fields_set == {"min_area", "max_area"}


# ---- in pixels


@pytest.mark.parametrize("factor", [1, 4])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("written", [in_um2, in_um2_as_printed])
def test_so_many_pixels_in_um2_are_so_many_pixels(written, size, factor):
    area = quantities.pixel_area(size, factor, factor)
    for pixels in [*range(500), 10**4, 10**6 + 1]:
        config = FilterConfig(max_area=written(pixels, size, factor)).in_pixels(area)
        assert config.max_area == f"{pixels} px"


def test_what_is_no_whole_number_stays_apart_from_it():
    area = quantities.pixel_area(1.0)
    found = FilterConfig(min_area="1e-12 um2", max_area="80.00001 um2").in_pixels(area)
    assert (found.min_area, found.max_area) == ("1e-12 px", "80.00001 px")


def test_only_um2_is_turned_into_pixels():
    config = FilterConfig(min_area=30, min_absolute_area="20 %", max_area="9 px")
    assert config.in_pixels(None) is config
    assert config.in_pixels(Fraction(1, 4)) is config
    assert config.replace(max_area="9 um2").in_pixels(Fraction(1, 4)).max_area == "36 px"


@pytest.mark.parametrize("field", FIELDS)
def test_um2_without_a_pixel_size_names_the_field_the_value_and_what_to_give(field):
    message = rf"^{field} is '20 um2', .*pixel_size= .*--pixel-size"
    thresholds = {**OFF, field: "20 µm²"}
    post = PostSegmentation(squares(5, 9), filter_config=thresholds, verbose=False)
    for step in (
        post.process_masks_to_shapes,
        post.refilter,
        lambda: post.filter_cell_by_regionprops(post.masks),
        lambda: post.threshold_sweep("max_extent", [1]),
        lambda: filter_cell_by_regionprops(squares(5, 9), **thresholds, verbose=False),
    ):
        with pytest.raises(ValueError, match=message):
            step()
    assert post.regions is None


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    ("setting", "pixels", "rule"),
    [
        (None, None, "off"),
        ("12.5 px", 12.5, "pixels"),
        ("100 px", 100, "pixels"),
        (200, 200, "pixels"),
        ("25 %", 7.75, "percentile 25 of the areas"),
        ("100 %", 25, "percentile 100 of the areas"),
    ],
)
def test_an_area_threshold_comes_to_pixels_by_a_named_rule(field, setting, pixels, rule):
    test = criteria.test_of(field)
    assert criteria.resolve_area(test, setting, np.array([25, 9, 4, 16])) == (pixels, rule)
    if rule != "pixels":
        assert criteria.resolve_area(test, setting, np.array([], int)).pixels is None


@settings(deadline=None, max_examples=60)
@given(canvases(16), st.sampled_from(SIZES), st.sampled_from([1, 4]), st.data())
def test_um2_decides_exactly_as_the_same_area_in_pixels(canvas, size, factor, data):
    areas = sorted({*measure_regions(canvas)["area"]}) or [1]
    pixels = data.draw(st.one_of(st.sampled_from(areas), st.integers(0, 40)))
    written = data.draw(st.sampled_from([in_um2, in_um2_as_printed]))
    text = written(pixels, size, factor)
    post = PostSegmentation(canvas, factor, pixel_size=size, verbose=False)
    number = {name: f"{pixels} px" if name == "min_area" else pixels for name in FIELDS}
    for field in FIELDS:
        tried = [text, f"{pixels} px", number[field]]
        kept = post.threshold_sweep(field, tried)["kept"].tolist()
        failed = [
            criteria.rejections(
                measure_regions(canvas),
                FilterConfig(**{**OFF, field: value}).in_pixels(post._pixel_area()),
            )
            for value in tried
        ]
        assert len(set(kept)) == 1
        for other in failed[1:]:
            pd.testing.assert_frame_equal(failed[0], other)
        bad = measure_regions(canvas)["area"]
        bad = bad > pixels if field == "max_area" else bad < pixels
        assert failed[0].any(axis=1).tolist() == bad.tolist()


# ---- the steps


class Watching(PostSegmentation):
    def rejections(self, regions):
        self.seen = self.filter_config, list(regions)
        return super().rejections(regions)


def test_the_config_stays_as_stated_and_hooks_see_the_one_in_force():
    post = Watching(squares(8, 9, 10), 2, pixel_size=0.5, verbose=False)
    stated = FilterConfig(**OFF).replace(min_area="81 um2", max_extent=1)
    post.refilter(stated)
    config, columns = post.seen
    assert config == stated.replace(min_area="81 px")
    assert "area_um2" not in columns
    assert post.filter_config == post.filter_report.stated == stated
    assert post.filter_report.config == config
    post.process_masks_to_shapes()
    assert post.filter_config == stated
    assert post.regions["label"].tolist() == [0, 1, 2]
    post.filter_cell_by_regionprops(post.masks, min_area="82 um2")
    assert post.seen[0].min_area == "82 px"
    assert post.filter_config == stated


@pytest.mark.parametrize("cls", [PostSegmentation, Watching])
def test_quantities_can_be_swept(cls):
    post = cls(squares(8, 9, 10), pixel_size=0.5, verbose=False, filter_config=OFF)
    tried = ["20.25 um2", "81 px", "82px", "20.5 um2", "0 %", "100 %", None]
    found = post.threshold_sweep("min_absolute_area", tried)
    assert found.index.tolist() == tried
    assert found["kept"].tolist() == [2, 2, 1, 1, 3, 1, 3]
    post.refilter(min_area="20.25 um2", max_area="100 %")
    assert post.threshold_sweep("min_area", ["20.5 um2"])["lost"].tolist() == [[2]]
    sweep = post._sweep(post._last_run(), "min_area")
    assert (sweep.today, sweep.kept_today) == (81, 2)


def test_the_function_takes_the_size_of_a_mask_pixel():
    found = filter_cell_by_regionprops(
        squares(8, 9, 10), min_area=None, min_absolute_area="20.25 um2", pixel_size=0.5
    )
    assert found.max() == 2
    with pytest.raises(ValueError, match="pixel_size is 0"):
        filter_cell_by_regionprops(squares(8), pixel_size=0)


@pytest.mark.parametrize(("factor", "times"), [(0, 1), (1, 1), (4, 16)])
def test_areas_in_um2_stand_beside_those_in_pixels(factor, times):
    post = PostSegmentation(squares(8, 9), factor, pixel_size=0.5, verbose=False, filter_config=OFF)
    post.process_masks_to_shapes()
    columns = list(post.regions)
    assert columns[columns.index("area") + 1] == "area_um2"
    np.testing.assert_array_equal(post.regions["area_um2"], post.regions["area"] * 0.25 * times)
    obs = post.process_table().obs
    assert obs["area_um2"].tolist() == [16 * times, 20.25 * times]
    post.pixel_size = 1
    assert post.table is None
    assert post.process_table().obs["area_um2"].tolist() == [64 * times, 81 * times]
    post.pixel_size = None
    assert "area_um2" not in post.process_table().obs
    post.refilter()
    assert "area_um2" not in post.regions


@pytest.mark.parametrize("name", ["a.csv", "a.regions.parquet", "a.parquet"])
def test_exports_have_them_too(tmp_path, name):
    post = PostSegmentation(squares(8, 9), pixel_size=0.5, verbose=False, filter_config=OFF)
    post.export(tmp_path / name)
    read = pd.read_csv if name.endswith("csv") else pd.read_parquet
    assert read(tmp_path / name)["area_um2"].tolist() == [16, 20.25]
