"""Pages with thresholds that can be moved: regions for them, and how tests move and read them."""

import tomllib

import numpy as np
from scipy.ndimage import gaussian_filter, label
from selenium.webdriver import ActionChains, Keys

from postseg import FilterConfig


def blobs():
    """Ragged regions of all sizes, single pixels among them, some at the edge of the image."""
    random = np.random.default_rng(3)
    noise = gaussian_filter(random.random((240, 300)), 2.2)
    image, n = label(noise > 0.51)
    row, col = random.integers(0, (240, 300), (40, 2)).T
    free = image[row, col] == 0
    image[row[free], col[free]] = n + 1 + np.arange(free.sum())
    return image


def open_live(browser, path, link=""):
    browser.get("about:blank")  # or only the fragment changes
    browser.get(path.as_uri() + link)
    browser.wait("return document.documentElement.dataset.live")


def control(browser, name):
    return browser.find(f"#thresholds :is(input, select)[aria-label='{name}']")


def config_shown(browser):
    return FilterConfig(**tomllib.loads(browser.find("#toml").text))


def settle(browser):
    """Wait until what was moved is painted."""
    browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")


def tab_through(page, controls):
    """Press Tab often enough: which controls were not reached, and which did not show it."""
    script = """
        const name = (e) => e.id || e.ariaLabel || e.closest("label")?.textContent || e.textContent;
        const controls = document.querySelectorAll(arguments[0]);
        window.missed = new Set([...controls].filter((e) => e.checkVisibility()).map(name));
        window.unseen = [];
        addEventListener("focusin", ({ target }) => {
          const style = getComputedStyle(target);
          const outlined = style.outlineStyle === "solid" && parseFloat(style.outlineWidth) >= 2;
          if (!outlined) unseen.push(name(target));
          missed.delete(name(target));
        });
    """
    page.execute_script(script, controls)
    n_controls = page.execute_script("return missed.size")
    assert n_controls > 40
    keys = ActionChains(page, duration=0)
    for _ in range(n_controls + 20):
        keys = keys.send_keys(Keys.TAB)
    keys.perform()
    return page.execute_script("return [[...missed], unseen]")
