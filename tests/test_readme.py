"""What the README shows was run."""

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_examples_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    namespace = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), namespace)
    assert "too_small" in capsys.readouterr().out
    assert set(namespace["shapes"]) == {(0, 0), (0, 256)}
    assert namespace["labels_model"].shape == (2048, 2048)
    assert {path.name for path in tmp_path.iterdir()} == {"configs", "filter.png", "report.html"}


def test_pictures_and_links_exist():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).is_file(), target


def test_ci_calls_the_test_command():
    command = re.search(r"^python3 .*pytest.*$", README, flags=re.MULTILINE).group()
    assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
