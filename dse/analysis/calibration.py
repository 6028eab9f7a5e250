"""What do measured rows say of software? The most probable coefficients of every profile, and how sure they are.

Maximum a posteriori by Gauss-Newton with Student weights; covariance by Laplace's approximation. A profile's prior is
its file; profiles for one class of machines share half of their prior variance, so that rows of one inform the others.
Nothing is fitted to a row, a chip or a model: a profile has the coefficients of dse.analysis.profiles and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from dse.analysis.cases import Case, UnexpressedError, case_of
from dse.analysis.measurements import Row
from dse.analysis.points import Points
from dse.analysis.profiles import COEFFICIENTS, Belief, from_scale, machine_of, prior_of
from dse.catalogue.library import Library
from dse.catalogue.store import Catalogue

__all__ = ["Fit", "Noise", "Prior", "expressed", "fit", "gradients", "prior_for", "prior_over", "split"]


@dataclass(frozen=True)
class Noise:
    """What is assumed of rows around the model, as standard deviations of ln(predicted / measured) [1].

    own: of one row by phase, or of `online` rows by metric; shared: of all rows of one chip, model and software, which
    err together; tail: degrees of freedom of the Student distribution that a row's error is drawn from.
    Releases of one engine over a year move rows by 1.3-1.7 x, the same configuration on two engines differs by 0.21.
    """

    own: dict[str, float] = field(
        default_factory=lambda: {
            "prefill": 0.15,
            "decode": 0.12,
            "generate": 0.12,
            "offline": 0.15,
            "online ttft_s": 0.25,
            "online tpot_s": 0.12,
        }
    )
    other: float = 0.2
    shared: float = 0.15
    tail: float = 4.0


@dataclass(frozen=True)
class Prior:
    """A normal distribution over the scaled coefficients of several profiles, then the logit of the burst share."""

    software: tuple[str, ...]
    mean: Float[np.ndarray, " unknowns"]
    covariance: Float[np.ndarray, "unknowns unknowns"]


@dataclass(frozen=True)
class Fit:
    """What was found for several profiles: the most probable unknowns, their covariance, and rows of each profile."""

    software: tuple[str, ...]
    rows: dict[str, int]
    mean: Float[np.ndarray, " unknowns"]
    covariance: Float[np.ndarray, "unknowns unknowns"]

    def belief(self, software: str) -> Belief:
        """What is known of one profile."""
        place = part_of(self.software.index(software))
        return Belief(self.rows.get(software, 0), self.mean[place], self.covariance[place, place])

    @property
    def burst_share(self) -> float:
        """Share of the clients of measured services that arrive together [1]."""
        return float(1.0 / (1.0 + np.exp(-self.mean[-1])))


SHARED_VARIANCE = 0.5
"""Part of the prior variance of a coefficient that all profiles for one class of machines have in common [1]."""

BURST_PRIOR = (-1.0, 1.0)
"""Mean and standard deviation of the logit of the burst share before any row is seen: 0.27, 0.09 to 0.57 [1]."""

STEP = 1e-4
ITERATIONS = 15


def part_of(family: int) -> slice:
    """Where the coefficients of a profile stand among the unknowns."""
    size = len(COEFFICIENTS)
    return slice(family * size, (family + 1) * size)


def prior_over(software: Sequence[str], machines: dict[str, str], library: Library) -> Prior:
    """The joint prior of several profiles; machines: profile -> class of machines."""
    beliefs = [prior_of(name, library) for name in software]
    spread = np.concatenate([np.sqrt(np.diag(one.covariance)) for one in beliefs])
    kind = np.repeat(np.array([machines[name] for name in software]), len(COEFFICIENTS))
    place = np.tile(np.arange(len(COEFFICIENTS)), len(beliefs))
    together = (kind[:, None] == kind[None, :]) & (place[:, None] == place[None, :])
    correlation = np.where(together, SHARED_VARIANCE, 0.0)
    np.fill_diagonal(correlation, 1.0)
    size = spread.size + 1
    covariance = np.zeros((size, size))
    covariance[:-1, :-1] = correlation * np.outer(spread, spread)
    covariance[-1, -1] = BURST_PRIOR[1] ** 2
    mean = np.append(np.concatenate([one.mean for one in beliefs]), BURST_PRIOR[0])
    return Prior(tuple(software), mean, covariance)


def split(
    unknowns: Float[np.ndarray, " unknowns"], families: int
) -> tuple[Float[np.ndarray, "families coefficients"], float]:
    """Coefficients of each profile [base units] and the burst share from the scaled unknowns."""
    scaled = unknowns[:-1].reshape(families, len(COEFFICIENTS))
    return from_scale(scaled), float(1.0 / (1.0 + np.exp(-unknowns[-1])))


def gradients(points: Points, unknowns: Float[np.ndarray, " unknowns"]) -> tuple[np.ndarray, np.ndarray]:
    """Ln of every point's value, and its derivative to its own profile's unknowns and the burst share.

    Returns (points,) and (points, coefficients + 1). One call for each coefficient: a point depends on one profile.
    """
    families = len(points.software)
    base = np.log(points.values(*split(unknowns, families)))
    columns = []
    for place in range(len(COEFFICIENTS) + 1):
        moved = unknowns.copy()
        if place < len(COEFFICIENTS):
            moved[place : families * len(COEFFICIENTS) : len(COEFFICIENTS)] += STEP
        else:
            moved[-1] += STEP
        columns.append((np.log(points.values(*split(moved, families))) - base) / STEP)
    return base, np.stack(columns, axis=1)


def full(points: Points, own: Float[np.ndarray, "points columns"]) -> Float[np.ndarray, "points unknowns"]:
    """Derivatives to all unknowns from those to a point's own profile and the burst share."""
    size = len(COEFFICIENTS)
    whole = np.zeros((own.shape[0], len(points.software) * size + 1))
    for column in range(size):
        whole[np.arange(own.shape[0]), points.family * size + column] = own[:, column]
    whole[:, -1] = own[:, -1]
    return whole


