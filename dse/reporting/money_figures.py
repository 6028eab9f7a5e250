"""How do published and modelled money look beside each other? Bills cut into parts, and totals over published ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter

from dse.analysis.published_money import KINDS, Figure
from dse.reporting.style import ACCENT, INK, MUTED, PART_COLOURS, PART_NAMES, RULE

__all__ = ["draw_bills", "draw_totals"]

ROW = 0.34
"""Height of a bar with its gap [inch]."""
TOLERANCE = 0.15
"""Half-width of the shaded band around the published amount [1]."""
TITLES = {
    "make": "Cost to make",
    "system": "Machine, per chip",
    "tco hyperscaler": "Ownership, hyperscaler",
    "tco neocloud": "Ownership, neocloud",
}


def totals_of(figures: Sequence[Figure], kind: str) -> list[Figure]:
    """The whole amounts of a kind."""
    return [one for one in figures if one.published.kind == kind and not one.published.part]


def draw_stack(axes: Axes, place: int, parts: dict[str, float]) -> None:
    """One bar, cut into its parts."""
    left = 0.0
    for name, part in parts.items():
        axes.barh(place, part, left=left, height=0.62, color=PART_COLOURS.get(name, MUTED), edgecolor="white", lw=0.5)
        left += part


def draw_interval(axes: Axes, place: int, low: float, high: float) -> None:
    """What was published: an interval, or a tick for a single number."""
    axes.plot([low, high], [place, place], color=INK, lw=1.4, zorder=5)
    axes.plot([low, high], [place, place], "|", color=INK, ms=11.0, mew=1.4, zorder=5)


def draw_bills(figures: Sequence[Figure]) -> Drawing:
    """Modelled cost to make and cost of ownership cut into parts, with the published amount across each bar."""
    kinds = ("make", "tco hyperscaler", "tco neocloud")
    groups = [totals_of(figures, kind) for kind in kinds]
    rows = max(len(group) for group in groups)
    drawing = Drawing(figsize=(11.0, ROW * rows + 1.5), layout="constrained")
    for axes, kind, group in zip(drawing.subplots(1, len(kinds)), kinds, groups, strict=True):
        for place, one in enumerate(group):
            draw_stack(axes, place, one.parts)
            draw_interval(axes, place, one.published.low, one.published.high)
        axes.set_yticks(range(len(group)), [one.published.chip for one in group])
        axes.set_ylim(rows - 0.5, -0.5)
        axes.set_xlim(0.0, None)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        axes.set_title(f"{TITLES[kind]} [{group[0].published.unit}]", loc="left", fontsize=9)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.grid(axis="x", color=RULE, lw=0.6)
        axes.set_axisbelow(True)
    used = dict.fromkeys(name for group in groups for one in group for name, part in one.parts.items() if part)
    shown = [(PART_NAMES.get(name, name.replace("_", " ")), PART_COLOURS.get(name, MUTED)) for name in used]
    swatches = [drawing.axes[0].barh([0], [0], color=colour, label=label) for label, colour in shown]
    drawing.legend(handles=swatches, loc="outside lower center", ncols=8, frameon=False, fontsize=8)
    return drawing


def draw_totals(figures: Sequence[Figure]) -> Drawing:
    """Every whole amount over the middle of the published one, by kind; whiskers: the published interval."""
    members = [one for kind in KINDS for one in totals_of(figures, kind)]
    drawing = Drawing(figsize=(7.5, 0.24 * len(members) + 1.0), layout="constrained")
    axes = drawing.subplots()
    axes.axvspan(1.0 - TOLERANCE, 1.0 + TOLERANCE, color="#eceef1", lw=0)
    axes.axvline(1.0, color=MUTED, lw=0.8)
    for place, one in enumerate(members):
        ends = np.array([one.published.low, one.published.high]) / one.published.middle
        axes.plot(ends, [place, place], color=INK, lw=3.0, alpha=0.35)
        axes.plot(one.modelled / one.published.middle, place, "o", color=ACCENT, ms=5.0)
    axes.set_yticks(range(len(members)), [f"{TITLES[one.published.kind]}: {one.published.chip}" for one in members])
    axes.set_ylim(len(members) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("modelled over published\nband: 15 % either way; bar: published interval")
    axes.spines[["top", "right", "left"]].set_visible(False)
    return drawing
