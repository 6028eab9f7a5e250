"""From how many chips on is a chip of one's own cheaper than the best that one can buy?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from dse.analysis.comparison import Candidate, Job, compare, evaluate_candidate
from dse.assumptions import Economics
from dse.catalogue import Catalogue, CatalogueError, Problem
from dse.catalogue.build import build_assumptions, build_chips
from dse.catalogue.fields import Value
from dse.catalogue.library import section
from dse.hardware.development import DevelopmentCost, break_even_volume, development_cost
from dse.sources import Cited

__all__ = ["OWN_BASIS", "OWN_MARGIN", "BreakEven", "Point", "as_owner", "break_even", "own_values"]

OWN_BASIS = "tco"
OWN_MARGIN = "captive"
"""Margin of the partner who makes a chip of one's own."""
PROBE = 1e6
"""Volume at which the slope of the cost against 1 / volume is taken [1]."""
VOLUMES = (1e3, 1e4, 1e5, 1e6)


@dataclass(frozen=True)
class Point:
    """One volume: chips [1], price of a chip with its share of the development [USD], USD per output token."""

    volume: float
    chip_usd: float
    usd_per_token: float


@dataclass(frozen=True)
class BreakEven:
    """A chip of one's own against the best one can buy, on one job.

    own: without development; rival: the best of those asked for; development: once [USD], with its range; volume: chips
    from which on the own one is cheaper, inf when never, with the range that follows from the development;
    tokens_per_s: what so many chips deliver, by the share of time in which they are occupied; points: cost against
    volume.
    """

    own: Candidate
    rival: Candidate
    development: DevelopmentCost
    development_range: tuple[float, float]
    volume: float
    volume_range: tuple[float, float]
    tokens_per_s: float
    points: list[Point]

    @property
    def reason(self) -> str:
        """Why it never pays, '' when it does."""
        if math.isfinite(self.volume):
            return ""
        own, rival = (1e6 * float(one.metrics.usd_per_output_token) for one in (self.own, self.rival))
        return (
            f"{self.own.name} costs {own:.3f} USD per million output tokens before any development, "
            f"{self.rival.name} {rival:.3f}: there is nothing to save"
        )


def own_values(values: Mapping[str, Value]) -> dict[str, Value]:
    """The chip as one's own: no market price or rent, made at the margin of a partner."""
    market = ("price.buy", "price.rent")
    return {key: value for key, value in values.items() if key not in market} | {"price.margin": OWN_MARGIN}


def as_owner(job: Job, catalogue: Catalogue, volume: float = 0.0) -> Job:
    """The same job for who owns the chips, with the development spread over so many, 0 to leave it out.

    One's own chip is neither rented nor sold: it costs what owning it costs, whatever is asked for the rival.
    """
    assumptions = build_assumptions(catalogue.library, OWN_BASIS, job.buyer, volume)
    return replace(job, price_basis=OWN_BASIS, volume=volume, assumptions=assumptions)


def spread_of(parts: Iterable[Cited | None], total: float) -> tuple[float, float]:
    """Range of a sum whose parts move by themselves: root of the sum of squares below and above [USD]."""
    known = [(float(one.value), one.low, one.high) for one in parts if one is not None]
    down = math.sqrt(sum((value - (value if low is None else low)) ** 2 for value, low, _ in known))
    up = math.sqrt(sum(((value if high is None else high) - value) ** 2 for value, _, high in known))
    return max(total - down, 0.0), total + up


def development_of(catalogue: Catalogue, values: Mapping[str, Value], economics: Economics) -> tuple[float, float]:
    """Range of the development on the node of a chip [USD]."""
    library = catalogue.library
    shelf = library.shelves["development"]
    figures = shelf.figures[shelf.names[shelf.row(str(values["process.node"]))]]
    software = section(library.economics, "economics").get("software_development")
    total = float(development_cost(build_chips(values, library), economics).total)
    return spread_of([*figures.values(), software], total)


def break_even(
    catalogue: Catalogue, job: Job, name: str, title: str, values: Mapping[str, Value], rivals: Iterable[str]
) -> BreakEven:
    """A chip of one's own, by its flat description, against the best of the rivals on the job, at its price basis.

    Cost per token is a straight line in 1 / volume at one mapping, so two volumes give all of it. CatalogueError when
    either side cannot do the job, or where rivals are to be had at their cost to make.
    """
    if job.price_basis == "make":
        way_out = "compare with what they are sold, rented or owned for: buy, rent or tco"
        raise CatalogueError([Problem("nobody sells chips at their cost", value="'make'", way_out=way_out)])
    plain = as_owner(job, catalogue)
    mine = own_values(values)
    chip = build_chips(mine, catalogue.library)
    own = evaluate_candidate(plain, name, title, "own", dict(mine), chip)
    best = compare(catalogue, job, rivals).candidates[0]
    unable = [one.name for one in (own, best) if not one.feasible]
    if unable:
        way_out = "see `dse evaluate` for the limit; choose a traffic, or formats, with looser limits"
        raise CatalogueError([Problem("cannot do the job", value=", ".join(unable), way_out=way_out)])
    chosen = {key: float(getattr(own.mapping, key)) for key in type(own.mapping).__dataclass_fields__}
    spread = evaluate_candidate(as_owner(job, catalogue, PROBE), name, title, "own", dict(mine), chip, chosen)
    cost, slope = own.metrics.usd_per_output_token, PROBE
    slope *= float(spread.metrics.usd_per_output_token) - float(cost)
    volume = float(break_even_volume(slope, float(best.metrics.usd_per_output_token) - float(cost)))
    development = development_cost(chip, job.assumptions.economics)
    total, ends = float(development.total), development_of(catalogue, mine, job.assumptions.economics)
    rate = float(own.metrics.output_tokens_per_s) / float(own.metrics.chips)
    price = float(own.metrics.hardware.price)
    shown: list[float] = sorted([*VOLUMES, volume] if math.isfinite(volume) else VOLUMES)
    return BreakEven(
        own=own,
        rival=best,
        development=development,
        development_range=ends,
        volume=volume,
        volume_range=(volume * ends[0] / total, volume * ends[1] / total),
        tokens_per_s=volume * rate * float(job.assumptions.economics.utilisation),
        points=[Point(each, price + total / each, float(cost) + slope / each) for each in shown],
    )
