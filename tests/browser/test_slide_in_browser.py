"""Thresholds moved where regions are counted, in a real browser: map and places follow."""

import base64
import io
import json
import re
from fractions import Fraction

import numpy as np
import pytest
from live_pages import open_live, tab_through
from page_samples import packed_of, page_of
from PIL import Image
from sampling import share
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.support.ui import Select
from tiny_cells import small_picture, tiny_cells

from postseg import FilterConfig, PostSegmentation
from postseg.filtering.criteria import TESTS
from postseg.show import overview
from postseg.show.bins import count_bins
from postseg.show.overview import count_all, is_inside
from postseg.show.page.pictures import illustrate
from postseg.show.paint import paint_bins
from postseg.show.palette import styles_of
from postseg.show.pictures import canvas_of_bins

pytestmark = pytest.mark.filterwarnings("ignore:None of the")


class Unlucky(PostSegmentation):
    """With a reason before all of ours."""

    def rejections(self, regions):
        failed = super().rejections(regions)
        failed.insert(0, "unlucky", regions.index % 13 == 0)
        return failed


@pytest.fixture(scope="module")
def image():
    """Dark, with brighter spots, as of a microscope."""
    random = np.random.default_rng(2)
    return random.integers(0, 90, tiny_cells().shape, dtype=np.uint8)


@pytest.fixture(scope="module")
def post():
    post = Unlucky(tiny_cells(), verbose=False)
    post.refilter(max_eccentricity=0.9)
    return post


@pytest.fixture(scope="module")
def slides(post, image, tmp_path_factory):
    """The page of a run, on white and on a microscope image."""
    found = {}
    for ground in (None, image):
        run, scene = post._scene(ground)
        with small_picture():
            drawn = illustrate(scene, run.regions, run.report, [])
            page = page_of(post, pictures=drawn, live=packed_of(post, ground))
        path = tmp_path_factory.mktemp("slide") / "report.html"
        path.write_text(page, encoding="utf-8")
        found["plain" if ground is None else "tissue"] = path
    with small_picture(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(overview, "_worst", lambda *_: [])
        page = page_of(post, pictures=drawn._replace(places=[]), live=packed_of(post))
    found["alone"] = path.with_name("alone.html")
    found["alone"].write_text(page, encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def of_run(post):
    """The bins of the run and its closer looks, as Python has them."""
    run, scene = post._scene(None)
    with small_picture():
        return count_all(scene, run.regions)


@pytest.fixture
def page(browser, slides):
    open_live(browser, slides["plain"])
    return browser


@pytest.fixture
def again():
    return Unlucky(tiny_cells(), verbose=False)


def settings_of(post, random):
    """Some thresholds at the values of regions, the others off."""
    chosen = {}
    for test in TESTS:
        value = random.choice(post.regions[test.metric].dropna()).item()
        if random.random() < 0.5:
            chosen[test.threshold] = None
        elif test.kind == "value":
            chosen[test.threshold] = value
        elif test.kind == "deviations":
            chosen[test.threshold] = 0.5 + 2 * random.random()
        else:
            chosen[test.threshold] = f"{value} px"
    return chosen | {"border": random.choice(["judge", "keep", "drop"]).item()}


def some_settings(post, n):
    random = np.random.default_rng(n)
    found = [post.filter_config]
    while len(found) <= n:
        try:
            found.append(FilterConfig(**settings_of(post, random)))
        except ValueError:
            continue  # of two bounds that contradict each other
    return found


def take(browser, config):
    settings = json.loads(config.model_dump_json())
    browser.execute_script("live.state.moved = ''; live.take(arguments[0])", settings)


def painted(browser, ground=None):
    """The map as it is shown, on what lies behind it."""
    png = browser.execute_script("return live.pictures[0].canvas.toDataURL()").split(",")[1]
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(png)))) / 255
    if ground is None:
        assert (shown[..., 3] == 1).all()
        return 255 * shown[..., :3]
    return 255 * (ground + shown[..., 3:] * (shown[..., :3] - ground))


def test_regions_captions_and_the_share_of_the_map_are_those_of_refilter(page, post, of_run, again):
    bins, closer = of_run
    reasons = [*page.execute_script("return live.facts.reasons.map(r => r.name)"), ""]
    number = np.array(page.execute_script("return [...live.facts.bins.numbers]"))
    inside = [is_inside(post.regions, view) for view in closer]
    kept = set()
    for config in some_settings(post, share(120)):
        take(page, config)
        again.refilter(config)
        first = page.execute_script("return [...live.result.first]")
        assert [reasons[code] for code in first] == again.regions["reason"].tolist(), config
        gone = (again.regions["label"] == 0).to_numpy()
        counts = [(int(gone[here].sum()), int(here.sum())) for here in inside]
        captions = page.texts("#looks figcaption")
        for k, ((n, of), caption) in enumerate(zip(counts, captions, strict=True), start=1):
            assert caption.startswith(f"{k}: {n:,} of {of:,} regions rejected (")
            name = page.find(f"[href='#place-{k}']").get_attribute("aria-label")
            assert name == f"Place {caption}".removesuffix(".")
        # the mean of the map weighted by regions
        regions = np.bincount(number, minlength=bins.regions.size).tolist()
        rejected = np.bincount(number[gone], minlength=bins.regions.size).tolist()
        mean = sum(Fraction(n, of) * of for n, of in zip(rejected, regions, strict=True) if of)
        assert mean / len(first) == Fraction(int(gone.sum()), len(gone))
        said = page.find("#key").text
        assert float(re.search(r"of all ([\d.]+)%", said)[1]) == pytest.approx(
            100 * gone.mean(), abs=0.0501
        )
        kept.add(again.filter_report.passed)
    assert len(kept) > 10


