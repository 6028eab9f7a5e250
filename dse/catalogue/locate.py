"""Where are the files? The shipped folders, and the user's own folders of the same names."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from dse.catalogue.errors import CatalogueError, Problem, listed, nearest

__all__ = ["SHELVES", "files_of", "find", "roots", "same_content", "shipped_root"]

# Kind of file -> its folder within a catalogue.
SHELVES: dict[str, str] = {
    "chip": "models/chips",
    "transformer": "models/transformers",
    "traffic": "models/traffic",
    "portfolio": "models/portfolios",
    "technology": "models/technology",
    "economics": "models/economics",
    "software": "models/software",
    "calibration": "models/calibration",
    "format": "models/formats",
    "space": "search_spaces",
    "report": "reports",
}
FOLDERS = ("models", "search_spaces", "reports")


def shipped_root() -> Path:
    """The folder that holds the shipped models/, search_spaces/ and reports/: in the package, else beside it."""
    package = Path(__file__).resolve().parents[1]
    return package / "data" if (package / "data").is_dir() else package.parent


def roots(directory: Path | None = None) -> tuple[Path, ...]:
    """The shipped root and the user's: `directory`, else the working directory if it has one of the three folders."""
    shipped = shipped_root()
    if directory is not None and not directory.is_dir():
        raise CatalogueError([Problem("is no directory", file=str(directory), way_out="--catalogue takes a folder")])
    if directory is not None and not any((directory / name).is_dir() for name in FOLDERS):
        rule = f"has none of the folders {listed(FOLDERS)}"
        raise CatalogueError([Problem(rule, file=str(directory), way_out="put chips in DIR/models/chips")])
    own = directory or Path.cwd()
    if own.resolve() == shipped.resolve() or not any((own / name).is_dir() for name in FOLDERS):
        return (shipped,)
    return (shipped, own)


def files_of(kind: str, folders: tuple[Path, ...]) -> dict[str, Path]:
    """Name -> file of a kind over all roots; CatalogueError naming both files where two differ under one name."""
    found: dict[str, Path] = {}
    clashes = []
    for root in folders:
        for path in sorted((root / SHELVES[kind]).glob("*.toml")):
            other = found.setdefault(path.stem, path)
            if other != path and not same_content(other, path):
                way_out = "rename yours, in the file name and in its `name`"
                clashes.append(Problem(f"has the same name as {other}", file=str(path), key="name", way_out=way_out))
    if clashes:
        raise CatalogueError(clashes)
    return found


def same_content(one: Path, other: Path) -> bool:
    """Whether two files are byte for byte the same, as in a clone beside the installed package."""
    try:
        return one.resolve() == other.resolve() or one.read_bytes() == other.read_bytes()
    except OSError:
        return False


def find(kind: str, name: str, files: dict[str, Path]) -> Path:
    """The one of the files of a kind that answers to a name or alias; CatalogueError with the nearest name."""
    if name in files:
        return files[name]
    by_alias = aliases_of(files)
    matches = by_alias.get(name) or {
        path: None for alias, paths in by_alias.items() if folded(alias) == folded(name) for path in paths
    }
    if len(matches) == 1:
        return next(iter(matches))
    if matches:
        files_text = " and ".join(str(path) for path in matches)
        raise CatalogueError(
            [Problem(f"the {kind} alias {name!r} is in both {files_text}", way_out="remove it from one")]
        )
    allowed, close = listed(sorted(files), near=name), nearest(name, [*files, *by_alias])
    shelf = f"DIR/{SHELVES[kind]}"
    way_out = f"put the file in {shelf} and give --catalogue DIR" if name.endswith(".toml") else ""
    raise CatalogueError(
        [Problem(f"unknown {kind}", value=repr(name), allowed=allowed, nearest=close, way_out=way_out)]
    )


def folded(name: str) -> str:
    """A name without its case, and with one mark between its words."""
    return name.lower().replace("_", "-").replace(" ", "-")


def aliases_of(files: dict[str, Path]) -> dict[str, dict[Path, None]]:
    """Alias or name -> the files that claim it."""
    found: dict[str, dict[Path, None]] = {}
    for stem, path in files.items():
        head = head_of(path)
        listing = head.get("aliases", [])
        claimed = (
            [stem, *(alias for alias in listing if isinstance(alias, str))] if isinstance(listing, list) else [stem]
        )
        for alias in claimed:
            found.setdefault(alias, {})[path] = None
    return found


def head_of(path: Path) -> dict[str, Any]:
    """The keys before the first table of a TOML file (name, aliases, title ...); nothing if it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    head = text.partition("\n[")[0]
    for candidate in (head, text):
        try:
            return tomllib.loads(candidate)
        except (tomllib.TOMLDecodeError, RecursionError):
            continue
    return {}
