"""What has to be computed? A fixed table of matrix products, with the model's sizes in numeric columns.

Every kind of layer has its rows; a kind that the model lacks has a count of zero and is skipped when the table is
run. So dense, expert, latent, sliding-window, state-space, linear-attention and hybrid models are the same compiled
program.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from dse.arrays import Number, ceil_div
from dse.timing.mapping import Mapping
from dse.workload.product import ACTIVATION_OPERATIONS, NORM_OPERATIONS, SOFTMAX_OPERATIONS, Product, Tokens, dense
from dse.workload.recurrent import linear_attention_products, state_space_products
from dse.workload.transformer import Transformer

__all__ = ["CLASSES", "EXPERT_ROWS", "OPERATORS", "Product", "Tokens", "distinct_experts", "operator_table"]

OPERATORS = {
    "query-key-value projection": "projection",
    "latent down projection": "projection",
    "latent query projection": "projection",
    "latent key-value projection": "projection",
    "attention, full context": "attention",
    "attention, sliding window": "attention",
    "attention, latent": "attention",
    "output projection": "projection",
    "latent output projection": "projection",
    "feed-forward up": "feed_forward",
    "feed-forward down": "feed_forward",
    "router": "experts",
    "expert latent down": "experts",
    "expert up": "experts",
    "expert down": "experts",
    "expert latent up": "experts",
    "shared expert up": "experts",
    "shared expert down": "experts",
    "state-space input projection": "state_space",
    "state-space scan": "state_space",
    "state-space scan, within chunks": "state_space",
    "state-space output projection": "state_space",
    "linear-attention input projection": "linear_attention",
    "linear-attention scan": "linear_attention",
    "linear-attention scan, within chunks": "linear_attention",
    "linear-attention output projection": "linear_attention",
    "head": "head",
}
"""Rows of the table, in order, and the class under which each is reported."""

CLASSES = tuple(dict.fromkeys(OPERATORS.values()))

EXPERT_ROWS = tuple(row for row, name in enumerate(OPERATORS) if name in ("expert up", "expert down"))
"""Rows of routed experts, whose weights may have a format of their own."""

GROUPED_ROWS = 128.0
"""Tokens of an expert from which a grouped product loses less to its padding, a block of rows of GPU libraries [1]."""


def distinct_experts(count: Number, active: Number, tokens: Number) -> Number:
    """Expected number of different experts that a batch wakes up, E (1 - (1 - k / E) ** tokens).

    count: experts E; active: per token k; tokens: in the batch. Uniform routing; never more than E.

    >>> round(float(distinct_experts(8.0, 2.0, 4.0)), 3)
    5.469
    """
    share = jnp.minimum(active / jnp.maximum(count, 1.0), 1.0)
    idle = jnp.exp(tokens * jnp.log(jnp.maximum(1.0 - share, 1e-30)))
    return count * (1.0 - idle)


def attend(
    layers: Number,
    tokens: Tokens,
    heads: Number,
    kv_heads: Number,
    dims: tuple[Number, Number],
    spans: tuple[Number, Number],
) -> Product:
    """Scores and weighted values of one attention layer, fused (arXiv 2205.14135), twice the same shape.

    heads, kv_heads: on this chip; dims: (mean of query-key and value width, elements cached per token and
    key-value head); spans: (tokens attended to, tokens read).
    """
    (width, cached), (context, read) = dims, spans
    rows = tokens.queries * heads / kv_heads
    pairs = tokens.total * heads * context
    return Product(
        layers=layers,
        products=tokens.sequences * kv_heads,
        tokens=rows,
        inner=width,
        outer=context,
        repeat=2.0,
        stored=tokens.sequences * kv_heads * read * cached,
        held=0.0,
        moved=2.0 * tokens.total * heads * width,
        vector=pairs * SOFTMAX_OPERATIONS,
        state=1.0,
        dealt=0.0,
        grouped=0.0,
        crowding=1.0,
    )


def attention_products(model: Transformer, mapping: Mapping, tokens: Tokens) -> list[Product]:
    """Projections and attention; query heads cut over tensor-parallel chips, key-value heads repeated when scarce."""
    part = model.attention
    layers = part.layers + part.window_layers
    heads = ceil_div(jnp.maximum(part.heads, 1.0), mapping.tensor_parallel)
    kv_heads = ceil_div(jnp.maximum(part.kv_heads, 1.0), mapping.tensor_parallel)
    width = ((1.0 + part.gate) * heads + 2.0 * kv_heads) * part.head_dim
    new = tokens.total
    dims = (part.head_dim, 2.0 * part.head_dim)
    shared = mapping.context_parallel
    full = (tokens.context / shared, tokens.read / shared)
    window = (tokens.window_context / shared, tokens.window_read / shared)
    return [
        dense(layers, new, model.hidden, width, new * model.hidden * NORM_OPERATIONS),
        attend(part.layers, tokens, heads, kv_heads, dims, full),
        attend(part.window_layers, tokens, heads, kv_heads, dims, window),
        dense(layers, new, heads * part.head_dim, model.hidden),
    ]


def absorbs(model: Transformer, tokens: Tokens) -> Number:
    """1 where latent attention takes fewer multiply-accumulates in the latent space, else 0.

    For each head, every new token meets its context in width 2 kv_rank + rope_dim when the expansion is absorbed into
    it, and in nope_dim + rope_dim + value_dim when keys and values are made anew for all cached tokens (DeepSeek-V2,
    arXiv 2405.04434, section 2.1). Decode absorbs, a long prompt recomputes, short chunks on a long context absorb.
    """
    part = model.latent
    expansion = part.kv_rank * (part.nope_dim + part.value_dim)
    in_latent = tokens.queries * (expansion + tokens.context * (2.0 * part.kv_rank + part.rope_dim))
    anew = tokens.read * expansion + tokens.queries * tokens.context * (part.nope_dim + part.rope_dim + part.value_dim)
    return jnp.where(in_latent <= anew, 1.0, 0.0)


def latent_products(model: Transformer, mapping: Mapping, tokens: Tokens) -> list[Product]:
    """Latent attention: absorbed, every head reads the one latent; recomputed, keys and values are made anew."""
    part = model.latent
    heads = ceil_div(jnp.maximum(part.heads, 1.0), mapping.tensor_parallel)
    latent = part.kv_rank + part.rope_dim
    query_in = jnp.where(part.query_rank > 0, part.query_rank, model.hidden)
    query_out = heads * (part.nope_dim + part.rope_dim)
    expanded = heads * (part.nope_dim + part.value_dim)
    recomputed_width = (part.nope_dim + part.rope_dim + part.value_dim) / 2.0
    new = tokens.total
    absorbed = absorbs(model, tokens) > 0
    kv_heads = jnp.where(absorbed, 1.0, heads)
    width = jnp.where(absorbed, part.kv_rank + part.rope_dim / 2.0, recomputed_width)
    cached = latent / kv_heads
    shared = mapping.context_parallel
    spans = (tokens.context / shared, tokens.read / shared)
    down = part.query_rank + latent
    expand = jnp.where(absorbed, new, tokens.sequences * tokens.read / shared)
    return [
        dense(part.layers, new, model.hidden, down, new * model.hidden * NORM_OPERATIONS),
        dense(part.layers, new, query_in, query_out),
        dense(part.layers, expand, part.kv_rank, expanded),
        attend(part.layers, tokens, heads, kv_heads, (width, cached), spans),
        dense(part.layers, new, heads * part.value_dim, model.hidden),
    ]


def feed_forward_products(model: Transformer, mapping: Mapping, tokens: Tokens) -> list[Product]:
    """Dense feed-forward layers, cut over the chips of a copy."""
    part = model.feed_forward
    width = ceil_div(jnp.maximum(part.width, 1.0), mapping.tensor_parallel * mapping.context_parallel)
    new = tokens.total
    norm = new * model.hidden * NORM_OPERATIONS
    return [
        dense(part.layers, new, model.hidden, (part.matrices - 1.0) * width, norm),
        dense(part.layers, new, width, model.hidden, new * width * ACTIVATION_OPERATIONS),
    ]


def expert_products(model: Transformer, mapping: Mapping, tokens: Tokens) -> list[Product]:
    """Router, routed experts and shared experts; experts dealt out over chips are not hit evenly.

    Latent experts work in a width of their own, with a projection down and up that every chip has whole.
    """
    part = model.experts
    copy = mapping.tensor_parallel * mapping.context_parallel
    dealt = mapping.expert_parallel > 1.0
    copies = jnp.where(dealt, tokens.copies, 1.0)
    routed = tokens.total * copies
    awake = jnp.maximum(distinct_experts(part.count, part.active, routed), 1e-9)
    each = routed * part.active / awake
    cut = ceil_div(copy * copies, mapping.expert_parallel)
    width = ceil_div(jnp.maximum(part.width, 1.0), cut)
    local = awake / mapping.expert_parallel
    new = tokens.total
    shared = ceil_div(jnp.maximum(part.shared_width, 1.0), copy)
    shared_layers = jnp.where(part.shared_width > 0, part.layers, 0.0)
    latent = jnp.maximum(part.latent, 1.0)
    latent_layers = jnp.where(part.latent > 0, part.layers, 0.0)
    outside = jnp.where(part.latent > 0, part.latent, model.hidden)

    several = jnp.where(part.count > 1.0, 1.0, 0.0)
    grouped = several * jnp.minimum(GROUPED_ROWS / each, 1.0)

    def routed_product(inner: Number, outer: Number, vector: Number) -> Product:
        return Product(
            layers=part.layers,
            products=local,
            tokens=each,
            inner=inner,
            outer=outer,
            repeat=1.0,
            stored=local * inner * outer,
            held=part.count / mapping.expert_parallel * inner * outer,
            moved=local * each * (inner + outer),
            vector=vector,
            state=0.0,
            dealt=jnp.where(dealt, several, 0.0),
            grouped=grouped,
            crowding=jnp.where(dealt, jnp.maximum(jnp.minimum(awake, 1.0) / local, 1.0), 1.0),
        )

    up = part.matrices - 1.0
    norm = new * model.hidden * NORM_OPERATIONS
    return [
        dense(part.layers, new, model.hidden, jnp.maximum(part.count, 1.0), norm),
        dense(latent_layers, new, model.hidden, latent),
        routed_product(outside, up * width, 0.0),
        routed_product(width, outside, local * each * width * ACTIVATION_OPERATIONS),
        dense(latent_layers, new, latent, model.hidden),
        dense(shared_layers, new, model.hidden, up * shared),
        dense(shared_layers, new, shared, model.hidden, new * shared * ACTIVATION_OPERATIONS),
    ]


def head_product(model: Transformer, mapping: Mapping, tokens: Tokens) -> Product:
    """Logits, only where they are needed."""
    columns = ceil_div(model.vocabulary, mapping.tensor_parallel * mapping.context_parallel)
    return dense(1.0, tokens.logits, model.hidden, columns)


def operator_table(model: Transformer, mapping: Mapping, tokens: Tokens) -> Product:
    """The whole table, rows in the order of OPERATORS stacked along a new first axis.

    model, mapping, tokens: broadcastable, without the axis of designs.
    Per chip and pass. Norms, softmax, rotary and activations are vector work of the product that they precede.
    """
    qkv, full, window, out = attention_products(model, mapping, tokens)
    down, query, expand, latent, latent_out = latent_products(model, mapping, tokens)
    rows = [
        qkv,
        down,
        query,
        expand,
        full,
        window,
        latent,
        out,
        latent_out,
        *feed_forward_products(model, mapping, tokens),
        *expert_products(model, mapping, tokens),
        *state_space_products(model, mapping, tokens),
        *linear_attention_products(model, mapping, tokens),
        head_product(model, mapping, tokens),
    ]
    shape = jnp.broadcast_shapes(*(jnp.shape(leaf) for leaf in jax.tree.leaves(rows)))
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.broadcast_to(leaf, shape) for leaf in leaves]), *rows)
