"""What does it burn? Energy of each event, the power that flows even when nothing happens, and a chip at full load."""

from __future__ import annotations

from typing import TypeVar

import jax
import jax.numpy as jnp

from dse.arrays import Number, leaf_names, pytree
from dse.assumptions import Silicon
from dse.hardware.area import Area, FloorPlan
from dse.hardware.chip import Chip, Link, Process
from dse.hardware.dies import footprint_of, sram_die
from dse.hardware.voltage import at_voltage, energy_ratio, leakage_ratio

__all__ = ["EventEnergy", "FullLoad", "clock_energy", "event_energy", "full_load", "static_power", "supplied"]


@pytree
class EventEnergy:
    """Energy of one event: a multiply-accumulate and a vector operation [J], a byte at each level [J/byte].

    clocks: power of the clock network and of the instructions while the machine works; links: of the transceivers,
    which do not rest meanwhile [W].
    """

    mac: Number
    vector: Number
    sram: Number
    memory: Number
    far_memory: Number
    clocks: Number
    links: Number


def network_energy(area: Area, process: Process, silicon: Silicon) -> Number:
    """Energy of the clock network of some dies in one clock [J].

    It reaches all but shared SRAM, analogue interfaces and what is empty; its energy is that of as much logic at 7 nm.
    """
    inside = area.matrix + area.vector + area.control + area.local + area.on_chip_network + area.other
    return inside / process.logic_area_scale * silicon.clock_energy * process.mac_energy_scale * energy_ratio(process)


def clock_energy(chip: Chip, silicon: Silicon, plan: FloorPlan) -> Number:
    """Energy of the clock network and of the instructions of all cores in one clock at full load [J]."""
    scale = chip.process.mac_energy_scale * energy_ratio(chip.process)
    cores = chip.matrix.units / chip.matrix.units_per_core
    network = network_energy(plan.compute, chip.process, silicon) + network_energy(
        plan.base, chip.base.process, silicon
    )
    return network + cores * chip.style.control_energy * scale


def sram_energy(chip: Chip, silicon: Silicon, plan: FloorPlan) -> Number:
    """Energy of a byte read from the shared SRAM, at 7 nm and nominal voltage but for the wires [J/byte].

    Its bank, and the way to the core: a share of the side of the die that holds it, by the style.
    """
    scale = jnp.where(chip.base.dies > 0, chip.base.process.mac_energy_scale, chip.process.mac_energy_scale)
    way = chip.style.sram_distance * jnp.sqrt(sram_die(chip, plan.dies))
    return chip.style.sram_energy * scale + way * silicon.wire_energy


def transport_energy(chip: Chip, silicon: Silicon, plan: FloorPlan) -> Number:
    """Energy of a byte between a memory interface at the edge and the cores, at nominal voltage [J/byte].

    Addresses are interleaved over all interfaces, so that a byte crosses a share of the whole package's silicon; what
    caches and routers on the way take belongs to the style.
    """
    way = silicon.memory_distance * jnp.sqrt(footprint_of(chip, plan.dies))
    return chip.style.transport_energy + way * silicon.wire_energy


def event_energy(chip: Chip, silicon: Silicon, plan: FloorPlan) -> EventEnergy:
    """Energy per event on this chip.

    A multiply-accumulate pays its datapath, by format, and its operands. All of that shrinks with the node and goes
    with the square of the supply voltage. Bytes from DRAM pay the device and its interface, which have a supply of
    their own, and the way over the die; with the clocks that run while they stream the path of an A100 comes to 13.8
    pJ/bit (measured 13.1), of a GH200 to 11.3 (11.7; SC'25, second-hand).
    chip, silicon: broadcastable; plan: as modelled. Source of the coefficients: technology/silicon and styles.
    """
    lower = energy_ratio(chip.process)
    transport = transport_energy(chip, silicon, plan) * lower
    return EventEnergy(
        mac=datapath_energy(chip, silicon),
        vector=silicon.vector_energy * chip.process.mac_energy_scale * lower,
        sram=sram_energy(chip, silicon, plan) * lower,
        memory=chip.memory.energy + transport,
        far_memory=chip.far_memory.energy + transport,
        clocks=clock_energy(chip, silicon, plan) * chip.matrix.clock,
        links=interface_power(chip),
    )


