"""How wrong is the model about what it has never seen? Fits that leave out chips, classes of models or of machines.

Chips are left out by their die: an A100 of 40 GB tells nearly all about one of 80 GB, a board that draws less power
nearly all about one that draws more, so that products of one die leave together. Which die that is stands in the chip's
file; a chip without that fact is a die of its own. Rows name chips by any alias, and the catalogue's name counts. A
family that a row itself states (column `family`, the part before ' x ') is a hint beside the catalogue: rows that state
the same one leave together too, rows of one die that state different ones are not torn apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from dse.analysis.calibration import Fit, Noise, Prior, fit, gradients, split
from dse.analysis.cases import Case
from dse.analysis.points import Points
from dse.analysis.profiles import COEFFICIENTS, EIGHTY, machine_of
from dse.catalogue.store import Catalogue

__all__ = ["FOLDS", "HeldOut", "chip_name", "held_out", "predicted", "scatter_from"]


def chip_name(case: Case, catalogue: Catalogue) -> str:
    """The catalogue's name of the chip of a row, whatever alias the row uses."""
    return catalogue.entry("chip", case.row.chip).name


def die_of(case: Case, catalogue: Catalogue) -> str:
    """The die that the chip of a row is made of, as its file states it; the chip's name where it does not."""
    entry = catalogue.entry("chip", case.row.chip)
    return str(entry.values.get("package.die", entry.name))


FOLDS: dict[str, Callable[[Case, Catalogue], str]] = {
    "chip": die_of,
    "model": lambda case, _: case.model_class,
    "chip-model": lambda case, catalogue: f"{chip_name(case, catalogue)} x {case.model}",
    "machine": lambda case, catalogue: machine_of(case.software, catalogue),
}
"""What is left out: all rows with the same answer. Without its class of machines, a profile is its prior."""


@dataclass(frozen=True)
class HeldOut:
    """Predictions of rows that were in no fit, in order of the cases; NaN where a row has no point.

    value: in the unit of the row's metric; spread: standard deviation of its ln that comes from the coefficients [1];
    informed: whether the fit has seen any row of that class of machines.
    """

    value: Float[np.ndarray, " rows"]
    spread: Float[np.ndarray, " rows"]
    informed: Bool[np.ndarray, " rows"]


def predicted(points: Points, found: Fit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, value and spread of the best point of every row under a fit."""
    chosen = points.best(*split(found.mean, len(points.software)))
    base, slope = gradients(chosen, found.mean)
    size = len(COEFFICIENTS)
    parts = np.stack([found.belief(name).covariance for name in points.software])
    spread = np.einsum("pi,pij,pj->p", slope[:, :size], parts[chosen.family], slope[:, :size])
    return chosen.row, np.exp(base), np.sqrt(spread)


def families(points: Points) -> np.ndarray:
    """The family of chips that each row states of itself, '' where it states none."""
    return np.array([case.row.texts.get("family", "").partition(" x ")[0].strip().lower() for case in points.cases])


def held_out(
    points: Points, train: Points, prior: Prior, by: str, catalogue: Catalogue, start: Fit | None = None
) -> HeldOut:
    """Every row of the points under a fit to the training rows that share no fold with it.

    points, train: over the same software, perhaps the same rows; by: one of FOLDS; start: a fit to begin from.
    """
    mine, theirs = (np.array([FOLDS[by](case, catalogue) for case in some.cases]) for some in (points, train))
    stated, hints = families(points), families(train)
    machines = {name: machine_of(name, catalogue) for name in points.software}
    kinds, known = (np.array([machines[case.software] for case in some.cases]) for some in (points, train))
    value, spread = np.full(len(points.cases), np.nan), np.full(len(points.cases), np.nan)
    informed = np.zeros(len(points.cases), bool)
    for key in sorted(set(mine)):
        inside = mine == key
        out = theirs == key
        if by == "chip":
            out |= np.isin(hints, [family for family in set(stated[inside]) if family])
        kept = np.flatnonzero(~out[train.row])
        learned = fit(train.chosen(kept), prior, Noise(), None if start is None else start.mean)
        rows, values, spreads = predicted(points.chosen(np.flatnonzero(inside[points.row])), learned)
        value[rows], spread[rows] = values, spreads
        informed[inside] = np.isin(kinds[inside], known[train.row[kept]])
    return HeldOut(value, spread, informed)


COVERAGE = 0.8
"""Share of held-out rows that ranges are to hold [1]."""

LEAST_SCATTER = 0.05
"""Smallest scatter that is believed: chips of one type differ by as much [1]."""

FEW_ROWS = 8
"""A phase with fewer rows than this has the scatter of all phases together: a fifth of them is less than two rows."""


def scatter_from(
    points: Points, held: HeldOut, groups: Sequence[str], least: dict[str, float] | None = None
) -> dict[str, float]:
    """Phase -> standard deviation that, beside the coefficients', puts 80 % of held-out rows into their ranges [1].

    groups: of each case; all groups of a phase count alike, however many rows they have. A phase of few rows takes the
    rows of all phases. least: of each phase, LEAST_SCATTER where absent.
    """
    measured = np.array([case.row.value for case in points.cases])
    needed = np.maximum((np.log(held.value / measured) / EIGHTY) ** 2 - held.spread**2, 0.0)
    phases = np.array([case.row.summary_phase for case in points.cases])
    valid, names = np.isfinite(needed), np.array(groups)
    found = {}
    for phase in sorted(set(phases)):
        inside = valid & (phases == phase)
        if inside.sum() < FEW_ROWS:
            inside = valid
        counts = dict(zip(*np.unique(names[inside], return_counts=True), strict=True))
        weights = np.array([1.0 / counts[name] for name in names[inside]])
        enough = np.quantile(needed[inside], COVERAGE, weights=weights, method="inverted_cdf")
        found[phase] = max(float(np.sqrt(enough)), (least or {}).get(phase, LEAST_SCATTER))
    return found
