"""Do special cases of a model or a mapping equal the plain ones? And do parts add up to their totals?"""

from __future__ import annotations

import jax
import numpy as np
import pytest
from builders import (
    FAMILIES,
    PAIRS,
    assumptions,
    catalogued_chips,
    change,
    chip,
    mapping,
    model,
    neutral,
    random_chips,
    random_mappings,
    random_traffic,
    run,
    seeds,
    single,
    traffic,
)
from hypothesis import given
from hypothesis import strategies as st

from dse.evaluate import Metrics
from dse.timing.mapping import Mapping
from dse.workload.traffic import Traffic
from dse.workload.transformer import Transformer

SEED = st.integers(0, 2**32 - 1)
FAMILY = st.sampled_from(sorted(FAMILIES.values()))
DENSE = "gpt-3-6.7b"


def same_metrics(one: object, other: object, tolerance: float = 1e-12) -> None:
    """Every metric and part of two results is equal."""
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, err_msg=jax.tree_util.keystr(path))


def one_expert(dense: Transformer) -> Transformer:
    """The same model with its feed-forward layers written as a mixture of one expert."""
    part = dense.feed_forward
    return change(
        dense,
        feed_forward__layers=0.0,
        experts__layers=part.layers,
        experts__count=1.0,
        experts__active=1.0,
        experts__width=part.width,
        experts__shared_width=0.0,
        experts__matrices=part.matrices,
    )


def tokens_of(phase: str, mappings: Mapping, requests: Traffic) -> np.ndarray:
    """New tokens of a pass, by hand: chunks of prompts, or one token of each sequence of a micro-batch."""
    new = requests.input_tokens * (1.0 - requests.prefix_hit_rate)
    sequences = mappings.batch / mappings.data_parallel
    micro = np.minimum(mappings.pipeline_parallel, sequences)
    together = np.where(mappings.disaggregated > 0.0, sequences, sequences / requests.output_tokens)
    packed = np.maximum(np.minimum(mappings.prefill_tokens / new, together), 1.0)
    chunk = np.minimum(mappings.prefill_tokens, new) * packed
    return chunk if phase == "prefill" else np.ceil(sequences / micro)


@seeds(8)
@given(seed=SEED, name=st.sampled_from(["gpt-3-6.7b", "llama-3.1-70b", "falcon-180b"]))
def test_one_expert_is_dense(seed: int, name: str) -> None:
    """All but the router, one column wide: its multiply-accumulates, its weights and at most its own time."""
    generator = np.random.default_rng(seed)
    chips, mappings, requests = random_chips(generator), random_mappings(generator, name), random_traffic(generator)
    chips = change(chips, numerics__expert_weight=chips.numerics.weight)
    dense, expert = model(name), one_expert(model(name))
    one, other = (run(chips, which, requests, mappings) for which in (dense, expert))
    share = np.ceil(dense.layers / mappings.pipeline_parallel)
    router_weights = share * dense.hidden * chips.numerics.weight
    np.testing.assert_allclose(other.footprint.weights, one.footprint.weights + router_weights, rtol=1e-12)
    np.testing.assert_allclose(other.footprint.state, one.footprint.state, rtol=1e-12)
    for phase in ("prefill", "decode"):
        a, b = getattr(one, phase), getattr(other, phase)
        router = tokens_of(phase, mappings, requests) * share * dense.hidden
        np.testing.assert_allclose(b.demand.macs, a.demand.macs + router, rtol=1e-12)
        np.testing.assert_allclose(b.reduction, a.reduction, rtol=1e-12)
        np.testing.assert_allclose(b.demand.operations, a.demand.operations, rtol=1e-12)


def test_one_expert_takes_the_time_of_dense_layers_and_a_router() -> None:
    """Where weights are all that is read, one decode step longer by exactly the router's bytes."""
    quick = change(neutral(chip("h100-sxm")), matrix__clock=1e15, sram__capacity=1e15, sram__bandwidth=1e18)
    dense, alone = model(DENSE), mapping()
    one, other = (single(quick, which, traffic(), alone) for which in (dense, one_expert(dense)))
    router = dense.layers * dense.hidden * quick.numerics.weight / quick.memory.bandwidth
    assert other.decode.time == pytest.approx(one.decode.time + router, rel=1e-9)


