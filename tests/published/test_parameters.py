"""Does the count of parameters computed from the sizes in a model's file equal the published one?"""

from __future__ import annotations

import pytest

from dse.catalogue.count import matrix_parameters, parameters
from dse.catalogue.store import Catalogue, open_catalogue

NAMES = sorted(open_catalogue().files("transformer"))

# Parameters that the published checkpoints hold, without buffers; no tolerance may hide a difference from these.
EXACT = {
    "bloom-176b": 176_247_271_424,
    "deepseek-v3": 671_026_419_200,  # without the multi-token-prediction module
    "falcon-180b": 179_522_565_120,
    "gpt-2": 124_439_808,
    "gpt-2-xl": 1_557_611_200,
    "gpt-neox-20b": 20_554_567_680,
    "gpt-oss-120b": 116_829_156_672,
    "jamba": 51_570_323_328,
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.3-70b": 70_553_706_496,
    "mamba-2.8b": 2_768_345_600,  # the head reuses the embedding
    "mistral-7b": 7_241_732_096,
    "mixtral-8x7b": 46_702_792_704,
    "mixtral-8x22b": 140_620_634_112,
    "qwen2.5-72b": 72_706_203_648,
    "qwen3-32b": 32_762_123_264,
    "qwen3-235b-a22b": 235_093_634_560,
}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The shipped catalogue, each file read once."""
    return open_catalogue()


@pytest.mark.parametrize("name", NAMES)
def test_count_is_the_published_one(catalogue: Catalogue, name: str) -> None:
    """Sizes give the file's published count within the file's tolerance, which is zero or a rounding below 1.2 %."""
    values = catalogue.entry("transformer", name).values
    published, tolerance = float(values["parameters"]), float(values["parameters_tolerance"])
    assert tolerance <= 0.012
    assert abs(parameters(values) - published) <= tolerance * published


@pytest.mark.parametrize(("name", "published"), EXACT.items())
def test_count_is_exact(catalogue: Catalogue, name: str, published: int) -> None:
    """Checkpoints of which the exact count is known are met to the last parameter."""
    assert parameters(catalogue.entry("transformer", name).values) == published


def test_llama_2_70b_by_hand(catalogue: Catalogue) -> None:
    """The parts of Llama 2 70B, worked by hand from arXiv 2307.09288 and its configuration.

    Query and output 8192 x 8192, key and value 8192 x (8 heads x 128), three matrices of 8192 x 28672, two norms.
    """
    hidden, layers = 8192, 80
    attention = 2 * hidden * hidden + 2 * hidden * 8 * 128
    feed_forward = 3 * hidden * 28672
    values = catalogue.entry("transformer", "llama-2-70b").values
    parts = matrix_parameters(values)
    assert parts["attention"] == layers * attention == 12_079_595_520
    assert parts["feed_forward"] == layers * feed_forward == 56_371_445_760
    assert parts["embedding"] == parts["head"] == 32_000 * hidden == 262_144_000
    norms = (2 * layers + 1) * hidden
    assert parameters(values) == sum(parts.values()) + norms == 68_976_648_192


def test_gpt_2_by_hand(catalogue: Catalogue) -> None:
    """GPT-2 worked by hand: 12 d^2 + 13 d a layer, token and position embeddings, one last norm."""
    hidden, layers = 768, 12
    by_hand = layers * (12 * hidden**2 + 13 * hidden) + (50_257 + 1024) * hidden + 2 * hidden
    assert parameters(catalogue.entry("transformer", "gpt-2").values) == by_hand == 124_439_808


@pytest.mark.parametrize("name", NAMES)
def test_each_layer_mixes_tokens_once(catalogue: Catalogue, name: str) -> None:
    """Attention (full, windowed or latent) and state-space layers add up to the depth of the model."""
    values = catalogue.entry("transformer", name).values
    mixers = ("attention.layers", "attention.window_layers", "latent_attention.layers", "state_space.layers")
    channels = ("feed_forward.layers", "experts.layers")
    depth = values["architecture.layers"]
    assert sum(float(values.get(path, 0.0)) for path in mixers) == depth
    assert sum(float(values.get(path, 0.0)) for path in channels) in (0.0, depth)
