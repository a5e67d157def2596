"""Tiles on disk: complete or not there, whoever else adds to them, and whoever is killed at it."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from storing import SHAPE, SIDE, environment, tile, tiles
from trees import snapshot
from trouble import Trouble

from postseg._support import scratch
from postseg.tiles.store import TileStore
from postseg.tiles.tile import Rectangle, Tile

EXAMPLES = int(os.environ.get("POSTSEG_EXAMPLES", 3))
FIRST = "r0_c0_16x16.npz"


def opened(folder, shape=SHAPE, ids="local", rim=0):
    return TileStore(folder, shape, ids, rim)


@pytest.fixture
def store(tmp_path):
    return opened(tmp_path / "tiles")


def assert_same(one, other):
    assert one.rectangle == other.rectangle
    for name in Tile._fields[1:]:
        part, expected = getattr(one, name), getattr(other, name)
        assert part.dtype == expected.dtype
        np.testing.assert_array_equal(part, expected)


def files(folder):
    """All files with something in them.

    Not an empty folder, nor an empty lock in it: they are of a process that was killed before it
    wrote whose they are, and so nobody may clear them.
    """
    return {name: content for name, content in snapshot(folder).items() if content}


# ---- what is written is what is read


@pytest.mark.parametrize("label", [None, 255, 256, 2**31, 2**63 - 1])
@pytest.mark.parametrize("top", [0, 100_000])
def test_round_trip(store, label, top):
    written = tile(top, 7, label=label)
    assert store.add(written) is True
    assert store.rectangles() == [written.rectangle]
    assert_same(store.read(written.rectangle), written)
    assert [*store.folder.iterdir()] == [store.folder / f"{written.rectangle.name}.npz"]


def test_a_tile_without_cells(store):
    none = np.zeros(0, np.int32)
    empty = Tile(Rectangle(0, 0, 5, 6), none, none, none, np.zeros(0, np.int64))
    assert store.add(empty) is True
    assert store.add(empty) is False
    assert_same(store.read(empty.rectangle), empty)


def test_numbers_of_numpy_are_numbers(tmp_path):
    store = opened(tmp_path / "tiles", np.array(SHAPE), rim=np.int64(2))
    written = tile()
    store.add(written._replace(rectangle=Rectangle(*np.array(written.rectangle))))
    assert_same(opened(store.folder, rim=2).read(written.rectangle), written)


def test_numpy_reads_it_and_runs_nothing(store):
    written = tile()
    store.add(written)
    with np.load(store.folder / FIRST, allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["label"], written.label)
        assert archive["label"].dtype == np.uint8
        header = json.loads(archive["postseg.json"])
    assert header == {
        "version": 1,
        "rectangle": [0, 0, 16, 16],
        "shape": [*SHAPE],
        "ids": "local",
        "rim": 0,
        "digest": written.digest,
    }


def test_what_others_add_is_seen(store):
    there = [tile(0, 32), tile(16, 0), tile(0, 4), tile(0, 4, side=18)]
    for each in there:
        opened(store.folder).add(each)
    assert store.rectangles() == sorted(each.rectangle for each in there)
    for each in there:
        assert_same(store.read(each.rectangle), each)


def test_other_names_are_left_alone(store):
    names = ["notes.txt", "r00_c0_16x16.npz", "r0_c0_16x16.npz.txt", "xr0_c0_16x16.npz", "a.npz"]
    names += ["r-1_c0_16x16.npz", "r٣_c0_16x16.npz", "r0_c0_16x16_npz"]
    for name in names:
        (store.folder / name).write_text("mine")
    (store.folder / "r0_c0_16x16.npz.partial-abcd1234").mkdir()
    before = files(store.folder)
    store.add(tile(32, 0))
    assert opened(store.folder).rectangles() == [tile(32, 0).rectangle]
    assert {name: files(store.folder)[name] for name in names} == before


def test_it_is_on_the_disk_before_it_has_its_name(store, monkeypatch):
    """Else a cut of the power may leave the name of a file without content."""
    events = []
    link, sync = os.link, os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (sync(file), events.append("on the disk")))
    monkeypatch.setattr(os, "link", lambda *names: (events.append("named"), link(*names)))
    store.add(tile())
    assert events == ["on the disk", "named"]


# ---- again, and other content


def test_the_same_again_leaves_the_file(store):
    store.add(tile())
    path = store.folder / FIRST
    os.utime(path, ns=(1, 1))
    before = path.stat()
    for overwrite in (False, True):
        assert store.add(tile(), overwrite=overwrite) is False
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, 1)


def test_other_content_is_refused_or_replaces(store):
    store.add(tile())
    expected = rf"{FIRST} holds another tile of rows 0:16, columns 0:16\..*overwrite=True"
    with pytest.raises(FileExistsError, match=expected):
        store.add(tile(seed=1))
    assert_same(store.read(tile().rectangle), tile())
    assert store.add(tile(seed=1), overwrite=True) is True
    assert_same(store.read(tile().rectangle), tile(seed=1))
    assert os.listdir(store.folder) == [FIRST]


# ---- places and settings


def test_its_folder_is_made_and_its_parent_is_not(tmp_path):
    opened(tmp_path / "tiles")
    assert (tmp_path / "tiles").is_dir()
    with pytest.raises(FileNotFoundError, match=r"no/tiles cannot be made: create .*/no first"):
        opened(tmp_path / "no" / "tiles")


def test_a_file_is_refused(tmp_path):
    (tmp_path / "tiles").touch()
    with pytest.raises(NotADirectoryError, match=r"tiles is not a folder\. Choose another name"):
        opened(tmp_path / "tiles")


def test_a_zarr_store_is_refused(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text("{}")
    with pytest.raises(ValueError, match=r"a\.zarr is a Zarr store\. Choose another folder"):
        opened(tmp_path / "a.zarr")
    with pytest.raises(ValueError, match=r"tiles lies in the Zarr store .*a\.zarr\. Choose"):
        opened(tmp_path / "a.zarr" / "tiles")
    assert os.listdir(tmp_path / "a.zarr") == ["zarr.json"]


SETTINGS = [
    ({"shape": (128, 129)}, r"shape \[128, 128\], and not with shape \[128, 129\]\."),
    ({"ids": "shared"}, r"ids 'local', and not with ids 'shared'\."),
    ({"rim": 1, "ids": "shared"}, r"ids 'local', rim 0, and not with ids 'shared', rim 1\."),
]


@pytest.mark.parametrize(("settings", "expected"), SETTINGS)
def test_other_settings_are_refused(store, settings, expected):
    early = opened(store.folder, **settings)  # there was nothing to tell by
    store.add(tile())
    before = snapshot(store.folder)
    expected = rf"{FIRST} was added with {expected} Open the store"
    with pytest.raises(ValueError, match=expected):
        opened(store.folder, **settings)
    with pytest.raises(ValueError, match=expected):
        early.read(tile().rectangle)
    with pytest.raises(ValueError, match=expected):
        early.add(tile())
    assert snapshot(store.folder) == before


def test_an_open_store_is_of_the_settings_whatever_is_damaged(store):
    store.add(tile())
    store.add(tile(16, 0))
    (store.folder / FIRST).write_bytes(b"")
    opened(store.folder)
    with pytest.raises(ValueError, match=r"r16_c0_16x16\.npz was added with rim 0"):
        opened(store.folder, rim=1)


# ---- damage


def archive_of(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return file.getvalue()


def another(content, **changes):
    """The file with another header."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.dumps(json.loads(members["postseg.json"]) | changes)
    return archive_of(**members | {"postseg.json": header})


