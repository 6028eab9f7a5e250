"""What may the file of a number format say? Its bits, its silicon, and the quantiser that it is."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dse.catalogue.declarations import Document, Flag, Positive, Table, Words, name_of
from dse.catalogue.fields import Figure, Spec

__all__ = ["ELEMENTS", "FormatDocument", "QuantiserTable"]

ELEMENTS = ("float", "integer", "logarithmic", "posit", "ternary", "binary", "levels")
SPECIALS = ("ieee", "nan", "none")
OVERFLOWS = ("saturate", "infinity", "nan")
RULES = ("absmax", "floor", "ceil", "mean", "rms")

LONGEST_BLOCK = 2**20
"""Most elements that share a scale, unless all of a tensor do [1]."""


def whole(low: int, high: int) -> Spec:
    """The declaration of a whole number between two bounds [1]."""
    return Spec(low=low, high=high, integer=True)


class QuantiserTable(Table):
    """What a value becomes in the format; see dse.numerics.parameters for what each word means.

    width: bits of an integer or a posit; block: elements that share a scale; per_row: all of the last axis do; the
    whole tensor where neither is there and a scale is.
    """

    element: Annotated[Figure, name_of("", ELEMENTS)]
    width: Annotated[Figure, whole(2, 16)] | None = None
    exponent: Annotated[Figure, whole(0, 8)] | None = None
    mantissa: Annotated[Figure, whole(0, 23)] | None = None
    bias: Annotated[Figure, whole(-64, 127)] | None = None
    specials: Annotated[Figure, name_of("", SPECIALS)] | None = None
    overflow: Annotated[Figure, name_of("", OVERFLOWS)] | None = None
    integer: Annotated[Figure, whole(1, 8)] | None = None
    fraction: Annotated[Figure, whole(0, 15)] | None = None
    base: Annotated[Figure, Spec(low=1, high=16, above=True)] | None = None
    zero_point: Flag | None = None
    digits: Annotated[Figure, whole(1, 5)] | None = None
    levels: list[float] = Field(default_factory=list)
    block: Annotated[Figure, whole(1, LONGEST_BLOCK)] | None = None
    per_row: Flag | None = None
    rule: Annotated[Figure, name_of("", RULES)] | None = None
    scale: Annotated[Figure, name_of("")] | None = None
    tensor_scale: Flag | None = None
    group: Annotated[Figure, whole(1, LONGEST_BLOCK)] | None = None
    group_bits: Annotated[Figure, whole(1, 4)] | None = None


class FormatDocument(Document):
    """A number format; ratios against a bf16 multiplication with fp32 accumulation on the same node.

    A ratio that is absent follows from the widths of the operands.
    """

    title: Words
    family: str = ""
    bits: Annotated[Figure, Spec(high=64, above=True)]
    mac_energy_ratio: Positive | None = None
    mac_area_ratio: Positive | None = None
    multiplies: Flag
    quantiser: QuantiserTable
