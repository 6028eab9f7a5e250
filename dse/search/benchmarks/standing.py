"""Who was near the optimum when? Trials, seconds and points of courses to a share of the best, and fronts by volume."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dse.search.benchmarks.contest import FRONT, Course
from dse.search.samplers.hypervolume import hypervolume, undominated

__all__ = ["SHARES", "Optimum", "Quartiles", "optima_in", "standings", "summary_of"]

SHARES = {"5_percent": 0.05, "1_percent": 0.01, "0.1_percent": 0.001}
"""Name -> distance to the best [1]."""

AFTER = (20, 100, 1000)
"""Trials after which the front is measured [1]."""


class Quartiles(NamedTuple):
    """Median and quartiles over the seeds; None where fewer than that many seeds got there; seeds: that did."""

    median: float | None
    low: float | None
    high: float | None
    seeds: int


@dataclass(frozen=True)
class Optimum:
    """What courses on a space are held against. proven: by the sweep of a grid, else the best that was ever seen."""

    space: str
    value: float
    proven: bool
    grid_optimum: float | None
    grid_designs: int | None


def optima_in(file: Path) -> dict[str, tuple[float, int]]:
    """Space -> optimum of a grid that a sweep has proven, and designs of that grid; none where there is no file."""
    if not file.is_file():
        return {}
    with file.open(encoding="utf-8", newline="") as lines:
        return {row["space"]: (float(row["value"]), int(row["designs"])) for row in csv.DictReader(lines)}


def best_of(course: Course) -> np.ndarray:
    """The best value so far after each trial, minus infinity while none is feasible (trials,)."""
    values = np.array([-np.inf if row is None else row[0] for row in course.values])
    return np.maximum.accumulate(values)


def optimum_of(space: str, courses: Iterable[Course], proven: dict[str, tuple[float, int]]) -> Optimum:
    """The larger of what a sweep has proven of a grid and of the best ever seen, which may lie between its points."""
    seen = max((float(best_of(course)[-1]) for course in courses if course.values), default=-np.inf)
    grid, designs = proven.get(space, (None, None))
    ahead = grid is not None and grid >= seen
    return Optimum(space, grid if ahead and grid is not None else seen, ahead, grid, designs)


def quartiles(values: Sequence[float | None]) -> Quartiles:
    """Median and quartiles of what each seed needed; a seed that never got there needed more than any other.

    >>> quartiles([3.0, 1.0, None])
    Quartiles(median=3.0, low=2.0, high=None, seeds=2)
    """
    reached = [value for value in values if value is not None]
    if not values:
        return Quartiles(None, None, None, 0)
    row = np.array([np.inf if value is None else value for value in values])
    found = []
    for share in (0.5, 0.25, 0.75):
        below, above = (np.quantile(row, share, method=how) for how in ("lower", "higher"))
        found.append(float((below + above) / 2.0) if np.isfinite(above) else None)
    return Quartiles(found[0], found[1], found[2], len(reached))


def reached(course: Course, wanted: float) -> int | None:
    """Place of the first trial whose best is at least so much; None where there is none."""
    places = np.flatnonzero(best_of(course) >= wanted)
    return int(places[0]) if len(places) else None


def to_optimum(courses: Sequence[Course], optimum: Optimum) -> dict[str, Quartiles]:
    """Trials, seconds, seconds of CPU and points to each of SHARES."""
    rows: dict[str, Quartiles] = {}
    for name, share in SHARES.items():
        places = [reached(course, (1.0 - share) * optimum.value) for course in courses]
        pairs = list(zip(courses, places, strict=True))
        rows[f"trials_to_{name}"] = quartiles([None if at is None else at + 1.0 for _, at in pairs])
        for what in ("seconds", "cpu", "points"):
            rows[f"{what}_to_{name}"] = quartiles(
                [None if at is None else float(getattr(course, what)[at]) for course, at in pairs]
            )
    return rows


def front_of(course: Course, trials: int) -> np.ndarray:
    """Values of the first trials that keep the limits (points, objectives)."""
    found = [row for row in course.values[:trials] if row is not None]
    return np.array(found, np.float64).reshape(len(found), len(course.objectives))


def volumes(courses: Sequence[Course], best: np.ndarray) -> dict[str, Quartiles]:
    """Hypervolume after so many trials over that of the best front, reference zero, in logarithms of neither."""
    zero = np.zeros(best.shape[1])
    whole = hypervolume(best, zero)
    rows = {}
    for trials in AFTER:
        done = [course for course in courses if len(course.values) >= trials]
        rows[str(trials)] = quartiles([hypervolume(front_of(course, trials), zero) / whole for course in done])
    return rows


def best_front(courses: Iterable[Course]) -> np.ndarray:
    """The front of everything that all courses found."""
    every = np.concatenate([front_of(course, len(course.values)) for course in courses])
    return every[undominated(every)]


def beating(course: Course, reference: np.ndarray, trials: int) -> float:
    """Different designs of the first trials that beat a chip in every objective [1]."""
    values = front_of(course, trials)
    return float(len(np.unique(values[(values > reference).all(axis=1)], axis=0)))


def standings(courses: Sequence[Course], proven: dict[str, tuple[float, int]]) -> dict[str, dict[str, Any]]:
    """Space -> optimum, and sampler -> how soon it was near; of searches for the optimum and for the front."""
    found: dict[str, dict[str, Any]] = {}
    for space in sorted({course.problem.removesuffix(FRONT) for course in courses}):
        one = [course for course in courses if course.problem == space]
        both = [course for course in courses if course.problem == space + FRONT]
        optimum, front = optimum_of(space, one, proven), best_front(both) if both else None
        samplers: dict[str, Any] = {}
        for name in sorted({course.sampler for course in (*one, *both)}):
            own = [course for course in one if course.sampler == name]
            rows: dict[str, Any] = {"seeds": len(own), "trials": max((len(c.values) for c in own), default=0)}
            rows |= to_optimum(own, optimum)
            fronts = [course for course in both if course.sampler == name]
            rows["hypervolume"] = volumes(fronts, front) if front is not None else {}
            samplers[name] = rows
        found[space] = {"optimum": optimum, "samplers": samplers}
    return found


def summary_of(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The standings as one document: quartiles as {median, low, high, seeds}."""

    def plain(value: Any) -> Any:
        if isinstance(value, Quartiles):
            return value._asdict()
        if isinstance(value, Optimum):
            return vars(value)
        return {key: plain(one) for key, one in value.items()} if isinstance(value, dict) else value

    return plain(found)
