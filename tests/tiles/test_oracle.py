"""The merge equals the oracle on tiles that disagree, and the oracle equals the rules by hand."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from tiles import oracle
from tiles.covers import covers, independent

from postseg.raster.images import encode
from postseg.tiles.slide import Slide, merge_tiles

# small images have tiles without a cell at any seam, tiles at random leave gaps
pytestmark = pytest.mark.filterwarnings(
    "ignore:No tile has a cell within", "ignore:.* cut by gaps between tiles"
)
EXAMPLES = int(os.environ.get("POSTSEG_EXAMPLES", 30))
properties = settings(
    deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow]
)


@given(independent(), st.integers(0, 2))
@properties
def test_the_merge_equals_the_oracle(drawn, rim):
    tiles, origins, shape = drawn
    runs = merge_tiles(tiles, origins, shape, rim=rim)
    assert runs.same(encode(oracle.merge(tiles, origins, shape, rim=rim).image))


def filled(tiles, origins, shape, **options):
    slide = Slide(shape, **options)
    for tile, origin in zip(tiles, origins, strict=True):
        slide.add(tile, origin)
    return slide


@given(independent(), st.integers(0, 2))
@properties
def test_sources_and_counts_equal_the_oracle(drawn, rim):
    tiles, origins, shape = drawn
    slide = filled(tiles, origins, shape, rim=rim)
    merged = oracle.merge(tiles, origins, shape, rim=rim)
    found = slide.merged().sources
    report = slide.report._asdict()
    names = ["links", "joined", "trimmed", "beaten", "disowned", "refused"]
    assert {name: report[name] for name in names} == {name: merged.counts[name] for name in names}
    pairs = found[["tile", "tile_label"]].itertuples(index=False, name=None)
    expected = [pair for sources in merged.sources for pair in sources]
    assert list(pairs) == expected
    assert found.groupby("cell").size().tolist() == [len(sources) for sources in merged.sources]
    roles = slide.sources.groupby("cell")["role"].first().tolist()
    assert roles == merged.roles


@given(independent(), st.integers(0, 2), st.data())
@properties
def test_the_undecided_equal_the_oracle(drawn, rim, data):
    tiles, origins, shape = drawn
    assert filled(tiles, origins, shape, rim=rim).undecided == len(
        oracle.undecided(tiles, origins, shape, rim=rim)
    )
    # a plan covers the slide
    rectangles = [
        (row, column, row + tile.shape[0], column + tile.shape[1])
        for tile, (row, column) in zip(tiles, origins, strict=True)
    ]
    plan = list(dict.fromkeys([*rectangles, *data.draw(covers(shape, st.integers(0, 9)))]))
    n = data.draw(st.integers(1, len(tiles)))
    slide = filled(tiles[:n], origins[:n], shape, rim=rim, plan=plan)
    expected = oracle.undecided(tiles[:n], origins[:n], shape, plan, rim)
    assert slide.undecided == len(expected)


@given(independent(), st.integers(0, 2), st.randoms(use_true_random=False))
@properties
def test_what_holds_of_the_oracle(drawn, rim, random):
    tiles, origins, shape = drawn
    merged = oracle.merge(tiles, origins, shape, rim=rim)
    cells = range(1, len(merged.sources) + 1)
    assert sorted(set(merged.image[merged.image > 0])) == list(cells)
    for cell in cells:
        assert oracle.connected(merged.image == cell).max() == 1
    order = random.sample(range(len(tiles)), len(tiles))
    again = oracle.merge([tiles[i] for i in order], [origins[i] for i in order], shape, rim=rim)
    assert_array_equal(again.image, merged.image)
    assert (again.sources, again.roles, again.counts) == merged[1:]


def merge(*tiles, shape, rim=0):
    """Tiles given as (row, column, text): a digit a pixel."""
    arrays = [np.array([[int(c) for c in line] for line in text.split()]) for _, _, text in tiles]
    return oracle.merge(arrays, [tile[:2] for tile in tiles], shape, rim=rim)


def text(merged):
    return " ".join("".join(map(str, row)) for row in merged.image)


def test_halves_that_meet_at_a_seam_are_joined():
    merged = merge((0, 0, "011"), (0, 3, "110"), shape=(1, 6))
    assert (text(merged), merged.roles) == ("011110", ["joined"])
    assert merged.sources == [[(0, 1), (1, 1)]]


def test_a_stretch_joins_the_one_that_it_shares_most_with():
    merged = merge((0, 0, "1 1 1 1"), (0, 1, "1 2 2 2"), shape=(4, 2))
    assert text(merged) == "12 11 11 11"


def test_a_seam_under_a_third_tile_joins_nothing():
    merged = merge((0, 0, "01"), (0, 2, "10"), (0, 1, "12"), shape=(1, 4))
    assert text(merged) == "0120"


def test_a_whole_cell_gives_its_shape():
    left, right = "00001 00001", "0110 0110"
    merged = merge((0, 0, left), (0, 3, right), shape=(2, 7))
    assert (text(merged), merged.roles) == ("0000110 0000110", ["whole"])


def test_a_whole_cell_is_not_joined_with_another_piece_of_its_tile():
    # two whole cells of the left tile, one cell over both in the right
    left, right = "0110110", "11111"
    merged = merge((0, 0, left), (0, 1, right), shape=(1, 9))
    assert merged.counts["links"] == 1
    assert merged.image[0, 1] != merged.image[0, 4] > 0


def test_silence_counts_where_the_owner_sees_all_of_the_piece():
    silent = "000000 000000"
    merged = merge((0, 0, "000011 000011"), (0, 2, silent), shape=(2, 8))
    assert merged.counts["disowned"] == 1
    assert not merged.image.any()
    merged = merge((0, 0, "001111 000011"), (0, 2, silent), shape=(2, 8))
    assert merged.image.any(), "the owner sees it cut"


def test_an_edge_of_the_slide_cuts_nothing():
    assert merge((0, 0, "1"), shape=(1, 1)).roles == ["single"]
    assert oracle.undecided([np.array([[1]])], [(0, 0)], (1, 1)) == []
    assert oracle.undecided([np.array([[1]])], [(0, 0)], (1, 2)) == [[(0, 1)]]


@pytest.mark.parametrize(("text", "found"), [("0010", [[(0, 1)]]), ("0100", [])])
def test_undecided_is_what_a_missing_tile_may_touch(text, found):
    tile = np.array([[int(c) for c in text]])
    plan = [(0, 0, 1, 4), (0, 3, 1, 8)]
    assert oracle.undecided([tile], [(0, 0)], (1, 8), plan) == found
    assert oracle.undecided([tile, np.zeros((1, 5))], [(0, 0), (0, 3)], (1, 8), plan) == []


def test_what_overlaps_with_an_undecided_piece_is_undecided():
    tiles = [np.array([[0, 1, 1, 1]]), np.array([[2, 2, 0, 0]])]
    plan = [(0, 0, 1, 4), (0, 1, 1, 5), (0, 4, 1, 9)]
    assert oracle.undecided(tiles, [(0, 0), (0, 1)], (1, 9), plan) == [[(0, 1), (1, 2)]]
