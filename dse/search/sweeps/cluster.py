"""How is a sweep spread over the workers of a cluster? Chunk by chunk through Dask, each kept by the one who asks.

A worker makes the sweep from its words once, and works on the boxes that it is sent, held against what was found when
they were sent. What a lost worker had in hand Dask gives to another. Who works on what does not change the answer,
which is that of one process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from dse.catalogue.errors import CatalogueError, Problem
from dse.search.sweeps.asked import Asked, sweep_of
from dse.search.sweeps.cover import cover_of
from dse.search.sweeps.points import NONE, Points
from dse.search.sweeps.run import Plan, State, added, already, boxes_of, timed
from dse.search.sweeps.store import Kept, SweepStore, identity_of
from dse.search.sweeps.sweep import chunk_of
from dse.search.sweeps.swept import Sweep

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["cluster", "made_ready", "on_each", "run_on_cluster"]

T = TypeVar("T")

CHUNKS = 16
"""Chunks for each worker [1]."""

LARGEST = 512
"""Boxes of a chunk, at most [1]."""

FEW, MANY = 512, 16384
"""Designs of a chunk, about, at least and at most, where every point is evaluated [1]."""

RETRIES = 3
"""Workers that may be lost over one chunk before the sweep gives up [1]."""


@contextmanager
def cluster(scheduler: str, workers: int) -> Iterator[Client]:
    """A running cluster by the address of its scheduler, or so many workers of one thread on this machine.

    CatalogueError when Dask is not installed or nobody answers.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        way_out = "pip install 'altarch-dse[dask]'"
        raise CatalogueError([Problem("Dask is not installed", "", "--dask", way_out=way_out)]) from error
    if scheduler:
        try:
            client = Client(scheduler, timeout="10s")
        except (OSError, ValueError) as error:
            way_out = "start one with `dask scheduler` and give its address, for example tcp://host:8786"
            rule = "no scheduler answers"
            raise CatalogueError([Problem(rule, "", "--scheduler", scheduler, way_out=way_out)]) from error
        with client:
            yield client
        return
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as local,  # pyright: ignore[reportArgumentType]
        Client(local) as client,
    ):
        yield client


@cache
def remembered(asked: Asked) -> tuple[Sweep, str]:
    """The sweep of a worker and its digest, made once."""
    sweep, _ = sweep_of(asked)
    return sweep, identity_of(sweep)["digest"]


def work(asked: Asked, digest: str, first: np.ndarray, last: np.ndarray, found: Points, places: np.ndarray) -> Kept:
    """What a worker does: the chunk of some boxes; CatalogueError when its catalogue is not that of who asks."""
    sweep, own = remembered(asked)
    if own != digest:
        way_out = "install the same version and give all workers the same catalogue"
        raise CatalogueError([Problem("a worker has other figures in its catalogue", way_out=way_out)])
    return timed(lambda: chunk_of(sweep, first, last, found), places)


def on_each(client: Client, what: Callable[..., T], *arguments: Any) -> list[T]:
    """What a function returns on each worker."""
    found: Any = client.run(what, *arguments)
    return list(found.values())


def made_ready(client: Client, asked: Asked, sweep: Sweep) -> None:
    """Every worker makes the sweep and works on one design, so that its programs are compiled."""
    one = np.zeros((1, len(sweep.shape)), np.int64)
    on_each(client, work, asked, identity_of(sweep)["digest"], one, one, NONE, np.zeros(0, np.int64))


def run_on_cluster(
    asked: Asked, sweep: Sweep, plan: Plan, store: SweepStore, told: Callable[[State], None], client: Client
) -> State:
    """As `run_sweep`, the chunks worked on by the workers of a cluster."""
    from distributed import as_completed

    begun, cover, digest = time.perf_counter(), cover_of(sweep, plan.designs), identity_of(sweep)["digest"]
    state, done = already(sweep, plan, store, cover)
    told(state)
    left = np.arange(plan.shard, cover.count, plan.of)
    left = left[~done[left]]
    workers = max(len(client.scheduler_info()["workers"]), 1)
    least, most = (1, LARGEST) if sweep.prune else (boxes_of(cover, designs) for designs in (FEW, MANY))
    size = min(max(len(left) // (CHUNKS * workers), least), most)
    chunks = [left[start : start + size] for start in range(0, len(left), size)]

    def sent(places: np.ndarray) -> Any:
        ends = cover.first[places], cover.last[places]
        return client.submit(work, asked, digest, *ends, state.points, places, pure=False, retries=RETRIES)

    running = as_completed([sent(places) for places in chunks[: 2 * workers]])
    coming = iter(chunks[2 * workers :])
    for future in running:
        kept: Kept = future.result()
        designs = int(cover.sizes[kept.places].sum())
        store.write(cover.chunk(plan.shard, plan.of, kept.places), kept)
        state = added(state, kept, designs, designs, time.perf_counter() - begun)
        told(state)
        places = next(coming, None)
        if places is not None:
            running.add(sent(places))
    return state
