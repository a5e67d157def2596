"""A store of the user's is never replaced: only one in which everything is by postseg."""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import spatialdata as sd
import zarr
from click.testing import CliRunner
from drawing import OFF, squares
from light import light, light_tables, whole  # noqa: F401 - fixtures of all tests here
from sampling import some
from spatialdata.models import Image2DModel, PointsModel
from spatialdata.transformations import Scale, set_transformation
from trees import snapshot

from postseg import PostSegmentation, demo
from postseg.cli.main import main

# anndata, when the tests themselves write a table
pytestmark = pytest.mark.filterwarnings("ignore:zarr v3 autosharding")

MASKS = squares(12, 13, 2)


def processed(name="cells"):
    return PostSegmentation(MASKS, 2, name, filter_config=OFF, verbose=False)


@pytest.fixture(scope="module")
def of_postseg(tmp_path_factory):
    """A store to be copied, with a light table."""
    path = tmp_path_factory.mktemp("of_postseg") / "s.zarr"
    with pytest.MonkeyPatch.context() as patch:
        light_tables(patch)
        processed().write(path)
    return path


@pytest.fixture
def path(tmp_path):
    """Where a store is to be."""
    (tmp_path / "stores").mkdir()
    return tmp_path / "stores" / "s.zarr"


@pytest.fixture
def stored(path, of_postseg):
    """Where there is a store of postseg."""
    return Path(shutil.copytree(of_postseg, path))


def image():
    return Image2DModel.parse(np.ones((1, 8, 8), np.uint8), dims=("c", "y", "x"))


def of_a_user(path):
    places = pd.DataFrame({"x": [1.0, 2.0], "y": [3.0, 4.0]})
    with warnings.catch_warnings(action="ignore"):  # spatialdata uses what pandas 3.1 deprecates
        points = {"transcripts": PointsModel.parse(places)}
        sd.SpatialData(images={"he": image()}, points=points).write(path)


def by_python(path):
    processed().write(path, overwrite=True)


def by_export(path):
    processed().export(path, overwrite=True)


def by_command(path):
    masks = path.parent.parent / "m.npy"
    np.save(masks, MASKS)
    args = ["run", masks, "-o", path, "--overwrite", "--quiet"]
    result = CliRunner().invoke(main, [*map(str, args)])
    if result.exit_code:
        assert result.stderr.count("\n") == 1
        raise FileExistsError(result.stderr)


def by_demo(path):
    path.rename(path.with_name("nuclei.zarr"))
    try:
        demo.run_demo(path.parent, verbose=False, overwrite=True)
    finally:
        path.with_name("nuclei.zarr").rename(path)


WAYS = [by_python, by_export, by_command, by_demo]
ways = pytest.mark.parametrize("replace", WAYS)


@pytest.fixture
def no_work(monkeypatch):
    for name in ("postseg.files.read.read_label_image", "postseg.demo.segment_nuclei"):
        monkeypatch.setattr(name, lambda *_, **__: pytest.fail("work was done"))
    step = "process_masks_to_shapes"
    monkeypatch.setattr(PostSegmentation, step, lambda _: pytest.fail("work was done"))


def assert_refused(path, lost, replace=by_python):
    before = snapshot(path.parent)
    with pytest.raises(FileExistsError, match="is not replaced, because that would lose") as error:
        replace(path)
    assert f": {', '.join(lost)}. Choose another name, add to it with add_to()" in str(error.value)
    assert "delete it yourself" in str(error.value)
    assert snapshot(path.parent) == before


@ways
def test_a_store_of_a_user_is_refused_before_any_work(path, no_work, replace):
    of_a_user(path)
    assert_refused(path, ["images/he", "points/transcripts"], replace)


def add_image(path):
    sdata = sd.read_zarr(path)
    sdata["he"] = image()
    sdata.write_element("he")
    return ["images/he"]


def annotate_table(path):
    sdata = sd.read_zarr(path)
    sdata["cells_table"].obs["type"] = "B cell"
    sdata.delete_element_from_disk("cells_table")
    sdata.write_element("cells_table")
    return ["tables/cells_table (changed since)"]


def register(path):
    sdata = sd.read_zarr(path)
    set_transformation(
        sdata["cells_shapes"], Scale([2, 2], ("x", "y")), "slide", write_to_sdata=sdata
    )
    return ["shapes/cells_shapes (changed since)"]


def correct_a_label(path):
    zarr.open_array(path / "labels/cells/s0", mode="r+")[0, 0] = 7
    return ["labels/cells (changed since)"]


def describe(path):
    sdata = sd.read_zarr(path)
    sdata.attrs["patient"] = 12
    sdata.write_attrs()
    return ["attribute 'patient'"]


def add_file(path):
    (path / "notes.txt").write_text("years of work")
    return ["notes.txt"]


def add_file_to_element(path):
    (path / "labels" / "cells" / "notes.txt").write_text("years of work")
    return ["labels/cells (changed since)"]


def link_image(path):
    (path / "images").symlink_to(path.parent)
    return ["images"]


