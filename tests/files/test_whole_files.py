"""Files that declare more pixels than they hold are errors: libraries read zeros for the rest."""

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from postseg.cli import tissue
from postseg.files.named import find
from postseg.files.read import read_label_image

TILED = {"tile": (32, 32), "metadata": None}
HUGE = 60_000


def read_tissue(path):
    return tissue.read_tissue(find(str(path), path.parent, "images"))


@pytest.fixture
def masks():
    return np.random.default_rng(0).integers(1, 60_000, (96, 128)).astype(np.uint16)


# ---- TIFF


def with_tag(path, tag, value):
    """Change a number in the header of a TIFF."""
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.filehandle.seek(tiff.pages.first.tags[tag].offset + 2)
        tiff.filehandle.write(struct.pack("<HIi", 9 if value < 0 else 4, 1, value))


def sparse(path, masks, **kwargs):
    """The first tile only."""
    tiles = (masks[:32, :32] if tile == 0 else None for tile in range(12))
    tifffile.imwrite(path, tiles, shape=masks.shape, dtype=masks.dtype, **TILED, **kwargs)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("read", [read_label_image, read_tissue])
def test_tiff_without_most_of_its_tiles(tmp_path, masks, compression, read):
    sparse(tmp_path / "m.tif", masks, compression=compression)
    with pytest.raises(OSError, match=r"m\.tif cannot be read: 11 of its 12 .* Sparse TIFF is not"):
        read(tmp_path / "m.tif")


@pytest.mark.parametrize("tag", ["ImageLength", "ImageWidth"])
@pytest.mark.parametrize("size", [130, HUGE])
@pytest.mark.parametrize(
    "layout",
    [TILED, {"compression": "zlib", **TILED}, {"rowsperstrip": 8, "metadata": None}],
    ids=["tiles", "compressed", "strips"],
)
def test_tiff_that_declares_more_than_it_holds(tmp_path, masks, tag, size, layout):
    tifffile.imwrite(tmp_path / "m.tif", masks, **layout)
    np.testing.assert_array_equal(read_label_image(tmp_path / "m.tif"), masks)
    with_tag(tmp_path / "m.tif", tag, size)
    with pytest.raises(OSError, match=r"m\.tif cannot be read"):
        read_label_image(tmp_path / "m.tif")


def test_tiff_with_a_tile_after_its_end(tmp_path, masks):
    tifffile.imwrite(tmp_path / "m.tif", masks, **TILED)
    content = (tmp_path / "m.tif").read_bytes()
    (tmp_path / "m.tif").write_bytes(content[:-1])
    with pytest.raises(OSError, match=r"m\.tif cannot be read: 1 of its 12 strips or tiles"):
        read_label_image(tmp_path / "m.tif")


@pytest.mark.parametrize("size", [0, -96])
def test_tiff_of_no_size_is_no_endless_loop(tmp_path, masks, size):
    tifffile.imwrite(tmp_path / "m.tif", masks)
    with_tag(tmp_path / "m.tif", "ImageLength", size)
    with pytest.raises(OSError, match=rf"m\.tif cannot be read: a page of it is .* {size} x 128"):
        read_label_image(tmp_path / "m.tif")


def test_tiff_of_an_unknown_type(tmp_path, masks):
    tifffile.imwrite(tmp_path / "m.tif", masks, **TILED)
    with_tag(tmp_path / "m.tif", "BitsPerSample", 500)
    with pytest.raises(OSError, match=r"m\.tif cannot be read"):
        read_label_image(tmp_path / "m.tif")


# ---- PNG


def png(image, declared=None, content=None, interlaced=0):
    """A grey PNG file, byte by byte."""
    shape = declared or image.shape
    kind = image.dtype.newbyteorder(">")
    if content is None:
        content = b"".join(b"\0" + row.astype(kind).tobytes() for row in image)
    depth = 8 * image.dtype.itemsize
    header = struct.pack(">IIBBBBB", shape[1], shape[0], depth, 0, 0, 0, interlaced)
    parts = {b"IHDR": header, b"IDAT": zlib.compress(content), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts.items()
    )