def datapath_energy(chip: Chip, silicon: Silicon) -> Number:
    """Energy of a multiply-accumulate with its operands, clock and control apart [J].

    Operands come from buffers at the edge of the array, once for a whole row and once for a whole column. Where
    caches lie behind these (`operand_energy`), a tile that fills half of the registers and first-level memory of a
    unit with 32-bit sums reads 2 w / sqrt(tile) bytes from them for each multiply-accumulate. Cells that hand
    operands and sums on to their neighbours clock them into registers.
    """
    unit, numerics = chip.matrix, chip.numerics
    at_edge = numerics.activation * (1.0 / unit.columns + unit.split / unit.rows) * silicon.local_energy
    tile = jnp.maximum(chip.sram.local / unit.units / 2.0 / silicon.sum_width, unit.rows * unit.columns)
    from_cache = 2.0 * numerics.activation / jnp.sqrt(tile) * chip.style.operand_energy
    scale = chip.process.mac_energy_scale * energy_ratio(chip.process)
    handed_on = chip.style.cell_registers * silicon.register_energy
    return (silicon.mac_energy * numerics.mac_energy_ratio + at_edge + from_cache + handed_on) * scale


def adapter_energy(link: Link, process: Process) -> Number:
    """Energy of a byte in the network adapter on the die [J/byte].

    Link layer, error correction, buffers and transport engine are logic and shrink with the node.
    """
    return link.adapter_energy * process.mac_energy_scale * energy_ratio(process)


def link_energy(link: Link, process: Process) -> Number:
    """Energy of a byte that leaves over a link, transceivers or optics and the adapter on the die [J/byte]."""
    return link.energy + adapter_energy(link, process)


def interface_power(chip: Chip) -> Number:
    """Power of the links of a package, which do not rest: transceivers of scale-up and adapters on the die [W].

    Optics, switches and cards of scale-out lie elsewhere.
    """
    up, out = chip.scale_up, chip.scale_out
    return up.bandwidth * link_energy(up, chip.process) + out.bandwidth * adapter_energy(out, chip.process)


def leakage(area: Area, process: Process, silicon: Silicon) -> Number:
    """Leakage of logic and SRAM of some dies [W]."""
    sram = area.sram + area.local
    logic = sum(getattr(area, name) for name in leaf_names(Area) if name not in ("sram", "local", "unfilled"))
    return (logic * process.logic_leakage + sram * process.sram_leakage) * leakage_ratio(process, silicon)


def static_power(chip: Chip, silicon: Silicon, plan: FloorPlan) -> Number:
    """Leakage of all dies, each kind by its node, and idle power of the memory stacks [W]. chip: broadcastable."""
    dies = leakage(plan.compute, chip.process, silicon) + leakage(plan.base, chip.base.process, silicon)
    return dies + chip.memory.stacks * chip.memory.idle_power


T = TypeVar("T", EventEnergy, Number)


def supplied(used: T, silicon: Silicon) -> T:
    """What the converters beside the package draw for what it uses: they belong to its rated power."""
    return jax.tree.map(lambda part: part / silicon.delivery_efficiency, used)


@pytree
class FullLoad:
    """Power of one package at full load by what burns it [W]; delivery: lost in the converters beside it."""

    matrix: Number
    control: Number
    sram: Number
    memory: Number
    links: Number
    static: Number
    delivery: Number

    @property
    def total(self) -> Number:
        """Sum of the parts [W]."""
        return sum(getattr(self, name) for name in leaf_names(FullLoad))


def full_load(chip: Chip, silicon: Silicon, plan: FloorPlan, reuse: Number) -> FullLoad:
    """Power at full load, before any limit: dense products and streams at the rates that chips sustain.

    Matrix units work in the chip's format at the share of peak that its best product reaches, main memory - the
    shared SRAM where there is no other - streams at the share that services reach, and links burn
    what their full rate takes. reuse: bytes from the shared SRAM per multiply-accumulate that the
    local buffers leave [bytes]; what comes from main memory passes the SRAM too, so that its traffic is the larger of
    the two.
    """
    chip = at_voltage(chip, silicon)
    energy, unit = event_energy(chip, silicon, plan), chip.matrix
    rate = unit.clock * unit.sustained
    macs = unit.units * unit.rows * unit.columns * chip.numerics.rate * rate
    busy = jnp.maximum(unit.sustained, silicon.sustained_memory)
    stream = chip.memory.bandwidth * silicon.sustained_memory
    from_sram = jnp.where(chip.memory.stacks > 0, stream, chip.sram.bandwidth * silicon.sustained_memory)
    read = jnp.minimum(jnp.maximum(macs * reuse, from_sram), chip.sram.bandwidth)
    parts = {
        "matrix": macs * energy.mac,
        "control": energy.clocks * busy,
        "sram": read * energy.sram,
        "memory": stream * energy.memory,
        "links": energy.links,
        "static": static_power(chip, silicon, plan),
    }
    return FullLoad(**parts, delivery=sum(parts.values()) * (1.0 / silicon.delivery_efficiency - 1.0))
