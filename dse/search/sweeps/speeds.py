"""At which speeds is the front of a sweep wanted? Round numbers of tokens per second and user, or one's own."""

from __future__ import annotations

import numpy as np

from dse.catalogue.errors import CatalogueError, Problem
from dse.workload.traffic import Traffic

__all__ = ["WORTH", "speeds_asked", "usual_speeds"]

SERIES = (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0)
"""Preferred numbers of a decade, each about a quarter above the one before: the series R10 of ISO 3 [1]."""

DECADES = 5
"""Decades of stated speeds, from 1 token per second and user; no point reaches the last [1]."""


WORTH = 0.5
"""Share of the most tokens per dollar below which round speeds are left out: the fast end is dear to prove [1]."""


def usual_speeds(traffic: Traffic) -> tuple[float, ...]:
    """Round speeds above the one that the traffic asks for, which every feasible point has [1/s]."""
    least = float(1.0 / traffic.time_per_output_token)
    every = (round(number * 10**decade, 6) for decade in range(DECADES) for number in SERIES)
    return tuple(speed for speed in every if speed > least * (1.0 + 1e-6))


def speeds_asked(text: str, front: bool = True, whole: bool = False) -> tuple[float, ...]:
    """Speeds by their words, `20,50,100`, rising; CatalogueError for anything that is no speed or a contradiction.

    front: whether a front is wanted; whole: all of it.

    >>> speeds_asked("100,20")
    (20.0, 100.0)
    """
    if ((text or whole) and not front) or (text and whole):
        way_out = "ask for one of --no-front, --speeds and --whole-front"
        raise CatalogueError([Problem("contradict each other", "", "options of the front", way_out=way_out)])
    if not text:
        return ()
    try:
        speeds = np.unique([float(word) for word in text.split(",")])
    except ValueError:
        speeds = np.zeros(1)
    if not (np.isfinite(speeds).all() and (speeds > 0.0).all()):
        way_out = "write tokens/s/user with commas between, for example --speeds 20,50,100"
        raise CatalogueError([Problem("must be speeds above 0", "", "--speeds", repr(text), way_out=way_out)])
    return tuple(speeds.tolist())
