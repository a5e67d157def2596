"""Find out that pixels are missing from an image file, where libraries read them as zeros."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import tifffile

_PIECE = 1 << 16  # bytes
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by colour type of PNG
_WHOLE = ((0, 0, 1, 1),)  # first row and column, and steps, of the passes of PNG
_INTERLACED = (
    *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)),
    (1, 0, 2, 1),
)


def check_png(path: Path) -> None:
    """Check that a PNG holds all pixels that it declares, unharmed.

    Pillow allocates what is declared before it looks, and reads missing rows as zeros.

    Raises
    ------
    OSError
        When it does not.
    """
    held = 0
    inflate = zlib.decompressobj()
    with path.open("rb") as file:
        file.seek(8)  # Pillow looks at the signature
        chunks = _png_chunks(file)
        kind, header = next(chunks, (b"", b""))
        if kind != b"IHDR" or len(header) != 13 or header[9] not in _SAMPLES:
            raise OSError("it has no header of PNG")
        declared = _declared(*struct.unpack(">IIBBxxB", header))
        for kind, piece in chunks:
            while kind == b"IDAT" and piece and not inflate.eof:
                held += len(inflate.decompress(piece, _PIECE))
                piece = inflate.unconsumed_tail
    if not inflate.eof or held != declared:
        raise OSError(f"it declares {declared:,} bytes of pixels, and holds {held:,}")


def _declared(width: int, height: int, depth: int, colour: int, interlaced: int) -> int:
    """Size of the pixels of a PNG before compression."""
    size = 0
    for row, col, down, right in _INTERLACED if interlaced else _WHOLE:
        rows, cols = -((row - height) // down), -((col - width) // right)
        if rows > 0 and cols > 0:
            size += rows * (1 + (cols * depth * _SAMPLES[colour] + 7) // 8)
    return size


def _png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the chunks of a PNG, long ones in pieces; checked as they pass."""
    kind = b""
    while kind != b"IEND" and len(head := file.read(8)) == 8:
        left, kind = struct.unpack(">I4s", head)
        checksum = zlib.crc32(kind)
        while piece := file.read(min(left, _PIECE)):
            left -= len(piece)
            checksum = zlib.crc32(piece, checksum)
            yield kind, piece
        if file.read(4) != struct.pack(">I", checksum):
            raise OSError(f"a checksum of its part {kind.decode('latin-1')!r} is wrong or missing")


def first_series(tiff: tifffile.TiffFile) -> tifffile.TiffPageSeries:
    """The first image of a TIFF with its levels, sizes checked: tifffile hangs at negative ones.

    Raises
    ------
    OSError
        When a page has no size.
    """
    for page in tiff.pages:
        for level in (page, *(page.pages or ())):
            if min(level.shape, default=0) < 1:
                raise OSError(f"a page of it is declared as {' x '.join(map(str, level.shape))}")
    return tiff.series[0]


def check_whole(level: tifffile.TiffPageSeries) -> None:
    """Check that all strips or tiles of an image are in its file; tifffile reads zeros for others.

    Some write TIFF without the empty ones (sparse), but nothing tells these from lost ones.

    Raises
    ------
    OSError
        When they are not.
    """
    for page in level.pages:
        if page is None or page.keyframe is None:
            raise OSError("a page of it is missing")
        n = math.prod(page.keyframe.chunked)
        end = page.parent.filehandle.size
        places = zip(page.dataoffsets[:n], page.databytecounts[:n], strict=False)
        held = sum(first > 0 and 0 < size <= end - first for first, size in places)
        if held < n:
            raise OSError(
                f"{n - held:,} of its {n:,} strips or tiles are not in the file. Sparse TIFF is "
                "not read; write it in full, as gdal_translate does"
            )
