"""Does screening find known optima and fronts, in any Optuna study, without proposing anything twice?"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import Trial, TrialState

from dse.search.samplers.genes import Columns, cells_of, columns_of, genes_of, params_of
from dse.search.samplers.hypervolume import gains, hypervolume, undominated
from dse.search.samplers.screening import ATTRIBUTE, ScreeningSampler

optuna.logging.set_verbosity(optuna.logging.ERROR)
Space = dict[str, BaseDistribution]
Directions = Literal["minimize", "maximize", "both"]
DIRECTIONS: dict[Directions, list[StudyDirection]] = {
    "minimize": [StudyDirection.MINIMIZE],
    "maximize": [StudyDirection.MAXIMIZE],
    "both": [StudyDirection.MINIMIZE] * 2,
}

PLANE: Space = {"x": FloatDistribution(-5.0, 10.0), "y": FloatDistribution(0.0, 15.0)}
MIXED: Space = {
    "units": IntDistribution(2, 64, step=2),
    "power": IntDistribution(1, 1024, log=True),
    "clock": FloatDistribution(0.5, 2.5, step=0.25),
    "area": FloatDistribution(1.0, 1e4, log=True),
    "kind": CategoricalDistribution(("none", "near", "far")),
    "wide": CategoricalDistribution((True, False)),
}


def free(values: np.ndarray) -> np.ndarray:
    """No limit is exceeded."""
    return np.full(len(values), -1.0)


def branin(columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    x, y = columns["x"], columns["y"]
    b, c, t = 5.1 / (4 * np.pi**2), 5.0 / np.pi, 1.0 / (8 * np.pi)
    values = (y - b * x**2 + c * x - 6.0) ** 2 + 10.0 * (1 - t) * np.cos(x) + 10.0
    return values, free(values)


def mixed(columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    """At its best 3 at units 40, power 100, clock 1.5, area 30, kind far and wide."""
    apart = np.abs(columns["units"] - 40) / 64 + np.abs(np.log(columns["power"] / 100.0))
    apart = apart + np.abs(columns["clock"] - 1.5) + np.abs(np.log(columns["area"] / 30.0))
    values = 1.0 * (columns["kind"] == "far") + 2.0 * columns["wide"].astype(bool) - apart
    return values, free(values)


def disc(columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    """The sum of two numbers within the unit circle: the square root of two at most."""
    return columns["a"] + columns["b"], columns["a"] ** 2 + columns["b"] ** 2 - 1.0


def zdt1(columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    first = columns["x0"]
    rest = 1.0 + 9.0 * np.mean([columns[f"x{i}"] for i in range(1, 6)], axis=0)
    values = np.column_stack([first, rest * (1.0 - np.sqrt(first / rest))])
    return values, free(values)


def told(space: Space, scorer: Callable, trial: Trial) -> Any:
    """What a trial is told, by the scorer for its one design."""
    row = {name: suggested(trial, name, found) for name, found in space.items()}
    values, excess = scorer({name: np.array([value]) for name, value in row.items()})
    trial.set_constraint("limit", float(excess[0]))
    found = np.atleast_1d(values[0]).tolist()
    return found if len(found) > 1 else found[0]


def suggested(trial: Trial, name: str, found: BaseDistribution) -> Any:
    if isinstance(found, CategoricalDistribution):
        return trial.suggest_categorical(name, found.choices)
    if isinstance(found, IntDistribution):
        return trial.suggest_int(name, found.low, found.high, step=found.step, log=found.log)
    assert isinstance(found, FloatDistribution)
    return trial.suggest_float(name, found.low, found.high, step=found.step, log=found.log)


def searched(
    space: Space, scorer: Callable, trials: int, directions: Directions = "minimize", seed: int = 0
) -> optuna.Study:
    """A study of so many trials."""
    sampler = ScreeningSampler(space, scorer, candidates=256, seed=seed)
    study = optuna.create_study(sampler=sampler, directions=DIRECTIONS[directions])
    study.optimize(lambda trial: told(space, scorer, trial), n_trials=trials)
    return study


def test_a_value_and_its_place_belong_together() -> None:
    genes = np.random.default_rng(0).random((200, len(MIXED)))
    columns = columns_of(MIXED, genes)
    rows = [{name: column[i] for name, column in columns.items()} for i in range(200)]
    again = columns_of(MIXED, genes_of(MIXED, rows))
    for name, found in MIXED.items():
        if cells_of(found) or name == "power":
            assert (again[name] == columns[name]).all()
        else:
            np.testing.assert_allclose(again[name], columns[name], rtol=1e-12)
        assert all(found._contains(found.to_internal_repr(value)) for value in columns[name].tolist())
    assert len(set(columns["power"].tolist())) > 50
    assert {type(value) for value in params_of(MIXED, genes[0]).values()} == {int, float, str, bool}


def test_branin_is_minimised() -> None:
    assert searched(PLANE, branin, 30).best_value < 0.397887 + 1e-2


def test_numbers_steps_names_and_flags_are_found() -> None:
    best = searched(MIXED, mixed, 40, "maximize").best_trial
    assert best.params["units"] == 40
    assert best.params["clock"] == 1.5
    assert best.params["kind"] == "far"
    assert best.params["wide"] is True
    assert best.value is not None
    assert best.value > 2.8


def test_a_limit_is_kept() -> None:
    space: Space = {"a": FloatDistribution(0.0, 2.0), "b": FloatDistribution(0.0, 2.0)}
    study = searched(space, disc, 30, "maximize")
    assert np.sqrt(2.0) - 0.02 < study.best_value <= np.sqrt(2.0)
    assert study.best_trial.constraints["limit"] <= 0.0


def test_the_front_of_two_objectives_is_found() -> None:
    space: Space = {f"x{i}": FloatDistribution(0.0, 1.0) for i in range(6)}
    study = searched(space, zdt1, 60, "both")
    values = -np.array([trial.values for trial in study.trials])
    whole = 2.0 / 3.0
    assert hypervolume(values, np.array([-1.0, -1.0])) > 0.9 * whole
    assert hypervolume(values, np.array([-1.0, -1.0])) < whole


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_hypervolume_is_that_of_optuna(objectives: int) -> None:
    from optuna._hypervolume import compute_hypervolume

    points = np.random.default_rng(objectives).random((20, objectives))
    reference = np.full(objectives, -0.1)
    whole = hypervolume(points, reference)
    assert whole == pytest.approx(compute_hypervolume(-points, -reference))
    front = points[undominated(points)]
    new = np.random.default_rng(9).random((5, objectives)) * 1.2
    expected = [hypervolume(np.vstack([points, one]), reference) - whole for one in new]
    np.testing.assert_allclose(gains(new, front, reference), expected, atol=1e-12)


def test_the_same_seed_gives_the_same_trials() -> None:
    first, second, other = (searched(MIXED, mixed, 12, "maximize", seed) for seed in (3, 3, 4))
    assert [trial.params for trial in first.trials] == [trial.params for trial in second.trials]
    assert [trial.params for trial in first.trials] != [trial.params for trial in other.trials]


def test_nothing_is_proposed_that_is_running_or_told() -> None:
    space: Space = {"n": IntDistribution(0, 7), "kind": CategoricalDistribution(("a", "b"))}

    def scorer(columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        return columns["n"] * 1.0, free(columns["n"])

    study = optuna.create_study(direction="maximize", sampler=ScreeningSampler(space, scorer, candidates=256, seed=0))
    elsewhere = optuna.create_study(study_name=study.study_name, storage=study._storage, load_if_exists=True)
    taken = elsewhere.ask()
    taken.suggest_int("n", 0, 7)
    taken.suggest_categorical("kind", ("a", "b"))
    study.enqueue_trial({"n": 3, "kind": "a"})
    seen = [tuple(taken.params.values())]
    for number in range(14):
        trial = study.ask()
        params = (trial.suggest_int("n", 0, 7), trial.suggest_categorical("kind", ("a", "b")))
        assert params not in seen or number == 0
        seen.append(params)
        if number % 2:
            study.tell(trial, params[0])
    assert seen[1] == (3, "a")


def test_a_parameter_whose_condition_fails_does_not_tell_designs_apart() -> None:
    space: Space = {"kind": CategoricalDistribution(("none", "some")), "depth": IntDistribution(1, 4)}

    def scorer(columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        values = np.where(columns["kind"] == "some", columns["depth"], 10.0)
        return values, free(values)

    def active(columns: Columns) -> dict[str, np.ndarray]:
        return {"depth": columns["kind"] == "some"}

    def objective(trial: Trial) -> float:
        kind = trial.suggest_categorical("kind", ("none", "some"))
        return 10.0 if kind == "none" else float(trial.suggest_int("depth", 1, 4))

    sampler = ScreeningSampler(space, scorer, candidates=256, seed=0, active=active)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=5)
    assert [trial.value for trial in study.trials] == [10.0, 4.0, 3.0, 2.0, 1.0]


def test_trials_say_what_was_done_for_them() -> None:
    study = searched(PLANE, branin, 4)
    for trial in study.trials:
        record = trial.user_attrs[ATTRIBUTE]
        assert record["name"] == "screening"
        assert record["points"] == record["candidates"] >= 250
        assert record["predicted"] == [pytest.approx(trial.value)]
    assert study.trials[0].user_attrs[ATTRIBUTE]["stage"] == "quasi-random"


def test_threads_share_a_sampler_and_failures_are_not_repeated() -> None:
    def objective(trial: Trial) -> float:
        value = told(PLANE, branin, trial)
        if trial.number % 5 == 0:
            raise optuna.TrialPruned
        return value

    study = optuna.create_study(sampler=ScreeningSampler(PLANE, branin, candidates=256, seed=0))
    study.optimize(objective, n_trials=20, n_jobs=2)
    params = [tuple(trial.params.values()) for trial in study.trials]
    assert len(set(params)) == 20
    assert sum(trial.state == TrialState.PRUNED for trial in study.trials) == 4


@pytest.mark.parametrize("directions", ["minimize", "both"])
def test_work_for_a_trial_does_not_grow(directions: Directions) -> None:
    """Every trial is looked at twice, while it runs and when it has finished, and what is kept is bounded."""
    space: Space = {f"x{i}": FloatDistribution(0.0, 1.0) for i in range(6)}
    scored = []

    def scorer(columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        scored.append(len(columns["x0"]))
        values, excess = zdt1(columns)
        return values if directions == "both" else values.sum(axis=1), excess

    sampler = ScreeningSampler(space, scorer, candidates=128, seed=0)
    study = optuna.create_study(sampler=sampler, directions=DIRECTIONS[directions])
    for _ in range(80):
        trial = study.ask()
        row = {name: np.array([suggested(trial, name, found)]) for name, found in space.items()}
        study.tell(trial, np.atleast_1d(zdt1(row)[0][0] if directions == "both" else zdt1(row)[0].sum()).tolist())
    assert sampler.history is not None
    assert sampler.history.looked_at <= 2 * 80
    assert len(scored) == 80
    assert max(scored[40:]) <= max(scored[:40]) + 16


def test_a_sampler_that_is_given_another_study_begins_anew() -> None:
    sampler = ScreeningSampler(PLANE, branin, candidates=256, seed=0)
    for _ in range(2):
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: told(PLANE, branin, trial), n_trials=3)
        assert study.trials[0].user_attrs[ATTRIBUTE]["stage"] == "quasi-random"


def test_a_parameter_of_one_value_does_not_tell_designs_apart() -> None:
    space: Space = {
        "rows": IntDistribution(1, 3),
        "area": FloatDistribution(2.0, 2.0, log=True),
        "clock": FloatDistribution(1.5, 1.5),
        "power": IntDistribution(4, 4, log=True),
    }

    def suggested(trial: Trial) -> float:
        area, clock = trial.suggest_float("area", 2.0, 2.0, log=True), trial.suggest_float("clock", 1.5, 1.5)
        return trial.suggest_int("rows", 1, 3) + area + clock + trial.suggest_int("power", 4, 4, log=True)

    sampler = ScreeningSampler(space, lambda columns: (columns["rows"], free(columns["rows"])), candidates=512, seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(suggested, n_trials=3)
    assert sorted(trial.params["rows"] for trial in study.trials) == [1, 2, 3]


def test_a_pruner_with_brackets_hides_no_trials() -> None:
    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9)

    def reported(trial: Trial) -> float:
        value = trial.suggest_float("x", -5.0, 10.0) + trial.suggest_float("y", 0.0, 15.0)
        for step in range(9):
            trial.report(value, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    study = optuna.create_study(sampler=ScreeningSampler(PLANE, branin, candidates=64, seed=0), pruner=pruner)
    study.optimize(reported, n_trials=20)
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 20


def test_a_study_that_is_deleted_and_begun_anew_is_another() -> None:
    storage = optuna.storages.InMemoryStorage()
    sampler = ScreeningSampler(PLANE, branin, candidates=64, seed=0)
    for trials in (5, 3):
        study = optuna.create_study(study_name="again", storage=storage, sampler=sampler)
        study.optimize(lambda trial: trial.suggest_float("x", -5.0, 10.0) + trial.suggest_float("y", 0.0, 15.0), trials)
        study.ask()
        assert len(study.trials) == trials + 1
        optuna.delete_study(study_name="again", storage=storage)


def test_a_sampler_is_pickled_and_goes_on() -> None:
    """As it would have gone on unpickled: the same proposals."""
    sampler = ScreeningSampler(PLANE, branin, candidates=64, seed=3)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: told(PLANE, branin, trial), n_trials=4)
    study.sampler = pickle.loads(pickle.dumps(sampler))
    study.optimize(lambda trial: told(PLANE, branin, trial), n_trials=4)
    whole = optuna.create_study(sampler=ScreeningSampler(PLANE, branin, candidates=64, seed=3))
    whole.optimize(lambda trial: told(PLANE, branin, trial), n_trials=8)
    assert [trial.params for trial in study.trials] == [trial.params for trial in whole.trials]


@pytest.mark.parametrize("candidates", [0, 16, 100])
def test_too_few_or_uneven_candidates_are_refused(candidates: int) -> None:
    with pytest.raises(ValueError, match=f"a power of two of 32 or more, got {candidates}"):
        ScreeningSampler(PLANE, branin, candidates=candidates)
