"""Do published yields, dies, die areas and peaks come out?"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from builders import assumptions, catalogue, change, chip, dies_on, names

from dse.analysis.silicon import Examination, examine, known_dies, rated, score, standing
from dse.evaluate import hardware_of
from dse.hardware.power import link_energy
from dse.hardware.yields import (
    harvested_yield,
    murphy_yield,
    negative_binomial_yield,
    poisson_yield,
    seeds_yield,
)


@pytest.mark.parametrize(
    ("area", "defects", "alpha", "published"),
    [
        # Chiplet Actuary's form at 0.10 defects/cm2 (DAC 2022).
        (814.0, 0.10, 10.0, 0.457),
        (400.0, 0.10, 10.0, 0.676),
        (200.0, 0.10, 10.0, 0.820),
        (100.0, 0.10, 10.0, 0.905),
        # The same program run on its own technology tables: 5 nm at 0.11, 7 nm at 0.09, 3 nm at 0.20.
        (814.0, 0.11, 10.0, 0.42420),
        (407.0, 0.11, 10.0, 0.64535),
        (203.5, 0.11, 10.0, 0.80141),
        (826.0, 0.09, 10.0, 0.48818),
        (74.0, 0.09, 10.0, 0.93578),
        (814.0, 0.20, 10.0, 0.22128),
        # Other clusterings: CATCH 2, Princeton 3, Seeds 1.
        (814.0, 0.10, 3.0, 0.4867),
        (814.0, 0.10, 2.0, 0.5051),
        (814.0, 0.10, 1.0, 0.5513),
        (814.0, 0.11, 3.0, 0.4568),
        (814.0, 0.05, 10.0, 0.6710),
    ],
)
def test_published_yields(area: float, defects: float, alpha: float, published: float) -> None:
    places = len(str(published)) - 2
    assert round(float(negative_binomial_yield(area, defects / 100.0, alpha)), places) == published


@pytest.mark.parametrize(
    ("area", "formula"), [(814.0, 57.596), (407.0, 127.500), (203.5, 271.131), (100.0, 571.712), (74.0, 779.306)]
)
def test_dies_near_the_analytic_formula(area: float, formula: float) -> None:
    """Whole dies on a grid against Chiplet Actuary's continuous formula; published counts spread by 11 %."""
    assert float(dies_on(area, assumptions().silicon)) == pytest.approx(formula, rel=0.11)


@pytest.mark.parametrize(
    ("model", "published"),
    [
        # 814 mm2 at 0.05, 0.09, 0.10 and 0.11 defects/cm2 (review of accelerator cost models, section 6.1).
        (poisson_yield, (0.6656, 0.4807, 0.4431, 0.4084)),
        (murphy_yield, (0.6749, 0.5025, 0.4681, 0.4365)),
        (seeds_yield, (0.7107, 0.5772, 0.5513, 0.5276)),
    ],
)
def test_published_yields_of_other_models(model: Callable[..., Any], published: tuple[float, ...]) -> None:
    for defects, wanted in zip((0.05, 0.09, 0.10, 0.11), published, strict=True):
        assert round(float(model(814.0, defects / 100.0)), 4) == wanted


@pytest.mark.parametrize(
    ("core", "published"), [(3.0, (0.826, 0.709, 0.683, 0.657)), (4.0, (0.888, 0.807, 0.788, 0.770))]
)
def test_published_harvesting(core: float, published: tuple[float, ...]) -> None:
    """814 mm2 with 144 cores of which 132 must be good, Poisson (same review, section 6.3)."""
    for defects, wanted in zip((0.05, 0.09, 0.10, 0.11), published, strict=True):
        density = defects / 100.0
        outside, one = poisson_yield(814.0 - 144.0 * core, density), poisson_yield(core, density)
        assert float(harvested_yield(outside, one, 144.0, 12.0)) == pytest.approx(wanted, abs=6e-4)


def test_a_wafer_survives_its_defects() -> None:
    """1 % of 46,225 mm2 unprotected at 0.1 defects/cm2: 0.63; a million small cores with spares are no matter."""
    outside, one = poisson_yield(462.25, 0.001), poisson_yield(0.05, 0.001)
    assert float(harvested_yield(outside, one, 970_000.0, 70_000.0)) == pytest.approx(0.63, abs=0.005)


def test_whole_dies_on_the_grid() -> None:
    """814 mm2: 63 with streets of 0.2 mm and 5 mm of edge, 68 with 0.1 and 3 (brute force, review, section 5.1)."""
    wide, fine = assumptions().silicon, change(assumptions().silicon, scribe=0.1, edge_exclusion=3.0)
    assert float(dies_on(814.0, wide)) == 63
    assert float(dies_on(814.0, fine)) == 68


@cache
def examined() -> tuple[Examination, ...]:
    """Every catalogued chip as silicon."""
    return tuple(examine(catalogue(), name) for name in names("chip"))


