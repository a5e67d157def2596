"""Outputs appear complete or not at all, and what was there stays until then."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import postseg.replacing as replacing_module
from postseg.replacing import check_target, replacing


def make_file(path, text):
    path.write_text(text)


def make_store(path, text):
    path.mkdir()
    (path / "zarr.json").write_text(text)


def content(path):
    return (path / "zarr.json").read_text() if path.is_dir() else path.read_text()


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def write(target, make, then=lambda: None, overwrite=False):
    with replacing(target, overwrite) as part:
        make(part, "new")
        then()


kinds = pytest.mark.parametrize("make", [make_file, make_store])


@kinds
def test_new(tmp_path, make):
    target = tmp_path / "out"
    with replacing(target) as part:
        make(part, "new")
        assert not target.exists()
        assert part.name == target.name
        assert part.parent.parent == tmp_path
    assert content(target) == "new"
    assert names(tmp_path) == ["out"]


@kinds
def test_existing_is_refused_before_work(tmp_path, make):
    make(tmp_path / "out", "old")
    with (
        pytest.raises(FileExistsError, match=r"out exists.*--overwrite"),
        replacing(tmp_path / "out"),
    ):
        pytest.fail("work began")
    assert content(tmp_path / "out") == "old"
    assert names(tmp_path) == ["out"]


@kinds
def test_overwrite(tmp_path, make):
    make(tmp_path / "out", "old")
    with replacing(tmp_path / "out", overwrite=True) as part:
        make(part, "new")
        assert content(tmp_path / "out") == "old"
    assert content(tmp_path / "out") == "new"
    assert names(tmp_path) == ["out"]


@kinds
@pytest.mark.parametrize("exception", [OSError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("before", [True, False])
def test_failure_leaves_what_was_there(tmp_path, make, exception, before):
    if before:
        make(tmp_path / "out", "old")

    def fail():
        raise exception

    with pytest.raises(exception):
        write(tmp_path / "out", make, then=fail, overwrite=True)
    assert names(tmp_path) == (["out"] if before else [])
    if before:
        assert content(tmp_path / "out") == "old"


@kinds
def test_appeared_meanwhile(tmp_path, make):
    with pytest.raises(FileExistsError):
        write(tmp_path / "out", make, then=lambda: make(tmp_path / "out", "of somebody else"))
    assert content(tmp_path / "out") == "of somebody else"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("empty", [True, False])
def test_other_folders_are_never_replaced(tmp_path, overwrite, empty):
    (tmp_path / "data").mkdir()
    if not empty:
        (tmp_path / "data" / "years of work").touch()
    with pytest.raises(FileExistsError, match=r"data is a folder and not a Zarr store"):
        check_target(tmp_path / "data", overwrite)


@pytest.mark.parametrize("marker", ["zarr.json", ".zgroup", ".zarray"])
def test_stores_of_both_zarr_formats_may_be_replaced(tmp_path, marker):
    (tmp_path / "out.zarr").mkdir()
    (tmp_path / "out.zarr" / marker).touch()
    check_target(tmp_path / "out.zarr", overwrite=True)


def test_a_file_does_not_replace_a_store(tmp_path):
    make_store(tmp_path / "out.zarr", "old")
    with pytest.raises(IsADirectoryError):
        write(tmp_path / "out.zarr", make_file, overwrite=True)
    assert content(tmp_path / "out.zarr") == "old"
    assert names(tmp_path) == ["out.zarr"]


def test_a_link_stays_a_link(tmp_path):
    make_store(tmp_path / "real.zarr", "old")
    (tmp_path / "link.zarr").symlink_to("real.zarr")
    write(tmp_path / "link.zarr", make_store, overwrite=True)
    assert content(tmp_path / "real.zarr") == "new"
    assert (tmp_path / "link.zarr").is_symlink()


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"written: create the folder .*/no first"):
        check_target(tmp_path / "no" / "out")


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"cannot be written: .*/file is not a folder"):
        check_target(tmp_path / "file" / "out")


def test_folder_without_permission(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *args: False)  # chmod does not stop root
    with pytest.raises(PermissionError, match="cannot be written: no permission"):
        check_target(tmp_path / "out")


def test_folder_that_refuses_all_the_same(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    with (
        pytest.raises(OSError, match=r"out cannot be written: No space left on device\.$"),
        replacing(tmp_path / "out"),
    ):
        pytest.fail("work began")


def test_a_store_is_exchanged_in_one_step_where_the_system_can(tmp_path, monkeypatch):
    make_store(tmp_path / "a", "a")
    make_store(tmp_path / "b", "b")
    if not replacing_module._exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("this system cannot exchange two folders")
    assert (content(tmp_path / "a"), content(tmp_path / "b")) == ("b", "a")
    make_store(tmp_path / "out", "old")
    monkeypatch.setattr(Path, "rename", lambda *_: pytest.fail("moved in two steps"))
    write(tmp_path / "out", make_store, overwrite=True)
    assert content(tmp_path / "out") == "new"
    assert names(tmp_path) == ["a", "b", "out"]


def interrupt_rename(monkeypatch, number):
    """Interrupt the given rename, where two are needed; those after it work."""
    monkeypatch.setattr(replacing_module, "_exchange", lambda *_: False)
    calls, rename = [], Path.rename

    def failing(self, target):
        calls.append(target)
        if len(calls) == number:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    return calls


@pytest.mark.parametrize("number", [1, 2])
def test_interrupted_while_replacing_a_store(tmp_path, monkeypatch, number):
    make_store(tmp_path / "out", "old")
    calls = interrupt_rename(monkeypatch, number)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "out", make_store, overwrite=True)
    assert len(calls) >= number
    assert content(tmp_path / "out") == "old"
    assert names(tmp_path) == ["out"]


def test_interrupted_after_replacing_a_store(tmp_path, monkeypatch):
    make_store(tmp_path / "out", "old")
    monkeypatch.setattr(replacing_module, "_exchange", lambda *_: False)
    rename = Path.rename

    def interrupted(self, target):
        rename(self, target)
        if target == tmp_path / "out":
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "out", make_store, overwrite=True)
    assert content(tmp_path / "out") == "new"
    assert names(tmp_path) == ["out"]


KILLED = """
import os, signal
from pathlib import Path
import postseg.replacing
from postseg.replacing import replacing

