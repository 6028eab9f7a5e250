"""Timings of the parts, beside a baseline of the machine: `make bench`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dse.analysis.bench import headline_block, random_chips
from dse.analysis.comparison import Job, job_of
from dse.best_mapping import BLOCK, DESIGNS, as_type, best_mapping, padded
from dse.catalogue import Catalogue, load_space, open_catalogue
from dse.catalogue.build import build_chips

JOBS = (("llama-3.1-70b", "chat"), ("deepseek-v3", "reasoning"), ("mamba-2.8b", "batch"))


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return open_catalogue()


def test_baseline_multiply_adds_of_the_machine(benchmark: Any) -> None:
    @jax.jit
    def work(x: jax.Array) -> jax.Array:
        for _ in range(64):
            x = x * 0.999 + 0.001
        return x

    x = jnp.ones(DESIGNS * BLOCK, jnp.float32)
    benchmark(lambda: jax.block_until_ready(work(x)))


@pytest.mark.parametrize(("model", "traffic"), JOBS)
def test_all_metrics_of_a_block(benchmark: Any, catalogue: Catalogue, model: str, traffic: str) -> None:
    job: Job = job_of(catalogue, model, traffic, "tco")
    chips = random_chips(load_space("sram-vs-hbm", catalogue), catalogue, DESIGNS)
    some = jax.tree.map(lambda leaf: leaf[:, None], padded(chips, DESIGNS, 0, np.float32))
    rest = as_type((job.transformer, job.requests, job.assumptions), np.float32)
    block = padded(job.mappings, BLOCK, 0, np.float32)
    benchmark(lambda: jax.block_until_ready(headline_block(some, rest[0], rest[1], block, rest[2])))


def test_best_mapping_of_sixteen_designs(benchmark: Any, catalogue: Catalogue) -> None:
    job = job_of(catalogue, "llama-3.1-70b", "chat", "tco")
    chips = random_chips(load_space("sram-vs-hbm", catalogue), catalogue, 16)
    benchmark(lambda: best_mapping(chips, job.transformer, job.requests, job.assumptions, mappings=job.mappings))


def test_arrays_of_one_chip(benchmark: Any, catalogue: Catalogue) -> None:
    values = catalogue.entry("chip", "h100-sxm").values
    benchmark(lambda: build_chips(values, catalogue.library))