# Published dies outside 20 %, and named. Intel packs BMG-G21 at 72 million transistors a mm2 where NVIDIA has 122 on a
# like node; the compute die of MI350 is smaller than what it holds would be as NVIDIA builds it. No published fact of
# either architecture tells.
OUTSIDE = ("BMG-G21", "MI350")


def test_published_dies_that_nothing_was_fitted_to() -> None:
    """Area from the architecture: median 5 % over 12 dies of six makers, two of them beyond 20 %."""
    dies = [die for die in known_dies(examined()) if not die.fitted and die.standing == "published"]
    makers = {str(catalogue().entry("chip", die.chip).document.vendor) for die in dies}  # pyright: ignore
    assert len(dies) >= 10
    assert len(makers) >= 5
    off = {die.name: abs(die.modelled / die.published - 1.0) for die in dies}
    assert sorted(off.values())[len(off) // 2] < 0.08
    for name, error in off.items():
        assert (error > 0.20) is (name in OUTSIDE), (name, error)


def test_estimated_dies_are_scored_apart() -> None:
    """What analysts or the press say is no yardstick; it is not far off either."""
    dies = [die for die in known_dies(examined()) if not die.fitted and die.standing == "estimate"]
    assert score("", [die.error for die in dies]).median < 0.10
    assert {"GB100", "Gaudi 2", "MI300", "TPU v5e"} <= {die.name for die in dies}
    assert "TPU v5p" not in {die.name for die in known_dies(examined())}  # nobody but this model says its area


def test_few_dies_are_fitted() -> None:
    """At most a third, one for each style, and a style with one die only is no evidence."""
    dies = known_dies(examined())
    fitted = [die for die in dies if die.fitted]
    assert 3 * len(fitted) <= len(dies)
    assert len({die.style for die in fitted}) == len(fitted)


def test_power_of_rated_chips() -> None:
    """Full load against published ratings, one chip a die, before any limit: median 11 % of 16, 4 % of the GPUs."""
    chips = [item for item in rated(examined()) if standing(item.power_kind) == "published"]
    assert len(chips) >= 15
    assert len({item.die for item in chips}) == len(chips)
    assert score("", [item.power_error for item in chips]).median < math.log(1.12)
    assert score("", [item.power_error for item in chips if item.style == "gpu"]).median < 0.08


def test_network_adapters_on_the_die_burn_what_a_card_does() -> None:
    """A full-rate port of 400 Gb/s at 7 nm takes the better part of the 18 W of a ConnectX-7, its host side apart."""
    gaudi = chip("gaudi-2")
    watts = float(link_energy(gaudi.scale_up, gaudi.process)) * 400e9 / 8.0
    assert watts == pytest.approx(18.0 - 400e9 * 3.8e-12, rel=0.02)


@pytest.mark.parametrize(("name", "pj_per_bit"), [("a100-80gb-sxm", 13.11), ("gh200", 11.68)])
def test_whole_memory_path(name: str, pj_per_bit: float) -> None:
    """Energy of a streamed byte with the clocks that run meanwhile, against SC'25, Tables 2-3 (second-hand)."""
    energy = hardware_of(chip(name), assumptions()).energy
    found = energy.memory + energy.clocks / chip(name).memory.bandwidth
    assert float(found) == pytest.approx(8e-12 * pj_per_bit, rel=0.12)


@pytest.mark.parametrize(
    ("name", "format_rate", "published"),
    [
        ("h100-sxm", "fp8-e4m3", 1979e12),
        ("a100-80gb-sxm", "int8", 624e12),
        ("b200-sxm", "fp4-e2m1", 9000e12),
        ("tpu-v5e", "int8", 394e12),
        ("l4", "fp8-e4m3", 242e12),
        ("h20", "fp8-e4m3", 296e12),
        ("rtx-3090", "int8", 284.7e12),
        ("rtx-4090", "int8", 660.6e12),
        ("rtx-4090", "fp8-e4m3", 330.3e12),
        ("rtx-5090", "nvfp4", 1676e12),
        ("rtx-pro-6000", "nvfp4", 2015e12),
        ("b300-sxm", "nvfp4", 13500e12),
        ("gb300", "nvfp4", 15000e12),
        ("mi355x", "mxfp6", 10066e12),
        ("rx-7900-xtx", "int4", 245.7e12),
        ("arc-pro-b60", "int8", 197e12),
        ("trainium-1", "int8", 380e12),
        ("trainium-3", "mxfp8", 2517e12),
        ("tpu-v7", "fp8-e4m3", 4614e12),
        ("wormhole-n150", "fp8-e4m3", 262e12),
        ("blackhole-p150", "mxint8", 664e12),
        ("rngd", "int4", 1024e12),
    ],
)
def test_published_peaks_of_narrow_formats(name: str, format_rate: str, published: float) -> None:
    """Data sheets, dense."""
    unit, values = chip(name).matrix, catalogue().entry("chip", name).values
    rate = float(values[f"matrix.rates.{format_rate}"])
    assert float(unit.units * unit.rows * unit.columns * 2.0 * unit.clock) * rate == pytest.approx(published, rel=0.01)
