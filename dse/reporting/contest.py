"""How do samplers compare? Tables and figures of searches against the optimum, in trials, in seconds and in points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dse.reporting.results import csv_text
from dse.reporting.style import INK, MUTED, RULE, drawn, plain_log, png_of
from dse.search.benchmarks.contest import FRONT, Course
from dse.search.benchmarks.protocol import SPACE as PROTOCOL
from dse.search.benchmarks.standing import (
    AFTER,
    Optimum,
    Proven,
    Quartiles,
    beating,
    best_of,
    quartiles,
    standings,
)

__all__ = ["protocol_rows", "standing_rows", "write_contest"]

COLOURS = {
    "screening": "#c2410c",
    "gradient": "#9b1c1c",
    "tpe": "#2456a6",
    "gp": "#7b4bb3",
    "cmaes": "#2f7d32",
    "nsga2": "#138aa0",
    "nsga3": "#5fc0c9",
    "qmc": "#b58a2e",
    "random": "#8a8f98",
}
CLOSEST = 1e-4
"""Smallest distance to the best that is drawn [1]."""


def standing_rows(found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """One flat row for each space and sampler."""
    rows = []
    for space, one in found.items():
        best: Optimum = one["optimum"]
        for sampler, figures in one["samplers"].items():
            row: dict[str, Any] = {"space": space, "sampler": sampler, "seeds": figures["seeds"]}
            row |= {name: figures[name] for name in ("trials", "front_seeds", "front_trials")}
            row |= {"proven_optimum": best.proven, "best_seen": best.best}
            flat = {name: value for name, value in figures.items() if isinstance(value, Quartiles)}
            for volumes in ("hypervolume", "hypervolume_within_seconds"):
                flat |= {f"{volumes}_{after}": value for after, value in figures.get(volumes, {}).items()}
            for name, value in flat.items():
                row |= {name: value.median, f"{name}_low": value.low, f"{name}_high": value.high}
                row[f"{name}_seeds"] = value.seeds
            rows.append(row)
    return rows


def aligned(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same rows, each with every column that one of them has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in names} for row in rows]


def protocol_rows(courses: Sequence[Course], reference: np.ndarray) -> list[dict[str, Any]]:
    """For each sampler the designs that beat the A100 in prefill, decode and area, after so many trials."""
    rows = []
    for sampler in sorted({course.sampler for course in courses}):
        own = [course for course in courses if course.sampler == sampler]
        row: dict[str, Any] = {"sampler": sampler, "seeds": len(own)}
        for trials in AFTER[:2]:
            done = [course for course in own if len(course.values) >= trials]
            counts = quartiles([beating(course, reference, trials) for course in done])
            row |= {f"beat_after_{trials}": counts.median, f"beat_after_{trials}_low": counts.low}
            row[f"beat_after_{trials}_high"] = counts.high
            row[f"points_after_{trials}"] = quartiles([float(course.points[trials - 1]) for course in done]).median
        rows.append(row)
    return rows


def middle_course(courses: Sequence[Course], optimum: float, places: np.ndarray, what: str) -> np.ndarray:
    """Median distance to the best at places of an axis, trials or seconds; not a number before the first trial."""
    rows = []
    for course in courses:
        gaps = np.maximum(1.0 - best_of(course) / optimum, CLOSEST)
        axis = np.arange(1, len(gaps) + 1) if what == "trials" else np.array(course.seconds)
        at = np.searchsorted(axis, places, side="right") - 1
        rows.append(np.where(at >= 0, np.minimum(gaps[np.maximum(at, 0)], 1.0), 1.0))
    return np.median(np.array(rows), axis=0)


def keys_of(names: Sequence[str]) -> list[Patch]:
    """What the colours of samplers mean."""
    return [Patch(color=COLOURS[name], label=name) for name in names]


def draw_convergence(courses: Sequence[Course], found: dict[str, dict[str, Any]]) -> Figure:
    """Distance to the best ever seen against trials and against seconds, a row for each space.

    The broken line is the optimum that a sweep has proven of the grid: what lies below it is better than all of them.
    """
    spaces = list(found)
    figure = Figure(figsize=(7.6, 2.1 * len(spaces) + 0.5), layout="constrained")
    grid = figure.subplots(len(spaces), 2, squeeze=False)
    for panels, space in zip(grid, spaces, strict=True):
        optimum: Optimum = found[space]["optimum"]
        for axes, what in zip(panels, ("trials", "seconds"), strict=True):
            for sampler, colour in COLOURS.items():
                own = [c for c in courses if c.problem == space and c.sampler == sampler and c.values]
                if not own:
                    continue
                axis = [len(one.values) if what == "trials" else one.seconds[-1] for one in own]
                first = 1.0 if what == "trials" else min(one.seconds[0] for one in own)
                places = np.geomspace(first, max(max(axis), first * 1.01), 160)
                gaps = middle_course(own, optimum.best, places, what)
                axes.plot(places, 100.0 * gaps, color=colour, lw=1.2)
            axes.axhline(1.0, color=MUTED, lw=0.6, ls=":")
            if optimum.target < optimum.best:
                axes.axhline(100.0 * (1.0 - optimum.target / optimum.best), color=INK, lw=0.6, ls="--")
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_ylim(100.0 * CLOSEST, 100.0)
            axes.grid(color=RULE)
            plain_log(axes.xaxis)
            plain_log(axes.yaxis)
            axes.set_xlabel(what)
        panels[0].set_ylabel("below the best seen [%]")
        panels[0].set_title(space, color=INK)
    seen = [name for name in COLOURS if any(course.sampler == name for course in courses)]
    grid[0, 1].legend(handles=keys_of(seen), loc="lower left", ncols=2)
    return figure


def bars(axes: Axes, found: dict[str, dict[str, Any]], names: Sequence[str], measure: str, key: str = "") -> None:
    """One measure by space and sampler; a bar is the median, its line the quartiles; no bar: half never got there."""
    spaces = list(found)
    width = 0.8 / max(len(names), 1)
    for place, name in enumerate(names):
        for row, space in enumerate(spaces):
            figures = found[space]["samplers"].get(name, {}).get(measure)
            value: Quartiles | None = figures.get(key) if key and figures else figures
            if not value or value.median is None:
                continue
            x = row - 0.4 + (place + 0.5) * width
            axes.bar(x, value.median, width * 0.9, color=COLOURS[name])
            if value.low is not None and value.high is not None:
                axes.plot([x, x], [value.low, value.high], color=INK, lw=0.7)
    axes.grid(color=RULE, axis="y")
    axes.set_xticks(range(len(spaces)), spaces)
    axes.set_xlim(-0.5, len(spaces) - 0.5)


def compared(found: dict[str, dict[str, Any]]) -> list[str]:
    """Samplers that were tried on a space, in the order of their colours."""
    return [name for name in COLOURS if any(name in one["samplers"] for one in found.values())]


def draw_bars(found: dict[str, dict[str, Any]], measure: str, label: str) -> Figure:
    """How soon each sampler was near the optimum of each space."""
    figure = Figure(figsize=(7.6, 3.0), layout="constrained")
    axes, names = figure.subplots(), compared(found)
    bars(axes, found, names, measure)
    axes.set_yscale("log")
    plain_log(axes.yaxis)
    axes.set_ylabel(label)
    axes.set_xlabel("1 % of the optimum that a sweep proves of the grid; no bar: most searches never came so near")
    axes.legend(handles=keys_of(names), ncols=len(names), loc="upper center", bbox_to_anchor=(0.5, 1.14), fontsize=7)
    return figure


def draw_fronts(found: dict[str, dict[str, Any]]) -> Figure:
    """Hypervolume over that of the best front known, after so many trials; no bar: most searches had fewer."""
    after = [str(trials) for trials in AFTER]
    figure = Figure(figsize=(7.6, 1.9 * len(after) + 0.4), layout="constrained")
    names = compared(found)
    for axes, trials in zip(figure.subplots(len(after), 1, squeeze=False)[:, 0], after, strict=True):
        bars(axes, found, names, "hypervolume", trials)
        axes.set_ylim(0.0, 1.0)
        axes.set_ylabel(f"after {trials} trials")
    figure.suptitle("hypervolume over that of the best front known", fontsize=8)
    figure.axes[0].legend(handles=keys_of(names), ncols=len(names), loc="upper center", fontsize=7)
    return figure


def draw_protocol(rows: Sequence[dict[str, Any]]) -> Figure:
    """Designs that beat the A100 in all three after 20 trials."""
    figure = Figure(figsize=(5.6, 2.6), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(rows):
        axes.barh(place, row["beat_after_20"] or 0.0, color=COLOURS.get(row["sampler"], MUTED))
        axes.plot([row["beat_after_20_low"] or 0.0, row["beat_after_20_high"] or 0.0], [place] * 2, color=INK, lw=0.8)
    axes.set_yticks(range(len(rows)), [row["sampler"] for row in rows])
    axes.set_xlim(0.0, 20.0)
    axes.set_xlabel("designs that beat the A100 in prefill, decode and area, of 20 trials")
    axes.grid(color=RULE, axis="x")
    return figure


def write_contest(folder: Path, courses: Sequence[Course], proven: Proven, reference: np.ndarray | None) -> list[Path]:
    """Tables standings.csv and protocol.csv, and figures, of what has been run so far; the files that were written.

    proven: as from `proven_in`; reference: the A100 of the protocol, None where it was not searched.
    """
    of_spaces = [course for course in courses if course.problem != PROTOCOL]
    single = [course for course in of_spaces if not course.problem.endswith(FRONT)]
    found = standings(of_spaces, proven)
    made: dict[str, Figure] = {}
    texts = {"standings.csv": csv_text(aligned(standing_rows(found)))}
    searched = {space: one for space, one in found.items() if any(course.problem == space for course in single)}
    if searched:
        made["convergence"] = drawn(draw_convergence, single, searched)
        made["seconds"] = drawn(draw_bars, searched, "seconds_to_1_percent", "seconds to within 1 %")
        made["trials"] = drawn(draw_bars, searched, "trials_to_1_percent", "trials to within 1 %")
        made["points"] = drawn(draw_bars, searched, "points_to_1_percent", "points to within 1 %")
    fronts = {
        space: one for space, one in found.items() if any(course.problem == space + FRONT for course in of_spaces)
    }
    if fronts:
        made["fronts"] = drawn(draw_fronts, fronts)
    neighbours = [course for course in courses if course.problem == PROTOCOL]
    if neighbours and reference is not None:
        rows = protocol_rows(neighbours, reference)
        texts["protocol.csv"] = csv_text(rows)
        made["protocol"] = drawn(draw_protocol, rows)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    files = [folder / name for name in texts] + [folder / "figures" / f"{name}.png" for name in made]
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, figure in made.items():
        (folder / "figures" / f"{name}.png").write_bytes(png_of(figure))
    return files
