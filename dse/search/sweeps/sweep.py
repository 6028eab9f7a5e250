"""Which point of a whole grid is best? Every design with every mapping, but for those that provably cannot be.

A few designs are evaluated under all mappings; from the best of them it is climbed to better ones, one field at a time,
because what is found early decides how much can be left out. Then the grid is covered, region by region, by branch and
bound (`branch`): what is skipped is beaten by a found point. For the whole front that is one at least as fast, cheaper
than the bound and burning no more for a token; at stated speeds one that is as fast as the speed below the bound, and
cheaper. So what is sought is that of the exhaustive sweep, which evaluates all there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from dse.analysis.comparison import Job
from dse.analysis.quality import check_space, has_experts
from dse.arrays import Number
from dse.assumptions import Assumptions
from dse.best_mapping import OBJECTIVES, as_type, blocks, count_of, padded
from dse.catalogue.build import build_chips
from dse.search.sweeps.bounds import work_of
from dse.search.sweeps.boxes import Tables, every_value, tables_of
from dse.search.sweeps.branch import dive, explore, order_of
from dse.search.sweeps.cover import designs_in
from dse.search.sweeps.grid import Grid
from dse.search.sweeps.groups import tree_of
from dse.search.sweeps.points import KEPT, OF_POINTS, Chunk, Counts, Points, answers, merged_points
from dse.search.sweeps.roofs import Needs, needs_of, roof_of, shape_of
from dse.search.sweeps.scoring import dense, every_point
from dse.search.sweeps.sheet import sheets_at
from dse.search.sweeps.swept import Sweep
from dse.timing.mapping import BLOCK
from dse.workload.traffic import Traffic

__all__ = ["chunk_of", "climbed", "prepare", "sample_of", "sample_size"]

SAMPLE = 256
"""Designs that are evaluated under every mapping and kept, whether they can do the job or not [1]."""

CLIMBS = 64
"""Most rounds of looking at the neighbours of the best designs [1]."""

HOPE = 0.5
"""Share of what makes a speed worth it from which it is climbed to more at that speed [1]."""

CLIMBERS = 64
"""Designs whose neighbours are looked at in a round [1]."""

STEP = 128
"""Mappings of which blocks of a lattice are multiples [1]."""

T = TypeVar("T")


def prepare(
    grid: Grid,
    job: Job,
    prune: bool = True,
    front: bool = True,
    apart: np.ndarray | None = None,
    speeds: Sequence[float] = (),
    share: float = 0.0,
) -> Sweep:
    """A sweep of a grid for a job; arguments as in Sweep, apart: 1 of every axis where nothing is given.

    CatalogueError where quality counts that nobody measured.
    """
    check_space(grid.space, job.quality, job.library, has_experts(job.transformer))
    model, traffic, assumptions = as_type((job.transformer, job.requests, job.assumptions), np.float32)
    serving, count = assumptions.serving, count_of(job.mappings)
    columns = grid.columns_at(np.zeros((len(grid.shape), 1), np.int64))
    chip = as_type(jax.tree.map(lambda leaf: leaf[0], build_chips(columns, job.library)), np.float32)
    tables = jax.device_put(tables_of(grid, job.library))
    shapes, form = every_value(tables, shape_of), jax.tree.structure(shape_of(chip))
    lattice, works, needs = [], [], []
    width = width_of(count)
    for start in blocks(count, width):
        block = padded(job.mappings, width, start, np.float32)
        work = work_of(model, traffic, block, serving.draft_tokens)
        lattice.append(block)
        works.append(work)
        asked = (work, model, traffic, block, serving)
        needs.append([needs_of(chip, jax.tree.unflatten(form, one.tolist()), *asked) for one in shapes])
    every = [along([parts[index] for parts in needs], count) for index in range(len(shapes))]
    sweep = Sweep(
        grid=grid,
        job=job,
        prune=prune,
        front=front,
        speeds=np.array(speeds, float),
        share=share,
        tables=tables,
        shapes=shapes,
        apart=np.ones(len(grid.shape), np.int64) if apart is None else apart,
        order=np.zeros(0, np.int64),
        model=model,
        traffic=traffic,
        assumptions=assumptions,
        lattice=tuple(jax.device_put(lattice)),
        work=along(works, count),
        tree=tree_of(every, weights_of(every[0], grid, tables, (traffic, assumptions))),
    )
    return replace(sweep, order=order_of(sweep))


def width_of(mappings: int) -> int:
    """Mappings of a block of a lattice of so many [1]: about BLOCK, with next to nothing behind the end of the last.

    A multiple of few, so that lattices of about one size share a program.

    >>> width_of(11520), width_of(77976), width_of(1), width_of(5000)
    (3840, 3968, 128, 2560)
    """
    return -(-mappings // (-(-mappings // BLOCK) * STEP)) * STEP


REFERENCES = 64
"""Designs from which it is read how much each need of a mapping matters [1]."""

LEAST_WEIGHT = 0.02
"""Weight of a need that does not matter where it was tried, over the sum of those that do [1]."""


def weights_of(needs: Needs, grid: Grid, tables: Tables, job: tuple[Traffic, Assumptions]) -> np.ndarray:
    """By how much dollars a token rise with each need (rows,) [1]: of some designs under their best mappings."""
    generator = np.random.default_rng(0)
    digits = np.stack([generator.integers(0, rows, REFERENCES) for rows in grid.shape], 1)
    sheet = jax.tree.map(lambda leaf: leaf[:, None], sheets_at(tables, digits, job[1], job[0]))
    best = np.asarray(roof_of(sheet, needs, *job).tokens_per_dollar).argmax(1)
    chosen = jax.tree.map(lambda leaf: jnp.log(jnp.maximum(leaf[..., best], 1e-30)), needs)
    sheet = jax.tree.map(lambda leaf: leaf[:, 0], sheet)

    def value(logarithms: Needs) -> Number:
        found = roof_of(sheet, jax.tree.map(jnp.exp, logarithms), *job).tokens_per_dollar
        return jnp.log(jnp.maximum(found, 1e-30)).sum()

    slopes = [np.atleast_2d(leaf) for leaf in jax.tree.leaves(jax.jit(jax.grad(value))(chosen))]
    weights = np.abs(np.nan_to_num(np.concatenate(slopes))).sum(1)
    return weights / max(weights.sum(), 1e-30) + LEAST_WEIGHT


def along(parts: list[T], count: int) -> T:
    """Blocks of mappings as one, the last axis of every leaf so long."""
    return jax.tree.map(lambda *leaves: np.concatenate(leaves, -1)[..., :count], *parts)


def chunk_of(sweep: Sweep, first: np.ndarray, last: np.ndarray, found: Points) -> Chunk:
    """The points of boxes (boxes, axes) that may be best. found: points of the sweep that are known already."""
    if sweep.prune:
        return explore(sweep, first, last, found)
    return dense(sweep, np.concatenate([designs_in(*box) for box in zip(first, last, strict=True)]), found)


def sample_size(designs: int) -> int:
    """Designs of the sample of a sweep of so many [1]."""
    return min(SAMPLE, designs)


def sample_of(sweep: Sweep, designs: int) -> Chunk:
    """The first designs of the order under every mapping: their front, their best points, and the best of each."""
    points = every_point(sweep, sweep.digits_of(sweep.numbers(0, designs)))
    return Chunk(points, Counts(evaluated=designs * sweep.mappings))


def climbed(sweep: Sweep, found: Points) -> Chunk:
    """Points that dives find, and from the best by changing one field at a time, until nothing better comes."""
    sweep = replace(sweep, share=sweep.share * HOPE)
    first = dives(sweep, found)
    points, counts, seen = first.points, first.counts, np.zeros(0, np.int64)
    for _ in range(CLIMBS):
        known = merged_points([found, points])
        best = np.setdiff1d(promising(sweep, known).number, seen)[:CLIMBERS]
        if not len(best):
            break
        seen = np.union1d(seen, best)
        near = np.unique(neighbours(sweep, best))
        digits = sweep.digits_of(near)
        chunk = explore(sweep, digits, digits, known)
        points, counts = merged_points([points, chunk.points]), counts + chunk.counts
    return Chunk(points, Counts(bounds=counts.bounds, evaluated=counts.evaluated))


def dives(sweep: Sweep, found: Points) -> Chunk:
    """A dive for what is sought, and one for every stated speed until none finds a point that is as fast."""
    chunk = dive(sweep, found)
    points, counts = chunk.points, chunk.counts
    for speed in sweep.speeds if sweep.stated else ():
        known = merged_points([found, points])
        fast = known.take(np.flatnonzero(known.speed >= speed))
        chunk = dive(faster(sweep, speed), fast)
        points, counts = merged_points([points, chunk.points]), counts + chunk.counts
        if speed not in sweep.sought(merged_points([known, points])):
            break
    return Chunk(points, counts)


def faster(sweep: Sweep, speed: float) -> Sweep:
    """The sweep for the most tokens per dollar of all points that are at least so fast, by the limit of its traffic.

    The limit never becomes looser: what keeps only that one would beat points that can do the job.
    """
    slowest = np.asarray(min(float(sweep.traffic.time_per_output_token), 1.0 / speed), np.float32)
    traffic = replace(sweep.traffic, time_per_output_token=slowest)
    return replace(sweep, front=False, traffic=traffic, job=replace(sweep.job, objective=OBJECTIVES[0]))


def promising(sweep: Sweep, points: Points) -> Points:
    """The points from which to climb: the best at the stated speeds and for the objective, or all."""
    if not sweep.stated:
        return points
    best = np.argsort(-getattr(points, OF_POINTS[sweep.job.objective]), kind="stable")[:KEPT]
    return points.take(np.union1d(best, answers(points.dollars, points.speed, sweep.sought(points))))


def neighbours(sweep: Sweep, numbers: np.ndarray) -> np.ndarray:
    """Numbers of the designs that differ from some in one axis."""
    strides = np.cumprod([1, *sweep.shape[:0:-1]])[::-1]
    digits = sweep.digits_of(numbers)
    found = []
    for axis, rows in enumerate(sweep.shape):
        base = numbers - digits[:, axis] * strides[axis]
        found.append((base[:, None] + np.arange(rows) * strides[axis]).ravel())
    return np.concatenate(found)
