"""Does polishing find optima that lie between grid points, keep limits, and step over to whole numbers?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import optuna
import pytest
from builders import catalogue
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial

from dse.analysis.comparison import job_of
from dse.best_mapping import evaluate_pairs
from dse.catalogue import load_space
from dse.catalogue.fields import Range
from dse.search.samplers.genes import Columns, params_of
from dse.search.samplers.gradient import GradientSampler, relax_by_jax, relaxed_value
from dse.search.samplers.scorer import SpaceScorer
from dse.search.samplers.screening import ATTRIBUTE
from dse.search.samplers.slopes import SLOTS, chip_and_tangents, relax_space
from dse.search.studies.study import create, plan_of, run

SPACE: dict[str, BaseDistribution] = {
    "x": FloatDistribution(0.0, 4.0),
    "y": FloatDistribution(0.1, 10.0, log=True),
    "n": IntDistribution(1, 9),
    "kind": CategoricalDistribution(("low", "high")),
}


def value(params: dict[str, Any]) -> tuple[Any, Any]:
    """At most 5 at x + y = 3, x = 1.7, n = 4 of the high kind; a little less at n = 5."""
    apart = (params["x"] - 1.7) ** 2 + (params["y"] - 1.5) ** 2 + 0.1 * (params["n"] - 4.3) ** 2
    high = (params["kind"] == "high") * 1.0
    return 4.0 + high - apart, params["x"] + params["y"] - 3.0


def scorer(columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    return value(dict(columns))


def objective(trial: Trial) -> float:
    found: dict[str, Any] = {
        "x": trial.suggest_float("x", 0.0, 4.0),
        "y": trial.suggest_float("y", 0.1, 10.0, log=True),
        "n": trial.suggest_int("n", 1, 9),
        "kind": trial.suggest_categorical("kind", ("low", "high")),
    }
    worth, excess = value(found)
    trial.set_constraint("sum", excess)
    return worth


def searched(seed: int) -> optuna.Study:
    sampler = GradientSampler(SPACE, scorer, relax_by_jax(value), candidates=64, seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=24)
    return study


def test_the_optimum_at_a_limit_is_found_to_three_digits() -> None:
    """On x + y = 3 nearest to (1.7, 1.5) lie x = 1.6 and y = 1.4."""
    study = searched(0)
    best = study.best_trial
    assert best.params["kind"] == "high"
    assert best.params["n"] == 4
    assert best.value == pytest.approx(5.0 - 2 * 0.1**2 - 0.1 * 0.3**2, abs=2e-3)
    assert best.constraints["sum"] <= 0.0


def test_trials_say_that_they_are_corners_of_polished_designs() -> None:
    stages = [trial.user_attrs[ATTRIBUTE]["stage"] for trial in searched(0).trials]
    assert "corner" in stages
    assert {trial.user_attrs[ATTRIBUTE]["name"] for trial in searched(0).trials} == {"gradient"}


def test_the_same_seed_gives_the_same_trials() -> None:
    assert [trial.params for trial in searched(1).trials] == [trial.params for trial in searched(1).trials]


@pytest.mark.parametrize(
    "found", [*list(SPACE.values())[:3], IntDistribution(1, 64, log=True), IntDistribution(2, 8, step=2)]
)
def test_relaxed_values_rise_at_the_slope_that_they_say(found: BaseDistribution) -> None:
    for gene in (0.3, 0.5, 0.71):
        here, slope = relaxed_value(found, gene)
        there, _ = relaxed_value(found, gene + 1e-6)
        assert (there - here) / 1e-6 == pytest.approx(slope, rel=1e-4)
        assert found._contains(here) or isinstance(found, IntDistribution)


@pytest.fixture(scope="module")
def of_space() -> SpaceScorer:
    space = load_space("sram-vs-hbm", catalogue())
    job = job_of(catalogue(), space.model, space.traffic, space.price_basis, most_chips=16)
    return SpaceScorer(space, job, ["tokens_per_dollar"])


def test_slopes_of_a_space_are_those_of_finite_differences(of_space: SpaceScorer) -> None:
    """Of ln(tokens per dollar), in most numbers of most designs; at steps of the model they may differ."""
    generator = np.random.default_rng(0)
    columns = {name: np.array([one[name] for one in designs(of_space, generator)]) for name in of_space.parameters}
    of_space(columns)
    numbers = ("matrix.clock", "sram.capacity", "sram.bandwidth", "scale_up.bandwidth", "package.tdp")
    job, close = of_space.job, []
    for params in designs(of_space, generator)[:6]:
        mapping = of_space.mapping_of(params)
        slopes = relax_space(of_space, params, numbers)(params)
        for name in numbers:
            pair = [params | {name: params[name] * (1.0 + step)} for step in (-1e-5, 1e-5)]
            chips = of_space.chips({key: np.array([one[key] for one in pair]) for key in params})
            low, high = evaluate_pairs(chips, job.transformer, job.requests, mapping, job.assumptions).tokens_per_dollar
            rise = (high - low) / (2e-5 * params[name])
            close.append(abs(slopes.of_values[name][0] - rise) <= 1e-2 * abs(rise) + 1e-7 * high / params[name])
    assert np.mean(close) > 0.8


def designs(of_space: SpaceScorer, generator: np.random.Generator) -> list[dict[str, Any]]:
    genes = generator.random((64, len(of_space.parameters)))
    return [params_of(of_space.parameters, row) for row in genes]


def test_leaves_of_a_chip_are_multiples_of_numbers_so_that_differences_are_exact(of_space: SpaceScorer) -> None:
    params = designs(of_space, np.random.default_rng(1))[0]
    numbers = ["matrix.clock", "sram.capacity", "package.dies", "package.tdp"]
    chip, tangents = chip_and_tangents(of_space, params, numbers)
    for place, name in enumerate(numbers):
        far = params | {name: params[name] * 1.1}
        there, _ = chip_and_tangents(of_space, far, numbers)
        rise = jax.tree.map(lambda slope, place=place, name=name: slope[place] * 0.1 * params[name], tangents)
        for expected, leaf, new in zip(*map(jax.tree.leaves, (rise, chip, there)), strict=True):
            np.testing.assert_allclose(new - leaf, expected, rtol=1e-6, atol=1e-9 * abs(leaf) + 1e-12)


def test_a_study_of_a_space_is_polished(of_space: SpaceScorer) -> None:
    space, job = of_space.space, of_space.job
    plan = plan_of(space, job, ["tokens-per-dollar", "tokens-per-second-per-user"], "gradient", 0)
    study = create(optuna.storages.InMemoryStorage(), plan, "polished")
    run(study, space, job, catalogue().library, 24)
    stages = [trial.user_attrs[ATTRIBUTE]["stage"] for trial in study.trials]
    assert len(stages) == 24
    assert all(trial.user_attrs[ATTRIBUTE]["points"] > 0 for trial in study.trials)


def test_slopes_of_more_numbers_than_are_taken_at_once(of_space: SpaceScorer) -> None:
    space = load_space("gpu", catalogue())
    numbers = {path: one for path, one in space.fixed.items() if isinstance(one, float) and one > 0.0}
    moved = {path: (one.low if isinstance(one, Range) else one.values[0]) for path, one in space.free.items()}
    numbers |= {path: one for path, one in moved.items() if isinstance(one, float)}
    free = dict(space.free) | {path: Range(one, one * 1.01) for path, one in numbers.items()}
    fixed = {path: one for path, one in space.fixed.items() if path not in numbers}
    wide = SpaceScorer(replace(space, free=free, fixed=fixed), of_space.job, ["tokens_per_dollar"])
    assert len(numbers) > SLOTS
    _, slopes = chip_and_tangents(wide, moved | numbers, list(numbers))
    assert all(len(leaf) == 2 * SLOTS for leaf in jax.tree.leaves(slopes))
