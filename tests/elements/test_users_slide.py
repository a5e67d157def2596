"""Cells lie where the user's own data lies: in a slide made like those of Xenium."""

from functools import cache

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import spatialdata as sd
from light import light_tables
from sampling import pairs
from skimage.data import immunohistochemistry
from spatialdata.models import Image2DModel, Labels2DModel, PointsModel, ShapesModel
from spatialdata.transformations import (
    Affine,
    Scale,
    Sequence,
    Translation,
    get_transformation,
    get_transformation_between_coordinate_systems,
    set_transformation,
)
from trees import snapshot

from postseg import PostSegmentation, verify_store
from postseg.demo import segment_nuclei

XY = ("x", "y")
UM = 4.70588  # pixels of "global" per micrometre, as in Xenium's own stores
TURN = Affine(
    [[0.8, -0.6, 300.25], [0.6, 0.8, -70.5], [0, 0, 1]], input_axes=XY, output_axes=XY
)  # a second system, turned
PLACES = {
    "translation": Translation([12942, 7153], XY),
    "scale": Sequence([Scale([2.5, 2.5], XY), Translation([-40, 1000.5], XY)]),
    "affine": Affine([[1.1, 0.2, 500], [-0.1, 0.9, 800], [0, 0, 1]], input_axes=XY, output_axes=XY),
}


def matrix(element, system):
    return get_transformation(element, system).to_affine_matrix(XY, XY)


def moved(xy, by):
    return xy @ by[:2, :2].T + by[:2, 2]


@pytest.fixture(scope="module")
def nuclei():
    return segment_nuclei(immunohistochemistry())


@pytest.fixture(scope="module")
def slide_at(nuclei):
    return cache(lambda place: make_slide(nuclei, PLACES[place]))


@pytest.fixture(scope="module", params=PLACES)
def slide(request, slide_at):
    return slide_at(request.param)


def make_slide(nuclei, place):
    """Labels, outlines, transcripts and an image, each by another map in two systems."""
    labels = Labels2DModel.parse(
        nuclei,
        dims=("y", "x"),
        transformations={"global": place, "turned": Sequence([place, TURN])},
    )
    to_global = place.to_affine_matrix(XY, XY)
    random = np.random.default_rng(0)
    in_pixels = random.uniform(0, 1, (4000, 2)) * nuclei.shape[::-1]
    um = moved(in_pixels, to_global) / UM
    table = pd.DataFrame(
        {"x": um[:, 0], "y": um[:, 1], "gene": pd.Categorical(random.choice([*"abc"], len(um)))}
    )
    from_um = {
        "global": Scale([UM, UM], XY),
        "turned": Sequence([Scale([UM, UM], XY), TURN]),
    }
    points = PointsModel.parse(
        dd.from_pandas(table, npartitions=2), feature_key="gene", transformations=from_um
    )
    outlines = PostSegmentation(nuclei, verbose=False).process_masks_to_shapes()[1]
    in_mask = outlines.geometry.affine_transform([1, 0, 0, -1, 0.5, 0])
    height = outlines.total_bounds[3] + 0.5
    in_mask = in_mask.translate(0, height)
    a, b, c, d, e, f = to_global[:2].ravel()
    in_um = in_mask.affine_transform([part / UM for part in (a, b, d, e, c, f)])
    old = outlines.set_geometry(in_um)[["geometry"]]
    image = Image2DModel.parse(
        np.zeros((1, *nuclei.shape), np.uint8),
        dims=("c", "y", "x"),
        transformations={"global": Affine(to_global, input_axes=XY, output_axes=XY)},
    )
    sdata = sd.SpatialData(
        labels={"cell_labels": labels},
        points={"transcripts": points},
        shapes={"cell_boundaries": ShapesModel.parse(old, transformations=from_um)},
        images={"he": image},
    )
    return sdata, in_pixels


@pytest.fixture(scope="module", params=pairs(PLACES, [1, 4]), ids="{0[0]}-factor {0[1]}".format)
def added(request, slide_at):
    place, factor = request.param
    sdata, in_pixels = slide_at(place)
    post = PostSegmentation(sdata["cell_labels"], factor, f"new{factor}", verbose=False)
    assert post.add_to(sdata) is sdata
    return sdata, in_pixels, post


