"""What is one row of the operator table? Matrix products of one kind, and the tokens that a pass works on."""

from __future__ import annotations

from dse.arrays import Number, pytree

__all__ = ["ACTIVATION_OPERATIONS", "NORM_OPERATIONS", "SOFTMAX_OPERATIONS", "Product", "Tokens", "dense"]

NORM_OPERATIONS = 8.0
"""Of each element of the residual stream before a product [FLOP]."""

SOFTMAX_OPERATIONS = 20.0
"""Of each score: an exponential, of which vector units do one where they do 16 FLOP (H100: 3.9 T/s against 67 TFLOP/s,
FlashAttention-3, arXiv 2407.08608, section 1), maximum, difference, sum and scale [FLOP]."""

ACTIVATION_OPERATIONS = 6.0
"""Of each element between the products of a feed-forward layer [FLOP]."""


@pytree
class Product:
    """Matrix products of one kind in one pass on one chip.

    layers: how often; products: independent ones, each (tokens x inner) times (inner x outer); repeat: products of
    the same shape in a row; stored: elements of weights or of state that must be read, over all products, twice
    those that are written back;
    held: elements of weights that the chip keeps for them; moved: elements of activations in and out;
    vector: elementwise operations beside [FLOP]; state: 1 when what is stored is state and not weights;
    dealt: 1 where products are dealt out to chips and may be uneven, else 0; grouped: how much is lost because products
    of few tokens each run as a group, 1 for the fewest, 0 for a single product; crowding: products of
    the busiest chip over the mean, above 1 where there are fewer of them than chips. All [1].
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
    dealt: Number
    grouped: Number
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
    which the head is needed [1]; copies: of the attention layers that route to the same experts [1].
    """

    sequences: Number
    queries: Number
    context: Number
    window_context: Number
    read: Number
    window_read: Number
    logits: Number
    copies: Number

    @property
    def total(self) -> Number:
        """New tokens of the pass [tokens]."""
        return self.sequences * self.queries


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
        dealt=0.0,
        grouped=0.0,
        crowding=1.0,
    )
