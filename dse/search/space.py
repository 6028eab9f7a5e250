"""How does Optuna see a search space? Free fields as distributions, samples as columns, columns as chips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from dse.catalogue.build import build_chips
from dse.catalogue.conditions import holds
from dse.catalogue.fields import Choices, Range, Value
from dse.catalogue.library import Column, Library
from dse.catalogue.read import dimension_of
from dse.catalogue.space import Space, activate
from dse.hardware.chip import Chip
from dse.units import rounded

__all__ = ["TARGET", "chips_of_samples", "distributions", "flat_design", "suggest"]

TARGET = "target.time_per_output_token"
"""Sampled limit on the time per output token of studies with several objectives: a trial is a point of a front."""


def distribution(field: Range | Choices) -> BaseDistribution:
    """The Optuna distribution of a free field, in base units."""
    if isinstance(field, Choices):
        return CategoricalDistribution(field.values)
    if field.step == 1.0 and field.low.is_integer() and field.high.is_integer():
        return IntDistribution(int(field.low), int(field.high), log=field.log)
    return FloatDistribution(field.low, field.high, log=field.log, step=None if field.log else field.step)


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Every free field, unconditional ones first, conditional ones after those that they look at."""
    order = [path for path in space.free if path not in space.conditions] + list(space.conditions)
    return {path: distribution(space.free[path]) for path in order}


def as_written(value: float, path: str, field: Range) -> float:
    """A sampled number [base units] with the six digits that a chip file will say, within the bounds of its field."""
    return min(max(rounded(value, dimension_of("space", path)), field.low), field.high)


def suggest_one(trial: Trial, path: str, found: BaseDistribution) -> Value:
    """One value from the trial."""
    if isinstance(found, CategoricalDistribution):
        return trial.suggest_categorical(path, found.choices)  # pyright: ignore[reportReturnType]
    if isinstance(found, IntDistribution):
        return float(trial.suggest_int(path, found.low, found.high, log=found.log))
    assert isinstance(found, FloatDistribution)
    return trial.suggest_float(path, found.low, found.high, log=found.log, step=found.step)


def suggest(trial: Trial, space: Space, found: Mapping[str, BaseDistribution]) -> dict[str, Value]:
    """A complete design from a trial: free fields are suggested where their condition holds, else take `otherwise`."""
    design: dict[str, Value] = dict(space.fixed)
    for path, one in found.items():
        condition = space.conditions.get(path)
        if condition is None or holds(condition, design):
            value, field = suggest_one(trial, path, one), space.free[path]
            design[path] = as_written(float(value), path, field) if isinstance(field, Range) else value
        else:
            otherwise = space.free[path].otherwise
            assert otherwise is not None
            design[path] = otherwise
    return design


def flat_design(space: Space, params: Mapping[str, Value]) -> dict[str, Value]:
    """The complete description of a design from the parameters of its trial."""
    known = {
        path: as_written(float(value), path, field) if isinstance(field := space.free[path], Range) else value
        for path, value in params.items()
        if path in space.free
    }
    return dict(activate(space, known))  # pyright: ignore[reportArgumentType, reportReturnType]


def chips_of_samples(space: Space, designs: Sequence[Mapping[str, Value]], library: Library) -> Chip:
    """Chips, leaves (designs,), from complete designs."""
    columns: dict[str, Column] = {**space.fixed}
    for path in space.free:
        columns[path] = np.array([design[path] for design in designs])
    return build_chips(columns, library)
