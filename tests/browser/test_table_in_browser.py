"""The table of rejected regions in a real browser: order, filter, pages, CSV."""

import time

import numpy as np
import pandas as pd
import pytest
from page_samples import NASTY, audit, page_of, read
from selenium.webdriver import Keys
from selenium.webdriver.support.ui import Select

from postseg.filtering.metrics import METRICS
from postseg.filtering.report import human

PAGE = 50


@pytest.fixture(scope="module")
def table(pages):
    """The columns that the table must show, by region."""
    data = audit(read(pages["mixed"].read_text(encoding="utf-8")))
    columns = pd.DataFrame(data["columns"]).set_index("region", drop=False).rename_axis(None)
    columns["compactness"] = columns["compactness"].astype(float)
    columns["margin"] = columns["margin"].astype(float)
    columns["source_label"] = columns["source_label"].astype(object).map(int)
    return columns


def regions_shown(browser):
    """The regions on all pages of the table, in order."""
    return browser.execute_script("""
        const found = [], next = document.getElementById("next");
        for (;;) {
          found.push(...[...document.querySelectorAll("#rows th")].map(e => Number(e.textContent)));
          if (next.ariaDisabled === "true") return found;
          next.click();
        }
    """)


def head(browser, key):
    return browser.find(f"th[data-key={key}]")


def sorted_by(browser):
    return browser.execute_script(
        "return [...document.querySelectorAll('[aria-sort]')].map(e => [e.dataset.key, e.ariaSort])"
    )


def status(browser):
    return browser.find("#shown").text


def test_counts_on_the_page_agree_with_the_report_and_the_table(page, post):
    report = post.filter_report
    rejected = report.total - report.passed
    assert page.find(".answer").text.split()[0] == f"{report.passed:,}"
    assert status(page) == f"1 to 50 of {rejected} regions"
    counts = [int(text) for text in page.texts(".reasons tbody td:nth-child(2)")]
    assert sum(counts) == report.total
    assert len(counts) == 5
    assert regions_shown(page) == post.regions.index[post.regions["label"] == 0].tolist()


def test_cells_show_what_the_audit_says(page, post):
    first = post.regions.query("label == 0").iloc[0]
    shown = page.texts("#rows tr:first-child > *")
    expected = [first.name, first["source_label"], human(first["reason"]), first["area"]]
    assert shown[:4] == [str(value) for value in expected]
    for text, metric in zip(shown[4:11], METRICS[1:], strict=True):
        assert float(text) == pytest.approx(first[metric], rel=5e-4), metric
    assert shown[-2:] == [f"{first['centroid_row']:.1f}", f"{first['centroid_col']:.1f}"]


def test_every_column_sorts_both_ways_with_gaps_last_and_ties_in_order(page, table):
    assert sorted_by(page) == [["region", "ascending"]]
    assert table["compactness"].isna().sum() > 1
    for key in [*table.columns[1:], "region"]:
        for direction in ("ascending", "descending"):
            head(page, key).find_element("tag name", "button").click()
            assert sorted_by(page) == [[key, direction]]
            assert page.find("#page").get_property("value") == "1"
            up = direction == "ascending"
            expected = table.sort_values(key, kind="stable", ascending=up, na_position="last")
            assert regions_shown(page) == expected.index.tolist(), (key, direction)


def test_transcripts_are_whole_numbers_and_sort(browser, pages, runs):
    browser.open(pages["transcripts"])
    counts = runs["transcripts"].regions.query("label == 0")["transcript_counts"]
    column = [*counts.index.map(str)], [*counts.map(str)]
    assert tuple(browser.texts(f"#rows tr > :nth-child({n})") for n in (1, 4)) == column
    head(browser, "transcript_counts").find_element("tag name", "button").click()
    shown = browser.texts("#rows tr > :nth-child(4)")
    assert shown == sorted(shown, key=int)


@pytest.mark.parametrize("key", [Keys.ENTER, Keys.SPACE])
def test_sorting_by_keyboard(page, table, key):
    button = head(page, "area").find_element("tag name", "button")
    button.send_keys(key)
    assert sorted_by(page) == [["area", "ascending"]]
    assert page.texts("#rows td:nth-child(4)")[0] == str(table["area"].min())
    button.send_keys(key)
    assert sorted_by(page) == [["area", "descending"]]
    assert page.texts("#rows td:nth-child(4)")[0] == str(table["area"].max())
    assert page.switch_to.active_element == button


def test_a_reason_filters_and_the_order_stays(page, post):
    counts = {reason: n for reason, n in post.filter_report.rejected.items() if n}
    assert len(counts) == 4
    head(page, "area").find_element("tag name", "button").click()
    for reason, count in counts.items():
        option = f"{human(reason)} ({count:,})"
        Select(page.find("#filter")).select_by_visible_text(option)
        assert status(page) == f"1 to {min(count, PAGE)} of {count} regions"
        assert set(page.texts("#rows td:nth-child(3)")) == {human(reason)}
        rejected = post.regions[post.regions["reason"] == reason]
        by_area = rejected.sort_values("area", kind="stable").index.tolist()
        assert regions_shown(page) == by_area
    Select(page.find("#filter")).select_by_index(0)
    assert len(regions_shown(page)) == sum(counts.values())


