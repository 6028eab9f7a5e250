"""Into which dies does the silicon go, and is there edge enough? Outlines, pads and shoreline of each kind of die."""

from __future__ import annotations

import jax.numpy as jnp

from dse.arrays import Number, pytree
from dse.assumptions import Silicon
from dse.hardware.chip import Chip

__all__ = [
    "Dies",
    "Edge",
    "Outline",
    "die_side",
    "die_to_die_area",
    "edge_of",
    "footprint_of",
    "outlines_of",
    "paid_dies",
    "published_area",
    "sram_die",
]


@pytree
class Dies:
    """Area of all dies of each kind [mm2]."""

    compute: Number
    base: Number

    @property
    def total(self) -> Number:
        """Sum over both kinds [mm2]."""
        return self.compute + self.base


@pytree
class Outline:
    """What the dies of a kind have beyond their contents, and what they come to, all of them together [mm2].

    pads: ring of pads and seal, and the gaps between the fields of a wafer; unfilled: silicon that edge or stacking ask
    for; dies: with their contents.
    """

    pads: Number
    unfilled: Number
    dies: Number


@pytree
class Edge:
    """Die edge needed by memory and by links, and what the dies offer [mm]."""

    memory: Number
    links: Number
    die_to_die: Number
    available: Number
    available_to_memory: Number


def ring_area(content: Number, ring: Number) -> Number:
    """Area of a ring of pads around a square die [mm2]. content: inside it [mm2]; ring: its width [mm].

    >>> round(784.0 + float(ring_area(784.0, 0.2)), 1)
    806.6
    """
    present = content > 0
    side = jnp.sqrt(jnp.where(present, content, 1.0))
    return jnp.where(present, 4.0 * ring * (side + ring), 0.0)


def die_side(memory: Number, links: Number, neighbours: Number, silicon: Silicon) -> Number:
    """Side of the smallest square die with enough edge [mm].

    memory, links: edge that they need on this die [mm]; neighbours: dies that it is joined to [1]. Memory may take a
    share of the usable edge only, and a die-to-die link takes a share of the side that it joins.
    """
    usable = 4.0 * silicon.usable_edge
    for_memory = memory / (usable * silicon.memory_edge_share)
    left = jnp.maximum(usable - neighbours * silicon.die_to_die_edge_share, 0.1 * usable)
    return jnp.maximum(for_memory, (memory + links) / left)


def neighbours_of(dies: Number) -> Number:
    """Dies that one of a row is joined to, on average [1]."""
    return 2.0 * (dies - 1.0) / jnp.maximum(dies, 1.0)


def edge_dies(chip: Chip) -> tuple[Number, Number]:
    """Dies that carry the memory interfaces and those that carry the links [1]."""
    based = chip.base.dies > 0
    memory = jnp.where(based, chip.base.dies, chip.package.dies)
    return memory, jnp.where(based & (chip.base.under > 0), chip.base.dies, chip.package.dies)


def die_to_die_area(chip: Chip, silicon: Silicon, compute: Number, base: Number) -> Dies:
    """Circuits behind the joints of the dies [mm2]: a share of each joined side, as deep as such an interface is.

    compute, base: contents with their network, all dies of a kind [mm2]. Where there are base dies, these join the
    others.
    """
    depth = silicon.die_to_die_edge_share * silicon.die_to_die_depth
    many, based = chip.package.dies, chip.base.dies

    def joints(content: Number, count: Number) -> Number:
        side = jnp.sqrt(jnp.where(content > 0, content, 1.0) / jnp.maximum(count, 1.0))
        return jnp.where(content > 0, neighbours_of(count) * count * side * depth, 0.0)

    return Dies(
        compute=jnp.where(based > 0, 0.0, joints(compute, many)),
        base=jnp.where(based > 0, chip.base.under * joints(base, based), 0.0),
    )


def stitch_gaps(die: Number, chip: Chip, silicon: Silicon) -> Number:
    """Gaps between the reticle fields that a die is exposed in, on packages that take more than one [mm2].

    WSE: fields of 26 mm x 33 mm with gaps of 0.8 mm between them (wafer-scale search spaces after Theseus).
    """
    wide, high, gap = silicon.reticle_width, silicon.reticle_height, silicon.stitch_gap
    field = wide * high
    share = gap * (wide + high + gap) / field
    return jnp.where((die > field) & (chip.package.die_area_limit > field), die * share, 0.0)


