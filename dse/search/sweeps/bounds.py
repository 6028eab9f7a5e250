"""What can a design reach at most? The evaluation with all operators of a pass merged into one, never below the truth.

A pass takes as long as the slowest resource of each operator, summed; merged, it takes as long as the slowest resource
of the sums, which is never longer: sum of maxima >= maximum of sums. Tiles and waves of the arrays are left out, and
the wait for other prompts is the least there can be; more only adds time. All else is the evaluation's own: residency,
exchanges, host, power, money. Time and energy of a pass rise with its demand (`pace_of`), and tokens per dollar, per
joule, and per second and user fall with them, so what comes out is an upper bound for every design and mapping.
"""

from __future__ import annotations

from typing import TypeVar

import jax
import jax.numpy as jnp

from dse.arrays import Number, ceil_div, pytree
from dse.assumptions import Assumptions, Serving
from dse.economics import hourly_rate, ownership, plug_power
from dse.evaluate import Hardware, chip_limits, handover, hardware_of, layout_excess, quality_limits
from dse.hardware.chip import Chip, Numerics
from dse.hardware.throttle import Envelope, cooled, envelope_of
from dse.hardware.voltage import at_voltage
from dse.timing.inference import decode_tokens, exchanges_of, lengths_of, pace_of, prefill_tokens, row_weights
from dse.timing.mapping import Mapping, chips_of
from dse.timing.memory import Elements, Footprint, Residency, elements_held, footprint, residency
from dse.timing.roofline import Demand, Rates, rates_of
from dse.timing.serving import accepted_tokens, waiting
from dse.workload.operators import operator_table
from dse.workload.traffic import Traffic
from dse.workload.transformer import Transformer

__all__ = ["Bound", "Quick", "Work", "bound_of", "least_weight", "quick_of", "work_of"]

T = TypeVar("T")
TOLERANCE = 1e-4
"""By how much bounds are widened, and limits relaxed, for the rounding of single precision [1]."""


@pytree
class Work:
    """What a mapping asks of a chip in one pass of one stage, whatever the chip; prefill first, then decode.

    macs, busiest: multiply-accumulates of the mean and of the busiest chip; operations: of the vector units; weights,
    state: elements that are read; moved: elements of activations in and out; operators: how many; tokens, sequences: of
    the pass; all (2, mappings) [1]. held: on the fullest chip; layout: excess over the chips that experts can be dealt
    to, (mappings,) [1].
    """

    macs: Number
    busiest: Number
    operations: Number
    weights: Number
    state: Number
    moved: Number
    operators: Number
    tokens: Number
    sequences: Number
    held: Elements
    layout: Number


@jax.jit
def work_of(model: Transformer, traffic: Traffic, mapping: Mapping, drafted: Number) -> Work:
    """The work of every mapping of a block, leaves (mappings,)."""
    lengths = lengths_of(traffic, model)
    new, old = prefill_tokens(lengths, mapping), decode_tokens(lengths, mapping, drafted)
    shape = jnp.shape(mapping.batch)
    both = jax.tree.map(lambda *leaves: jnp.stack([jnp.broadcast_to(leaf, shape) for leaf in leaves]), new, old)
    table = operator_table(model, mapping, both)
    weights = jnp.stack(
        [row_weights(model, mapping, jax.tree.map(lambda leaf, k=phase: leaf[:, k], table)) for phase in (0, 1)], 1
    )
    decode = jax.tree.map(lambda leaf: leaf[:, 1], table)
    contexts = (lengths.decode, lengths.window_decode)
    stored = table.stored * table.crowding * weights
    return Work(
        macs=(table.macs * weights).sum(0),
        busiest=(table.macs * table.crowding * weights).sum(0),
        operations=(table.vector * weights).sum(0),
        weights=(stored * (1.0 - table.state)).sum(0),
        state=(stored * table.state).sum(0),
        moved=(table.moved * weights).sum(0),
        operators=weights.sum(0),
        tokens=both.total,
        sequences=both.sequences,
        held=elements_held(model, mapping, decode, contexts, jnp.maximum(new.total, old.total)),
        layout=layout_excess(model, mapping),
    )


@pytree
class Quick:
    """What follows from the chip alone, leaves (designs,) or (designs, 1).

    chip: as it runs, at its voltage and cooled; excess: over the worst limit of the chip, infeasible under any mapping
    when above 0 [1]; rate: cost of one chip for one second without what its work burns [USD/s]; electricity: of its
    work [USD/J]; plug: energy at the plug for that of the package [1]; static: power without work [W].
    """

    chip: Chip
    hardware: Hardware
    rates: Rates
    envelope: Envelope
    excess: Number
    rate: Number
    electricity: Number
    plug: Number
    static: Number


