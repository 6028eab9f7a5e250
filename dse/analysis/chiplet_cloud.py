"""What does a server cost over its life by the accounts of Chiplet Cloud? Kept as published, with monthly payments.

Peng et al., Chiplet Cloud, arXiv:2307.02666, after Barroso, Clidaras and Hölzle, The Datacenter as a Computer;
github.com/bespoke-silicon-group/reallm. `dse.economics.ownership` is our own form, with continuous interest.
"""

from __future__ import annotations

from dse.arrays import Number, pytree
from dse.economics import loan_interest

__all__ = ["ServerCost", "ServerTerms", "server_cost"]

MONTHS = 12.0
"""Of a year [1]."""
MONTH = 30.0 * 24.0
"""Hours of a month, as the source counts them [h]."""
KILO = 1e3
"""Watts of a kilowatt [1]."""


@pytree
class ServerTerms:
    """What everything around the server costs.

    life: of the server; building_life [year]; building_price [USD/W]; building_operation [USD/W/month]; interest: a
    year [1]; server_operation: of the price of the server [1]; electricity_price [USD/kWh]; pue: facility over server
    power [1].
    """

    life: Number
    building_life: Number
    building_price: Number
    building_operation: Number
    interest: Number
    server_operation: Number
    electricity_price: Number
    pue: Number


@pytree
class ServerCost:
    """Parts of the cost of a server over its life [USD]."""

    building: Number
    building_interest: Number
    building_operation: Number
    server: Number
    server_interest: Number
    server_operation: Number
    power: Number
    cooling: Number

    @property
    def total(self) -> Number:
        """Sum of the parts [USD]."""
        building = self.building + self.building_interest + self.building_operation
        return building + self.server + self.server_interest + self.server_operation + self.power + self.cooling


def server_cost(price: Number, power: Number, terms: ServerTerms) -> ServerCost:
    """A server of a price [USD] that always draws a power [W], over its life.

    >>> around = dict(life=1.5, building_life=12.0, building_price=10.0, building_operation=0.04)
    >>> terms = ServerTerms(**around, interest=0.08, server_operation=0.05, electricity_price=0.067, pue=1.5)
    >>> round(float(server_cost(5328.915, 1216.899, terms).total), 2)
    10771.39
    """
    used = terms.life / terms.building_life
    building = terms.building_price * power
    drawn = terms.electricity_price / KILO * MONTH * MONTHS * terms.life * power
    return ServerCost(
        building=building * used,
        building_interest=loan_interest(building, terms.interest, terms.building_life) * used,
        building_operation=terms.building_operation * MONTHS * terms.life * power,
        server=price,
        server_interest=loan_interest(price, terms.interest, terms.life),
        server_operation=terms.server_operation * price,
        power=drawn,
        cooling=(terms.pue - 1.0) * drawn,
    )
