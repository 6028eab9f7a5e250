"""Which points are worth keeping? Feasible ones, their front and their best, and what bounds are held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from dse.analysis.comparison import pareto_front
from dse.arrays import Number
from dse.best_mapping import OBJECTIVES
from dse.search.bounds import Bound

__all__ = [
    "KEPT",
    "NONE",
    "OF_POINTS",
    "Points",
    "Rivals",
    "best_of_designs",
    "joined_points",
    "merged_points",
    "rivals_of",
    "undominated",
]

KNOTS = 32
"""Points of the front that bounds are held against [1]."""

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


Rivals: TypeAlias = tuple[Number, Number, Number]
OF_POINTS: dict[str, str] = dict(zip(OBJECTIVES, ("dollars", "speed", "joules"), strict=True))
"""Objective -> its column of the points."""

MOST = 1e30
"""More than any objective reaches."""

POINT = tuple(Points.__dataclass_fields__)
NONE = Points(*(np.zeros(0, np.int64) for _ in range(2)), *(np.zeros(0) for _ in range(3)))


def undominated(bound: Bound, rivals: Rivals) -> Bool[Array, "..."]:
    """Where a point may still be on the front, or the best for a joule. rivals: as from `rivals_of`."""
    speeds, dollars, joules = rivals
    faster = bound.output_tokens_per_s_per_user[..., None] <= speeds
    beaten = jnp.max(jnp.where(faster, dollars, 0.0), -1) > bound.tokens_per_dollar
    return (bound.tokens_per_dollar > 0.0) & (~beaten | (bound.tokens_per_joule >= joules))


def rivals_of(points: Points, objective: str = "") -> Rivals:
    """What bounds are held against: speeds and dollars of the front, spread over it, and the most for a joule.

    objective: the only one that counts, '' for all of them and the front.
    """
    if objective:
        never = np.full(KNOTS, MOST, np.float32)
        best = np.asarray(getattr(points, OF_POINTS[objective]).max(initial=0.0), np.float32)
        speeds, dollars = (np.full(KNOTS, best) if name == objective else never for name in OBJECTIVES[1::-1])
        return speeds, dollars, best if objective == OBJECTIVES[2] else never[0, ...]
    front = front_of(points)
    places = np.unique(np.round(np.linspace(0, len(front.number) - 1, KNOTS)).astype(int)) if len(front.number) else []
    speeds, dollars = np.zeros(KNOTS, np.float32), np.zeros(KNOTS, np.float32)
    speeds[: len(places)], dollars[: len(places)] = front.speed[places], front.dollars[places]
    return speeds, dollars, np.asarray(points.joules.max(initial=0.0), np.float32)


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
