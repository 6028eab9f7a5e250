"""Several processes on one study: nobody's trial is lost or told twice, and what the dead left is taken over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jax
import optuna
import pytest
from optuna.trial import TrialState
from servers import PostgreSQL, connected

from dse.analysis.comparison import job_of
from dse.catalogue import CatalogueError, load_space, open_catalogue
from dse.search.objective import Outcome
from dse.search.start_points import START, start_points
from dse.search.studies import presence
from dse.search.studies.plan import plan_of
from dse.search.studies.presence import Presence
from dse.search.studies.recovery import MOST_RETRIES, WORKER, Watch, beat_key, fail
from dse.search.studies.shared import Shared
from dse.search.studies.status import status
from dse.search.studies.storage import open_storage
from dse.search.studies.study import Progress, Work, create, run, told_trials, working_copy

DSE = [sys.executable, "-m", "dse.cli"]
CATALOGUE = open_catalogue()
SPACE = load_space("sram-vs-hbm", CATALOGUE)
JOB = job_of(CATALOGUE, SPACE.model, SPACE.traffic, SPACE.price_basis, most_chips=16)


def trivial(trials, designs) -> list[Outcome]:
    """What takes no time: a sum of numbers."""
    values = [sum(value for value in design.values() if isinstance(value, float)) for design in designs]
    return [Outcome({"memory": -1.0}, [value], {"feasible": True, "metrics": {}, "mapping": {}}) for value in values]


WORKER_OF_TESTS = Work(announce=True, every=1, evaluate=trivial)


def begun(storage: optuna.storages.BaseStorage, name: str = "shared", sampler: str = "random") -> optuna.Study:
    return create(storage, plan_of(SPACE, JOB, [SPACE.objective], sampler, 0), name)


def same(study: optuna.Study) -> optuna.Study:
    """The study as another process sees it."""
    return optuna.load_study(study_name=study.study_name, storage=study._storage)


def go_on(study: optuna.Study, trials: int, work: Work = WORKER_OF_TESTS) -> Progress:
    return run(study, SPACE, JOB, CATALOGUE.library, trials, work=work)


@pytest.fixture(params=["journal", "sqlite", "proxy", "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[optuna.storages.BaseStorage]:
    files = {"journal": f"journal:{tmp_path / 'a.journal'}", "sqlite": f"sqlite:///{tmp_path / 'a.db'}"}
    url = files.get(request.param) or request.getfixturevalue(request.param).url
    with connected(url) as opened:
        yield opened


def left_behind(study: optuna.Study, name: str) -> list[int]:
    """Two trials that a process announced before it died without a word."""
    plan_copy = working_copy([], plan_of(SPACE, JOB, [SPACE.objective], "random", 5))
    shared = Shared(study, plan_copy, name, [])
    keys = []
    for _ in range(2):
        trial = plan_copy.ask()
        trial.suggest_float("memory.capacity", 1e9, 2e9)
        keys.append(shared.claim(plan_copy._storage.get_trial(trial._trial_id)))
    return keys


def test_trials_of_a_dead_worker_are_failed_and_told_by_a_live_one(storage: optuna.storages.BaseStorage) -> None:
    study = begun(storage, "dead")
    study.set_user_attr(beat_key("dead-1"), {"beat": 3, "time": time.time(), "every": 1, "ended": True})
    keys = left_behind(study, "dead-1")
    assert go_on(same(study), 8).told == 8
    states = [trial.state for trial in same(study).get_trials()]
    assert states.count(TrialState.COMPLETE) == 8
    assert states.count(TrialState.FAIL) == len(keys) == 2
    assert len(states) == 10
    again = [trial for trial in told_trials(study) if "retry_history" in trial.system_attrs]
    assert [trial.system_attrs["retry_history"] for trial in again] == [[0], [1]]
    capacities = [trial.params["memory.capacity"] for trial in study.get_trials()[:2]]
    assert [trial.params["memory.capacity"] for trial in again] == capacities
    assert all(not trial.user_attrs[WORKER].startswith("dead-1") for trial in again)


def test_who_beats_on_is_alive_and_who_stands_still_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    watch = Watch(grace=3.0)
    beats = {name: {"beat": 1, "every": 1, "time": 0.0, "ended": False} for name in ("still", "beats")}
    assert watch.dead(beats) == set()
    now[0] += 2.0
    beats["beats"] = beats["beats"] | {"beat": 2}
    assert watch.dead(beats) == set()
    now[0] += 2.0
    assert watch.dead(beats) == {"still"}
    now[0] += 2.0
    assert watch.dead(beats) == {"still", "beats"}
    assert watch.dead(beats | {"still": beats["still"] | {"beat": 9}}) == {"beats"}


def test_a_process_of_this_machine_that_is_no_more_is_dead_at_once() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    from dse.search.studies.recovery import gone, place

    beat = {"ended": False, "place": place(), "process": child.pid}
    assert gone(beat)
    assert not gone(beat | {"process": os.getpid()})
    assert not gone(beat | {"place": "elsewhere"})


def test_trials_of_other_programs_are_left_alone() -> None:
    study = optuna.create_study()
    foreign = study.ask()
    taken = study.ask()
    taken.set_user_attr(WORKER, "")
    watch = Watch(grace=0.0)
    running = study.get_trials()
    assert watch.orphans({}, running) == []
    assert [trial.number for trial in watch.orphans({}, running)] == [taken.number]
    assert foreign.number == 0


def test_a_design_that_kills_its_worker_is_not_tried_for_ever() -> None:
    study = optuna.create_study()
    study.enqueue_trial({"x": 1.0}, user_attrs={WORKER: ""})
    for tries in range(MOST_RETRIES + 1):
        trial = study.ask()
        trial.suggest_float("x", 0.0, 2.0)
        trial.set_user_attr(WORKER, "w/1")
        fail(study, [study.get_trials()[-1]])
        waiting = study.get_trials(states=(TrialState.WAITING,))
        assert len(waiting) == (tries < MOST_RETRIES)
        assert all(one.user_attrs[WORKER] == "" and one.params == {"x": 1.0} for one in waiting)


def test_a_trial_that_was_failed_and_not_put_back_is_put_back_once(tmp_path: Path) -> None:
    """Who failed it died before it was queued again."""
    study = begun(open_storage(f"journal:{tmp_path / 'a.journal'}"))
    (key, _) = left_behind(study, "dead-1")
    study._storage.set_trial_state_values(key, TrialState.FAIL)
    study.set_user_attr(beat_key("dead-1"), {"beat": 3, "time": time.time(), "every": 1, "ended": True})
    with Presence(study, 1) as first, Presence(same(study), 1) as second:
        for one in (first, second):
            one.watch.grace = -1.0
            one.recover()
        for one in (first, second) * 2:
            one.recover()
    waiting = [trial.system_attrs["retry_history"] for trial in study.get_trials(states=(TrialState.WAITING,))]
    assert sorted(waiting) == [[0], [1]]


def test_a_worker_that_was_taken_for_dead_tells_nothing(tmp_path: Path) -> None:
    study = begun(open_storage(f"journal:{tmp_path / 'a.journal'}"))
    slow = Shared(study, working_copy([], plan_of(SPACE, JOB, [SPACE.objective], "random", 5)), "slow", [])
    trial = slow.working.ask()
    key = slow.claim(slow.working._storage.get_trial(trial._trial_id))
    fail(study, study.get_trials())
    finished = slow.working.tell(trial, 1.0)
    finished.user_attrs = {"result": {"feasible": True}}
    assert not slow.tell(key, finished)
    assert [one.state for one in study.get_trials()] == [TrialState.FAIL, TrialState.WAITING]
    (waiting,) = slow.follow().waiting
    assert slow.take(waiting, 7)
    assert not Shared(study, slow.working, "late", []).take(waiting, 8)


def test_samplers_see_what_others_run_and_tell(tmp_path: Path) -> None:
    study = begun(open_storage(f"journal:{tmp_path / 'a.journal'}"))
    mine = Shared(study, working_copy([], plan_of(SPACE, JOB, [SPACE.objective], "random", 5)), "mine", [])
    theirs = Shared(same(study), working_copy([], plan_of(SPACE, JOB, [SPACE.objective], "random", 6)), "b", [])
    trial = theirs.working.ask()
    trial.suggest_float("x", 0.0, 1.0)
    key = theirs.claim(theirs.working._storage.get_trial(trial._trial_id))
    assert len(mine.follow().running) == 1
    assert [one.state for one in mine.working.get_trials()] == [TrialState.RUNNING]
    trial.set_constraint("memory", -0.5)
    finished = theirs.working.tell(trial, 3.0)
    finished.user_attrs = {"result": {"feasible": True}}
    assert theirs.tell(key, finished)
    assert [one.number for one in mine.follow().told] == [0]
    assert mine.follow() == ([], [], [])
    (seen,) = mine.working.get_trials()
    assert (seen.state, seen.values, seen.params) == (TrialState.COMPLETE, [3.0], trial.params)
    assert seen.constraints == {"memory": -0.5}


@pytest.mark.parametrize("announce", [False, True])
def test_processes_that_take_turns_tell_every_trial_once(tmp_path: Path, announce: bool) -> None:
    url = f"journal:{tmp_path / 'a.journal'}"
    study = begun(open_storage(url))
    work = Work(announce=announce, evaluate=trivial)
    for _ in range(3):
        other = optuna.load_study(study_name="shared", storage=open_storage(url))
        assert run(other, SPACE, JOB, CATALOGUE.library, 70, work=work).told == 70
    tags = [trial.user_attrs[WORKER] for trial in told_trials(study)]
    assert len(tags) == len(set(tags)) == 210
    assert len({tag.partition("/")[0] for tag in tags}) == 3
    designs = {json.dumps(trial.params, sort_keys=True) for trial in told_trials(study)}
    assert len(designs) == 210


def test_a_new_study_keeps_its_start_points_for_its_workers(tmp_path: Path) -> None:
    study = begun(open_storage(f"journal:{tmp_path / 'a.journal'}"))
    starts = start_points(SPACE, CATALOGUE)
    assert run(study, SPACE, JOB, CATALOGUE.library, 0, starts=starts).done == 0
    assert status(study)["trials"]["waiting"] == len(starts) > 0
    go_on(same(study), 8)
    first = told_trials(study)[: len(starts)]
    assert [trial.user_attrs[START]["chip"] for trial in first] == [start.chip for start in starts]
    assert all(start.params.items() <= trial.params.items() for start, trial in zip(starts, first, strict=True))
    assert status(study)["trials"] == {"running": 0, "complete": 8, "pruned": 0, "fail": 0, "waiting": 0}


def test_a_worker_that_is_interrupted_gives_its_trials_back(tmp_path: Path) -> None:
    study = begun(open_storage(f"journal:{tmp_path / 'a.journal'}"))

    def interrupted(trials, designs) -> list[Outcome]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go_on(study, 4, Work(announce=True, evaluate=interrupted))
    assert status(study)["trials"] == {"running": 0, "complete": 0, "pruned": 0, "fail": 4, "waiting": 4}
    assert go_on(same(study), 4).told == 4
    assert status(study)["trials"]["waiting"] == 0


def test_a_changed_space_is_refused(tmp_path: Path) -> None:
    study = begun(open_storage(f"journal:{tmp_path / 'a.journal'}"))
    with pytest.raises(CatalogueError, match="have changed since the study began"):
        run(study, replace(SPACE, fixed={**SPACE.fixed, "x": 1.0}), JOB, CATALOGUE.library, 1)
    assert told_trials(study) == []


def test_changed_figures_of_the_catalogue_are_refused(tmp_path: Path) -> None:
    study = begun(open_storage(f"journal:{tmp_path / 'a.journal'}"))
    library = JOB.library
    dearer = {name: column * 1.01 for name, column in library.shelves["memory"].columns.items()}
    known = {"memory": replace(library.shelves["memory"], columns=dearer)}
    fewer = jax.tree.map(lambda leaf: leaf[:-1], JOB.mappings)
    for other in (replace(JOB, library=replace(library, known=known)), replace(JOB, mappings=fewer)):
        with pytest.raises(CatalogueError, match="figures of the catalogue"):
            run(study, SPACE, other, other.library, 1)
    assert told_trials(study) == []


def test_processes_sign_in_and_out(tmp_path: Path) -> None:
    study = begun(open_storage(f"journal:{tmp_path / 'a.journal'}"))
    with Presence(study, 1):
        (row,) = status(same(study))["workers"]
        assert row["state"] == "alive"
    (row,) = status(same(study))["workers"]
    assert row["state"] == "ended"
    assert presence.fresh_identity() != presence.fresh_identity()


def dse(*arguments: str, cwd: Path) -> str:
    done = subprocess.run([*DSE, *arguments], cwd=cwd, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_workers_on_postgresql(postgresql: PostgreSQL, tmp_path: Path) -> None:
    """Two real workers at once; one of them is asked to stop and tells what it has in hand."""
    at = ("--storage", postgresql.url)
    dse("study", "run", "sram-vs-hbm", "--trials", "0", "--sampler", "random", "--study", "team", *at, cwd=tmp_path)
    endless, short = (
        subprocess.Popen(
            [*DSE, "worker", postgresql.url, "team", "--trials", trials, "--beat", "1", "--json"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for trials in ("100000", "20")
    )
    out, error = short.communicate(timeout=240)
    assert json.loads(out)["told"] == 20, error
    alive = json.loads(dse("study", "status", "team", *at, "--json", cwd=tmp_path))
    assert alive["workers_alive"] == 1
    assert alive["workers_dead"] == 0
    endless.send_signal(signal.SIGTERM)
    out, error = endless.communicate(timeout=240)
    assert endless.returncode == 0, error
    told = json.loads(out)
    assert told["stopped"]
    ended = json.loads(dse("study", "status", "team", *at, "--json", cwd=tmp_path))
    assert ended["trials"]["running"] == ended["trials"]["fail"] == ended["workers_alive"] == 0
    assert ended["trials"]["complete"] == 20 + told["told"]
    assert "20 trials" not in dse("study", "status", *at, cwd=tmp_path).partition("workers")[0]
