"""What determines a number format? Its elements, and the scales that they share. Hashable: jit specialises on it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

__all__ = [
    "Binary",
    "Element",
    "Float",
    "Integer",
    "Levels",
    "Logarithmic",
    "Posit",
    "Quantiser",
    "Scaling",
    "Ternary",
    "bits_per_element",
    "float_of",
]

TENSOR, ROW = 0, -1
"""Blocks of a scale that the whole tensor shares, or all of its last axis."""

WIDE_EXPONENT = 8
"""Bits of the exponent of float32, in which everything is computed."""

WIDE_MANTISSA, WIDE_BIAS = 23, 127
"""Bits of the mantissa of float32, and the bias of its exponent [1]."""

REACH = WIDE_BIAS - 1
"""Largest exponent to base 2, up and down, that elements may have to be computed in float32 [1]."""

SCALE_NAME = re.compile(r"e([1-8])m(\d{1,2})", re.ASCII)
IEEE_EXPONENT = 5
"""Bits of the exponent from which on formats keep its last code for infinity and NaN, as IEEE 754 and OCP E5M2 do."""


def beyond_reach(got: str) -> str:
    """What is said of an element that float32 cannot hold."""
    return f"it must lie within 2^-{REACH} and 2^{REACH}, to be computed in float32, got {got}"


class Element:
    """How one value is stored, its scale apart. Abstract: one of the classes below."""

    @property
    def stored_bits(self) -> float:
        """Bits of one element [bits]."""
        raise NotImplementedError

    @property
    def largest(self) -> float:
        """The largest value that is represented [1]."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Float(Element):
    """Sign, exponent, mantissa and subnormals.

    exponent, mantissa: their bits; bias: of the exponent, None for 2^(exponent - 1) - 1; specials: which codes are no
    numbers: `ieee` the last exponent, `nan` the last code only, `none`; overflow: what is beyond the largest value
    becomes: `saturate`, `infinity` or `nan`.
    """

    exponent: int
    mantissa: int
    bias: int | None = None
    specials: str = "none"
    overflow: str = "saturate"

    def __post_init__(self) -> None:
        """ValueError where float32, in which it is computed, cannot hold what it means."""
        if not 1 <= self.exponent <= WIDE_EXPONENT or not 0 <= self.mantissa <= WIDE_MANTISSA:
            raise ValueError(
                f"a float has 1 to {WIDE_EXPONENT} bits of exponent and 0 to {WIDE_MANTISSA} of mantissa, "
                f"got {self.exponent} and {self.mantissa}"
            )
        if self.mantissa == 0 and self.specials == "nan":
            raise ValueError("a float without a mantissa has no code to spare for NaN, say specials = 'none' or 'ieee'")
        wide = self.exponent == WIDE_EXPONENT
        if wide and (self.offset != WIDE_BIAS or self.specials != "ieee") and self.mantissa:
            raise ValueError("a float with the 8-bit exponent of float32 has its bias, 127, and specials = 'ieee'")
        reach = (self.lowest_exponent - self.mantissa, self.largest)
        if not wide and (reach[0] < -REACH or reach[1] >= 2.0**REACH):
            raise ValueError(beyond_reach(f"bias {self.offset}"))

    @property
    def offset(self) -> int:
        """The bias of the exponent [1]."""
        return 2 ** (self.exponent - 1) - 1 if self.bias is None else self.bias

    @property
    def stored_bits(self) -> float:
        """Sign, exponent and mantissa [bits]."""
        return 1.0 + self.exponent + self.mantissa

    @property
    def lowest_exponent(self) -> int:
        """Exponent of the smallest normal value and of all subnormals [1]."""
        return 1 - self.offset

    @property
    def largest(self) -> float:
        """The largest finite value [1]."""
        top = 2**self.exponent - 1 - (self.specials == "ieee") - self.offset
        lost = 2.0 if self.specials == "nan" else 1.0
        return (2.0 - lost * 2.0**-self.mantissa) * 2.0**top

    @property
    def least(self) -> float:
        """The smallest value above zero [1]."""
        return 2.0 ** (self.lowest_exponent - self.mantissa)


@dataclass(frozen=True, slots=True)
class Integer(Element):
    """A whole number between -(2^(bits - 1) - 1) and 2^(bits - 1) - 1, or with a zero point one of 2^bits levels."""

    bits: int
    zero_point: bool = False

    @property
    def stored_bits(self) -> float:
        """Bits of the whole number [bits]."""
        return float(self.bits)

    @property
    def largest(self) -> float:
        """The largest of the symmetric levels [1]."""
        return 2.0 ** (self.bits - 1) - 1.0


