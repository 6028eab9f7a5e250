"""How large is the silicon? Area of every part of the compute dies, and the edge that they need."""

from __future__ import annotations

import jax.numpy as jnp

from dse.arrays import Number, pytree
from dse.assumptions import Silicon
from dse.hardware.chip import Chip

__all__ = ["Area", "Edge", "area_of", "edge_of", "silicon_area"]


@pytree
class Area:
    """Parts of the compute dies, all dies of a package together [mm2]."""

    matrix: Number
    vector: Number
    control: Number
    sram: Number
    local: Number
    sram_ports: Number
    memory_interface: Number
    links: Number
    on_chip_network: Number
    other: Number

    @property
    def total(self) -> Number:
        """Sum of the parts [mm2]."""
        return (
            self.matrix
            + self.vector
            + self.control
            + self.sram
            + self.local
            + self.sram_ports
            + self.memory_interface
            + self.links
            + self.on_chip_network
            + self.other
        )


def matrix_area(chip: Chip, silicon: Silicon) -> Number:
    """Area of the matrix units [mm2]: cells, and edge logic for each row and for each column of each part.

    Edge logic (operand skew, accumulators) is shared by a whole row or column, so large arrays are cheap and
    split ones cost a little. chip, silicon: broadcastable.
    """
    unit = chip.matrix
    cells = unit.rows * unit.columns * silicon.mac_area * unit.area_ratio
    edges = (unit.rows + unit.columns * unit.split) * silicon.edge_cell_area
    return unit.units * (cells + edges) * chip.process.logic_area_scale


def link_bandwidth(chip: Chip) -> Number:
    """Bytes that leave the package in one second, one direction, over all networks [bytes/s]."""
    return chip.scale_up.bandwidth + chip.scale_out.bandwidth + chip.far_memory.bandwidth


def area_of(chip: Chip, silicon: Silicon) -> Area:
    """Area of the compute dies from the architecture alone.

    chip: broadcastable; silicon: coefficients. Returns an Area, parts in [mm2].
    """
    process, style, sram = chip.process, chip.style, chip.sram
    matrix = matrix_area(chip, silicon)
    vector = chip.vector_lanes * silicon.vector_lane_area * process.logic_area_scale
    control = style.control_area_ratio * (matrix + vector)
    shared = sram.capacity / (process.sram_density * style.sram_density_ratio)
    local = sram.local / (process.sram_density * silicon.local_density_ratio)
    ports = sram.bandwidth * silicon.sram_bandwidth_area * process.logic_area_scale
    memory = chip.memory.stacks * (chip.memory.phy_area + chip.memory.controller_area * process.logic_area_scale)
    links = link_bandwidth(chip) / silicon.serdes_area_density
    parts = matrix + vector + control + shared + local + ports + memory + links
    return Area(
        matrix=matrix,
        vector=vector,
        control=control,
        sram=shared,
        local=local,
        sram_ports=ports,
        memory_interface=memory,
        links=links,
        on_chip_network=silicon.noc_area_ratio * parts,
        other=silicon.other_area * chip.package.dies,
    )


def silicon_area(chip: Chip, modelled: Area) -> Number:
    """Area that is paid for [mm2]: the published one where there is one, else the modelled total."""
    published = chip.package.published_die_area
    return jnp.where(published > 0, published, modelled.total)


@pytree
class Edge:
    """Die edge needed by memory and by links, and what the dies offer [mm]."""

    memory: Number
    links: Number
    die_to_die: Number
    available: Number
    available_to_memory: Number


def edge_of(chip: Chip, silicon: Silicon, die_area: Number) -> Edge:
    """Shoreline budget of the compute dies.

    chip, silicon: broadcastable; die_area: all compute dies of the package [mm2]. Dies are taken as square.
    Returns an Edge [mm].
    """
    side = jnp.sqrt(die_area / chip.package.dies)
    perimeter = 4.0 * side * chip.package.dies * silicon.usable_edge
    neighbours = 2.0 * (chip.package.dies - 1.0)
    return Edge(
        memory=chip.memory.stacks * chip.memory.shoreline,
        links=link_bandwidth(chip) / silicon.serdes_edge_density,
        die_to_die=neighbours * side * silicon.die_to_die_edge_share,
        available=perimeter,
        available_to_memory=perimeter * silicon.memory_edge_share,
    )
