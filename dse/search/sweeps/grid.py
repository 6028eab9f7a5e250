"""Which designs does a sweep visit? The grid of a space, numbered, none of them kept in memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped

from dse.catalogue import Space, activate
from dse.catalogue.conditions import holds
from dse.catalogue.errors import CatalogueError, Problem, listed, nearest
from dse.catalogue.fields import Choices, Range
from dse.catalogue.library import Column
from dse.search.space import as_written

__all__ = ["MOST_DESIGNS", "Axis", "Grid", "grid_of", "grid_sizes", "points_of", "tied_axis", "ties"]

MOST_DESIGNS = 10**9
"""Largest grid that is swept [1]."""

MOST_COMBINATIONS = 10**6
"""Most combinations of the fields of one condition that are written down [1]."""

MOST_POINTS = 4096
"""Most points of a field, because the tables of boxes grow with their square [1]."""

USUAL_POINTS = 3
"""Points of a free number whose count the space does not state: both ends and the middle [1]."""


@dataclass(frozen=True)
class Axis:
    """Fields that vary together, one row a point: one field, or all that a condition ties to each other.

    columns: field -> its value in each row [base units].
    """

    columns: dict[str, Shaped[np.ndarray, " rows"]]

    @property
    def size(self) -> int:
        """Rows [1]."""
        return len(next(iter(self.columns.values())))


@dataclass(frozen=True)
class Grid:
    """The product of its axes; design number i has the digits of i in mixed radix, the last axis the fastest."""

    space: Space
    axes: tuple[Axis, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows of every axis [1]."""
        return tuple(axis.size for axis in self.axes)

    @property
    def designs(self) -> int:
        """Different designs, each counted once [1]."""
        return math.prod(self.shape)

    def columns(self, numbers: Int[np.ndarray, " designs"]) -> dict[str, Column]:
        """Complete designs by their numbers: a value or column for every path of the space."""
        return self.columns_at(np.stack(np.unravel_index(numbers, self.shape)))

    def columns_at(self, digits: Int[np.ndarray, "axes designs"]) -> dict[str, Column]:
        """Complete designs by their rows on every axis."""
        found: dict[str, Column] = dict(self.space.fixed)
        for axis, rows in zip(self.axes, digits, strict=True):
            found |= {path: values[rows] for path, values in axis.columns.items()}
        return found

    def design(self, number: int) -> dict[str, float | str | bool]:
        """One design by its number, values as a chip file holds them."""
        columns = self.columns(np.array([number]))
        return {path: value[0].item() if isinstance(value, np.ndarray) else value for path, value in columns.items()}  # pyright: ignore[reportReturnType]

    def sample(self, count: int) -> Int[np.ndarray, " designs"]:
        """Numbers of so many designs, spread: one from each of `count` equal parts, at a place that is hashed."""
        if count >= self.designs:
            return np.arange(self.designs)
        edges = np.arange(count + 1) * self.designs // count
        places = np.random.default_rng(0).random(count)
        return edges[:-1] + (places * np.diff(edges)).astype(np.int64)


def grid_sizes(space: Space, wanted: Sequence[str] = ()) -> dict[str, int]:
    """Points of every free field, the space's but for those written as `path=count`; CatalogueError for others."""
    sizes = {path: space.grid.get(path, usual_points(field)) for path, field in space.free.items()}
    faults = []
    for text in wanted:
        path, _, count = text.partition("=")
        if path not in space.free:
            close = nearest(path, space.free)
            faults.append(Problem("is no free field", "", "--grid", repr(path), listed(space.free, near=path), close))
        elif not count.isdecimal() or not 1 <= int(count) <= MOST_POINTS:
            rule = f"must be FIELD=COUNT with a count of 1 to {MOST_POINTS}"
            faults.append(Problem(rule, "", "--grid", repr(text)))
        else:
            sizes[path] = int(count)
    if faults:
        raise CatalogueError(faults)
    return sizes


def usual_points(field: Range | Choices) -> int:
    """Points of a field of which the space says nothing: every choice, or both ends and the middle."""
    return len(field.values) if isinstance(field, Choices) else USUAL_POINTS


def points_of(path: str, field: Range | Choices, count: int) -> Shaped[np.ndarray, " rows"]:
    """At most so many values of a field from end to end, each once; of one point the middle, of two middles the lower.

    Numbers are as a chip file will hold them, on the scale and the steps of the field.
    """
    if isinstance(field, Choices):
        return np.array(field.values)[spread(len(field.values), min(count, len(field.values)))]
    share = np.linspace(0.0, 1.0, count) if count > 1 else np.array([0.5])
    if field.log:
        values = field.low * (field.high / field.low) ** share
    else:
        values = field.low + share * (field.high - field.low)
    if field.step:
        values = field.low + np.round((values - field.low) / field.step) * field.step
    return np.unique([as_written(float(value), path, field) for value in values])


def spread(length: int, count: int) -> Int[np.ndarray, " rows"]:
    """Places of so many items of a list, from the first to the last; of one the middle.

    >>> spread(10, 4).tolist(), spread(4, 1).tolist()
    ([0, 3, 6, 9], [1])
    """
    return np.array([(length - 1) // 2]) if count == 1 else np.round(np.linspace(0, length - 1, count)).astype(int)


def grid_of(space: Space, sizes: Mapping[str, int]) -> Grid:
    """The grid with so many points a field; CatalogueError when it is too large to be swept.

    Fields that conditions tie together make one axis of their different combinations, so that a design in which a
    field is not free is there once.
    """
    points = {path: points_of(path, field, sizes[path]) for path, field in space.free.items()}
    tied = [path for path in points if path in ties(space)]
    axes = [Axis({path: values}) for path, values in points.items() if path not in tied]
    if tied:
        axes.append(tied_axis(space, {path: points[path] for path in tied}))
    grid = Grid(space, tuple(axes))
    if grid.designs > MOST_DESIGNS:
        largest = max(points, key=lambda path: len(points[path]))
        way_out = f"ask for fewer points, for example --grid {largest}={len(points[largest]) // 2}"
        raise CatalogueError(
            [
                Problem(
                    "grid is too large", "", space.name, f"{grid.designs:,}", f"at most {MOST_DESIGNS:,}", "", way_out
                )
            ]
        )
    return grid


def ties(space: Space) -> set[str]:
    """Conditional fields and the free ones that they look at."""
    looked_at = {path for condition in space.conditions.values() for path in condition.paths}
    return (set(space.conditions) | looked_at) & set(space.free)


def tied_axis(space: Space, points: Mapping[str, np.ndarray]) -> Axis:
    """The different combinations of fields of conditions: a field that is not free counts with its first value only."""
    shape = tuple(len(values) for values in points.values())
    if math.prod(shape) > MOST_COMBINATIONS:
        way_out = f"ask for fewer points of {', '.join(points)} with --grid"
        raise CatalogueError(
            [
                Problem(
                    "conditions tie too many values together", "", space.name, f"{math.prod(shape):,}", "", "", way_out
                )
            ]
        )
    digits = dict(zip(points, np.indices(shape).reshape(len(shape), -1), strict=True))
    values = activate(space, {path: column[digits[path]] for path, column in points.items()})
    kept = np.ones(math.prod(shape), bool)
    for path, condition in space.conditions.items():
        kept &= np.logical_or(holds(condition, values), digits[path] == 0)
    return Axis({path: np.asarray(values[path])[kept] for path in points})
