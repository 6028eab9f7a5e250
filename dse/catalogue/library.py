"""Which numbers belong to a name? Tables of nodes, memories, links, formats ... that columns of names gather from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int, Shaped

from dse.catalogue.errors import CatalogueError, Problem, listed, nearest
from dse.catalogue.format_costs import RATIOS, costs_of
from dse.catalogue.format_quality import FormatQuality
from dse.catalogue.quality import quality_columns
from dse.catalogue.read import Entry
from dse.sources import Cited, Source

__all__ = ["Column", "Library", "Shelf", "codes_of", "shelf_of"]

Numbers: TypeAlias = Float[np.ndarray, " designs"] | float
Names: TypeAlias = Shaped[np.ndarray, " designs"] | str
Column: TypeAlias = Shaped[np.ndarray, " designs"] | float | int | str | bool
INDUSTRY = ("process", "style", "memory", "link", "topology", "package", "carrier")


@dataclass(frozen=True)
class Shelf:
    """Named entries of one sort with a column of base-unit numbers for each of their fields.

    what: the sort, for messages; rows: name or alias -> row; columns: field -> numbers by row;
    figures: entry -> field -> cited value; files: entry -> the file it comes from.
    """

    what: str
    rows: dict[str, int]
    columns: dict[str, Float[np.ndarray, " entries"]]
    figures: dict[str, dict[str, Cited]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The entries, in order, without their aliases."""
        return list(self.figures)

    def row(self, name: str) -> int:
        """The row of a name or alias; CatalogueError with the nearest name when there is none."""
        if name not in self.rows:
            allowed, close = listed(self.rows, near=name), nearest(name, self.rows)
            raise CatalogueError([Problem(f"unknown {self.what}", value=repr(name), allowed=allowed, nearest=close)])
        return self.rows[name]

    def rows_of(self, names: Names) -> Int[np.ndarray, " designs"] | int:
        """The row of a name, or those of a column of names."""
        if isinstance(names, str):
            return self.row(names)
        distinct, codes = codes_of(names)
        return np.array([self.row(name) for name in distinct])[codes]

    def gather(self, names: Names) -> dict[str, Numbers]:
        """Every field of the named entry, or of a column of them."""
        rows = self.rows_of(names)
        return {key: column[rows] for key, column in self.columns.items()}


def codes_of(names: Shaped[np.ndarray, " designs"]) -> tuple[list[str], Int[np.ndarray, " designs"]]:
    """The distinct names of a column and, for each design, the position of its own among them.

    One comparison of the column for each distinct name: of these there are few.
    """
    column = names if names.dtype.kind == "U" else names.astype(str)
    codes = np.full(column.shape, -1)
    distinct: list[str] = []
    while (codes < 0).any():
        name = column[int(np.argmax(codes < 0))]
        codes[column == name] = len(distinct)
        distinct.append(str(name))
    return distinct, codes


def shelf_of(what: str, entries: Iterable[Entry], table: str) -> Shelf:
    """Entries of one sort gathered from files; `table` is where they stand, '' when a file is one entry.

    CatalogueError when two entries share a name or alias, naming both files.
    """
    rows: dict[str, int] = {}
    figures: dict[str, dict[str, Cited]] = {}
    files: dict[str, str] = {}
    faults = []
    for entry in entries:
        for name, aliases, values in entries_of(entry, table):
            for alias in dict.fromkeys((name, *aliases)):
                if alias in rows:
                    rule = f"the {what} {alias!r} is also in {files[list(figures)[rows[alias]]]}"
                    faults.append(Problem(rule, str(entry.path), f"{table}.{name}" if table else "name"))
                rows.setdefault(alias, len(figures))
            figures[name], files[name] = values, str(entry.path)
    if faults:
        raise CatalogueError(faults)
    keys = dict.fromkeys(key for values in figures.values() for key in values)
    columns = {key: np.array([number(values.get(key)) for values in figures.values()]) for key in keys}
    return Shelf(what, rows, columns, figures, files)


def beside(nodes: Shelf, costs: Shelf) -> Shelf:
    """A shelf that answers to the names and aliases of the nodes; CatalogueError for a node that it leaves out."""
    missing = [name for name in nodes.names if name not in costs.rows]
    if missing:
        way_out = "add a table [development.NODE]"
        raise CatalogueError(
            [Problem(f"no {costs.what} of this node", value=name, way_out=way_out) for name in missing]
        )
    order = [costs.rows[name] for name in nodes.names]
    columns = {key: column[order] for key, column in costs.columns.items()}
    figures = {name: costs.figures[name] for name in nodes.names}
    return Shelf(costs.what, nodes.rows, columns, figures, costs.files)


def number(cited: Cited | None) -> float:
    """A cited value as a number; flags are 0 or 1, what is absent or a word is not a number."""
    return float("nan") if cited is None or isinstance(cited.value, str) else float(cited.value)


def entries_of(entry: Entry, table: str) -> list[tuple[str, list[str], dict[str, Cited]]]:
    """Name, aliases and figures of each entry that a file holds."""
    if not table:
        values = {key.rpartition(".")[2]: cited for key, cited in entry.figures.items()}
        return [(entry.name, list(entry.document.aliases), values)]
    found: Mapping[str, object] = getattr(entry.document, table)
    return [
        (
            name,
            list(getattr(item, "aliases", [])),
            {
                key: value
                for key in type(item).model_fields  # pyright: ignore[reportAttributeAccessIssue]
                if isinstance(value := getattr(item, key), Cited)
            },
        )
        for name, item in found.items()
    ]


