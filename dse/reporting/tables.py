"""What do the tables of a report say? Rows of plain data; how they look is decided elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import jax
import numpy as np

from dse.analysis.comparison import Candidate, Comparison, Job
from dse.best_mapping import OBJECTIVES, evaluate_pairs
from dse.evaluate import LIMITS
from dse.reporting.breakdown import SECONDS_PER_HOUR
from dse.reporting.summary import binds, limit_numbers, mapping_text, reasons

__all__ = [
    "FOUND",
    "LimitRow",
    "RankingRow",
    "Rejected",
    "StudyRecord",
    "format_of",
    "formats_of",
    "level_note",
    "limit_rows",
    "modelled_costs",
    "on_front",
    "pools_of",
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
    in the order of the trials. objectives: names of values, the first one ranks; starts: place of a trial -> the chip
    of the catalogue that it began at; start_notes: those chips in words, with the fields that had to move.
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
    objectives: tuple[str, ...] = OBJECTIVES[:1]
    starts: dict[int, str] = field(default_factory=dict)
    start_notes: list[str] = field(default_factory=list)

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

    price_source: 'market' or 'modelled'; price_basis: on which its dollars are; usd_per_million and usd_per_hour (one
    chip) on that basis; usd_per_million_modelled: the same with the prices that follow from its cost; value: of the
    objective [base units]; relative: how many times better the first is by it; decode_chips, prefill_chips: the pools
    of chips, a prefill pool of its own being an average; deployment_usd: price of those chips; qsnr [dB], accuracy_loss
    [1]: of its formats; on_front: nothing is better in all objectives; usd_range, value_range: 80 % ranges of both;
    level: whether error bars leave open if it is better than the first.
    """

    rank: int
    name: str
    title: str
    status: str
    formats: str
    weights: str
    kv_cache: str
    chips: float
    decode_chips: float
    prefill_chips: float
    deployment_usd: float
    mapping: str
    tokens_per_s_per_chip: float
    tokens_per_s_per_user: float
    time_to_first_token: float
    usd_per_million: float
    usd_per_million_modelled: float
    value: float
    relative: float
    tokens_per_joule: float
    qsnr: float
    accuracy_loss: float
    usd_per_hour: float
    price_source: str
    price_basis: str
    binds: str
    on_front: bool
    usd_range: tuple[float, float]
    value_range: tuple[float, float]
    level: bool


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


def format_of(candidate: Candidate, role: str) -> str:
    """The format of 'weights', 'activations' or 'kv_cache': the one that is asked for, else the native one."""
    native = candidate.values.get("matrix.native", "native")
    return str(candidate.values.get(f"numerics.{role}", native))


def formats_of(candidate: Candidate) -> str:
    """Formats of weights, activations and state as 'fp4/fp8/fp8'; one name where they agree.

    Weights of experts stand behind a plus where they have a format of their own: 'fp8+fp4/fp8/fp8'.
    """
    names = [weights_of(candidate), format_of(candidate, "activations"), format_of(candidate, "kv_cache")]
    return names[0] if len(set(names)) == 1 else "/".join(names)


def weights_of(candidate: Candidate) -> str:
    """The format of the weights, and that of experts behind a plus where it is another."""
    weights = format_of(candidate, "weights")
    experts = str(candidate.values.get("numerics.expert_weights", weights))
    return weights if experts == weights else f"{weights}+{experts}"


def pools_of(candidate: Candidate) -> tuple[float, float]:
    """Chips that decode (and prefill, where they share), and chips of a prefill pool of its own [1]."""
    chips, share = float(candidate.metrics.chips), float(candidate.metrics.service.prefill_share)
    decode = chips / (1.0 + share)
    return (float(round(decode)), chips - round(decode)) if share > 0.0 else (chips, 0.0)


def price_source(candidate: Candidate) -> str:
    """'market' where the price that the basis rests on is the market's, 'modelled' where it follows from the cost."""
    price = candidate.chip.price
    asked = {"make": 0.0, "rent": float(price.rent)}.get(candidate.price_basis, float(price.buy))
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


def on_front(values: np.ndarray) -> np.ndarray:
    """Which points no other point beats or equals in every objective while beating it in one; (points,).

    values: (points, objectives), larger is better.

    >>> on_front(np.array([[3.0, 1.0], [2.0, 2.0], [1.0, 1.0]])).tolist()
    [True, True, False]
    """
    least, most = values[:, None, :], values[None, :, :]
    beaten = np.all(most >= least, axis=2) & np.any(most > least, axis=2)
    return ~np.any(beaten, axis=1)


def ranking(comparison: Comparison, objectives: Sequence[str] = ()) -> list[RankingRow]:
    """The feasible candidates, best first; objectives: those of the front, only the job's when there are none."""
    job = comparison.job
    feasible = [candidate for candidate in comparison.candidates if candidate.feasible]
    if not feasible:
        return []
    names = list(objectives) or [job.objective]
    values = np.array([[float(getattr(item.metrics, name)) for name in names] for item in feasible])
    pairs = zip(feasible, modelled_costs(job, feasible).tolist(), on_front(values).tolist(), strict=True)
    best = float(getattr(feasible[0].metrics, job.objective))
    level = [comparison.level(item) for item in feasible]
    return [ranking_row(job, place + 1, best, *pair, level[place]) for place, pair in enumerate(pairs)]


