"""What do the figures of a report show? Their points, cells and bars; nothing here draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dse.analysis.comparison import Candidate, Comparison, Job
from dse.hardware.dies import published_area
from dse.reporting.breakdown import (
    SECONDS_PER_HOUR,
    chip_time_parts,
    named_parts,
    power_parts,
    token_time_parts,
)
from dse.reporting.operators import OperatorPoint, operator_points
from dse.reporting.tables import FOUND, StudyRecord

__all__ = [
    "Bars",
    "HeatMap",
    "Mark",
    "Roofline",
    "heat_map",
    "part_bars",
    "roofline",
    "short_names",
    "time_bars",
    "winners",
]

MOST_BINS = 14
MOST_WINNERS = 8


class Mark(NamedTuple):
    """A chip on the heat map, in cells from the lower left corner."""

    name: str
    found: bool
    column: float
    row: float


class HeatMap(NamedTuple):
    """Best tokens per dollar in each cell of SRAM capacity by memory bandwidth.

    columns, rows: lower and upper bounds of the cells [bytes], [bytes/s]; without_memory: row 0 is of designs
    without main memory and has no bounds; best: (rows, columns), NaN where no feasible design was tried; outside:
    names of chips beyond the bounds.
    """

    columns: np.ndarray
    rows: np.ndarray
    without_memory: bool
    best: np.ndarray
    marks: list[Mark]
    outside: list[str]


class Roofline(NamedTuple):
    """Operators of one chip under its roofs.

    peak, sustained: of the matrix units [FLOP/s]; memory_bandwidth, sram_bandwidth: as software reaches them [bytes/s].
    """

    name: str
    points: list[OperatorPoint]
    peak: float
    sustained: float
    memory_bandwidth: float
    sram_bandwidth: float


@dataclass(frozen=True)
class Bars:
    """Stacked bars: parts by name, a value for each of the names; reference: a mark on each bar, NaN for none."""

    title: str
    unit: str
    names: list[str]
    found: list[bool]
    parts: dict[str, np.ndarray]
    reference: np.ndarray
    reference_label: str = ""

    @property
    def totals(self) -> np.ndarray:
        """Sum of the parts."""
        return np.sum(list(self.parts.values()), axis=0)


PLAIN = ("", "shipping", "legacy", "internal", FOUND)


def short_names(candidates: list[Candidate]) -> dict[str, str]:
    """Catalogue name -> the name on a figure; what cannot be bought is said to be so."""
    names = {}
    for candidate in candidates:
        status = "" if candidate.status in PLAIN else f" ({candidate.status})"
        names[candidate.name] = f"{candidate.name}{status}"
    return names


def winners(comparison: Comparison, most: int = MOST_WINNERS) -> list[Candidate]:
    """The best found designs, at most half of so many, and the best shipped ones, in the order of the ranking."""
    feasible = [item for item in comparison.candidates if item.feasible]
    found = [item for item in feasible if item.status == FOUND][: most // 2]
    shipped = [item for item in feasible if item.status != FOUND][: most - len(found)]
    return [item for item in feasible if item in found or item in shipped]


def bounds(values: np.ndarray) -> np.ndarray:
    """Bounds of cells on a logarithmic axis: around each value when they are few, else equally wide."""
    distinct = np.unique(values)
    if distinct.size == 1:
        return distinct[0] * np.array([2.0**-0.5, 2.0**0.5])
    if distinct.size <= MOST_BINS:
        middle = np.sqrt(distinct[1:] * distinct[:-1])
        return np.r_[distinct[0] ** 2 / middle[0], middle, distinct[-1] ** 2 / middle[-1]]
    return np.geomspace(distinct[0], distinct[-1], MOST_BINS + 1)


def cell_of(value: float, edges: np.ndarray) -> float:
    """Place of a value in cells from the first bound; NaN beyond the bounds."""
    if not edges[0] <= value <= edges[-1] * (1.0 + 1e-12):
        return float("nan")
    return float(np.interp(np.log(value), np.log(edges), np.arange(edges.size)))


def best_in_cells(columns: np.ndarray, rows: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Largest value in each cell, NaN where there is none."""
    best = np.full(shape, -np.inf)
    np.maximum.at(best, (rows, columns), values)
    return np.where(np.isfinite(best), best, np.nan)


