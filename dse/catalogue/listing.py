"""What does a name stand for? Lists of names, and one entry with every figure, default and source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from dse import units
from dse.catalogue.conditions import Condition
from dse.catalogue.count import matrix_parameters, other_parameters
from dse.catalogue.errors import CatalogueError, Problem, listed, nearest
from dse.catalogue.execution import execution_of
from dse.catalogue.fields import Choices, Range, Value
from dse.catalogue.library import Library
from dse.catalogue.locate import SHELVES, head_of
from dse.catalogue.read import Entry, dimension_of
from dse.catalogue.schema import spec_of
from dse.catalogue.store import Catalogue
from dse.sources import Cited, Source, bibliography

__all__ = ["kind_of", "list_entries", "resolve", "used_sources"]

PLURALS = {**{f"{kind}s": kind for kind in SHELVES}, "models": "transformer", "model": "transformer"}


def kind_of(word: str) -> str:
    """The kind that a word of the command line means: 'chips' is 'chip'; CatalogueError when none."""
    kind = PLURALS.get(word, word)
    if kind not in SHELVES:
        close = nearest(word, [*SHELVES, *PLURALS])
        raise CatalogueError([Problem("unknown kind", value=repr(word), allowed=listed(SHELVES), nearest=close)])
    return kind


def list_entries(kind: str, catalogue: Catalogue) -> list[dict[str, Any]]:
    """Name, aliases, title and file of every entry of a kind, status and vendor of chips; no file is checked."""
    entries = []
    for name, path in sorted(catalogue.files(kind_of(kind)).items()):
        head = head_of(path)
        row = {"name": name, "aliases": list(head.get("aliases", [])), "title": str(head.get("title", ""))}
        row |= {key: str(head[key]) for key in ("vendor", "status") if key in head}
        entries.append(row | {"file": str(path)})
    return entries


def resolve(kind: str, name: str, catalogue: Catalogue) -> dict[str, Any]:
    """An entry with every figure of its own, every default that follows from them, and the works cited.

    values: one dict a figure with key, value [base units], unit, text, kind, source, at, note, low, high; a free
    field has its bounds or choices instead of a value. sources: key, title, locator, date. execution: of a chip and
    of software, every coefficient before and after measured rows were seen, and which of them evaluation uses.
    """
    what = kind_of(kind)
    entry = catalogue.entry(what, catalogue.adopt(what, name))
    rows = [row_of(entry, path, cited) for path, cited in entry.figures.items()]
    rows += [free_row(entry, path, field) for path, field in entry.free.items()]
    rows += derived_rows(entry, catalogue)
    works = used_sources([entry], catalogue.library)
    software = {"chip": str(entry.values.get("software", "")), "software": entry.name}.get(what, "")
    found = {"execution": execution_of(software, catalogue.library)} if software else {}
    for row in rows:
        row |= superseded(row["key"], found)
    return {
        "kind": entry.kind,
        "name": entry.name,
        "aliases": list(entry.document.aliases),
        "title": entry.document.heading,
        "file": str(entry.path),
        "values": rows,
        **found,
        "sources": [
            {"key": work.key, "title": work.title, "locator": work.locator, "date": work.date} for work in works
        ],
    }


def superseded(key: str, found: dict[str, Any]) -> dict[str, bool]:
    """Whether a row is a prior in whose place evaluation uses what was fitted; nothing of any other row."""
    profile = found.get("execution", {"name": "", "coefficients": []})
    priors = {row["key"]: row["fitted"] is not None for row in profile["coefficients"]}
    places = {
        f"{place}.{name}": fits
        for place in ("execution", f"software.{profile['name']}")
        for name, fits in priors.items()
    }
    return {"superseded": places[key]} if key in places else {}


def row_of(entry: Entry, path: str, cited: Cited, key: str = "") -> dict[str, Any]:
    """A fixed figure as a row."""
    dimension = dimension_of(entry.kind, path)
    value = cited.value
    text = units.readable(value, dimension, 6) if isinstance(value, float) else str(value)
    return {
        "key": key or path,
        "value": value,
        "unit": dimension if isinstance(value, float) else "",
        "text": text,
        "kind": cited.kind or "choice",
        "source": cited.source,
        "at": cited.at,
        "note": cited.note,
        "low": cited.low,
        "high": cited.high,
    }


def free_row(entry: Entry, path: str, field: Range | Choices) -> dict[str, Any]:
    """A free field as a row."""
    row: dict[str, Any] = {"key": path, "unit": dimension_of(entry.kind, path), "kind": "free", "note": field.because}
    if isinstance(field, Range):
        row |= {"low": field.low, "high": field.high, "log": field.log, "step": field.step}
    else:
        row |= {"choices": list(field.values)}
    when = field.when.text if isinstance(field.when, Condition) else None
    return row | {"text": free_text(field, row["unit"]), "when": when, "otherwise": field.otherwise}


def free_text(field: Range | Choices, dimension: str) -> str:
    """What a free field may be, in a few words: '0.9 GHz ... 1.9 GHz' or 'none, hbm3 or hbm4'."""

    def written(value: Value) -> str:
        return units.readable(value, dimension, 6) if isinstance(value, float) else str(value)

    if isinstance(field, Choices):
        *others, last = [written(value) for value in field.values]
        return f"{', '.join(others)} or {last}" if others else last
    scale = ", logarithmic" if field.log else f", step {written(field.step)}" if field.step else ""
    return f"{written(field.low)} ... {written(field.high)}{scale}"


def derived_rows(entry: Entry, catalogue: Catalogue) -> list[dict[str, Any]]:
    """What follows from the figures of an entry without being written in it."""
    if entry.kind == "chip":
        return [*default_rows(entry, catalogue.library), *technology_rows(entry, catalogue.library)]
    if entry.kind == "transformer":
        parts = {f"parameters.{name}": count for name, count in matrix_parameters(entry.values).items()}
        parts |= {f"parameters.other.{name}": count for name, count in other_parameters(entry.values).items()}
        return [derived(entry, path, float(count), "counted from the sizes") for path, count in parts.items() if count]
    return []


def derived(entry: Entry, path: str, value: float | str, note: str) -> dict[str, Any]:
    """A figure that follows from others as a row."""
    return row_of(entry, path, Cited(value, kind="derived", note=note))


def default_rows(entry: Entry, library: Library) -> Iterator[dict[str, Any]]:
    """The defaults of the fields that a chip file leaves out."""
    values = entry.values
    memory = str(values["memory.kind"])
    for key in ("capacity", "bandwidth"):
        if memory != "none" and f"memory.{key}" not in values:
            each = library.shelves["memory"].gather(memory)[key]
            stacks = float(values["memory.stacks"])
            note = f"{stacks:g} stacks of {memory}"
            yield derived(entry, f"memory.{key}", stacks * float(each), note)
    for link in ("scale_up", "scale_out"):
        kind = str(values[f"{link}.kind"])
        if f"{link}.latency" not in values and kind != "none":
            latency = library.shelves["link"].gather(kind)["latency"]
            yield derived(entry, f"{link}.latency", float(latency), f"of {kind}")
    for key in ("price.buy", "price.rent", "package.die_area"):
        if key not in values:
            yield derived(entry, key, "unknown", "not in the file; the model computes it")


# Field of a chip -> the shelf that its name is looked up in.
LOOKUPS = {
    "process.node": "process",
    "style": "style",
    "memory.kind": "memory",
    "far_memory.kind": "memory",
    "scale_up.kind": "link",
    "scale_out.kind": "link",
    "scale_up.topology": "topology",
    "scale_out.topology": "topology",
    "package.kind": "package",
    "price.margin": "margin",
}


def technology_rows(entry: Entry, library: Library) -> Iterator[dict[str, Any]]:
    """The figures of the technologies, formats and software that a chip names."""
    for what, name, figures in lookups_of(entry, library):
        kind = "economics" if what == "margin" else what if what in ("format", "software") else "technology"
        for key, cited in figures.items():
            path = {"format": key, "software": f"execution.{key}"}.get(what, f"{what}.{name}.{key}")
            spec = spec_of(kind, path) or spec_of(kind, f"{what}.*.{key}")
            dimension = "1" if spec is None else spec.dimension
            row = row_of(entry, "", cited, key=f"{what}.{name}.{key}")
            if isinstance(cited.value, float):
                row |= {"unit": dimension, "text": units.readable(cited.value, dimension, 6)}
            yield row


def lookups_of(entry: Entry, library: Library) -> list[tuple[str, str, dict[str, Cited]]]:
    """Shelf, name and figures of everything that a chip refers to, each once."""
    found: dict[tuple[str, str], dict[str, Cited]] = {}
    for path, what in LOOKUPS.items():
        name = entry.values.get(path)
        if isinstance(name, str):
            shelf = library.shelves[what]
            own = shelf.names[shelf.row(name)]
            found[what, own] = shelf.figures[own]
    for what, names in named_files(entry):
        shelf = library.files(what, names)
        found |= {(what, name): figures for name, figures in shelf.figures.items()}
    return [(what, name, figures) for (what, name), figures in found.items()]


def named_files(entry: Entry) -> list[tuple[str, list[str]]]:
    """The formats and the software that a chip names."""
    formats = [str(value) for path, value in entry.values.items() if path.startswith("numerics.")]
    formats += [path.rpartition(".")[2] for path in entry.values if path.startswith("matrix.rates.")]
    software = [str(entry.values["software"])] if "software" in entry.values else []
    return [("format", sorted(set(formats))), ("software", software)]


def used_sources(entries: Iterable[Entry], library: Library | None = None) -> list[Source]:
    """The works that entries cite, and those behind the technologies that chips among them name.

    library: None leaves the technologies out.
    """
    works: list[Source] = []
    for entry in entries:
        works += [entry.sources[cited.source] for cited in entry.figures.values() if cited.source in entry.sources]
        if library is not None and entry.kind == "chip":
            works += behind(entry, library)
    return bibliography(works)


def behind(entry: Entry, library: Library) -> Iterator[Source]:
    """The works that the technologies, formats and software of a chip cite."""
    holders = {str(holder.path): holder.sources for holder in (*library.technology, library.economics)}
    for what, name, figures in lookups_of(entry, library):
        if what in ("format", "software"):
            sources = library.load(what, name).sources
        else:
            sources = holders[library.shelves[what].files[name]]
        yield from (sources[cited.source] for cited in figures.values() if cited.source in sources)
