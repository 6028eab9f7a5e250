"""How do ranges and marginal values look? The data of both figures first, the drawings after."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from dse.analysis.marginal import Marginal
from dse.analysis.sensitivity import Sensitivity
from dse.reporting.sensitivity_data import amount, within_limits
from dse.reporting.sensitivity_text import MOST_BARS
from dse.reporting.style import ACCENT, INK, MUTED, RULE

__all__ = ["Spans", "Steps", "draw_spans", "draw_steps", "spans_of", "steps_of"]

LOW, HIGH = "#7fa6cc", "#2f5d8a"


class Span(NamedTuple):
    """A constant: tokens per dollar at both ends over today's [1], the ends in words, and who says so."""

    name: str
    at_low: float
    at_high: float
    low: str
    high: str
    source: str


class Spans(NamedTuple):
    """The widest bars, the widest first, and how many narrower ones are not drawn."""

    bars: list[Span]
    left_out: int


class Step(NamedTuple):
    """A resource or price: change of tokens per dollar by +10 %, as the slope promises and as re-optimised [1]."""

    name: str
    price: bool
    promised: float
    stepped: float


class Steps(NamedTuple):
    """Resources and prices, the most valuable first."""

    rows: list[Step]


def spans_of(found: Sensitivity) -> Spans:
    """The data of the tornado."""
    today = found.tornado.tokens_per_dollar
    bars = [bar for bar in found.tornado.bars if within_limits(bar)]
    spans = []
    for bar in bars[:MOST_BARS]:
        low, high = bar.constant.range
        work = bar.constant.source
        source = "fit" if bar.constant.fitted else work.key if work is not None else bar.constant.cited.kind
        ends = (amount(bar.constant, low), amount(bar.constant, high))
        spans.append(Span(bar.constant.label, bar.at_low / today, bar.at_high / today, *ends, source))
    return Spans(spans, len(bars) - len(spans))


def draw_spans(data: Spans) -> Figure:
    """A tornado: bars from today's value to that at each end, on a logarithmic axis, the ends written beside them."""
    count = len(data.bars)
    figure = Figure(figsize=(8.6, 0.9 + 0.27 * count), layout="constrained")
    axes = figure.add_subplot()
    ends = np.array([[bar.at_low, bar.at_high] for bar in data.bars])
    reach = max(float(np.abs(np.log(ends)).max()), np.log(1.05)) * 1.45
    axes.set(xscale="log", xlim=(np.exp(-reach), np.exp(reach)), ylim=(count - 0.4, -0.6))
    axes.axvline(1.0, color=INK, lw=0.9, zorder=3)
    for place, bar in enumerate(data.bars):
        draw_end(axes, place, bar.at_low, bar.low, LOW, bar.at_low <= bar.at_high)
        draw_end(axes, place, bar.at_high, bar.high, HIGH, bar.at_low > bar.at_high)
    axes.set_yticks(range(count), [f"{bar.name} [{bar.source}]" for bar in data.bars])
    axes.tick_params(axis="y", length=0)
    ticks = ticks_within(reach)
    axes.set_xticks(ticks, [percent(100.0 * (tick - 1.0)) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(True, axis="x")
    axes.set_xlabel("tokens per dollar against today")
    handles = [axes.barh([0], [0], color=colour, label=f"at the {end} end") for end, colour in ENDS]
    axes.legend(handles=handles, loc="lower right")
    return figure


ENDS = (("low", LOW), ("high", HIGH))

TICKS = (1.0, 1.01, 1.02, 1.05, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)
ROUND = (1.0, 0.99, 0.98, 0.95, 0.9, 0.8, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)
"""Factors to either side of today that an axis may mark [1]."""


def percent(value: float) -> str:
    """A change on an axis."""
    return f"{value:+.0f} %" if round(value) else "0 %"


def ticks_within(reach: float) -> list[float]:
    """Round factors no farther than exp(reach) from 1, with room between them [1]."""
    found = [1.0]
    for side in (TICKS, ROUND):
        last = 0.0
        for tick in side[1:]:
            if abs(np.log(tick)) <= reach and abs(np.log(tick)) - last >= reach / 5.0:
                found.append(tick)
                last = abs(float(np.log(tick)))
    return sorted(found)


def draw_end(axes: Any, place: int, value: float, text: str, colour: str, left: bool) -> None:
    """Half a bar with its end in words; left: on which side these stand where the end changes nothing."""
    axes.barh(place, value - 1.0, left=1.0, height=0.62, color=colour, zorder=2)
    side = left if abs(np.log(value)) < 1e-9 else value < 1.0
    axes.annotate(
        text,
        (value, place),
        xytext=(-4 if side else 4, 0),
        textcoords="offset points",
        ha="right" if side else "left",
        va="center",
        fontsize=6.8,
        color=MUTED,
    )


def worth_drawing(row: Marginal) -> bool:
    """Whether +10 % changes tokens per dollar by more than a ten-thousandth either way."""
    return abs(row.promised) > 1e-4 or (np.isfinite(row.stepped) and abs(row.stepped) > 1e-4)


def steps_of(found: Sensitivity) -> Steps:
    """The data of the marginal values."""
    rows = [row for row in found.margins.rows if worth_drawing(row)]
    return Steps(
        [
            Step(row.knob.name, row.knob.price, float(np.expm1(row.promised)), float(np.expm1(row.stepped)))
            for row in rows
        ]
    )


def draw_steps(data: Steps) -> Figure:
    """What +10 % of each resource and price does: bars by the slope, marks re-optimised."""
    count = len(data.rows)
    figure = Figure(figsize=(8.6, 0.9 + 0.25 * count), layout="constrained")
    axes = figure.add_subplot()
    place = np.arange(count)
    promised = 100.0 * np.array([row.promised for row in data.rows])
    stepped = 100.0 * np.array([row.stepped for row in data.rows])
    colours = [LOW if row.price else HIGH for row in data.rows]
    axes.barh(place, promised, height=0.6, color=colours, zorder=2)
    axes.scatter(stepped, place, s=26, marker="D", color=ACCENT, zorder=4, label="+10 %, mapping re-optimised")
    for row in np.flatnonzero(~np.isfinite(stepped)):
        axes.annotate("breaks a limit", (0.0, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=7)
    for colour, name in ((HIGH, "resource, by its slope"), (LOW, "price, by its slope")):
        axes.barh([0], [0], color=colour, label=name)
    axes.axvline(0.0, color=INK, lw=0.9, zorder=3)
    axes.set_yticks(place, [row.name for row in data.rows])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(count - 0.4, -0.6)
    axes.grid(True, axis="x", color=RULE)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g} %" if value else "0 %"))
    axes.set_xlabel("change of tokens per dollar by 10 % more of it")
    axes.legend(loc="best")
    return figure
