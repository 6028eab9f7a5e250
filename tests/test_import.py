"""Models from a Hugging Face config.json: parameters as published, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dse.catalogue import Catalogue, CatalogueError, check, import_config, parameters
from dse.catalogue.read import parse_entry

LLAMA = {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32}
CONFIGS: list[tuple[dict[str, Any], int]] = [
    (LLAMA | {"model_type": "llama", "vocab_size": 128256, "num_key_value_heads": 8}, 8_030_261_248),
    (LLAMA | {"model_type": "mistral", "vocab_size": 32000, "num_key_value_heads": 8}, 7_241_732_096),
    (
        LLAMA
        | {"model_type": "mixtral", "vocab_size": 32000, "num_key_value_heads": 8}
        | {"num_local_experts": 8, "num_experts_per_tok": 2, "sliding_window": None},
        46_702_792_704,
    ),
    (
        {"model_type": "gpt2", "n_layer": 12, "n_embd": 768, "n_head": 12, "vocab_size": 50257, "n_ctx": 1024},
        124_439_808,
    ),
    (
        {"model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28}
        | {"num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064},
        7_615_616_512,
    ),
    (
        {"model_type": "qwen3", "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36}
        | {"num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936},
        8_190_735_360,
    ),
    (
        {"model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 48}
        | {"num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128, "vocab_size": 151936}
        | {"num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768},
        30_532_122_624,
    ),
    (
        {"model_type": "gpt_neox", "hidden_size": 6144, "intermediate_size": 24576, "num_hidden_layers": 44}
        | {"num_attention_heads": 64, "vocab_size": 50432},
        20_554_567_680,
    ),
    ({"model_type": "bloom", "n_embed": 14336, "n_layer": 70, "n_head": 112, "vocab_size": 250880}, 176_247_271_424),
    (
        {"model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71}
        | {"vocab_size": 65024, "multi_query": True, "parallel_attn": True},
        6_921_720_704,
    ),
    (
        {"model_type": "opt", "hidden_size": 768, "ffn_dim": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
        | {"vocab_size": 50272, "max_position_embeddings": 2048},
        125_239_296,
    ),
    (
        {"model_type": "gemma2", "hidden_size": 3584, "intermediate_size": 14336, "num_hidden_layers": 42}
        | {"num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 256, "vocab_size": 256000}
        | {"sliding_window": 4096},
        9_241_705_984,
    ),
    (
        {
            "model_type": "gemma3",
            "text_config": {"model_type": "gemma3_text", "hidden_size": 5376, "intermediate_size": 21504}
            | {"num_attention_heads": 32, "num_key_value_heads": 16, "head_dim": 128, "vocab_size": 262208}
            | {"num_hidden_layers": 62, "sliding_window": 1024},
        },
        27_009_346_304,
    ),
    (
        {"model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432, "num_hidden_layers": 61}
        | {"num_attention_heads": 128, "vocab_size": 129280, "moe_intermediate_size": 2048, "n_routed_experts": 256}
        | {"n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 3, "q_lora_rank": 1536}
        | {"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128},
        671_026_419_200,
    ),
    (
        {"model_type": "deepseek_v2", "hidden_size": 5120, "intermediate_size": 12288, "num_hidden_layers": 60}
        | {"num_attention_heads": 128, "vocab_size": 102400, "moe_intermediate_size": 1536, "n_routed_experts": 160}
        | {"n_shared_experts": 2, "num_experts_per_tok": 6, "first_k_dense_replace": 1, "q_lora_rank": 1536}
        | {"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128},
        235_741_434_880,
    ),
    (
        {"model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 24}
        | {"num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 201088}
        | {"num_local_experts": 32, "num_experts_per_tok": 4, "sliding_window": 128},
        20_914_757_184,
    ),
    (
        {"model_type": "mamba", "hidden_size": 2560, "num_hidden_layers": 64, "vocab_size": 50280, "state_size": 16}
        | {"expand": 2, "conv_kernel": 4, "time_step_rank": 160},
        2_768_345_600,
    ),
    (
        {"model_type": "mamba2", "hidden_size": 2560, "num_hidden_layers": 64, "vocab_size": 50288, "num_heads": 80}
        | {"head_dim": 64, "state_size": 128, "n_groups": 1, "chunk_size": 256, "tie_word_embeddings": True},
        2_702_599_680,
    ),
    (
        {"model_type": "nemotron_h", "hidden_size": 2688, "num_hidden_layers": 52, "vocab_size": 131072}
        | {"hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME", "head_dim": 128}
        | {"num_attention_heads": 32, "num_key_value_heads": 2, "mamba_num_heads": 64, "mamba_head_dim": 64}
        | {"ssm_state_size": 128, "n_groups": 8, "conv_kernel": 4, "chunk_size": 128, "n_routed_experts": 128}
        | {"num_experts_per_tok": 6, "moe_intermediate_size": 1856, "moe_shared_expert_intermediate_size": 3712},
        31_577_940_288,
    ),
    (
        {"model_type": "nemotron_h", "hidden_size": 4096, "num_hidden_layers": 88, "vocab_size": 131072}
        | {"hybrid_override_pattern": "MEMEMEM*EMEMEMEM*EMEMEMEM*" + "EMEMEMEMEM*" * 4 + "EMEMEMEM*EMEMEMEME"}
        | {"head_dim": 128, "num_attention_heads": 32, "num_key_value_heads": 2, "mamba_num_heads": 128}
        | {"mamba_head_dim": 64, "ssm_state_size": 128, "n_groups": 8, "n_routed_experts": 512}
        | {"num_experts_per_tok": 22, "moe_intermediate_size": 2688, "moe_shared_expert_intermediate_size": 5376}
        | {"moe_latent_size": 1024},
        120_668_707_840,
    ),
    (
        {"model_type": "qwen3_next", "hidden_size": 2048, "num_hidden_layers": 48, "vocab_size": 151936}
        | {"head_dim": 256, "num_attention_heads": 16, "num_key_value_heads": 2, "full_attention_interval": 4}
        | {"linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_value_head_dim": 128}
        | {"linear_num_key_heads": 16, "linear_num_value_heads": 32, "num_experts": 512, "num_experts_per_tok": 10}
        | {"moe_intermediate_size": 512, "shared_expert_intermediate_size": 512},
        79_674_391_296,
    ),
    (
        {
            "model_type": "qwen3_5_moe",
            "text_config": {"model_type": "qwen3_5_moe_text", "hidden_size": 4096, "num_hidden_layers": 60}
            | {"layer_types": (["linear_attention"] * 3 + ["full_attention"]) * 15, "vocab_size": 248320}
            | {"head_dim": 256, "num_attention_heads": 32, "num_key_value_heads": 2, "linear_key_head_dim": 128}
            | {"linear_value_head_dim": 128, "linear_num_key_heads": 16, "linear_num_value_heads": 64}
            | {"num_experts": 512, "num_experts_per_tok": 10, "moe_intermediate_size": 1024}
            | {"shared_expert_intermediate_size": 1024, "tie_word_embeddings": False},
        },
        396_346_350_336,
    ),
    (
        {"model_type": "minimax_m1", "hidden_size": 6144, "num_hidden_layers": 80, "vocab_size": 200064}
        | {"attn_type_list": ([0] * 7 + [1]) * 10, "head_dim": 128, "num_attention_heads": 64}
        | {"num_key_value_heads": 8, "num_local_experts": 32, "num_experts_per_tok": 2, "intermediate_size": 9216},
        456_089_655_296,
    ),
    (
        {"model_type": "glm4_moe", "hidden_size": 5120, "num_hidden_layers": 92, "vocab_size": 151552}
        | {"num_attention_heads": 96, "num_key_value_heads": 8, "head_dim": 128, "attention_bias": True}
        | {"use_qk_norm": True, "intermediate_size": 12288, "first_k_dense_replace": 3, "n_routed_experts": 160}
        | {"num_experts_per_tok": 8, "moe_intermediate_size": 1536, "n_shared_experts": 1},
        352_797_829_024,
    ),
    (
        {"model_type": "gptj", "n_embd": 4096, "n_layer": 28, "n_head": 16, "vocab_size": 50400, "n_inner": None},
        6_050_882_784,
    ),
    (
        {"model_type": "phi3", "hidden_size": 5120, "intermediate_size": 17920, "num_hidden_layers": 40}
        | {"num_attention_heads": 40, "num_key_value_heads": 10, "vocab_size": 100352, "sliding_window": None},
        14_659_507_200,
    ),
]


@pytest.mark.parametrize(("config", "count"), CONFIGS, ids=[str(config["model_type"]) for config, _ in CONFIGS])
def test_hugging_face_configs(catalogue: Catalogue, tmp_path: Path, config: dict[str, Any], count: int) -> None:
    folder = tmp_path / "My Model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    text, name = import_config(folder / "config.json")
    assert name == "my-model"
    path = tmp_path / "my-model.toml"
    path.write_text(text, encoding="utf-8")
    assert check([path], catalogue) == []
    assert parameters(parse_entry(text, path).values) == count


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "JSON syntax"),
        ("[]", "JSON object"),
        ("{}", "unknown architecture"),
        ('{"model_type": "lama"}', "did you mean 'llama'"),
        ('{"model_type": "llama"}', "hidden_size: missing"),
        ('{"model_type": "llama", "hidden_size": "big"}', "must be a whole number"),
        ('{"model_type": "llama", "hidden_size": -4}', "hidden_size: must be a whole number from 1 .*got -4"),
        ('{"model_type": "llama", "vocab_size": 0}', "vocab_size: must be a whole number from 1 .*got 0"),
        ('{"model_type": "llama", "num_hidden_layers": 99999999}', "from 1 to 10,000, got 99999999"),
        ('{"model_type": "llama", "tie_word_embeddings": "false"}', "must be true or false, got 'false'"),
        ('{"model_type": "gpt2", "n_layer": 2}', "vocab_size: missing"),
    ],
)
def test_wrong_configs_are_refused(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogueError, match=expected):
        import_config(path)


def faults_of_config(tmp_path: Path, **changed: Any) -> list[str]:
    """The messages for Llama's configuration with some keys changed; None leaves a key out."""
    config = LLAMA | {"model_type": "llama", "vocab_size": 128256, "num_key_value_heads": 8} | changed
    path = tmp_path / "config.json"
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}), encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        import_config(path)
    return [str(problem) for problem in caught.value.problems]


