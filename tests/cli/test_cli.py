"""The command line: what it writes, what it says, and that every failure is one line."""

import json
import logging
import os
import pty
import resource
import subprocess
import sys
import types
import warnings

import click
import geopandas as gpd
import numpy as np
import pytest
import spatialdata as sd
import tifffile
from click.testing import CliRunner
from light import light  # noqa: F401 - of all tests here; another process writes whole tables
from sampling import some
from skimage.draw import disk

import postseg
from postseg.cli.main import main, run
from postseg.files.export import FORMATS
from postseg.filtering.config import THRESHOLDS, FilterConfig


@pytest.fixture
def masks():
    """Five round cells with odd ids, a bar that bends, and debris."""
    image = np.zeros((120, 150), np.uint16)
    for label, centre in enumerate([(20, 20), (20, 60), (60, 20), (60, 100), (100, 148)], start=3):
        rows, columns = disk(centre, 12, shape=image.shape)
        image[rows, columns] = 100 * label
    image[90:110, 10:14] = 7
    image[106:110, 10:50] = 7
    image[40, 140:143] = 9
    return image


@pytest.fixture
def folder(tmp_path, masks, monkeypatch):
    """The working directory, with a label image in it."""
    monkeypatch.chdir(tmp_path)
    np.save("m.npy", masks)
    return tmp_path


def invoke(*args):
    return CliRunner().invoke(main, [str(arg) for arg in args])


def succeed(*args):
    result = invoke(*args)
    assert result.exit_code == 0, result.output
    return result


def fail(*args, code=1):
    """Return the message of a command that must fail, and leave nothing behind."""
    before = names()
    result = invoke(*args)
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    assert names() == before
    *usage, message = result.stderr.splitlines()
    assert bool(usage) == (code == 2)
    assert message.startswith("Error: ")
    return message.removeprefix("Error: ")


def names():
    return sorted(os.listdir())


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def thresholds_of(*args):
    succeed("run", "m.npy", "-o", "out.csv", "--report", "r.json", "--overwrite", *args)
    with open("r.json") as file:
        return json.load(file)["thresholds"]


def test_run_writes_one_polygon_per_label(folder, masks):
    succeed("run", "m.npy", "-o", "out.zarr", "--factor-rescale", 4, "--label-name", "cells")
    sdata = sd.read_zarr("out.zarr")
    expected = postseg.filter_cell_by_regionprops(masks, verbose=False)
    labels, shapes = sdata.labels["cells"], sdata.shapes["cells_shapes"]
    np.testing.assert_array_equal(labels, np.kron(expected, np.ones((4, 4), np.int32)))
    assert labels.dtype == np.int32
    assert list(shapes.index) == list(np.unique(expected)[1:]) == [1, 2, 3, 4, 5]
    assert list(shapes["region"]) == ["cell_1", "cell_2", "cell_3", "cell_4", "cell_5"]
    assert (shapes.geom_type == "Polygon").all()
    assert names() == ["m.npy", "out.zarr"]


def test_run_writes_several_outputs(folder):
    args = [arg for ending in FORMATS for arg in ("-o", f"cells{ending}")]
    result = succeed("run", "m.npy", *args)
    written = [f"cells{ending}" for ending in FORMATS]
    assert names() == sorted([*written, "m.npy"])
    listing = [line.split(": ") for line in result.stdout.splitlines()[-len(written) :]]
    assert listing == [[f"  cells{ending}", form.text] for ending, form in FORMATS.items()]
    sdata = sd.read_zarr("cells.zarr")
    assert list(sdata.tables) == ["labels_table"]
    assert list(gpd.read_parquet("cells.parquet").index) == list(sdata["labels_shapes"].index)
    np.testing.assert_array_equal(tifffile.imread("cells.tif"), sdata.labels["labels"])


def test_run_reads_the_labels_of_a_store(folder):
    succeed("run", "m.npy", "-o", "one.zarr", "--label-name", "cells")
    succeed("run", "one.zarr", "-o", "two.zarr", "--element", "cells", "--label-name", "again")
    message = fail("run", "one.zarr", "-o", "three.zarr", "--element", "nuclei")
    assert message == "one.zarr: no labels element is called 'nuclei'. It has: cells."
    one, two = sd.read_zarr("one.zarr"), sd.read_zarr("two.zarr")
    np.testing.assert_array_equal(one.labels["cells"], two.labels["again"])


