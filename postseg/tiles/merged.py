"""`Merged`: a slide, and where its cells came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from postseg._support.words import counted
from postseg.raster.grouped import Grouped
from postseg.raster.runs import Runs
from postseg.tiles.plan import gaps
from postseg.tiles.tile import Rectangle, Tile

if TYPE_CHECKING:
    import dask.array as da

SINGLE, WHOLE, JOINED, TRIMMED = range(4)
ROLES = ("single", "whole", "joined", "trimmed")
FATES = ("disowned", "beaten")


class MergeReport(NamedTuple):
    """What a merge did: counts.

    Attributes
    ----------
    tiles, cells : int
        How many tiles there were, and how many cells came out.
    links : int
        Pairs of pieces, as parts of cells in a tile are called, that were taken for one cell.
    joined : int
        Cells put together of several pieces, since no tile had them whole.
    trimmed : int
        Cells that lost pixels to a better one.
    beaten : int
        Cells left out, since better ones took most of their pixels.
    disowned : int
        Pieces left out, since the tile that sees their place best does not have them.
    refused : int
        Links not followed: they would have put a whole cell together with another of its tile.
    cut : int
        Cells cut by a gap between tiles.
    """

    tiles: int
    cells: int
    links: int = 0
    joined: int = 0
    trimmed: int = 0
    beaten: int = 0
    disowned: int = 0
    refused: int = 0
    cut: int = 0

    def __str__(self) -> str:
        """One line, without what did not happen."""
        parts = [counted(self.cells, "cell")]
        parts += [f"{self.joined:,} joined at seams"] * bool(self.joined)
        parts += [f"{self.trimmed:,} trimmed"] * bool(self.trimmed)
        fates = {fate: getattr(self, fate) for fate in FATES if getattr(self, fate)}
        out = ", ".join(f"{count:,} {fate}" for fate, count in fates.items())
        parts += [f"{sum(fates.values()):,} left out ({out})"] * bool(out)
        parts += [f"{self.cut:,} cut by gaps"] * bool(self.cut)
        return f"Merged {counted(self.tiles, 'tile')}: {', '.join(parts)}"


class Merged(NamedTuple):
    """A slide.

    Attributes
    ----------
    runs : Runs
        With the cells' numbers for labels, 1..n in raster order; with shared ids their ids.
    rectangles : tuple of Rectangle
        The tiles, sorted.
    sources : DataFrame
        One row per piece of a cell: ``cell``, its label in `runs`; ``tile``, a position in
        `rectangles`; ``tile_label``, its label there; ``role``, of the cell, a position in `ROLES`.
        The piece that counts most comes first.
    left_out : Grouped
        What is in no cell, with what became of it, a position in `FATES`, as label.
    report : MergeReport
    empty_rim : int
        How many pixels along the internal sides of tiles are background in all of them, if fewer
        than a cell is wide: that a model leaves them empty is likely. Not of shared ids.
    scattered : int
        Of shared ids, how many that several tiles have are in parts that do not touch.
    """

    runs: Runs
    rectangles: tuple[Rectangle, ...]
    sources: pd.DataFrame
    left_out: Grouped
    report: MergeReport
    empty_rim: int = 0
    scattered: int = 0

    def label_image(self) -> da.Array:
        """Paint the cells lazily; see `Runs.label_image`."""
        return self.runs.label_image()

    def in_words(self) -> pd.DataFrame:
        """`sources` with the names of tiles and roles."""
        names = [rectangle.name for rectangle in self.rectangles]
        words = {
            # plain text in any pandas: not every reader of a store knows its newer text columns
            column: pd.Categorical.from_codes(
                self.sources[column].to_numpy(), pd.Index(known, dtype=object)
            )
            for column, known in (("tile", names), ("role", ROLES))
        }
        return self.sources.assign(**words)


def merged(
    runs: Runs, tiles: Sequence[Tile], sources: pd.DataFrame, left_out: Grouped, **counts: int
) -> Merged:
    """Count cells, and those that gaps cut; `counts` are the others of `MergeReport`."""
    rectangles = tuple(tile.rectangle for tile in tiles)
    cells = sources["cell"].to_numpy()
    cut = cut_by_gaps(runs, runs.label, gaps(rectangles, runs.shape))
    report = MergeReport(len(tiles), int((np.diff(cells, prepend=-1) != 0).sum()), **counts)
    return Merged(runs, rectangles, sources, left_out, report._replace(cut=cut.size))


def sources(
    cell: NDArray[np.integer],
    tile: NDArray[np.int64],
    label: NDArray[np.int64],
    role: NDArray[np.int64],
) -> pd.DataFrame:
    """`Merged.sources`, of one array for each of its columns."""
    return pd.DataFrame(
        {
            "cell": cell.astype(np.int64),
            "tile": tile.astype(np.int32),
            "tile_label": label,
            "role": role.astype(np.int8),
        }
    )


def cut_by_gaps(
    runs: Runs, owner: NDArray[np.integer], gaps: Sequence[Rectangle]
) -> NDArray[np.integer]:
    """Which owners of runs have a pixel beside one that no tile covers, each once.

    Parameters
    ----------
    runs : Runs
        In raster order.
    owner : (n_runs,) array
        Of each run.
    gaps : sequence of Rectangle
        What tiles leave out of the slide.
    """
    found = [owner[:0]]
    for top, left, bottom, right in gaps:
        first, last = np.searchsorted(runs.row, [top - 1, bottom + 1])
        start, stop = runs.start[first:last], runs.stop[first:last]
        found.append(owner[first:last][(start <= right) & (stop >= left)])
    return np.unique(np.concatenate(found))
