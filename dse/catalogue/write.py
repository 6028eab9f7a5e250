"""How is a found design kept? As a chip file that reads back to the very same numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from dse import units
from dse.catalogue.consistency import NEEDED, checked_entry
from dse.catalogue.errors import CatalogueError, Problem
from dse.catalogue.fields import Spec
from dse.catalogue.read import Entry, Flat
from dse.catalogue.schema import spec_of, specs_of_kind
from dse.catalogue.store import Catalogue

__all__ = ["chip_text", "quoted", "write_chip", "write_text"]


def write_chip(
    path: Path,
    values: Mapping[str, float | str | bool],
    *,
    title: str,
    note: str,
    catalogue: Catalogue,
    vendor: str = "hypothetical",
) -> Entry:
    """Write a design as a chip file and return it as it reads back.

    path: NAME.toml, which also names the chip; values: dotted path -> base units or name; note: which study and trial
    found it. CatalogueError, and no file, when the design is no valid chip or the file cannot be written.
    """
    text = chip_text(values, path.stem, title=title, note=note, vendor=vendor)
    entry = checked_entry(text, path, catalogue, "chip")
    write_text(path, text)
    return entry


def write_text(path: Path, text: str) -> None:
    """Write a file, and its folder where there is none; CatalogueError when that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CatalogueError([Problem(f"cannot be written: {error.strerror}", file=str(path))]) from error


def chip_text(
    values: Mapping[str, float | str | bool], name: str, *, title: str, note: str, vendor: str = "hypothetical"
) -> str:
    """A design as the text of a chip file; arguments as for `write_chip`."""
    head = {"kind": "chip", "name": name, "title": title, "vendor": vendor, "status": "hypothetical"}
    lines = [f"{key} = {quoted(value)}" for key, value in head.items()]
    table = ""
    for path in in_order(meaningful(values)):
        above, _, key = path.rpartition(".")
        if above != table:
            lines += ["", f"[{above}]"]
            table = above
        lines.append(f"{key} = {figure_text(values[path], required_spec(path), note)}")
    return "\n".join(lines) + "\n"


def meaningful(values: Mapping[str, float | str | bool]) -> Flat:
    """The values without those of parts that the design has not."""
    absent = [part for part in NEEDED if values.get(f"{part}.kind") == "none"]
    return {
        path: value for path, value in values.items() if path.partition(".")[0] not in absent or path.endswith(".kind")
    }


def in_order(values: Mapping[str, float | str | bool]) -> list[str]:
    """Paths in the order of the schema; keys of the file before its first table, tables in one piece."""
    order = {path: index for index, path in enumerate(specs_of_kind("chip"))}

    def place(path: str) -> tuple[bool, bool, int, str]:
        listed = order.get(path, order.get(path.rpartition(".")[0] + ".*", len(order)))
        return ("." in path, False, listed, path)

    return sorted(values, key=lambda path: (place(path)[0], table_place(path, order), *place(path)[2:]))


def table_place(path: str, order: Mapping[str, int]) -> tuple[int, int]:
    """Where the table of a path begins in the schema, and sub-tables after the table itself."""
    tables = path.split(".")[:-1]
    first = min((place for known, place in order.items() if known.split(".")[:1] == tables[:1]), default=0)
    return (first if tables else -1, len(tables))


def required_spec(path: str) -> Spec:
    """The declaration of a path of a chip; CatalogueError when it has none."""
    spec = spec_of("chip", path)
    if spec is None:
        raise CatalogueError([Problem("is no field of a chip", key=path)])
    return spec


def figure_text(value: float | str | bool, spec: Spec, note: str) -> str:
    """A value as TOML: a physical figure with its provenance, a name or a choice bare."""
    text = value_text(value, spec)
    return f'{{ value = {text}, kind = "derived", note = {quoted(note)} }}' if spec.cited else text


def value_text(value: float | str | bool, spec: Spec) -> str:
    """A bare value as TOML that reads back bit-identical."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    text = units.exact(float(value), spec.dimension)
    return text if spec.dimension in ("1", "tokens") and " " not in text else quoted(text)


def quoted(text: str) -> str:
    """Text as a TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
