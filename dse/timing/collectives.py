"""How long do chips take to exchange data? Latency and bandwidth of each collective on each topology.

Every exchange is a fixed time and a time per byte, which depend on the chip and on the group but not on what is sent;
so they are computed once and serve every pass.
"""

from __future__ import annotations

import jax.numpy as jnp

from dse.arrays import Number, ceil_div, pytree
from dse.hardware.chip import Chip, Link

__all__ = ["Exchange", "all_gather", "all_reduce", "dispatch", "hops", "places", "seconds_per_byte", "send"]


@pytree
class Exchange:
    """Alpha-beta cost: fixed [s], and per byte of the array [s/byte]; transceivers burn the same without it."""

    fixed: Number
    per_byte: Number

    def time(self, size: Number) -> Number:
        """Time for an array of so many bytes [s]."""
        return self.fixed + size * self.per_byte


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


def seconds_per_byte(link: Link, chip: Chip) -> Number:
    """Time of one byte on all links of a chip, one direction, with what software achieves of them [s/byte]."""
    return 1.0 / (jnp.maximum(link.bandwidth, 1.0) * chip.execution.network_efficiency)


def exchange(chip: Chip, participants: Number, near: Number, far: Number, rounds: float) -> Exchange:
    """An exchange in the scale-up domain, then between domains where the group leaves it.

    near, far: share of the array that a chip sends over each network [1]; rounds: times the latency is paid [1]. The
    software floor is paid once in each network that takes part.
    """
    inside, domains = split_group(chip, participants)
    floor = chip.execution.collective_time
    one_tier = jnp.exp(jnp.log(chip.scale_up.domain) / chip.scale_up.tiers)
    tiers = jnp.where(inside > one_tier, chip.scale_up.tiers, 1.0)
    up = rounds * hops(inside, chip.scale_up.dimensions) * chip.scale_up.latency * tiers
    out = rounds * hops(domains, chip.scale_out.dimensions) * chip.scale_out.latency
    return Exchange(
        fixed=jnp.where(inside > 1.0, up + floor, 0.0) + jnp.where(domains > 1.0, out + floor, 0.0),
        per_byte=near * seconds_per_byte(chip.scale_up, chip) + far * seconds_per_byte(chip.scale_out, chip),
    )


def all_gather(chip: Chip, participants: Number) -> Exchange:
    """Until every chip has the whole of an array of which each held a part.

    participants [1]. Each chip sends (n - 1) / n of the array, in the scale-up domain first, then between domains.
    Thakur, Rabenseifner, Gropp, IJHPCA 19 (2005).
    """
    inside, domains = split_group(chip, participants)
    return exchange(chip, participants, 1.0 - 1.0 / inside, (1.0 - 1.0 / domains) / inside, 1.0)


def all_reduce(chip: Chip, participants: Number) -> Exchange:
    """To sum an array over all chips of a group: a reduce-scatter, then an all-gather of the same cost.

    participants [1]. The software floor is paid once, not twice.
    """
    inside, domains = split_group(chip, participants)
    return exchange(chip, participants, 2.0 * (1.0 - 1.0 / inside), 2.0 * (1.0 - 1.0 / domains) / inside, 2.0)


def places(count: Number, drawn: Number) -> Number:
    """Expected number of different places among so many that are drawn at random, n (1 - (1 - 1 / n) ** k) [1].

    >>> round(float(places(8.0, 8.0)), 3), float(places(1.0, 8.0))
    (5.251, 1.0)
    """
    several = jnp.maximum(count, 2.0)
    return jnp.where(count > 1.0, several * -jnp.expm1(drawn * jnp.log1p(-1.0 / several)), 1.0)


def dispatch(chip: Chip, groups: Number, cut: Number, active: Number) -> Exchange:
    """To bring every token to the experts that it chose, or back.

    groups: among which experts are dealt out [1]; cut: chips that share each expert [1]; active: experts of a token
    [1]; the array: the tokens of one chip. A token goes once to each scale-up domain that it needs and is spread
    inside it, as tuned libraries do (DeepSeek-V3, arXiv 2412.19437, section 3.2.2, without its limit on nodes). On a
    ring or torus a byte goes a quarter of the way around each axis on average and takes its share of the links.
    """
    inside, domains = split_group(chip, groups * cut)
    detour = jnp.maximum(hops(inside, chip.scale_up.dimensions) / 2.0, 1.0)
    near = cut * places(groups, active) * (1.0 - 1.0 / inside) * detour
    far = places(domains, active) * (1.0 - 1.0 / domains)
    return exchange(chip, groups * cut, near, far, 1.0)


def send(chip: Chip, participants: Number) -> Exchange:
    """To pass an array to the next pipeline stage, inside the scale-up domain when all stages fit in it.

    participants: chips of all stages together [1].
    """
    inside = participants <= chip.scale_up.domain
    up, out = seconds_per_byte(chip.scale_up, chip), seconds_per_byte(chip.scale_out, chip)
    return Exchange(
        fixed=jnp.where(inside, chip.scale_up.latency, chip.scale_out.latency),
        per_byte=jnp.where(inside, up, out),
    )
