"""Do area, yield, dies and cost behave as silicon does?"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from builders import PAIRS, assumptions, catalogue, change, chip, dies_on, names, random_chips
from hypothesis import given
from hypothesis import strategies as st

from dse.hardware.cost import make_cost
from dse.hardware.yields import negative_binomial_yield, sellable_yield

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


@given(free=st.floats(0.0, 1.0), recovery=st.floats(0.0, 1.0))
def test_harvesting_saves_some_and_never_more_than_all(free: float, recovery: float) -> None:
    sold = float(sellable_yield(free, recovery))
    assert free - 1e-12 <= sold <= 1.0 + 1e-12


def counted(area: float, centred_x: bool, centred_y: bool) -> int:
    """Whole square dies on a wafer, one by one: all four corners inside, streets of half a scribe on every side."""
    pitch = np.sqrt(area) + float(SILICON.scribe)
    radius = float(SILICON.wafer_diameter) / 2.0 - float(SILICON.edge_exclusion)
    most = int(radius / pitch) + 2
    places = np.arange(-most, most + 1)
    left = (places - (0.5 if centred_x else 0.0)) * pitch
    low = (places - (0.5 if centred_y else 0.0)) * pitch
    far_x = np.maximum(np.abs(left), np.abs(left + pitch))
    far_y = np.maximum(np.abs(low), np.abs(low + pitch))
    return int((np.hypot(far_x[:, None], far_y[None, :]) <= radius).sum())


def test_dies_are_those_counted_one_by_one() -> None:
    found = np.asarray(dies(AREAS, SILICON))
    for area, count in zip(AREAS, found, strict=True):
        grids = [counted(area, x, y) for x in (False, True) for y in (False, True)]
        assert count == max(*grids, 1), area


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


COST = jax.jit(lambda chips, silicon, area: make_cost(chips, silicon, assumptions().economics, jnp.asarray(area)).total)


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
