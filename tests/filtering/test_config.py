"""Thresholds, factor and name: what is accepted, what is refused and how it is said."""

import doctest
import json
import re
from pathlib import Path

import numpy as np
import pytest

import postseg.filtering.config
from postseg import FilterConfig, filter_cell_by_regionprops

CONFIGS = Path(__file__).parents[2] / "configs"
RATIOS = [
    "max_eccentricity",
    "min_solidity",
    "max_solidity",
    "min_extent",
    "max_extent",
    "min_compactness",
    "max_convexity_deficit",
]
AREAS = ["min_area", "min_absolute_area", "max_area", "max_perimeter_area_ratio"]
NOT_A_NUMBER = [float("nan"), float("inf"), True, "many", [1], np.nan, np.bool_(True)]


def test_the_defaults_are_those_of_the_description():
    assert dict(FilterConfig()) == {
        "max_eccentricity": None,
        "min_area": "median_div2",
        "min_absolute_area": 50,
        "max_area": None,
        "min_solidity": None,
        "max_solidity": None,
        "min_extent": None,
        "max_extent": None,
        "min_compactness": None,
        "max_convexity_deficit": 0.20,
        "max_perimeter_area_ratio": None,
        "area_std_filter": None,
        "border": "judge",
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, value) for field in RATIOS for value in (-0.001, 1.001, 20, *NOT_A_NUMBER)),
        *((field, value) for field in AREAS for value in (-0.001, *NOT_A_NUMBER)),
        *(("area_std_filter", value) for value in (0, -1, *NOT_A_NUMBER)),
        ("min_area", "mean"),
    ],
)
def test_an_impossible_threshold_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        FilterConfig(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, value) for field in RATIOS for value in (0, 1, 0.5, None)),
        *((field, value) for field in AREAS for value in (0, 1e9, None)),
        *(("area_std_filter", value) for value in (1e-9, 100, None)),
        ("min_area", "median"),
    ],
)
def test_the_whole_range_of_a_threshold_is_accepted(field, value):
    assert getattr(FilterConfig(**{field: value}), field) == value


@pytest.mark.parametrize(
    "thresholds",
    [
        {"min_solidity": 0.8, "max_solidity": 0.7},
        {"min_extent": 0.8, "max_extent": 0.7},
        {"min_area": 201, "max_area": 200},
    ],
)
def test_a_minimum_above_its_maximum_is_refused(thresholds):
    (low, bottom), (high, top) = thresholds.items()
    with pytest.raises(ValueError, match=f"{low} .{bottom}.* {high} .{top}"):
        FilterConfig(**thresholds)


@pytest.mark.parametrize(
    "thresholds",
    [
        {"min_solidity": 0.7, "max_solidity": 0.7},
        {"min_extent": 0.7, "max_extent": 0.7},
        {"min_area": 200, "max_area": 200},
    ],
)
def test_a_minimum_equal_to_its_maximum_is_accepted(thresholds):
    assert FilterConfig(**thresholds).model_fields_set == set(thresholds)


def test_a_percentile_is_not_compared_with_an_area():
    assert FilterConfig(min_area=100, max_area=60).min_area == 100


@pytest.mark.parametrize(
    ("field", "given", "stored"),
    [
        ("max_eccentricity", np.float32(0.5), 0.5),
        ("max_eccentricity", np.float64(0.9), 0.9),
        ("max_solidity", np.uint8(1), 1),
        ("min_absolute_area", np.int64(30), 30),
        ("min_area", np.float64(10), 10),
        ("min_area", np.str_("median"), "median"),
        ("area_std_filter", np.float16(2.5), 2.5),
    ],
)
def test_numpy_scalars_become_plain_values(field, given, stored):
    value = getattr(FilterConfig(**{field: given}), field)
    assert value == stored
    assert not isinstance(value, np.generic)


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("max_ecentricity", "max_eccentricity"),
        ("min_absolut_area", "min_absolute_area"),
        ("maxarea", "max_area"),
    ],
)
def test_a_misspelt_threshold_is_answered_with_the_nearest(misspelt, meant):
    with pytest.raises(ValueError, match=f"'{misspelt}': did you mean '{meant}'"):
        FilterConfig(**{misspelt: 1})


