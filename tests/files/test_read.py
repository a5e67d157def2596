"""Label images come back as they were saved, and everything else is refused with advice."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from postseg.files.read import ACCEPTED, read_label_image


@pytest.fixture
def masks():
    return np.array([[0, 7, 7], [300, 0, 7]], dtype=np.uint16)


class Trap:
    """Unpickling it would leave a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("dtype", [bool, np.uint8, ">u2", np.int32, np.int64, np.float32])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(tmp_path, masks, dtype, order):
    expected = np.asarray(masks.astype(dtype), order=order)
    np.save(tmp_path / "m.npy", expected)
    image = read_label_image(str(tmp_path / "m.npy"))
    np.testing.assert_array_equal(image, expected)
    assert image.dtype == expected.dtype


def test_npy_is_mapped_and_cannot_be_written(tmp_path, masks):
    np.save(tmp_path / "m.npy", masks)
    image = read_label_image(tmp_path / "m.npy")
    assert isinstance(image, np.memmap)
    assert not image.flags.writeable


def test_npy_without_pixels(tmp_path):
    np.save(tmp_path / "m.npy", np.zeros((0, 5), int))
    assert read_label_image(tmp_path / "m.npy").shape == (0, 5)


def test_suffix_in_capitals(tmp_path, masks):
    tifffile.imwrite(tmp_path / "M.TIF", masks)
    np.testing.assert_array_equal(read_label_image(tmp_path / "M.TIF"), masks)


def test_pickled_npy_of_cellpose(tmp_path, masks):
    path = tmp_path / "tile_seg.npy"
    np.save(path, {"masks": masks, "outlines": masks > 0})
    with pytest.raises(ValueError, match=r"tile_seg.npy is pickled.*runs code.*--allow-pickle"):
        read_label_image(path)
    np.testing.assert_array_equal(read_label_image(path, allow_pickle=True), masks)


def test_pickled_npy_without_masks_lists_what_it_has(tmp_path):
    np.save(tmp_path / "m.npy", {"flows": 1, "diameter": 2})
    with pytest.raises(ValueError, match=r"m.npy has no entry 'masks'. It has: flows, diameter"):
        read_label_image(tmp_path / "m.npy", allow_pickle=True)


@pytest.mark.parametrize("name", ["m.npy", "m.npz"])
def test_a_pickle_is_not_run_unasked(tmp_path, name):
    content = np.array([Trap(tmp_path / "trace")], dtype=object)
    save = np.save if name.endswith("npy") else np.savez
    save(tmp_path / name, content)
    with pytest.raises(ValueError, match="pickled"):
        read_label_image(tmp_path / name)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("key", ["labels", "masks", "anything"])
def test_npz_with_one_array(tmp_path, masks, key):
    np.savez_compressed(tmp_path / "m.npz", **{key: masks})
    np.testing.assert_array_equal(read_label_image(tmp_path / "m.npz"), masks)


@pytest.mark.parametrize("key", ["labels", "masks"])
def test_npz_with_a_usual_name_among_others(tmp_path, masks, key):
    np.savez(tmp_path / "m.npz", image=masks * 2, **{key: masks})
    np.testing.assert_array_equal(read_label_image(tmp_path / "m.npz"), masks)


def test_npz_with_one_2d_array(tmp_path, masks):
    np.savez(tmp_path / "m.npz", flows=np.zeros((2, 2, 3)), seg=masks, diameter=30)
    np.testing.assert_array_equal(read_label_image(tmp_path / "m.npz"), masks)


@pytest.mark.parametrize("keys", [("a", "b"), ("labels", "masks")])
def test_npz_in_doubt_lists_the_names_and_takes_one(tmp_path, masks, keys):
    np.savez(tmp_path / "m.npz", **{keys[0]: masks, keys[1]: masks * 2})
    with pytest.raises(ValueError, match=f"m.npz .*{keys[0]}, {keys[1]}.*--element"):
        read_label_image(tmp_path / "m.npz")
    image = read_label_image(tmp_path / "m.npz", element=keys[1])
    np.testing.assert_array_equal(image, masks * 2)


def test_npz_with_no_such_array(tmp_path, masks):
    np.savez(tmp_path / "m.npz", a=masks)
    with pytest.raises(ValueError, match=r"m.npz: no array is called 'nuclei'. It has: a\."):
        read_label_image(tmp_path / "m.npz", element="nuclei")


def test_npz_without_arrays(tmp_path):
    np.savez(tmp_path / "m.npz")
    with pytest.raises(ValueError, match=r"m.npz must have one array, but has 0: none\.$"):
        read_label_image(tmp_path / "m.npz")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.uint32, np.float32])
@pytest.mark.parametrize("suffix", [".tif", ".tiff"])
def test_tiff(tmp_path, masks, dtype, suffix):
    expected = masks.astype(dtype)
    tifffile.imwrite(tmp_path / f"m{suffix}", expected)
    image = read_label_image(tmp_path / f"m{suffix}")
    np.testing.assert_array_equal(image, expected)
    assert image.dtype == expected.dtype


def test_tiff_pyramid_is_read_at_full_resolution(tmp_path):
    full = np.arange(64 * 64, dtype=np.int32).reshape(64, 64)
    with tifffile.TiffWriter(tmp_path / "m.ome.tif", ome=True) as writer:
        writer.write(full, subifds=1, tile=(32, 32))
        writer.write(full[::2, ::2], subfiletype=1, tile=(32, 32))
    np.testing.assert_array_equal(read_label_image(tmp_path / "m.ome.tif"), full)


