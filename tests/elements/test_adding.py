"""Elements are added to the user's own object and store; a store that cannot take them is left."""

import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import spatialdata as sd
import zarr
from adding import NAMES, assert_same_files, elements, environment, names_in, opened, write_store
from anndata import AnnData
from drawing import OFF, squares
from light import light, whole  # noqa: F401 - fixtures of all tests here
from pandas.testing import assert_frame_equal
from sampling import some
from spatialdata._io.format import SpatialDataContainerFormatV01
from spatialdata.transformations import get_transformation
from trees import snapshot

from postseg import PostSegmentation
from postseg._support import ownership
from postseg._support.consolidated import documents
from postseg.elements import build
from postseg.elements.adding import add_to_store
from postseg.verify.verification import verify_store

pytestmark = [
    pytest.mark.filterwarnings("ignore:zarr v3 autosharding"),
    # where cells lie to the other elements is the subject of test_users_slide
    pytest.mark.filterwarnings("ignore:the SpatialData object has"),
]

EXAMPLES = int(os.environ.get("POSTSEG_EXAMPLES", 2))
ENDS = ("", "_shapes", "_table", "_transcripts")
OLD = ["he", "nuclei", "nuclei_shapes", "nuclei_table", "transcripts"]


def processed(name="cells"):
    return PostSegmentation(squares(12, 13, 2), 2, name, filter_config=OFF, verbose=False)


def added(name):
    return [name, f"{name}_shapes", f"{name}_table"]


def assert_same(one, other):
    """Two elements are the same: values, and places where there are any."""
    if isinstance(one, AnnData):
        assert_frame_equal(one.obs[["label", "region"]], other.obs[["label", "region"]])
        return
    ways, expected = (get_transformation(each, get_all=True) for each in (one, other))
    assert ways.keys() == expected.keys()
    for system, way in ways.items():
        matrix = way.to_affine_matrix(("x", "y"), ("x", "y"))
        np.testing.assert_array_equal(
            matrix, expected[system].to_affine_matrix(("x", "y"), ("x", "y"))
        )
    if isinstance(one, pd.DataFrame):
        assert_frame_equal(pd.DataFrame(one), pd.DataFrame(other))
    elif hasattr(one, "compute") and not hasattr(one, "dims"):
        assert_frame_equal(one.compute(), other.compute())
    else:
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "stores").mkdir()
    return tmp_path / "stores" / "user.zarr"


# ---- what is there then


@pytest.mark.parametrize("consolidated", [True, False])
@pytest.mark.parametrize("kinds", [("images",), ("images", "labels", "points", "shapes", "tables")])
def test_everything_is_as_it_was_and_the_new_elements_are_there(path, consolidated, kinds):
    write_store(path, consolidated, kinds)
    before, root = snapshot(path), json.loads((path / "zarr.json").read_bytes())
    sdata = opened(path)
    old = {name: element for _, name, element in sdata.gen_elements()}
    assert processed().add_to(sdata) is sdata
    assert {name for _, name, _ in sdata.gen_elements()} == {*old, *added("cells")}

    assert_same_files(before, snapshot(path))
    assert os.listdir(path.parent) == ["user.zarr"]
    stored = opened(path)
    assert names_in(path) == sorted([*old, *added("cells")])
    for name, element in {**old, **{name: sdata[name] for name in added("cells")}}.items():
        assert_same(stored[name], element)
    assert stored.has_consolidated_metadata() == consolidated
    assert verify_store(path, "cells", "cells_shapes", "cells_table").ok

    after = json.loads((path / "zarr.json").read_bytes())
    assert after["attributes"] == root["attributes"]
    if consolidated:
        listed = after["consolidated_metadata"]["metadata"]
        old_list = root["consolidated_metadata"]["metadata"]
        assert {k: listed[k] for k in old_list.keys() - {"labels"}} == {
            k: old_list[k] for k in old_list.keys() - {"labels"}
        }
        assert listed == documents(path)
        stored.write_consolidated_metadata()
        anew = json.loads((path / "zarr.json").read_bytes())
        assert anew["consolidated_metadata"]["metadata"] == listed
    else:
        assert (path / "zarr.json").read_bytes() == before["zarr.json"]


