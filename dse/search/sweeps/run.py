"""How does a sweep go from beginning to end? Chunk by chunk, each kept, each held against what was found before."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from dse.search.sweeps.cover import Cover, cover_of
from dse.search.sweeps.points import Chunk, Counts, Points, merged_points
from dse.search.sweeps.store import Kept, SweepStore
from dse.search.sweeps.sweep import chunk_of, climbed, sample_of, sample_size
from dse.search.sweeps.swept import Sweep

__all__ = [
    "Plan",
    "State",
    "added",
    "already",
    "boxes_of",
    "run_sweep",
    "sample_name",
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
    """How far a sweep is: counts and points so far; seconds of the chunks done; seconds and designs of this run.

    reach: up to which speed stated speeds were sought everywhere [1/s].
    """

    counts: Counts
    points: Points
    seconds: float
    fresh_seconds: float
    fresh_designs: int
    reach: float = math.inf


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
    reach = min(state.reach, kept.chunk.reach)
    return State(counts, points, state.seconds + kept.seconds, seconds, state.fresh_designs + fresh, reach)
