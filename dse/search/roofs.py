"""What can a design reach under any of many mappings at once? Least work of a group of mappings, as one roofline.

Everything that a mapping asks of a chip is written per output token and chip (`Needs`); a group asks at least the
smallest of each of its members. Time, energy and money rise with all of these, so that the roof of a group is above
that of every member. Left out beside what `bounds` leaves out: spilled activations, far memory, bytes of the exchange
among experts, and waiting that depends on the load; links are taken as the faster of the two networks, nowhere cut by
a domain.
"""

from __future__ import annotations

from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np

from dse.arrays import Number, ceil_div, pytree
from dse.assumptions import Assumptions, Serving
from dse.hardware.chip import Chip
from dse.hardware.throttle import throttled_time
from dse.search.bounds import TOLERANCE, Bound, Quick, Work, least_weight
from dse.timing.inference import exchanges_of, lengths_of
from dse.timing.mapping import Mapping, chips_of
from dse.timing.serving import accepted_tokens, waiting
from dse.workload.traffic import Traffic
from dse.workload.transformer import Transformer

__all__ = ["Needs", "grouped", "least", "needs_of", "roof_of"]

WIDE_DOMAIN = 1e9
"""Chips of a domain that no group leaves [1]."""

SMALLEST = 1e-9
"""Share of the largest need below which mappings count as alike [1]."""


@pytree
class Needs:
    """What an output token needs, prefill first, then decode, times the chips that share the work, (2, groups).

    busiest, macs, operations, weights, state, moved, operators: as in Work; host: steps of the host; sequences: that it
    serves; floors, latencies: exchanges that pay each; sent: elements sent; reuse: elements near the cores save for
    each byte there, at most; full: share of the energy that counts; all per token [1]. slow, first: what a chip-second
    adds to time per output token and time to first token [1]. held_weights, held_state: least on the fullest chip,
    (groups,) [1].
    """

    busiest: Number
    macs: Number
    operations: Number
    weights: Number
    state: Number
    moved: Number
    operators: Number
    host: Number
    sequences: Number
    floors: Number
    latencies: Number
    sent: Number
    reuse: Number
    full: Number
    slow: Number
    first: Number
    held_weights: Number
    held_state: Number


def ideal(chip: Chip, floor: float, latency: float) -> Chip:
    """A chip whose exchanges count floors, latencies or bytes: one wide switch of one byte a second."""
    link = replace(chip.scale_up, domain=WIDE_DOMAIN, dimensions=0.0, tiers=1.0, bandwidth=1.0, latency=latency)
    execution = replace(chip.execution, collective_time=floor, network_efficiency=1.0)
    return replace(chip, scale_up=link, scale_out=link, execution=execution)


@jax.jit
def needs_of(chip: Chip, work: Work, model: Transformer, traffic: Traffic, mapping: Mapping, serving: Serving) -> Needs:
    """The needs of every mapping, each a group of its own. chip: any, scalar; work: of the mappings."""
    floors, latencies = (exchanges_of(ideal(chip, *one), model, mapping, serving.exchange_bytes) for one in UNITS)
    kinds = ("reduction", "dispatch", "context_exchange", "pipeline")
    counts = [sum(getattr(talk, kind).fixed for kind in kinds) for talk in (floors, latencies)]
    sent = sum(getattr(floors, kind).per_byte for kind in kinds if kind != "dispatch")
    lengths = lengths_of(traffic, model)
    apart = mapping.disaggregated > 0.0
    stages, sequences = mapping.pipeline_parallel, mapping.batch / mapping.data_parallel
    copy = chips_of(mapping) / mapping.data_parallel
    others = jnp.maximum(sequences - 1.0, 0.0)
    turns = lengths.steps / accepted_tokens(serving) * stages / sequences
    turns = turns * (1.0 + serving.draft_tokens * serving.draft_time)
    passes = lengths.new / work.tokens[0]
    pool = jnp.where(apart, serving.prefill_utilisation, 1.0)
    scale = jnp.stack([copy * passes / lengths.steps / pool, copy * turns / lengths.steps])
    chunks = jnp.maximum(ceil_div(lengths.new, work.tokens[0]), 1.0)
    load = jnp.where(apart, serving.prefill_utilisation, 0.0)
    prefill = jnp.maximum(passes, 1.0) + stages - 1.0 + waiting(passes, passes, load, mapping, serving)
    carried = jnp.where(apart, 0.0, jnp.minimum(others, 1.0) * (chunks + 0.5))
    near = jnp.maximum(work.weights / work.held.weights, work.state / jnp.maximum(work.held.state, 1.0))
    return Needs(
        **{name: getattr(work, name) * scale for name in SCALED},
        host=scale / stages,
        sequences=work.sequences * scale / stages,
        floors=counts[0] * scale,
        latencies=counts[1] * scale,
        sent=sent * work.tokens * model.hidden * scale,
        reuse=near * scale,
        full=jnp.stack([pool, jnp.minimum(sequences / stages, 1.0)]),
        slow=jnp.stack([jnp.where(apart, 0.0, others / copy), sequences / copy]),
        first=jnp.stack([prefill, carried]) / scale,
        held_weights=work.held.weights,
        held_state=work.held.state,
    )


