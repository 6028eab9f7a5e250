"""What is one more of it worth? Slopes of tokens per dollar to every resource and price of a chip.

Resources do not come alone: more units are more silicon, with its power, yield and cost, and the price of the package
follows its cost to make. Where a die area, a price or a rent is published it is moved by what the model says of the
difference. Dies per wafer, whole numbers, are counted as continuous ones, or one more mm2 would be free on most wafers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dse.analysis.comparison import Job
from dse.analysis.constants import Built, built, constants_of, stacked
from dse.arrays import Number
from dse.assumptions import Assumptions, Silicon
from dse.best_mapping import QUICK_TO_COMPILE, Best, best_mapping, evaluate_pairs
from dse.catalogue.read import Entry
from dse.economics import ownership
from dse.evaluate import Hardware, Metrics, evaluate, hardware_of
from dse.hardware.area import floor_plan
from dse.hardware.chip import Chip
from dse.hardware.yields import dies_per_wafer
from dse.search.objective import broken_limits, limits_of
from dse.timing.mapping import Mapping
from dse.units import UNITS, fitting_unit

__all__ = ["STEP", "Knob", "Marginal", "Margins", "followed", "knobs_of", "marginal_values", "moved_by", "with_leaves"]

STEP = 0.1
"""Finite step that is re-optimised, over the value of today [1]."""

NEAR = 1e-4
"""Step of the finite differences [1]."""

KINK = 0.02
"""Difference of the slopes, over the largest, that is called a kink [1]."""

APART = 0.2
"""Difference of slope and re-optimised step, over the larger, that is called a disagreement [1]."""

FLAT = 1e-4
"""Slope of ln(tokens per dollar) to ln(value) below which a resource is worth nothing [1]."""

SLOTS = 48
"""Directions that are differentiated at once; fewer are padded, so that nothing compiles anew."""


@dataclass(frozen=True)
class Knob:
    """Something that a chip may have more of, or that may cost more.

    value [base units], in `unit` of so many base units; tangent: change of chip and assumptions when it doubles.
    """

    name: str
    value: float
    unit: str
    size: float
    price: bool
    tangent: Built


@dataclass(frozen=True)
class Marginal:
    """A knob and what it is worth under the mapping of today.

    slope, left, right: of ln(tokens per dollar) to ln(value), by differentiation and by finite differences [1];
    per_unit: tokens per dollar for one more unit [1/USD]; die_area: silicon that follows one more unit [mm2]; make:
    cost to make that does [USD]; stepped: ln(tokens per dollar) gained by STEP under the best mapping there, NaN where
    the chip then exceeds a limit; remapped: whether that is another mapping; broken: the limits that it exceeds.
    """

    knob: Knob
    slope: float
    left: float
    right: float
    per_unit: float
    die_area: float
    make: float
    stepped: float
    remapped: bool
    broken: dict[str, float]

    @property
    def kink(self) -> bool:
        """Whether the slopes to the left and to the right differ, or from that of the quotients behind whole waves."""
        slopes = (self.left, self.right, self.slope)
        largest = max(abs(slope) for slope in slopes)
        return largest > FLAT and max(slopes) - min(slopes) > KINK * largest

    @property
    def promised(self) -> float:
        """What the slope promises of the finite step, as a change of ln(tokens per dollar) [1]."""
        return self.slope * float(np.log1p(STEP))

    @property
    def disagrees(self) -> bool:
        """Whether the finite step gives something else than the slope promises."""
        if np.isnan(self.stepped):
            return True
        largest = max(abs(self.promised), abs(self.stepped))
        return largest > FLAT * STEP and abs(self.promised - self.stepped) > APART * largest


@dataclass(frozen=True)
class Margins:
    """A chip today: its best mapping, metrics and marginal values, resources first, in the order of their worth."""

    mapping: Mapping
    metrics: Metrics
    rows: list[Marginal]


RESOURCES: dict[str, tuple[tuple[str, ...], str]] = {
    "matrix units": (("matrix.units",), "mm2"),
    "vector lanes": (("vector_lanes",), "mm2"),
    "SRAM": (("sram.capacity",), "MB"),
    "SRAM bandwidth": (("sram.bandwidth",), "GB/s"),
    "memory bandwidth": (("memory.bandwidth",), "GB/s"),
    "memory capacity": (("memory.capacity",), "GB"),
    "memory stacks": (("memory.stacks", "memory.capacity", "memory.bandwidth"), "stack"),
    "far memory": (("far_memory.capacity",), "GB"),
    "far memory bandwidth": (("far_memory.bandwidth",), "GB/s"),
    "scale-up link": (("scale_up.bandwidth",), "GB/s"),
    "scale-out link": (("scale_out.bandwidth",), "GB/s"),
    "power limit": (("package.power_limit",), "W"),
}
"""Name -> leaves of the chip that grow together, the first of them counted, and the unit that it is counted in."""

SIZES = {"MB": 1e6, "GB": 1e9, "GB/s": 1e9, "W": 1.0, "stack": 1.0, "mm2": 1.0}


def leaf_at(tree: Any, path: str) -> Number:
    """A leaf by its dotted path."""
    for name in path.split("."):
        tree = getattr(tree, name)
    return tree


def with_leaves(tree: Any, leaves: dict[str, Number]) -> Any:
    """A tree with other leaves at some dotted paths."""
    for path, leaf in leaves.items():
        name, _, rest = path.partition(".")
        tree = replace(tree, **{name: with_leaves(getattr(tree, name), {rest: leaf}) if rest else leaf})
    return tree


def modelled_area(chip: Chip, assumptions: Assumptions) -> Number:
    """Area of all dies from the architecture, whatever is published [mm2]."""
    return floor_plan(chip, assumptions.silicon).dies.total


def moved_die(published: Number, here: Number, was: Number) -> Number:
    """A published area moved by the modelled difference, 0 where none is published [mm2]."""
    return jnp.where(published > 0, published + here - was, 0.0)


def dies_of(chip: Chip, silicon: Silicon, die_area: Number) -> tuple[Number, Number]:
    """Dies of a chip on a wafer, and the side of one with its scribe lane [mm]."""
    one = die_area / chip.package.dies
    count = dies_per_wafer(one, silicon.wafer_diameter, silicon.edge_exclusion, silicon.scribe)
    return count, jnp.sqrt(one) + silicon.scribe


def smooth_wafer(moved: Built, today: Built, area: Number, area_today: Number) -> Number:
    """Price of a wafer at which whole dies cost what a continuous number of them would [USD].

    Dies on a wafer fall with the square of their pitch from the number of today; a wafer that is one die stays one.
    """
    chip, assumptions = moved
    count, pitch = dies_of(chip, assumptions.silicon, area)
    whole, pitch_today = dies_of(today[0], today[1].silicon, area_today)
    continuous = jnp.where(whole > 1.0, whole * (pitch_today / pitch) ** 2, count)
    probed = chip.process.wafer_price + assumptions.silicon.probe_cost
    return probed * count / continuous - assumptions.silicon.probe_cost


def owned_at_limit(chip: Chip, hardware: Hardware, assumptions: Assumptions) -> Number:
    """Cost of owning a chip that always draws its power limit [USD/s]."""
    return ownership(chip, hardware.machine, chip.package.power_limit, assumptions.economics).total


def followed(moved: Built, today: Built) -> Chip:
    """A changed chip with all that follows: published areas, price and rent moved by the modelled differences.

    The price rises with the cost to make at the vendor's gross margin, the rent with the cost of owning at the
    margin of who rents it out. moved, today: broadcastable; equal ones give today's numbers.
    """
    (chip, assumptions), (old, before) = moved, today
    was, drawn = hardware_of(old, before), floor_plan(chip, assumptions.silicon).dies
    compute = moved_die(chip.package.published_die_area, drawn.compute, was.plan.dies.compute)
    base = moved_die(chip.base.published_die_area, drawn.base, was.plan.dies.base)
    chip = with_leaves(chip, {"package.published_die_area": compute, "base.published_die_area": base})
    here = hardware_of(chip, assumptions)
    wafer = smooth_wafer((chip, assumptions), today, here.die_area, was.die_area)
    chip = with_leaves(chip, {"process.wafer_price": wafer})
    make = hardware_of(chip, assumptions).make.total - was.make.total
    asked = was.price + chip.price.buy - old.price.buy + make / (1.0 - chip.price.gross_margin)
    chip = with_leaves(chip, {"price.buy": asked})
    owned = owned_at_limit(chip, hardware_of(chip, assumptions), assumptions) - owned_at_limit(old, was, before)
    rent = chip.price.rent + owned / (1.0 - assumptions.economics.rent_margin)
    return with_leaves(chip, {"price.rent": jnp.where(old.price.rent > 0, rent, 0.0)})


@partial(jax.jit, compiler_options=QUICK_TO_COMPILE)
def derivatives(
    today: Built, tangents: Built, transformer: Any, traffic: Any, mapping: Mapping
) -> tuple[Number, Number, Number]:
    """Slopes of ln(tokens per dollar) [1], die area [mm2] and cost to make [USD] in each direction (SLOTS,)."""

    def value(moved: Built) -> tuple[Number, Number, Number]:
        chip = followed(moved, today)
        metrics = evaluate(chip, transformer, traffic, mapping, moved[1])
        return jnp.log(metrics.tokens_per_dollar), metrics.hardware.die_area, metrics.hardware.make.total

    def slope(tangent: Built) -> tuple[Number, Number, Number]:
        return jax.jvp(value, (today,), (tangent,))[1]

    return jax.vmap(slope)(tangents)


def resource_knobs(today: Built) -> list[Knob]:
    """The resources that a chip has."""
    chip, _ = today
    nothing: Built = jax.tree.map(np.zeros_like, today)
    knobs = []
    for name, (paths, unit) in RESOURCES.items():
        values = {path: leaf_at(chip, path) for path in paths}
        value = float(values[paths[0]])
        if value > 0.0:
            tangent = (with_leaves(nothing[0], values), nothing[1])
            spread = float(jax.jvp(modelled_area, today, tangent)[1]) if unit == "mm2" else value
            knobs.append(Knob(name, spread, unit, SIZES[unit], False, tangent))
    price = float(hardware_of(*today).price)
    asked = (with_leaves(nothing[0], {"price.buy": np.float64(price)}), nothing[1])
    return [*knobs, Knob("price of the package", price, "USD", 1.0, True, asked)]


def price_knobs(chip: Entry, job: Job, today: Built) -> list[Knob]:
    """The prices of the catalogue that enter a chip, but for that of the package itself and its rent."""
    knobs = []
    for constant in constants_of([chip], job):
        named = constant.path in ("price.buy", "price.rent") and constant.entry.kind == "chip"
        if "USD" not in constant.dimension or named or constant.value <= 0.0:
            continue
        double = built(chip, job, constant, 2.0 * constant.value)
        tangent = jax.tree.map(np.subtract, double, today)
        if any(np.any(leaf) for leaf in jax.tree.leaves(tangent)):
            unit = fitting_unit(constant.value, constant.dimension)
            size = UNITS[constant.dimension][unit]
            knobs.append(Knob(constant.label, constant.value, unit, size, True, tangent))
    return knobs


def knobs_of(chip: Entry, job: Job) -> list[Knob]:
    """Resources and prices of a chip of the catalogue."""
    today = built(chip, job)
    return [*resource_knobs(today), *price_knobs(chip, job, today)]


def moved_by(today: Built, tangents: Built, step: float) -> Built:
    """Chip and assumptions a step along each direction, with all that follows; leaves (directions,)."""
    moved: Built = jax.tree.map(lambda leaf, change: leaf + step * change, today, tangents)
    return jax.tree.map(np.asarray, (followed(moved, today), moved[1]))


def padded_tangents(knobs: Sequence[Knob]) -> list[Built]:
    """The directions of the knobs, with the last repeated up to a multiple of SLOTS."""
    tangents = [knob.tangent for knob in knobs]
    return [*tangents, *[tangents[-1]] * (-len(tangents) % SLOTS)]


def best_at(designs: Built, job: Job) -> Best:
    """Designs whose serving is the job's under their best mappings."""
    given = replace(designs[1], serving=job.assumptions.serving)
    return best_mapping(designs[0], job.transformer, job.requests, given, mappings=job.mappings)


