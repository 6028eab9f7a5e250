"""Which mappings are alike? A tree: few groups, each of smaller ones, down to the single mapping."""

from __future__ import annotations

from dataclasses import dataclass, fields

import jax
import numpy as np

from dse.search.sweeps.roofs import Needs

__all__ = ["Tree", "tree_of"]

FIRST_CUTS, CUTS = 5, 3
"""Cuts, each in two, that make the coarsest groups, and each of the next levels [1]."""

FEW = 16
"""Mappings of a group that is cut into single ones [1]."""

MOST_CUTS = 24
"""Cuts after which groups are cut into single mappings however many they are [1]."""

SMALLEST = 1e-9
"""Share of the largest need below which mappings count as alike [1]."""

AT_MOST = ("reuse",)
"""Needs of which a group has the largest of its members: more of it saves time."""


@dataclass(frozen=True)
class Tree:
    """Groups of mappings, level by level, the single mappings last.

    needs: the least of each group with networks of each shape, and with those of any, one shape after the other,
    leaves (2, shapes x size) and (shapes x size,); size: groups, padded to a power of two; first, count: the groups of
    the next level of each; levels: first group of every level; places: of the mappings of the last level in the
    lattice.
    """

    needs: Needs
    size: int
    first: np.ndarray
    count: np.ndarray
    levels: tuple[int, ...]
    places: np.ndarray

    @property
    def roots(self) -> np.ndarray:
        """The coarsest groups."""
        return np.arange((*self.levels, len(self.places))[1])

    def place(self, groups: np.ndarray) -> np.ndarray:
        """Places in the lattice of groups of the last level."""
        return self.places[groups - self.levels[-1]]


def tree_of(needs: list[Needs], weights: np.ndarray) -> Tree:
    """The tree of mappings by what each needs, leaves (2, mappings) and (mappings,), with networks of each shape.

    weights: how much it matters that mappings differ in a need, of the needs in their order (rows,) [1].
    """
    rows = np.concatenate([rows_of(one) * np.sqrt(weights) for one in needs], axis=1)
    order, starts, cuts, levels = np.arange(len(rows)), np.zeros(1, np.int64), 0, []
    while cuts < MOST_CUTS and (cuts < FIRST_CUTS or np.diff(starts, append=len(rows)).max() > FEW):
        for _ in range(CUTS if cuts >= FIRST_CUTS else FIRST_CUTS):
            order, starts = halved(rows, order, starts)
            cuts += 1
        levels.append(starts)
    levels.append(np.arange(len(rows)))
    bases = np.cumsum([0, *(len(level) for level in levels)])
    first, count = [], []
    for level, below, base in zip(levels[:-1], levels[1:], bases[1:], strict=False):
        edges = np.searchsorted(below, np.append(level, len(rows)))
        first.append(base + edges[:-1])
        count.append(np.diff(edges))
    size = 1 << int(bases[-1] - 1).bit_length()
    shaped = [padded_groups([least(one, order, level) for level in levels], size) for one in needs]
    shaped.append(any_shape(shaped))
    return Tree(
        needs=jax.device_put(jax.tree.map(lambda *leaves: np.concatenate(leaves, -1), *shaped)),
        size=size,
        first=np.concatenate(first),
        count=np.concatenate(count),
        levels=tuple(int(base) for base in bases[:-1]),
        places=order,
    )


def rows_of(needs: Needs) -> np.ndarray:
    """The logarithms of what each mapping needs (mappings, rows)."""
    rows = np.concatenate([np.atleast_2d(np.asarray(leaf, float)) for leaf in jax.tree.leaves(needs)]).T
    return np.log(np.maximum(rows, rows.max(0) * SMALLEST + np.finfo(float).tiny))


def padded_groups(levels: list[Needs], size: int) -> Needs:
    """The groups of all levels, one after the other, in single precision; leaves (2, size) and (size,)."""

    def joined(*leaves: np.ndarray) -> np.ndarray:
        whole = np.concatenate(leaves, -1)
        return np.pad(whole, [(0, 0)] * (whole.ndim - 1) + [(0, size - whole.shape[-1])]).astype(np.float32)

    return jax.tree.map(joined, *levels)


def any_shape(needs: list[Needs]) -> Needs:
    """The least needs over several shapes of networks, and the most of what saves."""
    found = {}
    for field in fields(Needs):
        reduce = np.maximum if field.name in AT_MOST else np.minimum
        found[field.name] = reduce.reduce([getattr(one, field.name) for one in needs])
    return Needs(**found)


def halved(rows: np.ndarray, order: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every group in two at the middle of the range of the need that differs most within it, by its logarithm.

    order: mappings, group by group; starts: of the groups. Mappings of equal needs are cut in the middle of their list.
    """
    sizes = np.diff(starts, append=len(order))
    group, inside = np.repeat(np.arange(len(starts)), sizes), rows[order]
    low, high = np.minimum.reduceat(inside, starts), np.maximum.reduceat(inside, starts)
    axis = (high - low).argmax(1)
    each = np.arange(len(starts))
    middle, alike = (low[each, axis] + high[each, axis]) / 2.0, high[each, axis] <= low[each, axis]
    late = np.arange(len(order)) - starts[group] >= (sizes[group] + 1) // 2
    right = np.where(alike[group], late, inside[np.arange(len(order)), axis[group]] > middle[group])
    side = 2 * group + right
    again = np.argsort(side, kind="stable")
    return order[again], np.flatnonzero(np.diff(side[again], prepend=-1))


def least(needs: Needs, order: np.ndarray, starts: np.ndarray) -> Needs:
    """The least needs of each group, and the most of what saves; (2, groups). order, starts: as in `halved`."""
    found = {}
    for field in fields(Needs):
        reduce = np.maximum if field.name in AT_MOST else np.minimum
        found[field.name] = reduce.reduceat(np.asarray(getattr(needs, field.name))[..., order], starts, axis=-1)
    return Needs(**found)