def test_transcripts_fall_into_the_cells_that_a_look_up_finds(added):
    sdata, in_pixels, post = added
    found = sd.aggregate(
        values=sdata["transcripts"], by=sdata[post.shape_name], value_key="gene", agg_func="count"
    )
    counts = pd.Series(
        np.asarray(next(iter(found.tables.values())).X.sum(axis=1)).ravel(),
        index=sdata[post.shape_name].index,
    )
    labels = sdata[post.label_name].to_numpy()
    row, column = np.floor(in_pixels * post.factor_rescale).astype(int).T[::-1]
    expected = pd.Series(labels[row, column]).value_counts().reindex(counts.index, fill_value=0)
    assert expected.sum() > 800
    # an outline cuts the corners of mask pixels
    assert abs(counts.sum() - expected.sum()) <= 0.01 * expected.sum()
    assert (counts - expected).abs().max() <= 2


def test_centroids_are_those_of_the_old_cells_in_every_system(added):
    sdata, _, post = added
    old, new = sdata["cell_labels"], sdata[post.label_name]
    source = post.regions.query("label > 0").set_index("label")["source_label"]
    pieces = post.regions["source_label"].value_counts()
    whole = source[source.map(pieces) == 1]  # an old cell in two pieces has another centroid
    assert len(whole) > 100
    thens = {}
    for system in ("global", "turned"):
        thens[system] = then = sd.get_centroids(old, system).compute().loc[whole].to_numpy()
        now = sd.get_centroids(new, system).compute().loc[whole.index].to_numpy()
        per_pixel = np.sqrt(abs(np.linalg.det(matrix(old, system)[:2, :2])))
        assert np.abs(now - then).max() < 0.01 * per_pixel
        of_polygons = sd.get_centroids(sdata[post.shape_name], system).compute()
        off = np.abs(of_polygons.loc[whole.index].to_numpy() - then).max(axis=1)
        assert np.median(off) < 0.01 * per_pixel
        assert off.max() < 0.5 * per_pixel
    rows = post.table.obs["label"]
    of_table = pd.DataFrame(post.table.obsm["spatial"], rows).loc[whole.index].to_numpy()
    assert np.abs(of_table - thens["global"]).max() < 1e-6


def test_a_box_holds_the_new_cells_where_the_old_ones_are(added):
    sdata, _, post = added
    low, high = moved(np.array([[100.0, 150], [300, 400]]), matrix(sdata["cell_labels"], "global"))
    low, high = np.minimum(low, high), np.maximum(low, high)
    box = {"min_coordinate": low, "max_coordinate": high, "axes": XY}
    cells = sdata.subset(["cell_labels", post.shape_name])
    found = sd.bounding_box_query(cells, **box, target_coordinate_system="global")
    centroids = sd.get_centroids(sdata[post.shape_name], "global").compute()
    inside = centroids[((centroids > low) & (centroids < high)).all(axis=1)].index
    assert 30 < len(inside) < len(centroids)
    assert set(inside) <= set(found[post.shape_name].index)
    old = {*np.unique(found["cell_labels"].to_numpy())}
    source = post.regions.query("label > 0").set_index("label")["source_label"]
    assert set(source[inside]) <= old


def test_the_elements_agree_in_all_their_systems(added):
    _, _, post = added
    found = post.verify()
    assert found.ok
    assert {*found.summary["systems"]} == {"global", "image", "mirrored", "turned"}
    assert found.summary["table_system"] == "global"


def test_a_store_takes_them_in_place(slide, tmp_path, monkeypatch):
    light_tables(monkeypatch)
    sdata, in_pixels = slide
    sdata.subset(["cell_labels", "transcripts", "cell_boundaries", "he"]).write(tmp_path / "s.zarr")
    backed = sd.read_zarr(tmp_path / "s.zarr")
    before = snapshot(tmp_path / "s.zarr")
    PostSegmentation(backed["cell_labels"], 4, "cells", verbose=False).add_to(backed)
    after = snapshot(tmp_path / "s.zarr")
    changed = {name for name in before if after.get(name) != before[name]}
    assert changed <= {"zarr.json", "labels/zarr.json"}
    again = sd.read_zarr(tmp_path / "s.zarr")
    assert {"cells", "cells_shapes", "cells_table"} <= {name for _, name, _ in again.gen_elements()}
    counts = sd.aggregate(
        values=again["transcripts"], by=again["cells_shapes"], value_key="gene", agg_func="count"
    )
    row, column = np.floor(4 * in_pixels).astype(int).T[::-1]
    expected = (again["cells"].to_numpy()[row, column] > 0).sum()
    found = next(iter(counts.tables.values())).X.sum()
    assert abs(found - expected) <= 0.01 * expected
    assert verify_store(tmp_path / "s.zarr", labels="cells", shapes="cells_shapes").ok


