"""``postseg merge``: tiles on the command line, and that their slide is the uncut image."""

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import spatialdata as sd
import tifffile
from adding import assert_same_files, write_store
from click.testing import CliRunner
from PIL import Image
from skimage.draw import disk
from trees import snapshot

from postseg import Slide, plan_tiles
from postseg.cli.main import main
from postseg.tiles.merged import MergeReport

SHAPE = ("--shape", "90", "120")
PLAN = plan_tiles((90, 120), (50, 47), overlap=10)


def scene():
    """Discs of several sizes, in raster order, some of which a filter rejects."""
    image = np.zeros((90, 120), np.uint16)
    centres = [(9 + 18 * i, 9 + 17 * j + 3 * (i % 2)) for i in range(5) for j in range(7)]
    for n, centre in enumerate(centres):
        image[disk(centre, 4 + n % 5, shape=image.shape)] = n + 1
    first = {label: i for i, label in reversed([*enumerate(image.ravel().tolist())]) if label}
    number = np.zeros(len(centres) + 1, np.uint16)
    number[sorted(first, key=first.get)] = range(1, len(first) + 1)
    return number[image]


IMAGE = scene()


def window(rectangle):
    top, left, bottom, right = rectangle
    return IMAGE[top:bottom, left:right]


def numbered_anew(tile, seed):
    """The same cells by other ids, as of a model that saw this tile only."""
    ids = np.random.default_rng(seed).permutation(500)[: IMAGE.max() + 1] + 1
    return np.where(tile, ids[tile], 0).astype(np.uint16)


def local(rectangle):
    return numbered_anew(window(rectangle), rectangle.top + rectangle.left)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The working directory, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def name(rectangle, suffix=".npy"):
    return f"t_r{rectangle.top}_c{rectangle.left}{suffix}"


def save_tiles(make=local, plan=PLAN):
    """Write tiles, named by their place."""
    for rectangle in plan:
        np.save(name(rectangle), make(rectangle))
    return [name(rectangle) for rectangle in plan]


def invoke(*args):
    return CliRunner().invoke(main, [str(arg) for arg in args])


def succeed(*args):
    result = invoke(*args)
    assert result.exit_code == 0, result.output
    return result


def fail(*args, code=1):
    """Return the message of a merge that must fail, and leave nothing behind."""
    before = snapshot(Path.cwd())
    result = invoke("merge", *args)
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    assert snapshot(Path.cwd()) == before
    *usage, message = result.stderr.splitlines()
    assert bool(usage) == (code == 2)
    return message.removeprefix("Error: ")


def assert_same_as_uncut(*args):
    np.save("uncut.npy", IMAGE)
    for command in (["merge", *args], ["run", "uncut.npy"]):
        out = [
            arg for ending in ("csv", "tif", "geojson") for arg in ("-o", f"{command[0]}.{ending}")
        ]
        succeed(*command, *out, "--factor-rescale", 2, "--max-area", 200)
    merged, uncut = (pd.read_csv(f"{command}.csv") for command in ("merge", "run"))
    assert 0 < (uncut["label"] > 0).sum() < len(uncut)
    added = {"tile", "tile_label", "n_tiles", "role", "cut"}
    assert set(merged.columns) - set(uncut.columns) == added
    pd.testing.assert_frame_equal(merged[uncut.columns], uncut, check_exact=True)
    np.testing.assert_array_equal(tifffile.imread("merge.tif"), tifffile.imread("run.tif"))
    texts = (Path(f"{command}.geojson").read_text() for command in ("merge", "run"))
    assert len({re.sub(r'"id":\s*"[^"]*"', "", text) for text in texts}) == 1


def test_tiles_of_a_model_give_what_the_uncut_image_gives():
    assert_same_as_uncut(*reversed(save_tiles()), *SHAPE)


def test_windows_of_one_image_without_overlap():
    tiles = save_tiles(window, plan_tiles((90, 120), (45, 50)))
    assert_same_as_uncut(*tiles, *SHAPE, "--ids", "shared")


def store_of(plan, **settings):
    slide = Slide(IMAGE.shape, store="run.tiles", plan=plan, **settings)
    for rectangle in plan:
        slide.add(local(rectangle), rectangle[:2])


def test_a_store_knows_shape_ids_rim_and_places():
    store_of(PLAN)
    assert_same_as_uncut("run.tiles")


