"""What is a model? Sizes and counts of its layers; a zero count switches a kind of layer off."""

from __future__ import annotations

from dse.arrays import Number, pytree

__all__ = ["Attention", "Experts", "FeedForward", "LatentAttention", "StateSpace", "Transformer"]


@pytree
class Attention:
    """Softmax attention with heads query heads over kv_heads key-value heads.

    layers: with full context [1]; window_layers: with a sliding window [1]; window [tokens];
    heads, kv_heads, head_dim [1].
    """

    layers: Number
    window_layers: Number
    window: Number
    heads: Number
    kv_heads: Number
    head_dim: Number


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
    matrices: 3 gated, 2 plain [1].
    """

    layers: Number
    count: Number
    active: Number
    width: Number
    shared_width: Number
    matrices: Number


@pytree
class StateSpace:
    """Selective state-space layers (Mamba, arXiv 2312.00752; Mamba-2, arXiv 2405.21060).

    layers; inner: expanded width; state: per channel; heads: 0 for Mamba-1; groups; convolution: taps;
    step_rank: rank of the step-size projection, 0 for Mamba-2 [1].
    """

    layers: Number
    inner: Number
    state: Number
    heads: Number
    groups: Number
    convolution: Number
    step_rank: Number


@pytree
class Transformer:
    """A decoder-only language model, of attention, state-space, dense and expert layers.

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
