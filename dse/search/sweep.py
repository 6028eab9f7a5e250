"""Which point of a whole grid is best? Every design with every mapping, but for those that provably cannot be.

Designs are visited in an order in which every beginning is spread over the grid, in chunks that grow. Of a chunk,
designs that break a limit of the chip itself go first: no mapping mends them. What is left is held against what is
already found by ever tighter bounds: the roofs of a few groups of mappings, of each mapping, and the merged evaluation
of each point. A point is skipped only when a found one is at least as fast and cheaper than its bound, and burns no
more for a token. What remains is evaluated. So the optima and the front are those of the exhaustive sweep.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from dse.analysis.comparison import Job
from dse.analysis.quality import check_space
from dse.arrays import Number
from dse.assumptions import Assumptions
from dse.best_mapping import DESIGNS, as_type, blocks, count_of, padded
from dse.catalogue.build import build_chips
from dse.evaluate import evaluate
from dse.hardware.chip import Chip
from dse.search.bounds import TOLERANCE, Quick, Work, bound_of, quick_of, work_of
from dse.search.grid import Grid
from dse.search.points import KEPT, NONE, Points, Rivals, joined_points, merged_points, rivals_of, undominated
from dse.search.roofs import Needs, grouped, least, needs_of, roof_of
from dse.timing.mapping import BLOCK, Mapping
from dse.workload.traffic import Traffic
from dse.workload.transformer import Transformer

__all__ = [
    "Chunk",
    "Counts",
    "Sweep",
    "chunk_of",
    "chunks_of",
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

WORKERS = 2
"""Parts of a chunk that are worked on at once [1]."""

GROUPS = ((32, BUILT), (512, 1024))
"""Groups of mappings whose roofs a design is held against, few before many, and designs at once [1]."""

SAMPLE = 256
"""Designs that are evaluated under every mapping and kept, whether they can do the job or not [1]."""


T = TypeVar("T")


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

    prune: leave out what cannot be best; front: look for the front and all optima, else for the optimum of the job's
    objective alone. The rest is in single precision: model, traffic, assumptions, the lattice in blocks, the work of
    each mapping, and what groups of mappings, and each in blocks, need.
    """

    grid: Grid
    job: Job
    prune: bool
    front: bool
    model: Transformer
    traffic: Traffic
    assumptions: Assumptions
    lattice: tuple[Mapping, ...]
    work: Work
    coarse: tuple[Needs, ...]
    fine: tuple[Needs, ...]

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


def prepare(grid: Grid, job: Job, prune: bool = True, front: bool = True) -> Sweep:
    """A sweep of a grid for a job; arguments as in Sweep. CatalogueError where quality counts that nobody measured."""
    check_space(grid.space, job.quality, job.library)
    model, traffic, assumptions = as_type((job.transformer, job.requests, job.assumptions), np.float32)
    serving, count = assumptions.serving, count_of(job.mappings)
    chip = as_type(build_chips(grid.design(0), job.library), np.float32)
    lattice, works, needs = [], [], []
    for start in blocks(count, BLOCK):
        block = padded(job.mappings, BLOCK, start, np.float32)
        work = work_of(model, traffic, block, serving.draft_tokens)
        lattice.append(block)
        works.append(work)
        needs.append(needs_of(chip, work, model, traffic, block, serving))
    every: Needs = along(needs, count)
    return Sweep(
        grid=grid,
        job=job,
        prune=prune,
        front=front,
        model=model,
        traffic=traffic,
        assumptions=assumptions,
        lattice=tuple(jax.device_put(lattice)),
        work=along(works, count),
        coarse=tuple(jax.device_put(least(every, grouped(every, count))) for count, _ in GROUPS),
        fine=tuple(needs),
    )


def along(parts: list[T], count: int) -> T:
    """Blocks of mappings as one, the last axis of every leaf so long."""
    return jax.tree.map(lambda *leaves: np.concatenate(leaves, -1)[..., :count], *parts)


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


@jax.jit
def unbeaten(
    quick: Quick, needs: Needs, traffic: Traffic, assumptions: Assumptions, rivals: Rivals
) -> Bool[Array, "designs groups"]:
    """Which groups of mappings may hold a point worth evaluating, for each design; by their roofs."""
    return undominated(roof_of(quick, needs, traffic, assumptions), rivals)


@jax.jit
def screen(
    quick: Quick,
    work: Work,
    model: Transformer,
    traffic: Traffic,
    mapping: Mapping,
    assumptions: Assumptions,
    rivals: Rivals,
) -> Bool[Array, " points"]:
    """Which points must be evaluated, by the merged evaluation; all leaves (points,)."""
    return undominated(bound_of(quick, work, model, traffic, mapping, assumptions), rivals)


def column(designs: T, places: np.ndarray) -> T:
    """Some of the designs."""
    return jax.tree.map(lambda leaf: leaf[places], designs)


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
        for index, mapping in enumerate(sweep.lattice):
            width = min(BLOCK, count - index * BLOCK)
            scores = score_points(some, sweep.model, sweep.traffic, mapping, sweep.assumptions)
            values = [np.asarray(one)[:rows, :width] for one in scores]
            parts.append(merged_points([points_of(values, worth(values), numbers[first:], index)]))
            if not reduced:
                best = values[0] == values[0].max(1, keepdims=True)
                parts.append(points_of(values, best & (values[0] > 0.0), numbers[first:], index))
    return merged_points(parts) if reduced else joined_points(parts)


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


