"""What is a chip as silicon? Modelled area, power, yield and slack of a catalogued chip beside what is published."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dse.arrays import leaf_names
from dse.assumptions import Assumptions
from dse.catalogue import Catalogue, list_entries
from dse.catalogue.build import build_assumptions, build_chips
from dse.catalogue.read import Entry
from dse.evaluate import Hardware, chip_limits, hardware_of
from dse.hardware.area import Area
from dse.hardware.chip import Chip
from dse.hardware.dies import footprint_of
from dse.hardware.power import FullLoad, full_load
from dse.hardware.yields import DieKind, dies_per_wafer
from dse.timing.memory import reuse_limits

__all__ = ["SLACK", "Die", "Examination", "Score", "chips_with_silicon", "examine", "once_each", "rated", "score"]

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


@dataclass(frozen=True, slots=True)
class Die:
    """One kind of die: name, count in a package, node, area of one as modelled and as published (nan: not).

    Areas [mm2]; defect_free, sellable: shares of the dies [1]; per_wafer: dies on a wafer [1].
    """

    name: str
    count: int
    node: str
    modelled: float
    published: float
    defect_free: float
    sellable: float
    per_wafer: float


@dataclass(frozen=True, slots=True)
class Examination:
    """A chip as silicon; nan where nothing is published.

    die: its maker's name for it; fitted: whether the area of its style was fitted to it; system: whether its
    published die holds more than the accelerator that is modelled; area [mm2], power [W], parts by name; power_kind:
    what the published power is; measured: whether the rate of its best product, and so its load, is a measurement;
    slack: room left in each limit as a share of it, nan where no limit is stated [1].
    """

    name: str
    title: str
    die: str
    style: str
    node: str
    fitted: bool
    system: bool
    area: float
    area_parts: dict[str, float]
    published_area: float
    power: float
    power_parts: dict[str, float]
    published_power: float
    power_kind: str
    measured: bool
    slack: dict[str, float]
    dies: tuple[Die, ...]

    @property
    def area_error(self) -> float:
        """ln(modelled / published) of the die area; nan where that cannot be compared."""
        return math.nan if self.system else math.log(self.area / self.published_area)

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
    style = str(entry.values["style"])
    document = next(doc for item in library.technology if (doc := getattr(item.document, "style", {}).get(style)))
    published = entry.values.get("package.full_load", entry.values["package.tdp"])
    key = "package.full_load" if "package.full_load" in entry.values else "package.tdp"
    return Examination(
        name=entry.name,
        title=str(getattr(entry.document, "title", name)),
        die=str(entry.values.get("package.die", entry.name)),
        style=style,
        node=str(entry.values["process.node"]),
        fitted=entry.name in document.fitted_to,
        system=bool(entry.values.get("package.whole_system", False)),
        area=float(hardware.area.total),
        area_parts={part: float(getattr(hardware.area, part)) for part in leaf_names(Area)},
        published_area=number_or_nan(entry.values.get("package.die_area")),
        power=float(load.total),
        power_parts={part: float(getattr(load, part)) for part in leaf_names(FullLoad)},
        published_power=float(published),
        power_kind=entry.figures[key].kind,
        measured="matrix.measured_peak" in entry.values,
        slack=slack_of(chip, hardware, load),
        dies=dies_of(entry, chip, hardware, assumptions),
    )


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
    cooling = chip.package.power_density_limit * footprint_of(chip, hardware.dies)
    room["power_density"] = 1.0 - float(chip.package.power_limit) / float(cooling)
    unstated = room["rack"] > NEVER_BINDS
    return {name: math.nan if name == "rack" and unstated else value for name, value in room.items()}


def dies_of(entry: Entry, chip: Chip, hardware: Hardware, assumptions: Assumptions) -> tuple[Die, ...]:
    """The kinds of die of a package."""
    modelled, silicon = hardware.plan.dies, assumptions.silicon
    published, base = number_or_nan(entry.values.get("package.die_area")), float(chip.base.dies)
    on_base = number_or_nan(entry.values.get("base.die_area")) if base else 0.0
    one = str(entry.values.get("package.die", entry.name))

    def die(name: str, node: str, kind: DieKind, modelled_area: float, published_area: float) -> Die:
        count = int(kind.count)
        grid = (silicon.wafer_diameter, silicon.edge_exclusion, silicon.scribe)
        return Die(
            name=name,
            count=count,
            node=node,
            modelled=modelled_area / count,
            published=published_area / count,
            defect_free=float(kind.defect_free),
            sellable=float(kind.sellable),
            per_wafer=float(dies_per_wafer(kind.area, *grid)),
        )

    node = str(entry.values["process.node"])
    found = [die(one, node, hardware.kinds[0], float(modelled.compute), published - on_base)]
    if base:
        base_node = str(entry.values["base.node"])
        found.append(die(f"{one} base", base_node, hardware.kinds[1], float(modelled.base), on_base))
    return tuple(found)


def chips_with_silicon(catalogue: Catalogue) -> list[str]:
    """Every chip of the catalogue by name."""
    return [str(row["name"]) for row in list_entries("chip", catalogue)]


def once_each(examined: Iterable[Examination]) -> list[Examination]:
    """One chip for each die whose area is published and comparable: the fitted one, else the most complete.

    Products of one die differ in what is switched off; the one with the largest modelled area has the fewest guesses.
    """
    found: dict[str, Examination] = {}
    for item in sorted(examined, key=lambda one: (not one.fitted, -one.area)):
        if not math.isnan(item.area_error):
            found.setdefault(item.die, item)
    return sorted(found.values(), key=lambda one: (one.style, one.name))


def rated(examined: Sequence[Examination]) -> list[Examination]:
    """Chips whose power is that of their silicon: of each die the product that is allowed the most.

    Others of the same die are held below what it draws; cards and systems that draw pictures are rated for that and
    left out; ratings that are assumed are no evidence.
    """
    most: dict[str, Examination] = {}
    for item in examined:
        plain = item.style != "graphics" and not item.system and item.power_kind not in ("assumed", "hypothetical")
        if plain and item.published_power > getattr(most.get(item.die), "published_power", 0.0):
            most[item.die] = item
    return sorted(most.values(), key=lambda one: (one.style, one.name))


def score(group: str, errors: Iterable[float]) -> Score:
    """What a group of errors ln(modelled / published) comes to."""
    found = np.array([error for error in errors if not math.isnan(error)])
    size = np.abs(found)
    return Score(group, len(found), float(np.median(size)), float(size.max()), float(np.exp(found.mean())))
