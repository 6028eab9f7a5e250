"""How do chips compare on the same job? Each under its best mapping, with the whole front of what it can do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import jax
import numpy as np

from dse.analysis.quality import ANY_QUALITY, Quality, check_chip, has_experts, held_to
from dse.analysis.uncertainty import range_of, spreads, tell_apart
from dse.assumptions import Assumptions
from dse.best_mapping import OBJECTIVES, all_mappings, mapping_lattice
from dse.catalogue.build import BUYER, build_assumptions, build_chips, build_traffic, build_transformer
from dse.catalogue.library import Library
from dse.catalogue.numerics import as_run
from dse.catalogue.read import Entry, Flat
from dse.catalogue.store import Catalogue
from dse.evaluate import LIMITS, Metrics
from dse.hardware.chip import Chip
from dse.timing.mapping import Mapping
from dse.workload.traffic import Traffic
from dse.workload.transformer import Transformer

__all__ = ["Candidate", "Comparison", "Job", "compare", "compare_on_bases", "evaluate_candidate", "job_of", "status_of"]


@dataclass(frozen=True)
class Job:
    """What every candidate is asked to do, how its money is counted, and what is known of software.

    buyer: whose money it is; volume: chips over which development is spread, 0 when it is left out [1]; quality: asked
    of formats, as the requests hold it.
    """

    model: str
    traffic: str
    price_basis: str
    buyer: str
    volume: float
    objective: str
    most_chips: int
    transformer: Transformer
    requests: Traffic
    assumptions: Assumptions
    mappings: Mapping
    library: Library
    quality: Quality = ANY_QUALITY


@dataclass(frozen=True)
class Candidate:
    """A chip on the job: its best mapping and metrics (scalar leaves), and the front of all its mappings.

    status: of the catalogue (shipping, legacy, hypothetical ...) or 'found'; price_basis: on which its dollars are;
    values: its flat description, with the formats that it runs the model in;
    front_usd, front_speed: Pareto front of USD per output token against tokens/s per user, without the limits on time;
    front_rate, front_rate_speed: that of tokens/s per chip; spreads: metric -> standard deviation of its ln [1].
    """

    name: str
    title: str
    status: str
    price_basis: str
    values: Flat
    chip: Chip
    mapping: Mapping
    metrics: Metrics
    front_usd: np.ndarray = field(default_factory=lambda: np.zeros(0))
    front_speed: np.ndarray = field(default_factory=lambda: np.zeros(0))
    front_rate: np.ndarray = field(default_factory=lambda: np.zeros(0))
    front_rate_speed: np.ndarray = field(default_factory=lambda: np.zeros(0))
    spreads: dict[str, float] = field(default_factory=dict)

    @property
    def feasible(self) -> bool:
        """Whether no limit is exceeded."""
        return float(self.metrics.worst_limit) <= 0.0

    @property
    def market_price(self) -> bool:
        """Whether its price is the market's and not modelled from its cost."""
        return float(self.chip.price.buy) > 0.0

    def range_of(self, metric: str) -> tuple[float, float]:
        """The 80 % range of a metric [its unit]."""
        return range_of(float(getattr(self.metrics, metric)), self.spreads[metric])


@dataclass(frozen=True)
class Comparison:
    """Candidates in order, best first, infeasible last."""

    job: Job
    candidates: list[Candidate]

    @property
    def mixed(self) -> bool:
        """Whether the dollars of the candidates are on different bases."""
        return any(candidate.price_basis != self.job.price_basis for candidate in self.candidates)

    def level(self, candidate: Candidate) -> bool:
        """Whether the error bars of a candidate leave it open if it is better or worse than the first."""
        first, name = self.candidates[0], self.job.objective
        ends = [(float(getattr(item.metrics, name)), item.spreads[name]) for item in (first, candidate)]
        return candidate.feasible and first is not candidate and not tell_apart(*ends)


def job_of(
    catalogue: Catalogue,
    model: str,
    traffic: str,
    price_basis: str,
    objective: str = OBJECTIVES[0],
    most_chips: int = 1024,
    buyer: str = BUYER,
    volume: float | int | None = None,
    quality: Quality = ANY_QUALITY,
) -> Job:
    """The job by names of the catalogue; CatalogueError for unknown ones."""
    transformer = build_transformer(catalogue.entry("transformer", model).values)
    requests = held_to(build_traffic(catalogue.entry("traffic", traffic).values), quality)
    assumptions = build_assumptions(catalogue.library, price_basis, buyer, volume)
    mappings = mapping_lattice(transformer, requests, most_chips)
    return Job(
        model=model,
        traffic=traffic,
        price_basis=price_basis,
        buyer=buyer,
        volume=float(assumptions.economics.volume),
        objective=objective,
        most_chips=most_chips,
        transformer=transformer,
        requests=requests,
        assumptions=assumptions,
        mappings=mappings,
        library=catalogue.library,
        quality=quality,
    )


