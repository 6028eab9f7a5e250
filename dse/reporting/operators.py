"""What does each operator of a pass do? Its place under the roofline, its time and what binds it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.analysis.comparison import Candidate, Job
from dse.hardware.chip import Chip
from dse.timing.inference import decode_tokens, lengths_of, prefill_tokens, row_weights
from dse.timing.memory import Residency, elements_held, footprint, residency
from dse.timing.roofline import RESOURCES, operator_demand, rates_of
from dse.workload.operators import OPERATORS, Product, Tokens, operator_table

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


def layout(job: Job, candidate: Candidate) -> tuple[list[Tokens], Residency]:
    """Tokens of the prefill and of the decode pass, and where weights and state lie."""
    model, mapping, chip = job.transformer, candidate.mapping, candidate.chip
    lengths = lengths_of(job.requests, model)
    passes = [
        prefill_tokens(lengths, mapping),
        decode_tokens(lengths, mapping, job.assumptions.serving.draft_tokens),
    ]
    most = max(float(tokens.total) for tokens in passes)
    contexts = (lengths.decode, lengths.window_decode)
    held = elements_held(model, mapping, operator_table(model, mapping, passes[1]), contexts, most)
    return passes, residency(chip, footprint(chip, held))


def points_of(phase: str, table: Product, weights: np.ndarray, chip: Chip, place: Residency) -> list[OperatorPoint]:
    """The rows of a table that count."""
    demand = operator_demand(table, chip, rates_of(chip), place)
    busy = {name: np.broadcast_to(getattr(demand, name), weights.shape) for name in (*RESOURCES, "fixed")}
    flop = 2.0 * np.asarray(demand.macs)
    with np.errstate(divide="ignore", invalid="ignore"):
        memory = flop / (np.asarray(demand.memory_bytes) + np.asarray(demand.far_bytes))
        sram = flop / np.asarray(demand.sram_bytes)
    time = np.asarray(demand.time)
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
    passes, place = layout(job, candidate)
    found = []
    for phase, tokens in zip(PHASES, passes, strict=True):
        table = operator_table(job.transformer, candidate.mapping, tokens)
        weights = np.asarray(row_weights(job.transformer, candidate.mapping, table))
        found += points_of(phase, table, weights, candidate.chip, place)
    return found
