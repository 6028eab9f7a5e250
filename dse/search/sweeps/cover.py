"""In which parts is a grid covered? Boxes that are numbered, every beginning of them spread over the grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.search.sweeps.swept import Sweep, spread

__all__ = ["Cover", "cover_of", "designs_in", "volume"]

REGIONS = 4096
"""Boxes that a whole grid is cut into, at least, where it has so many designs [1]."""


@dataclass(frozen=True)
class Cover:
    """Boxes by their places in the order of a sweep: first and last rows on every axis, (places, axes).

    kind: of parts, boxes of the whole grid or single designs, whose places say nothing of those of the other kind.
    """

    first: np.ndarray
    last: np.ndarray
    kind: str = "part"

    @property
    def count(self) -> int:
        """Boxes [1]."""
        return len(self.first)

    def chunk(self, shard: int, of: int, places: np.ndarray) -> str:
        """The name of the chunk of some places, in a row of a shard."""
        return f"{self.kind}-{shard:05}-of-{of:05}-{places[0]:010}-{len(places):010}"

    @property
    def sizes(self) -> np.ndarray:
        """Designs in each (places,)."""
        return volume(self.first, self.last)


def volume(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Designs in boxes (boxes,)."""
    return np.prod(last - first + 1, axis=-1, dtype=np.int64)


def designs_in(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Rows of all designs of a box (designs, axes). first, last: rows of the box (axes,)."""
    shape = last - first + 1
    return np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), axis=-1) + first


def cover_of(sweep: Sweep, designs: int, regions: int = REGIONS) -> Cover:
    """The whole grid in regions, or single designs spread over it when fewer are asked for."""
    if designs < sweep.grid.designs:
        digits = sweep.digits_of(sweep.numbers(0, designs))
        return Cover(digits, digits, "design")
    first, last = np.zeros((1, len(sweep.shape)), np.int64), np.array(sweep.shape)[None] - 1
    for axis in sweep.order:
        if len(first) >= regions:
            break
        wide = last[:, axis] > first[:, axis]
        middle = (first[:, axis] + last[:, axis]) // 2
        left, right = last.copy(), first[wide]
        left[wide, axis], right[:, axis] = middle[wide], middle[wide] + 1
        first, last = np.concatenate([first, right]), np.concatenate([left, last[wide]])
    order = spread(len(first), np.arange(len(first)))
    return Cover(first[order], last[order])
