"""Imports point one way, and the heavy libraries stay in the rooms that need them."""

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
# Nothing may import, directly or not, a module beside or after it.
LAYERS = [
    [name for name in MODULES if name.startswith("_kernels")],
    ["config"],
    ["label_image", "parallel"],
    ["runs"],
    ["metrics", "polygons", "labels"],
    ["criteria"],
    ["filtering"],
    ["processor"],
    ["cli"],
]
HOMES = {
    "numba": {name for name in MODULES if name.startswith("_kernels")},
    "spatialdata": {"elements"},
    "jinja2": {"page"},
    "matplotlib": {"charts"},
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
def needs(module):
    """The modules of the package that a module imports."""
    found = set()
    for name in imports(module):
        parts = name.split(".")[1:] if name.startswith("postseg.") else []
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


def roots(module):
    return {name.partition(".")[0] for name in imports(module)}


def test_the_imports_are_seen():
    assert needs("runs") >= {"_kernels.__init__", "_kernels.runs", "label_image"}
    assert "elements" in needs("processor")  # within a function
    assert "numpy" in roots("runs")


def test_the_layers_exist():
    assert [name for layer in LAYERS for name in layer if name not in FILES] == []


@pytest.mark.parametrize(
    ("module", "above"),
    [
        (module, {name for later in LAYERS[i:] for name in later} - {module})
        for i, layer in enumerate(LAYERS)
        if i > 0
        for module in layer
    ],
    ids=[module for layer in LAYERS[1:] for module in layer],
)
def test_a_layer_imports_only_from_below(module, above):
    assert reach(module) & above == set()


@pytest.mark.parametrize("module", MODULES)
def test_there_are_no_cycles(module):
    assert module not in reach(module)


@pytest.mark.parametrize("module", LAYERS[0])
def test_kernels_know_arrays_only(module):
    outside = {root for root in roots(module) if root not in sys.stdlib_module_names}
    assert outside <= {"numpy", "numba", "postseg"}
    assert {name for name in needs(module) if not name.startswith("_kernels")} == set()


@pytest.mark.parametrize(("library", "homes"), HOMES.items(), ids=HOMES)
def test_a_heavy_library_stays_in_its_room(library, homes):
    assert {module for module in MODULES if library in roots(module)} <= homes


def test_the_package_does_not_import_its_tests():
    assert [module for module in MODULES if roots(module) & {"reference", "tests", "pytest"}] == []
