"""What do the figures of a search show? The course of every objective, and the front of the trials."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dse.analysis.comparison import Candidate
from dse.reporting.tables import FOUND, StudyRecord, on_front

__all__ = ["History", "Pareto", "ParetoMark", "histories", "pareto"]


class History(NamedTuple):
    """Value of each trial, whether it breaks no limit, and the best so far; starts: places of the start points."""

    objective: str
    values: np.ndarray
    feasible: np.ndarray
    best: np.ndarray
    starts: np.ndarray


class ParetoMark(NamedTuple):
    """A candidate by its two objectives; leads: no other one of the catalogue beats it in both."""

    name: str
    found: bool
    leads: bool
    x: float
    y: float


class Pareto(NamedTuple):
    """Feasible trials by two objectives; front: those that no other trial beats in all objectives of the study."""

    across: str
    up: str
    x: np.ndarray
    y: np.ndarray
    front: np.ndarray
    marks: list[ParetoMark]


def histories(study: StudyRecord) -> list[History]:
    """How a search went, by each of its objectives that were recorded."""
    if not study.count:
        return []
    starts = np.array(sorted(study.starts), int)
    feasible = np.asarray(study.feasible, bool)
    return [
        History(name, np.asarray(study.values[name], float), feasible, study.best_so_far(name), starts)
        for name in study.objectives
        if name in study.values
    ]


def pareto(study: StudyRecord, candidates: list[Candidate]) -> list[Pareto]:
    """The first objective against each of the others; none for a study of one objective or without a feasible trial."""
    names = [name for name in study.objectives if name in study.values]
    values = np.array([np.asarray(study.values[name], float) for name in names]).T
    if len(names) < 2 or not study.feasible.any():
        return []
    values = values[np.asarray(study.feasible, bool)]
    ahead = on_front(values)
    found = []
    for place, name in enumerate(names[1:], start=1):
        marks = marks_of(candidates, name, names[0])
        found.append(Pareto(name, names[0], values[:, place], values[:, 0], ahead, marks))
    return found


def marks_of(candidates: list[Candidate], across: str, up: str) -> list[ParetoMark]:
    """The feasible candidates by two objectives, found ones last."""
    marks = []
    for found in (False, True):
        chosen = [item for item in candidates if item.feasible and (item.status == FOUND) == found]
        points = np.array([[float(getattr(item.metrics, name)) for name in (across, up)] for item in chosen])
        leads = on_front(points) if chosen else np.zeros(0, bool)
        marks += [
            ParetoMark(item.name, found, bool(ahead), float(x), float(y))
            for item, ahead, (x, y) in zip(chosen, leads, points, strict=True)
        ]
    return marks
