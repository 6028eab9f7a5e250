"""In which format does it multiply? The asked-for one where the chip has it, else the next wider that it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from dse.catalogue.accumulation import accumulation_of
from dse.catalogue.errors import CatalogueError, Problem
from dse.catalogue.fields import Value
from dse.catalogue.library import Column, Library, Names, Numbers, Shelf, codes_of
from dse.catalogue.quality import accuracy_loss, noise
from dse.hardware.chip import Numerics

__all__ = [
    "EXPERTS",
    "Arithmetic",
    "activations_for",
    "arithmetic_of",
    "as_run",
    "family_of",
    "in_formats",
    "multiplied_in",
    "native_rates",
]

EXPERTS = "numerics.expert_weights"
"""Where a chip or a space says in which format the weights of experts are."""
# Penalty, in bits, of leaving the family: an integer operand may be widened to a float, but rather to an integer.
OTHER_FAMILY = 1e3
INTEGER = ("int", "ternary", "binary")


@dataclass(frozen=True)
class Arithmetic:
    """Formats resolved to numbers: numerics of the chip, and silicon of its cells over bf16 cells [1]."""

    numerics: Numerics
    area_ratio: Numbers


def family_of(name: str, declared: str = "") -> str:
    """The family of a format, from what its file declares, else from its name.

    A value is widened within its family: plain and block floating point count as one, as do plain and block integers.
    """
    for marks, family in ((INTEGER, "integer"), (("log", "lns"), "logarithmic"), (("posit",), "posit")):
        if (declared or name).startswith(marks):
            return family
    return "float"


def native_rates(columns: Mapping[str, Column]) -> dict[str, Column]:
    """Format -> rate over the native format [1], 0 where it is not multiplied; the native one itself at 1."""
    rates = {
        path.removeprefix("matrix.rates."): value for path, value in columns.items() if path.startswith("matrix.rates.")
    }
    native = columns["matrix.native"]
    for name in distinct(native):
        here = np.equal(native, name)
        rates[name] = np.where(here, 1.0, np.asarray(rates.get(name, 0.0), float)) if np.ndim(here) else 1.0
    return rates


WHOLE_BYTE = 8.0
"""Bits of the narrowest integers in which activations are kept unless they are asked for narrower [1]."""


def activations_for(weights: str, columns: Mapping[str, Column], library: Library) -> str:
    """The usual format of activations beside weights: theirs where the chip multiplies it, else bf16.

    Integers below 8 bits keep weights only (GPTQ, AWQ, llama.cpp): activations do not bear so few levels.
    columns: of one chip, with matrix.native and matrix.rates.
    """
    native = native_rates(columns)
    bits = library.formats(["bf16", weights]).columns["bits"]
    wider = bits[-1] > bits[0]
    weights_only = family_of(weights) == "integer" and bits[-1] < WHOLE_BYTE
    multiplied = np.max(native.get(weights, 0.0)) > 0.0 and not weights_only
    return weights if multiplied or wider else "bf16"


def distinct(names: Column) -> list[str]:
    """The distinct names of a name or of a column of names."""
    return codes_of(names)[0] if isinstance(names, np.ndarray) else [str(names)]


def asked_formats(columns: Mapping[str, Column]) -> dict[str, Column]:
    """Format by use; the weights of experts are in that of the weights where nothing else is said."""
    asked = {use: columns[f"numerics.{use}"] for use in ("weights", "activations", "kv_cache")}
    return asked | {"expert_weights": columns.get(EXPERTS, asked["weights"])}


def in_formats(values: Mapping[str, Value], asked: Mapping[str, str]) -> dict[str, Value]:
    """A chip's values in other formats by use; weights asked for are those of experts too, unless these are."""
    own = {"expert_weights": asked["weights"]} if "weights" in asked and EXPERTS in values else {}
    return {**values, **{f"numerics.{use}": name for use, name in (own | dict(asked)).items()}}


def as_names(value: Column) -> Names:
    """A value that holds names."""
    return value if isinstance(value, np.ndarray) else str(value)


def arithmetic_of(columns: Mapping[str, Column], library: Library) -> Arithmetic:
    """Bytes, rate, energy and area of the formats of one design or of columns of designs.

    CatalogueError when a chip multiplies no format that is wide enough for its activations.
    """
    rates = native_rates(columns)
    asked = asked_formats(columns)
    wanted = [*rates, *(name for value in asked.values() for name in distinct(value))]
    formats = library.formats(sorted(set(wanted)))
    shapes = (np.shape(asked[use]) for use in ("activations", "weights", "expert_weights"))
    named = np.broadcast_shapes(*shapes, np.shape(columns["matrix.native"]))
    given = (np.asarray(rate, dtype=np.float64) for rate in rates.values())
    table = np.stack(np.broadcast_arrays(*given, np.zeros(named))[:-1])
    rows = np.array([formats.row(name) for name in rates])
    chosen, rate = compute_format(columns, table, rates, formats, library)
    stored = {use: formats.rows_of(as_names(value)) for use, value in asked.items()}
    used = stored | {"activations": rows[chosen]}
    byte = formats.columns["bits"] / 8.0
    sums = accumulation_of(columns, formats.names, library)
    energy = formats.columns["mac_energy_ratio"][used["activations"]]
    dense = used | {"expert_weights": used["weights"]}
    loss, dense_loss = (
        np.where(sums.noise > 0.0, np.nan, accuracy_loss(formats.columns, rows_used)) for rows_used in (used, dense)
    )
    numerics = Numerics(
        weight=byte[used["weights"]],
        expert_weight=byte[used["expert_weights"]],
        state=byte[used["kv_cache"]],
        activation=byte[used["activations"]],
        rate=rate,
        mac_energy_ratio=energy * of_each(sums.energy, used["activations"]),
        noise=np.maximum(noise(formats.columns, used), sums.noise),
        accuracy_loss=loss,
        dense_noise=np.maximum(noise(formats.columns, dense), sums.noise),
        dense_loss=dense_loss,
    )
    overhead = float(library.silicon["shared_format_overhead"].value)
    return Arithmetic(numerics, area_ratio(table, rows, formats, sums.area, overhead))


