"""The commands. What takes long to import is imported where it is used, so that help is instant."""

import json
import time
import warnings
from pathlib import Path

import click

from postseg import __version__
from postseg._support.atomic import replacing
from postseg._support.checks import check_name
from postseg._support.words import out_of, seconds
from postseg.cli.options import (
    RunCommand,
    given_thresholds,
    input_options,
    known_pixel_size,
    read_config,
    threshold_options,
)
from postseg.cli.places import check_addition, check_places, check_suffix
from postseg.cli.report import report
from postseg.cli.terminal import Group, step
from postseg.cli.verify import verify
from postseg.files.export import FORMATS, format_of
from postseg.files.reference import file_of, read_reference

_PATH = click.Path(path_type=Path)


@click.group(
    cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="postseg")
def main() -> None:
    """From a cell segmentation label image to filtered cells in a SpatialData store."""


main.add_command(verify)
main.add_command(report)


@main.command(cls=RunCommand)
@click.argument("source", metavar="INPUT", type=_PATH)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    type=_PATH,
    metavar="OUT",
    help="Store or file to write, see above; may be repeated. Required without --add-to.",
)
@click.option(
    "--add-to",
    is_flag=True,
    help="Add labels, shapes and table to INPUT, a SpatialData store; nothing in it is touched.",
)
@input_options
@click.option(
    "--factor-rescale",
    type=click.IntRange(min=0),
    default=1,
    metavar="N",
    show_default=True,
    help="How many times smaller the label image is than the microscope image.",
)
@click.option(
    "--label-name",
    default="labels",
    metavar="NAME",
    show_default=True,
    help="Name of the labels element, from which <name>_shapes and <name>_table follow.",
)
@click.option(
    "--origin",
    nargs=2,
    type=float,
    default=None,
    metavar="ROW COLUMN",
    help="Where a tile lies in its slide, in pixels of the label image.",
)
@click.option(
    "--image-shape",
    nargs=2,
    type=click.IntRange(min=1),
    default=None,
    metavar="ROWS COLUMNS",
    help="Stretch the labels over an image of this shape, in place of a whole factor.",
)
@click.option(
    "--reference",
    metavar="ELEMENT|TIFF",
    help="The microscope image: an element of the INPUT store, SLIDE.zarr/images/NAME of another, "
    "or a TIFF. Cells are stretched over it, and put where it lies; a TIFF tells no place. "
    "Default: the element of INPUT.",
)
@click.option(
    "--no-enlarge", is_flag=True, help="Keep the labels at the resolution of the label image."
)
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
@click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
@click.option(
    "--debug-image", type=_PATH, metavar="PNG", help="Picture of kept and rejected regions."
)
@click.option(
    "--report", "summary", type=_PATH, metavar="JSON", help="Filter report as plain data."
)
@threshold_options
@click.pass_context
def run(
    ctx: click.Context,
    /,
    source: Path,
    outputs: tuple[Path, ...],
    add_to: bool,
    config: Path | None,
    pixel_size: float | Path | None,
    factor_rescale: int,
    label_name: str,
    origin: tuple[float, float] | None,
    image_shape: tuple[int, int] | None,
    reference: str | None,
    no_enlarge: bool,
    element: str | None,
    allow_pickle: bool,
    overwrite: bool,
    quiet: bool,
    debug_image: Path | None,
    summary: Path | None,
    **thresholds: float | str | None,
) -> None:
    """Filter and outline the cells of a label image.

    INPUT is a label image (.npy, .npz, .tif, .tiff, .png) or a SpatialData store (.zarr) with a
    labels element: 0 is background, every other number a cell. Labels are enlarged to the
    microscope image, and every cell has one polygon.
    """
    start = time.perf_counter()
    if not outputs and not add_to:
        raise click.MissingParameter(
            "Or add to INPUT with --add-to.",
            ctx,
            next(param for param in ctx.command.params if param.name == "outputs"),
        )
    filter_config = read_config(config).replace(**given_thresholds(ctx, thresholds))
    check_name(label_name, "label_name")
    for output in outputs:
        _check_format(output)
    check_suffix(debug_image, "--debug-image", ".png")
    check_suffix(summary, "--report", ".json")
    slide = file_of(reference, source) if reference else None
    check_places([source, config, pixel_size, slide], [*outputs, debug_image, summary], overwrite)
    microns = known_pixel_size(pixel_size)
    if microns is None:
        filter_config.in_pixels(None)  # without areas in um2, or it is said before the work
    if add_to:
        check_addition(source, label_name)
    if debug_image:
        import postseg.show.figures  # noqa: F401  without matplotlib this says how to install it

    with step(f"Reading {source}", quiet):
        from postseg.files.read import read_masks
        from postseg.processor import PostSegmentation

        post = PostSegmentation(
            read_masks(source, element=element, allow_pickle=allow_pickle),
            factor_rescale=factor_rescale,
            label_name=label_name,
            origin=origin,
            image_shape=image_shape,
            reference=read_reference(reference, source) if reference else None,
            pixel_size=microns,
            filter_config=filter_config,
            verbose=not quiet,
            save_debug=debug_image or False,
        )
        if add_to and not post.lies_in_global:
            from postseg.elements import build

            note = build.unrelated(
                build.open_store(source, ("images", "labels", "points", "shapes"))
            )
            if note:
                warnings.warn(note, stacklevel=1)
    with step("Filtering and outlining", quiet):
        post.process_masks_to_shapes()
        found = post.filter_report
        assert found is not None  # the filter has run
    if no_enlarge:
        post.process_labels(enlarge=False)
    for output in outputs:
        with step(f"Writing {output}", quiet):
            post.export(output, overwrite)
    listing = [f"{output}: {FORMATS[format_of(output)].text}" for output in outputs]
    if add_to:
        with step(f"Adding to {source}", quiet):
            from postseg.elements.adding import add_to_store

            made = post.to_spatialdata()
            add_to_store(source, made.labels, made.shapes, made.tables)
        listing.append(f"{source}: added {', '.join(post.element_names)}")
    if summary:
        with replacing(summary, overwrite) as part:
            part.write_text(json.dumps(found.to_dict(), indent=2) + "\n")
    if not quiet:
        lines = "".join(f"\n  {line}" for line in listing)
        click.echo(
            f"\nWrote {out_of(found.passed, found.total)} "
            f"in {seconds(time.perf_counter() - start)}:{lines}"
        )


@main.command()
@click.option("-o", "--output", type=_PATH, default=Path("demo"), show_default=True, help="Folder.")
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
@click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
def demo(output: Path, overwrite: bool, quiet: bool) -> None:
    """Try it on a tissue image, nothing to download."""
    start = time.perf_counter()
    with step("Running the demo", quiet):
        from postseg.demo import run_demo

        files = run_demo(output, verbose=not quiet, overwrite=overwrite)
    if not quiet:
        listing = "".join(f"\n  {file}" for file in files)
        click.echo(
            f"\nWrote in {seconds(time.perf_counter() - start)}:{listing}\n"
            f"Open the report in a browser: {files[-1].resolve().as_uri()}"
        )


def _check_format(path: Path) -> None:
    try:
        format_of(path)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--output'") from error
