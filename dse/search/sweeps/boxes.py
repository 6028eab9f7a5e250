"""Which chips lie in a box of designs? What each number of a chip can be there, read off small tables.

A box holds, of each axis of a grid, the rows from one to another. A number of a chip follows from one to three axes
only, so that a table over these rows, and one over all their beginnings and ends, says what it is in a design and what
it ranges over in a box. Between the points of an axis every number of a chip is monotone: the same tables hold for the
whole range from the first point to the last, whatever lies between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from dse.catalogue.build import build_chips
from dse.catalogue.library import Library
from dse.hardware.chip import Chip
from dse.search.sweeps.grid import Grid

__all__ = ["Rows", "Tables", "chip_range", "chips_at", "every_value", "tables_of"]

if TYPE_CHECKING:
    Rows = Any  # whole numbers in an array; its type is checked while the tests run
else:
    Rows = Int[Array, "..."] | Int[np.ndarray, "..."]

TRIALS = 512
"""Designs in which every axis is varied alone to see which numbers follow [1]."""


@partial(jax.tree_util.register_dataclass, data_fields=["values", "low", "high"], meta_fields=["axes", "shape", "form"])
@dataclass(frozen=True)
class Tables:
    """What each leaf of a chip, in their order, is over the rows of the axes that it follows.

    values: (rows of its axes,), low, high: (first and last rows of its axes,); axes: of each leaf, none for one that is
    the same everywhere; shape: rows of every axis [1]; form: of a chip, as a tree of leaves.
    """

    values: tuple[Any, ...]
    low: tuple[Any, ...]
    high: tuple[Any, ...]
    axes: tuple[tuple[int, ...], ...]
    shape: tuple[int, ...]
    form: Any


def chips_of(grid: Grid, digits: np.ndarray, library: Library) -> list[np.ndarray]:
    """The leaves of designs by their rows (axes, designs), in single precision."""
    columns = grid.columns_at(digits)
    leaves = jax.tree.leaves(build_chips(columns, library))
    return [np.broadcast_to(np.asarray(leaf, np.float32), digits.shape[1:]) for leaf in leaves]


def axes_of(grid: Grid, library: Library) -> list[tuple[int, ...]]:
    """The axes that each leaf follows: those that change it in some of many designs when they alone are varied."""
    generator = np.random.default_rng(0)
    digits = np.stack([generator.integers(0, rows, TRIALS) for rows in grid.shape])
    before = chips_of(grid, digits, library)
    found: list[set[int]] = [set() for _ in before]
    for axis, rows in enumerate(grid.shape):
        varied = np.repeat(digits, rows, axis=1)
        varied[axis] = np.tile(np.arange(rows), TRIALS)
        for leaf, (one, others) in enumerate(zip(before, chips_of(grid, varied, library), strict=True)):
            if not np.array_equal(np.repeat(one, rows), others, equal_nan=True):
                found[leaf].add(axis)
    return [tuple(sorted(axes)) for axes in found]


def tables_of(grid: Grid, library: Library) -> Tables:
    """The tables of a grid."""
    axes = axes_of(grid, library)
    values: list[Any] = [None] * len(axes)
    for some in set(axes):
        rows = [grid.shape[axis] for axis in some]
        digits = np.zeros((len(grid.shape), int(np.prod(rows))), np.int64)
        digits[list(some)] = np.indices(rows).reshape(len(rows), int(np.prod(rows)))
        for leaf, column in enumerate(chips_of(grid, digits, library)):
            if axes[leaf] == some:
                values[leaf] = column.reshape(rows)
    ends = [[ranged(value, reduce).ravel() for value in values] for reduce in (np.min, np.max)]
    form = jax.tree.structure(build_chips(grid.columns_at(np.zeros((len(grid.shape), 1), np.int64)), library))
    flat = tuple(value.ravel() for value in values)
    return Tables(flat, tuple(ends[0]), tuple(ends[1]), tuple(axes), grid.shape, form)


def ranged(values: np.ndarray, reduce: Any) -> np.ndarray:
    """Least or greatest of a table over the rows from one to another, two dimensions for each of its own."""
    for axis in range(values.ndim):
        rows = values.shape[2 * axis]
        out = np.empty((*values.shape[: 2 * axis], rows, *values.shape[2 * axis :]), values.dtype)
        moved, source = np.moveaxis(out, (2 * axis, 2 * axis + 1), (0, 1)), np.moveaxis(values, 2 * axis, 0)
        for first in range(rows):
            for last in range(rows):
                moved[first, last] = reduce(source[first : last + 1] if last >= first else source[last : first + 1], 0)
        values = out
    return values


def leaves_at(tables: Tables, columns: tuple[Any, ...], places: dict[tuple[int, ...], Any], count: int) -> Chip:
    """A chip of the numbers at the places of the axes of each leaf; leaves (count,), so that one program serves all."""
    leaves = []
    for column, axes in zip(columns, tables.axes, strict=True):
        table = jnp.asarray(column)
        found = table.at[places[axes]].get(mode="promise_in_bounds") if axes else table[0]
        leaves.append(jnp.broadcast_to(found, (count,)))
    return jax.tree.unflatten(tables.form, leaves)


@jax.jit
def chips_at(tables: Tables, digits: Rows) -> Chip:
    """Designs as chips by their rows (designs, axes); leaves (designs,)."""
    places: dict[tuple[int, ...], Any] = {}
    for axes in set(tables.axes):
        place = 0
        for axis in axes:
            place = place * tables.shape[axis] + digits[:, axis]
        places[axes] = place
    return leaves_at(tables, tables.values, places, len(digits))


@jax.jit
def chip_range(tables: Tables, first: Rows, last: Rows) -> tuple[Chip, Chip]:
    """Least and greatest of every number of the chips in boxes, from first to last rows (boxes, axes)."""
    places: dict[tuple[int, ...], Any] = {}
    for axes in set(tables.axes):
        place = 0
        for axis in axes:
            rows = tables.shape[axis]
            place = (place * rows + first[:, axis]) * rows + last[:, axis]
        places[axes] = place
    low, high = (leaves_at(tables, ends, places, len(first)) for ends in (tables.low, tables.high))
    return low, high


def every_value(tables: Tables, of: Callable[[Chip], Any]) -> np.ndarray:
    """All different combinations of some leaves of the chips of a grid (combinations, leaves)."""
    names: list[int] = jax.tree.leaves(of(jax.tree.unflatten(tables.form, range(len(tables.axes)))))
    axes = sorted({axis for name in names for axis in tables.axes[name]})
    rows = [tables.shape[axis] for axis in axes]
    digits = np.zeros((int(np.prod(rows)), len(tables.shape)), np.int64)
    digits[:, axes] = np.indices(rows).reshape(len(rows), len(digits)).T
    leaves = jax.tree.leaves(of(chips_at(tables, digits)))
    return np.unique(np.stack([np.broadcast_to(leaf, len(digits)) for leaf in leaves], 1), axis=0)
