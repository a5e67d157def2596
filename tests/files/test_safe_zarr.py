"""No chunk of a store is decoded that its metadata say may run code, whoever reads it."""

import json
import pickle
import warnings
from shutil import copytree, rmtree

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from numcodecs import pickles
from spatialdata._io.format import SpatialDataContainerFormatV01
from tampering import processed, tissue

from postseg._support.safe_zarr import UnsafeMetadata, check_folder
from postseg.cli.main import main
from postseg.files.read import read_label_image
from postseg.restoring import restore
from postseg.verify.verification import verify_store

pytestmark = [
    pytest.mark.filterwarnings("ignore:zarr v3 autosharding"),  # of anndata, on writing
    pytest.mark.filterwarnings("ignore:SpatialData is not stored in the most current format"),
]
PIXELS, TABLE = "labels/cells/s0", "tables/cells_table"
READERS = {
    "read_label_image": lambda path, tmp: read_label_image(path),
    "restore": lambda path, tmp: restore(path),
    "verify": lambda path, tmp: verify_store(path),
    "postseg run": lambda path, tmp: command("run", path, "-o", tmp / "out.tif"),
    "postseg report": lambda path, tmp: command("report", path, "-o", tmp / "out.html"),
    "postseg verify": lambda path, tmp: command("verify", path),
}