@pytest.mark.parametrize("ground", ["plain", "tissue"])
def test_the_map_is_painted_as_python_paints_it(
    browser, slides, post, again, image, of_run, ground
):
    open_live(browser, slides[ground])
    (view, side, _), _ = of_run
    configs = some_settings(post, share(18))
    # of 255: over an image opacity is rounded too, and a canvas holds its product with the colour
    off = 1 if ground == "plain" else 2
    differ = set()
    for config in configs:
        take(browser, config)
        again.refilter(config)
        run, scene = again._scene(None if ground == "plain" else image)
        styles = styles_of(run.report.rejected)
        look = np.array([0, *([*styles].index(r) + 1 if r else 0 for r in run.regions["reason"])])
        bins = count_bins(run.regions, look, view, side / 6)
        assert bins.side == side
        canvas = canvas_of_bins(scene, view)
        for colour in ("share", "reason"):
            Select(browser.find("#colour")).select_by_value(colour)
            expected = paint_bins(bins, colour, [*styles.values()], canvas).astype(int)
            found = painted(browser, None if ground == "plain" else canvas)
            assert np.abs(found - expected).max() <= off, config
            differ.add(expected.tobytes())
    assert len(differ) > len(configs)


# ---- places and cells


def test_at_first_the_page_shows_the_run(page, post, of_run):
    bins, closer = of_run
    assert page.execute_script("return live.pictures.length") == 1 + len(closer) == 4
    assert page.find("#places-title").text == "Where most was rejected"
    assert page.find("#back").get_attribute("aria-disabled") == "true"
    assert not page.find_elements("css selector", "#overview img")
    report = post.filter_report
    said = f"{report.passed:,} of {report.total:,} kept ({report.percent_passed:.1f}%)"
    assert page.find(".count").text == said
    assert page.texts(".ramp > span")[0] == f"{bins.regions.max()}"


def test_a_slider_moves_all_and_back(page, again):
    slider = page.find("#thresholds input[aria-label='max eccentricity, slider']")
    before = page.find("#looks").text
    line = page.execute_script("return document.querySelector('.line').style.left")
    for _ in range(3):
        slider.send_keys(Keys.PAGE_DOWN)
    page.wait("return live.result.counts[live.result.kept] < live.before")
    again.refilter(max_eccentricity=float(slider.get_property("value")))
    assert int(page.find("#passed").text.replace(",", "")) == again.filter_report.passed
    assert page.find("#places-title").text == "The worst places of the run"
    share = f"{100 - again.filter_report.percent_passed:.1f}%"
    assert page.execute_script("return document.querySelector('.line').style.left") == share != line
    page.wait("return location.hash.startsWith('#choice&max_eccentricity=')")
    page.find("#back").send_keys(Keys.ENTER)
    assert page.find("#looks").text == before


def test_a_link_brings_the_choice_back(browser, slides, page, again):
    config = FilterConfig(min_area="33.3 %", max_eccentricity=None, border="drop", max_area=50)
    take(page, config)
    open_live(browser, slides["plain"], page.execute_script("return live.link()"))
    again.refilter(config)
    assert int(browser.find("#passed").text.replace(",", "")) == again.filter_report.passed
    assert browser.find("#places-title").text == "The worst places of the run"


def test_a_click_on_the_map_opens_the_nearest_place_and_one_there_chooses_a_region(page, post):
    canvas = page.find("#overview canvas")
    for number in "312":
        link = page.find(f"[href='#place-{number}']")
        page.execute_script("arguments[0].scrollIntoView({block: 'center'})", link)
        ActionChains(page).move_to_element_with_offset(link, 3, 8).click().perform()
        assert page.execute_script("return document.activeElement.id") == f"place-{number}"
        assert page.find(f"#place-{number}").get_attribute("class") == "open"
    assert page.execute_script("return [live.state.region, location.hash]") == [0, ""]
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    ActionChains(page).move_to_element(canvas).click().perform()
    assert page.execute_script("return live.state.region") == 0

    page.find("[href='#place-1']").send_keys(Keys.ENTER)
    number = page.execute_script("return live.facts.maps[0].inside[20]") + 1
    where = """
        const [k, number] = arguments;
        const { numbers, width, height } = live.facts.maps[k];
        const at = numbers.indexOf(number);
        const scale = live.pictures[1 + k].canvas.clientWidth / width;
        const [x, y] = [at % width + 2 - width / 2, Math.floor(at / width) + 2 - height / 2];
        return [x * scale, y * scale]
    """
    x, y = page.execute_script(where, 0, number)
    place = page.find("#place-1 canvas")
    ActionChains(page).move_to_element_with_offset(place, round(x), round(y)).click().perform()
    assert page.find("#cell").text.startswith(f"Region {number} ")


