"""What does each architecture mean by its config.json? The tables of a transformer file from its keys."""

from __future__ import annotations

from collections.abc import Callable

from dse.catalogue.architectures_common import Config, Sizes, architecture, attention, dense, experts, windows
from dse.catalogue.architectures_hybrid import HYBRIDS

__all__ = ["ARCHITECTURES", "Config", "Sizes"]


def llama(config: Config) -> dict[str, Sizes]:
    """Llama: biases only where the configuration asks for them."""
    attended, fed = config.flag("attention_bias", False), config.flag("mlp_bias", False)
    biases = "all" if attended and fed else "qkv" if attended else "none"
    return {
        "architecture": architecture(config, biases=biases),
        "attention": attention(config, output_bias=attended),
        "feed_forward": dense(config),
    }


def mistral(config: Config) -> dict[str, Sizes]:
    """Mistral: a sliding window in all layers where there is one."""
    return {
        "architecture": architecture(config),
        "attention": attention(config, **windows(config)),
        "feed_forward": dense(config),
    }


def mixtral(config: Config) -> dict[str, Sizes]:
    """Mixtral: experts in every layer."""
    layers, count = config.count("num_hidden_layers"), config.count("num_local_experts")
    width = config.count("intermediate_size")
    return {
        "architecture": architecture(config),
        "attention": attention(config, **windows(config)),
        "experts": experts(config, layers=layers, count=count, width=width),
    }


def qwen2(config: Config) -> dict[str, Sizes]:
    """Qwen2: biases on queries, keys and values."""
    return {
        "architecture": architecture(config, biases="qkv"),
        "attention": attention(config),
        "feed_forward": dense(config),
    }


def qwen3(config: Config) -> dict[str, Sizes]:
    """Qwen3: norms on queries and keys."""
    attended = config.flag("attention_bias", False)
    return {
        "architecture": architecture(config, biases="qkv" if attended else "none"),
        "attention": attention(config, qk_norm=True, output_bias=attended),
        "feed_forward": dense(config),
    }


def qwen3_moe(config: Config) -> dict[str, Sizes]:
    """Qwen3 with experts: in every layer but those listed as dense."""
    layers = config.count("num_hidden_layers")
    plain = set(config.raw.get("mlp_only_layers") or [])
    every = config.count("decoder_sparse_step", default=1)
    sparse = sum(index not in plain and (index + 1) % every == 0 for index in range(layers))
    count, width = config.count("num_experts"), config.count("moe_intermediate_size")
    tables = qwen3(config)
    tables["feed_forward"]["layers"] = layers - sparse
    tables["experts"] = experts(config, layers=sparse, count=count, width=width)
    return {name: table for name, table in tables.items() if table["layers"]}


def gpt2(config: Config) -> dict[str, Sizes]:
    """GPT-2: learned positions, biases everywhere, tied head."""
    positions = config.count("n_positions", "n_ctx")
    hidden, layers = config.count("n_embd"), config.count("n_layer")
    width = config.count("n_inner", default=4 * hidden)
    tied = config.flag("tie_word_embeddings", True)
    return {
        "architecture": architecture(config, positions=positions, norm="layer", biases="all", tied_embeddings=tied),
        "attention": attention(config),
        "feed_forward": {"layers": layers, "width": width, "gated": False},
    }


def gpt_neox(config: Config) -> dict[str, Sizes]:
    """GPT-NeoX: attention and feed-forward in parallel, biases everywhere."""
    parallel = config.flag("use_parallel_residual", True)
    return {
        "architecture": architecture(config, norm="layer", biases="all", parallel_block=parallel),
        "attention": attention(config),
        "feed_forward": dense(config, gated=False),
    }


def gptj(config: Config) -> dict[str, Sizes]:
    """GPT-J: attention and feed-forward in parallel behind one norm; biases in the feed-forward and the head alone."""
    hidden, layers, vocabulary = config.count("n_embd"), config.count("n_layer"), config.count("vocab_size")
    width = config.count("n_inner", default=4 * hidden)
    vectors = layers * (width + hidden) + vocabulary
    whole = architecture(config, norm="layer", norms_per_layer=1, parallel_block=True, extra_parameters=vectors)
    return {
        "architecture": whole,
        "attention": attention(config),
        "feed_forward": {"layers": layers, "width": width, "gated": False},
    }


def bloom(config: Config) -> dict[str, Sizes]:
    """BLOOM: a norm after the embedding, biases everywhere, tied head."""
    hidden, layers = config.count("hidden_size", "n_embed"), config.count("n_layer", "num_hidden_layers")
    tied = config.flag("tie_word_embeddings", True)
    whole = architecture(config, norm="layer", biases="all", tied_embeddings=tied, embedding_norm=True)
    return {
        "architecture": whole,
        "attention": attention(config),
        "feed_forward": {"layers": layers, "width": 4 * hidden, "gated": False},
    }


