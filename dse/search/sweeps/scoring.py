"""What are points worth? Designs with mappings through the evaluator, in blocks of fixed shapes."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
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
from dse.search.sweeps import devices
from dse.search.sweeps.bounds import Bound
from dse.search.sweeps.boxes import Rows, Tables, chips_at
from dse.search.sweeps.devices import in_parts
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
from dse.timing.mapping import Mapping
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


def chips_of_block(digits: Rows, tables: Tables) -> Chip:
    """Designs as chips by their rows (designs, axes); leaves (designs, 1)."""
    return jax.tree.map(lambda leaf: leaf[:, None], chips_at(tables, digits))


def scores_and_good(
    chips: Chip,
    model: Transformer,
    traffic: Traffic,
    mappings: Mapping,
    assumptions: Assumptions,
    knots: tuple[Number, Number, Number],
) -> tuple[Number, Number, Number, Bool[Array, "designs mappings"]]:
    """Scores of designs, leaves (designs, 1), with mappings, leaves (mappings,), and where no rival beats them."""
    dollars, speed, joules = scores_of(chips, model, traffic, mappings, assumptions)
    found = Bound(tokens_per_dollar=dollars, output_tokens_per_s_per_user=speed, tokens_per_joule=joules)
    return dollars, speed, joules, undominated(found, knots)


chips_block = in_parts(chips_of_block, others=1)
score_block = in_parts(scores_and_good, others=5)


@dataclass(frozen=True)
class Block:
    """What designs are worth with a block of mappings.

    number: of the designs (designs,); mapping: place of each mapping in the lattice (mappings,); dollars, speed,
    joules: the scores; good: where no rival beats them. These have rows and columns more where blocks are padded.
    """

    number: np.ndarray
    mapping: np.ndarray
    dollars: np.ndarray
    speed: np.ndarray
    joules: np.ndarray
    good: np.ndarray

    def points(self, wanted: np.ndarray) -> Points:
        """Those of the points that are wanted (designs, mappings), without padding."""
        places = np.flatnonzero(wanted)
        row, column = np.divmod(places, self.good.shape[1])
        real = (row < len(self.number)) & (column < len(self.mapping))
        places, row, column = places[real], row[real], column[real]
        values = (one.ravel()[places].astype(np.float64) for one in (self.dollars, self.speed, self.joules))
        return Points(self.number[row], self.mapping[column], *values)

    @property
    def best(self) -> Points:
        """The good points that the cheapest of them does not beat, or that are among the best for a joule."""
        points = self.points(self.good)
        if len(points.number) <= KEPT:
            return points
        thrifty = points.joules >= np.partition(points.joules, -KEPT)[-KEPT]
        return points.take(np.flatnonzero(thrifty | (points.speed >= points.speed[points.dollars.argmax()])))

    @property
    def best_of_each(self) -> Points:
        """The point of each design that gives most for a dollar, where one is good."""
        return self.points(self.good & (self.dollars == self.dollars.max(1, keepdims=True)))


def scored(sweep: Sweep, digits: np.ndarray, knots: tuple[np.ndarray, ...], start: int) -> list[Block]:
    """As many designs as go into a block, from a start on, with all mappings. digits: rows of all (designs, axes)."""
    rows = np.arange(start, start + DESIGNS * devices.count())
    some = digits[np.minimum(rows, len(digits) - 1)]
    chips = chips_block(some.astype(np.int32), sweep.tables)
    rest = sweep.model, sweep.traffic
    done = [score_block(chips, *rest, mappings, sweep.assumptions, knots) for mappings in sweep.lattice]
    numbers, every = sweep.numbers_of(some[: len(digits) - start]), np.arange(sweep.mappings)
    parts = [every[first : first + sweep.width] for first in blocks(len(every), sweep.width)]
    return [Block(numbers, part, *map(np.asarray, one)) for part, one in zip(parts, done, strict=True)]


def every_point(sweep: Sweep, digits: np.ndarray) -> Points:
    """Designs by their rows (designs, axes) with every mapping: front and best points, and the best of each design."""
    ready, parts = on_devices(sweep), []
    for start in blocks(len(digits), DESIGNS * devices.count()):
        for block in scored(ready, digits, rivals_of(NONE).knots, start):
            parts += [merged_points([block.best]), block.best_of_each]
    return joined_points(parts)


def dense(sweep: Sweep, digits: np.ndarray, found: Points) -> Chunk:
    """Every point of designs by their rows (designs, axes); the front and best of those that no found point beats.

    All points go through the evaluator, in blocks; all that leaves it is whether any is good, and then which.
    """
    objective = "" if sweep.front else sweep.job.objective
    size = DESIGNS * devices.count()
    ready, points = on_devices(sweep), NONE
    waiting: Iterable[Points] = ()
    with ThreadPoolExecutor(WORKERS) as pool:
        for begin in blocks(len(digits), ROUND * size):
            knots = rivals_of(merged_points([found, points]), objective).knots
            starts = range(begin, min(begin + ROUND * size, len(digits)), size)
            # The blocks of a round are worked on while what the last one found is merged.
            begun = pool.map(partial(good_points, ready, digits, knots), starts)
            points, waiting = merged_points([points, *waiting]), begun
        points = merged_points([points, *waiting])
    return Chunk(points, Counts(designs=len(digits), evaluated=len(digits) * sweep.mappings))


def good_points(sweep: Sweep, digits: np.ndarray, knots: tuple[np.ndarray, ...], start: int) -> Points:
    """Points of the designs of a block that no rival beats."""
    return joined_points([block.best for block in scored(sweep, digits, knots, start) if block.good.any()])


def on_devices(sweep: Sweep) -> Sweep:
    """The sweep with what its programs share on all devices."""
    names = ("tables", "model", "traffic", "assumptions", "lattice")
    return replace(sweep, **dict(zip(names, devices.everywhere([getattr(sweep, name) for name in names]), strict=True)))
