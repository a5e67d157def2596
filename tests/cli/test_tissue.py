import re

import numpy as np
import pytest
import tifffile
from PIL import Image

from postseg.cli.tissue import read_tissue
from postseg.files.named import find

GREY = np.arange(60, dtype=np.uint8).reshape(6, 10)
RGB = np.arange(180, dtype=np.uint8).reshape(6, 10, 3)


def read(path):
    return read_tissue(find(str(path), path.parent, "images"))


def save(path, image):
    if path.suffix == ".npy":
        np.save(path, image)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, image, photometric="rgb" if image.ndim == 3 else "minisblack")
    else:
        Image.fromarray(image).save(path)


@pytest.mark.parametrize("image", [GREY, RGB], ids=["grey", "rgb"])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_pixels_are_those_of_the_file(tmp_path, suffix, image):
    save(tmp_path / f"t{suffix}", image)
    np.testing.assert_array_equal(read(tmp_path / f"t{suffix}"), image)


def test_jpeg_and_palette(tmp_path):
    save(tmp_path / "t.JPG", np.full((8, 8, 3), 100, np.uint8))
    assert read(tmp_path / "t.JPG").shape == (8, 8, 3)
    Image.fromarray(RGB).quantize(8).save(tmp_path / "p.png")
    assert read(tmp_path / "p.png").shape == (6, 10, 3)


def test_sixteen_bits(tmp_path):
    save(tmp_path / "t.png", GREY.astype(np.uint16) * 1000)
    assert read(tmp_path / "t.png").max() == 59000


def test_channels_first(tmp_path):
    np.save(tmp_path / "t.npy", np.moveaxis(RGB, -1, 0))
    np.testing.assert_array_equal(read(tmp_path / "t.npy"), RGB)


def test_an_image_as_large_as_a_slide_is_no_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    save(tmp_path / "t.png", GREY)
    assert read(tmp_path / "t.png").shape == GREY.shape


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("t.bmp", ValueError, r"suffix '.bmp'; .*\.png"),
        ("no.png", FileNotFoundError, "no.png does not exist"),
        ("bad.png", OSError, "bad.png cannot be read"),
        ("five.npy", ValueError, r"\(5, 6, 10\), which is neither a grey nor an RGB"),
        ("line.npy", ValueError, r"\(60,\)"),
    ],
)
def test_what_is_no_image(tmp_path, name, error, message):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    np.save(tmp_path / "five.npy", np.zeros((5, 6, 10)))
    np.save(tmp_path / "line.npy", np.zeros(60))
    with pytest.raises(error) as raised:
        read(tmp_path / name)
    assert re.search(message, str(raised.value))
