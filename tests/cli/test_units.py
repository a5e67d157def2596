"""Thresholds with units, and the pixel size that they need, on the command line."""

import json
import re

import geopandas as gpd
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from drawing import squares

from postseg import PostSegmentation
from postseg.cli.main import main

MASKS = squares(8, 9, 10, 11)
KEPT = ["--max-convexity-deficit", "none", "--min-area", "none"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("m.npy", MASKS)
    (tmp_path / "experiment.xenium").write_text('{"pixel_size": 0.5}')
    side = {"PhysicalSizeX": 500, "PhysicalSizeY": 500}
    units = {"PhysicalSizeXUnit": "nm", "PhysicalSizeYUnit": "nm"}
    tifffile.imwrite("he.ome.tif", np.zeros((9, 9), np.uint8), ome=True, metadata=side | units)
    return tmp_path


def invoke(*args, code=0):
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    assert result.exit_code == code, result.output
    return result.output if code == 0 else result.stderr.splitlines()[-1]


def run(*args, code=0):
    args = ["m.npy", "-o", "a.parquet", "--report", "r.json", *KEPT, "--overwrite", *args]
    return invoke("run", *args, code=code)


@pytest.mark.parametrize("size", ["0.5", "5e-1", "experiment.xenium", "he.ome.tif"])
def test_um2_with_a_pixel_size(size):
    text = run("--pixel-size", size, "--factor-rescale", 2, "--min-absolute-area", "81 µm²")
    assert "81 um² = 81 px" in text
    with open("r.json") as file:
        report = json.load(file)
    assert report["thresholds"]["min_absolute_area"] == "81 um2"
    assert report["thresholds_pixels"]["min_absolute_area"] == 81
    assert gpd.read_parquet("a.parquet")["area_um2"].tolist() == [81, 100, 121]


@pytest.mark.parametrize(
    ("option", "value", "kept"),
    [
        ("--min-area", "81px", 3),
        ("--min-area", "100 %", 1),
        ("--min-absolute-area", "82 px", 2),
        ("--max-area", "0%", 1),
    ],
)
def test_units_that_need_no_pixel_size(option, value, kept):
    run(option, value)
    cells = gpd.read_parquet("a.parquet")
    assert len(cells) == kept
    assert "area_um2" not in cells


def test_units_in_a_config_file(folder):
    (folder / "c.toml").write_text('min_absolute_area = "25 um2"\n')
    run("--config", "c.toml", "--pixel-size", "0.5")
    assert len(gpd.read_parquet("a.parquet")) == 2


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--max-area", "20 um2"], r"max_area is '20 um2', .*--pixel-size"),
        (["--max-area", "20 um"], r"max_area: '20 um' has the unit 'um'; units are um2, px or %"),
        (["--pixel-size", "0"], r"pixel_size is 0.0; give the side of a pixel in um"),
        (["--pixel-size", "nan"], r"pixel_size is nan"),
        (["--pixel-size", "absent.tif"], r"absent.tif does not exist"),
        (["--pixel-size", "m.npy"], r"m.npy has the suffix '.npy'"),
        (["-o", "he.ome.tif", "--pixel-size", "he.ome.tif"], r"he.ome.tif is or overlaps"),
    ],
)
def test_refused_before_any_work(monkeypatch, args, message):
    reader = "postseg.files.read.read_label_image"
    monkeypatch.setattr(reader, lambda *_, **__: pytest.fail("was read"))
    assert re.search(message, run(*args, code=1))


def test_a_word_that_is_neither_is_answered_with_the_units():
    message = run("--max-area", "x", code=2)
    assert "'x' is neither a number nor 'none' nor a number with a unit: um2, px or %." in message


def test_help_tells_the_units():
    for command in ("run", "report"):
        told = " ".join(invoke(command, "--help").split())
        assert told.count("or a number with a unit: um2, px or %") == 3
        assert told.count("or two bounds in px, as in '20 to 300 px'") == 1
        assert "--pixel-size NUMBER|FILE" in told


def test_a_report_on_a_label_image(folder):
    args = ["--min-absolute-area", "20.25 um2", *KEPT]
    invoke("report", "m.npy", "-o", "p.html", "--pixel-size", "experiment.xenium", *args)
    page = (folder / "p.html").read_text(encoding="utf-8")
    assert "area ≥ 20.25 um² = 81 px" in page
    assert "min_absolute_area = &#34;20.25 um2&#34;" in page
    assert "--pixel-size …" in page


def test_a_report_on_a_store_knows_the_pixel_size(folder):
    config = {"min_absolute_area": "20.25 um2", "min_area": None, "max_convexity_deficit": None}
    post = PostSegmentation(MASKS, 2, pixel_size=0.25, filter_config=config, verbose=False)
    post.write("s.zarr")
    assert "3 of 4" in invoke("report", "s.zarr", "-o", "p.html")
    told = invoke("report", "s.zarr", "-o", "q.html", "--min-absolute-area", "25 um2")
    assert "2 of 4" in told
    assert "3 of 4" in invoke("report", "s.zarr", "-o", "r.html", "--pixel-size", "0.25")
    message = invoke("report", "s.zarr", "-o", "t.html", "--pixel-size", "0.5", code=1)
    assert "was filtered with a pixel size of 0.25 um, not 0.5" in message


def test_a_store_without_one_can_be_given_it(folder):
    PostSegmentation(MASKS, 2, verbose=False).write("s.zarr")
    args = ["--min-absolute-area", "25 um2", "--overwrite"]
    assert "--pixel-size" in invoke("report", "s.zarr", "-o", "p.html", *args, code=1)
    told = invoke("report", "s.zarr", "-o", "p.html", *args, "--pixel-size", "0.25")
    assert "2 of 4" in told


@pytest.mark.filterwarnings("default:min_absolute_area")
def test_a_floor_above_the_median_is_a_warning_in_one_line():
    args = ["run", "m.npy", "-o", "b.csv", "--quiet", *KEPT, "--min-absolute-area", "101"]
    told = CliRunner().invoke(main, args).stderr.splitlines()
    assert len(told) == 1
    assert told[0].startswith("Warning: min_absolute_area is 101 px, above the median area")