def test_what_is_given_is_as_in_the_store():
    store_of(PLAN, rim=2)
    out = ["run.tiles", "-o", "cells.csv"]
    succeed("merge", *out, *SHAPE, "--ids", "local", "--rim", 2)
    os.remove("cells.csv")
    for option, words in (
        (["--rim", 0], "with rim 2, and not with rim 0"),
        (["--ids", "shared"], "with ids 'local', and not with ids 'shared'"),
        (["--shape", 90, 121], r"with shape \[90, 120\], and not with shape \[90, 121\]"),
    ):
        assert re.search(words, fail(*out, *option))
    for option in (["--origins", "o.csv"], ["--image-origins"], ["--element", "labels"]):
        assert "know their places: leave" in fail(*out, *option, code=2)


def test_a_store_of_which_a_file_is_damaged():
    store_of(PLAN)
    files = sorted(os.listdir("run.tiles"))
    with open(f"run.tiles/{files[0]}", "wb") as file:
        file.write(b"PK nonsense")
    message = fail("run.tiles", "-o", "cells.csv")
    assert f"run.tiles/{files[0]} cannot be read: " in message
    for path in files:
        Path("run.tiles", path).write_bytes(b"")
    assert f"run.tiles/{files[0]} cannot be read: " in fail("run.tiles", "-o", "cells.csv")


def test_names_with_numbers_of_tiles_instead_of_pixels():
    for row in range(2):
        for column in range(2):
            np.save(f"r{row}_c{column}.npy", IMAGE[:20, :20])
    tiles = sorted(str(path) for path in Path().glob("r*_c*.npy"))
    message = fail(*tiles, *SHAPE, "-o", "cells.csv")
    assert "rows 0 to 1 and columns 0 to 1: are these numbers of tiles?" in message


def test_a_folder_of_something_else():
    os.mkdir("tiles")
    np.save("tiles/r0_c0.npy", IMAGE)
    message = fail("tiles", "-o", "cells.csv")
    assert message == (
        "tiles holds no tiles that a Slide stored. Is it another folder, or one of label "
        "images, tiles/*.npy?"
    )
    assert fail("tiles", "tiles/r0_c0.npy", *SHAPE, "-o", "cells.csv").startswith(
        "tiles is a folder. Give the files in it"
    )


def test_files_as_run_reads_them():
    one, two, three, four = PLAN[0], PLAN[1], PLAN[2], PLAN[3]
    np.savez("a-r0-c0.npz", other=np.zeros(3), mine=local(one))
    tifffile.imwrite(name(two, ".ome.tif"), local(two))
    Image.fromarray(local(three)).save(f"x_r{three.top:05}_c{three.left:03}_y.png")
    rest = save_tiles(plan=PLAN[3:])
    assert four in PLAN[3:]
    tiles = [name(two, ".ome.tif"), f"x_r{three.top:05}_c{three.left:03}_y.png", *rest]
    assert_same_as_uncut("a-r0-c0.npz", *tiles, *SHAPE)
    args = ["a-r0-c0.npz", *SHAPE, "-o", "cells.csv", "--element", "no"]
    assert fail(*args) == "a-r0-c0.npz: no array is called 'no'. It has: other, mine."


@pytest.mark.parametrize(
    ("tile", "why"),
    [
        ("tile.npy", "does not tell where it lies"),
        ("car0_c0.npy", "does not tell where it lies"),
        ("r0_c10x.npy", "does not tell where it lies"),
        ("r0_c0_r10_c0.npy", "tells several places"),
    ],
)
def test_a_name_that_tells_no_place(tile, why):
    np.save(tile, IMAGE)
    message = fail(tile, *SHAPE, "-o", "cells.csv")
    assert message.startswith(f"the name of {tile} {why}. Name it by its first row and column")
    assert "--origins tiles.csv" in message


def write_table(*lines, header="file,row,column"):
    with open("tiles.csv", "w") as file:
        file.write("\n".join([header, *lines]) + "\n")
    return ["--origins", "tiles.csv", *SHAPE, "-o", "cells.csv"]


