"""How long does one operator take, and what binds it? The slowest of its resources, and their sum over a pass."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from dse.arrays import Number, pytree
from dse.hardware.chip import Chip
from dse.timing.matrix_unit import matrix_cycles
from dse.timing.memory import Residency, reuse_limits
from dse.workload.operators import CLASSES, EXPERT_ROWS, OPERATORS, Product

__all__ = ["RESOURCES", "Demand", "Rates", "Usage", "class_times", "operator_usage", "rates_of", "run_table"]

RESOURCES = ("matrix", "vector", "sram", "memory", "far_memory")


@pytree
class Demand:
    """What operators ask of each resource, and the events that cost energy.

    Seconds of matrix and vector units, SRAM, main and far memory [s]; the time of the slowest with the fixed cost [s];
    multiply-accumulates and vector operations [1], bytes at each level [bytes].
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
    """Reciprocal rates of a chip, computed once per design [s], [s/FLOP], [s/byte], [bytes].

    scalar: of a multiply-accumulate of a product on the vector units [s].
    """

    clock: Number
    vector: Number
    scalar: Number
    sram: Number
    memory: Number
    far_memory: Number
    local_reuse: Number
    shared_reuse: Number


def rates_of(chip: Chip) -> Rates:
    """Seconds per clock, per vector operation and per byte, with what software achieves of each."""
    execution, numerics = chip.execution, chip.numerics
    local, shared = reuse_limits(chip)
    achieved = chip.matrix.sustained * execution.matrix_efficiency
    vector = 1.0 / (2.0 * jnp.maximum(chip.vector_lanes, 1.0) * chip.matrix.clock)
    return Rates(
        clock=1.0 / (chip.matrix.clock * numerics.rate * achieved),
        vector=vector,
        scalar=2.0 * vector / achieved,
        sram=1.0 / chip.sram.bandwidth,
        memory=1.0 / (jnp.maximum(chip.memory.bandwidth, 1.0) * execution.memory_efficiency),
        far_memory=1.0 / (jnp.maximum(chip.far_memory.bandwidth, 1.0) * execution.memory_efficiency),
        local_reuse=local,
        shared_reuse=shared,
    )


@pytree
class Usage:
    """What one operator of one layer uses.

    Seconds of the matrix units [s], bytes from SRAM and from main memory [bytes], and the time of its slowest resource
    with the fixed cost [s].
    """

    matrix: Number
    sram_bytes: Number
    memory_bytes: Number
    time: Number


@pytree
class Load:
    """What an operator asks of its busiest chip, from the mapping alone and so computed once for all designs.

    As in Product; expert: 1 for weights of routed experts, else 0; macs: multiply-accumulates of the mean chip,
    busiest: of the busiest [1].
    """

    products: Number
    tokens: Number
    inner: Number
    outer: Number
    repeat: Number
    stored: Number
    moved: Number
    vector: Number
    state: Number
    expert: Number
    dealt: Number
    grouped: Number
    macs: Number
    busiest: Number


def load_of(product: Product) -> Load:
    """Operators, rows first, on their busiest chip; what all mappings share is not repeated for each of them."""
    same = ("tokens", "inner", "outer", "moved", "vector", "dealt", "grouped")
    mappings, kind = tuple(range(1, jnp.ndim(product.state))), jnp.result_type(product.tokens)
    expert = jnp.zeros(product.state.shape[0], kind).at[jnp.array(EXPERT_ROWS)].set(1.0)
    return Load(
        expert=jnp.expand_dims(expert, mappings),
        **{name: getattr(product, name) for name in same},
        **{name: getattr(product, name).max(mappings, keepdims=True).astype(kind) for name in ("repeat", "state")},
        products=product.products * product.crowding,
        stored=product.stored * product.crowding,
        macs=product.macs,
        busiest=product.macs * product.crowding,
    )


