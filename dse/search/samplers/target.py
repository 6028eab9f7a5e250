"""Under which limit on the time per output token does a trial look for its mapping? Its own, where objectives pull."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.distributions import FloatDistribution

from dse.analysis.comparison import Job
from dse.best_mapping import OBJECTIVES

__all__ = ["loosest_target", "rivals", "target_distribution"]

FASTEST = 1e-3
SLOWEST = 0.2


def rivals(objectives: Sequence[str]) -> bool:
    """Whether several objectives pull at the mapping, so that each trial needs a place of its own on their front."""
    return sum(name in OBJECTIVES for name in objectives) > 1


def loosest_target(job: Job) -> float:
    """The highest limit on the time per output token that a trial of several objectives may set itself [s]."""
    return min(float(job.requests.time_per_output_token), SLOWEST)


def target_distribution(job: Job) -> FloatDistribution:
    """The limits that such a trial may set itself [s]."""
    slowest = loosest_target(job)
    return FloatDistribution(min(FASTEST, slowest / 10.0), slowest, log=True)
