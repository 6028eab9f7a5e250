"""How does a bill read? What a chip costs on every basis, part by part, and the sourced constants behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from dse import units
from dse.analysis.bill import BASES, Bill
from dse.analysis.constants import Constant
from dse.reporting.text import quantity, significant

__all__ = ["ConstantRow", "bill_json", "bill_lines", "constant_rows"]

HEADINGS = {
    "make_usd": "Cost to make, USD per package",
    "buy_usd": "Price to buy, USD per package",
    "rent_usd_per_hour": "Rent, USD per package and hour",
    "tco_usd_per_hour": "Cost of ownership, USD per package and hour",
}
DEVELOPMENT = "development"


class ConstantRow(NamedTuple):
    """A constant that moves the bill.

    value, low, high: as text with units; effects: on each total at the two ends, as factors by basis;
    kind, source: of its provenance.
    """

    name: str
    value: str
    low: str
    high: str
    effects: dict[str, tuple[float, float]]
    kind: str
    source: str


def bill_json(bill: Bill) -> dict[str, dict[str, object]]:
    """The bill as a document: each basis with total, low, high and parts."""
    return {
        basis: {"total": one.total, "low": one.low, "high": one.high, "parts": one.parts}
        for basis, one in bill.totals.items()
    }


def source_of(constant: Constant) -> str:
    """The work that a constant is taken from, by its title, and the place in it; its note where there is none."""
    work = constant.source
    place = ", ".join(part for part in (work.title if work else "", constant.cited.at) if part)
    return place or constant.cited.note


def amount(value: float, dimension: str) -> str:
    """A constant with its unit; dollars with thousands set apart.

    >>> amount(26000.0, "USD"), amount(4 * 31557600.0, "s")
    ('26,000 USD', '4 year')
    """
    return quantity(value, dimension) if dimension == "USD" else units.readable(value, dimension, 3)


def constant_rows(bill: Bill) -> list[ConstantRow]:
    """The constants that move any total, those that move the cost of ownership most first."""
    order = np.argsort(-np.abs(bill.effects).max(axis=(1, 2)), kind="stable")
    rows = []
    for place in order:
        constant, factors = bill.constants[place], np.exp(bill.effects[place])
        value, low, high = (amount(end, constant.dimension) for end in (constant.value, *constant.range))
        effects = {basis: (float(factors[0, at]), float(factors[1, at])) for at, basis in enumerate(BASES)}
        kind, source = constant.cited.kind, source_of(constant)
        rows.append(ConstantRow(constant.label, value, low, high, effects, kind, source))
    return rows


def moves_text(row: ConstantRow) -> str:
    """What the two ends of a constant do to the totals that it moves: 'make x 1.17 and 0.91'."""
    moved = {basis.partition("_")[0]: pair for basis, pair in row.effects.items() if max(map(abs, np.log(pair))) > 5e-3}
    return ", ".join(f"{name} x {low:.2f} and {high:.2f}" for name, (low, high) in moved.items()) or "less than 1 %"


def market_lines(bill: Bill) -> Iterator[str]:
    """The same chip at modelled cost, modelled price, market price and rent, with dates."""
    price, hardware = bill.chip.price, bill.money.hardware
    modelled = float(hardware.make.manufacturing) / (1.0 - float(price.gross_margin)) + float(hardware.make.development)
    yield f"  modelled cost to make     {significant(float(hardware.make.total))} USD"
    yield f"  modelled price            {significant(modelled)} USD at {float(price.gross_margin):.0%} margin"
    for label, key, scale, unit in (("market price", "price.buy", 1.0, "USD"), ("rent", "price.rent", 3600.0, "USD/h")):
        cited = bill.entry.figures.get(key)
        if cited is None:
            yield f"  {label:<25} not known; modelled where it is needed"
            continue
        dated = bill.entry.sources.get(cited.source)
        place = ", ".join(part for part in (cited.at, f"read {dated.date}" if dated else "", cited.kind) if part)
        yield f"  {label:<25} {significant(scale * float(cited.value))} {unit} ({place})"
    if bill.academic_package is not None:
        service = float(hardware.make.package) + float(hardware.make.assembly_loss)
        academic = f"{significant(bill.academic_package)} by the academic model of Chiplet Actuary"
        yield f"  package and its losses    {significant(service)} USD as a service; {academic}"
    elif float(bill.chip.base.dies) > 0.0:
        yield "  package and its losses    unknown to the academic model of Chiplet Actuary: two kinds of dies"
    yield f"  paid by this buyer        {significant(float(hardware.machine.chip))} USD"


def margin_line(bill: Bill) -> str:
    """What a market rent below the modelled cost of ownership means; '' where it is above."""
    rent, owned = (bill.totals[basis].total for basis in ("rent_usd_per_hour", "tco_usd_per_hour"))
    if rent >= owned:
        return ""
    return (
        f"Market rent is below the modelled cost of ownership, by {significant(owned - rent)} USD/h "
        f"({1.0 - rent / owned:.0%}): who rents out at this rent has bought, financed or written off for less than is "
        "modelled here. The renter margin above is negative for that reason; compare on one basis."
    )


def bill_lines(bill: Bill, buyer: str, most: int) -> Iterator[str]:
    """The whole bill for a person; most: constants that are listed."""
    title = str(getattr(bill.entry.document, "title", bill.entry.name))
    yield f"{title}, bought by a {buyer}"
    yield from market_lines(bill)
    for basis, one in bill.totals.items():
        yield ""
        ends = f"{significant(one.low)} to {significant(one.high)}"
        yield f"{HEADINGS[basis]:<52}{significant(one.total, 4):>12}   {ends}"
        for name, value in one.parts.items():
            if value:
                yield f"  {name.replace('_', ' '):<50}{significant(value, 4):>12}   {value / one.total:6.1%}"
    yield ""
    if warning := margin_line(bill):
        yield warning
    if not bill.totals["make_usd"].parts[DEVELOPMENT]:
        yield "Development (design, masks, software) is in none of these: give a --volume to spread it over."
    yield (
        "Ranges: each constant alone at the two ends of its own range; moves down and moves up combine as the root of "
        "the sum of squares of their logarithms."
    )
    yield f"The {most} constants that move it most, with the factors on what they move:"
    for row in constant_rows(bill)[:most]:
        yield f"  {row.name}: {row.value} ({row.low} to {row.high}): {moves_text(row)}; {row.kind}: {row.source}"
