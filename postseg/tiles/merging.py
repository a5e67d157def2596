"""Tiles merged to one slide: one shape per cell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from postseg._kernels import placing as place_kernels
from postseg._kernels import runs as run_kernels
from postseg._kernels import tiles as kernels
from postseg._support.threads import in_threads, spread
from postseg.raster.grouped import Grouped
from postseg.raster.runs import Runs, components
from postseg.tiles.groups import Groups, find_groups
from postseg.tiles.merged import FATES, JOINED, SINGLE, TRIMMED, WHOLE, Merged, merged, sources
from postseg.tiles.pieces import FAR, Pieces, cover, find_pieces
from postseg.tiles.tile import Rectangle, Tile
from postseg.tiles.zones import Contacts, find_contacts


def merge(tiles: Sequence[Tile], shape: tuple[int, int], ids: str, rim: int) -> Merged:
    """Merge tiles of different rectangles to one slide, whatever order they come in.

    Raises
    ------
    ValueError
        When `ids` are shared and two labels claim one pixel; names both tiles and the place.
    """
    tiles = sorted(tiles, key=lambda tile: tile.rectangle)
    if ids == "shared" or not tiles:
        return _merge_windows(tiles, shape)
    where = cover([tile.rectangle for tile in tiles], shape)
    pieces, numbers = find_pieces(tiles, where, rim)
    contacts, shared = find_contacts(tiles, numbers, where, pieces)
    groups = find_groups(pieces, contacts, shared, where, rim)
    made = _make_shapes(tiles, numbers, pieces, contacts, groups)
    found = _assemble(tiles, numbers, pieces, groups, made, shape)
    nearest = int(pieces.room.min(initial=FAR))
    # of a few cells none needs to be near a seam
    is_rim = nearest <= np.sqrt(np.median(pieces.area)) if pieces.area.size else False
    return found._replace(empty_rim=nearest if is_rim else 0)


def _merge_windows(tiles: Sequence[Tile], shape: tuple[int, int]) -> Merged:
    """Of tiles that are windows of one label image: unite the runs of each label."""
    row, start, stop, label = _concatenated([tile[1:] for tile in tiles])
    order = _raster_order(row, start)
    label, row, start, stop, clash = run_kernels.unite(
        label[order], row[order], start[order], stop[order]
    )
    if clash >= 0:
        _refuse_clash(tiles, order, clash)
    seen = [np.unique(tile.label, return_inverse=True) for tile in tiles]
    pixels = [
        np.bincount(which, tile.stop - tile.start)
        for tile, (_, which) in zip(tiles, seen, strict=True)
    ]
    cell = np.concatenate([np.empty(0, np.int64), *(labels for labels, _ in seen)])
    tile = np.repeat(np.arange(len(tiles)), [labels.size for labels, _ in seen])
    order = np.lexsort((tile, -np.concatenate([np.empty(0), *pixels]), cell))
    cell, tile = cell[order], tile[order]
    first = np.diff(cell, prepend=-1) != 0
    n_tiles = np.diff(np.append(np.flatnonzero(first), cell.size))
    role = np.repeat(np.where(n_tiles > 1, JOINED, SINGLE), n_tiles)
    runs = Runs(row, start, stop, label, shape)
    found = merged(
        runs,
        tiles,
        sources(cell, tile, cell, role),
        Grouped(np.zeros(1, np.int64), row[:0], row[:0], row[:0], label[:0]),
        joined=int((n_tiles > 1).sum()),
    )
    of_regions = np.searchsorted(cell[first], components(runs).regions.label)
    in_parts = np.bincount(of_regions, minlength=n_tiles.size) > 1
    return found._replace(scattered=int((in_parts & (n_tiles > 1)).sum()))


def _refuse_clash(tiles: Sequence[Tile], order: NDArray[np.int64], clash: int) -> None:
    """Raise the error that two tiles claim a pixel for different cells."""
    row, start, stop, label = _concatenated([tile[1:] for tile in tiles])
    mine = order[clash]
    before = order[:clash]
    meets = (row[before] == row[mine]) & (stop[before] > start[mine])
    theirs = before[meets & (label[before] != label[mine])][0]
    ends = np.cumsum([tile.row.size for tile in tiles])
    one, other = (tiles[int(np.searchsorted(ends, run, "right"))] for run in (theirs, mine))
    raise ValueError(
        f"row {row[mine]}, column {start[mine]} of the slide has the label {label[theirs]} in the "
        f"tile at {one.rectangle}, and {label[mine]} in the tile at {other.rectangle}. With "
        "ids='shared' tiles are windows of one label image; give ids='local' where every tile "
        "numbers its own cells."
    )


class _Made(NamedTuple):
    """Shapes that are no piece as it stands.

    Attributes
    ----------
    of_group : (n_groups,) bool
        Whether the shape of a group is made here: put together, or to be placed among others.
    fate : (n_groups,) int8
        `KEPT`, `TRIMMED` or `BEATEN`.
    group : (n_runs,) int64
        Of the runs of what is left of them,
    row, start, stop : (n_runs,) int32
        each group's in raster order.
    left_out : Grouped
        See `Merged`.
    """

    of_group: NDArray[np.bool_]
    fate: NDArray[np.int8]
    group: NDArray[np.int64]
    row: NDArray[np.int32]
    start: NDArray[np.int32]
    stop: NDArray[np.int32]
    left_out: Grouped


def _make_shapes(
    tiles: Sequence[Tile],
    numbers: Sequence[NDArray[np.int32]],
    pieces: Pieces,
    contacts: Contacts,
    groups: Groups,
) -> _Made:
    """Unite the pieces of cells that no tile has whole, and settle what shares pixels."""
    n_groups = groups.size.size
    shape_of = np.full(pieces.tile.size, -1)
    shape_of[groups.piece[groups.gives_shape]] = groups.of_piece[groups.gives_shape]

    one, other = (shape_of[side[contacts.pixels > 0]] for side in contacts[:2])
    candidate = np.append(~groups.disowned, False)  # the last is -1, a piece without a shape
    rivals = (one != other) & candidate[one] & candidate[other]
    pairs = np.unique(np.sort(np.column_stack([one[rivals], other[rivals]]), axis=1), axis=0)
    better, worse = pairs[np.argsort(pairs[:, 1], kind="stable")].T

    of_group = groups.disowned | (~groups.has_whole & (groups.size > 1))
    of_group[pairs.ravel()] = True
    made_or_none = np.append(of_group, False)  # the last is -1 again
    parts = []
    for tile, which, (first, last) in zip(tiles, numbers, pairwise(pieces.offsets), strict=True):
        group = shape_of[first:last]
        group = np.where(made_or_none[group], group, -1)[which]
        chosen = group >= 0
        parts.append((group[chosen], *(part[chosen] for part in tile[1:4])))
    group, row, start, stop = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((start, row, group))
    group, row, start, stop, _ = run_kernels.unite(
        group[order], row[order], start[order], stop[order]
    )

    number = np.flatnonzero(of_group & ~groups.disowned)
    placing = ~groups.disowned[group]
    offsets = np.searchsorted(group[placing], np.append(number, n_groups))
    before = np.searchsorted(worse, np.append(number, n_groups))
    placed, left, outcome = place_kernels.place(
        offsets,
        np.stack([row[placing], start[placing], stop[placing]]),
        before,
        np.searchsorted(number, better),
    )
    fate = np.full(n_groups, place_kernels.KEPT, np.int8)
    fate[number] = outcome

    out = groups.disowned[group] | (fate[group] == place_kernels.BEATEN)
    owners, first = np.unique(group[out], return_index=True)
    left_out = Grouped(
        np.append(first, out.sum()),
        row[out],
        start[out],
        stop[out],
        np.where(groups.disowned[owners], FATES.index("disowned"), FATES.index("beaten")),
    )
    left_of = np.repeat(number, np.diff(placed))
    return _Made(of_group, fate, left_of, left[0], left[1], left[2], left_out)


def _assemble(
    tiles: Sequence[Tile],
    numbers: Sequence[NDArray[np.int32]],
    pieces: Pieces,
    groups: Groups,
    made: _Made,
    shape: tuple[int, int],
) -> Merged:
    """Put together the pieces that are cells as they stand and the shapes that were made."""
    n, n_groups = pieces.tile.size, groups.size.size
    owner = np.arange(n)  # cells are first numbered so: of pieces in no group, then of groups
    as_it_stands = groups.gives_shape & ~made.of_group[groups.of_piece]
    owner[groups.piece] = np.where(as_it_stands, n + groups.of_piece, -1)
    made_runs = Tile(Rectangle(0, 0, *shape), made.row, made.start, made.stop, made.group)
    row, start, stop, of_runs = _in_raster_order(
        [*tiles, made_runs],
        [*numbers, made.group],
        [*(owner[first:last] for first, last in pairwise(pieces.offsets)), n + np.arange(n_groups)],
        shape,
    )
    label, cell = kernels.renumber(of_runs, n + n_groups)
    runs = Runs(row, start, stop, label, shape)

    role = np.where(groups.size == 1, SINGLE, np.where(groups.has_whole, WHOLE, JOINED))
    trimmed = made.fate == place_kernels.TRIMMED
    alone = np.ones(n, bool)
    alone[groups.piece] = False
    alone = np.flatnonzero(alone)
    kept = cell[n + groups.of_piece] > 0
    piece = np.concatenate([alone, groups.piece[kept]])
    of_piece = cell[np.concatenate([alone, n + groups.of_piece[kept]])]
    roles = np.concatenate(
        [np.full(alone.size, SINGLE), np.where(trimmed, TRIMMED, role)[groups.of_piece[kept]]]
    )
    order = np.argsort(of_piece, kind="stable")
    piece = piece[order]
    tile, label = pieces.tile[piece], pieces.label[piece]
    return merged(
        runs,
        tiles,
        sources(of_piece[order], tile, label, roles[order]),
        made.left_out,
        links=groups.links,
        joined=int(((role == JOINED) & (cell[n:] > 0)).sum()),
        trimmed=int(trimmed.sum()),
        beaten=int((made.fate == place_kernels.BEATEN).sum()),
        disowned=int(groups.disowned.sum()),
        refused=groups.refused,
    )


def _in_raster_order(
    parts: Sequence[Tile],
    numbers: Sequence[NDArray[np.integer]],
    owners: Sequence[NDArray[np.int64]],
    shape: tuple[int, int],
) -> tuple[NDArray[np.int32], ...]:
    """Row, start, stop and owner of the runs of parts whose number has an owner, not -1."""
    order = sorted(range(len(parts)), key=lambda t: parts[t].rectangle.left)
    each = [(i, i + 1) for i in range(len(parts))]

    def count(t: int, _: int) -> NDArray[np.int64]:
        top, _, bottom, _ = parts[t].rectangle
        counts = np.zeros(bottom - top, np.int64)
        kernels.count_rows(parts[t].row, numbers[t], owners[t], top, counts)
        return counts

    counts = in_threads(count, each, "Merging tiles")
    offsets = np.zeros(shape[0] + 1, np.int64)
    for part, its in zip(parts, counts, strict=True):
        offsets[part.rectangle.top + 1 : part.rectangle.bottom + 1] += its
    np.cumsum(offsets, out=offsets)
    free = offsets[:-1].copy()
    places = {}
    for t in order:  # from left to right, so that few runs have to move afterwards
        rows = slice(parts[t].rectangle.top, parts[t].rectangle.bottom)
        places[t] = free[rows].copy()
        free[rows] += counts[t]
    found = np.empty((4, offsets[-1]), np.int32)

    def scatter(t: int, _: int) -> None:
        top = parts[t].rectangle.top
        kernels.scatter(*parts[t][1:4], numbers[t], owners[t], top, places[t], found)

    in_threads(scatter, each, "Merging tiles")
    spread(
        lambda first, last: kernels.settle(first, last, offsets, found), offsets, "Merging tiles"
    )
    return found[0], found[1], found[2], found[3]


def _raster_order(row: NDArray[np.int32], start: NDArray[np.int32]) -> NDArray[np.int64]:
    """Sort runs by row and start, fast where they are sorted in part."""
    return np.argsort((row.astype(np.int64) << 32) | start, kind="stable")


def _concatenated(parts: Sequence[tuple[NDArray[Any], ...]]) -> list[NDArray[Any]]:
    empty = (*np.empty((3, 0), np.int32), np.empty(0, np.int64))
    return [np.concatenate(part) for part in zip(empty, *parts, strict=True)]
