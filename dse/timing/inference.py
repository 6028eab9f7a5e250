"""How long does one pass of the model take? Prefill and decode passes of one pipeline stage, with every part named."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from dse.arrays import Number, ceil_div, leaf_names, pytree
from dse.hardware.chip import Chip
from dse.hardware.power import EventEnergy
from dse.hardware.throttle import Envelope, throttled_time
from dse.timing.collectives import Exchange, all_gather, all_reduce, dispatch, send
from dse.timing.mapping import Mapping, chips_of
from dse.timing.memory import Residency, stage_share
from dse.timing.roofline import RESOURCES, Demand, class_times, run_table
from dse.workload.operators import Product, Tokens
from dse.workload.traffic import Traffic
from dse.workload.transformer import Transformer

__all__ = [
    "Exchanges",
    "Lengths",
    "Pass",
    "decode_tokens",
    "exchanges_of",
    "lengths_of",
    "micro_batch",
    "pace_of",
    "prefill_tokens",
    "row_weights",
    "run_pass",
]


@pytree
class Lengths:
    """Mean lengths that follow from the traffic [tokens].

    new: input that is not in the prefix cache; prefill: context of a prefill token; decode: context of a decode step;
    steps: output tokens. window_*: the same within the sliding window.
    """

    new: Number
    prefill: Number
    window_prefill: Number
    decode: Number
    window_decode: Number
    steps: Number


def lengths_of(traffic: Traffic, model: Transformer) -> Lengths:
    """Contexts that tokens see on average.

    A prompt of I tokens of which a share h is cached attends, causally, to h I + (1 - h) I / 2 + 1/2 tokens on average;
    long prompts hold more of the tokens, hence the second moment 1 + variation ** 2. A decode step sees the prompt
    and, on average over the sequences in flight, half of the (length-biased) output, itself included.
    """
    moment = 1.0 + traffic.input_variation**2
    cached = traffic.prefix_hit_rate
    prefill = moment * traffic.input_tokens * (cached + (1.0 - cached) / 2.0) + 0.5
    spread = 1.0 + traffic.output_variation**2
    decode = traffic.input_tokens + (traffic.output_tokens * spread + 1.0) / 2.0
    window = jnp.maximum(model.attention.window, 1.0)
    end = moment * traffic.input_tokens
    start = jnp.minimum(cached * end, end - 1.0)
    cut = jnp.clip(window, start, end)
    inside = ((cut * (cut + 1.0) - start * (start + 1.0)) / 2.0 + window * (end - cut)) / (end - start)
    return Lengths(
        new=jnp.maximum(traffic.input_tokens * (1.0 - cached), 1.0),
        prefill=prefill,
        window_prefill=inside,
        decode=decode,
        window_decode=jnp.minimum(decode, window),
        steps=traffic.output_tokens,
    )


def prefill_tokens(lengths: Lengths, mapping: Mapping) -> Tokens:
    """What a prefill pass works on: a chunk of a long prompt, or short ones as far as they come together.

    On shared chips a sequence is done after as many steps as it has output tokens, so that in each step as many prompts
    take the place of finished ones as there are sequences per output token; they share a pass, and nothing waits for
    it to fill. A pool for prefill alone works on full passes, of no more prompts than there are in flight.
    """
    queries = jnp.minimum(mapping.prefill_tokens, lengths.new)
    in_flight = mapping.batch / mapping.data_parallel
    together = jnp.where(mapping.disaggregated > 0.0, in_flight, in_flight / lengths.steps)
    sequences = jnp.maximum(jnp.minimum(mapping.prefill_tokens / lengths.new, together), 1.0)
    ahead = (queries - 1.0) / 2.0
    window_read = jnp.minimum(lengths.prefill + ahead, lengths.window_prefill + queries - 1.0)
    return Tokens(
        sequences=sequences,
        queries=queries,
        context=lengths.prefill,
        window_context=lengths.window_prefill,
        read=lengths.prefill + ahead,
        window_read=window_read,
        logits=sequences * queries / lengths.new,
        copies=mapping.data_parallel,
    )


def micro_batch(mapping: Mapping) -> Number:
    """Sequences of one decode pass: those of a copy, cut into as many as there are stages, if there are enough [1]."""
    sequences = mapping.batch / mapping.data_parallel
    return ceil_div(sequences, jnp.minimum(mapping.pipeline_parallel, sequences))


def decode_tokens(lengths: Lengths, mapping: Mapping, drafted: Number) -> Tokens:
    """What a decode pass works on: one micro-batch, a token of each sequence and the drafted ones."""
    queries = 1.0 + drafted
    alone = micro_batch(mapping)
    return Tokens(
        sequences=alone,
        queries=queries,
        context=lengths.decode,
        window_context=lengths.window_decode,
        read=lengths.decode,
        window_read=lengths.window_decode,
        logits=alone * queries,
        copies=mapping.data_parallel,
    )


@pytree
class Pass:
    """One pass through one pipeline stage.

    time: with everything [s]; classes: operator classes [s]; operators: how many each class has [1];
    reduction, dispatch, context_exchange, pipeline: communication of each kind [s]; hidden: communication behind
    arithmetic [s]; step: of the host [s]; throttled: added because the power limit is reached [s]; demand: per
    resource; energy: above what flows without work, of one chip [J].
    """

    time: Number
    classes: dict[str, Number]
    operators: dict[str, Number]
    reduction: Number
    dispatch: Number
    context_exchange: Number
    pipeline: Number
    hidden: Number
    step: Number
    throttled: Number
    demand: Demand
    energy: Number

    @property
    def communication(self) -> Number:
        """All exchanges together, hidden or not [s]."""
        return self.reduction + self.dispatch + self.context_exchange + self.pipeline


def busy_shares(work: Pass) -> dict[str, Number]:
    """Share of a pass in which each resource is busy [1]; they work at the same time, so the sum may exceed 1.

    fixed: kernel boundaries and the overhead of a step; communication: what is not hidden; power: 1 when the power
    limit slows the clock.
    """
    shares = {name: getattr(work.demand, name) / work.time for name in RESOURCES}
    shares["fixed"] = (work.demand.fixed + work.step) / work.time
    shares["communication"] = (work.communication - work.hidden) / work.time
    shares["power"] = 1.0 * (work.throttled > 1e-6 * work.time)
    return shares


def row_weights(model: Transformer, mapping: Mapping, table: Product) -> Number:
    """How often each row counts in one stage: its layers shared out, and the head's part of a balanced pipeline."""
    share = stage_share(model.layers, mapping)
    layers = table.layers * share
    return layers.at[-1].set(table.layers[-1] / mapping.pipeline_parallel)


