"""How long labels take to write, against Zarr alone: printed, by `stores`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import stores


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    stores.prepare(folder)
    return folder


@pytest.mark.parametrize("case", stores.CASES)
def test_store(folder, case, capsys):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, str(Path(stores.__file__)), case, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    with capsys.disabled():
        print(f"\n{case}: {done.stdout.strip()}")
