"""The report page, as text; what it does in a browser is tested in tests/browser."""

import base64
import hashlib
import importlib
import json
import re
import sys
from itertools import pairwise

import numpy as np
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
    with_places,
)

from postseg import FilterConfig, PostSegmentation
from postseg._support.checks import OUTLINES
from postseg.filtering.config import THRESHOLDS
from postseg.filtering.metrics import METRICS
from postseg.filtering.report import human
from postseg.show.page.render import Crop, Picture, config_toml


@pytest.fixture(scope="module")
def post():
    return filtered()


@pytest.fixture(scope="module")
def tree(post):
    return read(page_of(post))


def rows(tree, table="reasons", part="tbody"):
    found = tree.iterfind(f".//table[@class='{table}']/{part}/tr")
    return [[text(cell) for cell in row] for row in found]


def counts(report):
    return {human(reason): count for reason, count in report.rejected.items() if count}


# ---- numbers


def test_the_answer_comes_first(post, tree):
    report = post.filter_report
    assert 0 < report.passed < report.total == 150
    said = text(tree.find(".//p[@class='answer']"))
    share = f"{100 * report.passed / report.total:.1f}%"
    assert said == f"{report.passed} of {report.total} regions passed {share}"
    assert text(tree.find(".//h1")) == "Nuclei"
    assert "nuclei.npy · 4 March 2026, 15:06 · postseg" in text(tree.find(".//header"))


def test_the_reasons_are_those_of_the_report_and_add_up(post, tree):
    report = post.filter_report
    (kept, *rejected), ((_, total, everything),) = rows(tree), rows(tree, part="tfoot")
    shares = [kept[2], *(row[2] for row in rejected)]
    assert kept[:2] == ["Kept", str(report.passed)]
    names = [next(name for name in counts(report) if row[0].startswith(name)) for row in rejected]
    assert {name: int(row[1]) for name, row in zip(names, rejected, strict=True)} == counts(report)
    assert len(rejected) == 3
    assert (total, everything) == ("150", "100.0%")
    assert sum(float(share.rstrip("%")) for share in shares) == pytest.approx(100, abs=0.2)


def test_a_test_that_is_on_but_rejects_nothing_is_listed_and_one_that_is_off_is_not():
    post = filtered(squares(8, 9, 10), **OFF | {"max_area": 5000})
    tree = read(page_of(post))
    assert rows(tree) == [["Kept", "3", "100.0%"], ["Too Largearea ≤ 5,000 px", "0", "0.0%"]]
    off = {code.text for code in tree.iterfind(".//p/code")}
    assert off >= set(THRESHOLDS) - {"max_area"}
    assert "max_area" not in off


def test_the_statistics_are_those_of_the_report(post, tree):
    found = rows(tree, "statistics")
    assert len(found) == 2 * len(METRICS)
    solidity = next(i for i, row in enumerate(found) if row[0].startswith("Solidity"))
    for line, table in zip(
        (found[solidity][1:], found[solidity + 1]),
        (post.filter_report.statistics_all, post.filter_report.statistics_passed),
        strict=True,
    ):
        row = table.loc["solidity"]
        names = ("min", "median", "mean", "max", "std")
        assert line[1:] == [f"{row[name]:.3f}" for name in names]


def test_report_and_table_of_different_runs_are_refused(post):
    other = filtered(squares(8, 9, 10))
    mixed = type("Run", (), {"filter_report": other.filter_report, "regions": post.regions})
    with pytest.raises(ValueError, match=r"3 regions with 0 rejected, the table of 150 with"):
        page_of(mixed, pictures=pictures_of(post))


# ---- one-sided results


def test_nothing_rejected():
    tree = read(page_of(filtered(squares(8, 9, 10), **OFF)))
    assert text(tree.find(".//p[@class='answer']")) == "3 of 3 regions passed 100.0%"
    assert "No region was rejected." in text(tree)
    assert tree.find(".//table[@class='audit']") is None
    assert tree.find(".//script[@id='data']") is None
    assert tree.find(".//p[@class='warning']") is None
    assert tree.find(".//section[@id='cells']") is None


@pytest.mark.filterwarnings("ignore:None of the")
def test_everything_rejected():
    tree = read(page_of(filtered(squares(8, 9, 10), max_area=5, min_absolute_area=0)))
    assert text(tree.find(".//p[@class='answer']")) == "0 of 3 regions passed 0.0%"
    assert "Too Large 3 (max_area)" in text(tree.find(".//p[@class='warning']"))
    assert sorted(audit(tree)["columns"]["area"]) == [64, 81, 100]


@pytest.mark.filterwarnings("ignore:The masks hold no cells")
def test_no_regions():
    tree = read(page_of(filtered(np.zeros((9, 9), int))))
    assert text(tree.find(".//p[@class='answer']")) == "0 of 0 regions passed 0.0%"
    assert "The masks hold no cells" in text(tree.find(".//p[@class='warning']"))


