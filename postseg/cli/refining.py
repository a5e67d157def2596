"""What a command makes of masks, wherever they come from: its options, their checks, the work."""

import json
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from postseg._support.atomic import replacing
from postseg._support.checks import OUTLINES, Outline, check_factor, check_name
from postseg._support.words import out_of, seconds
from postseg.cli.options import (
    given_thresholds,
    known_pixel_size,
    read_config,
    threshold_options,
)
from postseg.cli.places import check_addition, check_places, check_suffix
from postseg.cli.terminal import step
from postseg.cli.transcripts import Unit, points_asked, transcript_options
from postseg.files.export import FORMATS, format_of
from postseg.files.points import file_of_points
from postseg.files.reference import file_of, read_reference

if TYPE_CHECKING:
    from postseg.filtering.nuclei import Tally
    from postseg.processor import PostSegmentation

_PATH = click.Path(path_type=Path)

output_option = click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    type=_PATH,
    metavar="OUT",
    help="Store or file to write, see above; may be repeated. Required without --add-to.",
)


def _factor(value: Any) -> int:
    try:
        return check_factor(float(value))
    except ValueError as error:
        message = str(error)
        if "factor_rescale" not in message:
            message = f"{value!r} is no whole number, such as 4."
        raise click.BadParameter(message) from error


