"""Does the count of parameters computed from the sizes in a model's file equal the published one?"""

from __future__ import annotations

import pytest

from dse.catalogue.count import matrix_parameters, parameters
from dse.catalogue.store import Catalogue, open_catalogue

NAMES = sorted(open_catalogue().files("transformer"))

# Parameters that the published checkpoints hold, without buffers; no tolerance may hide a difference from these.
EXACT = {
    "bloom-176b": 176_247_271_424,
    "bloom-7b1": 7_069_016_064,
    "codellama-34b": 33_743_970_304,
    "deepseek-v2": 235_741_434_880,
    "deepseek-v2-lite": 15_706_484_224,
    "deepseek-v3": 671_026_419_200,  # without the multi-token-prediction module
    "falcon-180b": 179_522_565_120,
    "falcon-40b": 41_835_970_560,
    "falcon-7b": 7_217_189_760,
    "gemma-2-27b": 27_227_128_320,
    "gemma-2-9b": 9_241_705_984,
    "gemma-3-12b": 11_766_034_176,
    "gemma-3-1b": 999_885_952,
    "gemma-3-4b": 3_880_263_168,
    "gpt-2": 124_439_808,
    "gpt-2-xl": 1_557_611_200,
    "gpt-j-6b": 6_050_882_784,
    "gpt-neox-20b": 20_554_567_680,
    "gpt-oss-120b": 116_829_156_672,
    "jamba": 51_570_323_328,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "llama-2-7b": 6_738_415_616,
    "llama-3-70b": 70_553_706_496,
    "llama-3-8b": 8_030_261_248,
    "llama-3.1-405b": 405_853_388_800,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "llama-3.3-70b": 70_553_706_496,
    "mamba-1.4b": 1_372_178_432,  # the head reuses the embedding
    "mamba-2.8b": 2_768_345_600,  # the head reuses the embedding
    "mistral-7b": 7_241_732_096,
    "mistral-large-123b": 122_610_069_504,
    "mistral-nemo-12b": 12_247_782_400,
    "mistral-small-24b": 23_572_403_200,
    "mixtral-8x22b": 140_620_634_112,
    "mixtral-8x7b": 46_702_792_704,
    "opt-13b": 12_853_473_280,
    "opt-30b": 29_974_540_288,
    "opt-6.7b": 6_658_473_984,
    "phi-4": 14_659_507_200,
    "qwen2.5-14b": 14_770_033_664,
    "qwen2.5-32b": 32_763_876_352,
    "qwen2.5-72b": 72_706_203_648,
    "qwen3-14b": 14_768_307_200,
    "qwen3-235b-a22b": 235_093_634_560,
    "qwen3-32b": 32_762_123_264,
    "qwen3-4b": 4_022_468_096,
    "qwen3-coder-480b-a35b": 480_154_875_392,
    "rwkv-7-2.9b": 2_947_735_040,
    "yi-34b": 34_388_917_248,
}

# Parameters that a token meets, embedding and head among them, as the reports of the models round them.
ACTIVE = {
    "deepseek-v2": 21.0e9,
    "deepseek-v3": 37.0e9,
    "kimi-k2": 32.6e9,
    "mixtral-8x7b": 12.9e9,
    "nemotron-3-nano": 3.6e9,
    "nemotron-3-super-120b-a12b": 12.7e9,
    "qwen3-235b-a22b": 22.0e9,
    "qwen3-coder-480b-a35b": 35.0e9,
    "qwen3.5-397b-a17b": 17.0e9,
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


@pytest.mark.parametrize(("name", "published"), ACTIVE.items())
def test_active_parameters_are_the_published_ones(catalogue: Catalogue, name: str, published: float) -> None:
    """All parameters less those of the experts that a token does not meet, within 3 %: each is a rounding."""
    values = catalogue.entry("transformer", name).values
    size = {key: float(values.get(f"experts.{key}", 0.0)) for key in ("layers", "count", "active", "width", "latent")}
    inputs = size["latent"] or float(values["architecture.hidden"])
    matrices = 3.0 if values["experts.gated"] else 2.0
    idle = size["layers"] * (size["count"] - size["active"]) * matrices * inputs * size["width"]
    assert parameters(values) - idle == pytest.approx(published, rel=0.03)


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
    """Attention (full, windowed, latent, linear) and state-space layers add up to the depth of the model.

    In Nemotron-H a layer either mixes tokens or is a feed-forward, and both together add up to it.
    """
    values = catalogue.entry("transformer", name).values
    attention = ("attention.layers", "attention.window_layers", "latent_attention.layers", "linear_attention.layers")
    mixers = (*attention, "state_space.layers")
    channels = ("feed_forward.layers", "experts.layers")
    depth = values["architecture.layers"]
    mixing, feeding = (sum(float(values.get(path, 0.0)) for path in paths) for paths in (mixers, channels))
    assert (mixing == depth and feeding in (0.0, depth)) or (mixing + feeding == depth and mixing and feeding)
