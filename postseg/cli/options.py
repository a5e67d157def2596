"""The options that set thresholds, and the sections of the help that lists them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from postseg._support.checks import check_pixel_size
from postseg.files.export import FORMATS
from postseg.filtering import quantities
from postseg.filtering.config import FilterConfig, limits, range_of, rules, text_of


class ThresholdCommand(click.Command):
    """Lists the thresholds apart from the other options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the two lists."""
        options: list[tuple[str, str]] = []
        thresholds: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None and param.name in FilterConfig.model_fields:
                names, text = record
                thresholds.append((names, f"{text}  [{_allowed(param.name, param.default)}]"))
            elif record is not None:
                options.append(record)
        with formatter.section("Options"):
            formatter.write_dl(options, col_max=34)
        with formatter.section("Thresholds: override --config; 'none' switches a test off"):
            formatter.write_dl(thresholds, col_max=34)


def _allowed(threshold: str, default: Any) -> str:
    """What a threshold may be, and what it is where nothing is said."""
    numbers = range_of(threshold) + f", or {text_of(threshold)}".removesuffix(", or ")
    told = "" if default is None else f"default: {default}"
    return "; ".join(filter(None, [numbers, told]))


class RunCommand(ThresholdCommand):
    """Lists the outputs too."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the three lists."""
        with formatter.section("Outputs, by the end of OUT"):
            formatter.write_dl([(f"*{ending}", form.text) for ending, form in FORMATS.items()])
        super().format_options(ctx, formatter)


def number_or(words: list[str], text: str) -> Callable[[Any], Any]:
    """Parse a number, ``none``, one of the words or text; `FilterConfig` checks what it says."""

    def parse(value: Any) -> Any:
        if not isinstance(value, str) or value in words:
            return value
        if value.lower() == "none":
            return None
        try:
            return float(value)
        except ValueError:
            if text and quantities.has_number(value):
                return value
            known = " or ".join(map(repr, [*words, "none"]))
            message = f"{value!r} is neither a number nor {known}" + f" nor {text}" * bool(text)
            raise click.BadParameter(f"{message}.") from None

    return parse


def threshold_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add one option per field of `FilterConfig`, so that the two cannot drift apart."""
    for name, field in reversed(FilterConfig.model_fields.items()):
        words, is_number = rules(name), bool(limits(name))
        command = click.option(
            f"--{name.replace('_', '-')}",
            name,
            type=number_or(words, text_of(name)) if is_number else click.Choice(words),
            metavar="|".join([*words, *["NUMBER"] * is_number]),
            default=field.default,
            help=field.description,
        )(command)
    return command


def _number_or_path(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return Path(value)


def known_pixel_size(given: float | Path | None) -> float | None:
    """The pixel size that stands on the command line, or in a file that is named there."""
    if not isinstance(given, Path):
        return check_pixel_size(given)
    from postseg.files.pixel_size import read_pixel_size

    return read_pixel_size(given)


def input_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of what is read: thresholds, pixel size, and which array in which file."""
    for option in (
        click.option(
            "--pixel-size",
            type=_number_or_path,
            metavar="NUMBER|FILE",
            help="Side of a pixel of the microscope image in um, or an OME-TIFF or "
            "experiment.xenium that tells it; for thresholds in um2 and --points in um.",
        ),
        click.option(
            "--allow-pickle",
            is_flag=True,
            help="Read pickled files such as Cellpose's _seg.npy. Runs code from the file!",
        ),
        click.option(
            "--element",
            metavar="NAME",
            help="Labels element of a .zarr, or array of an .npz.",
        ),
        click.option(
            "--config",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Thresholds from a .toml or .json file.",
        ),
    ):
        command = option(command)
    return command


def on_command_line(ctx: click.Context, name: str) -> bool:
    """Whether an option stands on the command line, and has not its default."""
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def given_thresholds(ctx: click.Context, thresholds: dict[str, Any]) -> dict[str, Any]:
    """Of the values of all threshold options, those that stand on the command line."""
    return {name: value for name, value in thresholds.items() if on_command_line(ctx, name)}


def read_config(path: Path | None) -> FilterConfig:
    """Thresholds of a file, without one the defaults."""
    return FilterConfig() if path is None else FilterConfig.from_file(path)
