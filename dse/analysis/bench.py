"""How fast is it here? Points a second of the evaluator, trials a second of a study, seconds to the first answer."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import qmc

from dse.analysis.comparison import Job, job_of
from dse.analysis.operations import operations_per_point
from dse.best_mapping import BLOCK, DESIGNS, as_type, compilations, padded, score_designs
from dse.catalogue import Space, activate, load_space
from dse.catalogue.fields import Choices, Range
from dse.catalogue.store import Catalogue
from dse.evaluate import evaluate
from dse.hardware.chip import Chip

__all__ = ["bench_evaluator", "bench_startup", "random_chips"]

HEADLINE = (
    "time_to_first_token",
    "time_per_output_token",
    "output_tokens_per_s",
    "output_tokens_per_s_per_user",
    "chips",
    "usd_per_output_token",
    "tokens_per_dollar",
    "tokens_per_joule",
    "power",
    "worst_limit",
)
JOBS = (("llama-3.1-70b", "chat"), ("deepseek-v3", "reasoning"), ("mamba-2.8b", "batch"))


@jax.jit
def headline_block(*arguments: Any) -> list[jax.Array]:
    """Every metric of the contract for all points of a block, returned whole."""
    metrics = evaluate(*arguments)
    shape = jnp.shape(metrics.worst_limit)
    return [jnp.broadcast_to(getattr(metrics, name), shape) for name in HEADLINE]


def random_chips(space: Space, catalogue: Catalogue, count: int, seed: int = 0) -> Chip:
    """So many designs spread over a space by a Sobol sequence; leaves (designs,)."""
    from dse.catalogue.build import build_chips

    points = qmc.Sobol(len(space.free), rng=seed).random(count)
    columns: dict[str, Any] = {}
    for (path, field), point in zip(space.free.items(), points.T, strict=True):
        if isinstance(field, Choices):
            places = np.minimum((point * len(field.values)).astype(int), len(field.values) - 1)
            columns[path] = np.array(field.values)[places]
        else:
            columns[path] = in_range(field, point)
    return build_chips(activate(space, columns), catalogue.library)


def in_range(field: Range, point: np.ndarray) -> np.ndarray:
    """Points of the unit interval as values of a free field, on its scale and steps."""
    if field.log:
        values = np.exp(np.log(field.low) + point * np.log(field.high / field.low))
    else:
        values = field.low + point * (field.high - field.low)
    if field.step:
        values = field.low + np.round((values - field.low) / field.step) * field.step
    return np.clip(values, field.low, field.high)


def element_rate(seconds: float = 0.5) -> float:
    """Multiply-adds a second, times two, of this machine in float32 on arrays of the evaluator's block [FLOP/s]."""
    size, chain = DESIGNS * BLOCK, 64

    @jax.jit
    def work(x: jax.Array) -> jax.Array:
        for _ in range(chain):
            x = x * 0.999 + 0.001
        return x

    x = jnp.ones(size, jnp.float32)
    rate = repeated(lambda: jax.block_until_ready(work(x)), seconds)
    return rate * size * chain * 2.0


def repeated(call: Callable[[], Any], seconds: float, workers: int = 2) -> float:
    """Calls a second with so many in flight, the best of three stretches [1/s]."""
    call()
    best = 0.0
    with ThreadPoolExecutor(workers) as pool:
        for _ in range(3):
            begun = time.perf_counter()
            done = 0
            while time.perf_counter() - begun < seconds:
                list(pool.map(lambda _: call(), range(2 * workers)))
                done += 2 * workers
            best = max(best, done / (time.perf_counter() - begun))
    return best


def rate_of_points(chips: Chip, job: Job, points: int) -> float:
    """Complete evaluations a second over so many distinct points, blocks of designs x mappings [1/s]."""
    count = np.size(chips.matrix.units)
    rest = as_type((job.transformer, job.requests, job.assumptions), np.float32)
    block = jax.device_put(padded(job.mappings, BLOCK, 0, np.float32))
    designs = max(-(-points // (DESIGNS * BLOCK)), 2)

    def one(index: int) -> None:
        start = index * DESIGNS % count
        some = jax.tree.map(lambda leaf: leaf[:, None], padded(chips, DESIGNS, start, np.float32))
        jax.block_until_ready(headline_block(some, rest[0], rest[1], block, rest[2]))

    one(0)
    begun = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, range(designs)))
    return designs * DESIGNS * BLOCK / (time.perf_counter() - begun)


def compiled_over_jobs(chips: Chip, catalogue: Catalogue) -> int:
    """Programs compiled by the search's evaluator while it scores chips on models of every kind [1]."""
    before = compilations()
    weights = np.array([1.0, 0.0, 0.0])
    for model, traffic in JOBS:
        job = job_of(catalogue, model, traffic, "tco", most_chips=64)
        score_designs(chips, job.transformer, job.requests, job.mappings, job.assumptions, weights)
    return compilations() - before


def bench_evaluator(catalogue: Catalogue, points: int = 50_000_000, scaling: bool = False) -> dict[str, Any]:
    """Speed of the complete evaluation, float32, 32,768 designs in the batch, so that 1e8 points are distinct.

    points: evaluated for the main figure; scaling: also 1e6 against 1e8 points, and the memory at the end.
    """
    space = load_space("sram-vs-hbm", catalogue)
    chips = random_chips(space, catalogue, 32768)
    job = job_of(catalogue, "llama-3.1-70b", "chat", "tco")
    rate = max(rate_of_points(chips, job, points) for _ in range(3))
    some = jax.tree.map(lambda leaf: leaf[:, None], padded(chips, DESIGNS, 0, np.float32))
    operations = operations_per_point(evaluate, some, job)
    limit = element_rate()
    found: dict[str, Any] = {
        "points_per_second": rate,
        "designs": 32768,
        "mappings": int(np.size(job.mappings.batch)),
        "model": job.model,
        "flops_per_point": operations,
        "dtype": "float32",
        "machine_flops_per_second": limit,
        "fraction_of_machine_limit": rate * operations / limit,
        "compilations": compiled_over_jobs(jax.tree.map(lambda leaf: np.asarray(leaf)[:64], chips), catalogue),
    }
    if scaling:
        small = max(rate_of_points(chips, job, 1_000_000) for _ in range(5))
        large = rate_of_points(chips, job, 100_000_000)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        found |= {"points_per_second_1e6": small, "points_per_second_1e8": large, "linearity": large / small}
        found["peak_memory_bytes"] = peak
    return found


def seconds_of(command: list[str], cache: str) -> float:
    """Wall time of a command in a new process with its own folder of compiled programs [s]."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "DSE_CACHE": cache})
    return time.perf_counter() - begun


def bench_startup(repeats: int = 3) -> dict[str, float]:
    """Seconds to the help text, to the first evaluation of a new installation, and to later ones [s]."""
    program = [sys.executable, "-m", "dse.cli"]
    job = [*program, "evaluate", "--chip", "h100-sxm", "--model", "llama-3.1-70b", "--traffic", "chat", "--json"]
    with tempfile.TemporaryDirectory() as cache:
        first = seconds_of(job, cache)
        later = min(seconds_of(job, cache) for _ in range(repeats))
        text = min(seconds_of([*program, "--help"], cache) for _ in range(repeats))
    return {"help_s": text, "first_evaluate_s": first, "later_evaluate_s": later}
