"""Is the house in order? Imports point one way, files and functions stay small, data folders hold no code."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "dse").rglob("*.py"))
}
FILE_LINES, FUNCTION_LINES = 400, 60

# Each room may import itself and what stands before it in this list, and nothing behind it. The catalogue stands beside
# the physics: it fills the dataclasses and knows no formula.
ROOMS = {
    "ground": ("dse", "dse.units", "dse.sources", "dse.runtime", "dse.arrays"),
    "arrays": (
        "dse.assumptions",
        "dse.hardware.chip",
        "dse.workload.transformer",
        "dse.workload.traffic",
        "dse.numerics.parameters",
        "dse.numerics.accumulate",
        "dse.numerics.multiply_accumulate",
    ),
    "catalogue": ("dse.catalogue",),
    "physics": ("dse.hardware", "dse.numerics", "dse.workload", "dse.timing", "dse.economics"),
    "evaluate": ("dse.evaluate",),
    "mapping": ("dse.best_mapping",),
    "search and analysis": ("dse.search", "dse.analysis"),
    "reporting": ("dse.reporting",),
    "top": ("dse.cli", "dse.explorer", "dse.commands", "dse.__main__"),
}
NOT_ALLOWED = {("physics", "catalogue"), ("evaluate", "catalogue"), ("mapping", "catalogue")}


def room_of(module: str) -> str:
    """The room of the longest name that the module lies under."""
    homes = {name: room for room, found in ROOMS.items() for name in found if name != "dse"}
    parts = module.split(".")
    for length in range(len(parts), 1, -1):
        if ".".join(parts[:length]) in homes:
            return homes[".".join(parts[:length])]
    assert module == "dse", f"{module} has no room: name one in ROOMS"
    return "ground"


@functools.cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


@functools.cache
def imports_of(module: str) -> frozenset[str]:
    """Modules of this package that a module imports anywhere, functions included."""
    found = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(name if name in MODULES else str(node.module))
    return frozenset(name for name in found if name in MODULES) - {module}


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module: str) -> None:
    order = list(ROOMS)
    here = room_of(module)
    for other in imports_of(module):
        there = room_of(other)
        assert order.index(there) <= order.index(here), f"{module} imports {other}, which stands above it"
        assert (here, there) not in NOT_ALLOWED, f"{module} imports {other}"


def test_no_import_goes_in_a_circle() -> None:
    def follow(module: str, behind: tuple[str, ...]) -> None:
        assert module not in behind, " -> ".join((*behind, module))
        if module not in done:
            for other in imports_of(module):
                follow(other, (*behind, module))
            done.add(module)

    done: set[str] = set()
    for module in MODULES:
        follow(module, ())


@pytest.mark.parametrize("module", MODULES)
def test_files_and_functions_are_small(module: str) -> None:
    lines = len(MODULES[module].read_text().splitlines())
    assert lines <= FILE_LINES, f"{module} has {lines} lines"
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= FUNCTION_LINES, f"{module}.{node.name} has {length} lines"


@pytest.mark.parametrize("folder", ["models", "search_spaces", "reports"])
def test_data_folders_hold_no_code(folder: str) -> None:
    assert not [path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".pyc", ".ipynb", ".sh")]


def test_one_importable_package() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert found == {"dse"}


def test_the_readme_answers_as_the_report_of_formats_does() -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    for sentence in (ROOT / "reports" / "formats" / "answers.txt").read_text().splitlines():
        assert sentence in text


def test_tests_read_shipped_files_where_the_package_has_them() -> None:
    """In an installed package they are not beside the tests."""
    sources = {path.name: path.read_text() for path in (ROOT / "tests").rglob("*.py")}
    assert {name for name, text in sources.items() if ".parents[" in text} <= {"test_structure.py", "test_slow.py"}