def test_a_gallery_leads_to_its_reason_in_the_table(page, post):
    reason = sorted({*post.regions["reason"]} - {""}, key=human)[1]
    link = page.find(f"[data-reason='{reason}']")
    count = post.filter_report.rejected[reason]
    assert link.text == f"All {count} in the table"
    link.click()
    assert status(page).endswith(f"of {count} regions")
    assert set(page.texts("#rows td:nth-child(3)")) == {human(reason)}
    assert page.current_url.endswith("#rejected")


def test_paging(page, table):
    last = -(-len(table) // PAGE)
    assert last > 3
    assert (page.find("#pages").text, page.find("#page").get_attribute("max")) == (str(last),) * 2

    def ends():
        return [
            page.find(f"#{name}").get_attribute("aria-disabled") for name in ("previous", "next")
        ]

    assert ends() == ["true", "false"]
    page.find("#previous").click()
    assert status(page).startswith("1 to 50 ")
    page.find("#next").send_keys(Keys.ENTER)
    assert status(page).startswith("51 to 100 ")
    assert ends() == ["false", "false"]
    for typed, shown in ((last, last), (9999, last), (0, 1), (2, 2)):
        box = page.find("#page")
        box.send_keys(Keys.CONTROL, "a", Keys.NULL, str(typed), Keys.ENTER)
        assert box.get_property("value") == str(shown)
        first = PAGE * (shown - 1)
        expected = table.index[first : first + PAGE].tolist()
        assert [int(region) for region in page.texts("#rows th")] == expected
    for _ in range(last):
        page.find("#next").send_keys(Keys.ENTER)
    assert ends() == ["false", "true"]
    assert status(page) == f"{PAGE * (last - 1) + 1} to {len(table)} of {len(table)} regions"
    assert page.switch_to.active_element.get_attribute("id") == "next"


def test_the_csv_holds_the_rows_shown_in_their_order(page, post, tmp_path):
    page.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    head(page, "area").find_element("tag name", "button").click()
    count = post.filter_report.rejected[NASTY]
    Select(page.find("#filter")).select_by_visible_text(f"{human(NASTY)} ({count})")
    order = regions_shown(page)
    page.find("#download").click()
    path = tmp_path / "rejected.csv"
    for _ in range(100):
        if path.exists():
            break
        time.sleep(0.05)
    found = pd.read_csv(path, index_col="region")
    assert found.index.tolist() == order
    rejected = post.regions.loc[order]
    assert found["source_label"].tolist() == rejected["source_label"].tolist()
    assert found["reason"].tolist() == [NASTY] * len(order)
    assert found["area"].tolist() == rejected["area"].tolist()
    assert found["margin"].isna().all()  # a test of one's own has no threshold
    np.testing.assert_allclose(found["compactness"], rejected["compactness"], rtol=5e-4)
    np.testing.assert_allclose(found["centroid_row"], rejected["centroid_row"], atol=0.051)


def test_the_csv_keeps_spreadsheets_from_computing(browser, post, tmp_path):
    browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    formula = '=HYPERLINK("http://example.org"),1'
    regions = post.regions.assign(reason=post.regions["reason"].replace(NASTY, formula))
    run = type("Run", (), {"filter_report": post.filter_report, "regions": regions})
    path = tmp_path / "formula.html"
    path.write_text(page_of(run), encoding="utf-8")
    browser.open(path)
    browser.find("#download").click()
    for _ in range(100):
        if (tmp_path / "rejected.csv").exists():
            break
        time.sleep(0.05)
    found = pd.read_csv(tmp_path / "rejected.csv", index_col="region")
    reasons = regions["reason"][found.index]
    assert (reasons == formula).any()
    assert found["reason"].tolist() == reasons.replace(formula, f"'{formula}").tolist()


def test_fifty_thousand_rows_are_sorted_at_once(browser, post, tmp_path):
    n = 50_000
    regions = post.regions.query("label == 0").sample(n, replace=True, random_state=0)
    regions = regions.set_axis(pd.RangeIndex(1, n + 1))
    regions["area"] = np.random.default_rng(0).permutation(n)
    report = post.filter_report
    many = type(report)(**{**report.__dict__, "total": n, "passed": 0})
    path = tmp_path / "many.html"
    path.write_text(page_of(type("Run", (), {"filter_report": many, "regions": regions})))
    browser.open(path)
    milliseconds = browser.execute_script("""
        const start = performance.now();
        document.querySelector("[data-key=area] button").click();
        document.body.offsetHeight;
        return performance.now() - start
    """)
    assert milliseconds < 1000
    assert status(browser) == "1 to 50 of 50,000 regions"
    assert browser.texts("#rows td:nth-child(4)") == [str(area) for area in range(PAGE)]
