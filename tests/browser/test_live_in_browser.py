"""Thresholds moved in the page, in a real browser: the answers are Python's, and all follows."""

import base64
import io
import json

import numpy as np
import pandas as pd
import pytest
from counted import counted
from live_pages import blobs, config_shown, control, open_live, settle, tab_through
from page_samples import WithNastyReason, cells, live_page_of
from PIL import Image
from sampling import share
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.support.ui import Select

from postseg import FilterConfig, PostSegmentation
from postseg._support.words import human
from postseg.filtering import quantities
from postseg.filtering.criteria import TESTS, resolve
from postseg.show.overview import views_of
from postseg.show.paint import edges_of, paint_inks
from postseg.show.palette import PALE, styles_of
from postseg.show.pictures import layers_of

pytestmark = [
    pytest.mark.filterwarnings("ignore:None of the"),
    pytest.mark.filterwarnings("ignore:min_.*above the median"),
]

MINUS = "\N{MINUS SIGN}"


class Unlucky(PostSegmentation):
    """With a reason before all of ours."""

    def rejections(self, regions):
        failed = super().rejections(regions)
        failed.insert(0, "unlucky", regions.index % 13 == 0)
        return failed


RUNS = {
    "own reasons": lambda: WithNastyReason(cells(300), pixel_size=0.2125, verbose=False),
    "transcripts": lambda: counted(PostSegmentation(blobs(), pixel_size=0.65, verbose=False)),
    "a reason first": lambda: Unlucky(blobs()[:, 100:], verbose=False),
}


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """By name: a filter run, and its page."""
    found = {}
    for name, make in RUNS.items():
        post = make()
        post.refilter(max_eccentricity=0.97)
        path = tmp_path_factory.mktemp("live") / "report.html"
        path.write_text(live_page_of(post), encoding="utf-8")
        found[name] = post, path
    return found


# ---- the same answers


def settings_of(post, random):
    """Thresholds at, next to, between and beyond the values of the regions; most tests off."""
    regions = post.regions
    areas = regions["area"].to_numpy(float)

    def at(metric):
        values = regions[metric].dropna().to_numpy(float)
        a, b = random.choice(values, 2)
        return random.choice([a, np.nextafter(a, b), (a + b) / 2, 0, 1.5 * values.max()]).item()

    def an_area(is_rule):
        pixels = round(at("area"), random.integers(0, 4).item())
        percent = random.choice([0, 100, 50, random.integers(101), 100 * random.random()]).item()
        texts = [pixels, f"{pixels!r} px", f"{percent!r} %", f"{round(at('area'))} px"]
        if post.pixel_size:
            texts += [f"{pixels * post.pixel_size**2!r} um2", f"{random.integers(90)}.125 um2"]
        return texts[random.integers(len(texts))] if not is_rule or random.random() < 0.7 else None

    chosen = {}
    for test in TESTS:
        if random.random() < 0.6:
            chosen[test.threshold] = None
        elif test.kind == "value":
            highest = np.inf if test.threshold == "max_perimeter_area_ratio" else 1
            chosen[test.threshold] = min(at(test.metric), highest)
        elif test.kind in ("area", "rule"):
            chosen[test.threshold] = an_area(test.kind == "rule")
        elif random.random() < 0.5:
            low, high = sorted([at("area"), at("area")])
            chosen[test.threshold] = f"{low!r} to {high!r} px"
        else:
            tie = abs(at("area") - areas.mean()) / areas.std()
            chosen[test.threshold] = random.choice([tie, 3 * random.random()]).item() or 1.0
    if random.random() < 0.4:
        chosen["min_area"] = random.choice(["median", "median_div2"]).item()
    return chosen | {"border": random.choice(["judge", "keep", "drop"]).item()}


DECIDE = """
    return arguments[0].map(settings => {
      const { first, counts, sums, bounds } = decide.regions(live.facts, settings);
      const refused = decide.contradictions(settings, live.facts);
      const problems = Object.keys(settings).map(f => decide.problem(f, settings[f], live.facts));
      const wrong = problems.filter(Boolean);
      return [[...first], counts, sums, refused, wrong, [...bounds.values()]];
    })
"""