def users(content):
    file = io.BytesIO()
    np.savez(file, masks=np.ones((16, 16), int))
    return file.getvalue()


DAMAGE = {
    "empty": (lambda content: b"", "File is not a zip file"),
    "zeros": (lambda content: bytes(len(content)), "File is not a zip file"),
    "half": (lambda content: content[: len(content) // 2], "File is not a zip file"),
    "without an end": (lambda content: content[:-1], "File is not a zip file"),
    "without a beginning": (lambda content: content[40:], ""),
    "no archive": (lambda content: b"label image" * 99, "File is not a zip file"),
    "the user's": (users, "it is not a tile that postseg wrote"),
    "no header": (lambda content: archive_of(postseg__json="[1]"), ""),
    "version": (lambda content: another(content, version=2), r"version 2 .* reads 1; use"),
    "digest": (lambda content: another(content, digest="0"), "not those that were added"),
    "place": (
        lambda content: another(content, rectangle=[0, 16, 16, 32]),
        "it is the tile of rows 0:16, columns 16:32",
    ),
}


@pytest.mark.parametrize(("damage", "reason"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_told(store, damage, reason):
    store.add(tile())
    path = store.folder / FIRST
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    opened(store.folder)
    assert store.rectangles() == [tile().rectangle]
    expected = (
        rf"{FIRST} cannot be read: .*{reason}.*If it is damaged, delete it and add the tile of "
        r"rows 0:16, columns 0:16 again\."
    )
    for attempt in (lambda: store.read(tile().rectangle), lambda: store.add(tile())):
        with pytest.raises(OSError, match=expected):
            attempt()
    assert path.read_bytes() == damaged
    assert store.add(tile(), overwrite=True) is True
    assert_same(store.read(tile().rectangle), tile())


def test_a_changed_byte_is_told_or_no_matter(store):
    """It may be one that nobody reads, as of a date."""
    store.add(tile())
    path = store.folder / FIRST
    content = path.read_bytes()
    told, places = 0, range(0, len(content), 5)
    for place in places:
        path.write_bytes(bytes([*content[:place], content[place] ^ 0x41, *content[place + 1 :]]))
        try:
            assert_same(store.read(tile().rectangle), tile())
        except OSError as error:
            assert FIRST in str(error)  # noqa: PT017
            told += 1
    assert told > len(places) / 2


def test_nothing_is_unpickled(store):
    store.add(tile())
    file = io.BytesIO()
    np.save(file, np.array([print], object), allow_pickle=True)
    path = store.folder / FIRST
    with zipfile.ZipFile(path) as archive:
        header = archive.read("postseg.json")
    path.write_bytes(archive_of(postseg__json=header, row__npy=file.getvalue()))
    with pytest.raises(OSError, match=r"Object arrays cannot be loaded"):
        store.read(tile().rectangle)


def test_what_is_missing_is_told(store):
    with pytest.raises(FileNotFoundError, match=rf"{FIRST} does not exist\. Add the tile of rows"):
        store.read(tile().rectangle)


# ---- at the same time


def before_the_last_step(monkeypatch, happen):
    """Let something happen once a tile is written, and before it has its name."""
    link = os.link

    def late(part, target):
        monkeypatch.setattr(os, "link", link)
        happen()
        link(part, target)

    monkeypatch.setattr(os, "link", late)


def test_another_adds_the_same_tile(store, monkeypatch):
    before_the_last_step(monkeypatch, lambda: opened(store.folder).add(tile()))
    assert store.add(tile()) is False
    assert_same(store.read(tile().rectangle), tile())
    assert os.listdir(store.folder) == [FIRST]


def test_another_adds_another_tile_of_that_place(store, monkeypatch):
    before_the_last_step(monkeypatch, lambda: opened(store.folder).add(tile(seed=1)))
    with pytest.raises(FileExistsError, match=rf"{FIRST} holds another tile"):
        store.add(tile())
    assert_same(store.read(tile().rectangle), tile(seed=1))
    assert os.listdir(store.folder) == [FIRST]


def test_threads_that_add_to_one_place(store):
    """Ten times, two threads of one tile and two of another."""
    for top in range(0, 160, SIDE):
        gate, ends = threading.Barrier(4), []

        def add(each, gate=gate, ends=ends):
            gate.wait()
            try:
                ends.append((each.digest, store.add(each)))
            except FileExistsError:
                ends.append((each.digest, None))

        threads = [threading.Thread(target=add, args=[tile(top, seed=i % 2)]) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        [won] = [digest for digest, written in ends if written]
        assert sorted(ends, key=str) == sorted(
            [(won, True), (won, False), *[(d, None) for d, _ in ends if d != won]], key=str
        )
        assert store.read(tile(top).rectangle).digest == won
    assert len(os.listdir(store.folder)) == 10


ADDING = """
import sys
from storing import SHAPE, tiles
from postseg.tiles.store import TileStore

store = TileStore("tiles", SHAPE, "local", 0)
print("ready", flush=True)
sys.stdin.readline()
for tile in tiles()[{some}]:
    store.add(tile)
sys.stdin.readline()  # it is for others to end it
"""


def adding(folder, some="::"):
    """A process that waits to be told to add tiles."""
    process = subprocess.Popen(
        [sys.executable, "-c", ADDING.format(some=some)],
        cwd=folder,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"ready\n"
    return process


def begin(process):
    process.stdin.write(b"\n")
    process.stdin.flush()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Files of a store to which one process added all tiles."""
    store = opened(tmp_path_factory.mktemp("undisturbed") / "tiles")
    for each in tiles():
        assert store.add(each)
    return snapshot(store.folder)


@pytest.mark.parametrize("some", [["::2", "1::2"], ["::", "::-1"]], ids=["different", "the same"])
def test_processes_that_add_lose_nothing(tmp_path, undisturbed, some):
    processes = [adding(tmp_path, each) for each in some]
    for process in processes:
        begin(process)
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert snapshot(tmp_path / "tiles") == undisturbed


# ---- failure


# 3 moments; POSTSEG_EXAMPLES asks for more
@pytest.mark.parametrize("moment", range(EXAMPLES))
def test_killed_at_any_time(tmp_path, undisturbed, moment):
    chance = np.random.default_rng(moment)
    process = adding(tmp_path)
    store = opened(tmp_path / "tiles")
    begin(process)
    awaited = chance.integers(0, 64)
    while len(store.rectangles()) < awaited:
        assert process.poll() is None
    time.sleep(chance.random() * 0.003)  # about as long as it takes to add one
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL

    store = opened(tmp_path / "tiles")
    expected = {each.rectangle: each for each in tiles()}
    there = store.rectangles()
    assert len(there) >= awaited
    for rectangle in there:
        assert_same(store.read(rectangle), expected[rectangle])
    added = [store.add(each) for each in tiles()]
    assert added.count(False) == len(there)
    assert files(store.folder) == undisturbed


def full():
    raise OSError(28, "No space left on device")


def stop():
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("happen", "how"), [(full, {}), (full, {"lasting": True}), (stop, {"after": True})]
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_failure_at_any_step(tmp_path, happen, how, overwrite):
    ends = []
    for number in range(1, 100):
        store = opened(tmp_path / str(number))
        if overwrite:
            store.add(tile())
        with Trouble(number, happen, **how) as trouble, suppress(OSError, KeyboardInterrupt):
            store.add(tile(seed=1), overwrite=overwrite)
        if trouble.count < number:
            break
        found = [store.read(rectangle).digest for rectangle in store.rectangles()]
        assert found in ([tile().digest] if overwrite else [], [tile(seed=1).digest])
        ends.append(found == [tile(seed=1).digest])
        store.add(tile(seed=1), overwrite=overwrite)
        assert_same(store.read(tile().rectangle), tile(seed=1))
        scratch.clear(store.folder)
        assert [*files(store.folder)] == [FIRST]
    assert number > 3
    assert {*ends} >= {False}


KILLED = """
import os, signal
from storing import SHAPE, tile
from trouble import Trouble
from postseg.tiles.store import TileStore

for number in range(1, 100):
    store = TileStore(f"{number:02}", SHAPE, "local", 0)
    child = os.fork()
    if not child:
        with Trouble(number, lambda: os.kill(os.getpid(), signal.SIGKILL)):
            store.add(tile())
        os._exit(0)
    if not os.waitpid(child, 0)[1]:
        break
"""


def test_killed_at_any_step(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, env=environment(), check=True)
    ends = []
    for folder in sorted(tmp_path.iterdir()):
        store = opened(folder)
        ends.append([each.top for each in store.rectangles()])
        assert store.add(tile()) is (ends[-1] == [])
        store.add(tile(16))
        assert sorted(files(folder)) == [FIRST, "r16_c0_16x16.npz"]
        assert_same(store.read(tile().rectangle), tile())
    assert len(ends) > 4
    assert ends[0] == []
    assert ends[-1] == ends[-2] == [0]