def pareto_front(usd: np.ndarray, speed: np.ndarray) -> np.ndarray:
    """Places of the points that nothing is both cheaper and faster than, cheapest first.

    usd, speed: (points,), smaller and larger is better.

    >>> pareto_front(np.array([1.0, 2.0, 3.0, 4.0]), np.array([5.0, 4.0, 9.0, 9.0])).tolist()
    [0, 2]
    """
    order = np.lexsort((-speed, usd))
    best = np.maximum.accumulate(speed[order])
    ahead = np.r_[True, speed[order][1:] > best[:-1]]
    return order[ahead]


def place_of(mappings: Mapping, chosen: dict[str, float]) -> int:
    """Place of a mapping in the lattice that it was taken from."""
    same = [np.asarray(getattr(mappings, name)) == value for name, value in chosen.items()]
    return int(np.all(same, axis=0).argmax())


def evaluate_candidate(
    job: Job, name: str, title: str, status: str, values: Flat, chip: Chip, chosen: dict[str, float] | None = None
) -> Candidate:
    """A chip under every mapping of the job's lattice; the best is kept, or the chosen one, and the front.

    CatalogueError where the job asks of its formats what was never measured.
    """
    values = as_run(values, job.library, has_experts(job.transformer))
    check_chip(values, chip, job.transformer, job.quality, job.library)
    metrics = all_mappings(chip, job.transformer, job.requests, job.mappings, job.assumptions)
    excess = np.asarray(metrics.limits.total)
    value = np.asarray(getattr(metrics, job.objective))
    scores = np.nan_to_num(np.where(excess <= 0.0, value, -excess), nan=-np.inf)
    best = int(scores.argmax()) if chosen is None else place_of(job.mappings, chosen)
    limits = metrics.limits
    timely = ("time_to_first_token", "time_per_output_token")
    runs = np.max([getattr(limits, name) for name in LIMITS if name not in timely], axis=0) <= 0.0
    usd, speed = metrics.usd_per_output_token[runs], metrics.output_tokens_per_s_per_user[runs]
    rate = (metrics.output_tokens_per_s / metrics.chips)[runs]
    front, rates = (pareto_front(cost, speed) if cost.size else np.zeros(0, int) for cost in (usd, 1.0 / rate))
    mapping = jax.tree.map(lambda leaf: float(leaf[best]), job.mappings)
    known = (job.transformer, job.requests, job.assumptions)
    return Candidate(
        name=name,
        title=title,
        status=status,
        price_basis=job.price_basis,
        values=values,
        chip=chip,
        mapping=mapping,
        metrics=jax.tree.map(lambda leaf: float(leaf[best]), metrics),
        front_usd=usd[front],
        front_speed=speed[front],
        front_rate=rate[rates],
        front_rate_speed=speed[rates],
        spreads=spreads(chip, str(values["software"]), mapping, known, job.library),
    )


def ranked(candidates: Iterable[Candidate], objective: str) -> list[Candidate]:
    """Feasible ones first, best first; then those that come closest."""

    def place(candidate: Candidate) -> tuple[bool, float]:
        metrics = candidate.metrics
        value = -float(getattr(metrics, objective)) if candidate.feasible else float(metrics.worst_limit)
        return (not candidate.feasible, value)

    return sorted(candidates, key=place)


def status_of(entry: Entry) -> str:
    """Whether a chip of the catalogue ships, is announced, or is hypothetical."""
    return str(getattr(getattr(entry.document, "status", None), "value", ""))


def on_basis(job: Job, catalogue: Catalogue, basis: str) -> Job:
    """The same job with its dollars on another basis; CatalogueError for an unknown one."""
    if basis == job.price_basis:
        return job
    assumptions = build_assumptions(catalogue.library, basis, job.buyer, job.volume)
    return replace(job, price_basis=basis, assumptions=assumptions)


def known_candidate(catalogue: Catalogue, job: Job, name: str) -> Candidate:
    """A chip of the catalogue on the job."""
    entry = catalogue.entry("chip", name)
    title = str(getattr(entry.document, "title", name))
    chip = build_chips(entry.values, catalogue.library)
    return evaluate_candidate(job, entry.name, title, status_of(entry), entry.values, chip)


def compare(catalogue: Catalogue, job: Job, names: Iterable[str], found: Iterable[Candidate] = ()) -> Comparison:
    """Named chips of the catalogue, and found designs, on one job."""
    candidates = [*found, *(known_candidate(catalogue, job, name) for name in dict.fromkeys(names))]
    return Comparison(job, ranked(candidates, job.objective))


def compare_on_bases(catalogue: Catalogue, job: Job, asked: Iterable[tuple[str, str]]) -> Comparison:
    """Named chips of the catalogue, each with the price basis that its dollars are on."""
    pairs = dict.fromkeys(asked)
    candidates = [known_candidate(catalogue, on_basis(job, catalogue, basis), name) for name, basis in pairs]
    return Comparison(job, ranked(candidates, job.objective))