class Trap:
    """Unpickling it leaves a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def command(*args):
    result = CliRunner().invoke(main, [*map(str, args)])
    if result.exit_code:
        raise ValueError(result.stderr)


@pytest.fixture(scope="module")
def old_format(tmp_path_factory):
    """A store of Zarr format 2, where pickle is a codec; to be copied."""
    path = tmp_path_factory.mktemp("old") / "s.zarr"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        processed(tissue(), 2).to_spatialdata().write(
            path, sdata_formats=[SpatialDataContainerFormatV01()]
        )
    return path


def plant(path, trace, node):
    """Replace an array of a store by one that leaves a trace where it is decoded."""
    folder = path / node
    attributes = folder / ".zattrs"
    kept = attributes.read_text() if attributes.exists() else "{}"
    rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    attributes.write_text(kept)
    document = {"zarr_format": 2, "shape": [9], "chunks": [9], "order": "C", "fill_value": ""}
    codecs = {"compressor": None, "filters": [{"id": "vlen-utf8"}, {"id": "pickle"}]}
    (folder / ".zarray").write_text(json.dumps({**document, "dtype": "|O", **codecs}))
    (folder / "0").write_bytes(pickle.dumps(Trap(trace)))


def test_the_old_format_is_read_with_its_text(old_format):
    # where the text is depends on the version of anndata
    arrays = (old_format / TABLE / "obs/_index").rglob(".zarray")
    assert "|O" in [json.loads(array.read_text())["dtype"] for array in arrays]
    restored = restore(old_format)
    np.testing.assert_array_equal(restored.masks > 0, tissue() > 0)
    assert (restored.regions["reason"] == "").all()
    assert read_label_image(old_format).shape == (200, 240)
    assert verify_store(old_format).ok
    assert verify_store(old_format).summary["in_table"] == 20


@pytest.mark.parametrize(
    ("node", "reader"),
    [
        *((PIXELS, name) for name in READERS),
        *((f"{TABLE}/obs/label", name) for name in ("restore", "verify")),
        (f"{TABLE}/obs/region/codes", "verify"),
        (f"{TABLE}/obs/region/categories", "verify"),
        (f"{TABLE}/uns/spatialdata_attrs/region_key", "verify"),
        (f"{TABLE}/uns/postseg/label_name", "restore"),
        (f"{TABLE}/uns/postseg/thresholds", "restore"),
        (f"{TABLE}/uns/postseg/rejected/area", "restore"),
    ],
)
def test_no_reader_runs_what_a_store_holds(tmp_path, old_format, monkeypatch, node, reader):
    # as with numcodecs before 0.16.6, or where others need it
    monkeypatch.setattr(pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)
    path = tmp_path / "s.zarr"
    copytree(old_format, path)
    plant(path, tmp_path / "trace", node)
    with pytest.raises(ValueError, match=r"s\.zarr.* asks for the codec 'pickle'"):
        READERS[reader](path, tmp_path)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("name", ["Index", "coords", "deeper/inside"])
def test_nor_do_shapes_of_the_first_format(tmp_path, old_format, monkeypatch, name):
    monkeypatch.setattr(pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)
    path = tmp_path / "s.zarr"
    copytree(old_format, path)
    group = path / "shapes/cells_shapes"
    attributes = json.loads((group / ".zattrs").read_text())
    geometry = {"name": "POLYGON", "type": 3}
    attributes["spatialdata_attrs"] = {"version": "0.1", "geos": geometry}
    (group / ".zattrs").write_text(json.dumps(attributes))
    plant(path, tmp_path / "trace", f"shapes/cells_shapes/{name}")
    with pytest.raises(ValueError, match=r"s\.zarr/shapes.* asks for the codec 'pickle'"):
        verify_store(path)
    assert not (tmp_path / "trace").exists()


def test_a_column_of_an_old_table_does_not_lead_elsewhere(tmp_path, old_format, monkeypatch):
    monkeypatch.setattr(pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)
    path = tmp_path / "s.zarr"
    copytree(old_format, path)
    group = f"{TABLE}/uns/postseg/rejected"
    # an array that only the summary at the root knows, which anndata takes for such columns
    plant(path, tmp_path / "trace", f"{group}/hidden")
    hidden = path / group / "hidden/.zarray"
    summary = json.loads((path / ".zmetadata").read_text())
    text = {"encoding-type": "string-array", "encoding-version": "0.2.0"}
    summary["metadata"][f"{group}/hidden/.zarray"] = json.loads(hidden.read_text())
    summary["metadata"][f"{group}/hidden/.zattrs"] = text
    (path / ".zmetadata").write_text(json.dumps(summary))
    hidden.unlink()
    changes = {"": {"encoding-version": "0.1.0"}, "area": {"categories": "hidden"}}
    for name, change in changes.items():
        file = path / group / name / ".zattrs"
        file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ValueError, match="a column of an old table"):
        restore(path)
    assert not (tmp_path / "trace").exists()


def test_labels_that_are_text(tmp_path):
    root = zarr.open_group(tmp_path / "s.zarr", mode="w", zarr_format=2)
    cells = root.create_group("labels").create_group("cells")
    cells.attrs["multiscales"] = [{"datasets": [{"path": "0"}]}]
    cells.create_array("0", shape=(2, 2), dtype=str, overwrite=True)[...] = "a"
    with pytest.raises(ValueError, match=r"labels 'cells' of .* have the dtype .* no numbers"):
        read_label_image(tmp_path / "s.zarr")


@pytest.mark.parametrize("reader", ["read_label_image", "verify", "restore"])
def test_labels_of_more_chunks_than_can_be_listed(tmp_path, old_format, reader):
    path = tmp_path / "s.zarr"
    copytree(old_format, path)
    file = path / PIXELS / ".zarray"
    file.write_text(json.dumps({**json.loads(file.read_text()), "shape": [2**35, 240]}))
    with pytest.raises(OSError, match=r"the labels 'cells' declare the shape \(34359738368, "):
        READERS[reader](path, tmp_path)


def array(**changes):
    return {"zarr_format": 3, "node_type": "array", "data_type": "int32", **changes}


PICKLE = {"name": "numcodecs.pickle", "configuration": {}}
BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
SHARDS = {"name": "sharding_indexed", "configuration": {"codecs": [BYTES], "index_codecs": [BYTES]}}


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("zarr.json", array(codecs=[PICKLE])),
        ("zarr.json", array(codecs=[{"name": "of_tomorrow"}])),
        ("zarr.json", array(codecs=["of_tomorrow"])),
        ("zarr.json", array(codecs=[{**SHARDS, "configuration": {"codecs": [BYTES, PICKLE]}}])),
        ("zarr.json", array(codecs=[{**SHARDS, "configuration": {"index_codecs": [PICKLE]}}])),
        ("zarr.json", {"consolidated_metadata": {"metadata": {"a/b": array(codecs=[PICKLE])}}}),
        (".zmetadata", {"metadata": {"a/.zarray": {"dtype": "<i4", "filters": [{"id": "json2"}]}}}),
        (".zarray", {"dtype": "<i4", "compressor": {"id": "pickle"}, "filters": None}),
        (".zarray", {"dtype": "|O", "filters": [{"id": "delta"}]}),
        (".zarray", {"dtype": "|O", "filters": None, "compressor": None}),
        (".zarray", {"dtype": [["a", "<i4"], ["b", "|O"]], "filters": [{"id": "vlen-utf8"}]}),
    ],
)
def test_refused(tmp_path, name, document):
    (tmp_path / "a/c/0").mkdir(parents=True)
    (tmp_path / "a/c/0" / name).write_text(json.dumps(document))  # where chunks are, too
    with pytest.raises(UnsafeMetadata, match=rf"{name} (asks for the codec|has the dtype) "):
        check_folder(tmp_path)


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("zarr.json", array(codecs=[BYTES, {"name": "numcodecs.lz4"}, {"name": "crc32c"}])),
        ("zarr.json", array(codecs=[SHARDS], attributes={"codecs": [PICKLE]})),
        ("zarr.json", array(data_type="string", codecs=[{"name": "vlen-utf8"}])),
        ("zarr.json", {"node_type": "group", "attributes": {"dtype": "|O", "filters": "none"}}),
        (".zattrs", {"dtype": "|O", "filters": ["mine"], "metadata": {"a": 1}, "codecs": 3}),
        (
            ".zarray",
            {"dtype": "|O", "filters": [{"id": "vlen-utf8"}], "compressor": {"id": "blosc"}},
        ),
        (".zarray", {"dtype": "<i4", "filters": [], "compressor": None}),
        (".zmetadata", {"metadata": {".zgroup": {}, ".zattrs": {"filters": ["mine"]}}}),
    ],
)
def test_accepted(tmp_path, name, document):
    (tmp_path / name).write_text(json.dumps(document))
    check_folder(tmp_path)