@seeds(5)
@given(seed=SEED)
def test_latent_experts_add_two_projections_and_narrow_the_experts(seed: int) -> None:
    """In a latent as wide as the model all that is new are its projections; a narrower one never costs more."""
    generator = np.random.default_rng(seed)
    name = "nemotron-3-super-120b-a12b"
    chips, mappings, requests = random_chips(generator), random_mappings(generator, name), random_traffic(generator)
    narrow = model(name)
    plain, wide = change(narrow, experts__latent=0.0), change(narrow, experts__latent=narrow.hidden)
    without, full, less = (run(chips, which, requests, mappings) for which in (plain, wide, narrow))
    share = np.ceil(narrow.layers / mappings.pipeline_parallel) / narrow.layers * narrow.experts.layers
    for phase in ("prefill", "decode"):
        a, b, c = (getattr(which, phase) for which in (without, full, less))
        projections = 2.0 * share * narrow.hidden**2 * tokens_of(phase, mappings, requests)
        np.testing.assert_allclose(b.demand.macs, a.demand.macs + projections, rtol=1e-9)
        np.testing.assert_allclose(b.dispatch, a.dispatch, rtol=1e-12)
        assert (c.dispatch <= b.dispatch).all()
        # Where the wider one does not fit, the share of its weights that is read at all says nothing.
        fits = full.limits.memory <= 0.0
        assert (c.demand.time <= b.demand.time * (1.0 + 1e-9))[fits].all()


@seeds(5)
@given(seed=SEED, name=st.sampled_from(["mamba-2-2.7b", "rwkv-7-7b", "qwen3.5-397b-a17b"]))
def test_chunks_change_prefill_alone(seed: int, name: str) -> None:
    """Scanned token by token, prefill does less arithmetic, and decode, memory and exchanges are the same."""
    generator = np.random.default_rng(seed)
    chips, mappings = random_chips(generator), random_mappings(generator, name)
    chunked = model(name)
    stepped = change(chunked, state_space__chunk=1.0, linear_attention__chunk=1.0)
    one, other = (run(chips, which, traffic(2048.0), mappings) for which in (chunked, stepped))
    same_metrics(one.decode, other.decode)
    same_metrics(one.footprint, other.footprint)
    assert (other.prefill.demand.macs < one.prefill.demand.macs).all()
    np.testing.assert_allclose(other.prefill.communication, one.prefill.communication, rtol=1e-12)


@seeds(5)
@given(seed=SEED)
def test_grouped_heads_with_all_heads_are_many_heads(seed: int) -> None:
    """And fewer key-value heads divide the state and leave the arithmetic of attention alone."""
    generator = np.random.default_rng(seed)
    chips, requests = random_chips(generator), random_traffic(generator)
    many = model(DENSE)
    grouped = change(model("llama-3.1-70b"), attention__kv_heads=64.0, attention__heads=64.0)
    plain = change(model("llama-3.1-70b"), attention__kv_heads=lambda _: model("llama-3.1-70b").attention.heads)
    alone = mapping(batch=8.0)
    same_metrics(run(chips, grouped, requests, alone), run(chips, plain, requests, alone))
    fewer = run(chips, change(many, attention__kv_heads=8.0), requests, alone)
    before = run(chips, many, requests, alone)
    np.testing.assert_allclose(fewer.footprint.state * 4.0, before.footprint.state, rtol=1e-12)
    width = many.hidden * 2.0 * 24.0 * many.attention.head_dim * many.attention.layers
    np.testing.assert_allclose(before.decode.demand.macs - fewer.decode.demand.macs, 8.0 * width, rtol=1e-9)


@seeds(10)
@given(seed=SEED, name=st.sampled_from(["gpt-3-6.7b", "llama-3.1-70b", "mixtral-8x7b"]), extra=st.floats(0.0, 1e6))
def test_window_beyond_the_context_is_full_attention(seed: int, name: str, extra: float) -> None:
    """A window that no request outgrows cuts nothing, with or without a cached prefix."""
    generator = np.random.default_rng(seed)
    chips, mappings = random_chips(generator), random_mappings(generator, name)
    requests = change(random_traffic(generator), input_variation=0.0, output_variation=0.0)
    full = model(name)
    layers = full.attention.layers + full.attention.window_layers
    full = change(full, attention__layers=layers, attention__window_layers=0.0)
    longest = requests.input_tokens + requests.output_tokens
    window = change(full, attention__layers=0.0, attention__window_layers=layers, attention__window=longest + extra)
    same_metrics(run(chips, full, requests, mappings), run(chips, window, requests, mappings))


