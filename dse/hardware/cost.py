"""What does a package cost to make, and what is asked for it?"""

from __future__ import annotations

import jax.numpy as jnp

from dse.arrays import Number, pytree
from dse.assumptions import Economics, Silicon
from dse.hardware.chip import Chip
from dse.hardware.development import development_per_chip
from dse.hardware.yields import dies_per_wafer, negative_binomial_yield, sellable_yield

__all__ = ["MakeCost", "chip_price", "good_dies", "make_cost"]


@pytree
class MakeCost:
    """Parts of the cost to make one package [USD]."""

    dies: Number
    memory: Number
    far_memory: Number
    package: Number
    test: Number
    assembly_loss: Number
    development: Number

    @property
    def manufacturing(self) -> Number:
        """What every further package costs: all but the development [USD]."""
        package = self.package + self.test + self.assembly_loss
        return self.dies + self.memory + self.far_memory + package

    @property
    def total(self) -> Number:
        """Sum of the parts [USD]."""
        return self.manufacturing + self.development


def good_dies(
    count: Number, area: Number, wafer_price: Number, defect_density: Number, recovery: Number, silicon: Silicon
) -> Number:
    """Cost of the dies of one package, each tested on the wafer and good [USD].

    count: equal dies [1]; area: of all of them [mm2]; wafer_price [USD]; defect_density [1/mm2]; recovery: defective
    dies that spares save [1]. (wafer + probe) / (n y) for each, Chiplet Actuary, DAC 2022, eq. 2-3.
    """
    one = jnp.where(area > 0.0, area / jnp.maximum(count, 1.0), silicon.scribe**2)
    good = sellable_yield(negative_binomial_yield(one, defect_density, silicon.yield_alpha), recovery)
    sites = dies_per_wafer(one, silicon.wafer_diameter, silicon.edge_exclusion, silicon.scribe)
    return count * (wafer_price + silicon.probe_cost) / (sites * good)


def all_dies(chip: Chip, silicon: Silicon, die_area: Number) -> Number:
    """Cost of the compute dies and of the base dies that may carry them, each on its node [USD]."""
    package, process = chip.package, chip.process
    compute, area = package.dies - package.base_dies, jnp.maximum(die_area - package.base_die_area, 0.0)
    base = (package.base_dies, package.base_die_area, package.base_wafer_price, package.base_defect_density)
    top = (compute, area, process.wafer_price, process.defect_density)
    return good_dies(*top, package.defect_recovery, silicon) + good_dies(*base, package.defect_recovery, silicon)


def make_cost(chip: Chip, silicon: Silicon, economics: Economics, die_area: Number) -> MakeCost:
    """Cost to make one package: known good dies, memory, package service, test, what bad assembly loses, development.

    C = (dies + memory + package + test) / assembly yield, as a package that fails takes its dies and its memory along
    (Chiplet Actuary, DAC 2022, eq. 4-6). Dies that stand on base dies take no room of their own and are joined before
    these are. die_area: all dies [mm2]; chip, silicon, economics: broadcastable.
    """
    package = chip.package
    stacked = package.base_dies > 0.0
    dies = all_dies(chip, silicon, die_area)
    memory = chip.memory.capacity * chip.memory.price
    footprint = jnp.where(stacked, package.base_die_area, die_area) + chip.memory.stacks * silicon.stack_footprint
    service = package.fixed_cost + package.cost_per_area * footprint
    joints = jnp.where(stacked, package.base_dies, package.dies) + chip.memory.stacks
    lost = (dies + memory + service + package.test_cost) * (package.bond_yield**-joints - 1.0)
    return MakeCost(
        dies=dies,
        memory=memory,
        far_memory=chip.far_memory.capacity * chip.far_memory.price,
        package=service,
        test=package.test_cost,
        assembly_loss=lost,
        development=development_per_chip(chip, economics),
    )


def chip_price(chip: Chip, make: MakeCost) -> Number:
    """Price of one package [USD]: the market's where it is known, else cost at the vendor's gross margin.

    Development, where it is counted, is passed on as it is: the margin is on what is manufactured.
    """
    modelled = make.manufacturing / (1.0 - chip.price.gross_margin) + make.development
    return jnp.where(chip.price.buy > 0, chip.price.buy, modelled)
