"""The command ``postseg verify``."""

import json
from pathlib import Path

import click

from postseg._support.atomic import check_target, replacing
from postseg.cli.terminal import step

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("store", metavar="STORE.zarr", type=_PATH)
@click.option("--labels", metavar="NAME", help="Labels element; needed if there are several.")
@click.option("--shapes", metavar="NAME", help="Shapes element; needed if there are several.")
@click.option("--table", metavar="NAME", help="Table; needed if several annotate the elements.")
@click.option("--json", "output", type=_PATH, metavar="FILE", help="Findings as plain data.")
@click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
@click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
@click.pass_context
def verify(
    ctx: click.Context,
    /,
    store: Path,
    labels: str | None,
    shapes: str | None,
    table: str | None,
    output: Path | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Check that labels, shapes and table of a store agree.

    Draws the polygons of STORE.zarr, a SpatialData store by postseg or any other tool, onto the
    grid of its labels, and compares ids, places and outlines in every coordinate system. Exits
    with 1 when they disagree.
    """
    if output:
        check_target(output, overwrite, inputs=[store])
    with step(f"Verifying {store}", quiet):
        from postseg.verify.verification import verify_store

        found = verify_store(store, labels, shapes, table)
    if not quiet:
        click.echo(found)
    if output:
        with replacing(output, overwrite) as part:
            part.write_text(json.dumps(found.to_dict(), indent=2) + "\n")
    if not found.ok:
        ctx.exit(1)
