"""Cells of the command line lie where the element or the image lies that the masks are of."""

import numpy as np
import pytest
import spatialdata as sd
import tifffile
from click.testing import CliRunner
from light import light, whole  # noqa: F401 - fixtures of all tests here
from spatialdata.models import Image2DModel, Labels2DModel
from spatialdata.transformations import Scale, Translation, get_transformation

from postseg.cli.main import main
from postseg.demo import segment_nuclei

XY = ("x", "y")
PLACE = {"global": Translation([1200, 350.5], XY), "his": Scale([3, 2], XY)}


@pytest.fixture(scope="module")
def nuclei():
    from skimage.data import immunohistochemistry

    return segment_nuclei(immunohistochemistry())


@pytest.fixture
def folder(tmp_path, monkeypatch, nuclei):
    """A store with nuclei and an image four times as large, and the same masks as a file."""
    monkeypatch.chdir(tmp_path)
    labels = Labels2DModel.parse(nuclei, dims=("y", "x"), transformations=PLACE)
    image = Image2DModel.parse(
        np.zeros((1, 2050, 2047), np.uint8), dims=("c", "y", "x"), transformations=PLACE
    )
    sd.SpatialData(labels={"nuclei": labels}, images={"he": image}).write("slide.zarr")
    np.save("masks.npy", nuclei)
    tifffile.imwrite("he.tif", np.zeros((2050, 2047, 3), np.uint8), photometric="rgb")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, ["run", *arguments, "--quiet", "--label-name", "cells"])


def matrices(name, element):
    element = sd.read_zarr(name)[element]
    found = get_transformation(element, get_all=True)
    return {system: t.to_affine_matrix(XY, XY) for system, t in found.items()}, element


def test_an_element_of_a_store_keeps_its_place(folder):
    assert run("slide.zarr", "--element", "nuclei", "-o", "cells.zarr").exit_code == 0
    found, labels = matrices("cells.zarr", "cells")
    expected, nuclei = matrices("slide.zarr", "nuclei")
    assert labels.shape == nuclei.shape
    for system in ("global", "his"):
        np.testing.assert_allclose(found[system], expected[system])
    assert CliRunner().invoke(main, ["verify", "cells.zarr"]).exit_code == 0


@pytest.mark.parametrize(
    ("masks", "reference"),
    [("slide.zarr", "he"), ("masks.npy", "slide.zarr/images/he"), ("slide.zarr", "he.tif")],
)
def test_masks_are_stretched_over_their_reference(folder, nuclei, masks, reference):
    element = ["--element", "nuclei"] if masks.endswith("zarr") else []
    options = ["--reference", reference, "--factor-rescale", "4"]
    result = run(masks, *element, *options, "-o", "cells.zarr")
    assert result.exit_code == 0, result.output
    found, labels = matrices("cells.zarr", "cells")
    assert labels.shape == (2050, 2047)
    expected = matrices("slide.zarr", "he")[0]
    if reference == "he.tif":  # of which only the shape is known, so that nuclei keep their place
        expected = matrices("slide.zarr", "nuclei")[0]
        to_masks = np.diag([nuclei.shape[1] / 2047, nuclei.shape[0] / 2050, 1])
        expected = {name: to_system @ to_masks for name, to_system in expected.items()}
    for name in ("global", "his"):
        np.testing.assert_allclose(found[name], expected[name])
    assert CliRunner().invoke(main, ["verify", "cells.zarr"]).exit_code == 0


def test_an_image_shape(folder, nuclei):
    result = run("masks.npy", "--image-shape", "600", "1000", "-o", "cells.zarr")
    assert result.exit_code == 0, result.output
    assert matrices("cells.zarr", "cells")[1].shape == (600, 1000)
    assert run("masks.npy", "--image-shape", "600", "1000", "-o", "cells.tif").exit_code == 0
    assert tifffile.imread("cells.tif").shape == (600, 1000)


@pytest.mark.usefixtures("whole")
def test_labels_that_are_not_enlarged_lie_at_the_same_place(folder, nuclei):
    result = run("masks.npy", "--factor-rescale", "4", "--no-enlarge", "-o", "cells.zarr")
    assert result.exit_code == 0, result.output
    found, labels = matrices("cells.zarr", "cells")
    assert labels.shape == nuclei.shape
    np.testing.assert_allclose(found["image"], np.diag([4, 4, 1]))
    assert CliRunner().invoke(main, ["verify", "cells.zarr"]).exit_code == 0
    page = ["report", "cells.zarr", "-o", "page.html", "--quiet"]
    assert CliRunner().invoke(main, page).exit_code == 0


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("no.tif", "no.tif does not exist. Give an image or labels element"),
        ("masks.npy", "masks.npy is neither an element of a store nor a TIFF file"),
        ("slide.zarr/images/no", "slide.zarr has no image or labels element 'no'. It has: he, nuc"),
    ],
)
def test_a_reference_that_is_none(folder, reference, message):
    result = run("masks.npy", "--reference", reference, "-o", "cells.zarr")
    assert result.exit_code == 1
    assert message in result.output
    assert not (folder / "cells.zarr").exists()


def test_no_output_takes_the_place_of_the_reference(folder):
    for reference, output in (("he.tif", "he.tif"), ("slide.zarr/images/he", "slide.zarr")):
        result = run("masks.npy", "--reference", reference, "-o", output, "--overwrite")
        assert result.exit_code == 1
        assert "which this run uses" in result.output


def test_a_tiff_without_an_element_is_global(folder):
    result = run("masks.npy", "--reference", "he.tif", "-o", "cells.zarr")
    assert result.exit_code == 0, result.output
    found, labels = matrices("cells.zarr", "cells")
    assert labels.shape == (2050, 2047)
    np.testing.assert_array_equal(found["global"], np.eye(3))


@pytest.mark.filterwarnings("default:the SpatialData object has")
def test_who_adds_cells_that_do_not_lie_in_global_is_told(folder, nuclei):
    sdata = sd.read_zarr("slide.zarr")
    place = {"his": Scale([3, 2], XY)}
    sdata["apart"] = Labels2DModel.parse(nuclei, dims=("y", "x"), transformations=place)
    sdata.write_element("apart")
    result = run("slide.zarr", "--element", "apart", "--add-to")
    assert result.exit_code == 0, result.output
    assert "nothing tells how the masks lie to them" in result.stderr
    assert "--reference he" in result.stderr
