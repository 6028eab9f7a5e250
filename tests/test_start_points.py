"""Where a search begins: at chips inside the space, and nowhere else."""

import pytest
from builders import catalogue

from dse.catalogue import load_space
from dse.catalogue.conditions import holds
from dse.catalogue.fields import Choices, Range
from dse.search.space import distributions, flat_design
from dse.search.start_points import FARTHEST, nearest_number, nearest_value, start_point, start_points, with_supply


@pytest.mark.parametrize("name", ["sram-vs-hbm", "gpu", "matx", "lemurian", "cerebras"])
def test_start_points_lie_inside_their_space_and_near_their_chip(name: str) -> None:
    space = load_space(name, catalogue())
    points = start_points(space, catalogue())
    assert points
    for point in points:
        own = with_supply(catalogue().entry("chip", point.chip).values, catalogue().library)
        design = flat_design(space, point.params)
        for path, value in point.params.items():
            field = space.free[path]
            near = own.get(path)
            if isinstance(field, Choices):
                assert value in field.values
            else:
                assert isinstance(value, float)
                assert field.low <= value <= field.high
            if isinstance(value, float) and isinstance(near, float) and value > 0.0:
                assert 1.0 / FARTHEST <= value / near <= FARTHEST
            assert (path in point.moved) == (path in own and own[path] != value)
        for path in distributions(space):
            condition = space.conditions.get(path)
            assert (path in point.params) == (condition is None or bool(holds(condition, design)))


def test_chips_that_come_to_one_design_are_one_start_point() -> None:
    points = start_points(load_space("a100-neighbours", catalogue()), catalogue())
    assert len(points) > 1
    assert len({tuple(point.params.items()) for point in points}) == len(points)


def test_a_chip_outside_is_no_start_point() -> None:
    space = load_space("sram-vs-hbm", catalogue())
    values = with_supply(catalogue().entry("chip", "matx-one").values, catalogue().library)
    assert start_point(space, "matx-one", values) is not None
    for change in ({"style": "gpu"}, {"memory.kind": "hbm2e"}, {"matrix.clock": 9e9}, {"scale_up.domain": 4096.0}):
        assert start_point(space, "matx-one", values | change) is None, change
    del values["sram.local"]
    assert start_point(space, "matx-one", values) is None


def test_numbers_move_to_the_nearest_value_and_names_do_not() -> None:
    assert nearest_number(Range(128.0, 1280.0, step=64.0), 592.0) in (576.0, 640.0)
    assert nearest_number(Range(1.0, 2.0), 2.5) == 2.0
    assert nearest_number(Range(1.0, 2.0), 4.5) is None
    assert nearest_number(Choices((0.0, 0.5, 1.0)), 0.0) == 0.0
    assert nearest_value(Choices(("a", "b")), "c") is None
    assert nearest_value(Choices(("a", "b")), "b") == "b"
    assert nearest_value(Range(1.0, 2.0), None) is None
