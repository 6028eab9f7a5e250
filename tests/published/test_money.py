"""Do published bills of materials, prices of machines, costs of ownership and formulas of their authors come out?"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from builders import assumptions, catalogue, change, chip

from dse.analysis.bill import bill_of
from dse.analysis.chiplet_cloud import ServerTerms, server_cost
from dse.analysis.published_money import Figure, figures_of, read_published
from dse.arrays import Number
from dse.catalogue.locate import shipped_root
from dse.economics import annuity, loan_interest, ownership
from dse.evaluate import hardware_of
from dse.hardware.actuary import Carrier, packaged_dies, raw_die, sites
from dse.hardware.development import break_even_rate
from dse.hardware.machine import Machine

YEAR = 365.25 * 86400.0
HOUR = 3600.0

# Published amounts that are missed, by how far at most from the nearer end of their interval, and why.
MISSED = {
    # 148 of 160 cores on wafers at the price of the whole 5 nm class, at which the dies of an H100 come out 6 % dear;
    # the source of this interval asks for more than twice the dies of the source of that bill.
    ("b200-sxm", "make", "dies"): 0.09,
}


@cache
def figures() -> dict[tuple[str, str, str], Figure]:
    """Every published amount of the catalogue beside the modelled one."""
    table = read_published(shipped_root() / "models/economics/published.csv")
    return {(one.published.chip, one.published.kind, one.published.part): one for one in figures_of(catalogue(), table)}


KEYS = [(one.chip, one.kind, one.part) for one in read_published(shipped_root() / "models/economics/published.csv")]


@pytest.mark.parametrize("key", KEYS)
def test_published_amounts_come_out(key: tuple[str, str, str]) -> None:
    """Inside the interval, or within 15 % of its middle (12 % for costs of ownership): bills part by part."""
    one = figures()[key]
    if key in MISSED:
        assert not one.agrees
        assert abs(one.log_error) < MISSED[key]
    else:
        assert one.agrees, f"{one.modelled:.6g} for {one.published}"


def test_tolerances_bite() -> None:
    """An amount beyond its interval and its tolerance does not agree."""
    one = figures()["h100-sxm", "make", ""]
    assert one.agrees
    assert not replace(one, modelled=1.16 * one.published.middle).agrees
    owned = figures()["h100-sxm", "tco neocloud", ""]
    assert not replace(owned, modelled=1.13 * owned.published.middle).agrees


def test_a_gb200_at_the_prices_of_its_year() -> None:
    """13,200 USD for a superchip of two and their shared processor memory (Silicon Analysts, Epoch 2024-25).

    At the memory prices of 2026 the same packages cost half as much again: a bill without a date says nothing.
    """
    then, now = (bill_of(catalogue(), "gb200", year=year).totals["make_usd"].total for year in (2024.0, None))
    assert then == pytest.approx(6600.0, rel=0.15)
    assert now > 1.4 * then


def test_price_of_a_dgx_h100() -> None:
    """269,010 USD in May 2023, with network cards of 10,908 USD at the server margin of 15.6 % (SemiAnalysis)."""
    h100, given = chip("h100-sxm"), assumptions()
    market = change(given, economics__margin_share=1.0)
    system = 8.0 * float(hardware_of(h100, market).machine.system) + 10908.0 / (1.0 - 0.156)
    assert system == pytest.approx(269010.0, rel=0.15)


def test_price_of_a_gb200_nvl72() -> None:
    """3.1 million USD by Epoch (2.8-3.9), 3.1 to 4.0 by others: within 15 % of the first and of the middle."""
    market = change(assumptions(), economics__margin_share=1.0)
    rack = 72.0 * float(hardware_of(chip("gb200"), market).machine.system)
    assert rack == pytest.approx(3.1e6, rel=0.15)
    assert rack == pytest.approx(3.55e6, rel=0.15)


def test_costs_of_ownership_have_no_bias() -> None:
    """The one number that was fitted for each buyer leaves the geometric mean within 3 %."""
    for buyer in ("hyperscaler", "neocloud"):
        errors = [
            np.log(one.modelled / one.published.middle) for key, one in figures().items() if key[1] == f"tco {buyer}"
        ]
        assert len(errors) == 7
        assert abs(np.mean(errors)) < 0.03


def machine(price: Number) -> Machine:
    """A machine that is nothing but a chip."""
    return Machine(chip=price, host=0.0, rack=0.0, scale_up=0.0, scale_out=0.0, spares=0.0, development=0.0)


def test_cost_of_ownership_by_the_formula_of_the_tables() -> None:
    """1.85 USD an hour: 51,600 USD of system a GPU, 5 years, 8 %, 1.275 kW, 12 USD/W over 14 years, 75 %, PUE 1.15."""
    economics = change(
        assumptions().economics,
        depreciation=5.0 * YEAR,
        interest_rate=0.08 / YEAR,
        facility_price=12.0,
        facility_operation=0.0,
        cluster_power_ratio=1.0,
        pue=1.15,
    )
    h100 = change(chip("h100-sxm"), price__server_power_ratio=1.275 / 0.7)
    owned = ownership(h100, machine(51600.0), np.float64(0.75 * 700.0), economics)
    assert float(owned.total) * HOUR == pytest.approx(1.85, rel=0.05)


def test_ownership_by_hand() -> None:
    """Each part of the H100's cost of ownership, worked with the annuity."""
    given, h100 = assumptions().economics, chip("h100-sxm")
    owned = ownership(h100, machine(26000.0), np.float64(500.0), given)
    yearly = 0.08 / (1.0 - np.exp(-0.08 * 4.0))
    assert float(annuity(given.interest_rate, given.depreciation)) * YEAR == pytest.approx(yearly, rel=1e-9)
    assert float(owned.chip) * YEAR == pytest.approx(26000.0 * yearly, rel=1e-9)
    assert float(owned.maintenance) * YEAR == pytest.approx(0.05 * 26000.0 * yearly, rel=1e-9)
    kilowatt_hours = 0.5 * 1.82 * 1.23 * 1.1 * YEAR / HOUR
    assert float(owned.electricity) * YEAR == pytest.approx(kilowatt_hours * 0.0826, rel=1e-9)
    provisioned = 700.0 * 1.82 * 1.23
    assert float(owned.facility) * YEAR == pytest.approx(provisioned * 11.0 * 0.08 / (1.0 - np.exp(-1.12)), rel=1e-9)
    assert float(owned.operation) * YEAR == pytest.approx(provisioned * 0.0548 * 8.766, rel=1e-9)


