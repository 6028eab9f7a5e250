"""Who proposes the next designs? Optuna's samplers by name, every argument stated."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler

from dse.catalogue.errors import CatalogueError, Problem, listed, nearest

__all__ = ["SAMPLERS", "batch_size", "calmly", "choose", "make_sampler"]


def tpe(seed: int) -> BaseSampler:
    """Tree-structured Parzen estimator over joint groups of parameters, conditional ones included."""
    return optuna.samplers.TPESampler(
        n_startup_trials=32, n_ei_candidates=24, multivariate=True, group=True, constant_liar=True, seed=seed
    )


def nsga2(seed: int) -> BaseSampler:
    """Non-dominated sorting genetic algorithm, for several objectives."""
    return optuna.samplers.NSGAIISampler(population_size=64, crossover_prob=0.9, swapping_prob=0.5, seed=seed)


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
    if importlib.util.find_spec("torch") is None:
        way_out = "install it with: pip install 'altarch-dse[gp]', or use --sampler tpe"
        raise CatalogueError([Problem("the sampler gp needs PyTorch", value="gp", way_out=way_out)])
    return optuna.samplers.GPSampler(n_startup_trials=16, deterministic_objective=True, seed=seed)


SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": tpe,
    "nsga2": nsga2,
    "cmaes": cmaes,
    "qmc": qmc,
    "random": random,
    "gp": gp,
}


def choose(objectives: int, trials: int) -> str:
    """The sampler behind `auto`: TPE for one objective or a short study, else NSGA-II, whose cost grows more slowly."""
    return "tpe" if objectives == 1 or trials < 256 else "nsga2"


def batch_size(name: str) -> int:
    """Trials asked before any of them is told: a generation for NSGA-II, few for samplers that learn from each [1]."""
    return {"nsga2": 64, "qmc": 64, "random": 64, "gp": 4}.get(name, 16)


def make_sampler(name: str, seed: int, objectives: int) -> BaseSampler:
    """A sampler by name; CatalogueError with the valid ones, or when it cannot do several objectives.

    name: a key of SAMPLERS; seed; objectives: how many [1].
    """
    if name not in SAMPLERS:
        valid = [*SAMPLERS, "auto"]
        close = nearest(name, valid)
        raise CatalogueError([Problem("unknown sampler", value=repr(name), allowed=listed(valid), nearest=close)])
    if name == "cmaes" and objectives > 1:
        way_out = "use nsga2 or tpe, or one objective"
        raise CatalogueError([Problem("cmaes takes one objective", value=f"{objectives} objectives", way_out=way_out)])
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
