"""Where does a search begin? At the chips of the catalogue that lie inside the space, before any design is sampled."""

from __future__ import annotations

from typing import NamedTuple

from dse.catalogue.accumulation import USUAL
from dse.catalogue.conditions import holds
from dse.catalogue.errors import CatalogueError
from dse.catalogue.fields import Choices, Range, Value
from dse.catalogue.library import Library
from dse.catalogue.listing import list_entries
from dse.catalogue.space import Space
from dse.catalogue.store import Catalogue
from dse.search.space import distributions

__all__ = ["FARTHEST", "START", "StartPoint", "start_point", "start_points", "with_supply"]

START = "start_point"
"""User attribute of a trial that began at a chip of the catalogue: its name, and the fields that had to move."""

FARTHEST = 2.0
"""Largest factor by which a number may move to the nearest value of its field; a chip farther out is no start [1]."""


class StartPoint(NamedTuple):
    """A chip's values of the free fields; moved: path -> the chip's own value, where the space has only one near it."""

    chip: str
    params: dict[str, Value]
    moved: dict[str, Value]

    @property
    def record(self) -> dict[str, object]:
        """What the trial keeps of it."""
        return {"chip": self.chip, "moved": self.moved}


def nearest_number(field: Range | Choices, value: float) -> float | None:
    """The value of a field nearest to a number, at most a factor of FARTHEST away; None without such a one.

    >>> nearest_number(Choices((8.0, 64.0, 512.0)), 1024.0), nearest_number(Choices((8.0, 64.0)), 1024.0)
    (512.0, None)
    """
    if isinstance(field, Choices):
        numbers = [float(one) for one in field.values if isinstance(one, int | float) and not isinstance(one, bool)]
    else:
        inside = min(max(value, field.low), field.high)
        steps = round((inside - field.low) / field.step) if field.step else 0
        numbers = [min(field.low + steps * field.step, field.high) if field.step else inside]
    near = min(numbers, key=lambda number: abs(number - value), default=None)
    if near is None or near == value:
        return near
    return near if near > 0.0 and value > 0.0 and max(near / value, value / near) <= FARTHEST else None


def nearest_value(field: Range | Choices, value: Value | None) -> Value | None:
    """What a field can take that comes closest to a chip's value; names must be among the choices, or be the only one.

    >>> nearest_value(Choices(("cowos-l",)), "cowos-s"), nearest_value(Choices(("hbm3", "hbm4")), "hbm2e")
    ('cowos-l', None)
    """
    if isinstance(value, float | int) and not isinstance(value, bool):
        return nearest_number(field, float(value))
    choices = field.values if isinstance(field, Choices) else ()
    only = choices[0] if len(choices) == 1 else None
    return value if value in choices else only


def start_point(space: Space, chip: str, values: dict[str, Value]) -> StartPoint | None:
    """A chip as a point of the space; None where it lies outside.

    values: of the chip, base units by dotted path. What the space holds fixed is the space's, not the chip's.
    """
    design: dict[str, Value] = dict(space.fixed)
    params: dict[str, Value] = {}
    for path in distributions(space):
        field, condition = space.free[path], space.conditions.get(path)
        if condition is not None and not holds(condition, design):
            assert field.otherwise is not None
            design[path] = field.otherwise
            continue
        near = nearest_value(field, values.get(path))
        if near is None:
            return None
        design[path] = params[path] = near
    moved = {path: values[path] for path, value in params.items() if path in values and values[path] != value}
    return StartPoint(chip, params, moved)


def with_supply(values: dict[str, Value], library: Library) -> dict[str, Value]:
    """The values of a chip with what files leave out: nominal supply, experts as all weights, usual sums."""
    nominal = float(library.shelves["process"].gather(str(values["process.node"]))["nominal_voltage"])
    usual: dict[str, Value] = {"process.voltage": nominal, "matrix.accumulation": USUAL}
    return usual | {"numerics.expert_weights": values["numerics.weights"]} | values


def start_points(space: Space, catalogue: Catalogue) -> list[StartPoint]:
    """The chips of the catalogue that lie inside a space, in the order of their names; faulty files are left out.

    Of chips that come to the same design the one that had to move least.
    """
    found: dict[tuple[tuple[str, Value], ...], StartPoint] = {}
    for row in list_entries("chip", catalogue):
        try:
            values = with_supply(catalogue.entry("chip", row["name"]).values, catalogue.library)
        except CatalogueError:
            continue
        point = start_point(space, row["name"], values)
        if point is not None:
            design = tuple(point.params.items())
            found[design] = min(found.get(design, point), point, key=lambda one: len(one.moved))
    return list(found.values())
