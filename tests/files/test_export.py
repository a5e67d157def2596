"""What is exported is what the libraries of its readers give back."""

import json
import os
import re
import resource
import sys
import tracemalloc
import uuid
from importlib.resources import files
from pathlib import Path

import dask.array as da
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import skimage.io
import spatialdata as sd
import tifffile
from click.testing import CliRunner
from light import light_tables
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal
from PIL import Image
from sampling import pairs
from skimage.draw import polygon2mask
from test_real_masks import stained_nuclei

from postseg import PostSegmentation
from postseg.cli.main import run
from postseg.files.export import FORMATS, FORMULA, Cells, format_of
from postseg.files.export import export as export_cells
from postseg.files.tiff import write_label_image

FOLDER = os.environ.get("POSTSEG_MASKS")
FILES = sorted(Path(FOLDER).glob("*.npz")) if FOLDER else []
NAMES = ["c.geojson", "c.parquet", "c.geoparquet", "c.regions.parquet", "c.csv", "c.tif", "c.tiff"]


def read(path):
    return np.load(path)["labels"] if path else stained_nuclei()


def name_of(case):
    path, (factor, _) = case
    return f"{path.stem if path else ''}-{factor}"


@pytest.fixture(
    scope="module",
    params=pairs([None, *FILES], [(1, (0, 0)), (2, (13, 7)), (4, (1001, 333))]),
    ids=name_of,
)
def post(request):
    """What all export; the first of them before any step has run, as of small masks each does."""
    path, (factor, origin) = request.param
    return PostSegmentation(read(path), factor, "cells", origin=origin, verbose=False)


@pytest.fixture
def small():
    """Four cells and debris."""
    masks = np.zeros((60, 70), np.int32)
    for label, (row, column) in enumerate([(2, 3), (2, 40), (33, 5), (35, 44)], start=1):
        masks[row : row + 18, column : column + 15] = 10 * label
    masks[58, 30:33] = 7
    return PostSegmentation(masks, 2, "cells", verbose=False)


def export(post, folder, name):
    """Export, before any step has run unless the object is shared, and return the path."""
    post.export(folder / name)
    assert sorted(entry.name for entry in folder.iterdir()) == [name]
    return folder / name


def assert_in_place(post, geometry):
    """Hold that polygons lie where the element is in the coordinate system ``"image"``."""
    expected = sd.transform(post.shapes_model, to_coordinate_system="image")
    assert shapely.equals_identical(np.asarray(geometry), expected.geometry.to_numpy()).all()


# ---- polygons


def test_geojson_as_qupath_and_xenium_ranger_read_it(post, tmp_path):
    text = export(post, tmp_path, "cells.geojson").read_text()
    collection = json.loads(text, parse_constant=pytest.fail)
    # Space Ranger refuses other members
    assert set(collection) == {"type", "features"}
    assert collection["type"] == "FeatureCollection"
    features = collection["features"]
    assert {feature["type"] for feature in features} == {"Feature"}
    labels = post.shapes_model.index.tolist()
    assert [feature["properties"] for feature in features] == [
        {"objectType": "cell", "name": f"cell_{label}", "label": label} for label in labels
    ]
    assert [str(uuid.UUID(feature["id"])) for feature in features] == [
        feature["id"] for feature in features
    ]
    assert [int(feature["id"][-12:]) for feature in features] == labels
    assert {feature["geometry"]["type"] for feature in features} == {"Polygon"}
    for feature in features:
        for ring in feature["geometry"]["coordinates"]:
            assert ring[0] == ring[-1]
            assert len(ring) >= 4
            assert shapely.is_ccw(shapely.LinearRing(ring))  # as RFC 7946 has it
    assert_in_place(post, shapely.from_geojson([json.dumps(f["geometry"]) for f in features]))


def test_geojson_in_geopandas(post, tmp_path):
    cells = gpd.read_file(export(post, tmp_path, "cells.geojson")).set_index("label")
    assert list(cells.index) == list(post.shapes_model.index)
    assert list(cells["name"]) == list(post.shapes_model["region"])
    assert_in_place(post, cells.geometry)


