"""What does one value become? Floats, whole numbers and listed levels, rounded to nearest, ties to even."""

from __future__ import annotations

import itertools

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float as Floats

from dse.numerics.logarithmic import quantise_logarithmic
from dse.numerics.parameters import (
    WIDE_EXPONENT,
    Binary,
    Element,
    Float,
    Integer,
    Levels,
    Logarithmic,
    Posit,
    Ternary,
)
from dse.numerics.posit import quantise_posit
from dse.numerics.powers import exponent_of, power_of_two

__all__ = ["quantise_element", "quantise_float"]


def quantise_element(values: Floats[Array, "..."], element: Element) -> Floats[Array, "..."]:
    """The nearest values of an element format [1]. Of NaN anything may become: XLA's max and min need not keep it."""
    match element:
        case Float():
            return quantise_float(values, element)
        case Integer():
            return jnp.clip(jnp.round(values), -element.largest, element.largest)
        case Logarithmic():
            return quantise_logarithmic(values, element)
        case Posit():
            return quantise_posit(values, element)
        case Ternary():
            return jnp.clip(jnp.round(values), -1.0, 1.0)
        case Binary():
            return jnp.where(values < 0.0, -1.0, 1.0).astype(values.dtype)
        case Levels():
            return quantise_levels(values, element)
        case _:
            raise TypeError(f"no quantiser for {element!r}")


def quantise_float(values: Floats[Array, "..."], element: Float) -> Floats[Array, "..."]:
    """The nearest floats of the format [1]: multiples of the distance between neighbours, which is a power of two.

    What would round beyond the largest value overflows, as `element.overflow` says.
    """
    if element.exponent == WIDE_EXPONENT:
        rounded = lax.reduce_precision(values, WIDE_EXPONENT, element.mantissa)
        return overflowed(rounded, element) if element.overflow == "saturate" else rounded
    near = jnp.clip(values, -2.0 * element.largest, 2.0 * element.largest)
    spacing = jnp.maximum(exponent_of(near), element.lowest_exponent) - element.mantissa
    return overflowed(jnp.round(near * power_of_two(-spacing)) * power_of_two(spacing), element)


def overflowed(rounded: Floats[Array, "..."], element: Float) -> Floats[Array, "..."]:
    """Rounded values with what is beyond the largest one replaced [1]."""
    if element.overflow == "saturate":
        return jnp.clip(rounded, -element.largest, element.largest)
    beyond = jnp.inf if element.overflow == "infinity" else jnp.nan
    return jnp.where(jnp.abs(rounded) > element.largest, jnp.copysign(jnp.float32(beyond), rounded), rounded)


def quantise_levels(values: Floats[Array, "..."], element: Levels) -> Floats[Array, "..."]:
    """The nearest of the listed levels [1]."""
    found = jnp.full_like(values, element.values[0])
    for below, above in itertools.pairwise(element.values):
        found = jnp.where(values > (below + above) / 2.0, jnp.asarray(above, values.dtype), found)
    return found
