"""Kills at random moments: of workers, of the database, of the proxy before it; and 50,000 trials in one process."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from servers import PostgreSQL, Proxy, connected, stop

from dse.search.studies.recovery import WORKER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
DSE = [sys.executable, "-m", "dse.cli"]


def forget(url: str) -> None:
    """Delete the study of the test before."""
    with connected(url, None) as storage:
        if "team" in optuna.get_all_study_names(storage):
            optuna.delete_study(study_name="team", storage=storage)


class Team:
    """Workers on one study, as processes of their own."""

    def __init__(self, url: str, folder: Path, size: int) -> None:
        self.url, self.folder, self.size = url, folder, size
        begin = ("study", "run", "sram-vs-hbm", "--trials", "0", "--sampler", "tpe", "--study", "team")
        forget(url)
        subprocess.run([*DSE, *begin, "--storage", url], cwd=folder, check=True, capture_output=True)
        self.workers: list[subprocess.Popen] = []

    def hire(self) -> None:
        """Bring the team to its size."""
        command = [*DSE, "worker", self.url, "team", "--trials", "100000", "--beat", "1"]
        while len(self.workers) < self.size:
            with (self.folder / "errors").open("ab") as errors:
                self.workers.append(
                    subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=errors)
                )

    def kill_one(self, place: int) -> None:
        """SIGKILL; it must have been alive."""
        worker = self.workers.pop(place)
        assert worker.poll() is None, (self.folder / "errors").read_text()[-2000:]
        worker.send_signal(signal.SIGKILL)
        worker.wait()

    def dismiss(self) -> None:
        """Ask all to stop, and wait; one that is still starting has nothing to put in order."""
        for worker in self.workers:
            worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            assert worker.wait(120) in (0, -signal.SIGTERM), (self.folder / "errors").read_text()[-2000:]
        self.workers.clear()

    def finish(self) -> None:
        """Some trials more, of a worker that comes late and takes over what is left, until nothing runs."""
        for _ in range(8):
            command = [*DSE, "worker", self.url, "team", "--trials", "32", "--beat", "1"]
            subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=300)
            if {trial.state for trial in self.trials()} <= {TrialState.COMPLETE, TrialState.FAIL}:
                return

    def trials(self) -> list[FrozenTrial]:
        with connected(self.url, None) as storage:
            return optuna.load_study(study_name="team", storage=storage).get_trials()


@contextmanager
def team(url: str, folder: Path, size: int = 2) -> Iterator[Team]:
    found = Team(url, folder, size)
    try:
        found.hire()
        yield found
    finally:
        for worker in found.workers:
            stop(worker, signal.SIGKILL)


def told(trials: list[FrozenTrial]) -> dict[int, tuple[Any, ...]]:
    """What has been told: number -> all that was said."""
    return {
        trial.number: (trial.values, trial.params, trial.user_attrs)
        for trial in trials
        if trial.state == TrialState.COMPLETE
    }


def wait_for_more(found: Team, than: int) -> None:
    """Until the team has told more trials than so many."""
    with connected(found.url, None) as storage:
        study = optuna.load_study(study_name="team", storage=storage)
        for _ in range(600):
            if len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) > than:
                return
            time.sleep(0.5)
    raise AssertionError((found.folder / "errors").read_text()[-2000:])


def check_whole(trials: list[FrozenTrial], before: dict[int, tuple[Any, ...]]) -> None:
    """Nothing told is lost, nothing is told twice, and what the dead left behind was told by others."""
    after = told(trials)
    assert before.items() <= after.items()
    tags = [trial.user_attrs[WORKER] for trial in trials if trial.state == TrialState.COMPLETE]
    assert len(tags) == len(set(tags))
    designs = [json.dumps(trial.params, sort_keys=True) for trial in trials if trial.state == TrialState.COMPLETE]
    assert len(designs) == len(set(designs))
    left = {trial.number for trial in trials if trial.state == TrialState.FAIL}
    retried = {number for trial in trials for number in trial.system_attrs.get("retry_history", ())}
    assert left == retried


@pytest.mark.parametrize(("kind", "kills"), [("journal", 6), ("postgresql", 5), ("proxy", 3)])
def test_workers_killed_at_random_moments(
    kind: str, kills: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    generator = random.Random(kills)
    url = f"journal:{tmp_path / 'a.journal'}" if kind == "journal" else request.getfixturevalue(kind).url
    with team(url, tmp_path) as found:
        wait_for_more(found, 0)
        before = {}
        for _ in range(kills):
            time.sleep(generator.uniform(0.5, 4.0))
            found.kill_one(generator.randrange(len(found.workers)))
            trials = found.trials()
            assert before.items() <= told(trials).items()
            before = told(trials)
            found.hire()
            wait_for_more(found, len(before))
        found.dismiss()
        found.finish()
        trials = found.trials()
    check_whole(trials, before)
    assert not [trial for trial in trials if trial.state in (TrialState.RUNNING, TrialState.WAITING)]


def test_a_database_restarted_at_random_moments(postgresql: PostgreSQL, tmp_path: Path) -> None:
    """At once, as after a loss of power: SIGQUIT ends every connection, SIGINT lets them roll back."""
    generator = random.Random(3)
    with team(postgresql.url, tmp_path) as found:
        wait_for_more(found, 0)
        before = {}
        for round_ in range(5):
            time.sleep(generator.uniform(0.5, 4.0))
            postgresql.stop(signal.SIGQUIT if round_ % 2 else signal.SIGINT)
            time.sleep(generator.uniform(0.0, 3.0))
            postgresql.start()
            trials = found.trials()
            assert before.items() <= told(trials).items()
            before = told(trials)
            wait_for_more(found, len(before))
            assert all(worker.poll() is None for worker in found.workers)
        found.dismiss()
        found.finish()
        trials = found.trials()
    check_whole(trials, before)


def test_a_proxy_restarted_in_mid_study(proxy: Proxy, tmp_path: Path) -> None:
    with team(proxy.url, tmp_path, 1) as found:
        wait_for_more(found, 0)
        for _ in range(2):
            before = told(found.trials())
            proxy.stop()
            time.sleep(1.0)
            proxy.start()
            wait_for_more(found, len(before))
        found.dismiss()
        check_whole(found.trials(), before)


SOAK = """
import json, resource, sys, time
import optuna
from dse.analysis.comparison import job_of
from dse.catalogue import load_space, open_catalogue
from dse.search.benchmarks.speed import trivial
from dse.search.studies.plan import create, plan_of
from dse.search.studies.storage import open_storage
from dse.search.studies.study import Work, run

