"""How long do chips take to exchange data? Latency and bandwidth of each collective on each topology."""

from __future__ import annotations

import jax.numpy as jnp

from dse.arrays import Number, ceil_div
from dse.hardware.chip import Chip, Link

__all__ = ["all_gather", "all_reduce", "all_to_all", "hops", "send"]


def hops(participants: Number, dimensions: Number) -> Number:
    """Links between the farthest two of so many chips [1].

    participants [1]; dimensions: 0 switch, 1 ring, 2 or 3 torus. A switch is one hop; a torus of k dimensions has
    a side of n ** (1 / k) and half of it to go in each.

    >>> [round(float(hops(n, k)), 2) for n, k in ((8.0, 0.0), (8.0, 1.0), (64.0, 2.0), (64.0, 3.0), (1.0, 3.0))]
    [1.0, 4.0, 8.0, 6.0, 0.0]
    """
    side = jnp.exp2(jnp.log2(participants) / jnp.maximum(dimensions, 1.0))
    across = jnp.maximum(dimensions, 1.0) * jnp.maximum(side / 2.0, 1.0)
    return jnp.where(participants > 1.0, jnp.where(dimensions > 0.0, across, 1.0), 0.0)


def split_group(chip: Chip, participants: Number) -> tuple[Number, Number]:
    """Chips of a group inside one scale-up domain, and the number of domains that it spans [1]."""
    inside = jnp.minimum(participants, chip.scale_up.domain)
    return inside, ceil_div(participants, chip.scale_up.domain)


def exchange(link: Link, participants: Number, sent: Number, rounds: float, chip: Chip) -> Number:
    """Alpha-beta time: rounds of latency and the bytes that a chip sends over its links [s]."""
    active = jnp.where(participants > 1.0, 1.0, 0.0)
    latency = rounds * hops(participants, link.dimensions) * link.latency
    return active * (latency + chip.execution.collective_time) + sent / (
        jnp.maximum(link.bandwidth, 1.0) * chip.execution.network_efficiency
    )


def all_gather(chip: Chip, participants: Number, size: Number) -> Number:
    """Time until every chip has the whole of an array of which each held a part [s].

    participants [1]; size: the whole array [bytes]. Each chip sends (n - 1) / n of it, in the scale-up domain
    first, then between domains. Thakur, Rabenseifner, Gropp, IJHPCA 19 (2005).
    """
    inside, domains = split_group(chip, participants)
    near = exchange(chip.scale_up, inside, size * (1.0 - 1.0 / inside), 1.0, chip)
    far = exchange(chip.scale_out, domains, size / inside * (1.0 - 1.0 / domains), 1.0, chip)
    return near + far


def all_reduce(chip: Chip, participants: Number, size: Number) -> Number:
    """Time to sum an array over all chips of a group [s]: a reduce-scatter, then an all-gather of the same cost.

    participants [1]; size: the array [bytes]. The software floor is paid once, not twice.
    """
    inside, domains = split_group(chip, participants)
    near = exchange(chip.scale_up, inside, 2.0 * size * (1.0 - 1.0 / inside), 2.0, chip)
    far = exchange(chip.scale_out, domains, 2.0 * size / inside * (1.0 - 1.0 / domains), 2.0, chip)
    return near + far


def all_to_all(chip: Chip, participants: Number, size: Number) -> Number:
    """Time in which every chip sends a part of its array to every other [s].

    participants [1]; size: bytes that leave one chip if none of them stay [bytes]. On a ring or torus a byte
    travels a quarter of the way around each axis on average and takes its share of the links.
    """
    inside, domains = split_group(chip, participants)
    detour = jnp.maximum(hops(inside, chip.scale_up.dimensions) / 2.0, 1.0)
    local = size * (inside - 1.0) / participants * detour
    near = exchange(chip.scale_up, inside, local, 1.0, chip)
    remote = size * (participants - inside) / participants
    return near + exchange(chip.scale_out, domains, remote, 1.0, chip)


def send(chip: Chip, participants: Number, size: Number) -> Number:
    """Time to pass an array to the next pipeline stage [s].

    participants: chips of all stages together [1]; size [bytes]. Inside the scale-up domain when all of them fit.
    """
    inside = participants <= chip.scale_up.domain
    rate = jnp.where(inside, chip.scale_up.bandwidth, chip.scale_out.bandwidth)
    latency = jnp.where(inside, chip.scale_up.latency, chip.scale_out.latency)
    return latency + size / (jnp.maximum(rate, 1.0) * chip.execution.network_efficiency)
