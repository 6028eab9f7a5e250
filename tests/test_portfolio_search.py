"""Are designs scored for several jobs at once as their trials will be, and found sooner so than by Optuna alone?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from test_portfolio import MOST, TWO

from dse.analysis.portfolio import PORTFOLIO_OBJECTIVES, Portfolio, at_every_pair, portfolio_of
from dse.catalogue import CatalogueError, load_space, open_catalogue
from dse.catalogue.store import Catalogue
from dse.search.portfolio import portfolio_outcomes
from dse.search.samplers.genes import columns_of, params_of
from dse.search.samplers.portfolio_scorer import PortfolioScorer
from dse.search.samplers.screening import ATTRIBUTE
from dse.search.samplers.shortlist import SIZE
from dse.search.samplers.slopes import relax_portfolio
from dse.search.studies.plan import check_unchanged
from dse.search.studies.storage import open_storage
from dse.search.studies.study import best_trial, create, portfolio_plan, run

ALL = tuple(PORTFOLIO_OBJECTIVES.values())


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    folder = tmp_path_factory.mktemp("own") / "models/portfolios"
    folder.mkdir(parents=True)
    Path(folder / "two.toml").write_text(TWO, encoding="utf-8")
    return open_catalogue(folder.parent.parent)


@pytest.fixture(scope="module")
def two(own: Catalogue) -> Portfolio:
    return portfolio_of(own, "two", "tco", MOST)


@pytest.fixture(scope="module")
def scorer(own: Catalogue, two: Portfolio) -> PortfolioScorer:
    return PortfolioScorer(load_space("matx", own), two, ALL)


def test_scores_are_those_of_trials_once_the_mappings_are_known(scorer: PortfolioScorer, two: Portfolio) -> None:
    columns = columns_of(scorer.parameters, np.random.default_rng(2).random((48, len(scorer.parameters))))
    values, excess = scorer(columns)
    members = at_every_pair(scorer.pairs[0].chips(columns), two)
    told = np.array([outcome.values for outcome in portfolio_outcomes(members, two, ALL)])
    able = np.array([not any(member.broken for member in row) for row in members])
    assert able.sum() > 4
    assert (excess[~able] > 0.0).all()
    assert (values[able] <= told[able] * (1.0 + 1e-4))[excess[able] <= 0.0].all()
    scorer.learn(members)
    again, excess = scorer(columns)
    assert ((excess <= 1e-5) == able).all()
    close = np.isclose(again[able], told[able], rtol=1e-4).all(axis=1)
    assert close.mean() > 0.8
    assert scorer.points > 48 * len(two.pairs)


def test_slopes_of_a_portfolio_are_those_of_finite_differences(scorer: PortfolioScorer) -> None:
    generator = np.random.default_rng(1)
    scorer(columns_of(scorer.parameters, generator.random((48, len(scorer.parameters)))))
    numbers = ("matrix.clock", "sram.capacity", "package.tdp")
    close = []
    for genes in generator.random((6, len(scorer.parameters))):
        params: dict[str, Any] = params_of(scorer.parameters, genes)
        model = relax_portfolio(scorer, params, numbers)
        slopes = model(params)
        for name in numbers:
            low, high = (model(params | {name: params[name] * (1.0 + step)}).values for step in (-1e-5, 1e-5))
            rise = (high - low) / (2e-5 * params[name])
            close += (abs(slopes.of_values[name] - rise) <= 1e-2 * abs(rise) + 1e-7 * high / params[name]).tolist()
    assert np.mean(close) > 0.8


def test_auto_finds_better_chips_for_several_jobs_than_tpe(own: Catalogue, two: Portfolio) -> None:
    space, found = load_space("matx", own), {}
    for sampler in ("auto", "tpe"):
        study = create(open_storage("memory:"), portfolio_plan(space, two, ["minimax-regret"], sampler, 0), None)
        run(study, space, two, own.library, 16)
        found[sampler] = best_trial(study)
    assert found["auto"].user_attrs[ATTRIBUTE]["name"] in ("screening", "gradient")
    assert found["auto"].values[0] > 1.1 * found["tpe"].values[0]


def test_the_front_of_mean_and_worst_case_is_searched(own: Catalogue, two: Portfolio) -> None:
    space = load_space("matx", own)
    study = create(open_storage("memory:"), portfolio_plan(space, two, ["mean", "minimax-regret"], "gradient", 0), None)
    state = run(study, space, two, own.library, 16)
    assert state.done == 16
    assert state.feasible > 8
    assert all(trial.user_attrs[ATTRIBUTE]["points"] > 0 for trial in study.trials)


def test_a_study_that_goes_on_begins_with_the_mappings_of_every_pair(own: Catalogue, two: Portfolio) -> None:
    space = load_space("matx", own)
    study = create(open_storage("memory:"), portfolio_plan(space, two, ["mean"], "screening", 0), None)
    run(study, space, two, own.library, 8)
    run(study, space, two, own.library, 1)
    first, last = (study.trials[place].user_attrs[ATTRIBUTE]["points"] for place in (0, -1))
    assert last <= 2048 * SIZE * len(two.pairs) < first


def test_other_mappings_at_any_pair_are_noticed(own: Catalogue, two: Portfolio) -> None:
    """A study goes on with the mappings of its trials, which must be there."""
    space, (first, last) = load_space("matx", own), two.pairs
    plan = portfolio_plan(space, two, ["mean"], "screening", 0)
    check_unchanged(plan, space, two)
    fewer = replace(last.job, mappings=jax.tree.map(lambda leaf: leaf[:-1], last.job.mappings))
    with pytest.raises(CatalogueError, match="figures of the catalogue"):
        check_unchanged(plan, space, replace(two, pairs=(first, replace(last, job=fewer))))