@pytest.mark.parametrize("path", [None, *FILES], ids=lambda path: path.stem if path else "")
def test_polygons_cover_their_pixels_of_the_slide(path, tmp_path):
    """By another road than the transformations: a polygon drawn over the slide is the cell."""
    post = PostSegmentation(read(path), 2, origin=(5, 9), verbose=False)
    cells = gpd.read_parquet(export(post, tmp_path, "cells.parquet"))
    labels = np.kron(post.masks, np.ones((2, 2), int))
    slide = np.pad(labels, ((10, 0), (18, 0)))
    for label, cell in list(cells.geometry.items())[:: len(cells) // 20]:
        # polygon2mask has pixel centres at integers
        rows_columns = np.array(cell.exterior.coords)[:, ::-1] - 0.5
        drawn = polygon2mask(slide.shape, rows_columns)
        ours = slide == label
        assert (ours & drawn).sum() > 0.9 * ours.sum()
        offset = np.argwhere(ours).mean(axis=0) - np.argwhere(drawn & (slide > 0)).mean(axis=0)
        assert np.abs(offset).max() < 0.5


def test_geoparquet(post, tmp_path):
    cells = gpd.read_parquet(export(post, tmp_path, "cells.parquet"))
    assert cells.index.name == "label"
    assert list(cells.index) == list(post.shapes_model.index)
    assert list(cells["region"]) == list(post.shapes_model["region"])
    assert cells.crs is None
    assert_in_place(post, cells.geometry)
    survivors = post.regions.query("label > 0").set_index("label")
    assert_frame_equal(
        pd.DataFrame(cells)[list(survivors)], survivors, check_exact=True, check_index_type=False
    )
    assert list(cells["region_number"]) == list(post.regions.index[post.regions["label"] > 0])


def test_label_is_a_column_for_readers_without_pandas(small, tmp_path):
    import pyarrow.parquet as pq

    cells = pq.read_table(export(small, tmp_path, "cells.parquet"), columns=["label"])
    assert cells["label"].to_pylist() == [1, 2, 3, 4]
    small.export(tmp_path / "regions.parquet")
    regions = pq.read_table(tmp_path / "regions.parquet", columns=["region"])
    assert regions["region"].to_pylist() == [1, 2, 3, 4, 5]


def test_ids_are_reproducible_and_tell_tiles_apart(small, tmp_path):
    def ids(name):
        small.export(tmp_path / name)
        return set(gpd.read_file(tmp_path / name)["id"])

    first, again = ids("a.geojson"), ids("b.geojson")
    small.origin = (0, 70)
    neighbour = ids("c.geojson")
    assert first == again
    assert not first & neighbour


def test_geojson_in_several_pieces(small, tmp_path, monkeypatch):
    whole = export(small, tmp_path, "c.geojson").read_text()
    monkeypatch.setattr("postseg.files.export._FEATURES", 3)
    small.export(tmp_path / "c.geojson", overwrite=True)
    assert (tmp_path / "c.geojson").read_text() == whole


# ---- holes and parts, of which GeoJSON takes one ring


LOW, HIGH, LARGE = shapely.box(0, 0, 2, 2), shapely.box(2, 2, 4, 4), shapely.box(4, 4, 9, 7)
HOLED = shapely.box(10, 10, 15, 15).difference(shapely.box(12, 12, 13, 13))
CELLS = {  # what a cell is, and the ring that is left of it, where it loses something
    "plain": (LOW, None),
    "a hole": (HOLED, shapely.box(10, 10, 15, 15)),
    "the largest part": (shapely.MultiPolygon([LOW, LARGE, HIGH]), LARGE),
    "the first of equals": (shapely.MultiPolygon([HIGH, LOW]), HIGH),
    "larger without its hole": (shapely.MultiPolygon([shapely.box(0, 0, 5, 4.9), HOLED]), None),
    "a part with a hole": (shapely.MultiPolygon([LOW, HOLED]), shapely.box(10, 10, 15, 15)),
    "one part": (shapely.MultiPolygon([LARGE]), None),
}
LEFT = {"larger without its hole": shapely.box(0, 0, 5, 4.9), "one part": LARGE, "plain": LOW}


def geojson_of(path, geometry):
    shapes = gpd.GeoDataFrame(geometry=geometry, index=np.arange(len(geometry)) * 2 + 3)
    export_cells(path, Cells(None, shapes, np.eye(3), None, "t"))
    features = json.loads(path.read_text())["features"]
    assert {feature["geometry"]["type"] for feature in features} == {"Polygon"}
    assert {len(feature["geometry"]["coordinates"]) for feature in features} == {1}
    assert [feature["properties"]["label"] for feature in features] == list(shapes.index)
    return shapely.from_geojson([json.dumps(feature["geometry"]) for feature in features])


def test_geojson_has_the_outer_ring_of_the_largest_part_and_warns_once(tmp_path):
    given = [cell for cell, _ in CELLS.values()]
    with pytest.warns(UserWarning, match="^5 cells lost holes or parts: in GeoJSON") as told:
        found = geojson_of(tmp_path / "c.geojson", given)
    assert len(told) == 1
    expected = [LEFT[name] if left is None else left for name, (_, left) in CELLS.items()]
    assert shapely.equals(found, expected).all()


@pytest.mark.parametrize("name", ["plain", "one part"])
def test_geojson_of_cells_that_lose_nothing_warns_of_nothing(tmp_path, name):
    geojson_of(tmp_path / "c.geojson", [CELLS[name][0]] * 2)


def test_the_first_of_equals_is_not_the_one_that_rounding_made_larger(tmp_path):
    """Parts of as many pixels, the later one with the larger area as a float."""
    scale = 1 / 3
    parts = [shapely.box(x, 0.1, x + scale, 0.1 + scale) for x in np.arange(40) / 7 * 2]
    area = shapely.area(parts)
    first, later = next((i, j) for i in range(40) for j in range(i, 40) if area[j] > area[i])
    with pytest.warns(UserWarning, match="^1 cell lost"):
        (found,) = geojson_of(
            tmp_path / "c.geojson", [shapely.MultiPolygon([parts[first], parts[later]])]
        )
    assert found == parts[first]


def test_geojson_of_outlines_with_holes_and_parts(tmp_path):
    masks = np.kron([[1, 1, 1, 0, 0], [1, 0, 1, 2, 0], [1, 1, 1, 0, 2]], np.ones((4, 4), int))
    off = {"min_area": None, "max_convexity_deficit": None, "min_absolute_area": None}
    post = PostSegmentation(masks, 3, outline="pixels", filter_config=off, verbose=False)
    with pytest.warns(UserWarning, match="^2 cells lost holes or parts") as told:
        post.export(tmp_path / "c.geojson")
    assert told[0].filename == __file__
    found = gpd.read_file(tmp_path / "c.geojson").set_crs(None, allow_override=True)
    assert found["label"].tolist() == [1, 2]
    assert found.area.tolist() == [9 * 9 * 16, 9 * 16]
    assert found.geometry[1].bounds == (36, 12, 48, 24)  # the upper one of two
    assert set(post.shapes_model.geom_type) == {"Polygon", "MultiPolygon"}  # and there all is


@pytest.mark.filterwarnings("error")
def test_geojson_that_must_not_lose_anything_is_not_written(tmp_path):
    with pytest.raises(UserWarning, match="1 cell lost"):
        geojson_of(tmp_path / "c.geojson", [HOLED])
    assert not list(tmp_path.iterdir())


# ---- the audit table


def test_regions_as_parquet(post, tmp_path):
    regions = pd.read_parquet(export(post, tmp_path, "cells.regions.parquet"))
    assert regions.index.name == "region"
    assert (regions["label"] == 0).any()
    assert_frame_equal(regions, post.regions, check_exact=True)


def test_regions_as_csv(post, tmp_path):
    # pandas 2 rounds the last digit without
    exactly = {"float_precision": "round_trip"} if pd.__version__.startswith("2.") else {}
    regions = pd.read_csv(export(post, tmp_path, "cells.csv"), index_col="region", **exactly)
    assert (regions["label"] == 0).any()
    regions = regions.fillna({"reason": ""})
    assert_frame_equal(regions, post.regions, check_dtype=False, check_exact=True)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_a_spreadsheet_would_compute_is_kept_from_it(tmp_path, start):
    reason = f'{start}HYPERLINK("http://example.org"),1'

    class Nasty(PostSegmentation):
        def rejections(self, regions):
            failed = super().rejections(regions)
            failed[reason] = regions["area"] == 36
            failed["not = at the start"] = regions["area"] == 81
            return failed

    masks = np.zeros((40, 60), int)
    for label, side in enumerate((5, 6, 9, 12), start=1):
        masks[20 : 20 + side, 14 * label - 14 : 14 * label - 14 + side] = label
    post = Nasty(masks, filter_config={"min_absolute_area": 30}, verbose=False)
    post.export(tmp_path / "c.csv")
    regions = pd.read_csv(tmp_path / "c.csv", index_col="region").fillna({"reason": ""})
    assert set(post.regions["reason"]) == {reason, "not = at the start", "tiny_artifacts", ""}
    shown = post.regions["reason"].replace(reason, f"'{reason}")
    assert regions["reason"].tolist() == shown.tolist()
    # a negative number is no text
    assert (regions["margin_tiny_artifacts"] < 0).any()
    assert_frame_equal(
        regions.drop(columns="reason"), post.regions.drop(columns="reason"), check_dtype=False
    )
    post.export(tmp_path / "c.regions.parquet")
    assert_frame_equal(pd.read_parquet(tmp_path / "c.regions.parquet"), post.regions)


def test_names_of_columns_are_kept_from_spreadsheets_too(small, tmp_path):
    small.process_masks_to_shapes()
    regions = small.regions.rename(columns={"area": "=area", "extent": "-extent"})
    cells = Cells(None, small.shapes_model, np.eye(3), regions, "")
    export_cells(tmp_path / "c.csv", cells)
    found = list(pd.read_csv(tmp_path / "c.csv", index_col="region"))
    assert found == [{"=area": "'=area", "-extent": "'-extent"}.get(c, c) for c in regions]


def test_the_page_writes_csv_by_the_same_rule():
    script = (files("postseg.show.page") / "templates/report.js").read_text(encoding="utf-8")
    assert f"/{FORMULA.pattern}/.test" in script
    assert "quote(plain(told.reasons[value]))" in script


def test_regions_are_those_of_the_masks_as_they_stand(small, tmp_path):
    small.process_masks_to_shapes()
    small.filter_cell_by_regionprops(np.eye(9, dtype=int), min_absolute_area=1)
    small.export(tmp_path / "cells.csv")
    assert len(small.regions) == 1
    assert len(pd.read_csv(tmp_path / "cells.csv")) == 5


# ---- the label image


def test_label_image(post, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    path = export(post, tmp_path, "cells.tif")
    factor = post.factor_rescale
    expected = np.kron(post.masks, np.ones((factor, factor), np.int32))
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        assert (tiff.is_bigtiff, len(tiff.pages), page.is_tiled) == (True, 1, True)
        assert (page.dtype, page.shape, page.tile) == (np.uint32, expected.shape, (512, 512))
        assert_array_equal(page.asarray(), expected)
    assert_array_equal(skimage.io.imread(path), expected)
    with Image.open(path) as image:
        assert_array_equal(np.asarray(image), expected)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("factor", [1, 3])
def test_label_image_of_many_blocks(tmp_path, monkeypatch, lazy, factor):
    """Blocks, tiles, chunks and the image all end elsewhere."""
    monkeypatch.setattr("postseg.files.tiff._BLOCK", 1024)
    monkeypatch.setattr("postseg.raster.enlarge.CHUNK", 500)
    masks = np.zeros((1070, 790), np.int32)
    masks[5:1060, 10:780] = np.kron(
        np.arange(1, 1 + 211 * 77).reshape(211, 77), np.ones((5, 10), int)
    )
    post = PostSegmentation(
        da.from_array(masks, chunks=(333, 250)) if lazy else masks,
        factor,
        filter_config={"min_absolute_area": 1, "max_convexity_deficit": None},
        verbose=False,
    )
    path = export(post, tmp_path, "c.tif")
    assert_array_equal(tifffile.imread(path), np.kron(masks, np.ones((factor, factor), int)))


def test_memory_does_not_follow_the_size_of_the_image(tmp_path, monkeypatch):
    monkeypatch.setattr("postseg.files.tiff._BLOCK", 512)
    monkeypatch.setenv("POSTSEG_N_JOBS", "2")
    labels = da.ones((4096, 8192), chunks=512, dtype=np.int32)
    tracemalloc.start()
    write_label_image(tmp_path / "c.tif", labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.25 * labels.nbytes
    assert tifffile.imread(tmp_path / "c.tif").all()


def test_label_image_is_the_finest_of_a_pyramid(small, tmp_path):
    small.process_masks_to_shapes()
    small.process_labels(scale_factors=[2, 2])
    path = export(small, tmp_path, "c.tif")
    assert_array_equal(tifffile.imread(path), np.kron(small.masks, np.ones((2, 2), int)))


def test_label_image_is_an_input_too(small, tmp_path):
    from postseg.files.read import read_label_image

    read = read_label_image(export(small, tmp_path, "c.tif"))
    again = PostSegmentation(read, verbose=False)
    again.process_masks_to_shapes()
    assert_array_equal(again.masks, read)


# ---- names, places, failures


@pytest.mark.parametrize("name", ["cells.zarr", "Cells.ZARR"])
def test_store(small, tmp_path, monkeypatch, name):
    light_tables(monkeypatch)
    sdata = sd.read_zarr(export(small, tmp_path, name))
    names = [name for _, name, _ in sdata.gen_elements()]
    assert sorted(names) == ["cells", "cells_shapes", "cells_table"]


@pytest.mark.parametrize("name", ["cells.json", "cells", "cells.parquet.gz", "geojson", "c.tif "])
def test_unknown_suffix(small, tmp_path, name):
    with pytest.raises(ValueError, match=r"no suffix that postseg writes") as error:
        small.export(tmp_path / name)
    assert name in str(error.value)
    assert all(ending in str(error.value) for ending in FORMATS)
    assert small.shapes_model is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "usual"),
    [
        ("cells.geoparquet", "c.parquet"),
        ("Cells.PARQUET", "c.parquet"),
        ("regions.parquet", "c.regions.parquet"),
        ("A_Regions.Parquet", "c.regions.parquet"),
        ("cells.tiff", "c.tif"),
        ("cells.GeoJSON", "c.geojson"),
    ],
)
def test_other_names(small, tmp_path, name, usual):
    small.export(tmp_path / name)
    small.export(tmp_path / usual)
    assert (tmp_path / name).read_bytes() == (tmp_path / usual).read_bytes()


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_is_found_and_written(small, tmp_path, ending):
    assert format_of(f"some.folder.zarr/x{ending}") == ending
    small.export(tmp_path / f"x{ending}")
    assert (tmp_path / f"x{ending}").exists()


@pytest.mark.parametrize("name", NAMES)
def test_what_exists_stays_without_overwrite(small, tmp_path, name, monkeypatch):
    path = tmp_path / name
    path.write_text("precious")
    with monkeypatch.context() as patch:
        patch.setattr(PostSegmentation, "process_masks_to_shapes", lambda _: pytest.fail("worked"))
        with pytest.raises(FileExistsError, match="overwrite"):
            small.export(path)
    assert path.read_text() == "precious"
    small.export(path, overwrite=True)
    assert path.read_bytes() != b"precious"


def test_what_appears_meanwhile_stays(small, tmp_path, monkeypatch):
    path = tmp_path / "cells.csv"
    outline = small.process_masks_to_shapes
    monkeypatch.setattr(
        small, "process_masks_to_shapes", lambda: (outline(), path.write_text("precious"))
    )
    with pytest.raises(FileExistsError, match="overwrite"):
        small.export(path)
    assert path.read_text() == "precious"


@pytest.mark.parametrize("name", NAMES)
def test_full_disk(small, tmp_path, monkeypatch, name):
    # or Python would cut the bytecode of what is imported now, for good
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path = tmp_path / name
    path.write_text("precious")
    small.process_masks_to_shapes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match=rf"{name} cannot be written: .*Check the space") as error:
            small.export(path, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "Errno" not in str(error.value)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    assert path.read_text() == "precious"


def test_nothing_survives(tmp_path):
    post = PostSegmentation(np.eye(9, dtype=int), verbose=False)
    with pytest.raises(RuntimeError, match="1 region"):
        post.export(tmp_path / "c.csv")
    assert not list(tmp_path.iterdir())


def test_masks_of_a_subclass(tmp_path):
    """Its own filter and its own labels, which are not 1..n."""

    class Keep(PostSegmentation):
        def filter_cell_by_regionprops(self, seg_masks):
            return np.where(seg_masks > 1, seg_masks, 0)

    masks = np.kron(np.diag([5, 1, 900, 7]), np.ones((20, 20), int))
    post = Keep(masks, verbose=False)
    post.export(tmp_path / "c.parquet")
    post.export(tmp_path / "c.tif")
    assert list(gpd.read_parquet(tmp_path / "c.parquet").index) == [5, 7, 900]
    assert_array_equal(np.unique(tifffile.imread(tmp_path / "c.tif")), [0, 5, 7, 900])


# ---- the table of formats


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_is_told_where_people_look(ending):
    assert f"``{ending}``" in PostSegmentation.export.__doc__
    told = CliRunner().invoke(run, ["--help"]).output
    assert re.search(rf"^  \*{re.escape(ending)} +{FORMATS[ending].text}$", told, re.MULTILINE)
