"""How far is a prediction from silicon? Measured rows against the model, each with the range that the model claims."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dse.analysis.calibration import Fit, Noise, expressed, fit, prior_for
from dse.analysis.cases import Case
from dse.analysis.cross_validation import HeldOut, chip_name, held_out, predicted
from dse.analysis.measurements import Row, calibration_rows
from dse.analysis.points import Points, points_of
from dse.analysis.profiles import COEFFICIENTS, belief_of
from dse.analysis.uncertainty import UNKNOWN_SCATTER, range_of
from dse.catalogue.build import build_assumptions
from dse.catalogue.store import Catalogue

__all__ = ["Prediction", "predict", "summary"]


@dataclass(frozen=True)
class Prediction:
    """A measured row beside what the model says of it.

    predicted, low, high: value and 80 % range, None when skipped says why there is none; software: profile used;
    model_class: of the model; chip: the catalogue's name of it, where it has one.
    """

    row: Row
    predicted: float | None = None
    low: float | None = None
    high: float | None = None
    skipped: str | None = None
    software: str = ""
    model_class: str = ""
    chip: str = ""

    @property
    def log_error(self) -> float | None:
        """ln(predicted / measured) [1]."""
        return None if self.predicted is None else math.log(self.predicted / self.row.value)

    @property
    def within_range(self) -> bool:
        """Whether what was measured lies in the range."""
        return self.low is not None and self.high is not None and self.low <= self.row.value <= self.high


def known(points: Points, catalogue: Catalogue) -> Fit:
    """What the catalogue knows of the software of some points, as if it had just been fitted."""
    library = catalogue.library
    beliefs = [belief_of(name, library) for name in points.software]
    size = len(COEFFICIENTS)
    covariance = np.zeros((size * len(beliefs) + 1,) * 2)
    for family, belief in enumerate(beliefs):
        part = slice(family * size, (family + 1) * size)
        covariance[part, part] = belief.covariance
    share = min(max(library.burst_share, 1e-6), 1.0 - 1e-6)
    mean = np.append(np.concatenate([belief.mean for belief in beliefs]), math.log(share / (1.0 - share)))
    rows = {name: belief.rows for name, belief in zip(points.software, beliefs, strict=True)}
    return Fit(points.software, rows, mean, covariance)


def crossed(cases: Sequence[Case], catalogue: Catalogue, by: str) -> tuple[HeldOut, dict[int, str]]:
    """Every case under fits that never saw its chip, model class, both or class of machines; and refusals."""
    training, _ = expressed(calibration_rows(), catalogue)
    assumptions = build_assumptions(catalogue.library)
    software = tuple(sorted({case.software for case in (*training, *cases)}))
    train, _ = points_of(training, assumptions, software)
    points, refused = points_of(cases, assumptions, software)
    prior = prior_for(train, catalogue)
    return held_out(points, train, prior, by, catalogue, fit(train, prior, Noise())), refused


def direct(cases: Sequence[Case], catalogue: Catalogue) -> tuple[HeldOut, dict[int, str]]:
    """Every case under what the catalogue knows; and refusals."""
    points, refused = points_of(cases, build_assumptions(catalogue.library))
    value, spread = np.full(len(cases), np.nan), np.full(len(cases), np.nan)
    informed = np.zeros(len(cases), bool)
    if points.row.size:
        found = known(points, catalogue)
        rows, values, spreads = predicted(points, found)
        value[rows], spread[rows] = values, spreads
        informed = np.array([found.rows[case.software] > 0 for case in cases])
    return HeldOut(value, spread, informed), refused


def predict(rows: Iterable[Row], catalogue: Catalogue, cross: str = "") -> list[Prediction]:
    """A prediction for every row, or the reason why there is none.

    cross: '' for the profiles as they are; else one of dse.analysis.cross_validation.FOLDS: each row is predicted from
    a fit to the shipped calibration rows without those of its fold.
    """
    rows = list(rows)
    cases, reasons = expressed(rows, catalogue)
    if not cases:
        return [Prediction(row, skipped=reasons[row.id]) for row in rows]
    held, refused = crossed(cases, catalogue, cross) if cross else direct(cases, catalogue)
    scatters = {measured: catalogue.library.scatter(measured) for measured in (True, False)}
    found = {}
    for number, case in enumerate(cases):
        if number in refused:
            found[case.row.id] = Prediction(case.row, skipped=refused[number])
            continue
        scatter = scatters[bool(held.informed[number])].get(case.row.summary_phase, UNKNOWN_SCATTER)
        middle = float(held.value[number])
        low, high = range_of(middle, math.hypot(float(held.spread[number]), scatter))
        found[case.row.id] = Prediction(
            row=case.row,
            predicted=middle,
            low=low,
            high=high,
            software=case.software,
            model_class=case.model_class,
            chip=chip_name(case, catalogue),
        )
    return [found.get(row.id) or Prediction(row, skipped=reasons[row.id]) for row in rows]


def figures(some: Sequence[Prediction]) -> dict[str, float | int]:
    """Error of a group: count, median and 90th percentile of |ln|, bias, shares within a quarter and within range."""
    errors = np.array([one.log_error for one in some], float)
    ratio = np.exp(errors)
    return {
        "n": len(some),
        "median_abs_log_error": float(np.median(np.abs(errors))),
        "p90_abs_log_error": float(np.quantile(np.abs(errors), 0.9)),
        "bias": float(np.exp(np.median(errors))),
        "within_25_percent": float(np.mean((ratio >= 0.75) & (ratio <= 1.25))),
        "within_range": float(np.mean([one.within_range for one in some])),
    }


def summary(predictions: Iterable[Prediction]) -> dict[str, dict[str, dict[str, float | int]]]:
    """Errors by phase, chip, model class and software; online rows apart by metric."""
    groups: dict[str, dict[str, list[Prediction]]] = {
        "summary": {},
        "by_chip": {},
        "by_model_class": {},
        "by_software": {},
    }
    for one in predictions:
        if one.predicted is None:
            continue
        keys = (one.row.summary_phase, one.chip or one.row.chip, one.model_class, one.software)
        for group, key in zip(groups.values(), keys, strict=True):
            group.setdefault(key, []).append(one)
    return {name: {key: figures(some) for key, some in sorted(group.items())} for name, group in groups.items()}
