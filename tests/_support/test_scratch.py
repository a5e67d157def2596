"""What killed processes leave beside an output is cleared by the next write there."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from click.testing import CliRunner
from drawing import squares
from light import light_tables
from trees import snapshot

from postseg._support import scratch
from postseg._support.atomic import check_target, replacing
from postseg.cli.main import main

COMMAND = """
import sys
from postseg.cli.main import main
from spatialdata import SpatialData
import geopandas, pathlib, time

def wait(*args, **kwargs):
    pathlib.Path("reached").touch()
    time.sleep(600)

geopandas.GeoDataFrame.to_parquet = wait  # the labels are written then
main(["run", "m.npy", "-o", "s.zarr", "--overwrite", "--quiet"])
"""

WRITER = """
import pathlib, sys, time
from postseg._support import atomic
from postseg._support.atomic import replacing as write

{prepare}
with write("out", overwrite=True, store=True) as part:
    part.mkdir()
    (part / "zarr.json").write_text("new")
    (part.parent / "deep" / "er").mkdir(parents=True)
    {then}
"""
WAIT = 'pathlib.Path("reached").touch(); time.sleep(600)'
OURS = '{"attributes": {"postseg": {"elements": {}}}}'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names():
    return sorted(os.listdir())


def started(script):
    """Start a process, and wait until it says that it is in the midst of writing."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen([sys.executable, "-c", script], env=env, stderr=subprocess.PIPE)
    while not os.path.exists("reached"):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    os.remove("reached")
    return process


def end(process, signum):
    process.send_signal(signum)
    _, said = process.communicate()
    return process.returncode, said.decode()


def test_a_killed_write_is_cleared_by_the_next_one(folder):
    code, _ = end(started(WRITER.format(prepare="", then=WAIT)), signal.SIGKILL)
    assert code == -signal.SIGKILL
    [partial] = names()
    assert partial.startswith("out.partial-")
    assert sorted(os.listdir(partial)) == [".postseg-lock", "deep", "out"]
    with replacing("other.csv") as part:
        part.touch()
    assert names() == ["other.csv"]


def test_it_is_cleared_before_the_work(folder):
    """So that its space is free for the work."""
    end(started(WRITER.format(prepare="", then=WAIT)), signal.SIGKILL)
    check_target("other.csv")
    assert names() == []


def test_a_write_in_progress_is_left_alone(folder):
    process = started(WRITER.format(prepare="", then=WAIT))
    try:
        before = snapshot(folder)
        with replacing("out2") as part:
            part.touch()
        os.remove("out2")
        assert snapshot(folder) == before
    finally:
        end(process, signal.SIGKILL)
    scratch.clear(folder)
    assert names() == []


def test_one_of_this_process_is_left_alone(folder, monkeypatch):
    """Also on network file systems that give a lock twice to one process."""
    monkeypatch.setattr(scratch, "_locked", lambda lock: True)
    with replacing("one") as one:
        one.touch()
        cleared = threading.Thread(target=scratch.clear, args=[folder])
        cleared.start()
        cleared.join()
        with replacing("two") as two:
            two.touch()
        assert one.exists()
    assert names() == ["one", "two"]


def left(name, owner, what="out"):
    os.makedirs(f"{name}/{what}")
    with open(f"{name}/.postseg-lock", "wb") as file:
        file.write(owner)


def test_what_is_not_known_to_be_ours_is_left_alone(folder, monkeypatch):
    ours = scratch._owner()
    left("out.partial-abcd1234", b"postseg on another machine")
    left("out.partial-abcd5678", b"")  # not yet locked
    os.makedirs("out.partial-efgh1234/years of work")
    left("out.partial-mine", ours)
    left("out.partial-2026-10-01", ours)
    left("partial-abcd1234", ours)
    left("real", ours)
    os.symlink("real", "out.partial-ijkl1234")
    before = snapshot(folder)
    scratch.clear(folder)
    assert snapshot(folder) == before


def test_without_locks_nothing_is_cleared(folder, monkeypatch):
    def none(*args):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", none)
    left("out.partial-abcd1234", scratch._owner())
    with replacing("out") as part:
        assert (part.parent / ".postseg-lock").read_bytes() == b""  # for others not to clear it
        part.touch()
    assert names() == ["out", "out.partial-abcd1234"]


KILLED_BETWEEN = """
import os, signal
atomic._exchange = lambda *_: False  # as where the system has no such call
rename = pathlib.Path.rename
def once(self, target):
    rename(self, target)
    os.kill(os.getpid(), signal.SIGKILL)
pathlib.Path.rename = once
"""


@pytest.fixture
def between(folder):
    """A store was being replaced, and the process killed when the old one was moved aside."""
    os.mkdir("out")
    (folder / "out" / "zarr.json").write_text(OURS)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    script = WRITER.format(prepare=KILLED_BETWEEN, then="")
    process = subprocess.run([sys.executable, "-c", script], env=env)
    assert process.returncode == -signal.SIGKILL
    old, partial = names()
    assert old.startswith("out.old-")
    assert partial.startswith("out.partial-")
    return folder / old


