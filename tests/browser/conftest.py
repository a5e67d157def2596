"""A headless Chromium from Debian's packages, and pages opened in it from files."""

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

sys.path.insert(0, str(Path(__file__).parents[1]))
from counted import counted
from page_samples import NASTY, WithNastyReason, cells, filtered, page_of, with_places

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)


class Browser(Chrome):
    """Chromium with what the tests ask of it."""

    def emulate(self, width=1280, scheme="light", script=True):
        """Set width and colour scheme; without motion, so that a scroll is over at once."""
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 700}
        self.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        self.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": name, "value": value} for name, value in features.items()]},
        )
        self.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not script})

    def open(self, path):
        """Open a file; its table is there when this returns."""
        self.get_log("browser")  # forget what was logged before
        self.get_log("performance")
        self.get(path.as_uri())
        self.wait(
            "return !document.getElementById('data') || !document.querySelector('#audit').hidden"
        )

    def wait(self, script):
        return WebDriverWait(self, 10, 0.05).until(lambda _: self.execute_script(script))

    def find(self, selector):
        return self.find_element("css selector", selector)

    def texts(self, selector):
        return self.execute_script(
            "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector
        )

    def violations(self, axe):
        """What axe-core objects to, of any impact."""
        # the page's policy holds for scripts of the page, not for those of the driver
        self.execute_script(axe)
        found = self.execute_async_script(
            "axe.run(document, {rules: {'target-size': {enabled: true}}}).then(arguments[0])"
        )
        assert {"color-contrast", "heading-order", "target-size"} <= {
            rule["id"] for rule in found["passes"]
        }
        return [
            (rule["id"], node["target"]) for rule in found["violations"] for node in rule["nodes"]
        ]

    def outside(self, width):
        """What does not fit in the width, but for tables in regions that scroll."""
        assert self.execute_script("return document.documentElement.scrollWidth") <= width
        script = """
            return [...document.querySelectorAll("main *, header *, footer *")].filter(e =>
              !e.parentElement.closest("[role=region][tabindex='0']") && !e.closest("option")
              && e.getBoundingClientRect().right > arguments[0] + 0.5).map(e => e.outerHTML)
        """
        return self.execute_script(script, width)


@pytest.fixture(scope="session")
def _chromium(tmp_path_factory):
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # named, so that selenium looks for no driver of its own
    browser = Browser(options=options, service=Service("/usr/bin/chromedriver"))
    browser.set_page_load_timeout(30)
    browser.set_script_timeout(60)
    yield browser
    browser.quit()


@pytest.fixture
def browser(_chromium):
    _chromium.emulate()
    return _chromium


@pytest.fixture(scope="session")
def axe():
    # the package also drives Playwright, which it need not find: only its copy of axe-core is used
    package = find_spec("axe_playwright_python")
    return Path(package.origin).with_name("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def post():
    """Rejected regions on several pages, one of the reasons hostile, labels beyond 2^53."""
    masks = cells(700)
    return filtered(np.where(masks > 0, masks + 2**53, 0), cls=WithNastyReason)


@pytest.fixture(scope="session")
def runs(post):
    runs = {"mixed": post, "nothing rejected": filtered(np.pad(np.ones((12, 12), int), 3))}
    runs["transcripts"] = counted(filtered(cells(150)))
    with pytest.warns(UserWarning, match="None of the 30"):
        runs["everything rejected"] = filtered(cells(30), max_area=1, min_absolute_area=0)
    with pytest.warns(UserWarning, match="hold no cells"):
        runs["no regions"] = filtered(np.zeros((20, 30), int))
    return runs


@pytest.fixture(scope="session")
def pages(runs, tmp_path_factory):
    paths = {name: tmp_path_factory.mktemp("page") / "report.html" for name in runs}
    for name, path in paths.items():
        path.write_text(page_of(runs[name], title=f"Nuclei {NASTY}"), encoding="utf-8")
    paths["slide"] = tmp_path_factory.mktemp("page") / "report.html"
    slide = page_of(runs["mixed"], pictures=with_places(runs["mixed"]))
    paths["slide"].write_text(slide, encoding="utf-8")
    return paths


@pytest.fixture
def page(browser, pages):
    """The page of the mixed run, open on a desktop."""
    browser.open(pages["mixed"])
    return browser
