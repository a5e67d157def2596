"""The commands. What takes long to import is imported where it is used, so that help is instant."""

import json
import os
import time
from pathlib import Path

import click
from click.core import ParameterSource
from pydantic import ValidationError

from postseg import __version__
from postseg.cli_verify import verify
from postseg.config import FilterConfig
from postseg.exporting import FORMATS, format_of
from postseg.replacing import check_target, is_store, replacing
from postseg.run_options import RunCommand, threshold_options
from postseg.settings import check_name
from postseg.terminal import Group, one_line, step

_PATH = click.Path(path_type=Path)


@click.group(
    cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="postseg")
def main() -> None:
    """From a cell segmentation label image to filtered cells in a SpatialData store."""


main.add_command(verify)


@main.command(cls=RunCommand)
@click.argument("source", metavar="INPUT", type=_PATH)
@click.option(
    "-o",
    "--output",
    "outputs",
    required=True,
    multiple=True,
    type=_PATH,
    metavar="OUT",
    help="Store or file to write, see above; may be repeated.",
)
@click.option("--config", type=_PATH, metavar="FILE", help="Thresholds from a .toml or .json file.")
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
    default=(0.0, 0.0),
    metavar="ROW COLUMN",
    help="Where the tile lies in its slide, in pixels of the label image.",
)
@click.option(
    "--element", metavar="NAME", help="Labels element of a .zarr INPUT, or array of an .npz."
)
@click.option(
    "--allow-pickle",
    is_flag=True,
    help="Read pickled files such as Cellpose's _seg.npy. Runs code from the file!",
)
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
@click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
@click.option(
    "--debug-image", type=_PATH, metavar="PNG", help="Picture of kept and rejected regions."
)
@click.option("--report", type=_PATH, metavar="JSON", help="Filter report as plain data.")
@threshold_options
@click.pass_context
def run(
    ctx: click.Context,
    /,
    source: Path,
    outputs: tuple[Path, ...],
    config: Path | None,
    factor_rescale: int,
    label_name: str,
    origin: tuple[float, float],
    element: str | None,
    allow_pickle: bool,
    overwrite: bool,
    quiet: bool,
    debug_image: Path | None,
    report: Path | None,
    **thresholds: float | str | None,
) -> None:
    """Filter and outline the cells of a label image.

    INPUT is a label image (.npy, .npz, .tif, .tiff, .png) or a SpatialData store (.zarr) with a
    labels element: 0 is background, every other number a cell. Labels are enlarged to the
    microscope image, and every cell has one polygon.
    """
    start = time.perf_counter()
    given = {
        name: value
        for name, value in thresholds.items()
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    filter_config = _read_config(config).replace(**given)
    check_name(label_name, "label_name")
    for output in outputs:
        _check_format(output)
    _check_suffix(debug_image, "--debug-image", ".png")
    _check_suffix(report, "--report", ".json")
    _check_places([source, config], [*outputs, debug_image, report], overwrite)
    if debug_image:
        import postseg.plotting  # noqa: F401  without matplotlib this says how to install it

    with step(f"Reading {source}", quiet):
        from postseg.io import read_label_image
        from postseg.processor import PostSegmentation

        post = PostSegmentation(
            read_label_image(source, element=element, allow_pickle=allow_pickle),
            factor_rescale=factor_rescale,
            label_name=label_name,
            origin=origin,
            filter_config=filter_config,
            verbose=not quiet,
            save_debug=debug_image or False,
        )
    with step("Filtering and outlining", quiet):
        post.process_masks_to_shapes()
        summary = post.filter_report
        assert summary is not None  # the filter has run
    for output in outputs:
        with step(f"Writing {output}", quiet):
            post.export(output, overwrite)
    if report:
        with replacing(report, overwrite) as part:
            part.write_text(json.dumps(summary.to_dict(), indent=2) + "\n")
    if not quiet:
        listing = "".join(f"\n  {output}: {FORMATS[format_of(output)]}" for output in outputs)
        click.echo(
            f"\nWrote {summary.passed:,} of {summary.total:,} regions "
            f"in {time.perf_counter() - start:.1f} s:{listing}"
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
        click.echo(f"\nWrote in {time.perf_counter() - start:.1f} s:{listing}")


def _read_config(path: Path | None) -> FilterConfig:
    if path is None:
        return FilterConfig()
    try:
        return FilterConfig.from_file(path)
    except ValidationError as error:
        raise click.ClickException(f"{path}: {one_line(error)}") from error


def _check_format(path: Path) -> None:
    try:
        format_of(path)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--output'") from error


def _check_suffix(path: Path | None, option: str, suffix: str) -> None:
    if path is not None and path.suffix.lower() != suffix:
        raise click.BadParameter(f"{path} must end in {suffix}.", param_hint=f"'{option}'")


def _check_places(inputs: list[Path | None], outputs: list[Path | None], overwrite: bool) -> None:
    """Refuse outputs that exist, and those that would replace an input or each other."""
    taken = [path for path in inputs if path]
    for output in filter(None, outputs):
        check_target(output, overwrite)
        for path in taken:
            one, other = Path(os.path.realpath(output)), Path(os.path.realpath(path))
            inside = other in one.parents and is_store(other)
            if one == other or one in other.parents or inside:
                raise click.ClickException(
                    f"{output} is or overlaps {path}, which this run uses. Choose another name."
                )
        if output.exists() and output.is_dir() != (output.suffix.lower() == ".zarr"):
            kind = "folder" if output.is_dir() else "file"
            raise click.ClickException(f"{output} is a {kind}. Choose another name.")
        taken.append(output)