def group_of(points: Points) -> list[tuple[str, ...]]:
    """Chip, model, software and kind of measurement of every point: rows alike in all of these err together."""
    rows = [points.cases[number].row for number in points.row]
    return [(row.chip, row.model, row.software, row.summary_phase) for row in rows]


def precision(
    groups: Int[np.ndarray, " points"], variance: Float[np.ndarray, " points"], shared: float
) -> Float[np.ndarray, "points points"]:
    """Inverse of the covariance of rows that err alone with `variance` and with their group by `shared` squared."""
    inverse = np.zeros((variance.size, variance.size))
    for group in np.unique(groups):
        inside = np.flatnonzero(groups == group)
        alone = 1.0 / variance[inside]
        together = shared**2 / (1.0 + shared**2 * alone.sum())
        inverse[np.ix_(inside, inside)] = np.diag(alone) - together * np.outer(alone, alone)
    return inverse


def fit(points: Points, prior: Prior, noise: Noise, start: np.ndarray | None = None) -> Fit:
    """The most probable unknowns for all rows of the points (rows under all of their mappings).

    prior: over the software of the points, in that order; start: where to begin, else at the prior's mean.
    """
    families = len(points.software)
    unknowns = (prior.mean if start is None else start).copy()
    belief = np.linalg.inv(prior.covariance)
    hessian = belief
    for _ in range(ITERATIONS):
        chosen = points.best(*split(unknowns, families))
        measured = np.log([chosen.cases[number].row.value for number in chosen.row])
        names = group_of(chosen)
        own = np.array([noise.own.get(name[-1], noise.other) for name in names])
        groups = np.unique([" / ".join(name) for name in names], return_inverse=True)[1]
        base, slope = gradients(chosen, unknowns)
        error = measured - base
        total = own**2 + noise.shared**2
        heavy = (noise.tail + 1.0) / (noise.tail + error**2 / total)
        weight = precision(groups, own**2 / heavy, noise.shared)
        whole = full(chosen, slope)
        hessian = whole.T @ weight @ whole + belief
        step = np.linalg.solve(hessian, whole.T @ weight @ error + belief @ (prior.mean - unknowns))
        step *= min(1.0, 1.0 / np.abs(step).max())
        unknowns = unknowns + step
        if np.abs(step).max() < 1e-3:
            break
    first = points.family[np.unique(points.row, return_index=True)[1]]
    rows = {name: int(np.sum(first == family)) for family, name in enumerate(points.software)}
    return Fit(prior.software, rows, unknowns, np.linalg.inv(hessian))


def expressed(rows: Sequence[Row], catalogue: Catalogue) -> tuple[list[Case], dict[str, str]]:
    """The rows that the model can express, and for the others, by id, the reason why not."""
    cases: list[Case] = []
    reasons: dict[str, str] = {}
    for row in rows:
        try:
            cases.append(case_of(row, catalogue))
        except UnexpressedError as reason:
            reasons[row.id] = str(reason)
    return cases, reasons


def prior_for(points: Points, catalogue: Catalogue) -> Prior:
    """The joint prior of the software of some points."""
    machines = {name: machine_of(name, catalogue) for name in points.software}
    return prior_over(points.software, machines, catalogue.library)
