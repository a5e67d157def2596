"""The tables of the report page: the rules of the tests, and every rejected region."""

import numpy as np
import pandas as pd
import pytest
from drawing import OFF, squares
from page_samples import (
    ALL_ON,
    NASTY,
    WithNastyReason,
    audit,
    filtered,
    page_of,
    pictures_of,
    read,
    text,
)

from postseg.filtering.metrics import METRICS
from postseg.filtering.report import human
from postseg.show.page.render import Picture


@pytest.fixture(scope="module")
def post():
    return filtered()


def rules(post):
    """By reason, what the page says that a region must be like."""
    found = read(page_of(post)).iterfind(".//table[@class='reasons']/tbody/tr/th/span")
    names = {name.text: name.find("small") for name in found}
    return {name: text(rule) for name, rule in names.items() if rule is not None}


@pytest.mark.filterwarnings("ignore:None of the")
def test_the_rule_of_every_test_is_said():
    post = filtered(squares(*range(3, 30), *[12] * 40), **ALL_ON)
    area = post.regions["area"]
    low, high = area.mean() - 3 * area.std(ddof=0), area.mean() + 3 * area.std(ddof=0)
    assert low < 0
    assert rules(post) == {
        "Tiny Artifacts": "area ≥ 4 px",
        "Too Small": "area ≥ 101 px",
        "Too Large": "area ≤ 20,000 px",
        "Area Outliers": f"area ≤ {high:,.1f} px, mean ± 3 standard deviations",
        "Too Eccentric": "eccentricity ≤ 0.5",
        "Too Convex": "solidity ≤ 0.99",
        "Too Concave": "solidity ≥ 0.5",
        "Too Sparse": "extent ≥ 0.5",
        "Too Rectangular": "extent ≤ 0.9",
        "Low Compactness": "compactness ≥ 0.5",
        "High Convexity Deficit": "convexity deficit ≤ 0.5",
        "Irregular Perimeter": "perimeter area ratio ≤ 6.25",
    }


def test_rules_that_follow_the_areas_are_resolved():
    post = filtered(squares(8, 9, 10), min_area=50, area_std_filter=2)
    said = rules(post)
    assert said["Too Small"] == "area ≥ 81 px, percentile 50 of the areas"
    areas = np.array([64, 81, 100])
    low, high = areas.mean() - 2 * areas.std(), areas.mean() + 2 * areas.std()
    assert said["Area Outliers"].startswith(f"area from {low:.1f} to {high:.1f} px")
    assert rules(filtered(squares(8, 9, 10)))["Too Small"] == "area ≥ 40.5 px, half the median area"


# ---- the table of rejected regions


def test_every_rejected_region_is_in_the_table(post):
    tree = read(page_of(post))
    rejected = post.regions.query("label == 0")
    data = audit(tree)
    columns = pd.DataFrame(data["columns"], index=rejected.index)
    assert columns["region"].tolist() == rejected.index.tolist()
    assert columns["source_label"].tolist() == rejected["source_label"].tolist()
    assert columns["area"].tolist() == rejected["area"].tolist()
    assert [data["reasons"][code] for code in columns["reason"]] == rejected["reason"].tolist()
    assert [human(reason) for reason in data["reasons"]] == data["names"] == sorted(data["names"])
    for metric in METRICS:
        np.testing.assert_allclose(columns[metric].astype(float), rejected[metric], rtol=5e-4)
    assert rejected["compactness"].isna().any()
    np.testing.assert_array_equal(columns["compactness"].isna(), rejected["compactness"].isna())
    for name in ("centroid_row", "centroid_col"):
        np.testing.assert_allclose(columns[name], rejected[name], atol=0.051)
    margins = [row[f"margin_{row['reason']}"] for _, row in rejected.iterrows()]
    np.testing.assert_allclose(columns["margin"], margins, rtol=5e-4)
    assert (columns["margin"] < 0).all()
    heads = [th.get("data-key") for th in tree.iterfind(".//table[@class='audit']/thead/tr/th")]
    assert heads == columns.columns.tolist()


def test_numbers_have_four_digits_and_areas_all_of_theirs():
    post = filtered(squares(211, 3, 3, 3), **OFF | {"max_area": 20})
    columns = audit(read(page_of(post)))["columns"]
    assert columns["area"] == [211**2]
    assert columns["perimeter"] == [840]
    assert columns["perimeter_area_ratio"] == [3.981]
    assert columns["margin"] == [20 - 211**2]


def test_labels_beyond_the_numbers_of_a_browser_are_exact():
    label = 2**63 - 1
    post = filtered(np.where(squares(1, 3) > 1, label, squares(1, 3)), **OFF | {"max_area": 1})
    assert audit(read(page_of(post)))["columns"]["source_label"] == [str(label)]


def test_a_reason_without_a_threshold_has_no_margin():
    post = filtered(cls=WithNastyReason)
    data = audit(read(page_of(post)))
    codes = np.array(data["columns"]["reason"])
    margins = np.array(data["columns"]["margin"], float)
    np.testing.assert_array_equal(np.isnan(margins), codes == data["reasons"].index(NASTY))


def test_fifty_thousand_rejected_regions_fit_in_two_megabytes(post):
    random = np.random.default_rng(0)
    n = 50_000
    regions = post.regions.sample(n, replace=True, random_state=0)
    regions = regions.set_axis(pd.RangeIndex(1, n + 1)).assign(
        label=0,
        reason="too_small",
        source_label=np.sort(random.choice(10**6, n, replace=False)),
        area=random.lognormal(5, 1, n).astype(int),
        centroid_row=np.sort(random.random(n) * 8192),
        centroid_col=random.random(n) * 8192,
    )
    for name in METRICS[1:]:  # no two values alike
        regions[name] *= random.normal(1, 0.1, n)
    regions["margin_too_small"] = regions["area"] - 1000.5
    report = post.filter_report
    large = type(report)(
        **{**report.__dict__, "total": n, "passed": 0, "rejected": {"too_small": n}}
    )
    post = type("Run", (), {"filter_report": large, "regions": regions})
    tiny = Picture(b"<svg/>", "", 1, 1)
    bare = pictures_of(filtered())._replace(
        overview=tiny, detail=None, histograms=[], sweeps=[], galleries=[], swatches={}
    )
    page = page_of(post, pictures=bare)
    assert len(audit(read(page))["columns"]["region"]) == n
    assert len(page.encode()) < 2e6