def ranking_row(
    job: Job, rank: int, best: float, candidate: Candidate, modelled_cost: float, front: bool, level: bool
) -> RankingRow:
    """One candidate; best: the first one's value of the objective; modelled_cost: [USD per output token]."""
    low, high = candidate.range_of("usd_per_output_token")
    metrics = candidate.metrics
    value = float(getattr(metrics, job.objective))
    decode, prefill = pools_of(candidate)
    return RankingRow(
        rank=rank,
        name=candidate.name,
        title=candidate.title,
        status=candidate.status,
        formats=formats_of(candidate),
        weights=weights_of(candidate),
        kv_cache=format_of(candidate, "kv_cache"),
        chips=float(metrics.chips),
        decode_chips=decode,
        prefill_chips=prefill,
        deployment_usd=float(metrics.chips) * float(metrics.hardware.price),
        mapping=mapping_text(candidate.mapping),
        tokens_per_s_per_chip=float(metrics.output_tokens_per_s) / float(metrics.chips),
        tokens_per_s_per_user=float(metrics.output_tokens_per_s_per_user),
        time_to_first_token=float(metrics.time_to_first_token),
        usd_per_million=1e6 * float(metrics.usd_per_output_token),
        usd_per_million_modelled=1e6 * modelled_cost,
        value=value,
        relative=best / value,
        tokens_per_joule=float(metrics.tokens_per_joule),
        qsnr=float(metrics.qsnr),
        accuracy_loss=float(metrics.accuracy_loss),
        usd_per_hour=float(metrics.rate.chosen) * SECONDS_PER_HOUR,
        price_source=price_source(candidate),
        price_basis=candidate.price_basis,
        binds=binds(metrics),
        on_front=front,
        usd_range=(1e6 * low, 1e6 * high),
        value_range=candidate.range_of(job.objective),
        level=level,
    )


BASES = {
    "make": "cost to make the chip, spread over its life",
    "buy": "price of the chip, spread over its life",
    "rent": "rent of the chip by the hour",
    "tco": "total cost of owning the chip with its share of server, network, building and electricity",
}


def price_note(comparison: Comparison) -> str:
    """On which basis money is counted, and whether market and modelled prices stand side by side."""
    job = comparison.job
    if comparison.mixed:
        used = {candidate.price_basis for candidate in comparison.candidates}
        said = "; ".join(f"'{name}' is {text}" for name, text in BASES.items() if name in used)
        return (
            f"DIFFERENT PRICE BASES stand side by side, as was asked for: {said}. Their dollars do not compare; the "
            f"column 'modelled price' has every chip on the basis '{job.price_basis}'."
        )
    basis = f"All money is on one basis, '{job.price_basis}', of a {job.buyer}: {BASES[job.price_basis]}."
    if job.volume:
        basis += f" Chips without a market price carry their development over {job.volume:,.0f} chips."
    if job.price_basis == "make":
        return f"{basis} Every cost is modelled; no market price enters."
    counts = Counter(price_source(item) for item in comparison.candidates if item.feasible)
    if len(counts) < 2:
        return f"{basis} Every price behind it is {next(iter(counts), 'modelled')}."
    return (
        f"{basis} Market and modelled prices are mixed: {counts['market']} chips at the market's price, which holds "
        f"the vendor's actual margin, and {counts['modelled']} at a price modelled from cost. The column 'modelled "
        "price', where there is room for it, has every chip at the modelled one, under the same mapping; where the two "
        "kinds meet, compare there."
    )


def level_note(rows: Sequence[RankingRow]) -> str:
    """Which chips the error bars do not tell from the first; '' when they tell all."""
    level = [row.name for row in rows if row.level]
    if not level:
        return ""
    return (
        f"Within the error bars (80 %) of {rows[0].name}, marked ~, so that their order is open: {', '.join(level)}. "
        "Ranges cover software and model error, not prices."
    )


def limit_rows(candidate: Candidate) -> list[LimitRow]:
    """Every limit of a candidate, the tightest first; those that do not apply to the job or the model are left out."""
    numbers = limit_numbers(candidate.metrics)
    groups = float(candidate.mapping.expert_parallel)
    numbers["layout"] = (groups, groups / (1.0 + float(candidate.metrics.limits.layout)), "1")
    rows = [
        LimitRow(name, *numbers[name], slack=-float(getattr(candidate.metrics.limits, name)))
        for name in LIMITS
        if (numbers[name][1] < 1e8 or numbers[name][2] == "bytes") and (name != "layout" or numbers[name][1] > 1.0)
    ]
    return sorted(rows, key=lambda row: row.slack)


def rejected(comparison: Comparison) -> list[Rejected]:
    """The infeasible candidates under the mapping that comes closest, and why."""
    return [
        Rejected(item.name, item.title, mapping_text(item.mapping), reasons(item.metrics))
        for item in comparison.candidates
        if not item.feasible
    ]
