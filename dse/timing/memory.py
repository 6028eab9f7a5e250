"""What lies where, and how many bytes move? Footprint, residency and traffic at each level."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from dse.arrays import Number, ceil_div, pytree
from dse.hardware.chip import Chip
from dse.timing.mapping import Mapping
from dse.workload.operators import EXPERT_ROWS, Product
from dse.workload.recurrent import linear_kept, state_space_kept
from dse.workload.transformer import Transformer

__all__ = ["Elements", "Footprint", "Residency", "elements_held", "footprint", "residency", "reuse_limits"]


@pytree
class Elements:
    """What one chip has to hold [elements].

    Weights, experts: those of routed experts among them, state of the sequences in flight, working activations.
    """

    weights: Number
    experts: Number
    state: Number
    activations: Number


@pytree
class Footprint:
    """The same in bytes [bytes]."""

    weights: Number
    state: Number
    activations: Number

    @property
    def total(self) -> Number:
        """Sum of the parts [bytes]."""
        return self.weights + self.state + self.activations


@pytree
class Residency:
    """Where weights and state come from, as shares of each [1]; need: bytes asked for; room: bytes there are.

    weights_in_memory, state_in_memory: through the main memory, what comes from far memory included; weights_far:
    from far memory; spill: of the activations, to main memory.
    """

    weights_in_memory: Number
    weights_far: Number
    state_in_memory: Number
    spill: Number
    need: Number
    room: Number


def stage_share(layers: Number, mapping: Mapping) -> Number:
    """Share of the layers on the fullest pipeline stage [1]."""
    return ceil_div(layers, mapping.pipeline_parallel) / layers


def state_elements(model: Transformer, mapping: Mapping, context: Number, window_context: Number) -> Number:
    """Elements of state that one sequence keeps on one chip, over all layers [elements].

    context, window_context: cached tokens of a sequence in full and in sliding-window layers [tokens].
    Llama-2-70B caches 80 layers x 2 x 8 x 128 elements a token: 327,680 bytes at 16 bit.
    """
    attention, latent = model.attention, model.latent
    space, linear = model.state_space, model.linear_attention
    kv_heads = ceil_div(jnp.maximum(attention.kv_heads, 1.0), mapping.tensor_parallel)
    per_token = 2.0 * kv_heads * attention.head_dim
    cached = attention.layers * context + attention.window_layers * window_context
    latent_cached = latent.layers * context * (latent.kv_rank + latent.rope_dim)
    copy = mapping.tensor_parallel * mapping.context_parallel
    constant = space.layers * state_space_kept(space, copy) + linear.layers * linear_kept(linear, copy)
    return (per_token * cached + latent_cached) / mapping.context_parallel + constant


def elements_held(
    model: Transformer,
    mapping: Mapping,
    table: Product,
    contexts: tuple[Number, Number],
    pass_tokens: Number,
) -> Elements:
    """Elements on the fullest chip of a deployment.

    table: operator table, rows first; contexts: mean cached tokens in full and in sliding-window layers;
    pass_tokens: most new tokens in a pass [tokens]. The embedding lies on the first stage, the head on the last.
    """
    share = stage_share(model.layers, mapping)
    copy = mapping.tensor_parallel * mapping.context_parallel
    per_layer = jax.tree.map(lambda leaf: leaf[:-1], table)
    embedding = model.vocabulary * model.hidden / copy
    both_ends = jnp.where(mapping.pipeline_parallel > 1.0, 1.0, 2.0 - model.tied)
    sequences = mapping.batch / mapping.data_parallel
    state = state_elements(model, mapping, *contexts) * share * sequences
    widest = jnp.max(per_layer.moved / jnp.maximum(per_layer.tokens * per_layer.products, 1.0), axis=0)
    held = per_layer.held * per_layer.layers
    return Elements(
        weights=held.sum(0) * share + embedding * both_ends + model.other_parameters * share,
        experts=sum(held[row] for row in EXPERT_ROWS) * share,
        state=state,
        activations=pass_tokens * (2.0 * model.hidden + widest),
    )


def footprint(chip: Chip, held: Elements) -> Footprint:
    """Bytes of what is held, in the formats of the chip."""
    numerics = chip.numerics
    return Footprint(
        weights=held.weights * numerics.weight + held.experts * (numerics.expert_weight - numerics.weight),
        state=held.state * numerics.state,
        activations=held.activations * numerics.activation,
    )


def residency(chip: Chip, stored: Footprint) -> Residency:
    """Lay weights and state into SRAM, main memory and far memory.

    Software keeps what fits in the resident part of the SRAM, weights or state first as the chip says; the rest
    lies in main memory, and weights that do not fit there either come from far memory at every pass: also those beyond
    its capacity, so that narrower weights are never slower where nothing fits (`need` above `room` tells that).
    Activations work in the SRAM that is left and spill to main memory beyond it.
    """
    sram = chip.sram
    resident = sram.capacity * sram.resident_share
    for_weights = jnp.maximum(sram.weight_priority * resident, resident - stored.state)
    weights_near = jnp.minimum(stored.weights, for_weights)
    state_near = jnp.minimum(stored.state, resident - weights_near)
    working = sram.capacity - weights_near - state_near
    spill = jnp.maximum(1.0 - working / stored.activations, 0.0)
    room = chip.memory.capacity * chip.execution.usable_memory
    behind = stored.weights + stored.state - weights_near - state_near + spill * stored.activations
    overflow = jnp.minimum(jnp.maximum(behind - room, 0.0), stored.weights - weights_near)
    far = jnp.minimum(overflow, chip.far_memory.capacity)
    from_far = jnp.where(chip.far_memory.capacity > 0.0, overflow, 0.0)
    # Exactly nothing where there is no main memory: what rounding leaves over must not queue for it.
    present = jnp.where(chip.memory.capacity > 0.0, 1.0, 0.0)
    return Residency(
        weights_in_memory=present * (stored.weights - weights_near) / stored.weights,
        weights_far=from_far / stored.weights,
        state_in_memory=present * (stored.state - state_near) / jnp.maximum(stored.state, 1.0),
        spill=spill,
        need=stored.total,
        room=stored.total - (behind - far - room),
    )


def reuse_limits(chip: Chip) -> tuple[Number, Number]:
    """Fewest bytes per multiply-accumulate that a tiled product moves into local buffers and into SRAM [bytes].

    A product tiled for a buffer of S elements moves at least 2 m k n / sqrt(S) elements (Irony, Toledo, Tiskin, J.
    Parallel Distrib. Comput. 64 (2004), Hong and Kung 1981). Local: the larger of a unit's buffers and the weights
    standing in its array. SRAM: all of it.
    """
    width = chip.numerics.activation
    unit = chip.matrix
    local = jnp.maximum(chip.sram.local / (unit.units * width), unit.rows * unit.columns)
    shared = jnp.maximum(chip.sram.capacity / width, local)
    return 2.0 * width / jnp.sqrt(local), 2.0 * width / jnp.sqrt(shared)
