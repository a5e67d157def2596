"""Signals and nuclei bounded in the page: the code that it shows gives in Python what it tells."""

import json

import numpy as np
import pytest
from live_pages import blobs, config_shown, control, open_live, settle
from page_samples import live_page_of
from sampling import share
from scipy.ndimage import gaussian_filter
from selenium.webdriver import Keys
from xarray import DataArray

from postseg import PostSegmentation

pytestmark = pytest.mark.filterwarnings("ignore:None of the")

MINUS = "\N{MINUS SIGN}"
CHANNELS = ("DAPI", "CD4OfAPanelWhoseChannelsHaveLongNamesInOneWord")


class Dim(PostSegmentation):
    """With a reason that is called as one of the page would be."""

    def rejections(self, regions):
        failed = super().rejections(regions)
        failed["low_intensity_mean_DAPI"] = regions["intensity_mean_DAPI"] < -2
        return failed


@pytest.fixture(scope="module")
def post():
    masks = blobs()
    random = np.random.default_rng(4)
    signal = 100 * gaussian_filter(random.random(masks.shape), 2) - 48
    counts = random.poisson(3, masks.shape)
    image = DataArray(np.stack([signal, counts]), dims=tuple("cyx"), coords={"c": [*CHANNELS]})
    post = Dim(masks, intensity_image=image, verbose=False, filter_config={"border": "keep"})
    post.filter_cell_by_regionprops(post.masks)
    post.match(np.where(random.random(masks.shape) < 0.7, np.roll(masks, 3, 1), 0))
    return post


@pytest.fixture(scope="module")
def path(post, tmp_path_factory):
    path = tmp_path_factory.mktemp("measures") / "report.html"
    path.write_text(live_page_of(post), encoding="utf-8")
    return path


@pytest.fixture
def page(browser, path):
    open_live(browser, path)
    return browser


def class_shown(browser):
    """The class whose code the page shows, on top of the one of the run."""
    names = {}
    code = browser.execute_script("return document.getElementById('python').textContent")
    exec(code.replace("(PostSegmentation)", "(Base)"), {"Base": Dim}, names)
    return names.get("WithMeasures", Dim)


TAKE = """
    live.take({...live.facts.run, ...arguments[0]});
    const { first, counts } = live.result;
    const { reasons } = live.facts;
    return [[...first].map(code => reasons[code]?.name ?? ""), counts[reasons.length]];
"""


def test_the_code_shown_decides_as_the_page_does(page, post):
    random = np.random.default_rng(6)
    columns = [column for column in post.regions if column.startswith(("intensity", "n_nuc"))]
    again = Dim.__new__(Dim)
    again.__dict__ |= post.__dict__
    ran, reasons = 0, set()
    for _ in range(share(80)):
        chosen = {"min_area": None, "border": random.choice(["judge", "keep", "drop"]).item()}
        for column in random.choice(columns, 2, replace=False):
            a, b = random.choice(post.regions[column], 2)
            value = random.choice([a, np.nextafter(a, b), (a + b) / 2]).item()
            if column == "n_nuclei":
                value = abs(value)
            chosen[f"{random.choice(['min', 'max'])}_{column}"] = value
        first, passed = page.execute_script(TAKE, chosen)
        again.__class__ = class_shown(page)
        again.refilter(config_shown(page))
        assert first == again.regions["reason"].tolist(), chosen
        assert passed == again.filter_report.passed
        ran += again.__class__ is not Dim
        reasons |= {*first}
    assert ran > 20
    assert {"low_intensity_mean_DAPI", "low_n_nuclei", ""} <= reasons
    assert len(reasons) > 12


def test_a_slider_of_a_signal_is_moved_and_all_follows_and_comes_back(page, post):
    assert not page.find("#measured").is_displayed()
    before = page.find("#passed").text
    slider = control(page, "min intensity mean DAPI, slider")
    low, high = (float(slider.get_property(end)) for end in ("min", "max"))
    assert low < post.regions["intensity_mean_DAPI"].min() < 0 < high
    for _ in range(5):
        slider.send_keys(Keys.PAGE_UP)
    settle(page)
    value = float(slider.get_property("value"))
    assert f'failed["low_intensity_mean_DAPI_too"] = regions["intensity_mean_DAPI"] < {value}' in (
        page.find("#python").text
    )
    assert f"mean intensity, DAPI ≥ {value}".replace("-", MINUS) in page.find("#outcomes").text
    assert "Low mean intensity, DAPI" in page.find("#outcomes").text
    assert page.find("#passed").text != before
    assert "min_intensity" not in page.find("#toml").text + page.find("#off").text
    assert page.find_elements("css selector", "#flip button")
    page.wait("return location.hash.startsWith('#choice&')")
    link = page.execute_script("return location.hash")
    page.find("#back").click()
    assert page.find("#passed").text == before
    assert not page.find("#measured").is_displayed()
    page.wait("return !location.hash")
    page.execute_script("location.hash = arguments[0]", link)
    page.wait("return !document.getElementById('measured').hidden")
    assert page.execute_script("return live.state.settings.min_intensity_mean_DAPI") == value


