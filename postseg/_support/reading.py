"""What every reader says of files that are damaged, and of elements that are not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from postseg._support.safe_zarr import UnsafeMetadata

ACCEPTED = "Accepted: .npy, .npz, .tif, .tiff, .png, or a SpatialData .zarr store."


@contextmanager
def reading(path: Path, advice: str | None = None) -> Iterator[None]:
    """Turn whatever a library raises on a damaged file into an OSError that names the file.

    Parameters
    ----------
    path : Path
        The file.
    advice : str, optional
        What to do then; left out for a label image.
    """
    try:
        yield
    except (MemoryError, UnsafeMetadata):
        raise
    except Exception as error:
        if advice is None and "imagecodecs" in str(error):
            advice = "Install it with: pip install imagecodecs"
        elif advice is None:
            advice = f"It may be damaged, or not what its suffix says. {ACCEPTED}"
        reason = (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip(".")
        raise OSError(f"{path} cannot be read: {reason}. {advice}") from error


def choose(
    path: Path, what: str, names: list[str], name: str | None, option: str = "element"
) -> str:
    """Pick the element asked for, or the only one; `option` is how one asks."""
    listing = ", ".join(names) or "none"
    if name is not None and name not in names:
        raise ValueError(f"{path}: no {what} is called {name!r}. It has: {listing}.")
    if name is None and len(names) != 1:
        advice = f" Choose one with {option} (--{option})." if names else ""
        raise ValueError(f"{path} must have one {what}, but has {len(names)}: {listing}.{advice}")
    return name if name is not None else names[0]
