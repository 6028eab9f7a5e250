"""How good is one chip for several jobs? Weighted pairs of model and traffic, their mean, worst case and regret.

mean: the weighted geometric mean of tokens per dollar. A weight is a job's share of the bill; where shares stay put,
this is the exact index of what a dollar buys (Cobb-Douglas), and it does not depend on how a token of one model is
counted against one of another, as a mean of dollars per token would, which the dearest model decides alone.
worst case: the fewest tokens per dollar of any pair, whatever its weight: what is certain whichever job is left.
regret: the largest excess of a pair's dollars over those of the chip on the market that is best at it; 0 for a chip
that is the best at every pair, below 0 for one that beats all of them. Searches maximise 1 / (1 + regret), the share of
the best tokens per dollar that is kept in the pair where least is.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float

from dse.analysis.comparison import Job, job_of
from dse.analysis.quality import ANY_QUALITY, Quality
from dse.analysis.shipped import Shipped, cheapest, shipped_on
from dse.analysis.uncertainty import range_of, spreads
from dse.best_mapping import OBJECTIVES, Best, best_mapping
from dse.catalogue.build import BUYER, build_chips
from dse.catalogue.errors import CatalogueError, Problem
from dse.catalogue.read import Flat
from dse.catalogue.store import Catalogue
from dse.evaluate import LIMITS
from dse.hardware.chip import Chip
from dse.search.objective import broken_limits, limits_of
from dse.timing.mapping import Mapping

__all__ = [
    "PORTFOLIO_OBJECTIVES",
    "Described",
    "Member",
    "Pair",
    "Portfolio",
    "PortfolioRow",
    "at_every_pair",
    "check_rivals",
    "portfolio_of",
    "ranked_rows",
    "scored",
    "worst_limits",
]

PORTFOLIO_OBJECTIVES = {
    "mean": "mean_tokens_per_dollar",
    "worst-case": "worst_tokens_per_dollar",
    "minimax-regret": "share_of_best",
}
"""Name in a command -> what is maximised: [1/USD], [1/USD] and [1]."""


@dataclass(frozen=True)
class Pair:
    """A job of a portfolio with its share of all weights, and the chips on the market at it."""

    name: str
    share: float
    job: Job
    shipped: Shipped

    @property
    def reference(self) -> str:
        """The chip on the market that is best at it, '' where none can do it."""
        found = cheapest(self.shipped)
        return "" if found is None else found.name


@dataclass(frozen=True)
class Portfolio:
    """The jobs of a buyer, those of no weight left out; all on one price basis."""

    name: str
    title: str
    pairs: tuple[Pair, ...]

    @property
    def shares(self) -> Float[np.ndarray, " pairs"]:
        """Weights that add up to 1."""
        return np.array([pair.share for pair in self.pairs])

    @property
    def best(self) -> Float[np.ndarray, " pairs"]:
        """Tokens per dollar of the best chip on the market at each pair, NaN where none can do it [1/USD]."""
        return np.array([pair.shipped.best for pair in self.pairs])

    @property
    def price_basis(self) -> str:
        """On what basis money is counted."""
        return self.pairs[0].job.price_basis


def portfolio_of(
    catalogue: Catalogue,
    name: str,
    price_basis: str,
    most_chips: int = 1024,
    buyer: str = BUYER,
    volume: float | None = None,
    quality: Quality = ANY_QUALITY,
) -> Portfolio:
    """A portfolio by its name; CatalogueError with the nearest name, or with every fault of its file."""
    entry = catalogue.entry("portfolio", name)
    tables: dict[str, object] = getattr(entry.document, "pair")  # noqa: B009
    weights = {pair: float(entry.figures[f"pair.{pair}.weight"].value) for pair in tables}
    total = sum(weights.values())
    pairs = []
    for pair, weight in weights.items():
        if weight > 0.0:
            model, traffic = (str(entry.values[f"pair.{pair}.{key}"]) for key in ("model", "traffic"))
            job = job_of(catalogue, model, traffic, price_basis, OBJECTIVES[0], most_chips, buyer, volume, quality)
            pairs.append(Pair(pair, weight / total, job, shipped_on(catalogue, job)))
    return Portfolio(entry.name, entry.document.heading, tuple(pairs))


def check_rivals(portfolio: Portfolio) -> None:
    """CatalogueError for pairs that no chip on the market can do, so that there is nothing to regret."""
    faults = [
        Problem(
            f"no chip on the market can do the pair {pair.name} of {portfolio.name}, so that regret has no reference",
            key="--objective",
            value="'minimax-regret'",
            way_out="take mean or worst-case, or looser limits",
        )
        for pair in portfolio.pairs
        if not pair.shipped.able
    ]
    if faults:
        raise CatalogueError(faults)


def scored(
    values: Float[np.ndarray, "designs pairs"], portfolio: Portfolio
) -> dict[str, Float[np.ndarray, " designs"]]:
    """Mean, worst case and share of the best of designs, from their tokens per dollar at each pair [1/USD].

    NaN for a design that cannot do one of the pairs.
    """
    return {
        "mean_tokens_per_dollar": np.exp(np.log(values) @ portfolio.shares),
        "worst_tokens_per_dollar": values.min(axis=1),
        "share_of_best": (values / portfolio.best).min(axis=1),
    }


@dataclass(frozen=True)
class Member:
    """A design at one pair: best mapping, tokens per dollar [1/USD], NaN where it cannot do it, and broken limits.

    place: of the mapping in the lattice of the job [1].
    """

    pair: str
    place: int
    mapping: Mapping
    tokens_per_dollar: float
    broken: dict[str, float]


def members_of(chips: Chip, pair: Pair) -> list[Member]:
    """Designs, leaves (designs,), at one pair, each under its own best mapping."""
    job = pair.job
    best = best_mapping(chips, job.transformer, job.requests, job.assumptions, mappings=job.mappings)
    return [member_of(best, design, pair.name) for design in range(best.index.size)]


def member_of(best: Best, design: int, pair: str) -> Member:
    """One design of many at a pair."""
    broken = broken_limits(limits_of(best.metrics, design))
    value = float("nan") if broken else float(best.metrics.tokens_per_dollar[design])
    mapping: Mapping = jax.tree.map(lambda leaf: float(leaf[design]), best.mapping)
    return Member(pair, int(best.index[design]), mapping, value, broken)


def at_every_pair(chips: Chip, portfolio: Portfolio) -> list[list[Member]]:
    """Designs, leaves (designs,), at every pair: a list of pairs for each design."""
    columns = [members_of(chips, pair) for pair in portfolio.pairs]
    return [list(row) for row in zip(*columns, strict=True)]


def worst_limits(members: list[Member]) -> dict[str, float]:
    """Largest excess over each limit at any pair, 0 where none is exceeded [1]."""
    return {name: max(member.broken.get(name, 0.0) for member in members) for name in LIMITS}


@dataclass(frozen=True)
class PortfolioRow:
    """A chip on a portfolio: how it does at every pair, with 80 % ranges [1/USD], and all pairs together."""

    name: str
    title: str
    status: str
    members: list[Member]
    ranges: list[tuple[float, float]]
    scores: dict[str, float]

    @property
    def feasible(self) -> bool:
        """Whether it can do every pair."""
        return all(not member.broken for member in self.members)

    @property
    def regret(self) -> float:
        """Largest excess of dollars over the best chip on the market at any pair [1]."""
        return 1.0 / self.scores["share_of_best"] - 1.0


Described = tuple[str, str, str, Flat]
"""Name, title and status of a chip, and its flat description."""


def ranges_of(chip: Chip, values: Flat, members: list[Member], portfolio: Portfolio) -> list[tuple[float, float]]:
    """80 % ranges of tokens per dollar at every pair [1/USD]."""
    found = []
    for member, pair in zip(members, portfolio.pairs, strict=True):
        job = pair.job
        known = (job.transformer, job.requests, job.assumptions)
        spread = spreads(chip, str(values["software"]), member.mapping, known, job.library)["tokens_per_dollar"]
        found.append(range_of(member.tokens_per_dollar, spread))
    return found


def ranked_rows(described: list[Described], portfolio: Portfolio, objective: str) -> list[PortfolioRow]:
    """Chips on a portfolio, best first by a field of the scores, then those that cannot do some pair."""
    library = portfolio.pairs[0].job.library
    chips = [build_chips(values, library) for *_, values in described]
    together = jax.tree.map(lambda *leaves: np.array(leaves, np.float64), *chips)
    members = at_every_pair(together, portfolio)
    values = np.array([[member.tokens_per_dollar for member in row] for row in members])
    scores = scored(values, portfolio)
    rows = []
    for place, ((name, title, status, flat), chip) in enumerate(zip(described, chips, strict=True)):
        ranges = ranges_of(chip, flat, members[place], portfolio)
        own = {key: float(column[place]) for key, column in scores.items()}
        rows.append(PortfolioRow(name, title, status, members[place], ranges, own))
    return sorted(rows, key=lambda row: (not row.feasible, -row.scores[objective] if row.feasible else missing(row)))


def missing(row: PortfolioRow) -> float:
    """Pairs that a chip cannot do [1]."""
    return float(sum(bool(member.broken) for member in row.members))