def test_ome_zarr_readers_find_the_labels(path):
    """In the list that spatialdata keeps when it writes an element itself."""
    write_store(path)
    processed().add_to(opened(path))
    assert zarr.open_group(path / "labels").attrs["ome"]["labels"] == ["nuclei", "cells"]
    assert zarr.open_group(path)["labels"].attrs["ome"]["labels"] == ["nuclei", "cells"]


def test_what_was_opened_before_goes_on_and_spatialdata_can_add_more(path):
    write_store(path)
    sdata = opened(path)
    processed("one").add_to(sdata)
    processed("two").add_to(sdata)
    sdata["own"] = elements()[0]["new"]
    sdata.write_element("own")
    assert names_in(path) == sorted([*OLD, *added("one"), *added("two"), "own"])
    sdata.delete_element_from_disk("one")
    del sdata["one"]
    assert "one" not in names_in(path)


def test_the_mark_covers_what_is_added_to_a_store_of_postseg(path):
    processed("one").write(path)
    processed("two").add_to(opened(path))
    assert ownership.not_ours(path) == []
    processed("three").write(path, overwrite=True)
    assert names_in(path) == added("three")


def test_the_mark_covers_nothing_of_others(path):
    processed("one").write(path)
    sdata = opened(path)
    sdata["own"] = elements()[0]["new"]
    sdata.write_element("own")
    processed("two").add_to(opened(path))
    assert ownership.not_ours(path) == ["labels/own", "labels/zarr.json (changed since)"]


def test_a_store_of_a_user_gets_no_mark(path):
    write_store(path)
    processed().add_to(opened(path))
    assert "labels/cells" in ownership.not_ours(path)
    assert ownership.KEY not in zarr.open_group(path).attrs


def test_through_a_link(path, monkeypatch):
    """All is done beside the store, and nothing beside the link to it."""
    write_store(path)
    (path.parent.parent / "links").mkdir()
    link = path.parent.parent / "links" / "user.zarr"
    link.symlink_to(path)
    access = os.access
    monkeypatch.setattr(os, "access", lambda p, m: not str(p).endswith("links") and access(p, m))
    processed().add_to(opened(link))
    assert link.is_symlink()
    assert names_in(path) == sorted([*OLD, *added("cells")])
    assert os.listdir(path.parent) == os.listdir(link.parent) == ["user.zarr"]


def test_rights_of_the_root_stay(path):
    write_store(path)
    (path / "zarr.json").chmod(0o664)
    processed().add_to(opened(path))
    assert (path / "zarr.json").stat().st_mode & 0o777 == 0o664


@pytest.mark.usefixtures("whole")
def test_the_masks_may_be_of_the_same_store(path):
    write_store(path)
    sdata = opened(path)
    PostSegmentation(sdata["nuclei"], label_name="cells", filter_config=OFF, verbose=False).add_to(
        sdata
    )
    np.testing.assert_array_equal(opened(path)["cells"], sdata["nuclei"])


# ---- what is refused


@pytest.fixture
def no_work(monkeypatch):
    for step in ("process_masks_to_shapes", "process_labels"):
        monkeypatch.setattr(PostSegmentation, step, lambda _: pytest.fail("work was done"))


def in_the_object(path, sdata):
    sdata["Cells"] = elements()[0]["new"]
    return "SpatialData object has an element 'Cells' already; choose another label_name"


def on_disk_only(path, sdata):
    sdata["CELLS"] = elements()[0]["new"]
    sdata.write_element("CELLS")
    del sdata["CELLS"]
    return "has an element 'CELLS' in labels already; choose another label_name"


def of_another_kind(path, sdata):
    sdata["Cells_Table"] = elements()[0]["new"]
    sdata.write_element("Cells_Table")
    del sdata["Cells_Table"]
    return "has an element 'Cells_Table' in labels already"