def test_report_and_closing_line_go_to_stdout(folder):
    result = succeed("run", "m.npy", "-o", "out.csv")
    assert "5 of 7 regions passed" in result.stdout
    *_, closing, output = result.stdout.splitlines()
    assert closing.startswith("Wrote 5 of 7 regions in ")
    assert output == "  out.csv: audit table as CSV"
    assert result.stderr == ""


def test_quiet_prints_nothing(folder):
    assert succeed("run", "m.npy", "-o", "out.csv", "--quiet").output == ""
    assert names() == ["m.npy", "out.csv"]


def test_report_as_json(folder):
    succeed("run", "m.npy", "-o", "out.csv", "--report", "r.json")
    with open("r.json") as file:
        report = json.load(file, parse_constant=pytest.fail)
    assert (report["total"], report["passed"]) == (7, 5)
    assert report["rejected"]["tiny_artifacts"] == 1
    assert report["rejected"]["high_convexity_deficit"] == 1


def test_debug_image(folder):
    pytest.importorskip("matplotlib")
    succeed("run", "m.npy", "-o", "out.csv", "--debug-image", "d.png")
    assert (folder / "d.png").read_bytes().startswith(b"\x89PNG")


def test_pickled_input(folder, masks):
    np.save("m_seg.npy", {"masks": masks})
    assert "--allow-pickle" in fail("run", "m_seg.npy", "-o", "out.zarr")
    succeed("run", "m_seg.npy", "-o", "out.csv", "--allow-pickle")


def test_overwrite(folder):
    succeed("run", "m.npy", "-o", "out.zarr", "--label-name", "old")
    succeed("run", "m.npy", "-o", "out.zarr", "--label-name", "new", "--overwrite")
    assert list(sd.read_zarr("out.zarr").labels) == ["new"]
    assert names() == ["m.npy", "out.zarr"]


# ---- thresholds


def test_one_option_per_threshold():
    fixed = {"source", "outputs", "config", "factor_rescale", "label_name", "origin", "element"}
    fixed |= {"image_shape", "reference", "no_enlarge", "pixel_size", "add_to", "outline"}
    fixed |= {"allow_pickle", "overwrite", "quiet", "debug_image", "summary"}
    fixed |= {"points", "points_in", "to_image", "xy", "coordinate_system", "gene_key", "min_qv"}
    fixed |= {"genes", "no_points", "nuclei", "intensity"}
    options = {param.name: param for param in run.params if param.name not in fixed}
    assert list(options) == list(FilterConfig.model_fields)
    for name, field in FilterConfig.model_fields.items():
        assert options[name].opts == ["--" + name.replace("_", "-")]
        assert options[name].help == field.description
        assert options[name].default == field.default


def test_defaults_are_those_of_the_config(folder):
    assert thresholds_of() == FilterConfig().model_dump()


def test_every_test_can_be_switched_off(folder):
    options = [f"--{name.replace('_', '-')}=none" for name in THRESHOLDS]
    assert thresholds_of(*options) == dict.fromkeys(THRESHOLDS) | {"border": "judge"}


def test_every_threshold_takes_a_number(folder):
    values = dict.fromkeys(THRESHOLDS, 0.5)
    values |= {"min_area": 1.0, "min_absolute_area": 2.0, "max_area": 900.0, "min_compactness": 0.1}
    values |= {"max_eccentricity": 0.9, "max_extent": 0.95, "max_perimeter_area_ratio": 6.0}
    values |= {"max_solidity": 0.99, "min_extent": 0.1, "area_std_filter": 3.0}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
    assert thresholds_of(*options) == values | {"border": "judge"}


@pytest.mark.parametrize("border", ["judge", "keep", "drop"])
def test_border(folder, border):
    assert thresholds_of("--border", border)["border"] == border


