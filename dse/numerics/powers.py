"""Powers of two from the bits of a float32: exact, without a table, and as fast as memory."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Int

__all__ = ["exponent_of", "largest_magnitude", "power_of_two", "times_power_of_two"]

MANTISSA, BIAS, EXPONENT, MAGNITUDE = 23, 127, 0xFF, 0x7FFFFFFF
"""Bits of the mantissa of float32, its bias, the mask of its exponent and of all but its sign."""


def exponent_of(values: Float[Array, "..."]) -> Int[Array, "..."]:
    """floor(log2 |x|) [1]; -127 for zero and subnormals, which XLA takes for zero, 128 for infinity and NaN."""
    return ((lax.bitcast_convert_type(values, jnp.int32) >> MANTISSA) & EXPONENT) - BIAS


def power_of_two(exponent: Int[Array, "..."]) -> Float[Array, "..."]:
    """2^exponent for -126 <= exponent <= 127 [1]."""
    return lax.bitcast_convert_type((exponent + BIAS) << MANTISSA, jnp.float32)


def times_power_of_two(values: Float[Array, "..."], exponent: Int[Array, "..."]) -> Float[Array, "..."]:
    """Values times 2^exponent for -252 <= exponent <= 254, in two steps since the factor may be no float32 [1]."""
    half = exponent >> 1
    return values * power_of_two(half) * power_of_two(exponent - half)


def largest_magnitude(values: Float[Array, "..."], axes: tuple[int, ...]) -> Float[Array, "..."]:
    """The largest magnitude over some axes, which stay with length 1; NaN where there is one [1].

    By the bits, of which NaN has the largest: a maximum of floats may lose it.
    """
    bits = lax.bitcast_convert_type(values, jnp.int32) & MAGNITUDE
    return lax.bitcast_convert_type(jnp.max(bits, axis=axes, keepdims=True), jnp.float32)
