"""The filter as a whole: who survives, under which number, and what is said when nobody does."""

import inspect

import numpy as np
import pytest
from drawing import OFF, draw, squares
from numpy.testing import assert_array_equal

from postseg import PostSegmentation, filter_cell_by_regionprops
from postseg.filtering.criteria import TESTS

# A corner of 9 pixels in a triangle of 15 (deficit 0.4), a square of 64, one of 100.
CORNER = draw("1.... 1.... 1.... 1.... 11111")
THREE = np.zeros((12, 26), int)
THREE[1:6, 1:6] = CORNER
THREE[1:9, 7:15] = 2
THREE[1:11, 15:25] = 3


def test_the_signature_is_that_of_the_description():
    assert [
        (name, parameter.default)
        for name, parameter in inspect.signature(filter_cell_by_regionprops).parameters.items()
    ] == [
        ("seg_masks", inspect.Parameter.empty),
        ("max_eccentricity", None),
        ("min_area", "median_div2"),
        ("min_absolute_area", 50),
        ("max_area", None),
        ("min_solidity", None),
        ("max_solidity", None),
        ("min_extent", None),
        ("max_extent", None),
        ("min_compactness", None),
        ("max_convexity_deficit", 0.20),
        ("max_perimeter_area_ratio", None),
        ("area_std_filter", None),
        ("save_debug", False),
        ("verbose", True),
        ("border", "judge"),  # from here on ours, by keyword only
        ("pixel_size", None),
    ]


def test_every_parameter_may_be_given_by_position():
    found = filter_cell_by_regionprops(
        THREE, 0.9, "median", 50, 99, 0.7, 1, 0.1, 1, 0.1, 0.2, 6, 3, False, False
    )
    assert_array_equal(found > 0, THREE == 2)


def test_survivors_are_int32_of_the_shape_of_the_input():
    found = filter_cell_by_regionprops(THREE.astype(">u8"), verbose=False)
    assert found.dtype == np.int32
    assert found.shape == THREE.shape
    assert found.flags.c_contiguous
    assert found.flags.writeable


def test_the_defaults_reject_debris_and_half_moons():
    found = filter_cell_by_regionprops(THREE, verbose=False)
    assert_array_equal(found, np.maximum(THREE - 1, 0))


def test_survivors_are_numbered_by_their_first_pixel_not_by_label():
    image = draw("..7.. 9.777 9.... 9..33")
    found = filter_cell_by_regionprops(image, **OFF, verbose=False)
    assert_array_equal(found, draw("..1.. 2.111 2.... 2..33"))


def test_numbers_close_up_where_a_region_goes():
    found = filter_cell_by_regionprops(
        draw("5.55 5... 5.66"), **{**OFF, "min_absolute_area": 2}, max_area=2, verbose=False
    )
    assert_array_equal(found, draw("..11 .... ..22"))


def test_parts_of_one_label_become_cells_of_their_own():
    found = filter_cell_by_regionprops(draw("4.4 4.4"), **OFF, verbose=False)
    assert_array_equal(found, draw("1.2 1.2"))


def test_running_the_filter_on_its_own_result_changes_nothing():
    once = filter_cell_by_regionprops(THREE, verbose=False)
    assert_array_equal(filter_cell_by_regionprops(once, verbose=False), once)


def test_an_undefined_compactness_never_rejects():
    found = filter_cell_by_regionprops(draw("1.."), **OFF, min_compactness=1, verbose=False)
    assert found.tolist() == [[1, 0, 0]]


def test_an_impossible_threshold_is_refused():
    with pytest.raises(ValueError, match="max_eccentricity"):
        filter_cell_by_regionprops(THREE, max_eccentricity=2)


# ---- which reason is counted


@pytest.mark.parametrize(
    ("thresholds", "reason"),
    [
        ({"min_absolute_area": 10}, "tiny_artifacts"),
        ({"min_area": "median"}, "too_small"),
        ({"area_std_filter": 0.5}, "area_outliers"),
        ({"max_eccentricity": 0.1}, "too_eccentric"),
        ({"min_solidity": 0.7}, "too_concave"),
        ({"min_extent": 0.5}, "too_sparse"),
        ({"max_convexity_deficit": 0.3}, "high_convexity_deficit"),
    ],
)
def test_a_region_that_fails_one_test_is_counted_under_it(thresholds, reason):
    post = PostSegmentation(filter_config={**OFF, **thresholds}, verbose=False)
    post.filter_cell_by_regionprops(THREE)
    assert post.regions["reason"].iloc[0] == reason


