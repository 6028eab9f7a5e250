"""What do values become in a format, and how much noise does that add?"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from dse.numerics.block import quantise_scaled
from dse.numerics.element import quantise_element
from dse.numerics.parameters import ROW, TENSOR, Quantiser
from dse.runtime import configure

configure()  # logarithms are rounded in float64

__all__ = ["quantise", "signal_to_noise"]

DECIBEL = 10.0
"""Decibels of a factor of ten in energy [dB]."""


@partial(jax.jit, static_argnames="quantiser")
def quantise(values: Float[Array, "..."], quantiser: Quantiser) -> Float[Array, "..."]:
    """Values after a trip through a format, in float32; blocks run along the last axis [1].

    ValueError when blocks do not divide that axis. Magnitudes below 2^-126 count as zero, as XLA has it, except in the
    formats with the exponent of float32.
    """
    given = values.astype(jnp.float32)
    scaling = quantiser.scaling
    if scaling is None:
        return jnp.where(jnp.isnan(given), given, quantise_element(given, quantiser.element))
    length = given.shape[-1] if given.ndim else 1
    if scaling.block not in (TENSOR, ROW) and length % scaling.block:
        raise ValueError(
            f"the block size must divide the last axis, got {scaling.block} and {length}; "
            "pad the axis, or choose a block that divides it"
        )
    return quantise_scaled(given, quantiser)


@jax.jit
def signal_to_noise(exact: Float[Array, "..."], quantised: Float[Array, "..."]) -> Float[Array, ""]:
    """QSNR: energy of the values over that of their errors, as a level [dB]; infinite without an error."""
    signal = jnp.asarray(exact, jnp.float64)
    noise = signal - jnp.asarray(quantised, jnp.float64)
    return DECIBEL * jnp.log10(jnp.sum(jnp.square(signal)) / jnp.sum(jnp.square(noise)))
