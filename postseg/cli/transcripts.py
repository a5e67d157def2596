"""The options of transcripts, and what they ask `PostSegmentation.process_points` for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import click

from postseg.cli.options import number_or, on_command_line
from postseg.files.named import Named

Unit = Literal["um", "px"]
_OF_POINTS = ["points_in", "to_image", "xy", "coordinate_system"]
_OF_POINTS += ["gene_key", "min_qv", "genes", "no_points"]


def transcript_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that `points_asked` takes."""
    for option in (
        click.option(
            "--no-points", is_flag=True, help="Write the counts, but not the transcripts too."
        ),
        click.option(
            "--genes",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Panel, whose genes are the columns of the table: one gene a line, a .csv with a "
            "column gene, or gene_panel.json.  [default: all genes that are seen]",
        ),
        click.option(
            "--min-qv",
            type=number_or([], ""),
            metavar="NUMBER|none",
            default=20,
            show_default=True,
            help="Transcripts of less quality (column qv) do not count.",
        ),
        click.option(
            "--gene-key",
            metavar="COLUMN",
            help="Names of genes.  [default: the one of feature_name, gene, target that is there]",
        ),
        click.option(
            "--coordinate-system",
            metavar="NAME",
            help="By which an element is placed, where it shares several with the masks.",
        ),
        click.option(
            "--points-in",
            type=click.Choice(["um", "px"]),
            help="Unit of a file's coordinates, px being those of the microscope image.  "
            "[default: um with --pixel-size, else px; x_global_px and y_global_px are px] An "
            "element lies where its transformation tells.",
        ),
        click.option(
            "--to-image",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="A 3 x 3 matrix, as text, from the coordinates of a file to pixels of the "
            "microscope image, such as MERSCOPE's micron_to_mosaic_pixel_transform.csv.",
        ),
        click.option(
            "--xy",
            nargs=2,
            default=None,
            metavar="COLUMN COLUMN",
            help="Coordinates.  [default: of a file x_location y_location, global_x global_y or "
            "x_global_px y_global_px, else x y]",
        ),
        click.option(
            "--points",
            metavar="ELEMENT|FILE",
            help="Transcripts to count by cell: a points element of the store that labels are read "
            "from or added to, SLIDE.zarr/points/NAME of another, or a .parquet file or folder, "
            ".csv or .csv.gz. They are written to stores too, each with its cell.",
        ),
    ):
        command = option(command)
    return command


def points_asked(
    ctx: click.Context,
    points: Named | None,
    pixel_size: float | None,
    stored: bool,
    *,
    points_in: Unit | None,
    to_image: Path | None,
    xy: tuple[str, str] | None,
    coordinate_system: str | None,
    gene_key: str | None,
    min_qv: float | None,
    genes: Path | None,
    no_points: bool,
) -> dict[str, Any] | None:
    """Find the points and check how they are to be counted: all but where they lie.

    Parameters
    ----------
    ctx : click.Context
        Of the command.
    points : Named or None
        As by ``--points``.
    pixel_size : float or None
        Side of a pixel of the microscope image, in um.
    stored : bool
        Whether there is a store to write the points to.
    **options
        The values of the other `transcript_options`.

    Returns
    -------
    dict or None
        Arguments of `PostSegmentation.process_points`; None without points.

    Raises
    ------
    click.ClickException, ValueError, TypeError, OSError
        When a file, an element or a column is not there, or options contradict each other.
    """
    if points is None:
        given = [name for name in _OF_POINTS if on_command_line(ctx, name)]
        if given:
            raise click.UsageError(f"--{given[0].replace('_', '-')} needs --points.")
        return None
    if points_in == "um" and pixel_size is None:
        raise click.UsageError("--points-in um needs --pixel-size.")
    from postseg.files.panel import read_panel
    from postseg.files.points import find_points, read_matrix
    from postseg.transcripts.columns import size_by_names
    from postseg.transcripts.count_points import open_points

    how: dict[str, Any] = {
        "gene_key": gene_key,
        "xy": xy,
        "min_qv": min_qv,
        "genes": None if genes is None else read_panel(genes),
        "keep_points": stored and not no_points,
    }
    found = find_points(points)
    opened = open_points(found, **how)
    systems = opened.source.systems
    if systems is None:
        if coordinate_system is not None:
            raise click.UsageError(
                f"--coordinate-system is for a points element, and {points} is a file: it lies "
                "where --points-in and --pixel-size tell."
            )
        if to_image is not None and points_in is not None:
            raise click.UsageError("--to-image and --points-in both tell where the points lie.")
        in_um = points_in == "um" or (points_in is None and not opened.columns.are_pixels)
        how["pixel_size"] = pixel_size if in_um else None
        if to_image is not None:
            how |= {"pixel_size": None, "to_image": read_matrix(to_image)}
        elif points_in is not None:
            how["xy"] = opened.columns[:2]  # whatever their names say
        elif xy is None:
            size_by_names(opened.columns, how["pixel_size"], None)
    else:
        for name, value in {"points-in": points_in, "to-image": to_image}.items():
            if value is not None:
                raise click.UsageError(
                    f"{points} is a points element, which lies where its transformation tells: "
                    f"leave --{name} out."
                )
        if coordinate_system is not None and coordinate_system not in systems:
            raise click.UsageError(
                f"{points} is not in the coordinate system {coordinate_system!r}. It is in: "
                f"{', '.join(systems)}."
            )
        how["coordinate_system"] = coordinate_system
    return {"points": found, **how}
