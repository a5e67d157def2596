"""What libraries hand over as points, in forms of their own."""

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from drawing import OFF, squares
from spatialdata.models import PointsModel

from postseg import PostSegmentation

MASKS = squares(8, 9)  # 11 x 20
POINTS = pd.DataFrame(
    {"x": [3.5, 12.5, 13.5, 4.5], "y": 3.5, "gene": ["A", "A", "B", None], "qv": 30.0}
)


def count(points, **chosen):
    post = PostSegmentation(MASKS, label_name="cells", verbose=False, filter_config=OFF)
    post.process_points(points, **chosen)
    return post


@pytest.mark.parametrize("index", [pa.uint8(), pa.uint32(), pa.uint64()], ids=str)
def test_codes_of_names_may_be_unsigned(index):
    table = pa.Table.from_pandas(POINTS, preserve_index=False)
    coded = table["gene"].combine_chunks().dictionary_encode()
    coded = pa.DictionaryArray.from_arrays(coded.indices.cast(index), coded.dictionary)
    post = count(table.set_column(2, "gene", coded))
    np.testing.assert_array_equal(post.table.X.toarray(), count(POINTS).table.X.toarray())
    assert post.points_model.compute()["gene"].isna().tolist() == [False, False, False, True]


def test_an_element_may_be_computed():
    element = PointsModel.parse(POINTS.fillna({"gene": "B"}), feature_key="gene").compute()
    post = count(element)
    assert post.table.X.sum() == 4
    assert post.points_model.compute()["label"].tolist() == [1, 2, 2, 1]
    assert "transform" in element.attrs


def test_a_relative_path_is_found_from_elsewhere(tmp_path, monkeypatch):
    POINTS.to_parquet(tmp_path / "points.parquet")
    monkeypatch.chdir(tmp_path)
    post = count("points.parquet")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(post.points_model.compute()) == 4


def test_files_that_dask_wrote_can_be_written_again(tmp_path):
    frame = dd.from_pandas(POINTS, npartitions=2)
    frame.to_parquet(tmp_path / "given.parquet")
    again = count(tmp_path / "given.parquet").points_model
    assert again.columns.tolist() == [*POINTS, "label", "region"]
    again.to_parquet(tmp_path / "again.parquet")
    assert len(pd.read_parquet(tmp_path / "again.parquet")) == 4