def test_tiff_with_a_colour_table_as_imagej_saves_it(tmp_path, masks):
    expected = masks.astype(np.uint8)
    table = np.zeros((3, 256), np.uint16)
    tifffile.imwrite(tmp_path / "m.tif", expected, photometric="palette", colormap=table)
    np.testing.assert_array_equal(read_label_image(tmp_path / "m.tif"), expected)


def test_tiff_with_several_pages(tmp_path, masks):
    tifffile.imwrite(tmp_path / "m.tif", np.stack([masks] * 5), photometric="minisblack")
    with pytest.raises(ValueError, match=r"m.tif has the shape 5 x 2 x 3, .* 2-D only"):
        read_label_image(tmp_path / "m.tif")


def test_tiff_with_pages_of_several_sizes(tmp_path, masks):
    with tifffile.TiffWriter(tmp_path / "m.tif") as writer:
        writer.write(masks)
        writer.write(masks[:, :2])
    with pytest.raises(ValueError, match=r"m.tif has 2 images, .* 2-D only"):
        read_label_image(tmp_path / "m.tif")


def test_tiff_in_colour(tmp_path):
    tifffile.imwrite(tmp_path / "m.tif", np.zeros((4, 5, 3), np.uint8), photometric="rgb")
    with pytest.raises(ValueError, match=r"m.tif is a colour picture \(RGB\)"):
        read_label_image(tmp_path / "m.tif")


def test_tiff_that_needs_a_decoder_says_how_to_get_it(tmp_path, monkeypatch, masks):
    tifffile.imwrite(tmp_path / "m.tif", masks)

    def missing(*args, **kwargs):
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr(tifffile, "imread", missing)
    with pytest.raises(OSError, match=r"m.tif .*LZW.*pip install imagecodecs"):
        read_label_image(tmp_path / "m.tif")


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16])
def test_png(tmp_path, masks, dtype):
    expected = masks.astype(dtype)
    Image.fromarray(expected).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_label_image(tmp_path / "m.png"), expected)


def test_png_of_the_size_of_a_slide(tmp_path, monkeypatch, masks):
    Image.fromarray(masks).save(tmp_path / "m.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    np.testing.assert_array_equal(read_label_image(tmp_path / "m.png"), masks)


@pytest.mark.parametrize(
    ("mode", "kind"), [("P", "palette"), ("RGB", "RGB"), ("RGBA", "RGBA"), ("LA", "LA")]
)
def test_png_in_colour(tmp_path, mode, kind):
    Image.new(mode, (4, 5)).save(tmp_path / "m.png")
    with pytest.raises(ValueError, match=rf"m.png is a colour picture \({kind}\).*16-bit"):
        read_label_image(tmp_path / "m.png")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"m.npy does not exist. Accepted: .npy, .npz"):
        read_label_image(tmp_path / "m.npy")


def test_folder(tmp_path):
    with pytest.raises(IsADirectoryError, match=f"is a folder and not a Zarr store. {ACCEPTED}"):
        read_label_image(tmp_path)


@pytest.mark.parametrize("name", ["m.jpg", "m", "m.npy.gz", "m.zarr"])
def test_unknown_suffix(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(ValueError, match=rf"{name} has the suffix .* {ACCEPTED}"):
        read_label_image(tmp_path / name)


@pytest.mark.parametrize("suffix", ["npy", "npz", "tif", "png"])
@pytest.mark.parametrize("content", [b"", b"no image at all", bytes(5000)])
def test_no_image_at_all(tmp_path, suffix, content):
    (tmp_path / f"m.{suffix}").write_bytes(content)
    with pytest.raises(OSError, match=rf"m.{suffix} cannot be read: .*damaged.*Accepted"):
        read_label_image(tmp_path / f"m.{suffix}")


@pytest.mark.parametrize("suffix", ["npy", "npz", "tif", "png"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_half_a_file(tmp_path, suffix, part):
    path = tmp_path / f"m.{suffix}"
    noise = np.random.default_rng(0).integers(0, 60000, (64, 64)).astype(np.uint16)
    if suffix == "npy":
        np.save(path, noise)
    elif suffix == "npz":
        np.savez_compressed(path, noise)
    elif suffix == "tif":
        tifffile.imwrite(path, noise, rowsperstrip=8, compression="deflate")
    else:
        Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(OSError, match=rf"m.{suffix} cannot be read"):
        read_label_image(path)


def test_file_without_permission(tmp_path, monkeypatch, masks):
    np.save(tmp_path / "m.npy", masks)

    def refuse(*args):
        raise PermissionError(13, "Permission denied", "m.npy")

    monkeypatch.setattr("pathlib.Path.open", refuse)  # chmod does not stop root
    with pytest.raises(OSError, match=r"m.npy cannot be read: Permission denied\."):
        read_label_image(tmp_path / "m.npy")


def test_element_of_a_file_with_one_image(tmp_path, masks):
    np.save(tmp_path / "m.npy", masks)
    with pytest.raises(ValueError, match=r"m.npy holds one image.*'nuclei'"):
        read_label_image(tmp_path / "m.npy", element="nuclei")
