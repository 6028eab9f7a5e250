"""Does a study that is gone on with begin from what its trials know, and not from nothing?"""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from builders import catalogue
from optuna.distributions import BaseDistribution, FloatDistribution

from dse.analysis.comparison import job_of
from dse.catalogue import load_space
from dse.search.samplers.genes import Columns
from dse.search.samplers.scorer import SpaceScorer
from dse.search.samplers.screening import ATTRIBUTE, ISLANDS, PARENTS, ScreeningSampler
from dse.search.samplers.shortlist import SIZE
from dse.search.studies.storage import open_storage
from dse.search.studies.study import best_trial, create, mappings_of, plan_of, run, told_trials

CANDIDATES = 2048
SQUARE: dict[str, BaseDistribution] = {name: FloatDistribution(0.0, 1.0) for name in ("x", "y")}


def hill(columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    values = -((columns["x"] - 0.3) ** 2) - (columns["y"] - 0.6) ** 2
    return values[:, None], np.zeros(len(values))


def climbed(study: optuna.Study, sampler: ScreeningSampler, trials: int) -> None:
    study.sampler = sampler
    for _ in range(trials):
        trial = study.ask(SQUARE)
        study.tell(trial, float(hill({name: np.array([value]) for name, value in trial.params.items()})[0][0, 0]))


def test_families_begin_with_the_best_that_was_told_of_each() -> None:
    study = optuna.create_study(direction="maximize")
    climbed(study, ScreeningSampler(SQUARE, hill, candidates=256, seed=0), 40)
    sampler = ScreeningSampler(SQUARE, hill, candidates=256, seed=1)
    history = sampler.up_to_date(study, study.trials)
    assert len(sampler.families) == ISLANDS
    for number, family in enumerate(sampler.families):
        told = [t.values[0] for t in study.trials if t.user_attrs[ATTRIBUTE]["family"] == number]
        parents = family.parents
        if parents is None:
            assert not told
            continue
        assert parents.values[:, 0].tolist() == sorted(told, reverse=True)[:PARENTS]
    assert sum(family.parents is not None for family in sampler.families) > 2
    assert history.best is not None
    climbed(study, sampler, 1)
    assert study.trials[-1].user_attrs[ATTRIBUTE]["stage"] != "quasi-random"


@pytest.mark.parametrize("objectives", [["tokens-per-dollar"], ["tokens-per-dollar", "tokens-per-second-per-user"]])
def test_the_shortlist_begins_with_the_mappings_of_the_trials(objectives: list[str]) -> None:
    space = load_space("sram-vs-hbm", catalogue())
    job = job_of(catalogue(), space.model, space.traffic, space.price_basis, most_chips=64)
    study = create(open_storage("memory:"), plan_of(space, job, objectives, "screening", 0), None)
    run(study, space, job, catalogue().library, 16)
    first, best = study.trials[0], best_trial(study)
    run(study, space, job, catalogue().library, 1)
    screened = CANDIDATES * SIZE
    assert study.trials[-1].user_attrs[ATTRIBUTE]["points"] <= screened < first.user_attrs[ATTRIBUTE]["points"]
    scorer = SpaceScorer(space, job, plan_of(space, job, objectives, "screening", 0).objectives)
    scorer.recall(mappings_of(told_trials(study)))
    mapping = scorer.mapping_of(best.params)
    found = {name: float(getattr(mapping, name)) for name in best.user_attrs["result"]["mapping"]}
    assert found == best.user_attrs["result"]["mapping"]
