"""Do hand-worked and published cases of inference come out? Neutral chips: full efficiency, no overheads."""

from __future__ import annotations

import numpy as np
import pytest
from builders import PAIRS, assumptions, change, chip, mapping, model, neutral, run, single, sixteen_bit, traffic

from dse.timing.serving import accepted_tokens

IDEAL = change(
    sixteen_bit(neutral(chip("h100-sxm"))),
    matrix__clock=1e15,
    sram__bandwidth=1e18,
    sram__capacity=1e12,
    memory__bandwidth=614e9,
)
"""Nothing but 614 GB/s of memory takes time; nothing stays in SRAM between steps."""


def test_gpt_3_6_7b_layer_decodes_in_683_us() -> None:
    """One layer at batch 1 behind 1,023 cached tokens, 16 bit, 614 GB/s: 0.683 ms (AccelForge's optimum 0.68320).

    12 x 4,096^2 weights x 2 bytes = 402,653,184 and 1,023 x 2 x 4,096 x 2 = 16,760,832 bytes: 0.6831 ms.
    """
    one = single(IDEAL, model("gpt-3-6.7b"), traffic(1022.0, 1.0), mapping()).decode
    layer = (one.classes["projection"] + one.classes["attention"] + one.classes["feed_forward"]) / 32.0
    by_hand = (12 * 4096**2 * 2 + 1023 * 2 * 4096 * 2) / 614e9
    assert by_hand == pytest.approx(0.683e-3, rel=0.001)
    assert layer == pytest.approx(by_hand, rel=1e-9)
    assert layer == pytest.approx(0.68320e-3, rel=0.01)


def test_gpt_3_175b_flops_by_hand() -> None:
    """One token behind 1,023 others: 2 x (96 x 12 x 12,288^2 + 50,304 x 12,288) and 4 x 96 x 12,288 x 1,024 FLOP.

    Matrices 349.1 GFLOP = 2 x 174.6 billion parameters (2005.14165, Table 2.1: 175.0 billion), attention 4.8.
    """
    macs = single(IDEAL, model("gpt-3-175b"), traffic(1023.0, 1.0), mapping()).decode.demand.macs
    matrices = 2 * (96 * 12 * 12288**2 + 50304 * 12288)
    attention = 4 * 96 * 12288 * 1024
    assert (matrices, attention) == (349_128_622_080, 4_831_838_208)
    assert 2.0 * macs == matrices + attention
    assert matrices == pytest.approx(2 * 175e9, rel=0.003)


@pytest.mark.parametrize(
    ("name", "bytes_per_token"),
    [
        ("llama-2-70b", 327_680),  # 80 layers x 2 x 8 heads x 128 x 2 bytes
        ("llama-2-7b", 524_288),  # 32 x 2 x 32 x 128 x 2
        ("llama-3.1-405b", 516_096),  # 126 x 2 x 8 x 128 x 2
        ("gpt-3-175b", 4_718_592),  # 96 x 2 x 96 x 128 x 2
        ("deepseek-v3", 70_272),  # 61 x (512 + 64) x 2, the latent (arXiv 2412.19437)
        ("mixtral-8x7b", 131_072),  # 32 x 2 x 8 x 128 x 2
    ],
)
def test_cache_of_one_token(name: str, bytes_per_token: int) -> None:
    """Bytes of key-value cache per token at 16 bit."""
    near, far = (single(IDEAL, model(name), traffic(tokens, 1.0), mapping()) for tokens in (1000.0, 2000.0))
    assert (far.footprint.state - near.footprint.state) / 1000.0 == pytest.approx(bytes_per_token, rel=1e-12)


# Elements of state of one sequence by hand: layers x (heads x key width x value width + channels x taps).
STATES = {
    "mamba-2-2.7b": 64 * (5120 * 128 + (5120 + 2 * 128) * 4),
    "mamba-2.8b": 64 * 5120 * (16 + 4),
    "nemotron-h-56b": 54 * (256 * 64 * 256 + (256 * 64 + 2 * 8 * 256) * 4),
    "rwkv-7-7b": 32 * 64 * 64 * 64,
    "qwen3.5-397b-a17b": 45 * (64 * 128 * 128 + (2 * 16 * 128 + 64 * 128) * 4),
}


