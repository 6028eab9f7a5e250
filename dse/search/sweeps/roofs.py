"""What can a design reach under any of many mappings at once? Least work of a group of mappings, as one roofline.

Everything that a mapping asks of a chip is written per output token and chip (`Needs`); a group asks at least the
smallest of each of its members. Time, energy and money rise with all of these, so that the roof of a group is above
that of every member. Left out beside what `bounds` leaves out: spilled activations, far memory, bytes of the exchange
among experts, and waiting that depends on the load; links are taken as the faster of the two networks, nowhere cut by
a domain.
"""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp

from dse.arrays import Number, ceil_div, pytree
from dse.assumptions import Assumptions, Serving
from dse.hardware.chip import Chip
from dse.hardware.throttle import Envelope, throttled_time
from dse.hardware.voltage import Floor
from dse.search.sweeps.bounds import TOLERANCE, Bound, Work
from dse.search.sweeps.sheet import Sheet
from dse.timing.inference import exchanges_of, lengths_of
from dse.timing.mapping import Mapping, chips_of
from dse.timing.serving import accepted_tokens, waiting
from dse.workload.traffic import Traffic
from dse.workload.transformer import Transformer

__all__ = ["Needs", "Shape", "needs_of", "roof_of", "shape_of"]

ENDLESS = 1e30
"""Bandwidth of a network whose bytes take no time [bytes/s]."""


