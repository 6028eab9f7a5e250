"""What does a number format buy? The best chip of a space that multiplies in it and keeps everything in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dse.analysis.comparison import Job, job_of
from dse.catalogue import Catalogue
from dse.catalogue.build import build_chips
from dse.catalogue.library import Column, Library
from dse.catalogue.numerics import EXPERTS
from dse.catalogue.space import Space, space_of
from dse.evaluate import Metrics
from dse.hardware.chip import Chip
from dse.search.samplers.redesign import Effort, redesign

__all__ = ["USES", "Bought", "areas", "bought_by", "in_format", "in_one_format"]

RATES = "matrix.rates."
USES = ("numerics.weights", "numerics.activations", "numerics.kv_cache")


@dataclass(frozen=True)
class Bought:
    """The best design of a space in each format; metrics: leaves (formats,); tried: designs in all [1]."""

    space: str
    model: str
    traffic: str
    formats: tuple[str, ...]
    metrics: Metrics
    tried: int


def in_one_format(columns: Mapping[str, Column], names: Column) -> dict[str, Column]:
    """Designs that multiply one format each (designs,), and keep weights, activations and cache in it."""
    rest = {path: value for path, value in columns.items() if not path.startswith(RATES) and path != EXPERTS}
    return rest | dict.fromkeys(("matrix.native", *USES), names)


def in_format(chip: Chip, own: np.ndarray | float, native: float) -> Chip:
    """The chip with as many cells of its format as fit into the silicon of its arrays.

    own, native: area of a cell of the format, and of the one that the arrays are sized for, over bf16 [1]. Arrays keep
    rows, columns and area; what a cell of the native format was does native / own products a clock.
    """
    matrix = replace(chip.matrix, area_ratio=np.broadcast_to(native, np.shape(chip.matrix.area_ratio)))
    return replace(chip, matrix=matrix, numerics=replace(chip.numerics, rate=chip.numerics.rate * native / own))


def areas(names: Sequence[str], library: Library) -> np.ndarray:
    """Area of a multiply-accumulate in each format over bf16 [1]."""
    shelf = library.formats(list(names))
    return shelf.columns["mac_area_ratio"][[shelf.row(name) for name in names]]


def bought_by(catalogue: Catalogue, name: str, formats: Sequence[str], effort: Effort) -> Bought:
    """The best design of a space, for the job that it names, in each of the formats."""
    space: Space = space_of(catalogue.entry("space", name))
    job: Job = job_of(catalogue, space.model, space.traffic, space.price_basis)
    own, names = areas(formats, catalogue.library), np.array(formats)
    native = float(areas([str(space.fixed["matrix.native"])], catalogue.library)[0])
    free = {path: value for path, value in space.free.items() if path not in (*USES, EXPERTS)}

    def make(columns: dict[str, Column], variant: np.ndarray) -> Chip:
        chip = build_chips(in_one_format(columns, names[variant]), catalogue.library)
        return in_format(chip, own[variant], native)

    found = redesign(replace(space, free=free), job, make, len(formats), effort)
    return Bought(space.name, space.model, space.traffic, tuple(formats), found.best.metrics, found.tried)