def listed_only(path, sdata):
    on_disk_only(path, sdata)
    shutil.rmtree(path / "labels" / "CELLS")
    return "has an element 'CELLS' in labels already"


def orphan(path, sdata):
    shutil.copytree(path / "labels" / "nuclei", path / "shapes" / "Cells_shapes")
    return "has shapes/Cells_shapes on disk, which is none of its elements"


def file_in_the_way(path, sdata):
    (path / "labels" / "cells").write_text("years of work")
    return "has labels/cells on disk, which is none of its elements"


def no_group(path, sdata):
    (path / "tables" / "zarr.json").unlink()
    return "has tables on disk, which is no group of Zarr"


def file_for_a_kind(path, sdata):
    shutil.rmtree(path / "tables")
    (path / "tables").write_text("years of work")
    return "has tables on disk, which is no group of Zarr"


def gone(path, sdata):
    path.rename(path.with_name("elsewhere.zarr"))
    return "user.zarr is no folder on this machine"


def remote(path, sdata):
    sdata.path = "s3://bucket/user.zarr"
    return "s3://bucket/user.zarr is no folder on this machine"


def no_spatialdata(path, sdata):
    shutil.rmtree(path)
    zarr.open_group(path, mode="w").create_group("labels")
    return "is no SpatialData store"


def no_store(path, sdata):
    (path / "zarr.json").unlink()
    return "is no SpatialData store"


def damaged(path, sdata):
    (path / "zarr.json").write_text("{")
    return r"cannot be read: its zarr\.json is damaged"


def in_another_store(path, sdata):
    zarr.open_group(path.parent, mode="a")
    return "lies in the Zarr store"


def format_2(path, sdata):
    shutil.rmtree(path)
    other = sd.SpatialData(labels=elements()[0])
    other.write(path, sdata_formats=SpatialDataContainerFormatV01())
    return r"is of Zarr format 2, .*spatialdata\.read_zarr\('.*user\.zarr'\)\.write\('new\.zarr'\)"


@pytest.mark.parametrize(
    "prepare",
    [
        in_the_object,
        on_disk_only,
        of_another_kind,
        listed_only,
        orphan,
        file_in_the_way,
        no_group,
        file_for_a_kind,
        gone,
        remote,
        no_spatialdata,
        no_store,
        damaged,
        in_another_store,
        format_2,
    ],
)
@pytest.mark.filterwarnings("ignore:SpatialData is not stored", "ignore:Object at")
def test_refused_before_any_work_and_not_touched(path, no_work, prepare):
    write_store(path)
    sdata = opened(path)
    expected = prepare(path, sdata)
    names = {name for _, name, _ in sdata.gen_elements()}
    before = snapshot(path.parent)
    with pytest.raises((ValueError, OSError), match=expected):
        processed().add_to(sdata)
    assert snapshot(path.parent) == before
    assert {name for _, name, _ in sdata.gen_elements()} == names


@pytest.mark.parametrize("refused", ["stores", "user.zarr", "shapes", "labels/zarr.json"])
def test_no_permission(path, no_work, monkeypatch, refused):
    write_store(path)
    before = snapshot(path.parent)
    access = os.access  # chmod does not stop root
    monkeypatch.setattr(os, "access", lambda p, m: not str(p).endswith(refused) and access(p, m))
    with pytest.raises(PermissionError, match=rf"user\.zarr: no permission to write .*{refused}"):
        processed().add_to(opened(path))
    assert snapshot(path.parent) == before


def test_another_file_system(path, no_work):
    """Where nothing could be moved in; this one is in memory."""
    write_store(path)
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == path.stat().st_dev:
        pytest.skip("there is one file system only")
    other = f"/dev/shm/postseg-{os.getpid()}"
    shutil.move(path / "labels", other)
    try:
        (path / "labels").symlink_to(other)
        before = snapshot(path.parent)
        with pytest.raises(ValueError, match=r"labels is on another file system than .*stores"):
            processed().add_to(opened(path))
        assert snapshot(path.parent) == before
    finally:
        shutil.rmtree(other)


