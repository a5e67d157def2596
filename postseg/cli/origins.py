"""Where the tiles of a command line lie: told by their names, or by a table."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from postseg._support.reading import reading

_Origin: TypeAlias = tuple[int, int]

_COLUMNS = ("file", "row", "column")
# letters and digits around it would make it a part of some other word
_IN_NAME = re.compile(r"(?<![^\W_])r(\d+)[_-]c(\d+)(?![^\W_])")


def origins_by_name(tiles: Iterable[Path]) -> dict[Path, _Origin]:
    """Find row and column of each tile in its name: ``tile_r2048_c0.npy``.

    Raises
    ------
    ValueError
        A name has none, or several; or they are plainly numbers of tiles.
    """
    found = {tile: _origin_in(tile) for tile in tiles}
    rows, columns = (sorted(set(values)) for values in zip(*found.values(), strict=True))
    counted = all(side == list(range(len(side))) for side in (rows, columns))
    if counted and len(set(found.values())) > 1:
        raise ValueError(
            f"the names of the tiles tell rows 0 to {rows[-1]} and columns 0 to {columns[-1]}: are "
            "these numbers of tiles? Name each by the first row and column of its pixels, such as "
            "tile_r2048_c0.npy, or list them in a table (--origins tiles.csv)."
        )
    return found


def _origin_in(tile: Path) -> _Origin:
    found = {(int(row), int(column)) for row, column in _IN_NAME.findall(tile.stem)}
    if len(found) != 1:
        why = "does not tell where it lies" if not found else "tells several places"
        raise ValueError(
            f"the name of {tile} {why}. Name it by its first row and column in the slide, such as "
            "tile_r2048_c0.npy, or list all tiles in a table (--origins tiles.csv)."
        )
    return found.pop()


def origins_by_table(tiles: Iterable[Path], table: Path) -> dict[Path, _Origin]:
    """Read row and column of each tile from a CSV file with the columns file, row and column.

    Parameters
    ----------
    tiles : iterable of Path
        The tiles; each has one line.
    table : Path
        A line names a tile by its file name, or by its path: as it stands in `tiles`, or from the
        working directory or the folder of the table.

    Raises
    ------
    OSError
        The table is missing, or no text.
    ValueError
        It has other columns, a line without a tile or a tile without a line, or a row or column
        that is no whole number. Names tile and line.
    """
    tiles = list(tiles)
    named: dict[str | Path, set[Path]] = {}
    for tile in tiles:
        for name in (tile.name, str(tile), tile.resolve()):
            named.setdefault(name, set()).add(tile)
    found: dict[Path, tuple[int, _Origin]] = {}
    for line, name, row, column in _lines(table):
        here = named.get(name) or {
            tile
            for path in (Path(name), table.parent / name)
            for tile in named.get(path.resolve(), ())
        }
        if len(here) != 1:
            those = f"names {' and '.join(sorted(map(str, here)))}; write its path"
            none = f"names {name!r}, which is none of the tiles given; add it, or delete the line"
            raise ValueError(f"{table}, line {line}: it {those if here else none}.")
        tile = here.pop()
        if tile in found:
            raise ValueError(
                f"{table}, lines {found[tile][0]} and {line}: both are of {tile}. Delete one."
            )
        found[tile] = line, (_whole(row, table, line, "row"), _whole(column, table, line, "column"))
    for tile in tiles:
        if tile not in found:
            raise ValueError(
                f"{table} has no line for {tile}. Add one with its first row and column, or leave "
                "the tile out."
            )
    return {tile: found[tile][1] for tile in tiles}


def _lines(table: Path) -> Iterator[tuple[int, str, str, str]]:
    """The lines of the table by their numbers: file, row, column."""
    if not table.exists():
        raise FileNotFoundError(f"{table} does not exist.")
    with (
        reading(table, "Save it as a CSV file in UTF-8."),
        # a spreadsheet marks UTF-8 by a first character that is not of the header
        table.open(encoding="utf-8-sig", newline="") as file,
    ):
        reader = csv.DictReader(file, skipinitialspace=True)
        rows = [(reader.line_num, row) for row in reader]
    header = reader.fieldnames or ()
    if not set(_COLUMNS) <= set(header):
        raise ValueError(
            f"{table} has the columns {', '.join(header) or 'none'}; it needs {','.join(_COLUMNS)}:"
            " a line per tile with the first row and column of it in the slide."
        )
    for line, row in rows:
        if None in row:  # such as numbers with commas in them, which would be taken for others
            raise ValueError(
                f"{table}, line {line}: it has more values than the {len(header)} columns."
            )
        tile, top, left = (row[name] or "" for name in _COLUMNS)
        yield line, tile, top, left


def _whole(value: str, table: Path, line: int, name: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ValueError(
            f"{table}, line {line}: the {name} is {value!r}; give a whole number of pixels."
        ) from None
