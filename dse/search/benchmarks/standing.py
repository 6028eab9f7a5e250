"""Who was near the optimum when? Trials, seconds and points of courses to a share of it, and fronts by volume.

Two targets: the optimum that a sweep has proven of the grid of a space, and the best value ever seen, which may lie
between the points of the grid and is never lower. Where no sweep has been, the best ever seen is both.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dse.best_mapping import OBJECTIVES
from dse.search.benchmarks.contest import FRONT, Course
from dse.search.samplers.hypervolume import hypervolume, undominated

__all__ = [
    "AFTER",
    "OF_BEST",
    "SHARES",
    "Optimum",
    "Proven",
    "Quartiles",
    "keep_proven",
    "proven_in",
    "standings",
    "summary_of",
]

SHARES = {"5_percent": 0.05, "1_percent": 0.01, "0.1_percent": 0.001}
"""Name -> distance to the best [1]."""

OF_BEST = "_of_best"
"""Behind the name of a share: of the best ever seen, not of the proven optimum."""

AFTER = (20, 100, 1000)
"""Trials after which the front is measured [1]."""
WITHIN = (1, 10)
"""Times after which it is measured too: trials of one sampler take longer than those of another [s]."""

FRONTS = "fronts.csv"
"""Fronts that sweeps have proven, in the folder of their optima."""


class Quartiles(NamedTuple):
    """Median and quartiles over the seeds; None where fewer than that many seeds got there; seeds: that did."""

    median: float | None
    low: float | None
    high: float | None
    seeds: int


@dataclass(frozen=True)
class Optimum:
    """What courses on a space are held against: best: ever seen or proven; proven: of its grid, None without a sweep.

    grid_designs: designs of that grid [1].
    """

    space: str
    best: float
    proven: float | None = None
    grid_designs: int | None = None

    @property
    def target(self) -> float:
        """The proven optimum, or the best ever seen where there is none."""
        return self.best if self.proven is None else self.proven


@dataclass(frozen=True)
class Proven:
    """What sweeps have proven of grids. optima: space -> optimum and designs; fronts: space -> (points, 2)."""

    optima: dict[str, tuple[float, int]] = field(default_factory=dict)
    fronts: dict[str, np.ndarray] = field(default_factory=dict)


def proven_in(file: Path) -> Proven:
    """Optima of a table and the fronts beside it; none where there is no file."""
    optima = {row["space"]: (float(row["value"]), int(row["designs"])) for row in rows_of(file)}
    fronts: dict[str, list[list[float]]] = {}
    for row in rows_of(file.with_name(FRONTS)):
        fronts.setdefault(row["space"], []).append([float(row[name]) for name in OBJECTIVES[:2]])
    return Proven(optima, {space: np.array(points) for space, points in fronts.items()})


def rows_of(file: Path) -> list[dict[str, str]]:
    """The rows of a table, none where there is no file."""
    if not file.is_file():
        return []
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def keep_proven(file: Path, proven: Proven) -> None:
    """Write optima as a table and the fronts beside it, as `proven_in` reads them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    optima = [[space, *row] for space, row in sorted(proven.optima.items())]
    write_rows(file, ["space", "value", "designs"], optima)
    if proven.fronts:
        points = [[space, *point] for space, front in sorted(proven.fronts.items()) for point in front.tolist()]
        write_rows(file.with_name(FRONTS), ["space", *OBJECTIVES[:2]], points)


