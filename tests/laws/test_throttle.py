"""Does the power limit slow a chip as clock and voltage do, and is no watt lost or gained by it?"""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from builders import (
    FAMILIES,
    assumptions,
    change,
    chip,
    model,
    random_chips,
    random_mappings,
    random_traffic,
    run,
    seeds,
)
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from dse.evaluate import hardware_of
from dse.hardware.area import floor_plan
from dse.hardware.power import event_energy, supplied
from dse.hardware.throttle import Envelope, cooled, throttled_time
from dse.hardware.voltage import clock_ratio, energy_ratio, floor_of

SILICON = assumptions().silicon
SEED = st.integers(0, 2**32 - 1)


def clock_and_energy(voltage: float, clocked: float, fixed: float) -> tuple[float, float]:
    """Clock over that at the nominal voltage of an H100, and energy of work that takes 1 J there."""
    nominal = chip("h100-sxm").process
    lower = replace(nominal, voltage=voltage)
    clock = float(clock_ratio(lower, SILICON)) / float(clock_ratio(nominal, SILICON))
    return clock, clocked * float(energy_ratio(lower)) + fixed


@pytest.mark.parametrize("fixed", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("overload", [1.02, 1.1, 1.4, 1.8, 2.6])
@pytest.mark.parametrize("paced", [1.0, 0.6, 0.1])
def test_the_time_is_that_of_the_voltage_curve(fixed: float, overload: float, paced: float) -> None:
    """Against the voltage at which the power is what it may be, found by bisection; never faster, within 8 %."""
    process, power = chip("h100-sxm").process, 1.0 / overload
    low, nominal = float(process.lowest_voltage), float(process.nominal_voltage)
    envelope = Envelope(power=power, floor=floor_of(process, SILICON))
    found = float(throttled_time(1.0 - fixed, fixed, paced, 1.0 - paced, envelope))

    def excess(voltage: float) -> float:
        clock, energy = clock_and_energy(voltage, 1.0 - fixed, fixed)
        return energy - power * (1.0 - paced + paced / clock)

    if excess(low) > 0.0:
        wanted = clock_and_energy(low, 1.0 - fixed, fixed)[1] / power
    else:
        clock, _ = clock_and_energy(float(brentq(excess, low, nominal)), 1.0 - fixed, fixed)
        wanted = 1.0 - paced + paced / clock
    assert wanted * (1.0 - 1e-9) <= found <= 1.08 * wanted
    assert found <= overload * (1.0 + 1e-12)


def test_what_stays_within_its_power_is_not_slowed() -> None:
    envelope = Envelope(power=1.0, floor=floor_of(chip("h100-sxm").process, SILICON))
    assert float(throttled_time(0.6, 0.4, 0.7, 0.3, envelope)) == pytest.approx(1.0, abs=1e-12)
    assert float(throttled_time(0.0, 0.0, 0.7, 0.3, envelope)) == 1.0


def test_waiting_for_memory_costs_no_time_when_the_clock_sinks() -> None:
    """Work that hardly needs the clock saves its energy first; as much of it paced by the clock takes longer."""
    envelope = Envelope(power=0.8, floor=floor_of(chip("h100-sxm").process, SILICON))
    memory_bound, compute_bound = (
        float(throttled_time(0.6, 0.4, paced, 1.0 - paced, envelope)) for paced in (0.05, 1.0)
    )
    assert memory_bound < 1.03 < 1.08 < compute_bound


@pytest.mark.parametrize("name", ["h100-sxm", "mi300x"])
def test_clocks_burn_with_the_square_of_the_voltage_and_the_clock(name: str) -> None:
    base = chip(name)
    low = change(base, process__voltage=lambda old: 0.85 * old)
    low = change(low, base__process__voltage=lambda old: 0.85 * old) if float(base.base.dies) else low
    before, after = (hardware_of(one, assumptions()).energy.clocks for one in (base, low))
    ratio = float(clock_ratio(low.process, SILICON)) * 0.85**2
    assert float(after) == pytest.approx(ratio * float(before), rel=1e-9)


@seeds(6)
@given(seed=SEED, name=st.sampled_from(sorted(FAMILIES.values())))
def test_no_package_draws_more_than_its_limit_or_its_cooling(seed: int, name: str) -> None:
    """Losses of the converters, leakage and links included."""
    generator = np.random.default_rng(seed)
    chips = random_chips(generator)
    found = run(chips, model(name), random_traffic(generator), random_mappings(generator, name))
    limit = np.minimum(chips.package.power_limit, cooled(chips, found.hardware.dies).package.power_limit)
    works = np.asarray(found.limits.idle_power) < -0.01
    assert works.any()
    for work in (found.prefill, found.decode):
        drawn = work.energy / work.time + found.hardware.static_power
        assert (drawn <= limit * (1.0 + 1e-9))[works].all()
    assert (found.power <= limit * (1.0 + 1e-9))[works].all()


def test_less_cooling_and_a_lower_limit_are_the_same() -> None:
    base = chip("h100-sxm")
    dies = 814.0
    cool = change(base, package__power_density_limit=400.0 / dies)
    capped = change(base, package__power_limit=400.0)
    one, other = (
        run(
            design,
            model("llama-3.1-8b"),
            random_traffic(np.random.default_rng(1)),
            random_mappings(np.random.default_rng(1), "llama-3.1-8b"),
        )
        for design in (cool, capped)
    )
    np.testing.assert_allclose(one.prefill.time, other.prefill.time, rtol=1e-12)
    np.testing.assert_allclose(one.usd_per_output_token, other.usd_per_output_token, rtol=1e-12)


def test_wires_are_as_long_as_the_silicon() -> None:
    """Four times the area, twice the way to memory and cache; nothing else of an event changes."""
    base = chip("a100-80gb-sxm")
    plan = floor_plan(base, SILICON)
    empty = replace(plan.compute, unfilled=plan.compute.unfilled + 3.0 * plan.dies.compute)
    large = replace(plan, compute=empty, dies=replace(plan.dies, compute=4.0 * plan.dies.compute))
    near, far = (event_energy(base, SILICON, one) for one in (plan, large))
    way = SILICON.wire_energy * jnp.sqrt(plan.dies.compute)
    assert float(far.memory - near.memory) == pytest.approx(float(SILICON.memory_distance * way), rel=1e-9)
    assert float(far.sram - near.sram) == pytest.approx(float(base.style.sram_distance * way), rel=1e-9)
    assert float(far.mac) == float(near.mac)
    lossy = supplied(near, SILICON)
    assert float(lossy.mac) == pytest.approx(float(near.mac) / SILICON.delivery_efficiency, rel=1e-12)