def adam7(image):
    """Pixels in the order of an interlaced PNG."""
    starts = ((0, 0), (0, 4), (4, 0), (0, 2), (2, 0), (0, 1), (1, 0))
    steps = ((8, 8), (8, 8), (8, 4), (4, 4), (4, 2), (2, 2), (2, 1))
    passes = (
        image[row::down, col::right]
        for (row, col), (down, right) in zip(starts, steps, strict=True)
    )
    return b"".join(b"\0" + row.tobytes() for part in passes if part.size for row in part)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2), (5, 5), (13, 21), (16, 8)])
def test_interlaced_png(tmp_path, shape):
    image = np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape)
    (tmp_path / "m.png").write_bytes(png(image, content=adam7(image), interlaced=1))
    np.testing.assert_array_equal(read_label_image(tmp_path / "m.png"), image)
    (tmp_path / "m.png").write_bytes(png(image, content=adam7(image)[:-1], interlaced=1))
    with pytest.raises(OSError, match=r"m\.png cannot be read: it declares"):
        read_label_image(tmp_path / "m.png")


@pytest.mark.parametrize("declared", [(97, 128), (95, 128), (HUGE, 128), (HUGE, HUGE)])
@pytest.mark.parametrize("read", [read_label_image, read_tissue])
def test_png_that_declares_another_size(tmp_path, masks, declared, read):
    (tmp_path / "m.png").write_bytes(png(masks))
    np.testing.assert_array_equal(read(tmp_path / "m.png"), masks)
    (tmp_path / "m.png").write_bytes(png(masks, declared))
    with pytest.raises(OSError, match=r"m\.png cannot be read: it declares .* and holds 24,672"):
        read(tmp_path / "m.png")


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "LA", "RGB", "RGBA", "P"])
def test_the_size_of_every_kind_of_png_is_known(tmp_path, mode):
    image = Image.new(mode, (13, 7))
    image.save(tmp_path / "m.png")
    assert read_tissue(tmp_path / "m.png").shape[:2] == (7, 13)


@pytest.mark.parametrize("place", [-13, -20])
def test_png_with_a_wrong_checksum(tmp_path, masks, place):
    content = bytearray(png(masks))
    content[place] ^= 1  # of the chunk, or of the pixels in it
    (tmp_path / "m.png").write_bytes(content)
    with pytest.raises(OSError, match=r"m\.png cannot be read: .*(checksum|data check)"):
        read_label_image(tmp_path / "m.png")


def test_png_with_something_after_its_end(tmp_path, masks):
    (tmp_path / "m.png").write_bytes(png(masks) + b"appended by a viewer")
    np.testing.assert_array_equal(read_label_image(tmp_path / "m.png"), masks)


# ---- NumPy


def npy(masks, shape):
    """A .npy file of another shape than it has pixels."""
    file = io.BytesIO()
    fields = {"descr": masks.dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, fields)
    return file.getvalue() + masks.tobytes()


@pytest.mark.parametrize("shape", [(97, 128), (HUGE, HUGE)])
def test_npy_that_declares_more_than_it_holds(tmp_path, masks, shape):
    (tmp_path / "m.npy").write_bytes(npy(masks, shape))
    with pytest.raises(OSError, match=r"m\.npy cannot be read"):
        read_label_image(tmp_path / "m.npy")


@pytest.mark.parametrize(
    ("shape", "problem"),
    [
        ((HUGE, HUGE), "labels declares more pixels than its 24,704 bytes can be"),
        ((2**40, 2**40), "labels declares more pixels than its 24,704 bytes can be"),
        ((95, 128), "labels holds more than the pixels that it declares"),
    ],
)
def test_npz_that_declares_another_size(tmp_path, masks, shape, problem):
    with zipfile.ZipFile(tmp_path / "m.npz", "w") as archive:
        archive.writestr("labels.npy", npy(masks, shape))
    with pytest.raises(OSError, match=rf"m\.npz cannot be read: {problem}"):
        read_label_image(tmp_path / "m.npz")
