"""A comparison of a few chips and a study made of random numbers, for the tests of the reports."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from builders import catalogue

from dse.analysis.comparison import Candidate, Comparison, Job, compare, evaluate_candidate, job_of
from dse.catalogue.build import build_chips
from dse.reporting.tables import StudyRecord

NAMES = ("h100-sxm", "b200-sxm", "mi300x", "tpu-v6e", "a10g", "l40s", "groq-lpu-v1")
MODELLED = ("price.buy", "price.rent", "package.die_area", "memory.capacity", "memory.bandwidth")


def variant(job: Job, name: str, base: str, **changes: float) -> Candidate:
    entry = catalogue().entry("chip", base)
    values = {path: value for path, value in entry.values.items() if path not in MODELLED}
    values |= {path.replace("__", "."): value for path, value in changes.items()}
    return evaluate_candidate(job, name, name, "found", values, build_chips(values, catalogue().library))


@cache
def small_comparison() -> Comparison:
    job = job_of(catalogue(), "llama-3.1-70b", "chat", "tco", most_chips=64)
    found = [
        variant(job, "found-good", "tpu-v6e", sram__capacity=256e6),
        variant(job, "found-bad", "h100-sxm", sram__capacity=900e6, memory__stacks=1.0),
    ]
    compared = compare(catalogue(), job, NAMES, found)
    status = {name: str(catalogue().entry("chip", name).figures["status"].value) for name in NAMES}
    fixed = [replace(item, status=status.get(item.name, item.status)) for item in compared.candidates]
    return replace(compared, candidates=fixed)


@cache
def random_study() -> StudyRecord:
    generator = np.random.default_rng(0)
    sram = np.exp(generator.uniform(np.log(20e6), np.log(1e9), 200))
    memory = generator.integers(0, 5, 200) * 0.82e12
    feasible = generator.uniform(size=200) < 0.6
    value = np.where(feasible, sram**0.3 * (1e12 + memory) / 1e9, np.nan)
    return StudyRecord(
        name="a study",
        space="no-such-space",
        storage="postgresql://me:secret@host:5432/studies",
        sampler="tpe",
        seed=7,
        trials={"sram.capacity": sram},
        values={"tokens_per_dollar": value, "memory_bandwidth": memory, "sram_capacity": sram},
        feasible=feasible,
        starts={3: "tpu-v6e"},
        start_notes=["tpu-v6e (moved into the space: scale_up.domain from 1,024)"],
        reasons=["needs 4.1 x the memory it has", "needs 2 x the memory it has"],
    )
