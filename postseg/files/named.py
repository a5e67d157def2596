"""What a command line names beside the masks: an element of a store, or a file."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from postseg._support.atomic import is_store


class Named(NamedTuple):
    """Where it is, as far as its name tells.

    Attributes
    ----------
    text : str
        As it was named.
    path : Path
        The file, or the store.
    element : str or None
        The last part of its name, where `path` is a store; it need not be there.
    kinds : tuple of str
        Folders of a store that it may be in.
    """

    text: str
    path: Path
    element: str | None
    kinds: tuple[str, ...]

    def __str__(self) -> str:
        return self.text

    def check_exists(self, files: str) -> None:
        """Refuse what is not there; `files` are those that could be named.

        Raises
        ------
        FileNotFoundError
            There is no such file or store.
        """
        if self.path.exists():
            return
        kinds = " or ".join({"images": "image"}.get(kind, kind) for kind in self.kinds)
        raise FileNotFoundError(
            f"{self} does not exist. Give {'an' if kinds.startswith('i') else 'a'} {kinds} "
            "element of the store that the masks are from, "
            f"SLIDE.zarr/{self.kinds[0]}/NAME of another, or {files}."
        )


def find(text: str | None, source: Path, *kinds: str) -> Named | None:
    """Tell a path, and the name of an element in the store `source` or in another one, apart.

    Parameters
    ----------
    text : str or None
        A file; the name of an element of `source`; or the path of one of another store, such as
        ``slide.zarr/images/he``. None where nothing was named.
    source : Path
        What the masks are read from.
    *kinds : str
        Folders of a store that it may be in.
    """
    if text is None:
        return None
    path = Path(text)
    if path.parent.name in kinds and is_store(path.parents[1]):
        store = path.parents[1]
    else:
        store = source if not path.exists() and is_store(source) else path
    return Named(text, store, path.name if is_store(store) else None, kinds)