def test_raw_polygons_stay_as_they_are(nuclei, slide):
    sdata, _ = slide
    plain = PostSegmentation(nuclei, 4, verbose=False).process_masks_to_shapes()[1]
    placed = PostSegmentation(sdata["cell_labels"], 4, verbose=False).process_masks_to_shapes()[2]
    assert plain.geometry.geom_equals_exact(placed.geometry, 0).all()
    np.testing.assert_array_equal(matrix(placed, "mirrored"), np.eye(3))


def test_a_plain_array_lies_in_its_pixels_and_the_user_is_told(nuclei, slide):
    sdata, _ = slide
    post = PostSegmentation(nuclei, label_name="plain", verbose=False)
    with pytest.warns(UserWarning, match="nothing tells how the masks lie to them") as told:
        post.add_to(sdata)
    assert "reference=sdata['he']" in str(told[0].message)
    np.testing.assert_array_equal(matrix(post.labels_model, "global"), np.eye(3))
    for name in ("plain", "plain_shapes", "plain_table"):
        del sdata[name]


@pytest.mark.parametrize("name", ["he", "cell_labels"])
def test_a_reference_places_masks_and_tells_their_resolution(nuclei, slide, name):
    sdata, _ = slide
    quarter = nuclei[::4, ::4]  # made for this: of the whole, at a quarter
    post = PostSegmentation(quarter, 4, "cells", reference=sdata[name], verbose=False)
    post.process_masks_to_shapes()
    _, labels = post.process_labels()
    assert labels.shape == nuclei.shape
    for system in get_transformation(sdata[name], get_all=True):
        np.testing.assert_allclose(matrix(labels, system), matrix(sdata[name], system), atol=1e-9)
    assert post.verify().ok


def test_a_tile_of_a_reference_lies_at_its_origin(nuclei, slide):
    sdata, _ = slide
    tile = nuclei[128:384, 256:]
    post = PostSegmentation(
        tile, origin=(128, 256), reference=sdata["he"], label_name="tile", verbose=False
    )
    post.process_masks_to_shapes()
    _, labels = post.process_labels()
    assert labels.shape == tile.shape
    corner = moved(np.array([[256.0, 128.0]]), matrix(sdata["he"], "global"))
    np.testing.assert_allclose(moved(np.zeros((1, 2)), matrix(labels, "global")), corner, atol=1e-9)
    outside = PostSegmentation(tile, 2, origin=(128, 256), reference=sdata["he"], verbose=False)
    with pytest.raises(ValueError, match=r"rows 256 to 768 .* but the reference has 512"):
        outside.process_masks_to_shapes()


def test_micrometres(nuclei, tmp_path):
    post = PostSegmentation(nuclei, 4, "cells", pixel_size=0.2125, origin=(8, 2), verbose=False)
    post.write(tmp_path / "cells.zarr")
    sdata = sd.read_zarr(tmp_path / "cells.zarr")
    for name in ("cells", "cells_shapes"):
        to_um, to_image = (matrix(sdata[name], system) for system in ("microns", "image"))
        np.testing.assert_allclose(to_um, np.diag([0.2125, 0.2125, 1]) @ to_image)
    table = sdata["cells_table"]
    np.testing.assert_allclose(table.obsm["spatial_um"], 0.2125 * table.obsm["spatial"])
    assert verify_store(tmp_path / "cells.zarr").ok


def test_elements_written_by_postseg_are_masks_in_place(nuclei):
    """Of a tile that was written, and is filtered again: its slide is known, the frame is new."""
    first = PostSegmentation(nuclei, 2, "cells", origin=(30, 7), pixel_size=0.5, verbose=False)
    first.process_masks_to_shapes()
    _, labels = first.process_labels()
    again = PostSegmentation(labels, verbose=False)
    _, _, shapes = again.process_masks_to_shapes()
    bounds = sd.transform(shapes, to_coordinate_system="image").total_bounds
    expected = sd.transform(first.shapes_model, to_coordinate_system="image").total_bounds
    np.testing.assert_allclose(bounds, expected, atol=0.5)
    np.testing.assert_array_equal(matrix(shapes, "mirrored"), np.eye(3))
    assert again.verify().ok
    assert "microns" in get_transformation(shapes, get_all=True)
    (file,) = [layer for layer in again.to_napari() if layer[1]["name"] == "labels"]
    assert file[1]["translate"] == (60, 14)


