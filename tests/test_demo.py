import io
import re
from contextlib import redirect_stdout

import numpy as np
import pytest
from PIL import Image
from skimage.data import immunohistochemistry
from trees import snapshot

from postseg import PostSegmentation, demo, filter_cell_by_regionprops, measure_regions
from postseg.demo import run_demo, segment_nuclei


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.fixture(scope="module")
def masks():
    return segment_nuclei(immunohistochemistry())


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "new" / "folder"
    files = ["nuclei.zarr", "filter.png", "report.html"]
    with redirect_stdout(io.StringIO()) as said:
        assert run_demo(folder, verbose=False) == [folder / name for name in files]
    assert said.getvalue() == ""
    return folder


@pytest.fixture(scope="module")
def store(output):
    import spatialdata

    return spatialdata.read_zarr(output / "nuclei.zarr")


def test_the_segmentation_is_rough(masks):
    regions = measure_regions(masks)
    assert masks.shape == (512, 512)
    assert 300 <= len(regions) <= 400
    kept = filter_cell_by_regionprops(masks, verbose=False).max()
    assert 0.6 < kept / len(regions) < 0.85


def test_the_nuclei_are_where_the_tissue_is_blue(masks):
    red, _, blue = np.moveaxis(immunohistochemistry().astype(float), -1, 0)
    blueness = blue - red
    assert blueness[masks > 0].mean() > blueness[masks == 0].mean() + 10


def test_the_store_has_one_polygon_per_label(store, masks):
    labels = np.asarray(store["nuclei"])
    shapes = store["nuclei_shapes"]
    kept = filter_cell_by_regionprops(masks, verbose=False)
    assert labels.shape == (2048, 2048)
    np.testing.assert_array_equal(labels[::4, ::4], kept)
    assert shapes.index.tolist() == np.unique(labels)[1:].tolist() == [*range(1, kept.max() + 1)]
    assert shapes.is_valid.all()
    assert (shapes.geom_type == "Polygon").all()


def test_the_picture_shows_why_regions_went_on_the_tissue(output, masks, tmp_path):
    post = PostSegmentation(masks, verbose=False)
    post.refilter()
    post.plot_filter(immunohistochemistry()).savefig(tmp_path / "again.png")
    np.testing.assert_array_equal(read(output / "filter.png"), read(tmp_path / "again.png"))


def test_the_page_is_the_report_of_this_run(output, masks):
    post = PostSegmentation(masks, verbose=False)
    post.refilter()
    page = (output / "report.html").read_text(encoding="utf-8")
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert f"{post.filter_report.passed} of {post.filter_report.total} regions passed" in text


@pytest.mark.parametrize("name", ["nuclei.zarr", "filter.png", "report.html"])
def test_an_existing_output_is_refused_before_any_work(tmp_path, monkeypatch, name):
    (tmp_path / name).write_text("precious")
    monkeypatch.setattr(demo, "segment_nuclei", lambda _: pytest.fail("work was done"))
    with pytest.raises(FileExistsError, match=rf"{name} (exists.*overwrite|is a file)"):
        run_demo(tmp_path)
    assert (tmp_path / name).read_text() == "precious"


def test_overwrite_replaces_and_verbose_prints_the_report(output, capsys):
    (output / "filter.png").write_bytes(b"old")
    run_demo(output, overwrite=True)
    assert min(read(output / "filter.png").shape[:2]) > 1000
    assert "regions passed" in capsys.readouterr().out


@pytest.mark.parametrize("folder", ["s.zarr", "s.zarr/new/demo"])
def test_a_store_in_place_of_the_folder(tmp_path, folder):
    (tmp_path / "s.zarr").mkdir()
    (tmp_path / "s.zarr" / "zarr.json").write_text("{}")
    before = snapshot(tmp_path)
    with pytest.raises(ValueError, match=r"lies in the Zarr store .*s\.zarr"):
        run_demo(tmp_path / folder, overwrite=True)
    assert snapshot(tmp_path) == before


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "demo").write_text("precious")
    with pytest.raises(NotADirectoryError, match="demo is not a folder"):
        run_demo(tmp_path / "demo")
