"""What `help` tells: of every threshold, every parameter, result and error."""

import inspect
import re

import numpy as np
import pytest
from click.testing import CliRunner

import postseg
from postseg import FilterConfig, FilterReport, PostSegmentation, filter_cell_by_regionprops
from postseg.cli.main import report, run
from postseg.filtering.config import THRESHOLDS, describe_thresholds, limits, range_of, rules
from postseg.verify.outcome import Verification
from postseg.verify.verification import verify_elements, verify_store

FUNCTIONS = [
    *(getattr(postseg, name) for name in postseg.__all__ if name[0].islower()),
    *(verify_elements, verify_store),
]
HOOKS = {"rejections", "masks_to_polygons", "mirror_y0"}


def methods(cls):
    """Public ones that are our own, by name."""
    found = {name: value for name, value in inspect.getmembers(cls) if not name.startswith("_")}
    return {
        name: value
        for name, value in found.items()
        if inspect.isroutine(value) and value.__module__.startswith("postseg.")
    }


def entries(doc, section):
    """What a section lists: {name: its lines}."""
    match = re.search(rf"^{section}\n-+\n(.*?)(?=\n\n\w+\n-+\n|\Z)", doc, re.MULTILINE | re.DOTALL)
    found, lines = {}, match[1].splitlines() if match else []
    for line in lines:
        if line and not line.startswith(" "):
            names = line.partition(" : ")[0].split(", ")
            found |= dict.fromkeys(names, block := [line])
        elif found:
            block.append(line)
    return found


ALL = {function.__name__: function for function in FUNCTIONS}
for cls in (PostSegmentation, FilterConfig, FilterReport, Verification):
    ALL |= {f"{cls.__name__}.{name}": method for name, method in methods(cls).items()}


@pytest.mark.parametrize("name", ALL)
def test_parameters_results_and_errors_are_told(name):
    function, doc = ALL[name], inspect.getdoc(ALL[name])
    signature = inspect.signature(function)
    told = [parameter.lstrip("*") for parameter in entries(doc, "Parameters")]
    given = [parameter for parameter in signature.parameters if parameter not in ("self", "cls")]
    assert told == given
    assert bool(entries(doc, "Returns")) == (signature.return_annotation not in (None, "None"))
    if name.startswith("PostSegmentation.") and name.split(".")[1] not in HOOKS:
        assert entries(doc, "Raises")


def test_the_class_tells_its_parameters():
    told = entries(inspect.getdoc(PostSegmentation), "Parameters")
    given = inspect.signature(PostSegmentation).parameters
    assert [*told] == [name for name in given if name != "others"]


@pytest.mark.parametrize("field", FilterConfig.model_fields)
def test_a_threshold_is_explained_wherever_people_look(field):
    """Meaning, range and typical value; from its field."""
    meaning = FilterConfig.model_fields[field].description
    for documented in (FilterConfig, filter_cell_by_regionprops):
        lines = entries(inspect.getdoc(documented), "Parameters")[field]
        assert range_of(field) in lines[0]
        assert " ".join("".join(lines[1:]).split()) == " ".join(meaning.split())
    for command in (run, report):
        told = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
        option = told.split(f"--{field.replace('_', '-')} ")[1]
        meaning, _, allowed = option.partition(" [")
        assert meaning.endswith(" ".join(FilterConfig.model_fields[field].description.split()))
        assert allowed.startswith(range_of(field))


def test_the_function_and_the_class_say_the_same():
    assert describe_thresholds() in inspect.getdoc(FilterConfig)
    for names in (THRESHOLDS, ["border"]):  # which stands after the parameters by position
        assert describe_thresholds(names) in inspect.getdoc(filter_cell_by_regionprops)


@pytest.mark.parametrize("field", THRESHOLDS)
def test_the_range_that_is_told_is_the_one_that_is_checked(field):
    low, _, high = range_of(field).removeprefix("from ").partition(" to ")
    beyond = {"above 0": 0}.get(low, -1e-9)
    assert low in ("above 0", "0")
    for value in (beyond, float(high) + 1e-9 if high else np.inf):
        with pytest.raises(ValueError, match=field):
            FilterConfig(**{field: value})
    for value in (1e-9, float(high or 1e9), *rules(field)):
        FilterConfig(**{field: value})
    assert set(limits(field)) <= {"ge", "gt", "le"}


def test_the_signature_of_the_config_is_what_one_types():
    (line, *_) = str(inspect.signature(FilterConfig)).splitlines()
    assert line.startswith(
        "(*, max_eccentricity=None, min_area='median_div2', min_absolute_area=50"
    )