def test_what_is_no_element_is_refused(nuclei, slide):
    sdata, _ = slide
    for wrong in (nuclei, sdata["transcripts"], sdata["cell_boundaries"], "he"):
        with pytest.raises(TypeError, match=r"reference is .*; give an image or labels element"):
            PostSegmentation(nuclei, reference=wrong)
    flat = Labels2DModel.parse(nuclei, dims=("y", "x"))
    set_transformation(flat, Scale([0, 1], XY))
    with pytest.raises(ValueError, match="'global' cannot be inverted"):
        PostSegmentation(flat)


def test_the_object_relates_its_systems_through_the_new_elements(added):
    """What SpatialData itself derives between two systems is the same by old and new elements."""
    sdata, _, post = added
    by_old = get_transformation_between_coordinate_systems(sdata, sdata["cell_labels"], "turned")
    by_new = get_transformation_between_coordinate_systems(sdata, sdata[post.shape_name], "turned")
    assert by_old is not None
    assert by_new is not None


def test_a_target_shape_that_is_not_that_of_the_reference_is_refused(nuclei, slide):
    sdata, _ = slide
    post = PostSegmentation(nuclei, reference=sdata["he"], image_shape=(1024, 1024), verbose=False)
    with pytest.raises(ValueError, match="image_shape is 1024 x 1024, but the reference 512 x 512"):
        post.process_masks_to_shapes()
    assert post.filter_report is None  # refused before the work
    post.image_shape = sdata["he"].shape[-2:]
    post.process_masks_to_shapes()


def test_what_was_made_where_a_reference_lay_is_made_anew_once_it_is_moved(nuclei):
    image = Image2DModel.parse(nuclei[None].astype(np.uint8), dims=("c", "y", "x"))
    post = PostSegmentation(nuclei, reference=image, verbose=False)
    post.process_masks_to_shapes()
    set_transformation(image, Translation([500, 30], XY))
    sdata = post.to_spatialdata()
    assert post.verify().ok
    for name in (post.label_name, post.shape_name):
        np.testing.assert_allclose(
            matrix(sdata[name], "global") @ np.linalg.inv(matrix(sdata[name], "image")),
            [[1, 0, 500], [0, 1, 30], [0, 0, 1]],
        )
    assert post.to_spatialdata()[post.shape_name] is sdata[post.shape_name]  # once is enough


def test_a_reference_that_lies_at_the_same_place_drops_nothing(nuclei):
    image = Image2DModel.parse(nuclei[None].astype(np.uint8), dims=("c", "y", "x"))
    post = PostSegmentation(nuclei, reference=image, verbose=False)
    shapes = post.process_masks_to_shapes()[2]
    for same in (post.reference, image.copy()):
        post.reference = same
        assert post.shapes_model is shapes
    set_transformation(image, Translation([500, 30], XY))
    post.reference = image
    assert post.shapes_model is None
    post.process_masks_to_shapes()
    post.reference = None
    assert post.shapes_model is None


def test_cropped_elements_lie_where_they_were_cropped(nuclei):
    """SpatialData leaves the transformations of ``element[100:200]`` as they are."""
    place = {"global": Affine([[1, 0.2, 5], [0, 2, 7], [0, 0, 1]], XY, XY)}
    pyramid = Labels2DModel.parse(
        nuclei, dims=("y", "x"), transformations=place, scale_factors=[2, 2]
    )
    for scale in range(3):
        whole = pyramid[f"scale{scale}"]["image"]
        post = PostSegmentation(whole[10:, 30:], verbose=False)
        found = matrix(post.process_labels()[1], "global")
        corner = moved(np.array([[30.0, 10.0]]), matrix(whole, "global"))
        np.testing.assert_allclose(moved(np.zeros((1, 2)), found), corner, atol=1e-9)
    for sliced in (whole[::4, ::4], whole[:, ::-1]):
        with pytest.raises(ValueError, match="the element was sliced along x, not just cropped"):
            PostSegmentation(sliced)
    PostSegmentation(whole[:1, :1])