def outlines_of(
    chip: Chip, silicon: Silicon, compute: Number, base: Number, links: Number, interfaces: Number
) -> tuple[Outline, Outline]:
    """Compute and base dies around their contents: as large as these, as their edge or as what stands on them asks.

    compute, base: contents with their network, all dies of a kind [mm2]; links: bandwidth over the edge [bytes/s];
    interfaces: of the base dies, which lie beside what stands on them [mm2]. A design that is short of edge is padded,
    as real pad-limited dies are, until the edge suffices.
    """
    shoreline = chip.memory.stacks * chip.memory.shoreline
    on_memory, on_links = edge_dies(chip)
    link_edge = links / silicon.serdes_edge_density
    many, based, under = chip.package.dies, chip.base.dies, chip.base.under
    alone = jnp.where(based > 0, 0.0, 1.0)
    side = die_side(
        alone * shoreline / on_memory,
        jnp.where(based * under > 0, 0.0, link_edge / on_links),
        alone * neighbours_of(many),
        silicon,
    )
    inside = compute / many
    gaps = stitch_gaps(inside, chip, silicon)
    pads = gaps + ring_area(inside + gaps, silicon.pad_ring)
    compute_die = jnp.maximum(inside + pads, side**2)
    count = jnp.maximum(based, 1.0)
    base_side = die_side(shoreline / count, under * link_edge / count, under * neighbours_of(count), silicon)
    base_pads = ring_area(base / count, silicon.pad_ring)
    base_one = base / count + base_pads
    footprint = under * (many * compute_die + interfaces) / count
    base_die = jnp.maximum(jnp.maximum(base_one, base_side**2), footprint)
    return (
        Outline(pads=many * pads, unfilled=many * (compute_die - inside - pads), dies=many * compute_die),
        Outline(pads=based * base_pads, unfilled=based * (base_die - base_one), dies=based * base_die),
    )


def paid_dies(chip: Chip, modelled: Dies) -> Dies:
    """Dies that are paid for [mm2]: of each kind those published where there are any, else as modelled."""
    compute, base = chip.package.published_die_area, chip.base.published_die_area
    return Dies(
        compute=jnp.where(compute > 0, compute, modelled.compute),
        base=jnp.where(base > 0, base, modelled.base),
    )


def footprint_of(chip: Chip, dies: Dies) -> Number:
    """Silicon side by side under the cold plate [mm2]: dies that stand on others take no room of their own."""
    return jnp.where(chip.base.dies * chip.base.under > 0, dies.base, dies.total)


def sram_die(chip: Chip, dies: Dies) -> Number:
    """One of the dies that hold the shared SRAM [mm2]."""
    based = chip.base.dies > 0
    return jnp.where(based, dies.base / jnp.maximum(chip.base.dies, 1.0), dies.compute / chip.package.dies)


def published_area(chip: Chip) -> Number:
    """All dies of a package as published, 0 where a kind of them is not [mm2]."""
    compute, base = chip.package.published_die_area, chip.base.published_die_area
    known = (compute > 0) & ((chip.base.dies == 0) | (base > 0))
    return jnp.where(known, compute + base, 0.0)


def edge_of(chip: Chip, silicon: Silicon, dies: Dies, link_bandwidth: Number) -> Edge:
    """Shoreline budget of the dies that carry the memory interfaces.

    chip, silicon: broadcastable; dies: areas by kind [mm2]; link_bandwidth: over all networks [bytes/s]. Dies are taken
    as square. Links that leave other dies than memory does are left out. Returns an Edge [mm].
    """
    count, on_links = edge_dies(chip)
    based = chip.base.dies > 0
    area = jnp.where(based, dies.base, dies.compute)
    side = jnp.sqrt(area / count)
    perimeter = 4.0 * side * count * silicon.usable_edge
    joined = jnp.where(based & (chip.base.under == 0), 0.0, neighbours_of(count) * count)
    return Edge(
        memory=chip.memory.stacks * chip.memory.shoreline,
        links=jnp.where(on_links == count, link_bandwidth / silicon.serdes_edge_density, 0.0),
        die_to_die=joined * side * silicon.die_to_die_edge_share,
        available=perimeter,
        available_to_memory=perimeter * silicon.memory_edge_share,
    )
