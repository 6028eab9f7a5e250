"""What do layers with a state of constant size compute? State-space and linear-attention layers.

Token by token a head multiplies its state, a matrix, a few times: to write to it, to read from it and, under a delta
rule, to correct it. A pass over many tokens works in chunks: the tokens of a chunk meet each other in pairs and the
state once a chunk (Mamba-2, arXiv 2405.21060, section 6; gated delta rule, arXiv 2412.06464, section 3.3). Both
are the same sums in another order; a chunk of one token is the recurrence. Every sequence's state is read and
written back once a pass.
"""

from __future__ import annotations

import jax.numpy as jnp

from dse.arrays import Number, ceil_div
from dse.timing.mapping import Mapping
from dse.workload.product import ACTIVATION_OPERATIONS, NORM_OPERATIONS, Product, Tokens, dense
from dse.workload.transformer import LinearAttention, StateSpace, Transformer

__all__ = ["linear_attention_products", "linear_kept", "state_space_kept", "state_space_products"]

SELECTIVE_SCAN_OPERATIONS = 9.0
"""Elementwise operations of Mamba-1 for each state element and token (github.com/state-spaces/mamba, issue 110)."""
DECAY_OPERATIONS = 3.0
"""Elementwise operations that decay a pair of tokens within a chunk: difference, exponential, product."""


def space_widths(part: StateSpace, copy: Number) -> tuple[Number, Number, Number]:
    """Heads, inner width and groups of a state-space layer on one of the chips of a copy [1]; Mamba-1 has no heads."""
    heads = ceil_div(part.heads, copy)
    whole = jnp.maximum(part.inner, 1.0)
    inner = jnp.where(part.heads > 0, heads * whole / jnp.maximum(part.heads, 1.0), ceil_div(whole, copy))
    return heads, inner, ceil_div(jnp.maximum(part.groups, 1.0), copy)


def state_space_kept(part: StateSpace, copy: Number) -> Number:
    """State that a chip of a copy keeps for one sequence and layer, with the taps of the convolution [elements]."""
    _, inner, groups = space_widths(part, copy)
    convolved = inner + jnp.where(part.step_rank > 0, 0.0, 2.0 * groups * part.state)
    return inner * part.state + convolved * part.convolution


def linear_kept(part: LinearAttention, copy: Number) -> Number:
    """The same of a linear-attention layer: a matrix of key by value width for each head [elements]."""
    heads, key_heads = ceil_div(part.heads, copy), ceil_div(part.key_heads, copy)
    convolved = 2.0 * key_heads * part.key_dim + heads * part.value_dim
    return heads * part.key_dim * part.value_dim + convolved * part.convolution


def in_chunks(
    layers: Number,
    tokens: Tokens,
    heads: Number,
    state: tuple[Number, Number, Number],
    chunk: Number,
    pair_width: Number,
    moved: Number,
    kept: Number,
    vector: Number,
) -> list[Product]:
    """The scan of one kind of layer: work on the states, and among the tokens of a chunk.

    state: width and height of a head's state, products with it a token; chunk: tokens worked on together;
    pair_width: multiply-accumulates of a head for each pair of tokens in a chunk; moved: activations; kept: state
    of one sequence; vector: elementwise operations beside the decay. All on this chip [1].
    """
    width, height, repeat = state
    together = jnp.clip(tokens.queries, 1.0, chunk)
    chunks = tokens.total / together
    earlier = (together - 1.0) / 2.0
    on_states = Product(
        layers=layers,
        products=chunks * heads,
        tokens=together,
        inner=width,
        outer=height,
        repeat=repeat,
        stored=2.0 * tokens.sequences * kept,
        held=0.0,
        moved=moved,
        vector=vector + chunks * heads * width * height * jnp.where(repeat > 0, 1.0, 0.0),
        state=1.0,
        dealt=0.0,
        grouped=0.0,
        crowding=1.0,
    )
    among_tokens = Product(
        layers=jnp.where((together > 1.0) & (repeat > 0), layers, 0.0),
        products=chunks * heads,
        tokens=together,
        inner=pair_width,
        outer=earlier,
        repeat=1.0,
        stored=0.0,
        held=0.0,
        moved=0.0,
        vector=tokens.total * heads * earlier * DECAY_OPERATIONS,
        state=1.0,
        dealt=0.0,
        grouped=0.0,
        crowding=1.0,
    )
    return [on_states, among_tokens]