def refining_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that `Refinement` takes, but for those of outputs and of what is read."""
    for option in (
        threshold_options,
        click.option(
            "--report", "summary", type=_PATH, metavar="JSON", help="Filter report as plain data."
        ),
        click.option(
            "--debug-image", type=_PATH, metavar="PNG", help="Picture of kept and rejected regions."
        ),
        click.option(
            "--debug-colour",
            type=click.Choice(["share", "reason"]),
            help="What --debug-image shows where regions are too small to be seen one by one: the "
            "share that was rejected, which is the default, or the commonest reason.",
        ),
        click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors."),
        click.option("--overwrite", is_flag=True, help="Replace outputs that exist."),
        click.option(
            "--outline",
            type=click.Choice(OUTLINES),
            default="contour",
            show_default=True,
            help="Which polygons to draw. contour: outer rings half way between pixels. pixels: "
            "edges of pixels, holes and parts, exact areas. simplified: a quarter of those "
            "vertices, and every pixel still in its cell. In the last two neighbours share their "
            "edges.",
        ),
        click.option(
            "--no-enlarge",
            is_flag=True,
            help="Keep the labels at the resolution of the label image.",
        ),
        transcript_options,
        click.option(
            "--nuclei",
            metavar="ELEMENT|FILE",
            help="Label image of nuclei, to be matched with the cells: a labels element of the "
            "store that labels are read from or added to, SLIDE.zarr/labels/NAME of another, or a "
            "file, of the size of the label image or a whole number of times larger or smaller.",
        ),
        click.option(
            "--intensity",
            metavar="FILE|NAME",
            help="Measure intensities in this image: their mean, deviation, least and largest are "
            "columns of the table. Of the size of the label image or an integer multiple of it: a "
            "PNG, JPEG, TIFF or .npy, or an image element: its name in INPUT, or "
            "SLIDE.zarr/images/NAME of another store.",
        ),
        click.option(
            "--reference",
            metavar="ELEMENT|TIFF",
            help="The microscope image: an element of the store that labels are read from or added "
            "to, SLIDE.zarr/images/NAME of another, or a TIFF. Cells are stretched over it, and "
            "put where it lies; a TIFF tells no place. Default: the labels element that is read.",
        ),
        click.option(
            "--image-shape",
            nargs=2,
            type=click.IntRange(min=1),
            default=None,
            metavar="ROWS COLUMNS",
            help="Stretch the labels over an image of this shape, in place of a whole factor.",
        ),
        click.option(
            "--origin",
            nargs=2,
            type=float,
            default=None,
            metavar="ROW COLUMN",
            help="Where the label image lies in a larger slide, in its pixels.",
        ),
        click.option(
            "--label-name",
            default="labels",
            metavar="NAME",
            show_default=True,
            help="Name of the labels element, from which <name>_shapes, <name>_table and "
            "<name>_transcripts follow.",
        ),
        click.option(
            "--factor-rescale",
            type=_factor,
            default=1,
            metavar="N",
            show_default=True,
            help="How many times smaller the label image is than the microscope image.",
        ),
    ):
        command = option(command)
    return command


class Refinement:
    """What is asked for on a command line; all of it is checked before any mask is read.

    Parameters
    ----------
    ctx : click.Context
        Of the command.
    inputs : iterable of Path or None
        What masks and their places are read from: no output may take its place.
    home : Path
        Where `reference` and `points` look for an element by its name.
    add_to : Path or None
        SpatialData store to add to.
    allow_pickle : bool
        Whether nuclei may be read from a pickled file.
    **options
        The values of `output_option` and `refining_options`, of ``--config`` and ``--pixel-size``.
    """

    def __init__(
        self,
        ctx: click.Context,
        inputs: Iterable[Path | None],
        home: Path,
        add_to: Path | None,
        allow_pickle: bool,
        *,
        outputs: tuple[Path, ...],
        config: Path | None,
        pixel_size: float | Path | None,
        factor_rescale: int,
        label_name: str,
        origin: tuple[float, float] | None,
        image_shape: tuple[int, int] | None,
        reference: str | None,
        nuclei: str | None,
        intensity: str | None,
        outline: Outline,
        no_enlarge: bool,
        overwrite: bool,
        quiet: bool,
        debug_image: Path | None,
        debug_colour: Literal["share", "reason"] | None,
        summary: Path | None,
        points: str | None,
        points_in: Unit | None,
        to_image: Path | None,
        xy: tuple[str, str] | None,
        coordinate_system: str | None,
        gene_key: str | None,
        min_qv: float | None,
        genes: Path | None,
        no_points: bool,
        **thresholds: float | str | None,
    ) -> None:
        self._began = time.perf_counter()
        if not outputs and add_to is None:
            raise click.MissingParameter(
                "Or add to a store with --add-to.",
                ctx,
                next(param for param in ctx.command.params if param.name == "outputs"),
            )
        filter_config = read_config(config).replace(**given_thresholds(ctx, thresholds))
        check_name(label_name, "label_name")
        for output in outputs:
            _check_format(output)
        check_suffix(debug_image, "--debug-image", ".png")
        if debug_colour and not debug_image:
            raise click.UsageError("--debug-colour needs --debug-image.")
        check_suffix(summary, "--report", ".json")
        check_places(
            [
                *(*inputs, add_to, config, pixel_size, genes, to_image),
                file_of(intensity, home, ("images",)) if intensity else None,
                file_of(reference, home) if reference else None,
                file_of(nuclei, home, ["labels"]) if nuclei else None,
                file_of_points(points, home) if points else None,
            ],
            [*outputs, debug_image, summary],
            overwrite,
        )
        microns = known_pixel_size(pixel_size)
        if microns is None:
            filter_config.in_pixels(None)  # without areas in um2, or it is said before the work
        stored = bool(add_to) or any(format_of(output) == ".zarr" for output in outputs)
        self._points = points_asked(
            ctx,
            points,
            home,
            microns,
            stored,
            points_in=points_in,
            to_image=to_image,
            xy=xy,
            coordinate_system=coordinate_system,
            gene_key=gene_key,
            min_qv=min_qv,
            genes=genes,
            no_points=no_points,
        )
        if add_to:
            check_addition(add_to, label_name, bool(self._points and self._points["keep_points"]))
        if debug_image:
            import postseg.show.figures  # noqa: F401  without matplotlib this says how to install it
        self.quiet = quiet
        self.factor = factor_rescale
        self._outputs, self._overwrite, self._summary = outputs, overwrite, summary
        self._add_to, self._no_enlarge = add_to, no_enlarge
        self._reference, self._home = reference, home
        self._nuclei, self._allow_pickle, self._intensity = nuclei, allow_pickle, intensity
        self._debug_colour = debug_colour or "share"
        self._settings: dict[str, Any] = {
            "factor_rescale": factor_rescale,
            "label_name": label_name,
            "origin": origin,
            "image_shape": image_shape,
            "pixel_size": microns,
            "outline": outline,
            "filter_config": filter_config,
            "verbose": not quiet,
            "save_debug": debug_image or False,
        }

    def of(self, masks: Any) -> "PostSegmentation":
        """Take the masks, and open what they are placed by."""
        from postseg.processor import PostSegmentation

        reference = read_reference(self._reference, self._home) if self._reference else None
        image = None
        if self._intensity:
            from postseg.cli.tissue import read_channels

            image = read_channels(self._intensity, self._home)
        post = PostSegmentation(masks, reference=reference, intensity_image=image, **self._settings)
        post.debug_colour = self._debug_colour
        if self._add_to and not post.lies_in_global:
            from postseg.elements import build

            note = build.unrelated(
                build.open_store(self._add_to, ("images", "labels", "points", "shapes"))
            )
            if note:
                warnings.warn(note, stacklevel=1)
        return post

    def write(self, post: "PostSegmentation") -> None:
        """Filter and outline, and write what was asked for."""
        n_nuclei = None
        if self._nuclei:
            with step(f"Matching {self._nuclei}", self.quiet):
                n_nuclei = len(post.match(self._read_nuclei(self._nuclei)))
        counting = "Counting transcripts, filtering and outlining"
        with step(counting if self._points else "Filtering and outlining", self.quiet):
            if self._points:
                post.process_points(**self._points)  # which filters and outlines
            else:
                post.process_masks_to_shapes()
            found = post.filter_report
            assert found is not None  # the filter has run
        nuclei = None
        if n_nuclei is not None:
            from postseg.filtering.nuclei import tally

            assert post.regions is not None  # as there is a report
            nuclei = tally(post.regions, n_nuclei)
        if self._no_enlarge:
            post.process_labels(enlarge=False)
        for output in self._outputs:
            with step(f"Writing {output}", self.quiet):
                post.export(output, self._overwrite)
        listing = [f"{output}: {_told(output, post)}" for output in self._outputs]
        if self._add_to:
            with step(f"Adding to {self._add_to}", self.quiet):
                from postseg.elements.adding import add_to_store

                made = post.to_spatialdata()
                add_to_store(self._add_to, made.labels, made.shapes, made.tables, made.points)
            listing.append(f"{self._add_to}: added {', '.join(post.element_names)}")
        if self._summary:
            with replacing(self._summary, self._overwrite) as part:
                part.write_text(json.dumps(_facts(post, nuclei), indent=2) + "\n")
        if not self.quiet:
            lines = "".join(f"\n  {line}" for line in listing)
            click.echo(
                ("" if nuclei is None else f"\n{nuclei}\n")
                + f"\nWrote {out_of(found.passed, found.total)} "
                f"in {seconds(time.perf_counter() - self._began)}:{lines}"
            )

    def _read_nuclei(self, nuclei: str) -> Any:
        """The label image of nuclei that an option names."""
        from postseg.files.read import read_masks

        path = file_of(nuclei, self._home, ["labels"])
        element = None if path == Path(nuclei) else Path(nuclei).name
        return read_masks(path, element=element, allow_pickle=self._allow_pickle)


def _told(output: Path, post: "PostSegmentation") -> str:
    """What an output is, with the name of the points in it, if any."""
    form = format_of(output)
    points = post.element_names[3:] if form == ".zarr" else ()
    return FORMATS[form].text + "".join(f", with {name}" for name in points)


def _facts(post: "PostSegmentation", nuclei: "Tally | None") -> dict[str, Any]:
    """The filter report, and where all transcripts and nuclei went."""
    report, ledger = post.filter_report, post.transcripts
    assert report is not None  # the filter has run
    where: dict[str, Any] = (
        {} if ledger is None else {"transcripts_ledger": ledger.to_dict(orient="index")}
    )
    if nuclei is not None:
        where["nuclei"] = nuclei._asdict()
    return report.to_dict() | where


def _check_format(path: Path) -> None:
    try:
        format_of(path)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--output'") from error
