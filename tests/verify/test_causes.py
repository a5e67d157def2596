"""Broken shapes: each kind of disagreement is found, and its cause named."""

import re

import numpy as np
import pytest
import shapely
from tampering import FACTOR, moved, other, processed, replaced, swapped, tissue

from postseg.verify.verification import verify_elements


@pytest.fixture(scope="module")
def good():
    """Labels, shapes and table; not to be changed."""
    post = processed(tissue(), origin=(101, -33))
    return post.labels_model, post.shapes_model, post.table


def bowtie(polygon):
    left, bottom, right, top = polygon.bounds
    return shapely.Polygon([(left, bottom), (right, top), (right, bottom), (left, top)])


def nan_inside(polygon):
    def spoil(xy):
        xy[1] = np.nan
        return xy

    return shapely.transform(polygon, spoil)


def height(shapes):
    return shapely.total_bounds(shapes.geometry)[3]


EVERY = set(range(1, 21))
BROKEN = {  # what is done to the shapes, the problems that it makes, and the cause
    "half a pixel": (
        lambda s: moved(s, lambda xy: xy + 0.5),
        {"misplaced": EVERY},
        r"lie \(\+0.50, -0.50\) px .* off their labels, half a pixel",
    ),
    "half a pixel along x": (
        lambda s: moved(s, lambda xy: np.add(xy, (0.5, 0))),
        {"misplaced": EVERY},
        r"\(\+0.50, \+0.00\) px .* half a pixel",
    ),
    "half a mask pixel": (
        lambda s: moved(s, lambda xy: xy - FACTOR / 2),
        {"misplaced": EVERY},
        r"\(-2.00, \+2.00\) px .* half a mask pixel \(one is 4 px\)",
    ),
    "three pixels": (
        lambda s: moved(s, lambda xy: np.add(xy, (3, 0))),
        {"misplaced": EVERY},
        r"\(\+3.00, \+0.00\) px \(x, y\) off their labels\.$",
    ),
    "upside down": (
        lambda s: moved(s, lambda xy: (0, height(s)) + xy * (1, -1)),
        {"misplaced": EVERY},
        "mirrored vertically",
    ),
    "mirrored": (
        lambda s: moved(s, lambda xy: xy * (-1, 1) + (480, 0)),
        {"misplaced": EVERY},
        "mirrored horizontally",
    ),
    "rows as x": (
        lambda s: moved(s, lambda xy: height(s) - xy[:, ::-1]),
        {"misplaced": EVERY},
        "transposed: x and y are exchanged",
    ),
    "not scaled": (
        lambda s: moved(s, lambda xy: xy / FACTOR),
        {"misplaced": EVERY},
        r"0.25 times as large as the labels: .* factor",
    ),
    "not scaled, and three ids are mixed up": (
        lambda s: swapped(swapped(moved(s, lambda xy: xy / FACTOR), 4, 9), 9, 12),
        {"misplaced": EVERY},
        "0.25 times as large",
    ),
    "millions of times too large": (
        lambda s: moved(s, lambda xy: xy * 3e6),
        {"misplaced": EVERY},
        r"3e\+06 times as large",
    ),
    "sheared": (
        lambda s: moved(s, lambda xy: xy @ [[1, 0.5], [0, 1]]),
        {"misplaced": EVERY},
        r"An affine map takes the polygons to the labels: x' = 1 x .*, y' = 0.5 x \+1 y",
    ),
    "ids from 0": (
        lambda s: other(s, index=s.index - 1),
        {
            "misplaced": EVERY - {20},
            "no polygon": {20},
            "not in the labels": {0},
            "not in the table": {0},
        },
        "Ids are shifted by 1: .* 20 polygons lie on the label whose id is 1 higher",
    ),
    "a polygon dropped, the later ones renumbered": (
        lambda s: other(s.drop(6), index=np.arange(1, 20)),
        {"misplaced": set(range(6, 20)), "no polygon": {20}},
        "Ids are shifted by 1: from 6 on, 14 polygons",
    ),
    "ids swapped": (
        lambda s: swapped(s, 4, 9),
        {"misplaced": {4, 9}},
        "Ids are swapped: 4 and 9",
    ),
    "ids shuffled": (
        lambda s: other(s, index=(s.index * 2) % 21),
        {"misplaced": EVERY},
        "20 polygons lie on a label with another id, without a pattern",
    ),
    "polygon missing": (lambda s: s.drop(7), {"no polygon": {7}}, None),
    "polygon twice": (
        lambda s: other(s, index=s.index.map(lambda label: 3 if label == 5 else label)),
        {"several polygons": {3}, "no polygon": {5}, "different outline": {3}},
        None,
    ),
    "bowtie": (
        lambda s: replaced(s, 2, bowtie),
        {"invalid polygon": {2}, "different outline": {2}},
        None,
    ),
    "empty": (
        lambda s: replaced(s, 2, lambda polygon: shapely.Polygon()),
        {"invalid polygon": {2}, "different outline": {2}},
        None,
    ),
    "not a number": (
        lambda s: replaced(s, 2, nan_inside),
        {"invalid polygon": {2}, "different outline": {2}},
        None,
    ),
    "one shifted": (
        lambda s: replaced(s, 8, lambda p: shapely.transform(p, lambda xy: np.add(xy, (2, 0)))),
        {"misplaced": {8}},
        None,
    ),
    "one half as large": (
        lambda s: replaced(s, 8, lambda p: shapely.affinity.scale(p, 0.5, 0.5)),
        {"different outline": {8}},
        None,
    ),
    "all half as large": (
        lambda s: other(s, [shapely.affinity.scale(p, 0.6, 0.6) for p in s.geometry]),
        {"different outline": EVERY},
        "0.36 times the pixels",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_shapes_are_found_and_the_cause_named(good, name):
    labels, shapes, table = good
    break_shapes, problems, cause = BROKEN[name]
    found = verify_elements(labels, break_shapes(shapes), table)
    assert not found.ok
    for kind, ids in problems.items():
        named = found.cells.index[found.cells["problem"].str.contains(kind)]
        assert set(named) == ids, kind
        assert found.summary["problems"][kind]["count"] == len(ids)
    assert set(found.summary["problems"]) == set(problems)
    assert set(found.cells.index[found.cells["problem"] != ""]) == set.union(*problems.values())
    if cause is None:
        assert found.summary["causes"] == []
    else:
        [text] = found.summary["causes"]
        assert re.search(cause, text), text
    report = str(found)
    assert max(map(len, report.splitlines())) <= 100
    assert all(kind in report for kind in problems)
