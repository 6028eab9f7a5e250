"""What are points worth? Designs with mappings through the evaluator, in blocks of fixed shapes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from dse.arrays import Number
from dse.assumptions import Assumptions
from dse.best_mapping import DESIGNS, blocks
from dse.evaluate import evaluate
from dse.hardware.chip import Chip
from dse.search.sweeps.bounds import Bound
from dse.search.sweeps.boxes import chips_at
from dse.search.sweeps.points import (
    KEPT,
    NONE,
    Chunk,
    Counts,
    Points,
    joined_points,
    merged_points,
    rivals_of,
    undominated,
)
from dse.search.sweeps.swept import Sweep
from dse.timing.mapping import BLOCK, Mapping
from dse.workload.traffic import Traffic
from dse.workload.transformer import Transformer

__all__ = ["PAIRS", "dense", "every_point", "points_at"]

PAIRS = 8192
"""Points, each a design with a mapping, that are evaluated at once after screening [1]."""

WORKERS = 2
"""Blocks that are worked on at once [1]."""

ROUND = 32
"""Blocks of designs that are held against the same rivals [1]."""


def scores_of(
    chips: Chip, model: Transformer, traffic: Traffic, mappings: Mapping, assumptions: Assumptions
) -> tuple[Number, Number, Number]:
    """Tokens per dollar, per second and user, per joule; 0 where a limit is exceeded."""
    metrics = evaluate(chips, model, traffic, mappings, assumptions)
    values = (metrics.tokens_per_dollar, metrics.output_tokens_per_s_per_user, metrics.tokens_per_joule)
    shape = jnp.shape(metrics.worst_limit)
    return tuple(jnp.where(metrics.worst_limit <= 0.0, jnp.broadcast_to(value, shape), 0.0) for value in values)  # pyright: ignore[reportReturnType]


score_points = jax.jit(scores_of)


def points_at(sweep: Sweep, digits: np.ndarray, mappings: np.ndarray) -> Points:
    """Evaluates designs by their rows (points, axes) with a mapping each; front and best of them."""
    parts = []
    numbers = sweep.numbers_of(digits)
    for start in blocks(len(digits), PAIRS):
        wanted = np.minimum(np.arange(start, start + PAIRS), len(digits) - 1)
        chosen = jax.tree.map(lambda leaf, w=wanted: np.asarray(leaf, np.float32)[mappings[w]], sweep.job.mappings)
        chips = chips_at(sweep.tables, digits[wanted].astype(np.int32))
        scores = score_points(chips, sweep.model, sweep.traffic, chosen, sweep.assumptions)
        values = [np.asarray(one, np.float64)[: len(digits) - start] for one in scores]
        good = np.flatnonzero(values[0] > 0.0)
        done = Points(numbers[wanted[good]], mappings[wanted[good]], *(value[good] for value in values))
        parts.append(merged_points([done]))
    return merged_points(parts) if parts else NONE


def every_point(sweep: Sweep, digits: np.ndarray, reduced: bool = True) -> Points:
    """Evaluates designs with every mapping. reduced: front and best points only; else the best of each design too."""
    parts, count, numbers = [], sweep.mappings, sweep.numbers_of(digits)
    for first in blocks(len(digits), DESIGNS):
        rows = min(DESIGNS, len(digits) - first)
        chips = designs_block(sweep, digits, first)
        for index, mapping in enumerate(sweep.lattice):
            width = min(BLOCK, count - index * BLOCK)
            scores = score_points(chips, sweep.model, sweep.traffic, mapping, sweep.assumptions)
            values = [np.asarray(one)[:rows, :width] for one in scores]
            parts.append(merged_points([points_of(values, worth(values), numbers[first:], index)]))
            if not reduced:
                best = values[0] == values[0].max(1, keepdims=True)
                parts.append(points_of(values, best & (values[0] > 0.0), numbers[first:], index))
    return merged_points(parts) if reduced else joined_points(parts)


@jax.jit
def promising(
    chips: Chip,
    model: Transformer,
    traffic: Traffic,
    mappings: Mapping,
    assumptions: Assumptions,
    knots: tuple[Number, Number, Number],
) -> Bool[Array, " designs"]:
    """Which designs of a block have a point that no rival beats: of a block of points all that leaves the program."""
    dollars, speed, joules = scores_of(chips, model, traffic, mappings, assumptions)
    found = Bound(tokens_per_dollar=dollars, output_tokens_per_s_per_user=speed, tokens_per_joule=joules)
    return undominated(found, knots).any(axis=1)


def dense(sweep: Sweep, digits: np.ndarray, found: Points) -> Chunk:
    """Every point of designs by their rows (designs, axes); the front and best of those that no found point beats.

    All points go through the evaluator, in blocks; only the designs that a block has something good of are evaluated
    once more to see what.
    """
    objective = "" if sweep.front else sweep.job.objective
    points, starts = NONE, list(blocks(len(digits), DESIGNS))
    with ThreadPoolExecutor(WORKERS) as pool:
        for begin in blocks(len(starts), ROUND):
            knots = rivals_of(merged_points([found, points]), objective).knots
            work = partial(some_good, sweep, digits, knots)
            good = np.concatenate(list(pool.map(work, starts[begin : begin + ROUND])))
            if len(good):
                points = merged_points([points, every_point(sweep, digits[good])])
    return Chunk(points, Counts(designs=len(digits), evaluated=len(digits) * sweep.mappings))


def some_good(sweep: Sweep, digits: np.ndarray, knots: tuple[np.ndarray, ...], start: int) -> np.ndarray:
    """Places of the designs of a block that have a point that no rival beats."""
    chips = designs_block(sweep, digits, start)
    rest = (sweep.model, sweep.traffic)
    parts = [promising(chips, *rest, mapping, sweep.assumptions, knots) for mapping in sweep.lattice]
    good = start + np.flatnonzero(np.any([np.asarray(part) for part in parts], axis=0))
    return good[good < len(digits)]


def designs_block(sweep: Sweep, digits: np.ndarray, start: int) -> Chip:
    """A block of designs as chips, leaves (DESIGNS, 1), the last repeated behind the end."""
    some = digits[np.minimum(np.arange(start, start + DESIGNS), len(digits) - 1)].astype(np.int32)
    return jax.tree.map(lambda leaf: leaf[:, None], chips_at(sweep.tables, some))


def points_of(values: list[np.ndarray], wanted: np.ndarray, numbers: np.ndarray, block: int) -> Points:
    """Some points of a block, designs x mappings. numbers: of the designs; block: which one of the lattice."""
    row, place = np.nonzero(wanted)
    return Points(numbers[row], block * BLOCK + place, *(value[row, place].astype(np.float64) for value in values))


def worth(values: list[np.ndarray]) -> np.ndarray:
    """Feasible points of a block that its cheapest does not beat, or that are among the best for a joule."""
    dollars, speed, joules = values
    best = np.unravel_index(dollars.argmax(), dollars.shape)
    thrifty = joules >= np.partition(joules, -KEPT, axis=None)[-KEPT]
    return (dollars > 0.0) & ((speed >= speed[best]) | thrifty)
