"""The border policy: what becomes of cells that the edge of the slide or a gap cuts."""

import numpy as np
import pandas as pd
import pytest
from drawing import OFF, draw
from hypothesis import given, settings
from hypothesis import strategies as st
from sampling import share, some
from strategies import canvases, thresholds

from postseg import FilterConfig, PostSegmentation, filter_cell_by_regionprops, measure_regions
from postseg.filtering.criteria import margins, rejections
from postseg.filtering.run import Measured
from postseg.show.page.data import audit_columns, columns_of, reason_rows

# Areas 1 and 6 at the border, 1 and 4 inside.
IMAGE = draw("1.2222 ....22 .3.... ...44. ...44. ......")
FEW = {**OFF, "min_absolute_area": 3, "max_area": 5}
INSIDE = ["tiny_artifacts", ""]


def filtered(cls=PostSegmentation, image=IMAGE, **thresholds):
    post = cls(image, filter_config={**FEW, **thresholds}, verbose=False)
    post.refilter()
    return post


def reasons(**thresholds):
    return filtered(**thresholds).regions["reason"].tolist()


def test_it_judges_keeps_or_drops():
    assert reasons() == reasons(border="judge") == ["tiny_artifacts", "too_large", *INSIDE]
    assert reasons(border="keep") == ["", "", *INSIDE]
    assert reasons(border="drop") == ["cut_by_border", "cut_by_border", *INSIDE]


def test_the_function_takes_it_by_keyword():
    found = filter_cell_by_regionprops(IMAGE, **FEW, border="keep", verbose=False)
    assert np.unique(IMAGE[found > 0]).tolist() == [1, 2, 4]
    with pytest.raises(ValueError, match=r"border: .*'judge', 'keep' or 'drop' \(got 'dorp'\)"):
        FilterConfig.from_file(written("border = 'dorp'"))


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def written(text):
    with open("c.toml", "w") as file:
        file.write(text)
    return "c.toml"


@pytest.mark.parametrize("value", [None, "none", True, 1, "", "Keep"])
def test_another_word_is_refused(value):
    with pytest.raises(ValueError, match="border"):
        FilterConfig(border=value)


@pytest.mark.parametrize("border", ["keep", "drop"])
def test_what_a_gap_between_tiles_cuts_is_cut_too(border):
    table = measure_regions(IMAGE).assign(cut=[False, False, True, False])
    config = FilterConfig(**FEW, border=border)
    failed = rejections(table, config)
    assert failed["cut_by_border"].tolist() == [border == "drop"] * 3 + [False]
    kept = (~failed.any(axis=1)).tolist()
    assert kept == [border == "keep"] * 3 + [True]
    judged = rejections(table, config.replace(border="judge"))
    assert judged.equals(rejections(table.drop(columns="cut"), config.replace(border="judge")))


@settings(deadline=None, max_examples=share(100))
@given(canvases(16), st.data())
def test_the_policy_changes_nothing_else(canvas, data):
    """Thresholds follow from all regions, and margins tell of them, whatever the policy."""
    table = measure_regions(canvas)
    cut = np.random.default_rng(data.draw(st.integers(0, 99))).random(len(table)) < 0.3
    table["cut"] = cut
    judge = FilterConfig(**data.draw(thresholds(table)) | {"border": "judge"})
    keep, drop = judge.replace(border="keep"), judge.replace(border="drop")
    at_border = table["cut"] | table["touches_border"]
    judged = rejections(table, judge)
    expected = judged.where(~at_border, False)
    pd.testing.assert_frame_equal(rejections(table, keep), expected)
    expected = judged.assign(cut_by_border=at_border)
    pd.testing.assert_frame_equal(rejections(table, drop), expected)
    for config in (keep, drop):
        pd.testing.assert_frame_equal(margins(table, config), margins(table, judge))
    assert "cut_by_border" not in margins(table, drop)


class NoCorner(PostSegmentation):
    def rejections(self, regions):
        failed = super().rejections(regions)
        failed["corner"] = (regions["min_row"] == 0) & (regions["min_col"] == 0)
        return failed


def test_a_reason_of_a_subclass_is_no_matter_of_the_policy():
    assert filtered(NoCorner, border="keep").regions["reason"].tolist() == ["corner", "", *INSIDE]
    cut = ["cut_by_border", "cut_by_border", *INSIDE]
    assert filtered(NoCorner, border="drop").regions["reason"].tolist() == cut


@pytest.mark.parametrize("cls", [PostSegmentation, NoCorner])
def test_policies_can_be_tried(cls):
    post = filtered(cls)
    found = post.threshold_sweep("border", ["judge", "keep", "drop"])
    corner = cls is NoCorner
    assert found["kept"].tolist() == [1, 3 - corner, 1]
    assert found.loc["keep", "gained"].tolist() == [1, 2][corner:]
    with pytest.raises(ValueError, match="border"):
        post.threshold_sweep("border", [3])


