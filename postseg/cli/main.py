"""The commands. What takes long to import is imported where it is used, so that help is instant."""

import time
from pathlib import Path

import click

from postseg import __version__
from postseg._support.words import seconds
from postseg.cli.merge import merge
from postseg.cli.report import report
from postseg.cli.run import run
from postseg.cli.terminal import Group, step
from postseg.cli.verify import verify


@click.group(
    cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="postseg")
def main() -> None:
    """From a cell segmentation label image to filtered cells in a SpatialData store."""


for command in (run, merge, report, verify):
    main.add_command(command)


@main.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder.",
)
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