def test_origins_by_a_table():
    os.mkdir("a")
    tiles, lines = [], []
    for n, rectangle in enumerate(PLAN):
        path = [f"tile{n}.npy", f"a/tile{n}.npy"][n % 2]
        np.save(path, local(rectangle))
        tiles.append(path)
        named = [path, os.path.abspath(path), f"tile{n}.npy"][n % 3]
        lines.append(f"{rectangle.left},x, {named},{rectangle.top}")
    write_table(*reversed(lines), header="\ufeffcolumn,note,file,row")
    assert_same_as_uncut(*tiles, "--origins", "tiles.csv", *SHAPE)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a.npy,0,0"], "tiles.csv has no line for b.npy. Add one"),
        (
            ["a.npy,0,0", "b.npy,0,5", "c.npy,0,9"],
            "tiles.csv, line 4: it names 'c.npy', which is none of the tiles given",
        ),
        (["a.npy,0,0", "b.npy,0,5", "./a.npy,9,9"], "tiles.csv, lines 2 and 4: both are of a.npy"),
        (
            ["a.npy,0,0", "b.npy,12.5,5"],
            "tiles.csv, line 3: the row is '12.5'; give a whole number of pixels.",
        ),
        (["a.npy,0", "b.npy,0,5"], "tiles.csv, line 2: the column is ''"),
        (["a.npy,1,000,2,000"], "tiles.csv, line 2: it has more values than the 3 columns"),
    ],
)
def test_a_table_that_is_wrong(lines, message):
    for tile in ("a.npy", "b.npy"):
        np.save(tile, IMAGE)
    assert fail("a.npy", "b.npy", *write_table(*lines)).startswith(message)


def test_a_table_of_other_columns_or_none():
    np.save("a.npy", IMAGE)
    message = fail("a.npy", *write_table("a.npy;0;0", header="file;row;column"))
    assert message.startswith("tiles.csv has the columns file;row;column; it needs file,row,column")
    with open("tiles.csv", "wb") as file:
        file.write(b"file,row,column\n\xff\xfe,0,0\n")
    assert "Save it as a CSV file in UTF-8." in fail("a.npy", *write_args())
    os.remove("tiles.csv")
    assert fail("a.npy", *write_args()) == "tiles.csv does not exist."


def write_args():
    return ["--origins", "tiles.csv", *SHAPE, "-o", "cells.csv"]


def test_names_that_several_tiles_have():
    for path in ("a", "b"):
        os.mkdir(path)
        np.save(f"{path}/t.npy", IMAGE)
    message = fail("a/t.npy", "b/t.npy", *write_table("t.npy,0,0"))
    assert message == "tiles.csv, line 2: it names a/t.npy and b/t.npy; write its path."


def test_origins_in_pixels_of_the_image():
    tiles = []
    for rectangle in PLAN:
        tiles.append(f"r{2 * rectangle.top}_c{2 * rectangle.left}.npy")
        np.save(tiles[-1], local(rectangle))
    assert_same_as_uncut(*tiles, *SHAPE, "--image-origins")
    args = [*SHAPE, "--image-origins", "-o", "cells.csv"]
    message = fail(*tiles, *args, code=2)
    assert message == "--image-origins are divided by --factor-rescale: give that too, from 2."
    np.save("r1_c0.npy", IMAGE[:10])
    message = fail("r1_c0.npy", *args, "--factor-rescale", 2)
    assert message.startswith("r1_c0.npy: the tile at row 1, column 0 of the image does not begin")


def test_a_missing_file_is_told_before_any_is_read(monkeypatch):
    tiles = save_tiles()
    read = "postseg.files.read.read_label_image"
    monkeypatch.setattr(read, lambda *_, **__: pytest.fail("work was done"))
    message = fail(*tiles, "r9_c9.npy", *SHAPE, "-o", "cells.csv")
    assert message.startswith("r9_c9.npy does not exist. Give all tiles of the slide, as files")


def test_a_tile_that_leaves_the_slide():
    np.save("r1_c0.npy", IMAGE)
    message = fail("r1_c0.npy", *SHAPE, "-o", "cells.csv")
    assert message.startswith("r1_c0.npy: the tile at row 1, column 0 (rows 1:91, columns 0:120)")
    assert "leaves the slide of 90 x 120" in message


def test_a_tile_that_is_no_label_image():
    np.save("r0_c0.npy", IMAGE - 0.5)
    message = fail("r0_c0.npy", *SHAPE, "-o", "cells.csv")
    assert message.startswith("r0_c0.npy: the tile at row 0, column 0: ")


def test_two_files_of_one_place():
    np.save("r0_c0_a.npy", IMAGE)
    np.save("r0_c0_b.npy", IMAGE.astype(np.int64))
    succeed("merge", "r0_c0_a.npy", "r0_c0_b.npy", *SHAPE, "-o", "cells.csv")
    os.remove("cells.csv")
    np.save("r0_c0_b.npy", numbered_anew(IMAGE, 1))
    message = fail("r0_c0_a.npy", "r0_c0_b.npy", *SHAPE, "-o", "cells.csv")
    assert message == (
        "r0_c0_a.npy and r0_c0_b.npy are both the tile at row 0, column 0, and differ. Give one of "
        "them, or correct where they lie."
    )


