"""Are marginal values slopes of the truth? Against finite differences, and against what money must do."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from builders import catalogue
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.analysis.comparison import Job, job_of
from dse.analysis.constants import built
from dse.analysis.marginal import Margins, followed, marginal_values, moved_by, with_leaves
from dse.arrays import ceil_div
from dse.best_mapping import evaluate_pairs
from dse.evaluate import hardware_of

CHIPS = ("h100-sxm", "tpu-v7", "matx-one")
"""A chip with a published die and a market price, one with neither price nor rent, and one that nobody has built."""


@pytest.fixture(scope="module", params=CHIPS)
def margins(request: pytest.FixtureRequest, job: Job) -> Margins:
    return marginal_values(catalogue().entry("chip", request.param), job)


@pytest.fixture(scope="module")
def job() -> Job:
    return job_of(catalogue(), "llama-3.1-70b", "chat", "tco", most_chips=64)


def test_slopes_are_finite_differences(margins: Margins) -> None:
    """Where left and right agree, waves of matrix units aside; most resources and all prices are such."""
    even = [row for row in margins.rows if row.knob.name != "matrix units"]
    smooth = [row for row in even if abs(row.left - row.right) < 0.02 * max(abs(row.left), abs(row.right)) + 1e-5]
    for row in smooth:
        middle = (row.left + row.right) / 2.0
        assert row.slope == pytest.approx(middle, rel=5e-3, abs=1e-5), row.knob.name
    assert len(smooth) >= 0.9 * len(even)
    assert {row.knob.name for row in smooth} >= {row.knob.name for row in even if row.knob.price}


@pytest.mark.parametrize("name", CHIPS)
def test_the_slope_of_matrix_units_is_that_of_the_line_through_their_steps(name: str, job: Job) -> None:
    """Work is dealt to units in whole waves: over a few per cent either way, steps even out to the slope."""
    entry = catalogue().entry("chip", name)
    found = marginal_values(entry, job)
    (row,) = (row for row in found.rows if row.knob.name == "matrix units")
    today, steps = built(entry, job), np.linspace(-0.05, 0.05, 64)
    tangents = jax.tree.map(lambda leaf: np.multiply.outer(steps, leaf), row.knob.tangent)
    chips, given = moved_by(today, tangents, 1.0)
    value = evaluate_pairs(chips, job.transformer, job.requests, found.mapping, given).tokens_per_dollar
    fitted = np.polyfit(np.log1p(steps), np.log(value), 1)[0]
    assert row.slope == pytest.approx(fitted, rel=0.15, abs=0.01)


def test_prices_cost_what_they_make_up(margins: Margins) -> None:
    """A per cent on the market price is one on that part of the bill, but for the margin that no buyer pays."""
    owned = margins.metrics.owned
    (price,) = (row for row in margins.rows if row.knob.name == "price of the package")
    capital = owned.machine - owned.spares - owned.maintenance
    hardware = margins.metrics.hardware
    paid, asked, make = hardware.machine.chip, hardware.price, hardware.make.total
    passed_on = asked / paid * (paid - make) / (asked - make)
    share = passed_on * owned.chip * (1.0 + (owned.spares + owned.maintenance) / capital) / owned.total
    assert price.slope == pytest.approx(-share, rel=1e-6)
    assert all(row.slope <= 0.0 for row in margins.rows if row.knob.price)


def test_more_matrix_units_are_more_silicon(margins: Margins) -> None:
    """A unit of what is counted in mm2 is one mm2 of die, published or not, and silicon costs money to make."""
    for row in margins.rows:
        if row.knob.unit == "mm2":
            assert row.die_area == pytest.approx(1.0, rel=1e-6), row.knob.name
        if row.die_area > 0.0:
            assert row.make > 0.0, row.knob.name


def test_memory_is_worth_more_before_its_price_follows(margins: Margins) -> None:
    """Bandwidth on the same stacks costs nothing and is never worth less than nothing."""
    rows = {row.knob.name: row for row in margins.rows}
    assert rows["memory bandwidth"].slope >= 0.0
    assert rows["memory bandwidth"].make == pytest.approx(0.0, abs=1e-9)
    assert rows["memory stacks"].make > rows["memory capacity"].make


@pytest.mark.parametrize("name", CHIPS)
def test_nothing_follows_from_no_change(name: str, job: Job) -> None:
    today = built(catalogue().entry("chip", name), job)
    same = followed(today, today)
    here, there = hardware_of(today[0], today[1]), hardware_of(same, today[1])
    for path, (one, other) in {
        "area": (here.die_area, there.die_area),
        "make": (here.make.total, there.make.total),
        "price": (here.price, there.price),
    }.items():
        assert float(other) == pytest.approx(float(one), rel=1e-12), path


@given(st.integers(2, 40))
@settings(max_examples=20)
def test_dies_on_a_wafer_are_continuous(steps: int) -> None:
    """Cost to make grows evenly with the units: no step where one die fewer fits, and never free silicon."""
    one = job_of(catalogue(), "llama-3.1-70b", "chat", "make", most_chips=1)
    today = built(catalogue().entry("chip", "h100-sxm"), one)
    units = np.linspace(1.0, 1.0 + 0.005 * steps, 64) * float(today[0].matrix.units)
    moved = jax.tree.map(lambda leaf: np.full(64, float(leaf)), today)
    chips = followed((grown(moved[0], units), moved[1]), today)
    made = np.asarray(hardware_of(chips, today[1]).make.total)
    slopes = np.diff(made) / np.diff(units)
    assert (slopes > 0.0).all()
    assert slopes.max() < 1.1 * slopes.min()


def grown(chip: object, units: np.ndarray) -> object:
    return with_leaves(chip, {"matrix.units": units})


@given(st.floats(1.0, 1e5), st.floats(1.0, 1e4))
def test_the_slope_of_a_rounded_quotient_is_that_of_the_quotient(numerator: float, denominator: float) -> None:
    rise, spread = jax.grad(ceil_div, argnums=(0, 1))(numerator, denominator)
    assert float(rise) == pytest.approx(1.0 / denominator, rel=1e-12)
    assert float(spread) == pytest.approx(-numerator / denominator**2, rel=1e-12)
