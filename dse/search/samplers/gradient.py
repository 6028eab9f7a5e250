"""Where does the slope lead? A screening sampler whose best designs are polished along the gradient of a relaxed model.

Integers and steps are relaxed to real numbers, names are held; the limits of the search stay limits (SLSQP). Around the
polished point the integers and steps on both sides, and the neighbours of listed numbers, are scored as part of the
next batch: gradients do not see steps, and the corners often are better than the relaxed point.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.optimize import minimize

from dse.search.samplers.genes import Genes, cells_of, gene_of, is_ordered, params_of
from dse.search.samplers.history import History
from dse.search.samplers.screening import Origin, Scorer, ScreeningSampler

__all__ = ["GradientSampler", "Relax", "Slopes", "relax_by_jax"]

Params: TypeAlias = dict[str, Any]
Point: TypeAlias = Float[np.ndarray, " axes"]

EVERY = 8
"""Batches from one polishing to the next [1]."""
CALLS = 40
"""Most points of a polishing whose slopes are taken: at kinks a line search goes on for long and gains little [1]."""
CORNERS = 512
"""Most designs that are scored around a polished point [1]."""
ROUNDING = 1e-4
"""Slack that is left to a limit, so that a polished design keeps it in single precision too [1]."""


@dataclass(frozen=True)
class Slopes:
    """Values (objectives,) and excess over limits (limits,) of one design, and their slopes by parameter."""

    values: np.ndarray
    excess: np.ndarray
    of_values: dict[str, np.ndarray]
    of_excess: dict[str, np.ndarray]


Model: TypeAlias = Callable[[Params], Slopes]
"""From parameters whose numbers may lie between steps to values and slopes."""

Relax: TypeAlias = Callable[[Params, tuple[str, ...]], Model]
"""From a design and the parameters that will move to the model around it: what is held is as in the design."""


def relax_by_jax(function: Callable[[Params], tuple[Any, Any]]) -> Relax:
    """The relaxed model of a function that JAX can differentiate.

    function: parameters, numbers of which are traced -> values (objectives,) and excess (limits,).
    """

    def relax(start: Params, moving: tuple[str, ...]) -> Model:
        def both(numbers: jax.Array) -> tuple[jax.Array, jax.Array]:
            values, excess = function(start | dict(zip(moving, numbers, strict=True)))
            return jnp.atleast_1d(values), jnp.atleast_1d(excess)

        slopes, here = jax.jit(jax.jacfwd(both)), jax.jit(both)

        def model(params: Params) -> Slopes:
            numbers = np.array([params[name] for name in moving], np.float64)
            values, excess = (np.asarray(part, np.float64) for part in here(numbers))
            of_values, of_excess = (dict(zip(moving, np.asarray(part).T, strict=True)) for part in slopes(numbers))
            return Slopes(values, excess, of_values, of_excess)

        return model

    return relax


class GradientSampler(ScreeningSampler):
    """Screens, and every few trials polishes the best of one family in turn.

    relax: the model between the steps, as in `Relax`; options: as of `ScreeningSampler`.
    """

    name = "gradient"

    def __init__(self, space: Mapping[str, BaseDistribution], scorer: Scorer, relax: Relax, **options: Any) -> None:
        super().__init__(space, scorer, **options)
        self.relax = relax
        self.polished: set[bytes] = set()
        self.slopes = 0

    def spent(self) -> int:
        """Evaluations so far, those of slopes among them."""
        return super().spent() if self.points else self.scored + self.slopes

    def batch(self, history: History) -> dict[Origin, Genes]:
        """The batch of screening, every few times with the corners around a polished design."""
        groups = super().batch(history)
        turn, rest = divmod(self.asked, EVERY)
        if rest == EVERY - 1:
            number = turn // 2 % len(self.families) if turn % 2 else self.leader()
            start = self.start_of(number, history)
            if start is not None:
                groups[("corner", number)] = self.corners(self.polish(start, history))
        return groups

    def start_of(self, number: int, history: History) -> Float[np.ndarray, " parameters"] | None:
        """The best design of a family that was not polished yet; None where there is none."""
        parents = self.families[number].parents
        if parents is None:
            return None
        for genes, key in zip(parents.genes, history.canonical(parents.genes), strict=True):
            if key.tobytes() not in self.polished:
                self.polished.add(key.tobytes())
                return genes
        return None

    def polish(self, start: Float[np.ndarray, " parameters"], history: History) -> Float[np.ndarray, " parameters"]:
        """Climb from a design along the gradient, within the cube and the limits; the genes where it ends.

        Of several objectives a weighted sum, each over its value at the start, of weights that are drawn anew.
        """
        axes = [place for place, found in enumerate(self.space.values()) if is_relaxed(found)]
        if not axes:
            return start
        names = list(self.space)
        moving = tuple(names[axis] for axis in axes)
        fixed = params_of(self.space, start)
        model = self.relax(fixed, moving)
        found = [self.space[name] for name in moving]
        weights = self.generator.dirichlet(np.ones(len(history.signs))) * history.signs
        climb = Climb(model, fixed, moving, found, weights)
        end = start.copy()
        end[axes] = climb.end(np.array([gene_of(one, fixed[name]) for one, name in zip(found, moving, strict=True)]))
        self.slopes += climb.calls
        return end

    def corners(self, genes: Float[np.ndarray, " parameters"]) -> Genes:
        """Designs around a polished one: both sides of its integers and steps, neighbours of its listed numbers."""
        places: list[list[float]] = []
        listed = []
        for axis, found in enumerate(self.space.values()):
            cells = cells_of(found)
            if cells and is_relaxed(found):
                places.append(sorted({beside(genes[axis], cells, -0.5), beside(genes[axis], cells, 0.5)}))
            else:
                places.append([float(genes[axis])])
                if cells > 1 and is_ordered(found):
                    listed += [(axis, beside(genes[axis], cells, step)) for step in (-1.0, 1.0)]
        whole = np.array(list(itertools.islice(itertools.product(*places), CORNERS)))
        parts = [whole]
        for axis, place in listed:
            if sum(map(len, parts)) < CORNERS:
                moved = whole.copy()
                moved[:, axis] = place
                parts.append(moved)
        return np.concatenate(parts)[:CORNERS]


def is_relaxed(found: BaseDistribution) -> bool:
    """Whether a parameter is climbed along: numbers of a range, in steps or not."""
    return not isinstance(found, CategoricalDistribution) and not found.single()


def beside(gene: float, cells: int, step: float) -> float:
    """The middle of the cell so many cells further on, within the cube."""
    return (min(max(int(gene * cells + step), 0), cells - 1) + 0.5) / cells


def relaxed_value(found: BaseDistribution, gene: float) -> tuple[float, float]:
    """Value of a parameter at a place, between its steps where it has some, and its slope.

    The middles of the first and the last cell are the bounds, and nothing lies outside them.
    """
    assert isinstance(found, IntDistribution | FloatDistribution)
    low, high = float(found.low), float(found.high)
    if found.log:
        whole = isinstance(found, IntDistribution)
        bottom, top = (low - 0.5, high + 0.5) if whole else (low, high)
        value = bottom * (top / bottom) ** gene
        return min(max(value, low), high), value * float(np.log(top / bottom))
    cells = cells_of(found)
    step = float(found.step) if found.step else 0.0
    width = cells * step if cells else high - low
    value = low - step / 2.0 + width * gene
    return min(max(value, low), high), width


class EnoughError(Exception):
    """A polishing has had its calls."""


@dataclass
class Climb:
    """A polishing: parameters that move, their distributions and the weights of the objectives; calls of the model."""

    model: Model
    fixed: Params
    moving: tuple[str, ...]
    found: list[BaseDistribution]
    weights: np.ndarray
    calls: int = 0
    last: tuple[bytes, Slopes, np.ndarray] | None = None

    def at(self, point: Point) -> tuple[Slopes, np.ndarray]:
        """The model at a place, once for all who ask, and the slopes of the parameters there."""
        key = point.tobytes()
        if self.last is None or self.last[0] != key:
            if self.calls == CALLS:
                raise EnoughError
            pairs = [relaxed_value(one, float(gene)) for one, gene in zip(self.found, point, strict=True)]
            numbers, rates = np.array(pairs).T
            self.calls += 1
            slopes = self.model(self.fixed | dict(zip(self.moving, numbers.tolist(), strict=True)))
            self.last = (key, slopes, rates)
        return self.last[1], self.last[2]

    def end(self, start: Point) -> Point:
        """The best feasible place that was visited, the start where none was better."""
        first, _ = self.at(start)
        scale = np.where(np.abs(first.values) > 0.0, np.abs(first.values), 1.0)
        best, highest = start, -np.inf

        def weigh(values: np.ndarray) -> float:
            return float((self.weights * values / scale).sum())

        def value(point: Point) -> tuple[float, np.ndarray]:
            nonlocal best, highest
            slopes, rates = self.at(point)
            found = weigh(slopes.values)
            if found > highest and (slopes.excess <= 0.0).all():
                best, highest = point.copy(), found
            columns = [slopes.of_values[name] * rate for name, rate in zip(self.moving, rates, strict=True)]
            return -found, -np.array([weigh(column) for column in columns])

        def room(point: Point) -> np.ndarray:
            return -self.at(point)[0].excess - ROUNDING

        def narrowing(point: Point) -> np.ndarray:
            slopes, rates = self.at(point)
            columns = [slopes.of_excess[name] * rate for name, rate in zip(self.moving, rates, strict=True)]
            return -np.column_stack(columns)

        limits = {"type": "ineq", "fun": room, "jac": narrowing}
        bounds = [(0.0, 1.0)] * len(start)
        with suppress(EnoughError):
            minimize(value, start, jac=True, method="SLSQP", bounds=bounds, constraints=[limits], tol=1e-7)
        return best