def test_area_std_filter_takes_two_bounds(folder):
    assert thresholds_of("--area-std-filter", "1 to 9e3px")["area_std_filter"] == "1 to 9e3 px"


@pytest.mark.parametrize("value", ["median", "median_div2", "10", "200.5"])
def test_min_area(folder, value):
    expected = value if value.startswith("median") else float(value)
    assert thresholds_of("--min-area", value)["min_area"] == expected


def test_options_override_the_file_which_overrides_the_defaults(folder):
    (folder / "c.toml").write_text("max_eccentricity = 0.99\nmin_absolute_area = 30\n")
    options = "--config", "c.toml", "--min-absolute-area", "50", "--max-eccentricity", "none"
    assert thresholds_of(*options[:2])["min_absolute_area"] == 30
    assert thresholds_of(*options[:2])["max_eccentricity"] == 0.99
    thresholds = thresholds_of(*options)
    assert thresholds["min_absolute_area"] == 50  # also where the option repeats the default
    assert thresholds["max_eccentricity"] is None


# ---- failures


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--max-solidity", "1.5"], r"max_solidity: .*less than or equal to 1 .*\(got 1.5\)"),
        (["--max-area", "nan"], r"max_area: .*finite.*\(got nan\)"),
        (["--min-area", "-3"], r"min_area: .*greater than or equal to 0 .*\(got -3.0\)"),
        (["--max-extent", "7", "--area-std-filter", "0"], r"max_extent: .*; area_std_filter: .*"),
        (["--min-extent", "0.9", "--max-extent", "0.5"], r"min_extent \(0.9\) is above max_extent"),
        (["--label-name", "a b"], "label_name is 'a b'"),
        (["--label-name", ""], "label_name is ''"),
        (["--config", "no.toml"], "No such file or directory: no.toml"),
        (["--config", "m.npy"], r"m.npy: .*\.toml or \.json"),
        (["--config", "bad.toml"], "bad.toml is not valid TOML"),
        (
            ["--config", "typo.toml"],
            "typo.toml: unknown threshold 'max_aera': did you mean 'max_area'",
        ),
        (
            ["--output", "no/out.zarr"],
            "no/out.zarr cannot be written: create the folder .*no first",
        ),
        (["--output", "c.json/out.zarr"], r"c.json/out.zarr cannot be written: .* not a folder"),
        (["--output", "old.zarr"], r"old.zarr exists\. .*--overwrite"),
        (
            ["--output", "folder.zarr", "--overwrite"],
            "folder.zarr is a folder and not a Zarr store",
        ),
        (["--output", "file.zarr", "--overwrite"], r"file.zarr is a file\. Choose another name"),
        (["--output", "a.csv", "--output", "old.tif"], r"old.tif exists\. .*--overwrite"),
        (["--output", "a.csv", "--output", "a.csv"], "a.csv is or overlaps a.csv"),
        (["--output", "dir.tif", "--overwrite"], "dir.tif is a folder"),
        (["--output", "dir.csv", "--overwrite"], r"dir.csv is a folder\. Choose another name"),
        (
            ["--output", "other.zarr", "--overwrite"],
            "other.zarr is not replaced.*: images/he. Ch",
        ),
        (["--report", "other.zarr/r.json"], "other.zarr/r.json lies in the Zarr store"),
        (["--debug-image", "other.zarr/d.png"], "other.zarr/d.png lies in the Zarr store"),
        (["--output", "other.zarr/c.csv"], "other.zarr/c.csv lies in the Zarr store"),
        (["--output", "c" * 251 + ".zarr"], "its name has 256 bytes, and 255 are possible"),
        (["--report", "old.json"], r"old.json exists\. .*--overwrite"),
        (["--report", "store.json", "--overwrite"], r"store.json is a folder\. Choose"),
        (["--debug-image", "old.png"], r"old.png exists\. .*--overwrite"),
        (
            ["--config", "c.json", "--report", "c.json", "--overwrite"],
            "c.json is or overlaps c.json",
        ),
        (
            ["--report", "old.zarr/r.json", "--output", "old.zarr", "--overwrite"],
            "overlaps old.zarr",
        ),
    ],
)
def test_refused_before_any_work(folder, monkeypatch, args, message):
    for name in ("old.json", "old.png", "old.tif", "file.zarr", "bad.toml", "c.json"):
        (folder / name).write_text("{}")
    (folder / "typo.toml").write_text("max_aera = 3")
    for name in ("old.zarr", "store.json", "folder.zarr", "dir.tif", "dir.csv", "other.zarr"):
        (folder / name).mkdir()
    (folder / "other.zarr" / "zarr.json").write_text("{}")
    (folder / "other.zarr" / "images").mkdir()
    (folder / "other.zarr" / "images" / "he").touch()
    for name in ("old.zarr", "store.json"):
        (folder / name / "zarr.json").write_text('{"attributes": {"postseg": {"elements": {}}}}')
    monkeypatch.setattr(
        "postseg.files.read.read_label_image", lambda *_, **__: pytest.fail("was read")
    )
    output = [] if "--output" in args else ["--output", "out.zarr"]
    assert_matches(message, fail("run", "m.npy", *output, *args))