postseg.replacing._exchange = lambda *_: False  # as where the system has no such call
rename, calls = Path.rename, []
def killed(self, target):
    calls.append(target)
    if len(calls) == {number}:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
Path.rename = killed

with replacing("out", overwrite=True) as part:
    part.mkdir()
    (part / "zarr.json").write_text("new")
    if {number} == 0:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("number", [0, 1, 2])
def test_killed_while_replacing_a_store(tmp_path, number):
    make_store(tmp_path / "out", "old")
    script = KILLED.format(number=number)
    process = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment())
    assert process.returncode == -signal.SIGKILL
    found = {path.parent: path.read_text() for path in tmp_path.rglob("zarr.json")}
    assert sorted(found.values()) == ["new", "old"]
    old = next(path for path, text in found.items() if text == "old")
    # between the two renames, the old store is under a name that says so
    expected = r"out\.old-\w+/out" if number == 2 else "out"
    assert re.fullmatch(expected, str(old.relative_to(tmp_path)))


LATE = """
import threading, time
from postseg.replacing import replacing

def write_on():
    time.sleep(0.3)
    part.mkdir(parents=True)
    (part / "late").touch()

with replacing("out") as part:
    part.mkdir()
    threading.Thread(target=write_on).start()
    raise KeyboardInterrupt
"""


def test_threads_that_write_on_leave_nothing(tmp_path):
    script = [sys.executable, "-c", LATE]
    process = subprocess.run(script, cwd=tmp_path, env=environment(), capture_output=True)
    assert b"KeyboardInterrupt" in process.stderr
    assert b"FileExistsError" not in process.stderr
    assert names(tmp_path) == []


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
