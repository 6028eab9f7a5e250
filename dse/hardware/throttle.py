"""How much slower does a chip run that would burn more than it may? Clock and supply voltage sink together."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp

from dse.arrays import Number, pytree
from dse.assumptions import Silicon
from dse.hardware.chip import Chip
from dse.hardware.dies import Dies, footprint_of
from dse.hardware.power import EventEnergy
from dse.hardware.voltage import Floor, floor_of

__all__ = ["Envelope", "cooled", "envelope_of", "heat_removed", "throttled_time"]

LEAST_SHARE = 1e-3
"""Share of the power limit that is left for work, so that a chip whose idle power exceeds it is slow, not infinite."""


@pytree
class Envelope:
    """What work may burn: power: the limit less what flows whatever the work [W]; floor: of the supply voltage."""

    power: Number
    floor: Floor


def heat_removed(chip: Chip, dies: Dies) -> Number:
    """Power that the cooling takes from the dies of a package [W]."""
    return chip.package.power_density_limit * footprint_of(chip, dies)


def cooled(chip: Chip, dies: Dies) -> Chip:
    """The chip with the power that its cooling removes from its dies, where that is less than its limit."""
    limit = jnp.minimum(chip.package.power_limit, heat_removed(chip, dies))
    return replace(chip, package=replace(chip.package, power_limit=limit))


def envelope_of(chip: Chip, silicon: Silicon, energy: EventEnergy, static: Number) -> Envelope:
    """What a package may burn on its work. energy, static: of its events and without any, losses included."""
    limit = chip.package.power_limit
    return Envelope(
        power=jnp.maximum(limit - static - energy.links, LEAST_SHARE * limit), floor=floor_of(chip.process, silicon)
    )


def throttled_time(clocked: Number, fixed: Number, paced: Number, steady: Number, envelope: Envelope) -> Number:
    """Time of some work that stays within its power [s].

    clocked: energy at full clock of what shares the supply voltage of the logic, fixed: of what has its own, DRAM [J];
    paced: part of the time at full clock that goes with the clock, steady: the rest, waiting for memory, links and host
    [s]. With the clock the voltage sinks and the energy of the logic with it. Between the chip's own voltage and the
    lowest the energy is taken as a straight line over the clock, a + b s, which lies above the true curve, up to 8 % in
    time; below the lowest the clock alone slows. The share s of full clock then solves
    fixed + clocked (a + b s) = power x (steady + paced / s).

    Work of twice the power, three quarters of it in logic that runs at 0.5 of the clock for 0.4 of the energy, all of
    its time paced by the clock, and half of it:

    >>> envelope = Envelope(power=1.0, floor=Floor(clock=0.5, energy=0.4))
    >>> [round(float(throttled_time(1.5, 0.5, paced, 1.0 - paced, envelope)), 3) for paced in (1.0, 0.5)]
    [1.445, 1.31]
    """
    floor, power = envelope.floor, envelope.power
    slope = (1.0 - floor.energy) / jnp.maximum(1.0 - floor.clock, LEAST_SHARE)
    falling, staying = clocked * slope, fixed + clocked * (1.0 - slope) - power * steady
    at_voltage = steady + (staying + jnp.sqrt(staying**2 + 4.0 * falling * power * paced)) / (2.0 * power)
    at_floor = (fixed + clocked * floor.energy) / power
    return jnp.maximum(jnp.maximum(at_voltage, at_floor), paced + steady)