def operator_usage(load: Load, chip: Chip, rates: Rates, place: Residency) -> Usage:
    """What one operator of one layer uses.

    Time is the largest of: matrix clocks on the real shape, or the same product on the vector units where that is
    sooner (a skinny one fills little of an array), stretched by the imbalance among experts and by what grouped
    products lose, and the vector work that goes with it, since few kernels run both at once;
    SRAM traffic, at least what tiling for the local buffers needs; main-memory traffic, never below the compulsory
    bytes nor the lower bound for the SRAM; far-memory traffic, which passes through the main memory where there is one.
    Roofline: Williams, Waterman, Patterson, CACM 52 (2009).
    """
    execution, numerics = chip.execution, chip.numerics
    uneven = 1.0 + load.dealt * (execution.expert_imbalance - 1.0) + load.grouped * execution.grouped_overhead
    cycles = matrix_cycles(load.tokens, load.inner, load.outer, load.products, chip.matrix)
    other = load.state * (numerics.state - numerics.weight) + load.expert * (numerics.expert_weight - numerics.weight)
    stored = load.stored * (numerics.weight + other)
    moved = load.moved * numerics.activation
    far_bytes = stored * (1.0 - load.state) * place.weights_far
    behind = jnp.where(load.state > 0.0, place.state_in_memory, place.weights_in_memory)
    sram_bytes = jnp.maximum(stored + moved, load.macs * rates.local_reuse)
    memory_bytes = jnp.maximum(stored * behind + moved * place.spill, load.macs * rates.shared_reuse * place.spill)
    scalar = load.busiest * rates.scalar
    matrix = uneven * jnp.minimum(cycles * load.repeat * rates.clock, scalar)
    slowest = jnp.maximum(matrix + load.vector * rates.vector, sram_bytes * rates.sram)
    slowest = jnp.maximum(jnp.maximum(slowest, memory_bytes * rates.memory), far_bytes * rates.far_memory)
    return Usage(
        matrix=matrix, sram_bytes=sram_bytes, memory_bytes=memory_bytes, time=slowest + execution.operator_time
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

    def step(total: Usage, row: tuple[Load, Number]) -> tuple[Usage, Number]:
        load, weight = row

        def count(total: Usage) -> tuple[Usage, Number]:
            used = jax.tree.map(lambda part: part * weight, operator_usage(load, chip, rates, place))
            return jax.tree.map(jnp.add, total, used), jnp.broadcast_to(used.time, shape)

        def skip(total: Usage) -> tuple[Usage, Number]:
            return total, zero

        return jax.lax.cond(jnp.any(weight > 0), count, skip, total)

    start = Usage(matrix=zero, sram_bytes=zero, memory_bytes=zero, time=zero)
    used, times = jax.lax.scan(step, start, (load_of(table), weights))
    return demand_of(used, table, chip, rates, place, weights), times


def demand_of(used: Usage, table: Product, chip: Chip, rates: Rates, place: Residency, weights: Number) -> Demand:
    """The whole demand from what the scan has summed; the rest is linear in the table and needs no scan."""
    operations = (table.vector * weights).sum(0)
    numerics, read = chip.numerics, table.stored * (1.0 - table.state) * weights
    of_experts = sum(read[row] for row in EXPERT_ROWS) * (numerics.expert_weight - numerics.weight)
    far_bytes = (read.sum(0) * numerics.weight + of_experts) * place.weights_far
    return Demand(
        matrix=used.matrix,
        vector=operations * rates.vector,
        sram=used.sram_bytes * rates.sram,
        memory=used.memory_bytes * rates.memory,
        far_memory=far_bytes * rates.far_memory,
        fixed=weights.sum(0) * chip.execution.operator_time,
        time=used.time,
        macs=(table.macs * weights).sum(0),
        operations=operations,
        sram_bytes=used.sram_bytes,
        memory_bytes=used.memory_bytes,
        far_bytes=far_bytes,
    )


def class_times(times: Number) -> dict[str, Number]:
    """Sum the rows of each operator class.

    times: (rows, ...) [s], or how often they count [1]. Returns class -> (...) [s], in the order of CLASSES.
    """
    classes = list(OPERATORS.values())
    return {name: sum(times[row] for row, found in enumerate(classes) if found == name) for name in CLASSES}
