"""`postseg report`: of a store as it was filtered or with other thresholds, of any label image."""

import html
import re
import shutil
import sys
import warnings

import numpy as np
import pytest
from click.testing import CliRunner
from drawing import squares
from PIL import Image
from sampling import some
from spatialdata import SpatialData, read_zarr
from spatialdata.models import Image2DModel

from postseg import FilterConfig, PostSegmentation
from postseg.cli.main import main
from postseg.elements.build import labels_element, write_store

MASKS = squares(*[12] * 6, *[10] * 3, 4, 3)
STRICT = FilterConfig(min_area=110, max_convexity_deficit=None)  # keeps 6 of 11
REASONS = ["giant", "too_rectangular", "too_small"]  # of a subclass: new, widened where off, on


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("m.npy", MASKS)
    return tmp_path


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A store to be copied: to write it takes a second."""
    path = tmp_path_factory.mktemp("written") / "cells.zarr"
    PostSegmentation(
        MASKS, factor_rescale=2, label_name="cells", filter_config=STRICT, verbose=False
    ).write(path)
    return path


@pytest.fixture
def store(folder, written):
    """The store in the working directory."""
    return shutil.copytree(written, folder / "cells.zarr")


def invoke(*args):
    return CliRunner().invoke(main, ["report", *map(str, args)])


def succeed(*args):
    result = invoke(*args)
    assert result.exit_code == 0, result.output
    return result.stdout


def fail(*args):
    result = invoke(*args)
    assert result.exit_code > 0
    return result.stderr.splitlines()[-1]


def page(name="r.html"):
    with open(name, encoding="utf-8") as file:
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", file.read())).split())


def test_a_label_image_is_filtered_for_it(folder):
    said = succeed("m.npy", "-o", "r.html", "--min-absolute-area", 11, "--min-area", "none")
    assert said.startswith("Wrote r.html: 10 of 11 regions passed, in ")
    assert "10 of 11 regions passed" in page()
    assert "m.npy, filtered for this page" in page()
    assert "min_absolute_area = 11" in page()
    assert sorted(path.name for path in folder.iterdir()) == ["m.npy", "r.html"]


def test_a_store_is_shown_as_it_was_filtered(store):
    assert "6 of 11 regions passed" in succeed("cells.zarr", "-o", "r.html")
    assert "6 of 11 regions passed" in page()
    assert "min_area = 110" in page()
    assert "for this page" not in page()


def test_a_store_with_other_thresholds(store):
    said = succeed("cells.zarr", "-o", "r.html", "--min-area", "none")
    assert "9 of 11 regions passed" in said
    assert "filtered anew for this page with other thresholds" in page()
    assert 'max_convexity_deficit = "none"' in page()  # as in the store


@pytest.mark.parametrize("reason", some(REASONS, 1))
def test_a_store_of_a_subclass_is_shown_as_stored_and_it_says_so(folder, reason):
    """Whether it widens a test that is on or off, or adds one."""

    class Own(PostSegmentation):
        def rejections(self, regions):
            failed = super().rejections(regions)
            failed[reason] = (regions.index < 4) | failed.get(reason, regions["area"] < 0)
            return failed

    Own(MASKS, label_name="cells", filter_config=STRICT, verbose=False).write("cells.zarr")
    said = succeed("cells.zarr", "-o", "r.html")
    name = reason.replace("_", " ").title()
    note = (
        f"Tests that a subclass changed or added ({name}) are shown as stored: what other "
        "thresholds would do to their regions is an estimate."
    )
    assert "3 of 11 regions passed" in said
    assert "3 of 11 regions passed" in page()
    assert note in said
    assert note in page()
    assert note not in succeed("cells.zarr", "-o", "q.html", "--quiet")
    said = succeed("cells.zarr", "-o", "r.html", "--overwrite", "--min-area", "none")
    assert "6 of 11 regions passed" in said
    assert note in said
    assert f"filtered anew for this page with other thresholds. {note}" in page()


def test_a_store_without_a_subclass_says_nothing_of_one(store):
    assert "subclass" not in succeed("cells.zarr", "-o", "r.html")
    assert "subclass changed or added" not in page()


def test_a_config_takes_the_place_of_the_thresholds_of_a_store(store, folder):
    (folder / "c.toml").write_text("min_absolute_area = 5")
    succeed("cells.zarr", "-o", "r.html", "--config", "c.toml", "--max-area", 130)
    assert "min_absolute_area = 5" in page()
    assert "max_area = 130" in page()
    assert "max_convexity_deficit = 0.2" in page()  # the default


def test_the_labels_of_a_store_without_an_audit_are_filtered_for_it(folder):
    import dask.array as da

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labels = labels_element([da.from_array(MASKS.astype(np.int32))], "nuclei")
        write_store("other.zarr", {"nuclei": labels}, {})
    said = succeed("other.zarr", "-o", "r.html")
    post = PostSegmentation(MASKS, verbose=False)
    post.refilter()
    assert f"{post.filter_report.passed} of 11 regions passed" in said
    assert "other.zarr, filtered for this page" in page()


def test_title(folder):
    succeed("m.npy", "-o", "r.html", "--title", "<Tile 7>")
    with open("r.html", encoding="utf-8") as file:
        assert "&lt;Tile 7&gt;" in file.read()
    succeed("m.npy", "-o", "s.html")
    assert page("s.html").split("Cell filter report")[-1].split()[0] == "m"


def test_the_microscope_image_is_drawn_on(folder):
    Image.fromarray(np.full((2 * MASKS.shape[0], 2 * MASKS.shape[1], 3), 90, np.uint8)).save(
        "t.png"
    )
    succeed("m.npy", "-o", "plain.html")
    succeed("m.npy", "-o", "r.html", "--image", "t.png")
    with open("plain.html") as plain, open("r.html") as on_tissue:
        assert "data:image/jpeg" not in plain.read()
        assert "data:image/jpeg" in on_tissue.read()


def test_quiet_prints_nothing(folder):
    assert succeed("m.npy", "-o", "r.html", "--quiet") == ""


@pytest.mark.filterwarnings("always")
def test_nothing_survives_is_a_page_and_a_warning(folder):
    result = invoke("m.npy", "-o", "r.html", "--min-absolute-area", 1e6)
    assert result.exit_code == 0
    assert "None of the 11 regions passed" in result.stderr
    assert "0 of 11 regions passed" in page()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("m.npy", "-o", "m.npy"), r"m\.npy must end in \.html"),
        (("m.npy", "-o", "s.zarr/r.html"), r"s\.zarr/r\.html lies in the Zarr store"),
        (("m.npy", "-o", "dir.html", "--overwrite"), r"dir\.html is a folder\. Choose another"),
        (("m.npy", "-o", f"{'r' * 251}.html"), "its name has 256 bytes, and 255 are possible"),
        (("m.npy", "-o", "nowhere/r.html"), "create the folder .*nowhere first"),
        (("m.npy", "-o", "old.html"), "old.html exists.*--overwrite"),
        (("m.npy", "-o", "r.html", "--min-solidity", "2"), "min_solidity"),
        (("m.npy", "-o", "r.html", "--config", "no.toml"), "no.toml"),
    ],
)
def test_refused_before_any_work(folder, monkeypatch, args, message):
    (folder / "old.html").write_text("precious")
    (folder / "dir.html").mkdir()
    (folder / "s.zarr").mkdir()
    (folder / "s.zarr" / "zarr.json").touch()
    monkeypatch.setattr(
        "postseg.files.read.read_label_image", lambda *_, **__: pytest.fail("was read")
    )
    if "--min-solidity" in args:  # found when it filters
        monkeypatch.undo()
        monkeypatch.chdir(folder)
    assert re.search(message, fail(*args))
    assert (folder / "old.html").read_text() == "precious"
    assert not (folder / "r.html").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("no.npy", "-o", "r.html"), "no.npy does not exist"),
        (("m.npy", "-o", "r.html", "--image", "no.png"), "no.png does not exist"),
        (("m.npy", "-o", "r.html", "--image", "t.png"), r"shape \(5, 5\).*14 x 121"),
    ],
)
def test_bad_input(folder, args, message):
    Image.fromarray(np.zeros((5, 5), np.uint8)).save("t.png")
    assert re.search(message, fail(*args))
    assert not (folder / "r.html").exists()


@pytest.mark.parametrize("library", ["matplotlib", "jinja2"])
def test_a_missing_library_is_named_before_any_work(folder, monkeypatch, library):
    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, library, None)
    for name in ("page.render", "page.pictures", "figures", "sheet", "charts"):
        monkeypatch.delitem(sys.modules, f"postseg.show.{name}", raising=False)
    monkeypatch.setattr(
        "postseg.files.read.read_label_image", lambda *_, **__: pytest.fail("was read")
    )
    assert 'pip install "postseg[plot]"' in fail("m.npy", "-o", "r.html")


@pytest.mark.parametrize("name", ["he", "slide.zarr/images/he"])
def test_drawn_on_an_image_element(store, folder, name):
    pixels = np.random.default_rng(0).integers(0, 255, (3, *np.multiply(MASKS.shape, 2)), np.uint8)
    image = Image2DModel.parse(pixels, dims=("c", "y", "x"))
    where = store if name == "he" else folder / "slide.zarr"
    sdata = read_zarr(store) if name == "he" else SpatialData()
    sdata["he"] = image
    sdata.write_element("he") if name == "he" else sdata.write(where)
    succeed("cells.zarr", "-o", "drawn.html", "--image", name)
    succeed("cells.zarr", "-o", "plain.html")
    assert (folder / "drawn.html").stat().st_size > 2 * (folder / "plain.html").stat().st_size
    for image, more in (("she", ""), ("she.png", ", nor is there such a file")):
        said = fail("cells.zarr", "-o", "x.html", "--image", image)
        assert f"has no image element '{image}'{more}. It has" in said
