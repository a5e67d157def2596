"""What is moved into a user's store is there completely or not at all, whatever happens."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest
from adding import NAMES, assert_same_files, elements, environment, names_in, opened, write_store
from sampling import some
from trees import snapshot
from trouble import Trouble, copied

from postseg._support import moving, ownership, scratch
from postseg.elements import adding, build

pytestmark = pytest.mark.filterwarnings("ignore:zarr v3 autosharding")  # anndata, of tables

MADE = tuple({name: None} for name in NAMES)  # copied from a store
KINDS = {
    "all": ("images", "labels", "points", "shapes", "tables"),
    "image only": ("images",),
    "signed": (),
}
# each kind, and each list that a root can have, at least once; POSTSEG_EXAMPLES asks for all
SOURCES = [
    ("all", "consolidated"),
    ("all", "plain"),
    ("image only", "plain"),
    ("image only", "consolidated"),
    ("signed", "plain"),
    ("signed", "consolidated"),
]


@pytest.fixture(scope="module", params=some(SOURCES, 3), ids=" ".join)
def source(request, tmp_path_factory):
    """A folder with the store of a user and one of what is added to it."""
    folder = tmp_path_factory.mktemp("source")
    kind, root = request.param
    write_store(folder / "user.zarr", root == "consolidated", KINDS[kind])
    if kind == "signed":
        ownership.mark(folder / "user.zarr")
    build.write_new(folder / "new", *elements())
    return folder


@pytest.fixture
def write_copy(source, monkeypatch):
    """Write what is added by copying it, without bringing it to the disk."""
    monkeypatch.setattr(build, "write_new", lambda path, *_: copied(source / "new", path))
    monkeypatch.setattr(moving, "flush", lambda _: None)
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def before(source):
    return snapshot(source / "user.zarr")


@pytest.fixture
def complete(source, tmp_path, write_copy):
    """Files of the store once all is added."""
    copied(source / "user.zarr", tmp_path / "whole" / "user.zarr")
    adding.add_to_store(tmp_path / "whole" / "user.zarr", *MADE)
    return snapshot(tmp_path / "whole" / "user.zarr")


def litter(folder):
    """What is left beside a store.

    Not an empty folder: it is of the moment before its lock is made or after that is removed, and
    nobody can tell whose it is.
    """
    return [
        path.name for path in folder.iterdir() if path.name != "user.zarr" and any(path.iterdir())
    ]


def test_all_is_there_and_listed(source, complete, before, tmp_path):
    path = tmp_path / "whole" / "user.zarr"
    assert_same_files(before, complete)
    assert names_in(path) == sorted([*names_in(source / "user.zarr"), *NAMES])
    assert os.listdir(path.parent) == ["user.zarr"]
    assert (b"consolidated" in before["zarr.json"]) == (b"consolidated" in complete["zarr.json"])


def failing(source, folder, number, happen, **how):
    """Add to a copy of the store, with trouble at one step; True if there was that step."""
    copied(source / "user.zarr", folder / "user.zarr")
    with Trouble(number, happen, **how) as trouble, suppress(OSError, KeyboardInterrupt):
        adding.add_to_store(folder / "user.zarr", *MADE)
    return trouble.count >= number


def full():
    raise OSError(28, "No space left on device")


def stop():
    raise KeyboardInterrupt


@pytest.mark.parametrize(("happen", "after"), some([(full, False), (stop, True)], 1))
def test_failure_at_any_step(source, complete, before, tmp_path, happen, after):
    found = []
    for number in range(1, 1000):
        folder = tmp_path / str(number)
        if not failing(source, folder, number, happen, after=after):
            break
        scratch.clear(folder)  # what could not be removed at once
        assert litter(folder) == []
        found.append(snapshot(folder / "user.zarr"))
        assert found[-1] in (before, complete)
    assert len(found) > 10
    assert before in found
    assert complete in found  # the last ones were after the end of it


def test_failure_for_good_is_taken_back_by_the_next_run(source, complete, before, tmp_path):
    for number in range(1, 1000):
        folder = tmp_path / str(number)
        if not failing(source, folder, number, full, lasting=True):
            break
        assert_same_files(before, snapshot(folder / "user.zarr"))
        scratch.clear(folder)
        assert litter(folder) == []
        assert snapshot(folder / "user.zarr") in (before, complete)
    assert number > 10


KILLED = """
import os, signal, sys, types
from pathlib import Path
from trouble import Trouble, copied

