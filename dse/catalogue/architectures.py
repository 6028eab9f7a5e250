"""What does each architecture mean by its config.json? The tables of a transformer file from its keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dse.catalogue.errors import Problem

__all__ = ["ARCHITECTURES", "Config", "Sizes"]

Sizes = dict[str, Any]


MOST_LAYERS = 10_000
MOST = 1_000_000_000
"""Largest sizes that are no slip of the pen [1]; the largest published model has 1e3 layers, and sizes of 1e6."""


class Config:
    """Keys of a config.json; what is missing or out of range is collected in `problems`, each fault once."""

    def __init__(self, raw: dict[str, Any], file: str) -> None:
        self.raw, self.file = raw, file
        self.found: dict[Problem, None] = {}

    @property
    def problems(self) -> list[Problem]:
        """What was found wrong so far."""
        return list(self.found)

    def wrong(self, rule: str, key: str, value: object = None, way_out: str = "") -> None:
        """Keep a fault of a key."""
        self.found[Problem(rule, self.file, key, "" if value is None else repr(value), way_out=way_out)] = None

    def count(self, *keys: str, default: int | None = None, least: int = 1) -> int:
        """The whole number under the first key that is there; a fault when none is and there is no default.

        least: smallest number that means something [1].
        """
        for key in keys:
            value, most = self.raw.get(key), MOST_LAYERS if "layer" in key else MOST
            if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
                return value
            if value is not None:
                self.wrong(f"must be a whole number from {least} to {most:,}", key, value)
                return 1
        if default is None:
            self.wrong("missing", keys[0], way_out=f"or {' or '.join(keys[1:])}" if keys[1:] else "")
            return 1
        return default

    def flag(self, key: str, default: bool) -> bool:
        """The flag under a key, as the architecture's own default has it when it is absent."""
        value = self.raw.get(key)
        if value is not None and not isinstance(value, bool):
            self.wrong("must be true or false", key, value)
        return value if isinstance(value, bool) else default

    def is_known(self, size: int) -> bool:
        """Whether a size is the configuration's own, and not the 1 that stands for a faulty one."""
        return size != 1 or not self.found

    def divides(self, part: int, whole: int, key: str, of: str) -> None:
        """Keep a fault unless the first number, under its key, divides the second."""
        if self.is_known(whole) and whole % part:
            self.wrong(f"must divide {of} = {whole}", key, part)

    def at_most(self, part: int, whole: int, key: str, of: str) -> None:
        """Keep a fault unless the first number, under its key, is at most the second."""
        if self.is_known(whole) and part > whole:
            self.wrong(f"must be at most {of} = {whole}", key, part)


def architecture(config: Config, **given: Any) -> Sizes:
    """The sizes of the whole model; `given` replaces what most architectures have."""
    usual: Sizes = {
        "layers": config.count("num_hidden_layers", "n_layer", "num_layers"),
        "hidden": config.count("hidden_size", "n_embd", "n_embed", "d_model"),
        "vocabulary": config.count("vocab_size"),
        "tied_embeddings": config.flag("tie_word_embeddings", False),
        "positions": 0,
        "norm": "rms",
        "norms_per_layer": 2,
        "final_norm": True,
        "biases": "none",
        "parallel_block": False,
        "embedding_norm": False,
    }
    return usual | given


def attention(config: Config, **given: Any) -> Sizes:
    """Attention with key-value heads in every layer; `given` replaces what most architectures have."""
    heads = config.count("num_attention_heads", "n_head")
    layers = config.count("num_hidden_layers", "n_layer")
    kv_heads = config.count("num_key_value_heads", default=heads)
    config.divides(kv_heads, heads, "num_key_value_heads", "num_attention_heads")
    usual: Sizes = {
        "layers": layers,
        "window_layers": 0,
        "window": 0,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": head_dim(config, heads),
        "qk_norm": False,
        "sinks": False,
        "output_bias": False,
    }
    return usual | given


def head_dim(config: Config, heads: int) -> int:
    """Size of a head: its own, else the model's width over the number of heads."""
    hidden = config.count("hidden_size", "n_embd", "n_embed")
    if config.raw.get("head_dim") is None:
        config.divides(heads, hidden, "num_attention_heads", "hidden_size")
    return config.count("head_dim", default=hidden // heads)


def windows(config: Config, pattern: int = 0) -> Sizes:
    """How many layers have a sliding window: as listed, else all but every pattern-th, else all."""
    layers, window = config.count("num_hidden_layers"), config.raw.get("sliding_window")
    if not window:
        return {}
    listing = config.raw.get("layer_types")
    every = config.count("sliding_window_pattern", default=pattern, least=0)
    if isinstance(listing, list):
        windowed = sum(kind == "sliding_attention" for kind in listing)
    else:
        windowed = layers - layers // every if every else layers
    return {"layers": layers - windowed, "window_layers": windowed, "window": config.count("sliding_window")}


def dense(config: Config, gated: bool = True, layers: int | None = None) -> Sizes:
    """Feed-forward networks, by default in every layer and gated."""
    depth = config.count("num_hidden_layers", "n_layer") if layers is None else layers
    return {"layers": depth, "width": config.count("intermediate_size"), "gated": gated}


def experts(config: Config, **given: Any) -> Sizes:
    """Expert layers; `given` has their number, count and width."""
    active = config.count("num_experts_per_tok")
    config.at_most(active, given["count"], "num_experts_per_tok", "the number of experts")
    usual: Sizes = {"active": active, "shared_width": 0, "gated": True}
    return usual | given | {key: given.get(key, False) for key in ("router_bias", "bias")}


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


ARCHITECTURES: dict[str, Callable[[Config], dict[str, Sizes]]] = {
    "llama": llama,
    "mistral": mistral,
    "mixtral": mixtral,
    "qwen2": qwen2,
    "qwen3": qwen3,
    "qwen3_moe": qwen3_moe,
    "gpt2": gpt2,
    "gpt_neox": gpt_neox,
    "bloom": bloom,
    "falcon": falcon,
    "opt": opt,
    "gemma2": gemma(2, qk_norm=False),
    "gemma3": gemma(6, qk_norm=True),
    "gemma3_text": gemma(6, qk_norm=True),
    "deepseek_v2": deepseek(router_bias=False),
    "deepseek_v3": deepseek(router_bias=True),
    "kimi_k2": deepseek(router_bias=True),
    "gpt_oss": gpt_oss,
    "mamba": mamba,
}
