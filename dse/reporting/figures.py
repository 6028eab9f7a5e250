"""How do the figures look? Drawings of the data that figure_data computes."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from dse.reporting.figure_data import Bars, HeatMap, Roofline
from dse.reporting.labels import Label, place_labels
from dse.reporting.style import ACCENT, INK, MUTED, PART_COLOURS, PART_NAMES, RULE, plain_log
from dse.reporting.text import quantity, significant

__all__ = ["draw_bars", "draw_heat_map", "draw_roofline"]


def mixed(axes: Axes) -> Any:
    """Data across, the height of the axes up."""
    return axes.get_xaxis_transform()


COLOUR_RANGE = 100.0


def draw_heat_map(data: HeatMap) -> Figure:
    """Best tokens per dollar by SRAM capacity and memory bandwidth; blank where nothing feasible was tried."""
    figure = Figure(figsize=(8.6, 4.6), layout="constrained")
    axes = figure.add_subplot()
    rows, columns = data.best.shape
    scaled = data.best / 1e6
    highest = float(np.nanmax(scaled)) * (1.0 + 1e-9)
    norm = LogNorm(max(float(np.nanmin(scaled)), highest / COLOUR_RANGE), highest)
    mesh = axes.pcolormesh(np.arange(columns + 1), np.arange(rows + 1), scaled, cmap="YlGnBu", norm=norm, lw=0)
    row, column = divmod(int(np.nanargmax(data.best)), columns)
    axes.add_patch(Rectangle((column, row), 1, 1, fill=False, ec=ACCENT, lw=2.0, zorder=4))
    bar = figure.colorbar(mesh, ax=axes, pad=0.015, aspect=30)
    bar.set_label("million output tokens per USD, best of the cell")
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    plain_log(bar.ax.yaxis, minor=False)
    edge_ticks(axes.xaxis, data.columns, "bytes", 0)
    edge_ticks(axes.yaxis, data.rows, "bytes/s", int(data.without_memory))
    axes.set_xlabel("SRAM capacity of the package")
    axes.set_ylabel("Bandwidth of the main memory")
    if data.without_memory:
        axes.axhline(1.0, color="white", lw=3.0)
    axes.set(xlim=(0, columns), ylim=(0, rows))
    labels = []
    for mark in data.marks:
        colour = ACCENT if mark.found else INK
        axes.scatter(mark.column, mark.row, s=20, color=colour, edgecolor="white", linewidth=0.8, zorder=5)
        weight = "bold" if mark.found else "normal"
        labels.append(Label(((mark.column, mark.row),), mark.name, colour, needed=mark.found, weight=weight, size=7.0))
    place_labels(figure, axes, labels)
    return figure


def edge_ticks(axis: Any, edges: np.ndarray, dimension: str, first: int) -> None:
    """The bounds of cells as ticks, every other one where they are many; 'none' under row 1 when first is 1."""
    step = 2 if edges.size > 9 else 1
    places = list(np.arange(edges.size)[::step] + first)
    texts = [quantity(float(f"{edge:.2g}"), dimension) for edge in edges[::step]]
    if first:
        places, texts = [0.5, *places], ["none", *texts]
    axis.set_ticks(places, texts)


def draw_roofline(data: Roofline) -> Figure:
    """The operators of prefill and decode under the roofs of main memory and of SRAM."""
    figure = Figure(figsize=(8.6, 4.3), layout="constrained")
    both = figure.subplots(1, 2, sharey=True)
    levels = (
        ("Main memory", "memory_intensity", data.memory_bandwidth),
        ("SRAM", "sram_intensity", data.sram_bandwidth),
    )
    finite = [getattr(p, key) for p in data.points for _, key, _ in levels if np.isfinite(getattr(p, key))]
    ridges = [data.peak / width for _, _, width in levels if width > 0.0]
    low, high = min([*finite, *ridges]) / 3.0, max([*finite, *ridges]) * 4.0
    slowest = min(point.rate for point in data.points if point.rate > 0.0)
    for axes, (title, key, width) in zip(both, levels, strict=True):
        axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(slowest / 2.5, data.peak * 2.2))
        axes.grid(True, which="major")
        axes.set_title(f"{title}: {quantity(width, 'bytes/s')}" if width > 0.0 else f"{title}: none")
        axes.set_xlabel(f"FLOP per byte from {'SRAM' if title == 'SRAM' else 'main memory'}")
        draw_roofs(axes, data, width, (low, high))
        draw_points(figure, axes, data, key, high)
        plain_log(axes.xaxis)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: quantity(value, "FLOP/s")))
    both[0].set_ylabel("Achieved rate of one chip")
    return figure


def draw_roofs(axes: Axes, data: Roofline, width: float, bounds: tuple[float, float]) -> None:
    """Peak, sustained peak and the slope of a bandwidth."""
    low, high = bounds
    axes.plot([low, high], [data.peak] * 2, color=INK, lw=1.2)
    axes.text(
        low * 1.15, data.peak * 1.08, f"peak {quantity(data.peak, 'FLOP/s')}", fontsize=7.5, color=INK, va="bottom"
    )
    axes.plot([low, high], [data.sustained] * 2, color=MUTED, lw=0.9, ls=(0, (4, 3)))
    axes.text(low * 1.15, data.sustained / 1.08, "sustained by software", fontsize=7.0, color=MUTED, va="top")
    if width > 0.0:
        ridge = data.peak / width
        axes.plot([low, ridge], [low * width, data.peak], color=INK, lw=1.2)
        axes.axvline(ridge, color=RULE, lw=0.9, zorder=1)
        note = f"ridge {significant(ridge, 3)}"
        axes.text(
            ridge, 0.015, note, rotation=90, fontsize=7.0, color=MUTED, ha="right", va="bottom", transform=mixed(axes)
        )


SHORTER = {
    "query-key-value projection": "QKV",
    "feed-forward": "FF",
    "attention, full context": "attention",
    "attention, ": "attention ",
    "state-space": "SSM",
    "linear-attention": "linear",
    " projection": "",
}
LEAST_SHARE = 0.04
PHASE_COLOURS = {"prefill": "#2f5d8a", "decode": ACCENT}


def short_operator(name: str) -> str:
    """The name of an operator that fits beside its point."""
    for long, short in SHORTER.items():
        name = name.replace(long, short)
    return name


def draw_points(figure: Figure, axes: Axes, data: Roofline, key: str, high: float) -> None:
    """Operators by phase, sized by their share of the pass; those without traffic at the right edge."""
    totals = {phase: sum(p.time for p in data.points if p.phase == phase) for phase in PHASE_COLOURS}
    labels = []
    for phase, colour in PHASE_COLOURS.items():
        points = [point for point in data.points if point.phase == phase and point.rate > 0.0]
        x = np.array([min(getattr(point, key), high / 1.3) for point in points])
        y = np.array([point.rate for point in points])
        share = np.array([point.time / totals[phase] for point in points])
        axes.scatter(
            x, y, s=14.0 + 220.0 * share, color=colour, alpha=0.75, edgecolor="white", lw=0.7, label=phase, zorder=4
        )
        for place, point in enumerate(points):
            name = short_operator(point.operator)
            if share[place] >= LEAST_SHARE:
                labels.append(
                    (
                        -share[place],
                        Label(((x[place], y[place]),), name, colour, size=7.0, clear=2.0 + 6.0 * share[place]),
                    )
                )
    axes.legend(loc="lower right", markerscale=0.6, handletextpad=0.2)
    roofs = [(line.get_xdata(), line.get_ydata()) for line in axes.lines if line.get_transform() == axes.transData]
    place_labels(figure, axes, [label for _, label in sorted(labels, key=lambda pair: pair[0])], roofs)


def draw_bars(groups: list[Bars]) -> Figure:
    """Stacked horizontal bars, two panels in a row, with the total and a legend of its own for each."""
    count = len(groups[0].names)
    rows = (len(groups) + 1) // 2
    figure = Figure(
        figsize=(8.6, rows * (1.05 + 0.235 * count)), layout=ConstrainedLayoutEngine(hspace=0.06, wspace=0.04)
    )
    panels = figure.subplots(rows, 2, sharey=True, squeeze=False).ravel()
    lines = max(legend_shape(bars)[1] for bars in groups)
    for axes, bars in zip(panels, groups, strict=False):
        draw_panel(axes, bars, lines)
    for axes in panels[len(groups) :]:
        axes.set_visible(False)
    return figure


LONG_LABEL = 12


def legend_names(bars: Bars) -> list[str]:
    """The names in the legend of a panel."""
    names = [PART_NAMES.get(name, name.replace("_", " ")) for name in bars.parts]
    return [*names, bars.reference_label] if np.isfinite(bars.reference).any() else names


def legend_shape(bars: Bars) -> tuple[int, int]:
    """Columns and lines of the legend of a panel."""
    names = legend_names(bars)
    columns = 4 if max(len(name) for name in names) > LONG_LABEL else 5
    return columns, -(-len(names) // columns)


SHORTEST = 0.06
"""Share of a panel's width below which a bar's parts cannot be told apart [1]."""


def scale_of(bars: Bars) -> tuple[float, bool]:
    """The length of a panel's axis [unit of the bars], and whether every bar is drawn as shares of its own total.

    Bars more than 3.5 times as long as the median are cut. Where some bar would then be too short to see, shares are
    drawn: parts of a stack have no length on a logarithmic axis.
    """
    totals = bars.totals
    edge = min(float(totals.max()), 3.5 * float(np.median(totals)))
    references = bars.reference[np.isfinite(bars.reference)]
    if references.size:
        edge = max(edge, min(float(references.max()), 2.5 * edge))
    return (edge, False) if float(totals.min()) >= SHORTEST * edge or references.size else (100.0, True)


def draw_panel(axes: Axes, bars: Bars, lines: int) -> None:
    """One panel under a legend of at most so many lines."""
    totals = bars.totals
    edge, shares = scale_of(bars)
    lengths = np.full(totals.size, edge) if shares else totals
    place = np.arange(totals.size)
    draw_stacks(axes, bars, edge, shares)
    seen = np.isfinite(bars.reference) & (bars.reference <= edge * 1.02)
    if seen.any():
        axes.scatter(
            bars.reference[seen], place[seen], marker="|", s=75, color=INK, lw=1.3, zorder=4, label=bars.reference_label
        )
    for row, total in enumerate(totals):
        hidden = seen[row] and 0.0 <= bars.reference[row] - total < 0.15 * edge
        behind = bars.reference[row] if hidden else lengths[row]
        text = f"{significant(float(total), 3)}{' →' if lengths[row] > edge * 1.001 else ''}"
        axes.text(min(float(behind), edge) + 0.015 * edge, row, text, va="center", fontsize=7.2, color=INK)
    axes.set(xlim=(0.0, edge * 1.17), ylim=(totals.size - 0.5, -0.5))
    if shares:
        axes.set_xlabel(f"% of each total; totals [{bars.unit}] at the right", fontsize=7.5)
    axes.set_yticks(place, bars.names)
    for tick, found in zip(axes.get_yticklabels(), bars.found, strict=False):
        tick.set_color(ACCENT if found else INK)
        tick.set_fontweight("bold" if found else "normal")
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    panel_legend(axes, bars, lines, last=bool(seen.any()))


def draw_stacks(axes: Axes, bars: Bars, edge: float, shares: bool) -> None:
    """The parts of every bar, cut at the edge of the axis."""
    place = np.arange(bars.totals.size)
    start = np.zeros(bars.totals.size)
    for name, values in bars.parts.items():
        label = PART_NAMES.get(name, name.replace("_", " "))
        end = start + (100.0 * values / bars.totals if shares else values)
        left, right = np.minimum(start, edge), np.minimum(end, edge)
        axes.barh(place, right - left, left=left, height=0.66, color=PART_COLOURS.get(name, MUTED), label=label, lw=0)
        start = end


def panel_legend(axes: Axes, bars: Bars, lines: int, last: bool) -> None:
    """Title and legend of a panel; last: the reference mark, drawn first, is listed at the end."""
    handles, names = axes.get_legend_handles_labels()
    if last:
        handles, names = [*handles[1:], handles[0]], [*names[1:], names[0]]
    axes.set_title(f"{bars.title} [{bars.unit}]", pad=6.0 + 10.5 * lines)
    axes.legend(
        handles,
        names,
        loc="lower left",
        bbox_to_anchor=(-0.01, 0.99),
        ncols=legend_shape(bars)[0],
        fontsize=6.8,
        handlelength=0.9,
        handleheight=0.9,
        columnspacing=0.9,
        handletextpad=0.4,
        borderaxespad=0.0,
        labelspacing=0.25,
    )
