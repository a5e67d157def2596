"""Pages with thresholds that can be moved: regions for them, and how tests move and read them."""

import tomllib

import numpy as np
from scipy.ndimage import gaussian_filter, label

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