@pytest.mark.parametrize("name", RUNS)
def test_the_page_decides_as_refilter_does(browser, live, name):
    post, path = live[name]
    open_live(browser, path)
    random = np.random.default_rng(len(name))
    tried = [post.filter_config.model_dump()]
    refused = []
    while len(tried) <= share(240):
        chosen = settings_of(post, random)
        try:
            tried.append(
                post._in_pixels(FilterConfig(**chosen)) and FilterConfig(**chosen).model_dump()
            )
        except ValueError:
            refused.append(FilterConfig().model_dump() | chosen)
    again = RUNS[name]()
    shown = browser.execute_script(DECIDE, json.loads(json.dumps(tried)))
    reasons = [*browser.execute_script("return live.facts.reasons.map(r => r.name)"), ""]
    n_kept = set()
    for chosen, found in zip(tried, shown, strict=True):
        first, counts, sums, contradictions, problems, bounds = found
        again.refilter(FilterConfig(**chosen))
        report = again.filter_report
        assert [reasons[code] for code in first] == again.regions["reason"].tolist(), chosen
        assert bounds == [resolve(test, report.config, again.regions) for test in TESTS]
        assert counts == [*report.rejected.values(), report.passed]
        assert (contradictions, problems) == ([], [])
        if report.transcripts:
            assert sums == [*report.transcripts.rejected.values(), report.transcripts.in_cells]
        n_kept.add(report.passed)
    assert len(n_kept) > 10
    for *_, contradictions, _, _ in browser.execute_script(DECIDE, refused):
        assert contradictions


def test_areas_are_computed_to_the_bit(page):
    random = np.random.default_rng(5)
    areas = random.integers(1, 10**7, 38)
    percents = [*range(101), *(100 * random.random(300)).tolist()]
    script = """
        const [areas, pixelArea, settings] = arguments;
        const sortedAreas = Float64Array.from(areas).sort();
        const facts = { sortedAreas, pixelArea: pixelArea.map(BigInt) };
        return settings.map(setting => decide.area("rule", setting, facts)[0]);
    """
    settings = [f"{percent!r} %" for percent in percents]
    shown = page.execute_script(script, areas.tolist(), ["1", "1"], settings)
    assert shown == np.percentile(areas, percents).tolist()
    for size in (0.2125, 1.0, 1 / 3):
        area = quantities.pixel_area(size)
        texts = [repr(number) for number in (10 ** random.uniform(-3, 9, 300)).tolist()]
        texts += [repr(k * size**2) for k in range(1, 50)]  # as good as whole numbers of pixels
        texts += ["9007199254740993.0000000001", "1e30", "0", "5.", ".5", "2500e-3"]
        found = [quantities.Quantity(text, quantities.MICRONS) for text in texts]
        fraction = [*map(str, area.as_integer_ratio())]
        shown = page.execute_script(script, areas.tolist(), fraction, [*map(str, found)])
        assert shown == [float(quantities.in_pixels(one, area).number) for one in found]


# ---- moving


def kept_shown(browser):
    return int(browser.find("#passed").text.replace(",", ""))


@pytest.fixture
def page(browser, live):
    _, path = live["transcripts"]
    open_live(browser, path)
    return browser


@pytest.fixture(scope="module")
def again():
    """To be filtered again, as the page must."""
    return RUNS["transcripts"]()


def check(browser, again):
    """All that the page tells is what its config gives in Python."""
    again.refilter(config_shown(browser))
    report = again.filter_report
    assert kept_shown(browser) == report.passed
    counts = [int(text.replace(",", "")) for text in browser.texts("#outcomes td:nth-child(2)")]
    names = browser.texts("#outcomes th > span")
    assert counts[0] == report.passed
    assert sum(counts) == report.total
    assert sorted(filter(None, counts[1:])) == sorted(filter(None, report.rejected.values()))
    assert names[0].startswith("Kept")
    share = f"{100 * report.transcripts.share:.1f}%"
    assert (
        browser.find("#in-cells").text
        == browser.texts("#outcomes td:nth-child(4)")[0].strip()
        == share
    )
    return report


