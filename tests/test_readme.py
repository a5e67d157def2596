"""What the README and the documents beside it show was run."""

import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from anndata import AnnData
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


def test_python_examples_run_one_after_the_other(folder, capsys, scanpy):
    shutil.copytree(ROOT / "configs", folder / "configs")
    namespace = run_examples("README.md")
    assert "too_small" in capsys.readouterr().out
    assert not namespace["slide"].missing
    assert namespace["slide"].report.links
    assert len(namespace["whole"].shapes_model) > 100
    assert namespace["labels_model"].shape == (2048, 2048)
    assert namespace["normalised"].X.dtype == np.float32
    assert namespace["table"].X.dtype == np.int32  # as it was, for to_spatialdata()
    assert len(namespace["table"]) > 100
    assert names_in(folder) == {"configs", "filter.png", "report.html", "transcripts.parquet"}


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


def test_outlines(folder, capsys):
    namespace = run_examples(".github/docs/outlines.md")  # which asserts what it promises
    polygons, post = namespace["polygons"], namespace["post"]
    simplified = namespace["shapes_model"].geometry
    assert len(polygons) == 344
    pixels = post.shapes_model.geometry
    np.testing.assert_array_equal(pixels.area, 16 * post.regions.query("label > 0")["area"])
    off = simplified.area / pixels.area - 1
    assert abs(off.mean()) < 1e-3
    assert 0.02 < abs(off).max() < 0.025  # "2 % at worst"
    assert namespace["parts"].sum() == len(simplified)
    assert capsys.readouterr().out.startswith("outline is 'simplified', but Smooth overrides")
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


@pytest.fixture
def scanpy(monkeypatch):
    """What stands for scanpy: it normalises counts that scanpy would."""
    module = SimpleNamespace(pp=SimpleNamespace(normalize_total=normalize_total))
    monkeypatch.setitem(sys.modules, "scanpy", module)


def normalize_total(adata, copy=False):
    """Scale the counts of each cell to their median, where it has any."""
    adata = adata.copy() if copy else adata
    assert isinstance(adata.X, scipy.sparse.csr_matrix)
    assert adata.X.has_canonical_format
    assert np.isfinite(adata.X.data).all()
    for names in (adata.obs_names, adata.var_names):
        assert names.is_unique
        assert all(isinstance(name, str) for name in names)
    totals = np.asarray(adata.X.sum(axis=1)).ravel()
    scale = np.median(totals) / np.maximum(totals, 1)
    adata.X = scipy.sparse.csr_matrix(adata.X.multiply(scale[:, None]), dtype=np.float32)
    return adata if copy else None


@pytest.mark.filterwarnings("default")
def test_what_stands_for_scanpy_does_what_it_does():
    pp = pytest.importorskip("scanpy").pp
    counts = scipy.sparse.csr_matrix(np.array([[3, 0, 1], [0, 0, 0], [0, 2, 7]], np.int32))
    ours, theirs = AnnData(counts.copy()), AnnData(counts.copy())
    normalize_total(ours)
    pp.normalize_total(theirs)
    assert ours.X.dtype == theirs.X.dtype
    np.testing.assert_allclose(ours.X.toarray(), theirs.X.toarray())


def test_transcripts(folder, capsys, scanpy):
    namespace = run_examples(".github/docs/transcripts.md")
    text = (ROOT / ".github/docs/transcripts.md").read_text("utf-8")
    ledger = re.search(r"^Transcripts: [^`]*", text, flags=re.MULTILINE).group()
    assert ledger in capsys.readouterr().out
    assert namespace["normalised"].n_obs == namespace["sweep"]["kept"][0.2]
    totals = np.asarray(namespace["normalised"].X.sum(axis=1))
    np.testing.assert_allclose(totals.ravel(), totals.item(0), rtol=1e-5)
    post, strict = namespace["post"], namespace["strict"]
    assert namespace["table"].X.sum() == post.regions.query("label > 0")["transcript_counts"].sum()
    assert namespace["table"].n_obs == namespace["sweep"]["kept"][0.15]
    assert strict.filter_report.rejected["silent"]
    assert strict.table.obs["transcript_counts"].min() >= 30
    assert names_in(folder) == {"transcripts.parquet"}


def test_all_examples_are_run_here():
    with_examples = [name for name in DOCUMENTS if "```python" in (ROOT / name).read_text("utf-8")]
    assert with_examples == [
        f".github/docs/{name}.md"
        for name in ("extending", "outlines", "placement", "slides", "tiles", "transcripts")
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
