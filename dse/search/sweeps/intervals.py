"""What range does a function take over a box of arguments? Its program, run with intervals in place of numbers.

The natural extension of interval arithmetic (Moore, Interval Analysis, 1966): every operation is replaced by the range
of its results over the ranges of its arguments. What comes out holds the true range; where an argument occurs more than
once it is wider, and a formula that names a quantity once is tighter than one that adds and takes it away again.
Rounding is not turned outwards: whoever compares allows for that of his precision.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

__all__ = ["range_of"]

T = TypeVar("T")


@dataclass(frozen=True)
class Span:
    """Least and greatest that a value can be; of a truth value whether it must be true, and whether it can be.

    exact: both are one; positive: never below zero.
    """

    low: Any
    high: Any
    exact: bool
    positive: bool


def exactly(value: Any, positive: bool) -> Span:
    """A value that is known."""
    return Span(value, value, True, positive)


def range_of(function: Callable[..., T], low: tuple[Any, ...], high: tuple[Any, ...]) -> tuple[T, T]:
    """Least and greatest of each result, by leaf, over all arguments between two others.

    low, high: positional arguments, none below zero; leaves that are the same object are known and stay so. TypeError
    for an operation of which no range is known.
    """
    leaves, tree = jax.tree.flatten(low)
    others = jax.tree.flatten(high)[0]
    assert tree == jax.tree.structure(high)
    forms = []

    def flat(*arguments: Any) -> list[Any]:
        results, form = jax.tree.flatten(function(*arguments))
        forms.append(form)
        return results

    program = jax.make_jaxpr(flat)(*low)
    given = [Span(one, other, one is other, True) for one, other in zip(leaves, others, strict=True)]
    found = run(program.jaxpr, [exactly(value, False) for value in program.consts], given)
    return forms[0].unflatten([one.low for one in found]), forms[0].unflatten([one.high for one in found])


def run(program: Any, constants: list[Span], arguments: list[Span]) -> list[Span]:
    """The results of a program of JAX over ranges."""
    known = dict(zip([*program.constvars, *program.invars], [*constants, *arguments], strict=True))

    def read(atom: Any) -> Span:
        if isinstance(atom, Literal):
            return exactly(atom.val, bool(np.all(np.asarray(atom.val) >= 0)))
        return known[atom]

    for step in program.eqns:
        results = ranges(step, [read(atom) for atom in step.invars])
        known |= dict(zip(step.outvars, results, strict=True))
    return [read(atom) for atom in program.outvars]


def ranges(step: Any, spans: list[Span]) -> list[Span]:
    """The ranges of the results of one step of a program."""
    name = step.primitive.name
    inner = step.params.get("jaxpr") or step.params.get("call_jaxpr")
    if name in CALLS and step.params.get("name") not in RISING_CALLS:
        return run(inner.jaxpr, [exactly(value, False) for value in inner.consts], spans)

    def plain(*values: Any) -> Any:
        return step.primitive.bind(*values, **step.params)

    positive = name in POSITIVE or (name in KEEP_SIGN and all(span.positive for span in spans))
    if name == "max":
        positive = any(span.positive for span in spans)
    if all(span.exact for span in spans):
        values = plain(*(span.low for span in spans))
        return [exactly(value, positive) for value in (values if step.primitive.multiple_results else [values])]
    if name in CALLS or name in RISING:
        low, high = plain(*(span.low for span in spans)), plain(*(span.high for span in spans))
        low, high = (low[0], high[0]) if step.primitive.multiple_results else (low, high)
        return [Span(low, high, False, positive)]
    if name not in RULES:
        raise TypeError(f"no range is known of the operation {name!r}: add a rule to {__name__}")
    low, high = RULES[name](*spans, **({"power": step.params["y"]} if name == "integer_pow" else {}))
    return [Span(low, high, False, positive)]


def extremes(values: list[Any]) -> tuple[Any, Any]:
    """Least and greatest of several values."""
    return reduce(jnp.minimum, values), reduce(jnp.maximum, values)


def corners(function: Callable[[Any, Any], Any], one: Span, other: Span) -> tuple[Any, Any]:
    """The range of a function that is monotone in each argument, whatever the direction."""
    ends = [[span.low] if span.exact else [span.low, span.high] for span in (one, other)]
    return extremes([function(first, second) for first in ends[0] for second in ends[1]])


def product(one: Span, other: Span) -> tuple[Any, Any]:
    """Range of one x other."""
    if one.positive and other.positive:
        return one.low * other.low, one.high * other.high
    return corners(operator.mul, one, other)


def quotient(one: Span, other: Span) -> tuple[Any, Any]:
    """Range of one / other; without bounds where the divisor may be zero."""
    if one.positive and other.positive:
        return one.low / other.high, one.high / other.low
    low, high = corners(operator.truediv, one, other)
    through = (other.low <= 0.0) & (other.high >= 0.0)
    return jnp.where(through, -jnp.inf, low), jnp.where(through, jnp.inf, high)


def powered(one: Span, other: Span) -> tuple[Any, Any]:
    """Range of one ** other, monotone in each; what is below zero has no such power and is left out."""
    base = Span(jnp.maximum(one.low, 0.0), jnp.maximum(one.high, 0.0), one.exact, True)
    return corners(operator.pow, base, other)


def whole_power(one: Span, power: int) -> tuple[Any, Any]:
    """Range of a whole power."""
    if one.positive or power % 2:
        ends = [one.low**power, one.high**power]
        return (ends[0], ends[1]) if power > 0 else extremes(ends)
    assert power > 0, "a number that may be zero has no negative power"
    low, high = extremes([one.low**power, one.high**power])
    return jnp.where((one.low <= 0.0) & (one.high >= 0.0), 0.0, low), high


def chosen(which: Span, *cases: Span) -> tuple[Any, Any]:
    """Range of the case that a truth value selects, or of both where it may be either."""
    no, yes = cases
    either_low, either_high = jnp.minimum(no.low, yes.low), jnp.maximum(no.high, yes.high)
    low = jnp.where(which.low, yes.low, jnp.where(which.high, either_low, no.low))
    return low, jnp.where(which.low, yes.high, jnp.where(which.high, either_high, no.high))


def same(one: Span, other: Span) -> tuple[Any, Any]:
    """Whether both must be, and can be, equal."""
    known = (one.low == one.high) & (other.low == other.high) & (one.low == other.low)
    return known, (one.low <= other.high) & (other.low <= one.high)


def different(one: Span, other: Span) -> tuple[Any, Any]:
    """Whether both must be, and can be, different."""
    must, can = same(one, other)
    return ~can, ~must


def share(*_: Span) -> tuple[Any, Any]:
    """Range of a probability of which no more is known."""
    return jnp.zeros_like(_[-1].low), jnp.ones_like(_[-1].low)


CALLS = frozenset({"jit", "pjit", "closed_call", "custom_jvp_call"})
RISING_CALLS = frozenset({"searchsorted"})
"""Functions that rise with what varies: the place in a sorted table."""
SHAPES = frozenset({"convert_element_type", "broadcast_in_dim", "reshape", "squeeze", "stop_gradient", "copy"})
RISING = SHAPES | {"add", "max", "min", "sqrt", "exp", "expm1", "log", "log1p", "floor", "ceil", "round", "and", "or"}
POSITIVE = frozenset({"exp", "sqrt", "pow", "regularized_incomplete_beta"})
KEEP_SIGN = SHAPES | {"add", "mul", "div", "min", "integer_pow", "select_n", "floor", "round"}
RULES: dict[str, Callable[..., tuple[Any, Any]]] = {
    "sub": lambda one, other: (one.low - other.high, one.high - other.low),
    "neg": lambda one: (-one.high, -one.low),
    "mul": product,
    "div": quotient,
    "pow": powered,
    "integer_pow": whole_power,
    "select_n": chosen,
    "gt": lambda one, other: (one.low > other.high, one.high > other.low),
    "ge": lambda one, other: (one.low >= other.high, one.high >= other.low),
    "lt": lambda one, other: (one.high < other.low, one.low < other.high),
    "le": lambda one, other: (one.high <= other.low, one.low <= other.high),
    "eq": same,
    "ne": different,
    "not": lambda one: (~one.high, ~one.low),
    "regularized_incomplete_beta": share,
}
