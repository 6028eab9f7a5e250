"""Is any pass faster than its rooflines, or its traffic below what must move? Are the FLOPs those of the model?"""

from __future__ import annotations

import jax
import numpy as np
import pytest
from builders import (
    FAMILIES,
    PAIRS,
    catalogue,
    change,
    chip,
    mapping,
    model,
    names,
    neutral,
    random_chips,
    random_mappings,
    random_traffic,
    run,
    seeds,
    traffic,
)
from hypothesis import given
from hypothesis import strategies as st

from dse.catalogue.count import matrix_parameters
from dse.hardware.throttle import cooled

SEED = st.integers(0, 2**32 - 1)
DENSE = ("gpt-3-6.7b", "llama-3.1-70b", "falcon-180b", "gemma-3-27b")


@seeds(6)
@pytest.mark.parametrize("name", FAMILIES.values(), ids=FAMILIES.keys())
@given(seed=SEED)
def test_time_is_above_every_roofline(name: str, seed: int) -> None:
    """Arithmetic over peak, bytes over bandwidth at each level, link bytes over link rate, energy over power."""
    generator = np.random.default_rng(seed)
    chips, mappings = random_chips(generator), random_mappings(generator, name)
    found = run(chips, model(name), random_traffic(generator), mappings)
    limit = cooled(chips, found.hardware.dies).package.power_limit
    works = found.limits.idle_power < -0.01
    fastest = np.maximum(found.hardware.peak, 2.0 * chips.vector_lanes * chips.matrix.clock)
    for phase in (found.prefill, found.decode):
        demand = phase.demand
        bounds = {
            "peak": 2.0 * demand.macs / fastest,
            "vector": demand.operations / (2.0 * chips.vector_lanes * chips.matrix.clock),
            "SRAM": demand.sram_bytes / chips.sram.bandwidth,
            "memory": demand.memory_bytes / np.maximum(chips.memory.bandwidth, 1.0),
            "far memory": demand.far_bytes / np.maximum(chips.far_memory.bandwidth, 1.0),
            "power": np.where(works, phase.energy / np.maximum(limit - found.hardware.static_power, 1e-30), 0.0),
        }
        for what, bound in bounds.items():
            excess = bound / phase.time - 1.0
            assert excess.max() <= 1e-9, f"{what}: faster than its bound by {excess.max():.3%}"


@seeds(10)
@given(seed=SEED, name=st.sampled_from(DENSE))
def test_decode_moves_at_least_its_weights_and_state(seed: int, name: str) -> None:
    """What is not held in SRAM comes from outside, every step; through the SRAM goes everything."""
    generator = np.random.default_rng(seed)
    chips, mappings = random_chips(generator), random_mappings(generator, name)
    mappings = change(mappings, pipeline_parallel=1.0)
    found = run(chips, model(name), traffic(2048.0, 1.0), mappings)
    values = model(name)
    embedding = values.vocabulary * values.hidden / mappings.tensor_parallel / mappings.context_parallel
    unread = embedding * (1.0 - values.tied) + values.other_parameters
    read = found.footprint.weights - unread * chips.numerics.weight + found.footprint.state
    resident = chips.sram.capacity * chips.sram.resident_share
    demand = found.decode.demand
    outside = demand.memory_bytes + demand.far_bytes
    # Without a main memory there is nothing outside to read, and the memory limit says that the design does not fit.
    present = np.broadcast_to(chips.memory.capacity > 0.0, outside.shape)
    assert (outside >= (read - resident) * (1.0 - 1e-9))[present].all()
    assert (demand.sram_bytes >= read * (1.0 - 1e-9)).all()


def test_all_resident_decode_reads_no_memory() -> None:
    """Weights and state that fit in SRAM leave the main memory alone."""
    roomy = change(chip("h100-sxm"), sram__capacity=1e12, sram__resident_share=0.9)
    found = run(roomy, model("llama-3.1-8b"), traffic(), mapping(batch=2.0 ** np.arange(8)))
    assert (found.decode.demand.memory_bytes == 0.0).all()
    assert (found.decode.demand.memory == 0.0).all()


def active_matrices(name: str) -> float:
    """Matrix parameters that one token meets in the layers, without embedding and head, from the file's sizes."""
    values = catalogue().entry("transformer", name).values
    parts = matrix_parameters(values)
    experts = model(name).experts
    inputs = experts.latent if experts.latent > 0 else model(name).hidden
    idle = experts.layers * experts.matrices * (experts.count - experts.active) * experts.width * inputs
    layers = ("attention", "latent_attention", "feed_forward", "experts", "state_space", "linear_attention")
    return sum(parts[part] for part in layers) - float(idle)


def scan_macs(name: str, queries: np.ndarray | float) -> np.ndarray | float:
    """Multiply-accumulates of one token with states and with the earlier tokens of its chunk, by hand."""
    space, linear = model(name).state_space, model(name).linear_attention
    found = 0.0
    if space.layers and not space.step_rank:
        earlier = (np.minimum(queries, space.chunk) - 1.0) / 2.0
        pairs = space.groups * space.state + space.inner
        found = found + space.layers * (2.0 * space.inner * space.state + earlier * pairs)
    if linear.layers:
        earlier = (np.minimum(queries, linear.chunk) - 1.0) / 2.0
        keys, values = {2.0: (1, 1), 3.0: (3, 2), 4.0: (5, 4)}[float(linear.products)]
        state = linear.products * linear.key_dim * linear.value_dim
        pairs = keys * linear.key_dim + values * linear.value_dim
        found = found + linear.layers * linear.heads * (state + earlier * pairs)
    return found


