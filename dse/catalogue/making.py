"""Can what a file describes be made? Cores that are whole, a supply that works, memory and dies that packages hold."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from dse import units
from dse.catalogue.errors import Problem, listed
from dse.catalogue.fields import Choices, Range
from dse.catalogue.library import Shelf
from dse.catalogue.read import Entry

__all__ = ["Names", "fixed_number", "place_of", "possible", "silicon_faults"]

# Names that stand for a file of their own; all others are entries of the technology tables.
FILES = ("format", "software", "transformer", "traffic", "portfolio")


@runtime_checkable
class Names(Protocol):
    """What the checks ask of a catalogue."""

    def find(self, kind: str, name: str) -> Path:
        """The file that answers to a name."""
        ...

    def shelf(self, what: str) -> Shelf:
        """The technologies of one sort."""
        ...

    def entry(self, kind: str, name: str) -> Entry:
        """A checked entry by name or alias."""
        ...


def place_of(what: str, name: str, names: Names) -> Path | int:
    """The file or the row of a technology table that a name stands for; CatalogueError when it stands for none."""
    return names.find(what, name) if what in FILES else names.shelf(what).row(name)


def fixed_number(entry: Entry, path: str, default: float = 0.0) -> float:
    """A fixed number of the file in base units; the default when it is absent or a name."""
    value = entry.values.get(path, default)
    return default if isinstance(value, str) else float(value)


def silicon_faults(entry: Entry, names: Names) -> Iterator[Problem]:
    """What cannot be made: parts of cores, a supply outside the node's, memory and dies that do not fit."""
    yield from core_faults(entry)
    yield from cache_faults(entry)
    yield from voltage_faults(entry, names)
    yield from memory_node_faults(entry, names)
    yield from carrier_faults(entry, names)
    yield from package_faults(entry, names)


def core_faults(entry: Entry) -> Iterator[Problem]:
    """Units, sold or spare, that do not fill whole cores."""
    each = fixed_number(entry, "matrix.units_per_core")
    for path in ("matrix.units", "matrix.spare_units"):
        count = fixed_number(entry, path)
        if each and count % each:
            value = f"{each:g} of {count:g}"
            way_out = f"count the units of one core again, or leave {path} to whole cores"
            yield Problem(f"must divide {path}", str(entry.path), "matrix.units_per_core", value, way_out=way_out)
    units, spare = fixed_number(entry, "matrix.units"), fixed_number(entry, "matrix.spare_units")
    if units and spare > units:
        way_out = "count the units that are sold in matrix.units"
        yield Problem(
            "more spare than sold",
            str(entry.path),
            "matrix.spare_units",
            f"{spare:g}",
            f"at most {units:g}",
            way_out=way_out,
        )


def cache_faults(entry: Entry) -> Iterator[Problem]:
    """Caches on the compute dies that are more than the memory of which they are a part."""
    local, cache = fixed_number(entry, "sram.local"), fixed_number(entry, "sram.local_cache")
    if cache > local:
        limit, value = f"at most sram.local, {units.readable(local, 'bytes')}", units.readable(cache, "bytes")
        way_out = "count it in sram.local too"
        yield Problem("is a part of sram.local", str(entry.path), "sram.local_cache", value, limit, way_out=way_out)


def possible(entry: Entry, path: str) -> list[object]:
    """All values that a path may take: the fixed one, or the choices and `otherwise` of a free field."""
    if path in entry.values:
        return [entry.values[path]]
    field = entry.free.get(path)
    values: list[object] = list(field.values) if isinstance(field, Choices) else []
    return values + ([field.otherwise] if field is not None and field.otherwise is not None else [])


def row_named(name: object, names: Names, what: str) -> dict[str, float]:
    """The numbers of a row of the technology; none when there is no such row."""
    shelf = names.shelf(what)
    return {
        key: float(column[shelf.row(str(name))]) for key, column in shelf.columns.items() if str(name) in shelf.rows
    }


def known_row(entry: Entry, names: Names, path: str, what: str) -> dict[str, float]:
    """The numbers of the technology that a path names; none when it names none."""
    return row_named(entry.values.get(path, ""), names, what)


def voltage_faults(entry: Entry, names: Names) -> Iterator[Problem]:
    """A supply voltage, or an end of its range, at which a node of the file does not work."""
    field = entry.free.get("process.voltage")
    given = [field.low, field.high] if isinstance(field, Range) else possible(entry, "process.voltage")
    for value, name in itertools.product(given, possible(entry, "process.node")):
        node = row_named(name, names, "process")
        if isinstance(value, float) and node and not node["lowest_voltage"] <= value <= node["highest_voltage"]:
            low, high = (units.readable(node[key], "V") for key in ("lowest_voltage", "highest_voltage"))
            file, text = str(entry.path), units.readable(value, "V")
            way_out = "leave it out for the nominal voltage"
            yield Problem(
                f"is outside what {name} works at", file, "process.voltage", text, f"{low} to {high}", way_out=way_out
            )


def memory_node_faults(entry: Entry, names: Names) -> Iterator[Problem]:
    """A memory for which there is no interface in the node of the dies that it is joined to."""
    holder = "base.node" if "base.node" in entry.values else "process.node"
    memory, node = known_row(entry, names, "memory.kind", "memory"), known_row(entry, names, holder, "process")
    if memory and node and fixed_number(entry, "memory.stacks") and node["feature_size"] > memory["oldest_node"]:
        newest = units.readable(memory["oldest_node"], "mm")
        rule = f"has no interface in {entry.values[holder]}: none older than {newest} was made"
        way_out = "take an older memory, a newer node, or base dies in one"
        yield Problem(rule, str(entry.path), "memory.kind", repr(entry.values["memory.kind"]), way_out=way_out)


def carrier_faults(entry: Entry, names: Names) -> Iterator[Problem]:
    """Memory stacks on a package without an interposer or bridges to carry them."""
    memory = known_row(entry, names, "memory.kind", "memory")
    package = known_row(entry, names, "package.kind", "package")
    if package and memory.get("needs_carrier", 0.0) == 1.0 and not package["holds_stacks"]:
        packages = names.shelf("package")
        able = [name for name in packages.names if packages.columns["holds_stacks"][packages.row(name)]]
        rule, kind = f"cannot hold stacks of {entry.values['memory.kind']}", repr(entry.values["package.kind"])
        way_out = "name a package with a carrier"
        yield Problem(rule, str(entry.path), "package.kind", kind, listed(able), way_out=way_out)


def package_faults(entry: Entry, names: Names) -> Iterator[Problem]:
    """Dies that the package cannot hold, by their stated area or the sites that they need."""
    package, file = known_row(entry, names, "package.kind", "package"), str(entry.path)
    area, base = fixed_number(entry, "package.die_area"), fixed_number(entry, "base.die_area")
    dies, under = fixed_number(entry, "package.dies"), bool(entry.values.get("base.under", False))
    if not package or not area or not dies:
        return
    largest, held = area / dies, base if under and base else area + base
    kind = entry.values["package.kind"]
    for rule, value, key in (
        (f"a die is larger than package {kind!r} can be made of", largest, "die_area_limit"),
        (f"the dies are more than package {kind!r} can hold", held, "silicon_limit"),
    ):
        if value > package[key] * (1.0 + 1e-9):
            limit = units.readable(package[key], "mm2")
            way_out = "take another package, more and smaller dies, or base dies under them"
            yield Problem(
                rule, file, "package.die_area", units.readable(value, "mm2"), f"at most {limit}", way_out=way_out
            )
