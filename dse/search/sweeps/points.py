"""Which points are worth keeping? Feasible ones, their front and their best, and what bounds are held against."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from dse.analysis.comparison import pareto_front
from dse.arrays import Number
from dse.best_mapping import OBJECTIVES
from dse.search.sweeps.bounds import TOLERANCE, Bound

__all__ = [
    "KEPT",
    "MOST",
    "NONE",
    "OF_POINTS",
    "Chunk",
    "Counts",
    "Points",
    "Rivals",
    "answers",
    "best_of_designs",
    "joined_points",
    "merged_points",
    "reached",
    "rivals_above",
    "rivals_at",
    "rivals_of",
    "undominated",
]

KNOTS = 16
"""Points of the front that whole blocks of points are held against [1]."""

KEPT = 8
"""Best points for each objective that a chunk keeps, so that one which double precision refuses has a successor [1]."""


@dataclass(frozen=True)
class Points:
    """Feasible points: number of the design, place of the mapping in the lattice, and its values; all (points,)."""

    number: np.ndarray
    mapping: np.ndarray
    dollars: np.ndarray
    speed: np.ndarray
    joules: np.ndarray

    def take(self, places: np.ndarray) -> Points:
        """Some of the points."""
        return Points(*(getattr(self, name)[places] for name in POINT))


OF_POINTS: dict[str, str] = dict(zip(OBJECTIVES, ("dollars", "speed", "joules"), strict=True))
"""Objective -> its column of the points."""

MOST = 1e30
"""More than any objective reaches."""

POINT = tuple(Points.__dataclass_fields__)
NONE = Points(*(np.zeros(0, np.int64) for _ in range(2)), *(np.zeros(0) for _ in range(3)))


@dataclass(frozen=True)
class Counts:
    """What became of designs and points.

    designs: covered; broken: by a limit of the chip; beaten: by a bound before any of their points is evaluated;
    bounds: worked out, each of a box of designs with a group of mappings; evaluated: points [1].
    """

    designs: int = 0
    broken: int = 0
    beaten: int = 0
    bounds: int = 0
    evaluated: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Sum of both."""
        return Counts(*(getattr(self, name) + getattr(other, name) for name in Counts.__dataclass_fields__))


@dataclass(frozen=True)
class Chunk:
    """What some designs come to: their front and their best points, and what became of the others.

    reach: up to which speed stated speeds were sought, all of them where nothing is said [1/s].
    """

    points: Points
    counts: Counts
    reach: float = math.inf


