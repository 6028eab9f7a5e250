"""Which point of a whole grid is best? Every design with every mapping, but for those that provably cannot be.

Designs are visited in an order in which every beginning is spread over the grid, in chunks that grow. Of a chunk,
designs that break a limit of the chip itself go first: no mapping mends them. Then, for what is left, an upper bound
of each point is held against what is already found: a point is skipped only when a found one is at least as fast and
cheaper than the bound, and burns no more for a token. What remains is evaluated. So the optima and the front are those
of the exhaustive sweep.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from dse.analysis.comparison import Job, pareto_front
from dse.arrays import Number
from dse.assumptions import Assumptions
from dse.best_mapping import DESIGNS, as_type, blocks, count_of, padded
from dse.catalogue.build import build_chips
from dse.evaluate import evaluate
from dse.hardware.chip import Chip
from dse.search.bounds import TOLERANCE, Bound, Quick, Work, bound_of, quick_of, work_of
from dse.search.grid import Grid
from dse.timing.mapping import BLOCK, Mapping
from dse.workload.traffic import Traffic
from dse.workload.transformer import Transformer

__all__ = [
    "Chunk",
    "Counts",
    "Points",
    "Sweep",
    "best_of_designs",
    "chunk_of",
    "chunks_of",
    "merged_points",
    "prepare",
    "sample_of",
    "sample_size",
]

FIRST_CHUNK, CHUNK = 1024, 131072
"""Designs of the first chunk, which finds what the next ones are held against, and of the largest [1]."""

BUILT = 16384
"""Designs that are built and screened at once [1]."""

PAIRS = 8192
"""Points, each a design with a mapping, that are evaluated at once after screening [1]."""

KNOTS = 32
"""Points of the front that bounds are held against [1]."""

KEPT = 8
"""Best points for each objective that a chunk keeps, so that one which double precision refuses has a successor [1]."""

SAMPLE = 256
"""Designs that are evaluated under every mapping and kept, whether they can do the job or not [1]."""


@dataclass(frozen=True)
class Points:
    """Feasible points: number of the design, place of the mapping in the lattice, and its values; all (points,)."""

    number: np.ndarray
    mapping: np.ndarray
    dollars: np.ndarray
    speed: np.ndarray
    joules: np.ndarray

    def take(self, places: np.ndarray) -> Points:
        """Some of the points."""
        return Points(*(getattr(self, name)[places] for name in POINT))


POINT = tuple(Points.__dataclass_fields__)
NONE = Points(*(np.zeros(0, np.int64) for _ in range(2)), *(np.zeros(0) for _ in range(3)))


@dataclass(frozen=True)
class Counts:
    """What became of designs and points.

    designs: seen; broken: by a limit of the chip; beaten: by the bound before any mapping is looked at one by one;
    screened, evaluated: points bounded one by one, and points evaluated [1].
    """

    designs: int = 0
    broken: int = 0
    beaten: int = 0
    screened: int = 0
    evaluated: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Sum of both."""
        return Counts(*(getattr(self, name) + getattr(other, name) for name in Counts.__dataclass_fields__))


@dataclass(frozen=True)
class Sweep:
    """A grid and the job of its designs, ready for the evaluator.

    prune: leave out what cannot be best; the rest in single precision: model, traffic, assumptions, and the lattice in
    blocks with the work of each mapping.
    """

    grid: Grid
    job: Job
    prune: bool
    model: Transformer
    traffic: Traffic
    assumptions: Assumptions
    lattice: tuple[tuple[Mapping, Work], ...]

    @property
    def mappings(self) -> int:
        """Mappings of every design [1]."""
        return int(np.size(self.job.mappings.batch))

    def numbers(self, start: int, stop: int) -> np.ndarray:
        """Numbers of the designs at these places of the order: each once, every beginning spread over the grid.

        Multiples of a step near the golden section of the grid and coprime to its size.
        """
        total = self.grid.designs
        step = max(round(total * (math.sqrt(5.0) - 1.0) / 2.0), 1)
        while math.gcd(step, total) > 1:
            step += 1
        return np.arange(start, stop, dtype=np.int64) * step % total

    def chips(self, numbers: np.ndarray) -> Chip:
        """Designs as chips in single precision, leaves (designs,)."""
        built = build_chips(self.grid.columns(numbers), self.job.library)
        return jax.tree.map(lambda leaf: np.broadcast_to(np.asarray(leaf, np.float32), numbers.shape), built)


@dataclass(frozen=True)
class Chunk:
    """What a chunk of designs comes to: its front and its best points, and what became of the others."""

    points: Points
    counts: Counts


def prepare(grid: Grid, job: Job, prune: bool = True) -> Sweep:
    """A sweep of a grid for a job."""
    model, traffic, assumptions = as_type((job.transformer, job.requests, job.assumptions), np.float32)
    drafted = assumptions.serving.draft_tokens
    lattice = []
    for start in blocks(count_of(job.mappings), BLOCK):
        block = padded(job.mappings, BLOCK, start, np.float32)
        lattice.append(jax.device_put((block, work_of(model, traffic, block, drafted))))
    return Sweep(grid, job, prune, model, traffic, assumptions, tuple(lattice))


