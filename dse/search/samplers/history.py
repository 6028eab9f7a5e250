"""What has a study told a sampler, and what is under way? Every finished trial is read once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from dse.search.samplers.genes import Columns, Genes, SearchSpace, columns_of, genes_of, snapped
from dse.search.samplers.hypervolume import extended, undominated

__all__ = ["CELLS", "Active", "History", "Scored", "better_first"]

CELLS = 4096
"""Cells into which a continuous parameter is cut to say whether two designs are the same [1]."""

KEPT = 16
"""Best trials that are kept of a study with one objective [1]."""

Active = Callable[[Columns], dict[str, np.ndarray]]
"""From columns to the parameters that conditions govern, and in which designs they are free (designs,)."""


@dataclass(frozen=True)
class Scored:
    """Designs with their values, more is better, and their excess over limits, feasible when not above 0."""

    genes: Genes
    values: np.ndarray
    excess: np.ndarray

    def __len__(self) -> int:
        """Designs [1]."""
        return len(self.genes)

    def take(self, places: np.ndarray) -> Scored:
        """Some of the designs."""
        return Scored(self.genes[places], self.values[places], self.excess[places])

    def joined(self, other: Scored) -> Scored:
        """These designs, and others behind them."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("genes", "values", "excess"))
        return Scored(*(np.concatenate(pair) for pair in pairs))


def better_first(values: np.ndarray, excess: np.ndarray) -> np.ndarray:
    """Order of designs: feasible ones by their value, the others by their excess.

    >>> better_first(np.array([1.0, 9.0, 2.0]), np.array([0.0, 0.5, 0.0])).tolist()
    [2, 0, 1]
    """
    broken = excess > 0.0
    return np.lexsort((np.where(broken, excess, -values), broken))


@dataclass
class History:
    """What is known of a study: the best trials or the front, the cells of all trials, and what is running.

    signs: of the objectives, -1 where less is better; active: as in `Active`; read: trials seen; open: numbers of those
    that were not finished when they were; proposed: number -> own proposal; looked_at: trials opened in all, which
    grows with the trials and not with their square.
    """

    space: SearchSpace
    signs: np.ndarray
    active: Active | None = None
    read: int = 0
    open: list[int] = field(default_factory=list)
    proposed: dict[int, Scored] = field(default_factory=dict)
    cells: set[bytes] = field(default_factory=set)
    best: Scored | None = None
    looked_at: int = 0

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """Read what is new."""
        numbers = [*self.open, *range(self.read, len(trials))]
        self.read, self.looked_at = len(trials), self.looked_at + len(numbers)
        finished = [trials[number] for number in numbers if trials[number].state.is_finished()]
        self.open = [number for number in numbers if not trials[number].state.is_finished()]
        for trial in finished:
            self.proposed.pop(trial.number, None)
        if finished:
            self.remember(finished)

    def remember(self, finished: Sequence[FrozenTrial]) -> None:
        """Keep the cells of finished trials, and the best of those that have values."""
        self.cells |= self.cells_of(genes_of(self.space, [trial.params for trial in finished]))
        told = [trial for trial in finished if trial.state == TrialState.COMPLETE]
        if not told:
            return
        new = self.scored(told)
        if self.best is not None and len(self.signs) > 1 and (self.best.excess <= 0.0).all():
            new = new.take(np.flatnonzero(new.excess <= 0.0))
            old, more = extended(self.best.values, new.values)
            self.best = self.best.take(np.flatnonzero(old)).joined(new.take(np.flatnonzero(more)))
            return
        every = new if self.best is None else self.best.joined(new)
        self.best = every.take(self.worth_keeping(every))

    def scored(self, told: Sequence[FrozenTrial]) -> Scored:
        """Told trials as designs with their values."""
        values = np.array([trial.values for trial in told], np.float64) * self.signs
        excess = np.array([max(trial.constraints.values(), default=0.0) for trial in told])
        return Scored(genes_of(self.space, [trial.params for trial in told]), values, excess)

    def worth_keeping(self, every: Scored) -> np.ndarray:
        """Places of the front, or of the KEPT best of one objective; while none is feasible of those nearest to it."""
        order = better_first(every.values[:, 0], every.excess)
        feasible = np.flatnonzero(every.excess <= 0.0)
        if every.values.shape[1] == 1 or not len(feasible):
            return order[:KEPT]
        return feasible[undominated(every.values[feasible])]

    def cells_of(self, genes: Genes) -> set[bytes]:
        """What makes designs the same: the cell of each parameter that is free."""
        return {row.tobytes() for row in self.canonical(genes)}

    def canonical(self, genes: Genes) -> np.ndarray:
        """Cells of designs, -1 where a parameter is not free; (designs, parameters)."""
        cells = snapped(self.space, genes, CELLS)
        if self.active is not None and len(genes):
            names = list(self.space)
            for name, free in self.active(columns_of(self.space, genes)).items():
                cells[:, names.index(name)] = np.where(free, cells[:, names.index(name)], -1)
        return cells

    def running(self, trials: Sequence[FrozenTrial], number: int) -> set[bytes]:
        """Cells of the trials that are under way, whoever began them, but for the one of this number: it is asked for.

        It may have parameters already, those of which there is one value only.
        """
        elsewhere: list[dict[str, Any]] = [
            trials[one].system_attrs.get("fixed_params", trials[one].params)
            for one in self.open
            if one != number and one not in self.proposed
        ]
        own = [proposal.genes for proposal in self.proposed.values()]
        others = genes_of(self.space, [params for params in elsewhere if params])
        return self.cells_of(np.concatenate([*own, others]))

    def fresh(self, genes: Genes, running: set[bytes]) -> np.ndarray:
        """Places of designs that are neither told nor running, each design once."""
        seen = set(running)
        places = []
        for place, row in enumerate(self.canonical(genes)):
            key = row.tobytes()
            if key not in seen and key not in self.cells:
                seen.add(key)
                places.append(place)
        return np.array(places, np.int64)

    def front(self) -> np.ndarray:
        """Values of the front that is told, with those that are predicted of what is running (points, objectives)."""
        none = np.zeros((0, len(self.signs)))
        told = none if self.best is None or (self.best.excess > 0.0).any() else self.best.values
        running = [one.values for one in self.proposed.values() if one.excess[0] <= 0.0]
        if not running:
            return told
        new = np.concatenate(running)
        old, more = extended(told, new)
        return np.concatenate([told[old], new[more]])
