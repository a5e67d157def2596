"""The report page in a headless Chromium: its size, when it is ready, how long a move takes.

    python tests/benchmarks/page.py [side] [--signals]

Of a label image with `side` x `side` regions, each of its own size and shape, all thresholds on:
235, that is 55,225 of them, by default; 806 are 649,636, too small to be seen, which are counted in
the picture. With ``--signals`` an image of two channels is measured, too. Printed are the time that
Python takes to write the page, its size, when it is loaded and when thresholds can be moved in it,
and the median of moves, from the setting to the page that is laid out anew. Asked for, of 55,000
regions: 6 MB, 2 s and 50 ms.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

sys.path.insert(0, str(Path(__file__).parents[1]))
from drawing import ragged

from postseg import PostSegmentation
from postseg.filtering.criteria import TESTS

MOVES = """
    const times = [];
    for (let k = 0; k < 21; k++) {
      const start = performance.now();
      live.state.moved = arguments[0];
      live.take({...live.facts.run, [arguments[0]]: arguments[1] + (k / 20) * arguments[2]});
      document.body.offsetHeight;
      times.push(performance.now() - start);
    }
    return times.sort((a, b) => a - b)[10];
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("side", nargs="?", type=int, default=235)
    parser.add_argument("--signals", action="store_true")
    asked = parser.parse_args()

    masks = ragged(asked.side)
    random = np.random.default_rng(1)
    image = random.integers(0, 60_000, (2, *masks.shape), np.uint16) if asked.signals else None
    post = PostSegmentation(masks, intensity_image=image, verbose=False)
    thresholds = dict.fromkeys((t.threshold for t in TESTS if t.kind == "value"), 0.5)
    thresholds |= {"max_solidity": 0.99, "max_extent": 0.97, "max_perimeter_area_ratio": 5}
    post.refilter(min_absolute_area=4, max_area=48, area_std_filter=3, **thresholds)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        start = time.perf_counter()
        post.write_report(path)
        print(f"{len(post.regions):,} regions, written in {time.perf_counter() - start:.1f} s")
        print(f"{path.stat().st_size / 1e6:.1f} MB")
        look_at(path, asked.signals)


def look_at(path, signals):
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(flag)
    browser = Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        browser.set_window_size(1280, 800)
        browser.get(path.as_uri())
        wait = WebDriverWait(browser, 60, 0.05)
        wait.until(lambda _: browser.execute_script("return document.documentElement.dataset.live"))
        loaded, ready = browser.execute_script(
            "const [navigation] = performance.getEntriesByType('navigation');"
            "return [navigation.loadEventEnd, live.ready]"
        )
        print(f"loaded after {loaded:.0f} ms, thresholds can be moved after {ready:.0f} ms")
        moved = {"max_eccentricity": (0.5, 0.4), "max_area": (10, 40)}
        if signals:
            moved["min_intensity_mean_0"] = 20_000, 20_000
        for field, (first, reach) in moved.items():
            print(f"{field}: {browser.execute_script(MOVES, field, first, reach):.0f} ms a move")
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
