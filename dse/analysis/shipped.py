"""What could one buy instead? The shipping chips of the catalogue on a job, all in one call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.analysis.comparison import Job, status_of
from dse.analysis.constants import built, scores_of
from dse.catalogue.listing import list_entries
from dse.catalogue.read import Entry
from dse.catalogue.store import Catalogue

__all__ = ["Shipped", "cheapest", "honest_status", "on_the_market", "shipped_on"]

SHIPPING, HYPOTHETICAL = "shipping", "hypothetical"


@dataclass(frozen=True)
class Shipped:
    """Chips on a job: tokens per dollar of each, NaN where it cannot do the job (chips,) [1/USD]."""

    chips: list[Entry]
    tokens_per_dollar: np.ndarray

    @property
    def best(self) -> float:
        """The most that any of them reaches, NaN where none can do the job [1/USD]."""
        return float(np.nanmax(self.tokens_per_dollar, initial=-np.inf)) if self.able else float("nan")

    @property
    def able(self) -> bool:
        """Whether any of them can do the job."""
        return bool(np.isfinite(self.tokens_per_dollar).any())


def on_the_market(catalogue: Catalogue) -> list[Entry]:
    """The chips that ship and rest on no hypothetical figure."""
    entries = [catalogue.entry("chip", row["name"]) for row in list_entries("chip", catalogue)]
    return [entry for entry in entries if honest_status(entry) == SHIPPING]


def honest_status(entry: Entry) -> str:
    """The status of a chip; one that rests on a hypothetical figure is that, whatever it announces."""
    guessed = any(cited.kind == HYPOTHETICAL for cited in entry.figures.values())
    return HYPOTHETICAL if guessed else status_of(entry)


def shipped_on(catalogue: Catalogue, job: Job) -> Shipped:
    """Every chip on the market under its best mapping."""
    chips = on_the_market(catalogue)
    if not chips:
        return Shipped([], np.zeros(0))
    return Shipped(chips, scores_of([built(chip, job) for chip in chips], job).tokens_per_dollar)


def cheapest(shipped: Shipped, without: str = "") -> Entry | None:
    """The chip of most tokens per dollar, apart from one of a name; None where no other can do the job."""
    pairs = zip(shipped.chips, shipped.tokens_per_dollar.tolist(), strict=True)
    able = [(value, chip) for chip, value in pairs if np.isfinite(value) and chip.name != without]
    return max(able, key=lambda pair: pair[0])[1] if able else None