def chunks_of(designs: int) -> Iterator[tuple[int, int]]:
    """First place and end of every chunk, each twice as large as the last up to the largest.

    >>> list(chunks_of(4000))
    [(0, 1024), (1024, 3072), (3072, 4000)]
    """
    start, size = 0, FIRST_CHUNK
    while start < designs:
        yield start, min(start + size, designs)
        start, size = start + size, min(2 * size, CHUNK)


@jax.jit
def score_points(
    chips: Chip, model: Transformer, traffic: Traffic, mappings: Mapping, assumptions: Assumptions
) -> tuple[Number, Number, Number]:
    """Tokens per dollar, per second and user, per joule; 0 where a limit is exceeded."""
    metrics = evaluate(chips, model, traffic, mappings, assumptions)
    values = (metrics.tokens_per_dollar, metrics.output_tokens_per_s_per_user, metrics.tokens_per_joule)
    shape = jnp.shape(metrics.worst_limit)
    return tuple(jnp.where(metrics.worst_limit <= 0.0, jnp.broadcast_to(value, shape), 0.0) for value in values)  # pyright: ignore[reportReturnType]


def undominated(bound: Bound, rivals: tuple[Number, Number, Number]) -> Bool[Array, "..."]:
    """Where a point may still be on the front, or the best for a joule. rivals: as from `rivals_of`."""
    speeds, dollars, joules = rivals
    faster = bound.output_tokens_per_s_per_user[..., None] <= speeds
    beaten = jnp.max(jnp.where(faster, dollars, 0.0), -1) > bound.tokens_per_dollar
    return (bound.tokens_per_dollar > 0.0) & (~beaten | (bound.tokens_per_joule >= joules))


@jax.jit
def screen(
    quick: Quick,
    work: Work,
    model: Transformer,
    traffic: Traffic,
    mapping: Mapping,
    assumptions: Assumptions,
    rivals: tuple[Number, Number, Number],
) -> Bool[Array, "designs mappings"]:
    """Which points of a block, designs x mappings, must be evaluated; (designs, mappings)."""
    return undominated(bound_of(quick, work, model, traffic, mapping, assumptions), rivals)


def rivals_of(points: Points) -> tuple[np.ndarray, np.ndarray, np.float32]:
    """What bounds are held against: speeds and dollars of the front, spread over it, and the most for a joule."""
    front = front_of(points)
    places = np.unique(np.round(np.linspace(0, len(front.number) - 1, KNOTS)).astype(int)) if len(front.number) else []
    speeds, dollars = np.zeros(KNOTS, np.float32), np.zeros(KNOTS, np.float32)
    speeds[: len(places)], dollars[: len(places)] = front.speed[places], front.dollars[places]
    return speeds, dollars, np.float32(points.joules.max(initial=0.0))


def front_of(points: Points) -> Points:
    """Points than which none is as fast and gives more for a dollar, the most for a dollar first."""
    return points.take(pareto_front(-points.dollars, points.speed)) if len(points.number) else points


def joined_points(parts: list[Points]) -> Points:
    """Several sets of points as one."""
    return Points(*(np.concatenate([getattr(part, name) for part in parts]) for name in POINT)) if parts else NONE


def merged_points(parts: list[Points]) -> Points:
    """The front of several sets of points, and their best for each objective, in order of number."""
    every = joined_points(parts)
    front = pareto_front(-every.dollars, every.speed) if len(every.number) else np.zeros(0, np.int64)
    best = [np.argsort(-getattr(every, name), kind="stable")[:KEPT] for name in ("dollars", "speed", "joules")]
    places = np.unique(np.concatenate([front, *best]).astype(np.int64))
    return every.take(places[np.lexsort((every.mapping[places], every.number[places]))])


def column(chips: Chip, places: np.ndarray | slice) -> Chip:
    """Some of the designs."""
    return jax.tree.map(lambda leaf: leaf[places], chips)


def points_at(sweep: Sweep, chips: Chip, numbers: np.ndarray, designs: np.ndarray, mappings: np.ndarray) -> Points:
    """Evaluates designs, places among the numbers, with a mapping each."""
    parts = []
    for start in blocks(len(designs), PAIRS):
        wanted = np.minimum(np.arange(start, start + PAIRS), len(designs) - 1)
        chosen = jax.tree.map(lambda leaf, w=wanted: np.asarray(leaf, np.float32)[mappings[w]], sweep.job.mappings)
        scores = score_points(column(chips, designs[wanted]), sweep.model, sweep.traffic, chosen, sweep.assumptions)
        values = [np.asarray(one, np.float64)[: len(designs) - start] for one in scores]
        good = np.flatnonzero(values[0] > 0.0)
        done = Points(numbers[designs[wanted[good]]], mappings[wanted[good]], *(value[good] for value in values))
        parts.append(merged_points([done]))
    return merged_points(parts)


