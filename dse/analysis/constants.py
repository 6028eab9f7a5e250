"""On which constants does a result rest? Every catalogued figure that enters a chip and its money, with its range."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import jax
import numpy as np

from dse.analysis.comparison import Job
from dse.assumptions import Assumptions
from dse.best_mapping import best_mapping
from dse.catalogue.build import build_assumptions, build_chips
from dse.catalogue.edit import edited_library, with_value
from dse.catalogue.fields import Spec
from dse.catalogue.library import INDUSTRY, Library
from dse.catalogue.listing import named_files
from dse.catalogue.read import Entry
from dse.catalogue.schema import specs_of_kind
from dse.hardware.chip import Chip
from dse.search.objective import broken_limits, limits_of
from dse.sources import Cited, Source

__all__ = ["Built", "Constant", "Scores", "Terms", "built", "constants_of", "entering", "scores_of", "stacked"]

Built = tuple[Chip, Assumptions]
"""A chip and the assumptions that it is evaluated under."""


DEFAULTS = ("none", "switch")
"""Names that stand for what a chip file leaves out."""


@runtime_checkable
class Terms(Protocol):
    """What chips are built from and whose money counts; a `Job` has them all."""

    @property
    def library(self) -> Library:
        """What chips are made of."""
        ...

    @property
    def price_basis(self) -> str:
        """Which price comparisons use."""
        ...

    @property
    def buyer(self) -> str:
        """Whose money it is."""
        ...

    @property
    def volume(self) -> float:
        """Chips over which development is spread, 0 when it is left out [1]."""
        ...

    @property
    def assumptions(self) -> Assumptions:
        """What follows from these."""
        ...


@dataclass(frozen=True)
class Constant:
    """A figure of the catalogue that a result may rest on.

    entry: its file; path: in the file; dimension: of its base unit; cited: value with range and provenance.
    """

    entry: Entry
    path: str
    dimension: str
    value: float
    cited: Cited

    @property
    def key(self) -> str:
        """Where it stands: kind, file and path."""
        return f"{self.entry.kind}/{self.entry.name}/{self.path}"

    @property
    def label(self) -> str:
        """What it is, in words, and in brackets whose."""
        *tables, field = self.path.split(".")
        words = field.replace("_", " ")
        if self.entry.kind == "chip":
            return f"{' '.join([*tables, words])} ({self.entry.name})"
        owner = tables[-1] if len(tables) > 1 else self.entry.name if self.entry.kind in ("software", "format") else ""
        return f"{words} ({owner})" if owner else words

    @property
    def fitted(self) -> bool:
        """Whether measured rows say it; its range then holds 80 %."""
        return self.entry.kind == "calibration"

    @property
    def source(self) -> Source | None:
        """The work that it is taken from, None where it is judged without one."""
        return self.entry.sources.get(self.cited.source)

    @property
    def range(self) -> tuple[float, float]:
        """Low and high, the value itself for an end that is not stated [base units]."""
        return self.cited.range

    @property
    def ranged(self) -> bool:
        """Whether a range is stated at all."""
        return self.cited.low is not None or self.cited.high is not None


def spec_at(kind: str, path: str) -> Spec | None:
    """The declaration of a dotted path in files of a kind, '*' standing for any key."""
    declared = specs_of_kind(kind)
    parts = path.split(".")
    starred = (".".join([*parts[:place], "*", *parts[place + 1 :]]) for place in range(len(parts)))
    return next((declared[name] for name in [path, *starred] if name in declared), None)


def constants_in(entry: Entry) -> Iterator[Constant]:
    """The numbers of a file that have a range or are prices."""
    for path, cited in entry.figures.items():
        spec = spec_at(entry.kind, path)
        if spec is None or spec.kind != "number" or spec.integer or not isinstance(cited.value, float):
            continue
        if cited.low is not None or cited.high is not None or "USD" in spec.dimension:
            yield Constant(entry, path, spec.dimension, cited.value, cited)


def constants_of(chips: Iterable[Entry], terms: Terms) -> list[Constant]:
    """The constants of the files behind some chips: their own, technology, economics, formats, software and its fit.

    Of kinds that have names (nodes, memories, links, buyers ...) only those that a chip or the terms name.
    """
    library, files = terms.library, {}
    named_by_chips = {value for chip in chips for value in chip.values.values() if isinstance(value, str)}
    used = used_entries({terms.buyer, *DEFAULTS, *named_by_chips}, library)
    for chip in chips:
        named = [library.load(kind, name) for kind, names in named_files(chip) for name in names]
        fitted = [library.calibration] if library.calibration is not None else []
        for entry in (chip, *library.technology, library.economics, *named, *fitted):
            files[entry.kind, entry.name] = entry
    found = (constant for entry in files.values() for constant in constants_in(entry))
    return [constant for constant in found if owner_of(constant, library) in used]


def used_entries(words: Iterable[str], library: Library) -> set[tuple[str, str]]:
    """Kind and name of every entry of technology and economics that some words name, and of what has no name."""
    asked, found = set(words), {("", "")}
    for kind, shelf in library.shelves.items():
        found |= {(kind, shelf.names[shelf.rows[word]]) for word in asked if word in shelf.rows}
    return found


def owner_of(constant: Constant, library: Library) -> tuple[str, str]:
    """Kind and name of the entry of technology or economics that a constant belongs to, ('', '') for none."""
    kind, name, *_ = [*constant.path.split("."), ""]
    within = constant.entry.kind in ("technology", "economics") and kind in library.shelves
    return (kind, name) if within else ("", "")


def built(chip: Entry, terms: Terms, constant: Constant | None = None, value: float = 0.0) -> Built:
    """A chip of the catalogue and its assumptions, with one constant at another value [base units]."""
    if constant is None:
        return build_chips(chip.values, terms.library), terms.assumptions
    if constant.entry.kind == "chip":
        own = with_value(chip, constant.path, value) if constant.entry.name == chip.name else chip
        return build_chips(own.values, terms.library), terms.assumptions
    library = edited_library(terms.library, constant.entry, constant.path, value)
    if owner_of(constant, library)[0] in INDUSTRY:
        return build_chips(chip.values, library), terms.assumptions
    return build_chips(chip.values, library), build_assumptions(library, terms.price_basis, terms.buyer, terms.volume)


def leaves_of(tree: Built) -> tuple[float, ...]:
    """Every number of a chip and its assumptions."""
    return tuple(float(leaf) for leaf in jax.tree.leaves(tree))


def entering(constants: Iterable[Constant], chips: Sequence[Entry], terms: Terms) -> list[Constant]:
    """Those of some constants that move a number of any of some chips or of their assumptions."""
    now = [leaves_of(built(chip, terms)) for chip in chips]

    def moves(constant: Constant) -> bool:
        low, high = constant.range
        other = high if high != constant.value else low if low != constant.value else 1.1 * constant.value
        return any(leaves_of(built(chip, terms, constant, other)) != old for chip, old in zip(chips, now, strict=True))

    return [constant for constant in constants if moves(constant)]


def stacked(trees: Sequence[Built]) -> Built:
    """Leaves (designs,) from a list of scalar ones."""
    return jax.tree.map(lambda *leaves: np.array(leaves, np.float64), *trees)


@dataclass(frozen=True)
class Scores:
    """What designs reach under their best mapping.

    tokens_per_dollar: (designs,) [1/USD], NaN where none keeps all limits; place: of the mapping in the lattice of the
    job (designs,); broken: limits that each design exceeds, as need over limit minus one [1].
    """

    tokens_per_dollar: np.ndarray
    place: np.ndarray
    broken: list[dict[str, float]]


def scores_of(designs: Sequence[Built], job: Job) -> Scores:
    """Designs under their best mappings: equal ones once, and all that share how requests are served in one call."""
    keys = [leaves_of(design) for design in designs]
    groups: dict[tuple[float, ...], dict[tuple[float, ...], Built]] = {}
    for key, design in zip(keys, designs, strict=True):
        served = tuple(float(leaf) for leaf in jax.tree.leaves(design[1].serving))
        groups.setdefault(served, {})[key] = design
    found: dict[tuple[float, ...], tuple[float, int, dict[str, float]]] = {}
    for group in groups.values():
        found |= dict(zip(group, scores_of_group(list(group.values()), job), strict=True))
    values, places, broken = zip(*(found[key] for key in keys), strict=True)
    return Scores(np.array(values), np.array(places), list(broken))


def scores_of_group(designs: Sequence[Built], job: Job) -> list[tuple[float, int, dict[str, float]]]:
    """Tokens per dollar [1/USD], place of the mapping and broken limits of designs that are served alike."""
    chips, assumptions = stacked(designs)
    given = replace(assumptions, serving=designs[0][1].serving)
    best = best_mapping(chips, job.transformer, job.requests, given, mappings=job.mappings)
    found = []
    for place in range(len(designs)):
        broken = broken_limits(limits_of(best.metrics, place))
        value = np.nan if broken else float(best.metrics.tokens_per_dollar[place])
        found.append((value, int(best.index[place]), broken))
    return found
