"""How does a study stand? Trials by state, who works on it, how fast, and since when nothing was told."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from dse.search.studies.plan import plan_in
from dse.search.studies.recovery import GRACE, WORKER, beats_of, gone
from dse.search.studies.study import progress_of, told_trials

__all__ = ["status"]

WINDOW = 300.0
"""The rate is that of the trials told since this long before the last [s]."""


def told_at(trial: FrozenTrial) -> float:
    """When a trial was told, as seconds since 1970 [s]; storages keep local times without their zone."""
    return trial.datetime_complete.timestamp() if trial.datetime_complete else 0.0


def rate(times: list[float]) -> float | None:
    """Trials a second by the times at which the latest were told [1/s]; None where they tell nothing."""
    recent = sorted(one for one in times if times and one >= max(times) - WINDOW)
    span = recent[-1] - recent[0] if recent else 0.0
    return (len(recent) - 1) / span if span > 0.0 else None


def worker_rows(study: optuna.Study, told: list[FrozenTrial], now: float) -> list[dict[str, Any]]:
    """Every process that has worked on a study: alive, ended, or dead since it beats no more."""
    signed = Counter(str(trial.user_attrs.get(WORKER, "")).rpartition("/")[0] for trial in told)
    rows = []
    for name, beat in sorted(beats_of(study).items(), key=lambda item: item[1]["time"]):
        silent = now - beat["time"] > GRACE * beat["every"]
        state = "ended" if beat["ended"] else "dead" if silent or gone(beat) else "alive"
        rows.append({"name": name, "state": state, "told": signed[name], "last_seen_seconds": now - beat["time"]})
    return rows


def status(study: optuna.Study) -> dict[str, Any]:
    """Where a study stands now; CatalogueError for a study of another program."""
    plan, now, progress = plan_in(study), time.time(), progress_of(study)
    trials = study.get_trials(deepcopy=False)
    told = told_trials(study)
    times = [told_at(trial) for trial in told]
    workers = worker_rows(study, told, now)
    return {
        "study": study.study_name,
        "space": plan.space,
        "sampler": plan.sampler,
        "objective": plan.objectives[0],
        "trials": {state.name.lower(): sum(trial.state == state for trial in trials) for state in TrialState},
        "feasible": progress.feasible,
        "best": progress.best if progress.feasible else None,
        "best_trial": progress.best_number if progress.feasible else None,
        "trials_per_second": rate(times),
        "seconds_since_last_tell": now - max(times) if times else None,
        "workers_alive": sum(row["state"] == "alive" for row in workers),
        "workers_dead": sum(row["state"] == "dead" for row in workers),
        "workers": workers,
    }
