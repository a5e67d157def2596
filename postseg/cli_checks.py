"""Checks of the paths on a command line, before any work is done."""

import os
from pathlib import Path

import click

from postseg.replacing import check_target, is_store


def check_suffix(path: Path | None, option: str, suffix: str) -> None:
    """Refuse a file that is not named as what it will be."""
    if path is not None and path.suffix.lower() != suffix:
        raise click.BadParameter(f"{path} must end in {suffix}.", param_hint=f"'{option}'")


def check_places(inputs: list[Path | None], outputs: list[Path | None], overwrite: bool) -> None:
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