def screened_points(sweep: Sweep, sound: tuple[Chip, Quick, np.ndarray], rivals: Rivals) -> tuple[Points, Counts]:
    """Evaluates the points of some designs that the bounds leave. sound: designs with their numbers."""
    chips, quick, numbers = sound
    designs, mappings, count = [], [], sweep.mappings
    for first in blocks(len(numbers), DESIGNS):
        some = jax.tree.map(lambda leaf: leaf[:, None], padded(quick, DESIGNS, first, np.float32))
        rows = min(DESIGNS, len(numbers) - first)
        for index, needs in enumerate(sweep.fine):
            left = unbeaten(some, needs, sweep.traffic, sweep.assumptions, rivals)
            row, place = np.nonzero(np.asarray(left)[:rows, : count - index * BLOCK])
            designs.append(first + row)
            mappings.append(index * BLOCK + place)
    design, mapping = tighter(sweep, quick, np.concatenate(designs), np.concatenate(mappings), rivals)
    points = points_at(sweep, chips, numbers, design, mapping) if len(design) else NONE
    return points, Counts(screened=len(numbers) * count, evaluated=len(design))


def tighter(
    sweep: Sweep, quick: Quick, designs: np.ndarray, mappings: np.ndarray, rivals: Rivals
) -> tuple[np.ndarray, np.ndarray]:
    """The designs and mappings, a pair a point, that the merged evaluation leaves of those that the roofs left."""
    kept = [np.zeros(0, bool)]
    for start in blocks(len(designs), PAIRS):
        wanted = np.minimum(np.arange(start, start + PAIRS), len(designs) - 1)
        some = column(quick, designs[wanted])
        mapping, work = (
            jax.tree.map(lambda leaf, w=wanted: np.asarray(leaf, np.float32)[..., mappings[w]], tree)
            for tree in (sweep.job.mappings, sweep.work)
        )
        left = screen(some, work, sweep.model, sweep.traffic, mapping, sweep.assumptions, rivals)
        kept.append(np.asarray(left)[: len(designs) - start])
    left = np.concatenate(kept)
    return designs[left], mappings[left]


def part_of(sweep: Sweep, rivals: Rivals, numbers: np.ndarray) -> Chunk:
    """The points of at most BUILT designs."""
    (chips, quick, left), counts = sound_designs(sweep, numbers, rivals if sweep.prune else None)
    if not len(left):
        return Chunk(NONE, counts)
    if not sweep.prune:
        return Chunk(every_point(sweep, chips, left), counts + Counts(evaluated=len(left) * sweep.mappings))
    points, screened = screened_points(sweep, (chips, quick, left), rivals)
    return Chunk(points, counts + screened)


def sound_designs(
    sweep: Sweep, numbers: np.ndarray, rivals: Rivals | None
) -> tuple[tuple[Chip, Quick, np.ndarray], Counts]:
    """The designs that keep the limits of the chip itself and that rivals do not beat, if there are any."""
    chips = sweep.chips(numbers)
    padding = padded(chips, BUILT, 0, np.float32)
    quick = quick_of(padding, sweep.assumptions, sweep.traffic)
    sound = np.asarray(quick.excess)[: len(numbers)] <= TOLERANCE
    each, places = widened(quick), np.flatnonzero(sound)
    if rivals is not None:
        for needs, (_, size) in zip(sweep.coarse, GROUPS, strict=True):
            places = places[still(sweep, needs, column(each, places), size, rivals)]
    counts = Counts(len(numbers), int((~sound).sum()), int(sound.sum()) - len(places))
    return (column(chips, places), column(each, places), numbers[places]), counts


def still(sweep: Sweep, needs: Needs, quick: Quick, size: int, rivals: Rivals) -> np.ndarray:
    """Which designs have a group of mappings that rivals do not beat; so many designs at once."""
    count = len(quick.rate)
    kept: list[np.ndarray] = [np.zeros(0, bool)]
    for start in blocks(count, size):
        some = jax.tree.map(lambda leaf: leaf[:, None], padded(quick, size, start, np.float32))
        left = unbeaten(some, needs, sweep.traffic, sweep.assumptions, rivals)
        kept.append(np.any(np.asarray(left)[: count - start], axis=1))
    return np.concatenate(kept)


def widened(quick: Quick) -> Quick:
    """Every leaf one value a design."""
    return jax.tree.map(lambda leaf: np.broadcast_to(np.asarray(leaf), (BUILT,)), quick)


def chunk_of(sweep: Sweep, start: int, stop: int, found: Points) -> Chunk:
    """The points of the designs at these places of the order. found: points of the sweep that are known already."""
    size = min(max(-(-(stop - start) // WORKERS), DESIGNS), BUILT)
    parts = [sweep.numbers(one, min(one + size, stop)) for one in range(start, stop, size)]
    rivals = rivals_of(found, "" if sweep.front else sweep.job.objective)
    with ThreadPoolExecutor(WORKERS) as pool:
        done = list(pool.map(partial(part_of, sweep, rivals), parts))
    return Chunk(merged_points([one.points for one in done]), sum((one.counts for one in done), Counts()))


def sample_size(designs: int) -> int:
    """Designs of the sample of a sweep of so many [1]."""
    return min(SAMPLE, designs)


def sample_of(sweep: Sweep, designs: int) -> Chunk:
    """The first designs of the order under every mapping: their front, their best points, and the best of each."""
    (chips, _, left), counts = sound_designs(sweep, sweep.numbers(0, designs), None)
    points = every_point(sweep, chips, left, reduced=False) if len(left) else NONE
    return Chunk(points, counts + Counts(evaluated=len(left) * sweep.mappings))