def test_a_subclass_may_use_a_reason_whose_own_test_is_off():
    class NoGiants(PostSegmentation):
        def rejections(self, regions):
            failed = super().rejections(regions)
            failed["too_large"] = regions["area"] > 90
            return failed

    tree = read(page_of(filtered(squares(8, 9, 10), cls=NoGiants, **OFF)))
    assert rows(tree) == [["Kept", "2", "66.7%"], ["Too Large", "1", "33.3%"]]


# ---- thresholds as a config


@pytest.mark.parametrize(
    "thresholds",
    [
        {},
        OFF,
        ALL_ON,
        {"min_area": "median", "max_convexity_deficit": 1 / 3, "max_area": 1e-7},
        {"min_area": np.float32(12.3), "max_area": 123456789.125, "area_std_filter": 1e300},
    ],
)
def test_the_config_is_read_back_equal(thresholds, tmp_path):
    config = FilterConfig(**thresholds)
    path = tmp_path / "thresholds.toml"
    path.write_text(config_toml(config))
    assert FilterConfig.from_file(path) == config
    assert len(path.read_text().splitlines()) == len(FilterConfig.model_fields)


def test_the_config_says_what_a_reader_would_write():
    lines = config_toml(FilterConfig()).splitlines()
    assert {
        'min_area = "median_div2"',
        "min_absolute_area = 50",
        'max_area = "none"',
        "max_convexity_deficit = 0.2",
    } <= set(lines)


def test_the_command_has_the_outline_unless_it_is_the_one_without_asking(post):
    page = {outline: page_of(post, outline=outline) for outline in OUTLINES}
    assert page["contour"] == page_of(post)
    for outline in OUTLINES[1:]:
        lead = text(read(page[outline]).find(".//section[@id='config']/p"))
        assert f"--config thresholds.toml --outline {outline}." in lead
        assert page[outline].replace(f" --outline {outline}", "") == page["contour"]


def test_the_page_holds_the_config_and_what_min_area_came_to(post, tree):
    assert tree.find(".//code[@id='toml']").text == config_toml(post.filter_config)
    came = f"came to {post.filter_report.min_area:.10g} px, half the median area."
    assert came in text(tree.find(".//section[@id='config']"))
    fixed = read(page_of(filtered(min_area=101)))
    assert "came to 101 px." in text(fixed.find(".//section[@id='config']"))


# ---- pictures


def test_pictures_are_inline_with_their_size_and_their_words(post, tree):
    pictures = pictures_of(post)
    images = list(tree.iter("img"))
    assert {image.get("alt") for image in images} == {
        *("", "A chart", "The label image", "A part of it", "A cell")
    }
    swatches = [image for image in images if image.get("alt") == ""]
    assert len(swatches) == len(pictures.swatches) == 4
    overview = tree.find(".//div[@id='overview']/img")
    head, data = overview.get("src").split(",")
    assert (head, base64.b64decode(data)) == ("data:image/png;base64", pictures.overview.data)
    assert (overview.get("width"), overview.get("height")) == ("1800", "1200")
    photo = Picture(b"\xff\xd8\xff\xe0", "A photo", 9, 9)
    detail = read(page_of(post, pictures=pictures._replace(detail=photo))).iter("img")
    assert "data:image/jpeg;base64,/9j/4A==" in {image.get("src") for image in detail}
    chart = tree.find(".//section[@id='distributions']//img")
    head, data = chart.get("src").split(",")
    assert (head, base64.b64decode(data)[:4]) == ("data:image/svg+xml;base64", b"<svg")


def test_numbers_on_the_overview_lead_to_the_places_they_stand_at(post):
    tree = read(page_of(post, pictures=with_places(post)))
    links = tree.findall(".//div[@id='overview']/div/a")
    assert [link.text for link in links] == ["1", "2"]
    assert [link.get("style") for link in links] == [
        "--left:12.50%;--top:80.00%",
        "--left:60.00%;--top:33.33%",
    ]
    for link in links:
        place = tree.find(f".//figure[@id='{link.get('href')[1:]}']")
        alt = place.find(".//img").get("alt")
        assert link.get("aria-label") == f"Place {alt}"
        assert text(place.find("figcaption")) == f"{alt}."
        assert alt.startswith(link.text)


def test_a_slide_tells_what_its_colours_are(post, tree):
    slide = read(page_of(post, pictures=with_places(post)))
    caption, plain = (text(page.find(".//figure[@class='picture']")) for page in (slide, tree))
    assert "colour is the share of them that was rejected" in caption
    assert "drawn larger" not in caption
    assert "drawn larger" in plain
    assert slide.find(".//div[@class='scale']/img").get("alt") == "Which colour is what"
    assert tree.find(".//div[@class='scale']") is None


