"""What does it cost? From the price of a chip to dollars a second, on every price basis."""

from __future__ import annotations

import jax.numpy as jnp

from dse.arrays import Number, pytree
from dse.assumptions import Economics
from dse.hardware.chip import Chip

__all__ = ["Ownership", "Rate", "annuity", "hourly_rate", "ownership"]


@pytree
class Ownership:
    """Parts of the total cost of ownership of one chip with its share of the machine [USD/s]."""

    chip: Number
    host: Number
    network: Number
    facility: Number
    electricity: Number
    maintenance: Number

    @property
    def total(self) -> Number:
        """Sum of the parts [USD/s]."""
        return self.chip + self.host + self.network + self.facility + self.electricity + self.maintenance


@pytree
class Rate:
    """Cost of one chip for one second on each basis: to make, to buy, to rent, to own [USD/s]."""

    make: Number
    buy: Number
    rent: Number
    tco: Number
    chosen: Number


def annuity(interest: Number, life: Number) -> Number:
    """Share of a price paid per second so that it is paid with interest over its life, r / (1 - exp(-r n)).

    interest: continuous [1/s]; life [s]. Technology tables, section 5.5, in continuous form.

    >>> year = 365.25 * 86400
    >>> round(float(annuity(0.08 / year, 5 * year)) * year, 4)
    0.2427
    """
    owed = jnp.maximum(interest * life, 1e-9)
    return owed / life / (1.0 - jnp.exp(-owed))


def ownership(chip: Chip, price: Number, power: Number, economics: Economics) -> Ownership:
    """Cost of owning one chip in a machine in a data centre.

    price: of the package [USD]; power: mean of the package over busy and idle hours [W]. The facility is built for the
    power limit, the electricity bill is for the mean. A scale-up domain pays for each tier of its switches; the price
    of scale-out is that of a whole cluster network. chip, economics: broadcastable. Returns parts [USD/s].
    """
    yearly = annuity(economics.interest_rate, economics.depreciation)
    up, out = chip.scale_up, chip.scale_out
    network = up.bandwidth * up.price * up.tiers + out.bandwidth * out.price
    provisioned = chip.package.power_limit * chip.price.server_power_ratio
    building = provisioned * economics.facility_price * annuity(economics.interest_rate, economics.facility_life)
    drawn = power * chip.price.server_power_ratio * economics.pue
    capital = price + chip.price.host + network
    return Ownership(
        chip=price * yearly,
        host=chip.price.host * yearly,
        network=network * yearly,
        facility=building,
        electricity=drawn * economics.electricity_price,
        maintenance=capital * yearly * economics.maintenance_share,
    )


def hourly_rate(chip: Chip, make: Number, price: Number, owned: Ownership, economics: Economics) -> Rate:
    """Dollars a second of one chip on every basis.

    make, price: of one package [USD], spread evenly over its life; rent: the market's where it is known, else
    ownership with the margin of who rents it out; tco: ownership. Every comparison uses one basis, `chosen`.
    """
    modelled_rent = owned.total / (1.0 - economics.rent_margin)
    rent = jnp.where(chip.price.rent > 0, chip.price.rent, modelled_rent)
    make_rate = make / economics.depreciation
    buy_rate = price / economics.depreciation
    chosen = (
        economics.basis_make * make_rate
        + economics.basis_buy * buy_rate
        + economics.basis_rent * rent
        + economics.basis_tco * owned.total
    )
    return Rate(make=make_rate, buy=buy_rate, rent=rent, tco=owned.total, chosen=chosen)
