"""The command ``postseg report``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from postseg._support.atomic import is_store
from postseg._support.words import out_of, seconds
from postseg.cli.options import (
    ThresholdCommand,
    given_thresholds,
    input_options,
    known_pixel_size,
    read_config,
    threshold_options,
)
from postseg.cli.places import check_places, check_suffix
from postseg.cli.terminal import step
from postseg.files.named import find

if TYPE_CHECKING:
    from postseg.processor import PostSegmentation

_PATH = click.Path(path_type=Path)


@click.command(cls=ThresholdCommand)
@click.argument("source", metavar="STORE.zarr|INPUT", type=_PATH)
@click.option("-o", "--output", required=True, type=_PATH, metavar="HTML", help="Page to write.")
@click.option(
    "--image",
    metavar="FILE|NAME",
    help="Microscope image to draw on: as large as the label image, or an integer multiple. A "
    "file, or an image element: its name in SOURCE, or SLIDE.zarr/images/NAME of another store.",
)
@click.option("--title", metavar="TEXT", help="Heading of the page; default: the name of SOURCE.")
@input_options
@click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
@click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
@threshold_options
@click.pass_context
def report(
    ctx: click.Context,
    /,
    source: Path,
    output: Path,
    image: str | None,
    title: str | None,
    config: Path | None,
    pixel_size: float | Path | None,
    element: str | None,
    allow_pickle: bool,
    overwrite: bool,
    quiet: bool,
    **thresholds: Any,
) -> None:
    """Show what was filtered, and why, as one page for a browser.

    STORE.zarr, written by postseg, is shown as it was filtered, or as other thresholds would
    filter its original masks. INPUT is any label image, as for ``postseg run``, and is filtered
    now; so are the labels of a store by other tools.
    """
    start = time.perf_counter()
    given = given_thresholds(ctx, thresholds)
    filter_config = read_config(config) if config else None
    check_suffix(output, "--output", ".html")
    drawn_on = find(image, source, "images")
    check_places([source, drawn_on and drawn_on.path, config, pixel_size], [output], overwrite)
    microns = known_pixel_size(pixel_size)
    # without matplotlib or Jinja2 these say what to install
    import postseg.show.figures
    import postseg.show.page.render  # noqa: F401

    with step(f"Reading {source}", quiet):
        tissue = None
        if drawn_on:
            from postseg.cli.tissue import read_tissue

            tissue = read_tissue(drawn_on)
        post, origin = _filtered_before(source, element), str(source)
        if post is None:
            post = _filtered_now(source, element, allow_pickle)
            origin += ", filtered for this page"
        elif filter_config or given:
            origin += ", filtered anew for this page with other thresholds"
        if microns is not None:
            _set_pixel_size(post, microns, source)
        note = _note(post)
    with step("Filtering and drawing", quiet):
        if post.filter_report is None or filter_config or given:
            post.refilter(filter_config, **given)
        post.write_report(
            output,
            tissue,
            title=title or source.stem,
            source=f"{origin}. {note}" if note else origin,
            overwrite=overwrite,
        )
    if not quiet:
        found = post.filter_report
        assert found is not None  # the filter has run
        click.echo(
            f"Wrote {output}: {out_of(found.passed, found.total)} passed, "
            f"in {seconds(time.perf_counter() - start)}"
        )
        if note:
            click.echo(note)


def _filtered_before(source: Path, element: str | None) -> PostSegmentation | None:
    if not is_store(source):
        return None
    from postseg.restoring import restore

    return restore(source, element)


def _note(post: PostSegmentation) -> str:
    """What one should know of a store by a subclass, or nothing."""
    from postseg._support.words import human

    reasons = ", ".join(map(human, getattr(post, "as_stored", ())))
    if not reasons:
        return ""
    return (
        f"Tests that a subclass changed or added ({reasons}) are shown as stored: what other "
        "thresholds would do to their regions is an estimate."
    )


def _set_pixel_size(post: PostSegmentation, microns: float, source: Path) -> None:
    """Give it the size that stands on the command line, unless its store knows another."""
    if post.pixel_size not in (None, microns):
        raise ValueError(
            f"{source} was filtered with a pixel size of {post.pixel_size} um, not {microns}: "
            "leave --pixel-size out, or report on the original label image."
        )
    post.pixel_size = microns


def _filtered_now(source: Path, element: str | None, allow_pickle: bool) -> PostSegmentation:
    from postseg.files.read import read_label_image
    from postseg.processor import PostSegmentation

    masks = read_label_image(source, element=element, allow_pickle=allow_pickle)
    return PostSegmentation(masks, verbose=False)
