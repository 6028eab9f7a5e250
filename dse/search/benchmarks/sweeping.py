"""How fast is a sweep of every point here? Against the evaluator alone on the same job, in one process and in several.

The evaluator's rate is that of `dse bench`: complete evaluations with all metrics returned, of designs of the space
with full blocks of the lattice of the job. The sweep does what `dse sweep --no-prune` does between its sample and its
result: designs of the grid, every mapping, front and best points, chunks kept on disk. They take turns in one run.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from dse.analysis.bench import random_chips, rate_of_points
from dse.best_mapping import DESIGNS
from dse.hardware.chip import Chip
from dse.search.sweeps.asked import Asked, sweep_of
from dse.search.sweeps.cluster import cluster, made_ready, on_each, run_on_cluster
from dse.search.sweeps.cover import cover_of
from dse.search.sweeps.run import Plan, State, already, run_sweep
from dse.search.sweeps.store import SweepStore, identity_of
from dse.search.sweeps.swept import Sweep
from dse.timing.mapping import BLOCK

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["bench_sweep"]

CHIPS = 8192
"""Designs that the evaluator is timed on, again and again [1]."""

SHORT = 256
"""Designs of the sweep after which nothing compiles any more [1]."""

MOST = 10**8
"""Points that the evaluator is timed on, at most [1]."""


@dataclass(frozen=True)
class Spent:
    """Points done, and their wall time and processor time in all processes [s]."""

    points: float
    wall: float
    cores: float

    @property
    def rate(self) -> float:
        """Points a second [1/s]."""
        return self.points / self.wall

    @property
    def core_rate(self) -> float:
        """Points for a second of processor time: other work on the machine hardly shows in it [1/s]."""
        return self.points / self.cores


def spent(points: float, work: Callable[[], Any], cores: Callable[[], float] = time.process_time) -> Spent:
    """What so many points take. cores: processor time so far [s]."""
    wall, before = time.perf_counter(), cores()
    work()
    return Spent(points, time.perf_counter() - wall, cores() - before)


def quiet(_: State) -> None:
    """Nobody hears how far a sweep is."""


@contextmanager
def sampled(sweep: Sweep, plan: Plan) -> Iterator[SweepStore]:
    """A folder for one sweep in which the sample is there already."""
    with tempfile.TemporaryDirectory() as folder:
        store = SweepStore(Path(folder), identity_of(sweep))
        already(sweep, plan, store, cover_of(sweep, plan.designs))
        yield store


def peak_memory() -> int:
    """Most memory that this process has held [bytes]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@dataclass(frozen=True)
class Course:
    """A sweep of so many designs spread over a grid."""

    asked: Asked
    sweep: Sweep
    plan: Plan

    @property
    def points(self) -> int:
        """Points of the sweep [1]."""
        return self.plan.designs * self.sweep.mappings

    def evaluated(self, chips: Chip) -> Spent:
        """The evaluator alone, on as many points or MOST of them."""
        size = DESIGNS * BLOCK
        blocks = max(min(self.points, MOST) // size, 2)
        # One block more goes through before the rate is taken.
        return spent((blocks + 1) * size, lambda: rate_of_points(chips, self.sweep.job, blocks * size))

    def alone(self) -> Spent:
        """The sweep in this process."""
        with sampled(self.sweep, self.plan) as store:
            return spent(self.points, lambda: run_sweep(self.sweep, self.plan, store, quiet))

    def spread(self, client: Client) -> Spent:
        """The sweep on the workers of a cluster."""

        def cores() -> float:
            return time.process_time() + sum(on_each(client, time.process_time))

        def work() -> State:
            return run_on_cluster(self.asked, self.sweep, self.plan, store, quiet, client)

        with sampled(self.sweep, self.plan) as store:
            return spent(self.points, work, cores)


def bench_sweep(asked: Asked, points: int, rounds: int = 3, workers: int = 2) -> dict[str, Any]:
    """Rates of the evaluator, of a sweep of so many points, and of the same on workers of this machine.

    asked: what is swept, pruning aside; workers: of Dask, one thread each, 0 for none. Rates are medians of rounds, and
    so are their ratios within a round, by wall time and by processor time. What starts and compiles has done so before.
    """
    asked = replace(asked, prune=False)
    sweep, catalogue = sweep_of(asked)
    plan = Plan(min(max(points // sweep.mappings, 1), sweep.grid.designs))
    course = Course(asked, sweep, plan)
    chips = random_chips(sweep.grid.space, catalogue, CHIPS)
    ways: dict[str, Callable[[], Spent]] = {"evaluator": partial(course.evaluated, chips), "sweep": course.alone}
    found: dict[str, Any] = {"space": asked.space, "model": sweep.job.model, "traffic": sweep.job.traffic}
    found |= {"mappings": sweep.mappings, "points": course.points, "rounds": rounds}
    short = replace(course, plan=replace(plan, designs=min(plan.designs, SHORT)))
    short.evaluated(chips)
    short.alone()
    if not workers:
        return found | summary([{name: way() for name, way in ways.items()} for _ in range(rounds)])
    begun = time.perf_counter()
    with cluster("", workers) as client:
        made_ready(client, asked, sweep)
        found |= {"workers": workers, "workers_start_s": time.perf_counter() - begun}
        ways["workers"] = partial(course.spread, client)
        turns = [{name: way() for name, way in ways.items()} for _ in range(rounds)]
        found["worker_peak_memory_bytes"] = max(on_each(client, peak_memory))
    return found | summary(turns)


def summary(turns: list[dict[str, Spent]]) -> dict[str, float]:
    """Rates of every way, and the ratio of each to the one before it."""
    ways = list(turns[0])
    found: dict[str, float] = {f"{way}_points_per_second": median(turn[way].rate for turn in turns) for way in ways}
    for before, way in pairwise(ways):
        found[f"{way}_over_{before}"] = median(turn[way].rate / turn[before].rate for turn in turns)
        cores = median(turn[way].core_rate / turn[before].core_rate for turn in turns)
        found[f"{way}_over_{before}_by_processor_time"] = cores
    return found | {"peak_memory_bytes": peak_memory()}
