"""What does it cost to run? From the price of a chip to dollars a second, on every price basis."""

from __future__ import annotations

import jax.numpy as jnp

from dse.arrays import Number, pytree
from dse.assumptions import Economics
from dse.hardware.chip import Chip
from dse.hardware.machine import Machine

__all__ = ["Ownership", "Rate", "annuity", "hourly_rate", "loan_interest", "ownership", "plug_power"]


@pytree
class Ownership:
    """Parts of the total cost of ownership of one chip with its share of the machine [USD/s]."""

    chip: Number
    host: Number
    rack: Number
    scale_up: Number
    scale_out: Number
    spares: Number
    maintenance: Number
    facility: Number
    operation: Number
    electricity: Number
    development: Number

    @property
    def machine(self) -> Number:
        """What the machine takes, paid off and kept in repair [USD/s]."""
        network = self.scale_up + self.scale_out
        return self.chip + self.host + self.rack + network + self.spares + self.maintenance

    @property
    def total(self) -> Number:
        """Sum of the parts [USD/s]."""
        return self.running + self.development

    @property
    def running(self) -> Number:
        """All but the development of a chip of one's own, which is paid once whether machines run or not [USD/s]."""
        return self.machine + self.facility + self.operation + self.electricity


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


def loan_interest(borrowed: Number, rate: Number, years: Number) -> Number:
    """All the interest on a loan that is paid back in equal monthly payments [unit of what is borrowed].

    rate: a year [1]; years: of the loan [1]. As Chiplet Cloud counts it (arXiv:2307.02666); `annuity` is the continuous
    form, within 1 %.

    >>> round(float(loan_interest(5328.915, 0.08, 1.5)), 2)
    343.85
    """
    payments, monthly = 12.0 * years, rate / 12.0
    grown = (1.0 + monthly) ** payments
    return borrowed * (payments * monthly * grown / (grown - 1.0) - 1.0)


def plug_power(chip: Chip, power: Number, economics: Economics) -> Number:
    """Power at the plug for one package, with its share of server, switches and storage [W]. power: of the package [W].

    Switches and storage are taken to follow the servers, busy or idle.
    """
    return power * chip.price.server_power_ratio * economics.cluster_power_ratio


def ownership(chip: Chip, machine: Machine, power: Number, economics: Economics) -> Ownership:
    """Cost of owning one chip in a machine in a data centre.

    power: mean of the package over busy and idle hours [W]. The facility is built and staffed for the power limit, the
    electricity bill is for the mean, both at the plug; cooling adds to the bill by the power usage effectiveness.
    chip, machine, economics: broadcastable. Returns parts [USD/s].
    """
    yearly = annuity(economics.interest_rate, economics.depreciation)
    provisioned = plug_power(chip, chip.package.power_limit, economics)
    building = economics.facility_price * annuity(economics.interest_rate, economics.facility_life)
    drawn = plug_power(chip, power, economics) * economics.pue
    return Ownership(
        chip=machine.chip * yearly,
        host=machine.host * yearly,
        rack=machine.rack * yearly,
        scale_up=machine.scale_up * yearly,
        scale_out=machine.scale_out * yearly,
        spares=machine.spares * yearly,
        maintenance=(machine.in_use + machine.spares) * yearly * economics.maintenance_share,
        facility=provisioned * building,
        operation=provisioned * economics.facility_operation,
        electricity=drawn * economics.electricity_price,
        development=machine.development * yearly,
    )


def hourly_rate(chip: Chip, make: Number, price: Number, owned: Ownership, economics: Economics) -> Rate:
    """Dollars a second of one chip on every basis.

    make, price: of one package [USD], spread evenly over its life; rent: the market's where it is known, else
    ownership with the margin of who rents it out, development passed on as it is; tco: ownership. Every comparison uses
    one basis, `chosen`.
    """
    modelled_rent = owned.running / (1.0 - economics.rent_margin) + owned.development
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
