"""Which quantiser does the file of a format describe, and does the file agree with it?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TypeVar

from dse.catalogue.errors import CatalogueError, Problem, listed
from dse.catalogue.read import Entry
from dse.catalogue.schema_format import QuantiserTable
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
    Scaling,
    Ternary,
    bits_per_element,
    float_of,
)

__all__ = ["format_faults", "quantiser_of"]

Word = TypeVar("Word", int, float, str, bool)

NEEDED: dict[str, tuple[str, ...]] = {
    "float": ("exponent", "mantissa"),
    "integer": ("width",),
    "logarithmic": ("integer", "fraction"),
    "posit": ("width",),
    "ternary": (),
    "binary": (),
    "levels": ("levels",),
}
"""Element -> the keys that it cannot do without."""

POSSIBLE: dict[str, tuple[str, ...]] = {
    "float": ("bias", "specials", "overflow"),
    "integer": ("zero_point",),
    "logarithmic": ("base",),
    "posit": ("exponent",),
    "ternary": ("digits",),
}
"""Element -> the further keys that it may have."""

SHARED = ("block", "per_row", "rule", "scale", "tensor_scale", "group", "group_bits")
"""Keys of the scales that elements share."""

LARGEST_HALF = 65504.0
"""Largest float16: values of tensors of 16 bits reach it [1]."""

SPREAD = 2.0**10
"""How much larger than another block of its tensor a block must be able to be [1]: a judgement."""


def quantiser_of(entry: Entry) -> Quantiser:
    """The quantiser that the file of a format describes; CatalogueError where it describes none."""
    try:
        return described(entry)
    except ValueError as error:
        raise CatalogueError([Problem(str(error), str(entry.path), "quantiser")]) from error


def described(entry: Entry) -> Quantiser:
    """The quantiser of a file; ValueError where its numbers do not go together."""
    said = entry.values
    scaled = "quantiser.rule" in said
    return Quantiser(element_of(entry), scaling_of(entry) if scaled else None)


def given(entry: Entry, key: str, default: Word) -> Word:
    """A word of the table of the quantiser, of the type of the default, which it is where absent."""
    value = entry.values.get(f"quantiser.{key}", default)
    return type(default)(value)


def element_of(entry: Entry) -> Element:
    """The element of a file."""
    match given(entry, "element", ""):
        case "float":
            bias = given(entry, "bias", 0) if "quantiser.bias" in entry.values else None
            specials, overflow = given(entry, "specials", "none"), given(entry, "overflow", "saturate")
            return Float(given(entry, "exponent", 0), given(entry, "mantissa", 0), bias, specials, overflow)
        case "integer":
            return Integer(given(entry, "width", 0), given(entry, "zero_point", False))
        case "logarithmic":
            return Logarithmic(given(entry, "integer", 0), given(entry, "fraction", 0), given(entry, "base", 2.0))
        case "posit":
            return Posit(given(entry, "width", 0), given(entry, "exponent", 2))
        case "ternary":
            return Ternary(given(entry, "digits", 5))
        case "binary":
            return Binary()
        case _:
            return Levels(levels_of(entry))


def levels_of(entry: Entry) -> tuple[float, ...]:
    """The listed levels of a file, none where there are none or the file is a draft [1]."""
    table = getattr(entry.document, "quantiser", None)
    return tuple(table.levels) if isinstance(table, QuantiserTable) else ()


def scaling_of(entry: Entry) -> Scaling:
    """The scales that the elements of a file share."""
    return Scaling(
        block=ROW if given(entry, "per_row", False) else given(entry, "block", TENSOR),
        rule=given(entry, "rule", ""),
        scale=given(entry, "scale", ""),
        tensor_scale=given(entry, "tensor_scale", False),
        group=given(entry, "group", 0),
        group_bits=given(entry, "group_bits", 0),
    )


def format_faults(entry: Entry) -> Iterator[Problem]:
    """What is wrong with the quantiser of a format, and with its bits beside it."""
    if entry.is_broken("quantiser") or (entry.broken and given(entry, "element", "") == "levels"):
        return
    faults = [*key_faults(entry), *scale_faults(entry)]
    yield from faults
    if not faults:
        yield from element_faults(entry) or bits_faults(entry)


def key_faults(entry: Entry) -> Iterator[Problem]:
    """Keys that the element lacks, or that mean nothing to it."""
    element, file = given(entry, "element", ""), str(entry.path)
    stated = [key for key in QuantiserTable.model_fields if f"quantiser.{key}" in entry.values]
    stated += ["levels"] if levels_of(entry) else []
    for key in NEEDED[element]:
        if key not in stated:
            yield Problem("missing", file, f"quantiser.{key}", way_out=f"element = {element!r} needs it")
    valid = ("element", *NEEDED[element], *POSSIBLE.get(element, ()), *SHARED)
    for key in stated:
        if key not in valid:
            yield Problem(f"means nothing to element {element!r}", file, f"quantiser.{key}", allowed=listed(valid))


def scale_faults(entry: Entry) -> Iterator[Problem]:
    """Scales without a rule or a format, with one that is none, or with groups that do not divide their blocks."""
    file, stated = str(entry.path), [key for key in SHARED if f"quantiser.{key}" in entry.values]
    for key in ("rule", "scale"):
        if stated and key not in stated:
            way_out = 'for example rule = "floor", scale = "e8m0"'
            yield Problem("missing", file, f"quantiser.{key}", way_out=way_out)
            return
    if not stated:
        return
    try:
        float_of(given(entry, "scale", ""))
    except ValueError as error:
        known = "e8m0 (power of two), e4m3 (fp8), e5m2, e5m10 (fp16), e8m7 (bf16), e8m23 (fp32)"
        yield Problem(str(error), file, "quantiser.scale", allowed=known)
        return
    yield from group_faults(entry)


def group_faults(entry: Entry) -> Iterator[Problem]:
    """Groups of microexponents that do not divide their blocks, or stand beside scales that are no powers of two."""
    scaling, file = scaling_of(entry), str(entry.path)
    if scaling.block == ROW and "quantiser.block" in entry.values:
        yield Problem("stands beside block", file, "quantiser.per_row", way_out="a scale is of a block or of a row")
    if bool(scaling.group) != bool(scaling.group_bits):
        absent = "group" if scaling.group_bits else "group_bits"
        yield Problem("missing", file, f"quantiser.{absent}", way_out="give both group and group_bits, or neither")
    elif scaling.group and (scaling.block <= 0 or scaling.block % scaling.group):
        way_out = "give a block that is a multiple of group"
        yield Problem(
            "does not divide the block", file, "quantiser.group", f"{scaling.group} of {scaling.block}", way_out
        )
    elif scaling.group and scaling.rule not in ("floor", "ceil"):
        yield Problem("needs scales that are powers of two", file, "quantiser.rule", repr(scaling.rule), "floor, ceil")
    power = float_of(scaling.scale).mantissa == 0
    if power != (scaling.rule in ("floor", "ceil")):
        rule = "keeps powers of two only" if power else "is no format of powers of two"
        way_out = 'rules floor and ceil go with scale = "e8m0", the others with a scale that has a mantissa'
        yield Problem(rule, file, "quantiser.scale", repr(scaling.scale), way_out=way_out)


def element_faults(entry: Entry) -> list[Problem]:
    """An element that cannot be, or a scale that cannot hold what it has to."""
    try:
        quantiser = described(entry)
    except ValueError as error:
        return [Problem(str(error), str(entry.path), "quantiser")]
    levels = levels_of(entry)
    if any(below >= above for below, above in itertools.pairwise(levels)) or len(levels) == 1:
        return [Problem("must be two or more rising numbers", str(entry.path), "quantiser.levels", str(levels))]
    scaling = quantiser.scaling
    if scaling is None or float_of(scaling.scale).exponent == 8:
        return []
    return range_faults(entry, quantiser.element, scaling)


def range_faults(entry: Entry, element: Element, scaling: Scaling) -> list[Problem]:
    """A scale that does not reach the largest values of a 16-bit tensor, or that tells its blocks not apart."""
    kept = float_of(scaling.scale)
    way_out = "take e8m0, e5m10 or e8m7, or put tensor_scale = true before it"
    if not scaling.tensor_scale and kept.largest * element.largest < LARGEST_HALF:
        reach = f"{scaling.scale}, which reaches {kept.largest * element.largest:g}"
        rule = f"cannot hold the range of a 16-bit tensor, up to {LARGEST_HALF:g}"
        return [Problem(rule, str(entry.path), "quantiser.scale", reach, way_out=way_out)]
    if kept.largest / kept.least < SPREAD:
        ratio = f"{scaling.scale}, largest over smallest {kept.largest / kept.least:g}"
        rule = f"cannot hold blocks of one tensor that differ by {SPREAD:g}"
        return [Problem(rule, str(entry.path), "quantiser.scale", ratio, way_out="take a wider one, such as e4m3")]
    return []


def bits_faults(entry: Entry) -> list[Problem]:
    """Bits that are fewer than the elements and their scales take, or more without a note that says why."""
    if "bits" not in entry.values:
        return []
    stated, needed = float(entry.values["bits"]), bits_per_element(quantiser_of(entry))
    file = str(entry.path)
    if stated < needed and not math.isclose(stated, needed):
        return [Problem("are fewer than elements and scales take", file, "bits", f"{stated:g}", f"{needed:g} or more")]
    if not math.isclose(stated, needed) and not entry.figures["bits"].note:
        way_out = "give a note that says why"
        return [
            Problem(
                f"are more than the {needed:g} of elements and scales", file, "bits", f"{stated:g}", way_out=way_out
            )
        ]
    return []
