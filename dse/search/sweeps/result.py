"""What did a sweep find? Its points in double precision, and what is proven of them, as one document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from dse.analysis.comparison import pareto_front
from dse.best_mapping import OBJECTIVES, evaluate_pairs
from dse.catalogue.build import build_chips
from dse.catalogue.fields import Value
from dse.evaluate import Metrics
from dse.search.sweeps.bounds import TOLERANCE
from dse.search.sweeps.points import NONE, OF_POINTS, Points, answers, best_of_designs
from dse.search.sweeps.run import Plan, State, sample_name
from dse.search.sweeps.store import SweepStore
from dse.search.sweeps.sweep import sample_size
from dse.search.sweeps.swept import Sweep
from dse.timing.mapping import Mapping

__all__ = ["Answer", "Found", "Result", "document_of", "result_of", "sample_rows"]


@dataclass(frozen=True)
class Found:
    """A point in double precision: number of its design, flat design, mapping, and its values by objective."""

    number: int
    design: dict[str, Value]
    mapping: dict[str, float]
    values: dict[str, float]

    @property
    def row(self) -> dict[str, Any]:
        """As one flat row of a table."""
        return (
            {"number": self.number}
            | {f"value.{name}": value for name, value in self.values.items()}
            | {f"mapping.{name}": value for name, value in self.mapping.items()}
            | {f"design.{path}": value for path, value in self.design.items()}
        )


@dataclass(frozen=True)
class Answer:
    """A point of the front, which gives most for a dollar at every speed from one up to its own.

    at_least: that speed, a stated one, 0 for the optimum, its own where the whole front was sought [1/s]; exact:
    whether it was sought in all that was covered.
    """

    point: Found
    at_least: float
    exact: bool

    @property
    def row(self) -> dict[str, Any]:
        """As one flat row of a table."""
        return self.point.row | {"at_least": self.at_least, "exact": self.exact}


@dataclass(frozen=True)
class Result:
    """The best point for each objective, and the front of tokens per dollar against tokens per second and user.

    refused: points that only single precision takes for feasible; what they alone beat was passed over.
    """

    optima: dict[str, Found]
    front: list[Answer]
    refused: Points = NONE

    def passed_over(self, objective: str) -> bool:
        """Whether a refused point beat the optimum of an objective, so that better ones may have gone with it.

        Any does where nothing else was found.
        """
        best = self.optima.get(objective)
        value = best.values[objective] if best else 0.0
        most = float(getattr(self.refused, OF_POINTS[objective]).max(initial=0.0))
        return most > value * (1.0 + TOLERANCE)


def evaluated(sweep: Sweep, points: Points) -> tuple[Metrics, Mapping]:
    """Points in double precision, leaves (points,)."""
    job = sweep.job
    chips = build_chips(sweep.grid.columns(points.number), job.library)
    mappings = jax.tree.map(lambda leaf: np.asarray(leaf)[points.mapping], job.mappings)
    return evaluate_pairs(chips, job.transformer, job.requests, mappings, job.assumptions), mappings


def found_points(sweep: Sweep, points: Points) -> tuple[list[Found], Points]:
    """Those of the points that double precision finds feasible too, in order, and those that it refuses."""
    if not len(points.number):
        return [], NONE
    metrics, mappings = evaluated(sweep, points)
    feasible = np.asarray(metrics.worst_limit) <= 0.0
    found = [
        Found(
            int(points.number[place]),
            sweep.grid.design(int(points.number[place])),
            {name: float(getattr(mappings, name)[place]) for name in Mapping.__dataclass_fields__},
            {name: float(getattr(metrics, name)[place]) for name in OBJECTIVES},
        )
        for place in np.flatnonzero(feasible)
    ]
    return found, points.take(np.flatnonzero(~feasible))


def result_of(sweep: Sweep, state: State) -> Result:
    """Optima and front of the points of a sweep that double precision finds feasible too."""
    found, refused = found_points(sweep, state.points)
    if not found:
        return Result({}, [], refused)
    names = OBJECTIVES if sweep.front else (sweep.job.objective,)
    optima = {name: max(found, key=lambda one, name=name: one.values[name]) for name in names}
    return Result(optima, front_of(sweep, found, refused, state.reach) if sweep.front else [], refused)


def front_of(sweep: Sweep, found: list[Found], refused: Points, reach: float) -> list[Answer]:
    """The front of some points: at the stated speeds that any reaches, each point once, or the whole of it."""
    dollars, speed = (np.array([one.values[name] for one in found]) for name in OBJECTIVES[:2])
    if sweep.stated:
        least = np.array([0.0, *sweep.speeds[sweep.speeds <= speed.max()]])
        places = answers(dollars, speed, least)
        fresh = np.flatnonzero(np.diff(places, prepend=-1))
        least, places = least[fresh], places[fresh]
    else:
        places = pareto_front(-dollars, speed)
        least, reach = speed[places], np.inf
    beaten = refused.dollars > dollars[places, None] * (1.0 + TOLERANCE)
    hidden = (beaten & (refused.speed >= least[:, None])).any(axis=1)
    exact = (least <= reach) & ~hidden
    return [Answer(found[place], float(at), bool(one)) for place, at, one in zip(places, least, exact, strict=True)]


def proven(sweep: Sweep, result: Result, objective: str) -> bool:
    """Whether the optimum of an objective was sought in all that was covered, and nothing was passed over."""
    sought = objective == sweep.job.objective or (sweep.front and not (sweep.stated and sweep.prune))
    return sought and not result.passed_over(objective)


def best_json(sweep: Sweep, result: Result, objective: str, whole: bool) -> dict[str, Any] | None:
    """The best point for an objective: free, those fields of its design that are free in the space.

    whole: whether the whole grid is covered.
    """
    found = result.optima.get(objective)
    if found is None:
        return None
    free = {path: found.design[path] for path in sweep.grid.space.free}
    head = {
        "objective": objective,
        "value": found.values[objective],
        "proven": whole and proven(sweep, result, objective),
    }
    head |= {"number": found.number, "values": found.values}
    return head | {"free": free, "design": found.design, "mapping": found.mapping}


def document_of(
    sweep: Sweep, state: State, result: Result, objective: str, bound: float | None = None
) -> dict[str, Any]:
    """What a sweep prints: optima, front, how many points were covered and evaluated, and what is proven.

    points_per_second counts what is covered, evaluated_per_second what was evaluated for it. bound: over the whole
    box of the space, if one was worked out.
    """
    counts, job, grid = state.counts, sweep.job, sweep.grid
    covered = counts.designs * sweep.mappings
    free = grid.space.free
    whole = counts.designs == grid.designs
    front = [
        one.point.values
        | {"at_least": one.at_least, "proven": one.exact and whole, "number": one.point.number}
        | {"mapping": one.point.mapping, "design": {path: one.point.design[path] for path in free}}
        for one in result.front
    ]
    return {
        "space": grid.space.name,
        "model": job.model,
        "traffic": job.traffic,
        "price_basis": job.price_basis,
        "optimum": best_json(sweep, result, objective, whole),
        "optima": {name: best_json(sweep, result, name, whole) for name in OBJECTIVES},
        "front": front if sweep.front else None,
        "designs": counts.designs,
        "mappings": sweep.mappings,
        "points": covered,
        "points_evaluated": counts.evaluated,
        "bounds": counts.bounds,
        "designs_broken": counts.broken,
        "designs_beaten": counts.beaten,
        "seconds": state.seconds,
        "points_per_second": covered / state.seconds if state.seconds else None,
        "evaluated_per_second": counts.evaluated / state.seconds if state.seconds else None,
        "certificate": certificate_of(sweep, state, result, objective, bound),
    }


def certificate_of(
    sweep: Sweep, state: State, result: Result, objective: str, bound: float | None = None
) -> dict[str, Any]:
    """What is proven of the grid, when all of it is covered, and of all that lies between its points.

    bound: over the whole box of the space, if one was worked out. grid_upper_bound: the optimum with what single
    precision may hide; upper_bound: of every design of the space; gap: of that over the optimum of the grid [1].
    """
    counts, designs = state.counts, sweep.grid.designs
    whole = counts.designs == designs
    best = result.optima.get(objective)
    value = best.values[objective] if best and whole and proven(sweep, result, objective) else None
    told = f"covered {counts.designs:,} of {designs:,} designs of the grid ({100 * counts.designs / designs:.3g} %)"
    speeds = speeds_proven(sweep, state, result) if whole else []
    upper = None if bound is None else max(bound, (value or 0.0) * (1.0 + TOLERANCE))
    gap = upper / value - 1.0 if upper is not None and value else None
    between = "between the points of the grid nothing is proven"
    if gap is not None:
        most = f"by more than {gap:.3%}" if gap < 1.0 else f"than {gap + 1.0:.3g} times the optimum"
        between = f"no design of the space, between the points of the grid either, is better {most}"
    return {
        "grid_optimum": value,
        "grid_upper_bound": value * (1.0 + TOLERANCE) if value is not None else None,
        "upper_bound": upper,
        "gap": gap,
        "optima_proven": [name for name in result.optima if whole and proven(sweep, result, name)],
        "front_speeds": speeds,
        "whole_front": whole and whole_front(sweep, result),
        "grid_designs": designs,
        "covered_designs": counts.designs,
        "statements": [told, *exactness(sweep, result, speeds, whole), between],
    }


def speeds_proven(sweep: Sweep, state: State, result: Result) -> list[float]:
    """The stated speeds at which a front is exact where the whole grid is covered [1/s]."""
    if not (sweep.stated and result.front):
        return []
    fastest = max(one.point.values[OBJECTIVES[1]] for one in result.front)
    speeds = sweep.speeds[sweep.speeds <= min(state.reach, fastest)]
    answer = np.searchsorted([one.at_least for one in result.front], speeds, side="right") - 1
    return [float(speed) for speed, at in zip(speeds, answer, strict=True) if result.front[at].exact]


def whole_front(sweep: Sweep, result: Result) -> bool:
    """Whether all of the front was sought, and no refused point may have hidden any of it."""
    seen = bool(result.front) or not len(result.refused.number)
    return sweep.front and not sweep.stated and seen and all(one.exact for one in result.front)


def exactness(sweep: Sweep, result: Result, speeds: list[float], whole: bool) -> list[str]:
    """What is exact and what is merely the best found, in words."""
    if not whole:
        return ["no bound: only a part of the grid is covered"]
    told = [
        "the optimum of the grid is exact, up to the rounding of single precision"
        if result.optima
        else "no design of the grid can do the job"
    ]
    if result.passed_over(sweep.job.objective):
        told = ["the optimum is not proven: points that only single precision takes for feasible beat it and others"]
    if speeds:
        told.append(
            "exact too: the most tokens per dollar of all points at least as fast as "
            f"{', '.join(f'{speed:g}' for speed in speeds)} tokens/s/user"
        )
    elif result.front and whole_front(sweep, result):
        told.append("exact too: the whole front of tokens per dollar against tokens/s/user")
    others = [name for name in result.optima if name != sweep.job.objective and not proven(sweep, result, name)]
    if others:
        told.append(f"best found, not proven: {', '.join(others)}; --objective or --whole-front proves them")
    return told


def sample_rows(sweep: Sweep, plan: Plan, store: SweepStore) -> list[dict[str, Any]]:
    """The designs of the sample, spread over the grid, each with its best point for a dollar where it has one."""
    kept = store.read(sample_name(plan))
    if kept is None:
        return []
    numbers = sweep.numbers(0, sample_size(plan.designs))
    points = best_of_designs(kept.chunk.points)
    best = {one.number: one for one in found_points(sweep, points)[0]}
    rows = []
    for number in numbers.tolist():
        design = {f"design.{path}": value for path, value in sweep.grid.design(number).items()}
        rows.append(
            {"number": number, "feasible": number in best} | (best[number].row if number in best else {}) | design
        )
    return rows
