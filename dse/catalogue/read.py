"""What does this file say? TOML to checked, flattened values in base units, with every fault of the file at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from dse.catalogue.errors import CatalogueError, FieldError, Problem, listed, nearest
from dse.catalogue.fields import Choices, Context, Figure, Range, shown
from dse.catalogue.locate import SHELVES
from dse.catalogue.schema import KINDS, Document, SpaceDocument, SpaceTable, is_table, specs_of_kind
from dse.sources import Cited, Source

__all__ = ["Entry", "draft_entry", "parse_entry", "read_text", "read_toml"]

Flat = dict[str, float | str | bool]


@dataclass(frozen=True)
class Entry:
    """A file of the catalogue, checked by its schema.

    values: fixed fields by dotted path, in base units; figures: the same with provenance; free: free fields;
    sources: the works cited in the file. broken: dotted paths at which the schema found faults; an entry that has some
    is a draft, good for looking for more faults and for nothing else.
    """

    kind: str
    name: str
    path: Path
    document: Document
    values: Flat = field(default_factory=dict)
    figures: dict[str, Cited] = field(default_factory=dict)
    free: dict[str, Range | Choices] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()

    def stated(self, path: str) -> bool:
        """Whether the file says something at a path, sound or not."""
        return path in self.values or path in self.free or self.is_broken(path)

    def is_broken(self, path: str) -> bool:
        """Whether the schema found a fault at, above or below a path."""
        return any(f"{path}.".startswith(f"{fault}.") or f"{fault}.".startswith(f"{path}.") for fault in self.broken)


def read_text(path: Path) -> str:
    """The text of a file; CatalogueError when it cannot be read or is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        rule = f"is not UTF-8 text (byte {error.start})"
        raise CatalogueError([Problem(rule, file=str(path), way_out="save it as UTF-8")]) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CatalogueError([Problem(f"cannot be read: {reason}", file=str(path))]) from error


def read_toml(path: Path) -> dict[str, Any]:
    """The raw tables of a TOML file; CatalogueError with the line of a syntax error or a duplicate key."""
    return parse_toml(read_text(path), str(path))


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """The raw tables of TOML text; CatalogueError with the line of a syntax error or a duplicate key."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        duplicate = "Cannot overwrite" in str(error) or "twice" in str(error)
        told = str(error).replace("at end of document", f"at line {text.count(chr(10)) + 1}, the end of the file")
        rule = f"{'duplicate key' if duplicate else 'TOML syntax'}: {told}"
        raise CatalogueError([Problem(rule, file=file)]) from error
    except RecursionError as error:
        raise CatalogueError([Problem("is nested too deeply", file=file)]) from error


def parse_entry(text: str, path: Path, kind: str = "") -> Entry:
    """Text as the entry that the file at the path would be; CatalogueError with every fault that it shows alone."""
    entry, faults = draft_entry(text, path, kind)
    if faults:
        raise CatalogueError(faults)
    return entry


def draft_entry(text: str, path: Path, kind: str = "") -> tuple[Entry, list[Problem]]:
    """Text as an entry of what is sound in it, and every fault that the file alone shows.

    kind: required of it when given. CatalogueError when no kind can be made out, so that nothing else can be said.
    """
    raw = parse_toml(text, str(path))
    found, faults = kind_of_file(raw, path, kind)
    document, wrong = validated(raw, found, str(path))
    faults += wrong
    if document is None:
        entry = sound_part(raw, found, path, frozenset(problem.key for problem in faults))
    else:
        entry = Entry(found, document.name, path, document)
        for key, figure in figures_of(document):
            add_figure(entry, key, figure)
        for key, source in document.sources.items():
            entry.sources[key] = Source(key, source.title, source.locator, source.date)
    return entry, faults + name_faults(entry)


def kind_of_file(raw: dict[str, Any], path: Path, kind: str) -> tuple[str, list[Problem]]:
    """The kind that a file has, or most probably should have had, and the fault if it does not say so."""
    found, file = raw.get("kind"), str(path)
    if isinstance(found, str) and found in KINDS and kind in ("", found):
        return found, []
    close = nearest(str(found), KINDS) if found is not None and not kind else ""
    rule = "missing" if found is None else "unknown kind of file" if not kind else "is the wrong kind of file"
    value = "" if found is None else shown(found)
    fault = Problem(rule, file, "kind", value, allowed=kind or listed(KINDS), nearest=close)
    shelved = next((name for name, folder in SHELVES.items() if path.resolve().parent.match(folder)), "")
    guess = "" if isinstance(found, str) and found in KINDS else close or kind or shelved
    if not guess:
        raise CatalogueError([fault])
    return guess, [fault]


def context_of(raw: dict[str, Any], kind: str) -> Context:
    """What the fields of a file must know of it."""
    sources = raw.get("sources")
    keys = frozenset(sources) if isinstance(sources, dict) else frozenset()
    return Context(keys, free=kind == "space", must_cite=kind in ("chip", "transformer", "technology"))


def validated(raw: dict[str, Any], kind: str, file: str) -> tuple[Document | None, list[Problem]]:
    """The raw tables as a document of its kind; None and every fault when they are none."""
    stated = raw if isinstance(raw.get("kind"), str) else raw | {"kind": kind}
    try:
        return KINDS[kind].model_validate(stated, context=context_of(raw, kind)), []
    except ValidationError as error:
        return None, problems_of(error, kind, file)


def sound_part(raw: dict[str, Any], kind: str, path: Path, broken: frozenset[str]) -> Entry:
    """What the schema finds no fault with in a file that has some."""
    name = raw.get("name")
    aliases = raw.get("aliases")
    named = {
        "kind": kind,
        "name": name if isinstance(name, str) and name else path.stem,
        "aliases": [alias for alias in aliases if isinstance(alias, str)] if isinstance(aliases, list) else [],
    }
    job = raw.get("space") if kind == "space" else None
    document = Document.model_construct(**named)
    if isinstance(job, dict):
        document = SpaceDocument.model_construct(**named, space=SpaceTable.model_construct(**job))
    entry = Entry(kind, named["name"], path, document, broken=broken)
    context = context_of(raw, kind)
    for declared, spec in specs_of_kind(kind).items():
        for key, value in stated_at(raw, declared.split(".")):
            with suppress(FieldError):
                add_figure(entry, key, spec.read(value, context))
    return entry


def stated_at(raw: Any, declared: list[str], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Raw values under a declared path with their dotted paths; '*' stands for every key."""
    if not declared:
        yield prefix, raw
    elif isinstance(raw, dict):
        for key in raw if declared[0] == "*" else [declared[0]]:
            if key in raw:
                yield from stated_at(raw[key], declared[1:], f"{prefix}.{key}" if prefix else key)