def falcon(config: Config) -> dict[str, Sizes]:
    """Falcon: parallel blocks; the large ones have grouped heads and two norms, the small ones one head and one."""
    grouped = config.flag("new_decoder_architecture", False)
    hidden = config.count("hidden_size", "n_embed")
    heads, layers = config.count("num_attention_heads", "n_head"), config.count("num_hidden_layers", "n_layer")
    parallel = config.flag("parallel_attn", True) or grouped
    single = 1 if config.flag("multi_query", True) else heads
    kv_heads = config.count("num_kv_heads", "n_head_kv", default=heads) if grouped else single
    norms = config.count("num_ln_in_parallel_attn", default=2 if grouped else 1) if parallel else 2
    biases = "all" if config.flag("bias", False) else "none"
    tied = config.flag("tie_word_embeddings", True)
    whole = architecture(config, norm="layer", biases=biases, tied_embeddings=tied, parallel_block=parallel)
    return {
        "architecture": whole | {"norms_per_layer": norms},
        "attention": attention(config, kv_heads=kv_heads, head_dim=hidden // heads),
        "feed_forward": {
            "layers": layers,
            "width": config.count("ffn_hidden_size", default=4 * hidden),
            "gated": False,
        },
    }


def opt(config: Config) -> dict[str, Sizes]:
    """OPT: learned positions with an offset of two, biases everywhere, tied head."""
    hidden = config.count("hidden_size")
    if config.count("word_embed_proj_dim", default=hidden) != hidden:
        rule = "an embedding narrower than the model cannot be described"
        config.wrong(rule, "word_embed_proj_dim")
    positions = config.count("max_position_embeddings") + 2
    tied = config.flag("tie_word_embeddings", True)
    whole = architecture(config, positions=positions, norm="layer", biases="all", tied_embeddings=tied)
    return {
        "architecture": whole | {"final_norm": config.flag("do_layer_norm_before", True)},
        "attention": attention(config),
        "feed_forward": {
            "layers": config.count("num_hidden_layers"),
            "width": config.count("ffn_dim"),
            "gated": False,
        },
    }


def gemma(pattern: int, qk_norm: bool) -> Callable[[Config], dict[str, Sizes]]:
    """Gemma 2 and 3: four norms a layer; full context in every pattern-th layer only."""

    def tables(config: Config) -> dict[str, Sizes]:
        """The tables of one model of the family."""
        tied = config.flag("tie_word_embeddings", True)
        return {
            "architecture": architecture(config, norms_per_layer=4, tied_embeddings=tied),
            "attention": attention(config, qk_norm=qk_norm, **windows(config, pattern)),
            "feed_forward": dense(config),
        }

    return tables


def deepseek(router_bias: bool) -> Callable[[Config], dict[str, Sizes]]:
    """DeepSeek-V2 and V3: latent attention, some dense layers and then experts; V3 biases the router."""

    def tables(config: Config) -> dict[str, Sizes]:
        """The tables of one model of the family; extra layers for multi-token prediction are left out."""
        layers, plain = config.count("num_hidden_layers"), config.count("first_k_dense_replace", default=0, least=0)
        config.at_most(plain, layers, "first_k_dense_replace", "num_hidden_layers")
        width = config.count("moe_intermediate_size")
        expert = experts(
            config,
            layers=layers - plain,
            count=config.count("n_routed_experts"),
            width=width,
            shared_width=width * config.count("n_shared_experts", default=0, least=0),
            router_bias=router_bias,
        )
        latent = {
            "layers": layers,
            "heads": config.count("num_attention_heads"),
            "query_rank": config.count("q_lora_rank", default=0, least=0),
            "kv_rank": config.count("kv_lora_rank"),
            "nope_dim": config.count("qk_nope_head_dim"),
            "rope_dim": config.count("qk_rope_head_dim", least=0),
            "value_dim": config.count("v_head_dim"),
        }
        found = {"architecture": architecture(config), "latent_attention": latent}
        found |= {"feed_forward": dense(config, layers=plain)} if plain else {}
        return found | ({"experts": expert} if layers > plain else {})

    return tables


def glm(config: Config) -> dict[str, Sizes]:
    """GLM-4.5: biases on queries, keys and values, some dense layers and then experts with biased routers."""
    layers, plain = config.count("num_hidden_layers"), config.count("first_k_dense_replace", default=0, least=0)
    config.at_most(plain, layers, "first_k_dense_replace", "num_hidden_layers")
    width = config.count("moe_intermediate_size")
    sizes = {
        "count": config.count("n_routed_experts"),
        "width": width,
        "shared_width": width * config.count("n_shared_experts", default=0, least=0),
        "router_bias": True,
    }
    biases = "qkv" if config.flag("attention_bias", False) else "none"
    found = {
        "architecture": architecture(config, biases=biases),
        "attention": attention(config, qk_norm=config.flag("use_qk_norm", False)),
        "experts": experts(config, layers=layers - plain, **sizes),
    }
    return found | ({"feed_forward": dense(config, layers=plain)} if plain else {})


def gpt_oss(config: Config) -> dict[str, Sizes]:
    """gpt-oss: alternating windows, sinks, biases in attention, routers and experts."""
    biases = {"router_bias": True, "bias": True}
    layers, count = config.count("num_hidden_layers"), config.count("num_local_experts")
    width = config.count("intermediate_size")
    return {
        "architecture": architecture(config, biases="qkv"),
        "attention": attention(config, sinks=True, output_bias=True, **windows(config, 2)),
        "experts": experts(config, layers=layers, count=count, width=width, **biases),
    }


ARCHITECTURES: dict[str, Callable[[Config], dict[str, Sizes]]] = {
    "llama": llama,
    "phi3": mistral,
    "mistral": mistral,
    "mixtral": mixtral,
    "qwen2": qwen2,
    "qwen3": qwen3,
    "qwen3_moe": qwen3_moe,
    "gpt2": gpt2,
    "gpt_neox": gpt_neox,
    "gptj": gptj,
    "bloom": bloom,
    "falcon": falcon,
    "opt": opt,
    "gemma2": gemma(2, qk_norm=False),
    "gemma3": gemma(6, qk_norm=True),
    "gemma3_text": gemma(6, qk_norm=True),
    "deepseek_v2": deepseek(router_bias=False),
    "deepseek_v3": deepseek(router_bias=True),
    "kimi_k2": deepseek(router_bias=True),
    "glm4_moe": glm,
    "gpt_oss": gpt_oss,
    **HYBRIDS,
}
