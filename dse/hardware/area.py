"""How large is the silicon? Area of every part of the dies, from the architecture alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from dse.arrays import Number, leaf_names, pytree
from dse.assumptions import Silicon
from dse.hardware.chip import Chip
from dse.hardware.dies import Dies, Outline, die_to_die_area, outlines_of

__all__ = ["Area", "Contents", "FloorPlan", "contents_of", "floor_plan", "link_bandwidth", "matrix_area"]


@pytree
class Contents:
    """What the dies hold, all dies of a package together, network and outline apart [mm2].

    Spare units are counted: they are on the wafer although nobody may use them.
    """

    matrix: Number
    vector: Number
    control: Number
    local: Number
    sram: Number
    sram_ports: Number
    memory_interface: Number
    links: Number
    other: Number

    @property
    def total(self) -> Number:
        """Sum of the parts [mm2]."""
        return sum(getattr(self, name) for name in leaf_names(Contents))


@pytree
class Area:
    """Parts of the dies, all dies of a package together [mm2].

    die_to_die: links between the dies of a package; on_chip_network: between the parts; pads: ring of pads and seal
    around each die, and the gaps between the fields of a wafer; unfilled: silicon that a die has only because its edge,
    or the dies that stand on it, ask for it.
    """

    matrix: Number
    vector: Number
    control: Number
    local: Number
    sram: Number
    sram_ports: Number
    memory_interface: Number
    links: Number
    other: Number
    die_to_die: Number
    on_chip_network: Number
    pads: Number
    unfilled: Number

    @property
    def total(self) -> Number:
        """Sum of the parts [mm2]."""
        return sum(getattr(self, name) for name in leaf_names(Area))


@pytree
class FloorPlan:
    """Parts of the compute dies and of the base dies, all of a kind together, and the dies that they make [mm2]."""

    compute: Area
    base: Area
    dies: Dies

    @property
    def area(self) -> Area:
        """Parts of all dies of a package [mm2]."""
        return jax.tree.map(jnp.add, self.compute, self.base)


# Parts that move to the base dies where there are any: the first always, the others where compute dies stand on them.
BESIDE: tuple[str, ...] = ("sram", "sram_ports", "memory_interface")
UNDER: tuple[str, ...] = ("links", "other")


def matrix_area(chip: Chip, silicon: Silicon) -> Number:
    """Area of the matrix units, spare ones included [mm2]: cells, and edge logic for each row and column of each part.

    Edge logic (operand skew, accumulators) is shared by a whole row or column, so large arrays are cheap and
    split ones cost a little. chip, silicon: broadcastable.
    """
    unit = chip.matrix
    cells = unit.rows * unit.columns * silicon.mac_area * unit.area_ratio
    edges = (unit.rows + unit.columns * unit.split) * silicon.edge_cell_area
    return (unit.units + unit.spare_units) * (cells + edges) * chip.process.logic_area_scale


def built_ratio(chip: Chip) -> Number:
    """Cores on the dies over those that are sold [1]."""
    return 1.0 + chip.matrix.spare_units / chip.matrix.units


def core_parts(chip: Chip, silicon: Silicon) -> dict[str, Number]:
    """Arithmetic, its control and its local memory [mm2]: what a core is made of."""
    style, process, built = chip.style, chip.process, built_ratio(chip)
    matrix = matrix_area(chip, silicon)
    lanes = chip.vector_lanes * silicon.vector_lane_area + chip.double_lanes * silicon.double_lane_area
    vector = lanes * built * process.logic_area_scale
    cores = (chip.matrix.units + chip.matrix.spare_units) / chip.matrix.units_per_core
    return {
        "matrix": matrix,
        "vector": vector,
        "control": style.control_area_ratio * (matrix + vector) + cores * style.core_area * process.logic_area_scale,
        "local": local_area(chip, silicon),
    }


def local_area(chip: Chip, silicon: Silicon) -> Number:
    """Memory of the cores [mm2]: registers and small banks, and caches of many cores built like the shared SRAM."""
    sram, density = chip.sram, chip.process.sram_density
    cache = jnp.minimum(sram.local_cache, sram.local)
    small = (sram.local - cache) * built_ratio(chip) / silicon.local_density_ratio
    return (small + cache / chip.style.sram_density_ratio) / density


def bank_bytes(chip: Chip, silicon: Silicon) -> Number:
    """Periphery of the banks that the bandwidth of the shared SRAM needs, as bytes of SRAM array [bytes].

    Each bank reads one port a clock; decoders, sense amplifiers and drivers cost as much as some 44 kB of array,
    whatever its size, so that fast memories are made of small and costly macros.
    """
    banks = chip.sram.bandwidth / (silicon.bank_width * chip.matrix.clock)
    return banks * silicon.bank_overhead


def shared_parts(chip: Chip, silicon: Silicon) -> dict[str, Number]:
    """Shared SRAM and its ports, in the process of the dies that hold them [mm2]."""
    based = chip.base.dies > 0
    density = jnp.where(based, chip.base.process.sram_density, chip.process.sram_density)
    scale = jnp.where(based, chip.base.process.logic_area_scale, chip.process.logic_area_scale)
    held = (chip.sram.capacity + chip.sram.spare) / chip.style.sram_density_ratio
    crossbar = chip.sram.bandwidth * chip.style.sram_bandwidth_area * scale
    return {"sram": held / density, "sram_ports": bank_bytes(chip, silicon) / density + crossbar}


def interface_parts(chip: Chip, silicon: Silicon) -> dict[str, Number]:
    """DRAM interfaces, links and host, in the process of the dies that hold them [mm2].

    What is analogue hardly shrinks and has one area for all nodes; controllers scale as logic.
    """
    beside = jnp.where(chip.base.dies > 0, chip.base.process.logic_area_scale, chip.process.logic_area_scale)
    below = jnp.where(
        chip.base.dies * chip.base.under > 0, chip.base.process.logic_area_scale, chip.process.logic_area_scale
    )
    memory, networks = chip.memory, (chip.scale_up, chip.scale_out)
    controllers = sum(link.bandwidth * link.controller_area for link in networks)
    return {
        "memory_interface": (memory.stacks + memory.spare_stacks) * (memory.phy_area + memory.controller_area * beside),
        "links": link_bandwidth(chip) / silicon.serdes_area_density + controllers * below,
        "other": (silicon.host_area + chip.style.fixed_area) * below,
    }


def link_bandwidth(chip: Chip) -> Number:
    """Bytes that leave the package in one second, one direction, over all networks [bytes/s]."""
    return chip.scale_up.bandwidth + chip.scale_out.bandwidth + chip.far_memory.bandwidth


def contents_of(chip: Chip, silicon: Silicon) -> Contents:
    """What the dies hold, from the architecture alone [mm2]. chip, silicon: broadcastable."""
    return Contents(**core_parts(chip, silicon), **shared_parts(chip, silicon), **interface_parts(chip, silicon))


def on_base_dies(chip: Chip, contents: Contents) -> Contents:
    """What of the contents the base dies hold, nothing where there are none [mm2]."""
    based = jnp.where(chip.base.dies > 0, 1.0, 0.0)
    shares: dict[str, Number] = dict.fromkeys(BESIDE, based) | dict.fromkeys(UNDER, based * chip.base.under)
    held = {name: shares.get(name, 0.0) * getattr(contents, name) for name in leaf_names(Contents)}
    return Contents(**held)


def floor_plan(chip: Chip, silicon: Silicon) -> FloorPlan:
    """Area of the dies from the architecture alone: contents, network, pads, and what edge or stacking add.

    chip: broadcastable; silicon: coefficients. Parts of each kind of die in [mm2].
    """
    contents = contents_of(chip, silicon)
    below = on_base_dies(chip, contents)
    above = jax.tree.map(jnp.subtract, contents, below)
    network = 1.0 + silicon.noc_area_ratio
    joints = die_to_die_area(chip, silicon, above.total * network, below.total * network)
    compute, base = above.total * network + joints.compute, below.total * network + joints.base
    interfaces = below.memory_interface + below.links
    outlines = outlines_of(chip, silicon, compute, base, link_bandwidth(chip), interfaces)

    def parts(held: Contents, joint: Number, outline: Outline) -> Area:
        return Area(
            **{name: getattr(held, name) for name in leaf_names(Contents)},
            die_to_die=joint,
            on_chip_network=held.total * silicon.noc_area_ratio,
            pads=outline.pads,
            unfilled=outline.unfilled,
        )

    return FloorPlan(
        compute=parts(above, joints.compute, outlines[0]),
        base=parts(below, joints.base, outlines[1]),
        dies=Dies(compute=outlines[0].dies, base=outlines[1].dies),
    )