@pytree
class Exchanges:
    """Communication of one stage by kind, each over all of its layers; element: bytes of one number that is sent."""

    element: Number
    reduction: Exchange
    dispatch: Exchange
    context_exchange: Exchange
    pipeline: Exchange


def exchanges_of(chip: Chip, model: Transformer, mapping: Mapping, exchange_bytes: Number) -> Exchanges:
    """What one stage exchanges in a pass, per byte of the residual stream of its new tokens.

    Reductions after every sub-layer, over the chips that share it; dispatch to the groups of the chosen experts, to
    every chip of a group, and back to all of the copy, in the latent width where the experts have one; the context of a
    sequence among the chips that share it; hand-over to the next stage. exchange_bytes: least size of a number [bytes].
    """
    share = stage_share(model.layers, mapping)
    mixers = model.attention.layers + model.attention.window_layers + model.latent.layers
    recurrent = model.state_space.layers + model.linear_attention.layers
    mixing = (mixers + recurrent) / model.blocks_per_reduction
    feeding = (model.feed_forward.layers + model.experts.layers) / model.blocks_per_reduction
    copy = mapping.tensor_parallel * mapping.context_parallel
    dealt = mapping.expert_parallel > 1.0
    routed = jnp.where(dealt, model.experts.layers / model.blocks_per_reduction, 0.0)
    over_tensor, over_copy = all_reduce(chip, mapping.tensor_parallel), all_reduce(chip, copy)
    passing = send(chip, chips_of(mapping) / mapping.data_parallel)
    many = jnp.where(mapping.pipeline_parallel > 1.0, 1.0, 0.0)
    cut = jnp.where(dealt, copy * mapping.data_parallel / mapping.expert_parallel, 1.0)
    spread = dispatch(chip, mapping.expert_parallel, cut, model.experts.active)

    def times(count: Number, one: Exchange, part: Number = 1.0) -> Exchange:
        return Exchange(fixed=count * one.fixed, per_byte=count * part * one.per_byte)

    # Tokens go out as the experts multiply them and come back as partial sums (DeepSeek-V3, section 3.3.2).
    element = jnp.maximum(chip.numerics.activation, exchange_bytes)
    there_and_back = (chip.numerics.activation / element + 1.0) / 2.0
    latent = model.experts.latent
    sent = jnp.where(latent > 0, latent / model.hidden, 1.0)
    gathered = times(share * routed, all_gather(chip, copy), sent)
    shared = times(share * jnp.where(model.experts.shared_width > 0, routed, 0.0), over_copy)
    mixed, fed = times(share * mixing, over_tensor), times(share * (feeding - routed), over_copy)
    return Exchanges(
        element=element,
        reduction=jax.tree.map(lambda *parts: sum(parts), mixed, fed, shared),
        dispatch=jax.tree.map(jnp.add, times(2.0 * share * routed, spread, there_and_back * sent / copy), gathered),
        context_exchange=times(share * mixers, all_gather(chip, mapping.context_parallel)),
        pipeline=times(many, passing, 1.0 / copy),
    )


