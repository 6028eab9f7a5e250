"""Why does the winner win? Its mapping, where its time goes and what binds it, its silicon and its money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from dse.analysis.comparison import Candidate, Comparison, Job
from dse.reporting.breakdown import SECONDS_PER_HOUR, named_parts, pass_parts, power_parts
from dse.reporting.figure_data import area_parts
from dse.reporting.operators import PHASES, OperatorPoint, operator_points
from dse.reporting.summary import RESOURCE_NAMES
from dse.reporting.tables import FOUND, LimitRow, limit_rows
from dse.workload.operators import CLASSES

__all__ = ["ClassRow", "PartRow", "PartTable", "Winner", "class_rows", "the_winner", "winner_of"]


class ClassRow(NamedTuple):
    """A part of a pass: seconds [s], share of the pass [1], what binds its largest operator ('' for no operator)."""

    part: str
    seconds: float
    share: float
    binds: str


class PartRow(NamedTuple):
    """A part of a total and its share [1]."""

    part: str
    value: float
    share: float


class PartTable(NamedTuple):
    """Parts of a total, the largest first."""

    title: str
    unit: str
    total: float
    rows: list[PartRow]


@dataclass(frozen=True)
class Winner:
    """One candidate in depth."""

    candidate: Candidate
    mapping: dict[str, float]
    phases: dict[str, list[ClassRow]]
    parts: list[PartTable]
    limits: list[LimitRow]
    operators: list[OperatorPoint]


def the_winner(comparison: Comparison) -> Candidate | None:
    """The best found design, else the best candidate, None when nothing is feasible."""
    feasible = [item for item in comparison.candidates if item.feasible]
    return next((item for item in feasible if item.status == FOUND), feasible[0] if feasible else None)


def class_rows(candidate: Candidate, phase: str, points: list[OperatorPoint]) -> list[ClassRow]:
    """The parts of a pass in the order of the model, communication and overhead last; empty parts left out."""
    work = getattr(candidate.metrics, phase)
    rows = []
    for name, seconds in pass_parts(work).items():
        if seconds <= 0.0:
            continue
        own = [point for point in points if point.phase == phase and point.operator_class == name]
        largest = max(own, key=lambda point: point.time, default=None)
        binds = RESOURCE_NAMES[largest.binds] if name in CLASSES and largest is not None else ""
        rows.append(ClassRow(name, seconds, seconds / float(work.time), binds))
    return rows


def part_table(title: str, unit: str, parts: dict[str, float]) -> PartTable:
    """A table from parts by name; empty parts left out."""
    total = sum(parts.values())
    rows = [PartRow(name, value, value / total) for name, value in parts.items() if value > 0.0]
    return PartTable(title, unit, total, sorted(rows, key=lambda row: -row.value))


def winner_of(job: Job, candidate: Candidate) -> Winner:
    """A candidate in depth."""
    metrics = candidate.metrics
    points = operator_points(job, candidate)
    footprint = named_parts(metrics.footprint, 1e-9)
    return Winner(
        candidate=candidate,
        mapping=named_parts(candidate.mapping),
        phases={phase: class_rows(candidate, phase, points) for phase in PHASES},
        parts=[
            part_table("Silicon area, modelled", "mm²", area_parts(candidate)),
            part_table("Mean power", "W", power_parts(metrics)),
            part_table("Cost to make", "USD", named_parts(metrics.hardware.make)),
            part_table("Cost of ownership", "USD/h", named_parts(metrics.owned, SECONDS_PER_HOUR)),
            part_table("Held in memory", "GB", footprint),
        ],
        limits=limit_rows(candidate),
        operators=points,
    )
