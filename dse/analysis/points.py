"""What does the model say of measured rows? All rows under all their open mappings in a few calls, for any software.

A point is a row under one mapping. What does not depend on the coefficients of the software - how many sequences fit,
how many waves a static batch takes - is fixed here once; `values` is then a function of the coefficients alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from dse.analysis.cases import Case
from dse.analysis.profiles import COEFFICIENTS
from dse.arrays import Number, pytree
from dse.assumptions import Assumptions
from dse.best_mapping import as_type, padded
from dse.evaluate import Metrics, evaluate
from dse.hardware.chip import Chip
from dse.timing.inference import micro_batch
from dse.timing.mapping import Mapping
from dse.workload.traffic import Traffic
from dse.workload.transformer import Transformer

__all__ = ["Points", "points_of"]

SIZE = 256
"""Points of one compiled block."""

MOST_SEQUENCES = 4096.0
"""Largest batch per copy that is assumed where neither the row nor the memory sets one [1]."""

OVERFULL = 1.25
"""Weights that exceed the memory by more than this are refused; by less, the footprint is taken for inexact [1]."""

FULL = 0.95
"""Share of the usual room from which weights leave too little for clients that are served all the same [1]."""

NEARLY = 1.12
"""Memory that may be there for a stated batch over what is usual: some allocators leave less aside [1]."""

T = TypeVar("T")


@pytree
class Asked:
    """What is asked of a point: which of the `readings`, over how many waves, with how many requests waiting.

    reading: its number; steps: output tokens; prompt: input tokens; waves: of a static batch; waiting: requests of
    the clients beyond those in flight; merit: number of the reading that the best mapping maximises [1].
    """

    reading: Number
    merit: Number
    steps: Number
    prompt: Number
    waves: Number
    waiting: Number


READINGS = (
    "first",
    "step",
    "steps_rate",
    "step_rate",
    "whole_rate",
    "whole_rate_per_user",
    "prompt_rate",
    "time_to_first_token",
    "time_per_output_token",
    "output_rate",
    "output_rate_per_user",
    "input_rate",
    "whole_input_rate",
    "prefill_mfu",
    "decode_mfu",
    "whole_mfu",
    "served_mfu",
    "soonest",
    "requests_rate",
)
STATIC = {"ttft_s": "first", "tpot_s": "step", "output_tokens_per_s": "whole_rate", "mfu": "whole_mfu"}
STATIC |= {"input_tokens_per_s": "whole_input_rate"}
SERVED = {"ttft_s": "time_to_first_token", "tpot_s": "time_per_output_token", "output_tokens_per_s": "output_rate"}
SERVED |= {"output_tokens_per_s_per_user": "output_rate_per_user", "input_tokens_per_s": "input_rate"}
SERVED |= {"mfu": "served_mfu"}
READING = {
    "prefill": {"ttft_s": "first", "input_tokens_per_s": "prompt_rate", "mfu": "prefill_mfu"},
    "decode": {
        "tpot_s": "step",
        "output_tokens_per_s": "steps_rate",
        "output_tokens_per_s_per_user": "step_rate",
        "mfu": "decode_mfu",
    },
    "generate": STATIC | {"output_tokens_per_s_per_user": "whole_rate_per_user"},
    "offline": SERVED,
    "online": SERVED,
}
"""Phase and metric -> what is read off."""

MERIT = {
    "prefill": "soonest",
    "decode": "steps_rate",
    "generate": "whole_rate",
    "offline": "output_rate",
    "online": "requests_rate",
}
"""Phase -> what the software is taken to have chosen the open degrees for."""


def work_of(metrics: Metrics, mapping: Mapping, asked: Asked) -> tuple[Number, Number]:
    """Multiply-accumulates of one chip for one request: of its prompt, and of all its output tokens [1]."""
    passes = metrics.service.prefill_time / metrics.prefill.time
    return metrics.prefill.demand.macs * passes, asked.steps * metrics.decode.demand.macs / micro_batch(mapping)


def readings(metrics: Metrics, mapping: Mapping, asked: Asked) -> dict[str, Number]:
    """Everything that a row may ask, by name; leaves (points,)."""
    service = metrics.service
    batch = mapping.batch
    filling = (mapping.pipeline_parallel - 1.0) * metrics.prefill.time
    once = service.prefill_time * batch / mapping.data_parallel + filling
    whole = once + asked.steps * service.step_time
    waited = asked.waiting * asked.steps / service.output_rate
    of_prompt, of_steps = work_of(metrics, mapping, asked)
    peak, copies = metrics.hardware.peak, mapping.data_parallel
    return {
        "first": asked.waves * once,
        "step": service.step_time,
        "steps_rate": batch / service.step_time,
        "step_rate": 1.0 / service.step_time,
        "whole_rate": batch * asked.steps / whole,
        "whole_rate_per_user": asked.steps / (asked.waves * whole),
        "prompt_rate": batch * asked.prompt / once,
        "time_to_first_token": metrics.time_to_first_token + waited,
        "time_per_output_token": metrics.time_per_output_token,
        "output_rate": service.output_rate,
        "output_rate_per_user": 1.0 / metrics.time_per_output_token,
        "input_rate": service.output_rate * asked.prompt / asked.steps,
        "whole_input_rate": batch * asked.prompt / whole,
        "prefill_mfu": 2.0 * of_prompt * batch / copies / once / peak,
        "decode_mfu": 2.0 * of_steps / asked.steps * batch / copies / service.step_time / peak,
        "whole_mfu": 2.0 * (of_prompt + of_steps) * batch / copies / whole / peak,
        "served_mfu": 2.0 * (of_prompt + of_steps) * service.output_rate / asked.steps / copies / peak,
        "soonest": 1.0 / once,
        "requests_rate": 1.0 / (metrics.time_to_first_token + asked.steps * metrics.time_per_output_token),
    }


@jax.jit
def values_block(
    chip: Chip, model: Transformer, traffic: Traffic, mapping: Mapping, assumptions: Assumptions, asked: Asked
) -> tuple[Number, Number]:
    """The asked readings and the merits of a block of points; leaves (SIZE,) of all arguments but the assumptions."""
    metrics = evaluate(chip, model, traffic, mapping, assumptions)
    found = readings(metrics, mapping, asked)
    table = jnp.stack([jnp.broadcast_to(found[name], mapping.batch.shape) for name in READINGS])
    place = jnp.arange(SIZE)
    return table[asked.reading.astype(int), place], table[asked.merit.astype(int), place]


@jax.jit
def room_block(
    chip: Chip, model: Transformer, traffic: Traffic, mapping: Mapping, assumptions: Assumptions
) -> tuple[Number, Number, Number, Number]:
    """Bytes of one copy's chip that are usually free, that may be free, and of one sequence; its weights over its room.

    Free beside weights and activations. Single engines leave less aside than is usual: a little more room may be there.
    """
    metrics = evaluate(chip, model, traffic, mapping, assumptions)
    held = metrics.footprint
    room = held.total / (metrics.limits.memory + 1.0)
    sequences = mapping.batch / mapping.data_parallel
    beside = held.weights + held.activations
    return room - beside, NEARLY * room - beside, held.state / sequences, held.weights / room


@dataclass(frozen=True)
class Points:
    """Rows under their mappings; every leaf (points,).

    row: number of the row that a point belongs to; family: number of its software in `software`.
    """

    cases: tuple[Case, ...]
    software: tuple[str, ...]
    row: Int[np.ndarray, " points"]
    family: Int[np.ndarray, " points"]
    chip: Chip
    model: Transformer
    traffic: Traffic
    mapping: Mapping
    asked: Asked
    assumptions: Assumptions

    def chosen(self, places: Int[np.ndarray, " some"]) -> Points:
        """Some of the points."""
        parts = (self.row, self.family, self.chip, self.model, self.traffic, self.mapping, self.asked)
        row, family, chip, model, traffic, mapping, asked = jax.tree.map(lambda leaf: np.asarray(leaf)[places], parts)
        return replace(
            self, row=row, family=family, chip=chip, model=model, traffic=traffic, mapping=mapping, asked=asked
        )

    def both(
        self, coefficients: Float[np.ndarray, "families coefficients"], burst_share: float
    ) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
        """What is asked of every point, and its merit, when each software has these coefficients [base units]."""
        execution = replace(
            self.chip.execution,
            **{name: coefficients[self.family, place] for place, name in enumerate(COEFFICIENTS)},
        )
        serving = replace(self.assumptions.serving, burst_share=burst_share)
        given = as_type(replace(self.assumptions, serving=serving), np.float64)
        trees = (replace(self.chip, execution=execution), self.model, self.traffic, self.mapping, self.asked)
        found = in_blocks(lambda c, m, t, p, a: values_block(c, m, t, p, given, a), trees, self.row.size)
        return found[0], found[1]

    def values(
        self, coefficients: Float[np.ndarray, "families coefficients"], burst_share: float
    ) -> Float[np.ndarray, " points"]:
        """What is asked of every point when each software has these coefficients [base units]."""
        return self.both(coefficients, burst_share)[0]

    def best(self, coefficients: Float[np.ndarray, "families coefficients"], burst_share: float) -> Points:
        """One point a row, in order of the rows: the mapping of highest merit."""
        merit = self.both(coefficients, burst_share)[1]
        order = np.lexsort((-merit, self.row))
        first = np.r_[True, self.row[order][1:] != self.row[order][:-1]]
        return self.chosen(order[first])


def in_blocks(function: Any, trees: tuple[Any, ...], count: int) -> list[np.ndarray]:
    """A compiled function of blocks of SIZE over trees with leaves (count,), joined; each result (count,)."""
    parts = []
    for start in range(0, count, SIZE):
        block = padded(trees, SIZE, start, np.float64)
        parts.append(jax.device_get(function(*block)))
    return [
        np.concatenate([np.broadcast_to(x, (SIZE,)) for x in leaves])[:count] for leaves in zip(*parts, strict=True)
    ]


def spread(trees: Sequence[T], sizes: Sequence[int]) -> T:
    """Trees with scalar leaves, or leaves of these sizes, as one tree with leaves of all of them."""
    return jax.tree.map(
        lambda *leaves: np.concatenate(
            [np.broadcast_to(np.asarray(x, float), (n,)) for x, n in zip(leaves, sizes, strict=True)]
        ),
        *trees,
    )


def asked_of(case: Case) -> Asked:
    """What a row asks, before it is known what fits."""
    row = case.row
    return Asked(
        reading=float(READINGS.index(READING[row.phase][row.metric])),
        merit=float(READINGS.index(MERIT[row.phase])),
        steps=float(case.traffic.output_tokens),
        prompt=float(case.traffic.input_tokens),
        waves=1.0,
        waiting=0.0,
    )


def points_of(
    cases: Sequence[Case], assumptions: Assumptions, software: tuple[str, ...] = ()
) -> tuple[Points, dict[int, str]]:
    """The points of rows, and for rows that cannot be run at all the reason, by number of the row.

    software: profiles that are counted, those of the rows when none are given.
    Rows of one model stand together, so that a block skips the operators that its models lack.
    """
    order = sorted(range(len(cases)), key=lambda number: cases[number].model)
    ordered = [cases[number] for number in order]
    sizes = [int(np.size(case.mappings.batch)) for case in ordered]
    software = software or tuple(sorted({case.software for case in cases}))
    points = Points(
        cases=tuple(cases),
        software=software,
        row=np.repeat(np.array(order, int), sizes),
        family=np.repeat(np.array([software.index(case.software) for case in ordered], int), sizes),
        chip=spread([case.chip for case in ordered], sizes),
        model=spread([case.transformer for case in ordered], sizes),
        traffic=spread([case.traffic for case in ordered], sizes),
        mapping=spread([case.mappings for case in ordered], sizes),
        asked=spread([asked_of(case) for case in ordered], sizes),
        assumptions=assumptions,
    )
    return fitted_to_memory(points)


def fitted_to_memory(points: Points) -> tuple[Points, dict[int, str]]:
    """Batches cut to what the memory holds: static ones into waves, clients into those in flight and those waiting.

    A row whose weights do not fit under any mapping is refused; one whose batch nearly fits is believed, and so is the
    batch of one whose weights nearly do.
    """
    phases = np.array([points.cases[number].row.phase for number in points.row])
    given = np.array(["batch" in points.cases[number].row.numbers for number in points.row])
    data = points.mapping.data_parallel
    given_model = as_type(points.assumptions, np.float64)
    one = replace(points.mapping, batch=data)
    trees = (points.chip, points.model, points.traffic, one)
    usual, generous, each, crowded = in_blocks(
        lambda c, m, t, p: room_block(c, m, t, p, given_model), trees, points.row.size
    )
    steps, prompt = points.asked.steps, points.asked.prompt
    at_end = np.where(phases == "generate", (prompt + steps) / (prompt + steps / 2.0), 1.0)
    squeezed = given & ((phases != "online") | (crowded > FULL))
    free = np.where(squeezed, generous, usual)
    fits = np.clip(np.floor(free / np.maximum(each * at_end, 1.0)), 1.0, MOST_SEQUENCES) * data
    most = np.where((free <= 0.0) & given, np.maximum(points.mapping.batch, data), fits)
    wanted = np.where(given, points.mapping.batch, most)
    cut = np.isin(phases, ("generate", "offline", "online"))
    waves = np.where(given & (phases == "generate"), np.ceil(np.maximum(wanted / most, 1.0) - 1e-9), 1.0)
    batch = np.where(cut, np.where(phases == "generate", wanted / waves, np.minimum(wanted, most)), wanted)
    runs = crowded <= OVERFULL
    asked = replace(points.asked, waves=waves, waiting=np.where(phases == "online", wanted - batch, 0.0))
    best = {number: crowded[points.row == number].min() for number in set(points.row[~runs]) - set(points.row[runs])}
    reasons = {
        int(number): f"does not fit: weights need {need:.2f} x the memory of its chips" for number, need in best.items()
    }
    whole = replace(points, mapping=replace(points.mapping, batch=np.maximum(batch, data)), asked=asked)
    return whole.chosen(np.flatnonzero(runs)), reasons
