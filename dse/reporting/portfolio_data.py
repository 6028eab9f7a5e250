"""What is told of a portfolio? Its pairs with the chips to beat, the ranking, and both as one JSON document."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from dse.analysis.portfolio import Member, Pair, Portfolio, PortfolioRow
from dse.reporting.breakdown import named_parts
from dse.reporting.summary import finite, mapping_text, reason_of
from dse.reporting.text import significant, spoken

__all__ = [
    "PairGrid",
    "pair_grid",
    "portfolio_json",
    "portfolio_notes",
    "reasons_at",
    "regret_text",
]

MOST_ROWS = 16
"""Chips that a figure shows [1]."""


class PairGrid(NamedTuple):
    """Chips by pairs: tokens per dollar over the best chip on the market at each (chips, pairs) [1].

    found: which of the chips a search found (chips,); pairs: names with their shares.
    """

    chips: list[str]
    found: list[bool]
    pairs: list[str]
    share: np.ndarray


def pair_grid(portfolio: Portfolio, rows: list[PortfolioRow]) -> PairGrid:
    """The first rows that can do every pair; all over 1 where no chip on the market can do a pair."""
    shown = [row for row in rows if row.feasible][:MOST_ROWS]
    values = np.array([[member.tokens_per_dollar for member in row.members] for row in shown])
    pairs = [f"{pair.name}\n{100.0 * pair.share:.0f} %" for pair in portfolio.pairs]
    share = values / portfolio.best if shown else np.zeros((0, len(pairs)))
    return PairGrid([row.name for row in shown], [row.status == "found" for row in shown], pairs, share)


def regret_text(row: PortfolioRow) -> str:
    """The regret of a chip in percent, '–' where there is no reference."""
    if not math.isfinite(row.regret):
        return "–"
    return f"{'+' if row.regret > 0.0 else ''}{significant(100.0 * row.regret)} %" if abs(row.regret) > 1e-9 else "0 %"


def worst_pair(row: PortfolioRow, portfolio: Portfolio) -> str:
    """The pair at which a chip is farthest behind the best on the market, '' without a reference."""
    share = np.array([member.tokens_per_dollar for member in row.members]) / portfolio.best
    return row.members[int(np.nanargmin(share))].pair if np.isfinite(share).any() else ""


def reasons_at(row: PortfolioRow) -> list[str]:
    """Why a chip cannot do the portfolio: the worst broken limit of each pair that it cannot do."""
    return [
        f"{member.pair}: {reason_of(*next(iter(member.broken.items())))}" for member in row.members if member.broken
    ]


def portfolio_notes(portfolio: Portfolio, rows: list[PortfolioRow]) -> list[str]:
    """What the ranking rests on, and which chips cannot do some pair."""
    references = [f"{pair.name} {pair.reference or 'none'}" for pair in portfolio.pairs]
    text = (
        "Mean: geometric, by the pairs' shares of the bill, in million output tokens per dollar; worst: of any pair; "
        "regret: extra dollars over the best chip on the market, at the pair where they are most. "
        f"To beat: {spoken(references)}. Every price is on the basis '{portfolio.price_basis}'."
    )
    unable = [row for row in rows if not row.feasible]
    if unable:
        told = [f"{row.name} ({spoken([member.pair for member in row.members if member.broken])})" for row in unable]
        return [text, f"Cannot do every pair: {'; '.join(told)}."]
    return [text]


def pair_json(pair: Pair) -> dict[str, Any]:
    """A pair and the best chip on the market at it."""
    return {
        "name": pair.name,
        "model": pair.job.model,
        "traffic": pair.job.traffic,
        "share": pair.share,
        "best_shipped": pair.reference or None,
        "best_shipped_tokens_per_dollar": pair.shipped.best,
    }


def member_json(member: Member, ends: tuple[float, float], best: float) -> dict[str, Any]:
    """A chip at one pair."""
    return {
        "feasible": not member.broken,
        "tokens_per_dollar": {"value": member.tokens_per_dollar, "low": ends[0], "high": ends[1]},
        "usd_per_million_output_tokens": 1e6 / member.tokens_per_dollar,
        "relative_to_best_shipped": member.tokens_per_dollar / best,
        "mapping": named_parts(member.mapping),
        "mapping_text": mapping_text(member.mapping),
        "broken_limits": member.broken,
    }


def row_json(row: PortfolioRow, portfolio: Portfolio) -> dict[str, Any]:
    """A chip on the portfolio."""
    each = zip(row.members, row.ranges, portfolio.best.tolist(), strict=True)
    return {
        "chip": row.name,
        "status": row.status,
        "feasible": row.feasible,
        "reasons": reasons_at(row),
        **row.scores,
        "regret": row.regret,
        "pair_of_most_regret": worst_pair(row, portfolio) if row.feasible else None,
        "pairs": {member.pair: member_json(member, ends, best) for member, ends, best in each},
    }


def portfolio_json(portfolio: Portfolio, rows: list[PortfolioRow], objectives: tuple[str, ...]) -> dict[str, Any]:
    """The whole result; NaN and infinity are None."""
    return finite(
        {
            "portfolio": portfolio.name,
            "price_basis": portfolio.price_basis,
            "objectives": list(objectives),
            "pairs": [pair_json(pair) for pair in portfolio.pairs],
            "ranking": [row_json(row, portfolio) for row in rows],
        }
    )
