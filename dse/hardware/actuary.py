"""What would a package cost by its silicon and wiring alone? The recurring cost of Chiplet Actuary, part by part.

Feng and Ma, Chiplet Actuary, DAC 2022; github.com/Yinxiao-Feng/DAC2022@d8dc4f1. Kept as published, with its continuous
count of dies and with micro-bumps paid once per kind of die, so that its tables come out.
"""

from __future__ import annotations

import jax.numpy as jnp

from dse.arrays import Number, pytree
from dse.hardware.yields import negative_binomial_yield

__all__ = ["Carrier", "PackagedDies", "RawDie", "packaged_dies", "raw_die", "sites"]

SUBSTRATE_PRICE = 0.005
"""Organic substrate with one set of layers [USD/mm2]."""
SUBSTRATE_RATIO = 4.0
"""Area of the substrate over what it carries [1]."""
SUBSTRATE_YIELD = 0.99
"""Yield of setting the carrier on the substrate [1]."""
CARRIER_BUMPS = 0.005
"""C4 bumps under the carrier [USD/mm2]."""
LARGE, MIDDLE = 900.0, 289.0
"""Substrates above these sizes need more layers [mm2]."""


@pytree
class Carrier:
    """What the dies are bonded to.

    wafers: 1 for an interposer or fan-out wiring, 0 for a bare substrate [1]; wafer_price [USD]; defect_density
    [1/mm2]; clustering [1]; area_ratio: over the dies [1]; bond_yield: per die [1]; bump_price [USD/mm2].
    """

    wafers: Number
    wafer_price: Number
    defect_density: Number
    clustering: Number
    area_ratio: Number
    bond_yield: Number
    bump_price: Number


@pytree
class RawDie:
    """Cost of one site of a wafer, and what the bad ones add to each good one [USD]."""

    raw: Number
    defects: Number

    @property
    def good(self) -> Number:
        """Cost of a known good die [USD]."""
        return self.raw + self.defects


@pytree
class PackagedDies:
    """Parts of the recurring cost of a system in one package [USD]."""

    raw_chips: Number
    defects: Number
    raw_package: Number
    package_defects: Number
    wasted_dies: Number

    @property
    def total(self) -> Number:
        """Sum of the parts [USD]."""
        return self.raw_chips + self.defects + self.raw_package + self.package_defects + self.wasted_dies


def sites(area: Number, diameter: Number = 300.0, scribe: Number = 0.2, edge: Number = 5.0) -> Number:
    """Dies of one area on a wafer, not whole: pi (d/2 - e)^2 / A' - pi (d - 2 e) / sqrt(2 A').

    area [mm2]; diameter, scribe, edge [mm]; A' = A + 2 s sqrt(A) + s^2.

    >>> round(float(sites(814.0)), 3)
    57.596
    """
    room = area + 2.0 * scribe * jnp.sqrt(area) + scribe**2
    return jnp.pi * (diameter / 2.0 - edge) ** 2 / room - jnp.pi * (diameter - 2.0 * edge) / jnp.sqrt(2.0 * room)


def raw_die(area: Number, wafer_price: Number, defect_density: Number, clustering: Number = 10.0) -> RawDie:
    """One die. area [mm2]; wafer_price [USD]; defect_density [1/mm2]; clustering [1].

    >>> round(float(raw_die(814.0, 16988.0, 0.11 / 100).good), 2)
    695.31
    """
    raw = wafer_price / sites(area)
    return RawDie(raw=raw, defects=raw / negative_binomial_yield(area, defect_density, clustering) - raw)


def substrate_layers(dies: Number, area: Number) -> Number:
    """Sets of layers of a bare substrate, more where it joins dies and is large [1]. area: of the substrate [mm2]."""
    joined = jnp.where(area > LARGE, 2.0, jnp.where(area > MIDDLE, 1.75, 1.5))
    return jnp.where(dies > 1.0, joined, 1.0)


def packaged_dies(dies: Number, area: Number, die: RawDie, carrier: Carrier) -> PackagedDies:
    """Equal dies in one package, set on it last. dies [1]; area: of one die [mm2]; die: its cost [USD]."""
    wired = carrier.wafers > 0.0
    covered = dies * area * carrier.area_ratio
    made = covered * SUBSTRATE_RATIO
    layers = jnp.where(wired, 1.0, substrate_layers(dies, made))
    substrate = made * SUBSTRATE_PRICE * layers
    interposer = jnp.where(wired, carrier.wafer_price / sites(covered) + covered * CARRIER_BUMPS, 0.0)
    silicon = jnp.where(wired, negative_binomial_yield(covered, carrier.defect_density, carrier.clustering), 1.0)
    bonded = carrier.bond_yield**dies
    mounted = jnp.where(wired, SUBSTRATE_YIELD, bonded)
    joined = jnp.where(wired, bonded * SUBSTRATE_YIELD, bonded)
    bumps = area * carrier.bump_price * jnp.where(wired, 1.0, dies)
    chips, bad = dies * die.raw + bumps, dies * die.defects
    lost = interposer * (1.0 / (silicon * joined) - 1.0) + substrate * (1.0 / mounted - 1.0)
    return PackagedDies(
        raw_chips=chips,
        defects=bad,
        raw_package=interposer + substrate,
        package_defects=lost,
        wasted_dies=(chips + bad) * (1.0 / joined - 1.0),
    )
