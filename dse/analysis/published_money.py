"""How far is modelled money from published money? Bills, machines and costs of ownership, figure by figure."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from dse.analysis.bill import HOUR, Money, money_of
from dse.catalogue import Catalogue, CatalogueError, Problem
from dse.catalogue.build import build_assumptions, build_chips
from dse.catalogue.read import read_text

__all__ = ["KINDS", "Figure", "Published", "figures_of", "read_published"]

COLUMNS = ("chip", "kind", "part", "low", "high", "unit", "source", "date")
TOLERANCES = {"make": 0.15, "system": 0.15, "tco hyperscaler": 0.12, "tco neocloud": 0.12}
"""Kinds of amounts, and how far from the middle of its interval one may come out and still agree [1]."""
KINDS = tuple(TOLERANCES)


@dataclass(frozen=True)
class Published:
    """A published amount.

    kind: one of KINDS; part: '' for the whole, else names of parts, 'test + assembly_loss'; low, high: interval [USD,
    USD/h], whose ends agree where one number was published.
    """

    chip: str
    kind: str
    part: str
    low: float
    high: float
    unit: str
    source: str
    date: str

    @property
    def middle(self) -> float:
        """Middle of the interval [USD, USD/h]."""
        return (self.low + self.high) / 2.0


@dataclass(frozen=True)
class Figure:
    """A published amount and the modelled one [USD, USD/h]; parts: of the modelled whole, where it is one."""

    published: Published
    modelled: float
    parts: dict[str, float]

    @property
    def log_error(self) -> float:
        """Distance from the nearer end of the interval, as ln; 0 inside."""
        low, high = self.published.low, self.published.high
        return math.log(self.modelled / min(max(self.modelled, low), high))

    @property
    def agrees(self) -> bool:
        """Whether it lies in the published interval, or near enough to its middle."""
        near = abs(self.modelled / self.published.middle - 1.0) <= TOLERANCES[self.published.kind]
        return near or self.log_error == 0.0


def read_published(path: Path) -> list[Published]:
    """The rows of a table of published money; CatalogueError with every fault and its line."""
    rows = list(csv.DictReader(read_text(path).splitlines()))
    found, faults = [], []
    for line, row in enumerate(rows, start=2):
        try:
            if set(row) != set(COLUMNS) or row["kind"] not in KINDS or not row["unit"].startswith("USD"):
                raise ValueError
            ends = {key: float(row[key]) for key in ("low", "high")}
            if not 0.0 < ends["low"] <= ends["high"]:
                raise ValueError
            found.append(Published(**{**row, **ends}))
        except ValueError:
            rule = f"needs columns {', '.join(COLUMNS)}, a kind of {', '.join(KINDS)}, 0 < low <= high, in USD"
            faults.append(Problem(rule, str(path), f"line {line}", ",".join(map(str, row.values()))[:60]))
    if faults:
        raise CatalogueError(faults)
    return found


def named(tree: object, scale: float = 1.0) -> dict[str, float]:
    """The parts of a sum by name, times a factor."""
    return {name: scale * float(getattr(tree, name)) for name in getattr(tree, "__dataclass_fields__")}  # noqa: B009


def parts_of_kind(kind: str, money: Money) -> dict[str, float]:
    """The parts of which a kind of amount is the sum: what lies beside the package is left out of cost to make."""
    if kind == "make":
        return {name: part for name, part in named(money.hardware.make).items() if name != "far_memory"}
    if kind == "system":
        sold = ("chip", "host", "rack", "scale_up")
        return {name: part for name, part in named(money.hardware.machine).items() if name in sold}
    return named(money.owned, HOUR)


def figures_of(catalogue: Catalogue, rows: list[Published]) -> list[Figure]:
    """Each published amount beside the modelled one; machines at the market price of their chips."""

    @cache
    def money(chip: str, buyer: str, market: bool) -> Money:
        given = build_assumptions(catalogue.library, buyer=buyer)
        economics = replace(given.economics, margin_share=1.0) if market else given.economics
        entry = catalogue.entry("chip", chip)
        return money_of(build_chips(entry.values, catalogue.library), replace(given, economics=economics))

    found = []
    for row in rows:
        buyer = row.kind.removeprefix("tco ") if row.kind.startswith("tco") else "hyperscaler"
        parts = parts_of_kind(row.kind, money(row.chip, buyer, row.kind == "system"))
        asked = row.part.split(" + ") if row.part else list(parts)
        modelled = sum(parts[name] for name in asked)
        found.append(Figure(row, modelled, {} if row.part else parts))
    return found
