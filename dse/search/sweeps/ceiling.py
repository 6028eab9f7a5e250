"""What can no design of a space exceed, whatever lies between the points of its grid? A bound over the whole box.

The free numbers of the space become axes of cells, each of which stands for all that lies between two points; names and
whole steps stay what they are. Boxes of cells are halved where their bound is highest until the time is over: what is
then the highest bound of all that is left holds for every design of the space.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np

from dse.analysis.comparison import Job
from dse.catalogue import Space
from dse.catalogue.fields import Range
from dse.search.sweeps.branch import BOXES, Batch, begun, bounded, halved, joined, lean, opened, taken
from dse.search.sweeps.grid import Axis, Grid, points_of, tied_axis, ties
from dse.search.sweeps.points import rivals_above
from dse.search.sweeps.sweep import prepare
from dse.search.sweeps.swept import Sweep

__all__ = ["MOST_NODES", "ceiling", "cells_of", "without_lower_half"]

CELLS = 32
"""Cells of a free number without steps [1]."""

MOST_STEPS = 128
"""Steps of a free number that are told apart; one of more is cut into cells [1]."""

MOST_NODES = 8_000_000
"""Boxes with a group each that wait at most: of more, those with the lower bounds are given up [1]."""

CLOSE = 1e-3
"""Gap over what is found that is close enough [1]."""


def cells_of(space: Space) -> tuple[Grid, np.ndarray] | None:
    """The axes of a space, and of each 0 where it is one of cells, else 1; None where conditions tie two such fields.

    A tied field of cells is the last of its axis, so that neighbours on it differ in nothing else.
    """
    points, cut = {}, set()
    for path, field in space.free.items():
        steps = (field.high - field.low) / field.step if isinstance(field, Range) and field.step else math.inf
        if isinstance(field, Range) and steps > MOST_STEPS:
            cut.add(path)
        count = CELLS + 1 if path in cut else len(field.values) if not isinstance(field, Range) else round(steps) + 1
        points[path] = points_of(path, replace(field, step=None) if path in cut else field, count)
    tied = sorted((path for path in points if path in ties(space)), key=lambda path: path in cut)
    if len(cut.intersection(tied)) > 1:
        return None
    axes = [Axis({path: values}) for path, values in points.items() if path not in tied]
    if tied:
        axes.append(tied_axis(space, {path: points[path] for path in tied}))
    return Grid(space, tuple(axes)), np.array([0 if cut.intersection(axis.columns) else 1 for axis in axes])


def ceiling(space: Space, job: Job, found: float, seconds: float) -> float | None:
    """A bound on the objective of the job over all designs of a space [unit of the objective].

    found: what some design reaches, below which nothing is of interest; seconds: that may be spent. None where
    conditions tie free numbers together in a way that is not covered.
    """
    cells = cells_of(space)
    if cells is None:
        return None
    grid, apart = cells
    sweep = prepare(grid, job, True, False, apart)
    ends = np.zeros((1, len(grid.shape)), np.int64), np.array(grid.shape)[None] - 1
    waiting, done, until = begun(sweep, *ends), found, time.monotonic() + seconds
    while waiting:
        highest = max(float(batch.promise.max()) for batch in waiting)
        if highest <= max(done, found * (1.0 + CLOSE)) or (time.monotonic() > until and math.isfinite(highest)):
            return max(highest, done)
        waiting, least = refined(sweep, waiting, found)
        waiting, low = without_lower_half(waiting) if nodes_of(waiting) > MOST_NODES else (waiting, found)
        done = max(done, least, low)
    return done


def nodes_of(waiting: list[Batch]) -> int:
    """Boxes with a group each that wait."""
    return sum(len(batch.box) for batch in waiting)


def without_lower_half(waiting: list[Batch]) -> tuple[list[Batch], float]:
    """The half of the boxes with the higher bounds, and the highest bound of those that go: no bound is below it."""
    middle = float(np.median(np.concatenate([batch.promise for batch in waiting])))
    higher = [(batch, np.flatnonzero(batch.promise > middle)) for batch in waiting]
    return [taken(batch, places, batch.depth) for batch, places in higher if len(places)], middle


def refined(sweep: Sweep, waiting: list[Batch], found: float) -> tuple[list[Batch], float]:
    """The boxes of the highest bounds in smaller ones or smaller groups; the highest bound of what cannot be cut."""
    best = max(waiting, key=lambda batch: float(batch.promise.max()))
    alike = [batch for batch in waiting if (batch.depth, batch.level) == (best.depth, best.level)]
    rest = [batch for batch in waiting if (batch.depth, batch.level) != (best.depth, best.level)]
    whole = joined(alike)
    order = np.argsort(-whole.promise, kind="stable")
    if len(order) > BOXES:
        rest.append(taken(whole, np.sort(order[BOXES:]), whole.depth))
    left, _ = bounded(
        sweep, rivals_above(found, sweep.job.objective), taken(whole, np.sort(order[:BOXES]), whole.depth)
    )
    if left is None:
        return rest, found
    single, leaf = left.depth == len(sweep.order), left.level == len(sweep.tree.levels) - 1
    if single and leaf:
        return rest, float(left.promise.max())
    smaller = halved(sweep, left) if not single and (leaf or wide(left)) else [opened(sweep, left)]
    return rest + [lean(batch) for batch in smaller], found


def wide(batch: Batch) -> bool:
    """Whether boxes are to be halved before groups are opened."""
    return len(batch.box) > 4 * len(batch.first)