def of_each(
    table: Float[np.ndarray, " formats *sums"], rows: Int[np.ndarray, "*designs"] | np.integer | int
) -> Numbers:
    """The entry of each design's format in a table of formats and designs; rows, sums: of each design or of all."""
    if table.ndim == 1 or not np.ndim(rows):
        return table[rows]
    return np.take_along_axis(table, np.asarray(rows)[None], axis=0)[0]


def compute_format(
    columns: Mapping[str, Column],
    table: Float[np.ndarray, " formats *designs"],
    rates: Iterable[str],
    formats: Shelf,
    library: Library,
) -> tuple[Int[np.ndarray, "*designs"] | np.integer, Numbers]:
    """Position among the native formats, and rate [1], of the format that each design multiplies in.

    The format of the activations, or of any weights where that is wider; else the narrowest native one that is wider,
    of the same family if there is one; of equals the native format, then the fastest.
    """
    names = list(rates)
    stored = asked_formats(columns)
    activations = wider(stored["activations"], stored["weights"], formats)
    activations = wider(activations, stored["expert_weights"], formats)
    asked = distinct(activations)
    codes = codes_of(activations)[1] if isinstance(activations, np.ndarray) else np.zeros((), int)
    ranks = np.array([[rank(want, name, formats, library) for name in names] for want in asked])
    here = (
        np.stack([np.broadcast_to(np.equal(columns["matrix.native"], name), table.shape[1:]) for name in names])
        if np.ndim(columns["matrix.native"])
        else np.array([name == columns["matrix.native"] for name in names]).reshape(-1, *[1] * (table.ndim - 1))
    )
    score = np.moveaxis(ranks[codes], -1, 0) - 0.5 * here - 0.25 * table / table.max()
    score = np.where(table > 0, score, np.inf)
    chosen = np.argmin(score, axis=0)
    least = np.take_along_axis(score, chosen[None], axis=0)[0]
    if not np.isfinite(least).all():
        unmet = asked[int(np.broadcast_to(codes, least.shape)[~np.isfinite(least)].flat[0])]
        rule = "the chip multiplies neither this format nor a wider one"
        way_out = "choose narrower activations or add a rate to matrix.rates"
        raise CatalogueError([Problem(rule, key="numerics.activations", value=repr(unmet), way_out=way_out)])
    return chosen, np.take_along_axis(np.broadcast_to(table, score.shape), chosen[None], axis=0)[0]


def multiplied_in(columns: Mapping[str, Column], library: Library) -> str:
    """The format that one chip multiplies in, which is what its activations are in.

    CatalogueError when it multiplies no format that is wide enough for them.
    """
    rates, asked = native_rates(columns), asked_formats(columns)
    formats = library.formats(sorted({*rates, *map(str, asked.values())}))
    table = np.array([float(rate) for rate in rates.values()])
    return list(rates)[int(compute_format(columns, table, rates, formats, library)[0])]


def as_run(values: Mapping[str, Value], library: Library, experts: bool) -> dict[str, Value]:
    """The values of a chip with the formats that it runs a model in: activations as it multiplies them.

    experts: whether the model has any; their weights have no format where it has none. CatalogueError as multiplied_in.
    """
    run = {**values, "numerics.activations": multiplied_in(values, library)}
    return {path: value for path, value in run.items() if experts or path != EXPERTS}


def wider(one: Column, other: Column, formats: Shelf) -> Column:
    """The format with more bits of two, per design; the first of equals."""
    bits = formats.columns["bits"]
    more = bits[formats.rows_of(as_names(other))] > bits[formats.rows_of(as_names(one))]
    chosen = np.where(more, np.asarray(other), np.asarray(one))
    return chosen if chosen.ndim else str(chosen)


def rank(want: str, have: str, formats: Shelf, library: Library) -> float:
    """How far a multiplication in one format is from the wanted one [bits]; infinite when it is too narrow."""
    if formats.row(want) == formats.row(have):
        return -OTHER_FAMILY
    bits = formats.columns["bits"]
    if bits[formats.row(have)] < bits[formats.row(want)]:
        return np.inf
    families = [getattr(library.load("format", name).document, "family", "") for name in (want, have)]
    same = family_of(want, families[0]) == family_of(have, families[1])
    return float(bits[formats.row(have)]) + (0.0 if same else OTHER_FAMILY)


def area_ratio(
    table: Float[np.ndarray, " formats *designs"],
    rows: Int[np.ndarray, " formats"],
    formats: Shelf,
    sums: Float[np.ndarray, " shelf *sums"],
    overhead: float,
) -> Numbers:
    """Silicon of a cell over that of a bf16 cell [1].

    The most demanding native format sets it, rate times its own area; each further width adds the overhead [1]. sums:
    what those of each format change.
    """
    deep = max(table.ndim, sums.ndim)
    ratios = formats.columns["mac_area_ratio"][rows]
    own, rates, changed = (
        one.reshape(len(rows), *[1] * (deep - one.ndim), *one.shape[1:]) for one in (ratios, table, sums[rows])
    )
    largest = (rates * own * changed).max(axis=0)
    bits = formats.columns["bits"][rows]
    widths = sum((table[bits == width] > 0).any(axis=0).astype(float) for width in np.unique(bits))
    return largest * (1.0 + overhead * (widths - 1.0))
