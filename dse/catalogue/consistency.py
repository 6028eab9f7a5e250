"""Do the values of a file fit together? Names that exist, parts that need each other, published totals that close."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from dse import units
from dse.catalogue.count import parameters
from dse.catalogue.errors import CatalogueError, Problem, listed, nearest
from dse.catalogue.fields import Choices
from dse.catalogue.library import Shelf
from dse.catalogue.read import Entry
from dse.catalogue.schema import SpaceDocument, spec_of
from dse.catalogue.space import usable_conditions
from dse.sources import Cited

__all__ = ["faults_of"]

PEAK_TOLERANCE = 0.01
STACK_TOLERANCE = 0.10
PRICE_BASES = ("make", "buy", "rent", "tco")
# Keys that a part needs as soon as it is there at all.
NEEDED = {
    "memory": ("stacks",),
    "far_memory": ("capacity", "bandwidth"),
    "scale_up": ("bandwidth", "topology", "domain"),
    "scale_out": ("bandwidth", "topology", "domain"),
}


@runtime_checkable
class Names(Protocol):
    """What the checks ask of a catalogue."""

    def find(self, kind: str, name: str) -> Path:
        """The file that answers to a name."""
        ...

    def shelf(self, what: str) -> Shelf:
        """The technologies of one sort."""
        ...


def faults_of(entry: Entry, names: Names) -> list[Problem]:
    """Every fault of an entry that its schema alone cannot see."""
    if entry.kind in ("chip", "space"):
        faults = [*name_faults(entry, names), *part_faults(entry)]
        return [*faults, *(chip_faults(entry, names) if entry.kind == "chip" else space_faults(entry, names))]
    if entry.kind == "transformer":
        return list(transformer_faults(entry))
    return []


def possible(entry: Entry, path: str) -> list[object]:
    """All values that a path may take: the fixed one, or the choices and `otherwise` of a free field."""
    if path in entry.values:
        return [entry.values[path]]
    field = entry.free.get(path)
    values: list[object] = list(field.values) if isinstance(field, Choices) else []
    return values + ([field.otherwise] if field is not None and field.otherwise is not None else [])


def name_faults(entry: Entry, names: Names) -> Iterator[Problem]:
    """Names that stand for nothing in the technology tables, formats or software."""
    for path in [*entry.values, *entry.free]:
        spec = spec_of(entry.kind, path)
        if spec is not None and spec.names and not spec.choices:
            yield from unknown(entry, path, spec.names, possible(entry, path), names)
    rates = [path for path in [*entry.values, *entry.free] if path.startswith("matrix.rates.")]
    for path in rates:
        yield from unknown(entry, path, "format", [path.removeprefix("matrix.rates.")], names)


def unknown(entry: Entry, path: str, what: str, values: Iterable[object], names: Names) -> Iterator[Problem]:
    """A fault for each value that is no name of this sort."""
    for value in values:
        try:
            if what in ("format", "software"):
                names.find(what, str(value))
            else:
                names.shelf(what).row(str(value))
        except CatalogueError as error:
            for problem in error.problems:
                if problem.file:
                    raise
                yield Problem(problem.rule, str(entry.path), path, problem.value, problem.allowed, problem.nearest)


def part_faults(entry: Entry) -> Iterator[Problem]:
    """Keys that a part lacks, or has although there is no such part."""
    present = [*entry.values, *entry.free]
    for part, needed in NEEDED.items():
        kinds = possible(entry, f"{part}.kind")
        given = [path for path in present if path.startswith(f"{part}.") and path != f"{part}.kind"]
        if kinds == ["none"]:
            for path in given:
                rule = f"stands beside {part}.kind = 'none'"
                yield Problem(rule, str(entry.path), path, way_out="remove it or name a kind")
        else:
            for key in needed:
                if f"{part}.{key}" not in given:
                    yield Problem("missing", str(entry.path), f"{part}.{key}", way_out="or kind = 'none'")


def fixed_number(entry: Entry, path: str, default: float = 0.0) -> float:
    """A fixed number of the file in base units; the default when it is absent or a name."""
    value = entry.values.get(path, default)
    return default if isinstance(value, str) else float(value)


def chip_faults(entry: Entry, names: Names) -> Iterator[Problem]:
    """What does not close in a chip: its native format, its peak, the bandwidth of its stacks."""
    file, native = str(entry.path), str(entry.values["matrix.native"])
    rates = {path.removeprefix("matrix.rates."): path for path in entry.values if path.startswith("matrix.rates.")}
    if native not in rates:
        way_out = f"write rates = {{ {native} = 1, ... }}"
        yield Problem("lacks the native format", file, "matrix.rates", listed(rates), way_out=way_out)
    elif entry.values[rates[native]] != 1.0:
        value = units.readable(fixed_number(entry, rates[native]), "1")
        yield Problem("the native format must have rate 1", file, rates[native], value)
    rows, split = fixed_number(entry, "matrix.rows"), fixed_number(entry, "matrix.split")
    if split and rows % split:
        yield Problem("must divide matrix.rows", file, "matrix.split", units.readable(split, "1"))
    yield from peak_faults(entry)
    yield from stack_faults(entry, names)


def peak_faults(entry: Entry) -> Iterator[Problem]:
    """A published dense peak that is not units x rows x columns x 2 x clock."""
    published = fixed_number(entry, "matrix.published_peak")
    product = 2.0 * fixed_number(entry, "matrix.clock")
    for name in ("units", "rows", "columns"):
        product *= fixed_number(entry, f"matrix.{name}")
    if published and abs(product / published - 1.0) > PEAK_TOLERANCE:
        rule = f"is not units x rows x columns x 2 x clock = {units.readable(product, 'FLOP/s', 6)} within 1 %"
        value = units.readable(published, "FLOP/s", 6)
        way_out = "derive an effective clock, and say so in its note"
        yield Problem(rule, str(entry.path), "matrix.published_peak", value, way_out=way_out)


def stack_faults(entry: Entry, names: Names) -> Iterator[Problem]:
    """A bandwidth far from stacks x the kind's, without a note that says why."""
    kind = str(entry.values["memory.kind"])
    memories = names.shelf("memory")
    if kind == "none" or kind not in memories.rows:
        return
    expected = fixed_number(entry, "memory.stacks") * float(memories.columns["bandwidth"][memories.row(kind)])
    figure, given = entry.figures.get("memory.bandwidth", Cited(0.0)), fixed_number(entry, "memory.bandwidth")
    if given and abs(given - expected) > STACK_TOLERANCE * given and not figure.note:
        rule = f"differs from stacks x {kind} = {units.readable(expected, 'bytes/s')} by more than 10 % without a note"
        yield Problem(rule, str(entry.path), "memory.bandwidth", units.readable(given, "bytes/s"))


