"""Which cells of a slide more tiles may still change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from postseg.tiles.groups import find_groups
from postseg.tiles.pieces import Cover, Pieces, cover, find_pieces
from postseg.tiles.tile import Rectangle, Tile
from postseg.tiles.zones import find_contacts


def count_undecided(
    tiles: Sequence[Tile],
    shape: tuple[int, int],
    ids: str,
    rim: int,
    missing: Sequence[Rectangle] | None,
) -> int:
    """How many cells may be others once more tiles have come, those left out among them.

    Parameters
    ----------
    tiles, shape, ids, rim
        As for `merge`.
    missing : sequence of Rectangle or None
        The tiles to come. None: not known, so that every cell that is cut may be another.
    """
    if not tiles:
        return 0
    tiles = sorted(tiles, key=lambda tile: tile.rectangle)
    where = cover([tile.rectangle for tile in tiles], shape)
    pieces, numbers = find_pieces(tiles, where, rim)
    open_ones = ~pieces.whole if missing is None else _meets(pieces, where, missing)
    if ids == "shared":
        return int(np.unique(pieces.label[open_ones]).size)
    contacts, shared = find_contacts(tiles, numbers, where, pieces)
    groups = find_groups(pieces, contacts, shared, where, rim)
    n = pieces.tile.size
    # those that only touch across a seam too: a tile to come may see that they belong together
    graph = coo_array((np.ones(contacts.one.size, bool), contacts[:2]), shape=(n, n))
    _, together = connected_components(graph, directed=False)
    open_ones = np.isin(together, together[open_ones])
    cell = np.arange(n)
    cell[groups.piece] = n + groups.of_piece
    return int(np.unique(cell[open_ones]).size)


def _meets(pieces: Pieces, where: Cover, missing: Sequence[Rectangle]) -> NDArray[np.bool_]:
    """Which pieces touch a tile to come, or may."""
    found = np.zeros(pieces.tile.size, bool)
    sides = where.rectangles
    for tile in np.array(missing, np.int64).reshape(-1, 4):
        near = ((sides[:, :2] <= tile[2:]) & (sides[:, 2:] >= tile[:2])).all(axis=1)
        for t in np.flatnonzero(near):
            its = slice(pieces.offsets[t], pieces.offsets[t + 1])
            box = pieces.box[its]
            found[its] |= ((box[:, :2] <= tile[2:]) & (box[:, 2:] >= tile[:2])).all(axis=1)
    return found
