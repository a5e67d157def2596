"""Outputs appear complete or not at all, and what was there stays until then."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from trees import snapshot

import postseg._support.atomic as replacing_module
from postseg._support.atomic import check_target, replacing


def make_file(path, text):
    path.write_text(text)


def make_store(path, text):
    """Make one that postseg might have written; the text is in it as its version."""
    path.mkdir()
    mark = {"version": text, "elements": {}}
    (path / "zarr.json").write_text(json.dumps({"attributes": {"postseg": mark}}))


def content(path):
    if path.is_file():
        return path.read_text()
    return json.loads((path / "zarr.json").read_text())["attributes"]["postseg"]["version"]


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def write(target, make, then=lambda: None, overwrite=False):
    with replacing(target, overwrite, store=make is make_store) as part:
        make(part, "new")
        then()


kinds = pytest.mark.parametrize("make", [make_file, make_store])


@kinds
def test_new(tmp_path, make):
    target = tmp_path / "out"
    with replacing(target, store=make is make_store) as part:
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
        replacing(tmp_path / "out", store=make is make_store),
    ):
        pytest.fail("work began")
    assert content(tmp_path / "out") == "old"
    assert names(tmp_path) == ["out"]


@kinds
def test_overwrite(tmp_path, make):
    make(tmp_path / "out", "old")
    with replacing(tmp_path / "out", overwrite=True, store=make is make_store) as part:
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


@pytest.mark.parametrize(
    ("make", "expected"),
    [(make_file, r"out exists.*--overwrite"), (make_store, "out cannot be written: .*not empty")],
)
def test_appeared_at_the_last_moment(tmp_path, monkeypatch, make, expected):
    """Between the last look and the move."""
    move = replacing_module._move

    def late(*arguments):
        make(tmp_path / "out", "of somebody else")
        return move(*arguments)

    monkeypatch.setattr(replacing_module, "_move", late)
    with pytest.raises(OSError, match=expected):
        write(tmp_path / "out", make)
    assert content(tmp_path / "out") == "of somebody else"
    assert names(tmp_path) == ["out"]


def test_of_many_writers_one_has_the_name(tmp_path):
    gate, won, refused = threading.Barrier(8), [], []

    def run(number):
        try:
            with replacing(tmp_path / "out") as part:
                part.write_text(str(number))
                gate.wait()
            won.append(number)
        except FileExistsError:
            refused.append(number)

    threads = [threading.Thread(target=run, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [content(tmp_path / "out")] == [str(number) for number in won]
    assert len(refused) == 7
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EMLINK])
def test_a_file_system_without_links_has_it_renamed(tmp_path, monkeypatch, number):
    def refuse(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    write(tmp_path / "out", make_file)
    assert content(tmp_path / "out") == "new"
    assert names(tmp_path) == ["out"]


def test_a_link_that_was_made_though_the_answer_was_lost(tmp_path, monkeypatch):
    link = os.link

    def asked_again(part, target):
        link(part, target)
        link(part, target)

    monkeypatch.setattr(os, "link", asked_again)
    write(tmp_path / "out", make_file)
    assert content(tmp_path / "out") == "new"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("empty", [True, False])
def test_other_folders_are_never_replaced(tmp_path, overwrite, empty):
    (tmp_path / "data").mkdir()
    if not empty:
        (tmp_path / "data" / "years of work").touch()
    with pytest.raises(FileExistsError, match=r"data is a folder and not a Zarr store"):
        check_target(tmp_path / "data", overwrite, store=True)


@pytest.mark.parametrize("marker", ["zarr.json", ".zgroup", ".zarray"])
def test_stores_by_others_are_never_replaced(tmp_path, marker):
    (tmp_path / "out.zarr").mkdir()
    (tmp_path / "out.zarr" / marker).touch()
    with pytest.raises(FileExistsError, match=r"out\.zarr is not replaced, because .*delete it"):
        check_target(tmp_path / "out.zarr", overwrite=True, store=True)


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_file_does_not_replace_a_store_nor_a_store_a_file(tmp_path, overwrite):
    make_store(tmp_path / "out.zarr", "old")
    make_file(tmp_path / "out.csv", "old")
    for name, other in (("out.zarr", make_file), ("out.csv", make_store)):
        with (
            pytest.raises(OSError, match=rf"{name} is a (file|folder)\. Choose another name"),
            replacing(tmp_path / name, overwrite, store=other is make_store),
        ):
            pytest.fail("work began")
        assert content(tmp_path / name) == "old"
    assert names(tmp_path) == ["out.csv", "out.zarr"]


@pytest.mark.parametrize("marker", ["zarr.json", ".zgroup", ".zarray"])
@pytest.mark.parametrize("name", ["x.csv", "new.zarr", "labels/cells/x.csv", "zarr.json"])
def test_nothing_is_written_into_a_store(tmp_path, marker, name):
    (tmp_path / "in.zarr" / "labels" / "cells").mkdir(parents=True)
    (tmp_path / "in.zarr" / marker).touch()
    (tmp_path / "link").symlink_to("in.zarr")
    before = snapshot(tmp_path)
    for store in ("in.zarr", "link"):
        with pytest.raises(ValueError, match=rf"{name} lies in the Zarr store .*in\.zarr\. Choose"):
            check_target(tmp_path / store / name, overwrite=True)
    assert snapshot(tmp_path) == before


def test_a_device_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(FileExistsError, match=r"pipe\.json is a device\. Choose another name"):
        check_target(tmp_path / "pipe.json", overwrite=True)


@pytest.mark.parametrize(
    ("target", "other"),
    [
        ("a.csv", "a.csv"),
        ("a.csv", "b/../a.csv"),
        ("link.csv", "a.csv"),
        ("a.csv", "link.csv"),
        ("hard.csv", "a.csv"),
        ("s.zarr", "s.zarr/labels/cells"),
        ("new.zarr", "new.zarr"),
    ],
)
def test_what_is_used_is_not_replaced(tmp_path, monkeypatch, target, other):
    monkeypatch.chdir(tmp_path)
    make_file(Path("a.csv"), "old")
    make_store(Path("s.zarr"), "old")
    os.mkdir("b")
    os.symlink("a.csv", "link.csv")
    os.link("a.csv", "hard.csv")
    with pytest.raises(ValueError, match=rf"{target} is or overlaps {other}, which this run uses"):
        check_target(target, overwrite=True, store=target.endswith("zarr"), inputs=["no", other])


def test_what_is_used_may_lie_beside_or_above(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_file(Path("a.csv"), "old")
    check_target("b.csv", inputs=["a.csv", ".", "/", tmp_path, "b.csv.gz"])


# ---- names


@pytest.mark.parametrize("name", ["a" * 255, "é" * 127, "細" * 85, "a" * 230 + ".partial-abcd1234"])
@kinds
def test_names_as_long_as_the_system_has_them(tmp_path, make, name):
    write(tmp_path / name, make)
    write(tmp_path / name, make, overwrite=True)
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize(("name", "length"), [("a" * 256, 256), ("細" * 86, 258)])
def test_longer_names_are_refused_before_work(tmp_path, name, length, overwrite):
    with pytest.raises(OSError, match=rf"its name has {length} bytes, and 255 are possible"):
        check_target(tmp_path / name, overwrite)


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


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            OSError(28, "No space left on device"),
            "out cannot be written: No space left on device. ",
        ),
        (
            OSError(28, "No space", "in/the/store"),
            "out cannot be written: No space. Check the ",
        ),
        (OSError("encoder error"), "out cannot be written: encoder error."),
        (OSError(), "out cannot be written: OSError."),
        (FileNotFoundError(2, "No such file", "in.tif"), "[Errno 2] No such file: 'in.tif'"),
    ],
)
def test_errors_name_the_output_unless_they_are_of_another_file(tmp_path, error, expected):
    with pytest.raises(OSError) as caught, replacing(tmp_path / "out"):  # noqa: PT011
        raise error
    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(expected)
    assert names(tmp_path) == []


def test_errors_name_the_output_and_not_its_unfinished_part(tmp_path):
    with (
        pytest.raises(OSError, match=r"/out cannot be written: File name too long\. Check"),
        replacing(tmp_path / "out") as part,
    ):
        part.with_name("a" * 300).touch()


def test_folder_that_refuses_all_the_same(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    with (
        pytest.raises(OSError, match=r"out cannot be written: No space left on device\. Check"),
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
import postseg._support.atomic
from postseg._support.atomic import replacing

postseg._support.atomic._exchange = lambda *_: False  # as where the system has no such call
rename, calls = Path.rename, []
def killed(self, target):
    calls.append(target)
    if len(calls) == {number}:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
Path.rename = killed

with replacing("out", overwrite=True, store=True) as part:
    part.mkdir()
    (part / "zarr.json").write_text('{{"attributes": {{"postseg": {{"version": "new"}}}}}}')
    if {number} == 0:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("number", [0, 1, 2])
def test_killed_while_replacing_a_store(tmp_path, number):
    make_store(tmp_path / "out", "old")
    script = KILLED.format(number=number)
    process = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment())
    assert process.returncode == -signal.SIGKILL
    found = {path.parent: content(path.parent) for path in tmp_path.rglob("zarr.json")}
    assert sorted(found.values()) == ["new", "old"]
    old = next(path for path, text in found.items() if text == "old")
    # between the two renames, the old store is under a name that says so
    expected = r"out\.old-\w+/out" if number == 2 else "out"
    assert re.fullmatch(expected, str(old.relative_to(tmp_path)))


LATE = """
import threading, time
from postseg._support.atomic import replacing

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
