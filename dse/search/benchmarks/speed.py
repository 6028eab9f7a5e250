"""How fast is a study here? Against plain Optuna with the same sampler, storage and parameters in the same run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import Trial

from dse.analysis.comparison import Job, job_of
from dse.catalogue import Space, load_space
from dse.catalogue.fields import Value
from dse.catalogue.library import Library
from dse.catalogue.store import Catalogue
from dse.search.objective import Outcome
from dse.search.samplers.named import calmly, make_sampler
from dse.search.space import distributions, suggest
from dse.search.studies.plan import create, plan_in, plan_of
from dse.search.studies.storage import open_storage
from dse.search.studies.study import Work, evaluation, run

__all__ = ["bench_overhead", "bench_study"]

SPACE = "sram-vs-hbm"
PROPOSER = "random"
"""Sampler of the overhead: what a cheap one leaves is what the study itself takes."""

ROUNDS = 3
"""Ours and plain Optuna take turns so often, and the medians are compared: other work on the machine hits both [1]."""


def worth(design: Mapping[str, Value]) -> float:
    """A trivial objective."""
    return sum(value for value in design.values() if isinstance(value, float))


def trivial(_: Sequence[Trial], designs: Sequence[Mapping[str, Value]]) -> list[Outcome]:
    """Outcomes that take no time."""
    return [Outcome({}, [worth(design)], {"feasible": True, "metrics": {}, "mapping": {}}) for design in designs]


def plain_optuna(storage: BaseStorage, space: Space, sampler: str, trials: int) -> float:
    """Time of a study by Optuna alone: ask, suggest, tell a trivial value, straight into the storage [s]."""
    found = distributions(space)
    study = optuna.create_study(storage=storage, sampler=make_sampler(sampler, 0, 1), direction="maximize")
    begun = time.perf_counter()
    with calmly():
        study.optimize(lambda trial: worth(suggest(trial, space, found)), n_trials=trials)
    return time.perf_counter() - begun


def bench_study(catalogue: Catalogue, trials: int = 1000, sampler: str = "tpe") -> dict[str, Any]:
    """Trials a second of a whole study into a journal file, the share of evaluation, and the ratio to plain Optuna."""
    space = load_space(SPACE, catalogue)
    job = job_of(catalogue, space.model, space.traffic, space.price_basis)
    plan = plan_of(space, job, [space.objective], sampler, 0)
    inner, spent = evaluation(space, plan, job, catalogue.library), 0.0

    def measured(asked: Sequence[Trial], designs: Sequence[Mapping[str, Value]]) -> list[Outcome]:
        nonlocal spent
        begun = time.perf_counter()
        outcomes = inner(asked, designs)
        spent += time.perf_counter() - begun
        return outcomes

    run(create(open_storage("memory:"), plan, "warm-up"), space, job, catalogue.library, 16)
    with tempfile.TemporaryDirectory() as folder:
        durable = create(open_storage(f"journal:{folder}/ours.journal"), plan, "ours")
        begun = time.perf_counter()
        run(durable, space, job, catalogue.library, trials, work=Work(evaluate=measured))
        seconds = time.perf_counter() - begun
        plain = plain_optuna(open_storage(f"journal:{folder}/plain.journal"), space, sampler, trials)
    return {
        "trials": trials,
        "sampler": sampler,
        "seconds": seconds,
        "trials_per_second": trials / seconds,
        "evaluation_share": spent / seconds,
        "plain_optuna_seconds": plain,
        "time_per_trial_over_plain_optuna": seconds / plain,
    }


def own_study(storage: BaseStorage, space: Space, job: Job, library: Library, trials: int, announce: bool) -> float:
    """Time of a study of ours with the trivial objective [s]; announce: as a worker tells."""
    plan = plan_of(space, job, [space.objective], PROPOSER, 0)
    study = create(storage, plan, None)
    assert plan_in(study) == plan
    begun = time.perf_counter()
    run(study, space, job, library, trials, work=Work(announce=announce, evaluate=trivial))
    return time.perf_counter() - begun


def bench_overhead(catalogue: Catalogue, scale: float = 1.0, url: str | None = None) -> dict[str, dict[str, float]]:
    """Trials a second with a trivial objective, of ours, of a worker's, and of plain Optuna, on each kind of storage.

    scale: of the number of trials [1]; url: one more storage, of a server. batched: told in batches, as `study run`
    does; announced: as a worker does, each trial before it is evaluated. Ratios to plain Optuna in the same run.
    """
    space = load_space(SPACE, catalogue)
    job = job_of(catalogue, space.model, space.traffic, space.price_basis, most_chips=1)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        kinds = {"memory": ("memory:", 512), "journal": (f"journal:{folder}/a.journal", 256)}
        kinds |= {"sqlite": (f"sqlite:///{folder}/a.db", 32)} | ({"server": (url, 32)} if url else {})
        for name, (place, most) in kinds.items():
            trials, storage = max(round(most * scale), 1), open_storage(place)
            times = []
            for _ in range(ROUNDS):
                plain = plain_optuna(storage, space, PROPOSER, trials)
                ours = [own_study(storage, space, job, catalogue.library, trials, way) for way in (False, True)]
                times.append((plain, *ours))
            found[name] = rates(trials, times)
    return found


def rates(trials: int, times: Sequence[tuple[float, ...]]) -> dict[str, float]:
    """Medians of trials a second, and of the ratios within each round."""
    plain, batched, announced = (sorted(column)[len(column) // 2] for column in zip(*times, strict=True))
    ratios = [sorted(one[0] / one[way] for one in times)[len(times) // 2] for way in (1, 2)]
    return {
        "plain_optuna_trials_per_second": trials / plain,
        "batched_trials_per_second": trials / batched,
        "announced_trials_per_second": trials / announced,
        "batched_over_plain_optuna": ratios[0],
        "announced_over_plain_optuna": ratios[1],
    }
