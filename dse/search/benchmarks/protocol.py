"""How do searches fare on the published protocol? Neighbours of an A100 on GPT-3: prefill, decode and area, all three.

Eight chips share every matrix, eight sequences are in flight; the mapping is the same for all designs, so a design is
one evaluation. What is counted is how many designs beat the A100 in all three after 20 trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from optuna.trial import FrozenTrial

from dse.analysis.comparison import Job, job_of
from dse.arrays import Number
from dse.best_mapping import as_type, padded
from dse.catalogue import load_space
from dse.catalogue.build import build_chips
from dse.catalogue.space import Space, activate
from dse.catalogue.store import Catalogue
from dse.evaluate import evaluate
from dse.hardware.chip import Chip
from dse.search.benchmarks.contest import Started, study_of
from dse.search.samplers.genes import Columns
from dse.search.samplers.named import OWN, make_sampler
from dse.search.samplers.screening import ScreeningSampler
from dse.search.space import distributions, suggest
from dse.timing.mapping import Mapping

__all__ = ["A100", "SPACE", "Protocol"]

SPACE = "a100-neighbours"
BLOCK = 512
"""Designs in one compiled call [1]."""

A100: dict[str, float] = {
    "vector_lanes": 6912.0,
    "matrix.units": 432.0,
    "matrix.rows": 16.0,
    "matrix.columns": 16.0,
    "sram.capacity": 42e6,
    "sram.local": 49.5e6,
    "memory.stacks": 5.0,
    "scale_up.bandwidth": 300e9,
}
"""The chip itself as a point of the space [base units]."""

EIGHT = Mapping(
    tensor_parallel=8.0,
    context_parallel=1.0,
    pipeline_parallel=1.0,
    data_parallel=1.0,
    expert_parallel=1.0,
    batch=8.0,
    prefill_tokens=16384.0,
    disaggregated=0.0,
)


@jax.jit
def three(chips: Chip, transformer: Any, traffic: Any, assumptions: Any) -> tuple[Number, Number]:
    """Minus prefill pass [s], decode step [s] and die area [mm2] (designs, 3), and excess over limits (designs,)."""
    metrics = evaluate(chips, transformer, traffic, EIGHT, assumptions)
    shape = jnp.shape(metrics.worst_limit)
    found = (metrics.prefill.time, metrics.decode.time, metrics.hardware.die_area)
    return -jnp.stack([jnp.broadcast_to(one, shape) for one in found], axis=-1), metrics.worst_limit


@dataclass(frozen=True)
class Protocol:
    """The published protocol as something to be searched."""

    catalogue: Catalogue
    name: str = SPACE
    objectives: tuple[str, ...] = ("prefill", "decode", "area")

    @cached_property
    def space(self) -> Space:
        """The space."""
        return load_space(SPACE, self.catalogue)

    @cached_property
    def job(self) -> Job:
        """GPT-3; the lattice of mappings is not used."""
        return job_of(self.catalogue, self.space.model, self.space.traffic, self.space.price_basis, most_chips=8)

    def values(self, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        """Values, larger is better (designs, 3), and excess over limits (designs,)."""
        chips = build_chips(activate(self.space, dict(columns)), self.job.library)
        known = as_type((self.job.transformer, self.job.requests, self.job.assumptions), np.float32)
        count = len(next(iter(columns.values())))
        parts = [three(padded(chips, BLOCK, start, np.float32), *known) for start in range(0, count, BLOCK)]
        values, excess = (
            np.concatenate([np.asarray(part) for part in one])[:count] for one in zip(*parts, strict=True)
        )
        return values.astype(np.float64), excess.astype(np.float64)

    @cached_property
    def reference(self) -> np.ndarray:
        """What the A100 itself comes to (3,)."""
        return self.values({path: np.array([value]) for path, value in A100.items()})[0][0]

    def start(self, sampler: str, seed: int) -> Started:
        """A study in memory; our sampler screens with the evaluator, which counts as points."""
        parameters, screened = distributions(self.space), [0]

        def scorer(columns: Columns) -> tuple[np.ndarray, np.ndarray]:
            screened[0] += len(next(iter(columns.values())))
            return self.values(columns)

        if sampler in OWN:
            own = ScreeningSampler(parameters, scorer, seed=seed, reference=self.reference.tolist())
        else:
            own = make_sampler(sampler, seed, 3)
        study = study_of(own, 3)

        def batch(size: int) -> Sequence[FrozenTrial]:
            trials = [study.ask() for _ in range(size)]
            designs = [suggest(trial, self.space, parameters) for trial in trials]
            columns = {path: np.array([design[path] for design in designs]) for path in self.space.free}
            told = []
            for trial, row, excess in zip(trials, *self.values(columns), strict=True):
                trial.set_constraint("limits", float(excess))
                told.append(study.tell(trial, row.tolist()))
            return told

        return Started(study, batch, lambda: screened[0] + len(study.get_trials(deepcopy=False)))