# Chiplet Actuary (DAC 2022) as run: 5 nm 16,988 USD and 0.11 defects/cm2, 7 nm 9,346 and 0.09, 3 nm 30,000 and 0.20.
NODES = {"5nm": (16988.0, 0.11), "7nm": (9346.0, 0.09), "3nm": (30000.0, 0.20)}


@pytest.mark.parametrize(
    ("area", "node", "count", "raw", "good"),
    [
        (814.0, "5nm", 57.596, 294.95, 695.31),
        (407.0, "5nm", 127.500, 133.24, 206.46),
        (203.5, "5nm", 271.131, 62.66, 78.18),
        (100.0, "5nm", 571.712, 29.71, 33.15),
        (814.0, "7nm", 57.596, 162.27, 329.06),
        (826.0, "7nm", 56.604, 165.11, 338.22),
        (74.0, "7nm", 779.306, 11.99, 12.82),
        (814.0, "3nm", 57.596, 520.87, 2353.83),
    ],
)
def test_chiplet_actuary_dies(area: float, node: str, count: float, raw: float, good: float) -> None:
    price, defects = NODES[node]
    die = raw_die(area, price, defects / 100.0)
    assert round(float(sites(area)), 3) == count
    assert (round(float(die.raw), 2), round(float(die.good), 2)) == (raw, good)


