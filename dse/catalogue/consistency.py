"""Do the values of a file fit together? Names that exist, parts that need each other, published totals that close."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from dse import units
from dse.catalogue.accumulation import KEY, accumulator_of
from dse.catalogue.count import parameters
from dse.catalogue.errors import CatalogueError, Problem, listed, nearest
from dse.catalogue.formats import format_faults
from dse.catalogue.making import Names, fixed_number, place_of, possible, silicon_faults
from dse.catalogue.read import Entry, draft_entry, read_text
from dse.catalogue.schema import SpaceDocument, SpaceTable, spec_of
from dse.catalogue.space import usable_conditions
from dse.sources import Cited

__all__ = ["checked_entry", "faults_of", "read_entry", "transformer_faults"]

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


def read_entry(path: Path, names: Names, kind: str = "") -> Entry:
    """A file as a sound entry; arguments as for `checked_entry`."""
    return checked_entry(read_text(path), path, names, kind)


def checked_entry(text: str, path: Path, names: Names, kind: str = "") -> Entry:
    """Text as the sound entry that the file at the path would be; CatalogueError with every fault of it at once.

    names: the catalogue that its names must be in; kind: required of it when given.
    """
    entry, faults = draft_entry(text, path, kind)
    try:
        faults += faults_of(entry, names)
    except CatalogueError as error:  # a file that this one refers to cannot be used
        faults += error.problems
    if faults:
        raise CatalogueError(dict.fromkeys(faults))
    return entry


def faults_of(entry: Entry, names: Names) -> list[Problem]:
    """Every fault of an entry, or of what is sound in a draft, that its schema alone cannot see."""
    if entry.kind in ("chip", "space"):
        faults = [*name_faults(entry, names), *part_faults(entry), *sum_faults(entry, names)]
        return [*faults, *(chip_faults(entry, names) if entry.kind == "chip" else space_faults(entry, names))]
    if entry.kind == "transformer":
        return list(transformer_faults(entry))
    if entry.kind == "portfolio":
        return list(portfolio_faults(entry, names))
    return list(format_faults(entry)) if entry.kind == "format" else []


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
            place_of(what, str(value), names)
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
        if not kinds:
            continue
        given = [path for path in present if path.startswith(f"{part}.") and path != f"{part}.kind"]
        if kinds == ["none"]:
            for path in given:
                rule = f"stands beside {part}.kind = 'none'"
                yield Problem(rule, str(entry.path), path, way_out="remove it or name a kind")
        else:
            for key in needed:
                if not entry.stated(f"{part}.{key}"):
                    yield Problem("missing", str(entry.path), f"{part}.{key}", way_out="or kind = 'none'")


def sum_faults(entry: Entry, names: Names) -> Iterator[Problem]:
    """Formats in which products cannot be added up; one that is no format at all is a fault of names."""
    for value in possible(entry, KEY):
        with suppress(CatalogueError):
            found = names.entry("format", str(value))
            try:
                accumulator_of(found)
            except CatalogueError as error:
                yield from [replace(problem, file=str(entry.path)) for problem in error.problems]


def chip_faults(entry: Entry, names: Names) -> Iterator[Problem]:
    """What does not close in a chip: its native format, its peak, the bandwidth of its stacks."""
    file, native = str(entry.path), entry.values.get("matrix.native")
    rates = {path.removeprefix("matrix.rates."): path for path in entry.values if path.startswith("matrix.rates.")}
    if native is None or entry.is_broken(f"matrix.rates.{native}"):
        pass
    elif native not in rates:
        way_out = f"write rates = {{ {native} = 1, ... }}"
        yield Problem("lacks the native format", file, "matrix.rates", listed(rates), way_out=way_out)
    elif entry.values[rates[native]] != 1.0:
        path = rates[str(native)]
        yield Problem("the native format must have rate 1", file, path, units.readable(fixed_number(entry, path), "1"))
    rows, split = fixed_number(entry, "matrix.rows"), fixed_number(entry, "matrix.split")
    if split and rows % split:
        yield Problem("must divide matrix.rows", file, "matrix.split", units.readable(split, "1"))
    yield from peak_faults(entry)
    yield from stack_faults(entry, names)
    yield from silicon_faults(entry, names)


def peak_faults(entry: Entry) -> Iterator[Problem]:
    """A published dense peak that is not units x rows x columns x 2 x clock."""
    published = fixed_number(entry, "matrix.published_peak")
    product = 2.0
    for name in ("clock", "units", "rows", "columns"):
        product *= fixed_number(entry, f"matrix.{name}")
    if published and product and abs(product / published - 1.0) > PEAK_TOLERANCE:
        rule = f"is not units x rows x columns x 2 x clock = {units.readable(product, 'FLOP/s', 6)} within 1 %"
        value = units.readable(published, "FLOP/s", 6)
        way_out = "derive an effective clock, and say so in its note"
        yield Problem(rule, str(entry.path), "matrix.published_peak", value, way_out=way_out)


def stack_faults(entry: Entry, names: Names) -> Iterator[Problem]:
    """A bandwidth far from stacks x the kind's, without a note that says why."""
    kind = str(entry.values.get("memory.kind", "none"))
    memories = names.shelf("memory")
    if kind == "none" or kind not in memories.rows or entry.is_broken("memory.stacks"):
        return
    expected = fixed_number(entry, "memory.stacks") * float(memories.columns["bandwidth"][memories.row(kind)])
    figure, given = entry.figures.get("memory.bandwidth", Cited(0.0)), fixed_number(entry, "memory.bandwidth")
    if given and abs(given - expected) > STACK_TOLERANCE * given and not figure.note:
        rule = f"differs from stacks x {kind} = {units.readable(expected, 'bytes/s')} by more than 10 % without a note"
        yield Problem(rule, str(entry.path), "memory.bandwidth", units.readable(given, "bytes/s"))


