"""Where does a point of an Optuna search space lie in the unit cube? And which value has a place in it?

A parameter is one axis: a continuous one is as it is, on its own scale; integers, steps and choices are cells of equal
width, in their order, so that neighbours are near each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, Int, Shaped
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

__all__ = [
    "Columns",
    "Genes",
    "SearchSpace",
    "cells_of",
    "columns_of",
    "genes_of",
    "is_ordered",
    "params_of",
    "snapped",
]

Columns: TypeAlias = dict[str, Shaped[np.ndarray, " designs"]]
"""Parameter -> its value in each design, as the trial would suggest it."""

Genes: TypeAlias = Float[np.ndarray, "designs parameters"]
"""Places in the unit cube."""

SearchSpace: TypeAlias = Mapping[str, BaseDistribution]


def cells_of(found: BaseDistribution) -> int:
    """Different values of a parameter, 0 where it is continuous [1].

    >>> cells_of(IntDistribution(1, 9, step=2)), cells_of(FloatDistribution(0.0, 1.0))
    (5, 0)
    """
    if found.single():
        return 1
    if isinstance(found, CategoricalDistribution):
        return len(found.choices)
    if isinstance(found, IntDistribution):
        return (found.high - found.low) // found.step + 1
    assert isinstance(found, FloatDistribution)
    return 0 if found.step is None else round((found.high - found.low) / found.step) + 1


def is_ordered(found: BaseDistribution) -> bool:
    """Whether neighbouring cells are neighbouring values: all but names, and flags."""
    if not isinstance(found, CategoricalDistribution):
        return True
    return all(isinstance(choice, int | float) and not isinstance(choice, bool) for choice in found.choices)


def choices_of(found: CategoricalDistribution) -> np.ndarray:
    """The choices as an array, of objects where they are not all of one type."""
    alike = len({type(choice) for choice in found.choices}) == 1 and isinstance(found.choices[0], str | int | float)
    if alike:
        return np.array(found.choices)
    array = np.empty(len(found.choices), object)
    array[:] = found.choices
    return array


def values_of(found: BaseDistribution, genes: Float[np.ndarray, " designs"]) -> Shaped[np.ndarray, " designs"]:
    """Values of one parameter at places from 0 to 1.

    >>> values_of(IntDistribution(2, 4), np.array([0.0, 0.5, 1.0])).tolist()
    [2, 3, 4]
    """
    if isinstance(found, FloatDistribution) and found.step is None:
        if found.log:
            return np.clip(found.low * (found.high / found.low) ** genes, found.low, found.high)
        return found.low + (found.high - found.low) * genes
    if isinstance(found, IntDistribution) and found.log:
        low, high = found.low - 0.5, found.high + 0.5
        return np.clip(np.round(low * (high / low) ** genes), found.low, found.high).astype(np.int64)
    count = cells_of(found)
    places = np.minimum((genes * count).astype(np.int64), count - 1)
    if isinstance(found, CategoricalDistribution):
        return choices_of(found)[places]
    assert isinstance(found, IntDistribution | FloatDistribution)
    step = found.step
    assert step is not None
    return np.minimum(found.low + places * step, found.high)


def columns_of(space: SearchSpace, genes: Genes) -> Columns:
    """A column for every parameter."""
    return {name: values_of(found, genes[:, place]) for place, (name, found) in enumerate(space.items())}


def params_of(space: SearchSpace, genes: Float[np.ndarray, " parameters"]) -> dict[str, Any]:
    """The values of one design, as a trial suggests them."""
    return {
        name: column[0].item() if hasattr(column[0], "item") else column[0]
        for name, column in columns_of(space, genes[None, :]).items()
    }


def gene_of(found: BaseDistribution, value: Any) -> float:
    """The place of one value, the middle of its cell where there are cells; nearest where it lies outside."""
    if found.single():
        return 0.5
    if isinstance(found, CategoricalDistribution):
        return (int(found.to_internal_repr(value)) + 0.5) / len(found.choices)
    assert isinstance(found, IntDistribution | FloatDistribution)
    low, high = float(found.low), float(found.high)
    inside = min(max(float(value), low), high)
    if found.log:
        low, high = (low - 0.5, high + 0.5) if isinstance(found, IntDistribution) else (low, high)
        return float(np.log(inside / low) / np.log(high / low))
    if found.step is None:
        return (inside - low) / (high - low)
    return (round((inside - low) / found.step) + 0.5) / cells_of(found)


def genes_of(space: SearchSpace, params: Sequence[Mapping[str, Any]]) -> Genes:
    """Places of designs; a parameter that a design lacks, as its condition does not hold, is in the middle."""
    rows = [[gene_of(found, one[name]) if name in one else 0.5 for name, found in space.items()] for one in params]
    return np.array(rows, np.float64).reshape(len(rows), len(space))


def snapped(space: SearchSpace, genes: Genes, cells: int) -> Int[np.ndarray, "designs parameters"]:
    """The cell of each place; a continuous parameter counts as so many cells."""
    counts = np.array([cells_of(found) or cells for found in space.values()])
    return np.minimum((genes * counts).astype(np.int64), counts - 1)
