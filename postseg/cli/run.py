"""The command ``postseg run``."""

from pathlib import Path
from typing import Any

import click

from postseg.cli.options import RunCommand, input_options
from postseg.cli.refining import Refinement, output_option, refining_options
from postseg.cli.terminal import step


@click.command(cls=RunCommand)
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@output_option
@click.option(
    "--add-to",
    is_flag=True,
    help="Add labels, shapes, table and points to INPUT, a SpatialData store; nothing in it is "
    "touched.",
)
@input_options
@refining_options
@click.pass_context
def run(
    ctx: click.Context,
    /,
    source: Path,
    add_to: bool,
    element: str | None,
    allow_pickle: bool,
    **options: Any,
) -> None:
    """Filter and outline the cells of a label image.

    INPUT is a label image (.npy, .npz, .tif, .tiff, .png) or a SpatialData store (.zarr) with a
    labels element: 0 is background, every other number a cell. Labels are enlarged to the
    microscope image, and every cell has one polygon.
    """
    refinement = Refinement(
        ctx, [source], source, source if add_to else None, allow_pickle, **options
    )
    with step(f"Reading {source}", refinement.quiet):
        from postseg.files.read import read_masks

        post = refinement.of(read_masks(source, element=element, allow_pickle=allow_pickle))
    refinement.write(post)
