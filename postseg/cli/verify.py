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
@click.option("--points", metavar="NAME", help="Points; default: those that postseg made, if any.")
@click.option("--cell-key", metavar="COLUMN", help="Of points by others: which cell each is in.")
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
    points: str | None,
    cell_key: str | None,
    output: Path | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Check that labels, shapes, table and points of a store agree.

    Draws the polygons of STORE.zarr, a SpatialData store by postseg or any other tool, onto the
    grid of its labels, and compares ids, places and outlines in every coordinate system. Looks up
    every point that postseg labelled, and counts them anew. Exits with 1 when they disagree.

    With --points and --cell-key, points of other tools are looked up: no polygons are needed
    then. If the column holds text, such as Xenium's cell_id, a table must say which label each
    name is: see postseg.verify_store.
    """
    if output:
        check_target(output, overwrite, inputs=[store])
    with step(f"Verifying {store}", quiet):
        from postseg.verify.verification import verify_store

        found = verify_store(store, labels, shapes, table, points, cell_key)
    if not quiet:
        click.echo(found)
    if output:
        with replacing(output, overwrite) as part:
            part.write_text(json.dumps(found.to_dict(), indent=2) + "\n")
    if not found.ok:
        ctx.exit(1)