def marginal_values(chip: Entry, job: Job) -> Margins:
    """Every resource and price of a chip under the mapping that is best today, which a feasible chip needs to have."""
    today, knobs = built(chip, job), knobs_of(chip, job)
    best = best_at(stacked([today]), job)
    mapping: Mapping = jax.tree.map(lambda leaf: float(leaf[0]), best.mapping)
    known = (job.transformer, job.requests)
    slopes = derivatives(today, stacked(padded_tangents(knobs)), *known, mapping)
    tangents = stacked([knob.tangent for knob in knobs])

    def logs(step: float) -> np.ndarray:
        chips, given = moved_by(today, tangents, step)
        return np.log(evaluate_pairs(chips, *known, mapping, given).tokens_per_dollar)

    here = float(np.log(best.metrics.tokens_per_dollar[0]))
    left, right = (here - logs(-NEAR)) / NEAR, (logs(NEAR) - here) / NEAR
    after = best_at(moved_by(today, tangents, STEP), job)
    rows = []
    for place, knob in enumerate(knobs):
        slope, area, make = (float(values[place]) for values in slopes)
        broken = broken_limits(limits_of(after.metrics, place))
        gained = float(np.log(after.metrics.tokens_per_dollar[place])) - here
        units = knob.value / knob.size
        rows.append(
            Marginal(
                knob=knob,
                slope=slope,
                left=float(left[place]),
                right=float(right[place]),
                per_unit=slope * float(np.exp(here)) / units,
                die_area=area / units,
                make=make / units,
                stepped=np.nan if broken else gained,
                remapped=bool(after.index[place] != best.index[0]),
                broken=broken,
            )
        )
    rows.sort(key=lambda row: (row.knob.price, -abs(row.slope)))
    return Margins(mapping, jax.tree.map(lambda leaf: float(leaf[0]), best.metrics), rows)
