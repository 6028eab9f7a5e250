"""What does a package cost to make, and what is asked for it?"""

from __future__ import annotations

import jax.numpy as jnp

from dse.arrays import Number, pytree
from dse.assumptions import Silicon
from dse.hardware.chip import Chip
from dse.hardware.yields import DieKind, dies_per_wafer

__all__ = ["MakeCost", "chip_price", "make_cost"]


@pytree
class MakeCost:
    """Parts of the cost to make one package [USD]."""

    dies: Number
    memory: Number
    package: Number
    test: Number
    assembly_loss: Number

    @property
    def total(self) -> Number:
        """Sum of the parts [USD]."""
        return self.dies + self.memory + self.package + self.test + self.assembly_loss


def good_die_cost(kind: DieKind, silicon: Silicon) -> Number:
    """Cost of all dies of a kind in one package, each taken for good at probe [USD].

    (wafer + probe) / (n y), over the share of those taken for good that are (Chiplet Actuary, DAC 2022, eq. 4).
    """
    on_wafer = dies_per_wafer(kind.area, silicon.wafer_diameter, silicon.edge_exclusion, silicon.scribe)
    wafer = kind.process.wafer_price + silicon.probe_cost
    return kind.count * wafer / (on_wafer * kind.sellable * silicon.known_good)


def make_cost(chip: Chip, silicon: Silicon, kinds: tuple[DieKind, ...]) -> MakeCost:
    """Cost to make one package: known good dies, memory, package service, test, and what bad assembly loses.

    C = (wafer + probe) / (n y) x dies + memory + package + test, all divided by the assembly yield, as a
    package that fails takes its dies and its memory along (Chiplet Actuary, DAC 2022, eq. 4-6).
    chip, silicon: broadcastable; kinds: the dies of the package.
    """
    package = chip.package
    dies = sum(good_die_cost(kind, silicon) for kind in kinds)
    die_area, die_count = sum(kind.count * kind.area for kind in kinds), sum(kind.count for kind in kinds)
    far = chip.far_memory.capacity * chip.far_memory.price
    memory = chip.memory.capacity * chip.memory.price
    footprint = die_area + chip.memory.stacks * silicon.stack_footprint
    service = package.fixed_cost + package.cost_per_area * footprint
    assembled = package.bond_yield ** (die_count + chip.memory.stacks)
    lost = (dies + memory + service + package.test_cost) * (1.0 / assembled - 1.0)
    return MakeCost(
        dies=dies,
        memory=memory + far,
        package=service,
        test=package.test_cost,
        assembly_loss=lost,
    )


def chip_price(chip: Chip, make: Number) -> Number:
    """Price of one package [USD]: the market's where it is known, else cost at the vendor's gross margin."""
    modelled = make / (1.0 - chip.price.gross_margin)
    return jnp.where(chip.price.buy > 0, chip.price.buy, modelled)
