"""How is a space searched? Batches of designs from an Optuna sampler, each with its best mapping found exactly.

The sampler works on a copy of the study in memory (dse/search/studies/shared.py); every batch of finished trials is
added to the durable study at once, so any storage is as fast as it can write and whatever has been told survives the
process. A worker announces its batch first, so that others know of it and can take it over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from dse.analysis.comparison import Job
from dse.analysis.portfolio import Portfolio, at_every_pair
from dse.best_mapping import best_mapping
from dse.catalogue.errors import CatalogueError, Problem
from dse.catalogue.fields import Value
from dse.catalogue.library import Library
from dse.catalogue.space import Space
from dse.hardware.chip import Chip
from dse.search.objective import Outcome, limits_of, mapping_objective, objective_values, trial_record
from dse.search.portfolio import portfolio_outcomes
from dse.search.samplers.named import Scorer, batch_size, calmly, make_sampler, scorer_of
from dse.search.samplers.portfolio_scorer import PortfolioScorer
from dse.search.samplers.scorer import SpaceScorer
from dse.search.samplers.target import loosest_target, rivals, target_distribution
from dse.search.space import TARGET, chips_of_samples, distributions, flat_design, suggest
from dse.search.start_points import START, StartPoint
from dse.search.studies.described import trial_words, units_of_fields
from dse.search.studies.patience import patiently
from dse.search.studies.plan import Plan, check_unchanged, create, plan_in, plan_of, portfolio_plan
from dse.search.studies.presence import EVERY, Presence
from dse.search.studies.recovery import NOBODY, WORKER
from dse.search.studies.shared import Shared, finish, lean
from dse.timing.inference import busy_shares

__all__ = [
    "ALONE",
    "Plan",
    "Progress",
    "Work",
    "best_trial",
    "create",
    "design_of",
    "plan_in",
    "plan_of",
    "portfolio_plan",
    "run",
    "told_trials",
]

SEEDS = 2**32
"""Seeds that samplers take: from 0, below this [1]."""

Evaluate = Callable[[Sequence[Trial], Sequence[Mapping[str, Value]]], list[Outcome]]
"""What trials and their designs come to."""


@dataclass(frozen=True)
class Progress:
    """State after a batch: trials told in all, feasible ones among them, the best value and its trial.

    told: by this process.
    """

    done: int
    feasible: int
    best: float
    best_number: int
    told: int = 0


def never() -> bool:
    """When a run that nobody stops is stopped."""
    return False


def unreported(_: Progress) -> None:
    """What a run reports to when nobody watches."""


class Work(NamedTuple):
    """How a process works on a study.

    announce: whether others see what it is about to evaluate, and take it over if it dies: a worker; every: seconds
    between its signs of life [s]; stop: asked before every batch; evaluate: in place of the evaluation of the job.
    """

    announce: bool = False
    every: int = EVERY
    stop: Callable[[], bool] = never
    evaluate: Evaluate | None = None


ALONE = Work()
"""The only process at work, as far as anybody knows."""


def told_trials(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that have been told; those that run, wait or failed have no result."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def working_copy(told: Sequence[FrozenTrial], plan: Plan, salt: int = 0, scorer: Scorer | None = None) -> optuna.Study:
    """Told trials as a study in memory, with the sampler; every stretch and every salt has a seed of its own."""
    working = optuna.create_study(
        sampler=make_sampler(plan.sampler, (plan.seed + len(told) + salt) % SEEDS, len(plan.objectives), scorer),
        directions=[StudyDirection.MAXIMIZE] * len(plan.objectives),
    )
    working.add_trials([lean(trial) for trial in told])
    return working


def mappings_of(told: Sequence[FrozenTrial]) -> list[Mapping[str, float]]:
    """The mappings that were best for the feasible designs, those of the best designs last."""
    results = [(trial.values[0], trial.user_attrs.get("result", {})) for trial in told]
    able = [(value, result["mapping"]) for value, result in results if result.get("feasible")]
    return [mapping for _, mapping in sorted(able, key=lambda one: one[0])]


def enqueue(durable: optuna.Study, starts: Sequence[StartPoint], plan: Plan, job: Job | Portfolio) -> None:
    """Put start points before everything that a sampler will propose; each is marked in its user attributes.

    With several objectives of the mapping they are tried under the loosest limit on the time per output token.
    """
    target = {TARGET: loosest_target(job)} if isinstance(job, Job) and rivals(plan.objectives) else {}
    for point in starts:
        durable.enqueue_trial(point.params | target, user_attrs={START: point.record, WORKER: NOBODY})


def target_of(trial: Trial, plan: Plan, job: Job) -> float:
    """The limit on the time per output token under which this trial looks for its mapping [s]."""
    if not rivals(plan.objectives):
        return float(job.requests.time_per_output_token)
    among = target_distribution(job)
    return trial.suggest_float(TARGET, among.low, among.high, log=True)


def evaluation(
    space: Space, plan: Plan, job: Job | Portfolio, library: Library, scorer: Scorer | None = None
) -> Evaluate:
    """What designs of a space come to, all of them in one call a job; the scorer learns which mappings were best."""

    def outcomes(trials: Sequence[Trial], designs: Sequence[Mapping[str, Value]]) -> list[Outcome]:
        chips = chips_of_samples(space, designs, library)
        if isinstance(job, Portfolio):
            members = at_every_pair(chips, job)
            if isinstance(scorer, PortfolioScorer):
                scorer.learn(members)
            return portfolio_outcomes(members, job, plan.objectives)
        slowest = np.array([target_of(trial, plan, job) for trial in trials])
        return job_outcomes(chips, slowest, plan, job, scorer if isinstance(scorer, SpaceScorer) else None)

    return outcomes


def asked(shared: Shared, size: int, waiting: Sequence[FrozenTrial]) -> tuple[list[Trial], dict[int, int]]:
    """The next trials of the copy: designs that wait in the durable study, then new ones.

    Also where they are in the durable study already: number in the copy -> id there.
    """
    trials, keys = [], {}
    for one in waiting[:size]:
        attributes = {key: value for key, value in one.user_attrs.items() if key not in (WORKER, "result")}
        shared.working.enqueue_trial(params_of(one), user_attrs=attributes)
        trial = shared.working.ask()
        if shared.take(one, trial.number):
            trials.append(trial)
            keys[trial.number] = one._trial_id
        else:
            shared.working.tell(trial, state=TrialState.FAIL)
    return [*trials, *(shared.working.ask() for _ in range(size - len(trials)))], keys


def params_of(waiting: FrozenTrial) -> dict[str, Value]:
    """The design that waits: put back with its parameters, or enqueued with values that are not suggested yet."""
    return waiting.params or waiting.system_attrs.get("fixed_params", {})


def run_batch(
    shared: Shared, presence: Presence, space: Space, size: int, waiting: Sequence[FrozenTrial], work: Work
) -> list[FrozenTrial]:
    """Ask for designs, evaluate all of them in one call a job, tell the results; the told trials in order."""
    assert work.evaluate is not None
    found = distributions(space)
    trials, keys = asked(shared, size, waiting)
    designs = [suggest(trial, space, found) for trial in trials]
    if work.announce:
        copies = [shared.working._storage.get_trial(trial._trial_id) for trial in trials]
        keys |= {copy.number: shared.claim(copy) for copy in copies if copy.number not in keys}
    presence.hold(keys.values())
    finished = []
    for trial, design, outcome in zip(trials, designs, work.evaluate(trials, designs), strict=True):
        for name, excess in outcome.limits.items():
            trial.set_constraint(name, excess)
        attributes = {**trial_words(space, design, outcome.record), "result": outcome.record}
        copy = finish(shared.working, trial, outcome.values, attributes)
        key = keys.get(trial.number)
        if key is None:
            shared.add(copy, trial.number)
            finished.append(copy)
        elif shared.tell(key, copy):
            finished.append(copy)
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
    shares = busy_shares(best.metrics.decode)
    busy = {name: np.broadcast_to(np.asarray(share), slowest.shape) for name, share in shares.items()}
    outcomes = []
    for i, slow in enumerate(slowest):
        limits = limits_of(best.metrics, i)
        reached = float(best.metrics.time_per_output_token[i]) / slow - 1.0
        limits["time_per_output_token"] = max(limits["time_per_output_token"], min(reached, 1e9))
        record = trial_record(best.metrics, best.mapping, i, limits, busy) | {"points": np.size(job.mappings.batch)}
        outcomes.append(Outcome(limits, objective_values(best.metrics, i, plan.objectives, limits), record))
    return outcomes


def progress_of(study: optuna.Study) -> Progress:
    """Where a study stands, by its first objective."""
    return advanced(Progress(0, 0, 0.0, -1), told_trials(study))


def advanced(state: Progress, told: Sequence[FrozenTrial]) -> Progress:
    """The state after some more told trials."""
    for trial in told:
        value = (trial.values or [0.0])[0]
        feasible = bool(trial.user_attrs.get("result", {}).get("feasible"))
        better = feasible and (value > state.best or state.feasible == 0)
        state = Progress(
            done=state.done + 1,
            feasible=state.feasible + feasible,
            best=value if better else state.best,
            best_number=trial.number if better else state.best_number,
            told=state.told,
        )
    return state


def run(
    durable: optuna.Study,
    space: Space,
    job: Job | Portfolio,
    library: Library,
    trials: int,
    report: Callable[[Progress], None] = unreported,
    starts: Sequence[StartPoint] = (),
    work: Work = ALONE,
) -> Progress:
    """Run so many more trials of a study; what is told is in the storage, batch by batch.

    starts: designs that a new study tries before it samples any. The same plan gives the same trials, unless other
    processes work on the study too. CatalogueError when the space has changed since the study was begun.
    """
    plan = plan_in(durable)
    check_unchanged(plan, space, job)
    if "units" not in durable.user_attrs:
        durable.set_user_attr("units", units_of_fields(space))
    if starts and not durable.get_trials(deepcopy=False):
        enqueue(durable, starts, plan, job)
    scorer = scorer_of(plan.sampler, space, job, plan.objectives)
    work = work._replace(evaluate=work.evaluate or evaluation(space, plan, job, library, scorer))
    with Presence(durable, work.every) as presence:
        told = told_trials(durable)
        if scorer is not None:
            scorer.recall(mappings_of(told))
        salt = int(hashlib.sha256(presence.name.encode()).hexdigest(), 16) if work.announce else 0
        shared = Shared(durable, working_copy(told, plan, salt, scorer), presence.name, told)
        state = advanced(Progress(0, 0, 0.0, -1), told)
        report(state)
        try:
            while state.told < trials and not work.stop():
                news = shared.follow()
                if presence.due() and patiently(presence.recover):
                    news = shared.follow()
                state = advanced(state, news.told)
                size = min(batch_size(plan.sampler), trials - state.told)
                with calmly():
                    finished = run_batch(shared, presence, space, size, news.waiting, work)
                state = told_by_us(state, finished)
                report(state)
        except BaseException:
            shared.give_back()
            raise
    return state


def told_by_us(state: Progress, finished: Sequence[FrozenTrial]) -> Progress:
    """The state after a batch of this process."""
    return replace(advanced(state, finished), told=state.told + len(finished))


def best_trial(study: optuna.Study) -> FrozenTrial:
    """The feasible trial with the highest first objective; CatalogueError with the commonest reasons if none is."""
    told = told_trials(study)
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