def test_a_chosen_region_is_marked_on_the_map_and_in_the_place_that_shows_it(page, post):
    number = page.execute_script("return live.facts.maps[1].inside[5]") + 1
    page.find("#region").send_keys(str(number))
    centroid = post.regions.loc[number, ["centroid_row", "centroid_col"]].to_numpy(float)
    shown = page.execute_script("""
        return live.pictures.map(({ stage }) => {
          const { hidden, style } = stage.querySelector(".mark");
          return hidden ? null : [style.top, style.left].map(parseFloat);
        })
    """)
    assert shown[0] == pytest.approx((100 * (centroid + 0.5) / (1200, 900)).tolist(), abs=0.006)
    assert [mark is not None for mark in shown] == [True, False, True, False]
    page.find("#region").send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.DELETE)
    assert not any(mark.is_displayed() for mark in page.find_elements("css selector", ".mark"))


def test_cells_next_to_flip_are_listed_with_their_places(page, post):
    page.execute_script(
        "live.state.moved = 'max_eccentricity';"
        "live.take({...live.facts.run, max_eccentricity: 0.6})"
    )
    cells = page.find_elements("css selector", "#flip .listed button")
    assert len(cells) == 12
    number = int(re.search(r"region ([\d,]+) at row", cells[0].text)[1].replace(",", ""))
    assert f"row {round(post.regions.loc[number, 'centroid_row'], 1):g}, " in cells[0].text
    cells[0].click()
    assert page.find("#cell").text.startswith(f"Region {number} kept")


def test_a_map_without_closer_looks_follows_too(browser, slides, post, again):
    open_live(browser, slides["alone"])
    assert browser.execute_script("return live.pictures.length") == 1
    before = browser.execute_script("return live.pictures[0].canvas.toDataURL()")
    config = FilterConfig(**dict(post.filter_config) | {"max_eccentricity": 0.6})
    take(browser, config)
    again.refilter(config)
    assert int(browser.find("#passed").text.replace(",", "")) == again.filter_report.passed
    assert browser.execute_script("return live.pictures[0].canvas.toDataURL()") != before
    browser.execute_script("live.choose(17)")
    assert browser.find("#overview .mark").is_displayed()
    assert "closer" not in browser.find(".find:has(#region)").text


def test_a_histogram_that_was_out_of_sight_is_drawn_once_it_is_seen(page):
    shown = """
        const card = document.querySelector("#thresholds [aria-label='Extent']");
        return card.querySelector("canvas").toDataURL();
    """
    blank = page.execute_script(shown)
    page.execute_script("live.take({...live.facts.run, max_eccentricity: 0.5})")
    assert page.execute_script(shown) == blank
    page.execute_script(
        "document.querySelector(\"#thresholds [aria-label='Extent']\").scrollIntoView()"
    )
    page.wait(f"return (() => {{{shown}}})() !== {json.dumps(blank)}")
    seen = page.execute_script(shown)
    page.execute_script("live.refresh()")
    assert page.execute_script(shown) == seen
    page.execute_script("live.take(live.facts.run)")
    assert page.execute_script(shown) != seen


# ---- for everyone


@pytest.mark.parametrize(
    ("width", "scheme", "colour"), [(1280, "light", "share"), (390, "dark", "reason")]
)
def test_axe_finds_nothing(browser, slides, axe, width, scheme, colour):
    browser.emulate(width, scheme)
    open_live(browser, slides["plain" if width == 390 else "tissue"])
    browser.execute_script(
        "live.choose(5); live.state.moved = 'min_area';"
        "live.take({...live.facts.run, min_area: '30 px'})"
    )
    Select(browser.find("#colour")).select_by_value(colour)
    assert browser.violations(axe) == []


@pytest.mark.parametrize("width", [1280, 1030, 930, 390, 320])
def test_nothing_scrolls_sideways(browser, slides, width):
    browser.emulate(width)
    open_live(browser, slides["plain"])
    browser.execute_script("live.choose(5); document.querySelector('.place').click()")
    assert browser.outside(width) == []
    for frame in browser.find_elements("css selector", ".frame"):
        assert frame.size["width"] > 100


def test_every_control_is_reached_by_tab_and_shows_it(page):
    assert tab_through(page, "#reasons :is(input, select, button, a)") == [[], []]


def test_without_a_script_the_page_shows_the_run(browser, slides):
    browser.emulate(script=False)
    browser.get(slides["plain"].as_uri())
    assert browser.find("#overview img").is_displayed()
    assert browser.find(".scale img").is_displayed()
    assert "colour is the share" in browser.find("figcaption").text
    assert not browser.find("#live").is_displayed()


def test_nothing_goes_wrong(browser, slides):
    browser.get_log("browser")  # forget what was logged before
    for path in slides.values():
        open_live(browser, path)
    assert browser.get_log("browser") == []
