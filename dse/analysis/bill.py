"""What does one chip cost, on every basis, part by part, and how sure is that?"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np

from dse.analysis.constants import Constant, built, constants_of, stacked
from dse.arrays import Number, pytree
from dse.assumptions import Assumptions
from dse.catalogue import Catalogue
from dse.catalogue.build import BUYER, build_assumptions
from dse.catalogue.history import library_of_year
from dse.catalogue.library import Library
from dse.catalogue.read import Entry
from dse.economics import Ownership, Rate, hourly_rate, ownership
from dse.evaluate import Hardware, hardware_of
from dse.hardware.actuary import Carrier, packaged_dies, raw_die
from dse.hardware.chip import Chip
from dse.hardware.throttle import cooled

__all__ = ["BASES", "Bill", "Money", "Total", "bill_of", "money_of"]

HOUR = 3600.0
PRICED = ("chip", "technology", "economics")
"""Kinds of files on which money rests; formats and software cost nothing by themselves."""
BASES = ("make_usd", "buy_usd", "rent_usd_per_hour", "tco_usd_per_hour")


@dataclass(frozen=True)
class OwnTerms:
    """Terms of a bill, which has no job; every basis is on it."""

    library: Library
    buyer: str
    assumptions: Assumptions
    price_basis: str = "tco"

    @property
    def volume(self) -> float:
        """Chips over which development is spread, 0 when it is left out [1]."""
        return float(self.assumptions.economics.volume)


@pytree
class Money:
    """What a chip costs without a job: its hardware, ownership at the mean power of the economics, and rates."""

    hardware: Hardware
    owned: Ownership
    rate: Rate

    @property
    def totals(self) -> dict[str, Number]:
        """Amount on each basis [USD, USD, USD/h, USD/h]."""
        amounts = (self.hardware.make.total, self.hardware.price, self.rate.rent * HOUR, self.rate.tco * HOUR)
        return dict(zip(BASES, amounts, strict=True))


@dataclass(frozen=True)
class Total:
    """An amount with its range, and the ordered parts of which it is the sum."""

    total: float
    low: float
    high: float
    parts: dict[str, float]


@dataclass(frozen=True)
class Bill:
    """A chip on every basis.

    academic_package: package and what assembly loses by the model of Chiplet Actuary, None where it has no such carrier
    or dies of two kinds, stacked or beside each other, which that model does not know [USD]; totals: by BASES;
    constants: those that move any of them, with what their two ends do to each total (constants, 2 ends, bases), as ln
    of the ratio.
    """

    entry: Entry
    chip: Chip
    money: Money
    academic_package: float | None
    totals: dict[str, Total]
    constants: list[Constant]
    effects: np.ndarray


def money_of(chip: Chip, assumptions: Assumptions) -> Money:
    """What a chip costs, at the mean power of a machine of which nothing else is known. Arguments broadcast."""
    economics = assumptions.economics
    hardware = hardware_of(chip, assumptions)
    chip = cooled(chip, hardware.dies)
    owned = ownership(chip, hardware.machine, economics.mean_power_share * chip.package.power_limit, economics)
    rate = hourly_rate(chip, hardware.make.total, hardware.price, owned, economics)
    return Money(hardware=hardware, owned=owned, rate=rate)


def parts_of(money: Money) -> dict[str, dict[str, float]]:
    """The ordered parts of each total: the vendor's margin ends the price, that of the renter the rent."""
    make = {name: float(getattr(money.hardware.make, name)) for name in money.hardware.make.__dataclass_fields__}
    owned = {name: HOUR * float(getattr(money.owned, name)) for name in money.owned.__dataclass_fields__}
    margin = float(money.hardware.price) - float(money.hardware.make.total)
    rented = HOUR * (float(money.rate.rent) - float(money.owned.total))
    found = ({**make}, {**make, "vendor_margin": margin}, {**owned, "renter_margin": rented}, {**owned})
    return dict(zip(BASES, found, strict=True))


def spread(effects: np.ndarray) -> tuple[float, float]:
    """Ends of a total over its value, from what each constant does alone.

    effects: ln of the ratio at the two ends, (constants, 2). The moves down are independent of each other and combine
    as the root of the sum of their squares, and so do those up.

    >>> low, high = spread(np.array([[-0.3, 0.3], [0.4, -0.4]]))
    >>> round(float(np.log(high)), 3), round(float(np.log(low)), 3)
    (0.5, -0.5)
    """
    down = np.sqrt((np.minimum(effects, 0.0).min(axis=1) ** 2).sum())
    up = np.sqrt((np.maximum(effects, 0.0).max(axis=1) ** 2).sum())
    return float(np.exp(-down)), float(np.exp(up))


def bill_of(
    catalogue: Catalogue, name: str, buyer: str = BUYER, volume: float | int | None = None, year: float | None = None
) -> Bill:
    """The bill of a chip of the catalogue; CatalogueError for an unknown chip or buyer.

    year: of the prices of memory and wafers, that of the catalogue when none is given.
    """
    library, entry = catalogue.library, catalogue.entry("chip", name)
    if year is not None:
        library = library_of_year(library, year)
    terms = OwnTerms(library, buyer, build_assumptions(library, buyer=buyer, volume=volume))
    found = (constant for constant in constants_of([entry], terms) if constant.entry.kind in PRICED)
    constants = [constant for constant in found if set(constant.range) != {constant.value}]
    columns, table = money_at_ends(entry, terms, constants)
    effects = np.log(table[1:] / table[0]).reshape(len(constants), 2, len(BASES))
    moving = [place for place in range(len(constants)) if np.abs(effects[place]).max() > 1e-9]
    money = jax.tree.map(lambda leaf: float(np.broadcast_to(np.asarray(leaf), len(table))[0]), columns)
    chip = built(entry, terms)[0]
    parts, totals = parts_of(money), {}
    for place, basis in enumerate(BASES):
        low, high = spread(effects[:, :, place])
        total = float(table[0, place])
        totals[basis] = Total(total, total * low, total * high, parts[basis])
    return Bill(
        entry=entry,
        chip=chip,
        money=money,
        academic_package=academic_package(entry, chip, money, library),
        totals=totals,
        constants=[constants[place] for place in moving],
        effects=effects[moving],
    )


def money_at_ends(entry: Entry, terms: OwnTerms, constants: list[Constant]) -> tuple[Money, np.ndarray]:
    """Money as it is, then with each constant at its low and at its high end; totals (1 + 2 x constants, bases)."""
    ends = [built(entry, terms, constant, end) for constant in constants for end in constant.range]
    columns = money_of(*stacked([built(entry, terms), *ends]))
    totals = [np.broadcast_to(np.asarray(total), 1 + len(ends)) for total in columns.totals.values()]
    return columns, np.stack(totals, axis=-1)


def academic_package(entry: Entry, chip: Chip, money: Money, library: Library) -> float | None:
    """Package, bad packages and the dies lost in them by Chiplet Actuary, without a price of the service [USD]."""
    packages = library.shelves["package"]
    named = packages.figures[packages.names[packages.row(str(entry.values["package.kind"]))]].get("carrier")
    if named is None or float(chip.base.dies) > 0.0:
        return None
    carrier = Carrier(**library.shelves["carrier"].gather(str(named.value)))
    area = float(money.hardware.dies.compute) / float(chip.package.dies)
    die = raw_die(area, chip.process.wafer_price, chip.process.defect_density)
    found = packaged_dies(chip.package.dies, area, die, carrier)
    return float(found.raw_package + found.package_defects + found.wasted_dies)