def test_at_first_the_page_shows_the_run(page, live, again):
    post, _ = live["transcripts"]
    report = check(page, again)
    assert report.rejected == post.filter_report.rejected
    assert config_shown(page) == post.filter_config
    assert page.find("#back").get_attribute("aria-disabled") == "true"
    assert not any(note.is_displayed() for note in page.find_elements("css selector", ".stale"))
    assert not page.find("#distributions").is_displayed()


def test_a_slider_is_moved_by_keys_and_all_follows_and_comes_back(page, live, again):
    post, _ = live["transcripts"]
    slider = control(page, "max eccentricity, slider")
    for _ in range(3):
        slider.send_keys(Keys.PAGE_DOWN)
    slider.send_keys(Keys.ARROW_RIGHT)
    settle(page)
    value = config_shown(page).max_eccentricity
    assert value < 0.9
    assert (
        value
        == float(slider.get_property("value"))
        == float(control(page, "max eccentricity").get_property("value"))
    )
    report = check(page, again)
    assert report.passed < post.filter_report.passed
    assert f"eccentricity ≤ {value}" in page.find("#outcomes").text
    difference = report.passed - post.filter_report.passed
    assert f"{-difference:,} against the run" in page.find(".count").text
    notes = page.find_elements("css selector", ".stale")
    assert len(notes) == 4
    assert all(note.is_displayed() for note in notes)
    page.wait("return location.hash.startsWith('#choice&')")
    assert page.execute_script("return location.hash") == f"#choice&max_eccentricity={value}"
    page.find("#back").send_keys(Keys.ENTER)
    assert config_shown(page) == post.filter_config
    assert check(page, again).rejected == post.filter_report.rejected


@pytest.mark.parametrize(
    ("field", "unit", "typed", "setting"),
    [
        ("max_eccentricity", None, "0.8125", 0.8125),
        ("min_area", "px", "80", "80 px"),
        ("min_area", "px", "180", 180),
        ("min_area", "%", "12.5", "12.5 %"),
        ("min_area", "median", None, "median"),
        ("min_absolute_area", "um2", "20.5", "20.5 um2"),
        ("max_area", "%", "90", "90 %"),
        ("max_perimeter_area_ratio", None, "4.2", 4.2),
        ("area_std_filter", "deviations", "0.7", 0.7),
        ("area_std_filter", "bounds", "30", "30 to {} px"),
    ],
)
def test_every_kind_of_threshold_can_be_typed(page, again, field, unit, typed, setting):
    name = field.replace("_", " ")
    if unit:
        Select(control(page, f"{name}: unit or rule")).select_by_value(unit)
        settle(page)
    if typed:
        box = control(page, f"{name} smallest" if unit == "bounds" else name)
        box.send_keys(Keys.CONTROL, "a", Keys.NULL, typed)
        settle(page)
    found = getattr(config_shown(page), field)
    if isinstance(setting, str) and "{}" in setting:
        setting = setting.format(
            page.execute_script("return live.state.settings.area_std_filter").split()[2]
        )
    assert found == setting
    report = check(page, again)
    switch = page.execute_script(
        "return [...document.querySelectorAll('.threshold')].find(e => e.ariaLabel == arguments[0])"
        ".querySelector('input[type=checkbox]')",
        name,
    )
    assert switch.is_selected()
    switch.click()
    settle(page)
    assert getattr(config_shown(page), field) is None
    assert field in page.find("#off").text
    assert check(page, again).passed >= report.passed


@pytest.mark.parametrize("policy", ["keep", "drop"])
def test_the_border_policy_follows(page, again, policy):
    Select(page.find("#border")).select_by_value(policy)
    settle(page)
    assert config_shown(page).border == policy
    check(page, again)


def test_what_cannot_be_is_not_taken(page, live):
    box = control(page, "max eccentricity")
    box.send_keys(Keys.CONTROL, "a", Keys.NULL, "2")
    settle(page)
    assert config_shown(page) == live["transcripts"][0].filter_config
    assert box.get_attribute("aria-invalid") == "true"
    assert "max_eccentricity is at most 1" in page.find("#thresholds").text