source = Path(sys.argv[1])
# what is written comes from a copy, so that spatialdata need not be imported
write_new = lambda path, *_: copied(source / "new", path)
sys.modules["postseg.elements.build"] = types.SimpleNamespace(write_new=write_new)
from postseg._support import moving
from postseg.elements.adding import add_to_store

moving.flush = lambda _: None
for number in range(1, 1000):
    store = Path(f"{number:03}") / "user.zarr"
    copied(source / "user.zarr", store)
    child = os.fork()
    if not child:
        with Trouble(number, lambda: os.kill(os.getpid(), signal.SIGKILL)):
            add_to_store(store, *({name: 0} for name in sys.argv[2:]))
        os._exit(0)
    if not os.waitpid(child, 0)[1]:
        break
"""


def test_killed_at_any_step(source, tmp_path, complete, before):
    """Readers see all or nothing; the next run leaves all or nothing, to the byte."""
    (tmp_path / "killed").mkdir()
    arguments = [sys.executable, "-c", KILLED, str(source), *NAMES]
    subprocess.run(arguments, cwd=tmp_path / "killed", env=environment(), check=True)
    *killed, _ = sorted((tmp_path / "killed").iterdir())
    assert len(killed) > 20
    old, seen, ends = names_in(source / "user.zarr"), {}, []
    for folder in killed:
        left = snapshot(folder / "user.zarr")
        assert_same_files(before, left)
        # reading is slow: it need not be done twice with the same files
        key = tuple(sorted(left.items()))
        if key not in seen:
            seen[key] = names_in(folder / "user.zarr")
        assert seen[key] in (old, sorted([*old, *NAMES]))
        if len(ends) % 2:  # by the next run, else by the next addition
            scratch.clear(folder)
            assert snapshot(folder / "user.zarr") == (before if seen[key] == old else complete)
            assert litter(folder) == []
        ends.append(seen[key] == old)
        if ends[-1]:
            adding.add_to_store(folder / "user.zarr", *MADE)
        else:
            with pytest.raises(ValueError, match="has an element 'new' in labels already"):
                adding.add_to_store(folder / "user.zarr", *MADE)
        assert snapshot(folder / "user.zarr") == complete
        assert litter(folder) == []
    assert len(seen) > 4
    assert {True, False} == set(ends)


# ---- what was left is not ours any more


@pytest.fixture
def unfinished(tmp_path, monkeypatch):
    """A store into which two of three elements were moved, and the folder beside it."""
    write_store(tmp_path / "user.zarr")
    before = snapshot(tmp_path / "user.zarr")
    with monkeypatch.context() as patch:
        # as of a process that is killed, which tidies nothing
        patch.setattr(scratch, "_dispose_of", lambda _: None)
        patch.setattr(moving, "settle", lambda _: None)
        patch.setattr("atexit.register", lambda *_: None)
        rename = os.rename

        def stop_at_table(path, target):
            if path.name == "new_table":
                raise KeyboardInterrupt
            rename(path, target)

        patch.setattr(os, "rename", stop_at_table)
        with pytest.raises(KeyboardInterrupt):
            adding.add_to_store(tmp_path / "user.zarr", *elements())
    left = snapshot(tmp_path / "user.zarr")
    assert "shapes/new_shapes" in left
    assert "tables/new_table" not in left
    assert names_in(tmp_path / "user.zarr") == names_before()
    return before


def names_before():
    return sorted(["he", "nuclei", "nuclei_shapes", "nuclei_table", "transcripts"])


def test_what_was_left_is_taken_back(unfinished, tmp_path):
    scratch.clear(tmp_path)
    assert snapshot(tmp_path / "user.zarr") == unfinished
    assert os.listdir(tmp_path) == ["user.zarr"]


def test_what_somebody_listed_since_stays(unfinished, tmp_path):
    opened(tmp_path / "user.zarr").write_consolidated_metadata()
    left = snapshot(tmp_path / "user.zarr")
    scratch.clear(tmp_path)
    assert snapshot(tmp_path / "user.zarr") == left
    assert os.listdir(tmp_path) == ["user.zarr"]


def test_what_somebody_put_in_its_place_stays(unfinished, tmp_path):
    place = tmp_path / "user.zarr" / "shapes" / "new_shapes"
    place.rename(tmp_path / "aside")
    copied(tmp_path / "aside", place)
    scratch.clear(tmp_path)
    left = snapshot(tmp_path / "user.zarr")
    assert {name for name in left.keys() - unfinished.keys() if name.count("/") == 1} == {
        "shapes/new_shapes"
    }


def test_a_store_that_is_gone_is_no_matter(unfinished, tmp_path):
    (tmp_path / "user.zarr").rename(tmp_path / "other.zarr")
    scratch.clear(tmp_path)
    assert os.listdir(tmp_path) == ["other.zarr"]


def test_nothing_is_taken_back_by_a_root_that_cannot_be_read(unfinished, tmp_path):
    (tmp_path / "user.zarr" / "zarr.json").write_text("{")
    left = snapshot(tmp_path)
    scratch.clear(tmp_path)
    assert snapshot(tmp_path) == left


def test_nothing_is_taken_back_while_the_store_is_in_use(unfinished, tmp_path, monkeypatch):
    """Nor is the folder beside it held meanwhile: whoever uses the store may be about to clear."""
    left = snapshot(tmp_path)
    with InAnotherProcess(tmp_path / "user.zarr"), monkeypatch.context() as patch:
        patch.setattr(scratch, "_locked", lambda _: pytest.fail("the folder was held"))
        scratch.clear(tmp_path)
        assert snapshot(tmp_path) == left
    scratch.clear(tmp_path)
    assert os.listdir(tmp_path) == ["user.zarr"]


# ---- at the same time

HOLD = """
import sys
from pathlib import Path
from postseg._support.moving import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


