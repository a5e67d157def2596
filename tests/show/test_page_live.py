"""What the page holds to filter anew by itself; what it does in a browser is in tests/browser."""

from fractions import Fraction

import numpy as np
import pytest
from counted import counted
from drawing import OFF, ragged, squares
from page_samples import (
    NASTY,
    WithNastyReason,
    cells,
    filtered,
    live_page_of,
    packed_of,
    read,
    unpack,
)

from postseg import PostSegmentation
from postseg.filtering.config import FilterConfig, config_toml
from postseg.filtering.criteria import is_cut
from postseg.filtering.metrics import METRICS
from postseg.show.pictures import whole
from postseg.show.view import sample_regions


@pytest.fixture(scope="module")
def post():
    return counted(filtered(cells(60), WithNastyReason, border="keep"))


@pytest.fixture(scope="module")
def unpacked(post):
    return unpack(packed_of(post))


def test_every_value_of_every_region_is_held_to_the_bit(post, unpacked):
    head, arrays = unpacked
    regions = post.regions
    formulas = {
        "ratio": lambda a, b: a / b,
        "filled": lambda a, h, w: a / (h * w),
        "rest": lambda a: 1 - a,
        "compactness": lambda a, p: np.where(p > 0, 4 * np.pi * a / (p * p), np.nan),
        "over_root": lambda p, a: p / np.sqrt(a),
    }
    known = dict(arrays)
    with np.errstate(all="ignore"):
        for name, formula, of in head["formulas"]:
            known[name] = formulas[formula](*(known[part] for part in of))
    assert len(head["formulas"]) == 5
    for name in (*METRICS, "area_convex", "source_label", "transcript_counts"):
        np.testing.assert_array_equal(known[name], regions[name], err_msg=name)
    assert np.isnan(known["compactness"]).any()
    for axis in ("row", "col"):
        place = known[f"{axis}_tenths"] / 10
        np.testing.assert_allclose(place, regions[f"centroid_{axis}"], atol=0.0501)
    box = regions[["min_row", "min_col"]].to_numpy().T
    np.testing.assert_array_equal([known["top"], known["left"]], box)
    np.testing.assert_array_equal(known["cut"], is_cut(regions))
    assert (head["total"], head["transcripts"]) == (60, post.filter_report.transcripts.total)


def test_a_column_that_does_not_follow_from_others_is_held_as_it_is(post, monkeypatch):
    run, scene = post._scene(None)
    off = run.regions.assign(solidity=np.nextafter(run.regions["solidity"], 0))
    monkeypatch.setattr(post, "_scene", lambda _: (run._replace(regions=off), scene))
    head, arrays = unpack(packed_of(post))
    np.testing.assert_array_equal(arrays["solidity"], off["solidity"])
    assert "convexity_deficit" in arrays
    assert {name for name, *_ in head["formulas"]} == {
        "extent",
        "compactness",
        "perimeter_area_ratio",
    }


def test_the_map_holds_the_regions_at_the_pixels_of_the_picture(post, unpacked):
    head, arrays = unpacked
    (shown,) = head["maps"]
    _, scene = post._scene(None)
    expected = sample_regions(scene.runs, whole(scene.runs.shape), np.arange(61) > 0)
    assert (shown["height"], shown["width"]) == expected.shape
    np.testing.assert_array_equal(arrays["map_0"].reshape(expected.shape), expected)
    assert shown["rows"] == {"first": 0, "length": 140, "take": 1, "repeat": 6}
    assert set(shown["reasons"]) == {reason["name"] for reason in head["reasons"]}
    assert shown["tissue"] is None
    image = np.full(post.masks.shape, 99, np.uint8)
    painted, _ = unpack(packed_of(post, image))
    assert painted["maps"][0]["tissue"].startswith("data:image/jpeg;base64,")


def test_reasons_have_the_order_of_the_tests_and_those_of_a_subclass_their_outcome(post, unpacked):
    head, arrays = unpacked
    names = [reason["name"] for reason in head["reasons"]]
    assert names == [*post.filter_report.rejected]
    np.testing.assert_array_equal(arrays[f"own_{names.index(NASTY)}"], post.regions["area"] == 144)
    assert sum(name.startswith(("own", "added", "spared")) for name in arrays) == 1
    assert head["changed"] == []


class Merciful(PostSegmentation):
    def rejections(self, regions):
        failed = super().rejections(regions)
        failed.loc[7:12, "tiny_artifacts"] = [True, False] * 3
        return failed.drop(columns="too_large")


def test_where_a_subclass_changes_an_outcome_the_difference_is_held():
    post = filtered(cells(20), Merciful, **OFF | {"min_absolute_area": 50})
    head, arrays = unpack(packed_of(post))
    assert head["changed"] == ["tiny_artifacts"]
    code = [reason["name"] for reason in head["reasons"]].index("tiny_artifacts")
    small = post.regions["area"] < 50
    added, spared = arrays[f"added_{code}"], arrays.get(f"spared_{code}", np.zeros(20))
    outcome = (small & (spared == 0)) | (added == 1)
    np.testing.assert_array_equal(outcome, post.regions["reason"] == "tiny_artifacts")
    assert added.sum() > 0
    assert "max_area" not in {test["threshold"] for test in head["tests"]}


def test_settings_are_as_stated_while_the_pixel_size_is_that_of_the_run():
    post = PostSegmentation(squares(8, 9, 10), pixel_size=0.5, verbose=False)
    post.refilter(min_absolute_area="20 um2", max_eccentricity=0.9)
    head, _ = unpack(packed_of(post))
    assert Fraction(*map(int, head["pixel_area"])) == Fraction(1, 4)
    fields = head["fields"]
    assert {name: field["setting"] for name, field in fields.items()} == dict(post.filter_config)
    lines = "".join(f"{field['line']}\n" for field in fields.values())
    assert lines == config_toml(post.filter_config)
    run = post._last_run()
    post.pixel_size = 0.25
    post._hold(last=run)
    head, _ = unpack(packed_of(post))
    assert head["pixel_area"] is None
    assert head["fields"]["min_absolute_area"]["setting"] == "80 px"
    assert [*head["fields"]] == [*FilterConfig.model_fields]


def test_labels_of_all_kinds_are_exact():
    for label in (np.uint64(2**63 - 1), np.int32(7)):
        post = filtered(np.where(squares(3) > 0, label, label * 0), **OFF)
        assert unpack(packed_of(post))[1]["source_label"].tolist() == [int(label)]


@pytest.mark.filterwarnings("ignore:The masks hold no cells")
def test_without_regions_there_is_nothing_to_move():
    assert packed_of(filtered(np.zeros((9, 9), int))) == ""


def test_the_page_holds_it_and_shows_the_run_without_a_script(post):
    tree = read(live_page_of(post))
    assert unpack(tree.find(".//script[@id='run']").text)[0]["total"] == 60
    assert "hidden" in tree.find(".//div[@id='live']").attrib
    assert len(tree.findall(".//p[@class='warning stale']")) == 3
    assert all("hidden" in note.attrib for note in tree.findall(".//p[@class='warning stale']"))
    assert "hidden" not in tree.find(".//section[@id='distributions']").attrib


def test_a_page_of_many_regions_is_small():
    """55,000 regions of all sizes and shapes; how fast it is tells tests/benchmarks/page.py."""
    post = PostSegmentation(ragged(235), verbose=False)
    post.refilter(min_area=None, min_absolute_area=None, max_eccentricity=0.9)
    assert len(post.regions) > 55_000
    assert len(packed_of(post)) < 4e6
