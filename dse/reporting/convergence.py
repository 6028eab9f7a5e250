"""Has the search arrived? The best so far at half, three quarters and all of the trials, and what that says."""

from __future__ import annotations

import math
from typing import NamedTuple

from dse.reporting.tables import StudyRecord
from dse.reporting.text import measured, significant

__all__ = ["Convergence", "convergence", "convergence_lines", "start_text"]

STILL_IMPROVING = 0.01
"""Gain of the last quarter of the trials above which a search is said to be still improving [1]."""

LEAST_TRIALS = 4


class Convergence(NamedTuple):
    """Best value of one objective after 50, 75 and 100 % of the trials; NaN before the first feasible one.

    gain: of the last quarter over the best before it [1], infinite when nothing was feasible before; start: the
    catalogue chip that the best trial began at, '' for a sampled one.
    """

    objective: str
    half: float
    three_quarters: float
    whole: float
    gain: float
    start: str

    @property
    def improving(self) -> bool:
        """Whether more trials are likely to find something better."""
        return self.gain > STILL_IMPROVING


def convergence(study: StudyRecord) -> list[Convergence]:
    """One for each objective of a study; none for a handful of trials or without a feasible one."""
    if study.count < LEAST_TRIALS or not study.feasible.any():
        return []
    return [convergence_of(study, name) for name in study.objectives if name in study.values]


def convergence_of(study: StudyRecord, objective: str) -> Convergence:
    """How far one objective has come."""
    best = study.best_so_far(objective)
    half, late, whole = (float(best[math.ceil(share * study.count) - 1]) for share in (0.5, 0.75, 1.0))
    gain = whole / late - 1.0 if late > 0.0 else math.inf
    start = study.starts.get(int((best == whole).argmax()), "")
    return Convergence(objective, half, late, whole, gain, start)


def convergence_lines(study: StudyRecord) -> list[str]:
    """Sentences for a person, one for each objective."""
    return [sentence(found) for found in convergence(study)]


def sentence(found: Convergence) -> str:
    """'Best so far at 50 / 75 / 100 % of the trials: 15.5 / 17.7 / 18.6 M tokens/USD: still improving ...'."""
    values = [measured(found.objective, value) for value in (found.half, found.three_quarters, found.whole)]
    numbers = " / ".join(number for number, _ in values)
    text = f"Best so far at 50 / 75 / 100 % of the trials: {numbers} {values[-1][1]}: {verdict(found)}."
    if found.start:
        text += f" The best is the start point {found.start} itself: no sampled design beats it."
    return text


def verdict(found: Convergence) -> str:
    """Whether the search has converged, in words."""
    if math.isinf(found.gain):
        return "still improving (nothing feasible in the first three quarters); run more trials"
    share = f"{significant(100.0 * found.gain, 2)} %" if found.gain > 0.0 else "nothing"
    if found.improving:
        return f"still improving (the last quarter gained {share}); run more trials"
    return f"no longer improving (the last quarter gained {share}), which proves no optimum"


def start_text(study: StudyRecord) -> str:
    """Which chips of the catalogue the search began at."""
    if not study.starts:
        return "none: no chip of the catalogue lies inside the space"
    return ", ".join(dict.fromkeys(study.start_notes))
