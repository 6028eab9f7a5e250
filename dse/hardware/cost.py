"""What does a package cost to make, and what is asked for it?"""

from __future__ import annotations

import jax.numpy as jnp

from dse.arrays import Number, pytree
from dse.assumptions import Economics, Silicon
from dse.hardware.chip import Chip
from dse.hardware.development import development_per_chip
from dse.hardware.yields import DieKind, dies_per_wafer

__all__ = ["MakeCost", "chip_price", "good_die_cost", "make_cost"]


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


def good_die_cost(kind: DieKind, silicon: Silicon) -> Number:
    """Cost of all dies of a kind in one package, each taken for good at probe [USD].

    (wafer + probe) / (n y), over the share of those taken for good that are (Chiplet Actuary, DAC 2022, eq. 4).
    """
    on_wafer = dies_per_wafer(kind.area, silicon.wafer_diameter, silicon.edge_exclusion, silicon.scribe)
    wafer = kind.process.wafer_price + silicon.probe_cost
    return kind.count * wafer / (on_wafer * kind.sellable * silicon.known_good)


def make_cost(chip: Chip, silicon: Silicon, economics: Economics, kinds: tuple[DieKind, DieKind]) -> MakeCost:
    """Cost to make one package: known good dies, memory, package service, test, what bad assembly loses, development.

    C = (dies + memory + package + test) / assembly yield, as a package that fails takes its dies and its memory along
    (Chiplet Actuary, DAC 2022, eq. 4-6); memory on a board is neither carried nor lost. Compute dies that stand on base
    dies take no room of their own and are joined before these are. kinds: compute and base dies; chip, silicon,
    economics: broadcastable.
    """
    package, (compute, base) = chip.package, kinds
    lying = 1.0 - chip.base.under * (base.count > 0.0)
    dies = good_die_cost(compute, silicon) + good_die_cost(base, silicon)
    bonded = chip.memory.stacks * chip.memory.bonded
    joints = lying * compute.count + base.count + bonded
    carried = lying * compute.count * compute.area + base.count * base.area
    memory = chip.memory.capacity * chip.memory.price
    area = carried + bonded * silicon.stack_footprint
    service = package.fixed_cost + package.cost_per_area * area
    test = package.test_cost + package.test_cost_per_area * area
    lost = (dies + memory * chip.memory.bonded + service + test) * (package.bond_yield**-joints - 1.0)
    return MakeCost(
        dies=dies,
        memory=memory,
        far_memory=chip.far_memory.capacity * chip.far_memory.price,
        package=service,
        test=test,
        assembly_loss=lost,
        development=development_per_chip(chip, economics),
    )


def chip_price(chip: Chip, make: MakeCost) -> Number:
    """Price of one package [USD]: the market's where it is known, else cost at the vendor's gross margin.

    Development, where it is counted, is passed on as it is: the margin is on what is manufactured.
    """
    modelled = make.manufacturing / (1.0 - chip.price.gross_margin) + make.development
    return jnp.where(chip.price.buy > 0, chip.price.buy, modelled)
