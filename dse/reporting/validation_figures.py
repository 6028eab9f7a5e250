"""How do the figures of a validation look? Drawings of the data that validation_data computes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from dse.reporting.style import INK, MUTED, RULE, plain_log
from dse.reporting.validation_data import ALL_ROWS, PHASES, Coverage, Groups, Panel, Trend, phase_name

__all__ = ["draw_coverage", "draw_panels", "draw_residuals", "error_limit"]

COLOURS = (
    "#2456a6",
    "#c2410c",
    "#2f7d32",
    "#7b4bb3",
    "#b58a2e",
    "#138aa0",
    "#c257b8",
    "#111418",
    "#8bb62c",
    "#8a8f98",
)
PHASE_COLOURS: dict[str, str] = dict(zip(PHASES, COLOURS, strict=False))
BAND = "#eceef1"
COLUMNS = 3
"""Panels of predicted against measured in a row."""


def colours_of(data: Sequence[Panel]) -> dict[str, str]:
    """Software profile -> colour, the one with the most rows first; colours repeat when there are too many."""
    count = Counter(name for panel in data for name in panel.software)
    names = sorted(count, key=lambda name: (-count[name], name))
    return {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}


def dot(colour: str, label: str) -> Line2D:
    """An entry of a legend."""
    return Line2D([], [], marker="o", ls="", ms=5.0, color=colour, label=label)


def draw_panels(data: Sequence[Panel]) -> Figure:
    """Small multiples of predicted against measured, and the legend of their colours."""
    colours = colours_of(data)
    columns = min(len(data), COLUMNS)
    rows = -(-len(data) // columns)
    layout = ConstrainedLayoutEngine(hspace=0.05, wspace=0.04)
    figure = Figure(figsize=(max(3.0 * columns, 4.2), 2.95 * rows + 0.55), layout=layout)
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(places, data, strict=False):
        draw_predicted(axes, panel, colours)
    for axes in places[len(data) :]:
        axes.set_axis_off()
    handles: list[Any] = [dot(colour, name) for name, colour in colours.items()]
    handles += [
        Line2D([], [], color=INK, lw=1.0, label="predicted = measured"),
        Line2D([], [], color=BAND, lw=6.0, label="within 25 %"),
        Line2D([], [], color=MUTED, lw=0.8, label="80 % range"),
    ]
    if len(places) > len(data):
        places[len(data)].legend(handles=handles, loc="center left", fontsize=8.5, labelspacing=0.55)
    else:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 2 * columns))
    return figure


def short(value: float) -> str:
    """A number on an axis.

    >>> short(0.05), short(2000.0), short(20000.0)
    ('0.05', '2,000', '20k')
    """
    return f"{value / 1e3:,.6g}k" if value >= 1e4 else f"{value:,.6g}"


def draw_predicted(axes: Axes, panel: Panel, colours: dict[str, str]) -> None:
    """One panel: rows as points with their ranges, the line where the model is right and 25 % around it."""
    values = np.concatenate([panel.measured, panel.predicted])
    low, high = float(values.min()) / 1.7, float(values.max()) * 1.7
    ends = np.array([low, high])
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    axes.set_box_aspect(1.0)
    axes.fill_between(ends, 0.75 * ends, 1.25 * ends, color=BAND, lw=0, zorder=1)
    axes.plot(ends, ends, color=INK, lw=0.8, zorder=2)
    few = panel.measured.size < 60
    # the software with the most rows lies below: its points would hide the others
    for name in colours:
        mine = np.array([software == name for software in panel.software])
        x, y = panel.measured[mine], panel.predicted[mine]
        axes.vlines(x, panel.low[mine], panel.high[mine], color=colours[name], lw=0.6, alpha=0.5 if few else 0.2)
        size, alpha = (15, 0.9) if few else (8, 0.65)
        axes.scatter(x, y, s=size, color=colours[name], alpha=alpha, edgecolor="white", lw=0.3, zorder=4)
    for axis in (axes.xaxis, axes.yaxis):
        plain_log(axis)
        axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.tick_params(labelsize=7.0)
    axes.set_title(phase_name(panel.phase).capitalize(), fontsize=8.5)
    axes.set_xlabel(f"measured [{panel.unit}]", fontsize=7.5)
    axes.set_ylabel(f"predicted [{panel.unit}]", fontsize=7.5)
    note = (
        f"{panel.measured.size} row{'s' * (panel.measured.size > 1)}\n{100.0 * panel.within_quarter:.0f} % within 25 %"
    )
    axes.text(0.04, 0.96, note, transform=axes.transAxes, va="top", fontsize=7.0, color=MUTED, linespacing=1.35)


def error_limit(errors: np.ndarray) -> float:
    """Where the axis of residuals ends on either side [1]: beyond 97 % of them, at a factor of two at least.

    >>> round(error_limit(np.array([0.1, -0.2])), 3), round(error_limit(np.full(9, -2.0)), 3)
    (0.693, 2.2)
    """
    return max(float(np.log(2.0)), 1.1 * float(np.quantile(np.abs(errors), 0.97)))


def factor_axis(axis: Any, limit: float) -> None:
    """Ticks of residuals as factors: 0.5, 0.8, 1 ..."""
    factors = (1.25, 2.0, 4.0, 8.0, 20.0) if limit > np.log(3.0) else (1.25, 1.5, 2.0)
    shown = [factor for factor in factors if np.log(factor) <= limit * 1.001]
    ticks = sorted([1.0, *shown, *(1.0 / factor for factor in shown)])
    axis.set_major_locator(FixedLocator([float(np.log(tick)) for tick in ticks]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{np.exp(value):.3g}"))
    axis.set_minor_locator(NullLocator())


def draw_residuals(split: Sequence[Groups], along: Sequence[Trend]) -> Figure:
    """A panel for each split and each number: the first split at the left, the others beside it, numbers below."""
    first, *others = split
    beside = sum(len(one.names) for one in others) + 3 * len(others)
    heights = [0.9 + 0.17 * max(len(first.names) + 2, beside, 10)] + [2.75] * bool(along)
    figure = Figure(figsize=(9.6, sum(heights) + 0.3), layout="constrained")
    parts = np.atleast_1d(figure.subfigures(len(heights), 1, height_ratios=heights))  # pyright: ignore
    limit = error_limit(first.error)
    shares = [len(one.names) + 2.5 for one in others] or [1.0]
    grid = parts[0].add_gridspec(len(shares), 2, height_ratios=shares, width_ratios=(1.05, 1.0))
    draw_groups(parts[0].add_subplot(grid[:, 0]), first, limit, labelled=True)
    for row, one in enumerate(others):
        draw_groups(parts[0].add_subplot(grid[row, 1]), one, limit, labelled=one is others[-1])
    if along:
        below = parts[1].subplots(1, len(along), sharey=True, squeeze=False).ravel()
        for axes, one in zip(below, along, strict=True):
            draw_trend(axes, one, limit, labelled=one is along[0])
    figure.legend(handles=phase_handles(split), loc="outside upper center", ncols=4)
    return figure


def phase_handles(split: Sequence[Groups]) -> list[Any]:
    """Entries of the legend: the phases that have rows, and the median."""
    present = {phase for one in split for phase in one.phase}
    ordered = [phase for phase in PHASES if phase in present] + sorted(present - set(PHASES))
    handles = [dot(PHASE_COLOURS.get(phase, MUTED), phase_name(phase)) for phase in ordered]
    return [*handles, Line2D([], [], color=INK, lw=2.4, label="median; bar: middle half")]


def shown_errors(error: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Errors held within the axis, and which of them lie beyond it."""
    return np.clip(error, -0.985 * limit, 0.985 * limit), np.abs(error) > limit