def test_what_a_config_refuses_is_said(page):
    page.execute_script("live.take({...live.facts.run, min_solidity: 0.9, max_solidity: 0.5})")
    said = page.find("#refused").text
    assert said.startswith(
        "min_solidity (0.9) is above max_solidity (0.5): no cell could pass both"
    )
    with pytest.raises(ValueError, match="no cell could pass both"):
        config_shown(page)


def test_a_link_brings_the_choice_back(browser, live, again):
    _, path = live["transcripts"]
    config = FilterConfig(min_area="33.3 %", max_eccentricity=None, border="drop", max_area=1e3)
    open_live(browser, path)
    browser.execute_script("live.take(arguments[0])", json.loads(config.model_dump_json()))
    link = browser.execute_script("return live.link()")
    open_live(browser, path, link)
    assert config_shown(browser) == config
    check(browser, again)


def test_what_a_link_must_not_say_is_told_and_not_taken(browser, live):
    post, path = live["transcripts"]
    link = "#choice&max_area=<b>&nonsense=1&min_extent=7&border=none&constructor=1"
    open_live(browser, path, link)
    assert config_shown(browser) == post.filter_config
    said = browser.find("#refused").text
    for part in (
        "max_area cannot be",
        "no nonsense",
        "no constructor",
        "min_extent is at most 1",
        "border is one of",
    ):
        assert part in said


@pytest.mark.parametrize("value", ["none", "5", "zzz"])
def test_a_policy_is_one_of_its_words(page, value):
    page.execute_script("location.hash = `#choice&border=${arguments[0]}`", value)
    page.wait("return !document.getElementById('refused').hidden")
    assert "border is one of judge, keep, drop" in page.find("#refused").text


def test_the_way_back_from_a_link_leads_to_the_run(page, live):
    before = page.find("#passed").text
    for value in (0.6, 0.7):
        page.find("h1").click()  # or it is no step to come back to
        page.execute_script("location.hash = `#choice&max_eccentricity=${arguments[0]}`", value)
        page.wait(f"return live.state.settings.max_eccentricity === {value}")
    page.back()
    page.wait("return live.state.settings.max_eccentricity === 0.6")
    assert page.find("#passed").text != before
    page.back()
    page.wait("return live.state.settings.max_eccentricity !== 0.6")
    assert config_shown(page) == live["transcripts"][0].filter_config
    assert page.find("#passed").text == before


def test_a_link_to_a_section_does_not_lose_the_choice(page):
    page.execute_script("location.hash = '#choice&max_eccentricity=0.6'")
    page.wait("return live.state.settings.max_eccentricity === 0.6")
    page.wait("return document.querySelector('.choice .spoken').textContent")  # all was told
    page.find("nav a[href='#config']").click()
    page.wait("return scrollY > 300")
    page.wait("return location.hash === '#choice&max_eccentricity=0.6'")


def test_numbers_are_as_long_as_people_read_them(page):
    written = page.execute_script("return [1.25e300, -2e-13, -3, 12345.678, 0, 1e6].map(brief)")
    assert written == ["1.25e+300", f"{MINUS}2e-13", f"{MINUS}3", "12,345.7", "0", "1,000,000"]


def test_a_slider_has_steps_and_an_axis_ticks_whatever_the_range(page):
    made = page.execute_script("""
        const ends = [[0, 0.3999999999999999], [0, 0.4], [-3e-13, 1e-13], [1e12, 1e12 + 1]];
        return [...ends, [0, 4e300]].map(([low, high]) => {
          const chart = { low, high, whole: false };
          const control = makeControl("max_eccentricity", "value", chart, live.facts, () => {});
          control.show(high / 2, [high / 2], 0);
          const metrics = { area: { edges: [low, high] } };
          const { axis } = makeChart("area", { ...live.facts, metrics });
          const places = [...axis.children].map((tick) => parseFloat(tick.style.left));
          const { step } = control.box.querySelector("[type=range]");
          return [Number(step), (high - low) / 400, places];
        });
    """)
    for step, rough, places in made:
        assert rough / 10 < step <= 1.001 * rough
        assert len(places) >= 3
        assert all(-1 <= place <= 101 for place in places)


