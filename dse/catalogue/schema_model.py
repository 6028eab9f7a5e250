"""What may a model file say, and a traffic file? Sizes of layers; lengths and limits of requests."""

from __future__ import annotations

from typing import Annotated

from dse.catalogue.declarations import Count, CountOrZero, Document, Flag, Limit, Share, Table, Tokens, Words, name_of
from dse.catalogue.fields import Figure, Spec


class ArchitectureTable(Table):
    """Sizes of the whole model; extra_parameters: vectors of its own that no other field counts.

    pattern: the list of its layers, a letter for what each does (a word where it does several things).
    """

    layers: Count
    hidden: Count
    vocabulary: Count
    tied_embeddings: Flag
    positions: CountOrZero
    norm: Annotated[Figure, name_of("norm", ("rms", "layer", "layer-nobias"))]
    norms_per_layer: CountOrZero
    final_norm: Flag
    biases: Annotated[Figure, name_of("biases", ("none", "qkv", "all"))]
    parallel_block: Flag
    embedding_norm: Flag
    extra_parameters: Annotated[Figure, Spec(high=1e13, integer=True, cited=True)] | None = None
    pattern: Annotated[Figure, name_of()] | None = None


class AttentionTable(Table):
    """Attention with key-value heads; layers: with full context; output_gate: a gate as wide as the queries."""

    layers: CountOrZero
    window_layers: CountOrZero
    window: CountOrZero
    heads: Count
    kv_heads: Count
    head_dim: Count
    qk_norm: Flag
    sinks: Flag
    output_bias: Flag
    output_gate: Flag | None = None


class LatentAttentionTable(Table):
    """Multi-head latent attention; query_rank 0: the query is projected at once."""

    layers: Count
    heads: Count
    query_rank: CountOrZero
    kv_rank: Count
    nope_dim: Count
    rope_dim: CountOrZero
    value_dim: Count


class FeedForwardTable(Table):
    """Dense layers."""

    layers: Count
    width: Count
    gated: Flag


class ExpertsTable(Table):
    """Expert layers; shared_width: always active, all shared experts together; latent: inputs of the routed ones."""

    layers: Count
    count: Count
    active: Count
    width: Count
    shared_width: CountOrZero
    gated: Flag
    router_bias: Flag
    bias: Flag
    latent: Count | None = None


class StateSpaceTable(Table):
    """State-space layers; heads 0: Mamba-1; step_rank 0: Mamba-2; chunk: tokens scanned together, 1 for Mamba-1."""

    layers: Count
    inner: Count
    state: Count
    heads: CountOrZero
    groups: CountOrZero
    convolution: CountOrZero
    step_rank: CountOrZero
    chunk: Count


class LinearAttentionTable(Table):
    """Linear attention.

    heads: with a state of key_dim x value_dim each; controls: scalars projected for each head; low_rank: ranks of all
    low-rank controls; rule: how a token changes the state; chunk: tokens scanned together.
    """

    layers: Count
    heads: Count
    key_heads: Count
    key_dim: Count
    value_dim: Count
    convolution: CountOrZero
    output_gate: Flag
    controls: CountOrZero
    low_rank: CountOrZero
    rule: Annotated[Figure, name_of("rule", ("additive", "delta", "generalised-delta"))]
    chunk: Count


class TransformerDocument(Document):
    """A language model; parameters: the published count, which the computed one must meet within the tolerance."""

    title: Words
    parameters: Annotated[Figure, Spec(low=1, high=1e15, integer=True, cited=True)]
    parameters_tolerance: Share
    architecture: ArchitectureTable
    attention: AttentionTable | None = None
    latent_attention: LatentAttentionTable | None = None
    feed_forward: FeedForwardTable | None = None
    experts: ExpertsTable | None = None
    state_space: StateSpaceTable | None = None
    linear_attention: LinearAttentionTable | None = None


class TrafficDocument(Document):
    """A stream of requests."""

    title: Words
    input_tokens: Annotated[Figure, Spec("tokens", high=1e9, above=True)]
    output_tokens: Tokens
    input_variation: Annotated[Figure, Spec(high=100)]
    output_variation: Annotated[Figure, Spec(high=100)]
    prefix_hit_rate: Share
    time_to_first_token: Limit
    time_per_output_token: Limit
    concurrency: Annotated[Figure, Spec(high=1e9, above=True, none=True)]
