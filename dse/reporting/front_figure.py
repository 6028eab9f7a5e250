"""How does the first figure look? Cost against speed: a line and a mark for every chip, named at the side."""

from __future__ import annotations

import colorsys
import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dse.reporting.front_data import Front, FrontFigure, Window
from dse.reporting.labels import Label, place_labels
from dse.reporting.style import ACCENT, FAMILY_COLOURS, FOUND_COLOURS, INK, MUTED, plain_log
from dse.reporting.text import quantity, significant

__all__ = ["draw_fronts", "look_of"]

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
SHADES = (0.0, -0.13, 0.13, -0.22, 0.22)
NOTE_WIDTH = 150
"""Characters of a line of the note under the figure."""


def shaded(colour: str, change: float) -> str:
    """A colour made lighter or darker.

    change: of its lightness, from -1 to 1.
    """
    hue, lightness, saturation = colorsys.rgb_to_hls(*to_rgb(colour))
    return to_hex(colorsys.hls_to_rgb(hue, min(max(lightness + change, 0.0), 0.85), saturation))


def look_of(front: Front) -> tuple[str, str]:
    """Colour and marker of a chip, shared with no other: hue by family, shade and marker by place in it."""
    marker = MARKERS[front.member % len(MARKERS)]
    if front.found:
        return FOUND_COLOURS[front.member % len(FOUND_COLOURS)], marker
    colours = FAMILY_COLOURS[front.family]
    base = colours[front.member % len(colours)]
    return shaded(base, SHADES[front.member // len(colours) % len(SHADES)]), marker


def draw_front(axes: Axes, front: Front) -> None:
    """One front, with the chip's best point on the job."""
    colour, marker = look_of(front)
    strong = {"lw": 2.2, "alpha": 1.0, "zorder": 5} if front.found else {"lw": 1.0, "alpha": 0.8, "zorder": 3}
    style = "--" if front.best is None else "-"
    axes.plot(front.speed, front.usd, style, color=colour, **strong)
    if front.best is not None:
        size, place = (58, 7) if front.found else (28, 4)
        axes.scatter(*front.best, s=size, marker=marker, color=colour, edgecolor="white", linewidth=0.6, zorder=place)


def handle_of(front: Front) -> Line2D:
    """A chip in the legend."""
    colour, marker = look_of(front)
    dashed = front.best is None
    text = front.label if front.best is None else f"{front.label}  {significant(front.best[1])}"
    return Line2D(
        [], [], color=colour, marker="" if dashed else marker, ls="--" if dashed else "-", ms=4.5, mew=0, label=text
    )


def legend(figure: Figure, axes: Axes, fronts: list[Front]) -> None:
    """Every chip with its colour, marker and cost, beside the figure."""
    fronts = sorted(fronts, key=lambda front: front.best[1] if front.best is not None else np.inf)
    shown = figure.legend(
        handles=[handle_of(front) for front in fronts],
        title="USD per million tokens, cheapest first",
        loc="upper left",
        bbox_to_anchor=(axes.get_position().x1 + 0.008, 0.995),
        fontsize=6.9 if len(fronts) <= 28 else 5.6,
        title_fontsize=6.9,
        labelspacing=0.28,
        handlelength=2.0,
        borderaxespad=0.0,
        alignment="left",
    )
    for text, front in zip(shown.get_texts(), fronts, strict=True):
        text.set_color(ACCENT if front.found else INK)
        text.set_fontweight("bold" if front.found else "normal")


def draw_fronts(data: FrontFigure) -> Figure:
    """Cost per million output tokens against tokens/s per user, a line per chip; leading chips are named on it."""
    figure = Figure(figsize=(8.6, 5.4))
    axes = figure.add_axes((0.07, 0.135, 0.66, 0.85))
    axes.set(xscale="log", yscale="log")
    axes.grid(True, which="major")
    left, right, bottom, top = data.window
    axes.set(xlim=(left, right), ylim=(bottom, top))
    for front in data.fronts:
        draw_front(axes, front)
    if data.fronts[0].best is not None:
        ring = {"s": 130, "facecolor": "none", "edgecolor": look_of(data.fronts[0])[0], "linewidth": 1.1, "zorder": 7}
        axes.scatter(*data.fronts[0].best, **ring)
    if data.least_speed:
        axes.axvspan(left, data.least_speed, color="#f1f2f4", zorder=0)
        axes.axvline(data.least_speed, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=2)
        note = f"slower than {quantity(1.0 / data.least_speed, 's')} a token "
        place: Any = axes.get_xaxis_transform()
        axes.text(data.least_speed, 0.985, note, ha="right", va="top", color=MUTED, fontsize=7.5, transform=place)
    axes.set_xlabel("Output tokens per second and user")
    axes.set_ylabel("USD per million output tokens")
    plain_log(axes.xaxis)
    plain_log(axes.yaxis)
    legend(figure, axes, data.fronts)
    figure.text(0.012, 0.012, edge_note(data), fontsize=7.0, color=MUTED, va="bottom")
    named = [front for place, front in enumerate(data.fronts) if front.leads or front.found or place == 0]
    labels = [label for front in named if (label := label_of(front, data.window)) is not None]
    place_labels(figure, axes, labels, [(front.speed, front.usd) for front in data.fronts])
    return figure


def edge_note(data: FrontFigure) -> str:
    """What the figure does not show, in one or two lines."""
    parts = []
    if data.beyond:
        parts.append(f"Beyond the axes: {'; '.join(data.beyond)}.")
    if data.absent:
        parts.append(f"Cannot hold the model: {', '.join(data.absent)}.")
    if data.undrawn:
        parts.append(f"Not drawn: {len(data.undrawn)} chips that rank behind these.")
    return "\n".join(textwrap.wrap(" ".join(parts), NOTE_WIDTH))


def label_of(front: Front, window: Window) -> Label | None:
    """The name of a chip beside its best point; None where that is not on the figure."""
    if front.best is None or not window.holds(*front.best):
        return None
    inside = window.holds(front.speed, front.usd) & (front.speed >= front.best[0])
    along = list(zip(front.speed[inside].tolist(), front.usd[inside].tolist(), strict=True))
    weight = "bold" if front.found else "normal"
    return Label((front.best, *along), front.name, look_of(front)[0], needed=front.found, weight=weight)