@pytree
class Pace:
    """How long a pass takes once its operators and exchanges are known: as in Pass, all [s] but the energy [J]."""

    time: Number
    hidden: Number
    step: Number
    throttled: Number
    energy: Number


def pace_of(
    chip: Chip,
    mapping: Mapping,
    demand: Demand,
    sent: Number,
    sequences: Number,
    energy: EventEnergy,
    envelope: Envelope,
) -> Pace:
    """Time and energy of a pass: what hides behind what, who waits for the host, and how far power slows it.

    demand: of the operators; sent: time of all exchanges [s]; sequences: in the pass [1]; energy: per event; envelope:
    what work may burn. Never shorter, and never of less energy, for a larger demand.
    """
    hidden = jnp.minimum(sent * chip.execution.overlap, demand.time)
    host = chip.execution.step_time + sequences * chip.execution.sequence_time
    busy = demand.time + sent - hidden
    clocked = (
        busy * energy.clocks
        + demand.macs * energy.mac
        + demand.operations * energy.vector
        + demand.sram_bytes * energy.sram
    )
    fixed = demand.memory_bytes * energy.memory + demand.far_bytes * energy.far_memory
    step = jnp.maximum(host / mapping.pipeline_parallel, host - busy)
    free = busy + step
    paced = jnp.minimum(jnp.maximum(demand.matrix + demand.vector, demand.sram), demand.time)
    time = jnp.maximum(throttled_time(clocked, fixed, paced, free - paced, envelope), free)
    return Pace(
        time=time,
        hidden=hidden,
        step=step,
        throttled=time - free,
        energy=jnp.minimum(clocked + fixed, envelope.power * time) + energy.links * time,
    )


def run_pass(
    chip: Chip,
    model: Transformer,
    mapping: Mapping,
    table: Product,
    weights: Number,
    tokens: Tokens,
    place: Residency,
    talk: Exchanges,
    energy: EventEnergy,
    envelope: Envelope,
) -> Pass:
    """Time and energy of one pass on one stage.

    table: operators of the pass; weights: times that each row counts; place: residency; talk: communication of the
    stage; energy: per event; envelope: what work may burn.
    Communication hides behind arithmetic as far as the software overlaps it. One host serves all stages: each
    micro-batch waits for it once in its way through them, and no stage goes faster than it. When the energy would
    exceed what may be burned in that time, clock and voltage sink until it does not.
    """
    demand, times = run_table(table, chip, place, weights)
    size = tokens.total * model.hidden * talk.element
    spent = {name: getattr(talk, name).time(size) for name in leaf_names(Exchanges) if name != "element"}
    pace = pace_of(chip, mapping, demand, sum(spent.values()), tokens.sequences, energy, envelope)
    return Pass(
        time=pace.time,
        classes=class_times(times),
        operators=class_times(weights),
        **spent,
        hidden=pace.hidden,
        step=pace.step,
        throttled=pace.throttled,
        demand=demand,
        energy=pace.energy,
    )