@dataclass(frozen=True)
class Library:
    """What chips are made of: technology, money, formats and software, each file read once.

    technology, economics: their entries; load: reads an entry of a kind by name, for formats and software, of
    which only those that are asked for are read; calibration: what measured rows say of software, if anything;
    known: shelves that need not be gathered from the files; measured: reads what is known of the quality of formats.
    """

    technology: tuple[Entry, ...]
    economics: Entry
    load: Callable[[str, str], Entry]
    calibration: Entry | None = None
    loaded: dict[tuple[str, tuple[str, ...]], Shelf] = field(default_factory=dict)
    known: dict[str, Shelf] = field(default_factory=dict)
    measured: Callable[[], dict[str, FormatQuality]] = dict

    @cached_property
    def shelves(self) -> dict[str, Shelf]:
        """Nodes, styles, memories, links, topologies, packages, margins, buyers, and development by node."""
        files = dict.fromkeys((*INDUSTRY, "development"), self.technology)
        files |= dict.fromkeys(("margin", "buyer"), (self.economics,))
        found = {what: self.known.get(what) or shelf_of(what, entries, what) for what, entries in files.items()}
        return found | {"development": beside(found["process"], found["development"])}

    @property
    def silicon(self) -> dict[str, Cited]:
        """Coefficients of silicon by name [base units]."""
        return section(self.silicon_file, "silicon")

    @cached_property
    def silicon_file(self) -> Entry:
        """The file of the coefficients of silicon."""
        return self.holder("silicon")

    @cached_property
    def gates(self) -> dict[str, Cited]:
        """What arithmetic is built of by name [base units]."""
        return section(self.holder("gates"), "gates")

    def holder(self, table: str) -> Entry:
        """The technology file with a table; CatalogueError unless exactly one has it."""
        holders = [entry for entry in self.technology if getattr(entry.document, table, None) is not None]
        if len(holders) != 1:
            files = listed(str(entry.path) for entry in holders) or "none"
            rule = f"one technology file must hold the table [{table}]"
            raise CatalogueError([Problem(rule, key=table, value=files, way_out="remove your own copy")])
        return holders[0]

    def formats(self, names: Iterable[str]) -> Shelf:
        """The named number formats, with their quality, and the silicon of their widths where none is cited."""
        shelf = self.files("format", names)
        key = ("quality", tuple(shelf.rows))
        if key not in self.loaded:
            costs = [costs_of(self.load("format", name), self.gates) for name in shelf.names]
            silicon = {ratio: np.array([cost[ratio].value for cost in costs], np.float64) for ratio in RATIOS}
            columns = {**shelf.columns, **silicon, **quality_columns(shelf.names, self.quality)}
            self.loaded[key] = replace(shelf, columns=columns)
        return self.loaded[key]

    @cached_property
    def quality(self) -> dict[str, FormatQuality]:
        """Format -> what is known of its quality."""
        return self.measured()

    def software(self, names: Iterable[str]) -> Shelf:
        """The named execution profiles, with what was fitted to measured rows in place of what was judged."""
        shelf = self.files("software", names)
        columns = {key: column.copy() for key, column in shelf.columns.items()}
        for row, name in enumerate(shelf.names):
            for key, cited in self.fitted(name).items():
                columns[key][row] = number(cited)
        return replace(shelf, columns=columns)

    def fitted(self, software: str) -> dict[str, Cited]:
        """The fitted coefficients of a profile by field; none where no measured row is of its kind."""
        found = section(self.calibration, f"profile.{software}") if self.calibration is not None else {}
        return {key: cited for key, cited in found.items() if key != "rows"}

    def rows_behind(self, software: str) -> int:
        """Measured rows that a profile was fitted to [1]."""
        found = self.calibration.figures.get(f"profile.{software}.rows") if self.calibration is not None else None
        return 0 if found is None else int(number(found))

    def scatter(self, measured: bool) -> dict[str, float]:
        """Phase -> what no coefficient explains, as a standard deviation of ln(predicted / measured) [1].

        measured: around profiles that rows were seen of, or around those that are as they were judged.
        """
        table = "scatter" if measured else "prior_scatter"
        found = section(self.calibration, table) if self.calibration is not None else {}
        return {phase: number(cited) for phase, cited in found.items()}

    @property
    def burst_share(self) -> float:
        """Share of the clients of measured services that arrive together [1]."""
        found = self.calibration.figures if self.calibration is not None else {}
        return number(found["burst_share"]) if "burst_share" in found else 0.0

    def files(self, kind: str, names: Iterable[str]) -> Shelf:
        """The named files of a kind as a shelf; each name also stands for itself where it is an alias."""
        wanted = tuple(dict.fromkeys(names))
        key = (kind, wanted)
        if key not in self.loaded:
            entries = {name: self.load(kind, name) for name in wanted}
            distinct = {entry.name: entry for entry in entries.values()}
            shelf = shelf_of(kind, distinct.values(), "")
            for name, entry in entries.items():
                shelf.rows.setdefault(name, shelf.rows[entry.name])
            self.loaded[key] = shelf
        return self.loaded[key]

    def sources(self) -> list[Source]:
        """The works that technology and economics cite."""
        return [source for entry in (*self.technology, self.economics) for source in entry.sources.values()]


def section(entry: Entry, table: str) -> dict[str, Cited]:
    """The figures of one table of a file by field."""
    return {key.removeprefix(f"{table}."): cited for key, cited in entry.figures.items() if key.startswith(f"{table}.")}