SCALED = ("busiest", "macs", "operations", "weights", "state", "moved", "operators")
UNITS = ((1.0, 0.0), (0.0, 1.0))
AT_MOST = ("reuse",)
"""Needs of which a group has the largest of its members: more of it saves time."""


def grouped(needs: Needs, count: int) -> np.ndarray:
    """Group of each mapping, at most so many (a power of two), members alike in what they need; (mappings,).

    A tree of cuts through the middle of the need that differs most, by its logarithm, within the group.
    """
    rows = np.concatenate([np.atleast_2d(np.asarray(leaf, float)) for leaf in jax.tree.leaves(needs)]).T
    rows = np.log(np.maximum(rows, rows.max(0) * SMALLEST + np.finfo(float).tiny))
    groups = [np.arange(len(rows))]
    while len(groups) < count:
        groups = [half for group in groups for half in halves(rows, group)]
    found = np.zeros(len(rows), np.int64)
    for index, group in enumerate(groups):
        found[group] = index
    return np.unique(found, return_inverse=True)[1]


def halves(rows: np.ndarray, group: np.ndarray) -> list[np.ndarray]:
    """A group in two at the middle of the range of the need that differs most; one may be empty."""
    if len(group) < 2:
        return [group, group[:0]]
    inside = rows[group]
    low, high = inside.min(0), inside.max(0)
    axis = int((high - low).argmax())
    left = inside[:, axis] <= (low[axis] + high[axis]) / 2.0
    return [group[left], group[~left]]


def least(needs: Needs, group: np.ndarray) -> Needs:
    """The least needs of each group, and the most of what saves; (2, groups), in the order of the groups."""
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(group.max() + 1))

    def reduced(name: str, leaf: Number) -> np.ndarray:
        reduce = np.maximum if name in AT_MOST else np.minimum
        return reduce.reduceat(np.asarray(leaf)[..., order], starts, axis=-1)

    return Needs(**{field.name: reduced(field.name, getattr(needs, field.name)) for field in fields(Needs)})


