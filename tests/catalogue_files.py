"""Files that the tests of the catalogue write: a chip and a space of the user's, and how they are made wrong."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from dse.catalogue import Catalogue, check, open_catalogue


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return open_catalogue()


@pytest.fixture(scope="module")
def chip_text(catalogue: Catalogue) -> str:
    return catalogue.find("chip", "h100").read_text(encoding="utf-8").replace('name = "h100-sxm"', 'name = "mine"', 1)


def own(text: str) -> str:
    """The chip with no alias of the shipped one."""
    return "\n".join("aliases = []" if line.startswith("aliases") else line for line in text.splitlines())


def line_of(text: str, key: str, after: str = "") -> str:
    """The line of a key, after a table's header."""
    start = text.index(after)
    return next(line for line in text[start:].splitlines() if line.startswith(f"{key} ="))


def replaced(text: str, key: str, line: str, after: str = "") -> str:
    """The text with another line for a key."""
    start = text.index(after)
    return text[:start] + text[start:].replace(line_of(text, key, after), line, 1)


def faults(text: str, tmp_path: Path, catalogue: Catalogue, name: str = "mine") -> list[str]:
    """The messages that `dse check` prints for a file."""
    path = tmp_path / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return [str(problem) for problem in check([path], catalogue)]


def leaves(tree: Any) -> dict[str, Any]:
    """Every leaf of nested dataclasses by its path."""
    found: dict[str, Any] = {}
    for field in fields(tree):
        value = getattr(tree, field.name)
        inner = leaves(value) if is_dataclass(value) else {"": value}
        found |= {f"{field.name}.{key}".rstrip("."): item for key, item in inner.items()}
    return found


SPACE = """
[space]
model = "llama-3.1-70b"
traffic = "chat"
objective = "tokens-per-dollar"
price_basis = "tco"
grid = { "memory.stacks" = 5 }
"""


@pytest.fixture
def space_text(chip_text: str) -> str:
    text = own(chip_text).replace('kind = "chip"', 'kind = "space"', 1)
    text = "\n".join(line for line in text.splitlines() if not line.startswith(("status", "published_peak")))
    text = replaced(text, "kind", 'kind = { choices = ["none", "hbm3", "gddr7"], because = "range" }', "[memory]")
    stacks = 'stacks = { low = 1, high = 8, because = "edge", when = "memory.kind != \'none\'", otherwise = 0 }'
    text = replaced(text, "stacks", stacks, "[memory]")
    text = replaced(text, "capacity", "", "[memory]")
    text = replaced(text, "bandwidth", "", "[memory]")
    clock = 'clock = { low = "0.5 GHz", high = "3 GHz", log = true, because = "range" }'
    return replaced(text, "clock", clock, "[matrix]") + SPACE


def with_space(text: str, tmp_path: Path) -> Catalogue:
    """The catalogue with a space of the user's."""
    (tmp_path / "search_spaces").mkdir(exist_ok=True)
    (tmp_path / "search_spaces/mine.toml").write_text(text, encoding="utf-8")
    return open_catalogue(tmp_path)