def assert_matches(pattern, text):
    with pytest.raises(ValueError, match=pattern):
        raise ValueError(text)


def test_output_is_not_the_input(folder):
    succeed("run", "m.npy", "-o", "in.zarr")
    (folder / "link.zarr").symlink_to("in.zarr")
    for output in ("in.zarr", "link.zarr", "in.zarr/labels/out.zarr"):
        message = fail("run", "in.zarr", "-o", output, "--overwrite")
        assert message == (
            f"{output} is or overlaps in.zarr, which this run uses. Choose another name."
        )
        assert list(sd.read_zarr("in.zarr").labels) == ["labels"]


def test_output_does_not_hold_the_input(folder):
    succeed("run", "m.npy", "-o", "in.zarr")
    (folder / "m.npy").rename("in.zarr/m.npy")
    message = fail("run", "in.zarr/m.npy", "-o", "in.zarr", "--overwrite")
    assert message.startswith("in.zarr is or overlaps in.zarr/m.npy")
    assert (folder / "in.zarr/m.npy").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.npy", None, "no.npy does not exist. Accepted: .npy"),
        ("m.jpg", b"", "m.jpg has the suffix '.jpg', which is not read"),
        ("broken.npy", b"broken", "broken.npy cannot be read: .*damaged"),
        ("broken.tif", b"broken", "broken.tif cannot be read: .*damaged"),
        (".", None, r"\. is a folder and not a Zarr store"),
        ("float.npy", np.array([[0.5]]), r"0\.5"),
        ("text.npy", np.array([["a"]]), "dtype <U1"),
        ("3d.npy", np.zeros((3, 4, 5), int), "2-D"),
        ("negative.npy", np.array([[0, -1]]), "-1"),
        ("empty.npy", np.zeros((4, 5), int), "no cells"),
        ("nothing.npy", np.eye(4, dtype=int), "1 region.*passed"),
    ],
)
def test_bad_input(folder, name, content, message):
    if isinstance(content, np.ndarray):
        np.save(name, content)
    elif content is not None:
        (folder / name).write_bytes(content)
    assert_matches(message, fail("run", name, "-o", "out.zarr", "--quiet"))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["run", "m.npy"], "Missing option '-o'"),
        (["run", "-o", "out.zarr"], "Missing argument 'INPUT'"),
        (["run", "m.npy", "-o", "out.npy"], "'--output': out.npy has no suffix .* one of: .zarr"),
        (["run", "m.npy", "-o", "o.zarr", "-o", "out"], "'--output': out has no suffix"),
        (["run", "m.npy", "-o", "o.zarr", "--report", "r.txt"], "r.txt must end in .json"),
        (["run", "m.npy", "-o", "o.zarr", "--debug-image", "d.jpg"], "d.jpg must end in .png"),
        (["run", "m.npy", "-o", "o.zarr", "--max-aera", "1"], "No such option.*--max-area"),
        (
            ["run", "m.npy", "-o", "o.zarr", "--max-area", "x"],
            "'x' is neither a number nor 'none'",
        ),
        (
            ["run", "m.npy", "-o", "o.zarr", "--min-area", "mean"],
            "'mean' is .* nor 'median' or 'median_div2' or 'none'",
        ),
        (["run", "m.npy", "-o", "o.zarr", "--max-area", "median"], "'median' is neither"),
        (["run", "m.npy", "-o", "o.zarr", "--factor-rescale", "-1"], "-1.0, below 0"),
        (
            ["run", "m.npy", "-o", "o.zarr", "--factor-rescale", "1.5"],
            "factor_rescale is 1.5; give a whole number",
        ),
        (
            ["run", "m.npy", "-o", "o.zarr", "--factor-rescale", "0.5"],
            "give 2 where the masks are 2 times smaller",
        ),
        (["run", "m.npy", "-o", "o.zarr", "--factor-rescale", "four"], "'four' is no whole number"),
        (["walk"], "No such command 'walk'"),
    ],
)
def test_usage_errors(folder, args, message):
    assert_matches(message, fail(*args, code=2))