def scatter_rows(axes: Axes, x: np.ndarray, y: np.ndarray, phase: tuple[str, ...], beyond: np.ndarray) -> None:
    """Rows as points by phase; those beyond the axis as crosses at its end."""
    colours = np.array([PHASE_COLOURS.get(one, MUTED) for one in phase])
    alpha = 0.8 if x.size < 150 else 0.5
    axes.scatter(x[~beyond], y[~beyond], s=9, color=colours[~beyond], alpha=alpha, lw=0, zorder=3)
    axes.scatter(x[beyond], y[beyond], s=13, marker="x", color=colours[beyond], alpha=0.8, lw=0.9, zorder=3)


def jitter(count: int, width: float) -> np.ndarray:
    """Small displacements that keep rows of one group apart, the same in every run."""
    return np.random.default_rng(0).uniform(-width, width, count)


NEAR = float(np.log(1.25))
"""Half the width of the band of residuals that are within a quarter [1]."""


def draw_groups(axes: Axes, data: Groups, limit: float, labelled: bool) -> None:
    """Rows across by their residual, a line for each group, with its median and middle half."""
    error, beyond = shown_errors(data.error, limit)
    axes.axvspan(-NEAR, NEAR, color=BAND, lw=0, zorder=0)
    axes.axvline(0.0, color=INK, lw=0.8, zorder=1)
    scatter_rows(axes, error, data.place + jitter(error.size, 0.3), data.phase, beyond)
    place = np.arange(len(data.names))
    low, middle, high = np.clip(data.quartiles.T, -limit, limit)
    axes.hlines(place, low, high, color=INK, lw=1.1, zorder=5)
    axes.vlines(middle, place - 0.42, place + 0.42, color=INK, lw=2.4, zorder=6)
    names = [f"{name}  ({count})" for name, count in zip(data.names, data.counts, strict=True)]
    axes.set_yticks(place, names, fontsize=7.2)
    axes.set(xlim=(-limit, limit), ylim=(len(data.names) - 0.4, -0.6))
    factor_axis(axes.xaxis, limit)
    axes.tick_params(axis="y", length=0)
    axes.set_title(data.title)
    if labelled:
        axes.set_xlabel("predicted time / measured time")


