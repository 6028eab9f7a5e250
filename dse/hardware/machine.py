"""What stands around the chip, and what does its buyer pay for all of it?"""

from __future__ import annotations

import jax.numpy as jnp

from dse.arrays import Number, pytree
from dse.assumptions import Economics
from dse.hardware.chip import Chip, Link
from dse.hardware.cost import MakeCost

__all__ = ["Machine", "link_cost", "machine_of", "price_paid"]


@pytree
class Machine:
    """Price of one chip with its share of the machine, and of the development of a chip of one's own [USD]."""

    chip: Number
    host: Number
    rack: Number
    scale_up: Number
    scale_out: Number
    spares: Number
    development: Number

    @property
    def in_use(self) -> Number:
        """The parts that stand in the hall and work [USD]."""
        return self.chip + self.host + self.rack + self.scale_up + self.scale_out

    @property
    def system(self) -> Number:
        """What the vendor of a server or rack sells: chips, host, power, cooling and the network between them [USD]."""
        return self.in_use - self.scale_out

    @property
    def total(self) -> Number:
        """Sum of the parts [USD]."""
        return self.in_use + self.spares + self.development


def price_paid(make: Number, price: Number, share: Number) -> Number:
    """What a buyer pays who is asked for a part only of the vendor's margin, never less than the cost [USD].

    make: cost to make; price: of the market, below which nothing moves when it is not above the cost [USD]; share [1].

    >>> float(price_paid(3000.0, 23000.0, 0.75))
    18000.0
    """
    return jnp.where(price > make, share * price + (1.0 - share) * make, price)


def link_cost(link: Link) -> Number:
    """Price of a network per chip [USD]: a card, then copper or optics and ports of switches for each tier."""
    return link.bandwidth * (link.adapter_price + (link.cable_price + link.switch_price) * link.tiers)


def machine_of(chip: Chip, make: MakeCost, price: Number, economics: Economics) -> Machine:
    """What one chip with its share of server, rack, networks and spares costs its buyer [USD].

    make: cost to make a package; price: of the market [USD]. Development is paid once: it stands apart from the chips
    that are made, of which some are kept in reserve. The price of scale-out is that of a whole cluster network, all its
    tiers. chip, economics: broadcastable.
    """
    out = chip.scale_out
    share = 1.0 - chip.price.negotiable * (1.0 - economics.margin_share)
    paid = price_paid(make.manufacturing, price - make.development, share)
    rack = chip.package.power_limit * chip.price.server_power_ratio * economics.rack_price
    up = link_cost(chip.scale_up)
    cluster = out.bandwidth * (out.adapter_price + out.cable_price + out.switch_price)
    in_use = paid + chip.price.host + rack + up + cluster
    return Machine(
        chip=paid,
        host=chip.price.host,
        rack=rack,
        scale_up=up,
        scale_out=cluster,
        spares=in_use * economics.spares_share,
        development=make.development,
    )
