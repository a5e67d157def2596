"""The summary in the root of a Zarr store by which readers list what is in it.

Zarr calls it consolidated metadata. Where a root has one, whatever it does not name is not seen.
"""

import copy
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = "zarr.json"  # the document of a group or an array
_KEY = "consolidated_metadata"
_Document = dict[str, Any]


def encoded(document: _Document) -> bytes:
    """A document as Zarr writes it."""
    return json.dumps(document, indent=2).encode()


def summary(root: _Document) -> dict[str, _Document] | None:
    """What a root summarises, documents by name; None where it has no summary."""
    consolidated = root.get(_KEY)
    return consolidated["metadata"] if consolidated else None


def with_summary(root: _Document, known: dict[str, _Document]) -> _Document:
    """A root that summarises these documents."""
    # Zarr 3.1 cannot open a root whose summary has the members of a group apart from each other
    names = sorted(known, key=lambda name: (name.count("/"), name))
    return {**root, _KEY: _summary_of({name: known[name] for name in names})}


def documents(folder: Path, prefix: str = "") -> dict[str, _Document]:
    """The documents below a group, by name, as a summary of them has them."""
    found = {}
    for path in sorted(folder.iterdir()):
        if (path / ROOT).is_file():
            name = prefix + path.name
            found[name] = document = document_of(path)
            if document.get("node_type") == "group":
                found |= documents(path, f"{name}/")
    return found


def document_of(folder: Path) -> _Document:
    """The document of one group or array, as a summary has it."""
    document = json.loads((folder / ROOT).read_bytes())
    # a group without one of its own would be listed by what lies on disk
    return {**document, _KEY: _summary_of({})} if document.get("node_type") == "group" else document


def with_labels(document: _Document, names: Iterable[str]) -> _Document:
    """The document of the group ``labels`` with more names, where it lists the labels.

    OME-Zarr has such a list, and SpatialData's own `write_element` keeps it.
    """
    document = copy.deepcopy(document)
    attributes = document.get("attributes") or {}
    listed = (attributes.get("ome") or {}).get("labels")
    if isinstance(listed, list):
        listed += [name for name in names if name not in listed]
    return document


def _summary_of(known: dict[str, _Document]) -> _Document:
    return {"kind": "inline", "must_understand": False, "metadata": known}