def test_the_table_of_rejected_regions_follows(page, again):
    Select(page.find("#filter")).select_by_index(1)
    page.find("th[data-key=area] button").click()
    slider = control(page, "max eccentricity, slider")
    for _ in range(4):
        slider.send_keys(Keys.PAGE_DOWN)
    page.wait("return document.querySelector('#filter').options[0].text.startsWith('All (19')")
    again.refilter(config_shown(page))
    rejected = again.regions.query("label == 0")
    assert page.find("#n-rejected").text == f"{len(rejected)}"
    chosen = rejected[rejected["reason"] == "high_convexity_deficit"]
    chosen = chosen.sort_values("area", kind="stable")
    assert page.find("#shown").text == f"1 to {len(chosen)} of {len(chosen)} regions"
    rows = page.execute_script(
        "return [...document.querySelectorAll('#rows tr')]"
        ".map(row => [...row.cells].map(cell => cell.textContent))"
    )
    heads = page.execute_script(
        "return [...document.querySelectorAll('[data-key]')].map(e => e.dataset.key)"
    )
    table = pd.DataFrame(rows, columns=heads).set_index("region", drop=False)
    assert table.index.astype(int).tolist() == chosen.index.tolist()
    assert table["source_label"].astype(int).tolist() == chosen["source_label"].tolist()
    assert table["transcript_counts"].map(plain).tolist() == chosen["transcript_counts"].tolist()
    margin = chosen["margin_high_convexity_deficit"]
    np.testing.assert_allclose(table["margin"].map(plain), margin, rtol=5e-4)
    np.testing.assert_allclose(table["perimeter"].map(plain), chosen["perimeter"], rtol=5e-4)
    np.testing.assert_allclose(table["centroid_row"].map(plain), chosen["centroid_row"], atol=0.051)


def plain(text):
    return float(text.replace(",", "").replace(MINUS, "-"))


# ---- cells


def test_a_click_on_a_cell_tells_its_values_margins_and_reason(page, live):
    post, _ = live["transcripts"]
    rejected = post.regions.query("reason == 'high_convexity_deficit'")
    number = rejected["area"].idxmax()
    row = post.regions.loc[number]
    place = page.execute_script(
        "const { numbers, width, height } = live.facts.maps[0];"
        "const at = numbers.indexOf(arguments[0]);"
        "return [at % width / width, Math.floor(at / width) / height]",
        number.item(),
    )
    canvas = page.find("#overview canvas")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    size = canvas.rect
    x, y = (
        part * size[axis] - size[axis] / 2 + 1.5
        for part, axis in zip(place, ("width", "height"), strict=True)
    )
    ActionChains(page).move_to_element_with_offset(canvas, round(x), round(y)).click().perform()
    said = page.find("#cell").text
    assert said.startswith(f"Region {number} rejected: high convexity deficit\n")
    assert f"Input label {row['source_label']} " in said
    assert f"{row['transcript_counts']} transcripts" in said
    deficit = next(line for line in said.splitlines() if line.startswith("Convexity deficit"))
    margin = f"{row['margin_high_convexity_deficit']:.4g}".replace("-", MINUS)
    assert deficit == f"Convexity deficit {row['convexity_deficit']:.6g} ≤ 0.2 {margin}"
    assert page.find(".mark").is_displayed()


def test_a_cell_tells_all_of_its_reasons(browser, live):
    post, path = live["own reasons"]
    failed = post.rejections(post.regions)
    number = failed.index[failed.sum(axis=1) > 1][0]
    open_live(browser, path)
    browser.execute_script("live.choose(arguments[0])", int(number))
    first, *others = [human(name).lower() for name in failed.columns[failed.loc[number]]]
    said = browser.find("#cell p").text
    assert said == f"Region {number} rejected: {first}, and also {', '.join(others)}"


def test_a_cell_is_found_by_its_number_without_a_mouse(page):
    page.find("#region").send_keys("12")
    assert page.find("#cell").text.startswith("Region 12 ")
    page.find("#region").send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.DELETE)
    assert not page.find("#cell").is_displayed()


