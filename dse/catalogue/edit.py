"""What if a figure were another? Entries and libraries with one value changed, files untouched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dse.catalogue.library import Library
from dse.catalogue.read import Entry
from dse.sources import Cited

__all__ = ["edited_library", "with_figure", "with_value"]


def changed(table: Any, path: str, figure: Cited) -> Any:
    """A table with another figure at the end of the path."""
    if isinstance(table, Cited):
        return figure
    inside = table if isinstance(table, Mapping) else {name: getattr(table, name) for name in type(table).model_fields}
    key = next(name for name in inside if f"{path}.".startswith(f"{name}."))
    item = changed(inside[key], path[len(key) + 1 :], figure)
    return {**table, key: item} if isinstance(table, Mapping) else table.model_copy(update={key: item})


def with_value(entry: Entry, path: str, value: float) -> Entry:
    """An entry whose figure at a dotted path has another value [base units]; its range and source stay as they are."""
    return with_figure(entry, path, replace(entry.figures[path], value=value))


def with_figure(entry: Entry, path: str, figure: Cited) -> Entry:
    """An entry with another figure at a dotted path [base units]."""
    return replace(
        entry,
        document=changed(entry.document, path, figure),
        values={**entry.values, path: figure.value},
        figures={**entry.figures, path: figure},
    )


def edited_library(library: Library, entry: Entry, path: str, value: float) -> Library:
    """A library in which one figure of one of its files has another value [base units]."""
    other = with_value(entry, path, value)

    def swapped(one: Entry) -> Entry:
        return other if (one.kind, one.name) == (entry.kind, entry.name) else one

    return replace(
        library,
        technology=tuple(swapped(one) for one in library.technology),
        economics=swapped(library.economics),
        load=lambda kind, name: swapped(library.load(kind, name)),
        calibration=None if library.calibration is None else swapped(library.calibration),
        loaded={},
        known={what: shelf for what, shelf in library.shelves.items() if what != path.partition(".")[0]},
    )