@seeds(5)
@given(seed=SEED)
def test_window_cuts_state_and_work(seed: int) -> None:
    """A window of half the context never takes longer than full attention and keeps fewer tokens."""
    generator = np.random.default_rng(seed)
    chips, mappings = random_chips(generator), random_mappings(generator, DENSE)
    full, requests = model(DENSE), traffic(2048.0, 256.0)
    layers = full.attention.layers
    window = change(full, attention__layers=0.0, attention__window_layers=layers, attention__window=1024.0)
    one, other = (run(chips, which, requests, mappings) for which in (full, window))
    np.testing.assert_allclose(other.footprint.state * (2048.0 + 128.5), one.footprint.state * 1024.0, rtol=1e-12)
    for phase in ("prefill", "decode"):
        a, b = getattr(one, phase), getattr(other, phase)
        assert (b.time - b.throttled <= (a.time - a.throttled) * (1.0 + 1e-9)).all()
        assert (b.demand.macs < a.demand.macs).all()


@seeds(10)
@given(seed=SEED, name=FAMILY)
def test_alone_nothing_is_exchanged(seed: int, name: str) -> None:
    """One chip a copy reduces and gathers nothing; one stage has no pipeline; experts on every chip no dispatch."""
    generator = np.random.default_rng(seed)
    chips, mappings = random_chips(generator), random_mappings(generator, name)
    alone = change(mappings, tensor_parallel=1.0, context_parallel=1.0, pipeline_parallel=1.0, expert_parallel=1.0)
    found = run(chips, model(name), random_traffic(generator), alone)
    for phase in (found.prefill, found.decode):
        for part in ("reduction", "context_exchange", "pipeline", "dispatch", "hidden", "communication"):
            assert (getattr(phase, part) == 0.0).all(), part
    # One stage: a step is one pass, and the last chunk of a prompt is done when its pass is.
    np.testing.assert_allclose(found.service.step_time, found.decode.time, rtol=1e-12)


@seeds(10)
@given(seed=SEED, name=st.sampled_from([n for n in sorted(FAMILIES.values()) if n != "deepseek-v3"]))
def test_decode_is_the_prefill_of_one_token(seed: int, name: str) -> None:
    """One new token behind a cached prefix is the same work as one decode step in the same context.

    Latent attention is left out: it recomputes keys and values in prefill and stays in the latent space in decode.
    """
    generator = np.random.default_rng(seed)
    chips = random_chips(generator)
    context = float(generator.choice([1, 2, 64, 4096]))
    batch = 2.0 ** generator.integers(0, 8, PAIRS)
    tensor = 2.0 ** generator.integers(0, 4, PAIRS)
    together = mapping(batch=batch, prefill_tokens=batch, tensor_parallel=tensor)
    prompt = traffic(context, 1.0, prefix_hit_rate=(context - 1.0) / context)
    step = traffic(max(context - 1.0, 1e-9), 1.0)
    one = run(chips, model(name), prompt, together).prefill
    other = run(chips, model(name), step, together).decode
    for part in ("macs", "operations", "sram_bytes"):
        np.testing.assert_allclose(getattr(one.demand, part), getattr(other.demand, part), rtol=1e-6, err_msg=part)
    np.testing.assert_allclose(one.reduction, other.reduction, rtol=1e-9)
    np.testing.assert_allclose(one.demand.matrix, other.demand.matrix, rtol=1e-6)


def added(part: object) -> np.ndarray:
    """Sum of all leaves."""
    return sum(jax.tree.leaves(part))


