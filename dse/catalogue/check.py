"""Is everything right? All faults of all files at once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dse.catalogue.consistency import read_entry
from dse.catalogue.errors import CatalogueError, Problem
from dse.catalogue.locate import SHELVES, aliases_of, head_of
from dse.catalogue.read import read_toml
from dse.catalogue.store import Catalogue

__all__ = ["check", "taken_name"]


def check(paths: Iterable[Path] | None, catalogue: Catalogue) -> list[Problem]:
    """Every fault of the files (folders are searched for *.toml), of the whole catalogue when paths is None."""
    problems: list[Problem] = []
    files = catalogue_files(catalogue, problems) if paths is None else expanded(paths, problems)
    for path in files:
        problems += faults_of_file(path, catalogue)
    problems += name_clashes(files, catalogue)
    return list(dict.fromkeys(problems))


def catalogue_files(catalogue: Catalogue, problems: list[Problem]) -> list[Path]:
    """The files of every kind; faults of their names are added to the problems."""
    files: list[Path] = []
    for kind in SHELVES:
        try:
            files += catalogue.files(kind).values()
        except CatalogueError as error:
            problems += error.problems
    return files


def expanded(paths: Iterable[Path], problems: list[Problem]) -> list[Path]:
    """Files, and the TOML files below folders; an empty folder is a fault."""
    files: list[Path] = []
    for path in paths:
        inside = sorted(path.rglob("*.toml")) if path.is_dir() else [path]
        if not inside:
            problems.append(Problem("holds no .toml file", file=str(path)))
        files += inside
    return list(dict.fromkeys(files))


def faults_of_file(path: Path, catalogue: Catalogue) -> list[Problem]:
    """Every fault of one file. Recipes of reports are read by the reports; here only their syntax is."""
    try:
        if read_toml(path).get("kind") == "report":
            return []
        read_entry(path, catalogue)
    except CatalogueError as error:
        return error.problems
    return []


def name_clashes(files: Iterable[Path], catalogue: Catalogue) -> list[Problem]:
    """Names and aliases that two files of a kind claim, at least one of them among the checked ones."""
    problems: list[Problem] = []
    by_kind: dict[str, list[Path]] = {}
    for path in files:
        kind = head_of(path).get("kind")
        if isinstance(kind, str) and kind in SHELVES:
            by_kind.setdefault(kind, []).append(path)
    for kind, checked in by_kind.items():
        problems += clashes_of_kind(kind, checked, catalogue)
    return problems


def clashes_of_kind(kind: str, checked: list[Path], catalogue: Catalogue) -> list[Problem]:
    """Names and aliases that a checked file of a kind shares with another file of it."""
    try:
        others = catalogue.files(kind).values()
    except CatalogueError:
        others = []
    shelf = {str(path.resolve()): path for path in [*others, *checked]}
    problems: list[Problem] = []
    for alias, claimed in aliases_of_paths(shelf.values()).items():
        files = sorted(str(path) for path in claimed)
        mine = [path for path in checked if str(path) in files]
        if len(files) > 1 and mine:
            other = next(file for file in files if file != str(mine[-1]))
            way_out = "give every entry a name and aliases of its own"
            problems.append(Problem(f"is also in {other}", str(mine[-1]), "name", repr(alias), way_out=way_out))
    return problems


def taken_name(kind: str, name: str, output: Path | None, catalogue: Catalogue) -> list[Problem]:
    """What stands against a new entry of this name in this file: the file is there, its name is another, or taken."""
    faults = []
    file = "" if output is None else str(output)
    if output is not None and output.exists():
        faults.append(Problem("is there already", file, way_out="give another --output, or --force to overwrite it"))
    if output is not None and output.stem != name:
        faults.append(Problem("must be the name of the file", file, "name", repr(name), way_out="leave --name out"))
    for path in aliases_of(catalogue.files(kind)).get(name, {}):
        if output is None or path.resolve() != output.resolve():
            way_out = "give another --name, or --force"
            faults.append(Problem(f"is in the catalogue already, in {path}", file, "name", repr(name), way_out=way_out))
    return faults


def aliases_of_paths(paths: Iterable[Path]) -> dict[str, dict[Path, None]]:
    """Name or alias -> the files that claim it, also where two files in different folders have one name."""
    found: dict[str, dict[Path, None]] = {}
    for path in paths:
        for alias, claimed in aliases_of({path.stem: path}).items():
            found.setdefault(alias, {}).update(claimed)
    return found
