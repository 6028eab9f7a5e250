"""At which width of the weights is a chip of a space best? Re-designed for each, activations in one of two formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dse.analysis.comparison import job_of
from dse.analysis.format_chips import USES
from dse.catalogue import Catalogue
from dse.catalogue.build import build_chips
from dse.catalogue.library import Column
from dse.catalogue.numerics import EXPERTS
from dse.catalogue.space import space_of
from dse.evaluate import Metrics
from dse.hardware.chip import Chip
from dse.search.samplers.redesign import Columns, Effort, redesign

__all__ = ["Widths", "weight_widths"]


@dataclass(frozen=True)
class Widths:
    """The best design of a space for each pair of formats; metrics: leaves (pairs,); tried: designs in all [1]."""

    space: str
    model: str
    traffic: str
    pairs: tuple[tuple[str, str], ...]
    columns: Columns
    metrics: Metrics
    tried: int


def pairs_of(catalogue: Catalogue, weights: Sequence[str], activations: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Weights with the first format of activations, and with the others where the weights are no wider.

    Products are taken in the wider of the two: activations beside wider weights would be in the format of these.
    """
    bits = {name: float(catalogue.entry("format", name).values["bits"]) for name in (*weights, *activations)}
    first, *others = activations
    beside = [(name, other) for other in others for name in weights if bits[name] <= bits[other]]
    return tuple([(name, first) for name in weights] + beside)


def weight_widths(
    catalogue: Catalogue, name: str, weights: Sequence[str], activations: Sequence[str], effort: Effort
) -> Widths:
    """The best design of a space, for the job that it names, with each format of the weights, experts' included."""
    space = space_of(catalogue.entry("space", name))
    job = job_of(catalogue, space.model, space.traffic, space.price_basis)
    pairs = pairs_of(catalogue, weights, activations)
    chosen = np.array(pairs)
    given = (*USES[:2], EXPERTS)
    fixed, free = ({path: one for path, one in part.items() if path not in given} for part in (space.fixed, space.free))

    def make(columns: dict[str, Column], variant: np.ndarray) -> Chip:
        formats = dict(zip(USES[:2], chosen[variant].T, strict=True))
        return build_chips({**columns, **formats}, catalogue.library)

    found = redesign(replace(space, fixed=fixed, free=free), job, make, len(pairs), effort)
    return Widths(space.name, space.model, space.traffic, pairs, found.columns, found.best.metrics, found.tried)
