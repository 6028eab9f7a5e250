"""How is a space searched? Batches of designs from an Optuna sampler, each with its best mapping found exactly.

The sampler works on a study in memory; every batch of finished trials is added to the durable study at once, so any
storage is as fast as it can write and whatever has been told survives the process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import jax
import numpy as np
import optuna
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial

from dse.analysis.comparison import Job
from dse.analysis.portfolio import PORTFOLIO_OBJECTIVES, Portfolio, check_rivals
from dse.analysis.quality import Quality, check_space
from dse.best_mapping import best_mapping
from dse.catalogue.errors import CatalogueError, Problem
from dse.catalogue.fields import Value
from dse.catalogue.library import Library
from dse.catalogue.space import Space
from dse.hardware.chip import Chip
from dse.search.objective import (
    Outcome,
    limits_of,
    mapping_objective,
    objective_values,
    objectives_of,
    trial_record,
)
from dse.search.portfolio import portfolio_metric, portfolio_outcomes
from dse.search.samplers import batch_size, calmly, choose, make_sampler, scorer_of
from dse.search.scorer import SpaceScorer
from dse.search.space import TARGET, chips_of_samples, distributions, flat_design, suggest
from dse.search.start_points import START, StartPoint
from dse.search.storage import find_study, study_names
from dse.search.target import loosest_target, rivals, target_distribution

__all__ = ["Plan", "Progress", "best_trial", "create", "design_of", "plan_of", "portfolio_plan", "run"]

SEEDS = 2**32
"""Seeds that samplers take: from 0, below this [1]."""


@dataclass(frozen=True)
class Plan:
    """What a study is: the space and the job by name, the objectives, the sampler and its seed.

    digest: of the space file, so that a study goes on only in the space that it was begun in; portfolio: of jobs in
    place of the one of model and traffic, '' for none; least_qsnr [dB], greatest_loss [1]: asked of formats, None: not.
    """

    space: str
    digest: str
    model: str
    traffic: str
    price_basis: str
    buyer: str
    volume: float
    objectives: tuple[str, ...]
    sampler: str
    seed: int
    most_chips: int
    portfolio: str = ""
    least_qsnr: float | None = None
    greatest_loss: float | None = None

    @property
    def quality(self) -> Quality:
        """What is asked of formats."""
        return Quality(self.least_qsnr, self.greatest_loss)


LATER = ("portfolio", "least_qsnr", "greatest_loss")
"""Fields that the plan of an older study lacks."""


@dataclass(frozen=True)
class Progress:
    """State after a batch: trials told in all, feasible ones among them, the best value and its trial."""

    done: int
    feasible: int
    best: float
    best_number: int


def digest(space: Space, job: Job | Portfolio) -> str:
    """Fingerprint of the space, and of all models, traffics, shares, chips to beat and assumptions."""
    one = isinstance(job, Job)
    parts = [(1.0, job)] if one else [(pair.share, pair.job) for pair in job.pairs]
    trees = [(each.transformer, each.requests, each.assumptions) for _, each in parts]
    leaves = [float(leaf) for leaf in jax.tree.leaves(trees)] + (
        [] if one else [*(share for share, _ in parts), *job.best.tolist()]
    )
    said = repr((sorted(space.fixed.items()), sorted(space.free.items()), leaves))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def plan_of(space: Space, job: Job, objectives: Sequence[str], sampler: str, seed: int, trials: int) -> Plan:
    """The plan of a new study; CatalogueError for unknown objectives or samplers, and for formats never measured."""
    return planned(space, job, objectives_of(objectives), sampler, seed, trials)


def portfolio_plan(
    space: Space, portfolio: Portfolio, objectives: Sequence[str], sampler: str, seed: int, trials: int
) -> Plan:
    """The plan of a new study of a portfolio; CatalogueError as for a job, and where there is nothing to regret."""
    fields = tuple(portfolio_metric(name) for name in objectives)
    if PORTFOLIO_OBJECTIVES["minimax-regret"] in fields:
        check_rivals(portfolio)
    return planned(space, portfolio, fields, sampler, seed, trials)


def planned(
    space: Space, asked: Job | Portfolio, fields: tuple[str, ...], sampler: str, seed: int, trials: int
) -> Plan:
    """The plan for objectives that are checked; CatalogueError for an unknown sampler."""
    name = choose(space, asked, len(fields), trials) if sampler == "auto" else sampler
    make_sampler(name, seed, len(fields), scorer_of(name, space, asked, fields))
    one = isinstance(asked, Job)
    job = asked if one else asked.pairs[0].job
    check_space(space, job.quality, job.library, fields)
    return Plan(
        space=space.name,
        digest=digest(space, asked),
        model=job.model if one else "",
        traffic=job.traffic if one else "",
        price_basis=job.price_basis,
        buyer=job.buyer,
        volume=job.volume,
        objectives=fields,
        sampler=name,
        seed=seed,
        most_chips=job.most_chips,
        portfolio="" if one else asked.name,
        least_qsnr=job.quality.least_qsnr,
        greatest_loss=job.quality.greatest_loss,
    )


def fresh_name(plan: Plan, taken: Sequence[str]) -> str:
    """A name that no study of the storage has."""
    base = f"{plan.space}-{plan.portfolio or f'{plan.model}-{plan.traffic}'}"
    names = (base if i == 1 else f"{base}-{i}" for i in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def create(storage: BaseStorage, plan: Plan, name: str | None) -> optuna.Study:
    """A new durable study that carries its plan; CatalogueError when the name is taken."""
    taken = study_names(storage)
    if name in taken:
        way_out = f"go on with it: dse study resume {name}; or give another --study"
        raise CatalogueError([Problem("a study of this name exists", value=repr(name), way_out=way_out)])
    study = optuna.create_study(
        study_name=name or fresh_name(plan, taken),
        storage=storage,
        sampler=optuna.samplers.RandomSampler(),
        directions=[StudyDirection.MAXIMIZE] * len(plan.objectives),
    )
    study.set_user_attr("plan", asdict(plan) | {"objectives": list(plan.objectives)})
    return study


def plan_in(study: optuna.Study) -> Plan:
    """The plan that a durable study carries; CatalogueError for a study of another program."""
    stored = study.user_attrs.get("plan")
    if not isinstance(stored, dict) or {*stored, *LATER} != set(Plan.__dataclass_fields__):
        way_out = "open it with Optuna, or start a new one with `dse study run SPACE`"
        raise CatalogueError([Problem("was not begun by this program", value=study.study_name, way_out=way_out)])
    return Plan(**{**stored, "objectives": tuple(stored["objectives"])})


def working_copy(durable: optuna.Study, plan: Plan, scorer: SpaceScorer | None = None) -> optuna.Study:
    """The same study in memory, with the sampler; a seed of its own for every stretch that is run."""
    told = durable.get_trials(deepcopy=False)
    working = optuna.create_study(
        sampler=make_sampler(plan.sampler, (plan.seed + len(told)) % SEEDS, len(plan.objectives), scorer),
        directions=[StudyDirection.MAXIMIZE] * len(plan.objectives),
    )
    working.add_trials(told)
    return working


def enqueue(working: optuna.Study, starts: Sequence[StartPoint], plan: Plan, job: Job | Portfolio) -> None:
    """Put start points before everything that the sampler will propose; each is marked in its user attributes.

    With several objectives of the mapping they are tried under the loosest limit on the time per output token.
    """
    target = {TARGET: loosest_target(job)} if isinstance(job, Job) and rivals(plan.objectives) else {}
    for point in starts:
        working.enqueue_trial(point.params | target, user_attrs={START: point.record})


def target_of(trial: Trial, plan: Plan, job: Job) -> float:
    """The limit on the time per output token under which this trial looks for its mapping [s]."""
    if not rivals(plan.objectives):
        return float(job.requests.time_per_output_token)
    among = target_distribution(job)
    return trial.suggest_float(TARGET, among.low, among.high, log=True)


def run_batch(
    working: optuna.Study,
    size: int,
    space: Space,
    plan: Plan,
    job: Job | Portfolio,
    library: Library,
    scorer: SpaceScorer | None = None,
) -> list[FrozenTrial]:
    """Ask for designs, evaluate all of them in one call a job, tell the results; the finished trials in order.

    scorer: of the sampler; it is shown the mappings that were best.
    """
    found = distributions(space)
    trials = [working.ask() for _ in range(size)]
    designs = [suggest(trial, space, found) for trial in trials]
    if isinstance(job, Portfolio):
        outcomes = portfolio_outcomes(chips_of_samples(space, designs, library), job, plan.objectives)
    else:
        slowest = np.array([target_of(trial, plan, job) for trial in trials])
        outcomes = job_outcomes(chips_of_samples(space, designs, library), slowest, plan, job, scorer)
    finished = []
    for trial, outcome in zip(trials, outcomes, strict=True):
        for name, excess in outcome.limits.items():
            trial.set_constraint(name, excess)
        trial.set_user_attr("result", outcome.record)
        finished.append(working.tell(trial, outcome.values))
    return finished


def job_outcomes(
    chips: Chip, slowest: np.ndarray, plan: Plan, job: Job, scorer: SpaceScorer | None = None
) -> list[Outcome]:
    """Designs, leaves (designs,), on one job under limits on the time per output token (designs,) [s]."""
    best = best_mapping(
        chips,
        job.transformer,
        job.requests,
        job.assumptions,
        mappings=job.mappings,
        objective=mapping_objective(plan.objectives),
        slowest=slowest,
    )
    if scorer is not None:
        scorer.learn(best.index[best.metrics.worst_limit <= 0.0])
    outcomes = []
    for i, slow in enumerate(slowest):
        limits = limits_of(best.metrics, i)
        reached = float(best.metrics.time_per_output_token[i]) / slow - 1.0
        limits["time_per_output_token"] = max(limits["time_per_output_token"], min(reached, 1e9))
        record = trial_record(best.metrics, best.mapping, i, limits) | {"points": np.size(job.mappings.batch)}
        outcomes.append(Outcome(limits, objective_values(best.metrics, i, plan.objectives, limits), record))
    return outcomes


def progress_of(study: optuna.Study) -> Progress:
    """Where a study stands, by its first objective."""
    told = study.get_trials(deepcopy=False)
    feasible = [trial for trial in told if trial.user_attrs.get("result", {}).get("feasible")]
    best = max(feasible, key=lambda trial: (trial.values or [0.0])[0], default=None)
    if best is None:
        return Progress(len(told), 0, 0.0, -1)
    return Progress(len(told), len(feasible), (best.values or [0.0])[0], best.number)


def unreported(_: Progress) -> None:
    """What a run reports to when nobody watches."""


def run(
    durable: optuna.Study,
    space: Space,
    job: Job | Portfolio,
    library: Library,
    trials: int,
    report: Callable[[Progress], None] = unreported,
    starts: Sequence[StartPoint] = (),
) -> Progress:
    """Run so many more trials of a study; what is told is in the storage, batch by batch.

    starts: designs that a new study tries before it samples any. The same plan gives the same trials.
    CatalogueError when the space has changed since the study was begun.
    """
    plan = plan_in(durable)
    if plan.digest != digest(space, job):
        way_out = "restore the files, or start a new study"
        raise CatalogueError(
            [
                Problem(
                    "the space, its model, traffic or assumptions have changed since the study began",
                    value=space.name,
                    way_out=way_out,
                )
            ]
        )
    scorer = scorer_of(plan.sampler, space, job, plan.objectives)
    working = working_copy(durable, plan, scorer)
    state = progress_of(working)
    report(state)
    if state.done == 0:
        enqueue(working, starts, plan, job)
    left = trials
    while left > 0:
        size = min(batch_size(plan.sampler), left)
        with calmly():
            finished = run_batch(working, size, space, plan, job, library, scorer)
        durable.add_trials(finished)
        left -= size
        state = advanced(state, finished)
        report(state)
    return state


def advanced(state: Progress, finished: Sequence[FrozenTrial]) -> Progress:
    """The state after some more finished trials."""
    for trial in finished:
        value = (trial.values or [0.0])[0]
        feasible = bool(trial.user_attrs["result"]["feasible"])
        better = feasible and value > state.best
        state = Progress(
            done=state.done + 1,
            feasible=state.feasible + feasible,
            best=value if better else state.best,
            best_number=trial.number if better else state.best_number,
        )
    return state


def best_trial(study: optuna.Study) -> FrozenTrial:
    """The feasible trial with the highest first objective; CatalogueError with the commonest reasons if none is."""
    told = study.get_trials(deepcopy=False)
    feasible = [trial for trial in told if trial.user_attrs.get("result", {}).get("feasible")]
    if feasible:
        return max(feasible, key=lambda trial: (trial.values or [0.0])[0])
    reasons: dict[str, int] = {}
    for trial in told:
        for name in trial.user_attrs.get("result", {}).get("reasons", {}):
            reasons[name] = reasons.get(name, 0) + 1
    text = ", ".join(f"{name} in {n} of {len(told)}" for name, n in sorted(reasons.items(), key=lambda kv: -kv[1])[:3])
    way_out = "run more trials, choose a traffic with looser limits, or widen the space"
    raise CatalogueError(
        [Problem(f"no trial is feasible ({text or 'no trials yet'})", value=study.study_name, way_out=way_out)]
    )


def design_of(space: Space, trial: FrozenTrial) -> dict[str, Value]:
    """The complete description of a trial's chip, ready to be written as a chip file."""
    return flat_design(space, trial.params)


def open_study(storage: BaseStorage, name: str) -> tuple[optuna.Study, Plan]:
    """A study and its plan; CatalogueError for unknown ones."""
    study = find_study(storage, name)
    return study, plan_in(study)
