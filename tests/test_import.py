"""`import postseg` is light, and works where nothing may be written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import postseg

ROOT = Path(postseg.__file__).parent
HEAVY = [
    "spatialdata",
    "geopandas",
    "numba",
    "matplotlib",
    "pandas",
    "dask",
    "xarray",
    "skimage",
    "shapely",
    "anndata",
    "pydantic",
    "zarr",
]


def run(code, folder=ROOT.parent, **environment):
    """Print what code prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code],
        env={**os.environ, **environment},
        cwd=folder,  # which comes first on the path
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def loaded_by(code):
    return run(f"import sys\n{code}\nprint([name for name in {HEAVY} if name in sys.modules])")


def test_the_package_is_light():
    assert loaded_by("import postseg") == "[]"


def test_thresholds_need_no_arrays_of_cells():
    assert loaded_by("from postseg import FilterConfig; FilterConfig()") == "['pydantic']"


def test_the_core_needs_neither_spatialdata_nor_matplotlib():
    code = """
import postseg
postseg.measure_regions([[1]])
postseg.filter_cell_by_regionprops([[1]], min_area=None, min_absolute_area=None, verbose=False)
postseg.masks_to_polygons([[1]])
postseg.PostSegmentation([[1]])
"""
    loaded = loaded_by(code)
    assert "numba" in loaded
    assert "spatialdata" not in loaded
    assert "matplotlib" not in loaded


def test_all_public_names_are_there():
    assert sorted(postseg.__all__) == [
        "FilterConfig",
        "FilterReport",
        "PostSegmentation",
        "Slide",
        "filter_cell_by_regionprops",
        "masks_to_polygons",
        "measure_regions",
        "merge_tiles",
        "plan_tiles",
        "read_label_image",
        "verify_store",
    ]
    for name in postseg.__all__:
        assert getattr(postseg, name).__name__ == name
        assert name in dir(postseg)


def test_other_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = postseg.no_such_name


def test_the_version_is_a_string():
    assert postseg.__version__.split(".")[0].isdigit()


@pytest.fixture
def nowhere_to_write(tmp_path):
    """A copy of the package whose kernels cannot keep their machine code.

    Files take the place of the folders that numba would make, which stops root too.
    """
    kernels = tmp_path / "postseg" / "_kernels"
    shutil.copytree(ROOT, kernels.parent, ignore=shutil.ignore_patterns("__pycache__"))
    (kernels / "__pycache__").touch()
    return tmp_path


def test_kernels_compile_where_nothing_may_be_written(nowhere_to_write):
    home = str(nowhere_to_write / "postseg" / "__init__.py" / "home")
    code = """
import postseg
from postseg._kernels import moments
print(postseg.__file__)
print(type(moments._squares_below._cache).__name__)
print(moments._squares_below(4))
"""
    printed = run(
        code, nowhere_to_write, HOME=home, XDG_CACHE_HOME=home, NUMBA_CACHE_DIR=""
    ).splitlines()
    assert printed == [str(nowhere_to_write / "postseg" / "__init__.py"), "NullCache", "14"]
