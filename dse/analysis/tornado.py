"""Which constant decides? The result at both ends of the range of every constant, one at a time, the widest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dse.analysis.comparison import Job
from dse.analysis.constants import Constant, Scores, built, scores_of
from dse.catalogue.read import Entry

__all__ = ["Bar", "Tornado", "tornado"]


@dataclass(frozen=True)
class Bar:
    """One constant: tokens per dollar at its low and its high end, NaN where the chip cannot do the job there [1/USD].

    broken: limits exceeded at each end; remapped: whether another mapping is best at one of them.
    """

    constant: Constant
    at_low: float
    at_high: float
    broken: tuple[dict[str, float], dict[str, float]]
    remapped: bool

    @property
    def swing(self) -> float:
        """Spread of ln(tokens per dollar) between the ends [1], infinite where one of them is infeasible."""
        if np.isnan(self.at_low) or np.isnan(self.at_high):
            return np.inf
        return abs(float(np.log(self.at_high / self.at_low)))


@dataclass(frozen=True)
class Tornado:
    """The bars of all constants that matter, and the labels of those that enter and change nothing."""

    tokens_per_dollar: float
    bars: list[Bar]
    idle: list[str]


SMALLEST = 1e-9
"""Swing of ln(tokens per dollar) below which a constant changes nothing [1]."""


def tornado(chip: Entry, constants: Sequence[Constant], job: Job) -> Tornado:
    """Both ends of every ranged constant, each under the mapping that is best there.

    constants: that enter the chip. Everything else stays at its value, so that bars do not add up where constants are
    correlated, as fitted coefficients of software are.
    """
    ranged = [constant for constant in constants if constant.ranged]
    ends = [built(chip, job, constant, end) for constant in ranged for end in constant.range]
    scores = scores_of([built(chip, job), *ends], job)
    bars = [bar_of(constant, scores, 1 + 2 * place) for place, constant in enumerate(ranged)]
    moving = [bar for bar in bars if bar.swing > SMALLEST]
    return Tornado(
        tokens_per_dollar=float(scores.tokens_per_dollar[0]),
        bars=sorted(moving, key=lambda bar: -bar.swing),
        idle=[bar.constant.label for bar in bars if bar.swing <= SMALLEST],
    )


def bar_of(constant: Constant, scores: Scores, place: int) -> Bar:
    """The bar of a constant whose ends stand at a place and behind it."""
    low, high = float(scores.tokens_per_dollar[place]), float(scores.tokens_per_dollar[place + 1])
    remapped = bool((scores.place[place : place + 2] != scores.place[0]).any())
    return Bar(constant, low, high, (scores.broken[place], scores.broken[place + 1]), remapped)