@dataclass(frozen=True, slots=True)
class Logarithmic(Element):
    """A sign and the logarithm of the magnitude as a fixed-point number.

    integer: bits before the point, the sign of the logarithm among them; fraction: bits behind it; base: of the
    logarithm [1]; zero_code: whether the lowest code stands for zero, which else takes a code beside these, as some
    tables of such formats have it.
    """

    integer: int
    fraction: int
    base: float = 2.0
    zero_code: bool = True

    def __post_init__(self) -> None:
        """ValueError where float32, in which it is computed, cannot hold what it means."""
        if max(map(abs, self.codes)) * self.step > REACH:
            raise ValueError(beyond_reach(f"{self.integer} bits before the point to base {self.base:g}"))

    @property
    def stored_bits(self) -> float:
        """Sign and logarithm [bits]."""
        return 1.0 + self.integer + self.fraction

    @property
    def step(self) -> float:
        """Distance of neighbours as a logarithm to base 2 [1]."""
        return math.log2(self.base) * 2.0**-self.fraction

    @property
    def codes(self) -> tuple[int, int]:
        """The lowest code that is not zero, and the highest [1]."""
        half = 2 ** (self.integer + self.fraction - 1)
        return int(self.zero_code) - half, half - 1

    @property
    def largest(self) -> float:
        """The largest value [1]."""
        return 2.0 ** (self.codes[1] * self.step)


@dataclass(frozen=True, slots=True)
class Posit(Element):
    """A posit: sign, regime, exponent, fraction; the standard of 2022 has two bits of exponent."""

    bits: int
    exponent: int = 2

    def __post_init__(self) -> None:
        """ValueError where float32, in which it is computed, cannot hold what it means."""
        if self.top > REACH:
            raise ValueError(beyond_reach(f"{self.bits} bits with {self.exponent} of exponent"))

    @property
    def stored_bits(self) -> float:
        """Bits of the posit [bits]."""
        return float(self.bits)

    @property
    def top(self) -> int:
        """Exponent of the largest value; the smallest is its inverse [1]."""
        return 2**self.exponent * (self.bits - 2)

    @property
    def largest(self) -> float:
        """The largest value [1]."""
        return 2.0**self.top


@dataclass(frozen=True, slots=True)
class Ternary(Element):
    """One of -1, 0, 1; digits: how many are packed into one byte."""

    digits: int = 5

    @property
    def stored_bits(self) -> float:
        """Share of a byte [bits]."""
        return 8.0 / self.digits

    @property
    def largest(self) -> float:
        """One [1]."""
        return 1.0


@dataclass(frozen=True, slots=True)
class Binary(Element):
    """A sign."""

    @property
    def stored_bits(self) -> float:
        """One [bits]."""
        return 1.0

    @property
    def largest(self) -> float:
        """One [1]."""
        return 1.0


@dataclass(frozen=True, slots=True)
class Levels(Element):
    """The nearest one of a few listed levels, in rising order [1]."""

    values: tuple[float, ...]

    @property
    def stored_bits(self) -> float:
        """Bits of the number of a level [bits]."""
        return float(math.ceil(math.log2(len(self.values))))

    @property
    def largest(self) -> float:
        """The largest magnitude among them [1]."""
        return max(abs(value) for value in self.values)


def float_of(name: str) -> Float:
    """The float of a name such as e4m3 or e8m23, with the codes that are no numbers as its makers have them.

    e8m0 is a power of two without a sign. ValueError for any other name.

    >>> float_of("e4m3").largest, float_of("e5m10").largest
    (448.0, 65504.0)
    """
    match = SCALE_NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no float: write e, bits of the exponent from 1 to 8, m, bits of the mantissa")
    exponent, mantissa = int(match[1]), int(match[2])
    return Float(exponent, mantissa, specials="ieee" if exponent >= IEEE_EXPONENT else "nan" if mantissa else "none")


@dataclass(frozen=True, slots=True)
class Scaling:
    """How elements share scales.

    block: elements that share one, TENSOR or ROW; rule: how a block gets its scale: `absmax` its largest
    magnitude becomes the largest value, `floor` the power of two of the OCP rules, `ceil` the power of two that
    saturates nothing, `mean` its mean magnitude, replaced by the best factor once the elements are known, `rms` its
    root mean square; scale: the float it is kept in, such as e8m0, e4m3 or e8m23; tensor_scale: whether a float32 for
    the whole tensor goes before it; group: elements within a block that share a microexponent, 0 for none, of
    group_bits bits.
    """

    block: int
    rule: str
    scale: str
    tensor_scale: bool = False
    group: int = 0
    group_bits: int = 0

    @property
    def scale_bits(self) -> float:
        """Bits of one stored scale; a power of two has no sign [bits]."""
        kept = float_of(self.scale)
        return float(kept.exponent) if kept.mantissa == 0 else kept.stored_bits


@dataclass(frozen=True, slots=True)
class Quantiser:
    """A number format: its elements and, where they share scales, how."""

    element: Element
    scaling: Scaling | None = field(default=None)


def bits_per_element(quantiser: Quantiser) -> float:
    """Bits of one element with its share of scales and zero points; those of rows and tensors are not counted [bits].

    >>> bits_per_element(Quantiser(Float(2, 1), Scaling(16, "absmax", "e4m3", tensor_scale=True)))
    4.5
    """
    bits, scaling, element = quantiser.element.stored_bits, quantiser.scaling, quantiser.element
    if scaling is None or scaling.block in (TENSOR, ROW):
        return bits
    point = element.bits if isinstance(element, Integer) and element.zero_point else 0
    shift = scaling.group_bits / scaling.group if scaling.group else 0.0
    return bits + (scaling.scale_bits + point) / scaling.block + shift
