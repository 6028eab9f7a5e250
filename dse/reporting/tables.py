"""What do the tables of a report say? Rows of plain data; how they look is decided elsewhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import jax
import numpy as np

from dse.analysis.comparison import Candidate, Comparison, Job
from dse.best_mapping import evaluate_pairs
from dse.evaluate import LIMITS
from dse.reporting.breakdown import SECONDS_PER_HOUR
from dse.reporting.summary import binds, limit_numbers, mapping_text, reasons

__all__ = [
    "FOUND",
    "LimitRow",
    "RankingRow",
    "Rejected",
    "StudyRecord",
    "limit_rows",
    "modelled_costs",
    "price_note",
    "price_source",
    "ranking",
    "rejected",
]

FOUND = "found"
"""Status of a design that a search found."""


@dataclass(frozen=True)
class StudyRecord:
    """What a search tried.

    storage: address of the store it can be resumed from; trials: a column per free field by dotted path, base
    units or names; values: a column per metric (tokens_per_dollar ...; memory_bandwidth and sram_capacity as
    resolved); feasible: whether each trial breaks no limit; reasons: a sentence for each that breaks one. All columns
    in the order of the trials.
    """

    name: str
    space: str
    storage: str
    sampler: str
    seed: int
    trials: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    feasible: np.ndarray
    reasons: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Trials [1]."""
        return len(self.feasible)

    def best_so_far(self, objective: str) -> np.ndarray:
        """Largest value of feasible trials up to each trial; NaN before the first feasible one."""
        values = np.where(self.feasible, np.asarray(self.values[objective], float), np.nan)
        return np.fmax.accumulate(values) if values.size else values


@dataclass(frozen=True)
class RankingRow:
    """A feasible candidate of the ranking.

    price_source: 'market' or 'modelled'; usd_per_million and usd_per_hour (one chip) on the basis of the job;
    usd_per_million_modelled: the same with the prices that follow from its cost; relative: USD over those of the first.
    """

    rank: int
    name: str
    title: str
    status: str
    formats: str
    chips: float
    mapping: str
    tokens_per_s_per_chip: float
    tokens_per_s_per_user: float
    time_to_first_token: float
    usd_per_million: float
    usd_per_million_modelled: float
    relative: float
    tokens_per_joule: float
    usd_per_hour: float
    price_source: str
    binds: str


@dataclass(frozen=True)
class LimitRow:
    """A limit and how far a candidate is from it; slack: 1 - need / limit [1]."""

    limit: str
    need: float
    allowed: float
    dimension: str
    slack: float


@dataclass(frozen=True)
class Rejected:
    """An infeasible candidate and the sentences that say why."""

    name: str
    title: str
    mapping: str
    reasons: list[str]


def formats_of(candidate: Candidate) -> str:
    """Formats of weights, activations and state as 'fp4/fp8/fp8'; one name where they agree."""
    names = [str(candidate.values.get(f"numerics.{role}", "native")) for role in ("weights", "activations", "kv_cache")]
    return names[0] if len(set(names)) == 1 else "/".join(names)


def price_source(job: Job, candidate: Candidate) -> str:
    """'market' where the price that the basis rests on is the market's, 'modelled' where it follows from the cost."""
    price = candidate.chip.price
    asked = {"make": 0.0, "rent": float(price.rent)}.get(job.price_basis, float(price.buy))
    return "market" if asked > 0.0 else "modelled"


def modelled_costs(job: Job, candidates: list[Candidate]) -> np.ndarray:
    """USD per output token with every price modelled from cost, at the same mappings; (candidates,)."""
    if not candidates:
        return np.zeros(0)
    unpriced = [replace(item.chip, price=replace(item.chip.price, buy=0.0, rent=0.0)) for item in candidates]
    chips = jax.tree.map(lambda *leaves: np.array(leaves, float), *unpriced)
    mappings = jax.tree.map(lambda *leaves: np.array(leaves, float), *(item.mapping for item in candidates))
    metrics = evaluate_pairs(chips, job.transformer, job.requests, mappings, job.assumptions)
    return np.asarray(metrics.usd_per_output_token)


def ranking(comparison: Comparison) -> list[RankingRow]:
    """The feasible candidates, best first."""
    job = comparison.job
    feasible = [candidate for candidate in comparison.candidates if candidate.feasible]
    modelled = modelled_costs(job, feasible)
    rows = []
    for place, (candidate, cost) in enumerate(zip(feasible, modelled, strict=True)):
        metrics = candidate.metrics
        usd = float(metrics.usd_per_output_token)
        row = RankingRow(
            rank=place + 1,
            name=candidate.name,
            title=candidate.title,
            status=candidate.status,
            formats=formats_of(candidate),
            chips=float(metrics.chips),
            mapping=mapping_text(candidate.mapping),
            tokens_per_s_per_chip=float(metrics.output_tokens_per_s) / float(metrics.chips),
            tokens_per_s_per_user=float(metrics.output_tokens_per_s_per_user),
            time_to_first_token=float(metrics.time_to_first_token),
            usd_per_million=1e6 * usd,
            usd_per_million_modelled=1e6 * float(cost),
            relative=usd / float(feasible[0].metrics.usd_per_output_token),
            tokens_per_joule=float(metrics.tokens_per_joule),
            usd_per_hour=float(metrics.rate.chosen) * SECONDS_PER_HOUR,
            price_source=price_source(job, candidate),
            binds=binds(metrics),
        )
        rows.append(row)
    return rows


BASES = {
    "make": "cost to make the chip, spread over its life",
    "buy": "price of the chip, spread over its life",
    "rent": "rent of the chip by the hour",
    "tco": "total cost of owning the chip with its share of server, network, building and electricity",
}


def price_note(comparison: Comparison) -> str:
    """On which basis money is counted, and whether market and modelled prices stand side by side."""
    job = comparison.job
    basis = f"All money is on one basis, '{job.price_basis}': {BASES.get(job.price_basis, job.price_basis)}."
    if job.price_basis == "make":
        return f"{basis} Every cost is modelled; no market price enters."
    counts = Counter(price_source(job, item) for item in comparison.candidates if item.feasible)
    if len(counts) < 2:
        return f"{basis} Every price behind it is {next(iter(counts), 'modelled')}."
    return (
        f"{basis} Market and modelled prices are mixed: {counts['market']} chips at the market's price, which holds "
        f"the vendor's actual margin, and {counts['modelled']} at a price modelled from cost. The column 'modelled "
        "price' has every chip at the modelled one, under the same mapping; where the two kinds meet, compare there."
    )


def limit_rows(candidate: Candidate) -> list[LimitRow]:
    """Every limit of a candidate, the tightest first; those that the job does not set are left out."""
    numbers = limit_numbers(candidate.metrics)
    rows = [
        LimitRow(name, *numbers[name], slack=-float(getattr(candidate.metrics.limits, name)))
        for name in LIMITS
        if numbers[name][1] < 1e8 or numbers[name][2] == "bytes"
    ]
    return sorted(rows, key=lambda row: row.slack)


def rejected(comparison: Comparison) -> list[Rejected]:
    """The infeasible candidates under the mapping that comes closest, and why."""
    return [
        Rejected(item.name, item.title, mapping_text(item.mapping), reasons(item.metrics))
        for item in comparison.candidates
        if not item.feasible
    ]