def space_faults(entry: Entry, names: Names) -> Iterator[Problem]:
    """What is wrong with the job of a space, its grid and its conditions."""
    document, file = entry.document, str(entry.path)
    assert isinstance(document, SpaceDocument)
    yield from usable_conditions(entry)[1]
    for key, kind in (("model", "transformer"), ("traffic", "traffic")):
        try:
            names.find(kind, getattr(document.space, key))
        except CatalogueError as error:
            for problem in error.problems:
                place = f"space.{key}"
                yield Problem(problem.rule, file, place, problem.value, problem.allowed, problem.nearest)
    basis = document.space.price_basis
    if basis not in PRICE_BASES:
        close = nearest(basis, PRICE_BASES)
        yield Problem("unknown price basis", file, "space.price_basis", repr(basis), listed(PRICE_BASES), close)
    for path in document.space.grid:
        if path not in entry.free:
            close = nearest(path, entry.free)
            yield Problem("is no free field", file, f"space.grid.{path}", "", listed(entry.free), close)
    if not entry.free:
        yield Problem("has no free field", file, way_out="give at least one { low, high } or { choices }")


def transformer_faults(entry: Entry) -> Iterator[Problem]:
    """What does not fit in a model: its parts, and the published number of parameters."""
    file, value = str(entry.path), lambda path: fixed_number(entry, path)
    layers = [f"{part}.layers" for part in ("attention", "latent_attention", "feed_forward", "experts", "state_space")]
    if not any(value(path) for path in [*layers, "attention.window_layers"]):
        yield Problem("has no layers in any part", file, way_out="add [attention], [feed_forward] ...")
    if value("attention.window_layers") and not value("attention.window"):
        yield Problem("must be above zero where layers have a window", file, "attention.window", "0")
    if value("attention.kv_heads") and value("attention.heads") % value("attention.kv_heads"):
        kv_heads = units.readable(value("attention.kv_heads"), "1")
        yield Problem("must divide attention.heads", file, "attention.kv_heads", kv_heads)
    if value("experts.active") > value("experts.count"):
        active = units.readable(value("experts.active"), "1")
        yield Problem("is more than experts.count", file, "experts.active", active)
    for path in layers:
        if value(path) > value("architecture.layers"):
            depth = units.readable(value("architecture.layers"), "1")
            yield Problem(f"is more than architecture.layers = {depth}", file, path, units.readable(value(path), "1"))
    published, counted = value("parameters"), parameters(entry.values)
    if abs(counted - published) > value("parameters_tolerance") * published:
        rule = f"the sizes give {counted:,} parameters, outside parameters_tolerance of the published count"
        yield Problem(rule, file, "parameters", f"{int(published):,}")
