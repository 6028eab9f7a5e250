"""What does each operator of a pass do? Its place under the roofline, its time and what binds it."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from dse.analysis.comparison import Candidate, Job
from dse.arrays import Number
from dse.hardware.chip import Chip
from dse.timing.inference import decode_tokens, lengths_of, prefill_tokens, row_weights
from dse.timing.mapping import Mapping
from dse.timing.memory import elements_held, footprint, residency
from dse.timing.roofline import RESOURCES, Demand, run_table
from dse.workload.operators import OPERATORS, Product, operator_table
from dse.workload.traffic import Traffic
from dse.workload.transformer import Transformer

__all__ = ["PHASES", "OperatorPoint", "operator_points"]

PHASES = ("prefill", "decode")


@dataclass(frozen=True)
class OperatorPoint:
    """One operator of one pass on one chip.

    rate: achieved [FLOP/s]; memory_intensity, sram_intensity: per byte that main memory (near and far) and SRAM
    deliver [FLOP/byte], infinite without such traffic; time: in one pass of one stage, fixed cost included [s];
    binds: one of RESOURCES, or 'fixed' where that cost is larger.
    """

    phase: str
    operator: str
    operator_class: str
    rate: float
    memory_intensity: float
    sram_intensity: float
    time: float
    binds: str


@jax.jit
def demands(
    model: Transformer, requests: Traffic, drafted: Number, chip: Chip, mapping: Mapping
) -> list[tuple[Demand, Number]]:
    """Demand of every row of the prefill and of the decode pass, one layer each, and how often each row counts."""
    lengths = lengths_of(requests, model)
    passes = [prefill_tokens(lengths, mapping), decode_tokens(lengths, mapping, drafted)]
    tables = [operator_table(model, mapping, tokens) for tokens in passes]
    most = jnp.maximum(passes[0].total, passes[1].total)
    contexts = (lengths.decode, lengths.window_decode)
    place = residency(chip, footprint(chip, elements_held(model, mapping, tables[1], contexts, most)))

    def alone(table: Product) -> Demand:
        return jax.vmap(lambda chosen: run_table(table, chip, place, chosen)[0])(jnp.eye(len(OPERATORS)))

    return [(alone(table), row_weights(model, mapping, table)) for table in tables]


def points_of(phase: str, demand: Demand, weights: np.ndarray) -> list[OperatorPoint]:
    """The rows of a table that count."""
    busy = {name: np.broadcast_to(getattr(demand, name), weights.shape) for name in (*RESOURCES, "fixed")}
    flop, time = 2.0 * np.asarray(demand.macs), np.asarray(demand.time)
    with np.errstate(divide="ignore", invalid="ignore"):
        memory = flop / (np.asarray(demand.memory_bytes) + np.asarray(demand.far_bytes))
        sram = flop / np.asarray(demand.sram_bytes)
    return [
        OperatorPoint(
            phase=phase,
            operator=operator,
            operator_class=group,
            rate=float(flop[row] / time[row]),
            memory_intensity=float(memory[row]),
            sram_intensity=float(sram[row]),
            time=float(time[row] * weights[row]),
            binds=max(busy, key=lambda name: busy[name][row]),
        )
        for row, (operator, group) in enumerate(OPERATORS.items())
        if weights[row] > 0.0
    ]


def operator_points(job: Job, candidate: Candidate) -> list[OperatorPoint]:
    """The operators of the prefill and of the decode pass of a candidate under its mapping, in float64."""
    given = (job.transformer, job.requests, job.assumptions.serving.draft_tokens, candidate.chip, candidate.mapping)
    both = demands(*jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), given))
    found = []
    for phase, (demand, weights) in zip(PHASES, both, strict=True):
        found += points_of(phase, demand, np.asarray(weights))
    return found