def heat_map(study: StudyRecord, candidates: list[Candidate]) -> HeatMap | None:
    """The map of a study, with chips marked on it; None where the study lacks the columns or a feasible trial."""
    wanted = ("sram_capacity", "memory_bandwidth", "tokens_per_dollar")
    columns = study.trials | study.values
    if "sram_capacity" not in columns and "sram.capacity" in columns:
        columns = columns | {"sram_capacity": columns["sram.capacity"]}
    if any(name not in columns for name in wanted):
        return None
    sram, memory, value = (np.asarray(columns[name], float) for name in wanted)
    keep = study.feasible & np.isfinite(value) & (sram > 0.0) & np.isfinite(memory)
    if not keep.any():
        return None
    sram, memory, value = sram[keep], memory[keep], value[keep]
    present = memory > 0.0
    across = bounds(sram)
    up = bounds(memory[present]) if present.any() else np.zeros(0)
    none = int(not present.all())
    column = np.clip(np.searchsorted(across, sram, "right") - 1, 0, across.size - 2)
    row = np.zeros(sram.size, int)
    if up.size:
        row[present] = np.clip(np.searchsorted(up, memory[present], "right") - 1, 0, up.size - 2) + none
    best = best_in_cells(column, row, value, (max(up.size - 1, 0) + none, across.size - 1))
    marks, outside = marks_on(candidates, across, up, none)
    return HeatMap(across, up, bool(none), best, marks, outside)


def marks_on(
    candidates: list[Candidate], across: np.ndarray, up: np.ndarray, none: int
) -> tuple[list[Mark], list[str]]:
    """Where chips lie on the map, and which lie beyond it."""
    marks, outside = [], []
    for item in candidates:
        bandwidth = float(item.chip.memory.bandwidth)
        column = cell_of(float(item.chip.sram.capacity), across)
        if bandwidth > 0.0:
            row = cell_of(bandwidth, up) + none if up.size else float("nan")
        else:
            row = 0.5 if none else float("nan")
        if np.isfinite(column + row):
            marks.append(Mark(item.name, item.status == FOUND, column, row))
        else:
            outside.append(item.name)
    return marks, outside


def roofline(job: Job, candidate: Candidate) -> Roofline:
    """The operators of a candidate under its roofs."""
    chip = candidate.chip
    peak = float(candidate.metrics.hardware.peak)
    return Roofline(
        name=candidate.name,
        points=operator_points(job, candidate),
        peak=peak,
        sustained=peak * float(chip.execution.matrix_efficiency),
        memory_bandwidth=float(chip.memory.bandwidth) * float(chip.execution.memory_efficiency),
        sram_bandwidth=float(chip.sram.bandwidth),
    )


def area_parts(candidate: Candidate) -> dict[str, float]:
    """Modelled area of the compute dies, all that is SRAM together [mm2]."""
    area = named_parts(candidate.metrics.hardware.area)
    area["sram"] += area.pop("local") + area.pop("sram_ports")
    return area


def stacked(
    title: str,
    unit: str,
    candidates: list[Candidate],
    parts: list[dict[str, float]],
    reference: list[float] | None = None,
    reference_label: str = "",
) -> Bars:
    """Bars from the parts of each candidate; parts that nobody has are left out."""
    labels = short_names(candidates)
    names = {name: np.array([each[name] for each in parts]) for name in (parts[0] if parts else {})}
    return Bars(
        title=title,
        unit=unit,
        names=[labels[item.name] for item in candidates],
        found=[item.status == FOUND for item in candidates],
        parts={name: column for name, column in names.items() if np.any(column > 0.0)},
        reference=np.array(reference) if reference else np.full(len(candidates), np.nan),
        reference_label=reference_label,
    )


def part_bars(candidates: list[Candidate]) -> list[Bars]:
    """Area, power, cost to make and cost of ownership of one package of each candidate."""
    published = [float(published_area(item.chip)) or float("nan") for item in candidates]
    limits = [float(item.chip.package.power_limit) for item in candidates]
    metrics = [item.metrics for item in candidates]
    make = [named_parts(each.hardware.make) for each in metrics]
    owned = [named_parts(each.owned, SECONDS_PER_HOUR) for each in metrics]
    return [
        stacked("Silicon area", "mm²", candidates, [area_parts(item) for item in candidates], published, "published"),
        stacked("Mean power", "W", candidates, [power_parts(each) for each in metrics], limits, "power limit"),
        stacked("Cost to make", "USD", candidates, make),
        stacked("Cost of ownership", "USD/h", candidates, owned),
    ]


def time_bars(job: Job, candidates: list[Candidate]) -> list[Bars]:
    """Time per output token as a user sees it, and the chip time that a token takes, by what it is spent on."""
    allowed = float(job.requests.time_per_output_token)
    waits = [{name: 1e3 * part for name, part in token_time_parts(item.metrics).items()} for item in candidates]
    works = [{name: 1e3 * part for name, part in chip_time_parts(item.metrics).items()} for item in candidates]
    limit = [1e3 * allowed] * len(candidates) if allowed < 1e6 else None
    return [
        stacked("Time per output token", "ms", candidates, waits, limit, "limit"),
        stacked("Chip time per output token", "chip-ms", candidates, works),
    ]
