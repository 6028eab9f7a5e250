"""What does a multiply-accumulate cost in a format? From the widths of its operands, gate by gate, over one in bf16."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

from dse.numerics.parameters import (
    ROW,
    TENSOR,
    Binary,
    Element,
    Float,
    Integer,
    Levels,
    Logarithmic,
    Posit,
    Quantiser,
    Ternary,
    float_of,
)

__all__ = ["Gates", "Sums", "cost_over_bf16", "multiply_accumulate", "summed_in"]

BF16 = Quantiser(Float(8, 7, specials="ieee", overflow="infinity"))
POSIT_REGIME = 2
"""Shortest regime of a posit, where its significand is longest [bits]."""


@dataclass(frozen=True, slots=True)
class Gates:
    """Energy or area of what arithmetic is built of; only their ratios matter [any one unit].

    multiplier: for each bit of one significand times one of the other; float_multiplier: the same with rounding;
    adder: a bit of a fixed-point sum; float_adder: a bit of a floating-point sum; shifter: a bit through one level of a
    barrel shifter; register: a bit of an operand clocked in; table: a bit of a lookup table.

    Tables of logarithms are interpolated: their entries grow with the root of the number of codes.
    """

    multiplier: float
    float_multiplier: float
    adder: float
    float_adder: float
    shifter: float
    register: float
    table: float


@dataclass(frozen=True, slots=True)
class Sums:
    """How products are added up.

    float_bits: of a floating-point sum; widest_fixed: operands of more bits add up in floating point; guard: bits of a
    fixed-point sum beyond its products; alignment: most places that a product is shifted before it is cut off [bits];
    terms: products of one sum [1].
    """

    float_bits: float
    widest_fixed: float
    guard: float
    alignment: float
    terms: float


def summed_in(sums: Sums, element: Float) -> Sums:
    """The same with floating-point sums in another format.

    What a fixed-point sum keeps of a product is cut off below the last place of the format that the sum ends in: 24
    bits in fp32, 11 in fp16. Sums of integers are exact and stay as wide as they are.
    """
    return replace(sums, float_bits=element.stored_bits, alignment=min(sums.alignment, element.mantissa + 1.0))


def significand(element: Element) -> float:
    """Longest significand with its hidden bit, that of a whole number with its sign [bits]."""
    match element:
        case Float():
            return element.mantissa + 1.0
        case Posit():
            return element.bits - 1.0 - POSIT_REGIME - element.exponent + 1.0
        case Logarithmic():
            return element.fraction + 1.0
        case Integer():
            return float(element.bits)
        case Levels():
            return math.ceil(math.log2(element.largest + 1.0)) + 1.0
        case _:
            return 1.0


def exponent_range(element: Element) -> float:
    """Places between the largest and the smallest normal value [bits]."""
    match element:
        case Float():
            return 2.0**element.exponent - 1.0
        case Posit():
            return 2.0 * element.top
        case Logarithmic():
            return (element.codes[1] - element.codes[0]) * element.step
        case _:
            return 0.0


def exponent_bits(element: Element) -> float:
    """Bits of the exponents that are added when values are multiplied [bits]."""
    return math.log2(exponent_range(element) + 1.0)


def product_cost(one: Element, other: Element, gates: Gates, floating: bool) -> float:
    """Cost of a product before it is added up."""
    if isinstance(one, Ternary | Binary) or isinstance(other, Ternary | Binary):
        return 0.0
    added = gates.adder * max(exponent_bits(one), exponent_bits(other))
    if isinstance(one, Logarithmic) and isinstance(other, Logarithmic):
        length = max(significand(one), significand(other))
        return added + gates.adder * length + gates.table * length * 2.0 ** (length / 2.0)
    each = gates.float_multiplier if floating else gates.multiplier
    return added + each * significand(one) * significand(other)


def sum_cost(one: Quantiser, other: Quantiser, gates: Gates, sums: Sums, floating: bool) -> float:
    """Cost of adding a product to the sum: in floating point, or aligned in a fixed-point one.

    Logarithms take the cheaper way, since their products leave the table aligned or not.
    """
    a, b = one.element, other.element
    if isinstance(a, Binary) and isinstance(b, Binary):
        return gates.adder * (significand(a) + significand(b))
    shifts = exponent_range(a) + exponent_range(b) + sum(micro_shifts(each) for each in (one, other))
    width = significand(a) + significand(b) + min(shifts, sums.alignment) + sums.guard
    aligned = gates.shifter * width * math.log2(width) if shifts else 0.0
    fixed, float_sum = gates.adder * width + aligned, gates.float_adder * sums.float_bits
    if isinstance(a, Logarithmic) and isinstance(b, Logarithmic):
        return min(fixed, float_sum)
    return float_sum if floating else fixed


def micro_shifts(quantiser: Quantiser) -> float:
    """Places that exponents shared by small groups shift a product [bits]."""
    scaling = quantiser.scaling
    return 2.0**scaling.group_bits - 1.0 if scaling is not None and scaling.group else 0.0


def decode_cost(element: Element, gates: Gates) -> float:
    """Cost of taking a posit apart: a count of leading bits and a shift."""
    bits = element.stored_bits
    return gates.adder * bits + gates.shifter * bits * math.log2(bits) if isinstance(element, Posit) else 0.0


def scale_cost(quantiser: Quantiser, gates: Gates, sums: Sums) -> float:
    """Share of one element in what its block costs: its scales go in, and the sum of a block in floating point."""
    scaling = quantiser.scaling
    if scaling is None or scaling.block in (TENSOR, ROW):
        return 0.0
    scale = float_of(scaling.scale)
    times = gates.float_multiplier * (scale.mantissa + 1.0) ** 2 if scale.mantissa else 0.0
    return (gates.adder * scale.stored_bits + times + gates.float_adder * sums.float_bits) / scaling.block


@cache
def multiply_accumulate(one: Quantiser, other: Quantiser, gates: Gates, sums: Sums) -> float:
    """Cost of a multiplication of two values and of its addition to a sum [unit of the gates].

    Operands of more than `widest_fixed` bits multiply and add in floating point, as do posits; narrower ones form
    whole products, aligned and added in fixed point, as dot-product units do. Scales of blocks are worked in once a
    block. Structure after Horowitz (ISSCC 2014) and Jouppi et al. (ISCA 2021, Table 2): products with the square of the
    significand, sums in proportion to their width; logarithms after Johnson (arXiv 1811.01721).
    """
    a, b = one.element, other.element
    wide = max(a.stored_bits, b.stored_bits) > sums.widest_fixed and not isinstance(a, Integer)
    floating = wide or isinstance(a, Posit) or isinstance(b, Posit)
    operands = gates.register * (a.stored_bits + b.stored_bits) + decode_cost(a, gates) + decode_cost(b, gates)
    added = sum_cost(one, other, gates, sums, floating)
    return (
        operands
        + product_cost(a, b, gates, floating)
        + added
        + max(scale_cost(one, gates, sums), scale_cost(other, gates, sums))
    )


def cost_over_bf16(
    one: Quantiser, other: Quantiser, gates: Gates, sums: Sums, accumulator: Float | None = None
) -> float:
    """Cost of a multiply-accumulate over that of one in bf16 with a float32 sum, on the same node [1].

    accumulator: the format of its sums, float32 where there is none.
    """
    own = sums if accumulator is None else summed_in(sums, accumulator)
    return multiply_accumulate(one, other, gates, own) / multiply_accumulate(BF16, BF16, gates, sums)