def problems_of(error: ValidationError, kind: str, file: str) -> list[Problem]:
    """The faults that pydantic collected, in our words."""
    found: list[Problem] = []
    for fault in error.errors(include_url=False):
        key = ".".join(str(part) for part in fault["loc"])
        cause = fault.get("ctx", {}).get("error")
        if isinstance(cause, FieldError):
            found += cause.at(file, key)
        elif fault["type"] == "extra_forbidden":
            valid = siblings(kind, fault["loc"][:-1])
            close = nearest(str(fault["loc"][-1]), valid)
            found.append(
                Problem("unknown key", file, key, allowed=listed(valid, near=str(fault["loc"][-1])), nearest=close)
            )
        elif fault["type"] == "missing":
            found.append(Problem("missing", file, key, way_out=f"see any shipped {kind} for how it is written"))
        else:
            rule = fault["msg"][:1].lower() + fault["msg"][1:]
            found.append(Problem(rule, file, key, value=shown(fault["input"])))
    return found


def siblings(kind: str, location: tuple[str | int, ...]) -> list[str]:
    """The keys that a table at a location may have."""
    table: Any = KINDS[kind]
    for part in location:
        annotation = table.model_fields[part].annotation if part in getattr(table, "model_fields", {}) else table
        table = inner_table(annotation)
    return list(getattr(table, "model_fields", {}))


def inner_table(annotation: Any) -> Any:
    """The table within an annotation such as `Table | None` or `dict[str, Table]`."""
    if is_table(annotation):
        return annotation
    return next((argument for argument in getattr(annotation, "__args__", ()) if is_table(argument)), annotation)


def figures_of(table: BaseModel, prefix: str = "") -> Iterator[tuple[str, Figure]]:
    """Every declared value of a document with its dotted path."""
    for name in type(table).model_fields:
        yield from figures_in(getattr(table, name), prefix + name)


def figures_in(value: Any, path: str) -> Iterator[tuple[str, Figure]]:
    """The declared values at and below a path."""
    if isinstance(value, Cited | Range | Choices):
        yield path, value
    elif isinstance(value, BaseModel):
        yield from figures_of(value, f"{path}.")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from figures_in(item, f"{path}.{key}")


def add_figure(entry: Entry, key: str, figure: Figure) -> None:
    """Sort a value of a file into the fixed or the free ones."""
    if isinstance(figure, Cited):
        entry.figures[key] = figure
        if key in LABELS:
            return
        entry.values[key] = figure.value
    else:
        entry.free[key] = figure


# Values that say something about a file and that no formula reads.
LABELS = frozenset({"status"})


def name_faults(entry: Entry) -> list[Problem]:
    """Faults of the names of a file: its own must be the file's, and none may stand there twice."""
    file, document = str(entry.path), entry.document
    faults = []
    if entry.path.suffix == ".toml" and document.name != entry.path.stem:
        way_out = f"rename the file or write name = {entry.path.stem!r}"
        faults.append(Problem("must be the name of the file", file, "name", repr(document.name), way_out=way_out))
    names = [document.name, *document.aliases]
    faults += [
        Problem("is there twice", file, "aliases", repr(alias))
        for index, alias in enumerate(names)
        if alias in names[:index]
    ]
    return faults


def dimension_of(kind: str, path: str) -> str:
    """The dimension of a dotted path in files of a kind, '1' where it has none."""
    declared = specs_of_kind(kind)
    spec = declared.get(path) or declared.get(path.rpartition(".")[0] + ".*")
    return "1" if spec is None or spec.kind != "number" else spec.dimension