def test_in_memory_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    processed().add_to(sd.SpatialData())
    assert os.listdir() == []


def test_a_full_disk_while_the_elements_are_written(path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    write_store(path)
    before, sdata = snapshot(path.parent), opened(path)
    monkeypatch.setattr("geopandas.GeoDataFrame.to_parquet", full)
    with pytest.raises(OSError, match=r"user\.zarr cannot be written: No space left on device\. C"):
        processed().add_to(sdata)
    assert snapshot(path.parent) == before
    assert "cells" not in sdata


# ---- others at the same time


def test_a_name_that_was_taken_meanwhile(path, monkeypatch):
    """By another process, while the elements were written."""
    write_store(path)
    write_new = build.write_new

    def write_both(part, *made):
        monkeypatch.undo()
        add_to_store(path, *made)
        write_new(part, *made)

    monkeypatch.setattr(build, "write_new", write_both)
    with pytest.raises(ValueError, match="an element 'new' in labels already"):
        add_to_store(path, *elements())
    assert names_in(path) == sorted([*OLD, *NAMES])
    assert os.listdir(path.parent) == ["user.zarr"]


def test_what_others_added_meanwhile_stays(path, monkeypatch):
    write_store(path, kinds=("images",))
    write_new = build.write_new

    def write_both(part, *made):
        monkeypatch.undo()
        add_to_store(path, *elements("other"))
        write_new(part, *made)

    monkeypatch.setattr(build, "write_new", write_both)
    add_to_store(path, *elements())
    assert names_in(path) == sorted(["he", *(f"other{end}" for end in ENDS), *NAMES])


AT_ONCE = """
import sys, time, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from adding import elements
from postseg.elements import build
from postseg.elements.adding import add_to_store

number = int(sys.argv[1])
made = [elements(f"p{number}n{turn}") for turn in range(4)]
Path(f"ready{number}").touch()
while len(list(Path().glob("ready*"))) < 2:
    time.sleep(0.001)
for each in made:
    add_to_store("user.zarr", *each)
"""


@pytest.mark.parametrize("consolidated", some([True, False], 1))
def test_two_processes_at_once(path, monkeypatch, consolidated):
    monkeypatch.chdir(path.parent)
    write_store(path, consolidated, ("images",))
    root = (path / "zarr.json").read_bytes()
    processes = [
        subprocess.Popen([sys.executable, "-c", AT_ONCE, number], env=environment())
        for number in "01"
    ]
    assert [process.wait() for process in processes] == [0, 0]
    made = [f"p{number}n{turn}{end}" for number in "01" for turn in range(4) for end in ENDS]
    assert names_in(path) == sorted(["he", *made])
    assert sorted(os.listdir()) == ["ready0", "ready1", "user.zarr"]
    if not consolidated:
        assert (path / "zarr.json").read_bytes() == root


KILLED = """
import os, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from adding import elements
from postseg.elements import build
from postseg.elements.adding import add_to_store

made = elements()
Path("ready").touch()
add_to_store("user.zarr", *made)
"""


# 2 moments, each step is that of test_moving; POSTSEG_EXAMPLES asks for more
@pytest.mark.parametrize("delay", np.linspace(0, 0.45, min(EXAMPLES, 50)).round(3))
def test_killed_at_any_time(path, monkeypatch, delay):
    monkeypatch.chdir(path.parent)
    write_store(path)
    before = snapshot(path)
    process = subprocess.Popen([sys.executable, "-c", KILLED], env=environment())
    while not os.path.exists("ready"):
        assert process.poll() is None
        time.sleep(0.001)
    time.sleep(delay)
    process.kill()
    process.wait()
    os.remove("ready")
    assert_same_files(before, snapshot(path))
    there = names_in(path)
    assert there in (OLD, sorted([*OLD, *NAMES]))
    add_to_store(path, *elements("another"))
    assert names_in(path) == sorted([*there, *(f"another{end}" for end in ENDS)])
    assert [name for name in os.listdir() if os.listdir(name)] == ["user.zarr"]
