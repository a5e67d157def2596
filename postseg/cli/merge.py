"""The command ``postseg merge``."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from postseg._support.atomic import is_store
from postseg._support.progress import counter
from postseg._support.words import counted, listing
from postseg.cli.options import RunCommand, input_options
from postseg.cli.origins import origins_by_name, origins_by_table
from postseg.cli.refining import Refinement, output_option, refining_options
from postseg.cli.terminal import step
from postseg.tiles.store import is_stored, settings_of

if TYPE_CHECKING:
    from postseg.tiles.merged import MergeReport
    from postseg.tiles.slide import Ids, Slide

_PATH = click.Path(path_type=Path)


@click.command(cls=RunCommand)
@click.argument("tiles", metavar="TILES...", nargs=-1, required=True, type=_PATH)
@output_option
@click.option(
    "--shape",
    nargs=2,
    type=click.IntRange(min=1),
    metavar="ROWS COLUMNS",
    help="Rows and columns of the slide, in pixels of the tiles. It must be the real one: sides of "
    "tiles that lie on its edge are no seams. Required, but of a FOLDER.",
)
@click.option(
    "--origins",
    type=_PATH,
    metavar="CSV",
    help="Table of where the tiles lie, with the columns file,row,column. Default: by their names.",
)
@click.option(
    "--image-origins",
    is_flag=True,
    help="Origins are in pixels of the microscope image: --factor-rescale divides them.",
)
@click.option(
    "--ids",
    type=click.Choice(["local", "shared"]),
    help="local: every tile numbers its own cells, as a model does. shared: tiles are windows of "
    "one label image, an id is the same cell in all.  [default: local, or as in FOLDER]",
)
@click.option(
    "--rim",
    type=click.IntRange(min=0),
    metavar="N",
    help="Pixels along the sides of tiles in which the model finds nothing: cells that come as "
    "near to a seam are cut by it.  [default: 0, or as in FOLDER]",
)
@click.option(
    "--add-to",
    type=_PATH,
    metavar="STORE.zarr",
    help="Add labels, shapes and table to a SpatialData store; nothing in it is touched.",
)
@input_options
@refining_options
@click.pass_context
def merge(
    ctx: click.Context,
    /,
    tiles: tuple[Path, ...],
    shape: tuple[int, int] | None,
    origins: Path | None,
    image_origins: bool,
    ids: Ids | None,
    rim: int | None,
    add_to: Path | None,
    element: str | None,
    allow_pickle: bool,
    **options: Any,
) -> None:
    """Merge tiles to one slide, and filter and outline its cells.

    TILES are label images of parts of the slide, as ``postseg run`` reads them, or one FOLDER, in
    which a ``Slide`` stored its tiles. They may overlap. A cell that several tiles saw is one
    cell of the slide, and all cells are filtered together, by thresholds of the whole slide.

    Where a tile lies is told by its name, such as tile_r2048_c0.npy, or by --origins: row and
    column of its first pixel in the slide, in pixels of the tiles.
    """
    tiles = tuple(dict.fromkeys(tiles))
    refinement = Refinement(
        ctx, [*tiles, origins], add_to or tiles[0], add_to, allow_pickle, **options
    )
    _check_there(tiles)
    files: dict[str, Path] = {}  # by the words for their places
    if tiles[0].is_dir() and not is_store(tiles[0]):
        if origins or image_origins or element:
            raise click.UsageError(
                f"The tiles of {tiles[0]} know their places: leave --origins, --image-origins and "
                "--element out."
            )
        slide = _stored(tiles[0], shape, ids, rim)
    else:
        if shape is None:
            raise click.MissingParameter(
                "Tiles do not know how large their slide is.",
                ctx,
                next(param for param in ctx.command.params if param.name == "shape"),
            )
        if image_origins and refinement.factor < 2:
            raise click.UsageError(
                "--image-origins are divided by --factor-rescale: give that too, from 2."
            )
        places = origins_by_table(tiles, origins) if origins else origins_by_name(tiles)
        with step(f"Reading {counted(len(places), 'tile')}", refinement.quiet):
            from postseg.tiles.slide import Slide

            slide = Slide(shape, ids=ids or "local", rim=rim or 0)
            files = _add(
                slide, places, refinement.factor if image_origins else 1, element, allow_pickle
            )
    with step("Merging", refinement.quiet):
        try:
            post = refinement.of(slide)
        except ValueError as error:
            raise ValueError(_with_files(str(error), files)) from error
    found = slide.report
    assert found is not None  # it is merged
    _warn_of_gaps(slide, found)
    if not refinement.quiet:
        click.echo(f"{found}\n")
    refinement.write(post)


def _check_there(tiles: tuple[Path, ...]) -> None:
    """Refuse tiles that do not exist, and a folder among others, before any is read."""
    missing = [tile for tile in tiles if not tile.exists()]
    if missing:
        raise FileNotFoundError(
            f"{listing(map(str, missing), 3)} {'does' if len(missing) == 1 else 'do'} not exist. "
            "Give all tiles of the slide, as files, or the one folder that a Slide stored them in."
        )
    stored = next(filter(is_stored, tiles), None)
    if stored:
        raise ValueError(
            f"{stored} is a tile that a Slide stored. Give the folder, {stored.parent}."
        )
    folder = next((tile for tile in tiles if tile.is_dir() and not is_store(tile)), None)
    if folder and len(tiles) > 1:
        raise IsADirectoryError(
            f"{folder} is a folder. Give the files in it; a folder that a Slide stored its tiles "
            "in is given alone."
        )


def _stored(folder: Path, shape: tuple[int, int] | None, ids: Ids | None, rim: int | None) -> Slide:
    """Open a store of tiles, which refuses what is given and is not as in it."""
    from postseg.tiles.slide import Slide

    known: Any = settings_of(folder)
    return Slide(
        shape or known.shape,
        store=folder,
        ids=ids or known.ids,
        rim=known.rim if rim is None else rim,
    )


def _add(
    slide: Slide,
    places: dict[Path, tuple[int, int]],
    factor: int,
    element: str | None,
    allow_pickle: bool,
) -> dict[str, Path]:
    """Read tiles one by one and add them; return the files by the words for their places."""
    from postseg.files.read import read_label_image

    def read(path: Path) -> Any:
        return read_label_image(path, element=element, allow_pickle=allow_pickle)

    done = counter("Tiles", len(places))
    first_at: dict[Any, Path] = {}
    files = {}
    for path, origin in places.items():
        image = read(path)
        twin = first_at.setdefault((origin, image.shape), path)
        if twin != path and not np.array_equal(read(twin), image):
            raise ValueError(
                f"{twin} and {path} are both the tile at row {origin[0]}, column {origin[1]}, and "
                "differ. Give one of them, or correct where they lie."
            )
        try:
            files[str(slide.add(image, origin, factor=factor))] = path
        except (TypeError, ValueError) as error:
            raise type(error)(f"{path}: {error}") from error
        done(1)
    return files


def _with_files(text: str, files: dict[str, Path]) -> str:
    """The same with the file of each tile whose place it tells."""
    return re.sub(
        r"rows \d+:\d+, columns \d+:\d+",
        lambda place: f"{place[0]} ({files[place[0]]})" if place[0] in files else place[0],
        text,
    )


def _warn_of_gaps(slide: Slide, found: MergeReport) -> None:
    """Tell of gaps that cut no cell; of others the merge has told."""
    from postseg.tiles.plan import gaps

    places = gaps(slide.tiles, slide.shape)
    if places and not found.cut:
        warnings.warn(
            f"No tile covers {places[0]} of the slide"
            + (f", nor {counted(len(places) - 1, 'other place')}" if places[1:] else "")
            + ". No cell is cut there. Add the tiles that are missing, or correct the shape.",
            stacklevel=1,
        )