def space_faults(entry: Entry, names: Names) -> Iterator[Problem]:
    """What is wrong with the job of a space, its grid and its conditions."""
    file = str(entry.path)
    yield from condition_faults(entry, names)
    if isinstance(entry.document, SpaceDocument):
        yield from job_faults(entry, entry.document.space, names)
    if not entry.free and not entry.broken:
        yield Problem("has no free field", file, way_out="give at least one { low, high } or { choices }")


def condition_faults(entry: Entry, names: Names) -> Iterator[Problem]:
    """Conditions that cannot be used, and names in them that nothing has."""
    yield from usable_conditions(entry)[1]
    for path, field in entry.free.items():
        for comparison in field.when.comparisons if field.when is not None else ():
            spec = spec_of("space", comparison.path)
            literal = comparison.literal
            if spec is not None and spec.names and not spec.choices:
                values = literal if isinstance(literal, tuple) else (literal,)
                wrong = list(unknown(entry, f"{path}.when", spec.names, values, names))
                yield from wrong or called_otherwise(entry, f"{path}.when", comparison.path, values, names)


def called_otherwise(entry: Entry, key: str, path: str, values: Iterable[object], names: Names) -> Iterator[Problem]:
    """A fault for each name in a condition that the field at a path has under another of its aliases only."""
    spec, choices = spec_of("space", path), possible(entry, path)
    what = "" if spec is None else spec.names
    for value, choice in itertools.product(values, choices):
        with suppress(CatalogueError):
            if value not in choices and place_of(what, str(choice), names) == place_of(what, str(value), names):
                rule = f"never holds: {path} has it under another name"
                yield Problem(rule, str(entry.path), key, repr(value), nearest=str(choice))


def job_faults(entry: Entry, job: SpaceTable, names: Names) -> Iterator[Problem]:
    """What is wrong with the model, traffic, price basis and grid of a space."""
    file = str(entry.path)
    for key, kind in (("model", "transformer"), ("traffic", "traffic")):
        if not entry.is_broken(f"space.{key}"):
            yield from unknown(entry, f"space.{key}", kind, [getattr(job, key)], names)
    if job.portfolio and not entry.is_broken("space.portfolio"):
        yield from unknown(entry, "space.portfolio", "portfolio", [job.portfolio], names)
    basis = PRICE_BASES[0] if entry.is_broken("space.price_basis") else job.price_basis
    if basis not in PRICE_BASES:
        close = nearest(basis, PRICE_BASES)
        yield Problem("unknown price basis", file, "space.price_basis", repr(basis), listed(PRICE_BASES), close)
    for path in {} if entry.is_broken("space.grid") else job.grid:
        if path not in entry.free and not entry.is_broken(path):
            close = nearest(path, entry.free)
            yield Problem("is no free field", file, f"space.grid.{path}", "", listed(entry.free, near=path), close)


