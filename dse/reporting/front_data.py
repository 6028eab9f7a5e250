"""What does each chip offer? Its front of cost against speed, the bounds of the figure, and what lies beyond."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from dse.analysis.comparison import Comparison
from dse.reporting.figure_data import short_names
from dse.reporting.tables import FOUND, on_front
from dse.reporting.text import significant

__all__ = ["Front", "FrontFigure", "Window", "front_figure"]

FAMILIES = {"NVIDIA": "NVIDIA", "AMD": "AMD", "Google": "Google", "Amazon": "Amazon", "AWS": "Amazon", "Intel": "Intel"}


MOST_DRAWN = 26
"""Fronts that the figure has room for [1]."""


class Front(NamedTuple):
    """The Pareto front of a chip and its best point; usd: per million output tokens, speed: tokens/s per user.

    best: (speed, usd), None for an infeasible chip. Fronts leave the limits on time aside. member: place among the
    chips of the family; leads: no chip's best point is both cheaper and faster than this one's.
    """

    name: str
    label: str
    family: str
    member: int
    found: bool
    leads: bool
    speed: np.ndarray
    usd: np.ndarray
    best: tuple[float, float] | None


class Window(NamedTuple):
    """Bounds of the figure: speed [1/s], USD per million output tokens."""

    left: float
    right: float
    bottom: float
    top: float

    def holds(self, speed: np.ndarray | float, usd: np.ndarray | float) -> np.ndarray:
        """Which points lie inside."""
        return np.asarray((speed >= self.left) & (speed <= self.right) & (usd >= self.bottom) & (usd <= self.top))


class FrontFigure(NamedTuple):
    """All fronts, best chip first, and the slowest speed that the job allows [1/s], 0 without a limit.

    beyond: best points outside the window, as text; absent: chips without a front, as they cannot hold the model;
    undrawn: chips that rank behind those that the figure has room for and lead in nothing.
    """

    fronts: list[Front]
    least_speed: float
    window: Window
    beyond: list[str]
    absent: list[str]
    undrawn: list[str]


def family_of(vendor: str) -> str:
    """The vendor's family: one of the large ones, or 'other'."""
    return next((family for brand, family in FAMILIES.items() if vendor.startswith(brand)), "other")


def members_of(comparison: Comparison, vendors: dict[str, str]) -> dict[str, tuple[str, int]]:
    """Family and place in it of each candidate: found designs as they rank, chips by name, so that colours stay."""
    found = [item.name for item in comparison.candidates if item.status == FOUND]
    known = sorted(item.name for item in comparison.candidates if item.status != FOUND)
    count: Counter[str] = Counter()
    members = {name: ("other", place) for place, name in enumerate(found)}
    for name in known:
        family = family_of(vendors.get(name, ""))
        members[name] = (family, count[family])
        count[family] += 1
    return members


def window_of(fronts: list[Front], least_speed: float) -> Window:
    """No slower than a sixth of what is allowed, not much dearer than the bulk of the chips."""
    speeds = np.concatenate([front.speed for front in fronts])
    costs = np.concatenate([front.usd for front in fronts])
    slow = max(float(speeds.min()), least_speed / 6.0 if least_speed else 0.5)
    cheap = float(costs[speeds >= slow].min()) if (speeds >= slow).any() else float(costs.min())
    chosen = [front.best[1] for front in fronts if front.best is not None and front.best[1] <= 100.0 * cheap]
    dear = 3.0 * max(chosen, default=10.0 * cheap)
    seen = (speeds >= slow) & (costs <= dear)
    fast = float(speeds[seen].max()) if seen.any() else slow * 10.0
    return Window(slow / 1.15, fast * 1.5, cheap / 1.6, dear)


def leading(fronts: list[Front]) -> list[Front]:
    """The same fronts, those marked whose best point no other chip's beats in cost and speed."""
    places = [place for place, front in enumerate(fronts) if front.best is not None]
    if not places:
        return fronts
    best = np.array([fronts[place].best for place in places])
    ahead = on_front(best * np.array([1.0, -1.0]))
    names = {fronts[place].name for place, leads in zip(places, ahead, strict=True) if leads}
    return [front._replace(leads=front.name in names) for front in fronts]


def front_figure(comparison: Comparison, vendors: dict[str, str]) -> FrontFigure | None:
    """Fronts of every candidate that runs the model at all; None when none does.

    vendors: of catalogue chips, by name.
    """
    labels, members = short_names(comparison.candidates), members_of(comparison, vendors)
    fronts, absent = [], []
    for item in comparison.candidates:
        best = None
        if item.feasible:
            best = (float(item.metrics.output_tokens_per_s_per_user), 1e6 * float(item.metrics.usd_per_output_token))
        order = np.argsort(item.front_speed)
        usd, speed = 1e6 * np.asarray(item.front_usd)[order], np.asarray(item.front_speed)[order]
        if not speed.size:
            absent.append(item.name)
            continue
        family, member = members[item.name]
        fronts.append(
            Front(item.name, labels[item.name], family, member, item.status == FOUND, False, speed, usd, best)
        )
    if not fronts:
        return None
    allowed = float(comparison.job.requests.time_per_output_token)
    least = 1.0 / allowed if allowed < 1e6 else 0.0
    ranked = leading(fronts)
    shown = [front for place, front in enumerate(ranked) if place < MOST_DRAWN or front.leads or front.found]
    names = {front.name for front in shown}
    undrawn = [front.label for front in ranked if front.name not in names]
    window = window_of(shown, least)
    return FrontFigure(shown, least, window, beyond(shown, window), absent, undrawn)


def beyond(fronts: list[Front], window: Window) -> list[str]:
    """Chips whose best point, or all of whose front, lies outside the window: 'groq-lpu-v1 (36.8 USD at 246/s)'."""
    texts = []
    for front in fronts:
        if front.best is None:
            if not window.holds(front.speed, front.usd).any():
                texts.append(front.label)
        elif not window.holds(*front.best):
            texts.append(f"{front.label} at {significant(front.best[1])} USD and {significant(front.best[0])} tokens/s")
    return texts
