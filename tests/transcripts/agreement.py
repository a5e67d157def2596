"""What `process_points` made against what the oracle counts, down to the type and the order."""

import warnings

import numpy as np
import reference
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal


def quietly(function, *args, **kwargs):
    """Call without the warning that most points lie outside, the one warning that may come."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return function(*args, **kwargs)


def settings_of(post):
    return post.table.uns["postseg"]["transcripts"]["settings"]


def expect(post, masks, frame, *, own_filter=False, matrix=None, **settings):
    """Count by the oracle what a `PostSegmentation` has counted, with its decisions on regions.

    The frame has x, y, gene and, where the points have them, qv and is_gene. The matrix is the one
    that the settings tell, unless one is given.
    """
    labels = post.labels_model if post.labels_model is not None else post.process_labels()[1]
    return reference.count_points(
        np.asarray(post.masks if own_filter else masks),
        None if own_filter else post.regions[["label", "reason"]],
        () if own_filter else post.filter_report.rejected,
        frame,
        matrix=settings_of(post)["to_pixels"] if matrix is None else matrix,
        shape=labels.shape,
        **settings,
    )


def assert_agree(post, expected, *, own_filter=False):
    """Ledger, table, regions and points of a `PostSegmentation` are those of the oracle."""
    assert_frame_equal(
        post.transcripts, expected.ledger, check_index_type=False, check_column_type=False
    )
    assert (post.transcripts.dtypes == np.int64).all()
    assert post.transcripts.to_numpy().sum() == len(expected.label)
    assert_table(post.table, expected)
    packed = post.table.uns["postseg"]["transcripts"]["ledger"]
    assert packed["place"].tolist() == expected.ledger.index.tolist()
    assert_array_equal(packed[list(reference.KINDS)], expected.ledger)
    if not own_filter:
        counts = post.regions["transcript_counts"]
        assert counts.dtype == np.int64
        assert counts.tolist() == expected.in_regions.tolist()
    if post.points_model is not None:
        points = post.points_model.compute()
        assert points["label"].dtype == points["region"].dtype == np.int32
        assert points["label"].tolist() == expected.label.tolist()
        if not own_filter:
            assert points["region"].tolist() == expected.region.tolist()


def assert_table(table, expected):
    """X, obs and var are those of the oracle, and X is as the contract has it."""
    assert table.X.format == "csr"
    assert table.X.dtype == np.int32
    assert table.X.has_canonical_format
    assert (table.X.data > 0).all()
    assert_array_equal(table.X.toarray(), expected.X)
    assert table.obs["label"].tolist() == expected.obs.index.tolist()
    counted = [name for name in table.obs if name.endswith("_counts")]
    assert sorted([*counted, "n_genes"]) == sorted(expected.obs)
    for name, values in expected.obs.items():
        assert table.obs[name].dtype.kind == "i", name
        assert table.obs[name].tolist() == values.tolist(), name
    assert table.var_names.tolist() == expected.var.index.tolist()
    for name, values in expected.var.items():
        assert table.var[name].tolist() == values.tolist(), name


def same_counts(post, other):
    """Two objects hold the same counts, and the same of everything else in the table."""
    assert_frame_equal(post.transcripts, other.transcripts)
    assert_frame_equal(post.regions, other.regions)
    assert_frame_equal(post.table.obs, other.table.obs)
    assert_frame_equal(post.table.var, other.table.var)
    assert_array_equal(post.table.X.toarray(), other.table.X.toarray())
