"""How long does one operator take, and what binds it? The slowest of its resources, and their sum over a pass."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from dse.arrays import Number, pytree
from dse.hardware.chip import Chip
from dse.timing.matrix_unit import matrix_cycles
from dse.timing.memory import Residency, reuse_limits
from dse.workload.operators import CLASSES, OPERATORS, Product

__all__ = ["RESOURCES", "Demand", "Rates", "operator_demand", "rates_of", "run_table"]

RESOURCES = ("matrix", "vector", "sram", "memory", "far_memory")


@pytree
class Demand:
    """What operators ask of each resource: seconds of matrix and vector units, SRAM, main and far memory [s]; the time
    of the slowest with the fixed cost [s]; and the events that cost energy: multiply-accumulates and vector
    operations [1], bytes at each level [bytes].
    """

    matrix: Number
    vector: Number
    sram: Number
    memory: Number
    far_memory: Number
    fixed: Number
    time: Number
    macs: Number
    operations: Number
    sram_bytes: Number
    memory_bytes: Number
    far_bytes: Number


@pytree
class Rates:
    """Reciprocal rates of a chip, computed once per design [s], [s/FLOP], [s/byte], [bytes]."""

    clock: Number
    vector: Number
    sram: Number
    memory: Number
    far_memory: Number
    local_reuse: Number
    shared_reuse: Number


def rates_of(chip: Chip) -> Rates:
    """Seconds per clock, per vector operation and per byte, with what software achieves of each."""
    execution, numerics = chip.execution, chip.numerics
    local, shared = reuse_limits(chip)
    return Rates(
        clock=1.0 / (chip.matrix.clock * numerics.rate * execution.matrix_efficiency),
        vector=1.0 / (2.0 * jnp.maximum(chip.vector_lanes, 1.0) * chip.matrix.clock),
        sram=1.0 / chip.sram.bandwidth,
        memory=1.0 / (jnp.maximum(chip.memory.bandwidth, 1.0) * execution.memory_efficiency),
        far_memory=1.0 / (jnp.maximum(chip.far_memory.bandwidth, 1.0) * execution.memory_efficiency),
        local_reuse=local,
        shared_reuse=shared,
    )


def operator_demand(product: Product, chip: Chip, rates: Rates, place: Residency) -> Demand:
    """What one operator of one layer asks for.

    Time is the largest of: matrix clocks on the real shape; vector work; SRAM traffic, at least what tiling for the
    local buffers needs; main-memory traffic, never below the compulsory bytes nor the lower bound for the
    SRAM; far-memory traffic. Roofline: Williams, Waterman, Patterson, CACM 52 (2009).
    """
    numerics = chip.numerics
    is_state = product.state
    imbalance = 1.0 + product.uneven * (chip.execution.expert_imbalance - 1.0)
    tokens = product.tokens * imbalance
    cycles = matrix_cycles(tokens, product.inner, product.outer, product.products, chip.matrix)
    macs = product.macs
    stored = product.stored * (numerics.weight + is_state * (numerics.state - numerics.weight))
    moved = product.moved * numerics.activation
    near = place.weights_in_sram + is_state * (place.state_in_sram - place.weights_in_sram)
    far = place.weights_far * (1.0 - is_state)
    compulsory = stored + moved
    sram_bytes = jnp.maximum(compulsory, macs * rates.local_reuse)
    refetched = jnp.maximum(macs * rates.shared_reuse - compulsory, 0.0)
    memory_bytes = stored * (1.0 - near - far) + (moved + refetched) * place.spill
    far_bytes = stored * far
    times = {
        "matrix": cycles * product.repeat * rates.clock,
        "vector": product.vector * rates.vector,
        "sram": sram_bytes * rates.sram,
        "memory": memory_bytes * rates.memory,
        "far_memory": far_bytes * rates.far_memory,
    }
    slowest = jnp.maximum(jnp.maximum(times["matrix"], times["vector"]), times["sram"])
    slowest = jnp.maximum(jnp.maximum(slowest, times["memory"]), times["far_memory"])
    return Demand(
        **times,
        fixed=chip.execution.operator_time,
        time=slowest + chip.execution.operator_time,
        macs=macs,
        operations=product.vector,
        sram_bytes=sram_bytes,
        memory_bytes=memory_bytes,
        far_bytes=far_bytes,
    )


def run_table(table: Product, chip: Chip, place: Residency, weights: Number) -> tuple[Demand, Number]:
    """Demand of a whole pass and the time of every row.

    table: rows first, then mappings; chip: designs; place: both; weights: times that a row counts, (rows, ...) [1].
    Rows that count zero are skipped at run time, so a dense model does not pay for experts. Returns the summed
    Demand and the times (rows, designs, mappings) [s].
    """
    rates = rates_of(chip)
    shape = jnp.broadcast_shapes(jnp.shape(table.tokens)[1:], jnp.shape(place.spill), jnp.shape(rates.clock))
    zero = jnp.zeros(shape, jnp.result_type(place.spill))

    def whole(value: Number) -> Number:
        return jnp.broadcast_to(value, shape).astype(zero.dtype)

    def step(total: Demand, row: tuple[Product, Number]) -> tuple[Demand, Number]:
        product, weight = row

        def count(total: Demand) -> tuple[Demand, Number]:
            demand = jax.tree.map(lambda part: whole(part * weight), operator_demand(product, chip, rates, place))
            return jax.tree.map(jnp.add, total, demand), demand.time

        def skip(total: Demand) -> tuple[Demand, Number]:
            return total, zero

        return jax.lax.cond(jnp.any(weight > 0), count, skip, total)

    start = Demand(**dict.fromkeys(Demand.__dataclass_fields__, zero))
    return jax.lax.scan(step, start, (table, weights))


def class_times(times: Number) -> dict[str, Number]:
    """Sum the rows of each operator class.

    times: (rows, ...) [s]. Returns class -> (...) [s], in the order of CLASSES.
    """
    classes = list(OPERATORS.values())
    return {
        name: sum(times[row] for row, found in enumerate(classes) if found == name)
        for name in CLASSES
    }