@jax.jit
def quick_of(chip: Chip, assumptions: Assumptions, traffic: Traffic) -> Quick:
    """Hardware, limits (of the quality of formats too, as the traffic asks) and money of chips, once a design."""
    hardware, economics = hardware_of(chip, assumptions), assumptions.economics
    running = at_voltage(cooled(chip, hardware.dies), assumptions.silicon)

    def cost(power: Number) -> Number:
        owned = ownership(running, hardware.machine, power, economics)
        return hourly_rate(running, hardware.make.total, hardware.price, owned, economics).chosen

    # A straight line over the power: its slope is exact, and says what it says for whole boxes of chips too.
    idle, electricity = jax.jvp(cost, (0.0,), (1.0,))
    limits = list((chip_limits(running, hardware) | quality_limits(least_loss(running.numerics), traffic)).values())
    worst = limits[0]
    for limit in limits[1:]:
        worst = jnp.maximum(worst, limit)
    found = Quick(
        chip=running,
        hardware=hardware,
        rates=rates_of(running),
        envelope=envelope_of(running, assumptions.silicon, hardware.energy, hardware.static_power),
        excess=worst,
        rate=idle + electricity * hardware.static_power,
        electricity=electricity,
        plug=plug_power(running, 1.0, economics),
        static=hardware.static_power,
    )
    # The count of dies on a wafer is in double precision; what is asked in single precision stays in it.
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(chip.package.dies)), found)


def least_loss(numerics: Numerics) -> dict[str, Number]:
    """Noise and loss of formats, whether the model has experts or not [1]."""
    return {
        "quantisation_noise": jnp.fmin(numerics.noise, numerics.dense_noise),
        "accuracy_loss": jnp.fmin(numerics.accuracy_loss, numerics.dense_loss),
    }


def least_weight(numerics: Numerics) -> Number:
    """Bytes of a weight, whichever it is [bytes]."""
    return jnp.minimum(numerics.weight, numerics.expert_weight)


def merged(quick: Quick, work: Work, place: Residency, phase: int) -> Demand:
    """The demand of a pass whose operators are one: no resource is asked for more than the evaluation finds."""
    chip, rates, numerics = quick.chip, quick.rates, quick.chip.numerics
    macs, busiest, operations = work.macs[phase], work.busiest[phase], work.operations[phase]
    weights, state = work.weights[phase] * least_weight(numerics), work.state[phase] * numerics.state
    moved = work.moved[phase] * numerics.activation
    unit = chip.matrix
    per_mac = jnp.minimum(rates.clock / (unit.units * unit.rows * unit.columns), rates.scalar)
    matrix = busiest * per_mac * jnp.minimum(chip.execution.expert_imbalance, 1.0)
    behind = weights * place.weights_in_memory + state * place.state_in_memory
    sram_bytes = jnp.maximum(weights + state + moved, macs * rates.local_reuse)
    memory_bytes = jnp.maximum(behind + moved * place.spill, macs * rates.shared_reuse * place.spill)
    far = weights * place.weights_far * rates.far_memory
    slowest = jnp.maximum(matrix + operations * rates.vector, sram_bytes * rates.sram)
    slowest = jnp.maximum(jnp.maximum(slowest, memory_bytes * rates.memory), far)
    fixed = work.operators[phase] * chip.execution.operator_time
    return Demand(
        matrix=matrix,
        vector=operations * rates.vector,
        sram=sram_bytes * rates.sram,
        memory=memory_bytes * rates.memory,
        far_memory=far,
        fixed=fixed,
        time=slowest + fixed,
        macs=macs,
        operations=operations,
        sram_bytes=sram_bytes,
        memory_bytes=memory_bytes,
        far_bytes=0.0,
    )


@pytree
class Bound:
    """Upper bounds, 0 where no feasible point can be: tokens per dollar, per second and user, per joule."""

    tokens_per_dollar: Number
    output_tokens_per_s_per_user: Number
    tokens_per_joule: Number


def bound_of(
    quick: Quick, work: Work, model: Transformer, traffic: Traffic, mapping: Mapping, assumptions: Assumptions
) -> Bound:
    """Upper bounds of designs, leaves (designs, 1), under mappings, leaves (mappings,), with the work of each."""
    chip, serving = quick.chip, assumptions.serving
    held = footprint(chip, work.held)
    place = residency(chip, held)
    talk = exchanges_of(chip, model, mapping, serving.exchange_bytes)
    parts = (talk.reduction, talk.dispatch, talk.context_exchange, talk.pipeline)

    def paced(phase: int) -> tuple[Number, Number]:
        size = work.tokens[phase] * model.hidden * talk.element
        sent = sum(part.time(size) for part in parts)
        demand = merged(quick, work, place, phase)
        energy = quick.hardware.energy
        pace = pace_of(chip, mapping, demand, sent, work.sequences[phase], energy, quick.envelope)
        return pace.time, pace.energy

    return served(quick, work, mapping, (traffic, model), assumptions, (paced(0), paced(1)), (held, place))


