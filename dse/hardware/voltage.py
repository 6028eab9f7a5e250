"""What does another supply voltage change? Clock, switching energy and leakage against those at the nominal one."""

from __future__ import annotations

from dataclasses import replace

from dse.arrays import Number, pytree
from dse.assumptions import Silicon
from dse.hardware.chip import Chip, Process

__all__ = ["Floor", "at_voltage", "clock_ratio", "energy_ratio", "floor_of", "leakage_ratio", "speed"]


def speed(voltage: Number, threshold: Number, exponent: Number) -> Number:
    """Switching speed of a gate up to a constant, (V - Vt)^a / V by the alpha-power law.

    voltage, threshold [V]; exponent: 2 without velocity saturation, about 1.3 with it [1]. Sakurai and Newton, IEEE J.
    Solid-State Circuits 25 (1990). Valid above the threshold by some 0.1 V.

    Two thirds of 0.75 V leave half of the speed:

    >>> round(speed(0.5, 0.3, 1.3) / speed(0.75, 0.3, 1.3), 3)
    0.523
    """
    return (1.0 - threshold / voltage) ** exponent * voltage ** (exponent - 1.0)


def clock_ratio(process: Process, silicon: Silicon) -> Number:
    """Clock over that at the nominal voltage [1]; exactly 1 at the nominal voltage."""
    threshold, exponent = process.threshold_voltage, silicon.clock_exponent
    return speed(process.voltage, threshold, exponent) / speed(process.nominal_voltage, threshold, exponent)


def energy_ratio(process: Process) -> Number:
    """Switching energy over that at the nominal voltage, (V / Vn)^2 [1]."""
    return (process.voltage / process.nominal_voltage) ** 2


def leakage_ratio(process: Process, silicon: Silicon) -> Number:
    """Leakage power over that at the nominal voltage [1]."""
    return (process.voltage / process.nominal_voltage) ** silicon.leakage_exponent


def at_voltage(chip: Chip, silicon: Silicon) -> Chip:
    """The chip with the clock of its supply voltage, which its SRAM follows; interfaces keep theirs."""
    faster = clock_ratio(chip.process, silicon)
    return replace(
        chip,
        matrix=replace(chip.matrix, clock=chip.matrix.clock * faster),
        sram=replace(chip.sram, bandwidth=chip.sram.bandwidth * faster),
    )


@pytree
class Floor:
    """Clock and switching energy at the lowest supply over those at the chip's own [1]."""

    clock: Number
    energy: Number


def floor_of(process: Process, silicon: Silicon) -> Floor:
    """How slow and how frugal the logic is at the lowest supply of its node, below which the clock alone falls."""
    lowest = replace(process, voltage=process.lowest_voltage)
    return Floor(
        clock=clock_ratio(lowest, silicon) / clock_ratio(process, silicon),
        energy=energy_ratio(lowest) / energy_ratio(process),
    )
