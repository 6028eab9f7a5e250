"""What do users see and how much is served? Steady state of continuous batching, shared or separate pools."""

from __future__ import annotations

import jax.numpy as jnp

from dse.arrays import Number, ceil_div, pytree
from dse.assumptions import Serving
from dse.timing.inference import Lengths, Pass
from dse.timing.mapping import Mapping

__all__ = ["Service", "accepted_tokens", "serve"]


@pytree
class Service:
    """The steady state of one deployment.

    time_to_first_token, time_per_output_token [s]; output_rate: tokens a second over the decode chips [1/s];
    prefill_share: prefill chips per decode chip, 0 on shared chips [1]; prefill_time: of one request, exclusively
    [s]; step_time: of one decode step [s]; prefill_load, decode_load: share of the time spent on each by the
    chips that do it [1]; stages_busy: share of the pipeline slots of a decode step that hold a sequence [1];
    queueing: part of the time to first token spent waiting [s].
    """

    time_to_first_token: Number
    time_per_output_token: Number
    output_rate: Number
    prefill_share: Number
    prefill_time: Number
    step_time: Number
    prefill_load: Number
    decode_load: Number
    stages_busy: Number
    queueing: Number


def accepted_tokens(serving: Serving) -> Number:
    """Tokens that one verified step yields, (1 - a ** (d + 1)) / (1 - a); 1 without drafts.

    a: acceptance, d: drafted tokens. Leviathan, Kalman, Matias, arXiv 2211.17192, eq. 1.

    >>> round(float(accepted_tokens(Serving(prefill_utilisation=0.8, draft_tokens=4.0, draft_acceptance=0.8,
    ...                                     draft_time=0.0, exchange_bytes=2.0, burst_share=0.0))), 3)
    3.362
    """
    rate = serving.draft_acceptance
    return (1.0 - rate ** (serving.draft_tokens + 1.0)) / (1.0 - rate)


def serve(
    prefill: Pass,
    decode: Pass,
    lengths: Lengths,
    pass_tokens: Number,
    mapping: Mapping,
    serving: Serving,
    fixed: tuple[Number, Number],
) -> Service:
    """Steady state at full concurrency.

    Every sequence slot is refilled at once. On shared chips the decode steps of a sequence are stretched by the
    prefills of all others, so the rate is 1 / (prefill + steps x step / batch); with separate pools decode runs
    undisturbed and as many prefill chips are added as keep that pool at its load limit.
    The first token takes the fixed time of a request; its own prefill, every pass of which carries a decode step along
    on shared chips; half of the step in progress; and the wait for other prefills (`waiting`). Separate pools hand the
    state of each sequence over, and cannot take more requests than their links carry.
    prefill, decode: passes of one stage; pass_tokens: of a prefill pass [tokens]; mapping: batch over all copies;
    fixed: time of a request and to hand one sequence over [s].
    """
    request, handover = fixed
    stages = mapping.pipeline_parallel
    passes = lengths.new / pass_tokens
    sequences = mapping.batch / mapping.data_parallel
    others = jnp.maximum(sequences - 1.0, 0.0)
    apart = mapping.disaggregated > 0.0
    prefill_time = passes * prefill.time
    chunks = jnp.maximum(ceil_div(lengths.new, pass_tokens), 1.0)
    step = stages * decode.time * (1.0 + serving.draft_tokens * serving.draft_time)
    steps = lengths.steps / accepted_tokens(serving)
    decode_time = steps * step / sequences
    per_request = jnp.where(apart, jnp.maximum(decode_time, handover), decode_time + prefill_time)
    load = jnp.where(apart, serving.prefill_utilisation, prefill_time / per_request)
    carried = jnp.where(apart, 0.0, jnp.minimum(others, 1.0)) * (chunks + 0.5) * decode.time
    queueing = waiting(prefill_time, passes, load, mapping, serving)
    latency = (jnp.maximum(passes, 1.0) + stages - 1.0) * prefill.time + carried
    stretched = jnp.where(apart, sequences * per_request, steps * step + others * prefill_time)
    return Service(
        time_to_first_token=request + latency + queueing + jnp.where(apart, handover, 0.0),
        time_per_output_token=stretched / lengths.steps,
        output_rate=mapping.data_parallel * lengths.steps / per_request,
        prefill_share=jnp.where(apart, prefill_time / (per_request * serving.prefill_utilisation), 0.0),
        prefill_time=prefill_time,
        step_time=step,
        prefill_load=load,
        decode_load=decode_time / per_request,
        stages_busy=jnp.minimum(sequences / stages, 1.0),
        queueing=queueing,
    )


def waiting(prefill_time: Number, passes: Number, load: Number, mapping: Mapping, serving: Serving) -> Number:
    """How long a prompt waits for the prefills of others [s].

    prefill_time: of one prompt in its share of a pass [s]; passes: of one prompt, below 1 where several share one [1];
    load: share of the time in which prefill runs [1]; mapping: batch over all copies.
    On shared chips n sequences take turns between prefill and decode. One that arrives sees the others as if it were
    not there (arrival theorem: Reiser and Lavenberg, J. ACM 27 (1980), in Schweitzer's approximation), the one in
    service half done: load f x prefill / (2 (1 - load f)), f = (n - 1) / n. Beside, of all others the half, as far as
    they come in bursts. A separate pool has an open stream, f = 1 (M/D/1), and a full pass waits for its last prompt.
    """
    apart = mapping.disaggregated > 0.0
    sequences = mapping.batch / mapping.data_parallel
    others = jnp.maximum(sequences - 1.0, 0.0)
    seen = jnp.where(apart, 1.0, others / jnp.maximum(sequences, 1.0)) * load
    queue = seen * prefill_time / (2.0 * jnp.maximum(1.0 - seen, 1e-6))
    burst = serving.burst_share * others * prefill_time / 2.0
    filling = jnp.maximum(1.0 / passes - 1.0, 0.0) / 2.0 * prefill_time / jnp.maximum(load, 1e-6)
    return queue + jnp.where(apart, filling, burst)