def test_a_region_is_counted_under_the_first_test_it_fails():
    """The corner fails these seven; they are taken away from the front, one by one."""
    fails = {
        "tiny_artifacts": {"min_absolute_area": 10},
        "too_small": {"min_area": "median"},
        "area_outliers": {"area_std_filter": 0.5},
        "too_eccentric": {"max_eccentricity": 0.1},
        "too_concave": {"min_solidity": 0.7},
        "too_sparse": {"min_extent": 0.5},
        "high_convexity_deficit": {"max_convexity_deficit": 0.3},
    }
    reasons = list(fails)
    assert reasons == [
        reason for reason in dict.fromkeys(test.reason for test in TESTS) if reason in fails
    ]
    for i, reason in enumerate(reasons):
        thresholds = {**OFF}
        for later in reasons[i:]:
            thresholds |= fails[later]
        post = PostSegmentation(filter_config=thresholds, verbose=False)
        post.filter_cell_by_regionprops(THREE)
        assert post.regions["reason"].iloc[0] == reason


def test_the_table_tells_the_new_label_and_the_reason():
    post = PostSegmentation(verbose=False)
    found = post.filter_cell_by_regionprops(THREE)
    assert post.regions["label"].tolist() == [0, 1, 2]
    assert post.regions["label"].dtype == np.int32
    assert post.regions["reason"].tolist() == ["tiny_artifacts", "", ""]
    assert post.regions["area"].tolist()[1:] == np.bincount(found.ravel())[1:].tolist()


# ---- when nothing survives


def test_nothing_survives():
    with pytest.warns(UserWarning, match=r"None of the 2 regions.*Tiny Artifacts 2"):
        found = filter_cell_by_regionprops(squares(3, 4), verbose=False)
    assert_array_equal(found, np.zeros((6, 10)))


def test_the_warning_names_the_tests_that_rejected_most():
    thresholds = {**OFF, "min_absolute_area": 10, "max_area": 15}
    most_first = r"Too Large 4 \(max_area\), Tiny Artifacts 2 \(min_absolute_area\)"
    with pytest.warns(UserWarning, match=most_first):
        filter_cell_by_regionprops(squares(3, 3, 4, 4, 4, 5), **thresholds, verbose=False)


def test_the_warning_points_to_the_caller():
    with pytest.warns(UserWarning, match="no cells") as caught:
        filter_cell_by_regionprops(np.zeros((2, 2), int), verbose=False)
    assert caught[0].filename == __file__


def test_the_method_warns_too():
    with pytest.warns(UserWarning, match="None of the 1 regions") as caught:
        PostSegmentation(verbose=False).filter_cell_by_regionprops(squares(3))
    assert caught[0].filename == __file__


# ---- what is printed and written


def test_the_report_is_printed_when_verbose(capsys):
    filter_cell_by_regionprops(THREE)
    assert "2 of 3 regions passed (66.7%)" in capsys.readouterr().out


def test_nothing_is_printed_when_not_verbose(capsys):
    filter_cell_by_regionprops(THREE, verbose=False)
    assert capsys.readouterr() == ("", "")


def test_save_debug_writes_cleaned_mask_png_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    filter_cell_by_regionprops(THREE, save_debug=True, verbose=False)
    assert [path.name for path in tmp_path.iterdir()] == ["cleaned_mask.png"]
    assert (tmp_path / "cleaned_mask.png").read_bytes().startswith(b"\x89PNG")


def test_save_debug_takes_a_path_so_that_tiles_do_not_overwrite_each_other(tmp_path):
    for name in ("a.png", "b.png"):
        filter_cell_by_regionprops(THREE, save_debug=tmp_path / name, verbose=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_no_picture_is_written_unasked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    filter_cell_by_regionprops(THREE, verbose=False)
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_is_no_label_image_is_asked_about():
    grey = np.random.default_rng(0).integers(1, 255, (60, 60))
    with pytest.warns(UserWarning, match="Tiny Artifacts.*is this the microscope image"):
        filter_cell_by_regionprops(grey, verbose=False)
    specks = np.kron(np.eye(11, dtype=int), np.pad(np.ones((3, 3), int), 1))
    with pytest.warns(UserWarning, match="Loosen these thresholds"):
        filter_cell_by_regionprops(specks, verbose=False)
