"""Checks of the paths on a command line, before any work is done."""

from pathlib import Path

import click

from postseg._support.atomic import check_target, is_store


def check_suffix(path: Path | None, option: str, suffix: str) -> None:
    """Refuse a file that is not named as what it will be."""
    if path is not None and path.suffix.lower() != suffix:
        raise click.BadParameter(f"{path} must end in {suffix}.", param_hint=f"'{option}'")


def check_places(
    inputs: list[Path | float | None], outputs: list[Path | None], overwrite: bool
) -> None:
    """Refuse outputs that exist, and those that would replace an input or each other.

    An input that may be a file or a number is no file where it is a number.
    """
    taken = [path for path in inputs if isinstance(path, Path)]
    for output in filter(None, outputs):
        check_target(output, overwrite, store=output.suffix.lower() == ".zarr", inputs=taken)
        taken.append(output)


def check_addition(source: Path, label_name: str, with_points: bool) -> None:
    """Refuse an input that elements of a name cannot be added to, points among them or not."""
    if source.exists() and not is_store(source):
        raise click.BadParameter(
            f"{source} is no store, and only to a SpatialData store (.zarr) can be added. "
            "Write a new one with -o.",
            param_hint="'--add-to'",
        )
    from postseg.elements.adding import check_store
    from postseg.processor import PostSegmentation

    names = PostSegmentation(label_name=label_name).element_names  # without points as yet
    check_store(source, [*names, *[f"{label_name}_transcripts"] * with_points])