def test_a_link_opens_the_cards_that_it_sets(browser, path):
    column = f"intensity_min_{CHANNELS[1]}"
    open_live(browser, path)
    folded = """
        return [...document.querySelectorAll("details.card:not([open]) h3")]
            .map(e => e.firstChild.data)
    """
    title = f"Lowest intensity, {CHANNELS[1]}"
    assert title in browser.execute_script(folded)
    browser.execute_script("live.take({...live.facts.run, [arguments[0]]: 2})", f"min_{column}")
    link = browser.execute_script("return live.link()")
    open_live(browser, path, link)
    assert title not in browser.execute_script(folded)
    assert control(browser, f"min intensity min {CHANNELS[1]}").is_displayed()
    assert class_shown(browser) is not Dim


def test_a_bound_of_nuclei_is_switched_on_where_it_rejects_nothing(page):
    card = page.find("#thresholds details")
    ticks = [tick.text for tick in card.find_elements("css selector", ".ticks span")]
    assert ticks == [str(n) for n in range(len(ticks))]
    before = page.find("#passed").text
    for name, low in (("min n nuclei", "0"), ("min nucleus share", "0")):
        box = page.find(f"#thresholds [aria-label='{name}'] input[type=checkbox]")
        box.click()
        settle(page)
        assert control(page, name).get_property("value") == low
        assert f"{name.replace(' ', '_')} is" not in page.find("#thresholds").text
        assert page.find("#measured").is_displayed()
    assert page.find("#passed").text == before


def test_a_card_that_was_closed_stays_closed(browser, path):
    columns = [f"intensity_{name}_{CHANNELS[1]}" for name in ("min", "max")]
    open_live(browser, path, "#choice&" + "&".join(f"min_{column}=1" for column in columns))
    cards = browser.find_elements("css selector", "#thresholds details")
    assert [card.get_property("open") for card in cards[-2:]] == [False, True]
    closed = [card for card in cards if not card.get_property("open")]
    card = cards[-1]
    browser.execute_script("arguments[0].open = false", card)
    browser.execute_async_script(
        "const [card, done] = arguments;"
        "card.addEventListener('toggle', () => setTimeout(done)); card.open = true",
        closed[0],
    )
    assert not card.get_property("open")


def test_bounds_that_cannot_be_are_not_taken_and_those_that_cross_are_told(page):
    page.execute_script(
        "live.take({...live.facts.run, min_nucleus_share: 0.9, max_nucleus_share: 0.2})"
    )
    said = page.find("#refused").text
    assert (
        said == "min_nucleus_share (0.9) is above max_nucleus_share (0.2): no cell could pass both."
    )
    wrong = {"min_n_nuclei": -1, "max_nucleus_share": 1.5, "max_n_nuclei": "3 px"}
    problems = [
        page.execute_script("return decide.problem(...arguments, live.facts)", *item)
        for item in wrong.items()
    ]
    assert problems == [
        "min_n_nuclei is at least 0",
        "max_nucleus_share is at most 1",
        'max_n_nuclei cannot be "3 px"',
    ]
    assert (
        page.execute_script("return decide.problem('min_intensity_mean_DAPI', -1e-9, live.facts)")
        == ""
    )


def test_a_cell_tells_its_signals_and_nuclei(page, post):
    page.execute_script("live.take({...live.facts.run, min_n_nuclei: 1})")
    number = post.regions.query("n_nuclei == 0 and reason == ''").index[0]
    page.execute_script("live.choose(arguments[0])", int(number))
    said = page.find("#cell").text
    assert f"Nuclei 0 ≥ 1 {MINUS}1" in said
    assert "rejected: low nuclei" in said
    mean = post.regions.loc[number, "intensity_mean_DAPI"]
    assert f"Mean intensity, DAPI {mean:.6g}"[:24] in said


def test_the_table_tells_them_and_the_file_too(page, post):
    rejected = post.regions.query("label == 0")
    rows = page.execute_script(
        "return [...document.querySelectorAll('#rows tr')]"
        ".map(row => row.cells[arguments[0]].textContent)",
        [*post_keys(page)].index("n_nuclei"),
    )
    assert rows == rejected["n_nuclei"].astype(str).tolist()[:50]


def post_keys(page):
    return page.execute_script(
        "return [...document.querySelectorAll('[data-key]')].map(e => e.dataset.key)"
    )


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(browser, path, axe, width, scheme):
    browser.emulate(width, scheme)
    open_live(browser, path)
    chosen = json.dumps({"min_intensity_mean_DAPI": 4, "max_n_nuclei": 1})
    browser.execute_script(
        "live.choose(5); live.state.moved = 'max_n_nuclei';"
        f"live.take({{...live.facts.run, ...{chosen}}})"
    )
    assert browser.violations(axe) == []
    assert browser.outside(width) == []
