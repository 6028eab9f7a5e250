"""What do hybrid architectures mean by their config.json? State-space and linear-attention layers among others."""

from __future__ import annotations

from collections.abc import Callable

from dse.catalogue.architectures_common import Config, Sizes, architecture, attention, dense, experts

__all__ = ["HYBRIDS", "SYMBOLS"]

SYMBOLS = {"M": "state_space", "*": "attention", "-": "feed_forward", "E": "experts"}
"""Letters of NVIDIA's hybrid_override_pattern, one a layer, and the tables that describe such layers."""


def mamba(config: Config) -> dict[str, Sizes]:
    """Mamba-1: no attention and no feed-forward; the step size is projected from a low rank."""
    hidden, layers = config.count("hidden_size", "d_model"), config.count("num_hidden_layers", "n_layer")
    inner = config.count("intermediate_size", default=config.count("expand", default=2) * hidden)
    rank = config.raw.get("time_step_rank", "auto")
    sizes = {
        "layers": layers,
        "inner": inner,
        "state": config.count("state_size", default=16),
        "heads": 0,
        "groups": 1,
        "convolution": config.count("conv_kernel", default=4, least=0),
        "step_rank": -(-hidden // 16) if rank == "auto" else config.count("time_step_rank"),
        "chunk": 1,
    }
    tied = config.flag("tie_word_embeddings", True)
    return {"architecture": architecture(config, norms_per_layer=1, tied_embeddings=tied), "state_space": sizes}


def scan(config: Config, layers: int, state: int, groups: int) -> Sizes:
    """Mamba-2 layers, their state and groups as each architecture names them."""
    heads = config.count("mamba_num_heads", "num_heads")
    return {
        "layers": layers,
        "inner": heads * config.count("mamba_head_dim", "head_dim"),
        "state": state,
        "heads": heads,
        "groups": groups,
        "convolution": config.count("conv_kernel", default=4),
        "step_rank": 0,
        "chunk": config.count("chunk_size", default=256),
    }


def mamba2(config: Config) -> dict[str, Sizes]:
    """Mamba-2: no attention and no feed-forward."""
    sizes = scan(config, config.count("num_hidden_layers"), config.count("state_size"), config.count("n_groups"))
    tied = config.flag("tie_word_embeddings", False)
    return {"architecture": architecture(config, norms_per_layer=1, tied_embeddings=tied), "state_space": sizes}


def nemotron_h(config: Config) -> dict[str, Sizes]:
    """Nemotron-H and Nemotron 3: one kind of layer after another, as the pattern lists them."""
    pattern = str(config.raw.get("hybrid_override_pattern", ""))
    strange = sorted(set(pattern) - set(SYMBOLS))
    if strange or len(pattern) != config.count("num_hidden_layers"):
        rule = f"must have one of {' '.join(SYMBOLS)} for each of num_hidden_layers"
        config.wrong(rule, "hybrid_override_pattern", pattern)
    found = {table: pattern.count(letter) for letter, table in SYMBOLS.items()}
    head = config.count("head_dim", "attention_head_dim", default=128)
    tables: dict[str, Sizes] = {
        "architecture": architecture(config, norms_per_layer=1) | ({"pattern": pattern} if pattern else {}),
        "attention": attention(config, layers=found["attention"], head_dim=head),
    }
    if found["state_space"]:
        state, groups = config.count("ssm_state_size"), config.count("n_groups")
        tables["state_space"] = scan(config, found["state_space"], state, groups)
    if found["feed_forward"]:
        tables["feed_forward"] = dense(config, gated=False, layers=found["feed_forward"])
    if found["experts"]:
        tables["experts"] = latent_experts(config, found["experts"])
    return tables


def latent_experts(config: Config, layers: int) -> Sizes:
    """Experts with squared ReLU, in a latent width where there is one."""
    latent = config.count("moe_latent_size", default=0, least=0)
    shared = config.count("moe_shared_expert_intermediate_size", default=0, least=0)
    sizes = experts(
        config,
        layers=layers,
        count=config.count("n_routed_experts"),
        width=config.count("moe_intermediate_size"),
        shared_width=shared * config.count("n_shared_experts", default=1, least=0),
        gated=False,
        router_bias=True,
    )
    return sizes | ({"latent": latent} if latent else {})


def gated_delta_net(config: Config) -> dict[str, Sizes]:
    """Qwen3-Next and Qwen3.5: gated delta nets with gated full attention in every fourth layer, as listed."""
    layers, hidden = config.count("num_hidden_layers"), config.count("hidden_size")
    listing = config.raw.get("layer_types")
    every = config.count("full_attention_interval", default=4)
    full = sum(kind == "full_attention" for kind in listing) if isinstance(listing, list) else layers // every
    linear = layers - full
    heads, width = config.count("linear_num_value_heads"), config.count("linear_value_head_dim")
    sparse = config.count("num_experts", default=0, least=0) > 0
    # Decay and step of each head and the gated norm; the gate of the shared expert.
    vectors = linear * (2 * heads + width) + (layers * hidden if sparse else 0)
    tables: dict[str, Sizes] = {
        "architecture": architecture(config, extra_parameters=vectors),
        "attention": attention(config, layers=full, qk_norm=True) | {"output_gate": True},
        "linear_attention": {
            "layers": linear,
            "heads": heads,
            "key_heads": config.count("linear_num_key_heads"),
            "key_dim": config.count("linear_key_head_dim"),
            "value_dim": width,
            "convolution": config.count("linear_conv_kernel_dim", default=4),
            "output_gate": True,
            "controls": 2,
            "low_rank": 0,
            "rule": "delta",
            "chunk": 64,
        },
    }
    if not sparse:
        return tables | {"feed_forward": dense(config)}
    sizes = {
        "count": config.count("num_experts"),
        "width": config.count("moe_intermediate_size"),
        "shared_width": config.count("shared_expert_intermediate_size"),
    }
    return tables | {"experts": experts(config, layers=layers, **sizes)}


def minimax(config: Config) -> dict[str, Sizes]:
    """MiniMax-Text-01 and M1: lightning attention where attn_type_list has 0, full attention where it has 1."""
    layers, heads = config.count("num_hidden_layers"), config.count("num_attention_heads")
    listing = config.raw.get("attn_type_list")
    if not isinstance(listing, list) or len(listing) != layers:
        rule = "must list the kind of each of num_hidden_layers"
        config.wrong(rule, "attn_type_list", listing)
        listing = []
    full, width = sum(kind == 1 for kind in listing), config.count("head_dim")
    linear = layers - full
    sizes = {
        "layers": linear,
        "heads": heads,
        "key_heads": heads,
        "key_dim": width,
        "value_dim": width,
        "convolution": 0,
        "output_gate": True,
        "controls": 0,
        "low_rank": 0,
        "rule": "additive",
        "chunk": 256,
    }
    routed = {"count": config.count("num_local_experts"), "width": config.count("intermediate_size")}
    return {
        "architecture": architecture(config, extra_parameters=linear * heads * width),
        "attention": attention(config, layers=full),
        "linear_attention": sizes,
        "experts": experts(config, layers=layers, **routed),
    }


HYBRIDS: dict[str, Callable[[Config], dict[str, Sizes]]] = {
    "mamba": mamba,
    "mamba2": mamba2,
    "nemotron_h": nemotron_h,
    "qwen3_next": gated_delta_net,
    "qwen3_5_text": gated_delta_net,
    "qwen3_5_moe_text": gated_delta_net,
    "minimax_m1": minimax,
    "minimax_text_01": minimax,
}
"""Architectures by the model_type of their config.json."""