def portfolio_faults(entry: Entry, names: Names) -> Iterator[Problem]:
    """Pairs of names that stand for nothing, twice the same pair, and weights that add up to nothing."""
    file, pairs = (
        str(entry.path),
        dict.fromkeys(path.removeprefix("pair.").rpartition(".")[0] for path in entry.figures),
    )
    seen: dict[tuple[object, object], str] = {}
    for pair in pairs:
        for key, kind in (("model", "transformer"), ("traffic", "traffic")):
            if f"pair.{pair}.{key}" in entry.values:
                path = f"pair.{pair}.{key}"
                yield from unknown(entry, path, kind, [entry.values[path]], names)
        job = (entry.values.get(f"pair.{pair}.model"), entry.values.get(f"pair.{pair}.traffic"))
        if None not in job and seen.setdefault(job, pair) != pair:
            way_out = "give one of them the weight of both"
            yield Problem(f"is the same job as pair.{seen[job]}", file, f"pair.{pair}", way_out=way_out)
    if not pairs and not entry.broken:
        way_out = "add [pair.NAME] with model, traffic and weight"
        yield Problem("has no pair of model and traffic", file, "pair", way_out=way_out)
    elif not entry.broken and not sum(fixed_number(entry, f"pair.{pair}.weight") for pair in pairs):
        yield Problem("the weights add up to zero", file, "pair", way_out="give at least one pair a weight above zero")


def transformer_faults(entry: Entry) -> Iterator[Problem]:
    """What does not fit in a model: its parts, and the published number of parameters."""
    file, value = str(entry.path), lambda path: fixed_number(entry, path)
    parts = ("attention", "latent_attention", "feed_forward", "experts", "state_space", "linear_attention")
    layers = [f"{part}.layers" for part in parts]
    if not entry.broken and not any(value(path) for path in [*layers, "attention.window_layers"]):
        yield Problem("has no layers in any part", file, way_out="add [attention], [feed_forward] ...")
    windowed = value("attention.window_layers") and not entry.is_broken("attention.window")
    if windowed and not value("attention.window"):
        yield Problem("must be above zero where layers have a window", file, "attention.window", "0")
    if value("attention.kv_heads") and value("attention.heads") % value("attention.kv_heads"):
        kv_heads = units.readable(value("attention.kv_heads"), "1")
        yield Problem("must divide attention.heads", file, "attention.kv_heads", kv_heads)
    if value("experts.active") > value("experts.count") > 0:
        active = units.readable(value("experts.active"), "1")
        yield Problem("is more than experts.count", file, "experts.active", active)
    for path in layers:
        if value(path) > value("architecture.layers") > 0:
            depth = units.readable(value("architecture.layers"), "1")
            yield Problem(f"is more than architecture.layers = {depth}", file, path, units.readable(value(path), "1"))
    if entry.broken:
        return
    yield from pattern_faults(entry)
    published, counted = value("parameters"), parameters(entry.values)
    if abs(counted - published) > value("parameters_tolerance") * published:
        rule = f"the sizes give {counted:,} parameters, outside parameters_tolerance of the published count"
        yield Problem(rule, file, "parameters", f"{int(published):,}")


# Letters of architecture.pattern and the layers that each stands for.
LETTERS = {
    "*": "attention.layers",
    "W": "attention.window_layers",
    "A": "latent_attention.layers",
    "L": "linear_attention.layers",
    "M": "state_space.layers",
    "-": "feed_forward.layers",
    "E": "experts.layers",
}


def pattern_faults(entry: Entry) -> Iterator[Problem]:
    """A list of layers that holds unknown letters, is not as long as the model or differs from the counts of a part.

    Each letter is a layer, "MEM*"; with spaces each word is one, "LE LE LE *E".
    """
    file, key, pattern = str(entry.path), "architecture.pattern", str(entry.values.get("architecture.pattern", ""))
    if not pattern:
        return
    strange = set(pattern) - set(LETTERS) - {" "}
    if strange:
        yield Problem("has unknown letters", file, key, listed(sorted(strange)), listed(LETTERS))
    length, depth = len(pattern.split() if " " in pattern else pattern), int(fixed_number(entry, "architecture.layers"))
    if length != depth:
        yield Problem(f"is not as long as architecture.layers = {depth}", file, key, f"{length} layers")
    for letter, path in LETTERS.items():
        count, given = pattern.count(letter), int(fixed_number(entry, path))
        if count != given:
            yield Problem(f"differs from the {count} in {key} ({letter!r})", file, path, str(given))
