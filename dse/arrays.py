"""How do numbers travel? As frozen dataclasses whose leaves broadcast against each other."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from typing_extensions import dataclass_transform

from dse.runtime import configure

__all__ = ["Number", "ceil_div", "leaf_names", "pytree"]

if TYPE_CHECKING:
    Number = Any  # a scalar or an array; its type and shape are checked while the tests run
else:
    Number = Float[Array, "..."] | Float[np.ndarray, "..."] | float | int
T = TypeVar("T")

configure()


@dataclass_transform(frozen_default=True, kw_only_default=True)
def pytree(cls: type[T]) -> type[T]:
    """Make a class a frozen, keyword-only dataclass that JAX maps over leaf by leaf."""
    return jax.tree_util.register_dataclass(dataclass(frozen=True, kw_only=True)(cls))


def leaf_names(cls: type) -> tuple[str, ...]:
    """The fields of a pytree class, in order."""
    return tuple(field.name for field in fields(cls))


@jax.custom_jvp
def ceil_div(numerator: Number, denominator: Number) -> Number:
    """Smallest whole number not below numerator / denominator, for whole numbers held as floats.

    XLA turns a broadcast division into a multiplication by the reciprocal, and the usual ceil(x / y) then
    comes out one too high for several per cent of exact multiples. Half a unit of guard under the floor keeps
    the quotient away from every whole number by 1 / (2 y), more than the rounding error.
    Its slope is that of the quotient, around which the steps lie: theirs is zero almost everywhere and would tell a
    gradient that more matrix units save no waves.

    numerator, denominator: whole, positive [1]. Valid while numerator + denominator < 2**20 in float32 and
    2**49 in float64; beyond, off by at most one part in 2**20.

    >>> [int(ceil_div(n, 8.0)) for n in (1.0, 8.0, 9.0, 4096.0)]
    [1, 1, 2, 512]
    """
    return jnp.floor((numerator + denominator - 0.5) / denominator)


@ceil_div.defjvp
def slope_of_quotient(primals: tuple[Number, Number], tangents: tuple[Number, Number]) -> tuple[Number, Number]:
    """The rounded quotient, and the change of the plain one."""
    (numerator, denominator), (rise, spread) = primals, tangents
    return ceil_div(numerator, denominator), (rise - numerator / denominator * spread) / denominator
