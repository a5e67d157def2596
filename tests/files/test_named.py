"""What a command line names is a file, or an element of this store or of another one."""

from pathlib import Path

import pytest

from postseg.files.named import find


@pytest.fixture
def store(tmp_path):
    """As much of a store as tells that it is one."""
    for name in ("slide.zarr", "other.zarr"):
        (tmp_path / name / "images").mkdir(parents=True)
        (tmp_path / name / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    return tmp_path / "slide.zarr"


@pytest.mark.parametrize(
    ("text", "path", "element"),
    [
        ("he", "slide.zarr", "he"),
        ("{here}/other.zarr/images/he", "other.zarr", "he"),
        ("{here}/other.zarr/labels/he", "slide.zarr", "he"),  # of no kind that is looked for
        ("{here}/other.zarr", "other.zarr", "other.zarr"),
        ("{here}/he.png", "he.png", None),
    ],
)
def test_elements_and_files_are_told_apart(store, text, path, element):
    (store.parent / "he.png").touch()
    found = find(text.format(here=store.parent), store, "images")
    assert (found.path, found.element) == (store.parent / path, element)
    found.check_exists("a file")


def test_nothing_is_nothing(store):
    assert find(None, store, "images") is None


@pytest.mark.parametrize(
    ("kinds", "text"),
    [(("images", "labels"), "an image or labels element"), (("points",), "a points element")],
)
def test_what_is_missing_is_told_with_what_may_be_named(kinds, text):
    missing = find("gone.tif", Path("masks.npy"), *kinds)
    assert missing.element is None
    expected = f"^gone.tif does not exist. Give {text} of the store .*/{kinds[0]}/NAME .*or a TIFF"
    with pytest.raises(FileNotFoundError, match=expected):
        missing.check_exists("a TIFF file")