def test_all_faults_of_a_configuration_are_told_at_once(tmp_path: Path) -> None:
    found = faults_of_config(tmp_path, hidden_size=-1, vocab_size=None, num_hidden_layers=0, intermediate_size=10**15)
    assert len(found) == 4
    for key, value in (("hidden_size", "-1"), ("vocab_size", "missing"), ("num_hidden_layers", "0")):
        assert any(f": {key}: " in message and value in message for message in found)
    assert any("1,000,000,000, got 1000000000000000" in message for message in found)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"num_key_value_heads": 5}, "num_key_value_heads: must divide num_attention_heads = 32, got 5"),
        ({"hidden_size": 4097}, "num_attention_heads: must divide hidden_size = 4097, got 32"),
        ({"hidden_size": 32 * 10**7, "intermediate_size": 10**9}, "parameters"),
        ({"sliding_window": "wide", "model_type": "mistral"}, "sliding_window: must be a whole number"),
    ],
)
def test_sizes_that_do_not_fit_are_told(tmp_path: Path, changed: dict[str, Any], expected: str) -> None:
    found = faults_of_config(tmp_path, **changed)
    assert len(found) == 1
    assert expected in found[0]
    assert "config.json" in found[0]


def test_more_active_experts_than_there_are_is_told(tmp_path: Path) -> None:
    moe = {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 9}
    assert ["num_experts_per_tok: must be at most" in fault for fault in faults_of_config(tmp_path, **moe)] == [True]