def served(
    quick: Quick,
    work: Work,
    mapping: Mapping,
    job: tuple[Traffic, Transformer],
    assumptions: Assumptions,
    passes: tuple[tuple[Number, Number], tuple[Number, Number]],
    stored: tuple[Footprint, Residency],
) -> Bound:
    """The steady state of `serve` and its money, from least time and energy of the passes; arguments as above.

    passes: (time [s], energy [J]) of prefill and of decode; stored: footprint and residency.
    """
    (first, first_energy), (each, each_energy) = passes
    serving, lengths = assumptions.serving, lengths_of(*job)
    held, place = stored
    apart = mapping.disaggregated > 0.0
    sequences = mapping.batch / mapping.data_parallel
    copy = chips_of(mapping) / mapping.data_parallel
    turns = lengths.steps / accepted_tokens(serving) * mapping.pipeline_parallel / sequences
    turns = turns * (1.0 + serving.draft_tokens * serving.draft_time)
    decode_time, prefill_time = turns * each, lengths.new / work.tokens[0] * first
    moving = handover(quick.chip, mapping, held)
    per_request = jnp.where(apart, jnp.maximum(decode_time, moving), decode_time + prefill_time)
    pool = jnp.where(apart, prefill_time / serving.prefill_utilisation, 0.0)
    share = copy / lengths.steps
    chip_seconds = share * (per_request + pool)
    full = jnp.minimum(sequences / mapping.pipeline_parallel, 1.0)
    energy = share * (turns * full * each_energy + lengths.new / work.tokens[0] * first_energy)
    others = jnp.maximum(sequences - 1.0, 0.0)
    stretched = jnp.where(apart, sequences * per_request, sequences * decode_time + others * prefill_time)
    per_token = stretched / lengths.steps
    begins = first_token(quick, work, mapping, job, serving, (first, each, moving))
    excess = jnp.maximum(quick.excess, jnp.maximum(place.need / place.room - 1.0, work.layout))
    traffic = job[0]
    late = jnp.maximum(begins / traffic.time_to_first_token, per_token / traffic.time_per_output_token) - 1.0
    excess = jnp.maximum(excess, jnp.maximum(late, mapping.batch / traffic.concurrency - 1.0))
    usd = chip_seconds * quick.rate / assumptions.economics.utilisation + energy * quick.electricity
    drawn = quick.plug * (chip_seconds * quick.static + energy)
    bounds = Bound(
        tokens_per_dollar=1.0 / usd, output_tokens_per_s_per_user=1.0 / per_token, tokens_per_joule=1.0 / drawn
    )
    return jax.tree.map(lambda value: jnp.where(excess <= TOLERANCE, value * (1.0 + TOLERANCE), 0.0), bounds)


def first_token(
    quick: Quick,
    work: Work,
    mapping: Mapping,
    job: tuple[Traffic, Transformer],
    serving: Serving,
    times: tuple[Number, Number, Number],
) -> Number:
    """Least time to first token of a point that keeps the limit on the time per output token [s].

    times: of a prefill pass, of a decode pass, and to hand a sequence over [s]. The wait for other prompts rises with
    the share of the time that prefill takes; decode takes no more of it than that limit leaves.
    """
    first, each, moving = times
    traffic, lengths = job[0], lengths_of(*job)
    apart = mapping.disaggregated > 0.0
    passes = lengths.new / work.tokens[0]
    sequences = mapping.batch / mapping.data_parallel
    others = jnp.maximum(sequences - 1.0, 0.0)
    prefill_time = passes * first
    room = traffic.time_per_output_token * (1.0 + TOLERANCE) * lengths.steps
    decode_at_most = jnp.maximum((room - others * prefill_time) / sequences, 0.0)
    load = jnp.where(apart, serving.prefill_utilisation, prefill_time / (prefill_time + decode_at_most))
    chunks = jnp.maximum(ceil_div(lengths.new, work.tokens[0]), 1.0)
    carried = jnp.where(apart, moving, jnp.minimum(others, 1.0) * (chunks + 0.5) * each)
    latency = (jnp.maximum(passes, 1.0) + mapping.pipeline_parallel - 1.0) * first
    return quick.chip.execution.request_time + latency + carried + waiting(prefill_time, passes, load, mapping, serving)
