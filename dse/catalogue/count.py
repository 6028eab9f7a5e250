"""How many parameters has a model? Counted exactly from its sizes, in whole numbers, part by part."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["matrix_parameters", "other_parameters", "parameters"]

Flat = Mapping[str, float | str | bool]


def parameters(flat: Flat) -> int:
    """All parameters of a model from its flattened values [1]: matrices and everything else.

    >>> parameters({"architecture.layers": 1.0, "architecture.hidden": 4.0, "architecture.vocabulary": 10.0,
    ...             "architecture.tied_embeddings": True, "architecture.norm": "rms",
    ...             "architecture.norms_per_layer": 1.0, "architecture.final_norm": True})
    48
    """
    return sum(matrix_parameters(flat).values()) + sum(other_parameters(flat).values())


def whole(flat: Flat, path: str) -> int:
    """A count of the model [1]; 0 where the model has no such part."""
    value = flat.get(path, 0)
    return 0 if isinstance(value, str) else int(value)


def matrix_parameters(flat: Flat) -> dict[str, int]:
    """Parameters of the embedding, the head and the matrices that multiply activations [1], part by part."""
    hidden, vocabulary = whole(flat, "architecture.hidden"), whole(flat, "architecture.vocabulary")
    return {
        "embedding": vocabulary * hidden,
        "head": 0 if flat.get("architecture.tied_embeddings") else vocabulary * hidden,
        "attention": attention_matrices(flat, hidden),
        "latent_attention": latent_matrices(flat, hidden),
        "feed_forward": whole(flat, "feed_forward.layers")
        * matrices(flat, "feed_forward")
        * hidden
        * whole(flat, "feed_forward.width"),
        "experts": expert_matrices(flat, hidden),
        "state_space": state_space_matrices(flat, hidden),
        "linear_attention": linear_matrices(flat, hidden),
    }


def other_parameters(flat: Flat) -> dict[str, int]:
    """Norms, biases, learned positions, convolutions: everything that is no matrix [1], part by part."""
    hidden = whole(flat, "architecture.hidden")
    return {
        "positions": whole(flat, "architecture.positions") * hidden,
        "norms": norm_parameters(flat, hidden),
        "attention": attention_vectors(flat, hidden),
        "latent_attention": whole(flat, "latent_attention.layers")
        * (whole(flat, "latent_attention.query_rank") + whole(flat, "latent_attention.kv_rank")),
        "feed_forward": whole(flat, "feed_forward.layers")
        * (bias_width(flat, "feed_forward", hidden) if flat.get("architecture.biases") == "all" else 0),
        "experts": expert_vectors(flat, hidden),
        "state_space": state_space_vectors(flat),
        "linear_attention": linear_vectors(flat),
        "extra": whole(flat, "architecture.extra_parameters"),
    }


def matrices(flat: Flat, part: str) -> int:
    """Matrices of a feed-forward part [1]: 3 when gated, else 2."""
    return 3 if flat.get(f"{part}.gated") else 2


def bias_width(flat: Flat, part: str, hidden: int) -> int:
    """Bias parameters of one feed-forward network [1]: one vector for each of its matrices."""
    return (matrices(flat, part) - 1) * whole(flat, f"{part}.width") + hidden


def attention_layers(flat: Flat) -> int:
    """Layers with key-value attention, full or windowed [1]."""
    return whole(flat, "attention.layers") + whole(flat, "attention.window_layers")


def attention_widths(flat: Flat) -> tuple[int, int]:
    """Widths of all query heads and of all key (or value) heads [1]."""
    head = whole(flat, "attention.head_dim")
    return whole(flat, "attention.heads") * head, whole(flat, "attention.kv_heads") * head


def attention_matrices(flat: Flat, hidden: int) -> int:
    """Query, key, value and output projections, and that of the gate [1]."""
    query, key = attention_widths(flat)
    queries = 3 if flat.get("attention.output_gate") else 2
    return attention_layers(flat) * hidden * (queries * query + 2 * key)


def attention_vectors(flat: Flat, hidden: int) -> int:
    """Biases of the projections, norms of queries and keys, sinks [1]."""
    query, key = attention_widths(flat)
    biases = flat.get("architecture.biases")
    a_layer = (query + 2 * key) if biases in ("qkv", "all") else 0
    a_layer += hidden if biases == "all" or flat.get("attention.output_bias") else 0
    a_layer += 2 * whole(flat, "attention.head_dim") if flat.get("attention.qk_norm") else 0
    a_layer += whole(flat, "attention.heads") if flat.get("attention.sinks") else 0
    return attention_layers(flat) * a_layer


def latent_matrices(flat: Flat, hidden: int) -> int:
    """Down and up projections of multi-head latent attention (arXiv 2405.04434, section 2.1) [1]."""
    size = {
        name: whole(flat, f"latent_attention.{name}")
        for name in ("layers", "heads", "query_rank", "kv_rank", "nope_dim", "rope_dim", "value_dim")
    }
    query = size["heads"] * (size["nope_dim"] + size["rope_dim"])
    rank = size["query_rank"]
    queries = hidden * rank + rank * query if rank else hidden * query
    keys = hidden * (size["kv_rank"] + size["rope_dim"])
    unpacked = size["kv_rank"] * size["heads"] * (size["nope_dim"] + size["value_dim"])
    return size["layers"] * (queries + keys + unpacked + size["heads"] * size["value_dim"] * hidden)


def expert_matrices(flat: Flat, hidden: int) -> int:
    """Routers, routed and shared experts, projections to and from a latent width [1]."""
    count, latent = whole(flat, "experts.count"), whole(flat, "experts.latent")
    routed = (latent or hidden) * count * whole(flat, "experts.width")
    shared = hidden * whole(flat, "experts.shared_width")
    a_layer = matrices(flat, "experts") * (routed + shared) + hidden * (count + 2 * latent)
    return whole(flat, "experts.layers") * a_layer


def expert_vectors(flat: Flat, hidden: int) -> int:
    """Biases of experts and routers [1]."""
    count = whole(flat, "experts.count")
    a_layer = count * bias_width(flat, "experts", hidden) if flat.get("experts.bias") else 0
    a_layer += count if flat.get("experts.router_bias") else 0
    return whole(flat, "experts.layers") * a_layer


def state_space_matrices(flat: Flat, hidden: int) -> int:
    """Projections of Mamba-1 (heads 0; mamba_ssm/modules/mamba_simple.py) or Mamba-2 (mamba2.py) layers [1]."""
    inner, state, heads = (whole(flat, f"state_space.{name}") for name in ("inner", "state", "heads"))
    rank = whole(flat, "state_space.step_rank")
    if heads:
        a_layer = hidden * (2 * inner + 2 * whole(flat, "state_space.groups") * state + heads)
    else:
        a_layer = hidden * 2 * inner + inner * (rank + 2 * state) + rank * inner
    return whole(flat, "state_space.layers") * (a_layer + inner * hidden)


def state_space_vectors(flat: Flat) -> int:
    """Convolution, decay, skip and step biases, and in Mamba-2 the gated norm, of the state-space layers [1]."""
    inner, state, heads = (whole(flat, f"state_space.{name}") for name in ("inner", "state", "heads"))
    taps = whole(flat, "state_space.convolution")
    if heads:
        convolved = inner + 2 * whole(flat, "state_space.groups") * state
        a_layer = convolved * (taps + 1) + 3 * heads + inner
    else:
        a_layer = inner * (taps + 1) + inner * state + 2 * inner
    return whole(flat, "state_space.layers") * a_layer


def linear_widths(flat: Flat) -> tuple[int, int]:
    """Widths of all keys (or queries) and of all values of a linear-attention layer [1]."""
    keys = whole(flat, "linear_attention.key_heads") * whole(flat, "linear_attention.key_dim")
    return keys, whole(flat, "linear_attention.heads") * whole(flat, "linear_attention.value_dim")


def linear_matrices(flat: Flat, hidden: int) -> int:
    """Projections of linear attention: queries, keys, values, gate, controls of each head, low ranks, output [1]."""
    keys, values = linear_widths(flat)
    gates = 3 if flat.get("linear_attention.output_gate") else 2
    controls = whole(flat, "linear_attention.heads") * whole(flat, "linear_attention.controls")
    low_rank = whole(flat, "linear_attention.low_rank") * (hidden + values)
    return whole(flat, "linear_attention.layers") * (hidden * (2 * keys + gates * values + controls) + low_rank)


def linear_vectors(flat: Flat) -> int:
    """Convolutions, without biases, of the linear-attention layers [1]."""
    keys, values = linear_widths(flat)
    taps = whole(flat, "linear_attention.convolution")
    return whole(flat, "linear_attention.layers") * taps * (2 * keys + values)


def norm_parameters(flat: Flat, hidden: int) -> int:
    """Norms of the residual stream [1]; a layer norm with bias has two vectors, the others one."""
    vectors = 2 if flat.get("architecture.norm") == "layer" else 1
    norms = whole(flat, "architecture.layers") * whole(flat, "architecture.norms_per_layer")
    norms += whole(flat, "architecture.final_norm") + whole(flat, "architecture.embedding_norm")
    return norms * vectors * hidden
