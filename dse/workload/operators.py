"""What has to be computed? A fixed table of matrix products, with the model's sizes in numeric columns.

Every kind of layer has its rows; a kind that the model lacks has a count of zero and is skipped when the table is
run. So dense, expert, latent, sliding-window, state-space and hybrid models are the same compiled program.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from dse.arrays import Number, ceil_div, pytree
from dse.timing.mapping import Mapping
from dse.workload.transformer import Transformer

__all__ = ["CLASSES", "OPERATORS", "Product", "Tokens", "distinct_experts", "operator_table"]

OPERATORS = {
    "query-key-value projection": "projection",
    "latent down projection": "projection",
    "latent query projection": "projection",
    "latent key-value projection": "projection",
    "attention, full context": "attention",
    "attention, sliding window": "attention",
    "attention, latent": "attention",
    "output projection": "projection",
    "feed-forward up": "feed_forward",
    "feed-forward down": "feed_forward",
    "router": "experts",
    "expert up": "experts",
    "expert down": "experts",
    "shared expert up": "experts",
    "shared expert down": "experts",
    "state-space input projection": "state_space",
    "state-space scan": "state_space",
    "state-space output projection": "state_space",
    "head": "head",
}
"""Rows of the table, in order, and the class under which each is reported."""

CLASSES = tuple(dict.fromkeys(OPERATORS.values()))

NORM_OPERATIONS = 8.0
SOFTMAX_OPERATIONS = 6.0
ACTIVATION_OPERATIONS = 6.0


@pytree
class Product:
    """Matrix products of one kind in one pass on one chip.

    layers: how often; products: independent ones, each (tokens x inner) times (inner x outer); repeat: products of
    the same shape in a row; stored: elements of weights or of state that must be read, over all products;
    held: elements of weights that the chip keeps for them; moved: elements of activations in and out;
    vector: elementwise operations beside [FLOP]; state: 1 when what is stored is state and not weights;
    uneven: 1 when experts share the tokens unevenly; crowding: products of the busiest chip over the
    mean, above 1 where there are fewer of them than chips. All [1].
    """

    layers: Number
    products: Number
    tokens: Number
    inner: Number
    outer: Number
    repeat: Number
    stored: Number
    held: Number
    moved: Number
    vector: Number
    state: Number
    uneven: Number
    crowding: Number

    @property
    def macs(self) -> Number:
        """Multiply-accumulates that the model asks for, per layer [1]."""
        return self.products * self.tokens * self.inner * self.outer * self.repeat


@pytree
class Tokens:
    """What one pass of one copy of the attention layers works on.

    sequences: in the pass [1]; queries: new tokens of each sequence [tokens]; context: mean number of tokens that
    a new token attends to [tokens]; window_context: the same in sliding-window layers [tokens]; read: cached tokens
    read per sequence [tokens]; window_read: the same in sliding-window layers [tokens]; logits: positions at
    which the head is needed [1]; copies: of the attention layers that route to the same experts [1];
    absorbed: 1 when latent attention works in the latent space (decode), 0 when it recomputes keys and values.
    """

    sequences: Number
    queries: Number
    context: Number
    window_context: Number
    read: Number
    window_read: Number
    logits: Number
    copies: Number
    absorbed: Number

    @property
    def total(self) -> Number:
        """New tokens of the pass [tokens]."""
        return self.sequences * self.queries


def distinct_experts(count: Number, active: Number, tokens: Number) -> Number:
    """Expected number of different experts that a batch wakes up, E (1 - (1 - k / E) ** tokens).

    count: experts E; active: per token k; tokens: in the batch. Uniform routing; never more than E.

    >>> round(float(distinct_experts(8.0, 2.0, 4.0)), 3)
    5.469
    """
    share = jnp.minimum(active / jnp.maximum(count, 1.0), 1.0)
    idle = jnp.exp(tokens * jnp.log(jnp.maximum(1.0 - share, 1e-30)))
    return count * (1.0 - idle)


def dense(layers: Number, tokens: Number, inner: Number, outer: Number, vector: Number = 0.0) -> Product:
    """One product with weights."""
    return Product(
        layers=layers,
        products=1.0,
        tokens=tokens,
        inner=inner,
        outer=outer,
        repeat=1.0,
        stored=inner * outer,
        held=inner * outer,
        moved=tokens * (inner + outer),
        vector=vector,
        state=0.0,
        uneven=0.0,
        crowding=1.0,
    )


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
        uneven=0.0,
        crowding=1.0,
    )


def attention_products(model: Transformer, mapping: Mapping, tokens: Tokens) -> list[Product]:
    """Projections and attention; query heads cut over tensor-parallel chips, key-value heads repeated when scarce."""
    part = model.attention
    layers = part.layers + part.window_layers
    heads = ceil_div(jnp.maximum(part.heads, 1.0), mapping.tensor_parallel)
    kv_heads = ceil_div(jnp.maximum(part.kv_heads, 1.0), mapping.tensor_parallel)
    width = (heads + 2.0 * kv_heads) * part.head_dim
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
    absorbed = tokens.absorbed
    kv_heads = jnp.where(absorbed > 0, 1.0, heads)
    width = jnp.where(absorbed > 0, part.kv_rank + part.rope_dim / 2.0, recomputed_width)
    cached = latent / kv_heads
    shared = mapping.context_parallel
    spans = (tokens.context / shared, tokens.read / shared)
    down = part.query_rank + latent
    expand = jnp.where(absorbed > 0, new, tokens.sequences * tokens.read / shared)
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
    """Router, routed experts and shared experts; experts dealt out over chips are not hit evenly."""
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
            uneven=jnp.where(part.count > 1.0, 1.0, 0.0),
            crowding=jnp.where(dealt, jnp.maximum(jnp.minimum(awake, 1.0) / local, 1.0), 1.0),
        )

    up = part.matrices - 1.0
    norm = new * model.hidden * NORM_OPERATIONS
    return [
        dense(part.layers, new, model.hidden, jnp.maximum(part.count, 1.0), norm),
        routed_product(model.hidden, up * width, 0.0),
        routed_product(width, model.hidden, local * each * width * ACTIVATION_OPERATIONS),
        dense(shared_layers, new, model.hidden, up * shared),
        dense(shared_layers, new, shared, model.hidden, new * shared * ACTIVATION_OPERATIONS),
    ]


def state_space_products(model: Transformer, mapping: Mapping, tokens: Tokens) -> list[Product]:
    """State-space layers: wide projections and a scan that reads a state of constant size."""
    part = model.state_space
    copy = mapping.tensor_parallel * mapping.context_parallel
    inner = ceil_div(jnp.maximum(part.inner, 1.0), copy)
    new = tokens.total
    groups = jnp.maximum(part.groups, 1.0)
    selective = jnp.where(part.step_rank > 0, 0.0, 2.0 * groups * part.state + part.heads)
    low_rank = jnp.where(part.step_rank > 0, part.step_rank + 2.0 * part.state, 0.0)
    inputs = 2.0 * inner + (selective + low_rank * inner / model.hidden + part.step_rank * inner / model.hidden)
    scan = Product(
        layers=part.layers,
        products=tokens.sequences,
        tokens=tokens.queries,
        inner=inner,
        outer=jnp.maximum(part.state, 1.0),
        repeat=2.0,
        stored=tokens.sequences * inner * part.state,
        held=0.0,
        moved=tokens.total * 3.0 * inner,
        vector=tokens.total * inner * (4.0 + 2.0 * part.convolution),
        state=1.0,
        uneven=0.0,
        crowding=1.0,
    )
    return [
        dense(part.layers, new, model.hidden, inputs, new * model.hidden * NORM_OPERATIONS),
        scan,
        dense(part.layers, new, inner, model.hidden),
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
    has_latent = model.latent.layers > 0
    output = jax.tree.map(lambda a, b: jnp.where(has_latent, a, b), latent_out, out)
    rows = [
        qkv,
        down,
        query,
        expand,
        full,
        window,
        latent,
        output,
        *feed_forward_products(model, mapping, tokens),
        *expert_products(model, mapping, tokens),
        *state_space_products(model, mapping, tokens),
        head_product(model, mapping, tokens),
    ]
    shape = jnp.broadcast_shapes(*(jnp.shape(leaf) for leaf in jax.tree.leaves(rows)))
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.broadcast_to(leaf, shape) for leaf in leaves]), *rows)
