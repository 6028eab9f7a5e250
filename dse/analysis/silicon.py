"""What is a chip as silicon? Modelled area, power, yield and slack of a catalogued chip beside what is published."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dse.arrays import leaf_names
from dse.assumptions import Silicon
from dse.catalogue import Catalogue, list_entries
from dse.catalogue.build import build_assumptions, build_chips
from dse.catalogue.library import Library
from dse.catalogue.read import Entry
from dse.evaluate import Hardware, chip_limits, hardware_of
from dse.hardware.area import Area
from dse.hardware.chip import Chip
from dse.hardware.power import FullLoad, full_load
from dse.hardware.throttle import heat_removed
from dse.hardware.yields import DieKind, dies_per_wafer
from dse.timing.memory import reuse_limits

__all__ = [
    "SLACK",
    "Die",
    "Examination",
    "Score",
    "chips_with_silicon",
    "examine",
    "known_dies",
    "rated",
    "score",
    "standing",
]

SIXTEEN_BIT = ("bf16", "fp16")
SLACK = {
    "edge": "die_edge",
    "reticle": "die_area",
    "silicon": "silicon_area",
    "sram_bandwidth": "sram_bandwidth",
    "rack": "rack_power",
}
"""Names of the slack -> limits of the chip; room left is their excess with the other sign."""
NEVER_BINDS = 0.999
"""Room above which a limit was not stated: the default of a rack is a gigawatt [1]."""


PUBLISHED = ("published", "measured")


def standing(kind: str) -> str:
    """What a figure of a file is worth as evidence: 'published' by its maker or measured, else an 'estimate'.

    >>> standing("measured"), standing("derived"), standing("assumed")
    ('published', 'estimate', 'estimate')
    """
    return "published" if kind in PUBLISHED else "estimate"


@dataclass(frozen=True, slots=True)
class Die:
    """One kind of die of a chip: areas of one as modelled, by part, and as others say (nan: nobody does).

    count: in a package [1]; modelled, published, parts [mm2]; standing: what the published area is, '' without one;
    fitted: whether the area of its style was fitted to it; defect_free, sellable: shares of the dies [1]; per_wafer:
    dies on a wafer [1].
    """

    name: str
    chip: str
    style: str
    count: int
    node: str
    modelled: float
    parts: dict[str, float]
    published: float
    standing: str
    fitted: bool
    defect_free: float
    sellable: float
    per_wafer: float

    @property
    def error(self) -> float:
        """ln(modelled / published)."""
        return math.log(self.modelled / self.published)


@dataclass(frozen=True, slots=True)
class Examination:
    """A chip as silicon; nan where nothing is published.

    die: its maker's name for it; system: whether its dies hold more than the accelerator that is modelled; area [mm2],
    power [W], parts by name; power_kind: what the published power is; measured: whether the rate of its best product,
    and so its load, is a measurement; slack: room left in each limit as a share of it, nan where no limit is stated
    [1].
    """

    name: str
    title: str
    die: str
    style: str
    node: str
    system: bool
    area: float
    area_parts: dict[str, float]
    power: float
    power_parts: dict[str, float]
    published_power: float
    power_kind: str
    measured: bool
    slack: dict[str, float]
    dies: tuple[Die, ...]

    @property
    def published_area(self) -> float:
        """All dies of a package as others say, nan where a kind of them is unknown [mm2]."""
        return sum(die.count * die.published for die in self.dies)

    @property
    def area_standing(self) -> str:
        """What the published area of the package is: an estimate as soon as that of one die is; '' without one."""
        kinds = {die.standing for die in self.dies}
        return "" if "" in kinds else min(kinds)

    @property
    def power_error(self) -> float:
        """ln(modelled / published) of the power."""
        return math.log(self.power / self.published_power)


@dataclass(frozen=True, slots=True)
class Score:
    """Errors of a group: how many, median and largest |ln(modelled / published)|, geometric mean of the ratio."""

    group: str
    count: int
    median: float
    largest: float
    bias: float


def sixteen_bit(entry: Entry) -> str:
    """The format of full load: bf16, else fp16 where that runs at the native rate, else the native one."""
    native = str(entry.values["matrix.native"])
    at_full_rate = [name for name in SIXTEEN_BIT if name == native or entry.values.get(f"matrix.rates.{name}") == 1.0]
    return at_full_rate[0] if at_full_rate else native


def examine(catalogue: Catalogue, name: str) -> Examination:
    """A chip of the catalogue as silicon, at full load in its 16-bit format."""
    entry, library = catalogue.entry("chip", name), catalogue.library
    formats = {f"numerics.{key}": sixteen_bit(entry) for key in ("weights", "activations", "kv_cache")}
    chip, assumptions = build_chips({**entry.values, **formats}, library), build_assumptions(library)
    hardware = hardware_of(chip, assumptions)
    load = full_load(chip, assumptions.silicon, hardware.plan, reuse_limits(chip)[0])
    published = entry.values.get("package.full_load", entry.values["package.tdp"])
    key = "package.full_load" if "package.full_load" in entry.values else "package.tdp"
    return Examination(
        name=entry.name,
        title=str(getattr(entry.document, "title", name)),
        die=str(entry.values.get("package.die", entry.name)),
        style=str(entry.values["style"]),
        node=str(entry.values["process.node"]),
        system=bool(entry.values.get("package.whole_system", False)),
        area=float(hardware.area.total),
        area_parts=named(hardware.area),
        power=float(load.total),
        power_parts=named(load),
        published_power=float(published),
        power_kind=entry.figures[key].kind,
        measured="matrix.measured_peak" in entry.values,
        slack=slack_of(chip, hardware, load),
        dies=dies_of(entry, hardware, assumptions.silicon, is_fitted(entry, library)),
    )


def named(parts: Area | FullLoad, count: int = 1) -> dict[str, float]:
    """Parts by name, of one of so many."""
    return {name: float(getattr(parts, name)) / count for name in leaf_names(type(parts))}


def is_fitted(entry: Entry, library: Library) -> bool:
    """Whether the area of the style of a chip was fitted to its die."""
    style = str(entry.values["style"])
    found = (getattr(item.document, "style", {}).get(style) for item in library.technology)
    return any(entry.name in document.fitted_to for document in found if document)


def number_or_nan(value: float | str | bool | None) -> float:
    """A stated number; nan where it is absent."""
    return math.nan if value is None else float(value)


def slack_of(chip: Chip, hardware: Hardware, load: FullLoad) -> dict[str, float]:
    """Room left in each limit of the chip as a share of the limit, nan where none is stated [1].

    Power is what the limit leaves at full load: below zero, the limit slows the clock down.
    """
    excess = chip_limits(chip, hardware)
    room = {name: -float(excess[limit]) for name, limit in SLACK.items()}
    room["power"] = 1.0 - float(load.total) / float(chip.package.power_limit)
    room["power_density"] = 1.0 - float(chip.package.power_limit) / float(heat_removed(chip, hardware.dies))
    unstated = room["rack"] > NEVER_BINDS
    return {name: math.nan if name == "rack" and unstated else value for name, value in room.items()}


def dies_of(entry: Entry, hardware: Hardware, silicon: Silicon, fitted: bool) -> tuple[Die, ...]:
    """The kinds of die of a package; base dies are named after the die that they serve."""
    grid = (silicon.wafer_diameter, silicon.edge_exclusion, silicon.scribe)

    def die(suffix: str, table: str, node: str, area: Area, kind: DieKind) -> Die:
        count, key = int(kind.count), f"{table}.die_area"
        return Die(
            name=str(entry.values.get("package.die", entry.name)) + suffix,
            chip=entry.name,
            style=str(entry.values["style"]),
            count=count,
            node=str(entry.values[node]),
            modelled=float(area.total) / count,
            parts=named(area, count),
            published=number_or_nan(entry.values.get(key)) / count,
            standing=standing(entry.figures[key].kind) if key in entry.values else "",
            fitted=fitted,
            defect_free=float(kind.defect_free),
            sellable=float(kind.sellable),
            per_wafer=float(dies_per_wafer(kind.area, *grid)),
        )

    plan, kinds = hardware.plan, hardware.kinds
    found = [die("", "package", "process.node", plan.compute, kinds[0])]
    if kinds[1].count > 0:
        found.append(die(" base", "base", "base.node", plan.base, kinds[1]))
    return tuple(found)


def chips_with_silicon(catalogue: Catalogue) -> list[str]:
    """Every chip of the catalogue by name."""
    return [str(row["name"]) for row in list_entries("chip", catalogue)]


def known_dies(examined: Iterable[Examination]) -> list[Die]:
    """Each die once whose area is known and comparable: the fitted one, else the most complete.

    Products of one die differ in what is switched off; the one with the largest modelled area has the fewest guesses.
    """
    found: dict[str, Die] = {}
    comparable = [die for item in examined if not item.system for die in item.dies if not math.isnan(die.published)]
    for die in sorted(comparable, key=lambda one: (not one.fitted, -one.modelled)):
        found.setdefault(die.name, die)
    return sorted(found.values(), key=lambda one: (one.style, one.chip, one.name))


def rated(examined: Sequence[Examination]) -> list[Examination]:
    """Chips whose power is that of their silicon: of each die the product that is allowed the most.

    Others of the same die are held below what it draws; cards and systems that draw pictures are rated for that and
    left out; ratings that are assumed are no evidence.
    """
    most: dict[str, Examination] = {}
    for item in sorted(examined, key=lambda one: (not one.measured, one.name)):
        plain = item.style != "graphics" and not item.system and item.power_kind not in ("assumed", "hypothetical")
        if plain and item.published_power > getattr(most.get(item.die), "published_power", 0.0):
            most[item.die] = item
    return sorted(most.values(), key=lambda one: (one.style, one.name))


def score(group: str, errors: Iterable[float]) -> Score:
    """What a group of errors ln(modelled / published) comes to."""
    found = np.array([error for error in errors if not math.isnan(error)])
    size = np.abs(found)
    return Score(group, len(found), float(np.median(size)), float(size.max()), float(np.exp(found.mean())))
