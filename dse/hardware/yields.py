"""How many good dies come from a wafer?"""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import betainc

from dse.arrays import Number, pytree
from dse.assumptions import Silicon
from dse.hardware.area import FloorPlan
from dse.hardware.chip import Chip, Process
from dse.hardware.dies import Dies

__all__ = [
    "DieKind",
    "defect_free_yield",
    "die_kinds",
    "dies_per_wafer",
    "harvested_yield",
    "murphy_yield",
    "negative_binomial_yield",
    "poisson_yield",
    "seeds_yield",
    "sellable_yield",
    "unit_survival",
]

MOST_ROWS = 43
"""Radius of the wafer up to which dies are counted one by one, in pitches of their grid: dies of 10 mm2 [1]."""
CENTRES = 16
"""Steps of half a pitch by which the grid is moved [1]; 8 times finer they find 0.07 % more dies of 10-900 mm2."""


def negative_binomial_yield(die_area: Number, defect_density: Number, alpha: Number) -> Number:
    """Share of dies without a defect, (1 + A D / alpha) ** -alpha.

    die_area [mm2]; defect_density [1/mm2]; alpha: clustering, 2-10 [1]. Stapper, IBM J. Res. Dev. 27 (1983).
    Exact limits: 1 at no defects, exp(-A D) as alpha grows.

    814 mm2 at 0.1 defects/cm2 and alpha 10 (technology tables of Chiplet Actuary, DAC 2022):

    >>> round(float(negative_binomial_yield(814.0, 0.1 / 100, 10.0)), 3)
    0.457
    """
    return (1.0 + die_area * defect_density / alpha) ** -alpha


def poisson_yield(die_area: Number, defect_density: Number) -> Number:
    """Share of dies without a defect when these are scattered evenly, exp(-A D) [1].

    >>> round(float(poisson_yield(814.0, 0.1 / 100)), 4)
    0.4431
    """
    return jnp.exp(-die_area * defect_density)


def murphy_yield(die_area: Number, defect_density: Number) -> Number:
    """Share of dies without a defect under a triangular spread of densities, ((1 - exp(-A D)) / (A D)) ** 2 [1].

    Murphy, Proc. IEEE 52 (1964).

    >>> round(float(murphy_yield(814.0, 0.1 / 100)), 4)
    0.4681
    """
    defects = jnp.maximum(die_area * defect_density, 1e-12)
    return (-jnp.expm1(-defects) / defects) ** 2


def seeds_yield(die_area: Number, defect_density: Number) -> Number:
    """Share of dies without a defect under an exponential spread of densities, 1 / (1 + A D) [1]. Seeds, IEDM (1967).

    >>> round(float(seeds_yield(814.0, 0.1 / 100)), 4)
    0.5513
    """
    return 1.0 / (1.0 + die_area * defect_density)


def defect_free_yield(die_area: Number, defect_density: Number, silicon: Silicon) -> Number:
    """Share of dies without a defect by the model that the catalogue names, a one-hot weight each [1]."""
    return (
        silicon.yield_negative_binomial * negative_binomial_yield(die_area, defect_density, silicon.yield_alpha)
        + silicon.yield_poisson * poisson_yield(die_area, defect_density)
        + silicon.yield_murphy * murphy_yield(die_area, defect_density)
        + silicon.yield_seeds * seeds_yield(die_area, defect_density)
    )


def sellable_yield(defect_free: Number, defect_recovery: Number) -> Number:
    """Share of dies that can be sold when spares and harvesting save some of the defective ones [1].

    defect_free, defect_recovery: shares [1]. y + (1 - y) h, Chiplet Actuary's regular-array form.
    """
    return defect_free + (1.0 - defect_free) * defect_recovery


def unit_survival(good_unit: Number, units: Number, spares: Number) -> Number:
    """Probability that at most so many of the units of a die are bad [1].

    sum_{k <= s} C(N, k) q^k (1 - q)^(N - k) = I_{1-q}(N - s, s + 1), the regularised incomplete beta function, which
    holds for a million units as well as for ten. good_unit: 1 - q [1]; units: N on the die, spares: s [1]. Counts
    carry no gradient.

    144 cores of which 132 are sold, each 3 mm2 at 0.1 defects/cm2:

    >>> round(float(unit_survival(0.9970, 144.0, 12.0)), 6)
    1.0
    """
    spare = jnp.minimum(spares, units - 1e-3)
    counts = jax.lax.stop_gradient((units - spare, spare + 1.0))
    return betainc(*jnp.broadcast_arrays(*counts, good_unit))


def harvested_yield(free: Number, good_unit: Number, units: Number, spares: Number) -> Number:
    """Share of dies that can be sold when bad units are switched off [1].

    free: share without a defect outside the units; good_unit: share of units without one [1].

    144 cores of 3 mm2 on 814 mm2, 132 to be good, Poisson at 0.05 defects/cm2 (Chiplets 2026 review: 0.826):

    >>> outside, core = poisson_yield(814.0 - 144 * 3.0, 0.05 / 100), poisson_yield(3.0, 0.05 / 100)
    >>> round(float(harvested_yield(outside, core, 144.0, 12.0)), 3)
    0.826
    """
    return free * unit_survival(good_unit, units, spares)


