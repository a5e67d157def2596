"""Numbers and words as people read them, and that there is one place for it."""

import ast
import re
from pathlib import Path

import pytest

import postseg
from postseg._support import words

ROOT = Path(postseg.__file__).parent


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (1234.56, 1, "1,234.6"),
        (0.00049, 3, "0.000"),
        (-0.00049, 3, "0.000"),
        (-0.0, 2, "0.00"),
        (-0.0005001, 3, "-0.001"),
        (-10.0, 0, "-10"),
        (7, 0, "7"),
        (None, 3, "-"),
        (float("nan"), 3, "-"),
    ],
)
def test_a_number_with_so_many_digits(value, digits, text):
    assert words.fixed(value, digits) == text


def test_what_is_missing_can_be_left_out_and_commas_too():
    assert words.fixed(float("nan"), 1, missing="") == ""
    assert words.fixed(1234.5, 1, commas=False) == "1234.5"


def test_numbers_as_charts_tables_and_columns_show_them():
    assert words.brief(1234.5678) == "1,234.57"
    assert words.exact(1234.5678) == "1,234.5678"
    assert words.exact(50.0) == "50"
    assert words.rounded(123456) == "1.23e+05"
    assert words.seconds(0.04) == "0.0 s"


def test_names_in_titles_sentences_and_headings():
    assert words.human("high_convexity_deficit") == "High Convexity Deficit"
    assert words.name_of("convexity_deficit") == "convexity deficit"
    assert words.heading("convexity_deficit") == "Convexity deficit"


def test_counts_and_shares():
    assert words.out_of(1234, 5678) == "1,234 of 5,678 regions"
    assert words.out_of(1, 2, "cells") == "1 of 2 cells"
    assert [words.counted(n, "tile") for n in (0, 1, 1234)] == ["0 tiles", "1 tile", "1,234 tiles"]
    assert words.percent(1, 3) == " (33.3%)"
    assert words.percent(0, 0) == ""


def test_lists():
    assert words.listing("abc", 3) == "a, b, c"
    assert words.listing(map(str, range(2000)), 2) == "0, 1, and 1,998 more"
    assert words.quoted(["a", "b'c"]) == "'a', \"b'c\""


def test_lines_fit_a_terminal():
    lines = words.wrapped("word " * 60, indent="    ", first="-> ")
    assert len(lines) > 1
    assert max(map(len, lines)) <= words.WIDTH
    assert lines[0].startswith("-> word")
    assert all(line.startswith("    word") for line in lines[1:])


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: path.stem)
def test_no_other_module_has_its_own_way_with_numbers_and_names(path):
    """Of what goes to people: `,.6g` and the like, underscores made spaces."""
    if path.stem == "words":
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    formats = {
        node.format_spec.values[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.FormattedValue)
        and node.format_spec
        and isinstance(node.format_spec.values[0], ast.Constant)
    }
    assert {spec for spec in formats if re.fullmatch(r",\.\d+[fg]", spec)} == set()
    names = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert [name for name in names if re.search(r"replace\('_', ' '\)$", name)] == []


def test_it_imports_nothing_of_the_package():
    assert "postseg" not in (ROOT / "_support/words.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (80.0, "80"),
        (27.6817, "27.7"),
        (442.9066, "442.9"),
        (5536.332, "5,536.3"),
        (0.027682, "0.0277"),
        (3.14159, "3.14"),
    ],
)
def test_what_was_computed_is_told_to_three_digits_or_to_one_after_the_point(value, text):
    assert words.about(value) == text
