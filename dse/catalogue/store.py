"""What is in the catalogue? Entries by name, each read when it is asked for, and once."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from dse.catalogue.consistency import read_entry
from dse.catalogue.errors import CatalogueError, Problem, listed, nearest
from dse.catalogue.format_quality import FormatQuality, qualities
from dse.catalogue.library import Library, Shelf
from dse.catalogue.locate import SHELVES, files_of, find, roots, same_content
from dse.catalogue.read import Entry
from dse.catalogue.space import Space, space_of

__all__ = ["Catalogue", "load_space", "open_catalogue"]


class Catalogue:
    """The shipped files and the user's own.

    directory: the user's folder with models/, search_spaces/ or reports/; None: the working directory if it has one.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.roots = roots(directory)
        self.read: dict[Path, Entry] = {}
        self.gathered: Library | None = None
        self.listed: dict[str, dict[str, Path]] = {}

    def files(self, kind: str) -> dict[str, Path]:
        """Name -> file of a kind; CatalogueError for an unknown kind or two files with one name."""
        if kind not in SHELVES:
            close = nearest(kind, SHELVES)
            raise CatalogueError([Problem("unknown kind", value=repr(kind), allowed=listed(SHELVES), nearest=close)])
        if kind not in self.listed:
            self.listed[kind] = files_of(kind, self.roots)
        return self.listed[kind]

    def find(self, kind: str, name: str) -> Path:
        """The file that answers to a name or alias; CatalogueError with the nearest name."""
        return find(kind, name, self.files(kind))

    def adopt(self, kind: str, text: str) -> str:
        """The name of an entry that is given by its name or by the path of its file.

        text: a path ends in .toml; its file is checked and answers to its name from now on. CatalogueError with every
        fault of the file, or when another file of the catalogue has that name.
        """
        if not text.endswith(".toml"):
            return text
        entry = self.entry_at(Path(text), kind)
        here = self.files(kind)
        other = here.get(entry.name, entry.path)
        if other != entry.path and not same_content(other, entry.path):
            way_out = "rename this one, in the file name and in its `name`"
            rule = f"has the same name as {other}"
            raise CatalogueError([Problem(rule, str(entry.path), "name", repr(entry.name), way_out=way_out)])
        self.listed[kind] = {**here, entry.name: other}
        return entry.name

    def entry(self, kind: str, name: str) -> Entry:
        """A checked entry by name or alias; CatalogueError with every fault of its file."""
        return self.entry_at(self.find(kind, name), kind)

    def entry_at(self, path: Path, kind: str = "") -> Entry:
        """A checked entry by its file."""
        if path not in self.read:
            self.read[path] = read_entry(path, self, kind)
        return self.read[path]

    @property
    def library(self) -> Library:
        """Technology, economics, formats and software; CatalogueError with every fault of the first two."""
        if self.gathered is None:
            self.gathered = self.gather()
        return self.gathered

    def shelf(self, what: str) -> Shelf:
        """The technologies of one sort: process, style, memory, link, topology, package or margin."""
        return self.library.shelves[what]

    @cached_property
    def quality(self) -> dict[str, FormatQuality]:
        """Format -> what is known of its quality, read once for every library of this catalogue."""
        return qualities(self)

    def gather(self) -> Library:
        """Read technology and economics."""
        faults: list[Problem] = []
        technology = []
        for path in self.files("technology").values():
            try:
                technology.append(self.entry_at(path, "technology"))
            except CatalogueError as error:
                faults += error.problems
        if faults:
            raise CatalogueError(faults)
        calibrations = self.files("calibration")
        calibration = self.entry("calibration", "default") if "default" in calibrations else None
        economics = self.entry("economics", "default")
        return Library(tuple(technology), economics, self.entry, calibration, measured=lambda: self.quality)


def load_space(name: str, catalogue: Catalogue) -> Space:
    """A checked space by name or alias; CatalogueError with every fault of its file."""
    return space_of(catalogue.entry("space", name))


def open_catalogue(directory: Path | str | None = None) -> Catalogue:
    """The catalogue with the user's folder, if any; reads no file yet."""
    return Catalogue(Path(directory) if directory is not None else None)
