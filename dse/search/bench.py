"""How fast is a study here? Against plain Optuna with the same sampler, storage and parameters in the same run."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import optuna

import dse.search.study as studies
from dse.analysis.comparison import job_of
from dse.catalogue import load_space
from dse.catalogue.store import Catalogue
from dse.search.samplers import make_sampler
from dse.search.space import distributions, suggest
from dse.search.storage import open_storage

__all__ = ["bench_study"]

SPACE = "sram-vs-hbm"


def plain_optuna(catalogue: Catalogue, folder: str, sampler: str, trials: int) -> float:
    """Seconds of a study by Optuna alone: ask, suggest, tell a trivial value, straight into the storage [s]."""
    space = load_space(SPACE, catalogue)
    found = distributions(space)
    study = optuna.create_study(
        storage=open_storage(f"journal:{folder}/plain.journal"),
        sampler=make_sampler(sampler, 0, 1),
        direction="maximize",
    )
    begun = time.perf_counter()
    for _ in range(trials):
        trial = study.ask()
        design = suggest(trial, space, found)
        study.tell(trial, sum(value for value in design.values() if isinstance(value, float)))
    return time.perf_counter() - begun


def bench_study(catalogue: Catalogue, trials: int = 1000, sampler: str = "tpe") -> dict[str, Any]:
    """Trials a second of a whole study into a journal file, the share of evaluation, and the ratio to plain Optuna."""
    space = load_space(SPACE, catalogue)
    job = job_of(catalogue, space.model, space.traffic, space.price_basis)
    spent = 0.0
    original = studies.best_mapping

    def measured(*arguments: Any, **options: Any) -> Any:
        nonlocal spent
        begun = time.perf_counter()
        result = original(*arguments, **options)
        spent += time.perf_counter() - begun
        return result

    with tempfile.TemporaryDirectory() as folder:
        plan = studies.plan_of(space, job, [space.objective], sampler, 0, trials)
        warm = studies.create(open_storage("memory:"), plan, "warm-up")
        studies.run(warm, space, job, catalogue.library, 16)
        durable = studies.create(open_storage(f"journal:{Path(folder) / 'ours.journal'}"), plan, "ours")
        with mock.patch.object(studies, "best_mapping", measured):
            begun = time.perf_counter()
            studies.run(durable, space, job, catalogue.library, trials)
            seconds = time.perf_counter() - begun
        plain = plain_optuna(catalogue, folder, sampler, trials)
    return {
        "trials": trials,
        "sampler": sampler,
        "seconds": seconds,
        "trials_per_second": trials / seconds,
        "evaluation_share": spent / seconds,
        "plain_optuna_seconds": plain,
        "time_per_trial_over_plain_optuna": seconds / plain,
    }