@dataclass(frozen=True)
class Rivals:
    """What bounds are held against: a front, the slowest point first, and the most for a joule.

    speeds rise and dollars fall, both (points,).
    """

    speeds: np.ndarray
    dollars: np.ndarray
    joules: float

    def beat(self, dollars: np.ndarray, speed: np.ndarray, joules: np.ndarray) -> np.ndarray:
        """Where a found point is at least as fast and gives more for a dollar, and another more for a joule.

        Arguments: bounds, 0 where there can be no point.
        """
        best = np.append(self.dollars, 0.0)[np.searchsorted(self.speeds, speed)]
        return (dollars <= 0.0) | ((best > dollars) & (joules < self.joules))

    @cached_property
    def knots(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Some of the front, spread over it, and the most for a joule: of one shape, for programs of JAX."""
        count = len(self.speeds)
        places = np.unique(np.round(np.linspace(0, count - 1, KNOTS)).astype(int)) if count else []
        speeds, dollars = np.zeros(KNOTS, np.float32), np.zeros(KNOTS, np.float32)
        speeds[: len(places)], dollars[: len(places)] = self.speeds[places], self.dollars[places]
        return speeds, dollars, np.asarray(self.joules, np.float32)


def undominated(bound: Bound, knots: tuple[Number, Number, Number]) -> Bool[Array, "..."]:
    """Where a point may still be on the front, or the best for a joule. knots: as in `Rivals`."""
    speeds, dollars, joules = knots
    beaten = jnp.zeros(jnp.shape(bound.tokens_per_dollar), bool)
    for index in range(KNOTS):
        faster = bound.output_tokens_per_s_per_user <= speeds[index]
        beaten = beaten | (faster & (dollars[index] > bound.tokens_per_dollar))
    return (bound.tokens_per_dollar > 0.0) & (~beaten | (bound.tokens_per_joule >= joules))


def rivals_of(points: Points, objective: str = "") -> Rivals:
    """What bounds are held against. objective: the only one that counts, '' for all of them and the front."""
    if not objective:
        front = front_of(points)
        order = np.argsort(front.speed, kind="stable")
        return Rivals(front.speed[order], front.dollars[order], float(points.joules.max(initial=0.0)))
    return rivals_above(float(getattr(points, OF_POINTS[objective]).max(initial=0.0)), objective)


def rivals_above(least: float, objective: str) -> Rivals:
    """What bounds are held against when nothing of an objective below some value is of interest."""
    speed, dollars = (least if name == objective else MOST for name in OBJECTIVES[1::-1])
    return Rivals(np.array([speed]), np.array([dollars]), least if objective == OBJECTIVES[2] else MOST)


def rivals_at(points: Points, objective: str, speeds: np.ndarray) -> Rivals:
    """What bounds are held against where the front counts at stated speeds alone, and the optimum of the objective.

    speeds: rising, those that points reach. Whatever is slower than one competes at the one below it, the slowest for
    the optimum alone: a step of the front lies just before the next stated speed. A point counts at a speed when double
    precision, too, finds it as fast: one that falls short by rounding would beat the answer and be none itself.
    """
    least = np.append(0.0, speeds * (1.0 + TOLERANCE))
    best = [points.dollars[points.speed >= speed].max(initial=0.0) for speed in least]
    last = float(points.speed.max(initial=0.0)) if objective == OBJECTIVES[1] else MOST
    steps = np.nextafter(speeds, 0.0)
    joules = float(points.joules.max(initial=0.0)) if objective == OBJECTIVES[2] else MOST
    return Rivals(np.append(steps, last), np.array(best), joules)


def reached(speeds: np.ndarray, points: Points, share: float = 0.0) -> np.ndarray:
    """Those of some speeds, rising, at which a point gives at least a share of the most for a dollar."""
    if not len(points.number):
        return speeds[:0]
    fast = points.take(np.flatnonzero(points.dollars >= share * points.dollars.max()))
    return speeds[speeds <= fast.speed.max()]


def answers(dollars: np.ndarray, speed: np.ndarray, speeds: np.ndarray) -> np.ndarray:
    """Places of the points that give most for a dollar among those at least as fast as each of some speeds.

    dollars, speed: of the points (points,); speeds: that points reach. Of equals the fastest.
    """
    order = np.lexsort((speed, dollars))[::-1]
    return np.array([order[(speed[order] >= least).argmax()] for least in speeds], np.int64)


def front_of(points: Points) -> Points:
    """Points than which none is as fast and gives more for a dollar, the most for a dollar first."""
    return points.take(pareto_front(-points.dollars, points.speed)) if len(points.number) else points


def joined_points(parts: list[Points]) -> Points:
    """Several sets of points as one."""
    return Points(*(np.concatenate([getattr(part, name) for part in parts]) for name in POINT)) if parts else NONE


def merged_points(parts: list[Points]) -> Points:
    """The front of several sets of points, and their best for each objective, each point once, in order of number."""
    every = joined_points(parts)
    every = every.take(np.lexsort((every.mapping, every.number)))
    again = (np.diff(every.number, prepend=-1) == 0) & (np.diff(every.mapping, prepend=-1) == 0)
    every = every.take(np.flatnonzero(~again))
    front = pareto_front(-every.dollars, every.speed) if len(every.number) else np.zeros(0, np.int64)
    best = [np.argsort(-getattr(every, name), kind="stable")[:KEPT] for name in ("dollars", "speed", "joules")]
    places = np.unique(np.concatenate([front, *best]).astype(np.int64))
    return every.take(places)


def best_of_designs(points: Points) -> Points:
    """The point of each design that gives most for a dollar."""
    order = points.take(np.lexsort((-points.dollars, points.number)))
    return order.take(np.unique(order.number, return_index=True)[1])
