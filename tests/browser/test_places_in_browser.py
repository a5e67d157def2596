"""The numbered places on the picture of a slide, in a real browser."""

import pytest
from selenium.webdriver import ActionChains, Keys

SHOWN = """
    const box = document.activeElement.getBoundingClientRect();
    return [document.activeElement.id, location.hash, box.top < innerHeight && box.bottom > 0]
"""


@pytest.fixture
def slide(pages):
    return pages["slide"]


@pytest.mark.parametrize("width", [1280, 360])
def test_numbers_stand_above_their_places(browser, slide, width):
    browser.emulate(width)
    browser.open(slide)
    where = """
        const map = document.querySelector("#overview img").getBoundingClientRect();
        return [...document.querySelectorAll(".place")].map(e => e.getBoundingClientRect())
          .map(e => [(e.left + e.right) / 2 - map.left, e.bottom - map.top])
          .map(([x, y]) => [x / map.width, y / map.height])
    """
    found = browser.execute_script(where)
    for (left, bottom), (x, y) in zip(found, [(0.125, 0.8), (0.6, 0.3333)], strict=True):
        assert left == pytest.approx(x, abs=0.01)
        assert y - 0.05 < bottom < y


def test_a_click_opens_the_nearest_place_and_leaves_the_address(browser, slide):
    browser.open(slide)
    picture = browser.find("#overview img")
    for share, place in ((0.4, "place-1"), (-0.4, "place-2")):
        down = picture.size["height"] * share
        right = -picture.size["width"] * share
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", picture)
        ActionChains(browser).move_to_element_with_offset(picture, right, down).click().perform()
        assert browser.execute_script(SHOWN) == [place, "", True]
    browser.find(".place").click()
    assert browser.execute_script(SHOWN) == ["place-1", "", True]


def test_the_keyboard_opens_a_place_too_and_without_scripts_a_link_does(browser, slide):
    browser.open(slide)
    browser.find("[href='#place-2']").send_keys(Keys.ENTER)
    assert browser.execute_script(SHOWN) == ["place-2", "", True]
    browser.emulate(script=False)
    browser.get(slide.as_uri())
    browser.find("[href='#place-1']").click()
    assert browser.current_url.endswith("#place-1")
