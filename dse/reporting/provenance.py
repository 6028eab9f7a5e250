"""Where do the figures come from? The works behind a report, and the cited data of each chip."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import NamedTuple

from dse.analysis.comparison import Candidate, Comparison
from dse.catalogue.errors import CatalogueError
from dse.catalogue.listing import used_sources
from dse.catalogue.read import Entry, dimension_of
from dse.catalogue.store import Catalogue
from dse.reporting.tables import FOUND, StudyRecord
from dse.reporting.text import quantity
from dse.sources import KINDS, Source

__all__ = [
    "CHIP_COLUMNS",
    "Cell",
    "ChipRow",
    "ProvenanceRow",
    "chip_rows",
    "entries_of",
    "marked",
    "provenance_rows",
    "works_of",
]

HYPOTHETICAL = "hypothetical"
"""Kind of a figure that nobody has stated, and status of a chip that rests on such figures."""

CHIP_COLUMNS = {
    "process.node": "node",
    "matrix.published_peak": "peak",
    "sram.capacity": "SRAM",
    "memory.kind": "memory",
    "memory.capacity": "capacity",
    "memory.bandwidth": "bandwidth",
    "package.die_area": "die area",
    "package.tdp": "power limit",
    "price.buy": "market price",
}
"""Data of a chip that a report lists, by dotted path."""


@dataclass(frozen=True)
class ProvenanceRow:
    """How many figures of a candidate are of each kind."""

    name: str
    counts: dict[str, int]


class Cell(NamedTuple):
    """A datum: as text, the number of its work in the bibliography (0: none) and the kind of the figure."""

    text: str
    work: int
    kind: str


@dataclass(frozen=True)
class ChipRow:
    """The data of a chip in the order of CHIP_COLUMNS."""

    name: str
    found: bool
    cells: list[Cell]


def entries_of(catalogue: Catalogue, comparison: Comparison, study: StudyRecord | None = None) -> dict[str, Entry]:
    """The catalogue's entries that a comparison rests on, by 'kind/name'."""
    job = comparison.job
    wanted = [("chip", item.name) for item in comparison.candidates if item.status != FOUND]
    wanted += [("transformer", job.model), ("traffic", job.traffic), ("economics", "default")]
    if study is not None:
        wanted.append(("space", study.space))
    entries = {}
    for kind, name in wanted:
        try:
            entries[f"{kind}/{name}"] = catalogue.entry(kind, name)
        except CatalogueError:
            continue
    return entries


def marked(comparison: Comparison, catalogue: Catalogue) -> Comparison:
    """The comparison with every chip that rests on a hypothetical figure called hypothetical, whatever it announces."""

    def honest(candidate: Candidate) -> Candidate:
        if candidate.status == FOUND:
            return candidate
        figures = catalogue.entry("chip", candidate.name).figures.values()
        guessed = any(cited.kind == HYPOTHETICAL for cited in figures)
        return replace(candidate, status=HYPOTHETICAL) if guessed else candidate

    return replace(comparison, candidates=[honest(item) for item in comparison.candidates])


def provenance_rows(
    comparison: Comparison, entries: dict[str, Entry], study: StudyRecord | None = None
) -> list[ProvenanceRow]:
    """Kinds of the figures of each candidate; what a search chose is hypothetical, a figure without a kind a choice."""
    rows = []
    for candidate in comparison.candidates:
        entry = entries.get(f"chip/{candidate.name}")
        counts: Counter[str] = Counter()
        if entry is not None:
            counts.update(cited.kind or "choice" for cited in entry.figures.values())
        else:
            space = entries.get(f"space/{study.space}") if study is not None else None
            figures = space.figures if space is not None else {}
            counts.update(
                figures[path].kind or "choice" if path in figures else "hypothetical" for path in candidate.values
            )
        rows.append(ProvenanceRow(candidate.name, {kind: counts[kind] for kind in (*KINDS, "choice")}))
    return rows


def works_of(entries: dict[str, Entry], catalogue: Catalogue) -> list[Source]:
    """The bibliography of a report."""
    return used_sources(entries.values(), catalogue.library)


def modelled_cell(candidate: Candidate, path: str) -> Cell:
    """A datum that the file leaves to the model."""
    chip, hardware = candidate.chip, candidate.metrics.hardware
    value = {
        "matrix.published_peak": (hardware.peak, "FLOP/s"),
        "memory.capacity": (chip.memory.capacity, "bytes"),
        "memory.bandwidth": (chip.memory.bandwidth, "bytes/s"),
        "package.die_area": (hardware.die_area, "mm2"),
    }.get(path)
    if value is None or float(value[0]) == 0.0:
        return Cell("–", 0, "")
    return Cell(quantity(float(value[0]), value[1]), 0, "derived")


def chip_row(candidate: Candidate, entry: Entry | None, numbers: dict[tuple[str, str], int]) -> ChipRow:
    """One chip; numbers: of the works by title and locator."""
    cells = []
    for path in CHIP_COLUMNS:
        if path not in candidate.values:
            cells.append(modelled_cell(candidate, path))
            continue
        value = candidate.values[path]
        text = quantity(value, dimension_of("chip", path)) if isinstance(value, float) else str(value)
        cited = entry.figures.get(path) if entry is not None else None
        source = entry.sources.get(cited.source) if entry is not None and cited is not None else None
        number = numbers.get((source.title, source.locator), 0) if source is not None else 0
        kind = (cited.kind or "choice") if cited is not None else "hypothetical"
        cells.append(Cell(text, number, kind))
    return ChipRow(candidate.name, candidate.status == FOUND, cells)


def chip_rows(comparison: Comparison, entries: dict[str, Entry], works: list[Source]) -> list[ChipRow]:
    """The data of every candidate, each with the number of its work in the bibliography."""
    numbers = {(work.title, work.locator): place + 1 for place, work in enumerate(works)}
    return [chip_row(item, entries.get(f"chip/{item.name}"), numbers) for item in comparison.candidates]
