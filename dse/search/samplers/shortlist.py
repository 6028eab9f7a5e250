"""Under which few mappings is a design tried? Those that were best for some, and scouts from around them.

A few dozen mappings are best for nearly all good designs of a space; of the ten thousand others some scouts are tried
each time, so that a mapping which is missing is found.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int

from dse.arrays import leaf_names
from dse.timing.mapping import Mapping

__all__ = ["SCOUTS", "SIZE", "Shortlist"]

SIZE = 64
"""Mappings that are tried at a time, scouts among them [1]."""
SCOUTS = 32
"""Mappings of no merit yet among them [1]."""
STRANGERS = 6
"""Scouts that are drawn from the whole lattice; the others are neighbours of a mapping that was best [1]."""
NEAR = 2
"""Steps to the farthest neighbour, from value to value in the lattice, over all fields of a mapping [1]."""


@dataclass
class Shortlist:
    """Places in a lattice of mappings; the same calls give the same places.

    lattice: leaves (mappings,); won: place -> turn in which it was last best for a design; turn: tries so far [1].
    """

    lattice: Mapping
    won: dict[int, int] = field(default_factory=dict)
    turn: int = 0

    def __post_init__(self) -> None:
        columns = [np.asarray(getattr(self.lattice, name)) for name in leaf_names(Mapping)]
        self.ranks = np.column_stack([np.unique(column, return_inverse=True)[1] for column in columns])
        self.generator = np.random.default_rng(0)

    def next(self) -> Int[np.ndarray, " places"]:
        """The places to be tried now, each once where the lattice has as many: SIZE of them."""
        self.turn += 1
        known = list(self.won)
        scouts = [place for place in self.scouts() if place not in self.won]
        return np.resize(np.array([*known, *scouts])[:SIZE], SIZE)

    def scouts(self) -> list[int]:
        """Neighbours of one of the places, and some of all, in random order."""
        strangers = self.generator.integers(0, len(self.ranks), STRANGERS).tolist()
        if not self.won:
            return strangers
        middle = list(self.won)[int(self.generator.integers(len(self.won)))]
        near = np.flatnonzero(np.abs(self.ranks - self.ranks[middle]).sum(axis=1) <= NEAR)
        return list(dict.fromkeys([*strangers, *self.generator.permutation(near)[:SIZE].tolist()]))

    def reward(self, places: Int[np.ndarray, " designs"]) -> None:
        """Remember which mappings were best, the most important last, and forget those that were not for longest.

        Of those that were best in the same turn the least important is forgotten first.
        """
        for place in [*dict.fromkeys(places[::-1].tolist())][::-1]:
            self.won.pop(place, None)
            self.won[place] = self.turn
        for place in sorted(self.won, key=lambda one: self.won[one])[: max(0, len(self.won) - (SIZE - SCOUTS))]:
            del self.won[place]
