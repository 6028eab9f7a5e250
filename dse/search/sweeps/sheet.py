"""What does a roof see of a chip? The few numbers that least time, energy and money follow from."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from dse.arrays import Number, leaf_names, pytree
from dse.assumptions import Assumptions
from dse.hardware.chip import Chip
from dse.search.sweeps.bounds import Quick, least_weight, quick_of
from dse.search.sweeps.boxes import Rows, Tables, chip_range, chips_at
from dse.search.sweeps.intervals import range_of
from dse.timing.collectives import seconds_per_byte
from dse.workload.traffic import Traffic

__all__ = ["HIGH", "Sheet", "sheet_of", "sheets_at", "sheets_over"]

MOST = 1e18
"""More than any number of a sheet, for those that a box leaves without a bound."""


@pytree
class Sheet:
    """Numbers of a chip; a roof falls as any of them rises, but for those in HIGH, with which it rises.

    near: what stays in SRAM, room: all there is [bytes]; weight, state, activation: least of one [bytes];
    per_mac, vector [s]; sram, memory, near_byte, far_byte: of a byte, the last over scale-up and scale-out [s]; reuse:
    of the local buffers [bytes]; operator, step, sequence, request, collective, near_latency, far_latency [s]; overlap
    [1]; the energy of a multiply-accumulate, a vector operation, a byte of SRAM and of memory [J]; clocks, links: power
    [W]; power: that work may burn, least_power: the least that it is [W]; floor_clock, floor_energy: at the lowest
    supply [1]; rate [USD/s]; electricity [USD/J]; plug [1]; static [W]; excess: over the limits of the chip [1].
    """

    near: Number
    room: Number
    weight: Number
    state: Number
    activation: Number
    per_mac: Number
    vector: Number
    sram: Number
    memory: Number
    near_byte: Number
    far_byte: Number
    reuse: Number
    operator: Number
    step: Number
    sequence: Number
    request: Number
    collective: Number
    near_latency: Number
    far_latency: Number
    overlap: Number
    mac_energy: Number
    vector_energy: Number
    sram_energy: Number
    memory_energy: Number
    clocks: Number
    links: Number
    power: Number
    least_power: Number
    floor_clock: Number
    floor_energy: Number
    rate: Number
    electricity: Number
    plug: Number
    static: Number
    excess: Number


HIGH = ("near", "room", "overlap", "power", "floor_clock")
"""Numbers of which more makes a chip better."""


def sheet_of(quick: Quick) -> Sheet:
    """The sheet of chips from all that follows from each of them."""
    chip, rates, energy = quick.chip, quick.rates, quick.hardware.energy
    unit, execution, numerics = chip.matrix, chip.execution, chip.numerics
    up, out = chip.scale_up, chip.scale_out
    near = chip.sram.capacity * chip.sram.resident_share
    per_mac = jnp.minimum(rates.clock / (unit.units * unit.rows * unit.columns), rates.scalar)
    present = chip.memory.capacity > 0.0
    return Sheet(
        near=near,
        room=near + chip.memory.capacity * execution.usable_memory + chip.far_memory.capacity,
        weight=least_weight(numerics),
        state=numerics.state,
        activation=numerics.activation,
        per_mac=per_mac * jnp.minimum(execution.expert_imbalance, 1.0),
        vector=rates.vector,
        sram=rates.sram,
        memory=jnp.where(present, rates.memory, 0.0),
        near_byte=seconds_per_byte(up, chip),
        far_byte=seconds_per_byte(out, chip),
        reuse=rates.local_reuse,
        operator=execution.operator_time,
        step=execution.step_time,
        sequence=execution.sequence_time,
        request=execution.request_time,
        collective=execution.collective_time,
        near_latency=up.latency,
        far_latency=out.latency,
        overlap=execution.overlap,
        mac_energy=energy.mac,
        vector_energy=energy.vector,
        sram_energy=energy.sram,
        memory_energy=jnp.where(present, energy.memory, 0.0),
        clocks=energy.clocks,
        links=energy.links,
        power=quick.envelope.power,
        least_power=quick.envelope.power,
        floor_clock=quick.envelope.floor.clock,
        floor_energy=quick.envelope.floor.energy,
        rate=quick.rate,
        electricity=quick.electricity,
        plug=quick.plug,
        static=quick.static,
        excess=quick.excess,
    )


def sheets_of(chips: Chip, assumptions: Assumptions, traffic: Traffic) -> Sheet:
    """The sheets of chips."""
    return sheet_of(quick_of(chips, assumptions, traffic))


evaluated = jax.jit(sheets_of)


@jax.jit
def between(low: Chip, high: Chip, assumptions: Assumptions, traffic: Traffic) -> Sheet:
    """The best number of each kind that a chip between two others can have, by every number of theirs."""
    least, most = range_of(sheets_of, (low, assumptions, traffic), (high, assumptions, traffic))
    ends = {}
    for name in leaf_names(Sheet):
        value = getattr(most if name in HIGH else least, name)
        worst = MOST if name in HIGH else (-MOST if name == "excess" else 0.0)
        # What a box leaves without a bound is as good as can be; nothing but the excess is below zero.
        known = jnp.where(jnp.isnan(value), worst, value)
        ends[name] = jnp.clip(known, -MOST if name == "excess" else 0.0, MOST)
    return Sheet(**ends)


def sheets_at(tables: Tables, digits: Rows, assumptions: Assumptions, traffic: Traffic) -> Sheet:
    """The sheets of designs by their rows (designs, axes); leaves (designs,)."""
    return jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, len(digits)), evaluated(chips_at(tables, digits), assumptions, traffic)
    )


def sheets_over(tables: Tables, first: Rows, last: Rows, assumptions: Assumptions, traffic: Traffic) -> Sheet:
    """For each box, from first to last rows (boxes, axes), a sheet than which no chip in it has a better number."""
    low, high = chip_range(tables, first, last)
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, len(first)), between(low, high, assumptions, traffic))
