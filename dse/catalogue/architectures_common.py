"""What is in a config.json? Its keys, read with care, and the tables that most architectures share."""

from __future__ import annotations

from typing import Any

from dse.catalogue.errors import Problem

__all__ = ["Config", "Sizes", "architecture", "attention", "dense", "experts", "windows"]

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
