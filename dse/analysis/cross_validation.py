"""How wrong is the model about what it has never seen? Fits that leave out a chip, a model class, or both together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from dse.analysis.calibration import Fit, Noise, Prior, fit, gradients, split
from dse.analysis.cases import Case
from dse.analysis.points import Points
from dse.analysis.profiles import COEFFICIENTS, EIGHTY

__all__ = ["FOLDS", "HeldOut", "held_out", "scatter_from"]


def chip_family(case: Case) -> str:
    """The chips that are left out together: the family that the row states, else the chip."""
    return case.row.texts.get("family", "").partition(" x ")[0] or case.row.chip


FOLDS: dict[str, Callable[[Case], str]] = {
    "chip": chip_family,
    "model": lambda case: case.model_class,
    "chip-model": lambda case: f"{case.row.chip} x {case.model}",
}
"""What is left out: all rows with the same answer."""


@dataclass(frozen=True)
class HeldOut:
    """Predictions of rows that were in no fit, in order of the cases; NaN where a row has no point.

    value: in the unit of the row's metric; spread: standard deviation of its ln that comes from the coefficients [1].
    """

    value: Float[np.ndarray, " rows"]
    spread: Float[np.ndarray, " rows"]


def predicted(points: Points, found: Fit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, value and spread of the best point of every row under a fit."""
    chosen = points.best(*split(found.mean, len(points.software)))
    base, slope = gradients(chosen, found.mean)
    size = len(COEFFICIENTS)
    parts = np.stack([found.belief(name).covariance for name in points.software])
    spread = np.einsum("pi,pij,pj->p", slope[:, :size], parts[chosen.family], slope[:, :size])
    return chosen.row, np.exp(base), np.sqrt(spread)


def held_out(points: Points, train: Points, prior: Prior, by: str, start: Fit | None = None) -> HeldOut:
    """Every row of the points under a fit to the training rows that share no fold with it.

    points, train: over the same software, perhaps the same rows; by: one of FOLDS; start: a fit to begin from. A fold
    also leaves out every training row of a chip that it holds when chips are left out.
    """
    answer = FOLDS[by]
    mine, theirs = (np.array([answer(case) for case in some.cases]) for some in (points, train))
    chips = [np.array([case.row.chip for case in some.cases]) for some in (points, train)]
    value, spread = np.full(len(points.cases), np.nan), np.full(len(points.cases), np.nan)
    for key in sorted(set(mine)):
        out = theirs == key
        if by == "chip":
            out |= np.isin(chips[1], chips[0][mine == key])
        learned = fit(
            train.chosen(np.flatnonzero(~out[train.row])), prior, Noise(), None if start is None else start.mean
        )
        rows, values, spreads = predicted(points.chosen(np.flatnonzero((mine == key)[points.row])), learned)
        value[rows], spread[rows] = values, spreads
    return HeldOut(value, spread)


def scatter_from(points: Points, held: HeldOut) -> dict[str, float]:
    """Phase -> standard deviation that, beside the coefficients', puts 80 % of held-out rows into their ranges [1].

    Never below a twentieth: chips of one model differ by as much.
    """
    measured = np.array([case.row.value for case in points.cases])
    error = np.abs(np.log(held.value / measured))
    phases = np.array([case.row.summary_phase for case in points.cases])
    found = {}
    for phase in sorted(set(phases)):
        inside = (phases == phase) & np.isfinite(error)
        needed = np.maximum((error[inside] / EIGHTY) ** 2 - held.spread[inside] ** 2, 0.0)
        found[phase] = max(float(np.sqrt(np.quantile(needed, 0.8))), LEAST_SCATTER)
    return found


LEAST_SCATTER = 0.05
"""Smallest scatter that is believed: chips of one type differ by as much [1]."""