def write_rows(file: Path, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table of CSV."""
    with file.open("w", encoding="utf-8", newline="") as lines:
        table = csv.writer(lines, lineterminator="\n")
        table.writerow(names)
        table.writerows(rows)


def best_of(course: Course) -> np.ndarray:
    """The best value so far after each trial, minus infinity while none is feasible (trials,)."""
    values = np.array([-np.inf if row is None else row[0] for row in course.values])
    return np.maximum.accumulate(values)


def optimum_of(space: str, courses: Iterable[Course], proven: Proven) -> Optimum:
    """What a sweep has proven of the grid of a space, and the best of that and of all that was ever seen."""
    seen = max((float(best_of(course)[-1]) for course in courses if course.values), default=-np.inf)
    grid, designs = proven.optima.get(space, (None, None))
    return Optimum(space, seen if grid is None else max(grid, seen), grid, designs)


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
    """Trials, seconds, seconds of CPU and points to each of SHARES of the target, and of the best ever seen."""
    rows: dict[str, Quartiles] = {}
    for behind, value in (("", optimum.target), (OF_BEST, optimum.best)):
        for name, share in SHARES.items():
            rows |= {f"{what}_to_{name}{behind}": found for what, found in needed(courses, (1.0 - share) * value)}
    return rows


def needed(courses: Sequence[Course], wanted: float) -> Iterator[tuple[str, Quartiles]]:
    """Trials, seconds, seconds of CPU and points until the best is at least so much."""
    places = [reached(course, wanted) for course in courses]
    yield "trials", quartiles([None if at is None else at + 1.0 for at in places])
    for what in ("seconds", "cpu", "points"):
        pairs = zip(courses, places, strict=True)
        yield what, quartiles([None if at is None else float(getattr(course, what)[at]) for course, at in pairs])


def front_of(course: Course, trials: int) -> np.ndarray:
    """Values of the first trials that keep the limits (points, objectives)."""
    found = [row for row in course.values[:trials] if row is not None]
    return np.array(found, np.float64).reshape(len(found), len(course.objectives))


def volumes(courses: Sequence[Course], best: np.ndarray) -> dict[str, dict[str, Quartiles]]:
    """Hypervolume over that of the best front, reference zero: after so many trials, and after so many seconds.

    A search counts where it went on for so long; one that had had its trials before the time keeps what it found.
    """
    zero = np.zeros(best.shape[1])
    whole = hypervolume(best, zero)

    def shares(places: Iterable[tuple[Course, int]]) -> Quartiles:
        return quartiles([hypervolume(front_of(course, trials), zero) / whole for course, trials in places])

    def until(course: Course, seconds: float) -> int:
        return int(np.searchsorted(course.seconds, seconds, side="right"))

    return {
        "hypervolume": {str(n): shares((one, n) for one in courses if len(one.values) >= n) for n in AFTER},
        "hypervolume_within_seconds": {str(s): shares((one, until(one, s)) for one in courses) for s in WITHIN},
    }


def best_front(courses: Iterable[Course], proven: np.ndarray | None) -> np.ndarray:
    """The front of everything that all courses found, and of what a sweep has proven of a grid."""
    every = [front_of(course, len(course.values)) for course in courses]
    values = np.concatenate(every if proven is None else [*every, proven])
    return values[undominated(values)]


def beating(course: Course, reference: np.ndarray, trials: int) -> float:
    """Different designs of the first trials that beat a chip in every objective [1]."""
    values = front_of(course, trials)
    return float(len(np.unique(values[(values > reference).all(axis=1)], axis=0)))


def standings(courses: Sequence[Course], proven: Proven) -> dict[str, dict[str, Any]]:
    """Space -> optimum, and sampler -> how soon it was near; of searches for the optimum and for the front."""
    found: dict[str, dict[str, Any]] = {}
    for space in sorted({course.problem.removesuffix(FRONT) for course in courses}):
        one = [course for course in courses if course.problem == space]
        both = [course for course in courses if course.problem == space + FRONT]
        optimum = optimum_of(space, one, proven)
        front = best_front(both, proven.fronts.get(space)) if both else None
        samplers: dict[str, Any] = {}
        for name in sorted({course.sampler for course in (*one, *both)}):
            own = [course for course in one if course.sampler == name]
            rows: dict[str, Any] = {"seeds": len(own), "trials": max((len(c.values) for c in own), default=0)}
            rows |= to_optimum(own, optimum)
            fronts = [course for course in both if course.sampler == name]
            rows |= {"front_seeds": len(fronts), "front_trials": max((len(c.values) for c in fronts), default=0)}
            rows |= volumes(fronts, front) if front is not None else {"hypervolume": {}}
            samplers[name] = rows
        found[space] = {"optimum": optimum, "samplers": samplers}
    return found


def summary_of(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The standings as one document: quartiles as {median, low, high, seeds}."""

    def plain(value: Any) -> Any:
        if isinstance(value, Quartiles):
            return value._asdict()
        if isinstance(value, Optimum):
            return asdict(value)
        return {key: plain(one) for key, one in value.items()} if isinstance(value, dict) else value

    return plain(found)
