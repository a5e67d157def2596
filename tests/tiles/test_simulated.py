"""Independent runs over tiles, merged: ahead of the peers, and what holds whatever the runs say."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tiles import oracle
from tiles.peers import PEERS
from tiles.simulated import MERGES, diameter, f1, grid, near_seams, runs, scores, voronoi

from postseg.raster.images import encode
from postseg.tiles.slide import merge_tiles

TILES = (3, 3)


@pytest.fixture(scope="module")
def tissue():
    return voronoi((360, 360), 600)


@pytest.mark.parametrize("overlap", [0.5, 1])
def test_ahead_of_every_peer_near_seams(tissue, overlap):
    found = scores(tissue, MERGES, overlap, TILES)
    best = max(PEERS, key=found.get)
    assert found["postseg"] > found[best], best
    assert found["one run, untiled"] > 0.9


@pytest.mark.parametrize("overlap", [0, 1])
def test_cells_are_connected_and_the_order_of_tiles_is_forgotten(tissue, overlap):
    rectangles = grid(tissue.shape, TILES, round(overlap * diameter(tissue)))
    tiles = runs(tissue, rectangles, seed=0)
    merged = [
        merge_tiles([tiles[i] for i in order], [rectangles[i][:2] for i in order], tissue.shape)
        for order in [range(9), (8, 3, 5, 0, 7, 1, 6, 2, 4)]
    ]
    assert merged[0].same(merged[1])
    expected = oracle.merge(tiles, [rectangle[:2] for rectangle in rectangles], tissue.shape)
    assert merged[0].same(encode(expected.image))
    assert oracle.connected(expected.image).max() == expected.image.max() > 500


def test_f1_counts_what_lies_near():
    truth = np.repeat([[0, 1, 1, 1, 0, 2, 2, 2, 0, 3, 3, 3]], 3, axis=0)
    near = np.ones(truth.shape, bool)
    assert f1(truth, truth * 7, near) == 1
    shifted = np.where(truth == 2, 0, truth)
    assert f1(truth, shifted, near) == 4 / 5
    assert f1(truth, shifted, near & (truth < 2)) == 1
    halves = truth.copy()
    halves[:, 6:8] = 9
    assert f1(truth, halves, near) == 6 / 7  # two thirds match, one third is false
    assert f1(truth, np.zeros_like(truth), near) == 0


def test_near_is_the_overlap_and_around():
    near = near_seams([(0, 0, 1, 6), (0, 4, 1, 10)], (1, 10), 1)
    assert_array_equal(np.flatnonzero(near), [3, 4, 5, 6])


def test_two_runs_differ_and_their_cells_are_connected(tissue):
    rectangles = grid(tissue.shape, TILES, 10)
    one, other = (runs(tissue, rectangles, seed) for seed in (0, 1))
    for tile, again, (r0, c0, r1, c1) in zip(one, other, rectangles, strict=True):
        assert tile.shape == (r1 - r0, c1 - c0)
        assert (tile != again).any()
        assert oracle.connected(tile).max() == tile.max()


@pytest.mark.parametrize("name", PEERS)
def test_one_tile_alone_is_given_back_by_every_peer(tissue, name):
    whole = (0, 0, *tissue.shape)
    merged = PEERS[name]([tissue], [whole], tissue.shape)
    assert_array_equal(merged > 0, tissue > 0)
    assert len(np.unique(merged)) == len(np.unique(tissue))