@pytest.mark.parametrize("border", ["keep", "drop"])
@pytest.mark.parametrize("cls", [PostSegmentation, NoCorner])
def test_other_thresholds_are_tried_with_the_policy(cls, border):
    post = filtered(cls, border=border)
    values = [None, 1, 2, 4]
    found = post.threshold_sweep("min_absolute_area", values)
    for value, kept in zip(values, found["kept"], strict=True):
        post.refilter(min_absolute_area=value)
        assert post.filter_report.passed == kept


def test_it_has_no_range_of_numbers():
    post = filtered()
    message = r"border is a policy.*threshold_sweep\('border', \['judge', 'keep', 'drop'\]\)"
    with pytest.raises(ValueError, match=message):
        post.plot_sweep("border")


def test_what_is_kept_anyway_is_not_what_a_threshold_decides_on():
    post = filtered(border="keep")
    swept = post._sweep(post._last_run(), "max_area")
    assert swept.decided.tolist() == [True, True, True, False]
    assert swept.kept_today == 3
    assert set(swept.kept) == {2, 3}  # from all values on, the two at the border stay
    assert "It rejects nothing that other tests keep." in swept.note


# ---- what is told of it


def rules(post):
    return {row.name: row.rule for row in reason_rows(post.filter_report, {})}


def test_the_report_tells_it():
    drop = filtered(border="drop").filter_report
    assert "  border                        drop" in str(drop).splitlines()
    assert "  Cut By Border: 2 (50.0%)" in str(drop).splitlines()
    assert next(iter(drop.rejected)) == "cut_by_border"
    assert drop.to_dict()["thresholds"]["border"] == "drop"
    assert drop.frozen().border == "drop"
    assert filtered().filter_report.rejected["cut_by_border"] == 0


def test_a_floor_above_the_median_is_not_said_to_reject_what_is_kept():
    with pytest.warns(UserWarning, match="at least half of them are below it"):
        filtered(border="keep", min_absolute_area=5)
    with pytest.warns(UserWarning, match="it rejects at least half of them"):
        filtered(image=np.pad(draw("1.2 ..2"), 1), min_absolute_area=2)


def test_the_page_tells_it():
    assert rules(filtered(border="drop"))["Cut By Border"].startswith("cut neither by the edge")
    assert rules(filtered(border="drop"))["Kept"] == ""
    assert rules(filtered(border="keep"))["Kept"] == (
        "or cut by the border, whatever its shape and size"
    )
    assert "Cut By Border" not in rules(filtered(border="keep"))
    assert rules(filtered())["Kept"] == ""


def test_nothing_is_told_of_how_far_a_cut_region_is_from_anything():
    rejected = filtered(border="drop").regions.query("label == 0")
    columns = audit_columns(rejected, ["cut_by_border", "tiny_artifacts"], columns_of(rejected))[
        "columns"
    ]
    assert columns["margin"] == [None, None, -2]


def test_when_nothing_passes_the_policy_is_named():
    with pytest.warns(UserWarning, match=r"Cut By Border 1 \(border\)"):
        filtered(image=draw("11 11"), border="drop")


@pytest.mark.parametrize("border", some(["drop", "judge", "keep"], 1))
@pytest.mark.parametrize("cls", [PostSegmentation, NoCorner])
def test_figures_and_page_are_made_with_it(cls, border):
    post = filtered(cls, border=border)
    post.plot_filter()
    post.plot_sweep("max_area")
    post.plot_cells("tiny_artifacts")
    post.write_report("page.html")
    with open("page.html", encoding="utf-8") as file:
        page = file.read()
    assert f"border = &#34;{border}&#34;" in page
    assert "<code>border</code>" not in page
    assert ("Cut by the edge of the slide, or by a gap" in page) == (border == "drop")


def test_a_gallery_of_what_was_cut():
    texts = [text.get_text() for text in filtered(border="drop").plot_cells("cut_by_border").texts]
    assert "Cut by the edge of the slide, or by a gap between tiles" in texts
    assert "Rejected (all)" in texts
    assert not any("Kept" in text for text in texts)
    with pytest.raises(ValueError, match="cut_by_border: its threshold border is 'keep'"):
        filtered(border="keep").plot_cells("cut_by_border")


def test_what_is_kept_anyway_is_not_next_to_go():
    texts = [text.get_text() for text in filtered(border="keep").plot_cells("tiny_artifacts").texts]
    assert {"region 3", "region 4"} <= set(texts)
    assert not {"region 1", "region 2"} & set(texts)  # of which the larger one passes this test


def test_a_column_cut_of_the_measured_regions_is_heeded():
    post = filtered(border="drop")
    measured = post._held.measured
    table = measured.table.assign(cut=[False, False, False, True])
    post._hold(measured=Measured(measured.runs, table, measured.image))
    with pytest.warns(UserWarning, match="None of the 4"):
        post.refilter()
    assert post.regions["reason"].tolist() == ["cut_by_border"] * 2 + [
        "tiny_artifacts",
        "cut_by_border",
    ]
