"""How kernels are compiled and called: their cache may fail, and an interrupt stays one."""

import os
import pickle
import shutil
import signal
import subprocess
import sys

import numba
import numpy as np
import pytest
from numba.core.caching import CacheImpl, IndexDataCacheFile

from postseg._kernels import compiled, runs


def double(x):
    return 2 * x


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where numba keeps machine code: of `double` only."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def hits():
    """Call `double` as a new process would; how often its code was read from the cache."""
    function = compiled(double)
    assert function(21) == 42
    return sum(function.stats.cache_hits.values())


def test_machine_code_is_kept(folder):
    assert (hits(), hits()) == (0, 1)


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


DAMAGE = {
    "empty": lambda data: b"",
    "cut short": lambda data: data[: len(data) // 2],
    "garbage": lambda data: b"garbage" * 100,
    "another pickle": lambda data: pickle.dumps((1, 2)),
    "zeros": lambda data: data[:100] + bytes(len(data) - 100),
    "a byte in the middle": lambda data: flip(data, len(data) // 2),
    "the last byte but 9": lambda data: flip(data, len(data) - 10),
}


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_cache_is_compiled_anew_and_mended(folder, kind, damage):
    hits()
    (file,) = folder.rglob(f"*.{kind}")
    file.write_bytes(damage(file.read_bytes()))
    assert hits() == 0
    assert hits() == 1


def test_a_full_disk_is_no_error(folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(IndexDataCacheFile, "_open_for_write", full)
        assert hits() == 0
    hits()
    (file,) = folder.rglob("*.nbc")
    file.write_bytes(b"")
    monkeypatch.setattr(IndexDataCacheFile, "_open_for_write", full)  # nor can it be mended then
    assert hits() == 0


def test_a_cache_folder_that_went_away_is_no_error(folder):
    function = compiled(double)
    shutil.rmtree(folder)
    folder.touch()  # a file in its place stops root too
    assert function(21) == 42


def test_nowhere_to_keep_machine_code_is_no_error(monkeypatch):
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    assert hits() == 0


def test_the_package_runs_on_a_truncated_cache(tmp_path):
    code = (
        "import numpy as np; from postseg.raster.images import encode; "
        "from postseg.raster.runs import components; "
        "print(components(encode(np.ones((1, 2), int))).regions.areas().item())"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}

    def area():
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    assert area() == 2
    files = [file for file in tmp_path.rglob("*") if file.suffix in {".nbi", ".nbc"}]
    assert len(files) > 4
    for file in files:
        os.truncate(file, file.stat().st_size // 2)
    assert area() == 2


# ---- Ctrl-C


class Asked(Exception):
    """What a handler of one's own raises."""


def ask(*_):
    raise Asked


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no timer")
@pytest.mark.parametrize(
    ("handler", "error"), [(signal.default_int_handler, KeyboardInterrupt), (ask, Asked)]
)
def test_an_interrupt_within_a_kernel_is_what_the_caller_sees(handler, error):
    block = np.arange(1, 3_000_001, dtype=np.uint32).reshape(1500, 2000)
    block.flags.writeable = False
    runs.encode(block[:1, :1], 0, 0)

    def read_until_interrupted():
        signal.setitimer(signal.ITIMER_REAL, 0.002)
        for _ in range(1000):
            runs.encode(block, 0, 0)

    for _ in range(5):
        before = signal.signal(signal.SIGALRM, handler)
        try:
            with pytest.raises(error):
                read_until_interrupted()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def test_another_system_error_stays_as_it_is(monkeypatch):
    def fails():
        raise SystemError("of its own")

    monkeypatch.setattr("postseg._kernels.compiled", lambda function: function)
    from postseg._kernels import kernel

    with pytest.raises(SystemError, match="of its own"):
        kernel(fails)()