@pytree
class Needs:
    """What an output token needs, prefill first, then decode, times the chips that share the work, (2, groups).

    busiest, macs, operations, weights, state, moved, operators: as in Work; host: steps of the host; sequences: that it
    serves; floors, near_latencies, far_latencies: exchanges that pay each; near_sent, far_sent: elements sent over
    scale-up and scale-out, near_dealt, far_dealt: to experts and back; reuse: elements near the cores save for each
    byte there, at most; full: share of the energy that counts; all per token [1]. slow, first: what a chip-second adds
    to time per output token and time to first token [1]. held_weights, held_state: least on the fullest chip,
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
    near_latencies: Number
    far_latencies: Number
    near_sent: Number
    far_sent: Number
    near_dealt: Number
    far_dealt: Number
    reuse: Number
    full: Number
    slow: Number
    first: Number
    held_weights: Number
    held_state: Number


@pytree
class Shape:
    """What of the networks decides who exchanges what with whom: as in Link, scale-up first, and of scale-out."""

    domain: Number
    dimensions: Number
    tiers: Number
    outer_dimensions: Number


def shape_of(chip: Chip) -> Shape:
    """The shape of the networks of a chip."""
    up = chip.scale_up
    return Shape(domain=up.domain, dimensions=up.dimensions, tiers=up.tiers, outer_dimensions=chip.scale_out.dimensions)


def ideal(chip: Chip, shape: Shape, serving: Serving, counted: str) -> Chip:
    """A chip whose exchanges take a second for each of what is counted, and no time for anything else.

    counted: floors, near_latencies or far_latencies; near and far bytes with the first and the second.
    """
    near = {"latency": float(counted == "near_latencies"), "bandwidth": 1.0 if counted == "floors" else ENDLESS}
    far = {"latency": float(counted == "far_latencies"), "bandwidth": 1.0 if counted == "near_latencies" else ENDLESS}
    up = {"domain": shape.domain, "dimensions": shape.dimensions, "tiers": shape.tiers}
    execution = replace(chip.execution, collective_time=float(counted == "floors"), network_efficiency=1.0)
    return replace(
        chip,
        scale_up=replace(chip.scale_up, **up, **near),
        scale_out=replace(chip.scale_out, dimensions=shape.outer_dimensions, **far),
        execution=execution,
        numerics=replace(chip.numerics, activation=serving.exchange_bytes),
    )


COUNTED = ("floors", "near_latencies", "far_latencies")
DIRECT = ("reduction", "context_exchange", "pipeline")


@jax.jit
def needs_of(
    chip: Chip, shape: Shape, work: Work, model: Transformer, traffic: Traffic, mapping: Mapping, serving: Serving
) -> Needs:
    """The needs of every mapping, each a group of its own, with networks of a shape.

    chip: any, scalar; work: of the mappings.
    """
    ideals = (ideal(chip, shape, serving, counted) for counted in COUNTED)
    talks = [exchanges_of(one, model, mapping, serving.exchange_bytes) for one in ideals]
    counts = [sum(getattr(talk, kind).fixed for kind in (*DIRECT, "dispatch")) for talk in talks]
    sent = [sum(getattr(talk, kind).per_byte for kind in DIRECT) for talk in talks[:2]]
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
        **{name: count * scale for name, count in zip(COUNTED, counts, strict=True)},
        near_sent=sent[0] * work.tokens * model.hidden * scale,
        far_sent=sent[1] * work.tokens * model.hidden * scale,
        near_dealt=talks[0].dispatch.per_byte * work.tokens * model.hidden * scale,
        far_dealt=talks[1].dispatch.per_byte * work.tokens * model.hidden * scale,
        reuse=near * scale,
        full=jnp.stack([pool, jnp.minimum(sequences / stages, 1.0)]),
        slow=jnp.stack([jnp.where(apart, 0.0, others / copy), sequences / copy]),
        first=jnp.stack([prefill, carried]) / scale,
        held_weights=work.held.weights,
        held_state=work.held.state,
    )


SCALED = ("busiest", "macs", "operations", "weights", "state", "moved", "operators")


def phase_of(sheet: Sheet, needs: Needs, phase: int, least_bytes: Number) -> tuple[Number, Number]:
    """Least chip-seconds [s] and energy [J] of one phase for an output token.

    least_bytes: of a number that is exchanged [bytes]. Who slows down burns less for the same work, but never less than
    at the lowest supply, nor than what the least power comes to in the least time.
    """
    one = jax.tree.map(lambda leaf: leaf[phase] if jnp.ndim(leaf) > 1 else leaf, needs)
    weights, state = one.weights * sheet.weight, one.state * sheet.state
    held_weights, held_state = one.held_weights * sheet.weight, one.held_state * sheet.state
    matrix = one.busiest * sheet.per_mac + one.operations * sheet.vector
    streamed = weights * jnp.maximum(1.0 - sheet.near / held_weights, 0.0)
    kept = state * jnp.maximum(1.0 - sheet.near / jnp.maximum(held_state, 1.0), 0.0)
    behind = jnp.maximum(jnp.maximum(streamed, kept), weights + state - one.reuse * sheet.near)
    sram_bytes = jnp.maximum(weights + state + one.moved * sheet.activation, one.macs * sheet.reuse)
    slowest = jnp.maximum(jnp.maximum(matrix, sram_bytes * sheet.sram), behind * sheet.memory)
    demand = slowest + one.operators * sheet.operator
    element = jnp.maximum(sheet.activation, least_bytes)
    dealt = (sheet.activation + element) / 2.0
    sent = one.floors * sheet.collective + one.near_latencies * sheet.near_latency
    sent = sent + one.far_latencies * sheet.far_latency
    sent = sent + (one.near_sent * element + one.near_dealt * dealt) * sheet.near_byte
    sent = sent + (one.far_sent * element + one.far_dealt * dealt) * sheet.far_byte
    busy = demand + sent - jnp.minimum(sent * sheet.overlap, demand)
    free = busy + one.host * sheet.step + one.sequences * sheet.sequence
    clocked = busy * sheet.clocks + one.macs * sheet.mac_energy + one.operations * sheet.vector_energy
    clocked, fixed = clocked + sram_bytes * sheet.sram_energy, behind * sheet.memory_energy
    paced = jnp.maximum(matrix, sram_bytes * sheet.sram)
    floor = Floor(clock=sheet.floor_clock, energy=sheet.floor_energy)
    time = throttled_time(clocked, fixed, paced, free - paced, Envelope(power=sheet.power, floor=floor))
    slowed = jnp.maximum(sheet.least_power * time, fixed + clocked * sheet.floor_energy)
    return time, one.full * (jnp.minimum(clocked + fixed, slowed) + sheet.links * time)


def roof_of(sheet: Sheet, needs: Needs, traffic: Traffic, assumptions: Assumptions) -> Bound:
    """Upper bounds of designs, or of the best that boxes of them hold, under any mapping of a group.

    Leaves of the sheet and of the groups broadcast: (designs, 1) and (groups,), or both (pairs,).
    """
    (prefill, one), (decode, other) = (
        phase_of(sheet, needs, phase, assumptions.serving.exchange_bytes) for phase in (0, 1)
    )
    seconds, energy = prefill + decode, one + other
    per_token = needs.slow[0] * prefill + needs.slow[1] * decode
    begins = sheet.request + needs.first[0] * prefill + needs.first[1] * decode
    held = needs.held_weights * sheet.weight + needs.held_state * sheet.state
    late = jnp.maximum(begins / traffic.time_to_first_token, per_token / traffic.time_per_output_token)
    excess = jnp.maximum(jnp.maximum(late, held / jnp.maximum(sheet.room, 1.0)) - 1.0, sheet.excess)
    usd = seconds * sheet.rate / assumptions.economics.utilisation + energy * sheet.electricity
    drawn = sheet.plug * (seconds * sheet.static + energy)
    bounds = Bound(
        tokens_per_dollar=1.0 / usd, output_tokens_per_s_per_user=1.0 / per_token, tokens_per_joule=1.0 / drawn
    )
    return jax.tree.map(lambda value: jnp.where(excess <= TOLERANCE, value * (1.0 + TOLERANCE), 0.0), bounds)