def test_an_unknown_threshold_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no such threshold.*max_eccentricity, min_area"):
        FilterConfig(zzz=1)


def test_thresholds_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        FilterConfig().max_area = 100


def test_replace_changes_a_copy():
    config = FilterConfig(max_eccentricity=0.9)
    assert config.replace(max_area=10) == FilterConfig(max_eccentricity=0.9, max_area=10)
    assert config == FilterConfig(max_eccentricity=0.9)


def test_replace_checks_like_a_new_one():
    config = FilterConfig(max_solidity=0.7)
    with pytest.raises(ValueError, match="min_solidity"):
        config.replace(min_solidity=0.8)
    with pytest.raises(ValueError, match="did you mean 'max_area'"):
        config.replace(max_are=2)


def test_the_repr_shows_what_differs_from_the_defaults():
    assert repr(FilterConfig()) == "FilterConfig()"
    config = FilterConfig(min_absolute_area=None, max_area=7.5, max_convexity_deficit=0.2)
    assert repr(config) == "FilterConfig(min_absolute_area=None, max_area=7.5)"


def test_the_docstring_examples_hold():
    results = doctest.testmod(postseg.filtering.config)
    assert results.attempted > 0
    assert results.failed == 0


# ---- files

# Not what the file leaves out, which keeps its default: what the description says of each.
NAMED = {
    "default": {},
    "strict": {
        "max_eccentricity": 0.90,
        "min_compactness": 0.55,
        "max_convexity_deficit": 0.15,
        "max_perimeter_area_ratio": 5.0,
    },
    "permissive": {"min_absolute_area": 30, "max_convexity_deficit": 0.30},
    "area": {"min_area": 10, "max_area": 2000, "area_std_filter": 2.5},
}


@pytest.mark.parametrize(("name", "thresholds"), NAMED.items(), ids=NAMED)
def test_the_named_configurations(name, thresholds):
    assert FilterConfig.from_file(CONFIGS / f"{name}.toml") == FilterConfig(**thresholds)


def test_there_is_no_other_named_configuration():
    assert {path.name for path in CONFIGS.iterdir()} == {f"{name}.toml" for name in NAMED}


def write(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("as_type", [str, Path])
def test_toml_and_json_say_the_same(tmp_path, as_type):
    toml = write(tmp_path, "a.toml", 'max_area = 2000\nmin_area = "median"\n')
    data = write(tmp_path, "a.json", json.dumps({"max_area": 2000, "min_area": "median"}))
    expected = FilterConfig(max_area=2000, min_area="median")
    assert FilterConfig.from_file(as_type(toml)) == expected
    assert FilterConfig.from_file(as_type(data)) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", 'min_area = "none"\nmin_absolute_area = "none"'),
        ("a.json", '{"min_area": null, "min_absolute_area": "none"}'),
    ],
)
def test_none_in_a_file_switches_a_test_off(tmp_path, name, text):
    config = FilterConfig.from_file(write(tmp_path, name, text))
    assert config == FilterConfig(min_area=None, min_absolute_area=None)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.toml"):
        FilterConfig.from_file(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "max_area = ", "a.toml is not valid TOML"),
        ("a.toml", "max_area = 1\nmax_area = 2", "a.toml is not valid TOML"),
        ("a.json", "{'max_area': 1}", "a.json is not valid JSON"),
        ("a.json", "[1, 2]", "a.json must hold a table"),
        ("a.yaml", "max_area: 1", "a.yaml.*toml or .json"),
        ("a", "max_area = 1", "toml or .json"),
        ("a.toml", "max_area = -1", "max_area"),
        ("a.toml", "max_area = nan", "max_area"),
        ("a.json", '{"max_area": Infinity}', "max_area"),
        ("a.toml", "max_are = 1", "did you mean 'max_area'"),
    ],
)
def test_a_bad_file_is_refused(tmp_path, name, text, message):
    path = write(tmp_path, name, text)
    with pytest.raises(ValueError, match=message):
        FilterConfig.from_file(path)