def phase_of(quick: Quick, needs: Needs, phase: int, near: Number, least_bytes: Number) -> tuple[Number, Number]:
    """Least chip-seconds [s] and energy [J] of one phase for an output token.

    near: bytes that stay in SRAM; least_bytes: of a number that is exchanged [bytes].
    """
    chip, rates, energy = quick.chip, quick.rates, quick.hardware.energy
    one = jax.tree.map(lambda leaf: leaf[phase] if jnp.ndim(leaf) > 1 else leaf, needs)
    weight = least_weight(chip.numerics)
    weights, state = one.weights * weight, one.state * chip.numerics.state
    held_weights, held_state = one.held_weights * weight, one.held_state * chip.numerics.state
    unit, execution = chip.matrix, chip.execution
    per_mac = jnp.minimum(rates.clock / (unit.units * unit.rows * unit.columns), rates.scalar)
    matrix = one.busiest * per_mac * jnp.minimum(execution.expert_imbalance, 1.0)
    streamed = weights * jnp.maximum(1.0 - near / held_weights, 0.0)
    kept = state * jnp.maximum(1.0 - near / jnp.maximum(held_state, 1.0), 0.0)
    behind = jnp.maximum(jnp.maximum(streamed, kept), weights + state - one.reuse * near)
    behind = jnp.where(chip.memory.capacity > 0.0, behind, 0.0)
    sram_bytes = jnp.maximum(weights + state + one.moved * chip.numerics.activation, one.macs * rates.local_reuse)
    memory = behind * rates.memory
    slowest = jnp.maximum(jnp.maximum(matrix + one.operations * rates.vector, sram_bytes * rates.sram), memory)
    demand = slowest + one.operators * execution.operator_time
    sent = exchanged(quick, one, least_bytes)
    busy = demand + sent - jnp.minimum(sent * execution.overlap, demand)
    free = busy + one.host * execution.step_time + one.sequences * execution.sequence_time
    clocked = busy * energy.clocks + one.macs * energy.mac + one.operations * energy.vector
    clocked, fixed = clocked + sram_bytes * energy.sram, behind * energy.memory
    paced = jnp.maximum(matrix + one.operations * rates.vector, sram_bytes * rates.sram)
    time = throttled_time(clocked, fixed, paced, free - paced, quick.envelope)
    return time, one.full * (jnp.minimum(clocked + fixed, quick.envelope.power * time) + energy.links * time)


def exchanged(quick: Quick, one: Needs, least_bytes: Number) -> Number:
    """Least time of exchanges for an output token, over the faster network and its least latency [s]."""
    up, out, execution = quick.chip.scale_up, quick.chip.scale_out, quick.chip.execution
    fastest = jnp.maximum(jnp.maximum(up.bandwidth, out.bandwidth), 1.0) * execution.network_efficiency
    latency = jnp.where(out.bandwidth > 0.0, jnp.minimum(up.latency, out.latency), up.latency)
    size = one.sent * jnp.maximum(quick.chip.numerics.activation, least_bytes)
    return one.floors * execution.collective_time + one.latencies * latency + size / fastest


def roof_of(quick: Quick, needs: Needs, traffic: Traffic, assumptions: Assumptions) -> Bound:
    """Upper bounds of designs, leaves (designs, 1), under any mapping of each group, leaves (groups,)."""
    chip = quick.chip
    near = chip.sram.capacity * chip.sram.resident_share
    (prefill, one), (decode, other) = (
        phase_of(quick, needs, phase, near, assumptions.serving.exchange_bytes) for phase in (0, 1)
    )
    seconds, energy = prefill + decode, one + other
    per_token = needs.slow[0] * prefill + needs.slow[1] * decode
    begins = chip.execution.request_time + needs.first[0] * prefill + needs.first[1] * decode
    room = near + chip.memory.capacity * chip.execution.usable_memory + chip.far_memory.capacity
    held = needs.held_weights * least_weight(chip.numerics) + needs.held_state * chip.numerics.state
    late = jnp.maximum(begins / traffic.time_to_first_token, per_token / traffic.time_per_output_token)
    excess = jnp.maximum(jnp.maximum(late, held / jnp.maximum(room, 1.0)) - 1.0, quick.excess)
    usd = seconds * quick.rate / assumptions.economics.utilisation + energy * quick.electricity
    drawn = quick.plug * (seconds * quick.static + energy)
    bounds = Bound(
        tokens_per_dollar=1.0 / usd, output_tokens_per_s_per_user=1.0 / per_token, tokens_per_joule=1.0 / drawn
    )
    return jax.tree.map(lambda value: jnp.where(excess <= TOLERANCE, value * (1.0 + TOLERANCE), 0.0), bounds)
