"""``--outline``: what polygons are, on the command line."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
from click.testing import CliRunner
from drawing import draw

from postseg import PostSegmentation
from postseg.cli.main import main

PICTURE = np.kron(draw("111.. 1.12. 1112. ...32 ...23"), np.ones((3, 3), int))
OFF = ["--min-area", "none", "--min-absolute-area", "none", "--max-convexity-deficit", "none"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("t_r0_c0.npy", PICTURE)
    return tmp_path


def invoke(command, *args, code=0):
    where = ["t_r0_c0.npy", *(["--shape", "15", "15"] if command == "merge" else [])]
    result = CliRunner().invoke(main, [command, *where, "--factor-rescale", "2", *OFF, *args])
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize("command", ["run", "merge"])
@pytest.mark.parametrize("outline", [None, "contour", "pixels", "simplified"])
def test_polygons_are_those_of_the_setting(command, outline):
    invoke(command, "-o", "c.parquet", *(["--outline", outline] if outline else []))
    post = PostSegmentation(PICTURE, 2, filter_config=NONE, verbose=False)
    post.outline = outline or "contour"
    post.export("expected.parquet")
    found, expected = (
        gpd.read_parquet(name).geometry for name in ("c.parquet", "expected.parquet")
    )
    assert shapely.equals_identical(found.array, expected.array).all()
    assert ("MultiPolygon" in set(found.geom_type)) == (outline in ("pixels", "simplified"))


NONE = dict.fromkeys(["min_area", "min_absolute_area", "max_convexity_deficit"])


def test_another_word_is_refused():
    message = invoke("run", "-o", "c.csv", "--outline", "smooth", code=2).stderr
    assert "'smooth' is not one of 'contour', 'pixels', 'simplified'" in message


@pytest.mark.filterwarnings("default:.* lost holes")
def test_geojson_tells_what_it_leaves_out():
    result = invoke("run", "-o", "c.geojson", "--outline", "pixels")
    assert result.stderr.count("Warning") == 1
    assert "cells lost holes or parts: in GeoJSON" in result.stderr
    assert invoke("run", "-o", "c.geojson", "--overwrite").stderr == ""


@pytest.mark.parametrize("command", ["run", "merge"])
def test_the_help_tells_the_three(command):
    told = " ".join(CliRunner().invoke(main, [command, "--help"]).output.split())
    text = told.partition("--outline")[2].partition("--no-enlarge")[0]
    assert [word in text for word in ("contour:", "pixels:", "simplified:")] == [True] * 3
    assert "[default: contour]" in text
