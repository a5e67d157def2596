"""Labels, shapes and table that are handed over agree, as SpatialData's own tools see them."""

import numpy as np
import pytest
import spatialdata
from light import light_tables
from sampling import some
from skimage.data import immunohistochemistry
from skimage.measure import regionprops
from spatialdata.transformations import get_transformation

from postseg import PostSegmentation
from postseg.demo import segment_nuclei


@pytest.fixture(scope="module")
def nuclei():
    return segment_nuclei(immunohistochemistry())


def matrix(element, system):
    return get_transformation(element, system).to_affine_matrix(("x", "y"), ("x", "y"))


@pytest.mark.parametrize(("factor", "origin"), some([(2, (7, 100.5)), (1, (0, 0)), (4, (3, 0))], 1))
def test_a_written_store_agrees_in_both_systems(nuclei, tmp_path, factor, origin):
    post = PostSegmentation(nuclei, factor, "cells", origin=origin, verbose=False)
    post.write(tmp_path / "cells.zarr")
    sdata = spatialdata.read_zarr(tmp_path / "cells.zarr")
    elements, table = spatialdata.join_spatialelement_table(
        sdata=sdata, spatial_element_names="cells_shapes", table_name="cells_table"
    )
    shapes = elements["cells_shapes"]
    assert shapes.index.tolist() == table.obs["label"].tolist() == list(range(1, len(shapes) + 1))
    labels = sdata["cells"].to_numpy()
    cells = {cell.label: cell for cell in regionprops(labels)}
    assert set(cells) == set(shapes.index)
    whole = [label for label, cell in cells.items() if cell.euler_number == 1]
    pixels = np.array([cells[label].centroid[::-1] for label in whole]) + 0.5
    for system in ("global", "image"):
        placed = spatialdata.transform(sdata["cells_shapes"], to_coordinate_system=system)
        to_system = matrix(sdata["cells"], system)
        expected = pixels @ to_system[:2, :2].T + to_system[:2, 2]
        found = np.column_stack([placed.centroid.x, placed.centroid.y])
        offset = np.hypot(*(found[np.array(whole) - 1] - expected).T)
        assert offset.mean() < 0.01
        assert offset.max() < 0.5
    np.testing.assert_allclose(
        np.asarray(table.obsm["spatial"])[np.array(whole) - 1],
        pixels @ matrix(sdata["cells"], "global")[:2, :2].T
        + matrix(sdata["cells"], "global")[:2, 2],
        atol=1e-6,
    )


def test_tiles_line_up_in_image_whatever_survived_in_each(nuclei):
    placed = []
    for row in (0, 256):
        post = PostSegmentation(nuclei[row : row + 256], 2, origin=(row, 0), verbose=False)
        post.process_masks_to_shapes()
        image = spatialdata.transform(post.shapes_model, to_coordinate_system="image")
        audit = post.regions[post.regions.label > 0]
        expected = 2 * (audit.centroid_row.to_numpy() + row + 0.5)
        assert np.abs(image.centroid.y.to_numpy() - expected).max() < 0.5
        placed.append(image.total_bounds)
    assert placed[0][3] <= 512 <= placed[1][1] + 1


def test_the_table_can_annotate_either_element(nuclei):
    post = PostSegmentation(nuclei, label_name="cells", verbose=False)
    with pytest.raises(RuntimeError, match="run process_masks_to_shapes"):
        post.process_table()
    post.process_masks_to_shapes()
    for annotates, name in (("shapes", "cells_shapes"), ("labels", "cells")):
        table = post.process_table(annotates)
        assert table.shape == (len(post.shapes_model), 0)
        assert table.uns["spatialdata_attrs"]["region"] == name
    with pytest.raises(ValueError, match="'polygons'"):
        post.process_table("polygons")


def test_elements_are_added_to_the_users_object_all_or_none(nuclei):
    post = PostSegmentation(nuclei, label_name="cells", verbose=False)
    sdata = post.add_to(spatialdata.SpatialData())
    names = {name for _, name, _ in sdata.gen_elements()}
    assert names == {"cells", "cells_shapes", "cells_table"}
    other = PostSegmentation(nuclei, label_name="Cells", shape_name="outlines", verbose=False)
    with pytest.raises(ValueError, match="'cells' already"):
        other.add_to(sdata)
    assert {name for _, name, _ in sdata.gen_elements()} == names


def test_a_pyramid_for_viewers(nuclei):
    post = PostSegmentation(nuclei, 2, label_name="cells", verbose=False)
    post.process_masks_to_shapes()
    _, pyramid = post.process_labels(scale_factors=[2, 2])
    assert [scale["y"].size for scale in pyramid.values()] == [1024, 512, 256]
    assert post.to_spatialdata()["cells"] is pyramid


def test_an_existing_store_is_not_touched_without_overwrite(nuclei, tmp_path, monkeypatch):
    light_tables(monkeypatch)
    post = PostSegmentation(nuclei, label_name="cells", verbose=False)
    post.write(tmp_path / "cells.zarr")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FileExistsError, match=r"cells\.zarr exists"):
        post.write(tmp_path / "cells.zarr")
    assert sorted(tmp_path.rglob("*")) == before