def every_point(sweep: Sweep, chips: Chip, numbers: np.ndarray, reduced: bool = True) -> Points:
    """Evaluates designs with every mapping. reduced: front and best points only; else the best of each design too."""
    parts, count = [], sweep.mappings
    for first in blocks(len(numbers), DESIGNS):
        some = jax.tree.map(lambda leaf: leaf[:, None], padded(chips, DESIGNS, first, np.float32))
        rows = min(DESIGNS, len(numbers) - first)
        for index, (mapping, _) in enumerate(sweep.lattice):
            width = min(BLOCK, count - index * BLOCK)
            scores = score_points(some, sweep.model, sweep.traffic, mapping, sweep.assumptions)
            values = [np.asarray(one)[:rows, :width] for one in scores]
            row, place = np.nonzero(kept_of(values, reduced))
            done = (value[row, place].astype(np.float64) for value in values)
            points = Points(numbers[first + row], index * BLOCK + place, *done)
            parts.append(merged_points([points]) if reduced else points)
    return merged_points(parts) if reduced else joined_points(parts)


def kept_of(values: list[np.ndarray], reduced: bool) -> np.ndarray:
    """Feasible points of a block, designs x mappings, that its cheapest does not beat, or that are best for a joule.

    reduced: as above; else the best of each design for a dollar as well.
    """
    dollars, speed, joules = values
    best = np.unravel_index(dollars.argmax(), dollars.shape)
    worth = (speed >= speed[best]) | (joules >= np.partition(joules, -KEPT, axis=None)[-KEPT])
    if not reduced:
        worth |= dollars == dollars.max(1, keepdims=True)
    return (dollars > 0.0) & worth


def screened_points(sweep: Sweep, chips: Chip, numbers: np.ndarray, rivals: tuple) -> tuple[Points, Counts]:
    """Evaluates the points of some designs that the bound leaves."""
    designs, mappings, count = [], [], sweep.mappings
    for first in blocks(len(numbers), DESIGNS):
        some = jax.tree.map(lambda leaf: leaf[:, None], padded(chips, DESIGNS, first, np.float32))
        quick = quick_of(some, sweep.assumptions)
        rows = min(DESIGNS, len(numbers) - first)
        for index, (mapping, work) in enumerate(sweep.lattice):
            left = screen(quick, work, sweep.model, sweep.traffic, mapping, sweep.assumptions, rivals)
            row, place = np.nonzero(np.asarray(left)[:rows, : count - index * BLOCK])
            designs.append(first + row)
            mappings.append(index * BLOCK + place)
    where = np.concatenate(designs), np.concatenate(mappings)
    points = points_at(sweep, chips, numbers, *where) if len(where[0]) else NONE
    return points, Counts(screened=len(numbers) * count, evaluated=len(where[0]))


def part_of(sweep: Sweep, rivals: tuple, numbers: np.ndarray) -> Chunk:
    """The points of at most BUILT designs."""
    some, left, counts = sound_designs(sweep, numbers)
    if not len(left):
        return Chunk(NONE, counts)
    if not sweep.prune:
        return Chunk(every_point(sweep, some, left), counts + Counts(evaluated=len(left) * sweep.mappings))
    points, screened = screened_points(sweep, some, left, rivals)
    return Chunk(points, counts + screened)


def sound_designs(sweep: Sweep, numbers: np.ndarray) -> tuple[Chip, np.ndarray, Counts]:
    """The designs that keep the limits of the chip itself, and their numbers."""
    chips = sweep.chips(numbers)
    quick = quick_of(padded(chips, BUILT, 0, np.float32), sweep.assumptions)
    sound = np.asarray(quick.excess)[: len(numbers)] <= TOLERANCE
    return column(chips, sound), numbers[sound], Counts(designs=len(numbers), broken=int((~sound).sum()))


def chunk_of(sweep: Sweep, start: int, stop: int, found: Points) -> Chunk:
    """The points of the designs at these places of the order. found: points of the sweep that are known already."""
    starts = range(start, stop, BUILT)
    parts = [sweep.numbers(one, min(one + BUILT, stop)) for one in starts]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(partial(part_of, sweep, rivals_of(found)), parts))
    return Chunk(merged_points([one.points for one in done]), sum((one.counts for one in done), Counts()))


def sample_size(designs: int) -> int:
    """Designs of the sample of a sweep of so many [1]."""
    return min(SAMPLE, designs)


def sample_of(sweep: Sweep, designs: int) -> Chunk:
    """The first designs of the order under every mapping: their front, their best points, and the best of each."""
    some, left, counts = sound_designs(sweep, sweep.numbers(0, designs))
    points = every_point(sweep, some, left, reduced=False) if len(left) else NONE
    return Chunk(points, counts + Counts(evaluated=len(left) * sweep.mappings))


def best_of_designs(points: Points) -> Points:
    """The point of each design that gives most for a dollar."""
    order = points.take(np.lexsort((-points.dollars, points.number)))
    return order.take(np.unique(order.number, return_index=True)[1])
