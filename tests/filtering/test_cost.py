"""What a threshold costs in transcripts: in the report, in a sweep, and seen by `rejections`."""

import json

import numpy as np
import pandas as pd
import pytest
from counted import counted
from drawing import OFF, squares
from hypothesis import given, settings
from hypothesis import strategies as st
from page_samples import cells, filtered
from sampling import share
from strategies import canvases, thresholds

from postseg import PostSegmentation
from postseg.filtering.config import THRESHOLDS
from postseg.filtering.criteria import rejections
from postseg.filtering.report import Transcripts

SIZES = (2, 8, 9, 10)  # sides of squares; too small with AT_LEAST: the first
EVEN_NONE = pytest.mark.filterwarnings("ignore:None of the", "ignore:The masks hold", "ignore:min_")
AT_LEAST = OFF | {"min_absolute_area": 5}


def tiny(counts=(3, 10, 0, 7), n_transcripts=40, **thresholds):
    post = PostSegmentation(squares(*SIZES), verbose=False, filter_config=AT_LEAST | thresholds)
    return counted(post, counts, n_transcripts)


class Asking(PostSegmentation):
    """A minimum of transcripts is one line."""

    def rejections(self, regions):
        return super().rejections(regions).assign(few=regions["transcript_counts"] < 5)


# ---- the report


def test_the_report_tells_where_the_transcripts_lie():
    found = tiny(max_area=90).filter_report.transcripts
    assert found[:3] == (10, 20, 40)
    assert {reason: n for reason, n in found.rejected.items() if n} == {
        "tiny_artifacts": 3,
        "too_large": 7,
    }
    assert found.share == 0.25
    assert all(type(n) is int for n in (*found[:3], *found.rejected.values()))


def test_a_report_without_points_knows_of_none():
    report = filtered(cells(30)).filter_report
    assert report.transcripts is None
    assert report.to_dict()["transcripts"] is None
    assert "ranscripts" not in str(report)


def test_the_report_says_what_each_reason_cost():
    lines = str(tiny(max_area=90).filter_report).splitlines()
    assert lines[1:3] == ["Transcripts in cells: 25.0% (10 of 40)", "=" * 99]
    assert lines[-2:] == [
        "  Tiny Artifacts: 1 (25.0%), 7.5% of the transcripts",
        "  Too Large: 1 (25.0%), 17.5% of the transcripts",
    ]


def test_plain_data_tells_it_too():
    report = tiny().filter_report
    found = json.loads(json.dumps(report.to_dict()))["transcripts"]
    assert found.pop("rejected") == dict.fromkeys(report.rejected, 0) | {"tiny_artifacts": 3}
    assert found == {"in_cells": 17, "in_regions": 20, "total": 40, "share": 17 / 40}


def test_no_transcripts_at_all_are_no_share():
    report = tiny(counts=(0, 0, 0, 0), n_transcripts=0).filter_report
    assert report.transcripts.share == report.to_dict()["transcripts"]["share"] == 0
    assert "Transcripts in cells: 0.0% (0 of 0)" in str(report)
    assert str(report).endswith("Tiny Artifacts: 1 (25.0%)")


def test_counts_stand_in_the_audit_table_before_the_label():
    post = tiny()
    columns = post.regions.columns.tolist()
    assert columns[columns.index("label") - 1] == "transcript_counts"
    assert post.regions["transcript_counts"].tolist() == [3, 10, 0, 7]
    assert post.regions["transcript_counts"].dtype == np.int64


@EVEN_NONE
@settings(deadline=None, max_examples=share(40))
@given(canvases(16), st.data())
def test_cells_and_reasons_add_up(canvas, data):
    post = PostSegmentation(canvas, verbose=False)
    config = data.draw(thresholds(post._measure_input().table))
    post.refilter(**config) if config else post.refilter()
    found = counted(post).filter_report.transcripts
    regions = post.regions
    by_reason = regions.groupby("reason")["transcript_counts"].sum().to_dict()
    assert found.in_cells == by_reason.pop("", 0)
    assert {reason: n for reason, n in found.rejected.items() if n} == {
        reason: n for reason, n in by_reason.items() if n
    }
    assert found.in_cells + sum(found.rejected.values()) == found.in_regions <= found.total


# ---- sweeps


class Masked(PostSegmentation):
    """Ours, but asked for every value."""

    def rejections(self, regions):
        return rejections(regions, self.filter_config)


