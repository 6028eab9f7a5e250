"""What is a model? Sizes and counts of its layers; a zero count switches a kind of layer off."""

from __future__ import annotations

from dse.arrays import Number, pytree

__all__ = ["Attention", "Experts", "FeedForward", "LatentAttention", "LinearAttention", "StateSpace", "Transformer"]


@pytree
class Attention:
    """Softmax attention with heads query heads over kv_heads key-value heads.

    layers: with full context [1]; window_layers: with a sliding window [1]; window [tokens];
    heads, kv_heads, head_dim [1]; gate: 1 when a gate as wide as the queries is projected too, else 0.
    """

    layers: Number
    window_layers: Number
    window: Number
    heads: Number
    kv_heads: Number
    head_dim: Number
    gate: Number


@pytree
class LatentAttention:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1).

    layers, heads [1]; query_rank, kv_rank: widths of the latents; nope_dim, rope_dim, value_dim: per head [1].
    """

    layers: Number
    heads: Number
    query_rank: Number
    kv_rank: Number
    nope_dim: Number
    rope_dim: Number
    value_dim: Number


@pytree
class FeedForward:
    """Dense feed-forward layers: layers [1], width [1], matrices: 3 gated, 2 plain [1]."""

    layers: Number
    width: Number
    matrices: Number


@pytree
class Experts:
    """Mixture-of-experts layers.

    layers, count, active (per token), width (of one expert), shared_width (always active, all together),
    matrices: 3 gated, 2 plain; latent: width in which the routed experts work, 0 for that of the model [1].
    """

    layers: Number
    count: Number
    active: Number
    width: Number
    shared_width: Number
    matrices: Number
    latent: Number


@pytree
class StateSpace:
    """Selective state-space layers (Mamba, arXiv 2312.00752; Mamba-2, arXiv 2405.21060).

    layers; inner: expanded width; state: per channel; heads: 0 for Mamba-1; groups; convolution: taps;
    step_rank: rank of the step-size projection, 0 for Mamba-2; chunk: tokens that Mamba-2 scans together [1].
    """

    layers: Number
    inner: Number
    state: Number
    heads: Number
    groups: Number
    convolution: Number
    step_rank: Number
    chunk: Number


@pytree
class LinearAttention:
    """Linear attention with a matrix of key_dim x value_dim a head for a state.

    Gated delta net (arXiv 2412.06464), RWKV-7 (arXiv 2503.14456), lightning attention (arXiv 2501.08313).

    layers; heads: that have a state; key_heads: of queries and of keys; key_dim, value_dim: per head; convolution:
    taps; gate: 1 when a gate as wide as the values is projected too, else 0; controls: scalars projected for each head;
    low_rank: ranks of all controls that are as wide as the values; products: with the state a token, 2 to 4;
    chunk: tokens that are scanned together [1].
    """

    layers: Number
    heads: Number
    key_heads: Number
    key_dim: Number
    value_dim: Number
    convolution: Number
    gate: Number
    controls: Number
    low_rank: Number
    products: Number
    chunk: Number


@pytree
class Transformer:
    """A decoder-only language model, of attention, state-space, linear-attention, dense and expert layers.

    layers: depth, the number of residual blocks that a pipeline can cut [1]; hidden, vocabulary [1];
    tied: 1 when the head reuses the embedding; blocks_per_reduction: sub-layers that share one reduction, 1
    or 2 for parallel blocks [1]; other_parameters: norms, biases, positions, everything that is no matrix [1].
    """

    layers: Number
    hidden: Number
    vocabulary: Number
    tied: Number
    blocks_per_reduction: Number
    other_parameters: Number
    attention: Attention
    latent: LatentAttention
    feed_forward: FeedForward
    experts: Experts
    state_space: StateSpace
    linear_attention: LinearAttention
