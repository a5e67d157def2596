"""What the page holds to count regions anew where they are too small to be seen one by one."""

import numpy as np
import pytest
from page_samples import cells, filtered, live_page_of, packed_of, page_of, read, text, unpack
from tiny_cells import small_picture, tiny_cells

from postseg import PostSegmentation
from postseg.show.overview import count_all, see_all
from postseg.show.page import live, render
from postseg.show.page.counted import bins_of_page
from postseg.show.palette import SHARES, styles_of
from postseg.show.pictures import bins_picture


@pytest.fixture(scope="module")
def post():
    masks = tiny_cells()
    post = PostSegmentation(masks, intensity_image=masks % 251, verbose=False)
    post.refilter(max_eccentricity=0.9)
    return post


@pytest.fixture(scope="module")
def seen(post):
    """What Python shows of the run."""
    run, scene = post._scene(None)
    with small_picture():
        return see_all(scene, run.regions)


@pytest.fixture(scope="module")
def unpacked(post):
    with small_picture():
        return unpack(packed_of(post))


def test_the_bin_of_each_region_is_that_of_the_picture(post, seen, unpacked):
    head, arrays = unpacked
    bins, shown = seen.bins, head["bins"]
    assert shown["shape"] == [*bins.regions.shape]
    per_bin = np.bincount(arrays["bin"], minlength=bins.regions.size)
    np.testing.assert_array_equal(per_bin, bins.regions.ravel())
    gone = (post.regions["label"] == 0).to_numpy()
    rejected = np.bincount(arrays["bin"][gone], minlength=bins.regions.size)
    np.testing.assert_array_equal(rejected, bins.rejected.ravel())
    assert (shown["height"], shown["width"]) == seen.picture.pixels.shape[:2]
    assert (shown["side"], shown["shares"]) == (bins.side, [*SHARES])
    known = [*styles_of(post.filter_report.rejected)]
    assert shown["reasons"][: len(known)] == known
    assert set(shown["reasons"]) == {reason["name"] for reason in head["reasons"]} > set(known)
    assert shown["each"] == "per bin of 44 x 44 pixels"
    assert len(arrays["strength"]) == bins.regions.max() + 1


def test_the_closer_looks_are_those_of_the_run_with_their_regions(post, seen, unpacked):
    head, arrays = unpacked
    assert len(head["maps"]) == len(seen.places) == 3
    for k, (place, shown) in enumerate(zip(seen.places, head["maps"], strict=True)):
        inside = arrays[f"inside_{k}"]
        assert inside.size == place.regions
        assert (post.regions["label"].to_numpy()[inside] == 0).sum() == place.rejected
        assert shown["rows"] == place.view.rows._asdict()
        numbers = np.unique(arrays[f"map_{k}"])
        assert set(inside + 1) <= set(numbers.tolist())
        assert str(place.view.rows.first) in shown["where"]


def test_a_region_on_the_edge_of_a_closer_look_is_counted_as_python_does(post, monkeypatch):
    """Tenths of pixels, which the page shows of centroids, would tell another number."""
    run, scene = post._scene(None)
    with small_picture():
        _, (view, *_) = count_all(scene, run.regions)
        edge = view.rows.first - 0.5
        off = run.regions.assign(centroid_row=edge - 0.01, centroid_col=view.cols.first + 5.0)
        off.loc[off.index[:7], "centroid_row"] = edge
        monkeypatch.setattr(post, "_scene", lambda _: (run._replace(regions=off), scene))
        monkeypatch.setattr(live, "count_all", lambda *_: count_all(scene, run.regions))
        _, arrays = unpack(packed_of(post))
    assert arrays["inside_0"].tolist() == [*range(7)]


def test_without_closer_looks_swatches_are_those_of_the_map(post):
    run, scene = post._scene(None)
    with small_picture():
        bins, _ = count_all(scene, run.regions)
    head, swatches = bins_of_page(scene, bins, scene.styles)
    expected = bins_picture(scene, bins, "share").swatches
    assert head["tissue"] is None
    assert [*swatches] == [*expected] == ["", *scene.styles]
    for name, swatch in swatches.items():
        np.testing.assert_array_equal(swatch, expected[name])


def test_a_microscope_image_stands_behind_the_bins_in_grey(post):
    image = np.full(post.masks.shape, 99, np.uint8)
    with small_picture():
        head, _ = unpack(packed_of(post, image))
    assert head["bins"]["tissue"].startswith("data:image/jpeg;base64,")


def test_of_too_many_regions_the_page_shows_the_run_and_says_why(monkeypatch):
    post, why = filtered(cells(20)), "Thresholds cannot be moved in this page"
    monkeypatch.setattr(live, "MOST_MOVED", 20)
    assert packed_of(post)
    assert why not in text(read(page_of(post)))
    for module in (live, render):
        monkeypatch.setattr(module, "MOST_MOVED", 19)
    assert packed_of(post) == ""
    page = read(live_page_of(post))
    assert page.find(".//script[@id='run']") is None
    assert f"{why}: it can do so with 19 regions at most, and here are 20." in text(page)