def test_cells_next_to_flip_are_the_nearest_on_each_side(page, again):
    page.execute_script(
        "live.state.moved = 'max_eccentricity';"
        "live.take({...live.facts.run, max_eccentricity: 0.85})"
    )
    again.refilter(config_shown(page))
    regions, margin = again.regions, again.regions["margin_too_eccentric"]
    failed = (regions.filter(like="margin_") < 0).sum(axis=1)
    sides = [regions["label"] > 0, (regions["reason"] == "too_eccentric") & (failed == 1)]
    shown = [
        [int(name.split(",")[0].removeprefix("Region ")) for name in names]
        for names in page.execute_script(
            "return [...document.querySelectorAll('#flip ul')].map("
            "ul => [...ul.querySelectorAll('button')].map(b => b.ariaLabel))"
        )
    ]
    for numbers, side in zip(shown, sides, strict=True):
        nearest = margin[side].abs().sort_values(kind="stable")
        assert margin[numbers].abs().tolist() == nearest[:6].tolist()
    page.find("#flip button").click()
    assert page.find("#cell").text.startswith(f"Region {shown[0][0]} kept")


def test_the_picture_is_painted_as_python_paints_it(page, live, again):
    chosen = {"max_eccentricity": 0.8, "border": "drop", "min_absolute_area": "9 px"}
    page.execute_script("live.take({...live.facts.run, ...arguments[0]})", chosen)
    again.refilter(config_shown(page))
    run, scene = again._scene(None)
    (view,) = views_of(scene, run.regions)
    layers = layers_of(scene, view, styles_of(run.report.rejected))
    look = np.array([layers.reasons.index(r) + 1 if r else 0 for r in run.regions["reason"]])
    ink = np.where(look > 0, len(PALE) + look, 1 + layers.tones[1:])
    shown, rejected = layers.shown, np.append(False, look > 0)
    pixels = paint_inks(shown, np.append(0, ink)[shown], layers.inks, np.ones((1, 1, 3)))
    bold = np.where(rejected[shown], shown, rejected.size)
    pixels[edges_of(bold, 1) & (bold < rejected.size)] = 255
    png = page.execute_script("return live.pictures[0].canvas.toDataURL()").split(",")[1]
    found = np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"))
    assert np.abs(found.astype(int) - pixels).max() <= 1  # of 255, by rounding
    assert len(np.unique(found.reshape(-1, 3), axis=0)) > 8


# ---- for everyone


def test_nothing_is_loaded_and_nothing_goes_wrong(browser, live):
    _, path = live["own reasons"]
    browser.get_log("browser")  # forget what was logged before
    browser.get_log("performance")
    open_live(browser, path)
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert {url for url in urls if not url.startswith("data:")} <= {path.as_uri(), "about:blank"}
    assert browser.get_log("browser") == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing_while_thresholds_are_moved(browser, live, axe, width, scheme):
    browser.emulate(width, scheme)
    open_live(browser, live["own reasons"][1])
    browser.execute_script(
        "live.choose(5); live.state.moved = 'min_area';"
        "live.take({...live.facts.run, min_area: '60 px'}, ['a problem'])"
    )
    assert browser.find("#flip").is_displayed()
    control(browser, "max eccentricity").send_keys(Keys.CONTROL, "a", Keys.NULL, "2")
    assert browser.violations(axe) == []


@pytest.mark.parametrize("width", [1280, 1030, 930, 390, 320])
def test_nothing_scrolls_sideways_while_thresholds_are_moved(browser, live, width):
    browser.emulate(width)
    open_live(browser, live["transcripts"][1])
    browser.execute_script(
        "live.choose(5); live.state.moved = 'area_std_filter';"
        "live.take({...live.facts.run, area_std_filter: '30 to 2000 px'})"
    )
    assert browser.outside(width) == []


def test_every_control_is_reached_by_tab_and_shows_it(page):
    assert tab_through(page, "#reasons :is(input, select, button)") == [[], []]


def test_without_a_script_the_page_shows_the_run(browser, live):
    browser.emulate(script=False)
    browser.get(live["transcripts"][1].as_uri())
    shown = [browser.find(f"#{name}").is_displayed() for name in ("live", "distributions", "toml")]
    assert shown == [False, True, True]
    assert browser.find("#overview img").is_displayed()
    assert "With JavaScript" in browser.find("#reasons noscript").text