optuna.logging.set_verbosity(optuna.logging.ERROR)
catalogue = open_catalogue()
space = load_space("sram-vs-hbm", catalogue)
job = job_of(catalogue, space.model, space.traffic, space.price_basis, most_chips=1)
study = create(open_storage("journal:soak.journal"), plan_of(space, job, [space.objective], "random", 0), "soak")
marks = []

def report(state):
    if state.told >= 10_000 * len(marks):
        pages = int(open("/proc/self/statm").read().split()[1])
        marks.append((state.told, pages * resource.getpagesize(), time.process_time()))

run(study, space, job, catalogue.library, 50_000, report, work=Work(evaluate=trivial))
json.dump(marks, sys.stdout)
"""


def test_fifty_thousand_trials_take_no_more_memory_late_than_early(tmp_path: Path) -> None:
    """Optuna keeps every trial in memory; nothing else may grow, and nothing may grow faster."""
    done = subprocess.run([sys.executable, "-c", SOAK], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    marks = json.loads(done.stdout)
    assert marks[-1][0] == 50_000
    grown = [(after[1] - before[1]) / (after[0] - before[0]) for before, after in pairwise(marks)]
    print("bytes per trial", [round(one) for one in grown])
    print("CPU ms per trial", [1e3 * (b[2] - a[2]) / (b[0] - a[0]) for a, b in pairwise(marks)])
    assert sum(grown[-2:]) / 2 < 1.25 * sum(grown[:2]) / 2
    assert max(grown) < 40_000
    with (tmp_path / "soak.journal").open() as lines:
        assert sum('"state":1' in line for line in lines) == 50_000
