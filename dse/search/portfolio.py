"""What does a trial of a portfolio come to? The design at every pair, each with its own mapping, and all together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dse.analysis.portfolio import PORTFOLIO_OBJECTIVES, Member, Portfolio, scored, worst_limits
from dse.catalogue.errors import CatalogueError, Problem, listed, nearest
from dse.search.objective import Outcome, broken_limits
from dse.timing.mapping import Mapping

__all__ = ["portfolio_metric", "portfolio_outcomes"]


def portfolio_metric(name: str) -> str:
    """The score that an objective names, with - or _; CatalogueError with the valid ones."""
    field = PORTFOLIO_OBJECTIVES.get(name.replace("_", "-"))
    if field is None:
        close = nearest(name, PORTFOLIO_OBJECTIVES)
        allowed = listed(PORTFOLIO_OBJECTIVES)
        raise CatalogueError([Problem("unknown objective of a portfolio", "", "", repr(name), allowed, close)])
    return field


def portfolio_outcomes(
    members: Sequence[list[Member]], portfolio: Portfolio, objectives: tuple[str, ...]
) -> list[Outcome]:
    """Designs at every pair of a portfolio: limits over all pairs, values for the sampler, and the record."""
    values = np.array([[member.tokens_per_dollar for member in row] for row in members])
    scores = scored(values, portfolio)
    outcomes, points = [], sum(np.size(pair.job.mappings.batch) for pair in portfolio.pairs)
    for place, row in enumerate(members):
        limits = worst_limits(row)
        broken = broken_limits(limits)
        if broken:
            told = [-max(broken.values())] * len(objectives)
            record: dict[str, object] = {"feasible": False, "reasons": broken}
        else:
            told = [float(scores[name][place]) for name in objectives]
            record = record_of(row, {name: float(column[place]) for name, column in scores.items()})
        record["points"] = points
        outcomes.append(Outcome(limits, told, record))
    return outcomes


def record_of(members: list[Member], scores: dict[str, float]) -> dict[str, Any]:
    """What a feasible trial keeps: its scores, and tokens per dollar and mapping at every pair."""
    finite = {name: value for name, value in scores.items() if np.isfinite(value)}
    each = {f"tokens_per_dollar.{member.pair}": member.tokens_per_dollar for member in members}
    mapping = {
        f"{member.pair}.{name}": float(getattr(member.mapping, name))
        for member in members
        for name in Mapping.__dataclass_fields__
    }
    return {"feasible": True, "metrics": finite | each, "mapping": mapping}
