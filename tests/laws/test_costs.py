"""Does money obey its laws? Sums, doublings, what is free, what is lost, and what is spread over a volume."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from builders import PAIRS, assumptions, catalogue, change, chip, names, random_chips, seeds
from hypothesis import given
from hypothesis import strategies as st

from dse.analysis.bill import BASES, Money, bill_of, money_of, parts_of
from dse.analysis.comparison import evaluate_candidate, job_of
from dse.assumptions import Assumptions
from dse.catalogue.build import build_assumptions, build_chips
from dse.catalogue.history import TODAY, library_of_year
from dse.economics import annuity
from dse.hardware.chip import Chip
from dse.hardware.cost import good_die_cost
from dse.hardware.development import development_cost
from dse.hardware.machine import link_cost
from dse.hardware.yields import DieKind

MONEY = jax.jit(money_of)
SEED = st.integers(0, 2**32 - 1)

# Leaves that are money, by tree; everything else is a size, a share or a time.
CHIP_USD = {
    "process": ("wafer_price",),
    "memory": ("price",),
    "far_memory": ("price",),
    "scale_up": ("adapter_price", "cable_price", "switch_price"),
    "scale_out": ("adapter_price", "cable_price", "switch_price"),
    "package": ("cost_per_area", "fixed_cost", "test_cost", "test_cost_per_area"),
    "base__process": ("wafer_price",),
    "development": ("design", "masks", "intellectual_property"),
    "price": ("buy", "rent", "host"),
}
ECONOMICS_USD = ("rack_price", "facility_price", "facility_operation", "electricity_price", "software_development")


def money(chips: Chip, **changes: Any) -> Money:
    """Money of chips under changed assumptions."""
    return MONEY(chips, change(assumptions(), **changes))


def same(found: Any, wanted: Any) -> None:
    """Equal to twelve digits, whatever the shapes."""
    np.testing.assert_allclose(*np.broadcast_arrays(np.asarray(found), np.asarray(wanted)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("volume", [None, 1e4])
def test_the_parts_of_every_bill_sum_to_its_totals(volume: float | None) -> None:
    library = catalogue().library
    given = build_assumptions(library, volume=volume)
    for name in names("chip"):
        found = money_of(build_chips(catalogue().entry("chip", name).values, library), given)
        totals = dict(zip(BASES, found.totals.values(), strict=True))
        for basis, parts in parts_of(found).items():
            assert sum(parts.values()) == pytest.approx(float(totals[basis]), rel=1e-9), (name, basis)


@pytest.mark.parametrize("name", ["mi300x", "cs-3", "tpu-v7"])
def test_a_total_lies_in_its_range(name: str) -> None:
    for one in bill_of(catalogue(), name).totals.values():
        assert 0.0 < one.low <= one.total <= one.high
        assert sum(one.parts.values()) == pytest.approx(one.total, rel=1e-9)


@seeds(10)
@given(seed=SEED, volume=st.sampled_from([0.0, 1e3, 1e6]))
def test_doubling_every_price_doubles_every_cost(seed: int, volume: float) -> None:
    chips = random_chips(np.random.default_rng(seed))
    changes = {f"{part}__{leaf}": lambda old: 2.0 * old for part, leaves in CHIP_USD.items() for leaf in leaves}
    dearer = {f"economics__{name}": lambda old: 2.0 * old for name in ECONOMICS_USD}
    before = money(chips, economics__volume=volume)
    after = money(
        change(chips, **changes), economics__volume=volume, silicon__probe_cost=lambda old: 2.0 * old, **dearer
    )
    for basis in BASES:
        same(after.totals[basis], 2.0 * np.asarray(before.totals[basis]))


@seeds(5)
@given(seed=SEED)
def test_free_electricity_leaves_capital(seed: int) -> None:
    chips = random_chips(np.random.default_rng(seed))
    before, after = money(chips), money(chips, economics__electricity_price=0.0)
    same(after.owned.electricity, 0.0)
    same(after.owned.total, np.asarray(before.owned.total) - np.asarray(before.owned.electricity))
    same(after.hardware.make.total, before.hardware.make.total)


@seeds(5)
@given(seed=SEED, share=st.floats(0.0, 1.0), volume=st.sampled_from([0.0, 1e4]))
def test_zero_margin_makes_the_price_equal_the_cost(seed: int, share: float, volume: float) -> None:
    """To every buyer, development included."""
    chips = change(random_chips(np.random.default_rng(seed)), price__gross_margin=0.0, price__buy=0.0)
    found = money(chips, economics__margin_share=share, economics__volume=volume).hardware
    same(found.price, found.make.total)
    same(found.machine.chip + found.machine.development, found.make.total)


@seeds(5)
@given(seed=SEED, share=st.floats(0.0, 1.0))
def test_a_buyer_pays_between_cost_and_price(seed: int, share: float) -> None:
    chips = random_chips(np.random.default_rng(seed))
    found = money(chips, economics__margin_share=share).hardware
    make, price, paid = (
        np.broadcast_to(np.asarray(x), PAIRS) for x in (found.make.total, found.price, found.machine.chip)
    )
    assert (paid <= price * (1.0 + 1e-12)).all()
    assert (paid >= np.minimum(make, price) * (1.0 - 1e-12)).all()


@given(area=st.floats(20.0, 800.0), sellable=st.floats(0.05, 1.0), count=st.integers(1, 12))
def test_yield_is_applied(area: float, sellable: float, count: int) -> None:
    """A good die costs a site of the wafer over the share that is good."""
    silicon = assumptions().silicon
    kind = DieKind(count=1.0, area=area, defect_free=1.0, sellable=1.0, process=chip("h100-sxm").process)
    site = float(good_die_cost(kind, silicon))
    same(good_die_cost(change(kind, sellable=sellable), silicon), site / sellable)
    same(good_die_cost(change(kind, count=float(count)), silicon), count * site)


@seeds(5)
@given(seed=SEED)
def test_perfect_assembly_loses_nothing(seed: int) -> None:
    chips = random_chips(np.random.default_rng(seed))
    lost = money(change(chips, package__bond_yield=1.0)).hardware.make.assembly_loss
    same(lost, 0.0)
    worse = money(change(chips, package__bond_yield=lambda old: 0.9 * old)).hardware.make
    assert (np.asarray(worse.assembly_loss) > np.asarray(money(chips).hardware.make.assembly_loss)).all()


def test_compute_dies_on_base_dies_need_no_room_of_their_own() -> None:
    """The same dies beside and on base dies: a smaller package with fewer joints."""
    beside = change(chip("mi300x"), base__under=0.0)
    plain, stacked = (money(one).hardware.make for one in (beside, chip("mi300x")))
    assert float(stacked.dies) == pytest.approx(float(plain.dies), rel=0.01)
    assert float(stacked.package) < float(plain.package)
    assert float(stacked.assembly_loss) < float(plain.assembly_loss)


@seeds(5)
@given(seed=SEED)
def test_development_is_spread_over_the_volume(seed: int) -> None:
    """N chips pay for it once; none without a volume, none in a market price, which holds it already."""
    chips = random_chips(np.random.default_rng(seed))
    own, bought = change(chips, price__buy=0.0), change(chips, price__buy=1e4)
    whole = np.broadcast_to(np.asarray(development_cost(chips, assumptions().economics).total), PAIRS)
    for volume in (1e3, 1e6):
        found = money(own, economics__volume=volume).hardware
        same(np.asarray(found.make.development) * volume, whole)
        same(np.asarray(found.price) - np.asarray(money(own).hardware.price), whole / volume)
        same(money(bought, economics__volume=volume).hardware.price, 1e4)
    same(money(own).hardware.make.development, 0.0)


@seeds(5)
@given(seed=SEED)
def test_development_is_paid_once_and_financed(seed: int) -> None:
    """With interest over the life of the machine: no spares of it, no repairs, no margin of who rents out."""
    chips = change(random_chips(np.random.default_rng(seed)), price__buy=0.0, price__rent=0.0)
    plain, found = money(chips), money(chips, economics__volume=1e4)
    given_ = assumptions().economics
    share = np.asarray(found.hardware.make.development)
    rate = share * float(annuity(given_.interest_rate, given_.depreciation))
    same(found.owned.development, rate)
    for name in ("chip", "spares", "maintenance"):
        same(getattr(found.owned, name), getattr(plain.owned, name))
    for name in ("tco", "rent"):
        same(np.asarray(getattr(found.rate, name)) - np.asarray(getattr(plain.rate, name)), rate)


def test_the_electricity_bill_pays_for_the_plug_of_the_cluster() -> None:
    """Package, server, switches and storage, cooling."""
    chips, given_ = chip("h100-sxm"), assumptions().economics
    watts = 700.0 * 0.75 * float(chips.price.server_power_ratio * given_.cluster_power_ratio * given_.pue)
    same(money(chips).owned.electricity, watts * given_.electricity_price)


def test_a_bill_rests_on_the_nodes_of_all_its_dies() -> None:
    """The base dies of an MI300X are of another node than its compute dies."""
    labels = [constant.label for constant in bill_of(catalogue(), "mi300x").constants]
    assert {"wafer price (5nm)", "wafer price (6nm)", "test cost per area (soic)"} <= set(labels)
    assert not any("(3nm)" in label or "hbm3e" in label for label in labels)


def test_the_academic_package_knows_dies_of_one_kind() -> None:
    assert bill_of(catalogue(), "mi300x").academic_package is None
    assert 50.0 < (bill_of(catalogue(), "h100-sxm").academic_package or 0.0) < 300.0


@pytest.mark.parametrize("name", ["h100-sxm", "gb200", "rtx-5090"])
def test_prices_of_today_are_those_of_the_catalogue(name: str) -> None:
    now, same_year = (bill_of(catalogue(), name, year=year) for year in (None, TODAY))
    for basis in BASES:
        assert same_year.totals[basis].total == pytest.approx(now.totals[basis].total, rel=1e-12)


@given(year=st.floats(2017.0, TODAY))
def test_a_price_lies_between_those_of_the_dates_around_it(year: float) -> None:
    shelf = library_of_year(catalogue().library, year).shelves["memory"]
    price = float(shelf.columns["price"][shelf.row("ddr5")]) * 1e9
    dated = [(2023.0, 2.4), (2025.6, 4.0), (2025.9, 7.0), (2026.1, 14.1), (TODAY, 15.6)]
    below = [one for date, one in dated if date <= year] or [2.4]
    above = [one for date, one in dated if date >= year] or [15.6]
    assert below[-1] * (1.0 - 1e-12) <= price <= above[0] * (1.0 + 1e-12)


def test_a_network_costs_by_its_tiers() -> None:
    """A second tier adds cables and switches, not cards."""
    link = change(chip("h100-sxm").scale_out, tiers=1.0)
    added = float(link_cost(change(link, tiers=2.0))) - float(link_cost(link))
    assert added == pytest.approx(float(link.bandwidth * (link.cable_price + link.switch_price)), rel=1e-12)


@pytest.mark.parametrize("basis", ["make", "buy", "rent", "tco"])
def test_cost_of_a_token_is_the_cost_of_the_chips_over_what_they_sell(basis: str) -> None:
    """Whatever the batch: dividing by it once more is 64 times off at batch 64."""
    job = job_of(catalogue(), "llama-3.1-8b", "batch", basis, most_chips=8)
    entry = catalogue().entry("chip", "h100-sxm")
    found = evaluate_candidate(job, entry.name, "", "", entry.values, chip("h100-sxm"))
    assert float(found.mapping.batch) > 8.0
    metrics, sold = found.metrics, float(job.assumptions.economics.utilisation)
    rate = float(getattr(metrics.rate, basis))
    income = float(metrics.usd_per_output_token) * float(metrics.output_tokens_per_s) * sold
    assert income == pytest.approx(float(metrics.chips) * rate, rel=1e-9)


@pytest.mark.parametrize("buyer", ["hyperscaler", "neocloud"])
def test_the_same_chip_on_every_basis(buyer: str) -> None:
    """Cost to make < price, rent > cost of ownership; a buyer changes neither cost to make nor market price."""
    entry = catalogue().entry("chip", "h100-sxm")
    given: Assumptions = build_assumptions(catalogue().library, buyer=buyer)
    found = money_of(build_chips(entry.values, catalogue().library), given)
    totals = {name: float(total) for name, total in found.totals.items()}
    assert totals["make_usd"] < totals["buy_usd"] == float(entry.values["price.buy"])
    assert totals["tco_usd_per_hour"] < totals["rent_usd_per_hour"]
    assert totals["make_usd"] == pytest.approx(float(money(chip("h100-sxm")).hardware.make.total), rel=1e-12)
