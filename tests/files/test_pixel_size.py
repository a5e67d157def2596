"""The size of a pixel, as files tell it."""

import json

import numpy as np
import pytest
import tifffile

from postseg.files.pixel_size import read_pixel_size

PLANE = np.zeros((4, 5), np.uint8)


def ome(folder, name="a.ome.tif", **metadata):
    tifffile.imwrite(folder / name, PLANE, ome=True, metadata={"axes": "YX", **metadata})
    return folder / name


def sizes(across, down=None, unit=None, unit_y=None):
    found = {"PhysicalSizeX": across, "PhysicalSizeY": across if down is None else down}
    if unit is not None:
        found |= {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit_y or unit}
    return found


def described(folder, text):
    """A TIFF with OME-XML that tifffile would not write."""
    tifffile.imwrite(folder / "a.tiff", PLANE, description=text.encode(), metadata=None)
    return folder / "a.tiff"


@pytest.mark.parametrize("as_type", [str, lambda path: path])
@pytest.mark.parametrize(
    ("size", "unit"),
    [
        (0.2125, None),
        (0.2125, "µm"),
        (0.2125, "\u03bcm"),
        (212.5, "nm"),
        (0.0002125, "mm"),
        (0.00002125, "cm"),
        (2.125e-7, "m"),
        (2125, "Å"),
        (2125, "\u212b"),
    ],
)
def test_an_ome_tiff_tells_it_in_its_unit(tmp_path, size, unit, as_type):
    assert read_pixel_size(as_type(ome(tmp_path, **sizes(size, unit=unit)))) == 0.2125


def test_inches(tmp_path):
    assert read_pixel_size(ome(tmp_path, **sizes(0.001, unit="in"))) == 25.4


def test_the_units_of_the_axes_may_differ(tmp_path):
    assert read_pixel_size(ome(tmp_path, **sizes(0.5, 500, unit="µm", unit_y="nm"))) == 0.5


def test_sides_that_differ_by_a_thousandth_are_of_a_square(tmp_path):
    assert read_pixel_size(ome(tmp_path, **sizes(0.5, 0.5004))) == 0.5


def test_experiment_xenium(tmp_path):
    path = tmp_path / "experiment.xenium"
    path.write_text(json.dumps({"run_name": "a", "pixel_size": 0.2125}))
    assert read_pixel_size(path) == 0.2125


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (sizes(0.5, 0.501), r"pixels of 0.5 um \(PhysicalSizeX\) by 0.501 um .*Resample"),
        ({}, r"tells no PhysicalSizeX\. .*--pixel-size"),
        ({"PhysicalSizeX": 0.5}, r"tells no PhysicalSizeY\. .*--pixel-size"),
        (sizes(1, unit="pixel"), r"PhysicalSizeXUnit 'pixel', not one of .*nm.*--pixel-size"),
        (sizes(0), r"PhysicalSizeX '0', which is no size"),
        (sizes("nan"), r"PhysicalSizeX 'nan', which is no size"),
        (sizes("1e9999999999"), r"which is no size"),
    ],
)
def test_what_is_no_size_of_a_square_pixel_is_refused(tmp_path, metadata, message):
    with pytest.raises(ValueError, match=rf"a\.ome\.tif .*{message}"):
        read_pixel_size(ome(tmp_path, **metadata))


BOMB = '<!DOCTYPE b [<!ENTITY a "9"><!ENTITY b "&a;&a;">]>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"<?xml version='1.0'?>{BOMB}<OME><Pixels PhysicalSizeX='&b;'/></OME>", "DOCTYPE"),
        ("<OME><Pixels></OME>", "OME-XML that is not valid"),
        ("<OME></OME>", "tells no PhysicalSizeX"),
        ("a plain text", "is no OME-TIFF"),
    ],
)
def test_other_descriptions_are_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=rf"a\.tiff .*{message}.*--pixel-size"):
        read_pixel_size(described(tmp_path, text))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not valid JSON"),
        ("[" * 10**5, "is not valid JSON"),
        ("\u00e4", "is not valid JSON"),
        ("[0.2]", "tells no pixel_size"),
        ('{"run": 1}', "tells no pixel_size"),
        ('{"pixel_size": -1}', "the pixel_size -1, which is no size"),
        ('{"pixel_size": "0.2"}', "the pixel_size '0.2', which is no size"),
        ('{"pixel_size": true}', "the pixel_size True, which is no size"),
        ('{"pixel_size": NaN}', "the pixel_size nan, which is no size"),
    ],
)
def test_a_bad_experiment_is_refused(tmp_path, content, message):
    path = tmp_path / "experiment.xenium"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=rf"experiment\.xenium .*{message}.*--pixel-size"):
        read_pixel_size(path)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("0.2125")
    (tmp_path / "a.tif").write_bytes(b"no image")
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(ValueError, match=r"a\.txt has the suffix '\.txt'.*OME-TIFF"):
        read_pixel_size(tmp_path / "a.txt")
    with pytest.raises(OSError, match=r"a\.tif cannot be read"):
        read_pixel_size(tmp_path / "a.tif")
    with pytest.raises(IsADirectoryError, match=r"folder\.tif is a folder"):
        read_pixel_size(tmp_path / "folder.tif")
    with pytest.raises(FileNotFoundError, match=r"absent\.tif does not exist.*OME-TIFF"):
        read_pixel_size(tmp_path / "absent.tif")
