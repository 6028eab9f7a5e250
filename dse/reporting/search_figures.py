"""How do the figures of a search look? Its course by objective, and its trials by two of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from dse.reporting.labels import Label, place_labels
from dse.reporting.search_data import History, Pareto
from dse.reporting.style import ACCENT, INK, MUTED, plain_log
from dse.reporting.text import MEASURES

__all__ = ["draw_histories", "draw_pareto"]

TRIAL = "#7fa6cc"
DEPTH = 1e4
"""Largest ratio of the best to the worst value that an axis shows [1]."""


def unit_of(objective: str) -> tuple[float, str]:
    """Size of the unit of an objective in base units, and what the axis says."""
    size, unit = MEASURES.get(objective, (1.0, objective.replace("_", " ")))
    return size, f"million {unit.removeprefix('M ')}" if unit.startswith("M ") else unit


def draw_histories(data: list[History]) -> Figure:
    """A panel for each objective."""
    figure = Figure(figsize=(8.6, 1.0 + 2.4 * len(data)), layout="constrained")
    panels = figure.subplots(len(data), 1, sharex=True, squeeze=False).ravel()
    for place, (axes, course) in enumerate(zip(panels, data, strict=True)):
        draw_history(axes, course, first=place == 0)
    panels[-1].set_xlabel("Trial")
    return figure


def draw_history(axes: Axes, data: History, first: bool) -> None:
    """Every trial and the best so far; infeasible ones as ticks on the lower edge; first: legend and title above."""
    size, unit = unit_of(data.objective)
    number = np.arange(1, data.values.size + 1)
    good = data.feasible & np.isfinite(data.values) & (data.values > 0.0)
    axes.set_yscale("log")
    axes.scatter(number[good], data.values[good] / size, s=7, color=TRIAL, lw=0, alpha=0.8, label="feasible trial")
    axes.step(number, data.best / size, where="post", color=ACCENT, lw=1.8, label="best so far")
    begun = data.starts[good[data.starts]] if data.starts.size else data.starts
    if begun.size:
        axes.scatter(
            number[begun], data.values[begun] / size, s=34, marker="D", color=INK, label="start point", zorder=4
        )
    if good.any():
        values = data.values[good] / size
        low = max(float(values.min()), float(values.max()) / DEPTH)
        axes.set_ylim(low / 1.6, float(values.max()) * 1.3)
        plain_log(axes.yaxis)
    bad = number[~data.feasible]
    edge: Any = axes.get_xaxis_transform()
    axes.plot(bad, np.full(bad.size, 0.015), "|", ms=5, mew=0.6, color=MUTED, transform=edge, label="infeasible trial")
    axes.set_xlim(0, data.values.size + 1)
    axes.grid(True, axis="y", which="major")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_ylabel(unit)
    if first:
        axes.legend(loc="lower right", ncols=4, bbox_to_anchor=(1.0, 1.0))
        share = 100.0 * float(data.feasible.mean())
        axes.set_title(f"{data.values.size:,} trials, {share:.0f} % feasible", loc="left")


def draw_pareto(data: list[Pareto]) -> Figure:
    """A panel for each pair of objectives: trials, the front among them, and where the candidates lie."""
    figure = Figure(figsize=(8.6, 0.4 + 3.8 * len(data)), layout="constrained")
    for axes, one in zip(figure.subplots(len(data), 1, squeeze=False).ravel(), data, strict=True):
        draw_pair(figure, axes, one)
    return figure


def draw_pair(figure: Figure, axes: Axes, data: Pareto) -> None:
    """One pair of objectives."""
    (width, across), (height, up) = unit_of(data.across), unit_of(data.up)
    axes.set(xscale="log", yscale="log", xlabel=across, ylabel=up)
    axes.grid(True, which="major")
    x, y = data.x / width, data.y / height
    axes.scatter(x[~data.front], y[~data.front], s=7, color=TRIAL, lw=0, alpha=0.8, label="feasible trial")
    order = np.argsort(x[data.front])
    axes.plot(
        x[data.front][order],
        y[data.front][order],
        "-o",
        color=ACCENT,
        ms=4.0,
        lw=1.0,
        label="Pareto front of the trials",
    )
    for found, marker, text in ((False, "s", "chip of the catalogue"), (True, "*", "found design that is compared")):
        marks = [mark for mark in data.marks if mark.found == found]
        points = np.array([(mark.x / width, mark.y / height) for mark in marks]).reshape(-1, 2)
        colour, size = (ACCENT, 80) if found else (INK, 16)
        axes.scatter(*points.T, s=size, marker=marker, color=colour, edgecolor="white", lw=0.6, zorder=5, label=text)
    tops = y.max(), max(mark.y / height for mark in data.marks) if data.marks else 0.0
    axes.set_ylim(max(float(y.min()), max(tops) / DEPTH) / 1.5, max(tops) * 1.5)
    plain_log(axes.xaxis)
    plain_log(axes.yaxis)
    axes.legend(loc="lower right", ncols=4, bbox_to_anchor=(1.0, 1.0))
    bottom = axes.get_ylim()[0]
    labels = [
        Label(((mark.x / width, mark.y / height),), mark.name, INK, size=6.8)
        for mark in data.marks
        if mark.leads and not mark.found and mark.y / height > bottom
    ]
    place_labels(figure, axes, labels, [(x[data.front][order], y[data.front][order])])
