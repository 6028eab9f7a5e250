"""How many tokens a second does a chip give when each user gets so many? Throughput against interactivity."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from dse.analysis.comparison import Candidate, Comparison
from dse.analysis.uncertainty import range_of
from dse.reporting.front_data import Front, members_of
from dse.reporting.front_figure import look_of
from dse.reporting.style import INK, plain_log
from dse.reporting.tables import FOUND
from dse.reporting.text import significant

__all__ = [
    "NAMED",
    "SPEEDS",
    "Interactivity",
    "draw_interactivity",
    "front_json",
    "interactivity",
    "interactivity_table",
]

SPEEDS = (10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0)
"""Tokens a second and user at which the table states what a chip gives [1/s]."""

NAMED = 20
"""Chips of highest throughput that the figure shows."""


class Interactivity(NamedTuple):
    """The front of a chip over all mappings, limits on time aside; look: colour and marker.

    speed: output tokens a second and user; rate: output tokens a second and chip [1/s], slowest first.
    """

    name: str
    look: tuple[str, str]
    speed: np.ndarray
    rate: np.ndarray

    def at(self, speed: float) -> float:
        """Highest rate when every user gets at least this many tokens a second; NaN where none can [1/s]."""
        return float(self.rate[self.speed >= speed].max(initial=-np.inf)) if (self.speed >= speed).any() else np.nan


def interactivity(comparison: Comparison, vendors: dict[str, str]) -> list[Interactivity]:
    """Fronts of all candidates that hold the model, highest throughput first; vendors: of chips by name."""
    members = members_of(comparison, vendors)

    def front_of(item: Candidate) -> Interactivity:
        order = np.argsort(item.front_rate_speed)
        none = np.zeros(0)
        family, member = members[item.name]
        front = Front(item.name, item.name, family, member, item.status == FOUND, False, none, none, None)
        return Interactivity(item.name, look_of(front), item.front_rate_speed[order], item.front_rate[order])

    fronts = [front_of(item) for item in comparison.candidates if item.front_rate.size]
    return sorted(fronts, key=lambda front: -float(front.rate.max()))


def short(value: float) -> str:
    """A rate in as few letters as tell it: thousands as 'k'.

    >>> short(14777.0), short(971.4), short(float("nan"))
    ('14.8k', '971', '–')
    """
    return f"{significant(value / 1e3)}k" if value >= 1e4 else significant(value)


def interactivity_table(fronts: list[Interactivity]) -> Table:
    """Tokens a second and chip at several speeds, a row per chip."""
    fastest = max((float(front.speed.max()) for front in fronts), default=0.0)
    table = Table(
        title="tokens/s per chip when every user gets at least so many tokens/s; ranges as in the ranking",
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.add_column("chip", no_wrap=True)
    shown = [speed for speed in SPEEDS if speed <= fastest]
    for speed in shown:
        table.add_column(f"{speed:g}", justify="right", no_wrap=True)
    for front in fronts:
        table.add_row(front.name, *(short(front.at(speed)) for speed in shown))
    return table


def front_json(candidate: Candidate) -> list[dict[str, Any]]:
    """The front of a candidate, slowest first; range: 80 % of the rate, as wide as under the best mapping."""
    points = []
    for place in np.argsort(candidate.front_rate_speed):
        rate = float(candidate.front_rate[place])
        low, high = range_of(rate, candidate.spreads["output_tokens_per_s"])
        points.append(
            {
                "output_tokens_per_s_per_user": float(candidate.front_rate_speed[place]),
                "output_tokens_per_s_per_chip": rate,
                "range": {"value": rate, "low": low, "high": high},
            }
        )
    return points


def draw_interactivity(fronts: list[Interactivity]) -> Figure:
    """A line per chip, those of highest throughput."""
    figure = Figure(figsize=(8.6, 5.0))
    axes = figure.add_axes((0.085, 0.11, 0.68, 0.86))
    axes.set(xscale="log", yscale="log")
    axes.grid(True, which="major")
    shown = fronts[:NAMED]
    for front in shown:
        colour, marker = front.look
        axes.plot(front.speed, front.rate, color=colour, lw=1.3, marker=marker, ms=2.6, mew=0, label=front.name)
    speeds = np.concatenate([front.speed for front in shown])
    rates = np.concatenate([front.rate for front in shown])
    axes.set(xlim=(5.0, float(speeds.max()) * 1.2), ylim=(float(rates.max()) / 1e3, float(rates.max()) * 1.5))
    axes.set_xlabel("Output tokens per second and user")
    axes.set_ylabel("Output tokens per second and chip")
    plain_log(axes.xaxis)
    plain_log(axes.yaxis)
    legend = figure.legend(
        loc="upper left", bbox_to_anchor=(0.775, 0.985), fontsize=6.9, labelspacing=0.35, borderaxespad=0.0
    )
    for text in legend.get_texts():
        text.set_color(INK)
    return figure
