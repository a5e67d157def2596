"""What an overview shows where regions are too small, and which places are shown closer."""

import numpy as np
import pytest
from drawing import OFF
from figures import faults, texts
from slides import slide

from postseg import FilterConfig
from postseg.show import maps, overview, pictures
from postseg.show.figures import draw_filter
from postseg.show.overview import see_all
from postseg.show.pictures import set_scene

OFF = FilterConfig(**OFF)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(pictures, "_LONG_SIDE", 400)
    monkeypatch.setattr(overview, "_APART", 60)


@pytest.fixture(scope="module")
def tissue():
    return slide((4000, 2800), pitch=20)


@pytest.fixture(scope="module")
def figure(tissue):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "_LONG_SIDE", 400)
        patch.setattr(overview, "_APART", 60)
        return draw_filter(set_scene(*tissue), tissue[1], FilterConfig())


@pytest.mark.parametrize(("pitch", "counted"), [(20, True), (72, False)])
def test_regions_are_counted_where_they_are_narrower_than_three_pixels(pitch, counted):
    runs, table = slide((4000, 1200), pitch=pitch)
    width = np.median(table["area"]) ** 0.5 / 10
    assert (width < 3) == counted
    assert (see_all(set_scene(runs, table), table).bins is not None) == counted


def test_the_worst_places_are_shown_closer_with_their_counts(tissue):
    runs, table = tissue
    seen = see_all(set_scene(runs, table), table)
    shares = [place.rejected / place.regions for place in seen.places]
    assert len(shares) == 3
    assert min(shares) > 1.5 * (table["reason"] != "").mean()
    assert shares[0] > 0.9
    for place in seen.places:
        (top, height, *_), (left, width, *_) = place.view
        inside = table["centroid_row"].between(top - 0.5, top + height - 0.5, inclusive="left")
        inside &= table["centroid_col"].between(left - 0.5, left + width - 0.5, inclusive="left")
        assert place.regions == inside.sum()
        assert place.rejected == (inside & (table["reason"] != "")).sum()


def test_a_figure_numbers_the_places_and_tells_their_counts(figure, tissue):
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["1", "2", "3"]
    frames = [line for line in axes.lines if line.get_label() == "closer look"]
    shown = [(*other.get_xlim(), *other.get_ylim()[::-1]) for other in figure.axes[1:]]
    for line in frames:
        x, y = line.get_xdata(), line.get_ydata()
        assert pytest.approx((x.min(), x.max(), y.min(), y.max())) in shown
    assert len(frames) == 3
    seen = see_all(set_scene(*tissue), tissue[1])
    for number, place in enumerate(seen.places, start=1):
        assert maps.heading_of(place, number) in texts(figure)
    assert f"{seen.places[0].rejected} of {seen.places[0].regions} regions" in " ".join(
        texts(figure)
    )


def test_the_key_tells_the_share_of_all_and_the_size_of_bins(figure, tissue):
    share = (tissue[1]["reason"] != "").mean()
    (line,) = [text for text in texts(figure) if text.startswith("Share rejected per bin")]
    assert line == f"Share rejected per bin of 70 x 70 pixels; of all {100 * share:.1f}%"
    assert faults(figure) == []


@pytest.mark.parametrize(
    ("shape", "colour"), [((300, 9000), "share"), ((9000, 300), "reason"), ((900, 9000), "reason")]
)
def test_nothing_overlaps_on_maps_of_bins(shape, colour):
    runs, table = slide(shape, pitch=20)
    scene = set_scene(runs, table)
    assert see_all(scene, table).bins is not None
    assert faults(draw_filter(scene, table, OFF, None, colour)) == []


def test_what_is_kept_all_over_is_shown_closer_in_one_place(tissue):
    runs, table = tissue
    kept = table.assign(reason="")
    seen = see_all(set_scene(runs, kept), kept)
    assert [place.rejected for place in seen.places] == [0]
    assert seen.bins.rejected.sum() == 0
