"""How do the objectives and limits of a chip change with each number of its design? Between the steps, at one mapping.

The leaves of a chip are built from a design by the same function as everywhere, and their slopes are taken there by
central differences, which are exact where a leaf is a multiple of a number, as nearly all are. From the leaves on it is
differentiation of the evaluator.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dse.analysis.portfolio import Portfolio, scored
from dse.arrays import Number
from dse.best_mapping import OBJECTIVES, QUICK_TO_COMPILE, as_type
from dse.catalogue.build import build_chips
from dse.catalogue.library import Column
from dse.catalogue.space import activate
from dse.evaluate import evaluate
from dse.hardware.chip import Chip
from dse.search.samplers.gradient import Model, Params, Slopes
from dse.search.samplers.portfolio_scorer import PortfolioScorer
from dse.search.samplers.scorer import SpaceScorer
from dse.search.space import TARGET

__all__ = ["relax_portfolio", "relax_space"]

STEP = 1e-4
"""Step of the differences, over the value [1]."""
SLOTS = 24
"""Directions that are differentiated at once, or a multiple of it; fewer are padded, so that little compiles anew."""


VALUES: tuple[str, ...] = (*OBJECTIVES, "qsnr", "accuracy_kept")


@partial(jax.jit, compiler_options=QUICK_TO_COMPILE)
def derivatives(
    chip: Chip, tangents: Chip, transformer: Any, traffic: Any, mapping: Any, assumptions: Any
) -> tuple[Number, Number]:
    """Objectives, limits and the time per output token of a chip (outputs,), and their slopes (slots, outputs)."""

    def outputs(moved: Chip) -> Number:
        metrics = evaluate(moved, transformer, traffic, mapping, assumptions)
        found = [getattr(metrics, name) for name in VALUES]
        return jnp.stack([*found, *jax.tree.leaves(metrics.limits), metrics.time_per_output_token])

    def slope(tangent: Chip) -> Number:
        return jax.jvp(outputs, (chip,), (tangent,))[1]

    return outputs(chip), jax.vmap(slope)(tangents)


def relax_space(scorer: SpaceScorer, start: Params, moving: tuple[str, ...]) -> Model:
    """The model around a design of the scorer's space, at the mapping of the shortlist that is best for it."""
    job = scorer.job
    mapping = scorer.mapping_of(start)
    numbers = [name for name in moving if name != TARGET]
    known = as_type((job.transformer, job.requests, mapping, job.assumptions), np.float64)
    wanted = [VALUES.index(name) for name in scorer.objectives]

    def model(params: Params) -> Slopes:
        chip, tangents = chip_and_tangents(scorer, params, numbers)
        found, slopes = (np.asarray(part) for part in derivatives(chip, tangents, *known))
        scorer.points += 1 + len(numbers)
        of_values = {name: slopes[place, wanted] for place, name in enumerate(numbers)}
        of_excess = {name: slopes[place, len(VALUES) : -1] for place, name in enumerate(numbers)}
        excess = found[len(VALUES) : -1]
        if TARGET in params:
            late = found[-1] / params[TARGET] - 1.0
            excess = np.append(excess, late)
            lateness = slopes[:, -1] / params[TARGET]
            of_excess = {name: np.append(of_excess[name], lateness[place]) for place, name in enumerate(numbers)}
            of_values[TARGET] = np.zeros(len(wanted))
            of_excess[TARGET] = np.append(np.zeros(len(excess) - 1), -(late + 1.0) / params[TARGET])
        return Slopes(found[wanted], excess, of_values, of_excess)

    return model


def relax_portfolio(scorer: PortfolioScorer, start: Params, moving: tuple[str, ...]) -> Model:
    """The model around a design on a portfolio: each pair at the mapping of its shortlist that is best for it."""
    models = [relax_space(pair, start, moving) for pair in scorer.pairs]

    def model(params: Params) -> Slopes:
        return together([one(params) for one in models], scorer.portfolio, scorer.objectives)

    return model


def together(pairs: Sequence[Slopes], portfolio: Portfolio, objectives: Sequence[str]) -> Slopes:
    """Slopes of the scores of a portfolio from those of tokens per dollar at its pairs.

    Of the mean in logarithms; of the others those of the pair that decides.
    """
    values = np.array([one.values[0] for one in pairs])
    scores = {name: found[0] for name, found in scored(values[None], portfolio).items()}
    worst, regretted = int(values.argmin()), int((values / portfolio.best).argmin())
    by_pair = {
        "mean_tokens_per_dollar": scores["mean_tokens_per_dollar"] * portfolio.shares / values,
        "worst_tokens_per_dollar": np.eye(len(pairs))[worst],
        "share_of_best": np.eye(len(pairs))[regretted] / portfolio.best[regretted],
    }
    weights = np.array([by_pair[name] for name in objectives])
    names = pairs[0].of_values
    return Slopes(
        np.array([scores[name] for name in objectives]),
        np.concatenate([one.excess for one in pairs]),
        {name: weights @ np.array([one.of_values[name][0] for one in pairs]) for name in names},
        {name: np.concatenate([one.of_excess[name] for one in pairs]) for name in names},
    )


def chip_and_tangents(scorer: SpaceScorer, params: Params, numbers: list[str]) -> tuple[Chip, Chip]:
    """A design as a chip, scalar leaves, and the slopes of its leaves by each of its numbers, leaves (slots,)."""
    count = len(numbers)
    slots = SLOTS * max(-(-count // SLOTS), 1)
    steps = np.array([STEP * abs(params[name]) or STEP for name in numbers])
    columns: dict[str, Column] = {}
    for path in scorer.space.free:
        column = np.repeat(np.array([params[path]]), 1 + 2 * count)
        if path in numbers:
            place = numbers.index(path)
            column = column.astype(np.float64)
            column[1 + place] += steps[place]
            column[1 + count + place] -= steps[place]
        columns[path] = column
    built = build_chips(activate(scorer.space, columns), scorer.job.library)

    def slope(leaf: np.ndarray) -> np.ndarray:
        rises = (leaf[1 : 1 + count] - leaf[1 + count :]) / (2.0 * steps)
        return np.concatenate([rises, np.zeros(slots - count)])

    return jax.tree.map(lambda leaf: leaf[0], built), jax.tree.map(slope, built)
