"""Which pieces are one cell, and which pieces are none."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from postseg._kernels import tiles as kernels
from postseg.tiles.pieces import Cover, Pieces, room
from postseg.tiles.zones import Contacts


class Groups(NamedTuple):
    """Pieces that tiles share, by the cell that they are of: n groups, the best first.

    So are the pieces of each, those that are whole before the others.

    Attributes
    ----------
    piece : (n_pieces,) int64
        All pieces that lie where two tiles overlap, or that touch another one across a seam.
    of_piece : (n_pieces,) int64
        The group of each.
    gives_shape : (n_pieces,) bool
        Whether it is part of its group's shape.
    disowned : (n,) bool
        Groups that are a piece which the tile that sees that place best does not have.
    size : (n,) int64
        How many pieces each has.
    has_whole : (n,) bool
    links, refused : int
        How many were found, and how many failed.
    """

    piece: NDArray[np.int64]
    of_piece: NDArray[np.int64]
    gives_shape: NDArray[np.bool_]
    disowned: NDArray[np.bool_]
    size: NDArray[np.int64]
    has_whole: NDArray[np.bool_]
    links: int
    refused: int


def find_groups(
    pieces: Pieces, contacts: Contacts, shared: NDArray[np.bool_], cover: Cover, rim: int
) -> Groups:
    """Join pieces by links, choose what gives each group its shape, and disown single pieces.

    `shared` tells of all pieces which lie where two tiles overlap.
    """
    taken = shared.copy()
    for side in contacts[:2]:
        taken[side] = True
    piece = np.flatnonzero(taken)
    position = np.cumsum(taken) - 1
    rank, tile, whole = pieces.rank(piece), pieces.tile[piece], pieces.whole[piece]

    linked = contacts.alike > 0
    one, other = (position[side[linked]] for side in contacts[:2])
    by_rank = np.sort(np.column_stack([rank[one], rank[other]]), axis=1)
    order = np.lexsort((by_rank[:, 1], by_rank[:, 0], -contacts.alike[linked]))
    root, refused = kernels.join(one[order], other[order], tile, whole)

    # the best piece of each group first, those that are whole before the others
    order = np.lexsort((rank, ~whole, root))
    begins = np.ones(piece.size, bool)
    begins[1:] = np.diff(root[order]) != 0
    leader = order[begins]
    size = np.diff(np.append(np.flatnonzero(begins), piece.size))
    n_tiles = len(cover.rectangles)
    seen_by = np.unique(root * n_tiles + tile) // n_tiles
    several = np.bincount(seen_by, minlength=piece.size)[root[leader]] > 1
    best_first = np.lexsort((rank[leader], ~several, ~whole[leader]))

    number = np.empty(piece.size, np.int64)
    number[root[leader[best_first]]] = np.arange(leader.size)
    of_piece = number[root]
    leader, size = leader[best_first], size[best_first]
    leads = np.zeros(piece.size, bool)
    leads[leader] = True
    disowned = (size == 1) & _is_disowned(piece[leader], pieces, contacts, cover, rim)
    sorted_by_group = order[np.argsort(of_piece[order], kind="stable")]
    return Groups(
        piece[sorted_by_group],
        of_piece[sorted_by_group],
        (leads | ~whole[leader][of_piece])[sorted_by_group],
        disowned,
        size,
        whole[leader],
        int(linked.sum() - refused.sum()),
        int(refused.sum()),
    )


def _is_disowned(
    chosen: NDArray[np.int64], pieces: Pieces, contacts: Contacts, cover: Cover, rim: int
) -> NDArray[np.bool_]:
    """Of which pieces the tile that sees them best could have all, and has less than half."""
    area = pieces.area[chosen]
    owner = kernels.owners(
        pieces.tile[chosen],
        area,
        pieces.twice[chosen],
        cover.rectangles,
        cover.internal,
        *cover.neighbours(),
    )
    sides, internal, box = cover.rectangles[owner], cover.internal[owner], pieces.box[chosen]
    within = ((box - sides) * [1, 1, -1, -1] >= 0).all(axis=1)
    of_piece = np.full(pieces.tile.size, -1)
    of_piece[chosen] = owner
    covered = np.zeros(pieces.tile.size)
    for mine, theirs in (contacts[:2], contacts[1::-1]):
        seen = of_piece[mine] == pieces.tile[theirs]
        np.add.at(covered, mine[seen], contacts.pixels[seen])
    return (
        (owner != pieces.tile[chosen])
        & within
        & (room(box, sides, internal) > rim)
        & (2 * covered[chosen] < area)
    )
