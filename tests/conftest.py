"""Types and shapes of all functions of arrays are checked while the tests run; shipped files are read once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# pydantic checks what files hold, and typer what commands are given; their helpers are called by the million and take
# no arrays, so that checking them too would double the time of the suite.
ARRAYS = ("build", "library", "numerics", "quality")
ROOMS = ("analysis", "hardware", "numerics", "reporting", "search", "timing", "workload")
FILES = ("arrays", "assumptions", "best_mapping", "economics", "evaluate", "units")
install_import_hook(
    [f"dse.{name}" for name in (*ROOMS, *FILES)] + [f"dse.catalogue.{name}" for name in ARRAYS], "checked.typechecker"
)
settings.register_profile("default", deadline=None, max_examples=50)
settings.load_profile("default")

pytest_plugins = ["catalogue_files", "servers"]


@pytest.fixture(autouse=True, scope="session")
def shipped_files_read_once() -> Iterator[None]:
    """Every command opens a catalogue of its own; what earlier ones have read of the shipped files is handed on."""
    from dse.catalogue.locate import shipped_root
    from dse.catalogue.store import Catalogue

    opened: list[Catalogue] = []
    begin = Catalogue.__init__

    def begin_with_shipped(self: Catalogue, directory: Path | None = None) -> None:
        begin(self, directory)
        read = opened.pop().read if opened else {}
        root = shipped_root()
        self.read = {path: entry for path, entry in read.items() if path.is_relative_to(root)}
        opened.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Catalogue, "__init__", begin_with_shipped)
        yield
