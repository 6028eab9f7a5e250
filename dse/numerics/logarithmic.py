"""What does a value become whose logarithm is stored? The logarithm is rounded, not the value."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from dse.numerics.parameters import Logarithmic

__all__ = ["quantise_logarithmic"]


def quantise_logarithmic(values: Float[Array, "..."], element: Logarithmic) -> Float[Array, "..."]:
    """The value whose logarithm is nearest [1]; above the range the largest, half a step below it zero.

    The logarithm is taken in float64: no float32 but the powers themselves lies so near to the border of two codes that
    its rounding could matter.
    """
    lowest, highest = element.codes
    code = jnp.round(jnp.log2(jnp.abs(values).astype(jnp.float64)) * (1.0 / element.step))
    magnitude = jnp.exp2(jnp.clip(code, lowest, highest) * element.step).astype(values.dtype)
    return jnp.copysign(jnp.where(code < lowest, jnp.zeros_like(magnitude), magnitude), values)
