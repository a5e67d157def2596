"""The package with a few lines more, to see how many lines something new costs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import postseg

ROOT = Path(postseg.__file__).parent


def run_edited(folder, edits, script):
    """Copy the package, make edits and run a script with it; returns what it printed.

    `edits` are texts to be replaced, each found once, by others: by the name of the file.
    """
    package = folder / "postseg"
    shutil.copytree(ROOT, package, ignore=shutil.ignore_patterns("_kernels", "__pycache__"))
    (package / "_kernels").symlink_to(ROOT / "_kernels")  # compiled already
    for name, replacements in edits.items():
        (file,) = package.rglob(name)
        text = file.read_text(encoding="utf-8")
        for old, new in replacements.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")
    command = [sys.executable, "-W", "ignore", "-c", f"import numpy as np, postseg\n{script}"]
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    env = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
