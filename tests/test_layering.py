"""Imports point one way, wing by wing, and heavy libraries stay in the rooms that need them."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

import postseg

ROOT = Path(postseg.__file__).parent
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in ROOT.rglob("*.py")
}
MODULES = sorted(FILES)
# A wing may import those of earlier lines, and nothing beside it on its own line. `postseg` is
# what stands for itself at the top.
ORDER = [
    ["_kernels"],
    ["_support"],
    ["raster"],
    ["filtering", "geometry"],
    ["tiles"],
    ["elements"],
    ["transcripts"],
    ["files", "verify", "show"],
    ["functions", "results", "attributes"],
    ["processor"],
    ["restoring", "demo"],
    ["cli"],
    ["__main__"],
]
LEVEL = {wing: level for level, wings in enumerate(ORDER) for wing in wings}
HOMES = {  # which modules import a library
    "numba": "_kernels.",
    "spatialdata": "elements.",
    "jinja2": "show.page.render",
    "matplotlib": "show.charts",
    "selenium": "nowhere",
}


def for_typing_only(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def statements(tree):
    """All nodes, also within functions, but for those that only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if not for_typing_only(node):
            yield node
            yield from statements(node)


@cache
def imports(module):
    """What a module imports, at its top or within its functions: full names."""
    found = set()
    for node in statements(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import; write the full name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


@cache
def public_homes():
    """Where the stub says that the names at the top come from."""
    stub = ast.parse((ROOT / "__init__.pyi").read_text(encoding="utf-8"))
    return {
        alias.asname: node.module
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


@cache
def needs(module):
    """The modules of the package that a module imports."""
    found = set()
    for name in imports(module):
        parts = name.split(".")[1:] if name.startswith("postseg.") else []
        if parts and parts[0] in public_homes():
            parts = public_homes()[parts[0]].split(".")
        found |= {".".join(parts[:n]) for n in range(1, len(parts) + 1)} & FILES.keys()
        # a kernel module brings its package, which is a file too
        if parts[:1] == ["_kernels"] and module != "_kernels.__init__":
            found.add("_kernels.__init__")
    return frozenset(found)


def reach(module):
    """All that a module imports, directly or by others."""
    found, waiting = set(), set(needs(module))
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= needs(name) - found
    return found


def wing(module):
    return module.partition(".")[0]


def roots(module):
    return {name.partition(".")[0] for name in imports(module)}


def test_the_imports_are_seen():
    assert needs("raster.runs") >= {"_kernels.__init__", "_kernels.runs", "raster.label_image"}
    assert "elements.build" in needs("processor")  # within a function
    assert "processor" in needs("demo")  # by its name at the top
    assert "numpy" in roots("raster.runs")


def test_every_module_is_in_a_wing_of_the_list():
    assert {wing(module) for module in MODULES} - {"__init__"} == LEVEL.keys()


def test_few_files_stand_at_the_top():
    assert len([*ROOT.glob("*.py")]) <= 10


@pytest.mark.parametrize("module", [m for m in MODULES if m != "__init__"])
def test_a_wing_imports_only_from_before_it(module):
    ours, level = wing(module), LEVEL[wing(module)]
    others = {name for name in needs(module) if wing(name) != ours}
    assert {name for name in others if LEVEL[wing(name)] >= level} == set()


@pytest.mark.parametrize("module", MODULES)
def test_there_are_no_cycles(module):
    assert module not in reach(module)


@pytest.mark.parametrize("module", MODULES)
def test_no_module_reads_the_underscore_names_of_another(module):
    private = {
        name
        for name in imports(module)
        if name.startswith("postseg.")
        and name.rpartition(".")[2].startswith("_")
        and not name.endswith("__")
        and name.removeprefix("postseg.") not in LEVEL
    }
    assert private == set()


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("_kernels")])
def test_kernels_know_arrays_only(module):
    outside = {root for root in roots(module) if root not in sys.stdlib_module_names}
    assert outside <= {"numpy", "numba", "postseg"}
    assert {name for name in needs(module) if not name.startswith("_kernels")} == set()


def test_a_walk_through_the_filter_meets_neither_pictures_nor_files():
    wings = {wing(name) for name in reach("filtering.run")}
    assert wings <= {"filtering", "raster", "_kernels", "_support"}


@pytest.mark.parametrize(("library", "home"), HOMES.items(), ids=HOMES)
def test_a_heavy_library_stays_in_its_room(library, home):
    strangers = {m for m in MODULES if library in roots(m) and not f"{m}.".startswith(home)}
    assert strangers == set()


def test_the_package_does_not_import_its_tests():
    assert [module for module in MODULES if roots(module) & {"reference", "tests", "pytest"}] == []
