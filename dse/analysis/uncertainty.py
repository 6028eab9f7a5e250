"""How sure is a prediction? The spread that the software's coefficients and the model itself leave in each metric.

A prediction is lognormal: the coefficients of the execution profile are as uncertain as their fit, or as their judged
ranges where no measured row is of their kind, and what no coefficient explains adds to it: what cross-validation leaves
around profiles that have rows, or around those whose whole class of machines was left out. Prices, areas and energies
are taken as they are.
"""

from __future__ import annotations

import math
from dataclasses import replace

import jax
import numpy as np

from dse.analysis.profiles import COEFFICIENTS, EIGHTY, belief_of, from_scale
from dse.assumptions import Assumptions
from dse.best_mapping import evaluate_pairs
from dse.catalogue.library import Library
from dse.hardware.chip import Chip
from dse.timing.mapping import Mapping
from dse.workload.traffic import Traffic
from dse.workload.transformer import Transformer

__all__ = ["PHASE_OF", "UNKNOWN_SCATTER", "range_of", "spreads", "tell_apart"]

PHASE_OF = {
    "time_to_first_token": "online ttft_s",
    "time_per_output_token": "online tpot_s",
    "output_tokens_per_s_per_user": "online tpot_s",
    "output_tokens_per_s": "offline",
    "usd_per_output_token": "offline",
    "tokens_per_dollar": "offline",
    "tokens_per_joule": "offline",
}
"""Metric -> phase of the measured rows whose scatter it has."""

UNKNOWN_SCATTER = 0.35
"""Standard deviation of ln(predicted / measured) of a phase for which no scatter is known [1]."""

STEP = 1e-3


def spreads(
    chip: Chip,
    software: str,
    mapping: Mapping,
    job: tuple[Transformer, Traffic, Assumptions],
    library: Library,
) -> dict[str, float]:
    """Metric -> standard deviation of its ln under one mapping [1].

    chip, mapping: scalar leaves; software: its execution profile; job: model, traffic, assumptions. The variance is
    g' C g + s ** 2, g the slopes of ln metric to the scaled coefficients, C their covariance, s the scatter.
    """
    belief = belief_of(software, library)
    moved = np.vstack([belief.mean, belief.mean + STEP * np.eye(len(COEFFICIENTS))])
    values = from_scale(moved)
    execution = replace(chip.execution, **{name: values[:, place] for place, name in enumerate(COEFFICIENTS)})
    one = jax.tree.map(lambda leaf: np.full(len(moved), float(leaf)), mapping)
    model, traffic, assumptions = job
    metrics = evaluate_pairs(replace(chip, execution=execution), model, traffic, one, assumptions)
    unexplained = library.scatter(measured=belief.rows > 0)
    found = {}
    for name, phase in PHASE_OF.items():
        logs = np.log(np.asarray(getattr(metrics, name)))
        slope = (logs[1:] - logs[0]) / STEP
        scatter = unexplained.get(phase, UNKNOWN_SCATTER)
        found[name] = float(math.sqrt(slope @ belief.covariance @ slope + scatter**2))
    return found


def range_of(value: float, spread: float) -> tuple[float, float]:
    """The 80 % range of a value whose ln has this standard deviation.

    >>> tuple(round(end, 3) for end in range_of(1.0, 0.2))
    (0.774, 1.292)
    """
    factor = math.exp(EIGHTY * spread)
    return value / factor, value * factor


def tell_apart(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two values, each with the spread of its ln, differ by more than their 80 % ranges together.

    >>> tell_apart((1.0, 0.2), (1.2, 0.2)), tell_apart((1.0, 0.2), (2.0, 0.2))
    (False, True)
    """
    return abs(math.log(one[0] / other[0])) > EIGHTY * math.hypot(one[1], other[1])