@pytree
class DieKind:
    """One kind of die of a package.

    count: in a package [1]; area: of one [mm2]; defect_free, sellable: shares of the dies of a wafer [1]; process: the
    node that it is made in.
    """

    count: Number
    area: Number
    defect_free: Number
    sellable: Number
    process: Process


def die_kinds(chip: Chip, silicon: Silicon, plan: FloorPlan, dies: Dies) -> tuple[DieKind, DieKind]:
    """Compute dies, and base dies (none: a count of zero), with their yield.

    plan: as modelled, which says how much of a die harvesting protects; dies: areas that are paid for [mm2].
    """
    base = chip.base
    one = dies.compute / chip.package.dies
    free = defect_free_yield(one, chip.process.defect_density, silicon)
    plain = sellable_yield(free, chip.package.defect_recovery)
    spared = chip.matrix.spare_units > 0
    sellable = jnp.where(spared, spared_yield(chip, silicon, plan, dies), plain)
    one_base = dies.base / jnp.maximum(base.dies, 1.0)
    base_free = defect_free_yield(one_base, base.process.defect_density, silicon)
    return (
        DieKind(count=chip.package.dies, area=one, defect_free=free, sellable=sellable, process=chip.process),
        DieKind(
            count=base.dies,
            area=one_base,
            defect_free=base_free,
            sellable=sellable_yield(base_free, chip.package.defect_recovery),
            process=base.process,
        ),
    )


def spared_yield(chip: Chip, silicon: Silicon, plan: FloorPlan, dies: Dies) -> Number:
    """Share of compute dies that can be sold with spare cores and SRAM repair [1].

    Cores are arithmetic, control and local memory, and where banks and routers lie in the cores these too. Shared
    SRAM outside loses only what its spare rows do not mend, and so do its ports and the memory interfaces where some
    of them are spare; all else but pads and empty silicon is unprotected. What lies on base dies is no matter here.
    Shares of the modelled die are applied to the one that is paid for.
    """
    unit, area = chip.matrix, plan.compute
    cores = (unit.units + unit.spare_units) / unit.units_per_core / chip.package.dies
    spares = unit.spare_units / unit.units_per_core / chip.package.dies
    lost = 1.0 - silicon.sram_repair
    of_ports = jnp.where(chip.sram.spare > 0, lost, 1.0)
    of_interfaces = jnp.where(chip.memory.spare_stacks > 0, lost, 1.0)
    shared = area.sram * lost + area.sram_ports * of_ports + area.on_chip_network
    in_memory = area.sram + area.sram_ports + area.on_chip_network
    in_cores = area.matrix + area.vector + area.control + area.local + chip.style.core_memory * in_memory
    outside_parts = area.links + area.other + area.die_to_die + area.memory_interface * of_interfaces
    unprotected = outside_parts + (1.0 - chip.style.core_memory) * shared
    scale = dies.compute / area.total / chip.package.dies
    density = chip.process.defect_density
    outside = defect_free_yield(unprotected * scale, density, silicon)
    core = defect_free_yield(in_cores * scale / cores, density, silicon)
    return harvested_yield(outside, core, cores, spares)


@cache
def fitting_radii() -> np.ndarray:
    """Radii of the smallest circles that hold 1, 2, 3... squares of a lattice of side 1, laid as is best [1].

    A circle holds a square when it reaches its farthest corner. Centres of the circle are tried on a grid in an eighth
    of a lattice square, which is all that differs.
    """
    places = np.arange(CENTRES + 1) / (2.0 * CENTRES)
    square = np.arange(-MOST_ROWS, MOST_ROWS)
    reach = np.maximum(np.abs(square - places[:, None]), np.abs(square + 1.0 - places[:, None]))
    radii = [
        np.sort(np.hypot(reach[x][:, None], reach[y]), axis=None) for x in range(len(places)) for y in range(x + 1)
    ]
    best = np.min(radii, axis=0)
    return best[best <= MOST_ROWS]


def dies_per_wafer(die_area: Number, diameter: Number, edge_exclusion: Number, scribe: Number) -> Number:
    """Most square dies that fit whole on a wafer, wherever their grid lies; at least 1 for a wafer-scale part.

    die_area [mm2]; diameter, edge_exclusion, scribe: of the wafer [mm]. A table says which radius, in pitches of the
    grid, holds how many; smaller dies than some 10 mm2 are counted on by the area that a larger circle adds.

    >>> int(dies_per_wafer(814.0, 300.0, 5.0, 0.2))
    63
    """
    radius = (diameter / 2.0 - edge_exclusion) / (jnp.sqrt(die_area) + scribe)
    table = jnp.asarray(fitting_radii())
    within = jnp.searchsorted(table, radius, side="right").astype(jnp.result_type(radius))
    beyond = jnp.maximum(radius - MOST_ROWS, 0.0)
    added = jnp.floor(beyond * (jnp.pi * (beyond + 2.0 * MOST_ROWS) - 4.0))
    return jnp.maximum(within + added, 1.0)