@pytest.mark.parametrize(("name", "elements"), STATES.items())
def test_recurrent_state_does_not_grow(name: str, elements: int) -> None:
    """The same bytes whatever the context; beside it, only attention layers cache tokens, 2 bytes an element."""
    attention = model(name).attention
    per_token = attention.layers * 2.0 * attention.kv_heads * attention.head_dim * 2.0
    for tokens in (100.0, 10000.0):
        found = single(IDEAL, model(name), traffic(tokens, 1.0), mapping())
        assert found.footprint.state - per_token * (tokens + 1.0) == pytest.approx(elements * 2, rel=1e-12)


@pytest.mark.parametrize(("name", "elements"), STATES.items())
def test_recurrent_state_is_read_and_written_every_step(name: str, elements: int) -> None:
    """A second sequence adds its state twice to the traffic of a step, and its cached tokens once."""
    # All experts work, so that a second sequence wakes no further ones.
    busy = change(model(name), experts__active=model(name).experts.count)
    attention = busy.attention
    per_token = attention.layers * 2.0 * attention.kv_heads * attention.head_dim * 2.0
    one, two = (single(IDEAL, busy, traffic(100.0, 1.0), mapping(batch=batch)) for batch in (1.0, 2.0))
    grown = two.decode.demand.memory_bytes - one.decode.demand.memory_bytes
    assert grown == pytest.approx(2 * 2 * elements + per_token * 101.0, rel=1e-9)


@pytest.mark.parametrize(
    ("acceptance", "drafted", "tokens"),
    [(0.8, 4.0, 3.3616), (0.6, 2.0, 1.96), (0.9, 10.0, 6.8618940391), (0.7, 0.0, 1.0)],
)
def test_accepted_tokens(acceptance: float, drafted: float, tokens: float) -> None:
    """1 + a + ... + a^d by hand (Leviathan et al., arXiv 2211.17192, eq. 1)."""
    serving = change(assumptions().serving, draft_tokens=drafted, draft_acceptance=acceptance)
    assert sum(acceptance**power for power in range(int(drafted) + 1)) == pytest.approx(tokens, rel=1e-9)
    assert float(accepted_tokens(serving)) == pytest.approx(tokens, rel=1e-9)


def test_prefill_is_compute_bound() -> None:
    """Long prompts on an otherwise ideal chip take FLOP over peak: 2 x 6.9e9 x tokens and causal attention.

    Llama 2 7B, 2,048 tokens, on 989.4 TFLOP/s: 27.9 ms by hand, 12 % more with tiles, fill and drain at most.
    """
    fast = change(IDEAL, matrix__clock=chip("h100-sxm").matrix.clock, memory__bandwidth=1e15)
    found = single(fast, model("llama-2-7b"), traffic(2048.0, 1.0), mapping())
    layers = 6_738_415_616 - 2 * 32000 * 4096 - 65 * 4096
    flops = 2 * layers * 2048 + 2 * 32000 * 4096 + 4 * 32 * 4096 * 2048 * 2049 / 2
    by_hand = flops / float(found.hardware.peak)
    assert by_hand == pytest.approx(27.9e-3, rel=0.002)
    assert by_hand <= found.prefill.time <= 1.12 * by_hand


def test_batch_amortises_weights() -> None:
    """Llama 2 70B over 8 ideal chips: one step reads the weights once, and the cache of each sequence."""
    batch = 2.0 ** (np.arange(PAIRS) % 6)
    found = run(
        change(IDEAL, scale_up__bandwidth=1e15, scale_up__latency=0.0),
        model("llama-2-70b"),
        traffic(1023.0, 1.0),
        mapping(tensor_parallel=8.0, batch=batch),
        assumptions(),
    )
    weights = 2.0 * (68_976_648_192 - 32000 * 8192 - 161 * 8192) / 8.0
    by_hand = (weights + batch * 1024.0 * 327_680 / 8.0) / 614e9
    np.testing.assert_allclose(found.decode.time, by_hand, rtol=1e-3)