def test_galleries_show_each_reason_with_the_values(post, tree):
    articles = tree.findall(".//section[@id='cells']/article")
    shown = {text(article.find("h3")).split(" ", 2)[0]: article for article in articles}
    assert len(articles) == len(shown) == 3
    for gallery, article in zip(pictures_of(post).galleries, articles, strict=True):
        count = post.filter_report.rejected[gallery.reason]
        assert text(article.find("h3")) == f"{human(gallery.reason)} {count} rejected"
        captions = [text(caption) for caption in article.iter("figcaption")]
        assert captions == [crop.value for crop in [*gallery.rejected, *gallery.nearly]]
        link = article.find(".//a")
        assert link.get("data-reason") == gallery.reason
        assert text(link) == f"All {count} in the table"


def strip(post, kept):
    cell = Picture(b"<svg/>", "A cell", 96, 96)
    crops = [Crop(cell, str(i), i, k) for i, k in enumerate(kept)]
    pictures = pictures_of(post)
    page = page_of(
        post, pictures=pictures._replace(sweeps=[pictures.sweeps[0]._replace(crops=crops)])
    )
    items = read(page).findall(".//section[@id='sweeps']//li")
    return [text(item) for item in items], page


def test_a_divider_stands_between_in_and_out(post):
    assert strip(post, [True, True, False])[0] == ["0", "1", "kept50rejected", "2"]
    assert strip(post, [True, False, True])[0] == ["0", "2", "kept50rejected", "1"]


@pytest.mark.parametrize(("kept", "said"), [(True, "kept"), (False, "rejected")])
def test_without_two_sides_there_is_no_divider(post, kept, said):
    items, page = strip(post, [kept, kept])
    assert items == ["0", "1"]
    assert f"All of these are {said}." in page


# ---- one file, safe, with its structure in order


def test_what_users_write_is_text_not_markup():
    post = filtered(cls=WithNastyReason)
    pictures = pictures_of(post)
    cell = pictures.galleries[0].rejected[0]._replace(value="<b>1</b>")
    nasty = pictures.galleries[0]._replace(note="<i>note</i>", rejected=[cell])
    pictures = pictures._replace(
        galleries=[nasty, *pictures.galleries[1:]],
        histograms=[("<u>own</u>", Picture(b"<svg/>", '"><u>', 1, 1))],
        sweeps=[pictures.sweeps[0]._replace(field="<u>", value="<u>")],
    )
    page = page_of(post, title="<script>title</script>", source="<script>&", pictures=pictures)
    tree = read(page)
    assert text(tree.find(".//h1")) == "<script>title</script>"
    assert [script.get("id") for script in tree.iter("script")] == ["data", None]
    assert not list(tree.iter("u"))
    assert not any(i.text for i in tree.iter("i"))
    assert audit(tree)["reasons"].count(NASTY) == 1
    assert human(NASTY) in [text(option).rsplit(" (", 1)[0] for option in tree.iter("option")]


def test_a_file_name_that_is_no_text_can_be_written(post):
    page = page_of(post, source=b"tile_\xff.npy".decode(errors="surrogateescape"))
    assert "tile_?.npy" in page.encode().decode()


def test_nothing_is_loaded_and_only_its_own_script_may_run(tree):
    links = {element.get(name, "#") for element in tree.iter() for name in ("src", "href")}
    assert len(links) > 10
    assert [link for link in links if not link.startswith(("#", "data:image/"))] == []
    policy = next(meta.get("content") for meta in tree.iter("meta") if meta.get("http-equiv"))
    script = list(tree.iter("script"))[-1].text
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; script-src 'sha256-{digest}'; ")
    assert "http" not in script
    assert not re.search(r"url\(|@import", tree.find(".//style").text)


def test_headings_descend_by_one_and_references_exist(tree):
    levels = [int(e.tag[1]) for e in tree.iter() if re.fullmatch(r"h\d", e.tag)]
    assert levels[0] == levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))
    ids = [e.get("id") for e in tree.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    references = [
        (e.get("aria-labelledby") or e.get("aria-controls") or e.get("href", "")).lstrip("#")
        for e in tree.iter()
    ]
    assert set(references) - {""} <= set(ids)
    assert len(list(tree.iter("caption"))) == len(list(tree.iter("table"))) == 3


def test_the_same_run_gives_the_same_page_whenever_it_is_made(post, monkeypatch):
    page = page_of(post)
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert page_of(post) == page
    json.dumps(audit(read(page_of(post))), allow_nan=False)


def test_without_jinja2_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "postseg.show.page.render")
    with pytest.raises(ImportError, match=r"needs Jinja2.*pip install \"postseg\[plot\]\""):
        importlib.import_module("postseg.show.page.render")