def test_full_disk(folder, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device", "somewhere/in/the/store")

    monkeypatch.setattr(sd.SpatialData, "write", full)
    message = fail("run", "m.npy", "-o", "out.zarr", "--quiet")
    assert_matches(r"^out.zarr cannot be written: No space left on device\. Check the", message)


@pytest.mark.parametrize(
    ("args", "name"),
    [
        (["run", "m.npy", "-o", "c.csv", "--debug-image", "d.png"], "d.png"),
        (["run", "m.npy", "-o", "c.csv", "--report", "r.json"], "c.csv"),
        (["report", "m.npy", "-o", "r.html"], "r.html"),
    ],
)
def test_full_disk_of_every_output(folder, monkeypatch, args, name):
    # or Python would cut the bytecode of what is imported now, for good
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        message = fail(*args)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_matches(rf"^{name} cannot be written: File too large\. Check the space", message)


def test_full_disk_while_writing_the_report(folder, monkeypatch):
    monkeypatch.setattr(
        "pathlib.Path.write_text", lambda *_: (_ for _ in ()).throw(OSError("full"))
    )
    result = invoke("run", "m.npy", "-o", "out.zarr", "--report", "r.json", "--quiet")
    assert (result.exit_code, result.output) == (1, "Error: r.json cannot be written: full.\n")
    assert names() == ["m.npy", "out.zarr"]


def test_without_matplotlib_the_debug_image_is_refused_before_any_work(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("figures", "sheet", "charts"):
        monkeypatch.delitem(sys.modules, f"postseg.show.{name}", raising=False)
    monkeypatch.setattr(
        "postseg.files.read.read_label_image", lambda *_, **__: pytest.fail("was read")
    )
    message = fail("run", "m.npy", "-o", "out.zarr", "--debug-image", "d.png")
    assert "pip install" in message
    assert "postseg[plot]" in message


def test_unexpected_error_is_one_line_too(folder, monkeypatch):
    monkeypatch.setattr("postseg.files.read.read_label_image", lambda *_, **__: {}["secret"])
    message = fail("run", "m.npy", "-o", "out.zarr")
    assert_matches(r"KeyError: .*secret.* \(test_cli.py, line \d+\).*please report", message)


def test_errors_of_several_lines_become_one(folder, monkeypatch):
    def read(*args, **kwargs):
        raise RuntimeError("out of luck:\n  try again")

    monkeypatch.setattr("postseg.files.read.read_label_image", read)
    assert fail("run", "m.npy", "-o", "out.zarr") == "out of luck: try again"


def test_interrupt(folder, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    succeed("run", "m.npy", "-o", "out.zarr")
    monkeypatch.setattr(sd.SpatialData, "write", interrupt)
    result = invoke("run", "m.npy", "-o", "out.zarr", "--overwrite", "--quiet")
    assert (result.exit_code, result.output.split()) == (1, ["Aborted!"])
    assert names() == ["m.npy", "out.zarr"]
    assert list(sd.read_zarr("out.zarr").labels) == ["labels"]


@pytest.mark.filterwarnings("default::UserWarning")
def test_warnings_are_shown_as_lines_once(folder, monkeypatch, masks):
    def read(*args, **kwargs):
        for _ in range(2):
            warnings.warn("the colours\n  are odd", stacklevel=1)
            logging.getLogger("library").warning("tag %d is odd", 7)
            logging.getLogger("library").info("all is well")
        return masks

    monkeypatch.setattr("postseg.files.read.read_label_image", read)
    result = succeed("run", "m.npy", "-o", "out.zarr", "--quiet")
    assert result.stderr == "Warning: the colours are odd\nWarning: tag 7 is odd\n"


# ---- the demo, help, and real processes


def test_demo(folder, monkeypatch):
    calls = []

    def run_demo(output, *, verbose=True, overwrite=False):
        calls.append((str(output), verbose, overwrite))
        print("report")
        return [output / "demo.zarr", output / "report.html"]

    monkeypatch.setitem(sys.modules, "postseg.demo", types.SimpleNamespace(run_demo=run_demo))
    result = succeed("demo")
    assert result.stdout.splitlines()[0] == "report"
    page = folder / "demo" / "report.html"
    assert result.stdout.splitlines()[-3:] == [
        "  demo/demo.zarr",
        "  demo/report.html",
        f"Open the report in a browser: {page.as_uri()}",
    ]
    succeed("demo", "-o", "there", "--overwrite", "--quiet")
    assert calls == [("demo", True, False), ("there", False, True)]


@pytest.mark.parametrize("command", [[], ["run"], ["merge"], ["demo"]])
def test_help_imports_nothing_slow(command):
    script = "import sys; from postseg.cli.main import main; "
    script += f"main({[*command, '--help']}, standalone_mode=False)"
    script += "; print('LOADED', *sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    text, _, loaded = result.stdout.partition("LOADED")
    assert text.startswith("Usage: ")
    slow = {"spatialdata", "geopandas", "numba", "matplotlib", "skimage", "pandas", "dask", "zarr"}
    assert not slow & set(loaded.split())


def test_help_fits_80_columns_and_lists_thresholds_apart():
    text = succeed("run", "--help").output
    assert max(map(len, text.splitlines())) <= 80
    options, thresholds = text.split("Thresholds: ")
    assert "--config FILE" in options
    assert "--max-area NUMBER" in thresholds
    assert "--max-area" not in options


def test_version():
    args = [sys.executable, "-m", "postseg", "--version"]
    result = subprocess.run(args, env=environment(), capture_output=True, text=True, check=True)
    assert result.stdout == f"postseg, version {postseg.__version__}\n"


def test_a_real_process_prints_no_noise(folder):
    args = [sys.executable, "-m", "postseg", "run", "m.npy", "-o", "out.zarr"]
    args += ["-o", "out.geojson", "--intensity", "m.npy", "--nuclei", "m.npy"]
    result = subprocess.run(args, env=environment(), capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert "5 of 7 regions passed" in result.stdout
    again = subprocess.run(args, env=environment(), capture_output=True, text=True)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith("Error: out.zarr exists.")
    assert again.stderr.count("\n") == 1


@pytest.mark.parametrize("quiet", some([False, True], 1))
def test_progress_on_a_terminal(folder, quiet):
    args = [sys.executable, "-m", "postseg", "run", "m.npy", "-o", "out.csv"]
    terminal, other_end = pty.openpty()
    process = subprocess.Popen(
        [*args, *["--quiet"] * quiet],
        env={**environment(), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=other_end,
    )
    os.close(other_end)
    shown = b""
    with os.fdopen(terminal, "rb", buffering=0) as stream:
        try:
            while chunk := stream.read(4096):
                shown += chunk
        except OSError:  # how Linux reports the end of a terminal
            pass
    with process.stdout as stdout:
        printed = stdout.read()
    assert process.wait() == 0
    steps = [b"Reading m.npy", b"Filtering and outlining", b"Writing out.csv"]
    assert [step in shown for step in steps] == [not quiet] * 3
    assert (b"5 of 7 regions passed" in printed) == (not quiet)
    assert (shown == b"") == quiet


def test_every_command_has_help():
    for command in main.commands.values():
        assert command.help
        assert all(param.help for param in command.params if isinstance(param, click.Option))
