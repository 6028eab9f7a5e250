"""Do area, yield, dies and cost behave as silicon does?"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from builders import PAIRS, assumptions, catalogue, change, chip, dies_on, names, random_chips
from hypothesis import given
from hypothesis import strategies as st

from dse.arrays import Number, leaf_names
from dse.assumptions import Assumptions, Silicon
from dse.evaluate import Hardware, chip_limits, hardware_of
from dse.hardware.area import Area, floor_plan
from dse.hardware.chip import Chip
from dse.hardware.cost import make_cost
from dse.hardware.dies import Dies
from dse.hardware.power import FullLoad, full_load
from dse.hardware.yields import (
    die_kinds,
    harvested_yield,
    murphy_yield,
    negative_binomial_yield,
    poisson_yield,
    seeds_yield,
    sellable_yield,
    unit_survival,
)
from dse.timing.memory import reuse_limits

FLOOR_PLAN = jax.jit(floor_plan)
FULL_LOAD = jax.jit(
    lambda chips, silicon: full_load(chips, silicon, floor_plan(chips, silicon), reuse_limits(chips)[0])
)


@jax.jit
def limited(chips: Chip, given_: Assumptions) -> tuple[Hardware, dict[str, Number]]:
    """Hardware of chips and how far they exceed their limits."""
    found = hardware_of(chips, given_)
    return found, chip_limits(chips, found)


AREAS = np.concatenate([np.linspace(25.0, 900.0, 240), np.geomspace(900.0, 46225.0, 16)])
SILICON = assumptions().silicon
dies = jax.jit(dies_on)


@given(area=st.floats(1.0, 1e5), defects=st.floats(0.0, 1.0), alpha=st.floats(0.5, 50.0), grown=st.floats(1.0, 10.0))
def test_yield_is_a_share_that_falls_with_area_and_defects(
    area: float, defects: float, alpha: float, grown: float
) -> None:
    areas = np.array([area, area * grown, area])
    densities = np.array([defects, defects, defects * grown])
    one, larger, dirtier = np.asarray(negative_binomial_yield(areas, densities, alpha))
    assert 0.0 <= one <= 1.0
    assert larger <= one
    assert dirtier <= one
    # Clustered defects hit fewer dies than scattered ones, Poisson's exp(-A D).
    assert one >= np.exp(-area * defects) * (1.0 - 1e-12)


@given(area=st.floats(1.0, 5e4), defects=st.floats(0.0, 0.1), grown=st.floats(1.0, 10.0))
def test_every_yield_model_is_a_share_that_falls(area: float, defects: float, grown: float) -> None:
    """Poisson's is the lowest and Seeds' the highest of those that average over densities."""
    for model in (poisson_yield, murphy_yield, seeds_yield):
        one, larger, dirtier = (
            float(model(*given_)) for given_ in ((area, defects), (area * grown, defects), (area, defects * grown))
        )
        assert 0.0 <= one <= 1.0
        assert larger <= one + 1e-12
        assert dirtier <= one + 1e-12
    poisson, murphy, seeds = (float(model(area, defects)) for model in (poisson_yield, murphy_yield, seeds_yield))
    assert poisson - 1e-9 <= murphy <= seeds + 1e-9


@given(good=st.floats(0.5, 1.0), units=st.integers(2, 300), spares=st.integers(0, 40))
def test_spares_only_help(good: float, units: int, spares: int) -> None:
    """None to spare asks for every unit; all to spare for none; the sum of the binomial, term by term, in between."""
    spare = min(spares, units - 1)
    terms = [math.comb(units, k) * (1.0 - good) ** k * good ** (units - k) for k in range(spare + 1)]
    assert float(unit_survival(good, float(units), float(spare))) == pytest.approx(sum(terms), rel=1e-9, abs=1e-12)
    assert float(unit_survival(good, float(units), 0.0)) == pytest.approx(good**units, rel=1e-9, abs=1e-300)
    assert float(harvested_yield(0.9, good, float(units), float(spare))) <= 0.9 + 1e-12


def test_more_spare_cores_and_fewer_defects_give_more_dies() -> None:
    base = chip("h100-sxm")

    def sellable(**changes: object) -> float:
        return float(hardware_of(change(base, **changes), assumptions()).kinds[0].sellable)

    assert sellable(matrix__spare_units=96.0) >= sellable() >= sellable(matrix__spare_units=4.0)
    assert sellable(process__defect_density=lambda old: old * 2.0) < sellable()


def test_links_on_base_dies_are_no_matter_to_compute_dies() -> None:
    """More links cost compute dies yield where these carry them, and none where they stand on base dies that do."""
    stacked = change(chip("mi300x"), package__published_die_area=0.0, base__published_die_area=0.0)
    beside = change(stacked, base__under=0.0)

    def moved(base: Chip) -> float:
        more = change(base, scale_up__bandwidth=lambda old: 8.0 * old)
        was, now = (hardware_of(one, assumptions()).kinds[0].sellable for one in (base, more))
        return float(now) - float(was)

    assert moved(stacked) == 0.0
    assert moved(beside) < -1e-3


@pytest.mark.parametrize("name", ["mi300x", "rx-7900-xtx", "h100-sxm"])
def test_base_dies_hold_what_lies_below(name: str) -> None:
    """Cores stay above; shared memory and its interfaces lie below, links only where compute dies stand on it."""
    plan = floor_plan(chip(name), SILICON)
    based, under = float(chip(name).base.dies) > 0.0, float(chip(name).base.under) > 0.0
    below = {part for part in leaf_names(Area) if float(getattr(plan.base, part)) > 0.0}
    above = {part for part in leaf_names(Area) if float(getattr(plan.compute, part)) > 0.0}
    assert ({"sram", "sram_ports", "memory_interface"} <= below) is based
    assert ("links" in below) is (based and under)
    assert {"matrix", "vector", "control", "local"} <= above - below
    assert not {"sram", "memory_interface"} & (above if based else below)


@given(seed=st.integers(0, 2**32 - 1))
def test_parts_come_to_the_total_and_the_dies_too(seed: int) -> None:
    """Area by part, by die, and power by part."""
    chips = random_chips(np.random.default_rng(seed))
    plan = FLOOR_PLAN(chips, SILICON)
    parts = [np.asarray(getattr(plan.area, name)) for name in leaf_names(Area)]
    assert all((part >= -1e-9 * np.asarray(plan.area.total)).all() for part in parts)
    np.testing.assert_allclose(sum(parts), np.asarray(plan.area.total), rtol=1e-12)
    np.testing.assert_allclose(np.asarray(plan.dies.total), np.asarray(plan.area.total), rtol=1e-9)
    load = FULL_LOAD(chips, SILICON)
    parts = [np.asarray(getattr(load, name)) for name in leaf_names(FullLoad)]
    np.testing.assert_allclose(sum(parts), np.asarray(load.total), rtol=1e-12)


@given(seed=st.integers(0, 2**32 - 1))
def test_a_modelled_die_is_never_short_of_edge(seed: int) -> None:
    """What is feasible exceeds no edge, reticle or power density; a die that the model draws has edge enough."""
    chips = change(random_chips(np.random.default_rng(seed)), package__published_die_area=0.0)
    hardware, excess = limited(chips, assumptions())
    edge = hardware.edge
    assert (np.asarray(excess["die_edge"]) <= 0.0).all()
    feasible = np.max([np.asarray(value) for value in excess.values()], axis=0) <= 0.0
    needed, there = np.asarray(edge.memory + edge.links + edge.die_to_die), np.asarray(edge.available)
    assert (needed[feasible] <= there[feasible] * (1.0 + 2e-4)).all()
    largest = np.maximum(np.asarray(hardware.kinds[0].area), np.asarray(hardware.kinds[1].area))
    assert (largest[feasible] <= np.asarray(chips.package.die_area_limit)[feasible] * (1.0 + 1e-12)).all()


@pytest.mark.parametrize("name", ["h100-sxm", "tpu-v4", "mi300x"])
def test_lower_voltage_is_slower_and_saves_more_than_it_slows(name: str) -> None:
    """Energy with the square of the supply, clock by the alpha-power law; at the nominal supply nothing changes."""
    base, given_ = chip(name), assumptions()
    low = change(base, process__voltage=lambda old: 0.85 * old)
    before, after = hardware_of(base, given_), hardware_of(low, given_)
    assert float(after.energy.vector) == pytest.approx(0.85**2 * float(before.energy.vector), rel=1e-12)
    ratio = float(after.peak) / float(before.peak)
    assert 0.5 < ratio < 0.85
    assert float(after.static_power) < float(before.static_power)
    assert hardware_of(change(base, process__voltage=base.process.nominal_voltage), given_).peak == before.peak


@given(free=st.floats(0.0, 1.0), recovery=st.floats(0.0, 1.0))
def test_harvesting_saves_some_and_never_more_than_all(free: float, recovery: float) -> None:
    sold = float(sellable_yield(free, recovery))
    assert free - 1e-12 <= sold <= 1.0 + 1e-12


def counted(area: float, right: float, up: float) -> int:
    """Whole square dies on a wafer, one by one: all four corners inside, streets of half a scribe on every side.

    right, up: where the centre of the wafer lies in a die, as shares of its pitch.
    """
    pitch = np.sqrt(area) + float(SILICON.scribe)
    radius = float(SILICON.wafer_diameter) / 2.0 - float(SILICON.edge_exclusion)
    most = int(radius / pitch) + 2
    places = np.arange(-most, most + 1)
    far_x, far_y = (np.maximum(np.abs(places - at), np.abs(places + 1.0 - at)) * pitch for at in (right, up))
    return int((np.hypot(far_x[:, None], far_y[None, :]) <= radius).sum())


def test_dies_are_the_most_that_any_grid_holds() -> None:
    """As many as on the best grid of the table, moved by 1/32 of a pitch; no grid between holds 2 % more."""
    found, between = np.asarray(dies(AREAS, SILICON)), np.random.default_rng(0).random((300, 2))
    for area, count in zip(AREAS[::8], found[::8], strict=True):
        tried = max(counted(area, x / 32.0, y / 32.0) for x in range(17) for y in range(x + 1))
        assert count == max(tried, 1), area
        assert max(counted(area, *place) for place in between) <= 1.02 * count, area


def test_small_dies_are_counted_on_by_area() -> None:
    """Beyond the table: between the area of the wafer and that less the ring of cut dies, and without a jump."""
    small = np.geomspace(1.0, 12.0, 200)
    found, pitch = np.asarray(dies(small, SILICON)), np.sqrt(small) + float(SILICON.scribe)
    usable = np.pi * (float(SILICON.wafer_diameter) / 2.0 - float(SILICON.edge_exclusion)) ** 2
    assert (found < usable / pitch**2).all()
    assert (found > 0.95 * usable / pitch**2).all()


def test_larger_dies_are_fewer() -> None:
    assert (np.diff(np.asarray(dies(np.sort(AREAS), SILICON))) <= 0).all()
    fine = change(SILICON, scribe=0.1, edge_exclusion=3.0)
    assert (np.asarray(dies(AREAS, fine)) >= np.asarray(dies(AREAS, SILICON))).all()


@given(seed=st.integers(0, 2**32 - 1), grown=st.floats(1.0, 4.0))
def test_more_silicon_never_costs_less(seed: int, grown: float) -> None:
    """Nor do dearer wafers, more defects or worse bonding."""
    generator = np.random.default_rng(seed)
    chips = random_chips(generator)
    area = 2.0 ** generator.uniform(6.0, 10.0, PAIRS)
    cost = COST(chips, SILICON, area)
    worse = [
        COST(chips, SILICON, area * grown),
        COST(change(chips, process__wafer_price=lambda old: old * grown), SILICON, area),
        COST(change(chips, process__defect_density=lambda old: old * grown), SILICON, area),
        COST(change(chips, package__bond_yield=lambda old: old / grown), SILICON, area),
        COST(change(chips, memory__capacity=lambda old: old * grown), SILICON, area),
    ]
    for other in worse:
        assert (other >= cost * (1.0 - 1e-12)).all()


def cost_of(chips: Chip, silicon: Silicon, area: Number) -> Number:
    """Cost to make packages whose dies, all of a kind, have a total area [mm2]."""
    plan = floor_plan(chips, silicon)
    dies = Dies(compute=jnp.asarray(area), base=jnp.zeros_like(area))
    return make_cost(chips, silicon, assumptions().economics, die_kinds(chips, silicon, plan, dies)).total


COST = jax.jit(cost_of)


@pytest.mark.parametrize("name", names("chip"))
def test_units_give_the_published_peak(name: str) -> None:
    """Units x rows x columns x 2 x clock = the dense peak of the native format, within 1 %."""
    unit, values = chip(name).matrix, catalogue().entry("chip", name).values
    published = values.get("matrix.published_peak")
    if published is None:
        status = getattr(catalogue().entry("chip", name).document, "status")  # noqa: B009
        assert getattr(status, "value", status) in ("hypothetical", "announced")
        return
    assert float(unit.units * unit.rows * unit.columns * 2.0 * unit.clock) == pytest.approx(float(published), rel=0.01)


@pytest.mark.parametrize("name", names("chip"))
def test_stacks_give_the_bandwidth(name: str) -> None:
    """Stacks x the rate of their kind within 10 %, or a note in the file that says why not."""
    entry, memory = catalogue().entry("chip", name), chip(name).memory
    kinds = catalogue().library.shelves["memory"]
    nominal = float(memory.stacks * kinds.columns["bandwidth"][kinds.row(str(entry.values["memory.kind"]))])
    if abs(float(memory.bandwidth) - nominal) > 0.1 * float(memory.bandwidth):
        assert entry.figures["memory.bandwidth"].note


@pytest.mark.parametrize("name", names("chip"))
def test_what_exists_keeps_the_limits_of_what_can_be_made(name: str) -> None:
    """A limit that a chip on sale breaks is no limit."""
    if catalogue().entry("chip", name).figures["status"].value == "hypothetical":
        pytest.skip("nobody has made it")
    excess = chip_limits(chip(name), hardware_of(chip(name), assumptions()))
    broken = {limit: float(value) for limit, value in excess.items() if float(value) > 0.0}
    assert not broken
