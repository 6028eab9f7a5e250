"""What is maximised, and what must hold? Metrics by their names in commands, and limits as Optuna constraints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dse.best_mapping import OBJECTIVES
from dse.catalogue.errors import CatalogueError, Problem, listed, nearest
from dse.evaluate import LIMITS, Metrics
from dse.timing.mapping import Mapping

__all__ = [
    "METRICS",
    "QUALITY_METRICS",
    "Outcome",
    "broken_limits",
    "mapping_objective",
    "metric_of",
    "objective_values",
    "objectives_of",
    "trial_record",
]

NAMES = ("tokens-per-dollar", "tokens-per-second-per-user", "tokens-per-joule")
METRICS: dict[str, str] = dict(zip(NAMES, OBJECTIVES, strict=True))
"""Name in a command -> field of the metrics; all are maximised."""

QUALITY_METRICS = {"qsnr": "qsnr", "accuracy-loss": "accuracy_kept"}
"""The same of the formats of a chip, whatever its mapping; a loss is least where most is kept."""

RECORDED = (
    "time_to_first_token",
    "time_per_output_token",
    "output_tokens_per_s",
    "output_tokens_per_s_per_user",
    "chips",
    "tokens_per_dollar",
    "tokens_per_joule",
    "power",
    "qsnr",
    "accuracy_loss",
    "accuracy_kept",
)


LEAST_SHARE = 0.01
"""Shares of time below this are not recorded [1]."""


@dataclass(frozen=True)
class Outcome:
    """What a trial comes to: excess over each limit [1], the values told to Optuna, and the record that it keeps."""

    limits: dict[str, float]
    values: list[float]
    record: dict[str, object]


def metric_of(name: str) -> str:
    """The field of the metrics that an objective names, with - or _; CatalogueError with the valid ones."""
    field = METRICS.get(name.replace("_", "-"))
    if field is None and name in OBJECTIVES:
        field = name
    if field is None:
        close = nearest(name, METRICS)
        raise CatalogueError([Problem("unknown objective", value=repr(name), allowed=listed(METRICS), nearest=close)])
    return field


def objectives_of(names: Sequence[str]) -> tuple[str, ...]:
    """The fields of the metrics that the objectives of a search name, one a text or several with commas.

    CatalogueError with the valid ones, or where nothing but quality is asked for: the widest formats have most of it.

    >>> objectives_of(["tokens_per_dollar,qsnr", "accuracy-loss"])
    ('tokens_per_dollar', 'qsnr', 'accuracy_kept')
    """
    known = METRICS | QUALITY_METRICS
    fields = []
    for name in (part.strip() for text in names for part in text.split(",")):
        field = known.get(name.replace("_", "-"), name if name in known.values() else None)
        if field is None:
            close = nearest(name, known)
            raise CatalogueError([Problem("unknown objective", value=repr(name), allowed=listed(known), nearest=close)])
        fields.append(field)
    if not any(field in OBJECTIVES for field in fields):
        way_out = "search for one of these beside it: --objective tokens-per-dollar,qsnr"
        rule = "quality alone is no search, the widest formats have most of it"
        raise CatalogueError([Problem(rule, value=listed(names), allowed=listed(METRICS), way_out=way_out)])
    return tuple(dict.fromkeys(fields))


def mapping_objective(objectives: Sequence[str]) -> str:
    """The first objective that a mapping decides; what formats are worth is the same under all of them."""
    return next((name for name in objectives if name in OBJECTIVES), OBJECTIVES[0])


def limits_of(metrics: Metrics, design: int) -> dict[str, float]:
    """Excess over each limit of one design [1], finite."""
    found = {name: float(np.asarray(getattr(metrics.limits, name)).reshape(-1)[design]) for name in LIMITS}
    return {name: value if math.isfinite(value) else 1e9 for name, value in found.items()}


def broken_limits(limits: dict[str, float]) -> dict[str, float]:
    """Limits that are exceeded, worst first, as need over limit minus one [1]."""
    return dict(sorted(((k, v) for k, v in limits.items() if v > 0.0), key=lambda item: -item[1]))


def objective_values(
    metrics: Metrics, design: int, objectives: tuple[str, ...], limits: dict[str, float]
) -> list[float]:
    """Values told to Optuna, always finite: where the design cannot do the job, minus the worst excess over a limit.

    So samplers that know no constraints still see which way feasible designs lie.
    """
    worst = max(limits.values())
    if worst > 0.0:
        return [-worst] * len(objectives)
    values = [float(np.asarray(getattr(metrics, name))[design]) for name in objectives]
    return [value if math.isfinite(value) else 0.0 for value in values]


def trial_record(
    metrics: Metrics, mapping: Mapping, design: int, limits: dict[str, float], busy: dict[str, np.ndarray]
) -> dict[str, object]:
    """What a trial keeps beside its values: metrics and mapping of a feasible design, or the reasons against it.

    busy: share of a decode step in which each resource is busy, (designs,) [1]; only those above 1 % are kept.
    """
    broken = broken_limits(limits)
    if broken:
        return {"feasible": False, "reasons": broken}
    return {
        "feasible": True,
        "metrics": {name: float(getattr(metrics, name)[design]) for name in RECORDED},
        "mapping": {name: float(getattr(mapping, name)[design]) for name in Mapping.__dataclass_fields__},
        "busy": {name: round(float(share[design]), 3) for name, share in busy.items() if share[design] >= LEAST_SHARE},
    }
