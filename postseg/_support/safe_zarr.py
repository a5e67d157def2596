"""Open parts of a Zarr store, once their metadata say that decoding them runs no code."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import zarr

_TEXT = {"vlen-utf8", "vlen-bytes"}  # what makes objects of bytes, and no others than text
# What turns bytes into other bytes or numbers. Not here, though Zarr knows them: pickle, which runs
# code, and json2, msgpack2, vlen-array and categorize, which make objects that nothing here needs.
_CODECS = _TEXT | {
    *("bytes", "endian", "transpose", "sharding_indexed"),
    *("blosc", "zstd", "gzip", "zlib", "lz4", "lzma", "bz2"),
    *("crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"),
    *("delta", "shuffle", "packbits", "fixedscaleoffset", "quantize", "bitround", "astype"),
}


class UnsafeMetadata(ValueError):
    """What the metadata of a store announce is not decoded."""


def open_root(path: Path) -> zarr.Group:
    """Open a store by the documents of its parts: a summary of them might say something else."""
    import zarr

    return zarr.open_group(path, mode="r", use_consolidated=False)


def checked(root: zarr.Group, name: str) -> Any:
    """The group or array of that name, checked as by `check_folder`.

    The name counts from the root, because groups between may have such a summary, too.
    """
    import zarr

    node = root[name]
    if isinstance(node, zarr.Array):
        _check_array(node.metadata.to_dict(), str(node.store_path))
    else:
        check_folder(Path(str(root.store.root)) / name)  # type: ignore[attr-defined]
    return node


def check_folder(folder: Path) -> None:
    """Check all metadata at and below a folder of a store, whatever may lead a reader there.

    Raises
    ------
    UnsafeMetadata
        When an array has objects other than text, or is encoded by other than the common
        compressors, checksums and transformations of numbers.
    """
    for parent, _, files in os.walk(folder, followlinks=True):
        for name in {"zarr.json", ".zarray", ".zattrs", ".zmetadata"}.intersection(files):
            file = Path(parent, name)
            for kind, document in _flat(name, json.loads(file.read_bytes())):
                if kind != ".zattrs":
                    _check_array(document, str(file))
                attributes = document if kind == ".zattrs" else document.get("attributes", {})
                if "categories" in attributes:
                    # anndata before 0.8: where the text of a column is, anywhere in the store
                    raise UnsafeMetadata(
                        f"{file} is of a column of an old table that has its text elsewhere. Read "
                        "the table with anndata and write it anew."
                    )


def _flat(name: str, document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A document with its file's name, and those that it repeats for the nodes below."""
    if name == ".zmetadata":
        for key, inner in document["metadata"].items():
            yield PurePosixPath(key).name, inner
        return
    yield name, document
    for inner in ((document.get("consolidated_metadata") or {}).get("metadata") or {}).values():
        yield from _flat(name, inner)


def _check_array(document: Mapping[str, Any], where: str) -> None:
    """Check the metadata of an array of either format; those of groups name no codecs."""
    codecs = [document.get("compressor"), *(document.get("filters") or ())]
    names = set(_names(filter(None, codecs))) | set(_names(document.get("codecs") or ()))
    if unknown := sorted(names - _CODECS):
        raise UnsafeMetadata(
            f"{where} asks for the codec {unknown[0]!r}, which postseg does not use: such codecs "
            "can run code of whoever made the store. If you trust it, write it anew with zstd."
        )
    # format 2 only: the types of format 3 have no objects but text
    dtype = document.get("dtype")
    if "|O" in str(dtype) and not (dtype == "|O" and names & _TEXT):
        raise UnsafeMetadata(
            f"{where} has the dtype {dtype!r}, which is objects of Python; postseg "
            "reads numbers and text only. If you trust it, write it anew as one of these."
        )


def _names(codecs: Any) -> Iterator[str]:
    """Names of codecs of either format, with those within shards."""
    for codec in codecs:
        if not isinstance(codec, Mapping):
            yield str(codec)
            continue
        yield str(codec.get("name", codec.get("id"))).removeprefix("numcodecs.")
        inner = codec.get("configuration") or {}
        for key in ("codecs", "index_codecs"):
            yield from _names(inner.get(key) or ())
