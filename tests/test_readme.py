"""What the README and the documents beside it show was run."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from spatialdata import get_extent

import postseg
from postseg.cli.main import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob(".github/**/*.md"))]


def run_examples(document):
    """Run the Python blocks of a document one after the other, here; return what they defined."""
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    namespace = {}
    for block in blocks:
        exec(compile(block, document, "exec"), namespace)
    return namespace


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def test_python_examples_run_one_after_the_other(folder, capsys):
    shutil.copytree(ROOT / "configs", folder / "configs")
    namespace = run_examples("README.md")
    assert "too_small" in capsys.readouterr().out
    assert not namespace["slide"].missing
    assert namespace["slide"].report.links
    assert len(namespace["whole"].shapes_model) > 100
    assert namespace["labels_model"].shape == (2048, 2048)
    assert names_in(folder) == {"configs", "filter.png", "report.html"}


def test_extending(folder, capsys):
    namespace = run_examples(".github/docs/extending.md")
    assert namespace["post"].filter_report.rejected["giant"]
    dark = namespace["bright"].filter_report.rejected["dark"]
    assert dark
    printed = capsys.readouterr().out
    assert printed.count(f"Dark: {dark}") == 2  # the second run gives the same
    kept = len(namespace["one_by_one"].gdf_polygons)
    assert printed.endswith(f"4 15 {kept}\n" * 2)
    assert not names_in(folder)

    masks = np.zeros((12, 30), int)
    masks[2:10, 2:10] = masks[2:10, 15:23] = 7  # a label in two parts, bright and dark
    stain = np.zeros((12, 30))
    stain[:, :12] = 1
    for kind, reasons in {"Bright": ["", ""], "BrightParts": ["", "dark"]}.items():
        post = namespace[kind](masks, stain, verbose=False)
        post.process_masks_to_shapes()
        assert post.regions["reason"].tolist() == reasons


def test_slides(folder, capsys):
    namespace = run_examples(".github/docs/slides.md")
    assert namespace["masks"].chunks == ((200, 200, 112), (300, 212))
    kept = len(namespace["shapes_model"])
    assert re.match(rf"\[{kept}, \d+\]$", capsys.readouterr().out)
    assert not names_in(folder)


def test_placement(folder, capsys):
    namespace = run_examples(".github/docs/placement.md")
    sdata = namespace["sdata"]
    assert {name for _, name, _ in sdata.gen_elements()} == {
        *("he", "nuclei", "cells", "cells_shapes", "cells_table"),
        *("quarter", "quarter_shapes", "quarter_table"),
    }
    for name in ("cells_shapes", "quarter_shapes"):
        left, top = get_extent(sdata[name], coordinate_system="global")["x"][0], 7153
        assert 12942 <= left < 12942 + 100
        assert get_extent(sdata[name], coordinate_system="global")["y"][0] >= top
    assert sdata["quarter"].shape == sdata["nuclei"].shape
    assert "20 um² = 80 px" in capsys.readouterr().out
    assert not names_in(folder)


def test_tiles(folder, capsys):
    namespace = run_examples(".github/docs/tiles.md")
    slide, plan = namespace["slide"], namespace["plan"]
    assert f"# {namespace['again']}\n" in (ROOT / ".github/docs/tiles.md").read_text("utf-8")
    assert capsys.readouterr().out.startswith("Merged 9 tiles: ")
    assert set(namespace["seams"]["role"]) >= {"whole", "trimmed"}
    # what was there before the kill is not segmented again
    assert [len(namespace[name]) for name in ("before", "after")] == [5, 4]
    assert sorted([*namespace["before"], *namespace["after"]]) == sorted(plan)
    assert namespace["cells"].merge().same(slide.merge())
    assert names_in(folder) == {"nuclei.tiles", "cluster.tiles", "frozen.json"}
    command = ["merge", "nuclei.tiles", "-o", "cells.csv", "--factor-rescale", "4", "--quiet"]
    assert CliRunner().invoke(main, command).exit_code == 0
    kept = pd.read_csv("cells.csv").query("label > 0")
    assert len(kept) == len(namespace["shapes_model"])


def test_all_examples_are_run_here():
    with_examples = [name for name in DOCUMENTS if "```python" in (ROOT / name).read_text("utf-8")]
    assert with_examples == [
        f".github/docs/{name}.md" for name in ("extending", "placement", "slides", "tiles")
    ]


@pytest.mark.parametrize("document", ["README.md", *DOCUMENTS])
def test_pictures_and_links_exist(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / document).parent.joinpath(target).exists(), target


def test_the_readme_is_short_and_leads_to_all_documents():
    assert len(README.split()) < 1500
    for document in DOCUMENTS:
        assert f"]({document})" in README


def test_ci_calls_the_test_command():
    command = re.search(r"^python3 .*pytest.*$", README, flags=re.MULTILINE).group()
    assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_those_who_join_are_told_the_same_test_command():
    command = re.search(r"^python3 .*pytest.*$", README, flags=re.MULTILINE).group()
    assert f"\n{command}\n" in (ROOT / ".github/CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_citation_names_this_version():
    citation = (ROOT / ".github" / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.*)$", citation, flags=re.MULTILINE) == [postseg.__version__]
