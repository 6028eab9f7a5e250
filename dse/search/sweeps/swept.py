"""What is swept? A grid and the job of its designs, in the form in which programs of JAX take them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dse.analysis.comparison import Job
from dse.assumptions import Assumptions
from dse.search.sweeps.bounds import Work
from dse.search.sweeps.boxes import Tables
from dse.search.sweeps.grid import Grid
from dse.search.sweeps.groups import Tree
from dse.search.sweeps.points import Points, Rivals, reached, rivals_at, rivals_of
from dse.timing.mapping import Mapping
from dse.workload.traffic import Traffic
from dse.workload.transformer import Transformer

__all__ = ["Sweep", "spread"]


@dataclass(frozen=True)
class Sweep:
    """A grid and the job of its designs, ready for the evaluator.

    prune: leave out what cannot be best; front: look for the front too, else for the optimum of the job's objective
    alone; speeds: at which the front is wanted, rising, none for all of it and for all optima [1/s]; share: of the most
    tokens per dollar that is to be had at a speed, lest it is left out [1]; apart: of each axis 1, or 0 where a box
    holds all that lies between its points too; order: axes in which boxes are halved; shapes: of the networks (shapes,
    leaves). The rest is in single precision: tables of the chips, model, traffic, assumptions, the lattice in blocks,
    the work of each mapping, and what groups of mappings need.
    """

    grid: Grid
    job: Job
    prune: bool
    front: bool
    speeds: np.ndarray
    share: float
    tables: Tables
    shapes: np.ndarray
    apart: np.ndarray
    order: np.ndarray
    model: Transformer
    traffic: Traffic
    assumptions: Assumptions
    lattice: tuple[Mapping, ...]
    work: Work
    tree: Tree

    @property
    def mappings(self) -> int:
        """Mappings of every design [1]."""
        return int(np.size(self.job.mappings.batch))

    @property
    def width(self) -> int:
        """Mappings of a block of the lattice [1]."""
        return int(np.size(self.lattice[0].batch))

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows of every axis [1]."""
        return self.grid.shape

    @property
    def stated(self) -> bool:
        """Whether the front is wanted at stated speeds, not the whole of it."""
        return self.front and len(self.speeds) > 0

    def sought(self, points: Points) -> np.ndarray:
        """Those of the stated speeds that are worth it, and possible, by what is known [1/s]."""
        return reached(self.speeds, points, self.share)

    def rivals(self, points: Points, speeds: np.ndarray) -> Rivals:
        """What bounds are held against when some points are known. speeds: at which the front is sought [1/s]."""
        if self.stated:
            return rivals_at(points, self.job.objective, speeds)
        return rivals_of(points, "" if self.front else self.job.objective)

    def numbers(self, start: int, stop: int) -> np.ndarray:
        """Numbers of the designs at these places of an order: each once, every beginning spread over the grid.

        Multiples of a step near the golden section of the grid and coprime to its size.
        """
        return spread(self.grid.designs, np.arange(start, stop))

    def digits_of(self, numbers: np.ndarray) -> np.ndarray:
        """Rows of designs on every axis (designs, axes)."""
        return np.stack(np.unravel_index(numbers, self.shape), axis=-1)

    def numbers_of(self, digits: np.ndarray) -> np.ndarray:
        """Numbers of designs by their rows (designs, axes)."""
        return np.asarray(np.ravel_multi_index(tuple(digits.T), self.shape))


def spread(total: int, places: np.ndarray) -> np.ndarray:
    """Each of so many things once, every beginning spread over all of them.

    >>> spread(10, np.arange(10)).tolist()
    [0, 7, 4, 1, 8, 5, 2, 9, 6, 3]
    """
    step = max(round(total * (math.sqrt(5.0) - 1.0) / 2.0), 1)
    while math.gcd(step, total) > 1:
        step += 1
    return places * step % total
