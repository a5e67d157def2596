"""The report page in a real browser: what it shows, loads and does, and for whom."""

import json

import pytest
from selenium.webdriver import ActionChains, Keys

from postseg.show.page.render import config_toml

SCREENS = [(width, scheme) for width in (1280, 360) for scheme in ("light", "dark")]


# ---- for everyone


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
@pytest.mark.parametrize(
    "name",
    ["mixed", "transcripts", "slide", "nothing rejected", "everything rejected", "no regions"],
)
def test_axe_finds_nothing(browser, pages, axe, name, width, scheme):
    browser.emulate(width, scheme)
    browser.open(pages[name])
    assert browser.violations(axe) == []


def test_axe_finds_nothing_after_use_either(browser, pages, axe):
    browser.emulate(360, "dark")
    browser.open(pages["mixed"])
    for selector in ("#zoom", "[data-copies=toml]", "th[data-key=margin] button", "#next"):
        browser.find(selector).click()
    browser.wait("return document.querySelector('.copied').textContent")
    assert browser.violations(axe) == []


@pytest.mark.parametrize("width", [1280, 900, 600, 360, 320])
@pytest.mark.parametrize("name", ["mixed", "transcripts", "slide", "no regions"])
def test_nothing_scrolls_sideways_but_tables_in_their_regions(browser, pages, name, width):
    browser.emulate(width)
    browser.open(pages[name])
    assert browser.outside(width) == []


def test_colours_follow_the_scheme_and_motion_the_preference(browser, pages):
    ground = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    moves = "return getComputedStyle(document.documentElement).scrollBehavior"
    browser.emulate(scheme="light")
    browser.open(pages["mixed"])
    assert min(browser.execute_script(ground)) > 220
    browser.emulate(scheme="dark")
    assert max(browser.execute_script(ground)) < 40
    assert browser.execute_script(moves) == "auto"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert browser.execute_script(moves) == "smooth"


def test_every_control_is_reached_by_tab_and_shows_it(page):
    look = """
        const e = document.activeElement, style = getComputedStyle(e);
        return [e.id || e.textContent, style.outlineStyle, parseFloat(style.outlineWidth)]
    """
    seen = []
    for _ in range(60):
        ActionChains(page).send_keys(Keys.TAB).perform()
        name, style, width = page.execute_script(look)
        if page.execute_script("return document.activeElement === document.body"):
            break
        assert (style, width >= 2) == ("solid", True), name
        seen.append(name)
    expected = ["Reasons", "zoom", "copy", "filter", "download", "Region", "Area"]
    places = [seen.index(name) for name in [*expected, "Column", "previous", "page", "next"]]
    assert places == sorted(places)


# ---- one file


def test_nothing_is_loaded_and_nothing_goes_wrong(page, pages):
    messages = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    urls = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in urls if not url.startswith("data:")] == [pages["mixed"].as_uri()]
    assert page.get_log("browser") == []
    sizes = "return [...document.images].map(image => image.naturalWidth)"
    assert min(page.execute_script(sizes)) > 0


def test_the_policy_keeps_the_network_and_other_scripts_out(page):
    page.execute_script("""
        window.blocked = [];
        addEventListener("securitypolicyviolation", e => blocked.push(e.effectiveDirective));
        fetch("http://127.0.0.1:9/").catch(() => {});
        document.body.append(Object.assign(new Image(), {src: "http://127.0.0.1:9/pixel.png"}));
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
    """)
    page.wait("return blocked.length == 3")
    blocked = {"connect-src", "img-src", "script-src-elem"}
    assert set(page.execute_script("return blocked")) == blocked
    assert page.execute_script("return window.ran") is None


# ---- other controls


def clipboard(browser, call):
    permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    browser.execute_cdp_cmd("Browser.grantPermissions", {"permissions": permissions})
    script = f"navigator.clipboard.{call}.then(found => arguments[0]([found]), arguments[0])"
    return browser.execute_async_script(script)


@pytest.mark.parametrize("refused", [False, True])
def test_the_config_is_copied_and_that_is_said(page, post, refused):
    clipboard(page, "writeText('before')")
    if refused:
        page.execute_script("navigator.clipboard.writeText = () => Promise.reject()")
    page.find("[data-copies=toml]").click()
    page.wait("return document.querySelector('.copied').textContent == 'Copied.'")
    assert page.find(".copied").get_attribute("role") == "status"
    assert clipboard(page, "readText()") == [config_toml(post.filter_config)]


def test_the_overview_is_shown_in_full_size_and_back(page):
    width = "return document.querySelector('#overview img').clientWidth"
    button = page.find("#zoom")
    small = page.execute_script(width)
    assert small < 1000
    button.click()
    assert (button.get_attribute("aria-pressed"), page.execute_script(width)) == ("true", 1800)
    page.execute_script("document.getElementById('overview').focus()")
    assert page.switch_to.active_element.get_attribute("id") == "overview"  # arrow keys scroll it
    assert page.execute_script("return document.documentElement.scrollWidth") <= 1280
    button.click()
    assert (button.get_attribute("aria-pressed"), page.execute_script(width)) == ("false", small)


def test_without_scripts_the_page_says_what_is_missing(browser, pages):
    browser.emulate(script=False)
    browser.get(pages["mixed"].as_uri())
    note = browser.find("#rejected noscript")
    assert "postseg run INPUT -o cells.regions.csv" in note.text
    shown = [browser.find(f"#{name}").is_displayed() for name in ("audit", "copy", "zoom")]
    assert shown == [False, False, False]
    assert browser.find("#toml").is_displayed()


def test_an_old_browser_is_told_where_the_table_is(browser, pages):
    removal = browser.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": "delete window.DecompressionStream"}
    )
    try:
        browser.get(pages["mixed"].as_uri())
        browser.wait("return !document.getElementById('problem').hidden")
        assert "postseg run INPUT -o cells.regions.csv" in browser.find("#problem").text
        assert not browser.find("#audit").is_displayed()
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", removal)