def attention_macs(
    name: str,
    tokens: np.ndarray,
    context: np.ndarray,
    window: np.ndarray,
    absorbed: bool,
    queries: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Multiply-accumulates of scores, weighted values and the scans, by hand; a scan meets new tokens in chunks."""
    values = model(name)
    full, latent = values.attention, values.latent
    pairs = full.layers * context + full.window_layers * window
    widths = (
        2.0 * latent.kv_rank + latent.rope_dim if absorbed else latent.nope_dim + latent.rope_dim + latent.value_dim
    )
    each = pairs * full.heads * full.head_dim * 2.0 + latent.layers * latent.heads * context * widths
    return tokens * (each + scan_macs(name, queries))


@pytest.mark.parametrize("name", names("transformer"))
def test_flops_are_two_per_active_matrix_parameter_and_token(name: str) -> None:
    """Exactly, with attention, in prefill and in decode; the head once a prompt and once a step."""
    values = model(name)
    batch = 2.0 ** (np.arange(PAIRS) % 11)
    prompt, output = 1536.0, 129.0
    whole = mapping(batch=batch, prefill_tokens=prompt * 2.0 ** (np.arange(PAIRS) % 4))
    found = run(chip("h100-sxm"), values, traffic(prompt, output), whole)
    head = values.vocabulary * values.hidden

    context = prompt + (output + 1.0) / 2.0
    window = np.minimum(context, np.maximum(values.attention.window, 1.0))
    decode = batch * (active_matrices(name) + head) + attention_macs(name, batch, context, window, absorbed=True)
    np.testing.assert_allclose(found.decode.demand.macs, decode, rtol=1e-12)

    prompts = np.clip(batch / output, 1.0, whole.prefill_tokens / prompt)
    tokens = prompts * prompt
    seen = np.arange(1, int(prompt) + 1)
    causal, inside = seen.mean(), np.minimum(seen, np.maximum(values.attention.window, 1.0)).mean()
    prefill = tokens * active_matrices(name) + prompts * head
    chunk = np.minimum(whole.prefill_tokens, prompt)
    prefill = prefill + attention_macs(name, tokens, causal, inside, absorbed=False, queries=chunk)
    np.testing.assert_allclose(found.prefill.demand.macs, prefill, rtol=1e-12)


def replicated(name: str) -> float:
    """Matrix parameters that both of two tensor-parallel chips have whole: routers, latents, an odd selective group."""
    values = model(name)
    latent = (
        values.latent.layers
        * values.hidden
        * (values.latent.query_rank + values.latent.kv_rank + values.latent.rope_dim)
    )
    space = values.state_space
    doubled = 2.0 * np.ceil(space.groups / 2.0) - space.groups
    inputs = 2.0 * doubled * space.state * values.hidden if space.step_rank == 0 else 0.0
    routers = values.hidden * (values.experts.count + 2.0 * values.experts.latent)
    linear = values.linear_attention.layers * values.linear_attention.low_rank * values.hidden
    return float(latent + values.experts.layers * routers + space.layers * inputs + linear)


@pytest.mark.parametrize("name", names("transformer"))
def test_sharding_keeps_the_flops(name: str) -> None:
    """Cut over chips that divide heads and layers, the chips of a copy together do the work of one, replicas aside."""
    values = model(name)
    # Two tensor-parallel chips divide every catalogued model but those with one key-value head.
    attention = values.attention
    if float(attention.layers + attention.window_layers) and float(attention.kv_heads % 2 + attention.heads % 2):
        pytest.skip("two chips do not divide its heads")
    stages = np.where((np.arange(PAIRS) % 2 == 1) & (values.layers % 2 == 0), 2.0, 1.0)
    alone = mapping(batch=64.0)
    cut = mapping(batch=64.0 * stages, tensor_parallel=2.0, pipeline_parallel=stages)
    requests = traffic(1024.0, 33.0)
    one = run(chip("h100-sxm"), values, requests, alone)
    other = run(chip("h100-sxm"), values, requests, cut)
    width_odd = values.vocabulary % 2
    extra = 64.0 * (replicated(name) + width_odd * values.hidden)
    np.testing.assert_allclose(other.decode.demand.macs * 2.0 * stages, one.decode.demand.macs[0] + extra, rtol=1e-12)


@pytest.mark.parametrize("name", ["mixtral-8x7b", "qwen3-235b-a22b", "deepseek-v3"])
@pytest.mark.parametrize("copies", [2.0, 8.0])
def test_dealing_out_experts_keeps_the_flops(name: str, copies: float) -> None:
    """Copies that share their experts do together what as many separate ones do."""
    values, requests = model(name), traffic(1024.0, 33.0)
    apart = run(chip("h100-sxm"), values, requests, mapping(batch=16.0 * np.ones(PAIRS)))
    together = mapping(batch=16.0 * copies, data_parallel=copies, expert_parallel=copies)
    dealt = run(chip("h100-sxm"), values, requests, jax.tree.map(lambda leaf: leaf * np.ones(PAIRS), together))
    np.testing.assert_allclose(dealt.decode.demand.macs, apart.decode.demand.macs, rtol=1e-9)


@seeds(10)
@given(seed=SEED, name=st.sampled_from(sorted(FAMILIES.values())))
def test_software_never_helps(seed: int, name: str) -> None:
    """A chip without overheads is never slower than the same chip with them."""
    generator = np.random.default_rng(seed)
    chips, mappings, requests = random_chips(generator), random_mappings(generator, name), random_traffic(generator)
    ideal = change(neutral(chips), execution__overlap=chips.execution.overlap)
    real, best = (run(which, model(name), requests, mappings) for which in (chips, ideal))
    for phase in ("prefill", "decode"):
        a, b = getattr(real, phase), getattr(best, phase)
        assert (b.time - b.throttled <= (a.time - a.throttled) * (1.0 + 1e-9)).all()
