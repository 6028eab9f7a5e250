"""What is a study? A plan of space, job, objectives and sampler, stored with its trials so that anybody can go on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import jax
import numpy as np
import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

from dse.analysis.comparison import Job
from dse.analysis.portfolio import PORTFOLIO_OBJECTIVES, Portfolio, check_rivals
from dse.analysis.quality import Quality, check_space, has_experts
from dse.catalogue.errors import CatalogueError, Problem
from dse.catalogue.space import Space
from dse.search.objective import objectives_of
from dse.search.portfolio import portfolio_metric
from dse.search.samplers.named import calmly, check_sampler, choose
from dse.search.space import chips_of_samples, distributions, suggest
from dse.search.studies.described import objective_names
from dse.search.studies.storage import find_study, study_names

__all__ = ["Plan", "check_unchanged", "create", "new_study", "own_studies", "plan_in", "plan_of", "portfolio_plan"]


@dataclass(frozen=True)
class Plan:
    """What a study is: the space and the job by name, the objectives, the sampler and its seed.

    digest: of the space file, so that a study goes on only in the space that it was begun in; portfolio: of jobs in
    place of the one of model and traffic, '' for none; least_qsnr [dB], greatest_loss [1]: asked of formats, None: not;
    figures: digest of what the catalogue makes of some designs, '' in a study that is older than this.
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
    figures: str = ""

    @property
    def quality(self) -> Quality:
        """What is asked of formats."""
        return Quality(self.least_qsnr, self.greatest_loss)


LATER = ("portfolio", "least_qsnr", "greatest_loss", "figures")
"""Fields that the plan of an older study lacks."""

PROBES = 16
"""Designs whose chips stand for the whole catalogue [1]."""


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


def figures_of(space: Space, job: Job | Portfolio) -> str:
    """Fingerprint of what the catalogue makes of some designs, and of the mappings that are tried for every job.

    To nine digits, so that machines that round differently agree.
    """
    jobs, found = [job] if isinstance(job, Job) else [pair.job for pair in job.pairs], distributions(space)
    probes = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    chips = chips_of_samples(space, [suggest(probes.ask(), space, found) for _ in range(PROBES)], jobs[0].library)
    leaves = jax.tree.leaves((chips, [each.mappings for each in jobs]))
    numbers = np.concatenate([np.ravel(leaf) for leaf in leaves]).astype(np.float64)
    return hashlib.sha256(" ".join(f"{number:.9g}" for number in numbers).encode()).hexdigest()[:16]


def plan_of(space: Space, job: Job, objectives: Sequence[str], sampler: str, seed: int) -> Plan:
    """The plan of a new study; CatalogueError for unknown objectives or samplers, and for formats never measured."""
    return planned(space, job, objectives_of(objectives), sampler, seed)


def portfolio_plan(space: Space, portfolio: Portfolio, objectives: Sequence[str], sampler: str, seed: int) -> Plan:
    """The plan of a new study of a portfolio; CatalogueError as for a job, and where there is nothing to regret."""
    fields = tuple(portfolio_metric(name) for name in objectives)
    if PORTFOLIO_OBJECTIVES["minimax-regret"] in fields:
        check_rivals(portfolio)
    return planned(space, portfolio, fields, sampler, seed)


def planned(space: Space, asked: Job | Portfolio, fields: tuple[str, ...], sampler: str, seed: int) -> Plan:
    """The plan for objectives that are checked; CatalogueError for a sampler that cannot do it."""
    name = choose(space, len(fields)) if sampler == "auto" else sampler
    check_sampler(name, len(fields))
    one = isinstance(asked, Job)
    job = asked if one else asked.pairs[0].job
    jobs = [asked] if one else [pair.job for pair in asked.pairs]
    experts = any(has_experts(each.transformer) for each in jobs)
    check_space(space, job.quality, job.library, experts, fields)
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
        figures=figures_of(space, asked),
    )


def fresh_name(plan: Plan, taken: Sequence[str]) -> str:
    """A name that no study of the storage has."""
    base = f"{plan.space}-{plan.portfolio or f'{plan.model}-{plan.traffic}'}"
    names = (base if i == 1 else f"{base}-{i}" for i in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def new_study(storage: BaseStorage, name: str, directions: Sequence[StudyDirection]) -> optuna.Study:
    """A new durable study; CatalogueError when the name is taken, be it by a process that is as fast."""
    sampler = optuna.samplers.RandomSampler()
    try:
        return optuna.create_study(study_name=name, storage=storage, sampler=sampler, directions=list(directions))
    except DuplicatedStudyError as error:
        way_out = f"go on with it in the same storage: dse study resume {name}; or give another --study"
        raise CatalogueError([Problem("a study of this name exists", value=repr(name), way_out=way_out)]) from error


def create(storage: BaseStorage, plan: Plan, name: str | None) -> optuna.Study:
    """A new durable study that carries its plan; CatalogueError when the name is taken."""
    directions = [StudyDirection.MAXIMIZE] * len(plan.objectives)
    study = new_study(storage, name or fresh_name(plan, study_names(storage)), directions)
    with calmly():
        study.set_metric_names(objective_names(plan.objectives))
    study.set_user_attr("plan", asdict(plan) | {"objectives": list(plan.objectives)})
    return study


def plan_in(study: optuna.Study) -> Plan:
    """The plan that a durable study carries; CatalogueError for a study of another program."""
    if not carries_plan(study):
        way_out = "open it with Optuna, or start a new one with `dse study run SPACE`"
        raise CatalogueError([Problem("was not begun by this program", value=study.study_name, way_out=way_out)])
    stored = study.user_attrs["plan"]
    return Plan(**{**stored, "objectives": tuple(stored["objectives"])})


def own_studies(storage: BaseStorage) -> list[optuna.Study]:
    """The studies of a storage that this program began, oldest first."""
    found = [find_study(storage, name) for name in study_names(storage)]
    return [study for study in found if carries_plan(study)]


def carries_plan(study: optuna.Study) -> bool:
    """Whether a study was begun by this program."""
    stored = study.user_attrs.get("plan")
    return isinstance(stored, dict) and {*stored, *LATER} == set(Plan.__dataclass_fields__)


def check_unchanged(plan: Plan, space: Space, job: Job | Portfolio) -> None:
    """CatalogueError where the space or the job is another one than the study was begun with."""
    if plan.digest != digest(space, job):
        rule = "the space, its model, traffic or assumptions have changed since the study began"
        way_out = "restore the files, or start a new study"
        raise CatalogueError([Problem(rule, value=space.name, way_out=way_out)])
    if plan.figures and plan.figures != figures_of(space, job):
        rule = "figures of the catalogue (processes, memories, formats, mappings) have changed since the study began"
        way_out = "restore the files, or start a new study"
        raise CatalogueError([Problem(rule, value=space.name, way_out=way_out)])