def test_an_old_store_without_a_new_one_goes_back(folder, between):
    with pytest.raises(FileExistsError, match="out exists"):
        check_target("out", store=True)
    assert snapshot(folder) == {"out": None, "out/zarr.json": OURS.encode()}


def test_an_old_store_is_removed_where_there_is_a_new_one(folder, between):
    os.mkdir("out")
    (folder / "out" / "zarr.json").write_text("new")
    scratch.clear(folder)
    assert snapshot(folder) == {"out": None, "out/zarr.json": b"new"}


def test_an_old_store_that_cannot_go_back_stays(folder, between, monkeypatch):
    def refuse(*args):
        raise OSError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.rename", refuse)
        scratch.clear(folder)
    assert (between / "out" / "zarr.json").read_text() == OURS
    scratch.clear(folder)
    assert names() == ["out"]


def test_a_partial_store_never_becomes_an_output(folder):
    left("a.old-abcd1234.partial-abcd1234", scratch._owner())
    scratch.clear(folder)
    assert names() == []


@pytest.fixture
def network(monkeypatch):
    """A file that is deleted while it is open stays under another name, until it is closed."""
    unlink, close, kept = os.unlink, os.close, {}

    def hide(path, *args, dir_fd=None):
        if os.path.basename(path) == ".postseg-lock":
            where = os.readlink(f"/proc/self/fd/{dir_fd}") if dir_fd else os.path.dirname(path)
            hidden = os.path.join(where, ".nfs0001")
            os.rename(os.path.join(where, ".postseg-lock"), hidden)
            kept[os.stat(hidden).st_ino] = hidden
        else:
            unlink(path, *args, dir_fd=dir_fd)

    def last(handle):
        hidden = kept.pop(os.fstat(handle).st_ino, None)
        close(handle)
        if hidden:
            unlink(hidden)

    monkeypatch.setattr(os, "unlink", hide)
    monkeypatch.setattr(os, "close", last)


def test_nothing_is_left_on_a_network_file_system(folder, network):
    with replacing("out") as part:
        part.touch()
    assert names() == ["out"]
    left("out.partial-abcd1234", scratch._owner())
    scratch.clear(folder)
    assert names() == ["out"]


# ---- signals


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Masks and their store, to be copied."""
    folder = tmp_path_factory.mktemp("written")
    np.save(folder / "m.npy", squares(12, 13, 14))
    command = ["run", str(folder / "m.npy"), "-o", str(folder / "s.zarr")]
    with pytest.MonkeyPatch.context() as patch:
        light_tables(patch)
        assert not CliRunner().invoke(main, command).exit_code
    return folder


@pytest.fixture
def store(folder, written):
    shutil.copytree(written, folder, dirs_exist_ok=True)
    return snapshot(folder)


def test_sigterm_cleans_up(folder, store):
    code, said = end(started(COMMAND), signal.SIGTERM)
    assert (code, said) == (143, "")
    assert snapshot(folder) == store


def test_a_killed_command_leaves_the_old_store_and_the_next_one_clears(folder, store):
    code, _ = end(started(COMMAND), signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert {name: content for name, content in snapshot(folder).items() if name in store} == store
    assert len(names()) == 3
    assert not CliRunner().invoke(main, ["run", "m.npy", "-o", "c.csv"]).exit_code
    assert names() == ["c.csv", "m.npy", "s.zarr"]


def during(monkeypatch, look):
    monkeypatch.setattr("postseg.files.read.read_label_image", lambda *_, **__: look())
    return CliRunner().invoke(main, ["run", "m.npy", "-o", "new.zarr", "--quiet"])


def test_the_command_has_the_signal_while_it_runs_only(store, monkeypatch):
    handlers = []
    during(monkeypatch, lambda: handlers.append(signal.getsignal(signal.SIGTERM)))
    assert callable(handlers[0])
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_second_sigterm_does_not_interrupt_the_cleaning(store, monkeypatch):
    def twice():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(600)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    assert during(monkeypatch, twice).exit_code == 143


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_who_handles_it_already_still_does(store, monkeypatch, handler):
    handlers, before = [], signal.signal(signal.SIGTERM, handler)
    try:
        during(monkeypatch, lambda: handlers.append(signal.getsignal(signal.SIGTERM)))
        handlers.append(signal.getsignal(signal.SIGTERM))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert handlers == [handler, handler]


def test_the_command_runs_on_other_threads_too(store):
    results = []
    args = ["run", "m.npy", "-o", "c.csv", "--quiet"]
    thread = threading.Thread(target=lambda: results.append(CliRunner().invoke(main, args)))
    thread.start()
    thread.join()
    assert results[0].exit_code == 0
