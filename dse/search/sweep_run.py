"""How does a sweep go from beginning to end? Chunk by chunk, each kept, then what was found in double precision."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from dse.analysis.comparison import pareto_front
from dse.best_mapping import OBJECTIVES, evaluate_pairs
from dse.catalogue.build import build_chips
from dse.catalogue.fields import Value
from dse.evaluate import Metrics
from dse.search.bounds import TOLERANCE
from dse.search.points import Points, best_of_designs, merged_points
from dse.search.sweep import (
    Chunk,
    Counts,
    Sweep,
    chunk_of,
    chunks_of,
    sample_of,
    sample_size,
)
from dse.search.sweep_store import SweepStore
from dse.timing.mapping import Mapping

__all__ = ["Found", "Plan", "Result", "State", "document_of", "result_of", "run_sweep", "sample_rows"]


@dataclass(frozen=True)
class Plan:
    """How much of a grid is swept: the first designs of its order, of their chunks every `of`-th from `shard` on."""

    designs: int
    shard: int = 0
    of: int = 1

    @property
    def chunks(self) -> list[tuple[int, int]]:
        """First place and end of every chunk of this shard."""
        return list(chunks_of(self.designs))[self.shard :: self.of]


@dataclass(frozen=True)
class State:
    """How far a sweep is: counts and points so far; seconds of the chunks done; seconds and designs of this run."""

    counts: Counts
    points: Points
    seconds: float
    fresh_seconds: float
    fresh_designs: int


def run_sweep(sweep: Sweep, plan: Plan, store: SweepStore, told: Callable[[State], None]) -> State:
    """Every chunk of a plan that is not in the store yet, each held against what was found before it."""
    begun = time.perf_counter()
    sample, seconds = sampled(sweep, plan, store)
    state = State(Counts(evaluated=sample.counts.evaluated), merged_points([sample.points]), seconds, 0.0, 0)
    for start, stop in plan.chunks:
        kept = store.read(start, stop)
        if kept is None:
            chunk, seconds = timed_chunk(sweep, start, stop, state.points)
            store.write(start, stop, chunk, seconds)
        else:
            chunk, seconds = kept
        fresh = stop - start if kept is None else 0
        state = State(
            state.counts + chunk.counts,
            merged_points([state.points, chunk.points]),
            state.seconds + seconds,
            time.perf_counter() - begun,
            state.fresh_designs + fresh,
        )
        told(state)
    return state


def timed_chunk(sweep: Sweep, start: int, stop: int, found: Points) -> tuple[Chunk, float]:
    """A chunk and the seconds that it took."""
    begun = time.perf_counter()
    chunk = chunk_of(sweep, start, stop, found)
    return chunk, time.perf_counter() - begun


def sampled(sweep: Sweep, plan: Plan, store: SweepStore) -> tuple[Chunk, float]:
    """The sample, which the first chunk is held against, and its seconds.

    Its file has the name of a chunk that ends where it begins.
    """
    size = sample_size(plan.designs)
    kept = store.read(size, size)
    if kept is not None:
        return kept
    begun = time.perf_counter()
    chunk = sample_of(sweep, size)
    seconds = time.perf_counter() - begun
    store.write(size, size, chunk, seconds)
    return chunk, seconds


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


def document_of(sweep: Sweep, state: State, result: Result, objective: str) -> dict[str, Any]:
    """What a sweep prints: optima, front, how many points were covered and evaluated, and what is proven."""
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
        "points_bounded": counts.screened,
        "designs_broken": counts.broken,
        "designs_beaten": counts.beaten,
        "seconds": state.seconds,
        "points_per_second": covered / state.seconds if state.seconds else None,
        "certificate": certificate_of(sweep, state, result, objective),
    }


def certificate_of(sweep: Sweep, state: State, result: Result, objective: str) -> dict[str, Any]:
    """What is proven: nothing above the bound on the grid, when all of it is covered; of what lies between, nothing.

    upper_bound: the optimum with what single precision may hide; gap: over the optimum [1]; box_upper_bound: of the
    space between the points of the grid, for which there is no proof.
    """
    counts, designs = state.counts, sweep.grid.designs
    whole = counts.designs == designs
    best = result.optima.get(objective)
    value = best.values[objective] if best else None
    bound = value * (1.0 + TOLERANCE) if whole and value is not None else None
    share = counts.designs / designs
    told = f"covered {counts.designs:,} of {designs:,} designs of the grid ({100 * share:.3g} %)"
    proof = "the optimum of the grid is exact" if whole else "no bound: only a part of the grid is covered"
    return {
        "grid_optimum": value if whole else None,
        "upper_bound": bound,
        "gap": TOLERANCE if bound else None,
        "box_upper_bound": None,
        "grid_designs": designs,
        "covered_designs": counts.designs,
        "statements": [told, proof, "between the points of the grid nothing is proven"],
    }


def sample_rows(sweep: Sweep, plan: Plan, store: SweepStore) -> list[dict[str, Any]]:
    """The designs of the sample, spread over the grid, each with its best point for a dollar where it has one."""
    size = sample_size(plan.designs)
    kept = store.read(size, size)
    if kept is None:
        return []
    numbers = sweep.numbers(0, size)
    points = best_of_designs(kept[0].points)
    best = {one.number: one for one in found_points(sweep, points)}
    rows = []
    for number in numbers.tolist():
        design = {f"design.{path}": value for path, value in sweep.grid.design(number).items()}
        rows.append(
            {"number": number, "feasible": number in best} | (best[number].row if number in best else {}) | design
        )
    return rows