@EVEN_NONE
@pytest.mark.parametrize("field", [*THRESHOLDS])
def test_a_search_adds_up_what_filtering_keeps(field):
    one, other = (
        counted(filtered(cells(60), cls, max_convexity_deficit=1))
        for cls in (PostSegmentation, Masked)
    )
    ours, asked = (post._sweep(post._last_run(), field) for post in (one, other))
    np.testing.assert_array_equal(ours.kept, asked.kept)
    np.testing.assert_array_equal(ours.transcripts, asked.transcripts)
    assert ours.transcripts_today == asked.transcripts_today == one.filter_report.transcripts.share
    if ours.today is not None and field != "min_area":
        assert ours.transcripts[ours.value == ours.today] == ours.transcripts_today
    assert 0 < np.ptp(ours.transcripts) <= 1
    tried = [None, *ours.value[[5, -5]].tolist()]
    table = one.threshold_sweep(field, tried)
    assert table.drop(columns=["gained", "lost"]).equals(
        other.threshold_sweep(field, tried).drop(columns=["gained", "lost"])
    )
    for value, row in zip(tried, table.itertuples(), strict=True):
        one.refilter(**{field: value})
        found = one.filter_report.transcripts
        assert (row.transcripts, row.transcript_share) == (found.in_cells, found.share)


def test_the_columns_of_a_sweep_and_their_kinds():
    plain, post = filtered(cells(30)), counted(filtered(cells(30)))
    columns = plain.threshold_sweep("max_area", [90, None]).columns.tolist()
    assert columns == ["kept", "rejected", "gained", "lost"]
    found = post.threshold_sweep("max_area", [90, None])
    assert found.columns.tolist() == [*columns, "transcripts", "transcript_share"]
    assert found.dtypes[["kept", "transcripts", "transcript_share"]].tolist() == [
        np.dtype(kind) for kind in (int, int, float)
    ]
    assert len(post.threshold_sweep("max_area", [])) == 0
    assert post.threshold_sweep("border", ["keep", "drop"])["transcripts"].gt(0).all()


def test_no_transcripts_at_all_have_no_share_in_a_sweep_either():
    post = tiny(counts=(0, 0, 0, 0), n_transcripts=0)
    sweep = post._sweep(post._last_run(), "max_area")
    assert not sweep.transcripts.any()
    assert sweep.transcripts_today == 0
    assert post.threshold_sweep("max_area", [9])["transcript_share"].tolist() == [0]


def test_without_points_a_sweep_knows_of_none():
    post = filtered(cells(30))
    sweep = post._sweep(post._last_run(), "max_area")
    assert sweep.transcripts is sweep.transcripts_today is None


# ---- a minimum of transcripts


def test_rejections_see_the_counts():
    post = Asking(squares(*SIZES), verbose=False, filter_config=AT_LEAST)
    counted(post, (3, 10, 0, 7), 40)
    assert post.regions["reason"].tolist() == ["tiny_artifacts", "", "few", ""]
    assert post.filter_report.transcripts.in_cells == 17
    assert post.threshold_sweep("max_area", [90])["transcripts"].tolist() == [10]


def test_rejections_that_ask_for_counts_before_there_are_any_say_what_to_call():
    post = Asking(squares(*SIZES), verbose=False)
    for step in (post.process_masks_to_shapes, post.refilter):
        with pytest.raises(RuntimeError, match=r"transcript_counts.*process_points\(\) first"):
            step()


@pytest.mark.parametrize("name", ["transcript_count", ("transcript_counts", 1)])
def test_other_columns_that_are_missing_are_the_hooks_own_error(name):
    def asks(regions):
        return pd.DataFrame({"odd": regions[name]})

    post = PostSegmentation(squares(*SIZES), verbose=False)
    post.rejections = asks
    with pytest.raises(KeyError, match="transcript_count"):
        post.refilter()


def test_counts_that_are_there_are_no_reason_to_say_so():
    def fails(regions):
        raise KeyError("transcript_counts")

    post = tiny()
    post.rejections = fails
    with pytest.raises(KeyError):
        post.refilter()


def test_a_share_is_told_with_its_numbers():
    assert str(Transcripts(1_234_567, 1_300_000, 1_572_696, {})) == "78.5% (1,234,567 of 1,572,696)"