@pytest.mark.parametrize(
    "edit",
    [
        add_image,
        annotate_table,
        register,
        correct_a_label,
        describe,
        add_file,
        add_file_to_element,
        link_image,
    ],
)
def test_what_a_user_did_to_a_store_of_postseg_is_refused(stored, edit):
    assert_refused(stored, edit(stored))


@pytest.mark.usefixtures("whole")
def test_the_mark_does_not_cover_what_is_written_with_it_elsewhere(path):
    """SpatialData copies attributes, and with them the mark."""
    processed().write(path)
    sdata = sd.read_zarr(path)
    sdata["cells_table"].obs["type"] = "B cell"
    sdata["he"] = image()
    sdata.write(path.with_name("t.zarr"))
    with pytest.raises(FileExistsError, match=r"images/he.*tables/cells_table \(changed since\)"):
        by_python(path.with_name("t.zarr"))


def write_array(path):
    zarr.create_array(path, shape=(8, 8), chunks=(4, 4), dtype="i4")[:] = 1
    return ["c"]


def write_empty_array(path):
    zarr.create_array(path, shape=(8, 8), chunks=(4, 4), dtype="i4")
    return ["s.zarr"]


def write_ome_zarr(path):
    group = zarr.open_group(path, mode="w", zarr_format=2, attributes={"multiscales": []})
    for level in "01":
        group.create_array(level, shape=(8, 8), chunks=(8, 8), dtype="u1")[:] = 1
    return ["0", "1"]


def write_many(path):
    group = zarr.open_group(path, mode="w")
    for name in "abcdefg":
        group.create_group(name)
    return ["a", "b", "c", "d", "e and 2 more"]


def write_unmarked(path):
    processed().to_spatialdata().write(path)
    return ["labels/cells", "shapes/cells_shapes", "tables/cells_table"]


@pytest.mark.parametrize(
    "write", [write_array, write_empty_array, write_ome_zarr, write_many, write_unmarked]
)
def test_other_zarr_is_refused(path, write):
    assert_refused(path, write(path))


@pytest.mark.parametrize("mark", [None, 1, [], {}, {"elements": None}, {"elements": ["he"]}])
def test_what_only_looks_like_a_mark_is_none(path, mark):
    of_a_user(path)
    root = json.loads((path / "zarr.json").read_text())
    root["attributes"]["postseg"] = mark
    (path / "zarr.json").write_text(json.dumps(root))
    assert_refused(path, ["images/he", "points/transcripts"])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"attributes": 3}', "\xff"])
def test_a_damaged_root_is_refused(stored, text):
    (stored / "zarr.json").write_text(text, encoding="latin-1")
    assert_refused(stored, ["labels/cells", "shapes/cells_shapes", "tables/cells_table"])


def copy(path):
    shutil.copytree(path, path.with_name("copy"))
    shutil.rmtree(path)
    path.with_name("copy").rename(path)


def write_metadata(path):
    sdata = sd.read_zarr(path)
    sdata.write_metadata()
    sdata.write_consolidated_metadata()


def delete_table(path):
    sd.read_zarr(path).delete_element_from_disk("cells_table")


def look_at_it(path):
    sd.read_zarr(path)
    (path / "labels" / "cells" / ".DS_Store").write_bytes(b"\0")
    (path / ".DS_Store").write_bytes(b"\0")


@pytest.mark.parametrize("replace", some(WAYS, 2))
def test_a_store_of_postseg_is_replaced(path, monkeypatch, replace):
    # the demo draws too
    monkeypatch.setattr("postseg.show.pictures._LONG_SIDE", 400)
    monkeypatch.setattr("postseg.filtering.sweep._STEPS", 8)
    processed("old").write(path)
    replace(path)
    assert "old" not in sd.read_zarr(path)
    replace(path)


@pytest.mark.parametrize("edit", [copy, write_metadata, delete_table, look_at_it])
def test_it_still_is_one_after(stored, edit):
    edit(stored)
    processed("new").write(stored, overwrite=True)
    assert set(sd.read_zarr(stored).labels) == {"new"}


def test_what_is_added_meanwhile_is_not_lost(stored, monkeypatch):
    post, outline = processed("new"), PostSegmentation.process_masks_to_shapes

    def outlined(self):
        outline(self)
        add_image(stored)

    monkeypatch.setattr(PostSegmentation, "process_masks_to_shapes", outlined)
    with pytest.raises(FileExistsError, match=r"would lose .*images/he"):
        post.write(stored, overwrite=True)
    assert [entry.name for entry in stored.parent.iterdir()] == ["s.zarr"]
    assert {"cells", "he"} <= {name for _, name, _ in sd.read_zarr(stored).gen_elements()}


def test_what_is_added_at_the_last_moment_is_not_lost(stored, monkeypatch):
    write = sd.SpatialData.write

    def written(self, *args, **kwargs):
        write(self, *args, **kwargs)
        monkeypatch.undo()
        add_image(stored)

    monkeypatch.setattr(sd.SpatialData, "write", written)
    with pytest.raises(FileExistsError, match=r"would lose .*images/he"):
        processed("new").write(stored, overwrite=True)
    assert {"cells", "he"} <= {name for _, name, _ in sd.read_zarr(stored).gen_elements()}