@seeds(10)
@given(seed=SEED, name=FAMILY)
def test_parts_sum_to_totals(seed: int, name: str) -> None:
    generator = np.random.default_rng(seed)
    chips, mappings = random_chips(generator), random_mappings(generator, name)
    found = run(chips, model(name), random_traffic(generator), mappings)
    hardware = found.hardware
    for whole in (hardware.area, hardware.make, hardware.machine, found.owned, found.footprint):
        np.testing.assert_allclose(whole.total, added(whole), rtol=1e-12)
    for phase in (found.prefill, found.decode):
        np.testing.assert_allclose(phase.demand.time, added(phase.classes), rtol=1e-12)
        talk = phase.reduction + phase.dispatch + phase.context_exchange + phase.pipeline
        total = phase.demand.time + talk - phase.hidden + phase.step + phase.throttled
        np.testing.assert_allclose(phase.time, total, rtol=1e-12)
        for path, leaf in jax.tree_util.tree_leaves_with_path(phase):
            assert (leaf >= 0.0).all(), f"{jax.tree_util.keystr(path)} of {leaf.min()}"
        assert (phase.hidden <= talk * (1.0 + 1e-12)).all()
    np.testing.assert_allclose(found.worst_limit, np.max(jax.tree.leaves(found.limits), axis=0), rtol=1e-12)


def requests_in_flight(found: Metrics, mappings: Mapping, requests: Traffic) -> np.ndarray:
    """Little's law: rate x time of a request on the decode chips, its own prefill included where they do it."""
    own = np.where(mappings.disaggregated > 0.0, 0.0, found.service.prefill_time / requests.output_tokens)
    return found.output_tokens_per_s * (found.time_per_output_token + own)


@seeds(10)
@given(seed=SEED, name=FAMILY, basis=st.sampled_from(["make", "buy", "rent", "tco"]))
def test_rates_money_and_energy_agree(seed: int, name: str, basis: str) -> None:
    """Little's law; dollars a token x tokens a second = dollars a second; energy x rate = power, at the plug."""
    generator = np.random.default_rng(seed)
    chips, mappings = random_chips(generator), random_mappings(generator, name)
    given_ = assumptions(basis)
    requests = random_traffic(generator)
    found = run(chips, model(name), requests, mappings, given_)
    np.testing.assert_allclose(requests_in_flight(found, mappings, requests), mappings.batch, rtol=1e-9)
    sold = found.output_tokens_per_s * given_.economics.utilisation
    np.testing.assert_allclose(found.usd_per_output_token * sold, found.chips * found.rate.chosen, rtol=1e-12)
    np.testing.assert_allclose(found.tokens_per_dollar * found.usd_per_output_token, 1.0, rtol=1e-12)
    np.testing.assert_allclose(found.rate.chosen, getattr(found.rate, basis), rtol=1e-12)
    ratio = chips.price.server_power_ratio * assumptions().economics.cluster_power_ratio
    plug = found.chips * found.power * ratio
    np.testing.assert_allclose(found.tokens_per_joule * plug, found.output_tokens_per_s, rtol=1e-12)


@seeds(10)
@given(seed=SEED, name=FAMILY)
def test_power_is_energy_of_the_work_done(seed: int, name: str) -> None:
    """Above idle, all chips together draw the energy of a request's passes times the requests a second."""
    generator = np.random.default_rng(seed)
    chips, mappings = random_chips(generator), random_mappings(generator, name)
    requests = random_traffic(generator)
    found = run(chips, model(name), requests, mappings)
    copies, stages = mappings.data_parallel, mappings.pipeline_parallel
    decode_chips = mappings.tensor_parallel * mappings.context_parallel * stages * copies
    sequences = mappings.batch / copies
    new = requests.input_tokens * (1.0 - requests.prefix_hit_rate)
    # A pass occupies every chip of one copy once; a step of all sequences is as many passes as micro-batches.
    prefill = new / tokens_of("prefill", mappings, requests) * found.prefill.energy * decode_chips / copies
    micro = np.minimum(stages, sequences)
    steps = requests.output_tokens / sequences * micro
    decode = steps * found.decode.energy * decode_chips / copies
    work = (prefill + decode) * found.output_tokens_per_s / requests.output_tokens
    idle = found.hardware.static_power * found.chips
    np.testing.assert_allclose(found.power * found.chips, idle + work, rtol=1e-9)


def test_catalogued_chips_are_distinct() -> None:
    """The stack that the laws draw from holds chips and no copies of one."""
    assert len(set(np.round(catalogued_chips().memory.bandwidth + catalogued_chips().sram.bandwidth))) >= 15
