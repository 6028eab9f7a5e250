"""What does a value become as a posit? Its bit string is cut and rounded, after the Posit Standard (2022)."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from dse.numerics.parameters import Posit
from dse.numerics.powers import BIAS, MANTISSA

__all__ = ["quantise_posit"]

EVEN_BIAS = 128
"""Bias of the exponent under which the low bits of exponent and regime are those of the posit [1]."""


def quantise_posit(values: Float[Array, "..."], element: Posit) -> Float[Array, "..."]:
    """The posit whose bit string is nearest, ties to even [1].

    Exponent and fraction of a float32 are the tail of the bit string of a posit, so that rounding it is an integer
    addition at a place that the length of the regime sets. Nothing but zero becomes zero, nothing becomes infinite;
    infinity and NaN are not a real (NaN).
    """
    bits = lax.bitcast_convert_type(jnp.abs(values), jnp.int32) + ((EVEN_BIAS - BIAS) << MANTISSA)
    exponent = (bits >> MANTISSA) - EVEN_BIAS
    regime = exponent >> element.exponent
    kept = jnp.maximum(element.bits - 1 - jnp.where(regime < 0, 1 - regime, regime + 2), 0)
    cut = MANTISSA + element.exponent - kept
    last = jnp.where(kept == 0, (regime < 0).astype(jnp.int32), (bits >> cut) & 1)
    rounded = ((bits + (1 << (cut - 1)) - 1 + last) >> cut) << cut
    magnitude = lax.bitcast_convert_type(rounded - ((EVEN_BIAS - BIAS) << MANTISSA), jnp.float32)
    limited = jnp.where(
        exponent >= element.top,
        jnp.float32(element.largest),
        jnp.where(exponent < -element.top, jnp.float32(1.0 / element.largest), magnitude),
    )
    signed = jnp.copysign(jnp.where(values == 0.0, jnp.float32(0.0), limited), values)
    return jnp.where(jnp.isfinite(values), signed, jnp.float32(jnp.nan))