# System of 814 mm2 of logic cut into dies with 10 % more area for their links.
@pytest.mark.parametrize(
    ("node", "carrier", "dies", "area", "published"),
    [
        ("5nm", "organic", 1, 814.0, 722.89),
        ("5nm", "fan-out", 1, 814.0, 794.72),
        ("5nm", "silicon", 1, 814.0, 841.03),
        ("5nm", "organic", 2, 447.7, 530.22),
        ("5nm", "fan-out", 2, 447.7, 590.07),
        ("5nm", "silicon", 2, 447.7, 654.25),
        ("5nm", "organic", 4, 223.85, 410.42),
        ("5nm", "fan-out", 4, 223.85, 473.71),
        ("5nm", "silicon", 4, 223.85, 564.48),
        ("5nm", "organic", 8, 111.925, 370.89),
        ("5nm", "fan-out", 8, 111.925, 448.68),
        ("5nm", "silicon", 8, 111.925, 607.60),
        ("7nm", "organic", 1, 814.0, 352.94),
        ("7nm", "organic", 2, 447.7, 288.09),
        ("7nm", "organic", 4, 223.85, 235.98),
        ("7nm", "organic", 8, 111.925, 219.75),
        ("7nm", "silicon", 2, 447.7, 388.66),
        ("7nm", "silicon", 4, 223.85, 356.67),
        ("7nm", "silicon", 8, 111.925, 395.26),
    ],
)
def test_chiplet_actuary_packages(node: str, carrier: str, dies: int, area: float, published: float) -> None:
    price, defects = NODES[node]
    built = Carrier(**catalogue().library.shelves["carrier"].gather(carrier))
    found = packaged_dies(float(dies), area, raw_die(area, price, defects / 100.0), built)
    assert round(float(found.total), 2) == published


def test_chiplet_actuary_parts() -> None:
    """The two ends of the organic column, part by part."""
    price, defects = NODES["5nm"]
    organic = Carrier(**catalogue().library.shelves["carrier"].gather("organic"))
    for dies, area, parts in (
        (1, 814.0, (299.02, 400.36, 16.28, 0.16, 7.06)),
        (8, 111.925, (271.64, 34.78, 35.82, 3.00, 25.65)),
    ):
        found = packaged_dies(float(dies), area, raw_die(area, price, defects / 100.0), organic)
        named = (found.raw_chips, found.defects, found.raw_package, found.package_defects, found.wasted_dies)
        assert tuple(round(float(part), 2) for part in named) == parts


def test_chiplet_cloud_cost_of_ownership() -> None:
    """10,771.389 USD over 1.5 years: a server of 5,328.915 USD and 1,216.899 W (ReaLLM, tests/hw_example).

    8 % in monthly payments; building 10 USD/W over 12 years, 0.04 USD/W/month; 0.067 USD/kWh in months of 30 days, PUE
    1.5; 5 % of the server for its operation.
    """
    terms = ServerTerms(
        life=1.5,
        building_life=12.0,
        building_price=10.0,
        building_operation=0.04,
        interest=0.08,
        server_operation=0.05,
        electricity_price=0.067,
        pue=1.5,
    )
    found = server_cost(5328.915, 1216.899, terms)
    published = (1521.124, 849.900, 876.167, 5328.915, 343.850, 266.446, 1056.658, 528.329)
    parts = [float(getattr(found, name)) for name in found.__dataclass_fields__]
    assert parts == pytest.approx(published, abs=2e-3)
    assert float(found.total) == pytest.approx(10771.389, abs=2e-3)


def test_chiplet_cloud_against_our_form() -> None:
    """The same server by our continuous annuity: 1 % of the payments on the server, 3 % of those on the building."""
    for price, life in ((5328.915, 1.5), (12168.99, 12.0)):
        theirs = price + float(loan_interest(price, 0.08, life))
        ours = price * float(annuity(0.08 / YEAR, life * YEAR)) * life * YEAR
        assert ours == pytest.approx(theirs, rel=0.01)


def test_break_even_of_chiplet_cloud() -> None:
    """35 million USD over 1.5 years of 365 days against an A100 at 1.10 USD/h and 18 tokens/s: 44,053 tokens/s."""
    saved = 1.10 / 3600.0 / 18.0 - 0.1799e-6
    assert float(break_even_rate(35e6, saved, 1.5 * 365.0 * 86400.0)) == pytest.approx(44053.0, abs=1.0)