def draw_trend(axes: Axes, data: Trend, limit: float, labelled: bool) -> None:
    """Rows along a number, with the median and the middle half of each octave."""
    error, beyond = shown_errors(data.error, limit)
    axes.axhspan(-NEAR, NEAR, color=BAND, lw=0, zorder=0)
    axes.axhline(0.0, color=INK, lw=0.8, zorder=1)
    scatter_rows(axes, data.value * 2.0 ** jitter(error.size, 0.22), error, data.phase, beyond)
    low, middle, high = np.clip(data.quartiles.T, -limit, limit)
    axes.vlines(np.sqrt(data.edges.prod(axis=1)), low, high, color=INK, lw=1.1, zorder=5)
    axes.hlines(middle, data.edges[:, 0] * 1.1, data.edges[:, 1] / 1.1, color=INK, lw=2.4, zorder=6)
    axes.set(xscale="log", xlim=(data.edges.min() / 1.2, data.edges.max() * 1.2), ylim=(-limit, limit))
    octaves = np.log2(np.sqrt(data.edges.prod(axis=1)))
    step = max(1, round((octaves.max() - octaves.min()) / 4.0))
    axes.xaxis.set_major_locator(FixedLocator(2.0 ** np.arange(octaves.min(), octaves.max() + 0.5, step)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    factor_axis(axes.yaxis, limit)
    axes.set_xlabel(data.title)
    if labelled:
        axes.set_ylabel("predicted time / measured time")


AIM = (0.7, 0.9)
"""Shares of rows inside the 80 % range between which the range is called honest [1]."""


def draw_coverage(data: Mapping[str, Sequence[Coverage]]) -> Figure:
    """Share of rows inside a range against the share that the range claims, a panel for each thing left out."""
    columns = min(len(data), COLUMNS)
    rows = -(-len(data) // columns)
    figure = Figure(figsize=(max(3.15 * columns, 4.4), 3.3 * rows + 0.75), layout="constrained")
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (left_out, some) in zip(places, data.items(), strict=False):
        draw_honesty(axes, left_out, some)
    for axes in places[len(data) :]:
        axes.set_axis_off()
    phases = [one.phase for one in next(iter(data.values()))]
    handles = [
        Line2D([], [], color=colour_of(phase), lw=2.0, label=phase if phase == ALL_ROWS else phase_name(phase))
        for phase in phases
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4))
    return figure


def colour_of(phase: str) -> str:
    """The colour of a phase, or of all rows."""
    return INK if phase == ALL_ROWS else PHASE_COLOURS.get(phase, MUTED)


def draw_honesty(axes: Axes, left_out: str, data: Sequence[Coverage]) -> None:
    """One panel: a curve for each phase, a mark where its 80 % range lies."""
    axes.set_box_aspect(1.0)
    axes.plot([0, 100], [0, 100], color=INK, lw=0.8, ls=(0, (4, 3)), zorder=2)
    axes.plot([80, 80], [100 * AIM[0], 100 * AIM[1]], color=RULE, lw=7.0, solid_capstyle="butt", zorder=1)
    for one in data:
        whole = one.phase == ALL_ROWS
        level, share = np.r_[0.0, one.level, 1.0], np.r_[0.0, one.share, one.share[-1]]
        width, above = (2.0, 5) if whole else (1.2, 4)
        axes.step(100 * level, 100 * share, where="post", color=colour_of(one.phase), lw=width, zorder=above)
        axes.scatter(80, 100 * one.eighty, s=20, color=colour_of(one.phase), edgecolor="white", lw=0.7, zorder=6)
    axes.set(xlim=(0, 100), ylim=(0, 100))
    axes.grid(True)
    axes.set_title(f"Not seen: {left_out}", fontsize=7.6)
    axes.set_xlabel("what the range claims to hold [%]", fontsize=7.5)
    axes.set_ylabel("rows inside it [%]", fontsize=7.5)
    axes.tick_params(labelsize=7.0)
    note = f"{data[-1].level.size} rows\n{100 * data[-1].eighty:.0f} % in the 80 % range"
    axes.text(0.97, 0.04, note, transform=axes.transAxes, ha="right", fontsize=7.0, color=MUTED, linespacing=1.35)
