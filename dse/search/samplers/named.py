"""Who proposes the next designs? Samplers by name, every argument stated: Optuna's, and those of this program."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler

from dse.analysis.comparison import Job
from dse.analysis.portfolio import Portfolio
from dse.catalogue.errors import CatalogueError, Problem, listed, nearest
from dse.catalogue.fields import Range
from dse.catalogue.space import Space
from dse.search.samplers.gradient import GradientSampler
from dse.search.samplers.portfolio_scorer import PortfolioScorer
from dse.search.samplers.scorer import SpaceScorer
from dse.search.samplers.screening import ScreeningSampler
from dse.search.samplers.slopes import relax_portfolio, relax_space

__all__ = [
    "OWN",
    "SAMPLERS",
    "Scorer",
    "batch_size",
    "calmly",
    "check_name",
    "check_sampler",
    "choose",
    "make_sampler",
    "scorer_of",
]


def tpe(seed: int) -> BaseSampler:
    """Tree-structured Parzen estimator over joint groups of parameters, conditional ones included."""
    return optuna.samplers.TPESampler(
        n_startup_trials=32, n_ei_candidates=24, multivariate=True, group=True, constant_liar=True, seed=seed
    )


def nsga2(seed: int) -> BaseSampler:
    """Non-dominated sorting genetic algorithm, for several objectives."""
    return optuna.samplers.NSGAIISampler(population_size=64, crossover_prob=0.9, swapping_prob=0.5, seed=seed)


def nsga3(seed: int) -> BaseSampler:
    """The same with reference points, for three objectives and more."""
    return optuna.samplers.NSGAIIISampler(population_size=64, crossover_prob=0.9, swapping_prob=0.5, seed=seed)


def cmaes(seed: int) -> BaseSampler:
    """Covariance matrix adaptation; names and conditional fields are drawn at random beside it."""
    return optuna.samplers.CmaEsSampler(n_startup_trials=16, warn_independent_sampling=False, seed=seed)


def qmc(seed: int) -> BaseSampler:
    """Scrambled Sobol points: even coverage, no learning."""
    return optuna.samplers.QMCSampler(
        qmc_type="sobol", scramble=True, seed=seed, warn_asynchronous_seeding=False, warn_independent_sampling=False
    )


def random(seed: int) -> BaseSampler:
    """Independent draws."""
    return optuna.samplers.RandomSampler(seed=seed)


def gp(seed: int) -> BaseSampler:
    """Gaussian process; needs PyTorch, an optional extra."""
    return optuna.samplers.GPSampler(n_startup_trials=16, deterministic_objective=True, seed=seed)


SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": tpe,
    "nsga2": nsga2,
    "nsga3": nsga3,
    "cmaes": cmaes,
    "qmc": qmc,
    "random": random,
    "gp": gp,
}


Scorer: TypeAlias = SpaceScorer | PortfolioScorer
"""What designs of a space are worth on a job, or on several."""


def screening(scorer: Scorer, seed: int) -> BaseSampler:
    """Thousands of designs scored before every trial."""
    return ScreeningSampler(scorer.parameters, scorer, **options_of(scorer, seed))


def gradient(scorer: Scorer, seed: int) -> BaseSampler:
    """Screening, whose best designs are polished along the gradient."""
    relax = partial(relax_space if isinstance(scorer, SpaceScorer) else relax_portfolio, scorer)
    return GradientSampler(scorer.parameters, scorer, relax, **options_of(scorer, seed))


def options_of(scorer: Scorer, seed: int) -> dict[str, Any]:
    """What both of our samplers are told."""
    return {"candidates": 2048, "seed": seed, "active": scorer.active, "points": lambda: scorer.points}


OWN: dict[str, Callable[[Scorer, int], BaseSampler]] = {"screening": screening, "gradient": gradient}
"""Samplers of this program, which need a scorer of the space and the job."""


def scorer_of(name: str, space: Space, job: Job | Portfolio, objectives: Sequence[str]) -> Scorer | None:
    """The scorer that a sampler needs; None for those of Optuna."""
    if name not in OWN:
        return None
    return SpaceScorer(space, job, objectives) if isinstance(job, Job) else PortfolioScorer(space, job, objectives)


def choose(space: Space, objectives: int) -> str:
    """The sampler behind `auto`: one of ours, with slopes where all is a number without steps."""
    smooth = all(isinstance(field, Range) and not field.step for field in space.free.values())
    return "gradient" if smooth and objectives == 1 else "screening"


def batch_size(name: str) -> int:
    """Trials asked before any of them is told: a generation for NSGA-II, few for samplers that learn from each [1]."""
    return {"nsga2": 64, "nsga3": 64, "qmc": 64, "random": 64, "gp": 4, "screening": 8, "gradient": 8}.get(name, 16)


def check_name(name: str) -> None:
    """CatalogueError with the valid names unless a sampler has this one."""
    if name not in (*OWN, *SAMPLERS):
        valid = [*OWN, *SAMPLERS, "auto"]
        close = nearest(name, valid)
        raise CatalogueError([Problem("unknown sampler", value=repr(name), allowed=listed(valid), nearest=close)])


def check_sampler(name: str, objectives: int) -> None:
    """CatalogueError unless a sampler has this name, takes so many objectives, and has what it needs installed."""
    check_name(name)
    if name == "cmaes" and objectives > 1:
        way_out = "use nsga2 or tpe, or one objective"
        raise CatalogueError([Problem("cmaes takes one objective", value=f"{objectives} objectives", way_out=way_out)])
    if name == "gp" and importlib.util.find_spec("torch") is None:
        way_out = "install it with: pip install 'altarch-dse[gp]', or use --sampler tpe"
        raise CatalogueError([Problem("the sampler gp needs PyTorch", value="gp", way_out=way_out)])


def make_sampler(name: str, seed: int, objectives: int, scorer: Scorer | None = None) -> BaseSampler:
    """A sampler by name; CatalogueError as of `check_sampler`.

    name: a key of SAMPLERS or OWN; seed; objectives: how many [1]; scorer: as from `scorer_of`.
    """
    check_sampler(name, objectives)
    if name in OWN:
        assert scorer is not None
        return OWN[name](scorer, seed)
    with calmly():
        return SAMPLERS[name](seed)


@contextmanager
def calmly() -> Iterator[None]:
    """Without the warnings of Optuna that are of no consequence here."""
    with warnings.catch_warnings():
        # Grouped parameters are what conditional fields need, and Optuna still calls them experimental.
        warnings.simplefilter("ignore", ExperimentalWarning)
        # Samplers that know no constraints see the way to feasible designs in the values that they are told.
        warnings.filterwarnings("ignore", message="Constraints have been set")
        yield
