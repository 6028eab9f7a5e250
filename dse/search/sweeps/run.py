"""How does a sweep go from beginning to end? Chunk by chunk, each kept, then what was found in double precision."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np

from dse.analysis.comparison import pareto_front
from dse.best_mapping import OBJECTIVES, evaluate_pairs
from dse.catalogue.build import build_chips
from dse.catalogue.fields import Value
from dse.evaluate import Metrics
from dse.search.sweeps.bounds import TOLERANCE
from dse.search.sweeps.cover import Cover, cover_of
from dse.search.sweeps.points import Chunk, Counts, Points, best_of_designs, merged_points
from dse.search.sweeps.store import Kept, SweepStore
from dse.search.sweeps.sweep import chunk_of, climbed, sample_of, sample_size
from dse.search.sweeps.swept import Sweep
from dse.timing.mapping import Mapping

__all__ = [
    "Found",
    "Plan",
    "Result",
    "State",
    "added",
    "already",
    "boxes_of",
    "document_of",
    "result_of",
    "run_sweep",
    "sample_rows",
    "timed",
]


FIRST_CHUNK = 64
"""Boxes of the first chunk [1]."""

FIRST_DESIGNS = 4096
"""Designs of the first chunk, about, where every point is evaluated [1]."""

QUICK, SLOW = 10.0, 40.0
"""Seconds of a chunk below which the next is twice as large, and above which it is half as large [s]."""


@dataclass(frozen=True)
class Plan:
    """How much of a grid is swept: so many designs, and of the boxes that cover them every `of`-th from `shard` on."""

    designs: int
    shard: int = 0
    of: int = 1


@dataclass(frozen=True)
class State:
    """How far a sweep is: counts and points so far; seconds of the chunks done; seconds and designs of this run."""

    counts: Counts
    points: Points
    seconds: float
    fresh_seconds: float
    fresh_designs: int


def run_sweep(sweep: Sweep, plan: Plan, store: SweepStore, told: Callable[[State], None]) -> State:
    """Every box of a plan that is not in the store yet, in chunks, each held against what was found before it.

    A run of everything takes what shards have done as done, in whichever parts.
    """
    begun = time.perf_counter()
    cover = cover_of(sweep, plan.designs)
    state, done = already(sweep, plan, store, cover)
    told(state)
    left = np.arange(plan.shard, cover.count, plan.of)
    left, size = left[~done[left]], FIRST_CHUNK if sweep.prune else boxes_of(cover, FIRST_DESIGNS)
    while len(left):
        places, left = left[:size], left[size:]
        kept = timed(partial(chunk_of, sweep, cover.first[places], cover.last[places], state.points), places)
        store.write(cover.chunk(plan.shard, plan.of, places), kept)
        size = size * 2 if kept.seconds < QUICK else max(size // 2, 1) if kept.seconds > SLOW else size
        designs = int(cover.sizes[places].sum())
        state = added(state, kept, designs, designs, time.perf_counter() - begun)
        told(state)
    return state


def boxes_of(cover: Cover, designs: int) -> int:
    """Boxes of a cover that hold about so many designs, at least one [1]."""
    return max(round(designs / float(cover.sizes.mean())), 1)


def already(sweep: Sweep, plan: Plan, store: SweepStore, cover: Cover) -> tuple[State, np.ndarray]:
    """What is known before the first chunk - sample, climb, finished chunks - and which boxes of the cover are done.

    Sample and climb are kept under names of their own and cover nothing.
    """
    sample = once(store, sample_name(plan), lambda: sample_of(sweep, sample_size(plan.designs)))
    points = sample.chunk.points
    state = State(Counts(evaluated=sample.chunk.counts.evaluated), merged_points([points]), sample.seconds, 0.0, 0)
    if sweep.prune:
        state = added(state, once(store, "climb", lambda: climbed(sweep, points)), 0, 0, 0.0)
    done = np.zeros(cover.count, bool)
    for kept in store.finished(cover.kind):
        inside = kept.places[kept.places < cover.count]
        designs = int(cover.sizes[inside[~done[inside]]].sum())
        done[inside] = True
        state = added(state, kept, designs, 0, 0.0)
    return state, done


def sample_name(plan: Plan) -> str:
    """The name of the chunk of the sample, which has fewer designs where fewer are swept."""
    return f"sample-{sample_size(plan.designs):03}"


def once(store: SweepStore, name: str, work: Callable[[], Chunk]) -> Kept:
    """A chunk from the store, or worked out and kept."""
    kept = store.read(name)
    if kept is None:
        kept = timed(work, np.zeros(0, np.int64))
        store.write(name, kept)
    return kept


def timed(work: Callable[[], Chunk], places: np.ndarray) -> Kept:
    """A chunk, what it covers, and the seconds that it took."""
    begun = time.perf_counter()
    chunk = work()
    return Kept(chunk, time.perf_counter() - begun, places)


def added(state: State, kept: Kept, designs: int, fresh: int, seconds: float) -> State:
    """The state after one more chunk. designs: covered anew; fresh: of them in this run; seconds: of this run."""
    counts = replace(state.counts + kept.chunk.counts, designs=state.counts.designs + designs)
    points = merged_points([state.points, kept.chunk.points])
    return State(counts, points, state.seconds + kept.seconds, seconds, state.fresh_designs + fresh)


@dataclass(frozen=True)
class Found:
    """A point in double precision: number of its design, flat design, mapping, and its values by objective."""

    number: int
    design: dict[str, Value]
    mapping: dict[str, float]
    values: dict[str, float]

    @property
    def row(self) -> dict[str, Any]:
        """As one flat row of a table."""
        return (
            {"number": self.number}
            | {f"value.{name}": value for name, value in self.values.items()}
            | {f"mapping.{name}": value for name, value in self.mapping.items()}
            | {f"design.{path}": value for path, value in self.design.items()}
        )


@dataclass(frozen=True)
class Result:
    """The best point for each objective, and the front of tokens per dollar against tokens per second and user."""

    optima: dict[str, Found]
    front: list[Found]


def evaluated(sweep: Sweep, points: Points) -> tuple[Metrics, Mapping]:
    """Points in double precision, leaves (points,)."""
    job = sweep.job
    chips = build_chips(sweep.grid.columns(points.number), job.library)
    mappings = jax.tree.map(lambda leaf: np.asarray(leaf)[points.mapping], job.mappings)
    return evaluate_pairs(chips, job.transformer, job.requests, mappings, job.assumptions), mappings


def found_points(sweep: Sweep, points: Points) -> list[Found]:
    """Those of the points that double precision finds feasible too, in order."""
    if not len(points.number):
        return []
    metrics, mappings = evaluated(sweep, points)
    return [
        Found(
            int(points.number[place]),
            sweep.grid.design(int(points.number[place])),
            {name: float(getattr(mappings, name)[place]) for name in Mapping.__dataclass_fields__},
            {name: float(getattr(metrics, name)[place]) for name in OBJECTIVES},
        )
        for place in np.flatnonzero(metrics.worst_limit <= 0.0)
    ]


def result_of(sweep: Sweep, points: Points) -> Result:
    """Optima and front of the points that double precision finds feasible too."""
    found = found_points(sweep, points)
    if not found:
        return Result({}, [])
    names = OBJECTIVES if sweep.front else (sweep.job.objective,)
    optima = {name: max(found, key=lambda one, name=name: one.values[name]) for name in names}
    if not sweep.front:
        return Result(optima, [])
    dollars, speed = (np.array([one.values[name] for one in found]) for name in OBJECTIVES[:2])
    return Result(optima, [found[place] for place in pareto_front(-dollars, speed)])


def best_json(found: Found | None, sweep: Sweep, objective: str) -> dict[str, Any] | None:
    """A found point for a document: free, those fields of its design that are free in the space."""
    if found is None:
        return None
    free = {path: found.design[path] for path in sweep.grid.space.free}
    head = {"objective": objective, "value": found.values[objective], "number": found.number, "values": found.values}
    return head | {"free": free, "design": found.design, "mapping": found.mapping}


def document_of(
    sweep: Sweep, state: State, result: Result, objective: str, bound: float | None = None
) -> dict[str, Any]:
    """What a sweep prints: optima, front, how many points were covered and evaluated, and what is proven.

    bound: over the whole box of the space, if one was worked out.
    """
    counts, job, grid = state.counts, sweep.job, sweep.grid
    covered = counts.designs * sweep.mappings
    free = grid.space.free
    front = [
        one.values | {"number": one.number, "mapping": one.mapping, "design": {path: one.design[path] for path in free}}
        for one in result.front
    ]
    return {
        "space": grid.space.name,
        "model": job.model,
        "traffic": job.traffic,
        "price_basis": job.price_basis,
        "optimum": best_json(result.optima.get(objective), sweep, objective),
        "optima": {name: best_json(result.optima.get(name), sweep, name) for name in OBJECTIVES},
        "front": front if sweep.front else None,
        "designs": counts.designs,
        "mappings": sweep.mappings,
        "points": covered,
        "points_evaluated": counts.evaluated,
        "bounds": counts.bounds,
        "designs_broken": counts.broken,
        "designs_beaten": counts.beaten,
        "seconds": state.seconds,
        "points_per_second": covered / state.seconds if state.seconds else None,
        "certificate": certificate_of(sweep, state, result, objective, bound),
    }


def certificate_of(
    sweep: Sweep, state: State, result: Result, objective: str, bound: float | None = None
) -> dict[str, Any]:
    """What is proven of the grid, when all of it is covered, and of all that lies between its points.

    bound: over the whole box of the space, if one was worked out. grid_upper_bound: the optimum with what single
    precision may hide; upper_bound: of every design of the space; gap: of that over the optimum of the grid [1].
    """
    counts, designs = state.counts, sweep.grid.designs
    whole = counts.designs == designs
    best = result.optima.get(objective)
    value = best.values[objective] if best and whole else None
    told = f"covered {counts.designs:,} of {designs:,} designs of the grid ({100 * counts.designs / designs:.3g} %)"
    proof = "the optimum of the grid is exact" if whole else "no bound: only a part of the grid is covered"
    upper = None if bound is None else max(bound, (value or 0.0) * (1.0 + TOLERANCE))
    gap = upper / value - 1.0 if upper is not None and value else None
    between = "between the points of the grid nothing is proven"
    if gap is not None:
        between = f"no design of the space, between the points of the grid either, is better by more than {gap:.3%}"
    return {
        "grid_optimum": value,
        "grid_upper_bound": value * (1.0 + TOLERANCE) if value is not None else None,
        "upper_bound": upper,
        "gap": gap,
        "grid_designs": designs,
        "covered_designs": counts.designs,
        "statements": [told, proof, between],
    }


def sample_rows(sweep: Sweep, plan: Plan, store: SweepStore) -> list[dict[str, Any]]:
    """The designs of the sample, spread over the grid, each with its best point for a dollar where it has one."""
    kept = store.read(sample_name(plan))
    if kept is None:
        return []
    numbers = sweep.numbers(0, sample_size(plan.designs))
    points = best_of_designs(kept.chunk.points)
    best = {one.number: one for one in found_points(sweep, points)}
    rows = []
    for number in numbers.tolist():
        design = {f"design.{path}": value for path, value in sweep.grid.design(number).items()}
        rows.append(
            {"number": number, "feasible": number in best} | (best[number].row if number in best else {}) | design
        )
    return rows