def test_shared_ids_that_are_not():
    message = fail(*save_tiles(), *SHAPE, "--ids", "shared", "-o", "cells.csv")
    of_a_tile = r"in the tile at rows (\d+):\d+, columns (\d+):\d+ \(t_r\1_c\2\.npy\)"
    both = of_a_tile + ", and .*" + of_a_tile.replace(r"\1", r"\3").replace(r"\2", r"\4")
    assert re.search(both, message)


def test_no_shape():
    message = fail(*save_tiles(), "-o", "cells.csv", code=2)
    assert message == "Missing option '--shape'. Tiles do not know how large their slide is."


def test_no_output_takes_the_place_of_a_tile():
    tiles = save_tiles()
    for output in (tiles[3].replace(".npy", ".csv"), "tiles.csv"):
        os.path.exists(output) or os.symlink(tiles[3], output)
        args = ["--origins", "tiles.csv"] if output == "tiles.csv" else []
        message = fail(*tiles, *SHAPE, *args, "-o", output, "--overwrite")
        assert "which this run uses" in message


@pytest.mark.filterwarnings("default:.*(gap|seam|No tile covers)")
@pytest.mark.parametrize(
    ("left_out", "warning"),
    [
        (
            {PLAN[0]},
            r"Warning: \d+ cells? cut by gaps between tiles, the first gap at rows 0:40, "
            r"columns 0:37",
        ),
        (
            set(PLAN[1:]),
            r"Warning: No tile covers rows 0:50, columns 47:120 of the slide, nor 1 other place\. "
            r"No cell is cut there\.",
        ),
    ],
)
def test_gaps_are_told(left_out, warning):
    def make(rectangle):
        tile = local(rectangle)
        tile[-3:] = tile[:, -3:] = 0
        return tile if len(left_out) > 1 else local(rectangle)

    tiles = save_tiles(make, [rectangle for rectangle in PLAN if rectangle not in left_out])
    result = succeed("merge", *tiles, *SHAPE, "-o", "cells.csv", "--quiet")
    assert result.stdout == ""
    assert len([line for line in result.stderr.splitlines() if re.match(warning, line)]) == 1


def test_what_was_merged_is_told():
    result = succeed("merge", *save_tiles(), *SHAPE, "-o", "cells.csv")
    line, empty, report = result.stdout.splitlines()[:3]
    assert line == f"Merged 6 tiles: {IMAGE.max()} cells, 5 joined at seams"
    assert not empty
    assert report.startswith("Cell filter: ")
    assert result.stdout.splitlines()[-1] == "  cells.csv: audit table as CSV"
    assert result.stderr == ""


def test_what_was_merged_in_words():
    report = MergeReport(16, 37801, joined=12, trimmed=3, beaten=2, disowned=3)
    assert str(report) == (
        "Merged 16 tiles: 37,801 cells, 12 joined at seams, 3 trimmed, 5 left out (3 disowned, 2 "
        "beaten)"
    )
    assert str(MergeReport(1, 1, disowned=1)) == ("Merged 1 tile: 1 cell, 1 left out (1 disowned)")


@pytest.mark.filterwarnings("ignore:zarr v3 autosharding")
def test_the_cells_are_added_to_a_store(folder, monkeypatch):
    monkeypatch.setattr("adding.pixels", lambda: IMAGE.astype(np.int32))
    write_store(folder / "user.zarr")
    before = snapshot(folder / "user.zarr")
    args = [*save_tiles(), *SHAPE, "--add-to", "user.zarr", "--label-name", "cells", "--quiet"]
    result = succeed("merge", *args, "--reference", "nuclei")
    assert result.output == ""
    assert_same_files(before, snapshot(folder / "user.zarr"))
    added = sd.read_zarr("user.zarr")
    assert len(added["cells_shapes"]) == added["cells_table"].n_obs > 20
    assert set(added["cells_table"].obs["role"]) <= {"single", "whole", "joined", "trimmed"}
    assert "'cells' in labels already; choose another label_name" in fail(*args)


def test_no_output_at_all():
    message = fail(*save_tiles(), *SHAPE, code=2)
    assert message == "Missing option '-o' / '--output'. Or add to a store with --add-to."


def test_help_fits_80_columns():
    text = succeed("merge", "--help").output
    assert max(map(len, text.splitlines())) <= 80
