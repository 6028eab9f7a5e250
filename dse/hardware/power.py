"""What does it burn? Energy of each event and the power that flows even when nothing happens."""

from __future__ import annotations

from dse.arrays import Number, pytree
from dse.assumptions import Silicon
from dse.hardware.area import Area
from dse.hardware.chip import Chip

__all__ = ["EventEnergy", "event_energy", "static_power"]


@pytree
class EventEnergy:
    """Energy of one event: a multiply-accumulate and a vector operation [J], a byte at each level [J/byte]."""

    mac: Number
    vector: Number
    sram: Number
    memory: Number
    far_memory: Number


def event_energy(chip: Chip, silicon: Silicon) -> EventEnergy:
    """Energy per event on this chip.

    A multiply-accumulate pays its datapath, by format, and the control around it, by core style; both shrink
    with the node, and control is shared by the operations that a narrow format packs into one cell. Operands come
    from buffers at the edge of the array, once for a whole row and once for a whole column. Bytes from DRAM
    pay the device and the way over the die.
    chip, silicon: broadcastable. Source of the coefficients: technology/silicon and technology/styles.
    """
    scale = chip.process.mac_energy_scale
    datapath = silicon.mac_energy * chip.numerics.mac_energy_ratio
    control = chip.style.control_energy / chip.numerics.rate
    operands = chip.numerics.activation * (1.0 / chip.matrix.columns + chip.matrix.split / chip.matrix.rows)
    buffers = operands * silicon.local_energy
    return EventEnergy(
        mac=(datapath + control + buffers) * scale,
        vector=silicon.vector_energy * scale,
        sram=chip.style.sram_energy * scale,
        memory=chip.memory.energy + chip.style.transport_energy,
        far_memory=chip.far_memory.energy + chip.style.transport_energy,
    )


def static_power(chip: Chip, area: Area) -> Number:
    """Leakage of logic and SRAM and idle power of the memory stacks [W].

    chip: broadcastable; area: modelled parts [mm2].
    """
    sram = area.sram + area.local
    logic = area.total - sram
    return (
        logic * chip.process.logic_leakage
        + sram * chip.process.sram_leakage
        + chip.memory.stacks * chip.memory.idle_power
    )