def test_a_file_with_a_byte_order_mark_or_an_upper_case_suffix(tmp_path):
    for name, text in (("a.TOML", "max_area = 9"), ("a.Json", '{"max_area": 9}')):
        (tmp_path / name).write_bytes(text.encode("utf-8-sig"))
        assert FilterConfig.from_file(tmp_path / name) == FilterConfig(max_area=9)


@pytest.mark.parametrize(
    "text",
    ['{"max_area": 9, "min_area": 5, "max_area": 10}', '{"a": {"max_area": 9, "max_area": 9}}'],
)
def test_a_key_of_json_that_stands_twice_is_refused(tmp_path, text):
    with pytest.raises(ValueError, match=r"a\.json is not valid JSON: 'max_area' is set twice"):
        FilterConfig.from_file(write(tmp_path, "a.json", text))


@pytest.mark.parametrize(("name", "start"), [("a.json", ""), ("a.toml", "max_area = ")])
@pytest.mark.parametrize("depth", [500, 900, 10**5])
def test_deep_nesting_is_refused_like_any_other_bad_value(tmp_path, name, start, depth):
    path = write(tmp_path, name, start + "[" * depth + "]" * depth)
    with pytest.raises(ValueError, match=re.escape(str(path))) as error:
        FilterConfig.from_file(path)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", "max_area = nan"),
        ("a.json", '{"max_area": NaN}'),
        ("a.json", '{"max_area": 1e999}'),
        ("a.json", f'{{"max_area": {"9" * 400}}}'),
        ("a.toml", "max_area = 1979-05-27"),
        ("a.toml", "[max_area]\nx = 1"),
        ("a.toml", "max_area = 9\nmin_area = 101"),
        ("a.toml", "max_are = 9"),
    ],
)
def test_a_bad_threshold_in_a_file_names_the_file_once_and_the_field(tmp_path, name, text):
    path = write(tmp_path, name, text)
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))}: .*max_area") as error:
        FilterConfig.from_file(path)
    assert str(error.value).count(str(path)) == 1
    assert "\n" not in str(error.value)


def test_bounds_that_differ_little_are_told_apart(tmp_path):
    with pytest.raises(ValueError, match=r"min_area \(100\.00001\) is above max_area \(100\):"):
        FilterConfig(min_area=100.00001, max_area=100)
    with pytest.raises(ValueError, match=r"min_extent \(0\.30000000000000004\) .* \(0\.3\)"):
        FilterConfig(min_extent=0.1 + 0.2, max_extent=0.3)


def test_a_folder_is_named(tmp_path):
    (tmp_path / "a.toml").mkdir()
    with pytest.raises(OSError, match=r"a\.toml"):
        FilterConfig.from_file(tmp_path / "a.toml")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
@pytest.mark.parametrize("name", ["a.toml", "a.json"])
def test_another_encoding_is_refused_and_what_to_do_is_said(tmp_path, name, encoding):
    (tmp_path / name).write_bytes("# für Zellen".encode(encoding))
    with pytest.raises(ValueError, match=rf"{name} is not text in UTF-8 .*; save it as UTF-8"):
        FilterConfig.from_file(tmp_path / name)


def test_a_file_that_is_not_text_is_named(tmp_path):
    (tmp_path / "latin.toml").write_bytes("# für Zellen\nmax_area = 1\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin\.toml"):
        FilterConfig.from_file(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("thresholds", "sentence"),
    [
        (
            {"max_eccentricity": 2},
            "max_eccentricity: input should be less than or equal to 1 (got 2)",
        ),
        (
            {"max_eccentricity": 2, "min_solidity": "a"},
            "max_eccentricity: input should be less than or equal to 1 (got 2); min_solidity: "
            "input should be a valid number (got 'a')",
        ),
    ],
)
def test_errors_are_one_line_without_links(thresholds, sentence):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - all of the message is looked at
        FilterConfig(**thresholds)
    assert str(error.value) == sentence


def test_the_function_answers_a_misspelt_threshold_with_the_nearest():
    with pytest.raises(TypeError, match="'max_aera': did you mean 'max_area'"):
        filter_cell_by_regionprops([[1]], max_aera=3)