class InAnotherProcess:
    """Hold a store there."""

    def __init__(self, store):
        self.arguments = [sys.executable, "-c", HOLD, str(store)]

    def __enter__(self):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(self.arguments, env=environment(), **pipes)
        assert self.process.stdout.readline() == b"held\n"
        return self.process

    def __exit__(self, *error):
        self.process.communicate()


def test_the_lock_is_waited_for(tmp_path):
    events = []
    with InAnotherProcess(tmp_path) as process:
        with pytest.raises(BlockingIOError), moving.locked(tmp_path, wait=False):
            pytest.fail("two have it")

        def wait():
            with moving.locked(tmp_path):
                events.append("held here")

        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.2)
        events.append("let go")
        process.communicate()
        waiting.join()
    assert events == ["let go", "held here"]


def test_the_lock_goes_with_the_process(tmp_path):
    with InAnotherProcess(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        with moving.locked(tmp_path):
            pass
        process.wait()


def test_without_locks_it_is_added_all_the_same(tmp_path, monkeypatch):
    def none(*args):
        raise OSError(95, "Operation not supported")

    write_store(tmp_path / "user.zarr")
    monkeypatch.setattr("fcntl.flock", none)
    adding.add_to_store(tmp_path / "user.zarr", *elements())
    assert names_in(tmp_path / "user.zarr") == sorted([*names_before(), *NAMES])
    assert os.listdir(tmp_path) == ["user.zarr"]