def state_space_products(model: Transformer, mapping: Mapping, tokens: Tokens) -> list[Product]:
    """State-space layers: wide projections and a scan; that of Mamba-1 is elementwise, that of Mamba-2 in chunks.

    In a chunk of Mamba-2 the tokens' keys and queries meet once a group, their values once a head.
    """
    part = model.state_space
    copy = mapping.tensor_parallel * mapping.context_parallel
    heads, inner, groups = space_widths(part, copy)
    first = part.step_rank > 0
    new = tokens.total
    selective = jnp.where(first, 0.0, 2.0 * groups * part.state + heads)
    low_rank = jnp.where(first, (2.0 * part.step_rank + 2.0 * part.state) * inner / model.hidden, 0.0)
    many = jnp.maximum(heads, 1.0)
    elementwise = jnp.where(first, SELECTIVE_SCAN_OPERATIONS * part.state, 0.0) + 4.0 + 2.0 * part.convolution
    scan = in_chunks(
        part.layers,
        tokens,
        many,
        (jnp.maximum(part.state, 1.0), inner / many, jnp.where(first, 0.0, 2.0)),
        jnp.where(first, 1.0, part.chunk),
        groups * part.state / many + inner / many,
        new * 3.0 * inner,
        state_space_kept(part, copy),
        new * inner * elementwise,
    )
    inputs = 2.0 * inner + selective + low_rank
    return [
        dense(part.layers, new, model.hidden, inputs, new * model.hidden * NORM_OPERATIONS),
        *scan,
        dense(part.layers, new, inner, model.hidden),
    ]


def linear_attention_products(model: Transformer, mapping: Mapping, tokens: Tokens) -> list[Product]:
    """Linear-attention layers: projections and a scan over a matrix a head.

    The additive rule writes and reads the state (2 products), the delta rule first reads what the key finds there (3),
    the generalised one removes along another direction than it writes (4). For each pair of tokens in a chunk that is
    1, 3 or 5 products of keys and 1, 2 or 4 of values: scores, corrections of keys and of values. Low-rank
    controls, one after another hidden x rank and rank x value width, are cut over the chips in their second factor.
    """
    part = model.linear_attention
    copy = mapping.tensor_parallel * mapping.context_parallel
    heads, key_heads = ceil_div(part.heads, copy), ceil_div(part.key_heads, copy)
    keys, values = key_heads * part.key_dim, heads * part.value_dim
    new = tokens.total
    pairs_of_values = jnp.where(part.products > 3.0, 4.0, part.products - 1.0)
    scan = in_chunks(
        part.layers,
        tokens,
        heads,
        (part.key_dim, part.value_dim, part.products),
        part.chunk,
        (2.0 * part.products - 3.0) * part.key_dim + pairs_of_values * part.value_dim,
        new * (2.0 * keys + 2.0 * values),
        linear_kept(part, copy),
        new * ((2.0 * keys + values) * 2.0 * part.convolution + values * ACTIVATION_OPERATIONS),
    )
    controls = heads * part.controls + part.low_rank * (1.0 + values / model.hidden)
    inputs = 2.0 * keys + (1.0 + part.gate) * values + controls
    return [
        dense(part.layers, new, model.hidden, inputs, new * model.hidden * NORM_OPERATIONS),
        *scan,
        dense(part.layers, new, values, model.hidden),
    ]
